"What holds for every exercise: its name is free, its solution runs, lists and tensors are alike."
import ast
import builtins
import dis
import importlib
import re
from collections.abc import Callable
from functools import cache
from types import CodeType
from typing import get_args, get_origin

import numpy as np
import pytest
import torch
from chapter_cells import NBS, code_cells
from exercise_cases import chapters, is_correct, solution_of

from dljourney.exercises import overfitting, sgd, universal
from dljourney.kit.exercises import as_all_tensors, as_arrays, as_lists, as_tensors, items
from torch import Tensor

NOTEBOOK = {re.sub(r"^\d\d_", "", p.stem): p
            for p in [*sorted(NBS.glob("[01][0-9]_*.ipynb")), NBS / "detective.ipynb"]}
VERBS = {"check", "guess", "hint", "solution", "quiz"}
LOADS = frozenset({"LOAD_NAME", "LOAD_GLOBAL"})
STORES = frozenset({"STORE_NAME", "STORE_GLOBAL"})


def codes(code):
    yield code
    for part in code.co_consts:
        if isinstance(part, CodeType): yield from codes(part)


@cache
def names(source, kinds, inside=True):
    "The global names that a cell reads or sets, in functions too if `inside`."
    code = compile(source, "<cell>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    return {step.argval for part in (codes(code) if inside else [code])
            for step in dis.get_instructions(part) if step.opname in kinds}


def defined(source):
    return {n.name for n in ast.parse(source).body if isinstance(n, ast.FunctionDef | ast.ClassDef)}


def checked(source):
    "The names of the exercises that a cell checks."
    return {n.func.attr for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Call)
            and isinstance(n.func, ast.Attribute) and getattr(n.func.value, "id", "") == "check"}


def shadowed(cells):
    "Names that an exercise's cell defines and another reads or sets, and verbs that a cell sets."
    found = []
    for cell in cells:
        others = [names(c, LOADS) | names(c, STORES, inside=False) for c in cells if c is not cell]
        if checked(cell):
            found += [name for name in defined(cell) if any(name in other for other in others)]
        imported = {a.asname or a.name for n in ast.walk(ast.parse(cell))
                    if isinstance(n, ast.ImportFrom) for a in n.names}
        found += VERBS & names(cell, STORES, inside=False) - imported
    return sorted(found)


@pytest.mark.parametrize("chapter", NOTEBOOK)
def test_no_exercise_takes_a_name_that_another_cell_needs(chapter):
    assert shadowed(list(code_cells(NOTEBOOK[chapter]))) == []


def test_a_shadowed_name_is_found():
    stub = "def share(a):\n    ...\n\ncheck.share(share)"
    assert shadowed(["def share(w): return w", stub]) == ["share"]
    assert shadowed([stub, "def later():\n    return share(1)"]) == ["share"]
    a_local_name = "def later():\n    share = 1\n    return share"  # is nobody else's
    assert shadowed([stub, a_local_name]) == []
    assert shadowed([stub, "check = 3"]) == ["check"]


def exercises_of(chapter):
    return items(importlib.import_module(f"dljourney.exercises.{chapter}").check)


@pytest.mark.parametrize("chapter", chapters())
def test_a_solution_pasted_into_its_notebook_needs_no_other_import(chapter):
    cells = list(code_cells(NOTEBOOK[chapter]))
    known = set(dir(builtins)).union(*(names(c, STORES, inside=False) for c in cells))
    for name, item in exercises_of(chapter).items():
        missing = names(item.code, LOADS) - names(item.code, STORES) - known
        assert not missing, f"solution.{name}() uses {missing}, which the notebook does not have"


MODULES = {"F", "bisect", "collections", "functools", "itertools", "math", "nn", "np", "optim",
           "plt", "random", "statistics", "torch"}


@pytest.mark.parametrize("chapter", chapters())
def test_a_hint_names_no_module_that_the_notebook_lacks(chapter):
    "Or it says that the module has to be imported."
    known = set().union(*(names(c, STORES, inside=False) for c in code_cells(NOTEBOOK[chapter])))
    for name, item in exercises_of(chapter).items():
        spans = re.findall(r"`([^`]+)`", " ".join([item.task, *item.hints]))
        told = {span.removeprefix("import ") for span in spans if span.startswith("import ")}
        used = {word for span in spans for word in re.findall(r"(?<![\w.])(\w+)\.\w", span)}
        missing = used & MODULES - known - told
        assert not missing, f"hint.{name}() uses {missing}, which the notebook does not have"


