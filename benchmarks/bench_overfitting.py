"""Overfitting: many fits at once

10,000 polynomial fits that share their points; the double descent of 40 widths at 500 real digits;
twenty small networks with different seeds; a learning curve of five sizes and five draws. The peers
do the same work in a loop. The double descent is compared with the bare fits of its peers: drawing
the features, predicting, and scoring the training and the test set are in our time, only fitting
and predicting the test set are in theirs.
"""

from __future__ import annotations

import warnings

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from dljourney.experiments.overfitting import descent_widths
from dljourney.kit.pictures import digits
from dljourney.overfitting import (
    double_descent,
    learning_curve,
    polynomial_fits,
    random_features,
    train_networks,
)

PACKAGES = ["torch", "numpy", "scikit-learn"]
generator = torch.Generator().manual_seed(0)
parts = digits("random")


def polynomials(harness):
    x = torch.rand(30, generator=generator, dtype=torch.float64)
    y = torch.randn(10_000, 30, generator=generator, dtype=torch.float64)
    xs, ys = x.numpy(), y.numpy()

    def loop():
        for row in ys:
            np.polyfit(xs, row, 9)

    harness.compare(
        "10,000 polynomial fits of degree 9 to 30 shared points",
        lambda: polynomial_fits(x, y, 9),
        {"numpy.polyfit in a loop": loop, "numpy.polyfit, one call":
             lambda: np.polyfit(xs, ys.T, 9)},
        bar=0.01,
        judged_by="cpu",
        note="numpy.polyfit takes many heights in one call, too; its basis is powers of x, ours "
             "Legendre polynomials.",
    )

    basis = np.polynomial.legendre.legvander(np.interp(xs, [xs.min(), xs.max()], [-1, 1]), 9)
    basis *= np.sqrt(2 * np.arange(10) + 1)
    below = np.vstack([basis, 0.1 * np.diag([0.0] + [1.0] * 9)])
    zeros = np.zeros(10)

    def ridge_loop():
        for row in ys:
            np.linalg.lstsq(below, np.concatenate([row, zeros]), rcond=None)

    harness.compare(
        "the same with a ridge of 0.01",
        lambda: polynomial_fits(x, y, 9, ridge=0.01),
        {"numpy.linalg.lstsq in a loop": ridge_loop},
        judged_by="cpu",
    )


def descent(harness):
    order = torch.randperm(718, generator=generator)[:500]
    x, y, widths = parts.train[0][order], parts.train[1][order], descent_widths(500)
    a, a_test = random_features(x, widths[-1], parts.test[0])
    t = F.one_hot(y, 10).double()

    def gelsd():
        for w in widths:
            a_test[:, :w] @ torch.linalg.lstsq(a[:, :w], t, driver="gelsd").solution

    def pinv():
        for w in widths:
            a_test[:, :w].numpy() @ (np.linalg.pinv(a[:, :w].numpy()) @ t.numpy())

    harness.compare(
        "double descent: 40 widths, 500 digits",
        lambda: double_descent(x, y, *parts.test, widths),
        {"torch.linalg.lstsq (gelsd) in a loop": gelsd, "numpy.linalg.pinv in a loop": pinv},
        bar=0.25,
        bars={"numpy.linalg.pinv in a loop": 0.1},
        judged_by="cpu",
    )


def side_by_side(harness):
    x, y = parts.train

    def one_by_one():
        for seed in range(20):
            torch.manual_seed(seed)
            net = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
            opt = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.0)
            for _ in range(10):
                order = torch.randperm(len(y))
                for xb, yb in zip(x[order].split(32), y[order].split(32)):
                    opt.zero_grad()
                    F.cross_entropy(net(xb), yb).backward()
                    opt.step()
                with torch.no_grad():
                    for inputs, labels in (parts.train, parts.valid):
                        out = net(inputs)
                        F.cross_entropy(out, labels), (out.argmax(1) == labels).float().mean()

    harness.compare(
        "20 networks, 64-64-10, 10 epochs of 718 digits, measured each epoch",
        lambda: list(train_networks(x, y, parts.valid, n_hidden=64, epochs=10, seeds=range(20))),
        {"PyTorch, one after another": one_by_one},
        judged_by="cpu",
    )


def curve(harness):
    sizes, (x, y) = [50, 100, 200, 400, 718], parts.train

    def fit(xs, ys):
        run = train_networks(xs, ys, (xs[0, :1], ys[0, :1]), n_hidden=64, epochs=30, lr=1e-3,
                             seeds=range(len(ys)))
        nets = list(run)[-1].networks.eval()
        return lambda new: nets(new.flatten(2) if new.ndim == 5 else new).detach()

    both = torch.cat([x, parts.valid[0]]).flatten(1).numpy(), torch.cat([y, parts.valid[1]]).numpy()

    def theirs():
        from sklearn.model_selection import PredefinedSplit
        from sklearn.model_selection import learning_curve as sklearns
        from sklearn.neural_network import MLPClassifier

        split = PredefinedSplit([-1] * len(y) + [0] * len(parts.valid[1]))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for draw in range(5):
                net = MLPClassifier((64,), batch_size=32, max_iter=30, n_iter_no_change=99,
                                    random_state=draw)
                sklearns(net, *both, train_sizes=[s / len(y) for s in sizes], cv=split,
                         shuffle=True, random_state=draw)

    harness.compare(
        "learning curve: 5 sizes, 5 draws, network 64-64-10, 30 epochs",
        lambda: learning_curve(fit, x, y, sizes, parts.valid, n_repeats=5, batched=True),
        {"sklearn.model_selection.learning_curve": theirs},
        judged_by="cpu",
        note="The same layers, Adam, batch size and epochs; ours trains the five draws of a size "
             "side by side.",
    )


def lines(harness):
    polynomials(harness)
    descent(harness)
    side_by_side(harness)
    curve(harness)
