// What duplicates are, and how a group looks: its pictures side by side, what differs, what is kept and why.

import { count, el, icon, left, number, thumbnail } from "./tools.js";
import { bytes } from "./views.js";

export const LEVELS = { exact: "Same file", near: "Near duplicates", product: "Same product" };
export const LEVELS_MEAN = {
  exact: "Files that hold the very same bytes.",
  near: "One shows the other: smaller, compressed anew, cut, framed, flipped, tinted or marked; or the same file.",
  product: "Pictures of one product, as its group says or as they look; or near duplicates.",
};
const MEANT = { exact: "same file", near: "near duplicate", product: "same product" };
const FACTS = {
  pixels: (one) => `${one.width_px} × ${one.height_px}`,
  size: (one) => (one.size_bytes === null ? "file gone" : bytes(one.size_bytes)),
  format: (one) => one.format || "?",
};

const LOOK_PX = 320;

/** How many pictures, and what was decided; all that stands of a group that is far from the screen. */
export function titleOf({ members, decided, kept }) {
  const going = members.length - kept.size;
  const told = !decided ? "" : going ? `✓ ${kept.size} kept, ${going} to move away` : "✓ all are kept";
  return el("h2", {}, count(members.length, "picture"), el("span", { class: "state", text: told }));
}

/** The picture that is compared with the kept one: that of this column, or the first that goes. */
export function otherOf({ members, kept }, column = 0) {
  return column < members.length && !kept.has(column) ? column : [...members.keys()].find((m) => !kept.has(m)) ?? 1;
}

/** Draw a group; `column` is the picture that can be reached by Tab, `acts` what its buttons do. */
export function drawGroup(part, group, column, acts) {
  const { members, decided } = group;
  const button = (name, text, label) => el("button", { type: "button", class: "button quiet", text, title: label, data: { name }, on: { click: () => acts[name]() } });
  const looks = part.querySelectorAll(".look"); // pictures that are there stay there
  part.classList.toggle("decided", decided);
  part.replaceChildren(
    el("div", { class: "group-head" }, titleOf(group), el("p", { class: "note", text: `${linkOf(members)} · ${differences(members)}` }),
      el("div", { class: "tools" },
        button("compare", "Compare", "Two of them large"),
        button("all", "Keep all", "They are there beside each other on purpose"),
        button("rule", "By the rule", "Take back what you decided here"),
        button("done", decided ? "✓ Done" : "Done", "What is chosen is meant so"))),
    el("ul", { class: members.length > 3 ? "cards" : "cards few" }, ...members.map((one, m) => cardOf(looks[m] ?? lookOf(one, m, acts), one, m, group, Math.min(column, members.length - 1), acts))));
}

function lookOf(one, m, acts) {
  if (!one.image) return el("div", { class: "look lost" }, icon("gone"), "No picture is here");
  return el("button", { type: "button", class: "look", tabIndex: -1, "aria-label": `Compare ${one.id} large`, data: { name: `look${m}` }, on: { click: () => acts.compare(m) } },
    el("img", { src: thumbnail(one.image, LOOK_PX), alt: "", loading: "lazy" }));
}

function cardOf(look, one, m, { members, kept, rule }, column, acts) {
  const isKept = kept.has(m);
  const [, folder, file] = /^(?:([^]*)[/])?([^]+)$/.exec(one.id) ?? ["", "", one.id];
  const byRule = rule.includes(m);
  return el("li", { class: isKept ? "card" : "card goes" }, look,
    el("p", { class: "name", title: one.id }, m < 9 && el("kbd", { text: m + 1, "aria-hidden": "true" }), file),
    folder && el("p", { class: "folder note", text: folder, title: folder }),
    el("p", { class: "fact" }, ...factsOf(one, members)),
    el("p", { class: "note", text: byRule ? `The rule keeps it: ${one.why}` : `${linkOf([one])}: ${one.why}` }),
    el("button", { type: "button", class: "choice", tabIndex: m === column ? 0 : -1, "aria-pressed": String(isKept), "aria-label": `Keep ${one.id}`, text: isKept ? "✓ Keep" : "Move away", data: { name: `choice${m}` }, on: { click: () => acts.toggle(m) } }));
}

/** How they are alike the kept one: the least alike of them. */
function linkOf(members) {
  const { level, likeness } = members.reduce((one, other) => (other.likeness < one.likeness ? other : one));
  return level === "exact" ? MEANT.exact : `${MEANT[level]}, likeness ${likeness.toFixed(2)}${members.length > 2 ? " at least" : ""}`;
}

/** What is not the same stands out. */
export function factsOf(one, members) {
  return Object.values(FACTS).flatMap((fact, n) => [n ? " · " : "", el(members.some((other) => fact(other) !== fact(one)) ? "b" : "span", { text: fact(one) })]);
}

function differences(members) {
  const names = Object.keys(FACTS).filter((name) => new Set(members.map(FACTS[name])).size > 1);
  return names.length ? `they differ in ${names.join(", ").replace(/, (\w+)$/, " and $1")}` : "pixels, size and format are the same";
}

/** Shown where there are none; `hrefOf(level)` is where more is looked for. */
export function noneOf(items, level, hrefOf) {
  const levels = Object.keys(LEVELS);
  const wider = levels[levels.indexOf(level) + 1];
  return el("div", { class: "empty" }, icon("check"),
    el("p", { class: "what", text: `Nothing is there twice among ${count(items, "picture")}.` }),
    wider && el("a", { class: "button quiet", href: hrefOf(wider), text: `Look for more: ${LEVELS[wider].toLowerCase()}` }));
}

/** Shown while they are looked for; `tell(found)` says how far that is. */
export function lookingFor() {
  const bar = el("progress", { "aria-label": "Comparing pictures" });
  const told = el("p", { class: "note" });
  const node = el("div", { class: "empty" }, el("p", { class: "what", text: "Looking for pictures that are there twice …" }), bar, told);
  node.tell = ({ done, total, left_s: s }) => {
    if (total) Object.assign(bar, { max: total, value: done });
    told.textContent = total ? `${[`${number(done)} of ${number(total)} compared`, left(s)].filter(Boolean).join(", ")}. It is done once for each state of the catalogue.` : "";
  };
  return node;
}
