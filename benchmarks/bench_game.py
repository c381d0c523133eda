"""The game's engine

Random games of English draughts, plies a second of CPU time on one thread: our tensors beside
OpenSpiel's engine, which is C++ driven from Python move by move (its games end as draws after 40
moves without a capture, ours after 200 plies).
Then perft, and how the speed grows with the number of games at once.
"""

from __future__ import annotations

import random
import time

import torch

from dljourney.checkers import play, self_play
from dljourney.kit.game import compiled_hop, perft, random_games
from dljourney.kit.game import TERMS

PACKAGES = ["torch", "open_spiel"]


def speed(play) -> float:
    "Plies a second of CPU time; `play` returns how many it made."
    start = time.process_time()
    return play() / (time.process_time() - start)


def with_spiel(harness, n_plies=20_000):
    "Random games of OpenSpiel, about that many plies; None where it is not installed."
    pyspiel = harness.peer("pyspiel")
    if pyspiel is None:
        return None
    game, rng = pyspiel.load_game("checkers"), random.Random(0)

    def play():
        made = 0
        while made < n_plies:
            state = game.new_initial_state()
            while not state.is_terminal():
                actions = state.legal_actions()
                state.apply_action(actions[int(rng.random() * len(actions))])
                made += 1
        return made

    return play


def lines(harness):
    torch.set_num_threads(1)
    runs, spiel = 3 if harness.quick else 7, with_spiel(harness)
    hops = {"": None} if harness.quick else {"": None, ", torch.compile": compiled_hop()}
    for how, hop in hops.items():
        for n in (1, 64, 1024, 4096, 16_384, 100_000):
            if how and n not in (4096, 16_384):
                continue
            ours, theirs = [], []
            random_games(n, hop=hop)
            for _ in range(runs if n < 100_000 else 3):  # in turns
                ours.append(speed(lambda n=n, hop=hop: random_games(n, hop=hop).plies))
                if spiel:
                    theirs.append(speed(spiel))
            bar = {(4096, ""): 10, (16_384, ""): 20, (16_384, ", torch.compile"): 50}.get((n, how))
            harness.quantity(f"random games, {n:,} of them{how}", ours,
                             {"OpenSpiel": theirs or None}, unit="plies/s",
                             bar=bar, higher_is_better=True)
    seconds = []
    for _ in range(runs):
        start = time.process_time()
        perft(7)
        seconds.append(time.process_time() - start)
    harness.quantity("perft 7, 179,740 lines of play", seconds, unit="s", bar=0.1)
    seconds = []
    for _ in range(1 if harness.quick else 3):
        start = time.process_time()
        self_play(50).run()
        seconds.append((time.process_time() - start) / 50)
    harness.quantity("a series of 28 games, 50 learned side by side, depth 3 and captures, "
                     "38 terms", seconds, unit="s", bar=1, note=series_note)
    # the paper's four
    four, sixteen = dict(DENY=1, MOBIL=1, CENT=1, ADV=1), dict.fromkeys(list(TERMS)[:16], 1)
    for name, weights in (("four terms", four), ("16 terms", sixteen)):
        seconds = []
        for _ in range(runs):
            start = time.process_time()
            play(weights, {})
            seconds.append(time.process_time() - start)
        bar = 0.3 if name == "four terms" else 3
        harness.quantity(f"play of 1,000 games at depth 1, {name}", seconds, unit="s", bar=bar)


series_note = (
    "a profile says where the time goes: 34 % to the terms of the leaves (all 38, as each of the "
    "50 machines has 16 of "
    "its own), 36 % to the moves, the rest to the search's bookkeeping; each game is a new round "
    "of both machines"
)
