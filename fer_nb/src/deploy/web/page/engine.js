// The worker that finds and classifies faces, as promises.

export class Engine {
  /** Starts the worker; `progress` is called with the share of the files that is loaded, `ready` says when it is done. */
  constructor(model, progress) {
    this.model = model;
    this.waiting = new Map();
    this.asked = 0;
    this.worker = new Worker(new URL("worker/worker.js", import.meta.url), { type: "module" });
    this.worker.onmessage = ({ data }) => {
      if (data.progress !== undefined) return progress(data.progress);
      const waiting = this.waiting.get(data.id);
      this.waiting.delete(data.id);
      if (data.error) waiting?.reject(new Error(data.error));
      else waiting?.resolve(data.found);
    };
    this.worker.onerror = (event) => {
      event.preventDefault();
      const error = new Error(event.message || "This browser can't run the page's worker; a newer one can.");
      for (const { reject } of this.waiting.values()) reject(error);
      this.waiting.clear();
    };
    this.ready = this.ask({ kind: "start", model });
  }

  /** The faces of a photo's file. */
  photo(file) {
    return this.ask({ kind: "photo", file });
  }

  /** The faces of a camera's frame, an ImageBitmap, which is used up. */
  frame(bitmap) {
    return this.ask({ kind: "frame", bitmap }, [bitmap]);
  }

  ask(message, transferred = []) {
    const id = ++this.asked;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, ...message }, transferred);
    });
  }
}
