"The site: built without a warning, nothing missing or from outside, every docment told."
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

pytest.importorskip("myst_nb")
root = Path(__file__).parent.parent
sys.path.insert(0, str(root / "docs"))

from alive import demo_of  # noqa: E402
from build import aside, cell_of, page_of  # noqa: E402
from house import as_rst, jupyter_anchor, modules, public_names, resolve  # noqa: E402


class Page(HTMLParser):
    "What a page links to, shows and loads, the places in it, and its text."

    def __init__(self, text):
        super().__init__()
        self.links, self.pictures, self.loaded, self.words = [], [], [], []
        self.ids, self.maths = set(), 0
        self.code, self.in_code = "", False
        self.feed(text)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        a = dict(attrs)
        if "id" in a:
            self.ids.add(a["id"])
        if tag == "a" and a.get("href"):
            self.links.append(a["href"])
        if tag == "img":
            self.pictures.append((a.get("src", ""), a.get("alt") or ""))
        if tag in ("script", "img", "iframe", "source", "video", "audio", "embed") and a.get("src"):
            self.loaded.append(a["src"])
        here = "canonical", "next", "prev", "index", "search", "genindex"
        if tag == "link" and a.get("rel") not in here:
            self.loaded.append(a.get("href", ""))
        self.loaded += re.findall(r"url\(([^)]+)\)", a.get("style") or "")
        self.maths += tag == "math"
        self.in_code |= tag == "pre"

    def handle_endtag(self, tag):
        self.in_code &= tag != "pre"

    def handle_data(self, data):
        self.words.append(data)
        self.code += data * self.in_code


def is_outside(address):
    return bool(urlsplit(address).scheme not in ("", "data") or address.startswith("//"))


