// Detector: finds the faces of a photo, as fer_nb's deploy/detector has it.

import { enlarged, facesOf, withoutOverlaps } from "./faces.js";
import { doubleInto, shrinkInto } from "./pixels.js";

/** A scale is how many pixels of the photo are one of the search's: 0.5, or a whole number. */
const TWICE = 0.5;
const coarser = (scale) => 4 * scale;
const lengthAt = (side, scale) => Math.floor(side / scale);

export class Detector {
  constructor(session, Tensor, rule) {
    Object.assign(this, { session, Tensor, rule });
  }

  /** The faces of a photo, the largest first. */
  async detect(photo, { most_pixels: mostPixels, threshold }) {
    const { width, height } = photo;
    const pixels = width * height;
    const divided = () => Math.ceil(Math.sqrt(Math.ceil(pixels / mostPixels)));
    const scale = 4 * pixels <= mostPixels ? TWICE : divided();
    let found = await this.at(photo, scale, threshold);
    // The network was not trained on faces that fill a large picture: a coarser look finds those.
    const coarse = coarser(scale);
    const { multiple, overlap } = this.rule;
    if (lengthAt(Math.max(width, height), scale) > this.rule.coarse
      && lengthAt(Math.min(width, height), coarse) >= multiple) {
      found = withoutOverlaps([...found, ...(await this.at(photo, coarse, threshold))], overlap);
    }
    return found.sort((one, other) => other.width * other.height - one.width * one.height);
  }

  /** The faces at a scale, in the photo's pixels. */
  async at(photo, scale, threshold) {
    const [width, height] = [photo.width, photo.height].map((side) => lengthAt(side, scale));
    const { multiple } = this.rule;
    // Black at the right and lower edge.
    const [stride, rows] = [width, height].map((side) => Math.ceil(side / multiple) * multiple);
    const planes = new Float32Array(3 * rows * stride);
    if (scale === TWICE) doubleInto(planes, stride, rows, photo);
    else shrinkInto(planes, stride, rows, photo, scale);
    const maps = await this.session.run({ image: new this.Tensor("float32", planes, [1, 3, rows, stride]) });
    return facesOf(maps, threshold, this.rule).map((face) => enlarged(face, scale));
  }

  /** Why no face was found, as far as that can be told: searches again, with a lower threshold. */
  async whyNoFace(photo, size) {
    const { weak, smallest, dark, bright } = this.rule.no_face;
    const found = await this.detect(photo, { ...size, threshold: Math.min(weak, size.threshold / 2) });
    const [face] = found.sort((one, other) => other.score - one.score);
    if (face) {
      const side = Math.max(face.width, face.height);
      if (side < smallest) return `a face of ${side.toFixed(0)} pixels is too small here`;
      const at = `${(face.left + face.width / 2).toFixed(0)}, ${(face.top + face.height / 2).toFixed(0)}`;
      return `the likeliest place, around ${at}, has a score of ${face.score.toFixed(2)}; `
        + `${size.threshold.toFixed(2)} is asked for`;
    }
    const mean = photo.gray.reduce((sum, value) => sum + value, 0) / photo.gray.length;
    if (mean < dark) return `the photo is too dark (mean gray ${mean.toFixed(0)} of 255)`;
    if (mean >= bright) return `the photo is too bright (mean gray ${mean.toFixed(0)} of 255)`;
    return "nothing in it is like a face";
  }
}
