"""The table of the course's experiments, and the command that runs them.

    python -m benchmarks.experiments                 # all of them; what is stored is not run again
    python -m benchmarks.experiments NAME [NAME...]  # these
    python -m benchmarks.experiments --list          # names, seeds stored, seconds
    python -m benchmarks.experiments NAME --fresh    # forget what is stored and start over

Each seed is kept in nbs/results/NAME.json as soon as it is done: the command may be stopped at any
time.
The engine is `dljourney.kit.seeds`; its notebook says how to add an experiment.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Experiment:
    "One experiment at full size. 'module:function' as `run_seed`: the table imports nothing."

    run_seed: str | Callable[..., Any]
    seeds: Iterable[int]
    settings: Mapping[str, Any] = field(default_factory=dict)
    # how far a rerun may be off on another processor or other versions, relative and absolute
    tolerance: float = 0.05
    varies: tuple[str, ...] = ()  # fields of a row that differ from run to run, such as timings

    def function(self) -> Callable[..., Any]:
        if not isinstance(self.run_seed, str):
            return self.run_seed
        module, _, name = self.run_seed.partition(":")
        return getattr(import_module(module), name)


SCRATCH, PRETRAINED = ["SVM on pixels", "random weights"], ["linear probe", "fine-tuning"]
# steps, learning rate and whether normalisation follows, for glyphnets that end half-way
HALFWAY = {1: [(120, 3e-4, False), (300, 1e-3, False)],
           5: [(300, 1e-3, False), (600, 1e-3, False)],
           20: [(300, 1e-3, False), (600, 1e-3, False), (300, 2e-3, True), (600, 1e-3, True)]}
RANDOM_RATES = (150, 3e-3), (150, 1e-2), (300, 1e-3), (300, 3e-3), (300, 1e-2), (600, 3e-3)
GLYPHNET_RATES = (0, 0.0), (60, 3e-4), (60, 1e-3), (120, 3e-4), (120, 1e-3)
ALL_THE_WAY = (1, 60, 3e-4, False), (5, 0, 0.0, False), (20, 300, 1e-3, True)


def from_glyphnet(per_class: int, steps: int, lr: float, **more: Any) -> dict[str, Any]:
    "A trial that starts from the weights that ship, with a head fitted to them."
    trial = {"per_class": per_class, "start": "glyphnet", "steps": steps, "lr": lr, "probe": 0.1}
    return trial | more


def from_random(per_class: int, steps: int, lr: float, **more: Any) -> dict[str, Any]:
    "A trial that starts from random weights."
    return {"per_class": per_class, "start": "random", "steps": steps, "lr": lr} | more


# best on the pool, with the warps too
FROM_RANDOM = [from_random(k, 300, 3e-3, strength=s) for k, s in ((1, 0.5), (5, 1.0), (20, 1.0))]
# best on the pool too, but for two ties: with 20, decided by what is best with 5; the warps with 5,
# where 1.5 was one picture of 1,796 better
FROM_GLYPHNET = [from_glyphnet(k, steps, lr, way=0.5)
                 for k, steps, lr in ((1, 120, 3e-4), (5, 600, 1e-3), (20, 600, 1e-3))]
GLYPHNET_TUNING = [
    *(from_glyphnet(k, steps, lr) for k in (1, 5, 20) for steps, lr in GLYPHNET_RATES),
    *(from_glyphnet(k, 300, 1e-3, batch_norm=True) for k in (5, 20)),
    *(from_glyphnet(k, steps, lr, batch_norm=norm, way=0.5)
      for k in (1, 5, 20) for steps, lr, norm in HALFWAY[k]),
]
DIGITS = "dljourney.experiments.pretraining:digits_seed"
SERIES = "dljourney.experiments.checkers:series_rows"

EXPERIMENTS: dict[str, Experiment] = {
    # "name": Experiment("dljourney.experiments.chapter:rows", range(10), {"setting": 1}),
    "hinges": Experiment("dljourney.experiments.universal:hinge_rows", range(10), tolerance=0.9),
    "width_and_depth": Experiment("dljourney.experiments.universal:depth_rows", range(10),
                                  tolerance=0.5),
    "checkers_series_1": Experiment(SERIES, range(1)),  # fifty in one batch
    "checkers_series_2": Experiment(SERIES, range(1), {"series": 2}),
    "checkers_stale_scores": Experiment(SERIES, range(1), {"recompute": False}),
    "checkers_hills": Experiment("dljourney.experiments.checkers:hill_rows", range(1)),
    "checkers_self_play": Experiment("dljourney.experiments.checkers:modern_rows", range(10)),
    "double_descent": Experiment("dljourney.experiments.overfitting:descent_rows", range(10)),
    "trained_descent": Experiment(
        "dljourney.experiments.overfitting:trained_descent_rows", range(5), tolerance=0.3
    ),
    "shuffled_labels": Experiment("dljourney.experiments.overfitting:memory_rows", range(10),
                                  tolerance=0.2, varies=("epochs_to_full",)),
    "leaks": Experiment("dljourney.experiments.overfitting:leaks", range(20)),
    "cures": Experiment("dljourney.experiments.overfitting:cure_rows", range(10), tolerance=0.3),
    "epochs": Experiment("dljourney.experiments.overfitting:epoch_rows", range(10), tolerance=0.5,
                         varies=("best_epoch",)),
    # tuning before what uses it; from_scratch does not depend on the weights that ship
    "scratch_tuning": Experiment("dljourney.experiments.transfer:tune_few_examples",
        range(100, 102), {"methods": SCRATCH}),
    "pretrained_tuning": Experiment("dljourney.experiments.transfer:tune_few_examples",
        range(100, 102), {"methods": PRETRAINED}),
    "from_scratch": Experiment("dljourney.experiments.transfer:few_examples",
        range(5), {"methods": SCRATCH}),
    "from_pretrained": Experiment("dljourney.experiments.transfer:few_examples",
        range(5), {"methods": PRETRAINED}),
    # the frozen bodies, and glyphnet's shape with all of it learning
    "schools": Experiment("dljourney.experiments.transfer:schools", range(5), tolerance=0.1),
    "schools_all_learns": Experiment("dljourney.experiments.transfer:schools", range(2),
        {"starts": ["glyphnet, all learns", "random, all learns"]}, tolerance=0.2),
    # chapter 10: digits are tuned within the pool ("valid") and measured on other writers ("test")
    "glyphnet_one_shot": Experiment(
        "dljourney.experiments.pretraining:one_shot_seed", range(20), tolerance=0.1),
    "digits_from_random_tuning": Experiment(
        DIGITS, [100, 102, 104],
        {"trials": [from_random(k, steps, lr) for k in (1, 5, 20) for steps, lr in RANDOM_RATES],
         "split": "valid"},
        tolerance=0.3),
    "digits_from_glyphnet_tuning": Experiment(
        DIGITS, range(100, 110), {"trials": GLYPHNET_TUNING, "split": "valid"}, tolerance=0.1),
    # how much the copies are warped, with the settings that were best above
    "digits_warps_tuning": Experiment(
        DIGITS, range(100, 110),
        {"trials": [{**trial, "strength": s} for trial in FROM_RANDOM + FROM_GLYPHNET
                    for s in (0.5, 1.0, 1.5)],
         "split": "valid"},
        tolerance=0.3),
    "digits_from_random": Experiment(DIGITS, range(20), {"trials": FROM_RANDOM}, tolerance=0.3),
    # what was measured first, without weights half-way
    "digits_all_the_way": Experiment(
        DIGITS, range(20),
        {"trials": [from_glyphnet(k, steps, lr, batch_norm=norm)
                    for k, steps, lr, norm in ALL_THE_WAY]},
        tolerance=0.1),
    "digits_from_glyphnet": Experiment(
        DIGITS, range(20), {"trials": FROM_GLYPHNET}, tolerance=0.1),
}


def one_thread() -> None:
    "One thread: the sums, and so the rows, do not depend on how many cores a machine has."
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    torch.set_num_threads(1)


def run(name: str, fresh: bool = False) -> None:
    from dljourney.kit.seeds import results_file, run_experiment

    experiment = EXPERIMENTS[name]
    seeds = list(experiment.seeds)
    spent: list[float] = []

    def report(seed, seconds, left):
        spent.append(seconds)
        rest = left * sum(spent) / len(spent)
        done = len(seeds) - left
        print(f"{name}: {done}/{len(seeds)} seeds, seed {seed} took {seconds:.1f} s, "
              f"about {rest:.0f} s left", flush=True)

    print(f"{name}: {results_file(name)}", flush=True)
    data = run_experiment(name, experiment.function(), seeds, experiment.settings, fresh=fresh,
                          report=report)
    note = "" if spent else " (all stored already)"
    print(f"{name}: {len(data['seeds'])} seeds, {len(data['rows'])} rows, "
          f"{data['seconds']:.1f} s in all{note}", flush=True)


def overview() -> None:
    from dljourney.kit.seeds import results_file, stored

    for name, experiment in EXPERIMENTS.items():
        seeds = list(experiment.seeds)
        data = stored(name) if results_file(name).exists() else {"seeds": {}, "seconds": 0}
        print(f"{name:30} {len(data['seeds']):4}/{len(seeds)} seeds  {data['seconds']:8.1f} s")


def main(argv: list[str] | None = None) -> int:
    about = __doc__.splitlines()[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.experiments", description=about)
    parser.add_argument("names", nargs="*", metavar="NAME", help="experiments to run; none: all")
    parser.add_argument("--list", action="store_true", help="show what there is and what is stored")
    parser.add_argument("--fresh", action="store_true", help="forget what is stored and start over")
    args = parser.parse_args(argv)
    unknown = [name for name in args.names if name not in EXPERIMENTS]
    if unknown:
        known = ", ".join(EXPERIMENTS) or "none"
        parser.error(f"no experiment {', '.join(unknown)}; there are: {known}")
    if args.fresh and not args.names:
        parser.error("--fresh forgets stored seeds: name the experiments it is meant for")
    if args.list:
        overview()
        return 0
    one_thread()
    for name in args.names or EXPERIMENTS:
        run(name, args.fresh)
    return 0


if __name__ == "__main__":
    sys.exit(main())
