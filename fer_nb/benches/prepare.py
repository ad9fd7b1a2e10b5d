"""Prepares the requirements of the subjects: the exported data, the peers' packages, the built Rust peers.

Everything is made once, below build/, with the functions of the set-up (.setup/setup.py). A step that fails
removes only its subjects from the comparison, with the reason.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / ".setup"))

from setup import Failed, Step, output, run  # noqa: E402

PEERS = ROOT / "fer_nb" / "benches" / "peers"
BUILD = ROOT / "build"
BENCH = BUILD / "bench"
PYTHON = ROOT / ".venv" / "bin" / "python"
FER = Path(os.environ.get("FER_BINARY", ROOT / ".venv" / "bin" / "fer"))  # as tests name it
VGG = BENCH / "vgg"
VGG_NETWORK = ("--network", "vgg", "--set", "channels=[32,64,128,256]")
BENCH_VENV = BUILD / "bench-venv"
BENCH_PYTHON = BENCH_VENV / "bin" / "python"
TORCHVISION = BUILD / "bench-torchvision"
TARGET = BUILD / "bench-target"


def rust_peer(binary):
    return TARGET / "release" / binary


def environment(extra=None):
    """The caller's environment without what would set fer's hyperparameters."""
    ours = ("FER_DEVICE", "FER_BINARY")
    kept = {k: v for k, v in os.environ.items() if not k.startswith("FER_") or k in ours}
    return {**kept, **(extra or {})}


def export(options):
    """Writes data and initial weights below build/bench and says what and where the data is."""
    if not FER.exists():
        raise Failed(f"{FER} is missing: run `make setup`.")
    BENCH.mkdir(parents=True, exist_ok=True)
    command = export_command(options.data, BENCH)
    done = subprocess.run(
        list(map(str, command)), cwd=ROOT, env=environment(), capture_output=True, text=True
    )
    if done.returncode:
        raise Failed(done.stderr.strip() or f"fer bench export ended with {done.returncode}")
    data = json.loads(done.stdout.splitlines()[-1])
    data["asked"] = options.data
    # What is not there as files is written from the export.
    data["written"] = [kind for kind in ("folder", "csv") if not data[kind]]
    name = data["title"].replace(" ", "-").lower()
    data["folder"] = data["folder"] or str(BENCH / f"{name}-images")
    data["csv"] = data["csv"] or str(BENCH / f"{name}.csv")
    return data


def export_command(path, folder, network=()):
    found = ("--data", path) if path else ()
    return [FER, "bench", "export", "--to", folder, "--recipe", "quick", *network, *found]


def write_files(path, kind):
    def work():
        script = PEERS / "write_images.py"
        run(f"bench-{kind}", BENCH_PYTHON, script, BENCH / "data.safetensors", f"--{kind}", path)

    return work


def install_keras():
    if not BENCH_PYTHON.exists():
        run("bench-venv", PYTHON, "-m", "venv", BENCH_VENV)
    pip = (BENCH_PYTHON, "-m", "pip", "install", "--progress-bar", "off")
    options = ("--disable-pip-version-check", "--no-deps", "-r", PEERS / "requirements.txt")
    run("bench-keras", *pip, *options)


def install_torchvision():
    """Beside the project's torch, not into its environment."""
    pip = (PYTHON, "-m", "pip", "install", "--progress-bar", "off", "--disable-pip-version-check")
    requirements = PEERS / "requirements-torchvision.txt"
    run("bench-torchvision", *pip, "--upgrade", "--no-deps", "--target", TORCHVISION, "-r", requirements)


def build_rust(package, *features):
    def work():
        run(
            f"bench-{package}",
            *("cargo", "build", "--release", "--locked", "-p", package, *features),
            *("--manifest-path", PEERS / "Cargo.toml"),
            env={"CARGO_TARGET_DIR": str(TARGET), "RUSTFLAGS": "-C target-cpu=native"},
            cwd="/",  # not under .cargo/config.toml, whose flags are for the crate
        )

    return work


def steps(data):
    """Name to work; each raises Failed with the reason."""
    python = output(PYTHON, "--version")
    compiler = output("rustc", "-vV")
    sources = sorted(p for p in PEERS.rglob("*") if p.suffix in (".rs", ".toml", ".lock"))
    rust = [compiler, [path.read_text() for path in sources]]

    def text(name):
        return (PEERS / name).read_text()

    def peer(package, usual, *features):
        title = f"{package}, compiled from source"
        binary = rust_peer(package).exists
        return Step(f"bench-{package}", title, usual, rust, build_rust(package, *features), binary)

    keras = Step(
        "bench-keras",
        "Keras, TensorFlow and pandas for the benchmark: 1.5 GB",
        "2 min",
        [python, text("requirements.txt")],
        install_keras,
        BENCH_PYTHON.exists,
    )
    torchvision = Step(
        "bench-torchvision",
        "torchvision for the benchmark",
        "10 s",
        [python, text("requirements-torchvision.txt")],
        install_torchvision,
        (TORCHVISION / "torchvision").exists,
    )

    def files(kind, title):
        """The folder or the csv file, where the data came as the other or was made up."""

        def work():
            if kind in data["written"]:
                keras()  # its environment has what writes them
                key = hashlib.sha256((BENCH / "data.safetensors").read_bytes()).hexdigest()
                path = Path(data[kind])
                Step(f"bench-{kind}", title, "20 s", key, write_files(path, kind), path.exists)()

        return work

    return {
        "fer": lambda: None,  # export has answered
        "vgg": lambda: run("bench-vgg", *export_command(data["asked"], VGG, VGG_NETWORK)),
        "images": files("folder", "the images as PNG files"),
        "csv": files("csv", "the images as a csv file"),
        "keras": keras,
        "torchvision": torchvision,
        "burn": peer("burn-peer", "4 min", "--features", "burn-peer/flex"),
        "candle": peer("candle-peer", "2 min"),
    }


def prepare(data, needed):
    """Does the steps in `needed`; gives the reason for each that failed."""
    failed = {}
    for name, step in steps(data).items():
        if name in needed:
            try:
                step()
            except (Failed, OSError) as error:
                failed[name] = one_line(str(error))
    return failed


def one_line(message):
    """What failed and where its output is, without the output."""
    log = re.search(r"All of it is in (\S+)\.\n", message)
    where = f" See {os.path.relpath(log[1], ROOT)}." if log else ""
    return message.splitlines()[0] + where
