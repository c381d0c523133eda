"The demos of chapters 05 to 07: what they compute, and that browser and Python agree."
import ast
import functools
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from dljourney.demos.cures import Cures, CureRace
from dljourney.demos.double_descent import DoubleDescent, sweep_widths_for
from dljourney.demos.draw_a_curve import PLACES, DrawACurve, on_places
from dljourney.demos.polynomial_fit import CURVES, PolynomialFit, measure, measure_own, noise_table
from dljourney.demos.shuffled_labels import ShuffledLabels
from dljourney.kit.pictures import digits
from dljourney.kit.live import bundle
from dljourney.overfitting import train_networks

STARTS = {
    DrawACurve: dict(n_hidden=5, units=False),
    PolynomialFit: dict(degree=7, curve="step", cloud=True),
    ShuffledLabels: dict(fraction=0.25, n_hidden=16, n_points=100),
    DoubleDescent: dict(n=50, ridge=1e-3, label_noise=0.2),
    Cures: dict(dropout=0.5, n_points=100, n_hidden=16),
}


def marks(content):
    return content["marks"] if isinstance(content, dict) else content


@pytest.mark.parametrize("demo", STARTS, ids=lambda d: d.__name__)
def test_a_demo_starts_in_any_state_and_shows_itself(demo):
    made = demo(**STARTS[demo], size="projector")
    assert made.state.items() >= STARTS[demo].items() and made.error == ""
    assert type(made)(**made.state).state == made.state
    drawn = made.draw()
    assert {p["name"] for p in made.panels} == set(drawn)
    for panel in made.panels:
        for mark in marks(drawn[panel["name"]]) if panel["kind"] == "plot" else []:
            if mark["mark"] in ("line", "points"):
                assert len(mark["x"]) == len(mark["y"])
                assert np.isfinite(mark["x"][~np.isnan(mark["x"])]).all()
    assert made.still()[:4] == b"\x89PNG"


# DrawACurve


@settings(max_examples=60)
@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(-3, 3)), max_size=60))
def test_a_stroke_becomes_one_height_for_each_place(stroke):
    x, y = ([p[i] for p in stroke] for i in (0, 1))
    places, heights = on_places(x, y)
    assert len(places) == len(heights) and (places.diff() > 0).all()
    if stroke:
        assert places[0] <= min(x) + 0.0051 and places[-1] >= max(x) - 0.0051
        low, high = (min(1.5, max(-1.5, f(y))) for f in (min, max))
        assert heights.min() >= low - 1e-5 and heights.max() <= high + 1e-5
    else:
        assert not len(places)


def test_points_that_are_no_numbers_or_outside_are_left_out():
    places, heights = on_places([math.nan, 0.0, 0.5, 7.0], [1.0, 0.2, 0.4, 9.0])
    assert abs(float(places[0])) < 1e-6 and abs(float(places[-1]) - 0.5) < 1e-6
    assert float(heights.max()) == pytest.approx(0.4)


def test_the_panel_of_the_losses_is_there_before_there_are_any():
    assert DrawACurve().draw()["losses"], "nothing moves under the pen that draws the first curve"


def test_the_network_learns_what_is_drawn_and_follows_a_new_stroke():
    demo = DrawACurve(n_hidden=20)
    demo.step(200)
    assert demo.losses[-1] < 0.1 * demo.losses[0] and len(demo.losses) == 200
    before = demo.network
    demo.on_draw("curve", list(PLACES.tolist()), [0.5] * 201, True)
    assert demo.playing and demo.network is before
    demo.step(200)
    assert float((demo.network(PLACES[:, None]) - 0.5).detach().abs().max()) < 0.3
    demo.n_hidden = 3  # a new start
    assert demo.losses == [] and demo.network[0].out_features == 3
    demo.on_draw("curve", [0.1], [0.1], True)  # a click is no curve
    assert len(demo.x) == 201


def test_a_network_built_by_hand_is_close_at_once():
    demo = DrawACurve(n_hidden=40)
    demo.build()
    assert demo.draw()["figures"]["largest error"] < 0.01
    assert DrawACurve(data=(np.linspace(-1, 1, 9), np.zeros(9))).y.abs().max() == 0


# PolynomialFit


