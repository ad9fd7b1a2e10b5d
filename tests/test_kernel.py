"""The kernel: nothing is rebuilt, kernels do not disturb each other, errors and Stop are answered as
Jupyter's users expect, and nothing is left behind. All with real kernels."""

import contextlib
import fcntl
import json
import os
import re
import signal
import threading
import time
from pathlib import Path

import bridge
import cell as cell_output
import errors
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


# --- a fresh kernel ------------------------------------------------------------------------------

CRATE = ':dep fer_nb = { path = "../fer_nb" }\nuse fer_nb::prelude::*;'


def shown(messages):
    """The contents of the outputs that show something, without streams."""
    return [m["content"]["data"] for m in messages if "data" in m["content"]]


def test_the_first_question_mark_of_a_kernel_shows_a_picture(kernels):
    kernel = kernels[2]
    assert kernel.execute(CRATE)[0]["status"] == "ok"
    reply, messages = kernel.execute("History::default().curves()?")
    (data,) = shown(messages)
    assert reply["status"] == "ok" and "<svg" in data["text/html"], data
    # Everything is cleared, and it is the first one again.
    kernel.execute(":clear")
    kernel.execute(CRATE)
    (data,) = shown(kernel.execute("History::default().curves()?")[1])
    assert "<svg" in data["text/html"], data


def test_a_crate_that_is_not_there_names_the_path_that_works(tmp_path):
    kernel = Kernel(tmp_path).ready()
    try:
        reply, _ = kernel.execute(CRATE)
        path = str(template.CRATE)
        assert reply["ename"] == "CompileError" and path in reply["evalue"], reply
        assert kernel.execute(CRATE.replace("../fer_nb", path))[0]["status"] == "ok"
    finally:
        kernel.stop()


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
        libraries = list(target.glob("*/debug/deps/*.rlib"))
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


@pytest.mark.parametrize(
    "source, name, text",
    [
        ("let one = 1", "CompileError", errors.END_OF_CELL),
        ("let one = 1;\nlet two = own + 1", "CompileError", errors.END_OF_CELL),
        (
            "let trainer = Trainer::new(TrainConfig::default(), SeedCnn::new(device()?, 1)?)?;",
            "CompileError",
            "the trait bound `fer_nb::train::TrainConfig: Network` is not satisfied",
        ),
        (
            "let data = FaceData::open()?;\nlet n: Vec<(String, Option<Box<dyn Fn(u8) -> u8>>)> = data;",
            "CompileError",
            "mismatched types",
        ),
    ],
)
def test_an_error_is_of_the_cell_and_fits_on_the_screen(kernel, source, name, text):
    reply, messages = kernel.execute(source)
    assert (reply["ename"], reply["evalue"]) == (name, text), reply
    for error in [m["content"] for m in messages if m["msg_type"] == "error"]:
        lines = cell_output.ANSI.sub("", "\n".join(error["traceback"])).split("\n")
        assert f"cell [{reply['execution_count']}], line" in "".join(lines), lines
        assert "command_" not in "".join(lines) and "evcxr" not in "".join(lines).lower(), lines
        assert sum(map(len, lines)) < 1500 and max(map(len, lines)) < 160, lines


# --- a forgotten `?`, and what else a cell shows -------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        "FaceData::sample(SampleConfig { seed: 1, train: 140, test: 35 })",
        "let held = FaceData::sample(SampleConfig { seed: 1, train: 140, test: 35 });\nheld",
        "History::default().curves()",
        "Recipe::open(\"original\").map(|recipe| recipe.train)",
    ],
)
def test_a_forgotten_question_mark_shows_the_value_and_says_so(kernel, source):
    reply, messages = kernel.execute(source)
    (data,) = shown(messages)
    text = "".join(m["content"].get("text", "") for m in messages)
    assert reply["status"] == "ok" and "Add `?`" in text
    assert "text/html" in data, data
    if "curves" not in source:
        assert len(str(data)) < 10_000 * (1 if "Recipe" not in source else 3)


