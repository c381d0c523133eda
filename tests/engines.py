"Firefox and WebKit for tests, where they are installed: a page, a mouse, keys."

import base64
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

NOBODY = "127.0.0.1:9"  # a proxy that never answers: the network is blocked
MINI_BROWSERS = "/usr/lib/*/webkit2gtk-4.*/MiniBrowser", "/usr/libexec/webkit2gtk-4.*/MiniBrowser"
KEYS = {"ArrowUp": "\ue013", "ArrowDown": "\ue015", "ArrowLeft": "\ue012", "ArrowRight": "\ue014",
        "Enter": "\ue007", "Delete": "\ue017", "Space": " "}
WIDE, HIGH = 1000, 900  # pixels of the page
# what goes wrong in a page: errors and what its policy refused
WATCH = """(window.wrong ??= (() => {
  const wrong = [];
  addEventListener("error", (event) => wrong.push(String(event.message)));
  addEventListener("unhandledrejection", (event) => wrong.push(String(event.reason)));
  addEventListener("securitypolicyviolation", (event) => wrong.push(event.violatedDirective));
  return wrong;
})())"""


class Engine:
    "A browser with one page. What differs: `_go`, `_run`, `_act`."

    def open(self, path):
        "Open a page and wait until it is alive."
        self._go(path.as_uri())
        self.run(WATCH)
        self.until("document.body.classList.contains('ready')")

    def run(self, expression):
        "The value of a JavaScript expression; a promise is waited for."
        return json.loads(self._run(f"JSON.stringify((await ({expression})) ?? null)"))

    def until(self, expression, seconds=120):
        end = time.monotonic() + seconds
        while not self.run(f"Boolean({expression})"):
            assert time.monotonic() < end, f"{expression} does not hold; wrong: {self.wrong()}"
            time.sleep(0.02)

    def places(self, element, points):
        "Where shares of an element's sides are on the screen, once it has been scrolled there."
        return self.run(f"""(() => {{
          const el = {element};
          el.scrollIntoView({{ block: "center", behavior: "instant" }});
          const {{ left, top, width, height }} = el.getBoundingClientRect();
          return {json.dumps([list(point) for point in points])}.map(([x, y]) =>
            [Math.round(left + x * width), Math.round(top + y * height)]);
        }})()""")

    def drag(self, element, points):
        "The button down at the first point, moved over the others, and up."
        first, *others = self.places(element, points)
        def move(to): return {"type": "pointerMove", "x": to[0], "y": to[1], "duration": 0}
        acts = [move(first), {"type": "pointerDown", "button": 0}, *map(move, others),
                {"type": "pointerUp", "button": 0}]
        mouse = {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}}
        self._act([{**mouse, "actions": acts}])

    def click(self, element):
        self.drag(element, [(0.5, 0.5)])

    def press(self, element, *keys):
        "Press keys where the focus is on an element."
        self.run(f"(({element}).focus(), null)")
        acts = [{"type": kind, "value": KEYS.get(key, key)}
                for key in keys for kind in ("keyDown", "keyUp")]
        self._act([{"type": "key", "id": "keys", "actions": acts}])

    def wrong(self):
        "Everything that went wrong in this page so far."
        return self.run("window.wrong")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def said_by(process, log, pattern, seconds=120):
    "What a process has written that fits the pattern."
    end = time.monotonic() + seconds
    while not (found := re.search(pattern, log.read_text("utf-8", "replace"))):
        assert process.poll() is None and time.monotonic() < end, log.read_text("utf-8")[-2000:]
        time.sleep(0.05)
    return found[1]


