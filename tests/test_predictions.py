"Commit before you see: how close a guess came, what is said, and what waits for it."

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dljourney.kit.course import your_guesses
from dljourney.kit.exercises import (
    First, Ruler, amount, by_chance, choice, closeness, columns_of, guesses, numbers_in, order,
    read, record_guess, sketched, told,
)
from dljourney.kit.exercises import number as number_question

SHARE = amount("share", "How many?", 0, 100, unit="%", why="So it is.", too_low="Not so few.",
                 too_high="Not so many.")
STEPS = amount("steps", "How many steps?", 1, 10_000, log=True, why="So many.")
RATES = choice("rates", "Which flees?", "c", {"a": ("0.02", "It creeps."),
                                              "b": ("0.3", "It arrives."), "c": ("1.05", "Yes!")})
LAYERS = order("layers", "In which order?", "bca", {"a": "signs", "b": "strokes", "c": "parts"},
               "Each stands on the one before.", {})
CURVE = sketched("curve", "How does it fall?", Ruler(0, 10, "step"), Ruler(0, 2, "loss"),
                 why="Fast, then slowly.")
heights = st.lists(st.floats(0, 1), min_size=33, max_size=33)


# ---- how close


@given(st.floats(0, 100), st.floats(0, 100))
def test_a_number_is_as_far_off_as_it_stands_on_the_slider(guess, truth):
    close = closeness(SHARE, guess, truth)
    assert close == pytest.approx(1 - abs(guess - truth) / 100)
    assert closeness(SHARE, truth, truth) == 1 and 0 <= by_chance(SHARE, truth) < 1


@given(st.floats(1, 1e4), st.floats(1, 1e4))
def test_on_a_slider_of_ratios_ratios_count(guess, truth):
    close = closeness(STEPS, guess, truth)
    assert close == pytest.approx(1 - abs(math.log10(guess / truth)) / 4, abs=1e-9)


def test_what_lies_beyond_the_slider_counts_as_its_end():
    assert closeness(SHARE, 100, 140) == 1 and closeness(STEPS, 1, 0.1) == 1


@given(st.floats(0, 1))
def test_chance_is_the_mean_over_all_guesses(truth):
    n = 2000
    mean = sum(closeness(SHARE, 100 * (i + 0.5) / n, 100 * truth) for i in range(n)) / n
    assert by_chance(SHARE, 100 * truth) == pytest.approx(mean, abs=1e-3)


@given(heights, heights)
def test_a_curve_is_as_far_off_as_its_columns_on_average(a, b):
    assert closeness(CURVE, a, b) == pytest.approx(1 - sum(abs(x - y) for x, y in zip(a, b)) / 33)


def test_of_an_order_the_pairs_count():
    close = {guess: closeness(LAYERS, guess, "bca") for guess in ("bca", "cba", "acb")}
    assert close == {"bca": 1, "cba": pytest.approx(2 / 3), "acb": 0}
    assert (by_chance(LAYERS, "bca"), by_chance(RATES, "c")) == (0.5, pytest.approx(1 / 3))


@given(st.integers(2, 50))
def test_a_straight_line_is_measured_the_same_with_any_number_of_points(n):
    line = [2 * i / (n - 1) for i in range(n)]
    straight = [c / 32 for c in range(33)]
    assert columns_of(CURVE, line) == pytest.approx(straight, abs=1e-4)
    xs = [10 * (i / (n - 1)) ** 2 for i in range(n)]
    assert columns_of(CURVE, (xs, [x / 5 for x in xs])) == pytest.approx(straight, abs=1e-4)


def test_arrays_and_tensors_are_curves_too():
    import numpy as np
    import torch

    for make in (np.array, torch.tensor):
        assert columns_of(CURVE, make([2.0, 0.0])) == columns_of(CURVE, [2.0, 0.0])


# ---- what is said


