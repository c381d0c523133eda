"""Fine-tuning and predicting beside fastai and plain timm

The same folder of photos, the same ResNet-18 with one linear layer as its head, the same initial
weights (random ones: speed does not depend on them), 128 pixels, batches of 32, SGD at one
learning rate, no augmentation, BatchNorm frozen on both sides, one thread. `PHOTOS=folder` names a
folder with one subfolder a class; without it, patches of two sample photographs of scikit-learn's
are written as JPEGs. The losses after each phase stand beside the times: they must agree.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import timm
import torch
import torch.nn.functional as F
from PIL import Image

from dljourney import sgd
from dljourney.kit.models import bf16_helps
from dljourney.kit.pictures import Preprocess, digits, photos
from dljourney.program import Program, load, save
from dljourney.transfer import draw_examples, fine_tune, freeze, predict, pretrained, unfreeze

PACKAGES = ["torch", "timm", "fastai", "pillow"]
SIZE, BATCH, RATE = 128, 32, 0.01
scratch = tempfile.TemporaryDirectory(prefix="dljourney-bench-")  # removed at the end


def folder_of_photos(n: int = 120) -> Path:
    "The folder to learn from: PHOTOS, or patches of two photographs."
    if os.environ.get("PHOTOS"):
        return Path(os.environ["PHOTOS"])
    from sklearn.datasets import load_sample_images

    folder, dice = Path(scratch.name, "photos"), np.random.default_rng(0)
    for name, photo in zip(("temple", "flower"), load_sample_images().images):
        (folder / name).mkdir(parents=True)
        for i in range(n // 2):
            top = dice.integers(0, photo.shape[0] - 300)
            left = dice.integers(0, photo.shape[1] - 400)
            patch = Image.fromarray(photo[top : top + 300, left : left + 400])
            patch.resize((500, 375)).save(folder / name / f"{i}.jpg", quality=90)
    return folder


def network(n_classes: int) -> torch.nn.Module:
    torch.manual_seed(0)
    model = timm.create_model("resnet18", num_classes=n_classes)
    model.pretrained_cfg = {**model.pretrained_cfg, "input_size": (3, SIZE, SIZE),
                            "interpolation": "bilinear"}
    return model


def ours(folder: Path, frozen: int, full: int, losses: list, bf16: bool):
    def run():
        data = photos(folder, size=SIZE, fit="squash", valid=0)
        model = network(len(data.classes))
        tuning = fine_tune(model, *data.train, frozen_epochs=frozen, epochs=full, lr=RATE, head=1.0,
                           decay=1.0, batch_size=BATCH, schedule=None, optimiser=sgd.SGD,
                           bf16=bf16).run()  # fmt: skip
        losses.append(tuning.history[-1]["loss"])

    return run


def with_fastai(harness, folder: Path, frozen: int, full: int, losses: list):
    if harness.peer("fastai") is None:
        return None
    import fastai.callback.progress  # noqa: F401  (adds Learner.no_bar)
    from fastai.vision.all import (SGD, ImageDataLoaders, Learner, Normalize, Resize,
                                   ResizeMethod)

    def run():
        names = [p.name for p in sorted(folder.iterdir()) if p.is_dir()]
        cfg = network(len(names)).pretrained_cfg
        data = ImageDataLoaders.from_folder(
            folder, valid_pct=0.02, seed=0, bs=BATCH, num_workers=0,
            item_tfms=Resize(SIZE, method=ResizeMethod.Squish),
            batch_tfms=[Normalize.from_stats(cfg["mean"], cfg["std"])],
        )  # fmt: skip
        data.train.drop_last = False  # every picture in every epoch, as on our side
        model = unfreeze(network(len(names)))  # BatchNorm at rest, as on our side
        options = dict(loss_func=F.cross_entropy, opt_func=SGD, splitter=by_part(model),
                       train_bn=False, wd=0.01)
        learn = Learner(data, model, **options)
        with learn.no_bar(), learn.no_logging():
            learn.freeze()
            learn.fit(frozen, lr=RATE)
            if full:
                learn.unfreeze()
                learn.fit(full, lr=RATE)
        losses.append(float(learn.recorder.values[-1][0]))
        return learn

    return run


def on_digits(seed: int, fastai: bool) -> float:
    "Accuracy on digits by other writers after ten examples a class: one recipe, two libraries."
    pool, _, (x_test, y_test) = digits("writers")
    rows = draw_examples(pool[1], 10, seed)
    x, y = pool[0][rows], pool[1][rows]
    torch.manual_seed(seed)
    model = unfreeze(pretrained("glyphnet", num_classes=10))
    if fastai:
        from fastai.data.core import DataLoaders
        from fastai.data.load import DataLoader
        from fastai.learner import Learner
        from fastai.optimizer import Adam

        prepare = Preprocess.of(model)
        pairs = list(zip(prepare(x), y))
        dls = DataLoaders(*(DataLoader(pairs, bs=32, shuffle=go, num_workers=0)
                            for go in (True, False)))
        learn = Learner(dls, model, loss_func=F.cross_entropy, opt_func=Adam,
                        splitter=by_part(model), train_bn=False)
        with learn.no_bar(), learn.no_logging():
            learn.freeze()
            learn.fit(10, lr=1e-2)
            learn.unfreeze()
            learn.fit(10, lr=[3e-4, 1e-2])
        with torch.inference_mode():
            return float((model.eval()(prepare(x_test)).argmax(1) == y_test).float().mean())
    lr, head = 3e-4, 1e-2 / 3e-4
    fine_tune(model, x, y, frozen_epochs=10, epochs=10, lr=lr, head=head, decay=1.0, schedule=None,
              seed=seed).run()
    return float((predict(model, x_test).argmax(1) == y_test).float().mean())


def by_part(model):
    "A fastai splitter: the body's parameters, then the head's."
    head = list(model.get_classifier().parameters())
    return lambda _: [[p for p in model.parameters() if all(p is not h for h in head)], head]


def largest_memory() -> float:
    "This process's largest memory, in MB. Linux's ru_maxrss begins with the parent's."
    if sys.platform == "linux":
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    unit = 2**20 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def peak(who: str, folder: Path):
    "The largest memory, in MB, of a fresh process that trains one frozen and four full epochs."
    command = [sys.executable, "-m", "benchmarks.bench_transfer", who, str(folder)]
    run = subprocess.run(command, stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, text=True, check=True)  # fmt: skip
    return float(run.stdout.split()[-1])


def predictors(harness, folder: Path):
    "A program, the plain timm way, and an exported fastai learner, on the folder's files."
    files = sorted(folder.rglob("*.jpg"))[:100]
    model = freeze(network(2))
    file = save(model, Path(scratch.name, "program.safetensors"), preprocess=Preprocess.of(model))
    program: Program = load(file)
    transform = timm.data.create_transform(input_size=(3, SIZE, SIZE), interpolation="bilinear",
                                           crop_pct=1.0)
    model.eval()
    learner, exported = None, Path(scratch.name, "learner.pkl")
    train = with_fastai(harness, folder, 1, 0, [])
    if train:
        learner = train()
        learner.export(exported)

    def asked():
        with learner.no_bar(), learner.no_logging():
            learner.get_preds(dl=learner.dls.test_dl(files, num_workers=0))

    def ask():
        program([str(f) for f in files])

    @torch.inference_mode()
    def plain():
        for i in range(0, len(files), 32):
            x = torch.stack([transform(Image.open(f).convert("RGB")) for f in files[i : i + 32]])
            model(x).softmax(1)

    return ask, plain, asked if learner else None, file, exported if learner else None, files


def fresh(code: str, *args: object):
    "A process that answers once."

    def run():
        subprocess.run([sys.executable, "-c", code, *map(str, args)], check=True,
                       stdout=subprocess.DEVNULL)

    return run


PLAIN = """
import sys, timm, torch
from PIL import Image
import safetensors.torch
model = timm.create_model("resnet18", num_classes=2).eval()
model.load_state_dict(safetensors.torch.load_file(sys.argv[1]))
t = timm.data.create_transform(input_size=(3, 128, 128), interpolation="bilinear", crop_pct=1.0)
x = t(Image.open(sys.argv[2]).convert("RGB"))[None]
with torch.inference_mode(): print(model(x).softmax(1))
"""
FASTAI = ("import sys; from fastai.vision.all import load_learner; "
          "print(load_learner(sys.argv[1]).predict(sys.argv[2]))")
OURS = "import sys; from dljourney.program import load; print(load(sys.argv[1])(sys.argv[2]))"


def lines(harness):
    warnings.filterwarnings("ignore")
    folder = folder_of_photos()
    bf16 = bf16_helps(network(2))
    for name, frozen, full, bar in (
        ("a frozen phase of five epochs, from a cold folder", 5, 0, 0.15),
        ("from a cold folder through one frozen and four full epochs", 1, 4, 0.5),
    ):
        mine: list = []
        theirs: list = []
        peers = {"fastai": with_fastai(harness, folder, frozen, full, theirs)}
        n_photos = sum(1 for _ in folder.rglob("*.jpg"))
        note = f"{n_photos} photos; ours in {'bfloat16' if bf16 else 'float32'} when not frozen"
        harness.compare(name, ours(folder, frozen, full, mine, bf16), peers, bar=bar,
                        judged_by="cpu", note=note)
        harness.quantity(f"training loss after {name}", mine[-1],
                         {"fastai": theirs[-1] if theirs else None}, unit="")
    n = 3 if harness.quick else 5
    theirs = [peak("fastai", folder) for _ in range(n)] if harness.peer("fastai") else None
    mine = [peak("ours", folder) for _ in range(n)]
    harness.quantity("peak memory, one frozen and four full epochs", mine,
                     {"fastai": theirs}, unit="MB")  # fmt: skip
    note = ("ten examples a class, 10 frozen and 10 full epochs, Adam, no augmentation; "
            "the range over seeds")
    theirs = [on_digits(seed, True) for seed in range(n)] if harness.peer("fastai") else None
    mine = [on_digits(seed, False) for seed in range(n)]
    harness.quantity("accuracy on digits by other writers, glyphnet", mine,
                     {"fastai": theirs}, unit="", higher_is_better=True, note=note)  # fmt: skip
    ask, plain, asked, file, exported, files = predictors(harness, folder)
    peers = {"plain timm": plain, "fastai's exported learner": asked}
    harness.compare("predicting, a file", ask, peers, units=len(files), judged_by="cpu")
    last = fresh(FASTAI, exported, files[0]) if exported else None
    peers = {"plain timm": fresh(PLAIN, file, files[0]), "fastai's exported learner": last}
    harness.compare("the first prediction in a fresh process", fresh(OURS, file, files[0]), peers)


if __name__ == "__main__":  # a child of `peak`
    from benchmarks.harness import Harness

    who, place = sys.argv[1], Path(sys.argv[2])
    work = (with_fastai(Harness(), place, 1, 4, []) if who == "fastai"
            else ours(place, 1, 4, [], bf16_helps(network(2))))
    work()
    print(largest_memory())
