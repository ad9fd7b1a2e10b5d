"""The template of a kernel's build folder, of which each kernel gets a copy.

evcxr compiles every cell as a crate `ctx` in a temporary folder, and would compile fer_nb and some 200
dependencies in it, again for each kernel. So build/kernel-template is such a folder in which everything except
`ctx` is built, and each kernel gets a copy in build/kernels: hard links for large files that are never
rewritten, copies for files that cargo rewrites in place. Kernels share no folder, because all of them write
libctx.so.

The folder is a workspace of two members, `ctx` (evcxr's) and `locked` (empty, depends on fer_nb).
evcxr's first build has no dependencies; without `locked`, cargo would remove the versions from Cargo.lock, and
resolve other ones when the first cell needs fer_nb.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import view
from toolchain import BUILD, CRATE, ROOT, host, tool

TEMPLATE = BUILD / "kernel-template"
STAMP = TEMPLATE / "built.json"
LOCK = BUILD / "kernel-template.lock"

# Smaller files are copied: among them are all that cargo rewrites in place (fingerprints, .d), but for
# Cargo.lock.
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


def fingerprint():
    """What the template was built from: `graph` decides the dependencies, `sources` the crate, `view`
    the toolchain that evcxr is shown."""
    compiler = subprocess.run([tool("rustc"), "-vV"], check=True, capture_output=True, text=True)
    graph = hashlib.sha256(compiler.stdout.encode() + str(ROOT).encode() + WORKSPACE.encode())
    for name in ("Cargo.lock", "Cargo.toml", ".cargo/config.toml", "fer_nb/Cargo.toml"):
        graph.update((ROOT / name).read_bytes())
    shown = graph.copy()
    for path in (Path(view.__file__), *sorted(view.SHIMS.iterdir())):
        shown.update(path.read_bytes())
    sources = hashlib.sha256()
    for path in sorted([*CRATE.glob("src/**/*"), *CRATE.glob("assets/**/*"), CRATE / "build.rs"]):
        if path.is_file():
            stat = path.stat()
            sources.update(f"{path} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return {
        "graph": graph.hexdigest(),
        "view": shown.hexdigest(),
        "sources": sources.hexdigest(),
    }


def link_tree(source, target, skip=lambda name: False):
    """Copies a tree with its times: hard links for large files, true copies for small ones."""
    os.makedirs(target, exist_ok=True)
    for entry in os.scandir(source):
        if skip(entry.name) or entry.name == ".cargo-lock":
            continue  # .cargo-lock: a link would share the lock, and kernels would wait in turn
        path = os.path.join(target, entry.name)
        if entry.is_dir(follow_symlinks=False):
            link_tree(entry.path, path, skip)
        elif entry.name != "Cargo.lock" and entry.stat(follow_symlinks=False).st_size >= LINK_FROM_BYTES:
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
                    skip=lambda name, part=part: own(name) or (part == "deps" and "." not in name),
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
    folders = {"CARGO_TARGET_DIR": "target", "CARGO_BUILD_BUILD_DIR": "target"}
    subprocess.run(
        [tool("cargo"), command, "--target", host()],
        cwd=TEMPLATE / "ctx",
        env={**os.environ, **folders, "RUSTC": tool("rustc")},
        stdout=sys.__stderr__,
        check=True,
    )


def build(target):
    """Builds fer_nb and what it depends on, and leaves nothing of `ctx` behind."""
    # `check` as well: evcxr runs it to explain a cell that does not compile, and without it the
    # first mistake in a notebook would cost minutes.
    for command in ("build", "check"):
        cargo(command)
    for folder in target.glob("**/debug"):
        for part in ("deps", ".fingerprint", "incremental", "."):
            for path in (folder / part).glob("*"):
                if own(path.name) and "fer_nb" not in path.name:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()


def built():
    """The fingerprint of what the template was built from; empty where it is not complete."""
    try:
        return json.loads(STAMP.read_text())
    except (OSError, ValueError):  # none, or one that was cut off
        return {}


def is_current():
    """Whether the template was built from what is there now."""
    before = built()
    return all(before.get(part) == value for part, value in fingerprint().items())


def prepare(say):
    """Builds what the template lacks. Raises CalledProcessError where fer_nb does not compile."""
    now, before = fingerprint(), built()
    if is_current():
        return
    target = TEMPLATE / "ctx" / "target"
    if before.get("graph") != now["graph"]:
        shutil.rmtree(TEMPLATE, ignore_errors=True)
        write_sources(TEMPLATE)
        shutil.copy2(ROOT / "Cargo.lock", TEMPLATE / "Cargo.lock")
        seed(target)
    if any(before.get(part) != now[part] for part in ("graph", "sources")):
        say("fer_nb is new or was changed: building it for the notebooks (half a minute) …")
        started = time.monotonic()
        build(target)
        say(f"fer_nb was built for the notebooks in {time.monotonic() - started:.0f} s")
    if before.get("view") != now["view"]:
        view.prepare(TEMPLATE)
    STAMP.write_text(json.dumps(now))


@contextlib.contextmanager
def locked(path, kind):
    """Holds a lock that the system releases when its holders have ended, however they ended."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as file:
        fcntl.flock(file, kind)
        yield file


def only_its_own(name):
    """What of the template is not a kernel's."""
    return name == "built.json"


@contextlib.contextmanager
def up_to_date(say):
    """Brings the template up to date and holds it as it is."""
    with locked(LOCK, fcntl.LOCK_SH):  # kernels that start together don't wait for each other
        if is_current():
            yield
            return
    with open(LOCK, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("another kernel builds fer_nb; waiting for it …")
            fcntl.flock(file, fcntl.LOCK_EX)
        try:
            prepare(say)
        except subprocess.CalledProcessError as error:
            if error.cmd[0] != tool("cargo") or "metadata" in error.cmd:
                raise
            say("fer_nb does not compile; the first cell that uses it will show the errors")
    with locked(LOCK, fcntl.LOCK_SH):
        yield
