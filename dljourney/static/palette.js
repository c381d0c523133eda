// Colours that follow the front end's theme.

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

export const classColour = (i) => CLASS_COLOURS[((i % 6) + 6) % 6];

export function rgb(colour) {
  if (colour[0] === "#") return [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
  return (colour.match(/[\d.]+/g) || [128, 128, 128]).slice(0, 3).map(Number);
}

// The theme as `root` meets it: its own text colour says whether the page is light or dark.
export function themeOf(root) {
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
    classColour: (i) => palette[classColour(i)],
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
export function watchTheme(redraw) {
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
