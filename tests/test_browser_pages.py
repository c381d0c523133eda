"Demos as pages: each opens from a folder, alone, as it was, and does what Python does."

import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dljourney import demos
from dljourney.kit.live import marks, scoped
from dljourney.sgd import SGD
from nets import few
from pages import LIFE, agree, plain, shown, tried, until

pytestmark = pytest.mark.browser
SCRIPTS = "dice.js", "mlp.js", "marks.js"

MAKE = {  # each demo that lives in a page, in a state that is not its first
    "RollDownhill": lambda: demos.RollDownhill(landscape="two dips", lr=0.3, noise=0.5, x=1.0),
    "BeTheOptimiser": lambda: demos.BeTheOptimiser(a=-1.0, lr=0.2, slopes=True),
    "PolynomialFit": lambda: demos.PolynomialFit(degree=7, noise=0.5, cloud=True),
    "own points": lambda: demos.PolynomialFit(degree=2, mine=[-0.8, 0.5, -0.1, -1, 0.4, 0, 0.9, 1]),
    "DrawACurve": lambda: stepped(demos.DrawACurve(n_hidden=9), 30),
    "Playground": lambda: stepped(demos.Playground(dataset="circles", n_points=120, units=5), 45),
}  # fmt: skip


def stepped(demo, n):
    demo.step(n)
    return demo


def test_the_comparison_can_fail():
    for ours, theirs in ((1.0, 1.1), ([1], [1, 2]), ({"a": "b"}, {"a": "c"}), ({"a": 1}, {}),
                         ({"values": {"values": [1.0], "shape": [1, 1]}}, {"values": [2.0]})):
        with pytest.raises(AssertionError): agree(ours, theirs)


# -- every demo ------------------------------------------------------------------------------------


def without_code(frame):
    "A page has no code to read where only Python can write it."
    return {k: v for k, v in frame.items() if k != "code"}


@pytest.mark.parametrize("name", MAKE)
def test_a_page_shows_the_state_that_the_demo_is_in(opened, name):
    demo = MAKE[name]()
    page = opened(demo)
    got, want = shown(page), plain(demo.draw())
    agree(without_code(want), without_code(got), 2e-4 if name == "Playground" else 2e-5)
    model = "document.querySelector('#demo .dlj').dlj.model"
    values = page.evaluate(f"(names) => names.map((name) => {model}.get(name))", [*demo.state])
    assert dict(zip(demo.state, values)) == demo.state


@pytest.mark.parametrize("name", MAKE)
def test_every_button_is_answered_and_all_work_is_done(opened, name):
    page = opened(MAKE[name]())
    spec = page.evaluate("() => document.querySelector('#demo .dlj').dlj.spec()")
    acts = page.evaluate(f"() => Object.keys({LIFE}.acts.press || {{}})")
    buttons = [c for c in spec["controls"] if c["kind"] == "button" and not c.get("hidden")]
    assert {c["name"] for c in buttons} <= set(acts)
    assert page.evaluate(f"() => Boolean({LIFE}.acts.work)") or not spec["runs"]
    for button in buttons:
        before = shown(page)
        page.get_by_role("button", name=button["label"]).click()
        nothing_there = button["name"] == "remove_points" or name == "PolynomialFit"
        assert nothing_there or shown(page) != before, button["name"]
    if spec["runs"]:
        before = shown(page)
        page.get_by_role("button", name="Reset").click()
        for _ in range(3): page.get_by_role("button", name="Step").click()
        assert shown(page) != before
        page.locator(".dlj-play").click()
        page.get_by_role("button", name="Pause").wait_for()
        page.wait_for_timeout(150)
        page.get_by_role("button", name="Pause").click()
        assert page.locator(".dlj-play").inner_text().startswith("▶")


