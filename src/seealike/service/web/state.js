// The address is the state: what is asked, what is wished for, where one is. Every state can be shared.

const EXAMPLE = /^(id|product|image|text)([\d.]+)?(?:@([\d.,]+))?:([^]*)$/;
const TEXTS = ["view", "palette", "where", "open", "on"];
const NUMBERS = { color: null, diversity: 0, k: 60, at: 0 };
const SWITCHES = ["pictures", "focus", "why"];
const listeners = new Set();

export const state = read(location.search);

function readExample(text) {
  const found = EXAMPLE.exec(text);
  if (!found) return [];
  const [, kind, weight, box, value] = found;
  const numbers = box?.split(",").map(Number);
  const isBox = numbers?.length === 4 && numbers.every((one) => one >= 0 && one <= 1);
  return [{ kind, value, weight: Number(weight) || 1, box: isBox ? numbers : null }];
}

function writeExample({ kind, value, weight, box }) {
  return `${kind}${weight === 1 ? "" : weight}${box ? `@${box.map((one) => Number(one.toFixed(4))).join(",")}` : ""}:${value}`;
}

/** An object with no properties but its own: columns have any names. */
export function bare(entries = {}) {
  return Object.assign(Object.create(null), entries);
}

function read(search) {
  const said = new URLSearchParams(search);
  const found = {
    like: said.getAll("like").flatMap(readExample),
    not: said.getAll("not").flatMap(readExample),
    pick: bare(),
    range: bare(),
    own: bare(),
  };
  for (const name of TEXTS) found[name] = said.get(name) ?? "";
  for (const name in NUMBERS) {
    const number = Number(said.get(name));
    found[name] = said.get(name) && Number.isFinite(number) && number >= 0 ? number : NUMBERS[name];
  }
  found.k = Math.min(1000, Math.max(1, Math.round(found.k)));
  for (const name of SWITCHES) found[name] = said.get(name) === "1";
  for (const [name, value] of said) {
    if (name.startsWith("pick.")) (found.pick[name.slice(5)] ??= []).push(value);
    if (name.startsWith("own.")) found.own[name.slice(4)] = value;
    if (name.startsWith("range.")) {
      found.range[name.slice(6)] = value.split("..").slice(0, 2).map((one) => (one === "" || !Number.isFinite(Number(one)) ? null : Number(one)));
    }
  }
  return found;
}

function write(said) {
  const address = new URLSearchParams();
  for (const name of ["like", "not"]) for (const one of said[name]) address.append(name, writeExample(one));
  for (const name of TEXTS) if (said[name]) address.set(name, said[name]);
  for (const name in NUMBERS) if (said[name] !== NUMBERS[name]) address.set(name, said[name]);
  for (const name of SWITCHES) if (said[name]) address.set(name, "1");
  for (const [name, values] of Object.entries(said.pick)) for (const value of values) address.append(`pick.${name}`, value);
  for (const [name, ends] of Object.entries(said.range)) {
    if (ends.some((one) => one !== null)) address.set(`range.${name}`, ends.map((one) => one ?? "").join(".."));
  }
  for (const [name, value] of Object.entries(said.own)) if (value !== "") address.set(`own.${name}`, value);
  const text = address.toString();
  return text ? `/?${text}` : "/";
}

/** The address of this state with some fields changed: for links. */
export function hrefOf(changes) {
  return write({ ...state, ...changes });
}

/** Only what belongs to no view: for links that lead to another one. */
export function hrefOfView(view) {
  return view ? `/?view=${view}` : "/";
}

/** Change fields, and with them the address; `quiet` where nothing needs to be drawn anew. */
export function go(changes, { replace = false, quiet = false, trail = history.state?.trail ?? [] } = {}) {
  Object.assign(state, changes);
  const address = write(state);
  history[replace ? "replaceState" : "pushState"]({ trail }, "", address);
  if (!quiet) tell();
}

/** Go to an address of this page, as a link does. */
export function follow(href, trail = []) {
  Object.assign(state, read(new URL(href, location.href).search));
  history.pushState({ trail }, "", href);
  tell();
}

/** Be told of changes, and of back and forward. */
export function onState(listener) {
  listeners.add(listener);
}

function tell() {
  for (const listener of listeners) listener();
}

addEventListener("popstate", () => {
  Object.assign(state, read(location.search));
  tell();
});

/** A value as conditions say it. */
export function literal(value) {
  return typeof value === "string" ? `'${value.replaceAll("'", "''")}'` : String(value);
}

/** The condition that the filters and the typed one say together; `without` leaves the filters of a column out. */
export function condition(without) {
  const said = [];
  const named = (column) => `"${column.replaceAll('"', '""')}"`;
  for (const [column, literals] of Object.entries(state.pick)) {
    if (column !== without && literals.length) said.push(`${named(column)} in (${literals.join(", ")})`);
  }
  for (const [column, [least, most]] of Object.entries(state.range)) {
    if (column === without) continue;
    if (least != null) said.push(`${named(column)} >= ${least}`);
    if (most != null) said.push(`${named(column)} <= ${most}`);
  }
  if (state.where.trim()) said.push(`(${state.where.trim()})`);
  return said.join(" and ");
}
