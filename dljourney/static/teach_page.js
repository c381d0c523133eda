// What TeachMe does in Python: a shelf of drawings, kept in this browser; a network that has seen
// signs before, which learns them by the closed form (head.js) and answers while one draws.

const MOST_THINGS = 6;
const COPIES = 16; // warped ones of each picture
const SLICE = 25; // milliseconds of learning between two looks at the reader
const STEPS = "Draw one thing, press keep in its row. A few of each will do. Then press Teach.";
const EMPTY = "the pad is empty: draw something first, or give a drawing";

// -- drawings -------------------------------------------------------------------------------------

// A drawing: strokes, or small pixels of a picture; its picture, and what the network sees of it.
function drawingOf({ strokes = [], pixels }, wants) {
  let picture;
  if (pixels) {
    const { values, shape: [height, width] } = pixels;
    const small = { data: Uint8ClampedArray.from(values), width, height, channels: 1 };
    picture = resized(small, [128, 128], "bicubic", [0, 0, width, height]);
  } else {
    const rounded = (v) => EVEN(1e4 * v) / 1e4; // as NumPy rounds
    strokes = strokes.filter((s) => s.length).map((s) => s.map((point) => point.map(rounded)));
    if (!strokes.length) throw new Error(EMPTY);
    picture = drawnPicture(strokes);
  }
  const seen = Float64Array.from(seenBy(wants, picture).data, (v) => v / 255);
  return { strokes, pixels, picture, seen };
}

// The means of 4 x 4 pixels, for the shelf.
function thumbnailOf({ data }) {
  const out = new Uint8Array(32 * 32);
  for (let k = 0; k < out.length; k++) {
    let sum = 0;
    for (let p = 0; p < 16; p++)
      sum += data[(4 * Math.floor(k / 32) + (p >> 2)) * 128 + 4 * (k % 32) + (p & 3)];
    out[k] = Math.floor(sum / 16);
  }
  return out;
}

// -- the network ----------------------------------------------------------------------------------

// The numbers that the network's body makes of a picture of 32 x 32 numbers from 0 to 1.
function featuresOf(desk, seen) {
  const { net, wants } = desk;
  const [mean, spread] = [wants.mean[0], wants.std[0]].map(Math.fround);
  return net(Float32Array.from(seen, (v) => Math.fround(Math.fround(v) - mean) / spread));
}

// {name: probability} of a taught network.
function answerOf(desk, drawing) {
  drawing.features ||= featuresOf(desk, drawing.seen);
  const scores = desk.head.rows.map(({ weight, bias }) =>
    weight.reduce((sum, w, i) => sum + w * drawing.features[i], bias));
  return Object.fromEntries(namedScores(scores, desk.head.names));
}

// Learns bit by bit, so that the page stays alive; `tell` hears which share is done.
async function learned(desk, examples, tell, isOff) {
  const all = examples.flatMap(([, drawings], which) =>
    drawings.map((drawing) => ({ which, drawing })));
  const n = all.length;
  const warp = warpsOf(n * COPIES, 32);
  const [features, y] = [[], []];
  let last = performance.now();
  for (let k = 0; k < n * (1 + COPIES); k++) {
    const { which, drawing } = all[k % n];
    if (k < n) features.push((drawing.features ||= featuresOf(desk, drawing.seen)));
    else features.push(featuresOf(desk, warp(drawing.seen, k - n)));
    y.push(which);
    if (performance.now() - last < SLICE) continue;
    tell(k / (n * (1 + COPIES)));
    await new Promise((done) => setTimeout(done));
    if (isOff()) return null;
    last = performance.now();
  }
  const names = examples.map(([name]) => name);
  return { names, rows: bestHead(features, y, names.length) };
}

// -- the desk -------------------------------------------------------------------------------------

const byName = (desk, name) => desk.things.find((thing) => thing.name === name);

// The share of right answers: on new drawings, if there are any, else on the examples.
function rightShare(desk) {
  const asked = desk.hidden.length ? desk.hidden : desk.examples;
  const isRight = ({ name, drawing }) => {
    const said = answerOf(desk, drawing);
    return Object.keys(said).reduce((a, b) => (said[b] > said[a] ? b : a)) === name;
  };
  return asked.filter(isRight).length / asked.length;
}

function checkedName(desk, given, thing) {
  const name = String(given).trim();
  if (!name) throw new Error(`new: expected a name with a letter or more, got '${given}'`);
  if (desk.things.some((other) => other !== thing && other.name === name))
    throw new Error(`new: expected a name that no other thing has, got '${name}'`);
  return name;
}

// After Teach, a new drawing is a test first.
function keepDrawing(desk, thing, drawing) {
  thing.drawings.push(drawing);
  const isKnown = desk.examples.some((one) => one.name === thing.name);
  if (isKnown) desk.hidden.push({ name: thing.name, drawing });
}

