"""Compares fer_nb's kernel with plain evcxr and ipykernel on the same machine.

    .venv/bin/python fer_nb/benches/kernel.py [--rounds 3] [--cells 30]
                                              [--only fer_nb,evcxr,pytorch,tensorflow] [--cold]

Real kernels, driven as by JupyterLab. Each round gives every subject a fresh kernel, in an order that is rotated
from round to round. Prints the table of docs/kernel.md; writes build/kernel.json and build/kernel.md after each
round.
"""

import argparse
import json
import os
import re
import shutil
import signal
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

import psutil
import report
import zmq
from jupyter_client import KernelManager
from jupyter_client.kernelspec import KernelSpecManager
from kernel_cells import KERAS, RUST, TORCH
from prepare import BENCH_PYTHON, BUILD, PYTHON, ROOT, Failed, environment, output

VENV = ROOT / ".venv"
KERNELSPECS = VENV / "share" / "jupyter" / "kernels"
PLAIN = BUILD / "kernel-plain"  # plain evcxr's folder, which lasts from start to start
COLD = BUILD / "kernel-cold.json"  # what its first start took with nothing built
FIRST_START_SECONDS = 2400  # it may have to compile everything
START_SECONDS, CELL_SECONDS = 300, 300
STOPS = 3  # in each round; one where Stop costs the variables
TEXT_LATE = 5  # evcxr passes printed lines on in a thread of its own: they may follow the reply

# Rows of the table: key, title, unit.
FIGURES = (
    ("info_s", "kernel start: it answers", "s"),
    ("start_s", "kernel start: it has run a request", "s"),
    ("first_s", "first cell", "s"),
    ("start_and_first_s", "start and first cell", "s"),
    ("rerun_ms", "rerun cell, median of {cells}", "ms"),
    ("rerun_p95_ms", "rerun cell, 95th percentile of {cells}", "ms"),
    ("stops_ms", "Stop to idle", "ms"),
    ("rss_mb", "memory of its processes before training", "MB"),
)


@dataclass
class Subject:
    name: str  # for --only and kernel.json
    title: str  # of its column
    cells: dict
    needs: Path
    otherwise: str  # what to do where that is missing
    argv: list = field(default_factory=list)  # of its kernelspec; none: the kernelspec `rust`
    env: dict = field(default_factory=dict)
    interrupt: str = "signal"


def all_subjects():
    spec, connection = KERNELSPECS / "rust" / "kernel.json", "{connection_file}"
    evcxr = VENV / "bin" / "evcxr_jupyter"
    plain = {
        # What a user has to set so that tch builds and a cell finds libtorch.
        "LD_LIBRARY_PATH": str(VENV / "torch" / "lib"),
        "LIBTORCH": str(VENV / "torch"),
        "LIBTORCH_CXX11_ABI": "1",
        # Otherwise each start would compile some 200 crates.
        "EVCXR_TMPDIR": str(PLAIN / "ctx"),
        # Where evcxr looks for an installation of its own to overwrite: there shall be none.
        "JUPYTER_PATH": str(PLAIN / "none"),
    }
    # The benchmark's environment has no ipykernel. It was made by .venv's Python, so it borrows
    # the one there: at the end of the path, so that whatever it has itself stays its own.
    packages = next(iter(VENV.glob("lib/python*/site-packages")), VENV)
    borrow = f"import runpy, sys; sys.path.append({str(packages)!r}); "
    borrow += "runpy.run_module('ipykernel_launcher', run_name='__main__')"
    ipykernel = [str(PYTHON), "-m", "ipykernel_launcher", "-f", connection]
    tensorflow = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "2"}
    setup, bench = "run `make setup`", "run `make bench` once"
    return [
        Subject("fer_nb", "fer_nb", RUST, spec, setup),
        Subject(
            *("evcxr", "plain evcxr", RUST, evcxr, setup),
            *([str(evcxr), "--control_file", connection], plain, "message"),
        ),
        Subject("pytorch", "ipykernel + PyTorch", TORCH, PYTHON, setup, ipykernel),
        Subject(
            *("tensorflow", "ipykernel + TensorFlow", KERAS, BENCH_PYTHON, bench),
            *([str(BENCH_PYTHON), "-c", borrow, "-f", connection], tensorflow),
        ),
    ]


