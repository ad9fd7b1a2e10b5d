"""The set-up's steps: missing prerequisites are named, completed steps are not repeated."""

import fcntl
import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from pathlib import Path

import pytest
import setting_up
import setup as set_up
from packaging.requirements import Requirement


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


def group_lives(group):
    """Whether a process of this group is left: a compiler as well as the cargo that started it."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_what_a_set_up_started_ends_with_it(root, tmp_path):
    """A timeout sends SIGTERM; a build that is left behind would hold cargo's lock."""
    program = (
        "import setup, sys\n"
        f"setup.BUILD = setup.Path({str(tmp_path)!r})\n"
        "setup.set_up = lambda **what: setup.run('work', 'sh', '-c', 'echo $$; sleep 1000 & wait')\n"
        "sys.exit(setup.main([]))\n"
    )
    started = subprocess.Popen([sys.executable, "-c", program], cwd=root / ".setup", stderr=subprocess.PIPE)
    log = tmp_path / "logs" / "work.log"
    until = time.monotonic() + 60
    while not (log.exists() and log.read_text().strip()) and time.monotonic() < until:
        time.sleep(0.05)
    group = int(log.read_text())
    started.terminate()
    assert started.wait(60) == 130 and b"what is finished is kept" in started.stderr.read()
    while group_lives(group) and time.monotonic() < until:
        time.sleep(0.05)
    assert not group_lives(group)


LAB = """
import setup, sys, time
setup.BUILD = setup.Path({folder!r})
setup.PYTHON = {lab!r}

def set_up(tests, packages_are_there):
    setup.say("packages")
    packages_are_there()
    with setup.setting_up.told("fer_nb", "a minute", setup.BUILD):
        setup.run("work", "sleep", {seconds!r})
    setup.say("compiled")
    {after}

setup.set_up = set_up
sys.exit(setup.main(["--lab", "--no-browser"]))
"""


@pytest.fixture
def lab(root, tmp_path):
    """Starts a set-up whose JupyterLab is a script, and whose compiling is a sleep."""
    running = []

    def start(script, seconds, after="pass"):
        program = tmp_path / "lab"
        program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/opened\n{script}\n')
        program.chmod(0o755)
        text = LAB.format(folder=str(tmp_path), lab=str(program), seconds=str(seconds), after=after)
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            [sys.executable, "-c", text], cwd=root / ".setup", stdout=pipe, stderr=pipe, text=True
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()


def wait_for(found, seconds=60):
    until = time.monotonic() + seconds
    while not (value := found()) and time.monotonic() < until:
        time.sleep(0.05)
    return value


def test_jupyterlab_opens_while_the_rest_is_compiled(lab, tmp_path):
    process = lab("exec sleep 1000", seconds=1000)
    opened = tmp_path / "opened"
    assert wait_for(lambda: opened.exists() and opened.read_text())
    assert "01_project_prep.ipynb" in opened.read_text() and "--no-browser" in opened.read_text()
    # A kernel sees that it has to wait, and for what.
    assert wait_for(lambda: setting_up.steps(tmp_path)) == ["fer_nb: 0 min so far, usually a minute"]
    assert setting_up.runs(tmp_path)
    process.terminate()
    out, err = process.communicate(timeout=60)
    assert "stopped; what is finished is kept" in err and "compiled" not in out
    assert not setting_up.runs(tmp_path)


def test_the_set_up_ends_with_jupyterlab(lab, tmp_path):
    process = lab("sleep 1", seconds=1000)
    out, _ = process.communicate(timeout=60)
    assert "compiled" not in out and process.returncode == 0


def test_jupyterlab_stays_open_when_all_is_compiled_or_has_failed(lab, tmp_path):
    for after, said in (("pass", "compiled"), ("raise setup.Failed('no compiler')", "no compiler")):
        process = lab("sleep 4; exit 7", seconds=0, after=after)
        out, err = process.communicate(timeout=60)
        assert said in out + err and process.returncode == 7, (out, err)


