"Weights that are asked for are there: what fitted is said, a body that did not fit is refused."

import re
import warnings

import pytest
import safetensors.torch
import timm
import torch
from torch import nn

from dljourney.kit.pictures import Preprocess
from dljourney.kit.models import ModelFileError
from dljourney.program import save
from dljourney.transfer import predict, pretrained


def a_net(name="test_resnet", **kw):
    "A model of timm whose numbers are no model's first ones: BatchNorm's too."
    torch.manual_seed(7)
    net = timm.create_model(name, **kw)
    with torch.no_grad():
        for t in net.state_dict().values():
            if t.is_floating_point():
                t.add_(torch.rand(t.shape))
    return net.eval()


def written(tensors, path):
    safetensors.torch.save_file({k: v.contiguous().clone() for k, v in tensors.items()}, path)
    return path


@pytest.fixture
def file(tmp_path):
    return tmp_path / "mine.safetensors"


def equal(a, b, leave_out="nothing"):
    a, b = (m.state_dict() if isinstance(m, nn.Module) else m for m in (a, b))
    return a.keys() == b.keys() and all(torch.equal(v, b[k]) for k, v in a.items()
                                        if not k.startswith(leave_out))


def told(call):
    "What a call gives, and what it warns of."
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        result = call()
    return result, " ".join(str(w.message) for w in seen)


# Heads


@pytest.mark.parametrize("n", [2, 1000, None])
def test_a_head_of_the_asked_size_comes_along(n, file):
    mine = a_net(num_classes=n or 5)
    back, said = told(lambda: pretrained("test_resnet", n,
                                         weights=written(mine.state_dict(), file)))
    assert equal(back, mine) and not said and back.num_classes == (n or 5)


def test_a_head_of_another_size_is_new_and_that_is_said(file):
    mine = a_net(num_classes=5)
    back, said = told(lambda: pretrained("test_resnet", 3,
                                         weights=written(mine.state_dict(), file)))
    bodies = [{k: v for k, v in m.state_dict().items() if "fc" not in k} for m in (back, mine)]
    assert back.num_classes == 3 and equal(*bodies)
    assert "the head is new" in said and "5" in said and "3" in said and str(file) in said


def test_a_body_alone_gets_a_new_head_and_that_is_said(file):
    body = {k: v for k, v in a_net().state_dict().items() if not k.startswith("fc.")}
    back, said = told(lambda: pretrained("test_resnet", 3, weights=written(body, file)))
    assert "the head is new" in said
    assert equal(back, body | {k: back.get_parameter(k) for k in ("fc.weight", "fc.bias")})
    with pytest.raises(ValueError, match="holds no head.*num_classes="):
        pretrained("test_resnet", weights=file)


def theirs(name):
    "A name in timm's ConvNeXt as those who trained it first called it."
    name = re.sub(r"^stem\.", "downsample_layers.0.", name)
    name = re.sub(r"^stages\.(\d)\.downsample\.", r"downsample_layers.\1.", name)
    name = name.replace(".blocks.", ".").replace("conv_dw", "dwconv").replace("mlp.fc", "pwconv")
    return name.replace("head.norm", "norm")


def test_a_body_under_names_that_only_timm_knows_needs_a_head_too(file):
    mine = a_net("test_convnext")
    body = {theirs(k): v for k, v in mine.state_dict().items() if not k.startswith("head.fc")}
    back, said = told(lambda: pretrained("test_convnext", 3, weights=written(body, file)))
    assert "the head is new" in said
    assert torch.equal(back.stages[1].blocks[0].conv_dw.weight,
                       mine.stages[1].blocks[0].conv_dw.weight)
    with pytest.raises(ValueError, match="holds no head.*num_classes="):
        pretrained("test_convnext", weights=file)
    assert pretrained("test_convnext", 0, weights=file).num_classes == 0


def test_a_model_that_has_no_head_at_timm_needs_none(file):
    name = next(n for n in timm.list_models("vit_small_*dino*")
                if timm.get_pretrained_cfg(n).num_classes == 0)
    small = dict(embed_dim=24, depth=1, num_heads=2)
    mine = a_net(name, **small)
    back, said = told(lambda: pretrained(name, weights=written(mine.state_dict(), file), **small))
    assert equal(back, mine) and not said and back.num_classes == 0


def test_half_a_head_is_refused(file):
    state = a_net(num_classes=3).state_dict()
    del state["fc.bias"]
    with pytest.raises(ValueError, match=r"weights: .*mine\.safetensors.*fc\.bias"):
        pretrained("test_resnet", 3, weights=written(state, file))


