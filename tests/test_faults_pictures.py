"Thousands of damaged and hostile pictures: no crash, no hang; good ones load, bad ones are listed."

import io
import math
import os
import random
import struct
import zlib

import numpy as np
import pytest
from faults import cases, damaged, in_a_child, lengths
from PIL import Image
from test_photos import bad, corner_picture, kinds, looks_right, png_bomb, saved, snapshot

from dljourney.kit.pictures import MAX_PIXELS, ImageError, read_image
from dljourney.kit.pictures import photos

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

A_FOLDER = 50  # files that are read together
MOST = 500  # MB that reading may take at most; the largest picture that is decoded takes some 300


def optional(make):
    "What `make` gives, or nothing where this Pillow was built without that kind."
    try:
        return make()
    except (OSError, KeyError, ValueError):
        return b""


def deep():
    return Image.fromarray(np.linspace(0, 65535, 60 * 40).reshape(40, 60).astype(np.uint16))


def turned(way):
    "A JPEG whose EXIF data says how the camera was held."
    exif = Image.Exif()
    exif[0x0112] = way
    exif[0x010E] = "a description " * 20
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[way]
    held = corner_picture().transpose(Image.Transpose(undo))
    return saved(held, "JPEG", quality=95, exif=exif.tobytes())


frames = [Image.new("RGB", (60, 40), c) for c in ("red", "blue", "black")]
right = {name: make() for name, make in kinds.items()}
right |= {f"turn {n}": turned(n) for n in range(2, 9)}
slope = np.linspace(0, 1, 2400, dtype=np.float32).reshape(40, 60)
odd = {
    "16 bit png": saved(deep(), "PNG"),
    "16 bit tiff": saved(deep(), "TIFF"),
    "32 bit tiff": saved(Image.fromarray(slope), "TIFF"),
    "1 bit png": saved(corner_picture("1"), "PNG"),
    "1 bit tiff": optional(lambda: saved(corner_picture("1"), "TIFF", compression="group4")),
    "grey alpha": saved(corner_picture("LA"), "PNG"),
    "palette with a clear colour": saved(corner_picture("P"), "PNG", transparency=3),
    "interlaced gif": saved(corner_picture(), "GIF", interlace=True),
    "animated png": saved(corner_picture(), "PNG", save_all=True, append_images=frames),
    "animated tiff": saved(corner_picture(), "TIFF", save_all=True, append_images=frames),
    "cmyk tiff": saved(corner_picture("CMYK"), "TIFF"),
    **{f"tiff {c}": optional(lambda c=c: saved(corner_picture(), "TIFF", compression=c))
       for c in ("tiff_lzw", "tiff_deflate", "packbits", "jpeg")},
    "jpeg 2000": optional(lambda: saved(corner_picture(), "JPEG2000")),
    "avif": optional(lambda: saved(corner_picture(), "AVIF")),
    "icon": saved(corner_picture(), "ICO"),
    "icon of bitmaps": saved(corner_picture(), "ICO", bitmap_format="bmp"),
    "1 x 1": saved(Image.new("RGB", (1, 1)), "PNG"),
    "60000 x 1": saved(Image.new("L", (60_000, 1)), "PNG"),
    "1 x 60000": saved(Image.new("L", (1, 60_000)), "BMP"),
    "psd": b"8BPS\0\1" + b"\0" * 200,
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
    "pdf": b"%PDF-1.4\n1 0 obj\n<<>>\nendobj",
    "zip": b"PK\3\4" + b"\0" * 100,
}  # fmt: skip


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def black_png(width, height, bits=8, colour=2):
    "A whole, valid and very small file of a very large picture."
    row = bytes((width * bits * {0: 1, 2: 3}[colour] + 7) // 8 + 1)
    press = zlib.compressobj(9)
    body = b"".join(press.compress(row * 1000) for _ in range(0, height, 1000)) + press.flush()
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def icon_of(png):
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, 64, 64, 0, 0, 1, 32, len(png), 22) + png


def pressed(kind, n):
    "A chunk of a PNG that holds n zeros."
    return chunk(kind, b"a\0\0" + zlib.compress(bytes(n)))


def gif_of(width, height, frame_width, frame_height):
    screen = struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    frame = b"," + struct.pack("<HHHHB", 0, 0, frame_width, frame_height, 0)
    return b"GIF89a" + screen + frame + b"\2\2\x4c\1\0;"


