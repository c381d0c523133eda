"The wheel: complete, installable outside the repository, at work without network, quick to import."
import os
import subprocess
import sys
import zipfile
from configparser import ConfigParser

import pytest
from conftest import root

no_network = """
import socket
def refuse(self, address, *rest):
    host = address[0] if isinstance(address, tuple) else address
    if self.family != getattr(socket, "AF_UNIX", None) and host not in ("127.0.0.1", "::1", "localhost"):
        raise OSError(f"the network is blocked in this test: {host}")
    return connect(self, address, *rest)
connect, socket.socket.connect = socket.socket.connect, refuse
lookup = socket.getaddrinfo
def look_up(host, *rest, **more):
    if host not in (None, "", "127.0.0.1", "::1", "localhost", socket.gethostname()):
        raise socket.gaierror(f"the network is blocked in this test: {host}")
    return lookup(host, *rest, **more)
socket.getaddrinfo = look_up
"""


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    source = tmp_path_factory.mktemp("source") / "dljourney"
    # build from what git would hand out, so that a file missing from the commit is missing here too
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=root, capture_output=True, text=True)
    for name in files.stdout.splitlines():
        if (root / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((root / name).read_bytes())
    # the wheel is built from the sdist, so that both are complete
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="session")
def site(wheel, tmp_path_factory):
    "The wheel unpacked in a folder of its own, far from the repository, with the network blocked for who uses it."
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as z:
        z.extractall(folder)
    (folder / "sitecustomize.py").write_text(no_network)
    return folder


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
    assert "nbdev" not in "\n".join(x for x in text.splitlines() if x.startswith("Requires-Dist") and "extra" not in x)


def test_the_network_block_blocks(site):
    code = "import urllib.request; urllib.request.urlopen('http://example.com', timeout=5)"
    assert "the network is blocked in this test" in run_in(site, "-c", code).stderr


@pytest.mark.notebooks
@pytest.mark.timeout(900)
def test_the_course_runs_from_the_wheel_without_network_and_without_a_warning(site, tmp_path):
    code = "import dljourney; print(dljourney.__file__)"
    assert str(site) in run_in(site, "-c", code).stdout
    done = run_in(site, "-W", "default", "-m", "dljourney.course", "run", "--save", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    from nbformat import read

    for path in tmp_path.glob("*.ipynb"):
        outputs = [o for c in read(path, 4).cells for o in c.get("outputs", [])]
        assert not [o for o in outputs if o.output_type == "stream" and o.name == "stderr"], path.name
    assert "Warning" not in done.stderr


def test_opening_imports_nothing_heavy(site):
    "torch, timm, matplotlib and Jupyter are imported by what needs them, when it needs them."
    code = "import sys, dljourney, dljourney.course as c\ntry: c.main(['--help'])\nexcept SystemExit: pass\n" \
           "print({'torch','timm','matplotlib','sklearn','nbformat','ipywidgets','numpy'} & set(sys.modules))"
    assert run_in(site, "-c", code).stdout.endswith("set()\n")


def test_run_time_needs_neither_nbdev_nor_fastcore(site):
    "Nothing in the package imports the development tools."
    import ast

    for path in (root / "dljourney").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                modules = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
                assert not {m.split(".")[0] for m in modules} & {"nbdev", "fastcore", "execnb", "pytest"}, path
