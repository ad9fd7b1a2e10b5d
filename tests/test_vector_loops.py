"""The loops of batch normalisation and pooling become vector instructions.

A loop over a tensor's memory is marked `#pragma GCC ivdep`. One that the compiler leaves scalar, because of a branch
in it for example, computes the same numbers several times as slowly, and no other test sees it.
"""

import platform
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NATIVE = ROOT / "fer_nb" / "src" / "model" / "native"
HEADERS = ROOT / ".venv" / "torch" / "include"


def marked_loops(source):
    """The lines of the loops that follow the pragma, from 1."""
    lines = source.read_text().splitlines()
    return [place + 2 for place, line in enumerate(lines) if line.strip() == "#pragma GCC ivdep"]


def is_gcc():
    version = subprocess.run(["c++", "--version"], capture_output=True, text=True)
    return "Free Software Foundation" in version.stdout


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the instruction sets are those of x86-64")
@pytest.mark.skipif(not shutil.which("c++") or not is_gcc(), reason="GCC reports which loops are vectorized")
@pytest.mark.parametrize("name", ["norm.cpp", "pool.cpp"])
def test_every_marked_loop_is_vectorized(name, tmp_path):
    source = NATIVE / name
    loops = marked_loops(source)
    assert loops, f"{source} has no loop that is marked"
    # As build.rs compiles it.
    flags = ["-O3", "-std=c++17", "-fno-trapping-math", "-fopenmp", "-D_GLIBCXX_USE_CXX11_ABI=1"]
    include = ["-I", HEADERS, "-I", HEADERS / "torch" / "csrc" / "api" / "include"]
    done = subprocess.run(
        ["c++", "-c", *flags, *include, source, "-o", tmp_path / "out.o", "-fopt-info-vec-optimized"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = re.findall(rf"{re.escape(name)}:(\d+):\d+: optimized:\s+loop vectorized using (\d+) byte", done.stderr)
    widest = {loop: max((int(size) for line, size in found if int(line) == loop), default=0) for loop in loops}
    scalar = [f"{name}:{line}" for line, size in widest.items() if size < 32]
    assert not scalar, f"these loops are not vectorized: {scalar}"
