"The base of the demos, without a browser: values, drawing, work, errors, still pictures."

import asyncio
import time
from types import SimpleNamespace

import comm
import numpy as np
import pytest
import traitlets

from dljourney.kit.live import (
    Live, MainThread, Stack, Walk, Wave, button, contours, select, heat, images, in_words, line,
    pack, plot, points, readout, slider, toggle
)
from dljourney.kit.live.live import Page, Playback, Values


class Demo(Live):
    "Every kind of value, and a log of what happened."

    a = slider(1, 0, 10)
    b = slider(0.5, 0.0, 1.0, restart=True)
    kind = select("x", ["x", "y"])
    on = toggle(False)
    panels = [plot("p", pointer="click"), readout("r")]

    def __init__(self, **values):
        self.history, self.draws = [], 0
        super().__init__(**values)

    def changed(self, names):
        self.history.append(set(names))

    def draw(self):
        self.draws += 1
        if self.a == 9:
            raise ZeroDivisionError("nine")
        return {"p": [line([0, 1], [self.a, self.b])], "r": {"a": self.a}}

    def work(self):
        self.done = 0
        return self.steps()

    def steps(self):
        for _ in range(5):
            self.done += 1
            self.a = self.done
            yield

    @button("Add one")
    def add(self):
        self.a += 1

    def on_click(self, panel, x, y, shift):
        self.click = panel, x, y, shift


def test_values_are_traits_and_any_start_can_be_given():
    demo = Demo(a=3, kind="y", size="projector")
    assert demo.state == dict(a=3, b=0.5, kind="y", on=False)
    assert demo._spec["size"] == "projector"
    assert repr(demo) == "Demo(a=3, b=0.5, kind='y', on=False)"
    assert type(demo)(**demo.state).state == demo.state


@pytest.mark.parametrize("bad", [dict(a=11), dict(a="x"), dict(kind="z"), dict(size="huge")])
def test_a_wrong_value_is_refused(bad):
    with pytest.raises(traitlets.TraitError):
        Demo(**bad)


def test_an_unknown_value_is_refused_by_name():
    with pytest.raises(TypeError, match="no value 'c'; it has a, b, kind, on"):
        Demo(c=1)
    with pytest.raises(TypeError, match="no value 'c'"):
        Demo().set(c=1)


@pytest.mark.parametrize(
    "make",
    [
        lambda: slider(2, 3, 4),
        lambda: slider(1, 0, 2, log=True),
        lambda: select("a", ["b"]),
        lambda: plot("p", pointer="lick"),
        lambda: heat([1, 2]),
        lambda: contours([1, 2], [0]),
        lambda: line([1], [1, 2]),
        lambda: images(np.zeros(3)),
    ],
)
def test_a_wrong_declaration_is_refused(make):
    with pytest.raises(ValueError, match="expected"):
        make()


def test_one_drawing_for_each_change_and_one_for_several():
    assert Demo(a=3, kind="y").draws == 1
    demo = Demo()
    assert demo.draws == 1 and demo.history == [{"a", "b", "kind", "on"}]
    demo.a = 2
    demo.a = 2
    assert demo.draws == 2 and demo.history[-1] == {"a"}
    demo.set(a=4, on=True)
    assert demo.draws == 3 and demo.history[-1] == {"a", "on"}
    demo.set_state(dict(a=5, kind="y"))  # as a message from the browser
    assert demo.draws == 4 and demo.a == 5
    assert demo._frame["panels"]["r"] == {"a": 5}


def test_a_button_and_a_click_from_the_page():
    demo = Demo()
    demo._heard(demo, {"press": "add"}, None)
    assert demo.a == 2 and demo._frame["panels"]["r"] == {"a": 2}
    demo.add()
    assert demo.a == 3
    demo._heard(demo, {"event": "click", "panel": "p", "x": 1.5, "y": 2, "shift": False}, None)
    assert demo.click == ("p", 1.5, 2, False)


def test_an_error_is_shown_and_raised_and_goes_away():
    demo = Demo()
    with pytest.raises(ZeroDivisionError):
        demo.a = 9
    assert demo.error == "ZeroDivisionError: nine"
    with pytest.raises(ZeroDivisionError):
        Demo().set_state(dict(a=9))
    demo.a = 1
    assert demo.error == ""


