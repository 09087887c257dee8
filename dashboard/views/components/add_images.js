const LARGEST = 64 * 2 ** 20, PIECE = 4 * 2 ** 20, MOST_FILES = 32;  // bytes of a picture, bytes and files of a request
const FIRST_WAIT = 1000, LONGEST_WAIT = 15000, PATIENCE = 120000, MOST_NAMED = 100;  // ms, refused files that are listed
const TABLE = /\.(csv|tsv|jsonl|ndjson|parquet|pq)$/i;  // by its name a manifest
const size = bytes => bytes < 2 ** 20 ? `${Math.ceil(bytes / 1024)} KB` : `${(bytes / 2 ** 20).toLocaleString("en", { maximumFractionDigits: bytes < 2 ** 24 ? 1 : 0 })} MB`;
const counted = (n, one) => `${n.toLocaleString("en")} ${one}${n === 1 ? "" : "s"}`;
const sleep = (ms, signal) => new Promise(done => {
  const timer = setTimeout(done, ms);
  signal.addEventListener("abort", () => { clearTimeout(timer); done(); }, { once: true });
});

// What is sent, one request after another; there is one a page, and it outlives what is drawn anew.
class Sender {
  constructor() {
    this.listeners = new Set();  // called after every change
    this.places = new Set();     // the components on the page, which open themselves for a drop
    this.waiting = [];           // { file, name }
    this.manifests = [];         // those that wait for the pictures they name
    this.ids = new Map();        // of what was taken on this page, by name: a manifest may come later
    this.busy = false;
    this.forget();
    addEventListener("beforeunload", event => { if (this.busy) event.preventDefault(); });
    let isOurs = false;  // a picture of the page that is dragged brings a file, too
    addEventListener("dragstart", () => { isOurs = true; });
    addEventListener("dragend", () => { isOurs = false; });
    const brings = event => !isOurs && event.dataTransfer?.types.includes("Files");
    addEventListener("dragover", event => {
      if (!brings(event)) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = this.places.size ? "copy" : "none";
      this.hover(true);
    });
    addEventListener("dragleave", event => { if (!event.relatedTarget) this.hover(false); });
    addEventListener("drop", event => {
      if (!brings(event)) return;
      event.preventDefault();  // else the browser would leave the page and show the file
      this.hover(false);
      const place = [...this.places].at(-1);
      if (!place) return;
      place.open();
      this.find(event.dataTransfer);
    });
  }

  forget() {
    Object.assign(this, { files: 0, done: 0, bytes: 0, sent: 0, refused: [], jobs: new Set(), trouble: "", said: "", listing: 0 });
    this.stopping = new AbortController();
  }

  // What was sent and refused before is forgotten once more comes.
  begin() { if (!this.busy && !this.listing) this.forget(); }

  tell() { for (const listener of this.listeners) listener(); }

  hover(is) { for (const place of this.places) place.hover(is); }

  refuse(sentence) {
    this.refused.push(sentence);
    this.tell();
  }

  // Files of a drop, folders read to the bottom. The browser tells what they are only while the event is handled.
  async find(transfer) {
    const entries = [...transfer.items].map(item => item.webkitGetAsEntry?.() ?? item.getAsFile()).filter(Boolean);
    this.begin();
    this.listing += 1;
    this.tell();
    const { signal } = this.stopping;
    for (const entry of entries) await this.walk(entry, signal);
    this.listing -= 1;
    this.run();
    this.tell();
  }

