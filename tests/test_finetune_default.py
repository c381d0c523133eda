"`dljourney finetune` as it comes: it chooses a network, learns its head at once, and tells much."

import csv
import re
import shutil

import pytest
import torch
from PIL import Image

from dljourney.cli import finetune
from dljourney.cli.course import main
from dljourney.cli.finetune import finetune_folder
from dljourney.cli.report import most_doubtful, not_better_than
from dljourney.kit.intervals import measured
from dljourney.kit.models import HOW_TO_GET, choosing, has_photonet, kept_features, suitable_model
from dljourney.kit.pictures import digits, photos, surfaces, upright_size
from dljourney.program import load

needs_photonet = pytest.mark.skipif(not has_photonet(), reason="pip install 'dljourney[photos]'")


def written(folder, n, seed=0, side=160):
    "Surfaces as files, one folder a kind."
    x, y, names = surfaces(n, seed, side)
    for i, (picture, kind) in enumerate(zip(x, y.tolist())):
        (folder / names[kind]).mkdir(parents=True, exist_ok=True)
        file = folder / names[kind] / f"{i:03}.png"
        Image.fromarray(picture.permute(1, 2, 0).numpy()).save(file)
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module", autouse=True)
def cache(home):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLJOURNEY_CACHE", str(home / "cache"))
        yield


@pytest.fixture(scope="module")
def known(home):
    "A folder of surfaces with a wrong label and a leak, and what the command made of it."
    folder = written(home / "pictures", 20)
    wrong = folder / "cells" / "wrong.png"
    (folder / "cloth" / "001.png").rename(wrong)
    result = finetune_folder(folder, home / "out", quiet=True)
    return folder, wrong, result


@needs_photonet
def test_surfaces_go_to_photonet_and_beat_the_simple_answers(known):
    "What ImageNet has no name for: colour and outline say little about the kind."
    _, _, result = known
    assert result.choice.name == "photonet" and "texture" in result.choice.reason
    assert [row["phase"] for row in result.history] == ["probe"]
    assert set(result.baselines) == {"the largest class", "colours alone", "glyphnet, frozen"}
    best = max(found.value for found in result.baselines.values())
    assert result.score.value >= best + 0.2
    assert not not_better_than(result.score, result.baselines)
    assert load(result.program).card["scores"]["accuracy"] == result.score.value


@needs_photonet
def test_a_second_run_asks_the_network_nothing(known, monkeypatch, tmp_path):
    folder, _, result = known
    asked = []

    def seen(net, *args, **more):
        def ask(*_): asked.append(1)
        with_hook = net.conv_stem if hasattr(net, "conv_stem") else net.conv1
        handle = with_hook.register_forward_hook(ask)
        try: return kept_features(net, *args, **more)
        finally: handle.remove()

    monkeypatch.setattr(finetune, "kept_features", seen)
    again = finetune_folder(folder, tmp_path / "o", quiet=True)
    assert not asked
    assert torch.equal(again.scores, result.scores)
    programs = [r.program.read_bytes() for r in (again, result)]
    assert programs[0] == programs[1]


@needs_photonet
def test_the_head_learned_from_all_once_it_was_measured(known):
    folder, _, result = known
    data, told = result.data, " ".join(result.remarks)
    assert f"learned from all {len(data)} pictures, the held-out ones too" in told
    page = result.program.with_name("report.html").read_text(encoding="utf-8")
    assert result.remarks[0] in page
    held = [data.files[i] for i in range(data.n_train, len(data))]
    said = [max(a, key=a.get) for a in load(result.program)(held)]
    right = sum(name == f.parent.name for name, f in zip(said, held))
    assert right >= result.n_right