def test_work_steps_resets_and_ends():
    demo = Demo()
    demo.step(2)
    assert demo.done == 2 and demo.a == 2 and demo._frame["panels"]["r"] == {"a": 2}
    demo.on = True
    assert demo.done == 2, "a plain value does not restart the work"
    demo.b = 0.7
    assert demo.done == 0, "a value with restart=True does"
    demo.step(9)
    assert demo.done == 5
    demo.reset()
    assert demo.done == 0
    with pytest.raises(TypeError, match="no work"):
        Wave().step()


class Once(Live):
    "Five steps of work that an interrupt may break off."

    a = slider(1, 0, 10)
    panels = [readout("r")]

    def __init__(self, breaks_at=None):
        self.breaks_at, self.starts = breaks_at, 0
        super().__init__()

    def work(self):
        self.done, self.starts = 0, self.starts + 1
        return self.steps()

    def steps(self):
        for _ in range(5):
            if self.done == self.breaks_at:
                self.breaks_at = None
                raise KeyboardInterrupt
            self.done += 1
            yield

    def draw(self):
        return {"r": {"done": self.done}}


@pytest.mark.parametrize("at", range(5))
def test_work_that_was_interrupted_starts_again_and_shows_how_far_it_came(at):
    demo = Once(breaks_at=at)
    with pytest.raises(KeyboardInterrupt):
        demo.step(5)
    assert demo._frame["panels"]["r"] == {"done": at} and demo.progress == 0
    demo.a = 2  # what was reached stays on the page
    assert demo._frame["panels"]["r"] == {"done": at}
    demo.step(5)
    assert demo.done == 5 and demo.starts == 2


def test_steps_of_work_that_has_ended_start_it_again():
    demo = Once()
    for start in (1, 2, 3):
        demo.step(5)  # its end is not yet known: nobody has asked for a sixth
        assert demo.done == 5 and demo.starts == start
    demo.step(9)
    demo.a = 3
    assert demo.done == 5 and demo.starts == 4, "what was reached stays"


def test_work_without_any_step_is_done_at_once():
    class Nothing(Once):
        def steps(self):
            return iter(())

    demo = Nothing()
    demo.step(5)
    assert demo.done == 0 and not demo.playing


def test_slow_steps_tell_how_far_they_are(monkeypatch):
    now = [0.0]  # a sign each 0.2 s, and none in the first 0.2 s
    monkeypatch.setattr("dljourney.kit.live.live.time", SimpleNamespace(
        monotonic=lambda: now[0], perf_counter=lambda: now[0]))

    class Slow(Once):
        def steps(self):
            for _ in range(8):
                now[0] += 0.12
                yield

    demo, seen = Slow(), []
    demo.observe(lambda change: seen.append(change.new), "progress")
    demo.step(8)
    assert seen == [4 / 8, 6 / 8, 0.0]
    seen.clear()
    Once().step(5)
    assert seen == [], "what is quick needs no words"


def test_an_older_message_of_a_pen_is_dropped():
    class Pen(Walk):
        def on_draw(self, panel, x, y, done):
            self.path = [0.0, *x]

    demo = Pen()
    said = (7, 1, 1.0), (7, 3, 3.0), (7, 2, 2.0), (7, 3, 9.0), (8, 1, 4.0), (8, 0, 5.0)
    for page, n, value in said:
        event = dict(event="draw", panel="walk", x=[value], y=[0.0], done=False, order=[page, n])
        demo._heard(demo, event, [])
    assert demo.path == [0.0, 4.0]


def test_an_error_is_told_without_the_name_of_a_refusal():
    assert in_words(ValueError("x: expected 1, got 2")) == "x: expected 1, got 2"
    assert in_words(TypeError("things: expected a list")) == "things: expected a list"
    assert in_words(ZeroDivisionError("nine")) == "ZeroDivisionError: nine"
    assert in_words(KeyError("x")) == "KeyError: 'x'" and in_words(ValueError()) == "ValueError: "


class StandIn:
    "What a player and a page need of a demo: no widget, no browser."

    budget, rest, patience, steps_per_frame, local = 0.02, 0.0, 0.05, 2, False
    title, play_label, size, panels = "", "Play", "normal", ()
    playing, progress, error, _seen, pace = False, 0.0, "", 0, 0.0

    def __init__(self, n):
        self.taken, self.n, self._frame, self._spec, self.controls = 0, n, {}, {}, {}
        main = MainThread()
        self.values, self.page = Values([], self.drawn, main), Page(self)
        self.player = Playback(self, main, self.work)

    def drawn(self, names):
        self.page.show()

    def draw(self):
        return {"taken": self.taken}

    def work(self):
        for step in range(self.n):
            self.taken = step + 1
            yield

    def together(self):
        return self.values.together()

    def redraw(self):
        self.values.change("")


