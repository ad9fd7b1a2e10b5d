// The table of a session: one row a frame and face, in the columns of `fer predict --csv`. It is kept in the
// browser until it is saved: in this page, and in the browser's database in case the page is closed.

import { at, CLASSES } from "./shown.js";

const COLUMNS = [
  ...["seconds", "frame", "face", "left", "top", "width", "height", "score"], ...CLASSES,
  ...["emotion", "confidence", "uncertain"], ...CLASSES.map((name) => `smoothed_${name}`), "smoothed_emotion",
];

const two = (number) => String(number).padStart(2, "0");

/** The database's rows; null if the browser has none for us. */
function openStore() {
  return new Promise((resolve) => {
    try {
      const request = indexedDB.open("fer_nb camera", 1);
      request.onupgradeneeded = () => {
        request.result.createObjectStore("rows", { autoIncrement: true }).createIndex("table", "table");
      };
      request.onsuccess = () => resolve(request.result);
      request.onerror = request.onblocked = () => resolve(null);
    } catch {
      resolve(null);
    }
  });
}

const finished = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

class Table {
  constructor() {
    this.recording = false;
    this.kept = true; // whether the database has all rows
    this.store = openStore();
    this.clear();
    at("record").addEventListener("click", () => (this.recording ? this.stop() : this.start()));
    at("save").addEventListener("click", () => this.save());
    at("discard").addEventListener("click", () => this.discard());
    addEventListener("beforeunload", (event) => {
      if (!this.kept && this.saved < this.rows) event.preventDefault();
    });
    this.restore();
  }

  clear() {
    this.id = null;
    this.began = 0; // milliseconds since 1970
    this.lines = [];
    this.rows = 0;
    this.saved = 0; // rows that were saved
    this.lastFace = 0;
    this.lastFrame = -1;
    this.show();
  }

  /** What a new connection adds to its numbers of faces and frames, so that both stay unique. */
  offsets() {
    const isNew = this.rows === this.saved && !this.recording;
    return isNew ? { face: 0, frame: 0 } : { face: this.lastFace, frame: this.lastFrame + 1 };
  }

  /** Whether there is a camera; without one a recording waits. */
  setCamera(isThere) {
    this.camera = isThere;
    this.show();
  }

  start() {
    if (this.rows === this.saved) this.clear();
    if (!this.id) {
      this.id = crypto.randomUUID();
      this.began = Date.now();
      // Other pages of this browser see by the lock that somebody has this table.
      navigator.locks?.request(`fer_nb table ${this.id}`, () => new Promise(() => {}));
    }
    this.recording = true;
    this.since = Date.now();
    this.show();
  }

  stop() {
    this.recording = false;
    if (this.rows === this.saved) this.forget(this.id);
    this.show();
  }

  /** Adds a frame's faces; `taken` is when it was taken, in milliseconds since 1970. */
  add(taken, frame, faces) {
    if (!this.recording || taken < this.since) return;
    const seconds = Math.max(0, (taken - this.began) / 1000).toFixed(3);
    const lines = faces.map(({ number, area, prediction, smoothed }) => [
      seconds, frame, number,
      ...[area.left, area.top, area.width, area.height].map((length) => length.toFixed(1)), area.score.toFixed(4),
      ...prediction.probs.map((prob) => prob.toFixed(6)),
      prediction.emotion, prediction.confidence.toFixed(6), prediction.uncertain,
      ...smoothed.probs.map((prob) => prob.toFixed(6)), smoothed.emotion,
    ].join());
    this.lastFrame = frame;
    this.lastFace = Math.max(this.lastFace, ...faces.map((face) => face.number));
    this.rows += lines.length;
    this.lines.push(...lines);
    if (lines.length > 0) this.keep(lines);
    this.show();
  }

  // --- the browser's database ---

  async keep(lines) {
    const { id: table, began, lastFace, lastFrame } = this;
    try {
      const store = await this.store;
      const change = store.transaction("rows", "readwrite", { durability: "relaxed" });
      await finished(change.objectStore("rows").add({ table, began, lastFace, lastFrame, lines }));
    } catch {
      this.kept = false; // the page asks before it is closed
    }
  }

  /** Takes up a table that was not saved when its page was closed. */
  async restore() {
    try {
      const store = await this.store;
      const taken = new Set((await navigator.locks.query()).held.map((lock) => lock.name));
      const all = await finished(store.transaction("rows").objectStore("rows").getAll());
      const left = all.filter(({ table }) => !taken.has(`fer_nb table ${table}`));
      if (this.id || left.length === 0) return;
      const part = left.filter(({ table }) => table === left[0].table);
      const { table, began, lastFace, lastFrame } = part[part.length - 1];
      navigator.locks.request(`fer_nb table ${table}`, () => new Promise(() => {}));
      Object.assign(this, { id: table, began, lastFace, lastFrame, lines: part.flatMap(({ lines }) => lines) });
      this.rows = this.lines.length;
      this.show();
    } catch {
      // Nothing was kept, or the browser keeps nothing.
    }
  }

  async forget(id) {
    try {
      const store = await this.store;
      const rows = store.transaction("rows", "readwrite").objectStore("rows");
      const keys = await finished(rows.index("table").getAllKeys(id));
      await Promise.all(keys.map((key) => finished(rows.delete(key))));
    } catch {
      // The next page will offer it again.
    }
  }

  // --- what is done with it ---

  save() {
    const began = new Date(this.began);
    const day = [began.getFullYear(), two(began.getMonth() + 1), two(began.getDate())].join("-");
    const time = [began.getHours(), began.getMinutes(), began.getSeconds()].map(two).join("-");
    const blob = new Blob([COLUMNS.join(), "\n", this.lines.join("\n"), "\n"], { type: "text/csv" });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `camera_${day}_${time}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    this.saved = this.rows;
    if (!this.recording) this.forget(this.id);
    this.show();
  }

  discard() {
    if (this.saved < this.rows && !confirm(`Discard ${this.rows} rows that were not saved?`)) return;
    this.forget(this.id).then(() => this.restore());
    this.clear();
  }

  show() {
    const { rows, recording } = this;
    const record = at("record");
    record.disabled = !this.camera && !recording;
    record.textContent = recording ? "Stop recording" : this.saved < rows ? "Record more" : "Record table";
    record.classList.toggle("on", recording);
    at("save").hidden = rows === 0;
    at("discard").hidden = rows === 0 || recording;
    const count = `${rows.toLocaleString("en")} ${rows === 1 ? "row" : "rows"}`;
    const what = recording ? (this.camera ? "recording" : "waiting for the camera") :
      this.saved < rows ? "not saved yet" : "saved";
    at("table").textContent = recording || rows > 0 ? `${count}, ${what}` : "";
    at("table").dataset.rows = rows;
  }
}

export const table = new Table();
