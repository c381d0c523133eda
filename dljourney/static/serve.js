// The page of `dljourney serve`: sends pictures to this machine's own server, one after the other,
// and shows what it says. Whatever a label or a file's name holds, it is shown as text.
const answers = document.querySelector("#answers");
const said = document.querySelector("#said");
const SHOWN = 5; // answers of a picture

function made(tag, text = "", parts = []) {
  const node = document.createElement(tag);
  node.textContent = text;
  node.append(...parts);
  return node;
}

function bar(share) {
  const fill = made("i");
  fill.style.width = `${100 * share}%`;
  const node = made("div", "", [fill]);
  node.className = "bar";
  return node;
}

function row([label, share]) {
  const node = made("li", "", [made("bdi", label), made("span", `${(100 * share).toFixed(1)}%`),
    bar(share)]);
  node.dataset.probability = share;
  return node;
}

function answered(found) {
  const { label, probability, probabilities } = found;
  const sure = made("small", ` ${(100 * probability).toFixed(1)}%`);
  const rows = Object.entries(probabilities).slice(0, SHOWN).map(row);
  return [made("h3", "", [made("bdi", label), sure]), made("ol", "", rows)];
}

async function ask(file) {
  said.textContent = `Looking at ${file.name} …`;
  const card = made("article");
  let shown;
  try {
    const reply = await fetch("predict", { method: "POST", body: file });
    const found = await reply.json();
    card.classList.toggle("refused", Boolean(found.error));
    shown = found.error ? [made("p", `${file.name}: ${found.error}`)] : answered(found);
  } catch {
    card.className = "refused";
    shown = [made("p", `${file.name}: the server does not answer; is it still running?`)];
  }
  const picture = new Image();
  picture.alt = "";
  picture.src = URL.createObjectURL(file);
  picture.addEventListener("load", () => URL.revokeObjectURL(picture.src));
  if (!card.classList.contains("refused")) {
    card.append(picture);
    shown.push(made("p", "", [made("bdi", file.name)]));
  }
  card.append(made("div", "", shown));
  answers.prepend(card);
  said.textContent = card.querySelector("h3, p").textContent;
}

let before = Promise.resolve();
function askAll(files) {
  for (const file of files) before = before.then(() => ask(file));
}

document.querySelector("input").addEventListener("change", (event) => {
  askAll([...event.target.files]);
  event.target.value = "";
});
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dragging");
});
document.addEventListener("dragleave", () => document.body.classList.remove("dragging"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dragging");
  askAll([...event.dataTransfer.files]);
});
