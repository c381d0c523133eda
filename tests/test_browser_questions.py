"""Predictions and quizzes in JupyterLab, by mouse and by keyboard: what is asked, said and kept.

SHOTS=folder keeps pictures, THEME=dark takes the dark theme, WIDTH=320 a narrow page.
"""

import os

import pytest

from test_browser import middle
from test_browser_access import changed_by_another_demo, wrong

pytestmark = pytest.mark.browser

THEME, WIDTH = os.environ.get("THEME", "light"), int(os.environ.get("WIDTH", 1280))
CELLS = [
    '''import os
os.makedirs(".dljourney", exist_ok=True)
open(".dljourney/course.json", "w").write("{}")
from dljourney.kit.exercises import (
    Ruler, amount, choice, guesses, number, order, read, short, sketched, verbs)
from dljourney.kit.figures import subplots
signs = {"a": "whole signs", "b": "strokes", "c": "parts"}
rates = {"a": ("`0.02`", "That one *creeps*."), "b": ("0.3", "That one arrives."),
         "c": ("1.05", "Each step lands further out.")}
guess = guesses("small", [
    amount("share", "How many of 100 will it read?", 0, 100, unit="%", why="It knew strokes.",
             too_low="Ten examples suffice."),
    choice("rates", "Which rate flees?", "c", rates),
    order("layers", "From the first to the last?", "bca", signs, "Parts are made of strokes.", {}),
    sketched("fall", "How does the loss fall?", Ruler(0, 300, "step"), Ruler(0, 2.5, "loss"),
             why="Fast at first."),
])
check, hint, solution, quiz = verbs("small", [], [
    choice("flees", "Which rate flees?", "c", rates),
    order("first", "From the first to the last?", "bca", signs, "Parts are made of strokes.", {}),
    number("fifth", "One in five: what share?", 0.2, "One of five.", {0.5: "One of *two*."}),
    short("word", "What are they called?", ["weights"], "Or parameters.", {"features": "No: ..."}),
])
def figure(alt):
    fig, ax = subplots(figsize=(3, 1.5), alt=alt)
    ax.plot([0, 1], [1, 0])
    return fig''',
    "guess.share",
    'guess.share.reveal(figure("how many it read"), truth=87)',
    "guess.rates",
    'guess.rates.reveal(figure("three rates"))',
    "guess.layers",
    "guess.layers.reveal()",
    "guess.fall",
    "guess.fall.reveal(truth=[2.5 * 0.8**i for i in range(30)])",
    "quiz.flees",
    "quiz.first",
    "quiz.fifth",
    "quiz.word",
]


@pytest.fixture(scope="module")
def page(front):
    page = front.open(*CELLS, theme=THEME, width=WIDTH)
    page.wait_for_function("document.querySelectorAll('.dlj-card').length === 8")
    yield page
    assert page.problems == [] and page.outside == []
    front.shut(page)


def card(front, page, n):
    found = front.cell(page, f"cell{n}").locator(".dlj-card")
    found.scroll_into_view_if_needed()
    return found


def output(front, page, n):
    return front.cell(page, f"cell{n}").locator(".jp-OutputArea")


def waits(front, page, n):
    return output(front, page, n).get_by_text("Commit your guess above").wait_for()


def test_a_number_by_keys_fills_in_the_answer_below_it(front, page):
    share = card(front, page, 1)
    waits(front, page, 2)
    assert output(front, page, 2).locator("img").count() == 0
    commit = share.get_by_role("button", name="Commit")
    assert commit.is_disabled()
    slider = share.get_by_role("slider", name="How many of 100 will it read?")
    slider.focus()
    for key in ("Home", *["ArrowRight"] * 12): page.keyboard.press(key)
    assert slider.get_attribute("aria-valuetext") == "12\xa0%"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    share.get_by_text("you: 12").wait_for()
    assert "measured: 87" in share.inner_text() and "Ten examples suffice." in share.inner_text()
    output(front, page, 2).locator("img").wait_for()
    told = output(front, page, 2).inner_text()
    assert "You said 12" in told and "Commit your guess" not in told
    front.until(page, "read().guesses['small']['share'].guess", 12.0)
    front.shot(page, "prediction-number")


def test_a_choice_by_mouse(front, page):
    rates = card(front, page, 3)
    waits(front, page, 4)
    rates.get_by_role("button", name="0.02").click()
    assert output(front, page, 4).locator("img").count() == 0  # not committed yet
    rates.get_by_role("button", name="Commit").click()
    output(front, page, 4).locator("img").wait_for()
    assert "That one creeps. It is c." in rates.inner_text()
    signs = rates.locator(".dlj-option").evaluate_all("all => all.map(b => b.dataset.sign || '')")
    assert signs == ["✗", "", "✓"]


