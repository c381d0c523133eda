"Games and positions as text: PDN by its grammar, its ways of writing, and an independent reader."
import functools
import itertools
import random
import re

import hypothesis.strategies as st
import pytest
from draughts.PDN import PDNReader
from hypothesis import example, given, settings

from dljourney.kit.game import (
    START, Boards, PdnGame, apply_move, legal_moves, play_moves, read_fen, read_pdn,
    read_pdn_games, write_fen, write_pdn,
)

GAME = ["11-15", "23-19", "8-11", "22-17", "11-16", "24-20"]
RESULTS = ["1-0", "0-1", "1/2-1/2", "2-0", "0-2", "1-1", "0-0", "*"]


@functools.cache
def random_game(seed, fen=START, plies=40):
    "Legal moves, one after the other"
    rng, game = random.Random(seed), []
    while len(game) < plies and (legal := legal_moves(fen)):
        game.append(rng.choice(legal))
        fen = apply_move(fen, game[-1])
    return game


some_game = st.integers(0, 15).map(random_game)


# ---- headers

@pytest.mark.parametrize("event", [
    "Club night", "Masters [A] 2019-06", "Cup [A], round 11-16", "(1-0)", "{", "; %",
    'a "quoted" word', "C:\\games\\", "\\", '\\"', '"', "", " "])
def test_a_header_may_say_anything(event):
    assert read_pdn(write_pdn(GAME, Event=event)) == GAME
    assert next(read_pdn_games(write_pdn(GAME, Event=event))).headers["Event"] == event


