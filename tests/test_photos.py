"Pictures and folders as they really are: every kind of file, none of them harmed."

import io
import json
import os
import random
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dljourney.kit.pictures import ImageError, Preprocess, printable, read_image
from dljourney.kit.pictures import augment, photos
from dljourney.program import load, save
from dljourney.transfer import pretrained

# Pillow's remarks on the damaged files
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")


def corner_picture(mode="RGB", size=(60, 40)):
    "Grey, with a red (dark) left upper quarter, so that turns and mirrors show."
    im = Image.new("RGB", size, (200, 200, 200))
    im.paste((180, 0, 0), (0, 0, size[0] // 2, size[1] // 2))
    return im.convert(mode)


def saved(im, fmt, **kw):
    out = io.BytesIO()
    im.save(out, fmt, **kw)
    return out.getvalue()


reference = read_image(corner_picture(), 32, fit="squash").float()


def looks_right(x, tol=14.0):
    return x.shape == (3, 32, 32) and (x.float() - reference).abs().mean() < tol


kinds = {
    "jpeg": lambda: saved(corner_picture(), "JPEG", quality=95),
    "progressive jpeg": lambda: saved(corner_picture(), "JPEG", quality=95, progressive=True),
    "cmyk jpeg": lambda: saved(corner_picture("CMYK"), "JPEG", quality=95),
    "png": lambda: saved(corner_picture(), "PNG"),
    "palette": lambda: saved(corner_picture("P"), "PNG"),
    "alpha": lambda: saved(corner_picture("RGBA"), "PNG"),
    "gif": lambda: saved(corner_picture(), "GIF"),
    "animated gif": lambda: saved(
        corner_picture(), "GIF", save_all=True, append_images=[Image.new("RGB", (60, 40))] * 3
    ),
    "animated webp": lambda: saved(
        corner_picture(), "WEBP", save_all=True, append_images=[Image.new("RGB", (60, 40))] * 3
    ),
    "bmp": lambda: saved(corner_picture(), "BMP"),
    "tiff": lambda: saved(corner_picture(), "TIFF"),
    "ppm": lambda: saved(corner_picture(), "PPM"),
    "webp": lambda: saved(corner_picture(), "WEBP", quality=95),
}


@pytest.mark.parametrize("kind", kinds)
def test_every_kind_of_picture_loads(kind):
    assert looks_right(read_image(kinds[kind](), 32, fit="squash"))


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP"])
def test_exif_turns_are_undone(turn, fmt):
    # the transposition that a camera would have made
    undo = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[turn]
    im = corner_picture()
    im = im if undo is None else im.transpose(Image.Transpose(undo))
    exif = Image.Exif()
    exif[0x0112] = turn
    quality = {} if fmt == "PNG" else {"quality": 95}
    x = read_image(saved(im, fmt, exif=exif.tobytes(), **quality), 32, fit="squash")
    assert looks_right(x)


def test_damaged_exif_is_no_reason_to_lose_a_picture():
    exif = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xff" * 40
    data = saved(corner_picture(), "JPEG", quality=95, exif=exif)
    assert looks_right(read_image(data, 32, fit="squash"))


def test_sixteen_bits_are_scaled_not_clipped():
    ramp = np.linspace(0, 65535, 64 * 64).reshape(64, 64)
    want = torch.from_numpy((ramp / 257).round()).float()
    for fmt in ("PNG", "TIFF"):
        file = saved(Image.fromarray(ramp.astype(np.uint16)), fmt)
        got = read_image(file, 64, channels=1)[0].float()
        assert (got - want).abs().max() <= 1, fmt
    assert (read_image(ramp.astype(np.uint16), 64, channels=1)[0].float() - want).abs().max() <= 1
    floats = saved(Image.fromarray((ramp / 65535).astype(np.float32)), "TIFF")
    assert (read_image(floats, 64, channels=1)[0].float() - want).abs().max() <= 1


def test_transparency_lies_on_white():
    im = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    im.paste((0, 0, 0, 255), (5, 5, 15, 15))
    x = read_image(saved(im, "PNG"), 20)
    assert x[:, 0, 0].tolist() == [255] * 3 and x[:, 10, 10].tolist() == [0] * 3
    palette = im.convert("P")
    palette.info["transparency"] = palette.getpixel((0, 0))
    x = read_image(saved(palette, "PNG", transparency=palette.getpixel((0, 0))), 20)
    assert x[:, 0, 0].tolist() == [255] * 3 and x[:, 10, 10].tolist() == [0] * 3
    grey = Image.new("LA", (20, 20), (0, 0))
    assert read_image(saved(grey, "PNG"), 20, channels=1).min() == 255


@pytest.mark.parametrize("size", [(1, 1), (60_000, 1), (1, 60_000), (3, 2000)])
@pytest.mark.parametrize("fit", ["crop", "squash", "pad"])
def test_extreme_shapes(size, fit):
    x = read_image(saved(Image.new("RGB", size, (10, 20, 30)), "PNG"), 64, fit=fit)
    assert x.shape == (3, 64, 64)
    assert x[:, 31:33, 31:33].amin((1, 2)).tolist() == [10, 20, 30]


def png_bomb(width, height):
    def number(n): return struct.pack(">I", n)
    def checked(data): return data + number(zlib.crc32(data))
    def chunk(kind, data): return number(len(data)) + checked(kind + data)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0" * 100_000))
        + chunk(b"IEND", b"")
    )


bad = {
    "empty": (b"", "empty"),
    "text": (b"not a picture, really", "not a picture"),
    "cut jpeg": (kinds["jpeg"]()[:400], "damaged"),
    "cut png": (kinds["png"]()[:90], "damaged"),
    "bomb": (png_bomb(60_000, 60_000), "more than the limit"),
    "html named jpg": (b"<!DOCTYPE html><html>404</html>", "not a picture"),
    "eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "not a picture"),
    "heic": (b"\0\0\0\x18ftypheic" + b"\0" * 100, "HEIC"),
}


@pytest.mark.parametrize("name", bad)
def test_bad_pictures_get_one_error_with_the_reason(name):
    data, reason = bad[name]
    with pytest.raises(ImageError, match=reason):
        read_image(data, 32)


@settings(max_examples=250)
@given(st.sampled_from(sorted(kinds)), st.integers(0, 2**32),
       st.sampled_from(["flip", "cut", "zero", "insert"]))
def test_a_damaged_file_gives_a_picture_or_an_image_error(kind, seed, damage):
    rng, data = random.Random(seed), bytearray(kinds[kind]())
    for _ in range(rng.randint(1, 20)):
        i = rng.randrange(len(data))
        if damage == "flip":
            data[i] ^= 1 << rng.randrange(8)
        elif damage == "cut":
            del data[max(i, 8) :]
        elif damage == "zero":
            data[i : i + 8] = b"\0" * 8
        else:
            data[i:i] = bytes(rng.randrange(256) for _ in range(5))
    try:
        x = read_image(bytes(data), 16)
    except ImageError as e:
        assert str(e)
    else:
        assert x.shape == (3, 16, 16) and x.dtype == torch.uint8


def test_sources_agree(tmp_path):
    im = corner_picture()
    data = saved(im, "PNG")
    (tmp_path / "a.wrong").write_bytes(data)
    want = read_image(im, 24)
    for source in (
        data,
        io.BytesIO(data),
        tmp_path / "a.wrong",
        str(tmp_path / "a.wrong"),
        np.array(im),
        torch.tensor(np.array(im)).permute(2, 0, 1),
        np.array(im) / 255,
        Image.open(io.BytesIO(data)),
    ):
        assert torch.equal(read_image(source, 24), want), type(source)


def test_the_callers_picture_is_not_changed():
    im = Image.open(io.BytesIO(saved(corner_picture(size=(600, 400)), "JPEG")))
    read_image(im, 16)
    assert im.size == (600, 400) and im.mode == "RGB"


def test_draft_decoding_is_close_to_full_decoding():
    rng = np.random.default_rng(0)
    smooth = Image.fromarray(rng.integers(0, 255, (12, 16, 3), dtype=np.uint8)).resize(
        (1600, 1200), Image.Resampling.BICUBIC
    )
    data = saved(smooth, "JPEG", quality=95)
    diff = (read_image(data, 64).float() - read_image(np.array(smooth), 64).float()).abs()
    assert diff.mean() < 3


def test_wrong_arguments_are_named():
    wrong = {"channels": 2, "fit": "x", "interpolation": "x"}
    for name, value in wrong.items():
        with pytest.raises(ValueError, match=name):
            read_image(b"", 8, **{name: value})
    with pytest.raises(ValueError, match="size"):
        read_image(b"", 0)
    with pytest.raises(TypeError, match="expected a path"):
        read_image(3, 8)
    for array in (
        np.zeros((3, 4, 5, 6)),
        np.zeros((4, 4, 7)),
        np.full((4, 4), 2.0),
        np.full((4, 4), np.nan),
        np.zeros((0, 4)),
    ):
        with pytest.raises(ImageError):
            read_image(array, 8)


@pytest.mark.parametrize("fit", ["crop", "squash", "pad"])
@pytest.mark.parametrize("shape", [(50, 30), (30, 50), (32, 32), (8, 8)])
def test_tensors_and_files_are_prepared_alike(fit, shape):
    rng = np.random.default_rng(0)
    rough = Image.fromarray(rng.integers(0, 255, (6, 6, 3), dtype=np.uint8))
    a = np.asarray(rough.resize(shape[::-1], Image.Resampling.BICUBIC))
    prep = Preprocess(size=(32, 32), fit=fit)
    by_tensor = prep.resize(torch.tensor(a).permute(2, 0, 1)[None])[0] * 255
    assert (by_tensor - prep.read(a).float()).abs().mean() < 2.5


def test_preprocess_scale_and_channels():
    x = torch.rand(2, 3, 8, 8)
    prep = Preprocess(size=(8, 8), channels=3, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ([0.1, 0.2, 0.3], [0.5, 0.6, 0.7]))
    want = (x - mean) / std
    torch.testing.assert_close(prep(x), want)
    grey = Preprocess(size=(8, 8), channels=1)
    assert grey(x).shape == (2, 1, 8, 8) and prep(grey(x)).shape == (2, 3, 8, 8)
    torch.testing.assert_close(prep((x * 255).round().to(torch.uint8)), prep(x), atol=0.01, rtol=0)
    for kw, name in [
        ({"mean": (1, 2)}, "mean"),
        ({"std": 0}, "std"),
        ({"mean": float("nan")}, "mean"),
        ({"size": (1, 2, 3)}, "size"),
    ]:
        with pytest.raises(ValueError, match=name):
            Preprocess(**{"size": (8, 8), **kw})
    assert Preprocess(**prep.asdict()) == prep


# Folders


def write(path, data=None, colour=(9, 9, 9)):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(saved(Image.new("RGB", (30, 20), colour), "PNG") if data is None else data)
    return path


def snapshot(folder):
    return {
        p: (p.lstat().st_mtime_ns, p.read_bytes() if p.is_file() and not p.is_symlink() else None)
        for p in Path(folder).rglob("*")
    }


@pytest.fixture
def messy(tmp_path):
    root = tmp_path / "messy"
    for label, colour in [("rot", (200, 0, 0)), ("grün 绿", (0, 200, 0))]:
        for i in range(6):
            write(root / label / f"{i} ünï {label}.png", colour=colour)
    write(root / "rot" / "deeper" / "x.jpg", saved(Image.new("L", (20, 20), 50), "JPEG"))
    write(root / "rot" / "cut.jpg", bad["cut jpeg"][0])
    write(root / "rot" / "bomb.png", bad["bomb"][0])
    write(root / "rot" / "leer.png", b"")
    write(root / "rot" / "notes.txt", b"hello")
    write(root / "lonely.png")
    write(root / ".ipynb_checkpoints" / "0.png")
    write(root / "rot" / ".DS_Store", b"x")
    (root / "rot" / "dead").symlink_to(root / "nowhere")
    (root / "rot" / "self").symlink_to(root / "rot" / "self")
    (root / "rot" / "up").symlink_to(root)
    os.mkfifo(root / "rot" / "pipe")
    name = os.fsencode(root / "rot") + b"/\xff\xfe.png"
    with open(name, "wb") as f:
        f.write(saved(Image.new("RGB", (9, 9)), "PNG"))
    return root


def test_a_messy_folder_is_read_listed_and_left_alone(messy):
    before = snapshot(messy)
    data = photos(messy, size=16, valid=0.25)
    assert snapshot(messy) == before
    assert data.classes == ["grün 绿", "rot"]
    assert len(data) == 14 and len(data.files) == 14 and data.x.shape == (14, 3, 16, 16)
    reasons = {s.file.name: s.reason for s in data.skipped}
    for name, part in [
        ("cut.jpg", "damaged"),
        ("bomb.png", "limit"),
        ("leer.png", "empty"),
        ("notes.txt", "not a picture"),
        ("lonely.png", "class folder"),
        ("dead", "nowhere"),
        ("self", "cannot be opened"),
        ("pipe", "regular"),
    ]:
        assert part in reasons[name], name
    assert len(reasons) == 8
    assert "8 left out" in repr(data) and repr(data).encode("utf-8")
    for i, file in enumerate(data.files):  # labels belong to their pictures
        if file.name[0].isdigit():
            assert (
                data.x[i, 0].float().mean() > 100
                if "rot" in str(file.parent.name)
                else data.x[i, 1].float().mean() > 100
            )
            assert data.classes[data.y[i]] == file.parent.name


def test_split_is_by_class_seeded_and_complete(messy):
    a, b, c = (photos(messy, size=4, valid=0.25, seed=s) for s in (0, 0, 1))
    assert a.files == b.files and torch.equal(a.x, b.x) and a.files != c.files
    assert sorted(a.files) == sorted(c.files)
    assert len(a.train[1]) + len(a.valid[1]) == len(a)
    assert set(a.valid[1].tolist()) == {0, 1} == set(a.train[1].tolist())
    assert len(photos(messy, size=4, valid=0).valid[1]) == 0


def test_train_and_val_folders_are_taken_as_they_are(tmp_path):
    for part, n in [("train", 3), ("val", 2), ("test", 1)]:
        for label in "ab":
            for i in range(n):
                write(tmp_path / part / label / f"{i}.png")
    data = photos(tmp_path, size=4)
    assert data.classes == ["a", "b"] and data.n_train == 6 and len(data) == 10
    assert all("train" in f.parts for f in data.files[:6])
    assert all("val" in f.parts for f in data.files[6:])
    told = "in the test folder, which stays closed until the end"
    assert [s.reason for s in data.skipped] == [told] * 2


def test_labels_by_function_table_and_csv(tmp_path):
    for name in ("Katze 1.png", "katze 2.png", "hund 1.png", "hund 2.png", "odd.png"):
        write(tmp_path / name)
    def first_word(p): return None if p.stem == "odd" else p.name.split()[0].lower()
    by_function = photos(tmp_path, first_word, size=4)
    assert by_function.classes == ["hund", "katze"] and len(by_function) == 4
    assert [s.reason for s in by_function.skipped] == ["the labelling function gave no label"]
    broken = photos(tmp_path, lambda p: {"o": 1 / 0 if p.stem == "odd" else 0}["o"], size=4)
    assert "ZeroDivisionError" in broken.skipped[0].reason
    table = {"Katze 1.png": 1, "hund 1.png": 0, "gone.png": 0, "../x.png": 1, "odd.png": ""}
    data = photos(tmp_path, table, size=4)
    assert data.classes == ["0", "1"] and sorted(s.reason for s in data.skipped) == [
        "leads out of the folder",
        "no label in the table",
        "no such file",
    ]
    for mark in ",;\t":
        rows = [["file", "label"], ["Katze 1.png", "k"], ["hund 1.png", "h"]]
        text = "\ufeff" + "\n".join(mark.join(r) for r in rows)
        (tmp_path / "labels.csv").write_text(text, encoding="utf-8")
        assert photos(tmp_path, "labels.csv", size=4).classes == ["h", "k"]
    (tmp_path / "labels.csv").write_text("a,b\n1,2")
    with pytest.raises(ValueError, match="file and label"):
        photos(tmp_path, "labels.csv")


def test_nothing_to_read_says_what_to_do(tmp_path):
    with pytest.raises(ValueError, match="one subfolder a class"):
        photos(tmp_path)
    write(tmp_path / "a" / "x.png", b"junk")
    with pytest.raises(ValueError, match="not a picture"):
        photos(tmp_path)
    with pytest.raises(ValueError, match="not a folder"):
        photos(tmp_path / "nope")
    with pytest.raises(ValueError, match="valid"):
        photos(tmp_path, valid=1.0)


def test_large_folders_are_mapped_and_caches_are_reused(messy, tmp_path, monkeypatch):
    plain = photos(messy, size=16)
    assert torch.equal(photos(messy, size=16, memory=10).x, plain.x)
    cache = tmp_path / "cache"
    first = photos(messy, size=16, cache=cache)
    assert torch.equal(first.x, plain.x)
    import dljourney.kit.pictures.kept as module

    def decoded(*args, **settings): raise AssertionError("decoded again")

    monkeypatch.setattr(module, "read_image", decoded)
    again = photos(messy, size=16, cache=cache)
    assert torch.equal(again.x, plain.x)
    assert again.skipped == first.skipped and again.files == first.files
    monkeypatch.undo()
    write(messy / "rot" / "new.png")
    assert len(photos(messy, size=16, cache=cache)) == len(plain) + 1


def test_threads_change_nothing(messy):
    n = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = photos(messy, size=16)
        torch.set_num_threads(3)
        three = photos(messy, size=16)
    finally:
        torch.set_num_threads(n)
    assert torch.equal(one.x, three.x) and one.files == three.files


def test_progress_wraps_the_files(messy):
    seen = []

    def progress(iterable, total):
        seen.append(total)
        return iterable

    data = photos(messy, size=4, progress=progress)
    assert seen == [len(data) + len(data.skipped) - 1]  # "lonely" is left out before


def two_classes(root, n=5):
    for k, label in enumerate(("cats", "dogs")):
        for i in range(n):
            write(root / label / f"{i}.png", colour=(40 * i, 100 * k, 7))
    return root


@pytest.mark.parametrize("how", ["decoded", "cached", "from the cache", "mapped"])
def test_files_that_cannot_be_read_take_no_place_in_the_split(how, tmp_path):
    clean, mixed = (two_classes(tmp_path / name) for name in ("clean", "mixed"))
    for file in list(mixed.rglob("*.png")):  # annotations beside the pictures, and broken pictures
        write(file.with_suffix(".xml"), b"<a/>")
        write(file.with_name(f"broken {file.name}"), bad["cut png"][0])
    options = {"decoded": {}, "mapped": {"memory": 10}}.get(how, {"cache": tmp_path / "cache"})
    for seed in range(20):
        want = photos(clean, size=8, seed=seed)
        for _ in range(2 if how == "from the cache" else 1):
            got = photos(mixed, size=8, seed=seed, **options)
        def names(data, root): return [f.relative_to(root) for f in data.files]
        assert names(got, mixed) == names(want, clean)
        assert torch.equal(got.x, want.x) and torch.equal(got.y, want.y)
        assert got.n_train == want.n_train == 8
        assert len(got.skipped) == 20 and sorted(got.valid[1].tolist()) == [0, 1]


def test_the_split_of_a_seed_stays_what_it_was(tmp_path):
    for label, n in (("a", 7), ("b", 3), ("c", 1), ("d", 12)):
        for i in range(n):
            write(tmp_path / label / f"{i}.png")
    data = photos(tmp_path, size=4, seed=1)
    assert " ".join(f.parent.name + f.stem for f in data.files) == (
        "a4 a2 d3 a5 d10 a1 d4 d11 b2 d7 d8 d1 d0 d5 a6 d9 a0 b1 c0 d2 a3 d6 b0"
    )
    assert data.n_train == 19


def test_a_file_that_is_listed_twice_is_taken_once(tmp_path):
    rows = ["file,label"]
    for i in range(10):
        write(tmp_path / f"{i}.png")
        rows += [f"{i}.png,{'ab'[i % 2]}", f"./{i}.png,{'ab'[i % 2]}"]
    rows += ["0.png,b", "1.png,"]
    (tmp_path / "l.csv").write_text("\n".join(rows))
    data = photos(tmp_path, "l.csv", size=4, valid=0.3)
    assert sorted(f.name for f in data.files) == [f"{i}.png" for i in range(1, 10)]
    assert data.n_train == len(data) - 3
    told = f"{tmp_path / '0.png'}: different labels in the table: a, b"
    assert [str(s) for s in data.skipped] == [told]


def test_odd_tables_are_told(tmp_path):
    for i in range(4):
        write(tmp_path / f"{i}.png")
    (tmp_path / "l.csv").write_text("file,label\n0.png,a\n1.png\n\n2.png,b\n3.png,a\n")
    data = photos(tmp_path, "l.csv", size=4)
    assert [(s.file.name, s.reason) for s in data.skipped] == [("1.png", "no label in the table")]
    for rest in ("\n1.png,b\n", "x" * 140_000):
        (tmp_path / "l.csv").write_text(f'file,label\n0.png,"a{rest}')
        with pytest.raises(ValueError, match=r"labels: .*l\.csv, line .* not closed"):
            photos(tmp_path, "l.csv")
    (tmp_path / "l.csv").write_text('file,label\n0.png,"a ""great""\nthing"\n2.png,b 5"\n')
    assert photos(tmp_path, "l.csv", size=4).classes == ['a "great"thing', 'b 5"']


def test_a_stray_folder_does_not_turn_train_and_val_into_classes(tmp_path):
    for part in ("train", "val"):
        two_classes(tmp_path / part, 3)
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "empty").mkdir()
    want = photos(tmp_path, size=4)
    assert want.classes == ["cats", "dogs"] and want.skipped == []
    assert want.n_train == 6 == len(want) - 6
    write(tmp_path / "__MACOSX" / "train" / "cats" / "0.png")
    two_classes(tmp_path / "extra")
    data = photos(tmp_path, size=4)
    assert data.files == want.files and data.classes == want.classes
    assert [s.file.name for s in data.skipped] == ["extra"] and "train" in data.skipped[0].reason