def test_the_numbers_of_a_fit_are_those_of_numpy():
    table = noise_table()
    numbers = measure("wave", 4, 15, 0.3, 1e-9, table)
    x, y = numbers["x"].numpy(), numbers["y"].numpy()
    np.testing.assert_allclose(y, np.sin(3 * x) + 0.3 * table["table"][0, :15], rtol=1e-6)
    peer = np.polynomial.Polynomial.fit(x, y, 4)
    assert float(numbers["train"][4]) == pytest.approx(((peer(x) - y) ** 2).mean(), rel=1e-4)
    clouds = np.sin(3 * x) + 0.3 * table["table"][1:, :15].astype(float)
    fits = np.stack([np.polynomial.Polynomial.fit(x, row, 4)(np.linspace(-1, 1, 121))
                     for row in clouds])
    assert numbers["variance"] == pytest.approx(fits.var(0).mean(), rel=1e-4)


def test_at_ridge_0_there_is_no_single_best_curve_beyond_the_points():
    demo = PolynomialFit(degree=9, n_points=10, ridge=0.0)
    assert demo.draw()["figures"]["training error"] < 1e-9, "it goes through all of them"
    demo.degree = 10
    frame = demo.draw()
    assert set(frame["figures"].values()) == {"no single best curve"}
    train = frame["errors"][1]["y"]
    assert np.isfinite(train[:10]).all() and np.isnan(train[10:]).all()
    demo.ridge = 1e-10
    assert all(isinstance(v, float) for v in demo.draw()["figures"].values())


def test_points_put_by_hand_are_fitted_and_forgotten():
    demo = PolynomialFit(degree=1, ridge=0.0, cloud=True)
    before = demo.draw()
    demo.mine = [-1.0, -1.0, 0.5, 0.5, 0.0, 0.0]
    frame = demo.draw()
    assert frame["figures"]["training error"] < 1e-12 and set(frame["figures"]) == {
        "training error", "validation error"}
    assert [m["label"] for m in frame["fit"]] == ["truth", "fit", "points"]
    peer = np.polynomial.Polynomial.fit([-1, 0.5, 0.2], [0, 1, -1], 1)
    demo.mine = [-1.0, 0.0, 0.5, 1.0, 0.2, -1.0]
    np.testing.assert_allclose(demo.draw()["fit"][1]["y"], peer(np.linspace(-1, 1, 121)), atol=1e-5)
    demo.forget()
    assert demo.mine == [] and json.dumps(plain(demo.draw())) == json.dumps(plain(before))


def test_own_points_are_scaled_sorted_and_split():
    x, y = np.array([30.0, 10.0, 20.0, 40.0, 50.0]), np.array([3.0, 1.0, 2.0, 4.0, 5.0])
    demo = PolynomialFit(data=(x, y), degree=1)
    given_x, given_y = demo._given
    torch.testing.assert_close(given_x, torch.linspace(-1, 1, 5, dtype=torch.float64))
    assert float(given_y.max()) == pytest.approx(1.8)
    numbers = measure_own(given_x, given_y, 1, 1e-9)
    assert len(numbers["x"]) == 4 and len(numbers["new_x"]) == 1
    assert float(numbers["valid"][1]) < 1e-9
    for bad in ((x, y[:3]), (x[:2], y[:2]), (x, y * math.nan), (np.ones(5), y)):
        with pytest.raises(ValueError, match="data should be"):
            PolynomialFit(data=bad)


# ShuffledLabels, DoubleDescent, Cures


def test_shuffled_labels_are_counted_marked_and_learned():
    demo = ShuffledLabels(fraction=1.0, n_points=100)
    assert demo.draw()["figures"]["false labels"] == int((demo.told != demo.true).sum()) > 70
    red = [c == "red" for c in demo.draw()["pictures"]["colours"]]
    assert red == (demo.told != demo.true)[:32].tolist()
    demo.step(60)
    assert demo.history[-1][0] == 1 and demo.history[-1][1] < 0.3
    demo.fraction = 0.0
    assert len(demo.history) == 1 and torch.equal(demo.told, demo.true)


