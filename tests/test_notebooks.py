"What a reader runs or looks at runs in a real kernel, quietly, and has its pictures stored."
import json
import re

import pytest
from conftest import library_notebooks, notebook_paths, root
from outputs import asked, pictures, printed, texts

from dljourney.kit.course import run_notebook, settled

pytestmark = [pytest.mark.notebooks, pytest.mark.timeout(900)]
marks = {path: pytest.mark.soak for path in library_notebooks()}
each_notebook = pytest.mark.parametrize(
    "path", [pytest.param(p, marks=marks.get(p, ()), id=str(p.relative_to(root / "nbs")))
             for p in notebook_paths()])


@each_notebook
def test_runs(path, executions):
    result = executions(path)
    assert result.passed, f"cell {result.failed_cell}:\n{result.error}"


@each_notebook
def test_runs_quietly(path, executions):
    assert executions(path).noise == []


def test_kernels_use_the_wheel_without_a_network(site, tmp_path):
    "What the other tests here rely on."
    import nbformat
    from nbformat.v4 import new_code_cell, new_notebook

    sources = ["import dljourney.kit.files as f; print(f.__file__, f.notebooks_folder())",
               "import urllib.request; urllib.request.urlopen('http://example.com', timeout=5)"]
    nbformat.write(new_notebook(cells=[new_code_cell(s) for s in sources]), tmp_path / "a.ipynb")
    result = run_notebook(tmp_path / "a.ipynb", env={"PYTHONPATH": str(site)})
    assert result.notebook.cells[0].outputs[0].text.count(str(site)) == 2
    assert result.failed_cell == 1 and "the network is blocked in this test" in result.error


@each_notebook
def test_stored_outputs_are_those_that_come(path, executions):
    """A reader without a kernel sees a picture where one with it sees a picture, a page or a
    widget, and is asked what a learner is asked.
    """
    stored = json.loads(path.read_text("utf-8"))["cells"]
    fresh = settled(executions(path).notebook).cells
    assert pictures(stored) == pictures(fresh), "run `make notebooks` and commit the outputs"
    assert asked(stored) == asked(fresh), "run `make notebooks` and commit the outputs"


# What a text builds on, and a cell prints: chapter, first words of the line, what must follow.
SAID = [
    ("06_universal", "its top is at", r"1\.000; outside of 1 to 3 it is 0\.000"),
    ("06_universal", "from the curve, at the marked places:", r"0\.000 at most"),
    ("06_universal", "16 hinges:", r"0\.000 from"), ("06_universal", "15 hinges:", r"0\.[1-9]"),
    ("07_overfitting", "  0% shuffled:", r"(98|99|100)% of what it was told, +9[6-9]% of"),
    ("07_overfitting", "100% shuffled:", r"(98|99|100)% of what it was told, +1?\d% of"),
    ("07_overfitting", "every peak at width", r"200$"),
    ("07_overfitting", "training labels named wrongly from there on:", r"0%"),
    ("07_overfitting", "teacher,  0% shuffled: the peak, and the most help, at width", r"[25]00$"),
    ("07_overfitting", "answers that have changed:", r"0 of"),
    ("01_whole_game", "features: right of 100", r"\{1: [23]\d, .*256: [89]\d\}"),
    ("09_program", "more", r"9\d % in the north"), ("09_program", "at random", r"[78]\d % in the"),
    ("09_program", "per visit", r"(49|50|51) % in the north"),
]


@pytest.mark.parametrize("chapter, begins, follows", SAID)
def test_a_cell_prints_what_the_text_builds_on(chapter, begins, follows, executions):
    cells = executions(root / "nbs" / f"{chapter}.ipynb").notebook.cells
    told = "\n".join([*printed(cells), *texts(cells)])
    lines = [line for line in told.splitlines() if line.startswith(begins)]
    assert lines and all(re.match(re.escape(begins) + " +" + follows, line) for line in lines)


def test_the_pupil_of_the_neat_hand_does_best_in_a_day(executions):
    "As chapter 10 says; how well exactly is another thing on another processor."
    told = texts(executions(root / "nbs" / "10_pretraining.ipynb").notebook.cells)
    begins = "Figure: named right, one example each of 20 characters: no school"
    figure = next(text for text in told if text.startswith(begins) and "hand" in text)
    share = {name: int(n) for name, n in re.findall(r"[:;] ([a-z ]+) (\d+)%", figure)}
    assert share["a neat hand"] >= share["many hands"] + 5
    assert share["a neat hand"] >= share["names by lot"] + 10
    assert abs(share["names by lot"] - share["no school"]) <= 8


def test_ten_networks_read_digits_as_well_as_chapter_04_says(executions):
    "Our own loop beside scikit-learn's networks, as the figure's words tell: means of ten seeds."
    told = texts(executions(root / "nbs" / "04_sgd.ipynb").notebook.cells)
    [told] = [text for text in told if text.startswith("Figure: Ten seeds each")]
    mean = {name: float(share) for name, share in re.findall(r"(\w+: \w[\w ]+) ([\d.]+)%", told)}
    assert len(mean) == 6 and mean["random: our network"] >= 97
    assert mean["writers: our network"] >= mean["writers: MLPClassifier"] - 0.5