names = st.from_regex(r"[A-Z][a-zA-Z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: name.lower() not in ("fen", "setup", "gametype", "result"))
texts = st.text() | st.text('"\\[]{}();%$*\n x1-0')


@settings(max_examples=100)
@given(some_game, st.dictionaries(names, texts, max_size=4), st.sampled_from(RESULTS))
@example([], {"A": "\n"}, "*")
def test_what_is_written_is_read(moves, headers, result):
    try:
        text = write_pdn(moves, result, **headers)
    except ValueError as problem:       # what no line of text can hold is refused by name
        assert str(problem).split(":")[0] in headers and "cannot be written" in str(problem)
        unwritable = "[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]"
        assert re.search(unwritable, "".join(headers.values()))
        return
    expected = {**headers, "GameType": "21", "Result": result}
    assert list(read_pdn_games(text)) == [PdnGame(moves, result, expected)]
    assert read_pdn(text) == moves and write_pdn(moves, result, **expected) == text
    assert max(map(len, text.split("\n\n")[-1].splitlines())) < 80


@pytest.mark.parametrize("headers, message", [
    ({"event": "x"}, "event: expected a name"), ({"A]b": "x"}, "expected a name"),
    ({"Ä": "x"}, "expected a name"), ({"SetUp": "1", "Setup": "1"}, "Setup: .* only once"),
    ({"Event": 3}, "Event: expected text"), ({"Event": None}, "Event: expected text"),
    ({"Event": "a\rb"}, "Event: .* cannot be written"), ({"Event": "\x00"}, "cannot be written"),
    ({"GameType": "20"}, "GameType: expected"), ({"Result": "1-0"}, "Result: expected"),
    ({"FEN": "B:W33:B1"}, "fen: '33' is no square"), ({"SetUp": "1"}, "SetUp: .*FEN"),
    ({"SetUp": "0", "FEN": "B:W31:B1"}, "SetUp: "), ({"SetUp": "yes"}, "SetUp: expected"),
])
def test_headers_that_cannot_be(headers, message):
    with pytest.raises((ValueError, TypeError), match=message):
        write_pdn(GAME, **headers)


@pytest.mark.parametrize("moves", [
    "11-15", ["11 15"], ["11"], ["11-15-18"], ["11-33"], ["0-5"], ["x"], [""], ["11-15!"],
    ["11-15 22-18"], ["11-15", 5], ["1-0 [x]"], ["1-0"], [" 11-15"]])
def test_moves_that_cannot_be_written(moves):
    with pytest.raises((ValueError, TypeError), match="moves: expected"):
        write_pdn(moves)


def test_results_that_cannot_be_written():
    for result in ("won", "1:0", "", None):
        with pytest.raises(ValueError, match="result: expected one of"):
            write_pdn(GAME, result)


def test_a_header_that_stands_twice_is_a_header_of_two_lines():
    text = '[Event "Dyke"] [Event "an 8x8 game"] 1. 11-15 *'
    assert next(read_pdn_games(text)).headers == {"Event": "Dyke\nan 8x8 game"}


# ---- where a game starts

SOME = "W:WK3,21,22:B1,10,K30"


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("fen", [START, SOME, "B" + SOME[1:], "W:W18,25:B11,15"])
def test_a_game_may_start_elsewhere(fen, seed):
    moves = random_game(seed, fen, 9)
    text = write_pdn(moves, FEN=fen)
    game, = read_pdn_games(text)
    assert game.moves == moves and game.fen == fen
    assert play_moves(game.moves, game.fen) == play_moves(moves, fen)
    assert ("1... " in text) == (fen[0] == "W")
    assert write_pdn(game.moves, game.result, **game.headers) == text


@pytest.mark.parametrize("text", [
    '[SetUp "1"] [FEN "W:B1,10,K30:W21-22,K3."]', '[Setup "1"][FEN "W:W21,22,K3:B1,10,K30"]',
    '[FEN "W:W21,22,K3:B1,10,K30"]', '/FEN "W:W21,22,K3:B1,10,K30"/',
    '[White "x"] {a} /FEN "W:W21-22,K3:B1,10,K30"/'])
def test_ways_to_say_where_a_game_starts(text):
    game, = read_pdn_games(text + " 1... 3-7 1-5 *")
    assert game.fen == SOME and game.moves == ["3-7", "1-5"]
    assert next(read_pdn_games("1. 11-15 *")).fen == START


# ---- every way of writing that the grammar knows, put together at random, with what it means

spaces = st.sampled_from([" ", "\n", "  ", "\t", "\r\n", " ; all 1-0 (of {this\n", "\n% 11-15 [\n",
                          " {a ) 9-13\n} "])
glyphs = st.sampled_from(["", "", "", "!", "?", "!?", "(?)", "(!!)"])


@st.composite
def written_move(draw, move):
    squares = move.replace("x", "-").split("-")
    between = "-" if "-" in move else draw(st.sampled_from("x:"))
    blank = draw(st.sampled_from(["", "", "", " ", "\n"]))
    squares = [s.zfill(2) if draw(st.booleans()) else s for s in squares]
    return f"{blank}{between}{blank}".join(squares) + draw(glyphs)


@st.composite
def body(draw, moves, depth=2):
    "Movetext in which the main line is `moves`"
    parts = []
    for i, move in enumerate(moves):
        number = draw(st.sampled_from(["", "{}.", "{}...", "{}. ..."])).format(i // 2 + 1)
        parts += [number, draw(spaces), draw(written_move(move)), draw(spaces)]
        extra = draw(st.sampled_from(["", "", "", "$7", "{; [x \"}", "( )", "variation"]))
        if extra == "variation" and depth:
            aside = draw(st.lists(st.sampled_from(GAME), max_size=3))
            extra = "(" + draw(body(aside, depth - 1)) + ")"
        parts += ["" if extra == "variation" else extra, draw(spaces)]
    return "".join(parts)


@st.composite
def databases(draw):
    "Several games as one text, and the games"
    games, text = [], draw(st.sampled_from(["", "\ufeff", "\n% a database\n"]))
    some_moves = st.lists(st.sampled_from([*GAME, "22x15", "9x18x27", "1-5"]), max_size=5)
    for moves in draw(st.lists(some_moves, min_size=1, max_size=3)):
        result, header = draw(st.sampled_from(RESULTS)), draw(texts)
        escaped = header.replace("\\", "\\\\").replace('"', '\\"')
        wide = result.replace("-", " - ") if draw(st.booleans()) else result
        text += f'[Event "{escaped}"]{draw(spaces)}{draw(body(moves))}'
        text += f"{draw(spaces)}{wide}{draw(spaces)}"
        games.append(PdnGame(moves, result, {"Event": header}))
    return text, games


@settings(max_examples=150)
@given(databases())
def test_all_ways_of_writing_at_random(database):
    text, games = database
    assert list(read_pdn_games(text)) == games
    if len(games) == 1:
        assert read_pdn(text) == games[0].moves
    else:
        with pytest.raises(ValueError, match="text: expected one game, got .*read_pdn_games"):
            read_pdn(text)


@pytest.mark.parametrize("text, moves", [
    ("1. 11-15 22-18 2. 15x22 25x18", ["11-15", "22-18", "15x22", "25x18"]),
    ("1. 11-15 22-18 2. 15:22 25:18", ["11-15", "22-18", "15x22", "25x18"]),
    ("1.11-15 22-18 2.15 : 22 25 x 18", ["11-15", "22-18", "15x22", "25x18"]),
    ("1. 09-14 2. 1x10x19 ", ["9-14", "1x10x19"]),
    ("11-15", ["11-15"]), ('[Event "x"]', []), ("1. 2-0", []),
    ("1. ... 22-18 2. 9-14", ["22-18", "9-14"]), ('[Event "[1. 9-13"] 1. 11-15', ["11-15"]),
    ('[ Event\t"x" ]11-15!(22-18)1-0', ["11-15"]), ("1. 11-15 0-0", ["11-15"]),
    ("1. 12-16 1-1", ["12-16"]), ("1-10 1-0", ["1-10"]),
    ("11-15 (9-13 /FEN \"B::\"/ 1-0 *)", ["11-15"]),
])
def test_moves_by_hand(text, moves):
    assert read_pdn(text) == moves


def test_games_without_a_result_between_them_are_parted_by_headers():
    text = '[Event "a"] [Round "1"] 1. 11-15 [Event "b"] 1. 9-13 23-19\n*\n[Event "c"] *'
    assert [(game.headers["Event"], game.moves) for game in read_pdn_games(text)] == [
        ("a", ["11-15"]), ("b", ["9-13", "23-19"]), ("c", [])]
    assert list(read_pdn_games("")) == list(read_pdn_games("{nothing} ; at all")) == []


def test_the_result_is_the_last_word_or_else_the_header():
    for text, result in (
            ('[Result "1-0"] 11-15 *', "1-0"), ('[Result "1-0"] 11-15', "1-0"), ("11-15", "*"),
            ('[Result "*"] 11-15 0-1', "0-1"), ('[Result "1+ - 1-"] 11-15 *', "1+ - 1-")):
        assert next(read_pdn_games(text)).result == result


# ---- what is not understood is an error that says where

@pytest.mark.parametrize("text, place, message", [
    ("", None, "expected one game, got none"), ("{a}", None, "expected one game, got none"),
    ("*", (1, 1), "expected a game before its result"),
    ("11-15 * 1-0", (1, 9), "expected a game before its result"),
    ("1. 11-15 22-18 ok", (1, 16), "got 'ok'"), ("1. 11-15\n 2218", (2, 2), "got '2218'"),
    ("1. e3-d4", (1, 4), "got 'e3-d4'"), ("11-15-18", (1, 1), "got '11-15-18'"),
    ("1. 11-15 2. - -", (1, 13), "got '-'"), ("11-15 x", (1, 7), "expected a move"),
    ("22x15x", (1, 1), "got '22x15x'"), ("0-5", (1, 1), "got '0-5'"),
    ("1. 11-15\r\n2. 9-33", (2, 4), "1 to 32, got '9-33'"), ("1. 31-36", (1, 4), "1 to 32"),
    ("11-15 (9-33)", (1, 8), "1 to 32"), ("11-15 !", (1, 7), "got '!'"),
    ("1. 11-15 1/2", (1, 10), "got '1/2'"), ("11-15 3-2-1", (1, 7), "got '3-2-1'"),
    ("1. 11-15 (22-18", (1, 10), "expected each variation between ( and )"),
    ('11-15 (22-18\n[Event "x"]', (1, 7), "expected each variation"),
    ("11-15)", (1, 6), "expected each variation"),
    ("11-15 {22-18", (1, 7), "expected a comment to end with }"), ("11-15 }", (1, 7), "got '}'"),
    ("\n[Event x] 11-15", (2, 1), "expected a header such as"),
    ('[Event "x\n11-15', (1, 1), "expected a header such as"),
    ('[Event "x"\n11-15', (1, 1), "expected a header such as"),
    ('[Event "a "b""]', (1, 1), "expected a header such as"),
    ('[White "x"]\n [FEN "B:W1"]', (2, 2), "fen: "), ('/FEN "B::"/ 11-15', (1, 1), "fen: "),
    ('11-15\n/FEN "B:W21:B1"/', (2, 1), "in the middle of a game"),
    ('[FEN "B:W21:B1"] /FEN "B:W21:B1"/', (1, 18), "in the middle of a game"),
    ("/x/", (1, 1), "expected a position such as"), ('[SetUp "1"] 11-15', (1, 1), "SetUp: "),
    ('11-15 * [GameType "20"]', (1, 9), "GameType: expected 21"),
    ('[GameType "21,B,8,8,N1,0"] [GameType "25"]', (1, 28), "GameType: expected 21"),
    ("11-15 $", (1, 7), "got '$'"),
])
def test_errors_say_where(text, place, message):
    with pytest.raises(ValueError, match="text: ") as error:
        read_pdn(text)
    assert message in str(error.value)
    assert place is None or "at line {}, column {}".format(*place) in str(error.value)


@settings(max_examples=100)
@given(some_game.filter(len), st.data())
def test_a_word_that_means_nothing_is_never_dropped(moves, data):
    text = write_pdn(moves, "1-0", Event="Club night")
    head, movetext = text.split("\n\n")
    words = re.split("([ \n])", movetext.rstrip("\n"))
    at = 2 * data.draw(st.integers(0, len(words) // 2 - 1))
    word = data.draw(st.sampled_from(["ok", "=", "e3", "11-", "-15", "1115", "11--15", "34-38", "]",
                                      "#", "½", "١١-15", "9-13."]))
    before = f"{head}\n\n" + "".join(words[:at])
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    with pytest.raises(ValueError, match=f"at line {line}, column {column}"):
        read_pdn(before + word + " " + "".join(words[at:]))


@settings(max_examples=500)
@given(st.text() | st.text('[]"\\{}();%$*/ x:-.!?129\nEvent'))
def test_any_text_is_games_or_an_error_of_ours(text):
    try:
        games = list(read_pdn_games(text))
    except ValueError as error:
        assert re.match("text: .* at line [0-9]+, column [0-9]+", str(error), re.S)
    else:
        moves = [move for game in games for move in game.moves]
        assert all(re.fullmatch("[0-9]+(-[0-9]+|(x[0-9]+)+)", move) for move in moves)


@pytest.mark.parametrize("text", [None, 5, b"11-15", ["11-15"]])
def test_what_is_no_text(text):
    with pytest.raises(TypeError, match="text: expected"):
        read_pdn(text)
    with pytest.raises(TypeError, match="fen: expected"):
        read_fen(text)


def test_a_long_text_is_read_in_one_go():
    "Time grows with the length, not with its square"
    many = 300_000
    for text in ("(" * many, " " * many, '[A "' + "\\" * many, '[A "' + "a" * many,
                 "1" * many, "{" * many, "1 " * many, "1-" * many, "%" * many):
        with pytest.raises(ValueError, match="text: "):
            read_pdn(text)
    variations = "(" + "(9-13) " * 50_000 + ")" + " " * many
    assert read_pdn(f"1. 11-15 {variations} 22-18") == ["11-15", "22-18"]


# ---- another program's reader and ours

@settings(max_examples=40)
@given(some_game.filter(len), st.sampled_from(RESULTS), st.text("abc [](){};1-0").map(str.strip))
def test_pydraughts_reads_what_we_write(moves, result, event):
    "It takes a game that does not say who begins for one of White's: the order is the same"
    game, = PDNReader(write_pdn(moves, result, Event=event)).games
    assert game.moves == moves and game.game_ending == result
    assert game.tags["Event"] == event and game.variant == "english"


@pytest.mark.parametrize("seed", range(5))
def test_we_read_what_pydraughts_writes(seed, tmp_path):
    from draughts.PDN import PDNWriter
    moves = random_game(seed)
    PDNWriter(str(tmp_path / "g.pdn"), moves=moves, variant="english", starting_fen=START,
              game_ending="0-1", tags={"White": "b"})
    game, = read_pdn_games((tmp_path / "g.pdn").read_text("utf-8"))
    assert game.moves == moves and game.result == "0-1" and game.fen == START
    assert game.headers == {"White": "b", "GameType": "21,B,8,8,N1,0", "FEN": START}


# ---- positions

@pytest.mark.parametrize("fen, means", [
    ("B:W21-32:B1-12", START), ("W:B1-12:W21-32", "W" + START[1:]), (START + ":H0:F1", START),
    (START + ":F1:H0", START), ("B:W21-23:BK1-3", "B:W21,22,23:BK1,K2,K3"), (START + ".", START),
    (START + " . ", START), (f'[FEN "{START}"]', START), (f'[ FEN  "{START}." ]\n', START),
    ("B:W21-21,K5 - 6,30:B01,K02", "B:WK5,K6,21,30:B1,K2"), ("B:W\n21,\n22:\tB1", "B:W21,22:B1"),
    (" B : W 21 , K 22 : B 1,K2 ", "B:W21,K22:B1,K2"), ("B:W:B", "B:W:B"), ("W:BK32:W", "W:W:BK32"),
    ("W:WK1-32:B:H12:F34.", "W:W" + ",".join(f"K{s}" for s in range(1, 33)) + ":B"),
])
def test_ways_to_write_a_position(fen, means):
    assert write_fen(*read_fen(fen)) == means
    assert Boards.from_fen(fen).fens() == [means]


SHAPE = "expected something like"


@pytest.mark.parametrize("fen, names", [
    ("B:W2 1:B3", "'2 1'"), ("B:W32-21:B1", "'32-21'"), ("B:W21-33:B1", "'21-33'"),
    ("B:W21-K22:B1", "'21-K22'"), ("B:W0-3:B9", "'0-3'"), ("B:W21,,22:B1", "''"),
    ("B:W21,:B1", "''"),
    ("B:W21-24,22:B1", "square 22 .* twice"), ("B:W21:B20-22", "square 21 .* twice"),
    ("B:W21:B1..", "'1.'"), ("B:W٢١:B1", "'٢١'"), ("B:W1-999999999999:B1", "no square"),
    ("B:W" + "9" * 5000 + ":B1", "no square"), ("B:W21:B29-31", "cannot stand on 29"),
    *((fen, SHAPE) for fen in (
        "B:W21", "B:W21:B1:W2", "B:W21:B1:H0:H1", "B:W21:B1:X3", "B:W21:B1:H", "B.W21:B1",
        "?:W21:B1", "b:w21:b1", '[FEN "B:W21:B1"', "B::")),
])
def test_positions_that_are_not_understood(fen, names):
    with pytest.raises(ValueError, match="fen: ") as error:
        Boards.from_fen(fen)
    assert re.search(names, str(error.value), re.S) and len(str(error.value)) < 300


pieces = st.dictionaries(st.integers(1, 32), st.sampled_from("bBwW"))


@st.composite
def written_fen(draw, turn, pieces):
    "One of the ways to write a position"
    parts = []
    for side in draw(st.permutations("WB")):
        own, items = [s for s in pieces if pieces[s].upper() == side], []
        for king in (False, True):
            chosen = sorted(s for s in own if pieces[s].isupper() == king)
            for _, run in itertools.groupby(enumerate(chosen), lambda pair: pair[1] - pair[0]):
                run = [s for _, s in run]
                together = draw(st.booleans())
                squares = [f"{run[0]}-{run[-1]}"] if together else [f"{s:02}" for s in run]
                items += ["K" * king + s for s in squares]
        comma = draw(st.sampled_from([",", ", ", " , "]))
        parts.append(side + comma.join(draw(st.permutations(items))))
    text = ":".join([turn, *parts]) + draw(st.sampled_from(["", ".", ":H0:F1", ":F12:H3."]))
    return draw(st.sampled_from(["{}", '[FEN "{}"]', " {}\n"])).format(text)


@given(st.sampled_from("BW"), pieces, st.data())
def test_a_position_is_read_however_it_is_written(turn, pieces, data):
    assert read_fen(write_fen(turn, pieces)) == (turn, pieces)
    assert read_fen(data.draw(written_fen(turn, pieces))) == (turn, pieces)


@pytest.mark.parametrize("turn, pieces", [
    ("X", {}), ("b", {}), ("B", {33: "b"}), ("B", {0: "w"}), ("B", {5: "q"}), ("B", {5: "wb"}),
    ("B", {"5": "w"})])
def test_positions_that_cannot_be_written(turn, pieces):
    with pytest.raises(ValueError, match="expected"):
        write_fen(turn, pieces)


@settings(max_examples=300)
@given(st.text('BWK:,.-0123456789 "[]FENH'))
def test_any_text_is_a_position_or_an_error_of_ours(text):
    try:
        turn, pieces = read_fen(text)
    except ValueError as error:
        assert str(error).startswith("fen: ")
    else:
        assert read_fen(write_fen(turn, pieces)) == (turn, pieces)


# ---- one move, in every notation

@settings(max_examples=15)
@given(st.integers(0, 15), st.integers(0, 40), st.data())
def test_a_move_may_be_written_in_many_ways(seed, plies, data):
    fen = play_moves(random_game(seed)[:plies])[-1]
    for move in legal_moves(fen):
        squares = move.replace("x", "-").split("-")
        for between in ("-", "x", ":", " ", " x ", " - "):
            blank = data.draw(st.sampled_from(["", " ", "\n"]))
            assert apply_move(fen, blank + between.join(squares) + blank) == apply_move(fen, move)
        assert apply_move(fen, "x".join(s.zfill(2) for s in squares)) == apply_move(fen, move)


@pytest.mark.parametrize("move", ["11--15", "11x-15", "-11-15", "11-15-", "11-15!", "11", "",
                                  "11-15 ok", "1115", "١١-١٥", "11.15", None, 5])
def test_a_move_that_is_none(move):
    with pytest.raises((ValueError, TypeError), match="move: "):
        apply_move(START, move)
