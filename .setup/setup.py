"""Sets up a fresh clone for the notebooks and the tests.

    setup.py                        for the notebooks
    setup.py --tests                and for the tests
    setup.py --torch                with all that `import torch` needs
    setup.py --libtorch             libtorch alone, which is enough to compile the crate
    setup.py --lab [OPTION ...]     opens JupyterLab as soon as it is installed, and compiles meanwhile

Every step is done once: after success it writes a stamp with its inputs to build/stamps, and it is repeated
when they change. The next call continues an interrupted step. The tools' output is in build/logs.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tarfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / ".setup"
sys.path.append(str(HERE / "rust_kernel"))

import environment  # noqa: E402
import setting_up  # noqa: E402

BUILD = ROOT / "build"
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"

EVCXR = "0.22.0"
RUST = (1, 95)  # evcxr 0.22.0 asks for it
DISK_GB = 12
RUNTIME = "onnxruntime-web@1.30.0"  # what `fer export --format web` puts beside its networks
BROWSER_TEST = ROOT / "tests" / "browser"
HEARTBEAT_SECONDS = 45
MADE = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")  # set by make itself

# Without link-time optimisation, which takes minutes. Optimised fully, for rust-analyzer is in it, and
# that is most of a kernel's start.
EVCXR_PROFILE = {
    "CARGO_PROFILE_RELEASE_OPT_LEVEL": "3",
    "CARGO_PROFILE_RELEASE_LTO": "off",
    "CARGO_PROFILE_RELEASE_DEBUG": "0",
}


RUNNING = set()  # processes that have to end with this one

DURATIONS = BUILD / "stamps" / "setup.json"
KEEPING = threading.Lock()


class Failed(Exception):
    """A step failed; the text names the step, the reason and the remedy."""


def say(text):
    print(text, flush=True)


def duration(seconds):
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"


def output(*command):
    """The output of a command, or None if it is missing or fails."""
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


# --- prerequisites -------------------------------------------------------------------------------


def missing(tests):
    """Each missing prerequisite with the command that installs it."""
    apt = "sudo apt install"
    found = []
    for program, package in (("git", "git"), ("make", "make")):
        if not shutil.which(program):
            found.append(f"{program}: {apt} {package}")
    if not shutil.which(os.environ.get("CXX", "c++")):
        found.append(f"a C++ compiler (c++): {apt} g++")
    if not shutil.which("cc"):
        found.append(f"a linker for Rust (cc): {apt} gcc")

    rustup = "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
    wanted = ".".join(map(str, RUST))
    version = re.match(r"cargo (\d+)\.(\d+)\S*", output("cargo", "--version") or "")
    if not version:
        found.append(f"cargo >= {wanted}: {rustup}")
    elif tuple(map(int, version.groups())) < RUST:
        update = "rustup update stable" if shutil.which("rustup") else rustup
        found.append(f"cargo >= {wanted} (found {version[0].split()[1]}): {update}")
    elif tests:
        for part in ("fmt", "clippy"):
            if output("cargo", part, "--version") is None:
                component = {"fmt": "rustfmt"}.get(part, part)
                found.append(f"cargo {part}: rustup component add {component}")

    if version and not rust_sources().is_dir() and not shutil.which("rustup"):
        found.append(f"the sources of Rust's standard library: {apt} rust-src, or {rustup}")

    for module, package in (("venv", "python3-venv"), ("ensurepip", "python3-venv")):
        if output(sys.executable, "-c", f"import {module}") is None:
            found.append(f"Python's {module}: {apt} {package}")
            break
    return found


def check_prerequisites(tests):
    if platform.system() != "Linux":
        raise Failed(f"Linux is the only system this set-up knows, and this is {platform.system()}.")
    if re.search(r"[\s'\"$`\\|&;*?<>()\[\]]", str(ROOT)):
        raise Failed(
            f"the path {ROOT} holds a blank or a special character, which evcxr cannot deal with:\n"
            "    move the folder to another place."
        )
    lines = missing(tests)
    if lines:
        raise Failed("these are missing:\n    " + "\n    ".join(lines))
    free = shutil.disk_usage(ROOT).free / 1e9
    if not (BUILD / "stamps" / "kernel").exists() and free < DISK_GB:
        raise Failed(f"{free:.1f} GB are free under {ROOT}; the set-up needs {DISK_GB} GB.")


# --- running a step ------------------------------------------------------------------------------


def last_line(log):
    lines = [line.strip() for line in re.split(r"[\r\n]", log.read_text(errors="replace")[-4000:])]
    return next((line for line in reversed(lines) if line), "")[:80]


def run(log_name, *command, env=None, cwd=ROOT):
    """Runs a command with its output in a log, and shows its progress from time to time."""
    log = BUILD / "logs" / f"{log_name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with open(log, "w") as file:
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in JupyterLab's terminal is a question, not yet an end
        )
        RUNNING.add(process)
        while True:
            try:
                status = process.wait(HEARTBEAT_SECONDS)
                break
            except subprocess.TimeoutExpired:
                passed = duration(time.monotonic() - started)
                say(f"      {log_name}: {passed}, now: {last_line(log)}")
    RUNNING.discard(process)
    if status:
        tail = "\n    ".join(log.read_text(errors="replace").splitlines()[-25:])
        raise Failed(
            f"`{' '.join(str(part) for part in command[:4])} …` ended with status {status}.\n"
            f"    {tail}\n  All of it is in {log}.\n"
            "  What is finished is kept: run make again when the cause is gone."
        )


def keep(change):
    """Adds durations to build/stamps/setup.json, for the kernel's benchmark."""
    with KEEPING:
        try:
            kept = json.loads(DURATIONS.read_text())
        except (OSError, ValueError):
            kept = {"steps": {}}
        change(kept)
        DURATIONS.parent.mkdir(parents=True, exist_ok=True)
        DURATIONS.write_text(json.dumps(kept, indent=1) + "\n")


