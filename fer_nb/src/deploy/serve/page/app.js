// The page of `fer serve`: a camera's frames or a photo go to this machine's server, which finds the faces.

import { Camera } from "./camera.js";
import { at, say, setThreshold } from "./shown.js";
import { Stage } from "./stage.js";

// The address that was opened may carry a token, which is a cookie by now: it stays out of the history.
if (new URLSearchParams(location.search).has("token")) history.replaceState(null, "", location.pathname);

async function photo(file) {
  const response = await fetch("/api/predict", { method: "POST", body: file });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error || response.statusText);
  const faces = answer.faces.map(({ area, prediction }) => ({ area, probs: prediction.probs }));
  return { ...answer, faces, why: answer.no_face };
}

new Stage({ camera: (shown) => new Camera(shown), photo }).open();

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
