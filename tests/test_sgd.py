"The laws of dljourney.sgd and dljourney.optimisers: slopes, batches, runs, learning rates."
import collections
import copy
import itertools
import math
import subprocess
import sys
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_house import chapters
from torch import nn
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

from dljourney import optimisers, sgd
from dljourney.kit.training.state import copied
from dljourney.optimisers import Adam, AdamW, lr_find
from dljourney.sgd import Value, accuracy, batches, minibatches, numerical_gradient, train

few = settings(max_examples=25, deadline=None, derandomize=True)


def problem(seed=0, n=50):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 3, generator=generator)
    return x, (x[:, 0] + 0.5 * torch.randn(n, generator=generator) > 0).long()


def network(seed=0, dropout=0.3):
    torch.manual_seed(seed)
    hidden = nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(dropout)
    return nn.Sequential(*hidden, nn.Linear(8, 2))


def run(kind="batches", seed=0, epochs=3, optimiser=AdamW, **options):
    "Dropout, batch norm, an optimiser with a state: all that a resumed run could get wrong."
    x, y = problem()
    model = network(seed)
    data = {"batches": lambda: batches(x, y, 8, seed=seed),
            "list": lambda: list(batches(x, y, 8, seed=7)),
            "loader": lambda: DataLoader(TensorDataset(x, y), batch_size=8, shuffle=True)}[kind]()
    options = dict(valid=(x, y), metrics=[accuracy], keep_best=True) | options
    opt = optimiser(model.parameters(), lr=0.05)
    return train(model, data, F.cross_entropy, opt, epochs, **options)


def same_parameters(a, b):
    both = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(p, q) for p, q in both)


# Backpropagation by hand


def calculated(ops, leaves, add, multiply, relu):
    "Ops (which, place, place) over a growing list of numbers: all of them, the result is the last."
    numbers = list(leaves)
    for which, i, j in ops:
        a, b = numbers[i % len(numbers)], numbers[j % len(numbers)]
        numbers.append({"+": add, "*": multiply, "relu": lambda a, b: relu(a)}[which](a, b))
    return numbers


halves = st.integers(-8, 8).map(lambda n: n / 2)
ops = st.lists(st.tuples(st.sampled_from(["+", "*", "relu"]), st.integers(0, 9), st.integers(0, 9)),
               min_size=1, max_size=8)


@few
@given(ops, st.lists(halves, min_size=1, max_size=4), st.integers(1, 3))
@example([("*", 0, 0), ("+", 1, 1), ("*", 2, 0)], [3.0], 2)
@example([("relu", 0, 0)], [0.0], 1)
def test_backpropagation_by_hand_is_torch_s(ops, leaves, times):
    "Numbers used once, twice or never, relu at 0, and `backward` called again: the leaves add up."
    ours = calculated(ops, map(Value, leaves), Value.__add__, Value.__mul__, Value.relu)
    tensors = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in leaves]
    theirs = calculated(ops, tensors, torch.add, torch.mul, torch.relu)
    inner = [t for t in theirs if not t.is_leaf]
    assert [v.data for v in ours] == [t.item() for t in theirs]
    for _ in range(times):
        ours[-1].backward()
        found = torch.autograd.grad(theirs[-1], inner, retain_graph=True, allow_unused=True)
        theirs[-1].backward(retain_graph=True)
    n = len(leaves)
    assert [v.grad for v in ours[:n]] == [0.0 if t.grad is None else t.grad.item() for t in tensors]
    assert [v.grad for v in ours[n:]] == [0.0 if g is None else g.item() for g in found]


def test_a_leaf_s_own_backward_adds_one_as_torch_s_does():
    ours, theirs = Value(2.0), torch.tensor(2.0, requires_grad=True)
    for _ in range(2):
        ours.backward()
        theirs.backward()
    assert ours.grad == theirs.grad.item() == 2


def test_a_result_that_was_walked_back_may_be_used_on():
    "A second result that stands on the first one meets no slopes of the first walk."
    a = Value(3.0)
    square = a * a
    square.backward()
    (square * square).backward()
    assert a.grad == 6 + 4 * 27 and square.grad == 2 * 9


def test_a_long_chain_walks_back():
    "No limit on how deep: more operations than Python's calls may be nested."
    n = 10 * sys.getrecursionlimit()
    start = end = Value(1.0)
    for _ in range(n):
        end = end + start
    end.backward()
    assert start.grad == n + 1


# Gradients


def test_numerical_gradient_knows_published_values():
    "The example in micrograd's README: 24.7041, 138.8338, 645.5773."
    def f(w):
        a, b = w[0], w[1]
        c, d = a + b, a * b + b**3
        c = c + c + 1
        c = c + 1 + c + (-a)
        d = d + d * 2 + (b + a).relu()
        d = d + 3 * d + (b - a).relu()
        e = c - d
        f = e**2
        return f / 2.0 + 10.0 / f

    w = torch.tensor([-4.0, 2.0], dtype=torch.float64)
    assert f(w).item() == pytest.approx(24.7041, abs=5e-5)
    assert numerical_gradient(f, w).tolist() == pytest.approx([138.8338, 645.5773], abs=5e-4)


