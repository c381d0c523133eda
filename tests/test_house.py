"The house rules that a machine can hold: import arrows, notebooks and modules in step."
import ast
import functools
import importlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dljourney.kit import faces

root = Path(__file__).parent.parent
chapters = [
    "samuel", "checkers", "sgd", "optimisers", "universal", "overfitting", "transfer", "program",
    "pretraining",
]
# A module may import what stands on a lower floor; chapters read each other in reading order.
floors = {
    "kit": 0,
    **{name: 1 + i for i, name in enumerate(chapters)},
    "whole_game": 20,
    "experiments": 21,
    "demos": 22,
    "exercises": 23,
    "cli": 24,
}


TOP = {
    ".ci", ".gitattributes", ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE",
    "MANIFEST.in", "Makefile", "README.md", "benchmarks", "constraints.txt", "dljourney", "docs",
    "nbs", "pyproject.toml", "settings.ini", "setup.py", "tests",
}


def test_nothing_else_stands_at_the_top():
    listed = ["git", "ls-files", "-z"]
    files = subprocess.run(listed, cwd=root, capture_output=True, text=True, check=True).stdout
    assert {name.partition("/")[0] for name in files.split("\0") if name} == TOP


def modules():
    files = sorted((root / "dljourney").rglob("*.py"))
    return [p for p in files if p.name not in ("__init__.py", "_modidx.py")]


def parts(path):
    return path.relative_to(root / "dljourney").with_suffix("").parts


@functools.cache
def rooms(package):
    "Behind a face, given as dotted parts: in which module each name stands that it hands out."
    found = faces.rooms(".".join(["dljourney", *package])) if package[:1] == ("kit",) else {}
    return {name: tuple(module.split(".")[1:]) for name, module in found.items()}


