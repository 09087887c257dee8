export function render({ model, el }) {
  const button = make("button", "opener", "Keys  [?]"), dialog = make("dialog"), head = make("header"), close = make("button", "", "Close");
  const table = make("table"), title = make("h2", "", "Keys");
  button.title = "Show what each key does";
  button.setAttribute("aria-haspopup", "dialog");
  dialog.setAttribute("aria-label", "Keys");
  head.append(title, close);
  dialog.append(head, table);
  el.append(button, dialog);
  const draw = () => {
    const line = (cells, tag) => {
      const row = make("tr");
      row.append(...cells.map((words, at) => {
        const cell = make(tag, "", at || tag === "th" ? words : "");
        if (!at && tag === "td") cell.append(make("kbd", "", words));
        return cell;
      }));
      return row;
    };
    const top = make("thead"), rows = make("tbody");
    top.append(line(["Key", "What it does", "Where"], "th"));
    rows.append(...model.rows.map(row => line([row.key, row.does, row.where], "td")));
    table.replaceChildren(top, rows);
  };
  const open = () => { if (!dialog.open) dialog.showModal(); };
  button.onclick = open;
  close.onclick = () => dialog.close();
  dialog.onclick = event => { if (event.target === dialog) dialog.close(); };  // beside it
  dialog.onkeydown = event => event.stopPropagation();
  model.on("rows", draw);
  model.on("opens", open);
  draw();
}
