"Each of the detective's runs shows what it is said to show, and is healthy once it is mended."
import ast
import functools
import inspect
import re

import pytest
import torch
from chapter_cells import NBS
from exercise_cases import items, solution_of
from learners import read, source

from dljourney.exercises import detective as exercises
from dljourney.experiments import detective

CASES = [*detective._CASES]


@functools.cache
def run(case):
    return detective.run_of(case)


def ends(e):
    "After the last epoch: losses of training and held out; accuracies of these and of new ones."
    return (*e.losses[-1].tolist(), *e.accuracies[-1].tolist())


def silent(e): return (e.firing == 0).float().mean().item()


def growth(e): return (e.slopes[-20:].mean() / e.slopes[:20].mean()).item()


def twins(e): return (e.pairs[0] - e.pairs[2]).abs().flatten(1).mean(1).max().item()


def of_each_class(e): return e.confused.diag() / e.confused.sum(1)


def is_healthy(e):
    train_loss, valid_loss, train, valid, fresh = ends(e)
    guessing = torch.tensor(float(len(e.confused))).log().item()
    assert abs(e.losses[0, 0].item() - guessing) < 0.1 and e.losses.max() < guessing + 0.2
    assert train_loss < 0.3 and train > 0.9 and fresh > 0.75 and abs(valid - fresh) < 0.1
    assert silent(e) < 0.2 and e.slopes.max() < 10 and growth(e) < 2
    assert 0 <= e.inputs.min() and e.inputs.max() <= 1 and e.asked.std() < 1e-6
    assert of_each_class(e).min() > 0.55 and (e.pairs[1] == e.pairs[3]).sum() >= 4


def test_the_healthy_run_is_healthy():
    is_healthy(run(0))


def test_too_low_a_rate_is_smooth_and_arrives_nowhere():
    e, healthy = run(1), run(0)
    assert (e.losses.diff(dim=0)[:, 0] < 0).all() and e.losses[-1, 0] > 0.85 * e.losses[0, 0]
    late, early = e.losses[10, 0] - e.losses[15, 0], e.losses[0, 0] - e.losses[5, 0]
    assert late > 0.5 * early, "it is not about to stop"
    assert silent(e) == pytest.approx(silent(healthy), abs=0.05)
    assert e.accuracies[-1, 1] > 2 * e.accuracies[0, 1]


def test_shuffled_labels_are_learned_by_heart_and_help_nobody():
    e = run(2)
    train_loss, valid_loss, train, valid, fresh = ends(e)
    assert train_loss < 1.7 and train > 0.4 and valid < 0.2 and fresh < 0.2
    assert valid_loss > e.losses[0, 1] + 0.5, "surer and surer of nonsense"
    assert (e.pairs[1] != e.pairs[3]).sum() >= 3 and silent(e) < 0.2


def test_too_high_a_rate_jumps_and_kills():
    e = run(3)
    assert abs(e.losses[0, 0].item() - 2.3) < 0.1 and e.losses[1, 0] > 2 * e.losses[0, 0]
    assert silent(e) > 0.9 and e.accuracies[-1, 2] < 0.2 and e.losses.isfinite().all()


def test_dead_units_never_fired():
    e = run(4)
    assert silent(e) == 1 and (e.losses - 2.3).abs().max() < 0.05
    assert e.accuracies.max() < 0.2 and e.slopes.max() < 0.5


def test_asked_in_training_it_says_something_else_each_time():
    e, healthy = run(5), run(0)
    assert e.asked.std() > 0.1 and healthy.asked.std() < 1e-6
    assert e.accuracies[-1, 0] < healthy.accuracies[-1, 0] - 0.03
    assert e.losses.diff(dim=0)[:, 1].gt(0).sum() > healthy.losses.diff(dim=0)[:, 1].gt(0).sum()
    assert len(set(e.losses[5:, 0].tolist())) > 1 and silent(e) < 0.2


def test_a_wrong_loss_has_a_floor_that_no_accuracy_breaks():
    e = run(6)
    floor = torch.tensor([[1.0, *[0.0] * 9]]).log_softmax(1)[0, 0].neg().item()
    assert floor == pytest.approx(1.46, abs=0.01)
    train_loss, _, train, _, fresh = ends(e)
    assert floor < e.losses.min() < train_loss + 0.05 < floor + 0.2
    assert train > 0.95 and fresh > 0.85


