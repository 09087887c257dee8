const GAP = 18;  // px between mouse and tip
const NEVER = 2 ** 31 - 1;  // ms, the longest timer there is
export function render({ model, el }) {
  // Bokeh takes a button held for 300 ms before the first move for a long press, and drops the lasso that was meant: of a hand that
  // waits, and of a quick one on a busy machine. Nothing here listens to a long press.
  window.Bokeh.loader["core/ui_gestures"].UIGestures.press_threshold = NEVER;
  const facts = document.createElement("div"), tip = document.createElement("div");
  const img = document.createElement("img"), words = document.createElement("div");
  facts.className = "map-facts";
  tip.className = "tip";
  tip.setAttribute("role", "tooltip");
  img.alt = "";
  tip.append(img, words);
  el.append(facts, tip);
  const place = () => {
    const { x, y } = model.tip, box = el.getRootNode().host.getBoundingClientRect();
    const left = x + GAP + tip.offsetWidth > box.width ? x - GAP - tip.offsetWidth : x + GAP;
    const top = Math.min(Math.max(0, y - tip.offsetHeight / 2), Math.max(0, box.height - tip.offsetHeight));
    tip.style.setProperty("--left", `${Math.max(0, left)}px`);
    tip.style.setProperty("--top", `${top}px`);
  };
  const draw = () => {
    const { id, lines } = model.tip;
    tip.hidden = !id;
    if (!id) { img.removeAttribute("src"); return; }
    const src = `thumb/${model.view}/${id}`;
    if (img.getAttribute("src") !== src) img.setAttribute("src", src);
    tip.dataset.id = id;
    tip.dataset.view = model.view;
    words.replaceChildren(...lines.map(line => {
      const node = document.createElement("div");
      node.textContent = line;
      return node;
    }));
    place();
  };
  const tell = () => {
    for (const [name, value] of Object.entries(model.facts)) facts.dataset[name] = value;
    const host = el.getRootNode().host;
    for (const beside of host?.parentNode?.children ?? []) {  // Bokeh gives its canvas a stop of the Tab key, but no name
      const canvas = beside.shadowRoot?.querySelector(".bk-Canvas")?.shadowRoot?.querySelector(".bk-events");
      canvas?.setAttribute("role", "img");
      canvas?.setAttribute("aria-label", `Map of the images, ${facts.dataset.selected ?? 0} selected. Lassos need a mouse or a finger; `
        + "the Clusters tab selects the same clusters by keys.");
    }
  };
  model.on(["tip", "view"], draw);
  model.on("facts", tell);
  draw();
  tell();
}
