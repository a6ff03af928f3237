// What is selected: shown as pictures, saved as ids.
const FIRST = 120;
let listed = 0;

function choose(rows, { add = false, around = -1 } = {}) {
  if (!add) state.chosen.clear();
  state.around = around;
  for (const row of rows) state.chosen.add(row);
  chosenChanged();
}

// An item and those that are most like it, the closest first.
function chooseAround(row) {
  choose([row, ...nearOf(row).filter(isShown)], { around: row });
  reveal(row);
  say(`${counted(state.chosen.size - 1)} nearest to ${visible(ids[row])} selected`);
}

function toggle(row) {
  state.around = -1;
  if (!state.chosen.delete(row)) state.chosen.add(row);
  chosenChanged();
  say(state.chosen.has(row) ? "selected" : "not selected");
}

const chosenRows = () => [...state.chosen];
const chosenText = () => chosenRows().map((row) => ids[row] + "\n").join("");

function chosenChanged() {
  const count = state.chosen.size;
  byId("chosen").hidden = count === 0;
  byId("chosen").classList.toggle("bare", !sizes.length);
  byId("count").textContent = state.around < 0 ? counted(count) + " selected" : "Nearest to " + visible(ids[state.around]);
  byId("mixture").textContent = mixture();
  forgetUrls([...urls.keys()]);
  byId("grid").replaceChildren();
  byId("grid").scrollTop = 0;
  listed = 0;
  listMore();
  points.repaint();
  invalidate();
}

// What the selection consists of: its three most frequent kinds.
function mixture() {
  const counts = new Map();
  for (const row of state.chosen) counts.set(kindOf(row), (counts.get(kindOf(row)) || 0) + 1);
  const most = [...counts].filter(([kind]) => kindName(kind)).sort((a, b) => b[1] - a[1]), shown = most.slice(0, 3);
  const rest = most.length > 3 ? `, ${most.length - 3} more` : "";
  return shown.map(([kind, count]) => `${visible(kindName(kind))} ${counted(count)}`).join(", ") + rest;
}

function listMore() {
  const rows = chosenRows(), until = Math.min(rows.length, listed + FIRST);
  for (; listed < until; listed++) {
    const row = rows[listed];
    const picture = hasPicture(row)
      ? element("img", { src: urlOf(row), alt: "", loading: "lazy", decoding: "async" })
      : element("span", { className: "blank" });
    picture.style.setProperty("--kind", colourOf(kindOf(row)));
    const button = element("button", { type: "button", title: visible(ids[row]) }, picture, element("bdi", { textContent: visible(ids[row]) }));
    button.addEventListener("click", () => { state.centred = true; flyToRow(row); });
    byId("grid").append(element("li", {}, button));
  }
  byId("more").hidden = listed >= rows.length;
  byId("more").textContent = `Show ${counted(Math.min(FIRST, rows.length - listed))} more`;
}

function save() {
  const url = URL.createObjectURL(new Blob([chosenText()], { type: "text/plain;charset=utf-8" }));
  const link = element("a", { href: url, download: "ids.txt" });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
  say(`saved ${counted(state.chosen.size)} ids`);
}

async function copy() {
  const text = chosenText();
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = element("textarea", { value: text, className: "unseen" });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  byId("copy").textContent = "Copied";
  setTimeout(() => { byId("copy").textContent = "Copy ids"; }, 1600);
  say(`copied ${counted(state.chosen.size)} ids`);
}

byId("save").addEventListener("click", save);
byId("copy").addEventListener("click", copy);
byId("clear").addEventListener("click", () => { choose([]); byId("over").focus(); });
byId("more").addEventListener("click", listMore);
