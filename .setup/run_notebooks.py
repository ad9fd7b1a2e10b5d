"""Executes the notebooks with the real kernel and leaves reports, slides and figures in build/.

    run_notebooks.py [NOTEBOOK ...]      all of notebooks/*.ipynb, in order, without arguments
    run_notebooks.py --slides            the decks again, from what was executed last

    build/notebooks/NAME.ipynb, .html    code, prose and results
    build/slides/NAME.slides.html        the same without the code, for reveal.js
    build/slides/all.slides.html         the six as one deck
    build/figures/*                      what the cells saved

Variables of the environment reach the cells: FER2013_DIR, FER_EPOCHS and the other FER_* ones.

A cell that does not compile, panics, or whose `?` meets an error ends the run, unless it is tagged
raises-exception.
"""

import argparse
import copy
import os
import re
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbconvert import HTMLExporter, SlidesExporter

ROOT = Path(__file__).resolve().parent.parent
STARTUP_SECONDS = 900  # rust-analyzer reads the dependencies: with a cold disk, minutes
NOTEBOOKS = 6

ANSI = re.compile(r"\x1b\[[0-9;]*m")


class NotebookFailed(Exception):
    """A cell failed; the text shows which, why, its source and what it printed."""


# --- executing -----------------------------------------------------------------------------------


def text_of(output):
    kind = output["output_type"]
    if kind == "stream":
        return output["text"]
    if kind == "error":
        return "\n".join(output["traceback"] or [output["evalue"]]) + "\n"
    return output.get("data", {}).get("text/plain", "") + "\n"


def report(cell, index):
    lines = enumerate(cell.source.split("\n"), 1)
    numbered = "\n".join(f"    {number:3}  {line}" for number, line in lines)
    printed = ANSI.sub("", "".join(map(text_of, cell.outputs)).rstrip())
    printed = printed.replace("\n", "\n    ") or "(nothing)"
    return f"cell {index + 1}:\n{numbered}\n  it printed:\n    {printed}"


def execute(path):
    """The notebook with its outputs, and the failure that ended it or None."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    running = []  # the cell in flight, with its index
    client = NotebookClient(
        notebook,
        kernel_name="rust",
        timeout=None,
        startup_timeout=STARTUP_SECONDS,
        resources={"metadata": {"path": str(path.parent)}},
        on_cell_start=lambda cell, cell_index: running.append((cell, cell_index)),
    )
    try:
        client.execute()
    except CellExecutionError:
        return notebook, NotebookFailed(report(*running[-1]))
    except (KeyboardInterrupt, AssertionError):  # the latter is nbclient's way to say it
        return notebook, NotebookFailed("stopped by the user")
    except (DeadKernelError, RuntimeError) as error:
        where = f" in {report(*running[-1])}" if running else ""
        return notebook, NotebookFailed(f"the kernel ended: {error}{where}")
    return notebook, None


# --- reports -------------------------------------------------------------------------------------


def has_picture(cell):
    kinds = [kind for o in cell.get("outputs", []) for kind in o.get("data", {})]
    html = "".join(str(o.get("data", {}).get("text/html", "")) for o in cell.get("outputs", []))
    return any(kind.startswith("image/") for kind in kinds) or "<svg" in html or "<img" in html


def as_slides(notebook):
    """A slide a heading and one a picture, where the notebook does not say it itself."""
    slides = copy.deepcopy(notebook)
    if any(cell.metadata.get("slideshow") for cell in slides.cells):
        return slides
    for cell in slides.cells:
        kind = "-"
        if cell.cell_type == "markdown" and re.match(r"#{1,2} ", cell.source.lstrip()):
            kind = "slide"
        elif cell.cell_type == "code" and not cell.outputs:
            kind = "skip"
        elif cell.cell_type == "code" and has_picture(cell):
            kind = "subslide"
        cell.metadata["slideshow"] = {"slide_type": kind}
    return slides


def resources(name):
    return {"metadata": {"name": name, "path": str(ROOT / "notebooks")}}


def write_reports(notebook, name, out):
    pages = out / "notebooks"
    pages.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, pages / f"{name}.ipynb")
    html, _ = HTMLExporter(embed_images=True).from_notebook_node(notebook, resources(name))
    (pages / f"{name}.html").write_text(html, encoding="utf-8")
    write_deck(as_slides(notebook), name, out)


def write_deck(slides, name, out):
    decks = out / "slides"
    decks.mkdir(parents=True, exist_ok=True)
    options = {"exclude_input": True, "reveal_scroll": True, "embed_images": True}
    # Put there by the set-up where npm is installed; from the network otherwise.
    if (decks / "reveal.js").is_dir() and (decks / "requirejs").is_dir():
        options["reveal_url_prefix"] = "reveal.js"
        options["require_js_url"] = "requirejs/require.js"
    deck, _ = SlidesExporter(**options).from_notebook_node(slides, resources(name))
    (decks / f"{name}.slides.html").write_text(deck, encoding="utf-8")


def write_decks(out):
    """The decks of the notebooks that were executed last, and one of all of them."""
    executed = sorted((out / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    if not executed:
        print(f"slides: no executed notebook in {out / 'notebooks'}; run `make run` first", file=sys.stderr)
        return 1
    whole = None
    for path in executed:
        slides = as_slides(nbformat.read(path, as_version=4))
        write_deck(slides, path.stem, out)
        if whole is None:
            whole = slides
        else:
            whole.cells.extend(slides.cells)
    write_deck(whole, "all", out)
    print(f"slides: {len(executed)} decks, and all of them in {out / 'slides' / 'all.slides.html'}")
    return 0


def figures_folder():
    return ROOT / (os.environ.get("FER_FIGURES_DIR") or "build/figures")


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Executes the notebooks.")
    parser.add_argument("notebooks", nargs="*", type=Path)
    parser.add_argument("--out", type=Path, default=ROOT / "build")
    parser.add_argument("--slides", action="store_true", help="only write the decks again")
    options = parser.parse_args(arguments)
    if options.slides:
        return write_decks(options.out)
    every = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    paths = [path.resolve() for path in options.notebooks] or every
    if not options.notebooks and len(every) != NOTEBOOKS:
        print(f"run: found {len(every)} notebooks in notebooks/, not {NOTEBOOKS}", file=sys.stderr)
        return 1
    os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")

    began, wall = time.monotonic(), time.time()
    for path in paths:
        print(f"  ... {path.stem}", flush=True)
        started = time.monotonic()
        notebook, failure = execute(path)
        write_reports(notebook, path.stem, options.out)
        seconds = time.monotonic() - started
        if failure:
            page = options.out / "notebooks" / f"{path.stem}.html"
            print(f"  FAILED {path.name}, {failure}\n  So far: {page}", file=sys.stderr)
            return 1
        cells = sum(cell.cell_type == "code" for cell in notebook.cells)
        print(f"  ok  {path.stem}: {cells} cells, {seconds:.0f} s", flush=True)

    if not options.notebooks:
        new = [
            path
            for path in figures_folder().rglob("*")
            if path.suffix in (".svg", ".png") and path.stat().st_mtime >= wall - 1
        ]
        bad = [path.name for path in new if path.stat().st_size == 0]
        if bad or not new:
            what = f"empty figures: {', '.join(bad)}" if bad else "the notebooks saved no figure"
            print(f"run: {what} (in {figures_folder()})", file=sys.stderr)
            return 1
        print(f"  {len(new)} figures in {figures_folder()}")
        write_decks(options.out)
    print(f"run: done in {time.monotonic() - began:.0f} s; reports in {options.out / 'notebooks'}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("run: stopped by the user")
