"""`fer tune` as its users run it: started, stopped, resumed, and shared by processes."""

import csv
import json
import signal
import subprocess
import sys
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


RECIPE = """
about = "small, so that a trial of three epochs takes a second"

[network]
name = "vgg"
channels = [4, 8, 8]
convolutions = [1, 1, 1]
hidden = 8
dropout = 0.1
"""


@pytest.fixture
def small(begin, tmp_path):
    """As `begin`, with trials of three epochs of a network that trains in a moment."""
    arguments, study = begin
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE)
    (tmp_path / "space.toml").write_text(SPACE.replace("block_dropout", "dropout"))
    arguments[arguments.index("--epochs") + 1] = "3"
    return [*arguments[:-1], "--recipe", recipe, "--trials"], study


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
    assert "measured on made-up sample's test part" in done.stdout


def test_points_are_tried_first(small, tmp_path):
    arguments, study = small
    arguments[arguments.index("--epochs") + 1] = "1"
    space = tmp_path / "space.toml"
    first = "first = [{ learning_rate = 0.002, batch_size = 64, dropout = 0 }]\n"
    space.write_text(first + space.read_text())
    for point, expected in [
        ("learning_rate=0.5", "train.learning_rate = 0.5: expected a number from 0.0001 to 0.01"),
        ("batch_size=48", "train.batch_size = 48: expected 32 or 64"),
        ("rate=1", "rate = 1: expected a value of a tuned hyperparameter"),
    ]:
        refused = fer(*arguments, 1, "--try", point)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert expected in refused.stderr and len(refused.stderr.splitlines()) == 1
        assert not study.exists()
    point, out = "batch_size=32,train.learning_rate=1e-3", tmp_path / "trials.json"
    done = fer(*arguments, 3, "--try", point, "--jobs", 2, "--json", out)
    assert done.returncode == 0, done.stderr
    trials = json.loads(out.read_text())
    assert [trial["state"] for trial in trials] == ["complete"] * 3
    assert trials[0]["values"] == {
        "train.learning_rate": 0.002,
        "train.batch_size": 64,
        "network.dropout": 0.0,
    }
    assert trials[1]["given"] == {"train.learning_rate": 0.001, "train.batch_size": 32}
    assert set(trials[1]["values"]) == set(trials[0]["values"])
    assert "given" not in trials[2]
    # The same command again adds none; a study that has begun takes further ones.
    done = fer(*arguments, 3, "--try", point)
    assert done.returncode == 0 and "3 trials: 3 complete" in done.stdout, done.stderr
    done = fer("tune", "--study", study, "--trials", 3, "--try", "dropout=0.4")
    assert done.returncode == 0 and "4 trials: 4 complete" in done.stdout, done.stderr


OF_OPTUNA = """
import json, sys
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

storage = JournalStorage(JournalFileBackend(sys.argv[1]))
name, = optuna.get_all_study_names(storage)
study = optuna.load_study(study_name=name, storage=storage)
trials = [
    dict(
        state=trial.state.name,
        value=trial.value,
        params=trial.params,
        steps=trial.intermediate_values,
        attributes=trial.user_attrs,
        fixed=trial.system_attrs.get("fixed_params"),
        seconds=trial.duration.total_seconds() if trial.duration else None,
        distributions={path: repr(of) for path, of in trial.distributions.items()},
    )
    for trial in study.trials
]
best = study.best_trial.number if any(trial["state"] == "COMPLETE" for trial in trials) else None
asked = study.ask()  # the file can be gone on with
print(json.dumps([name, study.direction.name, study.metric_names, best, trials, asked.params]))
"""


