// Removing items: those whose id begins so, chosen, named once more, and then gone from the catalogue.

import { state } from "./state.js";
import { ask, count, el, nameOf, say, stopped, thumbnail } from "./tools.js";
import { address, itemNamed } from "./sending.js";
import { dialog } from "./views.js";

const MOST = 24;
const NAMED = 100; // in the question
const TRIES = 8;

/** The part of the view; an id in `own.remove` is chosen already, as the menu of an item does. */
export function removing(app) {
  const chosen = new Map();
  const found = el("ul", { class: "found-items" });
  const bar = el("div", { class: "tools" });
  const note = el("p", { class: "note", role: "status" });
  const field = el("input", { type: "search", placeholder: "the beginning of an id", on: { input: () => { clearTimeout(timer); timer = setTimeout(look, 250); } } });
  const part = el("section", { class: "panel removing" }, el("h2", { text: "Remove pictures" }),
    el("label", {}, "Items whose id begins with", field), note, found, bar);
  let timer;
  let turn = 0;

  async function look() {
    const begin = field.value;
    const mine = (turn += 1);
    try {
      const items = begin ? (await ask("/items", { query: { start: begin, limit: MOST } })).items.filter((item) => item.id.startsWith(begin)) : [];
      if (mine !== turn) return;
      note.textContent = !begin ? "" : items.length ? (items.length === MOST ? `The first ${MOST} are shown: type more of the id.` : "") : "No id begins like this.";
      const others = [...chosen.values()].filter((item) => !items.some((one) => one.id === item.id));
      found.replaceChildren(...[...others, ...items].map(row));
    } catch (problem) {
      if (mine === turn) found.replaceChildren(el("li", {}, stopped(problem, look)));
    }
    tell();
  }

  function row(item) {
    const name = nameOf(item);
    return el("li", {}, el("label", {},
      el("input", { type: "checkbox", checked: chosen.has(item.id), on: { change: (event) => { if (event.target.checked) chosen.set(item.id, item); else chosen.delete(item.id); tell(); } } }),
      item.image ? el("img", { src: thumbnail(item.image, 52), alt: "", loading: "lazy" }) : el("span", { class: "no-picture" }),
      el("span", { class: "name" }, item.id, name !== item.id && el("span", { class: "note", text: name }))));
  }

  function tell() {
    bar.replaceChildren(...(chosen.size ? [
      el("button", { type: "button", class: "button danger", text: `Remove ${count(chosen.size, "item")} …`, on: { click: sure } }),
      el("button", { type: "button", class: "button quiet", text: "Choose none", on: { click: () => { chosen.clear(); look(); field.focus(); } } }),
    ] : []));
  }

  function sure() {
    const ids = [...chosen.keys()];
    const sheet = dialog(`Remove ${count(ids.length, "item")}?`,
      el("ul", { class: "going" }, ...ids.slice(0, NAMED).map((id) => el("li", { text: id })), ids.length > NAMED && el("li", { text: `and ${count(ids.length - NAMED, "other item")}` })),
      el("p", { text: "They go from the catalogue, and pictures that were sent from here or over HTTP go with them. This cannot be undone." }),
      el("p", { class: "note", text: "Files that seealike index found stay where they are, and the next seealike index brings them back: delete the file too, if it is to stay away." }),
      el("div", { class: "tools" },
        el("button", { type: "button", class: "button quiet", text: "Keep them", on: { click: () => sheet.close() } }),
        el("button", { type: "button", class: "button danger", text: "Remove for good", on: { click: () => { sheet.close(); remove(ids); } } })));
    sheet.querySelector(".tools .quiet").focus();
  }

  async function remove(ids) {
    let failed = null;
    let n = 0;
    bar.replaceChildren(el("progress", { max: ids.length, value: 0, "aria-label": "Removed" }));
    for (const id of ids) {
      try {
        await gone(id);
        chosen.delete(id);
        n += 1;
        bar.firstChild.value = n;
      } catch (problem) {
        failed = problem;
        break;
      }
    }
    say(`${count(n, "item")} removed.`);
    app.refreshStats().catch(() => {});
    await look();
    if (failed) bar.append(el("p", { class: "wrong", role: "alert", text: `${failed.detail} ${count(chosen.size, "item")} not removed.` }));
    else field.focus();
  }

  if (state.own.remove) {
    field.value = state.own.remove;
    look().then(async () => {
      const item = await itemNamed(state.own.remove).catch(() => null);
      if (item) chosen.set(item.id, item);
      await look();
      part.scrollIntoView({ block: "center" });
      bar.querySelector("button")?.focus();
    });
  }
  return part;
}

/** One item less; a busy service is asked again. */
async function gone(id) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await ask(address(id), { method: "DELETE" });
    } catch (problem) {
      if (!problem.retryS || tries === TRIES) throw problem;
      await new Promise((done) => { setTimeout(done, problem.retryS * 1000); });
    }
  }
}
