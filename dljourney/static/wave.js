// The twin of `Wave.draw` in nbs/kit/live/live.ipynb.
export const demo = {
  draw({ frequency, height, noise }, data) {
    const wave = (x) => height * Math.sin(frequency * x);
    const grid = (n) => Array.from({ length: n }, (_, i) => (6 * i) / (n - 1));
    const x = grid(200);
    const seen = grid(50);
    const heights = seen.map((v, i) => wave(v) + data.noise[i]);
    const dots = pointsMark(seen, heights, { colour: "orange", label: "points" });
    const curve = lineMark(x, x.map(wave), { label: "wave" });
    return {
      wave: noise ? [dots, curve] : [curve],
      figures: { "waves on the screen": (frequency * 6) / (2 * Math.PI) },
    };
  },
};
