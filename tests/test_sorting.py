"Pictures are told apart by a layer that is learned at once, and doubts are honest."

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dljourney.kit.models import FEW, Sorter, give_head, probe
from dljourney.kit.pictures import ImageError
from dljourney.transfer import features, predict, pretrained
from dljourney.whole_game import best_head


@pytest.fixture(scope="module")
def body():
    return pretrained("glyphnet", in_chans=1)


def seen(body, counts, n_features=12, seed=0):
    "A sorter that has seen random pictures, `counts` on each pile."
    sorter, dice = Sorter(body, best_head), torch.Generator().manual_seed(seed)
    piles = {name: [(name, i) for i in range(n)] for name, n in counts.items()}
    for where, found in enumerate(piles.values()):
        for key in found:
            sorter.rows[key] = torch.randn(n_features, generator=dice) + 3.0 * (where == 1)
    return sorter, piles


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(st.sampled_from("abcd"), st.integers(0, 8), max_size=4), st.integers(0, 99))
def test_what_is_learned_is_the_probe_and_each_picture_has_one_doubt(body, counts, seed):
    sorter, piles = seen(body, counts, seed=seed)
    full = [name for name, n in counts.items() if n]
    if len(full) < 2:
        with pytest.raises(ValueError, match="expected pictures on two piles or more"):
            sorter.learn(piles)
        return
    sorter.learn(piles)
    assert sorter.names == full
    x = torch.stack([sorter.rows[key] for name in full for key in piles[name]])
    y = torch.tensor([full.index(name) for name in full for _ in piles[name]])
    want = probe(x, y, len(full), best_head)
    answer = sorter.answer(x[0])
    assert [answer[name] for name in full] == pytest.approx(want(x[0]).softmax(0).tolist())
    assert list(answer.values()) == sorted(answer.values(), reverse=True)
    doubts = sorter.doubts()
    assert sorted(d.key for d in doubts) == sorted(key for name in full for key in piles[name])
    assert [d.loss for d in doubts] == sorted((d.loss for d in doubts), reverse=True)
    assert all(d.key[0] == d.label and 0 < d.probability <= 1 for d in doubts)
    is_few = min(counts[name] for name in full) < FEW
    assert sorter.verdict().startswith("Too few to judge") == is_few


def test_a_wrong_label_comes_first(body):
    sorter, piles = seen(body, {"a": 12, "b": 12})
    piles["a"].append(piles["b"].pop())
    sorter.learn(piles)
    worst = sorter.doubts()[0]
    assert worst.key == ("b", 11) and worst.label == "a" and worst.said == "b"


def test_what_is_forgotten_is_not_even_in_the_answers(body):
    sorter, piles = seen(body, {"a": 3, "b": 3})
    sorter.learn(piles)
    sorter.forget([("c", 0)])
    assert sorter.has_learned
    sorter.forget([("a", 0)])
    assert ("a", 0) not in sorter.rows and not sorter.has_learned
    with pytest.raises(ValueError, match="nothing has been learned yet"): sorter.doubts()


def test_a_program_with_the_layer_says_what_the_sorter_says(body):
    pictures = torch.rand(8, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    sorter = Sorter(body, best_head)
    for i, picture in enumerate(pictures): sorter.see(picture, i)
    assert torch.equal(sorter.see(pictures[0]), sorter.rows[0]) and len(sorter.rows) == 8
    sorter.learn({"a": range(4), "b": range(4, 8)})
    model = give_head(pretrained("glyphnet", 2, in_chans=1), sorter.layer)
    for row, x in zip(predict(model, pictures).softmax(1), pictures):
        answer = sorter.answer(sorter.see(x))
        assert [answer["a"], answer["b"]] == pytest.approx(row.tolist(), abs=1e-4)


def test_what_is_no_picture_is_told(body):
    sorter = Sorter(body, best_head)
    with pytest.raises(ImageError): sorter.see(b"no picture", "a")
    assert not sorter.rows


def test_what_only_answers_is_folded_and_says_the_same(monkeypatch):
    model, x = pretrained("glyphnet", in_chans=1), torch.rand(3, 1, 32, 32)
    want = features(model, x)
    sorter = Sorter(model, best_head)
    rows = [sorter.see(x[0])]

    def normed(*args): raise AssertionError("BatchNorm was asked")

    monkeypatch.setattr(torch.nn.functional, "batch_norm", normed)
    rows += [sorter.see(picture) for picture in x[1:]]
    torch.testing.assert_close(torch.stack(rows), want, atol=1e-4, rtol=1e-4)