@few
@given(st.lists(st.integers(0, 3), max_size=3), st.booleans(), st.integers(0, 99))
def test_numerical_gradient_agrees_with_autograd(shape, several, seed):
    torch.manual_seed(seed)
    made = partial(torch.randn, dtype=torch.float64, requires_grad=True)
    tensors = [made(shape) for _ in range(2 if several else 1)]
    def f(ts): return sum((t.sin() * t.exp()).sum() for t in (ts if several else [ts]))
    params = tensors if several else tensors[0]
    expected = torch.autograd.grad(f(params), tensors)
    found = numerical_gradient(f, params)
    torch.testing.assert_close(found if several else [found], list(expected), rtol=1e-7, atol=1e-8)
    assert all(t.requires_grad and t.grad is None for t in tensors)


def test_numerical_gradient_refuses_whole_numbers():
    with pytest.raises(TypeError, match="float"):
        numerical_gradient(lambda w: w.sum(), torch.tensor([1, 2]))


# Mini-batches


@given(st.integers(0, 300), st.integers(1, 350), st.booleans(), st.integers(0, 5))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_an_epoch_deals_each_datapoint_once(n, batch_size, shuffle, seed):
    found = list(minibatches(n, batch_size, shuffle, torch.Generator().manual_seed(seed)))
    assert sorted(i for batch in found for i in batch.tolist()) == list(range(n))
    assert all(len(batch) == batch_size for batch in found[:-1])
    assert all(0 < len(batch) <= batch_size for batch in found[-1:])
    data = batches(torch.arange(n), torch.arange(n) * 2, batch_size, shuffle=shuffle, seed=seed)
    epochs = [list(data), list(data)]
    for epoch in epochs:
        assert len(epoch) == len(data) == len(found)
        assert sorted(i for xb, _ in epoch for i in xb.tolist()) == list(range(n))
        assert all(torch.equal(yb, 2 * xb) for xb, yb in epoch)
    if not shuffle: assert [i for xb, _ in epochs[0] for i in xb.tolist()] == list(range(n))


def test_batches_are_shuffled_anew_and_repeatable():
    x = torch.arange(100)
    twice = batches(x, x, 7, seed=1), batches(x, x, 7, seed=1)
    epochs = [epoch for data in twice for epoch in (data, data)]
    orders = [torch.cat([xb for xb, _ in epoch]).tolist() for epoch in epochs]
    assert orders[0] == orders[2] and orders[1] == orders[3]
    assert orders[0] != orders[1] != list(range(100))
    torch.manual_seed(0)
    first = batches(x, x, 7)
    torch.manual_seed(0)
    assert torch.equal(next(iter(first))[0], next(iter(batches(x, x, 7)))[0])


def test_large_data_are_dealt_in_the_same_order(monkeypatch):
    x = torch.randn(50, 2)
    small = [xb for xb, _ in batches(x, x, 8, seed=0)]
    big = batches(x, x, 8, seed=0)
    monkeypatch.setattr(torch.Tensor, "nbytes", property(lambda t: 1 << 40))
    assert all(torch.equal(a, b) for a, (b, _) in zip(small, big, strict=True))


@pytest.mark.parametrize("make, message", [
    (lambda: batches([1], torch.ones(1), 2), "x: expected a tensor"),
    (lambda: batches(torch.ones(2), torch.ones(3), 2), "2 inputs and 3 labels"),
    (lambda: batches(torch.ones(2), torch.ones(2), 0), "batch_size"),
    (lambda: minibatches(5, 0), "batch_size"),
    (lambda: accuracy(torch.ones(3), torch.ones(3)), r"\(3,\) and \(3,\)"),
])
def test_wrong_data_are_refused(make, message):
    with pytest.raises((TypeError, ValueError), match=message): make()


# A training run


@pytest.mark.parametrize("kind", ["batches", "loader"])
def test_it_does_what_the_bare_loop_does(kind):
    training = run(kind, valid=None, metrics=(), keep_best=False)
    losses = [step.loss for step in training]
    bare = run(kind, valid=None, metrics=(), keep_best=False)
    expected = []
    for _ in range(3):
        for xb, yb in bare.batches:
            loss = F.cross_entropy(bare.model(xb), yb)
            bare.opt.zero_grad()
            loss.backward()
            bare.opt.step()
            expected.append(loss.item())
    assert losses == expected and same_parameters(training.model, bare.model)
    assert len(training) == len(losses) == training.step == 21 and training.epoch == 3


