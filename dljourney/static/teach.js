// The desk of TeachMe: a pad to draw on, and a shelf with a row for each thing: its name, its
// examples, the answers. `drawPad` is pad.js's `render`; it finds the demo's strokes behind what
// looks to it like a model of its own.

// A button of the desk that asks Python for something.
function asking(view, kind, words, message, more = {}) {
  const onclick = () => view.send(message);
  return make("button", { type: "button", class: `dlj-${kind}`, onclick, ...more }, words);
}

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
  const teach = asking(view, "teach", "Teach", { do: "teach" });
  const digits = asking(view, "digits", "Use ready digits", { do: "digits" });
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
function thumbnail(view, values, side, colour, label, message) {
  const canvas = make("canvas", { width: side, height: side });
  const pixels = new ImageData(side, side);
  const [r, g, b] = rgb(colour);
  for (let i = 0; i < values.length; i++) pixels.data.set([r, g, b, values[i]], 4 * i);
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  const told = { title: "Take this drawing away", "aria-label": label };
  return asking(view, "thumb", canvas, message, told);
}

// The small picture that reaches the network, beside the pad: it grows with each stroke.
function seenPicture(words, side = 32) {
  const canvas = make("canvas", { width: side, height: side, role: "img" });
  function show(seen) {
    const pixels = new ImageData(side, side);
    for (let i = 0; i < side * side; i++) {
      const light = seen ? seen.values[i] : 0;
      pixels.data.set([light, light, light, 255], 4 * i);
    }
    canvas.getContext("2d").putImageData(pixels, 0, 0);
    const drawn = seen ? "what was drawn, in the middle and as large as it fits" : "nothing yet";
    canvas.setAttribute("aria-label", `${words}: ${drawn}`);
  }
  return { canvas, words: make("div", { class: "dlj-seen" }, words), show };
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
  const more = asking(view, "more", "+ another thing", { do: "more" });
  const undo = { title: "Put back what was taken away last" };
  const back = asking(view, "more", "bring back", { do: "back" }, undo);
  const head = make("div", { class: "dlj-thing dlj-heads" },
    make("span"), make("span"), make("span"),
    make("div", {}, make("b", { class: "dlj-taught" }, "has seen signs"),
      make("b", { class: "dlj-scratch" }, "has seen nothing")));
  const picture = seenPicture(spec.seen);
  const said = make("div", {}, verdict, picture.words);
  const top = make("div", { class: "dlj-top" }, picture.canvas, said);
  const el = make("div", { class: "dlj-desk" }, top, head, rows, more, back);
  let made = []; let seen = null; let dark = null;
  const ink = inkOf({ get: view.get, set: (name, value) => view.set({ [name]: value }, true) });

  function keep(thing) {
    const strokes = ink.read();
    view.send({ do: "keep", thing, strokes }); // an empty pad is told so
    if (strokes.length) ink.write([]);
  }
  function nameField(name, thing) {
    const onchange = () => {
      const wanted = input.value;
      input.value = name;  // until the name is taken
      view.send({ do: "rename", thing, name: wanted });
    };
    const told = { "aria-label": `Name of thing ${thing + 1}`, size: 9, maxlength: 40 };
    const input = make("input", { value: name, ...told, onchange });
    return input;
  }
  function thumbnails({ values, shape }, name, thing, theme) {
    const side = shape[1] || 1;
    const area = side * side;
    const one = (_, k) => {
      const pixels = values.subarray(k * area, (k + 1) * area);
      const label = `Take away drawing ${k + 1} of ${name}`;
      return thumbnail(view, pixels, side, theme.ink, label, { do: "away", thing, drawing: k });
    };
    return make("div", { class: "dlj-thumbs" }, ...Array.from({ length: shape[0] }, one));
  }
  function rowOf(name, thing, pictures, theme) {
    const bars = { taught: answerBar("taught"), scratch: answerBar("scratch") };
    const wanted = `Keep what is on the pad as an example of ${name}`;
    const off = `Take ${name} off the shelf`;
    const onclick = () => keep(thing);
    const row = make("div", { class: "dlj-thing", role: "group", "aria-label": name },
      nameField(name, thing), thumbnails(pictures, name, thing, theme),
      make("button", { type: "button", class: "dlj-keep", title: wanted, onclick }, "+ keep"),
      make("div", { class: "dlj-answers" }, bars.taught.el, bars.scratch.el),
      asking(view, "remove", "×", { do: "remove", thing }, { title: off, "aria-label": off }));
    rows.append(row);
    return { row, bars };
  }
  function build(shelf, theme) {
    const refocus = holding(rows);
    rows.replaceChildren();
    made = shelf.names.map((name, thing) => rowOf(name, thing, shelf.pictures[thing], theme));
    more.hidden = !shelf.more;
    back.hidden = !shelf.gone;
    refocus();
  }
  function draw(content) {
    if (!content) return;
    const theme = view.theme();
    el.style.setProperty("--taught", theme.colour("blue"));
    el.style.setProperty("--scratch", theme.colour("orange"));
    const shelf = view.get("_shelf");
    if (shelf !== seen || theme.dark !== dark) {
      seen = shelf;
      dark = theme.dark;
      build(unpack(shelf), theme);
    }
    verdict.textContent = content.verdict || "Your examples";
    picture.show(content.seen);
    el.classList.toggle("dlj-answering", content.is_taught);
    el.classList.toggle("dlj-rival", content.rival);
    const best = content.taught ? content.taught.indexOf(Math.max(...content.taught)) : -1;
    made.forEach(({ row, bars }, i) => {
      bars.taught.show(content.taught && content.taught[i]);
      bars.scratch.show(content.scratch && content.scratch[i]);
      row.classList.toggle("dlj-best", i === best);
    });
  }
  return { el, draw };
}

export const demo = { panels: { pad: deskPad, shelf: shelfPanel } };
