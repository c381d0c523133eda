"The demos of chapter 02: a model, tries, a mechanism; and what more weights cost."
from functools import partial

import pytest
import torch

from dljourney.demos.be_the_mechanism import BeTheMechanism, confidence, inked_parts
from dljourney.demos.blind_search import BlindSearch, climb, nearness, right_values
from dljourney.samuel import Round, gradient_ascent, hill_climb, random_search


def test_ink_is_the_mean_of_each_part():
    x = torch.zeros(1, 1, 8, 8)
    x[0, 0, 6:8, 4:8] = 1.0  # bottom right
    assert inked_parts(x)[0].tolist() == [0, 0, 0, 0, 0, 0, 0, 4, 1]


def test_confidence_equals_the_exponential_of_nothing_but_the_right_answers_probability():
    seen, weights = torch.eye(9), torch.linspace(-2, 2, 9)
    is_eight = torch.tensor([1.0, 0, 1, 0, 1, 0, 1, 0, 1])
    by_hand = [torch.sigmoid(w if e else -w) for w, e in zip(weights, is_eight)]
    assert abs(confidence(weights, seen, is_eight) - sum(by_hand) / 9) < 1e-6


def test_every_new_weight_assignment_is_one_try_and_only_that():
    demo = BeTheMechanism()
    assert demo.tries.scores == [0.5]
    demo.top_left = 1.0
    demo.top_left = 1.0  # the same again is no try
    demo.set(top_left=2.0, top_right=3.0)  # one gesture
    assert len(demo.tries.scores) == 3
    demo.zero()
    assert demo.tries.scores == [0.5] and not demo.weights.any()


def test_the_mechanism_given_is_the_one_that_runs_and_it_starts_where_you_stand():
    seen = []

    def nudge(current, performance):
        seen.append(current.weights.clone())
        weights = current.weights + 1
        return Round(weights, performance(weights))

    demo = BeTheMechanism(mechanism=nudge, lower_left=4.0)
    demo.step(2)
    assert seen[0].tolist() == [0, 0, 0, 0, 4, 0, 0, 0, 0]
    assert demo.lower_left == 6.0 and demo.head_start == 2.0
    demo.lower_left = -3.0  # a hand on a slider: the mechanism starts again from there
    demo.step()
    assert seen[-1][4] == -3.0


def test_weights_past_a_slider_are_scored_as_the_slider_shows_them():
    def far(current, performance): return Round(w := current.weights + 99, performance(w))

    demo = BeTheMechanism(mechanism=far)
    demo.step()
    assert demo.top_left == 10.0 and demo.tries.scores[-1] == demo.tries.performance(demo.weights)


def test_play_does_what_the_chapter_promises():
    demo = BeTheMechanism()
    demo.step(300)
    assert demo.tries.scores[-1] > 0.95 and len(demo.tries.scores) == 301


THREE = ["upper_left", "lower_left", "head_start"]


def shown(demo):
    return [c["name"] for c in demo._spec["controls"] if c["kind"] == "slider" and not c["hidden"]]


def test_three_weights_are_nine_of_which_six_stay_at_zero():
    few = BeTheMechanism(only=THREE, upper_left=3.0, lower_left=-1.5, head_start=0.5)
    all_nine = BeTheMechanism(upper_left=3.0, lower_left=-1.5, head_start=0.5)
    assert few.tries.scores == all_nine.tries.scores
    assert few.draw()["figures"] == all_nine.draw()["figures"]
    assert shown(few) == THREE and len(shown(all_nine)) == 9
    assert few.weights.tolist() == [3.0, -1.5, 0.5] and "three weights" in few._spec["title"]


def test_a_mechanism_moves_only_the_sliders_that_are_there():
    demo = BeTheMechanism(only=THREE)
    demo.step(50)
    moved = {name for name in shown(BeTheMechanism()) if getattr(demo, name)}
    assert moved == set(THREE)
    demo.zero()
    assert not demo.weights.any() and demo.tries.scores == [0.5]


def test_the_mechanism_gets_above_the_aim_that_the_chapter_sets():
    demo = BeTheMechanism(only=THREE)
    demo.step(100)
    assert demo.tries.scores[-1] > 0.8
    assert demo.upper_left > 0 > demo.head_start and demo.lower_left > 0


@pytest.mark.parametrize("only, values, said", [
    (["left"], {}, "only: expected names among top_left.* got left"),
    ([], {}, "got nothing"),
    (THREE, {"top_left": 1.0}, "top_left: expected a slider that is there"),
])
def test_sliders_that_are_not_there_are_refused(only, values, said):
    with pytest.raises(ValueError, match=said):
        BeTheMechanism(only=only, **values)


# More weights


@pytest.mark.parametrize("n", [1, 64, 5000])
def test_all_weights_at_zero_are_one_away_and_the_right_ones_nothing(n):
    right = right_values(n, seed=n)
    assert nearness(torch.zeros(n), right) == pytest.approx(-1, rel=1e-4)
    assert nearness(right, right) == 0 and nearness(2 * right, right) == pytest.approx(-1, rel=1e-4)


def test_looks_grow_with_the_weights_in_proportion():
    looks = {n: sum(len(climb(n, seed=seed)) - 1 for seed in range(4)) / 4 for n in (100, 1600)}
    assert looks[1600] / looks[100] == pytest.approx(16, rel=0.2)
    assert looks[1600] / 1600 == pytest.approx(1.71, rel=0.1)  # Rechenberg: ln 2 / 2 / 0.2025


def test_what_is_left_is_counted_at_each_look_and_never_grows():
    left = climb(200)
    assert left[0] == pytest.approx(1) and left == sorted(left, reverse=True)
    assert left[-1] < 0.5 <= left[-2]


def test_another_step_needs_more_looks():
    dice = torch.Generator().manual_seed(0)
    best = len(climb(400))
    for factor in (0.2, 3):
        step = factor * 1.2 / 400**0.5
        assert len(climb(400, partial(hill_climb, step=step, generator=dice))) > 1.3 * best


def test_asking_each_weight_costs_one_look_for_each_and_one_more():
    left = climb(50, partial(gradient_ascent, lr=12.5))
    assert len(left) - 1 == 51 and left[:-1] == left[:1] * 51 and left[-1] < 0.5


def test_a_mechanism_that_never_arrives_is_stopped():
    left = climb(30, partial(random_search, generator=torch.Generator().manual_seed(9)))
    assert len(left) - 1 == 20 * 30 and left[-1] > 0.5


def test_what_was_measured_stays_on_the_paper():
    demo = BlindSearch()
    demo.n = 128.0
    looks = dict(demo.found)
    assert list(looks) == [64, 128] and len(demo.left) - 1 == looks[128]
    line, dots, last = demo.draw()["cost"]
    assert dots["y"].tolist() == list(looks.values()) and last["y"].tolist() == [looks[128]]
    demo.again()
    assert demo.found[64] == looks[64] and demo.found[128] != looks[128]
    asked = BlindSearch(mechanism=partial(gradient_ascent, lr=16.0))
    assert asked.draw()["figures"]["looks"] == "65"