def test_a_kernel_waits_for_a_set_up_and_says_for_what(tmp_path):
    told = []
    setting_up.wait(told.append, folder=tmp_path)
    assert told == []  # there is none
    lock = open(tmp_path / "setup.lock", "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    with setting_up.told("evcxr", "7 min", tmp_path):
        waiting = threading.Thread(target=setting_up.wait, args=(told.append,), kwargs={"folder": tmp_path})
        waiting.start()
        assert wait_for(lambda: len(told) == 2) and waiting.is_alive()
    assert "set-up is still at work" in told[0] and told[1] == "  evcxr: 0 min so far, usually 7 min"
    lock.close()
    waiting.join(10)
    assert not waiting.is_alive() and len(told) == 2


@pytest.fixture
def machine(monkeypatch):
    """A machine without a GPU and without settings for torch."""
    monkeypatch.setattr(set_up, "GPU", ())
    for name in ("FER_GPU", "FER_TORCH_INDEX"):
        monkeypatch.delenv(name, raising=False)


def test_without_a_gpu_libtorch_comes_alone(machine, monkeypatch, tmp_path):
    assert not set_up.wants_whole_torch(asked=False)
    assert set_up.wants_whole_torch(asked=True)
    monkeypatch.setattr(set_up, "GPU", (str(tmp_path),))
    assert set_up.wants_whole_torch(asked=False)
    monkeypatch.setenv("FER_GPU", "0")
    assert not set_up.wants_whole_torch(asked=False)
    monkeypatch.setattr(set_up, "GPU", ())
    monkeypatch.setenv("FER_GPU", "1")
    assert set_up.wants_whole_torch(asked=False)
    monkeypatch.setenv("FER_GPU", "yes")
    with pytest.raises(set_up.Failed, match="FER_GPU=yes: 1 installs"):
        set_up.wants_whole_torch(asked=False)


def pinned(name):
    """Package to version, of a requirements file."""
    lines = (set_up.HERE / name).read_text().splitlines()
    return dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))


def test_the_lean_libtorch_has_what_it_is_linked_against(root):
    """Of NVIDIA's libraries: those of the two packages, at the versions that the whole torch brings."""
    lean, whole = pinned("requirements-libtorch.txt"), pinned("requirements-torch.txt")
    assert lean.pop("torch") == whole["torch"]
    folder = set_up.VENV / "torch" / "lib"
    needed = subprocess.run(
        ["readelf", "-d", folder / "libtorch_cpu.so", folder / "libc10.so"], capture_output=True, text=True, check=True
    )
    linked = {name for name in re.findall(r"NEEDED.*\[(.*)\]", needed.stdout) if name.startswith(("libcu", "libnv"))}
    found = set()
    for package, version in lean.items():
        assert importlib.metadata.version(package).startswith(version)
        found |= {Path(str(file)).name for file in importlib.metadata.files(package)}
    assert linked and linked <= found


@pytest.mark.skipif(os.geteuid() != 0, reason="a mount namespace needs root")
def test_the_command_runs_without_what_only_a_gpu_needs(root, tmp_path):
    packages = (set_up.VENV / "torch").resolve().parent
    fer = root / ".venv" / "bin" / "fer"
    gone = [packages / "triton", *(p for p in (packages / "nvidia").iterdir() if p.name != "cu13")]
    hidden = [p for p in (packages / "nvidia" / "cu13" / "lib").iterdir() if not re.match("libcu(dart|pti)", p.name)]
    assert gone and hidden
    lines = [f'mount -t tmpfs none "{path}"' for path in gone]
    lines += [f'mount --bind /dev/null "{path}"' for path in hidden if path.is_file()]
    photo = root / "fer_nb" / "assets" / "face_detector" / "portrait.png"
    script = " && ".join([*lines, f'exec "{fer}" predict "{photo}"'])
    env = {**os.environ, "FER_RUNS_DIR": str(tmp_path)}
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], env=env, capture_output=True, text=True)
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"this system gives no mount namespace: {done.stderr.strip()}")
    assert done.returncode == 0 and "happy" in done.stdout, done.stderr


