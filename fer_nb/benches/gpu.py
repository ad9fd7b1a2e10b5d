"""Runs on a GPU for twelve minutes: the GPU part of the benchmark, and a training of the recipe `resnet`.

    .venv/bin/python fer_nb/benches/gpu.py --data FOLDER [--out build/gpu] [--minutes 12]
    .venv/bin/python fer_nb/benches/gpu.py --dry-run      # every step on the CPU, at a tiny size

It builds, installs and downloads nothing: run `make setup` first. The steps, in order:

    check   one prediction on the GPU; if it fails, no other step runs
    bench   bench.py with fer_nb and PyTorch, training and inference, one round [--bench-minutes 4]
    train   `fer train` until all epochs are done or the time is over
    row     `fer runs`: the training as a row of a table

When the time is over, the training is stopped as by Ctrl-C: the run folder keeps its best weights and a
checkpoint, and the same command resumes it. The folder --out gets a log of each step, bench/bench.md, the run in
resnet/, runs.csv, and summary.md and summary.json, which are written after each step. The exit status is 0 if
every step succeeded, else 1; 130 after Ctrl-C.
"""

import argparse
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import report
from prepare import FER, PYTHON, ROOT, environment

HERE = Path(__file__).resolve().parent
# Of the benchmark, what runs on a GPU and needs nothing but .venv.
SUBJECTS = ("fer-float32", "fer-bfloat16", "pytorch-tuned-f32", "pytorch-tuned-bf16", "pytorch-compile-bf16")
OURS = "fer-"
# Seconds that training leaves for its own end and for the steps after it, and those of a dry run.
AFTERWARDS, AFTERWARDS_DRY = 35.0, 3.0
# Seconds that a program has which was asked to stop.
GRACE = 45.0
INTERRUPTED = 130


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="as fer's --data: a folder, or a fer2013.csv")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "gpu", help="folder [build/gpu]")
    parser.add_argument("--minutes", type=float, default=12.0, help="for everything [12]")
    parser.add_argument("--bench-minutes", type=float, default=4.0, help="of them, at most [4]")
    parser.add_argument("--epochs", type=int, help="of the training [the recipe's]")
    parser.add_argument("--dry-run", action="store_true", help="on the CPU, at a tiny size")
    options = parser.parse_args()
    if not 0 < options.bench_minutes < options.minutes:
        parser.error("--bench-minutes: above 0 and less than --minutes")
    if options.epochs is not None and options.epochs < 1:
        parser.error("--epochs: 1 or more")
    options.out = options.out.absolute()
    options.data = os.path.abspath(options.data) if options.data else None
    return options


def missing(dry_run):
    """What is not there and has to be, with what to do about it."""
    found = [f"{path} is missing: run `make setup`" for path in (PYTHON, FER) if not path.exists()]
    if not dry_run and not shutil.which("nvidia-smi"):
        found.append("nvidia-smi is missing: this machine has no NVIDIA driver; --dry-run needs none")
    return found


class Step:
    """One program: how it ended is a state, what to say of it a note."""

    def __init__(self, name, out):
        self.name, self.log = name, out / f"{name}.log"
        self.state, self.note, self.seconds = "not run", "", 0.0

    @property
    def worked(self):
        return self.state in ("done", "stopped in time")

    def run(self, command, limit, env):
        """Runs it for `limit` seconds at most. One that takes longer is interrupted, as Ctrl-C does, so
        that it can save what it has. Its exit status; None if it had to be killed."""
        started, self.state = time.monotonic(), "failed"
        with open(self.log, "a") as log:
            log.write(f"$ {' '.join(map(str, command))}\n")
            log.flush()
            process = subprocess.Popen(
                [str(part) for part in command],
                cwd=ROOT,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is passed on, once
            )
            status, late = None, False
            try:
                status = process.wait(max(limit, 0))
            except subprocess.TimeoutExpired:
                late, status = True, interrupted(process)
            except KeyboardInterrupt:
                interrupted(process)
                self.state = "stopped by the user"
                raise
            finally:
                self.seconds += time.monotonic() - started
        if late and status is None:
            self.note = f"did not stop within {GRACE:.0f} s and was killed"
        elif status == 0:
            self.state = "done"
        elif late and status in (1, INTERRUPTED, -signal.SIGINT):
            self.state = "stopped in time"
        else:
            self.note = f"ended with status {status}: {self.last_line()}"
        return status

    def last_line(self):
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "no message"

    def row(self):
        seconds, log = round(self.seconds, 1), self.log.name
        return {"step": self.name, "state": self.state, "seconds": seconds, "note": self.note, "log": log}


def interrupted(process):
    """Ctrl-C for a program and what it started; its exit status, None if it has to be killed."""
    try:
        os.killpg(process.pid, signal.SIGINT)
        return process.wait(GRACE)
    except ProcessLookupError:
        return process.wait()
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return None


