"What every test stands on: one thread, no progress written, reproducible examples, notebooks run once."
import os
import sys
from pathlib import Path

# Before torch is imported: two threads on two shared cores are slower than one, and a rerun must be bit-identical.
os.environ.update(OMP_NUM_THREADS="1", DLJOURNEY_NO_PROGRESS="1", MPLBACKEND="Agg", HF_HUB_OFFLINE="1")
os.environ.setdefault("PYTHONHASHSEED", "0")

import pytest
from hypothesis import HealthCheck, settings

root = Path(__file__).parent.parent
sys.path.insert(0, str(Path(__file__).parent))  # so that tests share their helpers

common = dict(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
settings.register_profile("default", derandomize=True, **common)
settings.register_profile("soak", max_examples=2000, **common)
settings.load_profile("soak" if os.environ.get("MINUTES") else "default")


def notebook_paths():
    "Every notebook of the project, chapters first."
    paths = [p for p in (root / "nbs").rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts]
    return sorted(paths, key=lambda p: (len(p.relative_to(root / "nbs").parts), str(p)))


@pytest.fixture(scope="session")
def executions():
    "Each notebook executed once in a real kernel: a function from its path to its `Execution`. Two run at a time."
    from concurrent.futures import ThreadPoolExecutor

    from dljourney.kit.notebooks import run_notebook

    with ThreadPoolExecutor(2) as pool:
        futures = {p: pool.submit(run_notebook, p) for p in notebook_paths()}
        yield lambda path: futures[path].result()
        for future in futures.values():
            future.cancel()
