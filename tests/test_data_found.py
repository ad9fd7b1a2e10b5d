"""What is found in folders and tables that are laid out in other ways, and what a run says of images that it knows."""

import json
import os
import re
import shutil

import pytest
from PIL import Image
from program import PRETRAINED, fer
from test_data_cases import CLASSES, NUMBERS, counts, face, images, read, rows, table, tree
from test_data_doubts import refused

__all__ = ["read"]  # a fixture


def sizes(figures):
    return [counts(figures, part) for part in ("train", "validation", "test")]


@pytest.mark.parametrize(
    "parts, expected",
    [
        (("train", "val_images", "test"), [70, 14, 14]),
        (("train", "validate", "testing_data"), [70, 14, 14]),
        (("training_set", "validation_data", "test-images"), [70, 14, 14]),
        (("train", "valid_set"), [70, 14, 0]),
        (("trainval", "test"), [56, 14, 14]),
        (("train", "devel", "test"), [70, 14, 14]),
        (("fer-train", "fer-test"), [56, 14, 14]),
        (("FER2013Train", "FER2013Valid", "FER2013Test"), [70, 14, 14]),
        (("1_train", "2_val"), [70, 14, 0]),
        (("train_48x48", "test_48x48"), [56, 14, 14]),
    ],
)
def test_parts_by_other_names(read, tmp_path, parts, expected):
    figures, said = read(tree(tmp_path / "data", parts))
    assert sizes(figures) == expected, said
    # Tables, too.
    both = list(rows())
    for part in parts:
        part_of = [row[:2] for row in both if row[2] == ("Training" if part == parts[0] else "PublicTest")]
        table(tmp_path / "tables" / f"{part}.csv", part_of, header="emotion,pixels")
    figures, said = read(tmp_path / "tables")
    assert sizes(figures) == expected, said


@pytest.mark.parametrize("command", ["data", "train"])
def test_folders_that_are_no_part_are_said(tmp_path, command):
    path = tree(tmp_path / "data", ("train", "holdout", "test"))
    os.symlink(tmp_path / "gone", path / "val")
    run = ("--run", tmp_path / "run", "--epochs", 1, "--batch-size", 8) if command == "train" else ()
    done = fer(command, "--data", path, *run)
    assert done.returncode == 0, done.stderr
    assert "Passed over 1 (folders that are no part): holdout (14 files)" in done.stdout
    assert "Passed over 1 (links that lead nowhere): val" in done.stdout


def by_class(root, parts=("train", "test")):
    """angry/train, angry/test, happy/train, …"""
    for number, (part, class_) in enumerate((p, c) for p in parts for c in CLASSES):
        images(root / class_ / part, 10 if part == parts[0] else 2, 20 * number)
    return root


def test_parts_below_classes_are_parts(read, tmp_path):
    figures, said = read(by_class(tmp_path / "data"))
    assert sizes(figures) == [56, 14, 14] and "angry/train" in said and "no parts" not in said
    assert all(figures["images"]["test"][name] == 2 for name in CLASSES)
    three, _ = read(by_class(tmp_path / "three", ("Training", "val", "PublicTest")))
    assert sizes(three) == [70, 14, 14]
    assert [row["found"] for row in three["layout"]["taken"]][:2] == ["angry/Training", "disgust/Training"]
    # The same images as around the classes.
    around, _ = read(tree(tmp_path / "around"))
    assert around["fingerprint"] == figures["fingerprint"]
    # Some have parts, or images beside them: which part are those of?
    shutil.rmtree(tmp_path / "data" / "sad" / "train")
    shutil.rmtree(tmp_path / "data" / "sad" / "test")
    images(tmp_path / "data" / "sad" / "loose", 3)
    said = refused(tmp_path / "data")
    assert "sad has images" in said and "Move all images" in said


@pytest.mark.parametrize("command", ["data", "train", "evaluate"])
def test_a_class_inside_a_class_is_refused(read, tmp_path, command):
    path = tree(tmp_path / "data")
    images(path / "train" / "happy" / "sad", 3, 500)
    said = refused(path, command=command)
    assert "train/happy/sad: is called as sad, and lies in a folder of happy" in said
    images(path / "train" / "happy" / "S005" / "happy", 3, 600)  # a session, and the class again
    assert said.count("mv ") == 2, "one way for each meaning"
    shutil.move(path / "train" / "happy" / "sad", path / "train" / "happy" / "session sad")
    figures, _ = read(path)
    assert figures["images"]["train"]["happy"] + figures["images"]["validation"]["happy"] == 16


