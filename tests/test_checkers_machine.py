"Rote learning, self-play and the demo of chapter 03."
import io
import random

import numpy as np
import pytest
import torch
from matplotlib.patches import Circle
from PIL import Image

from dljourney.checkers import (
    ROTE_TERMS, Boards, Memory, as_player, legal_moves, moves, polynomial, rote, search,
    surprise_slope, with_memory,
)
from dljourney.demos.checkers_machine import CheckersMachine, choose, reasons
from dljourney.experiments.checkers import TemporalDifferences
from dljourney.kit.game import START, apply_move, draw_board
from dljourney.samuel import improve


def test_memory_finds_what_was_added_after_a_merge_and_its_mirror_image():
    boards = Boards.from_fen([START, "B:W21,22:B1,K2", "W:W30,K3:B12"])
    memory = Memory()
    memory.add(boards, torch.tensor([1.0, 2.0, 3.0]))
    assert len(memory) == 0
    memory.merge()
    for seen in (boards, boards.mirrored()):
        known, score = memory.find(seen)
        assert known.all() and score.tolist() == [1.0, 2.0, 3.0]
    known, score = memory.find(Boards.from_fen("B:W21,23:B1,K2"))
    assert not known.any() and score.tolist() == [0.0]


def test_memory_forgets_what_is_not_used():
    memory, boards = Memory(oldest=3), Boards.from_fen([START, "B:W21,22:B1,K2"])
    memory.add(boards, torch.tensor([1.0, 2.0]))
    for _ in range(6):
        memory.merge()
        memory.find(boards[0])
    assert memory.find(boards)[0].tolist() == [True, False]


def test_a_stored_score_stands_for_a_deeper_search():
    fen = "B:W18,27,32:B14,K1"          # 14x23 wins a man for one ply; White takes back
    board, value = Boards.from_fen(fen), polynomial({})
    memory, after = Memory(), Boards.from_fen(apply_move(fen, "14x23"))
    memory.add(after, search(after, 3, value).score)
    memory.merge()
    assert search(board, 1,
                  with_memory(value, memory)).score.item() == search(board, 4, value).score.item()


def endgames(n, seed):
    "A white piece and two or three black kings, Black to move: wins are near, in several ways"
    rng, found = random.Random(seed), []
    while len(found) < n:
        white, *black = rng.sample(range(1, 33), rng.choice([3, 4]))
        found.append(f"B:W{'K' if white < 5 else ''}{white}:B" + ",".join(f"K{s}" for s in black))
    return found


def test_a_remembered_win_is_as_far_away_as_a_deeper_search_finds():
    value, wins = polynomial({}), set()
    for fen in endgames(40, 1):
        board = Boards.from_fen(fen)
        after = moves(moves(board).boards).boards
        memory = Memory()
        if len(after):
            memory.add(after, search(after, 3, value).score)
            memory.merge()
        remembered = search(board, 2, with_memory(value, memory)).score.item()
        assert remembered == search(board, 5, value).score.item(), fen
        wins.add(2**40 - remembered)
    assert {1, 3, 5} <= wins


def test_a_win_now_comes_before_a_remembered_one():
    board, value = Boards.from_fen("B:W12:BK4,K30,K3"), polynomial({})
    after = moves(moves(board).boards).boards
    memory = Memory()
    memory.add(after, search(after, 3, value, extend=True, fade=0.02).score)
    memory.merge()
    best = search(board, 2, with_memory(value, memory), fade=0.02)
    assert best.score.item() == 2**40 - 1 and not len(moves(best.boards).parent)


@pytest.mark.parametrize("argument", [{"max_plies": 0}, {"opening": -1}, {"depth": 0}])
def test_rote_refuses(argument):
    with pytest.raises(ValueError, match=next(iter(argument))):
        rote(2, **argument)


def test_rote_repeats_and_goes_on():
    a, b = rote(4, depth=1, seed=1), rote(4, depth=1, seed=1)
    assert len(a) == len(b) > 20 and torch.equal(a.scores, b.scores)
    assert len(rote(4, depth=1, seed=2, memory=a)) > len(b)
    assert set(ROTE_TERMS) == {"DENY", "MOB", "CENT", "ADV"}


def test_self_play_is_a_mechanism_and_repeats():
    start = torch.cat([torch.ones(1), torch.zeros(38)])

    def learned():
        mechanism = TemporalDifferences(8, plies=10, seed=3)
        return list(improve(start, lambda w: 0.0, mechanism, rounds=2))[-1].weights

    weights = learned()
    assert torch.equal(weights, learned()) and len(as_player(weights)) == 38
    assert not torch.equal(weights, start) and start[0] == 1 and not start[1:].any()


