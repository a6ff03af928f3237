// Which items are where: a grid of cells over the map, each with its rows in the order given.
function gridOf(side, given) {
  const width = (high[0] - low[0]) / side || 1, height = (high[1] - low[1]) / side || 1;
  const column = (x) => Math.min(side - 1, Math.max(0, Math.floor((x - low[0]) / width)));
  const line = (y) => Math.min(side - 1, Math.max(0, Math.floor((y - low[1]) / height)));
  const start = new Uint32Array(side * side + 1), rows = new Uint32Array(n);
  const cellOf = (row) => line(xy[2 * row + 1]) * side + column(xy[2 * row]);
  for (let row = 0; row < n; row++) start[cellOf(row) + 1]++;
  for (let cell = 0; cell < side * side; cell++) start[cell + 1] += start[cell];
  const next = start.slice();
  for (const row of given) rows[next[cellOf(row)]++] = row;
  return { side, column, line, start, rows };
}
const cells = gridOf(Math.max(1, Math.min(1024, Math.ceil(Math.sqrt(n / 3)))), Array.from({ length: n }, (_, row) => row));

// Call visit(row) for every row of the cells that a box touches.
function eachNear(left, bottom, right, top, visit) {
  if (!n) return;
  const from = cells.column(left), to = cells.column(right);
  for (let line = cells.line(bottom); line <= cells.line(top); line++) {
    const first = cells.start[line * cells.side + from], last = cells.start[line * cells.side + to + 1];
    for (let at = first; at < last; at++) visit(cells.rows[at]);
  }
}

// The shown item closest to a point of the screen, or -1 where none is within reach.
function pick(px, py, reach = 14) {
  const onPicture = pictureAt(px, py);
  if (onPicture >= 0) return onPicture;
  let best = -1, least = reach * reach;
  eachNear(mapX(px - reach), mapY(py + reach), mapX(px + reach), mapY(py - reach), (row) => {
    const dx = screenX(row) - px, dy = screenY(row) - py, square = dx * dx + dy * dy;
    if (square <= least && isShown(row)) [best, least] = [row, square];
  });
  return best;
}

// The shown items within a polygon of map coordinates [x, y, x, y, ...]: those that a ray to the right leaves
// through an odd number of edges.
function within(polygon) {
  const found = [], corners = polygon.length / 2;
  if (corners < 3) return found;
  let left = Infinity, right = -Infinity, bottom = Infinity, top = -Infinity;
  for (let at = 0; at < corners; at++) {
    left = Math.min(left, polygon[2 * at]); right = Math.max(right, polygon[2 * at]);
    bottom = Math.min(bottom, polygon[2 * at + 1]); top = Math.max(top, polygon[2 * at + 1]);
  }
  eachNear(left, bottom, right, top, (row) => {
    const x = xy[2 * row], y = xy[2 * row + 1];
    if (x < left || x > right || y < bottom || y > top || !isShown(row)) return;
    let inside = false;
    for (let at = 0, last = corners - 1; at < corners; last = at++) {
      const y1 = polygon[2 * at + 1], y2 = polygon[2 * last + 1];
      if (y1 > y !== y2 > y && x < ((polygon[2 * last] - polygon[2 * at]) * (y - y1)) / (y2 - y1) + polygon[2 * at])
        inside = !inside;
    }
    if (inside) found.push(row);
  });
  return found.sort((a, b) => a - b);
}
