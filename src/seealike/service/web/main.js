// Starts the page: the views and how one comes to them, the key, being offline.

import { follow, hrefOfView, onState, state } from "./state.js";
import { ask, el, icon, say, stopped } from "./tools.js";
import { learn } from "./query.js";
import * as results from "./results.js";

const VIEWS = [
  ["", "Search", async () => results],
  ["all", "Catalogue", () => import("./all.js")],
  ["map", "Map", () => import("./map.js")],
  ["duplicates", "Duplicates", () => import("./duplicates.js")],
  ["skipped", "Skipped", () => import("./skipped.js")],
  ["numbers", "Numbers", () => import("./numbers.js")],
  ["adding", "Add", () => import("./adding.js")],
];
const main = document.getElementById("main");
const views = document.getElementById("views");
const app = { stats: null, refreshStats };
let current = { view: null, opened: null, turn: 0 };

async function refreshStats() {
  app.stats = await ask("/stats");
  learn({ generation: app.stats.generation });
  for (const link of views.children) link.hidden = link.dataset.view === "adding" && app.stats.access === "read";
  return app.stats;
}

function drawViews() {
  views.replaceChildren(...VIEWS.map(([view, name]) => el("a", { href: hrefOfView(view), text: name, data: { view } })));
}

async function show() {
  for (const link of views.children) {
    if (link.dataset.view === state.view) {
      link.setAttribute("aria-current", "page");
      views.scrollLeft = link.offsetLeft - views.clientWidth / 2; // a phone shows some of them
    } else link.removeAttribute("aria-current");
  }
  if (current.view === state.view && current.opened) {
    current.opened.update();
    return;
  }
  const turn = current.turn + 1;
  const isFirst = current.view === null;
  current.opened?.close();
  current = { view: state.view, opened: null, turn };
  const place = el("div", { class: `view ${state.view || "search"}` });
  main.replaceChildren(place);
  try {
    await refreshStats().catch((problem) => { if (!app.stats) throw problem; });
    const [, name, load] = VIEWS.find(([view]) => view === state.view) ?? VIEWS[0];
    document.title = `${name} · ${app.stats.name || "seealike"}`;
    const module = await load();
    const opened = await module.open(place, app);
    if (current.turn !== turn) opened.close();
    else current.opened = opened;
    if (!isFirst) place.querySelector("h1, h2")?.focus({ preventScroll: true });
  } catch (error) {
    if (current.turn !== turn) return;
    current.view = null;
    const problem = error.code ? error : { code: "failed", detail: "This part of the page could not be loaded." };
    if (!error.code) console.error(error);
    if (problem.code !== "no_key") place.replaceChildren(stopped(problem, show));
  }
}

// -- links within the page change the state, not the document

addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const to = new URL(link.href);
  if (to.origin !== location.origin || to.pathname !== "/" || to.hash || link.download || link.target) return;
  event.preventDefault();
  document.getElementById("said").classList.remove("on");
  follow(to.pathname + to.search, link.trail);
});

// -- the key: pictures need it too, so it becomes a cookie that scripts cannot read

const dialog = document.getElementById("key");
addEventListener("keyneeded", () => {
  if (!dialog.open) dialog.showModal();
});
dialog.addEventListener("cancel", (event) => { if (!app.stats) event.preventDefault(); }); // who only wants another key may keep the old one
dialog.querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const field = document.getElementById("key-text");
  try {
    await ask("/session", { json: { key: field.value } });
    location.reload();
  } catch (problem) {
    document.getElementById("key-wrong").textContent = problem.status === 401 ? "No such key." : problem.detail;
    field.select();
  }
});

// -- offline

addEventListener("offline", () => { document.getElementById("net").hidden = false; });
addEventListener("online", () => {
  document.getElementById("net").hidden = true;
  say("Online again.");
});

new ResizeObserver(([entry]) => {
  document.documentElement.style.setProperty("--header-px", `${Math.ceil(entry.borderBoxSize[0].blockSize)}px`);
}).observe(document.getElementById("top"));
history.scrollRestoration = "manual";
onState(show);
drawViews();
show();
