"CheckersMachine as a page: the rules, the eyes and the moves that it has in Python, by hand too."

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dljourney.demos import CheckersMachine
from dljourney.demos.checkers_machine import choose, machines, reasons
from dljourney.kit.game import (
    START, TERMS, Boards, Leaves, apply_move, legal_moves, piece_advantage, term_values,
)
from nets import few, soak
from pages import LIFE, shown, until

pytestmark = pytest.mark.browser
SCRIPTS = "checkers.js",
GAME = f"{LIFE}.game.model"


def game(seed, plies=90):
    "The positions of a game at random in which somebody can still move."
    dice, fens = random.Random(seed), [START]
    while len(fens) < plies and (legal := legal_moves(fens[-1])):
        fens.append(apply_move(fens[-1], dice.choice(legal)))
    return [fen for fen in fens if legal_moves(fen)]


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=2, unique=True))
@few
def test_moves_and_terms_are_those_of_python(bare, seeds):
    fens = [fen for seed in seeds for fen in game(seed)[seed % 5 :: 5]]
    run = """([fens, names]) => fens.map((fen) => {
      const before = lookAt(turned(positionOf(fen)));
      return legalMoves(positionOf(fen)).map(([move, after]) => {
        const change = changes(lookAt(after), before);
        return [move, fenOf(after), pieceAdvantage(after), names.map(change)];
      });
    })"""
    for fen, found in zip(fens, bare.evaluate(run, [fens, [*TERMS]])):
        moves, after, points, terms = zip(*found)
        assert [*moves] == legal_moves(fen)
        assert [*after] == [apply_move(fen, move) for move in moves]
        none = torch.zeros(len(after), dtype=torch.long)
        leaves = Leaves(Boards.from_fen(after), Boards.from_fen(fen), none, none)
        assert torch.tensor(terms).equal(term_values(leaves)), fen
        assert [*points] == pytest.approx(piece_advantage(leaves.boards).tolist())


def in_order(weights):
    return {term: weights[term] for term in TERMS if weights.get(term)}


def test_each_machine_moves_as_in_python(bare):
    n = 500 if soak else 20
    fens = [fen for seed in range(n) for fen in game(seed)]
    fens = random.Random(0).sample(fens, n)
    every = [in_order(weights) for weights in machines().values()]
    for i, fen in enumerate(fens):
        weights = every[i % len(every)]
        move, told = bare.evaluate("""([fen, weights]) => {
          const move = chosenMove(fen, weights, 3);
          return [move, reasonsOf(fen, move, weights)];
        }""", [fen, weights])
        assert move == choose(fen, weights, 3), fen
        want = reasons(fen, move, weights)
        assert [name for name, _ in told] == [*want]
        assert dict(told) == pytest.approx(want)


def test_it_looks_as_far_as_it_is_told(bare):
    for fen in game(3)[10:40:10]:
        for depth in (1, 2, 4):
            move = bare.evaluate("(asked) => chosenMove(...asked)", [fen, {"CENT": 2**18}, depth])
            assert move == choose(fen, {"CENT": 2.0**18}, depth)


# -- by hand ---------------------------------------------------------------------------------------


def history(page):
    return page.evaluate(f"() => {GAME}.get('history')")


def click(page, move):
    for square in move.split("-"): page.locator(f"[data-square='{square}']").click()


def test_a_game_by_mouse_and_keys(opened):
    page = opened(CheckersMachine(n_games=10))
    click(page, "11-15")
    until(page, f"{GAME}.get('history').length === 2")
    fen = apply_move(START, "11-15")
    assert history(page)[1] == choose(fen, machines()["hand-set"])
    said, frame = reasons(fen, history(page)[1], machines()["hand-set"]), shown(page)
    assert frame["score"] == {"it played": history(page)[1]}
    assert [name for _, name in frame["reasons"]["xticks"]] == [*said][:8]
    assert frame["reasons"]["marks"][0]["height"] == pytest.approx([*said.values()][:8])
    page.get_by_role("button", name="Undo").click()
    assert history(page) == [] and shown(page)["reasons"] == []
    page.get_by_label("On the board you meet").select_option("mine")
    page.locator("[data-square='9']").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown" if page.locator("[data-square='13']").bounding_box()["y"]
                        > page.locator("[data-square='9']").bounding_box()["y"] else "ArrowUp")
    page.keyboard.press("Enter")
    until(page, f"{GAME}.get('history').length === 2")
    first, reply = history(page)
    sliders = CheckersMachine(n_games=2).weights.weights
    assert reply == choose(apply_move(START, first), sliders)
    page.get_by_role("button", name="New game").click()
    assert history(page) == [] and page.locator(".dlj-status").inner_text() == "Black to move"


def played():
    "A game that the machine began."
    demo = CheckersMachine(n_games=10, depth=2, opponent="1959", fen="W" + START[1:])
    demo.board.play(demo.board.legal[0])
    return demo


def test_a_game_goes_on_where_it_stood(opened):
    with ThreadPoolExecutor() as away:  # from the browser's loop: there the machine takes its time
        demo = away.submit(played).result()
    page = opened(demo)
    assert history(page) == demo.board.history and len(history(page)) == 3
    assert page.evaluate(f"() => {GAME}.get('moves')") == demo.board.moves
    assert shown(page)["score"] == {"it played": demo.weights.move}
    page.get_by_role("button", name="Undo").click()
    assert history(page) == demo.board.history[:1]
    assert shown(page)["score"] == {"it played": history(page)[0]}, "reasons go with their move"


def test_who_cannot_move_has_lost(opened):
    page = opened(CheckersMachine(n_games=2, fen="B:W13:B1,9"))
    assert page.evaluate(f"() => {GAME}.get('moves')") == legal_moves("B:W13:B1,9")
    demo = CheckersMachine(n_games=2, fen="B:W13:B6")
    page = opened(demo)
    page.evaluate(f"() => {GAME}.send({{ move: '6-9' }})")
    until(page, f"{GAME}.get('history').length === 2")
    assert "can't move: White wins" in page.locator(".dlj-status").inner_text()
