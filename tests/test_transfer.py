"Starting from a pretrained model: features, freezing, learning rates, fine-tuning that can be interrupted."

import copy
from functools import partial

import pytest
import timm
import torch
import torch.nn.functional as F
from torch import nn

from dljourney.kit.data import digits
from dljourney.kit.images import Preprocess
from dljourney.kit.photos import augment
from dljourney.sgd import SGD
from dljourney.transfer import (
    bf16_helps,
    confusions,
    features,
    fine_tune,
    freeze,
    half_cosine,
    looked_at,
    param_groups,
    predict,
    pretrained,
    unfreeze,
    worst,
)


def net(num_classes=4, **kw):
    torch.manual_seed(0)
    return pretrained("glyphnet", num_classes, **kw)


@pytest.fixture(scope="module")
def data():
    (x, y), _, (xt, yt) = digits()
    few = (y < 4).nonzero()[:40, 0]
    held = (yt < 4).nonzero()[::6, 0]  # from beginning to end: writers follow one another
    return x[few], y[few], xt[held], yt[held]


def values(model):
    return {k: v.clone() for k, v in model.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(v, b[k]) for k, v in a.items())


# Pretrained


def test_pretrained_makes_timm_models():
    assert pretrained().num_classes == pretrained("glyphnet", weights=False).num_classes > 1000
    grey = net(3, in_chans=1)
    assert grey(torch.zeros(2, 1, 32, 32)).shape == (2, 3)
    assert Preprocess.of(net(3, size=48)).size == (48, 48)
    vit = pretrained("test_vit", 3, size=64, weights=False)
    assert vit(torch.zeros(1, 3, 64, 64)).shape == (1, 3)
    with pytest.raises(ValueError, match="no model 'resnet181'.*resnet18"):
        pretrained("resnet181"[:9])


def test_pretrained_weights_are_not_random():
    a, b, c = net(), net(), net(weights=False)
    assert torch.equal(a.layer1[0].conv1.weight, b.layer1[0].conv1.weight)
    assert not torch.equal(a.layer1[0].conv1.weight, c.layer1[0].conv1.weight)


def test_weights_of_ones_own(tmp_path):
    import safetensors.torch

    source = timm.create_model("test_resnet", num_classes=7)
    safetensors.torch.save_file(source.state_dict(), tmp_path / "w.safetensors")
    model = pretrained("test_resnet", 7, weights=tmp_path / "w.safetensors")
    body = lambda m: {k: v for k, v in values(m).items() if not k.startswith("fc.")}
    assert same(body(model), body(source))  # the head is always new, as timm has it


# Features


def test_features_are_what_the_head_decides_on(data):
    x = data[0]
    for name in ("glyphnet", "test_convnext", "test_efficientnet", "test_vit"):
        model = pretrained(name, 4, weights=name == "glyphnet", **({} if name == "glyphnet" else {"in_chans": 1}))
        f = features(model, x[:6])
        assert (
            f.shape == (6, model.num_features if name != "test_efficientnet" else f.shape[1])
            and f.dtype == torch.float32
        )
        with torch.no_grad():
            torch.testing.assert_close(model.get_classifier()(f), predict(model, x[:6]), atol=1e-4, rtol=1e-3)


