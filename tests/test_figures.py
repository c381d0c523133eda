"Figures change nothing global, come out the same, say what they show; diagrams are whole SVG."
import io
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings as profile, strategies as st
from PIL import Image

from dljourney.kit.figures import diagrams, plots as figures, style
from dljourney.kit.figures import (
    COLOURS, Diagram, Figure, graph_diagram, plot_band, plot_comparison, plot_curves, plot_losses,
    program_diagram, sgd_diagram, show_confusions, show_images, subplots, trained_diagram,
    training_diagram, weights_diagram,
)

every_diagram = [program_diagram, weights_diagram, training_diagram, trained_diagram, sgd_diagram]
rng = np.random.default_rng(0)


def every_figure():
    yield plot_losses([{"epoch": 1, "loss": 2.0, "valid_loss": 2.5},
                       {"epoch": 2, "loss": 1.0, "valid_loss": 3.0}])
    curves = {"a": np.ones((3, 5)), "b": ([1, 2], [3, 4])}
    yield plot_curves(curves, title="t", x_label="x", y_label="y")
    yield plot_comparison({"one": [0.1, 0.2], "two": [0.3]}, fmt=".1%", reference=0.15)
    images = np.linspace(0, 1, 5 * 64).reshape(5, 8, 8)
    yield show_images(images, range(5), [0, 1, 2, 3, 9], title="t")
    yield show_confusions(np.arange(9).reshape(3, 3), ["a", "b", "long name"])


# -- nothing global --------------------------------------------------------------------------------


def test_no_settings_leak_and_none_of_the_readers_settings_leak_in():
    before = dict(matplotlib.rcParams)
    plain = [f.to_png() for f in every_figure()]
    assert dict(matplotlib.rcParams) == before
    odd = {"lines.linewidth": 9, "font.size": 30, "font.family": "serif", "axes.grid": False,
           "axes.titlelocation": "right", "axes.prop_cycle": matplotlib.cycler(color=["red"]),
           "savefig.dpi": 10, "figure.facecolor": "red"}
    with matplotlib.rc_context(odd):
        assert [f.to_png() for f in every_figure()] == plain
        assert matplotlib.rcParams["lines.linewidth"] == 9
    with matplotlib.rc_context({"lines.linewidth": 9}):
        fig, ax = subplots()
        assert ax.plot([1, 2])[0].get_linewidth() == 2.2


def test_pyplot_and_torch_are_not_imported():
    code = "import sys, dljourney.kit.figures as f; f.sgd_diagram().to_png(); "
    code += "f.plot_losses([2, 1]).to_png(); "
    code += "assert not {'matplotlib.pyplot', 'torch', 'sklearn', 'IPython'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_plain_script_saves_figures_the_same_each_time(tmp_path):
    code = """
import sys, pathlib, warnings
# by a new pyparsing
warnings.filterwarnings("ignore", r"'.*' (argument is )?deprecated", module="matplotlib")
from dljourney.kit import figures
folder = pathlib.Path(sys.argv[1]); folder.mkdir()
fig = figures.plot_losses([3, 2, 1], title="Loss")
for kind in ("png", "svg", "pdf"): fig.savefig(folder / f"loss.{kind}")
(folder / "card.png").write_bytes(fig.to_png())
for kind in ("png", "svg"): figures.sgd_diagram().save(folder / f"sgd.{kind}")
"""
    for run in ("a", "b"):
        env = os.environ | {"PYTHONHASHSEED": "1" if run == "a" else "2"}
        command = [sys.executable, "-W", "error", "-c", code, str(tmp_path / run)]
        subprocess.run(command, check=True, env=env)
    names = sorted(p.name for p in (tmp_path / "a").iterdir())
    assert names == ["card.png", "loss.pdf", "loss.png", "loss.svg", "sgd.png", "sgd.svg"]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


# -- how a figure shows itself ---------------------------------------------------------------------


