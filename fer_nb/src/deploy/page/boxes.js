// Boxes around faces, each with its prediction, over a video or a photo.

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const GRAY = "#5c5c5c";

export class Boxes {
  constructor(canvas) {
    this.canvas = canvas;
  }

  clear() {
    this.canvas.getContext("2d").clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.canvas.dataset.faces = "[]";
  }

  /** Draws the faces of a picture of this size, which fills the view as `object-fit: contain`; and the picture.
      Of several faces, those with a number are labelled with it. */
  draw(faces, [width, height], picture) {
    const { canvas } = this;
    const ratio = devicePixelRatio || 1;
    canvas.width = Math.round(canvas.clientWidth * ratio);
    canvas.height = Math.round(canvas.clientHeight * ratio);
    const pen = canvas.getContext("2d");
    const scale = Math.min(canvas.width / width, canvas.height / height);
    const [left, top] = [(canvas.width - scale * width) / 2, (canvas.height - scale * height) / 2];
    if (picture) pen.drawImage(picture, left, top, scale * width, scale * height);
    const size = Math.max(14 * ratio, canvas.width / 34);
    pen.font = `600 ${size}px Inter, system-ui, sans-serif`;
    pen.textBaseline = "middle";
    for (const { area, prediction, number } of faces) {
      const box = [left + scale * area.left, top + scale * area.top, scale * area.width, scale * area.height];
      const who = number && faces.length > 1 ? `${number} ` : "";
      drawFace(pen, box, who, prediction, size, canvas.width);
    }
    canvas.dataset.faces = JSON.stringify(faces);
  }
}

function drawFace(pen, [x, y, width, height], who, { emotion, confidence, uncertain }, size, right) {
  const paint = uncertain ? GRAY : color(emotion);
  for (const [style, line] of [["#ffffff", size / 6], [paint, size / 8]]) {
    pen.lineWidth = Math.max(2, line);
    pen.strokeStyle = style;
    pen.strokeRect(x, y, width, height);
  }
  const whole = `${who}${uncertain ? "uncertain: " : ""}${emotion} ${Math.round(100 * confidence)} %`;
  const short = `${who}${uncertain ? "?" : emotion}`;
  const text = width < 4 * size ? short : whole;
  const [wide, tall] = [pen.measureText(text).width + 0.8 * size, 1.5 * size];
  const labelX = Math.min(Math.max(0, x), right - wide);
  const labelY = y >= tall ? y - tall : y;
  pen.fillStyle = paint;
  pen.fillRect(labelX, labelY, wide, tall);
  pen.fillStyle = readable(paint);
  pen.fillText(text, labelX + 0.4 * size, labelY + 0.5 * tall + 0.05 * size);
}

/** Black or white, whichever has the higher contrast (WCAG 2.1) on "#rrggbb". */
function readable(paint) {
  const linear = [1, 3, 5].map((start) => {
    const c = parseInt(paint.slice(start, start + 2), 16) / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  const light = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  return (light + 0.05) / 0.05 > 1.05 / (light + 0.05) ? "#1a1a1a" : "#ffffff";
}
