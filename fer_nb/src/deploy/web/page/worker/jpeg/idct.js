// The inverse cosine transform of a component's blocks: Loeffler, Ligtenberg and Moschytz (1989) in whole numbers of 12
// bits behind the point, rounded as fer_nb's decoder rounds.

const BITS = 12;
// Behind the first pass two bits stay; the second adds one half, and 128 for the middle of the range.
const FIRST = { rounding: 512, shift: 10 };
const SECOND = { rounding: 512 + 65536 + (128 << 17), shift: 17 };

/** The component's samples, u8, `stride` from row to row. */
export function planeOf({ coefficients, across, down }, quantization) {
  const stride = across * 8;
  const samples = new Uint8ClampedArray(stride * down * 8);
  const block = new Int32Array(64);
  for (let row = 0; row < down; row += 1) {
    for (let column = 0; column < across; column += 1) {
      const at = (row * across + column) * 64;
      for (let k = 0; k < 64; k += 1) block[k] = coefficients[at + k] * quantization[k];
      for (let x = 0; x < 8; x += 1) pass(block, x, 8, FIRST);
      for (let y = 0; y < 8; y += 1) pass(block, 8 * y, 1, SECOND);
      for (let y = 0; y < 8; y += 1) {
        samples.set(block.subarray(8 * y, 8 * y + 8), (row * 8 + y) * stride + column * 8);
      }
    }
  }
  return { samples, stride, rows: down * 8 };
}

/** Eight values in place, `step` apart. */
function pass(values, start, step, { rounding, shift }) {
  const at = (index) => start + index * step;
  const [v0, v1, v2, v3] = [values[at(0)], values[at(1)], values[at(2)], values[at(3)]];
  const [v4, v5, v6, v7] = [values[at(4)], values[at(5)], values[at(6)], values[at(7)]];
  // The even ones.
  const turned = (v2 + v6) * 2217;
  const [e2, e3] = [turned - v6 * 7567, turned + v2 * 3135];
  const [e0, e1] = [((v0 + v4) << BITS) + rounding, ((v0 - v4) << BITS) + rounding];
  const [x0, x1, x2, x3] = [e0 + e3, e1 + e2, e1 - e2, e0 - e3];
  // The odd ones.
  const all = (v7 + v3 + v5 + v1) * 4816;
  const [p1, p2] = [all - (v7 + v1) * 3685, all - (v5 + v3) * 10497];
  const [p3, p4] = [-(v7 + v3) * 8034, -(v5 + v1) * 1597];
  const o0 = v7 * 1223 + p1 + p3;
  const o1 = v5 * 8410 + p2 + p4;
  const o2 = v3 * 12586 + p2 + p3;
  const o3 = v1 * 6149 + p1 + p4;
  values[at(0)] = (x0 + o3) >> shift;
  values[at(1)] = (x1 + o2) >> shift;
  values[at(2)] = (x2 + o1) >> shift;
  values[at(3)] = (x3 + o0) >> shift;
  values[at(4)] = (x3 - o0) >> shift;
  values[at(5)] = (x2 - o1) >> shift;
  values[at(6)] = (x1 - o2) >> shift;
  values[at(7)] = (x0 - o3) >> shift;
}
