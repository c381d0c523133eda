"The command line, and the promise that what a learner edited is never overwritten."
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dljourney.cli import course
from dljourney.kit.course import read_for_learners
from dljourney.kit.course.lab import _is_taken
from dljourney.kit.files import notebooks_folder


def write_course(folder, versions):
    "A source course: chapter name -> text of its only cell."
    folder.mkdir(exist_ok=True)
    for name, text in versions.items():
        cell = {"cell_type": "markdown", "id": "a", "metadata": {}, "source": [text]}
        nb = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        (folder / f"{name}.ipynb").write_text(json.dumps(nb))
    return folder


names = ["01_one", "02_two"]
events = st.lists(
    st.one_of(
        st.tuples(st.just("edit"), st.sampled_from(names), st.integers(0, 9)),
        st.tuples(st.just("delete"), st.sampled_from(names)),
        st.tuples(st.just("lay"), st.integers(0, 3)),
        st.tuples(st.just("reset"), st.integers(0, 3)),
        st.tuples(st.just("lose the record")),
    ),
    max_size=8,
)


@given(events)
@example([("lay", 1), ("lose the record",), ("lay", 0)])
@settings(max_examples=60)
def test_no_edit_is_ever_lost(tmp_path_factory, events):
    "In whatever order: every text the learner wrote and did not delete is still in some file."
    here = tmp_path_factory.mktemp("lay")
    source, mine = here / "source", here / "mine"
    edits = {}  # name -> the learner's latest text there
    safe = set()  # texts that must be in the folder for good
    for event in events:
        if event[0] == "edit" and (mine / f"{event[1]}.ipynb").exists():
            text = f"edit {event[2]} of {event[1]}"
            (mine / f"{event[1]}.ipynb").write_text(text)
            edits[event[1]] = text
        elif event[0] == "delete":
            (mine / f"{event[1]}.ipynb").unlink(missing_ok=True)
            edits.pop(event[1], None)
        elif event[0] in ("lay", "reset"):
            write_course(source, {name: f"version {event[1]}" for name in names})
            course.lay_course(mine, reset=event[0] == "reset", source=source)
            for name in names:  # the chapter is there; after a reset it is the fresh one
                data = (mine / f"{name}.ipynb").read_text()
                fresh = read_for_learners(source / f"{name}.ipynb").decode()
                if edits.get(name) == fresh:
                    del edits[name]  # not the learner's after all
                elif name in edits and event[0] == "reset":
                    safe.add(edits[name])
                assert data == (edits[name] if name in edits and event[0] == "lay" else fresh)
            if event[0] == "reset":
                edits.clear()
        elif event[0] == "lose the record":
            (mine / ".dljourney" / "course.json").unlink(missing_ok=True)
            for name in names:  # whatever is there may be the learner's: it counts as an edit
                if (mine / f"{name}.ipynb").exists():
                    edits[name] = (mine / f"{name}.ipynb").read_text()
    texts = {p.read_text() for p in mine.glob("*.ipynb")} if mine.exists() else set()
    assert set(edits.values()) | safe <= texts


def test_an_untouched_chapter_is_updated_and_an_edited_one_gets_the_new_version_beside_it(tmp_path):
    source, mine = write_course(tmp_path / "s", {"01_one": "v1", "02_two": "v1"}), tmp_path / "mine"
    assert [r.action for r in course.lay_course(mine, source=source)] == ["new", "new"]
    assert [r.action for r in course.lay_course(mine, source=source)] == ["unchanged", "unchanged"]
    (mine / "01_one.ipynb").write_text("mine")
    assert [r.action for r in course.lay_course(mine, source=source)] == ["kept", "unchanged"]
    assert not (mine / "01_one.new.ipynb").exists()  # there is nothing newer to lay
    write_course(source, {"01_one": "v2", "02_two": "v2"})
    kept, updated = course.lay_course(mine, source=source)
    assert (kept.action, kept.other.name, updated.action) == ("kept", "01_one.new.ipynb", "updated")
    assert "v2" in kept.other.read_text() and kept.path.read_text() == "mine"
    assert "01_one.new.ipynb" in str(kept)
    assert course.lay_course(mine, source=source)[0].other is None  # told and laid once
    kept.other.write_text("edited too")
    write_course(source, {"01_one": "v3"})
    assert course.lay_course(mine, source=source)[0].other.name == "01_one.new-2.ipynb"


