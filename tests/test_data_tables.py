"""Tables as people write them: which of several columns counts, how a table begins, how its pixels are written."""

import pytest
from test_data_cases import CLASSES, NUMBERS, counts, read, rows, table
from test_data_doubts import refused

__all__ = ["read"]  # a fixture


@pytest.fixture
def plain(read, tmp_path):
    figures, _ = read(table(tmp_path / "plain" / "plain.csv", rows()))
    return figures["fingerprint"]


def word(number):
    return next(name for name, is_number in NUMBERS.items() if is_number == number)


def test_two_columns_that_agree_are_one_with_a_note(read, tmp_path, plain):
    both = [(word(row[0]), *row, "train" if row[2] == "Training" else "test") for row in rows()]
    path = table(tmp_path / "a.csv", both, header="label,emotion,pixels,Usage,split")
    figures, said = read(path)
    assert figures["fingerprint"] == plain
    assert "Took the column emotion for the class, and not label (another name for emotion" in said
    assert "Took the column Usage for the part, and not split" in said
    twice = [(row[0], *row) for row in rows()]
    figures, said = read(table(tmp_path / "b.csv", twice, header="emotion,emotion,pixels,Usage"))
    assert figures["fingerprint"] == plain and "and not emotion" in said
    names = [(row[0], f"{number}.png", *row[1:]) for number, row in enumerate(rows())]
    figures, said = read(table(tmp_path / "c.csv", names, header="emotion,image,pixels,Usage"))
    assert figures["fingerprint"] == plain and "Took the column pixels for the pixels, and not image" in said


@pytest.mark.parametrize(
    "header, more, parts",
    [
        ("emotion,pixels,Usage,label", lambda row: word((row[0] + 1) % 7), ("emotion is '0'", "label is 'disgust'")),
        ("emotion,pixels,Usage,emotion", lambda row: (row[0] + 1) % 7, ("emotion is '0' and emotion is '1'",)),
        ("emotion,pixels,Usage,split", lambda row: "train", ("Usage is 'PublicTest'", "split is 'train'")),
        ("emotion,pixels,Usage,is_train", lambda row: 1, ("'PublicTest'", "is_train")),
    ],
)
def test_columns_that_contradict_each_other_are_an_error(tmp_path, header, more, parts):
    path = table(tmp_path / "a.csv", [(*row, more(row)) for row in rows()], header=header)
    for command in ("data", "train", "evaluate"):
        said = refused(path, command=command)
        for part in (*parts, "rename the column that is not meant", "row "):
            assert part in said, said


@pytest.mark.parametrize(
    "header, flags, expected",
    [
        ("is_train", lambda part: [int(part == "Training")], [56, 14, 14]),
        ("isTrain", lambda part: [part == "Training"], [56, 14, 14]),
        ("is_valid", lambda part: [str(part != "Training").lower()], [70, 14, 0]),
        ("is_valid,is_test", lambda part: [0, int(part != "Training")], [56, 14, 14]),
    ],
)
def test_yes_and_no_say_the_part(read, tmp_path, header, flags, expected):
    lines = [(*row[:2], *flags(row[2])) for row in rows()]
    figures, said = read(table(tmp_path / "a.csv", lines, header=f"emotion,pixels,{header}"))
    assert [counts(figures, part) for part in ("train", "validation", "test")] == expected, said


def lists(pixels):
    """As NumPy prints an array of 48 × 48."""
    numbers = pixels.split()
    lines = [" ".join(numbers[start : start + 48]) for start in range(0, 2304, 48)]
    return '"[[' + "]\n [".join(lines) + ']]"'


