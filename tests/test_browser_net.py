"A network in a page: each step gives torch's numbers, from weights that travel as text."

import base64
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dljourney.kit.models import as_sent, net_data, plan_of
from nets import (
    FUNCTIONS, LAYERS, NORMS, adaptive, convolution, few, function, layer, network, norm,
    pool, soak, tensors_of,
)

pytestmark = pytest.mark.browser
SCRIPTS = "bytes.js", "weights.js", "net.js"
SIZES = {  # how many pictures are compared in a quick test
    "glyphnet": 30, "photonet": 1, "glyphnet, ten classes": 2, "a sequential": 50, "matrices": 50,
}  # fmt: skip
RUN = """([data, pictures, n]) => {
  const net = makeNet(data);
  const x = new Float32Array(bytesOf(pictures).buffer);
  const size = x.length / n;
  return Array.from({ length: n }, (_, i) => [...net(x.slice(i * size, (i + 1) * size))]);
}"""


def answers(bare, model, x):
    "What a page says of pictures, one list of numbers for each."
    data = net_data(plan_of(model, x.shape[1:]), tensors_of(model))
    assert json.loads(json.dumps(data)) == data, "plain data"
    pictures = base64.b64encode(x.numpy().astype("<f4").tobytes()).decode()
    return np.array(bare.evaluate(RUN, [data, pictures, len(x)]))


def check(bare, model, x, within=1e-5):
    with torch.inference_mode():
        want = model(x).flatten(1).numpy()
    got = answers(bare, model, x)
    assert got.shape == want.shape
    assert np.abs(got - want).max() <= within * max(1, np.abs(want).max())
    return got, want


@given(st.data())
@settings(few, max_examples=200 if soak else 15)
def test_a_convolution_is_torchs(bare, data):
    check(bare, *convolution(data.draw))


@given(st.data())
@few
def test_a_pool_is_torchs(bare, data):
    for kind in ("maximum", "average"):
        check(bare, *pool(kind, data.draw))


@given(st.data())
@few
def test_a_pool_that_adapts_is_torchs(bare, data):
    check(bare, *adaptive(data.draw))


@pytest.mark.parametrize("name", NORMS)
def test_a_norm_is_torchs(bare, name):
    check(bare, *norm(name))


@pytest.mark.parametrize("name", LAYERS)
def test_a_function_number_by_number_is_torchs(bare, name):
    check(bare, *layer(name))


@pytest.mark.parametrize("name", range(len(FUNCTIONS)))
def test_sums_products_parts_and_means_are_torchs(bare, name):
    check(bare, *function(name))


@pytest.mark.parametrize("name", SIZES)
def test_a_network_gives_the_same_scores_and_labels(bare, name):
    model, x = network(name, 1000 if soak and name != "photonet" else SIZES[name])
    got, want = check(bare, model, x)
    sure = np.diff(np.sort(want, 1)[:, -2:], axis=1)[:, 0] > 1e-4 * np.abs(want).max()
    assert (got.argmax(1) == want.argmax(1))[sure].all(), "the first label, but for ties"


def test_an_older_browser_decodes_the_same(bare):
    "Without `fromBase64` and `Float16Array`, every number of 16 bits is what NumPy says it is."
    bits = np.arange(2**16).astype("<u2")
    bits = bits[np.isfinite(bits.view("<f2"))]
    text = base64.b64encode(bits.tobytes()).decode()
    old = """text => {
      const kept = [Uint8Array.fromBase64, globalThis.Float16Array];
      delete Uint8Array.fromBase64; delete globalThis.Float16Array;
      try { return [...fromHalves(new Uint16Array(bytesOf(text).buffer))]; }
      finally { [Uint8Array.fromBase64, globalThis.Float16Array] = kept; }
    }"""
    want = bits.view("<f2").astype(float)
    assert np.array_equal(bare.evaluate(old, text), want)
    new = "text => [...fromHalves(new Uint16Array(bytesOf(text).buffer))]"
    assert np.array_equal(bare.evaluate(new, text), want)


def test_a_step_that_is_not_known_is_told(bare):
    data = {"plan": {"input": [1], "steps": [{"op": "dream", "of": [0]}], "answer": 1},
            "weights": {"text": "", "tensors": {}}}
    said = bare.evaluate("data => { try { makeNet(data); } catch (e) { return e.message; } }", data)
    assert said == "plan: expected a step that is known, got dream"


def sent(bare, tensor, exact=False):
    "What a tensor is in the page."
    plan = {"input": [1], "steps": [{"op": "linear", "of": [0], "weight": "w"}], "answer": 1}
    data = net_data(plan, {"w": tensor}, exact)["weights"]
    got = bare.evaluate("data => [...weightsOf(data).w.data]", data)
    return data["tensors"]["w"]["type"], np.array(got, np.float32).reshape(tensor.shape)


@given(st.integers(0, 99), st.sampled_from([1e-6, 1e-3, 1, 1e6]), st.booleans())
@few
def test_weights_that_are_no_halves_travel_in_steps(bare, seed, size, is_convolution):
    shape = (3, 2, 3, 3) if is_convolution else (5, 7)
    tensor = size * np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    tensor[-1] = 0
    kind, got = sent(bare, tensor)
    assert kind == "I16" and np.array_equal(got, as_sent({"w": tensor})["w"])
    most = np.abs(tensor.reshape(len(tensor), -1)).max(1)
    assert (np.abs(got - tensor).reshape(len(tensor), -1).max(1) <= 0.51 * most / 32767).all()
    assert size == 1e6 or sent(bare, tensor.astype(np.float16).astype(np.float32))[0] != "I16"
    kind, got = sent(bare, tensor, exact=True)
    assert kind == "F32" and np.array_equal(got, tensor)


def test_numbers_that_are_not_finite_are_refused():
    plan = {"input": [1], "steps": [{"op": "linear", "of": [0], "weight": "w"}], "answer": 1}
    with pytest.raises(ValueError, match="w: expected finite numbers.*smaller learning rate"):
        net_data(plan, {"w": np.full((1, 1), np.inf, np.float32)})
