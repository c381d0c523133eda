"Every exercise of every chapter has its cases; a chapter with exercises has questions."
import importlib

import pytest
from exercise_cases import Cases, chapters, missing

from dljourney.kit.exercises import choice, exercise, items, verbs


@pytest.mark.parametrize("chapter", chapters())
def test_each_exercise_has_its_cases(chapter):
    module = importlib.import_module(f"dljourney.exercises.{chapter}")
    tests = importlib.import_module(f"test_exercises_{chapter}")
    assert not missing(module, tests.CASES)
    ending = "test_exercises = tests_of(module, CASES)"
    assert hasattr(tests, "test_exercises"), f"end the file with {ending}"
    assert items(module.check) and items(module.quiz)


def double(x):
    return 2 * x


class Small:
    "A chapter's module in little."
    check, hint, solution, quiz = verbs(
        "small",
        [exercise(double, task="Double it.", cases=[(1,), (3,)], hints=["Add it to itself."],
                  why="Twice x.")],
        [choice("q", "Which?", "a",
                {"a": ("This", "yes"), "b": ("That", "no"), "c": ("None", "never")})],
    )


def test_a_missing_case_is_found():
    good = Cases([double, lambda x: x + x], [("", abs), ("", abs), ("", abs)])
    assert missing(Small, {"double": good}) == []
    assert missing(Small, {}) == ["double: 0 other right answers, two are needed",
                                  "double: 0 wrong answers, three are needed"]
    assert missing(Small, {"double": good, "triple": good}) == ["triple: no such exercise"]
