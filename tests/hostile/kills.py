"""What the campaigns of kills share: made-up data, runs that a kill leaves, and what has to be the same in the end."""

import argparse
import hashlib
import json
import os
import random
import re
import struct
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

# One thread: several would wait for each other on a machine that is busy.
VARIABLES = {"FER_DEVICE": "cpu", "OMP_NUM_THREADS": "1"}
TEMPORARY = ".fer_nb-tmp"


def write_csv(path, train=70, test=35, seed=1):
    """A table of patterns, in equal parts of each class."""
    rng = random.Random(seed)
    lines = ["emotion,pixels,Usage"]
    for row in range(train + test):
        base, step = rng.randrange(256), 1 + row % 7
        pixels = (str((base + step * (at % 48) + rng.randrange(40)) % 256) for at in range(48 * 48))
        lines.append(f"{row % 7},{' '.join(pixels)},{'Training' if row < train else 'PrivateTest'}")
    Path(path).write_text("\n".join(lines) + "\n")


def fingerprint(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def history(run):
    """The rows of history.csv without the seconds, which differ from run to run."""
    return [line.rsplit(",", 1)[0] for line in (run / "history.csv").read_text().splitlines()]


def checkpoint(run):
    """The tensors' bytes and the state of a checkpoint, without seconds and the sum over them."""
    data = (run / "last" / "checkpoint.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    state = re.sub(r"seconds = \S+", "", header["__metadata__"]["state"])
    places = {name: value for name, value in header.items() if name != "__metadata__"}
    return state, places, hashlib.sha256(data[8 + length :]).hexdigest()


def leftovers(folder):
    return [path for path in Path(folder).rglob(f"{TEMPORARY}*")]


def differences(run, twin):
    """In what a run that was killed and resumed is not its twin, which was not."""
    found = []
    if history(run) != history(twin):
        found.append("history.csv")
    if fingerprint(run / "best.safetensors") != fingerprint(twin / "best.safetensors"):
        found.append("best.safetensors")
    if checkpoint(run) != checkpoint(twin):
        found.append("last/checkpoint.safetensors")
    return found + [f"left behind: {path.name}" for path in leftovers(run)]


def main(name, about, campaign, kills):
    """The command of a campaign: its options, its table, and status 1 if something failed."""
    parser = argparse.ArgumentParser(description=about.split("\n")[0])
    parser.add_argument("--kills", type=int, default=kills, help=f"how many [default: {kills}]")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="at most so long")
    parser.add_argument("--seed", type=int, default=26)
    options = parser.parse_args()
    tried, failed, remark = campaign(options.kills, options.seed, 60 * options.minutes)
    report(name, tried, failed, remark, options.seed)


def report(name, tried, failed, remark, seed):
    print(f"\nseed {seed}, {os.cpu_count()} cores\n\n| attack | tried | failed | |\n| --- | ---: | ---: | --- |")
    print(f"| {name} | {tried:,} | {len(failed)} | {remark} |")
    for what in failed[:10]:
        print(f"\n{name}: {what}")
    sys.exit(bool(failed))
