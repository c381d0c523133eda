"A file is replaced whole, whatever it is called."
import os

import pytest

from dljourney.kit.files import replacing, write_atomically

longest = ["\U0001f431" * 61 + ".txt", "\u732b" * 80 + ".txt", "a" + "\u00e9" * 120, "x" * 255,
           "a\u0301" * 80]


@pytest.mark.skipif(os.name == "nt", reason="names are counted in letters there")
@pytest.mark.parametrize("name", longest, ids=lambda n: f"{n[0]!a} {len(os.fsencode(n))} bytes")
def test_every_name_that_a_file_may_have_can_be_written(name, tmp_path):
    "File systems count bytes: 61 emoji are 244 of the 255."
    assert 238 <= len(os.fsencode(name)) <= 255
    for text in ("first", "second"):
        assert write_atomically(tmp_path / name, text).read_text() == text
    assert os.listdir(tmp_path) == [name]


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_a_name_of_bytes_that_are_no_text_can_be_written(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9 " * 30)
    try:
        path.write_text("old")
    except OSError:
        pytest.skip("this file system takes text alone")
    assert write_atomically(path, "new").read_text() == "new" and len(os.listdir(tmp_path)) == 1


def test_two_writers_of_names_that_begin_alike_do_not_meet(tmp_path):
    first, second = tmp_path / f"{'n' * 90}1", tmp_path / f"{'n' * 90}2"
    with replacing(first) as one, replacing(second) as two:
        assert one != two and one.parent == two.parent == tmp_path
        one.write_text("1"), two.write_text("2")
    assert (first.read_text(), second.read_text()) == ("1", "2") and len(os.listdir(tmp_path)) == 2
