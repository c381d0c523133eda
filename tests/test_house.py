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
chapters = ["samuel", "checkers", "sgd", "optimisers", "universal", "overfitting", "transfer", "program", "pretraining"]
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


def modules():
    return [p for p in sorted((root / "dljourney").rglob("*.py")) if p.name not in ("__init__.py", "_modidx.py")]


def parts(path):
    return path.relative_to(root / "dljourney").with_suffix("").parts


@functools.cache
def rooms(package):
    "Behind a face, given as dotted parts: in which module each name stands that it hands out."
    found = faces.rooms(".".join(["dljourney", *package])) if package[:1] == ("kit",) else {}
    return {name: tuple(module.split(".")[1:]) for name, module in found.items()}


def imported(path):
    "Every `dljourney` module that the file at `path` imports, at any depth, as dotted parts."
    here = ("dljourney", *parts(path))
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (tuple(a.name.split(".")[1:]) for a in node.names if a.name.startswith("dljourney."))
        elif isinstance(node, ast.ImportFrom):
            base = here[: -node.level] if node.level else ()
            full = base + tuple((node.module or "").split(".") if node.module else ())
            if full[:1] == ("dljourney",):
                if behind := rooms(full[1:]):
                    yield from (behind.get(a.name, (*full[1:], a.name)) for a in node.names)
                elif len(full) > 1:
                    yield full[1:]
                else:
                    yield from ((a.name,) for a in node.names)


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
    return [p.parent for p in sorted((root / "dljourney").glob("*/**/__init__.py")) if rooms(parts(p.parent))]


@pytest.mark.parametrize("wing", wings(), ids=lambda p: ".".join(parts(p)))
def test_a_face_hands_out_what_its_rooms_export(wing):
    face = importlib.import_module(".".join(["dljourney", *parts(wing)]))
    there = {p.stem for p in wing.glob("*.py")} - {"__init__"}
    assert not there & set(dir(face)), "a room bears a name that the face hands out"
    for name, room in rooms(parts(wing)).items():
        assert getattr(face, name) is getattr(importlib.import_module(".".join(["dljourney", *room])), name)
    with pytest.raises(AttributeError, match="nobody"):
        face.nobody  # noqa: B018


def test_inside_a_wing_rooms_are_imported_and_never_the_face():
    bad = []
    for path in modules():
        inside = path.parent != root / "dljourney" and rooms(parts(path.parent))
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and inside:
                there = {p.stem for p in path.parent.glob("*.py")}
                face = ".".join(["dljourney", *parts(path.parent)])
                if node.module == face or (node.level == 1 and not node.module):
                    bad += [f"{path.name}: {a.name}" for a in node.names if a.name not in there]
    assert bad == []


@pytest.mark.parametrize("bad", [("kit", "sgd"), ("sgd", "transfer"), ("samuel", "demos"), ("transfer", "whole_game")])
def test_the_arrow_rule_can_fail(bad):
    source, target = bad
    assert not arrow_is_allowed((source,), (target,))


def generated(folder):
    files = (folder / "dljourney").rglob("*.py")
    return [p for p in files if p.name == "_modidx.py" or "AUTOGENERATED!" in p.read_text("utf-8")[:2000]]


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
    return [p for p in sorted((root / "nbs").rglob("*.ipynb")) if ".ipynb_checkpoints" not in p.parts]


@pytest.mark.parametrize("path", notebooks(), ids=lambda p: str(p.relative_to(root / "nbs")))
def test_notebook_is_clean(path):
    text = path.read_text(encoding="utf-8")
    assert len(text) < 1_000_000, f"{len(text) / 1e6:.1f} MB with outputs"
    nb = json.loads(text)
    for i, cell in enumerate(nb["cells"]):
        assert re.fullmatch(r"[\w-]{1,64}", cell.get("id", "")), f"cell {i} has no id"
        if cell["cell_type"] != "code":
            continue
        source = "".join(cell["source"])
        assert not re.search(r"^\s*from \S+ import \*", source, re.M), f"cell {i}: star import"
        if not {"kit", "demos", "exercises"} & {*path.parts}:  # a class or a list is whole there
            assert len(source.splitlines()) <= 60, f"cell {i}: {len(source.splitlines())} lines"
        assert len(re.findall(r"^#\| exporti?\b", source, re.M)) < 2, f"cell {i} is exported twice"
        for out in cell["outputs"]:
            assert out["output_type"] != "error", f"cell {i}: a stored traceback"
            assert "application/vnd.jupyter.widget-view+json" not in out.get("data", {}), f"cell {i}: widget state"


@pytest.mark.parametrize("command", [["ruff", "check", "."], ["mypy"]], ids=lambda c: c[0])
def test_the_code_is_clean_and_typed(command):
    done = subprocess.run([sys.executable, "-m", *command], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
