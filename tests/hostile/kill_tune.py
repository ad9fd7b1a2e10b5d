"""Kills workers of a study, three at a time, and counts trials that are lost or done twice.

    .venv/bin/python tests/hostile/kill_tune.py                  # about a minute
    .venv/bin/python tests/hostile/kill_tune.py --kills 300

Half of the kills come the moment a trial's folder appears, before it says what it tries. A study fails if in the end a
trial is missing, is not complete, has epochs that it did not train, or differs from the study of one worker that was
left alone.
"""

import random
import shutil
import subprocess
import tempfile
import time
import tomllib
from pathlib import Path

from kills import VARIABLES, fingerprint, history, leftovers, main, write_csv
from program import fer, start_fer

TRIALS = 6
WORKERS = 3
KILLS_A_STUDY = 12
SPACE = """
"train.learning_rate" = { kind = "log", low = 1e-4, high = 1e-2 }
"train.batch_size" = { kind = "choice", values = [16, 32] }
"""


def worker(study, data):
    options = ["tune", "--worker", "--study", study, "--trials", TRIALS, "--data", data]
    return start_fer(*options, **VARIABLES)


def aimed_kill(study, process, rng, seconds):
    """Waits for the next folder of a trial, then a moment."""
    count = len(list(study.glob("trial_*")))
    until = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < until:
        if len(list(study.glob("trial_*"))) > count:
            break
    time.sleep(rng.choice([0, 0, 0.0005, 0.002, 0.01]))


def wrong(study, values):
    """What is lost, done twice or unlike what the sampler draws."""
    found = []
    for number in range(1, TRIALS + 1):
        folder = study / f"trial_{number:04}"
        if not (folder / "trial.toml").is_file():
            found.append(f"trial {number} is lost")
            continue
        trial = tomllib.loads((folder / "trial.toml").read_text())
        rows = history(folder)[1:]
        if trial["state"] != "complete":
            found.append(f"trial {number} is {trial['state']}")
        elif [row.split(",")[0] for row in rows] != [str(epoch + 1) for epoch in range(2)]:
            found.append(f"trial {number} has the epochs {rows}")
        elif trial["number"] != number or (values and trial["values"] != values[number]):
            found.append(f"trial {number} tried {trial['values']}")
    if len(list(study.glob("trial_*"))) != TRIALS:
        found.append("there are other trials")
    return found + [f"left behind: {path.name}" for path in leftovers(study)]


def begin(study, space, data):
    """A study of random draws, which depend on the trial's number alone, with its first trial done."""
    options = ["--space", space, "--epochs", 2, "--sampler", "random", "--pruner", "none", "--trials", 1]
    done = fer("tune", "--study", study, "--data", data, *options, timeout=600, **VARIABLES)
    assert done.returncode == 0, done.stderr


def campaign(kills, seed=26, seconds=float("inf")):
    """So many kills, or as many as the time allows: their number, what failed and a remark."""
    last = time.monotonic() + seconds
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as place:
        place = Path(place)
        data, space, twin = place / "data.csv", place / "space.toml", place / "twin"
        write_csv(data)
        space.write_text(SPACE)
        begin(place / "begun", space, data)
        shutil.copytree(place / "begun", twin)
        with worker(twin, data) as process:
            process.communicate(timeout=600)
        values, best = {}, {}
        for number in range(1, TRIALS + 1):
            folder = twin / f"trial_{number:04}"
            values[number] = tomllib.loads((folder / "trial.toml").read_text())["values"]
            best[number] = fingerprint(folder / "best.safetensors")
        done, failed, studies, retried = 0, [], 0, 0
        while done < kills and time.monotonic() < last:
            study = place / f"study{studies}"
            studies += 1
            shutil.copytree(place / "begun", study)
            workers, here = [worker(study, data) for _ in range(WORKERS)], 0
            while done < kills and here < KILLS_A_STUDY and time.monotonic() < last:
                victim = rng.randrange(WORKERS)
                process = workers[victim]
                if rng.random() < 0.5:
                    aimed_kill(study, process, rng, 5)
                else:
                    try:
                        process.wait(rng.uniform(0.05, 2.5))
                    except subprocess.TimeoutExpired:
                        pass
                if process.poll() is not None and all(one.poll() is not None for one in workers):
                    break
                if process.poll() is None:
                    process.kill()
                    done, here = done + 1, here + 1
                process.communicate()
                workers[victim] = worker(study, data)
            for process in workers:
                process.communicate(timeout=600)
            # Trials that a worker was about to begin are left to whoever comes next.
            with worker(study, data) as process:
                out, errors = process.communicate(timeout=600)
            if process.returncode:
                failed.append(f"study {studies}: status {process.returncode}: {errors[-300:]}")
            wrongs = wrong(study, values)
            if not wrongs:
                for number, weights in best.items():
                    if fingerprint(study / f"trial_{number:04}" / "best.safetensors") != weights:
                        wrongs.append(f"trial {number} has other weights than the twin's")
            failed += [f"study {studies}: {what}" for what in wrongs]
            texts = [path.read_text() for path in study.glob("trial_*/trial.toml")]
            retried += sum("retries" in text for text in texts)
            shutil.rmtree(study)
    return done, failed, f"{studies} studies of {TRIALS} trials; {retried} trials retried after a death"


if __name__ == "__main__":
    main("kill fer tune", __doc__, campaign, kills=12)
