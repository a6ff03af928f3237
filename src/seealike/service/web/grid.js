// A justified grid of any number of pictures: rows of about one height, a few hundred pooled nodes, scrolled with the window.
//
// Only rows are kept, in typed arrays: the first item, the top and the height of each. A page can be only so high in a
// browser, so a higher grid gets a shorter scroll range. The window begins `scrolled + shift` down the grid: small moves
// leave the shift as it is and so are exact, a leap sets it anew, and so does every rest.
const MOST = 280; // tiles at a time, beside the one that has the focus
const NARROW = 0.4, WIDE = 3; // shapes beyond these are shown whole within such a box
const HIGHEST = 16e6; // in device pixels; Chromium stops at 33.5 million, and is exact to the pixel up to 16.7
const INSIDE = "a, button, input, select, textarea, [tabindex]";

// Rows, each broken where its height is nearest to the wished one; the last is not stretched.
function layOut(shapes, width, { rowPx, gapPx, captionPx }) {
  const n = shapes.length, starts = new Uint32Array(n + 1), tops = new Float64Array(n + 1), heights = new Float64Array(n + 1);
  let rows = 0, start = 0, sum = 0, top = 0;
  const close = (end, height) => {
    starts[rows] = start;
    tops[rows] = top;
    heights[rows++] = height;
    top += Math.round(height) + captionPx + gapPx;
    start = end;
    sum = 0;
  };
  for (let at = 0; at < n; at++) {
    const ratio = shapes[at], room = width - gapPx * (at - start), without = (room + gapPx) / sum;
    sum += ratio;
    if (room > rowPx * sum) continue;
    if (at > start && without / rowPx < (rowPx * sum) / room) close(at--, without);
    else close(at + 1, room / sum);
  }
  if (start < n) close(n, Math.min(rowPx, (width - gapPx * (n - 1 - start)) / sum));
  starts[rows] = n;
  return { rows, starts, tops, heights, total: Math.max(0, top - gapPx) };
}