def test_a_chapter_laid_before_the_record_was_lost_counts_as_edited(tmp_path):
    source, mine = write_course(tmp_path / "s", {"01_one": "v1"}), tmp_path / "mine"
    course.lay_course(mine, source=source)
    (mine / ".dljourney" / "course.json").write_text("{ damaged")
    write_course(source, {"01_one": "v2"})
    assert course.lay_course(mine, source=source)[0].action == "kept"


layouts = {"before": ["01_one", "02_two", "03_three"], "after": ["01_one", "03_two", "04_three"]}
renumbering = st.lists(
    st.one_of(
        st.tuples(st.just("edit"), st.sampled_from([*layouts["before"], *layouts["after"]])),
        st.tuples(st.sampled_from(["lay", "reset"]), st.sampled_from([*layouts])),
        st.tuples(st.just("lose the record"), st.none()),
    ),
    max_size=8,
)


@given(renumbering)
@example([("lay", "before"), ("edit", "02_two"), ("lay", "after")])
@example([("lay", "before"), ("edit", "03_three"), ("reset", "after"), ("lay", "before")])
@settings(max_examples=60)
def test_no_edit_is_lost_when_chapters_get_other_numbers(tmp_path_factory, events):
    "What the learner wrote stays in some file; no file of ours stands under an older number."
    here = tmp_path_factory.mktemp("numbers")
    mine, edits, recorded = here / "mine", set(), True
    sources = {k: write_course(here / k, dict.fromkeys(names, k)) for k, names in layouts.items()}
    for n, (event, what) in enumerate(events):
        path = mine / f"{what}.ipynb"
        if event == "edit" and path.exists():
            edits.discard(path.read_text())
            path.write_text(f"edit {n}")
            edits.add(f"edit {n}")
        elif event == "lose the record":
            (mine / ".dljourney" / "course.json").unlink(missing_ok=True)
            recorded = recorded and not mine.exists()
        elif event in ("lay", "reset"):
            course.lay_course(mine, reset=event == "reset", source=sources[what])
            files = [p for p in mine.glob("[0-9][0-9]_*.ipynb") if "." not in p.stem]
            there = {p.stem: p.read_text() for p in files}
            assert set(layouts[what]) <= set(there)
            others = {name: text for name, text in there.items() if name not in layouts[what]}
            assert not recorded or set(others.values()) <= edits
            assert event == "lay" or not others
        assert edits <= {p.read_text() for p in mine.glob("*.ipynb")}


def test_a_chapter_with_another_number_leaves_what_was_edited_and_says_so(tmp_path):
    "05_universal became 06_universal when chapter 05 was new."
    before = dict.fromkeys(["04_sgd", "05_universal", "06_overfitting"], "v1")
    old = write_course(tmp_path / "old", before)
    new = write_course(tmp_path / "new", {"04_sgd": "v2", "05_optimisers": "v2",
                                          "06_universal": "v2", "07_overfitting": "v2"})
    mine = tmp_path / "mine"
    course.lay_course(mine, source=old)
    (mine / "05_universal.ipynb").write_text("my own work")
    (mine / "08_mine.ipynb").write_text("a notebook of my own")
    laid = course.lay_course(mine, source=new)
    assert [(r.path.name, r.action, r.other and r.other.name) for r in laid] == [
        ("04_sgd.ipynb", "updated", None), ("05_optimisers.ipynb", "new", None),
        ("06_universal.ipynb", "new", None), ("07_overfitting.ipynb", "new", None),
        ("05_universal.ipynb", "kept", "06_universal.ipynb"),
        ("06_overfitting.ipynb", "removed", "07_overfitting.ipynb"),
    ]
    assert (mine / "05_universal.ipynb").read_text() == "my own work"
    assert "v2" in (mine / "06_universal.ipynb").read_text()
    assert not (mine / "06_overfitting.ipynb").exists() and (mine / "08_mine.ipynb").exists()
    told = [str(r) for r in course.lay_course(mine, source=new)]
    kept = "05_universal.ipynb: kept: it holds your edits; the new version is 06_universal.ipynb"
    assert told[-1] == kept
    *_, aside = course.lay_course(mine, source=new, reset=True)
    assert str(aside) == "05_universal.ipynb: laid aside: yours is 05_universal.mine.ipynb"
    assert (mine / "05_universal.mine.ipynb").read_text() == "my own work"
    assert not (mine / "05_universal.ipynb").exists()
    assert [r.action for r in course.lay_course(mine, source=new)] == ["unchanged"] * 4


