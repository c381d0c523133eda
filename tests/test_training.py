"""Training's traps: what a reader may do wrong ends rightly, or in an error that names it.

And the law of the house: the library's loop is the chapter's `learn`, called.
"""

import ast
import itertools
import json
import math
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from dljourney import optimisers, sgd, transfer
from dljourney.experiments.transfer import fit_glyphnet
from dljourney.kit.training import FineTuning, compares, copied, in_company, within
from dljourney.optimisers import lr_find
from dljourney.sgd import accuracy, batches, learn, train

few = settings(max_examples=25, deadline=None, derandomize=True)
x = torch.randn(33, 3, generator=torch.Generator().manual_seed(0))
y = (x[:, 0] > 0).long()


def dice(seed):
    return torch.Generator().manual_seed(seed)


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 2)
    )


def linear(n_out=2, seed=0):
    torch.manual_seed(seed)
    return nn.Linear(3, n_out)


def run(model, data, loss=F.cross_entropy, opt=sgd.SGD, lr=0.1, **options):
    return train(model, data, loss, opt(model.parameters(), lr=lr), **options)


def same(a, b):
    return all(torch.equal(p, q) for p, q in zip(a.state_dict().values(), b.state_dict().values()))


# The chapter's own code


def defined(*wanted):
    "What chapter 04's plain cells define under these names."
    path = Path(__file__).parent.parent / "nbs" / "04_sgd.ipynb"
    cells = [c for c in json.loads(path.read_text("utf-8"))["cells"] if c["cell_type"] == "code"]
    found = [
        node
        for c in cells
        for node in ast.parse("".join(c["source"])).body
        if getattr(node, "name", "") in wanted
    ]
    names = {"torch": torch, "nn": nn, "F": F, "learn": learn}
    exec(compile(ast.Module(found, []), str(path), "exec"), names)
    return [names[name] for name in wanted]


@pytest.mark.parametrize("opt", [sgd.SGD, optimisers.AdamW, torch.optim.SGD, torch.optim.Adam])
def test_the_library_does_what_the_notebook_s_plain_loop_does(opt):
    "Bit by bit: losses and parameters of `simple_train`, which calls `learn`, and of `train`."
    (simple,), data = defined("simple_train"), (x[:30], y[:30])
    pure, library = network(), network()
    pure_opt = opt(pure.parameters(), lr=0.05)
    torch.manual_seed(1)
    steps = simple(pure, batches(*data, 8, seed=0), F.cross_entropy, pure_opt, 3)
    expected = [loss for _, loss in steps]
    torch.manual_seed(1)
    training = run(library, batches(*data, 8, seed=0), opt=opt, lr=0.05, epochs=3)
    assert [step.loss for step in training] == expected and same(pure, library)


def test_the_notebook_s_optimiser_and_parabola_train_in_the_library():
    _, mse, parabola, plain, simple = defined(
        "curve", "mse", "Parabola", "PlainSGD", "simple_train"
    )
    a, b = torch.linspace(-1, 1, 20), torch.linspace(0, 2, 20) ** 2
    both = []
    for loop in (simple, train):
        model = parabola()
        opt = plain(model.parameters(), lr=0.1)
        list(loop(model, [(a, b)], mse, opt, 40))
        both.append(model)
    assert same(*both)


def test_the_library_calls_the_learn_it_is_given():
    "Once a batch: with the model, the batch, a loss to look at, and what acts as the optimiser."
    seen = []

    def mine(model, batch, loss_func, opt):
        seen.append((model, len(batch[-1]), isinstance(opt, torch.optim.SGD)))
        return learn(model, batch, loss_func, opt)

    model = linear()
    training = run(model, batches(x, y, 10, seed=0), opt=torch.optim.SGD, learn=mine).run()
    assert seen == [(model, n, True) for n in (10, 10, 10, 3)] and training.step == 4


# A step of one's own


def by_hand(model, batch, loss_func, opt):
    *inputs, labels = batch
    loss = loss_func(model(*inputs), labels)
    opt.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 0.01)
    opt.step()
    return loss.detach()


@pytest.mark.parametrize("opt", [sgd.SGD, torch.optim.SGD])
def test_clipping_in_a_learn_of_one_s_own_clips(opt):
    model = linear()
    for step in run(model, batches(x, y, 8, seed=0), opt=opt, lr=1.0, learn=by_hand):
        assert nn.utils.get_total_norm([p.grad for p in model.parameters()]) <= 0.0101, step


