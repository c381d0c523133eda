"`dljourney finetune` and `dljourney predict`, from a messy folder to answers in a terminal."

import base64
import contextlib
import io
import json
import os
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from dljourney.cli.course import main
from dljourney.kit.models import own_weights
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


FIGURES = {"curves.png", "confusions.png", "scores.png"}


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
    args = ["finetune", str(folder), "--epochs", "1", "--frozen-epochs", "8", "--quiet"]
    assert main([*args, "--out", str(place)]) == 0
    return place


def test_finetune_writes_program_and_report(out):
    names = {p.name for p in out.iterdir()}
    assert names == {"program.safetensors", "report.html", "labels.csv"} | FIGURES
    program = load(out)
    assert program.labels == ["cross <b>", "ring"] and program.card["scores"]["accuracy"] >= 0.75
    for name in FIGURES:
        Image.open(out / name).verify()
    page = (out / "report.html").read_text(encoding="utf-8")
    n_held = program.card["scores"]["pictures"]
    assert page.count("data:image/png;base64,") == 3 + n_held == 3 + page.count("image/jpeg")
    assert not re.search(r"(src|href)=.(?!data:)", page)
    assert "notes.txt" in page and "cut.png" in page
    assert "cross &lt;b&gt;" in page and "<b>" not in page.replace("<b>Careful:</b>", "")


