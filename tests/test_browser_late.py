"""Messages that come late, in a real browser: what is older never overrides what is newer.

`make test` takes a few tries of each; the soak runs every browser test ten times: more than fifty.
So does `TRIES=50 pytest tests/test_browser_late.py`.
"""

import itertools
import os
import random

import pytest
from browser import stroke

from dljourney.kit.live import DrawingPad, scoped

pytestmark = pytest.mark.browser
TRIES = int(os.environ.get("TRIES", 6))

DESK = [
    "from dljourney.demos import DrawACurve, Upload\n"
    "from dljourney.kit.live.pad import DrawingPad\n"
    "from dljourney.demos import TeachMe; from dljourney.kit.pictures import doodles",
    "desk = TeachMe(doodles(['smile', 'star'], n=2)); desk.teach(); desk.pause(); desk",
]
PADS = [DESK[0], "pad = DrawingPad(); pad"]
UPLOAD = [DESK[0], "demo = Upload(lambda picture: {'cat': 0.9, 'dog': 0.1}); pad = demo.pad; demo"]
CURVE = [DESK[0], "demo = DrawACurve(); demo"]

# What a page sends about a pen goes out up to 700 ms late, each by itself.
LATE = """words => {
  const send = WebSocket.prototype.inTime ??= WebSocket.prototype.send;
  let dice = 7;
  WebSocket.prototype.send = function (data) {
    const text = typeof data === "string" ? data : new TextDecoder().decode(data);
    dice = (dice * 48271) % 2147483647;
    if (!words.some((word) => text.includes(word))) send.call(this, data);
    else setTimeout(() => send.call(this, data), dice % 700);
  };
}"""
# How many strokes are drawn on the first pad, as its words for screen readers say.
LABEL = "document.querySelector('.dlj-pad canvas').getAttribute('aria-label')"
DRAWN = f"parseInt({LABEL}.match(/: (\\d+) stroke/)[1])"


def opened(front, cells, late):
    page = front.open(*cells)
    page.wait_for_selector(".dlj canvas")
    page.evaluate(LATE, late)
    return page


def all_heard(front, page, name):
    "Until Python knows the newest strokes, and whatever is older has come after them."
    newest = page.evaluate("""() => {
      const nodes = [...document.querySelectorAll('.dlj')];
      const models = nodes.map((node) => node.dlj && node.dlj.model);
      return models.find((model) => model && model.get("strokes")).get("strokes").order;
    }""")
    front.until(page, f"list({name}._order)", newest)
    page.wait_for_timeout(800)


def line(n):
    "A short stroke, another one for each `n`."
    return [(0.2 + 0.02 * k, 0.2 + 0.01 * (n % 9) * k) for k in range(12)]


def empty(page, how):
    names = {"clear": ".dlj-padbar button:has-text('Clear')", "undo": "button:has-text('Undo')"}
    page.locator(names.get(how, ".dlj-keep")).first.click()


@pytest.mark.parametrize("how", ["clear", "undo", "keep"])
def test_a_desk_does_not_bring_a_drawing_back(front, how):
    page = opened(front, DESK, ['"follow"'])
    page.wait_for_selector(".dlj-answering")
    left = []
    for n in range(TRIES):
        stroke(page, line(n), wait=8)
        empty(page, how)
        all_heard(front, page, "desk")
        python = front.python(page, "print(len(desk.strokes), desk.answers)")
        shown = page.locator(".dlj-verdict").text_content()
        left.append((python, page.evaluate(DRAWN), shown))
    assert left == [("0 {}", 0, "Draw something!")] * TRIES
    assert page.problems == [] and page.outside == []
    front.shut(page)


@pytest.mark.parametrize("cells", [PADS, UPLOAD], ids=["pad", "upload"])
def test_a_pad_does_not_bring_a_drawing_back(front, cells):
    page = opened(front, cells, ['"strokes"'])
    left = []
    for n in range(TRIES):
        stroke(page, line(n))
        if n % 2:
            stroke(page, line(n + 1))
            empty(page, "undo")
        empty(page, "clear")
        all_heard(front, page, "pad")
        left.append((front.python(page, "print(pad.strokes)"), page.evaluate(DRAWN)))
    assert left == [("[]", 0)] * TRIES
    assert page.locator(".dljourney-answer").count() == 0
    assert page.problems == [] and page.outside == []
    front.shut(page)