def test_the_policy_of_a_page_lets_nothing_else_run(front, tmp_path):
    text = demos.RollDownhill().to_html(tmp_path / "policy.html").read_text("utf-8")
    assert not re.findall(r"(?:src|href)=\"(?!data:)", text) and "unsafe" not in text
    page = front.page()
    page.goto((tmp_path / "policy.html").as_uri())
    page.locator("body.ready").wait_for(state="attached")
    assert tried(page) == dict.fromkeys(["eval", "script", "fetch", "click"], False)
    page.context.close()


def test_without_javascript_the_page_is_a_still_picture(front, tmp_path):
    path = demos.RollDownhill().to_html(tmp_path / "roll.html")
    context = front.browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(path.as_uri())
    assert page.locator("h1").inner_text() == "Roll downhill"
    assert page.locator("noscript img").bounding_box()["width"] > 300
    context.close()


# -- dice ------------------------------------------------------------------------------------------


@given(st.integers(0, 2**32 - 1), st.integers(16, 100), st.integers(1, 100))
@few
def test_the_dice_are_torchs(bare, seed, n, m):
    run = """([seed, n, m]) => {
      const dice = diceOf(seed);
      return [[...dice.uniform(n, -0.3, 0.7)], [...dice.normal(n)], dice.order(m)];
    }"""
    uniform, normal, order = bare.evaluate(run, [seed, n, m])
    dice = torch.Generator().manual_seed(seed)
    want = torch.empty(n).uniform_(-0.3, 0.7, generator=dice)
    assert np.abs(np.array(uniform) - want.numpy()).max() < 1e-7
    assert np.abs(np.array(normal) - torch.randn(n, generator=dice).numpy()).max() < 2e-6
    assert order == torch.randperm(m, generator=dice).tolist()


# -- marks -----------------------------------------------------------------------------------------

GRID = np.arange(6).reshape(2, 3)
MARKS = {  # in JavaScript and in Python, without an option
    "lineMark([0, 1], [2, 3])": marks.line([0, 1], [2, 3]),
    "pointsMark([0, 1], [2, 3])": marks.points([0, 1], [2, 3]),
    "heatMark([0, 1, 2, 3, 4, 5], [2, 3])": marks.heat(GRID),
    "contoursMark([0, 1, 2, 3, 4, 5], [2, 3], [1])": marks.contours(GRID, [1]),
    "barsMark([0, 1], [2, 3])": marks.bars([0, 1], [2, 3]),
    "ruleMark()": marks.rule(),
    "noteMark(1, 2, 'here')": marks.note(1, 2, "here"),
    "handleMark(1, 2, ['x', null])": marks.handle(1, 2, ["x", None]),
}  # fmt: skip


def test_a_mark_has_pythons_defaults(bare):
    assert len(MARKS) == scoped("marks.js").count("mark: ")
    for call, mark in MARKS.items():
        want = plain(mark)
        if isinstance(want.get("values"), dict): want |= want["values"]
        assert bare.evaluate(call) == want, call


# -- RollDownhill, BeTheOptimiser ------------------------------------------------------------------


def test_rolling_downhill_by_mouse_and_keys(opened):
    page = opened(demos.RollDownhill(landscape="bowl", lr=0.1, steps=10))
    before = shown(page)
    box = page.locator("#demo canvas").first.bounding_box()
    at = "([x, y]) => document.querySelector('#demo .dlj').dlj.at('surface', x, y)"
    places = [page.evaluate(at, place) for place in ([-1.6, 1.5], [1, -1])]
    (x, y), (to_x, to_y) = [(box["x"] + x, box["y"] + y) for x, y in places]
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(to_x, to_y, steps=5)
    page.mouse.up()
    assert shown(page)["surface"] != before["surface"]
    page.get_by_label("Learning rate").focus()
    page.keyboard.press("ArrowRight")
    rolled = demos.RollDownhill(landscape="bowl", lr=0.11, steps=10, x=1.0, y=-1.0)
    agree(plain(rolled.draw())["figures"], shown(page)["figures"], 0.05)


def test_new_noise_is_noise(opened):
    page = opened(demos.RollDownhill(noise=1.0))
    seen = []
    for _ in range(3):
        page.get_by_role("button", name="New noise").click()
        errors = page.evaluate(f"() => [...{LIFE}.get('_data').errors]")
        assert len(errors) == 200 and 0.8 < np.std(errors) < 1.2
        seen.append(errors)
    assert seen[0] != seen[1] != seen[2]


