// Colours that follow the front end's theme, and canvases that stay sharp on any screen.

const PALETTES = {
  light: {
    blue: "#1f6fb4", orange: "#d9730d", green: "#2b8a57", red: "#c93c37", purple: "#7b52ab",
    grey: "#6e7781", faint: "#d0d7de", grid: "#e6e9ed",
    mid: "#f4f4f2", low: "#e9efe6", high: "#3b4a8c",
  },
  dark: {
    blue: "#6cb2f5", orange: "#f5a45d", green: "#6cc995", red: "#f2857e", purple: "#b99af0",
    grey: "#9aa4af", faint: "#454d57", grid: "#2d333b",
    mid: "#23272e", low: "#1f2a33", high: "#9db4ff",
  },
};
const CLASS_COLOURS = ["orange", "blue", "green", "purple", "red", "grey"];

function rgb(colour) {
  if (colour[0] === "#") return [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
  return (colour.match(/[\d.]+/g) || [128, 128, 128]).slice(0, 3).map(Number);
}

// The theme as `root` meets it: its own text colour says whether the page is light or dark.
function themeOf(root) {
  const ink = getComputedStyle(root).color;
  const [r, g, b] = rgb(ink);
  const dark = 0.3 * r + 0.59 * g + 0.11 * b > 128;
  const palette = PALETTES[dark ? "dark" : "light"];
  const tables = {};
  const theme = {
    dark,
    ink,
    size: parseFloat(getComputedStyle(root).fontSize) || 13,
    colour: (name) =>
      name === "ink" || name === undefined || name === null ? ink : palette[name] || name,
    classColour: (i) => palette[CLASS_COLOURS[((i % 6) + 6) % 6]],
    table: (name) => (tables[name] ||= colourTable(name, palette)),
  };
  return theme;
}

// 256 colours for heat maps: "classes" runs orange - background - blue, "depth" from a hill to a
// valley, "grey" as ink.
function colourTable(name, palette) {
  const stops = {
    classes: [palette.orange, palette.mid, palette.blue],
    depth: [palette.high, palette.low],
    grey: ["#000000", "#ffffff"],
  }[name] || [palette.mid, palette.blue];
  const ends = stops.map(rgb);
  const table = new Uint8ClampedArray(256 * 3);
  for (let i = 0; i < 256; i++) {
    const at = (i / 255) * (ends.length - 1);
    const k = Math.min(Math.floor(at), ends.length - 2);
    for (let c = 0; c < 3; c++)
      table[3 * i + c] = ends[k][c] + (at - k) * (ends[k + 1][c] - ends[k][c]);
  }
  return table;
}

// The attributes in which front ends say which theme they wear.
const THEMED = ["class", "style", "theme", "data-jp-theme-name", "data-jp-theme-light",
  "data-vscode-theme-kind"];

// Calls `redraw` when the page turns light or dark. Returns a function that stops watching.
function watchTheme(redraw) {
  const observer = new MutationObserver(redraw);
  for (const node of [document.documentElement, document.body]) {
    observer.observe(node, { attributes: true, attributeFilter: THEMED });
  }
  const media = window.matchMedia("(prefers-color-scheme: dark)");
  media.addEventListener("change", redraw);
  return () => {
    observer.disconnect();
    media.removeEventListener("change", redraw);
  };
}

// A canvas context of `width` x `height` CSS pixels, whatever the screen's density.
function sharpContext(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  const w = Math.max(1, Math.round(width * ratio));
  const h = Math.max(1, Math.round(height * ratio));
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
  }
  canvas.style.height = `${height}px`;
  const ctx = canvas.getContext("2d");
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.clearRect(0, 0, width, height);
  return ctx;
}

// Paint a grid of numbers (row 0 at the bottom) into a small canvas, ready to be scaled up.
function paintGrid(values, rows, cols, low, high, table, levels) {
  const canvas = document.createElement("canvas");
  canvas.width = cols;
  canvas.height = rows;
  const ctx = canvas.getContext("2d");
  const image = ctx.createImageData(cols, rows);
  const scale = 1 / (high - low || 1);
  for (let r = 0; r < rows; r++) {
    let out = 4 * cols * (rows - 1 - r);
    for (let c = 0; c < cols; c++) {
      let t = Math.min(1, Math.max(0, (values[r * cols + c] - low) * scale));
      if (levels) t = Math.min(levels - 1, Math.floor(t * levels)) / (levels - 1);
      const k = 3 * Math.round(255 * t);
      image.data[out++] = table[k];
      image.data[out++] = table[k + 1];
      image.data[out++] = table[k + 2];
      image.data[out++] = Number.isNaN(t) ? 0 : 255;
    }
  }
  ctx.putImageData(image, 0, 0);
  return canvas;
}

// Which way an arrow key goes: columns to the right, rows down.
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const FOCUSABLE = ["button", "input", "select", "canvas", "summary", "pre", "ol"];

// An element with attributes, listeners (onclick: ...) and children. Jupyter leaves its keys alone.
function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  if (FOCUSABLE.includes(tag)) node.dataset.lmSuppressShortcuts = "true";
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "style") node.style.cssText = value; // which a content policy allows
    else if (value !== undefined && value !== null && value !== false)
      node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

// Keys pressed inside a demo are the demo's: the notebook must not move on an arrow or delete a
// cell on "d d".
// Shift+Enter, Ctrl and Command keys, Tab and Escape still reach the notebook.
function keepKeys(root) {
  root.addEventListener("keydown", (event) => {
    const theirs =
      event.ctrlKey ||
      event.metaKey ||
      event.altKey ||
      event.key === "Tab" ||
      event.key === "Escape" ||
      (event.shiftKey && event.key === "Enter");
    if (!theirs) event.stopPropagation();
  });
}

// Where the focus is inside `el`, so that it is there again, or beside it, when that was built
// anew.
function holding(el) {
  const focus = document.activeElement;
  const name = (node) => node.getAttribute("aria-label") || node.title;
  const reachable = () => [...el.querySelectorAll(FOCUSABLE.join(", "))]
    .filter((node) => !node.disabled && node.getClientRects().length);
  const place = el.contains(focus) ? reachable().indexOf(focus) : -1;
  return () => {
    if (place < 0 || el.contains(focus)) return;
    const now = reachable();
    const same = name(focus) && now.find((node) => name(node) === name(focus));
    const next = same || now[Math.min(place, now.length - 1)];
    if (next) next.focus({ preventScroll: true });
  };
}

// The place of an error: below everything, so that nothing moves under a pen when it comes; and
// where it once was it stays reserved, so that nothing moves when it goes.
function errorPlace() {
  const text = make("div", { class: "dlj-error", role: "alert", hidden: true });
  const el = make("div", { class: "dlj-errors" }, text);
  const show = (failure) => {
    if (text.textContent === (failure || "")) return;
    text.hidden = !failure;
    text.textContent = failure || "";
    el.style.minHeight = `${Math.max(el.offsetHeight, parseFloat(el.style.minHeight) || 0)}px`;
  };
  return { el, show };
}

function formatNumber(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value);
  const text = value.toPrecision(3);
  return text.includes("e") ? value.toExponential(1) : text;
}
