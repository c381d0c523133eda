"Progress survives kills, two writers at once, old versions and damage, and is written nowhere else"
import errno
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from exercise_cases import chapters
from hypothesis import given, settings
from hypothesis import strategies as st

from dljourney.kit.exercises import progress
from dljourney.kit.exercises import (
    Entry, First, Progress, Record, choice, course_folder, exercise, items, outcomes_in, read,
    record, record_best, record_guess, summary_table, verbs,
)

names = st.text(st.characters(codec="utf-8"), max_size=8)
outcomes = st.sampled_from(["correct", "incorrect", "error"])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.delenv("IN_TEST", raising=False)
    monkeypatch.delenv("DLJOURNEY_NO_PROGRESS", raising=False)
    return mark(tmp_path / "course")


def mark(folder):
    (folder / ".dljourney").mkdir(parents=True)
    (folder / ".dljourney" / "course.json").write_text("{}")
    return folder


def file_in(folder):
    return folder / ".dljourney" / "progress.json"


def contents(folder):
    return {p.name for p in (folder / ".dljourney").iterdir()} - {"course.json", "progress.lock"}


# ---- where, and when not


def test_nothing_is_written_without_a_course_folder(tmp_path, folder):
    assert record("sgd", "slope", "correct", tmp_path) == "" and read(tmp_path) == Progress()
    assert list(tmp_path.iterdir()) == [folder]


def test_a_folder_below_the_course_belongs_to_it(folder, monkeypatch):
    (folder / "photos").mkdir()
    monkeypatch.chdir(folder / "photos")
    assert course_folder() == folder.resolve()
    record("sgd", "slope", "correct")
    assert read().solved("sgd") == {"slope"}


@pytest.mark.parametrize("variable", ["IN_TEST", "DLJOURNEY_NO_PROGRESS"])
def test_nothing_is_written_while_tests_run(folder, variable, monkeypatch):
    monkeypatch.setenv(variable, "1")
    assert record("sgd", "slope", "correct", folder) == "" and contents(folder) == set()


def test_a_folder_that_cannot_be_written_is_told_and_does_no_harm(folder, monkeypatch):
    def full(path, text): raise OSError(28, "No space left on device")

    monkeypatch.setattr(progress, "write_atomically", full)
    assert "No space left" in record("sgd", "slope", "correct", folder)


def test_a_folder_that_cannot_be_entered_is_told_and_does_no_harm(folder, monkeypatch):
    "As where another user laid the course. Tests may run as root, whom nothing is closed to."
    def closed(real):
        def call(path, *args, **more):
            if ".dljourney" in str(path) and not str(path).endswith(".dljourney"):
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return real(path, *args, **more)
        return call

    monkeypatch.setattr(progress.Path, "is_file", closed(progress.Path.is_file))
    monkeypatch.setattr(progress.Path, "read_bytes", closed(progress.Path.read_bytes))
    monkeypatch.setattr(progress.os, "open", closed(os.open))
    told = record("sgd", "slope", "correct", folder)
    assert told == "Your progress was not recorded: Permission denied."
    (folder / "photos").mkdir()
    assert read(folder / "photos") == Progress(note=progress._NOTES["unreadable"])


def test_a_mark_that_cannot_be_looked_for_is_no_mark(tmp_path, monkeypatch):
    def closed(path): raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(progress.Path, "is_file", closed)
    monkeypatch.delenv("DLJOURNEY_NO_PROGRESS", raising=False)
    assert course_folder(tmp_path) is None
    assert record("sgd", "slope", "correct", tmp_path) == "" and read(tmp_path) == Progress()


def test_a_name_that_no_folder_can_have_holds_no_course(folder):
    for name in ("a\0b", "x" * 5000, "\ud800"):
        assert course_folder(name) is None
        assert record("sgd", "slope", "correct", name) == "" and read(name) == Progress()


def test_names_that_are_no_text_do_no_harm(folder):
    told = record("sgd", "\ud800", "correct", folder)
    assert "not recorded" in told or read(folder).solved("sgd")


# ---- what is kept


def test_what_is_correct_stays_correct_and_tries_are_counted(folder):
    for outcome in ("incorrect", "error", "not attempted", "unchecked", "question", "correct",
                    "incorrect"):
        assert record("sgd", "slope", outcome, folder) == ""
    assert read(folder).chapters == {"sgd": {"slope": Entry("correct", 3)}}


