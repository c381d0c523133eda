// The twin of nbs/demos/be_the_optimiser.ipynb.
export function squaredError(x, y, a, b, c) {
  let loss = 0;
  const slope = [0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    const error = a * x[i] * x[i] + b * x[i] + c - y[i];
    loss += (error * error) / x.length;
    [x[i] * x[i], x[i], 1].forEach((d, k) => {
      slope[k] += (2 * error * d) / x.length;
    });
  }
  return [loss, slope];
}

export const demo = {
  draw({ a, b, c, slopes }, { x, y, best, low, high }) {
    const [loss, slope] = squaredError(x, y, a, b, c);
    const f = (v) => a * v * v + b * v + c;
    const grid = Array.from({ length: 101 }, (_, i) => -1.1 + (2.2 * i) / 100);
    const errors = lineMark(
      [...x].flatMap((v) => [v, v, NaN]),
      [...x].flatMap((v, i) => [y[i], f(v), NaN]),
      { colour: "red", width: 1 },
    );
    const level = barsMark([0.5], [Math.max(loss, 1e-3)], {
      width: 0.6, colour: loss > 1.5 * best ? "red" : "green",
    });
    const ends = slope.map((s) => Math.max(-6, Math.min(6, -s)));
    const arrows = [
      ruleMark({ x: 0, dash: false }),
      ...ends.map((e, i) => lineMark([0, e], [3 - i, 3 - i], { colour: "purple", width: 5 })),
      pointsMark(ends, [3, 2, 1], { colour: "purple", size: 6 }),
    ];
    const lineOfBest = ruleMark({ y: best, colour: "green", label: "best" });
    const curve = lineMark(grid, grid.map(f), { label: "your curve" });
    return {
      curve: { marks: [errors, pointsMark(x, y), curve], y: [low, high] },
      meter: { marks: [level, lineOfBest], y: [0.03, 30] },
      slope: slopes ? arrows : [],
      figures: { loss, "best possible": best },
    };
  },
};