@pytest.mark.parametrize("i", range(5))
def test_a_figure_shows_itself_as_a_png_with_words(i):
    fig = list(every_figure())[i]
    data, metadata = fig._repr_mimebundle_()
    assert set(data) == {"text/html", "image/png", "text/plain"}
    about = metadata["image/png"]
    alt = about["alt"]
    shown = ET.fromstring(data["text/html"].removesuffix(">") + "/>")
    assert shown.attrib["alt"] == alt and data["image/png"] in shown.attrib["src"]
    assert len(alt) > 12 and data["text/plain"].endswith(alt)
    image = Image.open(io.BytesIO(fig.to_png()))
    assert abs(image.width / image.height - about["width"] / about["height"]) < 0.02
    rgba = image.convert("RGBA")
    for corner in ((0, 0), (rgba.width - 1, rgba.height - 1)):
        assert rgba.getpixel(corner)[3] == 0  # round
    assert rgba.getpixel((rgba.width // 2, 1)) == (255, 255, 255, 255)  # on a white card
    assert fig.to_png() == fig.to_png()


def test_a_figure_shows_itself_once_even_where_pyplot_has_its_own_way(capsys):
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    shell = InteractiveShell.instance()
    try:
        png = shell.display_formatter.formatters["image/png"]
        png.for_type(matplotlib.figure.Figure, lambda f: b"pyplot's")
        with capture_output() as captured:
            shell.run_cell("from dljourney.kit.figures import subplots\n"
                           "fig, ax = subplots(alt='two axes')\nfig")
        assert len(captured.outputs) == 1
        assert captured.outputs[0].metadata["image/png"]["alt"] == "two axes"
    finally:
        InteractiveShell.clear_instance()


def test_words_are_made_from_titles_where_none_are_given():
    fig, ax = subplots()
    ax.plot([1, 2], label="up")
    ax.set(title="A line", xlabel="time", ylabel="height")
    assert fig._repr_mimebundle_()[1]["image/png"]["alt"] == "A line: height against time: up"
    assert fig.describe("mine")._repr_mimebundle_()[1]["image/png"]["alt"] == "mine"


def test_photographs_keep_their_colours():
    photo = rng.random((1, 3, 40, 40))
    pixels = np.asarray(Image.open(io.BytesIO(show_images(photo, size=3).to_png())).convert("RGB"))
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 1000


def contrast(a, b):
    def luminance(c):
        c = np.array(matplotlib.colors.to_rgb(c))
        linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_colours_can_be_seen_on_white_and_on_dark():
    for name in style.SERIES:
        assert all(contrast(COLOURS[name], ground) >= 3 for ground in ("white", "#111111")), name
    assert contrast(COLOURS["ink"], COLOURS["paper"]) > 12
    for fill, _, ink, _ in diagrams._KINDS.values():
        assert contrast(fill, ink) > 7
    with pytest.raises(TypeError):
        COLOURS["blue"] = "red"


# -- plots -----------------------------------------------------------------------------------------


def test_subplots_gives_axes_as_pyplot_does():
    assert isinstance(subplots()[1], matplotlib.axes.Axes)
    fig, axes = subplots(2, 3, sharex=True)
    assert isinstance(fig, Figure) and axes.shape == (2, 3) and subplots(1, 2)[1].shape == (2,)


@profile(max_examples=25)
@given(n_seeds=st.integers(1, 6), n=st.integers(1, 8),
       band=st.sampled_from(["range", "quartiles", "std"]))
def test_the_band_lies_around_the_mean_of_the_seeds(n_seeds, n, band):
    ys = np.random.default_rng(n).normal(size=(n_seeds, n))
    fig, ax = subplots()
    plot_band(ax, range(n), ys, band=band)
    np.testing.assert_allclose(ax.get_lines()[0].get_ydata(), ys.mean(0))
    low, high = figures._spread(ys, band)
    reference = {"range": (ys.min(0), ys.max(0)),
                 "quartiles": tuple(np.quantile(ys, [0.25, 0.75], axis=0))}
    if band in reference:
        np.testing.assert_allclose([low, high], reference[band])
    else:
        np.testing.assert_allclose((low + high) / 2, ys.mean(0), atol=1e-12)
    assert len(ax.collections) == (n_seeds > 1)


def test_losses_come_from_a_training_its_rows_numbers_or_several_runs():
    rows = [{"epoch": e, "loss": 1 / e, "valid_loss": abs(e - 3) + 1.0, "accuracy": 0.5}
            for e in (1, 2, 3, 4)]
    for history in (rows, SimpleNamespace(history=rows)):
        ax = plot_losses(history).axes[0]
        lines = {line.get_label(): line for line in ax.get_lines()}
        assert list(lines["training loss"].get_ydata()) == [1, 1 / 2, 1 / 3, 1 / 4]
        assert list(lines["lowest, at 3"].get_xydata()[0]) == [3, 1]
        assert lines["training loss"].get_linestyle() != lines["validation loss"].get_linestyle()

    def drawn(runs):
        return [line.get_label() for line in plot_losses(runs).axes[0].get_lines()]

    assert drawn({"slow": [3, 2], "fast": [3, 1]}) == ["slow", "fast"]
    names = drawn({"a": rows, "b": [1.0]})
    assert "a, training" in names and "a, validation" in names and "b" in names
    assert plot_losses([1, float("nan"), float("inf")], log=True).to_png()
    missing = [{"epoch": 1, "loss": 1.0, "valid_loss": None},
               {"epoch": 2, "loss": 1.0, "valid_loss": 0.5}]
    assert plot_losses(missing).to_png()


def test_tensors_are_welcome():
    torch = pytest.importorskip("torch")
    curve = torch.rand(3, 4, requires_grad=True)
    numbers = [torch.tensor(1.0, requires_grad=True)] * 4
    plot_curves({"a": curve, "b": numbers, "c": torch.rand(4).bfloat16()})
    images = torch.rand(2, 1, 8, 8, requires_grad=True)
    show_images(images, torch.tensor([1, 2]), torch.tensor([1, 3]))
    show_confusions(torch.eye(3))
    plot_comparison({"a": torch.rand(3)})
    plot_losses([torch.tensor(1.0), torch.tensor(0.5)])


def texts(fig):
    return [t.get_text() for t in fig.axes[0].texts]


def test_mistakes_are_told_without_colour():
    fig = show_images(np.zeros((3, 4, 4)), [0, 1, 1], [0, 1, 0], class_names=["cat", "dog"])
    assert texts(fig) == ["✓ cat", "✓ dog", "✗ cat, is dog"]
    widths = [p.get_linewidth() for p in fig.axes[0].patches]
    assert widths[2] > 3 * widths[0] == 3 * widths[1]
    assert "1 predicted wrongly" in fig.alt and "is dog" in fig.alt
    assert texts(show_images(np.zeros((2, 4, 4)), labels=["a", "b"])) == ["a", "b"]
    assert texts(show_images(np.zeros((2, 4, 4)))) == []


shapes = [(3, 8, 8), (3, 1, 8, 8), (3, 3, 8, 9), (3, 8, 9, 3), (3, 4, 8, 8), (3, 8, 8, 1)]


@pytest.mark.parametrize("shape", shapes, ids=str)
@pytest.mark.parametrize("kind", ["float32", "uint8", "float64"])
def test_pictures_of_every_usual_shape_are_shown(shape, kind):
    a = rng.random(shape)
    a = (a * 255).astype("uint8") if kind == "uint8" else a.astype(kind)
    shown = figures._pictures(a)
    assert len(shown) == 3 and all(0 <= p.min() and p.max() <= 1 for p in shown)
    one = a[0] / 255 if kind == "uint8" else a[0]
    channels_first = one.ndim == 3 and one.shape[0] in (1, 3, 4) and one.shape[2] not in (3, 4)
    order = one.transpose(1, 2, 0) if channels_first else one
    np.testing.assert_allclose(shown[0], order.squeeze(), atol=1e-6)
    assert len(show_images(a, n_cols=2).axes[0].images) == 3


@pytest.mark.parametrize("shape", [(3, 3), (5, 3), (3, 4), (1, 3), (4, 1)], ids=str)
def test_grey_pictures_are_grey_however_small(shape):
    torch = pytest.importorskip("torch")
    a = rng.random((5, *shape))
    tensor = torch.from_numpy(a)[:, None]
    for images in (a[:, None], tensor, list(tensor)):
        np.testing.assert_array_equal(np.stack(figures._pictures(images)), a)


def test_half_precision_is_shown():
    torch = pytest.importorskip("torch")
    x = torch.rand(2, 1, 8, 8)
    for kind in (torch.bfloat16, torch.float16):
        half = x.to(kind)
        for images in (half, list(half)):
            np.testing.assert_array_equal(figures._pictures(images), half[:, 0].double())
    losses = [torch.tensor(2.0, dtype=torch.bfloat16), torch.tensor(1.0, dtype=torch.bfloat16)]
    assert plot_losses(losses).axes[0].lines[0].get_ydata().tolist() == [2, 1]


def test_lists_of_pil_images_of_different_sizes_are_shown():
    pictures = [Image.new("RGB", (30, 20), "red"), Image.new("L", (10, 40), 200),
                Image.new("RGBA", (5, 5))]
    assert len(show_images(pictures, ["a", "b", "c"]).axes[0].images) == 3
    assert len(show_images(pictures[0]).axes[0].images) == 1
    assert len(show_images(np.zeros((8, 8))).axes[0].images) == 1


@pytest.mark.parametrize("name", ["$^$", "$a$", "5$", "\\$"])
def test_class_names_are_no_formulas(name):
    fig = show_confusions(np.eye(2), [name, "b"])
    words = [*fig.axes[0].get_xticklabels(), *fig.axes[0].get_yticklabels()]
    assert [t.get_text() for t in words] == [name, "b"] * 2
    assert not any(t.get_parse_math() for t in words)
    assert fig.to_png()
    assert show_images(np.zeros((2, 4, 4)), [name, "b"], ["b", name]).to_png()


def test_a_confusion_matrix_says_what_is_confused():
    fig = show_confusions([[5, 2, 0], [0, 7, 0], [1, 0, 9]], ["cat", "dog", "owl"])
    assert "cat taken for dog 2 times" in fig.alt and "owl taken for cat 1 times" in fig.alt
    assert sorted(texts(fig)) == sorted(["5", "2", "7", "1", "9"])
    assert np.trace(fig.axes[0].images[0].get_array()) == 0  # right answers are left pale
    assert "no mistakes" in show_confusions(np.eye(2)).alt


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: show_images([]), "images: expected at least one"),
        (lambda: show_images(np.zeros((2, 5, 8, 8))), "images: expected pictures of shape"),
        (lambda: show_images(np.zeros((2, 8, 8)), [1]), "labels: .*each of the 2 images, got 1"),
        (lambda: show_images(np.zeros((2, 8, 8)), [1, 2], [1]), "predictions: "),
        (lambda: show_confusions(np.zeros((2, 3))), r"counts: expected a square table.*\(2, 3\)"),
        (lambda: show_confusions(np.zeros((2, 2)), ["a"]), "class_names: expected 2"),
        (lambda: plot_comparison({}), "results: expected a dict"),
        (lambda: plot_comparison({"a": []}), "results: "),
        (lambda: plot_losses([{"accuracy": 1}]), "history: expected rows with 'loss'"),
        (lambda: plot_losses(np.ones((2, 2))), "history: expected rows, or one number"),
        (lambda: plot_curves({"a": np.ones((2, 3))}, x=[1, 2]), r"ys: expected \(n_seeds, 2\)"),
        (lambda: plot_curves({"a": np.ones((2, 3))}, band="sem"), "band: expected"),
        (lambda: plot_curves({}, log="z"), "log: expected"),
        (lambda: sgd_diagram().save("x.gif"), "path: expected .*svg"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# -- diagrams --------------------------------------------------------------------------------------


@pytest.mark.parametrize("diagram", every_diagram, ids=lambda f: f.__name__)
def test_a_diagram_is_whole_svg_with_words(diagram):
    d = diagram()
    assert isinstance(d, Diagram)
    tree = ET.fromstring(d.svg)
    assert tree.get("role") == "img" and tree.get("aria-label") == d.alt
    assert tree.find("{http://www.w3.org/2000/svg}title").text == d.alt
    words = " ".join(t.text for t in tree.iter("{http://www.w3.org/2000/svg}text"))
    default_labels = [v for k, v in zip(diagram.__code__.co_varnames, diagram.__defaults__)]
    for label in default_labels:
        assert label in words and label in d.alt
    data, metadata = d._repr_mimebundle_()
    assert set(data) == {"text/html", "image/svg+xml", "image/png", "text/plain"}
    assert f'alt="{d.alt}"' in data["text/html"]
    assert metadata["image/png"]["alt"] == d.alt and d._repr_svg_() == d.svg
    assert "script" not in d.svg and "http" not in d.svg.replace("http://www.w3.org", "")
    assert diagram() == d and diagram(alt="in my words").alt == "in my words"


labels = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=60)


@pytest.mark.parametrize("diagram", every_diagram, ids=lambda f: f.__name__)
@profile(max_examples=30)
@given(data=st.data())
def test_any_words_fit_in_their_boxes(diagram, data):
    n = len(diagram.__defaults__)
    d = diagram(*data.draw(st.lists(labels, min_size=n, max_size=n)))
    ET.fromstring(d.svg)
    for box in d.plan[0]:
        lines, size = box.lines()
        assert len(lines) * size <= box.h and all(len(line) * 0.6 * size <= box.w for line in lines)


@pytest.mark.parametrize("diagram", every_diagram, ids=lambda f: f.__name__)
def test_boxes_do_not_touch_and_arrows_join_boxes(diagram):
    d = diagram()
    boxes, arrows = d.plan

    def inside(point, box, margin):
        x, y = point
        return (box.x - margin <= x <= box.x + box.w + margin
                and box.y - margin <= y <= box.y + box.h + margin)

    for arrow in arrows:
        for end in (arrow.points[0], arrow.points[-1]):
            assert any(inside(end, box, 3) for box in boxes)
        assert all(0 < x < d.width and 0 < y < d.height for x, y in arrow.points)
        assert all(a[0] == b[0] or a[1] == b[1] for a, b in zip(arrow.points, arrow.points[1:]))
    for a in boxes:
        assert 0 < a.x and a.x + a.w < d.width and 0 < a.y and a.y + a.h < d.height
        for b in boxes:
            nested = inside((a.x, a.y), b, 0) and inside((a.x + a.w, a.y + a.h), b, 0)
            nested |= inside((b.x, b.y), a, 0) and inside((b.x + b.w, b.y + b.h), a, 0)
            apart = a.x + a.w < b.x or b.x + b.w < a.x or a.y + a.h < b.y or b.y + b.h < a.y
            assert a is b or nested or apart


class Counted(SimpleNamespace):
    __hash__, __eq__ = object.__hash__, object.__eq__


def graph(ops, n_leaves):
    "Numbers that were made of each other, with slopes: all that the last one was made of, and it."
    made = [Counted(data=1.0, grad=0.0, number=i, inputs=()) for i in range(n_leaves)]
    for i, j in ops:
        inputs = (made[i % len(made)], 0.5), (made[j % len(made)], -2.25)
        made.append(Counted(data=-12.5, grad=1234.5, number=len(made), inputs=inputs))
    used, waiting = set(), [made[-1]]
    while waiting:
        v = waiting.pop()
        used.add(v)
        waiting += [u for u, _ in v.inputs if u not in used]
    return used, made[-1]


pairs = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=9)


