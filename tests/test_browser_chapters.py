"""Every chapter as a learner opens it, before a cell was run: texts, formulas, tables, and the
stills that stand where demos will be. axe-core looks into all of them, on one page."""

import json

import pytest
from axe_playwright_python.sync_playwright import Axe

from test_browser_access import LABS

pytestmark = pytest.mark.browser

LOOKED_AT = [".jp-MarkdownOutput", ".jp-OutputArea-output"]  # code and the rest are JupyterLab's
# What lies outside of a box that scrolls is hidden to axe, which then looks at no colour.
OPEN = "body, .jp-LabShell, .jp-NotebookPanel * { overflow: visible !important; }"
RENDERED = """n => {
  const texts = [...document.querySelectorAll(".jp-MarkdownOutput")];
  return texts.length === n && texts.every((text) => text.querySelector("h1")) &&
    !texts.some((text) => /\\$\\$?\\S/.test(text.innerText.replace(/\\$\\d/g, "")));
}"""


def in_one(paths):
    "A notebook of two cells for each of these: all its texts, all that it stores as outputs."
    cells = []
    for path in paths:
        chapter = json.loads(path.read_text("utf-8"))
        found = chapter["cells"]
        texts = ["".join(c["source"]) for c in found if c["cell_type"] == "markdown"]
        stored = [o for c in found for o in c.get("outputs", [])]
        cells.append(dict(cell_type="markdown", metadata={}, source="\n\n".join(texts)))
        if stored:
            code = dict(cell_type="code", metadata={}, source="", outputs=stored)
            cells.append(code | dict(execution_count=None))
    for i, cell in enumerate(cells): cell["id"] = f"cell{i}"
    return json.dumps(chapter | dict(cells=cells))


# Something wrong at the end of each text: a picture without words, a line too pale to read.
SPOIL = """() => {
  const texts = [...document.querySelectorAll(".jp-MarkdownOutput")];
  texts.forEach((text, n) => text.insertAdjacentHTML("beforeend",
    `<img src="data:," class="spoilt${n}"><p class="spoilt${n}" style="color: #999">pale</p>`));
  return texts.length;
}"""


def test_axe_finds_in_chapters_just_opened_what_was_spoilt_and_nothing_else(front, repeat):
    name = f"chapters{repeat or ''}"
    front.command("course", name, "--lay-only")
    paths = sorted((front.root / name).glob("*.ipynb"))
    (front.root / f"{name}.ipynb").write_text(in_one(paths), "utf-8")
    page = front.show(f"{name}.ipynb")
    page.wait_for_function(RENDERED, arg=len(paths))
    assert page.locator(".jp-OutputArea-output img").count() > 10  # the stills
    page.add_style_tag(content=OPEN)
    n = page.evaluate(SPOIL)
    options = {"rules": LABS, "resultTypes": ["violations"]}
    told = Axe().run(page, context={"include": LOOKED_AT}, options=options).response["violations"]
    found = [(f["id"], node["html"][:200]) for f in told for node in f["nodes"]]
    real = [f"{rule}: {html}" for rule, html in found if "spoilt" not in html]
    assert real == [], "\n".join(real)
    spoilt = {(rule, html.split('class="')[1].split('"')[0]) for rule, html in found}
    rules = ("image-alt", "color-contrast")
    assert spoilt == {(rule, f"spoilt{i}") for rule in rules for i in range(n)}
    assert page.problems == []
    front.shut(page)
