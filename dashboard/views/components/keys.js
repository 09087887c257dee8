const TYPING = "input:not([type=button],[type=checkbox],[type=radio],[type=range],[type=submit]), textarea, select, "
  + "[contenteditable=true], [role=textbox], [role=combobox], [role=listbox], [role=option]";
const MODIFIERS = new Set(["Shift", "Control", "Alt", "Meta", "AltGraph", "CapsLock"]);
// The same as `inputs.meant`: what the key says, or else what a US keyboard has in its place.
const byPlace = event => {
  const { key, code } = event;
  if (key.length > 1 && !["Dead", "Process", "Unidentified"].includes(key)) return "";
  const digit = /^(?:Digit|Numpad)(\d)$/.exec(code), letter = /^Key([A-Z])$/.exec(code);
  if (digit) return digit[1];
  return letter && !/^[a-z]$/i.test(key) ? letter[1].toLowerCase() : "";
};
export function render({ model, el }) {
  const held = new Map();  // by place on the keyboard: shift pressed in between changes the name
  const refused = make("div", "refused"), refuse = brief(refused);
  el.append(refused);
  // What takes a press: the card on the screen, also while the server has not heard yet that another tab was opened.
  const target = () => {
    if (window.lassoscopeOnTop) return window.lassoscopeOnTop;
    const queues = window.lassoscopeQueues ?? new Map(), kind = model.place.split("/")[0];
    const seen = ["", "selection", ...queues.keys()].includes(kind) ? [...queues.values()].find(queue => queue.isVisible()) : null;
    return seen ?? queues.get(kind);
  };
  const say = (key, code, down, event) => {
    const ctrl = !!(event.ctrlKey || event.metaKey), alt = !!event.altKey;
    const shown = [...(window.lassoscopeShown ?? new Map()).values()];
    const ahead = target(), verb = model.verbs[key.toLowerCase()] ?? model.verbs[byPlace({ key, code })];
    const does = down && !ctrl && !alt && verb;
    if (does && ahead?.refuses?.(verb, model.place, refuse)) return;
    const place = ahead?.place() ?? model.place;
    const number = does ? ahead?.press(verb) ?? 0 : 0;  // it goes on by itself
    model.send_msg({ key, code, down, shift: !!event.shiftKey, ctrl, alt, place, shown, number });
  };
  const onDown = event => {
    const target = event.composedPath()[0];
    if (event.repeat || event.isComposing || MODIFIERS.has(event.key)) return;
    if (target instanceof Element && target.closest(TYPING)) return;
    if (document.documentElement.dataset.connection === "lost") {
      if (event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey) {
        refuse(`No connection: the key ${event.key.toUpperCase()} did nothing. Press it again when the connection is back.`);
      }
      return;
    }
    held.set(event.code, event.key);
    say(event.key, event.code, true, event);
  };
  const onUp = event => {
    if (!held.has(event.code)) return;
    say(held.get(event.code), event.code, false, event);
    held.delete(event.code);
  };
  const onBlur = () => {
    for (const [code, key] of held) say(key, code, false, {});
    held.clear();
  };
  const onReveal = event => model.send_msg({ down: event.detail, touch: true });
  document.addEventListener("lassoscope-reveal", onReveal);
  document.addEventListener("keydown", onDown);
  document.addEventListener("keyup", onUp);
  window.addEventListener("blur", onBlur);
  model.on("remove", () => {
    document.removeEventListener("lassoscope-reveal", onReveal);
    document.removeEventListener("keydown", onDown);
    document.removeEventListener("keyup", onUp);
    window.removeEventListener("blur", onBlur);
  });
}
