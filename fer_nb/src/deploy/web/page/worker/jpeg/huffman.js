// Huffman codes, and the bits of a scan.

/** For each 16 bits that may come next: the length of the code they begin with, times 256, and its symbol; 0 for none. */
export function huffmanTable(counts, symbols) {
  const table = new Uint16Array(1 << 16);
  let [code, next] = [0, 0];
  for (let length = 1; length <= 16; length += 1) {
    for (let index = 0; index < counts[length - 1]; index += 1) {
      const first = code << (16 - length);
      table.fill((length << 8) | symbols[next], first, first + (1 << (16 - length)));
      code += 1;
      next += 1;
    }
    code <<= 1;
  }
  return table;
}

export class Bits {
  constructor(bytes, at) {
    Object.assign(this, { bytes, at, buffer: 0, count: 0 });
  }

  /** Has 25 bits or more ready; behind the scan's end they are 0. */
  fill() {
    while (this.count <= 24) {
      let byte = 0;
      const found = this.bytes[this.at];
      if (found !== 0xff) {
        byte = found ?? 0;
        this.at += 1;
      } else if (this.bytes[this.at + 1] === 0) {
        byte = 0xff;
        this.at += 2;
      } // else a marker, which stays
      this.buffer = (this.buffer << 8) | byte;
      this.count += 8;
    }
  }

  symbol(table) {
    this.fill();
    const found = table[(this.buffer >>> (this.count - 16)) & 0xffff];
    if (found === 0) throw new Error("The image can't be decoded (a code of a scan is unknown).");
    this.count -= found >> 8;
    return found & 255;
  }

  /** The next bits as a number, 0 to 16 of them. */
  take(length) {
    if (length === 0) return 0;
    this.fill();
    this.count -= length;
    return (this.buffer >>> this.count) & ((1 << length) - 1);
  }

  /** A number with its sign (T.81, F.2.2.1). */
  signed(length) {
    if (length === 0) return 0;
    const value = this.take(length);
    return value < 1 << (length - 1) ? value - (1 << length) + 1 : value;
  }

  /** Resumes behind the next restart marker. */
  restart() {
    Object.assign(this, { buffer: 0, count: 0 });
    const { bytes } = this;
    while (this.at + 1 < bytes.length) {
      if (bytes[this.at] === 0xff && bytes[this.at + 1] >= 0xd0 && bytes[this.at + 1] <= 0xd7) {
        this.at += 2;
        return;
      }
      if (bytes[this.at] === 0xff && bytes[this.at + 1] > 1 && bytes[this.at + 1] < 0xff) return; // the scan's end
      this.at += 1;
    }
  }
}
