"Pretraining: the generator, what is left out, the same run again, checkpoints, the command."

import itertools
import json
import math
import re
import subprocess
import sys
import unicodedata

import numpy as np
import pytest
import safetensors
import timm
import torch
from hypothesis import given, settings, strategies as st
from scipy import ndimage

from dljourney import pretraining as pre
from dljourney.cli import pretrain as command
from dljourney.experiments import pretraining as experiments
from dljourney.kit import glyphs
from dljourney.kit.models import glyphnet
from dljourney.kit.training import Batches, clock
from dljourney.transfer import features

LETTERS = "ABEGKRX"


@pytest.fixture(scope="module")
def bank():
    return glyphs.source_bank(lambda code: chr(code) in LETTERS, glyphs.FACES[:12])


@pytest.fixture(scope="module")
def drawn():
    wanted = "AΑАRr7٧⑦ՀႩⴰⴀ"
    return glyphs.drawings(glyphs.FACES[:2], keep=lambda code: chr(code) in wanted)


def test_drawings_fill_the_same_box_whatever_the_character():
    drawn = glyphs.drawings(glyphs.FACES[:1], keep=lambda code: chr(code) in ".-|MW")
    for image in drawn.images.numpy():
        rows, columns = np.nonzero(image.any(1))[0], np.nonzero(image.any(0))[0]
        assert max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1 in (glyphs.INK - 1, glyphs.INK)
    with pytest.raises(ValueError, match="at least one character"):
        glyphs.drawings(keep=lambda code: False)


def test_no_code_point_without_ink_and_only_letters_of_the_cm_faces():
    for code in glyphs.codepoints("DejaVuSans"):
        assert unicodedata.category(chr(code))[0] not in "ZCM"
    assert "".join(map(chr, glyphs.codepoints("cmr10"))).isalnum()


def test_what_looks_the_same_is_one_class_and_what_must_not_be_in_is_not(drawn):
    rows, labels, chars = glyphs.inventory(drawn, at_least=1)
    assert chars == ["A", "R", "r"]
    assert {chr(c) for c in drawn.codes[rows[labels == 0]].tolist()} <= set("AΑА")
    kept = {chr(c) for c in drawn.codes[rows].tolist()}
    assert not kept & set("7٧⑦ՀႩⴰⴀ")
    assert len(labels) == len(rows) and labels.unique().tolist() == [0, 1, 2]


def test_same_drawings_count_once(drawn):
    twice = glyphs.Drawn(*(torch.cat([t, t]) for t in drawn))
    once, again = (glyphs.inventory(d, at_least=1)[0] for d in (drawn, twice))
    assert len(once) == len(again)


@pytest.mark.parametrize("char", "7⑦٧½²")
def test_digits(char):
    assert glyphs.is_digit(char)


@pytest.mark.parametrize("char", "ⅦlOԱ")
def test_what_is_no_digit(char):
    assert not glyphs.is_digit(char)


@pytest.mark.parametrize("chars, script", [("Աﬓ", "Armenian"), ("აⴀ", "Georgian"),
                                           ("ⵣ", "Tifinagh"), ("AЯ", None)])
def test_scripts(chars, script):
    assert {glyphs.script_held_out(ord(char)) for char in chars} == {script}


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), share=st.floats(0.002, 0.9), reach=st.integers(1, 12))
def test_distances_are_exact(seed, share, reach):
    mask = torch.rand(2, 17, 23, generator=torch.Generator().manual_seed(seed)) < share
    mask[:, 3, 5] = True
    expected = np.stack([ndimage.distance_transform_edt(~m) for m in mask.numpy()])
    found = glyphs.distance(mask, reach).numpy()
    np.testing.assert_allclose(found, np.minimum(expected, reach), atol=1e-5)


