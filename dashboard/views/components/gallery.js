// Tiles are kept by row: a new label or a new order moves and marks them, pictures are not fetched again.

export function render({ model, el }) {
  const head = make("div", "head"), grid = make("div", "grid"), foot = make("div", "foot"), said = make("span");
  const none = make("button", "", "Pick none"), range = make("button", "", "Range"), more = make("button"), size = make("input");
  const key = `lassoscope.tile.${model.tile_size}`, kept = storage("localStorage");  // each kind of gallery has its own
  grid.setAttribute("role", "group");
  grid.setAttribute("aria-label", "Pictures of the selection");
  said.setAttribute("role", "status");
  size.type = "range";
  [size.min, size.max, size.step] = [48, 256, 8];
  size.title = "Size of the pictures";
  size.setAttribute("aria-label", size.title);
  const resize = () => {
    size.value = Number(kept.get(key)) || model.tile_size;
    grid.style.setProperty("--tile", `${size.value}px`);
  };
  size.oninput = () => {
    kept.set(key, size.value);
    resize();
  };
  range.title = "Pick all pictures from the one picked last to the one you press next";
  range.onclick = () => {
    isRange = !isRange;
    mark();
  };
  none.onclick = () => { model.picked = []; };
  more.onclick = () => model.send_msg({ more: true });
  head.append(said, size, range, none);
  foot.append(more);
  el.append(head, grid, foot);

  const tiles = new Map(); // row -> element
  let anchor = null, hovered = null, isRange = false;  // the next press picks all from the anchor on

  let looked = -1, lookLater = null;
  const look = row => {  // not every tile that the mouse runs over
    clearTimeout(lookLater);
    lookLater = setTimeout(() => { if (box.at === null && row !== looked) model.send_msg({ look: looked = row }); }, 80);
  };
  const box = lightbox(model, el, {
    rows: () => order(), tile: row => tiles.get(row), pick: row => pick(row, false), focus: row => focus(tiles.get(row)),
    look: row => model.send_msg({ look: looked = row }),
  });

  // One at most: the tile under the mouse, else the one with the focus.
  const isClear = tile => model.reveal && !box.at && tile === (hovered ?? grid.getRootNode().activeElement);
  const show = tile => {
    const view = isClear(tile) ? "clear" : model.view, src = `thumb/${view}/${tile.dataset.id}`;
    if (tile.firstChild.getAttribute("src") !== src) tile.firstChild.setAttribute("src", src);
    tile.dataset.view = view;
  };
  const showAll = () => tiles.forEach(show);
  const order = () => [...grid.querySelectorAll(".tile")].map(tile => Number(tile.dataset.row));

  const pick = (row, range) => {
    const picked = new Set(model.picked), rows = order();
    if ((range || isRange) && rows.includes(anchor)) {
      const [from, to] = [rows.indexOf(anchor), rows.indexOf(row)].sort((a, b) => a - b);
      rows.slice(from, to + 1).forEach(other => picked.add(other));
    } else {
      picked.has(row) ? picked.delete(row) : picked.add(row);
      anchor = row;
    }
    isRange = false;
    model.picked = [...picked].sort((a, b) => a - b);
  };
  // A drag picks what it covers; near an edge of the grid it scrolls on. A finger begins it sideways: up and down it scrolls, and
  // when it has stayed it reveals.
  let dragged = false;
  grid.addEventListener("pointerdown", event => {
    dragged = false;
    const isTouch = event.pointerType === "touch", least = isTouch ? 12 : 6;
    if (event.button || event.shiftKey || !event.isPrimary || event.offsetX > grid.clientWidth) return;
    const rect = () => grid.getBoundingClientRect();
    const from = { x: event.clientX - rect().x, y: event.clientY - rect().y + grid.scrollTop }, before = new Set(model.picked);
    const band = make("div", "band");
    let to = from, timer = null, last = event;
    const cover = () => {
      const { x, y } = rect();
      to = { x: last.clientX - x, y: last.clientY - y + grid.scrollTop };
      if (!dragged && Math.hypot(to.x - from.x, to.y - from.y) < least) return;
      if (!dragged && isTouch && (last.timeStamp - event.timeStamp > HOLD || Math.abs(to.x - from.x) < Math.abs(to.y - from.y))) {
        end();
        return;
      }
      if (!dragged) grid.append(band);
      dragged = true;
      const [left, right] = [from.x, to.x].sort((a, b) => a - b), [top, bottom] = [from.y, to.y].sort((a, b) => a - b);
      band.style.setProperty("--band-left", `${left}px`);
      band.style.setProperty("--band-top", `${top}px`);
      band.style.setProperty("--band-width", `${right - left}px`);
      band.style.setProperty("--band-height", `${bottom - top}px`);
      const picked = new Set(before);
      for (const [row, tile] of tiles) {
        const box = tile.getBoundingClientRect(), tx = box.x - x, ty = box.y - y + grid.scrollTop;
        if (tx < right && tx + box.width > left && ty < bottom && ty + box.height > top) picked.add(row);
      }
      mark(picked);
      return picked;
    };
    const scroll = () => {
      const { top, bottom } = rect(), step = last.clientY > bottom - 24 ? 14 : last.clientY < top + 24 ? -14 : 0;
      if (dragged && step) { grid.scrollTop += step; cover(); }
    };
    const move = moved => { last = moved; cover(); };
    const over = new AbortController();
    const end = () => {
      over.abort();
      clearInterval(timer);
      band.remove();
      setTimeout(() => { dragged = false; });  // the click of this release picks nothing
    };
    const done = () => {
      const picked = dragged ? cover() : null;
      end();
      if (!picked) return;
      anchor = order().findLast(row => picked.has(row) && !before.has(row)) ?? anchor;
      model.picked = [...picked].sort((a, b) => a - b);
    };
    timer = setInterval(scroll, 30);
    window.addEventListener("pointermove", move, { signal: over.signal });
    window.addEventListener("pointerup", done, { signal: over.signal });
    window.addEventListener("pointercancel", () => {  // the browser scrolls
      end();
      mark();
    }, { signal: over.signal });
  });
  holdToReveal(grid, target => {
    hovered = target.closest(".tile");
    showAll();
  });
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
    if (event.key in steps && event.shiftKey) pick(Number(grid.children[at + steps[event.key]]?.dataset.row ?? tile.dataset.row), true);
    if (event.key in steps) focus(grid.children[at + steps[event.key]]);
    else if (event.key === " ") pick(Number(tile.dataset.row), event.shiftKey);
    else if (event.key === "Enter") box.open(Number(tile.dataset.row));
    else return; // class keys, undo and reveal belong to the page
    event.preventDefault();
    event.stopPropagation();
  };
  const create = row => {
    const tile = make("div", "tile"), img = make("img"), badge = make("span", "badge"), stack = make("span", "stack");
    tile.dataset.row = row;
    tile.tabIndex = -1;
    tile.setAttribute("role", "checkbox");
    img.loading = "lazy";
    img.decoding = "async";
    img.draggable = false;
    img.alt = "";
    tile.append(img, stack, badge);
    tile.onmousedown = event => { if (event.shiftKey) event.preventDefault(); }; // shift-click picks, it selects no text
    tile.onclick = event => {
      if (dragged) return;
      focus(tile);
      if (event.detail <= 1) pick(row, event.shiftKey);
    };
    tile.ondblclick = () => { pick(row, false); box.open(row); }; // the first click's pick is taken back
    tile.onmouseenter = () => { hovered = tile; showAll(); look(row); };
    tile.onmouseleave = () => { hovered = null; showAll(); look(-1); };
    tile.onfocus = () => show(tile);
    tile.onblur = () => show(tile);
    tile.onkeydown = event => onKey(event, tile);
    return tile;
  };
  const ring = () => tiles.forEach((tile, row) => tile.classList.toggle("pointed", row === model.pointed));
  const mark = (picked = new Set(model.picked)) => {
    for (const [row, tile] of tiles) tile.setAttribute("aria-checked", String(picked.has(row)));
    const shown = model.tiles.length, number = n => n.toLocaleString("en");
    if (!shown) said.textContent = model.empty;
    else said.textContent = (shown < model.total ? `${number(shown)} of ${number(model.total)} pictures` : `${number(shown)} picture${shown > 1 ? "s" : ""}`)
      + (picked.size ? ` · ${number(picked.size)} picked` : "");
    if (isRange) said.textContent = "press the last picture of the range";
    isRange &&= picked.size > 0;
    range.setAttribute("aria-pressed", String(isRange));
    none.hidden = range.hidden = !picked.size;
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
    if (hovered && !keep.has(hovered)) {  // a tile that goes away does not hear the mouse leave
      hovered = null;
      look(-1);
    }
    grid.querySelector(".band")?.remove();
    const same = wanted.length === grid.children.length && wanted.every((tile, i) => tile === grid.children[i]);
    if (!same) {
      const grows = wanted.length > grid.children.length && [...grid.children].every((tile, i) => tile === wanted[i]);
      if (grows) grid.append(...wanted.slice(grid.children.length));
      else { grid.replaceChildren(...wanted); grid.scrollTop = 0; }
    }
    if (wanted.length && !grid.querySelector('[tabindex="0"]')) wanted[0].tabIndex = 0;
    mark();
    ring();
    box.draw();
  };
  model.on("tiles", draw);
  model.on(["picked", "total", "empty"], () => mark());
  model.on(["view", "reveal"], () => { showAll(); box.draw(); });
  model.on("pointed", ring);
  model.on("remove", box.end);
  model.on("tile_size", resize);
  resize();
  draw();
}

