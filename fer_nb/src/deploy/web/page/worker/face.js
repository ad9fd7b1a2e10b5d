// A face's crop as fer_nb's deploy/face.rs has it: level by its landmarks, 48×48 pixels, gray.

import { scaled, squareOf } from "./pixels.js";

/** The square of a face: its centre, its side, and how its upper edge runs. */
function cutOf({ left, top, width, height, landmarks }, { eyes_to_mouth: eyesToMouth, below }) {
  const ofBox = { center: [left + width / 2, top + height / 2], side: Math.max(width, height), along: [1, 0] };
  const [leftEye, rightEye, , leftMouth, rightMouth] = landmarks;
  const middle = (a, b) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
  const [eyes, mouth] = [middle(leftEye, rightEye), middle(leftMouth, rightMouth)];
  const down = [mouth[0] - eyes[0], mouth[1] - eyes[1]];
  const across = [0, 1].map((axis) => rightEye[axis] - leftEye[axis] + rightMouth[axis] - leftMouth[axis]);
  const raw = [down[1] + across[0], across[1] - down[0]];
  const [length, tall] = [Math.hypot(...raw), Math.hypot(...down)];
  if (!(length > 0 && tall > 0 && Number.isFinite(length))) return ofBox;
  const along = [raw[0] / length, raw[1] / length];
  const side = tall / eyesToMouth;
  const [x, y] = middle(eyes, mouth);
  return { center: [x + along[1] * below * side, y - along[0] * below * side], side, along };
}

/** The network's input for a face. */
export function crop(photo, area, rule) {
  const { width, height } = photo;
  const picture = { pixels: photo.gray, width, height };
  const largest = 2 * Math.max(width, height);
  const bounded = (value) => (Number.isNaN(value) ? 0 : Math.min(Math.max(value, -largest), largest));
  const { center, side, along } = cutOf(area, rule);
  const cut = { center: center.map(bounded), side: Math.max(1, bounded(side)), along };
  if (along[0] === 1 && along[1] === 0) {
    const whole = round(cut.side);
    const [left, top] = cut.center.map((at) => round(at) - Math.floor(whole / 2));
    return squareOf(picture, left, top, whole, rule.side);
  }
  return scaled(turned(picture, cut, rule), rule.side);
}

/** The pixels of a turned square, each from the four around its place (bilinear). */
function turned({ pixels, width, height }, { center, side, along: [along, down] }, rule) {
  const samples = Math.min(Math.max(round(side), rule.side), rule.most_samples);
  const step = side / samples;
  const out = new Uint8Array(samples * samples);
  const column = (x) => Math.min(Math.max(x, 0), width - 1);
  const line = (y) => Math.min(Math.max(y, 0), height - 1) * width;
  const mix = (one, other, share) => one + (other - one) * share;
  for (let row = 0, to = 0; row < samples; row += 1) {
    const v = row + 0.5 - samples / 2;
    for (let index = 0; index < samples; index += 1, to += 1) {
      const u = index + 0.5 - samples / 2;
      const x = center[0] + step * (u * along - v * down) - 0.5;
      const y = center[1] + step * (u * down + v * along) - 0.5;
      const [left, top] = [Math.floor(x), Math.floor(y)];
      const [one, other] = [column(left), column(left + 1)];
      const [above, below] = [line(top), line(top + 1)];
      const upper = mix(pixels[above + one], pixels[above + other], x - left);
      const lower = mix(pixels[below + one], pixels[below + other], x - left);
      out[to] = Math.round(mix(upper, lower, y - top));
    }
  }
  return { pixels: out, width: samples, height: samples };
}

/** Half away from zero, as Rust rounds. */
const round = (value) => Math.sign(value) * Math.round(Math.abs(value));

/** The largest centred square of a picture that is a face and nothing else. */
export function middleSquare(photo, rule) {
  const { width, height } = photo;
  const side = Math.min(width, height);
  const [left, top] = [width - side, height - side].map((rest) => Math.floor(rest / 2));
  const pixels = squareOf({ pixels: photo.gray, width, height }, left, top, side, rule.side);
  return { area: { left, top, width: side, height: side, score: 0 }, pixels };
}
