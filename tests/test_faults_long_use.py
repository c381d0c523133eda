"""A long session in a real browser: drags, training, cells run again and again.

Nothing grows, nothing slows down. It goes on for its share of MINUTES.
"""

import ast
import os
import statistics
import subprocess
import sys
import time

import pytest
from faults import MINUTES
from test_browser import changed, opened, picture, thumb

CELLS = [
    """import gc, ipywidgets
from dljourney.demos import Playground, RollDownhill
from dljourney.kit.live.live import Wave"""
    "wave = Wave(); wave",
    "play = Playground(); play",
    "roll = RollDownhill(); roll",
    """def resident():
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) / 1024 for line in f if line.startswith("VmRSS"))
def measured():
    gc.collect()
    observers = [by for d in (wave, play, roll) for by in d._trait_notifiers.values()]
    heard = sum(len(v) for by in observers for v in by.values())
    widgets = len(ipywidgets.widgets.widget._instances)
    return dict(kernel=resident(), widgets=widgets, heard=heard)""",
    "wave",
]


def measured(front, page, tools):
    "Memory of kernel and page in MB; how many widgets, observers, nodes and listeners there are."
    tools.send("HeapProfiler.collectGarbage")
    told = {m["name"]: m["value"] for m in tools.send("Performance.getMetrics")["metrics"]}
    found = ast.literal_eval(front.python(page, "print(measured())"))
    page = {"page": told["JSHeapUsedSize"] / 2**20}
    return found | page | {"nodes": told["Nodes"], "listeners": told["JSEventListeners"]}


def use(front, page, n):
    "One round of what learners do."
    wave = page.locator(".jp-Cell >> nth=1").locator(".dlj").first
    wave.scroll_into_view_if_needed()
    slider = wave.get_by_label("Frequency")
    before = picture(wave)
    x, y = thumb(slider)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + (70 if n % 2 else -70), y, steps=8)
    page.mouse.up()
    changed(page, wave, before)
    front.python(page, f"play.set(dataset={('circles', 'spiral', 'xor')[n % 3]!r}); play.step(5)")
    front.python(page, f"roll.set(lr={0.02 + 0.01 * (n % 5)}, steps={5 + n % 7})")
    if n % 2:  # the same cell once more: the old view goes, a new one comes
        page.evaluate("""async () => {
          const { content, sessionContext } = window.panel;
          content.activeCellIndex = 5;
          await window.jupyterapp.commands.execute("notebook:run-cell");
        }""")
        page.wait_for_function("document.querySelectorAll('.dlj canvas').length >= 4")


@pytest.mark.browser
@pytest.mark.soak
@pytest.mark.timeout(0)
def test_a_long_session_stays_flat(front):
    page = opened(front, CELLS, 4, height=1400)
    tools = page.context.new_cdp_session(page)
    tools.send("Performance.enable")
    try:
        warm, n, took, seen = 8, 0, [], []
        end = time.monotonic() + 0.3 * MINUTES * 60
        while n < warm + 12 or time.monotonic() < end:
            begin = time.monotonic()
            use(front, page, n)
            took.append(time.monotonic() - begin)
            n += 1
            if n >= warm and n % 4 == 0:
                seen.append(measured(front, page, tools))
        first, last = seen[0], seen[-1]
        told = f"after {warm} rounds: {first}\nafter {n} rounds: {last}"
        assert last["kernel"] < 1.05 * first["kernel"] + 40, told
        assert last["page"] < 1.2 * first["page"] + 8, told
        assert last["nodes"] < 1.2 * first["nodes"] + 300, told
        assert last["listeners"] < 1.2 * first["listeners"] + 60, told
        assert last["widgets"] == first["widgets"] and last["heard"] == first["heard"], told
        third = max(4, (n - warm) // 3)
        early, late = statistics.median(took[warm : warm + third]), statistics.median(took[-third:])
        slower = f"it slows down: a round took {early:.2f} s, and {late:.2f} s in the end"
        assert late < 2 * early + 0.2, slower
        assert page.problems == [] and page.outside == []
    finally:
        front.shut(page)


def test_repeating_browser_tests_does_not_repeat_the_soak():
    "REPEAT=10 once made ten sessions of it, an hour and a half."
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", "browser", __file__]
    env = os.environ | {"REPEAT": "3"}
    told = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300).stdout
    assert told.count("::test_a_long_session") == 1, told
