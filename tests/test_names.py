"Names are compared as people read them, whatever their accents, blanks, slashes and letters are."

import os
import shutil
import unicodedata
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_photos import two_classes, write

import dljourney.kit.pictures.folders as module
from dljourney.kit.files import expanded, plain_name, spelled
from dljourney.kit.pictures import photos, read_image

words = ["café", "Ångström", "가나다", "ệ", "ñandú", "क़िला", "Ὀδυσσεύς", "ö", "й", "ガ", "tea", "猫"]
ways = {
    "as it is": lambda name: name,
    "NFC": lambda name: unicodedata.normalize("NFC", name),
    "NFD": lambda name: unicodedata.normalize("NFD", name),
    "blank behind": lambda name: name + " ",
    "NFD, blanks around": lambda name: f"\t{unicodedata.normalize('NFD', name)} \u00a0",
}


def nfc(name):
    return unicodedata.normalize("NFC", name)


def nfd(name):
    return unicodedata.normalize("NFD", name)


def folds(folder):
    "Whether this file system takes both spellings of an accent for one name."
    (folder / nfc("é")).mkdir(parents=True)
    return (folder / nfd("é")).exists()


# Classes


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(words), st.sampled_from(sorted(ways)), st.sampled_from(sorted(ways)))
def test_a_class_is_one_however_its_folders_are_written(tmp_path_factory, word, one, other):
    root = tmp_path_factory.mktemp("names")
    for place in (f"train/{ways[one](word)}", "train/zz", f"val/{ways[other](word)}", "val/zz"):
        for i in range(2):
            write(root / place / f"{i}.png")
    data = photos(root, size=4)
    assert data.classes == sorted([nfc(word), "zz"]) and data.skipped == []
    assert set(data.counts.values()) == {(2, 2)} and nfc(word) in repr(data)


@pytest.mark.parametrize("word", words)
@pytest.mark.parametrize("how", ["folder", "function", "table", "csv"])
def test_a_label_is_one_however_it_is_written(word, how, tmp_path):
    if folds(tmp_path / "probe"):
        pytest.skip("this file system keeps one of the spellings alone")
    root, spellings = tmp_path / "in", list(ways.values())
    files = {f"{way(word)}/{i}.png": way(word) for i, way in enumerate(spellings)}
    files["zz/9.png"] = "zz"
    for name in files:
        write(root / name)
    rows = "".join(f"{file},{label}\n" for file, label in files.items())
    (tmp_path / "t.csv").write_text(f"file,label\n{rows}")
    ways_to_label = {"folder": None, "function": lambda p: p.parent.name, "table": files,
                     "csv": tmp_path / "t.csv"}
    labels = ways_to_label[how]
    data = photos(root, labels, size=4, valid=0)
    assert data.classes == sorted([nfc(word), "zz"])
    assert len(data) == len({*files}) and data.skipped == []
    data = photos(root, labels, size=4, valid=0, classes=["zz", f"{nfd(word)} "])
    assert data.classes == ["zz", nfc(word)]


def test_classes_that_are_one_are_refused_and_a_label_of_blanks_is_none(tmp_path):
    two_classes(tmp_path)
    with pytest.raises(ValueError, match="classes: expected names that differ"):
        photos(tmp_path, size=4, classes=["cats", "cats "])
    data = photos(tmp_path, lambda p: " " if p.stem == "0" else p.parent.name, size=4)
    assert data.classes == ["cats", "dogs"]
    assert {s.reason for s in data.skipped} == {"its label is blank"}


def test_the_parts_of_a_split_may_have_blanks(tmp_path):
    for part in ("Train ", "VAL"):
        two_classes(tmp_path / part, 2)
    data = photos(tmp_path, size=4)
    assert data.classes == ["cats", "dogs"] and data.counts == {"cats": (2, 2), "dogs": (2, 2)}


def test_where_large_and_small_letters_are_one_so_are_classes(tmp_path, monkeypatch):
    for part, name in (("train", "Cats"), ("train", "dogs"), ("val", "cats"), ("val", "Dogs")):
        write(tmp_path / part / name / "0.png")
    names = {"Cats", "Dogs"}
    if not module._folds_case(tmp_path / "train"): names |= {"cats", "dogs"}
    assert set(photos(tmp_path, size=4).classes) == names
    monkeypatch.setattr(module, "_folds_case", lambda folder: True)
    data = photos(tmp_path, size=4)
    assert data.classes == ["Cats", "Dogs"] and data.counts == {"Cats": (1, 1), "Dogs": (1, 1)}


