// Marks for the demos whose maths runs here, with the defaults of their Python twins.

const EDGES = { x: [-1, 1], y: [-1, 1] };

export const lineMark = (x, y, more) =>
  ({ mark: "line", x, y, colour: "blue", width: 2.5, dash: false, label: null, ...more });
export const pointsMark = (x, y, more) => ({
  mark: "points", x, y, colour: "ink", classes: null, size: 4, hollow: false, label: null,
  into: null, ...more,
});
export const heatMark = (values, shape, more) => ({
  mark: "heat", values, shape, ...EDGES, lowest: -1, highest: 1, colours: "classes", levels: 0,
  smooth: true, alpha: 1, ...more,
});
export const contoursMark = (values, shape, levels, more) =>
  ({ mark: "contours", values, shape, levels, ...EDGES, colour: "grey", width: 1, ...more });
export const barsMark = (x, height, more) =>
  ({ mark: "bars", x, height, width: 0.8, colour: "blue", label: null, ...more });
export const ruleMark = (more) =>
  ({ mark: "rule", x: null, y: null, colour: "grey", dash: true, label: null, ...more });
export const noteMark = (x, y, text, more) =>
  ({ mark: "note", x, y, text, colour: "ink", align: "center", bold: false, ...more });
export const handleMark = (x, y, bind, more) =>
  ({ mark: "handle", x, y, bind, colour: "red", ...more });
