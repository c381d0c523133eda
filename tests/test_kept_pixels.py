"What was decoded is known by what is in the file, and never taken for something else."

import errno
import os
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dljourney.kit.models import forget_features
from dljourney.kit.pictures import kept, photos


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DLJOURNEY_CACHE", str(tmp_path / "kept"))
    return tmp_path / "kept" / "pixels"


@pytest.fixture
def folder(tmp_path):
    "Two classes of twelve, and what is no picture."
    x = torch.randint(256, (24, 32, 40, 3), dtype=torch.uint8)
    for i, picture in enumerate(x):
        place = tmp_path / "pictures" / ("cells" if i < 12 else "cloth")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture.numpy()).save(place / f"{i:02}.png")
    (tmp_path / "pictures" / "cells" / "empty.png").write_bytes(b"")
    (tmp_path / "pictures" / "cloth" / "text.jpg").write_bytes(b"no picture")
    (tmp_path / "pictures" / "cloth" / "folder.jpg").mkdir()
    return tmp_path / "pictures"


@pytest.fixture
def decoded(monkeypatch):
    "What was decoded, by its number of bytes."
    read, found = kept.read_image, []

    def count(source, **settings):
        found.append(source)
        return read(source, **settings)

    monkeypatch.setattr(kept, "read_image", count)
    return found


def same(one, two):
    return (torch.equal(one.x, two.x) and torch.equal(one.y, two.y) and one.files == two.files
            and one.skipped == two.skipped and one.n_train == two.n_train)


@pytest.mark.parametrize("threads", [1, 2])
def test_nothing_changes_but_the_work(folder, decoded, threads, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    for more in ({}, {"seed": 3}, {"valid": 0.5}, {"labels": lambda path: path.stem[-1]}):
        want = photos(folder, size=16, **more)
        decoded.clear()
        assert same(photos(folder, size=16, keep=True, **more), want)
        bad = [source for source in decoded if source in (b"", b"no picture")]
        assert len(bad) == 2 and len(decoded) == (2 if more else 26), more


def test_files_are_known_by_what_is_in_them(folder, decoded):
    first = photos(folder, size=16, keep=True)
    for file in sorted((folder / "cells").glob("0*.png"))[:6]:
        file.rename(folder / "cloth" / f"new-{file.name}")
    other = folder / "cloth" / "new-03.png"
    stamp = other.stat()
    Image.new("RGB", (40, 32), "red").save(other)
    other.write_bytes(other.read_bytes().ljust(stamp.st_size, b"\0"))  # as large, and as old
    os.utime(other, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    decoded.clear()
    again = photos(folder, size=16, keep=True)
    assert len(decoded) == 3 and len(again) == len(first)
    assert same(again, photos(folder, size=16))


@pytest.mark.parametrize("more", [{"size": 15}, {"channels": 1}, {"fit": "squash"},
                                  {"interpolation": "bicubic"}, {"max_pixels": 1279}])  # fmt: skip
def test_what_is_read_otherwise_is_something_else(folder, more):
    photos(folder, size=16, keep=True)
    if "max_pixels" in more:
        with pytest.raises(ValueError, match="more than the limit"):
            photos(folder, keep=True, **{"size": 16} | more)
    else:
        how = {"size": 16} | more
        assert same(photos(folder, keep=True, **how), photos(folder, **how))


def test_nothing_is_kept_where_nothing_shall_be_or_can_be(folder, cache, monkeypatch):
    want = photos(folder, size=16)
    assert same(photos(folder, size=16, keep=True, memory=100), want), "too many"
    assert not cache.exists()

    def full(*args): raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(kept, "write_atomically", full)
    assert same(photos(folder, size=16, keep=True), want) and not [*cache.rglob("*.safetensors")]
    def homeless(): raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("DLJOURNEY_CACHE")
    monkeypatch.setattr(Path, "home", homeless)
    assert same(photos(folder, size=16, keep=True), want) and forget_features() == 0


@pytest.mark.skipif(sys.platform == "win32", reason="rights are told otherwise there")
def test_nobody_else_may_look_and_all_of_it_can_be_forgotten(folder, cache):
    photos(folder, size=16, keep=True)
    assert [place.stat().st_mode & 0o77 for place in cache.iterdir()] == [0]
    assert forget_features() > 24 * 3 * 16 * 16 and not cache.exists()


def test_what_is_kept_is_bounded(folder, cache, decoded, monkeypatch):
    monkeypatch.setattr(kept, "_PACK", 4 * 3 * 16 * 16)
    want = photos(folder, size=16, keep=True)
    assert len(packs := [*cache.rglob("*.safetensors")]) == 6
    monkeypatch.setattr(kept, "_MOST", 3 * packs[0].stat().st_size + 100)
    photos(folder, size=16, channels=1, keep=True)
    assert sum(p.stat().st_size for p in cache.rglob("*.safetensors")) <= kept._MOST
    assert same(photos(folder, size=16, keep=True), want)


def test_an_interruption_keeps_what_was_decoded(folder, decoded):
    def stopped(done, total):
        for i, thing in enumerate(done):
            if i == 15: raise KeyboardInterrupt
            yield thing

    with pytest.raises(KeyboardInterrupt): photos(folder, size=16, keep=True, progress=stopped)
    before = len(decoded)
    photos(folder, size=16, keep=True)
    assert len(decoded) - before <= 26 - 13


@settings(max_examples=20)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), cut=st.booleans())
def test_a_damaged_pack_is_made_anew(tmp_path_factory, place, bit, cut):
    home = tmp_path_factory.mktemp("home")
    file = home / "red.png"
    Image.new("RGB", (9, 9), "red").save(file)

    def red():
        with kept.reading({"size": 4}) as read: return read(file)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLJOURNEY_CACHE", str(home))
        first = red().clone()
        (pack,) = home.rglob("*.safetensors")
        data = bytearray(pack.read_bytes())
        at = int(place * len(data))
        data[at] ^= 1 << bit
        pack.write_bytes(data[:at] if cut else data)
        assert torch.equal(red(), first)
        (again,) = home.rglob("*.safetensors")
        assert again.name == pack.name
