"use strict";
// Fits each slide into 1280 × 720, then shows them one at a time. Nothing is loaded.

const WIDTH = 1280, HEIGHT = 720;
const SMALLEST_TEXT = 24, SMALLEST_JOINED = 25, SMALLEST_TABLE = 19, SMALLEST_CODE = 20;

const high = (body) => body.scrollHeight > body.clientHeight + 1;
const wide = (body) => body.scrollWidth > body.clientWidth + 1 ||
  [...body.querySelectorAll("pre")].some((pre) => pre.scrollWidth > pre.clientWidth + 1);
const size = (node) => parseFloat(getComputedStyle(node).fontSize);

/** Makes the letters smaller, down to a size that can be read from the last row. */
function shrink(body, smallest, overflows) {
  for (let now = size(body); overflows(body) && now > smallest; now -= 1) body.style.fontSize = `${now - 1}px`;
}

/** Moves the end of a block to the front of another one until the rest fits; words stay whole. */
function moveEnd(from, to, overflows) {
  while (overflows() && from.lastChild) {
    const last = from.lastChild;
    if (last.nodeType === Node.TEXT_NODE) {
      const words = last.data.split(/(?<=\s)/);
      if (words.length < 2 && !last.data.trim()) { last.remove(); continue; }
      const moved = document.createTextNode("");
      to.prepend(moved);
      while (overflows() && words.length) {
        moved.data = words.pop() + moved.data;
        last.data = words.join("");
      }
      if (!words.length) last.remove();
    } else if (/^(UL|OL|BLOCKQUOTE|DIV)$/.test(last.tagName) ||
               (last === from.firstElementChild && !/^(H\d|CODE|IMG)$/.test(last.tagName))) {
      const rest = last.cloneNode(false);
      to.prepend(rest);
      moveEnd(last, rest, overflows);
      if (rest.tagName === "OL") rest.start = (last.start || 1) + last.children.length;
      if (!rest.hasChildNodes()) rest.remove();
      if (!last.hasChildNodes()) last.remove();
    } else {
      to.prepend(last);
    }
  }
}

/** Cuts lines off a block of code, and says how many. */
function cutCode(pre, overflows) {
  const lines = pre.textContent.replace(/\n$/, "").split("\n");
  const all = lines.length;
  while (overflows() && lines.length > 3) {
    lines.pop();
    pre.textContent = `${lines.join("\n")}\n… ${all - lines.length} more`;
  }
}

/** A text that is too long continues on the next slide. */
function fitText(section) {
  const body = section.querySelector(".body");
  shrink(body, SMALLEST_TEXT, high);
  for (const pre of body.querySelectorAll("pre")) {
    for (let now = size(pre); pre.scrollWidth > pre.clientWidth + 1 && now > SMALLEST_CODE; now -= 1) {
      pre.style.fontSize = `${now - 1}px`;
    }
    if (pre.scrollWidth > pre.clientWidth + 1) pre.style.whiteSpace = "pre-wrap";
  }
  for (const table of body.querySelectorAll("table")) {
    for (let now = size(table); wide(body) && now > SMALLEST_TABLE; now -= 1) table.style.fontSize = `${now - 1}px`;
  }
  if (wide(body)) body.style.overflowWrap = "anywhere"; // a word longer than a slide
  for (const block of [...body.children]) {
    // What would not fit a slide of its own is cut; the rest moves there whole.
    const alone = () => block.offsetHeight > body.clientHeight - 8;
    if (block.tagName === "PRE") cutCode(block, alone);
    if (block.tagName === "TABLE") cutRows(block, alone);
  }
  if (!high(body)) return;
  body.style.fontSize = ""; // two slides have room for large letters
  const next = section.cloneNode(true);
  next.classList.replace("title", "text");
  const rest = next.querySelector(".body");
  rest.textContent = "";
  rest.style.fontSize = "";
  const heading = next.querySelector("h2");
  if (heading && !heading.querySelector("small")) {
    heading.insertAdjacentHTML("beforeend", " <small>continued</small>");
  }
  const before = body.textContent.length;
  moveEnd(body, rest, () => high(body));
  // A line that only announces what is now on the next slide goes there as well.
  const last = body.lastElementChild;
  if (last && last !== body.firstElementChild && /:\s*$/.test(last.textContent)) rest.prepend(last);
  section.after(next);
  if (rest.textContent.trim() && rest.textContent.length < before) fitText(next);
  else if (!rest.textContent.trim() && !rest.querySelector("img")) next.remove();
}

function cutRows(table, overflows) {
  const rows = [...table.querySelectorAll("tbody tr")];
  const more = document.createElement("tr");
  const columns = Math.max(1, ...[...table.rows].map((row) => row.cells.length));
  let cut = 0;
  while (overflows() && rows.length > 1) {
    rows.pop().remove();
    cut += 1;
    more.innerHTML = `<td class="more" colspan="${columns}">… ${cut} more</td>`;
    rows[0].parentNode.append(more);
  }
}

