// The catalogue in numbers, an indexing run while it goes on, how the service is, and what one may type next.

import { hrefOf, hrefOfView, literal } from "./state.js";
import { ask, count, el, icon, left, number, say, stopped, waiting } from "./tools.js";
import { command, heading, quoted, styled } from "./views.js";

const EVERY_MS = 1000; // while a run is on
const IDLE_MS = 4000;
const MOST = 8; // values of a column
const ACCESS = { read: "You may look.", write: "You may look, and add, replace and remove pictures.", admin: "You may do everything." };
const ENDINGS = "Pictures can be found as they come in. At the end it is said here what has come and gone.";
const STAGES = { scan: "looking through the folders", compare: "seeing what has changed", index: "taking pictures in", add: "taking pictures in", signatures: "colours and shapes", ann: "making searches fast" };

export async function open(place, app) {
  await styled();
  const view = new Numbers(place, app);
  view.start();
  return view;
}

class Numbers {
  constructor(place, app) {
    Object.assign(this, { place, app });
    this.run = el("section", { class: "panel run", "aria-label": "Indexing", hidden: true });
    this.figures = el("dl", { class: "figures-row" });
    this.health = el("section", { class: "panel health" });
    this.columns = el("section", { class: "columns-part" });
    this.steps = el("section", { class: "panel steps" });
    this.seen = () => document.visibilityState === "visible" && this.#soon(0);
  }

  update() {}

  close() {
    this.isClosed = true;
    clearTimeout(this.timer);
    document.removeEventListener("visibilitychange", this.seen);
  }

  async start() {
    const { stats } = this.app;
    this.began = stats;
    this.place.replaceChildren(
      heading("Numbers", el("p", { class: "note", text: stats.name ? `The catalogue ${stats.name}.` : "" })),
      this.run, this.figures, el("div", { class: "with-aside" }, this.columns, el("div", { class: "aside" }, this.health, this.steps)));
    this.#next();
    document.addEventListener("visibilitychange", this.seen);
    await this.#look();
  }

  #soon(ms) {
    clearTimeout(this.timer);
    if (!this.isClosed && document.visibilityState === "visible") this.timer = setTimeout(() => this.#look(), ms);
  }