def test_steps_tell_what_happened():
    training = run()
    steps = list(training)
    ends = [s for s in steps if s.is_epoch_end]
    assert [s.step for s in steps] == list(range(1, 22)) and [s.epoch for s in ends] == [1, 2, 3]
    assert [s.valid_loss for s in ends] == [row["valid_loss"] for row in training.history]
    assert [s.accuracy for s in ends] == [row["accuracy"] for row in training.history]
    assert all(s.lr == 0.05 for s in steps)
    assert "Step(" in repr(steps[0]) and "epoch 3 of 3" in repr(training)
    with pytest.raises(AttributeError, match="epoch's end"): _ = steps[0].accuracy
    with pytest.raises(AttributeError, match="not measured"): _ = ends[0].precision
    assert next(training, None) is None


def test_means_are_weighted_by_datapoints():
    x = torch.arange(10.0)[:, None]
    model = nn.Linear(1, 1)
    nn.init.zeros_(model.weight), nn.init.zeros_(model.bias)
    opt = sgd.SGD(model.parameters(), lr=0.0)
    ragged = [(x[:7], x[:7]), (x[7:], x[7:])]

    def mean_error(p, y): return (p - y).abs().mean()
    training = train(model, ragged, F.mse_loss, opt, valid=ragged, metrics=[mean_error]).run()
    row = training.history[0]
    assert row["loss"] == pytest.approx((x**2).mean().item()) == pytest.approx(row["valid_loss"])
    assert row["mean_error"] == pytest.approx(4.5)
    assert training.history[0]["valid_loss"] == pytest.approx(
        train(model, ragged, F.mse_loss, opt, valid=(x, x)).run().history[0]["valid_loss"])


@pytest.mark.parametrize("kind", ["batches", "loader", "list"])
@pytest.mark.parametrize("after", [0, 1, 6, 7, 8, 20, 21])
def test_a_resumed_run_is_the_same_to_the_last_bit(tmp_path, kind, after):
    whole = run(kind)
    expected = [step.loss for step in whole]
    first = run(kind)
    losses = [step.loss for step in itertools.islice(first, after)]
    path = first.save(tmp_path / "run.safetensors")
    torch.manual_seed(99)
    second = run(kind, seed=5) if kind != "list" else run(kind)
    assert second.resume(path) is second
    losses += [step.loss for step in second]
    assert losses == expected and same_parameters(whole.model, second.model)
    assert second.history == whole.history and second.best_epoch == whole.best_epoch
    assert [p.name for p in tmp_path.iterdir()] == ["run.safetensors"]


def test_a_state_in_memory_is_a_copy():
    training = run()
    next(training)
    state = training.state_dict()
    once = [step.loss for step in training]
    training.load_state_dict(state)
    assert [step.loss for step in training] == once
    training.load_state_dict(state)
    assert [step.loss for step in training] == once


