// Photo: red, green, blue of each pixel, and gray, of a file or a camera's frame.

import { decodeJpeg, isJpeg } from "./jpeg/jpeg.js";
import { gray } from "./pixels.js";

export class Photo {
  constructor({ width, height, rgba }) {
    Object.assign(this, { width, height, rgba });
  }

  /** Decodes a file; refuses what is no picture, too small or too large. */
  static async open(file, rule) {
    if (file.size === 0) throw new Error("The file has 0 bytes.");
    const checkSize = (width, height) => check(width, height, rule);
    const bytes = new Uint8Array(await file.arrayBuffer());
    const decoded = isJpeg(bytes) && decodeJpeg(bytes, checkSize);
    if (decoded) return new Photo(decoded);
    let bitmap;
    try {
      // As the program does: upright, whatever colour profile or transparency the file has.
      const options = { imageOrientation: "from-image", colorSpaceConversion: "none", premultiplyAlpha: "none" };
      bitmap = await createImageBitmap(file, options);
    } catch {
      throw new Error("This is not an image that the browser can open; JPEG, PNG, WebP and BMP are.");
    }
    try {
      checkSize(bitmap.width, bitmap.height);
      return Photo.ofBitmap(bitmap);
    } finally {
      bitmap.close();
    }
  }

  /** The pixels of an ImageBitmap, which is used up. */
  static ofBitmap(bitmap) {
    const { width, height } = bitmap;
    const canvas = new OffscreenCanvas(width, height);
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    pen.drawImage(bitmap, 0, 0);
    bitmap.close();
    return new Photo({ width, height, rgba: pen.getImageData(0, 0, width, height).data });
  }

  /** Gray, u8, row by row. */
  get gray() {
    this.grayPixels ??= gray(this.rgba);
    return this.grayPixels;
  }
}

function check(width, height, rule) {
  const size = `${width}×${height} pixels`;
  if (Math.min(width, height) < rule.least_side) {
    throw new Error(`${size} are too few: a face takes ${rule.least_side} on each side or more.`);
  }
  if (Math.max(width, height) > rule.most_side || width * height > rule.most_pixels) {
    throw new Error(`${size} are too many: at most ${rule.most_pixels / 1e6} megapixels are expected.`);
  }
}
