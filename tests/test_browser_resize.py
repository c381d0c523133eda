"Pillow's resize in a page: the same pixels give the same bytes."

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from nets import few
from pages import same_pixels

pytestmark = [pytest.mark.browser, same_pixels]
SCRIPTS = "resize.js",
HOW = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def pixels(draw, most=30):
    "A picture of noise; black, white and a ramp are in it too."
    height, width = draw(st.integers(1, most)), draw(st.integers(1, most))
    shape = (height, width, 3) if draw(st.booleans()) else (height, width)
    a = np.random.default_rng(draw(st.integers(0, 99))).integers(0, 256, shape, np.uint8)
    return np.clip(a * draw(st.sampled_from([0.5, 1, 3])), 0, 255).astype(np.uint8)


def as_picture(a):
    channels = 3 if a.ndim == 3 else 1
    return {"data": a.ravel().tolist(), "width": a.shape[1], "height": a.shape[0],
            "channels": channels}


def agree(bare, function, cases):
    "What the page makes of pictures is in every byte what Pillow made of them."
    asked, wanted = zip(*cases)
    run = f"all => all.map(asked => [...{function}(...asked).data])"
    for one, got, want in zip(asked, bare.evaluate(run, asked), wanted):
        assert got == want, one[1:]


@st.composite
def resizings(draw):
    "A picture, what is asked for, and what Pillow makes of it."
    a = pixels(draw)
    size = [draw(st.integers(1, 40)) for _ in range(2)]
    box = [0, 0, a.shape[1], a.shape[0]]
    if draw(st.booleans()):  # a part of it, as a crop has it
        cut = st.floats(0, 0.45)
        left, top, right, bottom = (draw(cut) for _ in range(4))
        box = [left * box[2], top * box[3], (1 - right) * box[2], (1 - bottom) * box[3]]
    name, gap = draw(st.sampled_from([*HOW])), draw(st.sampled_from([0, 2]))
    made = Image.fromarray(a).resize(size, HOW[name], box=box, reducing_gap=gap or None)
    return [as_picture(a), size, name, box, gap], np.asarray(made).ravel().tolist()


@given(st.lists(resizings(), min_size=20, max_size=20))
@few
def test_resize_is_pillows_in_every_byte(bare, cases):
    agree(bare, "resized", cases)


@st.composite
def reductions(draw):
    a = pixels(draw)
    factors = [draw(st.integers(1, 9)) for _ in range(2)]
    left, top = (draw(st.integers(0, n - 1)) for n in a.shape[1::-1])
    box = [left, top, draw(st.integers(left + 1, a.shape[1])), draw(st.integers(top + 1, len(a)))]
    made = Image.fromarray(a).reduce(tuple(factors), tuple(box))
    return [as_picture(a), factors, box], np.asarray(made).ravel().tolist()


@given(st.lists(reductions(), min_size=20, max_size=20))
@few
def test_reduce_is_pillows_in_every_byte(bare, cases):
    agree(bare, "reduced", cases)
