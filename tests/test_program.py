"A saved program answers alike everywhere; a file is trusted only as far as it was checked."

import io
import json
import os
import pickle
import random
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PureWindowsPath

import numpy as np
import pytest
import safetensors.torch
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn

import dljourney
from dljourney.kit.pictures import ImageError, Preprocess
from dljourney.kit.models import (KEY, ModelFileError, build, describe, program_bytes, read_card,
                                  read_head, read_model)
from dljourney.program import Program, export_onnx, load, save

root = str(Path(dljourney.__file__).parent.parent)
grey = Preprocess(size=(8, 8), channels=1, mean=0.2, std=0.5)


def small_net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.BatchNorm1d(16),
                         nn.Dropout(0.5), nn.Linear(16, 3))


def timm_net(name="test_resnet", **kw):
    torch.manual_seed(0)
    net = timm.create_model(name, **{"num_classes": 3, **kw})
    # timm starts heads near 0: every picture alike
    nn.init.normal_(net.get_classifier().weight, std=1)
    return net


def pictures(n, size=40):
    rng = np.random.default_rng(0)
    for i in range(n):
        small = rng.integers(0, 255, (5, 5, 3), dtype=np.uint8)
        yield Image.fromarray(small).resize((size + i % 7, size), Image.Resampling.BICUBIC)


def as_bytes(im, fmt="PNG"):
    out = io.BytesIO()
    im.save(out, fmt)
    return out.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("programs")


@pytest.fixture(scope="module")
def program_file(folder):
    return save(timm_net(), folder / "net.safetensors", ["a", "b", "ç 猫"],
                scores={"accuracy": 0.5}, settings={"lr": 0.1})


# The same answers everywhere

in_a_fresh_process = """
import sys, json
sys.path.append(sys.argv.pop(1))  # where dljourney is, installed or not
from dljourney.program import load
program = load(sys.argv[1])
print(json.dumps(program(sys.argv[2:])))
"""


@pytest.mark.parametrize("kind", ["timm", "sequential"])
def test_parity_on_200_pictures_alone_in_batch_and_in_a_fresh_process(kind, tmp_path):
    net, preprocess = ((timm_net(), Preprocess.of(timm_net(), 48)) if kind == "timm"
                       else (small_net(), grey))
    labels = ["a", "b", "ç 猫"]
    program = load(save(net, tmp_path / "p.safetensors", labels, preprocess=preprocess))
    paths = []
    for i, im in enumerate(pictures(200)):
        paths.append(str(tmp_path / f"{i}.{'jpg' if i % 2 else 'png'}"))
        im.save(paths[-1])
    batch = program(paths)
    command = [sys.executable, "-I", "-c", in_a_fresh_process, root,
               str(tmp_path / "p.safetensors"), *paths]
    fresh = subprocess.run(command, cwd="/", capture_output=True, text=True, check=True)
    x = torch.cat([preprocess(preprocess.read(p)[None]) for p in paths])
    with torch.no_grad():
        direct = net.eval()(x).softmax(1)
    for path, in_batch, elsewhere, row in zip(paths, batch, json.loads(fresh.stdout), direct):
        alone = program(path)
        assert list(alone)[0] == list(in_batch)[0] == list(elsewhere)[0]
        for i, label in enumerate(labels):
            assert max(abs(alone[label] - p[label]) for p in (in_batch, elsewhere)) < 1e-5
            assert abs(alone[label] - row[i]) < 1e-5
    assert len({round(a["b"], 4) for a in batch}) > 100  # the pictures do differ


