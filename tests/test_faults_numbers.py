"""Numbers that make no sense, through every public door: an error names the argument and what came.

It says what to do, too. And numbers that do make sense, of any size: an answer that is right, or an
error, never a silent NaN.
"""

import math
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from dljourney import checkers, optimisers, program, samuel, sgd, transfer, whole_game
from dljourney.kit.pictures import toys as data
from dljourney.kit.expect import explained
from dljourney.kit.pictures import Preprocess
from dljourney.kit.pictures import photos
from dljourney.overfitting import double_descent, memorise, peek, polynomial_fits, random_features
from dljourney.universal import fit_network, hinge_fit

inf, nan = math.inf, math.nan
mean_square = F.mse_loss
x1, y1 = torch.linspace(-1, 1, 12), torch.linspace(-1, 1, 12) ** 2
xs, ys = torch.rand(12, 4, generator=torch.Generator().manual_seed(0)), torch.arange(12) % 3
pictures = torch.rand(6, 1, 32, 32, generator=torch.Generator().manual_seed(0))
names = torch.tensor([0, 1, 2, 0, 1, 2])


def changed(t, value, at=0):
    t = t.clone()
    t.view(-1)[at] = value
    return t


def net(n_in=4, n_out=3):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(n_in, 8), nn.ReLU(), nn.Linear(8, n_out))


def trained(x=xs, y=ys, model=None, loss=F.cross_entropy, batch_size=4, **more):
    model = net() if model is None else model
    opt = more.pop("opt", sgd.SGD)(model.parameters(), more.pop("lr", 0.1))
    return sgd.train(model, sgd.batches(x, y, batch_size, seed=0), loss, opt, **more).run()


def found(x=xs, y=ys, **more):
    model = net()
    opt = sgd.SGD(model.parameters(), 0.1)
    data = sgd.batches(x, y, 4, seed=0)
    return optimisers.lr_find(model, data, F.cross_entropy, opt, **more)


class Later:
    "The bundled network, made when it is first needed."

    made = None

    def __call__(self):
        if Later.made is None:
            Later.made = transfer.pretrained("glyphnet", 3, in_chans=1)
        return Later.made


glyphnet = Later()


def tuned(x=pictures, y=names, **more):
    return transfer.fine_tune(glyphnet(), x, y, **more)


def saved(tmp_path, **more):
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    return program.save(model, tmp_path / "p.safetensors", preprocess=Preprocess((8, 8), 1), **more)


