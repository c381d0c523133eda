// What Studio does in Python, in a page: piles of pictures that stay in this browser; a worker
// looks at them, learns and answers. The front end, studio.js, sends and hears the same as in a
// notebook.

const SMALL = 96; // pixels of a side, as the page shows a picture
const LEARNED = "Learned. Show something to the camera, drop a picture here, or draw.";
const BEGINNINGS = [[[0xff, 0xd8, 0xff], "jpg"], [[0x89, 0x50, 0x4e, 0x47], "png"],
  [[0x52, 0x49, 0x46, 0x46], "webp"], [[0x47, 0x49, 0x46], "gif"], [[0x42, 0x4d], "bmp"]];

// -- pictures -------------------------------------------------------------------------------------

const bytesIn = async (file) => new Uint8Array(await file.arrayBuffer());

// Which picture it is: the same file twice is one picture.
async function idOf(bytes) {
  if (!crypto.subtle) return `${bytes.length} ${checkOf(bytes)}`; // a page without https
  const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(sum.subarray(0, 10), (b) => b.toString(16).padStart(2, "0")).join("");
}

// A picture as the page shows it; what cannot be read is refused here.
async function smallOf(file) {
  const bitmap = await createImageBitmap(file, AS_IT_IS).catch(() => {
    throw new Error("this browser knows no such picture; save it as JPEG or PNG");
  });
  const side = Math.min(bitmap.width, bitmap.height);
  const [x, y] = [(bitmap.width - side) / 2, (bitmap.height - side) / 2];
  const paper = blankPaper(SMALL, SMALL);
  const context = paper.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, SMALL, SMALL);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, x, y, side, side, 0, 0, SMALL, SMALL);
  bitmap.close();
  return new Promise((done) => { paper.toBlob(done, "image/jpeg", 0.85); });
}

