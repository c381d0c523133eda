"TeachMe as a page: draw, teach, ask; the same answers as in Python; drawings stay in the browser."

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from browser import ROWS, stroke
from dljourney.demos import TeachMe
from dljourney.kit.live import Drawing
from dljourney.kit.pictures import doodles
from dljourney.whole_game import best_head, warped
from nets import few, soak
from pages import LIFE, same_pixels, shown, until

pytestmark = pytest.mark.browser
SCRIPTS = "dice.js", "warp.js", "head.js"
THINGS = ("smile", "frown", "star", "house")
TAUGHT = f"() => {LIFE}.desk.head"


@pytest.fixture(scope="module")
def desk():
    desk = TeachMe(doodles(THINGS, n=3))
    desk.loading.wait()
    return desk


@pytest.fixture(scope="module")
def path(desk, tmp_path_factory):
    return desk.to_html(tmp_path_factory.mktemp("teach") / "desk.html", "My signs")


def press_teach(page):
    page.get_by_role("button", name="Teach", exact=True).click()
    until(page, f"{LIFE}.desk.head && {LIFE}.desk.note.startsWith('Taught')")


def keep(page, row, drawing):
    "Draw something, and keep it in a row."
    thumbs = f"{ROWS}[{row}].querySelectorAll('.dlj-thumb').length"
    before = page.evaluate(thumbs)
    for points in drawing.strokes: stroke(page, points)
    page.locator(".dlj-keep").nth(row).click()
    until(page, f"{thumbs} === {before + 1}")


def draw(page, drawing):
    clear = page.get_by_role("button", name="Clear")
    if clear.is_enabled(): clear.click()
    for points in drawing.strokes: stroke(page, points)


def said(page):
    "The probabilities that the page shows for what is on the pad."
    names = page.evaluate(f"() => {LIFE}.desk.things.map(({{ name }}) => name)")
    return dict(zip(names, shown(page)["shelf"]["taught"]))


# -- the twins -------------------------------------------------------------------------------------


@given(st.integers(1, 9), st.integers(0, 2**31), st.integers(0, 99))
@few
def test_warps_are_those_of_chapter_01(bare, n, seed, pictures):
    dice = torch.Generator().manual_seed(pictures)
    x = torch.rand(n, 1, 32, 32, generator=dice)
    got = bare.evaluate("""([x, n, seed]) => {
      const warp = warpsOf(n, 32, seed);
      return x.map((picture, i) => [...warp(picture, i)]);
    }""", [x.flatten(1).tolist(), n, seed])
    assert np.abs(np.array(got) - warped(x, seed).flatten(1).numpy()).max() < 2e-5


@given(st.integers(2, 6), st.integers(12, 60), st.integers(0, 99))
@few
def test_the_head_is_that_of_chapter_01_in_double(bare, things, n, seed):
    dice = torch.Generator().manual_seed(seed)
    x, y = torch.randn(n, 20, generator=dice), torch.randint(things, (n,), generator=dice)
    got = np.array(bare.evaluate("""([x, y, n]) =>
      bestHead(x, y, n).map(({ weight, bias }) => [...weight, bias])""",
                                 [x.tolist(), y.tolist(), things]))
    weight, bias = best_head(x, y, things)
    assert np.abs(got - torch.cat([weight, bias[:, None]], 1).numpy()).max() < 1e-3
    z, target = x.double().numpy(), np.eye(things)[y]  # the same by another way: least squares
    middle, share = z.mean(0), target.mean(0)
    size = ((z - middle) ** 2).mean()
    rows = np.concatenate([z - middle, np.sqrt(n * size) * np.eye(20)])
    wanted = np.concatenate([target - share, np.zeros((20, things))])
    want = np.linalg.lstsq(rows, wanted, rcond=None)[0].T
    assert np.abs(got[:, :-1] - 6 * want).max() < 1e-9
    assert np.abs(got[:, -1] - 6 * (share - want @ middle)).max() < 1e-9


@same_pixels
def test_it_learns_and_answers_as_in_python(opened, path, desk):
    page = opened(None, path)
    tests = [d for seed in range(20 if soak else 5)
             for found in doodles(THINGS, n=1, seed=50 + seed).values() for d in found]
    press_teach(page)
    desk.teach()
    head = page.evaluate(f"() => {LIFE}.desk.head.rows.map(({{ weight }}) => [...weight])")
    weight = desk.model.get_classifier().weight.detach().numpy()
    assert np.abs(np.array(head) - weight).max() < 1e-3 * np.abs(weight).max()
    ask = f"""(pictures) => pictures.map((seen) => {LIFE}.acts.answer({LIFE}.desk, {{ seen }}))"""
    seen = [(desk.networks.look.read(d.image).flatten() / 255).tolist() for d in tests]
    for drawing, got in zip(tests, page.evaluate(ask, seen)):
        want = desk.predict(drawing)
        assert next(iter(got)) == next(iter(want))
        assert got == pytest.approx(want, abs=2e-4)


