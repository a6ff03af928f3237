// Pictures that are there twice: which one of each group is kept. Nothing is moved from here; what was decided is
// remembered by the browser, and saved as a file that `seealike duplicates --decisions` reads.

import { Choices } from "./choices.js";
import { LEVELS, LEVELS_MEAN, drawGroup, lookingFor, noneOf, otherOf, titleOf } from "./group.js";
import { go, hrefOf, state } from "./state.js";
import { ask, count, el, iconButton, number, say, stopped, waiting } from "./tools.js";
import { Earlier, LongList, again, heading, segments, styled } from "./views.js";

const FILE = { format: "seealike decisions", version: 1 };
const SHOWN = [["open", "To decide"], ["decided", "Decided"], ["all", "All"]];
const MOVES = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
const PAGE = 100;
const warn = (event) => event.preventDefault(); // where the browser remembers nothing

export async function open(place, app) {
  await styled();
  const view = new Review(place, app);
  view.start();
  return view;
}

class Review {
  constructor(place, app) {
    this.app = app;
    this.said = el("p", { class: "said", role: "status" });
    this.undoing = el("button", { type: "button", class: "button quiet", text: "Undo", on: { click: () => this.undo() } });
    this.list = el("ol", { class: "groups", "aria-label": "Groups of duplicates", on: { keydown: (event) => this.key(event), focusin: (event) => this.#at(event.target) } });
    this.body = el("div", {}, this.list);
    this.note = el("div", { class: "changed" });
    this.long = new LongList(this.list, { fill: (part, n) => this.#fill(part, n), empty: (part, n) => part.replaceChildren(this.#title(n)), px: 430, more: () => this.load() });
    this.levels = el("div");
    this.meant = el("p", { class: "note" });
    place.replaceChildren(
      heading("Duplicates", el("p", { class: "note", text: "A rule has chosen which picture of each group is kept. Change what you like: nothing is moved or deleted from here." })),
      el("div", { class: "levels" }, this.levels, this.meant), this.body);
  }

  get level() {
    return LEVELS[state.own.level] ? state.own.level : "near";
  }

  get shown() {
    return state.own.show ?? "open";
  }

  update() {
    if (this.level !== this.found) this.start();
    else if (this.filter) this.#filter();
  }

  close() {
    this.aborter?.abort();
    this.earlier?.close();
    clearTimeout(this.timer);
    this.long.clear();
  }

  // -- finding and loading

  async start() {
    this.aborter?.abort();
    this.aborter = new AbortController();
    clearTimeout(this.timer);
    this.long.clear();
    this.found = this.level;
    this.earlier?.close();
    this.earlier = new Earlier(this.app, `duplicates-${this.level}`, { look: () => this.#ask("", 1), show: () => this.start() });
    this.next = "";
    this.loading = null;
    this.choices = new Choices(`seealike-duplicates-${this.app.stats.name}`, FILE);
    this.filter = this.filtered = null;
    this.note.replaceChildren();
    this.body.replaceChildren();
    again(this.levels, segments("What counts", Object.entries(LEVELS).map(([level, text]) => [level, text, hrefOf({ own: { ...state.own, level }, at: 0 })]), this.level));
    this.meant.textContent = LEVELS_MEAN[this.level];
    await this.#first();
  }

  async #first() {
    const { signal } = this.aborter;
    const done = waiting(this.body, () => el("div", { class: "skeleton" }, el("span"), el("span"), el("span"), el("span")));
    try {
      const found = await this.#ask();
      done();
      if (found.status === "finding") this.#finding(found);
      else this.#ready(found);
    } catch (problem) {
      done();
      if (!signal.aborted) this.body.replaceChildren(stopped(problem, () => this.#first()));
    }
  }

  #ask(start = this.next, limit = PAGE) {
    return ask("/duplicates", { query: { level: this.level, start, limit, stale: 1 }, signal: this.aborter.signal });
  }

  #finding(found) {
    if (!this.looking?.isConnected) {
      this.looking = lookingFor();
      this.body.replaceChildren(this.looking);
    }
    this.looking.tell(found);
    this.timer = setTimeout(() => this.#first(), 1000);
  }

  #ready(found) {
    Object.assign(this, { generation: found.generation, total: found.total, items: found.items });
    this.earlier.tell(found);
    if (!found.total) return this.#none();
    const accept = (text, title, isMeant) => el("button", { type: "button", class: "button quiet", text, title, on: { click: () => this.#bulk(isMeant) } });
    this.rest = accept("Accept the rest", "What is chosen now is meant so, in all groups that are left", () => true);
    this.same = accept("Accept exact copies", "The same in all groups of files with the same bytes", (group) => group.members.every((one) => one.level === "exact"));
    this.filter = el("div");
    this.over = el("div", { class: "changed" });
    this.body.replaceChildren(
      el("div", { class: "toolbar" }, this.said, el("div", { class: "tools" }, this.undoing,
        el("button", { type: "button", class: "button", text: "Save …", on: { click: () => this.#saving() } }),
        iconButton("why", "Keys", () => this.#keys()))),
      this.earlier.note, this.note,
      el("div", { class: "which" }, this.filter, el("div", { class: "tools" }, this.level === "exact" ? null : this.same, this.rest)),
      this.over, this.list, this.long.mark,
    );
    this.#add(found);
    if (state.at) this.#goTo(state.at);
  }

  #none() {
    this.body.replaceChildren(this.earlier.note, noneOf(this.items, this.level, (level) => hrefOf({ own: { ...state.own, level } })));
  }

  /** The next groups, one request at a time. */
  load() {
    if (!this.next) return null;
    this.loading ??= this.#ask().then((found) => {
      if (found.status !== "finding" && found.generation === this.generation) return this.#add(found);
      this.next = "";
      this.long.end();
      this.note.replaceChildren(el("p", {}, "The catalogue has changed meanwhile. What you decided is kept. "), el("button", { type: "button", class: "button quiet", text: "Look anew", on: { click: () => this.start() } }));
    }).catch((problem) => {
      if (problem.name === "AbortError") return;
      this.note.replaceChildren(stopped(problem, () => { this.note.replaceChildren(); this.load(); }));
      throw problem;
    }).finally(() => { this.loading = null; });
    return this.loading.catch(() => {});
  }

  #isWell() {
    return !this.aborter.signal.aborted && !this.note.childElementCount;
  }

  async #rest() {
    while (this.next && this.#isWell()) await this.load();
    return this.#isWell();
  }

  #add(found) {
    const before = this.choices.groups.length;
    this.choices.add(found.groups.map((group) => ({ ...group, kept: [...group.members.keys()].filter((one) => group.members[one].kept) })));
    this.next = found.next ?? "";
    this.long.add(found.groups.length);
    this.choices.groups.slice(before).forEach((group, n) => {
      const part = this.long.parts[before + n];
      part.className = "group";
      part.setAttribute("aria-setsize", this.total);
      part.setAttribute("aria-posinset", before + n + 1);
    });
    this.#filter(before);
  }

  /** Show what is to be shown: what is decided now stays where it is until that is asked anew. */
  #filter(from = 0) {
    const { groups } = this.choices;
    for (let n = from; n < groups.length; n += 1) {
      this.long.parts[n].hidden = this.shown !== "all" && groups[n].decided !== (this.shown === "decided");
    }
    if (this.filtered !== this.shown) {
      again(this.filter, segments("Which groups", SHOWN.map(([show, text]) => [show, text, hrefOf({ own: { ...state.own, show }, at: 0 })]), this.shown));
      this.filtered = this.shown;
    }
    if (this.next) this.long.wantMore();
    else this.long.end();
    this.#tell();
  }

  // -- what is shown

  #title(n) {
    return titleOf(this.choices.groups[n]);
  }

  #fill(part, n) {
    const focus = part.contains(document.activeElement) && document.activeElement.dataset.name;
    drawGroup(part, this.choices.groups[n], this.column, {
      compare: (m) => this.compare(n, m ?? otherOf(this.choices.groups[n], this.column)),
      toggle: (m) => this.toggle(n, m),
      all: () => this.#all(n),
      rule: () => this.#rule(n),
      done: () => this.#done(n),
    });
    if (focus) (part.querySelector(`[data-name="${focus}"]`) ?? part.querySelector(".choice")).focus({ preventScroll: true });
  }

  #tell() {
    const { groups, remembers, undoable } = this.choices;
    const left = this.choices.undecided().length;
    const isAll = !this.next;
    this.said.textContent = `${number(groups.length - left)} of ${number(this.total)} decided · ${number(this.choices.going())}${isAll ? "" : " or more"} to move away${remembers ? "" : " · this browser remembers nothing: save before you close the page"}`;
    this.undoing.disabled = !undoable;
    this.rest.disabled = this.same.disabled = isAll && !left;
    const isEmpty = isAll && this.long.parts.every((part) => part.hidden);
    const told = isAll && !left ? "All is decided. Save it, and let the command move what goes." : isEmpty ? "Nothing is decided yet." : "";
    if (this.over.textContent !== told) this.over.replaceChildren(told);
    if (!remembers) addEventListener("beforeunload", warn);
  }

  // -- choices

  #changed(numbers) {
    for (const n of numbers) this.long.refill(n);
    for (const n of numbers) if (!this.long.parts[n].querySelector(".cards")) this.long.empty(this.long.parts[n], n);
    this.#tell();
  }

  toggle(n, m) {
    if (this.choices.toggle(n, m)) this.#changed([n]);
    else say("One picture of each group is kept: choose another one first.");
  }

  #only(n, m) {
    this.choices.keepOnly(n, m);
    this.#changed([n]);
  }

  #all(n) {
    this.choices.keepAll(n);
    this.#changed([n]);
  }

  #rule(n) {
    this.choices.asRule(n);
    this.#changed([n]);
  }

  #done(n) {
    this.choices.accept([n]);
    this.#changed([n]);
    this.#focus(n, 1);
  }

  undo() {
    const numbers = this.choices.undo();
    if (!numbers.length) return;
    for (const n of numbers) this.long.parts[n].hidden = false;
    this.#changed(numbers);
    this.#focus(numbers[0], 0);
    say("Undone.");
  }

  async #bulk(isMeant) {
    if (this.next) say("Loading the other groups …");
    if (!(await this.#rest())) return;
    const numbers = this.choices.undecided().filter((n) => isMeant(this.choices.groups[n]));
    if (!numbers.length) return say("None of those are left.");
    this.choices.accept(numbers);
    this.#changed(numbers);
    say(`${count(numbers.length, "group")} decided.`, () => this.undo());
  }

  // -- the focus and keys, within the list alone

  #at(target) {
    const n = this.long.parts.indexOf(target.closest(".group"));
    if (n < 0) return;
    if (target.matches(".choice")) this.column = Number(target.dataset.name.slice(6));
    if (state.at !== n) go({ at: n }, { replace: true, quiet: true });
  }

  /** The focus to a group: the next one that is shown, `step` further. */
  #focus(n, step, column = this.column ?? 0) {
    const { parts } = this.long;
    let at = n + step;
    while (parts[at]?.hidden) at += step || 1;
    if (!parts[at]) return step > 0 && this.next ? this.load()?.then(() => parts[at] && this.#focus(n, step, column)) : undefined;
    this.long.show(at);
    const choices = [...parts[at].querySelectorAll(".choice")];
    choices.forEach((choice, m) => { choice.tabIndex = m === Math.min(column, choices.length - 1) ? 0 : -1; });
    const choice = choices[Math.max(0, Math.min(column, choices.length - 1))];
    if (step) parts[at].scrollIntoView({ block: "start", behavior: "instant" });
    choice.closest(".card").scrollIntoView({ block: "nearest", behavior: "instant" });
    choice.focus({ preventScroll: true });
  }

  async #goTo(n) {
    while (this.choices.groups.length <= n && this.next && this.#isWell()) await this.load();
    if (!this.long.parts[n]) return;
    this.long.parts[n].hidden = false;
    this.#focus(n, 0);
    this.long.parts[n].scrollIntoView({ block: "start", behavior: "instant" });
  }

  key(event) {
    const { key } = event;
    const isUndo = key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey) && !event.shiftKey;
    if (event.altKey || ((event.ctrlKey || event.metaKey) && !isUndo)) return;
    const n = this.long.parts.indexOf(event.target.closest(".group"));
    if (n < 0) return;
    const { members } = this.choices.groups[n];
    const digit = /^(?:Digit|Numpad)([1-9])$/.exec(event.code)?.[1];
    const m = Math.min(this.column ?? 0, members.length - 1);
    const acts = {
      a: () => this.#all(n), r: () => this.#rule(n), d: () => this.#done(n),
      u: () => this.undo(), c: () => this.compare(n, otherOf(this.choices.groups[n], this.column)), "?": () => this.#keys(),
    };
    if (isUndo) this.undo();
    else if (MOVES[key] && !event.shiftKey) {
      const [down, aside] = MOVES[key];
      this.#focus(n, down, down ? this.column : Math.max(0, Math.min(members.length - 1, m + aside)));
    } else if (digit) {
      if (digit > members.length) return;
      this.#focus(n, 0, digit - 1);
      if (event.shiftKey) this.toggle(n, digit - 1);
      else this.#only(n, digit - 1);
    } else if (acts[key.toLowerCase()]) acts[key.toLowerCase()]();
    else return;
    event.preventDefault();
  }

  // -- dialogs

  async compare(n, m) {
    const { compare } = await import("./dialogs.js");
    const group = this.choices.groups[n];
    const first = [...group.kept].find((one) => one !== m) ?? (m ? 0 : 1);
    const sheet = compare(group.members, first, m, { isKept: (one) => group.kept.has(one), toggle: (one) => this.toggle(n, one) });
    sheet.addEventListener("close", () => { if (document.activeElement === document.body) this.#focus(n, 0); });
  }

  async #keys() {
    (await import("./dialogs.js")).keys();
  }

  async #saving() {
    if (this.next) say("Loading the other groups …");
    if (!(await this.#rest())) return;
    (await import("./dialogs.js")).saving(this.choices, this.app.stats.name || "CATALOGUE", this.level, () => removeEventListener("beforeunload", warn));
  }
}
