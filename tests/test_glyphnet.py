"The bundled network: a timm model that works offline, and whose file is checked."

import json
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

import dljourney
from dljourney.kit.models import glyphnet
from dljourney.kit.seeds import stored_rows
from dljourney.kit.intervals import as_plain, measured, over_draws
from dljourney.pretraining import error_ratio

weights = Path(dljourney.__file__).parent / "weights" / "glyphnet.safetensors"


@pytest.fixture(scope="module")
def x():
    return torch.rand(3, 1, 32, 32, generator=torch.Generator().manual_seed(0))


def test_it_works_in_a_fresh_process_without_a_network(tmp_path):
    code = """
import socket
def refuse(*args, **kwargs): raise OSError("no network here")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
import timm, torch
import dljourney.kit.models.glyphnet
model = timm.create_model("glyphnet", pretrained=True, num_classes=10, in_chans=1).eval()
assert timm.list_models("glyphnet*", pretrained=True) == ["glyphnet.glyphs"]
config = timm.data.resolve_model_data_config(model)
assert config["input_size"][1:] == (32, 32), config
print(tuple(model(torch.zeros(2, 1, 32, 32)).shape))
"""
    root = Path(dljourney.__file__).parent.parent
    env = {"PYTHONPATH": str(root), "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True,
                          text=True, env=env)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() == "(2, 10)"


@pytest.mark.parametrize("in_chans", [1, 3, 4])
@pytest.mark.parametrize("num_classes", [0, 5, glyphnet.N_CLASSES])
def test_heads_and_channels(in_chans, num_classes):
    model = timm.create_model("glyphnet", pretrained=True, num_classes=num_classes,
                              in_chans=in_chans).eval()
    with torch.inference_mode():
        y = model(torch.rand(2, in_chans, 40, 40))
    assert y.shape == (2, num_classes or 256) and y.isfinite().all()


def test_grey_and_colour_give_the_same_features(x):
    one, three = (timm.create_model("glyphnet", pretrained=True, num_classes=0, in_chans=n).eval()
                  for n in (1, 3))
    with torch.inference_mode():
        torch.testing.assert_close(one(x), three(x.expand(-1, 3, -1, -1)), atol=5e-3, rtol=1e-3)


def test_features_of_every_stage(x):
    model = timm.create_model("glyphnet", pretrained=True, in_chans=1, features_only=True,
                              out_indices=(1, 4)).eval()
    assert [tuple(f.shape[1:]) for f in model(x)] == [(32, 8, 8), (256, 1, 1)]


def test_the_pretrained_configuration_is_complete():
    cfg = timm.get_pretrained_cfg("glyphnet")
    assert (cfg.input_size, cfg.num_classes) == ((3, 32, 32), glyphnet.N_CLASSES)
    assert (cfg.first_conv, cfg.classifier) == ("conv1.0", "fc")
    assert cfg.mean == (glyphnet.MEAN,) * 3 and cfg.std == (glyphnet.STD,) * 3 and not cfg.url
    assert not cfg.hf_hub_id
    model = timm.create_model("glyphnet")
    assert model.get_classifier() is model.fc


def test_pretrained_weights_are_those_of_the_file_and_random_ones_are_not():
    stored = load_file(weights)
    model = timm.create_model("glyphnet", pretrained=True)
    state = model.state_dict()
    assert stored.keys() == state.keys()
    for name, t in stored.items():
        torch.testing.assert_close(state[name], t.to(state[name].dtype), atol=0, rtol=0)
    assert not torch.equal(timm.create_model("glyphnet").state_dict()["fc.weight"],
                           state["fc.weight"])


def test_the_file_is_small_and_its_card_is_right():
    card = glyphnet.card()
    assert weights.stat().st_size == card["bytes"] <= 4_000_000
    assert card["n_classes"] == glyphnet.N_CLASSES
    assert all(card[key] for key in ("what", "trained_on", "left_out", "training", "results",
                                     "limits"))