function putAside(desk, thing, index) {
  const [drawing] = thing.drawings.splice(index, 1);
  desk.aside.push({ name: thing.name, drawing });
  desk.hidden = desk.hidden.filter((one) => one.drawing !== drawing);
}

async function teach(live) {
  const { desk } = live;
  const examples = desk.things.filter(({ drawings }) => drawings.length)
    .map(({ name, drawings }) => [name, [...drawings]]);
  if (examples.length < 2) {
    const [only] = examples;
    const have = only ? `so far there are drawings of ${only[0]}` : "the shelf is empty";
    throw new Error(`expected drawings of two things or more; ${have}. ` +
      "Draw something and press keep in its row");
  }
  const turn = (desk.turn += 1);
  const isOff = () => turn !== desk.turn || desk !== live.desk;
  desk.note = "Learning …";
  const head = await learned(desk, examples, (share) => live.set({ progress: share }), isOff);
  live.set({ progress: 0 });
  if (!head) return;
  live.draw(() => {
    desk.head = head;
    desk.examples = examples.flatMap(([name, drawings]) =>
      drawings.map((drawing) => ({ name, drawing })));
    desk.hidden = desk.hidden.filter(({ name, drawing }) => head.names.includes(name) &&
      !desk.examples.some((one) => one.drawing === drawing));
    desk.note = "Taught. Draw something, and watch the answers while you draw.";
  });
}

function showShelf(live) {
  const { desk } = live;
  const pictures = desk.things.map(({ drawings }) => {
    const values = new Uint8Array(32 * 32 * drawings.length);
    drawings.forEach(({ picture }, k) => values.set(thumbnailOf(picture), k * 32 * 32));
    return { values, shape: [drawings.length, 32, 32] };
  });
  live.set({ _shelf: { names: desk.things.map(({ name }) => name), pictures,
    more: desk.things.length < MOST_THINGS, gone: desk.aside.length } });
}

// A desk with these things, each {name, drawings}.
function deskOf(live, things) {
  const { wants } = live.kept;
  const made = things.map(({ name, drawings }) =>
    ({ name, drawings: drawings.map((one) => drawingOf(one, wants)) }));
  return { wants, net: live.net, things: made, aside: [], hidden: [], examples: [], head: null,
    turn: 0, note: STEPS };
}

// -- kept in this browser, and in files -----------------------------------------------------------

const KEY = `dljourney: ${document.title} ${location.pathname}`;
const asPlain = ({ things }) => things.map(({ name, drawings }) => ({ name,
  drawings: drawings.map(({ strokes, pixels }) => (pixels
    ? { pixels: { values: [...pixels.values], shape: pixels.shape } } : { strokes })) }));

// Drawings from a file or from this browser, whatever may stand there.
function asThings(text) {
  const isPlace = (v) => Number.isFinite(v) && Math.abs(v) < 1e6;
  const isStroke = (s) => Array.isArray(s) && s.every((p) =>
    Array.isArray(p) && p.length === 2 && p.every(isPlace));
  const isPixels = ({ values, shape }) => Array.isArray(values) && Array.isArray(shape) &&
    shape.length === 2 && values.length === shape[0] * shape[1] && values.length > 0 &&
    values.length <= 128 * 128 && values.every((v) => v >= 0 && v <= 255);
  const isDrawing = (d) => d && (d.pixels ? isPixels(d.pixels) :
    Array.isArray(d.strokes) && d.strokes.every(isStroke) && d.strokes.some((s) => s.length));
  const things = JSON.parse(text).filter((thing) => thing && typeof thing.name === "string" &&
    thing.name.trim() && Array.isArray(thing.drawings));
  return things.slice(0, 50).map(({ name, drawings }) =>
    ({ name: name.slice(0, 40), drawings: drawings.filter(isDrawing).slice(0, 200) }));
}

function remember(live) {
  try {
    localStorage.setItem(KEY, JSON.stringify(asPlain(live.mine)));
  } catch { /* a browser may keep nothing: then the drawings live as long as the page */ }
}
function remembered() {
  try {
    return asThings(localStorage.getItem(KEY) || "[]");
  } catch {
    return [];
  }
}

// Below the desk: all drawings into a file, and out of one.
function drawingsBar(live) {
  const whole = () =>
    new Blob([JSON.stringify(asPlain(live.desk))], { type: "application/json" });
  const read = async (file) => {
    const text = await file.text();
    live.draw(() => {
      let things = [];
      try { things = asThings(text); } catch { /* told below */ }
      if (!things.length) throw new Error(`${file.name}: expected drawings that this page saved`);
      live.desk = live.mine = deskOf(live, things);
      showShelf(live);
      remember(live);
    });
  };
  return fileBar({
    save: { words: "Save the drawings as a file", name: "drawings.json", whole },
    open: { words: "Open saved drawings", kinds: ".json,application/json", read },
  });
}

