"""A learner's first fifteen minutes in a real browser, in a folder that `dljourney course` made.

SHOTS=folder keeps a picture of every step, THEME=dark takes the dark theme.
"""

import io
import json
import os
import time

import pytest
from browser import ROWS, keep, stroke
from PIL import Image

from dljourney.kit.live import Drawings
from dljourney.kit.pictures import doodles

pytestmark = pytest.mark.browser

FIRST_CELL, MAP = "102638b3", "0569d946"  # in 00_start
# in 01_whole_game
FIRST_WORDS, DESK, SAVE, PHOTOS, UPLOAD = "4cef7f2c", "66e05f9b", "e661b53b", "9e88a972", "8173d98d"
FIRST_QUIZ, EXERCISE, QUESTION = "383ca88a", "e953590c", "wg240003"
WRONG = "def likeliest(answer):\n    return max(answer)\n\ncheck.likeliest(likeliest)"
RIGHT = WRONG.replace("max(answer)", "max(answer, key=answer.get)")
THEME = os.environ.get("THEME", "light")


@pytest.fixture(scope="module")
def course(front, repeat):
    "The course as a learner gets it."
    name = f"course{repeat or ''}"
    front.command("course", name, "--lay-only")
    return front.root / name


def here(page):
    "The notebook in front becomes the one that the test talks to."
    page.wait_for_function("window.jupyterapp.shell.currentWidget.context?.isReady")
    page.evaluate("""async () => {
      window.panel = window.jupyterapp.shell.currentWidget;
      await window.panel.context.ready; await window.panel.sessionContext.ready;
    }""")


MODEL = "window.panel.content.widgets.find(c => c.model.id === id).model"


def run_up_to(front, page, last):
    "Shift+Enter, cell by cell, until the one called `last` has run."
    active = "window.panel.content.activeCell.model.id"
    while (now := page.evaluate(active)) is not None:
        page.keyboard.press("Shift+Enter")
        page.wait_for_function(f"now => {active} !== now", arg=now)
        if now == last:
            break
    idle = f"id => {MODEL}.executionState !== 'running'"
    page.wait_for_function(idle, arg=last, timeout=120_000)
    front.python(page, "pass")  # its turn comes when all cells before it are through


def select(front, page, id):
    "A click left of a cell, as one selects it to run it."
    cell = front.cell(page, id)
    cell.scroll_into_view_if_needed()
    left = cell.locator(".jp-InputPrompt:visible, .jp-RenderedMarkdown:visible").first
    left.click(position=dict(x=3, y=3))
    page.wait_for_function("id => window.panel.content.activeCell.model.id === id", arg=id)


def write(front, page, id, code):
    "Type `code` in the place of what a cell holds, and run it; what it then shows."
    editor = front.cell(page, id).locator(".cm-content")
    editor.scroll_into_view_if_needed()
    editor.click()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.insert_text(code)
    page.keyboard.press("Shift+Enter")
    front.python(page, "pass")
    front.cell(page, id).locator(".jp-OutputArea-output").first.wait_for()
    return front.cell(page, id).locator(".jp-OutputArea").inner_text()


def shelf(page):
    row = "row => [row.getAttribute('aria-label'), row.querySelectorAll('.dlj-thumb').length]"
    return dict(page.evaluate(f"[...{ROWS}].map({row})"))


WATCH = """() => {
  window.seen = [];
  const bars = () =>
    [...document.querySelectorAll('.dlj-bar.dlj-taught i')].map(i => i.style.width).join();
  window.watching = new MutationObserver(() => {
    const now = bars();
    const isNew = !window.seen.length || window.seen.at(-1)[1] !== now;
    if (isNew) window.seen.push([performance.now(), now]);
  });
  window.watching.observe(document.querySelector('.dlj-desk'),
    { subtree: true, attributes: true, childList: true });
}"""


BUSY = """
import json, time
def busy(call, n):
    call()
    before = time.process_time()
    for _ in range(n): call()
    return (time.process_time() - before) / n
teach_me.pause()
strokes = teach_me.strokes
def answer():
    teach_me.strokes = []
    teach_me.strokes = strokes  # two drawings
def learn(): teach_me.networks.learn(teach_me.drawings.things)
print(json.dumps(dict(answer=busy(answer, 20), teach=busy(learn, 2))))
teach_me.play()
"""