def test_the_sweep_is_made_again_only_when_it_must():
    demo = DoubleDescent(n=50)
    first = demo.sweep
    demo.width = 3.0
    assert demo.sweep is first and demo.draw()["figures"]["width"] == 150
    demo.seed = 1
    assert demo.sweep is not first and demo.sweep.peak() == 50
    assert sweep_widths_for(50)[0] == 2 and 50 in sweep_widths_for(50)


def test_both_sides_of_a_race_are_the_chapters_trainings():
    parts = digits("writers")
    known = parts.train[0][:60], parts.train[1][:60]
    sides = {"a": (60, {"n_hidden": 8}), "b": (30, {"n_hidden": 8})}
    race = CureRace(known, parts.valid, 0.0, sides, epochs=3)
    assert len(list(race)) == 3
    alone = list(train_networks(*known, parts.valid, 8, 3, lr=3e-3, seeds=(0, 1, 2)))
    loss, accuracy = race.scores("a")
    torch.testing.assert_close(loss, torch.stack([e.valid_loss for e in alone]))
    torch.testing.assert_close(accuracy, torch.stack([e.valid_accuracy for e in alone]))


def test_demos_take_the_reader_s_own_data_and_training():
    x, y = torch.rand(40, 1, 8, 8), torch.arange(40) % 3
    called = []

    def trainer(*args, **options):
        called.append(len(args[1]))
        return train_networks(*args, **options)

    own = ((x[:30], y[:30]), (x[30:], y[30:]))
    ShuffledLabels(data=own, trainer=trainer, n_points=100).step(2)
    Cures(data=own, trainer=trainer, n_points=50, epochs=3).step(3)
    assert set(called) == {30}
    assert DoubleDescent(data=own, n=50).sweep.widths[-1] == 8 * 30


# What a learner changes in a cell shows in the demo below it


@functools.cache
def sources(chapter):
    "What the chapter exports, and its cells that show a demo."
    path = Path(__file__).parent.parent / f"nbs/{chapter}.ipynb"
    cells = [c for c in json.loads(path.read_text("utf-8"))["cells"] if c["cell_type"] == "code"]
    text = ["".join(c["source"]) for c in cells]
    return [s for s in text if s.startswith("#| export")], [s for s in text if ".demos" in s or
                                                            "import demos" in s]


class Committed:
    "Predictions that are made already: the answer shows."
    def __getattr__(self, name): return self
    def reveal(self, shown, **truth): return shown


@functools.cache
def frame(chapter, demo, then="", old="", new=""):
    "What the demo draws after a few steps, with `old` replaced by `new` in the chapter's cells."
    exported, shown = sources(chapter)
    if old:
        assert sum(s.count(old) for s in exported) == 1, f"{old} is not in one place"
    namespace = {"__name__": "__main__", "guess": Committed()}
    for source in exported:
        exec(source.replace(old, new) if old else source, namespace)
    (cell,) = [s for s in shown if f"{demo}(" in s]
    *body, last = ast.parse(re.sub(r"step\(\d+\)", "step(2)", cell)).body
    exec(compile(ast.Module(body, []), "cell", "exec"), namespace)
    value = last.value
    if isinstance(value, ast.Call) and ast.unparse(value.func).endswith(".reveal"):
        (value,) = value.args  # an answer that waits for a guess: what it will show
    made = eval(compile(ast.Expression(value), "cell", "eval"), namespace)
    if then: getattr(made, then)()
    return json.dumps(plain(made.draw()), default=str)


@pytest.mark.parametrize("chapter, demo, then, old, new", [
    ("05_optimisers", "RollDownhill", "", "value=-lr / (1 - beta1**t)", "value=-lr"),
    ("05_optimisers", "RollDownhill", "", "1 - beta2**t) ** 0.5", "1 - beta2**t) ** 0.4"),
    ("06_universal", "DrawACurve", "", "weight.copy_(4 * side", "weight.copy_(5 * side"),
    ("06_universal", "DrawACurve", "", '"lr": lr / 20', '"lr": lr / 2'),
    ("06_universal", "DrawACurve", "build", "heads.bias.copy_(tops[:1])", "heads.bias.fill_(1)"),
    ("07_overfitting", "ShuffledLabels", "", "* len(y)), expect.seeded", "* 9), expect.seeded"),
    ("07_overfitting", "ShuffledLabels", "", "AdamW(nets.parameters(), lr,",
     "AdamW(nets.parameters(), lr / 5,"),
    ("07_overfitting", "DoubleDescent", "", "widths[-1], x_test, seed=seed)",
     "widths[-1], x_test, seed=seed + 1)"),
    ("07_overfitting", "Cures", "", "valid[1].expand(len(networks), -1))",
     "1 - valid[1].expand(len(networks), -1).clamp(max=1))"),
])
def test_a_changed_cell_changes_the_demo_below_it(chapter, demo, then, old, new):
    assert frame(chapter, demo, then) != frame(chapter, demo, then, old, new)


