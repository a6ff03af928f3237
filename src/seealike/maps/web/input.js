// Pointers, wheel and keys on the map.
const surface = byId("over"), pointers = new Map();
let gesture = null; // "move", "lasso", "pinch"; null while nothing is held
let travelled = 0, adding = false, spread = 0;

function setLasso(on) {
  state.lasso = on;
  byId("lasso").setAttribute("aria-pressed", String(on));
  surface.classList.toggle("lasso", on);
}

surface.addEventListener("pointerdown", (event) => {
  if (event.button > 0) return;
  land();
  surface.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, [event.clientX, event.clientY]);
  if (pointers.size === 2) { gesture = "pinch"; path = []; spread = span(); return; }
  travelled = 0;
  state.centred = false;
  adding = event.ctrlKey || event.metaKey;
  gesture = state.lasso || event.shiftKey ? "lasso" : "move";
  path = gesture === "lasso" ? [mapX(event.clientX), mapY(event.clientY)] : [];
  surface.classList.toggle("moving", gesture === "move");
});

const span = () => {
  const [[ax, ay], [bx, by]] = [...pointers.values()];
  return Math.max(1, Math.hypot(ax - bx, ay - by));
};

surface.addEventListener("pointermove", (event) => {
  const x = event.clientX, y = event.clientY, last = pointers.get(event.pointerId);
  if (!last) { hoverAt(x, y); return; }
  travelled += Math.hypot(x - last[0], y - last[1]);
  if (gesture === "move" && travelled > 3) moveBy(x - last[0], y - last[1]);
  if (gesture === "lasso") lassoTo(x, y);
  pointers.set(event.pointerId, [x, y]);
  if (gesture === "pinch" && pointers.size === 2) {
    const now = span(), points = [...pointers.values()];
    moveBy((x - last[0]) / 2, (y - last[1]) / 2);
    zoomAt((points[0][0] + points[1][0]) / 2, (points[0][1] + points[1][1]) / 2, now / spread);
    spread = now;
  }
});

function lassoTo(x, y) {
  const lastX = (path.at(-2) - camera.x) * camera.scale + camera.width / 2;
  const lastY = (camera.y - path.at(-1)) * camera.scale + camera.height / 2;
  if (Math.hypot(x - lastX, y - lastY) < 2.5) return;
  path.push(mapX(x), mapY(y));
  invalidate();
}

function released(event) {
  if (!pointers.delete(event.pointerId)) return;
  surface.classList.remove("moving");
  if (gesture === "lasso" && event.type === "pointerup" && path.length > 6) choose(within(path), { add: adding });
  else if (travelled <= 3 && gesture !== "pinch" && event.type === "pointerup") clicked(event);
  if (gesture === "lasso") { setLasso(false); path = []; }
  gesture = pointers.size ? "move" : null;
  invalidate();
}
surface.addEventListener("pointerup", released);
surface.addEventListener("pointercancel", released);
surface.addEventListener("pointerleave", () => { if (!pointers.size && !state.centred) hover(-1); });

function clicked(event) {
  const row = pick(event.clientX, event.clientY, event.pointerType === "mouse" ? 10 : 22);
  hover(row);
  if (row >= 0 && (event.ctrlKey || event.metaKey)) toggle(row);
  else if (row >= 0) { chooseAround(row); hover(-1); }
  else if (state.around >= 0) choose([]);
}

function hoverAt(x, y) {
  state.centred = false;
  hover(pick(x, y, 10));
}

function hover(row) {
  surface.classList.toggle("on", row >= 0);
  if (state.hover !== row) { state.hover = row; invalidate(); }
}

surface.addEventListener("wheel", (event) => {
  event.preventDefault();
  land();
  const lines = event.deltaMode === 1 ? 18 : event.deltaMode === 2 ? 400 : 1;
  const speed = event.ctrlKey ? 0.01 : 0.0016;
  zoomAt(event.clientX, event.clientY, Math.exp(-Math.max(-240, Math.min(240, event.deltaY * lines)) * speed));
}, { passive: false });
surface.addEventListener("dblclick", (event) => zoomAt(event.clientX, event.clientY, 2));

function togglePictures() {
  state.pictures = !state.pictures;
  byId("pictures").setAttribute("aria-pressed", String(state.pictures));
  invalidate();
}

// From the item in the middle to the nearest one not seen on this walk; back again with the other key.
let walk = [];
function stepOn(forward) {
  if (state.hover < 0) return;
  if (!forward && walk.length > 1) { walk.pop(); centreRow(walk.at(-1)); return; }
  if (walk.at(-1) !== state.hover) walk = [state.hover];
  const seen = new Set(walk), x = xy[2 * state.hover], y = xy[2 * state.hover + 1];
  let best = -1, least = Infinity;
  for (let row = 0; row < n; row++) {
    if (seen.has(row) || !isShown(row)) continue;
    const square = (xy[2 * row] - x) ** 2 + (xy[2 * row + 1] - y) ** 2;
    if (square < least) [best, least] = [row, square];
  }
  if (best < 0 || !forward) return;
  walk.push(best);
  centreRow(best);
}
const centreRow = (row) => flyTo({ x: xy[2 * row], y: xy[2 * row + 1], scale: camera.scale }, 120);

const middleZoom = (factor) => zoomAt(camera.width / 2, camera.height / 2, factor);
const KEYS = {
  "+": () => middleZoom(1.35), "=": () => middleZoom(1.35), "-": () => middleZoom(1 / 1.35), _: () => middleZoom(1 / 1.35),
  0: flyHome, l: () => setLasso(!state.lasso), p: togglePictures, d: () => setTheme(!state.dark), "?": () => byId("keys").showModal(),
  "/": () => byId("search").focus(), n: () => stepOn(true), b: () => stepOn(false),
  Escape: () => { setLasso(false); path = []; if (state.chosen.size) choose([]); },
};
const ARROWS = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, select, dialog");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const onMap = event.target === surface || event.target === document.body;
  if (onMap && ARROWS[event.key]) {
    const far = event.shiftKey ? 240 : 60, [dx, dy] = ARROWS[event.key];
    state.centred = true;
    moveBy(far * dx, far * dy);
  } else if (onMap && event.key === "Enter" && state.hover >= 0) toggle(state.hover);
  else if (onMap && event.key === "s" && state.hover >= 0) chooseAround(state.hover);
  else if (KEYS[event.key]) { if (onMap && "+=-_nb".includes(event.key)) state.centred = true; KEYS[event.key](); }
  else return;
  event.preventDefault();
});
surface.addEventListener("focus", () => { if (surface.matches(":focus-visible")) { state.centred = true; invalidate(); } });
surface.addEventListener("blur", () => { if (state.centred) { state.centred = false; hover(-1); invalidate(); } });

byId("lasso").addEventListener("click", () => setLasso(!state.lasso));
byId("pictures").addEventListener("click", togglePictures);
byId("closer").addEventListener("click", () => middleZoom(1.6));
byId("wider").addEventListener("click", () => middleZoom(1 / 1.6));
byId("fit").addEventListener("click", flyHome);
byId("theme").addEventListener("click", () => setTheme(!state.dark));
byId("help").addEventListener("click", () => byId("keys").showModal());
