"""How a chapter's exercises are tested: solution, two other right answers, three wrong ones.

In `tests/test_exercises_<chapter>.py`:

    from dljourney.exercises import sgd
    from exercise_cases import Cases, tests_of

    CASES = {
        "step": Cases(
            right=[lambda w, grad, lr: w + grad * -lr, another],
            wrong=[("uphill", lambda w, grad, lr: w + lr * grad), ("part of the message", f), ...],
        ),
    }
    test_exercises = tests_of(sgd, CASES)

The solution (as `solution` shows it) and the questions are tested without being listed.
`test_exercises_complete.py` fails for an exercise that has no cases.
"""

import importlib
import math
import pkgutil
import random
from functools import partial
from typing import NamedTuple

import pytest

from dljourney.kit.exercises import Exercise, Question, items


class Cases(NamedTuple):
    right: list  # answers other than the solution that must pass, two or more
    wrong: list  # (part of the intended message, answer), three or more


def chapters():
    "The names of all modules with exercises."
    try:
        package = importlib.import_module("dljourney.exercises")
    except ModuleNotFoundError:
        return []
    names = [m.name for m in pkgutil.iter_modules(package.__path__)]
    return sorted(name for name in names if not name.startswith("_"))


def learners_names():
    "What a chapter notebook has imported when the learner solves an exercise."
    import numpy
    import torch
    from torch import nn
    from torch.nn import functional as F

    from dljourney.sgd import Value

    return dict(torch=torch, nn=nn, F=F, math=math, random=random, np=numpy, Tensor=torch.Tensor,
                Value=Value)


def solution_of(item):
    "The solution made from the source that a learner is shown, and from nothing else."
    names = learners_names()
    exec(compile(item.code, f"<{item.name}>", "exec"), names)
    return names.get(item.name, names.get("answer"))


def judge(module, name, answer):
    return getattr(module.check, name)(answer)


def is_correct(module, name, answer):
    result = judge(module, name, answer)
    assert result.outcome == "correct", f"a right answer to {name} was refused:\n{result!r}"


def is_told(module, name, fragment, answer):
    result = judge(module, name, answer)
    outcome, said = result.outcome, repr(result)
    assert outcome in ("incorrect", "error"), f"a wrong answer to {name} passed as {outcome}"
    assert fragment in said, f"{name}: expected {fragment!r} in\n{said}"


def question_holds(question):
    outcome, message = question.judge(question.answer)
    assert (outcome, message) == ("correct", question.why) and message
    assert question.tempting, f"{question.name} has no tempting wrong answer"
    for given, reason in question.tempting.items():
        judged = question.judge(given)
        assert judged == ("incorrect", reason) and reason, f"{question.name}: {given!r}"
        assert reason != question.why
    if question.options:
        assert len(question.options) >= 3
    assert question.judge("???")[0] != "correct"


def tests_of(module, cases):
    "A test function with one case for each answer and each question."
    table = []

    def add(label, holds, *args):
        table.append(pytest.param(partial(holds, *args), id=label))

    def solved(name, item): is_correct(module, name, solution_of(item))

    for name, item in items(module.check).items(): add(f"{name}-solution", solved, name, item)
    for name, (right, wrong) in cases.items():
        for i, answer in enumerate(right): add(f"{name}-right{i}", is_correct, module, name, answer)
        for part, answer in wrong: add(f"{name}-{part[:20]}", is_told, module, name, part, answer)
    for name, question in items(module.quiz).items(): add(f"quiz-{name}", question_holds, question)

    @pytest.mark.parametrize("holds", table)
    def test(holds):
        holds()

    return test


tests_of.__test__ = False  # pytest: this makes a test and is none


def missing(module, cases):
    "What a chapter's cases lack, in words."
    exercises, questions = items(module.check), items(module.quiz)
    assert all(isinstance(e, Exercise) for e in exercises.values())
    assert all(isinstance(q, Question) for q in questions.values())
    found = [f"{name}: no such exercise" for name in cases if name not in exercises]
    for name, item in exercises.items():
        right, wrong = cases.get(name, Cases([], []))
        if len(right) < 2:
            found.append(f"{name}: {len(right)} other right answers, two are needed")
        if len(wrong) < 3:
            found.append(f"{name}: {len(wrong)} wrong answers, three are needed")
        if not (item.hints and item.why and item.task and item.code):
            found.append(f"{name}: task, hints, solution and reason are needed")
    return found


