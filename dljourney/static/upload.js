// A button that sends pictures to Python, one at a time, each made small enough in the browser
// first: a photograph of 12 megapixels needs seconds on its way, and several burst the connection.
const SIDE = 1024; // pixels of the longer side: more than a network looks at
const MOST = 8 * 2 ** 20; // bytes of one message; Jupyter's server closes the connection at ten

// The picture as it will be sent. What is small already, and what this browser cannot read, goes as
// it is; only what would be too large is refused.
async function smaller(file) {
  let picture;
  const plain = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
  const as = { ...plain, imageOrientation: "from-image" };
  try {
    picture = await createImageBitmap(file, as);
  } catch {
    if (file.size <= MOST) return file;
    throw new Error(
      `this browser cannot make it smaller, and ${megabytes(file.size)} are too much ` +
        `to send, at most ${megabytes(MOST)}; save it as JPEG or PNG`,
    );
  }
  const { width, height } = picture;
  const share = Math.min(1, SIDE / Math.max(width, height));
  if (share === 1 && file.size <= MOST) {
    picture.close();
    return file;
  }
  const [w, h] = [width, height].map((n) => Math.max(1, Math.round(n * share)));
  const canvas = make("canvas", { width: w, height: h });
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, 0, 0, w, h);
  picture.close();
  const kind = file.type === "image/png" || file.type === "image/webp" ? "image/png" : "image/jpeg";
  return new Promise((done) => {
    canvas.toBlob(done, kind, 0.92);
  });
}
const megabytes = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MB`;

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