def test_finetune_tells_what_it_did(folder, tmp_path, capsys):
    args = ["finetune", str(folder), "--out", str(tmp_path / "o"), "--epochs", "0",
            "--frozen-epochs", "2", "--seed", "1"]
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert main(args) == 0
    told = capsys.readouterr()
    assert "left out" in told.out and "cut.png: damaged" in told.out
    assert "notes.txt: not a picture" in told.out
    assert re.search(r"epoch +learning +training loss +held-out loss +accuracy", told.out)
    assert "the head" in told.out and "report.html" in told.out and "learning" in told.err
    assert before == {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_predict_prints_a_table_and_goes_on_past_bad_files(out, folder, capsys):
    files = [str(folder / "ring" / "1.png"), "nowhere.png", str(folder / "cross <b>" / "2.png")]
    assert main(["predict", str(out), *files]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4 and "ring" in lines[1] and "cross" in lines[3]
    assert "nowhere.png: no such file" in lines[2]
    assert main(["predict", str(out / "program.safetensors"), files[0]]) == 0


def test_predict_json_is_one_array(out, folder, capsys):
    assert main(["predict", str(out), "--json", str(folder / "ring"), "nowhere.png"]) == 1
    answers = json.loads(capsys.readouterr().out)
    assert len(answers) == 12 + 2 + 1
    good = [a for a in answers if "error" not in a]
    fields = {"file", "label", "probability", "probabilities"}
    assert len(good) == 12 and all(set(a) == fields for a in good)
    assert all(abs(sum(a["probabilities"].values()) - 1) < 1e-4 for a in good)
    for a in good:
        found = a["probabilities"]
        assert a["probability"] == found[a["label"]] == max(found.values())
    bad = {Path(a["file"]).name for a in answers if "error" in a}
    assert bad == {"notes.txt", "cut.png", "nowhere.png"}
    (out.parent / "empty").mkdir()
    assert main(["predict", str(out), "--json", str(out.parent / "empty")]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_labels_of_a_foreign_program_cannot_command_the_terminal(tmp_path, capsys):
    from torch import nn

    from dljourney.kit.pictures import Preprocess
    from dljourney.program import save

    label = "\x1b[2J\x1b[1;1Hdog"
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    nn.init.constant_(net[1].bias, 0.0)
    net[1].bias.data[0] = 9
    file = save(net, tmp_path / "p.safetensors", [label, "cat"], preprocess=Preprocess((8, 8), 1))
    drawing("ring", 1).save(tmp_path / "1.png")
    assert main(["predict", str(file), str(tmp_path / "1.png")]) == 0
    told = capsys.readouterr().out
    assert "\x1b" not in told and "\ufffd[2J\ufffd[1;1Hdog" in told
    assert main(["predict", str(file), "--json", str(tmp_path / "1.png")]) == 0
    told = capsys.readouterr().out
    # JSON escapes, and loses nothing
    assert "\x1b" not in told and json.loads(told)[0]["label"] == label


def test_finetune_leaves_the_callers_dice_alone(signs, tmp_path, monkeypatch):
    import torch

    from dljourney.cli.finetune import finetune_folder

    torch.manual_seed(5)
    want = torch.rand(3)
    for stop in (False, True):
        torch.manual_seed(5)
        with monkeypatch.context() as patch:
            if stop:
                stopped_after(1, patch, SystemExit)
            try:
                finetune_folder(signs, tmp_path / f"{stop}", epochs=1, frozen_epochs=1, quiet=True)
            except SystemExit:
                assert stop
        assert torch.equal(torch.rand(3), want)


def test_predict_streams(out, folder):
    pictures = [str(folder / "ring" / "1.png")] * 200
    command = [sys.executable, "-m", "dljourney.cli.course", "predict", str(out), *pictures]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    first = [process.stdout.readline() for _ in range(2)]
    rest = process.stdout.read()
    assert process.wait() == 0 and "ring" in first[1] and len(rest.splitlines()) == 199


@pytest.mark.parametrize("args, told", [
    (["finetune", "nowhere"], "not a folder"),
    (["finetune", "{folder}", "--model", "no-such-model"], "no model"),
    (["finetune", "{folder}", "--valid", "1.5"], "valid"),
    (["finetune", "{folder}/ring"], "one subfolder a class, or labels: a CSV file"),
    (["finetune", "{folder}", "--labels", "nowhere.csv"],
     "labels: expected a CSV file, found none at nowhere.csv, nor at "),
    (["finetune", "{folder}", "--labels", "{folder}/ring/0.png"],
     "labels: expected a CSV file in UTF-8"),
    (["finetune", "{folder}", "--size", "7"], "size: expected 16 or more, got 7"),
    (["finetune", "{folder}", "--size", "20000"], "size: "),
    (["finetune", "{folder}", "--model", "inception_v3", "--size", "20"],
     "size: inception_v3 cannot work on 20 x 20 pixels"),
    (["predict", "nowhere", "x.png"], "no program"),
    (["predict", "{folder}/ring/0.png", "x.png"], "not a model file"),
    (["predict", "{folder}/ring/notes.txt", "x.png"], "not a model file"),
])  # fmt: skip
def test_errors_end_with_status_2_and_a_sentence(args, told, folder, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([a.format(folder=folder) for a in args]) == 2
    err = capsys.readouterr().err
    assert told in err and "Traceback" not in err
    assert "labels=" not in err and "Errno" not in err


@pytest.mark.parametrize("name", ["report.html", "curves.png"])
def test_a_file_that_is_no_program_is_not_to_be_fetched_again(name, out, capsys):
    assert main(["predict", str(out / name), "x.png"]) == 2
    err = capsys.readouterr().err
    assert "fetch the file" not in err and "give the .safetensors file" in err
    (out.parent / "cut.safetensors").write_bytes((out / "program.safetensors").read_bytes()[:5000])
    assert main(["predict", str(out.parent / "cut.safetensors"), "x.png"]) == 2
    assert "fetch the file again" in capsys.readouterr().err


def test_an_empty_folder_is_told(out, tmp_path, capsys):
    (tmp_path / "empty" / ".hidden").mkdir(parents=True)
    assert main(["predict", str(out), str(tmp_path / "empty")]) == 0
    told = capsys.readouterr()
    assert told.err == f"{tmp_path / 'empty'}: a folder without a file\n"
    assert told.out.split() == ["probability", "label", "file"]


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
    assert "--resume" in capsys.readouterr().err
    assert not (tmp_path / "part" / "program.safetensors").exists()
    monkeypatch.undo()
    assert main([*args, str(tmp_path / "part"), "--resume", "--lr", "0.1"]) == 2
    assert "other settings" in capsys.readouterr().err
    assert main([*args, str(tmp_path / "part"), "--resume"]) == 0
    files = [(tmp_path / name / "program.safetensors").read_bytes() for name in ("whole", "part")]
    assert files[0] == files[1] and not list((tmp_path / "part").glob("training*"))


QUICK = ["--epochs", "1", "--frozen-epochs", "1", "--quiet"]
NFC, NFD = (unicodedata.normalize(form, "été") for form in ("NFC", "NFD"))


def draw_folder(root, kinds=("ring", "cross"), n=6):
    for kind in kinds:
        (root / kind).mkdir(parents=True, exist_ok=True)
        for i in range(n):
            drawing(kind, i).save(root / kind / f"{i}.png")
    return root


@pytest.fixture
def signs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return draw_folder(tmp_path / "signs")


def stopped_after(n, monkeypatch, problem=KeyboardInterrupt):
    "From now on, step n + 1 of a training raises."
    import dljourney.transfer as transfer

    real, made = transfer.FineTuning.__next__, []

    def step(self):
        if len(made) == n:
            raise problem
        made.append(1)
        return real(self)

    monkeypatch.setattr(transfer.FineTuning, "__next__", step)


@pytest.mark.parametrize("place", [".", "signs", "signs/ring/program"])
def test_a_second_run_does_not_learn_from_the_first_ones_report(place, signs, monkeypatch, capsys):
    args = ["finetune", str(signs), *QUICK, *([] if place == "." else ["--out", place])]
    if place == ".":
        monkeypatch.chdir(signs)
        args[1] = "."
    for _ in range(2):
        assert main(args) == 0
    told = capsys.readouterr().out
    where = signs.parent / place if place != "." else signs / "signs-program"
    assert load(where).labels == ["cross", "ring"]
    assert told.count(" of 2 held-out pictures are named rightly") == 2
    assert place == "signs" or "holds a program" in told
    (where / "program.safetensors").unlink()
    assert main(args) == 0 and load(where).labels == ["cross", "ring"]


@pytest.mark.parametrize("more, told", [
    (["--epochs", "0", "--frozen-epochs", "0"], "epochs: expected one or more"),
    (["--valid", "0"], "valid: expected a share above 0"),
    (["--lr", "1e12", "--epochs", "2", "--frozen-epochs", "0"], "learning rate"),
])  # fmt: skip
def test_a_hopeless_run_ends_with_status_2_and_a_sentence(more, told, signs, capsys):
    assert main(["finetune", "signs", *QUICK, *more]) == 2
    err = capsys.readouterr().err
    assert told in err and err.startswith("dljourney finetune: ") and "Traceback" not in err


def test_a_class_may_be_called_anything(tmp_path, capsys):
    draw_folder(tmp_path / "p", ("$^$", "$\\frac$ $"))
    assert main(["finetune", str(tmp_path / "p"), *QUICK, "--out", str(tmp_path / "o")]) == 0
    assert load(tmp_path / "o").labels == ["$\\frac$ $", "$^$"]
    assert (tmp_path / "o" / "confusions.png").is_file()
    assert r"$\frac$ $</em>" in (tmp_path / "o" / "report.html").read_text(encoding="utf-8")


def changes():
    "What happens to the pictures between two runs, and what is told."

    def added(signs):
        drawing("ring", 77).save(signs / "ring" / "77.png")

    def renamed(signs):
        (signs / "ring" / "5.png").rename(signs / "ring" / "x.png")

    def named_anew(signs):
        (signs / "ring").rename(signs / "wheel")

    pictures = "other pictures: 10 to train and 2 held out, now"
    classes = "other classes: cross, ring, now"
    return {
        "a class more": (lambda signs: draw_folder(signs, ["dot"]), f"{classes} cross, dot, ring"),
        "a class renamed": (named_anew, f"{classes} cross, wheel"),
        "a picture more": (added, f"{pictures} 11 to train and 2 held out"),
        "a picture renamed":
            (renamed, f"{pictures} 10 to train and 2 held out, but not the same files"),
    }


@pytest.mark.parametrize("change", changes())
def test_resuming_on_a_folder_that_changed_is_refused(change, signs, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        stopped_after(1, patch)
        assert main(["finetune", "signs", *QUICK]) == 130
    before = {p.name: p.read_bytes() for p in (signs.parent / "signs-program").iterdir()}
    make, told = changes()[change]
    make(signs)
    assert main(["finetune", "signs", *QUICK, "--resume"]) == 2
    err = capsys.readouterr().err
    assert told in err and "signs-program holds a run with other" in err
    assert before == {p.name: p.read_bytes() for p in (signs.parent / "signs-program").iterdir()}


def test_the_same_folder_by_another_name_is_resumed(signs, monkeypatch, capsys):
    rows = [f"{kind}/{i}.png,{kind}" for kind in ("ring", "cross") for i in range(6)]
    (signs / "l.csv").write_text("\n".join(["file,label", *rows]))
    for name, table in [("./signs/", "signs/l.csv"), (str(signs), str(signs / "l.csv"))]:
        with monkeypatch.context() as patch:
            stopped_after(1, patch)
            assert main(["finetune", "signs", "--labels", "l.csv", *QUICK]) == 130
        assert main(["finetune", name, "--labels", table, *QUICK, "--resume"]) == 0


def test_nothing_to_resume_is_told_and_the_run_is_as_any_other(signs, capsys):
    assert main(["finetune", "signs", *QUICK, "--resume"]) == 0
    assert capsys.readouterr().err == "There is nothing to resume, so this run begins anew.\n"
    assert main(["finetune", "signs", *QUICK, "--out", "whole"]) == 0
    assert everything(Path("signs-program")) == everything(Path("whole"))


@pytest.mark.parametrize("disk, typed", [(NFC, NFD), (NFD, NFC)])
def test_accents_may_be_written_in_another_way_than_the_disk_has_them(
    disk, typed, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    root = draw_folder(tmp_path / disk)
    rows = [f"{p.parent.name}/{p.name},{p.parent.name}" for p in root.rglob("*.png")]
    (root / f"{disk}.csv").write_text("\n".join(["file,label", *rows]))
    (tmp_path / f"{disk}-o").mkdir()
    args = ["finetune", typed, *QUICK, "--labels", f"{typed}.csv", "--out", f"{typed}-o"]
    with monkeypatch.context() as patch:
        stopped_after(1, patch)
        assert main(args) == 130
    args[1] = disk
    assert main([*args, "--resume"]) == 0 and "nothing to resume" not in capsys.readouterr().err
    assert main(["predict", f"{typed}-o", "--json", typed, f"{typed}/r*/0.png"]) == 1
    answers = json.loads(capsys.readouterr().out)
    assert len(answers) == 14 and [a["file"][-3:] for a in answers if "error" in a] == ["csv"]
    assert sorted(os.listdir(tmp_path)) == sorted([disk, f"{disk}-o"])
    weights = (tmp_path / f"{disk}-o" / "program.safetensors").rename(f"{disk}.safetensors")
    assert load(f"{typed}.safetensors").labels == ["cross", "ring"] and weights.is_file()
    assert own_weights(f"{typed}.safetensors").is_file()


def test_a_damaged_note_is_told(signs, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        stopped_after(1, patch)
        assert main(["finetune", "signs", *QUICK]) == 130
    for text in ("{", "[1]", '{"lr": 1}'):
        (signs.parent / "signs-program" / "training.json").write_text(text)
        assert main(["finetune", "signs", *QUICK, "--resume"]) == 2
        assert "a note that cannot be read" in capsys.readouterr().err


def test_a_new_run_does_not_pass_off_an_old_checkpoint_as_its_own(signs, monkeypatch, capsys):
    place, kept = signs.parent / "signs-program", []
    def contents(*names): return [(place / name).read_bytes() for name in names]
    # the later ones are killed before their first checkpoint
    for n, lr in [(1, "1e-4"), (0, "1e-5"), (0, "1e-6")]:
        with monkeypatch.context() as patch:
            stopped_after(n, patch, KeyboardInterrupt if n else SystemExit)
            try:
                assert main(["finetune", "signs", *QUICK, "--lr", lr]) == 130
                kept += contents("training.safetensors", "training.json")
            except SystemExit:
                assert not (place / "training.safetensors").exists()
    assert "is kept as" in capsys.readouterr().err
    assert contents("training-1.safetensors", "training-1.json") == kept
    assert main(["finetune", "signs", *QUICK, "--lr", "1e-6", "--resume"]) == 0
    assert main(["finetune", "signs", *QUICK, "--lr", "1e-6", "--out", "fresh"]) == 0
    program, fresh = contents("program.safetensors", "../fresh/program.safetensors")
    assert program == fresh
    # the first run may still be taken up
    for name in ("training-1.safetensors", "training-1.json"):
        (place / name).rename(place / name.replace("-1", ""))
    assert main(["finetune", "signs", *QUICK, "--lr", "1e-4", "--resume"]) == 0


@pytest.mark.parametrize("name, problem, status", [
    ("save", OSError(28, "No space left on device"), 2),
    ("predict", KeyboardInterrupt(), 130),
])  # fmt: skip
def test_what_fails_after_training_does_not_lose_the_training(
    name, problem, status, signs, monkeypatch, capsys
):
    from dljourney.cli import finetune

    def fail(*args, **more):
        raise problem

    with monkeypatch.context() as patch:
        patch.setattr(finetune, name, fail)
        assert main(["finetune", "signs", *QUICK]) == status
    assert "--resume" in capsys.readouterr().err
    with monkeypatch.context() as patch:
        stopped_after(0, patch, StopIteration)  # there is nothing more to learn
        assert main(["finetune", "signs", *QUICK, "--resume"]) == 0
    assert main(["finetune", "signs", *QUICK, "--out", "whole"]) == 0
    whole, again = (everything(Path(place)) for place in ("whole", "signs-program"))
    assert set(whole) == set(again)
    assert whole["program.safetensors"] == again["program.safetensors"]


def everything(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def test_a_second_run_keeps_what_the_first_one_wrote(signs, capsys):
    "The same again changes nothing; another keeps program, pages and pictures under one number."
    place, now, kept = signs.parent / "signs-program", {}, {}
    for n, more in enumerate([[], [], ["--seed", "1"], ["--seed", "2"]]):
        assert main(["finetune", "signs", *QUICK, *more]) == 0
        told, files = capsys.readouterr().err, everything(place)
        assert all(files[name] == data for name, data in kept.items())
        if n < 2:
            assert not told and len(files) == 6 and (not now or files == now)
        else:
            changed = {Path(name): data for name, data in now.items() if data != files[name]}
            assert {"program.safetensors", "report.html"} <= set(map(str, changed))
            aside = {f"{p.stem}-{n - 1}{p.suffix}": data for p, data in changed.items()}
            assert told.count("\n") == 1 and "kept as" in told
            assert all(name in told for name in aside)
            kept |= aside
            assert set(files) == set(now) | set(kept) and aside.items() <= files.items()
        now = {name: data for name, data in files.items() if name not in kept}
    assert load(place / "program-1.safetensors").labels == ["cross", "ring"]
    assert main(["predict", str(place), str(signs / "ring" / "1.png")]) == 0


def test_finetune_into_a_folder_of_other_things_loses_none_of_them(signs, capsys):
    mine = signs.parent / "mine"
    mine.mkdir()
    pairs = {"report.html": "report-1.html", "curves.png": "curves-1.png",
             "program.safetensors": "program-1.safetensors", "training.json": "training-2.json",
             "training-1.json": "training-1.json"}
    for name in pairs:
        (mine / name).write_text(f"my {name}")
    (mine / "scores.png").mkdir()
    assert main(["finetune", "signs", *QUICK, "--out", "mine"]) == 0
    told = capsys.readouterr().err
    for old, new in pairs.items():
        assert (mine / new).read_text() == f"my {old}" and (new in told or old == new)
    assert (mine / "scores-1.png").is_dir() and (mine / "scores.png").is_file() and load(mine)
    assert len(list(mine.iterdir())) == 6 + 6


def test_two_folders_of_one_name_do_not_take_each_others_program(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for top, kinds in (("A", ("ring", "cross")), ("B", ("dot", "star"))):
        draw_folder(tmp_path / top / "photos", kinds)
        assert main(["finetune", f"{top}/photos", *QUICK]) == 0
    assert load("photos-program").labels == ["dot", "star"]
    assert load("photos-program/program-1.safetensors").labels == ["cross", "ring"]
    assert "program-1.safetensors" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["save", "write_report"])
def test_a_second_run_that_fails_at_its_end_leaves_the_first_ones(name, signs, monkeypatch, capsys):
    from dljourney.cli import finetune

    assert main(["finetune", "signs", *QUICK]) == 0
    place = signs.parent / "signs-program"
    before = everything(place)

    def fail(*args, **more):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(finetune, name, fail)
        assert main(["finetune", "signs", *QUICK, "--seed", "1"]) == 2
    after = everything(place)
    new = set(after) - set(before)
    assert before.items() <= after.items() and new == {"training.safetensors", "training.json"}
    assert main(["finetune", "signs", *QUICK, "--seed", "1", "--resume"]) == 0
    assert (place / "program-1.safetensors").read_bytes() == before["program.safetensors"]


def test_a_run_that_ends_early_leaves_no_pile_of_notes(signs, monkeypatch, capsys):
    stopped_after(0, monkeypatch, OSError("no power"))
    for lr in ("1e-3", "1e-4", "1e-5"):
        assert main(["finetune", "signs", *QUICK, "--lr", lr]) == 2
    assert "kept" not in capsys.readouterr().err
    assert [p.name for p in (signs.parent / "signs-program").iterdir()] == ["training.json"]


def test_a_report_is_written_again_beside_what_differs(signs, tmp_path, capsys):
    from dljourney.cli.finetune import finetune_folder, write_report

    result = finetune_folder(signs, tmp_path / "o", epochs=1, frozen_epochs=0, quiet=True)
    report = result.program.with_name("report.html")
    report.write_text("annotated by me")
    assert write_report(result) == report and "<h2>" in report.read_text(encoding="utf-8")
    assert report.with_stem("report-1").read_text() == "annotated by me"
    assert "report-1.html" in capsys.readouterr().err
    names = {"program.safetensors", "report.html", "report-1.html", "labels.csv"}
    assert set(everything(tmp_path / "o")) == names | FIGURES - {"curves.png"}  # of one epoch


def test_predict_passes_over_what_is_hidden_in_a_folder(out, tmp_path, capsys):
    folder = draw_folder(tmp_path / ".mine" / "p", ["ring"], 2)
    for hidden in (".git", ".ipynb_checkpoints", "ring/.cache"):
        (folder / hidden / "deeper").mkdir(parents=True)
        drawing("ring", 1).save(folder / hidden / "deeper" / "1.png")
    assert main(["predict", str(out), "--json", str(folder)]) == 0
    answers = json.loads(capsys.readouterr().out)
    assert [a["file"] for a in answers] == [str(folder / "ring" / f"{i}.png") for i in (0, 1)]


@pytest.mark.parametrize("place, told", [
    ("https://example.com/x", "out: expected a path on this machine"),
    ("mine.txt", "out: expected a folder, or a new name for one"),
    ("mine.txt/deeper", "out: expected a folder, or a new name for one"),
])  # fmt: skip
def test_pretraining_looks_at_its_place_before_it_draws(place, told, tmp_path, monkeypatch, capsys):
    from dljourney.cli import pretrain

    monkeypatch.chdir(tmp_path)
    Path("mine.txt").write_text("mine")
    monkeypatch.setattr(pretrain, "source_bank", None)
    with pytest.raises(SystemExit) as end:
        pretrain.main(["--steps", "1", "--out", place])
    assert end.value.code == 2 and told in capsys.readouterr().err


def test_help_shows_examples(capsys):
    for command in ("finetune", "predict"):
        with pytest.raises(SystemExit) as end:
            main([command, "--help"])
        assert end.value.code == 0 and "examples:" in capsys.readouterr().out


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    "Runs by a path from the root on, over a folder with small classes; what they wrote and told."
    home = tmp_path_factory.mktemp("alice")
    folder = draw_folder(home / "pictures" / "signs")
    draw_folder(folder, ["dot"], 1)
    (folder / "phone").mkdir()
    for name in ("notes.txt", "phone/1.heic", "ring/cut.png"):
        (folder / name).write_bytes(b"\0\0\0\x18ftypheic")
    files = [p for p in sorted(folder.rglob("*.*")) if p.parent != folder]
    rows = [f"{p.relative_to(folder).as_posix()},{p.parent.name}" for p in files]
    table = home / "labels.csv"
    table.write_text("\n".join(["file,label", *rows, f"{home}/secret.png,ring"]))
    runs = {}
    for name, more in (("by-folder", []), ("by-table", ["--labels", str(table)])):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main(["finetune", str(folder), *QUICK, "--out", str(home / name), *more])
        runs[name] = status, out.getvalue(), err.getvalue()
    return home, runs


def test_each_score_stands_beside_its_interval(odd, capsys):
    from dljourney.kit.intervals import measured, sure, wilson

    home, runs = odd
    told = runs["by-folder"][1]
    found = re.search(r"^(\d) of (\d) held-out pictures are named rightly", told, re.M)
    right, n = map(int, found.groups())
    page = (home / "by-folder" / "report.html").read_text(encoding="utf-8")
    for text in (told, page.replace("<", "\n<")):
        assert n == 2 and f"named rightly: {measured(right, n)}." in text
        epochs = re.findall(r"^ +[12]  .* ([01]\.\d{3})  (\d+% to \d+%)$", text, re.M)
        assert len(epochs) == 2
        assert all(how_sure == sure(round(float(a) * n), n) for a, how_sure in epochs)
        classes = re.findall(r"^(cross|dot|ring) +(\d) +(\d) +(\d)  (.*)$", text, re.M)
        counts = [(name, int(n_train), int(n_held)) for name, n_train, n_held, *_ in classes]
        assert counts == [("cross", 5, 1), ("dot", 1, 0), ("ring", 5, 1)]
        told_of = [how_sure for *_, how_sure in classes]
        assert told_of == [sure(int(classes[0][3]), 1), "unknown", sure(int(classes[2][3]), 1)]
    scores = load(home / "by-folder").card["scores"]
    assert scores["pictures"] == n
    assert (scores["accuracy_low"], scores["accuracy_high"]) == wilson(right, n)
    assert main(["predict", str(home / "by-folder"), "--json", str(home / "pictures")]) == 1
    answers, told = capsys.readouterr()
    known = [a for a in json.loads(answers) if "label" in a]
    right = sum(a["label"] == Path(a["file"]).parent.name for a in known)
    assert len(known) == 13
    assert f"Of 13 pictures in folders that are named like a label, {right} are named" in told
    assert str(measured(right, 13)) in told


def test_a_class_that_is_too_small_is_told_once_and_is_exit_status_1(odd):
    home, runs = odd
    remarks = [
        "fewer than two pictures to train on: dot 1; add some",
        "none held out, so no score tells how well they are named: dot; add some",
        "no picture could be read, so these are not learned: phone",
    ]
    for name, (status, out, err) in runs.items():
        assert status == 1
        page = (home / name / "report.html").read_text(encoding="utf-8")
        assert err == "".join(f"Careful: {remark}\n" for remark in remarks)
        for text in (out + err, page):
            assert [text.count(remark) for remark in remarks] == [1, 1, 1]


def test_the_hint_for_another_folder_tells_nobody_where_that_stands(tmp_path, capsys):
    signs = tmp_path / "alice" / "signs"
    for part in ("train", "valid"):
        draw_folder(signs / "photos" / part, n=2)
    draw_folder(signs, ["docs"])
    assert main(["finetune", str(signs), *QUICK, "--out", str(tmp_path / "o")]) == 1
    hint = "the classes seem to stand in {}: give that folder"
    assert hint.format(signs / "photos") in capsys.readouterr().err
    page = (tmp_path / "o" / "report.html").read_text(encoding="utf-8")
    assert hint.format("photos") in page and "alice" not in page


def test_what_is_made_to_be_shared_does_not_tell_where_it_was_made(odd, tmp_path):
    "Neither the folder's path nor anybody's home nor where Python is, in any of its files."
    from dljourney.program import export_onnx

    home, runs = odd
    places = [str(home), str(Path.home()), sys.prefix, str(Path(__file__).parent.parent)]
    export_onnx(load(home / "by-table"), home / "by-table" / "program.onnx")
    for name in runs:
        files = {p.name: p.read_bytes() for p in (home / name).iterdir()}
        assert len(files) == 6 + (name == "by-table")
        for p in (home / name).glob("*.png"):
            files[f"{p.name}'s notes"] = repr(Image.open(p).info).encode()
            assert base64.b64encode(files[p.name]) in files["report.html"]
        for place in map(os.fsencode, places):
            assert not [file for file, data in files.items() if place in data]
    assert load(home / "by-table").card["settings"]["folder"] == "signs"
    assert load(home / "by-table").card["settings"]["labels"] == "labels.csv"


def test_paths_that_people_type_are_not_in_the_card_either(signs, monkeypatch):
    monkeypatch.chdir(signs)
    assert main(["finetune", ".", *QUICK, "--out", "../o"]) == 0
    assert load("../o").card["settings"]["folder"] == "signs"


def test_a_class_with_one_picture_to_train_on_is_told_too(tmp_path, capsys):
    draw_folder(tmp_path / "p", n=2)
    assert main(["finetune", str(tmp_path / "p"), *QUICK, "--out", str(tmp_path / "o")]) == 1
    told = "Careful: fewer than two pictures to train on: cross 1, ring 1; add some\n"
    assert capsys.readouterr().err == told


def test_an_error_says_nothing_twice(tmp_path, capsys):
    draw_folder(tmp_path / "p", n=1)
    (tmp_path / "p" / "ring" / "cut.png").write_bytes(b"junk")
    assert main(["finetune", str(tmp_path / "p"), *QUICK]) == 2
    err = capsys.readouterr().err
    assert "cross 1, ring 1" in err and err.count("cut.png") == 1
    assert err.count("cross") == err.count("ring 1") == 1 and "\n" not in err[:-1]


def parts(signs):
    for kind in ("ring", "cross"):
        (signs / "train").mkdir(exist_ok=True)
        (signs / kind).rename(signs / "train" / kind)
    draw_folder(signs / "valid", ["ring", "dot"], 2)


def deeper(signs):
    signs.rename(signs.with_name("x"))
    signs.mkdir()
    signs.with_name("x").rename(signs / "unpacked")


def alone(signs):
    (signs / "ring").rename(signs.with_name("away"))


@pytest.mark.parametrize("change, told", [
    (parts, ["folder: expected pictures to train on in each class, got none in dot; add some"]),
    (deeper, ["got one, unpacked; the classes seem to stand in "
              f"{Path('signs', 'unpacked')}: give that folder"]),
    (alone, ["got one, cross; give each class a subfolder of its own, or a label in the table"]),
])  # fmt: skip
def test_a_folder_with_nothing_to_learn_is_an_error(change, told, signs, capsys):
    change(signs)
    assert main(["finetune", "signs", *QUICK]) == 2
    err = capsys.readouterr().err
    assert all(words in err for words in told) and not Path("signs-program").exists()


@pytest.mark.parametrize("place", ["mine.txt", "mine.txt/deeper/still"])
def test_a_file_in_the_place_of_the_results_is_told_before_anything_is_read(
    place, signs, monkeypatch, capsys
):
    from dljourney.cli import finetune

    Path("mine.txt").write_text("mine")
    monkeypatch.setattr(finetune, "photos", None)
    assert main(["finetune", "signs", *QUICK, "--out", place]) == 2
    told = f"out: expected a folder, or a new name for one, got {Path(place)}, but mine.txt is a "
    assert f"{told}file" in capsys.readouterr().err
    assert Path("mine.txt").read_text() == "mine"


def test_own_weights_are_a_way_out_without_the_network(signs, tmp_path, monkeypatch, capsys):
    import safetensors.torch
    import timm
    import torch

    from dljourney.cli import finetune

    with monkeypatch.context() as patch:
        patch.setattr(finetune, "photos", None)  # told before anything is read
        assert main(["finetune", "signs", *QUICK, "--model", "test_resnet"]) == 2
        told = capsys.readouterr().err
        assert "--weights model.safetensors" in told and "leave out --model" in told
        assert "pretrained(" not in told
        assert main(["finetune", "signs", *QUICK, "--weights", "nowhere.safetensors"]) == 2
        assert "weights: no file at nowhere.safetensors" in capsys.readouterr().err
    torch.manual_seed(3)
    state = timm.create_model("test_resnet").state_dict()
    own = str(tmp_path / "own.safetensors")
    safetensors.torch.save_file({name: t.contiguous() for name, t in state.items()}, own)
    args = ["finetune", "signs", "--epochs", "0", "--frozen-epochs", "1", "--quiet", "--size", "32"]
    assert main([*args, "--model", "test_resnet", "--weights", own]) == 0
    program = load("signs-program")
    learned = program.model.state_dict()
    assert all(torch.equal(learned[name], state[name]) for name in state if name[:3] != "fc.")
    assert program.card["settings"]["weights"] == "own.safetensors"
    files = [p.read_bytes() for p in Path("signs-program").iterdir()]
    assert not [1 for data in files if os.fsencode(tmp_path) in data]


def test_a_picture_comes_through_standard_input(out, folder, tmp_path, monkeypatch, capsys):
    picture = folder / "ring" / "1.png"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(picture.read_bytes())))
    assert main(["predict", str(out), "--json", "-", str(picture)]) == 0
    piped, read = json.loads(capsys.readouterr().out)
    assert piped == read | {"file": "-"}
    assert main(["predict", str(out), "-"]) == 1
    assert "-: the file is empty" in capsys.readouterr().out
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    assert main(["predict", str(out), "-"]) == 1 and "send a picture" in capsys.readouterr().out


def test_patterns_are_expanded_where_the_shell_leaves_them(out, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(draw_folder(tmp_path / "p", n=2))
    drawing("ring", 1).save("ring/[1].png")
    patterns = ["ring/*.png", "*/0.png", "**/1.png", "r?ng", "ring/[1].png", "*.jpg"]
    assert main(["predict", str(out), "--json", *patterns]) == 1
    answers = json.loads(capsys.readouterr().out)
    ring = ["ring/0.png", "ring/1.png", "ring/[1].png"]
    want = [*ring, "cross/0.png", "ring/0.png", "cross/1.png", "ring/1.png", *ring, "ring/[1].png",
            "*.jpg"]
    assert [Path(a["file"]).as_posix() for a in answers] == want
    assert [a.get("error") for a in answers] == [None] * (len(want) - 1) + ["no such file"]


def test_an_address_is_told_to_be_downloaded_first(out, folder, capsys):
    address = "https://example.com/cat.jpg"
    assert main(["predict", str(out), "--json", address, str(folder / "ring" / "1.png")]) == 1
    bad, good = json.loads(capsys.readouterr().out)
    assert bad["file"] == address and "download the picture" in bad["error"]
    assert good["label"] == "ring"
    for name, args in [
        ("program", ["predict", address, "x.png"]),
        ("program", ["predict", "-", "x.png"]),
        ("folder", ["finetune", address]),
        ("out", ["finetune", str(folder), "--out", address]),
        ("labels", ["finetune", str(folder), "--labels", "-"]),
        ("weights", ["finetune", str(folder), "--weights", address]),
    ]:
        assert main(args) == 2
        told = capsys.readouterr().err
        assert f"{name}: expected a path" in told
        assert ("download it first" in told) == (address in args)


def test_an_empty_name_is_not_the_folder_one_is_in(out, signs, capsys):
    for name, args in [
        ("folder", ["finetune", ""]),
        ("out", ["finetune", "signs", "--out", ""]),
        ("labels", ["finetune", "signs", "--labels", ""]),
        ("weights", ["finetune", "signs", "--weights", ""]),
        ("folder", ["course", "", "--lay-only"]),
        ("program", ["predict", "", "x.png"]),
    ]:
        assert main(args) == 2
        assert f"{name}: expected a path, got an empty text" in capsys.readouterr().err
    assert main(["predict", str(out), "--json", ""]) == 1
    (answer,) = json.loads(capsys.readouterr().out)
    assert answer == {"file": "", "error": "an empty name; . is the folder you are in"}
    assert os.listdir() == ["signs"]
