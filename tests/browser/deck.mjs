// Shows each slide of decks in a real browser and measures it.
//
//     node deck.mjs < job.json > answer.json
//
// The job: `decks` (paths of HTML files), `sizes` (width and height of the window), `chromium` (the browser's
// path) and `pictures` (the folder for screenshots, or nothing). The answer has, for each size and deck, what
// each slide shows and what stands out of it; what has to be so is decided by test_slides.py.

import { mkdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";
import { FLAGS } from "./flags.mjs";

const job = JSON.parse(readFileSync(0, "utf8"));
if (job.pictures) mkdirSync(job.pictures, { recursive: true });

/** Runs in the page: the slide that is shown, in pixels of the window. */
function measure() {
  const shown = [...document.querySelectorAll("section")].filter(
    (slide) => getComputedStyle(slide).visibility === "visible");
  const [slide] = shown;
  const frame = slide.getBoundingClientRect();
  const factor = frame.width / slide.offsetWidth;
  const outside = [], broken = [];
  let smallest = Infinity;
  const inside = (box) => box.left >= frame.left - 1 && box.right <= frame.right + 1 &&
    box.top >= frame.top - 1 && box.bottom <= frame.bottom + 1;
  for (const node of slide.querySelectorAll("*")) {
    // What an element cuts off isn't seen by its box.
    const cut = node.scrollHeight > node.clientHeight + 1 || node.scrollWidth > node.clientWidth + 1;
    const cuts = getComputedStyle(node).overflow !== "visible" && !node.closest("svg");
    if (!inside(node.getBoundingClientRect()) && !node.closest("svg")?.parentElement.closest("svg")) {
      if (!node.closest("svg") || node.tagName === "svg") outside.push(node.tagName);
    }
    if (cut && cuts && node.clientHeight) outside.push(`${node.tagName} cuts`);
  }
  const texts = document.createTreeWalker(slide, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const node = texts.currentNode;
    if (!node.data.trim() || node.parentElement.closest("svg, .number")) continue;
    smallest = Math.min(smallest, parseFloat(getComputedStyle(node.parentElement).fontSize));
    for (const word of node.data.matchAll(/\S+/g)) {
      const range = document.createRange();
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      const boxes = [...range.getClientRects()];
      if (boxes.some((box) => !inside(box))) outside.push(word[0]);
      // A break is allowed where a word has a hyphen or a slash of its own.
      const lines = new Set(boxes.map((box) => Math.round(box.top)));
      if (lines.size > 1 && !/[-/–→]/.test(word[0])) broken.push(word[0]);
    }
  }
  const picture = slide.querySelector(".figure .body > svg, .figure .body > img");
  return {
    shown: shown.length,
    kind: slide.className,
    text: slide.innerText,
    frame: [frame.left, frame.top, frame.right, frame.bottom].map(Math.round),
    page: [document.documentElement.scrollWidth, document.documentElement.scrollHeight],
    scroll: [slide.scrollWidth, slide.scrollHeight, slide.clientWidth, slide.clientHeight],
    outside, broken,
    smallest: Number.isFinite(smallest) ? smallest : null,
    figures: slide.querySelectorAll("svg, img").length,
    figure: picture ? picture.getBoundingClientRect().width / factor : null,
    scripts: document.scripts.length,
  };
}

const browser = await chromium.launch({ executablePath: job.chromium, args: FLAGS });
const answer = [];
try {
  for (const [width, height] of job.sizes) {
    for (const deck of job.decks) {
      const context = await browser.newContext({ viewport: { width, height } });
      const page = await context.newPage();
      const requests = [], errors = [], slides = [];
      page.on("request", (request) => requests.push(request.url()));
      page.on("pageerror", (error) => errors.push(String(error)));
      await page.goto(pathToFileURL(deck).href);
      const count = await page.locator("section").count();
      for (let number = 0; number < count; number += 1) {
        if (number) await page.keyboard.press("ArrowRight");
        slides.push(await page.evaluate(measure));
        if (job.pictures) {
          const name = `${basename(deck, ".slides.html")}_${width}_${String(number + 1).padStart(3, "0")}.png`;
          await page.screenshot({ path: join(job.pictures, name) });
        }
      }
      await page.keyboard.press("Home");
      const first = (await page.evaluate(measure)).text;
      // Nothing but the page itself; a picture in the page is data and loads nothing.
      const loaded = requests.filter((url) => !url.startsWith("data:")).slice(1);
      answer.push({ deck: basename(deck), width, height, loaded, errors, slides, first });
      await context.close();
    }
  }
} finally {
  await browser.close();
}
process.stdout.write(JSON.stringify(answer));
