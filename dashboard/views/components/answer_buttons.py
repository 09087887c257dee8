"""A row of buttons that answer for what is in view: a click carries the place it was made on, as a key does."""

from collections.abc import Callable
from typing import Any, ClassVar

import panel as pn
import param

from dashboard.inputs import Press


class AnswerButtons(pn.custom.JSComponent):
    """Buttons of {verb, value, label, title, colour}; a click calls `on_answer(press, verb, value)`."""

    buttons = param.List(default=[], item_type=dict, doc="In their order; colour '' = plain, value '' = none.")
    place = param.String(doc="What these buttons answer for, as the server names it.")
    disabled = param.Boolean(default=False)
    on_answer: Callable[[Press, str, str], None] = param.Parameter(doc="Called with each click.")

    _rename: ClassVar[dict[str, str | None]] = {"on_answer": None}  # stays in Python

    _esm = """
export function render({ model, el }) {
  const row = document.createElement("div");
  row.className = "row";
  el.append(row);
  const draw = () => row.replaceChildren(...model.buttons.map(entry => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = entry.label;
    button.title = entry.title;
    button.setAttribute("aria-label", entry.title);
    button.disabled = model.disabled;
    if (entry.colour) button.style.borderLeft = `8px solid ${entry.colour}`;
    button.onclick = () => model.send_msg({ verb: entry.verb, value: entry.value, place: model.place,
      shown: [...(window.lassoscopeShown ?? new Map()).values()] });
    return button;
  }));
  model.on(["buttons"], draw);
  model.on("disabled", () => { for (const button of row.children) button.disabled = model.disabled; });
  draw();
}
"""
    _stylesheets = [
        """
:host { color: var(--mui-palette-text-primary, inherit); }
.row { display: flex; flex-wrap: wrap; gap: 6px 8px; }
button { font: 500 13px/1.75 Roboto, Helvetica, Arial, sans-serif; color: inherit; background: none; padding: 2px 9px;
         border: 1px solid rgba(128, 128, 128, .6); border-radius: 4px; cursor: pointer; }
button:hover { background: rgba(128, 128, 128, .16); }
button:focus-visible { outline: 2px solid var(--mui-palette-primary-main, #0072b2); outline-offset: 1px; }
button:disabled { opacity: .45; cursor: default; }
"""
    ]

    def _handle_msg(self, msg: dict[str, Any]) -> None:
        if self.on_answer is not None:
            self.on_answer(Press.of(msg), str(msg.get("verb", "")), str(msg.get("value", "")))
