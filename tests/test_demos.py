"RollDownhill, BeTheOptimiser and Playground without a browser: maths, training, names."

import contextlib
import io
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import dljourney.demos
from dljourney import optimisers, sgd
from dljourney.demos.be_the_optimiser import BeTheOptimiser, squared_error
from dljourney.demos.playground import DATASETS, Playground, make_network
from dljourney.demos.roll_downhill import (
    LANDSCAPES, RollDownhill, descend, descend_by, descend_by_adam, racers,
)


def test_demos_are_found_by_name():
    assert {"RollDownhill", "BeTheOptimiser", "Playground"} <= set(dir(dljourney.demos))
    for name in dir(dljourney.demos):
        assert getattr(dljourney.demos, name).__name__ == name
    with pytest.raises(AttributeError, match="no demo called 'Plaground'"):
        dljourney.demos.Plaground  # noqa: B018


weight = st.floats(-2, 2)


@given(st.sampled_from(sorted(LANDSCAPES)), weight, weight)
def test_the_gradients_of_the_landscapes_are_those_of_autograd(name, x, y):
    loss, gradient = LANDSCAPES[name]
    w = torch.tensor([x, y], dtype=torch.float64, requires_grad=True)
    loss(w[0], w[1]).backward()
    assert w.grad.tolist() == pytest.approx(gradient(x, y), abs=1e-9)
    assert loss(x, y) >= 0


@given(st.sampled_from(sorted(LANDSCAPES)), weight, weight, st.floats(0, 0.4), st.floats(0, 0.9))
def test_rolling_is_torch_s_sgd(name, x, y, lr, momentum):
    w = torch.tensor([x, y], dtype=torch.float64, requires_grad=True)
    opt = torch.optim.SGD([w], lr=lr, momentum=momentum)
    path = descend(name, (x, y), lr, momentum, steps=8)
    for place in path[1:]:
        opt.zero_grad()
        LANDSCAPES[name][0](w[0], w[1]).backward()
        opt.step()
        assert w.detach().tolist() == pytest.approx(place, rel=1e-6, abs=1e-9)


@given(st.sampled_from(sorted(LANDSCAPES)), weight, weight, st.floats(0, 0.4), st.floats(0, 0.9),
       st.booleans())
def test_rolling_by_a_rule_is_what_the_browser_does_by_itself(name, x, y, lr, momentum, level):
    errors = np.random.default_rng(0).normal(size=(8, 2))
    told = dict(noise=0.1, steps=8, errors=errors, level=level)
    y = 0.0 if level else y
    expected = descend(name, (x, y), lr, momentum, **told)
    by_class = descend_by(sgd.SGD, name, (x, y), lr=lr, momentum=momentum, **told)
    by_function = descend_by(momentum_rule, name, (x, y), lr=lr, momentum=momentum, **told)
    assert np.array(by_class) == pytest.approx(np.array(expected), rel=1e-6, abs=1e-9)
    assert np.array(by_function) == pytest.approx(np.array(expected), rel=1e-6, abs=1e-9)


@given(st.sampled_from(sorted(LANDSCAPES)), weight, weight, st.floats(0.01, 0.4))
def test_whom_you_race_against_are_the_chapters_own(name, x, y, lr):
    errors = np.random.default_rng(1).normal(size=(8, 2))
    told = dict(noise=0.1, steps=8, errors=errors)
    expected = descend_by(optimisers.Adam, name, (x, y), lr=lr, **told)
    assert np.array(descend_by_adam(name, (x, y), lr=lr, **told)) == pytest.approx(
        np.array(expected), rel=1e-6, abs=1e-9)
    raced = racers(name, (x, y), lr=lr, **told)
    assert raced["SGD"] == descend(name, (x, y), lr, **told)
    assert raced["momentum 0.9"] == descend(name, (x, y), lr, 0.9, **told)
    assert len(raced) == 3


