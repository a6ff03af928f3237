// What the views that are loaded when they are opened share: their style, long lists, copying, saving.

import { el, left, say } from "./tools.js";

const EVERY_MS = 2000;

let style;

/** The style of these views, once it is there. */
export function styled() {
  style ??= new Promise((done) => {
    document.head.append(el("link", { rel: "stylesheet", href: "/page/views.css", on: { load: done, error: done } }));
  });
  return style;
}

/** The head of a view: its name, which gets the focus when the view is opened, and what it is for. */
export function heading(title, ...about) {
  return el("header", { class: "heading" }, el("h1", { text: title, tabIndex: -1 }), ...about);
}

/**
 * A list whose parts are filled as they come near the screen and emptied as they leave it, so that any number of
 * them takes few elements. `fill(part, index)`, `empty(part, index)`; `px`: about how high a part is;
 * `more()`: called when the end comes near, until `end()`.
 */
export class LongList {
  parts = [];
  #filled = new Set();
  #index = new WeakMap();
  #seen = new IntersectionObserver((changes) => this.#look(changes), { rootMargin: "900px 0px" });
  #ending;

  constructor(list, { fill, empty = (part) => part.replaceChildren(), px, more }) {
    Object.assign(this, { list, fill, empty, px });
    this.mark = el("div", { class: "tail" });
    list.after(this.mark);
    this.#ending = new IntersectionObserver(([change]) => change.isIntersecting && more?.(), { rootMargin: "1800px 0px" });
  }

  add(count, said = {}) {
    const made = Array.from({ length: count }, () => el("li", said));
    for (const part of made) {
      part.style.minHeight = `${this.px}px`;
      this.#index.set(part, this.parts.push(part) - 1);
      this.empty(part, this.parts.length - 1);
      this.#seen.observe(part);
    }
    this.list.append(...made);
  }

  /** Look whether the end is near, now and from now on. */
  wantMore() {
    this.end();
    this.#ending.observe(this.mark);
  }

  end() {
    this.#ending.disconnect();
  }

  #look(changes) {
    for (const { target, isIntersecting } of changes) {
      const index = this.#index.get(target);
      if (isIntersecting) this.show(index);
      else if (this.#filled.has(index) && !target.contains(document.activeElement)) {
        this.#filled.delete(index);
        if (target.offsetHeight) target.style.minHeight = `${target.offsetHeight}px`;
        this.empty(target, index);
      }
    }
  }

  /** Fill a part now, if it is not. */
  show(index) {
    if (this.#filled.has(index)) return;
    this.#filled.add(index);
    this.fill(this.parts[index], index);
    this.parts[index].style.minHeight = "";
  }

  /** Fill a part anew, if it is filled. */
  refill(index) {
    if (this.#filled.has(index)) this.fill(this.parts[index], index);
  }

  clear() {
    this.end();
    this.#seen.disconnect();
    this.#filled.clear();
    this.parts = [];
    this.list.replaceChildren();
  }
}

/**
 * A note above what is of an earlier state of the catalogue: that it is so, and when there is a newer one. `work`: what
 * makes that, as `/stats` calls it; `look()`: ask for it; `show(found)`: show it, once somebody wishes so.
 */
export class Earlier {
  note = el("div", { class: "changed" });
  #turn = 0;
  #timer;

  constructor(app, work, { look, show }) {
    Object.assign(this, { app, work, look, show });
  }

  /** Look at a reply that is shown now. */
  tell(found) {
    this.close();
    this.note.replaceChildren();
    if (found.stale) this.#wait(this.#turn);
  }

  close() {
    this.#turn += 1;
    clearTimeout(this.#timer);
  }

  async #wait(turn) {
    const stats = await this.app.refreshStats().catch(() => null); // that the service is away is said elsewhere
    const { working } = stats ?? {};
    const found = stats && !working ? await this.look().catch(() => null) : null; // or it begins now
    if (turn !== this.#turn) return;
    if (found?.status === "ready" && !found.stale) {
      this.note.replaceChildren(el("p", { text: "A newer one is there." }), el("button", { type: "button", class: "button quiet", text: "Show it", on: { click: () => this.show(found) } }));
      say("A newer one is there.");
      return;
    }
    const next = !working || working.name === this.work ? "A newer one is being made" : "A newer one is made after other work";
    const when = left(working?.left_s);
    this.note.replaceChildren(el("p", { text: `The catalogue has changed: this is of its earlier state. ${next}${when ? `: ${when}.` : " …"}` }));
    this.#timer = setTimeout(() => this.#wait(turn), EVERY_MS);
  }
}

/** Several choices of which one holds: buttons, or links where they have an address. */
export function segments(label, choices, chosen, choose) {
  return el("div", { class: "segments", role: "group", "aria-label": label }, ...choices.map(([value, text, href]) => el(href ? "a" : "button", {
    ...(href ? { href, "aria-current": value === chosen ? "true" : null } : { type: "button", "aria-pressed": String(value === chosen), on: { click: () => choose(value) } }),
    text, data: { value },
  })));
}

/** Something drawn anew in its place; the focus stays on what holds. */
export function again(place, made) {
  const had = place.contains(document.activeElement);
  place.replaceChildren(made);
  if (had) made.querySelector("[aria-current], [aria-pressed=true]")?.focus();
}

/** A dialog that is closed by Escape, by its button and beside it, and gives the focus back. */
export function dialog(title, ...children) {
  const made = el("dialog", { class: "sheet", "aria-label": title },
    el("div", { class: "sheet-head" }, el("h2", { text: title }), el("button", { type: "button", class: "button quiet", text: "Close", on: { click: () => made.close() } })),
    ...children);
  const back = document.activeElement;
  made.addEventListener("click", (event) => event.target === made && made.close());
  made.addEventListener("close", () => {
    made.remove();
    if (back?.isConnected) back.focus({ preventScroll: true });
  });
  document.body.append(made);
  made.showModal();
  return made;
}

export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
  } catch { // only pages of this machine or over HTTPS have the clipboard
    const field = el("textarea", { value: text, class: "unseen", "aria-hidden": "true" });
    const back = document.activeElement;
    (back?.closest("dialog") ?? document.body).append(field);
    field.select();
    const isCopied = document.execCommand("copy");
    field.remove();
    back?.focus();
    if (!isCopied) return say("This browser does not let the page copy: select the text.");
  }
  say(`${what} copied.`);
}

/** What to type, with a button that copies it. */
export function command(text) {
  return el("div", { class: "command" }, el("code", { text, tabIndex: 0 }),
    el("button", { type: "button", class: "button quiet", text: "Copy", "aria-label": `Copy: ${text}`, on: { click: () => copy(text, "Command") } }));
}

export function save(name, text, type) {
  const link = el("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  say(`Saved as ${name}, in the folder of your downloads.`);
}

/** A table as spreadsheets read it. */
export function asCsv(rows) {
  const plain = (value) => (/^[=+\-@\t\r]/.test(value) && Number.isNaN(Number(value)) ? `'${value}` : value); // no formula of a stranger's
  const cell = (value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  return `\ufeff${rows.map((row) => row.map((value) => cell(plain(String(value ?? "")))).join(",")).join("\r\n")}\r\n`;
}

export const bytes = (n) => (n >= 1e5 ? `${(n / 1e6).toFixed(1)} MB` : `${(n / 1e3).toFixed(1)} kB`);

/** A word as a shell reads it. */
export const quoted = (word) => (/^[\w./@%+=:,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);