// -- what Python would do -------------------------------------------------------------------------

const WISHES = {
  keep({ desk }, { thing, strokes }) {
    keepDrawing(desk, desk.things[thing], drawingOf({ strokes }, desk.wants));
  },
  away({ desk }, { thing, drawing }) {
    putAside(desk, desk.things[thing], drawing);
  },
  remove({ desk }, { thing }) {
    const gone = desk.things[thing];
    while (gone.drawings.length) putAside(desk, gone, 0);
    desk.things.splice(thing, 1);
  },
  back({ desk }) {
    const { name, drawing } = desk.aside.pop();
    if (!byName(desk, name)) desk.things.push({ name, drawings: [] });
    keepDrawing(desk, byName(desk, name), drawing);
  },
  rename({ desk }, { thing, name }) {
    desk.things[thing].name = checkedName(desk, name, desk.things[thing]);
  },
  more({ desk }) {
    let n = 1;
    while (byName(desk, `thing ${n}`)) n += 1;
    desk.things.push({ name: `thing ${n}`, drawings: [] });
  },
  digits(live) {
    if (live.desk !== live.mine) live.desk = live.mine;
    else {
      const { examples, hidden } = live.kept.digits;
      const listed = (pairs) => Object.entries(pairs).map(([name, { values, shape: [n, h, w] }]) =>
        ({ name, drawings: Array.from({ length: n }, (_, k) =>
          ({ pixels: { values: values.slice(k * h * w, (k + 1) * h * w), shape: [h, w] } })) }));
      live.desk = deskOf(live, listed(examples));
      live.desk.hidden = deskOf(live, listed(hidden)).things.flatMap(({ name, drawings }) =>
        drawings.map((drawing) => ({ name, drawing })));
    }
    live.set({ strokes: { order: [0, 0], strokes: [] } });
  },
  teach,
};

export const acts = {
  begin(live) {
    const { plan, tensors, things, head, learned: examples, hidden } = live.kept;
    const block = document.getElementById("weights");
    live.net = makeNet({ plan, weights: { text: block.textContent.trim(), tensors } });
    block.remove();
    const kept = remembered();
    live.desk = live.mine = deskOf(live, kept.length ? kept : things);
    const { desk } = live;
    if (kept.length) desk.note = `Your drawings are here again. ${STEPS}`;
    else if (head) {
      const named = (places) => places.map(([name, thing, k]) =>
        ({ name, drawing: desk.things[thing].drawings[k] }));
      desk.head = { names: head.names, rows: head.bias.map((bias, i) => ({ bias,
        weight: Float64Array.from(head.weight.values.subarray(
          i * head.weight.shape[1], (i + 1) * head.weight.shape[1])) })) };
      Object.assign(desk, { examples: named(examples), hidden: named(hidden) });
      desk.note = "Taught. Draw something, and watch the answers while you draw.";
    }
    live.set({ strokes: { order: [0, 0], strokes: live.kept.strokes || [] } });
    showShelf(live);
    document.getElementById("demo").after(drawingsBar(live));
  },
  answer: answerOf, // for tests and the curious
  message(live, message) {
    const done = WISHES[message.do](live, message);
    if (done) done.catch((problem) => live.draw(() => { throw problem; }));
    showShelf(live);
    if (live.desk === live.mine) remember(live);
  },
  draw(live) {
    const { desk } = live;
    const { strokes } = live.get("strokes");
    const isTaught = Boolean(desk.head);
    const isDrawn = strokes.some((stroke) => stroke.length);
    const drawing = isDrawn ? drawingOf({ strokes }, desk.wants) : null;
    const said = isTaught && drawing ? answerOf(desk, drawing) : null;
    const [h, w] = desk.wants.size;
    const seen = drawing && { values: drawing.seen.map((v) => 255 * v), shape: [h, w] };
    const [best] = said ? Object.keys(said) : [];
    const verdict = said ? `${best}, ${Math.round(100 * said[best])}%` : "Draw something!";
    const taught = said && { taught: desk.things.map(({ name }) => said[name] || 0) };
    const count = isTaught && desk.hidden.length ? {
      "new drawings": String(desk.hidden.length),
      right: `${Math.round(100 * rightShare(desk))}%`,
    } : {};
    return {
      pad: { size: live.get("size"), note: desk.note, loading: desk.note === "Learning …",
        digits: desk !== live.mine },
      shelf: { ...taught, verdict: isTaught ? verdict : "", seen, is_taught: isTaught,
        rival: false },
      race: [],
      count,
    };
  },
};
