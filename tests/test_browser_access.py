"""Every demo, and every chapter, for those who do not see it, use no mouse, hold a phone or want
nothing to move.

axe-core looks at each. What it can find without a person: controls and pictures without a name,
roles used wrongly, text too pale to read. The rest is tried: keys alone, 320 pixels, no motion,
and words that change with what they tell of.
"""

import pytest
from axe_playwright_python.sync_playwright import Axe

import dljourney.demos
from dljourney.demos import RollDownhill
from dljourney.kit.live import static

pytestmark = pytest.mark.browser

SPECIAL = {
    "Playground": "d = Playground(); d.show_code(); d",
    "Upload": "from dljourney.kit.pictures import read_image\n"
              "d = Upload(lambda picture: {'cat': len(read_image(picture, 8))}); "
              "d.ask([('a.png', b'broken')]); d",
}
MORE = [
    "from dljourney.demos import TeachMe; from dljourney.kit.pictures import doodles; TeachMe()",
    "d = TeachMe(doodles(['smile', 'star'], n=1), rival=True); d.teach(); d.step(1)\n"
    "d.strokes = doodles(['smile'], n=1, seed=7)['smile'][0].strokes; d",
    "from dljourney.kit.live.live import Walk; d = Walk(); d.error = 'spread: expected 1'; d",
]
# What chapters show besides: the map, pictures, what is said to an answer, and their own words.
CHAPTERS = [
    "from dljourney.kit.course import course_map; course_map()",
    "from dljourney.kit.figures import subplots, training_diagram\n"
    "fig, ax = subplots(alt='a line'); ax.plot([0, 1]); fig",
    "training_diagram()",
    "from dljourney.exercises.samuel import check, hint, quiz, solution\n"
    "display(check.slope(lambda f, w, n: 0), check.slope(lambda f, w, n: (f(w + n) - f(w)) / n),\n"
    "        check.slope(lambda f, w, n: ...), hint.slope(), solution.slope(), quiz.trained('a'))",
]
# Texts in the dark; tests/test_browser_chapters.py looks at all of them in the light.
TEXTS = (
    "import json; from IPython.display import Markdown\n"
    "from dljourney.kit.files import notebooks_folder\n"
    "def words(name):\n"
    "    cells = json.loads((notebooks_folder() / name).read_text('utf-8'))['cells']\n"
    "    return [''.join(c['source']) for c in cells if c['cell_type'] == 'markdown']\n"
    "Markdown('\\n\\n'.join(words('00_start.ipynb') + words('02_samuel.ipynb')))"
)
# What is shown: each view of ours is a `dlj-host`; some sit in boxes of ipywidgets.
SHOWN = [".dlj-host", ".jp-OutputArea-output .jupyter-widgets", ".jp-OutputArea-output"]
LABS = {"link-in-text-block": {"enabled": False}}  # how a link looks is JupyterLab's own
# Something wrong at the end of each view: a field without a name, words too pale to read.
SPOIL = """() => {
  const views = [...document.querySelectorAll(".dlj")];
  views.forEach((view, n) => view.insertAdjacentHTML("beforeend",
    `<input class="spoilt${n}"><p class="spoilt${n}" style="color:#888;background:#999">pale</p>`));
  return views.length;
}"""


def wrong(page):
    """What axe finds in the demos of a page: the rule, how bad it is, and where.

    JupyterLab's body has no height, its shell is as tall as the window, and both hide what flows
    over. Axe would take all that is in them, or scrolled away, for hidden, and look at no colour.
    """
    page.add_style_tag(content="body, .jp-LabShell { overflow: visible !important; }")
    options = {"rules": LABS}
    found = Axe().run(page, context={"include": SHOWN}, options=options).response["violations"]
    return [(f["id"], f["impact"], n["html"][:120]) for f in found for n in f["nodes"]]


NAMES = dir(dljourney.demos)
CELLS = [f"from dljourney.demos import {n}\n{SPECIAL.get(n, f'{n}()')}" for n in NAMES] + MORE
SHOWS = ".dlj", ".jp-RenderedHTMLCommon"  # a demo, or something to read


@pytest.fixture(scope="module")
def demos(front, request):
    "Every demo on one page, light or dark."
    chapters = [*CHAPTERS, *[TEXTS] * (request.param == "dark")]
    page = front.open(*CELLS, *chapters, theme=request.param, height=1400)
    for n in range(len(CELLS + chapters)):
        shows = page.locator(f".jp-Notebook .jp-Cell >> nth={n}").locator(SHOWS[n >= len(CELLS)])
        shows.first.wait_for()
    front.python(page, "pass")
    yield page
    assert page.problems == []
    front.shut(page)


light = pytest.mark.parametrize("demos", ["light"], indirect=True, scope="module")
both = pytest.mark.parametrize("demos", ["light", "dark"], indirect=True, scope="module")


@both
def test_axe_looks_into_all_that_is_shown_and_finds_nothing_wrong(demos):
    for name in ("answering", "wrong", "error:not([hidden])"):  # words that are not always there
        demos.locator(f".dlj-{name}").first.wait_for()
    found = wrong(demos)
    assert found == [], "\n".join(map(str, found))


