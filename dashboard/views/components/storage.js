// What the browser keeps of this site, in its localStorage or sessionStorage. A browser may refuse to, and throws at every touch:
// then the page keeps it until it is closed. `source` puts it before the scripts that need it.
function storage(kind) {
  const here = (window.lassoscopeStorage ??= {})[kind] ??= new Map();
  const attempt = (use, otherwise) => { try { return use(window[kind]); } catch { return otherwise(); } };
  return {
    get: key => here.get(key) ?? attempt(store => store.getItem(key), () => null),
    set: (key, value) => attempt(store => { store.setItem(key, value); here.delete(key); }, () => here.set(key, String(value))),
    remove: key => { here.delete(key); attempt(store => store.removeItem(key), () => {}); },
  };
}
