// Pictures on their way into the catalogue: what each is to be called, whether it replaces one, and sending them,
// two at a time. It goes on while other views are open.

import { meant } from "./skipped.js";
import { ask, comesBefore, count, say } from "./tools.js";

const AT_ONCE = 2;
const LOOKED_UP = 200; // items in a reply
const MOST_TRIES = 8; // of a service that says it is busy
const PICTURE = /\.(jpe?g|jfif|png|gif|bmp|webp|avif|hei[cf]|tiff?)$/i;

export const entries = [];
/** What all get: `group`, `metadata` (an object), and whether what is there may be replaced. */
export const wishes = { prefix: "", group: "", metadata: {}, replace: false };
let running = 0;
let isLooking = false;
let changed = () => {};

/** Whoever shows it: `changed(entry)`; without an entry where several have changed. */
export function watch(listener) {
  changed = listener;
}

export const address = (id) => `/items/${encodeURIComponent(id)}`;

/** The item of this id, or nothing. */
export async function itemNamed(id) {
  const [item] = (await ask("/items", { query: { start: id, limit: 1 } })).items;
  return item?.id === id ? item : null;
}

export const isSending = () => running > 0;
export const idOf = (entry) => entry.id ?? wishes.prefix + entry.path;
const isOpen = (entry) => !["sent", "sending", "waiting"].includes(entry.state);
/** Those that a click on Add would send. */
export const ready = () => entries.filter((entry) => ["new", "there", "unsure"].includes(entry.state) && !entry.twice && !entry.isNameless && (entry.state !== "there" || wishes.replace));

/** Files of a choice or a folder, with their paths; the paths of those that are no pictures. */
export function take(files) {
  const others = [];
  for (const { file, path } of files) {
    if (file.type.startsWith("image/") || PICTURE.test(file.name)) entries.push({ file, path, id: null, state: "unsure", told: "" });
    else others.push(path);
  }
  renamed();
  return others;
}

export function drop(gone) {
  for (const entry of gone) entry.aborter?.abort();
  entries.splice(0, entries.length, ...entries.filter((entry) => !gone.includes(entry)));
  renamed();
}

/** Names have changed: look which are there already, and which are given twice. */
export function renamed() {
  const seen = new Map();
  for (const entry of entries) {
    const id = idOf(entry);
    entry.twice = entry.state !== "sent" && seen.has(id);
    entry.isNameless = ["", ".", ".."].includes(id);
    if (entry.state !== "sent") seen.set(id, entry);
    if (isOpen(entry) && entry.checked !== id) Object.assign(entry, { state: "unsure", told: "", there: null });
  }
  changed();
  if (!isLooking) lookUp();
}

const isUnsure = (entry) => entry.state === "unsure" && !entry.isNameless;

async function lookUp() {
  isLooking = true;
  for (let unsure = entries.filter(isUnsure); unsure.length; unsure = entries.filter(isUnsure)) await look(unsure);
  isLooking = false;
  changed();
}

/** Which of these names are there. Items come in order, so that a reply tells of many names at once. */
async function look(unsure) {
  const asked = unsure.map((entry) => ({ entry, id: idOf(entry) }));
  const first = asked.reduce((one, other) => (comesBefore(other.id, one.id) ? other : one));
  let known = asked;
  let tell = () => ({ state: "new", there: null });
  try {
    const { items, next: after } = await ask("/items", { query: { start: first.id, limit: asked.length > 1 ? LOOKED_UP : 1 } });
    const there = new Map(items.map((item) => [item.id, item]));
    known = asked.filter(({ id }) => after === null || !comesBefore(items.at(-1).id, id));
    tell = (id) => (there.has(id) ? { state: "there", there: there.get(id) } : { state: "new", there: null });
  } catch (problem) {
    if (problem.retryS) return rest(problem.retryS);
    tell = () => ({ state: "failed", told: problem.detail });
  }
  for (const { entry, id } of known) if (entry.state === "unsure" && idOf(entry) === id) Object.assign(entry, { told: "", checked: id, ...tell(id) });
  changed();
}