def test_the_same_pictures_are_split_alike_however_their_names_are_spelled(tmp_path):
    for form in ("NFC", "NFD"):
        for i, word in enumerate(["zoo", *words]):
            name = unicodedata.normalize(form, f"{word}.png")
            write(tmp_path / form / "a" / name, colour=(9 * i, 0, 0))
            write(tmp_path / form / "b" / name, colour=(0, 9 * i, 0))
    one, other = (photos(tmp_path / form, size=4, seed=3) for form in ("NFC", "NFD"))
    assert torch.equal(one.x, other.x)
    assert [nfc(f.name) for f in other.files] == [f.name for f in one.files]


# Tables


@pytest.mark.parametrize("word", ["café", "ệ", "tea"])
@pytest.mark.parametrize("way", [
    "NFC", "NFD", "blank behind", "backslash", "no kind", "dot", "all",
])  # fmt: skip
@pytest.mark.parametrize("on_disk", [nfc, nfd])
def test_a_table_finds_its_files_however_it_writes_them(word, way, on_disk, tmp_path):
    write(tmp_path / "in" / on_disk(f"sub {word}") / on_disk(f"{word}.x.jpg"))
    write(tmp_path / "in" / "b.png")
    entry = on_disk(f"sub {word}/{word}.x.jpg")
    entry = {
        "backslash": lambda e: e.replace("/", "\\"),
        "no kind": lambda e: e.removesuffix(".jpg"),
        "dot": lambda e: f"./{e}",
        "all": lambda e: nfd(f".\\{e.removesuffix('.jpg')} ").replace("/", "\\"),
    }.get(way, ways.get(way))(entry)
    (tmp_path / "t.csv").write_text(f'file,label\n"{entry}",x\n"b.png",y\n', encoding="utf-8")
    tables = {entry: "x", "b.png": "y"}, {Path(entry): "x", "b.png": "y"}, tmp_path / "t.csv"
    for labels in tables:
        data = photos(tmp_path / "in", labels, size=4, valid=0)
        assert data.classes == ["x", "y"] and data.skipped == []
        assert sorted(f.name for f in data.files) == ["b.png", on_disk(f"{word}.x.jpg")]


def test_rows_that_mean_one_file_are_one(tmp_path):
    write(tmp_path / "in" / "sub" / nfd("é.png"))
    entries = [nfc("sub/é.png"), nfd("sub/é.png"), "sub\\é", "sub/é.png "]
    rows = {entry: nfc("é") if i % 2 else nfd("é") for i, entry in enumerate(entries)}
    data = photos(tmp_path / "in", rows, size=4, valid=0)
    assert len(data) == 1 and data.classes == [nfc("é")] and data.skipped == []
    with pytest.raises(ValueError, match="different labels in the table: other, é"):
        photos(tmp_path / "in", {nfc("sub/é.png"): nfd("é"), "sub/é": "other"}, size=4)


def test_what_is_written_exactly_goes_first(tmp_path):
    if folds(tmp_path / "probe"):
        pytest.skip("this file system keeps one of the spellings alone")
    root = tmp_path / "in"
    names = [nfc("é.png"), nfd("é.png"), "a.png", "a.png ", "b", "b.png", "c\\d.png", "c/d.png",
             "C:\\e.png"]
    for i, name in enumerate(names):
        write(root / name, colour=(20 * i, 0, 0))
    data = photos(root, {name: str(i) for i, name in enumerate(names)}, size=4, valid=0)
    assert data.skipped == [] and len(data) == len(names)
    reds = [int(data.x[i, 0, 0, 0]) for i in range(len(data))]
    assert reds == [20 * int(data.classes[y]) for y in data.y]


def test_a_name_without_its_kind_means_the_picture_or_is_told(tmp_path):
    for name in ("1.jpg", "1.xml", "1.txt", "2.jpg", "2.png", "3.jpg"):
        write(tmp_path / name)
    data = photos(tmp_path, {1: "a", "2": "b", "3": "c"}, size=4, valid=0)
    assert [f.name for f in sorted(data.files)] == ["1.jpg", "3.jpg"]
    assert [str(s) for s in data.skipped] == [f"{tmp_path / '2'}: may be any of 2.jpg, 2.png"]


