"Chapter 01's exercises, each with right and wrong answers."
import math

from exercise_cases import Cases, tests_of

from dljourney.exercises import whole_game


def by_loop(answer):
    best = None
    for name, p in answer.items():
        if best is None or p > answer[best]:
            best = name
    return best


def sure_by_loop(answer, at_least):
    best = by_loop(answer)
    if answer[best] < at_least:
        return "not sure"
    return best


def left_out(kept, taught):
    found = []
    for drawing in kept:
        if drawing in taught:
            continue
        found.append(drawing)
    return found


def by_index(picture):
    return [[row[i - 1] if i else 0 for i in range(len(row))] for row in picture]


def in_place(picture):
    for row in picture:
        row.insert(0, 0)
        row.pop()
    return picture


def by_tensor(features, weights, bias):
    import torch

    return (torch.tensor(weights) @ torch.tensor(features) + torch.tensor(bias)).tolist()


def by_two_loops(features, weights, bias):
    scores = list(bias)
    for i in range(len(weights)):
        for j in range(len(features)):
            scores[i] += weights[i][j] * features[j]
    return scores


def softmax(scores):
    import torch

    return torch.tensor(scores).softmax(0).tolist()


def shifted(scores):
    top = max(scores)
    sizes = [math.exp(s - top) for s in scores]
    return [s / sum(sizes) for s in sizes]


def sure_by_sorting(answer, at_least):
    enough = sorted((-p, name) for name, p in answer.items() if p >= at_least)
    return enough[0][1] if enough else "not sure"


CASES = {
    "likeliest": Cases(
        right=[by_loop, lambda answer: sorted(answer.items(), key=lambda pair: pair[1])[-1][0]],
        wrong=[
            ("compared the names", lambda answer: sorted(answer)[-1]),
            ("That is the probability", lambda answer: max(answer.values())),
            ("first name", lambda answer: list(answer)[0]),
            ("least likely", lambda answer: min(answer, key=answer.get)),
        ],
    ),
    "or_not_sure": Cases(
        right=[
            sure_by_loop,
            sure_by_sorting,
        ],
        wrong=[
            ("You always decide", lambda answer, at_least: by_loop(answer)),
            ("compared the names",
             lambda answer, t: max(answer) if max(answer.values()) >= t else "not sure"),
            ("need not be the likeliest",
             lambda answer, t: next((n for n in answer if answer[n] >= t), "not sure")),
            ("exactly",
             lambda answer, t: by_loop(answer) if max(answer.values()) > t else "not sure"),
            ("other way round",
             lambda answer, t: "not sure" if max(answer.values()) >= t else by_loop(answer)),
        ],
    ),
    "fewest_examples": Cases(
        right=[
            lambda things: sorted(things, key=lambda n: len(things[n]))[0],
            lambda things: by_loop({n: -len(d) for n, d in things.items()}),
        ],
        wrong=[
            ("most", lambda things: max(things, key=lambda n: len(things[n]))),
            ("Return its name", lambda things: min(map(len, things.values()))),
            ("You compared the names", lambda things: sorted(things)[0]),
        ],
    ),
    "new_drawings": Cases(
        right=[left_out, lambda kept, taught: list(filter(lambda d: d not in taught, kept))],
        wrong=[
            ("taught with", lambda kept, taught: list(filter(lambda d: d in taught, kept))),
            ("returned them all", lambda kept, taught: kept),
            ("not the same ones", lambda kept, taught: kept[len(taught) :]),
            ("the order of `kept`", lambda kept, taught: list(set(kept) - set(taught))),
            ("the order of `kept`",
             lambda kept, taught: list({d for d in kept if d not in taught})),
            ("the order of `kept`", lambda kept, taught: sorted(left_out(kept, taught))),
        ],
    ),
    "moved_right": Cases(
        right=[by_index, in_place],
        wrong=[
            ("wider", lambda picture: [[0] + row for row in picture]),
            ("to the left", lambda picture: [row[1:] + [0] for row in picture]),
            ("came in again", lambda picture: [row[-1:] + row[:-1] for row in picture]),
            ("moved down", lambda picture: [[0] * len(picture[0])] + picture[:-1]),
        ],
    ),
    "head": Cases(
        right=[by_tensor, by_two_loops],
        wrong=[
            ("forgot the bias", lambda f, w, b: [sum(x * y for x, y in zip(f, row)) for row in w]),
            ("each product",
             lambda f, w, b: [sum(x * y + c for x, y in zip(f, row)) for row, c in zip(w, b)]),
            ("pair by pair", lambda f, w, b: [sum(f) * sum(row) + c for row, c in zip(w, b)]),
        ],
    ),
    "to_probabilities": Cases(
        right=[softmax, shifted],
        wrong=[
            ("do not add up", lambda scores: [math.exp(s) for s in scores]),
            ("Without `exp`", lambda scores: [s / (sum(scores) or 1) for s in scores]),
            ("Divide by the sum", lambda scores: [math.exp(s - max(scores)) for s in scores]),
        ],
    ),
}

test_exercises = tests_of(whole_game, CASES)
