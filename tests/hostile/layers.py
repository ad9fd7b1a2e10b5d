"""Compiles the C++ layers with AddressSanitizer and runs them at odd sizes and numbers of threads. Before that, reads
and writes beyond a tensor are planted, each of which has to be found.

    .venv/bin/python tests/hostile/layers.py                    # ten seconds for each instruction set, and a compilation
    .venv/bin/python tests/hostile/layers.py --seconds 600
"""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NATIVE = ROOT / "fer_nb" / "src" / "model" / "native"
BUILT = ROOT / "build" / "asan"
PROGRAM = BUILT / "layers"
# As in fer_nb/build.rs.
AVX2 = ["-mavx2", "-mfma", "-mno-avx512f"]
AVX512 = ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma", "-mprefer-vector-width=512"]
KERNELS = [
    ("float2_avx2", "Float", 2, AVX2),
    ("float4_avx2", "Float", 4, AVX2),
    ("float2_avx512", "Float", 2, AVX512),
    ("float4_avx512", "Float", 4, AVX512),
    ("bfloat16_avx512", "Bfloat16", 2, [*AVX512, "-mavx512bf16"]),
]
# Layer, dtype and side of the images that overflows are planted in. Convolutions have a kernel for sides that are
# multiples of 4, one for others, and one for bfloat16, which needs AVX-512.
PLANTS = [
    ("convolution", "float", 8),
    ("convolution", "float", 6),
    ("convolution", "bfloat16", 8),
    *[(layer, dtype, 8) for layer in ("pool", "norm") for dtype in ("float", "bfloat16")],
]
# What the program ends with if a layer does not take what overflows are planted in.
LEFT_TO_LIBTORCH = 4
SANITIZE = ["-std=c++17", "-g", "-fsanitize=address", "-fno-omit-frame-pointer", "-fopenmp", "-w"]


def compile_all(torch):
    """The program; what did not change is not compiled again."""
    BUILT.mkdir(parents=True, exist_ok=True)
    compiler = os.environ.get("CXX", "g++")
    kernels = [NATIVE / "winograd.cpp", NATIVE / "winograd.h"]
    objects = []
    for name, number, tile, flags in KERNELS:
        objects.append(BUILT / f"{name}.o")
        defines = [f"-DKERNELS={name}", f"-DNUMBER={number}", f"-DTILE={tile}"]
        command = [compiler, *SANITIZE, "-O1", *flags, *defines, "-c", kernels[0], "-o", objects[-1]]
        make(objects[-1], kernels, command)
    main = ROOT / "tests" / "hostile" / "layers_main.cpp"
    headers = [f"-I{torch}/include", f"-I{torch}/include/torch/csrc/api/include", f"-I{NATIVE}"]
    command = [compiler, *SANITIZE, "-O1", "-DFER_WINOGRAD", "-D_GLIBCXX_USE_CXX11_ABI=1", *headers]
    command += [main, *objects, "-o", PROGRAM, f"-L{torch}/lib", f"-Wl,-rpath,{torch}/lib", "-ltorch_cpu", "-lc10"]
    make(PROGRAM, [*NATIVE.glob("*.cpp"), *NATIVE.glob("*.h"), main, *objects], command)
    return PROGRAM


def make(what, sources, command):
    """Runs the compiler if what it makes is older than what it is made from."""
    newest = max(path.stat().st_mtime for path in sources)
    if not what.exists() or what.stat().st_mtime < newest:
        subprocess.run(command, check=True)


def has(feature):
    return bool(re.search(rf"^flags.*\b{feature}\b", Path("/proc/cpuinfo").read_text(), re.M))


def instruction_sets():
    """Those of this machine, by the names that libtorch has for them."""
    return [name for name, feature in (("avx2", "avx2"), ("avx512", "avx512f")) if has(feature)]


def start(program, capability, *arguments):
    # libtorch keeps what it allocates once to its end, which is no leak here.
    variables = {"ATEN_CPU_CAPABILITY": capability, "ASAN_OPTIONS": "detect_leaks=0"}
    command = [program, *map(str, arguments)]
    return subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True)


def planted(program):
    """Overflows of one byte in memory that the layers read and write: how many there were, and those not found."""
    tried, missed = 0, []
    for capability in instruction_sets():
        for layer, dtype, side in PLANTS:
            for access in ("read", "write"):
                done = start(program, capability, "plant", access, layer, dtype, side)
                if done.returncode == LEFT_TO_LIBTORCH and (layer, dtype) == ("convolution", "bfloat16"):
                    continue  # without AVX-512's bfloat16
                tried += 1
                # Whole vectors that reach over an end are an "unknown crash". Where the layer is not the first function, it
                # called the sanitizer's own memset.
                kind = r"AddressSanitizer: (heap-buffer-overflow|unknown-crash)"
                report = re.search(rf"{kind}.*\n.* of size .*\n(?: *#[0-5] .*\n)+", done.stderr)
                if not (report and re.search(r"native/\w+\.(cpp|h):\d+", report[0])):
                    what = f"{access}, {layer}, {dtype}, side {side}, {capability}"
                    missed.append(f"planted and not found: {what}: status {done.returncode} {done.stderr[:300]}")
    return tried, missed


def campaign(seconds=10.0, seed=26, threads=(1, 2, 3, 5)):
    """Gives what was tried, what failed and a remark."""
    program = compile_all((ROOT / ".venv" / "torch").resolve())
    plants, failed = planted(program)
    tried, missed = 0, len(failed)
    for capability in instruction_sets():
        done = start(program, capability, seconds, seed, *threads)
        counts = re.search(r"(\d+) tried, (\d+) of them", done.stdout)
        tried += int(counts[2]) if counts else 0
        if done.returncode:
            lines = (done.stdout + done.stderr).strip().splitlines()
            failed.append(f"{capability}: status {done.returncode}: {' '.join(lines[:8])[:600]}")
    sets = ", ".join(instruction_sets())
    found = f"{plants - missed} of {plants} planted overflows found"
    remark = f"AddressSanitizer; {sets}; {', '.join(map(str, threads))} threads; {found}"
    return tried, failed, remark


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="of each instruction set [default: 10]")
    parser.add_argument("--seed", type=int, default=26)
    options = parser.parse_args()
    tried, failed, remark = campaign(options.seconds, options.seed)
    print(f"| C++ layers | {tried:,} | {len(failed)} | {remark} |")
    for what in failed:
        print(what)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
