"""Keys of the whole page. Sees through shadow roots, is silent while somebody types text."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import panel as pn
import param


@dataclass(frozen=True)
class KeyPress:
    """One key that went down or up."""

    key: str  # as the browser names it: "r", "R" with shift, "Escape"
    down: bool
    shift: bool = False
    ctrl: bool = False  # also Cmd on a Mac
    alt: bool = False


class Keys(pn.custom.JSComponent):
    """An invisible listener; put one on the page. Keys that were down when the window lost the focus go up."""

    on_key: Callable[[KeyPress], None] = param.Parameter(doc="Called with each `KeyPress`.")

    _rename: ClassVar[dict[str, str | None]] = {"on_key": None}  # stays in Python

    _esm = """
const TYPING = "input:not([type=button],[type=checkbox],[type=radio],[type=range],[type=submit]), textarea, select, "
  + "[contenteditable=true], [role=textbox], [role=combobox], [role=listbox], [role=option]";
const MODIFIERS = new Set(["Shift", "Control", "Alt", "Meta", "AltGraph", "CapsLock"]);
export function render({ model, el }) {
  const held = new Map();  // by place on the keyboard: a shift pressed meanwhile changes the name
  const say = (key, down, event) => model.send_msg({ key, down, shift: !!event.shiftKey,
    ctrl: !!(event.ctrlKey || event.metaKey), alt: !!event.altKey });
  const onDown = event => {
    const target = event.composedPath()[0];
    if (event.repeat || event.isComposing || MODIFIERS.has(event.key)) return;
    if (target instanceof Element && target.closest(TYPING)) return;
    held.set(event.code, event.key);
    say(event.key, true, event);
  };
  const onUp = event => {
    if (!held.has(event.code)) return;
    say(held.get(event.code), false, event);
    held.delete(event.code);
  };
  const onBlur = () => {
    for (const key of held.values()) say(key, false, {});
    held.clear();
  };
  document.addEventListener("keydown", onDown);
  document.addEventListener("keyup", onUp);
  window.addEventListener("blur", onBlur);
  model.on("remove", () => {
    document.removeEventListener("keydown", onDown);
    document.removeEventListener("keyup", onUp);
    window.removeEventListener("blur", onBlur);
  });
}
"""
    _stylesheets = [":host { display: none; }"]

    def _handle_msg(self, msg: dict[str, Any]) -> None:
        if self.on_key is not None:
            self.on_key(KeyPress(msg["key"], msg["down"], msg["shift"], msg["ctrl"], msg["alt"]))
