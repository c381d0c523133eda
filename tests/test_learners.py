"What `dljourney course` lays is made for learners: no tools of ours, no answers, long code folded."
import builtins
import copy
import dis
import json
from types import CodeType

import pytest
from conftest import root
from learners import (
    bound, code, in_full, left_out, parsed, read, skippable, source, used, walk_of,
)

from dljourney.cli import course
from dljourney.kit.course import (
    chapter_guesses, chapters, learners_copy, read_for_learners, run_notebook,
)

nbs = root / "nbs"
each_chapter = pytest.mark.parametrize("path", [c.path for c in chapters(nbs)],
                                       ids=lambda path: path.stem)


THE_MAP = "0569d946"  # in 00_start: links are no answers


def is_folded(cell):
    return cell["metadata"] == {"jupyter": {"source_hidden": True}}


@each_chapter
def test_no_mark_of_our_tools_is_left_and_no_cell_of_theirs(path):
    full, copied = read(path), read_for_learners(path).decode()
    cells = json.loads(copied)["cells"]
    assert not any(line.startswith("#|") for c in cells for line in source(c).splitlines())
    assert [source(c) for c in cells if c["cell_type"] == "markdown"] == [
        source(c) for c in full["cells"] if c["cell_type"] == "markdown"]
    order = [c["id"] for c in full["cells"]]
    assert [order.index(c["id"]) for c in cells] == sorted({order.index(c["id"]) for c in cells})
    gone = {c["id"]: source(c) for c in full["cells"]}
    for cell in cells: del gone[cell["id"]]
    for text in gone.values():
        assert text.startswith(("#| default_exp", "#| hide", "#| export")), text
        assert not text.startswith("#| export") or "def " not in text and "class " not in text


@each_chapter
def test_nothing_is_answered_before_it_is_asked(path):
    "The only outputs are pictures of demos, each under the words that say how to wake it."
    for cell in code(learners_copy(read(path))["cells"]):
        if not cell["outputs"] or cell["id"] == THE_MAP: continue
        told, still = (o["data"] for o in cell["outputs"])
        assert "run the cell above to wake it" in told["text/plain"][0]
        assert set(still) == {"text/html", "text/plain"}
        assert still["text/html"].startswith('<img alt="A still picture of the demo ')
        assert not "".join(still["text/plain"]).startswith(("Figure", "Diagram"))


@each_chapter
def test_a_prediction_is_asked_and_not_answered(path):
    "Its card and the cell that answers are there, in this order, and nothing is below them yet."
    cells = learners_copy(read(path))["cells"]
    for name in chapter_guesses(path):
        about = [c for c in cells if f"guess.{name}" in source(c).replace(".reveal", "\n")]
        asked, *_, answered = [c for c in about if c["cell_type"] == "code"]
        assert f"guess.{name}" in source(asked).splitlines()
        assert f"guess.{name}.reveal(" in source(answered)
        assert not asked["outputs"] and not answered["outputs"] and not is_folded(answered)


VIEW = "application/vnd.jupyter.widget-view+json"


def test_before_a_page_a_copy_asks_first_and_its_questions_are_on_cards(tmp_path):
    "In a course folder and a real kernel: what nobody has guessed waits."
    copied = learners_copy(small(
        ("py", "from dljourney.exercises.sgd import guess, quiz"), ("py", "guess.chain"),
        ("py", "guess.chain.reveal('the figure', truth=8)"), ("py", "guess.neuron"),
        ("py", "guess.neuron.commit('a'); guess.neuron.reveal('the figure')"),
        ("py", "quiz.used_twice")))
    (tmp_path / ".dljourney").mkdir()
    (tmp_path / ".dljourney" / "course.json").write_text("{}")
    (tmp_path / "a.ipynb").write_text(json.dumps(copied))
    result = run_notebook(tmp_path / "a.ipynb", env={"DLJOURNEY_NO_PROGRESS": "", "IN_TEST": ""})
    assert result.passed, result.error
    asked, waits, _, shown, question = (c.outputs for c in result.notebook.cells[1:])
    assert VIEW in asked[0].data and VIEW in question[0].data
    assert "Commit your guess above" in waits[0].data["text/plain"]
    assert "the figure" not in repr(waits) and "the figure" in repr(shown)


