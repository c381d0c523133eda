"""What dljourney stands on, checked offline: declared, pinned within what is declared, free to use.

Known flaws need a service that knows them: CONTRIBUTING.md says how they are asked for.
"""

import ast
import functools
import re
import sys
from configparser import ConfigParser
from importlib import metadata

import pytest
from conftest import root
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

cfg = ConfigParser(delimiters=["="], interpolation=None)
cfg.read(root / "settings.ini", encoding="utf-8")
RUNTIME = ("requirements", "course_requirements", "photos_requirements", "onnx_requirements",
           "distributed_requirements")
keys = [key for key in cfg["DEFAULT"] if "requirements" in key]
wanted = {key: [Requirement(r) for r in cfg["DEFAULT"][key].split()] for key in keys}
pinned = re.findall(r"^([\w.-]+)==(\S+)$", (root / "constraints.txt").read_text(), re.M)
pins = {canonicalize_name(name): version for name, version in pinned}


# a module's name: the packages that hold it
packages_of = functools.cache(metadata.packages_distributions)


@functools.cache
def needed(name):
    "The packages that an installed one asks for here, without extras; nothing where there is none."
    try:
        found = [Requirement(r) for r in metadata.requires(name) or []]
    except metadata.PackageNotFoundError:
        return set()
    def is_here(r): return r.marker is None or r.marker.evaluate({"extra": ""})
    return {canonicalize_name(r.name) for r in found if is_here(r)}


def tree(names):
    "The packages and all that they stand on."
    found, todo = set(), {canonicalize_name(n) for n in names}
    while todo:
        name = todo.pop()
        found.add(name)
        todo |= needed(name) - found
    return found


def imported():
    "Every package outside the standard library that a module of dljourney imports, with where."
    for path in sorted((root / "dljourney").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            for name in {n.split(".")[0] for n in names} - sys.stdlib_module_names - {"dljourney"}:
                yield name, str(path.relative_to(root))


def test_what_is_imported_is_declared_or_comes_with_what_is():
    declared = {canonicalize_name(r.name) for key in RUNTIME for r in wanted[key]}
    there = declared.union(*(needed(name) for name in declared))
    homes = packages_of()
    packages = {}
    for name, where in imported():
        packages[name, where] = {canonicalize_name(d) for d in homes.get(name, [name])}
    assert len(packages) > 50, "the scan finds imports"
    assert [known for known, names in packages.items() if not names & there] == []


def test_without_extras_the_modules_can_be_imported():
    "What is imported at the top of a module comes with the requirements that everybody gets."
    declared = {canonicalize_name(r.name) for r in wanted["requirements"]}
    there = declared.union(*(needed(name) for name in declared))
    homes = packages_of()
    for path in sorted((root / "dljourney").rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            for name in {n.split(".")[0] for n in names} - sys.stdlib_module_names - {"dljourney"}:
                found = {canonicalize_name(d) for d in homes.get(name, [name])}
                assert found & there, f"{path.name} imports {name}"


@pytest.mark.parametrize("key", wanted)
def test_the_tested_set_of_versions_is_within_what_is_declared(key):
    for r in wanted[key]:
        version = pins.get(canonicalize_name(r.name))
        assert version, f"constraints.txt has no {r.name}"
        told = f"{r} is declared, constraints.txt has {version}"
        assert r.specifier.contains(version, prereleases=True), told


def test_each_package_is_pinned_once():
    text = (root / "constraints.txt").read_text()
    lines = [line for line in text.splitlines() if line and line[0] != "#"]
    assert len(pins) == len(lines)


# Licences: whoever may use, change and pass on dljourney may do so with all that it needs

FREE = re.compile(r"\b(MIT|BSD|Apache|ISC|PSFL?|Python Software Foundation|MPL|Mozilla Public|zlib"
                  r"|HPND|Unlicense|CC0|0BSD|PIL|Enthought|Project Jupyter|matplotlib)", re.I)
# torch's own choice where there is a GPU; TORCH_BACKEND=cpu leaves them out
NVIDIA = re.compile(r"nvidia-|cuda-")


def licence(name):
    "What an installed package says of its licence: the expression, the classifiers, or the text."
    about = metadata.metadata(name)
    classifiers = [c for c in about.get_all("Classifier") or [] if c.startswith("License")]
    expression, text = about.get("License-Expression") or "", about.get("License") or ""
    return " ".join([expression, *classifiers, text[:2000]]).strip()


def files_say(name):
    "The text of the licence files that came with a package."
    def is_licence(f): return re.search(r"licen[cs]e|copying", f.name, re.I)
    found = [f for f in metadata.files(name) or [] if is_licence(f)]
    paths = [path for f in found if (path := f.locate()).is_file()]
    return " ".join(path.read_text(encoding="utf-8", errors="replace")[:2000] for path in paths)


def test_all_that_is_needed_is_free_to_use():
    told = {}
    for name in tree(r.name for key in RUNTIME for r in wanted[key]):
        if NVIDIA.match(name):
            continue
        try:
            told[name] = licence(name)
            if not FREE.search(told[name]):
                told[name] += files_say(name)
        except metadata.PackageNotFoundError:
            continue
    assert len(told) > 60
    assert {name: text[:200] for name, text in told.items() if not FREE.search(text)} == {}
    copyleft = {name for name, text in told.items()
                if re.search(r"\b[AL]?GPL|GNU", text) and " OR " not in text}
    assert copyleft == set(), copyleft
