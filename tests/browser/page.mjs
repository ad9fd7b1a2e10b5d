// JupyterLab's page as the test sees it: notebooks, cells, and waiting for what they show.

import { mkdirSync } from "node:fs";
import { join } from "node:path";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
// A cell is compiled first, and the machine may be busy; what is quick is measured and not awaited.
const PATIENCE = 3 * MINUTE;

// Runs in the page, before JupyterLab. The lookup goes through JupyterLab's own objects, because a
// cell far from the view need not be drawn; what is looked at is the page, as the user sees it.
function helpers() {
  const notebook = () => window.jupyterapp?.shell.currentWidget?.content;
  const cells = () => notebook()?.widgets ?? [];
  const named = (text) => {
    const found = cells().filter((cell) => cell.model.sharedModel.getSource().includes(text));
    const code = found.filter((cell) => cell.model.type === "code");
    if (code.length !== 1) throw new Error(`${code.length} code cells contain ${JSON.stringify(text)}`);
    return code[0];
  };
  const outputs = (text) => [...named(text).node.querySelectorAll(".jp-OutputArea-output")];
  window.lab = {
    cells,
    node: (text) => named(text).node,
    select: (text) => {
      notebook().activeCellIndex = cells().indexOf(named(text));
      notebook().deselectAll();
    },
    // "[ ]:" before a cell runs, "[*]:" while it does or waits, "[7]:" afterwards.
    prompt: (text) => named(text).node.querySelector(".jp-InputArea-prompt").textContent.trim(),
    running: (text) => window.lab.prompt(text).includes("*"),
    text: (text) => outputs(text).map((output) => output.textContent).join("\n"),
    errors: (text) =>
      [...named(text).node.querySelectorAll("[data-mime-type='application/vnd.jupyter.error'], " +
        "[data-mime-type='application/vnd.jupyter.stderr']")].map((output) => output.textContent),
    allErrors: () => [...document.querySelectorAll(
      ".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error']")].map(
      (output) => output.textContent),
    // The pictures among a cell's outputs, as markup.
    pictures: (text) => outputs(text).flatMap((output) =>
      [...output.querySelectorAll("svg, img")].map((picture) => picture.outerHTML)),
    // The mark in the toolbar says idle before there is a kernel at all, so both are asked.
    ready: () => {
      const kernel = window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel;
      const mark = document.querySelector(
        ".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook-ExecutionIndicator");
      return cells().length > 0 && kernel?.connectionStatus === "connected" &&
        kernel.status === "idle" && mark?.dataset.status === "idle";
    },
  };
}

export class Lab {
  constructor(browser, job) {
    this.browser = browser;
    this.job = job;
    mkdirSync(job.pictures, { recursive: true });
  }

  /** Opens a notebook in a window of its own and waits until its kernel is idle. */
  async open(path) {
    const context = await this.browser.newContext({ viewport: { width: 1400, height: 1300 } });
    this.page = await context.newPage();
    this.page.setDefaultTimeout(30 * SECOND);
    // JupyterLab asks before it leaves a notebook that is not saved.
    this.page.on("dialog", (dialog) => dialog.accept().catch(() => {}));
    await this.page.addInitScript(helpers);
    await this.page.goto(`${this.job.url}/lab/tree/${path}?token=${this.job.token}&reset`);
    await this.until("the kernel is ready", () => window.lab.ready(), undefined, 5 * MINUTE);
  }

  async close() {
    await this.page?.context().close();
    this.page = undefined;
  }

  /** Waits until a condition holds in the page; says what it waited for where it never does. */
  async until(what, condition, argument, timeout = PATIENCE) {
    try {
      const handle = await this.page.waitForFunction(condition, argument, { timeout, polling: 50 });
      return await handle.jsonValue();
    } catch (error) {
      throw new Error(`waited ${timeout / SECOND} s until ${what}: ${error.message.split("\n")[0]}`);
    }
  }

  ask(question, argument) {
    return this.page.evaluate(question, argument);
  }

  /** A screenshot with a cell in the middle, or at the bottom with what is above it. */
  async picture(name, cell, block = "center") {
    if (cell) {
      await this.ask(([text, place]) => window.lab.node(text).scrollIntoView({ block: place }),
        [cell, block]);
    }
    await this.page.screenshot({ path: join(this.job.pictures, `${name}.png`) });
  }

  /** A command of the menu bar, by the names that it shows. */
  async menu(name, command) {
    await this.page.locator(".lm-MenuBar-item", { hasText: new RegExp(`^${name}$`) }).click();
    const item = this.page.locator(`.lm-Menu-item[data-command="${command}"]`);
    await item.click();
  }

  runAll() {
    return this.menu("Run", "runmenu:run-all");
  }

  /** Runs one cell with Ctrl+Enter, as a user does who stays in it. */
  async run(cell) {
    await this.edit(cell);
    await this.page.keyboard.press("Control+Enter");
  }

  /** The Stop button of the toolbar. */
  async stop() {
    await this.page
      .locator(".jp-NotebookPanel:not(.lm-mod-hidden) [data-command='notebook:interrupt-kernel']")
      .first()
      .click();
  }

  /** The same, and the milliseconds from the click until the cell has ended. */
  async stopAndWait(cell, timeout = PATIENCE) {
    await this.ask((text) => {
      window.addEventListener("click", () => {
        const clicked = performance.now();
        const look = setInterval(() => {
          if (window.lab.running(text)) return;
          clearInterval(look);
          window.lab.stoppedAfter = performance.now() - clicked;
        }, 5);
      }, { capture: true, once: true });
      window.lab.stoppedAfter = 0;
    }, cell);
    await this.stop();
    await this.until("the cell ends after Stop", () => window.lab.stoppedAfter > 0, undefined, timeout);
    return Math.round(await this.ask(() => window.lab.stoppedAfter));
  }

  async ended(cell, timeout = PATIENCE) {
    await this.until(
      `the cell with ${JSON.stringify(cell)} ends`,
      (text) => /^\[\d+\]:$/.test(window.lab.prompt(text)),
      cell,
      timeout,
    );
  }

  /** Waits until no cell runs or waits, be it that all have run or that one failed. */
  async idle(timeout = PATIENCE) {
    await this.until(
      "no cell runs any more",
      () => window.lab.ready() && ![...document.querySelectorAll(".jp-InputArea-prompt")].some(
        (prompt) => prompt.textContent.includes("*")),
      undefined,
      timeout,
    );
  }

  /** Puts the cursor at the end of a cell. */
  async edit(cell) {
    await this.ask((text) => {
      window.lab.select(text);
      window.lab.node(text).scrollIntoView({ block: "center" });
    }, cell);
    const node = await this.page.evaluateHandle((text) => window.lab.node(text), cell);
    await (await node.asElement().$(".cm-content")).click();
    await this.page.keyboard.press("Control+End");
  }

  async theme(name) {
    await this.ask((theme) => window.jupyterapp.commands.execute("apputils:change-theme", { theme }), name);
    // JupyterLab covers the page while it changes its colours.
    await this.until("the theme is there", (light) =>
      document.body.dataset.jpThemeLight === light && !document.querySelector("#jupyterlab-splash"),
      String(!name.includes("Dark")));
  }
}
