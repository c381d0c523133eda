"What a body sees is asked once: kept under what it depends on, and never taken for something else."

import errno
import os
import threading
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dljourney.kit.models import body_key, features as room, forget_features, kept_features
from dljourney.kit.pictures import digits, kept as packs
from dljourney.transfer import features, fine_tune, pretrained


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DLJOURNEY_CACHE", str(tmp_path / "kept"))
    return tmp_path / "kept" / "features"


@pytest.fixture(scope="module")
def x():
    return digits().train[0][:40]


@pytest.fixture
def model():
    return pretrained("glyphnet", 10, in_chans=1)


@pytest.fixture
def files(tmp_path, x):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i, picture in enumerate(x):
        page = Image.fromarray((picture[0] * 255).byte().numpy()).resize((40, 32))
        page.save(folder / f"{i:02}.png")
    return sorted(folder.iterdir())


@pytest.fixture
def asked(model):
    counts = []
    model.conv1.register_forward_hook(lambda layer, x, y: counts.append(len(y)))
    return counts


def test_they_are_what_the_chapter_s_function_says(model, x):
    seen = kept_features(model, x, mirrored=True, batch_size=7)
    for view, pictures in zip(seen.features, (x, x.flip(-1)), strict=True):
        torch.testing.assert_close(view, features(model, pictures), atol=1e-4, rtol=1e-4)
    assert seen.which == list(range(40)) and seen.skipped == []


def test_the_second_time_nothing_is_asked(model, files, asked):
    first = kept_features(model, files, mirrored=True)
    assert sum(asked) == 80
    renamed = [f.rename(f.with_name(f"other-{f.name}")) for f in files]
    again = kept_features(model, renamed, mirrored=True)
    assert sum(asked) == 80 and torch.equal(first.features, again.features)
    fine_tune(model, torch.rand(4, 1, 32, 32), torch.tensor([0, 1, 2, 3]), epochs=0,
              frozen_epochs=1, batch_size=4).run()  # another head, the same body
    asked.clear()
    kept_features(model, renamed)
    assert asked == []


def test_a_picture_that_changed_is_asked_again(model, files, asked):
    kept_features(model, files)
    files[3].write_bytes(files[4].read_bytes())  # known under another name
    Image.new("L", (32, 32), 77).save(files[5])
    asked.clear()
    seen = kept_features(model, files).features[0]
    assert sum(asked) == 1 and torch.equal(seen[3], seen[4]) and not torch.equal(seen[5], seen[6])


def test_pixels_in_bytes_are_known_before_they_are_prepared(model, x, asked, monkeypatch):
    small = (x * 255).byte()
    first = kept_features(model, small).features
    prepared, made = room.prepared, []
    monkeypatch.setattr(room, "prepared", lambda *args: made.append(1) or prepared(*args))
    assert torch.equal(kept_features(model, [*small]).features, first)
    assert made == [] and sum(asked) == 40
    small[7, 0, 3, 3] ^= 1
    small = [*small, small[8].flatten().view(1, 4, -1)]  # the same bytes in another shape
    kept_features(model, small)
    assert len(made) == sum(asked) - 40 == 2


def change_a_weight(model): model.conv1[0].weight.data[0, 0, 0, 0] += 1e-3
def change_statistics(model): model.bn1.running_mean += 1e-3
def change_a_layer(model): model.act1 = torch.nn.GELU()
def change_size(model): model.pretrained_cfg = {**model.pretrained_cfg, "input_size": (1, 48, 48)}
def change_scale(model): model.pretrained_cfg = {**model.pretrained_cfg, "mean": (0.1,) * 3}


@pytest.mark.parametrize("change", [change_a_weight, change_statistics, change_a_layer,
                                    change_size, change_scale])  # fmt: skip
def test_another_body_has_another_key(model, x, change):
    before, key = kept_features(model, x).features, body_key(model)
    change(model)
    assert body_key(model) != key
    now = kept_features(model, x).features[0]
    assert not torch.equal(now, before[0])
    torch.testing.assert_close(now, features(model, x), atol=1e-4, rtol=1e-4)


def test_the_head_does_not_count(model):
    key = body_key(model)
    model.get_classifier().weight.data.zero_()
    assert body_key(model) == key == body_key(pretrained("glyphnet", 3, in_chans=1))
    assert body_key(model, bf16=True) != key


def test_what_cannot_be_read_is_told(model, files):
    files[0].write_bytes(b"")
    files[1].write_bytes(files[1].read_bytes()[:60])
    files[2].unlink()
    seen = kept_features(model, [*files, files[0].parent, b"no picture"])
    assert seen.which == list(range(3, 40))
    assert [i for i, _ in seen.skipped] == [0, 1, 2, 40, 41]
    assert "empty" in seen.skipped[0][1] and "no such file" in seen.skipped[2][1]
    assert "a folder" in seen.skipped[3][1]
    assert len(seen.features[0]) == 37


@pytest.mark.parametrize("wrong, error", [
    ("one.png", TypeError), (torch.zeros(1, 32, 32), TypeError), ([], ValueError),
    ([b"no picture"], ValueError), ([3], TypeError),
])  # fmt: skip
def test_what_are_no_pictures_is_refused(model, wrong, error):
    with pytest.raises(error, match="expected"):
        kept_features(model, wrong)


