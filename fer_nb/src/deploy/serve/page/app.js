// The page of `fer serve`: sends frames or a photo to this machine's server and draws what it says.
"use strict";

const CLASSES = ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"];
const FRAME_WIDTH = 640; // pixels of a frame that is sent; more would only cost time
const SMOOTHING = 0.35; // the newest frame's share in what is shown
const FORGET = 4; // frames without a face after which the old answer is forgotten

const at = (id) => document.getElementById(id);
const [view, video, overlay] = [at("view"), at("video"), at("overlay")];
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

let certainty = { uncertain_below: 0 };
let live = null; // the camera that runs
let photo = null; // the photo that is shown

// --- the bars -------------------------------------------------------------------------------------

const rows = CLASSES.map((name) => {
  const row = document.createElement("li");
  const [label, track, fill, value] = ["span", "span", "span", "span"].map((tag) => document.createElement(tag));
  label.textContent = name;
  track.className = "track";
  fill.className = "fill";
  fill.style.display = track.style.display = "block";
  fill.style.background = `var(--${name})`;
  value.className = "value";
  track.append(fill);
  row.append(label, track, value);
  at("bars").append(row);
  return { row, fill, value };
});

function showBars(probs) {
  const best = probs ? probs.indexOf(Math.max(...probs)) : -1;
  rows.forEach(({ row, fill, value }, index) => {
    const prob = probs ? probs[index] : 0;
    fill.style.width = `${100 * prob}%`;
    value.textContent = probs ? `${(100 * prob).toFixed(1)} %` : "–";
    row.dataset.prob = probs ? String(prob) : "";
    row.classList.toggle("first", index === best);
  });
}

function say(text, quiet) {
  const state = at("state");
  if (state.textContent !== text) state.textContent = text;
  state.classList.toggle("quiet", Boolean(quiet));
}

/** The verdict on seven probabilities: the class, and whether it counts. */
function verdict(probs) {
  const confidence = Math.max(...probs);
  const emotion = CLASSES[probs.indexOf(confidence)];
  return { emotion, confidence, uncertain: confidence < certainty.uncertain_below };
}

function show(faces) {
  if (faces.length === 0) {
    say("no face", true);
    showBars(null);
    at("more").textContent = "";
    return;
  }
  const probs = faces[0].probs;
  const { emotion, uncertain } = verdict(probs);
  say(uncertain ? "uncertain" : emotion, uncertain);
  showBars(probs);
  at("more").textContent = faces.length > 1 ? `and ${faces.length - 1} more; the bars are of the largest face` : "";
}

// --- boxes ----------------------------------------------------------------------------------------