def test_a_player_needs_no_widget():
    demo = StandIn(5)
    demo.player.step(2)
    assert demo._frame == {"n": 1, "heard": 0, "panels": {"taken": 2}}

    async def main(answering, n):
        demo = StandIn(n)
        demo.playing = True
        demo.player.play()
        while demo.playing:
            await asyncio.sleep(0)
            if answering: demo._seen = demo.page.n
        await demo.player.task
        return demo

    answered, alone = (asyncio.run(main(*how)) for how in ((True, 50), (False, 50)))
    assert answered.taken == 50 and answered.page.n >= 25
    assert alone.taken <= 6 and alone._frame["panels"] == {"taken": alone.taken}


@pytest.mark.parametrize("lost", [(1, 2), (3, 4), (8, 9)])
def test_a_frame_that_gets_lost_is_sent_again(lost):
    "Where a connection comes back, an older state may come after a newer frame."
    async def main():
        demo = StandIn(50)
        demo.patience = 3.0
        demo.playing = True
        demo.player.play()
        while demo.playing:
            await asyncio.sleep(0)
            if demo.page.n not in lost: demo._seen = demo.page.n
        return demo

    demo = asyncio.run(asyncio.wait_for(main(), 60))
    assert demo.taken == 50 and demo.page.n > lost[-1]


def test_a_pace_keeps_frames_apart():
    async def main():
        demo, loop = StandIn(10), asyncio.get_running_loop()
        demo.pace, demo.playing, start = 0.02, True, loop.time()
        demo.player.play()
        while demo.playing:
            await asyncio.sleep(0)
            demo._seen = demo.page.n
        return demo.taken, demo.page.n, loop.time() - start

    taken, frames, seconds = asyncio.run(main())
    assert taken == 10 and frames >= 5 and seconds >= 0.02 * (frames - 2)


def test_a_page_is_answered_without_a_widget():
    demo = StandIn(5)
    demo.on_message = lambda message: setattr(demo, "said", message)
    demo.page.hear({"id": 12, "hello": "there"})
    assert demo.said == {"hello": "there"} and demo._frame["heard"] == 12
    demo.on_message = lambda message: 1 / 0
    with pytest.raises(ZeroDivisionError):
        demo.page.hear({"hello": "again"})
    assert demo.error == "ZeroDivisionError: division by zero" and demo._spec["runs"]


def test_work_pauses_when_no_page_answers():
    async def main():
        walk = Walk(playing=True)
        walk.patience = 0.05
        await asyncio.sleep(0.3)
        return walk

    walk = asyncio.run(main())
    assert not walk.playing and 1 < len(walk.path) < 200


def test_a_cell_that_runs_for_long_is_no_silence_of_the_page():
    async def main():
        walk = Walk(playing=True)
        walk.patience = 0.2
        await asyncio.sleep(0.05)
        time.sleep(0.5)  # a cell runs: nothing that the page says is heard
        await asyncio.sleep(0.03)
        assert walk.playing
        while walk.playing:  # and no page there
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(main(), 60))


def test_work_runs_at_the_page_s_pace_and_never_holds_the_kernel():
    class Slow(Walk):
        steps_per_frame = None

        def steps(self, rng):
            while True:
                time.sleep(0.002)
                self.path.append(0.0)
                yield

    async def main():
        demo, longest, loop = Slow(playing=True), 0.0, asyncio.get_running_loop()
        start = loop.time()
        while loop.time() - start < 0.5:
            before = loop.time()
            await asyncio.sleep(0)
            longest = max(longest, loop.time() - before)
            demo.set_state(dict(_seen=demo._frame["n"]))  # the page has drawn it
        frames = demo._frame["n"]
        demo.pause()
        taken = len(demo.path)
        await asyncio.sleep(0.05)
        return frames, longest, taken, len(demo.path)

    frames, longest, taken, later = asyncio.run(main())
    assert frames > 5 and longest < 0.1 and taken == later


