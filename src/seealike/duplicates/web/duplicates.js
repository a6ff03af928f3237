// The page of duplicates that the command writes; Choices stand before this in the same script.

const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const dialog = byId("large");
const sections = [...document.querySelectorAll(".group")];
const buttons = sections.map((section) => [...section.querySelectorAll(".choice")]);
const choices = new Choices(data.memory, data);
choices.add(data.groups);
const { groups } = choices;

function warn(event) {
  event.preventDefault();
}

// -- choices

function changed(numbers) {
  if (!choices.remembers) window.addEventListener("beforeunload", warn);
  numbers.forEach(show);
  tell();
}

function undo() {
  const numbers = choices.undo();
  if (!numbers.length) return;
  changed(numbers);
  focus(numbers[0], 0);
}

function toggle(number, place) {
  if (choices.toggle(number, place)) changed([number]);
  else say("One picture of each group is kept: choose another one first.", true);
}

function keepAll(number) {
  choices.keepAll(number);
  changed([number]);
}

function asRule(number) {
  choices.asRule(number);
  changed([number]);
}

function accept(numbers) {
  choices.accept(numbers);
  changed(numbers);
}

// -- what is shown

function show(number) {
  const group = groups[number];
  buttons[number].forEach((choice, place) => choice.setAttribute("aria-pressed", group.kept.has(place)));
  sections[number].classList.toggle("decided", group.decided);
  const all = group.kept.size === group.members.length;
  sections[number].querySelector(".state").textContent = !group.decided
    ? "by the rule"
    : all ? "✓ all are kept" : `✓ decided: ${group.kept.size} kept, ${group.members.length - group.kept.size} to move away`;
}

function tell() {
  const count = groups.length - choices.undecided().length;
  const kept = choices.remembers ? "" : " · this browser remembers nothing: save before you close the page";
  say(`${count.toLocaleString("en")} of ${groups.length.toLocaleString("en")} decided · ${choices.going().toLocaleString("en")} to move away${kept}`, !choices.remembers);
  byId("undo").disabled = !choices.undoable;
  byId("save").disabled = !count && !data.before.length;
  byId("rest").disabled = count === groups.length;
}

function say(text, warn) {
  byId("said").textContent = text;
  byId("said").classList.toggle("warn", !!warn);
}

function focus(number, place) {
  const row = buttons[Math.max(0, Math.min(buttons.length - 1, number))];
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

function save() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([choices.decisions()], { type: "application/json" }));
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
  else if (button.id === "rest") accept(choices.undecided());
  else if (button.matches(".open")) open(button);
  else if (button.matches(".choice")) toggle(number, buttons[number].indexOf(button));
  else if (button.matches(".all")) keepAll(number);
  else if (button.matches(".rule")) asRule(number);
  else if (button.matches(".done")) { accept([number]); focus(number + 1, 0); }
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
  const place = number < 0 ? -1 : Math.max(0, buttons[number].indexOf(at.closest(".card") && at.closest(".card").querySelector(".choice")));
  const moves = { arrowleft: [0, -1], arrowright: [0, 1], arrowup: [-1, 0], arrowdown: [1, 0] };
  if (moves[key] && !event.shiftKey) {
    if (number < 0 && at !== document.body) return;
    event.preventDefault();
    if (number < 0) focus(firstInSight(), 0);
    else focus(number + moves[key][0], moves[key][0] ? place : place + moves[key][1]);
  } else if (number >= 0 && key === "a") keepAll(number);
  else if (number >= 0 && key === "r") asRule(number);
  else if (number >= 0 && key === "d") { accept([number]); focus(number + 1, 0); }
  else if (number >= 0 && key === "o") {
    const button = buttons[number][place].closest(".card").querySelector(".open");
    if (button) open(button);
  }
});

function firstInSight() {
  const bar = byId("bar").getBoundingClientRect().bottom;
  return Math.max(0, sections.findIndex((section) => section.getBoundingClientRect().bottom > bar + 40));
}

groups.forEach((_, number) => show(number));
if (groups.length) {
  byId("bar").hidden = byId("keys").hidden = false;
  tell();
}
globalThis.seealikeDuplicates = { decisions: () => choices.decisions(), groups };
