// The search: what is asked with, what looks like it, and how one goes on from there.

import { chosen, filters, unfiltered } from "./filters.js";
import { Grid } from "./grid.js";
import { drawQuery, examplesIn, hrefFrom, learn, listen, named, shownOf, ways } from "./query.js";
import { condition, go, hrefOfView, state } from "./state.js";
import { ask, count, el, icon, iconButton, nameOf, noPictures, number, say, shortened, stopped, thumbnail, waiting, words } from "./tools.js";

const ROW_PX = 190;
const CAPTION_PX = 46;
const [WIDE_PX, NARROW_PX] = [170, 110]; // of tiles: from where on there is room for words
const SAMPLE = 30;
const MOST_EXPLAINED = 20; // each takes as long as a picture does
const MOST_TRAIL = 8;
const RETRY_MS = 3000;
const NOTHING = { like: [], not: [], palette: "", open: "", on: "", at: 0 };
let listening = false;

/** Open the search. */
export async function open(place, app) {
  if (!listening) listen(app);
  listening = true;
  const search = new Search(place, app);
  search.update();
  return search;
}

class Search {
  constructor(place, app) {
    Object.assign(this, { place, app, asked: null, answered: null, hits: [], isExplaining: false, beside: null, waited() {} });
    this.query = el("section", { class: "query", "aria-label": "What is searched with" });
    this.wishes = el("div", { class: "wanted" });
    this.heading = el("div", { class: "heading" });
    this.box = el("div", { class: "found" });
    this.end = el("div", { class: "end" });
    const fold = el("details", { class: "fold", open: matchMedia("(min-width: 900px)").matches }, el("summary", {}, icon("filter"), el("span", { text: "Wishes and filters" })), this.wishes);
    this.side = el("aside", { class: "side", "aria-label": "Question" }, this.query, fold);
    place.append(this.side, el("div", { class: "answer" }, this.heading, this.box, this.end));
    this.filters = filters(this.wishes, app);
    this.listeners = new AbortController();
    const on = (target, event, listener) => target.addEventListener(event, listener, { signal: this.listeners.signal });
    on(document, "uploading", ({ detail }) => this.uploading(detail.shown));
    on(document, "uploadfailed", ({ detail }) => this.failed(detail.problem, detail.retry));
    on(window, "keydown", (event) => this.key(event, true));
    on(window, "keyup", (event) => this.key(event, false));
    on(window, "blur", () => this.hold(false));
  }

  close() {
    this.listeners.abort();
    this.asking?.abort();
    this.waited();
    this.grid?.close();
    this.beside?.close();
  }

  get hasQuestion() {
    return Boolean(state.like.length || state.not.length || state.palette);
  }

  update() {
    const question = this.question();
    const asked = JSON.stringify(question);
    this.place.classList.toggle("begin", !this.hasQuestion);
    if (asked !== this.asked) {
      this.asked = asked;
      if (this.hasQuestion) {
        drawQuery(this.query, this.app);
        this.filters.update();
        this.ask(question);
      } else this.begin();
    } else if (this.grid && this.hits.length) {
      if (state.at !== this.grid.first) this.grid.scrollTo(Math.min(state.at, this.hits.length - 1));
      this.heading.querySelector(".trail")?.remove();
      this.heading.prepend(...[this.hasQuestion && this.trail()].filter(Boolean));
      this.grid.refill(0, this.hits.length - 1); // links know the way here
    }
    if (this.isExplaining !== state.why && this.grid && asked === this.answered) this.explain(state.why);
    this.showBeside();
  }

  question() {
    const where = condition();
    return {
      like: examplesIn(state.like),
      ...(state.not.length ? { dislike: examplesIn(state.not) } : {}),
      k: state.k,
      ...(where ? { where } : {}),
      ...(state.diversity ? { diversity: Math.min(1, state.diversity) } : {}),
      ...(state.color ? { color: Math.min(1, state.color) } : {}),
      ...(state.palette ? { palette: state.palette } : {}),
      ...(state.pictures ? { pictures: true } : {}),
      ...(state.focus ? { focus: true } : {}),
    };
  }