class Step:
    """A piece of work that is done again only when `key` changes or `there` is no longer so."""

    def __init__(self, name, title, usual, key, work, there=lambda: True):
        self.name, self.title, self.usual = name, title, usual
        self.stamp = BUILD / "stamps" / name
        self.key = hashlib.sha256(json.dumps([key, str(ROOT)]).encode()).hexdigest()
        self.work, self.there = work, there

    def __call__(self):
        if self.stamp.exists() and self.stamp.read_text() == self.key and self.there():
            return
        say(f"  ... {self.title} (usually {self.usual})")
        started = time.monotonic()
        self.stamp.unlink(missing_ok=True)
        with setting_up.told(self.title, self.usual, BUILD):
            self.work()
        self.stamp.parent.mkdir(parents=True, exist_ok=True)
        self.stamp.write_text(self.key)
        seconds = time.monotonic() - started
        keep(lambda kept: kept["steps"].update({self.name: round(seconds, 1)}))
        say(f"  ok  {self.title}: {duration(seconds)}")


# --- the steps -----------------------------------------------------------------------------------


def make_venv():
    # Without --clear: evcxr may be on its way into bin/ at the same time.
    run("venv", sys.executable, "-m", "venv", VENV)


def pip_install(name, *arguments):
    run(
        name,
        *(PYTHON, "-m", "pip", "install", "--progress-bar", "off"),
        *("--disable-pip-version-check", *arguments),
    )


def hashed(requirements):
    """pip's options for what a requirements file asks for: the versions of its lock file, whose hashes have to fit."""
    return ("--require-hashes", "-r", HERE / requirements.replace(".txt", ".lock"))


def key(python, requirements):
    """What such a step was made from."""
    files = [HERE / name for name in (requirements, requirements.replace(".txt", ".lock"))]
    return [python, *(file.read_text() for file in files if file.exists())]


def install(requirements):
    return lambda: pip_install(requirements.removesuffix(".txt"), *hashed(requirements))


def package(name):
    """A package's folder in the virtual environment, or None."""
    found = output(PYTHON, "-c", f"from importlib.util import find_spec; print(find_spec({name!r}).origin)")
    return Path(found).parent if found else None


# --- torch ---------------------------------------------------------------------------------------

# Where the driver of an NVIDIA GPU shows, in Linux and in WSL2.
GPU = ("/proc/driver/nvidia/version", "/usr/lib/wsl/lib/libcuda.so.1")


def wants_whole_torch(asked):
    """Whether torch is installed as its wheel asks, rather than its libraries for the CPU alone.

    Without a GPU that saves 3.3 GB of 4.9: CUDA's libraries and the compiler Triton, which libtorch_cpu.so is
    not linked against. Python's `import torch` and a GPU need them.
    """
    gpu = os.environ.get("FER_GPU", "")
    if gpu not in ("", "0", "1"):
        raise Failed(f"FER_GPU={gpu}: 1 installs what a GPU needs, 0 leaves it out")
    if asked or os.environ.get("FER_TORCH_INDEX"):
        return True
    return gpu == "1" or (gpu == "" and any(map(os.path.exists, GPU)))


