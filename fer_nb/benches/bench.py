"""Compares fer_nb with PyTorch, Keras, burn and candle, for `make bench`.

    .venv/bin/python fer_nb/benches/bench.py [--rounds 5] [--work training,vgg,inference,loading,accuracy,quick]
                                             [--only fer-bfloat16,pytorch-tuned-bf16] [--data PATH]

Each round runs every subject once, in a fresh process, in an order that is rotated from round to round, so that
other work on the machine affects all of them equally. Writes bench.json and bench.md to build/ (--out) after each
measurement. `accuracy` (seconds until a validation accuracy is reached) takes an hour per round on FER2013 and two
cores; `quick` (seconds until the original's accuracy, with the recipe quick in fer_nb and in PyTorch, with the
original's in Keras) takes longer. Both run only if --work names them.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import report
from prepare import BUILD, ROOT, Failed, environment, export, prepare
from subjects import FIGURES, ORIGINAL, WORKS, all_subjects


def arguments():
    def names(text):
        return [name.strip() for name in text.split(",") if name.strip()]

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each subject")
    parser.add_argument("--seconds", type=float, default=8.0, help="how long one lasts, at least")
    parser.add_argument("--work", type=names, default=["training", "vgg", "inference", "loading"])
    parser.add_argument("--only", type=names, help="subjects, by the names in the tables")
    parser.add_argument("--data", help="as fer's --data: a folder, or a fer2013.csv")
    parser.add_argument("--target", type=float, help="val_accuracy to reach [0.45; sample: 0.8]")
    parser.add_argument("--epochs", type=int, default=35, help="epochs to reach it in, at most")
    parser.add_argument("--timeout", type=float, help="seconds for one process [900; accuracy, quick: 14400]")
    parser.add_argument("--out", type=Path, default=BUILD, help="the tables' folder [build]")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds: 1 or more")
    for work in options.work:
        if work not in WORKS:
            parser.error(f"--work {work}: expected some of {', '.join(WORKS)}")
    known = [subject.name for subject in all_subjects(options, {"folder": "", "csv": ""})]
    for name in options.only or []:
        if name not in known:
            parser.error(f"--only {name}: expected some of {', '.join(known)}")
    if options.data:
        options.data = os.path.abspath(options.data)
    return options


def measure(subject, command, timeout):
    """The figures that one process answers with; raises Failed with the reason."""
    started = {"BENCH_STARTED": repr(time.time())}
    try:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=ROOT,
            env=environment({**subject.env, **started}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"not done after {timeout:.0f} s") from None
    except OSError as error:
        raise Failed(f"could not be started: {error}") from None
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise Failed(f"ended with status {done.returncode}: {last}")
    try:
        return json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        raise Failed("answered without a line of figures") from None


def main():
    options = arguments()
    try:
        data = export(options)
    except Failed as error:
        sys.exit(f"bench: {error}")
    sample = data["title"] == "made-up sample"
    options.target = options.target or (0.8 if sample else 0.45)
    works = [part for work in options.work for part in WORKS[work]]
    subjects = [
        subject
        for subject in all_subjects(options, data)
        if (not options.only or subject.name in options.only) and set(subject.commands) & set(works)
    ]
    head = report.header(options, data)
    print(f"{head['data']}\n{head['hardware']}", flush=True)
    if head["load_before"] > 0.5:
        print(f"This machine is busy (load {head['load_before']:.1f}): expect wide spreads.")
    failed = prepare(data, {need for subject in subjects for need in subject.needs})

    measurements, reasons = {}, {}
    for work in works:
        for subject in subjects:
            if work in subject.commands:
                key = (work, subject.name)
                measurements[key] = (subject, [])
                missing = [failed[need] for need in subject.needs if need in failed]
                if missing:
                    reasons[key] = missing[0]
    for number in range(options.rounds):
        for work in works:
            turn = [subject for subject in subjects if work in subject.commands]
            turn = turn[number % len(turn) :] + turn[: number % len(turn)] if turn else []
            for subject in turn:
                one_measurement(options, number, work, subject, measurements, reasons)
                report.save(options.out, head, report.rows(measurements, reasons))
    print((options.out / "bench.md").read_text())
    return 0 if any(answers for _, answers in measurements.values()) else 1


def one_measurement(options, number, work, subject, measurements, reasons):
    key = (work, subject.name)
    if key in reasons:
        return  # what failed once is not tried again
    targets = {"accuracy": options.target, "quick": ORIGINAL[1]}
    timeout = options.timeout or (14400 if work in targets else 900)
    title = f"round {number + 1}/{options.rounds}  {work:<15} {subject.name:<19}"
    try:
        # Another seed each round, or the spread would show nothing of the luck in reaching it.
        seed = ["--seed", number + 1] if work in targets else []
        answer = measure(subject, [*subject.commands[work], *seed], timeout)
        if work in targets and answer["val_accuracy"] < targets[work]:
            reached = f"{answer['val_accuracy']:.3f} after {answer['epochs']} epochs"
            raise Failed(f"val_accuracy {targets[work]} was not reached: {reached}")
        shown = [f"{report.number(answer[k])} {unit}" for _, k, unit in FIGURES[work]]
        measurements[key][1].append(answer)
        print(f"{title} {', '.join(shown)}", flush=True)
    except (Failed, KeyError) as error:
        reasons[key] = str(error)
        print(f"{title} {error}", flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("bench: stopped; bench.md has what was measured before")
