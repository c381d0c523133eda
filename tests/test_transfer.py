"A pretrained model's features, freezing, learning rates, fine-tuning that can be interrupted."

import copy
import inspect
import json
import re
from dataclasses import fields
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
from torch import nn

from dljourney.experiments.transfer import (changed_copies, few_examples, fit_glyphnet, fit_pixels,
                                            fit_probe)
from dljourney.kit.models import bf16_helps
from dljourney.kit.pictures import Preprocess, augment, digits
from dljourney.kit.training import Plan
from dljourney.sgd import SGD
from dljourney.transfer import (confusions, draw_examples, features, fine_tune, freeze, half_cosine,
                                looked_at, param_groups, predict, pretrained, unfreeze, worst)


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
    assert same(values(model), values(source))


# Features


def test_features_are_what_the_head_decides_on(data):
    x = data[0]
    for name in ("glyphnet", "test_convnext", "test_efficientnet", "test_vit"):
        model = pretrained(name, 4, weights=name == "glyphnet",
                           **({} if name == "glyphnet" else {"in_chans": 1}))
        f = features(model, x[:6])
        assert f.shape == (6, model.num_features if name != "test_efficientnet" else f.shape[1])
        assert f.dtype == torch.float32
        with torch.no_grad():
            torch.testing.assert_close(model.get_classifier()(f), predict(model, x[:6]), atol=1e-4,
                                       rtol=1e-3)


