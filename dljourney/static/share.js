// A trained network as a page: pictures in, names out, and nobody is asked. What the page holds
// comes from kit.models: a state (labels, what the network wants to see, its plan) and its weights.

const MOST_ANSWERS = 60; // on the page
const SHOWN = 5; // labels in an answer

const byId = (id) => document.getElementById(id);
const state = JSON.parse(byId("state").textContent);
const nextFrame = () => new Promise((done) => {
  if (document.hidden) setTimeout(done); // a page that nobody looks at has no frames
  else requestAnimationFrame(() => setTimeout(done));
});

// What the network sees, as a small picture to look at.
function seenCanvas({ data, width, height, channels }) {
  const text = "what the network sees of it";
  const canvas = make("canvas", { width, height, role: "img", "aria-label": text });
  const image = new ImageData(width, height);
  for (let p = 0; p < width * height; p++) {
    const at = (c) => data[p * channels + (channels > 1 ? c : 0)];
    image.data.set([at(0), at(1), at(2), 255], 4 * p);
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

function percent(p) {
  if (p > 0.9995) return "over 99.9%";
  return p < 0.0005 ? "under 0.1%" : `${(100 * p).toFixed(1)}%`;
}

function answerRow([label, p]) {
  const bar = make("i");
  bar.style.width = `${100 * p}%`;
  const row = make("li", {}, make("bdi", {}, label), make("span", {}, percent(p)),
    make("div", { class: "bar", "aria-hidden": "true" }, bar));
  row.dataset.probability = p;
  return row;
}

// One picture with its answer; `name` is told below it.
function answerCard(seen, named, name) {
  const [[label, p], ...others] = named;
  const unsure = p < 0.5 ? make("small", {}, "not sure, perhaps ") : null;
  const head = make("h3", {}, unsure, make("bdi", {}, label));
  const rows = [[label, p], ...others.slice(0, SHOWN - 1)].map(answerRow);
  const told = make("p", {}, make("bdi", {}, name));
  const words = make("div", {}, head, make("ol", {}, ...rows), told);
  return make("article", {}, seenCanvas(seen), words);
}

function refusedCard(name) {
  const why = " cannot be read as a picture by this browser; save it as JPEG or PNG, and try again";
  return make("article", { class: "refused" }, make("p", {}, make("bdi", {}, name), why));
}

const answers = byId("answers");
function put(card) {
  answers.prepend(card);
  while (answers.children.length > MOST_ANSWERS) answers.lastElementChild.remove();
  return card;
}

const said = byId("said");
let net = null;
function asked(picture) {
  const seen = seenBy(state.wants, picture);
  return { seen, named: namedScores(net(onScale(state.wants, seen)), state.labels) };
}

// Files one after the other: the page stays alive between them.
let turn = Promise.resolve();
async function look(files) {
  for (const [i, file] of files.entries()) {
    const many = files.length > 1;
    said.textContent = many ? `Looking at ${i + 1} of ${files.length} …` : "Looking …";
    await nextFrame();
    try {
      const { seen, named } = asked(await pixelsOf(file));
      put(answerCard(seen, named, file.name));
      said.textContent = `${named[0][0]}: ${percent(named[0][1])}`;
    } catch {
      put(refusedCard(file.name));
      said.textContent = "One file could not be read";
    }
  }
  if (files.length > 1) said.textContent = `${files.length} files were looked at`;
}
function take(files) {
  const found = [...files];
  turn = turn.then(() => ready).then(() => look(found));
}

// The answer to a drawing changes while it is drawn.
let drawn = null;
let waits = false;
async function lookAtPad(model) {
  if (waits) return;
  waits = true;
  await nextFrame();
  await ready;
  waits = false;
  const { strokes } = model.get("strokes");
  const old = drawn;
  drawn = null;
  if (strokes.length) {
    const { seen, named } = asked(drawnPicture(strokes));
    drawn = answerCard(seen, named, "your drawing");
    if (old) old.replaceWith(drawn);
    else put(drawn);
    said.textContent = `${named[0][0]}: ${percent(named[0][1])}`;
  } else if (old) {
    old.remove();
    said.textContent = "";
  }
}
if (state.drawings) {
  const strokes = { order: [0, 0], strokes: [] };
  const model = standInModel({ strokes, label: "", hint: "draw here", pen: 0.06, size: "normal" });
  model.on("change:strokes", () => lookAtPad(model));
  render({ model, el: byId("pad") });
}

for (const input of document.querySelectorAll("input[type=file]")) {
  input.addEventListener("change", () => {
    take(input.files);
    input.value = ""; // or the same file, chosen again, would be no change
  });
}
addEventListener("paste", (event) => take(event.clipboardData.files));
addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dragging");
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("dragging");
});
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dragging");
  take(event.dataTransfer.files);
});

// Painted first; then the weights are decoded. What was chosen meanwhile waits for them.
async function wake() {
  await nextFrame();
  const block = byId("weights");
  const weights = { text: block.textContent.trim(), tensors: state.tensors };
  net = makeNet({ plan: state.plan, weights });
  block.remove();
  performance.mark("ready");
  said.textContent = "Ready.";
  document.body.classList.add("ready");
}
const ready = wake();
ready.catch((problem) => { said.textContent = `This page is damaged: ${problem.message}`; });
