"""Kills `fer train` at random and at aimed moments, resumes it, and compares it with a twin that was left alone.

    .venv/bin/python tests/hostile/kill_train.py                  # about a minute
    .venv/bin/python tests/hostile/kill_train.py --kills 300

A run fails if it can't be resumed, if what a kill leaves does not fit together, or if in the end a bit of history,
best weights or checkpoint differs from the twin's.
"""

import random
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from kills import TEMPORARY, VARIABLES, checkpoint, differences, history, main, write_csv
from program import start_fer

EPOCHS = 4
KILLS_A_RUN = 6


def start(run, data):
    """Starts the training, or resumes what a kill has left of it."""
    options = ["--run", run, "--data", data]
    if (run / "last" / "checkpoint.safetensors").is_file():
        return start_fer("train", "--resume", *options, **VARIABLES)
    options += ["--epochs", EPOCHS, "--batch-size", 32, "--seed", 7, "--patience", 0, "--ema", 0.9]
    return start_fer("train", *options, **VARIABLES)


def wait_for_write(process, run, rng, seconds):
    """Waits for one of the next temporary files, then a moment."""
    left, seen = rng.randint(1, 5), set()
    until = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < until and left > 0:
        for folder in (run, run / "last"):
            names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
            new = [name for name in names if name.startswith(TEMPORARY) and name not in seen]
            seen.update(new)
            left -= len(new)
        time.sleep(0.0005)
    time.sleep(rng.choice([0, 0.001, 0.003, 0.01, 0.02]))


def misfits(run):
    """What does not fit together in what a kill has left."""
    if not (run / "last" / "checkpoint.safetensors").is_file():
        return ["a config without a checkpoint"] if (run / "config.toml").is_file() else []
    state, _, _ = checkpoint(run)
    found = []
    if not (run / "best.safetensors").is_file():
        found.append("a checkpoint without best weights")
    if (run / "history.csv").is_file() and len(history(run)) - 1 > state.count("[[epochs]]"):
        found.append("a history that is ahead of the checkpoint")
    return found


def campaign(kills, seed=26, seconds=float("inf")):
    """So many kills, or as many as the time allows: their number, what failed and a remark."""
    last = time.monotonic() + seconds
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as place:
        place = Path(place)
        data, twin = place / "data.csv", place / "twin"
        write_csv(data)
        began = time.monotonic()
        with start(twin, data) as process:
            _, errors = process.communicate(timeout=600)
        assert process.returncode == 0, errors
        duration = time.monotonic() - began
        done, failed, runs, aimed = 0, [], 0, 0
        while done < kills and time.monotonic() < last:
            run = place / f"run{runs}"
            runs += 1
            here = 0
            while True:
                with start(run, data) as process:
                    if done < kills and here < KILLS_A_RUN and time.monotonic() < last:
                        if at_write := rng.random() < 0.6:
                            wait_for_write(process, run, rng, 2 * duration)
                        else:
                            try:
                                process.wait(rng.uniform(0.05, duration))
                            except subprocess.TimeoutExpired:
                                pass
                        if process.poll() is None:
                            process.kill()
                            process.communicate()
                            done, here, aimed = done + 1, here + 1, aimed + at_write
                            failed += [f"run {runs}, kill {here}: {what}" for what in misfits(run)]
                            continue
                    _, errors = process.communicate(timeout=600)
                if process.returncode:
                    failed.append(f"run {runs}: status {process.returncode}: {errors[-300:]}")
                else:
                    failed += [f"run {runs}: another {what}" for what in differences(run, twin)]
                break
            shutil.rmtree(run)
    return done, failed, f"{runs} runs, each the same as the twin; {aimed} kills while a file was written"


if __name__ == "__main__":
    main("kill fer train", __doc__, campaign, kills=20)