def test_a_program_is_a_weights_file(file):
    mine = a_net(num_classes=2)
    save(mine, file, ["a", "b"], preprocess=Preprocess.of(mine, 32))
    assert equal(pretrained("test_resnet", 2, weights=file), mine)
    other = a_net()
    other.fc = nn.Sequential(nn.Linear(other.num_features, 4), nn.ReLU(), nn.Linear(4, 2))
    file.unlink()
    save(other, file, ["a", "b"], preprocess=Preprocess.of(other, 32))
    back, said = told(lambda: pretrained("test_resnet", 2, weights=file))
    assert torch.equal(back.conv1[0].weight, other.conv1[0].weight)
    assert "the head is new" in said and "fc.0.weight" in said


# Names


prefixes = ["backbone.", "module.", "_orig_mod.", "model.", "module._orig_mod.",
            "model.backbone.module.", "student.net."]


@pytest.mark.parametrize("prefix", prefixes)
def test_a_prefix_before_each_name_is_understood(prefix, file):
    mine = a_net(num_classes=2)
    state = {f"{prefix}{k}": v for k, v in mine.state_dict().items()}
    assert equal(pretrained("test_resnet", 2, weights=written(state, file)), mine)


def test_names_of_compiled_parts_are_understood(file):
    mine = a_net(num_classes=2)
    state = {k.replace("layer1.", "layer1._orig_mod."): v for k, v in mine.state_dict().items()}
    assert equal(pretrained("test_resnet", 2, weights=written(state, file)), mine)


def test_a_body_beside_a_head_of_another_name(file):
    "As training frameworks keep a body and a head of one's own side by side."
    mine = a_net()
    state = {f"backbone.{k}": v for k, v in mine.state_dict().items() if not k.startswith("fc.")}
    state |= {"classifier.weight": torch.rand(2, mine.num_features),
              "classifier.bias": torch.rand(2)}
    back, said = told(lambda: pretrained("test_resnet", 2, weights=written(state, file)))
    assert torch.equal(back.layer1[0].bn1.running_mean, mine.layer1[0].bn1.running_mean)
    assert "the head is new" in said and "classifier.weight" in said


def test_of_two_networks_in_one_file_the_bare_names_count(file):
    mine, other = a_net(num_classes=2), timm.create_model("test_resnet", num_classes=2)
    state = {**mine.state_dict(), **{f"ema.{k}": v for k, v in other.state_dict().items()}}
    back, said = told(lambda: pretrained("test_resnet", 2, weights=written(state, file)))
    assert equal(back, mine) and "ema." in said


# Bodies that do not fit


@pytest.mark.parametrize("name", ["test_resnet", "glyphnet", "test_vit"])
def test_a_file_of_which_nothing_fits_is_refused(name, file):
    written({"w": torch.zeros(3), "encoder.0.weight": torch.zeros(3, 3)}, file)
    for n in (None, 2):
        with pytest.raises(ValueError,
                           match=rf"weights: .*mine\.safetensors.*{name}.*0 of .*weights=False"):
            pretrained(name, n, weights=file)


@pytest.mark.parametrize("lost", ["conv1.", "layer2.0.bn1.running_mean", "layer4."])
@pytest.mark.parametrize("n", [2, 3])
def test_a_body_that_is_not_whole_is_refused_by_name(n, lost, file):
    state = {k: v for k, v in a_net(num_classes=2).state_dict().items() if not k.startswith(lost)}
    with pytest.raises(ValueError, match=rf"weights: .*mine\.safetensors.*{lost}"):
        pretrained("test_resnet", n, weights=written(state, file))


@pytest.mark.parametrize("n", [2, 3])
def test_a_tensor_of_another_shape_is_refused_by_name(n, file):
    state = a_net(num_classes=2).state_dict()
    state["layer2.0.conv1.weight"] = torch.zeros(3, 4, 3, 3)
    with pytest.raises(ValueError, match=r"layer2\.0\.conv1\.weight.*\(3, 4, 3, 3\)"):
        pretrained("test_resnet", n, weights=written(state, file))


def test_another_networks_weights_are_refused_and_the_way_out_works(file):
    written(timm.create_model("resnet18", num_classes=2).state_dict(), file)
    with pytest.raises(ValueError, match=r"weights: .*resnet34.*layer1\.2\..*weights=False"):
        pretrained("resnet34", 2, weights=file)
    with pytest.raises(ValueError, match="weights: "):
        pretrained("resnet18", 2, weights=file, layers=(2, 2, 2, 3))
    assert pretrained("resnet18", 2, weights=file).num_classes == 2


