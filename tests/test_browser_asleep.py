"A demo whose kernel is gone, in a real browser: it says so, shows its picture, names the way back."

import json

import pytest

pytestmark = pytest.mark.browser

CELLS = [
    "from dljourney.demos import Upload\n"
    "from dljourney.kit.game.board import Board\n"
    "from dljourney.kit.live.live import Stack, Walk, Wave\n"
    "from dljourney.kit.live.pad import DrawingPad\n"
    "from dljourney.kit.game.boards import legal_moves",
    "walk = Walk(); walk.patience = 60.0; walk.play(); walk",
    "DrawingPad([[(0.2, 0.2), (0.8, 0.8)]])",
    "Board(legal_moves)",
    "Upload(lambda picture: {'cat': 1.0})",  # a button and a pad: told once
    "Stack(Wave(), Wave(), across=True)",
]
N = len(CELLS) - 1
PARTS = N + 2  # two demos have two parts each
NOTICES = ".dlj-notice:visible"
TOLD = "document.querySelectorAll('.dlj-notice:not([hidden])').length"
PICTURES = "[...document.querySelectorAll('.jp-OutputArea-output img')]"
GONE = {
    "restarted": "async () => { await window.panel.sessionContext.session.kernel.restart(); }",
    "died": """() => {
      const { kernel } = window.panel.sessionContext.session;
      kernel.requestExecute({ code: "import os; os._exit(1)" }).done.catch(() => {});
    }""",
    "stopped": "async () => { await window.panel.sessionContext.shutdown(); }",
}


def opened(front):
    page = front.open(*CELLS)
    page.wait_for_function(f"document.querySelectorAll('.dlj-host .dlj').length >= {PARTS}")
    assert page.locator(NOTICES).count() == 0
    return page


def run_again(front, page):
    page.evaluate("async () => { await window.panel.sessionContext.ready; }")
    front.run_all(page)
    awake = "document.querySelectorAll('.dlj-host .dlj:not(.dlj-asleep)').length"
    page.wait_for_function(f"{awake} >= {PARTS}")


@pytest.mark.parametrize("how", list(GONE))
def test_a_demo_whose_kernel_is_gone_says_so_and_nothing_of_it_can_be_pressed(front, how):
    page = opened(front)
    page.locator(".dlj-play", has_text="Pause").wait_for()
    page.evaluate(GONE[how])
    page.wait_for_function(f"{TOLD} === {N}")
    told = page.locator(NOTICES).all_inner_texts()
    assert all("Run the cell above again" in text for text in told)
    roots = "[...document.querySelectorAll('.dlj-host > .dlj')]"
    assert page.evaluate(f"{roots}.every(root => root.inert)")
    assert page.locator(".dlj-busy, .dlj-working").count() == 0
    if how == "restarted":
        run_again(front, page)
        assert page.locator(NOTICES).count() == 0
    front.shut(page)


def test_a_lost_connection_is_told_until_it_is_back(front):
    page = opened(front)
    tell = "status => window.panel.sessionContext.session.kernel._updateConnectionStatus(status)"
    page.evaluate(tell, "disconnected")
    page.wait_for_function(f"{TOLD} === {N}")
    assert "cannot be reached" in page.locator(NOTICES).first.inner_text()
    page.evaluate(tell, "connected")
    page.wait_for_function(f"{TOLD} === 0")
    drawn = front.python(page, "print(walk._seen)")
    front.until(page, f"walk.playing and walk._seen > {drawn}")
    front.shut(page)


def test_a_saved_notebook_shows_the_still_pictures_until_its_cells_are_run(front):
    page = opened(front)
    name = page.evaluate("window.panel.context.path")
    save = "async () => { await window.panel.context.save(); }"
    page.evaluate(save)
    page.evaluate(GONE["restarted"])
    front.show(name, page=page)
    asleep = page.locator(".jp-OutputArea-output:has-text('Run the cell above to wake it')")
    page.wait_for_function(f"{PICTURES}.length === {N}")
    assert asleep.count() == N and page.get_by_text("model not found").count() == 0
    page.wait_for_function(f"{PICTURES}.every(i => i.complete && i.naturalWidth > 100)")
    asleep.first.scroll_into_view_if_needed()
    front.shot(page, "asleep")

    run_again(front, page)
    page.evaluate(save)
    saved = json.loads((front.root / name).read_text())
    ids = [o["data"]["application/vnd.jupyter.widget-view+json"]["model_id"]
           for c in saved["cells"] for o in c["outputs"] if "data" in o]  # fmt: skip
    state = saved["metadata"]["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    assert sorted(state) == sorted(ids)  # those of the run before are gone
    front.shut(page)