def picture(value):
    out = io.BytesIO()
    Image.new("L", (64, 48), value).save(out, "PNG")
    return out.getvalue()


def test_a_learners_first_fifteen_minutes(front, course):
    # The map, as it looks before anything has been run: a stored picture, not yet trusted
    page = front.show(f"{course.name}/00_start.ipynb", theme=THEME)
    cards = front.cell(page, MAP).locator("td")
    cards.first.wait_for()
    assert cards.count() >= 9 and "next" in cards.first.inner_text()
    assert not page.evaluate(f"id => {MODEL}.trusted", MAP)
    front.cell(page, MAP).scroll_into_view_if_needed()
    front.shot(page, "01-map-first-opened")

    # and trusted, after Shift + Enter; a card leads to its chapter
    select(front, page, FIRST_CELL)
    run_up_to(front, page, MAP)
    printed = front.cell(page, FIRST_CELL).locator(".jp-OutputArea").inner_text()
    assert printed.strip().endswith("42")
    cards.first.wait_for()
    assert "of 18 solved" not in cards.first.inner_text() or cards.first.inner_text().count("0 of")
    front.cell(page, MAP).scroll_into_view_if_needed()
    front.shot(page, "02-map-run")
    front.cell(page, MAP).locator("a", has_text="whole game").click()
    title = "window.jupyterapp.shell.currentWidget.title.label"
    page.wait_for_function(f"{title} === '01_whole_game.ipynb'")
    here(page)

    # Chapter 01: the desk
    began = time.monotonic()
    select(front, page, FIRST_WORDS)
    run_up_to(front, page, DESK)
    page.wait_for_selector(".dlj-desk")
    desk = front.cell(page, DESK)
    desk.locator(".dlj-pad canvas").scroll_into_view_if_needed()
    front.shot(page, "03-desk")
    made = doodles(["smile", "star"], n=6, seed=2)
    name = page.locator(".dlj-thing input").nth(1)
    name.fill("star")
    name.press("Enter")
    page.wait_for_function(f"{ROWS}[1].getAttribute('aria-label') === 'star'")
    for row, found in enumerate(made.values()):
        for drawing in found[:3]:
            keep(page, row, drawing)
    front.shot(page, "04-drawn")
    page.wait_for_function("!document.querySelector('.dlj-note.dlj-loading')", timeout=60_000)
    taught = page.evaluate("""() => new Promise(done => {
      const desk = document.querySelector('.dlj-desk');
      let began;
      const watching = new MutationObserver(() => {
        if (!desk.classList.contains('dlj-answering')) return;
        watching.disconnect();
        done(performance.now() - began);
      });
      watching.observe(desk, { attributes: true });
      const teach = document.querySelector('.dlj-teach');
      teach.addEventListener('click', () => { began = performance.now(); }, { once: true });
      teach.click();
    })""")
    print(f"\nTeach answers after {taught / 1000:.2f} s; "
          f"{time.monotonic() - began:.0f} s after the cell was run")
    front.shot(page, "05-taught")

    # The answers follow the pen
    page.evaluate(WATCH)
    star = made["star"][3].strokes[0]
    fine = [[x + (u - x) * k / 4, y + (v - y) * k / 4]
            for (x, y), (u, v) in zip(star, star[1:]) for k in range(4)]
    stroke(page, fine, lift=False, wait=15)
    page.wait_for_function("document.querySelector('.dlj-verdict').textContent.startsWith('star')")
    front.shot(page, "06-while-drawing")
    page.mouse.up()
    times = [t for t, _ in page.evaluate("window.seen")]
    rate = 1000 * (len(times) - 1) / (times[-1] - times[0])
    busy = json.loads(front.python(page, BUSY))
    print(f"{len(times)} answers while drawing, {rate:.0f} a second; in the kernel a processor is "
          f"busy for {busy['teach']:.2f} s with Teach and {1000 * busy['answer']:.0f} ms with an "
          "answer")
    assert len(times) > 5 and busy["teach"] < 1 and busy["answer"] < 0.1  # bars: 0.5 s, 50 ms
    page.locator(".dlj-keep").nth(1).click()  # new to both networks: a test
    readout = "document.querySelector('.dlj-readout').textContent"
    page.wait_for_function(f"{readout}.includes('new drawings')")

    # A program, asked from a terminal
    page.wait_for_function("document.querySelector('.dlj-bar.dlj-scratch span') !== null")
    select(front, page, SAVE)
    run_up_to(front, page, SAVE)
    drawn = sorted((course / "drawings" / "star").glob("*.png"))
    assert (course / "taught" / "signs.safetensors").is_file() and len(drawn) == 4
    told = front.command("predict", "taught/signs.safetensors", "drawings", cwd=course)
    print(told)
    assert len(told.splitlines()) == 8 and "star" in told.splitlines()[-1]
    front.shot(page, "07-saved")

    # An exercise: wrong, a hint, right
    select(front, page, FIRST_QUIZ)  # brings what checks
    page.keyboard.press("Shift+Enter")
    told = write(front, page, EXERCISE, WRONG)
    assert "compared the names" in told
    front.shot(page, "08-wrong")
    select(front, page, EXERCISE)
    page.keyboard.press("b")
    page.keyboard.press("Enter")
    page.keyboard.insert_text("hint.likeliest()")
    page.keyboard.press("Control+Enter")
    front.python(page, "pass")
    active = page.evaluate("window.panel.content.activeCell.model.id")
    told = front.cell(page, active).locator(".jp-OutputArea").inner_text()
    assert "best so far" in told
    front.shot(page, "09-hint")
    told = write(front, page, EXERCISE, RIGHT)
    assert "Correct" in told and "Not yet" not in told
    front.shot(page, "10-right")
    write(front, page, QUESTION, 'quiz.one_difference("a")')
    page.keyboard.press("ControlOrMeta+s")
    page.wait_for_function("!window.panel.context.model.dirty")

    # The map knows
    page.locator(".lm-DockPanel-tabBar .lm-TabBar-tab", has_text="00_start").click()
    here(page)
    select(front, page, MAP)
    page.keyboard.press("Shift+Enter")
    page.wait_for_function("""[...document.querySelectorAll('td')].some(
      c => /[12] of 18 solved/.test(c.textContent))""")
    front.cell(page, MAP).scroll_into_view_if_needed()
    front.shot(page, "11-map-knows")
    assert " of 18 solved" in front.command("progress", cwd=course)
    page.keyboard.press("ControlOrMeta+s")
    page.wait_for_function("!window.panel.context.model.dirty")
    assert page.problems == [] and page.outside == []

    # Closed and opened again
    page.evaluate("async () => { await window.jupyterapp.serviceManager.sessions.shutdownAll(); }")
    page.context.close()
    page = front.show(f"{course.name}/01_whole_game.ipynb", theme=THEME)
    assert "answer.get" in front.cell(page, EXERCISE).locator(".cm-content").inner_text()
    assert "Correct" in front.cell(page, EXERCISE).locator(".jp-OutputArea").inner_text()
    select(front, page, FIRST_WORDS)
    run_up_to(front, page, DESK)
    page.wait_for_selector(".dlj-thumb")
    assert shelf(page) == {"smile": 3, "star": 4}
    front.cell(page, DESK).locator(".dlj-pad canvas").scroll_into_view_if_needed()
    front.shot(page, "12-opened-again")
    assert page.problems == [] and page.outside == []
    front.shut(page)
    progress = json.loads((course / ".dljourney" / "progress.json").read_text())
    assert progress["chapters"]["whole_game"]["likeliest"] == {"outcome": "correct", "tries": 2}