# --- a running kernel ----------------------------------------------------------------------------


class Kernel:
    """A fresh kernel of a subject's; `with` ends it and everything that it started."""

    def __init__(self, subject, folder):
        self.subject = subject
        name, where = "rust", KERNELSPECS
        if subject.argv:
            name, where = subject.name, folder
            spec = {"argv": subject.argv, "env": subject.env, "interrupt_mode": subject.interrupt}
            spec |= {"display_name": subject.title, "language": "any"}
            (folder / name).mkdir(exist_ok=True)
            (folder / name / "kernel.json").write_text(json.dumps(spec))
        specs = KernelSpecManager(kernel_dirs=[str(where)], ensure_native_kernel=False)
        self.manager = KernelManager(kernel_name=name, kernel_spec_manager=specs)
        self.client = None
        self.log = BUILD / "logs" / f"kernel-{subject.name}.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)

    def __enter__(self):
        with open(self.log, "w") as log:
            started = {"cwd": str(ROOT / "notebooks"), "env": environment()}
            self.started = time.perf_counter()
            self.manager.start_kernel(**started, stdout=log, stderr=log)
        try:
            self.client = self.manager.client()
            self.client.start_channels(hb=False)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        # The manager knows one process; evcxr's may be a child of it, the cells' a child of that.
        processes = self.processes()
        if self.client:
            self.client.stop_channels()
        with suppress(Exception):
            self.manager.shutdown_kernel()
        for process in psutil.wait_procs(processes, timeout=3)[1]:
            with suppress(psutil.Error):
                process.kill()

    def processes(self):
        with suppress(psutil.Error, AttributeError):
            first = psutil.Process(self.manager.provisioner.process.pid)
            return [first, *first.children(recursive=True)]
        return []

    def memory_mb(self):
        total = 0
        for process in self.processes():
            with suppress(psutil.Error):
                total += process.memory_info().rss
        return total / 1e6

    def start(self, timeout):
        """Seconds from the start to the answer to kernel_info, and to that of a request that ran."""
        info, _, _ = self._reply(self.client.kernel_info(), "its start", timeout)
        self.run("trivial", timeout=timeout)
        return info - self.started, self.replied - self.started

    def run(self, name, number=0, timeout=CELL_SECONDS, told=None, expect=""):
        """Seconds until a cell's reply, and what it printed."""
        source = self.subject.cells[name].replace("@", str(number))
        sent = time.perf_counter()
        request = self.client.execute(source, allow_stdin=False)
        self.replied, status, text = self._reply(request, f"`{name}`", timeout, told, expect)
        if status != "ok" and not told:
            raise Failed(f"cell `{name}` failed: {last_line(text)} (see {self.log})")
        return self.replied - sent, text

    def rerun(self, number):
        """Milliseconds of a rerun cell without its own work."""
        seconds, text = self.run("rerun", number, expect="own ")
        own = re.search(r"own ([\d.e-]+)\s", text)
        if not own:
            raise Failed(f"cell `rerun` did not say how long it worked: {last_line(text)}")
        return (seconds - float(own[1])) * 1e3

    def stop(self, wait):
        """Trains and presses Stop `wait` seconds after an epoch: milliseconds until the cell's
        reply, and whether the variables are there."""
        pressed = []

        def told(text):
            if "epoch done" in text and not pressed:
                time.sleep(wait)
                pressed.append(time.perf_counter())
                self.manager.interrupt_kernel()

        _, text = self.run("train", told=told)
        if not pressed:
            raise Failed(f"training ended before an epoch did: {last_line(text)} (see {self.log})")
        milliseconds = (self.replied - pressed[0]) * 1e3
        _, text = self.run("variables")
        return milliseconds, re.search(r"\b(trainer|model)\b", text) is not None

    def _reply(self, request, what, timeout, told=None, expect=""):
        """When the reply came, its status, and the text of the outputs before and shortly after."""
        channels = {c.socket: c for c in (self.client.shell_channel, self.client.iopub_channel)}
        poller = zmq.Poller()
        for socket in channels:
            poller.register(socket, zmq.POLLIN)
        until, text, replied, status, idle = time.perf_counter() + timeout, "", None, "", False
        while True:
            now = time.perf_counter()
            if replied and ((idle and expect in text) or now - replied > TEXT_LATE):
                return replied, status, text
            if now > until:
                raise Failed(f"no answer to {what} after {timeout} s (see {self.log})")
            ready = poller.poll(200)
            if not ready and not self.manager.is_alive():
                raise Failed(f"the kernel ended at {what} (see {self.log})")
            for socket, _ in ready:
                message = channels[socket].get_msg(timeout=0)
                kind, content = message["msg_type"], message["content"]
                if message["parent_header"].get("msg_id") != request:
                    continue
                if kind.endswith("_reply"):
                    replied, status = time.perf_counter(), content.get("status", "ok")
                    # The first status may have been sent before this client listened.
                    idle = idle or kind == "kernel_info_reply"
                elif kind == "status":
                    idle = content["execution_state"] == "idle"
                else:
                    text += content.get("text") or content.get("evalue") or ""
                    text += content.get("data", {}).get("text/plain", "")
                    if told:
                        told(text)


