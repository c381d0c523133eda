// Elements of a page: how one is made, where the focus is among them, where an error stands.

const FOCUSABLE = ["button", "input", "select", "canvas", "summary", "pre", "ol"];

// An element with attributes, listeners (onclick: ...) and children. Jupyter leaves its keys alone.
export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  if (FOCUSABLE.includes(tag)) node.dataset.lmSuppressShortcuts = "true";
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "style") node.style.cssText = value; // which a content policy allows
    else if (value !== undefined && value !== null && value !== false)
      node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

// Where the focus is inside `el`, so that it is there again, or beside it, when that was built
// anew.
export function holding(el) {
  const focus = document.activeElement;
  const name = (node) => node.getAttribute("aria-label") || node.title;
  const reachable = () => [...el.querySelectorAll(FOCUSABLE.join(", "))]
    .filter((node) => !node.disabled && node.getClientRects().length);
  const place = el.contains(focus) ? reachable().indexOf(focus) : -1;
  return () => {
    if (place < 0 || el.contains(focus)) return;
    const now = reachable();
    const same = name(focus) && now.find((node) => name(node) === name(focus));
    const next = same || now[Math.min(place, now.length - 1)];
    if (next) next.focus({ preventScroll: true });
  };
}

// The place of an error: below everything, so that nothing moves under a pen when it comes; and
// where it once was it stays reserved, so that nothing moves when it goes.
export function errorPlace() {
  const text = make("div", { class: "dlj-error", role: "alert", hidden: true });
  const el = make("div", { class: "dlj-errors" }, text);
  const show = (failure) => {
    if (text.textContent === (failure || "")) return;
    text.hidden = !failure;
    text.textContent = failure || "";
    el.style.minHeight = `${Math.max(el.offsetHeight, parseFloat(el.style.minHeight) || 0)}px`;
  };
  return { el, show };
}
