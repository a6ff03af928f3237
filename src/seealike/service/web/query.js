// What is searched with: a picture that is dropped, pasted, chosen or photographed, words, items; a part of it.

import { go, hrefOf, onState, state } from "./state.js";
import { ask, count, el, icon, iconButton, nameOf, say, thumbnail } from "./tools.js";

const MOST_WEIGHT = 5;
const MOST_LOCAL = 20;
const STEP = 0.02; // of a picture, by which a key moves a box
const local = new Map(); // the pictures of this tab by their tokens: shown without asking for them
let bringing = null; // the upload that is under way; whoever goes elsewhere has given it up
const known = new Map(); // items by their ids, or a promise of one
let knownAt = null; // the generation that they are of

/** Upload a picture and ask with it; `add`: beside what is asked with already. */
export async function take(file, add = false) {
  if (!file) return;
  bringing?.abort();
  const own = bringing = new AbortController();
  const shown = URL.createObjectURL(file);
  document.dispatchEvent(new CustomEvent("uploading", { detail: { shown } }));
  try {
    const { image } = await ask("/images", { body: file, type: file.type.startsWith("image/") ? file.type : "image/*", signal: own.signal });
    bringing = null;
    for (const [old, address] of local) {
      if (local.size < MOST_LOCAL) break;
      local.delete(old);
      URL.revokeObjectURL(address);
    }
    local.set(image, shown);
    const one = { kind: "image", value: image, weight: 1, box: null };
    go({ view: "", like: add ? [...state.like, one] : [one], not: add ? state.not : [], at: 0, on: "", open: "" }, add ? {} : { trail: [] });
  } catch (problem) {
    URL.revokeObjectURL(shown);
    if (problem.name === "AbortError") return;
    if (problem.code === "unusable_picture") problem.detail = `${file.name || "That"} cannot be searched with: it is no picture, or a damaged one.`;
    document.dispatchEvent(new CustomEvent("uploadfailed", { detail: { problem, retry: () => take(file, add) } }));
  }
}

/** Ask with the address of a picture, where the service fetches such. */
async function takeAddress(url) {
  bringing?.abort();
  const own = bringing = new AbortController();
  try {
    const { image } = await ask("/images", { json: { url }, signal: own.signal });
    bringing = null;
    go({ view: "", like: [{ kind: "image", value: image, weight: 1, box: null }], not: [], at: 0, on: "", open: "" }, { trail: [] });
  } catch (problem) {
    if (problem.name !== "AbortError") say(problem.detail);
  }
}

/** Dropping and pasting work anywhere on the page. */
export function listen(app) {
  onState(() => bringing?.abort());
  const ours = () => state.view !== "adding";
  const carries = (event) => [...(event.dataTransfer?.types ?? [])].some((type) => type === "Files" || type === "text/uri-list");
  let depth = 0;
  const lit = (on) => document.body.classList.toggle("dropping", on);
  addEventListener("dragenter", (event) => { if (ours() && carries(event)) lit(++depth > 0); });
  addEventListener("dragleave", (event) => { if (ours() && carries(event)) lit((depth = Math.max(0, depth - 1)) > 0); });
  addEventListener("dragover", (event) => { if (ours() && carries(event)) event.preventDefault(); });
  addEventListener("drop", (event) => {
    if (!ours() || !carries(event)) return;
    event.preventDefault();
    lit((depth = 0) > 0);
    taken(event.dataTransfer, app);
  });
  addEventListener("paste", (event) => {
    if (ours() && !event.target.closest?.("input, textarea")) taken(event.clipboardData, app);
    else if (ours() && event.clipboardData.files.length) taken(event.clipboardData, app);
  });
}

function taken(transfer, app) {
  const picture = [...transfer.files].find((file) => file.type.startsWith("image/")) ?? transfer.files[0];
  const own = /\/images\/([^?]+)/.exec(transfer.getData("text/uri-list"));
  const url = (transfer.getData("text/uri-list") || transfer.getData("text/plain")).trim().split("\n")[0];
  if (own && url.startsWith(location.origin)) searchFrom(decodeURIComponent(own[1]));
  else if (picture) take(picture);
  else if (/^https?:/.test(url) && app.stats?.takes_urls) takeAddress(url);
  else if (url) say(/^https?:/.test(url) ? "This service fetches no addresses: save the picture, then drop the file." : "There is no picture in that.");
}

