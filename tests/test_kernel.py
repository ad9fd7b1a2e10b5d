"""The kernel: nothing is rebuilt, kernels do not disturb each other, errors and Stop are answered as
Jupyter's users expect, and nothing is left behind. All with real kernels."""

import contextlib
import fcntl
import os
import signal
import threading
import time
from pathlib import Path

import bridge
import cell as cell_output
import evcxr
import live
import marker
import pytest
import template
import view
from jupyter_client import KernelManager

READY_SECONDS = 900
CELLS = 30


class Kernel:
    """A running kernel and what its cells put out."""

    def __init__(self, folder):
        self.manager = KernelManager(kernel_name="rust")
        self.manager.start_kernel(cwd=str(folder))
        self.client = self.manager.client()
        self.client.start_channels()

    def ready(self):
        self.client.wait_for_ready(timeout=READY_SECONDS)
        return self

    def execute(self, source, seen=lambda message: None):
        """The reply's content, and the outputs' messages; `seen` gets each as it comes."""
        messages = []

        def take(message):
            if message["msg_type"] not in ("status", "execute_input"):
                messages.append(message)
                seen(message)

        reply = self.client.execute_interactive(source, timeout=READY_SECONDS, output_hook=take)
        return reply["content"], messages

    def run(self, source):
        """The reply's status, and all that was shown as text."""
        reply, messages = self.execute(source)
        shown = []
        for message in messages:
            content = message["content"]
            if message["msg_type"] == "clear_output":
                shown.clear()
            shown.append(content.get("text") or content.get("data", {}).get("text/plain", ""))
            shown.extend(content.get("traceback") or [])
        return reply["status"], cell_output.ANSI.sub("", "\n".join(shown)).strip()

    def folder(self):
        process = self.manager.provisioner.process.pid
        (found,) = evcxr.KERNELS.glob(f"{process}-*[!k]")
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


@pytest.fixture
def kernel(kernels):
    return kernels[0]


def gone(path, seconds=60):
    until = time.monotonic() + seconds
    while path.exists() and time.monotonic() < until:
        time.sleep(0.2)
    return not path.exists()


# --- several at once -----------------------------------------------------------------------------


