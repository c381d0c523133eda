// One view of a live demo: controls and panels from the model's `_spec`, a picture from its frame.
// `demo` comes from the demo's own script, else it is null: `draw(state, data) -> frame` where the
// maths runs here, and `panels: { kind: (spec, view) => ({ el, draw }) }` for panels of its own.

// Numbers that came as bytes become typed arrays (grids: {values, shape}); everything else stays.
function unpack(value) {
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map(unpack);
  if (ArrayBuffer.isView(value)) return value;
  if (!(value.bytes instanceof DataView))
    return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, unpack(child)]));
  const { buffer, byteOffset, byteLength } = value.bytes;
  const bytes = buffer.slice(byteOffset, byteOffset + byteLength);
  const values = value.type === "float32" ? new Float32Array(bytes) : new Uint8Array(bytes);
  return value.shape.length < 2 ? values : { values, shape: value.shape };
}

// A grid inside a mark: `values: {values, shape}` becomes `values` and `shape` of the mark.
function flatten(marks) {
  for (const m of marks)
    if (m.values && m.values.shape) {
      m.shape = m.values.shape;
      m.values = m.values.values;
    }
  return marks;
}

function isEmpty(content) {
  return (
    !content ||
    content.length === 0 ||
    (typeof content === "object" &&
      !ArrayBuffer.isView(content) &&
      Object.keys(content).length === 0)
  );
}

// Every demo loads its own copy of this file. Each of its views gets another `model`, but they
// share what stands here.
let openViews = 0;
let nextId = Math.floor(Math.random() * 1e9); // so that ids differ all the same

