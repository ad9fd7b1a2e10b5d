// How a photo has to be turned to be upright, by its EXIF entry.

/** The orientation that an APP1 segment holds, 1 to 8; none if it is something else. */
export function orientationOf(segment) {
  if (String.fromCharCode(...segment.subarray(0, 6)) !== "Exif\0\0") return undefined;
  const tiff = new DataView(segment.buffer, segment.byteOffset + 6, segment.length - 6);
  try {
    const little = tiff.getUint16(0) === 0x4949;
    const start = tiff.getUint32(4, little);
    const entries = tiff.getUint16(start, little);
    for (let index = 0; index < entries; index += 1) {
      const at = start + 2 + 12 * index;
      if (tiff.getUint16(at, little) !== 0x0112) continue;
      const found = tiff.getUint16(at + 8, little);
      return found >= 1 && found <= 8 ? found : undefined;
    }
  } catch {
    // An entry beyond the segment's end: there is none.
  }
  return undefined;
}

/** The same picture upright. */
export function turnedUpright(picture, orientation) {
  const { width, height, rgba } = picture;
  if (orientation === 1) return picture;
  const isTurned = orientation >= 5;
  const [newWidth, newHeight] = isTurned ? [height, width] : [width, height];
  const [right, bottom] = [width - 1, height - 1];
  // Where a pixel of the upright picture lies in the file's.
  const source = {
    2: (x, y) => [right - x, y],
    3: (x, y) => [right - x, bottom - y],
    4: (x, y) => [x, bottom - y],
    5: (x, y) => [y, x],
    6: (x, y) => [y, bottom - x],
    7: (x, y) => [right - y, bottom - x],
    8: (x, y) => [right - y, x],
  }[orientation];
  const [from, to] = [rgba, new Uint8ClampedArray(rgba.length)].map((pixels) => new Uint32Array(pixels.buffer));
  for (let y = 0, at = 0; y < newHeight; y += 1) {
    for (let x = 0; x < newWidth; x += 1, at += 1) {
      const [column, row] = source(x, y);
      to[at] = from[row * width + column];
    }
  }
  return { width: newWidth, height: newHeight, rgba: new Uint8ClampedArray(to.buffer) };
}
