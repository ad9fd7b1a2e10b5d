"""Loading FER2013: fer_nb against what Python users do, in turn.

    .venv/bin/python fer_nb/benches/loading.py FOLDER [CSV] [--rounds 5]

FOLDER against PIL (one thread, every JPEG to a numpy array), CSV against pandas and numpy. pandas is
not part of the project's environment: `.venv/bin/pip install pandas` for the second comparison.
Prints the median and the range of the rounds, and the ratio of the medians.
"""

import argparse
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

PIL = """
import sys, time, glob, numpy as np
from PIL import Image
files = sorted(glob.glob(sys.argv[1] + "/*/*/*.jpg"))
began = time.perf_counter()
images = [np.asarray(Image.open(file)) for file in files]
print(time.perf_counter() - began)
"""
PANDAS = """
import sys, time, warnings, numpy as np, pandas as pd
warnings.simplefilter("ignore")
began = time.perf_counter()
table = pd.read_csv(sys.argv[1])
images = np.array([np.fromstring(row, dtype=np.uint8, sep=" ") for row in table["pixels"]])
print(time.perf_counter() - began)
"""


def ours(path):
    """Seconds of the first load in a fresh process, and its peak memory in MB."""
    command = ["cargo", "run", "-q", "--locked", "-p", "fer_nb", "--example", "load_speed", "--"]
    text = subprocess.run(
        [*command, path, "1"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    peak = re.search(r"(\d+) MB once loaded", text)
    return float(re.search(r"seconds: (\S+)", text)[1]), peak and int(peak[1])


def theirs(script, path):
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"loading: {done.stderr.strip().splitlines()[-1]}")
    return float(done.stdout)


def compare(what, peer, script, path, rounds):
    ours(path)  # builds the program, and brings the files into the page cache
    pairs = []
    for _ in range(rounds):
        pairs.append((ours(path), theirs(script, path)))
        time.sleep(1)
    mine, other = [seconds for (seconds, _), _ in pairs], [seconds for _, seconds in pairs]
    for name, seconds in (("fer_nb", mine), (peer, other)):
        low, high = min(seconds), max(seconds)
        median = statistics.median(seconds)
        print(f"{what:<8}{name:<16}{median:7.3f} s   ({low:.3f} to {high:.3f}, n = {rounds})")
    ratio = statistics.median(other) / statistics.median(mine)
    print(f"{what:<8}{ratio:.1f} times as fast; peak memory {max(p for (_, p), _ in pairs)} MB")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=lambda path: str(Path(path).resolve()))
    parser.add_argument("csv", nargs="?", type=lambda path: str(Path(path).resolve()))
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    compare("JPEGs", "PIL", PIL, options.folder, options.rounds)
    if options.csv:
        compare("csv", "pandas + numpy", PANDAS, options.csv, options.rounds)


if __name__ == "__main__":
    main()