// Where the last of `count` sorted values is that is not above `value`.
function lastUpTo(values, count, value) {
  let low = 0, high = count - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (values[middle] <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}

function setTabbable(tile, on) {
  const inside = tile.querySelectorAll(INSIDE);
  for (const one of inside.length ? inside : [tile]) one.tabIndex = on ? 0 : -1;
}

export class Grid {
  #place; #wishes; #shapes = new Float64Array(0); #tiles = new Map(); #spare = [];
  #rows = layOut([], 1, {}); #width = 0; #height = 0; #pixels = 0; #range = 0;
  #scrolled = 0; #shift = 0; #moved = true; #first = 0; #seen = "";
  #current = 0; #column = -1; #asked = 0; #resting = 0; #ended = new AbortController(); #watch;

  constructor(place, wishes) {
    this.#place = place;
    this.#wishes = { gapPx: 8, captionPx: 0, seen() {}, ...wishes };
    place.classList.add("grid");
    place.setAttribute("role", "list");
    if (wishes.label) place.setAttribute("aria-label", wishes.label);
    const until = { signal: this.#ended.signal, passive: true };
    addEventListener("resize", () => this.#soon(), until);
    addEventListener("scroll", () => {
      this.#soon();
      clearTimeout(this.#resting);
      if (!("onscrollend" in window)) this.#resting = setTimeout(() => this.#rest(), 200);
    }, until);
    addEventListener("scrollend", () => this.#rest(), until);
    place.addEventListener("focusin", (event) => this.#entered(event), until);
    place.addEventListener("keydown", (event) => this.#pressed(event), { signal: until.signal });
    this.#watch = new ResizeObserver(() => this.#frame());
    this.#watch.observe(place);
  }

  show(ratios) {
    const unit = ratios instanceof Uint16Array ? 1000 : 1;
    this.#shapes = new Float64Array(ratios.length);
    for (let at = 0; at < ratios.length; at++) this.#shapes[at] = Math.min(Math.max(ratios[at] / unit || 1, NARROW), WIDE);
    this.#width = 0;
    this.#seen = "";
    for (const [index, tile] of this.#tiles) if (index >= ratios.length) this.#drop(index, tile);
    this.#choose(Math.max(0, Math.min(this.#current, ratios.length - 1)));
    this.#frame();
  }

  refill(first, last) {
    for (const [index, tile] of this.#tiles) if (index >= first && index <= last) this.#fill(tile, index);
  }

  get first() { return this.#first; }

  get focused() { return this.#place.contains(document.activeElement) ? this.#current : -1; }

  // Bring an item's row below the header; with `focus`, only where it is not seen whole.
  scrollTo(index, { focus = false } = {}) {
    if (!this.#shapes.length) return;
    index = Math.min(Math.max(index, 0), this.#shapes.length - 1);
    this.#frame();
    this.#reveal(index, !focus);
    if (!focus || !this.#tiles.has(index)) return;
    this.#choose(index);
    this.#main(this.#tiles.get(index)).focus({ preventScroll: true });
  }

  close() {
    this.#ended.abort();
    this.#watch.disconnect();
    cancelAnimationFrame(this.#asked);
    clearTimeout(this.#resting);
    this.#place.replaceChildren();
    this.#place.style.height = "";
  }

  #header() { return parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--header-px")) || 0; }

  #measured() { return -this.#place.getBoundingClientRect().top; }

  get #top() { return this.#scrolled + this.#shift; }

  #rowOf(index) { return lastUpTo(this.#rows.starts, this.#rows.rows, index); }

  #rowAt(top) { return lastUpTo(this.#rows.tops, this.#rows.rows, top); }

  #soon() { this.#asked ||= requestAnimationFrame(() => this.#frame()); }

  #frame() {
    cancelAnimationFrame(this.#asked);
    this.#asked = 0;
    const width = this.#place.clientWidth;
    if (!width) return;
    const anew = width !== this.#width || devicePixelRatio !== this.#pixels || innerHeight > this.#height;
    if (anew) this.#arrange(width);
    else this.#follow();
    this.#render();
    if (anew) this.refill(0, Infinity); // in other sizes
  }

  // Lay out for this window; what was seen first stays first.
  #arrange(width) {
    const edge = this.#header() + this.#wishes.gapPx, inside = this.#top + edge, before = this.#rows;
    const row = before.rows && inside > edge ? this.#rowAt(inside) : -1;
    const share = row < 0 ? 0 : Math.min(1, (inside - before.tops[row]) / before.heights[row]);
    [this.#width, this.#height, this.#pixels] = [width, innerHeight, devicePixelRatio];
    const wishes = { ...this.#wishes };
    for (let most = Infinity; most > MOST; wishes.rowPx *= 1.02 * Math.sqrt(most / MOST)) {
      this.#rows = layOut(this.#shapes, width, wishes);
      most = this.#mostAtOnce();
    }
    this.#range = Math.min(this.#rows.total, Math.floor(HIGHEST / Math.max(1, devicePixelRatio)));
    this.#place.style.height = `${this.#range}px`;
    this.#moved = true;
    this.#scrolled = this.#measured();
    if (row < 0 || !this.#rows.rows) { this.#leap(); return; }
    const now = this.#rowOf(Math.min(before.starts[row], this.#shapes.length - 1));
    this.#moveTo(this.#rows.tops[now] + share * this.#rows.heights[now] - edge);
  }

  // The most items that a window can show.
  #mostAtOnce() {
    const { rows, starts, tops, heights } = this.#rows;
    let most = 0;
    for (let first = 0, last = 0; first < rows; first++) {
      while (last < rows && tops[last] < tops[first] + heights[first] + innerHeight) last++;
      most = Math.max(most, starts[last] - starts[first]);
    }
    return most;
  }

  // From the scroll range to the grid and back; both begin and end together.
  #stretch(from, to, value) {
    const short = from - innerHeight, long = to - innerHeight;
    if (value <= 0 || from === to) return value;
    return value < short ? (value * long) / short : value + long - short;
  }

  #due(top) { return this.#stretch(this.#rows.total, this.#range, top); }

  #leap() {
    this.#shift = this.#stretch(this.#range, this.#rows.total, this.#scrolled) - this.#scrolled;
    this.#moved = true;
  }

  #follow() {
    const before = this.#scrolled, now = (this.#scrolled = this.#measured());
    if (this.#range === this.#rows.total) return;
    if (Math.abs(now - before) > Math.min(4 * innerHeight, this.#range / 2000)) this.#leap();
    // Too near an end of the range for what lies before that end of the grid.
    const end = this.#range - innerHeight - now, late = this.#due(this.#top) - now;
    if ((now < 2 * innerHeight && late > 1) || (end < 2 * innerHeight && late < -1)) this.#moveTo(this.#top);
  }

  #rest() {
    this.#frame();
    if (Math.abs(this.#due(this.#top) - this.#scrolled) < 2) return;
    this.#moveTo(this.#top);
    this.#render();
  }

  #moveTo(top) {
    const isWhole = this.#range === this.#rows.total, goal = isWhole ? top : Math.round(this.#due(top));
    scrollBy({ top: goal - this.#measured(), behavior: "instant" });
    this.#scrolled = this.#measured();
    // Exact, whatever part of a pixel was lost; unless the page ends here.
    this.#shift = isWhole ? 0 : top - (Math.abs(goal - this.#scrolled) < 1 ? this.#scrolled : goal);
    this.#moved = true;
  }

  #reveal(index, first) {
    const { tops, heights } = this.#rows, { gapPx, captionPx } = this.#wishes, row = this.#rowOf(index);
    const least = tops[row] + Math.round(heights[row]) + captionPx + gapPx - innerHeight;
    const most = tops[row] - this.#header() - gapPx;
    if (!first && this.#top <= most && this.#top >= least) return;
    this.#moveTo(first || this.#top > most ? most : Math.min(least, most));
    this.#render();
  }

  // Tiles for what is seen, and for about half a window before and after it.
  #render() {
    const { rows, starts, tops } = this.#rows, top = this.#top, { gapPx, seen } = this.#wishes;
    if (!rows) return this.#spare.splice(0).forEach((tile) => tile.remove());
    let from = this.#rowAt(top), to = this.#rowAt(top + innerHeight) + 1;
    const first = starts[from], last = starts[to] - 1, shown = `${first} ${last}`;
    this.#first = starts[this.#rowAt(top + this.#header() + gapPx + 1)];
    const below = () => to < rows && tops[to] < top + 1.5 * innerHeight && starts[to + 1] - starts[from] <= MOST;
    const above = () => from > 0 && tops[from] > top - innerHeight / 2 && starts[to] - starts[from - 1] <= MOST;
    while (below() || above()) {
      if (below()) to++;
      if (above()) from--;
    }
    const away = (index) => index < starts[from] || index >= starts[to];
    for (const [index, tile] of this.#tiles) {
      const held = away(index) && tile.contains(document.activeElement);
      if (away(index) && !held) this.#drop(index, tile);
      if (held !== tile.classList.contains("away")) { tile.classList.toggle("away", held); this.#moved = true; }
    }
    const fresh = new Set();
    for (let row = from; row < to; row++) this.#putRow(row, fresh);
    for (const index of this.#tiles.keys()) if (away(index)) this.#putRow(this.#rowOf(index), fresh, index);
    this.#moved = false;
    for (const tile of this.#spare.splice(0)) tile.remove();
    this.#order(fresh);
    if (!this.#tiles.has(this.#current)) this.#choose(this.#first);
    if (this.#seen !== shown) { this.#seen = shown; seen(first, last); }
  }

  #boxes(row) {
    const { starts, heights } = this.#rows, boxes = [];
    for (let at = starts[row], left = 0, sum = 0; at < starts[row + 1]; at++) {
      const right = Math.round((sum += this.#shapes[at]) * heights[row]) + this.#wishes.gapPx * (at - starts[row]);
      boxes.push([at, left, right - left]);
      left = right + this.#wishes.gapPx;
    }
    return boxes;
  }

  #putRow(row, fresh, only = -1) {
    const height = Math.round(this.#rows.heights[row]), { captionPx, make } = this.#wishes;
    let top = this.#rows.tops[row] - this.#shift;
    if (only >= 0) top = Math.min(Math.max(0, top), this.#range - height - captionPx); // not to make the page higher
    for (const [index, left, width] of this.#boxes(row)) {
      if (only >= 0 && index !== only) continue;
      const known = this.#tiles.get(index), tile = known ?? this.#spare.pop() ?? make();
      if (known && !this.#moved) continue;
      const shape = this.#shapes[index], fit = shape === NARROW || shape === WIDE ? "contain" : "cover";
      const box = { left: `${left}px`, top: `${top}px`, "--w": `${width}px`, "--h": `${height}px`, "--fit": fit };
      for (const name in box) tile.style.setProperty(name, box[name]);
      if (known) continue;
      for (const picture of tile.querySelectorAll("img")) picture.removeAttribute("src"); // it showed another item
      this.#tiles.set(index, tile);
      this.#fill(tile, index);
      fresh.add(tile);
    }
  }

  // Screen readers read in the order of the nodes; those that stay are in order already, and one with the focus cannot move.
  #order(fresh) {
    const next = (tile) => { while (fresh.has(tile)) tile = tile.nextSibling; return tile; };
    let cursor = next(this.#place.firstChild);
    for (const [, tile] of [...this.#tiles].sort(([a], [b]) => a - b)) {
      if (fresh.has(tile)) this.#place.insertBefore(tile, cursor);
      else cursor = next(tile.nextSibling);
    }
  }

  #drop(index, tile) {
    this.#tiles.delete(index);
    this.#spare.push(tile);
  }

  #fill(tile, index) {
    const held = tile.contains(document.activeElement);
    tile.role = "listitem";
    tile.ariaSetSize = this.#shapes.length;
    tile.ariaPosInSet = index + 1;
    this.#wishes.fill(tile, index);
    setTabbable(tile, index === this.#current);
    if (held && !tile.contains(document.activeElement)) this.#main(tile).focus({ preventScroll: true });
  }

  #main(tile) { return tile.querySelector(INSIDE) ?? tile; }

  // Of all tiles one can be reached with the tabulator: that of the current item.
  #choose(index) {
    const before = this.#tiles.get(this.#current), now = this.#tiles.get(index);
    if (before) setTabbable(before, false);
    this.#current = index;
    if (now) setTabbable(now, true);
  }

  #entered({ target }) {
    const index = [...this.#tiles].find(([, tile]) => tile.contains(target))?.[0] ?? this.#current;
    if (index !== this.#current) { this.#column = -1; this.#choose(index); }
    if (target.matches(":focus-visible")) this.#reveal(index, false);
  }

  #pressed(event) {
    const { key, target } = event, held = event.altKey || event.ctrlKey || event.metaKey || event.shiftKey;
    if (held || event.defaultPrevented || target.closest("input, select, textarea, [contenteditable]")) return;
    const { rows, tops } = this.#rows, row = this.#rowOf(this.#current), page = innerHeight - this.#header();
    const far = { ArrowUp: row - 1, ArrowDown: row + 1, PageUp: Math.min(row - 1, this.#rowAt(tops[row] - page) + 1),
      PageDown: Math.max(row + 1, this.#rowAt(tops[row] + page)) }[key];
    const near = { ArrowLeft: this.#current - 1, ArrowRight: this.#current + 1, Home: 0, End: this.#shapes.length - 1 }[key];
    if (far === undefined && near === undefined) return;
    event.preventDefault();
    if (far === undefined) this.#column = -1;
    this.scrollTo(near ?? this.#inRow(row, Math.min(Math.max(far, 0), rows - 1)), { focus: true });
  }

  // The item of another row that lies where the walk up and down began.
  #inRow(from, to) {
    const [, left, width] = this.#boxes(from).find(([index]) => index === this.#current);
    if (this.#column < 0) this.#column = left + width / 2;
    const below = this.#boxes(to);
    return (below.find(([, x, w]) => x + w + this.#wishes.gapPx / 2 >= this.#column) ?? below.at(-1))[0];
  }
}
