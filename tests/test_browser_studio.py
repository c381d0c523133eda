"Studio in a real browser: a camera that is there, refused or missing, files, and what stays."

import os

import numpy as np
import pytest
from browser import stroke
from PIL import Image, ImageDraw
from test_browser_upload import photograph

pytestmark = pytest.mark.browser

CELLS = ["from dljourney.demos import Studio", "s = Studio('{}', model='glyphnet'); s"]
FAKE = "--use-fake-device-for-media-stream"
LEARNED = ".dlj-learned:not([hidden])"


def film(path, size=(320, 240), n=100):
    """A red ball for a while, then yellow bars, over and over.

    No two pictures are alike, as of a real camera: a known one moves to the pile that is held.
    """
    width, height = size
    with open(path, "wb") as file:
        file.write(f"YUV4MPEG2 W{width} H{height} F15:1 Ip A1:1 C420jpeg\n".encode())
        for i in range(2 * n):
            frame = Image.new("RGB", size, "#c8c0b0" if i < n else "#30404c")
            pen, x = ImageDraw.Draw(frame), 90 + 5 * (i % 20)
            pen.rectangle((41, 230, 42 + i, 239), fill="#204080")  # in the square that is kept
            if i < n: pen.ellipse((x, 70, x + 90, 160), fill="#d02828")
            for k in range(0, 100 * (i >= n), 20):
                pen.rectangle((x + k, 60, x + k + 10, 180), fill="#f0e020")
            y, cb, cr = (np.asarray(part) for part in frame.convert("YCbCr").split())
            file.write(b"FRAME\n" + y.tobytes() + cb[::2, ::2].tobytes() + cr[::2, ::2].tobytes())
    return path


def opened(front, folder, **options):
    page = front.open(CELLS[0], CELLS[1].format(folder), **options)
    page.wait_for_selector(".dlj-pile")
    front.until(page, "s.sorter is not None")
    return page


def hold(page, pile, n):
    "Hold a pile's button until it has `n` pictures or more."
    button = page.locator(".dlj-pile").nth(pile).locator(".dlj-hold")
    button.scroll_into_view_if_needed()
    box = button.bounding_box()
    page.mouse.move(box["x"] + 9, box["y"] + 9)
    page.mouse.down()
    page.wait_for_function(f"""document.querySelectorAll('.dlj-pile')[{pile}]
      .querySelectorAll('.dlj-shot').length >= {n}""")
    page.mouse.up()


def test_a_camera_fills_piles_is_answered_and_goes_out(with_flags, tmp_path):
    film(tmp_path / "film.y4m")
    front = with_flags(FAKE, "--use-fake-ui-for-media-stream",
                       f"--use-file-for-fake-video-capture={tmp_path / 'film.y4m'}")
    page = opened(front, "filmed", height=1100)
    hold_first = page.locator(".dlj-hold").first
    hold_first.focus()
    page.keyboard.press("Space")  # turns it on
    page.wait_for_selector(".dlj-live")
    hold(page, 0, 3)
    hold(page, 1, 3)
    page.locator(".dlj-learn").click()
    page.wait_for_selector(LEARNED)
    page.wait_for_selector(".dlj-most")
    assert page.locator(".dlj-said").count() == 2 and page.locator(".dlj-doubt").count() >= 6
    assert "Nothing leaves this machine" in page.locator(".dlj-private").inner_text()
    front.shot(page, "studio-camera")
    kept = front.python(page, "print(sum(len(found) for found in s.piles.read().values()))")
    files = list((front.root / "filmed").rglob("*.jpg"))
    assert len(files) == int(kept) >= 6 and Image.open(files[0]).size == (224, 224)
    page.evaluate("""() => {
      window.track = document.querySelector('.dlj-screen video').srcObject.getTracks()[0];
      window.panel.content.activeCellIndex = 1;
    }""")
    assert page.evaluate("window.track.readyState") == "live"
    page.evaluate("window.jupyterapp.commands.execute('notebook:clear-cell-output')")
    page.wait_for_function("window.track.readyState === 'ended'")
    assert page.problems == [] and page.outside == []
    front.shut(page)


