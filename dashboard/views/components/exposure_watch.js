const TICK = 125, MOMENT = 250, SEND = 2000;  // ms
const PICTURE = /(?:^|\/)(?:thumb|image|original)\/(clear|grey|blurred-grey|blurred)\/([0-9a-f]{32})$/;
export function render({ model, el }) {
  const watched = new Set(), onScreen = new Set(), since = new Map();  // img -> { key, from, counted }
  let views = {}, seconds = {}, before = performance.now(), sent = before;
  const observer = new IntersectionObserver(entries => {
    for (const entry of entries) entry.intersectionRatio >= 0.5 ? onScreen.add(entry.target) : onScreen.delete(entry.target);
  }, { threshold: [0, 0.5] });
  const walk = root => {
    for (const node of root.querySelectorAll("*")) {
      if (node.tagName === "IMG" && !watched.has(node)) { watched.add(node); observer.observe(node); }
      if (node.shadowRoot) walk(node.shadowRoot);
    }
  };
  const send = () => {
    sent = performance.now();
    if (!Object.keys(seconds).length) return;
    model.send_msg({ views, seconds });
    views = {};
    seconds = {};
  };
  const measure = () => {
    const now = performance.now(), passed = Math.min(now - before, 4 * TICK);  // a sleeping machine saw nothing
    before = now;
    walk(document);
    const here = new Set();
    if (document.visibilityState === "visible") {
      for (const img of onScreen) {
        const found = PICTURE.exec(img.getAttribute("src") ?? "");
        if (!img.isConnected || !found || !img.complete || !img.naturalWidth) continue;
        if (!img.checkVisibility({ checkVisibilityCSS: true })) continue;
        const known = since.get(img), key = found[0];
        if (known?.key === key) {
          here.add(found[1]);
          if (!known.counted && now - known.from >= MOMENT) {
            known.counted = true;
            views[found[1]] = (views[found[1]] ?? 0) + 1;
          }
        } else since.set(img, { key, from: now, counted: false });
      }
    }
    for (const img of since.keys()) {
      if (!onScreen.has(img) || !img.isConnected || document.visibilityState !== "visible") since.delete(img);
    }
    for (const img of watched) if (!img.isConnected) { watched.delete(img); onScreen.delete(img); observer.unobserve(img); }
    for (const view of here) seconds[view] = (seconds[view] ?? 0) + passed / 1000;
    if (now - sent >= SEND) send();
  };
  const timer = setInterval(measure, TICK);
  document.addEventListener("visibilitychange", send);
  window.addEventListener("pagehide", send);
  model.on("remove", () => {
    clearInterval(timer);
    observer.disconnect();
    document.removeEventListener("visibilitychange", send);
    window.removeEventListener("pagehide", send);
  });
}
