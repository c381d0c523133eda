"""The training loop and the optimisers

One network, 64-32-10, batches of 64 from 3,200 datapoints in memory, cross-entropy, SGD: the same
steps by a bare PyTorch loop, `dljourney.sgd.train`, and the loops of other libraries with their
output, progress bars and checkpoints switched off. Then one `opt.step()` beside torch's, for ten
small tensors and for the parameters of a ResNet-18.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import subprocess
import sys
import tempfile
import warnings

import torch
import torch.nn.functional as F
from torch import nn

from dljourney import optimisers, sgd

PACKAGES = ["torch", "fastai", "lightning", "skorch", "timm"]
n, batch_size, epochs = 3200, 64, 4
steps = epochs * n // batch_size  # in one call of each contender
torch.manual_seed(0)
x, y = torch.rand(n, 64), torch.randint(0, 10, (n,))


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


def shuffled():
    "An epoch's batches, gathered at once, as ours are."
    order = torch.randperm(n)
    return zip(x[order].split(batch_size), y[order].split(batch_size))


def gathered():
    "An epoch's batches, each gathered by itself."
    order = torch.randperm(n)
    for i in range(0, n, batch_size):
        yield x[order[i : i + batch_size]], y[order[i : i + batch_size]]


def loader():
    from torch.utils.data import DataLoader, TensorDataset

    return DataLoader(TensorDataset(x, y), batch_size=batch_size, shuffle=True)


def bare(optimiser, data):
    "The loop that one writes by hand."
    model = network()
    opt = optimiser(model.parameters(), lr=0.01)

    def loop():
        for _ in range(epochs):
            for xb, yb in data():
                loss = F.cross_entropy(model(xb), yb)
                opt.zero_grad()
                loss.backward()
                opt.step()

    return loop


def ours(optimiser, data=None):
    model = network()
    opt = optimiser(model.parameters(), lr=0.01)
    data = data or sgd.batches(x, y, batch_size)
    return lambda: sgd.train(model, data, F.cross_entropy, opt, epochs).run()


def with_skorch(harness):
    if harness.peer("skorch") is None:
        return None
    from skorch import NeuralNetClassifier

    options = dict(criterion=nn.CrossEntropyLoss, optimizer=torch.optim.SGD, lr=0.01)
    data = dict(batch_size=batch_size, iterator_train__shuffle=True, train_split=None)
    quiet = dict(callbacks="disable", verbose=0, warm_start=True)
    net = NeuralNetClassifier(network(), max_epochs=epochs, **options, **data, **quiet)
    net.initialize()
    return lambda: net.partial_fit(x, y)


def with_lightning(harness):
    if harness.peer("lightning") is None:
        return None
    import lightning as L

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Module(L.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = network()

        def training_step(self, batch, _):
            return F.cross_entropy(self.net(batch[0]), batch[1])

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.01)

    module, data = Module(), loader()

    def epoch():
        quiet = dict(logger=False, enable_checkpointing=False, enable_progress_bar=False,
                     enable_model_summary=False, num_sanity_val_steps=0)
        L.Trainer(max_epochs=epochs, accelerator="cpu", **quiet).fit(module, data)

    return epoch


def with_fastai(harness):
    if harness.peer("fastai") is None:
        return None
    import fastai.callback.progress  # noqa: F401  (adds Learner.no_bar)
    from fastai.data.core import DataLoaders
    from fastai.data.load import DataLoader
    from fastai.learner import Learner
    from fastai.optimizer import SGD as fastai_sgd

    pairs = list(zip(x, y))
    data = DataLoader(pairs, bs=batch_size, shuffle=True, num_workers=0)
    one_batch = DataLoader(pairs[:batch_size], bs=batch_size, num_workers=0)
    loaders = DataLoaders(data, one_batch)  # it insists on validating
    options = dict(loss_func=F.cross_entropy, opt_func=fastai_sgd, lr=0.01)
    learn = Learner(loaders, network(), **options)

    def fit():
        with learn.no_bar(), learn.no_logging():
            learn.fit(epochs)

    return fit


def pair(name: str, params: list[torch.Tensor], **options):
    """A step of ours, of torch's default and of torch's fused kernel, on the same numbers.

    The very same: where copies of large tensors happen to lie in memory decides up to 10 %.
    """
    shared = [p.detach().clone().requires_grad_() for p in params]
    generator = torch.Generator().manual_seed(1)
    for p in shared:
        p.grad = torch.randn(p.shape, generator=generator)

    def step(cls, **more):
        opt = cls(shared, lr=1e-4, **options, **more)
        opt.step()
        return opt.step

    theirs = getattr(torch.optim, name)
    steps = {f"torch.optim.{name}": step(theirs)}
    if name != "RMSprop": steps[f"torch.optim.{name}(fused=True)"] = step(theirs, fused=True)
    return step(getattr(optimisers, name)), steps


def first_optimiser(module: str):
    "A fresh process that builds one optimiser; the import of torch is the same on both sides."
    code = ["import torch", f"from {module} import SGD", "w = torch.zeros(1, requires_grad=True)",
            "SGD([w], lr=0.1)"]
    return lambda: subprocess.run([sys.executable, "-c", "; ".join(code)], check=True)


def lines(harness):
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    os.chdir(tempfile.mkdtemp())
    quiet = contextlib.redirect_stdout(io.StringIO())
    with quiet:
        others = {"skorch": with_skorch(harness), "Lightning": with_lightning(harness),
                  "fastai": with_fastai(harness)}
    loops = {"bare loop, torch.optim.SGD": bare(torch.optim.SGD, shuffled),
             "bare loop, a gather for each batch": bare(torch.optim.SGD, gathered)}
    common = dict(units=steps, judged_by="cpu", warmup=2)
    name = "a step of the loop, torch's SGD on both sides"
    theirs = dict(our_name="train, torch.optim.SGD", **common)
    harness.compare(name, ours(torch.optim.SGD), loops, bar=1.03, runs=51, **theirs)
    name = "a step of the loop, our SGD"
    own = dict(our_name="train, our SGD", **common)
    harness.compare(name, ours(sgd.SGD), loops, bar=0.85, runs=51, **own)
    data = loader()
    peers = {"bare loop, DataLoader": bare(torch.optim.SGD, lambda: data)}
    name = "a step of the loop, from a DataLoader"
    harness.compare(name, ours(torch.optim.SGD, data), peers, runs=11, **theirs)
    with quiet:
        name = "a step of the loop, beside other libraries"
        note = ("their usual way with tensors in memory: a DataLoader; "
                "callbacks, progress bars and logs off")
        harness.compare(name, ours(sgd.SGD), others, runs=5, note=note, **own)

    shapes = [torch.randn(32, 32) for _ in range(10)]
    family = [("SGD", {}), ("SGD", {"momentum": 0.9}), ("RMSprop", {}), ("Adam", {}), ("AdamW", {})]
    few = dict(number=100, runs=15, judged_by="cpu")
    for name, options in family:
        what = f"opt.step(), ten 32 x 32 tensors, {name}{', momentum' if options else ''}"
        harness.compare(what, *pair(name, shapes, **options), bar=0.7, **few)
    import torchvision

    params = [p.detach() for p in torchvision.models.resnet18().parameters()]
    many = dict(number=2, runs=15, warmup=2, judged_by="cpu")
    for name, options in family:
        what = f"opt.step(), ResNet-18, {name}{', momentum' if options else ''}"
        bar = 0.9 if name in ("Adam", "AdamW") else 1.05
        harness.compare(what, *pair(name, params, **options), bar=bar, **many)
    peers = {"torch.optim.SGD": first_optimiser("torch.optim")}
    name = "a process that builds its first optimiser, import torch included"
    harness.compare(name, first_optimiser("dljourney.sgd"), peers, note=first_note)


first_note = (
    "torch's optimisers import the compiler, torch._dynamo, when the first one is built; ours do "
    "not. The fused kernels of torch read and write each tensor once where a chain of operations "
    "passes over it several times; they are the better choice for large models, and train takes "
    "them like any other optimiser."
)
