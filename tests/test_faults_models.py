"""Damaged and hostile model files: refused by name, with what to do, before anything runs.

A model file and a training file carry one SHA-256 over their text and every tensor, glyphnet's card
one over its file: damage by accident is found wherever it sits. A checksum is no signature: whoever
means harm seals what he wrote. So the hostile files here are sealed rightly, and what refuses them
are the checks of head, card, architecture and numbers.
"""

import base64
import copy
import gzip
import io
import json
import os
import pickle
import random
import struct
import time
import zlib

import numpy as np
import pytest
import safetensors.torch
import timm
import torch
from faults import cases, damaged, in_a_child, lengths
from test_faults_interrupts import tuning
from test_program import file_with, layers
from torch import nn

from dljourney.kit.models import (KEY, ModelFileError, checksum, describe, glyphnet, program_bytes,
                                  read_card, read_model)
from dljourney.kit.pictures import Preprocess
from dljourney.optimisers import Adam
from dljourney.program import load
from dljourney.sgd import batches, train
from dljourney.transfer import pretrained

# memory and processor time to refuse one file; the slowest takes a second here
MOST_MB, MOST_SECONDS = (250, 4.0)
TOGETHER = 50  # files that one process looks at
LABELS = ["cat", "dog", "ç 猫"]


def small_net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(),
                         nn.Dropout(0.2), nn.Linear(256, 3))


def card_of(net, preprocess):
    told = {"scores": {"accuracy": 0.5}, "settings": {"lr": 1e-05}, "versions": {"torch": "2.6.0"}}
    return {"format": 1, "labels": LABELS, "preprocess": preprocess.asdict(),
            "architecture": describe(net, 1), **told}


def sealed(card, tensors):
    "A model file of any card and tensors, with the checksum that belongs to them."
    text = json.dumps(card, ensure_ascii=False, sort_keys=True)
    whole = {"card": card, "sha256": checksum(text, tensors)}
    return safetensors.torch.save(tensors,
                                  {KEY: json.dumps(whole, ensure_ascii=False, sort_keys=True)})


nets = {"layers": small_net(), "timm": timm.create_model("test_resnet", num_classes=3, in_chans=1)}
cards = {kind: card_of(net, Preprocess(size=(8, 8), channels=1)) for kind, net in nets.items()}
weights = {kind: {k: v.contiguous() for k, v in net.state_dict().items()}
           for kind, net in nets.items()}
good = {kind: program_bytes(nets[kind], cards[kind]) for kind in nets}
# where the numbers begin
n_head = {kind: 8 + int.from_bytes(data[:8], "little") for kind, data in good.items()}


def complaints(name, path, load_it):
    "What is wrong with the answer of `load_it(path)`, or with its time; then the file goes."
    began = time.process_time()
    try:
        answer = load_it(path)
    except Exception as e:
        answer = f"{type(e).__name__}: {e}"
    seconds = time.process_time() - began
    path.unlink()
    return [f"{name} ({seconds:.1f} s): {answer}"[:500]] if answer or seconds > MOST_SECONDS else []


def looked_at(files, folder):
    """Load each file: what is wrong with the answers, as texts; [] where each was refused rightly.

    A file whose damage changes nothing (1e-05 became 1E-05) may load, as the same model.
    """

    def load_it(path):
        try:
            program = load(path)
        except ModelFileError as e:
            text = str(e)
            is_clear = (text.startswith(f"{path}: ") and text.endswith(f"; {e.todo}")
                        and len(e.todo) > 10)
            is_clear = is_clear and text.isprintable() and len(text) < len(str(path)) + 600
            return None if is_clear else f"it says {text!r}"
        kind = "timm" if program.card["architecture"]["kind"] == "timm" else "layers"
        got = program.model.state_dict()
        is_same = program.card == cards[kind] and all(torch.equal(got[k], v)
                                                      for k, v in weights[kind].items())
        return None if is_same else "it was loaded"

    wrong = []
    for name, data in files:
        path = folder / f"{name}.safetensors"
        path.write_bytes(data)
        wrong += complaints(name, path, load_it)
    return wrong


