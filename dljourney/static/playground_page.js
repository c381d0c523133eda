// What Playground does in Python: points, a network, its training and what every part of it sees,
// in double precision, from the very numbers that torch's dice throw for a seed.

const SIDE = 60; // places along each side of the picture of what the network says
const FEATURES = {
  x1: (x) => x, x2: (x, y) => y, "x1²": (x) => x * x, "x2²": (x, y) => y * y,
  "x1·x2": (x, y) => x * y,
  "sin x1": (x) => Math.sin(3 * x), "sin x2": (x, y) => Math.sin(3 * y),
};

// Where the points of a data set lie, before they are pushed: class and two uniform numbers.
const polar = (radius, angle) => [radius * Math.cos(angle), radius * Math.sin(angle)];
const DATASETS = {
  clouds: (y) => [y - 0.5, y - 0.5],
  circles: (y, u) => polar(0.9 - 0.5 * y, 2 * Math.PI * u),
  xor(y, u, v) {
    const first = 2 * u - 1;
    return [first + 0.05 * Math.sign(first), (0.05 + 0.95 * v) * Math.sign(first) * (1 - 2 * y)];
  },
  spiral(y, u) {
    const t = Math.sqrt(u);
    return polar(0.05 + 0.9 * t, Math.PI * (3 * t + y));
  },
};

// n points [x, y, class]
function pointsOf(dataset, n, noise, seed) {
  const dice = diceOf(seed);
  const [where, push] = [dice.uniform(2 * n), dice.normal(2 * n)];
  return Array.from({ length: n }, (_, i) => {
    const place = DATASETS[dataset](i % 2, where[2 * i], where[2 * i + 1]);
    return [...place.map((v, k) => Math.fround(v + noise * push[2 * i + k])), i % 2];
  });
}

// Which of n points are for training, and which are held out: train_valid_split of the kit.
function splitOf(n, share, seed) {
  const all = [...Array(n).keys()];
  if (n < 2) return { seen: all, held: all };
  const wanted = (1 - share) * n;
  const whole = wanted % 1 === 0.5 ? 2 * Math.round(wanted / 2) : Math.round(wanted);
  const chosen = diceOf(seed).order(n).slice(0, Math.min(n - 1, Math.max(1, whole)));
  const apart = new Set(chosen);
  const held = all.filter((i) => apart.has(i));
  return { seen: all.filter((i) => !apart.has(i)), held };
}

function machineOf(live) {
  const v = Object.fromEntries(["features", "layers", "units", "activation", "optimiser", "seed"]
    .map((name) => [name, live.get(name)]));
  if (!v.features.length) throw new Error("features: expected at least one, got none");
  const dice = diceOf(v.seed);
  const widths = [v.features.length, ...Array(v.layers).fill(v.units), 2];
  const layers = widths.slice(1).map((outs, i) => linear(dice, widths[i], outs));
  const opt = optimiserOf(v.optimiser, parametersOf(layers));
  return { ...v, layers, opt, rows: [], clicked: live.machine ? live.machine.clicked : [] };
}

// The points, those that were clicked among them; some are held out.
function deal(live) {
  const { machine, kept } = live;
  const made = live.get("dataset") === "yours" ? kept.given :
    pointsOf(live.get("dataset"), kept.n_points, live.get("noise"), machine.seed);
  const { seen, held } = splitOf(made.length, live.get("share"), machine.seed);
  const places = machine.clicked.map((_, i) => made.length + i);
  machine.points = [...made, ...machine.clicked];
  machine.seen = [...seen, ...places];
  machine.held = held.length ? held : machine.seen;
}

const featuresOf = (points, names) =>
  Float64Array.from(points.flatMap(([x, y]) => names.map((name) => FEATURES[name](x, y))));

// Probabilities of both classes, row by row.
const shares = (scores) => scores.map((own, k) => 1 / (1 + Math.exp(scores[k ^ 1] - own)));

