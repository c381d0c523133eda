"The demos of chapters 02 and 03 in a real browser: be the mechanism, blind search, machines."
import json
import re

import pytest
from test_browser import changed, drag, picture

pytestmark = pytest.mark.browser

CELLS = [
    "from dljourney.demos import BeTheMechanism, BlindSearch, CheckersMachine\n"
    "from dljourney.demos import SamuelsMachine\n"
    "from dljourney.demos.checkers_machine import choose, machines, reasons",
    # a slow machine is no reason to pause
    "mechanism = BeTheMechanism(); mechanism.patience = 60.0; mechanism",
    "machine = CheckersMachine(n_games=100, depth=2); machine",
    "three = BeTheMechanism(only=['upper_left', 'lower_left', 'head_start']); three",
    "blind = BlindSearch(); blind",
    "samuel = SamuelsMachine(); samuel.opinions.patience = 60.0; samuel",
]


@pytest.fixture(scope="module")
def page(front, repeat):
    page = front.open(*CELLS, width=1500)
    page.wait_for_selector("button[data-square='11'].dlj-movable", state="attached")
    yield page
    front.shut(page)


@pytest.fixture(autouse=True)
def clean(page):
    "No test leaves an error in the console, on the screen, or a request to elsewhere."
    yield
    assert page.problems == [] and page.outside == []
    assert page.locator(".dlj-error:visible").count() == 0


def shown(page, demo, name, text):
    "Until a figure of the demo reads like this."
    page.wait_for_function(
        """([node, name, text]) => [...node.querySelectorAll(".dlj-readout > div")].some(row =>
          row.firstChild.textContent === name && row.lastChild.textContent === text)""",
        arg=[demo.element_handle(), name, text],
    )


def square(demo, n):
    return demo.locator(f"button[data-square='{n}']")


def ready(page, demo, n):
    "Until the piece on this square may be moved."
    page.wait_for_function(
        "b => b.classList.contains('dlj-movable')", arg=square(demo, n).element_handle()
    )


# Chapter 02: nine weights that tell 3 from 8


def test_a_weight_turned_by_hand_changes_the_score(front, page):
    demo = front.cell(page, "cell1")
    before, curve = front.python(page, "print(mechanism.tries.scores)"), picture(demo)
    assert before == "[0.5]"
    drag(page, demo.get_by_label("Upper left"), 40)
    page.mouse.up()
    front.until(page, "mechanism.upper_left > 0")
    front.until(page, "len(mechanism.tries.scores) > 1 and mechanism.tries.scores[-1] != 0.5")
    changed(page, demo, curve)
    right = front.python(page, "print(mechanism._frame['panels']['figures']['right'])")
    shown(page, demo, "right", right)
    slider = demo.get_by_label("Lower right")
    slider.focus()
    n = int(front.python(page, "print(len(mechanism.tries.scores))"))
    page.keyboard.press("ArrowRight")  # one key, one try
    front.until(page, "(mechanism.lower_right, len(mechanism.tries.scores))", (0.5, n + 1))
    shown(page, demo, "tries", str(n + 1))
    front.shot(page, "be-the-mechanism-by-hand")


def test_the_mechanism_climbs_from_there_and_pauses(front, page):
    demo = front.cell(page, "cell1")
    front.python(
        page, "mechanism.zero(); mechanism.upper_left = 2.0; mechanism.steps_per_frame = 1"
    )
    start, curve = float(front.python(page, "print(mechanism.tries.scores[-1])")), picture(demo)
    demo.get_by_role("button", name="Play").click()
    front.until(
        page, f"len(mechanism.tries.scores) > 40 and mechanism.tries.scores[-1] > {start} + 0.1"
    )
    demo.get_by_role("button", name="Pause").click()
    front.until(page, "mechanism.playing", False)
    changed(page, demo, curve)
    scores = json.loads(front.python(page, "print(mechanism.tries.scores)"))
    assert scores[2:] == sorted(scores[2:])  # it never goes down
    shown(page, demo, "tries", str(len(scores)))
    assert demo.get_by_label("Upper left").input_value() != "2", "the sliders follow the mechanism"
    front.shot(page, "be-the-mechanism-played")
    demo.get_by_role("button", name="All to zero").click()
    front.until(page, "(mechanism.tries.scores, mechanism.upper_left)", ([0.5], 0.0))
    page.wait_for_function(
        "i => i.value === '0'", arg=demo.get_by_label("Upper left").element_handle()
    )


