"Chapter 03's exercises: the solution, two other right answers, three or more typical wrong ones."
import pytest
from exercise_cases import Cases, tests_of

from dljourney.exercises import checkers

CENTRE = [10, 11, 14, 15, 18, 19, 22, 23]


def counted(squares):
    n = 0
    for s in squares:
        if s in CENTRE:
            n += 1
    return n


def best_by_loop(tree):
    if isinstance(tree, (int, float)):
        return tree
    best = None
    for child in tree:
        worth = -best_by_loop(child)
        best = worth if best is None or worth > best else best
    return best


def without_sign(tree):
    return max(without_sign(c) for c in tree) if isinstance(tree, list) else tree


def both_worst(tree):
    return min(-both_worst(c) for c in tree) if isinstance(tree, list) else tree


def averaged(tree):
    return sum(-averaged(c) for c in tree) / len(tree) if isinstance(tree, list) else tree


CASES = {
    "centre_count": Cases(
        right=[counted, lambda squares: sum(s in CENTRE for s in squares)],
        wrong=[
            ("count all men", lambda squares: len(squares)),
            ("whether there is one", lambda squares: 1 if any(s in CENTRE for s in squares) else 0),
            ("704's bits",
             lambda squares: sum(s in (11, 12, 15, 16, 20, 21, 24, 25) for s in squares)),
        ],
    ),
    "step_forward": Cases(
        right=[lambda bits: (bits * 16) | (bits * 32), lambda b: (b << 5) | (b << 4)],
        wrong=[
            ("steps by 4", lambda b: b * 16),
            ("steps by 5", lambda b: b * 32),
            ("wrong way", lambda b: (b >> 5) | (b >> 4)),
            ("counts it twice", lambda b: b * 48),
        ],
    ),
    "term_value": Cases(
        right=[lambda now, before: -(before - now), lambda now, before: sum([now, -before])],
        wrong=[
            ("turned round", lambda now, before: before - now),
            ("count itself", lambda now, before: now),
            ("difference", lambda now, before: before + now),
            ("negative values stay", lambda now, before: now - before if now > before else 0),
        ],
    ),
    "surprising_delta": Cases(
        right=[lambda s, a, m: 0 if -m < a - s < m else a - s,
               lambda s, a, m: (a - s) * (abs(a - s) >= m)],
        wrong=[
            ("exactly as large", lambda s, a, m: a - s if abs(a - s) > m else 0),
            ("turned round", lambda s, a, m: (s - a) * (abs(a - s) >= m)),
            ("change nothing", lambda s, a, m: a - s),
            ("Bad surprises", lambda s, a, m: (a - s) * (a - s >= m)),
            ("return the size", lambda s, a, m: abs(a - s) * (abs(a - s) >= m)),
        ],
    ),
    "new_correlation": Cases(
        right=[lambda c, a, n: c - (c - (2 * a - 1)) / n,
               lambda c, a, n: ((n - 1) * c + (1 if a else -1)) / n],
        wrong=[
            ("leave the range", lambda c, a, n: c + (2 * a - 1) / n),
            ("turned round", lambda c, a, n: c + (1 - 2 * a - c) / n),
            ("at once", lambda c, a, n: 2 * a - 1),
            ("not towards 0", lambda c, a, n: c + (a - c) / n),
        ],
    ),
    "minimax": Cases(
        right=[best_by_loop,
               lambda tree: -min(map(best_by_loop, tree)) if isinstance(tree, list) else tree],
        wrong=[
            ("change the sign", without_sign),
            ("take the worst", both_worst),
            ("average", averaged),
        ],
    ),
}
test_exercises = tests_of(checkers, CASES)


@pytest.mark.parametrize("answer", ["δ", "Δ", " δ ", "the delta", "Delta"])
def test_a_greek_letter_is_a_word_too(answer):
    assert checkers.quiz.delta(answer).outcome == "correct"
    assert checkers.quiz.delta("ß").outcome == "incorrect"
