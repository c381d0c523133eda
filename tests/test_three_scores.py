"The demo of softmax and cross-entropy, against torch."

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from dljourney.demos.three_scores import ThreeScores, slopes, softmax

scores = st.lists(st.floats(-4, 4), min_size=3, max_size=3)


@given(scores, st.integers(0, 2))
def test_shares_loss_and_slopes_are_those_of_torch(values, right):
    demo = ThreeScores(**dict(zip(("three", "eight", "nine"), values)), right="389"[right])
    given = torch.tensor([values], dtype=torch.float64, requires_grad=True)
    loss = F.cross_entropy(given, torch.tensor([right]))
    loss.backward()
    _, shares = softmax(values)
    assert shares == pytest.approx(given.softmax(1)[0].tolist())
    assert slopes(shares, right) == pytest.approx(given.grad[0].tolist(), abs=1e-12)
    figures = demo.draw()["figures"]
    assert figures["cross-entropy"] == pytest.approx(loss.item(), abs=1e-12)


@given(scores, st.floats(-4, 4))
def test_only_differences_of_scores_count(values, more):
    assert softmax(values)[1] == pytest.approx(softmax([v + more for v in values])[1])


@given(scores)
def test_shares_add_up_to_one_and_slopes_to_nothing(values):
    shares = softmax(values)[1]
    assert sum(shares) == pytest.approx(1) and min(shares) > 0
    assert sum(slopes(shares, 1)) == pytest.approx(0, abs=1e-12)


def test_the_right_answer_has_its_own_colour():
    frame = ThreeScores(right="9").draw()
    for panel, colour in (("scores", "green"), ("shares", "green"), ("slopes", "purple")):
        assert frame[panel][-1]["colour"] == ["grey", "grey", colour]
