// What every view uses: elements without HTML texts, requests, words for numbers.

const SVG = "http://www.w3.org/2000/svg";
const SIZES = [160, 320, 640, 1280, 2048];
const WORDS = [[0.95, "nearly the same"], [0.8, "very alike"], [0.65, "alike"], [0.5, "somewhat alike"], [0.35, "a little alike"], [-1, "hardly alike"]];

/** An element: `class`, `text`, `on: {event: listener}`, `data: {}`; properties where it has them, else attributes. */
export function el(tag, said = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(said)) {
    if (value === undefined || value === null) continue;
    if (name === "class") made.className = value;
    else if (name === "text") made.textContent = value;
    else if (name === "on") for (const [event, listener] of Object.entries(value)) made.addEventListener(event, listener);
    else if (name === "data") Object.assign(made.dataset, value);
    else if (name in made && name !== "list" && name !== "form") made[name] = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** A drawing of the page's own. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", "icon");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** A button with a drawing; its name is read out, and shown where the pointer rests. */
export function iconButton(name, label, click, said = {}) {
  return el("button", { type: "button", class: "round", title: label, "aria-label": label, on: { click }, ...said }, icon(name));
}

/** Why a request has no answer: `code` stays the same, `detail` is for people, `reason` says why a picture cannot be used. */
export class Problem extends Error {
  constructor(code, detail, { status = 0, retryS = 0, reason = "" } = {}) {
    super(detail);
    Object.assign(this, { code, detail, status, retryS, reason });
  }
}

/** The reply to a request: JSON, or bytes where `as` says so. Throws a Problem. */
export async function ask(path, { method, query, json, body, type, signal, as = "json" } = {}) {
  const address = new URL(path, location.href);
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== null && value !== "") address.searchParams.set(name, value);
  }
  const headers = {};
  if (json !== undefined) headers["content-type"] = "application/json";
  else if (type) headers["content-type"] = type;
  let reply;
  try {
    reply = await fetch(address, {
      method: method ?? (json !== undefined || body !== undefined ? "POST" : "GET"),
      headers,
      body: json === undefined ? body : JSON.stringify(json),
      signal,
    });
    if (reply.ok) {
      if (reply.status === 204) return null;
      if (as === "reply") return reply;
      return await reply.json();
    }
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("offline", navigator.onLine ? "The service does not answer." : "This device is offline.");
  }
  const said = await reply.json().catch(() => ({}));
  const problem = new Problem(said.code ?? "failed", said.detail ?? `The service answered ${reply.status}.`, { status: reply.status, retryS: Number(reply.headers.get("retry-after")) || 0, reason: said.reason });
  if (problem.code === "no_key") dispatchEvent(new CustomEvent("keyneeded"));
  throw problem;
}

/** The address of a picture at the least of the sizes that is wide enough for this screen. */
export function thumbnail(image, px) {
  const wanted = px * Math.min(devicePixelRatio || 1, 3);
  return `${image}?size=${SIZES.find((size) => size >= wanted) ?? SIZES.at(-1)}`;
}

export const number = (value) => value.toLocaleString("en");
export const count = (n, noun) => `${number(n)} ${n === 1 ? noun : noun.endsWith("y") ? `${noun.slice(0, -1)}ies` : `${noun}s`}`;
export const words = (score) => WORDS.find(([least]) => score >= least)[1];
export const seconds = (s) => (s < 90 ? `${Math.round(s)} s` : s < 5400 ? `${Math.round(s / 60)} min` : `${(s / 3600).toFixed(1)} h`);

const weight = (unit) => (unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800);
/** Whether an id comes before another. The service has them in the order of code points, `<` in that of UTF-16. */
export function comesBefore(one, other) {
  let at = 0;
  while (at < one.length && one[at] === other[at]) at += 1;
  return at < other.length && (at === one.length || weight(one.charCodeAt(at)) < weight(other.charCodeAt(at)));
}

/** How long something will still take, where that is known. */
export const left = (s) => (s ? `about ${seconds(s)} left` : "");

/** A long text without its middle: its end tells it from others. */
export function shortened(text, most) {
  return text.length <= most ? text : `${text.slice(0, Math.ceil(most / 2))}…${text.slice(1 - Math.floor(most / 2))}`;
}

/** What people call an item: what its table says, else its id. */
export function nameOf(item) {
  const { name, title } = item.metadata ?? {};
  return String(name ?? title ?? item.id);
}

let saying;
/** Say something that just happened: read out politely, and shown for a moment. `undo`: a button with it. */
export function say(text, undo) {
  const place = document.getElementById("said");
  place.replaceChildren(text);
  if (undo) place.append(el("button", { type: "button", class: "plain", text: "Undo", on: { click: () => { place.classList.remove("on"); undo(); } } }));
  place.classList.add("on");
  clearTimeout(saying);
  saying = setTimeout(() => place.classList.remove("on"), undo ? 8000 : 4000);
}

const REMEDIES = {
  offline: "Nothing is lost: try again once it is back.",
  overloaded: "Many are asking right now.",
  not_ready: "The service is starting.",
  unknown_image: "Uploaded pictures are kept for a quarter of an hour, or until the service ends. Drop the picture again.",
  unknown_item: "It may have been removed since this address was made.",
};

/** What is shown where something could not be done, and a button: to try again, or for another way on. */
export function stopped(problem, retry, label = "Try again") {
  return el("div", { class: "stopped", role: "alert" },
    icon(problem.code === "offline" ? "offline" : "alert"),
    el("p", { class: "what", text: problem.detail.charAt(0).toUpperCase() + problem.detail.slice(1) }),
    REMEDIES[problem.code] && el("p", { class: "note", text: REMEDIES[problem.code] }),
    retry && el("button", { type: "button", class: "button", text: label, on: { click: retry } }),
  );
}

/** Shown where a catalogue has no pictures: how it gets some. */
export function noPictures({ stats }) {
  return el("div", { class: "stopped" }, icon("picture"), el("p", { class: "what", text: "This catalogue has no pictures yet." }),
    stats.access !== "read" && el("a", { class: "button", href: "/?view=adding", text: "Add some here" }),
    el("p", { class: "note" }, stats.access === "read" ? "Give it some: " : "Or give it those of a folder: ", el("code", { text: "seealike index FOLDER -C CATALOGUE" }),
      ", where CATALOGUE is the directory that the service was started with."));
}

/** Show what is being waited for: nothing for a blink, then a skeleton, then words. Call the result to end it. */
export function waiting(place, make) {
  const skeleton = setTimeout(() => place.replaceChildren(make()), 150);
  const slow = setTimeout(() => place.prepend(el("p", { class: "note slow", role: "status", text: "This takes longer than usual …" })), 3000);
  return () => {
    clearTimeout(skeleton);
    clearTimeout(slow);
  };
}
