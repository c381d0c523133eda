"A network as a list of steps: each is torch's, and what has no place there is refused by name."

import copy
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from dljourney.kit.models import NumpyNet, build, describe, plan_of

root = Path(__file__).parent.parent
soak = bool(os.environ.get("MINUTES"))
few = settings(max_examples=60 if soak else 8)


def tensors_of(model):
    return {name: t.numpy() for name, t in model.state_dict().items()}


def lively(model, seed=0):
    "The model at rest, with norms that are no identity and numbers that are exact in 16 bits."
    dice = torch.Generator().manual_seed(seed)
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d) and norm.running_var is not None:
            norm.running_mean.normal_(0, 0.3, generator=dice)
            norm.running_var.uniform_(0.5, 2, generator=dice)
            if norm.affine:
                nn.init.uniform_(norm.weight, 0.5, 1.5, generator=dice)
                nn.init.normal_(norm.bias, 0, 0.2, generator=dice)
    for p in model.parameters():
        p.data = p.data.half().float()
    return model.eval().requires_grad_(False)


def check(model, x, within=1e-5):
    "The plan of a model gives, walked through with NumPy, what torch gives."
    with torch.inference_mode():
        want = model(x).numpy()
    plan = plan_of(model, x.shape[1:])
    got = NumpyNet(plan, tensors_of(model))(x.numpy())
    assert got.shape == want.shape and got.dtype == np.float32
    assert np.abs(got - want).max() <= within * max(1, np.abs(want).max())
    return plan


def pictures(data, least, most, channels=None):
    channels = channels or data.draw(st.integers(1, 6))
    shape = 2, channels, *(data.draw(st.integers(least, most)) for _ in range(2))
    seed = data.draw(st.integers(0, 99))
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


# -- step by step ----------------------------------------------------------------------------------


@given(st.data())
@settings(few, max_examples=200 if soak else 15)
def test_a_convolution_is_torchs(data):
    draw, groups = data.draw, data.draw(st.sampled_from([1, 1, 2, 3]))
    depthwise = draw(st.booleans())
    c = groups * draw(st.integers(1, 3))
    window = tuple(draw(st.integers(1, 4)) for _ in range(2))
    stretch = draw(st.integers(1, 2))
    stride = draw(st.integers(1, 3))
    padding = draw(st.sampled_from([0, 1, (2, 1), "same", "valid"]))
    padding = padding if stride == 1 or not isinstance(padding, str) else 1
    layer = nn.Conv2d(c, c if depthwise else groups * draw(st.integers(1, 3)), window, stride,
                      padding, stretch, c if depthwise else groups, bias=draw(st.booleans()))
    least = max(window) * stretch
    check(lively(layer), pictures(data, least, least + 6, c))


