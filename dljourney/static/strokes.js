// Strokes become a picture, in every byte the one that strokes_to_image of kit.live draws: centred
// and scaled, with smooth edges. A stroke is a list of points [x, y] in [0, 1], y downwards.
const PEN = 0.08; // thickness, as a share of the picture
const FILLED = 0.8; // so much of the picture the drawing fills

// A picture of `size` pixels a side: 255 is ink, 0 is paper.
export function drawnPicture(given, size = 128) {
  const fine = Math.max(1, Math.ceil(256 / size)); // drawn on a finer grid, then averaged
  const side = size * fine;
  const paper = { data: new Uint8ClampedArray(side * side), side };
  const strokes = given.filter((stroke) => stroke.length).map((stroke) =>
    stroke.map((point) => point.map((v) => EVEN(1e4 * v) / 1e4)));
  if (strokes.length) {
    const ends = [0, 1].map((i) => strokes.flat().map((point) => point[i])).map((values) =>
      [Math.min(...values), Math.max(...values)]);
    const widest = Math.max(0.12, ...ends.map(([low, high]) => high - low)); // a dot stays a dot
    const scale = (FILLED - PEN) / widest;
    const at = (point) => point.map((v, i) =>
      ((v - (ends[i][0] + ends[i][1]) / 2) * scale + 0.5) * (side - 1));
    for (const stroke of strokes) drawStroke(paper, stroke.map(at), EVEN(PEN * side));
  }
  const drawn = { data: paper.data, width: side, height: side, channels: 1 };
  return fine > 1 ? reduced(drawn, [fine, fine], [0, 0, side, side]) : drawn;
}