class Session:
    def __init__(self, options):
        self.options, self.out = options, options.out
        self.end = time.monotonic() + 60 * options.minutes
        self.afterwards = AFTERWARDS_DRY if options.dry_run else AFTERWARDS
        self.steps = [Step(name, self.out) for name in ("check", "bench", "train", "row")]
        device = "cpu" if options.dry_run else os.environ.get("FER_DEVICE", "cuda")
        self.env = environment({"FER_DEVICE": device})
        self.data = ["--data", options.data] if options.data else []
        self.resnet = self.out / "resnet"

    def left(self):
        return self.end - time.monotonic()

    def work(self):
        for step in self.steps:
            print(f"{step.name} …", flush=True)
            try:
                getattr(self, step.name)(step)
            finally:
                self.save()
            note = f" ({step.note})" if step.note else ""
            print(f"{step.name}: {step.state}, {step.seconds:.0f} s{note}", flush=True)
            if step.name == "check" and not step.worked:
                break  # each of the others needs what failed

    def check(self, step):
        command = [FER, "bench", "inference", *self.data, "--seconds", 0.1]
        if step.run(command, self.left() / 2, self.env) == 0:
            step.note = json.loads(step.last_line())["device"]

    def bench(self, step):
        out = self.out / "bench"
        dry = self.options.dry_run
        subjects = SUBJECTS[:1] if dry else SUBJECTS
        command = [PYTHON, HERE / "bench.py", *self.data, "--out", out, "--rounds", 1]
        command += ["--work", "training,inference", "--only", ",".join(subjects)]
        command += ["--seconds", 0.1 if dry else 4, "--timeout", 120]
        limit = min(60 * self.options.bench_minutes, self.left() - self.afterwards)
        step.run(command, limit, self.env)
        rows = read(out / "bench.json", {"rows": []})["rows"]
        lacking = [row for row in rows if row["median"] is None]
        names = sorted({row["subject"] for row in lacking})
        if step.worked and names:
            step.note = f"not measured: {', '.join(names)}"
        if step.worked and (not rows or any(name.startswith(OURS) for name in names)):
            step.state = "failed"

    def train(self, step):
        epochs = ["--epochs", self.options.epochs] if self.options.epochs else []
        command = [FER, "train", "--run", self.resnet, *self.data]
        if (self.resnet / "last" / "checkpoint.safetensors").is_file():
            command += ["--resume", *epochs]
        else:
            command += ["--recipe", "resnet", *epochs]
            command += self.tiny() if self.options.dry_run else []
        step.run(command, self.left() - self.afterwards, self.env)
        done = self.epochs()
        if step.state == "stopped in time":
            step.note = f"out of time after {done} epochs; the same command resumes it"
            step.state = step.state if done else "failed"
        elif step.state == "done":
            step.note = f"{done} epochs"

    def tiny(self):
        """The recipe's every part, at the size of a moment."""
        values = {
            "network.channels": "[8, 16]",
            "network.blocks": "[1, 1]",
            "train.batch_size": 32,
            "train.clean_epochs": 1,
        }
        epochs = [] if self.options.epochs else ["--epochs", 2]
        return [*epochs, *(part for key, value in values.items() for part in ("--set", f"{key}={value}"))]

    def epochs(self):
        try:
            with open(self.resnet / "history.csv") as file:
                return sum(1 for _ in csv.DictReader(file))
        except OSError:
            return 0

    def row(self, step):
        if not self.epochs():
            step.note = "no epoch was completed"
            return
        command = [FER, "runs", self.resnet, "--csv", self.out / "runs.csv"]
        step.run(command, max(self.left(), self.afterwards, 20), self.env)

    def worked(self):
        return all(step.worked for step in self.steps)

    def save(self):
        """Writes the summary of what is known by now."""
        steps = [step.row() for step in self.steps]
        about = {
            "dry_run": self.options.dry_run,
            "hardware": report.hardware(),
            "minutes": round(self.options.minutes - self.left() / 60, 2),
            "worked": self.worked(),
            "steps": steps,
        }
        report.write(self.out / "summary.json", json.dumps(about, indent=1) + "\n")
        machine = about["hardware"]
        title = "# Twelve minutes of a GPU" + (", a dry run on the CPU" if self.options.dry_run else "")
        lines = [title, "", ", ".join([*machine["gpu"], machine["processor"]]) + ".", ""]
        lines += ["| step | state | seconds | |", "| --- | --- | ---: | --- |"]
        for row in steps:
            cells = (row["step"], row["state"], f"{row['seconds']:.0f}", row["note"].replace("|", "/"))
            lines.append(f"| {' | '.join(cells)} |")
        tables = self.out / "bench" / "bench.md"
        if tables.is_file():
            lines += ["", *(line.replace("# ", "## ", 1) for line in tables.read_text().splitlines())]
        for run in read_rows(self.out / "runs.csv"):
            lines += ["", "## The training", "", *(f"- {key}: {value}" for key, value in run.items())]
        report.write(self.out / "summary.md", "\n".join(lines) + "\n")


def read(path, otherwise):
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return otherwise


def read_rows(path):
    try:
        with open(path) as file:
            return list(csv.DictReader(file))
    except OSError:
        return []


def main():
    options = arguments()
    problems = missing(options.dry_run)
    if problems:
        print(*(f"gpu: {problem}" for problem in problems), sep="\n", file=sys.stderr)
        return 1
    options.out.mkdir(parents=True, exist_ok=True)
    # A shell starts background jobs with SIGINT ignored, which the steps would inherit. SIGTERM is how
    # whoever lends a machine for a while takes it back.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    session = Session(options)
    try:
        session.work()
    except KeyboardInterrupt:
        session.save()
        print("gpu: stopped; the summary has what was done", file=sys.stderr)
        return INTERRUPTED
    print(f"\n{(session.out / 'summary.md').read_text()}")
    return 0 if session.worked() else 1


if __name__ == "__main__":
    sys.exit(main())
