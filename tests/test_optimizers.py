"The laws of optimisers: equal to the namesake in torch to the bit; what they lack is refused."

import copy
import io
import pickle
import re
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from conftest import root
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.optim import lr_scheduler
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from dljourney import optimisers
from dljourney.kit.training import optimizer
from dljourney.kit.training.optimizer import Optimizer, Pack

few = settings(max_examples=40, deadline=None, derandomize=True)
DTYPES = torch.float64, torch.float32, torch.bfloat16, torch.float16
NAMES = "SGD", "RMSprop", "Adam", "AdamW"
numbers = st.floats(0.0, 0.5)
shapes = st.lists(st.lists(st.integers(1, 4), max_size=3).map(tuple), min_size=1, max_size=4)
some_eps = st.sampled_from([1e-8, 1e-3])
common = {"lr": numbers, "weight_decay": numbers, "maximize": st.booleans()}
options = {
    "SGD": st.fixed_dictionaries(
        common | {"momentum": st.sampled_from([0.0, 0.5, 0.9]), "nesterov": st.booleans()}
    ).map(lambda o: o | {"nesterov": bool(o["nesterov"] and o["momentum"])}),
    "RMSprop": st.fixed_dictionaries(common | {"alpha": st.floats(0.1, 0.999), "eps": some_eps}),
    "Adam": st.fixed_dictionaries(
        common | {"betas": st.tuples(st.floats(0, 0.99), st.floats(0, 0.999)), "eps": some_eps}
    ),
}
options["AdamW"] = options["Adam"]
busy = {
    "SGD": dict(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    "RMSprop": dict(weight_decay=0.1),
    "Adam": dict(lr=0.1, weight_decay=0.1),
    "AdamW": dict(lr=0.1),
}


def twins(name, tensor_shapes, dtype, first, second=0.02):
    "The same parameters for ours and torch's, in two groups when there is more than one tensor."
    ours = [torch.randn(s, dtype=torch.float64).to(dtype).requires_grad_() for s in tensor_shapes]
    theirs = [p.detach().clone().requires_grad_() for p in ours]
    cut = max(1, len(ours) // 2)
    groups = [
        [{"params": ps[:cut]}] + [{"params": ps[cut:], "lr": second}] * bool(ps[cut:])
        for ps in (ours, theirs)
    ]
    return (
        ours,
        theirs,
        getattr(optimisers, name)(groups[0], **first),
        getattr(torch.optim, name)(groups[1], **first),
    )


def same(a, b):
    return all(torch.equal(p.nan_to_num(7e4), q.nan_to_num(7e4)) for p, q in zip(a, b, strict=True))


def steps_alike(ours, theirs, a, b, n_steps=3, missing=0.2):
    for i in range(n_steps):
        for p, q in zip(ours, theirs):
            p.grad = None if torch.rand(()) < missing else torch.randn_like(p)
            q.grad = None if p.grad is None else p.grad.clone()
        a.step()
        b.step()
        assert same(ours, theirs), f"step {i + 1}"


# The same numbers


@pytest.mark.parametrize("name", NAMES)
@few
@given(st.data())
def test_optimisers_equal_torch_bit_by_bit(name, data):
    torch.manual_seed(data.draw(st.integers(0, 99)))
    dtype = data.draw(st.sampled_from(DTYPES))
    pair = twins(name, data.draw(shapes), dtype, data.draw(options[name]), data.draw(numbers))
    steps_alike(*pair, n_steps=50)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("name, first", [("SGD", dict(lr=0.1)), *busy.items()])
def test_large_tensors_go_in_pieces_and_stay_equal(name, first, dtype):
    torch.manual_seed(0)
    big = [(600, 500), (7,), (500, 200), (optimizer._piece + 1,)]
    steps_alike(*twins(name, big, dtype, first, 0.05))
    ours, theirs, a, b = twins(name, [(8, 64, 40, 20)], dtype, first)
    for tensors in (ours, theirs):
        tensors[0].data = tensors[0].data.to(memory_format=torch.channels_last)
    steps_alike(ours, theirs, a, b, n_steps=2, missing=0)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", NAMES)
@few
@given(st.data())
def test_a_rule_does_the_same_to_a_pack_and_to_each_tensor(name, dtype, data):
    torch.manual_seed(data.draw(st.integers(0, 99)))
    drawn = data.draw(options[name])
    opt = getattr(optimisers, name)([torch.zeros(1, requires_grad=True)], **drawn)
    group = opt.param_groups[0]
    given_options = {option: group[option] for option in opt.rule.options}
    rows = [
        [torch.rand(shape).to(dtype) for _ in range(2 + len(opt.averages_of(group)))]
        for shape in data.draw(shapes)
    ]
    alone, t = copy.deepcopy(rows), data.draw(st.integers(1, 9))
    for row in alone:
        opt.update(t, *row, **given_options)
    opt.update(t, *map(Pack, zip(*rows)), **given_options)
    for row, other in zip(rows, alone):
        assert same(row, other)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(
    "method",
    [
        lambda a, b: a + b,
        lambda a, b: 0.3 + a,
        lambda a, b: a - 0.3,
        lambda a, b: -a * b,
        lambda a, b: 0.3 * a,
        lambda a, b: a / b,
        lambda a, b: a**2,
        lambda a, b: a.mul_(0.9),
        lambda a, b: a.mul_(b).sub_(b, alpha=0.3),
        lambda a, b: a.lerp(b, 0.3),
        lambda a, b: a.addcmul(b, b, value=0.3),
        lambda a, b: a.addcdiv_(b, b + 1),
        lambda a, b: a.maximum(b).sqrt(),
        lambda a, b: a.sign().abs_(),
        lambda a, b: a.clamp(0.2, 0.5),
        lambda a, b: a.where(a > 0.5 if isinstance(a, torch.Tensor) else a.gt(0.5), b),
        lambda a, b: a.flip(0).copy_(b),
    ],
)
def test_a_method_of_a_pack_is_that_of_each_tensor(method, dtype):
    torch.manual_seed(0)
    rows = [[torch.rand(n).to(dtype) for _ in "ab"] for n in (1000, 3)]
    expected = [method(*copy.deepcopy(row)) for row in rows]
    assert same(method(*map(Pack, zip(*rows))), expected)


def test_a_pack_does_not_pretend():
    pack = Pack([torch.ones(2), torch.ones(3)])
    for name in ("shape", "nonsense"):
        with pytest.raises(AttributeError, match=f"{name}: expected a method of tensors"):
            getattr(pack, name)
    pack += pack
    assert [t.tolist() for t in pack] == [[2.0] * 2, [2.0] * 3], "no list that grew"


def test_a_learner_s_own_rule_with_plain_signs():
    class Plain(Optimizer):
        averages = ("mean",)

        def __init__(self, params, lr):
            super().__init__(params, dict(lr=lr))

        def update(self, t, p, g, mean, *, lr):
            mean += (g - mean) / t
            p -= lr * mean

    for params in ([torch.ones(3)] * 1, [torch.ones(3), torch.ones(2)]):
        params = [p.clone().requires_grad_() for p in params]
        opt = Plain(params, lr=1.0)
        for slope in (1.0, 3.0):
            for p in params:
                p.grad = torch.full_like(p, slope)
            opt.step()
        assert all((p == 1 - 1 - 2).all() for p in params)
        opt.load_state_dict(opt.state_dict())
        assert opt.state_dict()["state"][0]["step"] == 2


# torch's own inputs: a private module, so with the tested version of torch alone

tested = re.search(r"^torch==(\S+)$", (root / "constraints.txt").read_text(), re.M)[1]
private = pytest.mark.skipif(
    torch.__version__.split("+")[0] != tested, reason="torch's private inputs change"
)
REFUSED = {  # what torch's inputs ask for, and why ours have it not
    "amsgrad": "a third average in Adam's rule, which hardly anybody uses",
    "centered": "a second average in RMSprop's rule; Adam is what came of it",
    "dampening": "makes the first step of momentum an exception",
    "momentum": "RMSprop with momentum is Adam, nearly",
    "differentiable": "steps through which one can differentiate are another subject",
    "fused": "how to compute: torch.optim has the kernels",
}


def databank():
    from torch.testing._internal import common_optimizers as theirs

    return theirs, {info.name: info for info in theirs.optim_db if info.name in NAMES}


def refused_in(name, kwargs):
    taken = getattr(optimisers, name).rule.options
    return [o for o, value in kwargs.items() if value and o not in (*taken, "maximize")]


@private
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_torch_s_inputs_are_taken_or_refused_by_name(dtype):
    theirs, infos = databank()
    seen, taken = set(), 0
    for name in NAMES:
        for case in theirs._get_optim_inputs_including_global_cliquey_kwargs(
            "cpu", dtype, infos[name]
        ):
            if refused := refused_in(name, case.kwargs):
                p = nn.Parameter(torch.ones(2, dtype=dtype))
                told = rf"^({'|'.join(refused)}): .*torch\.optim\.{name} has it$"
                with pytest.raises(TypeError, match=told):
                    getattr(optimisers, name)([p], **case.kwargs)
                with pytest.raises(TypeError, match=told):
                    getattr(optimisers, name)([{"params": [p], **case.kwargs}])
                seen |= set(refused)
                continue
            torch.manual_seed(0)
            steps_alike(*twins(name, [(3,), (2, 2), (4,)], dtype, case.kwargs), n_steps=10)
            taken += 1
    assert seen == set(REFUSED) and taken >= 15


@private
@pytest.mark.parametrize("name", NAMES)
def test_what_torch_refuses_is_refused(name):
    theirs, infos = databank()
    for case in infos[name].optim_error_inputs_func("cpu", torch.float32):
        given_params = case.optimizer_error_input.params
        params = [nn.Parameter(torch.ones(2))] if given_params is None else given_params
        kwargs = {"lr": 0.1} | case.optimizer_error_input.kwargs
        if issubclass(case.error_type, Warning):
            with pytest.warns(case.error_type):
                getattr(optimisers, name)(params, **kwargs)
            continue
        option = next(iter(case.optimizer_error_input.kwargs.keys() - {"lr"}), "lr|param")
        with pytest.raises((TypeError, ValueError), match=f"{option}|foreach"):
            getattr(optimisers, name)(params, **kwargs)


@private
@pytest.mark.filterwarnings("ignore:Detected call", "ignore:The epoch parameter")
def test_torch_s_schedulers_drive_them():
    _, infos = databank()
    for makers in infos["SGD"].scheduler_inputs + infos["Adam"].scheduler_inputs:
        for name in NAMES:
            driven_alike(name, *makers)


def driven_alike(name, *makers):
    torch.manual_seed(0)
    ours, theirs, a, b = twins(name, [(3,), (2, 2)], torch.float64, busy[name])
    both = [[make(opt) for make in makers] for opt in (a, b)]
    for i in range(12):
        steps_alike(ours, theirs, a, b, 1, missing=0)
        for schedulers in both:
            for s in schedulers:
                s.step(*[1 / (i + 1)] * isinstance(s, lr_scheduler.ReduceLROnPlateau))
        assert [g["lr"] for g in a.param_groups] == [g["lr"] for g in b.param_groups]
    a.load_state_dict(copy.deepcopy(b.state_dict()))  # what a scheduler has noted is no option
    steps_alike(ours, theirs, a, b, 1)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "scheduler",
    [
        lambda o: lr_scheduler.OneCycleLR(
            o, 0.5, total_steps=30, cycle_momentum="alpha" not in o.param_groups[0]
        ),
        lambda o: lr_scheduler.CyclicLR(o, 0.01, 0.1, cycle_momentum="nesterov" in o.defaults),
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 5),
        lambda o: lr_scheduler.MultiStepLR(o, [2, 5]),
        lambda o: lr_scheduler.LambdaLR(o, lambda i: 0.9**i),
        lambda o: lr_scheduler.CosineAnnealingLR(o, 30),
        lambda o: torch.optim.swa_utils.SWALR(o, swa_lr=0.05),
        lambda o: lr_scheduler.SequentialLR(
            o,
            [lr_scheduler.LinearLR(o, 0.1, total_iters=5), lr_scheduler.ExponentialLR(o, 0.9)],
            [5],
        ),
    ],
)
@pytest.mark.filterwarnings(
    "error", "ignore:The epoch parameter"
)  # torch 2.6's SequentialLR warns of itself
def test_schedulers_drive_them(name, scheduler):
    driven_alike(name, scheduler)


