"Demos as pages: what such a page shows, and whether Python shows the same."

import time

import numpy as np
import PIL
import pytest

same_pixels = pytest.mark.skipif(
    int(PIL.__version__.split(".")[0]) < 13, reason="Pillow 13 went through columns first")
LIFE = "document.getElementById('demo').life"


def until(page, code, seconds=60):
    "Until an expression holds in the page. Its policy lets no `wait_for_function` in."
    end = time.monotonic() + seconds
    while not page.evaluate(f"() => Boolean({code})"):
        assert time.monotonic() < end, f"{code} does not hold after {seconds} s"
        page.wait_for_timeout(30)


def tried(page):
    "What a page's policy lets somebody do who got into it: all that should be false."
    return page.evaluate("""async () => {
      const evaluated = () => { try { return Boolean(eval("1")); } catch { return false; } };
      // in a moment of the page's own: what is asked from outside may do anything
      const tried = { eval: await new Promise((done) => setTimeout(() => done(evaluated()))) };
      const script = document.createElement("script");
      script.textContent = "window.ran = true";
      document.body.append(script);
      tried.script = Boolean(window.ran);
      tried.fetch = await fetch("http://127.0.0.1:9/").then(() => true, () => false);
      const place = document.createElement("div");
      place.innerHTML = "<b onclick='window.ran = true'>x</b>";
      document.body.append(place);
      place.firstChild.click();
      return { ...tried, click: Boolean(window.ran) };
    }""")


def plain(value):
    "A frame as the browser has it: arrays as lists, grids as {values, shape}."
    if isinstance(value, dict): return {k: plain(v) for k, v in value.items()}
    if hasattr(value, "detach"): value = value.detach().numpy()
    if isinstance(value, np.ndarray) and value.ndim > 1:
        return {"values": value.ravel().tolist(), "shape": list(value.shape)}
    if isinstance(value, (list, tuple, np.ndarray)): return [plain(v) for v in value]
    if isinstance(value, np.generic): return value.item()
    return value


FRAME = """() => {
  const lift = (v) => {
    if (ArrayBuffer.isView(v)) return Array.from(v, (n) => (Number.isFinite(n) ? n : null));
    if (Array.isArray(v)) return v.map(lift);
    if (!v || typeof v !== "object") return Number.isNaN(v) ? null : v ?? null;
    return Object.fromEntries(Object.entries(v).map(([k, c]) => [k, lift(c)]));
  };
  return lift(document.querySelector("#demo .dlj").dlj.frame());
}"""


def shown(page):
    "What the page's panels show, once they have been drawn."
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => "
                  "requestAnimationFrame(done)))")
    return page.evaluate(FRAME)


def agree(ours, theirs, within=1e-5, where="frame"):
    "The browser's frame says what Python's does."
    if isinstance(ours, dict) and isinstance(ours.get("values"), dict):  # a heat map's grid
        ours = {**ours, **ours["values"]}
    if isinstance(ours, float | int) and not isinstance(ours, bool):
        if not np.isfinite(ours): return
        assert isinstance(theirs, float | int), f"{where}: {theirs} in the browser, {ours} here"
        assert abs(ours - theirs) <= within * max(1, abs(ours)), f"{where}: {theirs} != {ours}"
    elif isinstance(ours, dict):
        assert ours.keys() == theirs.keys(), where
        for key in ours: agree(ours[key], theirs[key], within, f"{where}.{key}")
    elif isinstance(ours, list):
        assert len(ours) == len(theirs), where
        for i, (a, b) in enumerate(zip(ours, theirs)): agree(a, b, within, f"{where}.{i}")
    else:
        assert ours == theirs, f"{where}: {theirs!r} in the browser, {ours!r} here"
