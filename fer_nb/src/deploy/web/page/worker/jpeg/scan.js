// A scan's coefficients (T.81, annexes F and G).

import { Bits } from "./huffman.js";
import { ZIGZAG } from "./zigzag.js";

/** Reads a scan into the coefficients of its components; gives where it ends. */
export function readScan(file, header, bytes, start) {
  const { frame, restartInterval } = file;
  const count = header[0];
  const components = Array.from({ length: count }, (_, index) => {
    const [id, tables] = header.subarray(1 + 2 * index);
    const component = frame.components.find((other) => other.id === id);
    if (!component) throw new Error("The image can't be decoded (a scan of an unknown component).");
    return Object.assign(component, { dc: file.dc[tables >> 4], ac: file.ac[tables & 15], predicted: 0 });
  });
  const [first, last, approximation] = header.subarray(1 + 2 * count);
  const scan = { first, last, high: approximation >> 4, low: approximation & 15, blocksToSkip: 0 };
  const bits = new Bits(bytes, start);
  const readBlock = blockReader(frame.progressive, scan);

  let left = restartInterval;
  const restartIfDue = () => {
    if (restartInterval === 0) return;
    if (left === 0) {
      bits.restart();
      for (const component of components) component.predicted = 0;
      scan.blocksToSkip = 0;
      left = restartInterval;
    }
    left -= 1;
  };
  const read = (component, row, column) =>
    readBlock(bits, component, scan, (row * component.across + column) * 64);

  if (count === 1) {
    const [component] = components;
    for (let row = 0; row < component.ownDown; row += 1) {
      for (let column = 0; column < component.ownAcross; column += 1) {
        restartIfDue();
        read(component, row, column);
      }
    }
  } else {
    for (let row = 0; row < frame.rows; row += 1) {
      for (let column = 0; column < frame.columns; column += 1) {
        restartIfDue();
        for (const component of components) {
          for (let y = 0; y < component.v; y += 1) {
            for (let x = 0; x < component.h; x += 1) {
              read(component, row * component.v + y, column * component.h + x);
            }
          }
        }
      }
    }
  }
  return bits.at;
}

function blockReader(progressive, { first, high }) {
  if (!progressive) return baseline;
  if (first === 0) return high === 0 ? firstDc : nextDc;
  return high === 0 ? firstAc : nextAc;
}

function baseline(bits, component, scan, at) {
  const { coefficients, dc, ac } = component;
  component.predicted += bits.signed(bits.symbol(dc));
  coefficients[at] = component.predicted;
  for (let k = 1; k < 64; k += 1) {
    const symbol = bits.symbol(ac);
    const [zeros, length] = [symbol >> 4, symbol & 15];
    if (length === 0) {
      if (zeros < 15) return;
      k += 15;
    } else {
      k += zeros;
      coefficients[at + ZIGZAG[k & 63]] = bits.signed(length);
    }
  }
}

function firstDc(bits, component, scan, at) {
  component.predicted += bits.signed(bits.symbol(component.dc));
  component.coefficients[at] = component.predicted << scan.low;
}

function nextDc(bits, component, scan, at) {
  component.coefficients[at] |= bits.take(1) << scan.low;
}

function firstAc(bits, { coefficients, ac }, scan, at) {
  if (scan.blocksToSkip > 0) {
    scan.blocksToSkip -= 1;
    return;
  }
  for (let k = scan.first; k <= scan.last; k += 1) {
    const symbol = bits.symbol(ac);
    const [zeros, length] = [symbol >> 4, symbol & 15];
    if (length > 0) {
      k += zeros;
      coefficients[at + ZIGZAG[k & 63]] = bits.signed(length) << scan.low;
    } else if (zeros < 15) {
      scan.blocksToSkip = (1 << zeros) - 1 + bits.take(zeros);
      return;
    } else {
      k += 15;
    }
  }
}

/** One more bit of coefficients that are known, and new ones between them. */
function nextAc(bits, { coefficients, ac }, scan, at) {
  const bit = 1 << scan.low;
  const refine = (place) => {
    const known = coefficients[place];
    if (bits.take(1) && (Math.abs(known) & bit) === 0) coefficients[place] += known > 0 ? bit : -bit;
  };
  let k = scan.first;
  if (scan.blocksToSkip === 0) {
    for (; k <= scan.last; k += 1) {
      const symbol = bits.symbol(ac);
      let zeros = symbol >> 4;
      let fresh = 0;
      if ((symbol & 15) > 0) {
        fresh = bits.take(1) ? bit : -bit;
      } else if (zeros < 15) {
        scan.blocksToSkip = (1 << zeros) + bits.take(zeros);
        break;
      }
      for (; k <= scan.last; k += 1) {
        const place = at + ZIGZAG[k];
        if (coefficients[place] !== 0) {
          refine(place);
        } else if (zeros === 0) {
          if (fresh) coefficients[place] = fresh;
          break;
        } else {
          zeros -= 1;
        }
      }
    }
  }
  if (scan.blocksToSkip > 0) {
    for (; k <= scan.last; k += 1) {
      const place = at + ZIGZAG[k];
      if (coefficients[place] !== 0) refine(place);
    }
    scan.blocksToSkip -= 1;
  }
}