def test_sgd_moves_the_sliders_as_in_python(opened):
    page = opened(demos.BeTheOptimiser(a=-1.0, lr=0.2))
    page.evaluate(f"() => {LIFE}.step(50)")
    demo = stepped(demos.BeTheOptimiser(a=-1.0, lr=0.2), 50)
    got = page.evaluate(f"() => ['a', 'b', 'c'].map({LIFE}.get)")
    assert got == pytest.approx([demo.a, demo.b, demo.c], abs=1e-5)
    page.get_by_role("button", name="Reset").click()
    assert page.evaluate(f"() => ['a', 'b', 'c'].map({LIFE}.get)") == [-1.0, 0.0, 0.0]


# -- DrawACurve ------------------------------------------------------------------------------------


def drawn_in_double(**values):
    "A DrawACurve whose network and curve are of 64 bits."
    demo = demos.DrawACurve(**values)
    demo.x, demo.y = demo.x.double(), demo.y.double()
    demo.network.double()
    demo.player.go_on(demo._steps_of())
    return demo


def take(demo, n):
    "n steps, and no drawing: the demo's own pictures are of 32 bits."
    for _ in range(n): demo.player.work.take()


def weights(page, place="life.layers"):
    "All numbers of the page's network, in torch's order."
    return page.evaluate(f"""() => {{
      const {{ life }} = document.getElementById("demo");
      return {place}.flatMap(({{ weight, bias }}) => [...weight, ...bias]);
    }}""")


def numbers(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()]).tolist()


def start_as(page, model, place="life.layers"):
    "The page starts as torch does, but perhaps for a last bit: that one, too."
    assert weights(page, place) == pytest.approx(numbers(model), abs=2e-7), "the same start"
    page.evaluate(f"""(all) => {{
      const {{ life }} = document.getElementById("demo");
      for (const p of {place}.flatMap(({{ weight, bias }}) => [weight, bias]))
        p.set(all.splice(0, p.length));
    }}""", numbers(model))


@pytest.mark.parametrize("values", [dict(n_hidden=12), dict(n_hidden=5, spread=False, lr=0.05)],
                         ids=["spread", "by lot"])
def test_a_curve_is_learned_as_in_python(opened, values):
    page, demo = opened(demos.DrawACurve(**values)), drawn_in_double(**values)
    page.evaluate(f"() => {LIFE}.restart()")
    start_as(page, demo.network)
    page.evaluate(f"() => {{ {LIFE}.step(200); {LIFE}.draw(); }}")
    take(demo, 200)
    losses = page.evaluate(f"() => {LIFE}.losses")
    assert losses == pytest.approx(demo.losses, abs=1e-9)
    assert shown(page)["figures"]["steps"] == 200


def test_a_curve_of_one_s_own_is_drawn_learned_and_built(opened):
    page, demo = opened(demos.DrawACurve(n_hidden=8)), demos.DrawACurve(n_hidden=8)
    x, y = [-0.803, -0.31, 0.0, 0.444, 0.2], [0.4, -0.9, 1.8, 0.1, 0.3]
    page.evaluate(f"([x, y]) => {{ {LIFE}.acts.stroke({LIFE}, {{ x, y }}); {LIFE}.pause(); }}",
                  [x, y])
    demo.on_draw("curve", x, y, True)
    curve = page.evaluate(f"() => [[...{LIFE}.curve.x], [...{LIFE}.curve.y]]")
    assert np.allclose(curve, [demo.x.tolist(), demo.y.tolist()], atol=1e-6)
    page.get_by_role("button", name="Build it by hand").click()
    demo.build()
    demo.redraw()
    agree(without_code(plain(demo.draw()))["curve"], shown(page)["curve"], 1e-4)


