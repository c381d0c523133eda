"The demo that opens chapter 03: a machine that learns from itself, and from whoever plays it."

import functools

import pytest

from dljourney.checkers import self_play
from dljourney.demos.samuels_machine import Learner, Opinions, SamuelsMachine
from dljourney.kit.game import START, Boards, apply_move, legal_moves


def copied(boards):
    return Boards(boards.words.clone(), boards.black.clone())


@pytest.mark.parametrize("seed", [0, 1])
def test_a_game_against_somebody_teaches_what_the_same_game_teaches_in_a_series(seed):
    series, table = self_play(1, 2, depth=1, seed=seed), self_play(1, 1, depth=1, seed=seed)
    plies, compared = iter(series), 0
    while not series.games:
        board, before, ply = copied(series.boards), copied(series.before), int(series.ply[0])
        delta = next(plies).delta
        if board.black[0]: continue  # Alpha is White in the first game
        best, surprise = table.answer(board, before, first=ply == 1)
        assert surprise == delta.item()
        if not series.games: assert (best.boards.words == series.boards.words).all()
        assert (table.alpha.correlation == series.alpha.correlation).all()
        assert (table.alpha.active == series.alpha.active).all()
        compared += 1
    untaught = self_play(seed=seed).alpha.correlation
    assert compared > 10 and (table.alpha.correlation != untaught).any()


def test_at_first_it_believes_in_sixteen_terms_alike():
    machine = Learner()
    assert len(machine.opinions) == 16 and set(machine.opinions.values()) == {0.25}
    assert set(Learner(seed=1).opinions) != set(machine.opinions)


def test_it_answers_by_the_rules_and_is_not_surprised_by_a_first_move():
    machine, fen = Learner(), apply_move(START, "11-15")
    move, surprise = machine.answer(fen, START, first=True)
    assert move in legal_moves(fen) and surprise == 0
    assert set(machine.opinions.values()) == {0.25}


def test_what_it_learns_from_itself_it_knows_in_the_game_with_you_and_goes_on_from():
    machine = Learner(n_games=2)
    assert list(machine.learn())[-1] == machine.games == 2
    known = machine.opinions
    assert len(set(known.values())) > 5
    assert machine.table.alpha is machine.series.alpha
    list(machine.learn())
    assert machine.games == 4 and machine.opinions != known


def test_after_a_series_it_beats_the_machine_that_it_was():
    from dljourney.checkers import match

    machine = Learner(n_games=10)
    before = machine.series.weights(who="start")
    for _ in machine.learn(): pass
    assert match(machine.series.weights(), before, 60, depth=1).score > 0.55


def played(demo, n):
    "Some moves of yours, whatever is legal."
    for _ in range(n): demo.board.play(demo.board.legal[0])
    return demo


def test_each_move_of_yours_has_its_surprise_and_shows_what_it_moved():
    demo = played(SamuelsMachine(), 4)
    frame, opinions = demo.opinions.draw(), demo.opinions
    assert len(opinions.deltas) == 4 and len(demo.board.history) == 8
    moved = {n for n, c in opinions.machine.opinions.items() if c != opinions.before.get(n, 0)}
    assert frame["figures"]["terms moved"] == len(moved) > 0
    marks = frame["terms"]["marks"]
    bars = [m for m in marks if m["mark"] == "line"]
    assert sum(m["colour"] != "grey" for m in bars) == len(moved) and len(bars) == 16
    rings = [m for m in marks if m["mark"] == "points"]
    assert len(rings) == len(moved)
    assert [name for _, name in frame["terms"]["yticks"]] == list(opinions.machine.opinions)


def test_a_new_game_forgets_the_game_and_not_what_was_learned():
    demo = played(SamuelsMachine(), 4)
    known = demo.opinions.machine.opinions
    demo.board.reset()
    assert demo.opinions.deltas == [] and demo.opinions.draw()["figures"]["it played"] == "-"
    assert demo.opinions.machine.opinions == known
    played(demo, 1)
    assert demo.opinions.deltas == [0.0]  # nothing to compare yet


def test_a_machine_can_be_made_anew():
    demo = played(SamuelsMachine(), 4)
    demo.opinions.reset()
    assert set(demo.opinions.machine.opinions.values()) == {0.25}
    demo.opinions.step(200)
    assert demo.opinions.machine.games >= 2
    assert all(m["colour"] == "grey" for m in demo.opinions.draw()["terms"]["marks"]
               if m["mark"] == "line"), "its own games are not your doing"


def test_another_rule_learns_another_way():
    def deaf(*args, **options):
        learning = self_play(*args, **options)
        learning.rules = learning.rules._replace(surprising=lambda delta, weights: delta > 1e9)
        learning.alpha.rules = learning.rules
        return learning

    ours, other = (Opinions(functools.partial(Learner, rule)) for rule in (self_play, deaf))
    for demo in (ours, other): demo.step(60)
    assert set(other.machine.opinions.values()) <= {0.25, 0.0}
    assert not set(ours.machine.opinions.values()) <= {0.25, 0.0}
    assert played(SamuelsMachine(deaf), 3).opinions.draw()["surprise"]["marks"]