def test_a_foreign_file_is_refused(tmp_path):
    from safetensors.torch import save_file

    save_file({"a": torch.ones(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="Training.save"):
        run().resume(tmp_path / "other.safetensors")


@pytest.mark.parametrize("place", ["loss", "draw", "update", "valid"])
@pytest.mark.parametrize("at", [1, 4, 7, 9])
def test_an_interrupt_leaves_everything_usable(place, at, monkeypatch):
    "Wherever it comes, the run goes on, and each epoch still deals each datapoint once."
    training = run(epochs=2)
    seen, calls = [], itertools.count(1)

    def interrupted(function):
        def inner(*args, **kwargs):
            if next(calls) == at: raise KeyboardInterrupt
            return function(*args, **kwargs)
        return inner

    if place == "loss": training.loss_func = interrupted(F.cross_entropy)
    if place == "draw": training._place.draw = interrupted(training._place.draw)
    if place == "update": training.opt.step = interrupted(training.opt.step)
    if place == "valid": training.metrics = [interrupted(accuracy)]
    original = training.model.forward

    def forward(x):
        if training.model.training: seen.append(x)
        return original(x)

    training.model.forward = forward
    try:
        training.run()
        happened = False
    except KeyboardInterrupt:
        happened = True
    assert happened or place == "valid"
    assert training.model.training
    steps = [step.step for step in training]
    assert training.epoch == 2 and len(training.history) == 2
    assert training.step == 14 and (not steps or steps[-1] == 14)
    assert all(math.isfinite(row["loss"]) for row in training.history)
    unique = {tuple(x.flatten().tolist()): x for x in seen}
    assert sum(len(x) for x in unique.values()) == 100


def test_leaving_the_loop_and_coming_back():
    expected = [step.loss for step in run()]
    training, losses = run(), []
    for step in training:
        losses.append(step.loss)
        if training.step % 4 == 0: break
    while training.step < 21:
        for step in training:
            losses.append(step.loss)
            break
    assert losses == expected


def test_stop_ends_it_and_puts_the_best_back():
    training = run(epochs=50, optimiser=sgd.SGD)
    for step in training:
        if step.is_epoch_end and training.epoch - training.best_epoch >= 3: training.stop()
    best = min(training.history, key=lambda row: row["valid_loss"])
    assert training.best_epoch == best["epoch"] == training.epoch - 3 and list(training) == []
    x, y = problem()
    training.model.eval()
    loss = F.cross_entropy(training.model(x), y).item()
    assert loss == pytest.approx(best["valid_loss"], rel=1e-5)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_changes_nothing(bad):
    training = run()
    for _ in range(3): next(training)
    before = [p.detach().clone() for p in training.model.parameters()]
    training.loss_func = lambda p, y: p.sum() * 0 + bad
    with pytest.raises(FloatingPointError) as caught: next(training)
    for part in (str(bad), "step 4", "epoch 1", "learning rate 0.05", "0.005", "inputs"):
        assert part in str(caught.value)
    assert all(torch.equal(p, q) for p, q in zip(before, training.model.parameters()))
    assert training.step == 3
    training.loss_func = F.cross_entropy
    assert len(list(training)) == 17 and training.epoch == 3  # one batch was passed over


def test_modes_of_modules_are_put_back():
    training = run()
    frozen = training.model[1].eval()
    training.run()
    assert not frozen.training and training.model[0].training


def test_what_cannot_work_is_refused():
    x, y = problem()
    model = network()
    opt = sgd.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ValueError, match="valid="):
        train(model, [(x, y)], F.cross_entropy, opt, keep_best=True)
    with pytest.raises(ValueError, match="different names"):
        train(model, [(x, y)], F.cross_entropy, opt, valid=(x, y), metrics=[accuracy, accuracy])
    training = train(model, ((a, b) for a, b in [(x, y)]), F.cross_entropy, opt, epochs=2)
    with pytest.raises(ValueError, match="only once|read only once"): training.run()
    with pytest.raises(TypeError): len(training)


def test_several_inputs():
    class Sum(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 2)

        def forward(self, a, b): return self.layer(a + b)

    x, y = problem()
    model = Sum()
    data = [(x, x, y)]
    training = fitted(model, data, epochs=3, valid=data, metrics=[accuracy]).run()
    assert training.history[-1]["loss"] < training.history[0]["loss"]


# Optimisers in a run


def test_an_optimiser_s_own_zero_grad_is_called():
    "torch's own is replaced by what it does; one that does more is not, nor one on the object."
    calls = []

    class Telling(torch.optim.SGD):
        def zero_grad(self, set_to_none=True):
            calls.append("class")
            super().zero_grad(set_to_none)

    for own in ("class", "object", "torch"):
        model = nn.Linear(2, 1)
        opt = (Telling if own == "class" else torch.optim.SGD)(model.parameters(), lr=0.1)
        if own == "object":
            opt.zero_grad = lambda plain=opt.zero_grad: (calls.append("object"), plain())
        unused = nn.Parameter(torch.ones(1))
        unused.grad = torch.ones(1)  # in no step of the model: forgotten all the same
        opt.add_param_group({"params": [unused]})
        train(model, [(torch.ones(3, 2), torch.zeros(3, 1))] * 2, F.mse_loss, opt).run()
        assert unused.grad is None and unused.item() == 1
    assert calls == ["class"] * 2 + ["object"] * 2


def test_no_import_brings_the_compiler():
    "Chapters, games, the first page: one after another, so the first one to blame is named."
    names = [f"dljourney.{name}" for name in (*chapters, "kit.game", "whole_game")]
    code = "\n".join(["import sys, importlib", f"for name in {names}:",
                      "    importlib.import_module(name)",
                      "    if 'torch._dynamo' in sys.modules: sys.exit(name)"])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert not done.returncode, done.stderr


# The search for a learning rate


def searched(lr=0.01, steps=60, optimiser=Adam, **options):
    x, y = problem(n=200)
    model = network()
    opt = optimiser(model.parameters(), lr=lr)
    data = batches(x, y, 20, seed=0)
    find = partial(lr_find, model, data, F.cross_entropy, opt, steps=steps, **options)
    return model, opt, find, data


def test_lr_find_puts_everything_back_and_repeats():
    model, opt, find, data = searched()
    train(model, data, F.cross_entropy, opt, epochs=2).run()  # after training
    model[1].eval()

    def states():
        modes = [m.training for m in model.modules()]
        grads = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
        dice = torch.get_rng_state(), data.generator.get_state()
        return copied(dict(model.state_dict())), copied(opt.state_dict()), *dice, modes, grads

    before, first = states(), find()
    after, second = states(), find()
    assert first == second  # twice in a row
    torch.testing.assert_close(before, after, rtol=0, atol=0)
    assert 1e-6 <= first.suggestion <= 10 and all(math.isfinite(loss) for loss in first.losses)
    assert list(first.lrs) == sorted(first.lrs) and first.lrs[0] == 1e-6


def test_lr_find_survives_an_explosion_and_keeps_ratios():
    x, y = problem(n=200)
    model = nn.Linear(3, 1)
    opt = sgd.SGD([{"params": [model.weight], "lr": 0.1}, {"params": [model.bias], "lr": 0.01}])
    seen = []
    def rates(opt): return [group["lr"] for group in opt.param_groups]
    opt.register_step_post_hook(lambda o, *_: seen.append(rates(o)[1] / rates(o)[0]))
    before = model.weight.clone()
    data, loss_func = batches(x, y.float()[:, None], 20, seed=0), lambda p, t: ((p - t) ** 4).mean()
    found = lr_find(model, data, loss_func, opt, highest=1e8)
    assert torch.equal(before, model.weight) and [g["lr"] for g in opt.param_groups] == [0.1, 0.01]
    assert all(ratio == pytest.approx(0.1) for ratio in seen) and found.suggestion < 10
    # at the lowest rate: the data are at fault
    with pytest.raises(FloatingPointError, match="loss is nan at step 1"):
        lr_find(model, batches(x, y.float()[:, None], 20), lambda p, t: p.sum() * math.nan, opt)
    assert torch.equal(before, model.weight)


def test_what_lr_find_suggests_trains():
    from dljourney.kit.pictures import digits

    split = digits()
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 50), nn.ReLU(), nn.Linear(50, 10))
    opt = Adam(model.parameters(), lr=1e-5)
    found = lr_find(model, batches(*split.train, 32, seed=0), F.cross_entropy, opt)
    opt.param_groups[0]["lr"] = found.suggestion
    data = batches(*split.train, 32, seed=0)
    training = train(model, data, F.cross_entropy, opt, 5, split.valid, [accuracy]).run()
    assert training.history[-1]["accuracy"] > 0.85
    assert found.plot().axes[0].get_xscale() == "log"