def test_each_result_on_the_card_stands_beside_its_interval():
    card, found = glyphnet.card(), {}
    for name, n in (("new pictures", 2000), ("unseen face", 1509)):
        found[name] = measured(round(card["results"][name] * n), n)
    for script in ("Armenian", "Georgian", "Tifinagh"):
        rows = [row for row in stored_rows("glyphnet_one_shot") if row["script"] == script]
        rows = [row for row in rows if row["start"] == "glyphnet" and not row["full"]]
        name = f"one example each of 20 characters, {script}"
        found[name] = over_draws([row["accuracy"] for row in rows])
    assert {key: card[key] for key in ("results", "intervals")} == as_plain(found)


@pytest.mark.parametrize("experiment", ["digits_from_glyphnet", "digits_all_the_way"])
def test_the_card_tells_what_the_stored_draws_say(experiment):
    def right(name, k):
        rows = sorted(stored_rows(name), key=lambda row: row["seed"])
        return [row["accuracy"] for row in rows if row["per_class"] == k]

    ratios = [error_ratio(right(experiment, k), right("digits_from_random", k)) for k in (1, 5, 20)]
    if experiment == "digits_all_the_way":
        told = ", ".join(f"{ratio:.2f}" for ratio, _, _ in ratios)
    else:
        (a, b, c) = (f"{ratio:.2f} (" + "95 % interval " * (not i) + f"{low:.2f} to {high:.2f})"
                     for i, (ratio, low, high) in enumerate(ratios))
        told = f"{a} with 1 example of each digit, {b} with 5, {c} with 20"
    assert told in glyphnet.card()["digits"]


def test_the_classes_hold_no_digit_and_no_held_out_script():
    chars = glyphnet.labels()
    assert len(chars) == len(set(chars)) == glyphnet.N_CLASSES
    assert not [c for c in chars if unicodedata.numeric(c, None) is not None
                and "ROMAN" not in unicodedata.name(c)]
    for script in ("ARMENIAN", "GEORGIAN", "TIFINAGH", "DIGIT"):
        assert not [c for c in chars if script in unicodedata.name(c, "")]
    assert {"A", "Ж", "&"} <= set(chars)


def damaged(path, how):
    data = bytearray(path.read_bytes())
    if how == "cut":
        path.write_bytes(data[: len(data) // 2])
    if how == "bit":
        data[-5] ^= 4
        path.write_bytes(data)
    if how == "empty":
        path.write_bytes(b"")
    if how == "gone":
        path.unlink()
    if how == "other":
        save_file({"a": torch.zeros(3)}, path)


@pytest.mark.parametrize("how", ["cut", "bit", "empty", "gone", "other"])
def test_a_damaged_file_gets_a_clear_error(tmp_path, monkeypatch, how):
    copy = tmp_path / "glyphnet.safetensors"
    for suffix in (".safetensors", ".json"):
        shutil.copy(weights.with_suffix(suffix), copy.with_suffix(suffix))
    assert glyphnet.check_weights(copy) == copy
    damaged(copy, how)
    with pytest.raises(ValueError,
                       match=r"glyphnet.*(damaged|found no file).*install dljourney again"):
        glyphnet.check_weights(copy)
    monkeypatch.setattr(glyphnet, "_weights", copy)
    with pytest.raises(ValueError, match="install dljourney again"):
        timm.create_model("glyphnet", pretrained=True)
    if how not in ("bit",):
        with pytest.raises(ValueError, match="expected glyphnet's characters"):
            glyphnet.labels(copy)


@pytest.mark.parametrize("text", ["", "{", None])
def test_a_damaged_card_gets_a_clear_error(tmp_path, text):
    path = tmp_path / "x.safetensors"
    if text is not None:
        path.with_suffix(".json").write_text(text)
    with pytest.raises(ValueError, match="expected glyphnet's card"):
        glyphnet.card(path)


def test_a_file_of_ones_own_is_not_compared_with_our_checksum(tmp_path):
    state = {k: (v + 1 if v.is_floating_point() else v) for k, v in load_file(weights).items()}
    save_file(state, tmp_path / "mine.safetensors")
    overlay = dict(file=str(tmp_path / "mine.safetensors"))
    model = timm.create_model("glyphnet", pretrained=True, pretrained_cfg_overlay=overlay)
    torch.testing.assert_close(model.fc.bias, state["fc.bias"].float())


def test_the_card_is_plain_json_with_facts():
    assert (json.loads(weights.with_suffix(".json").read_text(encoding="utf-8"))["sha256"]
            == glyphnet.card()["sha256"])
