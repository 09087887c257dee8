"""The audit trail as a list with one button per action. Text is set as text, never as markup."""

from typing import Any, ClassVar

import panel as pn
import param


class HistoryList(pn.custom.JSComponent):
    """Rows of {seq, when, who, what, how, can, look}; a click on a row's button sends {seq, verb}."""

    entries = param.List(default=[], item_type=dict, doc="Newest first.")
    on_verb = param.Parameter(doc="Called with (verb, seq).")

    _rename: ClassVar[dict[str, str | None]] = {"on_verb": None}  # stays in Python

    _esm = """
export function render({ model, el }) {
  const table = document.createElement("table");
  const cell = (row, text, name) => {
    const td = row.insertCell();
    td.textContent = text;
    if (name) td.className = name;
    return td;
  };
  const draw = () => {
    table.replaceChildren();
    const head = table.createTHead().insertRow();
    for (const title of ["No.", "When", "Who", "What", "How", "State", ""]) {
      const th = document.createElement("th");
      th.scope = "col";
      th.textContent = title;
      head.append(th);
    }
    const body = table.createTBody();
    for (const entry of model.entries) {
      const row = body.insertRow();
      row.dataset.seq = entry.seq;
      if (entry.state === "undone") row.className = "undone";
      for (const name of ["seq", "when", "who", "what", "how", "state"]) cell(row, entry[name], name);
      const last = cell(row, "");
      if (entry.can) {
        const button = document.createElement("button");
        button.textContent = entry.can === "undo" ? "Undo" : "Redo";
        button.setAttribute("aria-label", `${button.textContent} action ${entry.seq}`);
        button.onclick = () => model.send_msg({ seq: entry.seq, verb: entry.can });
        last.append(button);
      }
      if (entry.look) {
        const button = document.createElement("button");
        button.textContent = "Look at more";
        button.setAttribute("aria-label", `Look at more images of action ${entry.seq}`);
        button.onclick = () => model.send_msg({ seq: entry.seq, verb: "look" });
        last.append(button);
      }
    }
  };
  el.append(table);
  model.on("entries", draw);
  draw();
}
"""
    _stylesheets = [
        """
:host { display: block; overflow: auto; color: var(--mui-palette-text-primary, var(--panel-on-background-color)); }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td { text-align: left; padding: 8px 12px; border-bottom: 1px solid rgba(128, 128, 128, .3); white-space: nowrap; }
th { position: sticky; top: 0; font-weight: 600; }
td.what { white-space: normal; }
tr.undone td { opacity: .55; }
tr.undone td.what { text-decoration: line-through; }
button + button { margin-left: 6px; }
button { font: inherit; color: inherit; background: none; border: 1px solid rgba(128, 128, 128, .6); border-radius: 6px;
         padding: 3px 12px; cursor: pointer; }
button:hover, button:focus-visible { background: rgba(0, 114, 178, .18); }
"""
    ]

    def _handle_msg(self, msg: dict[str, Any]) -> None:
        self.on_verb(msg["verb"], int(msg["seq"]))
