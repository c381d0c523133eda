// From a picture to the numbers that a network looks at, in the browser: what `Preprocess` of
// kit.pictures does, with the pixels of resize.js. `wants` holds the fields of a `Preprocess`.

// as Python rounds
export const EVEN = (v) => (v % 1 === 0.5 ? 2 * Math.round(v / 2) : Math.round(v));

// What to keep of a picture, as a box, and the [rows, columns] that it becomes.
function keptPart(width, height, [rows, columns], fit) {
  if (fit === "crop") {
    const scale = Math.min(width / columns, height / rows);
    const [w, h] = [columns * scale, rows * scale];
    const [left, top] = [Math.max(0, (width - w) / 2), Math.max(0, (height - h) / 2)];
    const box = [left, top, Math.min(left + w, width), Math.min(top + h, height)];
    return { box, size: [rows, columns] };
  }
  const box = [0, 0, width, height];
  if (fit === "squash") return { box, size: [rows, columns] };
  const scale = Math.max(width / columns, height / rows);
  return { box, size: [height / scale, width / scale].map((n) => Math.max(1, EVEN(n))) };
}

// The first `channels` numbers of each pixel, or one grey made of three.
function inChannels({ data, width, height, channels: there }, channels) {
  const out = new Uint8ClampedArray(width * height * channels);
  for (let p = 0; p < width * height; p++) {
    const at = p * there;
    if (channels === 1 && there >= 3) {
      const [r, g, b] = [data[at], data[at + 1], data[at + 2]];
      out[p] = (19595 * r + 38470 * g + 7471 * b + 2 ** 15) >> 16;
    } else {
      for (let c = 0; c < channels; c++) out[p * channels + c] = data[at + (there < 3 ? 0 : c)];
    }
  }
  return { data: out, width, height, channels };
}

// A picture in the middle of a grey one of [rows, columns].
function inTheMiddle(picture, [rows, columns]) {
  const { data, width, height, channels } = picture;
  if (width === columns && height === rows) return picture;
  const out = new Uint8ClampedArray(rows * columns * channels).fill(128);
  const [up, aside] = [Math.floor((rows - height) / 2), Math.floor((columns - width) / 2)];
  for (let r = 0; r < height; r++) {
    const line = data.subarray(r * width * channels, (r + 1) * width * channels);
    out.set(line, ((up + r) * columns + aside) * channels);
  }
  return { data: out, width: columns, height: rows, channels };
}

// The picture at the network's size, with its channels: what the network sees.
export function seenBy(wants, picture) {
  const { box, size: [h, w] } = keptPart(picture.width, picture.height, wants.size, wants.fit);
  const small = resized(picture, [w, h], wants.interpolation, box, 2);
  return inTheMiddle(inChannels(small, wants.channels), wants.size);
}

// On the network's scale, channel by channel, rounded as Python's numbers of 32 bits are.
export function onScale(wants, { data, channels }) {
  const n = data.length / channels;
  const out = new Float32Array(data.length);
  const of = (values, c) => Math.fround(values[values.length > 1 ? c : 0]);
  for (let c = 0; c < channels; c++) {
    const [mean, spread] = [of(wants.mean, c), of(wants.std, c)];
    for (let p = 0; p < n; p++) {
      const share = Math.fround(data[p * channels + c] / 255);
      out[c * n + p] = Math.fround(share - mean) / spread;
    }
  }
  return out;
}

// Scores as probabilities, the likeliest first: [label, probability].
export function namedScores(scores, labels) {
  const most = scores.reduce((a, b) => Math.max(a, b));
  const grown = Array.from(scores, (v) => Math.exp(v - most));
  const sum = grown.reduce((a, b) => a + b, 0);
  const pairs = labels.map((label, i) => [label, grown[i] / sum]);
  return pairs.toSorted((a, b) => b[1] - a[1]);
}