def test_folders_called_train_may_be_classes(tmp_path):
    for name in ("train", "bus", "test"):
        write(tmp_path / name / "0.png")
    assert photos(tmp_path, size=4).classes == ["bus", "test", "train"]


def test_folders_of_programs_and_those_to_leave_out_are_listed_and_not_entered(tmp_path):
    two_classes(tmp_path)
    want = photos(tmp_path, size=4)
    for place, name in [("p", "program.safetensors"), ("cats/q", "training.safetensors")]:
        write(tmp_path / place / name, b"x")
        write(tmp_path / place / "curves.png")
    write(tmp_path / "mine" / "sub" / "0.png")
    write(tmp_path / "program.safetensors", b"x")  # beside the classes: no reason to read nothing
    data = photos(tmp_path, size=4, leave_out=[str(tmp_path / "dogs" / ".." / "mine")])
    assert data.files == want.files and data.classes == want.classes
    told = [s.file.relative_to(tmp_path).as_posix() for s in data.skipped]
    assert told == ["cats/q", "mine", "p", "program.safetensors"]
    assert "report" in data.skipped[0].reason and "leave out" in data.skipped[1].reason
    by_function = photos(tmp_path, lambda p: p.parent.name, size=4)
    assert by_function.classes == ["cats", "dogs", "sub"]


