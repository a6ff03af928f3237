// All points at once: WebGL where there is some, otherwise a plain canvas. Drawn in a shuffled order, so that no
// kind lies on top only because its ids come last; but square by square, so that squares out of sight cost nothing.
const shuffled = new Uint32Array(n);
for (let row = 0, seed = 1; row < n; row++) {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  const at = Math.floor((seed / 4294967296) * (row + 1));
  shuffled[row] = shuffled[at];
  shuffled[at] = row;
}
const squares = gridOf(Math.max(1, Math.min(24, Math.ceil(Math.sqrt(n / 400)))), shuffled), order = squares.rows;

// While the view moves and frames come late, only a share of every square is drawn; all of it when the view rests.
const pace = { share: 1, least: 1, then: 0, rest: 0 };

function keepPace(now, resting) {
  clearTimeout(pace.rest);
  const span = now - pace.then;
  pace.then = now;
  if (n < 20000 || resting) return 1;
  if (span < 250) pace.share = Math.min(1, Math.max(0.2, pace.share * (span > 45 ? 0.6 : span > 26 ? 0.85 : span < 19 ? 1.1 : 1)));
  pace.least = Math.min(pace.least, pace.share);
  if (pace.share < 1) pace.rest = setTimeout(() => requestAnimationFrame((then) => frame(then, true)), 140);
  return pace.share;
}

// The stretches of the drawing order that may be in sight, or the first share of each square.
function stretches(share) {
  const reach = radius() + 1, from = squares.column(mapX(-reach)), to = squares.column(mapX(camera.width + reach));
  const lines = [];
  for (let line = squares.line(mapY(camera.height + reach)); line <= squares.line(mapY(-reach)); line++) {
    if (share < 1) {
      for (let column = from; column <= to; column++) {
        const [first, last] = [0, 1].map((next) => squares.start[line * squares.side + column + next]);
        if (last > first) lines.push([first, first + Math.ceil(share * (last - first))]);
      }
      continue;
    }
    const first = squares.start[line * squares.side + from], last = squares.start[line * squares.side + to + 1];
    if (lines.length && lines.at(-1)[1] === first) lines.at(-1)[1] = last;
    else if (last > first) lines.push([first, last]);
  }
  return lines;
}

const baseRadius = Math.min(7, Math.max(1.35, 8.6 - 1.55 * Math.log10(Math.max(n, 2))));
const radius = () => Math.min(8, baseRadius * (camera.width > 700 ? 1 : 0.78) * Math.pow(camera.scale / camera.fit, 0.42));

// Colour and opacity of every point, in drawing order. (4 n bytes)
function paint() {
  const kinds = state.way.names.length + 1, table = new Uint8Array(4 * kinds), pale = new Uint8Array(4 * kinds);
  const ground = state.dark ? [20, 20, 19] : [246, 245, 242];
  for (let kind = 0; kind < kinds; kind++) {
    const colour = rgb(colourOf(kind)), opacity = state.way.shown[kind] ? (n > 20000 ? 200 : 235) : 0;
    table.set([...colour, opacity], 4 * kind);
    pale.set([...colour.map((value, at) => Math.round(0.22 * value + 0.78 * ground[at])), opacity], 4 * kind);
  }
  const colours = new Uint8Array(4 * n), some = state.chosen.size > 0;
  for (let place = 0; place < n; place++) {
    const row = order[place], from = 4 * kindOf(row);
    const source = some && !state.chosen.has(row) ? pale : table;
    for (let at = 0; at < 4; at++) colours[4 * place + at] = source[from + at];
  }
  return colours;
}

