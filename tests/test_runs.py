"""Comparison of runs: the table's files, and, in Chromium, sorting, columns in view, and the figure's font."""

import base64
import csv
import json
import os
import re
import subprocess

import numpy as np
import pytest
from chromium import DRIVER, browser, lacking
from conftest import ROOT
from faces import noise
from PIL import Image
from program import fer

STYLE = re.compile(r"<style>.*?</style>", re.DOTALL)
PICTURES = ROOT / "build" / "runs"
RATES = {"slow": "0.0001", "usual": "0.001", "fast": "0.01"}


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """A folder with the files of three runs that differ in their learning rate and in more than fits a window."""
    folder = tmp_path_factory.mktemp("runs")
    settings = {"FER_RUNS_DIR": str(folder)}
    data = ("--data", noise(folder / "faces", 3, train=10, test=8))
    for number, (name, rate) in enumerate(RATES.items()):
        changes = [f"train.learning_rate={rate}", f"train.clip_norm={number + 1}"]
        if number:
            changes += [f"train.{what}=0.{number}" for what in ("ema", "loss.label_smoothing", "augmentation.zoom",
                        "augmentation.erasing", "augmentation.brightness", "augmentation.contrast")]
        sets = (word for change in changes for word in ("--set", change))
        few = ("--epochs", "1", "--batch-size", "8")
        done = fer("train", "--run", name, *few, *data, *sets, **settings)
        assert done.returncode == 0, done.stderr
    outputs = [a for end in ("csv", "md", "tex", "html") for a in ("--table", folder / f"runs.{end}")]
    for at in range(0, len(outputs), 2):
        more = ("--figure", folder / "runs.svg") if at == 0 else ()
        done = fer("compare", *RATES, *data, *outputs[at : at + 2], *more, **settings)
        assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_what_differs_comes_first_and_results_have_intervals(compared):
    folder, text = compared
    with open(folder / "runs.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    heads = list(rows[0])
    assert heads[:2] == ["run", "network"] and heads[-2:] == ["p", "verdict"]
    assert heads.index("learning_rate") < heads.index("epochs")
    assert [row["learning_rate"] for row in rows] == ["0.0001", "0.001", "0.01"]
    for row in rows:
        for name, low, high in (("accuracy", "low", "high"), ("val_accuracy", "val_low", "val_high")):
            assert 0 <= float(row[low]) <= float(row[name]) <= float(row[high]) <= 1
    assert rows[0]["p"] == rows[0]["verdict"] == ""
    assert all(0 <= float(row["p"]) <= 1 and row["verdict"] for row in rows[1:])
    assert "learning_rate" in text and "McNemar's test against slow" in text
    assert "| run | network |" in (folder / "runs.md").read_text()
    assert "\\toprule" in (folder / "runs.tex").read_text()
    for name in RATES:
        assert name in (folder / "runs.svg").read_text()


def skip_without_browser(what):
    if lacking():
        assert os.environ.get("FER_BROWSER") != "required", lacking()
        pytest.skip(f"{what} in a real browser is left out, for there is {lacking()}")


def seen(folder, svg):
    """An SVG as the browser shows it, gray."""
    (folder / "shown.svg").write_text(svg)
    job = {"file": str(folder / "shown.svg"), "width": 1920, "height": 1080, "chromium": browser(),
           "picture": str(folder / "shown.png")}
    done = subprocess.run(["node", DRIVER / "picture.mjs"], input=json.dumps(job), capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 0, done.stderr
    return np.asarray(Image.open(folder / "shown.png").convert("L"), dtype=float)


def with_whole_font(svg):
    """The SVG as where Inter is installed."""
    fonts = ROOT / "fer_nb" / "assets" / "fonts"
    faces = ""
    for weight, name in ((400, "Regular"), (600, "SemiBold")):
        font = base64.b64encode((fonts / f"Inter-{name}.ttf").read_bytes()).decode()
        faces += f"@font-face{{font-family:'fer Inter';font-weight:{weight};src:url(data:font/ttf;base64,{font})}}"
    return STYLE.sub(f"<style>{faces}</style>", svg)


def test_an_svg_looks_the_same_without_the_font_installed(compared):
    skip_without_browser("an SVG")
    folder, _ = compared
    svg = (folder / "runs.svg").read_text()
    bare = STYLE.sub("", svg)
    assert 0 < len(svg) - len(bare) < 30_000
    expected = seen(folder, with_whole_font(svg))
    # Digits and letters; without what the file carries it would show.
    assert np.abs(seen(folder, svg) - expected).mean() < 0.05
    assert np.abs(seen(folder, bare) - expected).mean() > 0.5
    # 12 pixels or more where the figure is 900 wide.
    assert all(float(size) * 900 / 1920 >= 12 for size in re.findall(r'font-size="([\d.]+)"', svg))


def test_the_table_sorts_and_the_verdict_is_in_view_at_1280_pixels(compared):
    skip_without_browser("sorting")
    folder, _ = compared
    PICTURES.mkdir(parents=True, exist_ok=True)
    sort = ["run", "learning_rate", "val_loss", "p, verdict"]
    job = {"page": str(folder / "runs.html"), "width": 1280, "chromium": browser(), "sort": sort,
           "picture": str(PICTURES / "runs.png")}
    done = subprocess.run(["node", DRIVER / "runs.mjs"], input=json.dumps(job), capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 0, done.stderr
    saw = json.loads(done.stdout)
    assert saw["requests"] == 1
    for name in sort:
        at = saw["heads"].index(name)
        up, down = saw["after"][name]
        assert sorted(up) == sorted(saw["asis"]) == sorted(down)
        known = [row[at] for row in up if row[at] != "–"]
        value = (lambda text: text) if name == "run" else lambda text: float(text.removeprefix("< ").split()[0])
        assert known == sorted(known, key=value)
        assert [row[at] for row in down if row[at] != "–"] == sorted(known, key=value, reverse=True)
        assert all(row[at] == "–" for row in (*up, *down)[len(known) : len(up)])
    assert saw["last"] and all(cell["seen"] and 0 <= cell["left"] < cell["right"] <= 1280 for cell in saw["last"])
