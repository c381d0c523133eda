// A network in the browser. It walks through the steps that kit.models.plan_of wrote down, for one
// picture at a time: `makeNet(data)`, with what kit.models.net_data gave, is a function from the
// numbers of a prepared picture (channels, rows, columns) to the network's answer. The steps with
// their weights come from weights.js.

// A matrix times columns, added to `out`: four rows of the one with four of the other at a time.
function addProduct(w, x, out, [wAt, xAt, outAt], { high, wide, length, n }) {
  for (let o = 0; o < high; o += 4) {
    const y0 = outAt + o * n, y1 = y0 + n, y2 = y1 + n, y3 = y2 + n;
    for (let k = 0; k < wide; k += 4) {
      const a = wAt + o * wide + k, b = a + wide, c = b + wide, d = c + wide;
      const a0 = w[a], a1 = w[a + 1], a2 = w[a + 2], a3 = w[a + 3];
      const b0 = w[b], b1 = w[b + 1], b2 = w[b + 2], b3 = w[b + 3];
      const c0 = w[c], c1 = w[c + 1], c2 = w[c + 2], c3 = w[c + 3];
      const d0 = w[d], d1 = w[d + 1], d2 = w[d + 2], d3 = w[d + 3];
      const x0 = xAt + k * n; // rows that are not there have weight 0
      const x1 = k + 1 < length ? x0 + n : x0;
      const x2 = k + 2 < length ? x1 + n : x0;
      const x3 = k + 3 < length ? x2 + n : x0;
      for (let p = 0; p < n; p++) {
        const p0 = x[x0 + p], p1 = x[x1 + p], p2 = x[x2 + p], p3 = x[x3 + p];
        out[y0 + p] += a0 * p0 + a1 * p1 + a2 * p2 + a3 * p3;
        out[y1 + p] += b0 * p0 + b1 * p1 + b2 * p2 + b3 * p3;
        out[y2 + p] += c0 * p0 + c1 * p1 + c2 * p2 + c3 * p3;
        out[y3 + p] += d0 * p0 + d1 * p1 + d2 * p2 + d3 * p3;
      }
    }
  }
}

const sidesAfter = (shape, window, step, stretch = [1, 1]) => [0, 1].map((i) => Math.floor(
  (shape[i + 1] - stretch[i] * (window[i] - 1) - 1) / step.stride[i]) + 1);

function padded({ data, shape }, [top, bottom, left, right], value = 0) {
  if (!(top || bottom || left || right)) return { data, shape };
  const [channels, height, width] = shape;
  const [high, wide] = [top + height + bottom, left + width + right];
  const out = new Float32Array(channels * high * wide).fill(value);
  for (let c = 0; c < channels; c++) for (let r = 0; r < height; r++) {
    const from = (c * height + r) * width;
    out.set(data.subarray(from, from + width), (c * high + top + r) * wide + left);
  }
  return { data: out, shape: [channels, high, wide] };
}

// What a window sees at each of its places, a row for each.
function columnsOf(x, [rows, columns], [kh, kw], { stride, dilation }) {
  const [channels, height, width] = x.shape;
  const out = new Float32Array(channels * kh * kw * rows * columns);
  let at = 0;
  for (let k = 0; k < channels * kh * kw; k++) {
    const j = (k % kw) * dilation[1], i = (Math.floor(k / kw) % kh) * dilation[0];
    for (let r = 0; r < rows; r++) {
      let from = (Math.floor(k / (kh * kw)) * height + i + r * stride[0]) * width + j;
      for (let q = 0; q < columns; q++, from += stride[1]) out[at++] = x.data[from];
    }
  }
  return out;
}