def test_your_own_photos_by_folder_and_by_button(front, course):
    kept = Drawings(course / "drawings")
    for name, found in doodles(["smile", "star"], n=3).items():
        for drawing in found if name not in kept.things else ():
            kept.add(name, drawing)
    page = front.show(f"{course.name}/01_whole_game.ipynb", theme=THEME)
    select(front, page, FIRST_WORDS)
    run_up_to(front, page, DESK)
    page.wait_for_selector(".dlj-thumb")
    page.locator(".dlj-teach").first.click()
    page.wait_for_selector(".dlj-answering", timeout=60_000)
    for id in (SAVE, PHOTOS, UPLOAD):
        select(front, page, id)
        run_up_to(front, page, id)

    # the folder of drawings, read as if it held photos of two things
    said = front.cell(page, PHOTOS).locator(".jp-OutputArea").inner_text()
    assert "smile" in said and "star" in said, said

    # the button: a kept drawing, a picture of nothing, a file that is no picture
    star = sorted((course / "drawings" / "star").glob("*.png"))[0]
    cell = front.cell(page, UPLOAD)
    cell.scroll_into_view_if_needed()
    with page.expect_file_chooser() as chooser:
        cell.locator(".widget-upload").click()
    nothing = {"name": "nothing.png", "mimeType": "image/png", "buffer": picture(0)}
    broken = {"name": "letter.png", "mimeType": "image/png", "buffer": b"dear reader"}
    mine = {"name": "mine.png", "mimeType": "image/png", "buffer": star.read_bytes()}
    chooser.value.set_files([mine, nothing, broken])
    page.wait_for_function("document.querySelectorAll('.dljourney-answer').length === 3")
    shown = cell.locator(".dljourney-answer").all_inner_texts()
    assert "mine.png" in shown[0] and shown[0].split("\n")[1] == "star", shown
    assert "cannot be read" in shown[2], shown
    cell.locator(".dljourney-answer").last.scroll_into_view_if_needed()
    front.shot(page, "13-your-own-photos")
    assert page.problems == [] and page.outside == []
    front.shut(page)


