// The table of the trials, and the downloads.
const metrics = [...new Set(run.trials.flatMap((trial) => Object.keys(trial.metrics ?? {})))];
const columns = [
  [run.noun, (trial) => trial.index],
  ["status", kind],
  [run.metric || "value", best],
  ["last", (trial) => trial.last],
  ["logged", (trial) => trial.events],
  ["cut at", (trial) => trial.cut],
  ["reason", (trial) => trial.why || null],
  ...names.map((name) => [name, (trial) => trial.parameters[name]]),
  ...metrics.map((name) => [name, (trial) => trial.metrics?.[name]]),
  ["seconds", (trial) => trial.duration_s],
].filter(([, valueIn], index) => index < 3 || !run.trials.map(valueIn).every(isMissing));
// Name of a trial -> its row.
const rows = new Map();
// Column -> its header.
const headers = new Map();

function drawTable(place) {
  const label = `Table of the ${run.noun}s`;
  const region = { class: "scroll", tabindex: 0, role: "region", "aria-label": label };
  const table = add(add(place, "div", region), "table");
  const head = add(add(table, "thead"), "tr"), body = add(table, "tbody");
  const styles = new Map(columns.map((column) => [column, classOf(column)]));
  const [first, ...others] = columns;
  addHeader(head, first, "", body);
  add(head, "th", { scope: "col", class: "copy" }, "command");
  for (const column of others) addHeader(head, column, styles.get(column), body);
  for (const trial of run.trials) rows.set(trial.name, addRow(body, trial, styles));
  sortTable(head, body);
}

function sortTable(head, body) {
  for (const [column, cell] of headers) {
    const order = column !== state.sort ? "none" : state.down ? "descending" : "ascending";
    cell.setAttribute("aria-sort", order);
    cell.querySelector(".arrow").textContent = { ascending: " ▲", descending: " ▼" }[order] ?? "";
  }
  const order = state.sort ? bySortedColumn : byRank;
  body.append(...[...run.trials].sort(order).map((trial) => rows.get(trial.name)));
}

// Compare two trials by the column that the user chose. Missing values are last.
function bySortedColumn(left, right) {
  const [a, b] = [left, right].map(state.sort[1]);
  if (isMissing(a) || isMissing(b)) return isMissing(a) - isMissing(b);
  const order = isNumber(a) && isNumber(b) ? a - b : String(a).localeCompare(String(b));
  return state.down ? -order : order;
}

function addHeader(head, column, style, body) {
  const cell = add(head, "th", { scope: "col", "aria-sort": "none", class: style });
  const focus = `column ${columns.indexOf(column)}`;
  const button = add(cell, "button", { type: "button", "data-focus": focus });
  // A long name may break after an underscore.
  for (const part of column[0].split(/(?<=_)/)) {
    button.append(part);
    add(button, "wbr");
  }
  add(button, "span", { class: "arrow" });
  headers.set(column, cell);
  button.addEventListener("click", () => {
    state.down = state.sort === column && !state.down;
    state.sort = column;
    sortTable(head, body);
    button.focus();
  });
}

function addRow(body, trial, styles) {
  const row = register(add(body, "tr", { class: isBest(trial) ? "best" : "" }), trial);
  addPinButton(add(row, "th", { scope: "row" }), trial);
  const cell = add(row, "td", { class: "copy" });
  add(cell, "button", { type: "button" }, "Copy overrides");
  for (const column of columns.slice(1)) addCell(row, styles.get(column), column[1](trial));
  if (trial.log_tail?.length) addLog(row, trial);
  return row;
}

// Add the button that pins a trial. Enter and Space also click a button.
function addPinButton(cell, trial) {
  const label = `Pin ${run.noun} ${trial.index}`;
  const attributes = { type: "button", class: "pin", "aria-pressed": false, "aria-label": label };
  add(cell, "button", { ...attributes, "data-focus": `trial ${trial.name}` }, trial.index);
}

// Add a cell with at most six digits. The title of the cell has all digits of the number.
function addCell(row, style, value) {
  const text = isNumber(value) ? String(+value.toPrecision(6)) : shown(value);
  add(row, "td", isNumber(value) ? { class: style, title: value } : { class: style }, text);
}

function addLog(row, trial) {
  const details = add(row.querySelector(".why") ?? row.lastChild, "details");
  add(details, "summary", {}, "end of the log");
  add(details, "pre", {}, trial.log_tail.join("\n"));
}

function classOf([name, valueIn]) {
  if (name === "reason") return "why";
  const isNumeric = run.trials.map(valueIn).every((value) => isMissing(value) || isNumber(value));
  return isNumeric ? "number" : "";
}

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    window.prompt("Copy the command:", text);
  }
}

function save(name, type, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

function saveCsv() {
  const quoted = (text) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const line = (values) => `${values.map((value) => quoted(String(value ?? ""))).join(",")}\r\n`;
  const cells = filtered().map((trial) => columns.map(([, value]) => value(trial)));
  const lines = [columns.map(([name]) => name), ...cells].map(line);
  save(`${run.name}.csv`, "text/csv", lines.join(""));
}

// Save a chart. A saved chart has no style sheet, so each element gets its present style.
function saveSvg(svg, name) {
  const copied = svg.cloneNode(true);
  copied.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  const originals = svg.querySelectorAll("*");
  const strokes = ["stroke", "stroke-width", "stroke-dasharray"];
  const keys = ["fill", ...strokes, "paint-order", "opacity", "font", "display"];
  copied.querySelectorAll("*").forEach((node, index) => {
    const style = getComputedStyle(originals[index]);
    for (const key of keys) node.setAttribute(key, style.getPropertyValue(key));
  });
  save(`${run.name}_${name}.svg`, "image/svg+xml", copied.outerHTML);
}