@pytest.mark.parametrize("name", ["classes", "leave_out"])
def test_one_text_is_no_list(name, tmp_path):
    with pytest.raises(TypeError, match=f"{name}: expected a list"):
        photos(two_classes(tmp_path), size=4, **{name: "cats"})


def test_what_is_done_to_pixels_does_not_reach_the_cache(tmp_path):
    folder, cache = two_classes(tmp_path / "p"), tmp_path / "cache"
    want = photos(folder, size=8).x.clone()
    for _ in range(3):  # the first fills the cache
        data = photos(folder, size=8, cache=cache)
        assert torch.equal(data.x, want)
        data.x.zero_()


@pytest.mark.parametrize("place", ["cache", ".", "cats"])
def test_a_cache_inside_the_folder_is_found_again(place, tmp_path):
    two_classes(tmp_path)
    first, second, third = (photos(tmp_path, size=4, cache=tmp_path / place) for _ in range(3))
    assert len(list((tmp_path / place).glob("*.pixels"))) == 1
    assert first.files == second.files == third.files and third.skipped == []


legal = [["a\u200bb", "a\u200cb", "z"], ["👩\u200d🚀", "👩🚀"], ["می\u200cخواهم", "New\u00a0York"]]


@pytest.mark.parametrize("names", legal)
def test_a_label_is_its_folders_name_to_the_last_character(tmp_path, names):
    for i, name in enumerate(names):
        for j in range(3):
            write(tmp_path / "in" / name / f"{j}.png", colour=(40 * i, 0, 0))
    for cache in (None, tmp_path / "cache", tmp_path / "cache"):
        data = photos(tmp_path / "in", size=8, cache=cache)
        assert data.classes == sorted(names) and torch.bincount(data.y).tolist() == [3] * len(names)
        assert [f.parent.name for f in data.files] == [data.classes[i] for i in data.y]
        assert all(name in repr(data) for name in names)
    table = tmp_path / "table.csv"
    rows = "".join(f"{name}/{j}.png,{name}\n" for name in names for j in range(3))
    table.write_text(f"file,label\n{rows}", encoding="utf-8")
    for labels in (table, lambda p: p.parent.name):
        assert photos(tmp_path / "in", labels, size=8).classes == sorted(names)
    file = save(pretrained("glyphnet", len(names)), tmp_path / "p.safetensors", labels=data.classes)
    assert load(file).labels == data.classes


