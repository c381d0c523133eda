"Stored results are whole, belong to the table, and come out again; the engine keeps its laws."
import json
import math
import os
import random
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import given, settings as profile, strategies as st

from dljourney.kit.seeds import (
    _environment, results_file, run_experiment, run_seeds, stored, stored_rows,
)

root = Path(__file__).parent.parent
sys.path.insert(0, str(root))
from benchmarks.experiments import EXPERIMENTS, Experiment, main, one_thread  # noqa: E402

results = root / "nbs" / "results"


def walk(seed, n_steps=10, n_rows=1):
    rng = random.Random(seed)
    return [{"row": i, "end": sum(rng.choice((-1, 1)) for _ in range(n_steps))}
            for i in range(n_rows)]


# -- the stored files ------------------------------------------------------------------------------


def same(a, b, tolerance):
    "Whether two JSON values agree, numbers within a tolerance."
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k], tolerance) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(x, y, tolerance) for x, y in zip(a, b))
    if isinstance(a, (int, float)) and isinstance(b, (int, float)) and not isinstance(a, bool):
        return math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance)
    return a == b


def test_every_stored_file_is_in_the_table_and_the_other_way_round():
    files = {p.stem for p in results.glob("*.json")}
    assert files - set(EXPERIMENTS) == set(), "add a line to the table or delete them"
    assert set(EXPERIMENTS) - files == set(), "never run: make experiments NAME=..."


@pytest.mark.parametrize("name", list(EXPERIMENTS))
def test_stored_seeds_and_settings_are_those_of_the_table(name):
    data, experiment = stored(name, results), EXPERIMENTS[name]
    settings, seeds = dict(experiment.settings), {str(s) for s in experiment.seeds}
    assert data["settings"] == json.loads(json.dumps(settings)), "make experiments ... --fresh"
    assert set(data["seeds"]) >= seeds, "seeds are missing: make experiments NAME=..."
    assert {str(row["seed"]) for row in data["rows"]} == set(data["seeds"])


def cheapest(name):
    path = results / f"{name}.json"
    seeds = json.loads(path.read_text())["seeds"] if path.exists() else {"0": {"seconds": 0}}
    seed = min(seeds, key=lambda s: seeds[s]["seconds"])
    return int(seed), seeds[seed]["seconds"]


def rerun(name):
    slow = cheapest(name)[1] > 10
    return pytest.param(name, marks=[pytest.mark.soak] if slow else [], id=name)


@pytest.mark.parametrize("name", [rerun(name) for name in EXPERIMENTS])
def test_a_stored_seed_comes_out_again(name):
    "Bit for bit (to 1e-6) with the same versions on the same processor, nearly so elsewhere."
    experiment, data, seed = EXPERIMENTS[name], stored(name, results), cheapest(name)[0]
    one_thread()
    again = run_seeds(experiment.function(), [seed], experiment.settings)
    before = [row for row in data["rows"] if row["seed"] == seed]
    made_with = data["versions"] | data["seeds"][str(seed)].get("versions", {})
    now = _environment()
    here = all(now.get(k) == v for k, v in made_with.items())

    def fixed(rows):
        return [{k: v for k, v in row.items() if k not in experiment.varies}
                for row in json.loads(json.dumps(rows))]

    assert same(fixed(before), fixed(again), 1e-6 if here else experiment.tolerance)


def test_the_comparison_can_fail():
    assert same([{"a": 1.0, "b": "x"}], [{"a": 1.0 + 1e-9, "b": "x"}], 1e-6)
    assert not same([{"a": 1.0}], [{"a": 1.1}], 0.05)
    assert not same([{"a": 1.0}], [{"a": 1.0}, {"a": 1.0}], 1)
    assert not same({"a": "x"}, {"a": "y"}, 1) and not same({"a": 1}, {"b": 1}, 1)
    assert not same(True, False, 1)


# -- laws of the engine ----------------------------------------------------------------------------

seed_lists = st.lists(st.integers(-5, 30), max_size=6, unique=True)


@profile(max_examples=40)
@given(parts=st.lists(seed_lists, min_size=1, max_size=4), n_rows=st.integers(0, 3))
def test_however_it_is_cut_into_runs_the_rows_are_those_of_one_run(parts, n_rows, tmp_path_factory):
    folder, how = tmp_path_factory.mktemp("parts"), {"n_steps": 7, "n_rows": n_rows}
    every = sorted({s for part in parts for s in part})
    for part in parts:
        data = run_experiment("walk", walk, part, how, folder)
    assert data["rows"] == run_seeds(walk, every, how)
    assert [int(s) for s in data["seeds"]] == every
    if every:
        assert stored("walk", folder) == data and stored_rows("walk", folder) == data["rows"]
        assert data["seconds"] == pytest.approx(sum(e["seconds"] for e in data["seeds"].values()))


