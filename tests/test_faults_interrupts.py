"""Ctrl-C and kill -9 at random moments: no file half written, nothing left behind.

Training resumes bit for bit. Each job runs in a process forked from this warm one, in a process
group of its own.
"""

import contextlib
import copy
import hashlib
import json
import os
import random
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from faults import cases, forked, in_a_child, lengths, received
from test_course import write_course
from torch import nn

from dljourney import optimisers, program, sgd, transfer
from dljourney.cli import course, finetune
from dljourney.kit.course import read_for_learners
from dljourney.kit.exercises import progress
from dljourney.kit.pictures import Preprocess, augment
from dljourney.kit.training import as_a_whole, at_rest
from dljourney.kit.training.state import packed

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")

x = torch.rand(60, 6, generator=torch.Generator().manual_seed(0))
y = torch.arange(60) % 3
pictures = torch.rand(10, 1, 16, 16, generator=torch.Generator().manual_seed(0))
names = torch.arange(10) % 2


def dice():
    "All of them: what a run saves of them is compared too."
    torch.manual_seed(0)
    np.random.seed(0)


def training():
    "Each part has chance or memory of its own: order, dropout, running means, averages, the best."
    dice()
    layers = nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 3)
    model, valid = nn.Sequential(*layers), (x[50:], y[50:])
    source = sgd.batches(x[:50], y[:50], 8, seed=1)
    opt = optimisers.AdamW(model.parameters(), 1e-2)
    return sgd.train(model, source, F.cross_entropy, opt, 6, valid, [sgd.accuracy], keep_best=True)


glyphnet = []


def tuning():
    "Fine-tuning with changed pictures, in two phases."
    dice()
    if not glyphnet:
        glyphnet.append(transfer.pretrained("glyphnet", 2, in_chans=1))
    model = transfer.pretrained("glyphnet", 2, in_chans=1, weights=False)
    model.load_state_dict(glyphnet[0].state_dict())

    def change(xb, generator):
        return augment(xb, warp=0.03, generator=generator)

    held = (pictures[8:], names[8:])
    return transfer.fine_tune(model, pictures[:8], names[:8], valid=held, epochs=2, frozen_epochs=2,
                              batch_size=4, augment=change, batch_norm=True)


@pytest.fixture(scope="module", autouse=True)
def warm():
    "What takes seconds (imports, weights) is done before the first fork."
    next(tuning())


def fingerprint(run):
    "Every number that a run leaves behind."
    digest = hashlib.sha256(json.dumps([run.step, run.history]).encode())
    tensors = {}
    packed(run.state_dict(), tensors)
    for t in tensors.values():
        digest.update(t.contiguous().numpy().tobytes())
    return digest.hexdigest()


@contextlib.contextmanager
def interrupts(seconds):
    "An interrupt when so many seconds of computing are over."
    signal.signal(signal.SIGVTALRM, lambda *rest: signal.raise_signal(signal.SIGINT))
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def stubborn(make, seconds, seed, file=None):
    "Run to the end although interrupted again and again: going on, or resuming in a new run."
    run, n, dice = make(), 0, random.Random(seed)
    while True:
        try:
            with interrupts(seconds * dice.uniform(0.1, 1) * (1 + n / 20)):
                for _ in run: pass
            return n, fingerprint(run)
        except KeyboardInterrupt:
            n += 1
            if file is not None:
                run.save(file)
                run = make().resume(file)


@lengths
@pytest.mark.parametrize("way", ["going on", "saved and resumed"])
@pytest.mark.parametrize("make, seconds, n", [(training, 0.006, 60), (tuning, 0.05, 20)],
                         ids=["train", "fine_tune"])
def test_many_interrupts_change_no_bit(make, seconds, n, way, length, tmp_path):
    "Wherever in a step it arrives: data, forward, backward, update, evaluation, bookkeeping."
    wanted, n_interrupts = in_a_child(lambda: fingerprint(make().run()))[0], 0
    file = tmp_path / "run" if way == "saved and resumed" else None
    for seed in cases(length, n):
        came, got = in_a_child(lambda seed=seed: stubborn(make, seconds, seed, file))[0]
        assert got == wanted, f"{came} interrupts (seed {seed}) changed the result"
        n_interrupts += came
    assert n_interrupts >= n // 10, "too few interrupts to tell"
    assert [p.name for p in tmp_path.iterdir()] in ([], ["run"])


# Jobs that write files, and what must be true whenever they are stopped