// The mean loss on some points, the share of them that is right, and what is needed for a step.
function measured({ layers, activation }, { x, labels }) {
  const n = labels.length;
  const made = layerByLayer(layers, activation, x, n);
  const scores = made.at(-1);
  let loss = 0;
  let right = 0;
  labels.forEach((label, r) => {
    const [own, other] = [scores[2 * r + label], scores[2 * r + 1 - label]];
    const most = Math.max(own, other);
    loss += most + Math.log(Math.exp(own - most) + Math.exp(other - most)) - own;
    right += label ? own > other : own >= other; // of equal scores the first one counts
  });
  return { made, loss: loss / n, right: right / n };
}

// What large weights cost, and how that adds to the slopes.
function penalty(layers, l1, l2, slopes) {
  let cost = 0;
  layers.forEach(({ weight }, k) => weight.forEach((w, i) => {
    cost += l1 * Math.abs(w) + l2 * w * w;
    if (slopes) slopes[2 * k][i] += l1 * Math.sign(w) + 2 * l2 * w;
  }));
  return cost;
}

function step(live, batch) {
  const { machine } = live;
  const { layers, activation, opt } = machine;
  const n = batch.labels.length;
  const { made, loss } = measured(machine, batch);
  const slope = shares(made.at(-1)).map((p, k) => (p - (batch.labels[k >> 1] === (k & 1))) / n);
  const slopes = gradientOf(layers, activation, made, slope, n);
  const cost = penalty(layers, live.get("l1"), live.get("l2"), slopes);
  opt.step(slopes, slopes.map(() => live.get("lr")));
  return loss + cost;
}

// Steps of training of the network as it is; `epochs` have been made with these points.
function* training(live, epochs = 0) {
  const { machine } = live;
  const { points, seen, held, features, seed } = machine;
  const width = features.length;
  const x = featuresOf(points, features);
  const some = (places) => ({
    x: Float64Array.from(places.flatMap((i) => [...x.subarray(i * width, (i + 1) * width)])),
    labels: places.map((i) => points[i][2]),
  });
  if (!seen.length) return;
  const dice = diceOf(seed);
  for (let i = 0; i < epochs; i++) dice.order(seen.length);
  const [learned, others] = [some(seen), some(held)];
  while (true) {
    const order = dice.order(seen.length);
    const size = live.get("batch_size");
    let sum = 0;
    for (let at = 0; at < order.length; at += size) {
      const batch = order.slice(at, at + size).map((k) => seen[k]);
      sum += step(live, some(batch)) * batch.length;
      if (at + size >= order.length) {
        const [own, valid] = [measured(machine, learned), measured(machine, others)];
        const cost = penalty(machine.layers, live.get("l1"), live.get("l2"));
        machine.rows.push({ train_loss: sum / order.length, valid_loss: valid.loss + cost,
          accuracy: own.right, valid_accuracy: valid.right });
      }
      yield;
    }
  }
}

// Each unit's answer as a picture, and the weights from layer to layer, for the network panel.
function networkOf({ layers, features }, made, verdict) {
  const small = SIDE / 3;
  const pictures = (values, width) => {
    const out = new Float32Array(width * small * small);
    for (let u = 0; u < width; u++) {
      const area = out.subarray(u * small * small, (u + 1) * small * small);
      for (let k = 0; k < area.length; k++) {
        const place = 3 * Math.floor(k / small) * SIDE + 3 * (k % small);
        area[k] = values[place * width + u];
      }
      const most = area.reduce((a, b) => Math.max(a, Math.abs(b)), 1e-6);
      area.forEach((value, k) => { area[k] = value / most; });
    }
    return { values: out, shape: [width, small, small] };
  };
  const weights = layers.map(({ weight, ins, outs }) =>
    ({ values: Float32Array.from(weight), shape: [outs, ins] }));
  const { ins, weight } = layers.at(-1); // two scores, one decision
  weights[weights.length - 1] = { shape: [1, ins],
    values: Float32Array.from({ length: ins }, (_, i) => weight[ins + i] - weight[i]) };
  const columns = made.slice(0, -1).map((values, k) => pictures(values, layers[k].ins));
  return { columns: [...columns, pictures(verdict, 1)], weights, names: features };
}

