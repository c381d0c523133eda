// The twin of nbs/demos/three_scores.ipynb.
const ANSWERS = ["3", "8", "9"];

export const demo = {
  draw({ three, eight, nine, right: name }) {
    const scores = [three, eight, nine];
    const right = ANSWERS.indexOf(name);
    const powers = scores.map(Math.exp);
    const sum = powers.reduce((a, b) => a + b, 0);
    const shares = powers.map((power) => power / sum);
    const loss = -Math.log(shares[right]);
    const upright = (height, own = "green") => [
      ruleMark({ y: 0, dash: false }),
      barsMark([0, 1, 2], height, {
        colour: ANSWERS.map((_, i) => (i === right ? own : "grey")),
      }),
    ];
    const grid = Array.from({ length: 100 }, (_, i) => 0.01 + (0.99 * i) / 99);
    return {
      scores: upright(scores),
      powers: upright(powers),
      shares: upright(shares),
      loss: [
        lineMark(grid, grid.map((p) => -Math.log(p))),
        pointsMark([shares[right]], [loss], { colour: "orange", size: 7 }),
      ],
      slopes: upright(shares.map((share, i) => share - (i === right)), "purple"),
      figures: {
        sum,
        "right share": shares[right],
        "cross-entropy": loss,
      },
    };
  },
};
