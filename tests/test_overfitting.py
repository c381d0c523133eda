"Laws of `dljourney.overfitting`, each against a peer: NumPy, SciPy, LAPACK, scikit-learn, loops."
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings, strategies as st

from dljourney.experiments.overfitting import descent_widths, teacher_task
from dljourney.kit.least_squares import Fit, sweep_widths
from dljourney.kit.pictures import digits
from dljourney.kit.training import Networks, StackedBatches, shift_images, summed_cross_entropy
from dljourney.overfitting import (
    Recipe,
    best_temperature,
    bias_variance,
    double_descent,
    expected_best,
    fit_widths,
    judge,
    learning_curve,
    memorise,
    nearest_neighbour,
    peek,
    polynomial_fits,
    random_features,
    reliability,
    scores,
    shuffle_labels,
    stop_early,
    train_networks,
    try_recipe,
)

double = torch.float64


def noisy(n, seed=0, rows=()):
    g = torch.Generator().manual_seed(seed)
    x = torch.rand(n, generator=g, dtype=double) * 4 - 1
    return x, (2 * x).sin() + 0.3 * torch.randn(*rows, n, generator=g, dtype=double)


def plain_cell(name):
    "A function that the chapter shows and does not export, as it stands in the notebook."
    path = Path(__file__).parent.parent / "nbs/07_overfitting.ipynb"
    cells = json.loads(path.read_text("utf-8"))["cells"]
    sources = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
    found = [s.split("\n\n\n")[0] for s in sources if s.startswith(f"def {name}(")]
    assert len(found) == 1
    namespace = {"torch": torch}
    exec(found[0], namespace)
    return namespace[name]


# polynomials


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 40), st.integers(0, 12), st.integers(0, 1000), st.floats(-100, 100),
       st.floats(0.01, 100))
def test_polynomials_agree_with_numpy_polynomial(n, degree, seed, shift, scale):
    assume(degree < n - 2)
    x, y = noisy(n, seed)
    x = scale * x + shift
    basis = np.polynomial.legendre.legvander(np.interp(x, [x.min(), x.max()], [-1, 1]), degree)
    assume(np.linalg.cond(basis) < 1e5)  # where it is well conditioned
    grid = torch.linspace(float(x.min()), float(x.max()), 50, dtype=double)
    peer = np.polynomial.Polynomial.fit(x.numpy(), y.numpy(), degree)(grid.numpy())
    np.testing.assert_allclose(polynomial_fits(x, y, degree)(grid)[0].numpy(), peer, rtol=1e-8,
                               atol=1e-8)


def test_all_degrees_and_all_rows_at_once_are_single_fits():
    x, y = noisy(25, rows=(3, 4))
    fits = polynomial_fits(x, y, [7, 0, 3])
    assert fits(x).shape == (3, 3, 4, 25) and fits.degrees == (7, 0, 3)
    for i, degree in enumerate(fits.degrees):
        for row in range(3):
            for column in range(4):
                alone = polynomial_fits(x, y[row, column], degree)(x)[0]
                torch.testing.assert_close(fits(x)[i, row, column], alone)
                peer = np.polyval(np.polyfit(x.numpy(), y[row, column].numpy(), degree), x.numpy())
                np.testing.assert_allclose(alone.numpy(), peer, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("degree", [0, 1, 3, 7, 11])
def test_what_is_learned_at_school_is_what_the_library_fits(degree):
    x = torch.linspace(-1, 1, 20, dtype=double)
    y, new = x.exp() + (9 * x).sin(), torch.linspace(-1, 1, 33, dtype=double)
    school = plain_cell("school_fit")(x, y, degree, new)
    torch.testing.assert_close(polynomial_fits(x, y, degree)(new)[0], school, rtol=1e-8, atol=1e-8)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 14), st.integers(0, 100))
def test_at_full_degree_a_polynomial_passes_through_its_points(n, seed):
    "Chebyshev's points keep the problem well posed; random heights of any size."
    x = torch.cos(math.pi * (torch.arange(n, dtype=double) + 0.5) / n)
    y = 100 * torch.randn(n, generator=torch.Generator().manual_seed(seed), dtype=double)
    torch.testing.assert_close(polynomial_fits(x, y, n - 1)(x)[0], y, rtol=1e-9, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.integers(3, 30), st.integers(1, 20), st.integers(0, 100))
def test_more_ridge_never_lowers_training_error_and_shrinks_the_curve(n, degree, seed):
    x, y = noisy(n, seed)
    assume(degree < n)
    ridges = [1e-4, 1e-2, 1, 100, 1e6]
    fits = [polynomial_fits(x, y, degree, r) for r in ridges]
    errors = [float((f(x)[0] - y).square().sum()) for f in fits]
    rough = [float(f.roughness()[0]) for f in fits]
    assert all(b >= a - 1e-9 for a, b in zip(errors, errors[1:]))
    assert all(b <= a + 1e-9 for a, b in zip(rough, rough[1:]))
    # the intercept is free
    torch.testing.assert_close(fits[-1](x)[0], y.mean().expand(n), rtol=0, atol=1e-3)


