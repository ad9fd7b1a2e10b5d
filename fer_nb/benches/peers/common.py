"""What the peers written in Python share: arguments, the exported data, the clock, the result line."""

import argparse
import json
import os
import statistics
import time

import numpy as np

BATCH = 64  # also the images that the first loss is taken over
LARGE = 256  # images in the second measurement of inference
PIECES = (LARGE, 32)  # given to the network at once, or in pieces that fit a CPU's caches
WARM_UP = 10  # steps or calls before the clock runs
TYPES = {"U8": np.uint8, "I64": np.int64, "F32": np.float32}


def arguments(modes, description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--mode", choices=modes, required=True)
    parser.add_argument("--work", choices=("training", "inference", "accuracy"), required=True)
    parser.add_argument("--data", required=True, help="data.safetensors of `fer bench export`")
    parser.add_argument("--weights", required=True, help="weights.safetensors of it")
    parser.add_argument("--images", required=True, help="a folder with train/<class>/*.jpg|png")
    parser.add_argument("--batch-size", type=int, default=BATCH, help="images a training step")
    parser.add_argument("--seconds", type=float, default=8.0, help="how long to measure")
    parser.add_argument("--target", type=float, default=0.45, help="validation accuracy to reach")
    parser.add_argument("--epochs", type=int, default=35, help="epochs to reach it in, at most")
    parser.add_argument("--recipe", help="recipe.json of `fer bench export`, for accuracy")
    parser.add_argument("--seed", type=int, default=1, help="of shuffling, augmentation, dropout")
    return parser.parse_args()


def safetensors(path):
    """Name to array, without a copy: the format is a length, a JSON header and the numbers."""
    raw = np.memmap(path, dtype=np.uint8, mode="r")
    length = int(raw[:8].view(np.uint64)[0])
    header = json.loads(raw[8 : 8 + length].tobytes())
    header.pop("__metadata__", None)
    arrays = {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        part = raw[8 + length + start : 8 + length + end]
        arrays[name] = part.view(TYPES[entry["dtype"]]).reshape(entry["shape"])
    return arrays


def since_start():
    """Seconds since bench.py started this process, which it tells in BENCH_STARTED."""
    started = os.environ.get("BENCH_STARTED")
    return time.time() - float(started) if started else None


def peak_rss_mb():
    """The most memory that this process has held; a DataLoader's workers are not in it."""
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / 1e6


def answer(**figures):
    """The line that bench.py reads."""
    print(json.dumps({**figures, "peak_rss_mb": peak_rss_mb()}), flush=True)


class Clock:
    """Told of each finished step, it says when enough is measured.

    `chunk` is after how many steps augmentation is done again, where it is done for many batches at
    once: the clock stops at the same place of a chunk at which it started, so that what is counted
    has its share of augmentation, no more and no less. `finish` waits for a GPU.
    """

    def __init__(self, seconds, chunk=1, finish=lambda: None):
        self.seconds, self.chunk, self.finish = seconds, chunk, finish
        self.warm_up, self.images, self.losses, self.started = [], 0, [], None
        self.last = time.perf_counter()

    def step(self, batch, images, loss):
        """The `batch`-th of its epoch, from 1, is done; true when it was the last one to measure."""
        in_phase = batch >= WARM_UP and (batch - WARM_UP) % self.chunk == 0
        if self.started is None:
            self.finish()
            now = time.perf_counter()
            self.warm_up.append(now - self.last)
            self.last = now
            # A step may take seconds where a framework is slow; then fewer have to do.
            if in_phase or (self.chunk == 1 and sum(self.warm_up) > 4 * self.seconds):
                self.started = now
            return False
        self.images += images
        self.losses.append(loss)  # a GPU's is read later, which costs nothing then
        if in_phase and time.perf_counter() - self.started >= self.seconds:
            self.finish()
            self.elapsed = time.perf_counter() - self.started
            return True
        return False

    def figures(self, compiles=False):
        figures = {
            "images_per_second": self.images / self.elapsed,
            "images": self.images,
            "seconds": self.elapsed,
            "loss": statistics.fmean(map(float, self.losses)),
        }
        if compiles:  # what the first steps took longer than the others
            usual = statistics.median(self.warm_up[1:])
            figures["compile_s"] = sum(self.warm_up) - usual * len(self.warm_up)
        return figures


def inference(forward, images, seconds):
    """`forward` takes u8 [N, 1, 48, 48] as prepared by `images(count)` and gives logits as numpy.

    The many images go to the network at once and in pieces; the faster counts.
    """

    def times(work, seconds):
        for _ in range(WARM_UP):
            work()
        durations, started = [], time.perf_counter()
        while not durations or time.perf_counter() - started < seconds:
            call = time.perf_counter()
            work()
            durations.append(time.perf_counter() - call)
        return durations

    one, large = images(1), images(LARGE)
    single = times(lambda: forward(one), seconds / 2)
    rates = []
    for size in PIECES:
        pieces = [large[start : start + size] for start in range(0, LARGE, size)]
        many = times(lambda pieces=pieces: [forward(piece) for piece in pieces], seconds / 4)
        rates.append(len(many) * LARGE / sum(many))
    return {
        "batch1_ms": statistics.median(single) * 1e3,
        "batch256_images_per_second": max(rates),
    }


def cross_entropy(logits, labels):
    """Mean in nats of logits [N, 7], in float64."""
    logits = np.asarray(logits, dtype=np.float64)
    logits = logits - logits.max(axis=1, keepdims=True)
    log_sums = np.log(np.exp(logits).sum(axis=1))
    return float((log_sums - logits[np.arange(len(labels)), labels]).mean())
