"""The laws of the house that a machine can hold: short cells, ideas in chapters, armour below.

Where the tree still breaks one, the place stands in `broken`. A place may leave that list and none
may join it: a law that holds again where the list says that it does not fails as well.
"""

import ast
import functools
import inspect
import itertools
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

root = Path(__file__).parent.parent
nbs = root / "nbs"
broken: dict[str, dict[str, int]] = json.loads((root / "tests/broken_laws.json").read_text("utf-8"))

# How many exported lines a chapter may have: as planned, and a tenth more.
exported_lines = {
    "whole_game": 170, "samuel": 110, "checkers": 380, "sgd": 140, "optimisers": 150,
    "universal": 180, "overfitting": 370, "transfer": 200, "program": 130, "pretraining": 230,
}  # fmt: skip


def holds(law, found):
    "`found` names what breaks the law, with a size where there is one; the list names what may."
    allowed = broken.get(law, {})
    worse = {k: v for k, v in found.items() if v > allowed.get(k, 0)}
    assert not worse, f"{law}: {worse}"
    better = {k: (v, found.get(k, 0)) for k, v in allowed.items() if found.get(k, 0) < v}
    assert not better, f"{law} is kept better than tests/broken_laws.json says; lower it: {better}"


def test_a_law_can_fail():
    with pytest.raises(AssertionError, match="cells"):
        holds("cells", {"a cell that nobody allowed": 99})


def test_a_list_of_breaches_can_only_shrink(monkeypatch):
    monkeypatch.setitem(broken, "cells", {"somewhere": 30})
    with pytest.raises(AssertionError, match="lower it"):
        holds("cells", {})


# -- chapters --------------------------------------------------------------------------------------


@functools.cache
def cells(path):
    "(kind, directives, source lines) of each cell."
    found = []
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        lines = "".join(cell["source"]).splitlines()
        marks = [line.strip() for line in lines if line.startswith("#|")]
        found.append((cell["cell_type"], marks, lines))
    return found


def chapters():
    return sorted(p for p in nbs.glob("[0-9]*.ipynb") if not p.stem.startswith("00"))


def topic(path):
    return path.stem.split("_", 1)[1]


def code_lines(lines):
    "Lines that are neither blank nor a comment."
    return [line for line in lines if line.strip() and not line.strip().startswith("#")]


def is_exported(marks):
    return any(re.match(r"#\|\s*exporti?\b", mark) for mark in marks)


def is_import_cell(lines):
    tree = ast.parse("\n".join(line for line in lines if not line.startswith(("%", "!"))))
    kinds = ast.Import, ast.ImportFrom
    under_if = lambda node: isinstance(node, ast.If) and all(isinstance(n, kinds) for n in node.body)
    return bool(tree.body) and all(isinstance(node, kinds) or under_if(node) for node in tree.body)


each_chapter = pytest.mark.parametrize("path", chapters(), ids=topic)


def exports(path):
    return [(i, marks, lines) for i, (kind, marks, lines) in enumerate(cells(path))
            if kind == "code" and is_exported(marks)]


@each_chapter
def test_an_exported_cell_has_25_lines(path):
    sizes = {i: len(code_lines(lines)) for i, _, lines in exports(path) if not is_import_cell(lines)}
    holds(f"cells of 25 lines, {topic(path)}", {"cells": sum(size > 25 for size in sizes.values())})


@each_chapter
def test_a_run_follows_within_60_exported_lines(path):
    since, gaps = 0, 0
    for kind, marks, lines in cells(path):
        if kind != "code" or not code_lines(lines):
            continue
        if is_exported(marks):
            since += 0 if is_import_cell(lines) else len(code_lines(lines))
        elif not any("hide" in mark for mark in marks):
            gaps, since = gaps + (since > 60), 0
    holds(f"a run within 60 lines, {topic(path)}", {"gaps": gaps + (since > 60)})


@each_chapter
def test_exporti_holds_imports(path):
    bad = [lines for _, marks, lines in exports(path)
           if any("exporti" in mark for mark in marks) and not is_import_cell(lines)]
    holds(f"exporti is for imports, {topic(path)}", {"lines": sum(len(code_lines(b)) for b in bad)})


@each_chapter
def test_imports_have_12_lines(path):
    sizes = [len(code_lines(lines)) for _, _, lines in exports(path) if is_import_cell(lines)]
    holds(f"imports of 12 lines, {topic(path)}", {"lines": sum(sizes) if sum(sizes) > 12 else 0})


@each_chapter
def test_a_chapter_exports_what_was_planned(path):
    n = sum(len(code_lines(lines)) for _, _, lines in exports(path))
    most = exported_lines[topic(path)] * 1.1
    holds(f"exported lines, {topic(path)}", {"lines": n if n > most else 0})


