"Upload in a real browser: files go in by the button, drawings by the pad, answers come out."

import shutil

import numpy as np
import pytest
from PIL import Image
from test_upload import picture

pytestmark = pytest.mark.browser

CELLS = ["import numpy as np\n" "from dljourney.demos.upload import Upload\n"
         "from dljourney.kit.pictures.images import read_image\n" "def light(picture):\n"
         "    share = float(read_image(picture, 8, channels=1).float().mean() / 255)\n"
         "    said = {'light': share, 'dark': 1 - share}\n"
         "    return dict(sorted(said.items(), key=lambda pair: -pair[1]))",
         "demo = Upload(light); demo"]


def test_several_files_are_uploaded_and_named_and_a_drawing_too(front):
    page = front.open(*CELLS)
    page.wait_for_selector(".jupyter-widgets.widget-upload, .widget-upload")
    files = [{"name": "snow.png", "mimeType": "image/png", "buffer": picture(250)},
             {"name": "night.png", "mimeType": "image/png", "buffer": picture(5)},
             {"name": "broken.png", "mimeType": "image/png", "buffer": b"not a picture"}]
    with page.expect_file_chooser() as chooser:
        page.locator(".widget-upload").first.click()
    chooser.value.set_files(files)
    page.wait_for_function("document.querySelectorAll('.dljourney-answer').length === 3")
    shown = page.locator(".dljourney-answer").all_inner_texts()
    assert "snow.png" in shown[0] and "light" in shown[0].split("\n")[1]
    assert "night.png" in shown[1] and "dark" in shown[1].split("\n")[1]
    assert "cannot be read: not a picture" in shown[2]
    first = "print([next(iter(a)) for _, _, a in demo.found if not isinstance(a, str)])"
    said = front.python(page, first)
    assert said == "['light', 'dark']"

    box = page.locator("canvas").first.bounding_box()
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.2 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.8 * box["height"], steps=5)
    page.mouse.up()
    page.wait_for_function(
        "document.querySelector('.dljourney-answer').textContent.includes('your drawing')")
    assert page.problems == [] and page.outside == []
    front.shut(page)


def photograph(path):
    "12 megapixels as a telephone keeps them: on their side, bright to the right, and to be turned."
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 90, (1500, 2000, 3), np.uint8)).resize((4000, 3000))
    ramp = np.linspace(0, 160, 4000).astype(np.uint8)[None, :, None]
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter to the right
    Image.fromarray(np.asarray(noise) + ramp).save(path, "JPEG", quality=95, exif=exif)
    return path


def choose(page, *files):
    with page.expect_file_chooser() as chooser:
        page.locator(".widget-upload").first.click()
    chooser.value.set_files(list(files))


def test_ten_photographs_at_once_are_made_small_and_each_is_answered_or_told(front, tmp_path):
    page = front.open(*CELLS)
    page.wait_for_selector(".widget-upload")
    photo = photograph(tmp_path / "photo 0.jpg")
    assert photo.stat().st_size > 3e6
    photos = [photo] + [tmp_path / f"photo {n}.jpg" for n in range(1, 10)]
    for copy in photos[1:]:
        shutil.copy(photo, copy)
    broken, raw = tmp_path / "broken.jpg", tmp_path / "raw.heic"
    broken.write_bytes(photo.read_bytes()[:1000])
    raw.write_bytes(bytes(9 * 2**20))
    files = [*photos[:4], broken, raw, *photos[4:]]
    choose(page, *files)
    page.wait_for_function("document.querySelectorAll('.dljourney-answer').length === 12")
    shown = page.locator(".dljourney-answer").all_inner_texts()
    assert [text.split("\n")[0] for text in shown] == [file.name for file in files]
    assert "cannot be read" in shown[4]
    assert "this browser cannot make it smaller" in shown[5] and "9.0 MB" in shown[5]
    told = front.python(page, """
import io
from PIL import Image
kept = [Image.open(io.BytesIO(p)) for name, p, answer in demo.found if name.startswith("photo")]
grey = np.asarray(kept[0].convert("L"))
turned = grey[-200:].mean() > grey[:200].mean() + 80
largest = max(len(p) for _, p, _ in demo.found if p)
print({k.size for k in kept}, len(kept), turned, largest < 1e6)""")
    assert told == "{(768, 1024)} 10 True True"  # upright: what lay at the right is below

    small = tmp_path / "small.png"
    small.write_bytes(picture(250))
    choose(page, small)
    page.wait_for_function("document.querySelectorAll('.dljourney-answer').length === 1")
    same = front.python(page, f"print(demo.found[0][1] == {small.read_bytes()!r})")
    assert same == "True", "what is small goes as it is"
    assert page.problems == [] and page.outside == []
    front.shut(page)
