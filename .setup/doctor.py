"""One page about this machine and this set-up, to read or to paste into a bug report.

    make doctor

It removes the names of users and hosts, and paths of home folders. It changes nothing, and exits with status 1
if it finds a problem; the lines of problems start with `!`.
"""

import getpass
import importlib.metadata
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import setup

sys.path.append(str(setup.HERE / "rust_kernel"))

import environment

CPU_FEATURES = ("avx2", "fma", "avx512f", "avx512_bf16", "amx_tile", "amx_bf16")
PACKAGES = ("torch", "jupyterlab", "ipykernel", "nbclient", "nbconvert")
SHOWN = re.compile(r"(FER|OMP|MKL|CUDA|NVIDIA|LD|PYTHON|JUPYTER|VIRTUAL|CONDA)[A-Z0-9]*_?\w*|PATH|TMPDIR|LANG")
CELL = ':dep fer_nb = {{ path = {path} }}\nuse fer_nb::prelude::*;\nprintln!("{{}}", TrainConfig::default().epochs);'
KERNEL_SECONDS = 300


class Page:
    """The printed lines, without names of users, hosts and home folders."""

    def __init__(self):
        self.faults = 0
        home = os.path.expanduser("~")
        names = [(str(setup.ROOT), "."), (home if len(home) > 1 else "", "~")]
        for name, shown in ((socket.gethostname(), "HOST"), (self._user(), "USER")):
            names.append((name if len(name) > 2 else "", shown))
        self._hidden = [(old, new) for old, new in names if old]

    @staticmethod
    def _user():
        try:
            return getpass.getuser()
        except (KeyError, OSError):  # a user without a name
            return ""

    def clean(self, text):
        for old, new in self._hidden:
            if os.sep in old:
                text = text.replace(old, new)
            else:
                text = re.sub(rf"(?<![\w-]){re.escape(old)}(?![\w-])", new, text)
        return re.sub(r"/(home|Users)/[^/\s:]+", "~", text)

    def title(self, text):
        print(f"\n{text}")

    def line(self, name, value):
        print(self.clean(f"  {name:<22} {value}"))

    def fault(self, text):
        self.faults += 1
        print(self.clean(f"! {text}"))


