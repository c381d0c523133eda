"Wilson's interval against scipy's, and at the edges."
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, bootstrap

from dljourney.kit.intervals import as_plain, measured, over_draws, sure, wilson

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
        measured(0, 0)


@pytest.mark.parametrize("right, n, told", [
    (5, 4, "right"), (-1, 4, "right"), (0, -1, "n"), (0.5, 1, "right"),
])  # fmt: skip
def test_what_is_no_count_is_refused_by_name(right, n, told):
    with pytest.raises((ValueError, TypeError), match=f"^{told}: "):
        wilson(right, n)


def test_the_text_of_the_newcomers_score():
    assert str(measured(35, 49)) == "71.4% (95% interval: 57.6% to 82.2%)"
    assert sure(0, 1) == "0% to 79%"


draws = st.lists(st.floats(0, 1), min_size=2, max_size=20)


@settings(max_examples=10)
@given(draws)
def test_the_interval_of_a_mean_over_draws_is_the_bootstrap_of_scipy(shares):
    found = over_draws(shares)
    assert found.value == pytest.approx(np.mean(shares))
    assert min(shares) - 1e-9 <= found.low <= found.high <= max(shares) + 1e-9
    if np.ptp(shares) < 1e-3:
        return
    theirs = bootstrap((shares,), np.mean, method="percentile", n_resamples=9999, rng=1)
    low, high = theirs.confidence_interval
    assert found[1:] == pytest.approx((low, high), abs=0.05 * np.std(shares))


@settings(max_examples=10)
@given(st.floats(0, 1), st.integers(2, 20))
def test_draws_that_are_all_alike_leave_no_doubt_and_a_single_one_tells_nothing(share, n):
    assert over_draws([share] * n) == pytest.approx((share, share, share))
    assert over_draws([share]) == (share, 0, 1)


def test_no_draws_are_refused_and_the_same_draws_give_the_same():
    with pytest.raises(ValueError, match="^shares: expected one draw or more"):
        over_draws([])
    assert over_draws(iter([0.5, 0.7, 0.9])) == over_draws([0.5, 0.7, 0.9])


def test_what_was_measured_is_plain_data():
    found = {"known": measured(35, 49), "new": over_draws([0.5, 0.6])}
    plain = json.loads(json.dumps(as_plain(found)))
    assert plain["results"] == {"known": 0.7143, "new": 0.55}
    low, high = wilson(35, 49)
    assert plain["intervals"] == {"known": [round(low, 4), round(high, 4)], "new": [0.5, 0.6]}
    assert str(found["known"]) == "71.4% (95% interval: 57.6% to 82.2%)"
