// Things that stay in this browser, each under its id, until they are dropped.
export function keptThings(name) {
  const opened = new Promise((done, failed) => {
    const request = indexedDB.open(name, 1);
    request.addEventListener("upgradeneeded", () =>
      request.result.createObjectStore("things", { keyPath: "id" }));
    request.addEventListener("success", () => done(request.result));
    request.addEventListener("error", () => failed(request.error));
  });
  opened.catch(() => {}); // whoever asks hears of it
  async function within(mode, act) {
    const base = await opened;
    return new Promise((done, failed) => {
      const change = base.transaction("things", mode);
      const asked = act(change.objectStore("things"));
      change.addEventListener("complete", () => done(asked?.result));
      change.addEventListener("abort", () => failed(change.error));
    });
  }
  return {
    all: () => within("readonly", (things) => things.getAll()),
    put: (some) => within("readwrite", (things) => { some.forEach((one) => things.put(one)); }),
    drop: (ids) => within("readwrite", (things) => { ids.forEach((id) => things.delete(id)); }),
  };
}
