"""Live demos: from a key on a slider to the new picture on the screen

A figure of 600 x 400 with 50 points and a curve of 200 points, in JupyterLab in Chromium, drawn in
five ways. Each measurement presses one arrow key and waits for the first painted frame with the new
picture; the ways take turns.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path
from typing import Any

PACKAGES = ["anywidget", "ipywidgets", "ipympl", "jupyterlab", "matplotlib", "torch"]

CELLS = [
    """import io, warnings; warnings.filterwarnings("ignore")
import ipywidgets as widgets, matplotlib, numpy as np, torch
torch.set_num_threads(1)
from dljourney.kit.live import Wave
noise = np.random.default_rng(0).normal(0, 0.2, 50)
x, seen = np.linspace(0, 6, 200), np.linspace(0, 6, 50)
def draw(ax, f):
    ax.clear(); ax.set(xlim=(0, 6), ylim=(-2, 2))
    ax.plot(seen, np.sin(f * seen) + noise, "o"); ax.plot(x, np.sin(f * x))""",
    "browser = Wave(); browser",
    """class TorchWave(Wave):
    script, local = "", False
    def draw(self):
        from dljourney.kit.live import line, points
        at, dots = torch.linspace(0, 6, 200), torch.linspace(0, 6, 50)
        wave = lambda v: self.height * torch.sin(self.frequency * v)
        seen = points(dots, wave(dots) + torch.tensor(noise), colour="orange")
        return {"wave": [seen, line(at, wave(at))]}
computed = TorchWave(); computed""",
    """%matplotlib inline
import matplotlib.pyplot as plt
def show(f=1.0):
    fig, ax = plt.subplots(figsize=(6, 4), dpi=100); draw(ax, f); plt.show()
interact = widgets.interact(show, f=(0.1, 5.0, 0.1))""",
    """from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
kept = Figure(figsize=(6, 4), dpi=100); canvas, ax = FigureCanvasAgg(kept), kept.add_subplot()
image = widgets.Image(width=600, layout=dict(max_width="100%"))
slider = widgets.FloatSlider(1.0, min=0.1, max=5, step=0.1)
def update(change):
    draw(ax, slider.value); file = io.BytesIO()
    canvas.print_png(file); image.value = file.getvalue()
slider.observe(update, "value"); update(None); widgets.VBox([slider, image])""",
]
IPYMPL = [
    CELLS[0],
    """%matplotlib widget
import matplotlib.pyplot as plt
with plt.ioff(): fig2, ax2 = plt.subplots(figsize=(6, 4), dpi=100)
slider2 = widgets.FloatSlider(1.0, min=0.1, max=5, step=0.1)
def update2(change):
    draw(ax2, slider2.value); fig2.canvas.draw_idle()
