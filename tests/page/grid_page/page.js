// A grid without pictures, and what a test asks of it.
import { Grid } from "/page/grid.js";

const place = document.getElementById("place");
const page = { seen: [], fills: 0, longest: 0, grid: null };
new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) page.longest = Math.max(page.longest, duration);
}).observe({ type: "longtask" });

page.begin = (ratios) => {
  page.grid?.close();
  page.grid = new Grid(place, {
    rowPx: 160,
    gapPx: 8,
    captionPx: 24,
    label: "pictures",
    make: () => {
      const tile = document.createElement("div");
      tile.className = "tile";
      tile.append(document.createElement("button"), document.createElement("button"), document.createElement("input"));
      return tile;
    },
    fill: (tile, index) => {
      page.fills++;
      tile.firstChild.textContent = index;
      tile.dataset.filled = tile.style.getPropertyValue("--w");
    },
    seen: (first, last) => page.seen.push([first, last]),
  });
  page.grid.show(ratios);
};
page.load = async (n) => page.begin(new Uint16Array(await (await fetch(`/shapes?${n}`)).arrayBuffer()));
page.frame = () => new Promise(requestAnimationFrame);
page.settle = () => new Promise((done) => setTimeout(done, 60)).then(page.frame).then(page.frame);
page.tiles = () => [...document.querySelectorAll(".tile")].map((tile) => {
  const { left, top, width, height } = tile.firstChild.getBoundingClientRect();
  const fit = tile.style.getPropertyValue("--fit");
  const reachable = [...tile.children].filter((one) => one.tabIndex >= 0).length;
  return { index: tile.ariaPosInSet - 1, setsize: Number(tile.ariaSetSize), role: tile.role, text: tile.firstChild.textContent,
    away: tile.classList.contains("away"), left, top, width, height, fit, reachable, filled: tile.dataset.filled };
});
page.leap = (share) => scrollTo({ top: share * document.documentElement.scrollHeight, behavior: "instant" });
page.move = (px) => scrollBy({ top: px, behavior: "instant" });
page.high = () => document.documentElement.scrollHeight * devicePixelRatio;
page.focused = () => {
  const { top, bottom } = document.activeElement.getBoundingClientRect();
  return [Number(document.activeElement.textContent), page.grid.focused, top, bottom, innerHeight];
};
globalThis.page = page;