def test_a_new_version_beside_an_edited_chapter_goes_with_the_old_number(tmp_path):
    sources = [write_course(tmp_path / version, {f"{number}_universal": version})
               for number, version in [("05", "v1"), ("05", "v2"), ("05", "v3"), ("06", "v4")]]
    mine = tmp_path / "mine"
    course.lay_course(mine, source=sources[0])
    (mine / "05_universal.ipynb").write_text("my own work")
    for source in sources[1:3]:
        course.lay_course(mine, source=source)
        if source is sources[1]: (mine / "05_universal.new.ipynb").write_text("edited too")
    laid = course.lay_course(mine, source=sources[3])
    assert {p.name: p.read_text() for p in mine.glob("05*")} == {
        "05_universal.ipynb": "my own work", "05_universal.new.ipynb": "edited too"}
    assert [(r.path.name, r.action) for r in laid if r.action == "removed"] == [
        ("05_universal.new-2.ipynb", "removed")]


def test_a_removed_number_is_told(tmp_path, capsys):
    old = write_course(tmp_path / "old", {"05_universal": "v1"})
    course.lay_course(tmp_path / "mine", source=old)
    assert course.main(["course", str(tmp_path / "mine"), "--lay-only"]) == 0
    said = "05_universal.ipynb: removed: it is 06_universal.ipynb now (you had not edited it)"
    assert said in capsys.readouterr().out


def test_the_map_says_which_file_holds_the_work_from_before(tmp_path):
    names = ["05_optimisers", "05_universal", "06_universal", "09_made_up", "08_made_up"]
    mine = write_course(tmp_path, {name: f"# {name}" for name in names})
    (tmp_path / ".dljourney").mkdir()
    (tmp_path / ".dljourney" / "course.json").write_text("{}")
    shown = course.course_map(mine)
    names = {stop.chapter.name: stop.earlier for stop in shown.stops}
    assert names == {"05_optimisers": (), "06_universal": ("05_universal.ipynb",),
                     "09_made_up": ("08_made_up.ipynb",)}
    assert "05_universal.ipynb" in repr(shown) and "yours from before" in repr(shown)
    page = shown._repr_html_()
    assert '<a href="05_universal.ipynb">05_universal.ipynb</a>' in page and page.count("<td") == 3


@pytest.mark.parametrize("make", [
    lambda p: p.write_text("a file"), lambda p: p.symlink_to(notebooks_folder()),
])  # fmt: skip
def test_a_folder_that_cannot_be_the_learners_is_refused(tmp_path, make, capsys):
    make(tmp_path / "here")
    assert course.main(["course", str(tmp_path / "here"), "--lay-only"]) == 2
    assert "choose another" in capsys.readouterr().err


def test_killed_at_any_moment_every_file_is_whole(tmp_path):
    "Two versions are laid over each other for ever; at a kill each file is one or the other."
    big = "x" * 300_000
    a = write_course(tmp_path / "a", {f"{i:02}_c": f"a{big}" for i in range(8)})
    b = write_course(tmp_path / "b", {f"{i:02}_c": f"b{big}" for i in range(8)})
    mine = tmp_path / "mine"
    code = ("import sys, itertools; from dljourney.cli.course import lay_course\n"
            "for source in itertools.cycle(sys.argv[2:]):\n"
            "    lay_course(sys.argv[1], source=source); print(flush=True)")
    command = [sys.executable, "-c", code, str(mine), str(a), str(b)]
    whole = {read_for_learners(s / f"{i:02}_c.ipynb") for s in (a, b) for i in range(8)}
    for wait in (0.0, 0.003, 0.01, 0.02, 0.03, 0.05):
        child = subprocess.Popen(command, stdout=subprocess.PIPE)
        child.stdout.readline()
        time.sleep(wait)
        child.kill()
        child.wait()
        assert {p.read_bytes() for p in mine.glob("*.ipynb")} <= whole
        json.loads((mine / ".dljourney" / "course.json").read_text())
    course.lay_course(mine, source=b)
    assert all(p.read_bytes() in whole for p in mine.glob("*_c.ipynb"))


def test_chapters_are_found_by_number_topic_and_file_name(tmp_path):
    folder = write_course(tmp_path, {"01_one": "", "04_sgd": "", "glossary": ""})
    for name in ("4", "04", "sgd", "04_sgd", "04_sgd.ipynb"):
        assert [c.name for c in course.choose_chapters([name], folder)] == ["04_sgd"]
    assert [c.name for c in course.choose_chapters([], folder)] == ["01_one", "04_sgd", "glossary"]
    with pytest.raises(ValueError, match="no chapter is called 'nine'; there are: 01_one"):
        course.choose_chapters(["nine"], folder)
    with pytest.raises(ValueError, match="found none"):
        course.choose_chapters([], tmp_path / "empty")