def test_a_name_that_is_no_line_of_text_becomes_one_and_two_never_become_one(tmp_path):
    folders = [os.fsencode(tmp_path) + b"/" + name for name in (b"a\xff", b"b\nc", b"d")]
    for folder in folders:
        os.mkdir(folder)
        for i in range(2):
            with open(folder + b"/%d.png" % i, "wb") as f:
                f.write(saved(Image.new("RGB", (9, 9)), "PNG"))
    for labels in (None, lambda p: p.parent.name):
        data = photos(tmp_path, labels, size=8)
        assert data.classes == ["a\ufffd", "b\ufffdc", "d"] and len(data) == 6
        repr(data).encode("utf-8")
    os.rename(folders[2], os.fsencode(tmp_path) + b"/a\xfe")
    for labels in (None, lambda p: p.parent.name):
        told = "folder: .* got 'a.udcfe' and 'a.udcff'.* another name"
        with pytest.raises(ValueError, match=told):
            photos(tmp_path, labels, size=8)


def test_a_table_is_cut_into_rows_at_line_ends_alone(tmp_path):
    for i in range(4):
        write(tmp_path / f"{i}.png")
    rows = ["0.png,a\x0bb", "1.png,a\x0bb", "2.png,c\x85d", '3.png,"c\x85d"']
    (tmp_path / "t.csv").write_text("\r\n".join(["file,label", *rows]), encoding="utf-8")
    data = photos(tmp_path, "t.csv", size=8)
    assert data.classes == ["a\ufffdb", "c\ufffdd"] and torch.bincount(data.y).tolist() == [2, 2]


