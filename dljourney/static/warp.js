// Pictures turned, slanted, stretched, moved and bent a little, as by another hand: `warped` of
// chapter 01, from the same dice. A picture is `side` x `side` numbers from 0 to 1.
const AMOUNT = { degrees: 10, zoom: 0.15, shift: 0.08, shear: 0.15, warp: 0.04, light: 0.1 };

// How much each of four neighbours counts between the middle two: torch's bicubic.
function cubic(t) {
  const near = (d) => ((1.25 * d - 2.25) * d) * d + 1;
  const far = (d) => ((-0.75 * d + 3.75) * d - 6) * d + 3;
  return [far(t + 1), near(t), near(1 - t), far(2 - t)];
}

// 4 x 4 numbers, made `side` x `side` smoothly, corner to corner.
function spreadOut(few, side) {
  const seen = Array.from({ length: side }, (_, i) => {
    const at = (i * 3) / (side - 1);
    const first = Math.min(3, Math.floor(at));
    const places = [-1, 0, 1, 2].map((d) => Math.min(3, Math.max(0, first + d)));
    return { places, shares: cubic(at - first) };
  });
  const out = new Float64Array(side * side);
  seen.forEach((down, r) => seen.forEach((along, c) => {
    let sum = 0;
    down.places.forEach((y, i) => along.places.forEach((x, j) => {
      sum += down.shares[i] * along.shares[j] * few[4 * y + x];
    }));
    out[r * side + c] = sum;
  }));
  return out;
}

// What a picture holds at a place between its pixels; beyond an edge, what is at the edge.
function lookUp(picture, side, gx, gy) {
  const [x, y] = [gx, gy].map((g) => Math.min(side - 1, Math.max(0, ((g + 1) * side - 1) / 2)));
  const [left, top] = [Math.floor(x), Math.floor(y)];
  const [right, low] = [Math.min(side - 1, left + 1), Math.min(side - 1, top + 1)];
  const [u, v] = [x - left, y - top];
  const row = (r) => (1 - u) * picture[r * side + left] + u * picture[r * side + right];
  return (1 - v) * row(top) + v * row(low);
}

// A function that gives the warped version of picture `i` of n; all their numbers are thrown first.
export function warpsOf(n, side, seed = 0) {
  const dice = diceOf(seed);
  const around = (many) => dice.uniform(many).map((v) => v * 2 - 1);
  const angles = around(n).map((v) => (v * AMOUNT.degrees * Math.PI) / 180);
  const sizes = around(n).map((v) => Math.exp(v * Math.log1p(AMOUNT.zoom)));
  const slants = around(n).map((v) => v * AMOUNT.shear);
  const moves = around(2 * n).map((v) => v * 2 * AMOUNT.shift);
  const bends = around(32 * n).map((v) => v * 2 * AMOUNT.warp);
  const gains = around(n).map((v) => 1 + v * AMOUNT.light);
  const offsets = around(n).map((v) => (v * AMOUNT.light) / 2);
  return (picture, i) => {
    const [cos, sin] = [Math.cos(angles[i]) / sizes[i], Math.sin(angles[i]) / sizes[i]];
    const [bendX, bendY] = [0, 1].map((k) =>
      spreadOut(bends.subarray(32 * i + 16 * k, 32 * i + 16 * (k + 1)), side));
    const out = new Float64Array(side * side);
    for (let k = 0; k < out.length; k++) {
      const [x, y] = [k % side, Math.floor(k / side)].map((p) => (2 * p + 1) / side - 1);
      const gx = cos * x + (sin + slants[i]) * y + moves[2 * i] + bendX[k];
      const gy = -sin * x + cos * y + moves[2 * i + 1] + bendY[k];
      out[k] = lookUp(picture, side, gx, gy);
    }
    const middle = out.reduce((a, b) => a + b, 0) / out.length;
    return out.map((v) =>
      Math.min(1, Math.max(0, (v - middle) * gains[i] + middle + offsets[i])));
  };
}
