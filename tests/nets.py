"Networks and single layers to compare with torch, and the pictures to do it with."

import os

import timm
import torch
from hypothesis import settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

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


def pictures(draw, least, most, channels=None):
    channels = channels or draw(st.integers(1, 6))
    shape = 2, channels, *(draw(st.integers(least, most)) for _ in range(2))
    seed = draw(st.integers(0, 99))
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def convolution(draw):
    groups, depthwise = draw(st.sampled_from([1, 1, 2, 3])), draw(st.booleans())
    c = groups * draw(st.integers(1, 3))
    window = tuple(draw(st.integers(1, 4)) for _ in range(2))
    stretch, stride = draw(st.integers(1, 2)), draw(st.integers(1, 3))
    padding = draw(st.sampled_from([0, 1, (2, 1), "same", "valid"]))
    padding = padding if stride == 1 or not isinstance(padding, str) else 1
    layer = nn.Conv2d(c, c if depthwise else groups * draw(st.integers(1, 3)), window, stride,
                      padding, stretch, c if depthwise else groups, bias=draw(st.booleans()))
    least = max(window) * stretch
    return lively(layer), pictures(draw, least, least + 6, c)


def pool(kind, draw):
    window = tuple(draw(st.integers(1, 4)) for _ in range(2))
    options = dict(stride=draw(st.sampled_from([None, 1, 2, 3])), ceil_mode=draw(st.booleans()),
                   padding=tuple(draw(st.integers(0, k // 2)) for k in window))
    x = pictures(draw, max(window), 12)
    if kind == "maximum": return nn.MaxPool2d(window, **options), x
    return nn.AvgPool2d(window, **options, count_include_pad=draw(st.booleans())), x


def adaptive(draw):
    size = draw(st.sampled_from([1, (1, None), 2, (3, 5), (None, 1)]))
    return nn.AdaptiveAvgPool2d(size), pictures(draw, 2, 12)


class Twice(nn.Module):
    "Looks at a convolution's result before and after its norm."

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5)

    def forward(self, x):
        x = self.a(x)
        return self.b(x) + x


NORMS = {
    "behind a convolution": lambda: nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5)),
    "without numbers of its own": lambda: nn.Sequential(
        nn.Conv2d(3, 6, 3, groups=3, bias=False), nn.BatchNorm2d(6, affine=False)),
    "behind a matrix": lambda: nn.Sequential(nn.Flatten(), nn.Linear(147, 5), nn.BatchNorm1d(5)),
    "behind nothing": lambda: nn.BatchNorm2d(3), "behind a value seen twice": Twice,
}


def norm(name):
    torch.manual_seed(0)
    return lively(NORMS[name]()), torch.randn(4, 3, 7, 7)


LAYERS = {
    "relu": nn.ReLU(), "relu in place": nn.ReLU(inplace=True), "relu6": nn.ReLU6(),
    "hardtanh": nn.Hardtanh(-0.5, 2), "sigmoid": nn.Sigmoid(), "silu": nn.SiLU(),
    "hardswish": nn.Hardswish(), "hardsigmoid": nn.Hardsigmoid(), "tanh": nn.Tanh(),
    "leaky relu": nn.LeakyReLU(0.1), "dropout": nn.Dropout(), "flatten": nn.Flatten(),
    "flatten in part": nn.Flatten(2), "zero pad": nn.ZeroPad2d((1, 2, 0, 3)),
    "constant pad": nn.ConstantPad2d((0, 1, 2, 0), -1.5), "identity": nn.Identity(),
    "softmax": nn.Softmax(-1), "linear": nn.Linear(5, 3), "unflatten": nn.Unflatten(1, (2, 2)),
}  # fmt: skip


def layer(name):
    x = 4 * torch.randn(3, 4, 5, 5, generator=torch.Generator().manual_seed(1))
    x[0, 0, 0, :4] = torch.tensor([-200.0, 200.0, 0.0, -0.0])  # no overflow, no warning
    return lively(LAYERS[name]), x


class Does(nn.Module):
    "What a function does with pictures."

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


FUNCTIONS = [
    lambda x: x + x.sigmoid(), lambda x: x + 1.5, lambda x: 2 * x, lambda x: x.mul(x).add_(x),
    lambda x: x * x.mean((2, 3), keepdim=True).sigmoid(), lambda x: x.mean((2, 3)),
    lambda x: x.mean(-1), lambda x: torch.cat([x, x.relu(), x[:, :2]], 1),
    lambda x: x[:, 1:-1] + x[:, 2:], lambda x: x.mean((2, 3), keepdim=True) + x,
    lambda x: x.flatten(1).unsqueeze(1).squeeze(1), lambda x: F.pad(x, (1, 1)),
    lambda x: x.clamp(max=0.5).clamp(min=-0.5), lambda x: x,
    lambda x: F.relu_((x + 1).flatten(1)),
]  # fmt: skip


def function(i):
    x = torch.randn(2, 4, 5, 6, generator=torch.Generator().manual_seed(i))
    return Does(FUNCTIONS[i]).eval(), x


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


def network(name, n):
    "A network with weights that are exact in 16 bits, and n pictures."
    torch.manual_seed(0)
    model, shape = NETWORKS[name][0]()
    model = model.eval().requires_grad_(False) if name == "glyphnet" else lively(model)
    return model, torch.randn(n, *shape, generator=torch.Generator().manual_seed(2))


FAMILIES = """
    cspresnet50 darknet17 densenet121 dla34 efficientnet_b0 ghostnet_050 hardcorenas_a lcnet_050
    mnasnet_small mobilenetv2_035 mobilenetv3_small_050 regnety_002 repghostnet_050 repvgg_a0
    resnet10t resnext26ts rexnet_100 selecsls42 seresnet18 tinynet_e vovnet39a xception41
""".split()