def install_torch(requirements, *arguments):
    def work():
        index = os.environ.get("FER_TORCH_INDEX")
        # --upgrade: 2.11.0+cpu of that index is taken where 2.11.0 is installed.
        # Another index has other wheels, whose hashes are not known here.
        files = hashed(requirements)
        if index:
            files = ("--upgrade", "--extra-index-url", index, "-r", HERE / requirements)
        pip_install(requirements.removesuffix(".txt"), *arguments, *files)
        folder = package("torch")
        if folder is None or not (folder / "lib").is_dir():
            raise Failed("torch was installed and can't be found: delete .venv and run again.")
        link = VENV / "torch"  # a short name for cargo, whatever the version of Python
        if not link.is_symlink() or link.resolve() != folder.resolve():
            link.unlink(missing_ok=True)
            link.symlink_to(os.path.relpath(folder, VENV))

    return work


def torch_step(python, whole):
    """libtorch, with or without what Python and a GPU need."""
    library = (VENV / "torch" / "lib" / "libtorch_cpu.so").exists
    if not whole:
        return Step(
            "libtorch",
            "libtorch for the CPU, of torch's wheel: 1.2 GB",
            "1 min, more on a slow line",
            key(python, "requirements-libtorch.txt"),
            install_torch("requirements-libtorch.txt", "--no-deps"),
            library,
        )
    return Step(
        "torch",
        "torch with what Python and a GPU need: 4.6 GB",
        "3 min, more on a slow line",
        [*key(python, "requirements-torch.txt"), os.environ.get("FER_TORCH_INDEX")],
        install_torch("requirements-torch.txt"),
        library,
    )


def install_evcxr():
    target = BUILD / "evcxr-target"  # lasts until it is done, so that a cut-off costs little
    run(
        "evcxr",
        *("cargo", "install", "evcxr_jupyter", "--version", EVCXR, "--locked", "--force"),
        *("--root", VENV),
        env={**EVCXR_PROFILE, "CARGO_TARGET_DIR": str(target), "RUSTFLAGS": ""},
        cwd="/",  # not under .cargo/config.toml, whose flags are for the crate
    )
    shutil.rmtree(target, ignore_errors=True)


def rust_sources():
    """Where the compiler's sources of the standard library are, if they are installed."""
    return Path(output("rustc", "--print", "sysroot") or "") / "lib/rustlib/src/rust/library"


def add_rust_sources():
    # The rust-analyzer inside evcxr needs them to know the types of variables. It would fetch them
    # at the first start of a kernel, without a word.
    if not rust_sources().is_dir():
        run("rust-src", "rustup", "component", "add", "rust-src")


def build_crate(tests):
    """fer_nb and the command. For the tests as they will ask for them, or both were compiled twice."""

    def work():
        wrapper = HERE / ("lint" if tests else "standalone")
        run(
            "crate",
            *("cargo", "build", "--locked", "--features", "serve"),
            env={"CARGO_TARGET_DIR": str(BUILD / "target"), "RUSTC_WORKSPACE_WRAPPER": str(wrapper)},
        )
        host = re.search(r"host: (\S+)", output("rustc", "-vV"))[1]
        binary = BUILD / "target" / host / "debug" / "fer"
        link = VENV / "bin" / "fer"
        if binary.exists() and not (link.is_symlink() and link.resolve() == binary.resolve()):
            link.unlink(missing_ok=True)
            link.symlink_to(os.path.relpath(binary, link.parent))

    return work


def build_kernel_template():
    run("kernel", PYTHON, HERE / "rust_kernel", "--prepare")


def fetch(log_name, package, into, wanted=lambda path: True):
    """Puts the files of an npm package into a folder of its name."""
    run(log_name, "npm", "pack", package, "--pack-destination", BUILD / "logs")
    name, version = package.split("@")
    archive = BUILD / "logs" / f"{name}-{version}.tgz"
    folder = into / name
    shutil.rmtree(folder, ignore_errors=True)
    with tarfile.open(archive) as tar:
        for member in tar.getmembers():
            # Only plain files, and only below the folder, whatever the archive says.
            path = Path(member.name).relative_to("package")
            if member.isfile() and ".." not in path.parts and wanted(path):
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(tar.extractfile(member).read())
    archive.unlink()


