// Finding an id by a part of it.
const RESULTS = 40;
let lower = null;

function search(text) {
  lower ??= ids.map((id) => id.toLowerCase());
  const wanted = text.trim().toLowerCase(), found = [];
  if (wanted) for (let row = 0; row < n; row++) if (lower[row].includes(wanted)) found.push(row);
  const rank = (row) => (lower[row] === wanted ? 0 : lower[row].startsWith(wanted) ? 1 : 2);
  return found.length > 2000 ? found : found.sort((a, b) => rank(a) - rank(b) || a - b);
}

function showFound() {
  const text = byId("search").value;
  state.matches = search(text);
  const all = element("button", { type: "button", textContent: "select all" });
  all.addEventListener("click", () => { choose(state.matches); closeFound(); });
  const count = state.matches.length;
  const head = element("p", {}, element("span", { textContent: count === 1 ? "1 picture" : counted(count) + " pictures" }));
  if (count) head.append(all);
  byId("found").replaceChildren(head, ...state.matches.slice(0, RESULTS).map(foundLine));
  byId("found").hidden = !text.trim();
  invalidate();
}

function foundLine(row) {
  const line = element("button", { type: "button", title: visible(ids[row]) }, element("bdi", { textContent: visible(ids[row]) }));
  line.addEventListener("click", () => goTo(row));
  return line;
}

function goTo(row) {
  if (!isShown(row)) { state.way.shown[kindOf(row)] = 1; legendChanged(); }
  closeFound();
  byId("over").focus({ preventScroll: true });
  state.centred = true;
  flyToRow(row);
}

function closeFound() {
  byId("found").hidden = true;
}

byId("search").addEventListener("input", showFound);
byId("search").addEventListener("focus", () => { hover(-1); if (byId("search").value) showFound(); });
byId("search").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && state.matches.length) goTo(state.matches[0]);
  if (event.key === "Escape") { byId("search").value = ""; showFound(); byId("over").focus(); }
});
document.querySelector(".find").addEventListener("keydown", (event) => {
  const lines = [byId("search"), ...byId("found").querySelectorAll("bdi")].map((one) => one.closest("button") || one);
  if (event.key === "Escape") { closeFound(); byId("over").focus(); }
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key], at = lines.indexOf(document.activeElement);
  if (!step || at < 0) return;
  event.preventDefault();
  lines[Math.min(Math.max(at + step, 0), lines.length - 1)].focus();
});
document.querySelector(".find").addEventListener("focusout", (event) => {
  if (event.relatedTarget && !event.relatedTarget.closest(".find")) closeFound();
});
document.addEventListener("pointerdown", (event) => { if (!event.target.closest(".find")) closeFound(); });
