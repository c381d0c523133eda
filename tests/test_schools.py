"Which school suits which task: tasks without leaks, starts that are what they say, stored rows."

from statistics import fmean

import pytest
import torch

from dljourney.experiments.transfer import (
    N_NEW, SCHOOLS, TASKS, fit_frozen, fit_whole, schools,
)
from dljourney.kit.pictures import read_image
from dljourney.kit.seeds import stored_rows

each_task = pytest.mark.parametrize("task", TASKS)


def bits(x):
    return {picture.numpy().tobytes() for picture in x}


@each_task
def test_a_task_holds_what_it_says_and_nothing_twice(task):
    (x, y), (new_x, new_y) = TASKS[task](3, 7)
    things = len(y.unique())
    assert torch.bincount(y).tolist() == [3] * things
    assert torch.bincount(new_y).tolist() == [N_NEW] * things
    assert x.shape[1:] == new_x.shape[1:] and read_image(x[0], 32).shape == (3, 32, 32)
    assert len(bits(x)) == len(y) and not bits(x) & bits(new_x), "a picture to judge was learned"


@each_task
def test_another_seed_draws_others(task):
    (x, _), _ = TASKS[task](3, 7, n_new=1)
    (same, _), _ = TASKS[task](3, 7, n_new=1)
    (other, _), _ = TASKS[task](3, 8, n_new=1)
    assert torch.equal(x, same) and not torch.equal(x, other)


def test_rows_name_task_and_start_and_leave_the_dice_alone():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    rows = schools(0, n=2, starts=["random", "glyphnet"], tasks=["bright or dark"])
    assert [(r["task"], r["start"]) for r in rows] == [
        ("bright or dark", "random"), ("bright or dark", "glyphnet")]
    assert all(0 <= r["accuracy"] <= 1 for r in rows)
    assert rows == schools(0, n=2, starts=["random", "glyphnet"], tasks=["bright or dark"])
    assert torch.equal(torch.get_rng_state(), before)


def test_random_weights_are_others_with_another_seed():
    (x, y), (new, _) = TASKS["surfaces"](2, 0, n_new=4)
    said = [fit_frozen(x, y, seed, weights=False)(new) for seed in (0, 0, 1)]
    assert torch.equal(said[0], said[1]) and not torch.equal(said[0], said[2])


def test_all_of_it_learns_in_colour_and_in_grey():
    for task in ("two photographs", "digits"):
        (x, y), (new, new_y) = TASKS[task](2, 0, n_new=1)
        said = fit_whole(x, y, 0, steps=2)(new)
        assert said.shape == new_y.shape and int(said.max()) <= int(y.max())


# What chapter 08 says of the stored rows.


def mean(task, start):
    rows = stored_rows("schools") + stored_rows("schools_all_learns")
    found = [r["accuracy"] for r in rows if (r["task"], r["start"]) == (task, start)]
    assert len(found) >= 2
    return fmean(found)


def test_every_task_has_every_start():
    assert all(0 < mean(task, start) <= 1 for task in TASKS for start in SCHOOLS)


def test_each_school_is_the_best_for_its_own_task():
    assert mean("digits", "glyphnet") > mean("digits", "photonet") + 0.1
    assert mean("surfaces", "photonet") > mean("surfaces", "glyphnet") + 0.1
    assert min(mean("doodles", start) for start in ("photonet", "glyphnet")) > 0.95


def test_a_wrong_school_is_worse_than_none():
    assert mean("digits", "photonet") < mean("digits", "random, all learns") - 0.1
    assert mean("two photographs", "glyphnet") < mean("two photographs", "random") - 0.1
    for start in ("photonet", "glyphnet"):
        assert mean("bright or dark", start) < 0.75 < 0.9 < mean("bright or dark", "random")
