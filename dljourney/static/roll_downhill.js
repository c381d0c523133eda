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

const demo = {
  draw(state, { errors }) {
    const { landscape, x, lr, momentum, noise, steps } = state;
    const loss = LANDSCAPES[landscape][0];
    const go = (y, level) =>
      descend(landscape, [x, y], lr, momentum, noise, steps, errors, level);
    const two = go(state.y, false);
    const one = go(0, true);
    const grid = Array.from({ length: 101 }, (_, i) => -2 + (4 * i) / 100);
    const shown = (p) => Math.max(1e-4, Math.min(1e6, loss(...p)));
    const fall = [two, one].map((path) => path.map(shown));
    const way = (x, y) => [
      lineMark(x, y, { colour: "ink", width: 1.5 }),
      pointsMark(x, y, { size: 2.5 }),
      pointsMark(x.slice(-1), y.slice(-1), { colour: "orange", size: 6 }),
    ];
    const handle = (x, y, bind) => ({ mark: "handle", x, y, bind, colour: "red" });
    const xs = two.map((p) => p[0]);
    const ys = two.map((p) => p[1]);
    const height = Float32Array.from({ length: 101 * 101 }, (_, i) =>
      Math.sqrt(loss(grid[i % 101], grid[Math.floor(i / 101)])),
    );
    const surface = {
      mark: "heat", values: height, shape: [101, 101], x: [-2, 2], y: [-2, 2],
      lowest: 0, highest: 2.4, colours: "depth", levels: 16, smooth: true, alpha: 1,
    };
    const left = one.map((p) => p[0]);
    const up = one.map((p) => loss(...p));
    const reached = (loss) => (loss > 1e-4 ? loss : "at most 0.0001");
    const ending = (path, f) =>
      Math.max(...path.at(-1).map(Math.abs)) > LIMIT ? "diverged" : reached(f.at(-1));
    return {
      surface: [surface, ...way(xs, ys), handle(...two[0], ["x", "y"])],
      curve: [
        lineMark(grid, grid.map((g) => loss(g, 0))),
        ...way(left, up),
        handle(left[0], up[0], ["x", null]),
      ],
      loss: [
        lineMark([...fall[0].keys()], fall[0], { label: "two weights" }),
        lineMark([...fall[1].keys()], fall[1], { colour: "orange", label: "one weight" }),
      ],
      figures: { "two weights": ending(two, fall[0]), "one weight": ending(one, fall[1]) },
    };
  },
};
