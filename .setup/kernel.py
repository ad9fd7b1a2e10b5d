#!/usr/bin/env python3
"""Starts a Rust kernel (evcxr) whose dependencies are already built.

    kernel.py CONNECTION_FILE     what kernel.json calls
    kernel.py --prepare           brings the template up to date and stops

evcxr compiles every cell as a crate `ctx` in a temporary folder, and would compile fer_nb and its
some 200 dependencies there, anew for each kernel. So a template of that folder lies in
build/kernel-template, with everything built but `ctx`, and each kernel gets a folder of its own in
build/kernels: hard links for what is large and never rewritten, copies for what cargo rewrites in
place. Kernels share no folder, because all of them write libctx.so.

The folder is a workspace of two members, `ctx` (evcxr's) and `locked` (empty, depends on fer_nb).
evcxr's first build has no dependencies at all; without `locked` cargo would drop the versions from
Cargo.lock then, and resolve them anew, to others, when the first cell asks for fer_nb.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
TEMPLATE = BUILD / "kernel-template"
KERNELS = BUILD / "kernels"
VENV = ROOT / ".venv"
CRATE = ROOT / "fer_nb"

# Smaller files are copied: among them are all that cargo rewrites in place (fingerprints, .d).
LINK_FROM_BYTES = 32 * 1024

# What evcxr 0.22 writes in the Cargo.toml of `ctx`; in a workspace cargo reads it from the root.
# The dependencies are built with it, and the workspace of fer_nb has the same, so that one build
# serves both.
WORKSPACE = """\
[workspace]
members = ["ctx", "locked"]
resolver = "3"

[profile.dev]
opt-level = 2
debug = false
strip = "debuginfo"
rpath = true
lto = false
debug-assertions = true
codegen-units = 16
panic = "unwind"
incremental = true
overflow-checks = true
"""

MEMBER = """\
[package]
name = "{name}"
version = "1.0.0"
edition = "2024"

[lib]
{crate_type}path = "src/lib.rs"

[dependencies]
fer_nb = {{ path = {path} }}
"""


def tool(name):
    """The toolchain's own program rather than rustup's proxy, as evcxr takes it."""
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        found = subprocess.run(
            ["rustup", "which", name], cwd=ROOT, check=True, capture_output=True, text=True
        )
        return found.stdout.strip()
    return name


def library_path():
    """LD_LIBRARY_PATH with libtorch in front; it has to be set before the process starts."""
    others = [p for p in os.environ.get("LD_LIBRARY_PATH", "").split(":") if p]
    return ":".join([str(VENV / "torch" / "lib"), *others])


def fingerprint():
    """What the template was built from: `graph` decides the dependencies, `sources` the crate."""
    compiler = subprocess.run([tool("rustc"), "-vV"], check=True, capture_output=True, text=True)
    graph = hashlib.sha256(compiler.stdout.encode() + str(ROOT).encode() + WORKSPACE.encode())
    for name in ("Cargo.lock", "Cargo.toml", ".cargo/config.toml", "fer_nb/Cargo.toml"):
        graph.update((ROOT / name).read_bytes())
    sources = hashlib.sha256()
    for path in sorted([*CRATE.glob("src/**/*"), *CRATE.glob("assets/**/*"), CRATE / "build.rs"]):
        if path.is_file():
            stat = path.stat()
            sources.update(f"{path} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return {"graph": graph.hexdigest(), "sources": sources.hexdigest()}


def link_tree(source, target, skip=lambda name: False):
    """Copies a tree with its times: hard links for large files, true copies for small ones."""
    os.makedirs(target, exist_ok=True)
    for entry in os.scandir(source):
        if skip(entry.name) or entry.name == ".cargo-lock":
            continue  # .cargo-lock: a link would share the lock, and kernels would wait in turn
        path = os.path.join(target, entry.name)
        if entry.is_dir(follow_symlinks=False):
            link_tree(entry.path, path, skip)
        elif entry.stat(follow_symlinks=False).st_size >= LINK_FROM_BYTES:
            try:
                os.link(entry.path, path)
            except OSError:
                shutil.copy2(entry.path, path)
        else:
            shutil.copy2(entry.path, path, follow_symlinks=False)


def own(name):
    """Artefacts of fer_nb and of `ctx`, which are not to be taken over."""
    stem = name.removeprefix("lib")
    return stem.startswith(("fer_nb", "fer-", "ctx", "locked"))


def seed(target):
    """Fills the template's target with the dependencies that the workspace has built already."""
    done = BUILD / "target"
    for folder in (done / "debug", *done.glob("*/debug")):
        for part in ("deps", "build", ".fingerprint"):
            if (folder / part).is_dir():
                # In deps a name without a dot is a program (fer, a test).
                link_tree(
                    folder / part,
                    target / folder.relative_to(done) / part,
                    skip=lambda name: own(name) or (part == "deps" and "." not in name),
                )


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def write_sources(folder):
    path = json.dumps(str(CRATE))  # a JSON string is a TOML string
    cdylib = 'crate-type = ["cdylib"]\n'
    write(folder / "Cargo.toml", WORKSPACE)
    write(folder / "ctx" / "Cargo.toml", MEMBER.format(name="ctx", crate_type=cdylib, path=path))
    write(folder / "ctx" / "src" / "lib.rs", "")
    write(folder / "locked" / "Cargo.toml", MEMBER.format(name="locked", crate_type="", path=path))
    write(folder / "locked" / "src" / "lib.rs", "")


