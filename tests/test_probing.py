"A head in one step: exact where it says so, sure where it is right, and an ordinary last layer."

import os

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from dljourney.kit.models import give_head, has_photonet, kept_features, left_out_scores, probe
from dljourney.kit.pictures import photos
from dljourney.transfer import draw_examples, features, predict, pretrained
from dljourney.whole_game import best_head


def cloud(n, d, n_things, seed=0, apart=1.0, n_views=1):
    dice = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % n_things
    middles = apart * torch.randn(n_things, d, generator=dice)
    return middles[y] + torch.randn(n_views, n, d, generator=dice), y


def ridge(x, target, penalty):
    "Independent: the intercept as a column that is not penalised."
    x1 = torch.cat([x, torch.ones(len(x), 1)], 1).double()
    shrink = penalty * torch.eye(x1.shape[1]).double()
    shrink[-1, -1] = 0
    w = torch.linalg.lstsq(x1.T @ x1 + shrink, x1.T @ target.double()).solution
    return lambda new: torch.cat([new, torch.ones(len(new), 1)], 1).double() @ w


@given(n=st.integers(4, 14), d=st.integers(1, 20), n_things=st.integers(2, 4),
       n_views=st.integers(1, 3), seed=st.integers(0, 99))  # fmt: skip
def test_leaving_out_in_closed_form_is_leaving_out(n, d, n_things, n_views, seed):
    views, y = cloud(n, d, n_things, seed, n_views=n_views)
    found = left_out_scores(views, y, n_things)
    target = F.one_hot(y, n_things)
    z = (views - views.mean((0, 1))).flatten(0, 1).double()
    penalty = (z.T @ z).diagonal().mean()
    for i in range(n):
        kept = torch.arange(n) != i
        said = ridge(views[:, kept].flatten(0, 1), target[kept].repeat(n_views, 1), penalty)
        torch.testing.assert_close(found[i], said(views[:1, i])[0], atol=1e-6, rtol=1e-5)


def test_thousands_are_left_out_some_at_a_time():
    views, y = cloud(600, 9, 3, n_views=2)
    z = (views - views.mean((0, 1))).flatten(0, 1).double()
    found, penalty = left_out_scores(views, y, 3), (z.T @ z).diagonal().mean()
    for i in (0, 255, 256, 511, 512, 599):
        kept = torch.arange(600) != i
        said = ridge(views[:, kept].flatten(0, 1), F.one_hot(y, 3)[kept].repeat(2, 1), penalty)
        torch.testing.assert_close(found[i], said(views[:1, i])[0], atol=1e-6, rtol=1e-5)


@given(n=st.integers(4, 30), d=st.integers(1, 40), seed=st.integers(0, 99))
def test_both_know_the_same_penalty(n, d, seed):
    "What is left out is a variant of best_head: with everything in, they say the same."
    views, y = cloud(n, d, 3, seed)
    weight, bias = best_head(views[0], y, 3, 1.0)
    z = (views[0] - views[0].mean(0)).double()
    said = ridge(views[0], F.one_hot(y, 3), (z.T @ z).diagonal().mean())
    torch.testing.assert_close((views[0] @ weight.T + bias).double(), said(views[0]),
                               atol=1e-3, rtol=1e-3)  # fmt: skip


def test_the_head_is_best_head_s_and_its_answers_are_as_sure_as_they_are_right():
    views, y = cloud(120, 30, 3, apart=0.35)
    new = cloud(3120, 30, 3, apart=0.35)[0][:, 120:]
    truth = (torch.arange(3120) % 3)[120:]
    found = probe(views, y, 3, best_head)
    own = best_head(views[0], y, 3)
    ratio = found.weight / own[0]
    assert ratio.std() < 1e-3 * ratio.mean()
    said = found(new[0])
    losses = {s: float(F.cross_entropy(s * said, truth)) for s in (0.5, 1.0, 2.0)}
    assert min(losses, key=losses.get) == 1.0, losses
    torch.testing.assert_close(
        (found.left_out.argmax(1) == y).float().mean(),
        (said.argmax(1) == truth).float().mean(), atol=0.12, rtol=0)  # fmt: skip


