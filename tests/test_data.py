"Splits do not leak, digits are the digits, toy problems keep their word."
import datetime
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings as profile, strategies as st

from dljourney.kit.pictures import (
    circles, clouds, digits, quadratic, sine, spiral, straight, train_valid_split, xor,
)

shares = st.floats(0.01, 0.99)
seeds = st.integers(0, 2**32)


def is_partition(train, valid, n):
    return (
        train.dtype == valid.dtype == torch.int64
        and len(train) > 0
        and len(valid) > 0
        and sorted(train.tolist() + valid.tolist()) == list(range(n))
        and train.tolist() == sorted(train.tolist())
        and valid.tolist() == sorted(valid.tolist())
    )


# -- splits ----------------------------------------------------------------------------------------


@profile(max_examples=100)
@given(n=st.integers(2, 300), share=shares, seed=seeds)
def test_random_split_is_a_partition_of_the_size_asked_for(n, share, seed):
    train, valid = train_valid_split(n, share, seed=seed)
    assert is_partition(train, valid, n)
    assert len(valid) == min(max(round(share * n), 1), n - 1)
    again = train_valid_split(n, share, seed=seed)
    assert torch.equal(train, again[0]) and torch.equal(valid, again[1])


def test_random_split_holds_out_each_item_equally_often():
    counts = torch.zeros(10)
    for seed in range(500):
        counts[train_valid_split(10, 0.3, seed=seed)[1]] += 1
    assert counts.min() > 110 and counts.max() < 190  # 150 expected, standard deviation 10


@st.composite
def grouped(draw):
    names = st.sampled_from(["a", "b", "c", "d", 1, 2, None, ("x", 1)])
    labels = draw(st.lists(names, min_size=2, max_size=60))
    if len(set(labels)) < 2:
        labels.append("other")
    return labels


@profile(max_examples=150)
@given(groups=grouped(), share=shares, seed=seeds)
def test_no_group_is_on_both_sides(groups, share, seed):
    n = len(groups)
    train, valid = train_valid_split(n, share, groups=groups, seed=seed)
    assert is_partition(train, valid, n)
    assert not {groups[i] for i in train} & {groups[i] for i in valid}
    # No cut between two groups can be further off than half the largest group, unless a side would
    # be empty.
    sizes = [groups.count(g) for g in set(groups)]
    wanted = min(max(round(share * n), min(sizes)), n - min(sizes))
    assert abs(len(valid) - wanted) <= max(sizes)


@profile(max_examples=150)
@given(times=st.lists(st.integers(-5, 20), min_size=2, max_size=60), share=shares)
def test_everything_held_out_is_later(times, share):
    if len(set(times)) < 2:
        times = [*times, 99]
    n = len(times)
    train, valid = train_valid_split(n, share, times=times)
    assert is_partition(train, valid, n)
    assert min(times[i] for i in valid) > max(times[i] for i in train)
    cuts = [sum(t >= moment for t in times) for moment in sorted(set(times))[1:]]
    assert abs(len(valid) - round(share * n)) == min(abs(c - round(share * n)) for c in cuts)


def test_different_times_give_the_size_asked_for_whatever_the_order():
    times = torch.rand(50, generator=torch.Generator().manual_seed(0))
    valid = train_valid_split(50, 0.2, times=times)[1]
    assert set(valid.tolist()) == set(times.argsort()[-10:].tolist())


@pytest.mark.parametrize(
    "times",
    [
        [datetime.date(2024, 1, d) for d in (3, 1, 2)],
        np.array(["2024-01-03", "2024-01-01", "2024-01-02"], dtype="datetime64[ns]"),
        ["c", "a", "b"],
        torch.tensor([3.0, 1.0, 2.0]),
        np.array([3, 1, 2]),
    ],
    ids=["dates", "datetime64", "text", "tensor", "numpy"],
)
def test_times_may_be_anything_with_an_order(times):
    assert train_valid_split(3, times=times)[1].tolist() == [0]


