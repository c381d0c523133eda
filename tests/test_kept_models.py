"A saved program is the model: shared, named and nested layers, other heads, half precision."

from collections import OrderedDict

import pytest
import timm
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from dljourney.kit.pictures import Preprocess
from dljourney.kit.models import build, describe, program_bytes, read_card, read_model
from dljourney.program import Program, load, save
from dljourney.transfer import fine_tune, predict, pretrained

grey = Preprocess(size=(8, 8), channels=1)


def views(channels=1, size=8):
    "Inputs of every kind of size: a difference that one of them hides shows in another."
    x = torch.randn(6, channels, size, size, generator=torch.Generator().manual_seed(0))
    return torch.cat([x, x * 0.01, x * 100, -x * 10, torch.zeros_like(x[:1]),
                      torch.ones_like(x[:1])])


def kept(model, folder, preprocess=None, **more):
    "The model as it comes back from a file, once it is known to be the same function."
    program = load(save(model, folder / "kept.safetensors", preprocess=preprocess, **more))
    wants = program.preprocess
    x = views(wants.channels, wants.size[0])
    with torch.no_grad():
        torch.testing.assert_close(program.model(x), model.eval()(x), atol=1e-5, rtol=1e-4)
    return program.model


# Boxes of torch's layers


def test_one_activation_used_twice_is_kept_twice(tmp_path):
    "Its second use shows only where a score is below 0, as no picture of noise made it."
    act, last = nn.ReLU(), nn.Linear(64, 2)
    with torch.no_grad():
        last.weight[0], last.weight[1], last.bias[0], last.bias[1] = 0.05, 0.2, 0.0, -3.0
    model = nn.Sequential(nn.Flatten(), act, last, act)
    assert len(kept(model, tmp_path, grey)) == 4
    picture, program = torch.full((1, 8, 8), 0.1), load(tmp_path / "kept.safetensors")
    want = model(picture[None]).softmax(1)[0].tolist()
    assert program(picture) == pytest.approx({"0": want[0], "1": want[1]})


def test_a_description_tells_every_use_of_a_layer():
    act = nn.ReLU()
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 9), act, nn.Linear(9, 9), act,
                          nn.Linear(9, 2))
    assert repr(build(describe(model))) == repr(model)


layer = st.sampled_from(["relu", "tanh", "square", "norm", "drop", "box", "named", "shared",
                         "again"])


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kinds=st.lists(st.tuples(layer, st.integers(0, 2)), max_size=7), named=st.booleans(),
       seed=st.integers(0, 99))
def test_any_box_of_layers_comes_back_as_the_same_function(kinds, named, seed, tmp_path):
    torch.manual_seed(seed)
    shared = [nn.LeakyReLU(0.3), nn.Linear(6, 6), nn.Sequential(nn.Linear(6, 6), nn.Tanh())]
    made = {
        "relu": nn.ReLU,
        "tanh": nn.Tanh,
        "square": lambda: nn.Linear(6, 6),
        "norm": lambda: nn.LayerNorm(6),
        "drop": nn.Dropout,
        "box": lambda: nn.Sequential(nn.Sequential(nn.Linear(6, 6)), shared[0]),
        "named": lambda: nn.Sequential(OrderedDict(a=nn.Linear(6, 6), layers=shared[1],
                                                   b=shared[1])),
    }
    inner = [shared[i] if kind in ("shared", "again") else made[kind]() for kind, i in kinds]
    layers = [nn.Flatten(), nn.Linear(64, 6), *inner, nn.Linear(6, 3)]
    names = OrderedDict((f"layer_{i}", m) for i, m in enumerate(layers))
    model = nn.Sequential(names) if named else nn.Sequential(*layers)
    back = kept(model, tmp_path, grey)
    assert back.state_dict().keys() == model.state_dict().keys()
    assert [*map(type, back)] == [*map(type, model)]


