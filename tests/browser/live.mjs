// Uses the page of `fer serve` as a person does, in a real browser with a made-up camera.
//
//     node live.mjs < job.json > answer.json
//
// The job: `url` of a running server, `unsure` of one that is uncertain of every face, `chromium` (the
// browser's path), `pictures` (the folder for screenshots), `face` and `blank` (Y4M files for the camera)
// and `photo` (a file that is dropped). The answer says what was seen; what has to be so is decided by test_live.py.

import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { FLAGS } from "./flags.mjs";

const CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"];
const SECOND = 1000;

const job = JSON.parse(readFileSync(0, "utf8"));
mkdirSync(job.pictures, { recursive: true });

/** Runs `visit` with a page whose camera plays a file; gives what it gives, and what went wrong. */
async function withCamera(file, options, visit, address = job.url) {
  const browser = await chromium.launch({
    executablePath: job.chromium,
    args: [...FLAGS, ...CAMERA, `--use-file-for-fake-video-capture=${file}`],
  });
  const errors = [];
  try {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    page.setDefaultTimeout(30 * SECOND);
    page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
    page.on("pageerror", (error) => errors.push(String(error)));
    const elsewhere = [];
    page.on("request", (request) => {
      const url = request.url();
      if (!url.startsWith(address) && !url.startsWith("blob:")) elsewhere.push(url);
    });
    await page.goto(address);
    await page.waitForFunction(() => document.getElementById("model").textContent.length > 3);
    const saw = await visit(page);
    return { ...saw, errors, elsewhere };
  } finally {
    await browser.close();
  }
}

/** What the page shows now. */
const look = (page) => page.evaluate(() => ({
  state: document.getElementById("state").textContent,
  more: document.getElementById("more").textContent,
  speed: document.getElementById("speed").textContent,
  rate: Number(document.getElementById("speed").dataset.rate),
  bars: [...document.querySelectorAll("#bars li")].map((row) => ({
    name: row.children[0].textContent,
    value: row.children[2].textContent,
    prob: row.dataset.prob === "" ? null : Number(row.dataset.prob),
    width: row.querySelector(".fill").style.width,
  })),
  faces: JSON.parse(document.getElementById("overlay").dataset.faces ?? "[]"),
  // Whether the page is as wide as the window, so that nothing has to be scrolled sideways.
  fits: document.documentElement.scrollWidth <= document.documentElement.clientWidth,
}));

const picture = (page, name) => page.screenshot({ path: join(job.pictures, `${name}.png`), fullPage: true });

async function camera(page) {
  await page.click("#camera");
  await page.waitForFunction(() => JSON.parse(document.getElementById("overlay").dataset.faces ?? "[]").length > 0);
  await page.waitForTimeout(5 * SECOND);
  const seen = await look(page);
  await picture(page, "camera_light");
  await page.click("#camera");
  await page.waitForFunction(() => document.getElementById("state").textContent === "stopped");
  return { seen, stopped: await look(page) };
}

async function phone(page) {
  await page.click("#camera");
  await page.waitForFunction(() => JSON.parse(document.getElementById("overlay").dataset.faces ?? "[]").length > 0);
  await page.waitForTimeout(2 * SECOND);
  await picture(page, "phone_dark");
  return { seen: await look(page) };
}

async function blank(page) {
  await page.click("#camera");
  await page.waitForFunction(() => document.getElementById("state").textContent === "no face");
  await picture(page, "no_face");
  return { seen: await look(page) };
}

/** Drops a file on the page and waits for what comes of it. */
async function drop(page, bytes, name, type) {
  const carried = await page.evaluateHandle(([base64, name, type]) => {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    const carried = new DataTransfer();
    carried.items.add(new File([bytes], name, { type }));
    return carried;
  }, [bytes.toString("base64"), name, type]);
  await page.dispatchEvent("#view", "drop", { dataTransfer: carried });
  await page.waitForFunction(() => !["looking", "ready"].includes(document.getElementById("state").textContent));
}

async function photo(page) {
  await drop(page, readFileSync(job.photo), "photo.png", "image/png");
  await page.waitForTimeout(SECOND / 2);
  await picture(page, "photo");
  return { seen: await look(page) };
}

async function unsure(page) {
  await drop(page, readFileSync(job.photo), "photo.png", "image/png");
  await page.waitForTimeout(SECOND / 2);
  await picture(page, "uncertain");
  return { seen: await look(page) };
}

async function garbage(page) {
  await drop(page, Buffer.from("no photo at all"), "letter.jpg", "image/jpeg");
  await picture(page, "no_photo");
  return { seen: await look(page) };
}

const desktop = { viewport: { width: 1180, height: 760 }, colorScheme: "light" };
const small = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, colorScheme: "dark" };
const answer = {
  camera: await withCamera(job.face, desktop, camera),
  phone: await withCamera(job.face, small, phone),
  blank: await withCamera(job.blank, desktop, blank),
  photo: await withCamera(job.blank, { ...desktop, colorScheme: "dark" }, photo),
  unsure: await withCamera(job.blank, desktop, unsure, job.unsure),
  garbage: await withCamera(job.blank, desktop, garbage),
};
process.stdout.write(JSON.stringify(answer));