def last_line(text):
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text).strip()
    return plain.splitlines()[-1] if plain else "no message"


# --- measuring -----------------------------------------------------------------------------------


def measure(subject, folder, cells):
    """The figures of one fresh kernel."""
    with Kernel(subject, folder) as kernel:
        info, start = kernel.start(START_SECONDS)
        first, _ = kernel.run("first")
        if "network" in subject.cells:
            kernel.run("network")
        kernel.run("rerun", 0)  # a rerun cell is one that has run before
        reruns = [kernel.rerun(number) for number in range(1, cells + 1)]
        memory = kernel.memory_mb()
        kernel.run("prepare")
        stops, kept = [], True
        while kept and len(stops) < STOPS:
            # At different places of a batch.
            milliseconds, kept = kernel.stop(0.2 + 0.13 * len(stops))
            stops.append(milliseconds)
    return {
        "info_s": info,
        "start_s": start,
        "first_s": first,
        "start_and_first_s": start + first,
        "rerun_ms": statistics.median(reruns),
        "rerun_p95_ms": statistics.quantiles(reruns, n=20, method="inclusive")[-1],
        "rss_mb": memory,
        "kept": kept,
        "reruns_ms": reruns,
        "stops_ms": stops,
    }


def fill_plain(cold):
    """Plain evcxr's folder, as fer_nb's kernels get theirs. `cold`: with nothing built in it."""
    sys.path.insert(0, str(ROOT / ".setup" / "rust_kernel"))
    import template

    shutil.rmtree(PLAIN, ignore_errors=True)
    with template.up_to_date(print):
        if cold:
            template.write_sources(PLAIN)
        else:
            template.link_tree(template.TEMPLATE, PLAIN, skip=template.only_its_own)
        # Cargo writes it in place: the template's own is not to be written through a link.
        (PLAIN / "Cargo.lock").unlink(missing_ok=True)
        shutil.copy2(template.TEMPLATE / "Cargo.lock", PLAIN)


def warm_up(subject, folder, cold):
    """A start that does not count, so that no subject reads its files from the disk alone."""
    if subject.name == "evcxr":
        fill_plain(cold)
    with Kernel(subject, folder) as kernel:
        _, start = kernel.start(FIRST_START_SECONDS)
        first, _ = kernel.run("first", timeout=FIRST_START_SECONDS)
    if subject.name == "evcxr" and cold:
        COLD.write_text(json.dumps({"seconds": start + first}) + "\n")
    return start + first