@settings(max_examples=40)
@given(st.lists(st.tuples(names, names, outcomes), max_size=8))
def test_any_names_come_back(tmp_path_factory, answers):
    folder = mark(tmp_path_factory.mktemp("any"))
    clean = {k: os.environ.pop(k) for k in ("IN_TEST", "DLJOURNEY_NO_PROGRESS") if k in os.environ}
    try:
        for answer in answers: assert record(*answer, folder) == ""
    finally: os.environ.update(clean)
    found = read(folder)
    assert {(c, n) for c, e in found.chapters.items() for n in e} == {(c, n) for c, n, _ in answers}
    for c, n, outcome in answers:
        if outcome == "correct": assert n in found.solved(c)
    assert not found.note


# ---- older, newer and damaged files


def test_a_file_of_format_1_is_upgraded(folder):
    old = {"format": 1, "chapters": {"sgd": {"slope": "correct", "adam_step": "incorrect"}}}
    file_in(folder).write_text(json.dumps(old))
    assert read(folder).chapters == {"sgd": {"slope": Entry("correct", 1)},
                                     "optimisers": {"adam_step": Entry("incorrect", 1)}}
    assert record("optimisers", "adam_step", "correct", folder) == ""
    new = json.loads(file_in(folder).read_text())
    assert new["format"] == progress.FORMAT
    assert new["chapters"]["optimisers"]["adam_step"] == {"outcome": "correct", "tries": 2}
    assert contents(folder) == {"progress.json"}


moved = progress._MOVED  # what other versions called it: (chapter, name) then and now
stays = [("sgd", "slope"), ("overfitting", "should_stop"), ("universal", "turns")]


def file_of(entries, version):
    chapters = {}
    for (chapter, name), entry in entries.items():
        kept = entry[0] if version == 1 else {"outcome": entry[0], "tries": entry[1]}
        chapters.setdefault(chapter, {})[name] = kept
    return json.dumps({"format": version, "chapters": chapters})


entry = st.tuples(outcomes, st.integers(1, 9))
tasks = st.sampled_from([*moved, *moved.values(), *stays])


@settings(max_examples=60)
@given(st.dictionaries(tasks, entry, max_size=12), st.sampled_from([1, 2]))
def test_what_was_solved_under_an_older_name_stays_solved(tmp_path_factory, entries, version):
    "Each entry of an older file is there under today's name; of two for one task the right one."
    folder = mark(tmp_path_factory.mktemp("old") / "course")
    file_in(folder).write_text(file_of(entries, version))
    together = {}
    for task, (outcome, tries) in entries.items():
        known = outcome, tries if version == 2 else 1
        together.setdefault(moved.get(task, task), []).append(known)
    found = {(c, n): e for c, names in read(folder).chapters.items() for n, e in names.items()}
    assert set(found) == set(together) and not read(folder).note
    for task, given_entries in together.items():
        assert (found[task].outcome == "correct") == any(o == "correct" for o, _ in given_entries)
        assert found[task].outcome in [o for o, _ in given_entries]
        if len(given_entries) == 1: assert tuple(found[task]) == given_entries[0]


def test_a_file_is_upgraded_once(folder):
    "Today's file is not looked through for older names."
    record("sgd", "momentum_step", "correct", folder)
    assert read(folder).solved("sgd") == {"momentum_step"} and not read(folder).solved("optimisers")


def tasks_of_today():
    "(chapter, name) of each exercise and question."
    modules = {c: importlib.import_module(f"dljourney.exercises.{c}") for c in chapters()}
    return {(c, n) for c, m in modules.items() for n in {*items(m.check), *items(m.quiz)}}


def test_every_name_that_moved_leads_to_a_task_of_today():
    today = tasks_of_today()
    assert set(moved.values()) <= today, "a task that is not there"
    assert not set(moved) & today, "an older name is back"
    assert len(set(moved.values())) == len(moved), "two names lead to one task"