def test_no_ink_is_far_away():
    assert glyphs.distance(torch.zeros(1, 9, 9, dtype=torch.bool), 4).eq(4).all()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_a_skeleton_lies_in_the_ink_and_falls_apart_nowhere(seed):
    noise = torch.randn(1, 24, 24, generator=torch.Generator().manual_seed(seed))
    ink = torch.nn.functional.avg_pool2d(noise[None], 7, 1, 3)[0] > 0.05
    thin = glyphs.skeleton(ink)
    assert not (thin & ~ink).any()
    assert torch.equal(glyphs.skeleton(thin), thin)
    pieces = [ndimage.label(x[0].numpy(), np.ones((3, 3)))[1] for x in (ink, thin)]
    assert pieces[1] <= pieces[0]  # 2 x 2 squares may vanish, but nothing breaks


def test_a_thick_line_becomes_a_thin_one():
    ink = torch.zeros(1, 20, 30, dtype=torch.bool)
    ink[:, 8:13, 3:27] = True
    thin = glyphs.skeleton(ink)[0]
    assert thin[10, 8:22].all() and thin.sum(0).max() == 1


def test_thresholds_of_the_map_give_thinner_and_thicker_strokes(bank):
    areas = [(bank.outline > level).flatten(1).sum(1) for level in (16, 0, -16)]
    assert (areas[0] < areas[1]).all() and (areas[1] < areas[2]).all()


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), pen=st.sampled_from([0.0, 0.5, 1.0]),
       low=st.sampled_from([0.0, 1.0]), n=st.integers(1, 9))
def test_pictures_are_pictures(bank, seed, pen, low, n):
    rows = torch.randint(len(bank.labels), (n,), generator=torch.Generator().manual_seed(seed))
    def write():
        dice = torch.Generator().manual_seed(seed)
        return glyphs.pictures(bank.outline[rows], bank.spine[rows], dice, pen, low)

    x = write()
    assert x.shape == (n, 1, 32, 32) and x.dtype == torch.float32
    assert x.isfinite().all() and x.min() >= 0 and x.max() <= 1 and (x.flatten(1).std(1) > 0).all()
    assert torch.equal(x, write())


def test_ink_is_light_unless_it_is_inverted(bank):
    rows = torch.arange(200) % len(bank.labels)
    corners = {}
    for invert in (0.0, 1.0):
        dice = torch.Generator().manual_seed(0)
        x = glyphs.pictures(bank.outline[rows], bank.spine[rows], dice, invert=invert)
        corners[invert] = x[:, 0, :2, :2].mean()
    assert corners[0.0] < 0.25 and corners[1.0] > 0.75


def test_no_warp_gives_the_picture_back():
    x = torch.rand(3, 2, 32, 32)
    still = dict(turn=0, slant=0, zoom=(0.8, 0.8), stretch=0, bend=0)
    same, zoom = glyphs.warp(x, torch.Generator().manual_seed(0), **still)
    assert zoom.eq(0.8).all() and same.shape == x.shape and not torch.allclose(same, x)
    g = torch.Generator().manual_seed(0)
    blank, _ = glyphs.warp(torch.ones(2, 1, 16, 16), g, padding_mode="border")
    torch.testing.assert_close(blank, torch.ones(2, 1, 32, 32))


def test_batches_are_fresh_balanced_and_repeat_with_their_seed(bank):
    a, b = (pre.glyphs(bank, 32, 3, seed=4) for _ in range(2))
    first, second = list(a), list(a)
    assert len(first) == len(a) == 3 and all(x.shape == (32, 1, 32, 32) for x, _ in first)
    assert not torch.equal(first[0][0], second[0][0])
    for (x, y), (u, v) in zip(first, b): assert torch.equal(x, u) and torch.equal(y, v)
    _, y = next(iter(pre.glyphs(bank, 7000, seed=1)))
    counts = torch.bincount(y, minlength=len(bank.chars)).float() / 1000
    assert len(counts) == len(LETTERS) and (counts - 1).abs().max() < 0.15
    with pytest.raises(ValueError, match="a drawing of every character"):
        pre.glyphs(bank.select(bank.labels > 0))


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 20), batch_size=st.integers(1, 9), n_batches=st.integers(1, 9),
       change=st.booleans(), shuffle=st.booleans())