def write_code(folder, name, *sources):
    cells = [{"cell_type": "code", "id": f"c{i}", "metadata": {}, "source": [text], "outputs": [],
              "execution_count": None} for i, text in enumerate(sources)]
    nb = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.ipynb").write_text(json.dumps(nb))


def test_run_tells_passed_from_failed_and_keeps_what_was_asked(tmp_path, capsys):
    mine = tmp_path / "mine"
    write_code(mine, "01_good", "import os; print(os.getcwd())", "1 + 1")
    write_code(mine, "02_bad", "x = 1", "undefined_name")
    save, pages = tmp_path / "save", tmp_path / "html"
    arguments = ["run", "--folder", str(mine), "--save", str(save), "--html", str(pages)]
    assert course.main(arguments) == 1
    out, err = capsys.readouterr()
    assert "01_good" in out and "FAILED in cell 1" in out and "1 passed, 1 failed" in out
    assert "02_bad, cell 1" in err and "NameError: name 'undefined_name' is not defined" in err
    saved = json.loads((save / "01_good.ipynb").read_text())
    told = "".join(saved["cells"][0]["outputs"][0]["text"])
    assert str(mine) in told  # it ran in the learner's folder
    assert "<html" in (pages / "01_good.html").read_text()
    assert course.main(["run", "1", "--folder", str(mine)]) == 0


def test_run_replaces_no_notebook_and_no_page_that_it_did_not_write(tmp_path, capsys):
    "The learner's copies, with answers and tags, stay; what the command wrote makes room."
    source, mine = tmp_path / "source", tmp_path / "mine"
    write_code(source, "01_good", "print(1)")
    course.lay_course(mine, source=source)
    chapter, page = mine / "01_good.ipynb", mine / "01_good.html"
    text = chapter.read_text().replace("print(1)", "print(2)")
    tagged = text.replace('"metadata": {}', '"metadata": {"tags": ["a"]}', 1)
    assert tagged != text
    chapter.write_text(tagged)
    page.write_text("my own page")
    edited = chapter.read_bytes()
    for folder, want in ((source, "1"), (mine, "2")):
        places = ["--folder", str(folder), "--save", str(mine), "--html", str(mine)]
        assert course.main(["run", *places]) == 0
        assert chapter.read_bytes() == edited and page.read_text() == "my own page"
        saved = json.loads((mine / "01_good.run.ipynb").read_text())
        assert saved["cells"][0]["outputs"][0]["text"] == [f"{want}\n"]
        assert "<html" in (mine / "01_good.run.html").read_text()
        told = capsys.readouterr().err
        assert f"{chapter} is yours and is kept; this run is saved as 01_good.run.ipynb" in told
        assert f"{page} is yours and is kept; this run is saved as 01_good.run.html" in told
    assert len(list(mine.iterdir())) == 1 + 4
    assert [r.action for r in course.lay_course(mine, source=source)] == ["kept"]
    assert [c.name for c in course.choose_chapters([], mine)] == ["01_good"]


def test_what_was_edited_after_a_run_is_kept_at_the_next(tmp_path, capsys):
    def run(text):
        with course._beside_others(tmp_path / "01_good.ipynb") as path:
            path.write_text(text)
        return path.name

    assert [run("a"), run("b")] == ["01_good.ipynb"] * 2 and not capsys.readouterr().err
    names = ["01_good.ipynb", *(f"01_good.{run}.ipynb" for run in ("run", "run-2", "run-3"))]
    edits = {}
    for name, following in zip(names, names[1:]):
        (tmp_path / name).write_text(f"edit of {name}")
        edits[name] = f"edit of {name}"
        assert [run("c"), run("d")] == [following] * 2
        assert all((tmp_path / name).read_text() == text for name, text in edits.items())
    # with no record, all is taken for the learner's
    (tmp_path / ".dljourney" / "run.json").write_text("{")
    assert run("e") == "01_good.run-4.ipynb" and (tmp_path / names[-1]).read_text() == "d"
    (tmp_path / "01_good.run-4.ipynb").unlink()
    (tmp_path / "01_good.run-4.ipynb").mkdir()
    assert run("f") == "01_good.run-5.ipynb"


def test_a_hanging_cell_is_stopped_and_named(tmp_path, capsys):
    write_code(tmp_path, "01_slow", "while True: pass")
    assert course.main(["run", "--folder", str(tmp_path), "--timeout", "1"]) == 1
    assert "did not finish within 1 seconds" in capsys.readouterr().err


