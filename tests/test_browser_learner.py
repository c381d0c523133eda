"""A learner's first fifteen minutes in a real browser, in a folder that `dljourney course` made.

SHOTS=folder keeps a picture of every step, THEME=dark takes the dark theme.
"""

import json
import os
import time

import pytest

from dljourney.whole_game import doodles

pytestmark = pytest.mark.browser

ROWS = "document.querySelectorAll('.dlj-rows .dlj-thing')"
DESK, AFTER_DESK, SAVE, FIRST_EXERCISE, QUESTION, MAP = "66e05f9b", "a1fa6666", "e661b53b", "e953590c", "383ca88a", "0569d946"
PHOTOS, UPLOAD = "9e88a972", "8173d98d"
THEME = os.environ.get("THEME", "light")


@pytest.fixture(scope="module")
def course(front):
    "The course as a learner gets it."
    front.command("course", "course", "--lay-only")
    return front.root / "course"


def here(page):
    "The notebook in front becomes the one that the test talks to."
    page.wait_for_function("window.jupyterapp.shell.currentWidget.context?.isReady")
    page.evaluate("""async () => {
      window.panel = window.jupyterapp.shell.currentWidget;
      await window.panel.context.ready; await window.panel.sessionContext.ready;
    }""")


def run_up_to(front, page, last):
    "Shift+Enter, cell by cell, until the one called `last` has run."
    for _ in range(200):
        active = page.evaluate("window.panel.content.activeCell.model.id")
        page.keyboard.press("Shift+Enter")
        if active == last:
            break
    idle = "id => window.panel.content.widgets.find(c => c.model.id === id).model.executionState !== 'running'"
    page.wait_for_function(idle, arg=last, timeout=120_000)
    front.python(page, "pass")  # its turn comes when all cells before it are through


def select(front, page, id):
    "A click left of a cell, as one selects it to run it."
    cell = front.cell(page, id)
    cell.scroll_into_view_if_needed()
    cell.locator(".jp-InputPrompt:visible, .jp-RenderedMarkdown:visible").first.click(position=dict(x=3, y=3))
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


def stroke(page, points, lift=True, wait=0):
    pad = page.locator(".dlj-pad canvas").first
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    at = lambda p: (box["x"] + p[0] * box["width"], box["y"] + p[1] * box["height"])
    page.mouse.move(*at(points[0]))
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*at(point))
        if wait:
            page.wait_for_timeout(wait)
    if lift:
        page.mouse.up()


def keep(page, row, drawing):
    before = page.evaluate(f"{ROWS}[{row}].querySelectorAll('.dlj-thumb').length")
    for points in drawing.strokes:
        stroke(page, points)
    page.locator(".dlj-keep").nth(row).click()
    page.wait_for_function(f"{ROWS}[{row}].querySelectorAll('.dlj-thumb').length === {before + 1}")


def shelf(page):
    return dict(page.evaluate(f"[...{ROWS}].map(r => [r.getAttribute('aria-label'), r.querySelectorAll('.dlj-thumb').length])"))


WATCH = """() => {
  window.seen = [];
  const bars = () => [...document.querySelectorAll('.dlj-bar.dlj-taught i')].map(i => i.style.width).join();
  window.watching = new MutationObserver(() => {
    const now = bars();
    if (!window.seen.length || window.seen.at(-1)[1] !== now) window.seen.push([performance.now(), now]);
  });
  window.watching.observe(document.querySelector('.dlj-desk'), { subtree: true, attributes: true, childList: true });
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
print(json.dumps(dict(answer=busy(answer, 20), teach=busy(lambda: teach_me.learn(teach_me.drawings.things), 2))))
teach_me.play()
"""


