// A plot panel: axes, and marks (lines, points, heat maps, bars, handles) drawn on one canvas.

function niceTicks(low, high, count) {
  const raw = (high - low) / Math.max(1, count);
  if (!(raw > 0) || !Number.isFinite(raw)) return [low];
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find((m) => m * power >= raw) * power;
  const ticks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++)
    ticks.push(Number((k * step).toPrecision(12)));
  return ticks;
}

function logTicks(low, high) {
  const within = (multiples) => {
    const ticks = [];
    for (let k = Math.floor(Math.log10(low)); 10 ** k <= high; k++)
      for (const m of multiples) ticks.push(Number((m * 10 ** k).toPrecision(3)));
    return ticks.filter((v) => v >= low * (1 - 1e-9) && v <= high * (1 + 1e-9));
  };
  const powers = within([1]);
  if (powers.length > 2) return powers.filter((_, i) => i % Math.ceil(powers.length / 5) === 0);
  const some = within([1, 2, 5]);
  return some.length > 1 ? some : niceTicks(low, high, 3).filter((v) => v >= low && v <= high);
}

function tickText(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e5 || size < 1e-3) return value.toExponential(0).replace("e+", "e");
  return String(Number(value.toPrecision(6)));
}

const ticks = (range, log, count) =>
  (log ? logTicks(...range) : niceTicks(...range, count)).map((v) => [v, tickText(v)]);

// The range of an axis: given by the frame, else by the panel, else what the marks need.
function rangeOf(given, marks, axis, log) {
  if (given) return given;
  let low = Infinity;
  let high = -Infinity;
  const see = (v) => {
    if (Number.isFinite(v) && (!log || v > 0)) {
      if (v < low) low = v;
      if (v > high) high = v;
    }
  };
  for (const m of marks) {
    if (m.mark === "heat" || m.mark === "contours") m[axis].forEach(see);
    else if (m.mark === "bars") {
      if (axis === "x")
        m.x.forEach((v) => {
          see(v - m.width / 2);
          see(v + m.width / 2);
        });
      else {
        see(0);
        m.height.forEach(see);
      }
    } else if (m.mark === "band")
      (axis === "x" ? [m.x] : [m.low, m.high]).forEach((list) => list.forEach(see));
    else if (m.mark === "rule") {
      if (m[axis] !== null) see(m[axis]);
    } else if (typeof m[axis] === "number") see(m[axis]);
    else if (m[axis]) m[axis].forEach(see);
  }
  if (low > high) return log ? [0.1, 1] : [0, 1];
  // room for a point at the end
  if (log) return low === high ? [low / 2, high * 2] : [low / 1.25, high * 1.25];
  const pad = low === high ? Math.abs(low) * 0.1 || 1 : 0.04 * (high - low);
  return [low - pad, high + pad];
}

// Maps data to pixels and back on one axis.
function axisScale([low, high], from, to, log) {
  const f = log ? Math.log10 : (v) => v;
  const a = f(low);
  const b = f(high);
  const scale = (v) => from + ((f(v) - a) / (b - a || 1)) * (to - from);
  scale.invert = (p) => {
    const v = a + ((p - from) / (to - from)) * (b - a);
    return log ? 10 ** v : v;
  };
  return scale;
}

// Lines of equal height in a grid: in each square of four neighbours, from side to side.
export function levelLines({ values, shape: [rows, cols], x, y, levels }) {
  const found = [];
  const place = (r, c) => [
    x[0] + (c / (cols - 1)) * (x[1] - x[0]),
    y[0] + (r / (rows - 1)) * (y[1] - y[0]),
  ];
  const around = [[0, 0], [0, 1], [1, 1], [1, 0]];
  for (let r = 0; r + 1 < rows; r++)
    for (let c = 0; c + 1 < cols; c++) {
      const heights = around.map(([dr, dc]) => values[(r + dr) * cols + c + dc]);
      const low = Math.min(...heights);
      const high = Math.max(...heights);
      for (const level of levels) {
        if (level <= low || level > high) continue;
        const ends = [];
        for (let i = 0; i < 4; i++) {
          const j = (i + 1) % 4;
          if ((heights[i] < level) === (heights[j] < level)) continue;
          const share = (level - heights[i]) / (heights[j] - heights[i]);
          const [[dr, dc], [er, ec]] = [around[i], around[j]];
          ends.push(place(r + dr + share * (er - dr), c + dc + share * (ec - dc)));
        }
        for (let i = 0; i + 1 < ends.length; i += 2) found.push([ends[i], ends[i + 1]]);
      }
    }
  return found;
}

