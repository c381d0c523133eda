// The page of Studio: a camera, a pad, piles of pictures, and what the network says.
// From other scripts: `smaller` (files), `cameraOf`, `drawPad` (pad.js's `render`).

const SHOWN = 11; // pictures of a pile, unless all are asked for
const PAUSE = 120; // milliseconds between two pictures that the camera keeps
let frames = Math.floor(Math.random() * 1e9); // so that views do not take each other's answers

// Small pictures by their place, asked for once each, shown wherever they are wanted.
function gallery(send) {
  const known = new Map(); // place -> address; "" while it is on its way
  const shown = new Set();
  let missing = [];
  function ask() {
    if (missing.length) send({ do: "small", pictures: missing });
    missing = [];
  }
  function picture(place) {
    const node = make("img", { alt: "", draggable: "false" });
    node.dataset.place = place;
    if (known.get(place)) node.src = known.get(place);
    else if (!known.has(place)) {
      known.set(place, "");
      if (!missing.length) queueMicrotask(ask);
      missing.push(place);
    }
    shown.add(node);
    return node;
  }
  function hear(places, buffers) {
    places.forEach((place, i) => {
      if (known.get(place)) return;
      known.set(place, URL.createObjectURL(new Blob([buffers[i]], { type: "image/jpeg" })));
    });
    for (const node of shown) {
      if (!node.isConnected) shown.delete(node);
      else if (known.get(node.dataset.place)) node.src = known.get(node.dataset.place);
    }
  }
  const close = () => known.forEach((address) => address && URL.revokeObjectURL(address));
  return { picture, hear, close };
}

// The pad's strokes live on the page alone; `changed` hears of them at the end of each.
function padOf(changed) {
  const listeners = {};
  const kept = { label: "", hint: "or draw here", pen: 0.06, size: "normal",
    strokes: { order: [0, 0], strokes: [] } };
  const tell = (name) => (listeners[`change:${name}`] || []).forEach((call) => call());
  const model = {
    get: (name) => kept[name],
    set: (name, value) => { kept[name] = value; tell(name); },
    save_changes: () => changed(kept.strokes.strokes),
    on: (name, call) => (listeners[name] ||= []).push(call),
    off: (name, call) => { listeners[name] = (listeners[name] || []).filter((c) => c !== call); },
  };
  const el = make("div", { class: "dlj-studiopad" });
  const close = drawPad({ model, el });
  const ink = inkOf(model);
  const clear = () => { ink.write([]); changed([]); };
  return { el, close, clear, strokes: ink.read };
}

// Files go one after the other, whichever piles they are for, each when the one before was
// answered.
function sender(model, told) {
  const queue = [];
  let busy = false;
  let answered = () => {};
  let done = 0;
  async function run() {
    busy = true;
    while (queue.length) {
      const { pile, file } = queue.shift();
      told(`${(done += 1)} of ${done + queue.length}: ${file.name}`);
      const answer = new Promise((hear) => { answered = hear; });
      try {
        const bytes = await (await smaller(file)).arrayBuffer();
        model.send({ do: "picture", pile, name: file.name }, undefined, [bytes]);
        await answer;
      } catch (problem) {
        model.send({ do: "refused", name: file.name, problem: problem.message });
      }
    }
    busy = false;
    done = 0;
    told("");
  }
  const add = (pile, files) => {
    queue.push(...[...files].map((file) => ({ pile, file })));
    if (queue.length && !busy) run();
  };
  return { add, answered: () => answered(), stop: () => { queue.length = 0; answered(); } };
}

// What is said of a picture: a bar for each pile, in the order of the piles.
function answersPanel() {
  const el = make("div", { class: "dlj-says", "aria-live": "off" });
  function show(said, names) {
    el.classList.toggle("dlj-unknown", !said);
    const best = said && names.reduce((a, b) => (said[b] > said[a] ? b : a), names[0]);
    el.replaceChildren(...names.map((name) => {
      const share = said ? said[name] : 0;
      const fill = make("i");
      fill.style.width = `${100 * share}%`;
      return make("div", { class: name === best ? "dlj-said dlj-most" : "dlj-said" },
        make("b", {}, name), make("span", {}, fill),
        make("em", {}, said ? `${Math.round(100 * share)} %` : ""));
    }));
  }
  return { el, show };
}