def test_an_epoch_has_as_many_batches_as_it_says(n, batch_size, n_batches, change, shuffle):
    def deal(n, size, shuffle, generator):
        while True:  # `n_batches` alone says where an epoch ends
            yield torch.randint(n, (size,), generator=generator)

    x = torch.arange(n)
    twice = (lambda x, generator: 2 * x) if change else None
    dealt = Batches((x, x), batch_size, deal, shuffle, 0, twice, n_batches=n_batches)
    batches = list(itertools.islice(dealt, n_batches + 1))
    assert dealt.n == n_batches * batch_size and len(batches) == len(dealt) == n_batches
    indices = deal(n, batch_size, shuffle, torch.Generator().manual_seed(0))
    for (xb, yb), index in zip(batches, indices):
        assert torch.equal(yb, index) and torch.equal(xb, index * (1 + change))
    with pytest.raises(ValueError, match="n_batches: expected 1 or more"):
        Batches((x, x), batch_size, deal, n_batches=0)


@given(st.floats(0, 1), st.floats(0.01, 0.5))
def test_schedule(progress, warmup):
    assert 0 <= pre.schedule(progress, warmup) <= 1
    assert pre.schedule(0, warmup) == 0 and math.isclose(pre.schedule(1, warmup), 0, abs_tol=1e-12)


def test_the_gradient_is_shortened():
    p = torch.nn.Parameter(torch.zeros(4))
    p.grad = torch.full((4,), 100.0)
    pre.ClippedAdamW([p], lr=0.1).step()
    assert math.isclose(float(p.grad.norm()), 1, rel_tol=1e-4)


def parameters(model): return {k: v.clone() for k, v in model.state_dict().items()}


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name in a: assert torch.equal(a[name], b[name]), name


@pytest.fixture
def one_thread():
    n = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n)


def test_a_run_repeats_bit_by_bit_and_a_stopped_one_goes_on_the_same(bank, tmp_path, one_thread):
    options = dict(steps=4, batch_size=8, epoch=2, seed=3)
    a, rows = pre.pretrain(bank, **options)
    b, _ = pre.pretrain(bank, **options)
    assert_same(parameters(a), parameters(b))
    assert [row["step"] for row in rows] == [2, 4]

    class Stop(Exception): pass

    def stop(line): raise Stop

    with pytest.raises(Stop): pre.pretrain(bank, **options, folder=tmp_path, say=stop)
    assert (tmp_path / "checkpoint.safetensors").is_file()
    torch.manual_seed(77)
    c, again = pre.pretrain(bank, **options, folder=tmp_path)
    assert_same(parameters(a), parameters(c))
    assert [row["loss"] for row in again] == [row["loss"] for row in rows]
    assert len((tmp_path / "log.txt").read_text().splitlines()) == 2


def test_another_seed_is_another_run(bank, one_thread):
    a, b = (pre.pretrain(bank, steps=1, batch_size=4, seed=seed)[0] for seed in (0, 1))
    assert not torch.equal(a.net.fc.weight, b.net.fc.weight)


def test_minutes_end_the_run(bank):
    _, history = pre.pretrain(bank, minutes=0.02, batch_size=4, epoch=1)
    assert 0 < history[-1]["seconds"] < 20


@pytest.mark.parametrize("both", [{}, {"steps": 1, "minutes": 1}])
def test_steps_or_minutes(bank, both):
    with pytest.raises(ValueError, match="minutes or steps"): pre.pretrain(bank, **both)


@pytest.mark.parametrize("name, value", [("steps", 0), ("steps", -5), ("steps", 2.5),
                                         ("minutes", 0), ("minutes", -1.0),
                                         ("minutes", math.nan), ("minutes", math.inf)])
def test_a_run_has_a_length(bank, capsys, name, value):
    def stop(line): pytest.fail("it trains")

    with pytest.raises((ValueError, TypeError), match=f"{name}: expected"):
        pre.pretrain(bank, batch_size=4, epoch=1, say=stop, **{name: value})
    with pytest.raises(SystemExit): command.main([f"--{name}", str(value), "--chars", LETTERS])
    told = capsys.readouterr()
    assert name in told.err and not told.out  # before the characters are drawn