damages = [b"", b"{", b"[]", b"5", b"{}", b'{"metadata": {}}', b'{"cells": [5]}', b"\xff",
           b'{"cells": null}', b'{"cells": [{"cell_type": "code"}]}', b"[" * 100_000]


@pytest.mark.parametrize("damage", damages)
def test_a_damaged_chapter_is_named_and_the_others_go_on(tmp_path, capsys, damage):
    mine, source = tmp_path / "mine", tmp_path / "source"
    write_code(source, "01_good", "1 + 1")
    write_code(source, "04_sgd", "1 + 1")
    course.lay_course(mine, source=source)
    bad = mine / "04_sgd.ipynb"
    bad.write_bytes(damage)
    for command in (["list", "--folder", str(mine)], ["progress", str(mine)]):
        assert course.main(command) == 0
        out, err = capsys.readouterr()
        assert "01_good" in out and "04_sgd" in out and "damaged" in out and not err
    course.main(["list", "--folder", str(mine)])
    out = capsys.readouterr().out
    assert str(bad) in out and "dljourney course" in out  # which file, and what to do
    places = ["--save", str(tmp_path / "save"), "--html", str(tmp_path / "html")]
    arguments = ["run", "4", "--folder", str(mine), *places]
    assert course.main(arguments) == 1
    out, err = capsys.readouterr()
    assert str(bad) in err and "dljourney course" in err
    assert "damaged" in out and "0 passed, 1 failed" in out
    if damage == b"":  # a kernel takes a while to start
        assert course.main(["run", "1", "--folder", str(mine)]) == 0
    bad.rename(mine / "away.txt")
    assert [r.action for r in course.lay_course(mine, source=source)] == ["unchanged", "new"]


def test_a_chapter_that_only_jupyter_finds_damaged_is_named_too(tmp_path, capsys):
    write_code(tmp_path, "01_good", "1 + 1")
    bad = tmp_path / "01_good.ipynb"
    bad.write_text(bad.read_text().replace('"metadata": {}, "source"', '"source"'))
    assert course.main(["run", "--folder", str(tmp_path)]) == 1
    assert f"{bad} is damaged" in capsys.readouterr().err


def test_a_damaged_chapter_on_the_map_is_a_card_that_says_so(tmp_path):
    from dljourney.kit.course import course_map

    write_code(tmp_path, "01_good", "quiz.flat(...)")
    (tmp_path / ".dljourney").mkdir()
    (tmp_path / ".dljourney" / "course.json").write_text("{}")
    (tmp_path / "04_sgd.ipynb").write_text("")
    there = course_map(tmp_path)
    assert [s.state for s in there.stops] == ["0 of 1 solved", "damaged"]
    assert there.next is there.stops[0]
    assert "damaged" in there._repr_html_() and "move it away" in there._repr_html_()


def test_a_damaged_installation_lays_nothing_damaged(tmp_path):
    source, mine = write_course(tmp_path / "source", {"01_one": "v1"}), tmp_path / "mine"
    (source / "02_two.ipynb").write_text("")
    with pytest.raises(ValueError, match="02_two.*install dljourney again"):
        course.lay_course(mine, source=source)
    assert not list(mine.glob("*.ipynb"))


def test_list_and_help_and_an_unknown_chapter(capsys):
    assert course.main(["list"]) == 0
    assert "00_start" in capsys.readouterr().out
    assert course.main(["run", "nine"]) == 2
    assert "there are:" in capsys.readouterr().err
    for command in ([], ["course"], ["run"], ["list"], ["doctor"]):
        with pytest.raises(SystemExit) as exit:
            course.main([*command, "--help"])
        assert exit.value.code == 0 and "examples:" in capsys.readouterr().out


def test_what_a_careless_hand_types_ends_with_a_sentence(tmp_path, capsys, monkeypatch):
    "Before anything is run or made, on the error stream, with exit status 2."
    monkeypatch.chdir(tmp_path)
    write_code(tmp_path / "mine", "01_good", "1 + 1")
    Path("file").write_text("mine")
    address = "https://example.com/course"
    for arguments, told in [
        ([], "usage: dljourney"),
        (["list", "--folder", "nowhere"], "in nowhere, found none"),
        (["list", "--folder", "file"], "in file, found none"),
        (["run", "--folder", "mine", "--timeout", "0"], "timeout: expected seconds, more than 0"),
        (["run", "--folder", "mine", "--timeout", "nan"], "timeout: expected seconds, more than 0"),
        (["run", "--folder", "mine", "--save", "file"], "save: expected a folder"),
        (["run", "--folder", "mine", "--html", "file/deeper"], "html: expected a folder"),
        (["course", address, "--lay-only"], "folder: expected a path on this machine"),
        (["course", "-", "--lay-only"], "folder: expected a path, got -"),
    ]:
        assert course.main(arguments) == 2
        out, err = capsys.readouterr()
        assert told in err and not out and "Traceback" not in err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "mine"]


