// The camera: the frame that it shows now, again when the last one is done, so that nothing queues.

import { Tracks } from "./tracks.js";

const FRAME_WIDTH = 640; // pixels of a frame that is looked at; more would only cost time
const SPAN = 2000; // milliseconds over which the rate is taken

export class Camera {
  /** `frame` is called with what is seen in each frame, `stopped` once, with a reason if it is not the user's. */
  constructor(stream, video, engine, { frame, stopped }) {
    Object.assign(this, { stream, video, engine, frame, stopped });
    this.tracks = new Tracks(engine.model);
    this.times = [];
    this.ended = false;
    stream.getVideoTracks()[0].addEventListener("ended", () => this.stop("The camera was taken away."));
  }

  async run() {
    try {
      while (!this.ended) {
        // Not faster than the screen, and not at all in a hidden tab.
        await new Promise(requestAnimationFrame);
        if (!this.ended && this.video.videoWidth) await this.look();
      }
    } catch (error) {
      this.stop(error.message);
    }
  }

  async look() {
    const { videoWidth, videoHeight } = this.video;
    const width = Math.min(FRAME_WIDTH, videoWidth);
    const height = Math.round((width * videoHeight) / videoWidth);
    const options = { resizeWidth: width, resizeHeight: height, resizeQuality: "medium" };
    const found = await this.engine.frame(await createImageBitmap(this.video, options));
    if (this.ended) return;
    const now = performance.now();
    this.times = [...this.times.filter((time) => now - time < SPAN), now];
    const span = now - this.times[0];
    const rate = span > 0 ? ((this.times.length - 1) * 1000) / span : 0;
    this.frame({ ...found, faces: this.tracks.update(found.faces), rate });
  }

  stop(reason) {
    if (this.ended) return;
    this.ended = true;
    this.stream.getTracks().forEach((track) => track.stop());
    this.stopped(reason);
  }
}
