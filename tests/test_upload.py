"The button takes what the page sends, the pad strokes; bad files are told."

import io

import numpy as np
import pytest
from PIL import Image

from dljourney.demos.upload import Upload, answer_each, answers_html
from dljourney.kit.pictures import read_image


def picture(value=200):
    out = io.BytesIO()
    Image.new("L", (30, 20), value).save(out, "PNG")
    return out.getvalue()


def light(image):
    share = float(read_image(image, 8, channels=1).float().mean() / 255)
    return dict(sorted({"light": share, "dark": 1 - share}.items(), key=lambda pair: -pair[1]))


def send(demo, *pictures):
    "As the page sends them: one after the other; what it hears of each."
    heard = []
    demo.button.send = heard.append
    for n, (name, content) in enumerate(pictures):
        about = dict(name=name, n=n, of=len(pictures))
        if isinstance(content, str):
            demo.button._handle_custom_msg(dict(about, event="refused", problem=content), [])
        else:
            demo.button._handle_custom_msg(dict(about, event="picture"), [memoryview(content)])
    return heard


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "C:\\Windows\\passwd", "/etc/passwd", "a/b/passwd"])
def test_names_cannot_lead_anywhere(name):
    demo = Upload(light)
    send(demo, (name, picture()))
    assert demo.found[0][0] == "passwd" and "etc" not in demo.result.value


def test_the_button_asks_the_program():
    demo = Upload(light)
    send(demo, ("a.png", picture(250)), ("b.png", picture(5)))
    assert [(name, next(iter(answer))) for name, _, answer in demo.found] == [
        ("a.png", "light"), ("b.png", "dark")]
    assert "a.png" in demo.result.value and "light" in demo.result.value


def test_drawing_asks_the_program():
    demo = Upload(light)
    demo.pad.strokes = [[[0.1, 0.1], [0.9, 0.9]]]
    assert demo.found[0][0] == "your drawing" and next(iter(demo.found[0][2])) == "dark"
    demo.clear.click()
    assert demo.pad.strokes == [] and demo.found == [] and demo.result.value == ""


def test_the_same_file_can_be_chosen_again_after_clear():
    demo = Upload(light)
    for _ in range(2):
        send(demo, ("a.png", picture(250)), ("b.png", picture(5)))
        assert len(demo.found) == 2 and "a.png" in demo.result.value
        demo.clear.click()
        assert demo.found == [] and demo.result.value == ""


def test_bad_files_are_told_and_the_others_answered():
    found = answer_each(light, [("bad.jpg", b"junk"), ("good.png", picture())])
    assert found[0][2] == "not a picture of a known kind" and isinstance(found[1][2], dict)
    page = answers_html(found)
    assert "bad.jpg" in page and "cannot be read: not a picture" in page and page.count("<img") == 1


def test_names_and_labels_are_escaped():
    page = answers_html([("<script>x</script>.png", picture(), {"<b>": 1.0})])
    assert "<script>" not in page and "<b>&lt;b&gt;" not in page and "&lt;b&gt;" in page


def test_errors_of_the_program_are_shown():
    def broken(image):
        raise RuntimeError("no <idea>")

    demo = Upload(broken)
    try:
        demo.ask([("a.png", picture())])
    except RuntimeError:
        pass  # without a front end it may travel on
    assert "RuntimeError: no &lt;idea&gt;" in demo.result.value


def test_a_cleared_or_undone_pad_has_no_answer_but_pictures_keep_theirs():
    demo = Upload(light)
    for empty in (demo.pad.clear, demo.pad.undo):
        demo.pad.strokes = [[[0.2, 0.2], [0.8, 0.8]]]
        assert "dark" in demo.result.value
        empty()
        assert demo.found == [] and demo.result.value == ""
    demo.pad.strokes = [[[0.2, 0.2], [0.8, 0.8]]]
    demo.ask([("a.png", picture())])
    demo.pad.clear()
    assert [name for name, _, _ in demo.found] == ["a.png"] and "a.png" in demo.result.value


def test_each_picture_that_was_sent_is_answered_or_told_and_the_next_ones_work():
    def moody(image):
        if read_image(image, 8, channels=1).float().mean() < 10:
            raise RuntimeError("too dark for me")
        return light(image)

    demo = Upload(moody)
    heavy = "b.heic", "12 MB are too much to send"
    dark, junk = ("night.png", picture(5)), ("c.png", b"junk")
    pictures = [("a.png", picture(250)), dark, heavy, junk, ("../d.png", picture(200))]
    assert send(demo, *pictures) == [{"answered": n} for n in range(5)]
    assert [name for name, _, _ in demo.found] == ["a.png", "night.png", "b.heic", "c.png", "d.png"]
    shown = demo.result.value
    assert shown.count("dljourney-answer") == 5 and shown.count("cannot be read") == 2
    assert "RuntimeError: too dark for me" in shown and "12 MB are too much to send" in shown
    send(demo, ("e.png", picture(240)))
    assert [name for name, _, _ in demo.found] == ["e.png"]


def test_it_shows_a_still_picture():
    demo = Upload(light, drawing=False)
    for _ in range(2):
        data = demo._repr_mimebundle_()
        assert data["image/png"] and "Upload" in data["text/plain"]
        demo.ask([("x", np.zeros((9, 9), np.uint8)), ("bad", b"junk")])
    nothing = Upload(light).still()
    demo.ask([("bad", b"junk")])
    assert demo.still().startswith(b"\x89PNG") and demo.still() != nothing
    assert "image/png" in demo._repr_mimebundle_()


def test_a_program_that_answers_without_looking_has_a_still_picture_too():
    demo = Upload(lambda picture: {"cat": 0.9, "dog": 0.1})
    demo.ask([("junk", b"junk"), ("a.png", picture()), ("nothing", None)])
    assert demo.result.value.count("cat") == 3 and demo.result.value.count("<img") == 1
    assert demo.still().startswith(b"\x89PNG")


def test_a_program_from_chapter_09_fits():
    import torch
    from torch import nn

    from dljourney.kit.pictures import Preprocess
    from dljourney.program import Program

    torch.manual_seed(0)
    program = Program(nn.Sequential(nn.Flatten(), nn.Linear(64, 3)), ["a", "b", "c"],
                      Preprocess((8, 8), 1))
    assert set(Upload(program).ask([("x", picture())])[0][2]) == {"a", "b", "c"}