def test_a_rare_class_is_never_said():
    e = run(7)
    assert e.accuracies[1, 0] > 0.95 and e.accuracies[-1, 1] > 0.95
    assert of_each_class(e)[0] > 0.99 and of_each_class(e)[1] < 0.05 and len(e.confused) == 2


def test_gradients_that_are_kept_grow():
    e, healthy = run(8), run(0)
    assert e.slopes[0] < 2 and growth(e) > 5 and e.slopes.max() > 10 * healthy.slopes.median()
    assert e.losses[1, 0] < 0.6, "it begins well"
    assert e.losses[-1, 0] > 2 * e.losses[1, 0] and e.accuracies[-1, 1] < 0.6


def test_unscaled_inputs_shout_before_the_first_step():
    e = run(9)
    assert e.inputs.max() == 255 and e.losses[0, 0] > 20 and e.slopes[0] > 100
    assert silent(e) > 0.9 and e.accuracies[-1, 2] < 0.2


def test_a_leak_is_too_good_held_out_and_shows_twins():
    e, mended = run(10), detective.run_of(10, divide=exercises.divide)
    _, _, _, valid, fresh = ends(e)
    assert valid > 0.97 and valid - fresh > 0.1
    assert (e.pairs[1] == e.pairs[3]).all() and twins(e) < 0.8 * twins(mended)


MENDS = {1: ("lr", 0.1), 2: "shuffle", 3: ("lr", 0.1), 4: "first_weights", 5: "ask", 6: "loss",
         8: "step", 9: "prepare", 10: "divide"}  # case: the exercise, or a number in its place


@pytest.mark.parametrize("case", MENDS, ids=lambda case: CASES[case])
def test_the_solution_mends_the_run(case):
    "Put into the broken run, it makes it healthy; the same part alone stands in both."
    mend = MENDS[case]
    name, part = mend if isinstance(mend, tuple) else (
        mend, solution_of(items(exercises.check)[mend]))
    assert [*detective._CASES[CASES[case]].broken][0] == name
    is_healthy(detective.run_of(case, **{name: part}))


def test_weights_of_classes_find_the_rare_one():
    part = solution_of(items(exercises.check)["class_weights"])
    e, before = detective.run_of(7, class_weights=part), run(7)
    assert of_each_class(e)[1] > 0.4 and of_each_class(before)[1] < 0.05
    assert e.accuracies[-1, 1] < before.accuracies[-1, 1], "the accuracy does not tell"


def test_a_run_is_the_same_each_time_and_leaves_the_readers_dice_alone():
    torch.manual_seed(3)
    state = torch.get_rng_state()
    a, b = detective.run_of(5), run(5)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(x, y) for x, y in zip(a[:-1], b[:-1]))


def test_unknown_cases_and_parts_are_refused():
    with pytest.raises(ValueError, match="case: expected 0 .* got 11"):
        detective.run_of(11)
    with pytest.raises(ValueError, match="parts: expected some of lr, step, .* got speed"):
        detective.run_of(1, speed=3)


def body(function):
    [node] = ast.parse(inspect.getsource(function)).body
    return ast.dump(ast.Module(node.body, []))


def test_the_code_that_is_shown_is_what_ran():
    "Each block of code in the text is a broken part of some case, but for its name and its types."
    text = "\n".join(source(c) for c in read(NBS / "detective.ipynb")["cells"]
                     if c["cell_type"] == "markdown")
    shown = [ast.parse(block).body[0] for block in re.findall(r"```python\n(.*?)```", text, re.S)]
    broken = {name: body(part) for case in detective._CASES.values()
              for name, part in case.broken.items() if callable(part)}
    assert {node.name: ast.dump(ast.Module(node.body, [])) for node in shown} == broken


def test_the_notebook_names_no_culprit_before_it_is_asked_for():
    "The figure and its words do not tell."
    for case in range(1, 11):
        words = detective.exhibit_in_words(run(case), f"case {case}").lower()
        assert not any(suspect[0] in words for suspect in exercises._SUSPECTS.values()), words
