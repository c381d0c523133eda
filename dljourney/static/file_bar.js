// Below a demo as a page: a button that saves all of it as a file, and a field that opens one.
export function fileBar({ save, open }) {
  const offer = async () => {
    const link = make("a", { href: URL.createObjectURL(await save.whole()), download: save.name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  const field = make("input", { type: "file", accept: open.kinds });
  field.addEventListener("change", () => {
    const [file] = field.files;
    field.value = ""; // or the same file, chosen again, would be no change
    if (file) open.read(file);
  });
  return make("div", { class: "dlj-filebar" },
    make("button", { type: "button", onclick: offer }, save.words),
    make("label", {}, open.words, field));
}
