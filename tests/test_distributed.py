"The script of the site's appendix gives the same losses in two processes as in one."

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import dljourney

root = Path(dljourney.__file__).parent.parent
pytest.importorskip("accelerate")


def script(batch_norm=False):
    "The appendix's own text, with fewer pictures, so that the test is short."
    text = (root / "docs" / "processes.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.S)
    assert "batch_size=32" in code and "(x, y), *_ = digits()" in code
    assert "# BatchNorm stays frozen" in code
    code = code.replace("(x, y), *_ = digits()", "(x, y), *_ = digits(); x, y = x[:192], y[:192]")
    if batch_norm:
        frozen = 'unfreeze(pretrained("glyphnet", 10))'
        code = code.replace(frozen, frozen[:-1] + ", batch_norm=True)")
    return code


def losses(folder, code, n_processes):
    batch = 64 // n_processes
    path = folder / f"tune{n_processes}.py"
    path.write_text(code.replace("batch_size=32", f"batch_size={batch}"))
    command = [sys.executable, str(path)]
    if n_processes > 1:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = str(s.getsockname()[1])
        command = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu",
                   "--num_processes", str(n_processes),
                   "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no",
                   "--main_process_port", port, "--num_cpu_threads_per_process", "1", str(path)]
    env = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1",
           "ACCELERATE_USE_CPU": "true"}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return [float(line) for line in done.stdout.split() if re.fullmatch(r"\d+\.\d+(e-?\d+)?", line)]


def test_two_processes_give_the_losses_of_one(tmp_path):
    one, two = losses(tmp_path, script(), 1), losses(tmp_path, script(), 2)
    assert len(one) == len(two) == 3
    assert one == pytest.approx(two, rel=1e-3)


@pytest.mark.soak
def test_with_batchnorm_in_training_they_differ(tmp_path):
    one, two = losses(tmp_path, script(True), 1), losses(tmp_path, script(True), 2)
    assert max(abs(a - b) / a for a, b in zip(one, two)) > 1e-3
