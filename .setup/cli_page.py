"""Writes docs/cli.md from the output of `fer --help` and of each subcommand's `--help`.

    make docs-cli

tests/test_docs.py fails while the page and the program differ.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "cli.md"
PROGRAM = ROOT / ".venv" / "bin" / "fer"

HEAD = """\
# The command line

Every command and option of `.venv/bin/fer`, as its `--help` prints them. `make docs-cli` writes this page.

Results go to stdout; an error is one line on stderr. The exit status is 0 only on success: 1 after an error, 2 after
arguments that are not understood, 130 after Ctrl-C.
"""


def printed(program, *words):
    """The output of `fer WORDS --help`, which no variable of the user may change."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("FER")}
    done = subprocess.run(
        [str(program), *words, "--help"], capture_output=True, text=True, check=True, env=clean
    )
    return "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())


def subcommands(text):
    """The subcommands that a help text lists, without `help`."""
    _, _, listed = text.partition("\nCommands:\n")
    listed = listed.split("\n\n", 1)[0]
    names = re.findall(r"^  ([a-z][\w-]*)", listed, flags=re.M)
    return [name for name in names if name != "help"]


def sections(program, words=()):
    """A heading and a help text for a command and for each of its subcommands."""
    text = printed(program, *words)
    yield " ".join(("fer", *words)), text
    for name in subcommands(text):
        yield from sections(program, (*words, name))


def page(program=PROGRAM):
    """The whole page."""
    parts = [HEAD]
    for heading, text in sections(program):
        parts.append(f"\n## {heading}\n\n```text\n{text}\n```\n")
    return "".join(parts)


def commands(page_text):
    """Each command of the page with its options: `fer train` → {"--data", …}."""
    blocks = re.findall(r"^## (fer[\w -]*)\n\n```text\n(.*?)\n```$", page_text, flags=re.M | re.S)
    return {
        heading: set(re.findall(r"^\s+(?:-\w, )?(--[a-z][\w-]*)", text, flags=re.M))
        for heading, text in blocks
    }


if __name__ == "__main__":
    if not PROGRAM.is_file():
        sys.exit(f"{PROGRAM} is missing: run `make setup`")
    PAGE.write_text(page())
