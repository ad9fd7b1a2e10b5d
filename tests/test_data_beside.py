"""What lies beside images, or is one only by its name: programs' folders, tables of file names, images on their side."""

import re
import subprocess
import sys

import pytest
from PIL import Image
from program import fer
from test_data_cases import CLASSES, NUMBERS, counts, face, images, read, rows, table, tree
from test_data_doubts import refused

__all__ = ["read"]  # a fixture
EIGHT = ("anger", "contempt", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")


def one_level(root):
    return tree(root, ("all",)) / "all"


def programs_folders(root, nodes=None):
    """A run, an environment, packages and figures, with images in them, and code called as a test."""
    for name in ("runs/happy/history.csv", "my env/pyvenv.cfg", "build/a.o", "out/model_card.md", "tests/a.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")
    images(root / "my env" / "lib" / "sad", 2, 900)
    images(root / "node_modules" / "a" / "test" / "angry", 2, 910)
    images(root / "figures", 3, 920)
    images(root / "runs" / "happy" / "plots", 3, 930)
    return 7


@pytest.mark.parametrize("place", [tree, one_level])
def test_folders_of_programs_are_no_classes(read, tmp_path, place):
    path = place(tmp_path / "data")
    before, _ = read(path)
    count = programs_folders(path)
    images(path / ("train" if place is tree else "") / "happy" / "figures", 2, 940)
    figures, said = read(path)
    assert figures["fingerprint"] == before["fingerprint"], said
    why = "folders of programs: environments, runs, figures"
    assert figures["layout"]["passed_over"][why] == count + 1
    assert "figures (3 files)" in said and "my env (3 files)" in said and "Left out" not in said
    assert not any(why in note for note in figures["notes"])


def test_data_is_found_beside_programs_and_below_their_names(read, tmp_path):
    data = tree(tmp_path / "project" / "datasets" / "fer")
    plain, _ = read(data)
    programs_folders(tmp_path / "project")
    for name in ("src/test/unit/a.py", "app/test/b.py"):
        (tmp_path / "project" / name).parent.mkdir(parents=True)
        (tmp_path / "project" / name).write_text("x")
    for root in (tmp_path / "project", tree(tmp_path / "split" / "output" / "set").parent.parent):
        figures, said = read(root)
        assert figures["fingerprint"] == plain["fingerprint"], said
    tree(tmp_path / "direct" / "output")
    assert read(tmp_path / "direct")[0]["fingerprint"] == plain["fingerprint"]


def test_eight_classes_in_alphabetical_order(read, tmp_path):
    words, _ = read(tree(tmp_path / "words", classes=EIGHT))
    numbers = tree(tmp_path / "numbers", classes=[str(number) for number in range(8)])
    said = refused(numbers)
    for reading in ("alphabetical-8 (0 angry, 1 contempt, 2 disgust", "ferplus (0 neutral", "ck+ (0 neutral, 1 angry"):
        assert f"--classes {reading}" in said, said
    assert "alphabetical, raf-db do not fit" in said
    figures, said = read(numbers, "--classes", "alphabetical-8")
    assert figures["fingerprint"] == words["fingerprint"]
    assert "Left out 12 images of class 1 (contempt), which is none of the seven (--map contempt=CLASS" in said
    mapped, said = read(numbers, "--classes", "alphabetical-8", "--map", "contempt=disgust")
    assert counts(mapped, "test") == 16 and mapped["images"]["test"]["disgust"] == 4 and "Left out" not in said
    by_number, _ = read(numbers, "--classes", "alphabetical-8", "--map", "1=disgust")
    assert by_number["fingerprint"] == mapped["fingerprint"]


@pytest.mark.parametrize("form", ["{}", "emotion_{}", "Emotion {}"])
def test_a_column_for_each_class(read, tmp_path, form):
    plain, _ = read(table(tmp_path / "plain" / "a.csv", rows()))
    names = [form.format(name) for name in CLASSES]
    one_hot = [(pixels, usage, *(int(number == NUMBERS[name]) for name in CLASSES)) for number, pixels, usage in rows()]
    path = table(tmp_path / "hot" / "a.csv", one_hot, header=",".join(["pixels", "Usage", *names]))
    figures, said = read(path)
    assert figures["fingerprint"] == plain["fingerprint"]
    assert f"Took the columns {names[0]}" in said
    two = [(pixels, usage, 1, 1, 0, 0, 0, 0, 0) for _, pixels, usage in rows()]
    said = refused(table(tmp_path / "two" / "a.csv", two, header=",".join(["pixels", "Usage", *names])))
    assert f"{names[0]} and {names[1]} both have 1" in said and "row 1 (line 2)" in said
    votes = [(pixels, usage, 8, 1, 1, 0, 0, 0, 0) for _, pixels, usage in rows()]
    said = refused(table(tmp_path / "votes" / "a.csv", votes, header=",".join(["pixels", "Usage", *names])))
    assert f"{names[0]} is '8', expected 0 or 1" in said


def run_in(folder, said, start):
    """Runs the command of a message in bash, with the tests' Python."""
    (line,) = re.findall(rf"({start}.*)\n", said)
    python = f"python3() {{ {sys.executable} \"$@\"; }}; "
    done = subprocess.run(["bash", "-c", python + line], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("separator, slash, split", [(",", "\\", False), (";", "/", True), ("\t", "\\", True)])
def test_a_table_of_file_names_gives_the_line_that_sorts_them(read, tmp_path, separator, slash, split):
    data = tree(tmp_path / "plain" if split else tmp_path / "whole", ("train", "test") if split else ("all",))
    plain, _ = read(data if split else data / "all")
    names = sorted(str(file.relative_to(data)) for file in data.rglob("*.png"))
    faces = tmp_path / "my faces"
    lines = []
    for name in names:
        part, class_, file = name.split("/")
        to = faces / "images" / f"{part} {class_}_{file}"
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_bytes((data / name).read_bytes())
        lines.append((f"images{slash}{to.name}", class_, part)[: 3 if split else 2])
    header = separator.join(["Image Path", "label", "split"][: 3 if split else 2])
    path = table(faces / "labels.csv", lines, header=header, separator=separator)
    for given in (path, faces):
        said = refused(given)
        assert "labels.csv, header: has names of image files (Image Path: images" in said, said
    run_in(tmp_path, said, "python3 -c ")
    figures, _ = read(faces / "labels.sorted")
    assert figures["images"] == plain["images"]


def test_images_called_as_classes_give_the_commands_that_sort_them(read, tmp_path):
    folder = tmp_path / "my faces"
    folder.mkdir()
    for number in range(12):
        face(number).save(folder / f"{('happy', 'unhappy', 'angry')[number % 3]}_{number:03}.png")
    said = refused(folder)
    assert "images of classes in no folders of their own" in said
    (tmp_path / "parts").mkdir()
    folder.rename(tmp_path / "parts" / "train")  # not sorted within a part, either
    assert "parts/train: has images of classes in no folders of their own" in refused(tmp_path / "parts")
    (tmp_path / "parts" / "train").rename(folder)
    run_in(tmp_path, said, "mkdir ")
    figures, _ = read(folder)
    assert figures["images"]["test"]["happy"] == 4 and figures["images"]["test"]["sad"] == 4


def test_images_that_are_no_faces_are_set_aside_and_others_turned(read, tmp_path):
    path = tree(tmp_path / "data")
    happy = path / "train" / "happy"
    Image.new("L", (1, 1)).save(happy / "dot.png")
    face(1).save(happy / "moving.png", save_all=True, append_images=[face(2)])
    face(1).convert("RGB").save(happy / "moving.webp", save_all=True, append_images=[face(2).convert("RGB")])
    exif = Image.Exif()
    exif[0x112] = 6
    for name in ("turned.jpg", "turned.png", "turned.webp"):
        face(3).save(happy / name, exif=exif)
    figures, said = read(path)
    assert "Set aside 3 files" in said and "Turned 3 images upright, as EXIF says" in said
    assert "dot.png (1×1 pixels, expected 8 to 16384" in said and said.count("an animation") == 2
    assert figures["images"]["train"]["happy"] + figures["images"]["validation"]["happy"] == 13


def test_an_address_is_no_path(tmp_path):
    said = refused("https://example.org/fer2013.csv")
    assert "This is an address: download" in said
