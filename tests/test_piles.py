"Piles are folders of files: whatever happens, no picture is lost unless it is asked for."

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dljourney.kit.live import Piles

NAMES = ["cups", "Tee: grün", "con", "a/b", ".hidden", "100 %"]
PNG = b"\x89PNG\r\n"
steps = st.lists(st.tuples(
    st.sampled_from(["add", "move", "put_away", "bring_back", "rename", "remove", "forget"]),
    st.sampled_from(NAMES), st.sampled_from(NAMES), st.integers(0, 8)), max_size=25)


class Remembered:
    "The same in memory: {pile: pictures in the order they came}, and what was put away."

    def __init__(self):
        self.piles, self.gone = {}, []

    def lift(self, picture):
        for found in self.piles.values():
            if picture in found: found.remove(picture)
        self.gone = [(name, p) for name, p in self.gone if p != picture]

    def lay(self, picture, name):
        self.lift(picture)
        self.piles.setdefault(name, []).append(picture)

    def aside(self, name, picture):
        self.lift(picture)
        self.gone.append((name, picture))


def do(piles, model, kind, name, other, n):
    "One step on both sides; False where it does not apply."
    found = piles.read().get(name, [])
    if kind == "add":
        piles.add(name, PNG + bytes([n]))
        model.lay(n, name)
    elif kind == "move" and found:
        picture = found[n % len(found)]
        model.lay(held(picture), other)
        piles.move(picture, other)
    elif kind == "put_away" and found:
        picture = found[n % len(found)]
        model.aside(name, held(picture))
        piles.put_away(picture)
    elif kind == "bring_back" and model.gone:
        model.lay(model.gone[-1][1], model.gone[-1][0])
        piles.bring_back()
    elif kind == "rename" and name in model.piles and other not in model.piles:
        piles.rename(name, other)
        model.piles[other] = model.piles.pop(name)
        model.gone = [(other if pile == name else pile, p) for pile, p in model.gone]
    elif kind in ("remove", "forget") and name in model.piles:
        if kind == "remove":
            piles.remove(name)
            model.gone += [(name, p) for p in model.piles.pop(name)]
        else:
            piles.forget(name, f"forget {name}")
            model.piles.pop(name)
            model.gone = [(pile, p) for pile, p in model.gone if pile != name]


def held(picture):
    return picture.read_bytes()[-1]


@settings(max_examples=60, deadline=None)
@given(steps)
def test_the_disk_holds_what_was_done_and_a_new_look_sees_the_same(taken):
    with tempfile.TemporaryDirectory() as folder:
        piles, model = Piles(folder), Remembered()
        for step in taken:
            do(piles, model, *step)
        for seen in (piles, Piles(folder)):
            assert {k: list(map(held, v)) for k, v in seen.read().items()} == model.piles
            assert [held(p) for p in seen.aside()] == [p for _, p in model.gone]
        assert not list(Path(folder).rglob("*.tmp"))


@settings(max_examples=40, deadline=None)
@given(steps)
def test_no_picture_is_lost_and_none_is_twice_unless_it_was_to_be_forgotten(taken):
    with tempfile.TemporaryDirectory() as folder:
        piles, model = Piles(folder), Remembered()
        taken = [step for step in taken if step[0] != "forget"]
        for step in taken:
            do(piles, model, *step)
        there = sorted(held(p) for p in Path(folder).rglob("*.png"))
        assert there == sorted({n for kind, _, _, n in taken if kind == "add"})


def test_what_lies_in_a_folder_by_hand_counts_and_what_is_no_picture_stays(tmp_path):
    place = tmp_path / "cups"
    place.mkdir()
    for name in ("IMG_1.JPG", "notes.txt", ".DS_Store", "b.webp"): (place / name).write_bytes(b"x")
    piles = Piles(tmp_path)
    assert {p.name for p in piles.read()["cups"]} == {"IMG_1.JPG", "b.webp"}
    piles.remove("cups")
    assert sorted(p.name for p in place.iterdir()) == [".DS_Store", "notes.txt"]
    piles.forget("cups", "forget cups")
    assert place.is_dir() and not piles.aside()


def test_two_files_of_one_name_are_both_kept(tmp_path):
    for pile in ("a", "b"):
        (tmp_path / pile).mkdir()
        (tmp_path / pile / "IMG_1.jpg").write_bytes(pile.encode())
    piles = Piles(tmp_path)
    piles.move(tmp_path / "a" / "IMG_1.jpg", "b")
    assert sorted(p.read_bytes() for p in piles.read()["b"]) == [b"a", b"b"]


@pytest.mark.parametrize("words", ["", "yes", "forget", "forget cat", "delete cats"])
def test_only_the_right_words_delete(tmp_path, words):
    piles = Piles(tmp_path)
    piles.put_away(piles.add("cats", PNG))
    with pytest.raises(ValueError, match="expected 'forget cats'"): piles.forget("cats", words)
    assert len(piles.aside()) == 1
    assert piles.forget("cats", " Forget cats") == 1 and not list(tmp_path.rglob("*.png"))


def test_names_and_places_that_cannot_be_are_refused(tmp_path):
    piles = Piles(tmp_path)
    outside = tmp_path.parent / "outside.png"
    outside.write_bytes(PNG)
    with pytest.raises(ValueError, match="expected one that lies here"): piles.move(outside, "a")
    for label in ("", "  ", "x" * 300):
        with pytest.raises(ValueError, match="expected a name of 1 to 40 letters"): piles.new(label)
    with pytest.raises(TypeError, match="expected a name, got int"): piles.new(3)
    with pytest.raises(ValueError, match="expected one of"): piles.rename("nobody", "a")
    for label in ("a", "b"): piles.new(label)
    with pytest.raises(ValueError, match="no other pile has"): piles.rename("a", "b")
    with pytest.raises(ValueError, match="nothing has been put away"): piles.bring_back()
    assert piles.add("..", PNG).parent == tmp_path / "%2E%2E"


KEEPING = """import sys
from dljourney.kit.live.piles import Piles
piles = Piles(sys.argv[1])
print("go", flush=True)
for n in range(10**6):
    piles.add("ab"[n % 2], b"\\x89PNG" + n.to_bytes(4) + bytes(100_000))
    if n % 3 == 2: piles.move(piles.read()["a"][0], "b")
    if n % 5 == 4: piles.put_away(piles.read()["b"][0])
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_a_kill_leaves_whole_pictures_each_at_one_place(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", KEEPING, str(tmp_path)],
                               stdout=subprocess.PIPE)
    process.stdout.readline()
    time.sleep(0.5)
    process.send_signal(signal.SIGKILL)
    process.wait()
    piles = Piles(tmp_path)
    found = [*piles.aside(), *(p for pile in piles.read().values() for p in pile)]
    numbers = sorted(int.from_bytes(p.read_bytes()[4:8]) for p in found)
    assert {len(p.read_bytes()) for p in found} == {100_008}
    assert numbers == list(range(len(numbers)))
