"The laws of the house that a machine can hold: short cells, ideas in chapters, armour below."

import ast
import functools
import importlib
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

# How many exported lines a chapter may have: as planned, and a tenth more.
exported_lines = {
    "whole_game": 170, "samuel": 110, "checkers": 380, "sgd": 140, "optimisers": 150,
    "universal": 180, "overfitting": 370, "transfer": 200, "program": 130, "pretraining": 230,
}  # fmt: skip


def holds(law, found):
    "`found` names what breaks the law, with a size where there is one."
    broken = {k: v for k, v in found.items() if v}
    assert not broken, f"{law}: {broken}"


def test_a_law_can_fail():
    holds("cells", {"a cell": 0})
    with pytest.raises(AssertionError, match="cells: .*another.* 99"):
        holds("cells", {"a cell": 0, "another": 99})


# -- chapters --------------------------------------------------------------------------------------


def as_cell(kind, source):
    "(kind, directives, source lines) of a cell."
    lines = source.splitlines()
    return kind, [line.strip() for line in lines if line.startswith("#|")], lines


@functools.cache
def cells(path):
    "Each cell of a notebook."
    raw = json.loads(path.read_text("utf-8"))["cells"]
    return [as_cell(cell["cell_type"], "".join(cell["source"])) for cell in raw]


def notebooks():
    return [p for p in sorted(nbs.rglob("*.ipynb")) if ".ipynb_checkpoints" not in p.parts]


def chapters():
    return sorted(p for p in nbs.glob("[0-9]*.ipynb") if not p.stem.startswith("00"))


def topic(path):
    return path.stem.split("_", 1)[1]


def code_lines(lines):
    "Lines that are neither blank nor a comment."
    return [line for line in lines if line.strip() and not line.strip().startswith("#")]


def is_exported(marks):
    return any(re.match(r"#\|\s*exporti?\b", mark) for mark in marks)


def parsed(lines):
    "A cell's statements, magics left out."
    return ast.parse("\n".join("" if line.startswith(("%", "!")) else line for line in lines))


def is_import(node):
    kinds = ast.Import, ast.ImportFrom
    return isinstance(node, kinds) or isinstance(node, ast.If) and all(map(is_import, node.body))


def is_import_cell(lines):
    body = parsed(lines).body
    return bool(body) and all(map(is_import, body))


def is_run(marks, lines):
    "Does a reader see something happen here? Imports and definitions alone are no run."
    if is_exported(marks) or any(re.search(r"\bhide\b|eval: *false", mark) for mark in marks):
        return False
    defines = ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef
    return not all(is_import(n) or isinstance(n, defines) for n in parsed(lines).body)


each_chapter = pytest.mark.parametrize("path", chapters(), ids=topic)


def exported(notebook):
    "Marks and lines of each cell that goes into the module."
    return [(marks, lines) for kind, marks, lines in notebook
            if kind == "code" and is_exported(marks)]


def long_cells(notebook):
    "How many exported cells have more than 25 lines."
    sizes = [len(code_lines(lines)) for _, lines in exported(notebook) if not is_import_cell(lines)]
    return sum(size > 25 for size in sizes)


@each_chapter
def test_an_exported_cell_has_25_lines(path):
    holds(f"cells of 25 lines, {topic(path)}", {"cells": long_cells(cells(path))})


def gaps(notebook):
    "How often more than 60 exported lines stand before a run."
    since, found = 0, 0
    for kind, marks, lines in notebook:
        if kind == "code" and is_exported(marks) and not is_import_cell(lines):
            since += len(code_lines(lines))
        elif kind == "code" and is_run(marks, lines):
            found, since = found + (since > 60), 0
    return found + (since > 60)


@each_chapter
def test_a_run_follows_within_60_exported_lines(path):
    holds(f"a run within 60 lines, {topic(path)}", {"gaps": gaps(cells(path))})


@pytest.mark.parametrize("between, found", [
    ("f()", 0), ("x = f()\nx", 0), ("# a word", 1), ("import math", 1), ("def g(): pass", 1),
    ("import math\n\nclass A: pass", 1), ("#| eval: false\nf()", 1), ("#| hide\nf()", 1),
    ("#| export\nX = 1", 1),
])
def test_only_what_runs_is_a_run(between, found):
    long = "#| export\ndef f():\n" + "    x = 1\n" * 40
    assert gaps([as_cell("code", source) for source in (long, between, long, "f()")]) == found