const DRAW_MARK = {
  heat(ctx, m, x, y, theme) {
    const [rows, cols] = m.shape;
    const table = theme.table(m.colours);
    const grid = paintGrid(m.values, rows, cols, m.lowest, m.highest, table, m.levels);
    ctx.imageSmoothingEnabled = m.smooth;
    const left = x(m.x[0]);
    const top = y(m.y[1]);
    ctx.globalAlpha = m.alpha;
    ctx.drawImage(grid, left, top, x(m.x[1]) - left, y(m.y[0]) - top);
    ctx.globalAlpha = 1;
  },
  contours(ctx, m, x, y, theme) {
    ctx.strokeStyle = theme.colour(m.colour);
    ctx.lineWidth = m.width;
    ctx.beginPath();
    for (const [[x0, y0], [x1, y1]] of levelLines(m)) {
      ctx.moveTo(x(x0), y(y0));
      ctx.lineTo(x(x1), y(y1));
    }
    ctx.stroke();
  },
  line(ctx, m, x, y, theme) {
    ctx.strokeStyle = theme.colour(m.colour);
    ctx.lineWidth = m.width;
    ctx.lineJoin = "round";
    ctx.lineCap = "round";
    ctx.setLineDash(m.dash ? [6, 5] : []);
    ctx.beginPath();
    let pen = false;
    for (let i = 0; i < m.x.length; i++) {
      const px = x(m.x[i]);
      const py = Math.max(-1e4, Math.min(1e4, y(m.y[i])));
      if (!Number.isFinite(px) || !Number.isFinite(py)) {
        pen = false;
        continue;
      }
      if (pen) ctx.lineTo(px, py);
      else ctx.moveTo(px, py);
      pen = true;
    }
    ctx.stroke();
    ctx.setLineDash([]);
  },
  band(ctx, m, x, y, theme) {
    ctx.fillStyle = theme.colour(m.colour);
    ctx.globalAlpha = 0.2;
    ctx.beginPath();
    for (let i = 0; i < m.x.length; i++) ctx.lineTo(x(m.x[i]), y(m.high[i]));
    for (let i = m.x.length - 1; i >= 0; i--) ctx.lineTo(x(m.x[i]), y(m.low[i]));
    ctx.fill();
    ctx.globalAlpha = 1;
  },
  points(ctx, m, x, y, theme) {
    ctx.lineWidth = 1.2;
    for (let i = 0; i < m.x.length; i++) {
      const px = x(m.x[i]);
      const py = y(m.y[i]);
      if (!Number.isFinite(px) || !Number.isFinite(py)) continue;
      const colour = m.classes ? theme.classColour(m.classes[i]) : theme.colour(m.colour);
      ctx.beginPath();
      ctx.arc(px, py, m.size, 0, 7);
      if (m.hollow) {
        ctx.strokeStyle = colour;
        ctx.lineWidth = 1.8;
        ctx.stroke();
      } else {
        ctx.fillStyle = colour;
        ctx.fill();
        ctx.strokeStyle = theme.dark ? "#0008" : "#fffc";
        ctx.stroke();
      }
    }
  },
  bars(ctx, m, x, y, theme, box) {
    for (let i = 0; i < m.x.length; i++) {
      ctx.fillStyle = theme.colour(Array.isArray(m.colour) ? m.colour[i] : m.colour);
      const left = x(m.x[i] - m.width / 2);
      const top = y(m.height[i]);
      const base = Number.isFinite(y(0)) ? y(0) : box.bottom;
      ctx.fillRect(left, Math.min(top, base), x(m.x[i] + m.width / 2) - left, Math.abs(base - top));
    }
  },
  rule(ctx, m, x, y, theme, box) {
    ctx.strokeStyle = theme.colour(m.colour);
    ctx.lineWidth = 1.2;
    ctx.setLineDash(m.dash ? [5, 4] : []);
    ctx.beginPath();
    if (m.x !== null) {
      ctx.moveTo(x(m.x), box.top);
      ctx.lineTo(x(m.x), box.bottom);
    }
    if (m.y !== null) {
      ctx.moveTo(box.left, y(m.y));
      ctx.lineTo(box.right, y(m.y));
    }
    ctx.stroke();
    ctx.setLineDash([]);
  },
  note(ctx, m, x, y, theme) {
    ctx.font = `${m.bold ? "600 " : ""}${theme.size}px system-ui, sans-serif`;
    ctx.textAlign = m.align;
    ctx.textBaseline = "middle";
    ctx.strokeStyle = theme.dark ? "#111c" : "#fffc";
    ctx.lineWidth = 3;
    ctx.lineJoin = "round";
    ctx.strokeText(m.text, x(m.x), y(m.y));
    ctx.fillStyle = theme.colour(m.colour);
    ctx.fillText(m.text, x(m.x), y(m.y));
  },
  handle(ctx, m, x, y, theme) {
    const px = x(m.x);
    const py = y(m.y);
    ctx.beginPath();
    ctx.arc(px, py, 8, 0, 7);
    ctx.fillStyle = theme.colour(m.colour);
    ctx.fill();
    ctx.lineWidth = 2.5;
    ctx.strokeStyle = theme.dark ? "#111" : "#fff";
    ctx.stroke();
    ctx.beginPath();
    ctx.arc(px, py, 10, 0, 7);
    ctx.lineWidth = 1.2;
    ctx.strokeStyle = theme.colour(m.colour);
    ctx.stroke();
  },
};