@settings(max_examples=30, deadline=None)
@given(st.integers(4, 25), st.integers(0, 8), st.floats(1e-6, 1e3), st.integers(0, 100))
def test_ridge_is_the_augmented_system(n, degree, ridge, seed):
    x, y = noisy(n, seed)
    t = np.interp(x, [x.min(), x.max()], [-1, 1])
    basis = np.polynomial.legendre.legvander(t, degree) * np.sqrt(2 * np.arange(degree + 1) + 1)
    penalty = np.sqrt(ridge) * np.eye(degree + 1)
    penalty[0] = 0
    c = np.linalg.lstsq(np.vstack([basis, penalty]), np.r_[y.numpy(), np.zeros(degree + 1)],
                        rcond=None)[0]
    ours = polynomial_fits(x, y, degree, ridge)
    np.testing.assert_allclose(ours(x)[0].numpy(), basis @ c, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(float(ours.roughness()[0]), (c[1:] ** 2).sum(), rtol=1e-5, atol=1e-8)


def test_roughness_is_the_variance_of_the_curve():
    x, y = noisy(12)
    fits = polynomial_fits(x, y, 5)
    grid = torch.linspace(float(x.min()), float(x.max()), 20_001, dtype=double)
    torch.testing.assert_close(fits.roughness()[0], fits(grid)[0].var(correction=0), rtol=1e-3,
                               atol=0)


@settings(max_examples=30, deadline=None)
@given(st.integers(4, 25), st.integers(0, 6), st.sampled_from([0.0, 0.1]), st.integers(0, 100))
def test_the_order_of_the_points_changes_nothing(n, degree, ridge, seed):
    assume(degree < n - 2)
    x, y = noisy(n, seed)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    one = polynomial_fits(x, y, degree, ridge)
    two = polynomial_fits(x[order], y[order], degree, ridge)
    torch.testing.assert_close(two(x), one(x), rtol=1e-7, atol=1e-7)


def test_float32_in_float32_out_with_the_digits_of_float64():
    x, y = noisy(30)
    ours = polynomial_fits(x.float(), y.float(), 9)(x.float())
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours.double(), polynomial_fits(x, y, 9)(x), rtol=1e-4, atol=1e-4)


def test_bias_and_variance_add_up_to_the_mean_squared_distance():
    truth, curves = torch.randn(30, dtype=double), torch.randn(2, 50, 30, dtype=double)
    bias, variance = bias_variance(curves, truth)
    torch.testing.assert_close(bias + variance, (curves - truth).square().mean((-1, -2)))
    assert bias.shape == (2,)


# double descent


def plain_descent(x, y, x_test, y_test, widths, ridge, seed):
    "The same sweep, one LAPACK call for each width."
    a, a_test = random_features(x, max(widths), x_test, seed=seed)
    t = y.reshape(len(y), -1) if y.is_floating_point() else F.one_hot(y).double()
    for w in widths:
        below = (ridge * w) ** 0.5 * torch.eye(w, dtype=double)
        top = torch.cat([a[:, :w], below]) if ridge else a[:, :w]
        right = torch.cat([t, t.new_zeros(w, t.shape[1])]) if ridge else t
        c = torch.linalg.lstsq(top, right, driver="gelsd").solution
        yield a_test[:, :w] @ c, c.norm(), torch.linalg.cond(top)


@settings(max_examples=25, deadline=None)
@given(st.integers(5, 40), st.integers(1, 5), st.sampled_from([0.0, 1e-3, 0.1]),
       st.integers(0, 100))
