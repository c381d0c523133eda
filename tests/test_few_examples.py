"The demo FewExamples: four ways to learn, step by step, from the same draw."

import numpy as np
import torch

from dljourney.demos.few_examples import WAYS, FewExamples, FewExamplesRace
from dljourney.kit.pictures import digits


def parts():
    train, _, (xt, yt) = digits()
    return train, (xt[::12], yt[::12])


def test_the_race_trains_all_four_on_the_same_examples():
    race = FewExamplesRace(*parts(), n=3, seed=1)
    assert len(race.y) == 30 and torch.bincount(race.y).tolist() == [3] * 10
    n = sum(1 for _ in race)
    assert 30 < n < 60
    errors = race.errors()
    assert set(errors) == set(WAYS)
    assert errors["fine-tuning"] < 0.25 and errors["linear probe"] < 0.25
    from_random = [error for _, error in race.history["random weights"]]
    assert from_random[-1] == errors["random weights"] < from_random[0]


def test_the_demo_steps_draws_and_restarts():
    demo = FewExamples(data=parts(), n_examples=2)
    assert demo.draw()["figures"]["examples in all"] == 20
    demo.step(3)
    assert set(demo.race.errors()) == set(WAYS)
    for way in WAYS:
        demo.mistakes_of = way
        n_wrong = int((demo.race.said[way] != demo.unseen[1]).sum())
        assert len(demo.draw()["mistakes"]["images"]) == min(20, n_wrong)
    race = demo.race
    demo.n_examples = 1
    assert demo.race is not race and len(demo.race.y) == 10 and not demo.race.said
    assert FewExamples(data=parts(), **demo.state).state == demo.state


def test_the_readers_own_fine_tuning_is_used():
    calls = []

    def mine(model, x, y, **options):
        calls.append(len(x))
        return iter(())

    demo = FewExamples(data=parts(), fine_tune=mine, n_examples=1)
    demo.step(3)
    assert calls == [10, 10]


def test_the_race_leaves_the_global_random_numbers_alone():
    torch.manual_seed(7)
    before, said = torch.get_rng_state(), []
    for seed in (1, np.int64(1)):
        race = FewExamplesRace(*parts(), n=1, seed=seed)
        steps = iter(race)
        for _ in range(6):
            next(steps)
        assert torch.equal(torch.get_rng_state(), before)
        torch.rand(3)
        before = torch.get_rng_state()
        said.append(race.said)
    assert all(torch.equal(said[0][way], said[1][way]) for way in WAYS)
