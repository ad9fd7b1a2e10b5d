// How many frames a second the page of `fer serve` shows, in Chromium with a camera that plays a film. For
// faces_speed.py: node faces_page.mjs < job.json > answer.json

import { readFileSync } from "node:fs";
import { FLAGS } from "../../tests/browser/flags.mjs";
import { chromium } from "../../tests/browser/node_modules/playwright-core/index.mjs";

const job = JSON.parse(readFileSync(0, "utf8"));
const browser = await chromium.launch({
  executablePath: job.chromium,
  args: [
    ...FLAGS,
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    `--use-file-for-fake-video-capture=${job.film}`,
  ],
});
try {
  const page = await browser.newPage();
  await page.goto(job.url);
  // Each reply draws the overlay anew, which sets its width.
  await page.evaluate(() => {
    window.drawn = 0;
    const overlay = document.getElementById("overlay");
    new MutationObserver(() => (window.drawn += 1)).observe(overlay, { attributeFilter: ["data-faces"] });
  });
  await page.click("#camera");
  await page.waitForFunction(() => JSON.parse(document.getElementById("overlay").dataset.faces ?? "[]").length > 0);
  await page.waitForTimeout(2000);
  const look = () => page.evaluate(() => [window.drawn, performance.now()]);
  const [frames, since] = await look();
  await page.waitForTimeout(1000 * job.seconds);
  const [all, until] = await look();
  const seconds = (until - since) / 1000;
  process.stdout.write(JSON.stringify({ frames: all - frames, seconds, rate: (all - frames) / seconds }));
} finally {
  await browser.close();
}