class Train:
    "Steps with a checkpoint now and then; the next process resumes."

    def __init__(self, folder):
        self.file = folder / "run.safetensors"
        self.wanted = in_a_child(lambda: fingerprint(training().run()))[0]

    def work(self, ready):
        run = training()
        if self.file.exists():
            run.resume(self.file)
        ready()
        try:
            for step in run:
                if step.step % 4 == 0:
                    run.save(self.file)
        except KeyboardInterrupt:
            run.save(self.file)
            raise
        self.file.unlink(missing_ok=True)
        return fingerprint(run)

    def check(self, folder, finished):
        if finished is None and self.file.exists():
            finished = in_a_child(lambda: fingerprint(training().resume(self.file).run()))[0]
        assert finished in (None, self.wanted)


class FineTune(Train):
    "What `dljourney finetune` does, with its own checkpoints."

    def __init__(self, folder):
        self.file, self.settings = folder / "training.safetensors", {"lr": 1, "pictures": [24, 8]}
        self.wanted = in_a_child(lambda: fingerprint(tuning().run()))[0]

    def work(self, ready):
        run = tuning()
        ready()
        finetune._trained(run, self.file, self.settings, resume=True, quiet=True)
        self.file.unlink(missing_ok=True)
        return fingerprint(run)

    def check(self, folder, finished):
        if finished is None and self.file.exists():
            json.loads(self.file.with_suffix(".json").read_text())
            finished = in_a_child(lambda: fingerprint(tuning().resume(self.file).run()))[0]
        assert finished in (None, self.wanted)


class Save:
    "Two programs, saved over each other for ever."

    def __init__(self, folder):
        self.file = folder / "p.safetensors"
        self.nets = []
        for seed in (0, 1):
            torch.manual_seed(seed)
            layers = nn.Flatten(), nn.Linear(64, 50), nn.ReLU(), nn.Linear(50, 2)
            self.nets.append(nn.Sequential(*layers))

    def work(self, ready):
        ready()
        for _ in range(6):
            for net in self.nets:
                program.save(net, self.file, ["a", "b"], preprocess=Preprocess((8, 8), 1))

    def check(self, folder, finished):
        if self.file.exists():
            kept = program.load(self.file).model[1].weight
            assert any(torch.equal(kept, net[1].weight) for net in self.nets)


class Lay:
    "Two versions of a course, laid over each other for ever, and one chapter edited by a learner."

    def __init__(self, folder):
        self.sources = [write_course(folder.parent / f"{folder.name} {version}",
                                     {f"{i:02}_c": version * 40_000 for i in range(6)})
                        for version in ("old", "new")]
        self.mine = folder / "mine"
        course.lay_course(self.mine, source=self.sources[0])
        (self.mine / "03_c.ipynb").write_text("my own")

    def work(self, ready):
        ready()
        for _ in range(4):
            for source in self.sources:
                course.lay_course(self.mine, source=source)

    def check(self, folder, finished):
        whole = {read_for_learners(p) for s in self.sources for p in s.iterdir()} | {b"my own"}
        assert {p.read_bytes() for p in self.mine.glob("[!.]*.ipynb")} <= whole
        assert (self.mine / "03_c.ipynb").read_text() == "my own"
        json.loads((self.mine / ".dljourney" / "course.json").read_text())
        assert all(r.action != "new" for r in course.lay_course(self.mine, source=self.sources[0]))


class Record:
    "Answers, one after the other."

    def __init__(self, folder):
        (folder / ".dljourney").mkdir()
        (folder / ".dljourney" / "course.json").write_text("{}")
        self.folder, self.n = folder, 0

    def work(self, ready):
        for name in ("IN_TEST", "DLJOURNEY_NO_PROGRESS"):
            os.environ.pop(name, None)
        ready()
        told = 0
        try:
            for i in range(60):
                assert progress.record("sgd", f"{os.getpid()} {i}", "correct", self.folder) == ""
                told = i + 1
        except KeyboardInterrupt:
            pass
        return told

    def check(self, folder, finished):
        found = progress.read(folder)
        n = len(found.solved("sgd"))
        assert found.note == "" and n >= self.n, "something that was recorded is gone"
        assert finished is None or n - self.n in (finished, finished + 1)
        self.n = n


jobs = {"train": Train, "fine_tune": FineTune, "save": Save, "course": Lay, "progress": Record}


def stopped(job, signal_number, wait):
    "The job in a process group of its own, stopped after a wait: what it gave, was it at work?"
    reading, writing = os.pipe()

    def work():
        os.setpgid(0, 0)
        try:
            return json.dumps(job.work(lambda: os.write(writing, b"!")))
        except KeyboardInterrupt:
            return "null"

    pid, pipe = forked(work)
    os.close(writing)
    os.read(reading, 1)
    os.close(reading)
    time.sleep(wait)
    running = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    os.kill(pid, signal_number)
    if signal_number == signal.SIGKILL:
        os.waitpid(pid, 0)
        with os.fdopen(pipe) as f:
            finished = json.loads(f.read() or "null") if not running else None
    else:
        finished = json.loads(received(pid, pipe, 240) or "null")
    with pytest.raises(ProcessLookupError):  # nobody of its group is left
        os.killpg(pid, 0)
    return finished, running


