"A quick answer: what a program says without torch is what it says with torch."

import contextlib
import json
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from dljourney.kit.models import KEY, quick_answers, read_card, read_head
from dljourney.kit.models.quick import _checksum
from dljourney.kit.models.modelfile import checksum
from dljourney.kit.models.seals import sealed_text
from dljourney.kit.pictures import ImageError, Preprocess, read_image, read_pixels
from dljourney.program import load, save
from nets import few, lively, of_timm

root = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("quick")


@pytest.fixture(scope="module")
def glyphs(folder):
    model, _ = of_timm("glyphnet", 32, True)()
    return save(model, folder / "glyphs.safetensors")


def small(channels=3):
    torch.manual_seed(0)
    return lively(nn.Sequential(nn.Conv2d(channels, 4, 3), nn.BatchNorm2d(4), nn.ReLU(),
                                nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 3)))


def saved(path, model=None, **options):
    wants = Preprocess(options.pop("size", (12, 10)), **options)
    return save(model or small(wants.channels), path, list("abc"), preprocess=wants)


def picture(seed, width=40, height=30, mode="RGB"):
    dice = np.random.default_rng(seed)
    coarse = Image.fromarray(dice.integers(0, 256, (6, 8, 3), np.uint8))
    return coarse.resize((width, height)).convert(mode)


def agree(quick, slow):
    for a, b in zip(quick, slow, strict=True):
        assert a.keys() == b.keys()
        assert max(abs(a[name] - b[name]) for name in a) < 1e-5
        first, second, *_ = [*b.values(), 0]
        assert first - second < 1e-5 or next(iter(a)) == next(iter(b))


def test_glyphnet_says_the_same_of_200_pictures(glyphs):
    pictures = [picture(i) for i in range(200)]
    agree(quick_answers(glyphs, pictures), load(glyphs)(pictures))


@given(st.data())
@few
def test_every_way_to_prepare_a_picture_gives_the_same_numbers(folder, data):
    draw = data.draw
    how = dict(size=draw(st.tuples(st.integers(8, 20), st.integers(8, 20))),
               channels=draw(st.sampled_from([1, 3])), mean=0.4, std=0.3,
               fit=draw(st.sampled_from(["crop", "squash", "pad"])),
               interpolation=draw(st.sampled_from(["bilinear", "bicubic"])))
    mode = draw(st.sampled_from(["L", "RGB", "RGBA", "P", "1", "CMYK"]))
    one = picture(1, draw(st.integers(1, 60)), draw(st.integers(1, 60)), mode)
    file = saved(folder / "any.safetensors", **how)
    agree(quick_answers(file, [one]), load(file)([one]))


@pytest.mark.parametrize("options", [dict(), dict(mean=(0.1, 0.2, 0.3), std=(1, 0.5, 0.2))])
def test_a_prepared_picture_is_bit_for_bit_the_same(options):
    from dljourney.kit.models.quick import _ready

    wants = Preprocess((12, 10), **options)
    assert np.array_equal(_ready(picture(3), wants), wants(wants.read(picture(3))[None]).numpy())
    assert np.array_equal(read_pixels(picture(3), 9), read_image(picture(3), 9).numpy())


def test_each_picture_has_its_answer_or_what_is_wrong_with_it(glyphs, folder):
    (folder / "empty.png").write_bytes(b"")
    picture(1).save(folder / "one.png")
    files = [folder / "one.png", folder / "empty.png", folder / "nobody.png"]
    answer, empty, missing = quick_answers(glyphs, files)
    assert len(answer) == 2508 and abs(sum(answer.values()) - 1) < 1e-5
    assert list(answer.values()) == sorted(answer.values(), reverse=True)
    assert isinstance(empty, ImageError) and str(missing) == "no such file"


def test_a_folder_that_holds_a_program_will_do(folder):
    (folder / "p").mkdir()
    file = saved(folder / "p" / "program.safetensors")
    assert quick_answers(folder / "p", [picture(1)]) == quick_answers(file, [picture(1)])


@pytest.mark.parametrize("model", [
    nn.Sequential(nn.Conv2d(3, 4, 3), nn.GELU(), nn.Flatten(), nn.Linear(320, 3)),
    lambda: small().bfloat16(),
], ids=["a step without a place", "numbers that NumPy has not"])
def test_what_has_no_plan_waits_for_torch(folder, model):
    with contextlib.suppress(ImportError):
        import ml_dtypes  # noqa: F401  # other packages bring it; it gives NumPy a bfloat16
    file = saved(folder / "other.safetensors", model if isinstance(model, nn.Module) else model())
    assert quick_answers(file, [picture(1)]) is None
    assert len(load(file)(picture(1))) == 3


