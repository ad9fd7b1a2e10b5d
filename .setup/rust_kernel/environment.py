"""The build environment of the crates, the same for every caller and every folder.

cargo recompiles a crate when a variable that its build script reads has changed, and build scripts read 75 of
them: compilers, their flags, pkg-config, libtorch. A kernel that is started with one of them set would compile for
minutes, in a folder that is deleted with the kernel. And a desktop, a hub or an editor often starts a kernel
without cargo on the PATH. So the set-up records its environment, and a kernel runs with exactly this one:

    python .setup/rust_kernel/environment.py [NAME=VALUE ...] COMMAND ...     runs a command in it

A variable overrides settings of a cargo configuration outside this folder if possible; otherwise a changed setting
is an error of one line.
"""

import json
import os
import platform
import re
import shutil
import sys
from pathlib import Path

from toolchain import BUILD, ROOT

RECORD = BUILD / "stamps" / "environment.json"

# These compilers and folders are the user's choice when the set-up runs for the first time.
CHOSEN = ("CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "CC", "CXX", "AR", "CFLAGS", "CXXFLAGS")
PROGRAMS = ("cargo", "rustc", "rustup", "cc", "c++")

# How cargo reaches a registry, how many jobs it runs, what it prints: this decides nothing.
_HARMLESS = re.compile(r"CARGO_(HTTP|NET|REGISTRY|REGISTRIES|TERM)(_|$)|CARGO_BUILD_JOBS$")
# A variable of a compiler may name the target or say that it is for build scripts: CC_x86_64-…, HOST_CC.
_COMPILER = (
    "CC|CXX|AR|RANLIB|LD|NM|AS|CPP|CFLAGS|CXXFLAGS|CPPFLAGS|LDFLAGS|ARFLAGS|RANLIBFLAGS"
    "|CXXSTDLIB|CXXSTDLIB_STATIC|PKG_CONFIG|PKG_CONFIG_\\w+"
)
_DECIDES = re.compile(
    "|".join(
        (
            r"CARGO(_.*)?|RUSTC(_.*)?|RUSTDOC(_.*)?|RUSTFLAGS|RUSTDOCFLAGS|RUSTUP_(HOME|TOOLCHAIN)|RUST_TARGET_PATH",
            rf"(HOST_|TARGET_)?({_COMPILER})([_-](x86_64|aarch64|i686|armv7|riscv64).*)?",
            r"CC_\w+|CRATE_CC_NO_DEFAULTS|SOURCE_DATE_EPOCH|ZERO_AR_DATE|\w+_(NO_PKG_CONFIG|STATIC|DYNAMIC)",
            r"CPATH|C_INCLUDE_PATH|CPLUS_INCLUDE_PATH|OBJC(PLUS)?_INCLUDE_PATH|LIBRARY_PATH|COMPILER_PATH",
            r"GCC_\w+|COLLECT_\w+|DEPENDENCIES_OUTPUT|SUNPRO_DEPENDENCIES|LD_RUN_PATH|LDEMULATION|GNUTARGET",
            r"LIBTORCH(_.*)?|TORCH_CUDA_\w+|ZSTD_SYS_\w+|LIBC_\w+|RUST_LIBC_\w+|DOCS_RS",
            r"MAKEFLAGS|MFLAGS|MAKELEVEL|CARGO_MAKEFLAGS",
        )
    )
)

# Tables of a cargo configuration that decide what is compiled, or how.
_TABLES = ("build", "target", "profile", "env", "unstable", "patch", "paths")
# A variable wins over the configuration; with these values it says what holds without one.
_OVERRIDDEN = {
    "build.rustc-wrapper": ("RUSTC_WRAPPER", ""),
    "build.rustc-workspace-wrapper": ("RUSTC_WORKSPACE_WRAPPER", ""),
    "build.incremental": ("CARGO_INCREMENTAL", "1"),
}
# The target and its folder are always named, RUSTFLAGS always given.
_NO_MATTER = re.compile(r"build\.(target|target-dir|build-dir|jobs|rustflags|rustdoc.*)|target\..*\.(runner|rustflags)")


class Refused(Exception):
    """The environment requires another build than the set-up's; the text names the cause and the remedy."""


def decides(name):
    """Whether a variable of this name affects cargo's builds."""
    return bool(_DECIDES.fullmatch(name)) and not _HARMLESS.match(name)


def record():
    """The recorded environment of the set-up; empty before the first set-up."""
    try:
        return json.loads(RECORD.read_text())
    except (OSError, ValueError):
        return {}


def _toml():
    try:
        import tomllib
    except ModuleNotFoundError:  # Python 3.10
        try:
            from pip._vendor import tomli as tomllib
        except ModuleNotFoundError:  # nor pip: a changed configuration is noticed when the crates are compiled
            return None
    return tomllib


def _flat(table, before=()):
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, (*before, key))
        else:
            yield ".".join((*before, key)), value