  async walk(entry, signal) {
    if (signal.aborted) return undefined;
    if (entry instanceof File) return this.add([{ file: entry, name: entry.name }]);
    const name = entry.fullPath.replace(/^\//, "");
    try {
      if (entry.isFile) return this.add([{ file: await new Promise((done, fail) => entry.file(done, fail)), name }]);
      const reader = entry.createReader();
      for (;;) {
        const some = await new Promise((done, fail) => reader.readEntries(done, fail));
        if (!some.length) return undefined;
        for (const inside of some) await this.walk(inside, signal);
      }
    } catch {
      return this.refuse(`${name} cannot be read by the browser; check it, and add it again.`);
    }
  }

  add(found) {
    this.begin();
    this.waiting.push(...found);
    this.files += found.length;
    for (const { file } of found) this.bytes += file.size;
    this.run();
    this.tell();
  }

  async run() {
    if (this.busy) return;
    this.busy = true;
    while ((this.waiting.length || (this.manifests.length && !this.listing)) && !this.stopping.signal.aborted) await this.next();
    this.busy = false;
    this.trouble = "";
    this.tell();
  }

  stop() {
    this.stopping.abort();
    this.files -= this.waiting.length + this.manifests.length;
    for (const { file } of [...this.waiting.splice(0), ...this.manifests.splice(0)]) this.bytes -= file.size;
    this.said = "Stopped; what was sent before stays.";
    this.tell();
  }

  async next() {
    if (!this.waiting.length) {
      await this.sendManifest(this.manifests.shift());
      this.done += 1;
      this.tell();
      return;
    }
    const { file, name } = this.waiting[0];
    if (TABLE.test(file.name)) this.manifests.push(this.waiting.shift());
    else if (await this.isArchive(file)) {
      this.waiting.shift();
      await this.sendArchive(file, name);
      this.done += 1;
    } else await this.sendPictures();
    this.tell();
  }

  async isArchive(file) {
    if (!/\.zip$/i.test(file.name)) return false;
    return new TextDecoder("latin1").decode(await this.read(file.slice(0, 2)) ?? new ArrayBuffer(0)) === "PK";
  }

  // The bytes of a file; null if it has changed or is gone: inside of a request that would look like a lost connection.
  async read(blob) {
    try {
      return await blob.arrayBuffer();
    } catch {
      return null;
    }
  }

  async sendPictures() {
    const form = new FormData(), names = [];
    let bytes = 0;
    while (this.waiting.length && names.length < MOST_FILES && (!bytes || bytes + this.waiting[0].file.size <= PIECE)) {
      const { file, name } = this.waiting[0];
      if (names.length && (TABLE.test(file.name) || await this.isArchive(file))) break;
      this.waiting.shift();
      const content = file.size > LARGEST ? null : await this.read(file);
      if (content) {
        form.append("file", new Blob([content]), name);
        names.push(name);
        bytes += file.size;
        continue;
      }
      this.sent += file.size;
      this.done += 1;
      if (file.size > LARGEST) this.refuse(`${name} is not taken: it is ${size(file.size)} large, and pictures of up to ${size(LARGEST)} are accepted.`);
      else this.refuse(`${name} cannot be read by the browser: it has changed or is gone; add it again.`);
    }
    if (!names.length) return;
    const answer = await this.post("api/images", form);
    if (!answer) return;  // stopped
    this.done += names.length;
    this.sent += bytes;
    for (const image of answer.images ?? []) if (image.id) this.ids.set(image.name, image.id);
    for (const image of answer.images ?? []) if (image.error) this.refused.push(image.error);
    if (!answer.images) this.refused.push(...names.map(name => `${name} is not taken. ${answer.error ?? ""}`));
    if (answer.job) this.jobs.add(answer.job);
  }

  // A table with a column of paths: those of pictures that were sent are told from beside it, others must be on the server.
  async sendManifest({ file, name }) {
    const content = file.size > LARGEST ? null : await this.read(file), form = new FormData();
    const beside = name.slice(0, name.lastIndexOf("/") + 1);
    const names = [...this.ids].map(([other, id]) => [other.startsWith(beside) ? other.slice(beside.length) : other, id]);
    form.append("file", new Blob([content ?? ""]), name);
    form.append("names", JSON.stringify(Object.fromEntries(names)));
    const answer = content && await this.post("api/manifests", form);
    if (content && !answer) return;  // stopped
    this.sent += file.size;
    if (answer?.job) this.jobs.add(answer.job);
    else this.refused.push(`${name} is not taken. ${answer?.error ?? "It is too large, or cannot be read by the browser."}`);
  }

  async sendArchive(file, name) {
    const key = [...crypto.getRandomValues(new Uint8Array(16))].map(byte => byte.toString(16).padStart(2, "0")).join("");
    const begun = this.sent;
    for (let at = 0; at < file.size;) {
      const piece = await this.read(file.slice(at, at + PIECE));
      const words = new URLSearchParams({ at, of: file.size, name });
      const answer = piece && await this.post(`api/archives/${key}?${words}`, piece, "application/octet-stream");
      if (piece && !answer) return;  // stopped
      if (!answer || answer.status >= 400) {
        this.refused.push(piece ? `${name} is not taken. ${answer.error ?? ""}` : `${name} cannot be read by the browser: it has changed or is gone; add it again.`);
        break;
      }
      if (answer.job) this.jobs.add(answer.job);
      at = answer.at;
      this.sent = begun + at;
      this.tell();
    }
    this.sent = begun + file.size;
  }

  async source(path) {
    this.said = "";
    const answer = await this.post("api/sources", JSON.stringify({ path }), "application/json", false);
    if (answer?.job) {
      this.jobs.add(answer.job);
      this.said = `${path} is being read.`;
    } else this.said = answer?.error ?? "The server did not answer; try again.";
    this.tell();
    return Boolean(answer?.job);
  }

  // The answer to a request. It is sent again while the line or the server fails; null once the person stops it.
  async post(address, body, type = "", again = true) {
    const { signal } = again ? this.stopping : new AbortController();
    for (let wait = FIRST_WAIT; !signal.aborted; wait = Math.min(2 * wait, LONGEST_WAIT)) {
      try {
        const options = { method: "POST", body, headers: type ? { "Content-Type": type } : {}, signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]) };
        const reply = await fetch(address, options);
        const answer = await reply.json().catch(() => ({}));
        answer.status = reply.status;
        if (!again || (reply.status < 500 && ![401, 408, 429].includes(reply.status))) {
          this.trouble = "";
          return answer;
        }
        this.trouble = reply.status === 401 ? "Your login has ended. Log in again in another tab; sending goes on by itself."
          : `${answer.error ?? "The server failed."} Sending is tried again by itself.`;
      } catch {
        if (signal.aborted || !again) return null;
        this.trouble = "The connection is lost. Sending goes on by itself once the server answers.";
      }
      this.tell();
      await sleep(wait, signal);
    }
    return null;
  }
}