def test_every_kind_of_picture_is_taken(program_file, tmp_path):
    program = load(program_file)
    im = next(pictures(1, 200))
    data = as_bytes(im)
    (tmp_path / "x.png").write_bytes(data)
    want = program(im)
    assert list(want) == sorted(want, key=want.get, reverse=True)
    assert abs(sum(want.values()) - 1) < 1e-5
    for same in (tmp_path / "x.png", str(tmp_path / "x.png"), data, io.BytesIO(data),
                 np.asarray(im)):
        assert program(same) == pytest.approx(want, abs=1e-6)
    floats = np.asarray(im) / 255
    near = pytest.approx(want, abs=2e-2)  # tensors are resized by torch, files by Pillow
    assert program(floats) == near
    assert program(torch.tensor(floats).permute(2, 0, 1).float()) == near
    assert program(torch.tensor(np.asarray(im)).permute(2, 0, 1)) == near
    assert program(np.stack([floats, floats]))[1] == near
    assert program([im, data]) == [pytest.approx(want, abs=1e-5)] * 2 and program([]) == []
    assert program(torch.zeros(0, 3, 8, 8)) == []
    for bad in (torch.full((3, 8, 8), 2.0), torch.full((3, 8, 8), float("nan")), torch.zeros(8),
                b"junk"):
        with pytest.raises(ImageError):
            program(bad)
    with pytest.raises(ImageError, match="nowhere.jpg: no such file"):
        program([im, "nowhere.jpg"])
    with pytest.raises(TypeError, match="expected a path"):
        program(7)


def test_whole_numbers_from_0_to_255_are_bytes_whatever_their_type():
    program = Program(small_net(), ["a", "b", "c"], grey)
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8))
    want = program(pixels.astype(np.uint8))
    for kind in ("int16", "int32", "int64", "uint32", "uint64"):
        x = pixels.astype(kind)
        assert program(x) == program(x[..., None]) == pytest.approx(want, abs=1e-6), kind
    for dtype in (torch.uint8, torch.int16, torch.int32, torch.int64):
        x = torch.tensor(pixels).to(dtype)
        assert (program(x) == program(x[None]) == program(x[None, None])[0] == pytest.approx(
            want, abs=1e-6)), dtype
    deep = pixels * 257
    for same in (deep.astype(np.uint16), deep.astype(np.int32), deep, torch.tensor(deep)):
        assert program(same) == pytest.approx(want, abs=1e-6)
    dark = program(np.zeros((8, 8), np.uint8))
    assert program(pixels.astype(np.uint16)) == pytest.approx(dark, abs=0.05)  # these have 16 bits
    for bad in (pixels - 300, torch.tensor(pixels - 300)):
        with pytest.raises(ImageError, match="at least 0"):
            program(bad)
    with pytest.raises(ValueError, match="uint8 or floats"):
        grey(torch.tensor(pixels)[None, None])


def test_files_of_16_bits_stay_dark():
    from dljourney.kit.pictures import read_image

    dark = Image.fromarray(np.full((8, 8), 200, np.uint16))
    for fmt in ("PNG", "TIFF"):
        assert read_image(as_bytes(dark, fmt), 8, channels=1).max() == 1, fmt
    # by hand: Pillow 11 does not write it
    pgm = b"P5 8 8 65535\n" + np.asarray(dark).astype(">u2").tobytes()
    assert read_image(pgm, 8, channels=1).max() == 1
    assert read_image(dark, 8, channels=1).max() == 1
    assert read_image(np.asarray(dark), 8, channels=1).max() == 1
    assert read_image(np.full((8, 8), 200, np.int32), 8, channels=1).max() == 200


def test_fractions_with_transparency_are_pictures_and_a_stream_goes_on_past_those_that_are_none(
    program_file):
    program = load(program_file)
    rgba = np.random.default_rng(0).integers(0, 256, (40, 40, 4), dtype=np.uint8)
    rgba[..., 3] = 255 * (rgba[..., 3] > 100)
    want = program(rgba)
    floats = (rgba / 255).astype(np.float32)  # as matplotlib's imread gives a transparent PNG
    for same in (floats, torch.tensor(floats).permute(2, 0, 1),
                 torch.tensor(rgba).permute(2, 0, 1)):
        assert program(same) == pytest.approx(want, abs=1e-2)
    assert program(floats[..., [0, 3]]) == pytest.approx(program(rgba[..., [0, 3]]), abs=1e-2)
    assert program(floats[::-1, ::-1, :3]) == program(np.ascontiguousarray(floats[::-1, ::-1, :3]))
    assert program(floats[..., :3].astype(">f8")) == program(floats[..., :3])
    bad = [np.zeros((8, 8, 5)), torch.zeros(5, 8, 8), torch.zeros(3, 0, 8), np.zeros((0, 8)),
           np.full((8, 8, 4), 2.0)]
    results = [answer for _, answer in program.stream([rgba, *bad, floats])]
    assert [isinstance(r, ImageError) for r in results] == [False, *[True] * len(bad), False]