# States


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name, first", [("SGD", dict(lr=0.1)), *busy.items()])
def test_a_state_is_handed_over_in_the_middle_of_a_run(name, first, dtype):
    "Ours, torch's, ours again: as if one optimiser had made all the steps."
    torch.manual_seed(0)
    ours, theirs, a, b = twins(name, [(3,), (2, 2)], dtype, first)
    steps_alike(ours, theirs, a, b)
    kept = [p.detach().clone().requires_grad_() for p in ours]
    def groups():  # what a group has of its own comes with the state
        return [{'params': kept[:1]}, {'params': kept[1:]}]
    state = a.state_dict()
    for module in (torch.optim, optimisers, torch.optim):
        opt = getattr(module, name)(groups(), lr=0.7)
        file = io.BytesIO()
        torch.save(state, file)
        file.seek(0)
        opt.load_state_dict(torch.load(file, weights_only=True))
        for _ in range(3):
            for p, q, r in zip(ours, theirs, kept):
                p.grad = torch.randn(p.shape).to(p)
                q.grad = r.grad = p.grad
            for o in (a, b, opt):
                o.step()
            assert same(ours, theirs) and same(ours, kept)
        state = opt.state_dict()


@pytest.mark.parametrize("name", NAMES)
def test_a_state_of_ours_has_what_torch_s_has(name):
    torch.manual_seed(0)
    ours, theirs, a, b = twins(name, [(3,), (2, 2)], torch.float32, busy[name])
    steps_alike(ours, theirs, a, b, missing=0)
    mine, other = a.state_dict(), b.state_dict()
    assert list(mine["state"][0]) == list(other["state"][0])
    beside = (
        {"decoupled_weight_decay"} if name == "AdamW" else set()
    )  # torch sets it anew in each load
    for group, its in zip(mine["param_groups"], other["param_groups"]):
        assert set(its) - set(group) <= beside
    assert set(a.param_groups[0]) == {"params", *a.rule.options, "maximize"}, "only in the state"
    a.load_state_dict(other)
    assert set(a.param_groups[0]) == {"params", *a.rule.options, "maximize"}


