// Uses the page of `fer serve` as a person does, in a real browser with a made-up camera.
//
//     node live.mjs < job.json > answer.json
//
// The job: `url` of a running server, `unsure` of one that is uncertain of every face, `drawn` of one whose
// network was trained on drawn faces, `dropped` of one that is killed here and its process `pid`; `chromium` (the
// browser's path), `pictures` (the folder for screenshots), `face`, `two`, `blank` and `dark` (Y4M files for the
// camera) and `photo` (a file that is dropped). The answer says what was seen; what has to be so is decided by
// test_live.py.

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
  model: document.getElementById("model").textContent,
  warning: document.getElementById("warning").checkVisibility() ? document.getElementById("warning").textContent : null,
  chips: [...document.querySelectorAll("#chips button")].map((chip) => [chip.textContent, chip.ariaPressed]),
  numbers: JSON.parse(document.getElementById("overlay").dataset.faces ?? "[]").map((face) => face.number),
  table: document.getElementById("table").textContent,
  buttons: ["record", "save", "discard"].map((id) => {
    const button = document.getElementById(id);
    return !button.hidden && !button.disabled ? button.textContent : null;
  }),
  speed: document.getElementById("speed").textContent,
  rate: Number(document.getElementById("speed").dataset.rate),
  bars: [...document.querySelectorAll("#bars li")].map((row) => ({
    name: row.children[0].textContent,
    value: row.children[2].textContent,
    prob: row.dataset.prob === "" ? null : Number(row.dataset.prob),
    width: row.querySelector(".fill").style.width,
  })),
  faces: JSON.parse(document.getElementById("overlay").dataset.faces ?? "[]").map((face) => face.area),
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

const rows = (page) => page.evaluate(() => Number(document.getElementById("table").dataset.rows));

/** Waits until the table has so many rows more. */
async function record(page, more) {
  const most = (await rows(page)) + more;
  await page.waitForFunction((most) => Number(document.getElementById("table").dataset.rows) >= most, most);
}

/** The file that "Save csv" makes. */
async function save(page) {
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#save")]);
  const name = download.suggestedFilename();
  return { name, text: readFileSync(await download.path(), "utf8") };
}

/** Whether the browser's database holds no row any more. */
const nothingKept = () =>
  new Promise((resolve) => {
    const opened = indexedDB.open("fer_nb camera", 1);
    opened.onsuccess = () => {
      const count = opened.result.transaction("rows").objectStore("rows").count();
      count.onsuccess = () => {
        opened.result.close();
        resolve(count.result === 0);
      };
    };
  });

/** Two people, each one's bars, and their table, which outlives the page. */
async function two(page) {
  await page.click("#camera");
  await page.waitForFunction(() => document.querySelectorAll("#chips button").length === 2);
  await page.click("#record");
  await record(page, 20);
  const seen = [];
  for (const number of [2, 1]) {
    await page.click(`#chips [data-number="${number}"]`);
    await page.waitForTimeout(SECOND);
    seen.push(await look(page));
  }
  await picture(page, "two_recording");
  const during = await save(page);
  await record(page, 10);
  await page.click("#record");
  const stopped = await look(page);
  const before = await rows(page);
  await page.reload();
  await page.waitForFunction(() => Number(document.getElementById("table").dataset.rows) > 0);
  const reloaded = await look(page);
  const after = await rows(page);
  const kept = await save(page);
  // A page that is left while the browser deletes would offer the table once more.
  await page.waitForFunction(nothingKept);
  await page.reload();
  await page.waitForTimeout(SECOND);
  return { seen, during, stopped, before, reloaded, after, kept, left: await rows(page) };
}

/** The connection drops while a table is recorded. */
async function dropped(page) {
  await page.click("#camera");
  await page.waitForFunction(() => JSON.parse(document.getElementById("overlay").dataset.faces ?? "[]").length > 0);
  await page.click("#record");
  await record(page, 5);
  process.kill(job.pid, "SIGKILL");
  await page.waitForFunction(() => document.getElementById("state").textContent === "no connection");
  await picture(page, "dropped");
  return { seen: await look(page), rows: await rows(page), kept: await save(page) };
}

async function drawn(page) {
  await picture(page, "drawn");
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
  dark: await withCamera(job.dark, desktop, blank),
  two: await withCamera(job.two, { ...desktop, colorScheme: "dark" }, two),
  drawn: await withCamera(job.blank, small, drawn, job.drawn),
  dropped: await withCamera(job.face, small, dropped, job.dropped),
  photo: await withCamera(job.blank, { ...desktop, colorScheme: "dark" }, photo),
  unsure: await withCamera(job.blank, desktop, unsure, job.unsure),
  garbage: await withCamera(job.blank, desktop, garbage),
};
process.stdout.write(JSON.stringify(answer));
