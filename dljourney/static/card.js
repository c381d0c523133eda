// A question on a card: options to press, an order to drag, a number, a word, a place on a slider,
// a curve to sketch. `_spec` says what is asked, `_state` what became of it. Python judges.

// Options to press. In a quiz each press is an answer, and its reason stays beside the option.
function optionsInput(spec, card) {
  const rows = spec.options.map(([key, html]) => {
    const text = make("span");
    text.innerHTML = html;
    const button = make(
      "button",
      { type: "button", class: "dlj-option", onclick: () => press(key) },
      make("b", {}, key),
      text,
    );
    const reason = make("div", { class: "dlj-reason", hidden: true });
    return { key, button, reason, el: make("li", {}, button, reason) };
  });
  let chosen = null;
  function press(key) {
    if (spec.mode === "quiz") return card.answer(key);
    chosen = key;
    mark();
    card.changed();
  }
  function mark() {
    for (const row of rows) row.button.setAttribute("aria-pressed", row.key === chosen);
  }
  mark();
  const sign = (row, good) => {
    row.button.classList.add(good ? "dlj-good" : "dlj-bad");
    row.button.dataset.sign = good ? "✓" : "✗";
  };
  return {
    el: make("ul", { class: "dlj-options" }, ...rows.map((row) => row.el)),
    value: () => chosen,
    show(state) {
      for (const { given, outcome, html } of state.tried || []) {
        const row = rows.find((r) => r.key === given);
        if (!row) continue;
        sign(row, outcome === "correct");
        row.reason.innerHTML = html;
        row.reason.hidden = false;
      }
      if (!state.done) return;
      chosen = state.guess;
      mark();
      for (const row of rows) {
        row.button.disabled = true;
        if (state.truth && row.key === state.truth) sign(row, true);
        else if (state.truth && row.key === chosen) sign(row, false);
      }
    },
  };
}

// Rows to drag; a row in focus moves with the arrow keys. Others make room: so it keeps the focus
// and the pointer.
function orderInput(spec, card) {
  const spoken = make("div", { class: "dlj-spoken", "aria-live": "polite" });
  const list = make("ol", { class: "dlj-options dlj-order" });
  const texts = new Map();
  const key = (row) => row.dataset.key;
  const rows = () => [...list.children];
  for (const [letter, html] of spec.options) {
    const text = make("span");
    text.innerHTML = html;
    const grip = make("b", { "aria-hidden": true }, "⠿");
    const handle = make("button", { type: "button", class: "dlj-option" }, grip, text);
    const row = make("li", { "data-key": letter }, handle);
    texts.set(letter, text);
    handle.addEventListener("keydown", (event) => {
      const way = ARROWS[event.key] && ARROWS[event.key][1];
      if (!way) return;
      event.preventDefault();
      event.stopPropagation();
      move(row, way);
    });
    let from = null; // where the pointer took hold
    handle.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      handle.setPointerCapture(event.pointerId);
      from = event.clientY;
      row.classList.add("dlj-held");
    });
    handle.addEventListener("pointermove", (event) => {
      if (from === null) return;
      const others = { up: row.previousElementSibling, down: row.nextElementSibling };
      const middle = (other) => {
        const box = other.getBoundingClientRect();
        return box.top + box.height / 2;
      };
      if (others.up && event.clientY < middle(others.up)) move(row, -1);
      else if (others.down && event.clientY > middle(others.down)) move(row, 1);
    });
    const drop = () => {
      from = null;
      row.classList.remove("dlj-held");
    };
    handle.addEventListener("pointerup", drop);
    handle.addEventListener("pointercancel", drop);
    list.append(row);
  }
  function move(row, way) {
    const other = way < 0 ? row.previousElementSibling : row.nextElementSibling;
    if (!other || row.firstChild.disabled) return;
    if (way < 0) row.after(other);
    else row.before(other);
    label();
    const place = rows().indexOf(row) + 1;
    spoken.textContent = `${texts.get(key(row)).textContent}: now ${place} of ${rows().length}`;
    card.changed();
  }
  function label() {
    rows().forEach((row, i) => {
      const text = texts.get(key(row)).textContent;
      row.firstChild.setAttribute(
        "aria-label",
        `${text}, ${i + 1} of ${rows().length}. Arrow up and arrow down move it.`,
      );
    });
  }
  label();
  const put = (letters) => {
    for (const letter of letters) list.append(rows().find((row) => key(row) === letter));
  };
  return {
    el: make("div", {}, list, spoken),
    value: () => rows().map(key).join(""),
    show(state) {
      if (!state.done) return;
      if (state.guess) put(state.guess);
      const right = state.truth || "";
      rows().forEach((row, i) => {
        row.firstChild.disabled = true;
        if (!right) return;
        row.firstChild.classList.add(right[i] === key(row) ? "dlj-good" : "dlj-bad");
        const place = right.indexOf(key(row));
        row.firstChild.dataset.sign = place === i ? "✓" : `${place + 1}.`;
      });
    },
  };
}

