// Keeps each face's number, and its probabilities and box steady from frame to frame.

const SMOOTHING = 0.35; // the newest frame's share in what is shown
const STEADY = 0.6; // the same for boxes
const OVERLAP = 0.3; // the least share of two boxes' union by which they are one face's
const FORGET = 4; // frames without a face after which it is forgotten

export class Tracks {
  constructor() {
    this.tracks = [];
    this.last = 0; // the highest number so far
  }

  /** The faces of a frame, smoothed, the largest first. */
  update(faces) {
    const left = [...this.tracks];
    const next = faces.map(({ area, probs }) => {
      const nearest = left.map((track) => [overlap(track.area, area), track]).sort((a, b) => b[0] - a[0])[0];
      if (!nearest || nearest[0] < OVERLAP) return { number: ++this.last, area, probs, missed: 0 };
      const before = nearest[1];
      left.splice(left.indexOf(before), 1);
      const steady = { ...area };
      for (const side of ["left", "top", "width", "height"]) steady[side] = mix(before.area[side], area[side], STEADY);
      const smoothed = probs.map((prob, index) => mix(before.probs[index], prob, SMOOTHING));
      return { number: before.number, area: steady, probs: smoothed, missed: 0 };
    });
    // A face that is missed for a frame or two is still there.
    for (const track of left) if (++track.missed < FORGET) next.push(track);
    this.tracks = next.sort((a, b) => b.area.width * b.area.height - a.area.width * a.area.height);
    return this.tracks;
  }
}

const mix = (before, now, share) => before + share * (now - before);

/** The share of two boxes' union that both cover, 0 to 1. */
function overlap(a, b) {
  const width = Math.min(a.left + a.width, b.left + b.width) - Math.max(a.left, b.left);
  const height = Math.min(a.top + a.height, b.top + b.height) - Math.max(a.top, b.top);
  if (width <= 0 || height <= 0) return 0;
  return (width * height) / (a.width * a.height + b.width * b.height - width * height);
}