def test_a_sweep_is_one_lapack_call_a_width(n, d, ridge, seed):
    g = torch.Generator().manual_seed(seed)
    x, x_test = (torch.randn(m, d, generator=g, dtype=double) for m in (n, 30))
    y, y_test = (torch.randn(m, generator=g, dtype=double) for m in (n, 30))
    widths = sorted({1, max(1, n // 3), n // 2 + 1, 2 * n, 3 * n, 7 * n})
    sweep = double_descent(x, y, x_test, y_test, widths, ridge, seed=seed)
    assert sweep.test_error is None and sweep.widths == tuple(widths)
    for i, (out, norm, condition) in enumerate(plain_descent(x, y, x_test, y_test, widths, ridge,
                                                             seed)):
        if condition < 1e5:  # away from the peak, where rounding is not the story
            loss = (out[:, 0] - y_test).square().mean()
            torch.testing.assert_close(sweep.test_loss[i], loss, rtol=1e-6, atol=1e-6)
            torch.testing.assert_close(sweep.norm[i], norm, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("ridge", [0.0, 1e-3, 0.1])
@pytest.mark.parametrize("n, widths", [
    (40, [1, 7, 20, 80, 200]), (40, [60]), (40, [3]), (2, [1, 9, 50]), (30, range(5, 26, 5)),
], ids=["both sides", "wide", "narrow", "two points", "a range"])
def test_one_width_at_a_time_and_all_at_once_are_one_and_the_same(n, widths, ridge):
    g = torch.Generator().manual_seed(n)
    x, x_test = torch.randn(n + 25, 6, generator=g, dtype=double).split([n, 25])
    t = torch.randn(n, 3, generator=g, dtype=double)
    a, a_test = random_features(x, max(widths), x_test)
    penalties = [ridge * w for w in widths] if ridge else None
    plain, fast = (list(f(a, t, a_test, widths, penalties)) for f in (fit_widths, sweep_widths))
    assert len(plain) == len(fast) == len(widths)
    for one, other in zip(plain, fast):
        for name in Fit._fields:
            torch.testing.assert_close(getattr(one, name), getattr(other, name), rtol=1e-6,
                                       atol=1e-6)


@pytest.mark.parametrize("ridge", [0.0, 1e-2])
def test_double_descent_takes_either_way_of_fitting(ridge):
    train, _, test = digits("random")
    known, widths = (train[0][:60], train[1][:60]), [10, 30, 120, 300]
    one, other = (double_descent(*known, *test, widths, ridge, 0.1, sweep=sweep)
                  for sweep in (fit_widths, sweep_widths))
    for name in ("train_loss", "test_loss", "norm"):
        torch.testing.assert_close(getattr(one, name), getattr(other, name), rtol=1e-6, atol=1e-9)
    for name in ("train_error", "test_error"):
        torch.testing.assert_close(getattr(one, name), getattr(other, name), rtol=0, atol=1e-6)


def test_the_peak_is_at_the_number_of_training_points_and_beyond_it_training_error_is_zero():
    train, valid, test = digits("random")
    n, widths = 100, [20, 50, 80, 90, 100, 111, 125, 200, 400, 800]
    sweep = double_descent(train[0][:n], train[1][:n], *test, widths, seed=1)
    assert sweep.peak() == n
    assert sweep.train_error[4:].max() == 0 and sweep.train_loss[4:].max() < 1e-8
    assert (sweep.train_loss[:5].diff() < 0).all()
    for i, (out, _, _) in enumerate(plain_descent(train[0][:n], train[1][:n], *test, widths, 0, 1)):
        if widths[i] != n:
            error = (out.argmax(1) != test[1]).double().mean()
            torch.testing.assert_close(sweep.test_error[i], error, rtol=0, atol=1e-6)
    calm = double_descent(train[0][:n], train[1][:n], *test, widths, ridge=1e-3, seed=1)
    assert calm.test_error[4] < sweep.test_error[4] - 0.1 and (calm.norm <= sweep.norm + 1e-9).all()


def test_equal_training_points_do_not_break_the_sweep():
    "Doubled points make the square matrix singular: the smallest solution is still found."
    x = torch.randn(10, 3, generator=torch.Generator().manual_seed(0), dtype=double).repeat(2, 1)
    y = x.sum(1)
    widths = [5, 12, 20, 30]
    sweep = double_descent(x, y, x, y, widths)
    for i, (_, norm, _) in enumerate(plain_descent(x, y, x, y, widths, 0, 0)):
        torch.testing.assert_close(sweep.norm[i], norm, rtol=1e-6, atol=1e-6)
    assert sweep.train_loss[1:].max() < 1e-12


def test_no_features_and_whole_blocks_of_them_have_the_width_that_was_asked_for():
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    for width in (0, 1, 255, 256, 257, 512):
        assert random_features(x, width)[0].shape == (4, width)


def test_features_nest_and_follow_their_seed():
    x = torch.randn(8, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    few, many = random_features(x, 5, seed=3)[0], random_features(x, 9, seed=3)[0]
    torch.testing.assert_close(few, many[:, :5], rtol=1e-12,
                               atol=1e-14)  # a wider product may round otherwise
    assert (few >= 0).all() and few.dtype == double
    assert not torch.equal(few, random_features(x, 5, seed=4)[0])


# labels, memory, networks side by side


@settings(deadline=None)
@given(st.integers(1, 200), st.floats(0, 1), st.integers(0, 50))
def test_shuffled_labels_keep_every_class_and_change_no_more_than_asked(n, fraction, seed):
    y = torch.arange(n) % 7
    shuffled = shuffle_labels(y, fraction, seed)
    assert torch.equal(shuffled.bincount(), y.bincount())
    assert (shuffled != y).sum() <= round(fraction * n)
    assert torch.equal(shuffled, shuffle_labels(y, fraction, seed))


def test_a_network_remembers_random_labels_and_learns_from_true_ones():
    train, valid, test = digits("random")
    known = train[0][:200], train[1][:200]
    memory = memorise(*known, valid, fractions=(0.0, 1.0), n_hidden=256, epochs=80, batch_size=32)
    assert memory.train_accuracy.shape == (81, 2)
    assert memory.train_accuracy[-1].min() == 1
    assert memory.valid_accuracy[-1, 0] > 0.85 and memory.valid_accuracy[-1, 1] < 0.25


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 4), st.integers(1, 30), st.integers(0, 20), st.sampled_from([0.0, 0.4]))
def test_networks_side_by_side_are_networks_one_by_one(n_nets, batch_size, seed, dropout):
    g = torch.Generator().manual_seed(seed)
    x, y = torch.randn(25, 6, generator=g, dtype=double), torch.randint(3, (25,), generator=g)
    seeds = [seed + 10 * i for i in range(n_nets)]
    options = dict(n_hidden=5, epochs=3, lr=0.01, batch_size=batch_size, weight_decay=0.1,
                   dropout=dropout)
    together = list(train_networks(x, y, (x, y), seeds=seeds, **options))[-1]
    for i, own in enumerate(seeds):
        alone = list(train_networks(x, y, (x, y), seeds=[own], **options))[-1]
        torch.testing.assert_close(alone.train_loss[0], together.train_loss[i], rtol=1e-9,
                                   atol=1e-10)


def test_one_network_is_two_linear_layers_trained_by_torch():
    "The engine against a plain loop: nn.Linear, torch.optim.AdamW, the same order of the points."
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(20, 4, generator=g, dtype=double), torch.randint(3, (20,), generator=g)
    start = Networks(4, 6, 3, [9], dtype=double)
    peer = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.ReLU(),
                               torch.nn.Linear(6, 3)).double()
    with torch.no_grad():
        for ours, theirs in zip((start.w1, start.b1, start.w2, start.b2), peer.parameters()):
            theirs.copy_(ours[0].T if theirs.ndim == 2 else ours[0, 0])
    torch.testing.assert_close(start(x)[0], peer(x))
    order = start.generators[0]
    opt = torch.optim.AdamW(peer.parameters(), lr=0.01, weight_decay=0.5)
    for _ in range(4):
        for rows in torch.randperm(20, generator=order).split(8):
            opt.zero_grad()
            F.cross_entropy(peer(x[rows]), y[rows]).backward()
            opt.step()
    run = train_networks(x, y, (x, y), 6, 4, 0.01, 8, weight_decay=0.5, seeds=[9])
    torch.testing.assert_close(list(run)[-1].networks(x)[0], peer(x), rtol=1e-8, atol=1e-9)


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 9))
def test_stacked_batches_show_each_network_each_point_once_an_epoch(n, batch_size, seed):
    generators = [torch.Generator().manual_seed(seed + i) for i in range(3)]
    own = torch.stack([torch.arange(n) + 100 * i for i in range(3)])
    batches = StackedBatches(own[..., None].float(), own, batch_size, generators)
    seen = list(batches)
    assert len(seen) == len(batches) and all(torch.equal(xb[..., 0].long(), yb) for xb, yb in seen)
    assert torch.equal(torch.cat([yb for _, yb in seen], 1).sort().values, own)


