// Widths are the browser's own: they are kept there, and the server never hears of them.
const STEP = 24, BAR = 8, LEAST_MAP = 240, LEAST_STAGE = 480, NARROW = 1180;  // px; NARROW also in desk.css
const give = {
  rail: (desk, width) => desk.style.setProperty("--rail", width),
  work: (desk, width) => desk.style.setProperty("--work", width),
  dock: (desk, width) => desk.style.setProperty("--dock", width),
};
const MOVED = "lassoscope-room";  // one column has changed: the others keep within what is left

export function render({ model, el, view }) {
  const bar = document.createElement("div"), host = view.el, name = model.column;
  const key = `lassoscope.width.${name}`, shut = `lassoscope.closed.${name}`, sign = name === "rail" ? 1 : -1, kept = storage("localStorage");
  bar.className = "bar";
  bar.tabIndex = 0;
  bar.setAttribute("role", "separator");
  bar.setAttribute("aria-orientation", "vertical");
  bar.setAttribute("aria-label", model.label);
  bar.title = `${model.label}: drag, or press the arrow keys; double-click for the usual width`;
  el.append(bar);
  const toggle = document.createElement("button");
  toggle.type = "button";
  if (model.closes) el.append(toggle);

  const desk = () => host.parentNode.host;
  const column = other => desk().shadowRoot.querySelector(`.${other}`);
  const width = other => column(other)?.offsetWidth ?? 0;
  const isNarrow = () => desk().clientWidth < NARROW;  // the dock lies over the stage there, and is closed at first
  const isClosed = () => model.closes && (kept.get(shut) ?? (isNarrow() ? "yes" : "no")) === "yes";
  const stage = () => desk().clientWidth - width("rail") - (isNarrow() ? 0 : width("dock")) - 2 * BAR;
  const most = () => name === "work" ? stage() - BAR - LEAST_MAP : width(name) + stage() - LEAST_STAGE;
  const wanted = () => {
    const size = Number(kept.get(key));
    if (name === "work") return (stage() - BAR) * (size > 0 && size < 1 ? size : 0.5);  // a share: windows differ
    return size || model.start;
  };
  let before = null;
  const draw = () => {
    if (!host.isConnected || !desk().clientWidth) return;
    const closed = isClosed(), now = closed ? 0 : Math.round(Math.max(Math.min(wanted(), most()), model.least));
    give[name](desk(), `${now}px`);
    desk().toggleAttribute(`data-closed-${name}`, closed);
    bar.setAttribute("aria-valuenow", now);
    bar.setAttribute("aria-valuemin", model.least);
    bar.setAttribute("aria-valuemax", Math.max(model.least, Math.round(most())));
    bar.tabIndex = closed ? -1 : 0;
    toggle.textContent = closed ? "‹" : "›";
    toggle.title = closed ? `Show ${name === "dock" ? "the evidence" : "this column"}` : "Put it away";
    toggle.setAttribute("aria-label", toggle.title);
    toggle.setAttribute("aria-expanded", String(!closed));
    if (now === before) return;
    before = now;
    desk().dispatchEvent(new Event(MOVED));
  };
  const keep = px => {
    const now = Math.round(Math.max(Math.min(px, most()), model.least));
    kept.set(key, String(name === "work" ? now / (stage() - BAR) : now));
    if (model.closes) kept.set(shut, "no");
    draw();
  };
  bar.addEventListener("pointerdown", event => {
    if (event.button) return;
    bar.setPointerCapture(event.pointerId);
    const from = event.clientX, at = width(name);
    const move = moved => keep(at + sign * (moved.clientX - from));
    bar.addEventListener("pointermove", move);
    bar.addEventListener("lostpointercapture", () => bar.removeEventListener("pointermove", move), { once: true });
    event.preventDefault();
  });
  bar.addEventListener("dblclick", () => {
    kept.remove(key);
    draw();
  });
  bar.addEventListener("keydown", event => {
    const moved = { ArrowLeft: -STEP, ArrowRight: STEP }[event.key];
    if (moved === undefined) return;
    keep(width(name) + sign * moved);
    event.preventDefault();
    event.stopPropagation();
  });
  toggle.onclick = () => {
    kept.set(shut, isClosed() ? "no" : "yes");
    draw();
  };
  const observer = new ResizeObserver(draw);
  const begin = () => {
    if (!host.isConnected) return;
    if (!desk() || !column(name)) return requestAnimationFrame(begin);  // siblings come one after the other
    observer.observe(desk());
    for (const other of ["rail", "dock"]) if (column(other)) observer.observe(column(other));
    desk().addEventListener(MOVED, draw);
    draw();
  };
  requestAnimationFrame(begin);
  model.on("remove", () => observer.disconnect());
}
