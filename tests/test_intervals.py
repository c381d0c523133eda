"Wilson's interval against scipy's, and at the edges."
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from dljourney.kit.intervals import share, sure, wilson

counts = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts)
def test_it_is_the_interval_that_scipy_computes(case):
    right, n = case
    theirs = binomtest(right, n).proportion_ci(confidence_level=0.95, method="wilson")
    assert wilson(right, n) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


@given(counts)
def test_it_holds_the_share_and_is_the_mirror_of_the_wrong_answers(case):
    right, n = case
    low, high = wilson(right, n)
    assert 0 <= low <= right / n <= high <= 1 and low < high
    assert (1 - high, 1 - low) == pytest.approx(wilson(n - right, n), abs=1e-12)


def test_no_answer_says_nothing():
    assert wilson(0, 0) == (0, 1) and sure(0, 0) == "0% to 100%"
    with pytest.raises(ValueError, match="n: expected 1 or more"):
        share(0, 0)


@pytest.mark.parametrize("right, n, told", [(5, 4, "right"), (-1, 4, "right"), (0, -1, "n"), (0.5, 1, "right")])
def test_what_is_no_count_is_refused_by_name(right, n, told):
    with pytest.raises((ValueError, TypeError), match=f"^{told}: "):
        wilson(right, n)


def test_the_text_of_the_newcomers_score():
    assert share(35, 49) == "71.4% (95% interval: 57.6% to 82.2%)" and sure(0, 1) == "0% to 79%"