def test_a_stream_goes_on_past_bad_pictures(program_file):
    program = load(program_file)
    data = as_bytes(next(pictures(1)))
    results = list(program.stream(iter([data, b"", data, b"junk", data]), batch_size=2))
    assert [isinstance(r, dict) for _, r in results] == [True, False, True, False, True]
    assert all(isinstance(r, ImageError) for _, r in results[1::2])
    endless = program.stream(data for _ in iter(int, 1))
    assert isinstance(next(endless)[1], dict)


@pytest.mark.parametrize("size", [0, -1, 2.5, True, None])
def test_a_stream_with_batches_of_nothing_is_refused_at_once(size):
    with pytest.raises((ValueError, TypeError), match="batch_size: expected"):
        Program(small_net(), ["a", "b", "c"], grey).stream(iter(()), size)


def one_picture():
    "What is one picture, or is taken for several letters, bytes, lines or rows."
    im = Image.new("L", (8, 8))
    return {"text": "photo.jpg", "path": Path("photo.jpg"), "bytes": as_bytes(im),
            "bytearray": bytearray(as_bytes(im)), "PIL": im, "file": io.BytesIO(as_bytes(im)),
            "grey array": np.zeros((8, 8), np.uint8), "array": np.zeros((8, 8, 3)),
            "tensor": torch.rand(3, 32, 32), "grey tensor": torch.rand(8, 8), "nothing": None}


@pytest.mark.parametrize("kind", one_picture())
def test_one_picture_is_no_stream(kind):
    image = one_picture()[kind]
    told = (f"images: expected several pictures.*got one {type(image).__name__}.*program.image. "
            f"takes one")
    with pytest.raises(TypeError, match=told):
        Program(small_net(), ["a", "b", "c"], grey).stream(image)


def test_all_that_holds_several_pictures_is_a_stream():
    program = Program(small_net(), ["a", "b", "c"], grey)
    x = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))

    class Dataset:  # torch's protocol: no __iter__
        def __len__(self):
            return 3

        def __getitem__(self, i):
            if i < 3:
                return x[i]
            raise IndexError(i)

    want = program(x)
    for images in (x, list(x), tuple(x), iter(x), (p for p in x), Dataset(),
                   x.permute(0, 2, 3, 1).numpy()):
        assert [a for _, a in program.stream(images, 2)] == [pytest.approx(w, abs=1e-6)
                                                             for w in want]
    names = np.array(["a.png", "b.png"])
    assert [str(a) for _, a in program.stream(names)] == ["no such file"] * 2
    assert list(program.stream([])) == []


def test_probabilities_are_fit_for_further_work():
    "As the input of a layer that learns, and to be changed in place."
    program = Program(small_net(), ["a", "b", "c"], grey)
    rows = program.probabilities(torch.rand(4, 1, 8, 8))
    layer = nn.Linear(3, 2)
    layer(rows).sum().backward()
    assert layer.weight.grad is not None and not rows.requires_grad
    assert torch.allclose(rows.mul_(2).sum(1), torch.tensor(2.0))


def test_labels_from_elsewhere_cannot_command_the_terminal():
    net = small_net()
    program = Program(net, ["\x1b[2J\x1b[1;1Hdog", "b\r\nc", "猫👩‍🚀"], grey,
                      {"architecture": {"name": "\x1b[2Jnet"}})
    assert (
        repr(program)
        == "Program(\ufffd[2Jnet: 1 x 8 x 8 pixels -> \ufffd[2J\ufffd[1;1Hdog, b\ufffd\ufffdc, "
        "猫👩‍🚀)")
    assert set(program(np.zeros((8, 8)))) == set(program.labels)  # the labels themselves stay


def test_threads_share_a_program(program_file):
    program = load(program_file)
    images = list(pictures(12))
    want = [program(im) for im in images]
    with ThreadPoolExecutor(4) as pool:
        for got in pool.map(lambda _: [program(im) for im in images], range(4)):
            assert got == [pytest.approx(w, abs=1e-6) for w in want]


def test_a_program_does_not_change(program_file):
    program = load(program_file)
    before = {k: v.clone() for k, v in program.model.state_dict().items()}
    program(list(pictures(5)))
    assert all(torch.equal(v, before[k]) for k, v in program.model.state_dict().items())
    assert not any(p.requires_grad for p in program.model.parameters())
    assert not program.model.training