def test_layers_with_names_keep_them(tmp_path):
    model = nn.Sequential(OrderedDict(flat=nn.Flatten(), hidden=nn.Linear(64, 8), act=nn.ReLU(),
                                      out=nn.Linear(8, 2)))
    assert [n for n, _ in kept(model, tmp_path, grey).named_children()] == [
        "flat", "hidden", "act", "out"]
    model = nn.Sequential()
    model.add_module("flat", nn.Flatten())
    model.add_module("body", nn.Sequential(OrderedDict(hidden=nn.Linear(64, 8), act=nn.ReLU())))
    model.append(nn.Linear(8, 2))
    assert repr(kept(model, tmp_path, grey)) == repr(model)


def test_tied_weights_stay_tied_and_stand_in_the_file_once(tmp_path):
    square = nn.Linear(64, 64)
    model = nn.Sequential(nn.Flatten(), square, nn.Tanh(), nn.Linear(64, 64), square,
                          nn.Linear(64, 2))
    model[3].weight = square.weight
    back = kept(model, tmp_path, grey)
    assert back[1].weight is back[3].weight is back[4].weight and back[3].bias is not back[1].bias
    assert (tmp_path / "kept.safetensors").stat().st_size < 2 * 64 * 64 * 4


def test_options_that_were_changed_later_are_kept(tmp_path):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.LeakyReLU(0.1), nn.Flatten(),
                          nn.Linear(144, 3))
    model[0].padding, model[1].eps, model[2].negative_slope = (1, 1), 0.5, 0.9
    model[4] = nn.Linear(256, 3)
    kept(model, tmp_path, grey)


def test_numbers_of_numpy_are_numbers(tmp_path):
    import numpy as np

    stride, slope = np.int64(2), np.float32(0.7)
    conv = nn.Conv2d(1, np.int64(4), 3, stride=stride)
    model = nn.Sequential(conv, nn.LeakyReLU(slope), nn.Flatten(), nn.Linear(36, 3))
    kept(model, tmp_path, grey)


# What a file cannot hold is refused, however little of it shows


def softened():
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    model[1].register_forward_hook(lambda layer, inputs, output: output.relu())
    nn.init.constant_(model[1].bias, 50.0)  # no picture makes these scores negative
    return model


def own_forward():
    model = nn.Sequential(nn.Flatten(), nn.ReLU(), nn.Linear(64, 3))
    model[1].forward = lambda x: x.clamp(min=-1e9)
    return model


def normed():
    return nn.Sequential(nn.Flatten(), nn.utils.spectral_norm(nn.Linear(64, 3)))


def cut():
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 5))
    model[1].weight, model[1].bias = (nn.Parameter(p.detach()[:3])
                                      for p in (model[1].weight, model[1].bias))
    return model


@pytest.mark.parametrize("make", [softened, own_forward, normed, cut])
def test_code_that_was_hung_on_a_layer_is_refused_with_the_way_out(make, tmp_path):
    with pytest.raises((TypeError, ValueError), match="export_onnx"):
        save(make(), tmp_path / "no.safetensors", preprocess=grey)
    assert not list(tmp_path.iterdir())


def test_a_hook_that_only_looks_is_no_reason_to_refuse(tmp_path):
    seen = []
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    model[1].register_forward_hook(lambda layer, inputs, output: seen.append(output.mean()))
    kept(model, tmp_path, grey)
    assert seen


# Models of timm with other parts


def named_timm(name="resnet18", **kw):
    torch.manual_seed(0)
    return timm.create_model(name, **kw)


def linear(net):
    net.fc = nn.Linear(net.num_features, 3)


def renumbered(net):
    net.fc, net.num_classes = nn.Linear(net.num_features, 3), 3


def two_layers(net):
    act = nn.ReLU()
    net.fc = nn.Sequential(nn.Linear(512, 8), act, nn.Dropout(0.3), nn.Linear(8, 8), act,
                           nn.Linear(8, 3))


def reset(net):
    net.reset_classifier(3)


def reset_pool(net):
    net.reset_classifier(3, "max")


def wider_norm(net):
    net.fc, net.bn1.eps, net.layer2[0].act1 = nn.Linear(512, 3), 0.3, nn.GELU()


def grey_input(net):
    net.conv1, net.fc = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False), nn.Linear(512, 3)


def tied(net):
    linear(net)
    net.layer1[1].conv1.weight = net.layer1[0].conv1.weight


changes = [linear, renumbered, two_layers, reset, reset_pool, wider_norm, grey_input, tied]