outside = ["..\\x.png", "a\\..\\..\\x.png", "C:\\x.png", "\\x.png", "\\\\pc\\x.png", "../x.png"]


@pytest.mark.parametrize("name", outside)
def test_no_table_leads_out_of_the_folder(name, tmp_path):
    write(tmp_path / "x.png")
    write(tmp_path / "in" / "a" / "b.png")
    data = photos(tmp_path / "in", {name: "x", "a/b.png": "y"}, size=4, valid=0)
    assert len(data) == 1 and [s.reason for s in data.skipped] == ["leads out of the folder"]


def test_large_and_small_letters_are_told_where_they_count(tmp_path):
    write(tmp_path / "in" / "IMG_1.JPG")
    write(tmp_path / "in" / "b.png")
    data = photos(tmp_path / "in", {"img_1.jpg": "x", "b.png": "y"}, size=4, valid=0)
    if (tmp_path / "in" / "img_1.jpg").exists():
        assert [f.name for f in data.files if f.name != "b.png"] == ["IMG_1.JPG"]
    else:
        assert [s.reason for s in data.skipped] == ["no such file; there is IMG_1.JPG"]


def test_where_large_and_small_letters_are_one_a_file_is_taken_once(tmp_path, monkeypatch):
    file, exists = tmp_path / "in" / "IMG_1.JPG", os.path.lexists
    write(file)
    def same(path): return exists(path) or exists(file.with_name(Path(path).name.upper()))
    monkeypatch.setattr(module.os.path, "lexists", same)
    table = dict.fromkeys(("img_1.jpg", "IMG_1.JPG", "img_1.JPG"), "x")
    data = photos(tmp_path / "in", table, size=4, valid=0)
    assert data.files == [file] and data.skipped == []


# Paths


def test_a_path_is_found_however_its_accents_are_written(tmp_path):
    root = two_classes(tmp_path / nfd("été") / nfd("façade"))
    asked = tmp_path / nfc("été") / nfc("façade")
    for path in (root, asked, f"{asked}", f"{asked}{os.sep}"):
        assert spelled(path) == root and len(photos(path, size=4)) == 10
    (root / nfd("numéros.csv")).write_text("file,label\ncats/0.png,a\ndogs/0.png,b\n")
    for labels in (nfc("numéros.csv"), asked / nfc("numéros.csv")):
        assert photos(asked, labels, size=4, valid=0).classes == ["a", "b"]
    write(root / nfd("été") / "0.png")
    data = photos(root, size=4, leave_out=[asked / nfc("été")])
    assert data.classes == ["cats", "dogs"]
    assert [s.file.name for s in data.skipped[:1]] == [nfd("été")]
    one, other = asked / nfc("été") / "0.png", root / nfd("été") / "0.png"
    assert torch.equal(read_image(one, 8), read_image(other, 8))


def test_what_is_not_there_keeps_the_name_it_was_given(tmp_path):
    there = tmp_path / "é" / "x", tmp_path / "a\0b", tmp_path / ".." / "é"
    for path in (*there, Path("nope"), Path("."), Path("/")):
        assert spelled(path) == path
    write(tmp_path / nfc("é "))
    write(tmp_path / nfd("é"))
    if len(os.listdir(tmp_path)) == 2:
        assert spelled(tmp_path / " é") == tmp_path / " é", "which of the two?"


@given(st.text("aé\u0301\u0323 \u00a0\t\ufeff가\u1100\u1161\u212b\u0958\udcff", max_size=9))
def test_a_plain_name_is_plain_already(name):
    plain = plain_name(name)
    assert plain_name(plain) == plain == plain_name(nfd(name)) == plain_name(f" {name} ")


