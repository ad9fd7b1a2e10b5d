"""The set-up's steps: what is missing is named, what is done is not done again."""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import time

import pytest
import setup as set_up


@pytest.fixture
def nothing_installed(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda program: None)
    monkeypatch.setattr(set_up, "output", lambda *command: None)


def test_a_missing_prerequisite_comes_with_the_command_that_installs_it(nothing_installed):
    text = "\n".join(set_up.missing(tests=True))
    for line in (
        "git: sudo apt install git",
        "make: sudo apt install make",
        "(c++): sudo apt install g++",
        "cargo >= 1.95: curl",
        "venv: sudo apt install python3-venv",
    ):
        assert line in text


def test_an_old_cargo_is_named_with_its_version(monkeypatch):
    monkeypatch.setattr(set_up, "output", lambda *c: "cargo 1.80.1 (376290515 2024-07-16)")
    monkeypatch.setattr(shutil, "which", lambda program: f"/usr/bin/{program}")
    monkeypatch.setattr(set_up, "rust_sources", lambda: set_up.ROOT)
    assert set_up.missing(tests=False) == ["cargo >= 1.95 (found 1.80.1): rustup update stable"]


def test_the_sources_of_rust_are_needed_where_rustup_can_not_fetch_them(monkeypatch, tmp_path):
    monkeypatch.setattr(set_up, "output", lambda *c: "cargo 1.95.0 (f2d3ce0bd 2026-03-21)")
    monkeypatch.setattr(set_up, "rust_sources", lambda: tmp_path / "none")
    monkeypatch.setattr(shutil, "which", lambda p: None if p == "rustup" else f"/usr/bin/{p}")
    (line,) = set_up.missing(tests=False)
    assert line.startswith("the sources of Rust's standard library: sudo apt install rust-src")
    monkeypatch.setattr(shutil, "which", lambda program: f"/usr/bin/{program}")
    assert set_up.missing(tests=False) == []


def test_this_machine_lacks_nothing():
    assert set_up.missing(tests=True) == []


def test_too_little_disk_is_said_before_the_first_step(monkeypatch, tmp_path):
    monkeypatch.setattr(set_up, "missing", lambda tests: [])
    monkeypatch.setattr(set_up, "BUILD", tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 8, 1e9))
    with pytest.raises(set_up.Failed, match=r"1\.0 GB are free"):
        set_up.check_prerequisites(tests=False)


def test_another_system_is_refused(monkeypatch):
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    with pytest.raises(set_up.Failed, match="Darwin"):
        set_up.check_prerequisites(tests=False)


