// The catalogue as a map of pictures: what looks alike lies close together. One picture stands for its neighbourhood
// until there is room for more.

import { hrefFrom } from "./query.js";
import { go, state } from "./state.js";
import { ask, count, el, icon, iconButton, left, nameOf, noPictures, number, stopped, thumbnail, waiting } from "./tools.js";
import { Earlier } from "./views.js";

const MOST = 190; // pictures at a time
const MOST_LOST = 40; // pictures that do not come, before a map is one of points: where no other one came
const KEPT = 500, AT_ONCE = 8; // loaded pictures, and how many are loaded at a time
const MOST_ZOOM = 3000, LISTED = 60, POLL_MS = 1000;
const HUES = [28, 255, 145, 325, 85, 200, 300, 55, 175, 350, 115, 230]; // as the map that `seealike map` writes
const ARROWS = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

export async function open(place, app) {
  const view = new PictureMap(place, app);
  view.load();
  return view;
}

const imageOf = (id) => `/images/${encodeURIComponent(id)}`;

class PictureMap {
  constructor(place, app) {
    Object.assign(this, { place, app, ended: new AbortController(), pointers: new Map() });
    this.earlier = new Earlier(app, "map", { look: () => this.ask(), show: (data) => this.show(data) });
    this.note = el("p", { class: "note", role: "status" });
    this.box = el("div", { class: "found" });
    place.append(el("div", { class: "heading" }, el("h1", { tabIndex: -1, text: "Map" }), this.note), this.earlier.note, this.box);
    addEventListener("online", () => this.again(), { signal: this.ended.signal });
  }

  close() {
    this.ended.abort();
    this.earlier.close();
    this.watch?.disconnect();
    cancelAnimationFrame(this.asked);
    cancelAnimationFrame(this.flight);
    for (const timer of [this.polls, this.rests]) clearTimeout(timer);
  }

  update() {
    if (this.data && this.written !== JSON.stringify(state.own)) this.goTo(this.wished());
  }

  async load() {
    if (!this.app.stats.items) {
      this.box.replaceChildren(noPictures(this.app));
      return;
    }
    const ended = this.bar ? () => {} : waiting(this.box, () => el("div", { class: "mapped" }));
    try {
      const data = await this.ask();
      ended();
      if (data.status === "ready") this.show(data);
      else {
        this.progress(data);
        this.polls = setTimeout(() => this.load(), POLL_MS);
      }
    } catch (problem) {
      ended();
      if (problem.name !== "AbortError") this.box.replaceChildren(stopped(problem, () => this.load()));
    }
  }

  ask() {
    return ask("/map", { query: { stale: 1 }, signal: this.ended.signal });
  }

  progress({ done, stage, total, left_s: s }) {
    if (!this.bar?.isConnected) {
      this.bar = el("progress", { "aria-label": "Laid out" });
      this.box.replaceChildren(el("div", { class: "stopped" }, icon("picture"), el("p", { class: "what", text: "The map is being laid out." }), this.bar, el("p", { class: "note" }),
        el("p", { class: "note", text: "It goes on while you look at something else, and is made once for each state of the catalogue." })));
    }
    if (total) [this.bar.value, this.bar.max] = [done, total];
    this.bar.nextSibling.textContent = stage === "" ? "Other work is done first." : [total && `${number(done)} of ${number(total)}`, left(s)].filter(Boolean).join(" · ");
  }

