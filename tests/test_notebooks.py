"Every notebook runs in a real kernel, quietly, and says the same as what is stored; nbdev's own test passes too."
import subprocess
import sys

import pytest
from conftest import notebook_paths, root

from dljourney.kit.notebooks import settled

pytestmark = [pytest.mark.notebooks, pytest.mark.timeout(900)]
each_notebook = pytest.mark.parametrize("path", notebook_paths(), ids=lambda p: str(p.relative_to(root / "nbs")))


@each_notebook
def test_runs(path, executions):
    result = executions(path)
    assert result.passed, f"cell {result.failed_cell}:\n{result.error}"


@each_notebook
def test_runs_quietly(path, executions):
    assert executions(path).noise == []


def text_outputs(notebook):
    "What the cells print and return as text, place by place."
    outputs = {}
    for i, cell in enumerate(notebook.cells):
        for out in cell.get("outputs", []):
            if out.output_type == "stream":
                outputs[i] = outputs.get(i, "") + out.text
            elif "text/plain" in out.get("data", {}):
                outputs[i] = outputs.get(i, "") + out.data["text/plain"]
    return outputs


@each_notebook
def test_stored_outputs_have_their_pictures(path, executions):
    "A reader without a kernel sees a picture wherever a reader with one sees a picture, a page or a widget."
    import nbformat

    stored, fresh = nbformat.read(path, 4), settled(executions(path).notebook)

    def kinds(notebook):
        return {
            i: sorted({k for o in c.outputs for k in o.get("data", {}) if k.startswith("image/")})
            for i, c in enumerate(notebook.cells)
            if c.cell_type == "code" and any("data" in o for o in c.outputs)
        }

    assert kinds(stored) == kinds(fresh), "run `make notebooks` and commit the outputs"


def test_nbdev_test_passes():
    "nbdev's own runner agrees, with the notebooks' tests in its own kind of kernel."
    command = [sys.executable, "-c", "from nbdev.test import nbdev_test; nbdev_test(n_workers=2)"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0 and "Success" in done.stdout, (done.stdout + done.stderr)[-5000:]