function surfaceOf(live, verdict, reach) {
  const { points, seen, held } = live.machine;
  const ends = [-reach, reach];
  const place = { x: ends, y: ends };
  if (!points.length) return { marks: [noteMark(0, 0, "Click here to add points")], ...place };
  const dots = (places, hollow) => {
    const [x, y, classes] = [0, 1, 2].map((k) => places.map((i) => points[i][k]));
    return pointsMark(x, y, { classes, size: 3.5, hollow });
  };
  const heat = heatMark(verdict, [SIDE, SIDE], { ...place, alpha: 0.8 });
  const others = live.get("held_out") ? [dots(held, true)] : [];
  return { marks: [heat, ...others, dots(seen, false)], ...place };
}

function curvesOf(rows, train, valid) {
  const every = Math.max(1, Math.floor(rows.length / 300));
  const shown = rows.filter((_, i) => i % every === 0);
  const epochs = shown.map((_, i) => 1 + i * every);
  return [lineMark(epochs, shown.map((row) => row[train]), { label: "training" }),
    lineMark(epochs, shown.map((row) => row[valid]), { colour: "orange", label: "held out" })];
}

function figuresOf({ machine, kept }) {
  const { rows } = machine;
  const row = rows.at(-1) || {};
  const share = (name) => (rows.length ? `${(100 * row[name]).toFixed(1)}%` : null);
  return { ...kept.names, epoch: rows.length, "training loss": row.train_loss,
    "held-out loss": row.valid_loss, "training accuracy": share("accuracy"),
    "held-out accuracy": share("valid_accuracy") };
}

export const acts = {
  begin(live) {
    const { rows, parameters, averages, steps, clicked } = live.kept;
    acts.changed(live);
    live.goOn(acts.work(live));
    const { machine } = live;
    machine.clicked = clicked;
    deal(live);
    machine.rows = rows;
    const put = (to, from) => to.set(numbersIn(from));
    parametersOf(machine.layers).forEach((p, k) => put(p, parameters[k]));
    averages.forEach((pair, k) => ["a", "b"].forEach((name, i) => {
      if (pair[i]) put(machine.opt.kept[k][name], pair[i]);
    }));
    machine.opt.t = steps;
    live.goOn(training(live, rows.length));
  },
  work(live) {
    live.machine = machineOf(live);
    deal(live);
    return training(live);
  },
  changed(live) {
    live.stepsPerFrame = live.get("speed");
  },
  click(live, { x, y, shift }) {
    const label = Number((live.get("add") === "blue") !== shift);
    live.machine.clicked.push([Number(x.toFixed(4)), Number(y.toFixed(4)), label]);
    deal(live);
    live.goOn(training(live));
  },
  press: {
    new_weights(live) {
      live.set({ seed: (live.get("seed") + 1) % 100 });
      live.restart();
    },
    remove_points(live) {
      live.machine.clicked = [];
      live.restart();
    },
  },
  draw(live) {
    const { machine } = live;
    const farthest = machine.points.reduce((far, [x, y]) =>
      Math.max(far, Math.abs(x), Math.abs(y)), 0);
    const reach = machine.points.length ? Math.max(1.3, 1.15 * farthest) : 1.3;
    const side = Array.from({ length: SIDE }, (_, i) => reach * ((2 * i) / (SIDE - 1) - 1));
    const places = side.flatMap((y) => side.map((x) => [x, y]));
    const x = featuresOf(places, machine.features);
    const made = layerByLayer(machine.layers, machine.activation, x, places.length);
    const both = shares(made.at(-1));
    const verdict = Float32Array.from(places, (_, r) => 2 * both[2 * r + 1] - 1);
    return {
      network: networkOf(machine, made, verdict),
      surface: surfaceOf(live, verdict, reach),
      loss: curvesOf(machine.rows, "train_loss", "valid_loss"),
      accuracy: curvesOf(machine.rows, "accuracy", "valid_accuracy"),
      figures: figuresOf(live),
      code: "",
    };
  },
};
