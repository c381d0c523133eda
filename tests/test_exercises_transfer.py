"Chapter 08's exercises, each with right and wrong answers."
import math

import numpy as np
from exercise_cases import Cases, tests_of

from dljourney.exercises import transfer


def learns_by_split(names, head):
    return [n for n in names if n.split(".")[0] == head]


def learns_by_loop(names, head):
    found = []
    for name in names:
        if name[: len(head) + 1] == head + ".":
            found.append(name)
    return found


def nearest_by_tensor(query, features, labels):
    import torch

    gap = (torch.tensor(features) - torch.tensor(query)).norm(dim=1)
    return labels[int(gap.argmin())]


def nearest_by_min(query, features, labels):
    return min(zip(features, labels), key=lambda pair: math.dist(query, pair[0]))[1]


def rates_by_loop(n_stages, lr, decay):
    rates = []
    for _ in range(n_stages):
        rates.insert(0, lr)
        lr = lr * decay
    return rates


def steps_by_range(n, batch_size, frozen_epochs, epochs):
    return (frozen_epochs + epochs) * len(range(0, n, batch_size))


def mean_by_step(mean, batches, momentum):
    import torch

    for batch in batches:
        mean = mean + momentum * (torch.tensor(batch).mean().item() - mean)
    return mean


def mean_recursive(mean, batches, momentum):
    if not batches:
        return mean
    first, *rest = batches
    mean = (1 - momentum) * mean + momentum * (sum(first) / len(first))
    return mean_recursive(mean, rest, momentum)


def counts_by_comprehension(right, said, n_classes):
    pairs = list(zip(right, said))
    return [[pairs.count((r, s)) for s in range(n_classes)] for r in range(n_classes)]


def counts_by_tensor(right, said, n_classes):
    import torch

    counts = torch.zeros(n_classes, n_classes, dtype=torch.int64)
    for r, s in zip(right, said):
        counts[r, s] += 1
    return counts.tolist()


def shared_rows(right, said, n_classes):
    counts = [[0] * n_classes] * n_classes
    for r, s in zip(right, said):
        counts[r][s] += 1
    return counts


def worst_by_reverse(losses, n):
    return sorted(range(len(losses)), key=losses.__getitem__, reverse=True)[:n]


def worst_by_pairs(losses, n):
    return [i for _, i in sorted(((v, i) for i, v in enumerate(losses)), reverse=True)][:n]


def diagonal_only(right, said, n):
    pairs = list(zip(right, said))
    return [[sum(a == b == i == j for a, b in pairs) for j in range(n)] for i in range(n)]


def mend_by_min(x, y, n, learn):
    y = [int(label) for label in y]
    for _ in range(n):
        said = learn(x, y)
        worst = min(range(len(y)), key=lambda i: said[i][y[i]])
        y[worst] = int(np.argmax(said[worst]))
    return y


def mend_recursive(x, y, n, learn):
    import torch

    if not n: return y
    said = torch.tensor(learn(x, y))
    labels = torch.as_tensor(y)
    i = int(torch.nn.functional.nll_loss(said.log(), labels, reduction="none").argmax())
    labels[i] = said[i].argmax()
    return mend_recursive(x, labels, n - 1, learn)


def mend_in_one_look(x, y, n, learn):
    said = learn(x, y)
    for i in sorted(range(len(y)), key=lambda i: said[i][y[i]])[:n]:
        y[i] = int(np.argmax(said[i]))
    return y


def mend_the_surest(x, y, n, learn):
    for _ in range(n):
        said = learn(x, y)
        losses = [math.log(row[label]) for row, label in zip(said, y)]
        i = losses.index(max(losses))
        y[i] = int(np.argmax(said[i]))
    return y


def mend_the_least_sure(x, y, n, learn):
    for _ in range(n):
        said = np.array(learn(x, y))
        i = int(said.max(1).argmin())
        y[i] = int(said[i].argmax())
    return y


