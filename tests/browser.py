"A real front end for tests: a JupyterLab (or Voila) server and a Chromium, driven by Playwright."

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync"]
NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome",
         "msedge"]
PLACES = [
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Google\Chrome\Application\chrome.exe",
]
HELP = (
    "no Chromium or Chrome here, and none could be installed. "
    "Install one (Debian, Ubuntu: apt-get install chromium; "
    "elsewhere: python -m playwright install chromium), or name one in the variable CHROMIUM; "
    "or leave the browser out: make test-fast"
)


def installed():
    "The path of a Chromium or Chrome that is already here, or None."
    found = [os.environ.get("CHROMIUM"), *map(shutil.which, NAMES), *PLACES]
    with contextlib.suppress(Exception):
        from playwright.sync_api import sync_playwright

        with sync_playwright() as p:
            found.append(p.chromium.executable_path)
    return next((path for path in found if path and Path(path).exists()), None)


def find_chromium(installed=installed, run=subprocess.run, is_root=None):
    "A browser to test with: one that is here, or installed now, or an error that says what to do."
    if path := installed():
        return path
    is_root = (hasattr(os, "geteuid") and os.geteuid() == 0) if is_root is None else is_root
    attempts = []
    if is_root and shutil.which("apt-get"):
        needs = ["chromium", "fonts-dejavu-core"]
        attempts += [["apt-get", "update"],
                     ["apt-get", "install", "-y", "--no-install-recommends", *needs]]
    attempts += [[sys.executable, "-m", "playwright", "install", "chromium"]]
    for command in attempts:
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            run(command, capture_output=True, timeout=600)
        if path := installed():
            return path
    raise RuntimeError(HELP)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(url, process, log, seconds=240):
    "Until the server at `url` answers."
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2):
            return
        time.sleep(0.2)
    raise RuntimeError(f"no answer from {url}:\n{log.read_text()[-3000:]}")


def notebook(*cells):
    "A notebook of code cells, as JSON."
    plain = dict(cell_type="code", metadata={}, outputs=[], execution_count=None)
    made = [dict(plain, id=f"cell{i}", source=c) for i, c in enumerate(cells)]
    meta = dict(kernelspec=dict(name="python3", display_name="Python 3", language="python"))
    return json.dumps(dict(cells=made, metadata=meta, nbformat=4, nbformat_minor=5))


