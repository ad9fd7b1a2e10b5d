"""Writes the lock files: the packages for pip, with the version and the hashes of every dependency.

    python -m pip install uv; python .setup/lock.py

One resolution for Python 3.10 and later and for all systems, from which each requirements file gets its part. Run it
after a change of a requirements file; `make test` reports a lock file that does not match.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
NAMES = ("requirements", "requirements-torch", "requirements-libtorch", "requirements-tests")
PYTHON = "3.10"
HEAD = "# Written by .setup/lock.py from %s; pip takes nothing else.\n"


def compile_lock(to, *arguments):
    command = ["uv", "pip", "compile", "--universal", "--python-version", PYTHON, "--generate-hashes"]
    command += ["--no-header", "--no-annotate", "--no-emit-index-url", "--quiet"]
    subprocess.run([*command, *map(str, arguments), "-o", str(to)], check=True, stdout=subprocess.DEVNULL)


def locked(name):
    """The packages of a lock file, as lines with version and marker."""
    text = (HERE / f"{name}.lock").read_text()
    return [line.split(" \\")[0].strip() for line in text.splitlines() if re.match(r"[a-z0-9]", line)]


def asked(name):
    """The packages that a requirements file names, as pairs of name and version."""
    lines = (HERE / f"{name}.txt").read_text().splitlines()
    return [re.match(r"([\w.-]+)==([\w.+]+)", line).groups() for line in lines if line and line[0] != "#"]


def main():
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole"
        sources = [HERE / f"{name}.txt" for name in NAMES if name != "requirements-libtorch"]
        compile_lock(whole, *sources)
        for name in NAMES:
            to, source = Path(folder) / "part", HERE / f"{name}.txt"
            alone = ["--no-deps"] if name == "requirements-libtorch" else []
            compile_lock(to, source, "-c", whole, *alone)
            (HERE / f"{name}.lock").write_text(HEAD % source.name + to.read_text())
            to.unlink()


if __name__ == "__main__":
    sys.exit(main())