export function render({ model, el }) {
  const sender = window.lassoscopeSender ??= new Sender();
  const drop = make("div", "drop"), body = make("div", "body");
  const files = picker("Choose files", false), folder = picker("Choose a folder", true);
  const lead = make("p", "lead", "Drop pictures, folders, ZIP archives or a manifest here.");
  const buttons = make("div", "buttons");
  buttons.append(files.button, folder.button, files.input, folder.input);
  drop.append(lead, buttons);

  const there = make("form", "there"), path = make("input"), add = make("button", "", "Add"), label = make("label", "", "On the server");
  const told = make("p", "told");
  path.id = "path";
  label.htmlFor = "path";
  path.spellcheck = false;
  path.autocomplete = "off";
  path.required = true;  // the browser says so at an empty one
  add.type = "submit";
  there.append(label, path, add, told);

  const state = make("div", "state"), bar = document.createElement("progress"), counts = make("p", "counts"), stop = make("button", "", "Stop");
  const trouble = make("p", "trouble"), said = make("p", "said"), refused = make("details", "refused"), title = make("summary"), list = make("ul");
  const line = make("div", "line");
  bar.setAttribute("aria-label", "Sending pictures");
  for (const words of [counts, trouble, said]) words.setAttribute("role", "status");
  refused.open = true;
  refused.append(title, list);
  line.append(counts, stop);
  state.append(line, bar, trouble, said, refused);
  body.append(drop, there, state);

  const veil = make("div", "veil", "Drop to add images");  // over everything while files are dragged over the page
  veil.popover = "manual";
  el.append(veil);
  let open = () => {}, name = () => {};
  if (model.inline) el.append(body);
  else {
    const opener = make("button", "opener"), dialog = make("dialog"), head = make("header"), close = make("button", "", "Close");
    opener.setAttribute("aria-haspopup", "dialog");
    opener.setAttribute("aria-label", "Add images");
    opener.title = "Add pictures, folders or ZIP archives";
    dialog.setAttribute("aria-label", "Add images");
    head.append(make("h2", "", "Add images"), close);
    dialog.append(head, body);
    el.append(opener, dialog);
    open = () => { if (!dialog.open) dialog.showModal(); draw(); };
    opener.onclick = open;
    close.onclick = () => dialog.close();
    dialog.onclick = event => { if (event.target === dialog) dialog.close(); };  // beside it
    dialog.onkeydown = event => event.stopPropagation();
    name = () => {
      const share = sender.bytes ? Math.floor(100 * sender.sent / sender.bytes) : 0;
      if (sender.busy) opener.textContent = `Sending · ${share}%`;
      else opener.replaceChildren("Add", make("span", "wide", " images"));  // a narrow window has room for one word
    };
  }

  function picker(words, isFolder) {
    const input = make("input"), button = make("button", "", words);
    input.type = "file";
    input.multiple = true;
    input.webkitdirectory = isFolder;
    input.hidden = true;
    input.setAttribute("aria-label", words);
    button.onclick = () => input.click();
    input.onchange = () => {
      sender.add([...input.files].map(file => ({ file, name: file.webkitRelativePath || file.name })));
      input.value = "";  // so that the same files can be chosen again
    };
    return { input, button };
  }

  there.onsubmit = async event => {
    event.preventDefault();
    if (!path.value.trim() || add.disabled) return;
    add.disabled = true;
    if (await sender.source(path.value.trim())) path.value = "";
    add.disabled = false;
  };
  stop.onclick = () => sender.stop();

  const draw = () => {
    name();
    there.hidden = model.inline;  // a form beside it asks for a folder
    path.hidden = add.hidden = !model.root;
    path.placeholder = model.root;
    told.textContent = model.root ? `A folder, a manifest, a ZIP archive or a picture below ${model.root}.`
      : "This server reads none of its own folders; LASSOSCOPE_INTAKE names the one it may read.";
    state.hidden = !sender.files && !sender.said && !sender.refused.length && !sender.listing;
    const jobs = [...sender.jobs].slice(-3).join(", "), at = jobs ? ` Jobs shows how they are read (No. ${jobs}).` : "";
    const parts = `${sender.done.toLocaleString("en")} of ${counted(sender.files, "file")}, ${size(sender.sent)} of ${size(sender.bytes)}`;
    counts.textContent = !sender.files ? (sender.listing ? "Listing files…" : "") : sender.busy ? `Sent: ${parts}`
      : `${counted(sender.done, "file")} sent.${at}`;
    bar.hidden = stop.hidden = !sender.busy;
    bar.max = Math.max(sender.bytes, 1);
    bar.value = sender.sent;
    trouble.textContent = sender.trouble;
    said.textContent = sender.said;
    const n = sender.refused.length, shown = Math.min(n, MOST_NAMED);
    refused.hidden = !n;
    title.textContent = `${counted(n, "file")} not taken`;
    if (n < list.childElementCount) list.replaceChildren();
    while (list.childElementCount < shown) list.append(make("li", "", sender.refused[list.childElementCount]));
    if (n > shown) title.textContent += ` (the first ${shown} are listed)`;
  };
  const place = { open, hover: is => { if (veil.isConnected) veil.togglePopover(is); } };
  sender.listeners.add(draw);
  sender.places.add(place);
  model.on("root", draw);
  model.on("remove", () => { sender.listeners.delete(draw); sender.places.delete(place); });
  draw();
}