def test_a_learners_first_fifteen_minutes(front, course):
    # The map, as it looks before anything has been run: a stored picture, not yet trusted
    page = front.show("course/00_start.ipynb", theme=THEME)
    cards = front.cell(page, MAP).locator("td")
    cards.first.wait_for()
    assert cards.count() >= 9 and "next" in cards.first.inner_text()
    assert not page.evaluate("window.panel.content.widgets.find(c => c.model.id === '0569d946').model.trusted")
    front.cell(page, MAP).scroll_into_view_if_needed()
    front.shot(page, "01-map-first-opened")

    # and trusted, after Shift + Enter; a card leads to its chapter
    select(front, page, "102638b3")
    run_up_to(front, page, MAP)
    assert front.cell(page, "102638b3").locator(".jp-OutputArea").inner_text().strip().endswith("42")
    cards.first.wait_for()
    assert "of 18 solved" not in cards.first.inner_text() or cards.first.inner_text().count("0 of")
    front.cell(page, MAP).scroll_into_view_if_needed()
    front.shot(page, "02-map-run")
    front.cell(page, MAP).locator("a", has_text="whole game").click()
    page.wait_for_function("window.jupyterapp.shell.currentWidget.title.label === '01_whole_game.ipynb'")
    here(page)

    # Chapter 01: the desk
    began = time.monotonic()
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
        if (desk.classList.contains('dlj-answering')) { watching.disconnect(); done(performance.now() - began); }
      });
      watching.observe(desk, { attributes: true });
      document.querySelector('.dlj-teach').addEventListener('click', () => { began = performance.now(); }, { once: true });
      document.querySelector('.dlj-teach').click();
    })""")
    print(f"\nTeach answers after {taught / 1000:.2f} s; {time.monotonic() - began:.0f} s after the cell was run")
    front.shot(page, "05-taught")

    # The answers follow the pen
    page.evaluate(WATCH)
    fine = [[x + (u - x) * k / 4, y + (v - y) * k / 4]
            for (x, y), (u, v) in zip(made["star"][3].strokes[0], made["star"][3].strokes[0][1:]) for k in range(4)]
    stroke(page, fine, lift=False, wait=15)
    page.wait_for_function("document.querySelector('.dlj-verdict').textContent.startsWith('star')")
    front.shot(page, "06-while-drawing")
    page.mouse.up()
    times = [t for t, _ in page.evaluate("window.seen")]
    rate = 1000 * (len(times) - 1) / (times[-1] - times[0])
    busy = json.loads(front.python(page, BUSY))
    print(f"{len(times)} answers while drawing, {rate:.0f} a second; in the kernel a processor is busy for "
          f"{busy['teach']:.2f} s with Teach and {1000 * busy['answer']:.0f} ms with an answer")  # fmt: skip
    assert len(times) > 5 and busy["teach"] < 1 and busy["answer"] < 0.1  # bars: 0.5 s, 50 ms
    page.locator(".dlj-keep").nth(1).click()  # new to both networks: a test
    page.wait_for_function("document.querySelector('.dlj-readout').textContent.includes('new drawings')")

    # A program, asked from a terminal
    page.wait_for_function("document.querySelector('.dlj-bar.dlj-scratch span') !== null")
    select(front, page, AFTER_DESK)
    run_up_to(front, page, SAVE)
    drawn = sorted((course / "drawings" / "star").glob("*.png"))
    assert (course / "taught" / "signs.safetensors").is_file() and len(drawn) == 4
    told = front.command("predict", "taught/signs.safetensors", "drawings", cwd=course)
    print(told)
    assert len(told.splitlines()) == 8 and "star" in told.splitlines()[-1]
    front.shot(page, "07-saved")

    # An exercise: wrong, a hint, right
    select(front, page, "4b76e6a9")
    page.keyboard.press("Shift+Enter")
    told = write(front, page, FIRST_EXERCISE, "def likeliest(answer):\n    return max(answer)\n\ncheck.likeliest(likeliest)")
    assert "compared the names" in told
    front.shot(page, "08-wrong")
    select(front, page, FIRST_EXERCISE)
    page.keyboard.press("b")
    page.keyboard.press("Enter")
    page.keyboard.insert_text("hint.likeliest()")
    page.keyboard.press("Control+Enter")
    front.python(page, "pass")
    told = front.cell(page, page.evaluate("window.panel.content.activeCell.model.id")).locator(".jp-OutputArea").inner_text()
    assert "best so far" in told
    front.shot(page, "09-hint")
    told = write(front, page, FIRST_EXERCISE, "def likeliest(answer):\n    return max(answer, key=answer.get)\n\ncheck.likeliest(likeliest)")
    assert "Correct" in told and "Not yet" not in told
    front.shot(page, "10-right")
    write(front, page, QUESTION, 'quiz.one_difference("a")')
    page.keyboard.press("ControlOrMeta+s")
    page.wait_for_function("!window.panel.context.model.dirty")

    # The map knows
    page.evaluate("""() => { const tab = [...window.jupyterapp.shell.widgets('main')].find(w => w.title.label.startsWith('00'));
                             window.jupyterapp.shell.activateById(tab.id); }""")
    here(page)
    select(front, page, MAP)
    page.keyboard.press("Shift+Enter")
    page.wait_for_function("[...document.querySelectorAll('td')].some(c => /[12] of 18 solved/.test(c.textContent))")
    front.cell(page, MAP).scroll_into_view_if_needed()
    front.shot(page, "11-map-knows")
    assert " of 18 solved" in front.command("progress", cwd=course)
    page.keyboard.press("ControlOrMeta+s")
    page.wait_for_function("!window.panel.context.model.dirty")
    assert page.problems == [] and page.outside == []

    # Closed and opened again
    page.evaluate("async () => { await window.jupyterapp.serviceManager.sessions.shutdownAll(); }")
    page.context.close()
    page = front.show("course/01_whole_game.ipynb", theme=THEME)
    assert "answer.get" in front.cell(page, FIRST_EXERCISE).locator(".cm-content").inner_text()
    assert "Correct" in front.cell(page, FIRST_EXERCISE).locator(".jp-OutputArea").inner_text()
    run_up_to(front, page, DESK)
    page.wait_for_selector(".dlj-thumb")
    assert shelf(page) == {"smile": 3, "star": 4}
    front.cell(page, DESK).locator(".dlj-pad canvas").scroll_into_view_if_needed()
    front.shot(page, "12-opened-again")
    assert page.problems == [] and page.outside == []
    front.shut(page)
    solved = json.loads((course / ".dljourney" / "progress.json").read_text())["chapters"]["whole_game"]
    assert solved["likeliest"] == {"outcome": "correct", "tries": 2}