def test_what_is_loaded_is_a_copy():
    ours, theirs, a, b = twins("Adam", [(3,)], torch.float32, {})
    steps_alike(ours, theirs, a, b, missing=0)
    a.load_state_dict(b.state_dict())
    a.step()
    steps_alike(theirs, theirs, b, b, 0)
    assert not torch.equal(a.state[ours[0]]["exp_avg"], b.state[theirs[0]]["exp_avg"])


def test_momentum_that_was_not_there_begins_anew():
    "Older torch wrote momentum_buffer: None."
    results = []
    for module in (torch.optim, optimisers):
        p = nn.Parameter(torch.ones(3))
        opt = module.SGD([p], lr=0.1)
        opt.load_state_dict({**opt.state_dict(), "state": {0: {"momentum_buffer": None}}})
        opt.param_groups[0]["momentum"] = 0.9
        for slope in (1.0, 2.0):
            p.grad = torch.full((3,), slope)
            opt.step()
        results.append(p.detach())
    assert torch.equal(*results)


def test_an_old_state_may_lack_a_switch_and_nothing_else():
    for name in NAMES:
        p = nn.Parameter(torch.ones(3))
        opt = getattr(optimisers, name)([p], lr=0.1)
        state = opt.state_dict()
        old = {
            o: v
            for o, v in state["param_groups"][0].items()
            if o not in ("nesterov", "maximize", "foreach")
        }
        opt.load_state_dict({**state, "param_groups": [old]})
        for option in set(opt.rule.options) - {"nesterov"}:
            lacking = {o: v for o, v in old.items() if o != option}
            with pytest.raises(
                ValueError, match=f"state_dict: expected one of {name}, got one without {option};"
            ):
                opt.load_state_dict({**state, "param_groups": [lacking]})