  // -- before anything is asked

  async begin() {
    const { stats } = this.app;
    this.asking?.abort();
    this.asking = new AbortController();
    const { signal } = this.asking;
    this.end.replaceChildren();
    this.box.replaceChildren();
    this.grid?.close();
    this.grid = null;
    this.heading.replaceChildren(el("h1", { tabIndex: -1, text: "What else looks like this?" }),
      stats.items
        ? el("div", { class: "drop" }, icon("picture"), el("p", { class: "what", text: "Drop a picture here, or paste one" }), ways(this.app),
          el("p", { class: "note", text: `It is compared with the ${count(stats.items, "picture")} of ${stats.name || "this catalogue"}, on this machine, and not kept.` }))
        : noPictures(this.app));
    document.title = `${stats.name || "seealike"} · seealike`;
    if (!stats.items) return;
    this.wait(skeleton);
    try {
      const found = await ask("/items", { query: { at: 0, step: Math.max(1, Math.floor(stats.items / SAMPLE)), limit: SAMPLE }, signal });
      learn(found);
      const { items } = found;
      this.waited();
      this.draw(items);
      this.box.prepend(el("h2", { class: "small", text: stats.items > items.length ? "Or begin with one of these" : "Or begin with one of the catalogue's" }));
      this.end.replaceChildren(el("a", { class: "button quiet", href: hrefOfView("all"), text: `See all ${number(stats.items)}` }));
    } catch (problem) {
      if (problem.name !== "AbortError") this.failed(problem, () => this.begin());
    }
  }

  uploading(shown) {
    this.asking?.abort();
    this.asked = null;
    this.place.classList.remove("begin");
    this.query.replaceChildren(el("figure", { class: "lead" }, el("div", { class: "stage" }, el("img", { src: shown, alt: "The picture that is searched with" })), el("figcaption", { text: "your picture" })));
    this.heading.replaceChildren(el("h1", { tabIndex: -1, text: "Looking …" }));
    this.clear();
    this.wait(skeleton);
  }

  // -- asking

  wait(make) {
    this.waited();
    this.waited = waiting(this.box, make);
  }

  clear() {
    this.grid?.close();
    this.grid = null;
    this.hits = [];
    this.end.replaceChildren();
  }

  async ask(question) {
    this.asking?.abort();
    this.asking = new AbortController();
    const { signal } = this.asking;
    this.box.setAttribute("aria-busy", "true");
    this.hadFocus = this.box.contains(document.activeElement);
    this.wait(() => { this.clear(); return skeleton(); });
    try {
      const answer = await ask("/recommend", { json: question, signal });
      this.waited();
      this.answered = JSON.stringify(question);
      this.show(answer);
    } catch (problem) {
      if (problem.name !== "AbortError") this.failed(problem, () => this.ask(question));
    } finally {
      if (this.asking.signal === signal) this.box.removeAttribute("aria-busy");
    }
  }

  failed(problem, retry) {
    this.waited();
    this.clear();
    this.heading.replaceChildren(el("h1", { tabIndex: -1, text: "No answer" }), ...[this.chips()].filter(Boolean));
    const isGone = ["unknown_item", "unknown_image", "unknown_product", "unusable_picture"].includes(problem.code);
    const isFiltered = problem.code === "invalid_query" && condition();
    this.box.replaceChildren(isGone ? stopped(problem, () => go(NOTHING), "Begin anew")
      : isFiltered ? stopped(problem, unfiltered, "Without filters") : stopped(problem, retry));
    if (problem.code === "offline") this.again(retry);
  }

  /** Go on by itself once the service answers again. */
  async again(retry) {
    const shown = this.box.firstChild;
    while (this.box.firstChild === shown && !this.listeners.signal.aborted) {
      await new Promise((resolve) => { setTimeout(resolve, RETRY_MS); });
      const isBack = this.box.firstChild === shown && await ask("/readyz").then(() => true, () => false);
      if (isBack && this.box.firstChild === shown && !this.listeners.signal.aborted) {
        retry();
        return;
      }
    }
  }

