// A face far darker, brighter or flatter than FER2013's in its light, as fer_nb's deploy/light.rs has it.

/** The pixels of a face, u8, with the mean and the spread of the rule if they are out of its range. */
export function inUsualLight(face, { mean: usual, spread: usualSpread, dark, bright, flat }) {
  const mean = face.reduce((sum, pixel) => sum + pixel, 0) / face.length;
  const square = (pixel) => (pixel - mean) * (pixel - mean);
  const spread = Math.sqrt(face.reduce((sum, pixel) => sum + square(pixel), 0) / face.length);
  const isUsual = mean >= dark && mean <= bright && spread >= flat;
  // Of a picture in one gray, nothing can be brought out.
  if (isUsual || spread < 1) return face;
  const factor = usualSpread / spread;
  return face.map((pixel) => Math.min(255, Math.max(0, Math.round((pixel - mean) * factor + usual))));
}
