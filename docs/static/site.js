// Demos that live: each stands where its still picture was, as soon as the picture comes near the
// screen. Without this script the pictures stay, with a link to the demo's own page.
document.addEventListener("DOMContentLoaded", () => {
  const frames = [];

  // A demo wears what the site wears: light, dark, or as the device is.
  const theme = () => document.body.dataset.theme || "auto";
  const paper = () => getComputedStyle(document.body).backgroundColor;
  const dress = (frame) =>
    frame.contentWindow?.postMessage({ dljTheme: theme(), dljPaper: paper() }, "*");
  const isDressed = new MutationObserver(() => frames.forEach(dress));
  isDressed.observe(document.body, { attributes: true, attributeFilter: ["data-theme"] });

  function wake(place, picture) {
    const frame = document.createElement("iframe");
    frame.src = place.querySelector("a").href;
    frame.title = place.dataset.title;
    frame.className = "alive";
    frame.style.height = "0";
    frame.addEventListener("load", () => dress(frame));
    picture.after(frame);
    frames.push(frame);
  }

  // The picture goes when the demo is there, and says how high it is.
  addEventListener("message", ({ source, data }) => {
    const frame = frames.find((one) => one.contentWindow === source);
    if (!frame || !data || !(data.dljHeight > 40)) return;
    frame.style.height = `${Math.min(4000, data.dljHeight)}px`;
    frame.previousElementSibling.hidden = true;
  });

  const near = new IntersectionObserver((seen) => {
    for (const { target, isIntersecting } of seen) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      const pictures = target.previousElementSibling.querySelectorAll("img");
      const picture = [...pictures].at(-1);
      if (picture) wake(target, picture.closest("a, figure") || picture);
    }
  }, { rootMargin: "800px" });
  document.querySelectorAll("p.alive").forEach((place) => near.observe(place));
});