/** Columns that no letters are small enough for. */
function cutColumns(table, overflows) {
  let cut = 0;
  while (overflows() && table.rows[0]?.cells.length > 2) {
    const at = table.rows[0].cells.length - (cut ? 2 : 1);
    cut += 1;
    [...table.rows].forEach((row, index) => {
      if (cut > 1) row.cells[at]?.remove();
      else if (row.cells[at]) row.cells[at].replaceChildren();
      const last = row.cells[row.cells.length - 1];
      if (index === 0 && last) { last.textContent = `… ${cut} more`; last.className = "more"; }
    });
  }
}

function fitTable(section) {
  const body = section.querySelector(".body");
  shrink(body, SMALLEST_TABLE, (it) => high(it) || wide(it));
  if (wide(body)) body.classList.add("wraps");
  const tables = [...body.querySelectorAll("table")];
  for (const table of tables) if (wide(body)) cutColumns(table, () => wide(body));
  for (const table of tables.reverse()) cutRows(table, () => high(body));
  if (wide(body)) body.style.overflowWrap = "anywhere";
  cutBlocks(body);
}

/** Cuts what follows the tables, such as notes. */
function cutBlocks(body) {
  let box = body;
  while (box.children.length === 1 && !/^(TABLE|P|PRE)$/.test(box.firstElementChild.tagName)) {
    box = box.firstElementChild;
  }
  const more = document.createElement("div");
  more.className = "more";
  let cut = 0;
  while (high(body) && box.children.length > (cut ? 2 : 1)) {
    (cut ? more.previousElementSibling : box.lastElementChild).remove();
    cut += 1;
    more.textContent = `… ${cut} more`;
    box.append(more);
  }
  if (!high(body)) return;
  const rest = document.createElement("div");
  box.append(more);
  moveEnd(box.firstElementChild ?? box, rest, () => high(body));
  more.textContent = `… ${rest.textContent.trim().split(/\s+/).length} more words`;
  moveEnd(box.firstElementChild ?? box, rest, () => high(body));
}

/** A text and the table below it as one slide, if both fit in letters of a good size. */
function join(section) {
  const table = section.nextElementSibling;
  const body = section.querySelector(".body");
  const before = [...body.childNodes].map((node) => node.cloneNode(true));
  body.append(...[...table.querySelector(".body").childNodes].map((node) => node.cloneNode(true)));
  body.style.fontSize = `${SMALLEST_JOINED}px`;
  const fits = !high(body) && !wide(body);
  body.style.fontSize = "";
  if (fits) table.remove();
  else body.replaceChildren(...before);
}

function fitStrip(section) {
  const strip = section.querySelector(".strip");
  if (strip) for (let now = size(strip); strip.offsetHeight > 120 && now > 18; now -= 1) strip.style.fontSize = `${now - 1}px`;
}

const stage = document.querySelector(".slides");
document.documentElement.classList.add("shown");
for (const section of [...stage.querySelectorAll("[data-joins]")]) join(section);
for (const section of [...stage.children]) {
  fitStrip(section);
  if (section.classList.contains("table")) fitTable(section);
  else if (!section.classList.contains("figure")) fitText(section);
}
const slides = [...stage.children];
slides.forEach((slide, index) => {
  slide.insertAdjacentHTML("beforeend", `<div class="number">${index + 1} / ${slides.length}</div>`);
});

let now = -1;
function show(index) {
  index = Math.max(0, Math.min(slides.length - 1, index));
  if (index === now || !slides.length) return;
  slides[now]?.classList.remove("present");
  now = index;
  slides[now].classList.add("present");
  history.replaceState(null, "", `#/${now}`);
}
function scale() {
  const factor = Math.min(innerWidth / WIDTH, innerHeight / HEIGHT);
  stage.style.transform = `scale(${factor}) translate(-50%, -50%)`;
}
const fromAddress = () => show(parseInt(location.hash.slice(2), 10) || 0);
const KEYS = {
  ArrowRight: 1, ArrowDown: 1, PageDown: 1, " ": 1, Enter: 1, n: 1, l: 1, j: 1,
  ArrowLeft: -1, ArrowUp: -1, PageUp: -1, Backspace: -1, p: -1, h: -1, k: -1,
};
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "f") return void document.documentElement.requestFullscreen?.();
  if (event.key === "Home") show(0);
  else if (event.key === "End") show(slides.length - 1);
  else if (event.key in KEYS) show(now + (event.shiftKey && event.key === " " ? -1 : KEYS[event.key]));
  else return;
  event.preventDefault();
});
let touched = 0;
addEventListener("touchstart", (event) => { touched = event.changedTouches[0].clientX; });
addEventListener("touchend", (event) => {
  const moved = event.changedTouches[0].clientX - touched;
  if (Math.abs(moved) > 40) show(now + (moved < 0 ? 1 : -1));
});
addEventListener("hashchange", fromAddress);
addEventListener("resize", scale);
scale();
fromAddress();
