"""How far from the limits of the machine

Each line beside the least that any program would have to do for it, measured on the spot: move the
same bytes through memory once, multiply and add as often in one large matrix product, decode the
same files and nothing else. A ratio of 1 can hardly be beaten (a convolution may do with fewer
multiplications); what a larger one is made of stands below the table.
"""

from __future__ import annotations

from pathlib import Path

import timm
import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.bench_growth import files, scratch
from dljourney import optimisers, sgd
from dljourney.overfitting import polynomial_fits
from dljourney.transfer import features, pretrained

PACKAGES = ["torch", "timm", "pillow"]


def optimiser(make):
    "A step of an optimiser on the parameters of a ResNet-18, and what moves its bytes once."
    net = timm.create_model("resnet18", num_classes=10)
    params = [torch.nn.Parameter(p.detach().clone()) for p in net.parameters()]
    for p in params:
        p.grad = torch.randn_like(p) * 1e-3
    opt = make(params)
    opt.step()
    states = len([t for t in opt.state[params[0]].values() if torch.is_tensor(t) and t.dim()])
    n = sum(p.numel() for p in params)
    weights, gradients = torch.zeros(n), torch.zeros(n)
    kept = [torch.zeros(n) for _ in range(states)]

    def bytes_once():
        weights.add_(gradients)  # reads two, writes one
        for k in kept:
            k.mul_(0.9)  # reads one, writes one

    return opt.step, bytes_once


def products(model, x, bf16):
    "The features of pictures, and large matrix products with as many multiplications."
    with FlopCounterMode(display=False) as counter:
        features(model, x)
    side, dtype = 1024, torch.bfloat16 if bf16 else torch.float32
    a, b = torch.randn(side, side).to(dtype), torch.randn(side, side).to(dtype)
    times = max(1, round(counter.get_total_flops() / (2 * side**3)))
    out = torch.empty(side, side, dtype=dtype)

    def multiply():
        for _ in range(times):
            torch.mm(a, b, out=out)

    return lambda: features(model, x, bf16=bf16), multiply


def decoded(n):
    "n JPEGs as a set of photos, and decoded by Pillow alone."
    ours = files(n)
    paths = sorted(Path(scratch.name, f"files-{n}", "a").glob("*.jpg"))

    def decode():
        for path in paths:
            with Image.open(path) as image:
                image.draft("RGB", (128, 128))
                image.load()

    return ours, decode


def fits(n):
    "n polynomials of degree 9 through 30 shared points; one product of heights to coefficients."
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(30, generator=generator, dtype=torch.float64)
    y = torch.randn(n, 30, generator=generator, dtype=torch.float64)
    inverse = torch.randn(30, 10, generator=generator, dtype=torch.float64)
    out = torch.empty(n, 10, dtype=torch.float64)
    return lambda: polynomial_fits(x, y, 9), lambda: torch.mm(y, inverse, out=out)


said = {  # what profiles say
    "Adam": "seven operations, one after another, on pieces that stay in the cache: a quarter of "
    "the time is the root, a sixth each the two averages' mixing and the last division; torch's "
    "fused kernel does all in one pass",
    "glyphnet": "layers of 32 to 256 channels on 16 x 16 pixels and fewer are too small to keep "
    "the multipliers busy; pooling and normalisation take their share",
    "JPEG": "four tenths of the time are the decoding, a quarter is the resizing, the rest is "
    "opening and checking",
}


def lines(harness):
    "All lines of this topic."
    moved, multiplied = "the same bytes, moved once", "one product with as many multiplications"
    for name, make, number in (
        ("SGD", lambda p: sgd.SGD(p, 0.01), 10),
        ("SGD, momentum", lambda p: sgd.SGD(p, 0.01, momentum=0.9), 10),
        ("Adam", lambda p: optimisers.Adam(p, 1e-3), 5),
    ):
        ours, limit = optimiser(make)
        note = said["Adam"] if name == "Adam" else ""
        name = f"opt.step(), ResNet-18, {name}"
        harness.compare(name, ours, {moved: limit}, number=number, runs=9, note=note)
    resnet = pretrained("resnet18", num_classes=2, weights=False)
    photographs = torch.rand(8, 3, 224, 224)
    glyphnet, signs = pretrained("glyphnet", num_classes=10), torch.rand(256, 1, 32, 32)
    for bf16 in (False, True):
        kind = "bfloat16" if bf16 else "float32"
        for name, model, x in (
            ("8 pictures of 224 x 224, ResNet-18", resnet, photographs),
            ("256 signs, glyphnet", glyphnet, signs),
        ):
            ours, limit = products(model, x, bf16)
            note = said["glyphnet"] if model is glyphnet else ""
            name = f"features of {name}, {kind}"
            harness.compare(name, ours, {multiplied: limit}, number=2, note=note)
    ours, limit = decoded(100)
    alone = {"Pillow decodes them, no more": limit}
    harness.compare("100 JPEGs of 500 x 375, read to 128 x 128", ours, alone, note=said["JPEG"])
    ours, limit = fits(10_000)
    alone = {"the one product in them": limit}
    harness.compare("10,000 polynomial fits of degree 9", ours, alone, number=20)