def test_an_order_by_keys_and_the_last_word_is_kept(front, page):
    layers = card(front, page, 5)
    layers.locator(".dlj-option").first.focus()  # whole signs
    for _ in range(2): page.keyboard.press("ArrowDown")
    assert "now 3 of 3" in layers.locator(".dlj-spoken").inner_text()
    rows = layers.locator("li").evaluate_all("all => all.map(li => li.dataset.key).join('')")
    assert rows == "bca"
    layers.get_by_role("button", name="Commit").press("Enter")
    output(front, page, 6).get_by_text("strokes → parts → whole signs.").wait_for()
    front.until(page, "tuple(read().guesses['small']['layers'])", ("bca", 1.0, 0.5))


def drag(page, start, *way):
    page.mouse.move(*start)
    page.mouse.down()
    for place in way: page.mouse.move(*place, steps=5)
    page.mouse.up()


def test_a_curve_by_the_pen(front, page):
    fall = card(front, page, 7)
    waits(front, page, 8)
    box = fall.locator("canvas").bounding_box()

    def at(x, y):
        return (box["x"] + 52 + x * (box["width"] - 64),
                box["y"] + 10 + (1 - y) * (box["height"] - 48))

    drag(page, at(0, 1), at(0.5, 0.5), at(1, 0))
    front.shot(page, "prediction-sketch")
    fall.get_by_role("button", name="Commit").click()
    output(front, page, 8).get_by_text("your curve is off by").wait_for()
    line = front.python(page, "print(*(round(h, 1) for h in guess.fall.first.guess[::8]))")
    assert [*map(float, line.split())] == [1, 0.8, 0.5, 0.2, 0]
    front.shot(page, "prediction-sketch-after")


def test_a_curve_by_keys_and_a_fresh_start(front, page):
    front.python(page, "guess.fall._first = None; guess.fall._card._state = {}")
    page.wait_for_function("document.querySelector('.dlj-sketch .dlj-legend').hidden")
    fall = card(front, page, 7)
    fall.get_by_role("button", name="Start again").click()
    def drawn(): return fall.locator("canvas").get_attribute("aria-label")

    assert ": 0 of 33" in drawn().replace(". ", ": ")
    assert fall.get_by_role("button", name="Commit").is_disabled()
    fall.locator("canvas").focus()
    for key in ("ArrowUp", "ArrowRight", "ArrowRight", "ArrowDown"): page.keyboard.press(key)
    assert ": 3 of 33" in drawn().replace(". ", ": ")
    assert "column 3: height 50 of 100" in fall.locator(".dlj-spoken").inner_text()
    assert fall.get_by_role("button", name="Commit").is_enabled()


def test_cells_that_run_again_keep_the_first_guess(front, page):
    front.run_all(page)
    share = card(front, page, 1)
    share.get_by_text("you: 12").wait_for()
    assert share.get_by_role("button").count() == 0
    output(front, page, 2).locator("img").wait_for()


def test_a_wrong_option_stays_is_explained_and_followed_by_another(front, page):
    flees = card(front, page, 9)
    flees.get_by_role("button", name="0.02").click()
    flees.get_by_text("That one creeps.").wait_for()
    front.until(page, "read().chapters['small']['flees'].outcome", "incorrect")
    front.shot(page, "quiz-wrong")
    right = flees.get_by_role("button", name="1.05")
    right.focus()
    page.keyboard.press("Enter")
    flees.get_by_text("Each step lands further out.").wait_for()
    assert flees.get_by_text("That one creeps.").is_visible()
    assert flees.locator(".dlj-option").count() == 3
    front.until(page, "tuple(read().chapters['small']['flees'])", ("correct", 2))


def test_an_order_is_dragged(front, page):
    first = card(front, page, 10)
    rows = first.locator(".dlj-option")
    below = rows.nth(2).bounding_box()
    drag(page, middle(rows.nth(0)), (below["x"] + 50, below["y"] + below["height"] - 3))
    first.get_by_role("button", name="Check").click()
    first.get_by_text("✓ Correct.").wait_for()
    assert "Parts are made of strokes." in first.inner_text()


def test_numbers_and_words_as_people_write_them(front, page):
    fifth, word = card(front, page, 11), card(front, page, 12)
    field = fifth.get_by_role("textbox", name="One in five: what share?")
    told = {"1/2": "One of two.", "20": "100 times too large", "0,2": "Correct"}
    for written, said in told.items():
        field.fill(written)
        page.keyboard.press("Enter")
        fifth.get_by_text(said).wait_for()
    word.get_by_role("textbox").fill("the weights")
    word.get_by_role("button", name="Check").click()
    word.get_by_text("✓ Correct.").wait_for()


def test_the_call_prints_question_options_and_verdict(front, page):
    told = front.python(page, "print(quiz.flees('a'))")
    assert "Which rate flees?" in told and "1.05" in told and "creeps" in told


def test_axe_finds_nothing_wrong_with_any_card(front, page):
    assert wrong(page) == []


def test_a_card_looks_the_same_beside_demos(page):
    assert changed_by_another_demo(page) == []
