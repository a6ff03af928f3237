// Query and result side by side: as large as the screen, zoomed together, with what is known of the result.

import { examplesIn, hrefFrom, itemOf, named, shownOf } from "./query.js";
import { go, hrefOf, state } from "./state.js";
import { ask, count, el, icon, iconButton, nameOf, number, thumbnail, words } from "./tools.js";

const MOST_ZOOM = 8;
const LARGE_PX = 1000;

export class Beside {
  constructor(app) {
    this.app = app;
    this.zoom = { scale: 1, x: 0, y: 0 };
    this.name = el("h2", { tabIndex: -1 });
    this.pair = el("div", { class: "pair" });
    this.facts = el("div", { class: "facts" });
    const step = (by) => () => this.step(by);
    const zoom = (by) => () => this.zoomed(by);
    this.dialog = el("dialog", { class: "beside", "aria-labelledby": "beside-name" },
      el("div", { class: "bar" }, this.name,
        iconButton("less", "Smaller", zoom(1 / 1.5)), iconButton("more", "Larger", zoom(1.5)),
        iconButton("back", "The one before (left arrow)", step(-1)), iconButton("next", "The next one (right arrow)", step(1)),
        iconButton("close", "Close (Escape)", () => this.leave())),
      this.pair, this.facts);
    this.name.id = "beside-name";
    this.dialog.addEventListener("cancel", (event) => { event.preventDefault(); this.leave(); });
    this.dialog.addEventListener("keydown", (event) => {
      if (event.target.closest("input")) return;
      if (event.key === "ArrowLeft") this.step(-1);
      else if (event.key === "ArrowRight") this.step(1);
      else if (event.key === "+" || event.key === "=") this.zoomed(1.5);
      else if (event.key === "-") this.zoomed(1 / 1.5);
      else if (event.key === "0") this.zoomed(0);
      else return;
      event.preventDefault();
    });
    this.dialog.addEventListener("click", (event) => { if (event.target === this.dialog) this.leave(); });
    document.body.append(this.dialog);
  }

  close() {
    this.dialog.close();
    this.dialog.remove();
  }

  leave() {
    go({ open: "" });
  }

  step(by) {
    const at = this.hits.findIndex((hit) => hit.id === this.id) + by;
    if (at >= 0 && at < this.hits.length) go({ open: this.hits[at].id, on: this.hits[at].id }, { replace: true });
  }

  async show(id, hits) {
    this.id = id;
    this.hits = hits;
    const hit = hits.find((one) => one.id === id) ?? null;
    this.zoom = { scale: 1, x: 0, y: 0 };
    if (!this.dialog.open) this.dialog.showModal();
    this.name.textContent = hit ? nameOf(hit) : id;
    const [lead] = state.like;
    const query = lead && shownOf(lead, LARGE_PX);
    this.pair.replaceChildren(
      ...(query?.src ? [this.picture(query.src, query.name, "the query")] : []),
      this.picture(thumbnail(`/images/${encodeURIComponent(id)}`, LARGE_PX), this.name.textContent, hit ? `${words(hit.score)} ${hit.score.toFixed(3)}` : ""),
    );
    if (query?.src) named(lead, (text) => { this.pair.querySelector(".name").textContent = text; });
    this.facts.replaceChildren();
    try {
      const item = hit ?? await itemOf(id);
      if (this.id === id) this.describe(item, hit);
    } catch (problem) {
      if (!problem.code) throw problem;
      if (this.id === id) this.facts.replaceChildren(el("p", { class: "wrong", role: "alert", text: problem.code === "unknown_item" ? "This item is not in the catalogue any more." : problem.detail }));
    }
  }

  describe(item, hit) {
    const rows = Object.entries(item.metadata ?? {}).filter(([, value]) => value !== null && value !== "");
    const told = [["id", item.id], item.group && ["product", item.group], ["pixels", `${number(item.width_px)} × ${number(item.height_px)}`],
      hit?.probability != null && ["probability", `${Math.round(hit.probability * 100)} %`],
      hit?.colour != null && ["colours alike", hit.colour.toFixed(2)],
      hit?.others && ["of its product", count(hit.others, "more picture")],
      hit?.near && ["nearly equal", `${count(hit.near, "other")} left out`], ...rows].filter(Boolean);
    this.name.textContent = nameOf(item);
    [...this.pair.querySelectorAll(".name")].at(-1).textContent = nameOf(item);
    this.facts.replaceChildren(
      el("p", { class: "acts" }, el("a", { class: "button", href: hrefFrom(item.id), text: "What looks like this?" }), this.because(item),
        this.app.stats.access !== "read" && el("a", { class: "button quiet", href: hrefOf({ view: "adding", open: "", own: { remove: item.id } }), text: "Remove …" })),
      el("dl", {}, ...told.map(([name, value]) => el("div", {}, el("dt", { text: name }), el("dd", { text: String(value) })))));
  }

