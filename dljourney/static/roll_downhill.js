// The twin of nbs/demos/roll_downhill.ipynb: the same landscapes, the same descent, the same frame.
const LANDSCAPES = {
  bowl: [(x, y) => 0.5 * (x * x + y * y), (x, y) => [x, y]],
  ravine: [(x, y) => 0.5 * (4 * x * x + 0.2 * y * y), (x, y) => [4 * x, 0.2 * y]],
  "two dips": [
    (x, y) => 0.5 * (x * x - 1.2) * (x * x - 1.2) + 0.3 * x + 0.5 * y * y + 0.4,
    (x, y) => [2 * x * (x * x - 1.2) + 0.3, y],
  ],
  saddle: [
    (x, y) => 0.5 * x * x + 0.15 * (y * y - 2) * (y * y - 2),
    (x, y) => [x, 0.6 * y * (y * y - 2)],
  ],
};
const LIMIT = 1000;

function descend(landscape, [x, y], lr, momentum, noise, steps, errors, level) {
  const gradient = LANDSCAPES[landscape][1];
  let u = 0;
  let v = 0;
  const path = [[x, y]];
  for (let t = 0; t < steps; t++) {
    const [gx, gy] = gradient(x, y);
    u = momentum * u + gx + noise * errors[2 * t];
    v = momentum * v + gy + noise * errors[2 * t + 1];
    x -= lr * u;
    if (!level) y -= lr * v;
    path.push([x, y]);
    if (Math.max(Math.abs(x), Math.abs(y)) > LIMIT) break;
  }
  return path;
}

function descendByAdam(landscape, start, lr, noise, steps, errors) {
  const gradient = LANDSCAPES[landscape][1];
  const w = [...start];
  const mean = [0, 0];
  const square = [0, 0];
  let left = [1, 1];
  const path = [[...w]];
  for (let t = 0; t < steps; t++) {
    const slopes = gradient(...w).map((g, i) => g + noise * errors[2 * t + i]);
    left = [0.9 * left[0], 0.999 * left[1]];
    slopes.forEach((g, i) => {
      mean[i] = 0.9 * mean[i] + 0.1 * g;
      square[i] = 0.999 * square[i] + 0.001 * g * g;
      const size = Math.sqrt(square[i] / (1 - left[1])) + 1e-8;
      w[i] -= (lr * mean[i]) / (1 - left[0]) / size;
    });
    path.push([...w]);
  }
  return path;
}

const RACERS = { SGD: "blue", "momentum 0.9": "purple", Adam: "green" };

function arrowsDownhill(gradient) {
  const x = [];
  const y = [];
  for (let j = 0; j < 9; j++)
    for (let i = 0; i < 9; i++) {
      const [a, b] = [-1.8 + 0.45 * i, -1.8 + 0.45 * j];
      const slope = gradient(a, b);
      const share = 0.36 / (Math.hypot(...slope) + 2);
      const [u, v] = slope.map((g) => -share * g);
      const [p, q] = [a + u, b + v];
      x.push(a, p, p - 0.3 * u - 0.2 * v, p, p - 0.3 * u + 0.2 * v, NaN);
      y.push(b, q, q - 0.3 * v + 0.2 * u, q, q - 0.3 * v - 0.2 * u, NaN);
    }
  return lineMark(x, y, { colour: "ink", width: 1 });
}

function ground(landscape, grid, { contours, arrows }) {
  const [loss, gradient] = LANDSCAPES[landscape];
  const values = Float32Array.from({ length: 101 * 101 }, (_, i) =>
    Math.sqrt(loss(grid[i % 101], grid[Math.floor(i / 101)])),
  );
  const shape = [101, 101];
  const place = { x: [-2, 2], y: [-2, 2] };
  const depth = { ...place, lowest: 0, highest: 2.4, colours: "depth", levels: 16 };
  const marks = [heatMark(values, shape, depth)];
  const levels = Array.from({ length: 12 }, (_, k) => 0.2 * (k + 1));
  if (contours) marks.push(contoursMark(values, shape, levels, place));
  if (arrows) marks.push(arrowsDownhill(gradient));
  return marks;
}

export const demo = {
  draw(state, { errors }) {
    const { landscape, x, lr, momentum, noise, steps, race } = state;
    const loss = LANDSCAPES[landscape][0];
    const go = (y, level, m) => descend(landscape, [x, y], lr, m, noise, steps, errors, level);
    const two = go(state.y, false, momentum);
    const one = go(0, true, momentum);
    const others = race
      ? {
          SGD: go(state.y, false, 0),
          "momentum 0.9": go(state.y, false, 0.9),
          Adam: descendByAdam(landscape, [x, state.y], lr, noise, steps, errors),
        }
      : {};
    const grid = Array.from({ length: 101 }, (_, i) => -2 + (4 * i) / 100);
    const shown = (p) => Math.max(1e-4, Math.min(1e6, loss(...p)));
    const fall = [two, one].map((path) => path.map(shown));
    const way = (x, y) => [
      lineMark(x, y, { colour: "ink", width: 1.5 }),
      pointsMark(x, y, { size: 2.5 }),
      pointsMark(x.slice(-1), y.slice(-1), { colour: "orange", size: 6 }),
    ];
    const xs = two.map((p) => p[0]);
    const ys = two.map((p) => p[1]);
    const left = one.map((p) => p[0]);
    const up = one.map((p) => loss(...p));
    const reached = (loss) => (loss > 1e-4 ? loss : "at most 0.0001");
    const ending = (path, f) =>
      Math.max(...path.at(-1).map(Math.abs)) > LIMIT ? "diverged" : reached(f.at(-1));
    const mine = race ? "your sliders" : "two weights";
    const each = (draw) => Object.entries(others).map(([name, path]) => draw(name, path));
    const ways = each((name, path) =>
      lineMark(path.map((p) => p[0]), path.map((p) => p[1]), {
        colour: RACERS[name],
        label: name,
      }),
    );
    const falls = each((name, path) =>
      lineMark([...path.keys()], path.map(shown), {
        colour: RACERS[name], width: 1.5, label: name,
      }),
    );
    const ends = each((name, path) => [name, ending(path, path.map(shown))]);
    return {
      surface: [
        ...ground(landscape, grid, state),
        ...ways,
        ...way(xs, ys),
        handleMark(...two[0], ["x", "y"]),
      ],
      curve: [
        lineMark(grid, grid.map((g) => loss(g, 0))),
        ...way(left, up),
        handleMark(left[0], up[0], ["x", null]),
      ],
      loss: race
        ? [...falls, lineMark([...fall[0].keys()], fall[0], { colour: "ink", label: mine })]
        : [
            lineMark([...fall[0].keys()], fall[0], { label: mine }),
            lineMark([...fall[1].keys()], fall[1], { colour: "orange", label: "one weight" }),
          ],
      figures: {
        [mine]: ending(two, fall[0]),
        "one weight": ending(one, fall[1]),
        ...Object.fromEntries(ends),
      },
    };
  },
};
