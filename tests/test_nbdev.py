"nbdev's own runner: the library's notebooks pass, quietly, and have their pictures stored."
import json
import os
import subprocess
import sys

import pytest
from conftest import library_notebooks, notebook_paths, root
from outputs import asked, pictures, printed

pytestmark = [pytest.mark.notebooks, pytest.mark.timeout(900)]
CODE = """
import json, os, sys
from pathlib import Path
import nbdev.test
from execnb.nbio import nb2dict

class Keeping(nbdev.test.CaptureShell):
    def run_all(self, nb, **more):
        super().run_all(nb, **more)
        passed[self.path] = nb2dict(nb)["cells"]

nbdev.test.CaptureShell = Keeping
passed, [place, *paths] = {}, sys.argv[1:]
for Keeping.path in paths:
    nbdev.test.test_nb(Path(Keeping.path), skip_flags=["slow"])
Path(place).write_text(json.dumps(passed), "utf-8")
sys.stdout.flush(); sys.stderr.flush()
os._exit(0)  # else each of all these shells collects garbage at the end: half of the time
"""


def run_in_nbdev(paths, site, folder):
    """As `nbdev_test` runs them, in one process, with the wheel and without a network.

    Of those that pass the cells with their outputs, by path; and what was told about the others.
    """
    command = [sys.executable, "-P", "-c", CODE, str(folder / "cells.json"), *map(str, paths)]
    run = subprocess.run(command, cwd=root, env={**os.environ, "PYTHONPATH": str(site)},
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True)
    assert run.returncode == 0, run.stdout[-5000:]
    return json.loads((folder / "cells.json").read_text("utf-8")), run.stdout


@pytest.fixture(scope="session")
def executed(site, tmp_path_factory):
    return run_in_nbdev(library_notebooks(), site, tmp_path_factory.mktemp("nbdev"))


names = [str(p.relative_to(root / "nbs")) for p in library_notebooks()]
each_notebook = pytest.mark.parametrize("path", library_notebooks(), ids=names)


@each_notebook
def test_passes_quietly(path, executed):
    cells, told = executed
    assert str(path) in cells, told[-5000:]
    # all share one process, and timm has met glyphnet there before
    expected = "Overwriting glyphnet in registry with __main__.glyphnet"
    assert [text for text in printed(cells[str(path)], "stderr") if expected not in text] == []


@each_notebook
def test_stored_outputs_are_those_that_come(path, executed):
    "Pictures and questions, for a reader without a kernel."
    stored, fresh = json.loads(path.read_text("utf-8"))["cells"], executed[0][str(path)]
    assert pictures(stored) == pictures(fresh), "run `make notebooks` and commit the outputs"
    assert asked(stored) == asked(fresh), "run `make notebooks` and commit the outputs"


def test_these_are_most_of_the_library_with_many_pictures(executed):
    shown = [path for path, cells in executed[0].items() if pictures(cells)]
    assert len(names) > 100 and len(shown) > 25


@pytest.mark.soak
def test_all_pass_in_one_process(site, tmp_path):
    cells, told = run_in_nbdev(notebook_paths(), site, tmp_path)
    assert {*map(str, notebook_paths())} == {*cells}, told[-5000:]
