"The exercise engine: five outcomes, nothing of the learner's changed, endless loops stopped."
import random
import subprocess
import sys
import threading
import time
from functools import partial

import matplotlib
import numpy as np
import pytest
import torch

from dljourney.kit.exercises import (
    ask, choice, exercise, items, number, order, require, run_check, same, short, spell, verbs,
)

matplotlib.use("agg")


def step(w, grad, lr):
    return w - lr * grad


def step_exercise(**changes):
    settings = dict(
        task="Move `w` one step downhill.",
        cases=[(1.0, 2.0, 0.1), (torch.tensor([1.0, -2.0]), torch.tensor([0.5, 4.0]), 0.5)],
        mistakes={"You walk uphill.": lambda w, grad, lr: w + lr * grad},
        hints=["First.", "Second."],
        why="Downhill is against the gradient.",
    )
    return exercise(step, **{**settings, **changes})


the_step = step_exercise()


def learner(source, name="step", file="cell-of-a-learner"):
    "A function as a learner defines it: in a file of its own, whose lines Python knows."
    import linecache

    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    names = {"torch": torch, "random": random, "np": np, "time": time}
    exec(compile(source, file, "exec"), names)
    return names[name]


# ---- five outcomes


def test_correct():
    assert run_check(the_step, step).outcome == "correct"
    def signed(w, grad, lr, sign): return w + sign * lr * grad

    assert run_check(the_step, partial(signed, sign=-1)).outcome == "correct"


def test_a_known_mistake_is_named_with_what_was_expected_and_what_arrived():
    result = run_check(the_step, lambda w, g, lr: w + lr * g)
    assert (result.outcome, result.message) == ("incorrect", "You walk uphill.")
    assert dict(result.facts) == {"called": "step(w=1.0, grad=2.0, lr=0.1)", "expected": "0.8",
                                  "arrived": "1.2"}


def test_the_mistake_that_fits_in_every_case_is_named():
    "In the first case both mistakes give 2."
    def twice(x): return 2 * x

    item = exercise(twice, task="t", cases=[(2,), (3,), (0,)], hints=["h"], why="w", mistakes={
        "You give back x.": lambda x: x, "You halve x twice.": lambda x: x - 0.0,
        "Always 2?": lambda x: 2})
    assert run_check(item, lambda x: 2 + 0 * x).message == "Always 2?"
    assert run_check(item, lambda x: x + 0).message == "You give back x."


def test_an_unknown_mistake_shows_the_values():
    result = run_check(the_step, lambda w, g, lr: 7.0)
    assert result.outcome == "incorrect" and dict(result.facts)["arrived"] == "7.0"


@pytest.mark.parametrize("stub", [
    "def step(w, grad, lr): ...",
    'def step(w, grad, lr):\n    "What to do."\n    ...  # your code',
    "def step(w, grad, lr):\n    pass",
    "def step(w, grad, lr):\n    raise NotImplementedError",
    "def step(w, grad, lr):\n    speed = lr * grad\n    return ...",
    "def step(w, grad, lr):\n    speed = ...\n    return w - speed",
    "step = None",
    "step = ...",
    "class step:\n    def __init__(self): ...\n    def move(self): ...",
])
def test_stubs_are_not_attempted(stub):
    assert run_check(the_step, learner(stub)).outcome == "not attempted"


def test_nothing_passed_is_not_attempted():
    assert run_check(the_step).outcome == "not attempted"


def test_a_forgotten_return_is_incorrect_and_said():
    result = run_check(the_step, learner("def step(w, grad, lr):\n    w = w - lr * grad"))
    assert result.outcome == "incorrect" and "`return` missing" in result.message


def test_the_learners_exception_has_its_line():
    source = "def helper(x):\n    return x / 0\n\ndef step(w, grad, lr):\n    return helper(w)\n"
    result = run_check(the_step, learner(source))
    assert result.outcome == "error" and "ZeroDivisionError" in result.message
    assert ("line 2", "return x / 0") in result.facts