def hidden_code(notebook):
    "Lines of code that go into the module without being shown as a part of it."
    bad = [lines for marks, lines in exported(notebook)
           if any("exporti" in mark for mark in marks) and not is_import_cell(lines)]
    return sum(len(code_lines(lines)) for lines in bad)


@each_chapter
def test_exporti_holds_imports(path):
    holds(f"exporti is for imports, {topic(path)}", {"lines": hidden_code(cells(path))})


def lines_of_imports(notebook):
    "All of them together, where there are more than 12."
    sizes = [len(code_lines(lines)) for _, lines in exported(notebook) if is_import_cell(lines)]
    return sum(sizes) if sum(sizes) > 12 else 0


@each_chapter
def test_imports_have_12_lines(path):
    holds(f"imports of 12 lines, {topic(path)}", {"lines": lines_of_imports(cells(path))})


def all_lines(notebook):
    return sum(len(code_lines(lines)) for _, lines in exported(notebook))


@each_chapter
def test_a_chapter_exports_what_was_planned(path):
    n, most = all_lines(cells(path)), exported_lines[topic(path)] * 1.1
    holds(f"exported lines, {topic(path)}", {"lines": n if n > most else 0})


PLUMBING = {
    "type: ignore": r"#\s*type:\s*ignore",
    "argparse": r"\bargparse\b",
    "another module as a program": r"\brunpy\b|\bsubprocess\b",
    "rows": r"def _?\w*_rows\b",
}
WRITES = re.compile(
    r"\bjson\.|\bpickle\.|\btorch\.(save|load)\b|\b(save_file|load_file|safe_open)\b|\bopen\("
    r"|\b(read|write)_(text|bytes)\b|\bwrite_atomically\b"
)


def plumbing(sources):
    "What an exported cell should leave to the kit, counted."
    text = "\n".join(sources)
    found = {name: len(re.findall(sign, text, re.M)) for name, sign in PLUMBING.items()}
    return {**found, "serialisation": sum(map(serialisation, sources))}


def serialisation(source):
    "How many statements read or write a file, but those of `save` and `load` themselves."
    def outside(nodes):
        for node in nodes:
            if isinstance(node, ast.ClassDef): yield from outside(node.body)
            elif getattr(node, "name", "") not in ("save", "load"): yield node

    body = parsed(source.splitlines()).body
    return sum(len(WRITES.findall(ast.unparse(node))) for node in outside(body))


@each_chapter
def test_no_plumbing_in_a_chapter(path):
    "No program, no file but in `save` and `load`, nothing to please a type checker, no rows."
    sources = ["\n".join(lines) for _, lines in exported(cells(path))]
    holds(f"no plumbing, {topic(path)}", plumbing(sources))


@pytest.mark.parametrize("source, sign", [
    ("def keep(m, p): torch.save(m, p)", "serialisation"),
    ("class A:\n    def keep(self, p): p.write_bytes(b'')", "serialisation"),
    ("def f(p):\n    with open(p) as file: return json.load(file)", "serialisation"),
    ("def f(m, p): safetensors.torch.save_file(m, p)", "serialisation"),
    ("def f(x): return pickle.dumps(x)", "serialisation"),
    ("x: int = f()  # type: ignore", "type: ignore"), ("import argparse", "argparse"),
    ("def many_rows(): pass", "rows"), ("import runpy", "another module as a program"),
])
def test_plumbing_is_found(source, sign):
    found = plumbing([source])
    assert found[sign] and not any(n for name, n in found.items() if name != sign)


def test_save_and_load_are_for_files():
    functions = "def save(m, p): p.write_bytes(m)\n\ndef load(p): return p.read_bytes()"
    method = "class A:\n    def save(self, p): torch.save(self, p)"
    assert not any(plumbing([functions, method]).values())