@pytest.mark.parametrize("change", changes)
def test_a_timm_model_whose_head_was_changed_is_kept(change, tmp_path):
    net = named_timm()
    change(net)
    net.eval()
    back = kept(net, tmp_path, Preprocess.of(net, 32))
    assert back.state_dict().keys() == net.state_dict().keys()
    if change is tied:
        assert back.layer1[1].conv1.weight is back.layer1[0].conv1.weight


def classifier(net):
    net.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(net.classifier.in_features, 3))


def head(net):
    net.head = nn.Linear(net.head.in_features, 3)


def head_fc(net):
    net.head.fc = nn.Linear(net.head.fc.in_features, 3)


def convolution(net):
    net.head.fc = nn.Conv2d(net.head.fc.in_channels, 3, 1)


def average(net):
    net.reset_classifier(3, "avg")


@pytest.mark.parametrize("name, size, change", [
    ("mobilenetv3_small_050", 32, classifier), ("test_efficientnet", 32, classifier),
    ("test_vit", 160, head),
    ("test_vit", 160, average), ("test_convnext", 32, head_fc), ("test_convnext", 32, reset_pool),
    ("resnetv2_18", 32, convolution), ("densenet121", 32, classifier), ("regnetx_002", 32, head_fc),
])  # fmt: skip
def test_heads_of_other_families_are_kept(name, size, change, tmp_path):
    net = named_timm(name)
    change(net)
    kept(net.eval(), tmp_path, Preprocess.of(net, size))


def test_a_model_without_a_head_that_was_given_one_is_kept(tmp_path):
    net = named_timm("test_resnet", num_classes=0)
    net.fc = nn.Linear(net.num_features, 3)
    kept(net, tmp_path, Preprocess.of(net, 32))


@pytest.mark.parametrize("options", [{"drop_rate": 0.3}, {"drop_path_rate": 0.2},
                                     {"global_pool": "max"}])
def test_a_model_made_with_options_needs_no_reminder(options, tmp_path):
    net = pretrained("test_efficientnet", 3, weights=False, **options).eval()
    kept(net, tmp_path, Preprocess.of(net, 32))


def test_a_file_of_an_ordinary_model_is_as_small_as_before(tmp_path):
    save(named_timm("test_resnet", num_classes=3), tmp_path / "p.safetensors")
    architecture = read_card(tmp_path / "p.safetensors")["architecture"]
    assert architecture == {"kind": "timm", "name": "test_resnet", "num_classes": 3, "in_chans": 3,
                            "options": {}}


class OwnHead(nn.Module):
    def __init__(self):
        super().__init__()
        self.last = nn.Linear(512, 3)

    def forward(self, x):
        return self.last(x).sin()


def test_a_head_with_code_of_its_own_is_named(tmp_path):
    net = named_timm()
    net.fc = OwnHead()
    with pytest.raises((TypeError, ValueError), match="model: layer fc is a OwnHead.*export_onnx"):
        save(net, tmp_path / "no.safetensors", preprocess=Preprocess.of(net, 32))


# Half precision, and other wrappings


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("kind", ["timm", "layers"])
def test_a_model_of_another_precision_is_the_same_function(kind, dtype, tmp_path):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.BatchNorm1d(16), nn.ReLU(),
                        nn.Linear(16, 3))
    wants = grey
    if kind == "timm":
        net = named_timm("test_resnet", num_classes=3)
        wants = Preprocess.of(net, 32)
    net = net.to(dtype).eval()
    x = torch.rand(5, wants.channels, *wants.size)
    want = Program(net, list("abc"), wants).probabilities(wants(x))
    program = load(save(net, tmp_path / "half.safetensors", list("abc"), preprocess=wants))
    torch.testing.assert_close(program.probabilities(wants(x)), want)
    with torch.no_grad():
        torch.testing.assert_close(net(wants(x).to(dtype)).float().softmax(1), want, atol=0.05,
                                   rtol=0.05)
    assert all(p.dtype == dtype for p in net.parameters()) and want.dtype == torch.float32
    assert all(p.dtype == torch.float32 for p in program.model.parameters())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_model_of_another_precision_is_asked_in_it(dtype):
    net, x = pretrained("glyphnet", 3), torch.rand(4, 1, 32, 32)
    want = predict(net, x)
    got = predict(net.to(dtype), x)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, want, atol=0.05, rtol=0.05)


