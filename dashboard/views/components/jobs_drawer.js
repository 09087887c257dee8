const OPEN = ["queued", "running"];
const STATES = { queued: "waits", running: "at work", done: "done", failed: "failed", cancelled: "cancelled" };

export function render({ model, el }) {
  const button = make("button", "opener"), dialog = make("dialog"), head = make("header"), close = make("button", "", "Close");
  const webhook = make("p", "failing"), watched = make("section"), folders = make("ul"), list = make("ol"), nothing = make("p", "", "Nothing has been done yet. What takes long is listed here: adding images, embedding, layout.");
  button.setAttribute("aria-haspopup", "dialog");
  dialog.setAttribute("aria-label", "Jobs");
  head.append(make("h2", "", "Jobs"), close);
  const fold = document.createElement("details"), form = make("form"), label = make("label", "", "Folder on the server"), path = make("input");
  const watch = make("button", "", "Watch"), about = make("p", "small"), told = make("p", "told");
  path.id = "inbox";
  label.htmlFor = "inbox";
  path.spellcheck = false;
  path.autocomplete = "off";
  path.required = true;  // the browser says so at an empty one
  watch.type = "submit";
  told.setAttribute("role", "status");
  form.append(label, path, watch, about, told);
  fold.append(make("summary", "", "Watch a folder…"), form);
  watched.append(make("h3", "", "Inboxes"), folders, fold);
  webhook.setAttribute("role", "status");
  dialog.append(head, webhook, watched, nothing, list);
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
    if (model.webhook) [button.textContent, button.title] = [`${button.textContent} !`, model.webhook];
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
  const drawWebhook = () => {
    webhook.textContent = model.webhook;
    webhook.hidden = !model.webhook;
    draw();
  };
  const drawInboxes = () => {
    watched.hidden = !model.inboxes.length && !model.root;
    fold.hidden = !model.root;
    if (model.inboxes.some(inbox => inbox.folder === path.value.trim().replace(/\/+$/, ""))) path.value = "";
    path.placeholder = model.root;
    about.textContent = `Images that arrive in it are added by themselves. It must be below ${model.root}; nothing in it is moved or deleted.`;
    folders.replaceChildren(...model.inboxes.map(inbox => {
      const item = make("li", inbox.needs_help ? "failed" : "");
      const top = make("div", "top"), stop = make("button", "", "Stop watching");
      stop.hidden = !inbox.can_stop;
      stop.setAttribute("aria-label", `Stop watching ${inbox.folder}; its files and the images from it stay`);
      stop.title = "Its files and the images from it stay";
      stop.onclick = () => { stop.disabled = true; model.send_msg({ verb: "unwatch", folder: inbox.folder }); };
      top.append(make("b", "folder", inbox.folder), stop);
      item.append(top, make("div", "message", inbox.said));
      return item;
    }));
  };
  form.onsubmit = event => {
    event.preventDefault();
    const folder = path.value.trim();
    if (!folder || watch.disabled) return;
    watch.disabled = true;
    model.send_msg({ verb: "watch", folder });
  };
  model.on("told", () => {
    told.textContent = model.told;
    if (!model.told) return;  // it is being found out
    watch.disabled = false;
    for (const stop of folders.querySelectorAll("button")) stop.disabled = false;
  });
  button.onclick = () => { if (!dialog.open) { dialog.showModal(); draw(); } };
  close.onclick = () => dialog.close();
  dialog.onclick = event => { if (event.target === dialog) dialog.close(); };  // beside it
  dialog.onkeydown = event => event.stopPropagation();
  model.on("jobs", draw);
  for (const name of ["inboxes", "root"]) model.on(name, drawInboxes);
  model.on("webhook", drawWebhook);
  drawWebhook();
  drawInboxes();
}