def _matters(name):
    """Whether a setting of this name changes what is compiled here."""
    table, _, rest = name.partition(".")
    if table == "env":
        return decides(rest.split(".")[0])
    if table == "target" and not rest.startswith(("cfg(", platform.machine())):
        return False
    if table == "profile" and not rest.startswith("dev."):
        return False
    return not _NO_MATTER.fullmatch(name)


def configured(cargo_home):
    """What cargo's configurations outside of this folder decide: {file: {dotted name: value}}."""
    found = {}
    places = [parent / ".cargo" for parent in ROOT.parents] + [Path(cargo_home)]
    for place in dict.fromkeys(places):
        path = next((p for p in (place / "config", place / "config.toml") if p.is_file()), None)
        reader = _toml()
        if path is None or reader is None:
            continue
        try:
            tables = reader.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise Refused(f"{path}: {error}; cargo can't read it either") from None
        flat = _flat({name: tables[name] for name in _TABLES if name in tables})
        kept = {name: value for name, value in flat if _matters(name)}
        if kept:
            found[str(path)] = kept
    return found


def take(environ=os.environ):
    """The record of what a build in this environment is made with."""
    chosen = {name: environ[name] for name in CHOSEN if environ.get(name)}
    home = Path(environ.get("HOME") or Path.home())
    chosen.setdefault("CARGO_HOME", str(home / ".cargo"))
    rustup = home / ".rustup"
    if rustup.is_dir():
        chosen.setdefault("RUSTUP_HOME", str(rustup))
    programs = {name: shutil.which(name, path=environ.get("PATH")) for name in PROGRAMS}
    return {
        "variables": chosen,
        "folders": list(dict.fromkeys(os.path.dirname(p) for p in programs.values() if p)),
        "configured": configured(chosen["CARGO_HOME"]),
    }


def keep():
    """Records what the set-up builds with, once: what is built later has to fit to what is there."""
    if not record():
        RECORD.parent.mkdir(parents=True, exist_ok=True)
        RECORD.write_text(json.dumps(take(), indent=1) + "\n")


def _path(environ, folders):
    """PATH with the recorded programs found first; what else is on it stays behind them."""
    before = [folder for folder in environ.get("PATH", "").split(os.pathsep) if folder]
    system = ["/usr/local/bin", "/usr/bin", "/bin"]
    path = before + [folder for folder in system if folder not in before]
    for folder in reversed(folders):
        # Already first for what it is recorded for: the order of the rest is the user's.
        names = [name for name in PROGRAMS if os.access(os.path.join(folder, name), os.X_OK)]
        if any(shutil.which(n, path=os.pathsep.join(path)) != os.path.join(folder, n) for n in names):
            path.insert(0, folder)
    return os.pathsep.join(path)


def built_with(environ):
    """This environment with what decides a build replaced by what the set-up recorded.

    Raises Refused where a cargo configuration has changed that no variable overrides.
    """
    kept = record() or take(environ)
    clean = {name: value for name, value in environ.items() if not decides(name)}
    clean.update(kept["variables"])
    clean["PATH"] = _path(environ, kept["folders"])
    clean["RUSTFLAGS"] = "-Cprefer-dynamic"  # as evcxr has it; no configuration adds to it
    if not os.path.isdir(clean.get("TMPDIR", "/")):
        del clean["TMPDIR"]

    now = configured(kept["variables"]["CARGO_HOME"])
    for path in {*now, *kept["configured"]}:
        new, old = now.get(path, {}), kept["configured"].get(path, {})
        for name in sorted({*new, *old}):
            if new.get(name) == old.get(name):
                continue
            if name in _OVERRIDDEN:
                variable, value = _OVERRIDDEN[name]
                clean[variable] = value
                continue
            was = "without it" if name not in old else f"with {old[name]!r}"
            sets = "sets" if name in new else "no longer sets"
            raise Refused(
                f"{path} {sets} {name}, and the crates were built {was}: take that back, or delete "
                f"{RECORD.relative_to(ROOT)} and run `make setup`, which builds all of them again"
            )
    return clean


def missing_tools(environ):
    """Names of the recorded programs that no longer exist."""
    needed = ("cargo", "rustc", "cc")
    return [name for name in needed if shutil.which(name, path=environ["PATH"]) is None]


def enter():
    """Gives this process, and all that it starts, the environment of the build. Raises Refused."""
    environ = built_with(os.environ)
    gone = missing_tools(environ)
    if gone:
        where = ", ".join(record().get("folders", [])) or "PATH"
        raise Refused(
            f"{' and '.join(gone)} can't be found in {where}: install what is missing (Rust: rustup.rs), "
            "then run `make setup`"
        )
    for name in set(os.environ) - set(environ):
        del os.environ[name]
    os.environ.update(environ)


def main(arguments):
    assignments = {}
    while arguments and "=" in arguments[0]:
        name, value = arguments.pop(0).split("=", 1)
        assignments[name] = value
    if not arguments:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        enter()
    except Refused as error:
        print(f"set-up: {error}", file=sys.stderr)
        return 1
    os.environ.update(assignments)
    os.execvp(arguments[0], arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