def test_the_summed_loss_is_the_sum_of_the_means():
    logits, y = torch.randn(4, 7, 3, dtype=double), torch.randint(3, (4, 7))
    peer = sum(F.cross_entropy(a, b) for a, b in zip(logits, y))
    torch.testing.assert_close(summed_cross_entropy(logits, y), peer)


@settings(deadline=None)
@given(st.integers(0, 3), st.integers(0, 50))
def test_moved_images_are_cut_from_a_padded_one(pixels, seed):
    images = torch.rand(4, 2, 5, 6, generator=torch.Generator().manual_seed(seed))
    moved = shift_images(images, torch.Generator().manual_seed(seed), pixels)
    padded = F.pad(images, (pixels,) * 4)
    for own, before in zip(moved, padded):
        places = [before[:, i : i + 5, j : j + 6] for i in range(2 * pixels + 1)
                  for j in range(2 * pixels + 1)]
        assert any(torch.equal(own, place) for place in places)


# peeking


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(1, 300), st.sampled_from([0.1, 0.25, 0.5]))
def test_expected_best_is_the_mean_of_the_largest_binomial(n_points, k, p):
    from scipy.stats import binom

    cdf = binom.cdf(np.arange(n_points + 1), n_points, p) ** k
    mean = (np.arange(n_points + 1) * np.diff(np.r_[0, cdf])).sum() / n_points
    np.testing.assert_allclose(float(expected_best(k, n_points, p)), mean, rtol=1e-9)


def test_expected_best_at_the_ends_and_for_any_whole_numbers():
    assert expected_best([1, 3], 10, 1.0).tolist() == [1, 1]
    assert expected_best([1, 3], 10, 0.0).tolist() == [0, 0]
    for many in (3, [3], (3,), range(3, 4), np.int64(3), np.array([3]), torch.tensor(3)):
        assert torch.equal(expected_best(many, 10), expected_best([3], 10))


