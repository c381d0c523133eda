"""Opening: imports, the command, JupyterLab

`import dljourney`, the command's help, and each chapter's module in a fresh process beside the
import of torch, which most of them cannot do without; what our own code adds once PyTorch, timm,
matplotlib, ipywidgets and scikit-learn are there; and the time from `dljourney course` on a folder
that exists until JupyterLab answers, beside `jupyter lab`.
"""

from __future__ import annotations

import json
import os
import pkgutil
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

import dljourney
from dljourney.kit.course import chapters

PACKAGES = ["torch", "timm", "jupyterlab"]
HEAVY = """torch timm torchvision matplotlib.figure matplotlib.pyplot ipywidgets anywidget
sklearn.datasets
safetensors.torch PIL.Image"""


def fresh(*code: str):
    "A Python process that runs this."
    return lambda: subprocess.run([sys.executable, *code], check=True, stdout=subprocess.DEVNULL)


def modules() -> list[str]:
    found = pkgutil.walk_packages(dljourney.__path__, "dljourney.")
    names = sorted(m.name for m in found if not m.ispkg)
    return [name for name in names if not name.endswith("_modidx") and "__main__" not in name]


def own_cost(names: list[str], runs: int) -> dict[str, list[float]]:
    "CPU seconds that each module's import takes where the large libraries are loaded already."
    code = f"""
import importlib, json, os, sys, time
for m in {HEAVY.split()!r}: importlib.import_module(m)
found = {{n: [] for n in {names!r}}}
for _ in range({runs}):
    for name in found:
        r, w = os.pipe()
        if not os.fork():
            start = time.process_time()
            importlib.import_module(name)
            os.write(w, str(time.process_time() - start).encode())
            os._exit(0)
        os.wait()
        found[name].append(float(os.read(r, 100)))
        os.close(r), os.close(w)
print(json.dumps(found))
"""
    command = [sys.executable, "-W", "ignore", "-c", code]
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(out.stdout)


def answers(command: list[str], folder: str) -> float:
    "Seconds until the JupyterLab that a command starts answers; then it is stopped."
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    start = time.perf_counter()
    command = [*command, "--no-browser", f"--port={port}"]
    nothing = subprocess.DEVNULL
    process = subprocess.Popen(command, cwd=folder, stdout=nothing, stderr=nothing,
                               start_new_session=True)
    try:
        while time.perf_counter() - start < 120:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/lab", timeout=5).read()
                return time.perf_counter() - start
            except OSError:
                time.sleep(0.02)
        raise TimeoutError(f"{command[0]} did not answer in two minutes")
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


def lines(harness):
    runs = 3 if harness.quick else 5
    python = {"python -c pass": fresh("-c", "pass")}
    ours, note = fresh("-c", "import dljourney"), "the bar: 0.1 s"
    harness.compare("import dljourney", ours, python, runs=15, note=note)
    ours, note = fresh("-m", "dljourney.cli.course", "--help"), "the bar: 0.3 s"
    harness.compare("dljourney --help", ours, python, runs=15, note=note)
    torch = {"import torch": fresh("-c", "import torch")}
    for chapter in chapters():
        module = re.sub(r"^\d+_", "", chapter.path.stem)
        if module.endswith("_more") or module in ("start", "detective", "your_guesses", "glossary"):
            continue
        line = f"import dljourney.{module}"
        harness.compare(line, fresh("-c", line), torch, judged_by="cpu")
    if hasattr(os, "fork"):
        cost = own_cost(modules(), runs)
        middle = {name: statistics.median(times) for name, times in cost.items()}
        dear = sorted(cost, key=lambda name: -middle[name])
        def short(name): return name.removeprefix("dljourney.")
        each = ", ".join(f"{short(name)} {1e3 * middle[name]:.0f}" for name in dear)
        title = f"our own part of an import, the dearest of {len(dear)} modules"
        harness.quantity(title, cost[dear[0]], unit="s", our_name=dear[0],
                         note=f"milliseconds of CPU time each: {each}")
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = [], []
        command = [sys.executable, "-m", "dljourney.cli.course", "course", "here"]
        subprocess.run([*command, "--help"], check=True, stdout=subprocess.DEVNULL)
        answers(command, folder)  # lays the course
        for _ in range(runs):
            ours.append(answers(command, folder))
            theirs.append(answers([sys.executable, "-m", "jupyterlab", "--allow-root"], folder))
        harness.quantity("JupyterLab answers", ours, {"plain jupyter lab": theirs}, unit="s",
                         our_name="dljourney course, a folder that exists")  # fmt: skip