def test_five_planted_labels_are_found_by_loss_and_not_by_belief():
    "Each pile of the exercise comes out as it was before it was spoiled."
    for seed, places, each, spread in ((48, [(-1, 0), (1, 0)], 20, 0.65),
                                       (4, [(0, 0), (1.4, 0), (0.7, 1.2)], 8, 0.4)):
        x, y = transfer._pile(seed, places, each, spread)
        truth = [thing for thing in range(len(places)) for _ in range(each)]
        assert sum(a != b for a, b in zip(y, truth)) == 5
        assert transfer.mend(x, y, 5, transfer.learn) == truth
        believed = [int(np.argmax(row)) for row in transfer.learn(x, y)]
        assert believed != truth != mend_in_one_look(x, list(y), 5, transfer.learn)


CASES = {
    "mend": Cases(
        right=[mend_by_min, mend_recursive],
        wrong=[
            ("every picture", lambda x, y, n, learn: [int(np.argmax(r)) for r in learn(x, y)]),
            ("Learn again after each", mend_in_one_look),
            ("Nothing has changed", mend_the_surest),
            ("Nothing has changed", lambda x, y, n, learn: y),
            ("least sure", mend_the_least_sure),
            ("That is one round", lambda x, y, n, learn: mend_by_min(x, y, 1, learn)),
        ],
    ),
    "learns": Cases(
        right=[learns_by_split, learns_by_loop],
        wrong=[
            ("are frozen", lambda names, head: [n for n in names if not n.startswith(head + ".")]),
            ("contains the word", lambda names, head: [n for n in names if head in n]),
            ("does not begin with them", lambda names, head: [n for n in names if head + "." in n]),
            ("Look for the dot", lambda names, head: [n for n in names if n.startswith(head)]),
        ],
    ),
    "nearest_label": Cases(
        right=[nearest_by_tensor, nearest_by_min],
        wrong=[
            ("farthest", lambda q, f, y: max(zip(f, y), key=lambda p: math.dist(q, p[0]))[1]),
            ("cancel", lambda q, f, y: min(zip(f, y), key=lambda p: sum(p[0]) - sum(q))[1]),
            ("their *squares*", lambda q, f, y: y[int(np.abs(np.subtract(f, q)).sum(1).argmin())]),
            ("Its label is wanted",
             lambda q, f, y: min(range(len(f)), key=lambda i: math.dist(q, f[i]))),
        ],
    ),
    "stage_rates": Cases(
        right=[rates_by_loop, lambda n, lr, d: [lr * d**i for i in range(n)][::-1]],
        wrong=[
            ("turned round", lambda n, lr, d: [lr * d**i for i in range(n)]),
            ("one step too slow", lambda n, lr, d: [lr * d ** (n - i) for i in range(n)]),
            ("equal steps", lambda n, lr, d: [lr * (1 - (1 - d) * (n - 1 - i)) for i in range(n)]),
        ],
    ),
    "n_steps": Cases(
        right=[steps_by_range, lambda n, b, f, e: -(-n // b) * (f + e)],
        wrong=[
            ("round up", lambda n, b, f, e: n // b * (f + e)),
            ("takes steps too", lambda n, b, f, e: math.ceil(n / b) * e),
            ("Every epoch", lambda n, b, f, e: math.ceil(n * (f + e) / b)),
        ],
    ),
    "running_mean": Cases(
        right=[mean_by_step, mean_recursive],
        wrong=[
            ("share of the *new*", lambda m, bs, a: mean_recursive(m, bs, 1 - a)),
            ("all numbers at once",
             lambda m, bs, a: mean_recursive(m, [sum(bs, [])] if bs else [], a)),
            ("*mean* is wanted", lambda m, bs, a: mean_recursive(m, [[sum(b)] for b in bs], a)),
        ],
    ),
    "confusion_counts": Cases(
        right=[counts_by_comprehension, counts_by_tensor],
        wrong=[
            ("swapped", lambda r, s, n: counts_by_comprehension(s, r, n)),
            ("one and the same list", shared_rows),
            ("The mistakes are", diagonal_only),
        ],
    ),
    "worst_first": Cases(
        right=[worst_by_reverse, worst_by_pairs],
        wrong=[
            ("the other way round", lambda v, n: sorted(range(len(v)), key=v.__getitem__)[:n]),
            ("places are wanted", lambda v, n: sorted(v, reverse=True)[:n]),
            ("not in order", lambda v, n: sorted(worst_by_reverse(v, n))),
        ],
    ),
}
test_exercises = tests_of(transfer, CASES)