// What can be done with a picture: to another pile, or away.
function actions(send, place, pile, names) {
  const others = names.filter((name) => name !== pile);
  const list = make("select", { "aria-label": "Move this picture to another pile" },
    make("option", { value: "" }, "move to ..."),
    ...others.map((name) => make("option", { value: name }, name)));
  list.addEventListener("change", () => {
    if (list.value) send({ do: "move", picture: place, pile: list.value });
  });
  const away = () => send({ do: "away", picture: place });
  return make("span", { class: "dlj-acts" }, others.length ? list : null,
    make("button", { type: "button", onclick: away }, "put away"));
}

// A button that works as long as it is held, by pointer or by Space.
function holdButton(words, label, hold) {
  const node = make("button", { type: "button", class: "dlj-hold", "aria-label": label }, words);
  const set = (on) => { node.classList.toggle("dlj-held", on); hold(on); };
  node.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    node.setPointerCapture(event.pointerId);
    set(true);
  });
  for (const name of ["pointerup", "pointercancel", "blur"])
    node.addEventListener(name, () => set(false));
  const isPress = (event) => event.key === " " || event.key === "Enter";
  node.addEventListener("keydown", (event) => {
    if (!isPress(event) || event.shiftKey) return;
    event.preventDefault();
    if (!event.repeat) set(true);
  });
  node.addEventListener("keyup", (event) => {
    if (isPress(event)) set(false);
  });
  return node;
}

// A field that gives its text to `take` and shows the old one until it is taken.
function nameField(value, label, take) {
  const input = make("input", { value, "aria-label": label, maxlength: 40, size: 10 });
  input.addEventListener("change", () => {
    const wanted = input.value;
    input.value = value;
    take(wanted);
  });
  return input;
}

// The pictures of a pile; a click on one says what can be done with it.
function shotsOf(desk, name) {
  const { send, state } = desk;
  const el = make("div", { class: "dlj-shots" });
  const acts = make("div");
  let pictures = [];
  const choose = (place) => () => {
    state.chosen = place === state.chosen ? null : place;
    desk.draw();
  };
  const thumb = (place) => make("button", {
    type: "button", class: place === state.chosen ? "dlj-shot dlj-chosen" : "dlj-shot",
    "aria-pressed": String(place === state.chosen), onclick: choose(place),
    "aria-label": `Picture ${pictures.indexOf(place) + 1} of ${name}`,
  }, desk.gallery.picture(place));
  const turn = () => { if (!state.open.delete(name)) state.open.add(name); desk.draw(); };
  function rest() {
    if (pictures.length <= SHOWN) return [];
    const words = state.open.has(name) ? "fewer" : `+ ${pictures.length - SHOWN}`;
    const label = `${words} pictures of ${name}`;
    const more = { type: "button", class: "dlj-rest", "aria-label": label, onclick: turn };
    return [make("button", more, words)];
  }
  function show(found) {
    pictures = found;
    const seen = state.open.has(name) ? pictures : pictures.slice(-SHOWN);
    el.replaceChildren(...rest(), ...seen.map(thumb));
    const isHere = pictures.includes(state.chosen);
    acts.replaceChildren(...(isHere ? [actions(send, state.chosen, name, desk.names())] : []));
  }
  return { el, acts, show };
}

// One pile: its name, its pictures, and the ways to add some. It stays as long as its name does,
// so that a button can be held while pictures come.
function pileCard(desk, name) {
  const { send } = desk;
  const input = make("input", { type: "file", accept: "image/*", multiple: true, hidden: true });
  input.addEventListener("change", () => {
    desk.files.add(name, [...input.files]);
    input.value = "";
  });
  const take = (wanted) => send({ do: "rename", pile: name, name: wanted });
  const draw = () => {
    send({ do: "draw", pile: name, strokes: desk.pad.strokes() });
    if (desk.pad.strokes().length) desk.pad.clear();
  };
  const count = make("span", { class: "dlj-count" });
  const shots = shotsOf(desk, name);
  const el = make("section", { class: "dlj-pile", "aria-label": `Pile ${name}` },
    make("header", {}, nameField(name, `Name of the pile ${name}`, take), count,
      pileMenu(send, name)),
    shots.el, shots.acts,
    make("div", { class: "dlj-ways" },
      holdButton("● hold for camera", `Hold to take pictures of ${name}`,
        (on) => desk.hold(name, on)),
      make("button", { type: "button", onclick: () => input.click(), class: "dlj-files",
        "aria-label": `Add files to ${name}` }, "files"),
      make("button", { type: "button", onclick: draw, class: "dlj-drawn",
        "aria-label": `Add what is on the pad to ${name}` }, "drawing"), input));
  acceptDrops(el, (files) => desk.files.add(name, files));
  function show(pictures) {
    count.textContent = `${pictures.length} picture${pictures.length === 1 ? "" : "s"}`;
    const refocus = holding(el);
    shots.show(pictures);
    refocus();
  }
  return { el, show };
}

