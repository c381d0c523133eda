"Each way out that an error names is taken, and works."

import json
import re
import subprocess
import sys
import warnings

import numpy as np
import pytest
import safetensors.torch
import timm
import torch
from PIL import Image
from test_kept_models import OwnHead, own_forward, softened
from test_program import exported
from torch import nn

from chapter_cells import NBS, code_cells
from dljourney.kit.models import HubError, ModelFileError
from dljourney.kit.pictures import Preprocess
from dljourney.program import Program, load, save
from dljourney.transfer import fine_tune, freeze, predict, pretrained

grey = Preprocess(size=(8, 8), channels=1)
x, y = (torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0)),
        torch.tensor([0, 1, 0, 1]))


def told(call, *kinds):
    "What a call is refused with."
    with pytest.raises(kinds or (TypeError, ValueError, OSError)) as error:
        call()
    return str(error.value)


def layers(*more):
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 3), *more)


# Networks that no file of ours can hold


class Own(nn.Module):
    def forward(self, x):
        return x.flatten(1)[:, :3]


def with_own_head():
    net = timm.create_model("test_resnet", num_classes=3)
    net.fc = nn.Sequential(nn.Linear(net.num_features, 512), OwnHead())
    return net


@pytest.mark.parametrize("make", [Own, with_own_head, softened, own_forward],
                         ids=lambda f: f.__name__)
@pytest.mark.filterwarnings("ignore")
def test_export_onnx_takes_what_save_refuses(make, tmp_path):
    ort = pytest.importorskip("onnxruntime")
    net = make().eval()
    wants = Preprocess.of(net, 32) if hasattr(net, "pretrained_cfg") else grey
    assert "export it with export_onnx" in told(lambda: save(net, tmp_path / "p", preprocess=wants))
    path = exported(net, tmp_path / "net.onnx", wants)
    pixels = torch.rand(2, wants.channels, *wants.size)
    (got,) = ort.InferenceSession(str(path)).run(None, {"images": pixels.numpy()})
    want = net(wants(pixels)).softmax(1)
    torch.testing.assert_close(torch.from_numpy(got), want, atol=1e-5, rtol=1e-4)


def test_options_that_an_error_lists_are_taken(tmp_path):
    net = timm.create_model("test_resnet", num_classes=3, act_layer="gelu", stem_width=12)
    net._model_args = {}  # as in older versions of timm
    wants = Preprocess.of(net, 32)
    text = told(lambda: save(net, tmp_path / "p", preprocess=wants, options={"stem": 12}))
    assert "'stem'; leave it out" in text and "stem_width" in text
    net = timm.create_model("test_vit", num_classes=3, global_pool="avg")
    net._model_args = {}
    text = told(lambda: save(net, tmp_path / "p"))
    option = re.search(r"options={...}\) takes .*(global_pool)", text).group(1)
    assert load(save(net, tmp_path / "p", options={option: "avg", "num_classes": 3}))


def test_a_softmax_is_left_out(tmp_path):
    inner = nn.Sequential(nn.Linear(3, 3), nn.Softmax(1))
    for net in (layers(nn.Softmax(1)), layers(inner)):
        assert "leave it out" in told(lambda net=net: save(net, tmp_path / "p", preprocess=grey))
        assert "leave it out" in told(lambda net=net: exported(net, tmp_path / "p.onnx", grey))
    assert save(layers(), tmp_path / "p", preprocess=grey)
    del inner[-1]
    assert save(layers(inner), tmp_path / "p", preprocess=grey)


def test_weights_that_are_no_numbers_go_into_no_file(tmp_path):
    net = layers()
    next(net.parameters()).data[0] = float("nan")
    for write in (lambda: save(net, tmp_path / "p", preprocess=grey),
                  lambda: exported(net, tmp_path / "p.onnx", grey)):
        assert "smaller learning rate" in told(write)
    assert not list(tmp_path.iterdir())


def test_a_network_that_does_not_tell_what_it_wants_to_see_is_told_for(tmp_path):
    text = told(lambda: save(layers(), tmp_path / "p"))
    assert "preprocess=Preprocess(size=..., channels=...)" in text
    text = told(lambda: save(layers(), tmp_path / "p", preprocess=Preprocess(size=9, channels=1)))
    assert "preprocess=Preprocess(size=..., channels=...)" in text
    assert save(layers(), tmp_path / "p", preprocess=Preprocess(size=8, channels=1))