FUNCTIONS = [pytest.param(chapter, name, id=f"{chapter}-{name}") for chapter in chapters()
             for name, item in exercises_of(chapter).items() if item.wants_function]


def right(chapter, name):
    "The exercise's check, and its solution, which takes lists or tensors."
    check = importlib.import_module(f"dljourney.exercises.{chapter}").check
    solution = solution_of(items(check)[name])

    def solve(*args):
        try: return solution(*map(as_lists, args))
        except (TypeError, AttributeError): return solution(*map(as_tensors, map(as_lists, args)))

    return getattr(check, name), solve


@pytest.mark.parametrize("form", [as_lists, as_tensors, as_all_tensors, as_arrays])
@pytest.mark.parametrize("chapter, name", FUNCTIONS)
def test_a_right_answer_may_return_lists_tensors_or_arrays(chapter, name, form):
    check, solve = right(chapter, name)
    result = check(lambda *args: form(solve(*args)))
    assert result.outcome == "correct", repr(result)


@pytest.mark.parametrize("form", [as_lists, as_tensors, as_arrays])
@pytest.mark.parametrize("chapter, name", FUNCTIONS)
def test_a_right_answer_may_work_with_lists_tensors_or_arrays_alone(chapter, name, form):
    "It stops at any list, tensor or array of another form, as `.mean()` does at a list."
    check, solve = right(chapter, name)

    def answer(*args):
        for a in args:
            if not isinstance(a, list | torch.Tensor | np.ndarray): continue
            if type(a) is not type(form(as_lists(a))):
                raise AttributeError(f"no {type(a).__name__}, please")
        return form(solve(*args))

    result = check(answer)
    assert result.outcome == "correct", repr(result)


def vote(probabilities): return probabilities.mean(0).argmax()
def turns(xs, ys):
    slopes = (ys[1:] - ys[:-1]) / (xs[1:] - xs[:-1])
    return [slopes[0], *(slopes[1:] - slopes[:-1])]
def split(groups, held_out):
    held = torch.tensor([g in held_out for g in groups])
    return (~held).nonzero().flatten(), held.nonzero().flatten()
def split_arrays(groups, held_out):
    held = np.isin(groups, list(held_out))
    return np.flatnonzero(~held), np.flatnonzero(held)


def layer_by_loops(x, w, b):
    columns = list(zip(zip(*w), b))
    return [[sum(r * c for r, c in zip(row, column)) + bias for column, bias in columns]
            for row in x]


@pytest.mark.parametrize("module, name, answer", [
    (overfitting, "drop",
     lambda activations, keep, p: torch.where(keep, activations / (1 - p), 0.0)),
    (overfitting, "drop", lambda activations, keep, p: activations * keep / (1 - p)),
    (overfitting, "vote", vote),
    (overfitting, "vote", lambda probabilities: np.mean(probabilities, 0).argmax()),
    (overfitting, "bias_squared_and_variance",
     lambda p, truth: ((p.mean() - truth) ** 2, p.var(unbiased=False))),
    (overfitting, "bias_squared_and_variance", lambda predictions, truth: torch.stack(
        [(predictions.mean() - truth) ** 2, predictions.var(correction=0)])),
    (overfitting, "split_by_group", split),
    (overfitting, "split_by_group", split_arrays),
    (universal, "turns", turns),
    (universal, "turns", lambda xs, ys: np.diff(np.diff(ys) / np.diff(xs), prepend=0)),
    (universal, "broken_line",
     lambda x, knots, weights, start: start + weights @ (x - knots).relu()),
    (universal, "hinge", lambda x, at, slope: slope * torch.relu(x - at)),
    (universal, "hinge", lambda x, at, slope: slope * (x - at).clamp(min=0)),
    (sgd, "mean_squared_error",
     lambda pred, target: sum((p[0] - t) ** 2 for p, t in zip(pred, target)) / len(pred)),
    (sgd, "linear_layer", layer_by_loops),
    (sgd, "linear_layer", lambda x, w, b: np.einsum("ij,jk->ik", x.numpy(), w.numpy()) + b.numpy()),
])
def test_right_answers_as_learners_wrote_them(module, name, answer):
    is_correct(module, name, answer)


@pytest.mark.parametrize("module, name, answer, said", [
    (overfitting, "drop", lambda activations, keep, p: torch.where(keep, activations, 0.0),
     "1 / (1 - p)"),
    (universal, "hinge", lambda x, at, slope: torch.relu(slope * (x - at)),
     "Cut off before you multiply"),
    (overfitting, "vote", lambda probabilities: probabilities.mean(0).max(),
     "Return which class has it"),
])
def test_a_wrong_answer_in_tensors_gets_its_message(module, name, answer, said):
    result = getattr(module.check, name)(answer)
    assert result.outcome == "incorrect" and said in result.message


