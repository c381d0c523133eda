"Piles of pictures, what was learned from them, and what the page says and hears."

import asyncio
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dljourney.demos import Studio
from dljourney.demos.studio import as_drawn, on_paper, page_model, page_picture, report_page
from dljourney.kit.live import Drawings, as_json
from dljourney.kit.models import has_photonet
from dljourney.kit.pictures import ImageError, doodles, photos, surfaces, upright_size
from dljourney.program import load


def picture(level, seed=0, side=40):
    noise = np.random.default_rng(seed).integers(0, 20, (side, side, 3))
    file = io.BytesIO()
    Image.fromarray((level + noise).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def filled(folder=None, n=6):
    demo = Studio(folder, model="glyphnet")
    for i in range(n):
        demo.add("dark", picture(10, i))
        demo.add("light", picture(200, i))
    return demo


def page_of(demo):
    "What the page hears besides the demo's values."
    heard = []
    demo.send = lambda message, buffers=None: heard.append((message, buffers))
    return heard


def counts(demo):
    return {p["name"]: len(p["pictures"]) for p in demo._shelf["piles"]}


def test_piles_are_learned_and_new_pictures_are_answered(tmp_path):
    demo = filled(tmp_path)
    demo.learn()
    assert counts(demo) == {"dark": 6, "light": 6, "that": 0, "this": 0}
    assert next(iter(demo.predict(picture(15, 99)))) == "dark"
    assert demo._learned["names"] == ["dark", "light"] and not demo._learned["stale"]
    assert "12 of 12 right" in demo._learned["verdict"] and len(demo._learned["doubts"]) == 12
    assert demo.still()[:4] == b"\x89PNG" and "dark: 6" in repr(demo)


def test_pictures_go_on_in_code_without_what_is_few_or_cannot_be_read():
    demo = filled()
    for i in range(4): demo.add("few", picture(100, i))
    broken = demo.piles.read()["light"][0]
    broken.write_bytes(broken.read_bytes()[:60])
    x, pile, names = demo.pictures(side=32)
    assert x.shape == (11, 3, 32, 32) and names == ["dark", "light"]
    assert pile.tolist() == [0] * 6 + [1] * 5
    assert x[pile == 0].float().mean() < 40 < 190 < x[pile == 1].float().mean()
    x, pile, names = Studio(model="glyphnet").pictures()
    assert x.shape == (0, 3, 224, 224) and pile.dtype is x.long().dtype and not names


def test_after_a_restart_everything_is_there(tmp_path):
    before = filled(tmp_path)
    before.put_away(before.piles.read()["dark"][0])
    again = Studio(tmp_path, model="glyphnet")
    assert counts(again) == counts(before) and again._shelf["aside"] == 1
    again.learn()
    assert again._learned["names"] == ["dark", "light"]


things = st.dictionaries(st.sampled_from(["smile", "star", "house"]), st.integers(1, 3), min_size=1)


@settings(max_examples=8, deadline=None)
@given(things, st.sampled_from(["stay", "move", "away"]))
def test_drawings_of_chapter_01_come_to_piles_and_overwrite_nothing(tmp_path_factory, n, then):
    "In one call; once they are here they stay where they are, and both folders keep all they had."
    here, there = (tmp_path_factory.mktemp(name) for name in ("studio", "drawings"))
    for name, many in n.items():
        for drawing in doodles([name], n=many)[name]: Drawings(there).add(name, drawing)
    demo, mine = Studio(here, model="glyphnet"), picture(100)
    demo.add("star", mine)
    before, one = files(here) | files(there), Drawings(there).things
    assert demo.take_drawings(there) == sum(n.values())
    assert {k: v for k, v in counts(demo).items() if v} == n | {"star": 1 + n.get("star", 0)}
    assert before.items() <= (files(here) | files(there)).items()
    name, (first, *_) = next(iter(one.items()))
    lies = next(p for p in demo.piles.read()[name] if p.read_bytes() == on_paper(first))
    if then == "move": demo.move(lies, "this")
    if then == "away": demo.put_away(lies)
    before = files(here)
    assert demo.take_drawings(there) == 0 and files(here) == before


def files(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_button_for_drawings_is_there_where_there_are_some(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="folder: expected drawings, got none; draw"):
        Studio(tmp_path, model="glyphnet").take_drawings()
    assert not Studio(tmp_path, model="glyphnet")._shelf["drawings"]
    for name in ("IN_TEST", "DLJOURNEY_NO_PROGRESS"): monkeypatch.delenv(name, raising=False)
    (tmp_path / ".dljourney").mkdir()
    (tmp_path / ".dljourney" / "course.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    (star,) = doodles(["star"], n=1)["star"]
    Drawings(tmp_path / "drawings").add("star", star)
    demo = Studio(model="glyphnet")
    assert demo._shelf["drawings"]
    demo._asked(do="drawings")
    assert counts(demo)["star"] == 1 and "New drawings: 1." in demo.note
    assert demo.piles.folder == tmp_path / "studio"


def test_what_moves_makes_the_answers_stale_until_they_are_learned_again():
    demo = filled()
    demo.learn()
    wrong = demo.move(demo.piles.read()["dark"][0], "light")
    assert demo._learned["stale"]
    demo.learn()
    assert not demo._learned["stale"]
    worst = demo._learned["doubts"][0]
    assert worst["picture"] == f"light/{wrong.name}" and worst["said"] == "dark"
    demo.put_away(wrong)
    demo.bring_back()
    assert counts(demo)["light"] == 7


def test_too_few_are_too_few_to_judge_or_to_learn_from():
    demo = filled(n=2)
    demo.learn()
    assert "Too few to judge: dark has 2 pictures" in demo._learned["verdict"]
    lonely = Studio(model="glyphnet")
    lonely.add("dark", picture(10))
    with pytest.raises(ValueError, match="two piles or more; only dark has some"): lonely.learn()
    with pytest.raises(ValueError, match="nothing has been learned yet"): lonely.predict(picture(1))
    with pytest.raises(ValueError, match="nothing has been learned yet"): lonely.save()


def test_what_is_forgotten_is_gone_everywhere(tmp_path, monkeypatch):
    monkeypatch.setenv("DLJOURNEY_CACHE", str(tmp_path / "kept"))
    demo = filled(tmp_path)
    photos(tmp_path, size=16, keep=True)  # as the command does
    demo.learn()
    demo.put_away(demo.piles.read()["dark"][0])
    with pytest.raises(ValueError, match="expected 'forget dark'"): demo.forget("dark", "yes")
    assert demo.forget("dark", "forget dark") == 6
    assert not list(tmp_path.glob("**/dark/*")) and "dark" not in str(demo._shelf)
    assert not list((tmp_path / "kept").rglob("*.safetensors"))
    assert demo._learned == {} and len(demo.sorter.rows) == 6


def test_what_cannot_be_read_is_refused_and_what_lies_there_does_not_count(tmp_path):
    demo = filled(tmp_path)
    with pytest.raises(ImageError): demo.add("dark", b"no picture")
    (tmp_path / "dark" / "broken.png").write_bytes(b"\x89PNG no picture")
    assert demo.still()[:4] == b"\x89PNG", "also before anybody looked at it"
    demo.learn()
    assert demo._shelf["unread"] == 1 and counts(demo)["dark"] == 7
    assert len(demo._learned["doubts"]) == 12 and not demo._learned["stale"]


def test_a_program_and_its_report_are_saved(tmp_path):
    demo = filled(tmp_path / "piles")
    demo.learn()
    path = demo.save(tmp_path / "mine.safetensors")
    program = load(path)
    assert program(picture(15, 99)) == pytest.approx(demo.predict(picture(15, 99)), abs=1e-3)
    assert program.card["scores"] == {"left out": 1.0}
    report = (tmp_path / "report.html").read_text("utf-8")
    assert "12 of 12 right" in report and report.count("<img") == 12
    assert "http" not in report.replace('lang="en"', "")
    assert demo.save() == tmp_path / "piles" / "program.safetensors"
    assert counts(Studio(tmp_path / "piles", model="glyphnet"))["dark"] == 6


def test_names_in_a_report_are_text():
    page = report_page({"<script>": [1], "b&b": [2]}, "<b>", [("<i>", "x", 0.5, b"")], "net")
    assert "<script>" not in page and "&lt;script&gt;" in page and "b&amp;b" in page
    assert "<i>" not in page


def test_what_the_page_offers_runs_in_a_fresh_kernel(tmp_path, capsys):
    demo = filled(tmp_path)
    demo.learn()
    exec(compile(demo.code(), "<offered>", "exec"), {})
    assert capsys.readouterr().out.startswith("dark {'dark'")


# A page of its own


def test_a_picture_in_a_page_is_upright_small_and_tells_nothing_else(tmp_path):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a camera"
    photo = np.random.default_rng(0).integers(0, 256, (600, 900, 3)).astype(np.uint8)
    Image.fromarray(photo).save(tmp_path / "photo.jpg", exif=exif, comment=b"at home")
    sent = page_picture(tmp_path / "photo.jpg")
    assert upright_size(sent) == (384, 256) and b"camera" not in sent and b"home" not in sent
    Image.new("RGB", (9, 5000), "#d02020").save(tmp_path / "long.png")
    assert upright_size(page_picture(tmp_path / "long.png")) == (1024, 2)
    drawn = as_drawn(doodles(["star"], n=1)["star"][0].strokes)
    (tmp_path / "drawn.png").write_bytes(drawn)
    small = np.asarray(Image.open(io.BytesIO(page_picture(tmp_path / "drawn.png"))).convert("L"))
    assert (small == np.asarray(Image.open(io.BytesIO(drawn)))).all()


def test_glyphnet_looks_at_drawings_in_a_page(tmp_path):
    for i, found in enumerate(doodles(["star", "smile"], n=3).values()):
        for k, drawing in enumerate(found):
            (tmp_path / f"{i}{k}.png").write_bytes(as_drawn(drawing.strokes))
    drawn = sorted(tmp_path.glob("*.png"))
    for i, pixels in enumerate(surfaces(4, side=96)[0]):
        Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(tmp_path / f"surface{i}.jpg")
    assert page_model("photonet", drawn) == "glyphnet"
    assert page_model("photonet", sorted(tmp_path.glob("*.jpg"))) == "photonet"
    assert page_model("photonet", []) == "photonet" and page_model("resnet18", drawn) == "resnet18"


@pytest.mark.skipif(not has_photonet(), reason="no photonet here")
def test_a_page_with_photonet_is_light_and_holds_what_can_be_read(tmp_path):
    demo = Studio(tmp_path / "piles", model="photonet")
    demo.add("this", picture(100))
    (tmp_path / "piles" / "this" / "broken.png").write_bytes(b"\x89PNG no picture")
    alive = demo.alive()
    assert [len(pile["pictures"]) for pile in alive.kept["piles"]] == [0, 1]
    assert len(alive.weights) + len(as_json(dict(alive.kept))) < 13.9e6


# The page


def test_the_page_is_answered_whatever_it_sends():
    demo = filled()
    demo.learn()
    heard = page_of(demo)
    demo._heard(None, {"do": "frame", "id": 7, "pile": None}, [memoryview(picture(12, 50))])
    message = heard.pop()[0]
    assert message["heard"] == 7 and max(message["said"], key=message["said"].get) == "dark"
    demo._heard(None, {"do": "frame", "id": 8, "pile": "dark"}, [picture(12, 51)])
    assert counts(demo)["dark"] == 7 and demo._shelf["waiting"] == 0
    demo._heard(None, {"do": "frame", "id": 9, "pile": "dark"}, [b"no picture"])
    assert heard.pop()[0] == {"heard": 9, "said": None} and counts(demo)["dark"] == 7
    demo._heard(None, {"do": "picture", "pile": "dark", "name": "/a/b.png"}, [b"no"])
    assert heard.pop()[0] == {"answered": True} and "b.png cannot be read" in demo.error
    place = demo._shelf["piles"][0]["pictures"][0]
    demo._heard(None, {"do": "small", "pictures": [place, "../x"]}, [])
    message, buffers = heard.pop()
    assert message == {"small": [place, "../x"]}
    assert buffers[0][:3] == b"\xff\xd8\xff" and buffers[1] == b""


def test_buttons_of_the_page():
    demo = filled()

    def ask(**message):
        demo._heard(None, message, [])
        return demo.error

    ask(do="learn")
    assert demo._learned["names"] == ["dark", "light"]
    ask(do="rename", pile="dark", name="night")
    assert demo._learned["names"] == ["night", "light"] and not demo._learned["stale"]
    first = demo._shelf["piles"][1]["pictures"][0]
    assert first.startswith("night/")
    ask(do="move", picture=first, pile="light")
    assert counts(demo)["night"] == 5
    assert "there is no picture" in ask(do="away", picture=first)
    ask(do="remove", pile="night")
    assert "night" not in counts(demo) and demo._shelf["aside"] == 5
    ask(do="back")
    assert counts(demo)["night"] == 1
    ask(do="new", name="pile 3")
    strokes = doodles(["smile"], n=1)["smile"][0].strokes
    ask(do="draw", pile="pile 3", strokes=strokes)
    assert counts(demo)["pile 3"] == 1
    assert "the pad is empty" in ask(do="draw", pile="a", strokes=[])
    assert not ask(do="forget", pile="pile 3", words="forget pile 3")
    assert "1 pictures are gone" in demo.note
    heard = page_of(demo)
    ask(do="ask", strokes=strokes)
    assert set(heard.pop()[0]["said"]) == {"night", "light"}


def test_a_drawing_is_dark_on_white():
    pixels = np.asarray(Image.open(io.BytesIO(as_drawn(doodles(["star"], n=1)["star"][0].strokes))))
    assert pixels[0, 0] == 255 and pixels.min() < 50


def test_while_the_camera_looks_pictures_are_seen_and_learned_in_between():
    "In a kernel: messages come faster than they are answered, and files wait to be looked at."

    async def lesson():
        demo = filled()
        heard = page_of(demo)
        demo.loading.wait()
        demo._heard(None, {"do": "learn"}, [])
        assert demo._learned == {} and demo._shelf["waiting"] == 12
        frame = picture(12, 50)
        for _ in range(12):  # the kernel has not a moment of its own
            demo._heard(None, {"do": "frame", "id": 1, "pile": None}, [frame])
        assert demo._learned["names"] == ["dark", "light"] and demo._shelf["waiting"] == 0
        demo._heard(None, {"do": "frame", "id": 2, "pile": None}, [frame])
        return heard[-1][0]

    said = asyncio.run(lesson())["said"]
    assert max(said, key=said.get) == "dark"


def test_a_fault_while_learning_is_told_and_it_can_be_asked_again():
    async def lesson():
        demo = Studio(model="glyphnet")
        demo.loading.wait()
        demo._heard(None, {"do": "learn"}, [])
        await asyncio.sleep(0.2)
        return demo.error

    assert "expected pictures on two piles or more" in asyncio.run(lesson())
