"use strict";

// The charts and the table of report.html. All texts of the run are set as text, never as HTML.
const run = JSON.parse(document.getElementById("content").textContent);
const form = document.getElementById("filter");
const names = [...new Set(run.trials.flatMap((trial) => Object.keys(trial.parameters)))];
const goal = run.goal.toLowerCase() === "minimize" ? 1 : -1;
const cuts = run.trials.filter((trial) => trial.cut !== null).map((trial) => trial.cut);
const state = { brush: {}, pin: null, sort: "", down: false };
let drawnCharts = [];

function add(parent, tag, attributes = {}, text = null) {
  const isSvg = tag === "svg" || parent.namespaceURI === "http://www.w3.org/2000/svg";
  const node = isSvg
    ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== null) node.textContent = text;
  parent.append(node);
  return node;
}

const section = (id) => document.getElementById(id);
const isNumber = (value) => typeof value === "number";
const shown = (value) =>
  value === null || value === undefined ? "-" : isNumber(value) ? String(+value.toPrecision(4)) : String(value);

function best(trial) {
  if (form.elements.values.value !== "cut" || !cuts.length) return trial.best;
  const until = Math.min(...cuts);
  const values = trial.curve.filter(([at, value]) => at <= until && value !== null).map((point) => point[1]);
  return values.length ? goal * Math.min(...values.map((value) => goal * value)) : null;
}

const valueOf = (trial, axis) => (axis === run.metric ? best(trial) : trial.parameters[axis]);
const byRank = (a, b) => (goal * (best(a) ?? goal * Infinity)) - (goal * (best(b) ?? goal * Infinity)) || a.index - b.index;
const look = (trial) =>
  ["trial", trial.cut !== null ? "cut" : trial.status === "Completed" || trial.status === "Running" ? "" : "bad",
    run.best && trial.name === run.best.name ? "best" : "", trial.name === state.pin ? "pinned" : ""].join(" ");
const kind = (trial) => (trial.cut !== null ? `${trial.status}, cut` : trial.status);

function filtered() {
  const { status, top } = form.elements;
  const trials = run.trials.filter((trial) => (!status.value || kind(trial) === status.value)
    && Object.entries(state.brush).every(([axis, [low, high]]) => {
      const place = scaleOf(axis)(valueOf(trial, axis));
      return place !== null && place >= low && place <= high;
    }));
  return top.value ? trials.filter((t) => best(t) !== null).sort(byRank).slice(0, +top.value) : trials;
}

// Return a function that maps a value of an axis to 0..1, or to null if the trial has no value.
function scaleOf(axis) {
  const values = run.trials.map((trial) => valueOf(trial, axis)).filter((value) => value !== null && value !== undefined);
  if (!values.every(isNumber)) {
    const texts = [...new Set(values.map(String))].sort();
    const scale = (value) => (value === null || value === undefined ? null : (texts.indexOf(String(value)) + 0.5) / texts.length);
    scale.ticks = texts.map((text) => [text, scale(text)]);
    return scale;
  }
  const low = Math.min(...values), high = Math.max(...values);
  const isLog = axis !== run.metric && low > 0 && high / low >= 10;
  const place = isLog ? Math.log : (value) => value;
  const scale = (value) => (!isNumber(value) ? null : high === low ? 0.5 : (place(value) - place(low)) / (place(high) - place(low)));
  scale.ticks = values.length ? (high === low ? [[shown(low), 0.5]] : [[shown(low), 0], [shown(high), 1]]) : [];
  return scale;
}

function describe(node, trial) {
  const values = names.map((name) => `${name} ${shown(trial.parameters[name])}`).join(", ");
  add(node, "title", {}, `trial ${trial.index}: ${kind(trial)}, ${run.metric} ${shown(best(trial))}\n${values}`);
  node.addEventListener("click", () => pin(trial.name));
}

