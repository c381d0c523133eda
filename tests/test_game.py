"The engine of English draughts: published counts, a printed game, laws, two independent engines."
import ast
import random
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings

from dljourney.kit import game
from dljourney.kit.game import (
    START, Boards, Outcome, alpha_beta, apply_move, legal_moves, material, moves, perft,
    play_moves, random_games, read_pdn, search, write_pdn,
)
from dljourney.kit.game.rounds import _Fused, _fused_rounds, _Round, _Table
from dljourney.kit.game.boards import BOARD, ROW_1, ROW_8, popcount

# Game 30 of Samuel's second series as the paper of 1959 prints it: 62 plies.
G30 = """12 16, 24 20, 8 12, 28 24, 10 14, 22 18, 6 10, 24 19, 1 6, 32 28, 3 8, 26 22, 9 13, 18 9,
5 14, 22 18, 6 9, 25 22, 2 6, 30 25, 14 17, 21 14 5, 6 9, 18 15, 11 18, 20 11 2, 10 14, 22 15,
14 17, 5 1, 17 21, 25 22, 21 25, 22 18, 25 30, 2 6, 9 14, 18 9, 8 11, 15 8, 4 11, 19 15, 11 18,
23 14, 13 17, 9 5, 12 16, 28 24, 17 22, 6 10, 30 25, 1 6, 25 21, 5 1, 21 17, 24 20, 16 19, 20 16,
17 13, 6 2, 13 17, 10 6"""
PERFT = [1, 7, 49, 302, 1469, 7361, 36768, 179740, 845931, 3963680, 18391564]  # OEIS A133046


@pytest.mark.parametrize("depth", range(8))
def test_perft_is_the_published_count(depth):
    assert perft(depth) == PERFT[depth]


@pytest.mark.parametrize("depth", [2.5, "3", -1, True])
def test_perft_refuses_what_is_no_number_of_moves(depth):
    with pytest.raises((TypeError, ValueError), match="depth: expected"):
        perft(depth)


@pytest.mark.soak
@pytest.mark.parametrize("depth", [8, 9, 10])
def test_perft_further_down(depth):
    assert perft(depth) == PERFT[depth]


def test_samuels_printed_game_replays():
    game = [m.strip() for m in G30.replace("\n", " ").split(",")]
    end = play_moves(game)[-1]
    assert len(game) == 62 and end == "B:WK1,K2,K6,14,16,27,29,31:BK17,19,22"