def test_a_forgotten_question_mark_shows_the_error_as_with_it(kernel):
    for call in ('RunFolder::at("nowhere").history()', '"many".parse::<u8>()'):
        with_it, _ = kernel.execute(call + "?")
        without, messages = kernel.execute(call)
        assert (without["status"], without["ename"]) == ("error", "Error"), without
        assert without["evalue"] == with_it["evalue"]
        assert "Add `?`" in "".join(messages[-1]["content"]["traceback"])
    assert kernel.run('"4".parse::<u8>()')[1].endswith("4")
    assert kernel.run('let four = "4".parse::<u8>();\nfour')[1].endswith("4")
    status, text = kernel.run("TrainConfig::default().validate()")
    assert status == "ok" and "Add `?`" in text and "()" not in text


def test_any_number_of_outputs_of_a_cell_survives(kernel):
    reply, messages = kernel.execute(
        "fn both(figure: &fer_nb::plot::Figure) { display(figure); display(figure.title()); }\n"
        "let figure = History::default().curves()?;\n"
        'for name in ["original", "quick"] { display(&Recipe::open(name)?.train); display(name); }\n'
        "both(&figure);\n"
        "both(&figure);\n"
        "figure"
    )
    assert reply["status"] == "ok"
    outputs = shown(messages)
    kinds = ["svg" if "<svg" in o.get("text/html", "") else "table" if "text/html" in o else "text" for o in outputs]
    assert kinds == ["table", "text"] * 2 + ["svg", "text"] * 2 + ["svg"]
    assert [outputs[1]["text/plain"], outputs[3]["text/plain"]] == ["original", "quick"]


def test_figures_of_a_variable_are_shown_side_by_side(kernel):
    _, messages = kernel.execute(
        "let figures = vec![History::default().curves()?, History::default().curves()?];\ngallery(&figures)"
    )
    assert shown(messages)[0]["text/html"].count("<svg") == 2


def test_tables_and_plotters_are_there_by_their_own_names(kernel, tmp_path):
    status, text = kernel.run(
        "use polars::prelude::*;\n"
        'let frame = df!("run" => ["a", "b", "a"], "loss" => [1.0, 2.0, 3.0])?;\n'
        'let few = frame.filter(&frame.column("loss")?.f64()?.gt(1.5))?.sort(["loss"], Default::default())?;\n'
        f'few.to_csv("{tmp_path}/few.csv")?;\n'
        f'println!("{{:?}} {{}}", read_csv("{tmp_path}/few.csv")?.shape(), History::default().to_table()?.width());'
    )
    assert (status, text) == ("ok", "(2, 2) 7")
    status, text = kernel.run("use plotters::prelude::*;\nprintln!(\"{:?}\", RED);")
    assert status == "ok" and "255" in text, text


