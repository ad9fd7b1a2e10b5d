// The page of `fer serve`: a camera's frames or a photo go to this machine's server, which finds the faces.

import { startCamera, stopCamera } from "./camera.js";
import { at, clearBoxes, draw, explain, say, setThreshold, show, showNothing } from "./shown.js";

const view = at("view");
let photo = null; // the photo that is shown

// The address that was opened may carry a token, which is a cookie by now: it stays out of the history.
if (new URLSearchParams(location.search).has("token")) history.replaceState(null, "", location.pathname);

at("camera").addEventListener("click", () => {
  if (stopCamera()) return;
  clearPhoto();
  startCamera();
});

// --- a photo --------------------------------------------------------------------------------------

function clearPhoto() {
  view.classList.remove("photo");
  if (photo) photo.picture.close();
  photo = null;
  clearBoxes();
}

async function openPhoto(file) {
  stopCamera();
  clearPhoto();
  showNothing("looking");
  explain("");
  try {
    const response = await fetch("/api/predict", { method: "POST", body: file });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.error || response.statusText);
    const picture = await createImageBitmap(file, { imageOrientation: "from-image" });
    const faces = answer.faces.map(({ area, prediction }, index) => (
      { number: index + 1, area, probs: prediction.probs }
    ));
    photo = { picture, faces, size: answer.size };
    view.classList.add("photo");
    drawPhoto();
    show(faces, answer.no_face);
    at("speed").textContent = `${answer.milliseconds.toFixed(0)} ms`;
  } catch (error) {
    say("no photo", true);
    explain(error.message);
  }
}

function drawPhoto() {
  if (photo) draw(photo.faces, photo.size, photo.picture);
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

// --- the network that predicts --------------------------------------------------------------------

fetch("/api/model")
  .then((response) => response.json())
  .then((model) => {
    const below = model.certainty.uncertain_below;
    setThreshold(below);
    const rule = below > 0 ? `; below ${Math.round(100 * below)} % a prediction is uncertain` : "";
    const note = model.note ? ` (${model.note})` : "";
    at("model").textContent = `The network ${model.network} predicts, trained on ${model.trained_on}${rule}${note}`;
    at("warning").hidden = !model.drawn_faces;
  })
  .catch(() => say("the server is gone", true));