function drawAxes(ctx, spec, box, x, y, ranges, theme) {
  const size = theme.size * 0.88;
  ctx.font = `${size}px system-ui, sans-serif`;
  ctx.lineWidth = 1;
  const nX = Math.max(2, (box.right - box.left) / 80);
  const nY = Math.max(3.5, (box.bottom - box.top) / 60);
  const xTicks = spec.xticks || ticks(ranges.x, spec.xlog, nX);
  const yTicks = spec.yticks || ticks(ranges.y, spec.ylog, nY);
  ctx.strokeStyle = theme.colour("grid");
  ctx.fillStyle = theme.colour("grey");
  ctx.textAlign = "center";
  ctx.textBaseline = "top";
  for (const [v, text] of xTicks) {
    if (spec.grid) {
      ctx.beginPath();
      ctx.moveTo(x(v), box.top);
      ctx.lineTo(x(v), box.bottom);
      ctx.stroke();
    }
    (box.tall ? text.split(" ") : [text]).forEach((words, i) =>
      ctx.fillText(words, x(v), box.bottom + 5 + i * size * 1.15),
    );
  }
  ctx.textAlign = "right";
  ctx.textBaseline = "middle";
  for (const [v, text] of yTicks) {
    if (spec.grid) {
      ctx.beginPath();
      ctx.moveTo(box.left, y(v));
      ctx.lineTo(box.right, y(v));
      ctx.stroke();
    }
    ctx.fillText(text, box.left - 6, y(v));
  }
  ctx.textAlign = "center";
  ctx.textBaseline = "bottom";
  if (spec.xlabel) ctx.fillText(spec.xlabel, (box.left + box.right) / 2, box.height - 1);
  if (spec.ylabel) {
    ctx.save();
    ctx.translate(2, (box.top + box.bottom) / 2);
    ctx.rotate(-Math.PI / 2);
    ctx.textBaseline = "top";
    ctx.fillText(spec.ylabel, 0, 0);
    ctx.restore();
  }
}

// How many lines the names under the plot need: one, or as many as words where they would touch.
function tickLines(ctx, spec, room, em) {
  if (!spec.xticks || spec.xticks.length < 2) return 1;
  ctx.font = `${em * 0.88}px system-ui, sans-serif`;
  const widest = Math.max(...spec.xticks.map(([, text]) => ctx.measureText(text).width));
  return widest + 6 > room / spec.xticks.length
    ? Math.max(...spec.xticks.map(([, text]) => text.split(" ").length))
    : 1;
}