def test_a_part_inside_a_class_of_another_part_is_refused(tmp_path):
    path = tree(tmp_path / "data")
    images(path / "train" / "happy" / "test", 3, 500)
    said = refused(path)
    assert "is called as the test part" in said and "train/happy" in said and "rename it: mv " in said


def test_links_and_pipes_are_told_apart(read, tmp_path):
    path = tree(tmp_path / "data")
    os.symlink(tmp_path / "gone", path / "train" / "contempt")
    os.mkfifo(path / "train" / "sad" / "pipe.png")
    os.symlink(path / "train" / "happy", path / "train" / "joy")
    figures, said = read(path)
    over = figures["layout"]["passed_over"]
    assert over["links that lead nowhere"] == 1 and over["pipes, sockets and devices"] == 1
    assert "train/joy (it is train/happy)" in said
    assert figures["images"]["train"]["happy"] == 8, "a link to a class counts once"


def test_numberings_that_do_not_fit_are_not_offered(tmp_path):
    raf = tree(tmp_path / "raf", classes=[str(number) for number in range(1, 8)])
    said = refused(raf)
    assert "--classes raf-db (1 surprise" in said and "--classes kaggle (" not in said
    eight = tree(tmp_path / "eight", classes=[str(number) for number in range(8)])
    said = refused(eight)
    assert "--classes affectnet" in said and "--classes alphabetical (" not in said and "do not fit" in said


@pytest.mark.parametrize("form", ["{kind}/{part}", "{part}/{kind}"])
def test_a_data_set_for_object_detection_is_called_so(tmp_path, form):
    for part in ("train", "val"):
        images(tmp_path / "data" / form.format(kind="images", part=part), 3)
        labels = tmp_path / "data" / form.format(kind="labels", part=part)
        labels.mkdir(parents=True)
        for number in range(3):
            (labels / f"{number}.txt").write_text("3 0.5 0.5 0.2 0.2\n")
    said = refused(tmp_path / "data")
    assert "for object detection" in said and "named after the classes" in said
    assert "--map" not in said and "could be" not in said


def test_images_are_counted_without_other_files(read, tmp_path):
    path = tree(tmp_path / "data")
    for number in range(5):
        (path / "train" / "sad" / f"{number}.txt").write_text("a face")
    figures, _ = read(path)
    row = next(row for row in figures["layout"]["taken"] if row["found"] == "train/sad")
    assert row["images"] == 10 and figures["layout"]["passed_over"]["no image: .txt"] == 5


def test_most_of_a_class_in_a_kind_that_is_not_read_is_an_error(read, tmp_path):
    path = tree(tmp_path / "data")
    for number in range(9):
        face(number).save(path / "train" / "sad" / f"{number}.gif")
    _, said = read(path)
    assert "Left out 9 pictures of kinds that are not read" in said and "magick " in said
    for number in range(9, 14):
        face(number).save(path / "train" / "sad" / f"{number}.gif")
    said = refused(path)
    assert "14 of its 24 files can't be decoded" in said and "a GIF image" in said and "magick " in said


def test_other_tables_are_named(read, tmp_path):
    path = table(tmp_path / "data" / "a.csv", rows())
    (path.parent / "b.csv").write_text("x,y\n")
    _, said = read(path)
    assert "Other tables in its folder, left alone: b.csv" in said


def test_a_share_without_a_test_image_is_an_error(tmp_path):
    path = tree(tmp_path / "data", ("all",)) / "all"
    said = refused(path, "--test-share", "0.01")
    assert "test-share = 0.01" in said and "0.1 or more" in said and "10 images" in said


def test_variables_without_effect_are_said(tmp_path):
    done = fer("data", "--data", tree(tmp_path / "data"), FER_CLASSES="kaggle", FER_TEST_SHARE="0.3")
    assert done.returncode == 0, done.stderr
    assert "FER_CLASSES has no effect" in done.stdout and "FER_TEST_SHARE has no effect" in done.stdout