def refused(files, folder, most_mb=MOST_MB):
    wrong, grown = in_a_child(lambda: looked_at(files, folder))
    assert wrong == [] and grown < most_mb, f"{wrong} {grown:.0f} MB"


def test_the_good_files_are_good(tmp_path):
    for kind, data in good.items():
        (tmp_path / kind).write_bytes(data)
        program = load(tmp_path / kind)
        assert program.labels == LABELS and sealed(cards[kind], weights[kind]) == data
    wrong = looked_at([("other", sealed(cards["layers"] | {"settings": {}}, weights["layers"]))],
                      tmp_path)
    assert "it was loaded" in wrong[0], "the check can fail"


# Accidents: cut, flipped, overwritten


@pytest.mark.parametrize("kind", good)
def test_cut_at_every_kind_of_place(kind, tmp_path):
    data, head = good[kind], n_head[kind]
    inside = json.loads(data[8:head])
    ends = sorted(head + e["data_offsets"][1] for name, e in inside.items()
                  if name != "__metadata__")
    places = {0, 1, 7, 8, 9, 20, head // 2, head - 1, head, head + 1, len(data) - 1, *ends[:-1],
              *(e - 2 for e in ends)}
    refused([(f"cut at {i}", data[:i]) for i in sorted(places)], tmp_path)


@pytest.mark.parametrize("kind", good)
def test_a_bit_flipped_at_every_kind_of_place(kind, tmp_path):
    data, head = good[kind], n_head[kind]
    rng = random.Random(0)
    words = ("__metadata__", KEY, "sha256", "architecture", "labels", "猫", "F32")
    inside = [data.index(word.encode())
              for word in words] + [rng.randrange(head, len(data)) for _ in range(12)]
    flipped = []
    for i in [*range(9), *inside, head - 1, head, len(data) - 1]:
        changed = bytearray(data)
        changed[i] ^= 1 << rng.randrange(8)
        flipped.append((f"bit of byte {i}", bytes(changed)))
    refused(flipped, tmp_path)


@lengths
def test_thousands_of_accidents(length, tmp_path):
    for seed in cases(length, 2500 // TOGETHER, share=0.02):
        rng, files = random.Random(seed), []
        for i in range(TOGETHER):
            data = good[rng.choice(sorted(good))]
            for _ in range(rng.choice([1, 1, 2, 5])):
                data = damaged(data, rng)
            if data not in good.values():
                files.append((f"seed {seed} file {i}", data))
        refused(files, tmp_path)


# Pickles: nothing in them runs, whatever they are called, whoever reads them


class Evil:
    "A pickle of this makes a file when it is opened."

    def __init__(self, mark):
        self.mark = str(mark)

    def __reduce__(self):
        return (open, (self.mark, "w"))


def torch_file(thing, new):
    out = io.BytesIO()
    torch.save(thing, out, _use_new_zipfile_serialization=new)
    return out.getvalue()


def npz(thing):
    out = io.BytesIO()
    np.savez(out, a=np.array([thing], dtype=object))
    return out.getvalue()


def pickles(mark):
    evil = Evil(mark)
    found = {f"protocol {n}": pickle.dumps(evil, protocol=n) for n in range(6)}
    found |= {"torch": torch_file(evil, True), "old torch": torch_file(evil, False),
              "npz": npz(evil)}
    # as a length these bytes are small
    after_a_string = b"U\x40\0\0\0\0\0\0" + b" " * 58 + found["protocol 0"]
    found |= {"zipped": gzip.compress(found["protocol 2"]), "after a string": after_a_string}
    return found | {"in front": found["protocol 4"] + good["layers"],
                    "behind": good["layers"] + found["torch"]}


def readers(path):
    "Everything that reads a model file, as calls."
    yield lambda: load(path)
    yield lambda: read_card(path)
    yield lambda: read_model(path)
    yield lambda: pretrained("test_resnet", 3, weights=path)
    yield lambda: training().resume(path)
    yield lambda: glyphnet.check_weights(path)
    yield lambda: glyphnet.labels(path)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".bin", ".pkl", ".pt", ".npz", ""])