def tiff_of(width, height, bits=8):
    tags = [(256, 4, width), (257, 4, height), (258, 3, bits), (259, 3, 1), (262, 3, 1),
            (273, 4, 8), (277, 3, 1), (278, 4, height), (279, 4, 10)]
    head = b"II*\0" + struct.pack("<I", 18) + bytes(10) + struct.pack("<H", len(tags))
    entries = [struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags]
    return head + b"".join(entries) + bytes(4)


def with_chunk(extra):
    data = right["png"]
    return data[:33] + extra + data[33:]


bombs = {
    "announced by a png": lambda: png_bomb(60_000, 60_000),
    "whole, in a png": lambda: black_png(20_000, 20_000, 1, 0),
    "in an icon": lambda: icon_of(black_png(12_000, 12_000, 1, 0)),
    "announced in an icon": lambda: icon_of(png_bomb(60_000, 60_000)),
    "a gif's frame": lambda: gif_of(10, 10, 60_000, 60_000),
    "a smaller frame": lambda: gif_of(10, 10, 12_000, 12_000),
    "a gif's screen": lambda: gif_of(60_000, 60_000, 10, 10),
    "a tiff": lambda: tiff_of(60_000, 60_000),
    "a tiff of floats": lambda: tiff_of(9_000, 9_000, 32),
    "a bitmap that stands on its head": lambda:
        b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, -9000, -9000, 1, 24, *[0] * 6),
    "a ppm": lambda: b"P6 60000 60000 255\n" + bytes(100),
    "a ppm in words": lambda: b"P3 9000 9000 255\n" + b"1 " * 1000,
    "a ppm of one long word": lambda: b"P3 9000 9000 255\n" + b"1" * 5_000_000,
    "the text of a png": lambda: with_chunk(pressed(b"zTXt", 50_000_000)),
    "the colours of a png": lambda: with_chunk(pressed(b"iCCP", 50_000_000)),
    "many texts": lambda: with_chunk(pressed(b"zTXt", 900_000) * 80),
}  # fmt: skip


def read_alone(data):
    try:
        return list(read_image(data, 16).shape)
    except ImageError as e:
        return str(e)


@pytest.mark.parametrize("name", bombs)
def test_a_bomb_is_refused_before_memory_is_taken(name):
    data = bombs[name]()
    answer, grown = in_a_child(lambda: read_alone(data))
    assert isinstance(answer, str) and answer and grown < 100, f"{answer}, {grown:.0f} MB"


@pytest.mark.soak
def test_the_largest_picture_that_is_read_takes_what_the_module_says():
    answer, grown = in_a_child(lambda: read_alone(black_png(9_000, 9_000)))
    assert answer == [3, 16, 16] and grown < MOST


# Names, the kind in the name, the kind in the bytes: none of them says what a file is


def names(rng):
    "A name as people, cameras, phones and other systems write them; as bytes."
    words = ["кошка", "猫の写真", "صورة قطة", "חתול", "बिल्ली", "แมว", "고양이", "γάτα", "ネコ🐈",
             "e\u0301te\u0301", "\u202egpj.exe", "a\nb", "tab\t", "%s%n", "<script>", "--help",
             "$(touch x)", "con", "x" * 230, "spaces  ", "'quoted\"", "\ufeffbom", "IMG_0001", "..",
             "~", "`x`", "C:\\Windows", "a;b&c|d"]
    ends = [".jpg", ".JPG", ".jpeg", ".png", ".gif", "", ".txt", ".tiff", ".webp.png", ".heic",
            ".exe", ".py", ".html"]
    name = f"{rng.choice(words)}{rng.randrange(10**6)}".encode()[:240] + rng.choice(ends).encode()
    return name if rng.random() < 0.9 else name[:200] + b"\xff\xfe\x80"


def mutated(rng):
    "A picture, damaged, crossed with another, or damaged in a part whose checksum is right."
    kind = rng.choice(sorted(right) + sorted(odd))
    data = (right | odd)[kind]
    way = rng.random()
    if way < 0.15 and data[:4] == b"\x89PNG":  # past the checksums
        parts = (b"IHDR", b"IDAT", b"tRNS", b"PLTE", b"acTL", b"fcTL")
        at = [i for i in range(8, len(data) - 12) if data[i + 4 : i + 8] in parts]
        i = rng.choice(at)
        n = struct.unpack(">I", data[i : i + 4])[0]
        part = chunk(data[i + 4 : i + 8], damaged(data[i + 8 : i + 8 + n], rng))
        data = data[:i] + part + data[i + 12 + n :]
    elif way < 0.25:
        other = (right | odd)[rng.choice(sorted(right))]
        data = data[: rng.randrange(1, 60)] + other[rng.randrange(1, 60) :]
    else:
        for _ in range(rng.choice([1, 1, 1, 2, 4])):
            data = damaged(data, rng)
    return kind, data


