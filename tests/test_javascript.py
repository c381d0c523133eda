"The scripts of the demos, each as the browser gets it: linted, with nothing fetched and no name undefined."

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from browser import HELP, find_chromium
from dljourney.kit.live import bundle

static = Path(__file__).parent.parent / "dljourney" / "static"
SHARED = ["theme.js", "plot.js", "panels.js", "controls.js"]
MAINS = ["live.js", "pad.js", "board.js"]
RULES = {
    "env": {"browser": True, "es2024": True},
    "categories": {"correctness": "error", "suspicious": "error"},
    "rules": {
        "no-undef": "error",
        "no-unused-vars": "error",
        "eqeqeq": "error",
        "prefer-const": "error",
        "consistent-function-scoping": "off",
    },
}


def bundles():
    "Every module that a widget sends: the base, the base with each demo's own script, the pad and the board."
    own = [p.name for p in sorted(static.glob("*.js")) if p.name not in [*SHARED, *MAINS]]
    yield "live.js", bundle(*SHARED, "const demo = null;\n")
    yield from ((name, bundle(*SHARED, name)) for name in own)
    yield from ((name, bundle("theme.js", main=name)) for name in MAINS[1:])


def lint(text, folder):
    tool = shutil.which("oxlint", path=str(Path(sys.executable).parent)) or shutil.which("oxlint")
    assert tool, "no oxlint here: pip install oxlint"
    (folder / "oxlintrc.json").write_text(json.dumps(RULES))
    # a helper that one widget doesn't use is another's: whole functions and constants may stay unused
    text += "\nexport {" + ", ".join(re.findall(r"^(?:async )?(?:function|const) (\w+)", text, re.M)) + "};\n"
    (folder / "module.mjs").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [tool, "-c", "oxlintrc.json", "module.mjs"], cwd=folder, capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("name, text", list(bundles()), ids=lambda v: v if v.endswith(".js") else "")
def test_scripts_are_linted(name, text, tmp_path):
    code, said = lint(text, tmp_path)
    assert code == 0, said
    assert not re.search(r"^\s*import\b|\bimport\(|https?://", text, re.M), f"{name} fetches something"


@pytest.mark.parametrize("wrong", ["nobody(1);", "let x = ;", "if (a == 1) render();"])
def test_the_linter_finds_what_is_wrong(wrong, tmp_path):
    code, _ = lint(bundle("theme.js", main="pad.js") + "\n" + wrong, tmp_path)
    assert code != 0


def test_a_browser_is_found_or_installed_or_asked_for():
    ran = []
    assert find_chromium(lambda: "/usr/bin/chromium", run=lambda c, **k: ran.append(c)) == "/usr/bin/chromium"
    assert not ran, "nothing is installed where a browser is"
    places = iter([None, "/opt/chrome"])
    assert find_chromium(lambda: next(places), run=lambda c, **k: ran.append(c), is_root=False) == "/opt/chrome"
    assert ran == [[sys.executable, "-m", "playwright", "install", "chromium"]]

    def offline(command, **_):
        ran.append(command)
        raise OSError("no network")

    with pytest.raises(RuntimeError, match="apt-get install chromium"):
        find_chromium(lambda: None, run=offline, is_root=True)
    assert "make test-fast" in HELP
