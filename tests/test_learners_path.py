"Every chapter asks before it shows, and its questions stand where their ideas were just met."

import importlib
import json
import re
from collections import Counter

import pytest

from chapter_cells import NBS
from dljourney.kit.course import chapter_guesses
from dljourney.kit.exercises import Question, items

chapters = sorted(p for p in NBS.glob("[0-9]*.ipynb") if not p.stem.startswith("00"))
each_chapter = pytest.mark.parametrize("path", chapters, ids=lambda p: p.stem)


def module(path):
    return importlib.import_module(f"dljourney.exercises.{path.stem[3:]}")


def cells(path):
    return [(c["cell_type"], "".join(c["source"]))
            for c in json.loads(path.read_text("utf-8"))["cells"]]


def uses(path, pattern):
    "(place, name) of what code cells have at the beginning of a line, in order."
    return [(i, name) for i, (kind, source) in enumerate(cells(path)) if kind == "code"
            for name in re.findall(pattern, source, re.M)]


@each_chapter
def test_a_chapter_asks_at_least_four_times_before_it_shows(path):
    asked = uses(path, r"^guess\.(\w+)$")
    shown = {name: i for i, name in uses(path, r"guess\.(\w+)\.reveal\(")}
    names = [name for _, name in asked]
    assert len(names) >= 4 and chapter_guesses(path) == names
    assert set(names) == set(shown) == set(dir(module(path).guess))
    assert all(shown[name] > i for i, name in asked)


@each_chapter
def test_what_the_text_asks_to_predict_has_its_card(path):
    "No prediction is left to good intentions: below the word stands the card."
    there = cells(path)
    for i, (kind, source) in enumerate(there):
        asks = re.search(r"\*\*Predict|(?<!\w)Predict( before|:)", source)
        if kind == "markdown" and asks and not source.startswith(">"):
            assert "guess." in there[i + 1][1], source


@each_chapter
def test_a_cell_that_answers_says_nothing_before(path):
    "A print in it would tell at once."
    for kind, source in cells(path):
        if kind == "code" and re.search(r"guess\.\w+\.reveal\(", source):
            assert "print(" not in source, source


@each_chapter
def test_every_option_of_a_prediction_has_its_reason(path):
    for name, item in items(module(path).guess).items():
        assert item.text and item.why, name
        if isinstance(item, Question) and item.kind == "choice":
            assert len(item.options) >= 3 and all(item.tempting.values()), name
            assert all(item.judge(letter)[0] == "incorrect" for letter in item.tempting)
        if item.kind == "order":
            assert item.answer != "".join(sorted(item.options)), f"{name} is in order already"
        if item.kind == "slider":
            assert item.low and item.high, f"{name}: what misleads whoever guesses too low?"


def test_all_four_ways_of_guessing_are_used():
    kinds = Counter(i.kind for path in chapters for i in items(module(path).guess).values())
    assert set(kinds) == {"slider", "choice", "order", "sketch"}
    assert kinds["sketch"] >= 4 and kinds["choice"] <= 0.6 * kinds.total()


@each_chapter
def test_questions_are_spread_two_in_a_row_at_most(path):
    there = [source.startswith("quiz.") or "\nquiz." in source for _, source in cells(path)]
    assert not any(all(there[i : i + 3]) for i in range(len(there) - 2))
    asked = [name for _, name in uses(path, r"^quiz\.(\w+)")]
    assert sorted(asked) == sorted(dir(module(path).quiz))


def in_a_row(there):
    "The most tasks that stand one behind the other, with nothing but headings between."
    longest, row = 0, []
    for kind, source in there:
        found = re.findall(r"^(?:check|quiz)\.(\w+)", source, re.M) if kind == "code" else []
        goes_on = found or kind == "markdown" and re.fullmatch(r"#+ .*", source.strip())
        row = [*row, *found] if goes_on else []
        longest = max(longest, len(row))
    return longest


@each_chapter
def test_tasks_stand_where_their_ideas_were_just_met(path):
    "Exercises, too, and two of any kind in a row at most."
    there = cells(path)
    assert 1 <= in_a_row(there) <= 2
    assert not any(re.search(r"^## Your turn\s*$", source, re.M) for _, source in there)


def test_a_row_of_tasks_is_found():
    task, heading = ("code", "check.a(a)"), ("markdown", "### Your turn: a")
    assert in_a_row([heading, task, heading, ("code", "quiz.b"), task]) == 3
    for between in ("markdown", "Words."), ("code", "print(1)"):
        assert in_a_row([task, between, task]) == 1


@each_chapter
def test_at_most_half_of_the_questions_are_of_one_kind(path):
    kinds = Counter(q.kind for q in items(module(path).quiz).values())
    assert 2 * max(kinds.values()) <= kinds.total(), kinds


@each_chapter
def test_an_order_to_drag_is_not_in_order_already(path):
    for name, q in items(module(path).quiz).items():
        if q.kind == "order": assert q.answer != "".join(q.options), name