def test_the_card_tells(program_file):
    card = read_card(program_file)
    assert card["labels"] == ["a", "b", "ç 猫"] and card["scores"] == {"accuracy": 0.5}
    assert card["settings"] == {"lr": 0.1}
    assert card["versions"]["torch"] and card["architecture"]["name"] == "test_resnet"
    program = load(program_file)
    assert program.labels == card["labels"] and "test_resnet" in repr(program)
    assert load(program_file.parent / "net.safetensors").card == card
    (program_file.parent / "dir").mkdir(exist_ok=True)
    save(timm_net(), program_file.parent / "dir" / "program.safetensors")
    assert load(program_file.parent / "dir").labels == ["0", "1", "2"]
    with pytest.raises(FileNotFoundError, match="no program"):
        load(program_file.parent / "nothing")


def test_saving_and_loading_leave_everything_as_it_was(folder):
    net = timm_net().train()
    net.bn1.eval()
    modes = [m.training for m in net.modules()]
    before = {k: v.clone() for k, v in net.state_dict().items()}
    torch.manual_seed(1)
    state = torch.get_rng_state()
    load(save(net, folder / "calm.safetensors"))
    assert torch.equal(torch.get_rng_state(), state)
    assert [m.training for m in net.modules()] == modes
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


def test_no_path_of_this_machine_travels(tmp_path, monkeypatch):
    "Of the folder that was trained on the name is enough; what is no path stays as it is."
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "home" / "pets").mkdir(parents=True)
    told = {
        "folder": str(tmp_path / "home" / "pets"), "path": tmp_path / "home" / "pets",
        "typed": "home/pets/",
        "up": "home/../home/pets", "mine": "~/home/pets", "gone": "/home/somebody/pets",
        "list": [{"deep": str(tmp_path / "home" / "pets")}],
        "pure": PureWindowsPath(r"C:\Users\me\pets"),
        "labels": Path("pets"),
    }  # fmt: skip
    plain = {"what": "cats and/or dogs", "rate": 1e-3, "model": "a/b", "n": [1, 2], "none": None,
             "bare": "pets"}
    path = save(small_net(), tmp_path / "p.safetensors", preprocess=grey, settings=told | plain)
    kept = read_card(path)["settings"]
    assert kept == {**dict.fromkeys(told, "pets"), "list": [{"deep": "pets"}], **plain}
    assert str(tmp_path).encode() not in path.read_bytes()


# Which networks


@pytest.mark.parametrize("name, kw", [
    ("test_resnet", {"in_chans": 1}), ("test_vit", {}), ("test_vit", {"img_size": 64}),
    ("test_convnext", {}),
    ("test_efficientnet", {}), ("swin_tiny_patch4_window7_224", {"img_size": 112}),
    ("mobilenetv3_small_050", {}),
])  # fmt: skip
def test_timm_models_make_the_round_trip(name, kw, folder):
    net = timm_net(name, **kw).eval()
    preprocess = Preprocess.of(net, kw.get("img_size", 112 if name.startswith("swin") else 64
                                           if "vit" not in name else None))
    program = load(save(net, folder / "round.safetensors", preprocess=preprocess))
    x = torch.rand(2, preprocess.channels, *preprocess.size)
    with torch.no_grad():
        torch.testing.assert_close(program.model(x), net(x))


layer_lists = [
    [nn.Conv2d(1, 4, 3, padding="same", padding_mode="reflect", bias=False), nn.GroupNorm(2, 4),
     nn.GELU("tanh")],
    [nn.Conv2d(1, 4, (3, 1), (2, 1), dilation=2, padding=2), nn.BatchNorm2d(4, 0.01, affine=False),
     nn.LeakyReLU(0.3)],
    [nn.ConvTranspose2d(1, 4, 3, stride=2, output_padding=1), nn.InstanceNorm2d(4), nn.PReLU(4),
     nn.AvgPool2d(2)],
    [nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(1, 8, 3), nn.Hardtanh(-2, 3),
     nn.PixelShuffle(2)],
    [nn.Sequential(nn.ZeroPad2d(1), nn.Sequential(nn.Identity())), nn.Softplus(2),
     nn.AdaptiveAvgPool2d((3, None))],
    [nn.Flatten(), nn.Unflatten(1, (4, 4, 4)), nn.LayerNorm([4, 4, 4], bias=False), nn.MaxPool2d(2),
     nn.CELU(0.5)],
]  # fmt: skip


