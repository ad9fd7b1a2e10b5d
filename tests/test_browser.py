"""JupyterLab in a real browser: the notebooks as a user sees and operates them.

tests/browser/lab.mjs drives Chromium and reports its observations; this file has the expectations. The notebooks
are copies, so those of the project are never saved with outputs. Screenshots of each stage and the server's log
are in build/browser/.
"""

import json
import re
import shutil
import subprocess

import lab_server
import nbformat
import pytest
from chromium import DRIVER, browser, lacking, skip_without
from conftest import ROOT

PICTURES = ROOT / "build" / "browser"
# Both of the driver's parts together, with a kernel's start each, on two busy cores.
SECONDS = 3000

skip_without("JupyterLab in a real browser")

# Beside notebook 04: cells that go wrong, and one that Stop does not reach.
TROUBLE = (
    'println!("{}", "the cell before");',
    'let many: i32 = "too many".parse()?;',
    'println!("{}", "the cell after");',
    "let kept = 41;",
    "fn half() -> usize { missing + 1 }",
    'println!("it hangs");\nloop { std::thread::sleep(std::time::Duration::from_millis(100)); }',
)


def copies(folder):
    """A project's folder with the notebooks that the test uses and the crate of this one."""
    notebooks = folder / "notebooks"
    notebooks.mkdir()
    (folder / "fer_nb").symlink_to(ROOT / "fer_nb")
    shutil.copy2(ROOT / "notebooks" / "evcxr.toml", notebooks)

    training = nbformat.read(ROOT / "notebooks" / "04_training.ipynb", as_version=4)
    (fit,) = [n for n, cell in enumerate(training.cells) if "trainer.fit(&data)" in cell.source]
    count = 'println!("finished epochs: {}", history.epochs.len());'
    training.cells.insert(fit + 1, nbformat.v4.new_code_cell(count))
    training.cells.append(nbformat.v4.new_code_cell("// to be completed"))
    nbformat.write(training, notebooks / "04_training.ipynb")

    trouble = nbformat.v4.new_notebook(metadata=training.metadata)
    trouble.cells = [nbformat.v4.new_code_cell(source) for source in TROUBLE]
    nbformat.write(trouble, notebooks / "trouble.ipynb")


@pytest.fixture(scope="module")
def jupyterlab(tmp_path_factory):
    """A running JupyterLab: its address and its token."""
    folder = tmp_path_factory.mktemp("browser")
    project = folder / "project"
    project.mkdir()
    copies(project)
    shutil.rmtree(PICTURES, ignore_errors=True)
    PICTURES.mkdir(parents=True)
    epochs = "40"  # more than there is patience for: it is stopped
    with lab_server.jupyterlab(
        folder, project, PICTURES / "jupyterlab.log", FER_EPOCHS=epochs
    ) as running:
        yield running


@pytest.fixture(scope="module")
def saw(jupyterlab):
    """What the driver saw, by part."""
    assert not lacking(), lacking()
    job = {
        **jupyterlab,
        "chromium": browser(),
        "pictures": str(PICTURES),
        "parts": ["training", "trouble"],
    }
    driver = subprocess.Popen(
        ["node", DRIVER / "lab.mjs"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        answer, complaints = driver.communicate(json.dumps(job), timeout=SECONDS)
    except subprocess.TimeoutExpired:
        driver.terminate()  # it closes the browser
        _, complaints = driver.communicate(timeout=30)
        pytest.fail(f"the browser was not done after {SECONDS} s; see {PICTURES}\n{complaints}")
    assert driver.returncode == 0, complaints
    (PICTURES / "saw.json").write_text(answer)
    return json.loads(answer)


def part(saw, name):
    found = saw[name]
    assert "failed" not in found, f"{found['failed']}; see {PICTURES}/failed_{name}.png"
    return found


@pytest.fixture(scope="module")
def training(saw):
    return part(saw, "training")


@pytest.fixture(scope="module")
def trouble(saw):
    return part(saw, "trouble")


def finished(printed):
    return int(re.search(r"finished epochs: (\d+)", printed)[1])


def test_the_chart_moves_while_training(training):
    first, later = training["chart"]["first"], training["chart"]["later"]
    assert first["running"] and later["running"]
    assert later["finished"] > first["finished"] >= 1
    assert "<svg" in first["markup"] and "<svg" in later["markup"]
    assert first["markup"] != later["markup"]


def test_stop_ends_training_and_the_cells_below_run(training):
    assert re.search(r"stopped by the user (in|after) epoch \d+", training["after_stop"])
    assert training["stop_milliseconds"] < 5000
    assert training["errors"] == []
    assert training["epochs"] == list(range(1, len(training["epochs"]) + 1))
    assert finished(training["count"]) == len(training["epochs"]) >= 1
    assert any(picture.startswith("<svg") for picture in training["curves"])
    assert re.fullmatch(r"\[\d+\]:", training["last_prompt"])


def test_running_the_cell_again_goes_on(training):
    before, after = training["epochs"], training["epochs_of_second_fit"]
    assert after[0] == before[-1] + 1
    assert finished(training["count_after_second_fit"]) == after[-1] > before[-1]


def test_tab_and_shift_tab_help(training):
    for field in ("epochs", "batch_size", "learning_rate", "optimizer", "seed"):
        assert field in training["fields"], training["fields"]
    for method in ("best", "curves", "epochs"):
        assert any(m.startswith(method) for m in training["methods"]), training["methods"]
    assert "Hyperparameters. The default is the original project" in training["tooltip"]


def test_a_cell_that_fails_ends_run_all(trouble):
    assert "the cell before" in trouble["before"]
    (error,) = trouble["error"]
    assert "invalid digit found in string" in error
    assert len(error.splitlines()) <= 6, error
    assert trouble["after_prompt"] == "[ ]:"


def test_a_cell_that_does_not_compile_says_where(trouble):
    (error,) = trouble["compile_error"]
    assert "cannot find value `missing`" in error
    assert "fn half() -> usize { missing + 1 }" in error and "let" not in error, error


def test_stop_twice_ends_a_cell_that_does_not_listen(trouble):
    assert trouble["still_running"]
    assert "variables would be lost" in trouble["first_stop"]
    assert "Stop was pressed twice" in trouble["second_stop"]
    assert "the cell after" in trouble["after"]