# Files

ALONE = """
import json, sys
sys.modules["dljourney"] = None  # as where it is not installed
import numpy as np, torch
from pathlib import Path
from PIL import Image
folder = Path(sys.argv[1])
for file in sorted(folder.glob("*.safetensors")):
    exec(sys.argv[2])
    print(json.dumps(dict(zip(card["labels"], p.tolist()))))
assert not [name for name in sys.modules if name.startswith("dljourney.")]
"""


def test_the_lines_that_read_a_program_need_nothing_of_ours(tmp_path):
    [lines] = [cell for cell in code_cells(NBS / "09_program.ipynb") if "create_model(**" in cell]
    torch.manual_seed(0)
    nets = [pretrained("glyphnet", 5, in_chans=1),
            timm.create_model("test_resnet", num_classes=4, stem_width=12)]
    noise = np.random.default_rng(0).integers(0, 256, (70, 90, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "four.png")
    programs = [load(save(net, tmp_path / f"{i}.safetensors")) for i, net in enumerate(nets)]
    run = [sys.executable, "-I", "-c", ALONE, str(tmp_path), lines]
    done = subprocess.run(run, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert found == [pytest.approx(program(tmp_path / "four.png"), abs=1e-5)
                     for program in programs]


def test_what_timm_alone_cannot_make_is_not_said_to_be_its(tmp_path):
    changed = timm.create_model("test_resnet", num_classes=3)
    changed.fc = nn.Sequential(nn.Dropout(), nn.Linear(changed.num_features, 3))
    plain = timm.create_model("test_resnet", num_classes=3)
    for net, is_timms in ((changed, False), (layers(), False), (plain, True)):
        wants = None if hasattr(net, "pretrained_cfg") else grey
        card = load(save(net, tmp_path / "p", preprocess=wants)).card
        assert ("create_model" in card) == is_timms


def test_a_place_that_is_taken(tmp_path):
    (tmp_path / "p").write_text("mine")
    text = told(lambda: save(layers(), tmp_path / "p", preprocess=grey))
    assert "choose another name, or move that file away" in text
    assert save(layers(), tmp_path / "q", preprocess=grey)
    (tmp_path / "p").rename(tmp_path / "r")
    assert save(layers(), tmp_path / "p", preprocess=grey)


def test_weights_alone_are_taken_by_pretrained(tmp_path):
    net = timm.create_model("test_resnet", num_classes=3)
    file = tmp_path / "w.safetensors"
    safetensors.torch.save_file(net.state_dict(), file)
    text = told(lambda: load(file), ModelFileError)
    assert "dljourney.transfer.pretrained(name, weights=file)" in text
    assert torch.equal(pretrained("test_resnet", weights=file).fc.weight, net.fc.weight)


def test_a_pickle_is_converted(tmp_path):
    net = timm.create_model("test_resnet", num_classes=3)
    file = tmp_path / "w.pth"
    torch.save(net.state_dict(), file)
    text = told(lambda: pretrained("test_resnet", 3, weights=file))
    code = re.search(r"(safetensors\.torch\.save_file\(.*?'model\.safetensors'\))", text).group(1)
    code = code.replace("'model.safetensors'", repr(str(tmp_path / "model.safetensors")))
    eval(code, {"safetensors": safetensors, "torch": torch, "file": file})
    back = pretrained("test_resnet", 3, weights=tmp_path / "model.safetensors")
    assert torch.equal(back.fc.weight, net.fc.weight)
    assert "dljourney.program.save writes it, or for its weights as safetensors" in told(
        lambda: load(file))


# Weights


def test_a_name_that_timm_does_not_know():
    text = told(lambda: pretrained("resnet9"))
    near = re.search(r"for instance, (.*)", text).group(1).split(", ")
    assert pretrained(near[0], 2, weights=False).num_classes == 2


def test_without_the_network_both_ways_out_work(tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    text = told(lambda: pretrained("test_resnet", 3), HubError)
    calls = re.findall(r"pretrained\([^)]*\)", text)
    assert len(calls) == 2 and "--model glyphnet" in text and "--weights model.safetensors" in text
    net = timm.create_model("test_resnet")
    safetensors.torch.save_file(net.state_dict(), tmp_path / "model.safetensors")
    models = [eval(call, {"pretrained": pretrained}) for call in calls]
    assert [m.pretrained_cfg["architecture"] for m in models] == ["glyphnet", "test_resnet"]
    assert torch.equal(models[1].fc.weight, net.fc.weight)


def test_a_model_without_weights_on_the_hub_starts_from_random_ones():
    name = next(n for n in timm.list_models("test_*") + timm.list_models("resnet*")
                if not (timm.get_pretrained_cfg(n).hf_hub_id or timm.get_pretrained_cfg(n).file))
    text = told(lambda: pretrained(name, 2), HubError)
    assert "weights=False starts from random ones" in text
    assert pretrained(name, 2, weights=False).num_classes == 2


@pytest.mark.parametrize("change, way", [
    (lambda s: {"w": torch.zeros(3)}, {"weights": False}),
    (lambda s: {k: v for k, v in s.items() if "fc" not in k}, {"num_classes": 5}),
    (lambda s: {k: v.sum(1, True) if k == "conv1.weight" else v for k, v in s.items()},
     {"in_chans": 1}),
])  # fmt: skip
def test_a_file_that_does_not_fit(change, way, tmp_path):
    file = tmp_path / "w.safetensors"
    state = timm.create_model("resnet18", num_classes=3).state_dict()
    safetensors.torch.save_file({k: v.contiguous() for k, v in change(state).items()}, file)
    text = told(lambda: pretrained("resnet18", weights=file))
    assert all(f"{k}=" in text for k in way)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert pretrained("resnet18", **{"weights": file, **way})


# Numbers, pictures and labels


def test_another_precision():
    half = pretrained("glyphnet", 2).half()
    assert "model.float()" in (text := told(lambda: fine_tune(half, x, y))) and "bf16=True" in text
    assert fine_tune(half.float(), x, y, epochs=1, frozen_epochs=0, bf16=True).run().history
    half.layer4.half()
    assert "model.float()" in told(lambda: predict(half, x)) and predict(half.float(), x).shape == (
        4, 2)


@pytest.mark.parametrize("bad, text, way", [
    (x[0], "x[None]", lambda t: t[None]), (x[:, 0], "x[:, None]", lambda t: t[:, None]),
    ((x * 255).long(), "x.to(torch.uint8)", lambda t: t.to(torch.uint8)),
    (x * 255, "by 255", lambda t: t / 255),
])  # fmt: skip
def test_pictures_of_another_kind(bad, text, way):
    net = pretrained("glyphnet", 2)
    assert text in told(lambda: predict(net, bad)) and len(predict(net, way(bad)))


@pytest.mark.parametrize("bad, text, way", [
    (y.float(), "torch.as_tensor(y).long().flatten()", lambda t: t.long().flatten()),
    (y + 5, "y.unique(return_inverse=True)[1]", lambda t: t.unique(return_inverse=True)[1]),
])  # fmt: skip
def test_labels_of_another_kind(bad, text, way):
    net = pretrained("glyphnet", 2)
    assert text in told(lambda: fine_tune(net, x, bad))
    assert fine_tune(net, x, way(bad), epochs=0).run().history


def test_more_classes_than_the_head_has():
    text = told(lambda: fine_tune(pretrained("glyphnet", 2), x, y * 3))
    assert "pretrained(name, num_classes=...)" in text
    assert fine_tune(pretrained("glyphnet", num_classes=4), x, y * 3, epochs=0).run().history


def test_what_has_no_head():
    assert "pretrained(name, num_classes=...) makes one" in told(lambda: freeze(layers()))
    assert freeze(pretrained("glyphnet", num_classes=2))


def test_one_picture_is_no_stream():
    program = Program(layers(), list("abc"), grey)
    picture = np.zeros((8, 8), np.uint8)
    assert "program(image) takes one" in told(lambda: program.stream(picture)) and program(picture)
    text = told(lambda: program(picture.astype(float) + 200))
    assert "divide pixels of 0 to 255 by 255" in text
    assert program((picture.astype(float) + 200) / 255)
