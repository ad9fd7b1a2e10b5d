"""Loading FER2013 as most people do: PIL for the folder, pandas and numpy for the csv file.

    loading.py --mode pil|pandas PATH
"""

import argparse
import time
import warnings
from pathlib import Path

import common
import numpy as np


def pil(folder):
    """Every image to an array, in one thread."""
    from PIL import Image, __version__

    files = sorted(path for path in Path(folder).glob("*/*/*") if path.suffix in (".jpg", ".png"))
    started = time.perf_counter()
    images = [np.asarray(Image.open(file)) for file in files]
    return time.perf_counter() - started, len(images), f"pillow {__version__}"


def pandas(table):
    import pandas

    warnings.simplefilter("ignore")  # numpy would have text read in another, slower way
    started = time.perf_counter()
    rows = pandas.read_csv(table)["pixels"]
    images = np.array([np.fromstring(row, dtype=np.uint8, sep=" ") for row in rows])
    return time.perf_counter() - started, len(images), f"pandas {pandas.__version__}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--mode", choices=("pil", "pandas"), required=True)
    parser.add_argument("path")
    options = parser.parse_args()
    started = common.since_start()
    seconds, images, version = {"pil": pil, "pandas": pandas}[options.mode](options.path)
    common.answer(seconds=seconds, images=images, startup_s=started, version=version)


if __name__ == "__main__":
    main()
