"Laws of `dljourney.universal`: built networks against numpy.interp, trained ones against torch."
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import nn

from dljourney.universal import (
    contributions,
    fit_network,
    hinge_fit,
    largest_error,
    parameter_groups,
    relu_network,
    tent_network,
)


def curve(n, dtype=torch.float64):
    x = torch.linspace(-2, 3, n, dtype=dtype)
    return x, (2 * x).sin() + x


@st.composite
def points(draw):
    "Points with well separated x, in any order."
    n = draw(st.integers(2, 30))
    gaps = draw(st.lists(st.floats(0.1, 5), min_size=n, max_size=n))
    heights = draw(st.lists(st.floats(-100, 100), min_size=n, max_size=n))
    order = draw(st.permutations(range(n)))
    x = torch.tensor(gaps, dtype=torch.float64).cumsum(0) - 10
    return x[list(order)], torch.tensor(heights, dtype=torch.float64)[list(order)]


@settings(max_examples=60, deadline=None)
@given(points())
def test_with_all_hinges_the_network_passes_through_every_point(xy):
    x, y = xy
    network = hinge_fit(x, y, len(x) - 1)
    torch.testing.assert_close(network(x[:, None])[:, 0], y, rtol=1e-8, atol=1e-7)


@settings(max_examples=60, deadline=None)
@given(points(), st.data())
def test_the_network_is_the_broken_line_through_some_of_the_points(xy, data):
    x, y = xy
    n = data.draw(st.integers(1, len(x) - 1))
    order = x.argsort()
    xs, ys = x[order].numpy(), y[order].numpy()
    chosen = [int(i * (len(xs) - 1) / n + 0.5 + 1e-9) for i in range(n + 1)]
    # numpy.interp is flat to the left, as hinges are
    grid = np.linspace(xs[0] - 1, xs[chosen[-1]], 101)
    with torch.no_grad():
        ours = hinge_fit(x, y, n)(torch.from_numpy(grid)[:, None])[:, 0].numpy()
    np.testing.assert_allclose(ours, np.interp(grid, xs[chosen], ys[chosen]), rtol=1e-7, atol=1e-6)


def test_the_error_falls_with_the_square_of_the_number_of_hinges():
    x, y = curve(20_481)
    counts = [16, 32, 64, 128, 256, 512]
    with torch.no_grad():
        errors = [float((hinge_fit(x, y, n)(x[:, None])[:, 0] - y).abs().max()) for n in counts]
    slope = np.polyfit(np.log(counts), np.log(errors), 1)[0]
    assert -2.05 < slope < -1.95, slope
    for n, error in zip(counts, errors):  # h^2 / 8 times the largest second derivative, here 4
        assert error <= 1.02 * (5 / n) ** 2 / 8 * 4


@settings(max_examples=30, deadline=None)
@given(points(), st.floats(-50, 50), st.floats(0.1, 10))
def test_the_order_of_the_points_and_their_units_do_not_matter(xy, shift, scale):
    x, y = xy
    n = max(1, (len(x) - 1) // 2)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    ours = hinge_fit(x, y, n)(x[:, None])
    torch.testing.assert_close(hinge_fit(x[order], y[order], n)(x[:, None]), ours)
    moved = hinge_fit(scale * x + shift, y, n)(scale * x[:, None] + shift)
    torch.testing.assert_close(moved, ours, rtol=1e-6, atol=1e-5)


def test_points_with_one_x_become_one_point_at_their_mean():
    network = hinge_fit(torch.tensor([0.0, 1, 1, 2]), torch.tensor([0.0, 1, 3, 0]), 2)
    torch.testing.assert_close(network(torch.tensor([[1.0]])), torch.tensor([[2.0]]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_contributions_add_up_and_shapes_and_types_stay(dtype):
    x, y = curve(50, dtype)
    network = hinge_fit(x, y[:, None][:, 0], 7)
    assert network(x[:, None]).shape == (50, 1) and network(x[:, None]).dtype == dtype
    parts = contributions(network, x)
    assert parts.shape == (50, 7) and not parts.requires_grad
    torch.testing.assert_close(parts.sum(1) + network[2].bias, network(x[:, None])[:, 0])
    torch.testing.assert_close(hinge_fit(x[:, None], y[:, None], 7)(x[:, None]),
                               network(x[:, None]))


@pytest.mark.parametrize("n", range(1, 8))
def test_folds_make_two_to_the_power_of_teeth(n):
    x = torch.linspace(0, 1, 2**n + 1)[:, None]
    expected = (torch.arange(2**n + 1) % 2).float()[:, None]
    torch.testing.assert_close(tent_network(n)(x), expected)
    assert sum(isinstance(m, nn.ReLU) for m in tent_network(n)) == n


def test_a_trained_network_is_a_plain_loop_in_the_points_own_units():
    "The same start and the same steps with torch's Adam, on points scaled by hand."
    x = torch.linspace(3, 11, 40, dtype=torch.float64)[:, None]
    y = 100 * x.sin() + 7
    network = fit_network(x, y, 6, epochs=50, lr=0.01, seed=3)
    peer = relu_network(6, 1, True, 3).double()
    xs, half = (x - 7) / 4, (y.max() - y.min()) / 2
    ys = (y - (y.max() + y.min()) / 2) / half
    opt = torch.optim.Adam(parameter_groups(peer, 0.01))
    for step in range(50):
        for group, lr in zip(opt.param_groups, (0.0005, 0.01)):
            group["lr"] = lr * (1 - step / 50)
        opt.zero_grad()
        (peer(xs) - ys).square().mean().backward()
        opt.step()
    expected = peer(xs) * half + (y.max() + y.min()) / 2
    torch.testing.assert_close(network(x), expected, rtol=1e-8, atol=1e-8)


def test_training_gives_the_same_again_leaves_randomness_alone_and_fits():
    x, y = curve(100, torch.float32)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, two = fit_network(x, y, 20, epochs=300, seed=1), fit_network(x, y, 20, epochs=300, seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters()))
    with torch.no_grad():
        assert (one(x[:, None])[:, 0] - y).abs().max() < 0.3
    assert not torch.equal(fit_network(x, y, 20, epochs=3, seed=2)[0].weight, one[0].weight)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 40), st.integers(1, 3), st.integers(0, 5))