def test_nothing_stored_is_run_again(tmp_path):
    calls = []

    def counted(seed):
        calls.append(seed)
        return {"x": seed}

    for n in (3, 3, 5):
        run_experiment("walk", counted, range(n), folder=tmp_path)
    assert calls == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_stop_loses_the_seed_in_work_and_nothing_else(tmp_path, error):
    def stops(seed):
        if seed == 2:
            raise error
        return {"x": seed}

    with pytest.raises(error):
        run_experiment("walk", stops, range(5), folder=tmp_path)
    assert [row["x"] for row in stored_rows("walk", tmp_path)] == [0, 1]
    run_experiment("walk", lambda seed: {"x": seed}, range(5), folder=tmp_path)
    assert [row["x"] for row in stored_rows("walk", tmp_path)] == [0, 1, 2, 3, 4]
    assert [p.name for p in tmp_path.iterdir()] == ["walk.json"]


def test_a_kill_leaves_a_file_that_is_whole_and_goes_on(tmp_path):
    script = textwrap.dedent("""
        import os, signal, sys
        from dljourney.kit.seeds import run_experiment
        def run_seed(seed):
            if seed == 3: os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
            return {"x": seed}
        run_experiment("killed", run_seed, range(6), folder=sys.argv[1])
    """)
    command = [sys.executable, "-c", script, str(tmp_path)]
    env = os.environ | {"PYTHONPATH": str(root)}
    assert subprocess.run(command, cwd=root, env=env).returncode != 0
    assert [row["x"] for row in stored_rows("killed", tmp_path)] == [0, 1, 2]
    data = run_experiment("killed", lambda seed: {"x": seed}, range(6), folder=tmp_path)
    assert [row["x"] for row in data["rows"]] == list(range(6))


def test_two_runs_on_different_seeds_do_not_lose_each_others_rows(tmp_path):
    def outer(seed):
        if seed == 1:
            run_experiment("walk", walk, [7, 8], {}, tmp_path)
        return walk(seed)

    data = run_experiment("walk", outer, range(3), {}, tmp_path)
    assert list(data["seeds"]) == ["0", "1", "2", "7", "8"]


@pytest.mark.parametrize("other", [
    {"n_steps": 8}, {}, {"n_steps": 7, "n_rows": 1}, {"n_steps": None},
])
def test_other_settings_are_refused_before_anything_runs(tmp_path, other):
    run_experiment("walk", walk, range(2), {"n_steps": 7}, tmp_path)
    before = (tmp_path / "walk.json").read_bytes()
    with pytest.raises(ValueError, match="other settings.*--fresh"):
        run_experiment("walk", lambda *a, **k: pytest.fail("it ran"), range(3), other, tmp_path)
    assert (tmp_path / "walk.json").read_bytes() == before


def test_settings_that_json_writes_alike_are_the_same(tmp_path):
    def run_seed(seed, sizes):
        return {"x": len(sizes)}

    run_experiment("walk", run_seed, [0], {"sizes": (1, 2)}, tmp_path)
    data = run_experiment("walk", run_seed, [0, 1], {"sizes": [1, 2]}, tmp_path)
    assert len(data["rows"]) == 2


def test_fresh_starts_over(tmp_path):
    run_experiment("walk", walk, range(5), {"n_steps": 7}, tmp_path)
    data = run_experiment("walk", walk, range(2), {"n_steps": 9}, tmp_path, fresh=True)
    assert data["settings"] == {"n_steps": 9} and list(data["seeds"]) == ["0", "1"]
    assert stored("walk", tmp_path) == data


def test_other_versions_are_written_beside_the_seeds_that_used_them(tmp_path, monkeypatch):
    import dljourney.kit.seeds as engine

    run_experiment("walk", walk, [0], {}, tmp_path)
    later = engine._environment() | {"python": "3.99.0"}
    monkeypatch.setattr(engine, "_environment", lambda: later)
    data = run_experiment("walk", walk, [0, 1], {}, tmp_path)
    assert "versions" not in data["seeds"]["0"]
    assert data["seeds"]["1"]["versions"] == {"python": "3.99.0"}


