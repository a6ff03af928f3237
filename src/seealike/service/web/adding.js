// Adding pictures by dropping or choosing files, and replacing those that are there; removing is in removing.js.

import { forAll } from "./forall.js";
import { hrefFrom } from "./query.js";
import { count, el, icon, number, say, thumbnail } from "./tools.js";
import { removing } from "./removing.js";
import { again, drop, dropped, entries, found, idOf, isSending, ready, renamed, send, stop, take, watch, wishes } from "./sending.js";
import { LongList, bytes, heading, styled } from "./views.js";

const ROWS = 20; // in one part of the list
const MOST_NAMED = 200; // files that are left out
const LEFT = ["failed", "stopped"];
const leftOut = []; // paths of files that are no pictures
const isLeft = (entry) => LEFT.includes(entry.state);
const WORDS = { unsure: "Looking …", new: "New", there: "Replaces what is there", waiting: "Waits", sending: "On its way …", sent: "Added", failed: "Failed", stopped: "Stopped" };

export async function open(place, app) {
  await styled();
  const view = new Adding(place, app);
  view.start();
  return view;
}

class Adding {
  constructor(place, app) {
    Object.assign(this, { place, app, shown: new Map() });
  }

  update() {}

  close() {
    watch(() => {});
    this.long?.clear();
    this.off?.abort();
    document.body.classList.remove("dropping");
  }

