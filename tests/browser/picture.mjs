// Shows a file in a real browser and keeps what is seen.
//
//     node picture.mjs < job.json
//
// The job: `file`, `width` and `height` of the window, `chromium` (the browser's path) and `picture` (the PNG file).

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";
import { FLAGS } from "./flags.mjs";

const job = JSON.parse(readFileSync(0, "utf8"));
const browser = await chromium.launch({ executablePath: job.chromium, args: FLAGS });
try {
  const viewport = { width: job.width, height: job.height };
  const page = await (await browser.newContext({ viewport })).newPage();
  await page.goto(pathToFileURL(job.file).href);
  await page.evaluate(() => document.fonts.ready.then(() => undefined));
  await page.waitForTimeout(300);
  await page.screenshot({ path: job.picture });
} finally {
  await browser.close();
}
