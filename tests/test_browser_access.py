"""Every demo for those who do not see it or use no mouse: axe-core looks at each.

What it can find without a person: controls and pictures without a name, roles used wrongly,
text too pale to read.
"""

import pytest
from axe_playwright_python.sync_playwright import Axe

import dljourney.demos

pytestmark = pytest.mark.browser

SPECIAL = {
    "Upload": "Upload(lambda picture: {'cat': 0.9, 'dog': 0.1})",
    "Playground": "d = Playground(); d.show_code(); d",
}
MORE = [
    "from dljourney.demos import TeachMe; from dljourney.kit.pictures import doodles; TeachMe()",
    "d = TeachMe(doodles(['smile', 'star'], n=1)); d.teach(); d.step(1)\n"
    "d.strokes = doodles(['smile'], n=1, seed=7)['smile'][0].strokes; d",
    "from dljourney.kit.live.live import Walk; Walk()",
]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_wrong_with_any_demo(front, theme):
    names = dir(dljourney.demos)
    shown = [SPECIAL.get(name, f"{name}()") for name in names]
    cells = [f"from dljourney.demos import {n}\n{s}" for n, s in zip(names, shown)] + MORE
    page = front.open(*cells, theme=theme, height=1400)
    for n in range(len(cells)):
        page.locator(f".jp-Notebook .jp-Cell >> nth={n}").locator(".dlj").first.wait_for()
    front.python(page, "pass")
    page.wait_for_timeout(500)
    demos = {"include": [".jp-OutputArea-output .jupyter-widgets"]}
    found = Axe().run(page, context=demos).response["violations"]
    told = [(f["id"], f["impact"], n["html"][:120]) for f in found for n in f["nodes"]]
    assert told == []
    front.shut(page)


def test_axe_can_find_something(front):
    page = front.page()
    page.set_content("<main><h1>x</h1><canvas role='img'></canvas><input></main>")
    found = {f["id"] for f in Axe().run(page).response["violations"]}
    assert {"label", "role-img-alt"} <= found
    page.context.close()