@pytest.mark.parametrize("chapter, demo", [("06_universal", "DrawACurve"),
                                           ("07_overfitting", "DoubleDescent")])
def test_an_unchanged_cell_changes_nothing(chapter, demo):
    line, same = "import torch\n", "import torch  # read\n"
    assert frame(chapter, demo) == frame(chapter, demo, "", line, same)


# In a browser


def states(seed):
    rng = np.random.default_rng(seed)
    return dict(
        degree=int(rng.integers(0, 21)), n_points=int(rng.integers(4, 61)),
        noise=float(np.round(rng.random(), 2)),
        ridge=float(10 ** rng.uniform(-9, 2)) if seed % 3 else 0.0,
        curve=str(rng.choice(list(CURVES))), cloud=bool(rng.integers(2)),
        mine=rng.uniform(-1, 1, (9, 2)).round(3).flatten().tolist() if seed % 4 == 2 else [],
    )


@pytest.fixture(scope="module")
def blank(front):
    "An empty page with the script of PolynomialFit."
    page = front.page()
    script = bundle("marks.js", "plot.js", "polynomial_fit.js").split("export default")[0]
    page.add_script_tag(content=script, type="text/javascript")
    yield page
    page.context.close()


def agree(ours, theirs, where):
    "The same structure, and the same numbers to about float32."
    if isinstance(ours, dict):
        assert set(ours) == set(theirs), where
        for key in ours:
            agree(ours[key], theirs[key], f"{where}.{key}")
    elif isinstance(ours, list) and (not ours or not isinstance(ours[0], float)):
        assert len(ours) == len(theirs), where
        for i, (a, b) in enumerate(zip(ours, theirs)):
            agree(a, b, f"{where}[{i}]")
    elif isinstance(ours, (list, float)):
        a, b = (np.array(v, dtype=float) for v in (ours, theirs))
        np.testing.assert_allclose(b, a, rtol=2e-3, atol=2e-3, err_msg=where)
    else:
        assert ours == theirs, where


def plain(value):
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return [math.nan if v != v else float(v) for v in value.reshape(-1)]
    return value


@pytest.mark.browser
@pytest.mark.parametrize("seed", range(12))
def test_browser_and_python_draw_the_same_fit(blank, seed):
    own = dict(data=(np.arange(20.0),
                     np.random.default_rng(seed).normal(size=20))) if seed % 4 == 3 else {}
    demo = PolynomialFit(**states(seed), **own)
    table = {k: v.tolist() if v.ndim < 2 else dict(values=v.ravel().tolist(), shape=v.shape)
             for k, v in ((k, np.asarray(v)) for k, v in demo.data().items())}
    script = """([state, data]) => JSON.stringify(demo.draw(state, data),
        (k, v) => Number.isNaN(v) ? "nan" : ArrayBuffer.isView(v) ? Array.from(v) : v)"""
    theirs = json.loads(blank.evaluate(script, [demo.state, table]).replace('"nan"', "NaN"))
    agree(plain(demo.draw()), theirs, "frame")


@pytest.mark.browser
def test_lines_of_equal_height_lie_where_the_height_is(blank):
    rows, cols, levels = 5, 4, [0.5, 1.25]
    heights = [[0.7 * c + 0.3 * r for c in range(cols)] for r in range(rows)]
    found = blank.evaluate("m => levelLines(m)", dict(
        values=sum(heights, []), shape=[rows, cols], x=[0, cols - 1], y=[0, rows - 1],
        levels=levels))
    ends = np.array(found).reshape(-1, 2)
    height = 0.7 * ends[:, 0] + 0.3 * ends[:, 1]
    assert len(found) > 5 and np.abs(height[:, None] - np.array(levels)).min(1).max() < 1e-9
    assert not blank.evaluate("m => levelLines(m)", dict(
        values=[1.0] * 4, shape=[2, 2], x=[0, 1], y=[0, 1], levels=[0.5, 1.5]))