function searchFrom(id) {
  go({ view: "", like: [{ kind: "id", value: id, weight: 1, box: null }], not: [], at: 0, on: "", open: "" });
}

/** Ways to bring a picture: choose, photograph, paste; words where the encoder reads them. */
export function ways(app, { add = false } = {}) {
  const input = (capture) => el("input", {
    type: "file", accept: "image/*", class: "unseen", tabIndex: -1, "aria-hidden": "true", capture: capture ? "environment" : undefined,
    on: { change: (event) => { take(event.target.files[0], add); event.target.value = ""; } },
  });
  const [file, photo] = [input(false), input(true)];
  return el("div", { class: "ways" },
    el("button", { type: "button", class: "button", on: { click: () => file.click() } }, icon("picture"), "Choose a picture"), file,
    matchMedia("(pointer: coarse)").matches && el("button", { type: "button", class: "button quiet", on: { click: () => photo.click() } }, icon("camera"), "Take a photo"), photo,
    app.stats.reads_text && textField(add),
  );
}

function textField(add) {
  const field = el("input", { type: "search", placeholder: "or say it in words", "aria-label": "Search by words", maxLength: 500 });
  return el("form", { class: "words", on: { submit: (event) => {
    event.preventDefault();
    const value = field.value.trim();
    if (!value) return;
    const one = { kind: "text", value, weight: 1, box: null };
    go({ like: add ? [...state.like, one] : [one], not: add ? state.not : [], at: 0, on: "" });
  } } }, field, iconButton("search", "Search by these words", undefined, { type: "submit" }));
}

/** What is known of an item; remembered as long as the catalogue is as it is. */
export function itemOf(id) {
  if (!known.has(id)) {
    const asked = ask(`/items/${encodeURIComponent(id)}`);
    known.set(id, asked);
    asked.catch(() => known.get(id) === asked && known.delete(id));
  }
  return known.get(id);
}

/** Items that a reply has told of already, and the generation that it is of: what was known of another one is forgotten. */
export function learn({ generation, items = [] }) {
  if (generation !== knownAt || known.size > 5000) known.clear();
  knownAt = generation;
  for (const item of items) known.set(item.id, item);
}

/** Where the picture of an example is, and how it is called. */
export function shownOf(example, px) {
  if (example.kind === "id") {
    const item = known.get(example.value);
    return { name: item && !item.then ? nameOf(item) : example.value, src: thumbnail(`/images/${encodeURIComponent(example.value)}`, px) };
  }
  if (example.kind === "image") {
    return { name: "your picture", src: local.get(example.value) ?? thumbnail(`/uploads/${encodeURIComponent(example.value)}`, px) };
  }
  return { name: example.value, src: null };
}

// -- the panel

/** Draw what is asked with into the panel. */
export function drawQuery(place, app) {
  const focused = document.activeElement?.closest?.(".query") ? document.activeElement.dataset.keep : null;
  const [lead] = state.like;
  const parts = [];
  if (lead) parts.push(leading(lead));
  const all = [...state.like.map((one, at) => ({ one, at, field: "like" })), ...state.not.map((one, at) => ({ one, at, field: "not" }))];
  if (all.length > 1) {
    parts.push(el("h2", { class: "small", text: `${count(state.like.length, "like")}${state.not.length ? `, ${count(state.not.length, "dislike")}` : ""}` }));
    parts.push(el("ul", { class: "examples" }, ...all.map(chip)));
  }
  parts.push(el("details", { class: "bring" }, el("summary", { text: lead ? "Another picture" : "A picture" }), ways(app),
    el("p", { class: "note", text: "Or drop one anywhere on this page, or paste one." })));
  place.replaceChildren(...parts);
  if (focused) place.querySelector(`[data-keep="${CSS.escape(focused)}"]`)?.focus();
}