@given(st.data())
@few
def test_a_pool_is_torchs(data):
    draw = data.draw
    window = tuple(draw(st.integers(1, 4)) for _ in range(2))
    options = dict(stride=draw(st.sampled_from([None, 1, 2, 3])), ceil_mode=draw(st.booleans()),
                   padding=tuple(draw(st.integers(0, k // 2)) for k in window))
    x = pictures(data, max(window), 12)
    check(nn.MaxPool2d(window, **options), x)
    check(nn.AvgPool2d(window, **options, count_include_pad=draw(st.booleans())), x)


@given(st.data())
@few
def test_a_pool_that_adapts_is_torchs(data):
    size = data.draw(st.sampled_from([1, (1, None), 2, (3, 5), (None, 1)]))
    check(nn.AdaptiveAvgPool2d(size), pictures(data, 2, 12))


@pytest.mark.parametrize("behind", ["convolution", "matrix", "nothing", "a value seen twice"])
@pytest.mark.parametrize("affine", [True, False])
def test_a_norm_is_torchs_whatever_stands_before_it(behind, affine):
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5, affine=affine)

        def forward(self, x):
            x = self.a(x)
            return self.b(x) + x

    model = {
        "convolution": lambda: nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5, affine=affine)),
        "matrix": lambda: nn.Sequential(nn.Flatten(), nn.Linear(147, 5, bias=affine),
                                        nn.BatchNorm1d(5, affine=affine)),
        "nothing": lambda: nn.BatchNorm2d(3, affine=affine),
        "a value seen twice": Twice,
    }[behind]()
    plan = check(lively(model), torch.randn(4, 3, 7, 7))
    assert "norm" in {step["op"] for step in plan["steps"]}, "it is folded by who runs the plan"


each_function = {
    "relu": nn.ReLU(), "relu in place": nn.ReLU(inplace=True), "relu6": nn.ReLU6(),
    "hardtanh": nn.Hardtanh(-0.5, 2), "sigmoid": nn.Sigmoid(), "silu": nn.SiLU(),
    "hardswish": nn.Hardswish(), "hardsigmoid": nn.Hardsigmoid(), "tanh": nn.Tanh(),
    "leaky relu": nn.LeakyReLU(0.1), "dropout": nn.Dropout(), "flatten": nn.Flatten(),
    "flatten in part": nn.Flatten(2), "zero pad": nn.ZeroPad2d((1, 2, 0, 3)),
    "constant pad": nn.ConstantPad2d((0, 1, 2, 0), -1.5), "identity": nn.Identity(),
    "softmax": nn.Softmax(-1), "linear": nn.Linear(5, 3), "unflatten": nn.Unflatten(1, (2, 2)),
}  # fmt: skip


@pytest.mark.parametrize("name", each_function)
def test_a_function_number_by_number_is_torchs(name):
    layer = each_function[name].eval()
    x = 4 * torch.randn(3, 4, 5, 5, generator=torch.Generator().manual_seed(1))
    x[0, 0, 0, :4] = torch.tensor([-200.0, 200.0, 0.0, -0.0])  # no overflow, no warning
    with np.errstate(all="raise", under="ignore"):
        check(layer, x)


class Does(nn.Module):
    "What a function does with pictures."

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


@pytest.mark.parametrize("function", [
    lambda x: x + x.sigmoid(), lambda x: x + 1.5, lambda x: 2 * x, lambda x: x.mul(x).add_(x),
    lambda x: x * x.mean((2, 3), keepdim=True).sigmoid(), lambda x: x.mean((2, 3)),
    lambda x: x.mean(-1), lambda x: torch.cat([x, x.relu(), x[:, :2]], 1),
    lambda x: x[:, 1:-1] + x[:, 2:], lambda x: x.mean((2, 3), keepdim=True) + x,
    lambda x: x.flatten(1).unsqueeze(1).squeeze(1), lambda x: F.pad(x, (1, 1)),
    lambda x: x.clamp(max=0.5).clamp(min=-0.5), lambda x: x,
    lambda x: F.relu_((x + 1).flatten(1)),
])  # fmt: skip
def test_sums_products_parts_and_means_are_torchs(function):
    check(Does(function).eval(), torch.randn(2, 4, 5, 6))


# -- networks --------------------------------------------------------------------------------------


def sequential():
    net = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True),
                        nn.MaxPool2d(2), nn.Dropout(), nn.Conv2d(8, 8, 3, groups=8), nn.ReLU6(),
                        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 5))
    return net, (1, 20, 20)


def of_timm(name, size, pretrained=False, **options):
    def make():
        from dljourney.kit.models import glyphnet  # noqa: F401  (registers the name)

        return timm.create_model(name, pretrained=pretrained, **options), (3, size, size)
    return make


def plain_matrices():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.Tanh(), nn.Linear(16, 3)), (1, 8, 8)


NETWORKS = {  # how it is made, and how many pictures are compared in a quick test
    "glyphnet": (of_timm("glyphnet", 32, True), 200),
    "glyphnet, ten classes": (of_timm("glyphnet", 32, num_classes=10), 20),
    "photonet": (of_timm("tf_efficientnet_lite0", 224), 2),
    "resnet18": (of_timm("resnet18", 64, num_classes=7), 20),
    "a sequential": (sequential, 200), "matrices": (plain_matrices, 200),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_gives_the_same_scores(name):
    make, n = NETWORKS[name]
    torch.manual_seed(0)
    model, shape = make()
    model = model.eval() if name == "glyphnet" else lively(model)
    n = 200 if soak else n
    plan = check(model, torch.randn(n, *shape, generator=torch.Generator().manual_seed(2)))
    used = {v for step in plan["steps"] for v in step.values() if isinstance(v, str)}
    assert used - {step["op"] for step in plan["steps"]} <= model.state_dict().keys()


FAMILIES = """
    cspresnet50 darknet17 densenet121 dla34 efficientnet_b0 ghostnet_050 hardcorenas_a lcnet_050
    mnasnet_small mobilenetv2_035 mobilenetv3_small_050 regnety_002 repghostnet_050 repvgg_a0
    resnet10t resnext26ts rexnet_100 selecsls42 seresnet18 tinynet_e vovnet39a xception41
""".split()


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
