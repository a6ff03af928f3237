// What opens over the duplicates: two pictures large, the keys, saving what was decided.

import { count, el, iconButton, thumbnail } from "./tools.js";
import { factsOf } from "./group.js";
import { asCsv, command, dialog, quoted, save, segments } from "./views.js";

const ZOOMS = [1, 1.5, 2, 3, 4, 6, 8];
const FLICKER_MS = 800;
const KEYS = [
  ["← →", "from picture to picture"], ["↑ ↓", "from group to group"], ["1 … 9", "keep only this picture"],
  ["Shift 1 … 9", "keep this picture too, or not"], ["Enter", "keep the picture too, or not"], ["A", "keep all"],
  ["R", "by the rule: take back what you decided"], ["D", "done: what is chosen is meant so, and on to the next group"],
  ["C", "compare two of them large"], ["U", "undo"], ["?", "these keys"],
];

/** Two pictures side by side, or one in the place of the other, both at the same part: `members` of a group, the places of two of them; `isKept(place)` and `toggle(place)` of the group. */
export function compare(members, left, right, { isKept, toggle }) {
  const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
  let mode = "beside";
  let zoom = 0;
  let front = 0;
  let timer;
  const panes = [0, 1].map((side) => el("div", { class: "pane", tabIndex: 0, role: "group", on: { scroll: () => follow(side), click: () => mode === "flicker" && swap() } }, el("img", { alt: "", decoding: "async" })));
  const sides = panes.map((pane) => el("figure", {}, pane, el("figcaption")));
  const stage = el("div", { class: "both" }, ...sides);
  const modes = el("div");
  const scale = el("output");
  const other = (step) => {
    do right = (right + step + members.length) % members.length; while (right === left || !members[right]);
    draw();
  };
  const tools = el("div", { class: "tools" }, modes,
    iconButton("less", "Smaller", () => scaled(zoom - 1)), scale, iconButton("more", "Larger", () => scaled(zoom + 1)),
    members.length > 2 && el("button", { type: "button", class: "button quiet", text: "Other picture", title: "Key N", on: { click: () => other(1) } }));
  const sheet = dialog("Compare", tools, stage, el("p", { class: "note keys-line", text: `F ${isStill ? "one over the other" : "flicker"} · + − size${members.length > 2 ? " · N other picture" : ""} · 1 keep the left one or not · 2 the right one` }));
  sheet.classList.add("compare");
  sheet.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const acts = { f: () => show(mode === "beside" ? "flicker" : "beside"), "+": () => scaled(zoom + 1), "=": () => scaled(zoom + 1), "-": () => scaled(zoom - 1), n: () => members.length > 2 && other(1), 1: () => keep(left), 2: () => keep(right) };
    const act = acts[event.key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    act();
  });
  sheet.addEventListener("close", () => clearInterval(timer));

  function keep(place) {
    toggle(place);
    captions();
  }

  function captions() {
    [left, right].forEach((place, side) => {
      const one = members[place];
      const focus = sides[side].querySelector("figcaption").contains(document.activeElement);
      const choice = el("button", { type: "button", class: "choice", "aria-pressed": String(isKept(place)), "aria-label": `Keep ${one.id}`, text: isKept(place) ? "✓ Keep" : "Move away", on: { click: () => keep(place) } });
      sides[side].querySelector("figcaption").replaceChildren(el("p", { class: "name", text: one.id }), el("p", { class: "fact" }, ...factsOf(one, [members[left], members[right]])), choice);
      if (focus) choice.focus();
    });
  }

  function draw() {
    [left, right].forEach((place, side) => {
      const one = members[place];
      panes[side].setAttribute("aria-label", `${one.id}, ${side ? "right" : "left"}; arrows move it where it is larger`);
      const image = panes[side].firstChild;
      image.hidden = !one.image;
      if (one.image) image.src = thumbnail(one.image, 1280);
    });
    captions();
    scaled(zoom);
  }

  function show(wanted) {
    mode = wanted;
    modes.replaceChildren(segments("How", [["beside", "Side by side"], ["flicker", isStill ? "One over the other" : "Flicker"]], mode, show));
    stage.classList.toggle("flicker", mode === "flicker");
    clearInterval(timer);
    front = 0;
    if (mode === "flicker" && !isStill) timer = setInterval(swap, FLICKER_MS);
    turn();
  }

  function swap() {
    front = 1 - front;
    turn();
  }

  function turn() {
    sides.forEach((side, n) => side.classList.toggle("behind", mode === "flicker" && n !== front));
  }

  function scaled(wanted) {
    zoom = Math.max(0, Math.min(ZOOMS.length - 1, wanted));
    scale.textContent = `${ZOOMS[zoom] * 100} %`;
    for (const pane of panes) {
      const [x, y] = [pane.scrollLeft + pane.clientWidth / 2, pane.scrollTop + pane.clientHeight / 2];
      const [w, h] = [pane.scrollWidth, pane.scrollHeight];
      for (const side of ["width", "height"]) pane.firstChild.style[side] = `${ZOOMS[zoom] * 100}%`;
      pane.scrollTo((x / w) * pane.scrollWidth - pane.clientWidth / 2, (y / h) * pane.scrollHeight - pane.clientHeight / 2);
    }
  }

  function follow(side) {
    const [from, to] = [panes[side], panes[1 - side]];
    if (Math.abs(from.scrollLeft - to.scrollLeft) > 1 || Math.abs(from.scrollTop - to.scrollTop) > 1) to.scrollTo(from.scrollLeft, from.scrollTop);
  }

  show("beside");
  draw();
  tools.querySelector("[data-value]").focus();
  return sheet;
}

export function keys() {
  dialog("Keys", el("p", { class: "note", text: "They hold while the focus is in the list of groups." }),
    el("dl", { class: "keys" }, ...KEYS.map(([names, text]) => el("div", {}, el("dt", {}, ...names.split(" ").map((name) => (name === "…" ? " … " : el("kbd", { text: name })))), el("dd", { text })))));
}

/** `catalogue`: as it is typed. `saved()`: called when nothing would be lost any more. */
export function saving(choices, catalogue, level, saved) {
  const decided = choices.groups.filter((group) => group.decided);
  const going = decided.flatMap(({ members, kept }) => members.flatMap((one, m) => (kept.has(m) ? [] : [[one.id, members[[...kept][0]].id, one.level, one.likeness, one.size_bytes]])));
  const typed = `seealike duplicates -C ${quoted(catalogue)}${level === "near" ? "" : ` --level ${level}`} --decisions decisions.json --move-to twice`;
  const write = () => {
    saved();
    save("decisions.json", choices.decisions(), "application/json");
  };
  dialog("Save what you decided",
    el("p", { text: `${count(decided.length, "group")} decided here: ${count(going.length, "picture")} to move away.` }),
    el("div", { class: "tools" },
      el("button", { type: "button", class: "button", text: "Save decisions.json", on: { click: write } }),
      el("button", { type: "button", class: "button quiet", text: "Save the list of what goes", on: { click: () => save("to-move.csv", asCsv([["id", "kept", "level", "likeness", "size_bytes"], ...going]), "text/csv") } })),
    el("p", { text: "Then type this where the catalogue is, with the saved file. The first line says what would be moved to the folder “twice”; the second one moves it, and can be undone." }),
    command(`${typed} --dry-run`), command(typed),
    el("p", { class: "note", text: "This page moves and deletes nothing. Groups that you did not decide stay as they are." }));
}
