// Pillow's `resize` and `reduce` in the browser, for opaque pictures of 8 bits: byte for byte what
// Pillow 13 makes of the same pixels. A picture is { data, width, height, channels }, its pixels
// one after the other, line by line. (Older Pillows go through lines and columns the other way
// round, which rounds other pixels.)

const FILTERS = {
  bilinear: { support: 1, at: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: { support: 2, at: (signed) => {
    const x = Math.abs(signed);
    if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0;
  } },
};
const BITS = 22; // of what follows the point, in whole numbers

// For each new pixel along a line: the first old one that it sees, and the weight of each.
function weightsAlong(side, from, to, wanted, { support, at }) {
  const scale = Math.fround(to - from) / wanted;
  const stretch = Math.max(scale, 1);
  return Array.from({ length: wanted }, (_, i) => {
    const middle = from + (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(middle - support * stretch + 0.5));
    const last = Math.min(side, Math.trunc(middle + support * stretch + 0.5));
    const raw = Array.from({ length: last - first }, (_, k) =>
      at((k + first - middle + 0.5) * (1 / stretch)));
    const sum = raw.reduce((a, b) => a + b, 0);
    const whole = raw.map((w) => (sum === 0 ? w : w / sum) * 2 ** BITS);
    return { first, weights: whole.map((w) => Math.trunc(w < 0 ? w - 0.5 : w + 0.5)) };
  });
}

// One pass: along lines, or along columns.
function resampled(picture, seen, isAlongLines) {
  const { data, width, height, channels } = picture;
  const [wide, high] = isAlongLines ? [seen.length, height] : [width, seen.length];
  const out = new Uint8ClampedArray(wide * high * channels);
  const step = isAlongLines ? channels : width * channels;
  let to = 0;
  for (let r = 0; r < high; r++) for (let q = 0; q < wide; q++) {
    const { first, weights } = seen[isAlongLines ? q : r];
    const start = isAlongLines ? (r * width + first) * channels : (first * width + q) * channels;
    for (let c = 0; c < channels; c++) {
      let sum = 2 ** (BITS - 1);
      for (let k = 0, at = start + c; k < weights.length; k++, at += step) {
        sum += data[at] * weights[k];
      }
      out[to++] = Math.floor(sum / 2 ** BITS);
    }
  }
  return { data: out, width: wide, height: high, channels };
}

// Means of blocks of `across` by `down` pixels; at the edges of what is there.
export function reduced(picture, [across, down], [left, top, right, bottom]) {
  const { data, width, channels } = picture;
  const [wide, high] = [Math.ceil((right - left) / across), Math.ceil((bottom - top) / down)];
  const out = new Uint8ClampedArray(wide * high * channels);
  for (let r = 0; r < high; r++) for (let q = 0; q < wide; q++) {
    const [y, x] = [top + r * down, left + q * across];
    const [endY, endX] = [Math.min(y + down, bottom), Math.min(x + across, right)];
    const n = (endY - y) * (endX - x);
    const factor = Math.trunc(Math.fround(2 ** 32 / Math.fround(n * 256)));
    for (let c = 0; c < channels; c++) {
      let sum = Math.floor(n / 2);
      for (let i = y; i < endY; i++)
        for (let j = x; j < endX; j++) sum += data[(i * width + j) * channels + c];
      out[(r * wide + q) * channels + c] = Math.floor((sum * factor) / 2 ** 24);
    }
  }
  return { data: out, width: wide, height: high, channels };
}

// A part of a picture, `box` (left, top, right, bottom), at the size [width, height]; a picture
// that is much too large is reduced first, to `gap` times that size or more (0: it is not).
export function resized(picture, size, filter, box, gap = 0) {
  const kind = FILTERS[filter];
  const lengths = [box[2] - box[0], box[3] - box[1]];
  const factors = lengths.map((n, i) => (gap && Math.trunc(n / size[i] / gap)) || 1);
  if (Math.max(...factors) > 1) {
    const around = lengths.map((n, i) => (kind.support - 0.5) * (n / size[i]));
    const safe = [Math.max(0, Math.trunc(box[0] - around[0])),
      Math.max(0, Math.trunc(box[1] - around[1])),
      Math.min(picture.width, Math.ceil(box[2] + around[0])),
      Math.min(picture.height, Math.ceil(box[3] + around[1]))];
    const inside = box.map((v, i) => (v - safe[i % 2]) / factors[i % 2]);
    return resized(reduced(picture, factors, safe), size, filter, inside);
  }
  const edges = box.map(Math.fround);
  const along = (i) => {
    const [side, from, to, wanted] = [i ? picture.height : picture.width, edges[i], edges[i + 2],
      size[i]];
    if (from === 0 && to === side && side === wanted) return (one) => one;
    const seen = weightsAlong(side, from, to, wanted, kind);
    return (one) => resampled(one, seen, i === 0);
  };
  const [less, lower] = [picture.width - size[0], picture.height - size[1]];
  const columnsFirst = lower > 0 && lower > 2 * less; // as Pillow 13 does it
  return columnsFirst ? along(0)(along(1)(picture)) : along(1)(along(0)(picture));
}