class Firefox(Engine):
    "Firefox without a screen, over WebDriver BiDi."

    needs = "apt-get install firefox-esr"
    quiet = {
        "network.proxy.type": 1, "network.proxy.http": "127.0.0.1", "network.proxy.http_port": 9,
        "network.proxy.ssl": "127.0.0.1", "network.proxy.ssl_port": 9,
        "app.update.enabled": False, "datareporting.policy.dataSubmissionEnabled": False,
        "app.normandy.enabled": False, "extensions.update.enabled": False,
        "browser.startup.page": 0,
    }

    @staticmethod
    def path():
        names = [os.environ.get("FIREFOX"), "firefox-esr", "firefox"]
        return next(filter(None, map(shutil.which, filter(None, names))), None)

    def __init__(self):
        import websocket

        self.folder = Path(tempfile.mkdtemp(prefix="dljourney-firefox-"))
        lines = [f"user_pref({json.dumps(k)}, {json.dumps(v)});" for k, v in self.quiet.items()]
        (self.folder / "user.js").write_text("\n".join(lines))
        log = self.folder / "log.txt"
        command = [self.path(), "--headless", "--no-remote", "--profile", self.folder,
                   "--remote-debugging-port=0", "about:blank"]
        self.process = subprocess.Popen(command, stdout=log.open("w"), stderr=subprocess.STDOUT,
                                        env={**os.environ, "HOME": str(self.folder)})
        address = said_by(self.process, log, r"BiDi listening on (ws://\S+)")
        self.socket = websocket.create_connection(f"{address}/session", timeout=120,
                                                  suppress_origin=True)
        self.n, self.errors = 0, []
        self._tell("session.new", capabilities={})
        self._tell("session.subscribe", events=["log.entryAdded"])
        self.context = self._tell("browsingContext.getTree")["contexts"][0]["context"]
        self._tell("browsingContext.setViewport", context=self.context,
                   viewport={"width": WIDE, "height": HIGH})

    def _tell(self, method, **params):
        "Say something, and hear the answer; events on the way are noted."
        self.n += 1
        self.socket.send(json.dumps({"id": self.n, "method": method, "params": params}))
        while (heard := json.loads(self.socket.recv())).get("id") != self.n:
            about = heard.get("params", {})
            if heard.get("method") == "log.entryAdded" and about["level"] == "error":
                self.errors.append(about["text"])
        assert heard["type"] == "success", heard
        return heard["result"]

    def _go(self, url):
        self.errors = []
        self._tell("browsingContext.navigate", context=self.context, url=url, wait="complete")

    def _run(self, code):
        told = self._tell("script.evaluate", expression=f"(async () => {code})()",
                          target={"context": self.context}, awaitPromise=True)
        assert told["type"] == "success", told["exceptionDetails"]["text"]
        return told["result"]["value"]

    def _act(self, actions):
        self._tell("input.performActions", context=self.context, actions=actions)
        self._tell("input.releaseActions", context=self.context)

    def wrong(self):
        return super().wrong() + self.errors

    def close(self):
        with contextlib.suppress(Exception):
            self._tell("browser.close")
        self.socket.close()
        end(self.process)
        shutil.rmtree(self.folder, ignore_errors=True)


class WebKit(Engine):
    "WebKitGTK's MiniBrowser on a screen that nobody sees, over WebDriver."

    needs = "apt-get install webkit2gtk-driver xvfb"

    @staticmethod
    def path():
        tools = all(map(shutil.which, ["WebKitWebDriver", "Xvfb"]))
        browsers = [p for pattern in MINI_BROWSERS for p in Path("/").glob(pattern[1:])]
        return str(max(browsers)) if tools and browsers else None

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="dljourney-webkit-"))
        log, screen = self.folder / "log.txt", self.folder / "screen.txt"
        self.screen = subprocess.Popen(
            ["Xvfb", "-displayfd", "1", "-screen", "0", "1280x1024x24", "-nolisten", "tcp"],
            stdout=screen.open("w"), stderr=subprocess.DEVNULL)
        display = said_by(self.screen, screen, r"(\d+)\n")
        port = free_port()
        env = {**os.environ, "DISPLAY": f":{display}", "HOME": str(self.folder),
               "GDK_BACKEND": "x11", "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1"}
        self.process = subprocess.Popen(["WebKitWebDriver", f"--port={port}"], env=env,
                                        stdout=log.open("w"), stderr=subprocess.STDOUT)
        self.address = f"http://127.0.0.1:{port}"
        self._answering(log)
        proxy = {"proxyType": "manual", "httpProxy": NOBODY, "sslProxy": NOBODY}
        options = {"binary": self.path(), "args": ["--automation"]}
        wanted = {"proxy": proxy, "webkitgtk:browserOptions": options}
        made = self._tell("POST", "/session", capabilities={"alwaysMatch": wanted})
        self.address += f"/session/{made['sessionId']}"
        self._tell("POST", "/timeouts", script=120_000, pageLoad=120_000)
        self._tell("POST", "/window/rect", width=WIDE, height=HIGH)

    def _answering(self, log, seconds=60):
        end = time.monotonic() + seconds
        while True:
            with contextlib.suppress(OSError):
                return self._tell("GET", "/status")
            assert time.monotonic() < end, log.read_text("utf-8")[-2000:]
            time.sleep(0.05)

    def _tell(self, method, path, **body):
        data = json.dumps(body).encode() if method == "POST" else None
        request = urllib.request.Request(self.address + path, data, method=method,
                                         headers={"Content-Type": "application/json"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=180) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as problem:
            raise RuntimeError(problem.read().decode("utf-8", "replace")) from None

    def _go(self, url):
        self._tell("POST", "/url", url=url)

    def _run(self, code):
        script = ("const done = arguments[arguments.length - 1];"
                  f"(async () => {code})().then((v) => done([v]), (e) => done(String(e)));")
        told = self._tell("POST", "/execute/async", script=script, args=[])
        assert isinstance(told, list), told
        return told[0]

    def _act(self, actions):
        self._tell("POST", "/actions", actions=actions)
        self._tell("DELETE", "/actions")

    def close(self):
        with contextlib.suppress(Exception):
            self._tell("DELETE", "")
        end(self.process)
        end(self.screen)
        shutil.rmtree(self.folder, ignore_errors=True)


def end(process):
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()


def as_file(data, name, kind):
    "A file of these bytes, as JavaScript."
    text = base64.b64encode(data).decode()
    return (f"new File([Uint8Array.from(atob({json.dumps(text)}), (c) => c.charCodeAt(0))], "
            f"{json.dumps(name)}, {{ type: {json.dumps(kind)} }})")