slider2.observe(update2, "value"); update2(None); widgets.VBox([slider2, fig2.canvas])""",
]
WAYS = {
    1: "in the browser",
    2: "float32 from PyTorch",
    3: "interact + plt.show",
    4: "print_png to an Image",
    5: "ipympl",
}
# which page and which cell: ipympl takes plt over, so it sits apart
PLACES = {1: (0, 1), 2: (0, 2), 3: (0, 3), 4: (0, 4), 5: (1, 1)}

# `measure()`: the milliseconds from the next key to the first painted change inside `root`.
WATCH = """() => {
  const later = new MessageChannel();
  let finish = null, start = null, root = null, inFrame = false;
  const painted = () => {
    if (finish && start !== null) { finish(performance.now() - start); finish = null; }
  };
  later.port1.onmessage = painted;
  const raf = window.requestAnimationFrame.bind(window);
  window.requestAnimationFrame = call => raf(t => {
    inFrame = true;
    try { call(t); } finally { inFrame = false; }
  });
  const after = () => later.port2.postMessage(0); // runs once the frame under way has been painted
  const signal = node => {
    if (!finish || start === null || !root.contains(node)) return;
    if (inFrame) after(); else raf(after);
  };
  for (const name of ["drawImage", "putImageData", "stroke", "fill"]) {
    const real = CanvasRenderingContext2D.prototype[name];
    CanvasRenderingContext2D.prototype[name] = function (...a) {
      signal(this.canvas);
      return real.apply(this, a);
    };
  }
  const loaded = e => { if (e.target.tagName === "IMG") signal(e.target); };
  document.addEventListener("load", loaded, true);
  const pressed = () => { if (finish && start === null) start = performance.now(); };
  document.addEventListener("keydown", pressed, true);
  window.measure = node => new Promise((done, fail) => {
    root = node; start = null; finish = done;
    setTimeout(() => fail(new Error("no new picture")), 15000);
  });
}"""


def handle(page: Any, n: int):
    "The slider of cell `n`."
    output = page.locator(f".jp-Cell >> nth={n}").locator(".jp-Cell-outputWrapper")
    native = output.locator("input[type=range]")
    return output, native.first if native.count() else output.locator(".noUi-handle").first


def one(page: Any, n: int, key: str) -> float:
    output, slider = handle(page, n)
    slider.focus()
    page.evaluate(
        "node => { window.answer = window.measure(node); window.answer.catch(() => {}); }",
        output.element_handle(),
    )
    page.keyboard.press(key)
    seconds = page.evaluate("() => window.answer") / 1000
    page.wait_for_timeout(150)  # whatever else the way does after its picture
    return seconds


def latencies(front: Any, rounds: int) -> dict[int, list[float]]:
    pages = [front.open(*cells, height=2600) for cells in (CELLS, IPYMPL)]
    selectors = (".dlj canvas, .noUi-handle", 4), (".jupyter-matplotlib canvas", 1)
    for page, (selector, n) in zip(pages, selectors):
        page.wait_for_function(f"document.querySelectorAll('{selector}').length >= {n}")
        page.wait_for_timeout(2000)
        page.evaluate(WATCH)
    times: dict[int, list[float]] = {n: [] for n in WAYS}
    for round in range(rounds + 2):
        for n in WAYS if round % 2 else reversed(WAYS):
            page, cell = pages[PLACES[n][0]], PLACES[n][1]
            page.bring_to_front()
            seconds = one(page, cell, "ArrowRight" if round % 4 < 2 else "ArrowLeft")
            if round > 1:  # the first two are rehearsals
                times[n].append(seconds)
    for page in pages:
        front.shut(page)
    return times


def frame_rates(front: Any, seconds: int = 4, runs: int = 3) -> list[float]:
    "Frames a second of a Playground that trains a network of 2-8-8-2 units."
    cells = [
        "import torch; torch.set_num_threads(1)",
        "from dljourney.demos import Playground; play = Playground(speed=10); play",
    ]
    page = front.open(*cells, height=1400)
    page.wait_for_selector(".dlj canvas")
    page.get_by_role("button", name="Play").click()
    page.wait_for_timeout(1000)
    seen = "document.querySelector('.dlj').dlj.model.get('_seen')"
    rates = []
    for _ in range(runs):
        before = page.evaluate(seen)
        page.wait_for_timeout(1000 * seconds)
        rates.append((page.evaluate(seen) - before) / seconds)
    front.shut(page)
    return rates


def lines(harness: Any):
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    from browser import Front

    front = Front()
    try:
        times = latencies(front, 9 if harness.quick else 25)
        rates = frame_rates(front)
    finally:
        front.close()
    peers = {WAYS[n]: times[n] for n in (3, 5, 4)}
    note = f"a key round trip; medians over {len(times[1])} rounds"
    common = dict(unit="s", note=note)
    harness.quantity("key to screen, the maths in the browser", times[1], peers, bar=1 / 8,
                     our_name=WAYS[1], **common)
    harness.quantity("key to screen, PyTorch computes", times[2], peers, bar=1 / 3,
                     our_name=WAYS[2], **common)
    harness.quantity("frames a second of the Playground, 2-8-8-2, 10 steps of training a frame",
                     statistics.median(rates), unit="frames/s", bar=10, higher_is_better=True)
