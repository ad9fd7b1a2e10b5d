"""Compares the validation loss of trainings in bfloat16 and in float32.

    .venv/bin/python fer_nb/benches/precision.py [--data FOLDER] [--epochs 8] [--seeds 5]

Trains the same recipe with several seeds in both precisions, alternating, and prints the validation loss of each
epoch: mean, minimum and maximum over the seeds. bfloat16 is as good if its mean lies within float32's range.
Without --data it uses the made-up sample.
"""

import argparse
import csv
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
FER = ROOT / ".venv" / "bin" / "fer"
PRECISIONS = ("float32", "bfloat16")


def train(folder, precision, seed, arguments):
    run = f"{precision}-{seed}"
    command = [FER, "train", "--run", run, "--precision", precision, "--seed", seed]
    command += ["--epochs", arguments.epochs, "--batch-size", arguments.batch_size]
    command += ["--patience", 0, *(["--data", arguments.data] if arguments.data else [])]
    settings = {key: value for key, value in os.environ.items() if not key.startswith("FER")}
    done = subprocess.run(
        list(map(str, command)),
        env={**settings, "FER_RUNS_DIR": folder, "FER_ROOT": str(ROOT)},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed: {done.stderr.strip()}")
    with open(Path(folder) / run / "history.csv") as file:
        rows = list(csv.DictReader(file))
    source = next(line for line in done.stdout.splitlines() if line.startswith("From "))
    seconds = sum(float(row["seconds"]) for row in rows)
    return [float(row["val_loss"]) for row in rows], seconds, source


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    curves = {precision: [] for precision in PRECISIONS}
    seconds = dict.fromkeys(PRECISIONS, 0.0)
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(arguments.seeds):
            for precision in PRECISIONS:
                curve, spent, source = train(folder, precision, seed, arguments)
                curves[precision].append(curve)
                seconds[precision] += spent
                print(f"seed {seed}, {precision}: {spent:.0f} s", file=sys.stderr)

    print(f"{source}; seeds 0 to {arguments.seeds - 1}, batch {arguments.batch_size}\n")
    print("| epoch | val_loss float32, mean (range) | bfloat16, mean (range) | within |")
    print("| ---: | ---: | ---: | --- |")
    within = 0
    for epoch in range(arguments.epochs):
        cells, ranges = [], []
        for precision in PRECISIONS:
            values = [curve[epoch] for curve in curves[precision]]
            ranges.append((statistics.mean(values), min(values), max(values)))
            cells.append("{:.3f} ({:.3f}–{:.3f})".format(*ranges[-1]))
        fits = ranges[0][1] <= ranges[1][0] <= ranges[0][2]
        within += fits
        print(f"| {epoch + 1} | {cells[0]} | {cells[1]} | {'yes' if fits else 'no'} |")
    spent = ", ".join(f"{precision} {seconds[precision]:.0f} s" for precision in PRECISIONS)
    print(f"\n{within} of {arguments.epochs} means within; training took {spent}.")


if __name__ == "__main__":
    main()