def opened_by_optuna(path, program=OF_OPTUNA):
    """What the real Optuna reads from a journal."""
    command = [sys.executable, "-c", program, path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_hyperband_does_not_depend_on_the_number_of_processes(small, tmp_path):
    arguments, study = small
    hyperband = ["--pruner", "hyperband", "--objectives", "val_loss"]
    # Sums over another number of threads may differ in the last bit.
    one_thread = {"OMP_NUM_THREADS": "1"}
    trials = {}
    for processes in (1, 3):
        name = f"{study}_{processes}"
        shared = [name if part == study else part for part in arguments]
        done = fer(*shared, 0, *hyperband, **one_thread)
        assert done.returncode == 0, done.stderr
        join = ["tune", "--study", name, "--worker", "--trials", 8]
        workers = [start_fer(*join, **one_thread) for _ in range(processes)]
        for worker in workers:
            out, err = worker.communicate(timeout=200)
            assert worker.returncode == 0, err
        # Three trials begin with an epoch and one continues, two have all epochs, then the next round.
        assert "8 trials: 4 complete, 4 pruned" in out
        out = tmp_path / f"{processes}.json"
        assert fer("tune", "--study", name, "--trials", 8, "--json", out).returncode == 0
        trials[processes] = json.loads(out.read_text())
        for trial in trials[processes]:
            del trial["seconds"]
    assert trials[1] == trials[3]
    assert [len(trial["rungs"]) for trial in trials[1]].count(2) == 2
    pruned = [trial for trial in trials[1] if trial["state"] == "pruned"]
    assert all("pruned by Hyperband: place" in trial["reason"] for trial in pruned)
    assert {trial["epochs"] for trial in pruned} == {1}


def test_seeds_pruning_csv_and_optuna_say_the_same(small, tmp_path):
    arguments, study = small
    table, journal = tmp_path / "trials.csv", tmp_path / "study.journal"
    out = tmp_path / "trials.json"
    outputs = ["--csv", table, "--optuna", journal, "--json", out]
    done = fer(*arguments, 4, "--pruner", "hyperband", "--seeds", 2, "--jobs", 2, *outputs)
    assert done.returncode == 0, done.stderr
    # Of three trials of one epoch one continues; the fourth belongs to the bracket after them.
    assert "4 trials: 2 complete, 2 pruned" in done.stdout and "over 2 seeds" in done.stdout
    waiting = fer("tune", "--study", study, "--trials", 4, "--try", "batch_size=64", *outputs)
    assert waiting.returncode == 0, waiting.stderr
    trials = json.loads(out.read_text())
    rows = list(csv.DictReader(table.open()))
    name, direction, metrics, best, read, _ = opened_by_optuna(journal)
    assert (name, direction, metrics) == ("study", "MAXIMIZE", ["val_accuracy"])
    assert len(trials) == len(rows) == len(read) == 5
    for trial, row, theirs in zip(trials, rows, read, strict=True):
        assert row["state"] == trial["state"] == theirs["state"].lower()
        assert float(row["val_accuracy"]) == theirs["value"] == trial["value"]
        mean = sum(trial["reached"]) / 2
        assert trial["value"] == pytest.approx(mean)
        spread = abs(trial["reached"][0] - trial["reached"][1]) / 2**0.5
        assert float(row["spread"]) == pytest.approx(spread, abs=1e-12)
        assert theirs["params"] == trial["values"] and theirs["attributes"]["trial"] >= 1
        assert theirs["seconds"] == pytest.approx(trial["seconds"], abs=1e-3)
        folder = study / f"trial_{trial['number']:04}"
        histories = [folder / "history.csv", folder / "seed_2" / "history.csv"]
        curves = [
            [float(epoch["val_accuracy"]) for epoch in csv.DictReader(path.open())]
            for path in histories
        ]
        assert len(curves[0]) == (1 if trial["state"] == "pruned" else 3)
        means = [pytest.approx(sum(at) / 2) for at in zip(*curves, strict=True)]
        assert [theirs["steps"][str(epoch + 1)] for epoch in range(len(means))] == means
    complete = [trial for trial in trials if trial["state"] == "complete"]
    assert trials[best]["value"] == max(trial["value"] for trial in complete)
    assert read[4]["fixed"] == {"train.batch_size": 64}
    kinds = read[0]["distributions"]
    assert kinds["train.batch_size"] == "CategoricalDistribution(choices=(32, 64))"
    assert kinds["train.learning_rate"].startswith("FloatDistribution(high=0.01, log=True")


def test_failed_and_waiting_trials_reach_optuna(begin, tmp_path):
    arguments, study = begin
    (tmp_path / "space.toml").write_text(
        '"train.learning_rate" = { kind = "log", low = 1e28, high = 1e30 }'
    )
    journal = tmp_path / "study.journal"
    assert fer(*arguments, 1, "--optuna", journal).returncode == 1
    waiting = study / "trial_0002"
    waiting.mkdir()
    (waiting / "trial.toml").write_text(
        'number = 2\nstate = "waiting"\n'
        '[given]\n"train.learning_rate" = 1e29\n[values]\n"train.learning_rate" = 1e29\n'
    )
    done = fer("tune", "--study", study, "--trials", 1, "--minutes", 1e-9, "--optuna", journal)
    assert done.returncode == 0, done.stderr
    *_, best, read, asked = opened_by_optuna(journal)
    assert [trial["state"] for trial in read] == ["FAIL", "WAITING"] and best is None
    assert read[0]["value"] is None and read[0]["attributes"]["reason"]
    assert read[1]["fixed"] == {"train.learning_rate": 1e29} and read[1]["params"] == {}


CONDITIONAL = """
"network.hidden" = { kind = "choice", values = [4, 32, 128] }
"train.optimizer.name" = { kind = "choice", values = ["adam", "sgd"] }
"train.optimizer.momentum" = { kind = "float", low = 0.5, high = 0.99, when = { "train.optimizer.name" = "sgd" } }
"""

OF_OPTUNA_WITH_TWO = """
import json, sys
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

storage = JournalStorage(JournalFileBackend(sys.argv[1]))
study = optuna.load_study(study_name=None, storage=storage)
trials = [dict(state=trial.state.name, values=trial.values, params=trial.params) for trial in study.trials]
asked = study.ask()
print(json.dumps([
    [direction.name for direction in study.directions], study.metric_names,
    sorted(trial.number for trial in study.best_trials), trials,
]))
"""


def test_two_objectives_and_conditions_are_what_optuna_reads(small, tmp_path):
    arguments, study = small
    arguments[arguments.index("--epochs") + 1] = "1"
    (tmp_path / "space.toml").write_text(CONDITIONAL)
    table, journal, out = (tmp_path / name for name in ("trials.csv", "study.journal", "trials.json"))
    two = ["--objectives", "val_accuracy,flops"]
    for options, expected in [
        (["--objectives", "flops"], "objectives = flops: expected val_accuracy or val_loss"),
        (["--objectives", "val_loss,seconds"], "followed by ,flops or ,parameters"),
        ([*two, "--pruner", "median"], "pruner = median: expected none with two objectives"),
        (["--try", "momentum=0.9"], 'expected train.optimizer.name = "sgd" in the same point'),
    ]:
        refused = fer(*arguments, 1, *options)
        assert refused.returncode == 1 and expected in refused.stderr, refused.stderr
        assert not study.exists()
    outputs = ["--csv", table, "--optuna", journal, "--json", out]
    first = ["--try", "name=sgd,momentum=0.9", "--try", "hidden=4,name=adam"]
    done = fer(*arguments, 8, *two, *first, *outputs)
    assert done.returncode == 0, done.stderr
    assert "8 trials: 8 complete" in done.stdout and "Pareto front: " in done.stdout
    trials, rows = json.loads(out.read_text()), list(csv.DictReader(table.open()))
    directions, metrics, best, read = opened_by_optuna(journal, OF_OPTUNA_WITH_TWO)
    assert (directions, metrics) == (["MAXIMIZE", "MINIMIZE"], ["val_accuracy", "flops"])
    for trial, row, theirs in zip(trials, rows, read, strict=True):
        assert theirs["values"] == [trial["value"], trial["cost"]] and theirs["state"] == "COMPLETE"
        assert float(row["flops"]) == trial["cost"] > 0
        assert theirs["params"] == trial["values"]
        is_sgd = trial["values"]["train.optimizer.name"] == "sgd"
        assert ("train.optimizer.momentum" in trial["values"]) == is_sgd
        assert bool(row["train.optimizer.momentum"]) == is_sgd
    assert trials[0]["values"]["train.optimizer.momentum"] == 0.9
    # Their front is ours, and what costs less has fewer hidden units.
    assert [number + 1 for number in best] == [at for at, row in enumerate(rows, 1) if row["front"] == "true"]
    by_hidden = {trial["values"]["network.hidden"]: trial["cost"] for trial in trials}
    assert sorted(by_hidden, key=by_hidden.get) == sorted(by_hidden)


@pytest.mark.parametrize("option", ["--pruner", "--seeds"])
def test_what_makes_a_study_needs_its_space(begin, option):
    _, study = begin
    done = fer("tune", "--study", study, option, "median" if option == "--pruner" else 2)
    assert done.returncode == 2 and "--space" in done.stderr, done.stderr


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
