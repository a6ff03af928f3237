(() => {
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const dialog = byId("large");
const sections = [...document.querySelectorAll(".group")];
const choices = sections.map((section) => [...section.querySelectorAll(".choice")]);
const groups = data.groups.map((group) => ({
  members: group.members,
  rule: group.kept,
  name: JSON.stringify(group.members.map((one) => [one.id, one.sha256]).sort()),
  kept: new Set(group.kept),
  decided: group.decided,
}));
let undone = [];
let remembers = true;

// -- memory: choices outlive the page where the browser lets them; saving as a file always works

function remember() {
  const decided = {};
  for (const group of groups) {
    if (group.decided) decided[group.name] = [...group.kept].map((place) => group.members[place].id);
  }
  try {
    const known = JSON.parse(localStorage.getItem(data.memory) || "{}");
    for (const group of groups) delete known[group.name];
    localStorage.setItem(data.memory, JSON.stringify(Object.assign(known, decided)));
  } catch {
    remembers = false;
  }
}

function recall() {
  try {
    const known = JSON.parse(localStorage.getItem(data.memory) || "{}");
    for (const group of groups) {
      if (!Array.isArray(known[group.name])) continue;
      const kept = new Set(known[group.name]);
      group.kept = new Set(group.members.flatMap((one, place) => (kept.has(one.id) ? [place] : [])));
      group.decided = true;
    }
  } catch {
    remembers = false;
  }
}

function warn(event) {
  event.preventDefault();
}

// -- choices

function change(numbers, how) {
  undone.push(numbers.map((number) => ({ number, kept: new Set(groups[number].kept), decided: groups[number].decided })));
  for (const number of numbers) how(groups[number]);
  changed(numbers);
}

function changed(numbers) {
  remember();
  if (!remembers) window.addEventListener("beforeunload", warn);
  numbers.forEach(show);
  tell();
}

function undo() {
  const last = undone.pop();
  if (!last) return;
  for (const { number, kept, decided } of last) Object.assign(groups[number], { kept, decided });
  changed(last.map((one) => one.number));
  focus(last[0].number, 0);
}

function toggle(number, place) {
  const { kept } = groups[number];
  if (kept.has(place) && kept.size === 1) {
    say("One picture of each group is kept: choose another one first.", true);
    return;
  }
  change([number], (group) => {
    if (!group.kept.delete(place)) group.kept.add(place);
    group.decided = true;
  });
}

const keepAll = (number) => change([number], (group) => {
  group.kept = new Set(group.members.keys());
  group.decided = true;
});
const asRule = (number) => change([number], (group) => {
  group.kept = new Set(group.rule);
  group.decided = false;
});
const done = (number) => change([number], (group) => { group.decided = true; });

// -- what is shown

function show(number) {
  const group = groups[number];
  choices[number].forEach((choice, place) => choice.setAttribute("aria-pressed", group.kept.has(place)));
  sections[number].classList.toggle("decided", group.decided);
  const all = group.kept.size === group.members.length;
  sections[number].querySelector(".state").textContent = !group.decided
    ? "by the rule"
    : all ? "✓ all are kept" : `✓ decided: ${group.kept.size} kept, ${group.members.length - group.kept.size} to move away`;
}

function tell() {
  const count = groups.filter((group) => group.decided).length;
  const going = groups.reduce((sum, group) => sum + group.members.length - group.kept.size, 0);
  const kept = remembers ? "" : " · this browser remembers nothing: save before you close the page";
  say(`${count.toLocaleString("en")} of ${groups.length.toLocaleString("en")} decided · ${going.toLocaleString("en")} to move away${kept}`, !remembers);
  byId("undo").disabled = !undone.length;
  byId("save").disabled = !count && !data.before.length;
  byId("rest").disabled = count === groups.length;
}

function say(text, warn) {
  byId("said").textContent = text;
  byId("said").classList.toggle("warn", !!warn);
}

function focus(number, place) {
  const row = choices[Math.max(0, Math.min(choices.length - 1, number))];
  const choice = row[Math.max(0, Math.min(row.length - 1, place))];
  choice.closest(".card").scrollIntoView({ block: "nearest", behavior: "instant" });
  choice.focus({ preventScroll: true });
}

function open(button) {
  const kind = [...button.closest(".picture").classList].find((name) => /^p\d+$/.test(name));
  const image = dialog.querySelector("img");
  dialog.querySelector(".picture").className = `picture ${kind}`;
  image.hidden = true;
  image.removeAttribute("src");
  image.alt = button.getAttribute("aria-label");
  byId("file").hidden = !button.dataset.file;
  if (button.dataset.file) {
    byId("file").href = button.dataset.file;
    image.onload = () => { image.hidden = false; };
    image.src = button.dataset.file;
  }
  dialog.showModal();
}

// -- saving

function decisions() {
  const made = groups.filter((group) => group.decided).map((group) => ({
    keep: group.members.filter((_, place) => group.kept.has(place)),
    drop: group.members.filter((_, place) => !group.kept.has(place)),
  }));
  return JSON.stringify({ format: data.format, version: data.version, decisions: [...data.before, ...made] }, null, 1);
}

function save() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([decisions()], { type: "application/json" }));
  link.download = "decisions.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  window.removeEventListener("beforeunload", warn);
  say("Saved as decisions.json, in the folder of your downloads.");
}