def test_three_weights_by_mouse_and_by_keys(front, page):
    demo = front.cell(page, "cell3")
    assert demo.locator("input[type=range]").count() == 3
    drag(page, demo.get_by_label("Lower left"), 40)
    page.mouse.up()
    front.until(page, "three.lower_left > 0 and three.tries.scores[-1] != 0.5")
    slider = demo.get_by_label("Head start")
    slider.focus()
    n = int(front.python(page, "print(len(three.tries.scores))"))
    page.keyboard.press("ArrowLeft")
    front.until(page, "(three.head_start, len(three.tries.scores))", (-0.5, n + 1))
    shown(page, demo, "tries", str(n + 1))
    demo.get_by_role("button", name="All to zero").click()
    front.until(page, "three.tries.scores", [0.5])


def test_more_weights_are_more_looks(front, page):
    demo = front.cell(page, "cell4")
    before = picture(demo)
    slider = demo.get_by_role("slider")
    slider.focus()
    for _ in range(3): page.keyboard.press("PageUp")
    front.until(page, "max(blind.found) == round(blind.n) > 64")
    n = front.python(page, "print(round(blind.n))")
    shown(page, demo, "looks", front.python(page, f"print(f'{{blind.found[{n}]:,}}')"))
    changed(page, demo, before)
    drag(page, slider, 20)
    page.mouse.up()
    front.until(page, f"blind.n > {n} and blind.found[round(blind.n)] > blind.found[{n}]")
    looks = front.python(page, "print(blind.found)")
    demo.get_by_role("button", name="Other dice").click()
    front.until(page, f"str(blind.found) != '{looks}'")
    front.shot(page, "blind-search")


# Chapter 03: play, let it learn, play again


def test_the_untrained_machine_is_played_by_mouse_and_by_keys_and_says_what_moved(front, page):
    demo = front.cell(page, "cell5")
    ready(page, demo, 11)
    square(demo, 11).click()
    page.wait_for_function(
        "b => b.classList.contains('dlj-target')", arg=square(demo, 15).element_handle()
    )
    square(demo, 15).click()
    front.until(page, "len(samuel.board.history)", 2)
    shown(page, demo, "it played", front.python(page, "print(samuel.board.history[-1])"))
    before = picture(demo)
    for n in (4, 6):  # the surprise comes with the second move
        move = front.python(page, "print(samuel.board.moves[0])")
        start, target = re.split("[-x]", move)[:2]
        ready(page, demo, start)
        square(demo, start).focus()
        page.keyboard.press("Enter")
        page.wait_for_function(
            "b => b.classList.contains('dlj-target')", arg=square(demo, target).element_handle()
        )
        square(demo, target).focus()
        page.keyboard.press("Enter")
        front.until(page, "len(samuel.board.history)", n)
    moved = "samuel.opinions.draw()['figures']['terms moved']"
    shown(page, demo, "terms moved", front.python(page, f"print({moved})"))
    changed(page, demo, before)
    front.shot(page, "samuels-machine-played")


def test_it_learns_pauses_and_a_new_game_keeps_what_it_learned(front, page):
    demo = front.cell(page, "cell5")
    demo.get_by_role("button", name="Learn").click()
    front.until(page, "samuel.opinions.machine.games >= 1")
    demo.get_by_role("button", name="Pause").click()
    front.until(page, "samuel.opinions.playing", False)
    known = front.python(page, "print(samuel.opinions.machine.opinions)")
    shown(page, demo, "own games",
          front.python(page, "print(samuel.opinions.machine.games)"))
    demo.get_by_role("button", name="New game").click()
    front.until(page, "samuel.board.history", [])
    shown(page, demo, "it played", "-")
    assert front.python(page, "print(samuel.opinions.machine.opinions)") == known
    front.shot(page, "samuels-machine-learned")


# Chapter 03: a player's weights, and the machines on the board


def test_another_weight_is_another_win_rate(front, page):
    demo = front.cell(page, "cell2")
    points = "f'{machine.weights.outcome.score:.1%}'"
    before = front.python(page, f"print({points})")
    shown(page, demo, "points", before)
    slider = demo.get_by_label("MOB: total mobility")
    drag(page, slider, -40)
    # 100 games are played on release, not on the way
    assert front.python(page, "print(machine.weights.MOB)") == "0.0"
    page.mouse.up()
    front.until(page, "machine.weights.MOB < 0")
    front.until(page, f"{points} != {before!r}")
    won, games = json.loads(
        front.python(page, "o = machine.weights.outcome; print([o.wins, o.games])")
    )
    assert games == 100
    shown(page, demo, "won", str(won))
    shown(page, demo, "points", front.python(page, f"print({points})"))
    worse = front.python(page, "print(machine.weights.outcome.score)")
    slider.focus()
    page.keyboard.press("End")
    front.until(page, "machine.weights.MOB", 50.0)
    front.until(page, f"str(machine.weights.outcome.score) != {worse!r}")
    front.shot(page, "checkers-weights")