def test_a_learn_of_one_s_own_is_as_safe_and_as_resumable(tmp_path):
    def bad_loss(p, y):
        return F.cross_entropy(p, y) * (math.nan if bad else 1)

    bad, model = False, network()
    training = run(model, batches(x[:32], y[:32], 8, seed=0), bad_loss, learn=by_hand, epochs=2)
    next(training)
    before, bad = [t.clone() for t in model.state_dict().values()], True
    with pytest.raises(FloatingPointError, match="loss is nan at step 2.*no parameter was changed"):
        next(training)
    assert all(torch.equal(a, b) for a, b in zip(before, model.state_dict().values()))
    bad = False
    file = training.save(tmp_path / "run")
    expected = [step.loss for step in training]
    again = run(network(3), batches(x[:32], y[:32], 8, seed=9), bad_loss, learn=by_hand, epochs=2)
    assert [step.loss for step in again.resume(file)] == expected and len(expected) == 6


@given(st.integers(1, 33))
@few
def test_accumulation_in_parts_is_the_whole(size):
    "Each part's loss counts for its share; the step's loss is what `learn` returns."
    parts, whole = linear(), linear()
    in_parts = partial(*defined("in_parts"), size=size)
    a = [s.loss for s in run(parts, [(x, y)], epochs=5, learn=in_parts)]
    b = [s.loss for s in run(whole, [(x, y)], epochs=5)]
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(parts.weight, whole.weight, rtol=1e-4, atol=1e-6)


def closure_step(model, batch, loss_func, opt):
    *inputs, labels = batch

    def closure():
        opt.zero_grad()
        loss = loss_func(model(*inputs), labels)
        loss.backward()
        return loss

    return opt.step(closure)


def test_an_optimiser_with_a_closure_is_told_about_learn():
    model = linear()
    with pytest.raises(
        TypeError, match="^opt: expected .*got one that asks for it again.*`learn` of your own"
    ):
        run(model, [(x, y)], opt=torch.optim.LBFGS).run()
    training = run(model, [(x, y)], opt=torch.optim.LBFGS, epochs=3, learn=closure_step).run()
    plain = linear()
    opt = torch.optim.LBFGS(plain.parameters(), lr=0.1)
    for _ in range(3):
        closure_step(plain, (x, y), F.cross_entropy, opt)
    assert same(model, plain) and training.history[-1]["loss"] < training.history[0]["loss"]
    again = iter([1.0, math.nan])
    def worse(p, y): return F.cross_entropy(p, y) * next(again)
    with pytest.raises(FloatingPointError, match="may have changed parameters"):
        run(linear(), [(x, y)], worse, torch.optim.LBFGS, learn=closure_step).run()


@pytest.mark.parametrize(
    "mine, loss",
    [
        (lambda model, batch, loss_func, opt: learn(model, batch, loss_func, opt) and None, None),
        (lambda model, batch, loss_func, opt: learn(model, batch, F.cross_entropy, opt), None),
    ],
)
def test_what_learn_need_not_do(mine, loss):
    "It may return nothing, or use a loss of its own."
    expected = [s.loss for s in run(linear(), [(x, y)], epochs=3)]
    assert [s.loss for s in run(linear(), [(x, y)], epochs=3, learn=mine)] == expected


def test_a_learn_without_a_loss_is_refused():
    with pytest.raises(
        TypeError, match="^learn: expected it to call loss_func, or to return the loss"
    ):
        run(linear(), [(x, y)], learn=lambda *parts: None).run()
    with pytest.raises(
        FloatingPointError, match="the loss is nan at step 1.*may have changed parameters"
    ):
        run(linear(), [(x, y)], learn=lambda *parts: math.nan).run()
    for bad in (sgd.SGD, "learn", None):
        with pytest.raises(TypeError, match="^learn: expected a function"):
            run(linear(), [(x, y)], learn=bad)


def test_an_optimiser_of_inputs_may_forget_its_gradients_last():
    "A picture that is optimised: of the model nothing learns, after the step no gradient is left."

    def forgets_last(model, batch, loss_func, opt):
        a, b = batch
        loss = loss_func(model(a), b)
        loss.backward()
        opt.step()
        opt.zero_grad()
        return loss

    picture, model = x.clone().requires_grad_(), linear().requires_grad_(False)
    run(
        model, [(picture, y)], opt=lambda params, lr: sgd.SGD([picture], lr), learn=forgets_last
    ).run()
    assert not torch.equal(picture, x)
    with pytest.raises(ValueError, match="^opt: expected the parameters of this model"):
        run(
            linear(),
            [(x, y)],
            opt=lambda params, lr: sgd.SGD(linear().parameters(), lr),
            learn=forgets_last,
        ).run()