// Putting a whole pile away takes a click; deleting it takes words.
function pileMenu(send, name) {
  const words = make("input", { placeholder: `forget ${name}`,
    "aria-label": `To delete the pile, type: forget ${name}` });
  const forget = () => send({ do: "forget", pile: name, words: words.value });
  words.addEventListener("keydown", (event) => event.key === "Enter" && forget());
  return make("details", { class: "dlj-menu" },
    make("summary", { "aria-label": `More about ${name}` }, "⋯"),
    make("div", {},
      make("button", { type: "button", onclick: () => send({ do: "remove", pile: name }) },
        "put the pile away"),
      make("p", {}, "To delete its pictures for good, and those of it that were put away, " +
        "type the words:"),
      words, make("button", { type: "button", class: "dlj-forget", onclick: forget }, "delete")));
}

function acceptDrops(card, take) {
  const over = (event) => {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    event.stopPropagation();
    card.classList.toggle("dlj-over", event.type === "dragover");
    if (event.type === "drop")
      take([...event.dataTransfer.files].filter((file) => file.type.startsWith("image/")));
  };
  for (const name of ["dragover", "dragleave", "drop"]) card.addEventListener(name, over);
}

function doubtsPanel(desk) {
  const list = make("div", { class: "dlj-doubts" });
  const head = make("div", { class: "dlj-judged", role: "status" });
  const save = make("button", { type: "button", class: "dlj-save",
    onclick: () => desk.send({ do: "save" }) }, "Save as program, with a report");
  const careful = make("p", { class: "dlj-quiet" });
  const el = make("div", { class: "dlj-learned", hidden: true }, head, careful,
    make("h4", {}, "Most in doubt first: is it on the right pile?"), list, save);
  const figure = ({ picture, label, said, share }) =>
    make("figure", { class: said === label ? "dlj-doubt" : "dlj-doubt dlj-taken" },
      desk.gallery.picture(picture),
      make("figcaption", {}, make("b", {}, `on ${label}`),
        make("span", {}, `taken for ${said}, ${Math.round(100 * share)}\u00a0%`),
        actions(desk.send, picture, label, desk.names())));
  function draw(learned) {
    el.hidden = !learned.names;
    if (el.hidden) return;
    head.textContent = learned.verdict;
    careful.textContent = learned.careful;
    const refocus = holding(el);
    list.replaceChildren(...learned.doubts.map(figure));
    refocus();
  }
  return { el, draw };
}

// Camera and pad, and what is said of what they show.
function watchPanel(desk) {
  const said = answersPanel();
  const told = make("div", { class: "dlj-quiet dlj-camerasays", role: "status" });
  const button = make("button", { type: "button", class: "dlj-lamp" }, "Turn on the camera");
  const frame = make("div", { class: "dlj-screen" });
  let current = null;
  const show = (answer) => { current = answer; said.show(answer, desk.learnedNames()); };
  const camera = cameraOf({
    seen: (bytes) => desk.frame(bytes),
    changed: (words, how) => {
      told.textContent = words;
      button.textContent = how === "on" ? "Turn it off" : "Turn on the camera";
      button.disabled = how === "asking";
      frame.classList.toggle("dlj-live", how === "on");
      desk.root.classList.toggle("dlj-filming", how === "on");
    },
  });
  button.addEventListener("click", camera.toggle);
  frame.append(camera.video);
  const el = make("div", { class: "dlj-watch" }, frame, button, told, said.el, desk.pad.el);
  return { el, camera, show, again: () => show(current) };
}

