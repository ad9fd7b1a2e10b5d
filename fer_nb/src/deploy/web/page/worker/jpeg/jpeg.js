// A JPEG file's pixels, to the last bit those that fer_nb reads. Browsers differ in how they round, and a pixel that is
// one brighter moves a face's landmarks by so much that its probabilities differ in the third digit.
//
// ITU-T T.81: baseline and progressive, 8 bits, one or three components. Others are left to the browser.

import { toRgba } from "./color.js";
import { orientationOf, turnedUpright } from "./exif.js";
import { huffmanTable } from "./huffman.js";
import { planeOf } from "./idct.js";
import { readScan } from "./scan.js";
import { ZIGZAG } from "./zigzag.js";

export const isJpeg = (bytes) => bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff;

/** Width, height and RGBA of a file, upright; none if it is of a kind that is left to the browser. `checkSize` refuses a
 *  size before anything is decoded. Throws an error for a file that is cut short. */
export function decodeJpeg(bytes, checkSize) {
  const file = {
    quantization: [], dc: [], ac: [], restartInterval: 0, frame: null, transform: 1, orientation: 1,
  };
  let at = 2;
  for (;;) {
    while (at < bytes.length && bytes[at] !== 0xff) at += 1;
    while (bytes[at] === 0xff) at += 1;
    if (at + 2 >= bytes.length && bytes[at] !== 0xd9) throw new Error("The image is cut short.");
    const marker = bytes[at];
    at += 1;
    if (marker === 0xd9) break;
    if (marker === 0 || marker === 1 || (marker >= 0xd0 && marker <= 0xd8)) continue;
    const end = at + ((bytes[at] << 8) | bytes[at + 1]);
    if (end > bytes.length) throw new Error("The image is cut short.");
    const segment = bytes.subarray(at + 2, end);
    at = end;
    if (marker === 0xda) {
      if (!file.frame) return null;
      at = readScan(file, segment, bytes, end);
    } else if (marker === 0xc0 || marker === 0xc1 || marker === 0xc2) {
      file.frame = frameOf(segment, marker === 0xc2);
      if (!file.frame) return null;
      checkSize(file.frame.width, file.frame.height);
      allocate(file.frame);
    } else if (marker >= 0xc3 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8) {
      return null; // lossless, hierarchical, arithmetic
    } else {
      readTables(file, marker, segment);
    }
  }
  if (!file.frame) return null;
  const planes = file.frame.components.map((component) =>
    planeOf(component, file.quantization[component.quantization]));
  const { width, height } = file.frame;
  const pixels = { width, height, rgba: toRgba(file.frame, planes, file.transform) };
  return turnedUpright(pixels, file.orientation);
}

function readTables(file, marker, segment) {
  if (marker === 0xdb) {
    for (let at = 0; at < segment.length;) {
      const [wide, number] = [segment[at] >> 4, segment[at] & 15];
      at += 1;
      const table = new Int32Array(64);
      for (let k = 0; k < 64; k += 1, at += wide ? 2 : 1) {
        table[ZIGZAG[k]] = wide ? (segment[at] << 8) | segment[at + 1] : segment[at];
      }
      file.quantization[number] = table;
    }
  } else if (marker === 0xc4) {
    for (let at = 0; at + 17 <= segment.length;) {
      const [kind, number] = [segment[at] >> 4, segment[at] & 15];
      const counts = segment.subarray(at + 1, at + 17);
      const total = counts.reduce((sum, count) => sum + count, 0);
      (kind ? file.ac : file.dc)[number] = huffmanTable(counts, segment.subarray(at + 17, at + 17 + total));
      at += 17 + total;
    }
  } else if (marker === 0xdd) {
    file.restartInterval = (segment[0] << 8) | segment[1];
  } else if (marker === 0xe1) {
    file.orientation = orientationOf(segment) ?? file.orientation;
  } else if (marker === 0xee && String.fromCharCode(...segment.subarray(0, 5)) === "Adobe") {
    file.transform = segment[11];
  }
}

/** The frame's sizes and components; none for kinds that are left to the browser. */
function frameOf(segment, progressive) {
  const count = segment[5];
  const [height, width] = [(segment[1] << 8) | segment[2], (segment[3] << 8) | segment[4]];
  if (segment[0] !== 8 || ![1, 3].includes(count) || width === 0 || height === 0) return null;
  const components = Array.from({ length: count }, (_, index) => {
    const [id, factors, quantization] = segment.subarray(6 + 3 * index);
    return { id, h: factors >> 4, v: factors & 15, quantization, predicted: 0 };
  });
  if (components.some(({ h, v }) => ![1, 2, 4].includes(h) || ![1, 2, 4].includes(v))) return null;
  const [mostH, mostV] = ["h", "v"].map((axis) => Math.max(...components.map((component) => component[axis])));
  const columns = Math.ceil(width / (8 * mostH));
  const rows = Math.ceil(height / (8 * mostV));
  return { width, height, progressive, components, mostH, mostV, columns, rows };
}

/** Room for the coefficients of all blocks, those that fill the last ones up included. */
function allocate({ components, mostH, mostV, columns, rows, width, height }) {
  for (const component of components) {
    const { h, v } = component;
    Object.assign(component, {
      across: columns * h,
      down: rows * v,
      // Those that a scan of this component alone has.
      ownAcross: Math.ceil(Math.ceil((width * h) / mostH) / 8),
      ownDown: Math.ceil(Math.ceil((height * v) / mostV) / 8),
    });
    component.coefficients = new Int16Array(component.across * component.down * 64);
  }
}
