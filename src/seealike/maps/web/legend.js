// The legend: which kinds there are, what colours they have, which are shown.
const LISTED = 200;

function fillLegend() {
  const way = state.way, lines = [];
  const kinds = way.names.length + (way.counts.reduce((sum, count) => sum + count, 0) < n ? 1 : 0);
  for (let kind = 0; kind < Math.min(kinds, LISTED); kind++) lines.push(legendLine(kind));
  if (kinds > LISTED) lines.push(element("li", {}, element("p", { textContent: `and ${counted(kinds - LISTED)} more` })));
  byId("kinds").replaceChildren(...lines);
}

function legendLine(kind) {
  const way = state.way, none = kind === way.names.length;
  const count = none ? n - way.counts.reduce((sum, one) => sum + one, 0) : way.counts[kind];
  const dot = element("i");
  dot.style.background = colourOf(kind);
  const name = visible(kindName(kind)), said = name || (count === 1 ? "1 picture" : counted(count) + " pictures");
  const example = name ? -1 : exampleOf(kind), picture = example < 0 ? [] : [element("img", { src: urlOf(example), alt: "" })];
  const button = element("button", { type: "button", className: "kind", title: said }, dot, ...picture,
    element("bdi", { textContent: said }), element("b", { textContent: name ? counted(count) : "" }));
  button.setAttribute("aria-pressed", String(way.shown[kind] === 1));
  button.addEventListener("click", () => { way.shown[kind] ^= 1; legendChanged(); });
  const only = element("button", { type: "button", className: "only", textContent: "only", title: `Only ${said}` });
  only.addEventListener("click", () => { way.shown.fill(0); way.shown[kind] = 1; legendChanged(); });
  return element("li", {}, button, only);
}

// The picture in the middle of a kind that has no name, or -1.
function exampleOf(kind) {
  const rows = [...ids.keys()].filter((row) => kindOf(row) === kind && hasPicture(row));
  const middle = [0, 1].map((axis) => rows.reduce((sum, row) => sum + xy[2 * row + axis], 0) / rows.length);
  const far = (row) => Math.hypot(xy[2 * row] - middle[0], xy[2 * row + 1] - middle[1]);
  return rows.reduce((best, row) => (best < 0 || far(row) < far(best) ? row : best), -1);
}

function legendChanged() {
  const buttons = byId("kinds").querySelectorAll(".kind");
  buttons.forEach((button, kind) => button.setAttribute("aria-pressed", String(state.way.shown[kind] === 1)));
  points.repaint();
  invalidate();
}

function colourBy(at) {
  state.way = ways[at];
  fillLegend();
  byId("mixture").textContent = mixture();
  points.repaint();
  tipRow = -1;
  invalidate();
}

ways.forEach((way, at) => byId("way").append(element("option", { value: String(at), textContent: "by " + visible(way.title) })));
byId("way").addEventListener("change", (event) => colourBy(Number(event.target.value)));
byId("all").addEventListener("click", () => { state.way.shown.fill(1); legendChanged(); });
byId("none").addEventListener("click", () => { state.way.shown.fill(0); legendChanged(); });
function foldLegend(open) {
  byId("fold").setAttribute("aria-expanded", String(open));
  for (const id of ["kinds", "all", "none"]) byId(id).hidden = !open;
}
byId("fold").addEventListener("click", () => foldLegend(byId("kinds").hidden));