def test_an_optimiser_refuses_the_state_of_another():
    p = nn.Parameter(torch.ones(3))
    with pytest.raises(ValueError, match="expected one of SGD, got one without momentum"):
        optimisers.SGD([p], lr=0.1).load_state_dict(optimisers.Adam([p]).state_dict())
    optimisers.AdamW([p]).load_state_dict(torch.optim.Adam([p]).state_dict())  # torch takes it, too
    if "decoupled_weight_decay" in torch.optim.AdamW([p]).defaults:
        with pytest.raises(TypeError, match="^decoupled_weight_decay: expected an option of Adam"):
            optimisers.Adam([p]).load_state_dict(torch.optim.AdamW([p]).state_dict())


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
@pytest.mark.parametrize("name", NAMES)
def test_copies_go_on_as_the_original(name, copied):
    torch.manual_seed(0)
    ours, theirs, a, b = twins(name, [(3,), (2, 2)], torch.float32, busy[name])
    steps_alike(ours, theirs, a, b, missing=0)
    twin = copied(a)
    steps_alike([p for g in twin.param_groups for p in g["params"]], theirs, twin, b)
    twin.add_param_group({"params": [nn.Parameter(torch.ones(2))]})
    with pytest.raises(TypeError, match="^tomorrow"):
        twin.add_param_group({"params": [], "tomorrow": 1})


