// The charts that have no brush: learning curves, panels of the parameters, and the timeline.
function drawCurves(place) {
  const all = run.trials.flatMap(points);
  if (!all.length) {
    const why = run.is_running ? "no value is logged yet" : "the run has no journal here";
    add(place, "p", { class: "soft" }, `The page has no curves: ${why}.`);
    return;
  }
  const width = chartWidth(), label = `${run.metric} of each ${run.noun} after each logged value`;
  const { svg, x, y } = plot(place, all, width, 340, label);
  write(svg, width / 2, 336, `logged value of ${run.metric}`);
  for (const trial of run.trials) drawCurve(svg, trial, x, y);
}

// Return a chart with two axes, and the functions that return the place of a point.
function plot(place, all, width, height, label) {
  const svg = chart(place, width, height, label), bottom = height - 40;
  const [first, last] = extent(all.map(([at]) => at));
  const [low, high] = extent(all.map(([, value]) => value));
  const x = (at) => 60 + (last > first ? (at - first) / (last - first) : 0.5) * (width - 80);
  const y = (value) =>
    bottom - 5 - (high > low ? (value - low) / (high - low) : 0.5) * (bottom - 25);
  add(svg, "path", { class: "axis", d: `M60 15V${bottom}H${width - 15}` });
  for (const value of new Set([low, high])) write(svg, 55, y(value) + 4, shown(value), "end");
  for (const at of new Set([first, last])) write(svg, x(at), bottom + 18, at);
  return { svg, x, y };
}

function drawCurve(svg, trial, x, y) {
  const logged = points(trial), places = logged.map(([at, value]) => [x(at), y(value)]);
  if (places.length > 1) addLine(svg, trial, places);
  if (places.length === 1 || (places.length && (trial.cut !== null || isBad(trial)))) {
    addMark(svg, trial, ...places.at(-1));
  }
  if (isBest(trial) && places.length > 1) {
    const at = logged.findIndex(([, value]) => shown(value) === shown(trial.best));
    if (at >= 0) addMark(svg, trial, ...places[at]);
  }
}

// Draw the curves of a training run: a chart for each metric, and a table with all values.
function drawSeries(place) {
  const grid = add(place, "div", { class: "grid" });
  for (const [name, curve] of Object.entries(run.curves)) {
    const known = curve.filter(([, value]) => value !== null), cell = add(grid, "div");
    add(cell, "h3", {}, name);
    if (!known.length) {
      add(cell, "p", { class: "soft" }, "All values are NaN or infinite.");
      continue;
    }
    const { svg, x, y } = plot(cell, known, 360, 220, `${name} after each logged value`);
    const places = known.map(([at, value]) => [x(at), y(value)]);
    const line = places.map(([left, top]) => `${left.toFixed(1)},${top.toFixed(1)}`).join(" ");
    add(svg, "polyline", { class: "trial best", points: line });
    write(svg, 200, 216, "logged value");
  }
  drawValuesTable(add(place, "details"));
}

function drawValuesTable(details) {
  add(details, "summary", {}, "All values");
  const region = { class: "scroll", tabindex: 0, role: "region", "aria-label": "All values" };
  const table = add(add(details, "div", region), "table");
  const metrics = Object.keys(run.curves), head = add(add(table, "thead"), "tr");
  for (const name of ["logged value", ...metrics]) add(head, "th", { scope: "col" }, name);
  const rows = new Map();
  for (const name of metrics) {
    for (const [at, value] of run.curves[name]) {
      if (!rows.has(at)) rows.set(at, {});
      rows.get(at)[name] = value;
    }
  }
  const body = add(table, "tbody");
  for (const [at, values] of [...rows].sort(([a], [b]) => a - b)) {
    const row = add(body, "tr");
    add(row, "th", { scope: "row" }, at);
    for (const name of metrics) add(row, "td", { class: "number" }, values[name] ?? "-");
  }
}

function drawPanels(place) {
  const grid = add(place, "div", { class: "grid" });
  for (const name of names) {
    const cell = add(grid, "div"), scale = scales.get(name);
    add(cell, "h3", {}, scale.isLog ? `${name} (log)` : name);
    drawPanel(chart(cell, 300, 200, `${run.metric} against ${name}`), name, scale);
  }
}

function drawPanel(svg, name, across) {
  const up = scales.get(run.metric);
  add(svg, "path", { class: "axis", d: "M50 10V170H290" });
  for (const [text, at] of across.ticks) write(svg, 60 + 220 * at, 186, text);
  for (const [text, at] of up.ticks) write(svg, 45, 164 - 145 * at, text, "end");
  for (const trial of run.trials) {
    const x = across(trial.parameters[name]), y = up(best(trial));
    if (x !== null && y !== null) addMark(svg, trial, 60 + 220 * x, 160 - 145 * y);
  }
}

function drawTimeline(place) {
  const timed = run.trials.filter((trial) => trial.span);
  if (!timed.length) {
    const why = run.is_running ? "no trial has started" : "the run has no journal here";
    add(place, "p", { class: "soft" }, `The page has no times: ${why}.`);
    return;
  }
  const slots = slotsOf(timed), count = Math.max(...slots.values()) + 1;
  const end = Math.max(1e-9, ...timed.map((trial) => trial.span[1]));
  const width = chartWidth();
  const svg = chart(place, width, count * 28 + 30, "Each bar is a trial; each row is a slot");
  const x = (at) => 45 + ((width - 60) * at) / end;
  for (const trial of timed) drawBar(svg, trial, slots, x);
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
    const label = write(svg, from + 6, top + 17, text, "start");
    label.setAttribute("class", "inside");
    register(label, trial);
  }
}
