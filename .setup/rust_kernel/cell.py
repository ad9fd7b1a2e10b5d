"""A running cell, and the processing of its output."""

import re
import time

import live
from evcxr import COMPLETE
from marker import MARKER, without_marker

ANSI = re.compile(r"\x1b\[[0-9;]*m")
PANIC = re.compile(r"^(?:thread '.*'.* panicked at )(?P<place>.*?):?$", re.MULTILINE)
BACKTRACE = re.compile(r"^(?:stack backtrace:|note: (?:run|Some).*)\n?(?:^ .*\n?)*", re.MULTILINE)

# evcxr passes stderr on in a separate thread: the text of an error may arrive after the reply.
STDERR_LATE = 0.3
STDERR_SOON = 0.01
# Printed lines are sent together: Jupyter's server drops output that comes in too many messages.
STREAM_EVERY = 0.05


class Cell:
    """A running cell: its output and its result."""

    def __init__(self, kernel, silent):
        self.kernel, self.silent = kernel, silent
        self.errors = []  # contents of error messages
        self.failure = None  # why the cell has failed, where fer_nb said so
        self.status = 0  # how many columns a line that the next one replaces has
        self.printed, self.printed_at = "", 0.0  # stdout that is not passed on yet, and since when
        self.held, self.held_at = "", 0.0  # stderr that may be the text of an error
        self.listening = False  # whether SIGINT ends it in good order
        self.began_to_listen = 0  # how often it did
        self.asked_to_stop = False

    def take(self, message):
        """Passes on an output of evcxr."""
        kind, content = message["msg_type"], message["content"]
        if kind == "stream" and content["name"] == "stderr":
            self.held_at = self.held_at or time.monotonic()
            self.held += content["text"]
        elif kind == "stream":
            for part in live.split(content["text"], self.kernel.evcxr.secret):
                if isinstance(part, str):
                    self.print(part)
                elif part[0] == "progress":
                    self.progress((part[2] or {}).get("text/plain", ""))
                elif part[0] == "fail":
                    self.failure = (part[2] or {}).get("text/plain", "")
                else:
                    self.show(*part)
        elif kind in ("execute_result", "display_data"):
            data = {kind: without_marker(text) for kind, text in content["data"].items()}
            display_id = data.pop(live.ID_MIME, None)
            if display_id is None:
                self.flush()
                count = self.kernel.execution_count
                self.send("execute_result", {"data": data, "metadata": {}, "execution_count": count})
            else:
                self.show("display", display_id, data)
        elif kind == "error":
            self.errors.append(content)

    def print(self, text):
        line = text.rstrip("\n")
        if line.endswith(COMPLETE):
            # `print!` without an end of line: what evcxr waits for is at the end of the user's line.
            self.kernel.evcxr.complete_line()
            text = line.removesuffix(COMPLETE)
        if self.status and text:
            # What is left of a longer line would stay behind this one.
            first, end, rest = text.partition("\n")
            text, self.status = first.ljust(self.status) + end + rest, 0
        self.kernel.waiting.heard(text)
        self.printed_at = self.printed_at or time.monotonic()
        self.printed += text

    def progress(self, text):
        """Prints a line that the next one replaces: its carriage return goes back to its start."""
        self.kernel.waiting.heard(text)
        self.printed_at = self.printed_at or time.monotonic()
        self.printed += text.ljust(self.status) + "\r"
        self.status = max(self.status, len(text))

    def clear_progress(self):
        """Removes a replaceable line that no later line has replaced."""
        if self.status:
            self.printed += " " * self.status + "\r"
            self.status = 0

    def shows_marker(self):
        """Whether an error shows a line of the cell with code that the kernel added."""
        lines = [line for content in self.errors for line in content["traceback"]]
        return MARKER in ANSI.sub("", "".join(lines))

    def pass_on(self, everything=False):
        """Passes on what was printed some time ago. stderr is kept longer, and a panic's text to the
        end, for an error is made of it."""
        now = time.monotonic()
        if everything:
            self.clear_progress()
        if everything or now - self.printed_at > STREAM_EVERY:
            self.flush()
        old = now - self.held_at > STDERR_LATE and not PANIC.search(self.held)
        if self.held and (everything or old):
            text, self.held, self.held_at = self.held, "", 0.0
            self.send("stream", {"name": "stderr", "text": text})

    def stream(self, name, text):
        self.flush()
        self.send("stream", {"name": name, "text": text})

    def flush(self):
        """Passes on what goes to stdout, so that what follows comes behind it."""
        if self.printed:
            text, self.printed, self.printed_at = self.printed, "", 0.0
            self.send("stream", {"name": "stdout", "text": text})

    def show(self, action, display_id, data):
        """Executes the action of a marked line: see live.py."""
        if action in ("listen", "unlisten"):
            self.listening = action == "listen"
            self.began_to_listen += self.listening
            return
        self.flush()
        content = {"data": data, "metadata": {}}
        if display_id is None:
            self.send("display_data", content)
            return
        content["transient"] = {"display_id": display_id}
        self.kernel.waiting.drew(display_id, data)
        known = display_id in self.kernel.display_ids
        if known and action != "display":
            self.send("update_display_data", content)
        elif action != "update":
            self.kernel.display_ids.add(display_id)
            self.send("display_data", content)

    def error(self, name, text, details=()):
        self.clear_progress()
        self.flush()
        red = f"\x1b[1;31m{name}\x1b[0m"
        content = {"ename": name, "evalue": text, "traceback": [f"{red}: {text}", *details]}
        self.send("error", content)
        return {"status": "error", "execution_count": self.kernel.execution_count, **content}

    def send(self, kind, content):
        if not self.silent:
            self.kernel.send_response(self.kernel.iopub_socket, kind, content)
