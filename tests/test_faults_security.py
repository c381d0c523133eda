"""What must never happen: code from a file run, the network asked unbidden, a name out of a folder.

The tests read dljourney's own source as a syntax tree, and watch a process without a network.
"""

import ast
import functools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import no_network
from hypothesis import given
from hypothesis import strategies as st

from dljourney.demos.upload import Upload
from dljourney.kit.live import Drawing, Drawings, folder_name, label_of
from dljourney.kit.course import jupyterlab_command

root = Path(__file__).parent.parent
modules = [p for p in sorted((root / "dljourney").rglob("*.py")) if p.name != "_modidx.py"]
scripts = sorted((root / "dljourney" / "static").glob("*.js"))


def calls(path):
    "Every call in a module, as (line, dotted name, node); names are followed through imports."
    tree, known = ast.parse(path.read_text(encoding="utf-8")), {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for a in node.names:
                name = a.name if a.asname else a.name.split(".")[0]
                known[a.asname or name] = name
        elif isinstance(node, ast.ImportFrom):
            known |= {(a.asname or a.name): f"{node.module}.{a.name}" for a in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            head, dot, rest = name.partition(".")
            yield node.lineno, known.get(head, head) + dot + rest, node


# Functions that run what they read. A call of one needs a reason here.
runs_what_it_reads = re.compile(
    r"(builtins\.)?(eval|exec|compile|__import__)"
    r"|(pickle|cPickle|dill|cloudpickle|shelve|marshal|joblib)\..*|runpy\..*"
    r"|torch\.(load|hub\..*|jit\.load|package\..*)|numpy\.load|np\.load"
    r"|yaml\.(load|unsafe_load)|pandas\.read_pickle"
    r"|os\.(system|popen|exec\w*|spawn\w*)|importlib\.import_module|code\.Interactive\w*"
)
solution = "a solution that ships with the course, never a file's content"
allowed = {
    ("kit/exercises/tasks.py", "compile"): solution,
    ("kit/exercises/tasks.py", "exec"): solution,
    ("demos/__init__.py", "importlib.import_module"): "a module of its own folder, by name",
    ("kit/models/photonet.py", "torch.load"): "weights_only, after the file's checksum",
    ("kit/faces.py", "importlib.import_module"): "a room that a face of ours names in its source",
}


@pytest.mark.parametrize("path", modules, ids=lambda p: str(p.relative_to(root / "dljourney")))
def test_no_file_content_is_ever_run(path):
    here = str(path.relative_to(root / "dljourney"))
    found = [(name, line) for line, name, _ in calls(path) if runs_what_it_reads.fullmatch(name)]
    assert [f for f in found if (here, f[0]) not in allowed] == []
    for line, name, node in calls(path):
        if name == "torch.load":
            told = {k.arg: getattr(k.value, "value", None) for k in node.keywords}
            assert told.get("weights_only") is True, f"line {line}"


@pytest.mark.parametrize("path", modules, ids=lambda p: str(p.relative_to(root / "dljourney")))
def test_programs_are_started_without_a_shell_and_from_lists(path):
    for line, name, node in calls(path):
        if name.startswith("subprocess."):
            assert not any(k.arg == "shell" for k in node.keywords), f"line {line}: shell="
            is_text = isinstance(node.args[0], ast.JoinedStr | ast.Constant)
            assert not is_text, f"line {line}: a text as a command"


def test_the_scan_finds_what_it_looks_for(tmp_path):
    lines = ["import torch as t", "from pickle import loads as l", "l(b'')", "t.load('x')",
             "eval('1')", "import subprocess as s", "s.run('ls')"]
    (tmp_path / "bad.py").write_text("\n".join(lines))
    names = [name for _, name, _ in calls(tmp_path / "bad.py")]
    assert names == ["pickle.loads", "torch.load", "eval", "subprocess.run"]
    assert all(runs_what_it_reads.fullmatch(name) for name in names[:3])


# The network: who may ask, and what happens where nobody may

asks_the_network = re.compile(
    r"(urllib\.request|requests|httpx|http\.client|huggingface_hub|ftplib|smtplib)\b.*"
    r"|socket\.(create_connection|socket|getaddrinfo)|.*\.urlopen|torch\.hub\..*"
)


def test_one_module_alone_asks_the_network():
    asking = [p for p in modules
              if any(asks_the_network.fullmatch(name) for _, name, _ in calls(p))]
    found = {str(p.relative_to(root / "dljourney")) for p in asking}
    assert found == {"kit/models/hub.py", "kit/course/lab.py"}
    # the other one opens a socket to see whether a port of this machine is free, no more
    lab = [(name, node) for _, name, node in calls(root / "dljourney/kit/course/lab.py")]
    assert [name for name, _ in lab if asks_the_network.fullmatch(name)] == ["socket.socket"]
    uses = re.compile(r".*\.(connect|connect_ex|send\w*|listen)")
    assert not [name for name, _ in lab if uses.fullmatch(name)]
    (bound,) = [node for name, node in lab if name.endswith(".bind")]
    assert ast.unparse(bound.args[0]) == "('127.0.0.1', port)"


@pytest.mark.parametrize("path", scripts, ids=lambda p: p.name)
def test_scripts_ask_no_server_and_run_no_text(path):
    text = path.read_text(encoding="utf-8")
    if path.name == "serve.js": text = text.replace('fetch("predict", ', "")  # whom it came from
    for word in ("fetch(", "XMLHttpRequest", "WebSocket", "EventSource", "sendBeacon", "eval(",
                 "new Function", "importScripts", "document.write", "http://", "https://"):
        assert word not in text.replace("http://www.w3.org/", ""), word


def test_nothing_of_the_course_asks_the_network(tmp_path):
    "Every module is imported, a learner's first things are done, each attempt to connect is noted."
    noted = no_network.replace("raise OSError(", "note(host)\n        raise OSError(")
    noted = noted.replace("raise socket.gaierror(", "note(host)\n        raise socket.gaierror(")
    noted += "\ndef note(host):\n    import sys\n    print('asked for', host, file=sys.stderr)\n"
    (tmp_path / "sitecustomize.py").write_text(noted)
    names = [".".join(p.relative_to(root).with_suffix("").parts)
             for p in modules if p.name != "__init__.py"]
    code = f"""
import importlib, sys
for name in {names!r}: importlib.import_module(name)
from dljourney import program, transfer
from dljourney.cli import course
from dljourney.kit.pictures import digits
model = transfer.pretrained("glyphnet", 3)
transfer.features(model, digits().valid[0][:4])
program.load(program.save(model, "p.safetensors"))
course.lay_course("course")
course.main(["doctor"])
"""
    env = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{root}", "HOME": str(tmp_path),
           "HF_HUB_OFFLINE": "0"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "asked for" not in done.stderr


def test_the_tests_network_block_blocks(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(no_network)
    code = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=3)"
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert "the network is blocked in this test" in done.stderr


# JupyterLab: its token and localhost are what keep others out


def test_jupyterlab_keeps_its_token_and_localhost(tmp_path):
    text = " ".join(jupyterlab_command(tmp_path, port=8890))
    for word in ("token", "password", "ip=", "allow_origin", "disable_check_xsrf", "allow_remote",
                 "unauthenticated"):
        assert word not in text, word
    makefile = (root / "Makefile").read_text()
    assert "token" not in makefile and "--ip" not in makefile and "ServerApp.ip" not in makefile


def test_the_defaults_that_this_relies_on(tmp_path):
    "Jupyter's own, asked of the installed version: a new token each time, localhost, XSRF checks."
    code = """
import json
from jupyter_server.serverapp import ServerApp
app = ServerApp(log_level=50)
app.init_configurables()
print(json.dumps([bool(app.identity_provider.token), app.ip, app.disable_check_xsrf,
                  app.allow_remote_access, app.identity_provider.token_generated,
                  app.allow_origin]))
"""
    own = dict.fromkeys(("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "HOME"), str(tmp_path))
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env={**os.environ, **own}, capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[-1]) == [True, "localhost", False, False, True, ""]


# Names: what a learner types or uploads cannot lead out of the folder

evil = ["../x", "..", ".", "/etc/passwd", "C:\\x", "a/b", "..\\..\\x", "con", "NUL.txt", "a\0b",
        "~", ".hidden", "x.", "x ", "%2e%2e", "\u2025/x", "a" * 300, "", "-rf", "$(x)", "`x`",
        "a\nb", "\u202egnp"]
labels = st.one_of(st.sampled_from(evil), st.text(max_size=30))


@given(labels)
def test_a_label_is_one_folder_and_comes_back(label):
    name = folder_name(label)
    assert "/" not in name and "\\" not in name and "\0" not in name and name not in (".", "..")
    assert label_of(name) == label


@given(st.lists(labels, min_size=1, max_size=4))
def test_drawings_stay_in_their_folder(tmp_path_factory, found):
    here = tmp_path_factory.mktemp("drawings")
    drawings = Drawings(here / "in")
    for label in found:
        if label.strip() and len(label.encode("utf-8", "replace")) < 80:
            try:
                drawings.add(label, Drawing.of_strokes([[[0.1, 0.1], [0.9, 0.9]]]))
            except (OSError, ValueError, UnicodeError) as e:
                assert not isinstance(e, FileNotFoundError), e
    drawings.export(here / "out")
    assert {p.name for p in here.iterdir()} <= {"in", "out"}
    files = [p for p in here.rglob("*") if p.is_file() and p != here / "out/.exported.json"]
    assert all(p.suffix == ".png" and len(p.relative_to(here).parts) == 3 for p in files)


@functools.cache
def a_demo():
    demo = Upload(lambda picture: {"a": 1.0})
    demo.button.send = lambda message: None
    return demo


def shown_as(name):
    "What a demo calls a file that a page sends under this name."
    demo = a_demo()
    about = {"event": "refused", "problem": "too large", "name": name, "n": 0, "of": 1}
    demo.button._handle_custom_msg(about, [])
    ((shown, _, _),) = demo.found
    return shown


@given(labels)
def test_an_uploaded_name_is_a_last_part_and_can_be_shown(name):
    shown = shown_as(name)
    assert shown and "/" not in shown and "\\" not in shown and shown.isprintable()


def test_labels_in_a_report_are_text_and_not_page(tmp_path):
    "A class folder may be called anything, also like a piece of a page."
    import torch
    from PIL import Image

    from dljourney.cli.finetune import FineTuned, _page
    from dljourney.kit.pictures import photos

    for name in ("<script>alert(1)</script>", "&amp;"):
        folder = tmp_path / "p" / name.replace("/", "∕")
        folder.mkdir(parents=True)
        for i in range(3):
            Image.new("RGB", (8, 8)).save(folder / f"<b>{i}.png")
        (folder / "<img src=x onerror=alert(1)>.txt").write_text("no picture")
    data = photos(tmp_path / "p", size=8)
    row = {"phase": "all", "loss": 1.0, "valid_loss": 1.0, "accuracy": 0.5}
    scores = torch.zeros(len(data.valid[1]), 2)
    result = FineTuned(tmp_path / "program.safetensors", tmp_path / "p", data, [row], scores)
    page = _page(result, dict.fromkeys(("curves.png", "confusions.png", "scores.png"), b""))
    assert "<script>" not in page and "<img src=x" not in page and "&lt;script&gt;" in page


def test_lone_surrogates_and_control_characters_never_reach_a_page():
    shown = shown_as("a\ud800\x1b[31m.png")
    assert shown.encode("utf-8").isascii() is False or shown.isprintable()