def test_a_model_without_a_head_is_refused():
    with pytest.raises(ValueError, match="model: expected a timm model"):
        kept_features(torch.nn.Linear(3, 3), [b""])


@settings(max_examples=20)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), cut=st.booleans())
def test_a_damaged_pack_is_made_anew(tmp_path_factory, place, bit, cut):
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("home")
        patch.setenv("DLJOURNEY_CACHE", str(home))
        model, x = pretrained("glyphnet", 2, in_chans=1), torch.rand(3, 1, 32, 32)
        first = kept_features(model, x)
        (pack,) = home.rglob("*.safetensors")
        data = bytearray(pack.read_bytes())
        at = int(place * len(data))
        data[at] ^= 1 << bit
        pack.write_bytes(data[:at] if cut else data)
        torch.testing.assert_close(kept_features(model, x).features, first.features)
        (again,) = home.rglob("*.safetensors")
        assert again.name == pack.name


def test_a_full_disk_costs_one_line(model, x, monkeypatch):
    def full(*args): raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(packs, "write_atomically", full)
    monkeypatch.setattr(room, "_PACK", 8)
    with pytest.warns(UserWarning, match="features: .*no space left on device") as told:
        seen = kept_features(model, x)
    assert len(told) == 1 and len(seen.which) == 40


def test_nothing_is_kept_where_nothing_shall_be(model, x, cache):
    kept_features(model, x, keep=False)
    assert not cache.exists()


def test_what_is_kept_is_bounded_and_the_oldest_goes_first(model, x, cache, monkeypatch):
    for i in range(4):
        kept_features(model, x[10 * i : 10 * i + 10])
        for age, pack in enumerate(cache.rglob("*.safetensors")): os.utime(pack, (0, 1000 - age))
    newest = max(cache.rglob("*.safetensors"), key=lambda p: p.stat().st_mtime)
    size = newest.stat().st_size
    packs.shrink_packs(cache, size)
    assert list(cache.rglob("*.safetensors")) == [newest]
    kept_features(model, x[:1])
    assert newest.stat().st_mtime > 1000, "who is read is in use"
    monkeypatch.setattr(room, "_MOST", size - 1)
    kept_features(model, x)
    assert sum(p.stat().st_size for p in cache.rglob("*.safetensors")) < size
    assert forget_features() >= 0 and not cache.exists() and forget_features() == 0


def test_an_interruption_keeps_what_was_seen(model, x, cache, asked):
    def stopped(done, total):
        for i, thing in enumerate(done):
            if i == 25: raise KeyboardInterrupt
            yield thing

    with pytest.raises(KeyboardInterrupt):
        kept_features(model, x, batch_size=10, progress=stopped)
    asked.clear()
    kept_features(model, x, batch_size=10)
    assert sum(asked) == 20


def test_few_pictures_wait_for_the_network(model, x, monkeypatch):
    waiting, most, lock = [0], [0], threading.Lock()
    read, ask = room._tried, room._Asking.add

    def counted(*args):
        with lock:
            waiting[0] += 1
            most[0] = max(most[0], waiting[0])
        return read(*args)

    def taken(self, *args):
        with lock: waiting[0] -= 1
        return ask(self, *args)

    monkeypatch.setattr(room, "_tried", counted)
    monkeypatch.setattr(room._Asking, "add", taken)
    kept_features(model, (x[i % 40] for i in range(400)), batch_size=16, keep=False)
    assert 2 <= most[0] <= room._AHEAD + 1


def test_two_at_once(model, x):
    found = []
    both = [threading.Thread(target=lambda: found.append(kept_features(model, x).features))
            for _ in range(2)]  # fmt: skip
    for t in both: t.start()
    for t in both: t.join()
    assert torch.equal(*found) and torch.equal(found[0], kept_features(model, x).features)


def test_the_model_stays_as_it_was(model, x):
    model.train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    kept_features(model, x)
    assert model.training and all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert Path(room.__file__).name == "features.py"


def test_a_network_for_asking_alone_says_the_same_without_batch_norm(model, x):
    from torch import nn

    from dljourney.kit.models import folded

    prepared = torch.rand(5, 1, 32, 32, generator=torch.Generator().manual_seed(1))
    before = {k: t.clone() for k, t in model.state_dict().items()}
    quick = folded(model, prepared[:1])
    assert quick is not model and not any(isinstance(m, nn.BatchNorm2d) for m in quick.modules())
    assert any(isinstance(m, nn.BatchNorm2d) for m in model.modules())
    assert all(torch.equal(t, before[k]) for k, t in model.state_dict().items())
    with torch.no_grad():
        want = model.eval().forward_head(model.forward_features(prepared), pre_logits=True)
        found = quick.forward_head(quick.forward_features(prepared), pre_logits=True)
    torch.testing.assert_close(found, want, atol=1e-4, rtol=1e-4)


def test_a_network_that_somebody_looks_into_is_not_copied(model, asked):
    from dljourney.kit.models import folded

    assert folded(model, torch.zeros(1, 1, 32, 32)) is model
