"README, CONTRIBUTING and the site's own pages name only what is there: rooms, paths, commands."
import ast
import importlib
import re
from pathlib import Path

import pytest
from test_laws import chapters, stands, topic

from dljourney.cli.course import _parser
from dljourney.kit.course import chapters as course_chapters

root = Path(__file__).parent.parent
pages = [root / "README.md", root / "CONTRIBUTING.md",
         *sorted(p for p in (root / "docs").glob("*.*") if p.suffix in (".md", ".rst", ".py"))]
each_page = pytest.mark.parametrize("page", pages, ids=lambda p: p.name)
tree = r"(?:nbs|tests|benchmarks|docs|dljourney)"


def rooms(text):
    "Dotted names, such as `dljourney.kit.game`; a file's ending and a command are none."
    return set(re.findall(r"(?<![\w/.-])dljourney\.([a-z_]\w*(?:\.\w+)*)(?![\w/])", text))


def paths(text):
    "Paths from the root on, such as `nbs/kit/` or `nbs/01_...`."
    return set(re.findall(rf"(?<![\w/.-])({tree}/[\w./-]*\w/?(?:\.\.\.)?)", text))


def is_there(path):
    if path.endswith("..."):
        return any(root.glob(path.removesuffix("...") + "*"))
    return (root / path).exists()


def test_the_readme_tells_the_minutes_that_the_chapters_tell():
    row = r"^\| \[\d\d .*?\]\(nbs/(\w+)\.ipynb\) .*\| (\d+) \|$"
    told = dict(re.findall(row, (root / "README.md").read_text(encoding="utf-8"), re.M))
    known = {c.name: str(c.minutes) for c in course_chapters(root / "nbs") if c.name[0].isdigit()}
    known.pop("00_start")
    assert told == known


def made(text):
    "Targets of make that are named as commands."
    return set(re.findall(r"(?:`|^|\n *)make ([a-z][\w-]*)", text))


def commands(text):
    "What `dljourney` is asked for."
    return set(re.findall(r"(?:`|^|\n|bin/)dljourney ([a-z]+)", text))


def imports(text):
    "(module, name) of each import in a block of Python."
    for block in re.findall(r"```python\n(.*?)```", text, re.S):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("dljourney"):
                yield from ((node.module, alias.name) for alias in node.names)


@each_page
def test_what_a_page_names_is_there(page):
    text = page.read_text("utf-8")
    targets = set(re.findall(r"^([\w-]+):", (root / "Makefile").read_text("utf-8"), re.M))
    known = set(next(a.choices for a in _parser()._actions if a.dest == "command"))
    gone = [f"dljourney.{name}" for name in rooms(text) if not stands(name)]
    gone += [path for path in paths(text) if not is_there(path)]
    gone += [f"make {name}" for name in made(text) - targets]
    gone += [f"dljourney {name}" for name in commands(text) - known]
    gone += [f"{name} of {module}" for module, name in imports(text)
             if not hasattr(importlib.import_module(module), name)]
    assert not gone, f"{page.name} names what is not there: {gone}"


def test_what_is_gone_is_found():
    text = ("`dljourney.kit.data`, dljourney.sgd.train, `nbs/kit/data.ipynb`, nbs/01_..., "
            "nbs/99_...\n`make nothing` or make it\ndljourney nothing\n"
            "```python\nfrom dljourney.sgd import nobody\n```\n")
    assert {name for name in rooms(text) if not stands(name)} == {"kit.data"}
    gone = {path for path in paths(text) if not is_there(path)}
    assert gone == {"nbs/kit/data.ipynb", "nbs/99_..."}
    assert made(text) == {"nothing"} and commands(text) == {"nothing"}
    assert list(imports(text)) == [("dljourney.sgd", "nobody")]


def section(title):
    text = (root / "CONTRIBUTING.md").read_text("utf-8")
    return text.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def test_the_table_of_places_is_the_tree():
    "Each folder of notebooks has a row, each wing a word in the kit's row, and no other has."
    rows = dict(re.findall(r"^\| `([\w/.]+)`.*?\| (.*) \|$", section("What goes where"), re.M))
    folders = {f"nbs/{p.name}/" for p in (root / "nbs").iterdir()
               if p.is_dir() and not p.name.startswith((".", "_"))}
    assert folders == {place for place in rows if place.startswith("nbs/") and place[-1] == "/"}
    kit = root / "dljourney/kit"
    wings = {p.parent.name for p in kit.glob("*/__init__.py")}
    told = set(re.findall(r"`([a-z_]+)`", rows["nbs/kit/"]))
    assert wings == told, f"not told: {wings - told}; not there: {told - wings}"


def test_the_readme_has_a_row_for_each_chapter():
    text = (root / "README.md").read_text("utf-8")
    told = re.findall(r"^\| \[\d\d .*?\]\(nbs/\d\d_(\w+)\.ipynb\)", text, re.M)
    assert told == [topic(path) for path in chapters()]
