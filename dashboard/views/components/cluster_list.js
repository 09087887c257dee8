export function render({ model, el }) {
  const list = document.createElement("div");
  list.setAttribute("role", "radiogroup");
  list.setAttribute("aria-label", "Clusters");
  el.append(list);
  const pick = item => { item.focus(); model.send_msg({ pick: item.dataset.name }); };
  const open = item => model.send_msg({ pick: item.dataset.name, opens: true });
  const mark = () => {
    let first = list.firstChild;
    for (const item of list.children) {
      const chosen = item.dataset.name === model.chosen;
      item.setAttribute("aria-checked", String(chosen));
      item.tabIndex = -1;
      if (chosen) first = item;
    }
    if (first) first.tabIndex = 0;  // one stop for the Tab key, arrows inside
  };
  const show = () => {
    for (const img of list.querySelectorAll("img")) {
      const src = `thumb/${model.view}/${img.dataset.id}`;
      if (img.getAttribute("src") !== src) img.setAttribute("src", src);
    }
  };
  const onKey = (event, item) => {
    const other = { ArrowDown: item.nextSibling, ArrowUp: item.previousSibling }[event.key];
    if (event.key === "Enter") open(item);
    else if (event.key === " ") pick(item);
    else if (other) pick(other);
    else return;  // class keys and undo belong to the page
    event.preventDefault();
    event.stopPropagation();
  };
  const draw = () => {
    const focused = el.getRootNode().activeElement?.dataset.name;
    list.replaceChildren(...model.entries.map(entry => {
      const item = document.createElement("div"), title = document.createElement("div"), strip = document.createElement("div");
      item.className = "item";
      item.dataset.name = entry.name;
      item.setAttribute("role", "radio");
      title.className = "title";
      title.textContent = entry.title;
      strip.className = "strip";
      for (const id of entry.pictures) {
        const img = document.createElement("img");
        img.dataset.id = id;
        img.alt = "";
        img.loading = "lazy";
        img.draggable = false;
        strip.append(img);
      }
      item.append(title, strip);
      for (const text of entry.words) {
        const line = document.createElement("div");
        line.className = "words";
        line.textContent = text;
        item.append(line);
      }
      item.onclick = () => pick(item);
      item.ondblclick = () => open(item);
      item.onkeydown = event => onKey(event, item);
      return item;
    }));
    show();
    mark();
    // Counts change with every label: who steps through by keys stays where they are.
    if (focused) [...list.children].find(item => item.dataset.name === focused)?.focus({ preventScroll: true });
  };
  model.on("entries", draw);
  model.on("chosen", mark);
  model.on("view", show);
  draw();
}
