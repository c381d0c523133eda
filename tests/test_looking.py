"Pictures looked at before they are learned from: their kind, twins, and what is easy."

import io
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter

from dljourney.kit.intervals import wilson
from dljourney.kit.models import baseline_scores, colour_histogram
from dljourney.kit.pictures import (
    digits, doodles, kind_of_pictures, photos, ready_digits, signs, twins_across,
)  # fmt: skip
from dljourney.whole_game import best_head

PHOTOS = os.environ.get("DLJOURNEY_PHOTOS", "")
needs_photos = pytest.mark.skipif(not PHOTOS, reason="DLJOURNEY_PHOTOS names no folder")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DLJOURNEY_CACHE", str(tmp_path / "kept"))


# -- drawings or photographs -----------------------------------------------------------------------


def drawn(side):
    "Doodles, black on white."
    pages = [d.image for found in doodles(("smile", "star", "house", "wave"), 6).values()
             for d in found]
    return [255 - np.asarray(Image.fromarray(np.asarray(p)).resize((side, side), 3)) for p in pages]


def scanned(page, noise, dice, paper=235.0, shade=0.3):
    "On paper, under a lamp that stands on one side, with a scanner's noise."
    y, x = np.mgrid[: len(page), : len(page)] / len(page)
    light = paper * (1 - shade * x * (0.3 + 0.7 * y))
    ink = light * (page / 255) + 60 * (1 - page / 255)
    return np.clip(ink + dice.normal(0, noise, page.shape), 0, 255).astype(np.uint8)


