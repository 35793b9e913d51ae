"use strict";
// The page: drawing, sending, and showing the answers.

const byId = (id) => document.getElementById(id);
const drawing = byId("drawing");
const pen = drawing.getContext("2d", { willReadFrequently: true });
const MEANINGS = {
  0: "The endpoint did not answer.",
  401: "The endpoint did not accept the key.",
  408: "The deployment did not answer in time.",
  424: "The scoring script failed.",
  429: "There are too many requests at once. Try again.",
  503: "No worker of the deployment is ready.",
};
let info = null;
// The 784 pixels to send, and the true digit if it is known.
let current = { pixels: null, label: null };
let isSending = false;

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function show(canvas, pixels) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(SIDE, SIDE);
  for (let index = 0; index < SIDE * SIDE; index++) {
    const value = pixels ? pixels[index] : 0;
    image.data.set([value, value, value, 255], 4 * index);
  }
  context.putImageData(image, 0, 0);
}

function use(pixels, label = null) {
  current = { pixels, label };
  show(byId("seen"), pixels);
  update();
}

function update() {
  byId("send").disabled = byId("save").disabled = !current.pixels || isSending;
  byId("send-body").disabled = isSending;
  for (const button of byId("samples").children) button.disabled = isSending;
}

function clear() {
  pen.fillStyle = "#000";
  pen.fillRect(0, 0, drawing.width, drawing.height);
  use(null);
}

// Drawing, with the mouse, a finger or a pen.

let last = null;

function position(event) {
  const box = drawing.getBoundingClientRect();
  return {
    x: ((event.clientX - box.left) * drawing.width) / box.width,
    y: ((event.clientY - box.top) * drawing.height) / box.height,
  };
}

function stroke(event) {
  if (!last) return;
  const next = position(event);
  pen.strokeStyle = "#fff";
  pen.lineWidth = 20;
  pen.lineCap = pen.lineJoin = "round";
  pen.beginPath();
  pen.moveTo(last.x, last.y);
  pen.lineTo(next.x, next.y);
  pen.stroke();
  last = next;
  useDrawing();
}

function useDrawing() {
  const image = pen.getImageData(0, 0, drawing.width, drawing.height);
  use(toDigit(brightness(image), image.width, image.height));
}

drawing.addEventListener("pointerdown", (event) => {
  event.preventDefault();
  drawing.setPointerCapture(event.pointerId);
  last = position(event);
  stroke(event);
});
drawing.addEventListener("pointermove", stroke);
for (const name of ["pointerup", "pointercancel"]) {
  drawing.addEventListener(name, () => { last = null; });
}

// Sending.

function chosen() {
  return [...document.querySelectorAll("#deployments input:checked")].map((box) => box.value);
}

async function ask(deployment, body) {
  const response = await fetch("/score", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ deployment, body }),
  });
  return response.ok
    ? response.json()
    : { status: response.status, message: await response.text(), milliseconds: 0 };
}

async function send(body, label) {
  const deployments = chosen();
  if (isSending) return;
  if (!deployments.length) {
    byId("status").textContent = "Choose a deployment.";
    return;
  }
  isSending = true;
  update();
  byId("results").replaceChildren();
  try {
    // One after the other: at most one request is in progress.
    for (const deployment of deployments) {
      byId("status").textContent = `Waiting for ${deployment} ...`;
      const result = await ask(deployment, body);
      byId("results").append(resultOf(deployment, result, label));
    }
    byId("status").textContent = deployments.length > 1 ? "All deployments answered." : "Done.";
  } catch {
    byId("status").textContent = "mnist-exp does not run any more. Start stage=page again.";
  } finally {
    isSending = false;
    update();
  }
}

function resultOf(deployment, result, label) {
  const box = element("div", undefined, "result");
  box.append(element("h3", deployment));
  if (result.status !== 200) {
    box.append(element("p", MEANINGS[result.status] ?? "The request failed.", "bad"));
    box.append(element("p", result.message, "dim"));
  } else {
    box.append(...answerOf(result.answer, label));
  }
  box.append(element("p", `status ${result.status || "none"}, ${result.milliseconds} ms`, "dim"));
  return box;
}

