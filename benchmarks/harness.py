"""What every benchmark shares: fair timing of dljourney beside its peers, and one table of results.

A topic's file, `benchmarks/bench_<topic>.py`, has one function, `lines(harness)`, which calls

    harness.compare("a step of SGD", ours, {"torch.optim.SGD": theirs}, bar=0.7, number=200)

once for each line. `ours` and the peers are functions without arguments that do the same work. They
run in turns, at least five times each, on one thread; the table gives medians and spread of the
wall time, the CPU time beside it, and the ratio ours / peer as the median of the ratios of
neighbouring runs (so that whatever slows the machine down for a while slows both). The bar is
compared with that ratio. `python -m benchmarks.run` runs all topics, or those in ONLY=.
"""

from __future__ import annotations

import gc
import importlib
import importlib.metadata
import math
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Contender:
    "The times of one contender on one line."

    name: str
    wall: list[float] = field(default_factory=list)  # seconds for each unit of work, one a run
    cpu: list[float] = field(default_factory=list)
    missing: str = ""  # why there are no times


@dataclass
class Line:
    "One line of a topic: our time, the peers', and the bar."

    name: str
    contenders: list[Contender]  # ours first
    bar: float | None = None  # ours / the first peer: at most (at least, where higher is better)
    bars: dict[str, float] = field(default_factory=dict)  # bars against other peers, by name
    judged_by: str = "wall"
    unit: str = "s"  # "s" for times; else what the numbers of `quantity` count
    higher_is_better: bool = False
    note: str = ""

    def ratio(self, peer: Contender, kind: str) -> float | None:
        "The median of the ratios ours / peer of neighbouring runs."
        pairs = list(zip(getattr(self.contenders[0], kind), getattr(peer, kind)))
        return statistics.median(a / b for a, b in pairs if b) if any(b for _, b in pairs) else None

    def verdict(self, peer: Contender) -> bool | None:
        "Whether the bar against this peer is met; None where there is no bar."
        bar, ratio = self.bar_of(peer), self.ratio(peer, self.judged_by)
        if bar is None or ratio is None:
            return None
        return ratio >= bar if self.higher_is_better else ratio <= bar

    def bar_of(self, peer: Contender) -> float | None:
        "The bar against this peer, where there is one."
        first = self.contenders[1] if len(self.contenders) > 1 else None
        return self.bars.get(peer.name, self.bar if peer is first else None)


@dataclass
class Growth:
    "How the time of one piece of work grows with its size."

    name: str
    what: str  # what is counted: "boards", "pixels a side"
    sizes: list[float] = field(default_factory=list)
    # seconds of CPU time, for each size one number a run
    cpu: list[list[float]] = field(default_factory=list)
    note: str = ""

    def medians(self) -> list[float]:
        return [statistics.median(times) for times in self.cpu]

    def slope(self, last: float | None = None) -> float:
        "The power of the size that the time follows: least squares on logarithms, all or the last."
        least = 0 if last is None else self.sizes[-1] / last
        pairs = [(n, t) for n, t in zip(self.sizes, self.medians()) if n >= least]
        logs = [(math.log(n), math.log(t)) for n, t in pairs]
        return statistics.linear_regression(*zip(*logs)).slope if len(logs) > 1 else float("nan")