def test_every_demo_keeps_its_still():
    "As many as there are cells in the chapters that show a demo, but what answers a prediction."
    n = {p.stem: sum(bool(c["outputs"]) for c in code(learners_copy(read(p))["cells"]))
         for p in nbs.glob("[0-9]*.ipynb")}
    shown = {p.stem: sum("image/png" in o.get("data", {}) and "(" in first_word(o)
                         for c in code(read(p)["cells"]) for o in c["outputs"]
                         if ".reveal(" not in source(c))
             for p in nbs.glob("[0-9]*.ipynb")}
    assert n.pop("00_start") == 1 and shown.pop("00_start") == 0, "the map"
    assert n == shown and n["01_whole_game"] == 4 and sum(n.values()) > 15


def first_word(output):
    return ("".join(output["data"].get("text/plain", "")).split(" ") or [""])[0]


@each_chapter
def test_long_code_of_the_library_is_folded_under_a_line_that_says_what_it_holds(path):
    copied = {c["id"]: c for c in learners_copy(read(path))["cells"]}
    for cell in code(read(path)["cells"]):
        lines = [x for x in source(cell).splitlines() if x.strip()[:1] not in ("", "#")]
        wanted = (source(cell).startswith("#| export") and len(lines) > 15
                  and "code-fold: false" not in source(cell))
        mine = copied.get(cell["id"])
        assert bool(mine and is_folded(mine)) == wanted, source(cell)[:80]
        if wanted:
            first = source(mine).splitlines()[0]
            names = [name for name, what in bound(source(cell)) if what is None]
            assert first.startswith(f"# {names[0]}") and len(first) <= 100
            assert first.endswith(f"({len(lines)} lines)")


@each_chapter
def test_the_copy_needs_nothing_that_it_lacks(path):
    "No name of a cell that is gone is used, and what is imported anew means what it meant before."
    full, copied = read(path), learners_copy(read(path))
    there = [(name, what) for c in code(copied["cells"]) for name, what in bound(source(c))]
    names = {name for name, _ in there}
    for cell in left_out(full, copied):
        for name, what in bound(source(cell)):
            if name not in names:
                assert not any(name in used(source(c)) for c in code(copied["cells"])), name
            elif what:
                assert {w for n, w in there if n == name and w} == {what}, name
    ours = {c["id"]: source(c) for c in full["cells"]}
    anew = {pair for c in code(copied["cells"]) for pair in bound(source(c))
            if pair[1] and pair not in bound(ours[c["id"]])}
    assert not {(n, w) for n, w in there if n in dict(anew) and (n, w) not in anew}


def unknown(cells):
    "Names that a cell asks for, as it runs, before one has made them; and in functions, ever."
    known, later, found = {*dir(builtins), "__name__", "display"}, set(), []
    for text in map(source, cells):
        at_once = compile(parsed(text), "<cell>", "exec")
        parts = [at_once]
        for part in parts: parts += [c for c in part.co_consts if isinstance(c, CodeType)]
        made = globals_of([at_once], "STORE_NAME") | globals_of(parts, "STORE_GLOBAL")
        found += sorted(globals_of([at_once], "LOAD_NAME") - known - made)
        later |= globals_of(parts, "LOAD_GLOBAL")
        known |= made
    return found + sorted(later - known)


def globals_of(parts, kind):
    return {step.argval for part in parts for step in dis.get_instructions(part)
            if step.opname == kind}


@each_chapter
def test_each_name_of_the_copy_is_known_when_it_is_asked_for(path):
    "Quickly, and without running it; test_notebooks.py runs it."
    assert unknown(code(learners_copy(read(path))["cells"])) == []


def test_a_name_that_is_asked_for_too_early_is_found():
    cells = small(("py", "def f(): return g() + k()"), ("py", "a = b"), ("py", "b = 1"),
                  ("py", "def g(x: t): return x"), ("py", "import os; os.sep; [c for c in 'ab']"))
    assert unknown(cells["cells"]) == ["b", "t", "k"]


def small(*sources):
    cells = [{"cell_type": "code" if kind == "py" else "markdown", "id": f"c{i}", "metadata": {},
              "source": text, **({"outputs": [], "execution_count": None} if kind == "py" else {})}
             for i, (kind, text) in enumerate(sources)]
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


