"""Data that could be read otherwise than it is meant, or not at all: the error says what is there and what helps."""

import bz2
import gzip
import io
import json
import lzma
import os
import shlex
import shutil
import sqlite3
import subprocess
import tarfile
import zipfile

import numpy as np
import pytest
from program import PRETRAINED, fer
from test_data_cases import CLASSES, NUMBERS, images, read, rows, table, tree

__all__ = ["read"]  # a fixture
GERMAN = ("Angst", "Ekel", "Freude", "Neutral", "Trauer", "Wut", "Überraschung")
MEANT = ("fear", "disgust", "happy", "neutral", "sad", "angry", "surprise")
ENGLISH = dict(zip(CLASSES, ("Wut", "Ekel", "Angst", "Freude", "Neutral", "Trauer", "Überraschung")))


def refused(path, *options, command="data"):
    done = fer(command, "--data", path, *options)
    assert done.returncode == 1 and done.stdout == "" and done.stderr.count("\n") == 1, done
    return done.stderr


def maps(said):
    """The options that a message gives, as a shell would read them."""
    words = shlex.split(said.split("Say what the names mean: ")[1].split(";")[0])
    assert set(words[::2]) == {"--map"}
    return words[1::2]


def one_level(root, names):
    return tree(root, ("all",), names) / "all"


@pytest.mark.parametrize("place", [tree, one_level])
def test_classes_in_another_language_are_asked_about(read, tmp_path, place):
    path = place(tmp_path / "data", classes=GERMAN) if place is tree else place(tmp_path / "data", GERMAN)
    for command in ("data", "evaluate", "train"):
        said = refused(path, command=command)
        assert "6 classes mean none of the seven" in said and "understood is Neutral" in said
    assert maps(said) == [f"{name}=CLASS" for name in GERMAN if name != "Neutral"]
    options = [word for pair in zip(GERMAN, MEANT) if pair[0] != "Neutral" for word in ("--map", "=".join(pair))]
    figures, _ = read(path, *options)
    assert all(figures["images"][part][name] for part in ("test",) for name in CLASSES)


def test_a_table_in_another_language_is_asked_about(tmp_path):
    path = table(tmp_path / "faces.csv", rows(ENGLISH.get))
    assert len(maps(refused(path))) == 6
    none = table(tmp_path / "none.csv", rows(lambda name: f"x{NUMBERS[name]}x"))
    said = refused(none)
    assert len(maps(said)) == 7 and "understood" not in said
    # Not one word that is English, in folders.
    names = [f"klasse{chr(97 + number)}" for number in range(7)]
    for path in (tree(tmp_path / "parts", classes=names), one_level(tmp_path / "flat", names)):
        assert len(maps(refused(path))) == 7


def test_misspelt_classes_are_guessed_and_not_left_out(read, tmp_path):
    names = ("angry", "disgust", "fear", "hapy", "neutral", "sad", "suprise")
    for path in (
        tree(tmp_path / "data", classes=names),
        table(tmp_path / "faces.csv", rows(dict(zip(CLASSES, names)).get)),
    ):
        said = refused(path)
        assert maps(said) == ["hapy=happy", "suprise=surprise"]
        figures, _ = read(path, "--map", "hapy=happy", "--map", "suprise=surprise")
        assert all(figures["images"]["train"].values())
    # Beside the class itself it may be anything: a note, with the same guess.
    images(tmp_path / "both" / "happy", 5)
    images(tmp_path / "both" / "hapy", 3, 5)
    _, said = read(tmp_path / "both")
    assert "Left out 3 images of class hapy" in said and "--map hapy=happy" in said


def test_most_images_of_no_class_are_asked_about(read, tmp_path):
    for name, count in (("happy", 4), ("sad", 4), ("background", 9)):
        images(tmp_path / "data" / name, count, 30 * len(name))
    assert maps(refused(tmp_path / "data")) == ["background=CLASS"]
    _, said = read(tmp_path / "data", "--map", "background=none")
    assert "Left out 9 images of class background, as the map says" in said


def kaggle_from_one(name):
    return NUMBERS[name] + 1