@pytest.mark.parametrize("bad, error", [
    (math.nan, ValueError), (-math.inf, ValueError), ([1, [math.inf]], ValueError),
    (object(), TypeError), (1j, TypeError),
])  # fmt: skip
def test_a_row_that_json_cannot_hold_is_refused_by_name(tmp_path, bad, error):
    with pytest.raises(error, match=r"seed 4, row 0\['loss'\]"):
        run_experiment("walk", lambda seed: {"loss": bad}, [4], folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_numbers_of_numpy_and_torch_become_plain(tmp_path):
    np, torch = pytest.importorskip("numpy"), pytest.importorskip("torch")
    row = {"a": np.float64(0.5), "b": torch.tensor(2), "c": np.arange(3), "d": (1, None),
           "e": {"f": torch.ones(2)}}
    rows = run_experiment("walk", lambda seed: row, [0], folder=tmp_path)["rows"]
    plain = {"a": 0.5, "b": 2, "c": [0, 1, 2], "d": [1, None], "e": {"f": [1.0, 1.0]}}
    assert rows == [{"seed": 0, **plain}]
    assert stored_rows("walk", tmp_path) == rows


@pytest.mark.parametrize("seeds", [[0, 0], ["0"], [True], [0.5]])
def test_bad_seeds_are_refused(tmp_path, seeds):
    with pytest.raises(ValueError, match="seeds"):
        run_experiment("walk", walk, seeds, folder=tmp_path)


def test_seeds_of_numpy_and_torch_are_seeds(tmp_path):
    np, torch = pytest.importorskip("numpy"), pytest.importorskip("torch")
    data = run_experiment("walk", walk, np.arange(2), folder=tmp_path)
    more = run_experiment("walk", walk, torch.arange(3), folder=tmp_path)
    assert more["rows"][:2] == data["rows"]
    assert run_experiment("walk", walk, range(3), folder=tmp_path) == stored("walk", tmp_path)
    with pytest.raises(ValueError, match="seeds"):
        run_experiment("walk", walk, np.array([0.5]), folder=tmp_path)


@pytest.mark.parametrize("text", [
    b'{"name": ', b"", b"\xff\xfe", b"[]", b'{"name": "walk", "settings": {}}',
])
def test_a_damaged_file_is_told_by_its_path_and_can_be_started_over(tmp_path, text):
    path = tmp_path / "walk.json"
    path.write_bytes(text)
    for ask in (lambda: run_experiment("walk", walk, [1], folder=tmp_path),
                lambda: stored("walk", tmp_path)):
        with pytest.raises(ValueError, match="fresh=True") as caught: ask()
        assert str(path) in str(caught.value)
    assert path.read_bytes() == text
    data = run_experiment("walk", walk, [1], folder=tmp_path, fresh=True)
    assert data == stored("walk", tmp_path)


@pytest.mark.parametrize("name", ["../evil", "", "Upper", "with space", "a.b", "1st"])
def test_bad_names_are_refused(name):
    with pytest.raises(ValueError, match="name"):
        results_file(name)


def test_an_installed_package_finds_its_results(tmp_path):
    "A wheel keeps the notebooks inside the package: copy the two the way setup.py maps them."
    import shutil

    skip = shutil.ignore_patterns("__pycache__", "weights", ".ipynb_checkpoints")
    shutil.copytree(root / "dljourney", tmp_path / "dljourney", ignore=skip)
    folder = tmp_path / "dljourney" / "notebooks"
    (folder / "results").mkdir(parents=True)
    shutil.copy(root / "nbs" / "00_start.ipynb", folder)
    run_experiment("walk", walk, range(2), folder=folder / "results")
    code = "from dljourney.kit.seeds import stored_rows; print(len(stored_rows('walk')))"
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.stdout.strip() == "2", done.stderr


# -- the command -----------------------------------------------------------------------------------


def test_the_table_is_cheap_to_import():
    code = "import sys, benchmarks.experiments; assert not {'torch', 'numpy'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=root).returncode == 0


def test_the_command_runs_lists_and_refuses(tmp_path, monkeypatch, capsys):
    import dljourney.kit.seeds as engine

    monkeypatch.setattr(engine, "notebooks_folder", lambda: tmp_path)
    monkeypatch.setitem(EXPERIMENTS, "walk", Experiment(walk, range(3), {"n_steps": 5}))
    assert main(["walk"]) == 0
    out = capsys.readouterr().out
    assert "walk: 3/3 seeds" in out and "3 rows" in out
    assert main(["walk"]) == 0 and "all stored already" in capsys.readouterr().out
    assert main(["--list"]) == 0 and "3/3 seeds" in capsys.readouterr().out
    for bad in (["no_such"], ["--fresh"]):
        with pytest.raises(SystemExit) as stop:
            main(bad)
        assert stop.value.code == 2


def test_an_experiment_is_named_by_module_and_function():
    assert Experiment("math:hypot", range(1)).function() is math.hypot