def test_a_rule_of_one_s_own_races_against_the_three_in_python():
    demo = RollDownhill(rule=adam_rule, race=True, landscape="bowl", lr=0.1, steps=20)
    plain = RollDownhill(race=True, landscape="bowl", lr=0.1, steps=20)
    assert not demo._spec["local"] and plain._spec["local"]
    frames = [d.draw() for d in (demo, plain)]
    names = [m["label"] for m in frames[0]["surface"] if m.get("label")]
    assert names == ["SGD", "momentum 0.9", "Adam"]
    assert set(frames[0]["figures"]) == {"your rule", "one weight", *names}
    assert frames[0]["figures"]["your rule"] == pytest.approx(frames[0]["figures"]["Adam"])
    for name in names: assert frames[0]["figures"][name] == frames[1]["figures"][name]
    assert frames[1]["figures"]["your sliders"] == frames[1]["figures"]["SGD"]
    assert [m["label"] for m in frames[1]["loss"]] == [*names, "your sliders"]


def test_play_goes_step_by_step_and_begins_again_at_the_end():
    demo = RollDownhill(steps=30)
    demo.step(3)
    assert demo.steps == 33 and len(demo.paths()[0]) == 34
    demo.step(200)
    assert demo.steps == 100
    demo.step()
    assert demo.steps == 1
    demo.reset()
    assert demo.steps == 0 and len(demo.paths()[0]) == 1


def test_lines_and_arrows_come_and_go():
    def kinds(**values): return [m["mark"] for m in RollDownhill(**values).draw()["surface"]]
    assert kinds()[:2] == ["heat", "contours"] and "contours" not in kinds(contours=False)
    assert len(kinds(arrows=True)) == len(kinds()) + 1


@given(st.sampled_from(sorted(LANDSCAPES)))
def test_arrows_point_downhill(name):
    loss = LANDSCAPES[name][0]
    (arrows,) = [m for m in RollDownhill(landscape=name, arrows=True).draw()["surface"]
                 if m["mark"] == "line" and np.isnan(m["x"]).any()]
    x, y = (v.reshape(81, 6).astype(float) for v in (arrows["x"], arrows["y"]))
    for (a, p), (b, q) in zip(x[:, :2], y[:, :2]):
        small = 1e-3 * (p - a), 1e-3 * (q - b)
        assert loss(a + small[0], b + small[1]) <= loss(a, b) + 1e-9


def momentum_rule(w, gradient, velocity, t, lr=0.3, momentum=0.8):
    velocity = gradient if velocity is None else momentum * velocity + gradient
    return w - lr * velocity, velocity


def adam_rule(w, gradient, memory, t, lr=0.5):
    mean, square = memory or (0, 0)
    mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
    return w - lr * (mean / (1 - 0.9**t)) / ((square / (1 - 0.999**t)).sqrt() + 1e-8), (
        mean,
        square,
    )


class TwoSteps:
    "An optimiser as a learner writes it: no class of ours, each step taken twice."

    def __init__(self, params, lr):
        self.params, self.lr = list(params), lr

    def step(self):
        with torch.no_grad():
            for p in self.params: p -= 2 * self.lr * p.grad


def test_a_rule_that_was_changed_rolls_another_way_in_python():
    plain = RollDownhill(landscape="bowl", lr=0.1, steps=5)
    assert plain._spec["local"] and plain._frame["panels"] == {}
    ways = {}
    for rule in (sgd.SGD, optimisers.Adam, torch.optim.Adam, adam_rule, TwoSteps):
        demo = RollDownhill(rule=rule, landscape="bowl", lr=0.1, steps=5)
        assert not demo._spec["local"] and demo._frame["panels"]["figures"]
        ways[rule] = np.array(demo.paths()[0])
    assert ways[sgd.SGD] == pytest.approx(np.array(plain.paths()[0]))
    assert ways[optimisers.Adam] == pytest.approx(ways[torch.optim.Adam])
    assert ways[optimisers.Adam] == pytest.approx(ways[adam_rule], rel=1e-5)
    assert abs(ways[optimisers.Adam] - ways[sgd.SGD]).max() > 0.1
    doubled = RollDownhill(landscape="bowl", lr=0.2, steps=5).paths()[0]
    assert ways[TwoSteps] == pytest.approx(np.array(doubled))


