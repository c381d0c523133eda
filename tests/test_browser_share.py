"A program in a page: the same answers as in Python, from files, drawings and drops; nothing runs."

import base64
import io
import json

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from browser import stroke
from dljourney.kit.live import Drawing
from dljourney.kit.pictures import Preprocess, doodles, stacked
from dljourney.program import Program
from dljourney.whole_game import teach
from nets import few, soak
from pages import same_pixels, tried

pytestmark = [pytest.mark.browser, same_pixels]
THINGS = ("smile", "frown", "star", "house")
SCRIPTS = "resize.js", "prepare.js", "pen.js", "strokes.js"
HOSTILE = "<img src=x onerror=\"document.title='ran'\">"


@pytest.fixture(scope="module")
def program():
    wants = Preprocess(32, channels=1, mean=(0.5,), std=(0.5,))
    examples = doodles(THINGS, n=4)
    model = teach(*stacked(examples, wants), len(examples))
    return Program(model, [*THINGS[:3], HOSTILE], Preprocess.of(model), {"scores": {}})


@pytest.fixture(scope="module")
def folder(tmp_path_factory, program):
    folder = tmp_path_factory.mktemp("shared")
    program.share(folder / "page.html", HOSTILE)
    return folder


def opened(front, folder, **options):
    page = front.page(**options)
    page.goto((folder / "page.html").as_uri())
    page.locator("body.ready").wait_for(state="attached")
    return page


@pytest.fixture
def page(front, folder):
    page = opened(front, folder)
    yield page
    assert not page.problems
    assert {url for url in page.outside} == {(folder / "page.html").as_uri()}, "it asked somebody"
    assert page.title() != "ran" and not page.locator("article img").count()
    page.context.close()


def said(page, i=0):
    "The answer of a card: {label: probability} of the likeliest."
    rows = page.locator("article").nth(i).locator("li")
    return dict(rows.evaluate_all(
        "rows => rows.map(row => [row.querySelector('bdi').textContent, "
        "Number(row.dataset.probability)])"))


def first(answer):
    return next(iter(answer))


# -- preparing -------------------------------------------------------------------------------------


@st.composite
def cases(draw):
    size = draw(st.tuples(st.integers(4, 20), st.integers(4, 20)))
    wants = Preprocess(size, draw(st.sampled_from([1, 3])), 0.45, 0.22,
                       draw(st.sampled_from(["crop", "squash", "pad"])),
                       draw(st.sampled_from(["bilinear", "bicubic"])))
    height, width = draw(st.integers(1, 90)), draw(st.integers(1, 90))
    dice = np.random.default_rng(draw(st.integers(0, 99)))
    return wants, dice.integers(0, 256, (height, width, 3), np.uint8)


@given(st.lists(cases(), min_size=10, max_size=10))
@few
def test_a_picture_is_prepared_as_in_python_in_every_byte(bare, found):
    run = """([wants, data, width, height]) => {
      const seen = seenBy(wants, { data, width, height, channels: 3 });
      return [[...seen.data], [...onScale(wants, seen)]];
    }"""
    for wants, pixels in found:
        height, width = pixels.shape[:2]
        data = pixels.ravel().tolist()
        seen, ready = bare.evaluate(run, [wants.asdict(), data, width, height])
        want = wants.read(pixels)
        assert seen == want.permute(1, 2, 0).ravel().tolist(), wants
        assert np.array_equal(np.float32(ready), wants(want[None]).numpy().ravel()), wants


coordinate = st.floats(0, 1) | st.integers(0, 8).map(lambda n: n / 8)
hairpin = [[[0.0, 0.0], [0.0, 1.0], [3.7e-9, 0.0]]]


@example([[[[0.3, 0.4]]], [[[0, 0], [1, 0]]], hairpin, []])
@given(st.lists(st.lists(st.lists(st.tuples(coordinate, coordinate), min_size=1, max_size=12),
                         min_size=1, max_size=3), min_size=20, max_size=20))
@few
def test_strokes_become_the_picture_that_python_draws_in_every_byte(bare, drawn):
    drawn = drawn + [d.strokes for found in doodles((*THINGS, "wave"), n=1).values() for d in found]
    run = "all => all.map(strokes => btoa(String.fromCharCode(...drawnPicture(strokes).data)))"
    for strokes, got in zip(drawn, bare.evaluate(run, drawn)):
        want = Drawing.of_strokes(strokes).image if strokes else np.zeros((128, 128), np.uint8)
        assert base64.b64decode(got) == want.tobytes(), strokes


# -- files -----------------------------------------------------------------------------------------