// Room to the right of the plot, so that the last number under it fits.
function lastTick(ctx, spec, [, high], em) {
  ctx.font = `${em * 0.88}px system-ui, sans-serif`;
  if (spec.xticks) return 8;
  const text = tickText(Number(high.toPrecision(2)));
  return Math.max(8, ctx.measureText(text).width / 2 + 1);
}

// Room to the left of the plot for the names at its ticks, where it has names.
function namesBeside(ctx, spec, em) {
  if (!spec.yticks) return 0;
  ctx.font = `${em * 0.88}px system-ui, sans-serif`;
  return Math.max(0, ...spec.yticks.map(([, text]) => ctx.measureText(text).width + 10));
}

// The labelled marks in rows that fit into `room` pixels, each with its distance from the left.
function legendRows(ctx, marks, room, em) {
  ctx.font = `${em * 0.92}px system-ui, sans-serif`;
  const rows = [];
  let used = Infinity;
  for (const m of marks.filter((mark) => mark.label)) {
    const width = 34 + ctx.measureText(m.label).width;
    if (used + width - 13 > room) {
      rows.push([]);
      used = 0;
    }
    rows.at(-1).push([m, used]);
    used += width;
  }
  return rows;
}

function drawLegend(ctx, rows, box, theme) {
  ctx.font = `${theme.size * 0.92}px system-ui, sans-serif`;
  ctx.textAlign = "left";
  ctx.textBaseline = "middle";
  rows.forEach((row, i) =>
    row.forEach(([m, distance]) => {
      const left = box.left + distance;
      const y = box.top - 10 - (rows.length - 1 - i) * theme.size * 1.4;
      const colour = theme.colour(Array.isArray(m.colour) ? m.colour[0] : m.colour);
      ctx.strokeStyle = ctx.fillStyle = colour;
      ctx.lineWidth = 2.5;
      ctx.beginPath();
      if (m.mark === "points") {
        ctx.arc(left + 8, y, 4, 0, 7);
        if (m.hollow) ctx.stroke();
        else ctx.fill();
      } else {
        ctx.setLineDash(m.dash ? [4, 3] : []);
        ctx.moveTo(left, y);
        ctx.lineTo(left + 16, y);
        ctx.stroke();
        ctx.setLineDash([]);
      }
      ctx.fillStyle = theme.ink;
      ctx.fillText(m.label, left + 21, y);
    }),
  );
}

