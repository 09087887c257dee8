// Widths are the browser's own: they are kept there, and the server never hears of them.
const STEP = 24;
export function render({ model, el, view }) {
  const bar = document.createElement("div"), host = view.el, key = `lassoscope.width.${model.name_kept}`;
  bar.className = "bar";
  bar.tabIndex = 0;
  bar.setAttribute("role", "separator");
  bar.setAttribute("aria-orientation", "vertical");
  bar.setAttribute("aria-label", model.label);
  bar.title = "Drag, or press the arrow keys. Double click: as before. F: make room for the work, for the map, for both";
  el.append(bar);

  const sized = () => host.nextElementSibling;
  const others = () => [...host.parentNode.children].filter(other => other !== host && other !== sized() && other.offsetWidth);
  // What the map keeps at least; everything before it keeps its width.
  const most = () => {
    const [map, ...rest] = others().reverse();
    const taken = rest.reduce((sum, other) => sum + other.offsetWidth, 0);
    return map === undefined ? model.start : Math.max(model.least, host.parentNode.host.clientWidth - taken - model.rest - 40);
  };
  let wanted = Number(localStorage.getItem(key)) || model.start, mode = "both";
  const draw = () => {
    if (!sized()) return;
    const goal = { both: Math.max(wanted, model.least), work: Infinity, map: 0 }[mode];
    const width = Math.round(Math.min(goal, Math.max(most(), model.least)));
    sized().style.setProperty("--room", `${width}px`);  // pictures grow with it
    sized().classList.toggle("closed", !width);
    bar.setAttribute("aria-valuenow", width);
    bar.setAttribute("aria-valuemin", model.least);
    bar.setAttribute("aria-valuemax", Math.round(most()));
  };
  const keep = width => {
    mode = "both";
    wanted = Math.min(Math.max(width, model.least), most());
    localStorage.setItem(key, String(Math.round(wanted)));
    draw();
  };
  bar.addEventListener("pointerdown", event => {
    if (event.button) return;
    bar.setPointerCapture(event.pointerId);
    const from = event.clientX, before = sized().offsetWidth;
    const move = moved => keep(before + from - moved.clientX);
    bar.addEventListener("pointermove", move);
    bar.addEventListener("lostpointercapture", () => bar.removeEventListener("pointermove", move), { once: true });
    event.preventDefault();
  });
  bar.addEventListener("dblclick", () => {
    keep(model.start);
    localStorage.removeItem(key);
  });
  bar.addEventListener("keydown", event => {
    const moved = { ArrowLeft: STEP, ArrowRight: -STEP }[event.key];
    if (moved === undefined) return;
    keep(sized().offsetWidth + moved);
    event.preventDefault();
    event.stopPropagation();
  });
  const onTurn = value => {
    mode = ["both", "work", "map"][value % 3];
    draw();
  };
  model.on("turns", () => onTurn(model.turns));
  const observer = new ResizeObserver(draw);
  const begin = () => {
    if (!host.isConnected) return;
    if (!sized()) requestAnimationFrame(begin);  // siblings come one after the other
    else observer.observe(host.parentNode.host);
  };
  requestAnimationFrame(begin);
  model.on("remove", () => observer.disconnect());
}