@pytest.mark.parametrize("layers", layer_lists, ids=lambda ls: type(ls[0]).__name__)
def test_sequentials_of_torchs_layers_make_the_round_trip(layers, folder):
    net = nn.Sequential(*layers, nn.Flatten())
    n = net.eval()(torch.rand(2, 1, 8, 8)).shape[1]
    net.append(nn.Linear(n, 3, bias=False))
    program = load(save(net, folder / "seq.safetensors", preprocess=grey))
    x = torch.rand(4, 1, 8, 8)
    with torch.no_grad():
        assert torch.equal(program.model(x), net.eval()(x))


class Own(nn.Module):
    def forward(self, x):
        return x.flatten(1)[:, :3]


def with_own_head():
    net = timm_net()
    net.fc = Own()
    return net


@pytest.mark.parametrize("make", [
    Own, lambda: nn.Sequential(Own(), nn.Linear(3, 3)), with_own_head,
    lambda: nn.Sequential(nn.Flatten(), nn.utils.parametrizations.weight_norm(nn.Linear(64, 3))),
])  # fmt: skip
def test_other_networks_are_told_the_way_out(make, folder):
    net = make()
    is_timm = hasattr(net, "pretrained_cfg")
    with pytest.raises((TypeError, ValueError), match="export_onnx"):
        save(net, folder / "no.safetensors", preprocess=None if is_timm else grey)
    assert not (folder / "no.safetensors").exists()


def test_wrong_arguments_are_named(folder):
    path = folder / "no.safetensors"
    with pytest.raises(ValueError, match="labels"):
        save(timm_net(), path, ["a", "b"])
    with pytest.raises(ValueError, match="labels"):
        save(timm_net(), path, ["a", "b", "b"])
    with pytest.raises(ValueError, match="preprocess="):
        save(small_net(), path)
    with pytest.raises(ValueError, match="Softmax"):
        save(nn.Sequential(*small_net(), nn.Softmax(1)), path, preprocess=grey)
    with pytest.raises(ValueError, match="scores"):
        save(nn.Sequential(nn.Conv2d(1, 3, 3)), path, preprocess=grey)
    for net in (nn.LSTM(8, 8), small_net().append(nn.Linear(4, 4))):
        with pytest.raises(ValueError,
                           match=r"model: asked about pictures of shape \(4, 1, 8, 8\) it fails"):
            save(net, path, preprocess=grey)
    broken = small_net()
    nn.init.constant_(broken[1].weight, float("nan"))
    with pytest.raises(ValueError, match="model: some of its weights are not finite"):
        save(broken, path, preprocess=grey)
    broken = small_net()
    broken[3].running_var.fill_(float("inf"))  # its scores are finite
    with pytest.raises(ValueError, match="model: some of its weights are not finite"):
        save(broken, path, preprocess=grey)
    assert not path.exists()


def test_a_failed_save_keeps_the_old_file(folder):
    path = save(small_net(), folder / "keep.safetensors", preprocess=grey)
    before = path.read_bytes()
    with pytest.raises(TypeError):
        save(with_own_head(), path)
    assert path.read_bytes() == before and not list(folder.glob(".keep*"))


@pytest.mark.parametrize(
    "name, data",
    {
        "cat.jpg": as_bytes(Image.new("RGB", (8, 8)), "JPEG"),
        "notes.txt": b"my notes",
        "half.safetensors": b"\x08",
        "weights.safetensors": safetensors.torch.save({"w": torch.zeros(2)}),  # another project's
    }.items(),
    ids=str,
)
def test_saving_replaces_no_file_that_is_no_program(name, data, tmp_path):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(FileExistsError, match=f"{name}.*choose another name") as told:
        save(small_net(), path, preprocess=grey)
    assert told.value.errno is None and str(told.value).startswith("path: expected")
    assert path.read_bytes() == data and os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("name", ["cat.jpg", "notes.txt", "p.safetensors", "theirs.onnx",
                                  "half.onnx"])
