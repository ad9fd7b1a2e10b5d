"""Measures the parts of a rerun cell's time in the kernel `rust`.

    .venv/bin/python fer_nb/benches/kernel_parts.py [CELLS]

It uses the times of the files that a cell writes: evcxr writes the code after it has found the variables' types,
rustc writes its list of dependencies between front end and code generation, and the linker writes the library.
Medians of CELLS reruns [20] in one kernel.
"""

import os
import statistics
import sys
import time
from pathlib import Path

from jupyter_client import KernelManager

ROOT = Path(__file__).resolve().parent.parent.parent
FIRST = ':dep fer_nb = { path = "../fer_nb" }\nuse fer_nb::prelude::*;'
CELL = """\
let config = TrainConfig {{ learning_rate: 1e-3 + {} as f64 * 1e-6, ..TrainConfig::default() }};
let begun = std::time::Instant::now();
let trainer = Trainer::new(SeedCnn::new(device()?, 1)?, config)?;
println!("{{}}", begun.elapsed().as_secs_f64());"""
PARTS = ("evcxr and rust-analyzer: types", "rustc: front end", "rustc: code, linker",
         "load, run, answer", "in all")  # fmt: skip


def run(client, source):
    printed = []

    def take(message):
        if message["msg_type"] == "stream":
            printed.append(message["content"]["text"])
        elif message["msg_type"] == "error":
            sys.exit(f"the cell failed: {message['content']['evalue']}")

    client.execute_interactive(source, output_hook=take, timeout=900)
    return "".join(printed)


def main():
    cells = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    manager = KernelManager(kernel_name="rust")
    manager.start_kernel(cwd=str(ROOT / "notebooks"))
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=900)
        run(client, FIRST)
        for number in range(4):
            run(client, CELL.format(number))
        process = manager.provisioner.process.pid
        (folder,) = (ROOT / "build" / "kernels").glob(f"{process}-*/ctx")
        (built,) = folder.glob("target/*-*/debug")
        rows = []
        for number in range(100, 100 + cells):
            asked = time.time()
            work = float(run(client, CELL.format(number)))
            answered = time.time()
            code = (folder / "src" / "lib.rs").stat().st_mtime
            listed = (built / "deps" / "ctx.d").stat().st_mtime
            linked = max(path.stat().st_mtime for path in built.glob("libcode_*.so"))
            rest = answered - linked - work
            rows.append((code - asked, listed - code, linked - listed, rest, answered - asked - work))
        for name, seconds in zip(PARTS, zip(*rows)):
            print(f"{name:32} {1000 * statistics.median(seconds):5.0f} ms")
    finally:
        client.stop_channels()
        manager.shutdown_kernel()


if __name__ == "__main__":
    main()