def test_what_follows_the_pen_is_numbered_counts_as_seen_and_is_not_sent_back(monkeypatch):
    import traitlets

    class Pen(Walk):
        stroke = traitlets.List().tag(sync=True, echo_update=False)

        def draw(self):
            return {"figures": {"points": len(self.stroke)}}

    demo, sent = Pen(), []
    monkeypatch.setattr(Pen, "_send", lambda self, message, buffers=None: sent.append(message))
    n = demo._frame["n"]
    demo._heard(demo, dict(event="follow", name="stroke", value=[0.1, 0.2], id=77, seen=n), [])
    assert demo.stroke == [0.1, 0.2] and demo._seen == n
    assert demo._frame["heard"] == 77 and demo._frame["n"] == n + 1
    states = [
        message["state"] for message in sent if message["method"] in ("update", "echo_update")
    ]
    assert states and not any("stroke" in state or "_seen" in state for state in states)


def test_running_work_rests_while_a_hand_changes_values():
    class Patient(Walk):
        rest = 0.15

    async def main():
        demo, taken = Patient(playing=True), []
        for touched in (False, True, False):
            await asyncio.sleep(0.02)
            before = len(demo.path)
            for n in range(15):
                demo.set_state(
                    dict(_seen=demo._frame["n"], **(dict(spread=1 + n / 10) if touched else {}))
                )
                await asyncio.sleep(0.02)
            taken.append(len(demo.path) - before)
        return taken, demo.playing

    (before, during, after), playing = asyncio.run(main())
    assert playing and before > 100 and during == 0 and after > 20


def test_an_error_in_running_work_pauses_it_and_is_shown():
    class Broken(Walk):
        def steps(self, rng):
            yield
            raise ValueError("lost the way")

    async def main():
        demo = Broken(playing=True)
        await asyncio.sleep(0.1)
        return demo

    demo = asyncio.run(main())
    assert demo.error == "lost the way" and not demo.playing


@pytest.mark.parametrize("demo", [Wave, Walk, Demo, lambda: Stack(Wave(), Walk(), across=True)])
def test_the_still_picture_is_the_same_from_run_to_run(demo):
    first, second = demo(), demo()
    assert first.still() == second.still()
    bundle = first._repr_mimebundle_()
    assert {"image/png", "text/plain", "application/vnd.jupyter.widget-view+json"} <= set(bundle)
    assert "0x" not in bundle["text/plain"]


def test_the_still_picture_follows_the_state():
    wave = Wave()
    before = wave.still()
    wave.frequency = 3
    assert wave.still() != before


def test_packing_keeps_numbers_and_writes_only_what_json_can():
    import json
    import torch

    frame = pack(
        {
            "p": [points(torch.ones(3, requires_grad=True), [1, 2, 3], classes=[0, 1, 2])],
            "nan": float("nan"),
            "n": np.float64(2),
        }
    )
    mark = frame["p"][0]
    assert (
        np.frombuffer(mark["x"]["bytes"], np.float32).tolist() == [1, 1, 1]
        and mark["classes"]["type"] == "uint8"
    )
    assert frame["nan"] is None and frame["n"] == 2 and type(frame["n"]) is float
    json.dumps(frame, default=lambda b: len(b), allow_nan=False)


def test_a_closed_demo_stops():
    async def main():
        walk = Walk(playing=True)
        await asyncio.sleep(0.02)
        walk.close()
        await asyncio.sleep(0.02)
        return walk

    walk = asyncio.run(main())
    assert not walk.playing and walk.player.task.done()


def test_the_first_message_to_the_page_holds_everything(monkeypatch):
    "A page that is slow to load the script may lose what comes later: anywidget waits two seconds."
    sent, create = [], comm.create_comm
    monkeypatch.setattr(
        comm, "create_comm", lambda **message: sent.append(message) or create(**message)
    )
    Wave(frequency=2.0)
    [message] = [state for m in sent if "_spec" in (state := m["data"]["state"])]
    assert [c["name"] for c in message["_spec"]["controls"]] == ["frequency", "height", "noise"]
    assert message["frequency"] == 2.0 and message["_frame"]["n"] == 1 and message["_data"]


def test_demos_side_by_side_share_the_width():
    "A demo measures the width it is given; without one it would shrink to nothing beside another."
    wide, narrow = Wave(), Wave(layout={"width": "210px"})
    Stack(wide, narrow, across=True)
    assert (wide.layout.flex, narrow.layout.flex) == ("1 1 420px", None)
