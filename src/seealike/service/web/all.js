// The whole catalogue to scroll: the shapes of all its pictures at once, the items as they come into sight.

import { Grid } from "./grid.js";
import { hrefFrom } from "./query.js";
import { go, state } from "./state.js";
import { ask, comesBefore, count, el, nameOf, noPictures, number, say, stopped, thumbnail, waiting } from "./tools.js";

const PAGE = 120; // items a request
const KEPT = 50; // pages that are kept
const FLING_MS = 110; // what is gone by sooner is not asked for
const RETRY_MS = 4000;
const LONG = 300; // from so many items on there is a rail

export async function open(place, app) {
  const view = new Catalogue(place, app);
  view.load();
  return view;
}

class Catalogue {
  constructor(place, app) {
    Object.assign(this, { place, app, pages: new Map(), asking: new Map(), ended: new AbortController(), grid: null });
    this.note = el("p", { class: "note", role: "status" });
    this.field = el("input", { type: "number", id: "goto", min: 1, required: true, inputMode: "numeric" });
    this.form = el("form", { class: "goto", hidden: true, on: { submit: (event) => this.goTo(event) } },
      el("label", { htmlFor: "goto", text: "Go to number" }), this.field, el("button", { type: "submit", class: "button quiet", text: "Go" }));
    this.rail = el("input", { type: "range", class: "rail", min: 1, step: 1, "aria-label": "Place in the catalogue", hidden: true,
      on: { input: () => this.slid(), change: () => this.slid(false) } });
    this.bubble = el("output", { class: "bubble", hidden: true, "aria-hidden": "true" });
    this.box = el("div", { class: "found" });
    place.append(el("div", { class: "heading" }, el("h1", { tabIndex: -1, text: "The whole catalogue" }), this.note, this.form), this.rail, this.bubble, this.box);
    this.box.addEventListener("focusin", () => this.noted(0));
  }

  close() {
    this.ended.abort();
    for (const timer of [this.waits, this.notes, this.retries, this.slow]) clearTimeout(timer);
    for (const request of this.asking.values()) request.abort();
    this.grid?.close();
  }

  update() {
    if (this.grid && state.at !== this.grid.first) this.grid.scrollTo(state.at);
  }

  async load() {
    const ended = waiting(this.box, () => el("div", { class: "skeleton", "aria-hidden": "true" }, ...Array.from({ length: 24 }, () => el("span"))));
    try {
      const shapes = await this.shapes();
      ended();
      this.show(shapes);
    } catch (problem) {
      ended();
      if (problem.name !== "AbortError") this.box.replaceChildren(stopped(problem, () => this.load()));
    }
  }

  async shapes() {
    const reply = await ask("/shapes", { as: "reply", signal: this.ended.signal });
    return { generation: Number(reply.headers.get("x-generation")), ratios: new Uint16Array(await reply.arrayBuffer()) };
  }

  show({ generation, ratios }) {
    Object.assign(this, { generation, n: ratios.length });
    this.note.textContent = this.n ? `${count(this.n, "picture")}, in the order of their ids` : "";
    this.field.max = this.rail.max = this.n;
    this.form.hidden = this.rail.hidden = this.n < LONG;
    this.place.classList.toggle("railed", this.n >= LONG);
    if (!this.n) {
      this.grid?.close();
      this.grid = null;
      this.box.replaceChildren(noPictures(this.app));
      return;
    }
    if (!this.grid) {
      const list = el("div");
      this.box.replaceChildren(list);
      this.grid = new Grid(list, { rowPx: innerWidth < 600 ? 120 : 170, gapPx: 10, captionPx: 26, label: "all pictures", make: () => this.tile(),
        fill: (tile, index) => this.fill(tile, index), seen: (first, last) => this.seen(first, last) });
      this.grid.show(ratios);
      if (state.at) this.grid.scrollTo(state.at);
      else scrollTo(0, 0);
    } else this.grid.show(ratios);
  }

  // -- a tile

  tile() {
    const img = el("img", { alt: "", decoding: "async", loading: "lazy" });
    const tile = el("div", { class: "tile" }, el("a", { class: "picture" }, img), el("div", { class: "caption" }, el("span", { class: "name" })));
    img.addEventListener("error", () => tile.classList.add("lost"));
    return tile;
  }

  item(index) {
    return this.pages.get(Math.floor(index / PAGE))?.[index % PAGE];
  }

  fill(tile, index) {
    const item = this.item(index), link = tile.firstChild, img = link.firstChild, name = tile.lastChild.firstChild;
    const text = item ? nameOf(item) : "";
    tile.classList.toggle("coming", !item);
    tile.classList.toggle("lost", Boolean(item && !item.image));
    name.textContent = text;
    name.title = item && text !== item.id ? `${text}: ${item.id}` : text;
    link.ariaLabel = item ? text : `Picture ${number(index + 1)}`;
    if (item) link.href = hrefFrom(item.id);
    else link.removeAttribute("href");
    if (!item?.image) return img.removeAttribute("src");
    const size = ["--w", "--h"].map((side) => parseFloat(tile.style.getPropertyValue(side)));
    img.src = thumbnail(item.image, Math.max(...size));
  }

  // -- what is on the screen