def test_an_exception_inside_a_library_points_at_the_learners_line():
    source = "def step(w, grad, lr):\n    return torch.zeros(2) @ torch.zeros(3)"
    result = run_check(the_step, learner(source))
    assert result.outcome == "error" and result.facts[0][0] == "line 2"


def test_leaving_python_is_an_error_not_an_exit():
    for source in ("raise SystemExit", "raise KeyboardInterrupt"):
        result = run_check(the_step, learner(f"def step(w, grad, lr):\n    {source}"))
        assert result.outcome in ("error", "unchecked")


def test_wrong_arguments_are_incorrect_and_show_both_signatures():
    result = run_check(the_step, lambda w, g: w - g)
    assert result.outcome == "incorrect" and "lr" not in dict(result.facts)["yours"]


def test_what_cannot_be_checked_says_how():
    assert "without calling it" in run_check(the_step, 0.8).message
    value = exercise("answer = 3", name="three", task="3?", hints=["x"], why="y",
                     check=lambda answer: same(answer, 3))
    assert run_check(value, 3.0).outcome == "correct"
    assert run_check(value, 4).outcome == "incorrect"
    assert run_check(value, lambda: 3).outcome == "unchecked"
    cannot_be_copied = (i for i in range(3))
    assert run_check(value, cannot_be_copied).outcome == "unchecked"


def test_a_failing_checker_is_not_blamed_on_the_learner():
    broken = step_exercise(cases=(), mistakes=None, check=lambda answer: 1 / 0)
    result = run_check(broken, step)
    assert result.outcome == "unchecked" and "our mistake" in result.message
    assert "ZeroDivisionError" in repr(result)


def test_an_exception_in_a_method_of_the_learners_class_has_its_line():
    def check(answer):
        require(answer(2).double() == 4, "Twice 2 is 4.")

    item = exercise("class Twice: pass", name="Twice", task="t", hints=["h"], why="w", check=check)
    good = "class Twice:\n    def __init__(self, x): self.x = x\n    def double(self): return {}"
    assert run_check(item, learner(good.format("2 * self.x"), "Twice")).outcome == "correct"
    assert run_check(item, learner(good.format("self.x"), "Twice")).message == "Twice 2 is 4."
    result = run_check(item, learner(good.format("self.y"), "Twice"))
    assert result.outcome == "error" and result.facts[0][0] == "line 3"


def test_a_generator_answer_is_compared_and_an_endless_one_is_not_followed():
    def count(n):
        yield from range(n)

    item = exercise(count, task="t", cases=[(3,)], hints=["h"], why="w")
    assert run_check(item, lambda n: list(range(n))).outcome == "correct"
    endless = learner("def count(n):\n    i = 0\n    while True:\n        yield i\n        i += 1",
                      "count")
    assert "4 arrived" in run_check(item, endless, seconds=5).message


# ---- nothing is changed


def test_random_states_grad_mode_and_dtype_are_restored():
    greedy = learner(
        "def step(w, grad, lr):\n    random.random(); np.random.rand(); torch.rand(3)\n"
        "    torch.set_grad_enabled(False); torch.set_default_dtype(torch.float64)\n"
        "    return w - lr * grad")
    failing = learner("def step(w, grad, lr):\n    random.random(); torch.rand(1); 1 / 0")

    def states():
        return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()

    for answer in (greedy, failing):
        for mode in (True, False):
            with torch.set_grad_enabled(mode):
                before = states()
                run_check(the_step, answer)
                assert states() == before
                assert torch.is_grad_enabled() is mode
                assert torch.get_default_dtype() == torch.float32


def test_a_check_runs_with_gradients_on_and_the_callers_thread_count():
    seen = []

    def answer(w, grad, lr):
        seen.append((torch.is_grad_enabled(), torch.get_num_threads()))
        return w - lr * grad

    with torch.no_grad(): assert run_check(the_step, answer).outcome == "correct"
    assert set(seen) == {(True, torch.get_num_threads())}


def test_open_figures_survive_and_new_ones_are_closed():
    from matplotlib import pyplot as plt

    plt.close("all")
    mine, other = plt.figure(), plt.figure()
    plt.figure(mine.number)
    def drawing(w, grad, lr):
        return (plt.plot([1, 2]), plt.figure(), plt.close(mine), w - lr * grad)[-1]
    assert run_check(the_step, drawing).outcome == "correct"
    assert plt.get_fignums() == [mine.number, other.number]
    assert plt.gcf() is other or plt.gcf() is mine
    assert not mine.axes and not other.axes
    plt.close("all")


