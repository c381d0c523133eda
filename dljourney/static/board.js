// An 8x8 checkers board. Python holds the rules: it says which moves are legal, and what a move
// leads to.

const rowOf = (square) => Math.floor((square - 1) / 4);
const columnOf = (square) => 2 * ((square - 1) % 4) + (rowOf(square) % 2 ? 0 : 1);
const path = (move) => move.split(/[-x]/).map(Number);

// {square: {side: "B" | "W", king}} from "B:W21,22:B1,K2".
function readFen(fen) {
  const pieces = {};
  for (const part of fen.split(":").slice(1)) {
    for (const item of part.slice(1).replace(/\.$/, "").split(",").filter(Boolean)) {
      const king = item[0] === "K";
      pieces[Number(king ? item.slice(1) : item)] = { side: part[0], king };
    }
  }
  return pieces;
}

function render({ model, el }) {
  const root = make("div", { "data-lm-suppress-shortcuts": "true" });
  const grid = make("div", { class: "dlj-squares", role: "grid", "aria-label": "Checkers board" });
  const stage = make("div", { class: "dlj-boardstage" }, grid);
  const status = make("div", { class: "dlj-status", role: "status" });
  const list = make("ol", { class: "dlj-moves", "aria-label": "Moves", tabindex: 0 });
  const failure = errorPlace();
  const send = (press) => () => model.send({ press });
  const bar = make(
    "div",
    { class: "dlj-padbar" },
    make("button", { type: "button", onclick: send("undo") }, "↶ Undo"),
    make("button", { type: "button", onclick: send("reset") }, "↺ New game"),
    make(
      "button",
      {
        type: "button",
        onclick: () => {
          model.set("flipped", !model.get("flipped"));
          model.save_changes();
        },
      },
      "⇅ Turn",
    ),
  );
  const side = make("div", { class: "dlj-boardside" }, status, bar, list);
  root.append(make("div", { class: "dlj-boardbody" }, stage, side), failure.el);
  keepKeys(root);
  el.append(root);

  let squares = {};
  let pieces = {};
  let chosen = [];
  let current = 1;
  let shown = null;
  let queued = 0;
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");

  const at = (square) => {
    // column and row on the screen
    const flip = model.get("flipped");
    return flip ? [7 - columnOf(square), 7 - rowOf(square)] : [columnOf(square), rowOf(square)];
  };
  const squareAt = (column, row) =>
    Object.keys(squares)
      .map(Number)
      .find((s) => at(s)[0] === column && at(s)[1] === row);
  const mayPlay = () => model.get("moves").map(path);
  const following = () => mayPlay().filter((p) => chosen.every((s, i) => p[i] === s));

  function build() {
    grid.replaceChildren();
    squares = {};
    const placed = {};
    for (let s = 1; s <= 32; s++) placed[at(s)] = s;
    for (let row = 0; row < 8; row++) {
      const line = make("div", { role: "row", class: "dlj-row" });
      for (let column = 0; column < 8; column++) {
        const s = placed[[column, row]];
        const cell = make("div", { role: "gridcell", class: `dlj-square${s ? " dlj-dark" : ""}` });
        if (s) {
          squares[s] = make("button", {
            type: "button",
            tabindex: -1,
            "data-square": s,
            onclick: () => pick(s),
            onfocus: () => {
              current = s;
              focusable();
            },
          });
          squares[s].append(
            make("span", { class: "dlj-number", "aria-hidden": "true" }, String(s)),
          );
          cell.append(squares[s]);
        }
        line.append(cell);
      }
      grid.append(line);
    }
    pieces = {};
    shown = null;
    stage.querySelectorAll(".dlj-piece").forEach((node) => node.remove());
    focusable();
  }
  function focusable() {
    for (const [s, node] of Object.entries(squares)) node.tabIndex = Number(s) === current ? 0 : -1;
  }

  function pick(square) {
    const next = mayPlay().filter((p) => [...chosen, square].every((s, i) => p[i] === s));
    if (chosen.length && next.length) chosen.push(square);
    else
      chosen =
        mayPlay().some((p) => p[0] === square) && !(chosen.length === 1 && chosen[0] === square)
          ? [square]
          : [];
    const whole = following().find((p) => p.length === chosen.length && p.length > 1);
    if (whole) {
      const move = model.get("moves").find((m) => String(path(m)) === String(whole));
      chosen = [];
      model.send({ move });
    }
    queue();
  }

  // Put piece nodes where the position has them; those that moved glide along the move's path.
  function place() {
    const fen = model.get("fen");
    if (fen === shown) return;
    const before = pieces;
    const now = readFen(fen);
    const last = model.get("_last");
    const track = shown !== null && last ? path(last) : [];
    pieces = {};
    const keep = (s, from) => {
      pieces[s] = before[from];
      delete before[from];
    };
    for (const s of Object.keys(now))
      if (before[s] && before[s].side === now[s].side && Number(s) !== track[0]) keep(s, s);
    if (track.length && before[track[0]] && now[track.at(-1)] && !pieces[track.at(-1)])
      keep(track.at(-1), track[0]);
    for (const [s, { side, king }] of Object.entries(now)) {
      if (!pieces[s]) {
        pieces[s] = {
          node: stage.appendChild(make("div", { class: "dlj-piece", "aria-hidden": "true" })),
          side,
        };
      }
      const [column, row] = at(Number(s));
      const { node } = pieces[s];
      node.className = `dlj-piece dlj-${side}${king ? " dlj-king" : ""}`;
      node.style.left = `${12.5 * column}%`;
      node.style.top = `${12.5 * row}%`;
      if (Number(s) === track.at(-1) && !still.matches && node.animate) {
        node.animate(
          track.map((t) => ({ left: `${12.5 * at(t)[0]}%`, top: `${12.5 * at(t)[1]}%` })),
          { duration: 170 * (track.length - 1), easing: "ease-in-out" },
        );
      }
    }
    for (const { node } of Object.values(before)) {
      if (still.matches || !node.animate) node.remove();
      else
        node.animate([{ opacity: 1 }, { opacity: 0, transform: "scale(0.6)" }], {
          duration: 200 * Math.max(1, track.length - 1),
        }).onfinish = () => node.remove();
      node.classList.replace("dlj-piece", "dlj-gone");
    }
    shown = fen;
  }

  function paint() {
    queued = 0;
    root.className = `dlj dlj-board dlj-${model.get("size")}${root.inert ? " dlj-asleep" : ""}`;
    place();
    const now = readFen(model.get("fen"));
    const starts = new Set(mayPlay().map((p) => p[0]));
    const ends = new Set(following().map((p) => p[chosen.length]));
    const last = model.get("_last") ? path(model.get("_last")) : [];
    for (const [key, node] of Object.entries(squares)) {
      const s = Number(key);
      const piece = now[s]
        ? `${now[s].side === "B" ? "black" : "white"} ${now[s].king ? "king" : "man"}`
        : "empty";
      const target = chosen.length > 0 && ends.has(s);
      node.classList.toggle("dlj-movable", !chosen.length && starts.has(s));
      node.classList.toggle("dlj-chosen", chosen.includes(s));
      node.classList.toggle("dlj-target", target);
      node.classList.toggle("dlj-last", last.includes(s) && !chosen.length);
      node.setAttribute(
        "aria-label",
        `${s}, ${piece}${target ? ", move here" : starts.has(s) ? ", can move" : ""}`,
      );
    }
    status.textContent = model.get("status");
    failure.show(model.get("error"));
    const moves = model.get("history");
    if (
      list.childElementCount !== Math.ceil(moves.length / 2) ||
      list.dataset.last !== String(moves.length)
    ) {
      list.replaceChildren();
      for (let i = 0; i < moves.length; i += 2)
        list.append(make("li", {}, moves.slice(i, i + 2).join("   ")));
      list.dataset.last = moves.length;
      list.scrollTop = list.scrollHeight;
    }
    bar.children[0].disabled = bar.children[1].disabled = !moves.length;
  }
  function queue() {
    queued ||= requestAnimationFrame(paint);
  }

  grid.addEventListener("keydown", (event) => {
    const step = ARROWS[event.key];
    if (event.key === "Escape") chosen = [];
    else if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    if (step) {
      const [column, row] = at(current);
      const tries = step[0]
        ? [[column + 2 * step[0], row]]
        : [
            [column + 1, row + step[1]],
            [column - 1, row + step[1]],
          ];
      const target = tries.map(([c, r]) => squareAt(c, r)).find(Boolean);
      if (target) squares[target].focus();
    }
    queue();
  });

  build();
  paint();
  const rebuild = () => {
    build();
    queue();
  };
  const fresh = () => {
    chosen = [];
    queue();
  };
  const listeners = [
    ["change:fen", fresh],
    ["change:moves", fresh],
    ["change:history", queue],
    ["change:status", queue],
    ["change:error", queue],
    ["change:size", queue],
    ["change:flipped", rebuild],
  ];
  listeners.forEach(([name, call]) => model.on(name, call));
  const unheard = watchKernel(model, el, root, queue);
  return () => {
    listeners.forEach(([name, call]) => model.off(name, call));
    unheard();
    cancelAnimationFrame(queued);
  };
}