def asked(source, here):
    "What a module at `here` asks of `dljourney`: (dotted parts of a module, names or None)."
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found = [(tuple(a.name.split(".")), None) for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ("dljourney", *here)[: -node.level] if node.level else ()
            names = [a.name for a in node.names]
            found = [((*base, *(node.module.split(".") if node.module else ())), names)]
        else:
            continue
        yield from ((full[1:], names) for full, names in found if full[0] == "dljourney")


def imported(path):
    "Every `dljourney` module that the file at `path` imports, at any depth, as dotted parts."
    for full, names in asked(path.read_text("utf-8"), parts(path)):
        if names is None or (full and not rooms(full)):
            if full: yield full
        elif behind := rooms(full):
            yield from (behind.get(name, (*full, name)) for name in names)
        else:
            yield from ((name,) for name in names)


def arrow_is_allowed(source, target):
    a, b = source[0], target[0]
    if a == b:
        return True
    if b not in floors:
        return b.startswith("_")
    if b == "whole_game":
        return a in ("cli", "exercises", "demos", "experiments")
    return floors[b] < floors[a]


@pytest.mark.parametrize("path", modules(), ids=lambda p: ".".join(parts(p)))
def test_import_arrows_point_one_way(path):
    source = parts(path)
    assert source[0] in floors, f"{source[0]} has no floor: add it to design and to this test"
    bad = [".".join(t) for t in imported(path) if not arrow_is_allowed(source, t)]
    assert not bad, f"{'.'.join(source)} imports {bad}, which stands above it or beside it"


def test_the_kit_has_no_import_cycles():
    graph = {parts(p): {t for t in imported(p)} for p in modules()}
    done, path = set(), []

    def visit(node):
        assert node not in path, f"cycle: {' -> '.join('.'.join(n) for n in [*path, node])}"
        if node in done or node not in graph:
            return
        path.append(node)
        for target in graph[node]:
            visit(target)
        path.pop()
        done.add(node)

    for node in graph:
        visit(node)


def wings():
    faces = sorted((root / "dljourney").glob("*/**/__init__.py"))
    return [p.parent for p in faces if rooms(parts(p.parent))]


def test_there_are_nine_wings():
    assert len(wings()) == 9


@pytest.mark.parametrize("wing", wings(), ids=lambda p: ".".join(parts(p)))
def test_a_face_hands_out_what_its_rooms_export(wing):
    face = importlib.import_module(".".join(["dljourney", *parts(wing)]))
    there = {p.stem for p in wing.glob("*.py")} - {"__init__"}
    assert not there & set(dir(face)), "a room bears a name that the face hands out"
    for name, room in rooms(parts(wing)).items():
        behind = importlib.import_module(".".join(["dljourney", *room]))
        assert getattr(face, name) is getattr(behind, name)
    with pytest.raises(AttributeError, match="nobody"):
        face.nobody  # noqa: B018


def of_the_face(source, here):
    "What a room asks of its own wing's face, and not of another room."
    wing = here[:-1]
    there = {p.stem for p in (root / "dljourney").joinpath(*wing).glob("*.py")}
    for full, names in asked(source, here):
        if full == wing and rooms(wing):
            yield from (name for name in names or ["the face"] if name not in there)


def test_inside_a_wing_rooms_are_imported_and_never_the_face():
    found = {path.name: [*of_the_face(path.read_text("utf-8"), parts(path))] for path in modules()}
    assert not {name: bad for name, bad in found.items() if bad}


@pytest.mark.parametrize("source, found", [
    ("from dljourney.kit.figures import subplots", ["subplots"]),
    ("from . import Figure", ["Figure"]),
    ("from ..figures import Figure, style", ["Figure"]),
    ("import dljourney.kit.figures", ["the face"]), ("import dljourney.kit.figures.style", []),
    ("from dljourney.kit.figures.style import Figure", []), ("from .style import Figure", []),
    ("from . import style", []), ("from dljourney.kit.live import any_letters", []),
])
def test_a_face_that_is_asked_from_inside_is_found(source, found):
    assert list(of_the_face(source, ("kit", "figures", "plots"))) == found


@pytest.mark.parametrize("bad", [
    ("kit", "sgd"), ("sgd", "transfer"), ("samuel", "demos"), ("transfer", "whole_game"),
])
def test_the_arrow_rule_can_fail(bad):
    source, target = bad
    assert not arrow_is_allowed((source,), (target,))


def generated(folder):
    files = (folder / "dljourney").rglob("*.py")
    return [p for p in files
            if p.name == "_modidx.py" or "AUTOGENERATED!" in p.read_text("utf-8")[:2000]]


def test_modules_are_what_the_notebooks_export(tmp_path):
    "Delete every generated file, export again, and find the same files: no orphan, no drift."
    for name in ("settings.ini", "nbs", "dljourney"):
        source = root / name
        if source.is_dir():
            skip = shutil.ignore_patterns("__pycache__", "weights", ".ipynb_checkpoints")
            shutil.copytree(source, tmp_path / name, ignore=skip)
        else:
            shutil.copy(source, tmp_path / name)
    before = {p.relative_to(tmp_path): p.read_text(encoding="utf-8") for p in generated(tmp_path)}
    for p in generated(tmp_path):
        p.unlink()
    export = [sys.executable, "-c", "from nbdev.doclinks import nbdev_export; nbdev_export()"]
    subprocess.run(export, cwd=tmp_path, check=True, capture_output=True)
    after = {p.relative_to(tmp_path): p.read_text(encoding="utf-8") for p in generated(tmp_path)}
    assert sorted(before) == sorted(after)
    changed = [str(p) for p in before if before[p] != after[p]]
    assert not changed, f"run nbdev_export: {changed}"


def notebooks():
    files = sorted((root / "nbs").rglob("*.ipynb"))
    return [p for p in files if ".ipynb_checkpoints" not in p.parts]


@pytest.mark.parametrize("path", notebooks(), ids=lambda p: str(p.relative_to(root / "nbs")))
def test_notebook_is_clean(path):
    text = path.read_text(encoding="utf-8")
    assert len(text) < 1_000_000, f"{len(text) / 1e6:.1f} MB with outputs"
    nb = json.loads(text)
    wing = path.relative_to(root / "nbs").parts[0]
    for i, cell in enumerate(nb["cells"]):
        assert re.fullmatch(r"[\w-]{1,64}", cell.get("id", "")), f"cell {i} has no id"
        if cell["cell_type"] != "code":
            continue
        source = "".join(cell["source"])
        assert not re.search(r"^\s*from \S+ import \*", source, re.M), f"cell {i}: star import"
        if wing not in ("kit", "demos", "exercises"):  # a class, a page or a list is whole there
            assert len(source.splitlines()) <= 60, f"cell {i}: {len(source.splitlines())} lines"
        assert len(re.findall(r"^#\| exporti?\b", source, re.M)) < 2, f"cell {i} is exported twice"
        for out in cell["outputs"]:
            assert out["output_type"] != "error", f"cell {i}: a stored traceback"
            widget = "application/vnd.jupyter.widget-view+json"
            assert widget not in out.get("data", {}), f"cell {i}: widget state"


@pytest.mark.parametrize("command", [["ruff", "check", "."], ["mypy"]], ids=lambda c: c[0])
def test_the_code_is_clean_and_typed(command):
    command = [sys.executable, "-m", *command]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