  start() {
    if (this.app.stats.access === "read") {
      this.place.replaceChildren(heading("Add pictures"), el("div", { class: "empty" }, icon("key"),
        el("p", { class: "what", text: "Your key allows looking, not changing." }),
        el("p", { text: "Whoever runs the service can give you a key that says write or admin in its file of keys." }),
        el("button", { type: "button", class: "button", text: "Use another key", on: { click: () => dispatchEvent(new CustomEvent("keyneeded")) } })));
      return;
    }
    this.list = el("ol", { class: "entries", "aria-label": "Pictures to add" });
    this.parts = el("div", {}, this.list);
    this.long = new LongList(this.list, { fill: (part, n) => this.#fill(part, n), empty: (part, n) => this.#empty(part, n), px: ROWS * 70 });
    this.bar = el("div", { class: "toolbar", hidden: true });
    this.without = el("details", { class: "panel left-out", hidden: true });
    this.place.replaceChildren(
      heading("Add pictures", el("p", { class: "note", text: "They are in the catalogue, and found, as soon as they are sent. Nothing that is there is replaced unless you say so." })),
      this.#zone(), forAll(renamed), this.without, this.bar, this.parts, removing(this.app));
    this.#listen();
    watch((entry) => (entry ? this.#status(entry) : this.#all()));
    this.#rows();
  }

  // -- bringing files

  #zone() {
    const input = (said) => el("input", { type: "file", multiple: true, class: "unseen", tabIndex: -1, "aria-hidden": "true", ...said, on: { change: (event) => {
      this.#take(found(event.target.files));
      event.target.value = "";
    } } });
    const files = input({ accept: "image/*" });
    const folder = input({ webkitdirectory: true });
    const button = (text, name, field) => el("button", { type: "button", class: name, text, on: { click: () => field.click() } });
    return el("div", { class: "drop" }, icon("picture"), el("p", { class: "what", text: "Drop pictures or folders here" }),
      el("div", { class: "ways" }, button("Choose pictures", "button", files), button("Choose a folder", "button quiet", folder), files, folder));
  }

  #listen() {
    this.off = new AbortController();
    const { signal } = this.off;
    const lit = (on) => document.body.classList.toggle("dropping", on);
    const isFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
    addEventListener("dragover", (event) => { if (isFiles(event)) { event.preventDefault(); lit(true); } }, { signal });
    addEventListener("dragleave", (event) => { if (!event.relatedTarget) lit(false); }, { signal });
    addEventListener("drop", async (event) => {
      if (!isFiles(event)) return;
      event.preventDefault();
      lit(false);
      this.#take(await dropped(event.dataTransfer));
    }, { signal });
    addEventListener("paste", (event) => {
      if (event.clipboardData?.files.length) this.#take(found(event.clipboardData.files));
    }, { signal });
  }

  #take(files) {
    const before = entries.length;
    const others = take(files);
    leftOut.push(...others);
    this.#rows();
    say(`${count(entries.length - before, "picture")} listed${others.length ? `, ${count(others.length, "other file")} left out` : ""}.`);
  }

  // -- the list

  #rows() {
    this.long.clear();
    for (const { url } of this.shown.values()) URL.revokeObjectURL(url);
    this.shown.clear();
    this.long.add(Math.ceil(entries.length / ROWS), { class: "part" });
    this.#all();
  }

  #fill(part, n) {
    part.replaceChildren(el("ul", {}, ...entries.slice(n * ROWS, (n + 1) * ROWS).map((entry) => this.#row(entry))));
  }

  #empty(part, n) {
    for (const entry of entries.slice(n * ROWS, (n + 1) * ROWS)) {
      URL.revokeObjectURL(this.shown.get(entry)?.url);
      this.shown.delete(entry);
    }
    part.replaceChildren();
  }

  #row(entry) {
    const url = URL.createObjectURL(entry.file);
    const name = el("input", { type: "text", value: idOf(entry), "aria-label": `Name of ${entry.path}`, on: { change: (event) => {
      entry.id = event.target.value.trim();
      renamed();
    } } });
    const parts = { url, name, old: el("span", { class: "old" }), told: el("span", { class: "state" }), acts: el("span", { class: "acts" }) };
    const row = el("li", { class: "entry" }, el("img", { src: url, alt: "", decoding: "async", on: { error: (event) => event.target.classList.add("broken") } }), parts.old,
      el("span", { class: "what" }, name, el("span", { class: "note", text: bytes(entry.file.size) }), parts.told), parts.acts);
    this.shown.set(entry, { ...parts, row });
    this.#status(entry);
    return row;
  }

  #status(entry) {
    const parts = this.shown.get(entry);
    if (!parts) return this.#tellSoon();
    const { row, name, old, told, acts } = parts;
    const isOver = ["sent", "sending", "waiting"].includes(entry.state);
    const key = `${entry.state} ${entry.twice} ${entry.isNameless} ${entry.told} ${wishes.replace}`;
    if (row.dataset.key === key) return;
    Object.assign(row.dataset, { key, state: entry.twice ? "failed" : entry.state });
    name.readOnly = isOver;
    old.replaceChildren(entry.state === "there" && entry.there?.image ? el("img", { src: thumbnail(entry.there.image, 52), alt: "What is there now" }) : "");
    told.textContent = entry.isNameless ? "It needs a name" : entry.twice ? "Another one has this name" : entry.told || (entry.state === "there" && !wishes.replace ? "Is there already: left alone" : WORDS[entry.state]);
    const had = acts.contains(document.activeElement);
    const act = (text, click) => el("button", { type: "button", class: "plain", text, "aria-label": `${text}: ${idOf(entry)}`, on: { click } });
    acts.replaceChildren(...[
      entry.state === "sent" && el("a", { class: "plain", href: hrefFrom(entry.item), text: "What looks like it?" }),
      isLeft(entry) && !entry.twice && act("Try again", () => again([entry])),
      ["sending", "waiting"].includes(entry.state) && act("Stop", () => stop([entry])),
      !isOver && act("Leave out", () => this.#leaveOut(entry)),
    ].filter(Boolean));
    if (had) acts.querySelector("button, a")?.focus();
    this.#tellSoon();
  }

  #leaveOut(entry) {
    const at = entries.indexOf(entry);
    drop([entry]);
    this.#rows();
    const next = entries[at] ?? entries.at(-1);
    if (!next) return this.place.querySelector("h1").focus();
    this.long.show(Math.floor(entries.indexOf(next) / ROWS));
    this.shown.get(next).acts.querySelector("button, a")?.focus();
  }