def test_the_bundled_weights_are_not_mixed_with_random_ones():
    for options in ({"layers": (2, 1, 1, 1)}, {"stem_width": 32}):
        with pytest.raises(ValueError, match=r"weights: .*glyphnet.*weights=False"):
            pretrained("glyphnet", 3, **options)
        assert pretrained("glyphnet", 3, weights=False, **options).num_classes == 3


def test_numbers_that_are_none_are_refused(file):
    state = a_net(num_classes=2).state_dict()
    state["layer1.0.conv1.weight"].fill_(float("nan"))
    with pytest.raises(ValueError, match=r"weights: .*layer1\.0\.conv1\.weight.*finite"):
        pretrained("test_resnet", 2, weights=written(state, file))


@pytest.mark.parametrize("weights", [None, 0, 1, "", b"", [], 2.5])
def test_what_is_no_weights_is_refused_and_not_taken_for_random(weights):
    with pytest.raises((TypeError, FileNotFoundError, ValueError), match="weights: "):
        pretrained("test_resnet", 2, weights=weights)


# Channels and sizes


@pytest.mark.parametrize("before, after", [(3, 1), (1, 1), (4, 4), (3, 4), (3, 3)])
def test_channels_are_changed_as_timm_does(before, after, file):
    mine = a_net("resnet18", num_classes=2, in_chans=before)
    back = pretrained("resnet18", 2, in_chans=after, weights=written(mine.state_dict(), file))
    assert equal(back, mine, leave_out="conv1.weight" if before != after else "nothing")
    want = mine.conv1.weight
    if after == 1 != before:
        want = want.sum(1, keepdim=True)
    if after == 4 != before:
        want = want.repeat(1, 2, 1, 1)[:, :4] * 3 / 4
    torch.testing.assert_close(back.conv1.weight, want)


def test_channels_nobody_can_change_are_refused_by_name(file):
    written(a_net("resnet18", num_classes=2, in_chans=1).state_dict(), file)
    with pytest.raises(ValueError, match=r"weights: .*conv1\.weight.*in_chans"):
        pretrained("resnet18", 2, in_chans=3, weights=file)
    assert pretrained("resnet18", 2, in_chans=1, weights=file)


def test_places_are_stretched_to_another_size(file):
    mine = a_net("test_vit", num_classes=2)
    back = pretrained("test_vit", 2, size=64, weights=written(mine.state_dict(), file))
    assert equal({**back.state_dict(), "pos_embed": 0 * mine.pos_embed},
                 {**mine.state_dict(), "pos_embed": 0 * mine.pos_embed})
    assert back.pos_embed.shape[1] == 17
    assert (back.pos_embed.mean() - mine.pos_embed.mean()).abs() < 0.05


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_another_precision_are_loaded_as_float32(dtype, file):
    mine = a_net(num_classes=2).to(dtype)
    back = pretrained("test_resnet", 2, weights=written(mine.state_dict(), file))
    assert equal(back, mine.float()) and back.fc.weight.dtype == torch.float32


# What a model keeps


def test_a_model_holds_its_weights_once_and_no_path(file):
    back = pretrained("test_resnet", 2, size=48,
                      weights=written(a_net(num_classes=2).state_dict(), file))
    told_of_it = str(back.pretrained_cfg)
    assert str(file.parent) not in told_of_it and "tensor" not in told_of_it
    assert back.pretrained_cfg["architecture"] == "test_resnet"
    assert Preprocess.of(back).size == (48, 48)


def test_the_same_seed_makes_the_same_new_head(file):
    written(a_net(num_classes=2).state_dict(), file)
    heads = []
    for _ in range(2):
        torch.manual_seed(3)
        heads.append(told(lambda: pretrained("test_resnet", 5, weights=file))[0].fc.weight)
    assert torch.equal(*heads)


def test_glyphnet_starts_as_before():
    model = pretrained("glyphnet", 3, in_chans=1)
    want = timm.create_model("glyphnet", pretrained=True, num_classes=3, in_chans=1)
    assert equal(model, want, leave_out="fc.")
    x = torch.rand(2, 1, 32, 32)
    model.load_state_dict(want.state_dict())
    assert torch.equal(predict(model, x), predict(want, x))


def test_a_damaged_file_is_still_told_as_one(file):
    written(a_net().state_dict(), file)
    file.write_bytes(file.read_bytes()[:-7])
    with pytest.raises(ModelFileError, match="weights: .*mine.safetensors: the file is cut off"):
        pretrained("test_resnet", weights=file)
