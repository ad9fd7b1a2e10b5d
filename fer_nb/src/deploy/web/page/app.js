// Puts the page together: what it is made of lies in the other files.

import { Bars } from "./bars.js";
import { Boxes } from "./boxes.js";
import { Camera } from "./camera.js";
import { showCard } from "./card.js";
import { Engine } from "./engine.js";
import { keepForOffline } from "./offline.js";

const at = (id) => document.getElementById(id);
const [view, video, file] = [at("view"), at("video"), at("file")];
const boxes = new Boxes(at("overlay"));
let bars;
let engine;
let camera = null; // the camera that runs
let photo = null; // the photo that is shown: its picture, faces and size
let asked = 0; // photos so far; what comes late of an earlier one is not shown

function say(text, quiet) {
  const state = at("state");
  if (state.textContent !== text) state.textContent = text;
  state.classList.toggle("quiet", Boolean(quiet));
}

/** Shows the faces of a photo or frame, the largest first; `why` says why there is none. */
function show(faces, why) {
  if (faces.length === 0) {
    say("no face", true);
    bars.show(null);
    at("more").textContent = why ?? "";
    return;
  }
  const { prediction } = faces[0];
  say(prediction.uncertain ? "uncertain" : prediction.emotion, prediction.uncertain);
  bars.show(prediction.probs);
  at("more").textContent = faces.length > 1 ? `and ${faces.length - 1} more; the bars are of the largest face` : "";
}

// --- the camera -----------------------------------------------------------------------------------

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
    camera = new Camera(stream, video, engine, { frame: showFrame, stopped: showStopped });
    camera.run();
  } catch (error) {
    say("no camera", true);
    at("more").textContent = error.name === "NotAllowedError" ? "The browser was told not to give it." : error.message;
  }
}

function showFrame({ faces, size, milliseconds, rate }) {
  boxes.draw(faces, size);
  show(faces);
  at("speed").textContent = `${milliseconds.toFixed(0)} ms a frame · ${rate.toFixed(0)} frames a second`;
  at("speed").dataset.rate = rate.toFixed(2);
}

function showStopped(reason) {
  camera = null;
  video.srcObject = null;
  view.classList.remove("live");
  at("camera").textContent = "Start camera";
  at("speed").textContent = "";
  boxes.clear();
  bars.show(null);
  say("stopped", true);
  at("more").textContent = reason ?? "";
}

at("camera").addEventListener("click", () => (camera ? camera.stop() : startCamera()));

// --- a photo --------------------------------------------------------------------------------------

function clearPhoto() {
  asked += 1;
  view.classList.remove("photo");
  if (photo) photo.picture.close();
  photo = null;
}

async function openPhoto(chosen) {
  if (file.disabled) return;
  if (camera) camera.stop();
  clearPhoto();
  boxes.clear();
  bars.show(null);
  say("looking", true);
  at("more").textContent = at("speed").textContent = "";
  const number = asked;
  try {
    const found = await engine.photo(chosen);
    const picture = await createImageBitmap(chosen);
    if (number !== asked) return picture.close();
    photo = { ...found, picture };
    view.classList.add("photo");
    drawPhoto();
    show(found.faces, found.why);
    at("speed").textContent = `${found.milliseconds.toFixed(0)} ms`;
  } catch (error) {
    if (number !== asked) return;
    say("no photo", true);
    at("more").textContent = error.message;
  }
}

function drawPhoto() {
  if (photo) boxes.draw(photo.faces, photo.size, photo.picture);
}

file.addEventListener("change", () => {
  if (file.files.length) openPhoto(file.files[0]);
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
  if (event.dataTransfer.files.length) openPhoto(event.dataTransfer.files[0]);
});
addEventListener("resize", drawPhoto);

// --- the start ------------------------------------------------------------------------------------

async function start() {
  const response = await fetch("model.json", { cache: "no-cache" });
  if (!response.ok) throw new Error(`model.json: ${response.status} ${response.statusText}`);
  const model = await response.json();
  showCard(model);
  bars = new Bars(at("bars"), model.classes);
  engine = new Engine(model, (share) => say(`loading, ${Math.round(100 * share)} %`, true));
  await engine.ready;
  say("ready", true);
  at("camera").disabled = file.disabled = false;
  if (await keepForOffline(model.version)) at("offline").textContent = "It also works without a network from now on.";
}

start().catch((error) => {
  say("not loaded", true);
  at("more").textContent = `${error.message} (is the folder complete, and does the server still run?)`;
});
