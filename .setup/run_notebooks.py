"""Executes the notebooks with the real kernel and writes reports, slides and figures to build/.

    run_notebooks.py [NOTEBOOK ...]      these in order; without arguments all of notebooks/*.ipynb, 1 to 3
                                         in parallel with 4 to 6, which use the run that 4 trains
    run_notebooks.py --twice             each code cell twice in a row, to check that it can be run again
    run_notebooks.py --slides            only the decks, from the last execution

    build/notebooks/NAME.ipynb, .html    code, prose and results
    build/slides/NAME.slides.html        a deck: prose, figures and tables, without code and logs
    build/slides/all.slides.html         the six as one deck
    build/figures/*                      the figures that cells saved

Cells can read the variables of the environment: FER2013_DIR, FER_EPOCHS and the other FER_* ones.

The run ends at a cell that does not compile, panics, or whose `?` meets an error, unless the cell is tagged
raises-exception.
"""

import argparse
import asyncio
import os
import re
import sys
import time
from pathlib import Path

import nbformat
import slides
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbconvert import HTMLExporter

ROOT = Path(__file__).resolve().parent.parent
STARTUP_SECONDS = 900  # rust-analyzer reads the dependencies: with a cold disk, minutes
# Those of a lane use what the ones before them leave in runs/. Cells compile on one core most of the time.
LANES = (("01", "02", "03"), ("04", "05", "06"))

ANSI = re.compile(r"\x1b\[[0-9;]*m")


class NotebookFailed(Exception):
    """A cell failed; the text shows the cell, the reason, its source and its output."""


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


AGAIN = "fer_nb_again"  # marks a cell that is a copy of the one before


def doubled(cells):
    """The cells with each code cell twice. The copies run and are not kept."""
    for cell in cells:
        yield cell
        if cell.cell_type == "code":
            again = nbformat.v4.new_code_cell(cell.source)
            again.metadata[AGAIN] = True
            again.metadata.tags = cell.metadata.get("tags", [])
            yield again


def without_copies(cells):
    return [cell for cell in cells if not cell.metadata.get(AGAIN)]


async def execute(path, twice=False):
    """The notebook with its outputs, and the failure that ended it or None."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    if twice:
        notebook.cells = list(doubled(notebook.cells))
    failure = await run_cells(notebook, path)
    notebook.cells = without_copies(notebook.cells)
    return notebook, failure


async def run_cells(notebook, path):
    """Executes the cells in place. The failure that ended it, or None."""
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
        await client.async_execute()
    except CellExecutionError:
        return NotebookFailed(failed(notebook, *running[-1]))
    except AssertionError:  # nbclient's way to say it
        return NotebookFailed("stopped by the user")
    except (DeadKernelError, RuntimeError) as error:
        where = f" in {failed(notebook, *running[-1])}" if running else ""
        return NotebookFailed(f"the kernel ended: {error}{where}")
    return None


def failed(notebook, cell, index):
    """The report of a cell, by its place in the notebook without copies."""
    place = len(without_copies(notebook.cells[: index + 1])) - 1
    again = "the second time, " if cell.metadata.get(AGAIN) else ""
    return again + report(cell, place)


# --- reports -------------------------------------------------------------------------------------


def resources(name):
    return {"metadata": {"name": name, "path": str(ROOT / "notebooks")}}


def write_reports(notebook, name, out):
    pages = out / "notebooks"
    pages.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, pages / f"{name}.ipynb")
    html, _ = HTMLExporter(embed_images=True).from_notebook_node(notebook, resources(name))
    (pages / f"{name}.html").write_text(local(html, notebook), encoding="utf-8")
    write_deck(notebook, name, out)


def local(page, notebook):
    """The page without scripts of the network: none of our outputs needs one, and formulas only MathJax."""
    formulas = any("$" in cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return re.sub(
        r'<script\b[^>]*\bsrc="https?://[^"]*"[^>]*>\s*</script>',
        lambda script: script[0] if formulas and "mathjax" in script[0].lower() else "",
        page,
    )


def write_deck(notebook, name, out):
    decks = out / "slides"
    decks.mkdir(parents=True, exist_ok=True)
    page = slides.deck(notebook, title_of(notebook, name), ROOT / "notebooks")
    (decks / f"{name}.slides.html").write_text(page, encoding="utf-8")


def title_of(notebook, name):
    first = notebook.cells[0].source.split("\n")[0] if notebook.cells else ""
    return first.removeprefix("# ").strip() or name


def write_decks(out):
    """The decks of the notebooks that were executed last, and one of all of them."""
    executed = sorted((out / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    if not executed:
        print(f"slides: no executed notebook in {out / 'notebooks'}; run `make run` first", file=sys.stderr)
        return 1
    whole = nbformat.v4.new_notebook()
    for path in executed:
        notebook = nbformat.read(path, as_version=4)
        write_deck(notebook, path.stem, out)
        whole.cells.extend(notebook.cells)
    write_deck(whole, "all", out)
    print(f"slides: {len(executed)} decks, and all of them in {out / 'slides' / 'all.slides.html'}")
    return 0


def figures_folder():
    return ROOT / (os.environ.get("FER_FIGURES_DIR") or "build/figures")


class Stopped(Exception):
    """A notebook of a lane failed, and that was said."""


async def run_lane(paths, options):
    """Executes notebooks one after the other and writes their reports. Raises Stopped at the first failure."""
    for path in paths:
        print(f"  ... {path.stem}", flush=True)
        started = time.monotonic()
        notebook, failure = await execute(path, options.twice)
        write_reports(notebook, path.stem, options.out)
        seconds = time.monotonic() - started
        if failure:
            page = options.out / "notebooks" / f"{path.stem}.html"
            print(f"  FAILED {path.name}, {failure}\n  So far: {page}", file=sys.stderr)
            raise Stopped
        cells = sum(cell.cell_type == "code" for cell in notebook.cells)
        print(f"  ok  {path.stem}: {cells} cells, {seconds:.0f} s", flush=True)


async def run_lanes(lanes, options):
    """The lanes side by side; the first failure ends all. Raises Stopped."""
    tasks = [asyncio.ensure_future(run_lane(paths, options)) for paths in lanes]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)  # their kernels end


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Executes the notebooks.")
    parser.add_argument("notebooks", nargs="*", type=Path)
    parser.add_argument("--out", type=Path, default=ROOT / "build")
    parser.add_argument(
        "--twice",
        action="store_true",
        default=os.environ.get("FER_CELLS_TWICE") == "1",
        help="run each code cell twice in a row (also FER_CELLS_TWICE=1)",
    )
    parser.add_argument("--slides", action="store_true", help="only write the decks again")
    options = parser.parse_args(arguments)
    if options.slides:
        return write_decks(options.out)
    every = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    lanes = [[path for path in every if path.name[:2] in numbers] for numbers in LANES]
    if options.notebooks:
        lanes = [[path.resolve() for path in options.notebooks]]
    elif sorted(path.name[:2] for path in every) != sorted(sum(LANES, ())):
        print(f"run: expected one notebook for each of {sum(LANES, ())} in notebooks/", file=sys.stderr)
        return 1
    elif len(os.sched_getaffinity(0)) == 1:
        lanes = [every]
    os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")

    began, wall = time.monotonic(), time.time()
    try:
        asyncio.run(run_lanes(lanes, options))
    except Stopped:
        return 1

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