def lay(folder, seed):
    "A folder of one seed: good and mutated pictures under any names. Gives the good ones' names."
    rng, good = random.Random(seed), []
    for i in range(A_FOLDER):
        place = os.fsencode(folder) + rng.choice([b"/left", b"/right/deeper", "/наверх".encode()])
        os.makedirs(place, exist_ok=True)
        if i % 10 == 0:
            data = right[rng.choice(sorted(right))]
        else:
            data = mutated(rng)[1]
        name = place + b"/" + names(rng)
        if os.path.exists(name):  # a long name that was cut loses its number
            continue
        if i % 10 == 0 and not os.path.basename(name).startswith(b"."):
            good.append(os.fsdecode(name))
        with open(name, "wb") as file:
            file.write(data)
    return good


def test_a_wide_canvas_of_an_animation_takes_no_more_memory_than_other_pictures(tmp_path):
    "WebP's decoder holds the canvas several times over."

    def moving(width, height):
        file = io.BytesIO()
        frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "green")]
        frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:], lossless=True)
        data = bytearray(file.getvalue())
        at = data.index(b"VP8X") + 12
        data[at : at + 6] = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        return bytes(data)

    (shape, grown) = in_a_child(lambda: list(read_image(moving(7000, 4200), 32).shape))
    assert shape == [3, 32, 32] and grown < MOST, grown
    with pytest.raises(ImageError, match="more than the limit"):
        read_image(moving(7000, 4300), 32)


COPIES = {"WEBP": 3, "AVIF": 3, "JPEG2000": 6}  # others: 3, or 1 where they are plain
often = [
    *[("TIFF", mode, {}) for mode in ("I;16", "I", "F", "CMYK", "P")],
    ("PNG", "RGBA", {}), ("PNG", "RGB", {"transparency": (1, 1, 1)}),
    ("GIF", "P", {"transparency": 1}), ("WEBP", "RGBA", {"method": 0}),
    ("AVIF", "RGBA", {"speed": 10}),
    ("JPEG2000", "RGB", {}),
]  # fmt: skip
seldom = [
    *[("PNG", mode, {}) for mode in ("1", "L", "RGB", "LA", "I;16")],
    *[("PNG", mode, {"transparency": 1}) for mode in ("L", "P")],
    ("BMP", "RGB", {}), ("PPM", "RGB", {}), ("GIF", "P", {}), ("TIFF", "RGBA", {}),
    ("ICO", "RGBA", {}),
    *[("JPEG", mode, {"progressive": True}) for mode in ("L", "RGB", "CMYK")],
    *[("JPEG2000", mode, {}) for mode in ("L", "RGBA")],
]


in_the_soak = [pytest.param(*case, marks=pytest.mark.soak) for case in seldom]