def test_numbers_may_come_from_numpy(tmp_path):
    for i in range(12):
        write(tmp_path / "ab"[i % 2] / f"{i}.png")
    want = photos(tmp_path, size=8, seed=3, valid=0.25, channels=1)
    for cache in (None, tmp_path / ".cache"):
        whole = {"size": np.int64(8), "seed": np.int64(3), "channels": np.int64(1)}
        got = photos(tmp_path, valid=np.float64(0.25), cache=cache, **whole)
        assert got.files == want.files and torch.equal(got.x, want.x)
    photos(tmp_path, size=8, seed=3, valid=0.25, channels=1, cache=tmp_path / ".cache")
    assert len(list((tmp_path / ".cache").glob("*.pixels"))) == 1
    for bad_seed, error in ((1.5, TypeError), ("1", TypeError), (-1, ValueError)):
        with pytest.raises(error, match="seed: expected"):
            photos(tmp_path, seed=bad_seed)
    with pytest.raises(TypeError, match="valid: expected a finite number"):
        photos(tmp_path, valid="0.2")


@pytest.mark.parametrize("wrong, told", [
    ({"size": 8193}, "size: expected 1 to 8192"), ({"size": (8, 9000)}, "size: expected 1 to 8192"),
    ({"channels": 2}, "channels: expected 1"), ({"fit": "stretch"}, "fit: expected one of"),
    ({"interpolation": "cubic"}, "interpolation: expected one of"),
])  # fmt: skip
def test_what_photos_cannot_give_is_refused_before_room_is_made(wrong, told, tmp_path, monkeypatch):
    from dljourney.kit.pictures import folders

    monkeypatch.setattr(folders, "_room", None)
    for kind in ("cat", "dog"):
        (tmp_path / kind).mkdir()
        corner_picture().save(tmp_path / kind / "1.png")
    with pytest.raises(ValueError, match=f"^{told}"):
        photos(tmp_path, **wrong)


