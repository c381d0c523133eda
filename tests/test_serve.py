"A program on this machine: what it answers, whom it refuses, and that nothing is kept."
import contextlib
import http.client
import io
import json
import re
import signal
import socket
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from dljourney.cli.course import main
from dljourney.cli.serve import program_server
from dljourney.kit.pictures import Preprocess
from dljourney.program import load, save

LABELS = ["cat", "<img src=x onerror=\"document.title='ran'\">", "dög"]


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(400, 3))
    path = tmp_path_factory.mktemp("served") / "pets.safetensors"
    return save(net, path, LABELS, preprocess=Preprocess((12, 12)))


@contextlib.contextmanager
def serving(file):
    with program_server(file, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def server(file):
    with serving(file) as server: yield server


def asked(server, method, path, data=None, **headers):
    "Status and answer."
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    connection.request(method, path, data, {k.replace("_", "-"): v for k, v in headers.items()})
    reply = connection.getresponse()
    text = reply.read().decode()
    connection.close()
    is_data = reply.getheader("Content-Type").startswith("application/json")
    return reply.status, json.loads(text) if is_data else text


def picture(seed, kind="PNG"):
    pixels = np.random.default_rng(seed).integers(0, 256, (30, 40, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


def test_it_says_what_the_program_says(server, file):
    program = load(file)
    for seed, kind in ((0, "PNG"), (1, "JPEG"), (2, "WEBP")):
        status, found = asked(server, "POST", "/predict", picture(seed, kind))
        want = program(picture(seed, kind))
        assert status == 200 and found["label"] == next(iter(want))
        assert list(found["probabilities"]) == list(want)
        assert found["probability"] == pytest.approx(max(want.values()), abs=1e-5)
        assert found["probabilities"] == pytest.approx(want, abs=1e-5)
    status, card = asked(server, "GET", "/about")
    assert status == 200 and card == json.loads(json.dumps(program.card, default=str))


@pytest.mark.parametrize("data, told", [
    (b"no picture", "not a picture"), (b"", "an empty picture"), (picture(0)[:300], "damaged"),
])
def test_what_is_no_picture_is_told(server, data, told):
    status, found = asked(server, "POST", "/predict", data)
    assert status == 400 and told in found["error"]


def test_too_much_is_refused_before_it_is_read(server):
    for headers, want in (({"Content_Length": str(1 << 40)}, 413), ({"Content_Length": "-1"}, 411),
                          ({"Content_Length": "1e3"}, 411)):
        assert asked(server, "POST", "/predict", **headers)[0] == want
    status, found = asked(server, "POST", "/predict", iter([b"a"]), Transfer_Encoding="chunked")
    assert status == 411 and "how long" in found["error"]


def test_who_says_nothing_is_not_waited_for(server, monkeypatch):
    monkeypatch.setattr(server.RequestHandlerClass, "timeout", 0.3)
    with socket.create_connection(server.server_address) as silent:
        host = f"Host: 127.0.0.1:{server.server_port}"
        silent.sendall(f"POST /predict HTTP/1.1\r\n{host}\r\nContent-Length: 9\r\n\r\nabc".encode())
        silent.settimeout(30)
        assert silent.recv(100) == b""
    assert asked(server, "GET", "/about")[0] == 200


@pytest.mark.parametrize("headers", [
    {"Host": "elsewhere.example"}, {"Host": "127.0.0.1"}, {"Origin": "http://elsewhere.example"},
    {"Origin": "null"}, {"Host": "elsewhere.example:8900", "Origin": "http://elsewhere.example"},
])
def test_only_this_machine_is_answered(server, headers):
    for method, path in (("GET", "/"), ("GET", "/about"), ("POST", "/predict")):
        status, found = asked(server, method, path, **headers)
        assert status == 403 and "from this machine" in found["error"]


def test_other_ways_are_told(server):
    for method, path, want in (("GET", "/../etc/passwd", 404), ("POST", "/", 404),
                               ("GET", "/predict", 404)):
        assert asked(server, method, path, b"x" if method == "POST" else None)[0] == want
    for method in ("PUT", "DELETE", "OPTIONS"):
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
        connection.request(method, "/predict")
        assert connection.getresponse().status == 501
        connection.close()


def test_several_at_once_all_get_their_own_answer(server, file):
    program, found = load(file), {}

    def ask(seed): found[seed] = asked(server, "POST", "/predict", picture(seed))[1]

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(12)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    for seed, answer in found.items():
        assert answer["probabilities"] == pytest.approx(program(picture(seed)), abs=1e-5)
    assert len(found) == 12


def test_a_program_without_a_plan_is_served_by_torch(tmp_path):
    net = nn.Sequential(nn.Flatten(), nn.Linear(48, 2), nn.GELU())
    path = save(net, tmp_path / "p.safetensors", ["a", "b"], preprocess=Preprocess((4, 4)))
    with serving(path) as server:
        status, found = asked(server, "POST", "/predict", picture(3))
    assert status == 200 and found["probabilities"] == pytest.approx(load(path)(picture(3)))


def test_the_page_runs_its_own_script_alone_and_a_label_is_text(server):
    status, page = asked(server, "GET", "/")
    assert status == 200 and "<img" not in page and "&lt;img src=x" in page
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)[1]
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy
    assert f"127.0.0.1:{server.server_port}/predict" in page


def test_a_port_is_chosen_or_refused(file, capsys):
    with program_server(file) as first, program_server(file) as second:
        assert 8900 <= first.server_port < second.server_port < 8999
        assert main(["serve", str(file), "--port", str(first.server_port)]) == 2
        assert "port: expected a free one" in capsys.readouterr().err
    assert main(["serve", str(file), "--port", "65536"]) == 2
    assert "from 0 to 65535" in capsys.readouterr().err
    assert main(["serve", str(file.with_name("none.safetensors"))]) == 2


def test_the_command_needs_no_torch_keeps_nothing_and_stops(file, tmp_path):
    command = [sys.executable, "-X", "importtime", "-m", "dljourney.cli.course", "serve", str(file)]
    child = subprocess.Popen([*command, "--port", "0"], cwd=tmp_path, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    port = int(re.search(r"http://127\.0\.0\.1:(\d+)/", child.stdout.readline())[1])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", "/predict", picture(0))
    assert connection.getresponse().status == 200
    connection.close()
    child.send_signal(signal.SIGINT)
    told = child.communicate(timeout=30)[1]
    assert child.returncode == 0 and not re.search(r"\| +torch$", told, re.M)
    lines = [line for line in told.splitlines() if not line.startswith("import time:")]
    assert not lines and not list(tmp_path.iterdir())


@pytest.mark.browser
def test_the_page_names_pictures_that_are_chosen_and_dropped(front, server, file, tmp_path):
    good, bad = tmp_path / "<b>good.png", tmp_path / "bad.png"
    good.write_bytes(picture(7)), bad.write_bytes(b"no picture")
    page = front.page()
    page.goto(f"http://127.0.0.1:{server.server_port}/")
    page.set_input_files("input", [good, bad])
    page.locator("article").nth(1).wait_for()
    want = load(file)(good)
    rows = page.locator("article li").evaluate_all(
        "rows => rows.map(row => [row.querySelector('bdi').textContent, "
        "Number(row.dataset.probability)])")
    assert dict(rows) == pytest.approx(want, abs=1e-5) and [k for k, _ in rows] == list(want)
    assert "bad.png: not a picture" in page.locator("article.refused").inner_text()
    page.evaluate("""bytes => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([new Uint8Array(bytes)], "drop.png", { type: "image/png" }));
      document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true }));
    }""", list(picture(8)))
    page.locator("article").nth(2).wait_for()
    front.shot(page, "serve")
    assert page.title() == "pets" and page.locator("header bdi").inner_text() == "pets"
    assert not page.outside and [p for p in page.problems if "400" not in p] == []
    page.context.close()