def test_spread_hinges_lie_evenly_inside(n, n_layers, seed):
    network = relu_network(n, n_layers, True, seed)
    hinges = (-network[0].bias / network[0].weight[:, 0]).detach()
    gap = 2 / (n + 1)
    torch.testing.assert_close(hinges, torch.arange(1, n + 1) * gap - 1, rtol=1e-4, atol=1e-5)
    assert sum(isinstance(m, nn.ReLU) for m in network) == n_layers


x5, y5 = curve(5)
bad = x5.clone()
bad[2] = math.nan


@pytest.mark.parametrize("call, error, words", [
    (lambda: hinge_fit(x5, y5, 5), ValueError, "1 to 4"),
    (lambda: hinge_fit(x5, y5, 0), ValueError, "got 0"),
    (lambda: hinge_fit(bad, y5, 2), ValueError, "x: expected finite numbers"),
    (lambda: hinge_fit(x5, bad, 2), ValueError, "y: expected finite numbers"),
    (lambda: hinge_fit(x5, y5[:4], 2), ValueError, "5 and 4"),
    (lambda: hinge_fit(torch.ones(5), torch.ones(5), 1), ValueError, "2 or more different x"),
    (lambda: hinge_fit(torch.arange(5), y5, 2), TypeError, "x.float()"),
    (lambda: hinge_fit([1.0, 2.0], y5, 2), TypeError, "list"),
    (lambda: hinge_fit(torch.ones(5, 2), y5, 2), ValueError, r"(5, 2)"),
    (lambda: fit_network(x5, y5, 0), ValueError, "n_hidden"),
    (lambda: fit_network(x5, bad, 3), ValueError, "y: expected finite numbers"),
    (lambda: tent_network(0), ValueError, "n_folds"),
    (lambda: tent_network(1.5), TypeError, "n_folds"),
    (lambda: relu_network(0), ValueError, "n_hidden"),
    (lambda: relu_network(3, 0), ValueError, "n_layers"),
    (lambda: relu_network(3, seed=2.5), TypeError, "seed"),
    (lambda: largest_error(hinge_fit(x5, y5, 2), x5, y5[:4]), ValueError, "5 and 4"),
    (lambda: largest_error(hinge_fit(x5, y5, 2), x5[:0], y5[:0]), ValueError, "0 and 0"),
    (lambda: largest_error(hinge_fit(x5, y5, 2), x5, bad), ValueError,
     "y: expected finite numbers"),
    (lambda: largest_error(nn.Sequential(nn.Linear(1, 2)).double(), x5, y5), ValueError,
     "gives (5, 1), got (5, 2)"),
    (lambda: largest_error(nn.Sequential(nn.Linear(1, 1), nn.Flatten(0)).double(), x5, y5),
     ValueError, "got (5,)"),
    (lambda: contributions(relu_network(4, 2), x5.float()), ValueError, "Linear, ReLU, Linear"),
    (lambda: contributions(nn.Sequential(nn.Linear(1, 4), nn.ReLU(), nn.Linear(4, 2)), x5),
     ValueError, "one output"),
    (lambda: contributions(nn.Linear(1, 1), x5.float()), ValueError, "Linear, ReLU, Linear"),
])
def test_what_cannot_be_fitted_is_refused_by_name(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert words in str(caught.value)


def test_flat_points_and_columns_have_one_largest_error():
    x, y = curve(50)
    network = hinge_fit(x, y, 7)
    expected = float((network(x[:, None])[:, 0] - y).abs().max().detach())
    for a in (x, x[:, None]):
        assert all(largest_error(network, a, b) == expected for b in (y, y[:, None]))


def test_contributions_of_another_activation_add_up_too():
    x = torch.linspace(-1, 1, 9)
    network = nn.Sequential(nn.Linear(1, 5), nn.Tanh(), nn.Linear(5, 1))
    torch.testing.assert_close(contributions(network, x).sum(1) + network[2].bias,
                               network(x[:, None])[:, 0])


def test_points_that_want_gradients_are_fitted_like_others():
    x, y = curve(20, torch.float32)
    expected = fit_network(x, y, 4, epochs=5)
    again = fit_network(x.clone().requires_grad_(), y.clone().requires_grad_(), 4, epochs=5)
    assert all(torch.equal(a, b) for a, b in zip(expected.parameters(), again.parameters()))
    hinge_fit(x.clone().requires_grad_(), y, 3)


def test_whole_numbers_of_numpy_are_whole_numbers():
    x, y = curve(20, torch.float32)
    for seed in np.arange(3):
        one = fit_network(x, y, np.int64(4), np.int64(2), np.int32(5), seed=seed)
        two = fit_network(x, y, 4, 2, 5, seed=int(seed))
        assert all(torch.equal(a, b)
                   for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert len(hinge_fit(x, y, np.uint8(3))[0].bias) == 3 and len(tent_network(np.int64(3))) == 7