def test_a_step_is_done_once_and_again_when_its_key_changes(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(set_up, "BUILD", tmp_path)
    done = []

    def step(key, there=lambda: True):
        set_up.Step("work", "some work", "1 min", key, lambda: done.append(key), there)()

    step("a")
    step("a")
    assert done == ["a"]
    assert "some work (usually 1 min)" in capsys.readouterr().out
    step("b")
    step("b", there=lambda: False)  # its result was deleted
    assert done == ["a", "b", "b"]


def test_a_step_that_was_cut_off_is_done_again(monkeypatch, tmp_path):
    monkeypatch.setattr(set_up, "BUILD", tmp_path)

    def cut_off():
        raise set_up.Failed("cut off")

    done = []
    with pytest.raises(set_up.Failed):
        set_up.Step("work", "some work", "1 min", "a", cut_off)()
    set_up.Step("work", "some work", "1 min", "a", lambda: done.append(1))()
    assert done == [1]


def test_a_failing_command_shows_its_last_lines_and_the_log(monkeypatch, tmp_path):
    monkeypatch.setattr(set_up, "BUILD", tmp_path)
    with pytest.raises(set_up.Failed) as failure:
        set_up.run("work", "sh", "-c", "echo the cause; exit 3")
    assert "status 3" in str(failure.value)
    assert "the cause" in str(failure.value)
    assert str(tmp_path / "logs" / "work.log") in str(failure.value)


def test_serve_switches_on_nothing_in_what_the_kernel_builds(root):
    """Else the kernel would build polars, and whatever else is shared, a second time."""

    def graph(*features):
        command = ["cargo", "tree", "--locked", "-e", "normal,build", "-p", "fer_nb", *features]
        command += ["--prefix", "none", "--format", "{p} {f}"]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
        lines = {line.removesuffix(" (*)").strip() for line in done.stdout.splitlines()}
        return {line for line in lines if not line.startswith("fer_nb ")}

    without, with_it = graph(), graph("--features", "serve")
    assert len(without) > 100 and any(line.startswith("axum ") for line in with_it)
    assert without - with_it == set()


def test_jupyterlab_fetches_no_news(monkeypatch, tmp_path):
    lab = set_up.VENV / "share" / "jupyter" / "lab"
    monkeypatch.setattr(set_up, "VENV", tmp_path)
    set_up.write_lab_settings()
    overrides = tmp_path / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
    ((name, chosen),) = json.loads(overrides.read_text()).items()
    assert chosen == {"checkForUpdates": False, "fetchNews": "false"}
    # The settings that this JupyterLab has.
    extension, setting = name.split(":")
    schema = json.loads((lab / "schemas" / extension / f"{setting}.json").read_text())
    values = [one["const"] for one in schema["properties"]["fetchNews"]["oneOf"]]
    assert "false" in values and schema["properties"]["checkForUpdates"]["type"] == "boolean"


def test_what_a_set_up_started_ends_with_it(root, tmp_path):
    """A timeout sends SIGTERM; a build that is left behind would hold cargo's lock."""
    program = (
        "import setup, sys\n"
        f"setup.BUILD = setup.Path({str(tmp_path)!r})\n"
        "setup.set_up = lambda tests: setup.run('work', 'sh', '-c', 'echo $$; exec sleep 1000')\n"
        "sys.exit(setup.main())\n"
    )
    started = subprocess.Popen([sys.executable, "-c", program], cwd=root / ".setup", stderr=subprocess.PIPE)
    log = tmp_path / "logs" / "work.log"
    until = time.monotonic() + 60
    while not (log.exists() and log.read_text().strip()) and time.monotonic() < until:
        time.sleep(0.05)
    sleeper = int(log.read_text())
    started.terminate()
    assert started.wait(60) == 130 and b"what is finished is kept" in started.stderr.read()
    while os.path.exists(f"/proc/{sleeper}") and time.monotonic() < until:
        time.sleep(0.05)
    assert not os.path.exists(f"/proc/{sleeper}")


@pytest.mark.skipif(os.geteuid() != 0, reason="a mount namespace needs root")
def test_the_command_needs_no_toolchain_and_no_luck_with_libraries(root, tmp_path):
    """Another user's home, a machine without Rust, a variable that names another libtorch."""
    fer = root / ".venv" / "bin" / "fer"
    home = os.environ.get("RUSTUP_HOME") or os.path.expanduser("~/.rustup")
    assert os.path.isdir(home)
    for name in ("libtorch_cpu.so", "libc10.so"):
        (tmp_path / name).write_bytes(b"not a library")
    script = f'mount -t tmpfs none "{home}" && exec "{fer}" --version'
    env = {**os.environ, "LD_LIBRARY_PATH": str(tmp_path)}
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], env=env, capture_output=True, text=True)
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip(f"this system gives no mount namespace: {done.stderr.strip()}")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert done.stdout.startswith("fer ")


@pytest.fixture
def npm(monkeypatch, tmp_path):
    """An npm whose packages hold the files that a test names."""
    monkeypatch.setattr(set_up, "BUILD", tmp_path)
    (tmp_path / "logs").mkdir()
    packed = {}

    def run(log_name, *command):
        package = command[2]
        with tarfile.open(tmp_path / "logs" / f"{package.replace('@', '-')}.tgz", "w:gz") as tar:
            for name in packed["files"]:
                source = tmp_path / "source"
                source.write_text(name)
                tar.add(source, f"package/{name}")

    monkeypatch.setattr(set_up, "run", run)
    return packed


def test_of_onnxruntime_web_only_what_a_page_needs_is_kept(npm, tmp_path):
    assert re.fullmatch(r"onnxruntime-web@\d+\.\d+\.\d+", set_up.RUNTIME)
    npm["files"] = [*set_up.RUNTIME_FILES, "dist/ort.all.js", "../outside.js"]
    set_up.fetch_runtime()
    folder = tmp_path / "onnxruntime-web"
    kept = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert kept == set(set_up.RUNTIME_FILES) and list((tmp_path / "logs").iterdir()) == []
    assert not (tmp_path / "outside.js").exists()


def test_a_package_without_these_files_is_named(npm):
    npm["files"] = set_up.RUNTIME_FILES[:-1]
    with pytest.raises(set_up.Failed, match=set_up.RUNTIME_FILES[-1]):
        set_up.fetch_runtime()
