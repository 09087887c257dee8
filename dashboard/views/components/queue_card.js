// Presses are done here at once and told to the server, whose list then takes the place of ours: what it has not heard of yet
// (a higher number than `heard`) is done again on its list. So a refused or failed answer brings its picture back.
const AHEAD = 4, BEHIND = 2;  // full pictures kept loaded
const MOMENT = 150;  // ms; a key cannot be meant for a picture that has come by itself just now
const PATIENCE = 10_000;  // ms in which a server hears of no press at all, until those it has not heard of are forgotten
const ANSWERS = ["label", "skip", "unsure"], MOVES = ["back", "goto"];
// Why a press does nothing; the picture is `aria-busy` as long as there is a reason.
const CHANGED = "The picture had just changed, so nothing was done; press again.";
const COMING = "The picture is still on its way, so nothing was done; press again when you see it.";
const WAITS = "Your last answer is on its way, so nothing was done; press again in a moment.";
const ELSEWHERE = "The page had just changed, so nothing was done; press again.";
export function render({ model, el, view }) {
  const queues = window.lassoscopeQueues ??= new Map();
  const desk = make("div", "desk"), picture = make("div", "picture"), tools = make("div", "tools");
  const answers = make("div", "answers"), words = make("div", "words"), strip = make("div", "strip");
  const enlarge = make("button", "enlarge"), zoom = make("button", "zoom"), dialog = make("dialog");
  const refused = make("div", "refused"), refuse = brief(refused);
  zoom.hidden = true;
  strip.setAttribute("role", "group");
  strip.setAttribute("aria-label", "Pictures before and after this one");
  answers.setAttribute("role", "group");
  answers.setAttribute("aria-label", "Answers");
  dialog.setAttribute("aria-label", "The picture, enlarged");
  tools.append(zoom, enlarge);
  picture.append(tools, refused);
  desk.append(picture, answers, words, strip);
  el.append(desk, dialog);

  let acts = [], number = 0, heardAt = -Infinity;  // done here, not heard of by the server; when it last heard of one
  let before = "", since = -Infinity, at = "";  // place until a change that nobody here asked for, when it was seen, place now
  let unasked = false, undoing = false;
  const thumbs = new Map();  // id -> <img> of the strip

  const now = () => {
    let { answered, waiting, current } = model;
    for (const act of acts) {
      if (act.verb === "goto") current = act.to;
      else if (act.goes) {
        const entry = waiting.find(other => other.id === act.id);
        if (entry) {
          waiting = waiting.filter(other => other !== entry);
          answered = [...answered, { ...entry, label: "…", colour: "" }];
        }
        current = waiting[0]?.id ?? "";
      }
    }
    return { answered, waiting, current, entry: [...answered, ...waiting].find(entry => entry.id === current) };
  };
  const end = () => model.answered.length || acts.length ? `${model.tab}/end` : "";
  const placeNow = () => now().entry?.place ?? end();
  const isVisible = () => desk.checkVisibility({ checkVisibilityCSS: true });
  const why = verb => {
    const { current, entry } = now();
    if (acts.some(act => act.waits)) return WAITS;
    if (performance.now() - since < MOMENT) return CHANGED;
    if (!entry || MOVES.includes(verb) || large.id === current) return "";
    return verb === "skip" && large.isLost ? "" : COMING;
  };
  const markBusy = () => picture.setAttribute("aria-busy", String(!!why("label")));
  const add = act => {
    acts.push({ ...act, number: number = Math.max(number, model.heard) + 1 });
    const mine = number;
    const forget = () => {
      if (!acts.some(other => other.number === mine)) return;
      const left = heardAt + PATIENCE - performance.now();  // a busy server hears of them one after the other
      if (left > 0) return setTimeout(forget, left);
      acts = acts.filter(other => other.number !== mine);
      draw();
    };
    setTimeout(forget, PATIENCE);
    at = placeNow();  // asked for
    since = -Infinity;
    unasked = false;
    refuse("");
    draw();
    return mine;
  };
  const api = {
    isVisible,
    // Tells whether a press at a place does nothing now, and says why: here, or by `elsewhere` while this is not on the screen.
    refuses: (verb, place = at, elsewhere = () => {}) => {
      if (!ANSWERS.includes(verb) && !MOVES.includes(verb)) return false;
      const reason = isVisible() ? why(verb) : place === at ? ELSEWHERE : "";
      if (reason) (isVisible() ? refuse : elsewhere)(reason);
      return !!reason;
    },
    place: () => !isVisible() ? null : performance.now() - since < MOMENT ? before : at,
    press: (verb, to) => {
      const { answered, waiting, current, entry } = now(), order = [...answered, ...waiting];
      if (!isVisible() || performance.now() - since < MOMENT) return 0;
      if (verb === "goto") return add({ verb, id: current, to });
      if (verb === "back") {
        const last = order[(entry ? order.indexOf(entry) : order.length) - 1];
        return last ? add({ verb: "goto", id: current, to: last.id }) : 0;
      }
      if (verb === "undo") undoing = true;
      if (!entry || !model.verbs.includes(verb)) return 0;
      return add({ verb, id: entry.id, goes: entry.ahead, waits: !entry.ahead });  // the server may ask again: one key at a time
    },
  };
  const say = (verb, value) => {
    if (api.refuses(verb)) return;
    const seen = [...large.seen.values()], place = api.place(), mine = api.press(verb, value);
    model.send_msg({ verb, value, place, shown: seen, number: mine });
  };

  // -- the picture --
  const large = new LargePicture(picture, {
    loaded: () => drawPicture(),
    fetched: img => {
      img.ondblclick = () => dialog.open ? resize() : open();
      img.decode?.().catch(() => {});  // beforehand
    },
    changed: () => {
      if (unasked) {
        since = performance.now();
        setTimeout(markBusy, MOMENT + 1);
      }
      unasked = false;
    },
  });
  const drawPicture = () => {
    const { answered, waiting, current, entry } = now();
    const near = [...waiting.slice(0, AHEAD + 1), ...answered.slice(-BEHIND)].map(other => other.id);
    const alt = entry?.label ? `image labelled ${entry.label}, ${model.view}` : `image to label, ${model.view}`;
    const isHere = large.show(current, model, alt, near, picture.classList.contains("real"));
    markBusy();
    tools.hidden = !current && !dialog.open;  // nothing to enlarge; what is enlarged can be closed
    if (!isHere) return;
    words.innerHTML = entry ? `<div>${entry.html}</div><div>${model.html}</div>` : `<div>${model.rest}</div>`;
    el.dataset.place = at;
    markAnswers();
  };

  // -- answers and neighbours --
  const markAnswers = () => {
    const { entry } = now();
    for (const button of answers.children) {
      button.disabled = !entry;
      if (button.dataset.value) button.setAttribute("aria-pressed", String(entry?.label === button.dataset.value));
    }
  };
  const drawAnswers = () => {
    answers.replaceChildren(...model.buttons.map(entry => {
      const button = answerButton(entry, () => say(entry.verb, entry.value));
      button.dataset.value = entry.value;
      return button;
    }));
    markAnswers();
  };
  const drawStrip = () => {
    const { answered, waiting, current } = now(), room = Math.max(3, Math.floor(strip.clientWidth / 59));
    const order = [...answered, ...waiting], here = Math.max(0, order.findIndex(entry => entry.id === current));
    const from = Math.max(0, Math.min((current ? here : order.length) - Math.floor(room / 2), order.length - room));
    const tiles = order.slice(from, from + room).map(entry => {
      const done = answered.includes(entry), tile = make(done ? "button" : "div", entry.unsaved ? "unsaved" : "");
      const img = thumbs.get(entry.id) ?? new Image(), src = `thumb/${model.view}/${entry.id}`;
      thumbs.set(entry.id, img);  // the same element: it is one view, however often the strip is drawn
      if (img.getAttribute("src") !== src) img.src = src;
      img.alt = "";
      tile.append(img);
      tile.dataset.id = entry.id;
      if (entry.id === current) tile.setAttribute("aria-current", "true");
      if (done) {
        tile.append(make("span", "", entry.label || "–"));
        if (entry.colour) tile.style.setProperty("--label", entry.colour);
        tile.title = `Go back to this picture: ${entry.label || "no label"}`;
        tile.setAttribute("aria-label", tile.title);
        tile.onclick = () => say("goto", entry.id);
      }
      return tile;
    });
    strip.replaceChildren(...tiles);
    for (const id of thumbs.keys()) if (!tiles.some(tile => tile.dataset.id === id)) thumbs.delete(id);
    strip.hidden = order.length < 2;
  };
  const draw = () => {
    drawPicture();
    drawStrip();
  };
  const take = () => {
    acts = acts.filter(act => act.number > model.heard);
    const place = placeNow();
    if (place !== at) {
      const id = now().current;
      if (at && id && large.id !== id) {
        unasked = !undoing;
        undoing = false;
        before = at;
      }
      at = place;
    }
    draw();
  };

  // -- enlarged --
  const resize = () => {
    const real = picture.classList.toggle("real");
    zoom.textContent = real ? "Fit" : "100%";
    drawPicture();
  };
  const close = () => {
    if (!dialog.contains(desk)) return;
    el.prepend(desk);
    picture.classList.remove("real");
    enlarge.textContent = "Enlarge";
    tools.hidden = !now().current;
    zoom.hidden = true;
    if (dialog.open) dialog.close();
    enlarge.focus();
    requestAnimationFrame(drawStrip);
  };
  const open = () => {
    dialog.append(desk);
    dialog.showModal();
    enlarge.textContent = "Close  [Esc]";
    zoom.textContent = "100%";
    zoom.hidden = false;
    zoom.focus();
    requestAnimationFrame(drawStrip);
  };
  enlarge.textContent = "Enlarge";
  enlarge.title = "Show the picture as large as the window";
  zoom.title = "Every pixel of the picture, or all of the picture";
  enlarge.onclick = () => dialog.open ? close() : open();
  zoom.onclick = resize;
  dialog.onclose = close;
  dialog.addEventListener("keydown", event => {
    if (event.key === "ArrowLeft") say("back", "");
    else if (event.key === "ArrowRight" && now().current !== now().waiting[0]?.id) say("goto", now().waiting[0]?.id ?? "");
    if (["Escape", "ArrowLeft", "ArrowRight"].includes(event.key)) event.stopPropagation();  // Esc closes this and nothing else
  });

  const observer = new ResizeObserver(() => drawStrip());
  observer.observe(strip);
  queues.set(model.tab, api);
  // One message of the server changes several of these; the list is taken once all are there.
  let due = false;
  const soon = () => {
    if (due) return;
    due = true;
    queueMicrotask(() => { due = false; take(); });
  };
  model.on(["answered", "waiting", "current", "heard", "rest", "html"], soon);
  model.on(["view", "reveal"], draw);
  model.on("buttons", drawAnswers);
  model.on("heard", () => { heardAt = performance.now(); });
  model.on("remove", () => {
    large.forget();
    queues.delete(model.tab);
    observer.disconnect();
  });
  drawAnswers();
  take();
}