def broken_links(pages, files=()):
    "Links to pages, places in them, and other `files` of the site that lead nowhere, as sentences."
    for name, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            folder = Path(name).parent
            target = unquote(parts.path) and (folder / unquote(parts.path)).as_posix() or name
            target = Path("/", target).resolve().relative_to("/").as_posix()
            if target in files:
                continue
            if target not in pages:
                yield f"{name} links to {link}: there is no {target}"
            elif parts.fragment and unquote(parts.fragment) not in pages[target].ids:
                yield f"{name} links to {link}: no such place in {target}"


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    "The site, built once."
    folder = tmp_path_factory.mktemp("docs")
    command = [sys.executable, "docs/build.py", str(folder)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    told = f"{done.stdout[-3000:]}{done.stderr[-3000:]}"
    assert done.returncode == 0, f"the build warns or fails:\n{told}"
    return folder / "html"


@pytest.fixture(scope="session")
def pages(built):
    files = sorted(built.rglob("*.html"))
    return {p.relative_to(built).as_posix(): Page(p.read_text(encoding="utf-8")) for p in files}


named = re.compile(r"\d\d_|\w+_more$|detective|your_guesses|glossary")
chapters = sorted(p.stem for p in (root / "nbs").glob("*.ipynb") if named.match(p.stem))


@pytest.mark.site
def test_everything_is_there(pages):
    assert len(chapters) == 16
    rooms = [m for m in modules() if public_names(m) and not m.startswith("exercises")]
    assert {"sgd", "demos.playground", "kit.live.live", "cli.course"} <= set(rooms)
    wanted = ["index", "genindex", "search", "processes", *chapters, "api/index",
              *(f"api/{m}" for m in rooms)]
    assert {f"{name}.html" for name in wanted} == {p for p in pages if not p.startswith("demos/")}


@pytest.mark.site
def test_demos_that_can_live_have_a_place_and_a_page(pages, built):
    "A link to its page stands behind each; site.js puts the page where the picture was."
    wanted = {"index": ["teach_me", "playground"], "01_whole_game": ["teach_me"],
              "04_sgd": ["roll_downhill", "be_the_optimiser", "three_scores"],
              "05_optimisers": ["playground"],
              "06_universal": ["draw_a_curve"],
              "07_overfitting": ["polynomial_fit", "shuffled_labels", "double_descent"]}
    for name, demos in wanted.items():
        links = [link for link in pages[f"{name}.html"].links if link.startswith("demos/")]
        found = [re.fullmatch(r"demos/(\w+?)(-\d+)?\.html", link)[1] for link in links]
        assert found == demos, name
        for link in links: assert 'content="dljourney demo"' in (built / link).read_text("utf-8")


@pytest.mark.site
def test_every_link_leads_somewhere(pages, built):
    pictures = {p.relative_to(built).as_posix() for p in (built / "_images").iterdir()}
    wrong = list(broken_links(pages, pictures))
    assert not wrong, "\n".join(wrong[:30])
    assert sum(len(page.links) for page in pages.values()) > 2000


@pytest.mark.site
def test_no_picture_is_missing(pages, built):
    for name in chapters:
        cells = json.loads((root / "nbs" / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
        hidden = [c for c in cells if re.search(r"^#\|\s*hide\b", "".join(c["source"]), re.M)]
        outputs = [o for c in cells if c not in hidden for o in c.get("outputs", [])]
        stored = sum("image/png" in o.get("data", {}) for o in outputs)
        shown = [src for src, _ in pages[f"{name}.html"].pictures if "_images/" in src]
        assert len(shown) == stored, f"{name}: {stored} pictures stored, {len(shown)} shown"
    for name, page in pages.items():
        for source, alt in page.pictures:
            if source.startswith("data:"):
                continue
            path = (built / name).parent / source
            assert path.is_file() and path.stat().st_size > 100, f"{name}: no picture {source}"
            assert alt, f"{name}: {source} has no words for those who do not see it"


@pytest.mark.site
def test_nothing_comes_from_outside(pages, built):
    outside = [f"{name}: {a}" for name, page in pages.items() for a in page.loaded if is_outside(a)]
    for sheet in built.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        found = re.findall(r"url\(\s*['\"]?([^'\")]+)", text)
        found += re.findall(r"@import\s+['\"]([^'\"]+)", text)
        outside += [f"{sheet.name}: {a}" for a in found if is_outside(a)]
    assert not outside, "\n".join(outside[:20])


@pytest.mark.site
@pytest.mark.parametrize("module", [m for m in modules() if not m.startswith("exercises")])
def test_every_public_name_and_each_docment_is_told(pages, module):
    import importlib

    from dljourney.kit.course import docments

    def is_mine(name, full): return full == f"dljourney.{module}.{name}"
    mine = {name: full for name, full in public_names(module).items() if is_mine(name, full)}
    if not mine:
        return
    page = pages[f"api/{module}.html"]
    missing = [full for full in mine.values() if full not in page.ids]
    assert not missing, f"not in the API pages: {missing}"
    def squeeze(text): return re.sub(r"[\s`]", "", text)
    told = squeeze(page.text)
    for name in mine:
        thing = getattr(importlib.import_module(f"dljourney.{module}"), name)
        for parameter, text in (docments(thing) if callable(thing) else {}).items():
            assert squeeze(text) in told, f"{module}.{name}: {parameter} is not told: {text}"


@pytest.mark.site
def test_prose_leads_to_the_api(pages):
    assert "api/sgd.html#dljourney.sgd.train" in pages["04_sgd.html"].links
    assert "api/sgd.html#dljourney.sgd.train" in pages["index.html"].links
    for name in set(chapters) - set(aside):
        links = [link for link in pages[f"{name}.html"].links if link.startswith("api/")]
        links = [link for link in links if "#" in link]
        assert links, f"{name} leads nowhere"


@pytest.mark.site
def test_chapters_and_sections_that_are_spoken_of_are_linked(pages):
    links = pages["04_sgd.html"].links
    assert "02_samuel.html" in links
    assert any(link.startswith("#") and "mini-batches" in link for link in links)


@pytest.mark.site
def test_formulas_are_drawn_by_the_browser(pages):
    assert pages["06_universal.html"].maths > 10 and pages["04_sgd.html"].maths > 5
    for name in chapters:
        assert not re.search(r"\$[^$ ]+\$|\\(frac|text|cdot)\b", pages[f"{name}.html"].text), name


@pytest.mark.site
def test_directives_and_widget_texts_do_not_show(pages):
    for name in chapters:
        page, text = pages[f"{name}.html"], pages[f"{name}.html"].text
        assert page.code or name == "glossary"
        # prose may speak of directives
        assert "#|" not in page.code and "default_exp" not in text, name
        assert "Loading widget" not in text and "<IPython.core" not in text, name


# The parts, without building anything


def test_the_link_check_can_fail():
    links = "b.html#there", "#x", "c.html", "https://x.org"
    pages = {"a.html": Page("".join(f'<a href="{link}">there</a>' for link in links)),
             "b/d.html": Page('<a href="../a.html">a</a>'), "b.html": Page('<p id="here">')}
    wrong = list(broken_links(pages))
    assert len(wrong) == 3 and "there" in wrong[0] and "#x" in wrong[1] and "c.html" in wrong[2]
    assert Page("<p>#| a</p><pre>b<span>#| c</span></pre>d").code == "b#| c"
    script = '<script src="https://x.org/a.js"></script>'
    sheet = '<link rel="stylesheet" href="//x.org/a.css">'
    loaded = Page(f'{script}{sheet}<img src="a.png">').loaded
    assert [is_outside(a) for a in loaded] == [True, True, False]


@pytest.mark.parametrize("text, module, full", [
    ("train", "sgd", "dljourney.sgd.train"),
    ("train(...)", "sgd", "dljourney.sgd.train"),
    ("Training.run", "sgd", "dljourney.kit.training.run.Training.run"),
    ("sgd.train", "", "dljourney.sgd.train"),
    ("dljourney.sgd.train", "", "dljourney.sgd.train"),
    ("kit.figures.show_images", "", "dljourney.kit.figures.plots.show_images"),
    ("kit.pictures.photos", "", "dljourney.kit.pictures.folders.photos"),
    ("dljourney.sgd", "", "dljourney.sgd"),
    ("sgd", "", None), ("train", "", None), ("train = 3", "sgd", None),
    ("no_such_name", "sgd", None), ("3", "", None),
])
def test_what_a_name_in_backticks_means(text, module, full):
    assert resolve(text, module) == full


@pytest.mark.parametrize("text, rst", [
    ("plain words", "plain words"),
    ("a*b and c_ | `x[0]`", r"a\*b and c\_ \| ``x[0]``\ "),
    ("see `train`", r"see :py:obj:`train <dljourney.sgd.train>`\ "),
    ("one ` alone", r"one \` alone"),
])
def test_house_texts_are_not_taken_for_markup(text, rst):
    assert as_rst(text, "sgd") == rst


def test_anchors_are_those_of_jupyter():
    assert jupyter_anchor("1. Which way is down?") == "1.-Which-way-is-down?"


def code(source, outputs=()):
    plain = {"cell_type": "code", "id": "x", "metadata": {}, "execution_count": None}
    return plain | {"source": source, "outputs": list(outputs)}


def test_what_is_for_machines_is_not_shown():
    assert cell_of(code("#| hide\nassert True")) is None
    assert cell_of(code("#| default_exp sgd")) is None
    assert cell_of(code("#| export\ndef f(): ...")) == code("def f(): ...")
    assert cell_of(code("#| exporti\ndef _f(): ..."))["metadata"]["tags"] == ["hide-input"]
    imports = code("#| export\nfrom a import (\n    b,\n)")
    assert cell_of(imports)["metadata"]["tags"] == ["hide-input"]


@pytest.mark.parametrize("source, told, state", [
    ("RollDownhill(lr=0.3)", "RollDownhill(lr=0.3, steps=9)", dict(lr=0.3, steps=9)),
    ("d = demos.RollDownhill()\nd", "RollDownhill(lr=0.2)", dict(lr=0.2)),
    ("RollDownhill(rule=Adam)", "RollDownhill(lr=0.3)", None),
    ("PolynomialFit((x, y))", "PolynomialFit(degree=3)", None),
    ("d.step(3)", "RollDownhill(lr=0.3)", None), ("Cures()", "Cures(dropout=0.1)", None),
    ("%time x", "3", None), ("f()", "<object at 0x1>", None),
    ("CheckersMachine()", "CheckersMachine(opponent='1959')", dict(opponent="1959")),
])
def test_a_demo_is_known_by_its_text(source, told, state):
    demo = demo_of(source, told)
    assert (demo and {name: demo.state[name] for name in state}) == state


def test_a_notebook_is_left_as_it_was():
    path = root / "nbs" / "04_sgd.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    page = page_of(notebook, "04_sgd")
    assert notebook == json.loads(path.read_text(encoding="utf-8"))
    images = [c["metadata"]["mystnb"]["image"] for c in page["cells"] if "mystnb" in c["metadata"]]
    assert len(images) > 15 and all(i["alt"] and re.fullmatch(r"\d+px", i["width"]) for i in images)