def test_the_curve_is_the_last_that_was_drawn(front):
    page = opened(front, CURVE, ['"draw"'])
    front.python(page, "demo.steps_per_frame = 1")
    canvas = page.locator(".dlj-plot canvas").first
    canvas.scroll_into_view_if_needed()
    for n in range(TRIES):
        end = 0.5 + 0.06 * (n % 8)  # another one than the last, and on the canvas
        place = "n => n.dlj.at('curve', {}, 0)"
        box = canvas.bounding_box()
        node = page.locator(".dlj").first
        (left, height), (right, _) = (node.evaluate(place.format(x)) for x in (-0.5, end))
        page.mouse.move(box["x"] + left, box["y"] + height)
        page.mouse.down()
        for k in range(1, 21):
            page.mouse.move(box["x"] + left + (right - left) * k / 20, box["y"] + height)
            page.wait_for_timeout(6)
        page.mouse.up()
        front.until(page, f"abs(float(demo.x[-1]) - {end}) < 0.03")
        page.wait_for_timeout(800)  # nothing older comes after it
        assert front.python(page, f"print(abs(float(demo.x[-1]) - {end}) < 0.03)") == "True"
    front.python(page, "demo.pause()")
    front.shut(page)


def test_nothing_moves_under_the_pen_that_draws_the_first_curve(front):
    page = opened(front, CURVE, [])
    canvas = page.locator(".dlj-plot canvas").first
    canvas.scroll_into_view_if_needed()
    before = canvas.bounding_box()
    page.mouse.move(before["x"] + 100, before["y"] + 100)
    page.mouse.down()
    page.mouse.move(before["x"] + 200, before["y"] + 120, steps=5)
    front.until(page, "len(demo.losses) > 3")
    losses = "JSON.stringify(document.querySelector('.dlj').dlj.frame().losses)"
    page.wait_for_function(f"{losses}.includes('line')")  # the page shows them
    assert canvas.bounding_box() == before
    page.mouse.up()
    front.python(page, "demo.pause()")
    front.shut(page)


# -- from Python to the page: the page's own half, without a server -------------------------------

# A page that has `inkOf` and a stand-in for the model that its views share.
BARE = """source => {
  const value = { order: [0, 0], strokes: [] };
  const model = { value, get: () => model.value, set: (_, now) => { model.value = now; } };
  window.model = model;
  const made = new Function("model", `${source}; return inkOf(model);`);
  window.reload = () => { window.ink = made(model); };
  window.reload();
}"""


@pytest.fixture
def bare(front):
    page = front.page()
    page.evaluate(BARE, scoped("kernel.js"))
    yield page
    assert page.problems == []
    page.context.close()


class Line:
    "A pad in Python and one on a page, and what is on its way between them."

    def __init__(self, page, echo):
        self.page, self.pad, self.echo = page, DrawingPad(), echo
        self.to_kernel, self.to_page, self.names = [], [], itertools.count(1)
        self.unheard = None  # the newest stroke of the page that Python has not heard of

    def name(self):
        return [[[next(self.names) / 1000, 0.5]]]

    def on_page(self):
        drawn = self.name()
        self.to_kernel.append(
            self.page.evaluate("s => { ink.write(s); return model.value; }", drawn)
        )
        self.unheard = drawn

    def in_python(self):
        self.pad.strokes = self.name()
        self.to_page.append(self.pad.get_state("strokes")["strokes"])

    def kernel_hears(self):
        if not self.to_kernel: return
        said = self.to_kernel.pop(0)
        self.pad.set_state({"strokes": said})
        if said["strokes"] == self.unheard: self.unheard = None
        if self.echo: self.to_page.append(self.pad.get_state("strokes")["strokes"])

    def page_hears(self):
        if self.to_page:
            self.page.evaluate("v => { model.set('strokes', v); }", self.to_page.pop(0))

    def page_is_reloaded(self):
        "What the old page had to say arrives; the new one starts from what Python says."
        while self.to_kernel: self.kernel_hears()
        self.to_page.clear()
        self.page.evaluate(
            "v => { model.value = v; reload(); }", self.pad.get_state("strokes")["strokes"]
        )

    def shown(self):
        return self.page.evaluate("ink.read()")


@pytest.mark.parametrize("echo", [True, False])
def test_what_python_said_before_it_heard_of_a_stroke_does_not_override_it(bare, echo):
    dice = random.Random(0)
    for _ in range(25):
        bare.evaluate("() => { model.value = { order: [0, 0], strokes: [] }; reload(); }")
        line = Line(bare, echo)
        moves = (
            line.on_page,
            line.in_python,
            line.kernel_hears,
            line.page_hears,
            line.page_is_reloaded,
        )
        for move in dice.choices(moves, weights=(4, 4, 4, 4, 1), k=25):
            move()
            if line.unheard is not None:
                assert line.shown() == line.unheard, move.__name__
        while line.to_kernel or line.to_page:
            line.kernel_hears()
            line.page_hears()
        assert line.shown() == line.pad.strokes, "in the end both have the same"
