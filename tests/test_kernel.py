"""The kernel's launcher: nothing is rebuilt, kernels do not disturb each other, Stop keeps variables."""

import fcntl
import os
import time

import kernel as launcher
import pytest
from jupyter_client import KernelManager

READY_SECONDS = 900


class Kernel:
    """A running kernel and what its cells print."""

    def __init__(self, folder):
        self.manager = KernelManager(kernel_name="rust")
        self.manager.start_kernel(cwd=str(folder))
        self.client = self.manager.client()
        self.client.start_channels()

    def ready(self):
        self.client.wait_for_ready(timeout=READY_SECONDS)
        return self

    def run(self, source):
        printed = []

        def take(message):
            content = message["content"]
            printed.append(content.get("text") or content.get("data", {}).get("text/plain", ""))
            printed.extend(content.get("traceback") or [])

        reply = self.client.execute_interactive(source, timeout=READY_SECONDS, output_hook=take)
        return reply["content"]["status"], "".join(printed).strip()

    def folder(self):
        process = self.manager.provisioner.process.pid
        (found,) = launcher.KERNELS.glob(f"{process}-*[!k]")
        return found

    def stop(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel()


@pytest.fixture(scope="module")
def kernels(root):
    """Three at once, as three open notebooks are."""
    started = [Kernel(root / "notebooks") for _ in range(3)]
    yield [kernel.ready() for kernel in started]
    for kernel in started:
        if kernel.manager.has_kernel:
            kernel.stop()


def test_three_kernels_at_once_answer_for_themselves(kernels):
    for number, kernel in enumerate(kernels):
        status, printed = kernel.run(
            ':dep fer_nb = { path = "../fer_nb" }\nuse fer_nb::emotion::Emotion;\n'
            f"let own: usize = {number};"
        )
        assert status == "ok" and printed == "", printed
    for number, kernel in enumerate(kernels):
        answer = kernel.run("let e = Emotion::from_index(own);\nprintln!(\"{own} {e:?}\");")
        assert answer == ("ok", f"{number} Some({['Angry', 'Disgust', 'Fear'][number]})")


def test_the_dependencies_are_the_templates(kernels):
    template = launcher.TEMPLATE / "ctx" / "target"
    for kernel in kernels:
        target = kernel.folder() / "ctx" / "target"
        libraries = [p for p in target.glob("*/debug/deps/*.rlib")]
        assert len(libraries) > 50
        for path in libraries:
            original = template / path.relative_to(target)
            assert original.exists(), f"{path.name} was built by the kernel"
            assert path.stat().st_mtime_ns == original.stat().st_mtime_ns, path.name
    versions = (kernels[0].folder() / "Cargo.lock").read_text()
    assert versions == (launcher.TEMPLATE / "Cargo.lock").read_text()


def test_stop_ends_a_loop_that_listens_and_keeps_the_variables(kernels):
    kernel = kernels[0]
    kernel.client.execute(
        "let listener = fer_nb::train::Interrupt::listen()?;\n"
        "let mut turns = 0_u32;\n"
        "while !listener.requested() && turns < 600 {\n"
        '    if turns == 0 { println!("turning"); }\n'
        "    std::thread::sleep(std::time::Duration::from_millis(100));\n"
        "    turns += 1;\n"
        "}\n"
        "drop(listener);"
    )
    until = time.monotonic() + 300
    while time.monotonic() < until:
        message = kernel.client.get_iopub_msg(timeout=300)
        if message["content"].get("text", "").startswith("turning"):
            break
    kernel.manager.interrupt_kernel()
    assert kernel.run("println!(\"{}\", turns > 0 && turns < 600 && own == 0);") == ("ok", "true")


def test_a_kernel_leaves_no_folder(kernels):
    kernel = kernels[2]
    folder = kernel.folder()
    assert folder.is_dir()
    kernel.stop()
    until = time.monotonic() + 60
    while folder.exists() and time.monotonic() < until:
        time.sleep(0.2)
    assert not folder.exists()


# --- without a kernel ----------------------------------------------------------------------------


def test_large_files_are_linked_and_small_ones_copied(tmp_path):
    source = tmp_path / "a"
    (source / "deps").mkdir(parents=True)
    (source / "deps" / "large.rlib").write_bytes(bytes(launcher.LINK_FROM_BYTES))
    (source / "deps" / "small.d").write_text("x")
    (source / "deps" / "ctx.so").write_text("x")
    (source / ".cargo-lock").write_text("")
    os.utime(source / "deps" / "small.d", ns=(1_000_000_007, 1_000_000_007))

    launcher.link_tree(source, tmp_path / "b", skip=launcher.own)

    copied = tmp_path / "b" / "deps"
    assert sorted(p.name for p in copied.iterdir()) == ["large.rlib", "small.d"]
    assert (copied / "large.rlib").samefile(source / "deps" / "large.rlib")
    assert not (copied / "small.d").samefile(source / "deps" / "small.d")
    assert (copied / "small.d").stat().st_mtime_ns == 1_000_000_007
    assert not (tmp_path / "b" / ".cargo-lock").exists()


def test_folders_of_killed_kernels_are_removed_and_those_in_use_are_not(tmp_path, monkeypatch):
    monkeypatch.setattr(launcher, "KERNELS", tmp_path)
    for name in ("dead", "alive"):
        (tmp_path / name).mkdir()
        (tmp_path / f"{name}.lock").touch()
    with open(tmp_path / "alive.lock") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        launcher.sweep()
        until = time.monotonic() + 20
        while (tmp_path / "dead").exists() and time.monotonic() < until:
            time.sleep(0.05)
        assert sorted(p.name for p in tmp_path.iterdir()) == ["alive", "alive.lock"]
