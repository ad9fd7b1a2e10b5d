"""The script for a machine with a GPU, as far as a CPU allows: a dry run of each step."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from faces import noise
from program import ROOT

SCRIPT = ROOT / "fer_nb" / "benches" / "gpu.py"


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return noise(tmp_path_factory.mktemp("photos"), 7)


def epochs(out):
    with open(out / "resnet" / "history.csv") as file:
        return sum(1 for _ in csv.DictReader(file))


def command(photos, out, *options):
    words = [sys.executable, SCRIPT, "--dry-run", "--data", photos, "--out", out, *options]
    return list(map(str, words))


def dry_run(photos, out, *options):
    done = subprocess.run(command(photos, out, *options), capture_output=True, text=True, timeout=300)
    summary = json.loads((out / "summary.json").read_text())
    return done, summary, {step["step"]: step for step in summary["steps"]}


def test_every_step_leaves_what_it_should(photos, tmp_path):
    done, summary, steps = dry_run(photos, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [step["state"] for step in summary["steps"]] == ["done"] * 4
    assert summary["worked"] and steps["check"]["note"].startswith("CPU")
    assert all((tmp_path / step["log"]).read_text().startswith("$ ") for step in steps.values())
    rows = json.loads((tmp_path / "bench" / "bench.json").read_text())["rows"]
    assert {row["subject"] for row in rows} == {"fer-float32"} and all(row["median"] for row in rows)
    for file in ("best.safetensors", "history.csv", "last/checkpoint.safetensors"):
        assert (tmp_path / "resnet" / file).is_file()
    with open(tmp_path / "runs.csv") as file:
        (row,) = csv.DictReader(file)
    assert row["run"] == "resnet" and row["recipe"] == "resnet" and row["epochs"] == "2"
    text = (tmp_path / "summary.md").read_text()
    assert "## Training" in text and f"val_accuracy: {row['val_accuracy']}" in text


def test_a_training_that_is_out_of_time_is_stopped_and_resumed(photos, tmp_path):
    # The bench, which this is not about, is cut off at once, and says so.
    limits = ("--minutes", 0.3, "--bench-minutes", 0.001)
    done, summary, steps = dry_run(photos, tmp_path, *limits, "--epochs", 100_000)
    assert steps["train"]["state"] == "stopped in time", summary
    assert "the same command resumes it" in steps["train"]["note"]
    assert steps["row"]["state"] == "done" and (tmp_path / "resnet/best.safetensors").is_file()
    assert steps["bench"]["state"] == "failed" and done.returncode == 1 and not summary["worked"]
    before = epochs(tmp_path)
    assert before > 0
    _, _, steps = dry_run(photos, tmp_path, *limits)
    assert steps["train"]["state"] == "stopped in time" and epochs(tmp_path) > before


def test_ctrl_c_ends_the_step_and_leaves_the_summary(photos, tmp_path):
    words = command(photos, tmp_path, "--epochs", 100_000, "--bench-minutes", 0.001)
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while process.stdout.readline() not in ("train …\n", ""):
        pass
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and err.startswith("gpu: stopped"), err
    steps = json.loads((tmp_path / "summary.json").read_text())["steps"]
    assert [step["state"] for step in steps[2:]] == ["stopped by the user", "not run"]


def test_a_step_that_fails_is_said_and_ends_it(tmp_path):
    done, summary, steps = dry_run(tmp_path / "no_photos", tmp_path / "out")
    assert done.returncode == 1 and not summary["worked"]
    assert steps["check"]["state"] == "failed" and "no_photos" in steps["check"]["note"]
    assert steps["train"]["state"] == "not run"


def test_what_is_missing_is_said(tmp_path):
    copy = tmp_path / "fer_nb" / "benches"
    copy.mkdir(parents=True)
    for file in SCRIPT.parent.glob("*.py"):
        (copy / file.name).write_text(file.read_text())
    (tmp_path / ".setup").symlink_to(ROOT / ".setup")
    words = [sys.executable, copy / "gpu.py", "--dry-run"]
    env = {key: value for key, value in os.environ.items() if key != "FER_BINARY"}
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, env=env)
    assert done.returncode == 1 and done.stderr.count("make setup") == 2, done.stderr
