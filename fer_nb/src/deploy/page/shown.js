// What the page shows of faces: boxes over the picture, seven bars of one of them, and who else is there.

import { Bars } from "./bars.js";
import { Boxes } from "./boxes.js";

export const CLASSES = ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"];

export const at = (id) => document.getElementById(id);

let uncertainBelow = 0;
let shownFaces = [];
let shownNumber = null; // the face whose bars are shown, if there are several

/** Sets the confidence below which a prediction is uncertain, 0 to 1. */
export function setThreshold(value) {
  uncertainBelow = value;
}

/** The verdict on seven probabilities: the class, and whether it counts. */
function verdict(probs) {
  const confidence = Math.max(...probs);
  const emotion = CLASSES[probs.indexOf(confidence)];
  return { emotion, confidence, probs, uncertain: confidence < uncertainBelow };
}

export function say(text, quiet) {
  const state = at("state");
  if (state.textContent !== text) state.textContent = text;
  state.classList.toggle("quiet", Boolean(quiet));
}

/** A sentence below the bars: "the photo is dark" becomes "The photo is dark." */
export function explain(text) {
  const sentence = text ? text[0].toUpperCase() + text.slice(1) : "";
  at("more").textContent = /[^.!?]$/.test(sentence) ? `${sentence}.` : sentence;
}

const bars = new Bars(at("bars"), CLASSES);
const boxes = new Boxes(at("overlay"));

/** One button a face: the bars are those of the one that is pressed. */
function showChips(faces, shown) {
  const chips = at("chips");
  const numbers = faces.map((face) => face.number).sort((a, b) => a - b);
  if (chips.dataset.numbers !== numbers.join()) {
    chips.dataset.numbers = numbers.join();
    chips.replaceChildren(...(numbers.length > 1 ? numbers : []).map((number) => {
      const chip = document.createElement("button");
      chip.type = "button";
      chip.textContent = `face ${number}`;
      chip.dataset.number = number;
      chip.addEventListener("click", () => {
        shownNumber = number;
        show(shownFaces);
      });
      return chip;
    }));
  }
  mark(chips, shown);
}

function mark(chips, number) {
  for (const chip of chips.children) chip.setAttribute("aria-pressed", String(Number(chip.dataset.number) === number));
}

/** Shows faces, each with `number` and `probs`, the largest first; if there are none, why. */
export function show(faces, why) {
  shownFaces = faces;
  if (faces.length === 0) {
    say("no face", true);
    bars.show(null);
    showChips([], null);
    explain(why);
    return;
  }
  // The same face as before as long as it is there, else the largest.
  const face = faces.find((face) => face.number === shownNumber) || faces[0];
  shownNumber = face.number;
  const { emotion, uncertain } = verdict(face.probs);
  say(`${faces.length > 1 ? `face ${face.number}: ` : ""}${uncertain ? "uncertain" : emotion}`, uncertain);
  bars.show(face.probs);
  showChips(faces, face.number);
  explain("");
}

/** Shows no face, and says this instead. */
export function showNothing(text) {
  shownNumber = null;
  say(text, true);
  bars.show(null);
  showChips([], null);
  clearBoxes();
}

export function clearBoxes() {
  boxes.clear();
}

/** Draws the faces' boxes over a picture of this size, and the picture. */
export function draw(faces, size, picture) {
  boxes.draw(faces.map((face) => ({ ...face, prediction: verdict(face.probs) })), size, picture);
}
