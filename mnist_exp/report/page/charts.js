// The charts. Each function draws the trials that the filter shows.
const isNarrow = () => window.innerWidth < 600;
const chartWidth = () => (isNarrow() ? 360 : 1000);

function chart(parent, width, height, label) {
  const size = `0 0 ${width} ${height}`;
  return add(parent, "svg", { viewBox: size, role: "img", "aria-label": label });
}

function write(svg, x, y, text, anchor = "middle") {
  return add(svg, "text", { x, y, "text-anchor": anchor }, text);
}

function classes(trial, shape) {
  return [
    shape,
    trial.cut !== null && "cut",
    isBad(trial) && "bad",
    run.best && trial.name === run.best.name && "best",
    trial.name === state.pin && "pinned",
  ].filter(Boolean).join(" ");
}

// Add a shape of a trial. The pointer shows the trial's values, and a click pins the trial.
function addTrial(svg, trial, shape, tag, attributes) {
  const node = add(svg, tag, { class: classes(trial, shape), ...attributes });
  const values = names.map((name) => `${name} ${shown(trial.parameters[name])}`).join(", ");
  const result = `trial ${trial.index}: ${kind(trial)}, ${run.metric} ${shown(best(trial))}`;
  add(node, "title", {}, `${result}\n${values}`);
  node.addEventListener("click", () => pin(trial.name));
  return node;
}

function addLine(svg, trial, places) {
  const line = places.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ");
  addTrial(svg, trial, "trial", "polyline", { points: line });
}