// -- pointers and keys

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  const number = button ? sections.indexOf(button.closest(".group")) : -1;
  if (!button || (number < 0 && !button.id)) return;
  if (button.id === "undo") undo();
  else if (button.id === "save") save();
  else if (button.id === "rest") change([...groups.keys()].filter((one) => !groups[one].decided), (group) => { group.decided = true; });
  else if (button.matches(".open")) open(button);
  else if (button.matches(".choice")) toggle(number, choices[number].indexOf(button));
  else if (button.matches(".all")) keepAll(number);
  else if (button.matches(".rule")) asRule(number);
  else if (button.matches(".done")) { done(number); focus(number + 1, 0); }
});

document.addEventListener("keydown", (event) => {
  // While a picture is open large its keys are the browser's; so are all keys with Ctrl, Alt or Meta but undo.
  if (dialog.open || event.altKey || !groups.length) return;
  const key = event.key.toLowerCase();
  if (event.ctrlKey || event.metaKey) {
    if (key === "z" && !event.shiftKey) { event.preventDefault(); undo(); }
    return;
  }
  if (key === "u") { undo(); return; }
  const at = document.activeElement;
  const number = sections.indexOf(at && at.closest(".group"));
  const place = number < 0 ? -1 : Math.max(0, choices[number].indexOf(at.closest(".card") && at.closest(".card").querySelector(".choice")));
  const moves = { arrowleft: [0, -1], arrowright: [0, 1], arrowup: [-1, 0], arrowdown: [1, 0] };
  if (moves[key] && !event.shiftKey) {
    if (number < 0 && at !== document.body) return;
    event.preventDefault();
    if (number < 0) focus(firstInSight(), 0);
    else focus(number + moves[key][0], moves[key][0] ? place : place + moves[key][1]);
  } else if (number >= 0 && key === "a") keepAll(number);
  else if (number >= 0 && key === "r") asRule(number);
  else if (number >= 0 && key === "d") { done(number); focus(number + 1, 0); }
  else if (number >= 0 && key === "o") {
    const button = choices[number][place].closest(".card").querySelector(".open");
    if (button) open(button);
  }
});

function firstInSight() {
  const bar = byId("bar").getBoundingClientRect().bottom;
  return Math.max(0, sections.findIndex((section) => section.getBoundingClientRect().bottom > bar + 40));
}

recall();
groups.forEach((_, number) => show(number));
if (groups.length) {
  byId("bar").hidden = byId("keys").hidden = false;
  tell();
}
globalThis.seealikeDuplicates = { decisions, groups };
})();
