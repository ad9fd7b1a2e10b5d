"""A kernel works in every environment, or names in one line the setting with which it cannot work."""

import fcntl
import json
import os
import re
import time

import environment
import evcxr
import pytest
import template
from jupyter_client import KernelManager
from test_kernel import CRATE, Kernel
from toolchain import BUILD

# Beside those that the build scripts read: cargo, rustc, make, compilers.
OTHERS = (
    *("CARGO_INCREMENTAL", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS", "CARGO_BUILD_TARGET"),
    *("CARGO_TARGET_DIR", "CARGO_PROFILE_DEV_OPT_LEVEL", "CARGO_UNSTABLE_BUILD_STD", "CARGO_HOME"),
    *("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER", "RUSTFLAGS", "RUSTC", "RUSTC_WRAPPER", "RUSTDOC"),
    *("RUSTC_WORKSPACE_WRAPPER", "RUSTUP_TOOLCHAIN", "RUSTUP_HOME", "RUSTC_LOG", "MAKEFLAGS", "LIBRARY_PATH"),
    *("TORCH_CUDA_VERSION", "LIBTORCH_BYPASS_VERSION_CHECK", "LDFLAGS", "CPPFLAGS", "HOST_CFLAGS", "DOCS_RS"),
)


def read_by_build_scripts():
    """The variables that cargo was told to watch when the template was built."""
    outputs = (template.TEMPLATE / "ctx" / "target").glob("**/build/*/output")
    text = "\n".join(path.read_text(errors="replace") for path in outputs)
    names = set(re.findall(r"^cargo::?rerun-if-env-changed=(\w[\w-]*)$", text, re.M))
    # cargo sets these itself.
    return sorted(name for name in names if not name.startswith(("CARGO_CFG_", "CARGO_FEATURE_")))


def test_every_variable_that_a_build_script_reads_is_left_to_the_set_up():
    names = read_by_build_scripts()
    assert len(names) > 60
    assert [name for name in (*names, *OTHERS) if not environment.decides(name)] == []


def test_what_is_meant_for_cells_and_for_the_network_stays():
    kept = ("FER2013_DIR", "FER_EPOCHS", "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "RUST_BACKTRACE", "HOME", "LANG")
    kept += ("CARGO_HTTP_PROXY", "CARGO_NET_OFFLINE", "CARGO_REGISTRIES_CRATES_IO_PROTOCOL", "HTTPS_PROXY", "CCTV")
    kept += ("CARGO_BUILD_JOBS", "RUST_LOG", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "ARCH", "ASSETS")
    assert [name for name in kept if environment.decides(name)] == []


def modified(path):
    return path.stat().st_mtime_ns if path.exists() else None


def first_cell(folder, env):
    """Runs the first cell in an environment; what it shows, and the libraries that are not the template's."""
    kernel = Kernel.__new__(Kernel)
    kernel.manager = KernelManager(kernel_name="rust")
    kernel.manager.start_kernel(cwd=str(folder), env=env)
    kernel.client = kernel.manager.client()
    kernel.client.start_channels()
    try:
        kernel.ready()
        shown = kernel.run(CRATE + '\nprintln!("{}", TrainConfig::default().epochs);')
        target = kernel.folder() / "ctx" / "target"
        built = template.TEMPLATE / "ctx" / "target"
        libraries = list(target.glob("*/debug/deps/*.rlib"))
        # Linked or copied, with their times; what was compiled here is newer, or has another name.
        fresh = [p.name for p in libraries if modified(p) != modified(built / p.relative_to(target))]
        return shown, len(libraries), fresh
    finally:
        kernel.stop()


def test_a_kernel_starts_with_every_variable_set_that_a_build_reads(root, tmp_path):
    hostile = dict.fromkeys((*read_by_build_scripts(), *OTHERS), "/nowhere/at-all")
    (tmp_path / "json.py").write_text("raise SystemExit('taken for the library')\n")
    hostile |= {"PYTHONPATH": str(tmp_path), "TMPDIR": str(tmp_path / "gone"), "HOME": str(tmp_path)}
    shown, libraries, fresh = first_cell(root / "notebooks", {**os.environ, **hostile})
    assert shown == ("ok", "35")
    assert libraries > 50 and fresh == []


def test_a_first_cell_waits_for_a_set_up_that_is_at_work(root):
    with open(BUILD / "setup.lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kernel = Kernel(root / "notebooks").ready()
        said = []

        def seen(message):
            said.append(message["content"].get("text", ""))
            if "the set-up is still at work" in said[-1]:
                fcntl.flock(lock, fcntl.LOCK_UN)

        try:
            reply, _ = kernel.execute('println!("ran");', seen)
        finally:
            kernel.stop()
    assert reply["status"] == "ok", reply
    assert "still at work" in said[0] and any("ran" in text for text in said[1:])


def test_a_kernel_starts_where_path_has_no_cargo(root):
    """As a desktop, an editor or a hub starts it."""
    bare = {"PATH": "/usr/bin:/bin", "HOME": "/", "JUPYTER_PREFER_ENV_PATH": "1"}
    shown, _, fresh = first_cell(root / "notebooks", bare)
    assert shown == ("ok", "35") and fresh == []


@pytest.fixture
def set_up_with(monkeypatch, tmp_path):
    """A record of a set-up with a CARGO_HOME of the test, and a way to change its configuration later."""
    home = tmp_path / "cargo"
    home.mkdir()
    monkeypatch.setattr(environment, "RECORD", environment.ROOT / "build" / "stamps" / f"{tmp_path.name}.json")

    def change(before, after):
        (home / "config.toml").write_text(before)
        record = environment.take({**os.environ, "CARGO_HOME": str(home)})
        environment.RECORD.write_text(json.dumps(record))
        (home / "config.toml").write_text(after)
        return environment.built_with(dict(os.environ))

    yield change
    environment.RECORD.unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("setting", "name"),
    [
        ('[target.x86_64-unknown-linux-gnu]\nlinker = "clang"', "target.x86_64-unknown-linux-gnu.linker"),
        ('[profile.dev]\nopt-level = 0', "profile.dev.opt-level"),
        ('[env]\nCFLAGS = "-O3"', "env.CFLAGS"),
        ('[env]\nCFLAGS = { value = "-O3" }', "env.CFLAGS.value"),
        ('[unstable]\nbuild-std = ["std"]', "unstable.build-std"),
        ('[build]\nrustc = "/nowhere/rustc"', "build.rustc"),
    ],
)
def test_a_configuration_that_changes_the_build_is_refused_by_name(set_up_with, setting, name):
    began = time.monotonic()
    with pytest.raises(environment.Refused) as refused:
        set_up_with("", setting)
    assert time.monotonic() - began < 1
    text = str(refused.value)
    assert f"config.toml sets {name}, " in text and "make setup" in text and "\n" not in text
    with pytest.raises(environment.Refused, match="no longer sets"):
        set_up_with(setting, "")
    set_up_with(setting, setting)  # as it was built


@pytest.mark.parametrize(
    ("setting", "variable", "value"),
    [
        ('[build]\nrustc-wrapper = "sccache"', "RUSTC_WRAPPER", ""),
        ("[build]\nincremental = false", "CARGO_INCREMENTAL", "1"),
        ('[build]\nrustflags = ["-Ctarget-cpu=native"]', "RUSTFLAGS", "-Cprefer-dynamic"),
        ("[net]\ngit-fetch-with-cli = true", "RUSTFLAGS", "-Cprefer-dynamic"),
        ('[env]\nEDITOR = "vi"', "RUSTFLAGS", "-Cprefer-dynamic"),
        ('[target.thumbv6m-none-eabi]\nlinker = "ld"', "RUSTFLAGS", "-Cprefer-dynamic"),
        ("[profile.release]\nlto = true", "RUSTFLAGS", "-Cprefer-dynamic"),
    ],
)
def test_a_configuration_that_a_variable_overrides_is(set_up_with, setting, variable, value):
    assert set_up_with("", setting)[variable] == value


def test_a_broken_configuration_is_named(set_up_with):
    with pytest.raises(environment.Refused, match=r"config\.toml"):
        set_up_with("", "[build\n")


def test_a_toolchain_that_is_gone_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(environment, "built_with", lambda environ: {"PATH": str(tmp_path)})
    with pytest.raises(environment.Refused, match="cargo and rustc and cc can't be found"):
        environment.enter()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(30, "Read-only file system"), "has to be writable"),
        (PermissionError(13, "Permission denied"), "has to be writable"),
        (OSError(28, "No space left on device"), "make room"),
        (OSError(24, "Too many open files"), "shut down kernels"),
        (FileNotFoundError(2, "No such file"), "`make setup` brings back"),
    ],
)
def test_the_hint_fits_the_failure(error, words):
    assert words in evcxr.way_out(error)
