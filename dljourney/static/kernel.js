// Between the page and the kernel: what is late is known to be old, and a demo without a kernel
// says so.

// Each page counts what it sends, so that what overtakes something newer is known to be older.
const PAGE = 1 + Math.floor(Math.random() * 2 ** 31);
let sent = 0;
export function numbered(message) {
  return { ...message, order: [PAGE, (sent += 1)] };
}

// Strokes travel with their number both ways, as {order: [page, n], strokes}: from the page each
// change has the next one, from Python comes the newest that it had heard of, of whichever page.
export function inkOf(model) {
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
export function watchKernel(model, el, root, changed) {
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