// Each channel with a window of its own: no matrix, row by row.
function addShifted(x, weight, [rows, columns], { stride, dilation }, out) {
  const [channels, height, width] = x.shape;
  const [, , kh, kw] = weight.shape;
  for (let c = 0; c < channels; c++) for (let r = 0; r < rows; r++) {
    const at = (c * rows + r) * columns;
    for (let k = 0; k < kh * kw; k++) {
      const w = weight.data[c * kh * kw + k];
      const row = c * height + r * stride[0] + Math.floor(k / kw) * dilation[0];
      let from = row * width + (k % kw) * dilation[1];
      for (let q = 0; q < columns; q++, from += stride[1]) out[at + q] += w * x.data[from];
    }
  }
}

// `spans` gives for each row of the result, and for each column, where its window begins and ends.
function pooled(x, spans, start, join, end) {
  const [channels, height, width] = x.shape;
  const [rows, columns] = spans;
  const out = new Float32Array(channels * rows.length * columns.length);
  let at = 0;
  for (let c = 0; c < channels; c++) for (const row of rows) for (const column of columns) {
    let value = start;
    const last = Math.min(column[1], width);
    for (let i = Math.max(row[0], 0); i < Math.min(row[1], height); i++) {
      const line = (c * height + i) * width;
      for (let j = Math.max(column[0], 0); j < last; j++) value = join(value, x.data[line + j]);
    }
    out[at++] = end(value, row, column);
  }
  return { data: out, shape: [channels, rows.length, columns.length] };
}
function windowsOf({ shape }, { padding, window, stride }) {
  const whole = shape.map((n, i) => (i ? n + padding[2 * i - 2] + padding[2 * i - 1] : n));
  return sidesAfter(whole, window, { stride }).map((n, i) => Array.from({ length: n }, (_, k) => {
    const first = k * stride[i] - padding[2 * i];
    return [first, first + window[i]];
  }));
}

// An average divides by what counts: the picture, and so much around it.
function averaged(x, spans, [top, bottom, left, right]) {
  const shared = ([a, b], low, high) => Math.min(b, high) - Math.max(a, low);
  const [, height, width] = x.shape;
  return pooled(x, spans, 0, (a, b) => a + b, (v, rows, columns) =>
    v / shared(rows, -top, height + bottom) / shared(columns, -left, width + right));
}

// Number by number; `i` is the number's place.
function each(change) {
  return ([x], step) => {
    const data = new Float32Array(x.data.length);
    for (let i = 0; i < data.length; i++) data[i] = change(x.data[i], step, i, x);
    return { data, shape: x.shape };
  };
}
const channelOf = (i, x) => Math.floor(i / (x.data.length / x.shape[0]));
// Two values of one shape, or one with a number a channel, or one and a number.
const together = (join) => ([x, other], { number }) => each((v, _, i) => {
  if (!other) return join(v, number);
  return join(v, other.data[other.data.length === x.data.length ? i : channelOf(i, x)]);
})([x], {});
const total = (values) => values.reduce((a, b) => a + b, 0);
const within = (v, low, high) => Math.min(Math.max(v, low), high);
const sigmoid = (v) => 1 / (1 + Math.exp(-v));