def test_an_answer_that_fits_no_form_is_told_of_the_form_that_the_stub_names():
    result = overfitting.check.vote(lambda probabilities: probabilities.largest_mean())
    assert result.outcome == "error"
    assert "'list' object has no attribute 'largest_mean'" in result.message


def fits(value, kind):
    "Whether an argument is of the kind that a stub announces."
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Callable: return callable(value)
    if origin in (list, tuple, dict):
        parts = list(value.values()) if origin is dict else list(value)
        return type(value) is origin and all(fits(v, inner[-1]) for v in parts)
    if inner: return any(fits(value, k) for k in inner)
    return isinstance(value, int if kind is float and isinstance(value, int) else kind)


@pytest.mark.parametrize("chapter", chapters())
def test_each_stub_says_what_comes(chapter):
    check = importlib.import_module(f"dljourney.exercises.{chapter}").check
    found = {}
    for cell in code_cells(NOTEBOOK[chapter]):
        for stub in ast.parse(cell).body:
            if checked(cell) and isinstance(stub, ast.FunctionDef) and stub.name in dir(check):
                kinds = [ast.unparse(a.annotation) for a in stub.args.args if a.annotation]
                assert len(kinds) == len(stub.args.args), f"{stub.name}: a parameter without a kind"
                known = {"Callable": Callable, "Tensor": Tensor, "Value": sgd.Value, "nn": torch.nn}
                found[stub.name] = [eval(k, known) for k in kinds]
    assert set(found) == {name for name, item in items(check).items() if item.wants_function}
    for name, kinds in found.items():
        solution, seen = solution_of(items(check)[name]), []

        def watched(*args, solution=solution, seen=seen):
            seen.append(args)
            return solution(*args)

        getattr(check, name).item.check(watched)
        assert seen and all(fits(a, k) for args in seen for a, k in zip(args, kinds)), (name, kinds)


def printing(answer):
    def loud(*args):
        print("first argument:", args[0])
        return answer(*args)
    return loud


@pytest.mark.parametrize("chapter, name", FUNCTIONS)
def test_what_a_right_answer_prints_comes_once(chapter, name, capsys):
    check, solve = right(chapter, name)
    assert check(printing(solve)).outcome == "correct"
    assert capsys.readouterr().out.count("first argument") == 1


def test_a_wrong_answer_prints_what_the_call_that_went_wrong_printed(capsys):
    def last(losses): return max(i for i, v in enumerate(losses) if v == min(losses))
    result = overfitting.check.best_epoch(printing(last))
    assert dict(result.facts)["called"] == "best_epoch(valid_losses=[0.3, 0.2, 0.2, 0.5])"
    assert capsys.readouterr().out == "first argument: [0.3, 0.2, 0.2, 0.5]\n"
    overfitting.check.best_epoch(printing(lambda losses: losses.nothing))
    assert capsys.readouterr().out == "first argument: [0.9, 0.5, 0.4, 0.6, 0.7]\n"


def test_only_the_first_form_may_warn(recwarn):
    overfitting.check.decayed_step(lambda w, grad, lr, decay: w / 0)
    assert not recwarn.list


def test_an_endless_print_is_cut(capsys):
    from dljourney.kit.exercises import run_check

    def for_ever(losses):
        while True: print("again")

    result = run_check(items(overfitting.check)["best_epoch"], for_ever, seconds=0.2)
    assert result.outcome == "error"
    assert 0 < len(capsys.readouterr().out) < 11_000


@pytest.mark.parametrize("call, said", [
    (lambda: sgd.quiz.tiny_h("a", "c"), "One answer at a time, please. `'a', 'c'` arrived."),
    (lambda: sgd.quiz.tiny_h(letter="a"), "`letter='a'` arrived"),
    (lambda: sgd.check.slope(abs, abs), "One answer at a time, please: your function"),
    (lambda: sgd.hint.slope(1, 2), "how many hints"),
    (lambda: sgd.hint.slope("all"), "`'all'` arrived"),
    (lambda: sgd.solution.slope(1), "leave the brackets empty. `1` arrived"),
])
def test_a_call_with_the_wrong_arguments_is_told_what_it_takes(call, said):
    result = call()
    assert result.outcome == "unchecked" and said in result.message
