// Pictures on their way into the catalogue: what each is to be called, whether it replaces one, and sending them,
// two at a time. It goes on while other views are open.

import { ask, count, say } from "./tools.js";

const AT_ONCE = 2;
const MOST_TRIES = 8; // of a service that says it is busy
const PICTURE = /\.(jpe?g|jfif|png|gif|bmp|webp|avif|hei[cf]|tiff?)$/i;

export const entries = [];
/** What all get: `group`, `metadata` (an object), and whether what is there may be replaced. */
export const wishes = { prefix: "", group: "", metadata: {}, replace: false };
let running = 0;
let checking = 0;
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

/** Files of a choice or a folder, with their paths; how many were no pictures. */
export function take(files) {
  const pictures = files.filter(({ file }) => file.type.startsWith("image/") || PICTURE.test(file.name));
  for (const { file, path } of pictures) entries.push({ file, path, id: null, state: "unsure", told: "" });
  renamed();
  return files.length - pictures.length;
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
  while (checking < AT_ONCE && entries.some(isUnsure)) check();
}

const isUnsure = (entry) => !entry.isNameless && entry.state === "unsure" && entry.checked !== idOf(entry);

async function check() {
  checking += 1;
  for (let entry = entries.find(isUnsure); entry; entry = entries.find(isUnsure)) {
    await look(entry);
    changed(entry);
  }
  checking -= 1;
  changed();
}

/** Whether an item of that name is there. */
async function look(entry) {
  const id = idOf(entry);
  entry.checked = id;
  let said = { state: "new", there: null, told: "" };
  try {
    const there = await itemNamed(id);
    if (there) said = { state: "there", there, told: "" };
  } catch (problem) {
    said = { state: "failed", told: problem.detail };
    if (problem.retryS) {
      await rest(problem.retryS);
      entry.checked = null;
      return;
    }
  }
  if (idOf(entry) === id && entry.state === "unsure" && entry.checked === id) Object.assign(entry, said);
}

const rest = (s, signal) => new Promise((done) => {
  const timer = setTimeout(done, s * 1000);
  signal?.addEventListener("abort", () => { clearTimeout(timer); done(); });
});

/** Send these; `again` are those that failed or were stopped. */
export function send(chosen) {
  for (const entry of chosen) Object.assign(entry, { state: "waiting", told: "" });
  changed();
  while (running < AT_ONCE && entries.some((entry) => entry.state === "waiting")) work();
}

/** Once more, after looking whether they are there by now. */
export async function again(chosen) {
  for (const entry of chosen) Object.assign(entry, { state: "unsure", checked: null, told: "" });
  renamed();
  while (chosen.some((entry) => entry.state === "unsure" && !entry.isNameless)) await rest(0.1);
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
      } else Object.assign(entry, { state: "failed", told: problem.detail });
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