def test_patterns_are_expanded_where_no_shell_did_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ["a.jpg", "b.jpg", "c.png", "[d].jpg", nfd("été.gif"), "sub/e.jpg"]
    for name in names:
        write(tmp_path / name)
    def told(*given): return [p.as_posix() for name in given for p in expanded(name)]
    assert told("*.jpg") == ["[d].jpg", "a.jpg", "b.jpg"]
    assert told("c.png", Path("?.jpg")) == ["c.png", "a.jpg", "b.jpg"]
    assert told("[d].jpg") == ["[d].jpg"] and told("[ab].jpg") == ["a.jpg", "b.jpg"]
    assert told("**/*.jpg") == ["[d].jpg", "a.jpg", "b.jpg", "sub/e.jpg"]
    assert told(nfc("é*.gif")) == told(nfc("été.gif")) == [nfd("été.gif")]
    assert told("nothing*.jpg", "gone.jpg", "sub") == ["nothing*.jpg", "gone.jpg", "sub"]
    assert told(str(tmp_path / "*.png")) == [(tmp_path / "c.png").as_posix()]


# What a folder does not hold


def test_a_folder_too_high_or_too_deep_gets_a_hint(tmp_path):
    for part in ("train", "val"):
        two_classes(tmp_path / "data" / "photos" / part)
    place = tmp_path / "data" / "photos"
    hint = f"the classes seem to stand in {place}: give that folder"
    for folder in (place.parent, tmp_path):
        data = photos(folder, size=4)
        assert hint in data.remarks and hint in repr(data)
    write(place.parent / "docs" / "0.png")
    assert hint in photos(place.parent, size=4).remarks
    for folder in (place, place / "train", place / "val"):
        assert photos(folder, size=4).remarks == []
    shutil.rmtree(place / "val")
    hint = f"the classes seem to stand in {place / 'train'}: give that folder"
    assert photos(place, size=4).remarks == [hint]
    with pytest.raises(ValueError, match=hint):
        photos(place / "train" / "cats")


def test_albums_in_a_class_and_parts_in_each_class_get_no_hint(tmp_path):
    for place in ("cats/2020", "cats/2021", "dogs/2020"):
        for i in range(3):
            write(tmp_path / "a" / place / f"{i}.png")
    assert photos(tmp_path / "a", size=4).remarks == []
    for label in ("cats", "dogs"):
        for part in ("train", "val"):
            write(tmp_path / "b" / label / part / "0.png")
    assert photos(tmp_path / "b", size=4, valid=0).hint == ""


def test_classes_of_too_few_pictures_are_told(tmp_path):
    counts = {"train/a": 3, "train/b": 1, "train/c": 2, "val/a": 1, "val/b": 1, "val/d": 2}
    for place, n in counts.items():
        for i in range(n):
            write(tmp_path / place / f"{i}.png")
    data = photos(tmp_path, size=4)
    assert data.counts == {"a": (3, 1), "b": (1, 1), "c": (2, 0), "d": (0, 2)}
    assert data.remarks == [
        "fewer than two pictures to train on: b 1, d 0; add some",
        "none held out, so no score tells how well they are named: c; add some",
    ]
    assert all(line in repr(data) for line in data.remarks)
    assert photos(tmp_path, size=4, classes=["a", "e"]).remarks == [
        "fewer than two pictures to train on: e 0; add some",
        "none held out, so no score tells how well they are named: e; add some",
    ]
    whole = photos(tmp_path / "train", size=4, valid=0)
    assert whole.counts == {"a": (3, 0), "b": (1, 0), "c": (2, 0)} and len(whole.remarks) == 1


def test_a_class_without_a_picture_that_can_be_read_is_told(tmp_path):
    root = two_classes(tmp_path)
    for name in ("phone/1.heic", "phone/2.heic", "cats/cut.png"):
        write(root / name, b"junk")
    told = "no picture could be read, so these are not learned: phone"
    table = {f"{p.parent.name}/{p.name}": p.parent.name for p in root.rglob("*.*")}
    for labels in (None, table, lambda path: path.parent.name):
        data = photos(root, labels, size=4)
        assert data.lost == ("phone",) and data.remarks == [told] and told in repr(data)
        kept = photos(root, labels, size=4, classes=["cats", "dogs"])
        assert kept.lost == () and kept.remarks == []


def test_many_thin_classes_take_one_line(tmp_path):
    for i in range(15):
        write(tmp_path / f"{i:02}" / "0.png")
    (line,) = photos(tmp_path, size=4).remarks
    told = ", ".join(f"{i:02} 1" for i in range(10))
    assert line == f"fewer than two pictures to train on: {told} and 5 more; add some"
