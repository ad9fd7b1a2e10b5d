"""Notebooks and programs outside of notebooks/: the first cell works in any folder. With real kernels."""

import json
import os
import subprocess
import sys

import dep
import nbformat
import new_notebook
import pytest
from jupyter_client import KernelManager
from test_kernel import READY_SECONDS
from toolchain import CRATE, VENV


@pytest.mark.parametrize(
    "cell",
    (":dep fer_nb", '  :dep  fer_nb = "0.1"', "let a = 1;\n:dep fer_nb \nuse fer_nb::prelude::*;"),
)
def test_the_crate_is_found_by_its_name(cell):
    made = dep.with_path(cell)
    assert f"fer_nb = {{ path = {json.dumps(str(CRATE))} }}" in made
    assert made.count("\n") == cell.count("\n")


@pytest.mark.parametrize(
    "cell",
    (':dep fer_nb = { path = "../fer_nb" }', ":dep fer_nb_more", "// :dep fer_nb", ":dep csv"),
)
def test_other_crates_and_paths_stay(cell):
    assert dep.with_path(cell) == cell


def make_notebook(root, *arguments):
    command = [sys.executable, root / ".setup" / "new_notebook.py", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_new_notebook_takes_no_name_twice_and_no_place_outside(root, tmp_path):
    assert make_notebook(root, "try", tmp_path).returncode == 0
    nbformat.validate(nbformat.read(tmp_path / "try.ipynb", as_version=4))
    again = make_notebook(root, "try.ipynb", tmp_path)
    assert again.returncode == 1 and "is there already" in again.stderr
    for name in ("../try", "a/b", "", ".hidden", "a b"):
        refused = make_notebook(root, name, tmp_path)
        assert refused.returncode == 2 and "expected letters" in refused.stderr
    gone = make_notebook(root, "try", tmp_path / "gone")
    assert gone.returncode == 1 and "No such file" in gone.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["try.ipynb"]


def jupyter(command, folder, *arguments):
    """A command of Jupyter's in a folder that is not the project's, on the made-up sample."""
    env = {name: value for name, value in os.environ.items() if name != "FER2013_DIR"}
    program = VENV / "bin" / f"jupyter-{command}"
    return subprocess.run(
        [program, *map(str, arguments)], cwd=folder, env=env, capture_output=True, text=True, timeout=600
    )


def test_a_new_notebook_runs_in_any_folder(root, tmp_path):
    assert make_notebook(root, "try", tmp_path).returncode == 0
    done = jupyter("execute", tmp_path, "--inplace", "try.ipynb")
    assert done.returncode == 0, done.stderr
    cells = nbformat.read(tmp_path / "try.ipynb", as_version=4).cells
    assert [cell.execution_count for cell in cells if cell.cell_type == "code"] == [1, 2]
    assert cells[-1].outputs
    assert [output for cell in cells for output in cell.get("outputs", ()) if output.output_type == "error"] == []
    assert len(cells) == len(new_notebook.CELLS)


def test_papermill_sets_parameters_of_rust_notebooks(root, tmp_path):
    source = nbformat.v4.new_notebook(metadata=new_notebook.notebook("try")["metadata"])
    asks = 'println!("{} {} {}", param("epochs", 35)?, param("learning_rate", 0.1)?, param("recipe", String::new())?);'
    source.cells = [nbformat.v4.new_code_cell(text) for text in (":dep fer_nb\nuse fer_nb::prelude::*;", asks)]
    nbformat.write(source, tmp_path / "try.ipynb")
    parameters = ("-p", "epochs", "5", "-p", "learning_rate", "0.02", "-p", "recipe", 'a "b" \\n')
    command = [VENV / "bin" / "papermill", "try.ipynb", "out.ipynb", "--no-progress-bar", *parameters]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    cells = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells
    assert cells[-1].outputs[0].text == '5 0.02 a "b" \\n\n'


def test_arguments_that_jupyter_appends_do_no_harm(tmp_path):
    """`jupyter run file.rs` and `jupyter console` start a kernel with more than its connection file."""
    manager = KernelManager(kernel_name="rust")
    manager.start_kernel(cwd=str(tmp_path), extra_arguments=["try.rs", "--existing"])
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=READY_SECONDS)
        assert client.kernel_info(reply=True, timeout=READY_SECONDS)["content"]["language_info"]["name"] == "rust"
    finally:
        client.stop_channels()
        manager.shutdown_kernel()
