"""The six notebooks as files, and executed with the real kernel on the made-up sample."""

import os
import subprocess
import sys

import nbformat
import pytest

NAMES = [
    "01_project_prep",
    "02_data_preparation",
    "03_modeling",
    "04_training",
    "05_validation",
    "06_deployment_results",
]
MOST_LINES = 12


def read(root, name):
    return nbformat.read(root / "notebooks" / f"{name}.ipynb", as_version=4)


def test_there_are_the_six_and_no_other(root):
    found = sorted(path.stem for path in (root / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    assert found == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_is_kept_without_outputs(root, name):
    notebook = read(root, name)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "rust"
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            assert not cell.outputs and cell.execution_count is None, f"cell {index + 1}"


@pytest.mark.parametrize("name", NAMES)
def test_cells_are_short_and_have_prose_above(root, name):
    cells = read(root, name).cells
    assert cells[0].cell_type == "markdown" and cells[0].source.startswith("# ")
    for index, cell in enumerate(cells):
        if cell.cell_type == "code":
            where = f"cell {index + 1}:\n{cell.source}"
            assert 0 < len(cell.source.splitlines()) <= MOST_LINES, where
            assert cells[index - 1].cell_type == "markdown", where
            assert cells[index - 1].source.strip(), where


@pytest.mark.parametrize("name", NAMES)
def test_begins_with_the_crate(root, name):
    code = [cell.source for cell in read(root, name).cells if cell.cell_type == "code"]
    assert code[0].startswith(':dep fer_nb = { path = "../fer_nb" }'), code[0]


@pytest.mark.skipif("FER_NOTEBOOKS_RUN_LATER" in os.environ, reason="`make run` follows")
def test_every_cell_runs_twice_in_a_row_on_the_sample(root, tmp_path):
    environment = {
        **os.environ,
        "FER_EPOCHS": "1",
        "FER_CELLS_TWICE": "1",  # a cell that can't be run again ends it
        "FER_RUNS_DIR": str(tmp_path / "runs"),
        "FER_FIGURES_DIR": str(tmp_path / "figures"),
    }
    environment.pop("FER2013_DIR", None)
    done = subprocess.run(
        [sys.executable, root / ".setup" / "run_notebooks.py", "--out", tmp_path],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for name in NAMES:
        assert (tmp_path / "notebooks" / f"{name}.html").stat().st_size > 10_000
        assert (tmp_path / "slides" / f"{name}.slides.html").stat().st_size > 10_000