function render({ model, el }) {
  const root = make("div", {
    class: "dlj",
    "data-lm-suppress-shortcuts": "true",
    "data-jp-suppress-context-menu": true,
  });
  keepKeys(root);
  el.append(root);
  const listeners = [];
  const on = (name, call) => {
    model.on(name, call);
    listeners.push([name, call]);
  };
  openViews += 1;

  let spec;
  let controls = {};
  let panels = {};
  let strip = null;
  let errorBox;
  let theme = null;
  let queued = 0;
  let fresh = true;
  let waiting = null;
  let soon = null;
  let lastFrame = null;
  let data = null;
  let alive = true; // is there a kernel?
  let asked = [];
  let lastAsked = 0; // questions on their way: their numbers, and when the last one left

  const view = {
    get: (name) => model.get(name),
    theme: () => (theme ||= themeOf(root)),
    send: (message) => {
      soon = null;
      busy();
      model.send(message);
    },
    sendSoon: (message) => {
      soon = () => message;
      queue();
    },
    // A value that grows while a pen moves; `set(values, true)` ends it. Its trait wants
    // echo_update=False.
    follow: (name, value) => {
      model.set(name, value);
      soon = () => ({ event: "follow", name, value: model.get(name) });
      queue();
    },
    // Change values: `done` marks the end of a gesture. Where the maths runs here, Python hears
    // only then.
    set: (values, done) => {
      for (const [name, value] of Object.entries(values)) {
        const limits = spec.controls.find((c) => c.name === name);
        const legal =
          limits && limits.kind === "slider" && !limits.log
            ? Math.min(
                limits.high,
                Math.max(limits.low, Math.round(value / limits.step) * limits.step),
              )
            : value;
        model.set(name, typeof legal === "number" ? Number(legal.toPrecision(12)) : legal);
      }
      if (done) soon = null;
      if (done || !spec.local || model.get("playing")) {
        if (!spec.local) busy();
        model.save_changes();
      }
    },
    at: (panel, x, y) => panels[panel].at(x, y),
  };

  function busy() {
    waiting ||= setTimeout(() => root.classList.add("dlj-busy"), 200);
  }
  function answered() {
    clearTimeout(waiting);
    waiting = null;
    root.classList.remove("dlj-busy");
  }

  // What follows the pen goes out with at most two answers outstanding, so that a slow kernel is
  // not flooded. Two and not one: Jupyter's server lets small answers wait up to 40 ms for a sign
  // from the page, and the next question is one.
  function mayAsk() {
    // an answer got lost, or there was an error instead
    if (performance.now() - lastAsked > 2000) asked = [];
    return asked.length < 2;
  }
  function ask() {
    busy();
    lastAsked = performance.now();
    asked.push(nextId);
    const seen = (model.get("_frame") || {}).n || 0; // so this needs no message of its own
    model.set("_seen", seen);
    model.send({ ...soon(), id: nextId++, seen });
    soon = null;
  }
  function heard(id) {
    const i = asked.indexOf(id);
    if (i >= 0) asked.splice(0, i + 1);
  }

  function build() {
    Object.values(panels).forEach((panel) => panel.close && panel.close());
    spec = model.get("_spec");
    const refocus = holding(root);
    root.replaceChildren();
    root.className = `dlj dlj-${spec.size}${alive ? "" : " dlj-asleep"}`;
    controls = {};
    panels = {};
    errorBox = errorPlace();
    const side = make("div", {
      class: "dlj-controls",
      role: "group",
      "aria-label": `${spec.title}: controls`,
    });
    strip = spec.runs ? runStrip(view, spec.play) : null;
    const more = make("details", { class: "dlj-more" }, make("summary", {}, "More"));
    if (strip) side.append(strip.el);
    for (const control of spec.controls) {
      const id = `dlj-${nextId++}`;
      controls[control.name] = CONTROLS[control.kind](control, view, id);
      if (!control.hidden) (control.more ? more : side).append(controls[control.name].el);
    }
    if (more.childElementCount > 1) side.append(more);
    const stage = make("div", { class: "dlj-stage" });
    for (const panel of spec.panels) {
      const makePanel = (demo && demo.panels && demo.panels[panel.kind]) || PANELS[panel.kind];
      const made = (panels[panel.name] = makePanel(panel, view));
      const grow = panel.width || 320;
      if (panel.new_row) stage.append(make("div", { class: "dlj-break" }));
      stage.append(
        make(
          "figure",
          {
            class: `dlj-panel dlj-${panel.kind}`,
            style:
              `flex:${grow} 1 ${Math.min(grow, 480) * 0.66}px;` +
              `max-width:calc(${grow}px * var(--dlj-scale))`,
          },
          panel.label ? make("figcaption", {}, panel.label) : null,
          made.el,
        ),
      );
    }
    const progress = make(
      "div",
      { class: "dlj-progress", role: "progressbar", "aria-label": "Working" },
      make("i"),
    );
    const body = make("div", { class: "dlj-body" }, ...(side.children.length ? [side] : []), stage);
    root.append(progress, body, errorBox.el);
    for (const name of Object.keys(controls))
      if (spec.controls.find((c) => c.name === name).kind !== "button")
        controls[name].update(model.get(name));
    if (strip) strip.update();
    refocus();
    fresh = true;
    queue();
  }

  function frame() {
    if (!spec.local) return unpack((model.get("_frame") || {}).panels || {});
    data ||= unpack(model.get("_data") || {});
    const state = {};
    for (const control of spec.controls)
      if (control.kind !== "button") state[control.name] = model.get(control.name);
    return demo.draw(state, data);
  }

  function paint() {
    queued = 0;
    if (alive && soon && mayAsk()) ask();
    let failure = model.get("error");
    try {
      if (fresh) {
        lastFrame = frame();
        for (const content of Object.values(lastFrame)) {
          if (Array.isArray(content)) flatten(content);
          else if (content && content.marks) flatten(content.marks);
        }
      }
      for (const [name, panel] of Object.entries(panels)) {
        const content = lastFrame[name];
        panel.el.parentElement.hidden = isEmpty(content); // nothing to show: no panel
        panel.draw(fresh ? content : undefined);
      }
      fresh = false;
    } catch (problem) {
      failure = `${problem.name} in the browser: ${problem.message}`;
    }
    errorBox.show(failure);
    const n = (model.get("_frame") || {}).n || 0;
    if (alive && model.get("playing") && n > model.get("_seen")) {
      model.set("_seen", n);
      model.save_changes();
    }
  }
  function queue() {
    queued ||= requestAnimationFrame(paint);
  }
  const again = () => {
    fresh = true;
    queue();
  };

  build();
  on("change:_spec", build);
  on("change:_frame", () => {
    answered();
    heard(model.get("_frame").heard);
    again();
  });
  on("change:_data", () => {
    answered();
    data = null;
    again();
  });
  on("change:error", () => {
    answered();
    queue();
  });
  on("change:playing", () => {
    if (strip) strip.update();
  });
  on("change:progress", () => {
    const share = model.get("progress");
    root.classList.toggle("dlj-working", share > 0 && share < 1);
    root.style.setProperty("--dlj-progress", `${100 * share}%`);
  });
  for (const control of spec.controls) {
    if (control.kind === "button") continue;
    on(`change:${control.name}`, () => {
      controls[control.name].update(model.get(control.name));
      if (spec.local) again();
    });
  }
  const unheard = watchKernel(model, el, root, (now) => {
    alive = now;
    if (alive) return;
    answered(); // nobody will
    root.classList.remove("dlj-working");
  });
  const resize = new ResizeObserver(() => queue());
  resize.observe(root);
  const unwatch = watchTheme(() => {
    theme = null;
    fresh = true;
    queue();
  });
  root.dlj = {
    model,
    spec: () => spec,
    frame: () => lastFrame,
    draw: demo && demo.draw,
    at: view.at,
  }; // for tests and the curious

  return () => {
    listeners.forEach(([name, call]) => model.off(name, call));
    unheard();
    resize.disconnect();
    unwatch();
    cancelAnimationFrame(queued);
    clearTimeout(waiting);
    Object.values(panels).forEach((panel) => panel.close && panel.close());
    panels = {};
    controls = {};
    lastFrame = data = strip = null;
    root.replaceChildren(); // Jupyter may hold on to the element of a view that is gone
    openViews -= 1;
    if (alive && openViews === 0 && model.get("playing")) {
      model.set("playing", false);
      model.save_changes();
    }
  };
}