  show(data) {
    this.watch?.disconnect();
    Object.assign(this, { pictures: new Map(), queue: [], loading: 0, came: 0, lost: 0, drawn: [], chosen: -1, hovered: -1, width: 0 });
    this.earlier.tell(data);
    const { ids, method, total } = (this.data = data), n = (this.n = ids.length);
    this.note.textContent = `${n < total ? `${number(n)} of ${count(total, "picture")}` : count(n, "picture")}; those that look alike lie close together${method === "components" ? ", roughly: with “pip install seealike[map]” they would closer" : ""}.`;
    this.locate(data);
    this.canvas = el("canvas", { tabIndex: 0, role: "application", "aria-label": "Map of the catalogue", "aria-describedby": "map-keys" });
    this.card = el("div", { class: "chosen", hidden: true });
    this.middle = el("p", { class: "unseen", role: "status" });
    this.list = el("ul", {});
    const zoom = (name, label, act) => iconButton(name, label, act);
    this.stage = el("div", { class: "mapped" }, this.canvas,
      el("p", { id: "map-keys", class: "unseen", text: "Arrow keys move the map, plus and minus zoom, 0 shows all of it, Enter chooses the picture in the middle. The pictures in view are listed below." }),
      el("div", { class: "zooms", role: "group", "aria-label": "Zoom" }, zoom("more", "Closer", () => this.zoom(1.6)), zoom("less", "Further away", () => this.zoom(1 / 1.6)),
        el("button", { type: "button", class: "round all", title: "The whole map", "aria-label": "The whole map", text: "All", on: { click: () => this.fly(this.home()) } })),
      this.card);
    this.about = el("summary", { text: "What is in view" });
    this.box.replaceChildren(this.stage, this.middle, el("details", { class: "listed", on: { toggle: () => this.fillList() } }, this.about, this.list));
    this.context = this.canvas.getContext("2d");
    this.colours();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.colours(), { signal: this.ended.signal });
    this.listen();
    this.watch = new ResizeObserver(() => this.measure());
    this.watch.observe(this.stage);
    this.measure();
    if (state.on) this.choose(ids.indexOf(state.on), false);
  }

  // -- where things are: the map is one unit wide or high, with (0, 0) in its middle and y upwards

  locate({ x, y }) {
    const least = (values) => values.reduce((a, b) => Math.min(a, b), Infinity), most = (values) => values.reduce((a, b) => Math.max(a, b), -Infinity);
    const [left, right, low, high] = [least(x), most(x), least(y), most(y)];
    const span = Math.max(right - left, high - low) || 1;
    this.spans = [(right - left) / span, (high - low) / span];
    this.x = Float64Array.from(x, (one) => (one - (left + right) / 2) / span);
    this.y = Float64Array.from(y, (one) => (one - (low + high) / 2) / span);
    // Who comes first where there is no room for all: by chance, but always the same.
    this.order = Uint32Array.from({ length: this.n }, (_, row) => row);
    for (let at = this.n - 1, seed = 1; at > 0; at--) {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      const other = seed % (at + 1);
      [this.order[at], this.order[other]] = [this.order[other], this.order[at]];
    }
  }

  measure() {
    const { clientWidth: width, clientHeight: height } = this.stage, ratio = Math.min(devicePixelRatio || 1, 2);
    if (!width || (width === this.width && height === this.height && ratio === this.ratio)) return;
    const wish = this.camera ? this.said() : this.wished();
    Object.assign(this, { width, height, ratio });
    Object.assign(this.canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
    this.side = Math.min(150, Math.max(40, 0.75 * Math.sqrt((width * height) / MOST), Math.sqrt((width * height) / this.n) / 2));
    const room = this.side + 24;
    this.fit = Math.min((width - room) / (this.spans[0] || 1e-9), (height - room) / (this.spans[1] || 1e-9), 4 * Math.max(width, height));
    this.steps = new Uint8Array(this.n).fill(255);
    this.stepsDone = 0;
    this.camera = this.home();
    this.goTo(wish);
  }

  home() { return { x: 0, y: 0, scale: this.fit }; }

  wished() {
    const [x, y, z] = ["x", "y", "z"].map((name) => Number(state.own[name]));
    return z > 0 ? { x: x || 0, y: y || 0, z } : { x: 0, y: 0, z: 1 };
  }

  said() { return { x: this.camera.x, y: this.camera.y, z: this.camera.scale / this.fit }; }

  goTo({ x, y, z }) {
    this.camera = { x, y, scale: this.fit * z };
    this.moved();
  }

  screen(row) { return [(this.x[row] - this.camera.x) * this.camera.scale + this.width / 2, (this.camera.y - this.y[row]) * this.camera.scale + this.height / 2]; }

  moved() {
    const { camera, fit, spans } = this, half = 0.5 / fit;
    camera.scale = Math.min(Math.max(camera.scale, fit * 0.7), fit * MOST_ZOOM);
    camera.x = Math.min(Math.max(camera.x, -spans[0] / 2 - half), spans[0] / 2 + half);
    camera.y = Math.min(Math.max(camera.y, -spans[1] / 2 - half), spans[1] / 2 + half);
    this.asked ??= requestAnimationFrame(() => this.draw());
    clearTimeout(this.rests);
    this.rests = setTimeout(() => this.rest(), 350);
  }

  moveBy(dx, dy) {
    this.camera.x -= dx / this.camera.scale;
    this.camera.y += dy / this.camera.scale;
    this.moved();
  }

  zoom(factor, px = this.width / 2, py = this.height / 2) {
    const { camera, width, height } = this, before = camera.scale;
    camera.scale = Math.min(Math.max(before * factor, this.fit * 0.7), this.fit * MOST_ZOOM);
    camera.x += (px - width / 2) * (1 / before - 1 / camera.scale);
    camera.y -= (py - height / 2) * (1 / before - 1 / camera.scale);
    this.moved();
  }

  fly(goal) {
    cancelAnimationFrame(this.flight);
    const from = { ...this.camera }, began = performance.now(), ms = matchMedia("(prefers-reduced-motion: reduce)").matches ? 1 : 300;
    const step = (now) => {
      const part = Math.min(Math.max((now - began) / ms, 0), 1), eased = part * part * (3 - 2 * part);
      this.camera = { x: from.x + (goal.x - from.x) * eased, y: from.y + (goal.y - from.y) * eased, scale: from.scale * (goal.scale / from.scale) ** eased };
      this.moved();
      if (part < 1) this.flight = requestAnimationFrame(step);
    };
    this.flight = requestAnimationFrame(step);
  }

  // What holds once the map rests: the address, what is listed, what is said of the middle.
  rest() {
    const { x, y, z } = this.said(), at = { x: x.toFixed(4), y: y.toFixed(4), z: z.toFixed(2) };
    const own = z.toFixed(2) === "1.00" && Math.hypot(x, y) < 1e-3 ? {} : at, on = this.data.ids[this.chosen] ?? "";
    this.written = JSON.stringify(own);
    if (state.view === "map" && (this.written !== JSON.stringify(state.own) || on !== state.on)) go({ own, on }, { replace: true, quiet: true });
    this.fillList();
    const near = this.nearest(this.width / 2, this.height / 2, Infinity);
    if (document.activeElement === this.canvas) this.middle.textContent = `In the middle: ${this.data.ids[near]}. ${this.about.textContent}.`;
  }

  inView() {
    const found = [];
    for (let row = 0; row < this.n; row++) {
      const [x, y] = this.screen(row);
      if (x >= 0 && y >= 0 && x <= this.width && y <= this.height) found.push([Math.hypot(x - this.width / 2, y - this.height / 2), row]);
    }
    return found.sort(([a], [b]) => a - b).map(([, row]) => row);
  }

  fillList() {
    const rows = this.inView(), { ids } = this.data;
    this.about.textContent = `${count(rows.length, "picture")} in view`;
    if (!this.list.parentNode.open || this.list.contains(document.activeElement)) return;
    this.list.replaceChildren(...rows.slice(0, LISTED).map((row) => el("li", {}, el("a", { href: hrefFrom(ids[row]), text: ids[row] }))));
    if (rows.length > LISTED) this.list.append(el("li", { class: "note", text: `and ${number(rows.length - LISTED)} more, further from the middle: zoom in to list them` }));
  }

  // -- drawing

  colours() {
    const style = getComputedStyle(this.place), dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const tones = dark ? ["74% .14", "87% .085"] : ["66% .155", "48% .125"];
    this.ink = { card: style.getPropertyValue("--card"), well: style.getPropertyValue("--well"), accent: style.getPropertyValue("--accent"), quiet: style.getPropertyValue("--quiet") };
    this.colourOf = (cluster) => (cluster !== null && cluster >= 0 ? `oklch(${tones[Math.floor(cluster / HUES.length) % 2]} ${HUES[cluster % HUES.length]})` : this.ink.quiet);
    if (this.camera) this.moved();
  }

  sideAt(scale) { return Math.min(150, this.side * Math.max(scale / this.fit, 1) ** 0.2); }

  // From which step of zoom on an item's picture has room; steps are factors of the square root of two.
  makeRoom(step) {
    const far = 1 << 20;
    for (; this.stepsDone <= step; this.stepsDone++) {
      const scale = this.fit * 2 ** (this.stepsDone / 2), side = (this.sideAt(scale) * 1.03) / scale, taken = new Map();
      const key = (row, dx, dy) => (Math.floor(this.x[row] / side) + dx) * far + Math.floor(this.y[row] / side) + dy;
      for (const row of this.order) if (this.steps[row] < this.stepsDone) taken.set(key(row, 0, 0), row);
      for (const row of this.order) {
        if (this.steps[row] !== 255) continue;
        let free = true;
        for (let dx = -1; free && dx < 2; dx++)
          for (let dy = -1; free && dy < 2; dy++) {
            const other = taken.get(key(row, dx, dy));
            free = other === undefined || Math.abs(this.x[row] - this.x[other]) >= side || Math.abs(this.y[row] - this.y[other]) >= side;
          }
        if (free) {
          taken.set(key(row, 0, 0), row);
          this.steps[row] = this.stepsDone;
        }
      }
    }
  }

  draw() {
    this.asked = null;
    const { context, width, height, ratio, camera, data } = this, side = this.sideAt(camera.scale), half = side / 2;
    const step = Math.max(0, Math.floor(2 * Math.log2(camera.scale / this.fit) + 1e-6));
    this.makeRoom(step);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    this.drawn = [];
    const dots = new Map(), dot = Math.min(6, 2.4 * Math.max(1, camera.scale / this.fit) ** 0.25);
    for (const row of this.order) {
      const [x, y] = this.screen(row);
      if (x < -half || y < -half || x > width + half || y > height + half) continue;
      if (!this.isBare && this.steps[row] <= step && this.drawn.length < 220) this.drawn.push({ row, x, y });
      else {
        const cluster = data.clusters[row];
        if (!dots.has(cluster)) dots.set(cluster, []);
        dots.get(cluster).push(x, y);
      }
    }
    context.globalAlpha = 0.75;
    for (const [cluster, places] of dots) {
      context.fillStyle = this.colourOf(cluster);
      context.beginPath();
      for (let at = 0; at < places.length; at += 2) {
        context.moveTo(places[at] + dot, places[at + 1]);
        context.arc(places[at], places[at + 1], dot, 0, 7);
      }
      context.fill();
    }
    context.globalAlpha = 1;
    this.queue = [];
    for (const one of this.drawn) this.drawPicture(one, side);
    for (const row of [this.hovered, this.chosen]) if (row >= 0) this.ring(row, row === this.chosen ? 3 : 2);
    if (this.canvas.matches(":focus-visible")) this.cross();
    this.loadNext();
  }

  drawPicture(one, side) {
    const { context } = this, shape = Math.min(Math.max(this.data.ratios[one.row] || 1, 0.3), 3.3), picture = this.pictures.get(one.row);
    const w = (one.w = side * Math.min(1, shape)), h = (one.h = side * Math.min(1, 1 / shape)), left = one.x - w / 2, top = one.y - h / 2;
    context.fillStyle = this.colourOf(this.data.clusters[one.row]);
    context.beginPath();
    context.roundRect(left - 2, top - 2, w + 4, h + 4, 8);
    context.fill();
    context.save();
    context.beginPath();
    context.roundRect(left, top, w, h, 6);
    context.clip();
    context.fillStyle = this.ink.card;
    context.fillRect(left, top, w, h);
    if (picture === "none") this.drawNone(one.x, one.y, left, top, w, h);
    else if (picture?.complete) {
      const grown = Math.max(w / picture.naturalWidth, h / picture.naturalHeight), [pw, ph] = [picture.naturalWidth * grown, picture.naturalHeight * grown];
      context.drawImage(picture, one.x - pw / 2, one.y - ph / 2, pw, ph);
    } else this.queue.push(one.row);
    context.restore();
  }

  // Where a picture should be that cannot be had.
  drawNone(x, y, left, top, w, h) {
    const { context } = this, arm = Math.min(w, h) / 6;
    context.fillStyle = this.ink.well;
    context.fillRect(left, top, w, h);
    context.strokeStyle = this.ink.quiet;
    context.lineWidth = 1.5;
    context.beginPath();
    context.roundRect(x - arm, y - arm * 0.8, arm * 2, arm * 1.6, 3);
    context.moveTo(x - arm, y - arm * 0.8);
    context.lineTo(x + arm, y + arm * 0.8);
    context.stroke();
  }

  // Of a catalogue that has kept no pictures the map is one of points.
  get isBare() { return !this.came && this.lost > MOST_LOST; }

  // What did not come may come now.
  again() {
    for (const [row, picture] of this.pictures ?? []) if (picture === "none") this.pictures.delete(row);
    this.lost = 0;
    if (this.camera) this.moved();
  }

  loadNext() {
    while (this.loading < AT_ONCE && this.queue.length) {
      const row = this.queue.shift();
      if (this.pictures.has(row)) continue;
      const picture = new Image(), { pictures } = this;
      this.loading++;
      pictures.set(row, picture);
      const done = (isLost) => {
        if (pictures !== this.pictures) return; // of an earlier map
        this.loading--;
        if (isLost) this.lost++;
        else this.came++;
        if (isLost) this.pictures.set(row, "none");
        for (const old of this.pictures.keys()) {
          if (this.pictures.size <= KEPT) break;
          if (this.pictures.get(old) !== "none" && !this.drawn.some((one) => one.row === old)) this.pictures.delete(old);
        }
        if (this.isBare) this.queue.length = 0;
        if (!this.ended.signal.aborted) this.asked ??= requestAnimationFrame(() => this.draw());
      };
      picture.src = thumbnail(imageOf(this.data.ids[row]), 80);
      picture.decode().then(() => done(false), () => done(true));
    }
  }

  ring(row, width) {
    const { context } = this, shown = this.drawn.find((one) => one.row === row), [x, y] = this.screen(row);
    context.strokeStyle = this.ink.accent;
    context.lineWidth = width;
    context.beginPath();
    if (shown) context.roundRect(x - shown.w / 2 - 4, y - shown.h / 2 - 4, shown.w + 8, shown.h + 8, 10);
    else context.arc(x, y, 8, 0, 7);
    context.stroke();
  }

  // The keyboard has no pointer: the item nearest to the middle is the one that Enter chooses.
  cross() {
    const { context } = this, x = this.width / 2, y = this.height / 2;
    this.ring(this.nearest(x, y, Infinity), 2);
    context.beginPath();
    for (const [dx, dy] of Object.values(ARROWS)) {
      context.moveTo(x + 5 * dx, y + 5 * dy);
      context.lineTo(x + 13 * dx, y + 13 * dy);
    }
    context.stroke();
  }

  // -- pointers and keys

  pictureAt(px, py) {
    return this.drawn.findLast(({ x, y, w, h }) => Math.abs(px - x) <= w / 2 + 2 && Math.abs(py - y) <= h / 2 + 2)?.row ?? -1;
  }

  // The item that is meant by a point: a picture there, else the nearest within reach, else -1.
  nearest(px, py, reach) {
    let best = this.pictureAt(px, py);
    if (best >= 0) return best;
    for (let row = 0; row < this.n; row++) {
      const [x, y] = this.screen(row), away = Math.hypot(x - px, y - py);
      if (away <= reach) [best, reach] = [row, away];
    }
    const over = best < 0 ? -1 : this.pictureAt(...this.screen(best));
    return over < 0 ? best : over;
  }

  listen() {
    const { canvas, pointers } = this;
    const at = (event) => [event.offsetX, event.offsetY], span = () => { const [[ax, ay], [bx, by]] = pointers.values(); return [Math.max(1, Math.hypot(ax - bx, ay - by)), (ax + bx) / 2, (ay + by) / 2]; };
    let travelled = 0;
    const on = (name, act, said) => canvas.addEventListener(name, act, said);
    on("pointerdown", (event) => {
      if (event.button > 0) return;
      cancelAnimationFrame(this.flight);
      canvas.setPointerCapture(event.pointerId);
      travelled = pointers.size ? Infinity : 0;
      pointers.set(event.pointerId, at(event));
    });
    on("pointermove", (event) => {
      const last = pointers.get(event.pointerId), [x, y] = at(event);
      if (!last) return this.hover(this.nearest(x, y, 10));
      travelled += Math.hypot(x - last[0], y - last[1]);
      const before = pointers.size === 2 && span();
      pointers.set(event.pointerId, [x, y]);
      if (before) {
        const [now, mx, my] = span();
        this.moveBy(mx - before[1], my - before[2]);
        this.zoom(now / before[0], mx, my);
      } else if (travelled > 4) this.moveBy(x - last[0], y - last[1]);
    });
    const up = (event) => {
      if (!pointers.delete(event.pointerId) || event.type !== "pointerup" || travelled > 4) return;
      this.choose(this.nearest(...at(event), event.pointerType === "mouse" ? 10 : 22), false);
    };
    on("pointerup", up);
    on("pointercancel", up);
    on("pointerleave", () => this.hover(-1));
    on("dblclick", (event) => this.zoom(2, ...at(event)));
    on("wheel", (event) => {
      event.preventDefault();
      cancelAnimationFrame(this.flight);
      const px = event.deltaY * [1, 18, 400][event.deltaMode];
      this.zoom(Math.exp(-Math.max(-240, Math.min(240, px)) * (event.ctrlKey ? 0.01 : 0.0016)), ...at(event));
    }, { passive: false });
    for (const name of ["focus", "blur"]) on(name, () => this.moved());
    on("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const acts = { "+": () => this.zoom(1.35), "=": () => this.zoom(1.35), "-": () => this.zoom(1 / 1.35), _: () => this.zoom(1 / 1.35), 0: () => this.fly(this.home()),
        Enter: () => this.choose(this.nearest(this.width / 2, this.height / 2, Infinity), true) };
      const arrow = ARROWS[event.key], far = event.shiftKey ? 240 : 60;
      if (arrow) this.moveBy(far * arrow[0], far * arrow[1]);
      else if (acts[event.key]) acts[event.key]();
      else return;
      event.preventDefault();
    });
    this.stage.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || this.chosen < 0) return;
      this.choose(-1, false);
      canvas.focus();
    });
  }

  hover(row) {
    this.canvas.classList.toggle("on", row >= 0);
    if (row !== this.hovered) this.moved();
    this.hovered = row;
  }

  // Move the map where an item would lie under its card.
  reveal(row) {
    const [x, y] = this.screen(row), { offsetLeft: left, offsetTop: top, offsetWidth: width } = this.card, room = this.sideAt(this.camera.scale) / 2 + 12;
    if (x > left + width + room || y < top - room) return;
    if (this.width > 2 * width) this.moveBy(left + width + room - x, 0);
    else this.moveBy(0, top - room - y);
  }

  // The card of one item: what it is, and the way on from it.
  async choose(row, focus) {
    this.chosen = row;
    this.card.hidden = row < 0;
    this.moved();
    if (row < 0) return;
    const id = this.data.ids[row], image = imageOf(id);
    const name = el("p", { class: "name", text: id }), link = el("a", { class: "button", href: hrefFrom(id), text: "What looks like this?" });
    const img = el("img", { src: thumbnail(image, 200), alt: "", on: { error: (event) => event.target.remove() } });
    this.card.replaceChildren(iconButton("close", "Close", () => { this.choose(-1, false); this.canvas.focus(); }), img, name, link);
    this.reveal(row);
    if (focus) link.focus();
    try {
      const item = await ask(`/items/${image.slice("/images/".length)}`, { signal: this.ended.signal });
      name.textContent = nameOf(item);
      if (nameOf(item) !== id) name.after(el("p", { class: "note", text: id }));
    } catch (problem) {
      if (problem.name !== "AbortError") name.after(el("p", { class: "note", text: problem.code === "unknown_item" ? "It is no longer in the catalogue." : problem.detail }));
    }
  }
}
