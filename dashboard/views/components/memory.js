const NAME = "lassoscope-analyst";

export function render({ model }) {
  const keep = () => {
    const theme = model.dark ? "dark" : "light", secure = location.protocol === "https:" ? "; secure" : "";
    document.documentElement.dataset.theme = theme;
    document.cookie = `lassoscope-theme=${theme}; max-age=31536000; samesite=lax${secure}`;
  };
  document.documentElement.dataset.theme = model.dark ? "dark" : "light";
  model.on("dark", keep);
  if (!model.names) return;
  const stores = [sessionStorage, localStorage];  // of this tab, and for the tabs that are opened next
  const name = stores.map(store => store.getItem(NAME)).find(Boolean);
  if (name && name !== model.analyst) model.send_msg({ analyst: name });
  model.on("analyst", () => { for (const store of stores) store.setItem(NAME, model.analyst); });
}