def test_which_labels_count_is_asked_where_the_labels_are():
    "Not on the model's device, for which the processor would wait in each step."
    model = linear().to("meta")  # a device whose numbers nobody can read
    training = run(model, [(x, y), (x, y)], learn=lambda *parts: 1.0)
    assert next(training).loss == 1 and training.step == 1


class Remembering(nn.Module):
    "Buffers of every kind, changed in their place and replaced, by each batch that it sees."

    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(4, dtype=torch.int64))
        self.register_buffer("flags", torch.zeros(3, dtype=torch.bool))
        self.register_buffer("last", None)
        self.register_buffer("mean", torch.zeros(3))

    def forward(self, x):
        self.seen += 1
        self.flags = ~self.flags
        self.last = x[0]
        self.mean.add_(x.mean(0))
        return x


def test_what_is_refused_changes_no_buffer_of_any_kind():
    model = nn.Sequential(Remembering(), linear())
    before = {name: copied(b) for name, b in model[0]._buffers.items()}
    wrong = run(model, [(x, y)], lambda p, y: F.cross_entropy(p, y) * math.nan)
    with pytest.raises(FloatingPointError):
        next(wrong)
    for name, b in model[0]._buffers.items():
        assert b is before[name] is None or torch.equal(b, before[name]), name


def test_a_loss_function_that_is_put_in_later_is_looked_at_too():
    training = run(linear(1), [(x, x[:, 0])] * 2, lambda p, y: F.mse_loss(p[:, 0], y))
    next(training)
    training.loss_func = lambda p, y: (p - y).square().mean()
    with pytest.raises(ValueError, match="^labels: expected the shape of the predictions"):
        next(training)


def test_a_zero_grad_that_is_put_on_later_is_called():
    calls, model = [], linear()
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    training = train(model, [(x, y)] * 3, F.cross_entropy, opt)
    next(training)
    opt.zero_grad = lambda plain=opt.zero_grad: (calls.append(1), plain())
    training.run()
    assert calls == [1, 1]


def test_what_a_learn_is_given_is_the_optimiser():
    "Its groups, its schedulers and its hooks; what is set on the one is set on the other."
    seen, model = [], linear()
    opt = torch.optim.SGD(model.parameters(), lr=0.1)

    def noting(model, batch, loss_func, given):
        given.note = "set"
        seen.append(given.param_groups is opt.param_groups and isinstance(given, torch.optim.SGD))
        return learn(model, batch, loss_func, given)

    training = train(model, [(x, y)] * 3, F.cross_entropy, opt, learn=noting)
    next(training)
    opt.register_step_post_hook(lambda told, *rest: seen.append(told is opt))
    scheduler = torch.optim.lr_scheduler.StepLR(opt, 1)  # puts a `step` around the first one's
    assert next(training).lr == 0.1
    scheduler.step()
    assert next(training).lr == pytest.approx(0.01)
    assert seen == [True] * 5 and opt.note == "set"


# Runs that are stopped and gone on with


def test_a_run_whose_last_epoch_knows_no_seconds_can_go_on_by_the_clock():
    "Trained by hand first, or stopped between an epoch's end and what the clock writes."
    training = run(linear(), batches(x, y, 10, seed=0), epochs=9)
    for _ in within(training, steps=4):
        next(training)
    assert training.history[-1]["seconds"] >= 0
    training.history[-1]["seconds"] = 100.0
    list(itertools.islice(training, 4))  # an epoch by hand
    for _ in within(training, steps=12):
        next(training)
    assert len(training.history) == 3 and training.history[-1]["seconds"] >= 100


def test_a_fine_tuning_without_phases_has_a_name_for_what_learns():
    tuning = FineTuning([], lambda training: None)
    assert tuning.phase == "all" and list(tuning) == [] and tuning.history == []


# Batch norm and a last datapoint that is alone


