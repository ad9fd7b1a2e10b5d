"""`fer train` killed with SIGKILL, and its events as TensorBoard reads them."""

import csv
import json
import os
import re
import shlex
import signal
import struct
import subprocess
import time

import numpy as np
import pytest
from faces import noise
from program import ROOT, fer


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    return noise(tmp_path_factory.mktemp("faces"), 5)


def contents(run):
    """The checkpoint's tensors as bytes, and its state without wall-clock seconds."""
    raw = (run / "last" / "checkpoint.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + length])
    state = re.sub(r"(?m)^seconds = .*$", "", header.pop("__metadata__")["state"])
    return header, state, raw[8 + length :]


def epochs(run):
    if not (run / "history.csv").exists():
        return []
    with open(run / "history.csv") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def test_five_epochs_a_kill_and_five_more_are_ten_epochs(faces, tmp_path):
    settings = {"FER_RUNS_DIR": str(tmp_path)}
    recipe = ["train", "--data", faces, "--epochs", 10, "--batch-size", 16, "--patience", 0]
    done = fer(*recipe, "--run", "whole", **settings)
    assert done.returncode == 0, done.stderr

    program = os.environ.get("FER_BINARY", str(ROOT / ".venv" / "bin" / "fer"))
    environment = {k: v for k, v in os.environ.items() if not k.startswith("FER")}
    process = subprocess.Popen(
        [program, *map(str, recipe), "--run", "cut"],
        env={**environment, **settings},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 120
    while len(epochs(tmp_path / "cut")) < 5:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline, "five epochs took more than two minutes"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert len(epochs(tmp_path / "cut")) < 10, "the kill came after the run had ended"

    # Forgetting --resume must not cost what is there.
    done = fer(*recipe, "--run", "cut", **settings)
    assert done.returncode == 1
    assert "--resume" in done.stderr and "--overwrite" in done.stderr
    resume = ["train", "--data", faces, "--run", "cut", "--resume"]
    done = fer(*resume, **settings)
    assert done.returncode == 0, done.stderr
    assert re.search(r"after epoch [5-9]\b", done.stdout), done.stdout
    assert epochs(tmp_path / "cut") == epochs(tmp_path / "whole")
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")
    best = [(tmp_path / run / "best.safetensors").read_bytes() for run in ("cut", "whole")]
    assert best[0] == best[1]

    done = fer(*resume, "--epochs", 3, **settings)
    assert done.returncode == 1
    assert "epochs = 3: expected 10, which are completed, or more" in done.stderr


def test_matrix_products_sum_in_the_same_order_in_every_run(faces, tmp_path, monkeypatch):
    """What Intel names as conditions of results that repeat. A test that trains hardly ever sees them
    missing."""
    monkeypatch.delenv("MKL_CBWR", raising=False)
    recipe = ["train", "--data", faces, "--epochs", 1, "--batch-size", 16, "--run", "products"]
    recipe += ["--precision", "float32"]
    done = fer(*recipe, FER_RUNS_DIR=str(tmp_path), MKL_VERBOSE="1")
    assert done.returncode == 0, done.stderr
    products = [line for line in done.stdout.splitlines() if "GEMM" in line]
    if not products:
        pytest.skip("this libtorch multiplies without oneMKL")
    others = [line for line in products if "CNR:OFF" in line or "Dyn:0" not in line]
    assert not others, others[:3]


def test_a_second_or_a_failed_training_leaves_the_run_before_as_it_was(faces, tmp_path):
    recipe = ["train", "--data", faces, "--batch-size", 16, "--run", "kept", "--patience", 3]
    settings = {"FER_RUNS_DIR": str(tmp_path)}
    assert fer(*recipe, "--epochs", 2, **settings).returncode == 0
    files = {path: path.read_bytes() for path in (tmp_path / "kept").rglob("*") if path.is_file()}
    done = fer(*recipe, "--epochs", 2, **settings)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "2 epochs" in done.stderr and "--resume with more --epochs" in done.stderr
    assert files == {path: path.read_bytes() for path in files}
    done = fer(*recipe, "--learning-rate", "1e20", "--overwrite", **settings)
    assert done.returncode == 1 and "loss became" in done.stderr
    assert "1e20" in done.stderr and "Try a learning rate of 1e-3" in done.stderr
    assert files == {path: path.read_bytes() for path in files}
    # The patience of the run, not the default, is resumed: the callbacks are the same.
    done = fer("train", "--data", faces, "--run", "kept", "--resume", "--epochs", 3, **settings)
    assert done.returncode == 0, done.stderr


def test_a_damaged_config_and_history_are_written_anew(faces, tmp_path):
    settings = {"FER_RUNS_DIR": str(tmp_path)}
    recipe = ["train", "--data", faces, "--batch-size", 16, "--epochs", 1, "--run", "mended"]
    assert fer(*recipe, **settings).returncode == 0
    files = [tmp_path / "mended" / name for name in ("config.toml", "history.csv")]
    before = [path.read_bytes() for path in files]
    for path in files:
        path.write_text("garbage [[")
    done = fer("compare", "mended", "mended", "--data", faces, **settings)
    assert done.returncode == 1 and "--resume" in done.stderr, done.stderr
    done = fer("train", "--data", faces, "--run", "mended", "--resume", **settings)
    assert done.returncode == 0, done.stderr
    assert [path.read_bytes() for path in files] == before


def test_a_reader_that_goes_away_does_not_end_the_training(faces, tmp_path):
    program = os.environ.get("FER_BINARY", str(ROOT / ".venv" / "bin" / "fer"))
    environment = {k: v for k, v in os.environ.items() if not k.startswith("FER")}
    command = ["train", "--data", faces, "--epochs", 2, "--batch-size", 16, "--run", "piped"]
    process = subprocess.Popen(
        [program, *map(str, command)],
        env={**environment, "FER_RUNS_DIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.close()
    errors = process.stderr.read().decode()
    assert process.wait(timeout=60) == 0, errors
    assert len(epochs(tmp_path / "piped")) == 2


def test_ctrl_c_ends_with_the_shells_status_and_can_be_resumed(faces, tmp_path):
    program = os.environ.get("FER_BINARY", str(ROOT / ".venv" / "bin" / "fer"))
    environment = {k: v for k, v in os.environ.items() if not k.startswith("FER")}
    command = ["train", "--data", faces, "--epochs", 100, "--batch-size", 16, "--patience", 0]
    process = subprocess.Popen(
        [program, *map(str, command), "--run", "was stopped"],
        env={**environment, "FER_RUNS_DIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not epochs(tmp_path / "was stopped"):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped by the user" in output
    assert f"fer train --run 'was stopped' --resume --data {shlex.quote(str(faces))}" in output
    done = epochs(tmp_path / "was stopped")
    resume = ["train", "--data", faces, "--run", "was stopped", "--resume"]
    resumed = fer(*resume, "--epochs", len(done) + 1, FER_RUNS_DIR=str(tmp_path))
    assert resumed.returncode == 0, resumed.stderr
    assert epochs(tmp_path / "was stopped")[: len(done)] == done


def test_a_run_that_is_not_there_is_not_resumed(faces, tmp_path):
    done = fer("train", "--data", faces, "--run", "none", "--resume", FER_RUNS_DIR=str(tmp_path))
    assert done.returncode == 1
    assert "A checkpoint is missing" in done.stderr and "panicked" not in done.stderr


def test_tensorboard_reads_the_events(faces, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    done = fer(
        *["train", "--data", faces, "--epochs", 3, "--batch-size", 16, "--run", "logged"],
        "--tensorboard",
        FER_RUNS_DIR=str(tmp_path),
    )
    assert done.returncode == 0, done.stderr
    history = epochs(tmp_path / "logged")
    for part, prefix in (("train", ""), ("validation", "val_")):
        events = EventAccumulator(str(tmp_path / "logged" / "logs" / part)).Reload()
        for figure in ("loss", "accuracy"):
            scalars = events.Scalars(f"epoch_{figure}")
            assert [scalar.step for scalar in scalars] == [1, 2, 3]
            expected = [float(row[prefix + figure]) for row in history]
            assert np.allclose([scalar.value for scalar in scalars], expected, rtol=1e-6)
