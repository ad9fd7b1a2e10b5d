"""A short run of tests/hostile: parsers, kills and the C++ layers. (test_hostile_server.py attacks the server.)"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
from conftest import ROOT
from program import PRETRAINED, fer, start_fer

sys.path.insert(0, str(ROOT / "tests" / "hostile"))

import kill_train  # noqa: E402
import kill_tune  # noqa: E402
import layers  # noqa: E402
from campaign import parsers  # noqa: E402
from kills import write_csv  # noqa: E402
from server import table  # noqa: E402

PORTRAIT = ROOT / "data" / "pictures" / "portrait.jpg"


def test_no_parser_is_brought_down():
    rows = parsers(20, 26)
    print(table(rows))
    assert len(rows) >= 19 and all(tried > 0 for _, tried, _, _ in rows), table(rows)
    assert not any(failed for _, _, failed, _ in rows), table(rows)


def test_a_training_that_is_killed_ends_as_its_twin():
    kills, failed, _ = kill_train.campaign(3)
    assert kills == 3 and not failed, failed


def test_a_study_whose_workers_are_killed_loses_no_trial():
    kills, failed, _ = kill_tune.campaign(2)
    assert kills == 2 and not failed, failed


@pytest.mark.skipif(not layers.PROGRAM.exists(), reason="compiled by `make hostile`, in minutes")
def test_the_layers_stay_within_their_tensors():
    tried, failed, _ = layers.campaign(3)
    assert tried > 0 and not failed, failed


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("hostile") / "small.csv"
    write_csv(path)
    return path


def test_what_is_no_plain_file_is_refused_without_waiting(tmp_path):
    pipe = tmp_path / "pipe.jpg"
    os.mkfifo(pipe)
    (tmp_path / "faces" / "happy").mkdir(parents=True)
    os.mkfifo(tmp_path / "faces" / "happy" / "1.png")
    table = tmp_path / "table.csv"
    os.mkfifo(table)
    weights = tmp_path / "best.safetensors"
    os.mkfifo(weights)
    for command in (
        ["predict", "--run", "seed_cnn", pipe],
        ["predict", "--run", "seed_cnn", "--cut-out", "/dev/zero"],
        ["data", "--data", table],
        ["data", "--data", tmp_path / "faces"],
        ["evaluate", "--weights", weights],
        ["evaluate", "--predictions", table],
    ):
        done = fer(*command, timeout=120)
        assert done.returncode == 1 and len(done.stderr.splitlines()) <= 2, (command, done.stderr)


def test_a_file_of_3_gb_is_refused_by_its_size(tmp_path):
    photo = tmp_path / "large.jpg"
    photo.write_bytes(b"\xff\xd8\xff")
    os.truncate(photo, 3 << 30)  # sparse
    limit = ["prlimit", f"--as={64 << 30}"] if shutil.which("prlimit") else []
    done = fer("predict", "--run", "seed_cnn", photo, timeout=120, wrapper=limit)
    assert done.returncode == 1 and "it has 3072 MiB, and at most 256 MiB are read" in done.stderr, done.stderr
    line = tmp_path / "line.csv"
    line.write_bytes(b"emotion,pixels,Usage\n0," + b"1 " * (3 << 20))
    done = fer("data", "--data", line, timeout=120)
    assert done.returncode == 1 and "a row of more than 1 MiB" in done.stderr, done.stderr


def test_damaged_weights_are_an_error_unless_they_are_asked_for(tmp_path):
    run = tmp_path / "run"
    shutil.copytree(next(path for path in PRETRAINED if path.name == "seed_cnn"), run)
    weights = run / "best.safetensors"
    whole = bytearray(weights.read_bytes())
    whole[len(whole) // 2] ^= 4
    weights.write_bytes(whole)
    done = fer("predict", "--run", run, PORTRAIT)
    assert done.returncode == 1 and "best.safetensors" in done.stderr and "bytes have changed" in done.stderr
    done = fer("predict", "--run", run, "--unchecked-weights", PORTRAIT)
    assert done.returncode == 0 and "happy" in done.stdout, done.stderr
    # An older folder has nothing that vouches for it, and says so.
    for name in ("temperature.toml", "certainty.toml"):
        (run / name).unlink()
    done = fer("predict", "--run", run, PORTRAIT)
    assert done.returncode == 0 and "no checksum" in done.stderr, done.stderr


def test_a_limit_on_file_sizes_is_an_error(tmp_path, data):
    done = fer("train", "--batch-size", 16, "--data", data, "--epochs", 1, "--run", tmp_path / "run", wrapper=["sh", "-c", 'ulimit -f 2000; exec "$@"', "sh"])
    assert done.returncode == 1, (done.returncode, done.stderr)
    assert "best.safetensors: File too large" in done.stderr, done.stderr
    assert not list((tmp_path / "run").rglob(".fer_nb-tmp*"))


def test_a_full_disk_is_an_error(tmp_path, data):
    script = 'mount -t tmpfs -o size=1m none "$1" && shift && exec "$@"'
    folder = tmp_path / "full"
    folder.mkdir()
    wrapper = ["unshare", "-m", "sh", "-c", script, "sh", folder]
    done = fer("train", "--batch-size", 16, "--data", data, "--epochs", 1, "--run", folder / "run", wrapper=wrapper)
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"this system gives no mount namespace: {done.stderr.strip()}")
    assert done.returncode == 1 and "No space left on device" in done.stderr, done.stderr


def test_a_lock_that_is_a_link_empties_nothing(tmp_path, data):
    thesis, last = tmp_path / "thesis.txt", tmp_path / "run" / "last"
    thesis.write_text("all of it")
    last.mkdir(parents=True)
    (last / "lock").symlink_to(thesis)
    done = fer("train", "--batch-size", 16, "--data", data, "--epochs", 1, "--run", tmp_path / "run")
    assert done.returncode == 1 and "symbolic link" in done.stderr, done.stderr
    assert thesis.read_text() == "all of it"


def test_a_run_folder_that_is_removed_is_an_error(tmp_path, data):
    run = tmp_path / "run"
    with start_fer("train", "--batch-size", 16, "--data", data, "--epochs", 400, "--run", run) as process:
        until = time.monotonic() + 60
        while not (run / "best.safetensors").exists() and time.monotonic() < until:
            time.sleep(0.05)
        run.rename(tmp_path / "away")  # in one step, as another process that removes it is not
        try:
            _, errors = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            raise
    # Or the moment came while a file was written.
    said = ("was removed while training", "No such file or directory")
    assert process.returncode == 1 and any(text in errors for text in said), errors


def test_a_space_that_is_none_is_named(tmp_path, data):
    space = tmp_path / "space.toml"
    for text in ('"train.learning_rate" = 3', '"train.nothing" = { kind = "int", low = 1, high = 2 }', "=", '"train.batch_size" = { kind = "int", low = 9, high = 2 }'):
        space.write_text(text)
        done = fer("tune", "--study", tmp_path / "study", "--space", space, "--data", data)
        assert done.returncode == 1 and "space.toml" in done.stderr, (text, done.stderr)


def test_words_of_a_run_move_no_cursor(tmp_path):
    run = tmp_path / "run"
    shutil.copytree(next(path for path in PRETRAINED if path.name == "seed_cnn"), run)
    config = (run / "config.toml").read_text()
    for name in ("fer_nb", "network", "data", "data_title", "device", "hardware"):
        config = re.sub(rf'(?m)^{name} = "', rf'{name} = "\\u001b[2J\\u202e', config)
    assert config.count("\\u001b") >= 4
    (run / "config.toml").write_text(config)
    for command in (["predict", "--run", run, PORTRAIT], ["runs", run]):
        done = fer(*command)
        assert not any(c in done.stdout + done.stderr for c in "\x1b\u202e"), (command, done.stdout, done.stderr)
    (run / "config.toml").write_text("epochs = '" + "a" * 100_000 + "'\n")
    done = fer("predict", "--run", run, PORTRAIT)
    assert done.returncode == 1 and "config.toml" in done.stderr and len(done.stderr) < 3000, done.stderr[:3000]