@given(st.integers(0, 40), st.integers(2, 12), st.booleans())
@few
def test_company_deals_each_datapoint_once_and_leaves_no_last_one_alone(n, size, known):
    xs = torch.arange(n)
    parts = [(part, -part) for part in xs.split(size) if n]
    dealt = list(in_company(iter(parts), len(parts) if known else None))
    assert torch.cat([a for a, _ in dealt] or [xs]).tolist() == xs.tolist()
    assert all(torch.equal(a, -b) for a, b in dealt)
    assert n == 1 or all(len(a) > 1 for a, _ in dealt)
    assert [len(a) for a, _ in dealt[:-1]] == [size] * (len(dealt) - 1)


dealers = {
    "batches": lambda n: batches(x[:n], y[:n], 8, seed=0),
    "loader": lambda n: DataLoader(TensorDataset(x[:n], y[:n]), batch_size=8),
    "list": lambda n: list(zip(x[:n].split(8), y[:n].split(8))),
    "dicts": lambda n: [({"a": a}, b) for a, b in zip(x[:n].split(8), y[:n].split(8))],
}


@pytest.mark.parametrize("kind", dealers)
def test_a_last_datapoint_is_in_company_wherever_it_comes_from(kind, tmp_path):
    class FromDict(nn.Sequential):
        def forward(self, a):
            return super().forward(a["a"] if isinstance(a, dict) else a)

    seen = []
    def count(p, y): return (seen.append(len(y)), F.cross_entropy(p, y))[1]
    training = run(FromDict(*network()), dealers[kind](33), count, epochs=2)
    n = len(training)
    losses = [s.loss for s in training]
    assert seen == [8, 8, 8, 9] * 2 and training.step == n == 8
    for after in (2, 3, 4, 7):
        first = run(FromDict(*network()), dealers[kind](33), epochs=2)
        begun = [s.loss for s in itertools.islice(first, after)]
        file = first.save(tmp_path / "run")
        again = run(FromDict(*network(1)), dealers[kind](33), epochs=2).resume(file)
        assert begun + [s.loss for s in again] == losses
    seen.clear()
    run(
        FromDict(nn.Linear(3, 2)), dealers[kind](33), count
    ).run()  # no batch norm: alone, as it was
    assert seen == [8, 8, 8, 8, 1]


def test_batch_norm_that_rests_needs_no_company():
    model, seen = network(), []
    layer = model[1]
    assert compares(model) and not compares(model.eval())
    model.train()
    transfer.hold(layer, still=True)
    assert not compares(model)
    def count(p, y): return (seen.append(len(y)), F.cross_entropy(p, y))[1]
    run(model, batches(x, y, 8, seed=0), count).run()
    assert seen == [8, 8, 8, 8, 1]


@pytest.mark.parametrize("n, size", [(1, 8), (5, 1)])
def test_a_datapoint_that_stays_alone_is_refused_by_name(n, size):
    told = "^inputs: expected two datapoints or more in a batch, as batch norm .* got 1; "
    with pytest.raises(ValueError, match=told):
        run(network(), batches(x[:n], y[:n], size)).run()


@pytest.mark.parametrize("augment", [None, lambda xb, generator: xb.flip(3)])
def test_fine_tuning_with_one_picture_more_than_a_batch(augment):
    pictures, names = torch.rand(33, 1, 32, 32, generator=dice(0)), torch.arange(33) % 3
    model = transfer.pretrained("glyphnet", 3, in_chans=1)
    tuning = transfer.fine_tune(
        model, pictures, names, epochs=2, frozen_epochs=1, batch_norm=True, augment=augment
    )
    steps = [step.step for step in tuning]
    assert len(tuning) == tuning.step == 4 and len(steps) == 4  # the head: 32 and 1; then 33, twice
    fit_glyphnet(torch.rand(51, 1, 8, 8), torch.arange(51) % 3, 0, weights=False, steps=2)


# Shapes that torch compares without a word


