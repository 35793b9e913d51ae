// The table of the trials, and the downloads.
const columns = [
  ["trial", (trial) => trial.index],
  ["status", kind],
  [run.metric || "value", best],
  ["last", (trial) => trial.last],
  ["logged", (trial) => trial.events],
  ["cut at", (trial) => trial.cut],
  ...names.map((name) => [name, (trial) => trial.parameters[name]]),
  ["seconds", (trial) => trial.duration_s],
  ["reason", (trial) => trial.why],
];

function drawTable(place, trials) {
  const label = "Table of the trials";
  const region = { class: "scroll", tabindex: 0, role: "region", "aria-label": label };
  const scroll = add(place, "div", region);
  const table = add(scroll, "table");
  const head = add(add(table, "thead"), "tr");
  const styles = new Map(columns.map((column) => [column, classOf(column)]));
  const [first, ...others] = columns;
  addHeader(head, first, "");
  add(head, "th", { scope: "col" }, "command");
  for (const column of others) addHeader(head, column, styles.get(column));
  const body = add(table, "tbody");
  const order = state.sort ? bySortedColumn : byRank;
  for (const trial of [...trials].sort(order)) addRow(body, trial, styles);
}

// Compare two trials by the column that the user chose. Missing values are last.
function bySortedColumn(left, right) {
  const [a, b] = [left, right].map(state.sort[1]);
  if (isMissing(a) || isMissing(b)) return isMissing(a) - isMissing(b);
  const order = isNumber(a) && isNumber(b) ? a - b : String(a).localeCompare(String(b));
  return state.down ? -order : order;
}

function addHeader(row, column, style) {
  const order = column !== state.sort ? "none" : state.down ? "descending" : "ascending";
  const arrow = { none: "", ascending: " ▲", descending: " ▼" }[order];
  const cell = add(row, "th", { scope: "col", "aria-sort": order, class: style });
  const focus = `column ${columns.indexOf(column)}`;
  const button = add(cell, "button", { type: "button", "data-focus": focus }, column[0] + arrow);
  button.addEventListener("click", () => {
    state.down = state.sort === column && !state.down;
    state.sort = column;
    draw();
  });
}

function addRow(body, trial, styles) {
  const row = add(body, "tr", { class: trial.name === state.pin ? "pinned" : "" });
  row.addEventListener("click", () => pin(trial.name));
  addPinButton(add(row, "th", { scope: "row" }), trial);
  const button = add(add(row, "td"), "button", { type: "button" }, "Copy overrides");
  button.addEventListener("click", (event) => {
    event.stopPropagation();
    copy(trial.command, button);
  });
  for (const column of columns.slice(1)) addCell(row, styles.get(column), column[1](trial));
}

// Add the button that pins a trial. The row handles the click. Enter and Space also click a button.
function addPinButton(cell, trial) {
  const attributes = {
    type: "button",
    "aria-pressed": trial.name === state.pin,
    "aria-label": `Pin trial ${trial.index}`,
    "data-focus": `trial ${trial.name}`,
  };
  add(cell, "button", attributes, trial.index);
}

// Add a cell with at most six digits. The title of the cell has all digits of the number.
function addCell(row, style, value) {
  const text = isNumber(value) ? String(+value.toPrecision(6)) : shown(value);
  add(row, "td", isNumber(value) ? { class: style, title: value } : { class: style }, text);
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
  const rows = filtered().map((trial) => columns.map(([, value]) => value(trial)));
  const lines = [columns.map(([name]) => name), ...rows].map(line);
  save(`${run.name}.csv`, "text/csv", lines.join(""));
}

// Save a chart. A saved chart has no style sheet, so each element gets its present style.
function saveSvg(svg, name) {
  const copied = svg.cloneNode(true);
  copied.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  const originals = svg.querySelectorAll("*");
  const strokes = ["stroke", "stroke-width", "stroke-dasharray"];
  const keys = ["fill", ...strokes, "paint-order", "opacity", "font"];
  copied.querySelectorAll("*").forEach((node, index) => {
    const style = getComputedStyle(originals[index]);
    for (const key of keys) node.setAttribute(key, style.getPropertyValue(key));
  });
  save(`${run.name}_${name}.svg`, "image/svg+xml", copied.outerHTML);
}