const VERTEX = `
attribute vec2 place; attribute vec4 colour; uniform vec2 middle, reach; uniform mediump float size; varying vec4 shade;
void main() {
  shade = colour;
  gl_Position = colour.a == 0.0 ? vec4(9.0, 9.0, 9.0, 1.0) : vec4((place - middle) * reach, 0.0, 1.0);
  gl_PointSize = size;
}`;
const FRAGMENT = `
precision mediump float; varying vec4 shade; uniform float size;
void main() {
  float cover = clamp((0.5 - distance(gl_PointCoord, vec2(0.5))) * size, 0.0, 1.0) * shade.a;
  gl_FragColor = vec4(shade.rgb * cover, cover);
}`;

function webglPoints(canvas) {
  if (location.hash.includes("canvas")) return null;
  const gl = canvas.getContext("webgl", { antialias: false, depth: false, stencil: false });
  if (!gl) return null;
  const program = gl.createProgram();
  for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) return null;
  gl.useProgram(program);
  const places = new Float32Array(2 * n);
  for (let at = 0; at < n; at++) places.set([xy[2 * order[at]], xy[2 * order[at] + 1]], 2 * at);
  const attribute = (name, count, type, data) => {
    const buffer = gl.createBuffer(), location = gl.getAttribLocation(program, name);
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    if (data) gl.bufferData(gl.ARRAY_BUFFER, data, gl.STATIC_DRAW);
    gl.enableVertexAttribArray(location);
    gl.vertexAttribPointer(location, count, type, type === gl.UNSIGNED_BYTE, 0, 0);
    return buffer;
  };
  attribute("place", 2, gl.FLOAT, places);
  const colours = attribute("colour", 4, gl.UNSIGNED_BYTE, null);
  const uniform = (name) => gl.getUniformLocation(program, name);
  const middle = uniform("middle"), reach = uniform("reach"), size = uniform("size");
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  return {
    name: "webgl",
    repaint() {
      gl.bindBuffer(gl.ARRAY_BUFFER, colours);
      gl.bufferData(gl.ARRAY_BUFFER, paint(), gl.DYNAMIC_DRAW);
    },
    draw(share) {
      gl.viewport(0, 0, canvas.width, canvas.height);
      gl.clearColor(0, 0, 0, 0);
      gl.clear(gl.COLOR_BUFFER_BIT);
      gl.uniform2f(middle, camera.x, camera.y);
      gl.uniform2f(reach, (2 * camera.scale) / camera.width, (2 * camera.scale) / camera.height);
      gl.uniform1f(size, 2 * radius() * camera.ratio);
      for (const [first, last] of stretches(share)) gl.drawArrays(gl.POINTS, first, last - first);
    },
    finish: () => gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4)),
    gone: () => gl.isContextLost(),
  };
}

function canvasPoints(tried) {
  const canvas = tried.cloneNode(); // one that was asked for WebGL gives nothing else
  tried.replaceWith(canvas);
  const context = canvas.getContext("2d");
  let colours = new Uint8Array(0);
  return {
    name: "canvas",
    repaint: () => { colours = paint(); },
    draw(share) {
      const size = radius(), width = 2 * size * 0.886; // a square of the disc's area
      context.setTransform(camera.ratio, 0, 0, camera.ratio, 0, 0);
      context.clearRect(0, 0, camera.width, camera.height);
      let last = -1;
      for (const [first, until] of stretches(share)) for (let place = first; place < until; place++) {
        const row = order[place], x = screenX(row), y = screenY(row);
        if (x < -size || y < -size || x > camera.width + size || y > camera.height + size) continue;
        const at = 4 * place, opacity = colours[at + 3];
        if (!opacity) continue;
        const colour = (colours[at] << 16) | (colours[at + 1] << 8) | colours[at + 2];
        if (colour !== last) context.fillStyle = "#" + colour.toString(16).padStart(6, "0");
        last = colour;
        if (size < 2.5) context.fillRect(x - width / 2, y - width / 2, width, width);
        else { context.beginPath(); context.arc(x, y, size, 0, 7); context.fill(); }
      }
    },
    finish: () => context.getImageData(0, 0, 1, 1),
    gone: () => false,
  };
}
