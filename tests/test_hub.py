"Pretrained weights from a hub that serves, fails, lies or is not there."

import hashlib
import os
import signal
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import safetensors.torch
import timm

from dljourney.transfer import pretrained

weights = safetensors.torch.save(
    {k: v.contiguous() for k, v in timm.create_model("test_resnet").state_dict().items()})


class Hub(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    over = threading.Event()  # set when the tests are done
    modes: list = []  # one for each request for the file's bytes; the last one stays

    def log_message(self, *args):
        pass

    def reply(self, body):
        mode = Hub.modes[0]
        if mode == "mute":  # takes the connection and says nothing
            Hub.over.wait(20)
            self.close_connection = True
            return
        if self.command == "GET" and len(Hub.modes) > 1:
            Hub.modes.pop(0)
        if mode in (404, 500):
            self.send_response(mode)
            if mode == 404:
                self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("ETag", f'"{hashlib.sha256(weights).hexdigest()}"')
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("Content-Length", str(len(weights)))
        self.end_headers()
        if not body:
            return
        if mode in ("stall", "disappear"):
            self.wfile.write(weights[:1000])
            self.wfile.flush()
            if mode == "disappear":
                Hub.server.socket.close()  # nobody takes the next connection
            else:
                Hub.over.wait(8)
            self.close_connection = True
        elif mode == "truncate":
            self.wfile.write(weights[: len(weights) // 2])
            self.close_connection = True
        else:
            self.wfile.write(weights if mode == "serve" else weights[:-9] + b"corrupted")

    def do_HEAD(self):
        self.reply(False)

    def do_GET(self):
        self.reply(True)


@pytest.fixture(scope="module")
def hub():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    Hub.over.set()
    server.shutdown()


@pytest.fixture
def tried(tmp_path, monkeypatch):
    "Ask for weights, with a cache of our own: the kind of the answer, its text, the seconds."
    from huggingface_hub import constants

    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 1)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)

    def ask(endpoint):
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        begin = time.monotonic()
        try:
            kind, text = type(pretrained("test_resnet", 3)).__name__, ""
        except Exception as e:
            kind, text = type(e).__name__, str(e)
        return kind, text, time.monotonic() - begin

    return ask


def cached(folder):
    "The files in the cache that a model would be made from."
    return [p.read_bytes() for p in folder.rglob("model.safetensors")]


# the client's own patience: it tries again five times, a second or two each
long = pytest.mark.soak


@pytest.mark.parametrize("mode", [404, 429, 500, 503, "truncate", "corrupt", "mute",
                                  pytest.param("stall", marks=long)])
def test_a_failing_hub_gets_a_clear_message_and_a_retry_succeeds(hub, tried, mode, tmp_path):
    Hub.modes = [mode]
    kind, text, seconds = tried(hub)
    assert kind == "HubError" and "test_resnet" in text
    assert "try again" in text.lower() or "pretrained('glyphnet')" in text
    assert cached(tmp_path) == [], "a later try would take a broken file for a good one"
    assert seconds < {"stall": 40, "truncate": 20, "mute": 12}.get(mode, 8)
    Hub.modes = ["serve"]
    assert [tried(hub)[0] for _ in range(2)] == ["ResNet",
                                                 "ResNet"] and cached(tmp_path) == [weights]


@long
def test_a_hub_that_disappears_in_the_middle(tried, tmp_path):
    Hub.server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=Hub.server.serve_forever, kwargs={"poll_interval": 0.05},
                              daemon=True)
    thread.start()
    Hub.modes = ["disappear"]
    kind, text, seconds = tried(f"http://127.0.0.1:{Hub.server.server_port}")
    assert kind == "HubError" and "pretrained('glyphnet')" in text and seconds < 30
    assert cached(tmp_path) == []


@long
def test_a_download_that_is_killed_is_taken_up_again(hub, tried, tmp_path):
    "A process that dies in the middle leaves nothing that a later one would take for a model."
    from faults import forked

    Hub.modes = ["stall"]
    pid, pipe = forked(lambda: tried(hub)[1])
    time.sleep(2)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(pipe)
    assert cached(tmp_path) == []
    Hub.modes = ["serve"]
    assert tried(hub)[0] == "ResNet" and cached(tmp_path) == [weights]


def test_what_was_fetched_once_needs_no_hub(hub, tried, tmp_path):
    Hub.modes = ["serve"]
    assert tried(hub)[0] == "ResNet"
    Hub.modes = [500]
    assert tried("http://127.0.0.1:1")[0] == "ResNet"
    blob = next(tmp_path.rglob("blobs/*"))
    blob.write_bytes(blob.read_bytes()[:-9] + b"corrupted")  # the disk's fault
    Hub.modes = ["serve"]
    kind, text, _ = tried(hub)
    assert kind == "HubError" and "damaged" in text and tried(hub)[0] == "ResNet"


def test_a_hub_that_is_not_there_is_told_within_seconds(tried):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    for endpoint in (f"http://127.0.0.1:{port}", "https://no-such-host.invalid"):
        kind, text, seconds = tried(endpoint)
        assert kind == "HubError" and "cannot be reached" in text
        assert "pretrained('glyphnet')" in text
        assert seconds < 6


def test_a_network_that_swallows_everything_is_told_within_seconds(tried, monkeypatch):
    "Names are looked up for ever, nobody answers: what a captive portal or a firewall does."
    gone = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *rest, **more: gone.wait(60) and [])
    kind, text, seconds = tried("https://huggingface.co")
    gone.set()
    assert kind == "HubError" and "cannot be reached" in text and seconds < 6


def test_nothing_but_the_asked_for_file_is_asked_for(hub, tried, monkeypatch):
    asked = []
    monkeypatch.setattr(Hub, "do_HEAD", lambda self: (asked.append(self.path), self.reply(False)))
    monkeypatch.setattr(Hub, "do_GET", lambda self: (asked.append(self.path), self.reply(True)))
    Hub.modes = ["serve"]
    assert tried(hub)[0] == "ResNet"
    assert {path.rsplit("/", 1)[-1] for path in asked} == {"model.safetensors"}
