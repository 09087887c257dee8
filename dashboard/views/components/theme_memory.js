export function render({ model }) {
  const keep = () => {
    const theme = model.dark ? "dark" : "light", secure = location.protocol === "https:" ? "; secure" : "";
    document.documentElement.dataset.theme = theme;
    document.cookie = `lassoscope-theme=${theme}; max-age=31536000; samesite=lax${secure}`;
  };
  document.documentElement.dataset.theme = model.dark ? "dark" : "light";
  model.on("dark", keep);
}
