"A network as a list of steps: each is torch's, and what has no place there is refused by name."

import copy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from dljourney.kit.models import NumpyNet, build, describe, plan_of, proven_plan
from nets import (
    FAMILIES, FUNCTIONS, LAYERS, NETWORKS, NORMS, Does, adaptive, convolution, few, function, layer,
    lively, network, norm, of_timm, pool, sequential, soak, tensors_of,
)

root = Path(__file__).parent.parent


def check(model, x, within=1e-5):
    "The plan of a model gives, walked through with NumPy, what torch gives."
    with torch.inference_mode():
        want = model(x).numpy()
    plan = plan_of(model, x.shape[1:])
    got = NumpyNet(plan, tensors_of(model))(x.numpy())
    assert got.shape == want.shape and got.dtype == np.float32
    assert np.abs(got - want).max() <= within * max(1, np.abs(want).max())
    return plan


# -- step by step ----------------------------------------------------------------------------------


@given(st.data())
@settings(few, max_examples=200 if soak else 15)
def test_a_convolution_is_torchs(data):
    check(*convolution(data.draw))


@given(st.data())
@few
def test_a_pool_is_torchs(data):
    for kind in ("maximum", "average"):
        check(*pool(kind, data.draw))


@given(st.data())
@few
def test_a_pool_that_adapts_is_torchs(data):
    check(*adaptive(data.draw))


@pytest.mark.parametrize("name", NORMS)
def test_a_norm_is_torchs_whatever_stands_before_it(name):
    plan = check(*norm(name))
    assert "norm" in {step["op"] for step in plan["steps"]}, "it is folded by who runs the plan"


@pytest.mark.parametrize("name", LAYERS)
def test_a_function_number_by_number_is_torchs(name):
    with np.errstate(all="raise", under="ignore"):
        check(*layer(name))


@pytest.mark.parametrize("name", range(len(FUNCTIONS)))
def test_sums_products_parts_and_means_are_torchs(name):
    check(*function(name))


# -- networks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_gives_the_same_scores(name):
    n = 200 if soak else NETWORKS[name][1]
    model, x = network(name, n)
    plan = check(model, x)
    used = {v for step in plan["steps"] for v in step.values() if isinstance(v, str)}
    assert used - {step["op"] for step in plan["steps"]} <= model.state_dict().keys()


@pytest.mark.soak
@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_of_timm_gives_the_same_scores(name):
    torch.manual_seed(0)
    model, shape = of_timm(name, 96)()
    check(lively(model), torch.randn(2, *shape, generator=torch.Generator().manual_seed(2)))


def test_a_plan_is_the_same_for_a_network_that_was_built_again():
    model, shape = sequential()
    twin = build(describe(model, 1)).eval()
    assert plan_of(model, shape) == plan_of(twin, shape)


def test_the_model_is_left_as_it_was():
    model, shape = sequential()
    before = copy.deepcopy(model.state_dict())
    plan_of(model.train(), shape)
    assert model.training and all(p.requires_grad for p in model.parameters())
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


# -- what has no place -----------------------------------------------------------------------------


class Remembers(nn.Module):
    "Looks at a value again after it was changed in place."

    def forward(self, x):
        y = x + 1
        flat = y.flatten(1)
        y.relu_()
        return flat


@pytest.mark.parametrize("model, named", [
    (nn.GELU(), "gelu"), (nn.GroupNorm(2, 4), "group_norm"), (nn.LayerNorm(6), "layer_norm"),
    (nn.ConvTranspose2d(4, 2, 3), "conv_transpose2d"), (Remembers(), "in place"),
    (nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular"), "padding other than"),
    (nn.BatchNorm2d(4, track_running_stats=False), "over the pictures of a batch"),
    (nn.AvgPool2d(2, divisor_override=3), "divisor"), (nn.MaxPool2d(2, dilation=2), "stretched"),
    (Does(lambda x: x.transpose(0, 1).flatten(1)), "transpose"), (nn.Softmax(1), "softmax"),
    (Does(lambda x: x.mean(1)), "mean"), (Does(lambda x: (x, x)), "one tensor"),
    (Does(lambda x: x + torch.ones(4, 6, 6)), "does ones"),
    (Does(lambda x: x.double()), "_assert_tensor_metadata|float32"),
    (Does(lambda x: x[:1]), "another axis|across"),
    (Does(lambda x: x if x.sum() > 0 else -x), "torch cannot follow"),
    (nn.Upsample(scale_factor=2), "upsample"), (nn.ReflectionPad2d(1), "pad"),
], ids=str)  # fmt: skip
def test_what_has_no_place_is_refused_by_name(model, named):
    with pytest.raises(TypeError, match=named) as caught:
        plan_of(nn.Sequential(model).eval(), (4, 6, 6))
    assert "export_onnx" in str(caught.value), "the way out"


def test_a_refusal_names_the_layer():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sequential(nn.ReLU(), nn.GELU()))
    with pytest.raises(TypeError, match=r"layer 1\.1 does gelu"):
        plan_of(net, (1, 8, 8))


