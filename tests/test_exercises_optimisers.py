"Chapter 05's exercises: each with its solution, other right answers and typical wrong ones."
import math

from exercise_cases import Cases, tests_of

from dljourney.exercises import optimisers


def momentum_in_place(w, grad, velocity, lr, momentum):
    velocity *= momentum
    velocity += grad
    w -= lr * velocity
    return w, velocity


def momentum_with_a_part_of_the_gradient(w, g, v, lr, m):
    v = m * v + (1 - m) * g
    return w - lr * v, v


def adam(correct=True, bug=None):
    def step(w, g, m, v, t, lr, b1, b2, eps):
        m, v = m + (1 - b1) * (g - m), v + (1 - b2) * (g * g - v)
        top = m / (1 - b1**t) if correct else m
        down = (v / (1 - b2**t) if correct else v) ** (1 if bug == "root" else 0.5)
        if bug == "hat": return w - lr * top / (down + eps), top, v / (1 - b2**t)
        return w + (lr if bug == "sign" else -lr) * top / (down + eps), m, v

    return step


def adam_folded(w, g, m, v, t, lr, b1, b2, eps):
    "The corrections folded into one number, as PyTorch does it."
    m, v = b1 * m + g * (1 - b1), b2 * v + g * g * (1 - b2)
    length = lr * math.sqrt(1 - b2**t) / (1 - b1**t)
    return w - length * m / (v**0.5 + eps * math.sqrt(1 - b2**t)), m, v


def stop_by_loop(valid_losses, patience):
    best, since = math.inf, 0
    for loss in valid_losses:
        best, since = (loss, 0) if loss < best else (best, since + 1)
    return since >= patience


CASES = {
    "momentum_step": Cases(
        right=[momentum_in_place, lambda w, g, v, lr, m: [w - lr * (m * v + g), m * v + g]],
        wrong=[
            ("old velocity. First", lambda w, g, v, lr, m: (w - lr * v, m * v + g)),
            ("added whole", momentum_with_a_part_of_the_gradient),
            ("uphill", lambda w, g, v, lr, m: (w + lr * (m * v + g), m * v + g)),
            ("order is turned round", lambda w, g, v, lr, m: (m * v + g, w - lr * (m * v + g))),
        ],
    ),
    "adam_step": Cases(
        right=[adam(), adam_folded],
        wrong=[
            ("bias correction", adam(correct=False)),
            ("square root below", adam(bug="root")),
            ("for this step only", adam(bug="hat")),
            ("uphill", adam(bug="sign")),
        ],
    ),
    "should_stop": Cases(
        right=[stop_by_loop, lambda v, p: min(v) not in v[-p:]],
        wrong=[
            ("one epoch too long", lambda v, p: len(v) - v.index(min(v)) > p + 1),
            ("first rise", lambda v, p: v[-2:] == sorted(v[-2:]) and len(v) > 1),
            ("other way round", lambda v, p: not stop_by_loop(v, p)),
            ("`patience` epochs ago only", lambda v, p: len(v) > p and v[-1] > v[-p - 1]),
        ],
    ),
}
test_exercises = tests_of(optimisers, CASES)
