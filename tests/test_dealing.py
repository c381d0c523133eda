"`make test` deals groups of tests to two processes; what shares a page or a folder stays together."
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

root = Path(__file__).parent.parent

FILE = """
import time, pytest
@pytest.mark.parametrize("n", range(4))
def test_plain(n): time.sleep(0.01)
@pytest.mark.browser
@pytest.mark.parametrize("n", range(4))
def test_page(n): time.sleep(0.01)
"""


def test_the_tests_of_a_group_run_in_one_process(tmp_path):
    "The browser tests of a file are a group, and its others; both processes get some."
    shutil.copy(root / "tests" / "conftest.py", tmp_path)
    for name in "abc":
        (tmp_path / f"test_{name}.py").write_text(FILE)
    two = re.search(r"^TWO = (.*?)\s*(?:#.*)?$", (root / "Makefile").read_text(), re.M)[1]
    command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", *shlex.split(two)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    runs = re.findall(r"\[(gw\d)\].*PASSED test_(\w)\.py::test_(\w+)\[", done.stdout)
    assert len(runs) == 24, done.stdout[-3000:]
    processes = {}
    for process, file, kind in runs:
        processes.setdefault((file, kind), set()).add(process)
    assert len(processes) == 6 and all(len(found) == 1 for found in processes.values()), processes
    assert set.union(*processes.values()) == {"gw0", "gw1"}