@pytest.mark.parametrize("groups", [
    torch.tensor([1, 1, 2]), np.array(["x", "x", "y"]), "aab", (0, 0, 1),
])  # fmt: skip
def test_groups_may_be_anything_that_can_be_told_apart(groups):
    train, valid = train_valid_split(3, groups=groups)
    assert {tuple(train.tolist()), tuple(valid.tolist())} == {(0, 1), (2,)}


@pytest.mark.parametrize(
    "arguments, names",
    [
        (dict(n=1), "n: .*2 or more.*got 1"),
        (dict(n=0), "n: "),
        (dict(n=5, valid=0), "valid: .*between 0 and 1"),
        (dict(n=5, valid=1), "valid: "),
        (dict(n=5, valid=math.nan), "valid: "),
        (dict(n=5, groups=[1, 2]), "groups: .*n=5.*got 2"),
        (dict(n=3, groups=[7, 7, 7]), "groups: .*two different.*only 7"),
        (dict(n=3, times=[7, 7, 7]), "times: .*two different"),
        (dict(n=3, times=[1.0, math.nan, 2.0]), "times: .*NaN"),
        (dict(n=2, groups=[math.nan, 1.0]), "groups: .*NaN"),
        (dict(n=2, groups=[1, 2], times=[1, 2]), "one of the two"),
    ],
)
def test_wrong_arguments_are_named(arguments, names):
    with pytest.raises(ValueError, match=names):
        train_valid_split(**arguments)


def test_numbers_of_items_are_whole_of_any_kind():
    assert [len(part) for part in train_valid_split(np.int64(10))] == [8, 2]
    assert len(straight(np.int32(7))[0]) == 7
    for wrong in (2.0, "10", True, None):
        with pytest.raises(TypeError, match="n: expected a whole number"):
            train_valid_split(wrong)
        with pytest.raises(TypeError, match="n: expected a whole number"):
            straight(wrong)


# -- digits ----------------------------------------------------------------------------------------


def test_digits_by_writers_are_scikit_learns_in_file_order():
    from sklearn.datasets import load_digits

    parts, bunch = digits(), load_digits()
    assert [tuple(x.shape) for x, _ in parts] == [(718, 1, 8, 8), (180, 1, 8, 8), (899, 1, 8, 8)]
    assert all(x.dtype == torch.float32 and y.dtype == torch.int64 for x, y in parts)
    x, y = torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts])
    assert np.array_equal((x[:, 0] * 16).numpy(), bunch.images)
    assert np.array_equal(y.numpy(), bunch.target)
    assert 0 == x.min() and x.max() == 1


@profile(max_examples=10)
@given(seed=seeds)
def test_random_digits_are_the_same_images_with_their_labels(seed):
    def keyed(parts):
        x, y = torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts])
        return sorted(zip((bytes(image) for image in (x * 16).byte().numpy()), y.tolist()))

    shuffled = digits("random", seed=seed)
    assert [len(x) for x, _ in shuffled] == [718, 180, 899]
    assert keyed(shuffled) == keyed(digits())
    assert torch.equal(digits("random", seed=seed).test[0], shuffled.test[0])
    assert not torch.equal(digits("random", seed=seed + 1).test[0], shuffled.test[0])


def test_digits_refuses_an_unknown_split():
    with pytest.raises(ValueError, match="split: expected 'writers' or 'random', got 'writer'"):
        digits("writer")


def test_scikit_learn_is_imported_only_for_the_digits():
    code = ("import sys, dljourney.kit.pictures.toys as d; d.spiral(10); "
            "assert 'sklearn' not in sys.modules")
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# -- toy problems ----------------------------------------------------------------------------------

curves = {
    straight: lambda x: 2 * x + 1,
    quadratic: lambda x: 3 * x**2 + 2 * x + 1,
    sine: lambda x: np.sin(np.pi * x),
}
planes = [clouds, circles, spiral, xor]