@light
def test_axe_would_tell_what_is_wrong_in_any_demo(demos):
    n_views = demos.evaluate(SPOIL)
    assert n_views >= len(CELLS)
    told = {(rule, html.split('"')[1]) for rule, _, html in wrong(demos) if "spoilt" in html}
    demos.evaluate("document.querySelectorAll('[class^=spoilt]').forEach((node) => node.remove())")
    for rule in ("label", "color-contrast"):
        unseen = {n for n in range(n_views) if (rule, f"spoilt{n}") not in told}
        assert not unseen, f"{rule} is not told of views {unseen} of {n_views}"


# What of a cell's output lies outside of it, or is cut off inside: nobody can get there.
CUT = """() => [...document.querySelectorAll(".jp-OutputArea-output, #demo")].flatMap((root) => {
  if (!root.querySelector(".dlj")) return [];
  const box = root.getBoundingClientRect();
  const isCut = (node) => {
    const { left, right, width } = node.getBoundingClientRect();
    if (!width || node.closest(".dlj-spoken")) return false;
    const { overflowX, display } = getComputedStyle(node);
    const hides = overflowX === "hidden" && display !== "inline";
    return right > box.right + 1 || left < box.left - 1 ||
      (hides && node.scrollWidth > node.clientWidth + 1);
  };
  return [...root.querySelectorAll("*")].filter(isCut)
    .map((node) => `${root.textContent.slice(0, 20)}: ${node.tagName} ${node.className}`);
})"""
DRAWN = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


@light
def test_nothing_is_cut_off_at_320_pixels(demos):
    narrow = demos.add_style_tag(content="""
      .jp-OutputArea-output { flex: none !important; width: 320px !important; }""")
    for _ in range(3): demos.evaluate(DRAWN)  # who watches the size draws anew
    found = demos.evaluate(CUT)
    demos.evaluate("""() => document.querySelector(".dlj").insertAdjacentHTML(
      "beforeend", "<p class='spoilt' style='width: 400px'>wide</p>")""")
    wide = demos.evaluate(CUT)
    demos.evaluate("document.querySelector('.spoilt').remove()")
    narrow.evaluate("(node) => node.remove()")
    assert found == [], "\n".join(map(str, found))
    assert any("spoilt" in line for line in wide)


MOVING = """() => document.getAnimations().filter((one) =>
  one.effect.target.closest(".dlj") && one.playState === "running").length"""


@light
def test_nothing_moves_for_who_wants_no_motion(demos):
    demos.evaluate("""() => document.querySelectorAll(".dlj, .dlj-note").forEach((node) =>
      node.classList.add(node.matches(".dlj") ? "dlj-busy" : "dlj-loading"))""")
    assert demos.evaluate(MOVING) > 10
    demos.emulate_media(reduced_motion="reduce")
    assert demos.evaluate(MOVING) == 0
    demos.emulate_media(reduced_motion="no-preference")
    demos.evaluate("""() => document.querySelectorAll(".dlj-busy, .dlj-loading").forEach((node) =>
      node.classList.remove("dlj-busy", "dlj-loading"))""")


LABELS = """() => [...document.querySelectorAll(".dlj canvas[aria-label]")]
  .map((canvas) => canvas.getAttribute("aria-label"))"""
# A change of each demo, and how a picture of it tells of that.
CHANGES = {
    "RollDownhill": ("lr = 0.7", "a handle at"),
    "PolynomialFit": ("degree = 9", "lowest"),
    "ThreeScores": ("eight = 3.0", "8: 3"),
    "Playground": ("step(3)", "the strongest weight"),
    "DrawACurve": ("step(3)", "your curve: "),
    "BeTheMechanism": ("top_left = 4.0", "a point at 2, "),
}


@light
@pytest.mark.parametrize("name", CHANGES)
def test_a_picture_says_in_words_what_it_shows_now(front, demos, name):
    change, words = CHANGES[name]
    n = NAMES.index(name)
    labels = f"""() => [...document.querySelectorAll(".jp-Notebook .jp-Cell")][{n}]
      .querySelectorAll(".dlj canvas")"""
    read = f"() => [...({labels})()].map((canvas) => canvas.getAttribute('aria-label')).join('\\n')"
    before = demos.evaluate(read)
    front.python(demos, f"Out[{n + 1}].{change}")
    demos.wait_for_function(f"([before, words]) => {{ const now = ({read})();"
                            "return now !== before && now.includes(words); }", arg=[before, words])


@light
def test_all_that_can_be_pressed_is_reached_by_tab(demos):
    "One of a group is enough where arrow keys lead to the others: radio buttons, squares."
    lost = demos.evaluate("""() => [...document.querySelectorAll(
        ".dlj :is(button, input, select, summary, canvas[role=application])")]
      .filter((node) => node.tabIndex < 0 && !node.closest("[role=grid]") && node.type !== "file")
      .map((node) => node.outerHTML.slice(0, 99))""")
    assert lost == []
    deaf = demos.evaluate("""() => [...document.querySelectorAll(".dlj canvas")]
      .filter((node) => getComputedStyle(node).cursor !== "auto" && node.tabIndex < 0 &&
        !node.closest("button")).length""")
    assert deaf == 0