# -- by hand ---------------------------------------------------------------------------------------


def test_draw_teach_and_ask(opened, tmp_path):
    page = opened(TeachMe(["smile", "star"], folder=tmp_path / "none"))
    for seed in range(2):
        for row, name in enumerate(("smile", "star")):
            keep(page, row, doodles([name], n=1, seed=seed)[name][0])
    press_teach(page)
    for name in ("star", "smile"):
        draw(page, doodles([name], n=1, seed=9)[name][0])
        page.locator(".dlj-verdict", has_text=name).wait_for()
    keep(page, 0, doodles(["smile"], n=1, seed=7)["smile"][0])
    assert shown(page)["count"]["new drawings"] == "1", "a new drawing is a test first"


def test_too_little_is_told(opened, tmp_path):
    page = opened(TeachMe(["smile", "star"], folder=tmp_path / "none"))
    page.get_by_role("button", name="Teach", exact=True).click()
    page.locator(".dlj-error", has_text="expected drawings of two things or more").wait_for()
    page.locator(".dlj-keep").first.click()
    page.locator(".dlj-error", has_text="the pad is empty").wait_for()


@same_pixels
def test_a_taught_desk_is_taught_on_its_page(opened, tmp_path):
    desk = TeachMe(doodles(THINGS[:2], n=3))
    desk.teach()
    new = doodles(["smile"], n=1, seed=8)["smile"][0]
    desk.keep("smile", new)
    desk.strokes = [*new.strokes]
    page = opened(desk)
    assert said(page) == pytest.approx(desk.predict(), abs=2e-4)
    seen = np.reshape(shown(page)["shelf"]["seen"]["values"], (32, 32))
    assert np.abs(seen - desk.networks.sees(desk.drawing)).max() <= 1, "the same small picture"
    assert shown(page)["count"]["new drawings"] == "1"


def test_the_shelf_is_kept_in_this_browser_and_travels_as_a_file(opened, front, path, tmp_path):
    page = opened(None, path)
    keep(page, 2, doodles(["star"], n=1, seed=5)["star"][0])
    page.locator(".dlj-rows input").nth(3).fill("hut")
    page.locator(".dlj-rows input").nth(3).press("Enter")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save the drawings").click()
    saved.value.save_as(tmp_path / "drawings.json")
    page.reload()
    page.locator("body.ready").wait_for(state="attached")
    names = f"() => {LIFE}.desk.things.map(({{ name, drawings }}) => [name, drawings.length])"
    kept = [["smile", 3], ["frown", 3], ["star", 4], ["hut", 3]]
    assert page.evaluate(names) == kept, "it is all here again"
    other = opened(None, path)  # another browser: its own shelf
    assert other.evaluate(names)[3] == ["house", 3]
    other.set_input_files(".dlj-filebar input", tmp_path / "drawings.json")
    until(other, f"{LIFE}.desk.things[3].name === 'hut'")
    assert other.evaluate(names) == kept
    things = json.loads((tmp_path / "drawings.json").read_text("utf-8"))
    assert Drawing.of_strokes(things[2]["drawings"][3]["strokes"]).image.any()
    (tmp_path / "bad.json").write_text('[{"name": 3}, {"drawings": []}, "x"]')
    other.set_input_files(".dlj-filebar input", tmp_path / "bad.json")
    other.locator(".dlj-error", has_text="expected drawings that this page saved").wait_for()
    assert other.evaluate(names) == kept


def test_drawings_go_and_come_back(opened, path):
    page = opened(None, path)
    page.locator(".dlj-thumb").first.click()
    until(page, f"{ROWS}[0].querySelectorAll('.dlj-thumb').length === 2")
    page.get_by_role("button", name="Take star off the shelf").click()
    until(page, f"{ROWS}.length === 3")
    for _ in range(4): page.get_by_role("button", name="bring back").click()
    until(page, f"{ROWS}.length === 4")
    counts = f"() => {LIFE}.desk.things.map(({{ drawings }}) => drawings.length)"
    assert page.evaluate(counts) == [3, 3, 3, 3]
    page.get_by_role("button", name="another thing").click()
    until(page, f"{ROWS}.length === 5")


def test_ready_digits_are_a_test(opened, path):
    page = opened(None, path)
    page.get_by_role("button", name="Use ready digits").click()
    press_teach(page)
    count = shown(page)["count"]
    desk = TeachMe()
    desk.use_digits()
    desk.teach()
    assert count["new drawings"] == "100"
    assert count["right"] == f"{desk.right['taught']:.0%}"
    page.get_by_role("button", name="My own drawings").click()
    until(page, f"{ROWS}.length === 4")


def test_the_page_is_light(path):
    assert path.stat().st_size < 4e6
