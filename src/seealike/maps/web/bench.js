// How long frames take while the map is moved and zoomed, on this machine: open the page with #bench.
async function bench(frames = 120) {
  const home = fitted(), spans = [], costs = [];
  const targets = [0, Math.floor(n / 3), Math.floor((2 * n) / 3)];
  let last = 0;
  pace.least = pace.share;
  for (let number = -5; number < frames; number++) {
    const now = await new Promise(requestAnimationFrame);
    if (number > 0) spans.push(now - last);
    last = now;
    const part = (Math.max(number, 0) / frames) * targets.length, row = targets[Math.min(targets.length - 1, Math.floor(part))];
    const near = Math.sin(Math.PI * (part % 1)); // to the target and back
    camera.scale = home.scale * Math.pow(Math.max(1, closeScale() / home.scale), near);
    camera.x = home.x + (xy[2 * row] - home.x) * near;
    camera.y = home.y + (xy[2 * row + 1] - home.y) * near;
    const began = performance.now();
    cancelAnimationFrame(asked);
    frame(now);
    points.finish();
    if (number >= 0) costs.push(performance.now() - began);
  }
  const sorted = (values) => [...values].sort((a, b) => a - b);
  const at = (values, share) => Math.round(10 * sorted(values)[Math.floor(share * (values.length - 1))]) / 10;
  const result = {
    renderer: points.name, n, width: camera.width, height: camera.height, frames,
    frame_ms: at(spans, 0.5), frame_p95_ms: at(spans, 0.95), draw_ms: at(costs, 0.5), draw_p95_ms: at(costs, 0.95),
    per_s: Math.round((1000 * spans.length) / spans.reduce((sum, one) => sum + one, 0)), least_share: Math.round(100 * pace.least) / 100,
  };
  document.title = "bench " + JSON.stringify(result);
  Object.assign(camera, home);
  invalidate();
  return result;
}

if (n && location.hash.includes("bench")) setTimeout(bench, 300);
