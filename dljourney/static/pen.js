// Pillow's thick lines in the browser, pixel for pixel: `line(..., joint="curve")` and `ellipse` of
// ImageDraw, for a pen of more than 8 pixels. A paper is { data, side }: a square, 255 is ink.

const { fround } = Math;
// To whole numbers, halves away from zero, and towards it.
const roundUp = (v) => (v < 0 ? -Math.floor(0.5 - v) : Math.floor(v + 0.5));
const roundDown = (v) => (v < 0 ? -Math.ceil(-v - 0.5) : Math.ceil(v - 0.5));

// The pixels of a row from `left` to `right`, both of them too.
function row({ data, side }, y, left, right) {
  if (y < 0 || y >= side || right < 0) return;
  const [from, to] = [Math.max(left, 0), Math.min(right, side - 1)];
  if (from <= to) data.fill(255, y * side + from, y * side + to + 1);
}

// -- polygons -------------------------------------------------------------------------------------

function edgeOf(x0, y0, x1, y1) {
  const dx = y0 === y1 ? 0 : fround((x1 - x0) / (y1 - y0));
  return { x0, y0, x1, dx, low: Math.min(y0, y1), high: Math.max(y0, y1) };
}
const crossing = (edge, y) => fround(fround((y - edge.y0) * edge.dx) + edge.x0);

// Where edge i meets a row in which it ends: where it makes a corner with an edge before it, not
// farther out than the next row goes.
function corner(edges, i, y) {
  const edge = edges[i];
  const x = crossing(edge, y);
  const next = y === edge.high ? y - 1 : y + 1;
  for (let k = 0; k < i; k++) {
    const other = edges[k];
    if ((y !== other.low && y !== other.high) || other.dx === 0 || next < other.low
      || next > other.high || roundUp(x) !== roundUp(crossing(other, y))) continue;
    const [a, b] = [crossing(edge, next), crossing(other, next)];
    if (x > fround(a + 1) && x > fround(b + 1)) return roundUp(Math.max(a, b)) + 1;
    if (x < fround(a - 1) && x < fround(b - 1)) return roundUp(Math.min(a, b)) - 1;
    return x;
  }
  return x;
}

function fillPolygon(paper, all) {
  let [first, last] = [paper.side - 1, 0];
  for (const { x0, x1, low, high } of all) {
    first = Math.max(0, Math.min(first, low));
    last = Math.min(paper.side, Math.max(last, high));
    if (low === high) row(paper, low, Math.min(x0, x1), Math.max(x0, x1));
  }
  const edges = all.filter(({ low, high }) => low !== high);
  for (let y = first; y <= last; y++) {
    const found = [];
    for (let i = 0; i < edges.length; i++) {
      const edge = edges[i];
      if (y < edge.low || y > edge.high) continue;
      const isEnd = y === edge.low || y === edge.high;
      if (y === edge.high && y < last) { // the polygon goes on: counted twice
        const x = crossing(edge, y);
        found.push(x, x);
      } else found.push(isEnd && edge.dx !== 0 ? corner(edges, i, y) : crossing(edge, y));
    }
    if (found.length > 2) found.sort((a, b) => a - b);
    for (let i = 1; i < found.length; i += 2)
      row(paper, y, roundUp(Math.min(found[i - 1], found[i])),
        roundDown(Math.max(found[i - 1], found[i])));
  }
}

// A line without round ends; between whole pixels.
function wideLine(paper, ax, ay, bx, by, width) {
  const [x0, y0, x1, y1] = [Math.trunc(ax), Math.trunc(ay), Math.trunc(bx), Math.trunc(by)];
  const [dx, dy] = [x1 - x0, y1 - y0];
  if (dx === 0 && dy === 0) {
    row(paper, y0, x0, x0);
    return;
  }
  const [reach, length] = [(width - 1) / 2, Math.hypot(dx, dy)];
  const [more, less] = [roundUp(reach) / length, roundDown(reach) / length];
  const [left, right] = [roundDown(less * dy), roundDown(more * dy)];
  const [down, up] = [roundDown(more * dx), roundDown(less * dx)];
  fillPolygon(paper, [
    edgeOf(x0 - left, y0 + down, x1 - left, y1 + down),
    edgeOf(x1 - left, y1 + down, x1 + right, y1 - up),
    edgeOf(x1 + right, y1 - up, x0 + right, y0 - up),
    edgeOf(x0 + right, y0 - up, x0 - left, y0 + down),
  ]);
}

// -- circles --------------------------------------------------------------------------------------

// An ellipse of width a and height b, as rows { y, from, to } on a grid of half pixels around its
// middle, each row in two parts.
const ellipses = new Map();
function ellipseRows(a, b) {
  const name = `${a} ${b}`;
  if (!ellipses.has(name)) ellipses.set(name, newEllipse(a, b));
  return ellipses.get(name);
}
function newEllipse(a, b) {
  const off = (x, y) => Math.abs(a * a * y * y + b * b * x * x - a * a * b * b);
  const rows = [];
  let [x, y] = [a, b % 2];
  let isNew = true;
  for (;;) {
    if (isNew) for (const at of y ? [-y, y] : [0]) {
      rows.push({ y: at, from: -x, to: a % 2 ? -1 : 0 });
      if (a % 2 || x > 0) rows.push({ y: at, from: a % 2 ? 1 : 2, to: x });
    }
    if (x === a % 2 && y === b) return rows;
    const ways = [[x, y + 2], ...(x > 1 ? [[x - 2, y + 2], [x - 2, y]] : [])];
    const next = ways.reduce((best, way) => (off(...way) < off(...best) ? way : best));
    isNew = next[1] !== y;
    [x, y] = next;
  }
}

