"""Data as people have it: `fer data`, and what follows, on small versions of what goes around, drawn here."""

import gzip
import json

import pytest
from PIL import Image
from program import PRETRAINED, fer

CLASSES = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
NUMBERS = dict(zip(CLASSES, (0, 1, 2, 3, 6, 4, 5)))  # Kaggle's


def face(seed):
    image = Image.new("L", (48, 48), seed % 200)
    image.putpixel((seed % 48, seed // 48 % 48), 255)
    return image


def images(folder, count, start=0, form="png"):
    folder.mkdir(parents=True)
    for index in range(start, start + count):
        face(index).save(folder / f"{index}.{form}")


def tree(root, parts=("train", "test"), classes=CLASSES, form="png"):
    """Ten images a class in the first part, two in the others; all different."""
    for number, (part, class_) in enumerate((p, c) for p in parts for c in classes):
        images(root / part / class_, 10 if part == parts[0] else 2, 20 * number, form)
    return root


def table(path, rows, header="emotion,pixels,Usage", separator=",", encoding="utf-8", newline="\n"):
    lines = [header] + [separator.join(map(str, row)) for row in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding=encoding, newline=newline)
    return path


def rows(emotion=NUMBERS.get, usages=("Training", "PublicTest")):
    for number, (usage, class_) in enumerate((u, c) for u in usages for c in CLASSES):
        for index in range(10 if usage == usages[0] else 2):
            yield emotion(class_), " ".join(map(str, face(20 * number + index).tobytes())), usage


@pytest.fixture
def read(tmp_path):
    def read(path, *options):
        done = fer("data", "--data", path, "--json", tmp_path / "out.json", *options)
        assert done.returncode == 0, done.stderr
        return json.loads((tmp_path / "out.json").read_text()), done.stdout

    return read


def counts(figures, part):
    return sum(figures["images"][part].values())


@pytest.mark.parametrize(
    "parts, classes",
    [
        (("train", "test"), [name.capitalize() for name in CLASSES]),
        (("Training", "PublicTest", "PrivateTest"), CLASSES),
        (
            ("train", "test"),
            ("anger", "disgusted", "fearful", "happiness", "neutral", "sadness", "surprised"),
        ),
        (("TRAIN", "TEST"), [f"{number}_{name}" for number, name in enumerate(CLASSES)]),
        (("Train", "testing"), [f"{number}-{name.upper()} faces" for number, name in enumerate(CLASSES)]),
    ],
)
def test_parts_and_classes_are_found_by_words(read, tmp_path, parts, classes):
    figures, said = read(tree(tmp_path / "data", parts, classes))
    assert counts(figures, "train") == 56 and counts(figures, "validation") == 14
    assert counts(figures, "test") == 14 * (len(parts) - 1)
    assert all(figures["images"]["train"][name] == 8 for name in CLASSES)
    assert f"{parts[0]}/{classes[3]}" in said and "train, happy" in said


def test_folders_around_the_parts_are_opened(read, tmp_path):
    tree(tmp_path / "data" / "archive" / "Images", ("Train", "Valid", "Test"))
    figures, said = read(tmp_path / "data")
    assert [counts(figures, part) for part in ("train", "validation", "test")] == [70, 14, 14]
    assert "Train/angry" in said


@pytest.mark.parametrize("validation", ["val", "valid", "validation"])
def test_a_validation_part_is_used(read, tmp_path, validation):
    figures, said = read(tree(tmp_path / "data", ("train", validation)))
    assert [counts(figures, part) for part in ("train", "validation", "test")] == [70, 14, 0]
    assert "Validation is the data's own part" in said and "no test images" in said


def test_numbers_are_asked_about_and_read_as_said(read, tmp_path):
    path = tree(tmp_path / "data", classes=[str(number) for number in range(7)])
    done = fer("data", "--data", path)
    assert done.returncode != 0
    for option in ("--classes kaggle", "--classes alphabetical", "raf-db do not fit"):
        assert option in done.stderr
    figures, _ = read(path, "--classes", "kaggle")
    row = next(row for row in figures["layout"]["taken"] if row["found"] == "train/4")
    assert row["class"] == "sad"


def test_other_and_fewer_classes(read, tmp_path):
    names = ("anger", "contempt", "disgust", "fear", "happy", "sadness", "surprise")
    path = tree(tmp_path / "ck", ("all",), names) / "all"
    figures, said = read(path)
    assert counts(figures, "test") == 60 and figures["images"]["test"]["neutral"] == 0
    assert "Left out 10 images of class contempt" in said and "no image of neutral" in said
    figures, _ = read(path, "--map", "contempt=disgust", "--test-share", "0.2")
    assert figures["images"]["test"]["disgust"] == 4 and counts(figures, "train") > 0


def test_content_decides_and_litter_is_skipped(read, tmp_path):
    path = tree(tmp_path / "data", form="webp")
    for file in (path / "train" / "happy").iterdir():
        file.rename(file.with_suffix(".jpg"))
    tree(path / "bmp", ("test",), form="bmp")  # a folder beside the parts
    (path / "__MACOSX").mkdir()
    (path / "train" / "sad" / "._1.png").write_bytes(b"x")
    (path / "train" / "sad" / "notes.txt").write_text("hello")
    figures, _ = read(path)
    assert counts(figures, "train") == 56
    over = figures["layout"]["passed_over"]
    assert over["folders that are no part"] == 1 and over["no image: .txt"] == 1
    assert over["the system's own files"] == 2


@pytest.mark.parametrize(
    "name, made",
    [
        ("plain", dict(rows=rows())),
        ("semicolons", dict(rows=rows(), header="emotion;pixels;Usage", separator=";")),
        ("tabs", dict(rows=rows(), header="Emotion\tPixels\tUsage", separator="\t")),
        ("mark", dict(rows=rows(), encoding="utf-8-sig", newline="\r\n")),
        ("capitals", dict(rows=rows(str.upper))),
        ("utf16", dict(rows=rows(), encoding="utf-16")),
        ("floats", dict(rows=rows(lambda name: f"{NUMBERS[name]}.0"))),
        ("words", dict(rows=rows(str.capitalize))),
        ("usages", dict(rows=rows(usages=("train", "test")))),
    ],
)
def test_tables_as_people_write_them(read, tmp_path, name, made):
    path = table(tmp_path / "deep" / "fer2013" / "fer2013.csv", **made)
    (path.parent / "fer2013new.csv").write_text("Usage,Image name,neutral,happiness,contempt\n")
    figures, said = read(tmp_path / "deep")
    assert counts(figures, "train") == 56 and counts(figures, "test") == 14
    assert figures["images"]["train"]["sad"] == 8
    assert "(not FER2013)" in said and "left alone: fer2013new.csv (FERPlus's votes)" in said
    done = fer("data", "--data", path.parent / "fer2013new.csv")
    assert done.returncode != 0 and "FERPlus's votes" in done.stderr


def test_tables_of_one_part_each_are_one_data_set(read, tmp_path):
    both = list(rows())
    for usage, name in (("Training", "train.csv"), ("PublicTest", "test.csv")):
        part = [row[:2] for row in both if row[2] == usage]
        table(tmp_path / "data" / name, part, header="emotion,pixels")
    figures, said = read(tmp_path / "data")
    assert counts(figures, "train") == 56 and counts(figures, "test") == 14
    assert "no parts" not in said
    figures, said = read(tmp_path / "data" / "train.csv")
    assert counts(figures, "train") == 56 and "no test images" in said


def test_data_that_is_none_is_an_error_that_says_what_is_there(tmp_path):
    """Names as KDEF's and AffectNet's, whose classes are in the files' names or in a table."""
    kdef = tmp_path / "kdef" / "KDEF"
    images(kdef, 2)
    for number, name in enumerate(("AF01AFS", "AF01ANS")):
        (kdef / f"{number}.png").rename(kdef / f"{name}.png")
    (kdef / "labels.csv").write_text("image,label\nAF01AFS.png,fear\n")
    done = fer("data", "--data", tmp_path / "kdef")
    assert done.returncode != 0 and "has names of image files (image: AF01AFS.png)" in done.stderr, done.stderr
    (kdef / "labels.csv").write_text("image,sex\nAF01AFS.png,f\n")
    images(tmp_path / "flat" / "train", 3)
    for path in (tmp_path / "kdef", tmp_path / "flat"):
        done = fer("data", "--data", path)
        assert done.returncode != 0 and ".png" in done.stderr, done.stderr
        assert "named after the classes" in done.stderr and "--map" in done.stderr
    assert "AF01AFS.png" in fer("data", "--data", tmp_path / "kdef").stderr


@pytest.mark.parametrize(
    "name, head, kind, way_out",
    [
        ("fer2013.csv", b"a.csv".ljust(257, b"\0") + b"ustar" + bytes(300), "a tar archive", "tar -xf"),
        ("archive.zip", b"PK\x03\x04train/angry/1.jpg", "a zip archive", "unzip"),
        ("fer2013.csv", b"<!DOCTYPE html><html>", "a web page", "signed in"),
        ("fer2013.tar.gz", gzip.compress(b"x"), "a gzip archive", "tar -xf"),
        ("fer2013.csv.gz", gzip.compress(b"emotion"), "a gzip archive", "gunzip"),
        ("fer2013.7z", b"7z\xbc\xaf\x27\x1c" + bytes(30), "a 7z archive", "7z x"),
        ("fer2013.rar", b"Rar!\x1a\x07\x01" + bytes(30), "a rar archive", "7z x"),
    ],
)
@pytest.mark.parametrize("inside", [False, True])
def test_a_wrong_kind_of_file_is_named(tmp_path, name, head, kind, way_out, inside):
    path = tmp_path / "data" / name
    path.parent.mkdir()
    path.write_bytes(head)
    done = fer("data", "--data", path.parent if inside else path)
    assert done.returncode != 0 and kind in done.stderr and way_out in done.stderr, done.stderr


def bytes_of(*folders):
    """Every file below these folders, with its content."""
    found = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return {path: path.read_bytes() for path in found}


@pytest.fixture(autouse=True)
def pretrained_stays():
    """Nothing that a command does changes a byte of the weights that come with the project."""
    before = bytes_of(*PRETRAINED)
    yield
    assert bytes_of(*PRETRAINED) == before


def ck48(root):
    """CK+48's folders: contempt, no neutral."""
    names = ("anger", "contempt", "disgust", "fear", "happy", "sadness", "surprise")
    return tree(root, ("all",), names) / "all"


def test_six_classes_are_evaluated_in_one_command(tmp_path):
    path, out = ck48(tmp_path / "ck48"), tmp_path / "out.json"
    done = fer("evaluate", "--run", "seed_cnn", "--data", path, "--json", out)
    assert done.returncode == 0, done.stderr
    assert "No images of neutral" in done.stdout and "averages are over 6 of" in done.stdout
    metrics = json.loads(out.read_text())
    report, matrix = metrics["classification_report"], metrics["confusion_matrix"]
    assert [name for name in report if name in CLASSES] == [n for n in CLASSES if n != "neutral"]
    scores = [report[name]["f1-score"] for name in CLASSES if name != "neutral"]
    assert report["macro avg"]["f1-score"] == pytest.approx(sum(scores) / 6)
    assert metrics["intervals"]["macro_f1"]["value"] == pytest.approx(sum(scores) / 6)
    predicted = sum(row[CLASSES.index("neutral")] for row in matrix)
    assert metrics["absent"] == [{"class": "neutral", "predicted": predicted}]
    assert sum(map(sum, matrix)) == metrics["accuracy"]["total"] == 60, "nothing is left out"
    assert "No images" not in fer("evaluate", "--run", "seed_cnn", "--data", tree(tmp_path / "x")).stdout


def test_one_run_on_several_data_sets(tmp_path):
    ck, five = ck48(tmp_path / "a" / "faces"), tree(tmp_path / "five", classes=CLASSES[:5])
    one = tree(tmp_path / "b" / "all", ("test",))  # called as the first one's folder
    out, sets = tmp_path / "out.json", [ck, one, five]
    command = ["evaluate", "--run", "seed_cnn", "--json", out]
    for path in sets:
        command += ["--data", path]
    done = fer(*command)
    assert done.returncode == 0, done.stderr
    rows = json.loads(out.read_text())["data_sets"]
    assert [row["images"] for row in rows] == [60, 70, 10]
    assert [row["title"] for row in rows] == ["all (faces/all)", "all (b/all)", "five"]
    assert not any(row["own"] for row in rows) and len({row["fingerprint"] for row in rows}) == 3
    absent = [[entry["class"] for entry in row.get("absent", [])] for row in rows]
    assert absent == [["neutral"], [], ["sad", "surprise"]]
    for row, path in zip(rows, sets):
        alone = tmp_path / "alone.json"
        assert fer("evaluate", "--run", "seed_cnn", "--data", path, "--json", alone).returncode == 0
        alone = json.loads(alone.read_text())
        assert row["accuracy"] == alone["accuracy"] and row["loss"] == alone["loss"]
        assert row["macro_f1"] == alone["classification_report"]["macro avg"]["f1-score"]
        assert f"{row['accuracy']['value']:.4f}" in done.stdout
    # An option counts for the data sets that it means something for; one without effect is an error.
    done = fer(*command, "--map", "contempt=disgust")
    assert done.returncode == 0 and json.loads(out.read_text())["data_sets"][0]["images"] == 70
    for option in (("--map", "bored=sad"), ("--classes", "kaggle"), ("--corruptions",)):
        out.unlink(missing_ok=True)
        done = fer(*command, *option)
        assert done.returncode != 0 and option[0].strip("-") in done.stderr and not out.exists()
    # Every data set is opened before the first is evaluated.
    no_test = tree(tmp_path / "no_test", ("train",))
    for bad in (no_test, tmp_path / "missing"):
        done = fer(*command, "--data", bad)
        assert done.returncode != 0 and bad.name in done.stderr and done.stdout == ""


@pytest.mark.parametrize("command", ["data", "train"])
def test_an_option_without_effect_is_an_error(tmp_path, command):
    path = tree(tmp_path / "data")
    for option in (("--map", "contempt=sad"), ("--classes", "raf-db"), ("--test-share", "0.3")):
        done = fer(command, "--data", path, *option)
        assert done.returncode != 0 and option[0].strip("-") in done.stderr, done.stderr


def test_five_classes_are_trained_on(tmp_path):
    path, run = tree(tmp_path / "five", classes=CLASSES[:5]), tmp_path / "run"
    options = ("--run", run, "--batch-size", "8", "--epochs", "1", "--data", path, "--overwrite")
    weighted = ("train.loss.class_weights=balanced", "train.loss.logit_adjustment=1.0")
    for change in ((), weighted, ("train.sampling=balanced",), ("train.sampling=square-root",)):
        settings = [word for setting in change for word in ("--set", setting)]
        done = fer("train", *options, *settings)
        assert done.returncode == 0, done.stderr
        assert "no image of sad, surprise" in done.stdout
        losses = (run / "history.csv").read_text().splitlines()[1].split(",")[1:5]
        assert all(0 <= float(value) < 100 for value in losses), losses
    done = fer("evaluate", "--run", run, "--data", path)
    assert done.returncode == 0 and "averages are over 5 of" in done.stdout
    done = fer("train", *options, "--recipe", "quick")
    assert done.returncode == 0, done.stderr


def test_data_that_was_renamed_is_the_same(tmp_path):
    """Resumed, exported, compared and evaluated from a folder of another name; other data of the old name is other
    data."""
    data, run = tree(tmp_path / "faces"), tmp_path / "run"
    options = ("--run", run, "--batch-size", "8", "--patience", "0")
    assert fer("train", *options, "--epochs", "1", "--data", data).returncode == 0
    moved = data.rename(tmp_path / "renamed")
    tree(tmp_path / "faces", classes=CLASSES[::-1])
    done = fer("train", *options[:2], "--resume", "--epochs", "2", "--data", moved)
    assert done.returncode == 0, done.stderr
    done = fer("train", *options[:2], "--resume", "--epochs", "3", "--data", data)
    assert done.returncode != 0 and "other images" in done.stderr, done.stderr
    done = fer("evaluate", "--run", run, "--data", moved)
    assert done.returncode == 0 and done.stderr == "" and (run / "temperature.toml").is_file()
    before, cards = bytes_of(run), []
    for path, own in ((moved, True), (data, False)):
        out = tmp_path / "compared.json"
        done = fer("compare", run, "seed_cnn", "--data", path, "--json", out)
        assert done.returncode == 0, done.stderr
        first, second = json.loads(out.read_text())["runs"]
        assert (first["val_accuracy"] is not None) == own and second["val_accuracy"] is None
        done = fer("export", "--run", run, "--data", path, "--to", tmp_path / f"out_{own}")
        assert done.returncode == 0, done.stderr
        cards.append((tmp_path / f"out_{own}" / "model_card.md").read_text())
        for file in ("temperature.toml", "certainty.toml"):
            assert (tmp_path / f"out_{own}" / file).is_file() == (run / file).is_file()
    # The title that the images had at the last training, whatever is at hand now.
    assert all("renamed: custom images" in card for card in cards)
    assert bytes_of(run) == before


def test_the_shipped_network_is_exported_with_other_photos(tmp_path):
    """What notebook 06 does if the photos at hand are not the very copy that the network was trained on."""
    to = tmp_path / "out"
    done = fer("export", "--run", "seed_cnn", "--data", tree(tmp_path / "photos"), "--to", to)
    assert done.returncode == 0, done.stderr
    card = (to / "model_card.md").read_text()
    assert "Goodfellow et al." in card and "measured on photos's test part (14 images)" in card
    assert "the original Keras project" not in card, "whose metrics are of other images"
    kept = (PRETRAINED[0].parent / "seed_cnn" / "temperature.toml").read_text().splitlines()[0]
    assert kept in (to / "temperature.toml").read_text()


def test_a_folder_called_fer2013_is_not(read, tmp_path):
    for name in ("FER2013", "made-up sample"):
        _, said = read(tree(tmp_path / name))
        assert f"{name} (other images), folder" in said


def test_a_run_keeps_what_was_fitted_on_its_own_images(tmp_path):
    """Two data sets of one name; one that is moved is the same."""
    data, run = tree(tmp_path / "a" / "faces"), tmp_path / "run"
    other = tree(tmp_path / "b" / "faces", classes=CLASSES[::-1])
    options = ("--run", run, "--batch-size", "8", "--patience", "0")
    assert fer("train", *options, "--epochs", "1", "--data", data).returncode == 0
    assert fer("evaluate", "--run", run, "--data", data).returncode == 0
    content = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert run / "temperature.toml" in content
    done = fer("evaluate", "--run", run, "--data", other)
    assert done.returncode == 0 and "trained on other images" in done.stderr
    assert fer("evaluate", "--run", run, "--data", other, "--calibrate").returncode == 0
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == content
    moved = data.rename(tmp_path / "moved")
    done = fer("train", "--run", run, "--resume", "--epochs", "2", "--data", moved)
    assert done.returncode == 0, done.stderr


def test_a_file_that_cannot_be_written_is_said_before_the_work(tmp_path):
    done = fer("data", "--json", tmp_path / "no" / "such" / "out.json")
    assert done.returncode != 0 and "Found" not in done.stdout