def test_features_do_not_depend_on_batches_mode_or_dtype(data):
    model, x = net().train(), data[0][:10]
    before = values(model)
    f = features(model, x)
    assert same(values(model), before) and model.training and not f.requires_grad
    torch.testing.assert_close(features(model, x, batch_size=3), f, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(features(model, (x * 255).round().to(torch.uint8)), f, atol=0.05,
                               rtol=0.05)
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
    assert rates == sorted(rates) and rates[-1] == pytest.approx(1e-2)
    assert rates[-3] == pytest.approx(1e-3)
    assert rates[0] == pytest.approx(1e-3 * 0.5**4)
    for g in groups:
        assert all((p.ndim > 1) == (g["weight_decay"] > 0) for p in g["params"])
    assert {g["name"] for g in param_groups(freeze(model), 1e-3)} == {"head, weights",
                                                                      "head, others"}


# Fine-tuning


def test_fine_tuning_learns_and_tells(data):
    x, y, xt, yt = data
    model = net()
    tuning = fine_tune(model, x, y, valid=(xt, yt), epochs=2, frozen_epochs=12, batch_size=16)
    steps = list(tuning)
    assert len(steps) == len(tuning) == 3 * 14
    assert [r["phase"] for r in tuning.history] == ["head"] * 12 + ["all"] * 2
    assert tuning.history[-1]["accuracy"] > 0.8
    assert tuning.history[-1]["loss"] < tuning.history[0]["loss"]
    assert (predict(model, xt).argmax(1) == yt).float().mean() == pytest.approx(
        tuning.history[-1]["accuracy"], abs=1e-6)
    assert next(iter(tuning), None) is None


def test_the_head_phase_leaves_the_body_alone(data):
    model = net()
    before = values(model)
    fine_tune(model, data[0], data[1], epochs=0, frozen_epochs=2).run()
    after = values(model)
    assert {k for k in after if not torch.equal(after[k], before[k])} == {"fc.weight", "fc.bias"}


def test_cached_features_give_what_the_frozen_model_gives(data):
    x, y, *_ = data
    def same_order(t, generator):  # a change that changes nothing turns the cache off
        return t.float()
    losses = []
    for change in (None, same_order):
        model = net()
        tuning = fine_tune(model, x, y, epochs=0, frozen_epochs=3, batch_size=16, augment=change)
        losses.append([s.loss for s in tuning])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_the_same_seed_gives_the_same_bits(data):
    x, y, *_ = data
    change = partial(augment, flip=False)
    runs = [[(s.loss) for s in fine_tune(net(), x, y, epochs=1, frozen_epochs=1, augment=change,
                                         seed=s)] for s in (3, 3, 4)]
    assert runs[0] == runs[1] != runs[2]


@pytest.mark.parametrize("n_steps", [2, 5, 9])
def test_an_interrupted_run_goes_on_to_the_same_bits(data, tmp_path, n_steps):
    x, y, xt, yt = data
    how = dict(epochs=2, frozen_epochs=2, batch_size=16, augment=partial(augment, flip=False))

    def make(model):
        return fine_tune(model, x, y, valid=(xt, yt), **how)

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
    for step in fine_tune(model, x, y, epochs=1, frozen_epochs=1,
                          optimiser=partial(SGD, momentum=0.9), schedule=None):
        rates.append(step.lr)
    assert len(set(rates[2:])) == 1
    assert half_cosine(0) == pytest.approx(0.1) and half_cosine(1) == 0 and half_cosine(0.1) > 0.9


def test_bfloat16_is_close(data):
    x, y, *_ = data
    a, b = ([s.loss for s in fine_tune(net(), x, y, epochs=1, frozen_epochs=1, bf16=on)]
            for on in (False, True))
    assert a == pytest.approx(b, rel=0.1)
    assert isinstance(bf16_helps(net()), bool) and not bf16_helps(timm.create_model("lcnet_050"))


def test_bfloat16_is_asked_for_only_where_it_is(monkeypatch):
    class Without:
        pass  # torch.ops.mkldnn as it is without oneDNN

    monkeypatch.setattr(torch.ops, "mkldnn", Without())
    assert bf16_helps(net()) is False
    Without._is_mkldnn_bf16_supported = staticmethod(lambda: True)
    assert bf16_helps(net()) is torch.backends.mkldnn.is_available()
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert bf16_helps(net()) is False


def gradient_of(conv, x, bf16):
    conv.zero_grad()
    rubbish = [torch.full((k * conv.weight.numel(),), 7.0) for k in (1, 2) * 3]
    del rubbish
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        y = conv(x)
    y.float().square().sum().backward()
    return conv.weight.grad.clone()


@pytest.mark.parametrize("window, stride, side", [
    (3, 2, 1), (3, 2, 2), (3, 1, 1), (1, 2, 1), (5, 1, 1), (5, 1, 2), (7, 1, 2), (7, 1, 3),
    (3, 3, 2), (3, 3, 3),
    (3, 4, 4),
])  # fmt: skip
def test_bfloat16_is_refused_where_its_gradients_are_wrong(window, stride, side, monkeypatch):
    """In torch 2.15 they hold what the memory held before.

    That is where a convolution sees less than its stride or than half its window."""
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: True, raising=False)
    if not torch.backends.mkldnn.is_available():
        pytest.skip("no oneDNN")
    torch.manual_seed(0)
    conv = nn.Conv2d(128, 128, window, stride, window // 2,
                     bias=False).to(memory_format=torch.channels_last)
    conv.pretrained_cfg = {"input_size": (128, side, side)}
    wants = Preprocess((side, side), 1)
    monkeypatch.setattr(Preprocess, "of", classmethod(lambda cls, model: wants))
    object.__setattr__(wants, "channels", 128)
    takes_bf16 = bf16_helps(conv)
    assert takes_bf16 == (window == 1 or side >= max(stride, window // 2))
    if takes_bf16:
        x = torch.randn(8, 128, side, side).contiguous(memory_format=torch.channels_last)
        want, got = gradient_of(conv, x, False), gradient_of(conv, x, True)
        assert (got - want).abs().max() < 0.05 * want.abs().max()


def test_small_pictures_are_not_trained_on_in_bfloat16(data, monkeypatch):
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: True, raising=False)
    x, y, *_ = data
    assert bf16_helps(net(size=32)) is torch.backends.mkldnn.is_available()
    assert not bf16_helps(net(size=16))
    with pytest.raises(ValueError, match="bf16: expected False for pictures as small as 16 x 16"):
        fine_tune(net(size=16), x, y, bf16=True)
    # the head alone computes no gradients of convolutions
    fine_tune(net(size=16), x, y, bf16=True, epochs=0).run()
    model = net(size=32)
    assert not model._modules["conv1"][0]._forward_pre_hooks  # the question leaves no hooks behind
    # its pictures' size is not known
    assert bf16_helps(nn.Conv2d(3, 3, 3)) is torch.backends.mkldnn.is_available()


def small_timm(name, **kw):
    torch.manual_seed(0)
    return pretrained(name, 3, weights=False, **kw)


few_pictures = (torch.rand(6, 3, 64, 64, generator=torch.Generator().manual_seed(0)),
                torch.tensor([0, 1, 2] * 2))


@pytest.mark.parametrize("name, kw", [
    ("resnetv2_18", {"size": 64}),  # a convolution is the head
    ("poolformer_s12", {"size": 64}),  # does not tell its stages
    ("levit_128s", {}),  # two heads
])  # fmt: skip
def test_heads_and_bodies_of_other_kinds_learn(name, kw):
    x, y = few_pictures
    model = small_timm(name, **kw)
    before = values(model)
    tuning = fine_tune(model, x, y, epochs=1, frozen_epochs=2, batch_size=6)
    next(tuning), next(tuning)
    changed = {k for k, v in values(model).items() if not torch.equal(v, before[k])}
    last = model.get_classifier()
    heads = list(last) if isinstance(last, tuple) else [last]
    of_heads = {n for n, p in model.named_parameters()
                if any(p is q for h in heads for q in h.parameters())}
    assert changed and {n for n in changed if n in dict(model.named_parameters())} <= of_heads
    torch.testing.assert_close(tuning.training.model(features(model, x)), predict(model, x),
                               atol=1e-4, rtol=1e-3)
    tuning.run()
    every = [p for g in param_groups(unfreeze(model), 1e-3) for p in g["params"]]
    assert len(every) == len({id(p) for p in every}) == len(list(model.parameters()))
    assert tuning.history[-1]["phase"] == "all" and len(tuning.history) == 3


def test_a_head_that_cannot_learn_alone_is_refused_at_once_and_the_way_out_works():
    x, y = few_pictures
    # each of its two heads looks at a token of its own
    model = small_timm("deit_tiny_distilled_patch16_224", size=64)
    with pytest.raises(ValueError,
                       match=r"model: the head of .* fine_tune\(..., frozen_epochs=0\)"):
        fine_tune(model, x, y)
    before = values(model)
    fine_tune(model, x, y, frozen_epochs=0, epochs=1).run()
    assert not torch.equal(model.head_dist.weight, before["head_dist.weight"])


def test_too_many_stages_are_refused_before_anything_is_trained(data):
    x, y, *_ = data
    for last, message in ((99, "last: expected 0 to 5 stages, got"),
                          (-1, "last: expected 0 or more"), (1.5, "last")):
        with pytest.raises((TypeError, ValueError), match=message):
            fine_tune(net(), x, y, last=last)


@pytest.mark.parametrize("saved, given, n_steps", [((1, 1), (0, 1), 3), ((0, 2), (1, 1), 1),
                                                   ((2, 1), (2, 0), 5)])
def test_a_run_of_other_phases_is_refused_and_changes_nothing(data, saved, given, n_steps,
                                                              tmp_path):
    x, y, *_ = data

    def make(phases): return fine_tune(net(), x, y, frozen_epochs=phases[0], epochs=phases[1])

    def counted(run): return {k: v for k, v in run.state_dict().items() if k != "training"}

    run = make(saved)
    for _ in range(n_steps):
        next(run)
    run.save(tmp_path / "run.safetensors")
    other = make(given)
    next(other)
    training = other.training
    before = other.phase, other.step, other.history, counted(other)
    with pytest.raises(ValueError, match="frozen_epochs it was saved with"):
        other.resume(tmp_path / "run.safetensors")
    assert other.training is training
    assert (other.phase, other.step, other.history, counted(other)) == before
    other.run()
    assert other.step == len(other)


def test_classes_are_counted_by_the_model_and_not_by_what_it_notes(data):
    "A head that was replaced by hand leaves `num_classes` as it was."
    x, y, *_ = data
    for old, new in ((2, 4), (9, 4)):
        model = net(old)
        model.fc = nn.Linear(model.num_features, new)
        assert model.num_classes == old
        fine_tune(model, x, y, epochs=1).run()
        with pytest.raises(ValueError, match="training y: expected class numbers from 0 to 3"):
            fine_tune(model, x, y + 1)


@pytest.mark.parametrize("frozen_epochs", [0, 1])
def test_a_model_that_cannot_take_the_pictures_is_refused_at_once(data, frozen_epochs):
    model = net(in_chans=1)
    model.conv1 = nn.Conv2d(5, 64, 3)
    with pytest.raises((RuntimeError, ValueError), match="channels"):
        fine_tune(model, *data[:2], frozen_epochs=frozen_epochs)


def test_the_chapters_step_is_the_one_that_is_made(data):
    ("`learn` is called in both phases, once a step; another one, here with clipping, takes its "
     "place.")
    x, y, *_ = data
    asked = []

    def clipped(model, batch, loss_func, opt):
        *inputs, labels = batch
        loss = loss_func(model(*inputs), labels)
        opt.zero_grad()
        loss.backward()
        asked.append(len(labels))
        nn.utils.clip_grad_norm_(model.parameters(), 1e-9)
        opt.step()
        return loss.detach()

    mine, plain = net(), net()
    before = values(mine)
    still = partial(SGD, weight_decay=0.0)
    for model, more in ((mine, {"learn": clipped}), (plain, {})):
        def groups(gs): return still([{**g, "weight_decay": 0.0} for g in gs])
        fine_tune(model, x, y, batch_size=16, epochs=1, optimiser=groups, **more).run()
    assert asked == [16, 16, 8] * 2
    def far(m): return max(float((m.state_dict()[k] - v).abs().max()) for k, v in before.items())
    assert far(mine) < 1e-7 < 1e-4 < far(plain)


def test_a_schedule_is_an_assignment_before_each_step(data):
    x, y, *_ = data
    rates = {"half": lambda p: 0.5, "none": None, "by_hand": None}
    seen = {}
    for name, schedule in rates.items():
        run = fine_tune(net(), x, y, epochs=1, batch_size=16, schedule=schedule)
        seen[name] = []
        for step in run:
            seen[name].append(step.lr)
            if name == "by_hand":
                for group in run.training.opt.param_groups:
                    group["lr"] = 0.0
    assert seen["half"] == [lr / 2 for lr in seen["none"]]
    assert [lr > 0 for lr in seen["by_hand"]] == [True, False, False] * 2


def test_a_recipe_holds_what_fine_tune_is_given():
    given = inspect.signature(fine_tune).parameters
    assert list(given) == [f.name for f in fields(Plan)]


def test_the_text_tells_on_which_side_of_the_found_rate_ours_is():
    file = Path(__file__).parent.parent / "nbs/08_transfer.ipynb"
    cells = json.loads(file.read_text("utf-8"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", ())]
    said = "".join("".join(output.get("text", "")) for output in outputs)
    (found,) = re.findall(r"for param_groups: lr = ([0-9.]+)", said)
    assert float(found) > 1e-3, "section 11 says that the rate 0.001 of 6 and 12 stays below it"


def test_a_run_of_runs_tells_what_its_runs_tell(data):
    x, y, xt, yt = data
    tuning = fine_tune(net(), x, y, valid=(xt, yt), epochs=2, frozen_epochs=1, batch_size=16)
    told, n, last = [], 0, None
    for step in tuning:
        n += 1
        if tuning.training is not last:
            told, last = [*tuning.history], tuning.training
        rows = [{"phase": tuning.phase, **row} for row in tuning.training.history]
        assert tuning.history == told[: len(tuning.history) - len(rows)] + rows
        assert tuning.step == n and step.step == tuning.training.step
    assert n == len(tuning) == 9


def test_wrong_arguments_are_named(data):
    x, y, *_ = data
    model = net()
    for bad, message in [(dict(x=x[0]), "training x"), (dict(y=y[:-1]), "one label for each"),
                         (dict(y=y + 10), "class numbers from 0 to 3"),
                         (dict(y=y.float()), "labels, int64"),
                         (dict(x=x[:0], y=y[:0]), "one picture or more"),
                         (dict(x=x * 9), r"floats in \[0, 1\]"),
                         (dict(x=x * float("nan")), r"floats in \[0, 1\]"),
                         (dict(valid=(x, y - 1)), "valid y")]:
        with pytest.raises((TypeError, ValueError), match=message):
            fine_tune(model, **{"x": x, "y": y, **bad})


# Judging


@pytest.mark.parametrize("valid", [0.2, 1, "0.2", torch.zeros(2, 1, 32, 32),
                                   (torch.zeros(2, 1, 32, 32),), [None] * 3])
def test_what_is_no_pair_of_held_out_images_and_labels_is_named(data, valid):
    told = r"valid: expected .*valid=\(x_valid, y_valid\), got .*train_valid_split"
    with pytest.raises(TypeError, match=told):
        fine_tune(net(in_chans=1), *data[:2], valid=valid)


def test_numbers_may_come_from_numpy(data):
    x, y, xv, yv = data
    assert torch.equal(features(net(in_chans=1), x, np.int64(8)), features(net(in_chans=1), x, 8))
    assert torch.equal(draw_examples(y, np.int64(2), np.int64(3)), draw_examples(y, 2, 3))
    assert torch.equal(changed_copies(x, y, np.uint8(3))[0], changed_copies(x, y, 3)[0])
    rows = []
    for kind in (int, np.int64):
        given = {k: kind(n) for k, n in dict(epochs=1, frozen_epochs=1, batch_size=16, seed=5,
                                             last=2).items()}
        rows.append(fine_tune(net(in_chans=1), x, y, valid=(xv[:20], yv[:20]), augment=augment,
                              **given).run().history)
    assert rows[0] == rows[1]
    for name in ("epochs", "batch_size", "seed"):
        with pytest.raises(TypeError, match=f"{name}: expected a whole number"):
            fine_tune(net(in_chans=1), x, y, **{name: 1.5})
    for bad, error in ((-1, ValueError), (0.5, TypeError)):
        for call in (draw_examples, changed_copies, fit_pixels):
            with pytest.raises(error, match="seed: expected"):
                call(y, 1, bad) if call is draw_examples else call(x, y, bad)


fits = [partial(f, copies=copies) for f in (fit_pixels, fit_probe) for copies in (True, False)]
fits.append(partial(fit_glyphnet, steps=2))


@pytest.mark.parametrize("fit", fits, ids=["pixels", "pixels alone", "probe", "probe alone",
                                           "network"])
def test_pixels_of_another_range_are_refused_and_bytes_are_understood(data, fit):
    x, y, xv, _ = data
    for bad in (x * 255, x * 16, x / 0):
        with pytest.raises(ValueError, match="x: expected floats in"):
            fit(bad, y, 0)
    with pytest.raises(ValueError, match="x: expected one picture or more"):
        fit(x[:0], y[:0], 0)
    with pytest.raises(ValueError, match="y: expected one label for each"):
        fit(x, y[1:], 0)
    say = fit(x, y, 0)
    with pytest.raises(ValueError, match="x: expected floats in"):
        say(xv * 255)
    def as_bytes(x): return (x * 255).round().byte()
    alike = fit(as_bytes(x), y, 0)(as_bytes(xv)) == say(xv)
    assert alike.float().mean() > 0.95


def test_changed_copies_of_bytes_are_those_of_the_same_floats(data):
    x = (data[0] * 255).round().byte()
    got, want = (changed_copies(t, data[1], 0) for t in (x, x.float() / 255))
    assert torch.equal(got[0], want[0]) and got[0].max() <= 1 and torch.equal(got[1], want[1])


def test_what_has_a_seed_of_its_own_leaves_the_global_random_numbers_alone(data):
    x, y, xv, _ = data
    torch.manual_seed(7)
    before, said = torch.get_rng_state(), []
    for _ in range(2):
        said.append([fit_glyphnet(x, y, 3, steps=8, weights=weights)(xv)
                     for weights in (True, False)])
        said[-1].append(fit_probe(x, y, 3)(xv))
        assert torch.equal(torch.get_rng_state(), before)
        torch.rand(3)  # what was thrown before changes nothing
        before = torch.get_rng_state()
    assert all(torch.equal(a, b) for a, b in zip(*said))


def test_confusions_and_worst():
    y = torch.tensor([0, 0, 1, 2, 2])
    scores = torch.tensor([[9.0, 0, 0], [0, 9, 0], [0, 5, 0], [0, 0, 1], [3, 0, 0]])
    want = torch.tensor([[1, 1, 0], [0, 1, 0], [1, 0, 1]])
    assert torch.equal(confusions(scores, y),
                       want) and torch.equal(confusions(scores.argmax(1), y, 3), want)
    found = worst(scores, y, 2)
    assert found.which.tolist() == [1, 4] and found.said.tolist() == [1, 0]
    torch.testing.assert_close(found.loss[0], F.cross_entropy(scores[1:2], y[1:2]))
    assert found.probability[0] == pytest.approx(scores[1].softmax(0).max().item())
    with pytest.raises(ValueError, match="n_classes"):
        confusions(scores.argmax(1), y)
    with pytest.raises(ValueError, match="as many"):
        confusions(scores, y[:2])
    with pytest.raises(ValueError, match="scores: expected class numbers from 0 to 2, got 0 to 3"):
        confusions(torch.tensor([0, 3, 0]), torch.tensor([0, 0, 1]), 3)
    with pytest.raises(ValueError, match="y: expected class numbers from 0 to 2, got -1"):
        confusions(scores, y - 1)


def test_the_experiment_tells_what_was_tuned():
    with pytest.raises(ValueError,
                       match=r"counts: expected .* \[1, 2, 5, 10, 20\] or None, got \(3,\)"):
        few_examples(0, counts=(3,))
    x, y = torch.rand(50, 1, 8, 8), torch.arange(50) % 10
    for n_max, copies in ((2000, 16), (120, 2), (49, 0)):
        assert len(changed_copies(x, y, 0, n_max)[0]) == len(x) * (1 + copies)
        assert copies * len(x) <= n_max


def test_looked_at_finds_the_place_that_matters():
    model = net(2, in_chans=1, weights=False)

    class Corner(nn.Module):
        def forward(self, x):
            return torch.stack([x[:, 0, :8, :8].mean((1, 2)) * 5, torch.zeros(len(x))], 1)

    model.forward = Corner().forward
    heat = looked_at(model, torch.zeros(1, 32, 32).index_fill(1, torch.arange(8), 1.0), cells=4)
    assert heat.shape == (4, 4) and heat.argmax() == 0 and heat[2:, 2:].abs().max() < 1e-6
