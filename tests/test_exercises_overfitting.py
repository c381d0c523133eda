"Chapter 07's exercises: each with its solution, two other right answers and typical wrong ones."
import math

import numpy as np
import torch
from exercise_cases import Cases, tests_of

from dljourney.exercises import overfitting


def best_by_loop(valid_losses):
    best = 0
    for i, loss in enumerate(valid_losses):
        if loss < valid_losses[best]:
            best = i
    return best


def stop_by_best_epoch(valid_losses, patience):
    return len(valid_losses) - 1 - best_by_loop(valid_losses) >= patience


def stop_by_counting(valid_losses, patience):
    best, waited = math.inf, 0
    for loss in valid_losses:
        best, waited = (loss, 0) if loss < best else (best, waited + 1)
    return waited >= patience


def stop_at_one_bad_epoch(valid_losses, patience):
    return len(valid_losses) > patience and valid_losses[-1] >= min(valid_losses[:-1])


def bias_by_numpy(predictions, truth):
    return (np.mean(predictions) - truth) ** 2, np.var(predictions)


def bias_by_torch(predictions, truth):
    p = torch.tensor(predictions)
    bias = (p.mean() - truth) ** 2
    return bias, ((p - truth) ** 2).mean() - bias


def split_by_loop(groups, held_out):
    parts = [], []
    for i, group in enumerate(groups):
        parts[group in held_out].append(i)
    return parts


def split_by_numpy(groups, held_out):
    inside = np.array([g in held_out for g in groups])
    return list(np.flatnonzero(~inside)), list(np.flatnonzero(inside))


def fluke_by_loop(p, k):
    none = 1.0
    for _ in range(k):
        none *= 1 - p
    return 1 - none


def drop_by_torch(activations, keep, p):
    return (torch.tensor(activations) * torch.tensor(keep) / (1 - p)).tolist()


def vote_by_torch(probabilities):
    return torch.tensor(probabilities).mean(0).argmax()


def majority(probabilities):
    votes = [row.index(max(row)) for row in probabilities]
    return max(range(len(probabilities[0])), key=votes.count)


CASES = {
    "best_epoch": Cases(
        right=[best_by_loop, lambda valid_losses: int(np.argmin(valid_losses))],
        wrong=[
            ("*which* epoch", lambda valid_losses: min(valid_losses)),
            ("Count from 0", lambda valid_losses: best_by_loop(valid_losses) + 1),
            ("highest loss", lambda valid_losses: valid_losses.index(max(valid_losses))),
            ("last epoch", lambda valid_losses: len(valid_losses) - 1),
        ],
    ),
    "should_stop": Cases(
        right=[stop_by_best_epoch, stop_by_counting],
        wrong=[
            ("upside down", lambda losses, patience: not stop_by_counting(losses, patience)),
            ("wait for `patience`", stop_at_one_bad_epoch),
            ("not only with the one just before",
             lambda losses, n: len(losses) > n and min(losses[-n:]) >= losses[-n - 1]),
        ],
    ),
    "bias_squared_and_variance": Cases(
        right=[bias_by_numpy, bias_by_torch],
        wrong=[
            ("not from the truth",
             lambda p, t: ((np.mean(p) - t) ** 2, np.mean((np.array(p) - t) ** 2))),
            ("Square the bias", lambda p, t: (np.mean(p) - t, np.var(p))),
            ("swapped", lambda p, t: bias_by_numpy(p, t)[::-1]),
        ],
    ),
    "split_by_group": Cases(
        right=[split_by_loop, split_by_numpy],
        wrong=[
            ("indices of the items",
             lambda groups, out: ([g for g in groups if g not in out],
                                  [g for g in groups if g in out])),
            ("swapped", lambda groups, out: split_by_loop(groups, out)[::-1]),
            ("That is the leak", lambda groups, out: (list(range(len(groups))),
                                                      split_by_loop(groups, out)[1])),
        ],
    ),
    "chance_of_a_fluke": Cases(
        right=[fluke_by_loop, lambda p, k: -math.expm1(k * math.log1p(-p))],
        wrong=[
            ("above 1", lambda p, k: k * p),
            ("*all* of them", lambda p, k: p**k),
            ("*none* passes", lambda p, k: (1 - p) ** k),
        ],
    ),
    "drop": Cases(
        right=[drop_by_torch, lambda activations, keep, p: [k * a / (1 - p)
                                                            for a, k in zip(activations, keep)]],
        wrong=[
            ("must be made larger",
             lambda activations, keep, p: [a * k for a, k in zip(activations, keep)]),
            ("which ones *stay*",
             lambda activations, keep, p: [(1 - k) * a / (1 - p)
                                           for a, k in zip(activations, keep)]),
            ("each becomes larger",
             lambda activations, keep, p: [k * a * (1 - p) for a, k in zip(activations, keep)]),
        ],
    ),
    "decayed_step": Cases(
        right=[
            lambda w, grad, lr, decay: (1 - lr * decay) * w - lr * grad,
            lambda w, grad, lr, decay: w - lr * (grad + decay * w),
        ],
        wrong=[
            ("decay is missing", lambda w, grad, lr, decay: w - lr * grad),
            ("towards 0", lambda w, grad, lr, decay: w - lr * grad + lr * decay * w),
            ("multiplied by the learning rate",
             lambda w, grad, lr, decay: w - lr * grad - decay * w),
        ],
    ),
    "vote": Cases(
        right=[vote_by_torch, lambda probabilities: int(np.sum(probabilities, 0).argmax())],
        wrong=[
            ("which class", lambda probabilities: float(np.mean(probabilities, 0).max())),
            ("Average the probabilities first", majority),
            ("surest network only",
             lambda probabilities: int(np.argmax(max(probabilities, key=max)))),
            ("You multiplied", lambda probabilities: int(np.prod(probabilities, 0).argmax())),
            ("first network only", lambda probabilities: int(np.argmax(probabilities[0]))),
        ],
    ),
}

test_exercises = tests_of(overfitting, CASES)