def long_texts(notebook):
    "Texts of pictures that take more than a line."
    found = 0
    for kind, _, lines in notebook:
        for call in ast.walk(parsed(lines)) if kind == "code" else ():
            if isinstance(call, ast.Call):
                told = [k.value for k in call.keywords if k.arg == "alt"]
                told += call.args[:1] if getattr(call.func, "attr", "") == "describe" else []
                found += sum(text.end_lineno > text.lineno for text in told)
    return found


@each_chapter
def test_no_text_of_a_picture_in_the_way(path):
    "What a picture says to who cannot see it takes one line; a longer one is a figure helper's."
    holds(f"texts of pictures, {topic(path)}", {"longer than a line": long_texts(cells(path))})


@pytest.mark.parametrize("source, found", [
    ("plot(x, alt='short')", 0), ("plot(x,\n     alt='short')", 0), ("plot(x, alt='a '\n 'b')", 1),
    ("fig.describe('a '\n 'b')", 1), ("fig.describe(\n 'a')", 0), ("axes.set(title='a '\n 'b')", 0),
])
def test_a_long_text_is_found(source, found):
    assert long_texts([as_cell("code", source)]) == found


def shows(node):
    "Does a reader see something of this statement? A check that holds says nothing."
    return any(isinstance(n, ast.Expr) and "assert" not in ast.unparse(n.value).split("(")[0]
               for n in ast.walk(node))


def checks_for_ci(notebook):
    "Cells that check something, and are hidden or show a reader nothing."
    found = 0
    for kind, marks, lines in notebook:
        if kind != "code" or is_exported(marks) or "assert" not in "\n".join(lines): continue
        body = parsed(lines).body
        hidden = any(re.match(r"#\|\s*hide\b", mark) for mark in marks)
        found += bool(body) and (hidden or not any(map(shows, body)))
    return found


@each_chapter
def test_no_assert_for_ci_only(path):
    "A check that nobody should read, or that tells nobody anything, stands in tests/."
    holds(f"checks for CI, {topic(path)}", {"cells": checks_for_ci(cells(path))})


MANY = "\n".join(f"x = {i}" for i in range(40))
IMPORTS = "\n".join(f"import math as m{i}" for i in range(13))
BREACHES = {
    long_cells: ["#| export\n" + MANY],
    gaps: ["f()", "#| export\n" + MANY, "# a word", "#| export\n" + MANY],
    hidden_code: ["#| exporti\nx = 1"],
    lines_of_imports: ["#| exporti\n" + IMPORTS],
    all_lines: ["#| export\nx = 1"],
    long_texts: ["plot(x, alt='a '\n 'b')"],
    checks_for_ci: ["#| hide\nprint(1)\nassert True", "assert 1 + 1 == 2",
                    "x = 2\nfor y in (1, 2):\n    torch.testing.assert_close(x, 2)"],
}


@each_chapter
@pytest.mark.parametrize("law", BREACHES, ids=lambda law: law.__name__)
def test_a_planted_breach_is_found(path, law):
    "Each chapter keeps each law; with a few cells more it would not."
    planted = [as_cell("code", source) for source in BREACHES[law]]
    assert law([*cells(path), *planted]) > law(cells(path))
    if law is checks_for_ci: assert law([*cells(path), *planted]) == len(planted)


def taken(notebook):
    "Functions and classes of a chapter whose name a later cell gives to something else."
    trees = [parsed(lines) for kind, _, lines in notebook if kind == "code"]
    kinds = ast.FunctionDef | ast.ClassDef
    known = {node.name for tree in trees for node in tree.body if isinstance(node, kinds)}
    scopes = kinds | ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp

    def stored(node):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store): yield node.id
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, scopes): yield from stored(child)

    return sorted(known & {name for tree in trees for name in stored(tree)})


@each_chapter
def test_a_function_of_a_chapter_keeps_its_name(path):
    "Whoever goes back to an earlier cell finds there what it used."
    found = taken(cells(path))
    holds(f"functions keep their names, {topic(path)}", {name: 1 for name in found})