// A number or a word to type.
function typedInput(spec, card) {
  const input = make("input", {
    type: "text",
    class: "dlj-typed",
    "aria-label": spec.label,
    autocomplete: "off",
    spellcheck: "false",
    placeholder: spec.kind === "number" ? "a number" : "a word or two",
  });
  input.addEventListener("input", card.changed);
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && input.value.trim()) card.answer(input.value);
  });
  return { el: input, value: () => input.value.trim() || null, show: () => {} };
}

// A place on a slider; afterwards the guess and what was measured stand over it.
function sliderInput(spec, card) {
  const last = spec.stops.length - 1;
  const input = make("input", { type: "range", min: 0, max: last, "aria-label": spec.label });
  const output = make("output", {}, "?");
  const marks = make("div", { class: "dlj-marks" });
  let touched = false;
  const say = () => {
    output.textContent = touched ? spec.stops[input.value] : "?";
    input.setAttribute("aria-valuetext", touched ? spec.stops[input.value] : "no guess yet");
    input.style.setProperty("--filled", touched ? `${(100 * input.value) / last}%` : "0%");
  };
  const touch = () => {
    touched = true;
    say();
    card.changed();
  };
  for (const name of ["input", "pointerup"]) input.addEventListener(name, touch);
  input.value = Math.round(last / 2);
  say();
  const ends = make(
    "div",
    { class: "dlj-ends" },
    make("span", {}, spec.stops[0]),
    make("span", {}, spec.stops[last]),
  );
  const mark = (place, who) => {
    const node = make("span", { class: `dlj-mark dlj-${who}` }, make("i"), `${who}: ${place.text}`);
    node.style.left = `${100 * place.at}%`;
    node.style.setProperty("--shift", `${-100 * place.at}%`);
    return node;
  };
  return {
    el: make("div", { class: "dlj-slider dlj-guessed" }, output, input, marks, ends),
    value: () => (touched ? Number(input.value) : null),
    show(state) {
      if (!state.done) return;
      input.hidden = output.hidden = true;
      const places = [["you", state.guess], ["measured", state.truth]].filter(([, place]) => place);
      marks.replaceChildren(...places.map(([who, place]) => mark(place, who)));
      marks.classList.add("dlj-set");
    },
  };
}

