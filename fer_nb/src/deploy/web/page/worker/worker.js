// The page's worker: loads the networks, then finds and classifies the faces of what the page sends.

import * as ort from "../onnxruntime/ort.js";
import { Detector } from "./detector.js";
import { crop, middleSquare } from "./face.js";
import { inUsualLight } from "./light.js";
import { Photo } from "./photo.js";

const WASM = "onnxruntime/ort.wasm";
// onnxruntime plans its memory by the input's shape, and photos have many.
const OPTIONS = { executionProviders: ["wasm"], graphOptimizationLevel: "all", enableMemPattern: false };

let model;
let detector;
let network;

/** Loads files of the page's folder side by side. */
async function load(names, progress) {
  const sizes = new Map(model.files.map(({ name, bytes }) => [name, bytes]));
  const total = names.reduce((sum, name) => sum + sizes.get(name), 0);
  let loaded = 0;
  return Promise.all(names.map(async (name) => {
    const { version } = model.files.find((file) => file.name === name);
    const response = await fetch(new URL(`../${name}?v=${version}`, import.meta.url));
    if (!response.ok) throw new Error(`${name}: ${response.status} ${response.statusText}`);
    const parts = [];
    for (const reader = response.body.getReader(); ;) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      loaded += value.length;
      progress(Math.min(1, loaded / total));
    }
    return new Uint8Array(await new Blob(parts).arrayBuffer());
  }));
}

async function start(message) {
  model = message.model;
  const names = [WASM, model.detector_file, model.network_file];
  const [wasm, ...networks] = await load(names, (progress) => postMessage({ progress }));
  // One thread: more would need headers that most hosts of files don't send.
  Object.assign(ort.env.wasm, { numThreads: 1, proxy: false, wasmBinary: wasm });
  const sessions = [];
  for (const bytes of networks) sessions.push(await ort.InferenceSession.create(bytes, OPTIONS));
  detector = new Detector(sessions[0], ort.Tensor, model.search);
  network = sessions[1];
  await classify([new Uint8Array(model.cut.side ** 2)]); // the first pass is slow
}

/** Probabilities of the classes for faces of 48×48 pixels, gray, u8. */
async function classify(crops) {
  if (crops.length === 0) return [];
  const { side } = model.cut;
  const pixels = new Uint8Array(crops.length * side * side);
  crops.forEach((face, index) => pixels.set(face, index * side * side));
  const images = new ort.Tensor("uint8", pixels, [crops.length, 1, side, side]);
  const { probs } = await network.run({ images });
  const count = model.classes.length;
  return crops.map((_, index) => [...probs.data.subarray(index * count, (index + 1) * count)]);
}

/** The faces of a photo, the largest first, and why there is none. */
async function predict(photo, size) {
  const areas = await detector.detect(photo, size);
  const crops = areas.map((area) => crop(photo, area, model.cut));
  const probs = await classify(model.light ? crops.map((face) => inUsualLight(face, model.light)) : crops);
  return areas.map((area, index) => ({ area, probs: probs[index] }));
}

async function ofPhoto({ file }) {
  const photo = await Photo.open(file, model.photo);
  const size = [photo.width, photo.height];
  if (Math.max(...size) <= model.photo.cut_out) {
    const { area, pixels } = middleSquare(photo, model.cut);
    const [probs] = await classify([pixels]);
    return { faces: [{ area, probs }], size };
  }
  const faces = await predict(photo, model.search.photos);
  const why = faces.length ? undefined : await detector.whyNoFace(photo, model.search.photos);
  return { faces, size, why };
}

async function ofFrame({ bitmap }) {
  const frame = Photo.ofBitmap(bitmap);
  return { faces: await predict(frame, model.search.video), size: [frame.width, frame.height] };
}

const KINDS = { start, photo: ofPhoto, frame: ofFrame };
let before = Promise.resolve();

onmessage = ({ data }) => {
  // One after the other: a session does one thing at a time.
  before = before.then(async () => {
    try {
      const begun = performance.now();
      const found = await KINDS[data.kind](data);
      postMessage({ id: data.id, found: { ...found, milliseconds: performance.now() - begun } });
    } catch (error) {
      postMessage({ id: data.id, error: error.message });
    }
  });
};
