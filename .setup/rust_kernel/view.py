"""The reduced toolchain for a kernel's evcxr, and for the rust-analyzer inside it.

evcxr queries rust-analyzer for the types of a cell's variables. For this, rust-analyzer runs cargo and rustc some
twenty times, reads all sources of the standard library (35 MB, half of them processor intrinsics) and of every
crate in the graph, and resolves their names: half a minute on two cores, at each start. But only a few of these
crates define the types of variables. So build/toolchain is a toolchain with fewer sources:

    bin/                  shims/ of this folder: what is asked at every start or cell is answered from
                          files, everything else is passed on to the real cargo, rustc and rustup
    lib/rustlib/src/…     the standard library without tests and intrinsics, for rust-analyzer
    answers/              what the shims answer; among it cargo's metadata with the crates of SEEN only

Cells are compiled by the real rustc and see all crates. Where a cell asks for another dependency than
fer_nb, the real metadata is used, and that cell takes as long as it does in plain evcxr.
"""

import contextlib
import json
import os
import shutil
import subprocess
from pathlib import Path

from toolchain import BUILD, CRATE, KERNELS, host, tool

VIEW = BUILD / "toolchain"
SHIMS = Path(__file__).parent / "shims"
SOURCES = "lib/rustlib/src/rust/library"

# Beside `ctx` and fer_nb: the crates that define types which cells hold in variables. A variable of
# another crate's type has to be given its type in the cell: `let x: T = …`.
SEEN = ("tch", "polars", "polars-core", "polars-error")

# Of the standard library's folder; anything else in it is tests, benchmarks, intrinsics, other tools.
LIBRARY = ("alloc", "core", "panic_abort", "panic_unwind", "proc_macro", "std", "test", "unwind")
# Without its source rust-analyzer does not know the types that the methods of HashMap return.
LIBRARY_NEEDS = ("hashbrown",)
LIBRARY_ALIASES = tuple(f"rustc-std-workspace-{name}" for name in ("alloc", "core", "std"))
UNREAD = shutil.ignore_patterns("tests", "tests.rs", "benches", "windows*")

def environment():
    """For evcxr's process: lets it find this toolchain."""
    if not VIEW.is_dir():
        return {}
    shims = VIEW / "bin"
    return {
        "PATH": os.pathsep.join([str(shims), os.environ.get("PATH", "")]),
        "RUSTC": str(shims / "rustc"),
        "CARGO": str(shims / "cargo"),
    }


def ask(folder, *command, **environment):
    """What a command prints that runs in a folder."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def reduced(metadata, seen):
    """cargo's metadata with the packages of these names only."""
    ids = {package["id"] for package in metadata["packages"] if package["name"] in seen}
    members = [i for i in metadata["workspace_members"] if i in ids]
    nodes = [node for node in metadata["resolve"]["nodes"] if node["id"] in ids]
    for node in nodes:
        node["deps"] = [dep for dep in node["deps"] if dep["pkg"] in ids]
        node["dependencies"] = [i for i in node["dependencies"] if i in ids]
    return {
        **metadata,
        "packages": [package for package in metadata["packages"] if package["id"] in ids],
        "resolve": {"nodes": nodes, "root": None},
        "workspace_members": members,
        "workspace_default_members": members,
    }


def prepare(template):
    """Makes the toolchain anew, for kernels whose folders are copies of `template`.

    It is made beside and takes the old one's place at once, for kernels may be using that.
    Raises CalledProcessError.
    """
    new, old = VIEW.with_name("toolchain.new"), VIEW.with_name("toolchain.old")
    shutil.rmtree(new, ignore_errors=True)
    rustc, cargo = tool("rustc"), tool("cargo")
    original = Path(ask(template, rustc, "--print", "sysroot").strip()) / SOURCES
    library = VIEW / SOURCES
    for name in LIBRARY:
        if (original / name).is_dir():
            shutil.copytree(original / name, new / SOURCES / name, ignore=UNREAD)
    (new / "answers").mkdir()
    metadata = (cargo, "metadata", "--format-version", "1")
    nightly = {"RUSTC_BOOTSTRAP": "1"}
    unstable = ("-Z", "unstable-options")
    graph = ask(template / "ctx", *metadata, "--filter-platform", host(), "--offline")
    graph = json.loads(graph)
    answers = {
        "rustc": ask(template, rustc, "-vV"),
        "cargo": ask(template, cargo, "--version"),
        "cfg": ask(template, rustc, "--print", "cfg", "-O", **nightly),
        "target-spec-json": ask(template, rustc, *unstable, "--print", "target-spec-json", **nightly),
        "metadata.json": json.dumps(reduced(graph, ("ctx", "fer_nb", *SEEN))),
        "metadata-alone.json": json.dumps(reduced(graph, ("ctx",))),
    }
    # Needs the registry once. Without it rust-analyzer finds the library all the same, without the
    # crates that the library itself depends on.
    with contextlib.suppress(subprocess.CalledProcessError):
        nightly["__CARGO_TEST_CHANNEL_OVERRIDE_DO_NOT_USE_THIS"] = "nightly"
        manifest = original / "Cargo.toml"
        found = json.loads(ask(template, *metadata, "--locked", "--manifest-path", manifest, **nightly))
        found = json.dumps(reduced(found, (*LIBRARY, *LIBRARY_NEEDS, *LIBRARY_ALIASES)))
        answers["library.json"] = found.replace(f"{original}/", f"{library}/")
        (new / SOURCES / "Cargo.toml").touch()  # says that there is something to ask cargo about
    for name, text in answers.items():
        (new / "answers" / name).write_text(text.rstrip("\n") + "\n")
    (new / "bin").mkdir()
    names = {
        "VIEW": VIEW,
        "LIBRARY": library,
        "TEMPLATE": template,
        "KERNELS": KERNELS,
        "CRATE": CRATE,
        "HOST": host(),
        "RUSTC": rustc,
        "CARGO": cargo,
        "RUSTUP": shutil.which("rustup") or "/bin/false",
    }
    for shim in SHIMS.iterdir():
        text = shim.read_text()
        for key, value in names.items():
            text = text.replace(f"@{key}@", str(value))
        path = new / "bin" / shim.name
        path.write_text(text)
        path.chmod(0o755)
    shutil.rmtree(old, ignore_errors=True)
    if VIEW.exists():
        VIEW.rename(old)
    new.rename(VIEW)
    shutil.rmtree(old, ignore_errors=True)