# How all of a view looks, before and after another demo brings `live.css` once more.
LOOKS = """css => {
  const nodes = [...document.querySelectorAll(".dlj *, .dlj")];
  const looks = () => nodes.map((node) => [...getComputedStyle(node)].map((name) =>
    `${name}: ${getComputedStyle(node)[name]}`));
  const before = looks();
  const style = document.head.appendChild(document.createElement("style"));
  style.textContent = css;
  const after = looks();
  style.remove();
  return nodes.flatMap((node, n) => after[n].filter((line, i) => line !== before[n][i])
    .map((line) => `${node.className}: ${line}`));
}"""


def changed_by_another_demo(page):
    return page.evaluate(LOOKS, static("live.css"))


KEYS = [
    "from dljourney.demos import DrawACurve, TeachMe; curve = DrawACurve(); curve",
    """from dljourney.kit.live import Live, image_grid, images
import numpy as np
class Grid(Live):
    "Pictures to pick."
    panels = [image_grid("grid", pointer="pick", columns=3)]
    picked = None
    def draw(self): return {"grid": images(np.zeros((5, 4, 4)), captions="abcde")}
    def on_pick(self, panel, index): self.picked = index
grid = Grid()
grid""",
    """from dljourney.kit.pictures import doodles
desk = TeachMe(doodles(["smile", "star"], n=2))
desk.strokes = doodles(["smile"], n=1, seed=7)["smile"][0].strokes
desk""",
]


@pytest.fixture(scope="module")
def keys(front):
    page = front.open(*KEYS, height=1400)
    page.wait_for_function("document.querySelectorAll('.dlj-thumb').length === 4")
    yield page
    assert page.problems == []
    front.shut(page)


def test_a_curve_is_drawn_with_keys(front, keys):
    pen = keys.locator(".jp-Cell >> nth=0").get_by_role("application")
    assert "Space lowers and lifts it" in pen.get_attribute("aria-label")
    pen.focus()
    keys.keyboard.press("Space")
    for key in ["ArrowRight"] * 6 + ["ArrowUp"] * 2 + ["ArrowRight"] * 6: keys.keyboard.press(key)
    keys.keyboard.press("Space")
    front.until(keys, "curve.is_drawn")


def test_a_picture_is_picked_with_keys(front, keys):
    grid = keys.locator(".jp-Cell >> nth=1").get_by_role("application")
    assert grid.get_attribute("aria-label").startswith("grid: 5 pictures: a, b, c, d, e.")
    grid.focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowRight", "Enter"): keys.keyboard.press(key)
    front.until(keys, "grid.picked", 4)


def test_ctrl_s_saves_wherever_the_focus_is_and_what_a_demo_uses_stays_with_it(keys):
    keys.evaluate("""() => { window.passed = [];
      document.addEventListener("keydown", (event) => event.isTrusted ||
        event.target.closest("[data-lm-suppress-shortcuts]") || window.passed.push(event.key));
    }""")
    places = (".dlj-pad canvas", ".dlj-keep", ".dlj-thing input", "[role=application]")
    for place in places:
        keys.evaluate("() => { window.panel.context.model.dirty = true; }")
        keys.locator(place).first.focus()
        keys.keyboard.press("Control+s")
        keys.wait_for_function("!window.panel.context.model.dirty")
    field = keys.locator(".dlj-thing input").first
    field.focus()
    for key in ("x", "Backspace", "Control+z", "Control+a", "Control+ArrowLeft", "ArrowRight"):
        keys.keyboard.press(key)
    keys.keyboard.press("Shift+Tab")
    assert keys.evaluate("window.passed") == ["s"] * len(places)


def test_the_focus_stays_where_a_shelf_is_built_anew(keys):
    desk = keys.locator(".jp-Cell >> nth=2")
    desk.locator(".dlj-keep").first.focus()
    keys.keyboard.press("Enter")
    thumbs = "document.querySelectorAll('.dlj-thumb').length"
    keys.wait_for_function(f"{thumbs} === 5")
    keys.wait_for_function("document.activeElement.matches('.dlj-keep')")
    keys.keyboard.press("Shift+Tab")
    keys.keyboard.press("Enter")  # takes the last drawing away
    keys.wait_for_function(f"{thumbs} === 4")
    keys.wait_for_function("document.activeElement.closest('.dlj-thing') !== null")


def test_the_desk_looks_the_same_beside_other_demos(keys):
    assert changed_by_another_demo(keys) == []


def test_a_demo_as_a_page_fits_a_phone_and_is_fine_with_axe(opened):
    page = opened(RollDownhill(), width=320, height=640)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert page.evaluate(CUT) == []
    assert Axe().run(page).response["violations"] == []