function fillEllipse(paper, [x0, y0, x1, y1]) {
  const [a, b] = [x1 - x0, y1 - y0];
  for (const { y, from, to } of ellipseRows(a, b))
    row(paper, y0 + ((y + b) >> 1), x0 + ((from + a) >> 1), x0 + ((to + a) >> 1));
}

// Where the half plane a x + b y >= 0 leaves of a row what begins, and what ends at x.
function startIn({ a, b }, y, x) {
  if (Math.abs(a) < 1e-9) return b * y < -1e-9 ? Infinity : x;
  return a * x + b * y < 1e-9 ? roundUp(Math.max(x, -(b * y) / a)) : x;
}
function endIn({ a, b }, y, x) {
  if (Math.abs(a) < 1e-9) return b * y < -1e-9 ? -Infinity : x;
  return a * x + b * y < 1e-9 ? roundUp(Math.min(x, -(b * y) / a)) : x;
}

// Degrees as Pillow takes them: start in [0, 360), end no less than it; in numbers of 32 bits.
function turnsOf(from, to) {
  let [start, end] = [fround(from), fround(to)];
  if (fround(end - start) >= 360) return [0, 360];
  start = fround((start < 0 ? 360 - (-start % 360) : start) % 360);
  const less = fround(start - end);
  end = fround(start + fround((end < start ? 360 - (less % 360) : fround(end - start)) % 360));
  return [start, end];
}

// The part of an ellipse between two angles, clockwise.
function fillPie(paper, [x0, y0, x1, y1], from, to) {
  const [start, end] = turnsOf(from, to);
  if (start === end) return;
  const arc = fround(end - start);
  const [a, b] = [x1 - x0, y1 - y0];
  const at = (v) => [a * Math.cos((v * Math.PI) / 180), b * Math.sin((v * Math.PI) / 180)];
  const [[xl, yl], [xr, yr]] = [at(start), at(end)];
  const sides = [{ a: -yl, b: xl }, { a: yr, b: -xr }];
  if (arc < 90) sides.push({ a: (xl + xr) / 2, b: (yl + yr) / 2 }); // no spikes
  const draw = (y, left, right) => {
    if (left <= right)
      row(paper, y0 + ((y + b) >> 1), x0 + ((left + a) >> 1), x0 + ((right + a) >> 1));
  };
  for (const part of ellipseRows(a, b)) {
    let [left, right] = [part.from, part.to];
    for (const side of sides) {
      const l = startIn(side, part.y, part.from);
      const r = endIn(side, part.y, part.to);
      if (arc >= 180) draw(part.y, l, r);
      left = Math.max(left, l);
      right = Math.min(right, r);
    }
    draw(part.y, left, right);
  }
}

// -- lines ----------------------------------------------------------------------------------------

const around = (x, y, reach) =>
  [x - reach, y - reach, x + reach, y + reach].map(Math.trunc);

// The direction of a line, in degrees: 0 is up, and clockwise from there.
function heading(ax, ay, bx, by) {
  const turned = (Math.atan2(bx - ax, ay - by) * (180 / Math.PI)) % 360;
  return turned < 0 ? turned + 360 : turned;
}

// Round the outer side of a bend, and close the gap to the lines beside it.
function drawJoint(paper, [ax, ay], [x, y], [bx, by], width) {
  const [first, second] = [heading(ax, ay, x, y), heading(x, y, bx, by)];
  if (first === second) return;
  const isFlipped = second > first ? second - 180 > first : second + 180 > first;
  const side = isFlipped ? 90 : -90;
  const [from, to] = isFlipped ? [second, first] : [first, second];
  fillPie(paper, around(x, y, width / 2 - 1), from + side - 90, to + side - 90);
  for (const angle of [first, second]) {
    const turned = (angle + side - 90) * (Math.PI / 180);
    const beside = [x + Math.trunc((width / 2 - 1) * Math.cos(turned)),
      y + Math.trunc((width / 2 - 1) * Math.sin(turned))];
    if (angle === first) wideLine(paper, ...beside, x, y, 3);
    else wideLine(paper, x, y, ...beside, 3);
  }
}

// A stroke through points: lines, round where they bend and at both ends.
export function drawStroke(paper, points, width) {
  for (let i = 1; i < points.length; i++)
    wideLine(paper, ...points[i - 1], ...points[i], width);
  for (let i = 1; i < points.length - 1; i++)
    drawJoint(paper, points[i - 1], points[i], points[i + 1], width);
  for (const [x, y] of [points[0], points.at(-1)]) fillEllipse(paper, around(x, y, width / 2));
}
