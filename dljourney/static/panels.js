// The other panels: figures in words, pictures, a grid of images, code.

// Numbers and short texts: {name: value}. Changes are read out politely, at most once a second.
function readoutPanel(spec) {
  const list = make("div", {
    class: "dlj-readout",
    role: "group",
    "aria-label": spec.label || spec.name,
  });
  const spoken = make("div", { class: "dlj-spoken", "aria-live": "polite" });
  let timer = null;
  function draw(content) {
    if (!content) return;
    const rows = Object.entries(content);
    while (list.children.length > rows.length) list.lastChild.remove();
    rows.forEach(([name, value], i) => {
      const row =
        list.children[i] ||
        list.appendChild(
          make("div", {}, make("div", { class: "dlj-key" }), make("div", { class: "dlj-value" })),
        );
      row.firstChild.textContent = name;
      row.lastChild.textContent = formatNumber(value);
    });
    timer ||= setTimeout(() => {
      timer = null;
      spoken.textContent = rows.map(([n, v]) => `${n} ${formatNumber(v)}`).join(", ");
    }, 1000);
  }
  return { el: make("div", {}, list, spoken), draw };
}

// A PNG drawn by matplotlib in Python: the bytes, or null while there is none.
function picturePanel(spec) {
  const img = make("img", { alt: spec.label || spec.name });
  let url = null;
  function draw(bytes) {
    if (!bytes) return;
    if (url) URL.revokeObjectURL(url);
    url = URL.createObjectURL(new Blob([bytes], { type: "image/png" }));
    img.src = url;
  }
  return { el: img, draw, close: () => url && URL.revokeObjectURL(url) };
}

// A grid of small images: {images: N x H x W in [0, 1], captions, colours}.
function imagesPanel(spec, view) {
  const canvas = toldCanvas(spec);
  let content = null;
  let layout = null;
  let chosen = 0; // the picture that the keys are at
  function draw(next) {
    if (next) {
      content = next;
      chosen = Math.max(0, Math.min(chosen, content.images.shape[0] - 1));
      tell(canvas, spec, imagesWords(content));
    }
    const width = canvas.clientWidth;
    if (!width || !content) return;
    const [count, rows, cols] = content.images.shape;
    const perRow = Math.max(1, Math.min(spec.columns, Math.floor(width / spec.smallest)));
    const cell = width / perRow;
    const theme = view.theme();
    const line = content.captions ? theme.size * 1.5 : 0;
    const tall = (cell - 6) * (rows / cols) + line + 6;
    const ctx = sharpContext(canvas, width, Math.max(1, Math.ceil(count / perRow)) * tall);
    layout = { perRow, cell, tall, count };
    ctx.imageSmoothingEnabled = false;
    ctx.font = `${theme.size * 0.95}px system-ui, sans-serif`;
    ctx.textAlign = "center";
    ctx.textBaseline = "middle";
    for (let i = 0; i < count; i++) {
      const left = (i % perRow) * cell + 3;
      const top = Math.floor(i / perRow) * tall + 3;
      const values = content.images.values.subarray(i * rows * cols, (i + 1) * rows * cols);
      const flipped = new Float32Array(rows * cols);
      for (let r = 0; r < rows; r++)
        flipped.set(values.subarray(r * cols, (r + 1) * cols), (rows - 1 - r) * cols);
      ctx.drawImage(
        paintGrid(
          flipped,
          rows,
          cols,
          content.lowest,
          content.highest,
          theme.table(content.colours_of || "grey"),
        ),
        left,
        top,
        cell - 6,
        tall - line - 6,
      );
      const colour = content.colours && content.colours[i];
      if (colour) {
        ctx.strokeStyle = theme.colour(colour);
        ctx.lineWidth = 3;
        ctx.strokeRect(left + 1, top + 1, cell - 8, tall - line - 8);
      }
      if (spec.pointer && i === chosen && document.activeElement === canvas) {
        ctx.strokeStyle = theme.ink;
        ctx.lineWidth = 2;
        ctx.strokeRect(left - 2, top - 2, cell - 2, tall - line - 2);
      }
      if (content.captions) {
        ctx.fillStyle = theme.colour(colour || "ink");
        ctx.fillText(content.captions[i], left + cell / 2 - 3, top + tall - line / 2 - 3, cell - 4);
      }
    }
  }
  const pick = (index) => {
    if (index < layout.count) view.send({ event: "pick", panel: spec.name, index });
  };
  canvas.addEventListener("keydown", (event) => {
    const step = ARROWS[event.key];
    if (!spec.pointer || !layout || (!step && !["Enter", " "].includes(event.key))) return;
    event.preventDefault();
    event.stopPropagation();
    const next = step ? chosen + step[0] + step[1] * layout.perRow : chosen;
    if (next >= 0 && next < layout.count) chosen = next;
    if (!step) pick(chosen);
    draw();
  });
  for (const name of ["focus", "blur"]) canvas.addEventListener(name, () => draw());
  canvas.addEventListener("click", (event) => {
    if (!spec.pointer || !layout) return;
    const rect = canvas.getBoundingClientRect();
    const i =
      Math.floor((event.clientY - rect.top) / layout.tall) * layout.perRow +
      Math.floor((event.clientX - rect.left) / layout.cell);
    pick(i);
  });
  return { el: canvas, draw };
}

// Code to read and copy: a string, or "" while there is none.
function codePanel(spec) {
  let closed = false; // was there nothing to read so far?
  const text = make("code");
  const copy = make(
    "button",
    {
      type: "button",
      class: "dlj-copy",
      onclick: () => navigator.clipboard && navigator.clipboard.writeText(text.textContent),
    },
    "Copy",
  );
  const el = make(
    "div",
    { class: "dlj-code", role: "group", "aria-label": spec.label || spec.name },
    copy,
    make("pre", { tabindex: 0 }, text),
  );
  function draw(content) {
    if (content === undefined || content === null) return;
    const opens = closed && content !== "";
    closed = content === "";
    text.textContent = content;
    if (opens) el.scrollIntoView({ block: "nearest" }); // it opens below what was looked at
  }
  return { el, draw };
}

export const PANELS = {
  plot: plotPanel,
  readout: readoutPanel,
  picture: picturePanel,
  images: imagesPanel,
  code: codePanel,
};