def test_pictures_of_another_shape_are_refused():
    net = NumpyNet(plan_of(nn.Flatten(), (1, 8, 8)), {})
    with pytest.raises(ValueError, match=r"x: expected .* \(1, 8, 8\), got \(1, 1, 9, 9\)"):
        net(np.zeros((1, 1, 9, 9), np.float32))


def test_steps_from_the_future_are_refused():
    with pytest.raises(ValueError, match="plan: expected steps that are known .* got dream"):
        NumpyNet({"input": [1, 2, 2], "steps": [{"op": "dream", "of": [0]}], "answer": 1}, {})


def test_numpy_needs_no_torch():
    code = ("import sys, dljourney.kit.models.in_numpy; "
            "print({'torch', 'timm', 'matplotlib', 'PIL'} & {*sys.modules})")
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stdout + done.stderr


# -- kept for the next time ------------------------------------------------------------------------


@pytest.fixture
def followed(tmp_path, monkeypatch):
    "How often torch followed a network; what is kept stands in a folder of the test's."
    from dljourney.kit.models import planning

    monkeypatch.setenv("DLJOURNEY_CACHE", str(tmp_path / "cache"))
    follow, times = planning._exported, []
    monkeypatch.setattr(planning, "_exported", lambda *args: times.append(1) or follow(*args))
    return times


def small(between=None):
    return nn.Sequential(nn.Conv2d(1, 2, 3), between or nn.ReLU(), nn.Flatten(), nn.Linear(72, 3))


def test_an_architecture_is_followed_once(followed):
    x = torch.rand(2, 1, 8, 8)
    plans = [proven_plan(small().eval(), x, "small") for _ in range(3)]
    assert len(followed) == 1 and plans[0] == plans[1] == plans[2]
    proven_plan(small().eval(), x, "another description")
    proven_plan(nn.Sequential(nn.Flatten(), nn.Linear(81, 3)), torch.rand(2, 1, 9, 9), "small")
    proven_plan(small().eval(), x)  # nobody says what it is
    assert len(followed) == 4


def test_a_plan_that_does_not_fit_is_not_taken(followed, tmp_path):
    x = torch.rand(2, 1, 8, 8) - 0.5
    proven_plan(small().eval(), x, "small")
    plan = proven_plan(small(nn.Sigmoid()).eval(), x, "small")
    assert len(followed) == 2 and "sigmoid" in {step["op"] for step in plan["steps"]}


@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: b"", lambda data:
                                    data.replace(b"relu", b"tanh"), lambda data: b"\xff" + data])
def test_a_damaged_plan_is_made_anew(damage, followed, tmp_path):
    x, net = torch.rand(2, 1, 8, 8), small().eval()
    plan = proven_plan(net, x, "small")
    (file,) = (tmp_path / "cache" / "plans").iterdir()
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert proven_plan(net, x, "small") == plan and len(followed) == 2
    assert file.read_bytes() == whole


def test_where_nothing_can_be_kept_there_is_a_plan_all_the_same(followed, tmp_path):
    (tmp_path / "cache").write_text("a file in the way")
    assert proven_plan(small().eval(), torch.rand(2, 1, 8, 8), "small")


def test_few_plans_are_kept(followed, tmp_path, monkeypatch):
    from dljourney.kit.models import planning

    monkeypatch.setattr(planning, "_MANY", 2)
    for name in "abc": proven_plan(small().eval(), torch.rand(2, 1, 8, 8), name)
    assert len(list((tmp_path / "cache" / "plans").iterdir())) == 2
