// Controls from a specification: native inputs, so that keys and screen readers work as everywhere.

function sliderControl(spec, view, id) {
  const steps = 400;
  const log = spec.log;
  const toValue = (raw) => {
    if (!log) return Number(raw);
    if (spec.zero && Number(raw) === 0) return 0;
    return Number((spec.low * (spec.high / spec.low) ** (raw / steps)).toPrecision(2));
  };
  const toRaw = (value) => {
    if (!log) return value;
    if (spec.zero && value < spec.low) return 0;
    return Math.round((steps * Math.log(value / spec.low)) / Math.log(spec.high / spec.low));
  };
  const input = make("input", {
    type: "range",
    id,
    min: log ? 0 : spec.low,
    max: log ? steps : spec.high,
    step: log ? 1 : spec.step,
  });
  const decimals = (String(spec.step).split(".")[1] || "").length;
  const output = make("output", { for: id });
  const show = (value) => {
    const text = log ? formatNumber(value) : Number(value).toFixed(decimals);
    output.textContent = text + (spec.unit ? ` ${spec.unit}` : "");
    input.setAttribute("aria-valuetext", output.textContent);
    input.style.setProperty(
      "--filled",
      `${(100 * (input.value - input.min)) / (input.max - input.min || 1)}%`,
    );
  };
  input.addEventListener("input", () => {
    show(toValue(input.value));
    if (!spec.on_release) view.set({ [spec.name]: toValue(input.value) }, false);
  });
  input.addEventListener("change", () => view.set({ [spec.name]: toValue(input.value) }, true));
  const update = (value) => {
    if (toValue(input.value) !== value) input.value = toRaw(value);
    show(value);
  };
  return {
    el: make("div", { class: "dlj-slider" }, make("label", { for: id }, spec.label), output, input),
    update,
  };
}

function choiceControl(spec, view, id) {
  const few = spec.options.length <= 4 && spec.options.join("").length <= 18;
  const pick = (option) => view.set({ [spec.name]: option }, true);
  if (!few) {
    const select = make(
      "select",
      { id, onchange: () => pick(spec.options[select.selectedIndex]) },
      ...spec.options.map((o) => make("option", {}, String(o))),
    );
    return {
      el: make("div", { class: "dlj-select" }, make("label", { for: id }, spec.label), select),
      update: (value) => {
        select.selectedIndex = spec.options.indexOf(value);
      },
    };
  }
  const radios = spec.options.map((o, i) =>
    make("input", {
      type: "radio",
      name: id,
      id: `${id}-${i}`,
      value: String(o),
      onchange: () => pick(o),
    }),
  );
  const group = make(
    "div",
    { class: "dlj-choice", role: "radiogroup", "aria-label": spec.label },
    ...radios.flatMap((r, i) => [r, make("label", { for: r.id }, String(spec.options[i]))]),
  );
  return {
    el: make("div", {}, make("span", { class: "dlj-label" }, spec.label), group),
    update: (value) =>
      radios.forEach((r) => {
        r.checked = r.value === String(value);
      }),
  };
}

function picksControl(spec, view, id) {
  const pick = () =>
    view.set({ [spec.name]: spec.options.filter((_, i) => boxes[i].checked) }, true);
  const boxes = spec.options.map((o, i) =>
    make("input", { type: "checkbox", id: `${id}-${i}`, onchange: pick }),
  );
  const group = make(
    "div",
    { class: "dlj-picks", role: "group", "aria-label": spec.label },
    ...boxes.flatMap((b, i) => [b, make("label", { for: b.id }, String(spec.options[i]))]),
  );
  return {
    el: make("div", {}, make("span", { class: "dlj-label" }, spec.label), group),
    update: (value) =>
      boxes.forEach((b, i) => {
        b.checked = value.includes(spec.options[i]);
      }),
  };
}

function toggleControl(spec, view, id) {
  const input = make("input", {
    type: "checkbox",
    id,
    onchange: () => view.set({ [spec.name]: input.checked }, true),
  });
  return {
    el: make("div", { class: "dlj-toggle" }, input, make("label", { for: id }, spec.label)),
    update: (value) => {
      input.checked = value;
    },
  };
}

function buttonControl(spec, view) {
  const el = make(
    "button",
    { type: "button", onclick: () => view.send({ press: spec.name }) },
    spec.label,
  );
  return { el, update: () => {} };
}

// Numbers that have no control: points on a panel set them.
function numbersControl() {
  return { el: make("div"), update: () => {} };
}

export const CONTROLS = {
  numbers: numbersControl,
  slider: sliderControl,
  choice: choiceControl,
  picks: picksControl,
  toggle: toggleControl,
  button: buttonControl,
};

// Play, pause, step and reset, for demos whose work goes on while you watch.
export function runStrip(view, label) {
  const play = make("button", {
    type: "button",
    class: "dlj-play",
    onclick: () => view.set({ playing: !view.get("playing") }, true),
  });
  const step = make(
    "button",
    {
      type: "button",
      "aria-label": "Step",
      title: "One step",
      onclick: () => view.send({ press: "step" }),
    },
    "▶❙",
  );
  const reset = make(
    "button",
    {
      type: "button",
      "aria-label": "Reset",
      title: "Start again",
      onclick: () => view.send({ press: "reset" }),
    },
    "↺",
  );
  const update = () => {
    const on = view.get("playing");
    play.textContent = on ? "❚❚ Pause" : `▶ ${label}`;
    play.setAttribute("aria-pressed", on);
    step.disabled = on;
  };
  return {
    el: make("div", { class: "dlj-run", role: "group", "aria-label": "Run" }, play, step, reset),
    update,
  };
}