@pytest.mark.parametrize("n_classes", [2, 10])
def test_the_best_of_many_guessers_follows_the_closed_form_and_knows_nothing(n_classes):
    y = torch.arange(60) % n_classes
    seen = peek(y, y.roll(1), 200, n_repeats=400, seed=1)
    assert seen.valid.shape == (400, 200) and (seen.valid.diff(dim=1) >= 0).all()
    for k in (1, 10, 200):
        best = seen.valid[:, k - 1].double()
        spread = 4 * float(best.std()) / 20
        assert abs(float(best.mean() - expected_best(k, 60, 1 / n_classes))) < spread
        assert abs(float(seen.test[:, k - 1].mean()) - 1 / n_classes) < 0.02


def test_peek_keeps_the_test_score_of_the_first_best_model():
    y_valid, y_test = torch.tensor([0, 1, 0]), torch.tensor([1, 0, 1, 1])
    seen = peek(y_valid, y_test, 50, n_repeats=3, seed=2)
    changed = seen.test.diff(dim=1) != 0
    assert not (changed & (seen.valid.diff(dim=1) == 0)).any()


# leaks, learning curves, calibration


def test_nearest_neighbour_is_scikit_learns():
    from sklearn.neighbors import KNeighborsClassifier

    train, valid, test = digits()
    peer = KNeighborsClassifier(1).fit(train[0].flatten(1).numpy(), train[1].numpy())
    theirs = peer.predict(valid[0].flatten(1).numpy()).tolist()
    assert nearest_neighbour(*train)(valid[0]).tolist() == theirs


@pytest.mark.parametrize("x", [
    torch.arange(24 * 365.0), torch.arange(1000.0) + 1e4, 1.7e9 + torch.arange(500, dtype=double),
    torch.arange(200).byte(), torch.arange(200).half(), torch.arange(500) + 2**40,
], ids=["hours", "far from 0", "seconds", "bytes", "half", "large whole numbers"])
def test_nearest_neighbour_finds_every_point_again(x):
    x, rows = x[:, None], torch.arange(len(x))
    assert torch.equal(nearest_neighbour(x, rows)(x[::7]), rows[::7])
    assert nearest_neighbour(x, rows)(x[7:8].double()).tolist() == [7]  # of another type


@pytest.mark.parametrize("batched", [False, True])
def test_a_learning_curve_nests_its_draws_and_scores_what_it_says(batched):
    x, y = torch.arange(40.0)[:, None], torch.arange(40) % 4
    seen = []

    def fit(xs, ys):
        seen.append(xs[..., 0])
        if batched:
            def stack(new): return new if new.ndim == 3 else new.expand(3, *new.shape)
            return lambda new: F.one_hot(stack(new)[..., 0].long() % 4).float()
        return lambda new: new[:, 0].long() % 4

    curve = learning_curve(fit, x, y, [1, 5, 40], (x, (y + (x[:, 0] < 10)) % 4), n_repeats=3,
                           batched=batched)
    assert curve.train.shape == curve.valid.shape == (3, 3)
    assert (curve.train == 1).all() and torch.allclose(curve.valid, torch.tensor(0.75))
    draws = [s for s in seen] if batched else [torch.stack(seen[i : i + 3]) for i in (0, 3, 6)]
    for small, large in zip(draws, draws[1:]):
        assert all(set(a.tolist()) <= set(b.tolist()) for a, b in zip(small, large))


def test_learning_curves_of_one_model_agree_with_scikit_learn():
    "Scikit-learn draws otherwise, so all the points are used: nothing is left to chance."
    from sklearn.linear_model import RidgeClassifier

    train, valid, _ = digits()

    def fit(x, y):
        model = RidgeClassifier().fit(x.flatten(1).numpy(), y.numpy())
        return lambda new: torch.from_numpy(model.predict(new.flatten(1).numpy()))

    ours = learning_curve(fit, *train, [len(train[1])], valid, n_repeats=2)
    model = RidgeClassifier().fit(train[0].flatten(1).numpy(), train[1].numpy())
    score = model.score(valid[0].flatten(1).numpy(), valid[1].numpy())
    assert ours.valid[0].tolist() == pytest.approx([score, score])


