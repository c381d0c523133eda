"Samuel's loop: laws of the loop and of each mechanism."
from functools import partial

import numpy as np
import pytest
import torch
from chapter_cells import demo_of
from hypothesis import given
from hypothesis import strategies as st

from dljourney.samuel import (
    Round, counted, gradient_ascent, hidden_score, hill_climb, improve, race, random_search,
)

weights = st.lists(st.floats(-3, 3, width=32), min_size=1, max_size=6).map(torch.tensor)


def bowl(w):
    "Best at 1, smooth."
    return -float(((w - 1) ** 2).sum())


@given(weights, st.integers(0, 2**31), st.sampled_from([random_search, hill_climb]))
def test_keeping_the_better_never_gets_worse(start, seed, mechanism):
    generator = torch.Generator().manual_seed(seed)
    kept = start.clone()
    rounds = list(improve(start, bowl, partial(mechanism, generator=generator), rounds=20))
    scores = [bowl(start), *(r.score for r in rounds)]
    assert len(rounds) == 20 and scores == sorted(scores)
    assert all(r.score == bowl(r.weights) and r.weights.shape == start.shape for r in rounds)
    assert torch.equal(start, kept)  # the start is not changed in place


@given(weights)
def test_gradient_ascent_moves_along_autograds_gradient(start):
    w = start.clone().requires_grad_()
    (-((w - 1) ** 2).sum()).backward()
    after = gradient_ascent(Round(start, bowl(start)), bowl, lr=0.1, nudge=1e-2)
    torch.testing.assert_close(after.weights, start + 0.1 * w.grad, atol=0.01, rtol=0)
    assert after.score == bowl(after.weights)


def test_whole_numbers_have_no_slope():
    with pytest.raises(TypeError, match="weights: expected floats.* got torch.int64"):
        list(improve(torch.tensor([0, 0]), bowl, gradient_ascent, 2))
    # a mechanism that needs no slope
    assert list(improve(torch.tensor([0, 0]), bowl, hill_climb, 2))[-1].score >= -2


def test_shapes_are_kept():
    start = torch.zeros(2, 3)
    for mechanism in (random_search, hill_climb, gradient_ascent):
        (last,) = improve(start, bowl, mechanism, rounds=1)
        assert last.weights.shape == (2, 3)


def test_the_climber_gets_near_the_top_and_a_seed_repeats_it():
    def climb():
        mechanism = partial(hill_climb, generator=torch.Generator().manual_seed(3))
        return list(improve(torch.zeros(4), bowl, mechanism, rounds=500))[-1]

    assert climb().score > -0.05
    assert torch.equal(climb().weights, climb().weights)


def test_improve_is_lazy_and_refuses_negative_rounds():
    measure = counted(bowl)
    rounds = improve(torch.zeros(2), measure, hill_climb, rounds=10**9)
    next(rounds), next(rounds)
    assert measure.count == 3  # the start and two candidates
    with pytest.raises(ValueError, match="rounds: expected 0 or more, got -1"):
        next(improve(torch.zeros(2), bowl, hill_climb, rounds=-1))
    assert list(improve(torch.zeros(2), bowl, hill_climb, rounds=0)) == []


@pytest.mark.parametrize("mechanism,cost",
                         [(hill_climb, 1), (random_search, 1), (gradient_ascent, 5)])
def test_a_race_counts_every_evaluation(mechanism, cost):
    used, rounds = race(mechanism, bowl, torch.zeros(4), evaluations=50)
    assert used[0] == 1 + cost and set(b - a for a, b in zip(used, used[1:])) == {cost}
    assert used[-1] >= 50 > used[-2] and len(used) == len(rounds)


def test_the_hidden_scorer_gives_a_number_and_nothing_else():
    assert hidden_score(lambda image: True) + hidden_score(lambda image: False) == pytest.approx(1)

    def vandal(image):
        image.zero_()
        return True

    before = hidden_score(lambda image: image[28] > 0.5)
    hidden_score(vandal)  # gets copies
    assert hidden_score(lambda image: image[28] > 0.5) == before


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_random_weights_are_of_the_kind_they_replace(kind):
    "A candidate of another kind fails in the first product with the data."
    data = torch.ones(3, 2, dtype=kind)

    def total(w): return float((data @ w).sum())

    *_, last = improve(torch.zeros(2, dtype=kind), total, random_search, rounds=20)
    assert last.weights.dtype == kind and last.score > 0
    whole = Round(torch.zeros(2, dtype=torch.int64), -1e9)
    assert random_search(whole, bowl).weights.is_floating_point()


def test_rounds_may_be_numpys():
    assert len(list(improve(torch.zeros(1), bowl, hill_climb, rounds=np.int64(3)))) == 3


def test_who_edits_improve_in_the_chapter_changes_the_demo():
    "A loop that always goes back to zero: Play shows it."
    loop = "current = mechanism(current, performance)"
    demo = demo_of("02_samuel", "BeTheMechanism", loop,
                   "current = Round(torch.zeros_like(weights) - 3, 0.25)")
    demo.step(2)
    assert demo.weights.tolist() == [-3.0] * 9 and demo.tries.scores[-1] == 0.25
    plain = demo_of("02_samuel", "BeTheMechanism")
    plain.step(2)
    assert plain.weights.tolist() != [-3.0] * 9