function chart(id, width, height, label, parent = null) {
  const place = parent || section(id);
  const svg = add(place, "svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  drawnCharts.push(svg);
  return svg;
}

function drawParallel(trials) {
  const axes = [...names, run.metric], narrow = window.innerWidth < 600;
  const width = narrow ? 360 : 1000, height = 360;
  const svg = chart("parallel", width, height, "Each line is a trial; each axis is a parameter or the metric");
  const x = (index) => 45 + (axes.length > 1 ? index * (width - 90) / (axes.length - 1) : 0);
  const y = (place) => 330 - 270 * place;
  const scales = axes.map(scaleOf);
  for (const trial of trials) {
    const points = axes.map((axis, index) => [x(index), scales[index](valueOf(trial, axis))]).filter((point) => point[1] !== null);
    if (points.length > 1) describe(add(svg, "polyline", { class: look(trial), points: points.map(([px, py]) => `${px},${y(py)}`).join(" ") }), trial);
  }
  axes.forEach((axis, index) => {
    add(svg, "line", { class: "axis", x1: x(index), x2: x(index), y1: y(0), y2: y(1) });
    const short = narrow && axis.length > 12 ? `${axis.slice(0, 11)}…` : axis;
    add(svg, "text", { x: x(index), y: narrow && index % 2 ? 14 : 30, "text-anchor": "middle" }, short);
    for (const [text, place] of scales[index].ticks) add(svg, "text", { x: x(index), y: y(place) + (place === 0 ? 18 : -6), "text-anchor": "middle" }, text);
    const brush = state.brush[axis];
    if (brush) add(svg, "rect", { class: "brush", x: x(index) - 10, width: 20, y: y(brush[1]), height: Math.max(2, y(brush[0]) - y(brush[1])) });
    const handle = add(svg, "rect", { class: "handle", x: x(index) - 14, width: 28, y: y(1), height: 270, tabindex: 0, role: "slider",
      "aria-label": `${axis}: arrow keys move the lower end, with Shift the upper end`, "aria-valuemin": 0, "aria-valuemax": 1,
      "aria-valuenow": (brush || [0, 1])[0], "data-axis": axis });
    brushBy(handle, svg, axis);
  });
}

function brushBy(handle, svg, axis) {
  const placeOf = (event) => {
    const box = svg.getBoundingClientRect();
    const at = (event.clientY - box.top) * 360 / box.height;
    return Math.min(1, Math.max(0, (330 - at) / 270));
  };
  handle.addEventListener("pointerdown", (event) => {
    const from = placeOf(event);
    document.addEventListener("pointerup", (end) => {
      const to = placeOf(end);
      setBrush(axis, Math.abs(to - from) < 0.02 ? null : [Math.min(from, to), Math.max(from, to)]);
    }, { once: true });
    event.preventDefault();
  });
  handle.addEventListener("keydown", (event) => {
    const step = { ArrowUp: 0.05, ArrowDown: -0.05 }[event.key];
    if (event.key === "Escape") setBrush(axis, null);
    if (!step) return;
    event.preventDefault();
    const [low, high] = state.brush[axis] || [0, 1];
    const moved = event.shiftKey ? [low, Math.max(low, high + step)] : [Math.min(high, low + step), high];
    setBrush(axis, moved.map((place) => Math.round(Math.min(1, Math.max(0, place)) * 100) / 100));
  });
}

function setBrush(axis, range) {
  if (range && (range[0] > 0 || range[1] < 1)) state.brush[axis] = range.map((place) => Math.round(place * 1000) / 1000);
  else delete state.brush[axis];
  draw();
  document.querySelector(`[data-axis="${CSS.escape(axis)}"]`)?.focus();
}

function drawCurves(trials) {
  const points = run.trials.flatMap((trial) => trial.curve.filter((point) => point[1] !== null));
  if (!points.length) return void add(section("curves"), "p", { class: "soft" }, "No values in a journal.");
  const width = window.innerWidth < 600 ? 360 : 1000, height = 340;
  const svg = chart("curves", width, height, `${run.metric} of each trial after each logged value`);
  const fold = (index) => points.reduce(([low, high], point) => [Math.min(low, point[index]), Math.max(high, point[index])], [Infinity, -Infinity]);
  const [first, last] = fold(0), [low, high] = fold(1);
  const x = (at) => 60 + (last > first ? (at - first) / (last - first) : 0.5) * (width - 80);
  const y = (value) => 295 - (high > low ? (value - low) / (high - low) : 0.5) * 275;
  add(svg, "path", { class: "axis", fill: "none", d: `M60 15V300H${width - 15}` });
  add(svg, "text", { x: 55, y: y(high) + 4, "text-anchor": "end" }, shown(high));
  if (high > low) add(svg, "text", { x: 55, y: y(low) + 4, "text-anchor": "end" }, shown(low));
  add(svg, "text", { x: x(first), y: 318, "text-anchor": "middle" }, first);
  if (last > first) add(svg, "text", { x: x(last), y: 318, "text-anchor": "end" }, last);
  add(svg, "text", { x: width / 2, y: 336, "text-anchor": "middle" }, `logged value of ${run.metric}; × is a cut`);
  for (const trial of trials) {
    const line = trial.curve.filter((point) => point[1] !== null);
    if (!line.length) continue;
    if (line.length === 1) describe(add(svg, "circle", { class: `dot ${look(trial).slice(6)}`, cx: x(line[0][0]), cy: y(line[0][1]), r: 3 }), trial);
    else describe(add(svg, "polyline", { class: look(trial), points: line.map(([at, value]) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`).join(" ") }), trial);
    if (trial.cut !== null) {
      const end = line.find((point) => point[0] === trial.cut) || line[line.length - 1];
      add(svg, "text", { x: x(end[0]), y: y(end[1]) + 4, "text-anchor": "middle" }, "×");
    }
  }
}

function drawPanels(trials) {
  const grid = add(section("panels"), "div", { class: "grid" });
  for (const name of names) {
    const cell = add(grid, "div");
    add(cell, "h3", {}, name);
    const svg = chart("panels", 300, 200, `${run.metric} against ${name}`, cell);
    const across = scaleOf(name), up = scaleOf(run.metric);
    add(svg, "path", { class: "axis", fill: "none", d: "M50 10V170H290" });
    for (const [text, place] of across.ticks) add(svg, "text", { x: 60 + 220 * place, y: 186, "text-anchor": "middle" }, text);
    for (const [text, place] of up.ticks) add(svg, "text", { x: 45, y: 165 - 145 * place, "text-anchor": "end" }, text);
    for (const trial of trials) {
      const px = across(trial.parameters[name]), py = up(best(trial));
      if (px !== null && py !== null) describe(add(svg, "circle", { class: `dot ${look(trial).slice(6)}`, cx: 60 + 220 * px, cy: 160 - 145 * py, r: trial.name === state.pin ? 7 : 4 }), trial);
    }
  }
}

function drawTimeline(trials) {
  const timed = trials.filter((trial) => trial.span);
  if (!timed.length) return void add(section("timeline"), "p", { class: "soft" }, "No times in a journal.");
  const slots = [];
  const end = Math.max(1e-9, ...run.trials.filter((trial) => trial.span).map((trial) => trial.span[1]));
  const rows = new Map();
  for (const trial of run.trials.filter((t) => t.span).sort((a, b) => a.span[0] - b.span[0])) {
    let slot = slots.findIndex((free) => free <= trial.span[0]);
    if (slot < 0) slot = slots.length;
    slots[slot] = trial.span[1];
    rows.set(trial.name, slot);
  }
  const width = window.innerWidth < 600 ? 360 : 1000;
  const svg = chart("timeline", width, slots.length * 28 + 30, "Each bar is a trial; each row is a slot");
  for (const trial of timed) {
    const [from, to] = trial.span.map((at) => 40 + (width - 60) * at / end), top = rows.get(trial.name) * 28;
    describe(add(svg, "rect", { class: look(trial).replace("trial", "dot"), x: from, y: top + 2, width: Math.max(2, to - from - 1), height: 22 }), trial);
    if (to - from > 24) add(svg, "text", { class: "label", x: from + 5, y: top + 18 }, trial.index);
  }
  slots.forEach((_, slot) => add(svg, "text", { x: 0, y: slot * 28 + 18 }, `slot ${slot}`));
  add(svg, "text", { x: width - 20, y: slots.length * 28 + 18, "text-anchor": "end" }, `${shown(end)} s`);
}

const columns = [["trial", (t) => t.index], ["status", kind], [run.metric || "value", best], ["last", (t) => t.last], ["logged", (t) => t.events],
  ["cut at", (t) => t.cut], ...names.map((name) => [name, (t) => t.parameters[name]]), ["seconds", (t) => t.duration_s], ["reason", (t) => t.why]];

function drawTable(trials) {
  const column = columns.find(([name]) => name === state.sort);
  const rows = [...trials].sort(column ? (a, b) => {
    const [left, right] = [column[1](a), column[1](b)];
    if (left === null || right === null) return (left === null) - (right === null);
    return (state.down ? -1 : 1) * (isNumber(left) && isNumber(right) ? left - right : String(left).localeCompare(String(right)));
  } : byRank);
  const table = add(add(section("table"), "div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Table of the trials" }), "table");
  const head = add(add(table, "thead"), "tr");
  for (const [name] of columns) {
    const sorted = name === state.sort ? (state.down ? "descending" : "ascending") : "none";
    const button = add(add(head, "th", { scope: "col", "aria-sort": sorted }), "button", { type: "button" }, name + { none: "", ascending: " ▲", descending: " ▼" }[sorted]);
    button.addEventListener("click", () => { state.down = state.sort === name && !state.down; state.sort = name; draw(); });
  }
  add(head, "th", {}, "command");
  const body = add(table, "tbody");
  for (const trial of rows) {
    const row = add(body, "tr", { class: trial.name === state.pin ? "pinned" : "" });
    row.addEventListener("click", () => pin(trial.name));
    for (const [name, value] of columns) {
      const found = value(trial);
      add(row, "td", { class: isNumber(found) ? "number" : name === "reason" ? "why" : "" }, isNumber(found) ? String(+found.toPrecision(6)) : shown(found));
    }
    const button = add(add(row, "td"), "button", { type: "button" }, "Copy overrides");
    button.addEventListener("click", (event) => { event.stopPropagation(); copy(trial.command, button); });
  }
}

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    window.prompt("Copy the command:", text);
  }
}

function pin(name) {
  state.pin = state.pin === name ? null : name;
  draw();
}

function save(name, type, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

function saveCsv() {
  const cell = (value) => (/[",\n\r]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  const line = (values) => `${values.map((value) => cell(String(value ?? ""))).join(",")}\r\n`;
  save(`${run.name}.csv`, "text/csv", line(columns.map(([name]) => name)) + filtered().map((trial) => line(columns.map(([, value]) => value(trial)))).join(""));
}

// A saved chart has no style sheet, so each element gets its present style.
function saveSvg(svg, name) {
  const copied = svg.cloneNode(true);
  copied.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  const originals = svg.querySelectorAll("*");
  copied.querySelectorAll("*").forEach((node, index) => {
    const style = getComputedStyle(originals[index]);
    for (const key of ["fill", "stroke", "stroke-width", "stroke-dasharray", "opacity", "font"]) node.setAttribute(key, style.getPropertyValue(key));
  });
  save(`${run.name}_${name}.svg`, "image/svg+xml", copied.outerHTML);
}

function readFragment() {
  const given = new URLSearchParams(location.hash.slice(1));
  for (const name of ["status", "top", "values"]) form.elements[name].value = given.get(name) ?? "";
  for (const name of ["status", "top", "values"]) if (form.elements[name].selectedIndex < 0) form.elements[name].value = "";
  state.pin = given.get("pin");
  state.brush = {};
  for (const axis of [...names, run.metric]) {
    const range = (given.get(`brush.${axis}`) ?? "").split("~").map(Number);
    if (range.length === 2 && range.every((place) => place >= 0 && place <= 1)) state.brush[axis] = range;
  }
}

function writeFragment() {
  const kept = new URLSearchParams();
  for (const name of ["status", "top", "values"]) if (form.elements[name].value) kept.set(name, form.elements[name].value);
  if (state.pin) kept.set("pin", state.pin);
  for (const [axis, range] of Object.entries(state.brush)) kept.set(`brush.${axis}`, range.join("~"));
  history.replaceState(null, "", `#${kept}`);
}

function draw() {
  writeFragment();
  drawnCharts = [];
  const trials = filtered();
  document.getElementById("shown").textContent = `${trials.length} of ${run.trials.length} trials`;
  for (const [id, part] of Object.entries({ parallel: drawParallel, curves: drawCurves, panels: drawPanels, table: drawTable, timeline: drawTimeline })) {
    const kept = section(id).querySelector("h2");
    section(id).replaceChildren(kept);
    const before = drawnCharts.length;
    part(trials);
    if (drawnCharts.length === before + 1) {
      const svg = drawnCharts[before];
      add(section(id), "button", { type: "button" }, "Save SVG").addEventListener("click", () => saveSvg(svg, id));
    }
    if (id === "table") add(section(id), "button", { type: "button" }, "Save CSV").addEventListener("click", saveCsv);
  }
}

function list(id, rows) {
  const body = add(add(add(section(id), "div", { class: "scroll" }), "table"), "tbody");
  for (const [name, text] of rows) {
    const row = add(body, "tr");
    add(row, "th", { scope: "row" }, name);
    add(row, "td", {}, shown(text));
  }
}

function drawFacts() {
  document.getElementById("state").textContent = [run.status, run.why].filter(Boolean).join(": ");
  const answer = section("answer");
  const trial = run.best && run.trials.find((each) => each.name === run.best.name);
  if (run.best) {
    add(answer, "p", { class: "big" }, `${run.metric} ${shown(run.best.value)}`);
    add(answer, "p", {}, `Best trial: ${run.best.name}. ${run.insights.winner || ""}`);
    list("answer", Object.entries(run.best.parameters));
    if (trial) { add(answer, "p", {}, "This command trains the best trial again:"); add(answer, "pre", {}, trial.command); }
  } else {
    if (!Object.keys(run.metrics).length) add(answer, "p", {}, "The run has no value of a metric.");
    list("answer", [...Object.entries(run.metrics), ...Object.entries(run.parameters)]);
  }
  for (const warning of run.warnings) add(answer, "p", {}, `Warning: ${warning}`);
  if (run.log_tail.length) { add(answer, "h3", {}, "Last lines of the log"); add(answer, "pre", {}, run.log_tail.join("\n")); }
  add(section("savings"), "p", {}, run.insights.savings ? `Early termination saved ${run.insights.savings}.` : "Early termination cut no trial.");
  if (run.insights.late) add(section("savings"), "p", { class: "soft" }, run.insights.late);
  const shares = Object.entries(run.insights.importance || {}).sort((a, b) => b[1] - a[1]);
  section("importance").hidden = !shares.length;
  if (shares.length) add(section("importance"), "p", { class: "soft" }, `Share of the influence on ${run.insights.importance_of}.`);
  for (const [name, share] of shares) {
    add(section("importance"), "p", {}, `${name}: ${Math.round(share * 100)}%`);
    add(section("importance"), "div", { class: "bar" }).style.width = `${share * 100}%`;
  }
  list("config", run.facts);
  section("journal").hidden = !run.journal.length;
  if (run.journal.length) {
    const details = add(section("journal"), "details");
    add(details, "summary", {}, `${run.journal.length} events`);
    add(details, "pre", {}, run.journal.map(([at, text]) => `${at.toFixed(1)} s  ${text}`).join("\n"));
  }
  section("best").hidden = !section("best").querySelector("figure");
}

drawFacts();
for (const status of [...new Set(run.trials.map(kind))].sort()) add(form.elements.status, "option", { value: status }, status);
if (run.trials.length) {
  readFragment();
  draw();
  form.addEventListener("change", draw);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => { state.brush = {}; state.pin = null; draw(); }));
  window.addEventListener("hashchange", () => { readFragment(); draw(); });
} else {
  for (const id of ["savings", "filter", "parallel", "curves", "panels", "table", "timeline"]) section(id).hidden = true;
}
