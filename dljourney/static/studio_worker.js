// What looks at pictures and learns, beside a page that stays alive meanwhile: `Sorter` of
// kit.models. Each message {does, ...} is answered, by {gives} or {problem}, before the next comes.
let look = null; // from a picture to its features
let wants = null; // what the network wants to see, as a `Preprocess`
let learned = null; // the rows of a last layer
const seen = new Map(); // key -> features

const drawingOf = (strokes) => {
  const { data, ...sizes } = drawnPicture(strokes);
  return { ...sizes, data: data.map((v) => 255 - v) }; // dark on white, like paper
};
async function featuresOf({ file, strokes }) {
  const picture = strokes ? drawingOf(strokes) : await pixelsOf(file);
  return Float32Array.from(look(onScale(wants, seenBy(wants, picture))));
}

const WORK = {
  wake(data) {
    look = makeNet(data);
    wants = data.wants;
  },
  know: ({ key, row }) => { seen.set(key, row); },
  async see(what) {
    const row = await featuresOf(what);
    seen.set(what.key, row);
    return row;
  },
  forget({ keys }) {
    keys.forEach((key) => seen.delete(key));
  },
  learn({ piles }) {
    const y = piles.flatMap((keys, which) => keys.map(() => which));
    const probe = probeOf(piles.flat().map((key) => seen.get(key)), y, piles.length);
    learned = probe.rows;
    return doubtsOf(probe.leftOut, y);
  },
  unlearn() {
    learned = null;
  },
  ask: async (what) => (learned ? answerBy(learned, await featuresOf(what)) : null),
  async draw({ strokes }) {
    const { data, width, height } = drawingOf(strokes);
    const image = new ImageData(width, height);
    data.forEach((v, p) => image.data.set([v, v, v, 255], 4 * p));
    const paper = blankPaper(width, height);
    paper.getContext("2d").putImageData(image, 0, 0);
    return paper.convertToBlob({ type: "image/png" });
  },
};

addEventListener("message", async ({ data: { does, ...what } }) => {
  try {
    postMessage({ gives: await WORK[does](what) }, []);
  } catch (problem) {
    postMessage({ problem: problem.message }, []); // nothing is handed over
  }
});
