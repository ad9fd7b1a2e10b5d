// The camera: sends frames to this machine's server, one after the other, and shows what it says.

import { at, draw, explain, say, show, showNothing } from "./shown.js";
import { table } from "./table.js";

const FRAME_WIDTH = 640; // pixels of a frame that is sent; more would only cost time
const AHEAD = 2; // frames that are on the way: one is looked at while the next one is made
const [view, video] = [at("view"), at("video")];

let live = null; // the camera that runs

class Live {
  constructor(stream) {
    this.stream = stream;
    this.canvas = document.createElement("canvas");
    this.times = []; // of the last replies
    this.taken = []; // when each frame was taken that has no reply yet
    this.making = false;
    this.ended = false;
    this.offsets = table.offsets();
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.socket = new WebSocket(`${scheme}://${location.host}/live`);
    this.socket.onopen = () => this.next();
    this.socket.onmessage = (event) => this.answer(JSON.parse(event.data));
    this.socket.onclose = ({ reason }) => {
      const kept = table.recording ? ". The table is kept; with the camera started again, the recording resumes" : "";
      this.stop(`the connection ended${reason ? `: ${reason}` : ""}${kept}`);
    };
  }

  /** Each of the camera's frames is sent once, and not at all while too many are on the way or in a hidden tab. */
  next() {
    if (this.ended) return;
    const again = () => {
      if (this.taken.length < AHEAD && !this.making && video.videoWidth) this.send();
      this.next();
    };
    if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(again);
    else requestAnimationFrame(again);
  }

  send() {
    const { videoWidth, videoHeight } = video;
    this.canvas.width = Math.min(FRAME_WIDTH, videoWidth);
    this.canvas.height = Math.round((this.canvas.width * videoHeight) / videoWidth);
    this.canvas.getContext("2d").drawImage(video, 0, 0, this.canvas.width, this.canvas.height);
    const taken = Date.now();
    this.making = true;
    this.canvas.toBlob((blob) => {
      this.making = false;
      if (this.ended || !blob || this.socket.readyState !== WebSocket.OPEN) return;
      this.socket.send(blob);
      this.taken.push(taken);
    }, "image/jpeg", 0.85);
  }

  answer(message) {
    if (this.ended) return;
    const taken = this.taken.shift();
    const now = performance.now();
    this.times = [...this.times.filter((time) => now - time < 2000), now];
    if (message.error) {
      explain(message.error);
      return;
    }
    const faces = message.faces.map((face) => (
      { ...face, number: face.number + this.offsets.face, probs: face.smoothed.probs }
    ));
    table.add(taken, message.frame + this.offsets.frame, faces);
    draw(faces, message.size);
    show(faces, message.no_face);
    const span = now - this.times[0];
    const rate = span > 0 ? ((this.times.length - 1) * 1000) / span : 0;
    at("speed").textContent = `${message.milliseconds.toFixed(0)} ms a frame · ${rate.toFixed(0)} frames a second`;
    at("speed").dataset.rate = rate.toFixed(2);
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
    showNothing(reason ? "no connection" : "stopped");
    explain(reason || "");
    live = null;
    // What the user stops is done; a recording that lost its connection resumes with the next camera.
    if (!reason && table.recording) table.stop();
    table.setCamera(false);
  }
}

export async function startCamera() {
  if (!navigator.mediaDevices) {
    say("no camera here", true);
    explain("browsers give the camera to pages on localhost or behind https only");
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
    explain("");
    live = new Live(stream);
    table.setCamera(true);
  } catch (error) {
    say("no camera", true);
    explain(error.name === "NotAllowedError" ? "the browser was told not to give it" : error.message);
  }
}

/** Stops the camera; false if none runs. */
export function stopCamera() {
  if (!live) return false;
  live.stop();
  return true;
}
