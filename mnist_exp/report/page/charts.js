// The shapes of the trials, and the parallel coordinates with their brushes.
const narrow = window.matchMedia("(max-width: 600px)");
const chartWidth = () => (narrow.matches ? 360 : 1000);
// Axis -> the elements that show the selected range of the axis.
const brushes = new Map();

function chart(parent, width, height, label) {
  const size = `0 0 ${width} ${height}`;
  return add(parent, "svg", { viewBox: size, role: "img", "aria-label": label });
}

function write(svg, x, y, text, anchor = "middle") {
  return add(svg, "text", { x, y, "text-anchor": anchor }, text);
}

function addTrial(svg, trial, shape, tag, attributes) {
  const look = [shape, trial.cut !== null && "cut", isBad(trial) && "bad", isBest(trial) && "best"];
  const node = add(svg, tag, { class: look.filter(Boolean).join(" "), ...attributes });
  return register(node, trial);
}

function addLine(svg, trial, places) {
  const line = places.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ");
  addTrial(svg, trial, "trial", "polyline", { points: line });
}

// A cross is a trial that was cut, a triangle is a trial that failed, a disc is any other trial.
function addMark(svg, trial, x, y) {
  const r = isBest(trial) ? 6 : 4;
  if (trial.cut !== null) return addTrial(svg, trial, "mark", "path", { d: crossAt(x, y, r) });
  if (isBad(trial)) return addTrial(svg, trial, "mark", "path", { d: triangleAt(x, y, r) });
  return addTrial(svg, trial, "mark", "circle", { cx: x, cy: y, r });
}

function crossAt(x, y, r) {
  return `M${x - r} ${y - r}l${2 * r} ${2 * r}m0 ${-2 * r}l${-2 * r} ${2 * r}`;
}

function triangleAt(x, y, r) {
  return `M${x} ${y - 1.2 * r}l${1.2 * r} ${2.1 * r}h${-2.4 * r}z`;
}

function drawParallel(place) {
  const axes = [...names, run.metric].filter(Boolean), width = chartWidth();
  const label = `Each line is a ${run.noun}; each axis is a parameter or the metric`;
  const svg = chart(place, width, 360, label);
  const step = axes.length > 1 ? (width - 90) / (axes.length - 1) : 0;
  const x = (index) => 45 + index * step;
  const y = (at) => 330 - 270 * at;
  for (const trial of run.trials) {
    const places = axes
      .map((axis, index) => [x(index), scales.get(axis)(valueOf(trial, axis))])
      .filter(([, at]) => at !== null)
      .map(([left, at]) => [left, y(at)]);
    if (places.length > 1) addLine(svg, trial, places);
    else if (places.length) addMark(svg, trial, ...places[0]);
  }
  axes.forEach((axis, index) => drawAxis(svg, axis, x(index), y, index, step));
}

function drawAxis(svg, axis, x, y, index, step) {
  add(svg, "line", { class: "axis", x1: x, x2: x, y1: y(0), y2: y(1) });
  const { ticks, isLog } = scales.get(axis);
  const text = isLog ? `${axis} (log)` : axis;
  // Neighbours write into different rows if a row has no room for all names.
  const isCrowded = step && 7 * text.length > step, most = Math.max(6, Math.floor(step / 3.5) - 1);
  const short = text.length > most && isCrowded ? `${text.slice(0, most)}…` : text;
  add(write(svg, x, isCrowded && index % 2 ? 14 : 30, short), "title", {}, axis);
  for (const [value, at] of ticks) write(svg, x, y(at) + (at === 0 ? 18 : -6), value);
  const rect = add(svg, "rect", { class: "brush", x: x - 10, width: 20 });
  const handle = add(svg, "rect", {
    class: "handle", x: x - 14, width: 28, y: y(1), height: y(0) - y(1),
    tabindex: 0, role: "slider", "data-focus": `axis ${axis}`,
    "aria-label": `${axis}: arrow keys move the lower end, with Shift the upper end`,
    "aria-valuemin": 0, "aria-valuemax": 1,
  });
  brushes.set(axis, { rect, handle, y });
  handle.addEventListener("pointerdown", (event) => dragBrush(event, handle, axis));
  handle.addEventListener("keydown", (event) => moveBrush(event, axis));
}

// Select the range of an axis over which the pointer is dragged. A click selects the whole axis.
function dragBrush(event, handle, axis) {
  const box = handle.getBoundingClientRect();
  const placeOf = (at) => Math.min(1, Math.max(0, (box.bottom - at.clientY) / box.height));
  const from = placeOf(event);
  const select = (at) => {
    const range = [from, placeOf(at)].sort((a, b) => a - b);
    setBrush(axis, range[1] - range[0] < 0.02 ? [0, 1] : range);
  };
  handle.setPointerCapture(event.pointerId);
  handle.addEventListener("pointermove", select);
  const end = () => handle.removeEventListener("pointermove", select);
  handle.addEventListener("lostpointercapture", end, { once: true });
  select(event);
  handle.focus({ preventScroll: true });
  event.preventDefault();
}

function moveBrush(event, axis) {
  const step = { ArrowUp: 0.05, ArrowDown: -0.05 }[event.key];
  if (event.key === "Escape") setBrush(axis, [0, 1]);
  if (!step) return;
  event.preventDefault();
  const [low, high] = state.brush[axis] || [0, 1];
  const moved = event.shiftKey
    ? [low, Math.min(1, Math.max(low, high + step))]
    : [Math.max(0, Math.min(high, low + step)), high];
  setBrush(axis, moved);
}

function setBrush(axis, range) {
  if (range[0] > 0 || range[1] < 1) {
    state.brush[axis] = range.map((place) => Math.round(place * 1000) / 1000);
  } else {
    delete state.brush[axis];
  }
  updateSoon();
}

function updateBrushes() {
  for (const [axis, { rect, handle, y }] of brushes) {
    const [low, high] = state.brush[axis] || [0, 1];
    rect.setAttribute("y", y(high));
    rect.setAttribute("height", Math.max(2, y(low) - y(high)));
    rect.classList.toggle("hidden", !state.brush[axis]);
    handle.setAttribute("aria-valuenow", low);
    handle.setAttribute("aria-valuetext", `${low} to ${high}`);
  }
}
