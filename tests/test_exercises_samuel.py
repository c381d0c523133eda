"Chapter 02's exercises, each with right and wrong answers."
from functools import partial

from exercise_cases import Cases, tests_of

from dljourney.exercises import samuel


def by_index(inputs, weights):
    return sum(inputs[i] * weights[i] for i in range(len(inputs)))


def by_tensor(inputs, weights):
    import torch

    return float(torch.tensor(inputs) @ torch.tensor(weights))


def share_wrong(answers, labels): return sum(a != b for a, b in zip(answers, labels)) / len(labels)


def counting(answers, labels):
    right = 0
    for i in range(len(labels)):
        if answers[i] == labels[i]:
            right += 1
    return right / len(labels)


def by_while(start, performance, mechanism, rounds):
    current, scores = (start, performance(start)), []
    while len(scores) < rounds:
        current = mechanism(current, performance)
        scores += [current[1]]
    return scores


def recursive(start, performance, mechanism, rounds):
    def rest(current, n):
        if n == 0:
            return []
        current = mechanism(current, performance)
        return [current[1], *rest(current, n - 1)]

    return rest((start, performance(start)), rounds)


def from_both_sides(performance, weight, nudge):
    return (performance(weight + nudge) - performance(weight - nudge)) / (2 * nudge)


class Frozen:
    "A program that is no function."

    def __init__(self, model, weights):
        self.model, self.weights = model, weights

    def __call__(self, image):
        return self.model(image, self.weights)


def moves_in_place(weights, change, step):
    for i, c in enumerate(change):
        weights[i] += step * c
    return weights


def unmeasured(score, start, performance, mechanism, rounds):
    current, scores = (start, score), []
    for _ in range(rounds):
        current = mechanism(current, performance)
        scores.append(current[1])
    return scores


def forgets(start, performance, mechanism, rounds):
    return [mechanism((start, performance(start)), performance)[1] for _ in range(rounds)]


def counts_start(start, performance, mechanism, rounds):
    return [performance(start)] + by_while(start, performance, mechanism, rounds)


CASES = {
    "weighted_sum": Cases(
        right=[by_index, by_tensor],
        wrong=[
            ("multiplied by its weight first", lambda inputs, weights: sum(inputs)),
            ("pair by pair", lambda inputs, weights: sum(inputs) * sum(weights)),
            ("so multiply", lambda inputs, weights: sum(inputs) + sum(weights)),
        ],
    ),
    "share_equal": Cases(
        right=[counting, lambda answers, labels: 1 - share_wrong(answers, labels)],
        wrong=[
            ("divided by how many",
             lambda answers, labels: sum(a == b for a, b in zip(answers, labels))),
            ("share of wrong", share_wrong),
            ("per cent", lambda answers, labels: 100 * counting(answers, labels)),
        ],
    ),
    "keep_better": Cases(
        right=[
            lambda current, candidate: max(current, candidate, key=lambda pair: pair[1]),
            lambda current, candidate: current if current[1] >= candidate[1] else candidate,
        ],
        wrong=[
            ("worse one",
             lambda current, candidate: min(current, candidate, key=lambda pair: pair[1])),
            ("compared the weights", lambda current, candidate: max(current, candidate)),
            ("always took", lambda current, candidate: candidate),
            ("On a tie",
             lambda current, candidate: candidate if candidate[1] >= current[1] else current),
        ],
    ),
    "neighbour": Cases(
        right=[
            lambda w, change, step: [w[i] + change[i] * step for i in range(len(w))],
            lambda weights, change, step: list(map(lambda w, c: w + step * c, weights, change)),
        ],
        wrong=[
            ("changed the old weights", moves_in_place),
            ("change alone", lambda weights, change, step: [step * c for c in change]),
            ("whole change",
             lambda weights, change, step: [w + c for w, c in zip(weights, change)]),
            ("other way",
             lambda weights, change, step: [w - step * c for w, c in zip(weights, change)]),
        ],
    ),
    "slope": Cases(
        right=[
            lambda f, weight, nudge: f(weight + nudge) / nudge - f(weight) / nudge,
            lambda f, weight, nudge: (f(weight) - f(weight + nudge)) / -nudge,
            from_both_sides,
        ],
        wrong=[
            ("Divide it by the nudge", lambda f, w, n: f(w + n) - f(w)),
            ("sign is wrong", lambda f, w, n: (f(w) - f(w + n)) / n),
            ("divided by the weight", lambda f, w, n: (f(w + n) - f(w)) / w),
            ("two nudges apart", lambda f, w, n: (f(w + n) - f(w - n)) / n),
        ],
    ),
    "go_round": Cases(
        right=[by_while, recursive],
        wrong=[
            ("Your code stopped", partial(unmeasured, None)),
            ("the start's own score", partial(unmeasured, 0)),
            ("starts from the beginning", forgets),
            ("One score after each round", counts_start),
            ("too few", lambda s, p, m, r: by_while(s, p, m, max(r - 1, 0))),
        ],
    ),
    "freeze": Cases(
        right=[
            lambda model, weights: lambda image: model(image, weights),
            lambda model, weights: lambda image, kept=weights: model(image, kept),
            lambda model, weights: partial(model, weights=weights),
            Frozen,
        ],
        wrong=[
            ("waits for an image", lambda model, weights: model("image", weights)),
            ("frozen programs",
             lambda model, weights: lambda image: (image, "w") if image == "i" else image * 2),
            ("freeze(model", lambda model, weights: lambda image: model(weights, image)),
            ("missing 1 required positional argument: 'weights'", lambda model, weights: model),
            ("argument: 'weights'",
             lambda model, weights: lambda image, weights: model(image, weights)),
            ("with an image alone", lambda model, weights: partial(model, w=weights)),
            ("with an image alone: takes 0", lambda model, weights: lambda: model("i", weights)),
            ("unsupported operand", lambda model, weights: lambda image: image - weights),
        ],
    ),
}
test_exercises = tests_of(samuel, CASES)


def test_partial_is_a_right_answer_too():
    def freeze(model, weights):
        return partial(lambda weights, image: model(image, weights), weights)

    assert samuel.check.freeze(freeze).outcome == "correct"