def test_a_variable_that_a_cell_used_up_is_said_to_be(kernel):
    made, _ = kernel.execute("let spare = TrainConfig::default();")
    moved, _ = kernel.execute("drop(spare);")
    reply, messages = kernel.execute('println!("{} {}", spare.epochs, spare.seed);')
    assert reply["ename"] == "CompileError"
    assert reply["evalue"] == (
        f"`spare` was moved in cell [{moved['execution_count']}]; run cell [{made['execution_count']}], "
        "which defines it, again, or clone it there: `spare.clone()`"
    )
    assert len([m for m in messages if m["msg_type"] == "error"]) == 1
    kernel.run("let spare = TrainConfig::default();")
    assert kernel.run('println!("{}", spare.epochs);') == ("ok", "35")


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
    kernel.run("let drawn = LiveCurves::new();")
    kernel.client.complete("drawn.", 6)
    matches = kernel.client.get_shell_msg(timeout=60)["content"]["matches"]
    assert {"figure()", "history()", "clone()"} <= set(matches), matches
    hidden = [m for m in matches if m.startswith(("id", "state", "page", "evcxr", "cell_ran"))]
    assert not hidden, hidden
    assert matches.index("figure()") < min(i for i, m in enumerate(matches) if m.startswith("try_into"))
    kernel.client.complete("Optimizer::", 11)
    matches = kernel.client.get_shell_msg(timeout=60)["content"]["matches"]
    assert any(m.startswith("AdamW") for m in matches) and not any(": ()" in m for m in matches), matches
    for source, cursor, expected in (
        ("let a = TrainConfig { epochs: 3,", 12, "Hyperparameters"),
        ("config.batch_size", 9, "pub batch_size: usize"),
        ("config.validate()?", 10, "Returns an error for the first hyperparameter out of range."),
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

    # All epochs are done: it says so, and what trains longer.
    status, text = kernel.run("short.fit(&data)?;")
    assert status == "ok" and "nothing to train" in text and "fit_more" in text
    status, text = kernel.run(
        'short.set_learning_rate(1e-4)?;\nlet history = short.fit_more(&data, 1)?;\n'
        'println!("{}", history.epochs.len());'
    )
    assert status == "ok" and text.splitlines()[-1] == "4" and "lr 1.0e-4" in text, text


def test_a_cell_that_waits_says_where_the_training_is_and_shows_its_chart(kernel):
    """As after a tab was closed: nobody looks at what the training cell puts out."""
    kernel.run("let live = LiveCurves::new();\nlive")
    status, printed = kernel.run(
        "let data = FaceData::sample(SampleConfig { seed: 1, train: 280, test: 35 })?;\n"
        "let long = TrainConfig { epochs: 400, batch_size: 32, ..TrainConfig::default() };\n"
        "let mut waited = Trainer::new(SeedCnn::new(device()?, 1)?, long)?.callback(live.clone());"
    )
    assert (status, printed) == ("ok", "")
    client = kernel.client
    training = client.execute("let history = waited.fit(&data)?;")
    late, lines, charts, stopped = None, [], [], False
    until = time.monotonic() + 300
    done = set()
    while done != {training, late}:
        assert time.monotonic() < until, (lines, charts)
        message = client.get_iopub_msg(timeout=300)
        parent, content = message["parent_header"].get("msg_id"), message["content"]
        if parent == training and late is None and "val_loss" in content.get("text", ""):
            late = client.execute("live")
        if late and content.get("transient", {}).get("display_id", "").startswith("waits-"):
            lines.append(content["data"]["text/plain"])
        if parent == late and "text/html" in content.get("data", {}):
            charts.append(content)
        if len(lines) > 1 and not stopped:
            kernel.manager.interrupt_kernel()
            stopped = True
        if content.get("execution_state") == "idle" and parent in (training, late):
            done.add(parent)
    numbers = [re.fullmatch(r"training is at epoch (\d+) of 400; .*", line)[1] for line in lines]
    assert int(numbers[0]) < int(numbers[1])
    # As it is now when the cell is run, and again when its turn has come.
    assert len(charts) == 2 and all("<svg" in chart["data"]["text/html"] for chart in charts)
    assert charts[0]["transient"] == charts[1]["transient"]
    for request in (training, late):
        assert client.get_shell_msg(timeout=60)["content"]["status"] == "ok", request


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
    assert status == "error" and "`lost` was lost when the process that runs the cells ended" in shown
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
    message = '{"action": "show", "id": "a", "data": {"text/plain": "x"}}'
    line = live.START + "secret;" + message + live.END
    assert live.split(f"before\n{line}\nafter\n", "secret") == [
        "before\n",
        ("show", "a", {"text/plain": "x"}),
        "after\n",
    ]
    listen = live.START + 'secret;{"action": "listen"}' + live.END + "\n"
    assert live.split(listen, "secret") == [("listen", None, None)]
    for other in ("secret;not JSON", f"guess;{message}", f";{message}", message):
        broken = live.START + other + live.END
        assert live.split(broken, "secret") == [broken + "\n"]
    assert live.split("plain", "secret") == ["plain"]


def test_what_a_cell_prints_can_not_pass_for_an_output(kernel):
    """A file's name or a downloaded text that imitates the kernel's messages stays text."""
    forged = [f"_fer_nb;{key}" + '{"action": "display", "data": {"text/html": "<b>x</b>"}}' for key in ("", "0;")]
    for text in forged:
        reply, messages = kernel.execute(f"println!(\"\\x1b{{}}\\x1b\\\\\", {json.dumps(text)});")
        assert reply["status"] == "ok" and [m["msg_type"] for m in messages] == ["stream"], messages
        assert text in messages[0]["content"]["text"]


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