const rest = (s, signal) => new Promise((done) => {
  const timer = setTimeout(done, s * 1000);
  signal?.addEventListener("abort", () => { clearTimeout(timer); done(); });
});

/** Send these; `again` are those that failed or were stopped. */
export function send(chosen) {
  for (const entry of chosen) Object.assign(entry, { state: "waiting", told: "" });
  while (running < AT_ONCE && entries.some((entry) => entry.state === "waiting")) work();
  changed();
}

/** Once more, after looking whether they are there by now. */
export async function again(chosen) {
  for (const entry of chosen) Object.assign(entry, { state: "unsure", checked: null, told: "" });
  renamed();
  while (chosen.some(isUnsure)) await rest(0.1);
  send(ready().filter((entry) => chosen.includes(entry)));
}

export function stop(chosen = entries) {
  for (const entry of chosen) {
    if (entry.state === "waiting") Object.assign(entry, { state: "stopped", told: "Not sent." });
    entry.aborter?.abort();
  }
  changed();
}

async function work() {
  running += 1;
  if (running === 1) addEventListener("beforeunload", warn);
  for (let entry = next(); entry; entry = next()) {
    Object.assign(entry, { state: "sending", aborter: new AbortController() });
    changed(entry);
    await put(entry);
    entry.aborter = null;
    changed(entry);
  }
  running -= 1;
  if (running) return;
  removeEventListener("beforeunload", warn);
  const failed = entries.filter((entry) => entry.state === "failed").length;
  say(`${count(entries.filter((entry) => entry.state === "sent").length, "picture")} in the catalogue${failed ? `, ${failed} failed` : ""}.`);
  changed();
}

const next = () => entries.find((entry) => entry.state === "waiting");
const warn = (event) => event.preventDefault();

/** What is wrong, in a few words, and what that means. */
function inWords({ reason, detail }) {
  const [told, why] = reason ? meant(reason) : [detail, ""];
  return { told, why };
}

async function put(entry) {
  const { signal } = entry.aborter;
  const isPicture = entry.file.type.startsWith("image/");
  const query = { group: wishes.group, metadata: JSON.stringify(wishes.metadata) };
  for (let tries = 1; ; tries += 1) {
    try {
      const { id, change } = await ask(address(idOf(entry)), { method: "PUT", query, body: entry.file, type: isPicture ? entry.file.type : "application/octet-stream", signal });
      Object.assign(entry, { state: "sent", told: { added: "Added", replaced: "Replaced", unchanged: "Was there just so" }[change], item: id });
      return;
    } catch (problem) {
      if (signal.aborted) Object.assign(entry, { state: "stopped", told: "Stopped; it may have arrived." });
      else if (problem.retryS && tries < MOST_TRIES) {
        entry.told = `The service is busy: again in ${problem.retryS} s`;
        changed(entry);
        await rest(problem.retryS, signal);
        entry.told = "";
        changed(entry);
        if (!signal.aborted) continue;
        Object.assign(entry, { state: "stopped", told: "Not sent." });
      } else Object.assign(entry, { state: "failed", ...inWords(problem) });
      return;
    }
  }
}

/** Files with their paths, as `take` wants them. */
export const found = (files) => [...files].map((file) => ({ file, path: file.webkitRelativePath || file.name }));

/** Files that were dropped, those in folders too. */
export async function dropped(transfer) {
  const roots = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!roots.length) return found(transfer.files);
  const all = [];
  for (const root of roots) await walk(root, all);
  return all;
}

async function walk(entry, all) {
  if (entry.isFile) {
    const file = await new Promise((done) => entry.file(done, () => done(null)));
    if (file) all.push({ file, path: entry.fullPath.replace(/^\//, "") });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((done) => reader.readEntries(done, () => done([])));
    if (!some.length) return;
    for (const one of some) await walk(one, all);
  }
}
