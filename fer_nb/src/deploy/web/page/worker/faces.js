// From the detector's maps to faces, as fer_nb's deploy/detector/decode.rs has it.

/** Faces of this score or more, the most probable first, without those that overlap a more probable one. */
export function facesOf(maps, threshold, rule) {
  const [rows, columns] = maps.score.dims.slice(2);
  const area = rows * columns;
  const [score, size, offset, landmarks] =
    ["score", "size", "offset", "landmarks"].map((name) => maps[name].data);
  const found = [];
  for (let at = 0; at < area; at += 1) {
    if (!(score[at] >= threshold)) continue;
    const [row, column] = [Math.floor(at / columns), at % columns];
    const height = Math.exp(size[at]) * rule.stride;
    const width = Math.exp(size[area + at]) * rule.stride;
    const left = (column + offset[area + at] + 0.5) * rule.stride - width / 2;
    const top = (row + offset[at] + 0.5) * rule.stride - height / 2;
    if (![left, top, width, height].every(Number.isFinite)) continue;
    const points = [0, 1, 2, 3, 4].map((point) => {
      const [down, right] = [landmarks[2 * point * area + at], landmarks[(2 * point + 1) * area + at]];
      return [left + right * width, top + down * height];
    });
    found.push({ left, top, width, height, score: score[at], landmarks: points });
  }
  return withoutOverlaps(found, rule.overlap);
}

/** Non-maximum suppression. */
export function withoutOverlaps(found, most) {
  const kept = [];
  for (const face of [...found].sort((one, other) => other.score - one.score)) {
    if (kept.every((better) => overlap(better, face) <= most)) kept.push(face);
  }
  return kept;
}

/** Intersection over union, 0 to 1. */
function overlap(one, other) {
  const side = (at, length, otherAt, otherLength) =>
    Math.max(0, Math.min(at + length, otherAt + otherLength) - Math.max(at, otherAt));
  const shared = side(one.left, one.width, other.left, other.width) * side(one.top, one.height, other.top, other.height);
  const union = one.width * one.height + other.width * other.height - shared;
  return union > 0 ? shared / union : 0;
}

/** The same face in a picture that is larger by a factor. */
export function enlarged(face, factor) {
  const { left, top, width, height } = face;
  const [x, y, w, h] = [left, top, width, height].map((length) => length * factor);
  const landmarks = face.landmarks.map((point) => point.map((at) => at * factor));
  return { ...face, left: x, top: y, width: w, height: h, landmarks };
}
