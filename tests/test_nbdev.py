"nbdev's own runner: the notebooks' tests pass in its kind of kernel."
import subprocess
import sys

import pytest
from conftest import root

pytestmark = [pytest.mark.notebooks, pytest.mark.timeout(900)]


def test_nbdev_test_passes():
    command = [sys.executable, "-c", "from nbdev.test import nbdev_test; nbdev_test(n_workers=1)"]
    run = subprocess.run(command, cwd=root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True)
    assert run.returncode == 0 and "Success" in run.stdout, run.stdout[-5000:]