class Front:
    "A server in folders of its own, a browser, and everything that went wrong in a page."

    def __init__(self):
        from playwright.sync_api import sync_playwright

        self.folder = Path(tempfile.mkdtemp(prefix="dljourney-browser-"))
        self.token = secrets.token_hex(8)
        self.root = self.folder / "notebooks"
        self.root.mkdir()
        self.processes = []
        self._settings()
        ready = f"/api?token={self.token}"
        self.port = self._serve("jupyterlab", *self._lab_options(), ready=ready)
        self.playwright = sync_playwright().start()
        self.browser = self.playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        self.n = 0
        self.shut_pages = {}  # by size and theme

    def _settings(self):
        """No checks for news, no virtual scrolling: cells off the screen stay in the page.

        No toolbars at cells: each time another cell becomes active, JupyterLab 4.6 keeps 260 nodes
        and 810 listeners of the old one's for good, in a notebook without any widget; in a long
        session that would hide what we keep.
        """
        tracker = self.folder / "settings" / "@jupyterlab" / "notebook-extension"
        tracker.mkdir(parents=True)
        (tracker / "tracker.jupyterlab-settings").write_text('{"windowingMode": "none"}')
        (self.folder / "config" / "labconfig").mkdir(parents=True)
        disabled = {"disabledExtensions": {"@jupyterlab/cell-toolbar-extension:plugin": True}}
        (self.folder / "config" / "labconfig" / "page_config.json").write_text(json.dumps(disabled))
        apputils = self.folder / "settings" / "@jupyterlab" / "apputils-extension"
        apputils.mkdir(parents=True)
        news = {"fetchNews": "false", "checkForUpdates": False}
        (apputils / "notification.jupyterlab-settings").write_text(json.dumps(news))
        ours = [str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH")]
        # without DLJOURNEY_NO_PROGRESS: what a learner solves is recorded
        known = {k: value for k, value in os.environ.items() if k != "DLJOURNEY_NO_PROGRESS"}
        self.env = {
            **known,
            "OMP_NUM_THREADS": "1",
            "JUPYTERLAB_SETTINGS_DIR": str(self.folder / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(self.folder / "workspaces"),
            "JUPYTER_CONFIG_DIR": str(self.folder / "config"),
            "JUPYTER_DATA_DIR": str(self.folder / "data"),
            "JUPYTER_RUNTIME_DIR": str(self.folder / "runtime"),
            "IPYTHONDIR": str(self.folder / "ipython"),
            "HOME": str(self.folder),
            "PYTHONPATH": os.pathsep.join(filter(None, ours)),
        }

    def _lab_options(self, app="LabApp"):
        options = ["--no-browser", "--ServerApp.ip=127.0.0.1", "--ServerApp.port_retries=0",
                   "--ServerApp.port={port}", f"--ServerApp.root_dir={self.root}",
                   f"--IdentityProvider.token={self.token}", "--expose-app-in-browser"]
        if app == "LabApp":
            options += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
                        "--LabApp.news_url=None"]
        if hasattr(os, "geteuid") and os.geteuid() == 0: options.append("--allow-root")
        return options

    def _serve(self, module, *options, ready):
        port = free_port()
        log = self.folder / f"server-{port}.log"
        process = subprocess.Popen(
            [sys.executable, "-m", module, *(option.format(port=port) for option in options)],
            cwd=self.root, env=self.env, stdout=log.open("w"), stderr=subprocess.STDOUT)
        self.processes.append(process)
        wait_for(f"http://127.0.0.1:{port}{ready}", process, log)
        return port

    def page(self, width=1280, height=900, theme="light", scale=1):
        "An empty page that notes its errors and the requests that leave this machine."
        context = self.browser.new_context(
            viewport=dict(width=width, height=height), device_scale_factor=scale,
            color_scheme=theme)
        context.set_default_timeout(120_000)  # a busy machine is no error
        page = context.new_page()
        page.problems, page.outside, page.dark = [], [], theme == "dark"
        page.on("pageerror", lambda e: page.problems.append(f"{e}\n{e.stack}"))
        page.on("console", lambda m: page.problems.append(m.text) if m.type == "error" else None)
        inside = ("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:")
        page.on("request",
                lambda r: None if r.url.startswith(inside) else page.outside.append(r.url))
        return page

    def open(self, *cells, run=True, **options):
        "A notebook of these cells in JupyterLab, run to the end unless `run=False`."
        self.n += 1
        name = f"test{self.n}.ipynb"
        (self.root / name).write_text(notebook(*cells))
        page = self.show(name, **options)
        if run:
            self.run_all(page)
        return page

    def show(self, name, page=None, **options):
        """A notebook of the server's folder in JupyterLab as it is.

        Of this page JupyterLab is loaded anew; without one, a page that was shut is used again
        where there is one: to load JupyterLab costs some five seconds of a processor.
        """
        size = tuple(sorted(options.items()))
        page = page and self._load(page, name) or self._again(size)
        if not page:
            self._wear("JupyterLab Dark" if options.get("theme") == "dark" else "JupyterLab Light")
            page = self._load(self.page(**options), name)
            page.size = size
        page.evaluate(
            """async name => {
              const app = window.jupyterapp;
              const panel = await app.commands.execute("docmanager:open", { path: name });
              await panel.context.ready; await panel.sessionContext.ready;
              window.panel = panel;
            }""",
            name,
        )
        return page

    def _load(self, page, name):
        "JupyterLab, opening this notebook."
        place = f"/lab/workspaces/w{secrets.token_hex(4)}/tree/{name}"
        page.goto(f"http://127.0.0.1:{self.port}{place}?token={self.token}&reset")
        page.evaluate(
            """async () => {
              while (!window.jupyterapp) await new Promise(done => setTimeout(done, 30));
              await window.jupyterapp.restored;
              window.jupyterapp.shell.collapseLeft();
            }"""
        )
        return page

    def _again(self, size):
        "A page of this size that was shut and can be used again, with nothing open, or None."
        page = self.shut_pages.pop(size, None)
        if page: page.mouse.move(0, 0)
        return page

    def _wear(self, theme):
        """The theme of pages opened from now on.

        Not by the command: a theme changed by command shows JupyterLab's splash screen once more,
        and if that falls into the 200 ms in which the first one fades, JupyterLab takes the same
        node away twice and throws
        ("removeChild: not a child of this node"). It does so in a notebook without any widget.
        """
        settings = self.folder / "settings/@jupyterlab/apputils-extension"
        (settings / "themes.jupyterlab-settings").write_text(json.dumps({"theme": theme}))

    def run_all(self, page):
        page.evaluate(
            """async () => {
              window.jupyterapp.shell.activateById(window.panel.id);
              await window.jupyterapp.commands.execute("notebook:run-all-cells");
            }"""
        )

    def python(self, page, code):
        """Run `code` in the page's kernel; what it prints.

        A kernel in which a cell has just failed refuses for a moment what waits behind that cell
        (its reply is "aborted"): we ask again.
        """
        reply = page.evaluate(
            """async code => {
              const kernel = window.panel.sessionContext.session.kernel;
              let text, failure, status;
              do {
                text = ""; failure = null;
                const future = kernel.requestExecute({ code, store_history: false });
                future.onIOPub = m => {
                  if (m.header.msg_type === "stream") text += m.content.text;
                  if (m.header.msg_type === "error") failure = m.content.traceback.join("\\n");
                };
                status = (await future.done).content.status;
              } while (status === "aborted");
              return { text, failure };
            }""",
            code,
        )
        assert not reply["failure"], reply["failure"]
        return reply["text"].strip()

    def voila(self, *cells, **options):
        "The same cells served by Voila."
        self.n += 1
        name = f"test{self.n}.ipynb"
        (self.root / name).write_text(notebook(*cells))
        port = self._serve("voila", name, "--no-browser", "--port={port}", "--Voila.ip=127.0.0.1",
                           ready="/voila/static/voila.js")
        page = self.page(**options)
        page.goto(f"http://127.0.0.1:{port}/", timeout=60_000)
        return page

    def notebook7(self, *cells, **options):
        "The same cells in Jupyter Notebook 7, run to the end."
        self.n += 1
        name = f"test{self.n}.ipynb"
        (self.root / name).write_text(notebook(*cells))
        port = self._serve("notebook", *self._lab_options("JupyterNotebookApp"),
                           ready=f"/api?token={self.token}")
        page = self.page(**options)
        page.goto(f"http://127.0.0.1:{port}/notebooks/{name}?token={self.token}", timeout=60_000)
        page.evaluate(
            """async () => {
              const ready = () => window.jupyterapp?.shell.currentWidget?.context?.isReady;
              while (!ready()) await new Promise(done => setTimeout(done, 50));
              window.panel = window.jupyterapp.shell.currentWidget;
              await window.panel.sessionContext.ready;
            }"""
        )
        self.run_all(page)
        return page

    def until(self, page, code, wanted=True, seconds=90):
        "Until `code`, an expression, has the wanted value in the page's kernel."
        end = time.monotonic() + seconds
        while (value := self.python(page, f"print(repr({code}))")) != repr(wanted):
            told = f"{code} is still {value} after {seconds} s, wanted {wanted!r}"
            assert time.monotonic() < end, told
            page.wait_for_timeout(100)

    def cell(self, page, id):
        "The cell with this id."
        place = "id => window.panel.content.widgets.findIndex(c => c.model.id === id)"
        n = page.evaluate(place, id)
        assert n >= 0, f"the notebook has no cell {id}"
        panel = page.evaluate("window.panel.id")
        return page.locator(f"#{panel} .jp-Notebook > .jp-WindowedPanel-outer .jp-Cell >> nth={n}")

    def shot(self, page, name):
        "A picture of the page as SHOTS/name.png, where the variable SHOTS names a folder."
        if folder := os.environ.get("SHOTS"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            page.wait_for_timeout(300)  # let what glides arrive
            page.screenshot(path=Path(folder) / f"{name}{'-dark' if page.dark else ''}.png")

    def command(self, *arguments, cwd=None):
        "What `dljourney ARGUMENTS` prints in a terminal."
        done = subprocess.run(
            [sys.executable, "-m", "dljourney.cli.course", *map(str, arguments)],
            cwd=cwd or self.root, env=self.env,
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def shut(self, page):
        "Close the page's notebook and stop its kernel; a page in which all went well is kept."
        is_well = False
        with contextlib.suppress(Exception):
            page.evaluate("async () => { await window.panel.sessionContext.shutdown(); }")
            page.evaluate(
                """async () => {
                  const { shell } = window.jupyterapp;
                  for (const widget of [...shell.widgets("main")]) widget.dispose();
                }"""
            )
            is_well = not page.problems and not page.outside and not page.locator(
                ".jp-Dialog, .jp-Notebook, .dlj").count()
        if is_well and hasattr(page, "size") and page.size not in self.shut_pages:
            self.shut_pages[page.size] = page
        else:
            page.context.close()

    def close(self):
        with contextlib.suppress(Exception):
            self.browser.close()
            self.playwright.stop()
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


# The desk of chapter 01: a pad, and a row for each thing.
ROWS = "document.querySelectorAll('.dlj-rows .dlj-thing')"


def places(page, points):
    "Where points of the pad, in shares of its sides, are on the page."
    box = page.locator(".dlj-pad canvas").first.bounding_box()
    return [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]


def stroke(page, points, lift=True, wait=0):
    "Draw through points, the pen down; `wait` milliseconds between them."
    page.locator(".dlj-pad canvas").first.scroll_into_view_if_needed()
    first, *others = places(page, points)
    page.mouse.move(*first)
    page.mouse.down()
    for point in others:
        page.mouse.move(*point)
        if wait:
            page.wait_for_timeout(wait)
    if lift:
        page.mouse.up()


def keep(page, row, drawing):
    "Draw something, and keep it in a row."
    before = page.evaluate(f"{ROWS}[{row}].querySelectorAll('.dlj-thumb').length")
    for points in drawing.strokes:
        stroke(page, points)
    page.locator(".dlj-keep").nth(row).click()
    page.wait_for_function(f"{ROWS}[{row}].querySelectorAll('.dlj-thumb').length === {before + 1}")