  because(item) {
    if (!state.like.length) return "";
    const place = el("span", { class: "because", role: "status" });
    return el("span", {}, el("button", { type: "button", class: "button quiet", on: { click: async () => {
      place.textContent = "…";
      try {
        place.textContent = await this.why(item.id);
      } catch (problem) {
        place.textContent = problem.detail;
      }
    } } }, icon("why"), "Why?"), place);
  }

  async why(id) {
    const asked = { like: examplesIn(state.like), k: 50, explain: true, pictures: state.pictures, ...(state.not.length ? { dislike: examplesIn(state.not) } : {}), ...(state.color ? { color: state.color } : {}) };
    const { hits } = await ask("/recommend", { json: asked });
    const hit = hits.find((one) => one.id === id);
    if (!hit) return "Only the 50 nearest are explained.";
    const { explanation } = hit;
    if (explanation.problem) return explanation.problem;
    const { drawHeat } = await import("./results.js");
    const overlays = [explanation.query, explanation.hit].map((found) => found && drawnHeat(drawHeat, found));
    const stages = [...this.pair.querySelectorAll(".zoomed")].slice(-overlays.length);
    stages.forEach((stage, at) => { if (overlays[at + overlays.length - stages.length]) stage.append(overlays[at + overlays.length - stages.length]); });
    if (explanation.examples?.length) return `By example: ${explanation.examples.map((share) => share.toFixed(2)).join(" + ")}${explanation.rest ? `, and ${explanation.rest.toFixed(2)} by colour and the rest` : ""}.`;
    const lit = "The brighter a place, the more of the score comes from it; what is dark all over was not looked at.";
    return Math.abs(explanation.rest) > 0.005 ? `${lit} Places make ${(hit.score - explanation.rest).toFixed(2)} of ${hit.score.toFixed(2)}, colour and the rest ${explanation.rest.toFixed(2)}.` : lit;
  }

  picture(src, name, label) {
    const zoomed = el("div", { class: "zoomed" }, el("img", { src, alt: name, draggable: false }));
    const frame = el("div", { class: "frame" }, zoomed);
    zoomed.firstChild.addEventListener("load", ({ target }) => zoomed.style.setProperty("--ratio", target.naturalWidth / target.naturalHeight));
    zoomed.firstChild.addEventListener("error", () => zoomed.replaceChildren(el("p", { class: "gone" }, icon("gone"), "This picture cannot be shown.")));
    frame.addEventListener("wheel", (event) => { event.preventDefault(); this.zoomed(event.deltaY < 0 ? 1.2 : 1 / 1.2, event); }, { passive: false });
    frame.addEventListener("dblclick", (event) => this.zoomed(this.zoom.scale > 1 ? 0 : 2.5, event));
    frame.addEventListener("pointerdown", (event) => {
      if (this.zoom.scale === 1) return;
      frame.setPointerCapture(event.pointerId);
      const move = (next) => { this.zoom.x += next.movementX / frame.clientWidth; this.zoom.y += next.movementY / frame.clientHeight; this.apply(); };
      const end = () => { frame.removeEventListener("pointermove", move); frame.removeEventListener("pointerup", end); };
      frame.addEventListener("pointermove", move);
      frame.addEventListener("pointerup", end);
    });
    return el("figure", {}, frame, el("figcaption", {}, el("span", { class: "name", text: name }), label && el("span", { class: "note", text: label })));
  }

  /** Both at once, about the place of the pointer; 0: as it was. */
  zoomed(by, event) {
    const before = this.zoom.scale;
    const scale = by ? Math.min(MOST_ZOOM, Math.max(1, before * by)) : 1;
    const area = event?.currentTarget.getBoundingClientRect();
    const [px, py] = area ? [(event.clientX - area.left) / area.width - 0.5, (event.clientY - area.top) / area.height - 0.5] : [0, 0];
    this.zoom.x = px - ((px - this.zoom.x) * scale) / before;
    this.zoom.y = py - ((py - this.zoom.y) * scale) / before;
    this.zoom.scale = scale;
    this.apply();
  }

  apply() {
    const { zoom } = this;
    const most = (zoom.scale - 1) / 2;
    zoom.x = Math.min(most, Math.max(-most, zoom.x));
    zoom.y = Math.min(most, Math.max(-most, zoom.y));
    for (const one of this.pair.querySelectorAll(".zoomed")) one.style.transform = `translate(${zoom.x * 100}%, ${zoom.y * 100}%) scale(${zoom.scale})`;
  }
}

function drawnHeat(drawHeat, found) {
  const canvas = el("canvas", { class: "heat" });
  drawHeat(canvas, found);
  return canvas;
}