def test_a_slider_that_a_rule_does_not_hear_of_is_hidden():
    def shown(demo): return {c["name"] for c in demo._spec["controls"] if not c.get("hidden")}
    assert {"lr", "momentum"} <= shown(RollDownhill()) == shown(RollDownhill(rule=sgd.SGD))
    assert shown(RollDownhill()) - shown(RollDownhill(rule=optimisers.Adam)) == {"momentum"}
    assert shown(RollDownhill()) - shown(RollDownhill(rule=lambda w, g, m, t: (w, m))) == {
        "lr",
        "momentum",
    }


def test_a_rule_that_fails_is_told_and_one_that_leads_nowhere_diverges():
    with pytest.raises(ZeroDivisionError):
        RollDownhill(rule=lambda w, gradient, memory, t: 1 / 0)
    lost = RollDownhill(rule=lambda w, gradient, memory, t: (w * math.nan, memory))
    assert lost.draw()["figures"]["two weights"] == "diverged" and len(lost.paths()[0]) == 2


def steps_of(factor):
    "The chapter's `learn` with one line changed: the loss is multiplied."
    def learn(model, batch, loss_func, opt):
        *inputs, labels = batch
        loss = factor * loss_func(model(*inputs), labels)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss.detach()
    return learn


@pytest.mark.parametrize("make, seen", [
    (lambda **own: Playground(dataset="xor", n_points=50, optimiser="SGD", **own),
     lambda demo: [p.tolist() for p in demo.machine.model.parameters()]),
    (lambda **own: BeTheOptimiser(**own), lambda demo: [demo.a, demo.b, demo.c]),
])
def test_a_step_that_was_changed_changes_what_a_demo_learns(make, seen):
    found = []
    for own in ({}, {"learn": sgd.learn}, {"learn": steps_of(1)}, {"learn": steps_of(3)}):
        demo = make(**own)
        demo.step(3)
        found.append(seen(demo))
    assert found[0] == found[1] == found[2] != found[3]


def test_the_offered_code_names_a_step_of_one_s_own():
    assert "learn" not in Playground(learn=sgd.learn).code()
    code = Playground(learn=steps_of(1), n_points=50).code()
    assert "# learn: your own function" in code and "learn=learn).run()" in code


def test_a_path_that_diverges_ends_and_says_so():
    roll = RollDownhill(landscape="ravine", lr=1.2, steps=100)
    assert len(roll.paths()[0]) < 20 and roll.draw()["figures"]["two weights"] == "diverged"
    before = roll.draw()["surface"]
    roll.noise = 1.0
    roll.new_noise()
    assert len(roll.draw()["surface"]) == len(before)


@given(st.floats(-5, 5), st.floats(-5, 5), st.floats(-5, 5))
def test_the_slopes_of_the_parabola_are_those_of_autograd(a, b, c):
    x, y = np.linspace(-1, 1, 7), np.linspace(-2, 1, 7)
    abc = torch.tensor([a, b, c], dtype=torch.float64, requires_grad=True)
    xs, ys = torch.from_numpy(x), torch.from_numpy(y)
    loss = ((abc[0] * xs**2 + abc[1] * xs + abc[2] - ys) ** 2).mean()
    loss.backward()
    ours, slope = squared_error(x, y, a, b, c)
    assert ours == pytest.approx(loss.item()) and list(slope) == pytest.approx(
        abc.grad.tolist(), abs=1e-9
    )


def test_sgd_takes_over_from_where_the_sliders_are_and_gives_them_back():
    demo = BeTheOptimiser(a=-1.0, lr=0.2)
    start = demo.draw()["figures"]["loss"]
    demo.step(1)
    first = demo.draw()["figures"]["loss"]
    assert first < start and demo.a != -1.0
    demo.step(400)
    assert demo.draw()["figures"]["loss"] < 1.2 * demo._best
    demo.b = -4.0  # somebody takes hold of a slider
    demo.step(1)
    assert -4.0 < demo.b < -2.0, "it goes on from there"
    demo.reset()
    assert demo.a == -1.0 and demo.b == 0.0