@pytest.mark.parametrize(("kind", "mode", "options"), often + in_the_soak)
def test_the_largest_picture_of_any_kind_takes_no_more_memory(kind, mode, options, tmp_path):
    if kind not in Image.registered_extensions().values():
        pytest.skip(f"this Pillow writes no {kind}")
    is_plain = mode in ("1", "L", "P", "RGB") and "transparency" not in options
    copies = COPIES.get(kind, 1 if is_plain else 3)
    file, side = tmp_path / "large", math.isqrt(MAX_PIXELS // copies)
    size = (side, side)
    if kind == "ICO":  # Pillow writes none larger than 256 x 256: a head, and a PNG
        data = saved(Image.new(mode, size), "PNG")
        file.write_bytes(struct.pack("<3H4B2H2I", 0, 1, 1, 0, 0, 0, 0, 1, 32, len(data), 22) + data)
    elif mode == "F":
        Image.fromarray(np.full(size, 0.5, np.float32)).save(file, kind)
    else:
        colour = 1 if len(mode) == 1 or mode == "I;16" else (1,) * len(mode)
        Image.new(mode, size, colour).save(file, kind, **options)
    shape, grown = in_a_child(lambda: list(read_image(file, 32).shape))
    assert shape == [3, 32, 32] and grown < MOST, grown
    with pytest.raises(ImageError, match="more than the limit"):
        read_image(file, 32, max_pixels=copies * side * side - 1)


@lengths
def test_folders_of_mutated_pictures(length, tmp_path):
    "5,000 of them in the soak's first part, each folder in a process of its own."
    for seed in cases(length, 5500 // A_FOLDER, share=0.08):
        folder = tmp_path / str(seed)
        good = lay(folder, seed)
        before = snapshot(folder)

        def read(folder=folder, good=good):
            data = photos(folder, size=32, fit="squash", valid=0)
            found = {os.fspath(f): data.x[i] for i, f in enumerate(data.files)}
            wrong = [g for g in good if g not in found or not looks_right(found[g])]
            silent = [s.file.name for s in data.skipped if not s.reason.strip() or "\n" in str(s)]
            repr(data).encode("utf-8")
            return [len(data.files) + len(data.skipped), ascii(wrong), ascii(silent)]

        (n, wrong, silent), grown = in_a_child(read)
        told = f"the folder of seed {seed}"
        seen = [p for p, (_, data) in before.items() if data is not None and p.name[0] != "."]
        assert n == len(seen), told
        assert wrong == silent == "[]" and grown < MOST, f"{told}: {wrong} {silent} {grown:.0f} MB"
        assert snapshot(folder) == before, f"{told}: something was changed"


def test_files_that_may_not_be_read_are_listed(tmp_path):
    for name in ("a.png", "b.png", "secret.png"):
        (tmp_path / "cat").mkdir(exist_ok=True)
        (tmp_path / "cat" / name).write_bytes(right["png"])
    (tmp_path / "locked").mkdir()
    (tmp_path / "locked" / "c.png").write_bytes(right["png"])
    (tmp_path / "cat" / "secret.png").chmod(0)
    (tmp_path / "locked").chmod(0)

    def read():
        os.chdir(tmp_path)
        if os.geteuid() == 0:  # whoever may do all things becomes somebody who may not
            os.chown(tmp_path, 65534, 65534)
            os.setegid(65534)
            os.seteuid(65534)
        data = photos(".", size=8, valid=0)
        return sorted(str(s) for s in data.skipped), len(data)

    try:
        (skipped, n), _ = in_a_child(read)
    finally:
        (tmp_path / "locked").chmod(0o700)
    assert n == 2 and len(skipped) == 2, skipped
    assert "no permission" in skipped[0] and ("permission" in skipped[1] or "folder" in skipped[1])


def test_links_in_circles_end(tmp_path):
    place = tmp_path / "cat"
    for i in range(30):
        place = place / f"{i}"
    place.mkdir(parents=True)
    (place / "a.png").write_bytes(right["png"])
    for i in range(30):  # each level leads back to the top, and to itself
        level = tmp_path.joinpath("cat", *(str(n) for n in range(i)))
        (level / "top").symlink_to(tmp_path)
        (level / "self").symlink_to(level / "self")
    data = photos(tmp_path, size=8, valid=0)
    assert len(data) == 1 and len(data.skipped) == 30
    told = "cannot be opened: too many levels of symbolic links"
    assert {s.reason for s in data.skipped} == {told}


def test_what_other_tests_call_bad_is_told_from_a_folder_too(tmp_path):
    for name, (data, _) in bad.items():
        (tmp_path / "x").mkdir(exist_ok=True)
        (tmp_path / "x" / name).write_bytes(data)
    (tmp_path / "x" / "good").write_bytes(right["jpeg"])
    data = photos(tmp_path, size=8, valid=0)
    assert len(data) == 1
    for s in data.skipped:
        assert bad[s.file.name][1] in s.reason


def test_a_picture_that_is_only_opened_is_checked_too():
    "A PIL picture that was opened but not decoded yet may be damaged."
    noise = Image.frombytes("RGB", (90, 90), random.Random(0).randbytes(90 * 90 * 3))
    for fmt in ("PNG", "JPEG", "TIFF", "GIF"):
        data = saved(noise, fmt)
        with pytest.raises(ImageError, match="damaged"):
            left = data[:-9000] if fmt == "TIFF" else data[: len(data) * 2 // 3]
            read_image(Image.open(io.BytesIO(left)), 8)