@profile(max_examples=40, deadline=None)
@given(pairs, st.integers(1, 4))
def test_a_graph_of_numbers_is_drawn_whole(ops, n_leaves):
    "A box for each number that was used, apart from others; an arrow for each input, to the right."
    used, result = graph(ops, n_leaves)
    d = graph_diagram(result)
    boxes, arrows = d.plan
    assert len(boxes) == len(used)
    assert len(arrows) == len({(u, v) for v in used for u, _ in v.inputs})
    for a in boxes:
        assert 0 < a.x and a.x + a.w < d.width and 0 < a.y and a.y + a.h < d.height
        for b in boxes:
            gap = max(abs(a.x - b.x) - a.w, abs(a.y - b.y) - a.h)
            assert a is b or gap >= 20
    for arrow in arrows:
        xs = [x for x, _ in arrow.points]
        assert xs == sorted(xs)
        (x0, y0), (x1, y1) = arrow.points[0], arrow.points[-1]
        assert any((b.x + b.w, b.y + b.h / 2) == (x0, y0) for b in boxes)
        assert any(b.x - 2 == x1 and b.y < y1 < b.y + b.h for b in boxes)
        for (xa, ya), (xb, yb) in zip(arrow.points, arrow.points[1:]):
            for b in boxes:  # a part lies between two columns, or in one and beside its boxes
                over = min(xb, b.x + b.w) - max(xa, b.x) > 2
                assert not over or (ya == yb and not b.y < ya < b.y + b.h)