def test_the_systems_errors_are_told_without_their_numbers(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(course, "lay_course", lambda *a, **k: (tmp_path / "x" / "y").write_text(""))
    assert course.main(["course", str(tmp_path / "c")]) == 2
    told = f"dljourney course: {tmp_path / 'x' / 'y'}: no such file or directory\n"
    assert capsys.readouterr().err == told


def test_the_doctor_says_what_to_do(monkeypatch):
    from dljourney.kit.course import health as doctor

    assert all(f.ok or f.advice for f in doctor.doctor())
    monkeypatch.setattr(doctor, "is_installed", lambda package: False)
    findings = doctor._jupyter_findings()
    assert any("not installed" in f.what and "pip install" in f.advice for f in findings)
    monkeypatch.setattr(sys, "version_info", (3, 9, 1))
    assert not doctor._python_finding().ok
    assert not doctor._write_finding(Path("/proc")).ok
    monkeypatch.setattr(doctor, "_free_memory", lambda: 0.5)
    assert "close other programs" in doctor._memory_finding().advice


def test_the_doctor_tells_a_virtual_environment_from_its_base(tmp_path, monkeypatch):
    "Both are the same file when links are followed, and they hold different packages."
    import venv

    from dljourney.kit.course.health import _kernel_finding

    def kernel(python):
        folder = tmp_path / "jupyter" / "kernels" / "python3"
        folder.mkdir(parents=True, exist_ok=True)
        argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        spec = {"argv": argv, "display_name": "P", "language": "python"}
        (folder / "kernel.json").write_text(json.dumps(spec))
        return _kernel_finding()

    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    venv.create(tmp_path / "env", symlinks=True)
    scripts = "Scripts" if os.name == "nt" else "bin"
    python = tmp_path / "env" / scripts / Path(sys.executable).name
    assert kernel(sys.executable).ok and kernel("python3").ok
    assert not kernel(python).ok and "open the course with this Python" in kernel(python).advice
    assert not kernel(tmp_path / "nothing").ok
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "env"))
    assert kernel(python).ok and kernel(python.with_name(f"python{sys.version_info[0]}")).ok
    assert not kernel(os.path.realpath(python)).ok  # its base


def environment(place):
    names = ("CONFIG", "RUNTIME", "DATA")
    return {**os.environ, **{f"JUPYTER_{name}_DIR": str(place / name) for name in names}}


def start_course(place, name, *more):
    "`dljourney course` as a process of its own, with a Jupyter that knows of nothing else."
    command = [sys.executable, "-m", "dljourney.cli.course", "course", "--no-browser"]
    return subprocess.Popen([*command, str(place / name), *more], text=True, start_new_session=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            env=environment(place))


def address_of(child):
    "Address, port and token of the server that `dljourney course` started, once it answers."
    seen = []
    pattern = r"(http://(?:localhost|127\.0\.0\.1):(\d+))/lab/tree/00_start\.ipynb\?token=(\w+)"

    def read():
        for line in child.stdout: seen.append(line)

    def answers():
        assert child.poll() is None, f"JupyterLab did not print an address: {''.join(seen)}"
        told = re.search(pattern, "".join(seen).rpartition("is running at")[2])
        return told if told and _is_taken(int(told[2])) else None

    threading.Thread(target=read, daemon=True).start()
    found = wait_until(answers, "the server answers", 120)
    return found[1], int(found[2]), found[3], "".join(seen)


def wait_until(is_so, what, seconds=40):
    end = time.monotonic() + seconds
    while not (so := is_so()):
        assert time.monotonic() < end, f"not within {seconds} seconds: {what}"
        time.sleep(0.1)
    return so


