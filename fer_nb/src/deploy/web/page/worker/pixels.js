// Pixels: gray, shrinking, enlarging and scaling, each as fer_nb's data/pixels.rs and detector have it.

/** Gray as PIL makes it: 0.299 R + 0.587 G + 0.114 B, with its rounding. */
export function gray(rgba) {
  const pixels = new Uint8Array(rgba.length / 4);
  for (let at = 0, from = 0; at < pixels.length; at += 1, from += 4) {
    pixels[at] = (rgba[from] * 19595 + rgba[from + 1] * 38470 + rgba[from + 2] * 7471 + 0x8000) >>> 16;
  }
  return pixels;
}

/** Copies a photo divided by a whole number into planes of red, green and blue, whose rows are `stride` apart: each
 *  pixel is the rounded mean of a square, and what fills no square is left out. */
export function shrinkInto(planes, stride, rows, { rgba, width, height }, factor) {
  const [columns, lines] = [Math.floor(width / factor), Math.floor(height / factor)];
  const area = factor * factor;
  for (let channel = 0; channel < 3; channel += 1) {
    for (let row = 0; row < lines; row += 1) {
      let to = (channel * rows + row) * stride;
      for (let column = 0; column < columns; column += 1, to += 1) {
        let sum = 0;
        for (let y = 0; y < factor; y += 1) {
          let from = ((row * factor + y) * width + column * factor) * 4 + channel;
          for (let x = 0; x < factor; x += 1, from += 4) sum += rgba[from];
        }
        planes[to] = Math.floor((sum + (area >> 1)) / area);
      }
    }
  }
}

/** The same with twice as many pixels on each side, bilinear: a pixel's centre lies a quarter of one from the
 *  nearest of the photo's. */
export function doubleInto(planes, stride, rows, { rgba, width, height }) {
  const [left, right, share] = halves(width);
  const [upper, lower, lowerShare] = halves(height);
  for (let channel = 0; channel < 3; channel += 1) {
    for (let row = 0; row < 2 * height; row += 1) {
      let to = (channel * rows + row) * stride;
      const [above, below] = [upper[row] * width, lower[row] * width];
      for (let column = 0; column < 2 * width; column += 1, to += 1) {
        const value = (line, at) => rgba[(line + at) * 4 + channel];
        const across = (line) => (1 - share[column]) * value(line, left[column]) + share[column] * value(line, right[column]);
        planes[to] = (1 - lowerShare[row]) * across(above) + lowerShare[row] * across(below);
      }
    }
  }
}

/** For each of twice as many places: the two that it lies between, and the second's share. */
function halves(count) {
  const [first, second, share] = [[], [], []];
  for (let at = 0; at < 2 * count; at += 1) {
    const source = Math.max(0, (at + 0.5) / 2 - 0.5);
    const low = Math.floor(source);
    first.push(low);
    second.push(Math.min(low + 1, count - 1));
    share.push(source - low);
  }
  return [first, second, share];
}

/** Scales a gray picture to a square of this side with a triangle filter over the area that each pixel covers. */
export function scaled({ pixels, width, height }, side) {
  if (width === side && height === side) return pixels;
  const [down, across] = [weights(height, side), weights(width, side)];
  // Rows first, without rounding between.
  const tall = new Float32Array(side * width);
  down.forEach(({ first, shares }, row) => {
    for (let column = 0; column < width; column += 1) {
      let sum = 0;
      shares.forEach((share, index) => { sum += share * pixels[(first + index) * width + column]; });
      tall[row * width + column] = sum;
    }
  });
  const square = new Uint8Array(side * side);
  across.forEach(({ first, shares }, column) => {
    for (let row = 0; row < side; row += 1) {
      let sum = 0;
      shares.forEach((share, index) => { sum += share * tall[row * width + first + index]; });
      square[row * side + column] = Math.round(Math.min(255, Math.max(0, sum)));
    }
  });
  return square;
}

/** For each new pixel: the first of the old ones that it is made of, and the share of each. */
function weights(from, to) {
  const ratio = from / to;
  const reach = Math.max(1, ratio);
  return Array.from({ length: to }, (_, at) => {
    const middle = (at + 0.5) * ratio;
    const first = Math.min(Math.max(Math.floor(middle - reach), 0), from - 1);
    const end = Math.min(Math.max(Math.ceil(middle + reach), first + 1), from);
    const shares = [];
    for (let index = first; index < end; index += 1) {
      shares.push(Math.max(0, 1 - Math.abs((index - (middle - 0.5)) / reach)));
    }
    const sum = shares.reduce((one, other) => one + other, 0);
    return { first, shares: shares.map((share) => share / sum) };
  });
}

/** Cuts a square out of a gray picture and scales it; beyond the edges, the last pixels are repeated. */
export function squareOf({ pixels, width, height }, left, top, side, target) {
  const cut = new Uint8Array(side * side);
  const nearest = (at, count) => Math.min(Math.max(at, 0), count - 1);
  for (let y = 0; y < side; y += 1) {
    const line = nearest(top + y, height) * width;
    for (let x = 0; x < side; x += 1) cut[y * side + x] = pixels[line + nearest(left + x, width)];
  }
  return scaled({ pixels: cut, width: side, height: side }, target);
}