long = "def f(x: Tensor):\n    'Twice.'\n" + "    x = x + 0\n" * 15 + "    return math.ceil(2 * x)"
whole = small(
    ("md", "# Title"), ("py", "#| default_exp a"),
    ("py", "#| exporti\nimport math\nimport os\nfrom torch import Tensor, nn as layers"),
    ("py", "#| export\n_all_ = ['nn']"), ("py", f"#| export\n{long}"),
    ("py", "#| hide\nassert f(1) == 2"), ("py", "#| slow\nf(9)"), ("py", "%time f(2)"),
    ("py", "layers.Linear(1, 1)"), ("py", "not python ("))


def test_the_copy_of_a_small_notebook():
    before = copy.deepcopy(whole)
    made = [source(c) for c in learners_copy(whole)["cells"]]
    assert before == whole, "the full text is left alone"
    assert made == ["# Title", "from torch import nn as layers",
                    f"# f: Twice. (18 lines)\nimport math\nfrom torch import Tensor\n\n{long}",
                    "%time f(2)", "layers.Linear(1, 1)", "not python ("]


@pytest.mark.parametrize("text, names", [
    ("You may skip this.", ["c1"]), ("## 3. More (you may skip this)", ["c1", "c2", "c3"]),
    ("Skip it if you like.", ["c1"]), ("It skips branches.", []),
    ("(Run the next cell, and skip how it comes about if you like.)", []),
])
def test_what_may_be_skipped_is_found(text, names):
    notebook = small(("md", text), ("py", "a = 1"), ("py", "b = 2"), ("py", "c = 3"),
                     ("md", "## Next"), ("py", "d = 4"))
    assert [c["id"] for c in skippable(notebook["cells"])] == names


@pytest.mark.notebooks
@pytest.mark.timeout(900)
@each_chapter
def test_what_the_text_says_may_be_skipped_may_be_skipped(path, request, tmp_path):
    "The copy runs without these cells; where there are none, nothing is run."
    copied = learners_copy(read(path))
    gone = [c["id"] for c in skippable(copied["cells"])]
    if not gone: return
    site = request.getfixturevalue("site")  # takes a while
    (tmp_path / path.name).write_text(
        json.dumps({**copied, "cells": [c for c in copied["cells"] if c["id"] not in gone]}))
    result = run_notebook(tmp_path / path.name, env={"PYTHONPATH": str(site)})
    assert result.passed, f"without {gone}, cell {result.failed_cell}:\n{result.error}"


def test_a_walk_runs_the_copy_first_and_then_the_rest_of_the_full_text(tmp_path):
    import nbformat

    def run(notebook):
        (tmp_path / "a.ipynb").write_text(json.dumps(walk_of(notebook)))
        return run_notebook(tmp_path / "a.ipynb")

    good = small(("py", "#| exporti\nimport math"), ("py", "#| hide\ny = x"), ("py", "x = 1; x"))
    result = run(good)
    assert result.passed
    full = in_full(nbformat.from_dict(good), result.notebook)
    assert full.cells[2].outputs[0].data["text/plain"] == "1" and not full.cells[1].outputs
    assert not run(small(("py", "#| hide\ny = 1"), ("py", "y"))).passed
    assert not run(small(("py", "#| exporti\nimport nowhere_at_all"), ("py", "2"))).passed


def test_a_folder_laid_with_the_full_text_gets_the_copies_and_keeps_what_was_edited(tmp_path):
    "As folders were laid before there were copies for learners."
    from dljourney.kit.files import fingerprint

    source_folder, mine = tmp_path / "source", tmp_path / "mine"
    for folder in (source_folder, mine, mine / ".dljourney"): folder.mkdir()
    known = {}
    for name in ("01_one", "02_two"):
        text = json.dumps(whole)
        (source_folder / f"{name}.ipynb").write_text(text)
        (mine / f"{name}.ipynb").write_text(text)
        known[f"{name}.ipynb"] = [fingerprint(text.encode())]
    record = {"format": 1, "version": "0.0", "laid": known}
    (mine / ".dljourney" / "course.json").write_text(json.dumps(record))
    (mine / "02_two.ipynb").write_text("my own work")
    one, two = course.lay_course(mine, source=source_folder)
    assert (one.action, two.action, two.other.name) == ("updated", "kept", "02_two.new.ipynb")
    assert (mine / "01_one.ipynb").read_bytes() == read_for_learners(source_folder / "01_one.ipynb")
    assert two.other.read_bytes() == read_for_learners(source_folder / "02_two.ipynb")
    assert (mine / "02_two.ipynb").read_text() == "my own work"
    again = course.lay_course(mine, source=source_folder)
    assert [r.action for r in again] == ["unchanged", "kept"]
