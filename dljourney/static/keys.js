// Keys: which way arrows go, and whose a key is: the demo's, or the notebook's around it.

// Which way an arrow key goes: columns to the right, rows down.
export const ARROWS = {
  ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
};

// Keys pressed inside a demo are the demo's: the notebook must not move on an arrow or delete a
// cell on "d d".
// Tab, Escape, Shift+Enter and Ctrl and Command keys are not held back.
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
  passKeys(root);
}

const EDITING = "acvxyz"; // copy, paste, undo, ... are meant for what has the focus

// JupyterLab listens to no key in what is ours (data-lm-suppress-shortcuts). So what nobody here
// has used is pressed once more, just outside.
function passKeys(root) {
  root.addEventListener("keydown", (event) => {
    const { key } = event;
    const isLetter = key.length === 1 && !EDITING.includes(key.toLowerCase());
    const isChord = (event.ctrlKey || event.metaKey) && (isLetter || key === "Enter");
    const writes = event.getModifierState("AltGraph"); // AltGr is Ctrl and Alt to some systems
    const isTheirs = (isChord && !writes) || (event.shiftKey && key === "Enter");
    if (!isTheirs || event.defaultPrevented) return;
    const again = new KeyboardEvent(event.type, event);
    if (!root.parentElement.dispatchEvent(again)) event.preventDefault();
  });
}
