"""The same pages in Firefox and WebKit: alive, by mouse and by keys, and nobody is asked.

A short run of each engine that is installed; the soak plays every demo, and compares more files.
"""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps
from torch import nn

import engines
from browser import ROWS
from dljourney import demos
from dljourney.kit.pictures import Preprocess, doodles, stacked
from dljourney.program import Program
from dljourney.whole_game import teach
from nets import soak
from pages import FRAME, LIFE, agree, plain, same_pixels

pytestmark = pytest.mark.browser
THINGS = ("smile", "star")
WANTS = Preprocess(48, channels=3, mean=(0.5,) * 3, std=(0.5,) * 3)
CANVAS = "document.querySelector('#demo canvas')"
PAD = "document.querySelector('.dlj-pad canvas')"
GAME = f"{LIFE}.game.model"


@pytest.fixture(scope="module", params=[engines.Firefox, engines.WebKit], ids=lambda e: e.__name__)
def engine(request, repeat):
    kind = request.param
    if not kind.path(): pytest.skip(f"no {kind.__name__} here: {kind.needs}")
    engine = kind()
    yield engine
    engine.close()


@pytest.fixture
def opened(engine, tmp_path):
    "Writes something as a page and opens it; in the end nothing went wrong, and nobody was asked."
    def open_page(write):
        engine.open(write(tmp_path / "page.html"))
        return engine

    yield open_page
    assert engine.wrong() == []  # a request would be told too: the page's own policy refuses it


def button(text):
    buttons = "[...document.querySelectorAll('button')]"
    return f"{buttons}.find((one) => one.innerText.includes({text!r}))"


def shown(page):
    "What the panels show, once they have been drawn."
    page.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return page.run(f"({FRAME})()")


# -- every demo ------------------------------------------------------------------------------------


def a_slider(page):
    "A key on the first slider moves the picture."
    before = shown(page)
    page.press("document.querySelector('#demo input[type=range]')", "ArrowRight", "ArrowRight")
    assert shown(page) != before


def plays(page, button_text="Play"):
    "The work runs, and stops."
    play = "document.querySelector('.dlj-play')"
    before = shown(page)
    page.click(play)
    page.until(f"{play}.innerText.includes('Pause')")
    while shown(page) == before: pass
    page.click(play)
    page.until(f"{play}.innerText.includes({button_text!r})")


def roll(page):
    a_slider(page)
    before = shown(page)
    at = page.run("document.querySelector('#demo .dlj').dlj.at('surface', -1.6, 1.5)")
    sides = page.run(f"[{CANVAS}.clientWidth, {CANVAS}.clientHeight]")
    start = [n / side for n, side in zip(at, sides)]
    page.drag(CANVAS, [start, (0.5, 0.5), (0.7, 0.7)])
    assert shown(page)["surface"] != before["surface"]
    page.press(CANVAS, "ArrowLeft", "ArrowLeft")
    page.click(button("New noise"))
    x, y, lr, noise = page.run(f"['x', 'y', 'lr', 'noise'].map({LIFE}.get)")
    errors = page.run(f"[...{LIFE}.get('_data').errors]")
    assert len(errors) == 200 and (x, y) != (-1.6, 1.5)
    demo = demos.RollDownhill(x=x, y=y, lr=lr, noise=noise)
    agree(plain(demo.draw())["curve"][0], shown(page)["curve"][0])


def draw_a_curve(page):
    page.drag(CANVAS, [(0.2, 0.5), (0.4, 0.3), (0.6, 0.6), (0.85, 0.4)])
    page.until(f"{LIFE}.losses.length > 5")
    assert len(page.run(f"[...{LIFE}.curve.x]")) > 20
    page.click("document.querySelector('.dlj-play')")


def playground(page):
    plays(page)
    page.click(CANVAS)
    page.press(CANVAS, "ArrowRight", "Enter")
    rows = page.run(f"{LIFE}.machine.rows")
    assert rows and all(np.isfinite(row["train_loss"]) for row in rows)


def checkers(page):
    for square in (11, 15): page.click(f"document.querySelector(\"[data-square='{square}']\")")
    page.until(f"{GAME}.get('history').length === 2")
    page.click(button("Undo"))
    page.press("document.querySelector(\"[data-square='9']\")", "Enter")
    page.until(f"{GAME}.get('history').length === 0")


