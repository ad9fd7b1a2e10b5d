"""Writes a notebook whose first cell works, for `make notebook NAME=try`.

    new_notebook.py NAME [FOLDER]     FOLDER/NAME.ipynb; otherwise in notebooks/
"""

import json
import re
import sys
from pathlib import Path

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"

CELLS = (
    ("markdown", "# {name}"),
    ("code", ":dep fer_nb\nuse fer_nb::prelude::*;"),
    ("code", "let data = FaceData::open()?;\ndata"),
)


def cell(number, kind, source):
    made = {"id": f"cell-{number}", "cell_type": kind, "metadata": {}, "source": source.splitlines(keepends=True)}
    return made | ({"execution_count": None, "outputs": []} if kind == "code" else {})


def notebook(name):
    return {
        "cells": [cell(n, kind, source.format(name=name)) for n, (kind, source) in enumerate(CELLS)],
        "metadata": {
            "kernelspec": {"display_name": "Rust (fer_nb)", "language": "rust", "name": "rust"},
            "language_info": {"file_extension": ".rs", "mimetype": "text/x-rustsrc", "name": "rust"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def main(arguments):
    if not 1 <= len(arguments) <= 2:
        print(__doc__, file=sys.stderr)
        return 2
    name = arguments[0].removesuffix(".ipynb")
    if not re.fullmatch(r"\w[\w.-]*", name):
        expected = "letters, digits, `_`, `-` and `.`, as in `make notebook NAME=try`"
        print(f"NAME={name}: expected {expected}", file=sys.stderr)
        return 2
    path = Path(arguments[1]) if len(arguments) == 2 else NOTEBOOKS
    path = path / f"{name}.ipynb"
    try:
        with open(path, "x") as file:
            json.dump(notebook(name), file, indent=1)
            file.write("\n")
    except FileExistsError:
        print(f"{path} is there already: choose another NAME", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{path}: {error.strerror}", file=sys.stderr)
        return 1
    print(f"{path} was written; `make lab` opens JupyterLab")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
