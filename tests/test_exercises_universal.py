"Chapter 06's exercises: each with its solution, two other right answers and typical wrong ones."
import math

import numpy as np
import torch
from exercise_cases import Cases, tests_of

from dljourney.exercises import universal


def hinge_by_if(x, at, slope):
    if x < at:
        return 0
    return slope * x - slope * at


def bump_by_distance(x, left, right):
    return max(0, 1 - abs(x - (left + right) / 2) / ((right - left) / 2))


def bump_by_interp(x, left, right):
    return float(np.interp(x, [left, (left + right) / 2, right], [0, 1, 0]))


def box(x, left, right):
    return 1.0 if left < x < right else 0.0


def turns_by_numpy(xs, ys):
    return list(np.diff(np.diff(ys) / np.diff(xs), prepend=0))


def turns_by_loop(xs, ys):
    weights, slope = [], 0
    for i in range(len(xs) - 1):
        new = (ys[i + 1] - ys[i]) / (xs[i + 1] - xs[i])
        weights.append(new - slope)
        slope = new
    return weights


def slopes_only(xs, ys):
    return [(ys[i + 1] - ys[i]) / (xs[i + 1] - xs[i]) for i in range(len(xs) - 1)]


def line_by_torch(x, knots, weights, start):
    return start + torch.relu(x - torch.tensor(knots)) @ torch.tensor(weights)


def line_by_loop(x, knots, weights, start):
    for knot, weight in zip(knots, weights):
        if x > knot:
            start += weight * (x - knot)
    return start


def counted(hinges, error, wanted):
    n = 1
    while error * (hinges / n) ** 2 > wanted:
        n += 1
    return n


def two_hinges(x, a, b): return max(0, x - a) - 2 * max(0, x - (a + b) / 2)


CASES = {
    "hinge": Cases(
        right=[hinge_by_if, lambda x, at, slope: slope * torch.relu(torch.tensor(x - at))],
        wrong=[
            ("cut the negative part off", lambda x, at, slope: slope * (x - at)),
            ("Cut off before you multiply", lambda x, at, slope: max(0, slope * (x - at))),
            ("slope is missing", lambda x, at, slope: max(0, x - at)),
            ("subtract `at`", lambda x, at, slope: slope * max(0, x + at)),
        ],
    ),
    "bump_height": Cases(
        right=[bump_by_distance, bump_by_interp],
        wrong=[
            ("That is a box", box),
            ("however wide", lambda x, a, b: two_hinges(x, a, b) + max(0, x - b)),
            ("a third hinge", lambda x, a, b: two_hinges(x, a, b) / ((b - a) / 2)),
            ("divide by *half*", lambda x, a, b: bump_by_distance(x, a, b) / 2),
        ],
    ),
    "turns": Cases(
        right=[turns_by_numpy, turns_by_loop],
        wrong=[
            ("slopes themselves", slopes_only),
            ("first slope is missing", lambda xs, ys: turns_by_loop(xs, ys)[1:]),
            ("rise divided by run", lambda xs, ys: turns_by_loop(list(range(len(ys))), ys)),
        ],
    ),
    "broken_line": Cases(
        right=[line_by_torch, line_by_loop],
        wrong=[
            ("`start` is missing",
             lambda x, knots, weights, start: line_by_loop(x, knots, weights, 0)),
            ("use `max(0, ...)`",
             lambda x, knots, weights, start: start
             + sum(w * (x - k) for k, w in zip(knots, weights))),
            ("pull the curve down",
             lambda x, knots, weights, start: start
             + sum(max(0, w * (x - k)) for k, w in zip(knots, weights))),
        ],
    ),
    "hinges_needed": Cases(
        right=[counted,
               lambda hinges, error, wanted: math.ceil((hinges**2 * error / wanted) ** 0.5)],
        wrong=[
            ("Rounded to the nearest",
             lambda hinges, error, wanted: round(hinges * math.sqrt(error / wanted))),
            ("fell as 1/n", lambda hinges, error, wanted: math.ceil(hinges * error / wanted)),
            ("upside down",
             lambda hinges, error, wanted: math.ceil(hinges * (wanted / error) ** 0.5)),
            ("squared the ratio",
             lambda hinges, error, wanted: math.ceil(hinges * (error / wanted) ** 2)),
        ],
    ),
    "turning_point": Cases(
        right=[lambda w, b: None if w == 0 else -(b / w),
               lambda w, b: float(np.roots([w, b])[0]) if w else None],
        wrong=[
            ("The sign is wrong", lambda w, b: b / w if w else None),
            ("Divide by w", lambda w, b: -b if w else None),
            ("upside down", lambda w, b: (-w / b if b else None) if w else None),
        ],
    ),
}

test_exercises = tests_of(universal, CASES)
