// A recording in Python's place: frames that it made, for some settings and stops of the work. The
// nearest one is shown.
const PACE = 120; // milliseconds from stop to stop

// Which of the recorded values is nearest: by ratio where a slider counts so.
function nearestTo(values, wanted, isLog) {
  const far = (value) => {
    if (typeof value !== "number") return value === wanted ? 0 : Infinity;
    return Math.abs(isLog ? Math.log(value / wanted) : value - wanted);
  };
  return values.reduce((best, value, i) => (far(value) < far(values[best]) ? i : best), 0);
}

export const acts = {
  begin(live) {
    live.pace = PACE;
    live.at = 0; // the stop
    acts.changed(live);
  },
  changed(live) {
    const logs = live.get("_spec").controls.filter(({ log }) => log).map(({ name }) => name);
    for (const [name, values] of Object.entries(live.kept.over))
      live.set({ [name]: values[nearestTo(values, live.get(name), logs.includes(name))] });
  },
  work(live) {
    live.at = 0;
    return (function* onward() {
      while (live.at < live.kept.stops - 1) {
        live.at += 1;
        yield;
      }
    })();
  },
  draw(live) {
    let place = 0;
    for (const [name, values] of Object.entries(live.kept.over))
      place = place * values.length + values.indexOf(live.get(name));
    return live.kept.frames[place * live.kept.stops + live.at];
  },
};
