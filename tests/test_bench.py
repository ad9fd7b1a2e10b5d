"""`fer bench`, a peer on the same export, and the tables of `make bench`."""

import json
import subprocess
import sys

import numpy as np
import pytest
from faces import noise
from PIL import Image
from program import ROOT, fer

BENCHES = ROOT / "fer_nb" / "benches"


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """140 images to train on."""
    return noise(tmp_path_factory.mktemp("faces"), 7)


def answer(done):
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def bench(work, faces, *more):
    precise = ("--precision", "float32")
    return answer(fer("bench", work, "--data", faces, *precise, "--seconds", 0.2, *more))


def test_each_work_answers_with_figures(faces, tmp_path):
    training = bench("training", faces, "--json", tmp_path / "training.json")
    # 140 images are two batches of 64 and one of 12; whole epochs are measured.
    assert training["images"] % 140 == 0 and training["images_per_second"] > 0
    assert training["startup_s"] is None and training["peak_rss_mb"] > 50
    assert json.loads((tmp_path / "training.json").read_text()) == training
    inference = bench("inference", faces)
    assert inference["batch1_ms"] > 0 and inference["batch256_images_per_second"] > 0
    assert inference["first_loss"] == training["first_loss"] == pytest.approx(1.95, abs=0.3)
    loading = bench("loading", faces)
    assert loading["images"] == 210 and loading["seconds"] > 0
    options = ("--data", faces, "--target", 0.0)
    assert answer(fer("bench", "accuracy", *options))["epochs"] == 1
    assert "seconds = 0: expected" in fer("bench", "training", "--seconds", 0).stderr


def test_convolutions_are_timed_beside_libtorchs(tmp_path):
    path = tmp_path / "convolutions.json"
    done = fer("bench", "convolutions", "--batch-size", 4, "--json", path)
    assert done.returncode == 0, done.stderr
    figures = json.loads(path.read_text())
    # A line for each layer, below what computes and the head, above the two sums.
    assert len(done.stdout.splitlines()) == 4 + len(figures["rows"]) == 12
    first, second = figures["rows"][:2]
    assert first["inputs_gradient"] is None and second["inputs_gradient"]["ours"] > 0
    assert second["mflop"] == pytest.approx(2 * 9 * 32 * 32 * 48 * 48 * 4 / 1e6)
    for which in ("ours", "libtorch"):
        for rows, name in ((figures["rows"][:6], "seed_cnn"), (figures["rows"], "vgg")):
            times = [row["forward"][which] + row["weights_gradient"][which] for row in rows]
            times += [row["inputs_gradient"][which] for row in rows[1:]]
            assert sum(times) == pytest.approx(figures[name][which])
    refused = fer("bench", "convolutions", "--batch-size", 0)
    assert refused.returncode != 0 and "batch_size = 0: expected 1 or more" in refused.stderr


VGG = ("--network", "vgg", "--set", "channels=[4,8]", "--set", "convolutions=[1,2]")


@pytest.mark.parametrize("network", [(), VGG], ids=["seed_cnn", "vgg"])
def test_pytorch_computes_the_same_first_loss_from_the_export(network, faces, tmp_path):
    exported = answer(fer("bench", "export", "--data", faces, "--to", tmp_path, *network))
    # It is shaped like FER2013 and isn't it.
    assert exported["title"] == faces.name and exported["images"] == [140, 35, 35]
    assert exported["folder"] == str(faces) and exported["csv"] is None
    files = ["--data", tmp_path / "data.safetensors", "--weights", tmp_path / "weights.safetensors"]
    script = BENCHES / "peers" / "pytorch.py"
    options = ["--mode", "tuned-f32", "--work", "inference", "--seconds", "0.1", "--images", faces]
    done = subprocess.run(
        [sys.executable, script, *options, *files], capture_output=True, text=True, timeout=120
    )
    ours = bench("inference", faces, *network)["first_loss"]
    assert answer(done)["first_loss"] == pytest.approx(ours, abs=1e-5)