function leading(lead) {
  const { name, src } = shownOf(lead, 320);
  if (!src) return el("figure", { class: "lead" }, el("blockquote", { class: "words", text: name }));
  const picture = el("img", { src, alt: `What is searched with: ${name}`, draggable: false });
  const stage = el("div", { class: "stage" }, picture);
  const caption = el("figcaption", {}, el("span", { class: "name", text: name, title: name }));
  const figure = el("figure", { class: "lead" }, stage, caption);
  picture.addEventListener("error", () => {
    caption.querySelector("button")?.remove();
    stage.replaceChildren(el("p", { class: "gone" }, icon("gone"), lead.kind === "image" ? "This picture is not kept any more. Drop it again." : "Its picture cannot be shown."));
  });
  cropping(lead, stage, caption);
  named(lead, (text) => { caption.firstChild.textContent = caption.firstChild.title = text; });
  return figure;
}

/** Have the name of an example, also where it must be asked for. */
export async function named(example, told) {
  const now = shownOf(example, 160).name;
  told(now);
  if (example.kind !== "id" || now !== example.value) return;
  const item = await Promise.resolve(itemOf(example.value)).catch(() => null);
  if (item) told(nameOf(item));
}

function chip({ one, at, field }) {
  const { src } = shownOf(one, 160);
  const label = el("span", { class: "name" });
  const changed = (changes) => go({ [field]: state[field].map((other, place) => (place === at ? { ...other, ...changes } : other)), at: 0 }, { replace: true });
  const weigh = (by) => changed({ weight: Math.min(MOST_WEIGHT, Math.max(0.5, one.weight + by)) });
  const sign = field === "like" ? "liked" : "disliked";
  const keep = `${field}${at}`;
  const less = iconButton("less", "", () => weigh(-0.5), { disabled: one.weight <= 0.5, data: { keep: `${keep}-` } });
  const more = iconButton("more", "", () => weigh(0.5), { disabled: one.weight >= MOST_WEIGHT, data: { keep: `${keep}+` } });
  const away = iconButton("close", "", () => go({ [field]: state[field].filter((_, place) => place !== at), at: 0, on: "" }), { data: { keep: `${keep}x` } });
  const weight = el("output", { text: `× ${one.weight}` });
  named(one, (text) => {
    label.textContent = label.title = text;
    weight.ariaLabel = `${text}, ${sign}, weight ${one.weight}`;
    for (const [button, told] of [[less, `${text} counts less`], [more, `${text} counts more`], [away, `Leave ${text} out`]]) button.title = button.ariaLabel = told;
  });
  return el("li", { class: sign }, src ? el("img", { src, alt: "", width: 44, height: 44 }) : icon("search"), label, el("span", { class: "weight" }, less, weight, more), away);
}

// -- a part of the picture: a box to drag, to move with keys, or to say in numbers

