"One tag is undone by one party, and what is clear is clear, in every kind of file."

import copy
import io
import pickle
import struct
import zlib

import numpy as np
import pytest
import torch
from faults import in_a_child
from PIL import Image, ImageOps
from test_photos import saved

from dljourney.kit.pictures import ImageError, read_image

ORIENTATION = 0x0112
MOST = 500  # MB that reading may take at most, as in test_faults_pictures.py


def greys(size=(20, 12)):
    "Four corners of four greys: each of the eight ways to hold it looks different."
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[: size[1] // 2, : size[0] // 2], pixels[: size[1] // 2, size[0] // 2 :] = 255, 128
    pixels[size[1] // 2 :, : size[0] // 2] = 64
    return Image.fromarray(pixels)


def in_exif(way):
    exif = Image.Exif()
    exif[ORIENTATION] = way
    return {"exif": exif.tobytes()}


def xmp(way):
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" '
        f'tiff:Orientation="{way}"/></x:xmpmeta>'
    ).encode()


def in_xmp(way):
    "Where each format keeps XMP data."
    from PIL.PngImagePlugin import PngInfo
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    png, tiff = PngInfo(), ImageFileDirectory_v2()
    packet = b"http://ns.adobe.com/xap/1.0/\0" + xmp(way)
    png.add_itxt("XML:com.adobe.xmp", xmp(way).decode())
    tiff[700] = xmp(way)
    jpeg = b"\xff\xe1" + struct.pack(">H", len(packet) + 2) + packet
    return {"xmp": xmp(way), "pnginfo": png, "tiffinfo": tiff, "extra": jpeg}


def as_tiff(way):
    "The tag among a TIFF's own."
    return {"tiffinfo": {ORIENTATION: way}}


formats = {
    "JPEG": {"quality": 95}, "PNG": {}, "GIF": {}, "BMP": {}, "WEBP": {"lossless": True},
    "TIFF": {}, "PPM": {}, "AVIF": {}, "JPEG2000": {}, "ICO": {"sizes": [(20, 12)]},
    "MPO": {"save_all": True},
}  # fmt: skip
tags = {"exif": in_exif, "xmp": in_xmp, "tiff": as_tiff}
cases = [
    *[(fmt, tag, "RGB", options) for fmt, options in formats.items() for tag in ("exif", "xmp")],
    *[("TIFF", "tiff", mode, {}) for mode in ("1", "L", "P", "LA", "RGBA", "CMYK", "I;16", "F")],
    *[("TIFF", "tiff", "RGB", {"compression": way}) for way in ("tiff_lzw", "packbits", "jpeg")],
    *[("PNG", "exif", mode, {}) for mode in ("P", "LA", "I;16")],
]  # fmt: skip


def held(fmt, tag, mode, options, way):
    "A file that says how it was held, where Pillow can write such a file."
    grey = np.asarray(greys().convert("L"))
    deep = {"I;16": grey.astype(np.uint16) * 257, "F": grey.astype(np.float32) / 255}
    im = Image.fromarray(deep[mode]) if mode in deep else greys().convert(mode)
    try:
        return saved(im, fmt, **options, **tags[tag](way))
    except (KeyError, OSError):
        pytest.skip(f"this Pillow writes no {fmt}")


def upright(im):
    "A picture as Pillow sets it upright, grey, over white."
    im = ImageOps.exif_transpose(im)
    if im.mode == "F" or im.mode.startswith("I"):
        a = np.asarray(im)
        return (a / (1 if im.mode == "F" else 65535) * 255 + 0.5).astype(np.uint8)
    return np.asarray(im.convert("RGB").convert("L"))


def loaded(data):
    im = Image.open(io.BytesIO(data))
    im.load()
    return im


def asked(data):
    "Opened, and asked for its tags before it is decoded."
    im = Image.open(io.BytesIO(data))
    im.getexif()
    return im


def told(data):
    "A picture in memory whose tag was set after it was decoded."
    im = loaded(data)
    im.getexif()[ORIENTATION] = 6
    return im


pictures = {
    "opened": lambda data: Image.open(io.BytesIO(data)),
    "asked": asked,
    "loaded": loaded,
    "copied": lambda data: Image.open(io.BytesIO(data)).copy(),
    "copied deeply": lambda data: copy.deepcopy(loaded(data)),
    "pickled": lambda data: pickle.loads(pickle.dumps(loaded(data))),
    "converted": lambda data: Image.open(io.BytesIO(data)).convert("RGB"),
    "transposed": lambda data: ImageOps.exif_transpose(Image.open(io.BytesIO(data))),
    "told": told,
}


@pytest.mark.parametrize(("fmt", "tag", "mode", "options"), cases, ids=lambda case: str(case))
def test_a_picture_is_turned_once_whoever_turns_it(fmt, tag, mode, options, tmp_path):
    for way in range(1, 9):
        data = held(fmt, tag, mode, options, way)
        want = upright(Image.open(io.BytesIO(data)))
        (tmp_path / f"{way}").write_bytes(data)
        def read(source, want=want): return read_image(source, want.shape, channels=1)[0].numpy()
        for source in (tmp_path / f"{way}", str(tmp_path / f"{way}"), data, io.BytesIO(data)):
            assert (read(source) == want).all(), f"{way} from {type(source).__name__}"
        for name, make in pictures.items():
            want = upright(make(data))
            assert (read(make(data), want) == want).all(), f"{way}, a picture that was {name}"


@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP", "TIFF", "MPO", "AVIF"])
def test_the_cases_above_hold_tags(fmt):
    for way in range(2, 9):
        files = (held(fmt, "exif", "RGB", formats[fmt], n) for n in (1, way))
        flat, turned = (upright(Image.open(io.BytesIO(file))) for file in files)
        assert flat.shape != turned.shape or (flat != turned).any()


@pytest.mark.parametrize("fmt", ["JPEG", "TIFF", "PNG"])
@pytest.mark.parametrize("fit", ["crop", "squash", "pad"])
def test_the_part_that_is_kept_is_chosen_upright(fmt, fit):
    "Large files too, which JPEG decodes at a part of their size."
    big = greys((640, 320)).resize((320, 160), Image.Resampling.BICUBIC)
    for way in range(1, 9):
        data = saved(big, fmt, **in_exif(way), **formats[fmt])
        turned = np.asarray(ImageOps.exif_transpose(loaded(data)))
        want = read_image(turned, (24, 40), fit=fit).float()
        assert (read_image(data, (24, 40), fit=fit) - want).abs().mean() < 3, way


def test_reading_a_picture_in_memory_leaves_it_as_it_was():
    for fmt in ("TIFF", "JPEG", "PNG"):
        data = saved(greys(), fmt, **in_exif(6), **formats[fmt])
        im, same = (pictures["opened"](data) for _ in range(2))
        read_image(im, 4)
        same.load()
        assert im.size == same.size and im.info == same.info and im.tobytes() == same.tobytes()


def test_a_turned_tiff_takes_no_more_memory_than_others(tmp_path):
    "Pillow holds it twice while it turns it."
    side = int((89_478_485 // 3) ** 0.5)
    for mode in ("RGB", "F"):
        file = tmp_path / mode
        Image.new(mode, (side, side)).save(file, "TIFF", **as_tiff(6))
        shape, grown = in_a_child(lambda file=file: list(read_image(file, 32).shape))
        assert shape == [3, 32, 32] and grown < MOST, grown
        with pytest.raises(ImageError, match="more than the limit"):
            read_image(file, 32, max_pixels=3 * side * side - 1)


# Transparency: black pixels of which some are clear; over white


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(bits, colour, samples, key):
    "A PNG of one row, by the standard; `key` is the colour that is clear, or a palette's alphas."
    per = {0: 1, 2: 3, 3: 1}[colour]
    row = "".join(f"{s:0{bits}b}" for pixel in samples for s in pixel)
    row = int(row.ljust(-(-len(row) // 8) * 8, "0"), 2).to_bytes(-(-len(row) // 8), "big")
    palette = chunk(b"PLTE", b"\0\0\0\1\1\1") if colour == 3 else b""
    clear = bytes(key) if colour == 3 else struct.pack(f">{per}H", *key)
    head = struct.pack(">IIBBBBB", len(samples), 1, bits, colour, 0, 0, 0)
    body = palette + chunk(b"tRNS", clear) + chunk(b"IDAT", zlib.compress(b"\0" + row))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + body + chunk(b"IEND", b"")


def grey_png(bits, key):
    return png(bits, 0, [(key,), (0,), (2**bits - 1,), (key,)], (key,))


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_the_clear_grey_of_a_png_is_clear_at_every_depth(bits):
    most = 2**bits - 1
    for key in {1, most // 2 or 1, most}:
        data = grey_png(bits, key)
        want = [255, 0, 255, 255]  # the one that is white is white, clear or not
        for source in (data, io.BytesIO(data), Image.open(io.BytesIO(data))):
            assert read_image(source, (1, 4), channels=1).flatten().tolist() == want, key


def test_the_clear_colour_of_a_png_is_clear_at_every_depth():
    for bits, key in ((8, (1, 2, 3)), (16, (426, 699, 972)), (16, (0x1234, 0x3412, 0x5678))):
        data = png(bits, 2, [key, (0, 0, 0)], key)
        for source in (data, Image.open(io.BytesIO(data))):
            assert read_image(source, (1, 2))[:, 0].tolist() == [[255, 0]] * 3, (bits, key)
        # a colour of eight bits like the low half of sixteen is another colour
        low = tuple(v & 0xFF for v in key)
        data = png(bits, 2, [tuple(v * 257 for v in low) if bits == 16 else (9, 9, 9)], key)
        want = list(low) if bits == 16 else [9, 9, 9]
        assert read_image(data, 1).flatten().tolist() == want


def test_the_clear_places_of_a_palette_are_clear_at_every_depth():
    for bits in (1, 2, 4, 8):
        for alphas in ((0,), (0, 255), (255, 0), (128, 255)):
            data = png(bits, 3, [(0,), (1,)], alphas)
            a = (*alphas, 255)[:2]
            want = [round((0, 1)[i] * a[i] / 255 + 255 - a[i]) for i in range(2)]
            got = read_image(data, (1, 2), channels=1).flatten().tolist()
            assert np.abs(np.subtract(got, want)).max() <= 1, (bits, alphas)


def black(mode, alpha):
    "One black pixel in a mode that tells how opaque it is, by a channel or beside it."
    if mode == "P with a palette of alphas":
        im = Image.new("P", (1, 1))
        im.putpalette([0, 0, 0, alpha], "RGBA")
    elif mode in ("P", "1", "L", "I", "I;16", "RGB"):
        im = Image.new(mode, (1, 1))
        clear = (0, 0, 0) if mode == "RGB" else 0
        other = (9, 9, 9) if mode == "RGB" else 9
        im.info["transparency"] = bytes([alpha]) if mode == "P" else other if alpha else clear
    else:
        base = {"L": "LA", "P": "PA", "R": "RGBA"}[mode[0]]
        im = Image.new(base, (1, 1), (0,) * (len(base) - 1) + (alpha,)).convert(mode)
    return im


whole = ["P", "1", "L", "I", "I;16", "RGB"]
parts = ["P", "P with a palette of alphas", "PA", "LA", "La", "RGBA", "RGBa"]


opaque = [(m, a) for m in whole for a in (0, 255)]
opaque += [(m, a) for m in parts for a in (0, 100, 255)]


@pytest.mark.parametrize(("mode", "alpha"), opaque)
@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_clear_lies_on_white_in_every_mode(mode, alpha, channels):
    im = black(mode, alpha)
    assert im.has_transparency_data
    assert (read_image(im, 1, channels=channels).int() - (255 - alpha)).abs().max() <= 1


@pytest.mark.parametrize("fmt", ["PNG", "WEBP", "TIFF", "GIF", "ICO", "JPEG2000", "AVIF"])
@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_clear_in_a_file_lies_on_white(fmt, mode):
    "Half of it clear: the rest stays black."
    im = Image.new("RGBA", (32, 32), (0, 0, 0, 255))
    im.paste((0, 0, 0, 0), (0, 0, 16, 32))
    im = im.quantize(4) if mode == "P" else im.convert(mode)
    try:
        data = saved(im, fmt)
    except (KeyError, OSError):
        pytest.skip(f"this Pillow writes no {mode} as {fmt}")
    same = loaded(data)
    if (same.mode == "P" and same.palette is None) or not same.has_transparency_data:
        assert read_image(data, 32).shape == (3, 32, 32)
        pytest.skip(f"Pillow keeps no alpha of {mode} in {fmt}")
    x = read_image(data, 32).int()
    assert x[:, :, :12].min() > 250 and x[:, :, 20:].max() < 5


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "HSV", "LAB", "F", "RGBX"])
def test_a_clear_colour_that_a_mode_cannot_have_is_no_reason_to_lose_a_picture(mode):
    im = Image.new(mode, (2, 2))
    want = read_image(im, 2)
    im.info["transparency"] = 0
    assert torch.equal(read_image(im, 2), want)


def test_a_clear_colour_that_means_nothing_is_one_error():
    im = Image.new("P", (2, 2))
    im.info["transparency"] = (0, 0, 0)
    with pytest.raises(ImageError, match="damaged"):
        read_image(im, 2)


@pytest.mark.parametrize("bits", [2, 16])
def test_a_clear_grey_takes_no_more_memory_than_other_greys(bits):
    side = int((89_478_485 // 3) ** 0.5)
    head = struct.pack(">IIBBBBB", side, side, bits, 0, 0, 0, 0)
    press = zlib.compressobj(1)
    row = bytes(1 + (side * bits + 7) // 8)
    body = b"".join(press.compress(row) for _ in range(side)) + press.flush()
    parts = chunk(b"IHDR", head), chunk(b"tRNS", b"\0\1"), chunk(b"IDAT", body), chunk(b"IEND", b"")
    data = b"\x89PNG\r\n\x1a\n" + b"".join(parts)
    shape, grown = in_a_child(lambda: list(read_image(data, 32).shape))
    assert shape == [3, 32, 32] and grown < MOST, grown
    with pytest.raises(ImageError, match="more than the limit"):
        read_image(data, 32, max_pixels=3 * side * side - 1)