def test_numbers_from_one_are_asked_about(read, tmp_path):
    path = table(tmp_path / "raf.csv", rows(kaggle_from_one))
    for command in ("data", "evaluate", "train"):
        said = refused(path, command=command)
        assert "1, 2, 3, 4, 5, 6, 7" in said and "--classes raf-db (1 surprise" in said and "--map 1=" in said
    for wrong in ("kaggle", "alphabetical", "affectnet"):
        said = refused(path, "--classes", wrong)
        assert f"and {wrong} has 0 " in said and "--classes raf-db" in said
    figures, _ = read(path, "--classes", "raf-db")
    row = next(row for row in figures["layout"]["taken"] if row["found"] == "Training 4")
    assert row["class"] == "happy"
    # By a map of all numbers, too.
    figures, _ = read(path, "--map", ",".join(f"{kaggle_from_one(name)}={name}" for name in CLASSES))
    assert all(figures["images"]["train"].values())


def test_a_numbering_that_does_not_fit_is_an_error(read, tmp_path):
    path = tree(tmp_path / "data", classes=[str(number) for number in range(7)])
    assert "raf-db has 1 surprise" in refused(path, "--classes", "raf-db")
    table(tmp_path / "faces.csv", rows())
    assert "do not fit" in refused(tmp_path / "faces.csv", "--classes", "raf-db")
    eight = tree(tmp_path / "eight", classes=[str(number) for number in range(8)])
    assert "alphabetical has 0 angry" in refused(eight, "--classes", "alphabetical")
    figures, said = read(eight, "--classes", "affectnet")
    assert "class 7" in said and figures["images"]["train"]["neutral"] == 8


@pytest.mark.parametrize(
    "option, part",
    [
        (["--map", "happy=happy"], "taken for happy without it"),
        (["--map", "bored=sad"], "found were the classes angry"),
        (["--map", "happy=sad", "--map", "happy=fear"], "each class once"),
    ],
)
def test_a_map_without_effect_is_said(tmp_path, option, part):
    path = tree(tmp_path / "data")
    assert part in refused(path, *option)
    done = fer("data", "--data", path, "--map", "happy=sad,Happy=fear")
    assert done.returncode == 2 and "each class once" in done.stderr


def test_a_map_of_the_environment_without_effect_is_a_note(tmp_path):
    done = fer("data", "--data", tree(tmp_path / "data"), FER_MAP="bored=sad")
    assert done.returncode == 0 and "The map says what bored is, and the data has no such class" in done.stdout


CSV = b"emotion,pixels,Usage\n0,1 2 3,Training\n"


def tar_of(content, mode="w"):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as archive:
        entry = tarfile.TarInfo("fer2013/fer2013.csv")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def zip_of(*names):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in names:
            archive.writestr(name, CSV)
    return packed.getvalue()


def array(save, *arguments, **arrays):
    packed = io.BytesIO()
    save(packed, *arguments, **arrays)
    return packed.getvalue()


