// What RollDownhill does in Python beside the maths of roll_downhill.js.
const acts = {
  press: {
    new_noise(live) {
      live.seed = (live.seed || 0) + 1;
      live.set({ _data: { errors: diceOf(live.seed).normal(200) } });
    },
  },
};
