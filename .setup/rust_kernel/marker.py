"""Detects whether a cell ran to its end.

evcxr keeps the variables that a cell defines only if the cell ran to its end. So the kernel adds a variable with
a new type to every cell, and afterwards checks whether evcxr has it.
"""

import re

MARKER = "cell_ran_to_its_end"


# Comments, raw strings, strings, characters: what only looks like code.
NOT_CODE = re.compile(
    r"""//[^\n]*|/\*.*?\*/|r(#*)".*?"\1|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])'""", re.DOTALL
)


def with_marker(source, number):
    """The cell's source defining the marker as well; no line changes its number. None for a cell that
    can do without, or that could leave before its end: then evcxr would believe it to be defined."""
    code = NOT_CODE.sub("", source)
    if re.search(r"\breturn\b", code) and not re.search(r"\bfn\b", code):
        return None
    statement = f"let {MARKER} = [(); {number}];"
    lines = source.split("\n")
    for index, line in enumerate(lines):
        # Commands, and what may stand before them.
        if not line.strip() or line.lstrip(" ").startswith((":", "//")) or line.startswith(("!", "#![")):
            continue
        lines[index] = f"{statement} {line}"
        return "\n".join(lines)
    return None


def listed(number, variables):
    """Whether evcxr's list of variables holds the marker of this cell."""
    return f"{MARKER}: [(); {number}]" in variables


def without_marker(text):
    """A list of the variables (`:vars`) without the one that is not the user's."""
    if isinstance(text, str) and MARKER in text:
        text = re.sub(rf"<tr><td>{MARKER}</td>.*?<tr>|^{MARKER}: .*\n", "", text, flags=re.MULTILINE)
    return text