def test_the_command_makes_a_file_that_timm_loads(tmp_path, capsys):
    assert command.main(["--steps", "2", "--out", str(tmp_path), "--chars", LETTERS]) == 0
    told = capsys.readouterr().out
    path = tmp_path / "glyphnet.safetensors"
    assert glyphnet.check_weights(path) == path and glyphnet.labels(path) == list(LETTERS)
    card = json.loads(path.with_suffix(".json").read_text())
    assert card["n_classes"] == len(LETTERS)
    assert set(card) >= {"results", "training", "limits", "left_out", "sha256"}
    names = ["new pictures", "unseen face"]
    names += [f"one example each of 20 characters, {script}" for script in glyphs.HELD_OUT]
    assert list(card["results"]) == list(card["intervals"]) == names
    for name in names:
        low, high = card["intervals"][name]
        assert 0 <= low <= card["results"][name] <= high <= 1 and low < high
        assert re.search(rf"^\d+\.\d% \(95% interval: .*%\)  {name}$", told, re.M)
    overlay = dict(file=str(path), num_classes=len(LETTERS))
    model = timm.create_model("glyphnet", pretrained=True, pretrained_cfg_overlay=overlay,
                              num_classes=len(LETTERS))
    with safetensors.safe_open(path, "pt") as f:
        torch.testing.assert_close(model.fc.bias, f.get_tensor("fc.bias").float())