@lengths
@pytest.mark.parametrize("name", jobs)
def test_stopped_at_random_moments(name, length, tmp_path):
    "200 moments in all for the soak's first round: every other one a Ctrl-C, the others kill -9."
    folder = tmp_path / "here"
    folder.mkdir()
    job, n_running, begin = jobs[name](folder), 0, time.monotonic()
    job.check(folder, in_a_child(lambda: job.work(lambda: None))[0])
    whole = min(2.0, time.monotonic() - begin)
    for seed in cases(length, 44, share=0.03):
        rng = random.Random(seed)
        number = (signal.SIGINT, signal.SIGKILL)[seed % 2]
        finished, running = stopped(job, number, rng.uniform(0, whole))
        n_running += running
        job.check(folder, finished)
        left = [p for p in folder.rglob("*.tmp")]
        assert not left or number == signal.SIGKILL, f"an interrupt left {left}"
        for p in left:  # a killed process cannot clean up; the file is hidden and nobody reads it
            assert p.name.startswith(".")
            p.unlink()
    assert n_running > 0, "every job was over before it was stopped"


def test_a_second_interrupt_does_not_wait():
    done = []
    with pytest.raises(KeyboardInterrupt):
        with as_a_whole():
            signal.raise_signal(signal.SIGINT)
            done.append("first")
            signal.raise_signal(signal.SIGINT)
            done.append("second")
    assert done == ["first"] and signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_in_the_block_comes_through_and_the_handler_is_put_back():
    with pytest.raises(ZeroDivisionError), as_a_whole():
        1 / 0  # noqa: B018
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with as_a_whole(), as_a_whole():  # the inner one hands over to the outer one
        pass
    order = []
    with pytest.raises(KeyboardInterrupt):
        with as_a_whole():
            with as_a_whole():
                signal.raise_signal(signal.SIGINT)
            order.append("still inside")
    assert order == ["still inside"]


def test_each_module_has_its_own_mode_back_whatever_happens():
    model = nn.Sequential(nn.Dropout(), nn.Sequential(nn.BatchNorm1d(3), nn.Dropout()))
    model[1].eval()
    before = [m.training for m in model.modules()]
    for leave in (ZeroDivisionError, KeyboardInterrupt):
        with pytest.raises(leave), at_rest(model):
            assert not any(m.training for m in model.modules()) and not torch.is_grad_enabled()
            raise leave
        assert [m.training for m in model.modules()] == before and torch.is_grad_enabled()
    with torch.no_grad(), at_rest(model):
        pass
    with torch.no_grad():
        with at_rest(model):
            pass
        assert not torch.is_grad_enabled()


@pytest.mark.parametrize("order", ["first in, first out", "first in, last out"])
def test_two_threads_look_at_one_model_and_the_last_to_leave_puts_it_back(order):
    model = nn.Sequential(nn.BatchNorm1d(6), nn.Sequential(nn.BatchNorm1d(6), nn.Dropout()))
    model[1][1].eval()
    before, numbers = [m.training for m in model.modules()], copy.deepcopy(model.state_dict())
    is_in, may_leave = ([threading.Event(), threading.Event()] for _ in range(2))
    seen = []

    def look(i, part):
        with at_rest(part):
            is_in[i].set()
            assert may_leave[i].wait(10)
            seen.append([m.training for m in part.modules()])
            part(x)

    threads = [threading.Thread(target=look, args=args) for args in ((0, model), (1, model[1]))]
    for thread, event in zip(threads, is_in):
        thread.start()
        assert event.wait(10)
    for i in (0, 1) if order == "first in, first out" else (1, 0):
        may_leave[i].set()
        threads[i].join(10)
    assert [m.training for m in model.modules()] == before and not any(sum(seen, []))
    assert all(torch.equal(v, numbers[k]) for k, v in model.state_dict().items())


def test_many_threads_predict_with_a_model_that_is_learning():
    model = transfer.pretrained("glyphnet", 3, in_chans=1).train()
    numbers = copy.deepcopy(model.state_dict())
    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(lambda _: transfer.predict(model, pictures, 2), range(12)))
    assert all(m.training for m in model.modules())
    assert all(torch.equal(v, numbers[k]) for k, v in model.state_dict().items())
    assert all(torch.equal(s, said[0]) for s in said)


