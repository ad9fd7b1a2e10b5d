"""Command lines that messages print are pasted into a shell here, with names as files and classes have them."""

import csv
import gzip
import os
import re
import shutil
import subprocess
import sys
import tarfile
import unicodedata
import zipfile

import pytest
from program import fer
from test_data_cases import CLASSES, counts, images, read, rows, table, tree
from test_data_doubts import FILES, GERMAN, MEANT, refused

__all__ = ["read"]  # a fixture
ODD = ("-1", "--help", "a b", "it's", "a,b=c", "x=y", "u\u0308ber", "a:b", "=ls", "[1]", "c\\,d", os.fsdecode(b"\xbb\xe7"))
# A word as a shell reads it: quotes, and characters that end no word.
WORD = re.compile(r"""(?:\$'(?:\\.|[^'\\])*'|'[^']*'|"[^"]*"|\\.|[^\s'"\\;()|&<>$])+""")


def bash(line, folder, **variables):
    command = ["bash", "-c", line]
    done = subprocess.run(command, cwd=folder, env={**os.environ, **variables}, capture_output=True)
    assert done.returncode == 0, (line, done.stderr)
    return done.stdout


def words(line, folder):
    """What bash makes of a line's words."""
    return bash("printf '%s\\0' " + line, folder).split(b"\0")[:-1]