@pytest.mark.parametrize("answer", [
    lambda right: right, lambda right: right.float(), lambda right: right.numpy(),
    lambda right: F.one_hot(right, 3),
    lambda right: F.one_hot(right, 3).float(), lambda right: F.one_hot(right, 3).double().numpy(),
], ids=["labels", "float labels", "numpy labels", "whole scores", "scores", "numpy scores"])
@pytest.mark.parametrize("batched", [False, True])
def test_a_perfect_rule_scores_1_whatever_it_answers_with(answer, batched):
    x = torch.randn(60, 2, generator=torch.Generator().manual_seed(0))
    def rule(new): return (new[..., 0] > 0).long() + (new[..., 1] > 0).long()
    def stack(new): return new.expand(2, *new.shape) if batched and new.ndim == 2 else new
    def fit(*known): return lambda new: answer(rule(stack(new)))
    curve = learning_curve(fit, x, rule(x), [10, 60], (x, rule(x)), 2, batched)
    assert curve.train.tolist() == curve.valid.tolist() == [[1.0, 1.0]] * 2


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 200), st.integers(2, 6), st.integers(1, 15), st.integers(0, 99))
def test_reliability_is_a_loop_over_bins(n, c, n_bins, seed):
    g = torch.Generator().manual_seed(seed)
    p, y = torch.rand(n, c, generator=g).softmax(-1), torch.randint(c, (n,), generator=g)
    ours = reliability(p, y, n_bins)
    sure, answer = p.double().max(1)
    error = 0.0
    for b in range(n_bins):
        inside = ((sure * n_bins).long().clamp(max=n_bins - 1)) == b
        assert ours.counts[b] == inside.sum()
        if inside.any():
            conf, acc = float(sure[inside].mean()), float((answer == y)[inside].double().mean())
            assert ours.confidence[b].item() == pytest.approx(conf)
            assert ours.accuracy[b].item() == pytest.approx(acc)
            error += float(inside.double().mean()) * abs(conf - acc)
        else:
            assert ours.accuracy[b].isnan()
    assert ours.error == pytest.approx(error)


def test_reliability_takes_as_many_classes_as_there_are_probabilities():
    assert reliability(torch.full((100, 2508), 1 / 2508),
                       torch.full((100,), 2400)).error == pytest.approx(1 / 2508)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.2, 8), st.integers(0, 99))
def test_the_best_temperature_undoes_a_factor_and_no_other_is_better(factor, seed):
    g = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(400, 4, generator=g, dtype=double)
    y = torch.multinomial(logits.softmax(-1), 1, generator=g)[:, 0]
    t = best_temperature(logits, y)
    assert best_temperature(factor * logits, y) == pytest.approx(factor * t, rel=1e-4)
    best = F.cross_entropy(logits / t, y)
    assert all(F.cross_entropy(logits / (t * by), y) >= best for by in (0.9, 0.99, 1.01, 1.1))


@pytest.mark.parametrize("seed", range(3))
def test_the_best_temperature_makes_answers_as_sure_as_they_are_right(seed):
    g = torch.Generator().manual_seed(seed)
    true = 2 * torch.randn(4000, 4, generator=g, dtype=double)
    y = torch.multinomial(true.softmax(-1), 1, generator=g)[:, 0]
    logits, known = 3 * true, slice(0, 2000)  # three times too sure
    t = best_temperature(logits[known], y[known])
    new = slice(2000, None)
    sure, honest = (reliability((logits[new] / by).softmax(1), y[new]).error for by in (1, t))
    assert t > 1 and honest < sure / 2
    assert torch.equal((logits / t).argmax(1), logits.argmax(1))


# recipes


def test_stopping_early_hands_on_the_same_epochs_and_keeps_each_networks_best():
    train, valid, _ = digits()
    known = train[0][:60], shuffle_labels(train[1][:60], 0.4)

    def run():
        return train_networks(*known, valid, 64, 25, lr=0.03, seeds=range(3))

    plain, stopped = list(run()), list(stop_early(run()))
    for a, b in zip(plain, stopped, strict=True):
        assert torch.equal(a.valid_loss, b.valid_loss) and torch.equal(a.train_loss, b.train_loss)
    losses = torch.stack([epoch.valid_loss for epoch in plain])
    assert (losses.argmin(0) < len(plain) - 1).all()  # so there is something to put back
    kept = judge(stopped[-1].networks.eval(), *valid)[0]
    torch.testing.assert_close(kept, losses.min(0).values)