  show(answer) {
    const { generation, hits, seen } = answer;
    learn({ generation, items: hits });
    this.outline(state.focus && seen[0]);
    const title = el("h1", { tabIndex: -1 });
    const told = (name) => {
      title.textContent = this.title(name);
      document.title = `${title.textContent} · ${this.app.stats.name || "seealike"}`;
    };
    if (state.like.length) named(state.like[0], told);
    else told("");
    this.heading.replaceChildren(...[
      this.trail(),
      title,
      el("p", { class: "note", role: "status", text: hits.length ? `${count(hits.length, "result")} in ${answer.took_ms < 10 ? answer.took_ms.toFixed(1) : Math.round(answer.took_ms)} ms` : "Nothing found" }),
      hits.length > 0 && this.whyButton(),
      this.chips(),
    ].filter(Boolean));
    if (!hits.length) {
      this.clear();
      this.box.replaceChildren(this.nothing());
      return;
    }
    this.draw(hits);
    if (hits.length >= state.k && state.k < 1000) {
      this.end.replaceChildren(el("button", { type: "button", class: "button quiet", text: "More results", on: { click: () => go({ k: Math.min(1000, state.k * 2) }, { replace: true }) } }));
    } else this.end.replaceChildren();
    if (this.hadFocus && document.activeElement === document.body) title.focus({ preventScroll: true });
    this.isExplaining = false;
    if (state.why) this.explain(true);
    this.showBeside();
  }

  /** Draw around what was looked at in the picture that is searched with. */
  outline(area) {
    this.query.querySelector(".seen")?.remove();
    if (!area) return;
    const around = el("span", { class: "seen", role: "img", "aria-label": "What was looked at" });
    ["left", "top", "width", "height"].forEach((name, at) => { around.style[name] = `${area[at] * 100}%`; });
    this.query.querySelector(".stage")?.append(around);
  }

  title(name) {
    const [lead] = state.like;
    if (!lead) return state.palette ? "In these colours" : "Unlike these";
    if (state.like.length > 1) return `Like ${name} and ${count(state.like.length - 1, "other")}`;
    return lead.kind === "text" ? `“${name}”` : `Like ${name}${lead.box ? ", a part of it" : ""}`;
  }

  nothing() {
    const chips = chosen();
    return el("div", { class: "stopped" }, icon("filter"),
      el("p", { class: "what", text: chips.length ? "The filters hide everything." : "Nothing in this catalogue is like that." }),
      chips.length > 0 && el("p", { class: "note", text: `No other of the ${count(this.app.stats.items, "item")} keeps ${chips.length === 1 ? "this filter" : `all ${chips.length} of them`}. Take one away:` }),
      chips.length > 0 && el("div", { class: "chips" }, ...chips),
      chips.length > 0 && el("button", { type: "button", class: "button", text: "Without filters", on: { click: unfiltered } }));
  }

  chips() {
    const chips = chosen();
    return chips.length ? el("div", { class: "chips" }, ...chips, chips.length > 1 && el("button", { type: "button", class: "plain", text: "Without filters", on: { click: unfiltered } })) : null;
  }

  // -- where one came from

  trail() {
    const trail = history.state?.trail ?? [];
    if (!trail.length) return null;
    return el("nav", { class: "trail", "aria-label": "You came by" },
      iconButton("back", "Back", () => history.back()),
      el("ol", {}, ...trail.map(({ href, name, src }, at) => {
        const link = el("a", { href, title: name, "aria-label": name }, src ? el("img", { src, alt: "" }) : icon("search"));
        link.trail = trail.slice(0, at);
        return el("li", {}, link);
      })));
  }

  onward() {
    if (!this.hasQuestion) return [];
    const { name, src } = state.like.length ? shownOf(state.like[0], 80) : { name: this.title(""), src: null };
    return [...(history.state?.trail ?? []), { href: location.pathname + location.search, name, src }].slice(-MOST_TRAIL);
  }

  // -- the pictures

