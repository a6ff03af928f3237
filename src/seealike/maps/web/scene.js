// One frame: the points, the pictures on them, and what is drawn above both.
let points = null, asked = 0, path = []; // path: the lasso while it is drawn, in map coordinates
const over = byId("over").getContext("2d");

function invalidate() {
  if (!asked) asked = requestAnimationFrame(frame);
}

function frame(now, resting = false) {
  if (!resting) asked = 0;
  points.draw(keepPace(now, resting));
  over.setTransform(camera.ratio, 0, 0, camera.ratio, 0, 0);
  over.clearRect(0, 0, camera.width, camera.height);
  drawPictures(over);
  drawMatches();
  if (state.around >= 0) drawAround();
  if (state.centred) centreOn();
  if (state.hover >= 0) ring(state.hover, 2.5);
  if (path.length > 2) drawLasso();
  placeTip();
}

const ink = () => (state.dark ? "#f0ede8" : "#1e1c1a");
const accent = () => (state.dark ? "#5cc9bb" : "#0b6b62");

function ring(row, width) {
  const shown = drawn.find((one) => one.row === row), x = screenX(row), y = screenY(row);
  over.strokeStyle = ink();
  over.lineWidth = width;
  over.beginPath();
  if (shown) over.roundRect(x - shown.w / 2 - 4, y - shown.h / 2 - 4, shown.w + 8, shown.h + 8, 8);
  else over.arc(x, y, radius() + 3.5, 0, 7);
  over.stroke();
}

function drawMatches() {
  for (const row of state.matches.slice(0, 500)) if (isShown(row)) ring(row, 1.5);
}

// Lines from an item to its neighbours, which need not lie near it on the map.
function drawAround() {
  over.strokeStyle = ink();
  over.lineWidth = 1.2;
  over.globalAlpha = 0.55;
  over.beginPath();
  for (const row of state.chosen) {
    over.moveTo(screenX(state.around), screenY(state.around));
    over.lineTo(screenX(row), screenY(row));
  }
  over.stroke();
  over.globalAlpha = 1;
  ring(state.around, 2.5);
}

function drawLasso() {
  over.beginPath();
  for (let at = 0; at < path.length; at += 2)
    over.lineTo((path[at] - camera.x) * camera.scale + camera.width / 2, (camera.y - path[at + 1]) * camera.scale + camera.height / 2);
  over.closePath();
  over.globalAlpha = 0.14;
  over.fillStyle = accent();
  over.fill();
  over.globalAlpha = 1;
  over.setLineDash([7, 5]);
  over.lineWidth = 2;
  over.strokeStyle = accent();
  over.stroke();
  over.setLineDash([]);
}

// The keyboard has no pointer: the item closest to the middle is the one that is meant.
function centreOn() {
  const reach = Math.min(camera.width, camera.height) / 2;
  state.hover = pick(camera.width / 2, camera.height / 2, reach);
  over.strokeStyle = accent();
  over.lineWidth = 1.5;
  const x = camera.width / 2, y = camera.height / 2;
  for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
    over.beginPath();
    over.moveTo(x + 5 * dx, y + 5 * dy);
    over.lineTo(x + 13 * dx, y + 13 * dy);
    over.stroke();
  }
}

let tipRow = -1, spoken = 0;

function placeTip() {
  const tip = byId("tip"), row = state.hover;
  tip.hidden = row < 0 || path.length > 0;
  if (tip.hidden) { tipRow = -1; return; }
  if (tipRow !== row) fillTip(row);
  const box = tip.getBoundingClientRect(), shown = drawn.find((one) => one.row === row);
  const away = shown ? shown.w / 2 + 12 : radius() + 12, x = screenX(row), y = screenY(row);
  const right = x + away + box.width < camera.width - covered().right - 8;
  const left = right ? x + away : Math.max(8, x - away - box.width);
  const top = Math.min(Math.max(8, y - box.height / 2), camera.height - box.height - 8);
  tip.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
}

function fillTip(row) {
  const picture = byId("tip-picture"), named = ways.map((way) => way.of[row] === NONE ? "no " + way.title : way.names[way.of[row]]);
  const kind = named.map((name, at) => (at && name ? `${ways[at].title} ${name}` : name)).filter(Boolean);
  forgetUrls(tipRow >= 0 && !state.chosen.has(tipRow) ? [tipRow] : []);
  tipRow = row;
  picture.hidden = !hasPicture(row);
  if (hasPicture(row)) picture.src = urlOf(row);
  byId("tip-id").textContent = visible(ids[row]);
  byId("tip-kind").textContent = visible(kind.join(" \u00b7 "));
  clearTimeout(spoken);
  const selected = state.chosen.has(row) ? ", selected" : "";
  if (state.centred) spoken = setTimeout(() => say(visible(`${ids[row]}, ${kind.join(", ")}${selected}`)), 350);
}

const say = (text) => { byId("say").textContent = text; };