// A curve to sketch with the pen or with the arrow keys: heights from 0 to 1, one for each column.
function sketchInput(spec, card) {
  const n = spec.columns;
  const canvas = make("canvas", { tabindex: 0, role: "application" });
  const spoken = make("div", { class: "dlj-spoken", "aria-live": "polite" });
  const again = make("button", { type: "button", onclick: () => begin() }, "Start again");
  const ends = (curve) =>
    [curve[0], curve.at(-1)].map((h) => `${Math.round(100 * h)} %`).join(" to ");
  const measured = ({ guess, truth }) =>
    [["your curve", guess], ["what was measured", truth]].filter(([, curve]) => curve)
      .map(([who, curve]) => `${who} goes from ${ends(curve)}`).join(", ");
  let heights = Array(n).fill(null);
  let column = null; // where the pen or the keys are
  let shown = {};
  const drawn = () => heights.filter((h) => h !== null).length;

  // To a height at a column, in a straight line from where the pen was.
  function draw(to, height, from = to) {
    const start = heights[from] === null ? height : heights[from];
    const way = Math.sign(to - from);
    for (let c = from; c !== to; c += way)
      if (c !== from) heights[c] = start + ((height - start) * (c - from)) / (to - from);
    heights[to] = height;
    column = to;
    tell();
  }
  function begin() {
    heights = Array(n).fill(null);
    column = null;
    canvas.focus({ preventScroll: true }); // the button that asked for it goes
    tell();
  }
  function tell() {
    again.hidden = !drawn() || Boolean(shown.done);
    canvas.setAttribute(
      "aria-label",
      `${spec.label} ${spec.xlabel} to the right, ${spec.ylabel} upwards. ` +
        (shown.done
          ? `Of the height: ${measured(shown)}.`
          : `${drawn()} of ${n} columns are drawn. Arrow up and down change the height, ` +
            "arrow left and right go on to the next column."),
    );
    card.changed();
    paint();
  }
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    const [left, right, top, bottom] = frame(box.width, box.height);
    const share = (v) => Math.min(1, Math.max(0, v));
    const x = share((event.clientX - box.left - left) / (right - left));
    const y = share((bottom - (event.clientY - box.top)) / (bottom - top));
    return [Math.round(x * (n - 1)), Math.round(y * 1000) / 1000];
  };
  let pen = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button || shown.done) return;
    canvas.setPointerCapture(event.pointerId);
    event.preventDefault();
    canvas.focus({ preventScroll: true });
    pen = event.pointerId;
    draw(...place(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerId === pen) draw(...place(event), column);
  });
  const lift = () => {
    pen = null;
  };
  canvas.addEventListener("pointerup", lift);
  canvas.addEventListener("pointercancel", lift);
  canvas.addEventListener("keydown", (event) => {
    const way = ARROWS[event.key];
    if (!way || shown.done) return;
    event.preventDefault();
    event.stopPropagation();
    const at = column === null ? 0 : Math.min(n - 1, Math.max(0, column + way[0]));
    const before = column === null || heights[column] === null ? 0.5 : heights[column];
    const now = heights[at] === null || way[1] ? before : heights[at];
    const far = event.shiftKey ? 0.01 : 0.04;
    draw(at, Math.round(1000 * Math.min(1, Math.max(0, now - far * way[1]))) / 1000);
    spoken.textContent = `column ${at + 1}: height ${Math.round(100 * heights[at])} of 100`;
  });
  const frame = (width, height) => [52, width - 12, 10, height - 38];
  function line(ctx, values, colour, dashes, at) {
    ctx.beginPath();
    ctx.strokeStyle = colour;
    ctx.lineWidth = 3;
    ctx.setLineDash(dashes);
    let down = false;
    values.forEach((h, c) => {
      if (h === null) {
        down = false;
        return;
      }
      ctx[down ? "lineTo" : "moveTo"](...at(c / (n - 1), h));
      down = true;
    });
    ctx.stroke();
    ctx.setLineDash([]);
  }
  function paint() {
    const width = canvas.clientWidth;
    if (!width) return;
    const height = Math.min(300, 0.62 * width);
    const theme = themeOf(canvas.closest(".dlj"));
    const ctx = sharpContext(canvas, width, height);
    const [left, right, top, bottom] = frame(width, height);
    const at = (x, y) => [left + x * (right - left), bottom - y * (bottom - top)];
    ctx.font = `${theme.size - 1}px system-ui, sans-serif`;
    ctx.fillStyle = theme.ink;
    ctx.strokeStyle = theme.colour("faint");
    ctx.lineWidth = 1;
    ctx.strokeRect(left, top, right - left, bottom - top);
    ctx.textBaseline = "middle";
    ctx.textAlign = "right";
    for (const [share, text] of spec.yticks) ctx.fillText(text, left - 6, at(0, share)[1]);
    ctx.textAlign = "center";
    for (const [share, text] of spec.xticks) ctx.fillText(text, at(share, 0)[0], bottom + 12);
    ctx.fillText(spec.xlabel, (left + right) / 2, bottom + 28);
    ctx.save();
    ctx.translate(9, (top + bottom) / 2);
    ctx.rotate(-Math.PI / 2);
    ctx.fillText(spec.ylabel, 0, 0);
    ctx.restore();
    const empty = !shown.done && !drawn();
    if (empty) ctx.fillText("draw your curve here", ...at(0.5, 0.5));
    ctx.save();
    ctx.beginPath();
    ctx.rect(left - 2, top - 2, right - left + 4, bottom - top + 4);
    ctx.clip();
    if (shown.truth) line(ctx, shown.truth, theme.colour("blue"), [], at);
    const mine = shown.done ? shown.guess : heights;
    if (mine) line(ctx, mine, theme.colour("orange"), shown.done ? [7, 4] : [], at);
    const cursor = column !== null && document.activeElement === canvas && !shown.done;
    if (cursor && heights[column] !== null) {
      ctx.beginPath();
      ctx.arc(...at(column / (n - 1), heights[column]), 6, 0, 7);
      ctx.fillStyle = theme.colour("orange");
      ctx.fill();
    }
    ctx.restore();
    legend.hidden = !shown.done;
  }
  const swatch = (who, text) =>
    make("span", { class: `dlj-swatch dlj-${who}` }, make("i"), text);
  const legend = make(
    "div",
    { class: "dlj-legend", hidden: true },
    swatch("you", "your guess"),
    swatch("measured", "measured"),
  );
  for (const name of ["focus", "blur"]) canvas.addEventListener(name, () => paint());
  return {
    el: make("div", { class: "dlj-sketch" }, canvas, legend, again, spoken),
    // the ends go on as they are
    value() {
      if (drawn() < 2) return null;
      const first = heights.findIndex((h) => h !== null);
      const final = heights.findLastIndex((h) => h !== null);
      return heights.map((_, c) => heights[Math.min(final, Math.max(first, c))]);
    },
    show(state) {
      shown = state;
      tell();
    },
    paint,
  };
}