losses = {
    "mse_loss": F.mse_loss,
    "nn.MSELoss": nn.MSELoss(),
    "l1_loss": F.l1_loss,
    "huber": F.huber_loss,
    "smooth_l1": F.smooth_l1_loss,
    "poisson": F.poisson_nll_loss,
    "by hand": lambda p, y: ((p - y) ** 2).mean(),
    "converted": lambda p, y: (p.double() - y.double()).abs().mean(),
    "sub": lambda p, y: torch.sub(y, p).square().mean(),
    "pow": lambda p, y: F.mse_loss(y, p),
    "logits": lambda p, y: (p.exp() * y).sum(),
    "summed": lambda p, y: F.mse_loss(p, y, reduction="sum"),
    "named": lambda p, y: F.mse_loss(input=p, target=y),
}


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize("name", losses)
@pytest.mark.parametrize("turned", [False, True])
def test_predictions_and_labels_that_would_meet_in_a_table_are_refused(name, turned):
    class Flat(nn.Linear):
        def forward(self, x):
            return super().forward(x)[:, 0]

    model = Flat(3, 1) if turned else linear(1)
    labels = x[:, :1] if turned else x[:, 0]
    before = model.weight.detach().clone()
    wanted, came = ("33,", "33, 1") if turned else ("33, 1", "33,")
    told = (rf"labels: expected the shape of the predictions, \({wanted}\), "
            rf"got torch.float32 of shape \({came}\)")
    with pytest.raises(ValueError, match="^" + told):
        run(model, [(x, labels)], losses[name]).run()
    assert torch.equal(before, model.weight)
    with pytest.raises(ValueError, match="^valid " + told):
        run(model, [(x, model(x).detach())], losses[name], valid=[(x, labels)]).run()


def test_a_column_of_pictures_is_refused_as_well():
    masks = torch.rand(4, 5, 5)
    with pytest.raises(ValueError, match="^labels: expected the shape of the predictions"):
        run(nn.Conv2d(1, 1, 1), [(masks[:, None], masks)], lambda p, y: (p - y).abs().mean()).run()


sound = {
    "takes the column out": lambda p, y: F.mse_loss(p[:, 0], y),
    "squeezes": lambda p, y: F.mse_loss(p.squeeze(1), y),
    "adds an axis": lambda p, y: ((p - y[:, None]) ** 2).mean(),
    "views": lambda p, y: F.mse_loss(p, y.view(-1, 1)),
    "view as": lambda p, y: F.mse_loss(p, y.view_as(p)),
    "pairs": lambda p, y: (p - p[:, 0]).abs().mean(),
    "pairs of labels": lambda p, y: ((y[:, None] == y) * (p - p.T)).square().mean(),
    "a product": lambda p, y: (y @ p).mean(),
    "yes or no": lambda p, y: F.binary_cross_entropy_with_logits(p[:, 0], y),
    "one class": lambda p, y: F.cross_entropy(p, 0 * y.long()),
    "by class": nn.MultiMarginLoss(),
}


@pytest.mark.parametrize("name", sound)
def test_losses_that_see_to_the_shapes_are_taken(name):
    labels = (x[:, 0] > 0).long() * 0 if name == "by class" else (x[:, 0] > 0).float()
    model = linear(1)
    loss = sound[name](model(x), labels).item()
    assert next(run(model, [(x, labels)], sound[name], valid=(x, labels))).loss == loss


def test_one_datapoint_or_one_column_says_nothing_of_shapes():
    "Equal either way; and many outputs may be compared with one number each."
    run(linear(1), [(x[:1], x[:1, 0])], lambda p, y: (p - y).square().mean()).run()
    run(linear(4), [(x, x[:, :1])], lambda p, y: (p - y).square().mean()).run()
    with pytest.raises(ValueError, match="labels: expected the shape"):  # the second batch has two
        run(
            linear(1), [(x[:1], x[:1, 0]), (x[:2], x[:2, 0])], lambda p, y: (p - y).square().mean()
        ).run()


@pytest.mark.parametrize("metric", [lambda p, y: (p - y).abs().mean(), F.l1_loss])
@pytest.mark.filterwarnings("ignore:Using a target size")
def test_metrics_are_looked_at_too(metric):
    with pytest.raises(ValueError, match="^valid labels: expected the shape of the predictions"):
        run(
            linear(1), [(x, x[:, 0])], sound["squeezes"], valid=(x, x[:, 0]), metrics=[metric]
        ).run()


# Tensors in batches


@given(st.integers(1, 5), st.integers(0, 30), st.integers(1, 9), st.booleans())
@few
def test_batches_deal_any_number_of_tensors_together(several, n, size, shuffle):
    data = batches(
        *[torch.arange(n) + 100 * i for i in range(several)], size, shuffle=shuffle, seed=0
    )
    dealt = list(data)
    assert len(dealt) == len(data) and all(len(batch) == several for batch in dealt)
    assert all(torch.equal(t, batch[0] + 100 * i) for batch in dealt for i, t in enumerate(batch))
    assert sorted(i for batch in dealt for i in batch[0].tolist()) == list(range(n))