def test_three_kernels_at_once_run_thirty_cells_each(kernels):
    """In threads, so that they compile at the same time. Each answer is one that only this kernel
    can give, and is made with a value of fer_nb that an earlier cell left."""
    failures = []

    def work(number, kernel):
        cells = [
            (
                ':dep fer_nb = { path = "../fer_nb" }\nuse fer_nb::prelude::*;\n'
                f"let own: usize = {number};\nlet config = TrainConfig::default();",
                "",
            )
        ]
        for cell in range(1, CELLS):
            cells.append(
                (
                    f"let config = TrainConfig {{ epochs: config.epochs + own, seed: {cell}, ..config }};\n"
                    "let class = Emotion::from_index(own);\n"
                    'println!("{own} {} {} {class:?}", config.seed, config.epochs);',
                    f"{number} {cell} {35 + cell * number} "
                    f"Some({['Angry', 'Disgust', 'Fear'][number]})",
                )
            )
        for source, expected in cells:
            answer = kernel.run(source)
            if answer != ("ok", expected):
                failures.append((number, source, answer))

    threads = [threading.Thread(target=work, args=pair) for pair in enumerate(kernels)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, f"{len(failures)} of {3 * CELLS} cells, the first: {failures[0]}"


def test_the_dependencies_are_the_templates(kernels):
    built = template.TEMPLATE / "ctx" / "target"
    for kernel in kernels:
        target = kernel.folder() / "ctx" / "target"
        libraries = [p for p in target.glob("*/debug/deps/*.rlib")]
        assert len(libraries) > 50
        for path in libraries:
            original = built / path.relative_to(target)
            assert original.exists(), f"{path.name} was built by the kernel"
            assert path.stat().st_mtime_ns == original.stat().st_mtime_ns, path.name
    lock = kernels[0].folder() / "Cargo.lock"
    assert lock.read_text() == (template.TEMPLATE / "Cargo.lock").read_text()
    assert not lock.samefile(template.TEMPLATE / "Cargo.lock")


# --- what a cell answers -------------------------------------------------------------------------


def test_a_value_shows_itself_and_streams_stay_apart(kernel):
    reply, messages = kernel.execute('println!("out"); eprintln!("err");\n6 * 7')
    assert reply["status"] == "ok"
    streams = {m["content"]["name"]: m["content"]["text"] for m in messages if m["msg_type"] == "stream"}
    assert streams == {"stdout": "out\n", "stderr": "err\n"}
    (value,) = [m for m in messages if m["msg_type"] == "execute_result"]
    assert value["content"]["data"]["text/plain"] == "42"


@pytest.mark.parametrize(
    "source, name, text",
    [
        ('let n: i32 = "many".parse()?;', "Error", "invalid digit found in string"),
        ('"many".parse::<i32>()?', "Error", "invalid digit found in string"),
        (
            "let bad = TrainConfig { batch_size: 0, ..TrainConfig::default() };\n"
            "let trainer = Trainer::new(SeedCnn::new(device()?, 1)?, bad)?;",
            "Error",
            "batch_size = 0: expected 1 or more",
        ),
        ('panic!("on purpose");', "Panic", "on purpose"),
        ('let n: i32 = "a";', "CompileError", "mismatched types"),
    ],
)
def test_a_cell_that_fails_is_an_error_in_a_few_lines(kernel, source, name, text):
    reply, messages = kernel.execute(source)
    assert (reply["status"], reply["ename"], reply["evalue"]) == ("error", name, text)
    (error,) = [m["content"] for m in messages if m["msg_type"] == "error"]
    shown = cell_output.ANSI.sub("", "\n".join(error["traceback"]))
    assert text in shown and marker.MARKER not in shown and "backtrace" not in shown
    assert len(error["traceback"]) <= 12
    assert kernel.run('println!("{own}");') == ("ok", "0")


def test_output_without_an_end_of_line_does_not_hang(kernel):
    answer = kernel.run(
        'print!("no end"); std::io::Write::flush(&mut std::io::stdout())?;'
    )
    assert answer == ("ok", "no end")
    assert kernel.run('println!("{own}");') == ("ok", "0")


def test_much_output_comes_whole_and_in_order(kernel):
    reply, messages = kernel.execute('for n in 0..20_000 { println!("{n}"); }\n6 * 7')
    text = "".join(m["content"].get("text", "") for m in messages)
    assert reply["status"] == "ok" and text.split() == [str(n) for n in range(20_000)]
    assert len(messages) < 1000, "Jupyter's server drops what comes in too many messages"
    assert messages[-1]["msg_type"] == "execute_result"


def test_a_cell_that_returns_early_costs_nothing(kernel):
    assert kernel.run("if own == 0 { return Ok(()); }")[0] == "ok"
    assert kernel.run('println!("{own}");') == ("ok", "0")


def test_variables_are_listed_without_what_the_kernel_adds(kernel):
    status, shown = kernel.run(":vars")
    assert status == "ok" and "own: usize" in shown and marker.MARKER not in shown


def test_the_end_of_the_process_is_said_and_the_kernel_goes_on(kernels):
    kernel = kernels[1]
    reply, _ = kernel.execute("std::process::exit(3);")
    assert reply["ename"] == "ProcessEnded" and "exit status: 3" in reply["evalue"]
    assert kernel.run("let again = 2_i32;\nagain") == ("ok", "2")


def test_fields_and_documentation_are_shown(kernel):
    """Tab and Shift-Tab: with the cursor in a type, in a field, in a method."""
    kernel.client.complete("TrainConfig { ", 14)
    matches = kernel.client.get_shell_msg(timeout=60)["content"]["matches"]
    assert matches[:3] == ["epochs", "batch_size", "learning_rate"]
    kernel.client.complete("config.val", 10)
    matches = kernel.client.get_shell_msg(timeout=60)["content"]["matches"]
    assert "validate()" in matches
    for source, cursor, expected in (
        ("let a = TrainConfig { epochs: 3,", 12, "Hyperparameters"),
        ("config.batch_size", 9, "pub batch_size: usize"),
        ("config.validate()?", 10, "Names the first hyperparameter outside its range."),
    ):
        kernel.client.inspect(source, cursor)
        content = kernel.client.get_shell_msg(timeout=60)["content"]
        assert content["found"] and expected in content["data"]["text/plain"], source


# --- outputs while a cell runs -------------------------------------------------------------------


def test_a_chart_in_an_earlier_cell_changes_while_a_later_one_trains(kernel):
    reply, messages = kernel.execute("let chart = LiveCurves::new();\nchart")
    (shown,) = [m["content"] for m in messages if m["msg_type"] == "display_data"]
    name = shown["transient"]["display_id"]
    status, printed = kernel.run(
        "let data = FaceData::sample(SampleConfig { seed: 1, train: 140, test: 35 })?;\n"
        "let small = TrainConfig { epochs: 3, batch_size: 32, ..TrainConfig::default() };\n"
        "let mut short = Trainer::new(SeedCnn::new(device()?, 1)?, small)?.callback(chart.clone());"
    )
    assert (status, printed) == ("ok", "")
    order = []

    def seen(message):
        if message["msg_type"] == "update_display_data":
            assert message["content"]["transient"]["display_id"] == name
            order.append(message["content"]["data"])
        elif message["content"].get("text", "").startswith("epoch"):
            order.append("epoch")

    reply, _ = kernel.execute("let history = short.fit(&data)?;", seen)
    assert reply["status"] == "ok"
    pictures = [part["text/html"] for part in order if part != "epoch"]
    assert len(set(pictures)) >= 3 and all("<svg" in picture for picture in pictures)
    # It moves between the epochs' lines, not when all is over.
    assert order.index("epoch") < len(order) - 2


# --- Stop ----------------------------------------------------------------------------------------

TRAIN = "let history = trainer.fit(&data)?;"


def train_and_stop(kernel, presses):
    """Trains and presses Stop after each epoch; the reply, and what was printed."""

    def stop(message):
        # Not at the lines that say within a long epoch how far it is.
        if "val_loss" in message["content"].get("text", ""):
            for _ in range(presses):
                kernel.manager.interrupt_kernel()

    reply, messages = kernel.execute(TRAIN, stop)
    return reply, "".join(m["content"].get("text", "") for m in messages)


def test_stop_ends_training_and_keeps_everything(kernel):
    kernel.run(
        "let data = FaceData::sample(SampleConfig { seed: 2, train: 1400, test: 35 })?;\n"
        "let long = TrainConfig { epochs: 1000, ..TrainConfig::default() };\n"
        "let mut trainer = Trainer::new(SeedCnn::new(device()?, 1)?, long)?;"
    )

    reply, text = train_and_stop(kernel, presses=1)
    assert reply["status"] == "ok" and "stopped by the user in epoch 2 after batch" in text
    assert kernel.run('println!("{} {own}", history.epochs.len());') == ("ok", "1 0")


def test_stop_while_a_cell_is_compiled_cancels_it(kernel):
    threading.Timer(0.25, kernel.manager.interrupt_kernel).start()
    # Slow to compile, so that Stop comes before it runs.
    source = "".join(f"let s{n} = format!(\"{{:?}} {{}}\", vec![{n}], {n}u8);\n" for n in range(60))
    reply, messages = kernel.execute(source + 'println!("it ran");')
    text = "".join(m["content"].get("text", "") for m in messages)
    assert (reply["status"], reply["ename"]) == ("error", "Stopped"), (reply, text)
    assert "it ran" not in text
    assert kernel.run('println!("{own}");') == ("ok", "0")


def test_a_double_click_on_stop_is_one_stop(kernel):
    reply, text = train_and_stop(kernel, presses=2)
    assert reply["status"] == "ok" and "stopped by the user" in text
    assert kernel.run('println!("{own}");') == ("ok", "0")


def test_a_second_stop_ends_a_cell_that_does_not_listen(kernels):
    kernel = kernels[1]
    kernel.run("let lost = 1;")

    def stop(message):
        text = message["content"].get("text", "")
        if text.startswith("turning") or "Press Stop again" in text:
            kernel.manager.interrupt_kernel()

    reply, messages = kernel.execute(
        'println!("turning");\nloop { std::thread::sleep(std::time::Duration::from_millis(50)); }', stop
    )
    assert any("does not listen" in m["content"].get("text", "") for m in messages)
    assert reply["ename"] == "ProcessEnded" and "Stop was pressed twice" in reply["evalue"]
    status, shown = kernel.run("lost")
    assert status == "error" and "cannot find value" in shown
    assert kernel.run("let back = 1_i32;\nback") == ("ok", "1")


# --- the end -------------------------------------------------------------------------------------


def test_a_kernel_leaves_no_folder(kernels):
    folder = kernels[2].folder()
    assert folder.is_dir()
    kernels[2].stop()
    assert gone(folder)


def processes():
    """Pid and command line of each process; a zombie has none."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            text = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if text:
                yield int(path.parent.name), text


def of_group(group):
    found = []
    for pid, text in processes():
        with contextlib.suppress(OSError):
            if os.getpgid(pid) == group:
                found.append(text)
    return found


def test_a_killed_kernel_leaves_no_process_and_no_folder(root):
    kernel = Kernel(root / "notebooks").ready()
    try:
        assert kernel.run("let x = 1_i32;\nx") == ("ok", "1")
        folder = kernel.folder()
        kernel.client.execute("loop {}")
        time.sleep(3)
        (evcxr_process,) = [p for p, text in processes() if f"control_file {folder}" in text]
        group = os.getpgid(evcxr_process)
        os.kill(kernel.manager.provisioner.process.pid, signal.SIGKILL)
        assert gone(folder)
        until = time.monotonic() + 20
        while (left := of_group(group)) and time.monotonic() < until:
            time.sleep(0.2)
        assert left == []
    finally:
        kernel.stop()


# --- without a kernel ----------------------------------------------------------------------------


def test_large_files_are_linked_and_small_ones_copied(tmp_path):
    source = tmp_path / "a"
    (source / "deps").mkdir(parents=True)
    (source / "deps" / "large.rlib").write_bytes(bytes(template.LINK_FROM_BYTES))
    (source / "deps" / "small.d").write_text("x")
    (source / "deps" / "ctx.so").write_text("x")
    (source / ".cargo-lock").write_text("")
    (source / "Cargo.lock").write_bytes(bytes(template.LINK_FROM_BYTES))
    os.utime(source / "deps" / "small.d", ns=(1_000_000_007, 1_000_000_007))

    template.link_tree(source, tmp_path / "b", skip=template.own)

    copied = tmp_path / "b" / "deps"
    assert sorted(p.name for p in copied.iterdir()) == ["large.rlib", "small.d"]
    assert (copied / "large.rlib").samefile(source / "deps" / "large.rlib")
    assert not (copied / "small.d").samefile(source / "deps" / "small.d")
    assert (copied / "small.d").stat().st_mtime_ns == 1_000_000_007
    assert not (tmp_path / "b" / ".cargo-lock").exists()
    # cargo rewrites it in place.
    assert not (tmp_path / "b" / "Cargo.lock").samefile(source / "Cargo.lock")


def test_folders_of_killed_kernels_are_removed_and_those_in_use_are_not(tmp_path, monkeypatch):
    monkeypatch.setattr(evcxr, "KERNELS", tmp_path)
    for name in ("dead", "alive"):
        (tmp_path / name).mkdir()
        (tmp_path / f"{name}.lock").touch()
    with open(tmp_path / "alive.lock") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        evcxr.sweep()
        until = time.monotonic() + 20
        while (tmp_path / "dead").exists() and time.monotonic() < until:
            time.sleep(0.05)
        assert sorted(p.name for p in tmp_path.iterdir()) == ["alive", "alive.lock"]


@pytest.mark.parametrize(
    "source, expected",
    [
        ("x + 1", "let m = [(); 7]; x + 1"),
        (":dep a = \"1\"\n\nuse a::b;\nb()", ":dep a = \"1\"\n\nlet m = [(); 7]; use a::b;\nb()"),
        (":dep a = \"1\"", None),
        ("// why\nx", "// why\nlet m = [(); 7]; x"),
        ("// why\n:dep a = \"1\"\nx", "// why\n:dep a = \"1\"\nlet m = [(); 7]; x"),
        ("#![allow(unused)]\n!ls\n :vars\nx", "#![allow(unused)]\n!ls\n :vars\nlet m = [(); 7]; x"),
        ("if done { return; }", None),
        ('// they return\nf("return")?', '// they return\nlet m = [(); 7]; f("return")?'),
        ("fn f() -> u8 { return 1; }", "let m = [(); 7]; fn f() -> u8 { return 1; }"),
    ],
)
def test_the_marker_changes_no_line_number(source, expected, monkeypatch):
    monkeypatch.setattr(marker, "MARKER", "m")
    assert marker.with_marker(source, 7) == expected


def test_marked_lines_become_outputs_and_all_else_stays_text():
    line = live.START + '{"action": "show", "id": "a", "data": {"text/plain": "x"}}' + live.END
    assert live.split(f"before\n{line}\nafter\n") == [
        "before\n",
        ("show", "a", {"text/plain": "x"}),
        "after\n",
    ]
    assert live.split(live.START + '{"action": "listen"}' + live.END + "\n") == [("listen", None, None)]
    broken = live.START + "not JSON" + live.END
    assert live.split(broken) == [broken + "\n"]
    assert live.split("plain") == ["plain"]


@pytest.mark.parametrize(
    "code, cursor, expected",
    [
        ("let c = TrainConfig { epochs: 3 }", 11, "TrainConfig"),
        ("trainer.fit(&data)?", 9, "trainer.fit("),
        ("config.epochs + 1", 8, "config.epochs"),
        ("Trainer::new(a)", 11, "Trainer::new"),
        ("1 + 2", 2, ""),
    ],
)
def test_the_expression_under_the_cursor(code, cursor, expected):
    assert bridge.expression_at(code, cursor) == expected


def test_rust_analyzer_is_shown_the_crates_of_the_list_and_no_other():
    packages = [{"name": name, "id": name} for name in ("ctx", "fer_nb", "tch", "serde")]
    nodes = [
        {
            "id": name,
            "deps": [{"pkg": "tch"}, {"pkg": "serde"}],
            "dependencies": ["tch", "serde"],
        }
        for name in ("ctx", "serde")
    ]
    metadata = {
        "packages": packages,
        "resolve": {"nodes": nodes, "root": "ctx"},
        "workspace_members": ["ctx", "locked"],
    }
    reduced = view.reduced(metadata, ("ctx", "fer_nb", "tch"))
    assert [package["name"] for package in reduced["packages"]] == ["ctx", "fer_nb", "tch"]
    assert [node["id"] for node in reduced["resolve"]["nodes"]] == ["ctx"]
    assert reduced["resolve"]["nodes"][0]["dependencies"] == ["tch"]
    assert reduced["workspace_members"] == ["ctx"]
