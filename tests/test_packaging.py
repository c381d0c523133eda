"The wheel: complete, installable outside the repository, at work without network, quick to import."
import os
import subprocess
import sys
import zipfile
from configparser import ConfigParser

from conftest import root


def run_in(site, *command, **options):
    env = {k: v for k, v in os.environ.items() if k != "DLJOURNEY_NO_PROGRESS"}
    env.update(PYTHONPATH=str(site), PYTHONWARNINGS="")
    options = dict(cwd=site.parent, env=env, capture_output=True, text=True) | options
    return subprocess.run([sys.executable, *command], **options)


def test_the_wheel_carries_everything(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for path in (root / "nbs").rglob("*"):
        if path.suffix in (".ipynb", ".json") and ".ipynb_checkpoints" not in path.parts:
            relative = path.relative_to(root / "nbs")
            if len(relative.parts) == 1 or relative.parts[0] == "results":
                assert f"dljourney/notebooks/{relative.as_posix()}" in names
    for path in (root / "dljourney").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert f"dljourney/{path.relative_to(root / 'dljourney').as_posix()}" in names
    assert not [n for n in names if n.startswith(("tests/", "benchmarks/"))]


def test_metadata_comes_from_settings_ini(wheel):
    cfg = ConfigParser(delimiters=["="], interpolation=None)
    cfg.read(root / "settings.ini", encoding="utf-8")
    name = next(n for n in zipfile.ZipFile(wheel).namelist() if n.endswith("METADATA"))
    text = zipfile.ZipFile(wheel).read(name).decode()
    assert f"Version: {cfg['DEFAULT']['version']}\n" in text
    for requirement in cfg["DEFAULT"]["requirements"].split():
        assert requirement.split(">=")[0].lower() in text.lower()
    required = [line for line in text.splitlines() if line.startswith("Requires-Dist")]
    assert required and not [x for x in required if "nbdev" in x and "extra" not in x]


def test_the_network_block_blocks(site):
    code = "import urllib.request; urllib.request.urlopen('http://example.com', timeout=5)"
    assert "the network is blocked in this test" in run_in(site, "-c", code).stderr


def test_the_command_runs_chapters_from_the_wheel_without_a_warning(site, tmp_path):
    "The command line's own way; test_notebooks.py runs every notebook from the wheel."
    code = "import dljourney; print(dljourney.__file__)"
    assert str(site) in run_in(site, "-c", code).stdout
    command = ["-W", "default", "-m", "dljourney.cli.course", "run", "00_start"]
    done = run_in(site, *command, "--save", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert "1 passed, 0 failed" in done.stdout and "Warning" not in done.stderr
    assert (tmp_path / "00_start.ipynb").exists()


def test_opening_imports_nothing_heavy(site):
    "torch, timm, matplotlib and Jupyter are imported by what needs them, when it needs them."
    heavy = "'torch', 'timm', 'matplotlib', 'sklearn', 'nbformat', 'ipywidgets', 'numpy'"
    code = ("import sys, dljourney, dljourney.cli.course as c\n"
            "try: c.main(['--help'])\nexcept SystemExit: pass\n"
            f"print({{{heavy}}} & set(sys.modules))")
    assert run_in(site, "-c", code).stdout.endswith("set()\n")


def test_git_ignores_every_environment_that_the_makefile_makes():
    import re

    makefile = (root / "Makefile").read_text(encoding="utf-8")
    places = sorted(set(re.findall(r"\.venv[-\w]*(?=/)", makefile)))
    assert len(places) >= 3
    command = ["git", "check-ignore", *(f"{p}/pyvenv.cfg" for p in places)]
    ignored = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert ignored.stdout.split() == [f"{p}/pyvenv.cfg" for p in places]


def test_run_time_needs_neither_nbdev_nor_fastcore(site):
    "Nothing in the package imports the development tools."
    import ast

    for path in (root / "dljourney").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import): names = [a.name for a in node.names]
            if isinstance(node, ast.ImportFrom): names = [node.module or ""]
            heads = {name.split(".")[0] for name in names}
            assert not heads & {"nbdev", "fastcore", "execnb", "pytest"}, path
