// A camera: what it sees goes to `seen(blob)` as small square pictures, at most two unanswered at a
// time, as long as it is on. The picture is mirrored on the page only.
const FRAME = 224; // pixels of a side: what the network looks at
const NO_CAMERA = {
  NotAllowedError:
    "The browser may not use the camera. Allow it beside the page's address, and press again. " +
    "Files and drawings do as well.",
  NotFoundError: "There is no camera here. Files and drawings do as well.",
  NotReadableError: "Another program holds the camera. Close it, and press again.",
};

function inWords(problem) {
  if (!navigator.mediaDevices)
    return "A page from another machine may use the camera only over https. " +
      "Files and drawings do as well.";
  return NO_CAMERA[problem.name] || `The camera cannot be used: ${problem.message}`;
}

function cameraOf({ seen, changed }) {
  const video = make("video", { muted: true, playsinline: true, "aria-label": "The camera" });
  video.muted = true;
  const canvas = make("canvas", { width: FRAME, height: FRAME });
  let stream = null;
  let queued = 0;
  let closed = false;
  let asking = false;
  let waiting = 0;
  let last = 0;

  async function on() {
    if (stream || asking) return;
    asking = true;
    changed("", "asking");
    try {
      const wanted = { width: { ideal: 640 }, height: { ideal: 480 }, facingMode: "user" };
      const got = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
      asking = false;
      stream = got;
      if (closed) return off();
      got.getVideoTracks()[0].addEventListener("ended", off);
      video.srcObject = got;
      await video.play();
      changed("", "on");
      waiting = 0;
      queue();
    } catch (problem) {
      asking = false;
      off();
      if (!closed) changed(inWords(problem), "off");
    }
  }
  function off() {
    if (stream) stream.getTracks().forEach((track) => track.stop());
    stream = null;
    video.srcObject = null;
    cancelAnimationFrame(queued);
    queued = 0;
    if (!closed) changed("", "off");
  }
  function queue() {
    queued ||= requestAnimationFrame(look);
  }
  function look() {
    queued = 0;
    if (!stream) return;
    queue();
    if (performance.now() - last > 3000) waiting = 0; // an answer got lost
    if (waiting >= 2 || video.readyState < 2) return;
    waiting += 1;
    last = performance.now();
    const side = Math.min(video.videoWidth, video.videoHeight);
    const [x, y] = [(video.videoWidth - side) / 2, (video.videoHeight - side) / 2];
    canvas.getContext("2d").drawImage(video, x, y, side, side, 0, 0, FRAME, FRAME);
    canvas.toBlob(async (blob) => {
      if (stream && blob) seen(await blob.arrayBuffer());
    }, "image/jpeg", 0.92);
  }
  return {
    video,
    toggle: () => (stream ? off() : on()),
    isOn: () => Boolean(stream),
    heard: () => { waiting = Math.max(0, waiting - 1); },
    off,
    close: () => { closed = true; off(); },
  };
}
