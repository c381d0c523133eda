// A button that sends pictures to Python, one at a time, each made small enough first
// (smaller.js).

function render({ model, el }) {
  const input = make("input", { type: "file", accept: "image/*", multiple: true, hidden: true });
  const pick = () => input.click();
  const button = make("button", { type: "button", class: "widget-upload", onclick: pick });
  const said = make("span", { class: "dlj-quiet", role: "status" });
  const root = make("div", { class: "dlj dlj-upload" }, button, input, said);
  keepKeys(root);
  el.append(root);

  // One after the other, and the next only when the one before was answered: so each is told of.
  let answered = null;
  async function send(files) {
    button.disabled = true;
    for (const [i, file] of files.entries()) {
      said.textContent = files.length > 1 ? `${i + 1} of ${files.length}: ${file.name}` : file.name;
      const about = { name: file.name, n: i, of: files.length };
      const answer = new Promise((done) => {
        answered = done;
      });
      try {
        const bytes = await (await smaller(file)).arrayBuffer();
        model.send({ ...about, event: "picture" }, undefined, [bytes]);
      } catch (problem) {
        model.send({ ...about, event: "refused", problem: problem.message });
      }
      await answer;
    }
    said.textContent = "";
    button.disabled = false;
  }
  input.addEventListener("change", () => {
    const files = [...input.files];
    input.value = ""; // or the same file, chosen again, would be no change
    if (files.length) send(files);
  });
  const show = () => {
    button.textContent = model.get("description");
  };
  const hear = (message) => {
    if (message.answered !== undefined && answered) answered();
  };
  show();
  model.on("change:description", show);
  model.on("msg:custom", hear);
  const unheard = watchKernel(model, el, root, () => {});
  return () => {
    unheard();
    model.off("change:description", show);
    model.off("msg:custom", hear);
  };
}