  seen(first, last) {
    this.wanted = [Math.floor(Math.max(0, first - PAGE / 3) / PAGE), Math.floor(Math.min(this.n - 1, last + PAGE / 3) / PAGE)];
    for (const [page, request] of this.asking) {
      if (page < this.wanted[0] || page > this.wanted[1]) {
        request.abort();
        this.asking.delete(page);
      }
    }
    this.waits ??= setTimeout(() => this.askAll(), this.pages.size ? FLING_MS : 0);
    const place = Number(this.rail.value) - 1; // it stays within what is seen, or small steps on the rail would lead nowhere
    if (document.activeElement !== this.rail || place < first || place > last) this.rail.value = this.grid.first + 1;
    this.rail.ariaValueText = `${number(Number(this.rail.value))} of ${number(this.n)}`;
    this.noted();
  }

  askAll() {
    this.waits = null;
    for (let page = this.wanted[0]; page <= this.wanted[1]; page++) if (!this.pages.has(page) && !this.asking.has(page)) this.askFor(page);
  }

  async askFor(page) {
    const request = new AbortController();
    this.asking.set(page, request);
    clearTimeout(this.slow);
    this.slow = setTimeout(() => say("This takes longer than usual …"), 3000);
    try {
      const { items, generation } = await ask("/items", { query: { at: page * PAGE, limit: PAGE }, signal: request.signal });
      if (request.signal.aborted) return;
      this.asking.delete(page);
      if (generation !== this.generation) return this.changed();
      this.keep(page, items);
      this.grid.refill(page * PAGE, page * PAGE + items.length - 1);
      this.restore(page);
    } catch (problem) {
      if (problem.name === "AbortError") return;
      this.asking.delete(page);
      if (!this.retries) say(`${problem.detail} Trying again …`);
      clearTimeout(this.retries);
      this.retries = setTimeout(() => { this.retries = null; this.askAll(); }, problem.retryS * 1000 || RETRY_MS);
    } finally {
      if (!this.asking.size) clearTimeout(this.slow);
    }
  }

  keep(page, items) {
    this.pages.delete(page);
    this.pages.set(page, items);
    for (const old of this.pages.keys()) {
      if (this.pages.size <= KEPT) break;
      if (old < this.wanted[0] || old > this.wanted[1]) this.pages.delete(old);
    }
  }

  // The item that had the focus when this address was left.
  restore(page) {
    const at = this.restored ? -1 : this.pages.get(page).findIndex((item) => item.id === state.on);
    this.restored ||= at >= 0 || !this.asking.size; // it was not on the screen
    if (at < 0) return;
    if (document.activeElement === document.body || document.activeElement.matches("h1")) this.grid.scrollTo(page * PAGE + at, { focus: true });
  }

  // Keep in the address where one is: at once what is gone on from, the rest once it rests.
  noted(ms = 400) {
    clearTimeout(this.notes);
    const write = () => {
      if (state.view !== "all" || !this.grid) return;
      const at = this.grid.first, on = this.item(this.grid.focused)?.id ?? state.on;
      if (at !== state.at || on !== state.on) go({ at, on }, { replace: true, quiet: true });
    };
    if (ms) this.notes = setTimeout(write, ms);
    else write();
  }

  // -- the catalogue is another one now: the same item stays where it is

  async changed() {
    if (this.changing) return;
    this.changing = true;
    try {
      const first = this.grid.first, anchor = this.item(first)?.id;
      const shapes = await this.shapes();
      const at = anchor === undefined ? first : await this.placeOf(anchor, first, shapes.ratios.length);
      const { items } = await ask("/items", { query: { at: Math.floor(at / PAGE) * PAGE, limit: PAGE }, signal: this.ended.signal });
      this.pages.clear();
      this.pages.set(Math.floor(at / PAGE), items);
      this.show(shapes);
      this.grid?.scrollTo(at);
      say(`The catalogue has changed: ${count(this.n, "picture")} now.`);
    } catch (problem) {
      if (problem.name !== "AbortError") say(problem.detail);
    } finally {
      this.changing = false;
    }
  }

  // Where an id is now, or would be: by halves, first near where it was.
  async placeOf(id, near, n) {
    const idAt = async (at) => (await ask("/items", { query: { at, limit: 1 }, signal: this.ended.signal })).items[0]?.id;
    let low = 0, high = n;
    for (let step = 1, at = Math.min(near, n - 1); low < high; ) {
      const found = await idAt(at);
      if (found === id) return at;
      const isFurther = found !== undefined && comesBefore(found, id);
      if (isFurther) low = at + 1;
      else high = at;
      const guess = isFurther ? near + step : near - step;
      step *= 4;
      at = guess >= low && guess < high ? guess : (low + high) >> 1;
    }
    return Math.min(low, n - 1);
  }

  // -- going to a place

  goTo(event) {
    event.preventDefault();
    this.grid.scrollTo(this.field.valueAsNumber - 1);
    this.grid.scrollTo(this.field.valueAsNumber - 1, { focus: true });
  }

  slid(moving = true) {
    const at = Number(this.rail.value);
    this.bubble.hidden = !moving;
    this.bubble.textContent = `${number(at)} of ${number(this.n)}`;
    this.bubble.style.top = `calc(${this.rail.offsetTop}px + ${(at - 1) / (this.n - 1)} * (${this.rail.offsetHeight - 28}px))`;
    this.grid.scrollTo(at - 1);
  }
}
