"""Outputs that fer_nb displays, and changes, while a cell runs.

evcxr displays a cell's value after the cell has ended, and only one for each MIME type. Outputs during the cell
are sent through stdout, as a line that starts with an escape sequence for applications (APC, ECMA-48 8.3.2) and
contains the kernel's secret, a semicolon and JSON: `action`, `id` and `data` (MIME type to content). The actions:
"display" adds an output to the running cell, "update" changes the outputs with that id, "show" changes them if
there are any and otherwise adds one. Without an id, "display" adds an output that cannot change. "progress"
prints a line that the next one replaces, "fail" gives the reason why the cell has failed. "listen" and "unlisten"
say whether SIGINT ends the cell cleanly. The last value of a cell gets its id by an entry of type `ID_MIME`.
"""

import json

START, END = "\x1b_fer_nb;", "\x1b\\"
ID_MIME = "application/vnd.fer-nb.display-id"


def split(text, secret):
    """The parts of a stdout text in order: plain text as str, outputs as (action, id, data). What does not
    hold the secret is text: a file's name, say, that a cell prints."""
    parts = []
    while True:
        before, start, rest = text.partition(START)
        if before:
            parts.append(before)
        if not start:
            return parts
        body, end, text = rest.partition(END)
        text = text.removeprefix("\n")
        said, _, message = body.partition(";")
        try:
            if said != secret:
                raise ValueError
            content = json.loads(message)
            parts.append((content["action"], content.get("id"), content.get("data")))
        except (ValueError, KeyError, TypeError):
            parts.append(start + body + end + "\n")  # not ours: as it came