// A cross is a trial that was cut, a triangle is a trial that failed, a disc is any other trial.
function addMark(svg, trial, x, y) {
  const r = trial.name === state.pin ? 7 : 4;
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

function drawParallel(place, trials) {
  const axes = [...names, run.metric], width = chartWidth();
  const label = "Each line is a trial; each axis is a parameter or the metric";
  const svg = chart(place, width, 360, label);
  const step = axes.length > 1 ? (width - 90) / (axes.length - 1) : 0;
  const x = (index) => 45 + index * step;
  const y = (at) => 330 - 270 * at;
  const scales = axes.map(scaleOf);
  for (const trial of trials) {
    const places = axes
      .map((axis, index) => [x(index), scales[index](valueOf(trial, axis))])
      .filter(([, at]) => at !== null)
      .map(([left, at]) => [left, y(at)]);
    if (places.length > 1) addLine(svg, trial, places);
    else if (places.length) addMark(svg, trial, ...places[0]);
  }
  axes.forEach((axis, index) => drawAxis(svg, axis, x(index), y, scales[index].ticks, index));
}

function drawAxis(svg, axis, x, y, ticks, index) {
  add(svg, "line", { class: "axis", x1: x, x2: x, y1: y(0), y2: y(1) });
  const short = isNarrow() && axis.length > 12 ? `${axis.slice(0, 11)}…` : axis;
  add(write(svg, x, isNarrow() && index % 2 ? 14 : 30, short), "title", {}, axis);
  for (const [text, at] of ticks) write(svg, x, y(at) + (at === 0 ? 18 : -6), text);
  const [low, high] = state.brush[axis] || [0, 1];
  if (state.brush[axis]) {
    const height = Math.max(2, y(low) - y(high));
    add(svg, "rect", { class: "brush", x: x - 10, width: 20, y: y(high), height });
  }
  const handle = add(svg, "rect", {
    class: "handle", x: x - 14, width: 28, y: y(1), height: y(0) - y(1),
    tabindex: 0, role: "slider", "data-focus": `axis ${axis}`,
    "aria-label": `${axis}: arrow keys move the lower end, with Shift the upper end`,
    "aria-valuemin": 0, "aria-valuemax": 1, "aria-valuenow": low,
    "aria-valuetext": `${low} to ${high}`,
  });
  handle.addEventListener("pointerdown", (event) => dragBrush(event, handle, axis));
  handle.addEventListener("keydown", (event) => moveBrush(event, axis));
}

// Select the range of an axis over which the pointer is dragged. A click selects the whole axis.
function dragBrush(event, handle, axis) {
  const box = handle.getBoundingClientRect();
  const placeOf = (at) => Math.min(1, Math.max(0, (box.bottom - at.clientY) / box.height));
  const from = placeOf(event);
  handle.setPointerCapture(event.pointerId);
  handle.addEventListener("pointerup", (end) => {
    const range = [from, placeOf(end)].sort((a, b) => a - b);
    setBrush(axis, range[1] - range[0] < 0.02 ? [0, 1] : range);
  }, { once: true });
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
  draw();
}

function drawCurves(place, trials) {
  const all = run.trials.flatMap(points);
  if (!all.length) {
    add(place, "p", { class: "soft" }, "The page has no curves: the run has no journal here.");
    return;
  }
  const width = chartWidth();
  const svg = chart(place, width, 340, `${run.metric} of each trial after each logged value`);
  const [first, last] = extent(all.map(([at]) => at));
  const [low, high] = extent(all.map(([, value]) => value));
  const x = (at) => 60 + (last > first ? (at - first) / (last - first) : 0.5) * (width - 80);
  const y = (value) => 295 - (high > low ? (value - low) / (high - low) : 0.5) * 275;
  add(svg, "path", { class: "axis", d: `M60 15V300H${width - 15}` });
  for (const value of new Set([low, high])) write(svg, 55, y(value) + 4, shown(value), "end");
  for (const at of new Set([first, last])) write(svg, x(at), 318, at);
  write(svg, width / 2, 336, `logged value of ${run.metric}`);
  for (const trial of trials) drawCurve(svg, trial, x, y);
}

function drawCurve(svg, trial, x, y) {
  const places = points(trial).map(([at, value]) => [x(at), y(value)]);
  if (places.length > 1) addLine(svg, trial, places);
  if (places.length === 1 || (places.length && (trial.cut !== null || isBad(trial)))) {
    addMark(svg, trial, ...places.at(-1));
  }
}

// `Math.min(...values)` fails for very many values.
function extent(values) {
  const low = values.reduce((left, right) => Math.min(left, right), Infinity);
  return [low, values.reduce((left, right) => Math.max(left, right), -Infinity)];
}

function drawPanels(place, trials) {
  const grid = add(place, "div", { class: "grid" });
  for (const name of names) {
    const cell = add(grid, "div");
    add(cell, "h3", {}, name);
    drawPanel(chart(cell, 300, 200, `${run.metric} against ${name}`), name, trials);
  }
}

function drawPanel(svg, name, trials) {
  const across = scaleOf(name), up = scaleOf(run.metric);
  add(svg, "path", { class: "axis", d: "M50 10V170H290" });
  for (const [text, at] of across.ticks) write(svg, 60 + 220 * at, 186, text);
  for (const [text, at] of up.ticks) write(svg, 45, 164 - 145 * at, text, "end");
  for (const trial of trials) {
    const x = across(trial.parameters[name]), y = up(best(trial));
    if (x !== null && y !== null) addMark(svg, trial, 60 + 220 * x, 160 - 145 * y);
  }
}

function drawTimeline(place, trials) {
  const timed = run.trials.filter((trial) => trial.span);
  if (!timed.length) {
    add(place, "p", { class: "soft" }, "The page has no times: the run has no journal here.");
    return;
  }
  const slots = slotsOf(timed), count = Math.max(...slots.values()) + 1;
  const end = Math.max(1e-9, ...timed.map((trial) => trial.span[1]));
  const width = chartWidth();
  const svg = chart(place, width, count * 28 + 30, "Each bar is a trial; each row is a slot");
  const x = (at) => 45 + ((width - 60) * at) / end;
  for (const trial of trials.filter((each) => each.span)) drawBar(svg, trial, slots, x);
  for (let slot = 0; slot < count; slot++) write(svg, 0, slot * 28 + 18, `slot ${slot}`, "start");
  write(svg, width - 15, count * 28 + 18, `${shown(end)} s`, "end");
}

// Return the slot of each trial: the first slot in which no earlier trial runs.
function slotsOf(trials) {
  const slots = new Map(), ends = [];
  for (const trial of [...trials].sort((a, b) => a.span[0] - b.span[0])) {
    let slot = ends.findIndex((end) => end <= trial.span[0]);
    if (slot < 0) slot = ends.length;
    ends[slot] = trial.span[1];
    slots.set(trial.name, slot);
  }
  return slots;
}

function drawBar(svg, trial, slots, x) {
  const [from, to] = trial.span.map(x), top = slots.get(trial.name) * 28;
  const width = Math.max(2, to - from - 2);
  addTrial(svg, trial, "bar", "rect", { x: from, y: top + 2, width, height: 22 });
  const symbol = trial.cut !== null ? "×" : isBad(trial) ? "▲" : "";
  const text = `${trial.index} ${symbol}`.trim();
  if (width > 8 * text.length + 6) {
    write(svg, from + 6, top + 17, text, "start").setAttribute("class", "inside");
  }
}