def test_the_command_wants_a_length():
    command = [sys.executable, "-m", "dljourney.cli.pretrain"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and "say --minutes N or --steps N" in done.stderr
    assert done.stderr.startswith("usage: python -m dljourney.cli.pretrain") and not done.stdout


def test_held_out_scripts_share_no_character_and_no_look_with_the_source():
    for script in glyphs.HELD_OUT:
        bank = glyphs.held_out_bank(script)
        assert len(bank.chars) >= 30
        assert all(glyphs.script_held_out(ord(c)) == script for c in bank.chars)
        assert not set(bank.chars) & set(glyphnet.labels())
    assert "Օ" not in glyphs.held_out_bank("Armenian").chars  # it looks like O
    with pytest.raises(ValueError, match="expected one of Armenian"): glyphs.held_out_bank("Latin")


def test_few_shot_tasks_ask_in_another_face():
    bank = glyphs.held_out_bank("Tifinagh")
    shown, asked, answers = pre.few_shot_task(bank, 20, 3, torch.Generator().manual_seed(0))
    assert (bank.faces[shown] == 0).all() and (bank.faces[asked] != 0).all()
    assert torch.equal(bank.labels[asked], bank.labels[shown][answers])
    assert bank.labels[shown].unique().numel() == 20
    with pytest.raises(ValueError, match="n_way"):
        pre.few_shot_task(bank, 500, 1, torch.Generator())


def test_frozen_features_reach_the_bar_and_random_ones_do_not():
    bank = glyphs.held_out_bank("Georgian")
    shares = []
    for known in (True, False):
        model = timm.create_model("glyphnet", pretrained=known, in_chans=1)
        shares.append(sum(pre.one_shot(model, bank, seed) for seed in range(4)) / 4)
    assert shares[0] > 0.8 > 0.4 > shares[1]


def test_examples_are_balanced_and_from_the_pool():
    (x, y), (test_x, test_y) = experiments.digits_32()
    assert x.shape == (898, 1, 32, 32) and test_x.shape == (899, 1, 32, 32)
    assert 0 <= x.min() and x.max() <= 1
    rows = experiments.examples(y, 5, seed=1)
    assert torch.bincount(y[rows]).tolist() == [5] * 10 and len(rows.unique()) == 50
    (small, _), (valid, _) = experiments.digits_32("valid")
    assert torch.equal(torch.cat([small, valid]), x)  # tuning never sees a test picture
    parts = [experiments.digits_32("valid", part) for part in range(5)]
    assert torch.equal(torch.cat([test for _, (test, _) in parts]), x)
    assert torch.equal(torch.cat([labels for _, (_, labels) in parts]), y)
    for (pool, _), (test, _) in parts:
        assert len(pool) + len(test) == 898 and 179 <= len(test) <= 180


def test_digit_rows_repeat(one_thread):
    trial = dict(per_class=1, start="glyphnet", steps=2, lr=1e-3)
    rows = experiments.digits_seed(0, [trial])
    assert rows == experiments.digits_seed(0, [trial])
    assert rows[0]["steps"] == 2 and 0 < rows[0]["accuracy"] < 1
    (x, y), _ = experiments.digits_32()

    def learned(**how): return experiments.learn_digits(x[:20], y[:20], **how).net

    def body(**how): return learned(steps=1, **how).state_dict()["bn1.running_mean"]

    def bare(**how): return body(start="random", **how)

    before = body(batch_norm=False, lr=0.0)
    assert torch.equal(body(), before) and not torch.equal(body(batch_norm=True), before)
    assert not torch.equal(bare(), bare(batch_norm=False))
    assert torch.equal(bare(), bare(strength=1.0)) and not torch.equal(bare(), bare(strength=0.5))
    heads = [learned(steps=0, probe=0.1, strength=s).fc.weight for s in (0.5, 1.0)]
    assert not torch.equal(*heads)
    with pytest.raises(ValueError, match="start"):
        experiments.learn_digits(torch.rand(2, 1, 32, 32), torch.arange(2), start="x")


def test_the_strength_of_the_warps_is_that_of_each():
    x = torch.rand(5, 1, 32, 32, generator=torch.Generator().manual_seed(1))

    def dice(): return torch.Generator().manual_seed(2)

    for s, zoom in ((1, (0.85, 1.15)), (0.5, (0.925, 1.075)), (0, (1, 1))):
        want, seen = glyphs.warp(x, dice(), turn=0.2 * s, slant=0.2 * s, zoom=zoom,
                                 stretch=0.1 * s, bend=0.06 * s)
        torch.testing.assert_close(experiments.a_little(x, dice(), s), want, atol=1e-5, rtol=0)
        assert zoom[0] <= seen.min() and seen.max() <= zoom[1]
    assert torch.equal(experiments.a_little(x, dice()), experiments.a_little(x, dice(), 1.0))


def test_a_fitted_head_is_the_logistic_regression_on_features_and_the_body_stays(one_thread):
    (x, y), (test_x, test_y) = experiments.digits_32("valid", 0)
    rows = experiments.examples(y, 3, seed=0)
    zero, fitted = (experiments.learn_digits(x[rows], y[rows], steps=0, probe=probe)
                    for probe in (None, 0.1))
    before = timm.create_model("glyphnet", pretrained=True, in_chans=1, num_classes=10)
    for model in (zero, fitted):
        for name, t in model.net.state_dict().items():
            if not name.startswith("fc"):
                torch.testing.assert_close(t, before.state_dict()[name], atol=0, rtol=0)
    assert not zero.net.fc.weight.any() and fitted.net.fc.weight.any()
    # the slope of scikit-learn's loss at its minimum: C times the sum over pictures, and weights
    g = torch.Generator().manual_seed(0)
    copies = [experiments.a_little(x[rows], g) for _ in range(16)]
    seen, head = features(fitted.net, torch.cat([x[rows], *copies])), fitted.net.fc
    off = (seen @ head.weight.T + head.bias).softmax(1) - torch.eye(10)[y[rows].repeat(17)]
    slope = 0.1 * off.T @ seen + head.weight
    assert slope.abs().max() < 0.05 * (0.1 * off.T.abs() @ seen.abs()).max()
    with torch.inference_mode(): assert (fitted(test_x).argmax(1) == test_y).float().mean() > 0.8
    again = experiments.learn_digits(x[rows], y[rows], steps=1, lr=0.0, probe=0.1)
    torch.testing.assert_close(again.net.fc.weight, fitted.net.fc.weight)


def test_a_fitted_head_tells_two_classes_apart_as_scikit_learn_does(one_thread):
    from sklearn.linear_model import LogisticRegression

    x, y = torch.zeros(8, 1, 32, 32), torch.arange(8) // 4
    x[:4, :, 8:24, 14:18], x[4:, :, 14:18, 8:24] = 1, 1  # a bar that stands, a bar that lies
    torch.manual_seed(0)
    model = pre.Network(2)
    experiments.fit_head(model, x, y)
    g = torch.Generator().manual_seed(0)
    seen = features(model.net, torch.cat([x, *(experiments.a_little(x, g) for _ in range(16))]))
    peer = LogisticRegression(C=0.1, max_iter=300).fit(seen.numpy(), y.repeat(17).numpy())
    ours = (seen @ model.net.fc.weight.T + model.net.fc.bias).softmax(1).detach()
    np.testing.assert_allclose(ours, peer.predict_proba(seen.numpy()), atol=1e-5)
    assert torch.equal(ours[:8].argmax(1), y)


@pytest.mark.parametrize("labels", [[0, 1, 0, 1], [1, 2, 1, 2], [0, 0, 0, 0], [0, 1, 2, 3]])
def test_a_head_is_fitted_to_all_its_classes(labels):
    wanted = "y: expected each class number from 0 to 2 at least once, got"
    with pytest.raises(ValueError, match=wanted):
        experiments.fit_head(pre.Network(3), torch.rand(4, 1, 32, 32), torch.tensor(labels))


def test_how_characters_are_written_in_pretraining_can_be_said(bank, monkeypatch, one_thread):
    seen = []

    def pictures(outline, spine, generator, **options):
        seen.append(options)
        return torch.rand(len(outline), 1, 32, 32, generator=generator)

    monkeypatch.setattr(pre, "pictures", pictures)
    pre.pretrain(bank, steps=1, batch_size=4)
    pre.pretrain(bank, steps=1, batch_size=4, pen=0.0)
    assert seen[0] == pre.HAND and seen[-1] == {**pre.HAND, "pen": 0.0}


def test_a_run_keeps_its_processor_time_when_it_goes_on(bank, tmp_path, one_thread, monkeypatch):
    ticks = itertools.count(100.0)
    monkeypatch.setattr(clock.time, "process_time", lambda: next(ticks))
    _, rows = pre.pretrain(bank, steps=2, batch_size=4, epoch=2, folder=tmp_path)
    _, more = pre.pretrain(bank, steps=4, batch_size=4, epoch=2, folder=tmp_path)
    assert [row["step"] for row in more] == [2, 4] and more[0] == rows[0]
    assert [row["cpu_seconds"] for row in more] == [1, 2]  # a tick in each run


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0.1, 0.9), min_size=1, max_size=9), st.floats(0.1, 1))
def test_error_ratio(theirs, factor):
    ours = [1 - factor * (1 - a) for a in theirs]
    ratio, low, high = pre.error_ratio(ours, theirs)
    assert math.isclose(ratio, factor, rel_tol=1e-3) and low - 1e-3 <= ratio <= high + 1e-3
    with pytest.raises(ValueError, match="equally many draws"):
        pre.error_ratio(ours, [*theirs, 0.5])


def test_half_way_is_the_mean_of_what_was_and_what_was_learned():
    (x, y), _ = experiments.digits_32("valid", 0)
    rows = experiments.examples(y, 1, 0)

    def learn(**more):
        how = dict(lr=1e-2, probe=0.1, seed=3)
        return experiments.learn_digits(x[rows], y[rows], **how, **more).state_dict()

    start, end, half = learn(steps=0), learn(steps=3), learn(steps=3, way=0.5)
    assert any((end[name] - start[name]).abs().max() > 1e-3 for name in start)
    for name in start:
        mean = (start[name] + end[name]) / 2 if start[name].is_floating_point() else end[name]
        torch.testing.assert_close(half[name], mean)