def test_at_rest_within_at_rest_and_a_thread_that_is_waited_for_inside():
    model = nn.Sequential(nn.Linear(6, 3), nn.Dropout()).train()

    def look():
        with at_rest(model):
            return model(x)

    with ThreadPoolExecutor(1) as pool, at_rest(model):
        # a lock that is held all the while would never end
        assert torch.equal(look(), pool.submit(look).result(10))
        assert not model.training and not model[1].training
    assert model.training and model[1].training


def calls_of(work, interrupt=0):
    "Do the work, interrupted as the call of that number begins; how many calls there were."
    n = 0

    def watch(frame, event, argument):
        nonlocal n
        n += event == "call"
        if event == "call" and n == interrupt:
            sys.settrace(None)
            signal.raise_signal(signal.SIGINT)

    with contextlib.suppress(KeyboardInterrupt):
        try:
            sys.settrace(watch)
            work()
        finally:
            sys.settrace(None)
    return n


class Small(nn.Sequential):
    "What rest changes, once each, a part within a part; and the facts that a timm model tells."

    pretrained_cfg = {"input_size": (1, 8, 8), "mean": (0.5,), "std": (0.5,)}


def resting_work(name):
    "What puts a model to rest and wakes it again: the model, and the work."
    if name == "train":
        model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Dropout())
        a, b, opt = torch.rand(8, 2), torch.arange(8) % 3, sgd.SGD(model.parameters(), 0.1)
        rest = F.cross_entropy, opt, 1, (a, b), [sgd.accuracy]
        return model, lambda: sgd.train(model, [(a, b)], *rest).run()
    part = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout())
    net, seen = Small(part, nn.Flatten(), nn.Linear(72, 2)).train(), torch.rand(2, 1, 8, 8)
    part[1].eval()  # a mode of its own
    if name == "predict":
        return net, lambda: transfer.predict(net, seen)
    if name == "looked_at":
        return net, lambda: transfer.looked_at(net, seen[0], cells=2)
    known = program.Program(net, ["a", "b"], Preprocess.of(net))
    return known.model, lambda: known(seen)


# interrupts of a generator's end
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", ["train", "predict", "looked_at", "Program"])
def test_an_interrupt_at_any_call_leaves_modes_and_gradients_as_they_were(name):
    "`with torch.no_grad()` does not: an interrupt as its end begins leaves gradients off for good."
    model, work = resting_work(name)
    work()
    modes = [m.training for m in model.modules()]
    n_calls = calls_of(work)
    assert n_calls > 50 and (name in ("train", "Program") or len(set(modes)) == 2)
    for n in range(1, n_calls + 1):
        calls_of(work, interrupt=n)
        gradients, inference = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
        torch.set_grad_enabled(True)
        left = gradients, inference, [m.training for m in model.modules()]
        assert left == (True, False, modes), f"interrupted at call {n}"
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_threads_other_than_the_first_are_left_alone():
    def work():
        with as_a_whole():
            return signal.getsignal(signal.SIGINT)

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(work).result() is signal.default_int_handler


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_who_ignores_interrupts_goes_on_ignoring_them():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with as_a_whole():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_interrupt_while_the_head_is_measured_does_not_end_fine_tuning():
    "The head's last epoch is ended by whoever goes on; then the whole model learns, as it would."
    run, seen = tuning(), []

    def once(scores, labels):
        seen.append(1)
        if len(seen) == 2:  # the second epoch's end
            raise KeyboardInterrupt
        return 0.0

    first = next(run)
    run.training.metrics.append(once)
    with pytest.raises(KeyboardInterrupt):
        for _ in run: pass
    run.training.metrics.pop()
    for _ in run: pass
    phases = [row["phase"] for row in run.history]
    assert first.step == 1 and phases == ["head", "head", "all", "all"]


def test_stop_ends_scikit_learns_networks_and_the_loop_over_them():
    import _thread

    from sklearn.neural_network import MLPClassifier

    from dljourney.kit.training import stoppable_fit

    x = np.random.default_rng(0).normal(size=(2000, 64))
    y = np.arange(2000) % 10
    fitted = []
    timer = threading.Timer(0.5, _thread.interrupt_main)
    began, long = time.monotonic(), 100_000
    with pytest.raises(KeyboardInterrupt):
        timer.start()
        for seed in range(5):
            model = MLPClassifier(random_state=seed, max_iter=long, tol=0, n_iter_no_change=long)
            stoppable_fit(model, x, y)
            fitted.append(seed)
    timer.join()
    assert not fitted and time.monotonic() - began < 20


def test_other_warnings_of_a_fit_stay_warnings():
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    from dljourney.kit.training import stoppable_fit

    model = MLPClassifier(max_iter=1)
    with pytest.warns(ConvergenceWarning):
        assert stoppable_fit(model, np.eye(4), [0, 1, 0, 1]) is model