  draw(shown) {
    this.hits = shown;
    this.grid?.close();
    this.box.replaceChildren();
    const list = el("div", {});
    this.box.append(list);
    let noted = 0;
    this.grid = new Grid(list, {
      rowPx: ROW_PX, gapPx: 12, captionPx: CAPTION_PX, label: this.hasQuestion ? "results" : "pictures of the catalogue",
      make: () => this.tile(),
      fill: (tile, index) => this.fill(tile, index),
      seen: () => {
        clearTimeout(noted);
        noted = setTimeout(() => { if (this.hits === shown && state.view === "" && state.at !== this.grid.first) go({ at: this.grid.first }, { replace: true, quiet: true }); }, 400);
      },
    });
    this.grid.show(Float32Array.from(shown, (hit) => hit.width_px / hit.height_px || 1));
    const at = state.on ? shown.findIndex((hit) => hit.id === state.on) : -1;
    if (at >= 0) this.grid.scrollTo(at, { focus: document.activeElement === document.body });
    else if (state.at) this.grid.scrollTo(Math.min(state.at, shown.length - 1));
    else if (this.hasQuestion && scrollY > 0) scrollTo(0, 0);
    list.addEventListener("focusin", () => {
      const hit = shown[this.grid.focused];
      if (hit && state.on !== hit.id) go({ on: hit.id }, { replace: true, quiet: true });
    });
  }

  tile() {
    const picture = el("a", { class: "picture" }, el("img", { alt: "", decoding: "async", loading: "lazy" }), el("canvas", { class: "heat", hidden: true }));
    const others = el("span", { class: "others" });
    const name = el("span", { class: "name" });
    const score = el("span", { class: "score" });
    const tile = el("div", { class: "tile" }, picture, others, el("div", { class: "caption" }, name, score));
    const hit = () => this.hits[tile.index];
    tile.parts = { picture, img: picture.firstChild, heat: picture.lastChild, name, score, others };
    picture.firstChild.addEventListener("error", () => tile.classList.add("lost"));
    if (this.hasQuestion) {
      tile.parts.like = iconButton("more", "", () => this.steer(hit(), "like"));
      tile.parts.not = iconButton("less", "", () => this.steer(hit(), "not"));
      tile.parts.open = iconButton("beside", "", () => go({ open: hit().id, on: hit().id }));
      tile.append(el("div", { class: "acts" }, tile.parts.like, tile.parts.not, tile.parts.open));
    }
    return tile;
  }

  fill(tile, index) {
    const hit = this.hits[index];
    const { picture, img, name, score, like, not, open: beside, others } = tile.parts;
    const text = nameOf(hit);
    tile.index = index;
    tile.classList.remove("lost");
    picture.href = hrefFrom(hit.id);
    picture.trail = this.onward();
    const width = Number.parseFloat(tile.style.getPropertyValue("--w")) || ROW_PX;
    const height = Number.parseFloat(tile.style.getPropertyValue("--h")) || ROW_PX;
    if (hit.image) img.src = thumbnail(hit.image, Math.max(width, height));
    else {
      img.removeAttribute("src");
      tile.classList.add("lost");
    }
    img.alt = picture.ariaLabel = text; // the link has a name where there is no picture, too
    name.textContent = shortened(text, Math.floor(width / 7));
    name.title = text === hit.id ? text : `${text}: ${hit.id}`;
    if (!like || hit.score === undefined) return; // of the answer before: it is filled again when the next has come
    const told = hit.relation ? hit.relation.replaceAll("_", " ").replaceAll("-", " ") : words(hit.score);
    score.replaceChildren(el("span", { class: "told", text: told }), el("b", { text: hit.score.toFixed(2) }));
    others.textContent = hit.others ? `+${number(hit.others)} more${width >= WIDE_PX ? " of this product" : width >= NARROW_PX ? (hit.others === 1 ? " picture" : " pictures") : ""}` : "";
    others.title = hit.others ? `${count(hit.others, "more picture")} of this product: see them without “One result per product”` : "";
    score.style.setProperty("--filled", `${Math.max(0, Math.min(1, hit.score)) * 100}%`);
    for (const [button, label] of [[like, `More like ${text}`], [not, `Less like ${text}`], [beside, `${text} beside what is searched with`]]) {
      button.title = label;
      button.setAttribute("aria-label", label);
    }
    this.heat(tile, hit);
  }

