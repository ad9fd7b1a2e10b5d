// From planes to pixels: chroma at the size of luma, and red, green, blue of both.

/** RGBA of a frame's planes; `transform` is Adobe's: 0 for red, green, blue. */
export function toRgba({ width, height, components, mostH, mostV }, planes, transform) {
  const [first, second, third] = planes.map((plane, index) => {
    const { h, v } = components[index];
    return enlarged(plane, mostH / h, mostV / v);
  });
  const rgba = new Uint8ClampedArray(width * height * 4).fill(255);
  for (let row = 0, to = 0; row < height; row += 1) {
    for (let column = 0; column < width; column += 1, to += 4) {
      const y = first.samples[row * first.stride + column];
      if (!second) {
        rgba[to] = rgba[to + 1] = rgba[to + 2] = y;
        continue;
      }
      const cb = second.samples[row * second.stride + column];
      const cr = third.samples[row * third.stride + column];
      if (transform === 0) {
        [rgba[to], rgba[to + 1], rgba[to + 2]] = [y, cb, cr];
        continue;
      }
      // ITU-R BT.601 with 14 bits behind the point; a half is rounded down.
      const light = y * 16384 + 8191;
      rgba[to] = (light + (cr - 128) * 22970) >> 14;
      rgba[to + 1] = (light - (cr - 128) * 11700 - (cb - 128) * 5638) >> 14;
      rgba[to + 2] = (light + (cb - 128) * 29032) >> 14;
    }
  }
  return rgba;
}

/** A plane with so many times as many columns and rows. */
function enlarged(plane, columns, rows) {
  if (columns > 2 || rows > 2) return repeated(plane, columns, rows);
  const taller = rows === 2 ? twiceAsTall(plane) : plane;
  return columns === 2 ? twiceAsWide(taller) : taller;
}

/** Each new row lies between the old one it is of, three quarters, and that one's neighbour, one quarter. */
function twiceAsTall({ samples, stride, rows }) {
  const tall = new Uint8Array(samples.length * 2);
  for (let row = 0; row < 2 * rows; row += 1) {
    const own = row >> 1;
    const beside = Math.min(Math.max(own + (row & 1 ? 1 : -1), 0), rows - 1);
    for (let column = 0; column < stride; column += 1) {
      tall[row * stride + column] = (3 * samples[own * stride + column] + samples[beside * stride + column] + 2) >> 2;
    }
  }
  return { samples: tall, stride, rows: 2 * rows };
}

/** The same with columns. */
function twiceAsWide({ samples, stride, rows }) {
  const wide = new Uint8Array(samples.length * 2);
  for (let row = 0, to = 0; row < rows; row += 1) {
    const start = row * stride;
    for (let column = 0; column < stride; column += 1, to += 2) {
      const own = 3 * samples[start + column] + 2;
      wide[to] = (own + samples[start + Math.max(column - 1, 0)]) >> 2;
      wide[to + 1] = (own + samples[start + Math.min(column + 1, stride - 1)]) >> 2;
    }
  }
  return { samples: wide, stride: 2 * stride, rows };
}

/** Each sample as often as needed, for factors that are rare. */
function repeated({ samples, stride, rows }, columns, lines) {
  const large = new Uint8Array(samples.length * columns * lines);
  const wide = stride * columns;
  for (let row = 0; row < rows * lines; row += 1) {
    const from = Math.floor(row / lines) * stride;
    for (let column = 0; column < wide; column += 1) {
      large[row * wide + column] = samples[from + Math.floor(column / columns)];
    }
  }
  return { samples: large, stride: wide, rows: rows * lines };
}