def asked(address, sent=None):
    "What a server answers; a refusal is shown whole."
    try:
        with urllib.request.urlopen(address, sent, timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        told = f"{address}: {error}\n{error.headers}{error.read()}"
        raise AssertionError(told) from error


@pytest.fixture
def children():
    "Processes that do not outlive the test."
    started = []
    yield started
    for child in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def test_jupyterlab_opens_with_its_token_on_this_machine_only(tmp_path, children):
    "Its page does not ask about news; a second start is shown it, or told that it has the port."
    children.append(start_course(tmp_path, "c"))
    address, port, token, told = address_of(children[0])
    assert "To stop it, press Ctrl+C here." in told
    page = f"{address}/api/contents/00_start.ipynb"
    assert asked(f"{page}?token={token}")["name"] == "00_start.ipynb"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(page, timeout=20)
    name = "@jupyterlab/apputils-extension:notification"
    news = asked(f"{address}/lab/api/settings/{name}?token={token}")["schema"]["properties"]
    assert news["fetchNews"]["default"] == "false" and news["checkForUpdates"]["default"] is False

    again = start_course(tmp_path, "c")
    assert f"JupyterLab runs on this folder already: {address}/lab/tree/" in again.communicate()[0]
    assert again.returncode == 0
    other = start_course(tmp_path, "other", "--port", str(port))
    told = f"got {port}, taken by JupyterLab on {tmp_path / 'c'}: {address}"
    assert told in other.communicate()[0]
    assert other.returncode == 2


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_stopping_the_course_stops_its_server_however_it_is_stopped(tmp_path, children):
    "Asked to end, its terminal closed, or killed without a word; the kernels go, too."
    ends = {signal.SIGINT: 0, signal.SIGTERM: 143, signal.SIGHUP: 129, signal.SIGKILL: -9}
    with contextlib.ExitStack() as held:  # a port for each, or some would start twice
        free = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in ends]
        ports = [str(one.getsockname()[1]) for one in free]
    for number, port in zip(ends, ports):
        children.append(start_course(tmp_path, number.name, "--port", port))
    for child, (number, status) in zip(children, ends.items()):
        address, port, token, told = address_of(child)
        kernel = asked(f"{address}/api/kernels?token={token}", b"{}")["id"]
        connection = tmp_path / "RUNTIME" / f"kernel-{kernel}.json"
        assert connection.exists()
        child.send_signal(number)
        wait_until(lambda port=port: not _is_taken(port), f"the server ends after {number.name}")
        assert child.wait(40) == status
        wait_until(lambda f=connection: not f.exists(), f"the kernel ends after {number.name}")


def test_a_port_that_is_taken_is_told(tmp_path, capsys, monkeypatch):
    from dljourney.kit.course import lab

    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        arguments = ["course", str(tmp_path / "c"), "--port", str(port)]
        assert course.main(arguments) == 2
        assert f"got {port}, taken by another program; choose another" in capsys.readouterr().err
        monkeypatch.setattr(lab, "_is_taken", lambda p, real=lab._is_taken: p == 8888 or real(p))
        assert 8888 < lab._free_port(None, {}) < 9000
        assert "Port 8888 is taken by another program" in capsys.readouterr().out
    for port in ("0", "-1", "65536"):
        assert course.main(["course", str(tmp_path / "c"), "--port", port]) == 2
        assert "port: expected a number from 1 to 65535" in capsys.readouterr().err


def test_who_loses_the_race_for_a_port_takes_the_next(tmp_path, capsys, monkeypatch):
    "Between the look for a port and the server's start, another may take it."
    from dljourney.kit.course import lab

    holders, tried = [], []

    def run(command):
        [port] = [int(c.rpartition("=")[2]) for c in command if c.startswith("--ServerApp.port=")]
        assert "--ServerApp.port_retries=0" in command
        tried.append(port)
        if len(tried) < 3:
            holders.append(socket.create_server(("127.0.0.1", port)))
            return 1
        return 7

    monkeypatch.setattr(lab, "_run", run)
    assert lab.open_lab(tmp_path, browser=False) == 7
    assert tried == sorted({*tried}) and len(tried) == 3
    assert f"So this JupyterLab listens on port {tried[-1]}." in capsys.readouterr().out
    tried.clear()
    with socket.create_server(("127.0.0.1", 0)) as free: port = free.getsockname()[1]
    with pytest.raises(ValueError, match=f"port: expected a free one, got {port}, taken by"):
        lab.open_lab(tmp_path, browser=False, port=port)
    assert tried == [port]
    for holder in holders: holder.close()


def test_a_server_whose_port_was_taken_while_it_started_ends(tmp_path):
    "What `open_lab` builds on: it ends with status 1, and does not stay without a port."
    from dljourney.kit.course import jupyterlab_command, lab

    code = """
from jupyter_server.serverapp import ServerApp
from jupyterlab.labapp import main
ServerApp._find_http_port = lambda self: None  # as if it had been free then
main()
"""
    with socket.create_server(("127.0.0.1", 0)) as other:
        command = jupyterlab_command(tmp_path, False, other.getsockname()[1])
        command[1:3] = ["-c", code]
        env = {**lab._environment(), **environment(tmp_path)}
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and "already in use" in done.stderr