def positions(n, seed, plies=90):
    "Positions of random games, of all ages, both sides to move, as FEN"
    rng, boards, found = random.Random(seed), Boards.start(max(n // 12, 1)), []
    while len(found) < n:
        listed = moves(boards)
        if not len(listed.parent):
            boards = Boards.start(max(n // 12, 1))
            continue
        chosen = {}
        for i, parent in enumerate(listed.parent.tolist()):
            chosen.setdefault(parent, []).append(i)
        boards = listed.boards[[rng.choice(c) for c in chosen.values()]]
        if rng.random() < 0.3:
            found += boards.fens()
    return found[:n]


def crowded_with_kings(n, seed):
    "Positions thrown together, with many kings, where long captures branch"
    rng, found = random.Random(seed), []
    while len(found) < n:
        squares = rng.sample(range(1, 33), rng.randint(4, 16))
        side = {"W": [], "B": []}
        for s in squares:
            who = rng.choice("WB")
            crowned = rng.random() < 0.5 or (who == "W" and s <= 4) or (who == "B" and s >= 29)
            side[who].append(("K" if crowned else "") + str(s))
        if side["W"] and side["B"]:
            found.append(f"{rng.choice('BW')}:W{','.join(side['W'])}:B{','.join(side['B'])}")
    return found


def odd_positions(n, seed):
    "Positions that no game reaches: a side without pieces, 32 kings, no empty square"
    rng, found = random.Random(seed), []
    while len(found) < n:
        share, kings = rng.choice([0, 0.1, 0.5, 0.9, 1]), rng.choice([0, 0.5, 1])
        side = {"W": [], "B": []}
        for s in rng.sample(range(1, 33), rng.choice([0, 1, 2, 8, 28, 31, 32])):
            who = "W" if rng.random() < share else "B"
            crowned = rng.random() < kings or s in (range(1, 5) if who == "W" else range(29, 33))
            side[who].append(f"{'K' * crowned}{s}")
        found.append(f"{rng.choice('BW')}:W{','.join(side['W'])}:B{','.join(side['B'])}")
    return found


# ---- two engines that others wrote

def reached_by_draughts(fen):
    from draughts import Board
    reached = []
    for move in Board(variant="english", fen=fen).legal_moves():
        board = Board(variant="english", fen=fen)
        board.push(move)
        reached.append(Boards.from_fen(board.fen).fens()[0])
    return sorted(reached)


def check_against_draughts(fens):
    for fen in fens:
        found = moves(Boards.from_fen(fen))
        assert sorted(found.boards.fens()) == reached_by_draughts(fen), fen


def spiel_squares(state):
    "OpenSpiel's board as a FEN: its row 8 is on top, its o moves up and begins; ours is Black"
    rows = [line[1:] for line in str(state).splitlines()[:8]]
    side = {"o": [], "8": [], "+": [], "*": []}
    for y, row in enumerate(reversed(rows)):          # row 1 first: the side that begins
        for x, piece in enumerate(row):
            if piece in side:
                side[piece].append(4 * y + 4 - x // 2)
    black = [str(s) for s in side["o"]] + [f"K{s}" for s in side["8"]]
    white = [str(s) for s in side["+"]] + [f"K{s}" for s in side["*"]]
    return f"{'B' if state.current_player() == 0 else 'W'}:W{','.join(white)}:B{','.join(black)}"


def reached_by_spiel(state):
    "Positions after each complete move: to OpenSpiel a hop is an action, and the turn stays"
    me, reached = state.current_player(), []
    for action in state.legal_actions():
        after = state.child(action)
        if not after.is_terminal() and after.current_player() == me:
            reached += reached_by_spiel(after)
        else:
            reached.append(after)
    return reached


def check_against_spiel(n, seed):
    import pyspiel
    game, rng, checked = pyspiel.load_game("checkers"), random.Random(seed), 0
    while checked < n:
        state = game.new_initial_state()
        while not state.is_terminal() and checked < n:
            whole = reached_by_spiel(state)
            fen = spiel_squares(state)
            ended = [s for s in whole if s.is_terminal()]
            if not ended:   # a terminal state no longer says whose turn it would be
                theirs = sorted(Boards.from_fen(spiel_squares(s)).fens()[0] for s in whole)
                assert sorted(moves(Boards.from_fen(fen)).boards.fens()) == theirs, fen
            assert len(moves(Boards.from_fen(fen)).parent) == len(whole), fen
            checked += 1
            state = rng.choice(whole)


def test_moves_agree_with_pydraughts():
    check_against_draughts(positions(150, 0) + crowded_with_kings(100, 0))


def test_moves_agree_with_openspiel():
    check_against_spiel(300, 0)


def test_moves_of_odd_positions_agree_with_pydraughts():
    fens = odd_positions(150, 0)
    assert sum(":B" == fen[-2:] or ":W:" in fen for fen in fens) > 10, "too few empty sides"
    check_against_draughts(fens)


@pytest.mark.soak
def test_moves_agree_with_both_at_length():
    check_against_draughts(positions(6000, 1) + crowded_with_kings(4000, 1))
    check_against_draughts(odd_positions(4000, 1))
    check_against_spiel(10_000, 1)


# ---- laws

some_position = st.integers(0, 10_000).map(
    lambda seed: (positions, crowded_with_kings, odd_positions)[seed % 3](6, seed)[seed % 6])


@settings(max_examples=60)
@given(some_position)
def test_no_move_breaks_the_board(fen):
    before = Boards.from_fen(fen)
    after = moves(before).boards
    everything = after.words[0] | after.words[1] | after.words[2] | after.words[3]
    assert not (everything & ~BOARD).any() and not (after.active & after.passive).any()
    same = popcount(after.passive) == popcount(before.active)
    assert same.all(), "the mover lost or won a piece of its own"
    assert (popcount(after.active) <= popcount(before.passive)).all(), "the other side grew"
    pair = after.passive, after.active
    black, white = pair if before.black[0] else pair[::-1]
    men = ~(after.active_kings | after.passive_kings)
    crowned = (black & ROW_8 | white & ROW_1) & men
    assert not crowned.any(), "a man stands on its last row"


@settings(max_examples=40)
@given(some_position)
def test_a_mirrored_board_has_mirrored_moves(fen):
    b = Boards.from_fen(fen)
    assert sorted(moves(b.mirrored()).boards.mirrored().fens()) == sorted(moves(b).boards.fens())
    assert Boards.from_fen(b.fens()).fens() == b.fens()
    assert b.mirrored().mirrored().fens() == b.fens()


@settings(max_examples=40)
@given(some_position)
def test_text_and_tensors_make_the_same_moves(fen):
    found = moves(Boards.from_fen(fen))
    named = legal_moves(fen)
    assert sorted(apply_move(fen, m) for m in named) == sorted(found.boards.fens())
    assert all(("x" in m) == bool(found.jump.any()) for m in named)
    assert len(named) == len(found.parent)
    assert read_pdn(write_pdn(named)) == named


def test_a_batch_is_its_boards_one_by_one():
    fens = positions(60, 5) + crowded_with_kings(60, 5)
    together = moves(Boards.from_fen(fens))
    for i, fen in enumerate(fens):
        alone = moves(Boards.from_fen(fen)).boards
        assert together.boards[together.parent == i].fens() == alone.fens()
    best = search(Boards.from_fen(fens), 2, extend=True, at_most=50)
    alone = [search(Boards.from_fen(fen), 2, extend=True) for fen in fens]
    assert best.score.tolist() == [a.score.item() for a in alone]
    assert best.boards.fens() == [a.boards.fens()[0] for a in alone]
    assert best.nodes == sum(a.nodes for a in alone)


# ---- rules that programs get wrong, by hand

@pytest.mark.parametrize("fen, expected", [
    # who can take must take; no steps
    ("B:W15,16:B11,12", ["11x18", "11x20", "12x19"]),
    ("B:W27,26:B23", ["23x30", "23x32"]),                            # crowned: the move stops
    ("B:W26,25:B22,K1", ["22x29", "22x31"]),                         # either end
    # round trip, both ways; the start square is free
    ("B:W6,7,14,15:BK2", ["2x9x18x11x2", "2x11x18x9x2"]),
    # from and to do not tell them apart in general
    ("W:W18:B14,15,7,6", ["18x9x2", "18x11x2"]),
    ("B:W5,6,9,10:B1", []),                                          # no move: lost
    ("W:WK4:B8,11,12", []),                                          # 8 is covered by 11: lost
])
def test_rules_by_hand(fen, expected):
    assert legal_moves(fen) == expected


def test_moves_by_their_ends():
    fen = "B:W6,7,14,15:BK2"
    assert apply_move(fen, "2x9x18x11x2") == apply_move(fen, "2x2") == "W:W:BK2"
    two_ways = "W:W18:B14,15,7,6"
    assert apply_move(two_ways, "18x9x2") != apply_move(two_ways, "18x11x2")
    with pytest.raises(ValueError, match="may mean"):
        apply_move(two_ways, "18x2")
    with pytest.raises(ValueError, match="not legal"):
        apply_move(START, "11-14")


def test_boards_are_a_sequence():
    fens = [START, "W:W18:B14", "B:W21,22:B1,K2"]
    boards = Boards.from_fen(fens)
    assert [b.fens() for b in boards] == [[fen] for fen in fens]
    assert len(list(Boards.start(4)[:0])) == 0
    assert all(boards[i].fens() == fens[2:] for i in (-1, np.int64(2), torch.tensor(2)))
    mask = [False, True, True]
    for chosen in (mask, torch.tensor(mask), slice(1, 3), [1, 2], [1, -1], torch.tensor([1, 2]),
                   np.array([1, 2])):
        assert boards[chosen].fens() == fens[1:]
    assert len(boards[[]]) == 0
    for outside in (3, -4, [3], [True, False]):
        with pytest.raises(IndexError):
            boards[outside]


@pytest.mark.parametrize("fen", ["", "B", "B:W1:W2", "R:W21:B1", "B:W0:B1", "B:W33:B1",
                                 "B:W21:B21", "B:W4:B1", "B:W21:B32", "B:WX1:B2"])
def test_a_bad_fen_says_so(fen):
    with pytest.raises(ValueError, match="fen:"):
        Boards.from_fen(fen)


def test_pdn_of_other_programs():
    text = '[Event "x 1-0"]\n' + \
        '[Result "0-1"]\n1. 11-15 {good 9-13} 23-19 2. 8-11 22-17 ; end 1-2\n3. 15x24x31 1/2-1/2'
    assert read_pdn(text) == ["11-15", "23-19", "8-11", "22-17", "15x24x31"]


def test_pdn_with_variations_and_spaces():
    text = "1. 11-15 23-19 (1... 22-18 15x22 (1... 24-20 {:)} 8-11) 25x18) 2. 8-11 $1 *"
    assert read_pdn(text) == ["11-15", "23-19", "8-11"]
    spaced = "1. 11 - 15 22 x 18 2. 6 - 2 5 x 14 x 23\n1 - 0"
    assert read_pdn(spaced) == ["11-15", "22x18", "6-2", "5x14x23"]
    for result in ("0-0", "1/2 - 1/2", "0 - 1", "2-0"):
        assert read_pdn("1. 11-15 22-18 " + result) == ["11-15", "22-18"]
    for text in ("1. 11-15 (22-18 2. 8-11", "1. 11-15 22-18) 2. 8-11"):
        with pytest.raises(ValueError, match="text: expected each variation"):
            read_pdn(text)


# ---- search

def plain_minimax(fen, depth):
    "The textbook: one position, recursion, text"
    options = legal_moves(fen)
    if not options:
        return None
    best = None
    for move in options:
        after = apply_move(fen, move)
        score = count(after) if depth == 1 else plain_minimax(after, depth - 1)
        won = not legal_moves(after) if depth == 1 else score is None
        score = 1e9 if won else score if depth == 1 else -score
        best = score if best is None else max(best, score)
    return best


def count(fen):
    turn, white, black = fen.split(":")
    worth = {"W": 0, "B": 0}
    for part in (white, black):
        worth[part[0]] = sum(3 if s.startswith("K") else 2 for s in part[1:].split(",") if s)
    return worth["B"] - worth["W"] if turn == "W" else worth["W"] - worth["B"]


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_search_is_plain_minimax(depth):
    fens = positions(10, 11) + crowded_with_kings(10, 11)
    for fen, score in zip(fens, search(Boards.from_fen(fens), depth).score.tolist()):
        plain = plain_minimax(fen, depth)
        if plain is None or abs(plain) > 1e8 or abs(score) > 1e8:
            assert (plain is None and score < -1e8) or (plain or 0) * score > 0
        else:
            assert score == plain, fen


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_alpha_beta_has_equal_values_and_fewer_nodes(depth):
    total = [0, 0]
    for fen in positions(8, 3):
        whole, (score, nodes) = search(Boards.from_fen(fen),
                                       depth), alpha_beta(Boards.from_fen(fen), depth)
        assert score == whole.score.item() and nodes <= whole.nodes
        total[0] += whole.nodes; total[1] += nodes
    assert depth < 3 or total[1] < total[0]


def test_a_near_win_is_better_than_a_far_one():
    win = Boards.from_fen("B:W5:BK14,K15")       # several ways to win; the fastest is taken
    scores = [search(win, d).score.item() for d in (3, 5)]
    assert scores[1] >= scores[0]


def test_lost_means_no_move_whatever_is_judged():
    "A position in which a side cannot move, others with moves, judged as is allowed and as is not"
    boards = Boards.from_fen([START, "B:W5:B1", "B:W10,5,14,17:B1", "B:W9,6,10,14:B1,5"])
    stuck = [not legal_moves(fen) for fen in boards.fens()]
    assert any(stuck) and not all(stuck)
    for score in (-2.0**40, -2.0**39, 0.0, 2.0**40):
        def judge(leaves, score=score):
            return torch.full((len(leaves.boards),), score, dtype=torch.float64)

        for depth in (1, 2):
            assert search(boards, depth, judge).lost.tolist() == stuck
    for score in (-2.0**40 - 1, 2.0**40 + 1, float("inf"), float("nan")):
        def judge(leaves, score=score):
            return torch.full((len(leaves.boards),), score, dtype=torch.float64)

        with pytest.raises(ValueError, match="value: expected scores"):
            search(boards, 1, judge)
        with pytest.raises(ValueError, match="value: expected scores"):
            alpha_beta(boards[0], 1, judge)


# few moves, many plies
NARROW = ("B:WK1,5,6,9,13,14,17,18,21,22,23,26,30,K2,K4:"
          "BK32,K31,28,27,24,20,19,16,15,12,11,10,7,3,K29")


@pytest.mark.parametrize("depth", [20, 21, 24])
def test_search_goes_deeper_than_20_plies(depth):
    board = Boards.from_fen(NARROW)
    assert search(board, depth).score.item() == alpha_beta(board, depth)[0]


def test_alpha_beta_refuses():
    with pytest.raises(ValueError, match="depth: expected 1 or more, got 0"):
        alpha_beta(Boards.from_fen("B:W32:B28"), 0)
    with pytest.raises(ValueError, match="board: expected one position, got 2"):
        alpha_beta(Boards.start(2), 1)


# ---- random games

def test_random_games_repeat_and_add_up():
    whole = random_games(300, 120, seed=4)
    assert whole == random_games(300, 120, seed=4, batch=37) and whole.games == 300
    assert whole != random_games(300, 120, seed=5) and whole.plies <= 300 * 120
    assert random_games(1, 3) == Outcome(3, 0, 0, 1)
    assert random_games(10, 4).plies == 40


def test_random_players_are_even_and_use_every_move():
    outcome = random_games(4000, seed=1)
    assert abs(outcome.wins - outcome.losses) < 4 * (outcome.wins + outcome.losses) ** 0.5


@pytest.mark.parametrize("name", ["n_games", "max_plies", "batch"])
def test_random_games_refuse_nothing(name):
    with pytest.raises(ValueError, match=name):
        random_games(**{"n_games": 3, name: 0})


def test_seeds_of_random_games():
    assert random_games(5, seed=2**31 - 1).games == random_games(5, seed=-2**31).games == 5
    for seed in (2**31, 2**32, -2**31 - 1):
        with pytest.raises(ValueError, match="seed: expected"):
            random_games(5, seed=seed)


def test_material_counts():
    b = Boards.from_fen(["B:W21,K22:B1,2", "W:W:BK1,2"])
    root = torch.arange(2)
    from dljourney.kit.game import Leaves
    assert material(Leaves(b, b, root, root)).tolist() == [1.0, 5.0]


@pytest.mark.parametrize("fen", [
    # steps, men and kings
    START, "B:W21,22,31:B5,6,12,K15", "W:W10,K17,K30:B5,6,14,23,24",
    # one jump; several, both ways round
    "B:W15,16:B11,12", "B:W6,7,14,15,22:BK2,K9,1", "W:W18,K27:B14,15,7,6,24,23,9",
])
def test_each_complete_move_is_equally_likely(fen):
    n, start = 20_000, Boards.from_fen(fen)
    one_ply, table = _Round(), _Table(n, 10 ** 6, 3, None, n)
    for row, word in zip(table.rows(), start.words[:, 0].tolist()):
        row.fill_(word)
    one_ply(*table.sides, table.state, table.run, table.age)
    table.run.zero_()       # those that moved stop here; the others have a capture to make
    moved = table.age == 1
    still = ~moved
    if still.any():
        assert still.all()
        table.age.fill_(0)
        table.serve(one_ply)
        rows = torch.stack(table.rows())                  # served: the side to move is first
    else:
        rows = torch.stack(table.rows())[[2, 3, 0, 1]]
    legal = moves(start).boards.words.T.tolist()
    found = torch.stack([(rows == torch.tensor(move)[:, None]).all(0).sum() for move in legal])
    expected = {tuple(move): legal.count(move) * n / len(legal) for move in legal}
    counts = {move: found[legal.index(list(move))].item() for move in expected}
    assert sum(counts.values()) == n, "a move that is not legal"
    chi2 = sum((counts[move] - e) ** 2 / e for move, e in expected.items())
    assert chi2 < 20 + 3 * len(expected), f"{chi2:.1f} over {len(expected)} moves: {found.tolist()}"


@pytest.mark.parametrize("n, max_plies, seed",
                         [(1, 200, 0), (7, 200, 3), (400, 37, 2), (2000, 200, 1), (50, 1, 5)])
def test_the_round_written_for_the_compiler_plays_the_same_games(n, max_plies, seed):
    played = random_games(n, max_plies, seed, hop=_Fused(step=_fused_rounds))
    assert played == random_games(n, max_plies, seed) and played.games == n


@given(st.lists(st.integers(0, 2**62 - 1), max_size=40))
def test_both_ways_to_count_bits_agree_with_python(words):
    with pytest.MonkeyPatch.context() as patch:
        for _ in range(2):                       # with NumPy's instruction, then without it
            counts = popcount(torch.tensor(words, dtype=torch.int64))
            assert counts.dtype == torch.int64 and counts.tolist() == [w.bit_count() for w in words]
            patch.setattr("dljourney.kit.game.boards._bitwise_count", None)


def test_whole_numbers_of_numpy_are_whole_numbers():
    n = np.int32  # a seed is shifted by 32 bits
    assert perft(n(3)) == PERFT[3]
    for seed in np.arange(2, dtype=n):
        assert random_games(n(5), n(50), seed, batch=n(3)) == random_games(5, 50, int(seed))
    one, two = search(Boards.start(2), n(3)), search(Boards.start(2), 3)
    assert torch.equal(one.score, two.score)
    assert alpha_beta(Boards.start(), n(3)) == alpha_beta(Boards.start(), 3)


# ---- the wing


def test_no_name_of_the_wing_has_two_meanings():
    "Over all its rooms a function, class or constant is defined once, private ones too"
    found: dict[str, list[str]] = {}
    for path in sorted(Path(game.__file__).parent.glob("*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                names = [node.name]
            else:
                targets = (node.targets if isinstance(node, ast.Assign)
                           else [node.target] if isinstance(node, ast.AnnAssign) else [])
                names = [n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)]
            for name in names:
                if not name.startswith("__"):
                    found.setdefault(name, []).append(path.stem)
    assert not {name: rooms for name, rooms in found.items() if len(rooms) > 1}