def test_exporting_replaces_no_file_of_another_program(name, tmp_path):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    path, program = tmp_path / name, Program(small_net(), ["a", "b", "c"], grey)
    theirs = onnx.helper.make_model(onnx.helper.make_graph([], "theirs", [],
                                                           [])).SerializeToString()
    path.write_bytes({"cat.jpg": b"\xff\xd8", "theirs.onnx": theirs,
                      "half.onnx": theirs[:9]}.get(name, b"mine"))
    if name == "p.safetensors":
        save(program.model, path.with_name("new.safetensors"), preprocess=grey).replace(path)
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match=f"{name}.*choose another name") as told:
        export_onnx(program, path)
    assert told.value.errno is None and path.read_bytes() == before
    assert os.listdir(tmp_path) == [name]


def test_saving_replaces_a_program_and_an_empty_file(tmp_path):
    path = tmp_path / "p.safetensors"
    path.write_bytes(b"")  # as tempfile.NamedTemporaryFile makes it
    for labels in (["a", "b", "c"], ["d", "e", "f"]):
        assert load(save(small_net(), path, labels, preprocess=grey)).labels == labels


# Hostile files


def file_with(head, body=b""):
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    return struct.pack("<Q", len(text)) + text + body


good_card = {"labels": ["a", "b", "c"], "preprocess": grey.asdict(),
             "architecture": describe(small_net())}
good = program_bytes(small_net(), good_card)


class Evil:
    def __reduce__(self):
        return (exec, ("raise SystemExit('a pickle ran')",))


def torch_file():
    out = io.BytesIO()
    torch.save({"a": torch.zeros(3)}, out)
    return out.getvalue()


def card_with(**changes):
    return program_bytes(small_net(), {**good_card, **changes})


def timm_card(**changes):
    return {"kind": "timm", "name": "test_resnet", "num_classes": 3, "in_chans": 3, "options": {},
            **changes}


def layers(*rows):
    return {"kind": "sequential", "layers": [{"layer": n, "options": o} for n, o in rows]}


F32 = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
hostile = {
    "empty": b"",
    "short": b"\x01\x02",
    "text": b"hello, this is not a model at all, whatever it is called",
    "pickle": pickle.dumps(Evil()) + b" " * 100,
    "torch.save": torch_file(),
    "head longer than the file": struct.pack("<Q", 10**6) + b"{}",
    "head of 2**63 bytes": struct.pack("<Q", 2**63) + b"{}" * 100,
    "not json": file_with(b"{'a'"),
    "not an object": file_with([1, 2]),
    "deep json": file_with(b"[" * 100_000),
    "a name twice": file_with(b'{"a": {"dtype":"F32","shape":[1],"data_offsets":[0,4]}, "a": 3}',
                              b"1234"),
    "no card": file_with({"a": F32}, b"1234"),
    "metadata of numbers": file_with({"__metadata__": {"a": 3}, "a": F32}, b"1234"),
    "terabytes": file_with({"a": {"dtype": "F32", "shape": [2**20, 2**20],
                                  "data_offsets": [0, 2**42]}}, b"1234"),
    "negative shape": file_with({"a": {"dtype": "F32", "shape": [-1, -1], "data_offsets": [0, 4]}},
                                b"1234"),
    "float shape": file_with({"a": {"dtype": "F32", "shape": [1.0], "data_offsets": [0, 4]}},
                             b"1234"),
    "true shape": file_with({"a": {"dtype": "F32", "shape": [True], "data_offsets": [0, 4]}},
                            b"1234"),
    "odd dtype": file_with({"a": {"dtype": "PICKLE", "shape": [1], "data_offsets": [0, 4]}},
                           b"1234"),
    "overlap": file_with({"a": F32, "b": F32}, b"1234"),
    "gap": file_with({"a": {**F32, "data_offsets": [4, 8]}}, b"12345678"),
    "cut off": good[:-5],
    "longer": good + b"1",
    "future format": file_with(
        {"__metadata__": {KEY: json.dumps({"card": {"format": 99}, "sha256": ""})}}),
    "card of nonsense": file_with({"__metadata__": {KEY: "]["}}),
    "card without architecture": file_with(
        {"__metadata__": {KEY: json.dumps({"card": {"format": 1}, "sha256": ""})}}),
    "unknown kind": card_with(architecture={"kind": "pickle"}),
    "os.system as a layer": card_with(architecture=layers(("os.system", {"cmd": "true"}))),
    "a loss as a layer": card_with(architecture=layers(("Module", {}))),
    "a hub model": card_with(architecture=timm_card(name="hf-hub:somebody/something")),
    "a checkpoint path": card_with(
        architecture=timm_card(options={"checkpoint_path": "/etc/passwd"})),
    "pretrained": card_with(architecture=timm_card(options={"pretrained": True})),
    "a giant by name": card_with(architecture=timm_card(name="vit_giant_patch14_224")),
    "a billion classes": card_with(architecture=timm_card(num_classes=10**9)),
    "a giant layer": card_with(
        architecture=layers(("Linear", {"in_features": 10**6, "out_features": 10**6}))),
    "absurd numbers": card_with(
        architecture=layers(("Linear", {"in_features": 10**30, "out_features": 3}))),
    "wrong option": card_with(architecture=layers(("ReLU", {"nonsense": 3}))),
    "too few labels": card_with(labels=["a", "b"]),
    "labels twice": card_with(labels=["a", "b", "b"]),
    "labels of another kind": card_with(labels=3),
    "no labels": {**good_card} and program_bytes(small_net(),
                                          {k: v for k, v in good_card.items() if k != "labels"}),
    "absurd picture": card_with(preprocess={**grey.asdict(), "size": [10**6, 10**6]}),
    "unknown preprocessing": card_with(preprocess={**grey.asdict(), "run": "rm"}),
}