# Of the package's 130 MB: ONNX Runtime in WebAssembly with SIMD, and the script that starts it.
RUNTIME_FILES = (
    "package.json",
    "dist/ort.wasm.bundle.min.mjs",
    "dist/ort-wasm-simd-threaded.wasm",
)


def fetch_runtime():
    """onnxruntime-web, which computes the networks of an exported page in the browser."""
    fetch("onnxruntime-web", RUNTIME, BUILD, lambda path: str(path) in RUNTIME_FILES)
    missing = [name for name in RUNTIME_FILES if not (BUILD / "onnxruntime-web" / name).is_file()]
    if missing:
        raise Failed(f"{RUNTIME} has no {', '.join(missing)}")


def install_playwright():
    """What drives a browser in a test. It brings no browser of its own."""
    run("playwright", "npm", "ci", cwd=BROWSER_TEST)


def write_kernelspec():
    """The kernel `rust`, in the virtual environment and nowhere else."""
    folder = VENV / "share" / "jupyter" / "kernels" / "rust"
    folder.mkdir(parents=True, exist_ok=True)
    text = (HERE / "kernel.json").read_text()
    text = text.replace("@PYTHON@", json.dumps(str(PYTHON))[1:-1])
    text = text.replace("@KERNEL@", json.dumps(str(HERE / "rust_kernel"))[1:-1])
    spec = folder / "kernel.json"
    if not spec.exists() or spec.read_text() != text:
        spec.write_text(text)


# JupyterLab asks whether it may fetch its news, and looks for newer versions of itself.
LAB_SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {"checkForUpdates": False, "fetchNews": "false"}
}


def write_lab_settings():
    """JupyterLab's defaults in the virtual environment; what a user sets counts before them."""
    path = VENV / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(LAB_SETTINGS, indent=1) + "\n"
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def write_papermill_plugin():
    """Parameters for papermill, if a user installs it: a package of one file with an entry point."""
    packages = package("pip").parent
    shutil.copy2(HERE / "papermill" / "fer_nb_papermill.py", packages)
    info = packages / "fer_nb_papermill-0.1.0.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fer_nb_papermill\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text("[papermill.engine]\nfer_nb = fer_nb_papermill:Engine\n")


def enter_environment():
    """Builds with the recorded environment of the first set-up, and names variables that are ignored."""
    before = dict(os.environ)
    try:
        environment.keep()
        environment.enter()
    except environment.Refused as error:
        raise Failed(str(error)) from None
    kept = environment.record()["variables"]
    left_out = [n for n in before if environment.decides(n) and n not in MADE and kept.get(n) != before[n]]
    if left_out:
        say(f"  --  not used, for the crates are built without: {', '.join(sorted(left_out))}")


