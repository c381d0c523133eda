"`dljourney finetune` and `dljourney predict`, from a messy folder to answers in a terminal."

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from dljourney.course import main
from dljourney.program import load


def drawing(kind, seed):
    rng = np.random.default_rng(seed)
    im = Image.new("L", (64, 48), 255)
    pen, dx, dy = ImageDraw.Draw(im), *map(int, rng.integers(-6, 6, 2))
    if kind == "ring":
        pen.ellipse((18 + dx, 10 + dy, 44 + dx, 36 + dy), outline=0, width=5)
    else:
        pen.line((18 + dx, 10 + dy, 44 + dx, 36 + dy), fill=0, width=5)
        pen.line((44 + dx, 10 + dy, 18 + dx, 36 + dy), fill=0, width=5)
    return im


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("signs")
    for kind in ("ring", "cross <b>"):
        (root / kind).mkdir()
        for i in range(12):
            drawing(kind, i).save(root / kind / f"{i}.png")
    (root / "ring" / "notes.txt").write_text("my rings")
    (root / "ring" / "cut.png").write_bytes((root / "ring" / "0.png").read_bytes()[:60])
    return root


@pytest.fixture(scope="module")
def out(folder, tmp_path_factory):
    place = tmp_path_factory.mktemp("out") / "signs-program"
    assert main(["finetune", str(folder), "--out", str(place), "--epochs", "1", "--frozen-epochs", "8", "--quiet"]) == 0
    return place


def test_finetune_writes_program_and_report(out):
    names = {p.name for p in out.iterdir()}
    assert names == {"program.safetensors", "report.html", "curves.png", "confusions.png", "worst.png"}
    program = load(out)
    assert program.labels == ["cross <b>", "ring"] and program.card["scores"]["accuracy"] >= 0.75
    for name in ("curves.png", "confusions.png", "worst.png"):
        Image.open(out / name).verify()
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 3 and not re.search(r"(src|href)=.(?!data:)", page)
    assert "notes.txt" in page and "cut.png" in page and "cross &lt;b&gt;" in page and "<b>" not in page


def test_finetune_tells_what_it_did(folder, tmp_path, capsys):
    args = [
        "finetune",
        str(folder),
        "--out",
        str(tmp_path / "o"),
        "--epochs",
        "0",
        "--frozen-epochs",
        "2",
        "--seed",
        "1",
    ]
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert main(args) == 0
    told = capsys.readouterr()
    assert "left out" in told.out and "notes.txt: not a picture" in told.out and "cut.png: damaged" in told.out
    assert re.search(r"epoch +learning +training loss +held-out loss +accuracy", told.out)
    assert "the head" in told.out and "report.html" in told.out and "learning" in told.err
    assert before == {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_predict_prints_a_table_and_goes_on_past_bad_files(out, folder, capsys):
    files = [str(folder / "ring" / "1.png"), "nowhere.png", str(folder / "cross <b>" / "2.png")]
    assert main(["predict", str(out), *files]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4 and "ring" in lines[1] and "nowhere.png: no such file" in lines[2] and "cross" in lines[3]
    assert main(["predict", str(out / "program.safetensors"), files[0]]) == 0


def test_predict_json_is_one_array(out, folder, capsys):
    assert main(["predict", str(out), "--json", str(folder / "ring"), "nowhere.png"]) == 1
    answers = json.loads(capsys.readouterr().out)
    assert len(answers) == 12 + 2 + 1
    good = [a for a in answers if "error" not in a]
    assert len(good) == 12 and all(set(a) == {"file", "label", "probability", "probabilities"} for a in good)
    assert all(abs(sum(a["probabilities"].values()) - 1) < 1e-4 for a in good)
    assert all(a["probability"] == a["probabilities"][a["label"]] == max(a["probabilities"].values()) for a in good)
    assert {Path(a["file"]).name for a in answers if "error" in a} == {"notes.txt", "cut.png", "nowhere.png"}
    (out.parent / "empty").mkdir()
    assert main(["predict", str(out), "--json", str(out.parent / "empty")]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_predict_streams(out, folder):
    command = [sys.executable, "-m", "dljourney.course", "predict", str(out), *[str(folder / "ring" / "1.png")] * 200]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    first = [process.stdout.readline() for _ in range(2)]
    rest = process.stdout.read()
    assert process.wait() == 0 and "ring" in first[1] and len(rest.splitlines()) == 199


@pytest.mark.parametrize("args, told", [
    (["finetune", "nowhere"], "not a folder"),
    (["finetune", "{folder}", "--model", "no-such-model"], "no model"),
    (["finetune", "{folder}", "--valid", "1.5"], "valid"),
    (["finetune", "{folder}/ring"], "one subfolder a class"),
    (["predict", "nowhere", "x.png"], "no program"),
    (["predict", "{folder}/ring/0.png", "x.png"], "not a model file"),
])  # fmt: skip
def test_errors_end_with_status_2_and_a_sentence(args, told, folder, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([a.format(folder=folder) for a in args]) == 2
    err = capsys.readouterr().err
    assert told in err and "Traceback" not in err


def test_an_interrupted_run_resumes(folder, tmp_path, capsys, monkeypatch):
    import dljourney.transfer as transfer

    args = ["finetune", str(folder), "--epochs", "2", "--frozen-epochs", "2", "--quiet", "--out"]
    assert main([*args, str(tmp_path / "whole")]) == 0
    real, n = transfer.FineTuning.__next__, [0]

    def stop_at_the_third(self):
        n[0] += 1
        if n[0] == 3:
            raise KeyboardInterrupt
        return real(self)

    monkeypatch.setattr(transfer.FineTuning, "__next__", stop_at_the_third)
    assert main([*args, str(tmp_path / "part")]) == 130
    assert "--resume" in capsys.readouterr().err and not (tmp_path / "part" / "program.safetensors").exists()
    monkeypatch.undo()
    assert main([*args, str(tmp_path / "part"), "--resume", "--lr", "0.1"]) == 2
    assert "other settings" in capsys.readouterr().err
    assert main([*args, str(tmp_path / "part"), "--resume"]) == 0
    files = [(tmp_path / name / "program.safetensors").read_bytes() for name in ("whole", "part")]
    assert files[0] == files[1] and not list((tmp_path / "part").glob("training*"))


def test_help_shows_examples(capsys):
    for command in ("finetune", "predict"):
        with pytest.raises(SystemExit) as end:
            main([command, "--help"])
        assert end.value.code == 0 and "examples:" in capsys.readouterr().out