DEMOS = [
    """from dljourney.demos.cures import Cures
from dljourney.demos.double_descent import DoubleDescent
from dljourney.demos.draw_a_curve import DrawACurve
from dljourney.demos.polynomial_fit import PolynomialFit
from dljourney.demos.shuffled_labels import ShuffledLabels""",
    "fit = PolynomialFit(); fit",
    "curve = DrawACurve(); curve",
    "labels = ShuffledLabels(n_points=100); labels",
    "descent = DoubleDescent(n=50); descent",
    "cures = Cures(epochs=20); cures",
]


@pytest.fixture(scope="module")
def page(front, repeat):
    page = front.open(*DEMOS)
    page.wait_for_function("document.querySelectorAll('.dlj canvas').length >= 9", timeout=60_000)
    yield page
    assert page.problems == [] and page.outside == []
    front.shut(page)


def cell(page, n):
    node = page.locator(f".jp-Cell >> nth={n}").locator(".dlj").first
    node.scroll_into_view_if_needed()
    return node


def drag(page, node, label, by):
    "Drag the thumb of a slider by some pixels."
    slider = node.get_by_label(label, exact=True)
    slider.evaluate("i => i.scrollIntoView({block: 'center'})")
    page.wait_for_timeout(300)  # the page settles
    box = slider.bounding_box()
    share = slider.evaluate("i => (i.value - i.min) / (i.max - i.min)")
    x, y = box["x"] + 9 + share * (box["width"] - 18), box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + by, y, steps=5)
    page.mouse.up()


@pytest.mark.browser
def test_dragging_the_degree_draws_in_the_browser(front, page):
    node = cell(page, 1)
    before = node.locator("canvas").first.evaluate("c => c.toDataURL()")
    drag(page, node, "Degree", 60)
    canvas = node.locator("canvas").first.element_handle()
    page.wait_for_function("([c, old]) => c.toDataURL() !== old", arg=[canvas, before])
    front.until(page, "fit.degree > 6", True)


def spot(node, x, y):
    "Where a place on the axes of the first panel is on the page."
    box = node.locator("canvas").first.bounding_box()
    at = node.evaluate("(n, [x, y]) => n.dlj.at('fit', x, y)", [x, y])
    return box["x"] + at[0], box["y"] + at[1]


@pytest.mark.browser
def test_points_are_dragged_added_and_taken_away_by_mouse(front, page):
    front.python(page, "fit.set(degree=3, n_points=5, noise=0.0, curve='straight line', mine=[])")
    node = cell(page, 1)
    page.wait_for_function("n => n.dlj.model.get('n_points') === 5", arg=node.element_handle())
    page.wait_for_timeout(100)
    before = node.locator("canvas").first.evaluate("c => c.toDataURL()")
    page.mouse.move(*spot(node, 0, 0))
    page.mouse.down()
    page.mouse.move(*spot(node, 0, 1.2), steps=4)
    page.mouse.up()
    front.until(page, "len(fit.mine) == 10 and abs(fit.mine[5] - 1.2) < 0.05", True)
    canvas = node.locator("canvas").first.element_handle()
    page.wait_for_function("([c, old]) => c.toDataURL() !== old", arg=[canvas, before])
    page.mouse.click(*spot(node, 0.25, -1.5))
    front.until(page, "len(fit.mine) == 12 and abs(fit.mine[-1] + 1.5) < 0.05", True)
    page.keyboard.down("Shift")
    page.mouse.click(*spot(node, 0.25, -1.5))
    page.keyboard.up("Shift")
    front.until(page, "len(fit.mine)", 10)
    node.get_by_role("button", name="Forget my points").click()
    front.until(page, "fit.mine", [])