def test_arguments_are_copies():
    spoil = learner("def step(w, grad, lr):\n    w -= lr * grad\n    grad *= 0\n    return w")
    assert run_check(the_step, spoil).outcome == "correct"
    assert run_check(the_step, step).outcome == "correct", "the cases were spoilt"


def test_the_learners_object_is_copied():
    item = exercise("answer = [1]", name="ones", task="t", hints=["h"], why="w",
                    check=lambda a: a.append(2))
    mine = [1]
    assert run_check(item, mine).outcome == "correct" and mine == [1]


def test_a_tensor_with_a_graph_can_be_checked():
    item = exercise("x", name="x", task="t", hints=["h"], why="w",
                    check=lambda a: same(a.mul_(0), torch.zeros(2)))
    mine = torch.ones(2, requires_grad=True) * 3
    assert run_check(item, mine).outcome == "correct" and mine.tolist() == [3, 3]


def test_the_same_seed_each_time():
    item = exercise("x", name="x", task="t", hints=["h"], why="w",
                    check=lambda a: same(torch.rand(1), a))
    first, second = run_check(item, 9.0), run_check(item, 9.0)
    assert first == second


# ---- endless loops


ENDLESS = {
    "plain": "while True: pass",
    "swallowing": "while True:\n        try: time.sleep(0.001)\n        except BaseException: pass",
    "many small tensors": "while True: torch.zeros(3).sum()",
}


def threads_are(n):
    "At most n threads are alive, or soon will be: one that has said its last needs a moment to end"
    deadline = time.monotonic() + 0.5
    while threading.active_count() > n and time.monotonic() < deadline: time.sleep(0.01)
    return threading.active_count() <= n


@pytest.mark.parametrize("body", ENDLESS.values(), ids=list(ENDLESS))
@pytest.mark.parametrize("in_thread", [False, True])
def test_an_endless_loop_is_stopped(body, in_thread):
    answer, box = learner(f"def step(w, grad, lr):\n    {body}"), []
    def work(): return box.append(run_check(the_step, answer, seconds=0.3))
    start, before = time.monotonic(), threading.active_count()
    if in_thread:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    else:
        work()
    assert time.monotonic() - start < 5
    assert box[0].outcome == "error" and "0.3 s" in box[0].message
    assert box[0].facts[0][0] in ("line 2", "line 3", "line 4", "line 5")
    assert threads_are(before) and sys.gettrace() is None


def test_what_cannot_be_stopped_is_left_with_a_word():
    answer = learner("def step(w, grad, lr):\n    time.sleep(5)")
    result = run_check(the_step, answer, seconds=0.1)
    assert result.outcome == "error" and "restart the kernel" in result.message


def test_ten_seconds_is_the_default():
    import inspect

    assert inspect.signature(run_check).parameters["seconds"].default == 10.0


