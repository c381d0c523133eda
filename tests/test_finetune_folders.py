"`dljourney finetune` on what people have on their phones: damaged, huge, moving, few, very many."

import io
import re
import shutil
import subprocess
import sys

import pytest
from PIL import Image
from test_faults_pictures import png_bomb
from test_finetune_default import needs_photonet, written

from dljourney.cli.course import main
from dljourney.program import load

pytestmark = needs_photonet


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory):
    "One for all tests here: what the body says is asked once."
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLJOURNEY_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def moving(first, second):
    "An animation of two pictures."
    file, pages = io.BytesIO(), [Image.open(f).convert("RGB") for f in (first, second)]
    pages[0].save(file, "WEBP", save_all=True, append_images=pages[1:], duration=100, lossless=True)
    return file.getvalue()


def test_what_cannot_be_read_is_told_and_the_rest_is_learned(tmp_path, capsys):
    folder = written(tmp_path / "pictures", 6)
    cells = sorted((folder / "cells").iterdir())
    (folder / "cells" / "cut.png").write_bytes(cells[0].read_bytes()[:500])
    (folder / "cells" / "empty.jpg").write_bytes(b"")
    (folder / "cloth" / "huge.png").write_bytes(png_bomb(60_000, 60_000))
    (folder / "cells" / "moving.webp").write_bytes(moving(cells[0], folder / "cloth" / "001.png"))
    assert main(["finetune", str(folder), "--out", str(tmp_path / "o"), "--quiet"]) == 0
    told = capsys.readouterr().out
    left = re.findall(r"^left out .*?(\w+\.\w+): (.*)$", told, re.M)
    assert [name for name, _ in left] == ["cut.png", "empty.jpg", "huge.png"]
    assert "more than the limit" in left[2][1] and all(reason for _, reason in left)
    assert "learned from all 25 pictures" in told
    page = (tmp_path / "o" / "report.html").read_text(encoding="utf-8")
    assert all(name in page for name in ("cut.png", "empty.jpg", "huge.png"))
    still, both = load(tmp_path / "o")([cells[0], folder / "cells" / "moving.webp"])
    assert still == pytest.approx(both, abs=1e-4)  # its first picture counts


@pytest.mark.parametrize("each, status, told", [
    (1, 2, "expected at least two pictures in a class, so that one can be held out"),
    (2, 1, "fewer than two pictures to train on: cells 1, cloth 1; add some"),
])  # fmt: skip
def test_hardly_any_photographs(each, status, told, tmp_path, capsys):
    folder = written(tmp_path / "pictures", each)
    for name in ("corduroy", "pebbles"):
        shutil.rmtree(folder / name)
    assert main(["finetune", str(folder), "--out", str(tmp_path / "o"), "--quiet"]) == status
    assert told in capsys.readouterr().err
    assert (tmp_path / "o" / "program.safetensors").exists() == (status == 1)


def test_photographs_of_one_class(tmp_path, capsys):
    folder = written(tmp_path / "pictures", 3)
    for name in ("cloth", "corduroy", "pebbles"):
        shutil.rmtree(folder / name)
    assert main(["finetune", str(folder), "--out", str(tmp_path / "o"), "--quiet"]) == 2
    assert "expected two classes or more, got one, cells" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


# -- very many -------------------------------------------------------------------------------------

SIZE, EACH, TURNS = (4000, 3000), 63, range(1, 9)  # pixels; originals a class; ways to hold a phone
RUN = """
import sys, threading
from pathlib import Path
from dljourney.cli.course import main

most, over = [0], threading.Event()
def watch():
    while not over.wait(0.02):
        told = Path("/proc/self/status").read_text()
        taken = [int(told.split(kind)[1].split()[0]) for kind in ("RssAnon:", "RssShmem:")]
        most[0] = max(most[0], sum(taken) // 1024)
threading.Thread(target=watch, daemon=True).start()
assert main(sys.argv[1:]) == 0
over.set()
print("most memory", most[0])
"""


def taken(folder, n):
    """`n` photographs of 12 megapixels, in four classes, no two alike.

    Each original is held in eight ways, and with each as it is or with other steps of its colours:
    what a file says of its picture is changed, and nothing is encoded again.
    """
    small = written(folder.with_name("small"), EACH)
    originals, places = sorted(small.rglob("*.png")), []
    for change in range(3):
        for turn in TURNS:
            tags = Image.Exif()
            tags[0x0112] = turn
            places += [(file, tags.tobytes(), change) for file in originals]
    data = {}
    for i, (file, tags, change) in enumerate(places[:n]):
        if file not in data:
            page, large = Image.open(file).resize(SIZE, Image.Resampling.BICUBIC), io.BytesIO()
            page.save(large, "JPEG", quality=30)
            data[file] = large.getvalue()
        place = folder / file.parent.name / f"{i:04}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(turned(data[file], tags, change))
        assert place.stat().st_size < 300_000
    shutil.rmtree(small)
    return folder


def turned(jpeg, tags, change):
    "A JPEG with EXIF tags, and with larger steps between its colours."
    at = jpeg.index(b"\xff\xdb") + 5  # the first table of steps
    steps = bytes(min(255, step + change) for step in jpeg[at : at + 64])
    part = b"\xff\xe1" + (len(tags) + 2).to_bytes(2, "big") + tags
    return jpeg[:2] + part + jpeg[2:at] + steps + jpeg[at + 64 :]


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the most memory of a process")
def test_5000_photographs_of_12_megapixels_take_less_than_1500_mb(tmp_path):
    "What the system cannot take back: pages of files do not count."
    n = 5000
    folder = taken(tmp_path / "phone", n)
    try:
        command = [sys.executable, "-c", RUN, "finetune", str(folder), "--out", str(tmp_path / "o")]
        run = subprocess.run([*command, "--quiet"], capture_output=True, text=True)
        assert run.returncode == 0, run.stderr[-3000:]
        assert f"learned from all {n} pictures" in run.stdout and "photonet" in run.stdout
        most = int(re.search(r"most memory (\d+)", run.stdout)[1])
        print(f"{n} photographs: {most} MB")
        assert most < 1500, f"{most} MB"
    finally:
        shutil.rmtree(folder)