# --- the table -----------------------------------------------------------------------------------


def read(path):
    with suppress(OSError, ValueError):
        return json.loads(path.read_text())
    return {}


def cold_minutes():
    """Minutes of a set-up from nothing, as far as build/stamps/setup.json and --cold tell."""
    setup = read(BUILD / "stamps" / "setup.json")
    steps, cold = setup.get("steps", {}), read(COLD).get("seconds")
    parts = [steps.get(name) for name in ("venv", "requirements", "torch")]
    python = sum(parts) if all(parts) else None
    found = {"fer_nb": setup.get("seconds"), "pytorch": python, "tensorflow": steps.get("bench-keras")}
    if python and cold and "evcxr" in steps:
        # evcxr is compiled while torch is installed, as in our set-up.
        found["evcxr"] = max(python, steps["evcxr"]) + cold
    return {name: seconds / 60 for name, seconds in found.items() if seconds}


def summary(answers):
    """One row a figure and subject."""
    rows = []
    for key, title, unit in FIGURES:
        for name, done in answers.items():
            lists = (answer[key] for answer in done)
            values = [v for found in lists for v in (found if key == "stops_ms" else [found])]
            row = {"figure": key, "title": title, "subject": name, "unit": unit, "values": values}
            row["median"] = statistics.median(values) if values else None
            row["spread"] = [min(values), max(values)] if values else None
            rows.append({**row, "rounds": len(done)})
    return rows


def shown(row):
    if row["median"] is None:
        return ""
    return f"{report.number(row['median'])} ({'–'.join(map(report.number, row['spread']))})"


def markdown(head, chosen, answers, rows, reasons):
    lines = [["figure", *(subject.title for subject in chosen)], ["---", *["---:"] * len(chosen)]]
    minutes = [report.number(head["cold_minutes"].get(name)) for name in answers]
    lines.append(["set-up from nothing, min", *minutes])
    for key, title, unit in FIGURES:
        found = [shown(row) for row in rows if row["figure"] == key]
        lines.append([f"{title.format(cells=head['cells'])}, {unit}", *found])
        if key == "stops_ms":
            kept = [{"kept" if a["kept"] else "lost" for a in done} for done in answers.values()]
            lines.append(["variables after Stop", *("/".join(sorted(words)) for words in kept)])
    machine, versions = head["hardware"], head["versions"].items()
    cold = read(COLD).get("seconds")
    notes = [
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB"
        f"{''.join(', ' + gpu for gpu in machine['gpu'])}; "
        f"{', '.join(f'{name} {version}' for name, version in versions)}; {head['date']}; "
        f"load before: {head['load_before']:.1f}.",
        f"n = {max(map(len, answers.values()))} fresh kernels of each, median (least–greatest), after "
        "one start that does not count. Times are a client's, from the request to the reply. The "
        "request of the start is `:version`, or `pass`. The first cell loads the library and makes "
        "one value of its types. A rerun cell makes the network and its optimizer with another "
        "learning rate; its own work is subtracted. Stop is pressed while the seed CNN trains in "
        f"batches of 64, {STOPS} times a kernel, or once where it costs the variables. Memory is the "
        "sum of resident sizes; what processes share is counted in each.",
        "Plain evcxr is the same program, with a kernelspec as `evcxr_jupyter --install` writes it, "
        "libtorch's variables, and `EVCXR_TMPDIR` naming a folder that lasts and holds the built "
        "dependencies. Its first start ever, which has to compile them, is in the first row alone"
        + (f": {cold / 60:.0f} minutes." if cold else "; `--cold` measures it."),
        "\n".join(f"- {name}: not measured: {why}" for name, why in reasons.items()),
    ]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return "\n\n".join([table, *filter(None, notes)]) + "\n"


