// A picture made small enough to be sent: a photograph of 12 megapixels needs seconds on its way,
// and several burst the connection.
const SIDE = 1024; // pixels of the longer side: more than a network looks at
const MOST = 8 * 2 ** 20; // bytes of one message; Jupyter's server closes the connection at ten

// The picture as it will be sent. What is small already, and what this browser cannot read, goes as
// it is; only what would be too large is refused.
async function smaller(file) {
  let picture;
  const plain = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
  const as = { ...plain, imageOrientation: "from-image" };
  try {
    picture = await createImageBitmap(file, as);
  } catch {
    if (file.size <= MOST) return file;
    throw new Error(
      `this browser cannot make it smaller, and ${megabytes(file.size)} are too much ` +
        `to send, at most ${megabytes(MOST)}; save it as JPEG or PNG`,
    );
  }
  const { width, height } = picture;
  const share = Math.min(1, SIDE / Math.max(width, height));
  if (share === 1 && file.size <= MOST) {
    picture.close();
    return file;
  }
  const [w, h] = [width, height].map((n) => Math.max(1, Math.round(n * share)));
  const canvas = make("canvas", { width: w, height: h });
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, 0, 0, w, h);
  picture.close();
  const kind = file.type === "image/png" || file.type === "image/webp" ? "image/png" : "image/jpeg";
  return new Promise((done) => {
    canvas.toBlob(done, kind, 0.92);
  });
}
const megabytes = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MB`;
