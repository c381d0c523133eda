// A drawing pad: strokes of points in [0, 1], shared by all views; Python hears at the end of each
// stroke.
function render({ model, el }) {
  const root = make("div", {
    class: `dlj dlj-pad dlj-${model.get("size")}`,
    "data-lm-suppress-shortcuts": "true",
  });
  const canvas = make("canvas", { tabindex: 0, role: "application", "aria-label": "Drawing pad" });
  const back = () => commit(ink.read().slice(0, -1));
  const undo = make(
    "button",
    { type: "button", "aria-label": "Undo the last stroke", onclick: back },
    "↶ Undo",
  );
  const clear = make("button", { type: "button", onclick: () => commit([]) }, "Clear");
  const spoken = make("div", { class: "dlj-spoken", "aria-live": "polite" });
  const caption = make("div", { class: "dlj-label" });
  root.append(caption, canvas, make("div", { class: "dlj-padbar" }, undo, clear), spoken);
  keepKeys(root);
  el.append(root);

  const ink = inkOf(model);
  let drawing = null; // the stroke being drawn here, and the pointer that draws it
  let cursor = null; // the keyboard's pen: { x, y, down }
  let queued = 0;
  let theme = null;

  function commit(strokes) {
    ink.write(strokes);
    model.save_changes();
  }
  function extend(points) {
    drawing.stroke.push(...points);
    ink.write([...drawing.before, [...drawing.stroke]]); // other views follow; Python in finish()
  }
  function finish() {
    drawing = null;
    model.save_changes();
  }

  function paint() {
    queued = 0;
    theme ||= themeOf(root);
    const side = canvas.clientWidth;
    const strokes = ink.read(); // also where nothing can be seen: what is late is put right here
    if (!side) return;
    const ctx = sharpContext(canvas, side, side);
    ctx.lineCap = ctx.lineJoin = "round";
    ctx.lineWidth = Math.max(2, model.get("pen") * side);
    ctx.strokeStyle = ctx.fillStyle = theme.ink;
    for (const stroke of strokes) {
      ctx.beginPath();
      stroke.forEach(([x, y], i) =>
        i ? ctx.lineTo(x * side, y * side) : ctx.moveTo(x * side, y * side),
      );
      if (stroke.length === 1) ctx.lineTo(stroke[0][0] * side + 0.01, stroke[0][1] * side);
      ctx.stroke();
    }
    if (!strokes.length) {
      ctx.fillStyle = theme.colour("grey");
      ctx.font = `${theme.size}px system-ui, sans-serif`;
      ctx.textAlign = "center";
      ctx.fillText(model.get("hint"), side / 2, side / 2);
    }
    if (cursor && document.activeElement === canvas) {
      ctx.beginPath();
      ctx.arc(cursor.x * side, cursor.y * side, 6, 0, 7);
      ctx.strokeStyle = theme.colour(cursor.down ? "red" : "blue");
      ctx.lineWidth = 2;
      ctx.stroke();
    }
    canvas.setAttribute(
      "aria-label",
      `${model.get("label") || "Drawing pad"}: ${strokes.length} ` +
        `stroke${strokes.length === 1 ? "" : "s"}. ` +
        "Arrow keys move the pen, Space lowers and lifts it.",
    );
    undo.disabled = clear.disabled = !strokes.length;
    caption.textContent = model.get("label");
    caption.hidden = !model.get("label");
  }
  function queue() {
    queued ||= requestAnimationFrame(paint);
  }

  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    const share = (v) => Math.round(1e4 * Math.min(1, Math.max(0, v))) / 1e4;
    return [
      share((event.clientX - box.left) / box.width),
      share((event.clientY - box.top) / box.height),
    ];
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button || drawing) return;
    canvas.setPointerCapture(event.pointerId);
    event.preventDefault();
    canvas.focus({ preventScroll: true });
    cursor = null;
    drawing = { before: ink.read(), stroke: [], id: event.pointerId };
    extend([place(event)]);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!drawing || event.pointerId !== drawing.id) return;
    const events = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
    extend((events.length ? events : [event]).map(place));
  });
  const lift = (event) => {
    if (drawing && event.pointerId === drawing.id) finish();
  };
  canvas.addEventListener("pointerup", lift);
  canvas.addEventListener("pointercancel", lift);
  canvas.addEventListener("keydown", (event) => {
    const step = ARROWS[event.key];
    const wantsUndo =
      event.key === "Backspace" || ((event.ctrlKey || event.metaKey) && event.key === "z");
    if (!step && !wantsUndo && ![" ", "Delete", "Escape"].includes(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    if (wantsUndo) return undo.click();
    if (event.key === "Delete") return clear.click();
    cursor ||= { x: 0.5, y: 0.5, down: false };
    const far = event.shiftKey ? 0.01 : 0.04;
    if (step) {
      cursor.x = Math.min(1, Math.max(0, cursor.x + far * step[0]));
      cursor.y = Math.min(1, Math.max(0, cursor.y + far * step[1]));
      if (cursor.down) extend([[cursor.x, cursor.y]]);
    } else if (cursor.down || event.key === "Escape") {
      if (cursor.down) finish();
      cursor.down = false;
      spoken.textContent = "Pen up";
    } else {
      cursor.down = true;
      drawing = { before: ink.read(), stroke: [] };
      extend([[cursor.x, cursor.y]]);
      spoken.textContent = "Pen down";
    }
    queue();
  });
  canvas.addEventListener("focus", queue);
  canvas.addEventListener("blur", () => {
    if (cursor && cursor.down) {
      cursor.down = false;
      finish();
    }
    queue();
  });

  const restyle = () => {
    root.className = `dlj dlj-pad dlj-${model.get("size")}${root.inert ? " dlj-asleep" : ""}`;
    theme = null;
    queue();
  };
  const listeners = [
    ["change:strokes", queue],
    ["change:label", queue],
    ["change:hint", queue],
    ["change:pen", queue],
    ["change:size", restyle],
  ];
  listeners.forEach(([name, call]) => model.on(name, call));
  const resize = new ResizeObserver(queue);
  resize.observe(root);
  const unwatch = watchTheme(() => {
    theme = null;
    queue();
  });
  const unheard = watchKernel(model, el, root, queue);
  root.dlj = { model }; // for tests and the curious
  return () => {
    listeners.forEach(([name, call]) => model.off(name, call));
    unheard();
    resize.disconnect();
    unwatch();
    cancelAnimationFrame(queued);
  };
}