# What went wrong once


def linear(n=3):
    torch.manual_seed(0)
    return nn.Linear(3, n)


def fitted(model, data, loss=F.cross_entropy, opt=sgd.SGD, **options):
    return train(model, data, loss, opt(model.parameters(), lr=0.1), **options)


def test_a_refused_batch_leaves_the_buffers_as_they_were():
    "Batch norm's averages change before the loss is known; a buffer may also become another one."
    class Replaced(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("average", torch.zeros(3))

        def forward(self, x):
            self.average = 0.9 * self.average + 0.1 * x.mean(0)
            return x - self.average

    x, y = problem()
    bad = x.clone()
    bad[0, 0] = math.nan
    model = nn.Sequential(Replaced(), network())
    training = fitted(model, [(x, y), (bad, y), (x, y)], valid=(x, y))
    next(training)
    before = copy.deepcopy(model)
    with pytest.raises(FloatingPointError): next(training)
    assert same_parameters(before, model)
    def odd(p, y): raise RuntimeError("odd")
    training.loss_func = odd
    with pytest.raises(RuntimeError, match="odd"): next(training)
    assert same_parameters(before, model)
    training.loss_func = F.cross_entropy
    training.run()
    assert math.isfinite(training.history[0]["valid_loss"]) and model[1][1].num_batches_tracked == 2


def root_at_0(p, y): return p.pow(2).sum().sqrt()  # its slope at 0 is infinite times zero


@pytest.mark.parametrize("epochs", [1, 3])
def test_parameters_ruined_by_a_finite_loss_are_reported(epochs):
    "With one epoch at its end; with more by the next loss. Both say where it came from."
    x, y = problem()
    model = linear()
    nn.init.zeros_(model.weight), nn.init.zeros_(model.bias)
    training = fitted(model, [(x, y)], root_at_0, epochs=epochs)
    told = "model: weight and 1 more holds .*from 1 to 1: its loss was finite"
    with pytest.raises(FloatingPointError, match=told): training.run()
    with pytest.raises(FloatingPointError, match=told): training.stop()


def test_the_best_epoch_comes_back_when_parameters_are_ruined():
    x, y = problem()
    model = linear()
    training = fitted(model, [(x, y)], valid=(x, y), keep_best=True, epochs=9)
    next(training)
    with torch.no_grad(): model.weight.fill_(math.nan)
    with pytest.raises(FloatingPointError, match="model: weight holds"): next(training)
    training.stop()
    assert training.best_epoch == 1 and model.weight.isfinite().all()


@pytest.mark.parametrize("where", ["sampler", "batch_sampler"])
def test_a_sampler_s_own_generator_is_resumed(where, tmp_path):
    x, y = problem()

    def make(seed):
        sampler = RandomSampler(range(50), generator=torch.Generator().manual_seed(seed))
        how = {"sampler": dict(batch_size=8, sampler=sampler),
               "batch_sampler": dict(batch_sampler=BatchSampler(sampler, 8, False))}
        return fitted(linear(), DataLoader(TensorDataset(x, y), **how[where]), epochs=3)

    expected = [step.loss for step in make(5)]
    first = make(5)
    losses = [next(first).loss for _ in range(9)]
    first.save(tmp_path / "run.safetensors")
    assert losses + [step.loss for step in make(6).resume(tmp_path / "run.safetensors")] == expected


Pair = collections.namedtuple("Pair", "x y")


def test_batches_may_be_named_tuples(tmp_path):
    x, y = problem()
    path, pairs = tmp_path / "run.safetensors", [Pair(x, y), Pair(x[:7], y[:7])]
    training = fitted(linear(), pairs, epochs=2)
    next(training)
    training.save(path)
    again = fitted(linear(), pairs, epochs=2).resume(path)
    assert [s.loss for s in again] == [s.loss for s in training]


@pytest.mark.parametrize("other, message", [
    (lambda data: fitted(linear(), data), "opt: expected Adam, as in the saved run, got SGD"),
    (lambda data: fitted(linear(), data, opt=AdamW), "opt: expected Adam, .*got AdamW"),
    (lambda data: fitted(linear(), [*data], opt=Adam), "batches: .*with 1 random.*got one with 0"),
    (lambda data: fitted(linear(4), data, opt=Adam),
     r"model: .*weight has shape \(3, 3\).*\(4, 3\)"),
    (lambda data: fitted(nn.Sequential(linear()), data, opt=Adam),
     "model: .*weight has shape .* None"),
])
def test_the_state_of_another_run_is_refused_and_changes_nothing(other, message):
    x, y = problem()
    first = fitted(linear(), batches(x, y, 8), opt=Adam)
    next(first)
    training = other(batches(x, y, 8))
    before = copy.deepcopy(training.model), copy.deepcopy(training.opt.state_dict())
    with pytest.raises(ValueError, match=message): training.load_state_dict(first.state_dict())
    assert same_parameters(before[0], training.model)
    assert before[1] == training.opt.state_dict() and training.step == 0
    assert len(training.run().history) == 1


def test_accuracy_of_one_score_for_each_datapoint_is_refused():
    with pytest.raises(ValueError, match="one score for each class.*> 0"):
        accuracy(torch.tensor([[5.0], [5.0], [-5.0]]), torch.tensor([1, 1, 0]))


@pytest.mark.parametrize("loss", [
    lambda p, y: -F.cosine_similarity(p, y).mean(), lambda p, y: F.mse_loss(p, y) - 5,
    lambda p, y: F.mse_loss(p, y) - 1.5,
])
def test_lr_find_with_negative_losses(loss):
    torch.manual_seed(0)
    x = torch.randn(50, 3)
    model = linear()
    found = lr_find(model, [(x, x)], loss, sgd.SGD(model.parameters(), lr=0.1))
    assert min(found.losses) < 0 and 1e-4 < found.suggestion < 10 and len(found.losses) > 50
    low, high = found.plot().axes[0].get_ylim()
    assert low < min(found.losses) < high


def test_a_batch_without_a_datapoint_is_passed_over():
    x, y = problem()
    none = x[:0], y[:0]
    ragged = [none, (x[:30], y[:30]), none, (x[30:], y[30:]), none]
    training = fitted(linear(), ragged, valid=ragged, metrics=[accuracy], epochs=2)
    steps = list(training)
    whole = [ragged[1], ragged[3]]
    expected = fitted(linear(), whole, valid=(x, y), metrics=[accuracy], epochs=2).run()
    assert [s.is_epoch_end for s in steps] == [False, True] * 2
    for row, wanted in zip(training.history, expected.history, strict=True):
        assert row == pytest.approx(wanted)
    first = fitted(linear(), ragged)
    next(first)
    again = fitted(linear(), ragged)
    again.load_state_dict(first.state_dict())
    assert [s.loss for s in again] == [steps[1].loss]
    with pytest.raises(ValueError, match="at least one batch"): fitted(linear(), [none]).run()


@pytest.mark.parametrize("data, message", [
    (lambda x, y: DataLoader(x, batch_size=2), r"expected \(inputs, labels\), got Tensor"),
    (lambda x, y: [{"x": x, "y": y}], r"expected \(inputs, labels\), got dict"),
    (lambda x, y: DataLoader(TensorDataset(x), batch_size=5),
     r"expected \(inputs, labels\), got 1 of them"),
    (lambda x, y: TensorDataset(x, y), "labels: expected a tensor .* got a single number"),
    (lambda x, y: [(["a"], [y])], "inputs: expected a tensor .* got list"),
])
def test_what_is_no_batch_is_refused(data, message):
    x, y = problem()
    model = linear()
    before = model.weight.detach().clone()
    with pytest.raises(TypeError, match=message): fitted(model, data(x, y), F.mse_loss).run()
    assert torch.equal(before, model.weight)
    with pytest.raises(TypeError, match=message):
        fitted(model, batches(x, y, 50), valid=data(x, y)).run()


@pytest.mark.parametrize("labels, taken", [
    (lambda y: [y, y], lambda ys: ys[0]), (lambda y: {"a": y}, lambda ys: ys["a"]),
])
def test_labels_may_be_a_list_or_a_dict(labels, taken):
    x, y = problem()
    def loss(p, ys): return F.cross_entropy(p, taken(ys))
    ragged = [(x[:40], y[:40]), (x[40:], y[40:])]
    expected = fitted(linear(), ragged, valid=ragged).run()
    data = [(xb, labels(yb)) for xb, yb in ragged]
    assert fitted(linear(), data, loss, valid=data).run().history == expected.history


def test_a_loss_may_have_an_axis():
    "One number with an axis is taken, on every device; several are refused."
    x, y = problem()
    expected = fitted(linear(), [(x, y)]).run().history
    def boxed(p, y): return F.cross_entropy(p, y)[None]
    assert fitted(linear(), [(x, y)], boxed).run().history == expected
    if not torch.cuda.is_available(): return
    assert len(fitted(linear().cuda(), [(x, y)], boxed).run().history) == 1
    with pytest.raises(ValueError, match="expected one number"):
        fitted(linear().cuda(), [(x, y)], partial(F.cross_entropy, reduction="none")).run()


@pytest.mark.parametrize("how", ["end", "stop"])
def test_the_best_epoch_is_put_back_once(how):
    x, y = problem()
    model = linear()
    training = fitted(model, [(x, y)], epochs=3, valid=(x, y), keep_best=True)
    training.run() if how == "end" else (next(training), training.stop())
    fitted(model, [(x, y)], epochs=5).run()
    after = model.weight.detach().clone()
    assert list(training) == [] and training.stop() is training and torch.equal(after, model.weight)


def test_a_run_that_goes_on_puts_the_best_epoch_back_again():
    x, y = problem()
    model = linear()
    training = fitted(model, [(x, y)], epochs=3, valid=(x, y), keep_best=True).run()
    training.epochs = 5
    training.opt.param_groups[0]["lr"] = 1e3  # gets worse from here
    best = model.weight.detach().clone()
    training.run()
    assert training.epoch == 5 and training.best_epoch == 3 and torch.equal(best, model.weight)


def test_numerical_gradient_with_a_step_that_gets_lost():
    message = "step: expected one that changes 1000 in .*, got 1e-05, which gets lost"
    with pytest.raises(ValueError, match=message):
        numerical_gradient(lambda p: p.sum(), torch.tensor([1000.0]), step=1e-5)


@pytest.mark.parametrize("optimiser", [sgd.SGD, Adam, torch.optim.SGD, torch.optim.Adam])
@pytest.mark.parametrize("old_gradients", [False, True])
def test_the_optimiser_of_another_model_is_refused(optimiser, old_gradients):
    "The model's cell was run again, the optimiser's was not: nothing would learn, none would tell."
    x, y = problem()
    before, model = network(), network()
    opt = optimiser(before.parameters(), lr=0.1)
    if old_gradients: F.cross_entropy(before(x), y).backward()
    untouched = copy.deepcopy(model)
    training = train(model, batches(x, y, 10, seed=0), F.cross_entropy, opt)
    message = r"opt: expected .* another model.* anew .*model\.parameters\(\)"
    for _ in range(2):  # asking again does not help
        with pytest.raises(ValueError, match=message): next(training)
    assert training.step == 0
    assert same_parameters(untouched, model)
    with pytest.raises(ValueError, match="opt: expected"):
        lr_find(model, batches(x, y, 10), F.cross_entropy, opt)
    good = fitted(model, batches(x, y, 10, seed=0), opt=optimiser).run()
    assert good.step == 5 and not same_parameters(untouched, model)


def test_the_optimiser_of_another_model_is_refused_by_a_resumed_run(tmp_path):
    first = run()
    next(first)
    first.save(tmp_path / "run")
    second = run()
    second.opt = AdamW(network().parameters(), lr=0.05)
    with pytest.raises(ValueError, match="opt: expected"): second.resume(tmp_path / "run").run()


def test_an_old_head_in_the_optimiser_of_a_frozen_body_is_refused():
    "The head was replaced after the optimiser was made: it moves the old one, which never learns."
    x, y = problem()
    model = nn.Sequential(nn.Linear(3, 4).requires_grad_(False), nn.Linear(4, 2))
    opt = sgd.SGD(model.parameters(), lr=0.1)
    model[1] = nn.Linear(4, 2)
    with pytest.raises(ValueError, match="opt: expected"):
        train(model, [(x, y)], F.cross_entropy, opt).run()


def test_optimisers_of_inputs_and_of_parts_are_taken():
    x, y = problem()
    for frozen in (True, False):  # an input alone
        inputs, model = x.clone().requires_grad_(), linear().requires_grad_(not frozen)
        train(model, [(inputs, y)], F.cross_entropy, sgd.SGD([inputs], lr=0.1)).run()
        assert not torch.equal(inputs, x)
    model = network()  # a part
    head = model[4].weight.clone()
    train(model, [(x, y)], F.cross_entropy, torch.optim.Adam(model[4].parameters(), lr=0.1)).run()
    assert not torch.equal(head, model[4].weight)
    model = linear()  # its gradient is exactly 0
    train(model, [(x, y)], lambda p, y: 0 * p.sum(), sgd.SGD(model.parameters(), lr=0.1)).run()

    class Routed(nn.Module):
        "The first batch goes through the one part, the second through the other."
        def __init__(self):
            super().__init__()
            self.parts, self.i = nn.ModuleList([nn.Linear(3, 2), nn.Linear(3, 2)]), 1

        def forward(self, x):
            self.i = 1 - self.i
            return self.parts[self.i](x)

    model = Routed()
    late = model.parts[1].weight.clone()
    opt = sgd.SGD(model.parts[1].parameters(), lr=0.1)
    train(model, [(x, y), (x, y)], F.cross_entropy, opt).run()
    assert not torch.equal(late, model.parts[1].weight)

    class Inside(torch.optim.SGD):
        "Makes its updates while the gradients are computed, and keeps none."
        def __init__(self, params, lr):
            super().__init__(params, lr)
            for p in self.param_groups[0]["params"]: p.register_post_accumulate_grad_hook(self.move)

        def move(self, p):
            with torch.no_grad(): p -= self.param_groups[0]["lr"] * p.grad
            p.grad = None

    model = linear()
    weight = model.weight.clone()
    fitted(model, [(x, y)], opt=Inside).run()
    assert not torch.equal(weight, model.weight)


def test_lr_find_puts_back_buffers_that_are_in_no_state_dict():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("count", torch.zeros(()), persistent=False)
            self.register_buffer("mean", torch.zeros(3), persistent=False)
            self.register_buffer("nothing", None, persistent=False)

        def forward(self, x):
            self.count += 1  # changed in its place,
            self.mean = 0.9 * self.mean + 0.1 * x.mean(0)  # replaced,
            self.nothing = x[0]  # and new
            return x - self.mean

    x, y = problem()
    model = nn.Sequential(Counting(), linear())
    own = model[0].mean
    opt = sgd.SGD(model.parameters(), lr=0.1)
    lr_find(model, batches(x, y, 10, seed=0), F.cross_entropy, opt, steps=20)
    assert model[0].mean is own and not own.any()
    assert model[0].count == 0 and model[0].nothing is None


def test_numbers_of_numpy_are_numbers(tmp_path):
    x, y = problem()
    for whole in (np.int64, np.int32, np.uint8):
        given = batches(x, y, whole(8), seed=whole(3))
        for ours, plain in zip(given, batches(x, y, 8, seed=3), strict=True):
            assert all(torch.equal(a, b) for a, b in zip(ours, plain))
        assert [len(i) for i in minibatches(9, whole(4))] == [4, 4, 1]
        assert fitted(linear(), [(x, y)], epochs=whole(2)).run().epoch == 2
    for seed in np.arange(5): batches(x, y, 8, seed=seed)
    with pytest.raises(TypeError, match="seed: expected a whole number"): batches(x, y, 8, seed=2.5)
    lr, half = np.float32(0.1), np.float32(0.5)
    firsts = [("SGD", {"momentum": half}), ("RMSprop", {"alpha": half}),
              ("Adam", {"betas": (half, half)})]
    for name, first in firsts:
        a, b = linear(), linear()
        plain = {k: (0.5, 0.5) if k == "betas" else 0.5 for k in first}
        kind, group = getattr(optimisers, name), {"params": a.parameters(), "lr": lr}
        ours = kind([group], lr=np.float16(1), weight_decay=half, **first)
        with_floats = kind(b.parameters(), lr=float(lr), weight_decay=0.5, **plain)
        train(a, [(x, y)], F.cross_entropy, ours, 3).run().save(tmp_path / name)
        train(b, [(x, y)], F.cross_entropy, with_floats, 3).run()
        assert same_parameters(a, b)
    sgd.SGD(linear().parameters(), lr=Fraction(1, 10))
    with pytest.raises(ValueError, match="lr: expected a number"):
        sgd.SGD(linear().parameters(), lr=np.float32("nan"))


@pytest.mark.parametrize("options, message", [
    (dict(metrics=accuracy),
     r"metrics: expected a list of functions.*got accuracy; write metrics=\[accuracy\]"),
    (dict(metrics=["accuracy"]), "metrics: expected a list of functions.*got .*'accuracy'"),
    (dict(metrics=5), "metrics: expected a list of functions.*got 5"),
    (dict(loss_func=nn.CrossEntropyLoss),
     r"loss_func: expected .* the class CrossEntropyLoss; .*CrossEntropyLoss\(\)"),
    (dict(loss_func="mse"), "loss_func: expected .*got 'mse'"),
    (dict(opt=sgd.SGD), r"opt: expected .*got the class SGD; .*SGD\(model\.parameters\(\)"),
    (dict(opt=None), "opt: expected .*got None"),
    (dict(model=nn.Linear), "model: expected .*got the class Linear"),
])
def test_classes_and_lone_functions_are_refused_by_name(options, message):
    x, y = problem()
    model = linear()
    opt = sgd.SGD(model.parameters(), lr=0.1)
    given = dict(model=model, loss_func=F.cross_entropy, opt=opt) | options
    with pytest.raises(TypeError, match=message): train(batches=[(x, y)], valid=(x, y), **given)


def test_metrics_may_be_read_only_once():
    x, y = problem()
    once = (metric for metric in [accuracy])
    history = fitted(linear(), [(x, y)], valid=(x, y), metrics=once).run().history
    assert "accuracy" in history[0]
