"nbdev's own runner: the notebooks' tests pass in its kind of kernel."
import os
import subprocess
import sys

import pytest
from conftest import notebook_paths, notebooks_for_kernels, root

pytestmark = [pytest.mark.notebooks, pytest.mark.timeout(900)]
CODE = """
import sys
from pathlib import Path
from nbdev.test import test_nb
failed = [path for path in sys.argv[1:] if not test_nb(Path(path), skip_flags=["slow"])[0]]
sys.exit(f"failed: {failed}" if failed else 0)
"""
parts = {
    "those_of_the_library": sorted({*notebook_paths()} - {*notebooks_for_kernels()}),
    "all": notebook_paths(),
}


@pytest.mark.parametrize("part", ["those_of_the_library",
                                  pytest.param("all", marks=pytest.mark.soak)])
def test_notebooks_pass(part, site):
    "As `nbdev_test` runs them, with the wheel and without a network."
    env = {**os.environ, "PYTHONPATH": str(site)}
    run = subprocess.run([sys.executable, "-P", "-c", CODE, *map(str, parts[part])], cwd=root,
                         env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True)
    assert run.returncode == 0, run.stdout[-5000:]
    assert len(parts[part]) > 80
