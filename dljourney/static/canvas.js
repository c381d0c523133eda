// Canvases that stay sharp on any screen, and grids of numbers painted small.

// A canvas context of `width` x `height` CSS pixels, whatever the screen's density.
export function sharpContext(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  const w = Math.max(1, Math.round(width * ratio));
  const h = Math.max(1, Math.round(height * ratio));
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
  }
  canvas.style.height = `${height}px`;
  const ctx = canvas.getContext("2d");
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.clearRect(0, 0, width, height);
  return ctx;
}

// Paint a grid of numbers (row 0 at the bottom) into a small canvas, ready to be scaled up.
export function paintGrid(values, rows, cols, low, high, table, levels) {
  const canvas = document.createElement("canvas");
  canvas.width = cols;
  canvas.height = rows;
  const ctx = canvas.getContext("2d");
  const image = ctx.createImageData(cols, rows);
  const scale = 1 / (high - low || 1);
  for (let r = 0; r < rows; r++) {
    let out = 4 * cols * (rows - 1 - r);
    for (let c = 0; c < cols; c++) {
      let t = Math.min(1, Math.max(0, (values[r * cols + c] - low) * scale));
      if (levels) t = Math.min(levels - 1, Math.floor(t * levels)) / (levels - 1);
      const k = 3 * Math.round(255 * t);
      image.data[out++] = table[k];
      image.data[out++] = table[k + 1];
      image.data[out++] = table[k + 2];
      image.data[out++] = Number.isNaN(t) ? 0 : 255;
    }
  }
  ctx.putImageData(image, 0, 0);
  return canvas;
}
