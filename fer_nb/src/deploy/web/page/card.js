// The model card: its essentials, all of it, and a warning if the network knows drawn faces only.

import { toNodes } from "./markdown.js";
import { at } from "./shown.js";

export function showCard(model) {
  const { card } = model;
  const percent = Math.round(100 * model.uncertain_below);
  at("model").textContent = `${model.network}, trained on ${model.trained_on}`;
  for (const [term, text] of [
    ["Name", card.name],
    ["Layers", card.about],
    ["Parameters", card.parameters.toLocaleString("en")],
    ["Trained on", card.trained_on],
    ["Accuracy", card.accuracy],
    ["Measured on", card.measured_on],
    ["Uncertain", percent > 0 ? `predictions with less than ${percent} %` : "never; no threshold was fitted"],
  ]) {
    const [dt, dd] = ["dt", "dd"].map((tag) => document.createElement(tag));
    dt.textContent = term;
    dd.textContent = text;
    at("card").append(dt, dd);
  }
  at("calibration").textContent = card.is_calibrated
    ? "The bars are calibrated probabilities: of predictions with 70 %, some 70 % are correct, on pictures like those "
      + "the network was trained on."
    : "The bars are probabilities that were not calibrated: 70 % does not mean correct in seven of ten cases.";
  at("whole").replaceChildren(...toNodes(card.markdown));
  at("versions").textContent = `fer_nb ${model.fer_nb}, onnxruntime-web ${model.onnxruntime_web}.`;
  if (card.is_of_drawn_faces) {
    at("warning").textContent =
      "This network was trained on drawn faces and has never seen a photo: what it says of people means nothing.";
    at("warning").hidden = false;
  }
}