@pytest.mark.parametrize("name", hostile)
def test_hostile_files_are_refused_with_a_clear_error(name, tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(hostile[name])
    with pytest.raises(ModelFileError) as error:
        load(path)
    assert "x.safetensors" in str(error.value)
    if name in ("pickle", "torch.save"):
        assert "pickle" in str(error.value)


def test_a_layer_without_weights_cannot_take_all_memory(tmp_path):
    net = nn.Sequential(nn.Upsample(scale_factor=2), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                        nn.Linear(1, 3))
    architecture = describe(net)
    architecture["layers"][0]["options"]["scale_factor"] = 100_000
    path = tmp_path / "x.safetensors"
    path.write_bytes(program_bytes(net, {**good_card, "architecture": architecture}))
    with pytest.raises(ModelFileError, match="Upsample would need"):
        load(path)


def test_the_giants_are_refused_before_memory_is_taken(tmp_path):
    code = """
import resource, sys
from dljourney.program import load
import timm
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[1:]:
    try: load(path)
    except ValueError: pass
    else: raise SystemExit("not refused")
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
    paths = []
    for name in ("terabytes", "a giant by name", "a giant layer", "a billion classes",
                 "absurd picture"):
        paths.append(tmp_path / name)
        paths[-1].write_bytes(hostile[name])
    done = subprocess.run([sys.executable, "-c", code, *map(str, paths)], capture_output=True,
                          text=True, check=True)
    assert float(done.stdout) < 200  # MB; the giant alone would take 4,000


@settings(max_examples=300)
@given(st.integers(0, len(good) * 8 - 1))
def test_any_flipped_bit_is_noticed(bit):
    import tempfile

    data = bytearray(good)
    data[bit // 8] ^= 1 << bit % 8
    with tempfile.NamedTemporaryFile(suffix=".safetensors") as file:
        file.write(data)
        file.flush()
        with pytest.raises(ModelFileError):
            load(file.name)


@settings(max_examples=200)
@given(st.integers(0, 2**32))
def test_any_cut_or_scramble_is_noticed(seed):
    import tempfile

    rng, data = random.Random(seed), bytearray(good)
    i, n = rng.randrange(len(data)), rng.randint(1, 200)
    data[i : i + n] = b"" if seed % 2 else bytes(rng.randrange(256) for _ in range(n))
    if bytes(data) == good:
        return
    with tempfile.NamedTemporaryFile(suffix=".safetensors") as file:
        file.write(data)
        file.flush()
        with pytest.raises(ModelFileError):
            load(file.name)


def test_other_safetensors_are_told_apart(tmp_path):
    safetensors.torch.save_file({"a": torch.zeros(3)}, tmp_path / "w.safetensors")
    with pytest.raises(ModelFileError, match="without a card"):
        load(tmp_path / "w.safetensors")
    metadata, tensors = read_head(tmp_path / "w.safetensors")
    assert metadata == {} and tensors == {"a": ("F32", (3,))}


def test_half_precision_is_loaded_as_float32(tmp_path):
    net = small_net().half()
    path = tmp_path / "half.safetensors"
    path.write_bytes(program_bytes(net, good_card))
    model, _ = read_model(path)
    assert all(p.dtype == torch.float32 for p in model.parameters())
    torch.testing.assert_close(model(torch.rand(2, 1, 8, 8)).shape, torch.Size((2, 3)))


def test_the_same_model_gives_the_same_bytes():
    assert program_bytes(small_net(), good_card) == good


def test_describe_and_build_need_no_weights():
    assert repr(build(json.loads(json.dumps(describe(small_net()))))) == repr(small_net())


@pytest.mark.parametrize("fails", [True, False])
def test_an_exporter_that_is_too_young_is_told_and_leaves_no_file(fails, tmp_path, monkeypatch):
    "It failed, or it fixed the number of pictures: both were seen with torch 2.6."
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    images = onnx.helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, [2, 1, 8, 8])
    model = onnx.helper.make_model(onnx.helper.make_graph([], "net", [images], []))

    def export(*given, **options):
        if fails:
            raise KeyError("lost")
        return type("Exported", (), {"model_proto": model})

    monkeypatch.setattr(torch.onnx, "export", export)
    told = "newer packages may, pip install -U torch.*" + ("lost" if fails else "fixed")
    with pytest.raises(RuntimeError, match=told):
        export_onnx(Program(small_net(), ["a", "b", "c"], grey), tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())


def test_programs_can_be_made_without_a_file():
    program = Program(small_net(), ["a", "b", "c"], grey)
    assert set(program(np.zeros((8, 8)))) == {"a", "b", "c"}


def test_the_model_a_program_was_made_of_goes_on_learning_and_the_program_stays():
    model = small_net().train()
    program = Program(model, ["a", "b", "c"], grey)
    assert model.training and all(p.requires_grad for p in model.parameters())
    x = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    want = program(x)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    assert program(x) == want
    # BatchNorm's numbers too
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    nn.functional.cross_entropy(model(x), torch.tensor([0, 1, 2, 0])).backward()
    torch.optim.SGD(model.parameters(), 1.0).step()
    assert not torch.equal(model[1].weight, before["1.weight"]) and program(x) == want


# ONNX


def exported(net, path, wants=None, labels=None):
    "An ONNX file of a network; torch 2.6's exporter is too young for some, today's for none."
    pytest.importorskip("onnxscript")
    try:
        return export_onnx(net, path, labels, preprocess=wants)
    except RuntimeError as e:
        if tuple(map(int, torch.__version__.split(".")[:2])) >= (2, 15):
            raise
        assert "pip install -U torch" in str(e) and not path.exists()
        pytest.skip("torch's exporter is too young")


@pytest.mark.parametrize("kind", ["program", "own"])
@pytest.mark.filterwarnings("ignore")
def test_onnx_gives_the_same_probabilities(kind, tmp_path):
    ort = pytest.importorskip("onnxruntime")
    if kind == "program":
        program = Program(timm_net(), ["a", "b", "c"], Preprocess.of(timm_net(), 32))
        path = exported(program, tmp_path / "net.onnx")
    else:
        program = Program(nn.Sequential(nn.AvgPool2d(4), Own()), ["a", "b", "c"], grey)
        for _ in range(2):  # the second replaces the first
            path = exported(program.model, tmp_path / "net.onnx", grey, ["a", "b", "c"])
    for place in (root, sys.prefix, "Own", ".py"):
        assert place.encode() not in path.read_bytes(), "it names files of this machine"
    session = ort.InferenceSession(str(path))
    assert session.get_modelmeta().custom_metadata_map["labels"] == "a\nb\nc"
    with pytest.raises(Exception, match="invalid dimensions"):  # no resizing inside
        session.run(None, {"images": np.zeros((1, program.preprocess.channels, 9, 9), np.float32)})
    for n in (1, 7):
        x = torch.rand(n, program.preprocess.channels, *program.preprocess.size)
        (got,) = session.run(None, {"images": x.numpy()})
        torch.testing.assert_close(torch.from_numpy(got),
                                   program.probabilities(program.preprocess(x)), atol=1e-5,
                                   rtol=1e-4)