const INPUTS = {
  choice: optionsInput,
  order: orderInput,
  number: typedInput,
  text: typedInput,
  slider: sliderInput,
  sketch: sketchInput,
};

function render({ model, el }) {
  const spec = model.get("_spec");
  const look = `dlj dlj-card dlj-${spec.mode}`;
  const name = `${spec.title}: ${spec.label}`;
  const root = make("div", { class: look, role: "group", "aria-label": name });
  keepKeys(root);
  el.append(root);
  const asked = make("div", { class: "dlj-asked" });
  asked.innerHTML = spec.html;
  const said = make("div", { class: "dlj-said", "aria-live": "polite" });
  const isQuiz = spec.mode === "quiz";
  const card = {
    answer: (answer) => model.send({ answer }),
    changed: () => {
      if (input) commit.disabled = input.value() === null;
    },
  };
  let input = null;
  const commit = make(
    "button",
    { type: "button", class: "dlj-commit", onclick: () => card.answer(input.value()) },
    isQuiz ? "Check" : "Commit",
  );
  const skip = make(
    "button",
    { type: "button", onclick: () => model.send({ skip: true }) },
    "Show me",
  );
  const bar = make("div", { class: "dlj-padbar" }, commit, isQuiz ? null : skip);
  input = INPUTS[spec.kind](spec, card);
  root.append(make("div", { class: "dlj-title" }, spec.title), asked, input.el, bar, said);

  // Where what had the focus is gone, the verdict has it: keys go on from there.
  function keepFocus(focus) {
    if (!root.contains(focus) || (!focus.disabled && focus.getClientRects().length)) return;
    said.tabIndex = -1;
    said.focus({ preventScroll: true });
  }
  function update() {
    const state = model.get("_state");
    const focus = document.activeElement;
    input.show(state);
    if (said.innerHTML !== state.html) said.innerHTML = state.html || "";
    said.className = `dlj-said dlj-${(state.outcome || "").replaceAll(" ", "-")}`;
    bar.hidden = Boolean(state.done) || (isQuiz && spec.kind === "choice");
    card.changed();
    keepFocus(focus);
  }
  update();
  model.on("change:_state", update);
  const repaint = () => input.paint && input.paint();
  const resize = new ResizeObserver(repaint);
  resize.observe(root);
  const unwatch = watchTheme(repaint);
  const unheard = watchKernel(model, el, root, () => {});
  root.dlj = { model }; // for tests and the curious
  return () => {
    model.off("change:_state", update);
    resize.disconnect();
    unwatch();
    unheard();
  };
}
