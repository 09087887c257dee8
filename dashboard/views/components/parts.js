// What several components are made of; `source` puts it before their own script.
function make(tag, name = "", words = "") {
  const node = document.createElement(tag);
  if (name) node.className = name;
  if (words) node.textContent = words;
  if (tag === "button") node.type = "button";
  return node;
}

// A button that answers, as `views.class_buttons` describes it.
function answerButton(entry, onClick) {
  const button = make("button", entry.colour ? "class" : "", entry.label);
  if (entry.note) button.append(" ", make("small", "", entry.note));
  button.title = entry.title;
  button.setAttribute("aria-label", entry.title);
  if (entry.colour) button.style.setProperty("--class-colour", entry.colour);
  button.onclick = onClick;
  return button;
}

// Says words in `node` for a moment, to screen readers at once.
function brief(node, ms = 6000) {
  let timer = null;
  node.setAttribute("role", "alert");
  node.hidden = true;
  return words => {
    node.textContent = words;
    node.hidden = !words;
    clearTimeout(timer);
    timer = setTimeout(() => { node.hidden = true; }, ms);
  };
}

const HOLD = 500;  // ms
// A finger that stays on a picture is the R key held: the picture is clear until the finger leaves. `begin` gets where it is.
function holdToReveal(node, begin = () => {}) {
  let timer = null, from = null, isHeld = false, wasHeld = false;
  const tell = down => node.dispatchEvent(new CustomEvent("lassoscope-reveal", { detail: down, bubbles: true, composed: true }));
  const end = () => {
    clearTimeout(timer);
    timer = null;
    if (isHeld) tell(false);
    isHeld = false;
  };
  node.addEventListener("pointerdown", event => {
    end();
    wasHeld = false;
    if (event.pointerType !== "touch" || !event.isPrimary) return;
    from = event;
    const target = event.target;
    timer = setTimeout(() => {
      isHeld = wasHeld = true;
      begin(target);
      tell(true);
    }, HOLD);
  });
  node.addEventListener("pointermove", event => {
    if (timer && !isHeld && Math.hypot(event.clientX - from.clientX, event.clientY - from.clientY) > 10) end();
  });
  for (const name of ["pointerup", "pointercancel"]) {
    node.addEventListener(name, event => {
      // A busy browser runs the timer before it hears that the finger left: the event knows when that was.
      if (from && event.timeStamp - from.timeStamp < HOLD) wasHeld = false;
      end();
    });
  }
  node.addEventListener("contextmenu", event => { if (timer) event.preventDefault(); });
  node.addEventListener("click", event => {  // the finger that leaves picks nothing
    if (wasHeld) event.stopPropagation();
    wasHeld = false;
  }, { capture: true });
}

// One large picture on the screen, and others that are loaded beforehand. `window.lassoscopeShown` tells which is seen.
class LargePicture {
  // `loaded` is called when a picture has come or cannot be had, `fetched` with each new <img>, `changed` before another is seen.
  constructor(place, { loaded, fetched = () => {}, changed = () => {} }) {
    Object.assign(this, { place, loaded, fetched, changed });
    this.seen = window.lassoscopeShown ??= new Map();
    this.me = Symbol("picture");
    this.front = null;  // the <img> on the screen
    this.known = new Map();  // address -> <img>
    this.none = make("div", "none", "This picture cannot be loaded, so it cannot be labelled.");
    this.none.setAttribute("role", "alert");
    this.none.hidden = true;
    place.append(this.none);
    holdToReveal(place);
  }

  get id() { return this.seen.get(this.me); }

  get isLost() { return !this.none.hidden; }

  fetch(src) {
    if (this.known.has(src)) return;
    const img = new Image();
    img.draggable = false;  // a drag of the picture would end a long press
    img.decoding = "sync";  // never a frame with the words of the new picture and the pixels of the old one
    img.onload = this.loaded;
    img.onerror = () => { img.dataset.lost = "true"; this.loaded(); };
    img.src = src;
    this.known.set(src, img);
    this.fetched(img);
  }

  put(img, id) {
    if (img !== this.front) {
      this.front?.remove();
      this.front = img;
      if (img) this.place.prepend(img);
      this.changed();
    }
    this.front?.classList.remove("waits");
    if (id) this.seen.set(this.me, id);
    else this.forget();
    this.none.hidden = true;
  }

  // Shows a picture ("" for none); false while it is on its way. Those `near` it are loaded. `whole`: with every pixel, once they
  // have come.
  show(id, { view, reveal }, alt, near = [], whole = false) {
    const address = (other, sight) => other ? `image/${sight}/${other}` : "";
    const sight = reveal ? "clear" : view, wanted = address(id, sight), original = id && whole ? `original/${sight}/${id}` : "";
    const needed = new Set([wanted, original, address(id, view), ...near.map(other => address(other, view))]);
    needed.delete("");
    for (const src of this.known.keys()) if (!needed.has(src)) this.known.delete(src);
    for (const src of needed) this.fetch(src);
    const best = this.known.get(original), img = best?.naturalWidth ? best : wanted ? this.known.get(wanted) : null;
    if (!img) this.put(null, "");
    else if (img.complete && img.naturalWidth > 0) this.put(img, id);
    else if (img.dataset.lost) {
      this.put(null, "");
      this.none.hidden = false;
    } else {
      if (this.front?.dataset.view === "clear" && !reveal) this.put(null, "");  // R is released: blurred or nothing, at once
      this.front?.classList.add("waits");
      return false;
    }
    if (img) {
      img.alt = alt;
      img.dataset.view = sight;
    }
    return true;
  }

  forget() { this.seen.delete(this.me); }
}


// A term that explains itself, as `views.terms` makes it in HTML; `shown` is "?" beside something that is no text.
function termButton(shown, told) {
  const button = make("button", shown === "?" ? "term mark" : "term", shown);
  button.dataset.told = told;
  button.setAttribute("aria-label", shown === "?" ? told : `${shown}: ${told}`);
  return button;
}