def test_the_sizes_of_a_preprocess_are_whole_numbers_of_any_kind():
    want = Preprocess((32, 32), 1)
    sizes = np.int64(32), [32, 32], (np.int64(32), 32), np.array([32, 32]), torch.tensor([32, 32])
    for size in (32, *sizes):
        got = Preprocess(size, np.int64(1))
        assert got == want and json.dumps(got.asdict()) == json.dumps(want.asdict())
        assert read_image(corner_picture(), size, channels=1).shape == (1, 32, 32)
    net = pretrained("glyphnet", np.int64(3), in_chans=1)
    same = [Preprocess.of(net, size) for size in (np.int64(48), (48, 48), 48)]
    assert same[0] == same[1] == same[2]
    for bad in ("32", 32.5, (32.5, 3), None, (3,), [1, 2, 3]):
        with pytest.raises((TypeError, ValueError), match="size: expected"):
            Preprocess(bad)


def test_printable_names():
    assert printable("a\nb\udcff") == "a\ufffdb?"
    printable(Path(os.fsdecode(b"\xff"))).encode("utf-8")


# Augmentation


@settings(max_examples=30)
@given(st.integers(1, 5), st.integers(1, 3), st.integers(4, 40), st.integers(4, 40),
       st.integers(0, 999))
def test_augment_keeps_shape_and_range_and_follows_its_seed(n, c, h, w, seed):
    x = torch.rand(n, c, h, w, generator=torch.Generator().manual_seed(seed))
    a, b = (augment(x, warp=0.04, generator=torch.Generator().manual_seed(seed)) for _ in range(2))
    assert a.shape == x.shape and torch.equal(a, b) and a.min() >= 0 and a.max() <= 1