// A name as a folder's name in a zip, and back: `folder_name` and `label_of` of kit.live.
const asFolder = (name) => name.replace(/[%/\\:*?"<>|]|^\.|[. ]$/g, (c) =>
  `%${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`);
const asName = (folder) => folder.replace(/%([0-9A-F]{2})/g, (_, code) =>
  String.fromCharCode(parseInt(code, 16)));

function checkedName(argument, given) {
  const name = String(given).normalize("NFC").replace(/\p{C}/gu, "").trim();
  if (!name || [...name].length > 40)
    throw new Error(`${argument}: expected a name of 1 to 40 letters, got '${given}'`);
  return name;
}

// -- the worker -----------------------------------------------------------------------------------

// Asks the worker, one thing after the other; what somebody waits for comes first.
function thinkerOf(source) {
  const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const worker = new Worker(address);
  const [first, others] = [[], []];
  let current = null;
  function next() {
    current = first.shift() || others.shift() || null;
    if (current) worker.postMessage(current.what, []);
  }
  const end = (act) => {
    act(current);
    next();
  };
  worker.addEventListener("message", ({ data }) => end(({ done, failed }) =>
    ("problem" in data ? failed(new Error(data.problem)) : done(data.gives))));
  worker.addEventListener("error", ({ message }) => end((waits) =>
    waits?.failed(new Error(message || "the worker of this page does not run"))));
  return (does, what = {}, isFirst = false) => new Promise((done, failed) => {
    (isFirst ? first : others).push({ what: { does, ...what }, done, failed });
    if (!current) next();
  });
}

// -- the desk -------------------------------------------------------------------------------------

function deskOf(kept, model, think, store) {
  let names = []; // of the piles, in their order
  let learned = null; // its piles, each {name, ids}, and its doubts
  let isAwake = false;
  let isLooking = false;
  let wantsToLearn = false;
  let isKept = true;
  let count = 0;
  const pictures = new Map(); // id -> {id, pile, aside, came, picture, small, row, net, unread}
  const { words } = kept;

  const inOrder = (found) => [...found].toSorted((a, b) => a.came - b.came);
  const on = (name) => inOrder(pictures.values()).filter((p) => p.pile === name && !p.aside);
  const aside = () => inOrder(pictures.values()).filter((p) => p.aside);
  const unseen = () => names.flatMap(on).filter((p) => !p.row && !p.unread);
  const isDue = () => wantsToLearn || unseen().length > 0;
  const readable = () => names.map((name) =>
    ({ name, ids: on(name).filter((p) => !p.unread).map((p) => p.id) }))
    .filter(({ ids }) => ids.length);
  const set = (name, value) => model.put(name, value);
  const stamp = (picture, changes) => Object.assign(picture, changes, { came: (count += 1) });

  function whatIsLearned() {
    if (!learned) return {};
    const told = learned.piles.map(({ name }) => name);
    const ids = learned.piles.flatMap((pile) => pile.ids);
    const doubts = learned.doubts.map(({ at, label, said, share }) =>
      ({ picture: ids[at], label: told[label], said: told[said], share }))
      .filter(({ picture }) => pictures.has(picture) && !pictures.get(picture).aside);
    return { names: told, doubts: doubts.slice(0, 24), careful: words.careful,
      verdict: verdictOf(told, learned.piles.map((pile) => pile.ids.length), learned.doubts),
      stale: JSON.stringify(readable()) !== JSON.stringify(learned.piles) };
  }
  function show() {
    const all = names.flatMap(on);
    set("_shelf", {
      piles: names.map((name) => ({ name, pictures: on(name).map((p) => p.id) })),
      aside: aside().length, waiting: unseen().length, folder: "",
      unread: all.filter((p) => p.unread).length,
      place: isKept ? "this browser, until you delete them"
        : "this page alone, as the browser keeps nothing: save them before you leave",
    });
    set("_learned", whatIsLearned());
  }

  // Kept in this browser: some pictures, and what the piles are called.
  function remember(...some) {
    const desk = { id: "", names, made: kept.made, learned: Boolean(learned || wantsToLearn) };
    store.put([desk, ...some]).catch(() => {
      isKept = false;
      show();
    });
  }
  function changed(...some) {
    remember(...some);
    show();
    lookOn();
  }

  async function see(one) {
    try {
      one.row = await think("see", { key: one.id, file: one.picture });
      one.net = kept.net;
      if (pictures.has(one.id)) remember(one);
    } catch (problem) {
      one.unread = problem.message;
    }
  }
  // Looks at what is new, a picture at a time; learns when all are seen, if that was asked for.
  async function lookOn() {
    if (isLooking || !isAwake) return;
    isLooking = true;
    do {
      for (let n = 0, one = unseen()[0]; one; [one] = unseen(), n++) {
        await see(one);
        if (n % 8 === 0) show();
      }
      if (wantsToLearn) await telling(learn);
    } while (isDue());
    isLooking = false;
    show();
  }
  async function learn() {
    wantsToLearn = false;
    set("note", words.ready);
    const piles = readable();
    if (piles.length < 2) {
      const have = piles.length ? `only ${piles[0].name} has some` : "there are none";
      throw new Error(`expected pictures on two piles or more; ${have}. ` +
        "Add pictures of another thing");
    }
    const doubts = await think("learn", { piles: piles.map(({ ids }) => ids) });
    learned = { piles, doubts };
    set("note", LEARNED);
    changed();
  }
  async function answer(what) {
    const shares = learned && await think("ask", what, true);
    if (!shares || !learned) return null;
    return Object.fromEntries(learned.piles.map(({ name }, i) => [name, shares[i]]));
  }
  async function telling(call) {
    try {
      await call();
    } catch (problem) {
      set("error", problem.message);
    }
  }

  function pile(given) {
    const name = checkedName("label", given);
    if (!names.includes(name)) names.push(name);
    return name;
  }
  function there(id) {
    if (!pictures.has(id))
      throw new Error("this picture is not here any more; it was moved or taken away");
    return pictures.get(id);
  }
  // Puts a picture on a pile; one that lies on another pile moves.
  async function add(label, file) {
    const name = pile(label);
    const [small, bytes] = await Promise.all([smallOf(file), bytesIn(file)]);
    const id = await idOf(bytes);
    const one = pictures.get(id) || { id, picture: file, small, row: null };
    pictures.set(id, stamp(one, { pile: name, aside: false }));
    changed(one);
  }
  function forget({ pile: name, words: said }) {
    if (said.trim().toLowerCase() !== `forget ${name}`.toLowerCase())
      throw new Error(`words: expected 'forget ${name}', got '${said}'; this deletes pictures ` +
        "for good, so it has to be said");
    const gone = [...pictures.values()].filter((p) => p.pile === name).map((p) => p.id);
    gone.forEach((id) => pictures.delete(id));
    names = names.filter((other) => other !== name);
    think("forget", { keys: gone });
    store.drop(gone).catch(() => {});
    if (learned?.piles.some(({ ids }) => ids.some((id) => gone.includes(id)))) {
      learned = null;
      think("unlearn");
    }
    set("note", `${gone.length} pictures are gone for good.`);
    changed();
  }
  function rename({ pile: old, name: given }) {
    const name = checkedName("new", given);
    if (name !== old && names.includes(name))
      throw new Error(`new: expected a name that no other pile has, got '${name}'`);
    names = names.map((other) => (other === old ? name : other));
    learned?.piles.forEach((one) => { if (one.name === old) one.name = name; });
    const moved = [...pictures.values()].filter((p) => p.pile === old);
    moved.forEach((p) => { p.pile = name; });
    changed(...moved);
  }

  // The camera sees something: what is kept is answered at once and looked at later; of the others
  // the newest waits, and no more.
  let said = null;
  let isAsking = false;
  let newest = null;
  const heard = (id) => model.tell({ heard: id, said });
  async function frame({ id, pile: name }, [bytes]) {
    const file = new Blob([bytes], { type: "image/jpeg" });
    if (name !== null) {
      await telling(() => add(name, file));
      return heard(id);
    }
    if (newest) heard(newest.id);
    newest = { id, file };
    while (newest && !isAsking) {
      const now = newest;
      newest = null;
      isAsking = true;
      await telling(async () => { said = await answer({ file: now.file }); });
      isAsking = false;
      heard(now.id);
    }
    return null;
  }
  async function receive({ pile: label, name }, [bytes]) {
    await telling(() => add(label, new Blob([bytes])).catch((problem) => {
      throw new Error(`${name} cannot be read: ${problem.message}`);
    }));
    model.tell({ answered: true });
  }

  const buttons = {
    learn() {
      wantsToLearn = true;
      set("note", isAwake ? "Looking at what is new ..." : model.get("note"));
      return lookOn();
    },
    new({ name }) { pile(name); changed(); },
    rename,
    remove({ pile: name }) {
      const gone = on(name);
      gone.forEach((p) => stamp(p, { aside: true }));
      names = names.filter((other) => other !== name);
      changed(...gone);
    },
    forget,
    move({ picture, pile: name }) { changed(stamp(there(picture), { pile: pile(name) })); },
    away({ picture }) { changed(stamp(there(picture), { aside: true })); },
    back() {
      const last = aside().at(-1);
      changed(stamp(last, { pile: pile(last.pile), aside: false }));
    },
    async draw({ pile: name, strokes }) {
      if (!strokes.some((stroke) => stroke.length))
        throw new Error("the pad is empty: draw something first");
      await add(name, await think("draw", { strokes }, true));
    },
    async ask({ strokes }) {
      const isDrawn = strokes.some((stroke) => stroke.length);
      model.tell({ said: isDrawn ? await answer({ strokes }) : null, drawn: true });
    },
    refused({ name, problem }) { throw new Error(`${name}: ${problem}`); },
  };
  function hear(message, buffers) {
    if (message.do === "frame") frame(message, buffers);
    else if (message.do === "picture") receive(message, buffers);
    else if (message.do === "small") {
      const small = (id) => pictures.get(id)?.small || new Blob([]);
      model.tell({ small: message.pictures }, message.pictures.map(small));
    } else {
      set("error", "");
      telling(() => buttons[message.do](message));
    }
  }

  // What the page brought along, unless it is here already.
  async function unpack(name, { picture, row }) {
    const bytes = bytesOf(picture.base64);
    const id = await idOf(bytes);
    if (pictures.has(id)) return null;
    const file = new Blob([bytes]);
    const one = { id, picture: file, small: await smallOf(file), net: kept.net,
      row: row && new Float32Array(bytesOf(row.base64).buffer) };
    pictures.set(id, stamp(one, { pile: name, aside: false }));
    return one;
  }
  async function begin() {
    const found = await store.all().catch(() => { isKept = false; return []; });
    const desk = found.find(({ id }) => id === "");
    names = desk ? desk.names : [];
    for (const one of found.filter(({ id }) => id)) {
      if (one.net !== kept.net) one.row = null; // what another network saw
      pictures.set(one.id, one);
      count = Math.max(count, one.came);
    }
    const brought = [];
    for (const one of desk?.made === kept.made ? [] : kept.piles) {
      const name = pile(one.name);
      for (const given of one.pictures) brought.push(await unpack(name, given));
    }
    wantsToLearn = desk ? desk.learned : kept.learned;
    remember(...brought.filter(Boolean));
    show();
  }
  async function wake(net) {
    await think("wake", net);
    for (const { id, row } of pictures.values()) if (row) think("know", { key: id, row });
    isAwake = true;
    set("note", words.ready);
    await lookOn();
  }
  // Every picture on a pile, as a file in the pile's folder.
  async function whole() {
    const files = names.flatMap((name) => on(name).map(async ({ picture }, i) => {
      const bytes = await bytesIn(picture);
      const kind = BEGINNINGS.find(([start]) => start.every((b, k) => bytes[k] === b));
      return { name: `${asFolder(name)}/${String(i + 1).padStart(4, "0")}.${kind?.[1] || "png"}`,
        bytes };
    }));
    return zipOf(await Promise.all(files));
  }
  async function read(file) {
    let files = [];
    try {
      files = await unzipped(file);
    } catch (problem) {
      set("error", `${file.name}: expected a zip of pictures in folders; ${problem.message}`);
    }
    let n = 0;
    for (const { name, bytes } of files) {
      const [last, folder, ...others] = name.split("/").toReversed();
      if (!folder || [last, folder, ...others].some((part) => part.startsWith("."))) continue;
      try {
        await add(asName(folder), await smaller(new File([bytes], last)));
        n += 1;
      } catch { /* other files may lie beside pictures: the note counts what was found */ }
    }
    if (files.length) set("note", `${n} of ${files.length} files in ${file.name} are pictures.`);
  }
  return { begin, wake, hear, whole, read, answer, pictures, buttons,
    learned: () => learned, isReady: () => isAwake && !isLooking && !isDue() };
}

// -- the page -------------------------------------------------------------------------------------

const byId = (id) => document.getElementById(id);
const state = JSON.parse(byId("state").textContent);
const bridge = { said: () => {} };
const model = standInModel({ size: state.size, note: state.words.loading + state.words.ready,
  error: "", _shelf: { piles: [] }, _learned: {} },
{ said: (message, buffers) => bridge.said(message, buffers) });
const think = thinkerOf(state.worker);
const store = keptThings(`dljourney: ${document.title} ${location.pathname}`);
const desk = deskOf(state, model, think, store);
bridge.said = desk.hear;

// A file that is dropped beside the piles is a question.
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", async (event) => {
  event.preventDefault();
  const [file] = event.dataTransfer.files;
  if (file) model.tell({ said: await desk.answer({ file }).catch(() => null), drawn: true });
});

async function open() {
  render({ model, el: byId("demo") });
  byId("demo").after(fileBar({
    save: { words: "Save the pictures as a zip", name: "studio.zip", whole: desk.whole },
    open: { words: "Open saved pictures", kinds: ".zip,application/zip", read: desk.read },
  }));
  byId("demo").life = { desk, model }; // for tests and the curious
  await desk.begin();
  document.body.classList.add("ready");
  await new Promise((done) => { setTimeout(done); }); // painted first
  const block = byId("weights");
  const weights = { text: block.textContent.trim(), tensors: state.tensors };
  block.remove();
  await desk.wake({ plan: state.plan, weights, wants: state.wants });
}
open().catch((problem) => model.put("error", `This page is damaged: ${problem.message}`));