def test_another_index_names_the_builds_of_torch(machine, monkeypatch, tmp_path):
    """A local index with a made-up build of the same version, installed by the real pip."""
    monkeypatch.setattr(set_up, "BUILD", tmp_path)
    version = pinned("requirements-torch.txt")["torch"]
    index = tmp_path / "index" / "torch"
    index.mkdir(parents=True)
    name = f"torch-{version}+cpu"
    with zipfile.ZipFile(index / f"{name}-py3-none-any.whl", "w") as wheel:
        info = f"{name}.dist-info"
        wheel.writestr("torch/__init__.py", "raise ImportError('not to be imported')")
        wheel.writestr("torch/lib/libtorch_cpu.so", "")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: torch\nVersion: {version}+cpu\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    (index / "index.html").write_text(f'<a href="{name}-py3-none-any.whl">{name}-py3-none-any.whl</a>')
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    monkeypatch.setattr(set_up, "VENV", tmp_path / "venv")
    monkeypatch.setattr(set_up, "PYTHON", tmp_path / "venv" / "bin" / "python")
    monkeypatch.setattr(set_up, "HERE", tmp_path)
    (tmp_path / "requirements-torch.txt").write_text(f"torch=={version}\n")
    monkeypatch.setenv("FER_TORCH_INDEX", (tmp_path / "index").as_uri())
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "empty").as_uri())
    assert set_up.wants_whole_torch(asked=False)
    set_up.torch_step("3", whole=True)()
    link = tmp_path / "venv" / "torch"
    assert link.is_symlink() and (link / "lib" / "libtorch_cpu.so").exists()


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


@pytest.mark.parametrize("version", ("3.10", "3.14"))
def test_every_pinned_package_exists_for_every_python(version, tmp_path):
    """For the oldest and the newest that README names; pip is asked, nothing is installed."""
    lines = [
        line
        for path in set_up.HERE.glob("requirements*.txt")
        for line in path.read_text().splitlines()
        if line and not line.startswith("#")
    ]
    wanted = set()
    for requirement in map(Requirement, lines):
        if requirement.marker is None or requirement.marker.evaluate({"python_version": version}):
            requirement.marker = None
            wanted.add(str(requirement))
    assert len(wanted) > 15
    command = [set_up.PYTHON, "-m", "pip", "install", "-q", "--dry-run", "--no-deps", "--ignore-installed"]
    command += ["--target", tmp_path, "--python-version", version, "--only-binary=:all:", *sorted(wanted)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if "Max retries exceeded" in done.stderr or "connection" in done.stderr.lower():
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stderr


def test_pip_takes_nothing_but_what_the_lock_files_name():
    """Each package that is asked for is locked at its version, and each locked one has hashes."""
    sys.path.append(str(set_up.HERE))
    import lock

    versions = {}
    for name in lock.NAMES:
        locked = lock.locked(name)
        names = {re.match(r"([\w.-]+)==([\w.+]+)", line).groups() for line in locked}
        assert {(n.lower().replace("_", "-"), v) for n, v in lock.asked(name)} <= names, f"{name}: run .setup/lock.py"
        text = (set_up.HERE / f"{name}.lock").read_text()
        for entry in re.split(r"\n(?=[a-z0-9])", text)[1:]:
            assert "--hash=sha256:" in entry, entry
        assert "://" not in text, "an index belongs to the machine, not to a lock file"
        for package, version in names:
            versions.setdefault(package, set()).add(version)
    # The steps install into one environment: they agree but for old versions of Python.
    apart = {n for n, found in versions.items() if len(found) > 1}
    old = {line.split("==")[0] for name in lock.NAMES for line in lock.locked(name) if "python_full_version" in line}
    assert apart <= old, apart - old
    assert set_up.hashed("requirements.txt")[0] == "--require-hashes"
