"""How cost grows

The same work at many sizes, CPU time on one thread, and the power of the size that the time follows
(1: twice the size takes twice the time). Below the last decade the fixed cost of a call shows: the
power over the last decade is the one to plan with. Where there is a GPU, the lines that compute in
tensors are measured there as well.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from dljourney.kit.game import random_games
from dljourney.kit.pictures import digits, photos
from dljourney.overfitting import double_descent, polynomial_fits
from dljourney.transfer import features, pretrained

PACKAGES = ["torch", "timm", "pillow", "numpy"]
scratch = tempfile.TemporaryDirectory(prefix="dljourney-bench-")  # removed at the end


def boards(n: int):
    return lambda: random_games(n)


def fits(n: int):
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(30, generator=generator, dtype=torch.float64)
    y = torch.randn(n, 30, generator=generator, dtype=torch.float64)
    return lambda: polynomial_fits(x, y, 9)


def widths(largest: int):
    "One width: the whole fit, features included."
    (x, y), _, (x_test, y_test) = digits("random")
    return lambda: double_descent(x[:500], y[:500], x_test, y_test, [largest])


def images(n: int):
    model, x = pretrained("glyphnet", num_classes=0), torch.rand(n, 1, 32, 32)
    return lambda: features(model, x)


def photograph(path: Path, size: tuple[int, int]):
    "A smooth picture as a JPEG."
    path.parent.mkdir(parents=True)
    rough = Image.fromarray(np.random.default_rng(0).integers(0, 255, (16, 16, 3), dtype=np.uint8))
    rough.resize(size, Image.Resampling.BILINEAR).save(path, quality=90)


def side(n: int):
    "One JPEG of n x n pixels, read to 128 x 128."
    folder = Path(scratch.name, f"side-{n}")
    photograph(folder / "a" / "0.jpg", (n, n))
    return lambda: photos(folder, size=128, valid=0)


def files(n: int):
    "n JPEGs of 500 x 375 pixels, read to 128 x 128."
    folder = Path(scratch.name, f"files-{n}")
    photograph(folder / "a" / "0.jpg", (500, 375))
    for i in range(1, n):
        (folder / "a" / f"{i}.jpg").hardlink_to(folder / "a" / "0.jpg")
    return lambda: photos(folder, size=128, valid=0)


def decades(low: int, high: int) -> list[int]:
    "1, 3, 10, 30, ... from low to high."
    steps = [m * 10**e for e in range(9) for m in (1, 3)]
    return [n for n in steps if low <= n <= high]


def on_gpu(harness):
    "Boards and features on a GPU, in wall time, the queue emptied before and after."
    if not torch.cuda.is_available():
        return
    model = pretrained("glyphnet", num_classes=0).cuda()

    def waited(f):
        def run():
            f()
            torch.cuda.synchronize()

        return run

    def random(n): return torch.rand(n, 1, 32, 32, device="cuda")
    works = {"random games of checkers": lambda n: lambda: random_games(n, device="cuda"),
             "features of pictures, glyphnet": lambda n: lambda: features(model, random(n))}
    for name, make in works.items():
        for n in (1, 100, 10_000, 100_000):
            run = waited(make(n))
            run()
            times = []
            for _ in range(5):
                start = time.perf_counter()
                run()
                times.append(time.perf_counter() - start)
            harness.quantity(f"{name}, {n:,}, on {torch.cuda.get_device_name()}", times, unit="s")


def lines(harness):
    most = 1000 if harness.quick else 100_000
    note = "to the end or 200 plies"
    harness.growth("random games of checkers", boards, decades(1, most), what="games", note=note)
    name = "polynomial fits, degree 9, 30 shared points"
    harness.growth(name, fits, decades(10, 10 * most), what="fits")
    note = ("500 digits, 899 to test on; up to 500 features one least-squares fit, beyond it the "
            "smallest of many")
    top = 1000 if harness.quick else 10_000
    name = "a double-descent fit, features included"
    harness.growth(name, widths, decades(10, top), what="width", note=note)
    name = "features of pictures, glyphnet"
    harness.growth(name, images, decades(1, most // 10), what="pictures")
    harness.growth("reading JPEGs of 500 x 375", files, decades(1, most // 100), what="files")
    note = "a large JPEG is decoded at a smaller scale; above 89 million pixels it is left out"
    sizes = [*decades(10, 3000), 9000]
    harness.growth("reading one JPEG", side, sizes, what="pixels a side", note=note)
    on_gpu(harness)