def test_features_do_not_depend_on_batches_mode_or_dtype(data):
    model, x = net().train(), data[0][:10]
    before = values(model)
    f = features(model, x)
    assert same(values(model), before) and model.training and not f.requires_grad
    torch.testing.assert_close(features(model, x, batch_size=3), f, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(features(model, (x * 255).round().to(torch.uint8)), f, atol=0.05, rtol=0.05)
    torch.testing.assert_close(features(model, x.expand(-1, 3, -1, -1)), f, atol=1e-4, rtol=1e-3)
    with pytest.raises(ValueError, match="x: expected images"):
        features(model, x[0])


# Freezing


def learning(model):
    return {n for n, p in model.named_parameters() if p.requires_grad}


def test_freeze_leaves_only_the_head():
    model = freeze(net())
    assert learning(model) == {"fc.weight", "fc.bias"}
    assert learning(unfreeze(model)) == {n for n, _ in model.named_parameters()}
    assert {n.split(".")[0] for n in learning(unfreeze(model, 2))} == {"layer3", "layer4", "fc"}
    with pytest.raises(ValueError, match="last: expected 0 to 5"):
        unfreeze(model, 9)
    with pytest.raises(ValueError, match="head"):
        freeze(nn.Sequential(nn.Linear(3, 3)))


def test_frozen_batchnorm_stays_whatever_the_mode(data):
    x = Preprocess.of(net())(data[0])
    model = freeze(net()).train()
    before = values(model)
    first = model(x)
    model.train()(x)
    assert same(values(model), before)
    torch.testing.assert_close(model.eval()(x), first)
    copied = copy.deepcopy(model).train()
    copied(x)
    assert same(values(copied), before)
    unfreeze(model, batch_norm=True).train()(x)
    assert not torch.equal(model.bn1.running_mean, before["bn1.running_mean"])
    unfreeze(model, 1, batch_norm=True).train()
    before = values(model)
    model(x)
    assert torch.equal(model.bn1.running_mean, before["bn1.running_mean"])  # its stage is frozen
    assert not torch.equal(model.layer4[0].bn1.running_mean, before["layer4.0.bn1.running_mean"])


def test_param_groups_hold_every_parameter_once_and_rise_towards_the_head():
    model = net()
    groups = param_groups(model, 1e-3, head=10, decay=0.5)
    ids = [id(p) for g in groups for p in g["params"]]
    assert len(ids) == len(set(ids)) == len(list(model.parameters()))
    rates = [g["lr"] for g in groups]
    assert rates == sorted(rates) and rates[-1] == pytest.approx(1e-2) and rates[-3] == pytest.approx(1e-3)
    assert rates[0] == pytest.approx(1e-3 * 0.5**4)
    for g in groups:
        assert all((p.ndim > 1) == (g["weight_decay"] > 0) for p in g["params"])
    assert {g["name"] for g in param_groups(freeze(model), 1e-3)} == {"head, weights", "head, others"}


# Fine-tuning


def test_fine_tuning_learns_and_tells(data):
    x, y, xt, yt = data
    model = net()
    tuning = fine_tune(model, x, y, valid=(xt, yt), epochs=2, frozen_epochs=12, batch_size=16)
    steps = list(tuning)
    assert len(steps) == len(tuning) == 3 * 14
    assert [r["phase"] for r in tuning.history] == ["head"] * 12 + ["all"] * 2
    assert tuning.history[-1]["accuracy"] > 0.8 and tuning.history[-1]["loss"] < tuning.history[0]["loss"]
    assert (predict(model, xt).argmax(1) == yt).float().mean() == pytest.approx(
        tuning.history[-1]["accuracy"], abs=1e-6
    )
    assert next(iter(tuning), None) is None


def test_the_head_phase_leaves_the_body_alone(data):
    model = net()
    before = values(model)
    fine_tune(model, data[0], data[1], epochs=0, frozen_epochs=2).run()
    after = values(model)
    assert {k for k in after if not torch.equal(after[k], before[k])} == {"fc.weight", "fc.bias"}


def test_cached_features_give_what_the_frozen_model_gives(data):
    x, y, *_ = data
    same_order = lambda t, generator: t.float()  # a change that changes nothing turns the cache off
    losses = []
    for change in (None, same_order):
        model = net()
        tuning = fine_tune(model, x, y, epochs=0, frozen_epochs=3, batch_size=16, augment=change)
        losses.append([s.loss for s in tuning])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_the_same_seed_gives_the_same_bits(data):
    x, y, *_ = data
    change = partial(augment, flip=False)
    runs = [
        [(s.loss) for s in fine_tune(net(), x, y, epochs=1, frozen_epochs=1, augment=change, seed=s)] for s in (3, 3, 4)
    ]
    assert runs[0] == runs[1] != runs[2]


@pytest.mark.parametrize("n_steps", [2, 5, 9])
def test_an_interrupted_run_goes_on_to_the_same_bits(data, tmp_path, n_steps):
    x, y, xt, yt = data
    make = lambda model: fine_tune(
        model, x, y, valid=(xt, yt), epochs=2, frozen_epochs=2, batch_size=16, augment=partial(augment, flip=False)
    )
    whole = net()
    full = make(whole).run()
    part = make(net())
    for _ in range(n_steps):
        next(part)
    part.save(tmp_path / "part.safetensors")
    model = net()
    torch.manual_seed(77)
    rest = make(model).resume(tmp_path / "part.safetensors").run()
    assert same(values(model), values(whole)) and rest.history == full.history


def test_stop_ends_it(data):
    tuning = fine_tune(net(), data[0], data[1], epochs=3, frozen_epochs=1)
    next(tuning)
    assert list(tuning.stop()) == []


def test_only_the_last_stages_learn_when_asked(data):
    model = net()
    before = values(model)
    fine_tune(model, data[0], data[1], epochs=1, frozen_epochs=0, last=1).run()
    changed = {k.split(".")[0] for k, v in values(model).items() if not torch.equal(v, before[k])}
    assert changed == {"layer4", "fc"}


def test_other_optimisers_schedules_and_models(data):
    x, y, *_ = data
    model = pretrained("test_vit", 4, weights=False, in_chans=1)
    rates = []
    for step in fine_tune(model, x, y, epochs=1, frozen_epochs=1, optimiser=partial(SGD, momentum=0.9), schedule=None):
        rates.append(step.lr)
    assert len(set(rates[2:])) == 1
    assert half_cosine(0) == pytest.approx(0.1) and half_cosine(1) == 0 and half_cosine(0.1) > 0.9


def test_bfloat16_is_close(data):
    x, y, *_ = data
    a, b = ([s.loss for s in fine_tune(net(), x, y, epochs=1, frozen_epochs=1, bf16=on)] for on in (False, True))
    assert a == pytest.approx(b, rel=0.1)
    assert isinstance(bf16_helps(net()), bool) and not bf16_helps(timm.create_model("lcnet_050"))


def test_wrong_arguments_are_named(data):
    x, y, *_ = data
    model = net()
    for bad, message in [
        (dict(x=x[0]), "training x"),
        (dict(y=y[:-1]), "one label for each"),
        (dict(y=y + 10), "class numbers from 0 to 3"),
        (dict(y=y.float()), "labels, int64"),
        (dict(x=x[:0], y=y[:0]), "one picture or more"),
        (dict(x=x * 9), r"floats in \[0, 1\]"),
        (dict(x=x * float("nan")), r"floats in \[0, 1\]"),
        (dict(valid=(x, y - 1)), "valid y"),
    ]:
        with pytest.raises((TypeError, ValueError), match=message):
            fine_tune(model, **{"x": x, "y": y, **bad})


# Judging


def test_confusions_and_worst():
    y = torch.tensor([0, 0, 1, 2, 2])
    scores = torch.tensor([[9.0, 0, 0], [0, 9, 0], [0, 5, 0], [0, 0, 1], [3, 0, 0]])
    want = torch.tensor([[1, 1, 0], [0, 1, 0], [1, 0, 1]])
    assert torch.equal(confusions(scores, y), want) and torch.equal(confusions(scores.argmax(1), y, 3), want)
    found = worst(scores, y, 2)
    assert found.which.tolist() == [1, 4] and found.said.tolist() == [1, 0]
    torch.testing.assert_close(found.loss[0], F.cross_entropy(scores[1:2], y[1:2]))
    assert found.probability[0] == pytest.approx(scores[1].softmax(0).max().item())
    with pytest.raises(ValueError, match="n_classes"):
        confusions(scores.argmax(1), y)
    with pytest.raises(ValueError, match="as many"):
        confusions(scores, y[:2])


def test_looked_at_finds_the_place_that_matters():
    model = net(2, in_chans=1, weights=False)

    class Corner(nn.Module):
        def forward(self, x):
            return torch.stack([x[:, 0, :8, :8].mean((1, 2)) * 5, torch.zeros(len(x))], 1)

    model.forward = Corner().forward
    heat = looked_at(model, torch.zeros(1, 32, 32).index_fill(1, torch.arange(8), 1.0), cells=4)
    assert heat.shape == (4, 4) and heat.argmax() == 0 and heat[2:, 2:].abs().max() < 1e-6