@each_chapter
def test_no_plumbing_in_a_chapter(path):
    "No argparse, no files of its own but in `save` and `load`, nothing to please a type checker, no rows."
    text = "\n".join("\n".join(lines) for _, _, lines in exports(path))
    signs = {"type: ignore": r"#\s*type:\s*ignore", "argparse": r"\bargparse\b", "rows": r"def _?\w*_rows\b",
             "JSON": r"\bjson\.(dumps|loads|dump|load)\b", "assigned lambda": r"^\s*\w+ = lambda\b"}
    holds(f"no plumbing, {topic(path)}", {k: len(re.findall(v, text, re.M)) for k, v in signs.items()})


@each_chapter
def test_no_text_of_a_picture_in_the_way(path):
    "What a picture says to somebody who cannot see it takes one line; a longer one is a figure helper's."
    text = "\n".join("\n".join(lines) for kind, _, lines in cells(path) if kind == "code")
    calls = [n for n in ast.walk(ast.parse(re.sub(r"^[%!].*$", "", text, flags=re.M)))
             if isinstance(n, ast.Call) and getattr(n.func, "attr", "") == "describe"]
    long = [n for n in calls if n.args and n.args[0].end_lineno > n.args[0].lineno]
    holds(f"texts of pictures, {topic(path)}", {"longer than a line": len(long)})


@each_chapter
def test_no_assert_for_ci_only(path):
    "A check that nobody should read stands in tests/, not in a hidden cell."
    hidden = [lines for kind, marks, lines in cells(path) if kind == "code"
              and any(re.match(r"#\|\s*hide\b", m) for m in marks) and any("assert" in x for x in lines)]
    holds(f"hidden asserts, {topic(path)}", {"cells": len(hidden)})


# -- the kit ---------------------------------------------------------------------------------------


def modules():
    return [p for p in sorted((root / "dljourney").rglob("*.py")) if p.name != "_modidx.py"]


def name_of(path):
    return ".".join(path.relative_to(root / "dljourney").with_suffix("").parts)


def test_a_function_has_40_lines():
    found = {}
    for path in modules():
        text = path.read_text("utf-8")
        lines = text.splitlines()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                n = len(code_lines(lines[node.lineno - 1 : node.end_lineno]))
                if n > 40:
                    found[f"{name_of(path)}.{node.name}"] = n
    holds("functions of 40 lines", found)


def cut_docstrings(tree):
    "A second string after a docstring is a statement that does nothing: half of it is lost."
    is_text = lambda n: (isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant)
                         and isinstance(n.value.value, str))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from (b.lineno for a, b in itertools.pairwise(node.body)
                        if is_text(a) and is_text(b))


def test_a_docstring_is_one_string():
    found = {}
    for path in [*modules(), *(root / "tests").glob("*.py")]:
        lines = list(cut_docstrings(ast.parse(path.read_text("utf-8"))))
        found |= {f"{path.name}:{line}": 1 for line in lines}
    holds("a docstring is one string", found)


def our_classes():
    import importlib

    for path in modules():
        module = importlib.import_module("dljourney." + name_of(path).removesuffix(".__init__"))
        for _, value in inspect.getmembers(module, inspect.isclass):
            if value.__module__ == module.__name__:
                yield value


def test_a_class_has_three_ancestors_of_ours():
    found = {}
    for cls in our_classes():
        ours = [c for c in cls.__mro__[1:] if c.__module__.startswith("dljourney")]
        if len(ours) > 3:
            found[f"{cls.__module__.removeprefix('dljourney.')}.{cls.__name__}"] = len(ours)
    holds("three ancestors", found)


def test_100_columns():
    found = {}
    for path in sorted(nbs.rglob("*.ipynb")):
        if ".ipynb_checkpoints" in path.parts:
            continue
        n = sum(len(line) > 100 for kind, _, lines in cells(path) if kind == "code" for line in lines)
        found[str(path.relative_to(nbs))] = n
    written = [*(root / "tests").glob("*.py"), *(root / "benchmarks").glob("*.py"),
               *(root / "dljourney/static").glob("*.*")]
    for path in sorted(written):
        found[path.name] = sum(len(x) > 100 for x in path.read_text("utf-8").splitlines())
    holds("100 columns", {k: v for k, v in found.items() if v})


def test_the_kit_has_nine_wings_and_six_loose_rooms():
    kit = root / "dljourney/kit"
    wings = {p.name for p in kit.iterdir() if p.is_dir() and (p / "__init__.py").exists()}
    loose = {p.stem for p in kit.glob("*.py")} - {"__init__"}
    holds("nine wings and six loose rooms",
          {"wings": max(0, len(wings) - 9), "loose": max(0, len(loose) - 6)})


def test_pictures_load_no_torch():
    code = "import sys, dljourney.kit.pictures; sys.exit('torch' in sys.modules)"
    failed = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True).returncode
    holds("kit.pictures loads no torch", {"torch": failed})
