"Shared by the fault tests: how long to go on, damaged bytes, a child process for dangers."

import json
import os
import resource
import select
import signal
import time
import traceback

import pytest

MINUTES = float(os.environ.get("MINUTES", "30"))  # the length of `make soak`
lengths = pytest.mark.parametrize("length", ["tenth", pytest.param("full", marks=pytest.mark.soak)])


def cases(length, full, share=0.0):
    """The numbers of the cases to try: a tenth of `full` in `make test`.

    `make soak` takes the other nine tenths, and then new ones until `share` of its minutes is over.
    """
    if length == "tenth":
        yield from range(max(1, full // 10))
        return
    end, n = time.monotonic() + share * MINUTES * 60, full // 10
    while n < full or time.monotonic() < end:
        yield n
        n += 1


def damaged(data, rng):
    "The bytes, damaged in one of the ways of disks, cables, editors and enemies."
    data = bytearray(data)
    if not data:
        return bytes(data)
    i = rng.randrange(len(data)) if rng.random() < 0.5 else rng.randrange(min(len(data), 200))
    j = rng.randrange(len(data))
    way = rng.choice(["cut", "flip", "flip", "extreme", "zeros", "noise", "insert", "twice", "swap",
                      "drop", "grow"])
    if way == "cut":
        del data[i:]
    elif way == "flip":
        for _ in range(rng.randint(1, 12)):
            data[rng.randrange(i, len(data))] ^= 1 << rng.randrange(8)
    elif way == "extreme":
        value = rng.choice([b"\xff" * 4, b"\x7f\xff\xff\xff", b"\0" * 4, b"\0\0\0\1",
                            b"\x80\0\0\0", b"\xff\xfe"])
        data[i : i + len(value)] = value
    elif way == "zeros":
        data[i : i + rng.randint(1, 500)] = b"\0" * rng.randint(1, 500)
    elif way == "noise":
        data[i : i + 40] = rng.randbytes(40)
    elif way == "insert":
        data[i:i] = rng.randbytes(rng.randint(1, 60))
    elif way == "twice":
        data[i:i] = data[min(i, j) : max(i, j)]
    elif way == "swap":
        n = rng.randint(1, 64)
        data[i : i + n], data[j : j + n] = data[j : j + n], data[i : i + n]
    elif way == "drop":
        del data[i : i + rng.randint(1, 300)]
    else:
        data += rng.randbytes(rng.randint(1, 3000))
    return bytes(data)


def in_a_child(work, seconds=240):
    "`work()` in a forked process: what it gives (as JSON), and how many MB its memory grew."

    def measured():
        before = peak()  # a child begins with a peak of its own
        return json.dumps([work(), peak() - before])

    return json.loads(received(*forked(measured), seconds))


def peak():
    "The most memory that this process has had, in MB."
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def forked(work):
    "Start `work()` in a forked process; its id, and a pipe for the text it gives, or a traceback."
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    status = 1
    try:
        os.close(reading)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            text = work()
            status = 0
        except BaseException:
            text = traceback.format_exc()
        with os.fdopen(writing, "w", encoding="utf-8", errors="replace") as pipe:
            pipe.write(text or "")
    finally:
        os._exit(status)  # nothing of pytest's runs twice


def received(pid, pipe, seconds):
    "The text that a forked process gave; it fails where that crashed, raised, or took too long."
    text, end = b"", time.monotonic() + seconds
    try:
        while True:
            ready, _, _ = select.select([pipe], [], [], max(0, end - time.monotonic()))
            if not ready:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                raise AssertionError(f"it hangs: no end after {seconds} s")
            piece = os.read(pipe, 1 << 16)
            if not piece:
                break
            text += piece
    finally:
        os.close(pipe)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    told = text.decode("utf-8", "replace")
    assert status == 0, f"the process ended with {status}:\n{told[-3000:]}"
    return text.decode("utf-8")