def test_batches_of_three_train_and_measure_like_a_list_of_them():
    class Sum(nn.Linear):
        def forward(self, a, b):
            return super().forward(a + b)

    both = []
    for data, valid in (
        (batches(x, -x, y, 8, shuffle=False), (x, x, y)),
        (list(zip(x.split(8), (-x).split(8), y.split(8))), [(x, x, y)]),
    ):
        torch.manual_seed(0)
        training = run(Sum(3, 2), data, valid=valid, metrics=[accuracy], epochs=2).run()
        both.append(training.history)
    assert both[0] == both[1]


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda: batches(x, y, 8, True), TypeError, "^batch_size: .* by name"),
        (lambda: batches(x, y), TypeError, "^batch_size: expected a whole number"),
        (lambda: batches(8), TypeError, "^x: expected a tensor"),
        (lambda: batches(), TypeError, "^batch_size: expected"),
        (
            lambda: batches(x, x[:5], y, 8),
            ValueError,
            "^x0 and x1 and y: .* 33 in x0, 5 in x1, 33 in y",
        ),
        (
            lambda: batches(x, [1], y, batch_size=8),
            TypeError,
            r"^x1: expected a tensor \(N, ...\), got list",
        ),
        (
            lambda: run(linear(), batches(x, 8)).run(),
            TypeError,
            r"^a batch: expected \(inputs, labels\), got 1 of them",
        ),
    ],
)
def test_what_cannot_be_dealt_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_dict_for_a_batch_is_told_how_to_become_a_pair():
    data = [{"pixels": x, "label": y}]
    with pytest.raises(
        TypeError, match=r"^a batch: expected \(inputs, labels\), got dict with 'pixels', 'label'"
    ):
        run(linear(), data).run()
    run(linear(), [(b["pixels"], b["label"]) for b in data]).run()  # what it says


# Labels that do not count


@given(
    st.lists(st.booleans(), min_size=4, max_size=33), st.integers(1, 9), st.sampled_from([-100, 7])
)
@few
def test_means_count_the_labels_that_the_loss_counts(ignore, size, index):
    n = len(ignore)
    a, b = x[:n], torch.where(torch.tensor(ignore), index, y[:n])
    parts = [p for p in zip(a.split(size), b.split(size)) if (p[1] != index).any()]
    loss = F.cross_entropy if index == -100 else partial(F.cross_entropy, ignore_index=index)
    if not parts:
        return
    model = linear()
    expected = loss(model(a), b).item()
    for data in (
        parts,
        DataLoader(
            TensorDataset(torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts])), size
        ),
    ):
        try:
            row = run(model, data, loss, lr=0.0, valid=(a, b)).run().history[0]
        except FloatingPointError as e:
            assert "labels: expected one or more that count" in str(e)
            continue
        assert row["loss"] == pytest.approx(expected, rel=1e-4) and row[
            "valid_loss"
        ] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    "loss", [F.cross_entropy, nn.CrossEntropyLoss(), nn.CrossEntropyLoss(ignore_index=5)]
)
def test_a_batch_in_which_no_label_counts_is_named(loss):
    index = getattr(loss, "ignore_index", -100)
    b = torch.full((8,), index)
    told = f"^labels: expected one or more that count, got a batch in which each is {index}, "
    with pytest.raises(FloatingPointError, match=told):
        run(linear(), batches(x[:8], b, 8), loss).run()
    ragged = [(x[:8], y[:8]), (x[8:16], b)]
    found = run(linear(), [(x, y)], loss, lr=0.0, valid=ragged).run().history[0]["valid_loss"]
    assert found == pytest.approx(loss(linear()(x[:8]), y[:8]).item())
    with pytest.raises(ValueError, match="^valid: .* that counts"):
        run(linear(), [(x, y)], loss, valid=[(x[:8], b)]).run()


# Data that are no numbers