def test_each_guess_is_told_what_may_have_misled_it():
    assert told(SHARE, 20, 80) == "You said **20\xa0%**; it is **80\xa0%**. Not so few. So it is."
    assert "Not so many." in told(SHARE, 95, 40)
    assert told(SHARE, 78, 80) == "You said **78\xa0%**; it is **80\xa0%**. Close! So it is."
    assert told(SHARE, None, 80) == "It is **80\xa0%**. So it is."
    assert told(RATES, "a", "c") == "It creeps. It is **c**. Yes!"
    assert told(RATES, "c", "c") == "✓ **1.05.** Yes!" and told(RATES, None, "c")[:2] == "**"
    assert "strokes → parts → signs" in told(LAYERS, "bca", "bca")
    wrong = told(LAYERS, "abc", "bca")
    assert "Another one comes first." in wrong and "It is **strokes → parts → signs**." in wrong
    flat, falls = [0.5] * 33, columns_of(CURVE, [2, 0])
    assert "off by **26%** of the height" in told(CURVE, flat, falls)


@pytest.mark.parametrize("low, high, log", [(1, 1, False), (2, 1, False), (0, 1, True)])
def test_a_slider_that_is_none_is_refused(low, high, log):
    with pytest.raises(ValueError, match="low < high"):
        amount("x", "?", low, high, log=log, why="w")


def test_names_of_a_chapter_differ():
    with pytest.raises(ValueError, match="must differ"):
        guesses("small", [SHARE, SHARE])
    with pytest.raises(AttributeError, match="did you mean 'share'"):
        guesses("small", [SHARE]).shar  # noqa: B018


# ---- what waits, and what does not


