"""Without torch: one picture named by NumPy, and by a page

`quick_answers` in a fresh process, from its start to the answer for one JPEG, beside the import of
torch alone; and the 95th percentile of a picture's time in static/net.js, in Chromium.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from PIL import Image

from dljourney.kit.live import scoped
from dljourney.kit.models import glyphnet, net_data, plan_of  # noqa: F401  (registers the name)
from dljourney.program import save

PACKAGES = ["numpy", "pillow", "torch", "timm"]
NETWORKS = {"glyphnet": ("glyphnet", 0.008), "photonet": ("tf_efficientnet_lite0", 0.6)}
ANSWER = """import sys
from dljourney.kit.models import quick_answers
quick_answers(sys.argv[1], sys.argv[2:])"""
TIMES = """([data, shape, n]) => {
  const net = makeNet(data);
  const x = new Float32Array(shape.reduce((a, b) => a * b)).map(() => Math.random());
  return Array.from({ length: n }, () => {
    const start = performance.now();
    net(x);
    return (performance.now() - start) / 1000;
  }).slice(Math.floor(n / 5));
}"""


def network(name: str) -> Any:
    "A network with random weights that 16 bits hold exactly; how long it takes is the same."
    torch.manual_seed(0)
    model = timm.create_model(name).eval()
    for p in model.parameters():
        p.data = p.data.half().float()
    return model


def in_a_page(models: dict[str, Any], n: int) -> dict[str, list[float]]:
    "Seconds a picture in Chromium, once warm."
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    from browser import FLAGS, find_chromium
    from playwright.sync_api import sync_playwright

    found = {}
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        page = browser.new_page()
        page.add_script_tag(content="\n".join(map(scoped, ("bytes.js", "weights.js", "net.js"))))
        for name, model in models.items():
            shape = model.pretrained_cfg["input_size"]
            tensors = {key: t.numpy() for key, t in model.state_dict().items()}
            data = net_data(plan_of(model, shape), tensors)
            times = n * 10 if name == "glyphnet" else n
            found[name] = page.evaluate(TIMES, [data, list(shape), times])
        browser.close()
    return found


def lines(harness: Any):
    models = {name: network(made) for name, (made, _) in NETWORKS.items()}
    with tempfile.TemporaryDirectory() as folder:
        noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
        Image.fromarray(noise).resize((1024, 768)).save(f"{folder}/one.jpg")
        for name, model in models.items():
            file = save(model, f"{folder}/{name}.safetensors")
            answer = [sys.executable, "-c", ANSWER, str(file), f"{folder}/one.jpg"]
            harness.compare(
                f"one JPEG named by {name}, whole process",
                lambda command=answer: subprocess.run(command, check=True),
                {"import torch": lambda: subprocess.run([sys.executable, "-c", "import torch"])},
                bar=0.2, judged_by="cpu",
            )  # fmt: skip
    for name, times in in_a_page(models, 10 if harness.quick else 40).items():
        p95 = statistics.quantiles(times, n=20)[-1]
        harness.quantity(f"a picture in a page, {name}, 95th percentile", p95, unit="s",
                         bar=NETWORKS[name][1],
                         note=f"median {1e3 * statistics.median(times):.1f} ms")
