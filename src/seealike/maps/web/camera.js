// Where we look: the middle of the view in the map's units, and pixels for each unit. y points up.
const camera = { x: 0, y: 0, scale: 1, fit: 1, width: 1, height: 1, ratio: 1 };

let low = [0, 0], high = [0, 0];
for (let row = 0; row < n; row++) {
  for (const axis of [0, 1]) {
    const value = xy[2 * row + axis];
    if (row === 0 || value < low[axis]) low[axis] = value;
    if (row === 0 || value > high[axis]) high[axis] = value;
  }
}

// The part of the window that no card covers.
function margins() {
  const half = n <= 60 ? SIDE() / 2 : 0; // of a picture on the outermost point
  if (camera.width <= 700) return { left: 24 + half, right: 24 + half, top: 88 + half, bottom: 72 + half };
  const left = camera.width > 1000 ? 316 + half : 40 + half, right = byId("chosen").hidden ? 60 : 350;
  return { left, right: right + half / 2, top: 84 + half / 2, bottom: 52 + half / 2 };
}

// What the list of the selection covers of the map.
function covered() {
  if (byId("chosen").hidden) return { right: 0, bottom: 0 };
  const box = byId("chosen").getBoundingClientRect(), narrow = camera.width <= 700;
  return { right: narrow ? 0 : camera.width - box.left, bottom: narrow ? camera.height - box.top : 0 };
}

// Move the map a little where an item lies under the list.
function reveal(row) {
  const { right, bottom } = covered(), room = 40;
  const dx = Math.max(0, screenX(row) + room - (camera.width - right)), dy = Math.max(0, screenY(row) + room - (camera.height - bottom));
  if (dx || dy) flyTo({ x: camera.x + dx / camera.scale, y: camera.y - dy / camera.scale, scale: camera.scale });
}

function fitted() {
  const free = margins();
  const width = Math.max(120, camera.width - free.left - free.right);
  const height = Math.max(120, camera.height - free.top - free.bottom);
  const spanX = high[0] - low[0], spanY = high[1] - low[1];
  const scale = Math.min(width / (spanX || 1e-9), height / (spanY || 1e-9), 1e6);
  return {
    scale: spanX || spanY ? scale : 100,
    x: (low[0] + high[0]) / 2 - (free.left - free.right) / 2 / scale,
    y: (low[1] + high[1]) / 2 + (free.top - free.bottom) / 2 / scale,
  };
}

function measure() {
  const width = innerWidth, height = innerHeight, first = camera.width === 1;
  const whole = !first && Math.abs(Math.log(camera.scale / camera.fit)) < 0.01;
  Object.assign(camera, { width, height, ratio: Math.min(devicePixelRatio || 1, 2) });
  for (const id of ["points", "over"]) {
    byId(id).width = Math.round(width * camera.ratio);
    byId(id).height = Math.round(height * camera.ratio);
  }
  const goal = fitted();
  camera.fit = goal.scale;
  if (first || whole) Object.assign(camera, goal);
}

const screenX = (row) => (xy[2 * row] - camera.x) * camera.scale + camera.width / 2;
const screenY = (row) => (camera.y - xy[2 * row + 1]) * camera.scale + camera.height / 2;
const mapX = (px) => (px - camera.width / 2) / camera.scale + camera.x;
const mapY = (py) => (camera.height / 2 - py) / camera.scale + camera.y;
const MOST_ZOOM = 4000;

function moveBy(dx, dy) {
  camera.x -= dx / camera.scale;
  camera.y += dy / camera.scale;
  keepInSight();
}

function zoomAt(px, py, factor) {
  const x = mapX(px), y = mapY(py);
  camera.scale = Math.min(Math.max(camera.scale * factor, camera.fit * 0.5), camera.fit * MOST_ZOOM);
  camera.x = x - (px - camera.width / 2) / camera.scale;
  camera.y = y + (py - camera.height / 2) / camera.scale;
  keepInSight();
}

function keepInSight() {
  camera.x = Math.min(Math.max(camera.x, low[0] - 300 / camera.fit), high[0] + 300 / camera.fit);
  camera.y = Math.min(Math.max(camera.y, low[1] - 300 / camera.fit), high[1] + 300 / camera.fit);
  invalidate();
}

let flight = 0;
function flyTo(goal, ms = 320) {
  cancelAnimationFrame(flight);
  const from = { x: camera.x, y: camera.y, scale: camera.scale };
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) ms = 0;
  const began = performance.now();
  const step = (now) => {
    const part = ms ? Math.min(Math.max((now - began) / ms, 0), 1) : 1;
    const eased = part * part * (3 - 2 * part);
    camera.scale = from.scale * Math.pow(goal.scale / from.scale, eased);
    camera.x = from.x + (goal.x - from.x) * eased;
    camera.y = from.y + (goal.y - from.y) * eased;
    invalidate();
    if (part < 1) flight = requestAnimationFrame(step);
  };
  step(ms ? began : began + 1);
}
const land = () => cancelAnimationFrame(flight);
const flyHome = () => flyTo(fitted());
const flyToRow = (row) =>
  flyTo({ x: xy[2 * row], y: xy[2 * row + 1], scale: Math.max(camera.scale, Math.min(camera.fit * MOST_ZOOM, closeScale())) });
// So near that about sixty items would be in sight if they were spread evenly.
const closeScale = () => camera.fit * Math.max(1, Math.sqrt(n / 60));