def cargo(command):
    """Runs cargo in the template the way evcxr will run it for a cell."""
    environment = dict(os.environ)
    for name in ("CARGO_ENCODED_RUSTFLAGS", "CARGO", "RUSTC_WRAPPER"):
        environment.pop(name, None)
    environment.update(
        CARGO_TARGET_DIR="target",
        CARGO_BUILD_BUILD_DIR="target",
        RUSTC=tool("rustc"),
        RUSTFLAGS="-Cprefer-dynamic",
    )
    host = subprocess.run([tool("rustc"), "-vV"], check=True, capture_output=True, text=True)
    triple = next(l.split()[1] for l in host.stdout.splitlines() if l.startswith("host:"))
    subprocess.run(
        [tool("cargo"), command, "--target", triple],
        cwd=TEMPLATE / "ctx",
        env=environment,
        stdout=sys.stderr,
        check=True,
    )


def prepare():
    """Builds what the template lacks. Raises CalledProcessError where fer_nb does not compile."""
    stamp = TEMPLATE / "built.json"
    now = fingerprint()
    before = json.loads(stamp.read_text()) if stamp.exists() else {}
    if before == now:
        return
    target = TEMPLATE / "ctx" / "target"
    if before.get("graph") != now["graph"]:
        shutil.rmtree(TEMPLATE, ignore_errors=True)
        write_sources(TEMPLATE)
        shutil.copy2(ROOT / "Cargo.lock", TEMPLATE / "Cargo.lock")
        seed(target)
    say("fer_nb is new or was changed: building it for the notebooks")
    started = time.monotonic()
    # `check` as well: evcxr runs it to explain a cell that does not compile, and without it the
    # first mistake in a notebook would cost minutes.
    for command in ("build", "check"):
        cargo(command)
    for folder in target.glob("**/debug"):
        for part in ("deps", ".fingerprint", "incremental", "."):
            for path in (folder / part).glob("*"):
                if own(path.name) and "fer_nb" not in path.name:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
    stamp.write_text(json.dumps(now))
    say(f"fer_nb is built for the notebooks ({time.monotonic() - started:.0f} s)")


def say(text):
    print(f"[kernel] {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def locked(path, kind):
    """Holds a lock that the system releases when its holders have ended, however they ended."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as file:
        fcntl.flock(file, kind)
        yield file


def absolute_folders():
    """The folders that variables name, where they are relative: `make` runs in the project's
    folder, and cells run in that of their notebook."""
    names = ("FER2013_DIR", "FER_RUNS_DIR", "FER_FIGURES_DIR")
    return {name: str(ROOT / os.environ[name]) for name in names if os.environ.get(name)}


def discard(folder):
    """Removes a kernel's folder beside, for it takes seconds and Jupyter kills after five."""
    subprocess.Popen(
        ["rm", "-rf", "--", str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def sweep():
    """Removes the folders of kernels that were killed."""
    for lock in KERNELS.glob("*.lock"):
        with open(lock) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue  # alive
            discard(lock.with_suffix(""))
            lock.unlink(missing_ok=True)


def up_to_date_template():
    """The template's lock, held shared, after the template has been brought up to date."""
    path = BUILD / "kernel-template.lock"
    with locked(path, fcntl.LOCK_EX):
        try:
            prepare()
        except subprocess.CalledProcessError:
            say("fer_nb does not compile; the first cell that uses it will show the errors")
    return locked(path, fcntl.LOCK_SH)


def launch(connection_file):
    # JupyterLab's Stop sends SIGINT to this process and to all that it starts. Ignoring it is
    # inherited, so evcxr and cargo live on; fer_nb's own handler ends a running training.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    name = f"{os.getpid()}-{secrets.token_hex(3)}"
    folder = KERNELS / name
    sweep()
    with locked(KERNELS / f"{name}.lock", fcntl.LOCK_EX) as alive:
        try:
            with up_to_date_template():
                link_tree(TEMPLATE, folder, skip=lambda name: name == "built.json")
            child = subprocess.Popen(
                [str(VENV / "bin" / "evcxr_jupyter"), "--control_file", connection_file],
                env={
                    **os.environ,
                    **absolute_folders(),
                    "EVCXR_TMPDIR": str(folder / "ctx"),
                    "LD_LIBRARY_PATH": library_path(),
                    "FER_ROOT": os.environ.get("FER_ROOT", str(ROOT)),
                    # Where evcxr looks for an installation of its own to update. It must not
                    # overwrite this kernel's kernel.json, nor one of the user's.
                    "JUPYTER_PATH": str(folder / "none"),
                    # A kernel that is shut down complains of its closed sockets; with
                    # RUST_BACKTRACE=1 each complaint would bring a page of stack.
                    "RUST_LIB_BACKTRACE": "0",
                },
                stdout=subprocess.DEVNULL,  # where it says which configuration it read
                pass_fds=[alive.fileno()],  # the folder is in use until the last of them ends
            )
            for number in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, lambda number, _: child.send_signal(number))
            status = child.wait()
        finally:
            discard(folder)
            (KERNELS / f"{name}.lock").unlink(missing_ok=True)
    # A kernel that Jupyter ended is no failure.
    return 0 if status in (0, -signal.SIGTERM, -signal.SIGHUP) else 1


def main(arguments):
    if arguments == ["--prepare"]:
        with locked(BUILD / "kernel-template.lock", fcntl.LOCK_EX):
            prepare()
        return 0
    if len(arguments) != 1:
        print(__doc__.split("\n\n")[1], file=sys.stderr)
        return 2
    return launch(arguments[0])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