def desk(page):
    "A drawing more is drawn and kept, the network taught, and it knows a new drawing."
    thumbs = f"{ROWS}[0].querySelectorAll('.dlj-thumb').length"
    before = page.run(thumbs)
    for points in doodles(["smile"], n=1, seed=5)["smile"][0].strokes: page.drag(PAD, points)
    page.click("document.querySelector('.dlj-keep')")
    page.until(f"{thumbs} === {before + 1}")
    page.click(button("Teach"))
    page.until(f"{LIFE}.desk.head && {LIFE}.desk.note.startsWith('Taught')")
    for points in doodles(["star"], n=1, seed=9)["star"][0].strokes: page.drag(PAD, points)
    page.until("document.querySelector('.dlj-verdict').innerText.includes('star')")
    page.press(PAD, "Delete")
    page.press(PAD, "Space", "ArrowRight", "ArrowDown", "Space")
    page.until(f"{LIFE}.get('strokes').strokes.length === 1")


def a_recording(path):
    return demos.DoubleDescent().to_html(path, over={"ridge": [0.0, 0.01], "width": [0.5, 1, 4]})


PLAYED = {  # how each is written, and how it is played
    "RollDownhill": (demos.RollDownhill().to_html, roll),
    "TeachMe": (lambda path: demos.TeachMe(doodles(THINGS, n=3)).to_html(path), desk),
    "BeTheOptimiser": (demos.BeTheOptimiser().to_html, plays),
    "PolynomialFit": (demos.PolynomialFit(noise=0.5).to_html, a_slider),
    "DrawACurve": (demos.DrawACurve(n_hidden=9).to_html, draw_a_curve),
    "Playground": (demos.Playground(n_points=120).to_html, playground),
    "CheckersMachine": (lambda path: demos.CheckersMachine(n_games=10).to_html(path), checkers),
    "a recording": (a_recording, a_slider),
}  # fmt: skip


@pytest.mark.parametrize("name", PLAYED if soak else ["RollDownhill"])
def test_a_demo_is_played_by_mouse_and_keys(opened, name):
    write, play = PLAYED[name]
    play(opened(write))


def test_what_goes_wrong_in_a_page_is_heard(engine, tmp_path):
    (tmp_path / "bad.html").write_text("""<body class="ready"><script>
      setInterval(() => { if (!window.wrong?.length) throw Error("oh"); }, 50);
    </script>""")
    engine.open(tmp_path / "bad.html")
    engine.until("window.wrong.length")
    assert engine.wrong()


# -- a program, and what it sees of files ----------------------------------------------------------


@pytest.fixture(scope="module")
def drawn():
    "A program for drawings."
    wants = Preprocess(32, channels=1, mean=(0.5,), std=(0.5,))
    examples = doodles(THINGS, n=4)
    model = teach(*stacked(examples, wants), len(examples))
    return Program(model, list(THINGS), Preprocess.of(model), {"scores": {}})


def test_a_program_names_what_is_drawn(opened, drawn):
    page = opened(drawn.share)
    for points in doodles(["star"], n=1, seed=4)["star"][0].strokes: page.drag(PAD, points)
    page.until("document.querySelector('#said').innerText.includes('star')")
    page.click(button("Clear"))
    page.until("!document.querySelector('article')")


def opaque_files(n):
    "PNG and JPEG files with all that may change their pixels: profile, gamma, orientation."
    dice = np.random.default_rng(0)
    other = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    for i in range(n):
        height, width = dice.integers(50, 90, 2)
        noise = dice.integers(0, 256, (height // 9, width // 9, 3), np.uint8)
        picture = Image.fromarray(noise).resize((int(width), int(height)))
        exif, file = Image.Exif(), io.BytesIO()
        exif[0x0112] = i % 8 + 1
        profile = {"icc_profile": other} if i % 3 == 0 else {}
        if i % 2: picture.save(file, "JPEG", quality=90, exif=exif, **profile)
        else: picture.save(file, "PNG", **profile)
        yield file.getvalue(), ("image/png", "image/jpeg")[i % 2]


@same_pixels
def test_a_file_is_seen_as_in_python_in_every_byte(opened):
    "Decoded, turned upright, made smaller."
    model = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    page = opened(Program(model.eval(), ["one", "other"], WANTS, {}).share)
    for i, (data, kind) in enumerate(opaque_files(100 if soak else 16)):
        file = engines.as_file(data, f"{i}.png", kind)
        page.run(f"""(() => {{
          const data = new DataTransfer();
          data.items.add({file});
          document.body.dispatchEvent(
            new DragEvent("drop", {{ dataTransfer: data, bubbles: true, cancelable: true }}));
          return null;
        }})()""")
        page.until(f"document.querySelectorAll('article').length === {i + 1}")
        got = page.run("""(() => {
          const canvas = document.querySelector("article canvas");
          const { width, height } = canvas;
          return [...canvas.getContext("2d").getImageData(0, 0, width, height).data];
        })()""")
        seen = np.reshape(got, (48, 48, 4))[..., :3]
        with Image.open(io.BytesIO(data)) as picture:
            upright = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
        want = WANTS.read(upright).permute(1, 2, 0).numpy()
        assert np.array_equal(seen, want), (i, kind, np.abs(seen - want).max())
