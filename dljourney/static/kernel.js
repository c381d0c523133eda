// Between the page and the kernel: what is late is known to be old, and a demo without a kernel
// says so.

// Each page counts what it sends, so that what overtakes something newer is known to be older.
const PAGE = 1 + Math.floor(Math.random() * 2 ** 31);
let sent = 0;
function numbered(message) {
  return { ...message, order: [PAGE, (sent += 1)] };
}

// Strokes travel with their number both ways, as {order: [page, n], strokes}: from the page each
// change has the next one, from Python comes the newest that it had heard of, of whichever page.
function inkOf(model) {
  const known = new Map(); // page -> the newest of its changes that was seen here
  let latest = null;
  // Said before it heard of our newest change? Then it names an older one of ours, or still the
  // one of another page that ours followed on.
  const isOld = ([page, n]) => {
    if (!latest || latest.order[0] !== PAGE || !known.has(page)) return false;
    return page === PAGE ? n < known.get(page) : n <= known.get(page);
  };
  const read = () => {
    const now = model.get("strokes");
    if (isOld(now.order)) model.set("strokes", latest);
    else {
      latest = now;
      known.set(...now.order);
    }
    return latest.strokes;
  };
  const write = (strokes) => {
    read();
    const n = (known.get(PAGE) || 0) + 1;
    latest = { order: [PAGE, n], strokes };
    known.set(PAGE, n);
    model.set("strokes", latest);
  };
  return { read, write };
}

const ASLEEP =
  "This demo is asleep: its kernel was restarted or has stopped. " +
  "Run the cell above again to wake it.";
const AWAY =
  "The kernel cannot be reached. When it is back, this demo goes on; " +
  "if it does not, run the cell above again.";

// Says over `root` that the kernel is gone, and lets nothing be pressed then. `changed(alive)`
// hears of it. Returns a function that stops watching.
function watchKernel(model, el, root, changed) {
  const manager = model.widget_manager || {};
  const session = manager.context && manager.context.sessionContext; // not in Voila
  const kernelNow = () => (session ? session.session && session.session.kernel : manager.kernel);
  const source = session || manager.kernel;
  const first = kernelNow() && kernelNow().id;
  const notice = make("div", { class: "dlj-notice", role: "status", hidden: true });
  el.classList.add("dlj-host");
  el.append(notice);
  let lost = false;
  function isTold() {
    // once is enough for a demo of several parts
    const output = el.closest(".jp-OutputArea-output") || el.parentElement;
    const others = output ? [...output.querySelectorAll(".dlj-notice:not([hidden])")] : [];
    return others.some((other) => other !== notice);
  }
  const ended = ["restarting", "autorestarting", "terminating", "dead"];
  function look() {
    const kernel = kernelNow();
    lost ||= el.classList.contains("jupyter-widgets-disconnected");
    if (source && first) lost ||= !kernel || kernel.id !== first || ended.includes(kernel.status);
    const away = Boolean(source && kernel && kernel.connectionStatus === "disconnected");
    notice.textContent = lost ? ASLEEP : away ? AWAY : "";
    root.inert = lost || away;
    notice.hidden = !root.inert || isTold();
    root.classList.toggle("dlj-asleep", root.inert);
    changed(!root.inert);
  }
  const names = ["statusChanged", "connectionStatusChanged", "kernelChanged"];
  const signals = names.map((name) => source && source[name]).filter(Boolean);
  signals.forEach((signal) => signal.connect(look));
  model.on("comm_live_update", look);
  look();
  return () => {
    signals.forEach((signal) => signal.disconnect(look));
    model.off("comm_live_update", look);
    notice.remove();
  };
}

const VIEW = "application/vnd.jupyter.widget-view+json";
const STATE = "application/vnd.jupyter.widget-state+json";
const MARK = "<!-- a demo of dljourney, asleep -->";

// What a saved notebook shows in place of a demo whose kernel is gone: its still picture, or, where
// it has none, what it is in words.
function standIn(png, words) {
  const wake =
    `${MARK}<p style="margin:0 0 0.5em;color:var(--jp-ui-font-color1,inherit)">` +
    "<b>This demo is asleep.</b> Run the cell above to wake it.</p>";
  const place = make("div", {}, make("pre", { style: "white-space:pre-wrap" }, String(words)));
  const still = png
    ? make("img", { alt: `The demo as it was: ${words}`, style: "max-width:100%",
      src: `data:image/png;base64,${png}` }).outerHTML
    : place.innerHTML;
  const kind = { model_module: "@jupyter-widgets/controls", model_module_version: "*" };
  const state = { value: wake + still, layout: null, style: null };
  return { model_name: "HTMLModel", ...kind, state };
}

// Jupyter restores widgets that a kernel does not know from the notebook's own metadata. Where it
// holds none (it keeps them only if asked to), we put a stand-in for each demo shown.
function keepStills(notebook) {
  const widgets = notebook.getMetadata("widgets") || {};
  const known = (widgets[STATE] && widgets[STATE].state) || {};
  const ours = (entry) => String(entry.state && entry.state.value).startsWith(MARK);
  const state = Object.fromEntries(Object.entries(known).filter(([, entry]) => !ours(entry)));
  for (const cell of notebook.cells) {
    for (let i = 0; cell.outputs && i < cell.outputs.length; i++) {
      const { [VIEW]: view, "image/png": png, "text/plain": words } = cell.outputs.get(i).data;
      if (view && view.demo && !state[view.model_id]) state[view.model_id] = standIn(png, words);
    }
  }
  if (!Object.keys(state).length && !Object.keys(known).length) return;
  const all = { version_major: 2, version_minor: 0, state };
  notebook.setMetadata("widgets", { ...widgets, [STATE]: all });
}

// Once for each notebook, whether or not a demo of it can be seen.
function initialize({ model }) {
  const context = model.widget_manager && model.widget_manager.context;
  const kept = (window.dljourneyNotebooks ||= new WeakSet());
  if (!context || !context.model || !context.model.getMetadata || kept.has(context)) return;
  kept.add(context);
  context.saveState.connect((_, phase) => {
    if (phase === "started") keepStills(context.model);
  });
}
