// What DrawACurve does in Python: a network with one hidden layer learns the curve that is drawn.
const PLACES = evenly(-1, 1, 201);

// A stroke as a curve: one height for each place between its ends.
function onPlaces(x, y) {
  const heights = new Map();
  x.forEach((v, i) => {
    if (!Number.isFinite(v) || !Number.isFinite(y[i]) || Math.abs(v) > 1.001) return;
    const place = Math.min(200, Math.max(0, Math.round((v + 1) * 100)));
    const height = Math.min(1.5, Math.max(-1.5, y[i]));
    heights.set(place, [...(heights.get(place) || []), height]);
  });
  const known = [...heights.keys()].toSorted((a, b) => a - b);
  const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
  const filled = [];
  known.forEach((to, k) => {
    const end = mean(heights.get(to));
    const from = k ? known[k - 1] : to - 1;
    const start = k ? mean(heights.get(from)) : end;
    for (let p = from + 1; p <= to; p++)
      filled.push(start + ((end - start) * (p - from)) / (to - from));
  });
  return { x: PLACES.slice(known[0], known.at(-1) + 1), y: Float32Array.from(filled) };
}

// relu_network of chapter 06, with one hidden layer
function startingLayers(n, spread) {
  const dice = diceOf(0);
  const layers = [linear(dice, 1, n), linear(dice, n, 1)];
  if (spread) {
    const turns = evenly(-1, 1, n + 2);
    for (let i = 0; i < n; i++) {
      const side = i % 2 ? -1 : 1;
      layers[0].weight[i] = 4 * side;
      layers[0].bias[i] = -4 * side * turns[i + 1];
    }
  }
  return layers;
}

// hinge_fit of chapter 06
function hingeFit(x, y, n) {
  const last = x.length - 1;
  const chosen = Array.from({ length: n + 1 }, (_, i) => Math.floor((2 * i * last + n) / (2 * n)));
  const slopes = chosen.slice(1).map((to, i) =>
    (y[to] - y[chosen[i]]) / (x[to] - x[chosen[i]]));
  const turns = slopes.map((slope, i) => slope - (i ? slopes[i - 1] : 0));
  const hinges = { ins: 1, outs: n, weight: new Float64Array(n).fill(1),
    bias: Float64Array.from(chosen.slice(0, n), (k) => -x[k]) };
  const heads = { ins: n, outs: 1, weight: Float64Array.from(turns),
    bias: Float64Array.of(y[chosen[0]]) };
  return [hinges, heads];
}

const outputs = (layers, x) => layerByLayer(layers, "ReLU", x, x.length);

// Training on whatever is drawn now: a new stroke changes the points of the next step.
function* learned(live) {
  const { layers } = live;
  const opt = optimiserOf("Adam", parametersOf(layers));
  let lr = live.get("lr");
  while (true) {
    const { x, y } = live.curve;
    const made = outputs(layers, x);
    const errors = made[2].map((v, i) => v - y[i]);
    live.losses.push(errors.reduce((sum, e) => sum + e * e, 0) / x.length);
    const slope = errors.map((e) => (2 * e) / x.length);
    opt.step(gradientOf(layers, "ReLU", made, slope, x.length), [lr / 20, lr / 20, lr, lr]);
    lr = live.get("lr");
    yield;
  }
}

function curveMarks(live) {
  const [hinges, heads] = live.layers;
  const [, hidden, out] = outputs(live.layers, PLACES);
  const n = hinges.outs;
  const shares = Array.from({ length: live.get("units") ? Math.min(n, 40) : 0 }, (_, i) =>
    PLACES.map((_, p) => hidden[p * n + i] * heads.weight[i]));
  const turns = [...hinges.bias].map((b, i) => -b / hinges.weight[i])
    .filter((v) => Math.abs(v) <= 1);
  return [
    ...shares.map((share) => lineMark(PLACES, share, { colour: "faint", width: 1 })),
    lineMark(live.curve.x, live.curve.y, { colour: "grey", width: 7, label: "your curve" }),
    lineMark(PLACES, out, { label: "network" }),
    pointsMark(turns, turns.map(() => -1.42), { colour: "orange", size: 3, label: "hinges" }),
  ];
}

function lossMarks(losses) {
  const every = Math.max(1, Math.floor(losses.length / 400));
  const seen = losses.filter((_, i) => i % every === 0);
  return { marks: seen.length ? [lineMark(seen.map((_, i) => 1 + i * every), seen)] : [] };
}

export const acts = {
  begin(live) {
    const { x, y, losses, layers } = live.kept;
    live.curve = { x, y };
    live.restart();
    if (!layers) return;
    const numbers = (k) => Float64Array.from(numbersIn(layers[k]));
    live.layers = live.layers.map((layer, k) =>
      ({ ...layer, weight: numbers(2 * k), bias: numbers(2 * k + 1) }));
    live.losses = [...losses];
    live.goOn(learned(live));
  },
  work(live) {
    live.losses = [];
    live.layers = startingLayers(live.get("n_hidden"), live.get("spread"));
    return learned(live);
  },
  stroke(live, { x, y }) {
    const curve = onPlaces(x, y);
    if (curve.x.length < 2) return;
    live.curve = curve;
    live.play();
  },
  press: {
    build(live) {
      const { x, y } = live.curve;
      live.pause();
      live.layers = hingeFit(x, y, Math.min(live.get("n_hidden"), x.length - 1));
      live.goOn([].values());
    },
  },
  draw(live) {
    const { x, y } = live.curve;
    const out = outputs(live.layers, x)[2];
    const error = out.reduce((most, v, i) => Math.max(most, Math.abs(v - y[i])), 0);
    return {
      curve: curveMarks(live),
      losses: lossMarks(live.losses),
      figures: { steps: live.losses.length, "largest error": error,
        parameters: 3 * live.get("n_hidden") + 1 },
      code: "",
    };
  },
};