@pytest.mark.parametrize("n_members", [1, 2, 3])
def test_an_ensemble_is_judged_by_the_mean_of_its_members_probabilities(n_members):
    g = torch.Generator().manual_seed(1)
    x, y = torch.randn(30, 4, generator=g), torch.randint(3, (30,), generator=g)
    networks = Networks(4, 5, 3, range(6))
    loss, accuracy = judge(networks, x, y, n_members)
    with torch.no_grad():
        p = networks(x).softmax(-1)
        for i in range(6 // n_members):
            mean = sum(p[n_members * i + j] for j in range(n_members)) / n_members
            torch.testing.assert_close(loss[i], F.nll_loss(mean.log(), y))
            assert accuracy[i] == (mean.argmax(1) == y).float().mean()
        if n_members == 1:
            torch.testing.assert_close(loss, scores(networks(x), y.expand(6, -1))[0])


def test_recipes_do_what_they_say():
    train, valid, test = digits()
    plain = try_recipe(Recipe(n_points=60, epochs=6, n_hidden=16, lr=0.01), train, valid, test,
                       seeds=[0, 1])
    assert plain.valid_loss.shape == (7, 2) and plain.test_accuracy.shape == (2,)
    again = try_recipe(Recipe(n_points=60, epochs=6, n_hidden=16, lr=0.01), train, valid, test,
                       seeds=[1])
    torch.testing.assert_close(again.test_accuracy[0], plain.test_accuracy[1])
    stopped = Recipe(n_points=60, epochs=30, n_hidden=64, lr=0.03, label_noise=0.4,
                     early_stopping=True)
    kept = try_recipe(stopped, train, valid, test, seeds=[0])
    at_the_end = try_recipe(Recipe(**{**vars(stopped), "early_stopping": False}), train, valid,
                            test, seeds=[0])
    torch.testing.assert_close(kept.valid_loss, at_the_end.valid_loss)  # the same run
    assert kept.test_loss < at_the_end.test_loss  # another epoch is kept
    many = try_recipe(Recipe(n_points=60, epochs=6, n_hidden=16, lr=0.01, n_members=5), train,
                      valid, test, [0, 1])
    assert many.test_accuracy.shape == (2,) and many.test_loss.mean() < plain.test_loss.mean()


x5, y5 = torch.linspace(0, 1, 5), torch.zeros(5)
nan5 = torch.full((5,), math.nan)
labels5 = torch.arange(5)
images5 = torch.rand(5, 1, 8, 8)


@pytest.mark.parametrize("call, error, words", [
    (lambda: polynomial_fits(x5, y5, 5), ValueError, "at least 6 different points"),
    (lambda: polynomial_fits(torch.ones(5), y5, 1), ValueError, "got 1"),
    (lambda: polynomial_fits(nan5, y5, 1), ValueError, "x: expected finite numbers, got 5"),
    (lambda: polynomial_fits(x5, nan5, 1), ValueError, "y: expected finite numbers, got 5"),
    (lambda: polynomial_fits(x5, y5 + math.inf, 1), ValueError, "infinite"),
    (lambda: polynomial_fits(x5, y5[:4], 1), ValueError, "(5,) and (4,)"),
    (lambda: polynomial_fits(x5, y5, -1), ValueError, "degrees"),
    (lambda: polynomial_fits(x5, y5, 1, -0.1), ValueError, "ridge"),
    (lambda: polynomial_fits(labels5, y5, 1), TypeError, "x.float()"),
    (lambda: polynomial_fits(x5.tolist(), y5, 1), TypeError, "list"),
    (lambda: double_descent(images5, labels5, images5, labels5, []), ValueError, "widths"),
    (lambda: double_descent(images5, labels5, images5, labels5[:3], [1]), ValueError, "5 and 3"),
    (lambda: double_descent(images5[:1], labels5[:1], images5, labels5, [1]), ValueError,
     "2 points"),
    (lambda: double_descent(images5 + math.nan, labels5, images5, labels5, [1]), ValueError,
     "x: expected finite"),
    (lambda: double_descent(images5, labels5, images5, labels5, [1], label_noise=2), ValueError,
     "label_noise"),
    (lambda: shuffle_labels(labels5, 1.5), ValueError, "fraction"),
    (lambda: memorise(images5, y5, (images5, labels5)), TypeError, "labels, int64"),
    (lambda: peek(labels5, labels5, 0), ValueError, "n_models: expected 1 or more, got 0"),
    (lambda: learning_curve(None, images5, labels5, [6], (images5, labels5)), ValueError, "1 to 5"),
    (lambda: reliability(images5.flatten(1) + 1, labels5), ValueError, "softmax"),
    (lambda: try_recipe(Recipe(n_points=6), *[(images5, labels5)] * 3), ValueError,
     "n_points: expected 1 to 5, got 6"),
    (lambda: double_descent(images5, y5, images5, y5, [1], label_noise=0.5), ValueError,
     "label_noise: expected 0"),
    (lambda: learning_curve(lambda *known: lambda new: new[:2, 0], images5, labels5, [5],
                            (images5, labels5)),
     ValueError, "predict: expected labels of shape (5,)"),
    (lambda: learning_curve(lambda *known: lambda new: y5[:, None], images5, labels5, [5],
                            (images5, labels5)),
     ValueError, "got (5, 1)"),
    (lambda: reliability(torch.tensor([[0.1, 0.9]]), torch.tensor([7])), ValueError,
     "class numbers from 0 to 1"),
    (lambda: reliability(torch.tensor([0.1, 0.9]), torch.tensor([0, 1])), ValueError, "got (2,)"),
    (lambda: reliability(torch.tensor([[0.1, 0.9]]), torch.tensor([1]), 0), ValueError, "n_bins"),
    (lambda: expected_best(0, 10), ValueError, "n_models"),
    (lambda: expected_best(3, 0), ValueError, "n_points"),
    (lambda: expected_best(3, 10, 1.5), ValueError, "p: expected"),
    (lambda: expected_best(3, 10, math.nan), ValueError, "p: expected"),
    (lambda: Networks(2, 2, 2, dropout=1.0), ValueError, "dropout"),
    (lambda: Networks(2, 2, 2, seeds=[0.5]), TypeError, "seed"),
    (lambda: shuffle_labels(labels5, 0.5, seed=-1), ValueError, "seed"),
    (lambda: bias_variance(torch.zeros(5, 20), torch.zeros(20, 1)), ValueError,
     "got (5, 20) and (20, 1)"),
    (lambda: bias_variance(torch.zeros(5, 20), torch.zeros(1)), ValueError, "got (5, 20) and (1,)"),
    (lambda: bias_variance(torch.zeros(20), torch.zeros(20)), ValueError, "got (20,) and (20,)"),
    (lambda: double_descent(images5, y5, images5, torch.zeros(5, 3), [1]), ValueError,
     "y and y_test: expected"),
    (lambda: nearest_neighbour(torch.stack([x5, nan5]), labels5[:2]), ValueError,
     "x: expected finite numbers, got 5"),
    (lambda: nearest_neighbour(x5[:, None], labels5[:3]), ValueError, "got 5 and 3"),
    (lambda: nearest_neighbour(x5[:0, None], labels5[:0]), ValueError, "got 0 and 0"),
    (lambda: nearest_neighbour(x5, labels5), ValueError, "got (5,)"),
    (lambda: nearest_neighbour(x5[:, None].tolist(), labels5), TypeError, "list"),
    (lambda: nearest_neighbour(x5[:, None], labels5.tolist()), TypeError, "list"),
    (lambda: nearest_neighbour(x5[:, None], labels5)(nan5[:, None]), ValueError,
     "new inputs: expected finite numbers, got 5"),
    (lambda: nearest_neighbour(x5[:, None], labels5)(images5), ValueError, "new inputs: expected"),
    (lambda: learning_curve(None, images5, labels5, [2.5], (images5, labels5)), TypeError, "sizes"),
    (lambda: learning_curve(None, images5, labels5, [], (images5, labels5)), ValueError,
     "from 1 to 5"),
    (lambda: learning_curve(None, images5, labels5, [2], (images5, labels5), 0), ValueError,
     "n_repeats"),
])
def test_what_cannot_work_is_refused_by_name(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert words in str(caught.value)


@pytest.mark.parametrize("name, value", [
    ("n_points", 0), ("n_points", -5), ("n_points", 2.5), ("n_hidden", 0), ("epochs", -1),
    ("weight_decay", -0.1),
    ("dropout", 1.5), ("dropout", 1.0), ("dropout", -0.1), ("dropout", math.nan), ("shift", -1),
    ("n_members", 0),
    ("label_noise", 1.5), ("lr", math.inf), ("batch_size", 0),
])
def test_a_recipe_that_nobody_can_follow_is_refused_by_name(name, value):
    with pytest.raises((ValueError, TypeError), match=f"{name}: expected"):
        try_recipe(Recipe(**{"epochs": 1, name: value}), *[(images5, labels5)] * 3)


def test_double_descent_takes_a_column_for_a_row():
    y = torch.linspace(-1, 1, 5)
    flat, column = (double_descent(images5, a, images5, b, [3])
                    for a, b in ((y, y), (y, y[:, None])))
    assert torch.equal(flat.test_loss, column.test_loss)


def test_whole_numbers_of_numpy_and_lists_that_are_read_once_are_taken():
    parts, n = [(images5, labels5)] * 3, np.int64
    def fit(x, y): return nearest_neighbour(x, y)
    for seed in np.arange(2):
        for call in (
            lambda s, k: shuffle_labels(labels5, 0.8, s),
            lambda s, k: memorise(images5, labels5, parts[1], [0.5], k(4), k(2), 0.01, k(2),
                                  s).train_accuracy,
            lambda s, k: random_features(images5, k(7), seed=s)[0],
            lambda s, k: double_descent(images5, labels5, images5, labels5, [k(2), k(6)], 0.0, 0.5,
                                        s).test_loss,
            lambda s, k: peek(labels5, labels5, k(3), k(4), k(5), s).test,
            lambda s, k: expected_best(k(3), k(5)),
            lambda s, k: reliability(torch.eye(5), labels5, k(4)).counts,
            lambda s, k: try_recipe(Recipe(k(4), k(3), k(2), shift=k(1), n_members=k(2)), *parts,
                                    [s]).test_loss,
            lambda s, k: learning_curve(fit, images5, labels5, [k(2), k(4)], parts[1], k(3),
                                        seed=s).valid,
            lambda s, k: Networks(k(2), k(3), k(2), [s]).w1,
            lambda s, k: teacher_task(k(3), k(2), seed=s)[1],
            lambda s, k: torch.tensor(descent_widths(k(20))),
        ):
            assert torch.equal(call(seed, n), call(int(seed), int))
    outcomes = [try_recipe(Recipe(epochs=1), *parts, seeds)
                for seeds in (range(3), np.arange(3), iter(range(3)))]
    assert all(torch.equal(outcome.test_loss, outcomes[0].test_loss) for outcome in outcomes)
    for sizes in (np.array([2, 4]), torch.tensor([2, 4]), iter([2, 4])):
        assert learning_curve(fit, images5, labels5, sizes, parts[1], 2).sizes == (2, 4)