def test_a_pickle_in_disguise_never_runs(suffix, tmp_path):
    mark = tmp_path / "it ran"
    for name, data in pickles(mark).items():
        path = tmp_path / f"{name}{suffix}"
        path.write_bytes(data)
        for read in readers(path):
            with pytest.raises(ValueError) as error:
                read()
            assert path.stem in str(error.value) or isinstance(error.value, ModelFileError)
        assert not mark.exists(), name
        if name.startswith(("torch", "protocol 5")):
            with pytest.raises(ModelFileError,
                               match="looks like a pickle.*was not opened; ask for"):
                load(path)


def test_the_pickles_would_run(tmp_path):
    mark = tmp_path / "it ran"
    pickle.loads(pickles(mark)["protocol 0"])
    assert mark.exists()


# Heads that lie


def entry(shape=(1,), start=0, end=4, dtype="F32", **more):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end], **more}


def head_with(**entries):
    return file_with(entries, b"1234")


BIG = 8 * 2**20  # bytes of a head that is still looked at
heads = {
    "a length of 2**64": lambda: b"\xff" * 8 + good["layers"][8:],
    "a length of 2**63": lambda: struct.pack("<Q", 2**63) + b"{}" * 1000,
    "a length of a terabyte": lambda: struct.pack("<Q", 2**40) + b"{}" * 1000,
    "a length just too long": lambda: struct.pack("<Q", 3) + b"{}",
    "a head of 9 MB": lambda: file_with(b'{"a":"' + b"x" * 9 * 2**20 + b'"}'),
    "nothing but brackets": lambda: file_with(b'{"a":[' + b"[]," * (BIG // 3 - 4) + b"1]}"),
    "nothing but braces": lambda: file_with(b'{"a":[' + b"{}," * (BIG // 3 - 4) + b"1]}"),
    "nothing but short words": lambda: file_with(b'{"a":[' + b'"ab",' * (BIG // 5 - 4) + b"1]}"),
    "nothing but numbers": lambda: file_with(b'{"a":[' + b"0.5," * (BIG // 4 - 4) + b"1]}"),
    "brackets in the card": lambda: file_with(
        {"__metadata__": {KEY: "[" + "[]," * (BIG // 3 - 20) + "1]"}}),
    "nothing but names": lambda: file_with(b"{" + b",".join(b'"%d":0' % i for i in range(600_000))
                                           + b"}"),
    "boxes in boxes": lambda: file_with(b"[" * (BIG - 2)),
    "boxes in boxes that end": lambda: file_with(b'{"a":' * 3000 + b"1" + b"}" * 3000),
    "a number of 5,000 digits": lambda: file_with(b'{"a":' + b"1" * 5000 + b"}"),
    "a number beyond all": lambda: file_with(b'{"a":1e999}'),
    "no utf-8": lambda: file_with(b'{"__metadata__": {"dljourney.model": "\xff\xfe"}}'),
    "utf-16": lambda: file_with('{"a": 1}'.encode("utf-16")),
    "half a character": lambda: file_with({"__metadata__": {KEY: "\ud800"}}),
    "an escaped half": lambda: file_with(b'{"__metadata__": {"dljourney.model": "\\ud800"}}'),
    "a name of control characters": lambda: head_with(**{"\x1b[31m\n\r\x07": entry(),
                                                         "__metadata__": {KEY: "{}"}}),
    "metadata that is a list": lambda: file_with({"__metadata__": [1, 2], "a": entry()}, b"1234"),
    "terabytes": lambda: head_with(a=entry((2**20, 2**20), 0, 2**42)),
    "more than 64 bits": lambda: head_with(a=entry((2**32, 2**32), 0, 2**66)),
    "sizes that wrap around": lambda: head_with(a=entry((2**32, 2**30), 0, 0)),
    "a size of 4,000 digits": lambda: head_with(a=entry((10**4000,), 0, 4 * 10**4000)),
    "nothing, 4,000 digits wide": lambda: head_with(a=entry((0, 10**4000), 0, 0), b=entry()),
    "a negative size": lambda: head_with(a=entry((-1, -1))),
    "a negative place": lambda: head_with(a=entry((1,), -4, 0), b=entry()),
    "from back to front": lambda: head_with(a=entry((1,), 4, 0)),
    "one over the other": lambda: file_with({"a": entry((2,), 0, 8), "b": entry((2,), 4, 12)},
                                            b"1" * 12),
    "the same place": lambda: head_with(a=entry(), b=entry()),
    "a hole": lambda: file_with({"a": entry(), "b": entry((1,), 8, 12)}, b"1" * 12),
    "an infinite size": lambda: file_with(
        b'{"a":{"dtype":"F32","shape":[Infinity],"data_offsets":[0,4]}}', b"1234"),
    "no size": lambda: file_with(b'{"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,4]}}',
                                 b"1234"),
    "a shape of texts": lambda: head_with(a=entry(("1",))),
    "a shape that is an object": lambda: file_with({"a": {**entry(), "shape": {}}}, b"1234"),
    "a dtype that is a list": lambda: head_with(a=entry(dtype=["F32"])),
    "a dtype that is code": lambda: head_with(a=entry(dtype="__import__('os')")),
    "three places": lambda: file_with({"a": {**entry(), "data_offsets": [0, 2, 4]}}, b"1234"),
    "an entry that is a text": lambda: file_with({"a": "F32"}, b"1234"),
    "nine dimensions": lambda: head_with(a=entry((1,) * 9)),
    "100,000 tensors of nothing": lambda: file_with({str(i): entry((0,), 0, 0)
                                                     for i in range(100_000)}),
}


@pytest.mark.parametrize("name", heads)
def test_a_head_that_lies(name, tmp_path):
    refused([(name, heads[name]())], tmp_path)


def test_a_terabyte_that_is_not_there(tmp_path):
    "A file with a hole: its size is a terabyte, on the disk it takes nothing."
    for name, data in (("zeros", b""), ("head", good["layers"])):
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(data)
        os.truncate(path, 2**40)

        def read(path=path):
            with pytest.raises(ModelFileError):
                load(path)
            with pytest.raises(ValueError):
                pretrained("test_resnet", weights=path)
            return time.process_time()

        assert in_a_child(read)[1] < 50


# Cards and architectures that lie, under a checksum that fits


def card_with(kind="layers", **changes):
    return sealed({**cards[kind], **changes}, weights[kind])


def boxed(depth):
    inner = {"layer": "ReLU", "options": {}}
    for _ in range(depth):
        inner = {"layer": "Sequential", "layers": [inner]}
    return {"kind": "sequential", "layers": [inner]}


def timm_with(**changes):
    return card_with("timm", architecture={**cards["timm"]["architecture"], **changes})


def deep(n):
    "A list in a list in a list ..., as text: Python's own writer refuses it."
    return "[" * n + "]" * n


def card_text(text):
    "A file whose card is this text, with `CARD` where the good card would stand."
    return safetensors.torch.save(weights["layers"],
                                  {KEY: text.replace("CARD", json.dumps(cards["layers"])[1:-1])})


def tensors_with(kind="layers", **changes):
    "A file with some tensors changed; None takes one away."
    tensors = {k: v for k, v in {**weights[kind], **changes}.items() if v is not None}
    return sealed(cards[kind], tensors)


def one_layer(name="Linear", **options):
    return card_with(architecture=layers((name, options)))


def prepared(**changes):
    return card_with(preprocess={**cards["layers"]["preprocess"], **changes})


GIANT = {"in_features": 10**5, "out_features": 10**5}
lies = {
    "format 2": lambda: card_with(format=2),
    "format 10**4000": lambda: card_with(format=10**4000),
    "format true": lambda: card_with(format=None),
    "a deep format": lambda: card_text(
        f'{{"card": {{CARD, "format": {deep(900)}}}, "sha256": ""}}'),
    "a deeper format": lambda: card_text(
        f'{{"card": {{CARD, "format": {deep(90_000)}}}, "sha256": ""}}'),
    "a card of NaN": lambda: card_text('{"card": {CARD, "scores": NaN}, "sha256": ""}'),
    "no card": lambda: card_text("null"),
    "a card that is a list": lambda: card_text('{"card": [], "sha256": ""}'),
    "a card that is cut": lambda: card_text('{"card": {CARD'),
    "a checksum of nothing": lambda: card_text('{"card": {CARD}, "sha256": null}'),
    "no architecture": lambda: card_with(architecture=None),
    "an architecture of no kind": lambda: card_with(architecture={}),
    "a kind that is a list": lambda: card_with(architecture={"kind": ["timm"]}),
    "a giant layer": lambda: one_layer(**GIANT),
    "a giant layer on the cpu": lambda: one_layer(in_features=10**4, out_features=10**4,
                                                  device="cpu"),
    "a giant layer of another dtype": lambda: one_layer(**GIANT, dtype="float64"),
    "a layer of 2**62": lambda: one_layer(in_features=2**31, out_features=2**31),
    "a layer of 10**400": lambda: one_layer(in_features=10**400, out_features=3),
    "half a layer": lambda: one_layer(in_features=2.5, out_features=3),
    "100,000 layers": lambda: card_with(architecture=layers(*[("ReLU", {})] * 100_000)),
    "40 boxes": lambda: card_with(architecture=boxed(40)),
    "200 boxes": lambda: card_with(architecture=boxed(200)),
    "layers that are a number": lambda: card_with(architecture={"kind": "sequential", "layers": 3}),
    "a layer that is a text": lambda: card_with(
        architecture={"kind": "sequential", "layers": ["ReLU"]}),
    "an unknown layer": lambda: one_layer("LSTM"),
    "a layer called __class__": lambda: one_layer("__class__"),
    "a giant by name": lambda: timm_with(name="vit_giant_patch14_224"),
    "an enormous one": lambda: timm_with(name="eva02_enormous_patch14_clip_224"),
    "a giant picture": lambda: timm_with(name="vit_giant_patch14_224", options={"img_size": 4096}),
    "a name that leads away": lambda: timm_with(name="../../etc/passwd"),
    "a hub's name": lambda: timm_with(name="hf_hub:someone/something"),
    "a local folder": lambda: timm_with(name="local-dir:/tmp"),
    "an unknown name": lambda: timm_with(name="resnet9000"),
    "an option of timm's": lambda: timm_with(options={"checkpoint_path": "x.pth"}),
    "an option that is absurd": lambda: timm_with(options={"stem_width": 10**9}),
    "an option of another kind": lambda: timm_with(options={"act_layer": {"a": 1}}),
    "a layer by path": lambda: timm_with(options={"norm_layer": "os.system"}),
    "a million classes": lambda: timm_with(num_classes=10**6),
    "no classes": lambda: timm_with(num_classes=0),
    "minus three channels": lambda: timm_with(in_chans=-3),
    "too few labels": lambda: card_with(labels=LABELS[:2]),
    "labels that are a text": lambda: card_with(labels="abc"),
    "deep labels": lambda: card_with(labels=json.loads(deep(300))),
    "a giant's picture": lambda: prepared(size=[8192, 8192], channels=3),
    "a picture of 10**400": lambda: prepared(mean=[10**400]),
    "preprocessing that is a list": lambda: card_with(preprocess=[8, 8]),
    "a tensor is missing": lambda: tensors_with(**{"5.bias": None}),
    "all tensors are missing": lambda: sealed(cards["layers"], {}),
    "a tensor too many": lambda: tensors_with(more=torch.zeros(3)),
    "a tensor too many, called badly": lambda: tensors_with(**{"\x1b]0;\n" * 50: torch.zeros(3)}),
    "another shape": lambda: tensors_with(**{"5.weight": torch.zeros(256, 3)}),
    "fewer dimensions": lambda: tensors_with(**{"5.weight": torch.zeros(768)}),
    "whole numbers": lambda: tensors_with(**{"5.weight": torch.ones(3, 256, dtype=torch.int32)}),
    "truths": lambda: tensors_with(**{"5.weight": torch.ones(3, 256, dtype=torch.bool)}),
    "a count in fractions": lambda: tensors_with(**{"1.num_batches_tracked": torch.tensor(0.5)}),
    "NaN": lambda: tensors_with(**{"5.bias": torch.tensor([0, float("nan"), 0])}),
    "infinity": lambda: tensors_with(**{"1.running_var": torch.tensor([1, float("inf"), 1, 1])}),
    "too large for 32 bits": lambda: tensors_with(
        **{"5.bias": torch.full((3,), 1e300, dtype=torch.float64)}),
    "another network's tensors": lambda: sealed(cards["timm"], weights["layers"]),
}


@pytest.mark.parametrize("name", lies)
def test_a_card_that_lies(name, tmp_path):
    refused([(name, lies[name]())], tmp_path)


def test_a_network_that_counts_while_it_is_built_takes_no_memory_either(tmp_path, monkeypatch):
    "As timm 1.0.22 does with a RegNet: on the meta device there are no numbers to look at."
    (tmp_path / "x.safetensors").write_bytes(good["timm"])
    giant = timm_with(name="vit_giant_patch14_224")
    plain = timm.create_model

    def counting(*args, **options):
        assert torch.linspace(0, 1, 3)[1].item() == 0.5
        return plain(*args, **options)

    monkeypatch.setattr(timm, "create_model", counting)
    with pytest.raises((RuntimeError, NotImplementedError)), torch.device("meta"):
        counting("test_resnet")
    assert load(tmp_path / "x.safetensors").labels == LABELS
    refused([("a giant that counts", giant)], tmp_path)


def places(thing, so_far=()):
    "Every place in nested dicts and lists, as a path of keys."
    for key, value in (thing.items() if isinstance(thing, dict) else enumerate(thing)
                       if isinstance(thing, list) else ()):
        yield (*so_far, key)
        yield from places(value, (*so_far, key))


odd = [None, True, 0, -1, 1, 2, 7, 2**31, 2**31 + 1, 2**63, 10**400, 0.5, -0.5, 1e308, [], [1],
       [-1, 2], [0] * 17, [[1]], {}, {"layer": "ReLU"}, "", "x" * 1000, "\x1b\n", "cpu", "same",
       "reflect", "ReLU", "Upsample", "test_vit"]


def lied(rng):
    "A card with some of its values replaced, taken away or doubled, under a checksum that fits."
    kind = rng.choice(sorted(cards))
    card = copy.deepcopy(cards[kind])
    for _ in range(rng.choice([1, 1, 2, 4])):
        *way, last = rng.choice([p for p in places(card)
                                 if p[0] in ("architecture", "preprocess", "labels")])
        inner = card
        for key in way:
            inner = inner[key]
        what = rng.choice(["replace", "replace", "replace", "remove", "add"])
        if what == "replace":
            inner[last] = copy.deepcopy(rng.choice(odd))
        elif what == "remove":
            del inner[last]
        elif isinstance(inner, list):
            inner.insert(rng.randrange(len(inner) + 1), copy.deepcopy(rng.choice([*odd, *inner])))
        else:
            name = rng.choice(["img_size", "device", "dtype", "layers", "options", "inplace", "x"])
            inner[name] = copy.deepcopy(rng.choice(odd))
    return card, weights[kind]


def lies_told(files, folder):
    "As `looked_at`; but a lie that comes to the same network is none, so a file may load."
    n_loaded = 0

    def load_it(path):
        nonlocal n_loaded
        try:
            n_loaded += bool(load(path))
        except ModelFileError as e:
            return (None if str(e).startswith(f"{path}: ") and str(e).isprintable()
                    else f"it says {e!r}")

    wrong = []
    for name, (card, tensors) in files:
        path = folder / f"{name}.safetensors"
        path.write_bytes(sealed(card, tensors))
        wrong += complaints(name, path, load_it)
    return wrong, n_loaded


@lengths
def test_thousands_of_lies(length, tmp_path):
    told, loaded = 0, 0
    for seed in cases(length, 2500 // TOGETHER, share=0.02):
        rng = random.Random(seed)
        files = [(f"seed {seed} file {i}", lied(rng)) for i in range(TOGETHER)]
        (wrong, n_loaded), grown = in_a_child(lambda files=files: lies_told(files, tmp_path))
        assert wrong == [] and grown < MOST_MB, f"{wrong} {grown:.0f} MB"
        told, loaded = told + TOGETHER, loaded + n_loaded
    assert loaded < 0.4 * told, f"{loaded} of {told} were loaded"


# Files from before are still read


# Sequential(Flatten(), Linear(4, 2)) with weights 1 2 3 4, 1 2 3 4 and biases 1 0,
# saved by the first version
OLD_MODEL = """
eNp9U9uOm0AMjdQfieaZIu5k89J92qf+AYmQGTzLtDBDB6erNELaT+9ciJRtqyIQ43NsH9uY5NPOXzfWthMS9EDQtux4Y/34
TV+Mwms86R5HdmS3E+Ng+hM77u0RDB8kIaeLwQ36LpVnT2zBHxdUJGE8scjaI1zRLI5rbpsVHF9GIEIVvPRMUqtly4aqb3s5
Oetz6uiFwNAdStc12n/M9VUqBPOvVJ0EfyRzQcdK1QoEV7mHCx9xoQ9gtq7n1RFCmwnIa4ZWOhxDKyemdJC7upizO80GZ6M5
LndtPoBSW4RPICSFernRcwiXitDM2s7CFh3ITo4P7UwIHm+SOPEyi/zlp95k0T4LCPnZN6n18HUvXG+t3IKNRFK9PiA/7Td5
mNIsx1G/Bfk0j61UEJ+vNNzLyuM0jeuAk5ymzds65+mGarsYAc7itHRJ1qA/QFZWgSmLnkMC2VOVY5Z0mKVPosy7HqBI6q4S
vBQJiDopsgIKDnVZ5YJXCT/UlYC6PticbI2srvuyflvpOqPd0Zc8Y5GTclZjJ8P8RmshbPvWs0miw9lHvqF8Heg/sVHxd/Qh
Kux01/1+t3v/Ev4c/362t33en/+0fwMFVgD7
"""


def test_a_model_file_of_the_first_version_is_read(tmp_path):
    (tmp_path / "old.safetensors").write_bytes(zlib.decompress(base64.b64decode(OLD_MODEL)))
    program = load(tmp_path / "old.safetensors")
    answer = program(np.array([[0.0, 1.0], [0.5, 0.25]]))
    assert list(answer) == ["no", "yes"] and answer["no"] == pytest.approx(0.7310586, abs=1e-6)


# Training files


def training():
    torch.manual_seed(0)
    x, y = torch.rand(12, 4), torch.arange(12) % 3
    net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.1), nn.BatchNorm1d(8), nn.Linear(8, 3))
    return train(net, batches(x, y, 4, seed=0), nn.functional.cross_entropy, Adam(net.parameters()),
                 epochs=3)


def fingerprint(run):
    "All of a run's state as bytes."
    state = run.state_dict()
    return pickle.dumps([state["step"], state["epoch"], state["history"],
                         [v.tolist() for v in state["model"].values()],
                         torch.get_rng_state().tolist()])  # fmt: skip


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    run = training()
    for _ in range(5):
        next(run)
    return run.save(tmp_path_factory.mktemp("training") / "run.safetensors").read_bytes()


@lengths
def test_a_damaged_training_file_is_refused_and_changes_nothing(length, saved, tmp_path):
    path = tmp_path / "run.safetensors"
    path.write_bytes(saved)
    wanted = fingerprint(training().resume(path))
    for seed in cases(length, 600):
        rng, data = random.Random(seed), saved
        while data == saved:
            data = damaged(saved, rng)
        path.write_bytes(data)
        run = training()
        before = fingerprint(run)
        try:
            run.resume(path)
        except ValueError as e:
            assert f"{path}: " in str(e) and "begin the run again without it" in str(e), (
                f"seed {seed}: {e}")
            assert fingerprint(run) == before, f"seed {seed}"
        else:  # 1e-05 became 1E-05
            assert fingerprint(run) == wanted, f"seed {seed} was taken"


def test_a_run_that_has_not_begun_is_kept_too(tmp_path):
    "There is no tensor in it yet."
    run = tuning()
    assert tuning().resume(run.save(tmp_path / "run.safetensors")).step == 0
    assert run.training is None


@pytest.mark.parametrize("name", ["terabytes", "boxes in boxes", "no utf-8", "one over the other",
                                  "a length of 2**64"])
def test_a_training_file_that_lies(name, tmp_path):
    path = tmp_path / "run.safetensors"
    path.write_bytes(heads[name]())

    def read():
        with pytest.raises(ValueError, match="begin the run again"):
            training().resume(path)

    assert in_a_child(read)[1] < MOST_MB


# Weights of one's own, and those that ship


def test_weights_of_ones_own_are_looked_at_first(tmp_path):
    safetensors.torch.save_file(weights["timm"], tmp_path / "w.safetensors")
    assert (pretrained("test_resnet", 3, in_chans=1, weights=tmp_path / "w.safetensors").num_classes
            == 3)
    (tmp_path / "w.pth").write_bytes((tmp_path / "w.safetensors").read_bytes())
    told = r"weights: expected a file whose name ends in \.safetensors, got .*w\.pth"
    with pytest.raises(ValueError, match=told):
        pretrained("test_resnet", 3, weights=tmp_path / "w.pth")
    with pytest.raises(FileNotFoundError, match="weights: no file at .*nowhere"):
        pretrained("test_resnet", 3, weights=tmp_path / "nowhere.safetensors")
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "w.safetensors").read_bytes()[:-7])
    told = "weights: .*cut.safetensors: the file is cut off.*; fetch the file again"
    with pytest.raises(ModelFileError, match=told):
        pretrained("test_resnet", 3, weights=tmp_path / "cut.safetensors")


@pytest.fixture
def copied(tmp_path, monkeypatch):
    "A copy of the bundled network that takes its place."
    path, source = tmp_path / "glyphnet.safetensors", glyphnet._weights
    for suffix in (".safetensors", ".json"):
        path.with_suffix(suffix).write_bytes(source.with_suffix(suffix).read_bytes())
    monkeypatch.setattr(glyphnet, "_weights", path)
    return path


@lengths
def test_a_damaged_bundled_network_is_refused(length, copied):
    whole = copied.read_bytes()
    for seed in cases(length, 300):
        data = whole
        while data == whole:
            data = damaged(whole, random.Random(seed))
        copied.write_bytes(data)
        for read in (glyphnet.check_weights, glyphnet.labels,
                     lambda: timm.create_model("glyphnet", pretrained=True)):
            with pytest.raises(ValueError,
                               match=r"glyphnet\.safetensors is damaged.*install dljourney again"):
                read()


@lengths
def test_a_damaged_card_of_the_bundled_network_is_refused_or_says_the_same(length, copied):
    card = copied.with_suffix(".json")
    whole, wanted = card.read_bytes(), glyphnet.card()
    for seed in cases(length, 1000):
        rng = random.Random(seed)
        card.write_bytes(damaged(whole, rng))
        try:
            assert glyphnet.check_weights() == copied
            # words of the card may differ
            assert glyphnet.card()["sha256"] == wanted["sha256"], f"seed {seed}"
        except ValueError as e:
            assert "glyphnet" in str(e) and "install dljourney again" in str(e), f"seed {seed}: {e}"


nonsense = [b"", b"{}", b"[]", b"3", b"null", b"[" * 100_000, b"\xff", b'{"sha256": 3, "bytes": '
                                                                       b'[]}',
            b'{"sha256": "x", "bytes": 1e999}',
            b'{"sha256": "(not computed)", "bytes": 1}']  # fmt: skip


@pytest.mark.parametrize("text", nonsense, ids=lambda text: str(text[:40]))
def test_a_card_of_nonsense(text, copied):
    copied.with_suffix(".json").write_bytes(text)
    with pytest.raises(ValueError, match="glyphnet.*install dljourney again"):
        glyphnet.check_weights()


def test_a_bundled_network_of_a_terabyte_is_not_read(copied):
    os.truncate(copied, 2**40)

    def read():
        with pytest.raises(ValueError, match="is damaged.*install dljourney again"):
            timm.create_model("glyphnet", pretrained=True)

    assert in_a_child(read)[1] < 50
