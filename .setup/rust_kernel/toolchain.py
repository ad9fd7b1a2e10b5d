"""Where things are, and the Rust toolchain."""

import contextlib
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "build"
VENV = ROOT / ".venv"
CRATE = ROOT / "fer_nb"
KERNELS = BUILD / "kernels"


def tool(name):
    """The toolchain's own program rather than rustup's proxy, as evcxr takes it."""
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        found = subprocess.run(
            ["rustup", "which", name], cwd=ROOT, check=True, capture_output=True, text=True
        )
        return found.stdout.strip()
    return shutil.which(name) or name


def host():
    """The target that the compiler is for, as evcxr names it to cargo."""
    version = subprocess.run([tool("rustc"), "-vV"], check=True, capture_output=True, text=True)
    return next(line.split()[1] for line in version.stdout.splitlines() if line.startswith("host:"))
