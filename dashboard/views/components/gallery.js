// Tiles are kept by row: a new label or a new order moves and marks them, pictures are not fetched again.

export function render({ model, el }) {
  const head = document.createElement("div"), grid = document.createElement("div"), foot = document.createElement("div");
  const said = document.createElement("span"), none = document.createElement("button"), more = document.createElement("button");
  const size = document.createElement("input"), kept = `lassoscope.tile.${model.tile_size}`;  // each kind of gallery has its own
  head.className = "head";
  foot.className = "foot";
  grid.className = "grid";
  grid.setAttribute("role", "group");
  grid.setAttribute("aria-label", "Pictures of the selection");
  said.setAttribute("role", "status");
  none.type = more.type = "button";
  none.textContent = "Pick none";
  size.type = "range";
  [size.min, size.max, size.step] = [48, 256, 8];
  size.title = "Size of the pictures";
  size.setAttribute("aria-label", size.title);
  const resize = () => {
    size.value = Number(localStorage.getItem(kept)) || model.tile_size;
    grid.style.setProperty("--tile", `${size.value}px`);
  };
  size.oninput = () => {
    localStorage.setItem(kept, size.value);
    resize();
  };
  none.onclick = () => { model.picked = []; };
  more.onclick = () => model.send_msg({ more: true });
  head.append(said, size, none);
  foot.append(more);
  el.append(head, grid, foot);

  const tiles = new Map(); // row -> element
  let anchor = null, hovered = null;

  // One at most: the tile under the mouse, else the one with the focus.
  const isClear = tile => model.reveal && tile === (hovered ?? grid.getRootNode().activeElement);
  const show = tile => {
    const view = isClear(tile) ? "clear" : model.view, src = `thumb/${view}/${tile.dataset.id}`;
    if (tile.firstChild.getAttribute("src") !== src) tile.firstChild.setAttribute("src", src);
    tile.dataset.view = view;
  };
  const showAll = () => tiles.forEach(show);
  const order = () => [...grid.children].map(tile => Number(tile.dataset.row));

  const pick = (row, range) => {
    const picked = new Set(model.picked), rows = order();
    if (range && anchor !== null && rows.includes(anchor)) {
      const [from, to] = [rows.indexOf(anchor), rows.indexOf(row)].sort((a, b) => a - b);
      rows.slice(from, to + 1).forEach(other => picked.add(other));
    } else {
      picked.has(row) ? picked.delete(row) : picked.add(row);
      anchor = row;
    }
    model.picked = [...picked].sort((a, b) => a - b);
  };
  const columns = () => getComputedStyle(grid).gridTemplateColumns.split(" ").length;
  const focus = tile => {
    if (!tile) return;
    for (const other of grid.querySelectorAll('[tabindex="0"]')) other.tabIndex = -1;
    tile.tabIndex = 0; // one stop for the Tab key, arrows inside
    tile.focus();
  };
  const onKey = (event, tile) => {
    const at = [...grid.children].indexOf(tile);
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns(), ArrowDown: columns(), Home: -at, End: grid.children.length - 1 - at };
    if (event.key in steps) focus(grid.children[at + steps[event.key]]);
    else if (event.key === " ") pick(Number(tile.dataset.row), event.shiftKey);
    else if (event.key === "Enter") model.send_msg({ pin: Number(tile.dataset.row) });
    else return; // class keys, undo and reveal belong to the page
    event.preventDefault();
    event.stopPropagation();
  };
  const create = row => {
    const tile = document.createElement("div"), img = document.createElement("img"), badge = document.createElement("span");
    const stack = document.createElement("span");
    tile.className = "tile";
    tile.dataset.row = row;
    tile.tabIndex = -1;
    tile.setAttribute("role", "checkbox");
    img.loading = "lazy";
    img.decoding = "async";
    img.draggable = false;
    img.alt = "";
    badge.className = "badge";
    stack.className = "stack";
    tile.append(img, stack, badge);
    tile.onmousedown = event => { if (event.shiftKey) event.preventDefault(); }; // shift-click picks, it selects no text
    tile.onclick = event => { focus(tile); if (event.detail <= 1) pick(row, event.shiftKey); };
    tile.ondblclick = () => { pick(row, false); model.send_msg({ pin: row }); }; // the first click's pick is taken back
    tile.onmouseenter = () => { hovered = tile; showAll(); };
    tile.onmouseleave = () => { hovered = null; showAll(); };
    tile.onfocus = () => show(tile);
    tile.onblur = () => show(tile);
    tile.onkeydown = event => onKey(event, tile);
    return tile;
  };
  const mark = () => {
    const picked = new Set(model.picked);
    for (const [row, tile] of tiles) tile.setAttribute("aria-checked", String(picked.has(row)));
    const shown = model.tiles.length, number = n => n.toLocaleString("en");
    if (!shown) said.textContent = model.empty;
    else said.textContent = (shown < model.total ? `${number(shown)} of ${number(model.total)} pictures` : `${number(shown)} picture${shown > 1 ? "s" : ""}`)
      + (picked.size ? ` · ${number(picked.size)} picked` : "");
    none.hidden = !picked.size;
    size.hidden = !shown;
    more.hidden = shown >= model.total;
    more.textContent = `Show more (${number(model.total - shown)} left)`;
  };
  const draw = () => {
    const wanted = model.tiles.map(entry => {
      const tile = tiles.get(entry.row) ?? create(entry.row);
      tiles.set(entry.row, tile);
      tile.dataset.id = entry.id;
      tile.dataset.label = entry.label;
      tile.title = entry.text ?? "";
      tile.setAttribute("aria-label", entry.text || entry.id);
      tile.style.setProperty("--label", entry.label ? entry.colour : "transparent");
      tile.lastChild.textContent = entry.label;
      tile.lastChild.hidden = !entry.label;
      tile.children[1].textContent = `×${entry.alike}`;
      tile.children[1].hidden = !(entry.alike > 1);
      show(tile);
      return tile;
    });
    const keep = new Set(wanted);
    for (const [row, tile] of tiles) if (!keep.has(tile)) tiles.delete(row);
    if (!keep.has(hovered)) hovered = null;
    const same = wanted.length === grid.children.length && wanted.every((tile, i) => tile === grid.children[i]);
    if (!same) {
      const grows = wanted.length > grid.children.length && [...grid.children].every((tile, i) => tile === wanted[i]);
      if (grows) grid.append(...wanted.slice(grid.children.length));
      else { grid.replaceChildren(...wanted); grid.scrollTop = 0; }
    }
    if (wanted.length && !grid.querySelector('[tabindex="0"]')) wanted[0].tabIndex = 0;
    mark();
  };
  model.on("tiles", draw);
  model.on(["picked", "total", "empty"], mark);
  model.on(["view", "reveal"], showAll);
  model.on("tile_size", resize);
  resize();
  draw();
}
