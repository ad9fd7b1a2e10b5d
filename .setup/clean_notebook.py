"""Removes the outputs and the execution counts of a notebook. Reads stdin, writes stdout.

    git config filter.fer-outputs.clean "python3 .setup/clean_notebook.py"

makes git store notebooks in this form (.gitattributes). A notebook without outputs stays unchanged, byte for byte.

    clean_notebook.py --check FILE …

lists the notebooks that have outputs, and exits with status 1 if there are any.
"""

import json
import sys
from pathlib import Path


def cleaned(text):
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = []
            cell["execution_count"] = None
            cell["metadata"].pop("execution", None)
    return json.dumps(notebook, ensure_ascii=False, indent=1) + "\n"


def with_outputs(files):
    """The notebooks that would be changed."""
    texts = ((file, Path(file).read_text(encoding="utf-8")) for file in files)
    return [file for file, text in texts if cleaned(text) != text]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--check"]:
        sys.exit("\n".join(f"{file} has outputs" for file in with_outputs(sys.argv[2:])) or 0)
    sys.stdin.reconfigure(encoding="utf-8")
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    sys.stdout.write(cleaned(sys.stdin.read()))
