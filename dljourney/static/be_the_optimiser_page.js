// What BeTheOptimiser does in Python: SGD moves the sliders, from where they are.
function* descended({ x, y }, dice, [a, b, c], lr, size) {
  for (let epoch = 0; epoch < 200; epoch++) {
    const order = dice.order(x.length);
    for (let i = 0; i < order.length; i += size) {
      const batch = order.slice(i, i + size);
      const [, slope] = squaredError(batch.map((k) => x[k]), batch.map((k) => y[k]), a, b, c);
      [a, b, c] = [a, b, c].map((value, k) => value - lr * slope[k]);
      yield [a, b, c];
    }
  }
}

export const acts = {
  *work(live) {
    const { seed, batch_size: size } = live.kept;
    const abc = ["a", "b", "c"].map(live.get);
    const points = unpack(live.get("_data"));
    for (const moved of descended(points, diceOf(seed), abc, live.get("lr"), size)) {
      const [a, b, c] = moved.map((value) => Math.min(5, Math.max(-5, value)));
      live.set({ a, b, c });
      yield;
    }
  },
  reset(live) {
    live.pause();
    live.set(live.kept.start);
    live.restart();
  },
};
