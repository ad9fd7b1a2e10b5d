// The camera: the frame that it shows now, again when the last one is done, so that nothing queues.

import { at } from "./shown.js";
import { frameSize } from "./stage.js";
import { Tracks } from "./tracks.js";

export class Camera {
  constructor(engine, shown) {
    Object.assign(this, { engine, shown });
    this.tracks = new Tracks();
    this.ended = false;
    this.run();
  }

  async run() {
    try {
      while (!this.ended) {
        // Not faster than the screen, and not at all in a hidden tab.
        await new Promise(requestAnimationFrame);
        const size = frameSize();
        if (!this.ended && size) await this.look(size);
      }
    } catch (error) {
      this.stop(error.message);
    }
  }

  async look({ width, height }) {
    const options = { resizeWidth: width, resizeHeight: height, resizeQuality: "medium" };
    const found = await this.engine.frame(await createImageBitmap(at("video"), options));
    if (!this.ended) this.shown.frame({ ...found, faces: this.tracks.update(found.faces) });
  }

  stop(reason) {
    if (this.ended) return;
    this.ended = true;
    this.shown.stopped(reason);
  }
}