@pytest.mark.parametrize("classes", [CLASSES, CLASSES[:5]])
def test_the_message_about_the_batch_size_helps(tmp_path, classes):
    path = tree(tmp_path / "few", classes=classes)
    command = ("train", "--data", path, "--run", tmp_path / "run", "--epochs", 1)
    done = fer(*command)
    assert done.returncode == 1 and "training images" in done.stderr, done.stderr
    (option,) = re.findall(r"--batch-size \d+", done.stderr)
    assert fer(*command, *option.split()).returncode == 0


def broken(root):
    """Two test images that can't be read, a class of no use, and a folder that is no part."""
    path = tree(root, classes=(*CLASSES, "contempt"))
    (path / "test" / "sad" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    images(path / "holdout" / "sad", 3)
    return path


NOTES = ("Set aside 1 file of 85 that can't be decoded", "Left out 12 images of class contempt", "Passed over 1 (folders")


def test_evaluate_and_export_say_what_was_left_out(tmp_path):
    path, other, out = broken(tmp_path / "faces"), tree(tmp_path / "other"), tmp_path / "out.json"
    seed = ("--run", "seed_cnn", "--json", out)
    done = fer("evaluate", *seed, "--data", path)
    assert done.returncode == 0, done.stderr
    notes = json.loads(out.read_text())["notes"]
    for part in NOTES:
        assert part in done.stdout and any(part in note for note in notes), part
    done = fer("evaluate", *seed, "--data", path, "--data", other)
    assert done.returncode == 0, done.stderr
    first, second = json.loads(out.read_text())["data_sets"]
    for part in NOTES:
        assert f"Note on faces: {part}" in done.stdout and any(part in note for note in first["notes"]), part
    assert not any("contempt" in note for note in second["notes"])
    done = fer("export", *seed, "--data", path, "--to", tmp_path / "export")
    assert done.returncode == 0, done.stderr
    card = (tmp_path / "export" / "model_card.md").read_text()
    notes = json.loads(out.read_text())["notes"]
    for part in NOTES:
        assert part in card and part in done.stdout and any(part in note for note in notes), part
    assert "broken.png" not in card and "holdout" not in card, "names of the user's files"


@pytest.mark.parametrize("run", PRETRAINED)
def test_the_shipped_networks_know_their_images(run):
    """Hashes alone: 28,358 images of FER2013, of which 1,067 are copies of another."""
    content = (run / "images.safetensors").read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    about = header.pop("__metadata__")
    assert about["hash"] == "XXH3 of 48×48 pixels" and set(header) == {"train", "validation"}
    (trained,), (chosen,) = header["train"]["shape"], header["validation"]["shape"]
    config = (run / "config.toml").read_text()
    images = re.search(r"(?:trained_on|learnt) = \[\s*(\d+),\s*(\d+)", config).groups()
    assert 0.94 * int(images[0]) < trained <= int(images[0]) and 0.94 * int(images[1]) < chosen <= int(images[1])


def test_a_comparison_says_what_was_trained_on(trained, tmp_path):
    data, run = trained
    out = tmp_path / "out.json"
    done = fer("compare", run, "seed_cnn", "--data", data / "train", "--json", out)
    assert done.returncode == 0, done.stderr
    assert "run: 56 of the 70 test images were trained on, and 14 were among the validation images" in done.stdout
    assert "seed_cnn: none of the 70 test images has an exact copy among the training images" in done.stdout
    ours, shipped = json.loads(out.read_text())["runs"]
    assert ours["overlap"]["trained_on"] == 56 and shipped["overlap"]["trained_on"] == 0
    assert "test images w" not in fer("compare", run, "--data", data).stdout


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of one epoch, and its data: 56 images that it was trained on, 14 of validation, 14 of test."""
    folder = tmp_path_factory.mktemp("trained")
    data, run = tree(folder / "base"), folder / "run"
    done = fer("train", "--data", data, "--run", run, "--epochs", 1, "--batch-size", 8)
    assert done.returncode == 0, done.stderr
    return data, run


def overlap(tmp_path, run, *data):
    """What one evaluation says on each of its ways out."""
    out = tmp_path / "out.json"
    done = fer("evaluate", "--run", run, "--json", out, *data)
    assert done.returncode == 0, done.stderr
    return json.loads(out.read_text())["overlap"], done.stdout, done.stderr


def test_images_that_a_run_knows_are_told_again(trained, tmp_path):
    data, run = trained
    all_of_train = dict(images=70, trained_on=56, chosen_on=14)
    sentence = "56 of the 70 test images were trained on, and 14 were among the validation images"
    for path in (data / "train", shutil.copytree(data / "train", tmp_path / "copy")):
        found, said, err = overlap(tmp_path, run, "--data", path)
        assert found == all_of_train and sentence in said and sentence in err and "other images" not in err
    found, said, _ = overlap(tmp_path, run, "--data", data / "train", "--test-share", "0.5")
    assert found["images"] == 35 and found["trained_on"] + found["chosen_on"] == 35
    # A table of the same pixels, and a mixture of known and new images.
    lines = [(NUMBERS[name], number, part) for name in CLASSES for number, part in ((0, "test"), (9, "test"))]
    pixels = lambda name, number: Image.open(data / "train" / name / f"{20 * CLASSES.index(name) + number}.png")
    csv = [(label, " ".join(map(str, pixels(CLASSES[i // 2], number).tobytes())), part)
           for i, (label, number, part) in enumerate(lines)]
    new = [(3, " ".join(["7"] * 2304), "test")] * 6
    found, said, _ = overlap(tmp_path, run, "--data", table(tmp_path / "some.csv", csv + new))
    assert found == dict(images=20, trained_on=7, chosen_on=7) and "7 of the 20 test images were trained on" in said
    # The data itself, and others.
    found, said, err = overlap(tmp_path, run, "--data", data)
    assert found == dict(images=14, trained_on=0, chosen_on=0) and "trained on," not in said and err == ""
    other = tree(tmp_path / "other", classes=CLASSES[::-1])
    for file in other.rglob("*.png"):
        Image.open(file).point(lambda value: value ^ 1).save(file)
    found, said, err = overlap(tmp_path, run, "--data", other)
    assert found["trained_on"] == 0 and "none of the 14 test images has an exact copy among the training images" in said
    assert "trained on other images" in err
    done = fer("evaluate", "--run", run, "--data", data, "--data", data / "train", "--data", other)
    words = [line.rstrip(" –").split("  ")[-1].strip() for line in done.stdout.splitlines()[2:5]]
    assert words == ["yes", "70 of 70", "no"], done.stdout
    to = tmp_path / "export"
    assert fer("export", "--run", run, "--data", data / "train", "--to", to).returncode == 0
    assert sentence in (to / "model_card.md").read_text()
    assert not (to / "images.safetensors").exists()


def test_a_run_of_an_older_version_does_not_know(trained, tmp_path):
    data, run = trained
    older = shutil.copytree(run, tmp_path / "older")
    (older / "images.safetensors").unlink()
    found, said, err = overlap(tmp_path, older, "--data", data / "train")
    assert found is None and "which of the test images were trained on is not known" in said
    assert "does not say on which images" in err
    done = fer("evaluate", "--run", older, "--data", data / "train", "--data", data / "test")
    assert done.stdout.count("not known") == 2, done.stdout
    # A resume makes up for it.
    assert fer("train", "--run", older, "--data", data, "--resume", "--epochs", 2).returncode == 0
    found, _, _ = overlap(tmp_path, older, "--data", data / "train")
    assert found == dict(images=70, trained_on=56, chosen_on=14)


def test_the_next_run_in_a_folder_knows_its_own_images_alone(tmp_path):
    first, run = tree(tmp_path / "first"), tmp_path / "run"
    second = tree(tmp_path / "second", classes=CLASSES[:5])
    for file in second.rglob("*.png"):
        Image.open(file).point(lambda value: value ^ 1).save(file)
    for data in (first, second):
        done = fer("train", "--data", data, "--run", run, "--epochs", 1, "--batch-size", 8, "--overwrite")
        assert done.returncode == 0, done.stderr
    assert overlap(tmp_path, run, "--data", first / "train")[0]["trained_on"] == 0
    assert overlap(tmp_path, run, "--data", second / "train")[0]["trained_on"] == 40
    assert overlap(tmp_path, run / "before", "--data", first / "train")[0]["trained_on"] == 56
