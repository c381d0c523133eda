"Studio as a page: piles from files, camera and pad; the same answers as in Python; it stays here."

import io
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from browser import stroke
from dljourney.demos import Studio
from dljourney.demos.studio import as_drawn
from dljourney.kit.models import Sorter, probe
from dljourney.kit.pictures import doodles, surfaces
from dljourney.transfer import pretrained
from dljourney.whole_game import best_head
from nets import few
from pages import LIFE, same_pixels, tried, until
from test_browser_studio import FAKE, LEARNED, film, plain

pytestmark = pytest.mark.browser
SCRIPTS = "head.js", "probe.js", "sorting.js"
COUNTS = f"""() => Object.fromEntries({LIFE}.model.get("_shelf").piles
  .map(({{ name, pictures }}) => [name, pictures.length]))"""
ASKS = """() => new Promise((done) => {
  const source = `addEventListener("securitypolicyviolation", (event) =>
    postMessage(event.effectiveDirective)); fetch("http://127.0.0.1:9/").catch(() => {});`;
  const worker = new Worker(URL.createObjectURL(new Blob([source])));
  worker.addEventListener("message", ({ data }) => done(data));
})"""
READY = f"{LIFE} && {LIFE}.desk.isReady()"


# -- the twins -------------------------------------------------------------------------------------


@st.composite
def lessons(draw):
    "Features, and which thing each of them is; of some things there may be one only."
    things, more = draw(st.integers(2, 5)), draw(st.integers(0, 30))
    dice = torch.Generator().manual_seed(draw(st.integers(0, 999)))
    y = torch.cat([torch.arange(things), torch.randint(things, (more,), generator=dice)])
    apart = draw(st.sampled_from([0.0, 0.5, 3.0]))
    middles = torch.randn(things, 24, generator=dice)
    return apart * middles[y] + torch.randn(len(y), 24, generator=dice), y, things


@given(lessons())
@few
def test_a_probe_is_that_of_python(bare, lesson):
    x, y, things = lesson
    got = bare.evaluate("""([x, y, things]) => {
      const { rows, leftOut } = probeOf(x.map((row) => Float32Array.from(row)), y, things);
      return [rows.map(({ weight, bias }) => [...weight, bias]), leftOut.map((row) => [...row])];
    }""", [x.tolist(), y.tolist(), things])
    want = probe(x, y, things, best_head)
    rows = torch.cat([want.weight, want.bias[:, None]], 1)
    assert np.abs(np.array(got[0]) - rows.numpy()).max() < 1e-5 * max(1, rows.abs().max())
    left = want.left_out.numpy()
    assert np.abs(np.array(got[1]) - left).max() < 1e-5 * max(1, np.abs(left).max())


@given(lessons())
@few
def test_answers_doubts_and_verdict_are_those_of_python(bare, lesson):
    x, y, things = lesson
    sorter = Sorter(pretrained("glyphnet"), best_head)
    sorter.rows = dict(enumerate(x))
    names = [f"thing {i}" for i in range(things)]
    sorter.learn({name: torch.where(y == i)[0].tolist() for i, name in enumerate(names)})
    order = y.argsort(stable=True)  # pile after pile
    got = bare.evaluate("""([x, y, names]) => {
      const { rows, leftOut } = probeOf(x, y, names.length);
      const doubts = doubtsOf(leftOut, y);
      const counts = names.map((_, i) => y.filter((which) => which === i).length);
      return { said: answerBy(rows, x[0]), doubts, verdict: verdictOf(names, counts, doubts) };
    }""", [x[order].tolist(), y[order].tolist(), names])
    assert dict(zip(names, got["said"])) == pytest.approx(sorter.answer(x[order[0]]), abs=1e-5)
    assert got["verdict"] == sorter.verdict()
    ours = {d["at"]: (names[d["label"]], names[d["said"]], d["share"]) for d in got["doubts"]}
    want = sorter.doubts()
    for doubt in want:
        label, said, share = ours[order.tolist().index(doubt.key)]
        assert (label, said) == (doubt.label, doubt.said)
        assert share == pytest.approx(doubt.probability, abs=1e-5)
    losses = [doubt["loss"] for doubt in got["doubts"]]
    assert losses == pytest.approx([d.loss for d in want], abs=1e-4, rel=1e-4)


@pytest.mark.parametrize("right, n", [(1, 16), (3, 16), (5, 16), (0, 7), (7, 7), (123, 1000)])
def test_shares_are_written_as_python_writes_them(bare, right, n):
    assert bare.evaluate("([a, b]) => perCent(a / b)", [right, n]) == f"{right / n:.1%}"


# -- by hand ---------------------------------------------------------------------------------------


def opened_offline(front, path):
    page = front.page(height=1100)
    page.context.set_offline(True)
    page.goto(path.as_uri())
    until(page, READY)
    return page


def add_files(page, pile, files):
    page.locator(".dlj-pile").nth(pile).locator("input[type=file]").set_input_files(files)