// The enlarged picture: a dialog on top of the page. While it is open, keys are about what it shows.
function lightbox(model, el, gallery) {
  const shown = window.lassoscopeShown ??= new Map(), me = Symbol("lightbox");
  const dialog = make("dialog", "box"), picture = make("div", "large"), bar = make("div", "bar"), said = make("span", "said");
  const before = make("button", "", "\u2190"), after = make("button", "", "\u2192"), zoom = make("button", "", "100%");
  const pick = make("button", "", "Pick  [Space]"), pin = make("button", "", "Pin  [P]"), close = make("button", "", "Close  [Esc]");
  dialog.setAttribute("aria-label", "The picture, enlarged");
  before.setAttribute("aria-label", "Picture before");
  after.setAttribute("aria-label", "Picture after");
  zoom.title = "Every pixel of the picture, or all of the picture";
  said.setAttribute("role", "status");
  bar.append(before, after, said, zoom, pick, pin, close);
  dialog.append(picture, bar);
  holdToReveal(picture);
  el.append(dialog);
  const fetched = new Map();
  const box = { at: null };
  const fetch = src => {
    if (!fetched.has(src)) {
      const img = new Image();
      img.onload = () => box.draw();
      img.ondblclick = resize;
      img.src = src;
      fetched.set(src, img);
    }
    return fetched.get(src);
  };
  const address = (row, view, size = "image") => `${size}/${view}/${gallery.tile(row).dataset.id}`;
  const resize = () => {
    zoom.textContent = picture.classList.toggle("real") ? "Fit" : "100%";
    box.draw();
  };
  const step = by => {
    const rows = gallery.rows(), next = rows[rows.indexOf(box.at) + by];
    if (next !== undefined) go(next);
  };
  const go = row => {
    box.at = row;
    gallery.look(row);
    box.draw();
  };
  box.draw = () => {
    if (box.at === null) return;
    const tile = gallery.tile(box.at);
    if (!tile) { dialog.close(); return; }  // it left the gallery
    const rows = gallery.rows(), at = rows.indexOf(box.at), view = model.reveal ? "clear" : model.view;
    const near = [rows[at - 1], rows[at + 1]].filter(row => row !== undefined).map(row => address(row, model.view));
    const needed = new Set([address(box.at, view), address(box.at, model.view), ...near]);
    const original = picture.classList.contains("real") ? address(box.at, view, "original") : "";
    if (original) needed.add(original);
    for (const src of fetched.keys()) if (!needed.has(src)) fetched.delete(src);
    needed.forEach(fetch);
    const best = fetched.get(original), img = best?.naturalWidth ? best : fetched.get(address(box.at, view));
    const loaded = img.complete && img.naturalWidth > 0;
    picture.replaceChildren(...(loaded ? [img] : []));
    img.alt = `${tile.title}, ${view}`;
    if (loaded) shown.set(me, tile.dataset.id);
    else shown.delete(me);
    said.textContent = `${at + 1} of ${rows.length} \u00b7 ${tile.title}${model.picked.includes(box.at) ? " \u00b7 picked" : ""}`;
    pin.hidden = !model.answers;
  };
  const api = {
    place: () => model.answers && box.at !== null ? `picture/${gallery.tile(box.at)?.dataset.id}` : "",
    press: () => 0,
  };
  box.open = row => {
    picture.classList.remove("real");
    zoom.textContent = "100%";
    dialog.showModal();
    window.lassoscopeOnTop = api;
    go(row);
  };
  box.end = () => {
    shown.delete(me);
    if (window.lassoscopeOnTop === api) delete window.lassoscopeOnTop;
  };
  dialog.onclose = () => {
    const row = box.at;
    box.at = null;
    box.end();
    picture.replaceChildren();
    gallery.look(-1);
    gallery.focus(row);
  };
  const toPin = () => {
    const row = box.at;
    dialog.close();
    model.send_msg({ pin: row });
  };
  before.onclick = () => step(-1);
  after.onclick = () => step(1);
  zoom.onclick = resize;
  pick.onclick = () => { gallery.pick(box.at); box.draw(); };
  pin.onclick = toPin;
  close.onclick = () => dialog.close();
  dialog.onkeydown = event => {
    const doing = { ArrowLeft: () => step(-1), ArrowRight: () => step(1), p: model.answers ? toPin : null, " ": pick.onclick }[event.key];
    if (doing && !(event.key === " " && event.target.tagName === "BUTTON")) {
      doing();
      event.preventDefault();
      event.stopPropagation();
    } else if (["Escape", "f", "F", "m", "M"].includes(event.key)) event.stopPropagation();  // Esc closes this and nothing else
  };
  return box;
}