const netSteps = {
  convolution([raw], step) {
    const x = padded(raw, step.padding);
    const [outs, , kh, kw] = step.weight.shape;
    const [rows, columns] = sidesAfter(x.shape, [kh, kw], step, step.dilation);
    const n = rows * columns;
    const out = new Float32Array((outs + 3) * n); // three rows for what rounds up to four
    if (step.bias) for (let o = 0; o < outs; o++) out.fill(step.bias.data[o], o * n, (o + 1) * n);
    if (step.groups === x.shape[0] && step.groups === outs) {
      addShifted(x, step.weight, [rows, columns], step, out);
    } else {
      const asIs = kh * kw * step.stride[0] * step.stride[1] === 1;
      const seen = asIs ? x.data : columnsOf(x, [rows, columns], [kh, kw], step);
      const { packed, high, wide, length, groups } = step;
      for (let g = 0; g < groups; g++) {
        const places = [g * high * wide, g * length * n, (g * outs / groups) * n];
        addProduct(packed, seen, out, places, { high, wide, length, n });
      }
    }
    return { data: out.subarray(0, outs * n), shape: [outs, rows, columns] };
  },
  linear([x], { weight, bias, packed, ...sizes }) {
    const [outs, n] = weight.shape;
    const rows = x.data.length / n;
    const out = new Float32Array(rows * outs + 3);
    for (let r = 0; r < rows; r++) {
      if (bias) out.set(bias.data, r * outs);
      addProduct(packed, x.data, out, [0, r * n, r * outs], { ...sizes, n: 1 });
    }
    return { data: out.subarray(0, rows * outs), shape: [...x.shape.slice(0, -1), outs] };
  },
  scale: each((v, s, i, x) => v * s.scale[channelOf(i, x)] + s.shift[channelOf(i, x)]),
  maximum: ([x], step) => pooled(x, windowsOf(x, step), -Infinity, Math.max, (v) => v),
  average: ([x], step) => averaged(x, windowsOf(x, step), step.counted),
  adaptive([x], { size }) {
    const spans = size.map((n, i) => Array.from({ length: n }, (_, k) => [
      Math.floor(k * x.shape[i + 1] / n), Math.ceil((k + 1) * x.shape[i + 1] / n)]));
    return averaged(x, spans, [0, 0, 0, 0]);
  },
  mean([x], { axes, shape }) {
    const n = x.shape.slice(x.shape.length - axes).reduce((a, b) => a * b, 1);
    const one = (_, i) => total(x.data.subarray(i * n, (i + 1) * n)) / n;
    return { data: new Float32Array(x.data.length / n).map(one), shape };
  },
  softmax([x]) {
    const data = new Float32Array(x.data.length);
    for (let i = 0; i < data.length; i += x.shape.at(-1)) {
      const run = x.data.subarray(i, i + x.shape.at(-1));
      const most = run.reduce((a, b) => Math.max(a, b));
      const grown = Float64Array.from(run, (v) => Math.exp(v - most));
      const sum = total(grown);
      data.set(grown.map((v) => v / sum), i);
    }
    return { data, shape: x.shape };
  },
  relu: each((v) => (v > 0 ? v : 0)),
  clamp: each((v, { low = -Infinity, high = Infinity }) => within(v, low, high)),
  leaky: each((v, { slope }) => (v > 0 ? v : slope * v)),
  tanh: each(Math.tanh),
  sigmoid: each(sigmoid),
  silu: each((v) => v * sigmoid(v)),
  hardsigmoid: each((v) => within(v / 6 + 0.5, 0, 1)),
  hardswish: each((v) => v * within(v + 3, 0, 6) / 6),
  add: together((a, b) => a + b),
  multiply: together((a, b) => a * b),
  reshape: ([x], { shape }) => ({ data: x.data, shape }),
  pad: ([x], { padding, value }) => padded(x, padding, value),
  concatenate(values) {
    const data = new Float32Array(total(values.map((x) => x.data.length)));
    values.reduce((at, x) => { data.set(x.data, at); return at + x.data.length; }, 0);
    return { data, shape: [total(values.map((x) => x.shape[0])), ...values[0].shape.slice(1)] };
  },
  slice([x], { first, last }) {
    const n = x.data.length / x.shape[0];
    const shape = [last - first, ...x.shape.slice(1)];
    return { data: x.data.subarray(first * n, last * n), shape };
  },
};

export function makeNet({ plan, weights }) {
  const steps = readySteps(plan, weightsOf(weights));
  const unknown = steps.find((step) => !(step.op in netSteps));
  if (unknown) throw new Error(`plan: expected a step that is known, got ${unknown.op}`);
  return (picture) => {
    const values = [{ data: picture, shape: plan.input }];
    for (const step of steps) {
      values[step.gives] = netSteps[step.op](step.of.map((v) => values[v]), step);
    }
    return values[plan.answer].data;
  };
}