def test_augment_of_nothing_is_the_picture_itself():
    x = torch.rand(3, 3, 20, 20)
    same = augment(x, flip=False, degrees=0, zoom=0, shift=0, shear=0, light=0)
    torch.testing.assert_close(same, x, atol=1e-4, rtol=0)


STILL = {"zoom": 0, "shift": 0, "shear": 0, "light": 0}


def test_augment_mirrors_half_and_each_differently():
    x = torch.zeros(400, 1, 8, 8)
    x[..., :4] = 1
    y = augment(x, **STILL, degrees=0, generator=torch.Generator().manual_seed(0))
    mirrored = y[:, 0, 0, 0] < 0.5
    assert 150 < mirrored.sum() < 250


@pytest.mark.parametrize("kind", [torch.float64, torch.float16, torch.bfloat16])
def test_augment_takes_and_gives_other_floats(kind):
    x = torch.rand(3, 3, 8, 8).to(kind)
    def dice(): return torch.Generator().manual_seed(0)
    got, want = (augment(t, warp=0.04, generator=dice()) for t in (x, x.float()))
    assert got.dtype == kind and torch.equal(got, want.to(kind))
    with pytest.raises(TypeError, match="x: expected uint8 or floats"):
        augment(torch.zeros(1, 3, 8, 8, dtype=torch.int64))


def test_augment_refuses_what_it_would_clip():
    x = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    bad = [(x * 16, "to 1[56]"), (x / 0, "NaN"), (x - 0.5, "got -0"), (x[0, 0], r"\(8, 8\)"),
           (x[:, :, :0], "shape")]
    for images, match in bad:
        with pytest.raises(ValueError, match=f"x: expected.*{match}"):
            augment(images)
    with pytest.raises(TypeError, match="x: expected a tensor of images.*got ndarray"):
        augment(np.zeros((2, 1, 8, 8), np.float32))
    assert augment(torch.rand(0, 1, 8, 8)).shape == (0, 1, 8, 8)


@pytest.mark.parametrize("shape", [(40, 40), (40, 80), (90, 45)])
def test_a_round_spot_stays_round_when_it_is_turned(shape):
    rows, columns = torch.meshgrid(*(torch.arange(n) - (n - 1) / 2 for n in shape), indexing="ij")
    spot = torch.exp(-(rows**2 + columns**2) / 50).expand(30, 1, *shape)
    turned = augment(spot, **STILL, degrees=60, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(turned, spot, atol=0.02, rtol=0)