@pytest.mark.skipif(sys.platform == "win32", reason="a signal to oneself")
def test_an_interrupt_ends_the_check_and_its_thread():
    import signal

    answer = learner(
        "def step(w, grad, lr):\n    torch.set_default_dtype(torch.float64)\n"
        "    while True: random.random()")
    before, state = threading.active_count(), random.getstate()
    timer = threading.Timer(0.2, signal.raise_signal, [signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt): run_check(the_step, answer, seconds=5)
    timer.join()
    assert random.getstate() == state and torch.get_default_dtype() == torch.float32
    assert threads_are(before)


def test_a_slow_import_is_waited_for(tmp_path, monkeypatch):
    (tmp_path / "slow_to_import.py").write_text("import time\nfor _ in range(40): time.sleep(0.01)")
    monkeypatch.syspath_prepend(tmp_path)
    answer = learner("def step(w, grad, lr):\n    import slow_to_import\n    return w - lr * grad")
    assert run_check(the_step, answer, seconds=0.2).outcome == "correct"


# ---- comparing


@pytest.mark.parametrize("arrived, expected", [
    (1, 1.0), (torch.tensor(2.0), 2), (np.float32(0.5), 0.5),
    (np.array([1, 2]), torch.tensor([1.0, 2.0])),
    ([1, 2], (1, 2)), ({"a": 1}, {"a": 1.0}), (float("nan"), float("nan")),
    (float("inf"), float("inf")),
    (True, True), ("a", "a"), (1.00001, 1.0), (iter([1, 2]), [1, 2]), (None, None),
    (range(2), [0, 1]),
    ([1.0], torch.ones(1)), (torch.tensor([1, 2]), [1.0, 2.0]),
    ([[1, 2], (3, 4)], np.array([[1, 2], [3, 4]])),
    ((torch.tensor([1]), np.array([2, 3])), ([1], [2, 3])), (np.array(["a", "b"]), ["a", "b"]),
    (torch.zeros(0), []),
])
def test_same_accepts(arrived, expected):
    same(arrived, expected)


@pytest.mark.parametrize("arrived, expected, words", [
    (1.01, 1.0, "not right"),
    (torch.zeros(2, 1), torch.zeros(2), "shape should be (2,), and it is (2, 1)"),
    ([1.0], torch.zeros(1), "not right"),
    ([[1.0], [2.0, 3.0]], torch.zeros(2, 2), "and a list arrived"),
    (torch.zeros(1), 0.0, "A number was expected"),
    (torch.zeros(2), [0.0, 1.0, 2.0], "should be (3,), and it is (2,)"),
    ((1,), (1, 2), "2 values were expected, and 1"),
    ((1, 3), (1, 2), "value 2 of 2"), ({"b": 1}, {"a": 1}, "keys"), (None, 1, "`return`"),
    ("b", "a", "not right"),
    (float("nan"), 1.0, "not right"), (1.0, float("nan"), "not right"), (True, False, "not right"),
    (torch.ones(20), torch.zeros(20), "20 of 20 numbers differ"), (3, "a", "not right"),
    (iter([1, 2, 3]), [1, 2], "3 arrived"),
    (0.0, 1e-3, "not right"),
])
def test_same_refuses(arrived, expected, words):
    with pytest.raises(Exception) as caught: same(arrived, expected)
    assert words in str(caught.value)


def test_spell_is_short_and_has_no_addresses():
    assert spell(torch.tensor(1 / 3)) == "tensor(0.3333)"
    assert "0x" not in spell(object())
    assert len(spell("x" * 500)) <= 80
    assert spell(list(range(100))).endswith("...]")
    assert spell((1,)) == "(1,)"


# ---- questions


epoch = choice("epoch", "What is an epoch?", "b", {
    "a": ("A step", "no"), "b": ("All data once", "yes"), "c": ("A day", "never")})
half = number("half", "1/2?", 0.5, "because", {2.0: "upside down"})
steps = order("steps", "Order?", "bac", {"a": "two", "b": "one", "c": "three"}, "because",
              {"abc": "swapped"})
word = short("word", "Fitting noise?", ["overfitting", "overfit"], "because",
             {"underfitting": "the other way"})


@pytest.mark.parametrize("question, given, outcome, said", [
    (epoch, "b", "correct", "yes"), (epoch, " (B) ", "correct", "yes"),
    (epoch, "a", "incorrect", "no"),
    (epoch, "z", "unchecked", "a, b, c"), (epoch, 3, "unchecked", "a, b, c"),
    (half, 0.5, "correct", "because"), (half, "0.5", "correct", "because"),
    (half, 0.502, "correct", "because"),
    (half, 2, "incorrect", "upside down"), (half, 0.7, "incorrect", "too large"),
    (half, -1, "incorrect", "too small"),
    (half, "half", "unchecked", "number"), (half, float("nan"), "unchecked", "number"),
    pytest.param(half, 10**400, "incorrect", "too large", id="huge"),
    pytest.param(half, -(10**400), "incorrect", "too small", id="huge and negative"),
    (steps, "bac", "correct", "because"), (steps, "B, a, c", "correct", "because"),
    (steps, ["b", "a", "c"], "correct", ""),
    (steps, "abc", "incorrect", "swapped"), (steps, "bca", "incorrect", "first 1"),
    (steps, "ba", "unchecked", "each letter once"),
    (word, "Over-fitting", "correct", "because"), (word, "the overfit", "correct", ""),
    (word, "underfitting", "incorrect", "other way"),
    (word, "noise", "incorrect", "begins with 'o'"), (word, "", "unchecked", "quotes"),
    (word, "переобучение", "incorrect", "begins with 'o'"), (word, "?!", "unchecked", "quotes"),
    (epoch, ..., "question", "What is an epoch?"), (epoch, None, "question", "A step"),
])
def test_questions(question, given, outcome, said):
    result = ask(question, given)
    assert result.outcome == outcome and said in repr(result)


def test_wrong_definitions_are_refused():
    with pytest.raises(ValueError, match="'z'"): choice("q", "?", "z", {"a": ("", "")})
    three = {"a": "", "b": "", "c": ""}
    with pytest.raises(ValueError, match="'ab'"): order("q", "?", "ab", three, "", {})
    with pytest.raises(ValueError, match="either"): step_exercise(check=lambda a: None)
    said = dict(task="", hints=[], why="")
    with pytest.raises(ValueError, match="name"): exercise("x", check=print, **said)
    with pytest.raises(ValueError, match="names must differ"): verbs("c", [the_step, the_step], [])


# ---- the verbs


@pytest.fixture
def chapter():
    return verbs("small", [the_step], [epoch, half])


def test_completion_lists_what_there_is(chapter):
    check, hint, solution, quiz = chapter
    assert dir(check) == dir(hint) == ["step"]
    assert dir(quiz) == ["epoch", "half"] and set(dir(solution)) == {"step", "epoch", "half"}
    assert items(check) == {"step": the_step}
    with pytest.raises(AttributeError, match="did you mean 'step'"): check.stepp  # noqa: B018
    with pytest.raises(AttributeError, match="there is step"): check.zebra  # noqa: B018


def test_hints_go_step_by_step(chapter):
    hint = chapter[1]
    first, second, third = hint.step(), hint.step(), hint.step()
    assert "First." in repr(first) and "Second." not in repr(first)
    assert "First." in repr(second) and "Second." in repr(second) and repr(second) == repr(third)
    assert repr(hint.step(1)) == repr(first)


def test_solutions_show_code_and_reason(chapter):
    solution = chapter[2]
    shown = solution.step()
    assert "def step(w, grad, lr):\n    return w - lr * grad" in shown._repr_markdown_()
    assert "```python" in shown._repr_markdown_() and "against the gradient" in repr(shown)
    assert "**Answer:** `b` · All data once. yes" in solution.epoch()._repr_markdown_()
    assert "not `a`: no" in repr(solution.epoch())


def test_lists_say_what_was_done_and_a_success_stays(chapter):
    check, _, _, quiz = chapter
    assert "0 of 2 correct" in repr(quiz)
    quiz.epoch("a"), quiz.epoch("b"), quiz.epoch("a")
    assert "1 of 2 correct" in repr(quiz) and "✓ Correct" in quiz._repr_markdown_()
    assert "0 of 1 correct" in repr(check)


def test_shown_without_a_call_an_action_says_what_it_is_about(chapter):
    check, _, _, quiz = chapter
    assert "Move `w`" in repr(check.step) and "Move `w`" in check.step.__doc__
    assert "What is an epoch?" in quiz.epoch._repr_markdown_()


def test_results_are_frozen_and_carry_their_outcome(chapter):
    result = chapter[0].step(step)
    with pytest.raises(AttributeError): result.outcome = "wrong"
    data, about = result._repr_mimebundle_()
    assert set(data) == {"text/markdown", "text/plain"}
    assert about == {"dljourney": {"chapter": "small", "name": "step", "outcome": "correct"}}


def test_the_engine_needs_no_torch():
    code = ("import sys, dljourney.kit.exercises.tasks; "
            "sys.exit(bool({'torch', 'numpy'} & set(sys.modules)))")
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