def test_the_slope_of_surprise_is_autograds():
    "That of the cross-entropy between the chance and its target"
    rng = torch.Generator().manual_seed(0)
    seen, weights = torch.randn(7, 39,
                                generator=rng), torch.randn(39, generator=rng).requires_grad_()
    target = torch.rand(7, generator=rng)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(seen @ weights, target)
    loss.backward()
    torch.testing.assert_close(surprise_slope(seen, weights.detach(), target), weights.grad)


def test_the_end_of_a_game_teaches():
    "A side that has just left the other without a move learns that this is worth 1."
    play = TemporalDifferences(1, seed=0)
    play.boards = Boards.from_fen("B:W5,6,9,10:B1")
    play.before = Boards.from_fen("W:W5,6,9,14:B1")
    play.age = torch.tensor([10])
    weights = torch.cat([torch.ones(1), torch.zeros(38)])
    assert play.step(weights)[0] < 0 and play.games == 1       # the piece weight is to rise


def test_the_machine_takes_what_it_can():
    assert choose("B:W18,27,30:B3,14", {}, depth=1) == "14x23x32"
    move = choose(START, {"CENT": 2.0**18})
    said = reasons(START, move, {"CENT": 2.0**18})
    assert move in legal_moves(START) and set(said) <= {"pieces", "CENT"}


@pytest.mark.parametrize("opponent", ["hand-set", "1959", "modern", "mine"])
def test_the_demo_plays_and_gives_reasons(opponent):
    demo = CheckersMachine(n_games=10, depth=1, opponent=opponent, MOB=10.0)
    demo.board.play("11-15")
    assert demo.board.fen.startswith("B:") and "pieces" in demo.weights.said
    assert len(demo.board.history) == 2


def told(demo):
    "What stands beside the board: the machine's move, and how many reasons are drawn"
    frame = demo.weights.draw()
    marks = frame["reasons"] and frame["reasons"]["marks"][0]["height"]
    return frame["score"]["it played"], len(marks)


def test_reasons_stand_as_long_as_the_move_they_explain():
    demo = CheckersMachine(n_games=10, depth=1)
    nothing = ("-", 0)
    assert told(demo) == nothing
    demo.board.play("11-15")
    first = told(demo)
    assert first[0] == demo.board.history[-1] and first[1] > 1
    demo.board.play(demo.board.legal[0])
    second = told(demo)
    assert second[0] == demo.board.history[-1] and len(demo.board.history) == 4
    demo.board.undo()
    assert told(demo) == first and demo.board.history == ["11-15", first[0]]
    demo.board.reset()
    assert told(demo) == nothing and demo.weights.said == {}
    demo.board.play("9-13")
    assert told(demo)[0] == demo.board.history[-1]
    demo.board.fen = "B:W21,22:B1,2"        # somebody puts up another position
    assert told(demo) == nothing


def test_a_machine_that_begins_says_why_after_new_game():
    demo = CheckersMachine(n_games=10, depth=1, fen="W" + START[1:])
    first = told(demo)
    assert [first[0]] == demo.board.history and first[1] > 0
    demo.board.play(demo.board.legal[0])
    assert len(demo.board.history) == 3 and told(demo)[0] == demo.board.history[-1]
    demo.board.undo()
    assert told(demo) == first and len(demo.board.history) == 1
    demo.board.reset()
    assert told(demo) == first and len(demo.board.history) == 1


def test_black_is_at_the_top_of_pictures_and_at_the_bottom_of_the_demo():
    "As chapter 03 says: in its pictures Black goes down, in its demo up"
    axes = draw_board("B:W32:B1").axes[0]
    pieces = [patch for patch in axes.patches if isinstance(patch, Circle)]
    black, white = sorted(pieces, key=lambda piece: sum(piece.get_facecolor()[:3]))
    height = [axes.transData.transform(piece.center)[1] for piece in (black, white)]
    assert height[0] > height[1]
    demo = CheckersMachine(n_games=10, depth=1, fen="B:W32:B1")
    rows = np.array(Image.open(io.BytesIO(demo.board.still())).convert("L"))
    square = len(rows) // 8
    dark = (rows < 80).sum(1).reshape(8, square).sum(1)
    assert dark.argmax() == 7


def test_a_slider_plays_again():
    demo = CheckersMachine(n_games=10)
    before = demo.weights.outcome
    demo.weights.set(DENY=40.0, MOB=30.0)
    assert demo.weights.outcome.games == 10 and demo.weights.outcome is not before
