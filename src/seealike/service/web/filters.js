// What results are to be like: colour against shape, variety, one per product, and the catalogue's own columns.

import { bare, condition, go, literal, state } from "./state.js";
import { ask, count, el, icon, iconButton, number } from "./tools.js";

const SHOWN = 8; // values of a column before "all of them"
let turn = 0;

/** The wishes and filters, drawn into a place; `update()` when the state has changed. */
export function filters(place, app) {
  const wishes = el("section", { class: "wishes", "aria-label": "Wishes" });
  const columns = el("section", { class: "columns", "aria-label": "Filters" });
  place.replaceChildren(wishes, columns);
  let drawn = null;
  const update = async () => {
    drawWishes(wishes, app);
    const now = condition();
    if (now === drawn) return;
    drawn = now;
    const own = ++turn;
    try {
      const found = await facets();
      if (own === turn) drawColumns(columns, found);
    } catch (problem) {
      if (own !== turn) return;
      drawn = null;
      const typed = columns.querySelector(".typed") ?? columns.appendChild(typedCondition());
      typed.querySelector(".wrong").textContent = problem.code === "offline" ? "" : problem.detail;
    }
  };
  return { update };
}

/** The columns with the counts that a choice in each would leave. */
async function facets() {
  const narrowed = [...new Set([...Object.keys(state.pick), ...Object.keys(state.range)])];
  const [all, ...own] = await Promise.all([
    ask("/facets", { query: { where: condition() } }),
    ...narrowed.map((column) => ask("/facets", { query: { where: condition(column), columns: column } })),
  ]);
  for (const one of own.flatMap((reply) => reply.columns)) {
    const at = all.columns.findIndex((column) => column.name === one.name);
    if (at >= 0) all.columns[at] = one;
    else all.columns.push(one);
  }
  return all;
}

/** The filters of now as buttons that take each away. */
export function chosen() {
  const chips = [];
  for (const [column, literals] of Object.entries(state.pick)) {
    for (const one of literals) chips.push([`${column}: ${spoken(one)}`, () => pick(column, one, false)]);
  }
  for (const [column, [least, most]] of Object.entries(state.range)) {
    chips.push([`${column}: ${least ?? "…"} to ${most ?? "…"}`, () => range(column, [null, null])]);
  }
  if (state.where) chips.push([state.where, () => go({ where: "", at: 0 })]);
  return chips.map(([text, away]) => el("button", { type: "button", class: "chip", title: `Without ${text}`, on: { click: away } }, el("span", { text }), icon("close")));
}

/** Take all filters away. */
export const unfiltered = () => go({ pick: bare(), range: bare(), where: "", at: 0 });

const spoken = (text) => (text.startsWith("'") ? text.slice(1, -1).replaceAll("''", "'") : text);

function pick(column, one, on) {
  const left = (state.pick[column] ?? []).filter((other) => other !== one);
  const { [column]: _, ...others } = state.pick;
  const now = on ? [...left, one] : left;
  go({ pick: bare(now.length ? { ...others, [column]: now } : others), at: 0, on: "" });
}

function range(column, ends) {
  const { [column]: _, ...others } = state.range;
  go({ range: bare(ends.some((one) => one !== null) ? { ...others, [column]: ends } : others), at: 0, on: "" });
}

// -- wishes

