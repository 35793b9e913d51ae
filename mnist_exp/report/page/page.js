// The state of the page: the filter, the pinned trial, and the address that keeps both.
const FILTERS = ["status", "top", "values"];
const PARTS = {
  parallel: drawParallel,
  curves: drawCurves,
  panels: drawPanels,
  table: drawTable,
  timeline: drawTimeline,
};
let isUpdatePlanned = false;
let fragmentTimer = 0;
// Name of a trial -> how the trial looks: whether it is hidden, and whether it is pinned.
const looks = new Map();

function readFragment() {
  const given = new URLSearchParams(location.hash.slice(1));
  for (const name of FILTERS) {
    form.elements[name].value = given.get(name) ?? "";
    // A value that the list does not contain selects nothing.
    if (form.elements[name].selectedIndex < 0) form.elements[name].value = "";
  }
  state.pin = given.get("pin");
  state.brush = {};
  for (const axis of [...names, run.metric]) {
    const range = (given.get(`brush.${axis}`) ?? "").split("~").map(Number);
    const isRange = range.length === 2 && range.every((place) => place >= 0 && place <= 1);
    if (isRange) state.brush[axis] = range;
  }
}

function writeFragment() {
  const kept = new URLSearchParams();
  for (const name of FILTERS) {
    if (form.elements[name].value) kept.set(name, form.elements[name].value);
  }
  if (state.pin) kept.set("pin", state.pin);
  for (const [axis, range] of Object.entries(state.brush)) {
    kept.set(`brush.${axis}`, range.join("~"));
  }
  history.replaceState(null, "", `#${kept}`);
}

// Draw all trials, for the present choice of the values.
function draw() {
  // The new elements replace the element with the focus.
  const focus = document.activeElement?.dataset.focus;
  elements.clear();
  looks.clear();
  for (const axis of [...names, run.metric]) scales.set(axis, scaleOf(axis));
  for (const [id, drawPart] of Object.entries(PARTS)) {
    section(id).replaceChildren(section(id).querySelector("h2"));
    drawPart(section(id));
    addDownload(id);
  }
  update();
  if (focus) {
    document.querySelector(`[data-focus="${CSS.escape(focus)}"]`)?.focus({ preventScroll: true });
  }
}

// Show the trials that the filter selects, and mark the pinned trial.
function update() {
  isUpdatePlanned = false;
  const trials = new Set(filtered());
  for (const trial of run.trials) {
    const isHidden = !trials.has(trial), isPinned = trial.name === state.pin;
    const look = `${isHidden} ${isPinned}`;
    // Most trials keep their look while the pointer moves.
    if (looks.get(trial.name) === look) continue;
    looks.set(trial.name, look);
    for (const node of elements.get(trial.name) ?? []) {
      node.classList.toggle("hidden", isHidden);
      node.classList.toggle("pinned", isPinned);
    }
    rows.get(trial.name).querySelector(".pin").setAttribute("aria-pressed", isPinned);
  }
  section("shown").textContent = `${trials.size} of ${run.trials.length} ${run.noun}s`;
  updateBrushes();
  // Browsers refuse many changes of the address in a short time.
  clearTimeout(fragmentTimer);
  fragmentTimer = setTimeout(writeFragment, 200);
}

// While the pointer moves, update at most once for each picture of the screen.
function updateSoon() {
  if (!isUpdatePlanned) requestAnimationFrame(update);
  isUpdatePlanned = true;
}

function pin(name) {
  state.pin = state.pin === name ? null : name;
  update();
}

// Highlight a trial in all charts and in the table. Null highlights no trial.
function hover(name) {
  if (name === state.hovered) return;
  for (const one of [state.hovered, name]) {
    for (const node of elements.get(one) ?? []) node.classList.toggle("hovered", one === name);
  }
  state.hovered = name;
}

// Show the values of the trial under the pointer, beside the pointer.
function showTip(event) {
  const trial = byName.get(event.target.closest?.("[data-trial]")?.dataset.trial);
  const tip = section("tip");
  hover(trial?.name ?? null);
  tip.hidden = !trial || !event.target.closest("svg");
  if (tip.hidden) return;
  const values = names.map((name) => `${name} ${shown(trial.parameters[name])}`);
  const result = `${run.noun} ${trial.index}: ${kind(trial)}, ${run.metric} ${shown(best(trial))}`;
  tip.textContent = [result, ...values, trial.why].filter(Boolean).join("\n");
  const { offsetWidth: width, offsetHeight: height } = tip;
  tip.style.left = `${Math.max(0, Math.min(event.clientX + 12, innerWidth - width - 20))}px`;
  const below = event.clientY + 16;
  tip.style.top = `${below + height < innerHeight ? below : event.clientY - height - 12}px`;
}

function click(event) {
  const name = event.target.closest("[data-trial]")?.dataset.trial;
  const isSelecting = !getSelection().isCollapsed;
  if (!name || event.target.closest("details") || isSelecting) return;
  const button = event.target.closest(".copy button");
  if (button) copy(byName.get(name).command, button);
  else pin(name);
}

function addDownload(id) {
  const charts = section(id).querySelectorAll("svg");
  if (id === "table") addButton(id, "Save CSV", saveCsv);
  charts.forEach((svg, index) => {
    const name = id === "panels" ? names[index] : id;
    const text = id === "panels" ? `Save SVG of ${name}` : "Save SVG";
    addButton(id, text, () => saveSvg(svg, name));
  });
}

function addButton(id, text, action) {
  add(section(id), "button", { type: "button" }, text).addEventListener("click", action);
}

function drawFilter() {
  for (const status of [...new Set(run.trials.map(kind))].sort()) {
    add(form.elements.status, "option", { value: status }, status);
  }
  if (!sign) removeChoice("top");
  if (!sign || !cuts.length) removeChoice("values");
}

// Hide a list, and keep only its first option: the page's address can then select no other option.
function removeChoice(name) {
  form.elements[name].options.length = 1;
  form.elements[name].closest("label").hidden = true;
}

function reset() {
  state.brush = {};
  state.pin = null;
  draw();
}

function listen() {
  form.elements.values.addEventListener("change", draw);
  form.addEventListener("change", update);
  form.addEventListener("submit", (event) => event.preventDefault());
  // The browser resets the lists after this event.
  form.addEventListener("reset", () => setTimeout(reset));
  narrow.addEventListener("change", draw);
  document.querySelector("main").addEventListener("click", click);
  document.addEventListener("pointermove", showTip);
  document.addEventListener("focusin", (event) =>
    hover(event.target.closest("[data-trial]")?.dataset.trial ?? null));
  window.addEventListener("hashchange", () => {
    readFragment();
    draw();
  });
}

function start() {
  drawFacts();
  if (run.trials.length) {
    drawFilter();
    // Only a journal has the times of the trials.
    section("timeline").hidden = run.noun !== "trial";
    readFragment();
    draw();
    listen();
    return;
  }
  const unused = ["savings", "filter", "legend", ...Object.keys(PARTS)];
  for (const id of unused) section(id).hidden = true;
  if (Object.keys(run.curves).length) {
    section("curves").hidden = false;
    drawSeries(section("curves"));
  }
}

start();
