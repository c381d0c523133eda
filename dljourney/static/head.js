// The last layer that comes nearest to 1 for the right thing and to 0 for others: `best_head` of
// chapter 01, in double precision.
export const SHARPNESS = 6; // of answers, where nothing tells a better one

// Solves a x = b for several b at once, where a (n x n) is symmetric and its values are positive.
export function solved(a, b, n) {
  const low = Float64Array.from(a); // a = low times its mirror image
  for (let i = 0; i < n; i++) for (let j = 0; j <= i; j++) {
    let rest = low[i * n + j];
    for (let k = 0; k < j; k++) rest -= low[i * n + k] * low[j * n + k];
    low[i * n + j] = i === j ? Math.sqrt(rest) : rest / low[j * n + j];
  }
  return b.map((column) => {
    const x = Float64Array.from(column);
    for (let i = 0; i < n; i++) {
      for (let k = 0; k < i; k++) x[i] -= low[i * n + k] * x[k];
      x[i] /= low[i * n + i];
    }
    for (let i = n - 1; i >= 0; i--) {
      x[i] /= low[i * n + i];
      for (let k = 0; k < i; k++) x[k] -= low[i * n + k] * x[i];
    }
    return x;
  });
}

// For each feature how far it is from its mean, row by row; and the means.
export function centred(rows) {
  const width = rows[0].length;
  const middle = new Float64Array(width);
  for (const row of rows) for (let i = 0; i < width; i++) middle[i] += row[i] / rows.length;
  return { middle, far: rows.map((row) => Float64Array.from(row, (v, i) => v - middle[i])) };
}

// One weight row and one bias for each thing; `y` says which thing each row of features is.
export function bestHead(features, y, things, sharpness = SHARPNESS) {
  const [n, width] = [features.length, features[0].length];
  const { middle, far } = centred(features);
  const spread = new Float64Array(width * width);
  for (const z of far) for (let i = 0; i < width; i++) {
    const share = z[i] / n;
    for (let j = 0; j <= i; j++) spread[i * width + j] += share * z[j];
  }
  let size = 0;
  for (let i = 0; i < width; i++) size += spread[i * width + i] / width;
  for (let i = 0; i < width; i++) {
    spread[i * width + i] += size;
    for (let j = 0; j < i; j++) spread[j * width + i] = spread[i * width + j];
  }
  const known = Array.from({ length: things }, (_, thing) =>
    y.reduce((sum, which) => sum + (which === thing), 0) / n); // the share of each
  const together = known.map((share, thing) => {
    const sums = new Float64Array(width);
    far.forEach((z, r) => {
      const off = ((y[r] === thing) - share) / n;
      for (let i = 0; i < width; i++) sums[i] += z[i] * off;
    });
    return sums;
  });
  return solved(spread, together, width).map((weight, thing) => {
    const bias = known[thing] - weight.reduce((sum, w, i) => sum + w * middle[i], 0);
    return { weight: weight.map((w) => sharpness * w), bias: sharpness * bias };
  });
}
