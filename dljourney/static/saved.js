// Only in notebooks: what a saved one shows in place of a demo whose kernel is gone.

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
export function initialize({ model }) {
  const context = model.widget_manager && model.widget_manager.context;
  const kept = (window.dljourneyNotebooks ||= new WeakSet());
  if (!context || !context.model || !context.model.getMetadata || kept.has(context)) return;
  kept.add(context);
  context.saveState.connect((_, phase) => {
    if (phase === "started") keepStills(context.model);
  });
}