def test_all_that_could_be_solved_in_format_2_is_solved_today(folder):
    "Who solved every task of the last version with that format has solved them under today's names"
    file_in(folder).write_bytes((Path(__file__).parent / "progress_format_2.json").read_bytes())
    solved = {(c, n) for c in read(folder).chapters for n in read(folder).solved(c)}
    assert len(solved) == 151 and solved <= tasks_of_today()


def test_a_file_of_format_3_has_no_guesses_and_loses_nothing(folder):
    entry = {"outcome": "correct", "tries": 2}
    file_in(folder).write_text(json.dumps({"format": 3, "chapters": {"sgd": {"slope": entry}}}))
    done = {"sgd": {"slope": Entry("correct", 2)}}
    assert read(folder) == Progress(done)
    assert record_guess("sgd", "rates", First("c"), folder) == ""
    assert read(folder) == Progress(done, guesses={"sgd": {"rates": First("c")}})


def test_a_file_of_format_4_has_no_records_and_loses_nothing(folder):
    guess = {"guess": 0.4, "close": None, "chance": None}
    old = {"format": 4, "chapters": {}, "guesses": {"sgd": {"share": guess}}}
    file_in(folder).write_text(json.dumps(old))
    before = Progress(guesses={"sgd": {"share": First(0.4)}})
    assert read(folder) == before
    assert record_best("samuel", "rule", Record(90.0), folder=folder) == ""
    assert read(folder) == replace(before, records={"samuel": {"rule": (Record(90.0),)}})


asked_before_6 = [  # predictions that stood in a chapter before they stood in its appendix
    ("checkers", "played_out"), ("checkers", "old_scores"), ("checkers", "leading"),
    ("checkers", "follow_captures"), ("pretraining", "looks_alike"),
    ("checkers", "two_kings"), ("sgd", "rates")]
firsts = st.builds(First, st.sampled_from(["a", 0.4]), st.none() | st.just(0.8), st.just(0.5))


def asked_today():
    "(chapter or appendix, name) of each prediction."
    modules = [importlib.import_module(f"dljourney.exercises.{c}") for c in chapters()]
    asked = [getattr(m, verb) for m in modules for verb in ("guess", "guess_more")
             if hasattr(m, verb)]
    return {(v[name].chapter, name) for v in map(items_of, asked) for name in v}


def items_of(verb): return {name: getattr(verb, name) for name in dir(verb)}


@settings(max_examples=40)
@given(st.dictionaries(st.sampled_from(asked_before_6), st.tuples(st.none() | firsts, firsts)))
def test_a_guess_is_kept_where_its_question_stands_today(tmp_path_factory, entries):
    "Of two, under the older place and today's, the older one is the first, unless nobody saw it."
    today = {name: chapter for chapter, name in sorted(asked_today())}
    folder = mark(tmp_path_factory.mktemp("guesses") / "course")
    kept = {}
    for (chapter, name), (later, first) in entries.items():
        kept.setdefault(chapter, {})[name] = first._asdict()
        if later: kept.setdefault(today[name], {}).setdefault(name, later._asdict())
    file_in(folder).write_text(json.dumps(
        {"format": 5, "chapters": {}, "guesses": kept, "records": {}}))
    found = {(c, n): g for c, names in read(folder).guesses.items() for n, g in names.items()}
    assert set(found) == {(today[name], name) for _, name in entries} <= asked_today()
    for (chapter, name), (later, first) in entries.items():
        moved_on = later and chapter != today[name] and later.close is not None
        is_later = moved_on and first.close is None
        assert found[today[name], name] == (later if is_later else first)


def test_the_first_guess_stays_and_learns_how_close_it_came(folder):
    for first in (First(0.4), First(0.9), First(0.7, 0.8, 0.5), First(0.1, 0.2, 0.3)):
        assert record_guess("sgd", "share", first, folder) == ""
    assert read(folder).guesses == {"sgd": {"share": First(0.4, 0.8, 0.5)}}
    record("sgd", "slope", "correct", folder)
    assert read(folder).guesses == {"sgd": {"share": First(0.4, 0.8, 0.5)}}


def test_a_newer_file_is_left_alone(folder):
    newer = json.dumps({"format": 99, "treasure": 1})
    file_in(folder).write_text(newer)
    assert "newer" in record("sgd", "slope", "correct", folder) and "newer" in read(folder).note
    assert file_in(folder).read_text() == newer