  steer(hit, field) {
    const one = { kind: "id", value: hit.id, weight: 1, box: null };
    if ([...state.like, ...state.not].some((other) => other.kind === "id" && other.value === hit.id)) return; // a second click
    const before = { like: state.like, not: state.not };
    go({ [field]: [...state[field], one], at: 0, on: "" });
    say(field === "like" ? `More like ${nameOf(hit)}.` : `Less like ${nameOf(hit)}.`, () => go({ ...before, at: 0 }));
  }

  // -- why

  whyButton() {
    const button = el("button", { type: "button", class: "button quiet", title: "Or hold the key W", on: { click: () => go({ why: !state.why }, { replace: true }) } }, icon("why"), "Why?");
    button.setAttribute("aria-pressed", state.why);
    this.whyNote = el("span", { class: "note", role: "status" });
    return el("div", { class: "tools" }, button, this.whyNote);
  }

  key(event, down) {
    if (event.key.toLowerCase() !== "w" || event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input, textarea, dialog")) return;
    if (down ? !event.repeat : true) this.hold(down);
  }

  hold(on) {
    if (this.grid && this.hasQuestion && !state.why && on !== this.isExplaining) this.explain(on);
  }

  /** Show where the scores of the nearest come from, or no longer. */
  async explain(on) {
    const { hits, grid } = this;
    this.isExplaining = on;
    this.heading.querySelector("[aria-pressed]")?.setAttribute("aria-pressed", on);
    this.whyNote.textContent = "";
    if (on && !hits.some((hit) => hit.explanation)) {
      this.whyNote.textContent = "Looking closely …";
      try {
        const answer = await ask("/recommend", { json: { ...this.question(), k: Math.min(hits.length, MOST_EXPLAINED), explain: true } });
        const why = new Map(answer.hits.map((hit) => [hit.id, hit.explanation]));
        for (const hit of hits) hit.explanation = why.get(hit.id);
      } catch (problem) {
        if (this.isExplaining) this.whyNote.textContent = problem.detail;
        return;
      }
    }
    if (this.grid !== grid) return;
    if (this.isExplaining) {
      const problem = hits.find((hit) => hit.explanation)?.explanation.problem;
      this.whyNote.textContent = problem || `What is lit makes the score${hits.length > MOST_EXPLAINED ? `, for the ${MOST_EXPLAINED} nearest` : ""}.`;
    } else this.whyNote.textContent = "";
    grid.refill(0, hits.length - 1);
  }

  heat(tile, hit) {
    const found = this.isExplaining && hit.explanation?.hit;
    tile.parts.heat.hidden = !found;
    if (found) drawHeat(tile.parts.heat, found);
  }

  // -- query and result side by side

  async showBeside() {
    if (!state.open) {
      const at = this.beside ? this.hits.findIndex((hit) => hit.id === this.beside.id) : -1;
      this.beside?.close();
      this.beside = null;
      if (at >= 0) this.grid?.scrollTo(at, { focus: true });
      return;
    }
    const { Beside } = await import("./beside.js");
    if (!state.open) return;
    this.beside ??= new Beside(this.app);
    this.beside.show(state.open, this.hits);
  }
}

/** Darken a picture but for the places that the score comes from. */
export function drawHeat(canvas, { area, shares }) {
  const [rows, columns] = [shares.length, shares[0].length];
  Object.assign(canvas, { width: columns, height: rows });
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  const most = Math.max(...shares.flat(), 1e-9);
  shares.flat().forEach((share, at) => { image.data[at * 4 + 3] = Math.round(205 * (1 - Math.max(0, share / most) ** 0.7)); });
  context.putImageData(image, 0, 0);
  ["left", "top", "width", "height"].forEach((name, at) => { canvas.style[name] = `${area[at] * 100}%`; });
}

function skeleton() {
  return el("div", { class: "skeleton", "aria-hidden": "true" }, ...Array.from({ length: 18 }, () => el("span")));
}
