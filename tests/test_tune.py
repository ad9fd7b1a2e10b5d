"""`fer tune` as its users run it: begun, stopped, resumed, and shared by processes."""

import json
import signal
import time

import pytest
from program import fer, start_fer

SPACE = """
"train.learning_rate" = { kind = "log", low = 1e-4, high = 1e-2 }
"network.block_dropout" = { kind = "float", low = 0.0, high = 0.4 }
"train.batch_size" = { kind = "choice", values = [32, 64] }
"""


@pytest.fixture
def begin(tmp_path):
    """The arguments of a study of short trials on the made-up sample, and where its folder is."""
    space = tmp_path / "space.toml"
    space.write_text(SPACE)
    study = tmp_path / "study"
    arguments = ["tune", "--study", study, "--space", space, "--epochs", "1", "--trials"]
    return arguments, study


def states(study):
    texts = [path.read_text() for path in sorted(study.glob("trial_*/trial.toml"))]
    return [text.split('state = "')[1].split('"')[0] for text in texts]


def test_a_study_goes_on_and_every_trial_is_a_run(begin, tmp_path):
    arguments, study = begin
    out = tmp_path / "trials.json"
    done = fer(*arguments, 1, "--json", out)
    assert done.returncode == 0, done.stderr
    assert "1 trial: 1 complete" in done.stdout and "best trial" in done.stdout
    trials = json.loads(out.read_text())
    assert [trial["number"] for trial in trials] == [1]
    for trial in trials:
        assert 1e-4 <= trial["values"]["train.learning_rate"] <= 1e-2
        assert 0 < trial["value"] < 1
    # What was chosen is kept; the study says the rest itself.
    done = fer("tune", "--study", study, "--trials", 2)
    assert done.returncode == 0, done.stderr
    assert states(study) == ["complete"] * 2
    done = fer("tune", "--study", study, "--trials", 2, "--epochs", 9)
    assert done.returncode == 2 and "--space" in done.stderr, done.stderr
    done = fer("evaluate", "--run", study / "trial_0001")
    assert done.returncode == 0, done.stderr
    assert "measured on made-up sample" in done.stdout and "FER2013" not in done.stdout


def wait_for(condition, seconds=90):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.05)


def test_what_was_stopped_or_killed_is_taken_up_again(begin):
    arguments, study = begin
    longer = [*arguments, 1]
    longer[longer.index("--epochs") + 1] = "40"
    with start_fer(*longer) as process:
        wait_for(lambda: (study / "trial_0001" / "last" / "checkpoint.safetensors").is_file())
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "fer tune --study" in out
    assert states(study) == ["running"]
    with start_fer("tune", "--study", study, "--trials", 1) as process:
        wait_for(lambda: "after epoch" in process.stdout.readline())
        process.kill()
    assert states(study) == ["running"]
    # Nobody holds it now, so a worker takes it up.
    with start_fer("tune", "--study", study, "--trials", 1, "--worker") as process:
        wait_for(lambda: "after epoch" in process.stdout.readline())
        process.kill()
    # A checkpoint that can't be read costs the trial its epochs, and the study nothing.
    checkpoint = study / "trial_0001" / "last" / "checkpoint.safetensors"
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with start_fer("tune", "--study", study, "--trials", 1, "--worker") as process:
        message = "trial 1 starts over: not a whole checkpoint"
        wait_for(lambda: message in process.stdout.readline())
        process.kill()


def test_trials_whose_process_was_killed_are_counted(begin):
    arguments, study = begin
    longer = [*arguments, 1]
    longer[longer.index("--epochs") + 1] = "3"
    with start_fer(*longer) as process:
        wait_for(lambda: (study / "trial_0001").is_dir())
        process.kill()
    done = fer("tune", "--study", study, "--trials", 1)
    assert done.returncode == 0, done.stderr
    assert "1 trial: 1 complete" in done.stdout and "1 of them retried" in done.stdout
    (study / "trial_0002").mkdir()  # a process that died before it said what it tries
    out = study / "trials.json"
    done = fer("tune", "--study", study, "--trials", 2, "--json", out)
    assert done.returncode == 0, done.stderr
    assert "2 trials: 2 complete" in done.stdout and "2 of them retried" in done.stdout
    assert [trial["retries"] for trial in json.loads(out.read_text())] == [1, 1]


def test_a_study_of_failures_is_no_success(begin, tmp_path):
    arguments, study = begin
    space = tmp_path / "space.toml"
    space.write_text('"train.learning_rate" = { kind = "log", low = 1e28, high = 1e30 }')
    done = fer(*arguments, 2)
    assert done.returncode == 1, done.stdout
    assert "2 trials: 0 complete, 0 pruned, 2 failed" in done.stdout
    assert "all of them failed" in done.stderr and len(done.stderr.splitlines()) == 1
    done = fer("tune", "--study", study, "--trials", 2)
    assert done.returncode == 1, done.stdout


def test_two_processes_share_a_study(begin):
    arguments, study = begin
    done = fer(*arguments, 3, "--jobs", 2)
    assert done.returncode == 0, done.stderr
    assert states(study) == ["complete"] * 3
    numbers = [path.name for path in sorted(study.glob("trial_*"))]
    assert numbers == [f"trial_{number:04}" for number in (1, 2, 3)]
    values = {path.read_text().split("[values]")[1] for path in study.glob("trial_*/trial.toml")}
    assert len(values) == 3, "two trials tried the same"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"train.lr" = { kind = "float", low = 0.0, high = 1.0 }', "unknown field `lr`"),
        ('"train.ema" = { kind = "normal" }', "kinds are float, log, int and choice"),
        ('"train.ema" = { kind = "float", low = 0.5, high = 0.1 }', "the lower one first"),
        ("", "a hyperparameter to tune"),
    ],
)
def test_a_space_that_is_none_is_one_line_on_stderr(begin, tmp_path, text, expected):
    arguments, study = begin
    (tmp_path / "space.toml").write_text(text)
    done = fer(*arguments, 1)
    assert (done.returncode, done.stdout) == (1, "")
    assert expected in done.stderr and len(done.stderr.splitlines()) == 1
    assert not (study / "study.toml").exists()


def test_a_study_that_is_not_there_is_named(tmp_path):
    done = fer("tune", "--study", tmp_path / "none", "--worker")
    assert done.returncode == 1 and "A study is missing" in done.stderr
    done = fer("tune", "--study", tmp_path / "none")
    assert done.returncode == 1 and "--space FILE" in done.stderr
