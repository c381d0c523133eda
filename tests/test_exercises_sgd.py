"Chapter 04's exercises: the solution, two other right answers, three or more typical wrong ones."
import inspect

import torch
from exercise_cases import Cases, is_correct, is_told, tests_of
from torch.nn import functional as F

from dljourney.exercises import sgd
from dljourney.sgd import Value


def slope_in_two_lines(f, x, h):
    rise = f(x + h) - f(x - h)
    return rise / h / 2


def slope_as_mean(f, x, h):
    right, left = (f(x + h) - f(x)) / h, (f(x) - f(x - h)) / h
    return (right + left) / 2


def step_in_place(w, grad, lr):
    w -= lr * grad
    return w


def batches_split(n, batch_size):
    return torch.randperm(n).split(batch_size)


def batches_yielded(n, batch_size):
    import random

    left = list(range(n))
    random.shuffle(left)
    while left:
        yield left[:batch_size]
        left = left[batch_size:]


def batches_full_only(n, batch_size):
    order = torch.randperm(n)
    return [order[i * batch_size : (i + 1) * batch_size] for i in range(n // batch_size)]


def batches_in_order(n, batch_size):
    return [list(range(n))[i : i + batch_size] for i in range(0, n, batch_size)]


def batches_of_neighbours(n, batch_size):
    return [batch[::-1] for batch in batches_in_order(n, batch_size)]


def batches_in_another_order(n, batch_size):
    *full, last = batches_in_order(n, batch_size)
    return [*full[::-1], last]


def batches_drawn(n, batch_size):
    return [torch.randint(n, (min(batch_size, n - i),)) for i in range(0, n, batch_size)]


def batches_same_each_time(n, batch_size):
    torch.manual_seed(1)
    return batches_split(n, batch_size)


def batches_from_one(n, batch_size):
    return [1 + b for b in batches_split(n, batch_size)]


def batches_without_end(n, batch_size):
    while True:
        yield torch.randperm(n)[:batch_size]


def batches_by_number(n, batch_size):
    return list(torch.randperm(n).chunk(batch_size))


def cross_entropy_by_hand(logits, labels):
    top = logits.max(dim=1, keepdim=True).values
    exps = (logits - top).exp()
    losses = [-(logits[i, y] - top[i, 0] - exps[i].sum().log()) for i, y in enumerate(labels)]
    return sum(losses) / len(losses)


def largest_is_its_own(logits, labels):
    return (logits.max(1).values == logits[torch.arange(len(labels)), labels]).float().mean()


def counted(logits, labels):
    hits = 0
    for row, label in zip(logits, labels):
        hits += int(row.max(dim=0).indices == label)
    return hits / len(labels)


CASES = {
    "slope": Cases(
        right=[slope_in_two_lines, slope_as_mean],
        wrong=[
            ("to the right only", lambda f, x, h: (f(x + h) - f(x)) / h),
            ("`2 * h` apart", lambda f, x, h: (f(x + h) - f(x - h)) / h),
            ("right minus left", lambda f, x, h: -(f(x + h) - f(x - h)) / (2 * h)),
            ("brackets", lambda f, x, h: (f(x + h) - f(x - h)) / 2 * h),
        ],
    ),
    "difference": Cases(
        right=[
            lambda a, b: a + b * Value(-1.0),
            lambda a, b: Value(-1.0) * (b + Value(-1.0) * a),
            lambda a, b: Value(a.data - b.data, [(b, -1), (a, 1)]),
        ],
        wrong=[
            ("Make a `Value`", lambda a, b: a.data - b.data),
            ("no way to `a` and `b`", lambda a, b: Value(a.data - b.data)),
            ("slope is negative", lambda a, b: Value(a.data - b.data, ((a, 1.0), (b, 1.0)))),
            ("turned round", lambda a, b: b + a * Value(-1.0)),
            ("not `a - b`", lambda a, b: a + b),
            ("are others", lambda a, b: Value(a.data - b.data, ((a, b.data), (b, -a.data)))),
            ("are others", lambda a, b: Value(a.data - b.data, ((a, 1.0),))),
        ],
    ),
    "gradient_step": Cases(
        right=[step_in_place, lambda w, g, eta: w + g * -eta],
        wrong=[
            ("uphill", lambda w, g, lr: w + lr * g),
            ("learning rate is missing", lambda w, g, lr: w - g),
            ("the step alone", lambda w, g, lr: g * lr),
            ("divide by the learning rate", lambda w, g, lr: w - g / lr),
        ],
    ),
    "minibatch_indices": Cases(
        right=[batches_split, batches_yielded],
        wrong=[
            ("short last batch was dropped", batches_full_only),
            ("not shuffled", batches_in_order),
            ("shuffle all indices first", batches_of_neighbours),
            ("shuffle all indices first", batches_in_another_order),
            ("more than once", batches_drawn),
            ("same order as the first", batches_same_each_time),
            ("no datapoint has", batches_from_one),
            ("more batches than datapoints", batches_without_end),
            ("other sizes", batches_by_number),
        ],
    ),
    "linear_layer": Cases(
        right=[lambda x, w, b: F.linear(x, w.T, b),
               lambda x, w, b: torch.einsum("ni,io->no", x, w) + b[None]],
        wrong=[
            ("matrix product `@`", lambda x, w, b: x * w + b),
            ("bias `b` is missing", lambda x, w, b: x.matmul(w)),
            ("turned round", lambda x, w, b: F.linear(x, w, b)),
            ("no relu", lambda x, w, b: torch.relu(x @ w + b)),
        ],
    ),
    "mean_squared_error": Cases(
        right=[lambda p, t: F.mse_loss(p[:, 0], t),
               lambda p, t: (p - t[:, None]).pow(2).sum() / len(t)],
        wrong=[
            ("broadcast", lambda p, t: (p - t).pow(2).mean()),
            ("sum. Divide", lambda p, t: (p[:, 0] - t).pow(2).sum()),
            ("cancel", lambda p, t: (p[:, 0] - t).mean()),
            ("root of it", lambda p, t: F.mse_loss(p[:, 0], t).sqrt()),
        ],
    ),
    "cross_entropy_loss": Cases(
        right=[F.cross_entropy, cross_entropy_by_hand],
        wrong=[
            ("sign is turned round", lambda x, y: x.log_softmax(1)[range(len(y)), y].mean()),
            ("Take the mean", lambda x, y: F.nll_loss(x.log_softmax(1), y, reduction="sum")),
            ("infinite", lambda x, y: -(x.exp()[range(len(y)), y] / x.exp().sum(1)).log().mean()),
            ("dim 0", lambda x, y: F.nll_loss(x.log_softmax(0), y)),
        ],
    ),
    "share_correct": Cases(
        right=[counted, lambda x, y: 1 - (x.max(1).indices != y).double().mean(),
               largest_is_its_own],
        wrong=[
            ("counts the right ones", lambda x, y: sum(x.argmax(1) == y)),
            ("share of wrong", lambda x, y: 1 - (x.argmax(1) == y).float().mean()),
            ("percentage", lambda x, y: (x.argmax(1) == y).sum() / len(y) * 100),
            ("its place", lambda x, y: (x.max(1).values == y).float().mean()),
        ],
    ),
}
test_exercises = tests_of(sgd, CASES)


def test_a_softmax_that_underflows_is_told_so():
    "The probability of the right class rounds to zero, and its logarithm is infinite."
    is_told(sgd, "cross_entropy_loss", "", lambda x, y: F.nll_loss(x.softmax(1).log(), y))


ANSWERS = """
def taken(a, b): return Value(a.data - b.data, ((a, 1.0), (b, -1.0)))
def turned(a, b): return Value(-1.0) * (b + Value(-1.0) * a)
def number(a, b): return a.data - b.data
"""


def test_the_class_that_a_reader_has_run_in_the_chapter_is_a_value_too():
    "Its cell makes a class of its own, which counts for itself."
    names = {"Sequence": tuple}
    exec(inspect.getsource(Value) + ANSWERS, names)
    for name in ("taken", "turned"):
        for made in (0, 1000):
            names["Value"].made = made
            is_correct(sgd, "difference", names[name])
    is_told(sgd, "difference", "Make a `Value`", names["number"])