class Harness:
    "Collects the lines of one topic."

    def __init__(self, runs: int = 5, quick: bool = False):
        import torch

        torch.set_num_threads(1)
        self.runs, self.quick = runs, quick
        self.lines: list[Line] = []
        self.growths: list[Growth] = []
        self.left_out = ""  # why the topic cannot be measured here

    def leave_out(
        self,
        why: str,  # what is missing
    ):
        "Say that a topic lacks what it needs here: what was measured elsewhere stays."
        self.left_out = why

    def peer(self, module: str) -> Any:
        "The module, or None where it is not installed: give None as a peer and the table says so."
        try:
            return importlib.import_module(module)
        except ImportError:
            return None

    def compare(
        self,
        name: str,  # what is timed
        ours: Callable[[], Any],  # does the work once
        peers: Mapping[str, Callable[[], Any] | None],  # the same work; None: not installed
        *,
        bar: float | None = None,  # ours / the first peer is to be at most this
        bars: Mapping[str, float] | None = None,  # the same for other peers, by name
        runs: int | None = None,  # how often each contender is timed, in turns; 5 at least
        number: int = 1,  # calls in one timing
        units: float = 1,  # units of work in one call (steps, images): times are for one unit
        judged_by: str = "wall",  # "cpu" where both compute on one thread, on a shared machine
        warmup: int = 1,  # calls before the first timing
        before: Callable[[], Any] | None = None,  # called, untimed, before each timing
        our_name: str = "dljourney",
        note: str = "",
    ) -> Line:
        "Time `ours` beside `peers`, in turns, and keep the line."
        runs = 5 if self.quick else max(5, runs or self.runs)
        work = {our_name: ours, **peers}
        contenders = [Contender(k, missing="" if f else "not installed") for k, f in work.items()]
        line = Line(name, contenders, bar, dict(bars or {}), judged_by, note=note)
        live = [(c, f) for c, f in zip(line.contenders, work.values()) if f]
        for _, f in live:
            for _ in range(warmup):
                f()
        for run in range(runs):
            # neither side is always first
            for contender, f in live if run % 2 == 0 else reversed(live):
                if before:
                    before()
                wall, cpu = timed(f, number)
                contender.wall.append(wall / (number * units))
                contender.cpu.append(cpu / (number * units))
        self.lines.append(line)
        print(f"  {name}: {summary(line)}", file=sys.stderr, flush=True)
        return line

    def quantity(
        self,
        name: str,  # what is counted or was measured elsewhere
        ours: float | list[float],  # one number, or one for each run
        peers: Mapping[str, float | list[float] | None] | None = None,
        *,
        unit: str,  # of the numbers: "s", "plies/s", "MB"
        bar: float | None = None,  # for ours / the first peer; without a peer, for ours itself
        higher_is_better: bool = False,
        our_name: str = "dljourney",
        note: str = "",
    ) -> Line:
        "Keep a line of numbers that were measured by other means than `compare`."
        def many(v): return [float(n) for n in (v if isinstance(v, (list, tuple)) else [v])]
        contenders = [Contender(our_name, many(ours))]
        for peer, v in (peers or {}).items():
            is_there = v is not None
            missing = "" if is_there else "not installed"
            contenders.append(Contender(peer, many(v) if is_there else [], missing=missing))
        if bar is not None and not peers:
            contenders.append(Contender("the bar itself", [1.0]))
        line = Line(name, contenders, bar, unit=unit, higher_is_better=higher_is_better, note=note)
        self.lines.append(line)
        return line

    def growth(
        self,
        name: str,  # the work
        make: Callable[[int], Callable[[], Any]],  # a size -> what does work of that size once
        sizes: Sequence[int],  # rising; at least three decades where the machine allows
        *,
        what: str,  # what is counted
        seconds: float = 20.0,  # larger sizes are left out when a call takes longer than this
        note: str = "",
    ) -> Growth:
        "Time one piece of work at many sizes, five times each, in CPU time."
        found = Growth(name, what, note=note)
        for size in sizes:
            f = make(size)
            f()  # warm
            once = timed(f, 1)[1]
            number = max(1, min(1000, round(0.05 / max(once, 1e-6))))
            runs = 2 if once > 5 else 3 if self.quick else 5
            found.sizes.append(size)
            found.cpu.append([timed(f, number)[1] / number for _ in range(runs)])
            if once > seconds:
                break
        self.growths.append(found)
        told = f"time grows as {what} to the power {found.slope(10):.2f}"
        print(f"  {name}: {told}", file=sys.stderr, flush=True)
        return found

    def as_dict(self) -> dict[str, Any]:
        lines, growths = ([asdict(x) for x in found] for found in (self.lines, self.growths))
        return {"lines": lines, "growths": growths, "left_out": self.left_out}


def timed(f: Callable[[], Any], number: int) -> tuple[float, float]:
    "Seconds of wall and CPU time, the children's included, for `number` calls, garbage kept."
    gc.collect()
    was_on = gc.isenabled()
    gc.disable()
    try:
        cpu, wall = _cpu(), time.perf_counter()
        for _ in range(number):
            f()
        return time.perf_counter() - wall, _cpu() - cpu
    finally:
        if was_on:
            gc.enable()