# What a file is called, what it holds, what the message calls it, and the command that helps.
FILES = [
    ("fer2013.csv", gzip.compress(CSV * 100), "a gzip archive", "gunzip -c {} > "),
    ("fer2013.csv.gz", gzip.compress(CSV), "a gzip archive", "gunzip -k {}"),
    ("fer2013.csv", gzip.compress(tar_of(CSV)), "a gzip archive", "tar -xf {}"),
    ("archive.tgz", tar_of(CSV, "w:gz"), "a gzip archive", "tar -xf {}"),
    ("archive.gz", tar_of(CSV, "w:gz"), "a gzip archive", "tar -xf {}"),
    ("fer2013.csv", lzma.compress(CSV), "an xz archive", "xz -d -c {} > "),
    ("fer2013.csv.bz2", bz2.compress(CSV), "a bzip2 archive", "bzip2 -d -k {}"),
    ("fer2013.csv", b"\x28\xb5\x2f\xfd" + bytes(9), "a zstd archive", "zstd -d -c {} > "),
    ("fer2013.tar.xz", tar_of(CSV, "w:xz"), "an xz archive", "tar -xf {}"),
    ("fer2013.csv", zip_of("fer2013.csv"), "a zip archive", "unzip {} -d"),
    ("fer2013.csv", b"7z\xbc\xaf\x27\x1c" + bytes(30), "a 7z archive", "7z x {} "),
    ("fer2013.csv", zip_of("[Content_Types].xml", "xl/workbook.xml"), "an Excel workbook", "pandas.read_excel"),
    ("faces.xlsx", zip_of("docProps/app.xml", "xl/workbook.xml"), "an Excel workbook", "openpyxl"),
    ("faces.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), "Office file from before 2007", "xlrd"),
    ("train.parquet", b"PAR1" + bytes(99), "a Parquet table", "pandas.read_parquet"),
    ("faces.db", b"SQLite format 3\0" + bytes(99), "an SQLite database", "sqlite3 -header -csv {}"),
    ("fer2013.csv", b"version https://git-lfs.test/spec/v1\noid sha256:00\nsize 3\n", "a Git LFS pointer", "lfs pull"),
    ("fer2013.csv", b"\n<html><head><title>Sign in", "a web page", "signed in"),
    ("fer2013.csv", b'<?xml version="1.0"?>\n<Error><Code>AccessDenied', "an XML file", "download"),
    ("fer2013.csv", b'{"code":401,"message":"Unauthorized"}', "a JSON file", "message"),
    ("faces.json", json.dumps([{"emotion": 1}]).encode(), "a JSON file", "pandas.read_json"),
    ("faces.npy", array(np.save, np.zeros((2, 48, 48))), "a NumPy array", "numpy.load"),
    ("faces.npz", array(np.savez, x=np.zeros(3), y=np.zeros(2)), "a NumPy archive", "numpy.load"),
    ("faces.h5", b"\x89HDF\r\n\x1a\n" + bytes(99), "an HDF5 file", "h5py"),
    ("fer2013.csv", bytes(5000), "nothing but zeros", "again"),
]


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("name, content, kind, way_out", FILES)
def test_a_file_is_called_what_it_is(tmp_path, name, content, kind, way_out, inside):
    path = tmp_path / "the data" / name
    path.parent.mkdir()
    path.write_bytes(content)
    said = refused(path.parent if inside else path)
    assert kind in said and way_out.format(shlex.quote(str(path))) in said, said


def test_an_empty_file_is_said_to_be_empty(tmp_path):
    (tmp_path / "fer2013.csv").touch()
    assert "is empty" in refused(tmp_path / "fer2013.csv")
    (tmp_path / "fer2013.csv").write_text("\n\n")
    assert "fer2013.csv" in refused(tmp_path / "fer2013.csv")


@pytest.mark.parametrize(
    "name, packed",
    [("fer2013.csv", gzip.compress), ("a b.csv", lzma.compress), ("c.csv.bz2", bz2.compress)],
)
def test_the_command_unpacks(tmp_path, name, packed):
    (tmp_path / name).write_bytes(packed(table(tmp_path / "plain.csv", rows()).read_bytes()))
    said = refused(tmp_path / name)
    command = said.split("Unpack it: ")[1].split(", and give")[0]
    if shutil.which(command.split()[0]) is None:
        pytest.skip(f"{command.split()[0]} is not installed")
    (tmp_path / "plain.csv").unlink()
    subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True)
    new = [path for path in tmp_path.iterdir() if path.name != name]
    assert len(new) == 1 and fer("data", "--data", new[0]).returncode == 0


def test_a_database_is_looked_into_by_the_command(tmp_path):
    """The message's words for sqlite3 are those that it takes, where it is installed."""
    path = tmp_path / "faces.db"
    with sqlite3.connect(path) as base:
        base.execute("create table faces (emotion, pixels, Usage)")
        base.executemany("insert into faces values (?, ?, ?)", rows())
    said = refused(path)
    assert f"sqlite3 {path} .tables" in said and f"> {path.with_suffix('.csv')}" in said


def test_a_folder_with_one_table_says_what_is_wrong_with_it(tmp_path):
    (tmp_path / "data" / "deep").mkdir(parents=True)
    (tmp_path / "data" / "README.md").write_text("Faces.")
    path = tmp_path / "data" / "deep" / "fer2013.csv"
    for content, part in (
        ("404: Not Found", "it has 404: Not Found"),
        ("feeling,pixels\n1,1 2\n", "no column emotion"),
    ):
        path.write_text(content)
        assert f"{path}, header: " in (said := refused(tmp_path / "data")) and part in said
    for name in CLASSES:
        (tmp_path / "empty" / name).mkdir(parents=True)
    assert "folders of its classes are empty" in refused(tmp_path / "empty")


