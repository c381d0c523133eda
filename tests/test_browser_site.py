"The site's script: a demo lives where its picture was, dressed as the site is."

import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

from dljourney import demos

pytestmark = pytest.mark.browser
root = Path(__file__).parent.parent
PAGE = """<!doctype html><html><head><link rel="stylesheet" href="site.css">
<script src="site.js"></script></head><body data-theme="{theme}"><article>
<div class="cell"><p><img alt="A still" src="still.png"></p></div>
<p class="alive" data-title="Roll downhill"><a href="demos/roll.html">Roll downhill</a></p>
<div style="height: 3000px"></div>
<div class="cell"><img alt="Another" src="still.png"></div>
<p class="alive" data-title="Far"><a href="demos/roll.html">Far away</a></p>
</article></body></html>"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    for name in ("site.js", "site.css"): shutil.copy(root / "docs/static" / name, folder / name)
    demos.RollDownhill().to_html(folder / "demos" / "roll.html")
    Image.new("RGB", (600, 300), "white").save(folder / "still.png")
    for theme in ("light", "dark", "auto"):
        (folder / f"{theme}.html").write_text(PAGE.format(theme=theme), "utf-8")
    return folder


def frame_of(page, n=0):
    page.locator("iframe.alive").nth(n).wait_for()
    page.wait_for_function(f"document.querySelectorAll('iframe.alive')[{n}].clientHeight > 300")
    return page.frame_locator("iframe.alive").nth(n)


def test_a_demo_lives_where_its_picture_was(front, folder):
    page = front.page()
    page.context.set_offline(True)
    page.goto((folder / "light.html").as_uri())
    frame = frame_of(page)
    assert not page.get_by_alt_text("A still").is_visible()
    assert page.get_by_alt_text("Another").count() and page.locator("iframe").count() == 1
    before = frame.locator("div.dlj-readout").inner_text()
    frame.get_by_label("Learning rate").fill("0.3")
    page.wait_for_timeout(200)
    assert frame.locator("div.dlj-readout").inner_text() != before
    assert not frame.locator("header, footer").first.is_visible()
    inner = frame.locator("body").evaluate("(b) => [b.scrollHeight, innerHeight, b.scrollWidth]")
    assert inner[0] <= inner[1] + 1, "no second scroll bar"
    page.get_by_alt_text("Another").scroll_into_view_if_needed()
    frame_of(page, 1)
    assert not page.problems
    page.context.close()


def test_it_wears_what_the_site_wears(front, folder):
    page = front.page(theme="light")
    page.goto((folder / "dark.html").as_uri())
    frame = frame_of(page)
    frame.locator("html[data-theme=dark]").wait_for()
    ink = frame.locator(".dlj").evaluate("(e) => getComputedStyle(e).color")
    assert min(map(int, re.findall(r"\d+", ink)[:3])) > 180
    page.evaluate("document.body.dataset.theme = 'light'")
    frame.locator("html[data-theme=light]").wait_for()
    page.context.close()


def test_without_javascript_the_picture_stays(front, folder):
    context = front.browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((folder / "light.html").as_uri())
    assert page.get_by_alt_text("A still").is_visible() and not page.locator("iframe").count()
    page.get_by_text("Roll downhill").click()
    assert page.locator("noscript img").is_visible()
    context.close()
