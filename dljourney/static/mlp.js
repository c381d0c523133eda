// A network of fully connected layers, its gradient and the rules that train it, in double
// precision: what torch does for demos.Playground and demos.DrawACurve.

const BENDS = { // what a layer's sums become, and the slope there, told by what they became
  Tanh: [Math.tanh, (v) => 1 - v * v],
  ReLU: [(v) => Math.max(0, v), (v) => (v > 0 ? 1 : 0)],
  Sigmoid: [(v) => 1 / (1 + Math.exp(-v)), (v) => v * (1 - v)],
  none: [(v) => v, () => 1],
};

// nn.Linear as torch starts it
export function linear(dice, ins, outs) {
  const near = Math.sqrt(3) * (Math.sqrt(1 / 3) / Math.sqrt(ins));
  const weight = Float64Array.from(dice.uniform(ins * outs, -near, near));
  const edge = 1 / Math.sqrt(ins);
  return { ins, outs, weight, bias: Float64Array.from(dice.uniform(outs, -edge, edge)) };
}

export const parametersOf = (layers) => layers.flatMap(({ weight, bias }) => [weight, bias]);

// What each layer makes of `n` rows of numbers; the first are the rows themselves, the last the
// scores.
export function layerByLayer(layers, bend, x, n) {
  const made = [x];
  layers.forEach(({ ins, outs, weight, bias }, depth) => {
    const f = depth < layers.length - 1 ? BENDS[bend][0] : BENDS.none[0];
    const from = made[depth];
    const to = new Float64Array(n * outs);
    for (let r = 0; r < n; r++) for (let o = 0; o < outs; o++) {
      let sum = bias[o];
      for (let i = 0; i < ins; i++) sum += weight[o * ins + i] * from[r * ins + i];
      to[r * outs + o] = f(sum);
    }
    made.push(to);
  });
  return made;
}

// The loss' slope in each parameter, from its slope in each score: backpropagation.
export function gradientOf(layers, bend, made, slope, n) {
  const found = [];
  for (let depth = layers.length - 1; depth >= 0; depth--) {
    const { ins, outs, weight } = layers[depth];
    const [from, down] = [made[depth], BENDS[bend][1]];
    const [ofWeight, ofBias] = [new Float64Array(weight.length), new Float64Array(outs)];
    const before = new Float64Array(n * ins);
    for (let r = 0; r < n; r++) for (let o = 0; o < outs; o++) {
      const s = slope[r * outs + o];
      if (!s) continue;
      ofBias[o] += s;
      for (let i = 0; i < ins; i++) {
        ofWeight[o * ins + i] += s * from[r * ins + i];
        before[r * ins + i] += s * weight[o * ins + i];
      }
    }
    if (depth) for (let k = 0; k < before.length; k++) before[k] *= down(from[k]);
    slope = before;
    found.unshift(ofWeight, ofBias);
  }
  return found;
}

// The course's rules: how a parameter `p` moves, given its slope, the averages `a` and `b` that are
// kept of it, the number of the step and the learning rate.
const adam = (p, g, { a, b }, t, lr, decay = 0) => {
  const [unbiased, first] = [Math.sqrt(1 - 0.999 ** t), -lr / (1 - 0.9 ** t)];
  for (let i = 0; i < p.length; i++) {
    p[i] *= 1 - lr * decay;
    a[i] += (g[i] - a[i]) * (1 - 0.9);
    b[i] = b[i] * 0.999 + (1 - 0.999) * g[i] * g[i];
    p[i] += (first * a[i]) / (Math.sqrt(b[i]) / unbiased + 1e-8);
  }
};
const sgd = (p, g, { a }, t, lr, momentum = 0) => {
  for (let i = 0; i < p.length; i++) p[i] -= lr * (a[i] = momentum * a[i] + g[i]);
};
const RULES = {
  SGD: sgd,
  "SGD, momentum": (p, g, kept, t, lr) => sgd(p, g, kept, t, lr, 0.9),
  RMSprop(p, g, { b }, t, lr) {
    for (let i = 0; i < p.length; i++) {
      b[i] = b[i] * 0.99 + (1 - 0.99) * g[i] * g[i];
      p[i] -= (lr * g[i]) / (Math.sqrt(b[i]) + 1e-8);
    }
  },
  Adam: adam,
  AdamW: (p, g, kept, t, lr) => adam(p, g, kept, t, lr, 0.01),
};

// An optimiser: `step(slopes, rates)`, a rate for each parameter.
export function optimiserOf(rule, parameters) {
  const nothing = (p) => ({ a: new Float64Array(p.length), b: new Float64Array(p.length) });
  const kept = parameters.map(nothing);
  const opt = {
    t: 0,
    kept,
    step(slopes, rates) {
      opt.t += 1;
      parameters.forEach((p, k) => RULES[rule](p, slopes[k], kept[k], opt.t, rates[k]));
    },
  };
  return opt;
}