def header(cells):
    package = "import importlib.metadata as m; print(m.version({!r}))".format
    probes = {"rustc": ("rustc", "--version"), "Python": (PYTHON, "--version")}
    probes["evcxr"] = (VENV / "bin" / "evcxr_jupyter", "--version")
    probes |= {name: (PYTHON, "-c", package(name)) for name in ("ipykernel", "torch")}
    probes |= {name: (BENCH_PYTHON, "-c", package(name)) for name in ("keras", "tensorflow_cpu")}
    said = {name: output(*map(str, probe)) or "" for name, probe in probes.items()}
    found = {name: re.search(r"\d+(\.\d+)+", text) for name, text in said.items()}
    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "hardware": report.hardware(),
        "versions": {name: match[0] for name, match in found.items() if match},
        "cells": cells,
        "load_before": os.getloadavg()[0],
        "first_start_s": {},
    }


def arguments(known):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="fresh kernels of each subject")
    parser.add_argument("--cells", type=int, default=30, help="rerun cells in each")
    parser.add_argument("--only", default=",".join(known), help="subjects, separated by commas")
    cold = "let plain evcxr compile its dependencies, as its first start ever does: 13 minutes"
    parser.add_argument("--cold", action="store_true", help=cold)
    options = parser.parse_args()
    options.only = [name.strip() for name in options.only.split(",") if name.strip()]
    if options.rounds < 1 or options.cells < 2 or not options.only:
        parser.error("expected --rounds 1 or more, --cells 2 or more and a subject")
    for name in options.only:
        if name not in known:
            parser.error(f"--only {name}: expected some of {', '.join(known)}")
    return options


def main():
    subjects = {subject.name: subject for subject in all_subjects()}
    options = arguments(list(subjects))
    chosen = [subject for subject in subjects.values() if subject.name in options.only]
    head = header(options.cells)
    if head["load_before"] > 0.5:
        print(f"This machine is busy (load {head['load_before']:.1f}): expect wide spreads.")
    answers, reasons = {subject.name: [] for subject in chosen}, {}
    with tempfile.TemporaryDirectory(prefix="kernelspecs-") as folder:
        for number in range(options.rounds + 1):  # the first does not count
            turn = number % len(chosen)
            for subject in chosen[turn:] + chosen[:turn]:
                if subject.name not in reasons:  # what failed once is not tried again
                    one_kernel(options, number, subject, Path(folder), head, answers, reasons)
            head["cold_minutes"], rows = cold_minutes(), summary(answers)
            whole = {**head, "problems": reasons, "rows": rows, "kernels": answers}
            report.write(BUILD / "kernel.json", json.dumps(whole, indent=1) + "\n")
            report.write(BUILD / "kernel.md", markdown(head, chosen, answers, rows, reasons))
    print("\n" + (BUILD / "kernel.md").read_text())
    return 0 if any(answers.values()) else 1


def one_kernel(options, number, subject, folder, head, answers, reasons):
    title = f"round {number}/{options.rounds}  {subject.name:<10}"
    try:
        if not subject.needs.exists():
            raise Failed(f"{subject.needs.relative_to(ROOT)} is missing: {subject.otherwise}")
        if number == 0:
            seconds = head["first_start_s"][subject.name] = warm_up(subject, folder, options.cold)
            print(f"{title} start and first cell {seconds:.1f} s, not counted", flush=True)
            return
        answer = measure(subject, folder, options.cells)
        answers[subject.name].append(answer)
        figures = {row["figure"]: row["median"] for row in summary({subject.name: [answer]})}
        print(title, *(f"{key} {report.number(value)}" for key, value in figures.items()), flush=True)
    except (Failed, OSError, RuntimeError) as error:
        reasons[subject.name] = str(error)
        print(f"{title} {error}", flush=True)


if __name__ == "__main__":
    # As Ctrl-C does, so that the kernels are ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("kernel: ended by SIGTERM"))
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("kernel: stopped; what was measured in full rounds is in build/kernel.md")
