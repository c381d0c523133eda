// What a front end takes for its widget's model, where there is no kernel: values with listeners.
// What would reach Python reaches `python`: `changed(names)` when values are saved, `said(message)`
// when something is sent. `put` is Python's own way to change a value, `tell` its way to send.
export function standInModel(values, python = {}) {
  const listeners = {};
  let unsaved = new Set();
  function put(name, value) {
    if (values[name] === value) return;
    values[name] = value;
    const calls = new Set(listeners[`change:${name}`]); // as some of them may go meanwhile
    for (const call of calls) call();
  }
  return {
    get: (name) => values[name],
    set(name, value) {
      unsaved.add(name);
      put(name, value);
    },
    put,
    on: (name, call) => (listeners[name] ||= new Set()).add(call),
    off: (name, call) => listeners[name]?.delete(call),
    save_changes() {
      const names = unsaved;
      unsaved = new Set();
      python.changed?.(names);
    },
    send: (message, _, buffers) => python.said?.(message, buffers),
    tell: (message, buffers = []) => listeners["msg:custom"]?.forEach((call) =>
      call(message, buffers)),
  };
}
