// Uses JupyterLab as a person does, in a real browser, and says what it saw.
//
//     node lab.mjs < job.json > answer.json
//
// The job: `url` and `token` of a running JupyterLab, `chromium` (the browser's path), `pictures` (the
// folder for screenshots) and `parts` (names of the functions below). The answer has an entry for each
// part: what it saw, and `failed` with the reason where that is not all. What has to be so is decided by test_browser.py.

import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";
import { FLAGS } from "./flags.mjs";
import { Lab } from "./page.mjs";

const MINUTE = 60_000;
// Cells, by a piece of their source that no other cell has.
const FIT = "trainer.fit(&data)";
const COUNT = "finished epochs:";
const CURVES = "history.curves()";
const LAST = "trainer.evaluate(&data.validation)";

/** Runs in the page: the numbers of the epochs that the training cell says are finished. */
const epochs = (text) =>
  [...window.lab.text(text).matchAll(/^epoch +(\d+)\/\d+: loss/gm)].map((match) => Number(match[1]));

const parts = {
  /** Notebook 04 from its first cell to its last, with Stop in the middle and training on. */
  async training(lab, saw) {
    await lab.open("notebooks/04_training.ipynb");
    await lab.ask(`window.epochs = ${epochs}`);
    await lab.picture("1_opened");
    const started = Date.now();
    await lab.runAll();
    await lab.until("training begins", (fit) => window.epochs(fit).length > 0, FIT, 10 * MINUTE);
    saw.seconds_to_first_epoch = (Date.now() - started) / 1000;

    // The chart is the picture that changes while the cell runs, be it in this cell or the one above.
    const chart = () =>
      lab.ask((fit) => {
        const cells = window.lab.cells();
        const at = cells.findIndex((cell) => cell.node === window.lab.node(fit));
        const above = cells.slice(0, at).reverse().find((cell) => cell.model.type === "code");
        const pictures = [cells[at], above].map((cell) =>
          [...cell.node.querySelectorAll(".jp-OutputArea-output svg")].map((svg) => svg.outerHTML));
        return {
          finished: window.epochs(fit).length,
          running: window.lab.running(fit),
          markup: pictures.flat().join("\n"),
        };
      }, FIT);
    const first = await chart();
    await lab.picture("2_training_first_epoch", FIT, "end");
    await lab.until("another epoch", ([fit, n]) => window.epochs(fit).length > n,
      [FIT, first.finished], 10 * MINUTE);
    const later = await chart();
    await lab.picture("3_training_later", FIT, "end");
    await lab.theme("JupyterLab Dark");
    await lab.picture("3_training_later_dark", FIT, "end");
    await lab.theme("JupyterLab Light");
    saw.chart = { first, later };

    saw.stop_milliseconds = await lab.stopAndWait(FIT);
    saw.after_stop = await lab.ask((fit) => window.lab.text(fit), FIT);
    await lab.picture("4_stopped", FIT, "end");
    await lab.idle(5 * MINUTE);
    saw.errors = await lab.ask(() => window.lab.allErrors());
    saw.count = await lab.ask((count) => window.lab.text(count), COUNT);
    saw.epochs = await lab.ask((fit) => window.epochs(fit), FIT);
    saw.curves = await lab.ask((curves) => window.lab.pictures(curves), CURVES);
    saw.last_prompt = await lab.ask((last) => window.lab.prompt(last), LAST);
    await lab.picture("5_curves", CURVES);
    await lab.theme("JupyterLab Dark");
    await lab.picture("5_curves_dark", CURVES);
    await lab.theme("JupyterLab Light");

    await lab.run(FIT);
    await lab.until("training goes on", (fit) => window.epochs(fit).length > 0 &&
      window.lab.running(fit), FIT, 10 * MINUTE);
    await lab.picture("6_training_goes_on", FIT);
    saw.second_stop_milliseconds = await lab.stopAndWait(FIT);
    saw.epochs_of_second_fit = await lab.ask((fit) => window.epochs(fit), FIT);
    await lab.run(COUNT);
    await lab.until("the count is new", ([count, before]) => !window.lab.running(count) &&
      window.lab.text(count) !== before, [COUNT, saw.count]);
    saw.count_after_second_fit = await lab.ask((count) => window.lab.text(count), COUNT);
    await help(lab, saw);
  },

  /** Cells that go wrong: an error in the middle of Run All, and one that Stop does not reach. */
  async trouble(lab, saw) {
    await lab.open("notebooks/trouble.ipynb");
    await lab.runAll();
    await lab.ended("too many", 5 * MINUTE);
    await lab.idle();
    saw.before = await lab.ask(() => window.lab.text("the cell before"));
    saw.error = await lab.ask(() => window.lab.errors("too many"));
    saw.after_prompt = await lab.ask(() => window.lab.prompt("the cell after"));
    await lab.picture("8_failed_cell", "too many");
    await lab.theme("JupyterLab Dark");
    await lab.picture("8_failed_cell_dark", "too many");
    await lab.theme("JupyterLab Light");

    await lab.run("let kept");
    await lab.ended("let kept");
    await lab.run("fn half");
    await lab.ended("fn half");
    saw.compile_error = await lab.ask(() => window.lab.errors("fn half"));
    await lab.picture("9_compile_error", "fn half");

    await lab.run("hangs");
    await lab.until("it hangs", () => window.lab.text("hangs").includes("it hangs"));
    await lab.stop();
    await lab.until("Stop says what a second one does", () =>
      /Stop again/.test(window.lab.text("hangs")));
    saw.first_stop = await lab.ask(() => window.lab.text("hangs"));
    saw.still_running = await lab.ask(() => window.lab.running("hangs"));
    await lab.picture("10_stop_once", "hangs");
    saw.stop_milliseconds = await lab.stopAndWait("hangs");
    saw.second_stop = await lab.ask(() => window.lab.text("hangs"));
    await lab.picture("11_stop_twice", "hangs");
    await lab.run("the cell after");
    await lab.ended("the cell after");
    saw.after = await lab.ask(() => window.lab.text("the cell after"));
    await lab.picture("12_goes_on", "the cell after");
  },
};

