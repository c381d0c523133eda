// Files in a zip and out of one. What is written is stored as it is: pictures are small already.
const MOST_FILES = 5000;
const MOST_BYTES = 2 ** 29; // in a zip that is opened

const CHECKS = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});
export const checkOf = (bytes) =>
  ~bytes.reduce((sum, b) => CHECKS[(sum ^ b) & 255] ^ (sum >>> 8), -1);

// Numbers, each with its bytes: the least byte first.
function packedNumbers(...pairs) {
  const view = new DataView(new ArrayBuffer(pairs.reduce((sum, [size]) => sum + size, 0)));
  let at = 0;
  for (const [size, value] of pairs) {
    if (size === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += size;
  }
  return new Uint8Array(view.buffer);
}

// A zip of files, each {name, bytes}.
export function zipOf(files) {
  const [parts, entries] = [[], []];
  let at = 0;
  for (const { name, bytes } of files) {
    const called = new TextEncoder().encode(name);
    // 20: a plain zip; 0x800: names in UTF-8; 0x21: the first day that a zip can tell
    const about = [[2, 20], [2, 0x800], [2, 0], [2, 0], [2, 0x21], [4, checkOf(bytes)],
      [4, bytes.length], [4, bytes.length], [2, called.length], [2, 0]];
    const head = packedNumbers([4, 0x04034b50], ...about);
    parts.push(head, called, bytes);
    entries.push(packedNumbers([4, 0x02014b50], [2, 20], ...about, [2, 0], [2, 0], [2, 0], [4, 0],
      [4, at]), called);
    at += head.length + called.length + bytes.length;
  }
  const length = entries.reduce((sum, part) => sum + part.length, 0);
  const end = packedNumbers([4, 0x06054b50], [2, 0], [2, 0], [2, files.length], [2, files.length],
    [4, length], [4, at], [2, 0]);
  return new Blob([...parts, ...entries, end], { type: "application/zip" });
}

async function unpacked(bytes, how) {
  if (how === 0) return bytes;
  if (how !== 8) throw new Error("it is packed in a way that is not known here");
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// The files in a zip, each {name, bytes}; whatever else the file may hold is refused.
export async function unzipped(file) {
  if (file.size > MOST_BYTES) throw new Error("it is too large");
  const view = new DataView(await file.arrayBuffer());
  let end = view.byteLength - 22;
  while (end >= 0 && view.getUint32(end, true) !== 0x06054b50) end -= 1;
  if (end < 0) throw new Error("it is no zip");
  const n = view.getUint16(end + 10, true);
  let at = view.getUint32(end + 16, true);
  if (n > MOST_FILES) throw new Error(`it holds ${n} files, and at most ${MOST_FILES} are read`);
  const files = [];
  let total = 0;
  for (let k = 0; k < n; k++) {
    const [how, size, whole, called, more, told, place] = [[10, 2], [20, 4], [24, 4], [28, 2],
      [30, 2], [32, 2], [42, 4]].map(([from, bytes]) =>
      (bytes === 2 ? view.getUint16(at + from, true) : view.getUint32(at + from, true)));
    if ((total += whole) > MOST_BYTES) throw new Error("it holds too much");
    const name = new TextDecoder().decode(new Uint8Array(view.buffer, at + 46, called));
    const start = place + 30 + view.getUint16(place + 26, true) + view.getUint16(place + 28, true);
    const packed = new Uint8Array(view.buffer, start, size);
    if (!name.endsWith("/")) files.push({ name, bytes: await unpacked(packed, how) });
    at += 46 + called + more + told;
  }
  return files;
}