def test_a_damaged_file_is_kept_aside_told_and_started_afresh(folder):
    for n in (1, 2):
        file_in(folder).write_bytes(b"\x00half a fi")
        assert "damaged" in read(folder).note
        assert f"progress.damaged-{n}.json" in record("sgd", "slope", "correct", folder)
        assert read(folder) == Progress({"sgd": {"slope": Entry("correct", 1)}})
    aside = {f"progress.damaged-{n}.json" for n in (1, 2)}
    assert contents(folder) == {"progress.json", *aside}
    assert (folder / ".dljourney" / "progress.damaged-1.json").read_bytes() == b"\x00half a fi"


def test_an_endless_count_is_damage_and_no_crash(folder):
    endless = {"outcome": "correct", "tries": float("inf")}
    file_in(folder).write_text(json.dumps({"format": 2, "chapters": {"sgd": {"old": endless}}}))
    assert "progress.damaged-1.json" in record("sgd", "slope", "correct", folder)
    assert read(folder).solved("sgd") == {"slope"}


keys = st.sampled_from(["format", "chapters", "sgd", "slope", "outcome", "tries", "guesses",
                        "guess", "close", "chance", "score", "machine", "samuel", "note"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=8)


def _file_of_guesses(kept):
    return json.dumps({"format": 4, "chapters": {}, "guesses": kept}).encode()


def _file_of_records(kept):
    made = {"sgd": {"slope": kept}} if isinstance(kept, list) else kept
    return json.dumps({"format": 5, "chapters": {}, "guesses": {}, "records": made}).encode()


@settings(max_examples=150)
@given(st.binary(max_size=40) | json_values.map(lambda v: json.dumps(v).encode())
       | json_values.map(lambda v: json.dumps({"format": 2, "chapters": v}).encode())
       | json_values.map(lambda v: json.dumps({"format": 1, "chapters": v}).encode())
       | json_values.map(_file_of_guesses) | json_values.map(_file_of_records))
def test_no_content_breaks_the_reader(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "any-progress.json"
    path.write_bytes(data)
    found, trouble = progress._load(path)
    assert trouble in ("", "newer", "damaged")
    assert found == Progress() or not trouble
    path.write_text(progress._text(found))
    assert progress._load(path) == (found, "")


def test_every_cut_of_a_file_is_noticed(folder):
    for name in ("slope", "adam_step"): record("sgd", name, "correct", folder)
    whole = file_in(folder).read_bytes()
    for n in range(len(whole) - 1):
        file_in(folder).write_bytes(whole[:n])
        assert progress._load(file_in(folder)) == (Progress(), "damaged"), n


# ---- kills and two writers at once

WRITER = """
import sys
from dljourney.kit.exercises import record
who, n, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3]
print("ready", flush=True)
for i in range(n):
    note = record(who, f"q{i}", "correct", folder)
    assert not note, note
    print(i, flush=True)
"""


def start_writer(who, n, folder):
    env = {k: v for k, v in os.environ.items() if k not in ("IN_TEST", "DLJOURNEY_NO_PROGRESS")}
    return subprocess.Popen([sys.executable, "-c", WRITER, who, str(n), str(folder)], env=env,
                            stdout=subprocess.PIPE, text=True)


def test_two_notebooks_at_once_lose_nothing(folder):
    writers = [start_writer(who, 40, folder) for who in ("ann", "bob")]
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    found = read(folder)
    for who in ("ann", "bob"): assert found.solved(who) == {f"q{i}" for i in range(40)}


@pytest.mark.skipif(os.name == "nt", reason="kill -9 is POSIX")
def test_killed_at_any_moment_the_file_is_whole(folder):
    for round_ in range(6):
        who = f"round{round_}"
        writer = start_writer(who, 100_000, folder)
        assert writer.stdout.readline() == "ready\n"
        time.sleep(0.02 + 0.013 * round_)
        writer.send_signal(signal.SIGKILL)
        told = [int(line) for line in writer.communicate()[0].split("\n")[:-1]]
        found = read(folder)
        assert not found.note
        solved = found.solved(who)
        assert {f"q{i}" for i in told} <= solved, "something that was recorded is gone"
        assert len(solved) - len(told) in (0, 1)
        assert record("after", who, "correct", folder) == "", "the lock of a dead process is free"
    assert contents(folder) == {"progress.json"}, "what killed writers left is swept away"
    assert read(folder).solved("after") == {f"round{i}" for i in range(6)}


def test_a_lock_that_is_never_freed_does_not_stop_a_learner(folder, monkeypatch):
    lock = progress._locked
    monkeypatch.setattr(progress, "_locked", lambda path: lock(path, patience=0.05))
    with lock(folder / ".dljourney" / "progress.lock") as alone:
        assert alone
        assert "another program" in record("sgd", "slope", "correct", folder)
    assert record("sgd", "slope", "correct", folder) == ""


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EINVAL])
def test_a_file_system_without_locks_is_no_reason_to_wait_or_to_forget(folder, monkeypatch, number):
    def refuse(handle): raise OSError(number, os.strerror(number))

    monkeypatch.setattr(progress, "_try_lock", refuse)
    monkeypatch.setattr(progress.time, "sleep", lambda seconds: pytest.fail("it waits"))
    assert record("sgd", "slope", "correct", folder) == ""
    assert read(folder).solved("sgd") == {"slope"}


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EACCES])
def test_a_lock_that_another_holds_is_waited_for(folder, monkeypatch, number):
    answers = iter([OSError(number, "held"), OSError(number, "held"), None])

    def held_for_a_while(handle):
        if error := next(answers): raise error

    monkeypatch.setattr(progress, "_try_lock", held_for_a_while)
    assert record("sgd", "slope", "correct", folder) == ""
    assert next(answers, "all used") == "all used"


