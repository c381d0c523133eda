// Keys for the notebook that are pressed in a demo: Ctrl+S saves it though a slider has the focus.

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
