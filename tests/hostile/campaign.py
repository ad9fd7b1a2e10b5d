"""The whole campaign: every attack for its share of the time, and one table of what was tried and what failed.

    make hostile                        # ten minutes
    make hostile HOSTILE_MINUTES=240    # hours, by hand
    .venv/bin/python tests/hostile/campaign.py --minutes 5 --only parsers --only server

It fails if any attack does. --seed repeats one, and each failure of a parser is told with what makes its input again.
"""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "hostile")]

import kill_train  # noqa: E402
import kill_tune  # noqa: E402
import layers  # noqa: E402
import server  # noqa: E402
from program import example  # noqa: E402

# Seconds that one kill takes on two cores, about.
SECONDS_A_KILL = {"train": 3.0, "tune": 5.0}
SHARES = {"parsers": 0.4, "server": 0.2, "train": 0.15, "tune": 0.15, "layers": 0.1}


def parsers(seconds, seed):
    """Rows of tests/hostile/parsers/, one a target."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "place"
        command = [example("hostile_parsers"), str(seconds), str(seed)]
        variables = {k: v for k, v in os.environ.items() if not k.startswith("FER")}
        variables["HOSTILE_PLACE"] = str(place)
        done = subprocess.run(command, env=variables, capture_output=True, text=True)
        rows = []
        for line in done.stdout.splitlines():
            if not line.startswith("{"):
                continue
            row = json.loads(line)
            told = row["told"] + ["more"] * (row["failed"] - len(row["told"]))
            remark = f"{row['refused']:,} refused; at most {row['slowest_seconds']} s, {row['peak_mb']} MB"
            rows.append((row["target"], row["tried"], told, remark))
        if done.returncode:
            at = place.read_text().strip() if place.exists() else "the beginning"
            rows.append(("parsers", 1, [f"status {done.returncode} at {at}: {done.stderr[-500:]}"], ""))
    return rows


def attacks(minutes, seed):
    """What there is, by name: a function that gives rows."""
    seconds = {name: share * 60 * minutes for name, share in SHARES.items()}
    kills = {name: max(3, int(seconds[name] / each)) for name, each in SECONDS_A_KILL.items()}
    return {
        "parsers": lambda: parsers(seconds["parsers"], seed),
        # Its own unit is about a minute.
        "server": lambda: server.campaign(max(0.5, seconds["server"] / 60), seed, show=lambda line: None),
        "train": lambda: [("kill fer train", *kill_train.campaign(kills["train"], seed))],
        "tune": lambda: [("kill fer tune", *kill_tune.campaign(kills["tune"], seed))],
        "layers": lambda: [("C++ layers", *layers.campaign(seconds["layers"] / 2, seed))],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="about how long [default: 10]")
    parser.add_argument("--seed", type=int, default=26)
    parser.add_argument("--only", action="append", default=[], choices=SHARES)
    options = parser.parse_args()
    rows, started = [], time.monotonic()
    for name, attack in attacks(options.minutes, options.seed).items():
        if options.only and name not in options.only:
            continue
        began = time.monotonic()
        found = attack()
        rows += found
        tried, failed = sum(row[1] for row in found), sum(len(row[2]) for row in found)
        print(f"{name}: {tried:,} tried, {failed} failed, {time.monotonic() - began:.0f} s", flush=True)
    tried, failed = sum(row[1] for row in rows), sum(len(row[2]) for row in rows)
    day, minutes = datetime.date.today(), (time.monotonic() - started) / 60
    print(f"\n{day}, {minutes:.0f} minutes, seed {options.seed}, {os.cpu_count()} cores, Linux {platform.machine()}")
    print(f"\n{server.table(rows)}\n\n{tried:,} tried, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