def test_a_model_of_two_precisions_is_told_so_and_the_way_out_works():
    net, x = pretrained("glyphnet", 3).half(), torch.rand(4, 3, 32, 32)
    net.fc = nn.Linear(net.num_features, 3)
    with pytest.raises(TypeError,
                       match=r"model: expected parameters of one type.*model\.float\(\)"):
        predict(net, x)
    assert predict(net.float(), x).shape == (4, 3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_fine_tuning_another_precision_names_a_way_out_that_works(dtype):
    half, x, y = (pretrained("glyphnet", 2).to(dtype), torch.rand(4, 3, 32, 32),
                  torch.tensor([0, 1, 0, 1]))
    for pictures in (x, x.to(dtype)):
        for frozen in (0, 1):
            with pytest.raises(TypeError, match=rf"model: .*{dtype}.*model\.float\(\)"):
                fine_tune(half, pictures, y, frozen_epochs=frozen, epochs=1)
    half.float()
    for pictures in (x, x.to(dtype)):
        assert fine_tune(half, pictures, y, epochs=1).run().history[-1]["loss"] > 0


@pytest.mark.parametrize("wrap", [nn.DataParallel, lambda m: torch.compile(m, backend="eager")])
def test_what_a_model_was_wrapped_in_is_left_out(wrap, tmp_path):
    net = named_timm("test_resnet", num_classes=3).eval()
    program = load(save(wrap(net), tmp_path / "p.safetensors"))
    assert program.model.state_dict().keys() == net.state_dict().keys()


# Descriptions from elsewhere


def test_a_description_of_twice_the_same_name_is_refused(tmp_path):
    from dljourney.kit.models import ModelFileError

    model = nn.Sequential(OrderedDict(a=nn.Linear(4, 4), b=nn.Linear(4, 4)))
    told = describe(model)
    told["layers"][1]["name"] = "a"
    with pytest.raises(ModelFileError):
        build(told)
    for name in ("forward", "a.b", "", 3, None, "x" * 1000):
        told["layers"][1]["name"] = name
        with pytest.raises(ModelFileError):
            build(told)


@pytest.mark.parametrize("lie", [
    {"replaced": {"nowhere": {"layer": "ReLU", "options": {}}}},
    {"replaced": {"fc": {"layer": "os.system", "options": {}}}},
    {"replaced": {"": {"layer": "ReLU", "options": {}}}},
    {"replaced": {"forward": {"layer": "ReLU", "options": {}}}},
    {"replaced": ["fc"]},
    {"facts": {"": {"forward": 3}}},
    {"facts": {"": {"no_such": 3}}},
    {"facts": {"global_pool": {"pool_type": 10**9}}},
    {"facts": {"global_pool": {"pool_type": {"a": 1}}}},
    {"facts": {"": {"_modules": None}}},
    {"facts": {"bn1": {"training": True}}},
    {"tied": [["fc.weight", "nowhere"]]},
    {"tied": [["fc.weight", "fc.bias"]]},
    {"tied": [["fc.weight", "conv1.weight"]]},
    {"tied": [["fc.bias", "bn1.weight"]]},
    {"tied": 3}, {"tied": [3]}, {"tied": [[]]}, {"tied": [["fc.weight"]] * 3},
    {"tied": [["bn1.weight", "bn1.bias", "bn1.weight"]]},
])  # fmt: skip
def test_changes_that_lie_are_refused(lie, tmp_path):
    from dljourney.kit.models import ModelFileError

    net = named_timm("test_resnet", num_classes=3)
    told = {**describe(net), **lie}
    card = {"labels": list("abc"), "preprocess": Preprocess.of(net, 32).asdict(),
            "architecture": {**describe(net)}}
    from test_faults_models import sealed

    weights = {k: v.contiguous() for k, v in net.state_dict().items()}
    path = tmp_path / "x.safetensors"
    path.write_bytes(program_bytes(net, card))
    assert read_model(path)
    path.write_bytes(sealed({"format": 1, **card, "architecture": told}, weights))
    with pytest.raises(ModelFileError):
        load(path)