# Options


def ways_in(name, given_options):
    "An option can come with the constructor, with a group of it, with a later group, with a state."
    p, q = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    kind = getattr(optimisers, name)
    opt, other = kind([p], lr=0.1), kind([p], lr=0.1)
    state = other.state_dict()
    yield lambda: kind([p], **{"lr": 0.1} | given_options)
    yield lambda: kind([{"params": [p], **given_options}], lr=0.1)
    yield lambda: opt.add_param_group({"params": [q], **given_options})
    yield lambda: other.load_state_dict(
        {**state, "param_groups": [state["param_groups"][0] | given_options]}
    )


@pytest.mark.parametrize(
    "name, given_options, error, message",
    [
        *[
            (
                name,
                {"tomorrow": value},
                TypeError,
                f"^tomorrow: expected an option of {name} .* got another; leave it out",
            )
            for name in NAMES
            for value in (True, None, 0.1)
        ],
        *[
            (name, {option: True}, TypeError, f"^{option}: .*torch.optim.{name} has it")
            for name in NAMES
            for option in ("foreach", "differentiable")
        ],
        ("SGD", {"dampening": 0.5}, TypeError, "^dampening: expected an option of SGD"),
        ("Adam", {"amsgrad": True}, TypeError, "^amsgrad: expected an option of Adam"),
        ("AdamW", {"learning_rate": 1}, TypeError, "^learning_rate: expected an option of AdamW"),
        ("RMSprop", {"centered": True}, TypeError, "^centered: expected an option of RMSprop"),
        ("RMSprop", {"momentum": 0.9}, TypeError, "^momentum: expected an option of RMSprop"),
        ("Adam", {"momentum": 0.0}, TypeError, "^momentum: expected an option of Adam"),
        ("SGD", {"lr": -1.0}, ValueError, "^lr: expected a number from 0 to 1e30, got -1.0"),
        ("SGD", {"lr": np.float32("nan")}, ValueError, "^lr: expected a number"),
        *[(name, {"lr": torch.ones(2)}, ValueError, "^lr: expected a number") for name in NAMES],
        *[
            (name, {"lr": torch.tensor(-1.0)}, ValueError, "^lr: expected a number")
            for name in NAMES
        ],
        *[
            (
                name,
                {"weight_decay": torch.tensor(0.1)},
                ValueError,
                "^weight_decay: expected a number",
            )
            for name in NAMES
        ],
        ("SGD", {"nesterov": True}, ValueError, "momentum"),
        (
            "SGD",
            {"momentum": 0.9, "nesterov": "no"},
            ValueError,
            "^nesterov: expected True or False, got 'no'",
        ),
        *[
            (name, {"maximize": "no"}, ValueError, "^maximize: expected True or False")
            for name in NAMES
        ],
        ("RMSprop", {"alpha": "0.9"}, ValueError, "^alpha: expected a number"),
        ("Adam", {"eps": -1.0}, ValueError, "^eps: expected a number"),
        *[
            (
                "AdamW",
                {"betas": betas},
                ValueError,
                r"^betas: expected two numbers in \[0, 1\), got",
            )
            for betas in [
                (0.9, 1.0),
                (0.9,),
                0.9,
                (0.9, 0.99, 0.999),
                "ab",
                None,
                (0.9, None),
                torch.tensor([0.9, 0.9]),
                (torch.tensor(0.9), torch.tensor(0.9)),
            ]
        ],
    ],
)
def test_options_that_they_do_not_have_are_refused_by_name(name, given_options, error, message):
    for way in ways_in(name, given_options):
        with pytest.raises(error, match=message):
            way()