def test_a_pen_draws_on_the_page(opened):
    page = opened(demos.DrawACurve())
    box = page.locator("#demo canvas").first.bounding_box()
    page.mouse.move(box["x"] + 120, box["y"] + 100)
    page.mouse.down()
    for i in range(12): page.mouse.move(box["x"] + 120 + 20 * i, box["y"] + 100 + 9 * (i % 5))
    page.mouse.up()
    until(page, f"{LIFE}.curve.x.length < 150 && {LIFE}.losses.length > 20")
    assert page.get_by_role("button", name="Pause").count(), "it learns at once"


# -- Playground ------------------------------------------------------------------------------------

SETTINGS = [
    dict(dataset="spiral"),
    dict(dataset="circles", optimiser="SGD, momentum", lr=0.1, l2=0.001, batch_size=16),
    dict(dataset="xor", features=["x1", "sin x2", "x1·x2", "x2²"], layers=1, units=4,
         activation="ReLU", l1=0.001, optimiser="RMSprop", lr=0.01),
    dict(dataset="clouds", layers=0, share=0.3, seed=7, optimiser="SGD", noise=0.4),
    dict(dataset="spiral", activation="Sigmoid", optimiser="AdamW", features=["sin x1", "x1²"]),
    dict(dataset="xor", activation="none", layers=3, units=2, seed=99, share=0.85),
]  # fmt: skip


def in_double(**values):
    "A Playground whose points and weights are those of 32 bits, and whose steps are of 64."
    demo = demos.Playground(**values)
    machine = demo.machine
    machine.model.double()
    machine.points = machine.points.double()
    demo.player.go_on(machine.training())
    return demo


@pytest.mark.parametrize("values", SETTINGS, ids=lambda v: f"{v['dataset']}-{len(v)}")
def test_500_steps_are_those_of_the_model_in_double(opened, values):
    page, demo = opened(demos.Playground(**values)), in_double(**values)
    page.evaluate(f"() => {LIFE}.restart()")
    points = page.evaluate(f"() => {LIFE}.machine.points")
    machine = demo.machine
    want = [[*p, y] for p, y in zip(machine.points.tolist(), machine.labels.tolist())]
    assert np.abs(np.array(points) - want).max() < 2e-6, "the same points"
    split = page.evaluate(f"() => [{LIFE}.machine.seen, {LIFE}.machine.held]")
    assert split == [machine.seen.tolist(), machine.held.tolist()]
    start_as(page, machine.model, "life.machine.layers")
    page.evaluate(f"(points) => {{ {LIFE}.machine.points = points; }}", want)
    page.evaluate(f"() => {LIFE}.step(500)")
    take(demo, 500)
    assert weights(page, "life.machine.layers") == pytest.approx(numbers(machine.model), abs=1e-9)
    rows = page.evaluate(f"() => {LIFE}.machine.rows")
    assert len(rows) == len(machine.rows) > 5
    for got, row in zip(rows, machine.rows): assert got == pytest.approx(row, abs=1e-6)


def test_a_click_adds_a_point_and_training_goes_on(opened):
    page = opened(stepped(demos.Playground(dataset="xor", n_points=60), 40))
    n, rows = page.evaluate(f"() => [{LIFE}.machine.points.length, {LIFE}.machine.rows.length]")
    canvas = page.locator(".dlj-plot canvas").first
    box = canvas.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    added = page.evaluate(f"() => {LIFE}.machine.points.at(-1)")
    assert page.evaluate(f"() => {LIFE}.machine.points.length") == n + 1
    assert np.abs(added[:2]).max() < 0.1 and added[2] == 1
    page.evaluate(f"() => {LIFE}.step(30)")
    assert page.evaluate(f"() => {LIFE}.machine.rows.length") > rows


def test_own_points_come_along(opened):
    dice = torch.Generator().manual_seed(0)
    x, y = torch.randn(40, 2, generator=dice), ["cat", "dog"] * 20
    demo = demos.Playground(data=(x, y))
    page = opened(demo)
    assert shown(page)["figures"]["blue"] == "dog"
    got = page.evaluate(f"() => {LIFE}.machine.points")
    assert np.allclose([p[:2] for p in got], x) and [p[2] for p in got] == [0, 1] * 20
    page.get_by_label("Data").select_option("circles")
    assert page.evaluate(f"() => {LIFE}.machine.points.length") == 400


