// The fixed parts of the page, and the parts that change with the filter.
const FILTERS = ["status", "top", "values"];
const PARTS = {
  parallel: drawParallel,
  curves: drawCurves,
  panels: drawPanels,
  table: drawTable,
  timeline: drawTimeline,
};

function pin(name) {
  state.pin = state.pin === name ? null : name;
  draw();
}

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

function draw() {
  writeFragment();
  const trials = filtered();
  section("shown").textContent = `${trials.length} of ${run.trials.length} trials`;
  // The new elements replace the element with the focus and the table that the user scrolled.
  const focus = document.activeElement?.dataset.focus;
  const left = section("table").querySelector(".scroll")?.scrollLeft ?? 0;
  for (const [id, drawPart] of Object.entries(PARTS)) {
    section(id).replaceChildren(section(id).querySelector("h2"));
    drawPart(section(id), trials);
    addDownload(id);
  }
  section("table").querySelector(".scroll").scrollLeft = left;
  if (focus) {
    document.querySelector(`[data-focus="${CSS.escape(focus)}"]`)?.focus({ preventScroll: true });
  }
}

function addDownload(id) {
  const charts = section(id).querySelectorAll("svg");
  if (id === "table") addButton(id, "Save CSV", saveCsv);
  if (charts.length === 1) addButton(id, "Save SVG", () => saveSvg(charts[0], id));
}

function addButton(id, text, action) {
  add(section(id), "button", { type: "button" }, text).addEventListener("click", action);
}

function list(id, rows) {
  const body = add(add(add(section(id), "div", { class: "scroll" }), "table"), "tbody");
  for (const [name, value] of rows) {
    const row = add(body, "tr");
    add(row, "th", { scope: "row" }, name);
    add(row, "td", isNumber(value) ? { title: value } : {}, shown(value));
  }
}

function drawFacts() {
  section("state").textContent = [run.status, run.why].filter(Boolean).join(": ");
  const answer = section("answer");
  if (run.best) drawBest(answer);
  else drawValues(answer);
  for (const warning of run.warnings) add(answer, "p", {}, `Warning: ${warning}`);
  if (run.log_tail.length) {
    add(answer, "h3", {}, "Last lines of the log");
    add(answer, "pre", {}, run.log_tail.join("\n"));
  }
  drawSavings();
  drawImportance();
  list("config", run.facts);
  drawJournal();
  section("best").hidden = !section("best").querySelector("figure");
}

function drawBest(answer) {
  const trial = run.trials.find((each) => each.name === run.best.name);
  add(answer, "p", { class: "big" }, `${run.metric} ${shown(run.best.value)}`);
  add(answer, "p", {}, `Best trial: ${run.best.name}. ${run.insights.winner || ""}`);
  list("answer", Object.entries(run.best.parameters));
  if (!trial) return;
  add(answer, "p", {}, "This command trains the best trial again:");
  add(answer, "pre", {}, trial.command);
}

function drawValues(answer) {
  const metrics = Object.entries(run.metrics);
  if (!metrics.length) add(answer, "p", {}, "The run has no value of a metric.");
  list("answer", [...metrics, ...Object.entries(run.parameters)]);
}

function drawSavings() {
  const text = savingsText();
  section("savings").hidden = !text;
  add(section("savings"), "p", {}, text);
  if (run.insights.late) add(section("savings"), "p", { class: "soft" }, run.insights.late);
}

// Return an empty text if the savings are unknown. Azure ML does not report which trials it cut.
// Without a cut trial, only a journal shows that early termination cut no trial.
function savingsText() {
  if (run.insights.savings) return `Early termination saved ${run.insights.savings}.`;
  if (cuts.length) return `Early termination cut ${cuts.length} of ${run.trials.length} trials.`;
  return run.journal.length ? "Early termination cut no trial." : "";
}

function drawImportance() {
  const { importance = {}, importance_of: basis } = run.insights;
  const shares = Object.entries(importance).sort(([, a], [, b]) => b - a);
  section("importance").hidden = !shares.length;
  const text = `Share of the influence on ${basis}.`;
  if (basis) add(section("importance"), "p", { class: "soft" }, text);
  for (const [name, share] of shares) {
    add(section("importance"), "p", {}, `${name}: ${Math.round(share * 100)}%`);
    add(section("importance"), "div", { class: "bar" }).style.width = `${share * 100}%`;
  }
}

function drawJournal() {
  section("journal").hidden = !run.journal.length;
  const details = add(section("journal"), "details");
  add(details, "summary", {}, `${run.journal.length} events`);
  const lines = run.journal.map(([at, text]) => `${at.toFixed(1)} s  ${text}`);
  add(details, "pre", {}, lines.join("\n"));
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

function start() {
  drawFacts();
  if (!run.trials.length) {
    const unused = ["savings", "filter", "legend", ...Object.keys(PARTS)];
    for (const id of unused) section(id).hidden = true;
    return;
  }
  drawFilter();
  readFragment();
  draw();
  form.addEventListener("change", draw);
  form.addEventListener("submit", (event) => event.preventDefault());
  // The browser resets the lists after this event.
  form.addEventListener("reset", () => setTimeout(reset));
  window.addEventListener("hashchange", () => {
    readFragment();
    draw();
  });
}

start();
