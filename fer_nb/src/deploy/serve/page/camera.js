// The camera: sends frames to this machine's server, one after the other, and passes on what it says.

import { at, explain } from "./shown.js";
import { frameSize } from "./stage.js";
import { table } from "./table.js";

const AHEAD = 2; // frames that are on the way: one is looked at while the next one is made
const video = at("video");

export class Camera {
  constructor(shown) {
    this.shown = shown;
    this.canvas = document.createElement("canvas");
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
      this.stop(`the connection ended${reason ? `: ${reason}` : ""}${kept}`, "no connection");
    };
    table.setCamera(true);
  }

  /** Each of the camera's frames is sent once, and not at all while too many are on the way or in a hidden tab. */
  next() {
    if (this.ended) return;
    const again = () => {
      if (this.taken.length < AHEAD && !this.making && frameSize()) this.send();
      this.next();
    };
    if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(again);
    else requestAnimationFrame(again);
  }

  send() {
    Object.assign(this.canvas, frameSize());
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
    if (message.error) {
      explain(message.error);
      return;
    }
    const faces = message.faces.map((face) => (
      { ...face, number: face.number + this.offsets.face, probs: face.smoothed.probs }
    ));
    table.add(taken, message.frame + this.offsets.frame, faces);
    this.shown.frame({ ...message, faces, why: message.no_face });
  }

  /** Ends it: without a reason, as the user wants. */
  stop(reason, state) {
    if (this.ended) return;
    this.ended = true;
    this.socket.close();
    this.shown.stopped(reason, state);
    // What the user stops is done; a recording that lost its connection resumes with the next camera.
    if (!reason && table.recording) table.stop();
    table.setCamera(false);
  }
}
