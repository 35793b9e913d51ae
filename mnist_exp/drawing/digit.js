"use strict";
// Functions that bring a drawing to the form of MNIST's digits: the digit fits a box of 20 x 20
// pixels, and its centre of mass is the centre of 28 x 28 pixels.
// http://yann.lecun.com/exdb/mnist/

const SIDE = 28;
const BOX = 20;
// Darker pixels are the background.
const FAINT = 20;

// Return the brightness (0 to 255) of each pixel of an ImageData.
function brightness(image) {
  const values = new Float32Array(image.width * image.height);
  for (let index = 0; index < values.length; index++) {
    const [red, green, blue, alpha] = image.data.slice(4 * index, 4 * index + 4);
    values[index] = (0.299 * red + 0.587 * green + 0.114 * blue) * (alpha / 255);
  }
  return values;
}

// Return the box that contains all pixels that are not background; null for an empty image.
function inkBox(values, width, height) {
  let [left, top, right, bottom] = [width, height, -1, -1];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (values[y * width + x] > FAINT) {
        left = Math.min(left, x);
        right = Math.max(right, x);
        top = Math.min(top, y);
        bottom = Math.max(bottom, y);
      }
    }
  }
  return right < 0 ? null : { left, top, width: right - left + 1, height: bottom - top + 1 };
}

// Return the mean of the pixels in a rectangle, whose edges may cut pixels.
function mean(values, width, left, top, right, bottom) {
  let [sum, area] = [0, 0];
  for (let y = Math.floor(top); y < bottom; y++) {
    const tall = Math.min(y + 1, bottom) - Math.max(y, top);
    for (let x = Math.floor(left); x < right; x++) {
      const part = tall * (Math.min(x + 1, right) - Math.max(x, left));
      sum += part * values[y * width + x];
      area += part;
    }
  }
  return area ? sum / area : 0;
}

// Return the 784 pixels that the model gets for an image; null for an empty image.
function toDigit(values, width, height) {
  const box = inkBox(values, width, height);
  if (!box) return null;
  const scale = BOX / Math.max(box.width, box.height);
  const columns = Math.max(1, Math.round(box.width * scale));
  const rows = Math.max(1, Math.round(box.height * scale));
  const small = new Float32Array(columns * rows);
  let [mass, massX, massY] = [0, 0, 0];
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      const value = mean(
        values,
        width,
        box.left + (x * box.width) / columns,
        box.top + (y * box.height) / rows,
        box.left + ((x + 1) * box.width) / columns,
        box.top + ((y + 1) * box.height) / rows,
      );
      small[y * columns + x] = value;
      mass += value;
      massX += value * (x + 0.5);
      massY += value * (y + 0.5);
    }
  }
  const place = (centre, size) =>
    Math.min(SIDE - size, Math.max(0, Math.round(SIDE / 2 - centre / mass)));
  const [left, top] = [place(massX, columns), place(massY, rows)];
  const pixels = new Array(SIDE * SIDE).fill(0);
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      pixels[(top + y) * SIDE + left + x] = Math.round(small[y * columns + x]);
    }
  }
  return pixels;
}
