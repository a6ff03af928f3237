// What the page holds: read once from the data blocks, text as JSON, numbers as base64 of little-endian arrays.
const byId = (id) => document.getElementById(id);

function bytesOf(id) {
  const block = byId(id);
  if (!block) return new Uint8Array(0);
  const text = block.textContent;
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const raw = atob(text), bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return bytes;
}

const meta = JSON.parse(byId("meta").textContent);
const ids = JSON.parse(byId("ids").textContent);
const xy = new Float32Array(bytesOf("xy").buffer);
const n = ids.length;
const near = new Uint32Array(bytesOf("near").buffer);
const nearOf = (row) => [...near.subarray(row * meta.near, (row + 1) * meta.near)];
const NONE = 0xffffffff;
const ways = meta.ways.map((way, at) => ({
  ...way,
  of: new Uint32Array(bytesOf("kind-" + at).buffer),
  shown: new Uint8Array(way.names.length + 1).fill(1), // the last one: items without a kind
}));

const state = {
  way: ways[0],
  dark: false,
  chosen: new Set(), // in the order in which they are listed
  around: -1, // the row whose neighbours are chosen
  hover: -1, // row under the pointer, or in the middle for the keyboard
  centred: false, // whether the keyboard leads
  matches: [],
  pictures: true,
  lasso: false,
};

const kindOf = (row) => (state.way.of[row] === NONE ? state.way.names.length : state.way.of[row]);
const isShown = (row) => state.way.shown[kindOf(row)] === 1;
const kindName = (kind) => (kind < state.way.names.length ? state.way.names[kind] : "no " + state.way.title);

function colourOf(kind) {
  const colours = state.dark ? meta.dark : meta.light;
  return kind < state.way.names.length ? colours[kind % colours.length] : meta.none[state.dark ? 1 : 0];
}

const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

// Control characters and marks that turn the text's direction, made visible.
function visible(text) {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\ufeff]/g, (letter) =>
    letter < " " ? String.fromCharCode(0x2400 + letter.charCodeAt(0)) : "\\u" + letter.charCodeAt(0).toString(16).padStart(4, "0"));
}

const counted = (count) => count.toLocaleString("en");

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}
