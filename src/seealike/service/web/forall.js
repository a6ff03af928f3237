// What is said of all pictures that are added: what their names begin with, their product, columns and values.

import { bare } from "./state.js";
import { ask, el, iconButton } from "./tools.js";
import { wishes } from "./sending.js";

const KINDS = { number: "a number", boolean: "yes or no", string: "a text" };
const BUILT_IN = ["id", "path", "folder", "prefix", "group", "width_px", "height_px", "size_bytes", "modified"];
const PAUSE_MS = 400; // of typing

/** The part of the view; `renamed()` is called when names begin with something else. */
export function forAll(renamed) {
  const kinds = bare(); // of the catalogue's columns
  const rows = el("div", { class: "pairs" });
  const names = el("datalist");
  names.id = "column-names";
  let typing;

  const field = (label, name, hint, input) => el("label", {}, label, el("input", { type: "text", value: wishes[name], placeholder: hint, on: { input: (event) => {
    wishes[name] = event.target.value;
    input?.();
  } } }));
  const later = () => {
    clearTimeout(typing);
    typing = setTimeout(renamed, PAUSE_MS);
  };

  function read() {
    const said = [...rows.children].map((row) => [row, row.children[0].value.trim(), row.children[1].value]);
    wishes.metadata = bare();
    for (const [row, name, text] of said) {
      if (name && text !== "") wishes.metadata[name] = valueOf(text, kinds[name]);
      row.children[2].textContent = KINDS[typeof wishes.metadata[name]] ?? "";
    }
  }

  function add(name = "", value = "") {
    const row = el("div", { class: "pair-row" },
      el("input", { type: "text", value: name, placeholder: "column, such as price", "aria-label": "Column", list: "column-names", on: { input: read } }),
      el("input", { type: "text", value: String(value), placeholder: "value", "aria-label": "Value", on: { input: read } }),
      el("span", { class: "note" }),
      iconButton("close", "Without this column", () => { row.remove(); read(); another.focus(); }));
    rows.append(row);
    return row;
  }

  const another = el("button", { type: "button", class: "button quiet", text: "Add a column", on: { click: () => add().firstChild.focus() } });
  for (const [name, value] of Object.entries(wishes.metadata)) add(name, value);
  read();
  ask("/facets", { query: { most: 1 } }).then((found) => {
    for (const { name, kind } of found.columns) kinds[name] = kind;
    names.append(...Object.keys(kinds).filter((name) => !BUILT_IN.includes(name)).map((name) => el("option", { value: name })));
    read();
  }, () => {});
  return el("details", { class: "panel for-all" }, el("summary", { text: "For all of them: names, product, columns" }),
    field("What names begin with", "prefix", "such as summer/", later), field("Product they show (group)", "group", "none"), rows, names, another);
}

/** A text as its column has values; where the catalogue has no such column yet, as it looks. */
function valueOf(text, kind) {
  const isTruth = /^(true|false)$/i.test(text);
  const isNumber = /^\s*-?\d+(\.\d+)?\s*$/.test(text);
  if (isNumber && (kind ?? "number") === "number") return Number(text);
  if (isTruth && (kind ?? "truth") === "truth") return /^true$/i.test(text);
  return text;
}
