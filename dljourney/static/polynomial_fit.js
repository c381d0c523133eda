// The twin of `PolynomialFit.draw` in nbs/demos/polynomial_fit.ipynb.
const HIGHEST = 20;
const N_SHOWN = 60;
const N_VALID = 200;
const N_MOST = 60;
const CURVES = {
  wave: (x) => Math.sin(3 * x),
  step: (x) => (x > 1e-9 ? 0.8 : -0.8),
  "straight line": (x) => 0.8 * x,
};
const GRID = Array.from({ length: 121 }, (_, i) => -1 + i / 60);

// Orthonormal polynomials of degree 0 to HIGHEST at t in [-1, 1].
function legendre(t) {
  const p = [1, t];
  for (let k = 1; k < HIGHEST; k++) p.push(((2 * k + 1) * t * p[k] - k * p[k - 1]) / (k + 1));
  return p.map((v, k) => v * Math.sqrt(2 * k + 1));
}
// Its argument, so that the points reach from -1 to 1.
function scaled(x) {
  const low = Math.min(...x);
  const high = Math.max(...x);
  return (v) => legendre((2 * v - (low + high)) / (high - low));
}

// One QR factorisation by reflections serves every degree and every right-hand side; the ridge is
// rows below.
function factorise(basis, ys, ridge, distinct) {
  const n = basis.length;
  const p = HIGHEST + 1;
  const m = n + p;
  const a = Array.from({ length: p }, (_, k) => {
    const column = new Float64Array(m);
    for (let i = 0; i < n; i++) column[i] = basis[i][k];
    if (k) column[n + k] = Math.sqrt(ridge);
    return column;
  });
  const z = ys.map((y) => {
    const column = new Float64Array(m);
    column.set(y);
    return column;
  });
  for (let k = 0; k < p; k++) {
    let length = 0;
    for (let i = k; i < m; i++) length += a[k][i] * a[k][i];
    length = Math.sqrt(length) * (a[k][k] > 0 ? -1 : 1);
    const v = a[k].slice();
    v.fill(0, 0, k);
    v[k] -= length;
    let square = 0;
    for (let i = k; i < m; i++) square += v[i] * v[i];
    if (!square) continue;
    const reflect = (column) => {
      let dot = 0;
      for (let i = k; i < m; i++) dot += v[i] * column[i];
      dot *= 2 / square;
      for (let i = k; i < m; i++) column[i] -= dot * v[i];
    };
    for (let j = k; j < p; j++) reflect(a[j]);
    z.forEach(reflect);
  }
  const most = ridge ? HIGHEST : distinct - 1;
  return { r: a, z, most };
}
function coefficients({ r, z, most }, row, degree) {
  const c = new Float64Array(degree + 1);
  if (degree > most) return c.fill(NaN); // no single best curve
  for (let i = degree; i >= 0; i--) {
    let rest = z[row][i];
    for (let j = i + 1; j <= degree; j++) rest -= r[j][i] * c[j];
    c[i] = rest / r[i][i];
  }
  return c;
}
const height = (basis, c) => {
  let sum = 0;
  for (let k = 0; k < c.length; k++) sum += c[k] * basis[k];
  return sum;
};
const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
const squares = (basis, ys, c) => mean(basis.map((b, i) => (height(b, c) - ys[i]) ** 2));

const said = (value) => (Number.isNaN(value) ? "no single best curve" : value);
const shown = (e) => Math.min(1e4, Math.max(1e-4, e));

// Errors of every degree and the chosen fit, for one measurement.
function study(x, y, newX, newY, degree, fitted) {
  const at = scaled(x);
  const basis = x.map(at);
  const newBasis = newX.map(at);
  const cs = Array.from({ length: HIGHEST + 1 }, (_, d) => coefficients(fitted(basis), 0, d));
  return {
    train: cs.map((c) => squares(basis, y, c)),
    valid: cs.map((c) => squares(newBasis, newY, c)),
    fit: GRID.map((v) => height(at(v), cs[degree])),
  };
}

// As Python's `code`: a program that fits the same polynomial to the same points.
function program({ degree, n_points: n, noise, ridge, curve, mine }, own) {
  const list = (k) => mine.filter((_, i) => i % 2 === k).join(", ");
  const needs =
    own || mine.length ? "" : "from dljourney.demos.polynomial_fit import CURVES, noise_table\n";
  const points = own
    ? "x, y = ...  # your own points"
    : mine.length
      ? [0, 1]
          .map((k) => `${"xy"[k]} = torch.tensor([${list(k)}], dtype=torch.float64)`)
          .join("\n")
    : [
        `x = torch.linspace(-1, 1, ${n}, dtype=torch.float64)`,
        `noise = torch.tensor(noise_table()["table"][0, :${n}])`,
        `y = CURVES["${curve}"](x) + ${general(noise)} * noise`,
      ].join("\n");
  return [
    `import torch\n${needs}from dljourney.overfitting import polynomial_fits\n`,
    points,
    `fits = polynomial_fits(x, y, degrees=${degree}, ridge=${general(ridge)})`,
    "print((fits(x) - y).square().mean().item())",
  ].join("\n");
}