@given(
    st.integers(0, 32),
    st.sampled_from([math.nan, math.inf, -math.inf]),
    st.booleans(),
    st.integers(0, 2),
)
@few
def test_the_row_that_holds_no_number_is_named(row, value, in_labels, seed):
    a, b = x.clone(), x.clone()
    (b if in_labels else a)[row, 1] = value
    name, came = "labels" if in_labels else "inputs", str(value)
    model = linear(3)
    with pytest.raises(FloatingPointError) as caught:
        run(model, batches(a, b, 4, seed=seed), F.mse_loss).run()
    told = str(caught.value)
    assert told.startswith(
        f"{name}: expected finite numbers, got {came} in row {row} of the data"
    ), told
    assert "learning rate" not in told and "no parameter was changed by it" in told
    rows = list(zip(a.split(4), b.split(4)))
    with pytest.raises(FloatingPointError, match=rf"^{name}: .* in row {row % 4} of this batch"):
        run(linear(3), rows, F.mse_loss).run()
    with pytest.raises(ValueError, match=rf"^valid {name}: .* in row {row} of the data"):
        run(linear(3), [(x, x)], F.mse_loss, valid=(a, b)).run()
    with pytest.raises(FloatingPointError, match=rf"^{name}: .* in row {row} of the data"):
        lr_find(linear(3), batches(a, b, 33), F.mse_loss, sgd.SGD(linear(3).parameters(), 0.1))


def test_many_rows_and_several_inputs_are_named_shortly():
    class Sum(nn.Linear):
        def forward(self, a, b):
            return super().forward(a + b)

    bad = x.clone()
    bad[5:25] = math.nan
    with pytest.raises(
        FloatingPointError, match="^inputs 1: .* got nan in rows 5, 6, 7 and 17 more of the data"
    ):
        run(Sum(3, 2), batches(x, bad, y, 8, seed=0)).run()


def test_a_loss_that_explodes_on_sound_data_speaks_of_the_learning_rate():
    with pytest.raises(FloatingPointError, match="with learning rate 1e.10.*Two things to try"):
        run(linear(3), [(x, x)], F.mse_loss, lr=1e10, epochs=50).run()


# The search for a learning rate


def curve(seed, n=200):
    g = dice(seed)
    a = torch.rand(n, 1, generator=g) * 2 - 1
    return a, 3 * a**2 + 2 * a + 1 + 0.3 * torch.randn(n, 1, generator=g)


def line(seed, n=200):
    g = dice(seed)
    a, w = torch.randn(n, 5, generator=g), torch.randn(5, 1, generator=g)
    return a, a @ w + torch.randn(n, 1, generator=g)


def flipped(seed, n=300):
    g = dice(seed)
    a = torch.randn(n, 2, generator=g)
    b = (a.sum(1) > 0).long()
    return a, torch.where(torch.rand(n, generator=g) < 0.2, 1 - b, b)


def blobs(seed, n=300, spread=1.0):
    g = dice(seed)
    centres, b = 2 * torch.randn(5, 4, generator=g), torch.randint(5, (n,), generator=g)
    return centres[b] + spread * torch.randn(n, 4, generator=g), b


def spiral(seed):
    from dljourney.kit.pictures import spiral

    return spiral(300, noise=0.05, seed=seed)


def handwriting(seed):
    from dljourney.kit.pictures import digits

    a, b = digits().train
    return a.flatten(1), b


def mlp(*sizes):
    layers = [layer for a, b in itertools.pairwise(sizes) for layer in (nn.Linear(a, b), nn.Tanh())]
    return nn.Sequential(*layers[:-1])


momentum = partial(torch.optim.SGD, momentum=0.9)
tasks = {  # data, sizes of the layers, loss, optimiser, batch size; the first five are noisy
    "a curve, single points": (curve, (1, 16, 1), F.mse_loss, sgd.SGD, 1),
    "a curve, batches of 32": (curve, (1, 16, 1), F.mse_loss, sgd.SGD, 32),
    "a line, batches of 8": (line, (5, 1), F.mse_loss, sgd.SGD, 8),
    "wrong labels, batches of 4": (flipped, (2, 16, 2), F.cross_entropy, momentum, 4),
    "wide blobs, batches of 16": (partial(blobs, spread=2.0), (4, 32, 5), F.cross_entropy,
                                  optimisers.Adam, 16),
    "a curve, all at once": (curve, (1, 16, 1), F.mse_loss, sgd.SGD, 200),
    "a line, all at once": (line, (5, 1), F.mse_loss, sgd.SGD, 200),
    "spirals, all at once": (spiral, (2, 16, 16, 2), F.cross_entropy, optimisers.Adam, 300),
    "digits, batches of 32": (handwriting, (64, 100, 10), F.cross_entropy, momentum, 32),
    "blobs, batches of 64": (blobs, (4, 32, 5), F.cross_entropy, optimisers.AdamW, 64),
}


