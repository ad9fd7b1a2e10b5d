// Uses the page that `fer export --format web` wrote as a person does, in a real browser, over a plain server of files.
//
//     node web.mjs < job.json > answer.json
//
// The job: `folder` (the exported page), `unlit` (that of a network that needs faces in FER2013's light), `drawn` (one of
// a network of drawn faces), `python` (which serves them), `chromium` (the browser's path), `pictures` (the folder for
// screenshots), `face` and `blank` (Y4M files for the camera), `photos` (files that are opened), `light` (those that are
// opened in `unlit`) and `group` (a photo of several faces). The answer says what was seen; what has to be so is decided by
// test_web.py.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { chromium } from "playwright-core";
import { FLAGS } from "./flags.mjs";

const CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"];
// Any other host is not even looked up.
const ALONE = ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"];
const SECOND = 1000;

const job = JSON.parse(readFileSync(0, "utf8"));
mkdirSync(job.pictures, { recursive: true });

/** Serves a folder as a user does; gives its address and what ends it. */
async function serve(folder) {
  const program = spawn(job.python, ["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", folder], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [line] = await once(program.stdout, "data");
  const [, port] = /port (\d+)/.exec(String(line));
  const end = async () => {
    if (program.exitCode !== null || program.signalCode !== null) return;
    program.kill();
    await once(program, "exit");
  };
  return { address: `http://127.0.0.1:${port}/`, end };
}

/** Runs `visit` with a page whose camera plays a file; gives what it gives, and what went wrong. */
async function withPage(folder, camera, options, visit) {
  const server = await serve(folder);
  const browser = await chromium.launch({
    executablePath: job.chromium,
    args: [...FLAGS, ...ALONE, ...CAMERA, `--use-file-for-fake-video-capture=${camera}`],
  });
  const [errors, requests] = [[], []];
  try {
    const context = await browser.newContext(options);
    context.on("request", (request) => requests.push(request.url()));
    const page = await context.newPage();
    page.setDefaultTimeout(60 * SECOND);
    page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
    page.on("pageerror", (error) => errors.push(String(error)));
    await open(page, () => page.goto(server.address));
    const saw = await visit(page, server);
    const elsewhere = requests.filter((url) => !url.startsWith(server.address) && !url.startsWith("blob:"));
    return { ...saw, errors, elsewhere, requests: requests.map((url) => url.replace(server.address, "")) };
  } finally {
    await browser.close();
    await server.end();
  }
}

async function open(page, go) {
  await go();
  await page.waitForFunction(() => !document.getElementById("camera").disabled
    || document.getElementById("state").textContent === "not loaded");
}

/** What the page shows now. */
const look = (page) => page.evaluate(() => ({
  state: document.getElementById("state").textContent,
  more: document.getElementById("more").textContent,
  speed: document.getElementById("speed").textContent,
  rate: Number(document.getElementById("speed").dataset.rate),
  bars: [...document.querySelectorAll("#bars li")].map((row) => ({
    name: row.children[0].textContent,
    prob: row.dataset.prob === "" ? null : Number(row.dataset.prob),
    width: row.querySelector(".fill").style.width,
  })),
  chips: [...document.querySelectorAll("#chips button")].map((chip) => [chip.textContent, chip.ariaPressed]),
  faces: JSON.parse(document.getElementById("overlay").dataset.faces ?? "[]"),
  model: document.getElementById("model").textContent,
  card: document.getElementById("card").textContent,
  whole: document.getElementById("whole").textContent,
  warning: document.getElementById("warning").hidden ? "" : document.getElementById("warning").textContent,
  // Whether the page is as wide as the window, so that nothing has to be scrolled sideways.
  fits: document.documentElement.scrollWidth <= document.documentElement.clientWidth,
}));

const picture = (page, name) => page.screenshot({ path: join(job.pictures, `${name}.png`), fullPage: true });

async function openPhoto(page, path) {
  await page.setInputFiles("#file", path);
  await page.waitForFunction(() => !["looking", "ready"].includes(document.getElementById("state").textContent));
  return look(page);
}

async function openAll(page, paths) {
  const seen = {};
  for (const path of paths) {
    seen[basename(path)] = await openPhoto(page, path);
    if (path === job.photos[0]) await picture(page, "photo_light");
  }
  return seen;
}

async function photos(page, server) {
  const seen = await openAll(page, job.photos);
  const first = await openPhoto(page, job.group);
  await page.click("#chips [data-number='2']");
  const group = [first, await look(page)];
  await picture(page, "group_light");
  // Without a network: the server has ended, and the page is opened again.
  await page.waitForFunction(() => document.getElementById("offline").textContent !== "");
  await server.end();
  await open(page, () => page.reload());
  const offline = await openPhoto(page, job.photos[0]);
  return { seen, group, offline };
}

/** Seconds of the camera, and a screenshot of them. */
const camera = (seconds, name) => async (page) => {
  await page.click("#camera");
  await page.waitForFunction(() => JSON.parse(document.getElementById("overlay").dataset.faces ?? "[]").length > 0);
  await page.waitForTimeout(seconds * SECOND);
  const seen = await look(page);
  await picture(page, name);
  await page.click("#camera");
  await page.waitForFunction(() => document.getElementById("state").textContent === "stopped");
  return { seen, stopped: await look(page) };
};

const unlit = async (page) => ({ seen: await openAll(page, job.light) });

async function blank(page) {
  await page.click("#camera");
  await page.waitForFunction(() => document.getElementById("state").textContent === "no face");
  await picture(page, "phone_light");
  return { seen: await look(page) };
}

async function drawn(page) {
  await picture(page, "drawn");
  return { seen: await look(page) };
}

const desktop = { viewport: { width: 1280, height: 800 }, colorScheme: "light" };
const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, colorScheme: "dark" };
const answer = {
  photos: await withPage(job.folder, job.blank, desktop, photos),
  camera: await withPage(job.folder, job.face, { ...desktop, colorScheme: "dark" }, camera(6, "camera_dark")),
  phone: await withPage(job.folder, job.face, phone, camera(2, "phone_dark")),
  blank: await withPage(job.folder, job.blank, { ...phone, colorScheme: "light" }, blank),
  unlit: await withPage(job.unlit, job.blank, desktop, unlit),
  drawn: await withPage(job.drawn, job.blank, { ...phone, colorScheme: "light" }, drawn),
};
process.stdout.write(JSON.stringify(answer));