def photographs(folder, n):
    "Pictures of drawings in many kinds of files."
    drawn = [d for found in doodles(THINGS, n=-(-n // 4), seed=3).values() for d in found]
    dice, files = np.random.default_rng(0), []
    for i, drawing in enumerate(drawn[:n]):
        large = Image.fromarray(drawing.image).resize([int(dice.integers(60, 700))] * 2)
        kind = ("png", "colour.png", "exact.png", "jpg", "turned.jpg")[i % 5]
        picture = large if kind == "png" else Image.merge("RGB", [large] * 3)
        exif = Image.Exif()
        if kind == "turned.jpg": exif[0x0112] = int(dice.integers(1, 9))
        if kind == "exact.png":
            noise = dice.integers(0, 90, (large.height, large.width, 3), np.uint8)
            picture = Image.fromarray(np.maximum(noise, np.asarray(picture)))
        path = folder / f"{i}.{kind}"
        options = {"exif": exif, "quality": 92} if kind.endswith("jpg") else {}
        picture.save(path, **options)
        files.append(path)
    return files


def test_files_get_the_answers_that_python_gives(page, program, tmp_path):
    files = photographs(tmp_path, 50 if soak else 15)
    page.set_input_files("input[multiple]", files)
    page.locator("article").nth(len(files) - 1).wait_for()
    same, want = 0, program(list(files))
    for i, (path, answer) in enumerate(zip(files, want)):
        got = said(page, len(files) - 1 - i)  # the newest stands first
        same += first(got) == first(answer)
        if path.suffix == ".png":
            assert all(abs(got[name] - answer[name]) < 1e-3 for name in got), path.name
    assert same >= 0.99 * len(files)


def test_what_is_no_picture_is_told_and_the_others_go_on(page, tmp_path):
    (tmp_path / "notes<b>.png").write_bytes(b"no picture")
    good = photographs(tmp_path, 1)[0].rename(tmp_path / f"{HOSTILE.replace('/', '')}.png")
    page.set_input_files("input[multiple]", [tmp_path / "notes<b>.png", good])
    page.locator("article").nth(1).wait_for()
    assert "notes<b>.png cannot be read" in page.locator("article.refused").inner_text()
    assert page.locator("article").first.locator("p bdi").inner_text() == good.name


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_pictures_come_by_drop_and_paste(page, program, way):
    drawing = doodles(["star"], n=1, seed=9)["star"][0]
    file = io.BytesIO()
    Image.fromarray(drawing.image).save(file, "PNG")
    page.evaluate("""([way, bytes]) => {
      const data = new DataTransfer();
      data.items.add(new File([new Uint8Array(bytes)], "star.png", { type: "image/png" }));
      const about = { dataTransfer: data, clipboardData: data, bubbles: true };
      const Kind = way === "drop" ? DragEvent : ClipboardEvent;
      document.body.dispatchEvent(new Kind(way, about));
    }""", [way, list(file.getvalue())])
    page.locator("article").wait_for()
    assert first(said(page)) == first(program(drawing.image)) == "star"


def test_a_drawing_is_named_while_it_is_drawn(page, program):
    drawing = doodles(["house"], n=1, seed=4)["house"][0]
    for points in drawing.strokes: stroke(page, points)
    page.locator("#said", has_text=HOSTILE).wait_for()
    assert page.locator("article").count() == 1
    assert first(said(page)) == HOSTILE == first(program(drawing.image))
    page.get_by_role("button", name="Clear").click()
    page.locator("article").wait_for(state="detached")
    assert not page.locator("#said").inner_text()


# -- the page itself -------------------------------------------------------------------------------


def test_it_is_painted_before_its_weights_are_decoded(page):
    painted, ready = page.evaluate("""() => [
      performance.getEntriesByName("first-contentful-paint")[0].startTime,
      performance.getEntriesByName("ready")[0].startTime]""")
    assert painted < ready
    assert page.locator("h1").inner_text() == HOSTILE


def test_its_policy_lets_nothing_else_run_and_asks_nobody(front, folder):
    page = opened(front, folder)
    assert tried(page) == dict.fromkeys(["eval", "script", "fetch", "click"], False)
    assert not page.evaluate("""() => new Promise((done) => {
      const image = new Image();
      [image.onload, image.onerror] = [() => done(true), () => done(false)];
      image.src = "data:image/gif;base64,R0lGODlhAQABAAAAACw=";
    })""")
    assert [url for url in page.outside if not url.startswith("file:")] == []
    page.context.close()


def test_a_page_for_photographs_has_no_pad(front, tmp_path):
    page = front.page()
    model = nn.Sequential(nn.Flatten(), nn.Linear(48, 2))
    Program(model, ["a", "b"], Preprocess(4)).share(tmp_path / "page.html")
    page.goto((tmp_path / "page.html").as_uri())
    page.locator("body.ready").wait_for(state="attached")
    assert not page.locator(".dlj-pad").count() and not page.problems
    state = json.loads(page.locator("#state").text_content())
    assert state["drawings"] is False
    page.context.close()