@needs_photonet
def test_a_wrong_label_stands_at_the_top_of_the_list_and_is_mended_there(known, tmp_path):
    folder, wrong, result = known
    table = result.program.with_name("labels.csv")
    rows = list(csv.DictReader(table.open(encoding="utf-8", newline="")))
    assert len(rows) == len(result.data)
    place = [row["file"] for row in rows].index("cells/wrong.png")
    assert place < 5 and rows[place]["model"] == "cloth" and rows[place]["label"] == "cells"
    rows[place]["label"] = "cloth"
    with (tmp_path / "mended.csv").open("w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, rows[0])
        out.writeheader(), out.writerows(rows)
    again = photos(folder, tmp_path / "mended.csv", size=16)
    labels = {f: again.classes[i] for f, i in zip(again.files, again.y.tolist())}
    assert labels.pop(wrong) == "cloth" and len(labels) == len(rows) - 1
    assert all(label == f.parent.name for f, label in labels.items())
    page = result.program.with_name("report.html").read_text(encoding="utf-8")
    assert "cells/wrong.png" in page and "labels.csv" in page


def test_without_photonet_one_line_names_it(monkeypatch, capsys, tmp_path):
    x, _, _ = surfaces(3)
    monkeypatch.setattr(choosing, "has_photonet", lambda: False)
    choice = suitable_model(x)
    assert choice.name == "glyphnet" and HOW_TO_GET in choice.reason
    assert "\n" not in str(choice)


def test_drawings_go_to_glyphnet_and_a_name_decides():
    assert suitable_model(digits().train[0][:30]).name == "glyphnet"


@pytest.fixture
def drawn(tmp_path):
    "Digits as files."
    x, y = digits().train
    for i, (picture, digit) in enumerate(zip(x[:120], y.tolist())):
        place = tmp_path / "digits" / str(digit)
        place.mkdir(parents=True, exist_ok=True)
        page = Image.fromarray((255 - 255 * picture[0]).byte().numpy()).resize((32, 32))
        page.save(place / f"{i}.png")
    return tmp_path / "digits"


def test_the_way_is_told_and_the_better_network_is_kept(drawn, tmp_path, capsys):
    args = ["finetune", str(drawn), "--out", str(tmp_path / "o"), "--epochs", "1"]
    assert main(args) == 0
    told = capsys.readouterr()
    assert "The network is glyphnet (drawings: " in told.err and "--model" in told.err
    assert re.search(r"This takes about \d+ (seconds|minutes)\.", told.err)
    assert "head at once" in told.out and "everything" in told.out
    kept = ("The whole network learned, and that is better" in told.out,
            "Its head alone is kept" in told.out)
    assert sum(kept) == 1
    rows = re.findall(r"^ +\d  (?:head at once|everything) .* ([01]\.\d{3})  ", told.out, re.M)
    share = load(tmp_path / "o").card["scores"]["accuracy"]
    assert f"{share:.3f}" == max(rows) and len(rows) == 2
    for name in ("this program", "the largest class", "colours alone", "glyphnet, frozen"):
        assert re.search(rf"^{name} +\d+\.\d% \(95% interval", told.out, re.M)


def test_a_network_that_became_worse_is_not_kept(drawn, tmp_path):
    result = finetune_folder(drawn, tmp_path / "o", epochs=1, lr=1.0, quiet=True)
    first, last = result.history
    assert last["accuracy"] < first["accuracy"] == pytest.approx(result.score.value)
    assert "head alone is kept" in result.remarks[0]
    said = load(result.program)(result.data.files[: result.data.n_train])
    names = [max(a, key=a.get) for a in said]
    right = sum(n == f.parent.name for n, f in zip(names, result.data.files))
    assert right / len(names) > 0.9


def test_a_split_of_ones_own_stays_apart(drawn, tmp_path):
    own = tmp_path / "own"
    for digit in sorted(drawn.iterdir()):
        for i, file in enumerate(sorted(digit.iterdir())):
            place = own / ("train" if i % 3 else "val") / digit.name
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, place / file.name)
    result = finetune_folder(own, tmp_path / "o", epochs=0, quiet=True)
    assert result.data.is_given and not result.remarks
    assert not photos(drawn, size=8).is_given


def test_a_leak_is_told(drawn, tmp_path, capsys):
    for i, file in enumerate(sorted((drawn / "3").iterdir())):
        shutil.copy(file, file.with_name(f"copy{i}.png"))
    args = ["finetune", str(drawn), "--out", str(tmp_path / "o"), "--epochs", "0", "--quiet"]
    assert main(args) == 0
    told = capsys.readouterr().out
    assert "Careful: A leak: " in told and re.search(r"3/copy\d+\.png", told)
    assert "A leak: " in (tmp_path / "o" / "report.html").read_text(encoding="utf-8")


def test_doubts_are_in_the_order_of_their_loss():
    data = photos_of(torch.tensor([0, 1, 0, 1]), n_train=2)
    held, left_out = torch.tensor([[2.0, 0], [5.0, 0]]), torch.tensor([[0.0, 1], [0.0, 3]])
    found = most_doubtful(data, held, left_out)
    assert [d.place for d in found] == [3, 0, 2, 1]
    assert [d.is_held_out for d in found] == [True, False, True, False]
    assert found[0].said == 0 and found[0].label == 1 and found[0].probability > 0.99
    assert [d.place for d in most_doubtful(data, held)] == [3, 2]


def photos_of(y, n_train):
    from pathlib import Path

    from dljourney.kit.pictures import Photos

    x = torch.zeros(len(y), 1, 4, 4, dtype=torch.uint8)
    files = [Path(f"{i}.png") for i in range(len(y))]
    return Photos(x, y, ["a", "b"], files, n_train, [])


def test_simple_answers_that_are_as_good_are_named():
    scores = {"a": measured(7, 10), "b": measured(8, 10), "c": measured(9, 10)}
    assert not_better_than(measured(8, 10), scores) == ["b", "c"]


def test_the_size_is_that_of_the_upright_picture(tmp_path):
    page, tags = Image.new("RGB", (30, 20)), Image.Exif()
    for turn, want in ((1, (20, 30)), (3, (20, 30)), (6, (30, 20)), (8, (30, 20))):
        tags[0x0112] = turn
        page.save(tmp_path / "p.jpg", exif=tags)
        assert upright_size(tmp_path / "p.jpg") == want
    assert upright_size(page) == (20, 30)