@pytest.mark.browser
def test_points_by_keys_alone_and_a_ridge_of_zero(front, page):
    front.python(page, "fit.set(degree=3, n_points=5, noise=0.0, curve='straight line', mine=[])")
    node = cell(page, 1)
    node.locator("canvas").first.focus()
    page.keyboard.press("ArrowRight")  # the cross comes
    page.keyboard.press("ArrowUp")
    for _ in range(3): page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")  # nothing is near: a new point
    front.until(page, "len(fit.mine)", 12)
    page.keyboard.press("Enter")  # take hold of it
    page.keyboard.press("ArrowUp")
    front.until(page, "fit.mine[-1] > 0.2", True)
    page.keyboard.press("Enter")
    page.keyboard.press("Delete")
    front.until(page, "len(fit.mine)", 10)
    slider = node.get_by_label("Ridge")
    slider.focus()
    page.keyboard.press("Home")
    front.until(page, "fit.ridge", 0.0)
    assert node.locator("output").nth(3).text_content() == "0"
    front.python(page, "fit.set(mine=[], ridge=1e-9)")


@pytest.mark.browser
def test_drawing_a_curve_starts_the_training_of_it(front, page):
    canvas = cell(page, 2).locator("canvas").first
    box = canvas.bounding_box()
    def at(x, y): return (box["x"] + x * box["width"], box["y"] + y * box["height"])
    page.mouse.move(*at(0.2, 0.3))
    page.mouse.down()
    page.mouse.move(*at(0.8, 0.6), steps=12)
    page.mouse.up()
    front.until(page, "len(curve.x) < 201 and len(curve.losses) > 5", True)
    front.until(page, "curve.y[0] > curve.y[-1] and curve.error == ''", True)
    front.python(page, "curve.playing = False")


@pytest.mark.browser
@pytest.mark.parametrize("n, label, check", [
    (3, "Labels shuffled", "labels.fraction > 0.6 and labels.told.ne(labels.true).sum().item() > "
                           "40"),
    (4, "Labels shuffled", "descent.label_noise > 0.1 and descent.sweep.train_error[0].item() > 0"),
    (5, "Dropout", "(cures.dropout > 0.05, cures.error) == (True, '')"),
])
def test_dragging_a_slider_computes_anew(front, page, n, label, check):
    node = cell(page, n)
    before = node.locator("canvas").first.evaluate("c => c.toDataURL()")
    drag(page, node, label, 50)
    front.until(page, check, True)
    if n == 4:  # the others also need a step
        canvas = node.locator("canvas").first.element_handle()
        page.wait_for_function("([c, old]) => c.toDataURL() !== old", arg=[canvas, before])


@pytest.mark.browser
@pytest.mark.parametrize("n, name", [(3, "labels"), (5, "cures")])
def test_play_trains_epoch_by_epoch(front, page, n, name):
    cell(page, n).get_by_role("button", name="Play").click()
    history = {"labels": "labels.history", "cures": "cures.race.history['without']"}[name]
    front.until(page, f"len({history}) > 3", True)
    front.python(page, f"{name}.playing = False")


@pytest.mark.parametrize("x, y, words", [
    (torch.arange(50.0), torch.zeros(50), "x from -1 to 1"),
    (torch.arange(5.0) + 7, torch.zeros(5), "x from -1 to 1"),
    (np.linspace(-1, 1, 5), np.linspace(0, 2, 5), "y from -1.5 to 1.5"),
    (np.linspace(-1, 1, 5), np.zeros(4), "got 5 and 4"),
    ([0.1, 0.1], [0.2, 0.3], "two different x"),
    ([], [], "two different x"),
    ([0.0, math.nan], [0.0, 0.0], "finite"),
])
def test_a_curve_that_does_not_fit_on_the_panel_is_refused(x, y, words):
    with pytest.raises(ValueError, match="data: expected") as caught: DrawACurve(data=(x, y))
    assert words in str(caught.value)


def test_double_descent_refuses_what_are_no_labels():
    x, y = torch.rand(12, 1, 8, 8), torch.rand(12)
    good = (y * 3).long()
    for data in (((x, y), (x, y)), ((x, good), (x, y)), ((x, good[:9]), (x, good))):
        with pytest.raises((TypeError, ValueError), match=" y: expected "): DoubleDescent(data=data)
    assert DoubleDescent(data=((x, good), (x, good))).sweep.test_error is not None