def written(tmp_path):
    from PIL import Image

    for name in ("a/1.png", "b/1.png", "a/2.png", "b/2.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("L", (9, 9)).save(tmp_path / name)
    return tmp_path


def climbed(weights=None, performance=lambda w: float(w.sum()), rounds=3):
    start = torch.zeros(3) if weights is None else weights
    return list(samuel.improve(start, performance, samuel.hill_climb, rounds))


def games(black=None, white=None, **more):
    return checkers.play(black, white, **{"n_games": 2, "max_plies": 6, **more})


def descend(x=xs, y=ys, xt=xs, yt=ys, widths=(2, 20), **more):
    return double_descent(x, y, xt, yt, widths, **more)


# what is called -> the argument that the error must name
refused = {
    # training
    "train: a list": ("x", lambda: trained([[0.0] * 4])),
    "train: a single number": ("x", lambda: trained(torch.tensor(3.0), torch.tensor(1))),
    "train: more inputs than labels": ("x and y", lambda: trained(xs, ys[:5])),
    "train: nothing": ("batches", lambda: trained(xs[:0], ys[:0])),
    "train: NaN in the inputs": ("inputs", lambda: trained(changed(xs, nan))),
    "train: infinity in the inputs": ("inputs", lambda: trained(changed(xs, inf))),
    "train: huge inputs": ("inputs", lambda: trained(xs * 1e38)),
    "train: NaN in the targets": (
        "labels", lambda: trained(xs, changed(xs, nan), net(4, 4), mean_square)),
    "train: labels from 1 to 3": ("labels", lambda: trained(xs, ys + 1)),
    "train: a negative label": ("labels", lambda: trained(xs, ys - 1)),
    "train: labels as floats": ("labels", lambda: trained(xs, ys.float())),
    "train: labels as bytes": ("labels", lambda: trained(xs, ys.to(torch.int32))),
    "train: inputs in double precision": ("inputs", lambda: trained(xs.double())),
    "train: inputs as whole numbers": ("inputs", lambda: trained((xs * 255).long())),
    "train: too many columns": ("inputs", lambda: trained(torch.rand(12, 5))),
    "train: a loss for each datapoint": (
        "loss_func", lambda: trained(loss=nn.CrossEntropyLoss(reduction="none"))),
    "train: a loss that is a float": ("loss_func", lambda: trained(loss=lambda p, y: 0.5)),
    "train: a loss without gradients": (
        "loss_func", lambda: trained(loss=lambda p, y: p.detach().sum())),
    "train: gradients switched off": ("gradients", torch.no_grad()(lambda: trained())),
    "train: everything frozen": ("model", lambda: trained(model=net().requires_grad_(False))),
    "train: lr NaN": ("lr", lambda: trained(lr=nan)),
    "train: lr infinite": ("lr", lambda: trained(lr=inf)),
    "train: lr negative": ("lr", lambda: trained(lr=-0.1)),
    "train: lr a text": ("lr", lambda: trained(lr="0.1")),
    "train: lr too large": ("learning rate", lambda: trained(lr=1e30, epochs=9)),
    "train: epochs NaN": ("epochs", lambda: trained(epochs=nan)),
    "train: epochs infinite": ("epochs", lambda: trained(epochs=inf)),
    "train: half an epoch": ("epochs", lambda: trained(epochs=0.5)),
    "train: epochs negative": ("epochs", lambda: trained(epochs=-1)),
    "train: batches of 0": ("batch_size", lambda: trained(batch_size=0)),
    "train: batches of 2.5": ("batch_size", lambda: trained(batch_size=2.5)),
    "train: nothing to validate on": ("valid", lambda: trained(valid=(xs[:0], ys[:0]))),
    "train: other labels to validate on": ("valid labels", lambda: trained(valid=(xs, ys + 1))),
    "train: other inputs to validate on": (
        "valid inputs", lambda: trained(valid=(torch.rand(12, 5), ys))),
    "Adam: betas": ("betas", lambda: optimisers.Adam(net().parameters(), betas=(0.9, 1.0))),
    "Adam: eps": ("eps", lambda: optimisers.Adam(net().parameters(), eps=nan)),
    "SGD: momentum": ("momentum", lambda: sgd.SGD(net().parameters(), 0.1, momentum=inf)),
    "minibatches: of 0": ("batch_size", lambda: list(sgd.minibatches(5, 0))),
    # the search for a learning rate
    "lr_find: NaN in the inputs": (
        "inputs", lambda: found(changed(xs, nan).clamp(max=1).where(xs < 2, xs) * nan)),
    "lr_find: nothing": ("batches", lambda: found(xs[:0], ys[:0])),
    "lr_find: labels": ("labels", lambda: found(xs, ys + 1)),
    "lr_find: lowest NaN": ("lowest", lambda: found(lowest=nan)),
    "lr_find: highest infinite": ("highest", lambda: found(highest=inf)),
    "lr_find: upside down": ("lowest", lambda: found(lowest=1.0, highest=0.1)),
    "lr_find: three steps": ("steps", lambda: found(steps=3)),
    "lr_find: 20.5 steps": ("steps", lambda: found(steps=20.5)),
    # fine-tuning
    "fine_tune: a list": ("x", lambda: tuned(list(pictures))),
    "fine_tune: one picture, no batch": ("x", lambda: tuned(pictures[0])),
    "fine_tune: five channels": ("x", lambda: tuned(torch.rand(6, 5, 32, 32))),
    "fine_tune: no pixels": ("x", lambda: tuned(torch.rand(6, 1, 0, 32))),
    "fine_tune: nothing": ("x", lambda: tuned(pictures[:0], names[:0])),
    "fine_tune: NaN": ("x", lambda: tuned(changed(pictures, nan))),
    "fine_tune: infinite": ("x", lambda: tuned(changed(pictures, -inf))),
    "fine_tune: pixels up to 255": ("x", lambda: tuned(pictures * 255)),
    "fine_tune: pixels as int64": ("x", lambda: tuned((pictures * 255).long())),
    "fine_tune: labels from 1 to 3": ("y", lambda: tuned(y=names + 1)),
    "fine_tune: a negative label": ("y", lambda: tuned(y=names - 1)),
    "fine_tune: labels as floats": ("y", lambda: tuned(y=names.float())),
    "fine_tune: one-hot labels": ("y", lambda: tuned(y=F.one_hot(names))),
    "fine_tune: labels as a list": ("y", lambda: tuned(y=names.tolist())),
    "fine_tune: labels missing": ("y", lambda: tuned(y=names[:5])),
    "fine_tune: held-out labels": ("valid y", lambda: tuned(valid=(pictures, names + 1))),
    "fine_tune: held-out pixels": ("valid x", lambda: tuned(valid=(pictures * 9, names))),
    "fine_tune: lr NaN": ("lr", lambda: tuned(lr=nan)),
    "fine_tune: head negative": ("head", lambda: tuned(head=-1.0)),
    "fine_tune: decay infinite": ("decay", lambda: tuned(decay=inf)),
    "fine_tune: epochs": ("epochs", lambda: tuned(epochs=1.5)),
    "fine_tune: frozen epochs": ("frozen_epochs", lambda: tuned(frozen_epochs=-1)),
    "fine_tune: batches of 0": ("batch_size", lambda: tuned(batch_size=0)),
    "fine_tune: stages": ("last", lambda: tuned(last=99).run()),
    "fine_tune: no timm model": ("model", lambda: transfer.fine_tune(net(), pictures, names)),
    "features: a list": ("x", lambda: transfer.features(glyphnet(), list(pictures))),
    "features: NaN": ("x", lambda: transfer.features(glyphnet(), changed(pictures, nan))),
    "features: infinite": ("x", lambda: transfer.features(glyphnet(), changed(pictures, inf))),
    "features: pixels up to 255": ("x", lambda: transfer.features(glyphnet(), pictures * 255)),
    "features: a flat batch": ("x", lambda: transfer.features(glyphnet(), pictures.flatten(1))),
    "features: batches of 0": (
        "batch_size", lambda: transfer.features(glyphnet(), pictures, batch_size=0)),
    "predict: pixels as int64": (
        "x", lambda: transfer.predict(glyphnet(), (pictures * 255).long())),
    "pretrained: no such model": ("name", lambda: transfer.pretrained("glyphnett")),
    # curves
    "hinge_fit: NaN": ("x", lambda: hinge_fit(changed(x1, nan), y1, 3)),
    "hinge_fit: infinite": ("y", lambda: hinge_fit(x1, changed(y1, inf), 3)),
    "hinge_fit: nothing": ("x", lambda: hinge_fit(x1[:0], y1[:0], 3)),
    "hinge_fit: one point": ("x", lambda: hinge_fit(x1[:1], y1[:1], 1)),
    "hinge_fit: one x, many y": ("x", lambda: hinge_fit(torch.ones(5), x1[:5], 1)),
    "hinge_fit: lengths": ("x and y", lambda: hinge_fit(x1, y1[:5], 3)),
    "hinge_fit: whole numbers": ("x", lambda: hinge_fit(torch.arange(5), torch.arange(5), 3)),
    "hinge_fit: a list": ("x", lambda: hinge_fit([0.0, 1.0], y1, 3)),
    "hinge_fit: two columns": ("x", lambda: hinge_fit(torch.rand(5, 2), y1[:5], 3)),
    "hinge_fit: 2.5 hinges": ("n_hinges", lambda: hinge_fit(x1, y1, 2.5)),
    "hinge_fit: 0 hinges": ("n_hinges", lambda: hinge_fit(x1, y1, 0)),
    "hinge_fit: too many": ("n_hinges", lambda: hinge_fit(x1, y1, 12)),
    "hinge_fit: larger than float32": ("x and y", lambda: hinge_fit(x1 * 3e38, y1, 3)),
    "hinge_fit: steeper than float32": ("x and y", lambda: hinge_fit(x1 * 1e-30, y1 * 1e30, 3)),
    "fit_network: NaN": ("y", lambda: fit_network(x1, changed(y1, nan), 3)),
    "fit_network: one point": ("x", lambda: fit_network(x1[:1], y1[:1], 3)),
    "fit_network: half a unit": ("n_hidden", lambda: fit_network(x1, y1, 0.5)),
    "fit_network: no layer": ("n_layers", lambda: fit_network(x1, y1, 3, 0)),
    "fit_network: epochs": ("epochs", lambda: fit_network(x1, y1, 3, epochs=nan)),
    "fit_network: lr": ("lr", lambda: fit_network(x1, y1, 3, lr=nan)),
    "fit_network: lr too large": ("learning rate", lambda: fit_network(x1, y1, 3, lr=1e25)),
    "polynomial_fits: NaN": ("x", lambda: polynomial_fits(changed(x1, nan), y1, 2)),
    "polynomial_fits: infinite": ("y", lambda: polynomial_fits(x1, changed(y1, inf), 2)),
    "polynomial_fits: nothing": ("degree", lambda: polynomial_fits(x1[:0], y1[:0], 2)),
    "polynomial_fits: one point": ("degree", lambda: polynomial_fits(x1[:1], y1[:1], 0)),
    "polynomial_fits: whole numbers": (
        "x", lambda: polynomial_fits(torch.arange(5), torch.arange(5), 2)),
    "polynomial_fits: a list": ("x", lambda: polynomial_fits([0.0, 1.0], y1, 2)),
    "polynomial_fits: degree 2.5": ("degrees", lambda: polynomial_fits(x1, y1, 2.5)),
    "polynomial_fits: degree -1": ("degrees", lambda: polynomial_fits(x1, y1, [-1, 2])),
    "polynomial_fits: no degree": ("degrees", lambda: polynomial_fits(x1, y1, [])),
    "polynomial_fits: too high": ("degree", lambda: polynomial_fits(x1, y1, 12)),
    "polynomial_fits: ridge NaN": ("ridge", lambda: polynomial_fits(x1, y1, 2, ridge=nan)),
    "polynomial_fits: ridge negative": ("ridge", lambda: polynomial_fits(x1, y1, 2, ridge=-1)),
    # overfitting
    "double_descent: NaN": ("x", lambda: descend(changed(xs, nan))),
    "double_descent: NaN in the test": ("x_test", lambda: descend(xt=changed(xs, nan))),
    "double_descent: NaN to reach": ("y", lambda: descend(y=changed(xs[:, 0], nan), yt=xs[:, 0])),
    "double_descent: a negative label": ("y", lambda: descend(y=ys - 1)),
    "double_descent: a label of a billion": ("y", lambda: descend(y=changed(ys, 10**9))),
    "double_descent: labels as bytes": ("y", lambda: descend(y=ys.to(torch.uint8))),
    "double_descent: labels as a list": ("y", lambda: descend(y=ys.tolist())),
    "double_descent: two kinds": ("y and y_test", lambda: descend(yt=ys.float())),
    "double_descent: another shape": ("x and x_test", lambda: descend(xt=torch.rand(12, 7))),
    "double_descent: one point": ("x", lambda: descend(xs[:1], ys[:1])),
    "double_descent: nothing to test on": ("x_test", lambda: descend(xt=xs[:0], yt=ys[:0])),
    "double_descent: no width": ("widths", lambda: descend(widths=[])),
    "double_descent: half a feature": ("widths", lambda: descend(widths=[0.5])),
    "double_descent: noise": ("label_noise", lambda: descend(label_noise=nan)),
    "double_descent: ridge": ("ridge", lambda: descend(ridge=inf)),
    "double_descent: beyond float64": (
        "x", lambda: descend(xs.double() * 1e200, xt=xs.double() * 1e200)),
    "double_descent: below float64": (
        "x", lambda: descend(xs.double() * 1e-200, xt=xs.double() * 1e-200)),
    "memorise: NaN": ("x", lambda: memorise(changed(xs, nan), ys, (xs, ys))),
    "memorise: NaN held out": ("valid", lambda: memorise(xs, ys, (changed(xs, nan), ys))),
    "memorise: another shape": ("valid", lambda: memorise(xs, ys, (torch.rand(12, 5), ys))),
    "memorise: nothing": ("x", lambda: memorise(xs[:0], ys[:0], (xs, ys))),
    "memorise: a negative label": ("y", lambda: memorise(xs, ys - 1, (xs, ys))),
    "memorise: fractions": ("fraction", lambda: memorise(xs, ys, (xs, ys), fractions=[nan])),
    "memorise: epochs": ("epochs", lambda: memorise(xs, ys, (xs, ys), epochs=0.5)),
    "peek: nothing": ("labels", lambda: peek(ys[:0], ys, 5)),
    "peek: floats": ("y_valid", lambda: peek(ys.float(), ys, 5)),
    "peek: models": ("n_models", lambda: peek(ys, ys, 2.5)),
    # Samuel's loop, and his game
    "improve: a list": ("weights", lambda: climbed([0.0, 0.0])),
    "improve: NaN": ("performance", lambda: climbed(torch.tensor([nan, 0.0]))),
    "improve: a measure that says NaN": ("performance", lambda: climbed(performance=lambda w: nan)),
    "improve: rounds": ("rounds", lambda: climbed(rounds=2.5)),
    "improve: rounds negative": ("rounds", lambda: climbed(rounds=-1)),
    "play: no game": ("n_games", lambda: games(n_games=0)),
    "play: half a game": ("n_games", lambda: games(n_games=0.5)),
    "play: depth 0": ("depth", lambda: games({}, {}, depth=0)),
    "play: depth 1.5": ("depth", lambda: games({}, {}, depth=1.5)),
    "play: opening": ("opening", lambda: games(opening=-1)),
    "play: plies": ("max_plies", lambda: games(max_plies=0)),
    "play: a position": ("fen", lambda: games(fen="W:W99:B1")),
    "play: a term that is none": ("weights", lambda: games({"NOPE": 1.0}, opening=0)),
    "play: NaN": ("weights", lambda: games({"CENT": nan}, opening=0)),
    "play: infinite": ("weights", lambda: games({"CENT": inf}, opening=0)),
    "play: beyond float32": ("weights", lambda: games({"CENT": 1e300}, opening=0)),
    "play: a text for a number": ("weights", lambda: games({"CENT": "1"}, opening=0)),
    "play: a text for a player": ("black", lambda: games("random")),
    "play: a number for a player": ("white", lambda: games(None, 3)),
    "play: a judge that says NaN": (
        "value", lambda: games(lambda leaves: leaves.root * nan, opening=0)),
    "play: a judge with one answer": ("value", lambda: games(lambda leaves: 3.0, opening=0)),
    "self_play: games": ("n_games", lambda: checkers.self_play(n_games=2.5)),
    "self_play: depth": ("depth", lambda: checkers.self_play(depth=0)),
    "self_play: series": ("series", lambda: checkers.self_play(series=3)),
    "rote: fade": ("fade", lambda: checkers.rote(2, fade=nan)),
    "rote: no game": ("n_games", lambda: checkers.rote(0)),
    "random_games: half a game": ("n_games", lambda: checkers.random_games(0.5)),
    # data
    "digits: split": ("split", lambda: data.digits("writer")),
    "spiral: no point": ("n", lambda: data.spiral(0)),
    "spiral: noise": ("noise", lambda: data.spiral(10, noise=nan)),
    "straight: half a point": ("n", lambda: data.straight(0.5)),
    "train_valid_split: one item": ("n", lambda: data.train_valid_split(1)),
    "train_valid_split: all of it": ("valid", lambda: data.train_valid_split(9, 1.0)),
    "train_valid_split: NaN": ("valid", lambda: data.train_valid_split(9, nan)),
    "train_valid_split: a time that is none": (
        "times", lambda: data.train_valid_split(3, times=[1.0, nan, 2.0])),
    "train_valid_split: one group": ("groups", lambda: data.train_valid_split(3, groups=[1, 1, 1])),
    # the whole game
    "teach: NaN": ("x", lambda: whole_game.teach(changed(pictures, nan), names, 3)),
    "teach: pixels": ("x", lambda: whole_game.teach(pictures * 255, names, 3)),
    "teach: labels": ("y", lambda: whole_game.teach(pictures, names + 1, 3)),
    "teach: one thing": ("n_things", lambda: whole_game.teach(pictures, names * 0, 1)),
    "teach: nothing": ("x", lambda: whole_game.teach(pictures[:0], names[:0], 3)),
    "from_scratch: labels": ("y", lambda: whole_game.from_scratch(pictures, names - 1, 3)),
}  # fmt: skip
on_disk = {
    "photos: size 0": ("size", lambda p: photos(written(p), size=0)),
    "photos: half a pixel": ("size", lambda p: photos(written(p), size=8.5)),
    "photos: size as text": ("size", lambda p: photos(written(p), size="8")),
    "photos: three sizes": ("size", lambda p: photos(written(p), size=(8, 8, 3))),
    "photos: a giant": ("size", lambda p: photos(written(p), size=10**6)),
    "photos: channels": ("channels", lambda p: photos(written(p), channels=2)),
    "photos: fit": ("fit", lambda p: photos(written(p), fit="stretch")),
    "photos: NaN to hold out": ("valid", lambda p: photos(written(p), valid=nan)),
    "photos: all held out": ("valid", lambda p: photos(written(p), valid=1)),
    "photos: no folder": ("folder", lambda p: photos(None)),
    "photos: labels": ("labels", lambda p: photos(written(p), labels=3)),
    "photos: classes that occur twice": (
        "classes", lambda p: photos(written(p), classes=["a", "a"])),
    "photos: other classes": ("folder", lambda p: photos(written(p), classes=["cat", "dog"])),
    "save: NaN in the scores": ("scores", lambda p: saved(p, scores={"accuracy": nan})),
    "save: a text in the scores": ("scores", lambda p: saved(p, scores={"accuracy": "good"})),
    "save: a tensor in the settings": (
        "settings", lambda p: saved(p, settings={"lr": torch.ones(2)})),
    "save: infinity in the settings": ("settings", lambda p: saved(p, settings={"lr": inf})),
    "save: one text for labels": ("labels", lambda p: saved(p, labels="abc")),
    "save: two labels for three scores": ("labels", lambda p: saved(p, labels=["a", "b"])),
    "save: no network": ("model", lambda p: program.save(3, p / "x.safetensors")),
    "load: nothing": ("path", lambda p: program.load(None)),
}


def told(error, name):
    "The error is one that a learner can act on."
    text = str(error)
    assert re.search(rf"(?<![\w.]){re.escape(name)}(?![\w])", text) or text.startswith(name), text
    assert len(text) < 500 and "\n" not in text, text
    came = r"\bgot\b|\bholds\b|is (nan|inf|no|not)\b|\bneeds? \d|no (term|model|picture)"
    assert re.search(came, text), text


@pytest.mark.parametrize("case", refused)
def test_what_makes_no_sense_is_refused_by_name(case):
    name, call = refused[case]
    with pytest.raises((ValueError, TypeError, FloatingPointError)) as caught:
        call()
    told(caught.value, name)


@pytest.mark.soak  # torch imports a lot for its device without memory
@pytest.mark.parametrize("name", ["inputs", "labels"])
def test_tensors_on_another_device_are_named(name):
    batch = (xs.to("meta"), ys) if name == "inputs" else (xs, ys.to("meta"))
    model = net()
    message = f"^{name}: expected a tensor on cpu, where the model is, got one on meta"
    with pytest.raises(ValueError, match=message):
        sgd.train(model, [batch], F.cross_entropy, sgd.SGD(model.parameters(), 0.1)).run()


def test_another_device_is_told_from_the_tensors():
    error = RuntimeError("Expected all tensors to be on the same device")
    for name, inputs, labels in (("inputs", xs.to("meta"), ys), ("labels", xs, ys.to("meta"))):
        told(explained(error, net(), [inputs], labels), name)
    two = explained(error, net(), [xs, xs.to("meta")], ys, part="valid ")
    assert str(two).startswith("valid inputs 1: expected a tensor on cpu")


def test_an_error_that_is_not_understood_stays_what_it_is():
    "It gets a note with the shapes, which tracebacks show."
    def odd(p, y): raise RuntimeError("something else")

    with pytest.raises(RuntimeError, match="^something else") as caught:
        trained(loss=odd, batch_size=12)
    told = "In this batch the inputs have shape (12, 4), the labels (12,), the predictions (12, 3)."
    assert caught.value.args == ("something else",) and caught.value.__notes__ == [told]


def test_a_yes_no_loss_is_told_about_shapes():
    "Not about class numbers: the loss compares each score with one number."
    loss, model = F.binary_cross_entropy_with_logits, nn.Linear(4, 1)
    whole = r"\[:, None\], and convert them with .float\(\)$"
    for y, advice in ((ys.float(), r"\[:, None\]$"), (ys, whole)):
        expected = r"^labels: expected the shape of the predictions, \(12, 1\), got .*"
        with pytest.raises(ValueError, match=expected + advice) as caught:
            trained(y=y, loss=loss, model=model, batch_size=12)
        told(caught.value, "labels")
    def loss(p, y): return F.binary_cross_entropy_with_logits(p[:, 0], y.float())
    with pytest.raises(ValueError, match="^predictions: expected one score for each class"):
        trained(loss=loss, model=nn.Linear(4, 1), valid=(xs, ys), metrics=[sgd.accuracy])


def test_errors_that_sound_like_known_ones_stay_what_they_are():
    class Odd(nn.Linear):
        def __init__(self, error):
            super().__init__(4, 3)
            self.table, self.error = nn.Embedding(5, 3), error

        def forward(self, x): raise self.error

    missing = "'list' object has no attribute 'items'"
    for error in (TypeError("unsupported operand type(s) for +"), AttributeError(missing)):
        for x in (xs, ys[:, None]):
            with pytest.raises(type(error), match=re.escape(str(error))):
                trained(x=x, model=Odd(error), batch_size=12)
    mixed = RuntimeError("mat1 and mat2 must have the same dtype, but got Long and Float")
    with pytest.raises(RuntimeError, match="^mat1"):  # whole numbers are right for an nn.Embedding
        trained(x=ys[:, None], model=Odd(mixed), batch_size=12)
    doubles, whole = xs.double(), xs.long()
    pairs = [(nn.Linear(4, 3), doubles), (nn.Conv1d(4, 3, 1), whole[:, :, None]),
             (nn.GRU(4, 3), doubles), (nn.BatchNorm1d(4), doubles), (nn.LayerNorm(4), whole),
             (nn.BatchNorm1d(4), whole)]
    message = "^inputs: expected torch.float32, as the model's parameters"
    for layer, x in pairs:
        with pytest.raises(TypeError, match=message):
            trained(x=x, model=layer, batch_size=12)


@pytest.mark.parametrize("case", on_disk)
def test_what_makes_no_sense_in_a_folder_is_refused_by_name(case, tmp_path):
    name, call = on_disk[case]
    with pytest.raises((ValueError, TypeError)) as caught:
        call(tmp_path)
    told(caught.value, name)
    assert not list(tmp_path.glob("*.safetensors*")) and not list(tmp_path.glob(".*"))


def test_what_the_table_refuses_is_not_all():
    "The same calls with sound arguments work: each refusal is due to the argument that it names."
    assert len(trained().history) == 1 and found(torch.eye(4)[ys]).suggestion > 0
    assert transfer.features(glyphnet(), pictures).isfinite().all() and len(tuned(epochs=1)) > 0
    assert descend().test_loss.isfinite().all() and len(climbed()) == 3 and games({}, {}).plies > 0
    assert memorise(xs, ys, (xs, ys), epochs=1, n_hidden=4).train_accuracy.shape == (2, 5)
    assert hinge_fit(x1, y1, 3)(x1[:, None]).isfinite().all()
    assert peek(ys, ys, 2).valid.shape == (200, 2)


def test_a_refused_step_changes_nothing_and_training_goes_on():
    "An error in a step leaves parameters as they were; once data are mended the same run goes on."
    model = net()
    y = ys.clone()
    data, opt = sgd.batches(xs, y, 12, seed=0), sgd.SGD(model.parameters(), 0.1)
    training = sgd.train(model, data, F.cross_entropy, opt, 3)
    next(training)
    before = [p.clone() for p in model.parameters()]
    y[0] = 7
    with pytest.raises(ValueError, match="labels"):
        training.run()
    assert all(torch.equal(p, b) for p, b in zip(model.parameters(), before))


def test_few_are_enough():
    "One datapoint, one class, one batch, one picture: small, and not wrong."
    assert math.isfinite(trained(xs[:1], ys[:1]).history[0]["loss"])
    assert math.isfinite(trained(xs, torch.zeros(12, dtype=torch.int64)).history[0]["loss"])
    assert found(xs[:1], ys[:1], steps=20).suggestion > 0
    assert transfer.features(glyphnet(), pictures[:1]).shape == (1, glyphnet().num_features)
    assert transfer.features(glyphnet(), pictures[:0]).shape == (0, glyphnet().num_features)
    assert transfer.predict(glyphnet(), pictures[:0]).shape == (0, 3)
    one = transfer.pretrained("glyphnet", 3, in_chans=1)
    valid = pictures[1:2], names[1:2]
    run = transfer.fine_tune(one, pictures[:1], names[:1], epochs=1, valid=valid).run()
    assert len(run.history) == 2 and all(math.isfinite(row["valid_loss"]) for row in run.history)
    assert all(p.isfinite().all() for p in one.parameters())
    same = torch.zeros(12, dtype=torch.int64)
    assert descend(y=same, yt=same).test_error.max() == 0


def test_photos_of_one_class_and_of_one_picture(tmp_path):
    written(tmp_path)
    one = photos(tmp_path, size=4, classes=["a"])
    assert len(one) == 2 and one.y.tolist() == [0, 0]
    assert len(photos(tmp_path, {"a/1.png": "x"}, size=4)) == 1


scale = st.floats(-25, 25).map(lambda e: 10.0**e)


@settings(max_examples=settings().max_examples // 2)
@given(scale, scale, st.floats(-1, 1), st.integers(0, 99))
def test_curves_do_not_depend_on_the_units(a, b, shift, seed):
    "Points in other units give the same curve in other units: built, trained, and as polynomials."
    torch.manual_seed(seed)
    x, y = torch.rand(20) * 2 - 1 + shift, torch.randn(20)
    built = hinge_fit(x, y, 6)(x[:, None]).detach()
    again = hinge_fit(x * a, y, 6)((x * a)[:, None]).detach()
    assert torch.allclose(again, built, atol=1e-3 * built.abs().max())
    fitted = polynomial_fits(x, y, [1, 4])(x)
    again = polynomial_fits(x * a, y * b, [1, 4])(x * a) / b
    assert torch.allclose(again, fitted, rtol=1e-3, atol=1e-4)


@settings(max_examples=settings().max_examples // 10)
@given(scale, scale)
def test_training_a_curve_does_not_depend_on_the_units(a, b):
    wanted = fit_network(x1, y1, 4, epochs=5)(x1[:, None]).detach()
    got = fit_network(x1 * a, y1, 4, epochs=5)((x1 * a)[:, None]).detach()
    assert torch.allclose(got, wanted, atol=1e-3)
    got = fit_network(x1, y1 * b, 4, epochs=5)(x1[:, None]).detach() / b
    assert torch.allclose(got, wanted, atol=1e-3)


@given(st.floats(-100, 100).map(lambda e: 10.0**e), st.integers(1, 40))
def test_random_features_do_not_depend_on_the_units(a, width):
    x = xs.double()
    torch.testing.assert_close(random_features(x * a, width)[0], random_features(x, width)[0])


numbers = st.floats(width=32) | st.sampled_from([nan, inf, -inf, 0.0, 1e-45, 3e38, -3e38, 1.0])


@given(st.lists(st.tuples(numbers, numbers), max_size=8), st.integers(-1, 9))
def test_a_curve_through_any_points_is_right_or_refused(points, n):
    x, y = (torch.tensor([p[i] for p in points], dtype=torch.float32) for i in (0, 1))
    try:
        network = hinge_fit(x, y, n)
    except (ValueError, TypeError):
        pass
    else:
        assert network(x[:, None]).isfinite().all()
    try:
        fits = polynomial_fits(x, y, max(n, 0))
    except (ValueError, TypeError):
        pass
    else:
        assert fits(x).isfinite().all()


four = [optimisers.SGD, optimisers.Adam, optimisers.AdamW, optimisers.RMSprop]


@given(st.lists(numbers, min_size=8, max_size=8), st.sampled_from(four),
       st.sampled_from([1e-3, 1.0, 1e10, 1e30]))  # fmt: skip
def test_no_loss_that_is_no_number_is_passed_over(values, optimiser, lr):
    "Whatever data and learning rate: each loss in the history is finite, or an error told."
    model = nn.Linear(2, 1)
    x, y = torch.tensor(values[:6]).view(3, 2), torch.tensor(values[5:])[:, None]
    opt = optimiser(model.parameters(), lr)
    training = sgd.train(model, sgd.batches(x, y, 1, seed=0), mean_square, opt, epochs=4)
    try:
        training.run()
    except FloatingPointError as e:
        told = str(e).lower()  # a sound batch may fail before the one that holds no number
        sound = x.isfinite().all() and y.isfinite().all()
        assert "two things to try" in told or not sound and "expected finite numbers" in told
    else:
        assert all(math.isfinite(row["loss"]) for row in training.history)


dtypes = st.sampled_from([torch.int64, torch.int32, torch.float32])


@given(st.lists(st.integers(-3, 12), min_size=1, max_size=12), dtypes)
def test_labels_are_taken_or_refused_alike_everywhere(values, dtype):
    y = torch.tensor(values).to(dtype)
    sound = dtype == torch.int64 and min(values) >= 0 and max(values) <= 2
    x, drawn = torch.zeros(len(y), 4), torch.zeros(len(y), 1, 8, 8)
    both = lambda: trained(x, y, batch_size=99), lambda: transfer.fine_tune(glyphnet(), drawn, y)
    for call in both:
        try:
            call()
        except (ValueError, TypeError) as e:
            assert not sound, e
            assert "labels" in str(e) or " y:" in str(e)
        else:
            assert sound


shape = 2, 1, 8, 8
images = st.sampled_from([
    torch.zeros(shape), torch.zeros(2, 3, 5, 9, dtype=torch.uint8),
    torch.ones(1, 3, 40, 33, dtype=torch.float64), torch.ones(shape, dtype=torch.float16),
    torch.full(shape, 1e-30), torch.zeros(0, 1, 8, 8), torch.zeros(2, 2, 8, 8), torch.zeros(8, 8),
    torch.full(shape, nan), torch.full((1, 3, 8, 8), 2.0), torch.zeros(shape, dtype=torch.int64),
    torch.zeros(2, 1, 0, 8), torch.zeros(shape, dtype=torch.bool), torch.zeros(1, 1, 1, 1),
    torch.zeros(1, 1, 1, 500), np.zeros(shape, np.float32), "a.png", None,
])  # fmt: skip


@given(images)
def test_features_are_finite_or_refused(x):
    try:
        f = transfer.features(glyphnet(), x)
    except (ValueError, TypeError) as e:
        told(e, "x")
    else:
        assert f.shape == (len(x), glyphnet().num_features)
        assert f.isfinite().all() and f.dtype == torch.float32
