// Small pictures: decoded when they are needed, and drawn on the points where there is room for them.
const sizes = new Uint32Array(bytesOf("tile-sizes").buffer);
const CHUNK = meta.tiles.chunk, KEPT = 900, AT_ONCE = 24;
const chunks = new Map(), bitmaps = new Map(), urls = new Map();
let waiting = 0;

const hasPicture = (row) => sizes.length > 0 && sizes[row] > 0;

function pictureBytes(row) {
  const number = Math.floor(row / CHUNK);
  if (!chunks.has(number)) {
    const bytes = bytesOf("tiles-" + number), starts = [0];
    for (let at = number * CHUNK; at < Math.min(n, (number + 1) * CHUNK); at++) starts.push(starts.at(-1) + sizes[at]);
    chunks.set(number, { bytes, starts });
    if (chunks.size > 24) chunks.delete(chunks.keys().next().value);
  }
  const { bytes, starts } = chunks.get(number), at = row - number * CHUNK;
  return new Blob([bytes.subarray(starts[at], starts[at + 1])], { type: meta.tiles.type });
}

// A decoded picture, or null until there is one.
function bitmapOf(row) {
  const known = bitmaps.get(row);
  if (known !== undefined) {
    bitmaps.delete(row);
    bitmaps.set(row, known); // the latest used stay
    return known;
  }
  if (waiting >= AT_ONCE) { invalidate(); return null; }
  waiting++;
  bitmaps.set(row, null);
  const done = (bitmap) => {
    waiting--;
    if (bitmap) bitmaps.set(row, bitmap);
    while (bitmaps.size > KEPT) {
      const [oldest, old] = bitmaps.entries().next().value;
      bitmaps.delete(oldest);
      if (old) old.close();
    }
    invalidate();
  };
  createImageBitmap(pictureBytes(row)).then(done, () => done(null));
  return null;
}

function urlOf(row) {
  if (!urls.has(row)) urls.set(row, URL.createObjectURL(pictureBytes(row)));
  return urls.get(row);
}

function forgetUrls(rows) {
  for (const row of rows) if (urls.has(row)) { URL.revokeObjectURL(urls.get(row)); urls.delete(row); }
}

// At which zoom step an item's picture first has room. A picture that is shown stays while one goes closer.
// Steps are factors of the square root of two above the whole map.
const STEPS = 26, SIDE = () => (camera.width > 700 ? (n <= 12 ? 104 : n <= 60 ? 62 : 50) : n <= 12 ? 84 : 42);
const stepOf = (scale) => Math.max(0, Math.min(STEPS - 1, Math.floor(2 * Math.log2(scale / camera.fit) + 1e-6)));
const sideAt = (scale) => Math.min(SIDE() * Math.pow(Math.max(scale / camera.fit, 1), 0.22), 120);
let firstStep = new Uint8Array(n).fill(255), stepsDone = 0, fitThen = 0;

function makeRoom(step) {
  if (fitThen !== camera.fit) [firstStep, stepsDone, fitThen] = [new Uint8Array(n).fill(255), 0, camera.fit];
  for (; stepsDone <= step; stepsDone++) {
    const scale = camera.fit * Math.pow(2, stepsDone / 2), side = (sideAt(scale) * 0.94) / scale, taken = new Map();
    const key = (x, y) => x * 67108864 + y;
    const at = (row, axis) => Math.floor((xy[2 * row + axis] - low[axis]) / side);
    const put = (row) => {
      const place = key(at(row, 0) + 1, at(row, 1) + 1);
      taken.set(place, taken.has(place) ? [...taken.get(place), row] : [row]);
    };
    const free = (row) => {
      for (let dx = 0; dx <= 2; dx++)
        for (let dy = 0; dy <= 2; dy++)
          for (const other of taken.get(key(at(row, 0) + dx, at(row, 1) + dy)) || [])
            if (Math.abs(xy[2 * row] - xy[2 * other]) < side && Math.abs(xy[2 * row + 1] - xy[2 * other + 1]) < side) return false;
      return true;
    };
    for (let row = 0; row < n; row++) if (firstStep[row] < stepsDone) put(row);
    for (const row of shuffled)
      if (firstStep[row] === 255 && hasPicture(row) && free(row)) { put(row); firstStep[row] = stepsDone; }
  }
}

let drawn = []; // rows whose pictures are on the screen, with their boxes, the topmost last

function drawPictures(context) {
  drawn = [];
  if (!sizes.length || !state.pictures) return;
  const step = stepOf(camera.scale);
  makeRoom(step);
  const side = sideAt(camera.scale), half = side / 2 + 4;
  eachNear(mapX(-half), mapY(camera.height + half), mapX(camera.width + half), mapY(-half), (row) => {
    if (firstStep[row] <= step && isShown(row)) drawn.push({ row, x: screenX(row), y: screenY(row) });
  });
  for (const one of drawn) {
    const bitmap = bitmapOf(one.row);
    const most = bitmap ? Math.max(bitmap.width, bitmap.height) : 1;
    one.w = bitmap ? (side * bitmap.width) / most : 0;
    one.h = bitmap ? (side * bitmap.height) / most : 0;
    if (bitmap) drawPicture(context, one, bitmap);
  }
  drawn = drawn.filter((one) => one.w);
}

function drawPicture(context, { row, x, y, w, h }, bitmap) {
  const pale = state.chosen.size > 0 && !state.chosen.has(row);
  context.globalAlpha = pale ? 0.25 : 1;
  context.fillStyle = colourOf(kindOf(row));
  context.beginPath();
  context.roundRect(x - w / 2 - 2, y - h / 2 - 2, w + 4, h + 4, 6);
  context.fill();
  context.save();
  context.beginPath();
  context.roundRect(x - w / 2, y - h / 2, w, h, 4.5);
  context.clip();
  context.drawImage(bitmap, x - w / 2, y - h / 2, w, h);
  context.restore();
  context.globalAlpha = 1;
}

function pictureAt(px, py) {
  for (let at = drawn.length - 1; at >= 0; at--) {
    const { row, x, y, w, h } = drawn[at];
    if (Math.abs(px - x) <= w / 2 + 2 && Math.abs(py - y) <= h / 2 + 2) return row;
  }
  return -1;
}
