"""Every notebook passes every time, in any order, with others running beside it.

A round takes some minutes. `make soak` does as many as fit into its share of MINUTES, and
ROUNDS=20 asks for so many.
"""

import os
import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import notebook_paths, root
from faults import MINUTES

from dljourney.kit.course import run_notebook

pytestmark = [pytest.mark.soak, pytest.mark.notebooks, pytest.mark.timeout(0)]


def test_every_notebook_passes_in_any_order_with_others_beside_it(site):
    rounds, end = int(os.environ.get("ROUNDS", "1")), time.monotonic() + 0.3 * MINUTES * 60
    n, failed = 0, []

    def run(path):
        result = run_notebook(path, env={"PYTHONPATH": str(site)})
        problem = result.error if not result.passed else "\n".join(result.noise)
        return [f"round {n}: {path.relative_to(root)}: {problem[-600:]}"] if problem else []

    while n < rounds or ("ROUNDS" not in os.environ and time.monotonic() < end):
        n += 1
        paths = notebook_paths()
        random.Random(n).shuffle(paths)
        with ThreadPoolExecutor(3) as pool:
            failed += [f for found in pool.map(run, paths) for f in found]
    assert not failed, f"{len(failed)} failures in {n} rounds:\n" + "\n".join(failed)