@pytest.mark.parametrize("name", NAMES)
def test_what_changes_nothing_is_taken(name):
    "torch's options where they are off, notes of schedulers, a name, and notes made afterwards."
    p = nn.Parameter(torch.ones(2))
    off = {
        o: v
        for o, v in torch.optim.__dict__[name]([p]).defaults.items()
        if o not in getattr(optimisers, name).rule.options and o != "decoupled_weight_decay"
    }
    assert {"foreach", "differentiable"} <= set(off)
    for extra in (off, {"foreach": False}, {"name": "head", "initial_lr": 0.1, "lr_scale": 1.0}):
        for i, way in enumerate(ways_in(name, extra)):
            if i or extra is off:
                way()
    opt = getattr(optimisers, name)([p])
    opt.param_groups[0]["depth"] = 3
    opt.load_state_dict(opt.state_dict())
    assert opt.param_groups[0]["depth"] == 3


@pytest.mark.parametrize("name", NAMES)
def test_a_tensor_may_be_the_learning_rate(name):
    "It stays one, so that whoever holds it may change it; the steps are those of the number."
    torch.manual_seed(0)
    lr = torch.tensor([0.5], dtype=torch.float64)
    ours, theirs, a, b = twins(name, [(3,), (2, 2)], torch.float64, busy[name] | {"lr": 0.5}, 0.5)
    a = getattr(optimisers, name)(ours, **busy[name] | {"lr": lr})
    for factor in (1, 0.1, 0.1):
        lr *= factor
        for group in b.param_groups:
            group["lr"] = lr.item()
        steps_alike(ours, theirs, a, b)
    for value in (
        torch.tensor(0.25, dtype=torch.float64),
        np.float32(0.25),
        np.float64(0.25),
    ):  # a group's, later
        a.param_groups[0]["lr"] = value
        for group in b.param_groups:
            group["lr"] = 0.25
        steps_alike(ours, theirs, a, b)
    scheduler = lr_scheduler.ExponentialLR(a, 0.5)
    a.param_groups[0]["lr"] = torch.tensor(0.25)
    a.step()
    scheduler.step()
    assert a.param_groups[0]["lr"].item() == 0.125
    a.param_groups[0]["lr"] = torch.ones(2)
    with pytest.raises(ValueError, match="^lr: expected a number"):
        a.step()


def test_a_refused_group_is_not_kept():
    for kind in (optimisers.RMSprop, optimisers.Adam, optimisers.AdamW):
        opt = kind([torch.zeros(2, requires_grad=True)])
        with pytest.raises(
            TypeError, match=f"params: {kind.__name__} takes real numbers, got complex"
        ):
            opt.add_param_group({"params": [torch.tensor([1j], requires_grad=True)]})
        with pytest.raises(TypeError, match="param_group: expected a dict"):
            opt.add_param_group([torch.zeros(2)])
        assert len(opt.param_groups) == 1


# Hooks


def listened(module, name, *, change=None):
    "What hooks of all sorts hear, in order, and the parameter at the end."
    p, heard = nn.Parameter(torch.ones(2)), []
    p.grad = torch.ones(2)
    opt = getattr(module, name)([p], lr=0.1)

    def told(what):
        def hook(own, args, kwargs):
            assert own is opt
            shown = ["self" if a is opt else a for a in args]
            heard.append((what, shown, dict(kwargs)))
            if what == change:
                return (own, lambda: 7.0), {}

        return hook

    handles = [
        register_optimizer_step_pre_hook(told("before all")),
        opt.register_step_pre_hook(told("before")),
        opt.register_step_post_hook(told("after")),
        register_optimizer_step_post_hook(told("after all")),
    ]
    try:
        closure = [].copy  # any function
        results = [opt.step(), opt.step(closure), opt.step(closure=closure)]
    finally:
        for handle in handles:
            handle.remove()
    opt.step()
    shown = [
        (what, [type(a) if callable(a) else a for a in args], [*kwargs])
        for what, args, kwargs in heard
    ]
    return shown, results, p.tolist()


