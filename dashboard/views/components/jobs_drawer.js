const OPEN = ["queued", "running"];
const STATES = { queued: "waits", running: "at work", done: "done", failed: "failed", cancelled: "cancelled" };

export function render({ model, el }) {
  const button = make("button", "opener"), dialog = make("dialog"), head = make("header"), close = make("button", "", "Close");
  const watched = make("section"), folders = make("ul"), list = make("ol"), nothing = make("p", "", "Nothing has been done yet. What takes long is listed here: adding images, embedding, layout.");
  button.setAttribute("aria-haspopup", "dialog");
  dialog.setAttribute("aria-label", "Jobs");
  head.append(make("h2", "", "Jobs"), close);
  watched.append(make("h3", "", "Inboxes"), folders);
  dialog.append(head, watched, nothing, list);
  el.append(button, dialog);
  const known = new Map();  // number -> the parts of a card, which stay: a button that is being pressed does not move
  const card = number => {
    const item = make("li"), top = make("div", "top"), bar = document.createElement("progress"), press = make("button");
    const parts = { item, title: make("b"), state: make("span", "state"), about: make("div", "about"), stage: make("div", "stage"),
      bar, message: make("div", "message"), press };
    item.dataset.number = number;
    top.append(parts.title, parts.state, press);
    item.append(top, parts.about, parts.stage, bar, parts.message);
    return parts;
  };
  const fill = (parts, job) => {
    const runs = job.state === "running";
    parts.item.className = job.state;
    parts.title.textContent = job.title;
    parts.state.textContent = STATES[job.state] ?? job.state;
    parts.about.textContent = `No. ${job.number} · ${job.who} · ${job.when}`;
    parts.stage.textContent = [job.stage, job.total ? `${job.done.toLocaleString("en")} of ${job.total.toLocaleString("en")}` : "", job.pace]
      .filter(Boolean).join(" · ");
    parts.stage.hidden = parts.bar.hidden = !runs;
    parts.bar.setAttribute("aria-label", `${job.title}: ${job.stage}`);
    if (job.total) [parts.bar.max, parts.bar.value] = [job.total, job.done];
    else parts.bar.removeAttribute("value");
    parts.message.textContent = job.message;
    parts.message.hidden = !job.message;
    parts.press.hidden = !job.can;
    parts.press.textContent = job.can === "cancel" ? "Cancel" : "Try again";
    parts.press.setAttribute("aria-label", `${parts.press.textContent}: ${job.title}, job ${job.number}`);
    parts.press.onclick = () => model.send_msg({ verb: job.can, number: job.number });
  };
  const draw = () => {
    const at_work = model.jobs.filter(job => OPEN.includes(job.state)), first = at_work.find(job => job.state === "running");
    const share = first?.total ? ` · ${Math.floor(100 * first.done / first.total)}%` : "";
    button.textContent = at_work.length ? `Jobs (${at_work.length})${share}` : "Jobs";
    button.title = first ? `${first.title}: ${first.stage}` : "Show what the server does";
    button.classList.toggle("busy", at_work.length > 0);
    if (!dialog.open) return;
    nothing.hidden = model.jobs.length > 0;
    const shown = model.jobs.map(job => {
      if (!known.has(job.number)) known.set(job.number, card(job.number));
      fill(known.get(job.number), job);
      return known.get(job.number).item;
    });
    shown.forEach((item, at) => { if (list.children[at] !== item) list.insertBefore(item, list.children[at] ?? null); });
    while (list.children.length > shown.length) list.lastChild.remove();
  };
  const drawInboxes = () => {
    watched.hidden = !model.inboxes.length;
    folders.replaceChildren(...model.inboxes.map(inbox => {
      const item = make("li", inbox.needs_help ? "failed" : "");
      item.append(make("b", "folder", inbox.folder), make("div", "message", inbox.said));
      return item;
    }));
  };
  button.onclick = () => { if (!dialog.open) { dialog.showModal(); draw(); } };
  close.onclick = () => dialog.close();
  dialog.onclick = event => { if (event.target === dialog) dialog.close(); };  // beside it
  dialog.onkeydown = event => event.stopPropagation();
  model.on("jobs", draw);
  model.on("inboxes", drawInboxes);
  draw();
  drawInboxes();
}
