// A demo as a page: what Python does for it elsewhere is done here. The page holds its state (what
// `page_state` of kit.live wrote), `render` is the demo's own front end, and `acts`, of the demo's
// own script, is the twin of what its class does in Python:
//   begin(live)             once: set up what the demo keeps
//   work(live)              a fresh start; each `next` of what it returns is one step
//   draw(live)              the frame, where the front end has no `draw` of its own
//   changed(live, names)    values have changed
//   press: { name(live) }   the buttons
//   reset(live)             the button that starts again, where `work` alone will not do
//   click(live, message)    a click in a panel; `stroke` of a pen, `message` for all else

// Arrays came as text; the front end unpacks them as those that a kernel sends.
function asSent(key, value) {
  if (!value || typeof value.base64 !== "string") return value;
  const bytes = bytesOf(value.base64);
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

// The numbers of an array of any shape, unpacked.
const numbersIn = (array) => (array.shape ? array.values : array);

// The steps of a demo, some in each frame of the screen, as `Playback` in Python takes them.
const BUSY = 12; // milliseconds of a frame
function playerOf({ start, isPlaying, pause, most, pace, draw }) {
  let steps = null;
  let queued = 0;
  let last = 0; // when the last frame was made
  function advance(n, until = Infinity) {
    let taken = 0;
    while (taken < n && (!taken || performance.now() < until)) {
      steps ||= start();
      if (steps.next().done) {
        steps = null;
        pause();
        break;
      }
      taken += 1;
    }
    return taken;
  }
  function frame() {
    queued = 0;
    if (!isPlaying()) return;
    if (performance.now() - last >= pace()) {
      last = performance.now();
      draw(() => advance(most(), last + BUSY));
    }
    queue();
  }
  function queue() {
    queued ||= isPlaying() ? requestAnimationFrame(frame) : 0;
  }
  return {
    queue,
    step: (n = 1) => advance(n) || advance(n), // work that has ended starts again
    goOn: (others) => { steps = others; },
    isReady: () => steps !== null,
  };
}

// The demo in `el`, as its class in Python would keep it.
function bringToLife(state, el) {
  let heard = 0;
  let n = 0;
  const values = { ...state.values, _spec: state.spec, _data: state.data, _frame: {}, _seen: 0,
    error: "", progress: 0, playing: false };
  const model = standInModel(values, { changed, said });
  const live = {
    kept: unpack(state.kept),
    stepsPerFrame: state.steps_per_frame || Infinity,
    pace: state.pace, // milliseconds from frame to frame, at least
    get: model.get,
    set: (some) => Object.entries(some).forEach(([name, value]) => model.put(name, value)),
    play: () => { model.put("playing", true); player.queue(); },
    pause: () => model.put("playing", false),
    step: (many) => player.step(many),
    goOn: (steps) => player.goOn(steps),
    restart: () => player.goOn(acts.work ? acts.work(live) : null),
    draw,
  };
  const player = playerOf({
    start: () => acts.work(live),
    isPlaying: () => model.get("playing"),
    pause: live.pause,
    most: () => live.stepsPerFrame,
    pace: () => live.pace,
    draw,
  });

  // Whatever happens is shown; what goes wrong is told, and ends the work.
  function draw(happens = () => {}) {
    try {
      happens();
      n += 1;
      model.put("_frame", { n, heard, panels: acts.draw ? acts.draw(live) : {} });
      model.put("error", "");
    } catch (problem) {
      model.put("error", problem.message);
      live.pause();
    }
  }
  function changed(names) {
    if (names.has("playing")) player.queue();
    const others = [...names].filter((name) => name !== "playing" && name[0] !== "_");
    if (others.length) draw(() => {
      acts.changed?.(live, names);
      if (others.some((name) => state.restarts.includes(name))) live.restart();
    });
  }
  function said(message) {
    heard = message.id ?? heard;
    draw(() => {
      const { press, event } = message;
      if (press === "step") live.step();
      else if (press === "reset") (acts.reset || live.restart)(live);
      else if (press) acts.press[press](live);
      else if (event === "follow") acts.changed?.(live, new Set([message.name]));
      else acts[event === "draw" ? "stroke" : event || "message"](live, message);
    });
  }

  draw(() => {
    acts.begin?.(live);
    if (!player.isReady()) live.restart();
  });
  render({ model, el });
  return live;
}

// A page inside another one wears its theme, tells it how high it is, and has no head of its own.
function fitIn() {
  if (window.parent === window) return;
  document.documentElement.classList.add("framed");
  addEventListener("message", ({ source, data }) => {
    if (source !== window.parent || !data || typeof data.dljTheme !== "string") return;
    document.documentElement.dataset.theme = data.dljTheme;
    document.documentElement.style.background = data.dljPaper || "";
  });
  const tell = () => {
    const dljHeight = Math.ceil(document.body.getBoundingClientRect().height);
    window.parent.postMessage({ dljHeight }, "*");
  };
  new ResizeObserver(tell).observe(document.body);
}

fitIn();
const life = bringToLife(
  JSON.parse(document.getElementById("state").textContent, asSent),
  document.getElementById("demo"),
);
document.getElementById("demo").life = Object.assign(life, { acts }); // for tests and the curious
performance.mark("ready");
document.body.classList.add("ready");
