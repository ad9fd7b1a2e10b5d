"""Compile errors, as evcxr reports them, in terms of the notebook.

evcxr counts requests instead of cells, shows the code that it wrapped around a cell, and passes on rustc's
messages unshortened, which may be pages for one swapped argument.
"""

import functools
import os
import re

from marker import NOT_CODE
from toolchain import CRATE

ANSI = re.compile(r"\x1b\[[0-9;]*m")
# What evcxr calls a cell, with the place of the whole cell: always its first line.
PLACE = re.compile(r"command_\d+(?::\d+:\d+)?")
NUMBERED = re.compile(r"^\s*(\d+) [│|]", re.MULTILINE)
MISSING = re.compile(r"expected [^\n]*`;`[^\n]*?, found (?P<found>[^\n]+?)(?=[ \x1b]*$)", re.MULTILINE)
UNKNOWN = re.compile(r"cannot find value `(\w+)` in this scope")
UNDECLARED = re.compile(r"cannot find (?:module or crate|type|value|function|trait|struct[^`]*) `(\w+)` in this scope")
PRELUDE = re.compile(r"^pub mod prelude \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
NO_CRATE = re.compile(r"^\s*:dep\s+fer_nb\b.*?path\s*=\s*\"([^\"]*)\"", re.MULTILINE)
NO_FILE = re.compile(r"No such file or directory|failed to (?:read|load|get)|Cargo\.toml")

END_OF_CELL = "a `;` is missing at the end of the cell"
# rust-analyzer gives this type to what it can't tell, such as a macro's value, and evcxr writes it out.
NEVER = "the `!` type is experimental"
LOADING = "is fer_nb's: run a cell with `:dep fer_nb` and `use fer_nb::prelude::*;` first"
NO_TYPE = "a variable's type can't be told: write it, as in `let x: T = …;`"
# A message that is longer is cut: columns of a line, lines, and characters of it all.
MOST_COLUMNS = 140
MOST_LINES = 24
MOST_TEXT = 1200


def readable(errors, number, source, where=lambda name: None):
    """The contents of a cell's error messages, in the user's terms. `where` tells what became of a
    variable."""
    shown, known = [], set()
    for content in errors:
        content = _in_terms_of_the_cell(content, number, source, where)
        if content["evalue"] not in known or not _is_gone(content, where):
            shown.append(content)
        known.add(content["evalue"])
    return shown


def _is_gone(content, where):
    return "was moved in cell" in content["evalue"] or "was lost when" in content["evalue"]


def _in_terms_of_the_cell(content, number, source, where):
    message = content["evalue"]
    lines = "\n".join(content.get("traceback") or [message]).split("\n")
    replacement = _message(message, source, where)
    if replacement:
        if len(lines) == 1 or NO_CRATE.search(source):
            lines = [replacement]
        else:
            lines = [_replaced(lines[0], message, replacement), *lines[1:]]
            if replacement not in ANSI.sub("", lines[0]):
                lines.insert(0, replacement)
            if replacement == END_OF_CELL:
                lines = [MISSING.sub("it would stand here", line) for line in lines]
        message = replacement
    message = message.replace("EvcxrUserCodeError", "the cell's error")
    place = f"cell [{number}]"
    if len(lines) > 1 and not any(PLACE.search(line) for line in lines):
        # Of a cell that is not plain ASCII evcxr shows the line first, and no place.
        lines = [f"Error: {message}, in {place}", *(line for line in lines if line != message)]
    found = NUMBERED.search(ANSI.sub("", "\n".join(lines)))
    if found:
        place += f", line {found[1]}"
    lines = [PLACE.sub(place, line).replace("EvcxrUserCodeError", "the cell's error") for line in lines]
    return {**content, "evalue": cut(message, MOST_TEXT), "traceback": _cut_lines(lines)}


def _message(message, source, where):
    """The replacement for evcxr's message, or None."""
    missing = MISSING.search(message)
    if missing:
        token = missing["found"].split("`")
        token = token[1] if len(token) > 1 else ""
        if not token or token not in NOT_CODE.sub("", source):
            return END_OF_CELL
    if NEVER in message and "-> !" not in NOT_CODE.sub("", source):
        return NO_TYPE
    if "missing a semicolon" in message:
        return "a `;` is missing: each `let` ends in one"
    unknown = UNKNOWN.search(message)
    moved = where(unknown[1]) if unknown else None
    if moved:
        return moved
    undeclared = UNDECLARED.search(message)
    if undeclared and undeclared[1] in prelude():
        return f"`{undeclared[1]}` {LOADING}"
    crate = NO_CRATE.search(source)
    if crate and NO_FILE.search(message):
        folder = os.getcwd()
        return (
            f'no crate at "{crate[1]}", seen from {folder}. This works there: '
            f':dep fer_nb = {{ path = "{_way_to_the_crate(folder)}" }}'
        )
    return None


@functools.cache
def prelude():
    """The names that a notebook has after its first cell, and the crate's own."""
    text = (CRATE / "src" / "lib.rs").read_text()
    names = {"fer_nb"}
    for used in re.findall(r"pub use ([^;]*);", PRELUDE.search(text)[1]):
        listed = re.search(r"\{([^}]*)\}", used)
        parts = listed[1].split(",") if listed else [used.split("::")[-1]]
        names |= {part.strip() for part in parts if re.fullmatch(r"\w+", part.strip())}
    return frozenset(names)


def _way_to_the_crate(folder):
    """The crate's path: short ones from `folder`, so that the notebook can move with the project."""
    way = os.path.relpath(CRATE, folder)
    return way if way.count("..") <= 3 and not way.startswith("../../../..") else str(CRATE)


def _replaced(line, old, new):
    """The first line with another message; its colours stay."""
    return line.replace(old, new) if old in line else line


def cut(text, most):
    """Text cut to a number of visible characters. Escape sequences don't count, and stay complete."""
    shown, room, at = [], most, 0
    for escape in [*ANSI.finditer(text), None]:
        part = text[at : escape.start()] if escape else text[at:]
        if len(part) > room:
            return "".join([*shown, part[:room].rstrip(), "\x1b[0m …" if "\x1b" in text else " …"])
        shown.append(part)
        room -= len(part)
        if escape:
            shown.append(escape[0])
            at = escape.end()
    return "".join(shown)


def _cut_lines(lines):
    """A traceback that fits on the screen; its first line always stays."""
    shown, room = [], MOST_TEXT
    for line in lines:
        line = cut(line, MOST_COLUMNS)
        room -= len(ANSI.sub("", line))
        if shown and (room < 0 or len(shown) == MOST_LINES):
            left = len(lines) - len(shown)
            return [*shown, f"… {left} more line{'s' if left > 1 else ''} of rustc's message"]
        shown.append(line)
    return shown
