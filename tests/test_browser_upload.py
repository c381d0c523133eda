"The demo Upload in a real browser: files go in through the button, drawings through the pad, answers come out."

import pytest
from test_upload import picture

pytestmark = pytest.mark.browser

CELLS = [
    "import numpy as np\n"
    "from dljourney.demos.upload import Upload\n"
    "from dljourney.kit.images import read_image\n"
    "def light(picture):\n"
    "    share = float(read_image(picture, 8, channels=1).float().mean() / 255)\n"
    "    return dict(sorted({'light': share, 'dark': 1 - share}.items(), key=lambda pair: -pair[1]))",
    "demo = Upload(light); demo",
]


def test_several_files_are_uploaded_and_named_and_a_drawing_too(front):
    page = front.open(*CELLS)
    page.wait_for_selector(".jupyter-widgets.widget-upload, .widget-upload")
    files = [
        {"name": "snow.png", "mimeType": "image/png", "buffer": picture(250)},
        {"name": "night.png", "mimeType": "image/png", "buffer": picture(5)},
        {"name": "broken.png", "mimeType": "image/png", "buffer": b"not a picture"},
    ]
    with page.expect_file_chooser() as chooser:
        page.locator(".widget-upload").first.click()
    chooser.value.set_files(files)
    page.wait_for_function("document.querySelectorAll('.dljourney-answer').length === 3")
    shown = page.locator(".dljourney-answer").all_inner_texts()
    assert "snow.png" in shown[0] and "light" in shown[0].split("\n")[1]
    assert "night.png" in shown[1] and "dark" in shown[1].split("\n")[1]
    assert "cannot be read: not a picture" in shown[2]
    said = front.python(page, "print([next(iter(a)) for _, _, a in demo.found if not isinstance(a, str)])")
    assert said == "['light', 'dark']"

    box = page.locator("canvas").first.bounding_box()
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.2 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.8 * box["height"], steps=5)
    page.mouse.up()
    page.wait_for_function("document.querySelector('.dljourney-answer').textContent.includes('your drawing')")
    assert page.problems == [] and page.outside == []
    front.shut(page)