def in_colour(side, dice, n=7):
    "Coloured shapes with outlines."
    page = Image.new("RGB", (2 * side, 2 * side), tuple(dice.integers(0, 256, 3).tolist()))
    pen = ImageDraw.Draw(page)
    for _ in range(n):
        colour, r = tuple(dice.integers(0, 256, 3).tolist()), int(dice.integers(side // 5, side))
        x, y = dice.integers(0, 2 * side, 2).tolist()
        shape = pen.ellipse if dice.random() < 0.5 else pen.rectangle
        shape([x - r, y - r, x + r, y + r], fill=colour, outline=(0, 0, 0), width=3)
    return np.asarray(page.resize((side, side), Image.Resampling.LANCZOS))


def as_jpeg(page, quality, scale=1.0, mirror=False):
    page = Image.fromarray(np.asarray(page))
    page = page.resize([max(4, round(n * scale)) for n in page.size], Image.Resampling.LANCZOS)
    page = page.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirror else page
    file = io.BytesIO()
    page.save(file, "JPEG", quality=quality)
    return file.getvalue()


DICE = np.random.default_rng(0)
DRAWINGS = {
    "digits": lambda: digits().train[0],
    "digits, black on white": lambda: 1 - digits().train[0],
    "one of each digit": lambda: [d.image for _, d in ready_digits()[1]],
    "signs": lambda: signs(200),
    "signs, black on white": lambda: 255 - signs(200),
    "the pad": lambda: drawn(128),
    "the pad, small": lambda: drawn(32),
    **{f"scans of {side} pixels, noise {noise}":
       lambda side=side, noise=noise: [scanned(p, noise, DICE) for p in drawn(side)]
       for side in (32, 64, 300) for noise in (4, 20)},
    "scans in colour": lambda: [scanned(p, 10, DICE)[..., None] * np.array([1, 0.97, 0.9])
                                / 255 for p in drawn(200)],
    "scans as JPEG": lambda: [as_jpeg(scanned(p, 12, DICE), 40) for p in drawn(300)],
    "coloured shapes": lambda: [in_colour(128, DICE) for _ in range(40)],
    "small coloured shapes": lambda: [in_colour(40, DICE) for _ in range(40)],
    "many coloured shapes as JPEG": lambda: [as_jpeg(in_colour(200, DICE, 20), 50)
                                             for _ in range(40)],
    "empty pages": lambda: torch.full((3, 1, 32, 32), 255, dtype=torch.uint8),
}  # fmt: skip


@pytest.mark.parametrize("name", DRAWINGS)
def test_drawings_are_known(name):
    found = kind_of_pictures(DRAWINGS[name]())
    assert found.name == "drawings", found
    assert "looked at have" in found.reason and "\n" not in str(found)


def sharp(photo): return photo
def grey(photo): return photo.convert("L")
def dark(photo): return photo.point(lambda v: v * 0.35)
def pale(photo): return photo.point(lambda v: 140 + v * 0.4)
def blurred(photo): return photo.filter(ImageFilter.GaussianBlur(4))
def small(photo): return photo.resize((32, 32), Image.Resampling.BICUBIC)
def coarse(photo): return Image.open(io.BytesIO(as_jpeg(photo, 20)))


def parts_of_photographs():
    "Two photographs come with scikit-learn, one with matplotlib: each gives some."
    import matplotlib
    from sklearn.datasets import load_sample_images

    data = Path(matplotlib.get_data_path()) / "sample_data"
    whole = [Image.fromarray(p) for p in load_sample_images().images]
    whole += [Image.open(p).convert("RGB") for p in data.glob("*hopper.jpg")]
    return [p.resize((224, 224)) for p in whole]


@pytest.mark.parametrize("change", [sharp, grey, dark, pale, blurred, small, coarse])
def test_photographs_are_known(change):
    found = kind_of_pictures([change(p) for p in parts_of_photographs()])
    assert found.name == "photographs" and "texture" in found.reason


@needs_photos
@pytest.mark.parametrize("change", [sharp, grey, dark, pale, blurred, small, coarse])
def test_a_folder_of_photographs_is_known_by_few_of_them_too(change):
    x = photos(PHOTOS, size=224).x
    pictures = [change(Image.fromarray(p.permute(1, 2, 0).numpy())) for p in x[:120]]
    assert kind_of_pictures(pictures).name == "photographs"
    for at in range(0, 120, 12):
        assert kind_of_pictures(pictures[at : at + 12]).name == "photographs"


def test_files_bytes_and_what_cannot_be_read(tmp_path):
    pages = [in_colour(64, np.random.default_rng(i)) for i in range(3)]
    for i, page in enumerate(pages): Image.fromarray(page).save(tmp_path / f"{i}.png")
    files = sorted(tmp_path.iterdir())
    found = kind_of_pictures([*files, tmp_path / "none.png", b"nothing"])
    assert found == kind_of_pictures(pages) and "of 3 pictures" in found.reason


@pytest.mark.parametrize("wrong, error", [
    ([], ValueError), ([b"no picture"], ValueError), ("photo.jpg", TypeError),
    (torch.zeros(1, 8, 8), TypeError),
])  # fmt: skip
def test_no_pictures_are_no_kind(wrong, error):
    with pytest.raises(error, match="images: expected"):
        kind_of_pictures(wrong)


def test_few_are_looked_at():
    class Many:
        asked = 0

        def __len__(self): return 100_000

        def __getitem__(self, i):
            self.asked += 1
            return np.zeros((8, 8), np.uint8)

    many = Many()
    kind_of_pictures(many)
    assert many.asked == 64


# -- the same picture twice ------------------------------------------------------------------------


def as_batch(pages, side=64):
    opened = [Image.open(io.BytesIO(p)) if isinstance(p, bytes) else Image.fromarray(p)
              for p in pages]  # fmt: skip
    pages = [np.asarray(p.convert("RGB").resize((side, side), 3)) for p in opened]
    return torch.from_numpy(np.stack(pages)).permute(0, 3, 1, 2)


CHANGES = {
    "the same": (100, 1.0, False), "saved again": (60, 1.0, False), "half": (85, 0.5, False),
    "double": (85, 2.0, False), "mirrored": (85, 1.0, True), "small and mirrored": (70, 0.4, True),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_twins_are_found_and_nothing_else(change):
    quality, scale, mirror = CHANGES[change]
    dice = np.random.default_rng(1)
    pages = [in_colour(160, dice) for _ in range(60)]
    others = [*(as_jpeg(p, quality, scale, mirror) for p in pages[:10]),
              *(in_colour(160, dice) for _ in range(50))]  # fmt: skip
    names = [f"train/{i}.png" for i in range(60)], [f"val/{i}.jpg" for i in range(60)]
    found = twins_across(as_batch(pages), as_batch(others), *names)
    assert [(t.first, t.second, t.mirrored) for t in found] == [(i, i, mirror) for i in range(10)]
    assert str(found[3]) == "train/3.png and val/3.jpg" + ", mirrored" * mirror


def test_a_picture_that_is_its_own_mirror_image_is_not_told_as_mirrored():
    half = in_colour(64, np.random.default_rng(0))
    whole = as_batch([np.concatenate([half, half[:, ::-1]], 1)])
    (found,) = twins_across(whole, whole)
    assert not found.mirrored and found.files == ("picture 0", "picture 0")


def test_digits_that_look_alike_are_no_twins():
    (x, _), (new, _) = digits().train, digits().test
    assert len({t.second for t in twins_across(x, new)}) <= 0.01 * len(new)
    assert len({t.second for t in twins_across(x[:50], x)}) >= 50


def test_even_pictures_are_twins_of_those_as_light():
    x = torch.tensor([0.0, 0.5, 1.0])[:, None, None, None].expand(-1, 1, 16, 16)
    assert [(t.first, t.second) for t in twins_across(x, x)] == [(0, 0), (1, 1), (2, 2)]


@needs_photos
def test_a_folder_of_photographs_has_no_twins_but_those_that_were_put_there():
    data = photos(PHOTOS, size=224)
    sides = [data.train[0], data.valid[0]]
    files = data.files[: data.n_train], data.files[data.n_train :]
    assert twins_across(*sides, *files) == []
    pages = [p.permute(1, 2, 0).numpy() for p in sides[0][:20]]
    again = as_batch([as_jpeg(p, 60, 0.5, i % 2 == 1) for i, p in enumerate(pages)], 224)
    found = twins_across(sides[0], torch.cat([sides[1], again]))
    n = len(sides[1])
    assert [(t.first, t.second - n, t.mirrored) for t in found] == [
        (i, i, i % 2 == 1) for i in range(20)]  # fmt: skip


def test_names_and_pictures_must_fit():
    x = torch.rand(2, 1, 8, 8)
    with pytest.raises(ValueError, match="held_files: expected a name for each of the 2"):
        twins_across(x, x, ["a", "b"], ["c"])
    with pytest.raises(ValueError, match="train: expected images"):
        twins_across(x[0], x)
    assert twins_across(x[:0], x) == []


# -- what is easy ----------------------------------------------------------------------------------


@given(st.integers(0, 99))
def test_a_histogram_counts_colours_wherever_they_are(seed):
    dice = torch.Generator().manual_seed(seed)
    x = torch.randint(0, 256, (2, 3, 6, 5), generator=dice, dtype=torch.uint8)
    found = colour_histogram(x)
    by_hand = np.histogramdd(x[1].flatten(1).T.numpy(), bins=4, range=[(0, 256)] * 3)[0]
    np.testing.assert_allclose(found[1].square() * 30, by_hand.flatten(), atol=1e-4)
    mixed = x.flatten(2)[..., torch.randperm(30, generator=dice)].view_as(x)
    torch.testing.assert_close(colour_histogram(mixed), found)
    torch.testing.assert_close(colour_histogram(x.float() / 255), found)


def test_colours_win_where_colours_tell():
    dice = torch.Generator().manual_seed(0)
    y = torch.arange(60) % 2
    x = torch.rand(60, 3, 16, 16, generator=dice) * 0.5
    x[y == 1, 0] += 0.5
    found = baseline_scores((x[:40], y[:40]), (x[40:], y[40:]), 2, best_head)
    assert list(found) == ["the largest class", "colours alone", "glyphnet, frozen"]
    assert found["colours alone"].value == 1.0 and found["the largest class"].value == 0.5
    for measured in found.values():
        assert measured[1:] == wilson(round(measured.value * 20), 20)


def test_where_nothing_tells_the_largest_class_is_the_answer():
    x, y = torch.zeros(6, 1, 32, 32), torch.tensor([0, 1, 1, 1, 0, 1])
    found = baseline_scores((x[:4], y[:4]), (x[4:], y[4:]), 2, best_head, keep=False)
    assert {m.value for m in found.values()} == {0.5}


@pytest.mark.parametrize("n, held, text", [
    (1, 2, "n_things: expected 2"), (2, 0, "held_out: expected one picture or more"),
])  # fmt: skip
def test_what_cannot_be_scored_is_refused(n, held, text):
    x, y = torch.rand(4, 1, 8, 8), torch.tensor([0, 1, 0, 1])
    with pytest.raises(ValueError, match=text):
        baseline_scores((x, y), (x[:held], y[:held]), n, best_head)