/** Draws the faces' boxes over a picture of this size, which fills the view as `object-fit: contain`. */
function draw(faces, width, height, picture) {
  const ratio = window.devicePixelRatio || 1;
  overlay.width = Math.round(overlay.clientWidth * ratio);
  overlay.height = Math.round(overlay.clientHeight * ratio);
  const pen = overlay.getContext("2d");
  const scale = Math.min(overlay.width / width, overlay.height / height);
  const [left, top] = [(overlay.width - scale * width) / 2, (overlay.height - scale * height) / 2];
  if (picture) pen.drawImage(picture, left, top, scale * width, scale * height);
  const size = Math.max(14 * ratio, overlay.width / 34);
  pen.font = `600 ${size}px Inter, system-ui, sans-serif`;
  pen.textBaseline = "middle";
  for (const face of faces) {
    const { emotion, confidence, uncertain } = verdict(face.probs);
    const paint = uncertain ? "#5c5c5c" : color(emotion);
    const box = face.area;
    const [x, y] = [left + scale * box.left, top + scale * box.top];
    const [w, h] = [scale * box.width, scale * box.height];
    pen.lineWidth = Math.max(2, size / 6);
    pen.strokeStyle = "#ffffff";
    pen.strokeRect(x, y, w, h);
    pen.lineWidth = Math.max(2, size / 8);
    pen.strokeStyle = paint;
    pen.strokeRect(x, y, w, h);
    const small = w < 4 * size;
    const text = small ? (uncertain ? "?" : emotion) : `${uncertain ? "uncertain: " : ""}${emotion} ${Math.round(100 * confidence)} %`;
    const wide = pen.measureText(text).width + size * 0.8;
    const tall = size * 1.5;
    const labelX = Math.min(Math.max(0, x), overlay.width - wide);
    const labelY = y >= tall ? y - tall : y;
    pen.fillStyle = paint;
    pen.fillRect(labelX, labelY, wide, tall);
    pen.fillStyle = readable(paint);
    pen.fillText(text, labelX + size * 0.4, labelY + tall / 2 + size * 0.05);
  }
  overlay.dataset.faces = JSON.stringify(faces.map((face) => face.area));
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

// --- smoothing ------------------------------------------------------------------------------------

/** Keeps each face's probabilities and box steady from frame to frame. */
class Tracks {
  constructor() {
    this.tracks = [];
  }

  update(faces) {
    const left = [...this.tracks];
    const next = faces.map(({ area, prediction }) => {
      const match = left.map((track) => [overlap(track.area, area), track]).sort((a, b) => b[0] - a[0])[0];
      if (!match || match[0] < 0.3) return { area, probs: prediction.probs, missed: 0 };
      left.splice(left.indexOf(match[1]), 1);
      const mix = (old, now, share) => old + share * (now - old);
      const old = match[1];
      const steady = {};
      for (const side of ["left", "top", "width", "height"]) steady[side] = mix(old.area[side], area[side], 0.6);
      return { area: steady, probs: prediction.probs.map((p, i) => mix(old.probs[i], p, SMOOTHING)), missed: 0 };
    });
    // A face that is missed for a frame or two is still there.
    for (const track of left) if (++track.missed < FORGET) next.push(track);
    this.tracks = next.sort((a, b) => b.area.width * b.area.height - a.area.width * a.area.height);
    return this.tracks;
  }
}

/** The share of two boxes' union that both cover, 0 to 1. */
function overlap(a, b) {
  const width = Math.min(a.left + a.width, b.left + b.width) - Math.max(a.left, b.left);
  const height = Math.min(a.top + a.height, b.top + b.height) - Math.max(a.top, b.top);
  if (width <= 0 || height <= 0) return 0;
  return (width * height) / (a.width * a.height + b.width * b.height - width * height);
}

// --- the camera -----------------------------------------------------------------------------------

class Live {
  constructor(stream) {
    this.stream = stream;
    this.tracks = new Tracks();
    this.canvas = document.createElement("canvas");
    this.times = [];
    this.ended = false;
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.socket = new WebSocket(`${scheme}://${location.host}/live`);
    this.socket.onopen = () => this.send();
    this.socket.onmessage = (event) => this.answer(JSON.parse(event.data));
    this.socket.onclose = () => this.stop("the server ended the connection");
  }

  /** Sends the frame that the camera shows now. The next one follows the answer, so nothing queues. */
  send() {
    if (this.ended) return;
    const { videoWidth, videoHeight } = video;
    if (!videoWidth) {
      setTimeout(() => this.send(), 50);
      return;
    }
    this.canvas.width = Math.min(FRAME_WIDTH, videoWidth);
    this.canvas.height = Math.round((this.canvas.width * videoHeight) / videoWidth);
    this.canvas.getContext("2d").drawImage(video, 0, 0, this.canvas.width, this.canvas.height);
    this.canvas.toBlob((blob) => {
      if (!this.ended && blob && this.socket.readyState === WebSocket.OPEN) this.socket.send(blob);
    }, "image/jpeg", 0.85);
  }

  answer(message) {
    if (this.ended) return;
    const now = performance.now();
    this.times = [...this.times.filter((time) => now - time < 2000), now];
    if (message.error) {
      at("more").textContent = message.error;
    } else {
      const faces = this.tracks.update(message.faces);
      draw(faces, message.size[0], message.size[1]);
      show(faces);
      const span = now - this.times[0];
      const rate = span > 0 ? ((this.times.length - 1) * 1000) / span : 0;
      at("speed").textContent = `${message.milliseconds.toFixed(0)} ms a frame · ${rate.toFixed(0)} frames a second`;
      at("speed").dataset.rate = rate.toFixed(2);
    }
    // Not faster than the screen, and not at all in a hidden tab.
    requestAnimationFrame(() => this.send());
  }

  stop(reason) {
    if (this.ended) return;
    this.ended = true;
    this.socket.close();
    this.stream.getTracks().forEach((track) => track.stop());
    video.srcObject = null;
    view.classList.remove("live");
    at("camera").textContent = "Start camera";
    at("speed").textContent = "";
    overlay.getContext("2d").clearRect(0, 0, overlay.width, overlay.height);
    say(reason || "stopped", true);
    showBars(null);
    live = null;
  }
}

async function startCamera() {
  clearPhoto();
  if (!navigator.mediaDevices) {
    say("no camera here", true);
    at("more").textContent = "Browsers give the camera to pages on localhost or behind https only.";
    return;
  }
  say("waiting for the camera", true);
  try {
    const wanted = { video: { width: { ideal: 640 }, height: { ideal: 480 }, facingMode: "user" } };
    const stream = await navigator.mediaDevices.getUserMedia(wanted);
    video.srcObject = stream;
    await video.play();
    view.classList.add("live");
    at("camera").textContent = "Stop camera";
    at("more").textContent = "";
    live = new Live(stream);
  } catch (error) {
    say("no camera", true);
    at("more").textContent = error.name === "NotAllowedError" ? "The browser was told not to give it." : error.message;
  }
}

at("camera").addEventListener("click", () => (live ? live.stop() : startCamera()));

// --- a photo --------------------------------------------------------------------------------------

function clearPhoto() {
  view.classList.remove("photo");
  if (photo) photo.picture.close();
  photo = null;
}

async function openPhoto(file) {
  if (live) live.stop();
  clearPhoto();
  overlay.getContext("2d").clearRect(0, 0, overlay.width, overlay.height);
  showBars(null);
  say("looking", true);
  at("more").textContent = "";
  try {
    const response = await fetch("/api/predict", { method: "POST", body: file });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.error || response.statusText);
    const picture = await createImageBitmap(file, { imageOrientation: "from-image" });
    const faces = answer.faces.map(({ area, prediction }) => ({ area, probs: prediction.probs }));
    photo = { picture, faces, size: answer.size };
    view.classList.add("photo");
    drawPhoto();
    show(faces);
    at("speed").textContent = `${answer.milliseconds.toFixed(0)} ms`;
  } catch (error) {
    say("no photo", true);
    at("more").textContent = error.message;
  }
}

function drawPhoto() {
  if (photo) draw(photo.faces, photo.size[0], photo.size[1], photo.picture);
}

at("file").addEventListener("change", (event) => {
  if (event.target.files.length) openPhoto(event.target.files[0]);
  event.target.value = "";
});
addEventListener("dragover", (event) => {
  event.preventDefault();
  view.classList.add("drop");
});
addEventListener("dragleave", () => view.classList.remove("drop"));
addEventListener("drop", (event) => {
  event.preventDefault();
  view.classList.remove("drop");
  if (event.dataTransfer.files.length) openPhoto(event.dataTransfer.files[0]);
});
addEventListener("resize", drawPhoto);

// --- what answers ---------------------------------------------------------------------------------

showBars(null);
fetch("/api/model")
  .then((response) => response.json())
  .then((model) => {
    certainty = model.certainty;
    const rule = certainty.uncertain_below > 0 ? `; below ${Math.round(100 * certainty.uncertain_below)} % it is uncertain` : "";
    const note = model.note ? ` (${model.note})` : "";
    at("model").textContent = `${model.network}, trained on ${model.trained_on}${rule}${note}`;
  })
  .catch(() => say("the server is gone", true));