/** Tab and Shift+Tab in the notebook whose variables are there. */
async function help(lab, saw) {
  const items = () =>
    [...document.querySelectorAll(".jp-Completer .jp-Completer-item .jp-Completer-match")].map(
      (item) => item.textContent.trim());
  const complete = async (name, typed) => {
    await lab.edit("to be completed");
    await lab.page.keyboard.press("Control+A");
    await lab.page.keyboard.type(`// to be completed\n${typed}`);
    await lab.page.keyboard.press("Tab");
    const shown = await lab.until(`Tab completes ${typed}`, () =>
      document.querySelectorAll(".jp-Completer:not(.lm-mod-hidden) .jp-Completer-item").length > 0,
      undefined, MINUTE / 2).catch((error) => error.message);
    saw[`${name}_shown`] = shown;
    saw[name] = await lab.ask(items);
    await lab.picture(`7_${name}`);
    await lab.page.keyboard.press("Escape");
  };
  await complete("fields", "let other = TrainConfig { ");
  await complete("methods", "history.");

  await lab.edit("to be completed");
  await lab.page.keyboard.press("Control+A");
  await lab.page.keyboard.type("// to be completed\nTrainConfig");
  await lab.page.keyboard.press("Shift+Tab");
  await lab.until("Shift+Tab shows something", () =>
    document.querySelector(".jp-Tooltip")?.textContent.trim().length > 0, undefined, MINUTE / 2)
    .catch((error) => { saw.tooltip_failed = error.message; });
  saw.tooltip = await lab.ask(() => document.querySelector(".jp-Tooltip")?.textContent ?? "");
  await lab.picture("7_tooltip");
  await lab.page.keyboard.press("Escape");
}

async function main() {
  const job = JSON.parse(readFileSync(0, "utf8"));
  const browser = await chromium.launch({ executablePath: job.chromium, args: FLAGS });
  const answer = {};
  for (const name of job.parts) {
    const lab = new Lab(browser, job);
    const started = Date.now();
    const saw = (answer[name] = {});
    try {
      await parts[name](lab, saw);
    } catch (error) {
      saw.failed = error.message;
      await lab.picture(`failed_${name}`).catch(() => {});
    }
    saw.seconds = (Date.now() - started) / 1000;
    await lab.close();
  }
  await browser.close();
  process.stdout.write(JSON.stringify(answer, null, 1));
}

await main();