def set_up(tests, torch=False, libtorch_alone=False, packages_are_there=lambda: None):
    check_prerequisites(tests)
    enter_environment()
    python = sysconfig.get_python_version()
    venv = Step("venv", "virtual environment .venv", "10 s", python, make_venv, PYTHON.exists)
    packages = Step(
        "requirements",
        "JupyterLab and what the notebooks need: 0.3 GB",
        "30 s",
        key(python, "requirements.txt"),
        install("requirements.txt"),
        (VENV / "bin" / "jupyter-lab").exists,
    )
    libtorch = torch_step(python, wants_whole_torch(torch or tests))
    packages_of_tests = Step(
        "requirements-tests",
        "pytest, scikit-learn and TensorBoard",
        "30 s",
        key(python, "requirements-tests.txt"),
        install("requirements-tests.txt"),
        (VENV / "bin" / "pytest").exists,
    )
    evcxr = Step(
        "evcxr",
        f"Rust kernel evcxr {EVCXR}, compiled from source",
        "12 min",
        [EVCXR, EVCXR_PROFILE],
        install_evcxr,
        (VENV / "bin" / "evcxr_jupyter").exists,
    )
    sources = [p.stat().st_mtime_ns for p in sorted((ROOT / "fer_nb").rglob("*")) if p.is_file()]
    lock = [(ROOT / n).read_text() for n in ("Cargo.lock", "Cargo.toml", ".cargo/config.toml")]
    lock.append((HERE / "requirements-libtorch.txt").read_text())  # libtorch comes from there
    compiler = output("rustc", "-vV")
    sources_of_rust = Step(
        "rust-src",
        "the sources of Rust's standard library (rustup component add rust-src)",
        "10 s",
        compiler,
        add_rust_sources,
        lambda: rust_sources().is_dir(),
    )
    crate = Step(
        "crate",
        "fer_nb, its dependencies and the command fer",
        "12 min the first time, a minute after a change",
        [compiler, lock, sources],
        build_crate(tests),
        (VENV / "bin" / "fer").exists,
    )
    kernel = Step(
        "kernel",
        "the same for the notebooks, so that no cell waits for it",
        "a minute",
        [compiler, lock, sources],
        build_kernel_template,
        (BUILD / "kernel-template" / "built.json").exists,
    )

    venv()
    if libtorch_alone:
        libtorch()
        return
    # Compiling evcxr and installing packages do not need each other.
    failures = []

    def beside():
        try:
            evcxr()
        except Failed as error:
            failures.append(error)

    thread = threading.Thread(target=beside, daemon=True)
    thread.start()
    packages()
    write_kernelspec()
    write_lab_settings()
    write_papermill_plugin()
    packages_are_there()
    if not rust_sources().is_dir():
        sources_of_rust()
    libtorch()
    if tests:
        packages_of_tests()
    crate()
    kernel()
    thread.join()
    if failures:
        raise failures[0]

    runtime = Step(
        "onnxruntime-web",
        "onnxruntime-web, for pages that `fer export --format web` writes",
        "15 s",
        [RUNTIME, RUNTIME_FILES],
        fetch_runtime,
        lambda: all((BUILD / "onnxruntime-web" / name).is_file() for name in RUNTIME_FILES),
    )
    if shutil.which("npm"):
        try:
            runtime()
        except Failed:
            say("  --  not there; `fer export --format web` will say so")

    playwright = Step(
        "playwright",
        "playwright-core, for the test in a browser",
        "5 s",
        (BROWSER_TEST / "package-lock.json").read_text(),
        install_playwright,
        (BROWSER_TEST / "node_modules" / "playwright-core").is_dir,
    )
    if tests and shutil.which("npm"):
        try:
            playwright()
        except Failed:
            say("  --  not there; the test in a browser will be left out")


NOTEBOOK = "/lab/tree/notebooks/01_project_prep.ipynb"


class Lab:
    """JupyterLab, which runs while the rest is compiled. The set-up ends with it."""

    def __init__(self, options):
        self.options = options
        self.process = None
        self.compiling = True

    def start(self):
        where = (f"--ServerApp.root_dir={ROOT}", f"--LabApp.default_url={NOTEBOOK}")
        self.process = subprocess.Popen([PYTHON, "-m", "jupyterlab", *where, *self.options])
        threading.Thread(target=self._watch, daemon=True).start()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # JupyterLab asks first whether it shall end

    def _watch(self):
        self.process.wait()
        if self.compiling:
            os.kill(os.getpid(), signal.SIGTERM)

    def wait(self):
        """Until JupyterLab ends; its status."""
        self.compiling = False
        try:
            return self.process.wait()
        except KeyboardInterrupt:
            return self.end()

    def end(self):
        if self.process is None:
            return 1
        self.process.terminate()
        return self.process.wait()


def ended(number, frame):
    raise KeyboardInterrupt  # a build that is left behind would hold cargo's lock


def end_what_runs():
    for process in list(RUNNING):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)


def locked_set_up(**what):
    """Does what no other set-up is doing, and returns the exit status."""
    started = time.monotonic()
    with open(BUILD / "setup.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("set-up: another make is setting up; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        fresh = not (BUILD / "stamps").exists()
        try:
            set_up(**what)
            if fresh:
                keep(lambda kept: kept.update(seconds=round(time.monotonic() - started, 1)))
        except Failed as error:
            print(f"set-up: {error}", file=sys.stderr, flush=True)
            return 1
        except KeyboardInterrupt:
            print("\nset-up: stopped; what is finished is kept", file=sys.stderr)
            return 130
        finally:
            end_what_runs()
    if time.monotonic() - started > 5:
        say(f"set-up: done in {duration(time.monotonic() - started)}")
    return 0


def main(arguments):
    signal.signal(signal.SIGTERM, ended)
    BUILD.mkdir(exist_ok=True)
    if arguments[:1] != ["--lab"]:
        return locked_set_up(
            tests="--tests" in arguments,
            torch="--torch" in arguments,
            libtorch_alone="--libtorch" in arguments,
        )
    lab = Lab(arguments[1:])
    status = locked_set_up(tests=False, packages_are_there=lab.start)
    if status == 130:  # stopped, or JupyterLab has ended
        return lab.end()
    if status and lab.process is None:
        return status
    # A set-up that failed has said why; the notebooks can be read.
    return lab.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