def test_be_the_optimiser_takes_points_and_an_optimiser_of_one_s_own():
    made = []

    class Still(torch.optim.SGD):
        def __init__(self, params, lr):
            made.append(lr)
            super().__init__(params, lr=0.0)

    demo = BeTheOptimiser(([0, 1, 2], torch.tensor([1.0, 2.0, 5.0])), optimiser=Still, lr=0.5)
    demo.step(3)
    assert made and set(made) == {0.5} and (demo.a, demo.b, demo.c) == (0.0, 0.0, 0.0)
    with pytest.raises(ValueError, match="data: expected as many x as y"):
        BeTheOptimiser(([1, 2], [1]))


@pytest.mark.parametrize(
    "values",
    [
        dict(dataset="circles", optimiser="SGD, momentum", lr=0.1, l2=0.001),
        dict(dataset="spiral", features=["x1", "sin x2", "x1·x2"], layers=1, units=4,
             activation="ReLU", l1=0.0001),
        dict(dataset="xor", layers=0, batch_size=33, share=0.3, seed=7, noise=0.2),
    ],
    ids=lambda v: v["dataset"],
)
def test_the_printed_code_gives_the_same_numbers(values):
    demo = Playground(n_points=120, **values)
    demo.add_point(0.5, -0.5, 1)
    demo.add_point(-0.25, 0.125, 0)
    demo.reset()
    while len(demo.machine.rows) < 3:
        demo.step()
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(demo.code(), {})
    row, shown = eval(said.getvalue()), demo.machine.rows[-1]
    assert (row["loss"], row["valid_loss"], row["accuracy"]) == (
        shown["train_loss"],
        shown["valid_loss"],
        shown["valid_accuracy"],
    )


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_playground_learns(dataset):
    demo = Playground(dataset=dataset, n_points=200, noise=0.02)
    demo.step(1200 if dataset == "spiral" else 300)
    figures = demo.draw()["figures"]
    assert demo.machine.rows[-1]["accuracy"] > (0.8 if dataset == "spiral" else 0.95)
    assert figures["epoch"] == len(demo.machine.rows) and figures["held-out loss"] > 0


PLANE = torch.randn(30, 2, generator=torch.Generator().manual_seed(0))
SIDE = (PLANE[:, 0] > 0).long()


@pytest.mark.parametrize("labels, kinds", [
    (SIDE, [0, 1]), (2 * SIDE - 1, [-1, 1]), (2.0 * SIDE - 1, [-1.0, 1.0]),
    (SIDE.bool(), [False, True]),
    (SIDE + 6, [6, 7]),
    (["cat" if s else "ant" for s in SIDE], ["ant", "cat"]),
    (SIDE.numpy().astype(np.uint8), [0, 1]),
])
@pytest.mark.parametrize("keyword", ["data", "dataset"])
def test_any_two_labels_will_do(labels, kinds, keyword):
    demo = Playground(**{keyword: (PLANE, labels)})
    demo.step(3)
    assert (
        demo.dataset == "yours"
        and demo.machine.kinds == kinds
        and torch.equal(demo.machine.labels, SIDE)
    )
    figures = demo.draw()["figures"]
    assert kinds == [0, 1] or (figures["orange"], figures["blue"]) == (str(kinds[0]), str(kinds[1]))


@pytest.mark.parametrize("data, said", [
    ((PLANE, torch.arange(30) % 3),
     "labels of two kinds, got 3: 0, 1, 2; the playground has two colours"),
    ((PLANE, torch.arange(30)), "got 30: 0, 1, 2, 3, ...;"), ((PLANE, SIDE * 0), "got 1: 0;"),
    ((PLANE, SIDE[:3]), r"got \(30, 2\) and \(3,\)"), ((PLANE[:, :1], SIDE), r"points \(n, 2\)"),
    ((PLANE / 0, SIDE), "finite numbers"),
    (PLANE, r"a pair \(points, labels\), got an array of shape \(30, 2\)"),
    ((PLANE, [None, *SIDE.tolist()[1:]]), "labels that can be compared"),
])
def test_data_that_does_not_fit_is_refused_in_a_few_words(data, said):
    for keyword in ("data", "dataset"):
        with pytest.raises((ValueError, TypeError), match=said) as caught:
            Playground(**{keyword: data})
        assert len(str(caught.value)) < 250


