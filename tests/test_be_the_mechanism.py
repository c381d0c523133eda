"The demo of chapter 02: its model, its tries, its mechanism."
import torch

from dljourney.demos.be_the_mechanism import BeTheMechanism, confidence, inked_parts
from dljourney.samuel import Round


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
