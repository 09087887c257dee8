export function render({ model }) {
  const keep = () => {
    const theme = model.dark ? "dark" : "light", secure = location.protocol === "https:" ? "; secure" : "";
    document.documentElement.dataset.theme = theme;
    document.cookie = `lassoscope-theme=${theme}; max-age=31536000; samesite=lax${secure}`;
  };
  document.documentElement.dataset.theme = model.dark ? "dark" : "light";
  model.on("dark", keep);
  if (!model.names) return;
  const place = `lassoscope-analyst/${model.workspace}`;
  const tab = storage("sessionStorage"), browser = storage("localStorage");
  const ofTab = tab.get(place), ofBrowser = model.is_set ? null : browser.get(place);  // of a name typed in any tab
  let name = ofTab || ofBrowser || model.analyst;
  tab.set(place, name);  // what another tab types later is not this tab's name
  if (name !== model.analyst) model.send_msg({ analyst: name });
  model.on("analyst", () => {
    if (model.analyst === name) return;  // the server's answer to the message
    name = model.analyst;
    for (const store of [tab, browser]) store.set(place, name);
  });
}