function frame(seen, x, y, { train, valid, fit }, state, own, figures) {
  const { degree } = state;
  const degrees = train.map((_, d) => d);
  return {
    fit: [
      ...seen,
      lineMark(GRID, fit, { label: "fit" }),
      pointsMark(x, y, { label: "points", into: own ? null : "mine" }),
    ],
    errors: [
      ruleMark({ x: degree }),
      lineMark(degrees, train.map(shown), { label: "training" }),
      lineMark(degrees, valid.map(shown), { colour: "orange", label: "validation" }),
      pointsMark([degree], [shown(train[degree])], { colour: "blue", size: 6 }),
      pointsMark([degree], [shown(valid[degree])], { colour: "orange", size: 6 }),
    ],
    figures: {
      "training error": said(train[degree]),
      "validation error": said(valid[degree]),
      ...figures,
    },
    code: program(state, own),
  };
}
// Python's `.2g`.
function general(value) {
  const e = Number(value.toExponential(1).split("e")[1]);
  if (e >= -4 && e < 2) return String(Number(value.toPrecision(2)));
  const [digits, power] = value.toExponential(1).split("e");
  return `${Number(digits)}e${power[0]}${power.slice(1).padStart(2, "0")}`;
}

function drawOwn(state, data) {
  const { degree, ridge } = state;
  const x = [];
  const y = [];
  const newX = [];
  const newY = [];
  data.own_x.forEach((v, i) => {
    (i % 3 === 2 ? newX : x).push(v);
    (i % 3 === 2 ? newY : y).push(data.own_y[i]);
  });
  let done = null;
  const fitted = (basis) => (done ||= factorise(basis, [y], ridge, new Set(x).size));
  const numbers = study(x, y, newX, newY, degree, fitted);
  const held = pointsMark(newX, newY, { colour: "orange", hollow: true, label: "validation" });
  return frame([held], x, y, numbers, state, true, {});
}

export const demo = {
  draw(state, data) {
    if (data.own_x) return drawOwn(state, data);
    const { degree, n_points: n, noise, ridge, curve, cloud } = state;
    const truth = CURVES[curve];
    const x = Array.from({ length: n }, (_, i) => -1 + (2 * i) / (n - 1));
    const table = data.table.values;
    const copies = Array.from({ length: table.length / N_MOST }, (_, row) =>
      x.map((v, i) => truth(v) + noise * table[row * N_MOST + i]),
    );
    const newX = Array.from({ length: N_VALID }, (_, i) => ((i + 0.5) / N_VALID) * 2 - 1);
    const newY = newX.map((v, i) => truth(v) + noise * data.valid[i]);
    let done = null;
    const truly = { colour: "grey", width: 2, dash: true, label: "truth" };
    const level = GRID.map(truth);
    const seen = [lineMark(GRID, level, truly)];
    if (state.mine.length) {
      const [myX, myY] = [0, 1].map((k) => state.mine.filter((_, i) => i % 2 === k));
      const mine = (basis) => (done ||= factorise(basis, [myY], ridge, new Set(myX).size));
      const found = study(myX, myY, newX, newY, degree, mine);
      return frame(seen, myX, myY, found, state, false, {});
    }
    const fitted = (basis) => (done ||= factorise(basis, copies, ridge, n));
    const numbers = study(x, copies[0], newX, newY, degree, fitted);
    const gridBasis = GRID.map(scaled(x));
    const others = copies.slice(1).map((_, i) => {
      const c = coefficients(done, i + 1, degree);
      return gridBasis.map((b) => height(b, c));
    });
    let bias = 0;
    let variance = 0;
    for (let g = 0; g < GRID.length; g++) {
      let sum = 0;
      let square = 0;
      for (const other of others) sum += other[g];
      const middle = sum / others.length;
      for (const other of others) square += (other[g] - middle) ** 2;
      bias += (middle - level[g]) ** 2 / GRID.length;
      variance += square / others.length / GRID.length;
    }
    if (cloud) {
      const gridX = [];
      const gridY = [];
      const there = degree > done.most ? [] : others.slice(0, N_SHOWN);
      for (const other of there) {
        gridX.push(...GRID, NaN);
        gridY.push(...other, NaN);
      }
      const faint = { colour: "faint", width: 1, label: "other measurements" };
      seen.unshift(lineMark(gridX, gridY, faint));
    }
    return frame(seen, x, copies[0], numbers, state, false, {
      "bias²": said(bias),
      variance: said(variance),
    });
  },
};