@pytest.mark.parametrize("problem", [*curves, *planes], ids=lambda f: f.__name__)
@profile(max_examples=25)
@given(n=st.integers(1, 200), noise=st.floats(0, 2), seed=seeds)
def test_toy_problems_have_their_shapes_and_obey_their_seed(problem, n, noise, seed):
    before = torch.random.get_rng_state()
    x, y = problem(n, noise=noise, seed=seed)
    # the global random state is not touched
    assert torch.equal(before, torch.random.get_rng_state())
    assert x.dtype == torch.float32 and torch.isfinite(x).all() and torch.isfinite(y).all()
    if problem in curves:
        assert x.shape == y.shape == (n, 1) and y.dtype == torch.float32 and x.abs().max() <= 1
    else:
        assert x.shape == (n, 2) and y.shape == (n,) and y.dtype == torch.int64
        assert (y == 0).sum() - (y == 1).sum() in (0, 1)
    again = problem(n, noise=noise, seed=seed)
    assert torch.equal(x, again[0]) and torch.equal(y, again[1])
    other = problem(n, noise=noise + 0.1, seed=seed + 1)
    assert not torch.equal(x, other[0])


@pytest.mark.parametrize("problem", curves, ids=lambda f: f.__name__)
def test_curves_are_their_formula_plus_noise(problem):
    x, y = problem(50, noise=0)
    np.testing.assert_allclose(y, curves[problem](x.numpy()), atol=1e-6)
    x, y = problem(20_000, noise=0.3)
    rest = y.numpy() - curves[problem](x.numpy())
    assert abs(rest.mean()) < 0.01 and abs(rest.std() - 0.3) < 0.01


def line_accuracy(x, y):
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=1000).fit(x.numpy(), y.numpy()).score(x.numpy(), y.numpy())


def neighbour_accuracy(problem):
    from sklearn.neighbors import KNeighborsClassifier

    x, y = problem(600, seed=1)
    model = KNeighborsClassifier(1).fit(x[:400].numpy(), y[:400].numpy())
    return model.score(x[400:].numpy(), y[400:].numpy())


def test_a_line_separates_the_clouds_and_nothing_else():
    assert line_accuracy(*clouds(600)) > 0.95
    for problem in (circles, spiral, xor):
        assert line_accuracy(*problem(600)) < 0.75, problem.__name__


@pytest.mark.parametrize("problem", planes, ids=lambda f: f.__name__)
def test_the_classes_can_be_told_apart(problem):
    assert neighbour_accuracy(problem) > 0.9


@pytest.mark.parametrize("bad", [
    {"n": 0}, {"n": -1}, {"n": 1.5}, {"n": True}, {"noise": -0.1}, {"noise": math.inf},
    {"noise": "0.1"}, {"seed": -1}, {"seed": 0.5},
])  # fmt: skip
@pytest.mark.parametrize("problem", [*curves, *planes], ids=lambda f: f.__name__)
def test_wrong_toy_arguments_are_named(problem, bad):
    with pytest.raises((TypeError, ValueError), match=f"^{next(iter(bad))}: expected"):
        problem(**bad)


def test_seeds_and_numbers_of_numpy_are_whole_numbers():
    for seed in np.arange(5):
        for problem in (*curves, *planes):
            ours, plain = problem(np.int64(7), np.float32(0.5), seed), problem(7, 0.5, int(seed))
            assert all(torch.equal(a, b) for a, b in zip(ours, plain))
        ours = train_valid_split(np.int64(9), seed=seed)
        plain = train_valid_split(9, seed=int(seed))
        for a, b in zip(ours, plain):
            assert torch.equal(a, b)
        assert torch.equal(digits("random", seed).train[1], digits("random", int(seed)).train[1])
    with pytest.raises(TypeError, match="seed: expected a whole number"): digits("random", seed=0.5)
    with pytest.raises(TypeError, match="seed: expected a whole number"):
        train_valid_split(9, seed="0")
