// What a picture says in words, for those who do not see it: made anew from what is drawn.

export const few = (words, most = 8) =>
  words.length > most ? [...words.slice(0, most), `and ${words.length - most} more`] : words;

// How many of each class there are: "12 orange and 9 blue".
function counted(classes) {
  const counts = new Map();
  for (const c of classes) counts.set(c, (counts.get(c) || 0) + 1);
  return [...counts.keys()].toSorted((a, b) => a - b)
    .map((c) => `${counts.get(c)} ${classColour(c)}`).join(" and ");
}

// A curve from end to end, and where it is lowest or highest in between.
function curveWords({ x, y }) {
  const seen = [...x.keys()].filter((i) => Number.isFinite(x[i]) && Number.isFinite(y[i]));
  if (!seen.length) return "nothing yet";
  const value = (i) => formatNumber(Number(y[i]));
  const [first, last] = [seen[0], seen.at(-1)];
  const words = [`${value(first)} at ${formatNumber(Number(x[first]))}`];
  const [low, high] = [-1, 1].map((sign) =>
    seen.reduce((best, i) => (sign * y[i] > sign * y[best] ? i : best), first));
  for (const [name, i] of [["lowest", low], ["highest", high]])
    if (y[i] !== y[first] && y[i] !== y[last])
      words.push(`${name} ${value(i)} at ${formatNumber(Number(x[i]))}`);
  if (last !== first) words.push(`${value(last)} at ${formatNumber(Number(x[last]))}`);
  return words.join(", ");
}

const nameAt = (ticks, place) => {
  const found = (ticks || []).find(([v]) => Math.abs(v - place) < 1e-6);
  return found ? found[1] : formatNumber(Number(place));
};

// A level bar beside its name, or a curve.
function lineWords(m, spec) {
  const level = spec.yticks && m.x.length === 2 && m.y[0] === m.y[1];
  if (level) return `${nameAt(spec.yticks, m.y[0])}: ${formatNumber(Number(m.x[1]))}`;
  return curveWords(m);
}

const MARK_WORDS = {
  line: lineWords,
  points: (m) => {
    if (m.classes) return `${m.x.length} points, ${counted(m.classes)}`;
    if (m.x.length !== 1) return `${m.x.length} points`;
    return `a point at ${formatNumber(Number(m.x[0]))}, ${formatNumber(Number(m.y[0]))}`;
  },
  bars: (m, spec) => few(Array.from(m.x, (v, i) =>
    `${nameAt(spec.xticks, v)}: ${formatNumber(Number(m.height[i]))}`)).join(", "),
  heat: (m) => {
    const middle = (m.lowest + m.highest) / 2;
    const above = m.values.reduce((n, v) => n + (v > middle), 0);
    const share = Math.round((100 * above) / m.values.length);
    return m.colours === "classes" ? `${share} % of the ground is blue` : "hills and valleys";
  },
  rule: (m) => `a line at ${formatNumber(m.x === null ? m.y : m.x)}`,
  note: (m) => m.text,
  handle: (m) => `a handle at ${formatNumber(m.x)}, ${formatNumber(m.y)}`,
};

// The marks of a plot, those with a name first; lines without one are told only where none has any.
export function plotWords(spec, marks) {
  const known = marks.filter((m) => MARK_WORDS[m.mark]);
  const named = known.some((m) => m.mark === "line" && m.label);
  const isTold = ({ mark, label }) =>
    label || (mark === "line" ? !named : mark !== "rule");
  const words = known.filter(isTold).map((m) =>
    `${m.label ? `${m.label}: ` : ""}${MARK_WORDS[m.mark](m, spec)}`);
  return few([...new Set(words)], spec.yticks ? 20 : 8).join("; ");
}

const POINTER_WORDS = {
  handle: "Arrow keys move the handle.",
  points: "Arrow keys move a cross. Enter puts a point there, or takes hold of the one there and " +
    "lets it go; Delete takes it away.",
  click: "Arrow keys move a cross, Enter clicks there.",
  draw: "Arrow keys move the pen, Space lowers and lifts it.",
  pick: "Arrow keys go from picture to picture, Enter takes one.",
};

// A name, what is to be seen now, and which keys do what.
export function tell(canvas, spec, words) {
  const name = spec.label || spec.name;
  const parts = [words ? `${name}: ${words}.` : name, POINTER_WORDS[spec.pointer]];
  const said = parts.filter(Boolean).join(" ");
  if (canvas.getAttribute("aria-label") !== said) canvas.setAttribute("aria-label", said);
}

// A canvas that others can read; where keys do something, a screen reader hands them on.
export const toldCanvas = (spec) =>
  make("canvas", {
    role: spec.pointer ? "application" : "img",
    "aria-label": spec.label || spec.name,
    tabindex: spec.pointer ? 0 : undefined,
  });

// Pictures in a grid: how many, and what stands below them.
export function imagesWords({ images, captions }) {
  const count = images.shape[0];
  const below = captions && count ? `: ${few(captions, 12).join(", ")}` : "";
  return `${count} picture${count === 1 ? "" : "s"}${below}`;
}