  #all() {
    for (const [entry, { name }] of this.shown) {
      if (document.activeElement !== name) name.value = idOf(entry);
      this.#status(entry);
    }
    this.#tell();
    if (!isSending() && this.wasSending) this.app.refreshStats().catch(() => {});
    this.wasSending = isSending();
  }

  #tellSoon() {
    this.telling ??= requestAnimationFrame(() => {
      this.telling = null;
      this.#tell();
    });
  }

  /** Which files are left out, and why: those that are no pictures, and those that the service does not take. */
  #tellLeftOut() {
    const said = [...leftOut.map((path) => [path, "is no picture, as its name says"]), ...entries.filter((entry) => entry.state === "failed").map((entry) => [entry.path, [entry.told, entry.why].filter(Boolean).join(": ")])];
    this.without.hidden = !said.length;
    const key = JSON.stringify(said);
    if (key === this.saidWithout) return;
    this.without.open ||= !this.saidWithout || this.saidWithout === "[]";
    this.saidWithout = key;
    this.without.replaceChildren(...[el("summary", { text: `${count(said.length, "file")} left out` }),
      el("ul", {}, ...said.slice(0, MOST_NAMED).map(([path, why]) => el("li", {}, el("span", { class: "name", text: path }), el("span", { class: "note", text: why }))),
        said.length > MOST_NAMED && el("li", { class: "note", text: `and ${count(said.length - MOST_NAMED, "other file")}` })),
      leftOut.length > 0 && el("p", {}, el("button", { type: "button", class: "plain", text: "Forget them", on: { click: () => {
        leftOut.length = 0;
        this.#tellLeftOut();
        this.place.querySelector("h1").focus();
      } } }))].filter(Boolean));
  }

  #tell() {
    this.#tellLeftOut();
    this.bar.hidden = !entries.length;
    if (!entries.length) return;
    const n = (...states) => entries.filter((entry) => states.includes(entry.state) && !entry.isNameless).length;
    const key = JSON.stringify([entries.length, n("unsure"), n("there"), n("sent"), n(...LEFT), ready().length, isSending(), wishes.replace]);
    if (key === this.told) return;
    this.told = key;
    const focus = this.bar.contains(document.activeElement) && document.activeElement.dataset.name;
    const act = (name, text, style, click, disabled) => el("button", { type: "button", class: style, text, data: { name }, disabled, on: { click } });
    const bar = el("progress", { max: n("sent", "failed", "sending", "waiting"), value: n("sent", "failed"), "aria-label": "Sent" });
    this.bar.replaceChildren(...[
      el("p", { class: "said", text: [count(entries.length, "picture"), n("unsure") && `${number(n("unsure"))} being looked up`, n("there") && `${number(n("there"))} there already`, n("sent") && `${number(n("sent"))} sent`, n(...LEFT) && `${number(n(...LEFT))} not sent`].filter(Boolean).join(" · ") }),
      isSending() && bar,
      n("there") > 0 && !isSending() && el("label", { class: "toggle" }, el("input", { type: "checkbox", checked: wishes.replace, data: { name: "replace" }, on: { change: (event) => { wishes.replace = event.target.checked; this.#all(); } } }), `Replace what is there already, columns included (${number(n("there"))})`),
      el("div", { class: "tools" },
        isSending() ? act("stop", "Stop", "button quiet", () => stop()) : act("clear", "Clear the list", "button quiet", () => { drop([...entries]); this.#rows(); this.place.querySelector("h1").focus(); }),
        n(...LEFT) > 0 && !isSending() && act("again", "Try those again", "button quiet", () => again(entries.filter(isLeft))),
        !isSending() && (ready().length > 0 || n("unsure") > 0) && act("send", `Add ${count(ready().length, "picture")}`, "button", () => send(ready()), n("unsure") > 0)),
    ].filter(Boolean));
    if (focus) (this.bar.querySelector(`[data-name="${focus}"]:not(:disabled)`) ?? this.bar.querySelector("button:not(:disabled)"))?.focus();
  }
}