def test_a_name_that_is_taken_is_found():
    define = as_cell("code", "def truth(x): return x")
    for source in ("told, truth = 1, 2", "for truth in range(3): pass", "if 1: truth = 3"):
        assert taken([define, as_cell("code", source)]) == ["truth"]
    for source in ("[truth for truth in range(3)]", "def f():\n    truth = 2", "truth(2)"):
        assert taken([define, as_cell("code", source)]) == []


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
    def is_text(n):
        value = n.value if isinstance(n, ast.Expr) else None
        return isinstance(value, ast.Constant) and isinstance(value.value, str)

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


def imported(path):
    return importlib.import_module("dljourney." + name_of(path).removesuffix(".__init__"))


def our_classes():
    for path in modules():
        module = imported(path)
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


def written():
    "Python that no notebook exports."
    return sorted([*(root / "tests").glob("*.py"), *(root / "benchmarks").glob("*.py")])


def test_100_columns():
    found = {}
    for path in notebooks():
        code = [lines for kind, _, lines in cells(path) if kind == "code"]
        found[str(path.relative_to(nbs))] = sum(len(line) > 100 for lines in code for line in lines)
    for path in [*written(), *sorted((root / "dljourney/static").glob("*.*"))]:
        found[path.name] = sum(len(x) > 100 for x in path.read_text("utf-8").splitlines())
    holds("100 columns", {k: v for k, v in found.items() if v})


def assigned_lambdas(tree):
    assigns = [n for n in ast.walk(tree) if isinstance(n, ast.Assign | ast.AnnAssign)]
    named = [n for n in assigns if isinstance(getattr(n, "target", None) or n.targets[0], ast.Name)]
    return sum(isinstance(n.value, ast.Lambda) for n in named)


def test_no_assigned_lambda():
    "A function has a name of its own."
    found = {str(path.relative_to(nbs)): sum(assigned_lambdas(parsed(lines))
                                             for kind, _, lines in cells(path) if kind == "code")
             for path in notebooks()}
    found |= {path.name: assigned_lambdas(ast.parse(path.read_text("utf-8"))) for path in written()}
    holds("assigned lambdas", {k: v for k, v in found.items() if v})


def test_an_assigned_lambda_is_found():
    sources = ["f = lambda x: x", "f: Callable = lambda x: x", "def g():\n    f = lambda: 1"]
    assert all(assigned_lambdas(ast.parse(source)) == 1 for source in sources)
    assert assigned_lambdas(ast.parse("sorted(x, key=lambda v: -v)\ndef g(f=lambda: 1): pass")) == 0


def test_a_public_name_has_one_meaning():
    "What two rooms hand out under one name is the same thing, but for faces alike by intent."
    alike = {"check", "guess", "guess_more", "hint", "solution", "quiz", "main"}  # of each chapter
    meanings = {}
    for path in modules():
        module = imported(path)
        for name in {*getattr(module, "__all__", ())} - alike:
            meanings.setdefault(name, {})[id(getattr(module, name))] = name_of(path)
    holds("one name, one meaning", {f"{name}: {', '.join(rooms.values())}": len(rooms)
                                    for name, rooms in meanings.items() if len(rooms) > 1})


def stands(name):
    "Is there a room of that dotted name, or something in a room?"
    place, module, rest = root / "dljourney", "dljourney", name.split(".")
    while rest and ((place / rest[0]).is_dir() or (place / f"{rest[0]}.py").exists()):
        place, module = place / rest[0], f"{module}.{rest.pop(0)}"
    value = importlib.import_module(module)
    for part in rest:
        value = getattr(value, part, None)
    return value is not None


@pytest.mark.parametrize("path", notebooks(), ids=lambda p: str(p.relative_to(nbs)))
def test_rooms_that_are_named_are_there(path):
    "In texts, in hints of errors and in comments, too."
    named = re.compile(r"(?<![\w/.])(?:dljourney\.)?(kit(?:\.[A-Za-z_]\w*)+)")
    found = {name for _, _, lines in cells(path) for name in named.findall("\n".join(lines))}
    gone = sorted(name for name in found if not stands(name))
    assert not gone, f"there is no {', '.join(gone)}"


def test_a_room_that_is_gone_is_found():
    assert stands("kit.pictures.photos") and stands("kit.figures.style.COLOURS")
    assert not stands("kit.data.photos") and not stands("kit.figures.nobody")


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