def test_a_network_in_16_bits_and_one_with_shared_weights_have_a_plan(folder):
    layer = nn.Conv2d(3, 3, 3)
    shared = nn.Sequential(layer, layer, nn.Flatten(), nn.Linear(144, 3))
    for model in (small().half(), shared):
        file = saved(folder / "two.safetensors", model)
        agree(quick_answers(file, [picture(1)]), load(file)([picture(1)]))


def parts_of(file):
    "What the entry in a program's head holds, and its tensors."
    return json.loads(read_head(file)[0][KEY]), safetensors.numpy.load_file(file)


def write(file, whole, tensors):
    file.write_bytes(safetensors.numpy.save(tensors, {KEY: json.dumps(whole)}))
    return file


def test_a_program_that_was_saved_without_a_plan_still_loads(folder):
    whole, tensors = parts_of(saved(folder / "now.safetensors"))
    card = whole["card"]
    seal = checksum(sealed_text(card), {k: torch.from_numpy(v) for k, v in tensors.items()})
    old = write(folder / "old.safetensors", {"card": card, "sha256": seal}, tensors)
    assert quick_answers(old, [picture(1)]) is None
    agree(load(old)([picture(1)]), load(folder / "now.safetensors")([picture(1)]))


def test_the_plan_is_no_part_of_the_card(folder):
    file = saved(folder / "card.safetensors")
    assert "plan" not in read_card(file) and load(file).card == read_card(file)
    assert parts_of(file)[0]["plan"]["input"] == [3, 12, 10]


@pytest.mark.parametrize("harm", [
    lambda whole, tensors: tensors["0.bias"].__iadd__(1),
    lambda whole, tensors: whole["plan"]["steps"][0].update(stride=[2, 2]),
    lambda whole, tensors: whole["card"]["labels"].reverse(),
    lambda whole, tensors: whole.pop("card"),
], ids=["a weight", "a step", "labels", "no card"])
def test_a_damaged_file_is_left_to_torch_which_refuses_it(folder, harm):
    whole, tensors = parts_of(saved(folder / "good.safetensors"))
    harm(whole, tensors)
    bad = write(folder / "bad.safetensors", whole, tensors)
    assert quick_answers(bad, [picture(1)]) is None
    with pytest.raises(ValueError, match="damaged|checksum"):
        load(bad)


@pytest.mark.parametrize("harm", [
    lambda plan: plan["steps"].append({"op": "dream", "of": [0]}),
    lambda plan: plan["steps"][0].update(padding=[10**9] * 4),
    lambda plan: plan["steps"][0].update(stride=[0, 0]),
    lambda plan: plan["steps"][0].update(weight="nobody"),
    lambda plan: plan.update(answer=1), lambda plan: plan.update(steps=[]),
    lambda plan: plan["steps"][0].update(of=[7]),
])  # fmt: skip
def test_a_plan_that_somebody_made_up_is_left_to_torch(folder, harm):
    whole, tensors = parts_of(saved(folder / "good.safetensors"))
    harm(whole["plan"])
    whole["sha256"] = _checksum(sealed_text(whole["card"], whole["plan"]), tensors)
    assert quick_answers(write(folder / "odd.safetensors", whole, tensors), [picture(1)]) is None


def test_the_seal_is_the_one_that_torch_makes():
    tensors = {"a": torch.rand(2, 3), "b": torch.arange(3), "c": torch.rand(2).half(),
               "d": torch.tensor(3), "e": torch.tensor([True, False])}
    arrays = {name: t.numpy() for name, t in tensors.items()}
    assert _checksum("card", arrays) == checksum("card", tensors)


@pytest.mark.parametrize("place", ["nobody.safetensors", "empty", "."])
def test_what_is_no_program_is_left_to_torch(folder, place):
    (folder / "empty").write_bytes(b"")
    assert quick_answers(folder / place, []) is None


def test_no_torch_is_started(glyphs, folder):
    picture(2).save(folder / "photo.jpg")
    code = textwrap.dedent(f"""
        import os, sys
        before = dict(os.environ)
        from dljourney.kit.models import quick_answers
        (answer,) = quick_answers({str(glyphs)!r}, [{str(folder / "photo.jpg")!r}])
        heavy = {{"torch", "timm", "matplotlib"}} & {{*sys.modules}}
        print(len(answer), heavy, os.environ == before)
    """)
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.stdout.strip() == "2508 set() True", done.stdout + done.stderr
