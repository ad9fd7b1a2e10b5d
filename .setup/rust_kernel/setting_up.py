"""The running steps of the set-up, for kernels that wait for it.

JupyterLab opens before everything is compiled, so that users can read the notebooks. The set-up holds
build/setup.lock, which the system releases when it ends for any reason, and lists its running steps in
build/setting-up.json.
"""

import contextlib
import fcntl
import json
import threading
import time

from toolchain import BUILD

AGAIN_SECONDS = 60  # how often a cell that waits is told how far it is
_STEPS = {}
_CHANGING = threading.Lock()


def _write(folder, change):
    with _CHANGING:
        change()
        with contextlib.suppress(OSError):  # only words depend on it
            (folder / "setting-up.json").write_text(json.dumps(_STEPS))


@contextlib.contextmanager
def told(title, usual, folder=BUILD):
    """While this lasts, a step of this title is at work."""
    _write(folder, lambda: _STEPS.update({title: {"since": time.time(), "usual": usual}}))
    try:
        yield
    finally:
        _write(folder, lambda: _STEPS.pop(title, None))


def runs(folder=BUILD):
    """Whether a set-up is at work."""
    try:
        with open(folder / "setup.lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def steps(folder=BUILD):
    """A line for each step that is at work: what it does, for how long, and how long it usually takes."""
    try:
        now = json.loads((folder / "setting-up.json").read_text())
    except (OSError, ValueError):  # none yet, or one that is being written
        return []
    minutes = [(title, (time.time() - step["since"]) / 60, step["usual"]) for title, step in now.items()]
    return [f"{title}: {passed:.0f} min so far, usually {usual}" for title, passed, usual in minutes]


def wait(say, stopped=lambda: False, folder=BUILD):
    """Returns when no set-up is at work, and tells `say` once a minute what it is at."""
    told_at, told_of = None, None
    while runs(folder) and not stopped():
        lines = steps(folder)
        titles = [line.split(":")[0] for line in lines]
        if told_at is None:
            say("the set-up is still at work; this cell runs when it is done. The notebooks can be read meanwhile.")
        if lines and (titles != told_of or time.monotonic() - told_at > AGAIN_SECONDS):
            for line in lines:
                say(f"  {line}")
            told_of = titles
            told_at = time.monotonic()
        told_at = told_at or time.monotonic()
        time.sleep(0.5)
