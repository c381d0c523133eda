// Strokes become a picture, as strokes_to_image of kit.live draws them: centred and scaled, with
// smooth edges. A stroke is a list of points [x, y] in [0, 1], y downwards.
const PEN = 0.08; // thickness, as a share of the picture
const FILLED = 0.8; // so much of the picture the drawing fills

// Sets all pixels that lie no farther than `reach` from the line between two points.
function markLine(paper, side, [ax, ay], [bx, by], reach) {
  const span = (a, b) => [Math.max(0, Math.ceil(Math.min(a, b) - reach)),
    Math.min(side - 1, Math.floor(Math.max(a, b) + reach))];
  const [[left, right], [top, bottom]] = [span(ax, bx), span(ay, by)];
  const [dx, dy] = [bx - ax, by - ay];
  const length = dx * dx + dy * dy;
  for (let y = top; y <= bottom; y++) for (let x = left; x <= right; x++) {
    const along = length ? ((x - ax) * dx + (y - ay) * dy) / length : 0;
    const t = Math.min(1, Math.max(0, along));
    const [u, v] = [x - ax - t * dx, y - ay - t * dy];
    if (u * u + v * v <= reach * reach) paper[y * side + x] = 255;
  }
}

// A picture of `size` pixels a side: 255 is ink, 0 is paper.
function drawnPicture(strokes, size = 128) {
  const fine = Math.max(1, Math.ceil(256 / size)); // drawn on a finer grid, then averaged
  const side = size * fine;
  const paper = new Uint8ClampedArray(side * side);
  const points = strokes.flat();
  if (points.length) {
    const ends = [0, 1].map((i) => points.map((point) => point[i])).map((values) =>
      [Math.min(...values), Math.max(...values)]);
    const widest = Math.max(0.12, ...ends.map(([low, high]) => high - low)); // a dot stays a dot
    const scale = (FILLED - PEN) / widest;
    const at = (point) => point.map((v, i) =>  // on whole pixels, as Pillow draws lines
      Math.trunc(((v - (ends[i][0] + ends[i][1]) / 2) * scale + 0.5) * (side - 1)));
    const reach = EVEN(PEN * side) / 2;
    for (const stroke of strokes) {
      const places = stroke.map(at);
      places.forEach((b, i) => markLine(paper, side, places[Math.max(0, i - 1)], b, reach));
    }
  }
  const drawn = { data: paper, width: side, height: side, channels: 1 };
  return fine > 1 ? reduced(drawn, [fine, fine], [0, 0, side, side]) : drawn;
}
