// The page of `fer export --format web`: a camera's frames or a photo go to a worker of this page, which finds the faces.

import { Camera } from "./camera.js";
import { showCard } from "./card.js";
import { Engine } from "./engine.js";
import { keepForOffline } from "./offline.js";
import { at, explain, say, setThreshold } from "./shown.js";
import { Stage } from "./stage.js";

let engine;
const stage = new Stage({
  camera: (shown) => new Camera(engine, shown),
  photo: (file) => engine.photo(file),
});

async function start() {
  const response = await fetch("model.json", { cache: "no-cache" });
  if (!response.ok) throw new Error(`model.json: ${response.status} ${response.statusText}`);
  const model = await response.json();
  showCard(model);
  setThreshold(model.uncertain_below);
  engine = new Engine(model, (share) => say(`loading, ${Math.round(100 * share)} %`, true));
  await engine.ready;
  stage.open();
  if (await keepForOffline(model.version)) at("offline").textContent = "It also works without a network from now on.";
}

start().catch((error) => {
  say("not loaded", true);
  explain(`${error.message} (is the folder complete, and does the server still run?)`);
});
