"""Outputs that fer_nb shows, and changes, while a cell runs.

evcxr shows a cell's value when the cell has ended, and one of each kind. What may not wait goes
through stdout, as a line that starts with an escape sequence for applications (APC, ECMA-48 8.3.2)
and holds the kernel's secret, a semicolon and JSON: `action`, `id` and `data` (MIME type to content).
The actions: "display" shows a new output in the running cell, "update" changes the outputs of that id,
"show" changes them where there are any and otherwise shows one. Without an id, "display" shows an output
that stays as it is. "progress" prints a line that the next one replaces, "fail" says why the cell has
failed. "listen" and "unlisten" tell that SIGINT ends the cell in good order from now on, or no longer. A
value that a cell ends in gets its id by an entry of type `ID_MIME`.
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
