// The desk of TeachMe: a pad to draw on, and a shelf with a row for each thing: its name, its examples, the answers.
// `drawPad` is pad.js's `render`; it finds the demo's strokes behind what looks to it like a model of its own.

function deskPad(spec, view) {
  const listeners = {};
  const tell = (name) => (listeners[`change:${name}`] || []).forEach((call) => call());
  const shown = { label: "", hint: spec.hint, pen: spec.pen, size: "normal" };
  const model = {
    get: (name) => (name === "strokes" ? view.get("strokes") : shown[name]),
    set: (name, value) => { view.follow(name, value); tell(name); },
    save_changes: () => view.set({ strokes: view.get("strokes") }, true),
    on: (name, call) => (listeners[name] ||= []).push(call),
    off: (name, call) => { listeners[name] = (listeners[name] || []).filter((c) => c !== call); },
  };
  const el = make("div");
  const close = drawPad({ model, el });
  const teach = make("button", { type: "button", class: "dlj-teach", onclick: () => view.send({ do: "teach" }) }, "Teach");
  const digits = make("button", { type: "button", class: "dlj-digits", onclick: () => view.send({ do: "digits" }) }, "Use ready digits");
  const note = make("div", { class: "dlj-note", role: "status" });
  el.append(make("div", { class: "dlj-padbar" }, teach, digits), note);
  function draw(content) {
    if (!content) return;
    const size = content.size;
    if (size !== shown.size) { shown.size = size; tell("size"); }
    tell("strokes");
    note.textContent = content.note;
    note.classList.toggle("dlj-loading", content.loading);
    digits.textContent = content.digits ? "My own drawings" : "Use ready digits";
  }
  return { el, draw, close };
}

// One kept drawing: a small picture; a click takes it away.
function thumbnail(values, side, colour, label, away) {
  const canvas = make("canvas", { width: side, height: side });
  const pixels = new ImageData(side, side);
  const [r, g, b] = rgb(colour);
  for (let i = 0; i < values.length; i++) pixels.data.set([r, g, b, values[i]], 4 * i);
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return make("button", { type: "button", class: "dlj-thumb", title: "Take this drawing away", "aria-label": label, onclick: away }, canvas);
}

function answerBar(kind) {
  const fill = make("i"); const share = make("span");
  const el = make("div", { class: `dlj-bar dlj-${kind}` }, make("div", {}, fill), share);
  return { el, show: (p) => {
    el.classList.toggle("dlj-unknown", p === undefined || p === null);
    fill.style.width = `${100 * (p || 0)}%`;
    share.textContent = p === undefined || p === null ? "" : `${Math.round(100 * p)} %`;
  } };
}

function shelfPanel(spec, view) {
  const rows = make("div", { class: "dlj-rows" });
  const verdict = make("div", { class: "dlj-verdict", "aria-live": "polite" });
  const more = make("button", { type: "button", class: "dlj-more", onclick: () => view.send({ do: "more" }) }, "+ another thing");
  const back = make("button", { type: "button", class: "dlj-more", title: "Put back what was taken away last", onclick: () => view.send({ do: "back" }) }, "bring back");
  const head = make("div", { class: "dlj-thing dlj-heads" }, make("span"), make("span"), make("span"),
    make("div", {}, make("b", { class: "dlj-taught" }, "has seen signs"), make("b", { class: "dlj-scratch" }, "has seen nothing")));
  const el = make("div", { class: "dlj-desk" }, verdict, head, rows, more, back);
  let made = []; let seen = null; let dark = null;
  const ink = inkOf({ get: view.get, set: (name, value) => view.set({ [name]: value }, true) });

  function keep(thing) {
    const strokes = ink.read();
    view.send({ do: "keep", thing, strokes }); // an empty pad is told so
    if (strokes.length) ink.write([]);
  }
  function build(shelf, theme) {
    rows.replaceChildren();
    made = shelf.names.map((name, i) => {
      const rename = () => {
        const wanted = input.value;
        input.value = name;  // until the name is taken
        view.send({ do: "rename", thing: i, name: wanted });
      };
      const input = make("input", { value: name, size: 9, maxlength: 40, "aria-label": `Name of thing ${i + 1}`, onchange: rename });
      const { values, shape } = shelf.pictures[i];
      const side = shape[1] || 1; const area = side * side;
      const pictures = Array.from({ length: shape[0] }, (_, k) => thumbnail(values.subarray(k * area, (k + 1) * area), side, theme.ink, `Take away drawing ${k + 1} of ${name}`, () => view.send({ do: "away", thing: i, drawing: k })));
      const add = make("button", { type: "button", class: "dlj-keep", title: `Keep what is on the pad as an example of ${name}`, onclick: () => keep(i) }, "+ keep");
      const gone = make("button", { type: "button", class: "dlj-remove", title: `Take ${name} off the shelf`,
        "aria-label": `Take ${name} off the shelf`, onclick: () => view.send({ do: "remove", thing: i }) }, "×");
      const bars = { taught: answerBar("taught"), scratch: answerBar("scratch") };
      const row = make("div", { class: "dlj-thing", role: "group", "aria-label": name }, input, make("div", { class: "dlj-thumbs" }, ...pictures), add, make("div", { class: "dlj-answers" }, bars.taught.el, bars.scratch.el), gone);
      rows.append(row);
      return { row, bars };
    });
    more.hidden = !shelf.more;
    back.hidden = !shelf.gone;
  }
  function draw(content) {
    if (!content) return;
    const theme = view.theme();
    for (const [name, colour] of [["taught", "blue"], ["scratch", "orange"]]) el.style.setProperty(`--${name}`, theme.colour(colour));
    const shelf = view.get("_shelf");
    if (shelf !== seen || theme.dark !== dark) { seen = shelf; dark = theme.dark; build(unpack(shelf), theme); }
    verdict.textContent = content.verdict || "Your examples";
    el.classList.toggle("dlj-answering", content.is_taught);
    const best = content.taught ? content.taught.indexOf(Math.max(...content.taught)) : -1;
    made.forEach(({ row, bars }, i) => {
      bars.taught.show(content.taught && content.taught[i]);
      bars.scratch.show(content.scratch && content.scratch[i]);
      row.classList.toggle("dlj-best", i === best);
    });
  }
  return { el, draw };
}

const demo = { panels: { pad: deskPad, shelf: shelfPanel } };