def test_best_head_beats_a_converged_softmax_where_examples_are_few():
    "Not to be taken on trust: LBFGS to convergence, weakly penalised, on the same features."
    views, y = cloud(20, 60, 2, apart=0.3)
    new, truth = cloud(2020, 60, 2, apart=0.3)
    new, truth = new[0, 20:], truth[20:]
    w = torch.zeros(2, 60, requires_grad=True)
    opt = torch.optim.LBFGS([w], max_iter=200, line_search_fn="strong_wolfe")

    def loss():
        opt.zero_grad()
        value = F.cross_entropy(views[0] @ w.T, y) + 1e-3 * w.square().sum()
        value.backward()
        return value

    opt.step(loss)
    ours = (probe(views, y, 2, best_head)(new).argmax(1) == truth).float().mean()
    theirs = ((new @ w.T).argmax(1) == truth).float().mean()
    assert ours >= theirs - 0.01


def test_one_picture_of_each_thing():
    views, y = cloud(2, 10, 2, apart=3.0)
    found = probe(views, y, 2, best_head)
    assert (found(views[0]).argmax(1) == y).all()
    torch.testing.assert_close(found.weight, best_head(views[0], y, 2)[0])


def test_mirror_images_are_examples():
    views, y = cloud(10, 8, 2, n_views=2)
    found = probe(views, y, 2, best_head)
    own = best_head(views.flatten(0, 1), y.repeat(2), 2)[0]
    torch.testing.assert_close(found.weight / found.weight.norm(), own / own.norm())


def test_a_model_with_that_head_says_what_the_probe_says():
    x = torch.rand(12, 1, 32, 32)
    model = pretrained("glyphnet", 3, in_chans=1)
    found = probe(features(model, x), torch.arange(12) % 3, 3, best_head)
    give_head(model, found)
    torch.testing.assert_close(predict(model, x), found(features(model, x)), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("views, y, n, text", [
    (torch.ones(3, 4), torch.tensor([0, 1, 1]), 2, "views: expected features that differ"),
    (torch.eye(3), torch.tensor([0, 0, 0]), 2, "y: expected pictures of two things"),
    (torch.eye(3), torch.tensor([0, 1]), 2, "y: expected one label for each of the 3"),
    (torch.eye(3), torch.tensor([0, 1, 2]), 2, "y: expected class numbers from 0 to 1"),
    (torch.zeros(3), torch.tensor([0, 1, 1]), 2, "views: expected features"),
    (torch.zeros(0, 4), torch.tensor([]).long(), 2, "views: expected features"),
    (torch.full((2, 4), torch.nan), torch.tensor([0, 1]), 2, "views: expected finite"),
    (torch.eye(2), torch.tensor([0, 1]), 1, "n_things: expected 2"),
])  # fmt: skip
def test_what_teaches_nothing_is_refused(views, y, n, text):
    with pytest.raises(ValueError, match=text):
        probe(views, y, n, best_head)


@pytest.mark.parametrize("model", [
    torch.nn.Linear(3, 2), pretrained("glyphnet", 5, in_chans=1, weights=False),
])  # fmt: skip
def test_a_head_that_does_not_fit_is_refused(model):
    found = probe(*(torch.rand(4, 9), torch.tensor([0, 1, 0, 1])), 2, best_head)
    with pytest.raises(ValueError, match="model: expected"):
        give_head(model, found)


PHOTOS = os.environ.get("DLJOURNEY_PHOTOS", "")


@pytest.mark.skipif(not (PHOTOS and has_photonet()), reason="no photographs, or no photonet")
def test_photographs_are_told_apart(tmp_path, monkeypatch):
    "Ants and bees, which are among photonet's own kinds: the bars of bench_photographs.py."
    monkeypatch.setenv("DLJOURNEY_CACHE", str(tmp_path))
    model = pretrained("photonet", 2)
    data = photos(PHOTOS, size=224, interpolation="bicubic")
    views = kept_features(model, data.train[0], mirrored=True).features
    new, y = kept_features(model, data.valid[0]).features[0], data.train[1]

    def right(count, seed):
        chosen = draw_examples(y, count, seed)
        found = probe(views[:, chosen], y[chosen], 2, best_head)
        return (found(new).argmax(1) == data.valid[1]).float().mean()

    assert right(None, 0) >= 144 / 153
    assert sum(right(5, seed) for seed in range(20)) / 20 >= 0.9
    assert sum(right(20, seed) for seed in range(20)) / 20 >= 0.93
