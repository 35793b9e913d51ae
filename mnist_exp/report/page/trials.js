"use strict";

// The trials of the run, and the state of the filter. The page gives all texts of the run to
// `textContent` and `setAttribute`, never to HTML: a text of the run adds no element.
const run = JSON.parse(document.getElementById("content").textContent);
const form = document.getElementById("filter");
const names = [...new Set(run.trials.flatMap((trial) => Object.keys(trial.parameters)))];
const cuts = run.trials.filter((trial) => trial.cut !== null).map((trial) => trial.cut);
// The factor with which the best value becomes the smallest value; 0 if the goal is unknown.
const sign = { minimize: 1, maximize: -1 }[run.goal] ?? 0;
const state = { brush: {}, pin: null, sort: null, down: false };

const section = (id) => document.getElementById(id);
const isNumber = (value) => typeof value === "number";
const isMissing = (value) => value === null || value === undefined;
const kind = (trial) => (trial.cut !== null ? `${trial.status}, cut` : trial.status);
const isBad = (trial) => trial.cut === null && ["Failed", "Canceled"].includes(trial.status);
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
  if (a === null || b === null) return (a === null) - (b === null) || left.index - right.index;
  return sign * (a - b) || left.index - right.index;
}

function filtered() {
  const { status, top } = form.elements;
  const scales = Object.keys(state.brush).map((axis) => [axis, scaleOf(axis)]);
  const isInside = (trial) => scales.every(([axis, scale]) => {
    const [low, high] = state.brush[axis], place = scale(valueOf(trial, axis));
    return place !== null && place >= low && place <= high;
  });
  const isChosen = (trial) => (!status.value || kind(trial) === status.value) && isInside(trial);
  const trials = run.trials.filter(isChosen);
  if (!top.value) return trials;
  return trials.filter((trial) => best(trial) !== null).sort(byRank).slice(0, +top.value);
}

// Return a function that maps a value of an axis to 0..1, or to null if the value is missing.
function scaleOf(axis) {
  const values = run.trials
    .map((trial) => valueOf(trial, axis))
    .filter((value) => !isMissing(value));
  return values.every(isNumber) ? numberScale(values, axis !== run.metric) : textScale(values);
}

function textScale(values) {
  const texts = [...new Set(values.map(String))].sort();
  const place = (value) => (texts.indexOf(String(value)) + 0.5) / texts.length;
  const scale = (value) => (isMissing(value) ? null : place(value));
  scale.ticks = texts.map((text) => [text, place(text)]);
  return scale;
}

function numberScale(values, mayBeLog) {
  const low = Math.min(...values), high = Math.max(...values);
  const warp = mayBeLog && low > 0 && high / low >= 10 ? Math.log : (value) => value;
  const place = (value) =>
    high > low ? (warp(value) - warp(low)) / (warp(high) - warp(low)) : 0.5;
  const scale = (value) => (isNumber(value) ? place(value) : null);
  scale.ticks = [...new Set(values.length ? [low, high] : [])].map((at) => [shown(at), place(at)]);
  return scale;
}
