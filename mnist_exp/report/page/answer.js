// The parts of the page that do not change with the filter.
function list(id, entries) {
  if (!entries.length) return;
  const body = add(add(add(section(id), "div", { class: "scroll" }), "table"), "tbody");
  for (const [name, value] of entries) {
    const row = add(body, "tr");
    add(row, "th", { scope: "row" }, name);
    add(row, "td", isNumber(value) ? { title: value } : {}, shown(value));
  }
}

function drawFacts() {
  section("state").textContent = [run.status, run.why].filter(Boolean).join(": ");
  section("progress").hidden = !run.is_running;
  for (const node of document.querySelectorAll(".noun")) {
    const isCapital = node.textContent[0] === "T";
    node.textContent = isCapital ? run.noun[0].toUpperCase() + run.noun.slice(1) : run.noun;
  }
  drawAnswer(section("answer"));
  drawSavings();
  drawImportance();
  list("config", run.facts);
  drawJournal();
  section("best").hidden = !section("best").querySelector("figure");
}

function drawAnswer(answer) {
  if (run.best) drawBest(answer);
  else if (run.seeds.length) drawSeeds(answer);
  else if (!run.trials.length || Object.keys(run.metrics).length) drawValues(answer);
  else drawRange(answer);
  const words = { status: "See its state", logs: "Follow its log", cancel: "Cancel it" };
  for (const [stage, command] of Object.entries(run.commands)) {
    addCommand(answer, words[stage] ?? "Next", command);
  }
  for (const warning of run.warnings) add(answer, "p", {}, `Warning: ${warning}`);
  if (run.log_tail.length) {
    add(answer, "h3", {}, "Last lines of the log");
    add(answer, "pre", {}, run.log_tail.join("\n"));
  }
}

function addCommand(place, text, command) {
  add(place, "p", {}, `${text}:`);
  add(place, "pre", {}, command);
}

function drawBest(answer) {
  const trial = byName.get(run.best.name);
  add(answer, "p", { class: "big" }, `${run.metric} ${shown(run.best.value)}`);
  const label = trial ? `trial ${trial.index}, ${run.best.name}` : run.best.name;
  const words = run.is_running ? "Best trial so far" : "Best trial";
  add(answer, "p", {}, `${words}: ${label}. ${run.insights.winner || ""}`);
  list("answer", Object.entries(run.best.parameters));
  if (trial) addCommand(answer, "This command trains the best trial again", trial.command);
}

function drawValues(answer) {
  const logged = Object.entries(run.metrics), main = run.metrics[run.metric];
  if (!isMissing(main)) add(answer, "p", { class: "big" }, `${run.metric} ${shown(main)}`);
  if (!logged.length) add(answer, "p", {}, "The run has no value of a metric.");
  list("answer", [...logged, ...Object.entries(run.parameters)]);
}

// Draw the lowest and the highest value. A multirun does not know which of them is better.
function drawRange(answer) {
  const valued = run.trials.filter((trial) => !isMissing(trial.best));
  valued.sort((a, b) => a.best - b.best);
  const text = (trial) => `${shown(trial.best)} (${run.noun} ${trial.index})`;
  const range = valued.length
    ? `${run.metric} from ${text(valued[0])} to ${text(valued[valued.length - 1])}`
    : `No ${run.noun} has a value of ${run.metric || "a metric"}.`;
  add(answer, "p", valued.length ? { class: "big" } : {}, range);
}

// Draw the table of the variants that differ only in the seed.
function drawSeeds(answer) {
  const logged = [...new Set(run.seeds.flatMap((group) => Object.keys(group.metrics)))];
  logged.sort((a, b) => (b === run.metric) - (a === run.metric));
  add(answer, "p", {}, "Mean ± standard deviation over n seeds:");
  const region = { class: "scroll", tabindex: 0, role: "region", "aria-label": "Over seeds" };
  const table = add(add(answer, "div", region), "table"), head = add(add(table, "thead"), "tr");
  for (const name of ["variants", "n", ...logged]) add(head, "th", { scope: "col" }, name);
  const body = add(table, "tbody");
  for (const { label, n, metrics: values } of run.seeds) {
    const row = add(body, "tr");
    add(row, "th", { scope: "row" }, label);
    add(row, "td", { class: "number" }, n);
    for (const name of logged) addOverSeeds(row, values[name]);
  }
}

function addOverSeeds(row, value) {
  if (!value) return add(row, "td", { class: "number" }, "-");
  const title = `${value.mean} ± ${value.sd}`;
  const text = `${shown(value.mean)} ± ${+value.sd.toPrecision(2)}`;
  return add(row, "td", { class: "number", title }, text);
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
