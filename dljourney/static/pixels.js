// From a picture's file to its pixels, in a page or in a worker of one.
const MOST_PIXELS = 2 ** 24; // some phones have no larger canvas
export const AS_IT_IS = { colorSpaceConversion: "none", premultiplyAlpha: "none",
  imageOrientation: "from-image" };

export function blankPaper(width, height) {
  if (typeof document === "undefined") return new OffscreenCanvas(width, height);
  return Object.assign(document.createElement("canvas"), { width, height });
}

// The pixels of a file as they stand in it, upright, over white where they are clear.
export async function pixelsOf(file) {
  const bitmap = await createImageBitmap(file, AS_IT_IS);
  const share = Math.min(1, Math.sqrt(MOST_PIXELS / (bitmap.width * bitmap.height)));
  const [width, height] = [bitmap.width, bitmap.height].map((n) =>
    Math.max(1, Math.floor(n * share)));
  const context = blankPaper(width, height).getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  return { data: context.getImageData(0, 0, width, height).data, width, height, channels: 4 };
}
