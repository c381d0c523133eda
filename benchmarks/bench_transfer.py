"""Fine-tuning beside fastai, predicting beside plain timm

The same folder of photos, the same ResNet-18 with one linear layer as its head, the same initial weights (random ones:
speed does not depend on them), 128 pixels, batches of 32, SGD at one learning rate, no augmentation, BatchNorm frozen
on both sides, one thread. `PHOTOS=folder` names a folder with one subfolder a class; without it, patches of two sample
photographs of scikit-learn's are written as JPEGs. The losses after each phase stand beside the times: they must agree.
"""

from __future__ import annotations

import os
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
from dljourney.kit.images import Preprocess
from dljourney.kit.photos import photos
from dljourney.program import Program, load, save
from dljourney.transfer import bf16_helps, fine_tune, freeze, unfreeze

PACKAGES = ["torch", "timm", "fastai", "pillow"]
SIZE, BATCH, RATE = 128, 32, 0.01


def folder_of_photos(n: int = 120) -> Path:
    "The folder to learn from: PHOTOS, or patches of two photographs."
    if os.environ.get("PHOTOS"):
        return Path(os.environ["PHOTOS"])
    from sklearn.datasets import load_sample_images

    folder, dice = Path(tempfile.mkdtemp(prefix="dljourney-bench-")), np.random.default_rng(0)
    for name, photo in zip(("temple", "flower"), load_sample_images().images):
        (folder / name).mkdir()
        for i in range(n // 2):
            top, left = dice.integers(0, photo.shape[0] - 300), dice.integers(0, photo.shape[1] - 400)
            patch = Image.fromarray(photo[top : top + 300, left : left + 400])
            patch.resize((500, 375)).save(folder / name / f"{i}.jpg", quality=90)
    return folder


def network(n_classes: int) -> torch.nn.Module:
    torch.manual_seed(0)
    model = timm.create_model("resnet18", num_classes=n_classes)
    model.pretrained_cfg = {**model.pretrained_cfg, "input_size": (3, SIZE, SIZE), "interpolation": "bilinear"}
    return model


def ours(folder: Path, frozen: int, full: int, losses: list, bf16: bool):
    def run():
        data = photos(folder, size=SIZE, fit="squash", valid=0)
        model = network(len(data.classes))
        tuning = fine_tune(model, *data.train, frozen_epochs=frozen, epochs=full, lr=RATE, head=1.0, decay=1.0,
                           batch_size=BATCH, schedule=None, optimiser=sgd.SGD, bf16=bf16).run()  # fmt: skip
        losses.append(tuning.history[-1]["loss"])

    return run


def with_fastai(harness, folder: Path, frozen: int, full: int, losses: list):
    if harness.peer("fastai") is None:
        return None
    import fastai.callback.progress  # noqa: F401  (adds Learner.no_bar)
    from fastai.data.transforms import Normalize  # noqa: F401
    from fastai.vision.all import SGD, ImageDataLoaders, Learner, Normalize, Resize, ResizeMethod  # noqa: F811

    class ByPart:  # a splitter: the body, then the head
        def __call__(self, model):
            head = list(model.get_classifier().parameters())
            return [[p for p in model.parameters() if all(p is not h for h in head)], head]

    def run():
        names = [p.name for p in sorted(folder.iterdir()) if p.is_dir()]
        cfg = network(len(names)).pretrained_cfg
        data = ImageDataLoaders.from_folder(
            folder, valid_pct=0.02, seed=0, bs=BATCH, num_workers=0, item_tfms=Resize(SIZE, method=ResizeMethod.Squish),
            batch_tfms=[Normalize.from_stats(cfg["mean"], cfg["std"])],
        )  # fmt: skip
        data.train.drop_last = False  # every picture in every epoch, as on our side
        model = unfreeze(network(len(names)))  # BatchNorm at rest, as on our side
        options = dict(loss_func=F.cross_entropy, opt_func=SGD, splitter=ByPart(), train_bn=False, wd=0.01)
        learn = Learner(data, model, **options)
        with learn.no_bar(), learn.no_logging():
            learn.freeze()
            learn.fit(frozen, lr=RATE)
            if full:
                learn.unfreeze()
                learn.fit(full, lr=RATE)
        losses.append(float(learn.recorder.values[-1][0]))

    return run


def predictors(folder: Path):
    "A program and the plain timm way to do the same, on the folder's files."
    files = sorted(folder.rglob("*.jpg"))[:100]
    model = freeze(network(2))
    file = save(model, Path(tempfile.mkdtemp()) / "program.safetensors", preprocess=Preprocess.of(model))
    program: Program = load(file)
    transform = timm.data.create_transform(input_size=(3, SIZE, SIZE), interpolation="bilinear", crop_pct=1.0)
    model.eval()

    def ask():
        program([str(f) for f in files])

    @torch.inference_mode()
    def plain():
        for i in range(0, len(files), 32):
            x = torch.stack([transform(Image.open(f).convert("RGB")) for f in files[i : i + 32]])
            model(x).softmax(1)

    return ask, plain, file, files


def fresh(code: str, *args: object):
    "A process that answers once."

    def run():
        subprocess.run([sys.executable, "-c", code, *map(str, args)], check=True, stdout=subprocess.DEVNULL)

    return run


PLAIN = """
import sys, timm, torch
from PIL import Image
import safetensors.torch
model = timm.create_model("resnet18", num_classes=2).eval()
model.load_state_dict(safetensors.torch.load_file(sys.argv[1]))
t = timm.data.create_transform(input_size=(3, 128, 128), interpolation="bilinear", crop_pct=1.0)
with torch.inference_mode(): print(model(t(Image.open(sys.argv[2]).convert("RGB"))[None]).softmax(1))
"""
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
        harness.compare(name, ours(folder, frozen, full, mine, bf16), peers, bar=bar, judged_by="cpu", note=note)
        harness.quantity(f"training loss after {name}", mine[-1], {"fastai": theirs[-1] if theirs else None}, unit="")
    ask, plain, file, files = predictors(folder)
    harness.compare("predicting, a file", ask, {"plain timm": plain}, units=len(files), judged_by="cpu")
    harness.compare("the first prediction in a fresh process", fresh(OURS, file, files[0]),
                    {"plain timm": fresh(PLAIN, file, files[0])})  # fmt: skip
