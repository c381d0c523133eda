"The drawing pad and the checkers board, without a browser."

import threading

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dljourney.kit.game import START, Board, after_move, read_fen, write_fen
from dljourney.kit.live import DrawingPad, strokes_to_image
from dljourney.demos import TeachMe

coordinate = st.floats(0, 1)
strokes = st.lists(st.lists(st.tuples(coordinate, coordinate), min_size=1, max_size=6), max_size=4)


@example([[(0.0, 0.0), (0.0, 1.0), (3.7e-9, 0.0)]], 28)  # a hairpin
@given(strokes, st.sampled_from([8, 28, 32]))
def test_a_picture_is_ink_on_paper_and_centred(strokes, size):
    image = strokes_to_image(strokes, size)
    assert image.shape == (size, size) and image.dtype == np.float32
    assert 0 <= image.min() and image.max() <= 1
    if strokes:
        rows, columns = np.nonzero(image)
        assert (
            abs(rows.min() + rows.max() - (size - 1)) <= 2
            and abs(columns.min() + columns.max() - (size - 1)) <= 2
        )
        assert 0.05 * size < max(np.ptp(rows), np.ptp(columns)) + 1 <= 0.8 * size + 3
    else:
        assert not image.any()


@pytest.mark.parametrize("bad", [dict(fill=0), dict(fill=2), dict(pen=0), dict(size=0)])
def test_wrong_measures_are_refused_by_name(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        strokes_to_image([], **bad)


def test_pad_messages_undo_and_clear():
    pad = DrawingPad(label="A cross")
    heard = []
    pad.observe(lambda change: heard.append(len(change.new)), "strokes")
    pad.set_state({"strokes": [[[0.1, 0.1], [0.9, 0.9]], [[0.9, 0.1], [0.1, 0.9]]]})
    assert heard == [2] and [len(p) for p in pad.points] == [2, 2]
    assert pad.image(8)[4, 4] > 0.3 and pad.image(8)[4, 0] == 0
    first = pad.still()
    pad.undo()
    assert len(pad.strokes) == 1 and pad.still() != first
    pad.clear()
    assert not pad.image().any() and repr(pad) == "DrawingPad(0 strokes)"
    with pytest.raises(TypeError, match="no value 'colour'"):
        DrawingPad(colour="red")


PADS = [DrawingPad(), TeachMe(["a", "b"])]
_page = iter(range(1, 10**9))


@pytest.mark.parametrize("pad", PADS, ids=["pad", "desk"])
@given(st.permutations(range(1, 7)), st.sets(st.integers(1, 6)))
def test_whatever_order_a_page_s_messages_arrive_in_the_newest_counts(pad, arrival, followed):
    page = next(_page)
    for k, n in enumerate(arrival):
        sent = {"order": [page, n], "strokes": [[[n / 10, 0.5]]] if n % 3 else []}
        if n in followed and pad is PADS[1]:  # as it follows the pen
            pad._heard(pad, dict(event="follow", name="strokes", value=sent, id=n, seen=0), [])
        else:
            pad.set_state({"strokes": sent})
        newest = max(arrival[: k + 1])
        assert pad.strokes == ([[[newest / 10, 0.5]]] if newest % 3 else [])
    assert pad.get_state("strokes")["strokes"]["order"] == [page, 6]


def test_messages_that_two_threads_hear_leave_the_newest():
    pad, page = DrawingPad(), next(_page)

    def hear(numbers):
        for n in numbers:
            pad.set_state({"strokes": {"order": [page, n], "strokes": [[[n / 1000, 0.5]]]}})

    threads = [threading.Thread(target=hear, args=(range(start, 600, 3),)) for start in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert pad.strokes == [[[0.599, 0.5]]]


@given(
    st.dictionaries(st.integers(1, 32), st.sampled_from("bBwW"), max_size=24),
    st.sampled_from("BW"),
)
def test_positions_survive_being_written(pieces, turn):
    assert read_fen(write_fen(turn, pieces)) == (turn, pieces)


@pytest.mark.parametrize("bad", ["", "X:W1:B2", "B:W33:B1", "B:W1:B1", "B:W1,:B2", "B:W1"])
def test_a_wrong_position_is_refused(bad):
    with pytest.raises(ValueError, match="fen"):
        Board(fen=bad)


def test_a_position_may_come_as_other_programs_write_it():
    "The page gets the one way of writing that it reads."
    board = Board(fen='[FEN "B:B1, K2:W21,22."]')
    assert board.fen == "B:W21,22:B1,K2"
    board.fen = "W:BK2,1:W22,21."
    assert board.fen == "W:W21,22:B1,K2"


def steps(fen):
    "Rules enough for a test: step forward, no captures."
    turn, pieces = read_fen(fen)
    way = 4 if turn == "B" else -4
    mine = [s for s, p in pieces.items() if p.upper() == turn]
    return [f"{s}-{s + way}" for s in mine if 1 <= s + way <= 32 and s + way not in pieces]


def test_a_position_set_later_is_read_as_one_given_at_first():
    "The page knows no ranges of squares; a position that cannot be read leaves the board as it is."
    board = Board()
    board.fen = "B:W21-32:BK1-3"
    assert board.fen == write_fen(*read_fen("B:W21-32:BK1-3")) and "-" not in board.fen
    before = board.fen
    with pytest.raises(ValueError, match="X"):
        board.fen = "X:W21:B1"
    assert board.fen == before


def test_a_game_on_the_board():
    board = Board(steps)
    assert board.moves == ["9-13", "10-14", "11-15", "12-16"] and board.status == "Black to move"
    board._heard({"move": "11-15"})
    assert board.turn == "white" and board.history == ["11-15"] and board._last == "11-15"
    board._heard({"move": "1-32"})  # not legal: the page can't cheat
    assert board.history == ["11-15"]
    with pytest.raises(ValueError, match="expected one of 21-17"):
        board.play("1-32")
    board.undo()
    assert board.fen == START and board.history == []
    board.fen = "W:W21:B5"
    assert board.moves == ["21-17"]
    board.reset()
    assert board.fen == "W:W21:B5", "a new position is a new start"


def test_the_other_side_replies_and_undo_takes_both_back():
    board = Board(steps, you="black", reply=lambda fen, legal: legal[-1])
    assert board.flipped
    board.play("11-15")
    assert board.history == ["11-15", "24-20"] and board.turn == "black"
    board.undo()
    assert board.history == [] and board.fen == START
    white = Board(steps, you="white", reply=lambda fen, legal: legal[0])
    assert white.history == ["9-13"] and white.moves


def test_a_board_that_begins_with_the_other_side_asks_it_once():
    asked = []
    fen = "W:W21,22:B1,2"
    board = Board(steps, fen=fen, you="black", reply=lambda *seen: asked.append(seen) or "22-18")
    assert asked == [(fen, steps(fen))] and board.history == ["22-18"]
    board.fen = fen
    assert asked == [(fen, steps(fen))] * 2 and board.history == ["22-18"]


def test_an_error_in_a_reply_is_shown_and_raised():
    board = Board(steps, you="black", reply=lambda fen, legal: "1-1")
    with pytest.raises(ValueError):
        board.play("11-15")
    assert board.error.startswith("move: expected one of")


@pytest.mark.parametrize(
    "fen, move, after",
    [
        ("B:W18,26:B14", "14x23x30", "W:W:BK30"),
        ("W:WK22:B18,11", "22x15x8", "B:WK8:B"),
        ("B:W9:BK14", "14-10", "W:W9:BK10"),
    ],
)
def test_what_moves_lead_to(fen, move, after):
    assert after_move(fen, move) == after


def test_boards_and_pads_have_a_still_picture():
    def board(): return Board(steps, fen="W:WK22,3:BK18,11")
    for make in (board, lambda: DrawingPad([[(0.2, 0.2), (0.8, 0.8)]])):
        assert make().still() == make().still()
        assert "image/png" in make()._repr_mimebundle_()