@pytest.fixture
def page(monkeypatch, tmp_path):
    "A course folder and somebody before a page, but no kernel: what would be shown is noted."
    from dljourney.kit.exercises import predictions as room

    class Laid:
        def __init__(self, spec, state, hear): self._state, self.hear = state, hear
        def view(self): return {}

    shown = []

    class Place:
        def __init__(self, said): self.i = len(shown); shown.append(said)
        def update(self, said, **kw): shown[self.i] = said

    def display(thing, raw=False, display_id=False, **kw):
        if display_id: return Place(thing)
        return shown.append(thing["text/plain"] if raw else thing)

    (tmp_path / ".dljourney").mkdir()
    (tmp_path / ".dljourney" / "course.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    for name in ("IN_TEST", "DLJOURNEY_NO_PROGRESS"): monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(room, "has_page", lambda: True)
    monkeypatch.setattr("dljourney.kit.exercises.cards.Card", Laid)
    monkeypatch.setattr("IPython.display.display", display)
    monkeypatch.setattr(room, "_bundle", lambda thing: (thing, {}))
    return shown


def of(verb, name="share"):
    "A prediction whose question has been shown."
    found = getattr(verb, name)
    found._repr_mimebundle_()
    return found


def test_an_answer_waits_for_the_guess_and_then_fills_in(page):
    share = of(guesses("small", [SHARE]))
    share.reveal("a figure", truth=80)
    assert "Commit your guess above" in page[0]["text/markdown"] and page[1] == {}
    share._hear({"answer": 20})
    assert "You said **20" in repr(page[0].message) and page[1] == "a figure"
    assert share._card._state["truth"] == {"at": 0.8, "text": "80\xa0%"}
    assert read().guesses["small"]["share"] == First(20.0, 0.4, 0.66)


def test_a_guess_that_is_there_shows_the_answer_at_once_and_stays(page):
    share = of(guesses("small", [SHARE]))
    share._hear({"answer": 20})
    assert share._card._state["truth"] is None and "next cell" in share._card._state["html"]
    share.reveal("a figure", truth=80)
    share._hear({"answer": 80})
    assert page[1] == "a figure" and share.first.guess == 20
    again = of(guesses("small", [SHARE]))  # another kernel
    assert again._card._state["done"]
    again.reveal("a figure", truth=90)
    assert page[-1] == "a figure" and read().guesses["small"]["share"] == First(20.0, 0.4, 0.66)


def test_show_me_shows_and_commits_to_nothing(page):
    share = of(guesses("small", [SHARE]))
    share.reveal("a figure", truth=80)
    share._hear({"skip": True})
    assert page[1] == "a figure" and page[0].message == "It is **80\xa0%**. So it is."
    assert read().guesses["small"]["share"] == First(None)


def test_who_passed_the_question_by_is_not_kept_waiting(page):
    guesses("small", [SHARE]).share.reveal("a figure", truth=80)
    assert page[1] == "a figure"


def test_a_cell_that_runs_again_waits_once(page):
    rates = of(guesses("small", [RATES]), "rates")
    rates.reveal("old")
    rates.reveal("new")
    rates._hear({"answer": "a"})
    assert page[3] == "new" and "It creeps" in page[2].message


def test_without_a_page_the_answer_shows(capsys):
    guess = guesses("small", [SHARE, RATES])
    guess.share._repr_mimebundle_()
    guess.share.reveal("a figure", truth=80)
    told = capsys.readouterr().out
    assert "It is 80" in told and "a figure" in told and "Commit" not in told


def test_what_a_question_does_not_take_is_refused():
    guess = guesses("small", [SHARE, RATES])
    with pytest.raises(TypeError, match="'share': expected truth="):
        guess.share.reveal()
    with pytest.raises(TypeError, match="'rates': expected no truth"):
        guess.rates.reveal(truth="c")


# ---- numbers as people write them


WAYS = ["1/5", "20%", "20 %", "0,2", ".2", "0.20", "2/10", "2e-1", 0.2]


@pytest.mark.parametrize("written", WAYS)
def test_a_share_may_be_written_in_many_ways(written):
    fifth = number_question("fifth", "Share?", 0.2, "why", {0.5: "Of two."})
    assert fifth.judge(written) == ("correct", "why")


@pytest.mark.parametrize("written, said", [
    ("50%", "Of two."), ("1/2", "Of two."), ("0,5", "Of two."), ("-1/5", "for the sign"),
    ("5", "Upside down"), ("20", "100 times too large"), ("0.02", "10 times too small"),
    ("0.3", "too large"), ("−0,1", "too small"),
])
def test_a_known_slip_is_told(written, said):
    fifth = number_question("fifth", "Share?", 0.2, "why", {0.5: "Of two."})
    outcome, message = fifth.judge(written)
    assert outcome == "incorrect" and said in message


@given(st.floats(-1e6, 1e6), st.sampled_from(["{:.6f}", "{:.6e}", " {:.6f} ", "{:,.6f}"]))
def test_a_written_number_is_read_back(value, form):
    written = form.format(value)
    plain = float(written.replace(",", ""))
    assert plain in numbers_in(written)
    if "," not in written: assert numbers_in(written.replace(".", ","))[0] == plain


@given(st.text(max_size=60) | st.integers() | st.none() | st.lists(st.integers()))
def test_whatever_is_given_is_no_crash(given):
    assert all(isinstance(v, float) and not math.isnan(v) for v in numbers_in(given))


# ---- looking back


def laid(folder, chapters):
    "A course folder whose chapters ask these."
    (folder / ".dljourney").mkdir(parents=True)
    (folder / ".dljourney" / "course.json").write_text("{}")
    for chapter, names in chapters.items():
        cells = [dict(cell_type="code", source=f"guess.{name}") for name in names]
        (folder / f"{chapter}.ipynb").write_text(json.dumps(dict(cells=cells)))


def test_guesses_are_seen_in_the_order_of_the_course(tmp_path, monkeypatch):
    for name in ("IN_TEST", "DLJOURNEY_NO_PROGRESS"): monkeypatch.delenv(name, raising=False)
    laid(tmp_path, {"02_late": ["z", "a"], "01_early": ["m"]})
    record_guess("late", "a", First(1, 0.9, 0.5), tmp_path)
    record_guess("late", "z", First("b", 0.0, 0.5), tmp_path)
    record_guess("early", "m", First(2, 0.4, 0.6), tmp_path)
    record_guess("gone", "x", First(3, 1.0, 0.0), tmp_path)
    found = your_guesses(tmp_path)
    assert [(s.chapter, s.name) for s in found.seen] == [
        ("01_early", "m"), ("02_late", "z"), ("02_late", "a")]
    told = repr(found)
    assert "3 guesses" in told and "Furthest off" in told and "z in 02_late" in told
    assert "image/png" in found._repr_mimebundle_()[0]


def test_a_skipped_or_unanswered_question_is_no_guess(tmp_path, monkeypatch):
    for name in ("IN_TEST", "DLJOURNEY_NO_PROGRESS"): monkeypatch.delenv(name, raising=False)
    laid(tmp_path, {"01_early": ["m", "n"]})
    record_guess("early", "m", First(None), tmp_path)
    record_guess("early", "n", First(2), tmp_path)
    found = your_guesses(tmp_path)
    assert (found.seen, found.skipped) == ([], 1) and "No guess is kept yet" in repr(found)