def _cpu() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def summary(line: Line) -> str:
    "The ratios in a few words, to be read while the benchmark runs."
    found = [(c.name, line.ratio(c, line.judged_by)) for c in line.contenders[1:]]
    return ", ".join(f"{ratio:.2f} x {name}" for name, ratio in found if ratio is not None)


def line_from(data: dict[str, Any]) -> Line:
    return Line(**{**data, "contenders": [Contender(**c) for c in data["contenders"]]})


def readable(value: float, unit: str = "s") -> str:
    "A number with three figures and a unit that suits it."
    if unit != "s":
        return f"{value:,.0f} {unit}" if abs(value) >= 1000 else f"{value:.3g} {unit}"
    scale, name = 1e-6, "us"
    for scale, name in ((1, "s"), (1e-3, "ms"), (1e-6, "us")):  # noqa: B007
        if value >= scale:
            break
    return f"{value / scale:.3g} {name}" if value / scale < 1000 else f"{value / scale:,.0f} {name}"


def table(lines: list[Line]) -> str:
    "The lines as a Markdown table."
    rows = [
        "| what | who | wall, median (spread) | CPU | ours / theirs, wall | CPU | bar | |",
        "|:--|:--|--:|--:|--:|--:|--:|:--|",
    ]
    for line in lines:
        for i, c in enumerate(line.contenders):
            if c.missing:
                rows.append(f"| | {c.name} | {c.missing} | | | | | |")
                continue
            shown = [readable(v, line.unit) for v in (min(c.wall), max(c.wall))]
            spread = f" ({' to '.join(shown)})" if len(c.wall) > 1 else ""
            cpu = readable(statistics.median(c.cpu), line.unit) if c.cpu else ""
            ratios = [line.ratio(c, kind) if i else None for kind in ("wall", "cpu")]
            wall_ratio, cpu_ratio = ("" if r is None else f"{r:.2f}" for r in ratios)
            bar, met = (line.bar_of(c), line.verdict(c)) if i else (None, None)
            sign = ">=" if line.higher_is_better else "<="
            by = " (CPU)" if line.judged_by == "cpu" else ""
            verdict = "" if met is None else ("met" if met else "**missed**") + by
            name = "" if i else line.name
            median = readable(statistics.median(c.wall), line.unit)
            told = "" if bar is None else f"{sign} {bar:g}"
            rows.append(f"| {name} | {c.name} | {median}{spread} "
                        f"| {cpu} | {wall_ratio} | {cpu_ratio} | {told} | {verdict} |")
    return "\n".join(rows) + notes(lines)


def growth_table(growths: list[Growth]) -> str:
    "A row for each piece of work: sizes with their times, and the slopes."
    rows = [
        "| work | size | median CPU time at each size | power, all | power, last decade |",
        "|:--|:--|:--|--:|--:|",
    ]
    for g in growths:
        times = ", ".join(f"{n:,.0f}: {readable(t)}" for n, t in zip(g.sizes, g.medians()))
        rows.append(f"| {g.name} | {g.what} | {times} | {g.slope():.2f} | {g.slope(10):.2f} |")
    return "\n".join(rows) + notes(growths)


def notes(things: Sequence[Line] | Sequence[Growth]) -> str:
    "What is to be said of some of the rows, below their table."
    said = [f"- *{thing.name}*: {thing.note}" for thing in things if thing.note]
    return "\n\n" + "\n".join(said) if said else ""


def machine() -> str:
    "The processor, its cores, and how busy the machine is."
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            model = next((s.split(":")[1].strip() for s in f if s.startswith("model name")), model)
    except OSError:
        pass
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    system = f"{platform.system()}, Python {platform.python_version()}"
    return f"{model}, {os.cpu_count()} cores{load}, {system}, one thread"


def versions(names: list[str]) -> str:
    "Installed versions of the packages that took part."
    found = []
    for name in names:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            found.append(f"{name} not installed")
    return ", ".join(found)
