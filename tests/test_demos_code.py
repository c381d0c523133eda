"""Code that a demo offers runs in a fresh kernel: each demo, in some states.

The program may use nothing but what it imports. `...  # your own` stands for data that only the
learner has.
"""
import contextlib
import io
import warnings

import pytest
import torch
from torch import optim

import dljourney.demos as demos
from dljourney.demos import (
    Cures,
    DoubleDescent,
    DrawACurve,
    FewExamples,
    Playground,
    PolynomialFit,
    ShuffledLabels,
)
from dljourney.kit.pictures import digits
from dljourney.kit.live import Live

PARTS = digits("writers")


def few(part, n):
    return PARTS[part][0][:n], PARTS[part][1][:n]


class Mine(optim.SGD):
    "An optimiser of the learner's own."


def drawn():
    demo = DrawACurve(n_hidden=3, lr=0.05, spread=False)
    demo.on_draw("curve", [-0.5, 0.1, 0.8], [0.2, 0.4, -0.3], True)
    return demo


def built():
    demo = DrawACurve(n_hidden=6)
    demo.build()
    return demo


x, y = torch.linspace(-1, 1, 30), torch.linspace(-1, 1, 30) ** 2
OWN = {"x": x, "y": y}
ON_PLANE = {
    "x": torch.randn(40, 2, generator=torch.Generator().manual_seed(0)),
    "y": torch.arange(40) % 2,
}
PAIR = dict(zip(("x", "y", "valid"), (*few(0, 100), few(2, 60))))
TESTED = dict(zip(("x", "y", "x_test", "y_test"), (*few(0, 100), *few(2, 60))))
NEW = dict(zip(("x", "y", "x_new", "y_new"), (*few(0, 100), *few(2, 60))))
STATES = {  # name: how the demo is made, and what the learner has, by names the program asks for
    "shuffled": (lambda: ShuffledLabels(fraction=0.25, n_hidden=16, n_points=100), {}),
    "shuffled, own": (lambda: ShuffledLabels(data=(few(0, 100), few(2, 60)), n_points=400), PAIR),
    "widths": (lambda: DoubleDescent(n=50, ridge=1e-4, label_noise=0.1, seed=3), {}),
    "widths, own": (lambda: DoubleDescent(data=(few(0, 40), few(2, 60)), n=50), TESTED),
    "cures": (
        lambda: Cures(n_points=50, n_hidden=8, weight_decay=0.5, dropout=0.3, augment=True),
        {},
    ),
    "no cures": (lambda: Cures(n_points=50, n_hidden=8, label_noise=0.0), {}),
    "cures, own": (
        lambda: Cures(data=(few(0, 40), few(2, 60)), n_hidden=8),
        dict(known=few(0, 40), valid=few(1, 60), test=few(2, 60)),
    ),
    "few": (lambda: FewExamples(n_examples=1, draw_number=2), {}),
    "few, own": (lambda: FewExamples(data=(few(0, 100), few(2, 60)), n_examples=1), NEW),
    "curve": (lambda: DrawACurve(n_hidden=5), {}),
    "drawn": (drawn, {}),
    "built": (built, {}),
    "curve, own": (lambda: DrawACurve(data=(OWN["x"], OWN["y"]), n_hidden=4), {}),
    "polynomial": (PolynomialFit, {}),
    "step": (lambda: PolynomialFit(curve="step", degree=7, n_points=20, noise=0.5, ridge=0.1), {}),
    "polynomial, by hand": (lambda: PolynomialFit(mine=[-1.0, 0.5, 0.0, -0.25, 0.75, 1.0],
                                                  degree=2, ridge=0.0), {}),
    "polynomial, own": (lambda: PolynomialFit(data=(x, y)), OWN),
    "playground": (
        lambda: Playground(n_points=60, dataset="xor", l1=0.001, optimiser="SGD, momentum"),
        {},
    ),
    "playground, own": (
        lambda: Playground(data=tuple(ON_PLANE.values()), optimiser=Mine),
        {**ON_PLANE, "Mine": Mine},
    ),
}


def run(program, owned):
    "What a program prints in a fresh namespace, with the learner's own data where it says so."
    lines = program.split("\n")
    given = [i for i, text in enumerate(lines) if "...  # your own" in text]
    assert len(given) == bool(set(owned) - {"Mine"}), program
    for i in given:
        lines[i] = ""
    space = dict(owned) if given else {}
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile("\n".join(lines), "<offered>", "exec"), space)
    return said.getvalue()


def offered(demo):
    code = demo.code()
    assert (
        code == demo.draw().get("code") or not demo.draw()["code"]
    )  # the playground shows it when asked
    return code


@pytest.mark.parametrize("state", STATES)
def test_what_a_demo_offers_runs_in_a_fresh_kernel(state):
    make, owned = STATES[state]
    demo = make()
    if type(demo).work is not Live.work: demo.step(2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert run(offered(demo), owned).strip()


def test_each_demo_with_a_panel_of_code_is_tested():
    with_code = {name for name in dir(demos)
                 if any(p["kind"] == "code" for p in getattr(getattr(demos, name), "panels", []))}
    tested = {type(make()).__name__ for make, _ in STATES.values()}
    assert tested == with_code


def test_shuffled_labels_gives_the_same_numbers():
    demo = ShuffledLabels(fraction=0.5, n_hidden=16, n_points=100)
    demo.step(4)
    figures = demo.draw()["figures"]
    train, valid = map(float, run(demo.code(), {}).split())
    assert (train, valid) == pytest.approx((figures["training"], figures["validation"]), abs=1e-6)


def test_double_descent_gives_the_same_numbers():
    demo = DoubleDescent(n=50, ridge=1e-4, label_noise=0.2, seed=1)
    assert eval(run(demo.code(), {})) == pytest.approx(demo.sweep.test_error.tolist())


@pytest.mark.parametrize("values", [
    {}, dict(curve="straight line", degree=9, n_points=33, noise=0.75, ridge=3.0)])
def test_a_polynomial_gives_the_same_numbers(values):
    demo = PolynomialFit(**values)
    assert float(run(demo.code(), {})) == pytest.approx(
        demo.draw()["figures"]["training error"], rel=1e-3
    )


def test_a_curve_built_by_hand_gives_the_same_numbers():
    demo = drawn()
    demo.build()
    assert float(run(demo.code(), {})) == pytest.approx(
        demo.draw()["figures"]["largest error"], abs=1e-3
    )
