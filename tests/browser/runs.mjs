// Sorts the table of runs that `fer compare --table runs.html` leaves, in a real browser.
//
//     node runs.mjs < job.json > answer.json
//
// The job: `page` (the HTML file), `width` of the window, `chromium` (the browser's path) and `picture` (where a
// screenshot goes). The answer has the rows in their order, as they are and after each click, and where the last
// column is; what has to be so is decided by test_runs.py.

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";
import { FLAGS } from "./flags.mjs";

const job = JSON.parse(readFileSync(0, "utf8"));
const browser = await chromium.launch({ executablePath: job.chromium, args: FLAGS });
try {
  const context = await browser.newContext({ viewport: { width: job.width, height: 720 } });
  const page = await context.newPage();
  const requests = [];
  page.on("request", (request) => requests.push(request.url()));
  await page.goto(pathToFileURL(job.page).href);
  const rows = () => page.evaluate(() =>
    [...document.querySelectorAll("tbody tr")].map((row) => [...row.cells].map((cell) => cell.textContent)));
  const answer = { heads: await page.locator("th").allTextContents(), asis: await rows(), after: {} };
  for (const name of job.sort) {
    const head = page.locator("th", { hasText: new RegExp(`^${name}$`) });
    await head.click();
    const up = await rows();
    await head.press("Enter");
    answer.after[name] = [up, await rows()];
  }
  answer.last = await page.evaluate(() => [...document.querySelectorAll("tr > :last-child")].map((cell) => {
    const box = cell.getBoundingClientRect();
    const seen = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
    return { left: box.left, right: box.right, seen: cell.contains(seen) };
  }));
  answer.requests = requests.length;
  if (job.picture) await page.screenshot({ path: job.picture });
  process.stdout.write(JSON.stringify(answer));
} finally {
  await browser.close();
}
