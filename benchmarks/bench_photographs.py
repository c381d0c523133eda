"""Photographs: a head at once on a frozen body, and fastai's `vision_learner`

DLJOURNEY_PHOTOS names a folder with train/ and val/, one subfolder a class; without it the topic is
left out. Both sides: photonet's body (timm's tf_efficientnet_lite0) with the same weights, 224
pixels, the middle of each picture, no augmentation, one thread. fastai learns for as many epochs as
the mean of five seeds needs to reach our score; where it has not got there in the time in which our
bar is met, it is asked no further, and the line says how far it came. Imports are not counted, but
for the command as it is typed. It and the lines of learning beside it work with two threads, each
in a fresh process.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import cache, partial
from statistics import fmean, median
from typing import Any, NamedTuple

import torch

from benchmarks.harness import timed
from dljourney.cli.finetune import finetune_folder
from dljourney.kit.models import forget_features, kept_features, photonet_file, probe
from dljourney.kit.pictures import Photos, Preprocess, kind_of_pictures, photos
from dljourney.transfer import draw_examples, pretrained
from dljourney.whole_game import best_head

PACKAGES = ["torch", "timm", "fastai", "pillow"]
FOLDER = os.environ.get("DLJOURNEY_PHOTOS", "")
SIZE, BATCH, RATE, MOST = 224, 32, 2e-3, 8  # pixels; pictures; `fine_tune`'s own; epochs


class Asked(NamedTuple):
    "The photographs, and what the frozen body says of them."

    data: Photos
    views: torch.Tensor  # (views, n, n_features)
    held: torch.Tensor  # (m, n_features)

    def right(self, count: int | None = None, seed: int = 0) -> int:
        "How many held-out ones a head names rightly that learned from so many a class."
        y = self.data.train[1]
        chosen = draw_examples(y, count, seed)
        found = probe(self.views[:, chosen], y[chosen], len(self.data.classes), best_head)
        return int((found(self.held).argmax(1) == self.data.valid[1]).sum())


def asked() -> Asked:
    "Read the photographs and ask the body, as the command does."
    model = pretrained("photonet", 2)
    wants = Preprocess.of(model)
    data = photos(FOLDER, size=wants.size, interpolation=wants.interpolation)
    views = kept_features(model, data.train[0], mirrored=True).features
    return Asked(data, views, kept_features(model, data.valid[0]).features[0])


@cache
def centred() -> Any:
    "fastai's `Resize`, always around the middle."
    from fastai.vision.all import Resize

    class Centred(Resize):
        def before_call(self, b: Any, split_idx: int):
            super().before_call(b, 1)

    return Centred(SIZE)


def theirs(frozen: int, epochs: int, seed: int) -> float:
    "The share of held-out photographs that fastai names rightly, from the folder on."
    from fastai.vision.all import ImageDataLoaders, accuracy, set_seed, vision_learner

    set_seed(seed)
    data = ImageDataLoaders.from_folder(FOLDER, valid="val", bs=BATCH, num_workers=0,
                                        item_tfms=centred())
    data.train.drop_last = False  # every photograph in every epoch, as on our side
    learn = vision_learner(data, "tf_efficientnet_lite0", metrics=accuracy,
                           pretrained_cfg_overlay={"file": str(photonet_file())})
    with learn.no_bar(), learn.no_logging():
        if epochs:
            learn.fine_tune(epochs, RATE, freeze_epochs=frozen)
        else:
            learn.fit_one_cycle(frozen, RATE)  # a pretrained learner begins frozen
    return float(learn.recorder.values[-1][-1])


class Reached(NamedTuple):
    "How many epochs fastai needed, and how long that took."

    epochs: int
    score: float  # the mean of the seeds
    cpu: list[float]  # seconds, one a seed


def fewest(
    learn: Callable[[int, int], float],  # so many epochs with this seed; gives the score
    want: float,  # the score to reach
    n_seeds: int,
    most: int,  # epochs
    enough: float,  # seconds of CPU time: whoever has not got there by then need not go on
) -> Reached:
    "The fewest epochs with which the mean of the seeds is as good; else the last ones tried."
    for n in range(1, most + 1):
        runs = [_timed(partial(learn, n, seed)) for seed in range(n_seeds)]
        found = Reached(n, fmean(score for score, _ in runs), [cpu for _, cpu in runs])
        print(f"  fastai, {n} epochs: {found.score:.1%} of {want:.1%}, "
              f"{fmean(found.cpu):.0f} s of CPU", file=sys.stderr, flush=True)
        if found.score >= want or fmean(found.cpu) >= enough: break
    return found


def _timed(work: Callable) -> tuple[Any, float]:
    "What some work gives, and its seconds of CPU time."
    given: list[Any] = []
    seconds = timed(lambda: given.append(work()), 1)[1]
    return given[0], seconds


def beside_fastai(harness: Any, want: float):
    "Time to the same score."
    import fastai.callback.progress  # noqa: F401  (adds Learner.no_bar)

    n_seeds, most = (2, 2) if harness.quick else (5, MOST)
    with tempfile.TemporaryDirectory() as folder:
        for name, ours, learn, bar in (
            ("a head on the frozen body", lambda: asked().right(),
             lambda n, seed: theirs(n, 0, seed), 0.25),
            ("the whole command, beside one frozen epoch and more of everything",
             lambda: finetune_folder(FOLDER, folder, quiet=True),
             lambda n, seed: theirs(1, n, seed), 0.5),
        ):  # fmt: skip
            mine = [_cold(ours) for _ in range(n_seeds)]
            found = fewest(learn, want, n_seeds, most, enough=fmean(mine) / bar)
            ends = "" if found.score >= want else "; not there yet"
            harness.quantity(
                f"{name}, CPU time to {want:.1%}, from files on", mine, {"fastai": found.cpu},
                unit="s", bar=bar, note=f"fastai: {found.epochs} epochs, {found.score:.1%}{ends}")


def _cold(work: Callable) -> float:
    "Seconds of CPU time without what was kept."
    forget_features()
    return _timed(work)[1]


LEARN = """
import sys, time
import matplotlib.pyplot, timm
from dljourney.cli.finetune import finetune_folder
start = time.perf_counter()
finetune_folder(sys.argv[1], sys.argv[2], quiet=True)
print(time.perf_counter() - start)
"""


def command(kept: str, *line: str) -> tuple[float, str]:
    "Seconds of a fresh process that learns the photographs and writes its report; what it prints."
    env = os.environ | {"DLJOURNEY_CACHE": kept, "OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}
    with tempfile.TemporaryDirectory() as out:
        line = tuple(part.replace("OUT", out) for part in line)
        start = time.perf_counter()
        done = subprocess.run([sys.executable, *line], env=env, capture_output=True, text=True)
        seconds = time.perf_counter() - start
        if done.returncode > 1: raise RuntimeError(done.stderr)  # 1: a doubt about the folder
        return seconds, done.stdout


def commands(harness: Any):
    "The command as it is typed, and without what every process pays for torch and timm."
    typed = ["-m", "dljourney.cli.course", "finetune", FOLDER, "--out", "OUT"]
    whole: dict[str, list[float]] = {"nothing": [], "features": []}
    learning: dict[str, list[float]] = {"nothing": [], "features": []}
    for _ in range(1 if harness.quick else 3):
        for line, found in ((typed, whole), (["-c", LEARN, FOLDER, "OUT"], learning)):
            with tempfile.TemporaryDirectory() as kept:
                for state in found:
                    seconds, printed = command(kept, *line)
                    found[state].append(float(printed) if line is not typed else seconds)
    for state, bar in (("nothing", 30), ("features", 5)):
        harness.quantity(f"learning, with its report and program, {state} kept",
                         median(learning[state]), unit="s", bar=bar)
        harness.quantity(f"dljourney finetune as typed, {state} kept, with its imports",
                         median(whole[state]), unit="s", bar=30 if state == "nothing" else None)


def scores(harness: Any, found: Asked):
    "What the head reaches."
    m = len(found.held)
    harness.quantity(f"named rightly of {m} held out, median of 5 seeds",
                     median(found.right(seed=seed) for seed in range(5)), unit="photographs",
                     bar=144 * m / 153, higher_is_better=True)  # fmt: skip
    for count, bar in ((5, 0.9), (20, 0.93)):
        share = fmean(found.right(count, seed) for seed in range(20)) / m
        harness.quantity(f"share named rightly, {count} a class, mean of 20 draws", share, unit="",
                         bar=bar, higher_is_better=True)


def lines(harness: Any):
    if not FOLDER:
        harness.leave_out("DLJOURNEY_PHOTOS names no folder of photographs")
        return
    warnings.filterwarnings("ignore")
    commands(harness)
    with tempfile.TemporaryDirectory() as kept:
        os.environ["DLJOURNEY_CACHE"] = kept
        found = asked()
        kind = partial(kind_of_pictures, found.data.files[:64])
        times = [_timed(kind)[1] for _ in range(5)]
        harness.quantity("the kind of 64 files, CPU time", median(times), unit="s", bar=0.5)
        scores(harness, found)
        if harness.peer("fastai"):
            beside_fastai(harness, found.right() / len(found.held))