def test_piles_from_files_camera_and_pad_stay_here_and_travel_as_a_zip(with_flags, tmp_path):
    front = with_flags(FAKE, "--use-fake-ui-for-media-stream",
                       f"--use-file-for-fake-video-capture={film(tmp_path / 'film.y4m')}")
    path = Studio(tmp_path / "none", model="glyphnet").to_html(tmp_path / "studio.html", "Mine")
    page = opened_offline(front, path)
    add_files(page, 0, plain(tmp_path / "files", "blue", "#2030d0", 5))
    until(page, f"{LIFE}.model.get('_shelf').piles[0].pictures.length === 5")
    for points in doodles(["star"], n=1)["star"][0].strokes: stroke(page, points)
    page.locator(".dlj-drawn").nth(1).click()
    until(page, f"{LIFE}.model.get('_shelf').piles[1].pictures.length === 1")
    button = page.locator(".dlj-hold").nth(1)
    box = button.bounding_box()
    page.mouse.move(box["x"] + 9, box["y"] + 9)
    page.mouse.down()
    until(page, f"{LIFE}.model.get('_shelf').piles[1].pictures.length >= 3")
    page.mouse.up()
    page.locator(".dlj-learn").click()
    page.wait_for_selector(LEARNED)
    page.wait_for_selector(".dlj-most")  # what the camera sees is answered
    front.shot(page, "studio-page")
    assert "the pictures lie in this browser" in page.locator(".dlj-private").inner_text()
    page.locator(".dlj-lamp").click()
    until(page, READY)
    counts = page.evaluate(COUNTS)
    few_told = page.locator(".dlj-judged").inner_text().startswith("Too few to judge: this has")
    assert few_told == (counts["this"] < 5)
    page.reload()
    page.wait_for_selector(LEARNED)
    assert page.evaluate(COUNTS) == counts, "it is all here again"
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save the pictures").click()
    saved.value.save_as(tmp_path / "studio.zip")
    with zipfile.ZipFile(tmp_path / "studio.zip") as whole:
        assert whole.testzip() is None
        whole.extractall(tmp_path / "piles")
    there = Studio(tmp_path / "piles", model="glyphnet").piles.read()
    assert {name: len(found) for name, found in there.items()} == counts
    assert not page.problems and {*page.outside} == {path.as_uri()}
    assert tried(page) == dict.fromkeys(["eval", "script", "fetch", "click"], False)
    assert page.evaluate(ASKS) == "connect-src", "a worker may ask nobody either"
    page.context.close()


def as_png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(file, "PNG")
    return file.getvalue()


@same_pixels
def test_it_goes_on_where_python_was_and_answers_the_same(opened, tmp_path):
    demo = Studio(tmp_path / "piles", model="glyphnet")
    x, y, names = surfaces(7, seed=1)
    for pixels, which in zip(x, y): demo.add(names[which], as_png(pixels))
    for name in ("this", "that"): demo.piles.remove(name)
    demo.learn()
    page = opened(demo)
    until(page, READY)
    learned = page.evaluate(f"() => {LIFE}.model.get('_learned')")
    assert learned["verdict"] == demo._learned["verdict"] and not learned["stale"]
    assert [d["share"] for d in learned["doubts"]] == pytest.approx(
        [d["share"] for d in demo._learned["doubts"]], abs=1e-5)
    ask = f"""async (bytes) => {LIFE}.desk.answer({{ file: new Blob([new Uint8Array(bytes)]) }})"""
    for pixels in surfaces(2, seed=9)[0]:
        data = as_png(pixels)
        assert page.evaluate(ask, list(data)) == pytest.approx(demo.predict(data), abs=1e-4)
    strokes = doodles(["house"], n=1)["house"][0].strokes
    said = page.evaluate(f"(strokes) => {LIFE}.desk.answer({{ strokes }})", strokes)
    assert said == pytest.approx(demo.predict(as_drawn(strokes)), abs=1e-4)


def test_pictures_move_go_come_back_and_are_forgotten(opened, tmp_path):
    demo = Studio(tmp_path / "piles", model="glyphnet")
    for path in plain(tmp_path / "a", "red", "#d02020", 3): demo.add("this", path)
    for path in plain(tmp_path / "b", "blue", "#2030d0", 3): demo.add("that", path)
    page = opened(demo)
    until(page, READY)
    page.locator(".dlj-learn").click()
    page.wait_for_selector(LEARNED)
    page.locator(".dlj-doubt select").first.select_option(index=1)
    until(page, f"{LIFE}.model.get('_learned').stale")
    page.locator(".dlj-doubt .dlj-acts button").first.click()
    until(page, f"{LIFE}.model.get('_shelf').aside === 1")
    page.locator(".dlj-back").click()
    until(page, f"{LIFE}.model.get('_shelf').aside === 0")
    field = page.locator(".dlj-pile header input").first
    field.fill("sky/sea")
    field.press("Enter")
    until(page, f"{LIFE}.model.get('_shelf').piles[0].name === 'sky/sea'")
    with zipfile.ZipFile(tmp_path / "more.zip", "w", zipfile.ZIP_DEFLATED) as more:
        for file in plain(tmp_path / "c", "green", "#20d040", 2):
            more.write(file, f"piles/leaf%2Fgrass/{file.name}")
        more.writestr("piles/leaf%2Fgrass/notes.txt", "no picture")
    page.set_input_files(".dlj-filebar input", tmp_path / "more.zip")
    page.locator(".dlj-studionote", has_text="2 of 3 files in more.zip are pictures").wait_for()
    assert page.evaluate(COUNTS)["leaf/grass"] == 2
    (tmp_path / "bad.zip").write_bytes(b"no zip")
    page.set_input_files(".dlj-filebar input", tmp_path / "bad.zip")
    page.locator(".dlj-error", has_text="bad.zip: expected a zip of pictures").wait_for()
    add_files(page, 1, [tmp_path / "bad.zip"])
    page.locator(".dlj-error", has_text="bad.zip cannot be read").wait_for()
    page.locator(".dlj-menu summary").nth(1).click()
    page.locator(".dlj-menu input").nth(1).fill("forget this")
    page.locator(".dlj-forget").nth(1).click()
    until(page, "!document.querySelector('.dlj-learned:not([hidden])')")
    assert {*page.evaluate(COUNTS)} == {"sky/sea", "leaf/grass"}
    page.reload()
    until(page, READY)
    assert {*page.evaluate(COUNTS)} == {"sky/sea", "leaf/grass"}
