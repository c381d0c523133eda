// What the network panel says: its layers, and where its strongest weight leads.
function networkWords({ columns, weights, names }) {
  const units = columns.slice(1, -1).map((column) => column.shape[0]);
  const layers = units.length ? `hidden layers of ${units.join(", ")} units` : "no hidden layer";
  let most = { size: -1 };
  weights.forEach((w, layer) => w.values.forEach((value, i) => {
    const [to, from] = [Math.floor(i / w.shape[1]), i % w.shape[1]];
    if (Math.abs(value) > most.size) most = { size: Math.abs(value), value, layer, to, from };
  }));
  const from = most.layer ? `unit ${most.from + 1} of layer ${most.layer}` : names[most.from];
  const to = most.layer === weights.length - 1 ? "the answer"
    : `unit ${most.to + 1} of layer ${most.layer + 1}`;
  return `inputs ${names.join(", ")}; ${layers}; the strongest weight, ` +
    `${formatNumber(most.value)}, leads from ${from} to ${to}`;
}

// The network panel of the Playground: each unit's picture, joined by lines as thick as their
// weights.
function networkPanel(spec, view) {
  const canvas = toldCanvas(spec);
  let content = null;
  function draw(next) {
    if (next) {
      content = next;
      tell(canvas, spec, networkWords(content));
    }
    const width = canvas.clientWidth;
    if (!width || !content) return;
    const height = Math.round((width * spec.height) / spec.width);
    const theme = view.theme();
    const ctx = sharpContext(canvas, width, height);
    const { columns, weights, names } = content;
    const tallest = Math.max(...columns.map((c) => c.shape[0]));
    const side = Math.min(44, width / columns.length / 1.7, (height - 8) / tallest - 7);
    const label = theme.size * 3;
    const x = (c) =>
      label + ((width - label - 1.25 * side - 1) * c) / Math.max(1, columns.length - 1);
    const row = (n) => Math.min((height - 4) / n, side + 14);
    const y = (i, n) => height / 2 + (i + 0.5 - n / 2) * row(n);
    const size = (c) => (c === columns.length - 1 ? side * 1.25 : side);
    weights.forEach((w, c) => {
      const [outs, ins] = w.shape;
      const biggest = Math.max(1e-6, ...w.values.map(Math.abs));
      for (let j = 0; j < outs; j++)
        for (let i = 0; i < ins; i++) {
          const value = w.values[j * ins + i];
          const share = Math.abs(value) / biggest;
          const [x1, y1, x2, y2] = [x(c) + side, y(i, ins), x(c + 1), y(j, outs)];
          ctx.strokeStyle = theme.colour(value > 0 ? "blue" : "orange");
          ctx.globalAlpha = 0.12 + 0.78 * share;
          ctx.lineWidth = 0.5 + 4 * share;
          ctx.beginPath();
          ctx.moveTo(x1, y1);
          ctx.bezierCurveTo((x1 + x2) / 2, y1, (x1 + x2) / 2, y2, x2, y2);
          ctx.stroke();
        }
    });
    ctx.globalAlpha = 1;
    ctx.font = `${theme.size}px system-ui, sans-serif`;
    ctx.textAlign = "right";
    ctx.textBaseline = "middle";
    columns.forEach((column, c) => {
      const [n, rows, cols] = column.shape;
      for (let i = 0; i < n; i++) {
        const values = column.values.subarray(i * rows * cols, (i + 1) * rows * cols);
        const top = y(i, n) - size(c) / 2;
        const grid = paintGrid(values, rows, cols, -1, 1, theme.table("classes"));
        ctx.drawImage(grid, x(c), top, size(c), size(c));
        ctx.strokeStyle = theme.colour("grey");
        ctx.lineWidth = 1;
        ctx.strokeRect(x(c), top, size(c), size(c));
        if (c === 0) {
          ctx.fillStyle = theme.ink;
          ctx.fillText(names[i], x(0) - 6, y(i, n));
        }
      }
    });
  }
  return { el: canvas, draw };
}
export const demo = { panels: { network: networkPanel } };
