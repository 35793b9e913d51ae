"use strict";

// The trials of the run, and the state of the filter. The page gives all texts of the run to
// `textContent` and `setAttribute`, never to HTML: a text of the run adds no element.
const run = JSON.parse(document.getElementById("content").textContent);
const form = document.getElementById("filter");
const names = [...new Set(run.trials.flatMap((trial) => Object.keys(trial.parameters)))];
const cuts = run.trials.filter((trial) => trial.cut !== null).map((trial) => trial.cut);
const byName = new Map(run.trials.map((trial) => [trial.name, trial]));
// The factor with which the best value becomes the smallest value; 0 if the goal is unknown.
const sign = { minimize: 1, maximize: -1 }[run.goal] ?? 0;
const state = { brush: {}, pin: null, hovered: null, sort: null, down: false };
// Name of a trial -> the elements of the trial in the charts and in the table. The filter hides
// and shows these elements. Only another choice of the values draws new elements.
const elements = new Map();
// Axis -> its scale, for the present choice of the values.
const scales = new Map();

const section = (id) => document.getElementById(id);
const isNumber = (value) => typeof value === "number";
const isMissing = (value) => value === null || value === undefined;
const kind = (trial) => (trial.cut !== null ? `${trial.status}, cut` : trial.status);
const isBad = (trial) => trial.cut === null && ["Failed", "Canceled"].includes(trial.status);
const isBest = (trial) => run.best !== null && trial.name === run.best.name;
const valueOf = (trial, axis) => (axis === run.metric ? best(trial) : trial.parameters[axis]);

function shown(value) {
  if (isMissing(value)) return "-";
  return isNumber(value) ? String(+value.toPrecision(4)) : String(value);
}

function add(parent, tag, attributes = {}, text = null) {
  const svg = "http://www.w3.org/2000/svg";
  const isSvg = tag === "svg" || parent.namespaceURI === svg;
  const node = isSvg ? document.createElementNS(svg, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== null) node.textContent = text;
  parent.append(node);
  return node;
}

// Make an element a part of a trial: the filter, the pointer and a click act on all parts.
function register(node, trial) {
  node.dataset.trial = trial.name;
  if (!elements.has(trial.name)) elements.set(trial.name, []);
  elements.get(trial.name).push(node);
  return node;
}

function best(trial) {
  if (form.elements.values.value !== "cut") return trial.best;
  const shortest = Math.min(...cuts);
  const values = points(trial).filter(([at]) => at <= shortest).map(([, value]) => sign * value);
  return values.length ? sign * Math.min(...values) : null;
}

// Return the points of the curve without NaN and infinity.
function points(trial) {
  return trial.curve.filter(([, value]) => value !== null);
}

// Compare two trials: better trials first, trials without a value last.
function byRank(left, right) {
  const [a, b] = [best(left), best(right)];
  if (isMissing(a) || isMissing(b)) {
    return isMissing(a) - isMissing(b) || left.index - right.index;
  }
  return sign * (a - b) || left.index - right.index;
}

function filtered() {
  const { status, top } = form.elements;
  const brushes = Object.entries(state.brush);
  const isInside = (trial) => brushes.every(([axis, [low, high]]) => {
    const place = scales.get(axis)(valueOf(trial, axis));
    return place !== null && place >= low && place <= high;
  });
  const isChosen = (trial) => (!status.value || kind(trial) === status.value) && isInside(trial);
  const trials = run.trials.filter(isChosen);
  if (!top.value) return trials;
  return trials.filter((trial) => !isMissing(best(trial))).sort(byRank).slice(0, +top.value);
}

// Return a function that maps a value of an axis to 0..1, or to null if the value is missing. The
// search space decides the scale, if it is known.
function scaleOf(axis) {
  const values = run.trials
    .map((trial) => valueOf(trial, axis))
    .filter((value) => !isMissing(value));
  const given = run.scales[axis];
  if (!values.every(isNumber) || given === "category") return categoryScale(values);
  const [low, high] = extent(values);
  const isWide = axis !== run.metric && high / low >= 10;
  return numberScale(low, high, low > 0 && (given === "log" || (!given && isWide)));
}

function categoryScale(values) {
  const known = [...new Set(values)];
  known.sort(known.every(isNumber) ? (a, b) => a - b : (a, b) => (`${a}` < `${b}` ? -1 : 1));
  const places = new Map(known.map((value, index) => [value, (index + 0.5) / known.length]));
  const scale = (value) => places.get(value) ?? null;
  // More than a dozen ticks would cover each other.
  const every = Math.ceil(known.length / 12);
  const ticks = [...places].filter((_, index) => index % every === 0);
  scale.ticks = ticks.map(([value, place]) => [shown(value), place]);
  return scale;
}

function numberScale(low, high, isLog) {
  const warp = isLog ? Math.log : (value) => value;
  const place = (value) =>
    high > low ? (warp(value) - warp(low)) / (warp(high) - warp(low)) : 0.5;
  const scale = (value) => (isNumber(value) ? place(value) : null);
  const ends = low <= high ? [...new Set([low, high])] : [];
  scale.ticks = ends.map((at) => [shown(at), place(at)]);
  scale.isLog = isLog;
  return scale;
}

// `Math.min(...values)` fails for very many values.
function extent(values) {
  const low = values.reduce((left, right) => Math.min(left, right), Infinity);
  return [low, values.reduce((left, right) => Math.max(left, right), -Infinity)];
}