// view: { theme(), send(message), sendSoon(message), follow(name, value), set(values, done) }
export function plotPanel(spec, view) {
  const canvas = toldCanvas(spec);
  let content = { marks: [] };
  let scales = null;
  let cursor = null; // keyboard cursor, in pixels
  const spoken = make("div", { class: "dlj-spoken", "aria-live": "polite" }); // where it is

  function draw(next) {
    if (next) {
      content = Array.isArray(next) ? { marks: next } : next;
      tell(canvas, spec, plotWords({ ...spec, ...content }, content.marks));
    }
    const width = canvas.clientWidth;
    if (!width) return;
    const height = Math.round((width * spec.height) / spec.width);
    const theme = view.theme();
    const ctx = sharpContext(canvas, width, height);
    const shown = { ...spec, ...content };
    const marks = content.marks;
    const ranges = {
      x: rangeOf(shown.x, marks, "x", shown.xlog),
      y: rangeOf(shown.y, marks, "y", shown.ylog),
    };
    const em = theme.size;
    const axes = shown.axes !== false;
    const left = axes ? Math.max(em * (shown.ylabel ? 4.4 : 3), namesBeside(ctx, shown, em)) : 1;
    const legend = legendRows(ctx, marks, width - left - 4, em);
    const right = width - (axes ? lastTick(ctx, shown, ranges.x, em) : 1);
    const lines = axes ? tickLines(ctx, shown, right - left, em) : 1;
    const box = {
      width,
      height,
      left,
      right,
      tall: lines > 1,
      top: legend.length ? em * (0.3 + 1.4 * legend.length) : axes ? 8 : 1,
      bottom: height - (axes ? em * ((shown.xlabel ? 3 : 1.7) + lines - 1) : 1),
    };
    const x = axisScale(ranges.x, box.left, box.right, shown.xlog);
    const y = axisScale(ranges.y, box.bottom, box.top, shown.ylog);
    scales = { x, y, box };
    if (axes) drawAxes(ctx, shown, box, x, y, ranges, theme);
    ctx.save();
    ctx.beginPath();
    ctx.rect(box.left, box.top, box.right - box.left, box.bottom - box.top);
    ctx.clip();
    for (const m of marks) if (m.mark !== "handle") DRAW_MARK[m.mark](ctx, m, x, y, theme, box);
    ctx.restore();
    ctx.strokeStyle = theme.colour("faint");
    ctx.lineWidth = 1;
    ctx.strokeRect(box.left, box.top, box.right - box.left, box.bottom - box.top);
    for (const m of marks) if (m.mark === "handle") DRAW_MARK.handle(ctx, m, x, y, theme);
    drawLegend(ctx, legend, box, theme);
    if (cursor && document.activeElement === canvas) {
      ctx.strokeStyle = isDown ? theme.colour("red") : theme.ink;
      ctx.lineWidth = 1.5;
      ctx.beginPath();
      ctx.moveTo(cursor[0] - 8, cursor[1]);
      ctx.lineTo(cursor[0] + 8, cursor[1]);
      ctx.moveTo(cursor[0], cursor[1] - 8);
      ctx.lineTo(cursor[0], cursor[1] + 8);
      ctx.stroke();
    }
  }

  const place = (event) => {
    const rect = canvas.getBoundingClientRect();
    return [
      ((event.clientX - rect.left) * canvas.clientWidth) / rect.width,
      ((event.clientY - rect.top) * canvas.clientWidth) / rect.width,
    ];
  };
  const data = ([px, py]) => ({ x: scales.x.invert(px), y: scales.y.invert(py) });
  const inside = ([px, py]) =>
    scales &&
    px >= scales.box.left &&
    px <= scales.box.right &&
    py >= scales.box.top &&
    py <= scales.box.bottom;
  let dragged = null;
  let stroke = null;
  let isDown = false; // the keyboard's pen
  let pressed = null;
  const extend = (point) => {
    const at = data(point);
    stroke.x.push(at.x);
    stroke.y.push(at.y);
    view.sendSoon(drawn(false));
  };
  const drawn = (done) => numbered({ event: "draw", panel: spec.name, ...stroke, done });

  function moveHandle(mark, point, done) {
    const at = data(point);
    const values = {};
    if (mark.bind[0]) values[mark.bind[0]] = at.x;
    if (mark.bind[1]) values[mark.bind[1]] = at.y;
    view.set(values, done);
  }
  // Points that can be moved, added and taken away: the list of numbers behind them is set anew.
  const loose = () => spec.pointer === "points" && content.marks.find((m) => m.into);
  let moved = null; // the place in the list of the point that follows the pointer or the keys
  const nearest = (mark, [px, py]) => {
    const far = (v, i) => Math.hypot(scales.x(v) - px, scales.y(mark.y[i]) - py);
    const away = Array.from(mark.x, far);
    const least = Math.min(...away);
    return least < 14 ? away.indexOf(least) : null;
  };
  function setPoint(mark, i, point, done) {
    const list = Array.from(mark.x, (v, k) => [v, mark.y[k]]);
    if (point) {
      const { left, right, top, bottom } = scales.box;
      const clamp = (v, low, high) => Math.min(high, Math.max(low, v));
      const at = data([clamp(point[0], left, right), clamp(point[1], top, bottom)]);
      list[i] = [at.x, at.y];
    } else if (list.length > 2) list.splice(i, 1);
    const rounded = list.flat().map((v) => Number(v.toFixed(3)) + 0);
    view.set({ [mark.into]: rounded }, done);
  }
  function keyOnPoints(mark, key) {
    const near = nearest(mark, cursor);
    if (key === "Delete" || key === "Backspace") {
      if (near !== null) setPoint(mark, near, null, true);
    } else if (moved !== null) moved = null;
    else if (near !== null) moved = near;
    else setPoint(mark, mark.x.length, cursor, true);
  }
  // The keyboard's pen: what was drawn with it ends where it is lifted.
  function lift() {
    if (isDown) view.send(drawn(true));
    isDown = false;
    stroke = null;
  }
  function keyOnPen(isStep) {
    if (isStep && isDown) extend(cursor);
    else if (!isStep && isDown) lift();
    else if (!isStep) {
      isDown = true;
      stroke = { x: [], y: [] };
      extend(cursor);
    }
  }
  canvas.addEventListener("pointerdown", (event) => {
    if (!scales || event.button) return;
    lift();
    const point = place(event);
    const mark = loose();
    if (mark && inside(point)) {
      const near = nearest(mark, point);
      if (event.shiftKey && near !== null) setPoint(mark, near, null, true);
      else setPoint(mark, (moved = near ?? mark.x.length), point, false);
    }
    const near = content.marks
      .filter((m) => m.mark === "handle")
      .find((m) => Math.hypot(scales.x(m.x) - point[0], scales.y(m.y) - point[1]) < 22);
    const only = spec.pointer === "handle" && content.marks.find((m) => m.mark === "handle");
    dragged = near || (inside(point) && only) || null;
    if (moved !== null) cursor = null;
    else if (dragged) moveHandle(dragged, point, false);
    else if (spec.pointer === "draw" && inside(point)) {
      stroke = { x: [], y: [] };
      extend(point);
    } else if (spec.pointer === "click" && inside(point)) pressed = point;
    else return;
    canvas.setPointerCapture(event.pointerId);
    event.preventDefault();
    canvas.focus({ preventScroll: true });
  });
  canvas.addEventListener("pointermove", (event) => {
    const point = place(event);
    if (moved !== null && !cursor) setPoint(loose(), moved, point, false);
    else if (dragged) moveHandle(dragged, point, false);
    else if (stroke) extend(point);
  });
  const finish = (event) => {
    if (dragged || (moved !== null && !cursor)) view.set({}, true);
    if (!cursor) moved = null;
    if (stroke) view.send(drawn(true));
    if (pressed && event.type === "pointerup")
      view.send({ event: "click", panel: spec.name, ...data(pressed), shift: event.shiftKey });
    dragged = stroke = pressed = null;
  };
  canvas.addEventListener("pointerup", finish);
  canvas.addEventListener("pointercancel", finish);
  canvas.addEventListener("keydown", (event) => {
    const step = ARROWS[event.key];
    const mark = loose();
    const known = ["Enter", " ", ...(mark ? ["Delete", "Backspace"] : [])];
    if (!scales || !spec.pointer || (!step && !known.includes(event.key))) return;
    event.preventDefault();
    event.stopPropagation();
    const handle = content.marks.find((m) => m.mark === "handle");
    const far = event.shiftKey ? 2 : 8;
    if (handle && step)
      return moveHandle(
        handle, [scales.x(handle.x) + step[0] * far, scales.y(handle.y) + step[1] * far], true);
    cursor ||= [(scales.box.left + scales.box.right) / 2, (scales.box.top + scales.box.bottom) / 2];
    if (step) {
      const { left, right, top, bottom } = scales.box;
      cursor = [
        Math.min(right, Math.max(left, cursor[0] + step[0] * far)),
        Math.min(bottom, Math.max(top, cursor[1] + step[1] * far)),
      ];
      if (mark && moved !== null) setPoint(mark, moved, cursor, true);
    } else if (mark) keyOnPoints(mark, event.key);
    else if (spec.pointer === "click")
      view.send({ event: "click", panel: spec.name, ...data(cursor), shift: event.shiftKey });
    if (spec.pointer === "draw") keyOnPen(Boolean(step));
    const at = data(cursor);
    const state = isDown ? ", pen down" : moved !== null ? ", holding a point" : "";
    spoken.textContent = `${formatNumber(at.x)}, ${formatNumber(at.y)}${state}`;
    draw();
  });
  canvas.addEventListener("focus", () => draw());
  canvas.addEventListener("blur", () => {
    lift();
    draw();
  });
  const el = spec.pointer ? make("div", {}, canvas, spoken) : canvas;
  return { el, draw, at: (x, y) => scales && [scales.x(x), scales.y(y)] };
}