  async #look() {
    const before = this.app.stats;
    const at = performance.now();
    try {
      const stats = await this.app.refreshStats();
      if (this.isClosed) return;
      this.#healthy(performance.now() - at);
      this.#figures(stats);
      this.#running(stats, before);
      if (stats.generation !== this.counted) await this.#facets(stats.generation);
    } catch (problem) {
      if (!this.isClosed) this.#ill(problem);
    }
    this.#soon(this.app.stats.indexing ? EVERY_MS : IDLE_MS);
  }

  // -- a run of `seealike index`, wherever it was started

  #running(stats, before) {
    const { indexing } = stats;
    if (indexing) {
      this.began = this.isOn ? this.began : before;
      if (!this.isOn) this.#begin();
      const { stage, done, total, rate, left_s: s } = indexing;
      const isKnown = Boolean(total);
      this.stage.textContent = `Indexing: ${STAGES[stage] ?? stage}`;
      if (isKnown) Object.assign(this.bar, { max: total, value: Math.min(done, total) });
      else this.bar.removeAttribute("value");
      this.told.textContent = [
        isKnown ? `${number(done)} of ${number(total)}` : `${number(done)} so far`,
        rate && done > total / 50 ? `${rate < 10 ? rate.toFixed(1) : number(Math.round(rate))} a second` : "",
        done > total / 50 ? left(s) : "", // the first ones tell little
      ].filter(Boolean).join(" · ");
      this.came.textContent = stats.items === this.began.items ? "" : `${came(stats.items - this.began.items)} so far.`;
    } else if (this.isOn) this.#end(stats);
    this.isOn = Boolean(indexing);
  }

  #begin() {
    this.stage = el("h2");
    this.bar = el("progress", { "aria-label": "Indexing" });
    this.told = el("p", { class: "told" });
    this.came = el("p", { class: "note" });
    this.run.replaceChildren(this.stage, this.bar, this.told, this.came, el("p", { class: "note", text: ENDINGS }));
    this.run.hidden = false;
    say("An indexing run is on.");
  }

  #end(stats) {
    const left = stats.skipped - this.began.skipped;
    const text = `Indexing is over: ${came(stats.items - this.began.items)}${left > 0 ? `, ${count(left, "file")} left out` : ""}.`;
    this.run.replaceChildren(el("h2", { text }), el("p", { class: "chips" },
      el("a", { class: "button quiet", href: hrefOfView("all"), text: "See the catalogue" }),
      left > 0 && el("a", { class: "button quiet", href: hrefOfView("skipped"), text: "See what was left out" })));
    say(text);
  }

  // -- what is there

  #figures(stats) {
    const figures = [
      ["pictures", number(stats.items)],
      ["left out", el("a", { href: hrefOfView("skipped"), text: number(stats.skipped) })],
      ["numbers that say how a picture looks", number(stats.dimension)],
      ["generation: how often it has changed", number(stats.generation)],
    ];
    const facts = [
      `Encoder: ${stats.encoder}.`,
      stats.reads_text ? "It reads words: search by typing." : "It reads no words: search by pictures.",
      stats.signed ? "Colours and shapes of the pictures are known." : "Colours and shapes are not known yet: seealike index makes them.",
      stats.groups ? "Pictures are grouped by product." : "Pictures have no groups.",
    ];
    const key = JSON.stringify([stats.items, stats.skipped, stats.generation, facts]);
    if (key === this.shown) return;
    this.shown = key;
    this.figures.replaceChildren(...figures.map(([label, value]) => el("div", {}, el("dt", { text: label }), el("dd", {}, value))));
    this.facts = facts;
    if (this.factList) this.factList.replaceChildren(...facts.map((text) => el("li", { text })));
  }

  async #facets(generation) {
    const done = this.counted === undefined ? waiting(this.columns, () => el("div", { class: "skeleton" }, el("span"), el("span"))) : () => {};
    try {
      const { columns } = await ask("/facets", { query: { most: MOST } });
      done();
      if (this.isClosed) return;
      this.counted = generation;
      this.columns.replaceChildren(el("h2", { text: "Columns" }), ...(columns.length ? columns.map(column) : [el("p", { class: "note", text: "The catalogue has none: index a table with columns beside id and path, and you can filter by them." })]));
    } catch (problem) {
      done();
      if (!this.isClosed && this.counted === undefined) this.columns.replaceChildren(stopped(problem, () => this.#facets(generation)));
    }
  }

  // -- how the service is

  #healthy(ms) {
    if (this.well !== true) {
      this.factList = el("ul", { class: "plain-list" });
      this.speed = el("p", { class: "note" });
      this.health.replaceChildren(el("h2", {}, icon("check"), "The service is well"), this.speed, this.factList, el("p", { class: "note", text: `${ACCESS[this.app.stats.access] ?? ""} seealike ${this.app.stats.version}.` }));
      if (this.well === false) say("The service answers again.");
      this.shown = "";
    }
    this.well = true;
    this.speed.textContent = `It answers in ${ms < 10 ? "less than 10" : Math.round(ms)} ms.`;
  }

  #ill(problem) {
    const isFirst = this.well !== false;
    this.well = false;
    if (!isFirst) return;
    const words = { offline: "The service does not answer", not_ready: "The service is starting", ending: "The service is ending", too_many_requests: "Too many are asking" };
    this.health.replaceChildren(el("h2", { class: "bad" }, icon("alert"), words[problem.code] ?? "The service is not well"), el("p", { text: problem.detail }), el("p", { class: "note", text: "It is asked again every few seconds. What is shown here is from before." }));
  }

  // -- what one may type

  #next() {
    const name = quoted(this.app.stats.name || "CATALOGUE");
    const steps = [
      ["Take in what is new in the folders and tables it was made from:", `seealike index -C ${name}`],
      ["Look through what is there twice, and move it away:", `seealike duplicates -C ${name} --page twice.html`],
      ["Try another encoder on this catalogue:", `seealike compare SPEC -C ${name}`],
      ["Move to it; then start the service again:", `seealike reindex -C ${name} --encoder SPEC`],
      ["See whether all is sound on the disk:", `seealike verify -C ${name}`],
    ];
    this.steps.replaceChildren(el("h2", { text: "What you may do next" }), el("p", { class: "note", text: "Type it on the machine where the catalogue is, in the folder that holds it." }), ...steps.map(([text, typed]) => el("div", {}, el("p", { text }), command(typed))));
  }
}

const came = (n) => (n < 0 ? `${count(-n, "picture")} went` : n ? `${count(n, "picture")} came` : "no picture came or went");

function column({ name, kind, distinct, missing, least, most, values, more }) {
  const about = [
    kind === "number" && least !== null ? `${number(least)} to ${number(most)}` : count(distinct, "value"),
    missing ? `${number(missing)} without` : "",
  ].filter(Boolean).join(" · ");
  const highest = Math.max(1, ...values.map((one) => one.count));
  const rows = kind === "number" && distinct > MOST ? [] : values;
  return el("div", { class: "column" }, el("h3", {}, name, el("span", { class: "n", text: about })),
    el("ul", {}, ...rows.map((one) => {
      const bar = el("span", { class: "bar" });
      bar.style.width = `${(100 * one.count) / highest}%`;
      return el("li", {}, el("a", { href: hrefOf({ view: "", pick: { [name]: [literal(one.value)] }, at: 0, own: {} }), title: `Search among them: ${one.value}`, text: String(one.value) }), el("span", { class: "track" }, bar), el("span", { class: "n", text: number(one.count) }));
    })), more && rows.length ? el("p", { class: "note", text: `and ${number(more)} more` }) : null);
}
