"""Studio: how often the camera's picture is answered while it moves

JupyterLab and Chromium with its pretended camera, 30 pictures a second; photonet answers. The
browser draws on the same cores. A learner's kernel has as many threads as there are cores: the bar
is for two. What one answer costs the kernel is counted on one thread, where none waits for another.
"""

from __future__ import annotations

import copy
import io
import statistics
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dljourney.kit.models import has_photonet

PACKAGES = ["anywidget", "jupyterlab", "torch", "timm", "pillow"]
CAMERA = ["--use-fake-device-for-media-stream=fps=30", "--use-fake-ui-for-media-stream"]

CELLS = [
    "import torch; torch.set_num_threads({threads})",
    """from benchmarks.bench_studio import noise
from dljourney.demos import Studio
class Counted(Studio):
    n = 0
    def _frame(self, *frame):
        super()._frame(*frame)
        self.n += 1
s = Counted("piles")
for i in range(6): s.add("dark", noise(10)), s.add("light", noise(200))
s.learn()
s""",
]


def noise(level: int) -> bytes:
    "A picture as the camera sends it."
    pixels = level + np.random.default_rng(level).integers(0, 20, (224, 224, 3))
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, "JPEG", quality=92)
    return file.getvalue()


def answers(front: Any, threads: int, seconds: int, runs: int) -> list[tuple[float, float]]:
    "Answers a second, and the kernel's seconds of CPU time for one, in each run."
    here = f"import sys; sys.path.insert(0, {str(Path(__file__).parent.parent)!r})"
    page = front.open(here, *(cell.replace("{threads}", str(threads)) for cell in CELLS))
    page.locator(".dlj-lamp").click()
    page.wait_for_selector(".dlj-live")
    front.until(page, "s.n > 20")
    found = []
    for _ in range(runs):
        before = _state(front, page)
        page.wait_for_timeout(1000 * seconds)
        n, wall, cpu = _state(front, page) - before
        found.append((n / wall, cpu / n))
    front.shut(page)
    return found


def _state(front: Any, page: Any) -> np.ndarray:
    "How many answers there were, and the kernel's clocks."
    told = front.python(page, "import time; print(s.n, time.perf_counter(), time.process_time())")
    return np.array([float(number) for number in told.split()])


def lines(harness: Any):
    if not has_photonet():
        harness.leave_out("photonet's weights are not installed")
        return
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    from browser import FLAGS, Front, find_chromium

    front = Front()
    other = copy.copy(front)
    other.browser = front.playwright.chromium.launch(executable_path=find_chromium(),
                                                     args=[*FLAGS, *CAMERA])
    try:
        for threads in (2, 1):
            found = answers(other, threads, seconds=8, runs=1 if harness.quick else 3)
            rate, work = (statistics.median(part) for part in zip(*found))
            name = f"kernel with {threads} thread{'s'[: threads - 1]}"
            harness.quantity(f"answers to the camera, {name}", rate, unit="answers/s",
                             bar=20 if threads == 2 else None, higher_is_better=True)
            if threads == 1:
                harness.quantity(f"the work of one answer, CPU time, {name}", work, unit="s")
    finally:
        other.browser.close()
        front.close()
