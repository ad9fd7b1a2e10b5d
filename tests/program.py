"""The program `fer`, as the tests call it."""

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
# Tests neither use the runs of the tested folder, which are the user's, nor add any.
RUNS = tempfile.TemporaryDirectory(prefix="fer_runs_")
# The folders of the pretrained weights.
PRETRAINED = sorted(path for path in (ROOT / "data" / "pretrained").iterdir() if path.is_dir())


def start_fer(*arguments, wrapper=(), cwd=None, **variables):
    """Starts $FER_BINARY, or .venv/bin/fer, with no variable of the environment that changes data."""
    program = Path(os.environ.get("FER_BINARY", ROOT / ".venv" / "bin" / "fer"))
    if not program.is_file():
        pytest.fail(f"{program} is missing: run `make setup`")
    settings = {k: v for k, v in os.environ.items() if not k.startswith("FER")}
    command = [*wrapper, str(program), *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command,
        stdout=pipe,
        stderr=pipe,
        text=True,
        env={**settings, "FER_RUNS_DIR": RUNS.name, **variables},
        cwd=cwd,
    )


def fer(*arguments, timeout=300, **options):
    """Runs it to its end; takes what `start_fer` takes."""
    with start_fer(*arguments, **options) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def example(name):
    """An example program of the crate, as `cargo test` built it."""
    found = sorted((ROOT / "build" / "target").glob(f"*/debug/examples/{name}"))
    if not found:
        pytest.fail(f"the example {name} is missing: run `cargo build --examples`")
    return found[0]