@pytest.mark.parametrize("change", [None, "before all", "before"])
@pytest.mark.parametrize("name", NAMES)
def test_step_hooks_hear_and_change_what_torch_lets_them(name, change):
    ours, theirs = (listened(module, name, change=change) for module in (optimisers, torch.optim))
    assert ours == theirs and len(ours[0]) == 12
    assert ours[1][0] == (7.0 if change else None)


def test_a_hook_that_gives_nonsense_is_refused_as_in_torch():
    opt = optimisers.SGD([nn.Parameter(torch.ones(2))])
    opt.register_step_pre_hook(lambda *a: 3)
    with pytest.raises(RuntimeError, match="must return None or a tuple"):
        opt.step()


def test_hooks_of_a_subclass_with_a_step_of_its_own_are_called_once():
    class Clipped(optimisers.AdamW):
        def step(self, closure=None):
            return super().step(closure)

    heard = []
    opt = Clipped([nn.Parameter(torch.ones(2))])
    opt.register_step_pre_hook(lambda *a: heard.append("before"))
    opt.register_step_post_hook(lambda *a: heard.append("after"))
    assert opt.step(lambda: 5.0) == 5.0 and heard == ["before", "after"]


@pytest.mark.parametrize("name", NAMES)
def test_hooks_of_states_hear_and_mend(name):
    def run(module):
        p, heard = nn.Parameter(torch.ones(2)), []
        p.grad = torch.ones(2)
        opt = getattr(module, name)([p], lr=0.1)
        opt.step()
        opt.register_state_dict_pre_hook(lambda o: heard.append("before saving"))
        opt.register_state_dict_post_hook(
            lambda o, s: {**s, "extra": "foreach" in s["param_groups"][0]}
        )
        opt.register_load_state_dict_pre_hook(
            lambda o, s: s["param_groups"][0].update(lr=0.5)
        )  # in place
        opt.register_load_state_dict_pre_hook(
            lambda o, s: {
                **s,
                "param_groups": [
                    {k: v for k, v in g.items() if k != "of_old"} | {"weight_decay": 0.25}
                    for g in s["param_groups"]
                ],
            }
        )
        opt.register_load_state_dict_post_hook(
            lambda o: heard.append(o.param_groups[0]["weight_decay"])
        )
        saved = copy.deepcopy(opt.state_dict())
        saved["param_groups"][0].pop("weight_decay")
        saved["param_groups"][0]["of_old"] = 1
        opt.load_state_dict(saved)
        opt.step()
        return heard, saved["extra"], opt.param_groups[0]["lr"], p.tolist()

    ours = run(optimisers)
    assert ours == run(torch.optim) == (["before saving", 0.25], True, 0.5, ours[3])
    opt = getattr(optimisers, name)([nn.Parameter(torch.ones(2))])
    state = opt.state_dict()
    opt.register_load_state_dict_pre_hook(
        lambda o, s: {**s, "param_groups": [s["param_groups"][0] | {"tomorrow": 1}]}
    )
    with pytest.raises(TypeError, match="^tomorrow"):
        opt.load_state_dict(state)  # checked after the hooks
    assert (
        len(opt._optimizer_load_state_dict_pre_hooks) == 1
        and not opt._optimizer_state_dict_post_hooks
    )


# What goes with a step


def test_closures_and_zero_grad():
    w = torch.tensor([1.0], requires_grad=True)
    opt = optimisers.SGD([w], lr=0.1)

    def closure():
        opt.zero_grad()
        loss = (w**2).sum()
        loss.backward()
        return loss

    assert opt.step(closure).item() == 1 and w.item() == pytest.approx(0.8)
    assert torch.is_grad_enabled()
    with torch.no_grad():
        assert opt.step(closure).item() == pytest.approx(0.64) and not torch.is_grad_enabled()
    opt.zero_grad(set_to_none=False)
    assert w.grad.item() == 0
    opt.zero_grad()
    assert w.grad is None
    with pytest.raises(ZeroDivisionError):
        opt.step(lambda: 1 / 0)
    assert torch.is_grad_enabled()


