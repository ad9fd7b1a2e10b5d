// The picture at the left: a camera that is started and stopped, or a photo that is opened or dropped.

import { at, clearBoxes, draw, explain, say, show, showNothing } from "./shown.js";

const FRAME_WIDTH = 640; // pixels of a frame that is looked at; more would only cost time
const SPAN = 2000; // milliseconds over which the camera's rate is taken
const [view, video, file] = [at("view"), at("video"), at("file")];

/** The size at which the camera's frame is looked at; null before its first frame. */
export function frameSize() {
  const { videoWidth, videoHeight } = video;
  const width = Math.min(FRAME_WIDTH, videoWidth);
  return videoWidth ? { width, height: Math.round((width * videoHeight) / videoWidth) } : null;
}

export class Stage {
  /** `camera(shown)` starts to look at the video's frames and returns what `stop()` ends; it calls `shown.frame` with
      what is seen in each frame, and `shown.stopped` once, with a reason if it is not the user's. `photo(file)` gives
      the faces of a file, each with `area` and `probs`, the largest first; if there are none, `why`. */
  constructor({ camera, photo }) {
    this.look = { camera, photo };
    this.camera = null; // the one that runs
    this.photo = null; // the one that is shown: its picture, faces and size
    this.asked = 0; // cameras and photos so far; what comes late of an earlier one is not shown
    at("camera").addEventListener("click", () => (this.camera ? this.camera.stop() : this.startCamera()));
    file.addEventListener("change", () => {
      if (file.files.length) this.openPhoto(file.files[0]);
      file.value = "";
    });
    addEventListener("dragover", (event) => {
      event.preventDefault();
      view.classList.add("drop");
    });
    addEventListener("dragleave", () => view.classList.remove("drop"));
    addEventListener("drop", (event) => {
      event.preventDefault();
      view.classList.remove("drop");
      if (event.dataTransfer.files.length) this.openPhoto(event.dataTransfer.files[0]);
    });
    addEventListener("resize", () => this.drawPhoto());
  }

  /** Lets the user begin. */
  open() {
    at("camera").disabled = file.disabled = false;
    say("ready", true);
  }

  async startCamera() {
    this.clear();
    if (!navigator.mediaDevices) {
      say("no camera here", true);
      explain("browsers give the camera to pages on localhost or behind https only");
      return;
    }
    say("waiting for the camera", true);
    explain("");
    const number = this.asked;
    let stream;
    try {
      const wanted = { video: { width: { ideal: 640 }, height: { ideal: 480 }, facingMode: "user" } };
      stream = await navigator.mediaDevices.getUserMedia(wanted);
      if (number !== this.asked) return end(stream);
      video.srcObject = stream;
      await video.play();
      if (number !== this.asked) return end(stream);
    } catch (error) {
      end(stream);
      if (number !== this.asked) return;
      say("no camera", true);
      explain(error.name === "NotAllowedError" ? "the browser was told not to give it" : error.message);
      return;
    }
    view.classList.add("live");
    at("camera").textContent = "Stop camera";
    const times = []; // of the last frames
    this.camera = this.look.camera({
      frame: (seen) => showFrame(seen, times),
      stopped: (reason, state) => {
        end(stream);
        this.camera = null;
        showStopped(reason, state);
      },
    });
    stream.getVideoTracks()[0].addEventListener("ended", () => this.camera?.stop("the camera was taken away"));
  }

  async openPhoto(chosen) {
    if (file.disabled) return;
    this.camera?.stop();
    this.clear();
    showNothing("looking");
    explain("");
    at("speed").textContent = "";
    const number = this.asked;
    try {
      const { faces, size, why, milliseconds } = await this.look.photo(chosen);
      const picture = await createImageBitmap(chosen, { imageOrientation: "from-image" });
      if (number !== this.asked) return picture.close();
      this.photo = { picture, size, faces: faces.map((face, index) => ({ number: index + 1, ...face })) };
      view.classList.add("photo");
      this.drawPhoto();
      show(this.photo.faces, why);
      at("speed").textContent = `${milliseconds.toFixed(0)} ms`;
    } catch (error) {
      if (number !== this.asked) return;
      say("no photo", true);
      explain(error.message);
    }
  }

  drawPhoto() {
    if (this.photo) draw(this.photo.faces, this.photo.size, this.photo.picture);
  }

  /** Makes room for another camera or photo. */
  clear() {
    this.asked += 1;
    view.classList.remove("photo");
    this.photo?.picture.close();
    this.photo = null;
    clearBoxes();
  }
}

function showFrame({ faces, size, why, milliseconds }, times) {
  draw(faces, size);
  show(faces, why);
  const now = performance.now();
  times.push(now);
  while (now - times[0] >= SPAN) times.shift();
  const span = now - times[0];
  const rate = span > 0 ? ((times.length - 1) * 1000) / span : 0;
  at("speed").textContent = `${milliseconds.toFixed(0)} ms a frame · ${rate.toFixed(0)} frames a second`;
  at("speed").dataset.rate = rate.toFixed(2);
}

function showStopped(reason, state = "stopped") {
  view.classList.remove("live");
  at("camera").textContent = "Start camera";
  at("speed").textContent = "";
  showNothing(state);
  explain(reason);
}

/** Gives a camera back. */
function end(stream) {
  stream?.getTracks().forEach((track) => track.stop());
  if (video.srcObject === stream) video.srcObject = null;
}
