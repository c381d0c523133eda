"The scripts of the demos, as the browser gets them: linted, nothing fetched, no name undefined."

import importlib
import json
import pkgutil
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from anywidget import AnyWidget

import dljourney.demos
import dljourney.kit
from browser import HELP, find_chromium
from dljourney.demos.checkers_machine import CheckersMachine, Weights
from dljourney.demos.studio import STUDIO_TWIN, STUDIO_WORKER, Studio
from dljourney.kit.live import Live, Wave, bundle, page_module, scoped
from dljourney.kit.models import page_script

static = Path(__file__).parent.parent / "dljourney" / "static"
RULES = {
    "env": {"browser": True, "es2024": True},
    "categories": {"correctness": "error", "suspicious": "error"},
    "rules": {
        "no-undef": "error",
        "no-unused-vars": "error",
        "eqeqeq": "error",
        "prefer-const": "error",
        "consistent-function-scoping": "off",
        "no-shadow": "off",
    },
}


SCOPE = re.compile(r"^const \{ ([\w, ]+) \} = \(\(\) => \{\n.*?^\}\)\(\);$", re.M | re.S)


def subclasses(cls):
    for sub in cls.__subclasses__():
        yield sub
        yield from subclasses(sub)


def bundles():
    "Each module that one of our widgets sends, under the name of a class that sends it."
    for package in (dljourney.kit, dljourney.demos):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    found = {}
    for cls in subclasses(AnyWidget):
        if cls.__module__.startswith("dljourney.") and not cls.__name__.startswith("_"):
            found.setdefault(cls.__new__(cls)._default_esm(), cls.__name__)
    return {name: text for text, name in found.items()}


def pages():
    "What runs in the pages of demos, and in a recording."
    def text(cls, twin): return page_module(cls.__new__(cls)._default_esm(), twin)

    ours = [cls for cls in subclasses(Live) if cls.__module__.startswith("dljourney.")]
    found = [cls for cls in ours if cls.twin]
    alive = {f"{cls.__name__} as a page": text(cls, cls.twin) for cls in found}
    board = {"boardView": "const render = () => {};\n"}  # Board's own module is linted as it is
    machine = Weights.__new__(Weights)._default_esm(), CheckersMachine.twin, board
    alive["CheckersMachine as a page"] = page_module(*machine)
    studio = Studio.__new__(Studio)._default_esm()
    alive["Studio as a page"] = page_module(studio, STUDIO_TWIN, starts=False)
    alive["what works beside it"] = "\n".join(map(scoped, STUDIO_WORKER))
    recorded = {"a recording": text(Live, ["recording.js"]), "a formula": text(Wave, [])}
    return {"a program as a page": page_script(), **alive, **recorded}


@pytest.fixture(scope="module")
def modules():
    return {**bundles(), **pages(), "a served page": script("serve.js")}


def script(name):
    return (static / name).read_text(encoding="utf-8")


def test_a_network_in_a_page_is_short():
    code = [line for line in script("net.js").splitlines() if line.strip() and "//" not in line[:3]]
    assert len(code) <= 200


def test_all_pages_wear_one_shell():
    texts = {p.name: p.read_text(encoding="utf-8") for p in static.glob("*.html")}
    assert [name for name, text in texts.items() if "<head" in text] == ["shell.html"]


def lint(text, folder):
    tool = shutil.which("oxlint", path=str(Path(sys.executable).parent)) or shutil.which("oxlint")
    assert tool, "no oxlint here: pip install oxlint"
    (folder / "oxlintrc.json").write_text(json.dumps(RULES))
    # what one widget doesn't use is another's; but in a scope of its own nothing may stay unused
    names, in_the_open = set(), SCOPE.sub("", text)
    for handed_out in SCOPE.findall(text): names |= {*handed_out.split(", ")}
    names |= {*re.findall(r"^(?:async )?(?:function|const) (\w+)", in_the_open, re.M)}
    text += f"\nexport {{{', '.join(sorted(names))}}};\n"
    (folder / "module.mjs").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [tool, "-c", "oxlintrc.json", "module.mjs"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout


def test_scripts_are_linted(modules, tmp_path):
    assert {"Live", "DrawingPad", "Board", "RollDownhill", "TeachMe as a page"} <= set(modules)
    for name, text in modules.items():
        code, said = lint(text, tmp_path)
        assert code == 0, f"{name}: {said}"
        assert not re.search(r"^\s*import\b|\bimport\(|https?://", text, re.M), (
            f"{name} fetches something"
        )


def test_no_script_is_left_over(modules):
    sent = "\n".join(modules.values())
    assert [p.name for p in static.glob("*.js") if scoped(p.name) not in sent] == []


def test_marks_are_made_in_one_place():
    assert [p.name for p in static.glob("*.js") if "mark: \"" in script(p.name)] == ["marks.js"]


@pytest.mark.parametrize("wrong", ["nobody(1);", "let x = ;", "if (a == 1) render();",
                                   "colourTable();"])  # its file keeps that to itself
def test_the_linter_finds_what_is_wrong(wrong, tmp_path):
    code, _ = lint(bundle("palette.js", "canvas.js", main="pad.js") + "\n" + wrong, tmp_path)
    assert code != 0


def test_a_browser_is_found_or_installed_or_asked_for():
    ran = []
    assert (
        find_chromium(lambda: "/usr/bin/chromium", run=lambda c, **k: ran.append(c))
        == "/usr/bin/chromium"
    )
    assert not ran, "nothing is installed where a browser is"
    places = iter([None, "/opt/chrome"])
    assert (
        find_chromium(lambda: next(places), run=lambda c, **k: ran.append(c), is_root=False)
        == "/opt/chrome"
    )
    assert ran == [[sys.executable, "-m", "playwright", "install", "chromium"]]

    def offline(command, **_):
        ran.append(command)
        raise OSError("no network")

    with pytest.raises(RuntimeError, match="apt-get install chromium"):
        find_chromium(lambda: None, run=offline, is_root=True)
    assert "make test-fast" in HELP
