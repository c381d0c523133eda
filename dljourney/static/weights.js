// The weights of a network as kit.models.net_data wrote them, and its steps made ready for net.js.

// Numbers of 16 bits: a sign, five bits for the power of two, ten for what follows the point.
export function fromHalves(bits) {
  if (globalThis.Float16Array) return new Float32Array(new Float16Array(bits.buffer));
  const powers = Array.from({ length: 32 }, (_, e) => 2 ** (Math.max(e, 1) - 25));
  return Float32Array.from(bits, (b) => {
    const exponent = (b >> 10) & 31;
    const size = ((b & 1023) + (exponent ? 1024 : 0)) * powers[exponent];
    return b & 0x8000 ? -size : size;
  });
}

// Whole numbers of 16 bits: each row of the tensor counts in steps of its own.
function fromSteps(whole, steps) {
  const data = new Float32Array(whole.length);
  const length = whole.length / steps.length;
  for (let row = 0, i = 0; row < steps.length; row++) {
    for (const end = (row + 1) * length; i < end; i++) data[i] = whole[i] * steps[row];
  }
  return data;
}

export function weightsOf({ text, tensors }) {
  const bytes = bytesOf(text);
  const part = (Kind, at, n) =>
    new Kind(bytes.slice(at, at + n * Kind.BYTES_PER_ELEMENT).buffer);
  const read = ({ shape, type, at, steps }) => {
    const n = shape.reduce((a, b) => a * b, 1);
    if (type === "F32") return { shape, data: part(Float32Array, at, n) };
    if (type === "F16") return { shape, data: fromHalves(part(Uint16Array, at, n)) };
    const rows = part(Float32Array, steps, shape[0]);
    return { shape, data: fromSteps(part(Int16Array, at, n), rows) };
  };
  return Object.fromEntries(Object.entries(tensors).map(([name, told]) => [name, read(told)]));
}

// A batch norm is a scale and a shift a channel; behind a convolution it goes into its weights.
function scaleAndShift({ weight, bias, mean, var: spread, eps }) {
  const factor = (i) => (weight ? weight.data[i] : 1);
  const scale = Array.from(spread.data, (v, i) => factor(i) / Math.sqrt(v + eps));
  return { scale, shift: scale.map((s, i) => (bias ? bias.data[i] : 0) - mean.data[i] * s) };
}
function folded(step, { scale, shift }) {
  const { shape, data } = step.weight;
  const size = data.length / shape[0];
  const moved = shift.map((v, o) => v + (step.bias ? step.bias.data[o] : 0) * scale[o]);
  const weight = { shape, data: data.map((w, i) => w * scale[Math.floor(i / size)]) };
  return { ...step, weight, bias: { data: Float32Array.from(moved) } };
}
export function readySteps(plan, weights) {
  const uses = Array(plan.steps.length + 1).fill(0);
  for (const v of [plan.answer, ...plan.steps.flatMap((step) => step.of)]) uses[v]++;
  const made = [];
  plan.steps.forEach((raw, i) => {
    let step = { ...raw, gives: i + 1 };
    for (const k of ["weight", "bias", "mean", "var"]) if (k in raw) step[k] = weights[raw[k]];
    if (step.op === "norm") {
      const at = made.findIndex((other) => other.gives === step.of[0]);
      const before = made[at];
      const linear = before && ["convolution", "linear"].includes(before.op);
      if (linear && uses[step.of[0]] === 1) {
        step = { ...folded(before, scaleAndShift(step)), gives: i + 1 };
        made.splice(at, 1);
      } else step = { op: "scale", of: step.of, gives: i + 1, ...scaleAndShift(step) };
    }
    made.push(step);
  });
  return made.map((step) => ("weight" in step ? packedRows(step) : step));
}

// The weights of a convolution or a matrix as rows whose number and length are multiples of four.
function packedRows(step) {
  const [outs] = step.weight.shape;
  const groups = step.groups || 1;
  const rows = outs / groups;
  const length = step.weight.data.length / outs;
  const [high, wide] = [rows, length].map((n) => 4 * Math.ceil(n / 4));
  const packed = new Float32Array(groups * high * wide);
  for (let o = 0; o < outs; o++) {
    const at = (Math.floor(o / rows) * high + (o % rows)) * wide;
    packed.set(step.weight.data.subarray(o * length, (o + 1) * length), at);
  }
  return { ...step, packed, high, wide, length };
}