BEGINNINGS = {
    "excel": lambda path: table(path, rows(), header="sep=;\nemotion;pixels;Usage", separator=";"),
    "excel with a mark": lambda path: table(
        path, rows(), header="sep=;\nemotion;pixels;Usage", separator=";", encoding="utf-8-sig", newline="\r\n"
    ),
    "excel in UTF-16": lambda path: table(
        path, rows(), header="sep=\t\nemotion\tpixels\tUsage", separator="\t", encoding="utf-16"
    ),
    "comments": lambda path: table(path, rows(), header="# Faces, 2021\n\n# by hand\nemotion,pixels,Usage"),
    "commented header": lambda path: table(path, rows(), header="#emotion,pixels,Usage"),
    "no header": lambda path: table(path, list(rows())[1:], header=",".join(map(str, next(rows())))),
    "lines in lists": lambda path: table(path, [(row[0], lists(row[1]), row[2]) for row in rows()]),
    "a column a pixel": lambda path: table(
        path,
        [(row[2], *row[1].split(), row[0]) for row in rows()],
        header="Usage," + ",".join(f"pixel{number}" for number in range(2304)) + ",emotion",
    ),
    "numbered columns": lambda path: table(
        path,
        [(row[0], row[2], *row[1].split()) for row in rows()],
        header="emotion,Usage," + ",".join(map(str, range(2304))),
    ),
    "0 to 1": lambda path: table(
        path, [(row[0], " ".join(f"{int(value) / 255:.6f}" for value in row[1].split()), row[2]) for row in rows()]
    ),
}


@pytest.mark.parametrize("name", BEGINNINGS)
def test_a_table_is_read_however_it_is_written(read, tmp_path, plain, name):
    figures, said = read(BEGINNINGS[name](tmp_path / "faces" / "faces.csv"))
    assert figures["fingerprint"] == plain, said
    figures, _ = read(tmp_path / "faces")
    assert figures["fingerprint"] == plain


def test_a_bad_row_is_named_by_its_line_in_the_file(tmp_path):
    lines = list(rows())
    lines[2] = (3, "1 2 3", "Training")
    said = refused(table(tmp_path / "a.csv", lines, header="sep=,\n# by hand\nemotion,pixels,Usage"))
    assert "row 3 (line 6): pixels: 3 values" in said


def test_names_in_latin_1_are_read(read, tmp_path):
    names = dict(zip(CLASSES, ("Wut", "Ekel", "Angst", "Glück", "Neutral", "Trauer", "Überraschung")))
    path = table(tmp_path / "a.csv", rows(names.get), encoding="latin-1")
    assert "--map Glück=CLASS" in refused(path)
    options = [word for name in CLASSES if name != "neutral" for word in ("--map", f"{names[name]}={name}")]
    figures, _ = read(path, *options)
    assert all(figures["images"]["train"].values())


def test_pixels_of_two_kinds_are_an_error(tmp_path):
    lines = [(row[0], " ".join(["0.5"] * 2304) if number % 2 else row[1], row[2]) for number, row in enumerate(rows())]
    said = refused(table(tmp_path / "a.csv", lines))
    assert "row 2 (line 3)" in said and "has pixels from 0 to 1, and row 1 (line 2) from 0 to 255" in said


def test_arrays_that_numpy_cut_short_are_said(tmp_path):
    said = refused(table(tmp_path / "a.csv", [(3, '"[[1 2 3 ... 4 5 6]]"', "Training")] * 9))
    assert "cut short with '...', as NumPy prints long arrays" in said and "row 1 (line 2)" in said


def test_white_and_black_are_so_on_both_scales(read, tmp_path):
    """Images of nothing but 0 and 1 count as the others of their table."""
    flat = [(3, " ".join(["1"] * 2304), "Training"), (3, " ".join(["0"] * 2304), "Training")] * 5
    unit = [(row[0], " ".join(f"{int(value) / 255:.6f}" for value in row[1].split()), row[2]) for row in rows()]
    white = [(row[0], row[1].replace("1", "255"), row[2]) for row in flat]
    first, said = read(table(tmp_path / "a.csv", flat + unit))
    second, _ = read(table(tmp_path / "b.csv", white + list(rows())))
    assert first["fingerprint"] == second["fingerprint"] and "from 0 to 1 to 0 to 255" in said