def test_complex_parameters_are_right_or_refused_by_name():
    ours, theirs = (torch.tensor([1 + 2j, -3j]).requires_grad_() for _ in range(2))
    for p, opt in (
        (ours, optimisers.SGD([ours], **busy["SGD"])),
        (theirs, torch.optim.SGD([theirs], **busy["SGD"])),
    ):
        for _ in range(3):
            p.grad = p.detach() * (0.5 + 1j)
            opt.step()
    assert torch.equal(ours, theirs)
    for kind in (optimisers.RMSprop, optimisers.Adam, optimisers.AdamW):
        with pytest.raises(
            TypeError, match=f"params: {kind.__name__} takes real numbers, got complex"
        ):
            kind([ours])


def test_sparse_gradients_are_refused_by_name():
    for kind in (optimisers.RMSprop, optimisers.Adam, optimisers.AdamW):
        table = nn.Embedding(5, 2, sparse=True)
        opt = kind(table.parameters())
        for state in ({}, None):  # at first, and later
            if state is None:
                table.weight.grad = torch.ones(5, 2)
                opt.step()
            before, known = table.weight.detach().clone(), copy.deepcopy(opt.state_dict()["state"])
            table.weight.grad = None
            table(torch.tensor([1])).sum().backward()
            with pytest.raises(
                TypeError, match=f"{kind.__name__} takes dense gradients, got sparse ones"
            ):
                opt.step()
            assert torch.equal(before, table.weight) and str(known) == str(
                opt.state_dict()["state"]
            )


@pytest.mark.parametrize("first", [dict(lr=0.1), dict(lr=0.1, momentum=0.9)])
def test_sgd_takes_sparse_gradients_as_torch_does(first):
    results = []
    for module in (optimisers, torch.optim):
        table = nn.Embedding.from_pretrained(torch.ones(5, 2), freeze=False, sparse=True)
        opt = module.SGD(table.parameters(), **first)
        for _ in range(2):
            opt.zero_grad()
            table(torch.tensor([1, 3])).sum().backward()
            opt.step()
        results.append(table.weight.detach())
    assert torch.equal(*results)


@pytest.mark.parametrize("module", [optimisers, torch.optim])
def test_gradients_that_are_views_of_one_buffer_can_be_zeroed(module):
    "As those are that several processes add up."
    weights, buffer = [nn.Parameter(torch.ones(2)) for _ in range(2)], torch.ones(4)
    for p, part in zip(weights, buffer.split(2)):
        p.grad = part
    module.SGD(weights, lr=0.1).zero_grad(set_to_none=False)
    assert not buffer.any() and weights[1].grad.data_ptr() == buffer[2:].data_ptr()


def test_scaled_gradients_of_half_precision():
    "torch's GradScaler skips a step whose gradients overflowed, and calls ours as any other's."
    p = nn.Parameter(torch.ones(2))
    opt, scaler = optimisers.SGD([p], lr=0.5), torch.amp.GradScaler("cpu", init_scale=4.0)
    for slope in (1.0, float("inf")):
        p.grad = torch.full((2,), 4.0 * slope)
        scaler.scale(torch.ones(()))
        scaler.step(opt)
        scaler.update()
    assert p.tolist() == [0.5, 0.5]


def test_the_first_optimiser_does_not_import_the_compiler():
    code = """
import sys, torch
from dljourney import optimisers
p = [torch.zeros(3, requires_grad=True)]
for make in (optimisers.SGD, optimisers.RMSprop, optimisers.Adam, optimisers.AdamW):
    opt = make(p, lr=0.1)
    opt.add_param_group({"params": [torch.zeros(2, requires_grad=True)]})
    schedule = torch.optim.lr_scheduler.StepLR(opt, 3)
    opt.register_step_pre_hook(lambda *a: None)
    p[0].grad = torch.ones(3)
    opt.step(); schedule.step(); opt.zero_grad(); opt.load_state_dict(opt.state_dict())
sys.exit("torch._dynamo" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_no_warning_of_a_profiler_or_a_hook():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in NAMES:
            listened(optimisers, name)