function answerOf(answer, label) {
  const digits = Array.isArray(answer) ? answer : answer?.digits;
  const digit = Array.isArray(digits) && digits.length === 1 ? digits[0] : undefined;
  if (!Number.isInteger(digit)) return [element("pre", JSON.stringify(answer, null, 2))];
  const found = [element("p", String(digit), "digit")];
  if (label !== null) {
    const isRight = digit === label;
    const text = isRight ? "✓ right" : `✗ wrong: the digit is ${label}`;
    found.push(element("p", text, isRight ? "good" : "bad"));
  }
  const shares = answer.probabilities?.[0];
  if (Array.isArray(shares)) found.push(sharesOf(shares));
  return found;
}

function sharesOf(shares) {
  const table = element("table");
  table.append(element("caption", "Probability of each digit", "dim"));
  shares.forEach((share, digit) => {
    const row = table.insertRow();
    row.append(element("th", String(digit)));
    const meter = element("meter");
    meter.max = 1;
    meter.value = share;
    row.insertCell().append(meter);
    row.insertCell().textContent = `${(100 * share).toFixed(1)} %`;
  });
  return table;
}

// Files.

function fromRow(row) {
  const isRow = Array.isArray(row) && row.length === SIDE * SIDE && row.every(Number.isFinite);
  if (isRow) use(row);
  return isRow;
}

async function open(file) {
  if (file.type === "image/png") {
    const bitmap = await createImageBitmap(file);
    const canvas = element("canvas");
    [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
    const context = canvas.getContext("2d");
    context.drawImage(bitmap, 0, 0);
    const image = context.getImageData(0, 0, canvas.width, canvas.height);
    let values = brightness(image);
    const sum = values.reduce((total, value) => total + value, 0);
    // Dark ink on bright paper becomes bright ink on a dark background.
    if (sum > 127 * values.length) values = values.map((value) => 255 - value);
    const isDigit = canvas.width === SIDE && canvas.height === SIDE;
    use(isDigit ? [...values].map(Math.round) : toDigit(values, canvas.width, canvas.height));
    return current.pixels ? "" : "The picture is empty.";
  }
  const body = JSON.parse(await file.text());
  if (fromRow(body?.data?.[0])) return "";
  byId("body").value = JSON.stringify(body, null, 2);
  byId("other").hidden = false;
  return "";
}

byId("file").addEventListener("change", async (event) => {
  const [file] = event.target.files;
  if (!file) return;
  let text;
  try {
    text = await open(file);
  } catch (error) {
    text = `${file.name} cannot be read: ${error.message}`;
  }
  byId("status").textContent = text || `${file.name} is ready to send.`;
  event.target.value = "";
});

byId("save").addEventListener("click", () => {
  const link = element("a");
  const text = JSON.stringify({ data: [current.pixels] });
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = "request.json";
  link.click();
  URL.revokeObjectURL(link.href);
});

byId("clear").addEventListener("click", clear);
byId("send").addEventListener("click", () => send({ data: [current.pixels] }, current.label));
byId("send-body").addEventListener("click", () => {
  try {
    send(JSON.parse(byId("body").value), null);
  } catch (error) {
    byId("status").textContent = `The body is not JSON: ${error.message}`;
  }
});

// The start.

function addDeployment(name, share) {
  const label = element("label");
  const box = element("input");
  Object.assign(box, { type: "checkbox", value: name, checked: true });
  label.append(box, ` ${name} (${share} % of the traffic)`);
  byId("deployments").append(label);
}

function addSample(sample) {
  const button = element("button");
  const canvas = element("canvas");
  canvas.width = canvas.height = SIDE;
  show(canvas, sample.pixels);
  button.append(canvas, element("div", String(sample.label)));
  button.setAttribute("aria-label", `Send a test digit: ${sample.label}`);
  button.addEventListener("click", () => {
    use(sample.pixels, sample.label);
    send({ data: [sample.pixels] }, sample.label);
  });
  byId("samples").append(button);
}

async function start() {
  // The token in the address works once, so it must not be copied from the address bar.
  history.replaceState(null, "", "/");
  info = await (await fetch("/info")).json();
  byId("endpoint").textContent = info.endpoint;
  document.title = `${info.endpoint}: draw a digit`;
  for (const [name, share] of Object.entries(info.deployments)) addDeployment(name, share);
  byId("digits").hidden = info.example !== null;
  byId("other").hidden = info.example === null;
  if (info.example !== null) byId("body").value = JSON.stringify(info.example, null, 2);
  info.samples.forEach(addSample);
  clear();
}

start();