def test_a_graph_says_its_numbers_and_names():
    a = Counted(data=3.0, grad=8.0, number=1, inputs=())
    b = Counted(data=2.0, grad=1.0, number=2, inputs=())
    c = Counted(data=9, grad=1.0, number=3, inputs=((a, 3.0), (a, 3.0)))
    d = graph_diagram(c, a=a, c=c, unused=b)
    assert [box.text for box in d.plan[0]] == ["c = 9\nslope 1", "a = 3\nslope 8"]
    assert [box.kind for box in d.plan[0]] == ["measure", "data"]
    assert [arrow.text for arrow in d.plan[1]] == ["3 + 3"]
    assert d.alt == "A graph of 2 numbers, from left to right. c = 9 has slope 1; a = 3 has slope 8"
    assert graph_diagram(c, alt="in my words").alt == "in my words"
    for bad in (a, 5, None):
        with pytest.raises(TypeError, match="result: expected a Value made of others, got .*; add"):
            graph_diagram(bad)


def test_the_performance_feeds_back_to_the_weights():
    "The book's point: an arrow from performance (loss) to the weights (parameters), named update."
    for diagram, start, end in ((training_diagram, "performance", "weights"),
                                (sgd_diagram, "loss", "parameters")):
        boxes, arrows = diagram().plan
        back = next(arrow for arrow in arrows if arrow.text == "update")

        def at(point, boxes=boxes):
            x, y = point
            return next(b.text for b in boxes
                        if b.x <= x <= b.x + b.w and b.y - 3 <= y <= b.y + b.h + 3)

        assert at(back.points[0]) == start and at(back.points[-1]) == end