def memory():
    """GiB of memory, and the limit of the control group if it is lower."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    try:
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text()) / 2**30
    except (OSError, ValueError):
        limit = total
    return f"{total:.1f} GiB" + (f", limited to {limit:.1f}" if limit < total else "")


def machine(page):
    page.title("Machine")
    page.line("system", f"{platform.system()} {platform.release()} {platform.machine()}, {platform.libc_ver()[1]}")
    try:
        about = Path("/proc/cpuinfo").read_text()
    except OSError:
        about = ""
    model = re.search(r"model name\s*: (.*)", about)
    features = set((re.search(r"flags\s*: (.*)", about) or [0, ""])[1].split())
    page.line("processor", model[1] if model else platform.processor() or "unknown")
    page.line("instructions", " ".join(f for f in CPU_FEATURES if f in features) or "none of those that help")
    page.line("cores", f"{len(os.sched_getaffinity(0))} of {os.cpu_count()} usable")
    page.line("memory", memory())
    for name, folder in (("disk, project", setup.ROOT), ("disk, temporary", Path(os.environ.get("TMPDIR", "/tmp")))):
        if folder.is_dir():
            page.line(name, f"{shutil.disk_usage(folder).free / 1e9:.1f} GB free")
        else:
            page.fault(f"TMPDIR names {folder}, which is no folder")
    if not os.access(setup.ROOT, os.W_OK):
        page.fault("the project's folder can't be written: set-up and kernels need build/")


def first(*command):
    text = setup.output(*command)
    return text.splitlines()[0] if text else None


def versions(page):
    page.title("Versions")
    page.line("fer_nb", first("git", "describe", "--always", "--dirty") or "not a git checkout")
    for command in (("cargo", "--version"), ("rustc", "--version"), ("c++", "--version"), ("make", "--version")):
        page.line(command[0], first(*command) or "missing")
    page.line("python", platform.python_version())
    for name in PACKAGES:
        try:
            page.line(name, importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            page.line(name, "missing")
    for name in ("node", "chromium", "ffmpeg"):
        page.line(name, shutil.which(name) or "missing (only some tests or commands need it)")
    for line in setup.missing(tests=False):
        page.fault(f"missing: {line}")


def gpu(page):
    page.title("GPU")
    query = ("nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader")
    found = setup.output(*query)
    wheel = re.search(r"cuda(?:: Optional\[str\])? = '(\d+)\.(\d+)'", torch_version())
    needed = f"CUDA {wheel[1]}.{wheel[2]}" if wheel else "no CUDA"
    page.line("libtorch is built for", needed)
    if not found:
        page.line("NVIDIA driver", "none found")
        return
    for line in found.splitlines():
        page.line("device", line)
    driver = re.search(r"CUDA Version: (\d+)\.(\d+)", setup.output("nvidia-smi") or "")
    if driver and wheel and int(driver[1]) < int(wheel[1]):
        page.fault(
            f"the driver offers CUDA {driver[1]}.{driver[2]} and libtorch needs {wheel[1]}.0 or later: training "
            "runs on the CPU until the driver is updated"
        )


def torch_version():
    try:
        return (setup.VENV / "torch" / "version.py").read_text()
    except OSError:
        return ""


def variables(page):
    page.title("Variables")
    kept = environment.record().get("variables", {})
    for name in sorted(os.environ):
        value = os.environ[name]
        if environment.decides(name) and name not in setup.MADE and kept.get(name) != value:
            page.line(name, f"{value}   (not used: the crates are built without it)")
        elif SHOWN.fullmatch(name):
            page.line(name, value)
    page.line("built with", ", ".join(f"{k}={v}" for k, v in kept.items()) or "no set-up yet")
    try:
        environment.built_with(dict(os.environ))
    except environment.Refused as error:
        page.fault(str(error))


def steps(page):
    page.title("Set-up")
    stamps = setup.BUILD / "stamps"
    libtorch = "torch" if (stamps / "torch").exists() else "libtorch"
    for name in ("venv", "requirements", libtorch, "requirements-tests", "evcxr", "crate", "kernel", "onnxruntime-web"):
        if (stamps / name).exists():
            done = time.localtime((stamps / name).stat().st_mtime)
            page.line(name, time.strftime("done %Y-%m-%d %H:%M", done))
        else:
            optional = name in ("requirements-tests", "onnxruntime-web")
            page.line(name, "not done" + ("" if optional else "; `make setup` does it"))
    for folder in (setup.VENV, setup.BUILD):
        size = setup.output("du", "-sh", folder) if folder.exists() else None
        page.line(folder.name, size.split()[0] if size else "missing")
    command = setup.VENV / "bin" / "fer"
    if command.exists():
        try:
            done = subprocess.run([command, "--version"], capture_output=True, text=True, timeout=60)
            text = (done.stdout or done.stderr).strip()
        except (OSError, subprocess.TimeoutExpired) as error:
            text, done = str(error), None
        if done is None or done.returncode:
            page.fault(f"`fer --version` fails: {text}")
        else:
            page.line("fer", text)


def kernel(page):
    page.title("Kernel")
    if not (setup.BUILD / "kernel-template" / "built.json").exists():
        page.line("not tried", "the set-up is not complete")
        return
    try:
        from jupyter_client import KernelManager
    except ImportError:
        page.fault("jupyter_client can't be imported: run `make doctor`, which uses .venv")
        return
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    manager = KernelManager(kernel_name="rust")
    began = time.monotonic()
    printed = []
    try:
        manager.start_kernel(cwd=str(setup.ROOT / "notebooks"))
        client = manager.client()
        client.start_channels()
        client.wait_for_ready(timeout=KERNEL_SECONDS)
        source = CELL.format(path='"../fer_nb"')

        def seen(message):
            content = message["content"]
            printed.append(content.get("text") or "\n".join(content.get("traceback") or []))

        reply = client.execute_interactive(source, timeout=KERNEL_SECONDS, output_hook=seen)["content"]
        seconds = time.monotonic() - began
        if reply["status"] == "ok":
            page.line("start and first cell", f"{seconds:.1f} s")
        else:
            page.fault(f"the first cell failed: {reply.get('evalue') or ''} {' '.join(printed).strip()}")
    except Exception as error:  # noqa: BLE001 - whatever it is, the page has to say it
        page.fault(f"the kernel does not start: {error or type(error).__name__}")
    finally:
        if manager.has_kernel:
            manager.shutdown_kernel(now=True)


def main():
    page = Page()
    print("fer_nb: what this machine has, and how it is set up")
    for part in (machine, versions, gpu, variables, steps, kernel):
        part(page)
    print(f"\n{page.faults or 'no'} fault{'' if page.faults == 1 else 's'} found")
    return 1 if page.faults else 0


if __name__ == "__main__":
    sys.exit(main())
