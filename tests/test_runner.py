"""The notebook runner tells cells that failed from those that did not, with the real kernel.

What each failure looks like is tested in test_kernel.py.
"""

import asyncio

import nbformat
import pytest
import run_notebooks

MAY_FAIL = {"tags": ["raises-exception"]}

CELLS = {
    "a value": ("let half = 21;\nhalf * 2", {}),
    "a warning": ('// first a comment\neprintln!("thread \'x\' panicked at nothing");', {}),
    "only an item": ("fn twice(x: i32) -> i32 { x * 2 }", {}),
    "a `?` that met an error": ('let number: i32 = "many".parse()?;', MAY_FAIL),
    "a `?` at the end": ('"many".parse::<i32>()?', MAY_FAIL),
    "a panic": ('println!("before");\npanic!("on purpose");', MAY_FAIL),
    "not Rust": ('let number: i32 = "a";', MAY_FAIL),
    "variables are kept": ("assert_eq!(twice(half), 42);", {}),
    "the process ends": ("std::process::exit(3);", MAY_FAIL),
    "and goes on": ('println!("{}", twice(2));', {}),
    "not to fail": ("let number: i32 =\n    \"many\".parse()?;", {}),
    "never reached": ('println!("too far");', {}),
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A notebook of these cells, executed: one kernel for all the tests."""
    path = tmp_path_factory.mktemp("runner") / "cells.ipynb"
    notebook = nbformat.v4.new_notebook()
    notebook.cells.append(nbformat.v4.new_markdown_cell("# Cells\n\nthat fail and do not."))
    for source, metadata in CELLS.values():
        notebook.cells.append(nbformat.v4.new_code_cell(source, metadata=metadata))
    nbformat.write(notebook, path)
    executed, failure = asyncio.run(run_notebooks.execute(path))
    outputs = {name: cell.outputs for name, cell in zip(CELLS, executed.cells[1:])}
    return executed, outputs, failure


def test_cells_that_ran_are_not_accused(ran):
    _, outputs, _ = ran
    for name in ("a value", "a warning", "only an item", "variables are kept", "and goes on"):
        assert not any(o["output_type"] == "error" for o in outputs[name]), name
    assert run_notebooks.text_of(outputs["a value"][-1]).strip() == "42"
    assert "panicked at nothing" in run_notebooks.text_of(outputs["a warning"][0])


def test_each_way_to_fail_is_told_apart(ran):
    _, outputs, _ = ran
    names = {
        name: [o["ename"] for o in outputs[name] if o["output_type"] == "error"] for name in outputs
    }
    assert names["a `?` that met an error"] == names["a `?` at the end"] == ["Error"]
    assert names["a panic"] == ["Panic"]
    assert names["not Rust"] == ["CompileError"]
    assert names["the process ends"] == ["ProcessEnded"]


def test_the_first_unexpected_failure_ends_the_notebook(ran):
    executed, outputs, failure = ran
    text = str(failure)
    assert text.startswith("cell 12:")
    assert "  2      \"many\".parse()?;" in text
    assert "invalid digit found in string" in text
    assert outputs["never reached"] == []
    # What the runner adds to a cell is not left in it.
    assert [cell.source for cell in executed.cells[1:]] == [source for source, _ in CELLS.values()]


def test_a_failure_leaves_the_report_so_far_and_says_where(ran, tmp_path, monkeypatch, capsys):
    executed, _, failure = ran

    async def execute(path, twice):
        return executed, failure

    monkeypatch.setattr(run_notebooks, "execute", execute)
    status = run_notebooks.main(["cells.ipynb", "--out", str(tmp_path)])
    said = capsys.readouterr().err
    assert status == 1
    assert "FAILED cells.ipynb, cell 12" in said
    page = (tmp_path / "notebooks" / "cells.html").read_text()
    assert "that fail and do not" in page and "before" in page


def test_slides_hide_the_code(ran, tmp_path):
    run_notebooks.write_reports(ran[0], "cells", tmp_path)
    slides = (tmp_path / "slides" / "cells.slides.html").read_text()
    assert "that fail and do not" in slides
    assert "eprintln" not in slides
    assert "eprintln" in (tmp_path / "notebooks" / "cells.html").read_text()


def test_the_second_run_of_a_cell_leaves_nothing_but_is_blamed():
    cells = [
        nbformat.v4.new_markdown_cell("# Cells"),
        nbformat.v4.new_code_cell("one", metadata={"tags": ["raises-exception"]}),
        nbformat.v4.new_code_cell("two"),
    ]
    notebook = nbformat.v4.new_notebook(cells=list(run_notebooks.doubled(cells)))
    nbformat.validate(notebook)
    assert [cell.source for cell in notebook.cells] == ["# Cells", "one", "one", "two", "two"]
    assert notebook.cells[2].metadata.tags == ["raises-exception"]
    assert run_notebooks.without_copies(notebook.cells) == cells
    assert run_notebooks.failed(notebook, notebook.cells[3], 3).startswith("cell 3:")
    assert run_notebooks.failed(notebook, notebook.cells[4], 4).startswith("the second time, cell 3:")


def test_a_failure_ends_the_notebooks_beside_it(ran, tmp_path, monkeypatch, capsys):
    executed, _, failure = ran
    ended = []

    async def execute(path, twice):
        if path.name.startswith("01"):
            return executed, failure
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append(path.name[:2])
            raise

    monkeypatch.setattr(run_notebooks, "execute", execute)
    monkeypatch.setattr(run_notebooks.os, "sched_getaffinity", lambda process: {0, 1})
    assert run_notebooks.main(["--out", str(tmp_path)]) == 1
    assert ended == ["04"]
    assert "FAILED 01_project_prep.ipynb" in capsys.readouterr().err