function drawWishes(place, app) {
  const { stats } = app;
  const focused = place.contains(document.activeElement) ? document.activeElement.id : null;
  const parts = [];
  const [lead] = state.like;
  if (stats.signed && lead && lead.kind !== "text") {
    parts.push(slider("color", "Colour against shape", "shape", "colour", state.color ?? 0, (value) => ({ color: value || null })));
  }
  parts.push(slider("diversity", "Variety", "alike", "varied", state.diversity, (value) => ({ diversity: value })));
  if (stats.groups) parts.push(toggle("pictures", "One result per product", !state.pictures, (on) => ({ pictures: !on })));
  if (lead && !lead.box && state.like.length + state.not.length === 1 && lead.kind !== "text" && lead.kind !== "product") {
    parts.push(toggle("focus", "Look at the thing, not its background", state.focus, (on) => ({ focus: on })));
  }
  if (stats.signed) parts.push(palette());
  place.replaceChildren(...parts);
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

function slider(name, label, low, high, value, changes) {
  const id = `wish-${name}`;
  return el("div", { class: "slider" },
    el("label", { htmlFor: id, text: label }),
    el("input", { id, type: "range", min: 0, max: 1, step: 0.1, value, "aria-valuetext": `${low} ${Math.round((1 - value) * 10)}, ${high} ${Math.round(value * 10)} of 10`,
      on: { change: (event) => go({ ...changes(Number(event.target.value)), at: 0, on: "" }, { replace: true }) } }),
    el("span", { class: "ends", "aria-hidden": "true" }, el("span", { text: low }), el("span", { text: high })));
}

function toggle(name, label, checked, changes) {
  const id = `wish-${name}`;
  return el("label", { class: "toggle", htmlFor: id },
    el("input", { id, type: "checkbox", role: "switch", checked, on: { change: (event) => go({ ...changes(event.target.checked), at: 0, on: "" }, { replace: true }) } }), label);
}

function palette() {
  const colours = state.palette ? state.palette.split(",") : [];
  const set = (list) => go({ palette: list.join(","), at: 0, on: "" });
  const field = el("input", { type: "color", value: "#c0392b", id: "wish-palette", "aria-label": "A colour to find" });
  return el("div", { class: "palette" },
    el("span", { class: "label", text: "Colours to find" }),
    el("div", { class: "swatches" },
      ...colours.map((colour, at) => {
        const button = el("button", { type: "button", class: "swatch", title: `Without ${colour}`, "aria-label": `Without the colour ${colour}`, on: { click: () => set(colours.filter((_, place) => place !== at)) } }, icon("close"));
        button.style.background = colour.split(":")[0];
        return button;
      }),
      colours.length < 5 && field,
      colours.length < 5 && el("button", { type: "button", class: "plain", text: "Add", on: { click: () => set([...colours, field.value]) } })));
}

// -- the catalogue's columns

function drawColumns(place, found) {
  const open = new Set([...place.querySelectorAll("details[open]")].map((one) => one.dataset.column));
  const focused = place.contains(document.activeElement) ? document.activeElement.dataset.keep : null;
  const isFirst = !place.childElementCount;
  place.replaceChildren(
    el("h2", { class: "small", text: found.total === found.of ? "Filters" : `Filters: ${number(found.total)} of ${count(found.of, "item")}` }),
    ...found.columns.map((column, at) => {
      const isChosen = state.pick[column.name]?.length || state.range[column.name];
      return el("details", { data: { column: column.name }, open: open.has(column.name) || Boolean(isChosen) || (isFirst && at < 2) },
        el("summary", {}, column.name, isChosen && el("span", { class: "dot", "aria-label": "in use" })),
        column.kind === "number" && ends(column),
        (column.kind !== "number" || column.distinct <= 12) && choices(column));
    }),
    typedCondition(),
  );
  if (focused) place.querySelector(`[data-keep="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

function choices(column, all = false) {
  const picked = new Set(state.pick[column.name] ?? []);
  const values = column.values.map(({ value, count: n }) => ({ text: literal(value), value, n }));
  const gone = [...picked].filter((one) => !values.some(({ text }) => text === one)).map((one) => ({ text: one, value: spoken(one), n: 0 }));
  const order = [...gone, ...values];
  const shown = all ? order : order.filter(({ text }, at) => at < SHOWN || picked.has(text));
  const list = el("ul", { class: "values" }, ...shown.map(({ text, value, n }) => el("li", {}, el("label", {},
    el("input", { type: "checkbox", checked: picked.has(text), data: { keep: `${column.name}=${text}` }, on: { change: (event) => pick(column.name, text, event.target.checked) } }),
    el("span", { class: "name", text: value === "" ? "(nothing)" : String(value), title: String(value) }), el("span", { class: "n", text: number(n) })))));
  if (!all && order.length > shown.length) {
    list.append(el("li", {}, el("button", { type: "button", class: "plain", text: `${number(order.length - shown.length)} more`, on: { click: () => list.replaceWith(choices(column, true)) } })));
  } else if (all && column.more) {
    list.append(el("li", { class: "note", text: `and ${number(column.more)} rarer ones: name them in a condition` }));
  }
  return list;
}

function ends(column) {
  const now = state.range[column.name] ?? [null, null];
  const field = (place, label, hint) => el("label", {}, label, el("input", {
    type: "number", step: "any", value: now[place] ?? "", placeholder: hint === null ? "" : String(+Number(hint).toPrecision(6)), data: { keep: `${column.name}${place}` },
    on: { change: (event) => range(column.name, now.map((old, other) => (other === place ? (event.target.value === "" ? null : Number(event.target.value)) : old ?? null))) },
  }));
  return el("div", { class: "ends" }, field(0, "from", column.least), field(1, "to", column.most));
}

function typedCondition() {
  const field = el("input", { type: "text", value: state.where, placeholder: "price < 60 and kind != 'bags'", "aria-label": "A condition", spellcheck: false, autocapitalize: "off", data: { keep: "where" } });
  const wrong = el("p", { class: "wrong", role: "alert" });
  const submit = async (event) => {
    event.preventDefault();
    try {
      if (field.value.trim()) await ask("/facets", { query: { where: field.value, columns: "width_px" } }); // alone: what is wrong has its place in what was typed
      go({ where: field.value, at: 0, on: "" });
    } catch (problem) {
      wrong.textContent = problem.detail;
    }
  };
  return el("details", { class: "typed", open: Boolean(state.where) }, el("summary", { text: "A condition" }),
    el("form", { on: { submit } }, field, iconButton("check", "Filter by this condition", undefined, { type: "submit" })), wrong);
}