FOLDED, WOKEN = "aa000010", "b9ebafef"  # in 04_sgd: numerical_gradient, RollDownhill


def test_long_code_is_folded_under_a_line_that_says_what_it_holds(front, course):
    "It runs as it is, and a click opens it; a demo that has not run says how to wake it."
    page = front.show(f"{course.name}/04_sgd.ipynb", theme=THEME)
    cell = front.cell(page, FOLDED)
    cell.scroll_into_view_if_needed()
    line = cell.locator(".jp-InputPlaceholder:visible")
    line.wait_for()
    assert line.inner_text().strip().startswith("# numerical_gradient: The gradient of `f`")
    assert not cell.locator(".cm-content:visible").count()
    front.shot(page, "fold-closed")
    still = front.cell(page, WOKEN).locator(".jp-OutputArea")
    still.scroll_into_view_if_needed()
    assert "run the cell above to wake it" in still.inner_text()
    front.shot(page, "still")
    run = "id => window.panel.content.activeCellIndex = window.panel.content.widgets.findIndex("
    page.evaluate(f"{run}c => c.model.id === id)", "aa000004")
    page.evaluate("window.jupyterapp.shell.activateById(window.panel.id)")
    page.evaluate("window.jupyterapp.commands.execute('notebook:run-cell')")
    page.evaluate(f"{run}c => c.model.id === id)", "cec54120")
    page.evaluate("window.jupyterapp.commands.execute('notebook:run-cell')")
    page.evaluate(f"{run}c => c.model.id === id)", FOLDED)
    page.evaluate("window.jupyterapp.commands.execute('notebook:run-cell')")
    slope = "import torch; print(numerical_gradient(lambda w: 3 * w.sum(), torch.ones(1)).item())"
    assert front.python(page, slope).strip().startswith("3.0")
    line.click()
    cell.locator(".cm-content:visible").wait_for()
    assert "def numerical_gradient(" in cell.locator(".cm-content").inner_text()
    front.shot(page, "fold-open")
    assert page.problems == []
    front.shut(page)


THREE_WEIGHTS = "play0001"  # in 02_samuel


def test_what_a_hand_reaches_is_kept_as_a_record(front, course):
    "By the keys; beside the sliders it is told, and the next kernel knows it."
    page = front.show(f"{course.name}/02_samuel.ipynb", theme=THEME)
    select(front, page, THREE_WEIGHTS)
    run_up_to(front, page, THREE_WEIGHTS)
    demo = front.cell(page, THREE_WEIGHTS)
    told = demo.locator(".dlj-readout").get_by_text("your record", exact=True).first
    demo.get_by_label("Lower left").wait_for()
    assert not told.count()
    for name, key in (("Lower left", "PageUp"), ("Head start", "PageDown")):
        demo.get_by_label(name).focus()
        page.keyboard.press(key)
    told.wait_for()
    front.until(page, "len(__import__('dljourney.kit.exercises', fromlist=['records_of'])"
                      ".records_of('three_weights')) > 0")
    demo.scroll_into_view_if_needed()
    front.shot(page, "record")
    page.evaluate("async () => { await window.panel.context.save(); }")
    assert page.problems == [] and page.outside == []
    front.shut(page)
    progress = json.loads((course / ".dljourney" / "progress.json").read_text())
    made = progress["records"]["samuel"]["three_weights"]
    assert made[-1]["score"] > 50 and made[-1]["machine"] > made[-1]["score"]
