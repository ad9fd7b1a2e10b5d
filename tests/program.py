"""The program `fer`, as the tests call it."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"


def fer(*arguments, timeout=300, wrapper=(), **variables):
    """Runs $FER_BINARY, or .venv/bin/fer, with no variable of the environment that changes data."""
    program = Path(os.environ.get("FER_BINARY", ROOT / ".venv" / "bin" / "fer"))
    if not program.is_file():
        pytest.fail(f"{program} is missing: run `make setup`")
    settings = {k: v for k, v in os.environ.items() if not k.startswith("FER")}
    command = [*wrapper, str(program), *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, env={**settings, **variables}, timeout=timeout
    )


def example(name):
    """An example program of the crate, as `cargo test` built it."""
    found = sorted((ROOT / "build" / "target").glob(f"*/debug/examples/{name}"))
    if not found:
        pytest.fail(f"the example {name} is missing: run `cargo build --examples`")
    return found[0]