function cropping(lead, stage, caption) {
  const box = el("div", { class: "box", tabIndex: 0, role: "group", "aria-roledescription": "box", "aria-label": "The part that is searched: arrows move it, with Shift they change its size, Delete takes it away", hidden: true, data: { keep: "box" } });
  for (const corner of ["nw", "ne", "sw", "se"]) box.append(el("span", { class: `handle ${corner}`, data: { corner } }));
  stage.append(box);
  const numbers = el("div", { class: "numbers", hidden: true });
  let at = lead.box;
  const draw = () => {
    box.hidden = !at;
    stage.classList.toggle("cropped", Boolean(at));
    if (at) ["left", "top", "width", "height"].forEach((name, place) => { box.style[name] = `${at[place] * 100}%`; });
    [...numbers.querySelectorAll("input")].forEach((field, place) => { if (at && document.activeElement !== field) field.value = Math.round(at[place] * 100); });
    numbers.hidden = !at;
    toggle.replaceChildren(icon("crop"), at ? "The whole picture" : "Search a part");
  };
  const settle = (now, wait = 0) => {
    at = now;
    draw();
    clearTimeout(settle.timer);
    settle.timer = setTimeout(() => stage.isConnected && state.view === "" && go({ like: [{ ...lead, box: at }, ...state.like.slice(1)], at: 0, on: "" }, { replace: Boolean(wait) }), wait);
  };
  const toggle = el("button", { type: "button", class: "plain", data: { keep: "crop" }, on: { click: () => {
    const now = at ? null : [0.2, 0.2, 0.6, 0.6];
    if (now) {
      at = now;
      draw();
      box.focus({ preventScroll: true }); // arrows move it at once
    }
    settle(now);
  } } });
  ["left", "top", "width", "height"].forEach((name, place) => {
    numbers.append(el("label", {}, `${name} %`, el("input", { type: "number", min: place < 2 ? 0 : 5, max: 100, step: 1, data: { keep: name }, on: { change: (event) => {
      const now = [...at];
      now[place] = Number(event.target.value) / 100;
      settle(within(now), 300);
    } } })));
  });
  caption.append(toggle, numbers);
  draw();
  box.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] }[event.key];
    if (event.key === "Delete" || event.key === "Backspace") settle(null);
    if (!by) return;
    event.preventDefault();
    settle(within(event.shiftKey ? [at[0], at[1], at[2] + by[0], at[3] + by[1]] : [at[0] + by[0], at[1] + by[1], at[2], at[3]]), 400);
  });
  dragging(stage, box, () => at, (now) => { at = now; draw(); }, (now) => settle(now));
}

function within([left, top, width, height]) {
  const clamp = (value, least, most) => Math.min(most, Math.max(least, value || 0));
  const [w, h] = [clamp(width, 0.05, 1), clamp(height, 0.05, 1)];
  return [clamp(left, 0, 1 - w), clamp(top, 0, 1 - h), w, h];
}

function dragging(stage, box, current, moved, ended) {
  const place = (event) => {
    const area = stage.getBoundingClientRect();
    return [(event.clientX - area.left) / area.width, (event.clientY - area.top) / area.height].map((one) => Math.min(1, Math.max(0, one)));
  };
  stage.addEventListener("pointerdown", (event) => {
    if (event.button || (event.pointerType === "touch" && !event.target.closest(".box"))) return;
    event.preventDefault();
    const start = place(event);
    const corner = event.target.dataset.corner;
    const inside = !corner && event.target.closest(".box");
    const from = current();
    const fixed = corner && [corner.includes("w") ? from[0] + from[2] : from[0], corner.includes("n") ? from[1] + from[3] : from[1]];
    stage.setPointerCapture(event.pointerId);
    let now = null;
    const move = (next) => {
      const [x, y] = place(next);
      const [a, b] = fixed || start;
      now = inside ? within([from[0] + x - start[0], from[1] + y - start[1], from[2], from[3]])
        : [Math.min(a, x), Math.min(b, y), Math.abs(x - a), Math.abs(y - b)];
      if (inside || (now[2] > 0.02 && now[3] > 0.02)) moved(now);
    };
    const end = (next) => {
      stage.removeEventListener("pointermove", move);
      for (const name of ["pointerup", "pointercancel"]) stage.removeEventListener(name, end);
      if (next.type === "pointerup" && now && (inside || (now[2] > 0.02 && now[3] > 0.02))) {
        ended(within(now));
        box.focus({ preventScroll: true });
      } else moved(from);
    };
    stage.addEventListener("pointermove", move);
    for (const name of ["pointerup", "pointercancel"]) stage.addEventListener(name, end);
  });
}

/** The question that the state asks, as the service takes it. */
export function examplesIn(list) {
  return list.map(({ kind, value, weight, box }) => ({
    [kind]: value,
    ...(weight === 1 ? {} : { weight }),
    ...(box ? { crop: box.map((one) => Math.min(1, one).toFixed(4)).join(",") } : {}),
  }));
}

/** The address of a search from an item, with the wishes of now. */
export function hrefFrom(id) {
  return hrefOf({ view: "", like: [{ kind: "id", value: id, weight: 1, box: null }], not: [], at: 0, on: "", open: "", palette: "", own: {} });
}
