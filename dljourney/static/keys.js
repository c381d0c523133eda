// Keys: which way arrows go, and whose a key is.

// Which way an arrow key goes: columns to the right, rows down.
export const ARROWS = {
  ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
};

// Keys pressed inside a demo are the demo's: the notebook must not move on an arrow or delete a
// cell on "d d".
// Shift+Enter, Ctrl and Command keys, Tab and Escape still reach the notebook.
export function keepKeys(root) {
  root.addEventListener("keydown", (event) => {
    const theirs =
      event.ctrlKey ||
      event.metaKey ||
      event.altKey ||
      event.key === "Tab" ||
      event.key === "Escape" ||
      (event.shiftKey && event.key === "Enter");
    if (!theirs) event.stopPropagation();
  });
}