# ---- from check to file, and back


def double(x):
    return 2 * x


def small():
    return verbs(
        "small",
        [exercise(double, task="Double it.", cases=[(1,), (3,)], hints=["h"], why="w")],
        [choice("q", "Which?", "a", {"a": ("This", "yes"), "b": ("That", "no"),
                                     "c": ("None", "never")})])


def test_checks_and_questions_are_recorded_and_found_by_the_next_kernel(folder, monkeypatch):
    monkeypatch.chdir(folder)
    check, hint, solution, quiz = small()
    check.double(...), quiz.q(...), hint.double(), solution.double()
    assert read() == Progress() and contents(folder) == set()
    check.double(abs), check.double(double), quiz.q("b")
    assert read().chapters == {"small": {"double": Entry("correct", 2), "q": Entry("incorrect", 1)}}
    check, _, _, quiz = small()
    assert "1 of 1 correct" in repr(check) and "✗ Not yet" in repr(quiz)
    check.double(abs)
    assert "1 of 1 correct" in repr(check), "what was correct once stays correct"


def test_a_note_about_the_file_stands_below_the_result(folder, monkeypatch):
    monkeypatch.chdir(folder)
    file_in(folder).write_text("{")
    result = small()[0].double(double)
    assert result.outcome == "correct" and "progress.damaged-1.json" in repr(result)


def test_the_summary_says_what_is_next():
    entries = {"a": Entry("correct", 1), "b": Entry("error", 2), "gone": Entry("correct", 1)}
    done = Progress({"sgd": entries}, "A note.")
    lines = summary_table(done, {"sgd": ["a", "b", "c", "d"], "data": ["x"]}).splitlines()
    assert "1 of 4" in lines[1] and lines[1].endswith("b")
    assert "0 of 1" in lines[2] and lines[3] == "A note."
    assert "all done" in summary_table(done, {"sgd": ["a"]})


def test_outcomes_are_read_from_an_executed_notebook():
    check, _, _, quiz = small()

    def cell(result):
        about = {"metadata": result._repr_mimebundle_()[1]}
        return {"outputs": [{"output_type": "stream"}, about]}

    said = [check.double(abs), check.double(double), quiz.q(...), small()[1].double()]
    notebook = {"cells": [{"cell_type": "markdown"}, *map(cell, said)]}
    assert outcomes_in(notebook) == {("small", "double"): "correct", ("small", "q"): "question"}


def test_progress_needs_nothing_heavy():
    code = ("import sys, dljourney.kit.exercises.progress; "
            "sys.exit(bool({'torch', 'numpy', 'matplotlib'} & set(sys.modules)))")
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
