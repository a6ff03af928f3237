// The beginning: fill in the text, choose how to draw, draw.
function setTheme(dark) {
  state.dark = dark;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  fillLegend();
  if (state.chosen.size) chosenChanged();
  points.repaint();
  invalidate();
}

byId("title").textContent = visible(meta.title);
meta.facts.forEach((fact, at) => {
  const more = at + 1 < meta.facts.length ? " \u00b7" : "";
  byId("facts").append(element("span", { textContent: visible(fact) + more }), " ");
});
byId("small").textContent = visible(meta.note);
byId("mark").append(document.importNode(byId("icon").content, true));
byId("pictures").hidden = !sizes.length;
byId("empty").hidden = n > 0;
byId("legend").hidden = n === 0;

points = webglPoints(byId("points")) || canvasPoints(byId("points"));
byId("points").addEventListener("webglcontextlost", (event) => event.preventDefault());
byId("points").addEventListener("webglcontextrestored", () => {
  points = webglPoints(byId("points"));
  points.repaint();
  invalidate();
});

const wish = matchMedia("(prefers-color-scheme: dark)");
wish.addEventListener("change", () => setTheme(wish.matches));
measure();
foldLegend(camera.width > 700);
setTheme(wish.matches);
addEventListener("resize", () => { measure(); invalidate(); });

// For programs that drive the page.
globalThis.seealikeMap = {
  ids, camera, state, drawn: () => drawn, within, pick, choose, chosenText, screenX, screenY, flyToRow, bench,
  renderer: points.name,
};