@pytest.mark.parametrize("flags, told", [
    ([FAKE, "--deny-permission-prompts"], "may not use the camera"),
    (["--use-fake-ui-for-media-stream"], "There is no camera here"),
])
def test_without_a_camera_the_page_says_why_and_drawings_do(with_flags, flags, told):
    front = with_flags(*flags)
    page = opened(front, f"dark {len(flags)}")
    page.locator(".dlj-lamp").click()
    page.wait_for_function(
        f"document.querySelector('.dlj-camerasays').textContent.includes('{told}')")
    assert page.locator(".dlj-live").count() == 0
    assert page.locator(".dlj-lamp").inner_text() == "Turn on the camera"
    stroke(page, [(0.2, 0.2), (0.8, 0.7)])
    page.locator(".dlj-drawn").first.click()
    page.wait_for_selector(".dlj-shot img[src]")
    assert page.problems == []
    front.shut(page)


def add_files(page, pile, files):
    with page.expect_file_chooser() as chooser:
        page.locator(".dlj-files").nth(pile).click()
    chooser.value.set_files(files)


def plain(folder, name, colour, n):
    "Some pictures of nearly one colour."
    folder.mkdir(exist_ok=True)
    for i in range(n):
        Image.new("RGB", (60, 40 + i), colour).save(folder / f"{name}{i}.png")
    return [folder / f"{name}{i}.png" for i in range(n)]


def test_files_are_kept_upright_moved_by_a_click_and_there_after_a_restart(front, tmp_path):
    page = opened(front, "kept", height=1300)
    photo = photograph(tmp_path / "photo.jpg")
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    add_files(page, 0, [photo, broken, *plain(tmp_path, "red", "#d02020", 5)])
    add_files(page, 1, plain(tmp_path, "blue", "#2030d0", 6))
    page.wait_for_function("document.querySelectorAll('.dlj-shot img[src]').length === 12")
    assert Image.open(next((front.root / "kept" / "that").glob("*.jpg"))).size == (768, 1024)
    page.locator(".dlj-learn").click()
    page.wait_for_selector(LEARNED)
    assert "of 12 right" in page.locator(".dlj-judged").inner_text()
    front.shot(page, "studio-files")
    page.locator(".dlj-doubt select").first.select_option(index=1)
    front.until(page, "s._learned['stale']")
    page.locator(".dlj-shot").first.click()
    page.locator(".dlj-pile .dlj-acts button").first.click()
    front.until(page, "s._shelf['aside']", 1)
    page.reload()
    page.wait_for_function("window.jupyterapp")
    front.shut(page)
    for theme, width in (("dark", 1280), ("light", 480)):
        page = opened(front, "kept", theme=theme, width=width, height=1300)
        page.wait_for_function("document.querySelectorAll('.dlj-shot img[src]').length === 11")
        page.locator(".dlj-learn").click()
        page.wait_for_selector(LEARNED)
        front.shot(page, f"studio-{width}")
        assert page.problems == [] and page.outside == []
        front.shut(page)


@pytest.mark.soak
@pytest.mark.parametrize("piles, each", [(2, 100), (12, 6)])
def test_many_pictures_and_many_piles(front, tmp_path, piles, each):
    page = opened(front, f"many {piles}", height=1400)
    for n in range(piles - 2):
        page.locator(".dlj-another").click()
        page.wait_for_function(f"document.querySelectorAll('.dlj-pile').length === {n + 3}")
    for n in range(piles):
        colour = (20 * n, 255 - 20 * n, 90 * (n % 3))
        add_files(page, n, plain(tmp_path / str(n), "p", colour, each))
    front.until(page, "sum(map(len, s.piles.read().values()))", piles * each, seconds=300)
    page.locator(".dlj-learn").click()
    page.wait_for_selector(LEARNED, timeout=300_000)
    front.until(page, "len(s._learned['names'])", piles)
    assert page.locator(".dlj-doubt").count() == 24
    front.shot(page, f"studio-{piles}-piles")
    assert page.problems == [] and os.listdir(front.root / f"many {piles}")
    front.shut(page)