function render({ model, el }) {
  const root = make("div", { class: `dlj dlj-studio dlj-${model.get("size")}` });
  keepKeys(root);
  el.append(root);
  const error = errorPlace();
  const sent = make("div", { class: "dlj-quiet", role: "status" });
  const send = (message) => model.send(message);
  const mine = new Set(); // frames on their way
  const cards = new Map(); // name -> the pile's card
  let held = null;
  let kept = 0;

  const desk = {
    root, send,
    state: { chosen: null, open: new Set() },
    gallery: gallery(send),
    files: sender(model, (words) => { sent.textContent = words; }),
    names: () => model.get("_shelf").piles.map((pile) => pile.name),
    learnedNames: () => model.get("_learned").names || [],
    hold: (pile, on) => {
      if (on && !watch.camera.isOn()) watch.camera.toggle();
      held = on ? pile : held === pile ? null : held;
    },
    frame: (bytes) => {
      const isKept = held !== null && performance.now() - kept > PAUSE;
      if (isKept) kept = performance.now();
      frames += 1;
      mine.add(frames);
      model.send({ do: "frame", id: frames, pile: isKept ? held : null }, undefined, [bytes]);
    },
    draw: () => draw(),
  };
  desk.pad = padOf((strokes) => send({ do: "ask", strokes }));
  const watch = watchPanel(desk);
  const doubts = doubtsPanel(desk);

  const where = make("p", { class: "dlj-quiet dlj-private" });
  const piles = make("div", { class: "dlj-piles" });
  const another = () => {
    const free = (n) => (desk.names().includes(`pile ${n}`) ? free(n + 1) : `pile ${n}`);
    send({ do: "new", name: free(desk.names().length + 1) });
  };
  const back = make("button", { type: "button", class: "dlj-back",
    onclick: () => send({ do: "back" }) }, "bring back");
  const drawings = make("button", { type: "button", class: "dlj-drawings",
    onclick: () => send({ do: "drawings" }) }, "+ your drawings of chapter 01");
  const learn = make("button", { type: "button", class: "dlj-learn",
    onclick: () => send({ do: "learn" }) }, "Learn");
  const note = make("div", { class: "dlj-studionote", role: "status" });
  root.append(where, make("div", { class: "dlj-studiobody" }, watch.el,
    make("div", { class: "dlj-studiomain" }, piles,
      make("div", { class: "dlj-ways" },
        make("button", { type: "button", class: "dlj-another", onclick: another },
          "+ another pile"), drawings, back),
      make("div", { class: "dlj-learnbar" }, learn, note), sent, error.el, doubts.el)));

  function draw() {
    const shelf = model.get("_shelf");
    const names = desk.names();
    for (const name of cards.keys()) if (!names.includes(name)) cards.delete(name);
    for (const name of names) if (!cards.has(name)) cards.set(name, pileCard(desk, name));
    const wanted = names.map((name) => cards.get(name).el);
    if (wanted.length !== piles.children.length || wanted.some((x, i) => x !== piles.children[i]))
      piles.replaceChildren(...wanted);
    shelf.piles.forEach(({ name, pictures }) => cards.get(name).show(pictures));
    drawings.hidden = !shelf.drawings;
    back.hidden = !shelf.aside;
    back.textContent = `bring back (${shelf.aside} put away)`;
    const folder = shelf.folder || "a passing folder, until the kernel ends";
    where.textContent = "Nothing leaves this machine: the pictures lie in " +
      `${shelf.place || `${folder}, as ordinary files`}. ` +
      "Other people's faces are theirs: ask them first.";
    root.classList.toggle("dlj-looking", shelf.waiting > 0);
    say();
  }
  function say() {
    const { waiting, unread } = model.get("_shelf");
    const words = [model.get("note")];
    if (waiting) words.push(`${waiting} still to be looked at.`);
    if (unread) words.push(`${unread} cannot be read and do not count.`);
    if (model.get("_learned").stale) words.push("The piles have changed: press Learn again.");
    note.textContent = words.join(" ");
    error.show(model.get("error"));
  }
  function drawLearned() {
    doubts.draw(model.get("_learned"));
    watch.again();
    say();
  }
  function hear(message, buffers) {
    if (message.small) desk.gallery.hear(message.small, buffers);
    else if (message.answered) desk.files.answered();
    else if (mine.delete(message.heard)) {
      watch.camera.heard();
      if (watch.camera.isOn()) watch.show(message.said);
      root.dataset.answers = Number(root.dataset.answers || 0) + 1;
    } else if (message.drawn && !watch.camera.isOn()) watch.show(message.said);
  }
  const resize = () => { root.className = `dlj dlj-studio dlj-${model.get("size")}`; };
  const listeners = [["change:_shelf", draw], ["change:_learned", drawLearned],
    ["change:note", say], ["change:error", say], ["change:size", resize], ["msg:custom", hear]];
  listeners.forEach(([name, call]) => model.on(name, call));
  const unheard = watchKernel(model, el, root, (alive) => {
    if (alive) return;
    watch.camera.off();
    desk.files.stop();
  });
  draw();
  drawLearned();
  return () => {
    listeners.forEach(([name, call]) => model.off(name, call));
    unheard();
    watch.camera.close();
    desk.files.stop();
    desk.pad.close();
    desk.gallery.close();
  };
}
