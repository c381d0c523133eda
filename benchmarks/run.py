"""Run all benchmarks, or `ONLY=sgd,game python -m benchmarks.run`; writes benchmarks/RESULTS.md.

Each topic runs in a process of its own. A topic that was not run keeps its section of RESULTS.md.
"""

from __future__ import annotations

import datetime
import importlib
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

here = Path(__file__).parent
results = here / "RESULTS.md"
head = """# dljourney beside its peers

Written by `make bench` (`make bench ONLY=sgd` for one topic). Both sides do the same work, in
turns, on one thread, in one process. Times are medians, with the smallest and largest; a ratio is
the median of the ratios of neighbouring runs, and below 1 means that dljourney is faster (for
times). `(CPU)` marks bars that are judged by CPU time, which a busy machine does not distort.
[harness.py](harness.py) has the details."""


def topics() -> list[str]:
    found = sorted(p.stem.removeprefix("bench_") for p in here.glob("bench_*.py"))
    only = [t for t in re.split(r"[\s,]+", os.environ.get("ONLY", "")) if t]
    unknown = [t for t in only if t not in found]
    if unknown:
        raise SystemExit(f"no benchmark named {', '.join(unknown)}; there are {', '.join(found)}")
    return only or found


def sections() -> dict[str, str]:
    "RESULTS.md as it stands, by topic."
    if not results.exists():
        return {}
    parts = re.split(r"^<!-- topic (\w+) -->\n", results.read_text(encoding="utf-8"), flags=re.M)
    return {name: text.strip() for name, text in zip(parts[1::2], parts[2::2])}


def write(found: dict[str, str]):
    body = "\n\n".join(f"<!-- topic {name} -->\n{found[name]}" for name in sorted(found))
    part = results.with_suffix(".part")
    part.write_text(f"{head}\n\n{body}\n", encoding="utf-8")
    part.replace(results)


def run_one(topic: str, path: str):
    "In the child: run a topic and store its lines."
    from benchmarks import harness as h

    module = importlib.import_module(f"benchmarks.bench_{topic}")
    harness = h.Harness(quick=bool(os.environ.get("QUICK")))
    module.lines(harness)
    used = getattr(module, "PACKAGES", ["torch"])
    data = {
        **harness.as_dict(),
        "machine": h.machine(),
        "versions": h.versions(used),
        "title": (module.__doc__ or topic).strip().splitlines()[0],
    }
    Path(path).write_text(json.dumps(data), encoding="utf-8")


def main() -> int:
    if len(sys.argv) == 4 and sys.argv[1] == "--one":
        run_one(sys.argv[2], sys.argv[3])
        return 0
    from benchmarks import harness as h

    env = os.environ | dict.fromkeys(
        ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    failed, missed = [], []
    for topic in topics():
        print(f"== {topic}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/lines.json"
            command = [sys.executable, "-m", "benchmarks.run", "--one", topic, path]
            code = subprocess.run(command, cwd=here.parent, env=env)
            if code.returncode:
                failed.append(topic)
                continue
            data = json.loads(Path(path).read_text(encoding="utf-8"))
        if data["left_out"]:
            print(f"left out: {data['left_out']}", flush=True)
            continue
        lines = [h.line_from(d) for d in data["lines"]]
        text = f"{data['machine']}; {data['versions']}; {datetime.date.today().isoformat()}"
        growths = [h.Growth(**g) for g in data["growths"]]
        tables = [h.table(lines)] if lines else []
        tables += [h.growth_table(growths)] if growths else []
        told = "\n\n".join(tables)
        write({**sections(), topic: f"## {data['title']}\n\n{text}\n\n{told}"})
        print(told, flush=True)
        missed += [
            f"{topic}: {line.name}, beside {c.name}"
            for line in lines
            for c in line.contenders[1:]
            if line.verdict(c) is False
        ]
    for what, items in (("failed", failed), ("bars missed", missed)):
        if items:
            print(f"{what}:\n  " + "\n  ".join(items))
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
