"""Every demo for those who do not see it or use no mouse: axe-core looks at each.

What it can find without a person: controls and pictures without a name, roles used wrongly,
text too pale to read.
"""

import pytest
from axe_playwright_python.sync_playwright import Axe

import dljourney.demos

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
# What is shown: each view of ours is a `dlj-host`; some sit in boxes of ipywidgets.
SHOWN = [".dlj-host", ".jp-OutputArea-output .jupyter-widgets"]
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
    found = Axe().run(page, context={"include": SHOWN}).response["violations"]
    return [(f["id"], f["impact"], n["html"][:120]) for f in found for n in f["nodes"]]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_looks_into_every_demo_and_finds_nothing_wrong(front, theme):
    names = dir(dljourney.demos)
    shown = [SPECIAL.get(name, f"{name}()") for name in names]
    cells = [f"from dljourney.demos import {n}\n{s}" for n, s in zip(names, shown)] + MORE
    page = front.open(*cells, theme=theme, height=1400)
    for n in range(len(cells)):
        page.locator(f".jp-Notebook .jp-Cell >> nth={n}").locator(".dlj").first.wait_for()
    front.python(page, "pass")
    for name in ("answering", "wrong", "error:not([hidden])"):  # words that are not always there
        page.locator(f".dlj-{name}").first.wait_for()
    found = wrong(page)
    assert found == [], "\n".join(map(str, found))
    n_views = page.evaluate(SPOIL)
    assert n_views >= len(cells)
    told = {(rule, html.split('"')[1]) for rule, _, html in wrong(page)}
    for rule in ("label", "color-contrast"):
        unseen = {n for n in range(n_views) if (rule, f"spoilt{n}") not in told}
        assert not unseen, f"{rule} is not told of views {unseen} of {n_views}"
    front.shut(page)