def test_several_archives_each_get_their_command(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "README.txt").write_text("Unpack these.")
    (data / "train.zip").write_bytes(zip_of("angry/1.jpg"))
    (data / "test.tar.gz").write_bytes(tar_of(CSV, "w:gz"))
    (data / "labels.csv").write_bytes(gzip.compress(CSV))
    said = refused(data)
    for part in ("3 files", "unzip", "train.zip -d", "test.tar.gz -C", "gunzip -c", "(a gzip archive)"):
        assert part in said, said
    # A folder for each part, and the classes packed.
    for number, name in enumerate(CLASSES):
        (tmp_path / "parts" / "train").mkdir(parents=True, exist_ok=True)
        (tmp_path / "parts" / "train" / f"{name}.zip").write_bytes(zip_of(f"{number}.jpg"))
    assert refused(tmp_path / "parts").count("unzip ") == 7


def test_what_is_passed_over_is_named_with_counts(read, tmp_path):
    path = tree(tmp_path / "given" / "data")
    images(path / "extra" / "deep", 3)
    (path / "test.zip").write_bytes(zip_of("angry/1.jpg"))
    (path / "train" / "papers").mkdir()
    (path / "train" / "papers" / "notes.txt").write_text("hello")
    (path / "train" / "labels.csv").write_text("a,b\n")
    images(tmp_path / "given" / "other", 2)
    (tmp_path / "given" / "licence.txt").write_text("free")
    figures, said = read(tmp_path / "given")
    for line in (
        "passed over: 1 (folders that are no part): extra (3 files)",
        "passed over: 1 (files beside the parts): test.zip (a zip archive)",
        "passed over: 1 (folders without images): train/papers (1 file)",
        "passed over: 1 (files beside the classes): train/labels.csv",
        "passed over: 1 (folders beside the data): other (2 files)",
        "passed over: 1 (files beside the data): licence.txt",
    ):
        assert line in said, said
    assert figures["layout"]["passed_over"]["folders that are no part"] == 1
    assert figures["layout"]["passed_over_names"]["folders that are no part"] == ["extra (3 files)"]
    both = table(tmp_path / "table" / "fer2013.csv", rows()).parent
    images(both / "pictures", 4)
    _, said = read(both)
    assert "left alone: pictures (4 files)" in said


def test_counts_are_singular_and_plural(read, tmp_path):
    images(tmp_path / "data" / "happy", 1)
    _, said = read(tmp_path / "data")
    assert "Found 1 image belonging to 1 class." in said and "Found 0 images belonging to 1 class." in said


@pytest.mark.skipif(shutil.which("setpriv") is None and os.geteuid() == 0, reason="root reads every file")
def test_files_without_permission_are_counted_apart(tmp_path):
    path = tree(tmp_path / "data")
    (path / "train" / "sad" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    first = next((path / "train" / "happy").iterdir())
    first.chmod(0)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_mode & 0o005 == 0:
            folder.chmod(folder.stat().st_mode | 0o755)
    other = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups") if os.geteuid() == 0 else ()
    if fer("--version", wrapper=other).returncode != 0:
        pytest.skip("another user can't start the program here")
    done = fer("data", "--data", path, wrapper=other)
    assert done.returncode == 0, done.stderr
    assert "1 file of 85 that can't be decoded: train/sad/broken.png" in done.stdout
    assert "1 file of 85 that can't be read: train/happy/" in done.stdout and "Permission denied" in done.stdout
    for file in (path / "train" / "happy").iterdir():
        file.chmod(0)
    done = fer("data", "--data", path, wrapper=other)
    assert done.returncode == 1 and "10 of its 10 files can't be read" in done.stderr and "chmod" in done.stderr


def test_calibrate_says_why_there_is_nothing_to_fit_on(tmp_path):
    few = tree(tmp_path / "few")
    run = PRETRAINED[0].parent / "vgg"
    done = fer("evaluate", "--run", run, "--data", few, "--calibrate")
    assert done.returncode == 1 and "holds back 5 % of each class" in done.stderr, done.stderr
    assert "at least 20 training images of a class" in done.stderr
    done = fer("evaluate", "--run", run, "--data", tree(tmp_path / "test", ("test",)), "--calibrate")
    assert done.returncode == 1 and "no training images either" in done.stderr, done.stderr
    done = fer("evaluate", "--run", run, "--data", few)
    assert "fitted on the run's own validation images" in done.stdout
    own = tree(tmp_path / "own", ("train", "val", "test"))
    done = fer("evaluate", "--run", run, "--data", own, "--calibrate")
    assert "fitted on this data's validation images" in done.stdout, done.stderr
