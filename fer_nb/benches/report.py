"""Writes bench.json and bench.md from measurements."""

import json
import os
import platform
import re
import statistics
from datetime import datetime, timezone
from pathlib import Path

from prepare import PYTHON, output
from subjects import FIGURES

OURS = ("fer-float32", "fer-bfloat16", "fer")
LOWER_IS_BETTER = ("ms", "s")


def hardware():
    """What the numbers belong to."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    name = re.search(r"model name\s*:\s*(.+)", cpuinfo)
    flags = set((re.search(r"flags\s*:\s*(.+)", cpuinfo) or [""])[0].split())
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    kinds = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
    gpus = output("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")
    return {
        "processor": name[1].strip() if name else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "instructions": [kind for kind in kinds if kind in flags],
        "memory_gb": round(int(memory[1]) * 1024 / 1e9, 1),
        "gpu": gpus.splitlines() if gpus else [],
        "kernel": platform.release(),
    }


def header(options, data):
    train, validation, test = data["images"]
    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "data": f"{data['title']}: {train} training, {validation} validation, {test} test images",
        "hardware": hardware(),
        "versions": {
            "python": output(PYTHON, "--version"),
            "torch": output(PYTHON, "-c", "import torch.version as t; print(t.__version__)"),
            "rustc": output("rustc", "--version"),
        },
        "seconds": options.seconds,
        "load_before": os.getloadavg()[0],
        "spread": "least and greatest of the rounds",
    }


def rows(measurements, reasons):
    """One row a figure. `measurements` maps (work, subject) to (subject, answers); `reasons` maps
    it to why there are fewer answers than rounds."""
    found = []
    for (work, name), (subject, answers) in measurements.items():
        for title, key, unit in FIGURES[work]:
            values = [answer[key] for answer in answers]
            row = {"work": title, "subject": name, "about": subject.about, "unit": unit}
            row["median"] = statistics.median(values) if values else None
            row["spread"] = [min(values), max(values)] if values else None
            row["rounds"] = len(values)
            row["values"] = values
            extra = ("first_loss", "loss", "val_accuracy", "epochs", "compile_s", "startup_s")
            for other in (*extra, "peak_rss_mb", "version", "device"):
                row.update(middle(other, answers))
            if (work, name) in reasons:
                row["problem"] = reasons[work, name]
            found.append(row)
    return found


def middle(key, answers):
    """The median of a figure that not every answer has; of text the last."""
    values = [answer[key] for answer in answers if answer.get(key) is not None]
    if not values:
        return {}
    return {key: values[-1] if isinstance(values[-1], str) else statistics.median(values)}


def kept(path, measured, hardware):
    """Rows of works that were measured before on this machine, and not again now."""
    try:
        before = json.loads(path.read_text())
    except (OSError, ValueError):
        return []
    if before.get("hardware") != hardware:
        return []
    return [row for row in before["rows"] if row["work"] not in measured]


def save(folder, head, found):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "bench.json"
    found = [{**row, "date": head["date"], "data": head["data"]} for row in found]
    found += kept(path, {row["work"] for row in found}, head["hardware"])
    write(path, json.dumps({**head, "rows": found}, indent=1) + "\n")
    write(folder / "bench.md", markdown(head, found))


def write(path, text):
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text)
    temporary.replace(path)


def number(value):
    if value is None:
        return ""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 3
    return f"{value:,.{digits}f}"


def ratio(ours, row):
    """How many times as fast as `row` ours is."""
    if not ours or not ours["median"] or not row["median"]:
        return ""
    if row["unit"] in LOWER_IS_BETTER:
        return f"{row['median'] / ours['median']:.2f}×"
    return f"{ours['median'] / row['median']:.2f}×"


def table(found):
    """A Markdown table of one work's rows."""
    unit = found[0]["unit"]
    ours = [row for row in found if row["subject"] in OURS and row["median"]]
    columns = {
        "subject": lambda row: f"{row['subject']}: {row['about']}",
        unit: lambda row: number(row["median"]),
        "least–greatest": lambda row: "–".join(map(number, row["spread"] or [])),
        "n": lambda row: str(row["rounds"]),
    }
    for mine in ours:
        columns[f"{mine['subject']} is"] = lambda row, mine=mine: ratio(mine, row)
    optional = {
        "epochs": ("epochs", "{:.0f}"),
        "val_accuracy": ("val_accuracy", "{:.3f}"),
        "first loss": ("first_loss", "{:.5f}"),
        "peak memory, MB": ("peak_rss_mb", "{:,.0f}"),
        "start, s": ("startup_s", "{:.1f}"),
        "compiling, s": ("compile_s", "{:.0f}"),
    }
    for title, (key, form) in optional.items():
        if any(row.get(key) is not None for row in found):
            columns[title] = lambda row, k=key, f=form: f.format(row[k]) if k in row else ""
    columns["version"] = lambda row: row.get("version", "")
    lines = ["| " + " | ".join(columns) + " |"]
    lines.append("|" + "|".join(" --- " if c in ("subject", "version") else " ---: " for c in columns) + "|")
    for row in found:
        if row["median"] is not None:
            lines.append("| " + " | ".join(cell(row) for cell in columns.values()) + " |")
    return lines


def markdown(head, found):
    machine = head["hardware"]
    lines = [
        "# Benchmarks",
        "",
        f"{machine['processor']}, {machine['cores']} cores ({', '.join(machine['instructions'])}), "
        f"{machine['memory_gb']} GB{''.join(', ' + gpu for gpu in machine['gpu'])}; "
        f"{head['versions']['python']}, torch {head['versions']['torch']}, "
        f"{head['versions']['rustc']}.",
        "",
        "Every round runs each subject once in a fresh process, in an order that is rotated from "
        "round to round; the median of the rounds, with their least and greatest. The network, its "
        "initial weights, the images and the batch size are the same for all: the seed CNN with "
        "batches of 64, the VGG (channels 32, 64, 128, 256) with 128. The first loss is that of the "
        "first 64 training images before training.",
    ]
    for work in dict.fromkeys(row["work"] for row in found):
        part = [row for row in found if row["work"] == work]
        lines += ["", f"## {work[0].upper()}{work[1:]}", "", f"{part[0]['data']}. {part[0]['date']}."]
        if any(row["median"] is not None for row in part):
            lines += ["", *table(part)]
        problems = [row for row in part if row.get("problem")]
        if problems:
            lines += ["", *(f"- {row['subject']}: {row['problem']}" for row in problems)]
    return "\n".join(lines) + "\n"
