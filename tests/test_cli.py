"""`fer` as a process: its output, its errors, and the files that it writes."""

import csv
import json
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from faces import noise
from PIL import Image
from program import ROOT, SHARED, fer, start_fer


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One short run on made-up faces, as `fer train` leaves it."""
    folder = tmp_path_factory.mktemp("runs")
    settings = {"FER_RUNS_DIR": str(folder), "FER_ROOT": str(folder)}
    done = fer("train", "--epochs", 1, "--run", "short", **settings)
    assert done.returncode == 0, done.stderr
    return folder / "short", done.stdout


def test_summary_is_the_originals_table(tmp_path):
    done = fer("summary", "--json", tmp_path / "summary.json")
    assert done.returncode == 0, done.stderr
    assert "Total params: 1,468,135 (5.60 MB)" in done.stdout
    layers = json.loads((tmp_path / "summary.json").read_text())["layers"]
    counts = [layer["parameters"] for layer in layers if layer["parameters"]]
    assert counts == [320, 9_248, 18_496, 36_928, 73_856, 147_584, 1_179_904, 1_799]


def test_training_leaves_a_run_that_says_what_it_is(run):
    folder, output = run
    assert "made-up sample" in output and "FER2013, folder" not in output
    with open(folder / "history.csv") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1"]
    assert 'data_title = "made-up sample"' in (folder / "config.toml").read_text()
    assert (folder / "best.safetensors").stat().st_size > 4 * 1_468_135


def test_evaluate_and_predict_use_the_run(run, tmp_path):
    folder, _ = run
    done = fer("evaluate", "--run", folder, "--json", tmp_path / "e.json", FER_ROOT=str(tmp_path))
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "e.json").read_text())
    assert figures["title"] == "made-up sample"
    assert figures["accuracy"]["total"] == 600

    face = np.random.default_rng(1).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    Image.fromarray(face).save(tmp_path / "face.png")
    (tmp_path / "empty.png").write_bytes(b"")
    done = fer("predict", "--run", folder, tmp_path / "face.png", tmp_path / "empty.png")
    assert done.returncode == 1
    assert "face.png: " in done.stdout and " %" in done.stdout
    assert "empty.png" in done.stderr and "panicked" not in done.stderr


def test_other_photos_are_tested_on_under_their_own_name(run, tmp_path):
    folder, _ = run
    noise(tmp_path / "ours", 3, train=5, test=2)
    assert fer("evaluate", "--run", folder, FER_ROOT=str(tmp_path)).returncode == 0
    before = (folder / "temperature.toml").read_text()
    done = fer("evaluate", "--run", folder, "--data", tmp_path / "ours", FER_ROOT=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "trained on made-up sample" in done.stdout and "FER2013" not in done.stdout
    assert "measured on ours's test part (14 images)" in done.stdout
    assert (folder / "temperature.toml").read_text() == before


def test_a_run_is_a_name_a_path_or_what_comes_along(run, tmp_path):
    folder, _ = run
    Image.new("L", (48, 48), 120).save(tmp_path / "face.png")
    for name, trained_on in (("short", "made-up sample"), ("seed_cnn", "FER2013")):
        # Within the folder that holds the run, and with no run of that name below runs/.
        settings = {"cwd": folder.parent, "FER_RUNS_DIR": str(tmp_path), "FER_ROOT": str(ROOT)}
        done = fer("predict", "--run", name, tmp_path / "face.png", **settings)
        assert done.returncode == 0, done.stderr
        assert f"network trained on {trained_on}" in done.stdout
    weights = ROOT / "data" / "pretrained" / "seed_cnn" / "best.safetensors"
    train = ["train", "--epochs", 1, "--run", "further", "--initial-weights", weights]
    done = fer(*train, FER_RUNS_DIR=str(tmp_path), FER_ROOT=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "seed_cnn/best.safetensors: 16 of 16 tensors loaded" in done.stdout


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--epochs", 0], "epochs = 0: expected 1 or more"),
        (["--batch-size", 0], "batch_size = 0: expected 1 or more"),
        (["--batch-size", 99999], "batch_size = 99999: expected 1 to "),
        (["--learning-rate", -1], "learning_rate = -1: expected a number above 0"),
        (["--learning-rate", "nan"], "learning_rate = NaN: expected a number above 0"),
        (["--data", "/no/such/folder"], "/no/such/folder"),
        (["--json", "/no/such/a.json"], "json = /no/such/a.json: expected a file in a folder"),
        (["--json", "new/"], "json = new/: expected a file in a folder"),
    ],
)
def test_what_cannot_work_is_one_line_on_stderr(arguments, message, tmp_path):
    done = fer("train", *arguments, FER_RUNS_DIR=str(tmp_path), FER_ROOT=str(tmp_path))
    assert done.returncode == 1
    assert message in done.stderr and done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_keeps_the_checkpoint_before(run, tmp_path):
    folder, _ = run
    before = (folder / "best.safetensors").read_bytes()
    # A limit on the size of files stands for the full disk: the write ends in the middle.
    small = ["bash", "-c", 'ulimit -f 2000; trap "" XFSZ; exec "$@"', "fer"]
    done = fer(
        "train", "--epochs", 1, "--run", "short", "--seed", 3, "--overwrite", wrapper=small,
        FER_RUNS_DIR=str(folder.parent), FER_ROOT=str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 1
    assert "best.safetensors" in done.stderr and "panicked" not in done.stderr, done.stderr
    assert (folder / "best.safetensors").read_bytes() == before
    assert not [path for path in folder.iterdir() if "tmp" in path.name]


def test_a_run_that_is_not_there_names_what_makes_it(tmp_path):
    done = fer("evaluate", "--run", tmp_path / "none", FER_ROOT=str(tmp_path))
    assert done.returncode == 1
    assert "04_training" in done.stderr and "fer train" in done.stderr


@pytest.mark.parametrize(
    "name, value, message",
    [
        ("FER_DEVICE", "gpu", "FER_DEVICE = gpu: expected cpu, cuda or cuda:N"),
        ("FER_PRECISION", "half", "FER_PRECISION = half: expected auto, float32 or bfloat16"),
        ("FER_SEED", "many", "FER_SEED = many: expected a whole number, 0 or more"),
        ("FER_EPOCHS", "0", "epochs = 0: expected 1 or more"),
    ],
)
def test_a_variable_out_of_range_is_named(name, value, message, tmp_path):
    settings = {"FER_RUNS_DIR": str(tmp_path), "FER_ROOT": str(tmp_path), name: value}
    done = fer("train", **settings)
    assert done.returncode == 1
    assert message in done.stderr and done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def press_ctrl_c(process):
    """SIGINT as soon as the program listens for it."""
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        if int(status.split("SigCgt:")[1].split()[0], 16) >> (signal.SIGINT - 1) & 1:
            process.send_signal(signal.SIGINT)
            return
    pytest.fail(f"the program ended ({process.poll()}) before it listened")


@pytest.mark.parametrize("command", ["data", "evaluate"])
def test_ctrl_c_is_one_line_and_130(command, run, tmp_path):
    pixels = " ".join(["127"] * 48 * 48)
    rows = [f"{n % 7},{pixels},{'PublicTest' if n % 10 else 'Training'}" for n in range(7000)]
    (tmp_path / "fer2013.csv").write_text("\n".join(["emotion,pixels,Usage", *rows]))
    data = {"data": ["--data", tmp_path], "evaluate": ["--run", run[0]]}[command]
    process = start_fer(command, *data, FER_ROOT=str(tmp_path))
    press_ctrl_c(process)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert err.startswith("fer: stopped by the user while ") and err.count("\n") == 1, err
    assert out == ""


@pytest.mark.parametrize(
    "arguments, status, message",
    [
        (["9"], 1, "notebook = 9: expected a path or one of 01_project_prep, "),
        (["01", "--set", "epochs"], 2, "expected NAME=VALUE, such as epochs=5"),
        (["01", "--set", "learning-rate=1"], 2, "a NAME of letters, digits and _"),
        (["01", "--data", "/no/such/folder"], 1, "/no/such/folder"),
    ],
)
def test_notebooks_are_not_started_for_nothing(arguments, status, message):
    done = fer("notebooks", "run", *arguments, FER_ROOT=str(ROOT))
    assert done.returncode == status
    assert message in done.stderr and done.stderr.count("\n") == 1


def test_notebooks_are_named_and_the_help_has_an_example():
    done = fer("notebooks", "list", FER_ROOT=str(ROOT))
    assert done.stdout.split()[:2] == ["01_project_prep", "02_data_preparation"]
    assert "fer notebooks run 03 04 --set epochs=5" in fer("notebooks", "run", "--help").stdout


@pytest.mark.skipif(
    not (ROOT / ".venv/share/jupyter/kernels/rust/kernel.json").is_file(),
    reason="the kernel is not set up",
)
def test_one_notebook_runs_with_its_settings(tmp_path):
    done = fer(
        "notebooks", "run", "01", "--set", "epochs=7", "--out", "out",
        cwd=tmp_path, FER_ROOT=str(ROOT), timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "epochs: 7" in (tmp_path / "out/notebooks/01_project_prep.ipynb").read_text()


@pytest.mark.skipif(not (SHARED / "fer2013").is_dir(), reason="FER2013 is not at hand")
def test_the_counts_and_the_audit_of_fer2013(tmp_path):
    done = fer("data", "--data", SHARED / "fer2013", "--json", tmp_path / "data.json")
    assert done.returncode == 0, done.stderr
    for count in (22968, 5741, 3589):
        assert f"Found {count} images belonging to 7 classes." in done.stdout
    audit = json.loads((tmp_path / "data.json").read_text())["audit"]
    values = list(audit.values())
    # 32,298 images of which 30,766 differ; 280 test images also in train; 47 groups disagree.
    assert 32298 - 30766 in values and 280 in values and 47 in values, audit


@pytest.fixture(scope="module")
def decoded(tmp_path_factory):
    """The test images as PNG, decoded by PIL: JPEG decoders differ by one grey level here and
    there, and the network is what is compared."""
    folder = tmp_path_factory.mktemp("decoded")
    for part, most in (("train", 5), ("test", None)):
        for path in sorted((SHARED / "fer2013" / part).glob("*/*.jpg")):
            target = folder / part / path.parent.name
            target.mkdir(parents=True, exist_ok=True)
            if most is None or len(list(target.iterdir())) < most:
                Image.open(path).save(target / f"{path.stem}.png", compress_level=0)
    return folder


@pytest.mark.skipif(not (SHARED / "reference").is_dir(), reason="the reference is not at hand")
def test_probabilities_are_those_of_pytorch(decoded, tmp_path):
    weights = SHARED / "reference" / "seed_cnn_torch.safetensors"
    ours = tmp_path / "ours.csv"
    done = fer("evaluate", "--weights", weights, "--data", decoded, "--save-predictions", ours)
    assert done.returncode == 0, done.stderr
    with open(SHARED / "reference" / "seed_cnn_torch_publictest.csv") as file:
        logits = columns(file, "logit_")
    expected = np.exp(logits - logits.max(1, keepdims=True))
    expected /= expected.sum(1, keepdims=True)
    with open(ours) as file:
        probs = columns(file, "prob_")
    assert probs.shape == expected.shape == (3589, 7)
    assert np.abs(probs - expected).max() < 1e-4


def columns(file, prefix):
    """The columns of a CSV file whose names begin so, as an array of a row a line."""
    rows = csv.DictReader(file)
    return np.array([[float(v) for k, v in row.items() if k.startswith(prefix)] for row in rows])