def test_yours_without_data_says_what_to_do():
    demo = Playground(dataset="yours")
    words = [m["text"] for m in demo.draw()["surface"]["marks"] if m["mark"] == "note"]
    assert "Click here to add points," in words and "Playground(data=(points, labels))" in words
    demo.add_point(0.5, 0.5, 1)
    assert not any(m["mark"] == "note" for m in demo.draw()["surface"]["marks"])


def test_the_playground_takes_what_the_chapter_teaches():
    used = []

    class Adam(torch.optim.Adam):  # as a class that a learner has just written
        def __init__(self, *args, **kwargs):
            used.append("optimiser")
            super().__init__(*args, **kwargs)

    def train(*args, **kwargs):
        used.append("train")
        return sgd.train(*args, **kwargs)

    demo = Playground(train=train, optimiser=Adam, dataset="xor", n_points=50)
    demo.step(3)
    assert used == ["optimiser", "train"] and demo.optimiser == "Adam"
    assert "import Adam" not in demo.code() and "opt = Adam(" in demo.code()

    class Mine(torch.optim.SGD):
        pass

    assert Playground(optimiser=Mine).optimiser == "yours"
    with pytest.raises(ValueError, match="optimiser=YourClass"):
        Playground(optimiser="yours")


def test_the_playground_takes_points_of_one_s_own():
    x, y = np.array([[0, 0], [5, 5], [0, 5], [5, 0]], float), [0, 1, 1, 0]
    demo = Playground((x, y), share=0.5)
    demo.step(5)
    assert demo.dataset == "yours" and demo.draw()["surface"]["x"][1] > 5
    empty = Playground(dataset="yours")
    empty.step(1)
    empty._heard(
        empty, {"event": "click", "panel": "surface", "x": 1, "y": 0.5, "shift": True}, None
    )
    assert empty.machine.clicked == [(1.0, 0.5, 0)]
    empty.step(2)
    assert len(empty.machine.rows) == 2
    others = (x[:, :1], y), (x, [0, 1, 2, 1]), (x * np.nan, y), (x, [0, 1, np.nan, 0])
    for bad in ((x, y[:3]), *others):
        with pytest.raises(ValueError, match="data"):
            Playground(bad)


def test_a_learning_rate_changes_while_it_runs_and_others_start_again():
    demo = Playground(dataset="clouds", n_points=60)
    demo.step(20)
    model = demo.machine.model
    demo.lr = 0.5
    assert demo.machine.model is model and demo.machine.opt.param_groups[0]["lr"] == 0.5
    demo.units = 3
    assert demo.machine.model is not model and demo.machine.rows == []
    before = torch.get_rng_state()
    demo.reset()
    assert torch.equal(torch.get_rng_state(), before), (
        "the learner's own random numbers are left alone"
    )


def test_a_loss_that_explodes_is_shown():
    demo = Playground(
        dataset="clouds", optimiser="SGD", lr=3.0, l2=0.03, activation="ReLU", n_points=60
    )
    with pytest.raises(FloatingPointError):
        demo.machine.opt.param_groups[0]["lr"] = 1e30
        demo.step(50)
    assert "FloatingPointError" in demo.error


@pytest.mark.parametrize("make", [RollDownhill, BeTheOptimiser, Playground])
def test_the_still_pictures_are_the_same_from_run_to_run(make):
    first, second = make(), make()
    for demo in (first, second):
        if demo.player.work:
            demo.step(12)
    assert first.still() == second.still() and len(first.still()) > 5000


def test_a_network_has_the_layers_it_was_asked_for():
    widths = [
        m.out_features for m in make_network(3, 2, 5, "ReLU") if isinstance(m, torch.nn.Linear)
    ]
    assert widths == [5, 5, 2]


@pytest.mark.parametrize(
    "labels", [torch.rand(30) * 1.9, torch.full((30,), math.nan), torch.arange(30) % 3])
def test_playground_refuses_labels_that_are_not_of_two_kinds(labels):
    with pytest.raises(ValueError, match="data: expected labels of two kinds, got "):
        Playground(data=(torch.rand(30, 2), labels))
    assert Playground(data=(torch.rand(30, 2), (torch.arange(30) % 2).float())).draw()
