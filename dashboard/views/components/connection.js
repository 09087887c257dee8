// Watches the websocket of the page. Bokeh's own reconnection loses the server's messages in between, fails at pictures, and
// takes a new server's page for the old one.
const TICK = 1000, BEAT = 5000, PATIENCE = 5000, GRACE = 5000, ANSWER = 4000, JOIN = 20000, BETWEEN_RELOADS = 30000;  // ms
const RELOADED = "lassoscope-reloaded";
const LOST = "Connection lost; your work is saved. Reconnecting…";
const sleep = ms => new Promise(done => setTimeout(done, ms));
const now = () => Date.now();
const kept = storage("sessionStorage");
// For a browser that keeps nothing: when this page was loaded again.
const reloadedAt = () => performance.getEntriesByType("navigation")[0]?.type === "reload" ? performance.timeOrigin : 0;

class Keeper {
  constructor(bokeh) {
    this.bokeh = bokeh;
    this.socket = null;  // the one that is in use
    this.asked = 0;      // when the server was asked for a sign of life that has not come
    this.heard = now();
    this.joining = null; // a try to join the session again: its timer
    this.seeking = false;
    this.doubting = false;
    this.banner = document.createElement("div");
    this.banner.setAttribute("role", "status");
    this.banner.className = "connection-lost";  // its style is the document's: it outlives what is redrawn
    const keeper = this, send = WebSocket.prototype.send;
    WebSocket.prototype.send = function (...data) { keeper.socket = this; return send.apply(this, data); };
    bokeh.on_event("connection_lost", (_, event) => this.closed(event));
    bokeh.on_event("client_reconnected", () => this.joined());
    addEventListener("offline", () => { this.say("lost"); this.ask(); });
    setInterval(() => this.tick(), TICK);
  }

  say(state) {
    if (document.documentElement.dataset.connection === state) return;
    document.documentElement.dataset.connection = state;
    this.banner.textContent = state === "lost" ? LOST : "";
    if (state === "lost") document.body.append(this.banner); else this.banner.remove();
  }

  // A connection that breaks silently (a sleeping laptop, another network) is noticed by polling.
  tick() {
    if (this.seeking || this.joining) return;
    if (this.asked ? now() - this.asked > PATIENCE : now() - this.heard > BEAT) this.asked ? this.doubt() : this.ask();
  }

  ask() {
    if (this.asked || this.seeking || this.joining) return;
    this.asked = now();
    this.model.send_msg({ beat: true });
  }

  answered() {
    this.asked = 0;
    this.heard = now();
    if (!this.seeking && !this.joining) this.say("ok");
  }

  async doubt() {
    if (this.doubting) return;
    this.doubting = true;
    while (this.asked && !(await this.serverAnswers())) { this.say("lost"); await sleep(TICK); }
    if (this.asked) await sleep(GRACE);  // a busy server answers late
    if (this.asked) this.socket?.close();
    this.doubting = false;
  }

  async serverAnswers() {
    try {
      return (await fetch("liveness", { cache: "no-store", signal: AbortSignal.timeout(ANSWER) })).ok;
    } catch {
      return false;
    }
  }

  closed(event) {
    this.say("lost");
    this.asked = 0;
    const connection = event.connection.deref();
    if (connection) connection._repull_session_doc = (resolve, reject) => this.pull(connection, resolve, reject);
    if (this.joining) this.reload(); else this.seek(event);
  }

  async seek(event) {
    if (this.seeking) return;
    this.seeking = true;
    for (let wait = TICK; !(await this.serverAnswers()); wait = Math.min(2 * wait, 5000)) await sleep(wait);
    this.seeking = false;
    this.joining = setTimeout(() => this.reload(), JOIN);
    event.reconnect();
  }

  // The session continues: show all of it as the server has it now. Bokeh's own method forgets the binary parts.
  async pull(connection, resolve, reject) {
    try {
      const { doc_json, buffers } = await connection._pull_doc_json();
      this.bokeh.constructor.from_json(doc_json, [], buffers).destructively_move(this.bokeh);
      resolve(connection.session);
    } catch (error) {
      reject(error);
      this.reload();
    }
  }

  joined() {
    clearTimeout(this.joining);
    this.joining = null;
    this.answered();
  }

  // The session is gone, with its server or because it was away too long: a new page at the same address, which names the place.
  async reload(between = BETWEEN_RELOADS) {
    clearTimeout(this.joining);
    this.joining = null;
    if (this.seeking) return;
    this.seeking = true;
    const since = now() - Number(kept.get(RELOADED) ?? reloadedAt());
    if (since < between) await sleep(between - since);
    while (!(await this.serverAnswers())) await sleep(5000);
    while (window.lassoscopeSender?.busy) await sleep(TICK);  // pictures that are sent go on
    kept.set(RELOADED, String(now()));
    location.reload();
  }
}

export function render({ model, view }) {
  const first = !window.lassoscopeKeeper;
  const keeper = window.lassoscopeKeeper ??= new Keeper(view.model.document);
  keeper.model = model;
  model.on("msg:custom", () => keeper.answered());
  model.on("renewals", () => keeper.reload(0));  // the server asks for it: no loop can come of it
  if (first) model.send_msg({ beat: true });  // the skeleton stays until the answer: an earlier click would be lost
  // Who closes the tab does not come back to it: its session need not wait, as it does for those whose line was cut.
  if (first) window.addEventListener("pagehide", event => { if (!event.persisted) keeper.model.send_msg({ closing: true }); });
}
