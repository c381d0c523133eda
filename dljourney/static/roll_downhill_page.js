// What RollDownhill does in Python beside the maths of roll_downhill.js.
const MOST_STEPS = 100; // of the slider
export const acts = {
  press: {
    new_noise(live) {
      live.seed = (live.seed || 0) + 1;
      live.set({ _data: { errors: diceOf(live.seed).normal(2 * MOST_STEPS) } });
    },
  },
  // step after step, from the number on the slider on; from the start where that is the end
  *work(live) {
    if (live.get("steps") === MOST_STEPS) live.set({ steps: 0 });
    while (live.get("steps") < MOST_STEPS) {
      live.set({ steps: live.get("steps") + 1 });
      yield;
    }
  },
  reset(live) {
    live.pause();
    live.restart();
    live.set({ steps: 0 });
  },
};
