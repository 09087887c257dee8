// One note in the top layer, so that no column cuts it off. Screen readers have the sentence in the term's own name.
const GAP = 6;
export function render({ model }) {
  const note = document.createElement("div");
  note.className = "term-note";
  note.popover = "manual";
  note.setAttribute("aria-hidden", "true");
  document.body.append(note);
  let of = null;  // the term that is explained
  const hide = () => {
    of = null;
    if (note.matches(":popover-open")) note.hidePopover();
  };
  const show = term => {
    of = term;
    note.textContent = term.dataset.told;
    if (!note.matches(":popover-open")) note.showPopover();
    const at = term.getBoundingClientRect(), size = note.getBoundingClientRect();
    const left = Math.max(GAP, Math.min(at.left, innerWidth - size.width - GAP));
    const below = at.bottom + GAP, top = below + size.height > innerHeight ? at.top - size.height - GAP : below;
    note.style.setProperty("--left", `${left}px`);
    note.style.setProperty("--top", `${Math.max(GAP, top)}px`);
  };
  const isTerm = node => node?.classList?.contains("term");
  const turn = term => {
    if (term) show(term);
    else if (of) hide();
  };
  const on = event => {
    const term = event.composedPath().find(isTerm);
    if (term !== of || !term) turn(term);
  };
  // Not `focusin` or `pointerover`: these stay inside the page's shadow root.
  const onKey = event => {
    let focused = document.activeElement;
    while (focused?.shadowRoot?.activeElement) focused = focused.shadowRoot.activeElement;
    if (event.key === "Tab") turn(isTerm(focused) ? focused : null);
  };
  const leave = event => { if (event.key === "Escape" && of) { hide(); event.stopPropagation(); } };
  const away = () => { if (of) hide(); };
  const events = [["pointermove", on], ["click", on], ["keyup", onKey], ["scroll", away]];
  for (const [name, act] of events) window.addEventListener(name, act, true);
  window.addEventListener("keydown", leave, true);
  model.on("remove", () => {
    for (const [name, act] of events) window.removeEventListener(name, act, true);
    window.removeEventListener("keydown", leave, true);
    note.remove();
  });
}