def test_a_port_that_is_not_for_everybody_is_not_called_taken(tmp_path, capsys, monkeypatch):
    class Guarded(socket.socket):
        def bind(self, address):
            if address[1] < 1024: raise PermissionError(13, "Permission denied")
            super().bind(address)

    monkeypatch.setattr(socket, "socket", Guarded)
    assert course.main(["course", str(tmp_path / "c"), "--port", "80"]) == 2
    told = "port: expected one that you may use, got 80; choose another, 1024 or more"
    assert told in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("number, status", [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_stopped_while_the_server_starts_it_ends_quietly(number, status, tmp_path, monkeypatch):
    from dljourney.kit.course import lab

    def starting(*args, **more):
        os.kill(os.getpid(), number)
        time.sleep(5)

    monkeypatch.setattr(lab.subprocess, "Popen", starting)
    assert course.main(["course", str(tmp_path / "c"), "--no-browser"]) == status


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_stopped_again_and_again_the_course_ends_quietly(tmp_path, monkeypatch):
    from dljourney.kit.course import lab

    class Stubborn:
        def __init__(self, *args, **more):
            self.stdin = open(os.devnull, "w")

        def wait(self, seconds=None):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)

        def kill(self):
            pass

    monkeypatch.setattr(lab.subprocess, "Popen", Stubborn)
    assert course.main(["course", str(tmp_path / "c"), "--no-browser"]) == 130


def test_progress_and_fresh_run_tell_what_is_solved(tmp_path, capsys, monkeypatch):
    "One answer right, one wrong, one open; the map and `dljourney run --folder` agree."
    from dljourney.kit.course import course_map
    from dljourney.kit.exercises import record

    source = tmp_path / "source"
    write_code(source, "02_samuel",
               "from dljourney.exercises.samuel import check, quiz", "check.keep_better(max)",
               "check.slope(lambda p, w, n: (p(w + n) - p(w)) / n)",
               "quiz.flat('1/144')", "quiz.automatic(...)")
    mine = tmp_path / "mine"
    course.lay_course(mine, source=source)
    assert course.main(["progress", str(mine)]) == 0
    assert "0 of 4 solved" in capsys.readouterr().out
    monkeypatch.delenv("DLJOURNEY_NO_PROGRESS")
    for name in ("slope", "flat"):
        record("samuel", name, "correct", mine)
    record("samuel", "keep_better", "incorrect", mine)
    there = course_map(mine)
    assert there.stops[0].solved == 2 and there.next is there.stops[0]
    shown = there._repr_html_()
    assert "2 of 4 solved" in shown and 'href="02_samuel.ipynb"' in shown
    assert course.main(["run", "--folder", str(mine)]) == 0
    out = capsys.readouterr().out
    assert "2 of 4 right in a fresh process" in out
    assert "right: slope, flat" in out and "not yet: keep_better" in out


def test_the_map_that_is_stored_is_the_map_of_today():
    "What a reader sees before the first cell was run: as many questions as there are, readable."
    from dljourney.kit.course import course_map

    chapters = Path(__file__).parent.parent / "nbs"
    cells = json.loads((chapters / "00_start.ipynb").read_text("utf-8"))["cells"]
    (stored,) = [c["outputs"] for c in cells if "course_map()" in "".join(c["source"])]
    there = course_map(chapters)
    assert "".join(stored[0]["data"]["text/html"]) == there._repr_html_()
    assert "".join(stored[0]["data"]["text/plain"]) == repr(there)


def test_progress_outside_a_course_folder_says_so(tmp_path, capsys):
    assert course.main(["progress", str(tmp_path)]) == 2
    assert "is not in a folder that `dljourney course` made" in capsys.readouterr().err


def test_pages_carry_the_pictures_alternative_texts(capsys):
    import base64

    from nbformat.v4 import new_code_cell, new_notebook, new_output

    picture = base64.b64encode(b"\x89PNG" * 30).decode()
    cell = new_code_cell("1")
    for alt in ({"image/png": {"alt": 'a "cat" & a <dog>'}}, {}):
        data = {"image/png": picture if alt else picture[::-1]}
        cell.outputs.append(new_output("display_data", data=data, metadata=alt))
    page = course.notebook_html(new_notebook(cells=[cell]), "A title")
    assert 'alt="a &quot;cat&quot; &amp; a &lt;dog&gt;"' in page and picture in page
    assert page.count("No description has been provided") == 1
    assert capsys.readouterr().err == ""
