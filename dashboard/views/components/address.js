// Keeps the browser's address in step with the page, and tells the page when the person goes back or forward.
const PAUSE = 300;  // ms; browsers allow few changes of the address a second

export function render({ model }) {
  const first = !window.lassoscopeAddress;
  const keeper = window.lassoscopeAddress ??= { timer: null };
  keeper.model = model;
  const show = () => {
    clearTimeout(keeper.timer);
    const { query, step } = model.entry, wanted = query ? `?${query}` : "";
    if (wanted === location.search) return;
    const address = location.pathname + wanted;
    if (step) history.pushState(null, "", address);
    else keeper.timer = setTimeout(() => history.replaceState(null, "", address), PAUSE);
  };
  model.on("entry", show);
  show();
  if (first) addEventListener("popstate", () => {
    clearTimeout(keeper.timer);
    keeper.model.send_msg({ query: location.search.slice(1) });
  });
}