def hundred_steps(task, seed, rates):
    """The loss on all data after 100 steps with each rate, in another order than the search saw.

    The networks learn side by side. A step moves each number by its rate times what a rate of 1
    would move it: so it is with SGD, momentum, Adam and AdamW.
    """
    make, sizes, loss, opt, size = tasks[task]
    a, b = make(seed)
    torch.manual_seed(seed)
    alike = [p.detach().T if p.ndim > 1 else p.detach()[None] for p in mlp(*sizes).parameters()]
    weights = [torch.stack([p] * len(rates)).requires_grad_() for p in alike]
    scale, stepper = torch.tensor(rates)[:, None, None], opt(weights, lr=1.0)

    def losses(a, b):
        out, labels = a.expand(len(rates), *a.shape), b.repeat(len(rates), *[1] * (b.ndim - 1))
        for i in range(0, len(weights), 2):
            out = torch.baddbmm(weights[i + 1], out.tanh() if i else out, weights[i])
        return loss(out.flatten(0, 1), labels, reduction="none").view(len(rates), -1).mean(1)

    dealt = itertools.chain.from_iterable(itertools.repeat(batches(a, b, size, seed=seed + 1000)))
    for xb, yb in itertools.islice(dealt, 100):
        stepper.zero_grad()
        losses(xb, yb).sum().backward()
        before = [w.detach().clone() for w in weights]
        stepper.step()
        with torch.no_grad():
            for w, was in zip(weights, before): w.copy_(was + scale * (w - was))
    with torch.no_grad(): return losses(a, b).nan_to_num(math.inf, math.inf).tolist()


def suggested(task, seed, **more):
    make, sizes, loss, opt, size = tasks[task]
    torch.manual_seed(seed)
    model = mlp(*sizes)
    data = batches(*make(seed), size, seed=seed)
    return lr_find(model, data, loss, opt(model.parameters(), lr=0.01), **more)


@pytest.mark.parametrize("task", tasks)
def test_the_suggested_rate_is_nearly_the_best_and_never_diverges(task):
    "Five seeds beside a grid of rates, each three times the next."
    ratios = []
    for seed in range(5):
        rates = [suggested(task, seed).suggestion, 0.0, *(3.0**-k for k in range(7))]
        found, still, *grid = hundred_steps(task, seed, rates)
        assert found < still, f"seed {seed}: {found} after the search, {still} without learning"
        ratios.append(found / min(grid))
    assert sorted(ratios)[2] <= 1.2, ratios


def nothing_to_learn(kind):
    "A model and data on which no rate learns anything."
    g = dice(0)
    if kind == "no slope":
        return linear(1), (x, x[:, :1]), lambda p, y: F.mse_loss(0 * p, y)
    if kind == "at the lowest point":
        model = linear(1)
        return model, (x, model(x).detach()), F.mse_loss
    noise = torch.randn(1000, 1, generator=g)  # its own mean, and nothing else, is the best guess
    model = nn.Linear(3, 1)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    return model, (torch.zeros(1000, 3), noise - noise.mean()), F.mse_loss


@pytest.mark.parametrize("kind", ["no slope", "at the lowest point", "noise"])
def test_where_nothing_can_be_learned_there_is_no_suggestion(kind):
    model, data, loss = nothing_to_learn(kind)
    found = lr_find(model, batches(*data, 4, seed=0), loss, sgd.SGD(model.parameters(), lr=0.1))
    assert found.suggestion is None and "no suggestion: the loss does not fall" in repr(found)
    assert "no suggestion" in found.plot().axes[0].get_title("left")


def test_one_unlucky_batch_is_no_explosion():
    "Single points often lose many times the least; only several in a row, far above all, count."
    found = suggested("a curve, single points", 0)
    assert max(found.losses[:50]) > 4 * min(found.losses[:50]) and len(found.losses) > 50


@pytest.mark.parametrize("task", list(tasks)[:2])
def test_a_search_with_a_learn_of_one_s_own_uses_it(task):
    calls = []
    found = suggested(task, 0, steps=20, learn=lambda *parts: (calls.append(1), learn(*parts))[1])
    assert found == suggested(task, 0, steps=20) and len(calls) > 60