def test_other_opponents_are_other_games(front, page):
    demo = front.cell(page, "cell2")
    front.python(page, "machine.weights.set(MOB=0.0, against='hand-set')")
    seen = set()
    for name in ("hand-set", "1959", "modern", "counts pieces"):
        demo.get_by_label("Games against").select_option(name)
        front.until(page, "machine.weights.against", name)
        now = front.python(page, "o = machine.weights.outcome; print((o.wins, o.draws, o.losses))")
        shown(page, demo, "won", now.strip("(").split(",")[0])
        seen.add(now)
    assert len(seen) == 4, seen


def answered(front, page, demo, n, opponent):
    "Until the machine has made move `n`, the one its weights choose; its reasons as shown."
    front.until(page, "len(machine.board.history)", n)
    move = front.python(page, "print(machine.board.history[-1])")
    shown(page, demo, "it played", move)
    page.wait_for_function(
        "([e, n]) => e.textContent.includes(n)",
        arg=[demo.locator(".dlj-moves").element_handle(), move],
    )
    machine = f"machine.weights.weights if {opponent!r} == 'mine' else machines()[{opponent!r}]"
    code = f"""
import json
before, weights = machine.board._positions[-2], {machine}
print(json.dumps([choose(before, weights, 2), list(reasons(before, {move!r}, weights).items())]))"""
    chosen, said = json.loads(front.python(page, code))
    assert move == chosen and said[0][0] == "pieces"
    frame = "n => [...n.querySelectorAll('.dlj')].find(d => d.dlj).dlj.frame().reasons"
    ticks, bars = demo.evaluate(
        f"n => {{ const r = ({frame})(n); return [r.xticks, Array.from(r.marks[0].height)]; }}"
    )
    assert [name for _, name in ticks] == [name for name, _ in said[:8]]
    assert bars == pytest.approx([value for _, value in said[:8]], abs=1e-4)
    return said


def test_played_by_mouse_the_machine_answers_and_says_why(front, page):
    demo = front.cell(page, "cell2")
    demo.get_by_label("On the board you meet").select_option("hand-set")
    front.until(page, "machine.weights.opponent", "hand-set")
    ready(page, demo, 9)
    square(demo, 9).click()
    page.wait_for_function(
        "b => b.classList.contains('dlj-target')", arg=square(demo, 14).element_handle()
    )
    square(demo, 14).click()
    assert len(answered(front, page, demo, 2, "hand-set")) > 1
    demo.scroll_into_view_if_needed()
    front.shot(page, "checkers-machine")
    demo.get_by_role("button", name="Undo").click()
    front.until(page, "machine.board.history", [])
    shown(page, demo, "it played", "-")


def test_a_new_game_has_no_move_and_no_reasons(front, page):
    demo = front.cell(page, "cell2")
    front.python(page, "machine.board.reset()")
    demo.get_by_label("On the board you meet").select_option("hand-set")
    front.until(page, "machine.weights.opponent", "hand-set")
    front.python(page, "machine.board.play('11-15')")
    answered(front, page, demo, 2, "hand-set")
    demo.get_by_role("button", name="New game").click()
    front.until(page, "machine.board.history", [])
    shown(page, demo, "it played", "-")
    frame = "n => [...n.querySelectorAll('.dlj')].find(d => d.dlj).dlj.frame().reasons"
    assert demo.evaluate(frame) == []


@pytest.mark.parametrize("opponent", ["1959", "mine"])
def test_played_by_keys_against_another_machine(front, page, opponent):
    demo = front.cell(page, "cell2")
    front.python(page, "machine.weights.set(MOB=20.0); machine.board.reset()")
    demo.get_by_label("On the board you meet").select_option(opponent)
    front.until(page, "machine.weights.opponent", opponent)
    ready(page, demo, 11)
    active = page.evaluate("window.panel.content.activeCellIndex")
    square(demo, 11).focus()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowUp")  # Black sits at the bottom: up is forwards
    assert page.evaluate("document.activeElement.dataset.square") == "15"
    page.wait_for_function(
        "b => b.classList.contains('dlj-target')", arg=square(demo, 15).element_handle()
    )
    page.keyboard.press("Space")
    answered(front, page, demo, 2, opponent)
    assert page.evaluate("window.panel.content.activeCellIndex") == active
    assert demo.locator(".dlj-status").text_content() == "Black to move"


def test_on_a_narrow_page_board_and_weights_stand_one_above_the_other(front, page):
    demo = front.cell(page, "cell2")
    page.set_viewport_size({"width": 640, "height": 900})
    try:
        page.wait_for_function(
            """n => { const parts = [...n.querySelectorAll(".dlj")];
                    const [board, rest] = parts.map(d => d.getBoundingClientRect());
                      return rest.top >= board.bottom - 1 && rest.right <= window.innerWidth; }""",
            arg=demo.element_handle(),
        )
        front.shot(page, "checkers-machine-narrow")
    finally:
        page.set_viewport_size({"width": 1500, "height": 900})
