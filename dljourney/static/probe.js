// A last layer for some pictures at once, and what it would have said of each had it not learned
// from it: `probe` of kit.models with `best_head` of chapter 01 (head.js), in double precision.
// Pictures are fewer than features as a rule, so what is solved has a row for each picture.

// How much each picture has in common with each, and more so with itself: as best_head has it.
function likeness(far) {
  const [n, width] = [far.length, far[0].length];
  const alike = new Float64Array(n * n);
  let size = 0;
  for (let i = 0; i < n; i++) for (let j = 0; j <= i; j++) {
    let sum = 0;
    for (let k = 0; k < width; k++) sum += far[i][k] * far[j][k];
    alike[i * n + j] = alike[j * n + i] = sum;
    if (i === j) size += sum / width;
  }
  for (let i = 0; i < n; i++) alike[i * n + i] += size;
  return { alike, size };
}

// Which sharpness suits scores of pictures that were left out; null: nothing tells. Numbers have 32
// bits, as Python's: a picture that is told apart well enough costs nothing there.
function sharpnessFor(leftOut, y) {
  const known = [...y.keys()].filter((i) => y.filter((which) => which === y[i]).length > 1);
  if (!known.length) return null;
  const lossAt = (sharp) => known.reduce((sum, i) => {
    const scores = leftOut[i].map((v) => sharp * v);
    const most = Math.max(...scores);
    const grown = scores.map((v) => Math.exp(v - most));
    return sum + lossOf(grown, scores[y[i]] - most);
  }, 0);
  const tried = Array.from({ length: 81 }, (_, k) => Math.fround(10 ** (k / 40)));
  const losses = tried.map(lossAt);
  return tried[losses.indexOf(Math.min(...losses))];
}
const lossOf = (grown, right) =>
  Math.fround(Math.log(grown.reduce((sum, v) => Math.fround(sum + v), 0))) - right;

// `rows`: one weight row and one bias for each thing; `leftOut`: the scores of each picture by a
// layer that never saw it. `y` says which thing each row of features is.
export function probeOf(features, y, things) {
  const n = features.length;
  const { middle, far } = centred(features);
  const { alike, size } = likeness(far);
  if (!(size > 0)) throw new Error("views: expected features that differ from picture to " +
    `picture, got the same for all ${n}; look at the pictures`);
  const shares = Array.from({ length: things }, (_, thing) =>
    y.filter((which) => which === thing).length / n);
  const targets = shares.map((share, thing) => y.map((which) => (which === thing) - share));
  const units = y.map((_, i) => Float64Array.from({ length: n }, (__, j) => Number(i === j)));
  const found = solved(alike, [...targets, ...units], n);
  const pulls = found.slice(0, things);
  const left = y.map((which, i) => Float32Array.from(pulls, (pull, thing) => {
    const free = size * found[things + i][i] - 1 / n; // how little the picture answers itself
    return (which === thing) - (size * pull[i]) / free;
  }));
  const sharp = sharpnessFor(left, y);
  const rows = pulls.map((pull, thing) => {
    const weight = new Float64Array(middle.length);
    far.forEach((z, i) => z.forEach((v, k) => { weight[k] += v * pull[i]; }));
    const bias = shares[thing] - weight.reduce((sum, w, k) => sum + w * middle[k], 0);
    const factor = sharp ?? SHARPNESS;
    return { weight: weight.map((w) => factor * w), bias: factor * bias };
  });
  return { rows, leftOut: left.map((scores) => scores.map((v) => (sharp ?? 1) * v)) };
}