def test_pytorch_trains_by_the_recipe_quick(faces, tmp_path):
    export = ("--data", faces, "--to", tmp_path, "--recipe", "quick")
    answer(fer("bench", "export", *export))
    recipe = json.loads((tmp_path / "recipe.json").read_text())
    assert recipe["network"]["name"] == "seed_cnn" and recipe["train"]["sizes"]
    names = ("data.safetensors", "weights.safetensors", "recipe.json")
    files = [part for name in names for part in (f"--{name.split('.')[0]}", tmp_path / name)]
    options = ["--mode", "tuned-f32", "--work", "accuracy", "--target", "2", "--images", faces]
    done = subprocess.run(
        [sys.executable, BENCHES / "peers" / "pytorch.py", *options, *files],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    theirs = answer(done)
    options = ("--data", faces, "--target", 2, "--recipe", "quick", "--precision", "float32")
    ours = answer(fer("bench", "accuracy", *options))
    # No accuracy is above 1, so both train all epochs.
    assert ours["epochs"] == theirs["epochs"] == recipe["train"]["epochs"]


def test_unknown_subjects_are_answered_with_the_list():
    command = [sys.executable, BENCHES / "bench.py", "--only", "nobody"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "--only nobody: expected some of fer-float32, fer-bfloat16" in done.stderr


def test_tables_show_ratios_and_what_could_not_run(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHES))
    import report
    from subjects import Subject

    def subject(name):
        return Subject(name, "a test", (), {})

    measured = {
        ("training", "fer-float32"): (
            subject("fer-float32"),
            [{"images_per_second": speed, "first_loss": 1.9} for speed in (90, 110, 100)],
        ),
        ("training", "slow"): (subject("slow"), [{"images_per_second": 25}]),
        ("training", "gone"): (subject("gone"), []),
        ("inference", "fer-float32"): (
            subject("fer-float32"),
            [{"batch1_ms": 2, "batch256_images_per_second": 400}],
        ),
        ("inference", "slow"): (
            subject("slow"),
            [{"batch1_ms": 5, "batch256_images_per_second": 800}],
        ),
    }
    rows = report.rows(measured, {("training", "gone"): "not installed"})
    assert [row["work"] for row in rows[:4]] == ["training"] * 3 + ["inference, batch 1"]
    assert rows[0]["median"] == 100 and rows[0]["spread"] == [90, 110] and rows[0]["rounds"] == 3
    assert rows[2]["median"] is None and rows[2]["problem"] == "not installed"
    head = {"hardware": report.hardware(), "versions": dict.fromkeys(("python", "torch", "rustc"))}
    text = report.markdown(head, [{**row, "data": "none", "date": "today"} for row in rows])
    assert "| fer-float32: a test | 100 | 90.0–110 | 3 | 1.00× | 1.90000 |" in text
    assert "| slow: a test | 25.0 | 25.0–25.0 | 1 | 4.00× |" in text
    assert "| slow: a test | 5.000 | 5.000–5.000 | 1 | 2.50× |" in text  # lower is better
    assert "| slow: a test | 800 | 800–800 | 1 | 0.50× |" in text
    assert "- gone: not installed" in text


def test_faces_are_where_the_changed_portraits_have_them(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHES))
    import faces_pictures as pictures

    dotted = Image.new("RGB", (300, 200), (60, 60, 60))
    dotted.paste((255, 255, 255), (215, 45, 226, 56))  # around 220, 50
    portrait = pictures.Portrait("dot", dotted, middle=(220.5, 50.5), side=60)
    changes = [lambda it, angle=angle: pictures.tilted(it, angle) for angle in (-45, -15, 0, 30, 90)]
    for number, change in enumerate([*changes, pictures.small, pictures.dark]):
        picture, middle, side = change(portrait)
        bright = np.asarray(picture.convert("L"), dtype=float)
        rows, columns = np.nonzero(bright >= (60 if change is pictures.dark else 180))
        found = columns.mean() + 0.5, rows.mean() + 0.5
        assert np.abs(np.subtract(found, middle)).max() < 1.5, (number, found, middle)
        assert side == (30 if change is pictures.small else 60)
        assert picture.width >= 640 or change is not pictures.small
    drawn = [pictures.drawn(number) for number in range(6)]
    assert len({picture.tobytes() for picture in drawn}) == 6
    assert pictures.drawn(3).tobytes() == drawn[3].tobytes()