@pytest.fixture
def programs(tmp_path):
    """A folder with the programs that may be missing here: `unzip` and `7z`, which unpack zip archives."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name in ("unzip", "7z"):
        (folder / name).write_text(
            f"#!{sys.executable}\n"
            "import sys, zipfile\n"
            "words = sys.argv[1:]\n"
            "if words[0] == 'x': file, to = words[1], words[2].removeprefix('-o')\n"
            "else: file, to = words[0], words[words.index('-d') + 1]\n"
            "assert not file.startswith('-') and words[-1] != file\n"
            "zipfile.ZipFile(file).extractall(to)\n"
        )
        (folder / name).chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def zipped(path, source):
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(source.rglob("*.png")):
            archive.write(file, file.relative_to(source))


def unpacking(said):
    return said.split("Unpack it: ")[1].rsplit(", and give", 1)[0]


@pytest.mark.parametrize("number", range(len(ODD)))
def test_an_archive_is_unpacked_by_the_line(tmp_path, programs, number):
    name, kind = ODD[number], ("zip", "tar.gz", "csv.gz", "csv")[number % 4]
    place, source = tmp_path / "place", tree(tmp_path / "source")
    place.mkdir()
    path = place / f"{name}.{kind}"
    if kind == "zip":
        zipped(path, source)
    elif kind == "tar.gz":
        with tarfile.open(path, "w:gz") as archive:
            archive.add(source, "faces")
    else:
        path.write_bytes(gzip.compress(table(tmp_path / "plain.csv", rows()).read_bytes()))
    # By a name alone, as in the folder, and by the whole path.
    for given, folder in ((os.path.relpath(path, place), place), (path, tmp_path)):
        said = fer("data", f"--data={given}", cwd=folder).stderr
        before = set(place.iterdir())
        bash(unpacking(said), folder, PATH=programs)
        (new,) = set(place.iterdir()) - before
        done = fer("data", f"--data={new}")
        assert done.returncode == 0 and "Found 56 images" in done.stdout, done.stderr
        shutil.rmtree(new) if new.is_dir() else new.unlink()


def test_several_archives_do_not_mix(read, tmp_path, programs):
    """Each holds folders of the classes; below one folder they would be one part."""
    source, data = tree(tmp_path / "source"), tmp_path / "the data"
    data.mkdir()
    for part in ("train", "test"):
        zipped(data / f"{part}.zip", source / part)
    said = refused(data)
    lines = said.split("give the folder again: ")[1].rstrip(".\n")
    bash(lines, tmp_path, PATH=programs)
    figures, _ = read(data)
    assert counts(figures, "train") == 56 and counts(figures, "test") == 14


@pytest.mark.parametrize("number", range(len(FILES)))
def test_the_file_is_a_word_of_the_line(tmp_path, number):
    """Of whatever kind it is and whatever it is called, a shell reads its name and no program takes it for an
    option."""
    name, content, _, way_out = FILES[number]
    if "{}" not in way_out and "pandas" not in way_out and "numpy" not in way_out:
        pytest.skip("nothing to paste")
    for odd in (ODD[0], ODD[number % len(ODD)]):
        (tmp_path / f"{odd}{name}").write_bytes(content)
        said = fer("data", f"--data={odd}{name}", cwd=tmp_path).stderr
        rest = said.split(": is ", 1)[1]
        commands = WORD.findall(rest[max(rest.find("python3 -c"), 0) :])  # prose in front has apostrophes
        found = (word.rstrip(b",") for line in commands for word in words(line, tmp_path))
        paths = [word for word in found if word.endswith(os.fsencode(name))]
        assert os.fsencode(f"{odd}{name}") in [path.removeprefix(b"./") for path in paths], said
        assert not any(path.startswith(b"-") for path in paths), said


@pytest.mark.parametrize("place", ["folders", "table"])
def test_classes_of_any_name_are_mapped_by_the_line(read, tmp_path, place):
    names = ODD[:7] if place == "folders" else ("a,b=c", "-1", "--help", "a b", "it's", "x=y", "u\u0308ber")
    if place == "folders":
        path = tree(tmp_path / "data", classes=names)
    else:
        path = tmp_path / "faces.csv"
        with open(path, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("emotion", "pixels", "Usage"))
            writer.writerows(rows(dict(zip(CLASSES, names)).get))
    said = refused(path)
    lines = said.split("Say what the names mean: ")[1].split("; CLASS is")[0]
    options = [os.fsdecode(word) for word in words(lines, tmp_path)]
    assert sum("=CLASS" in word for word in options) == len(names)
    meant = iter(CLASSES)
    options = [re.sub("=CLASS$", lambda _: f"={next(meant)}", word) for word in options]
    figures, _ = read(path, *options)
    assert all(figures["images"]["train"][name] == 8 for name in CLASSES), figures["images"]
    # The same by the variable.
    line = said.split("In a notebook: ")[1].rstrip(".\n")
    variable = bash(f"{line}; printf %s \"$FER_MAP\"", tmp_path).decode()
    meant = iter(CLASSES)
    done = fer("data", "--data", path, FER_MAP=re.sub("=CLASS", lambda _: f"={next(meant)}", variable))
    assert done.returncode == 0 and "Left out" not in done.stdout, done.stderr


@pytest.mark.parametrize("name", ODD)
def test_a_class_that_is_left_out_is_taken_by_the_line(read, tmp_path, name):
    path = tree(tmp_path / "data")
    images(path / "train" / name, 2, 700)
    _, said = read(path)
    line = re.search(r"none of the seven \((.*), or FER_MAP", said)[1]
    figures, _ = read(path, *(os.fsdecode(word).replace("=CLASS", "=sad") for word in words(line, tmp_path)))
    both = [figures["images"][part]["sad"] for part in ("train", "validation")]
    assert sum(both) == 12


def test_a_name_is_the_same_in_both_spellings(read, tmp_path):
    """macOS writes "u" and a mark where others have one letter."""
    path = tree(tmp_path / "data", classes=[unicodedata.normalize("NFD", name) for name in GERMAN])
    for form in ("NFC", "NFD"):
        pairs = [f"{unicodedata.normalize(form, name)}={to}" for name, to in zip(GERMAN, MEANT) if name != "Neutral"]
        figures, _ = read(path, "--map", ",".join(pairs))
        assert all(figures["images"]["train"].values())


def test_what_is_moved_by_the_line_is_read(read, tmp_path):
    for way in (0, 1):
        path = tree(tmp_path / str(way) / "the data")
        images(path / "train" / "happy" / "sad", 3, 500)
        said = refused(path)
        first, second = re.findall(r"mv .*?(?=; if|\n)", said)
        bash((first, second)[way], tmp_path)
        figures, _ = read(path)
        images_of = {name: sum(figures["images"][part][name] for part in ("train", "validation")) for name in CLASSES}
        assert (images_of["sad"], images_of["happy"]) == ((13, 10), (10, 13))[way]


def test_a_table_without_names_is_given_some_by_the_line(tmp_path):
    path = tmp_path / "-my faces.csv"
    lines = [f"{number},{row[0]},{row[1]},{row[2]}" for number, row in enumerate(rows())]
    path.write_text("\n".join(lines) + "\n")
    said = fer("data", f"--data={path.name}", cwd=tmp_path).stderr
    assert "is a row of data and no names of columns" in said
    line = said.split("order of the columns: ")[1].rstrip(".\n").replace("emotion,pixels", "number,emotion,pixels")
    bash(line, tmp_path)
    (new,) = (file for file in tmp_path.iterdir() if file.name != path.name)
    assert fer("data", f"--data={new.name}", cwd=tmp_path).returncode == 0