# -- what is refused -------------------------------------------------------------------------------


def own(*_, **__): raise AssertionError


class Own(SGD): pass


@pytest.mark.parametrize("demo, message", [
    (lambda: demos.RollDownhill(rule=SGD), "rule: expected the course's own, got SGD"),
    (lambda: demos.BeTheOptimiser(optimiser=Own), "optimiser: expected the course's own, got Own"),
    (lambda: demos.DrawACurve(by_hand=own), "by_hand: expected the course's own, got own"),
    (lambda: demos.Playground(optimiser=Own), "optimiser: expected the course's own, got Own"),
    (lambda: demos.ShuffledLabels(), "got ShuffledLabels, which computes in Python"),
], ids=["rule", "optimiser", "by hand", "playground", "no twin"])  # fmt: skip
def test_what_needs_python_is_refused_by_name(demo, message, tmp_path):
    with pytest.raises(TypeError, match=message): demo().to_html(tmp_path / "page.html")
    assert not [*tmp_path.iterdir()]


def test_a_page_replaces_a_page_and_nothing_else(tmp_path):
    demo, path = demos.PolynomialFit(), tmp_path / "page.html"
    demo.to_html(path)
    demo.to_html(path, "Another <title>")
    assert "Another &lt;title&gt;" in path.read_text("utf-8")
    (tmp_path / "notes.html").write_text("mine")
    with pytest.raises(FileExistsError, match="holds something else"):
        demo.to_html(tmp_path / "notes.html")
    with pytest.raises(IsADirectoryError, match="name a file in it"): demo.to_html(tmp_path)


# -- recordings ------------------------------------------------------------------------------------


def test_a_recording_shows_pythons_own_frames(opened, tmp_path):
    demo = demos.DoubleDescent(n=50)
    path = demo.to_html(tmp_path / "page.html", over={"ridge": [0.0, 0.01], "width": [0.5, 1, 4]})
    assert demo.state == demos.DoubleDescent(n=50).state, "the demo is as it was"
    page = opened(None, path)
    assert "This page is a recording" in page.locator("footer").inner_text()
    assert page.locator("#demo .dlj-choice, #demo input[type=range]").count() == 2
    page.locator(".dlj-choice label", has_text="0.01").click()
    width = page.get_by_role("slider", name="Width")
    width.fill(str(width.get_attribute("max")))
    demo.set(ridge=0.01, width=4.0)
    agree(without_code(plain(demo.draw())), shown(page), 1e-6)
    page.evaluate("document.querySelector('#demo .dlj').dlj.model.set('width', 1.3)")
    page.evaluate("document.querySelector('#demo .dlj').dlj.model.save_changes()")
    assert page.evaluate(f"() => {LIFE}.get('width')") == 1, "the nearest one"


def test_a_recording_of_work_plays(opened, tmp_path):
    demo = demos.ShuffledLabels(n_hidden=16, n_points=100)
    stops = range(0, 12, 3)
    path = demo.to_html(tmp_path / "page.html", over={"fraction": [0.0, 1.0]}, stops=stops)
    page = opened(None, path)
    page.get_by_role("slider", name="Labels shuffled").fill("1")
    page.locator(".dlj-play").click()
    until(page, f"{LIFE}.at === 3")
    demo.set(fraction=1.0)
    demo.step(9)
    agree(without_code(plain(demo.draw())), shown(page), 1e-6)
    page.get_by_role("button", name="Reset").click()
    assert shown(page)["figures"]["epoch"] == 0


def test_a_recording_of_nothing_that_the_demo_has_is_refused(tmp_path):
    with pytest.raises(TypeError, match="over: expected values of the demo, such as n, "):
        demos.DoubleDescent().to_html(tmp_path / "page.html", over={"colour": [1]})
