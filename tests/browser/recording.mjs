// Records a notebook while it trains: one picture for each change of the page.
//
//     node recording.mjs < job.json
//
// The job: `url` and `token` of a running JupyterLab, `chromium` (the browser's path), `notebook`, `themes` (name of a
// theme → folder of its pictures), `width` and `height` of the window. Both themes are recorded in one training, so that
// they show the same run.

import { readFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { FLAGS } from "./flags.mjs";
import { Lab } from "./page.mjs";

const MINUTE = 60_000;
const EVERY = 400; // milliseconds
const FIT = "trainer.fit(&data)";

const epochs = (text) => (window.lab.text(text).match(/^epoch +\d+\/\d+: loss/gm) ?? []).length;

/** The page in each theme, if anything has been added since the last picture. */
async function record(lab, themes) {
  let count = 0;
  let before = -1;
  for (;;) {
    const [now, running] = await lab.ask((fit) => [window.epochs(fit), window.lab.running(fit)], FIT);
    if (now !== before) {
      for (const [theme, folder] of Object.entries(themes)) {
        await lab.theme(theme);
        await lab.ask((fit) => window.lab.node(fit).scrollIntoView({ block: "end" }), FIT);
        await lab.page.waitForTimeout(100);
        const name = `${String(count).padStart(3, "0")}.png`;
        writeFileSync(join(folder, name), await lab.page.screenshot());
      }
      count += 1;
      before = now;
    }
    if (!running) return count;
    await lab.page.waitForTimeout(EVERY);
  }
}

const job = JSON.parse(readFileSync(0, "utf8"));
Object.values(job.themes).forEach((folder) => mkdirSync(folder, { recursive: true }));
const browser = await chromium.launch({ executablePath: job.chromium, args: FLAGS });
try {
  const lab = new Lab(browser, { ...job, pictures: Object.values(job.themes)[0] });
  await lab.open(job.notebook);
  await lab.page.setViewportSize({ width: job.width, height: job.height });
  await lab.ask((count) => { window.epochs = new Function(`return ${count}`)(); }, String(epochs));
  await lab.ask(() => window.jupyterapp.commands.execute("application:toggle-left-area"));
  await lab.runAll();
  await lab.until("the first epoch", (fit) => window.epochs(fit) > 0, FIT, 10 * MINUTE);
  const count = await record(lab, job.themes);
  process.stdout.write(JSON.stringify({ pictures: count }));
} finally {
  await browser.close();
}
