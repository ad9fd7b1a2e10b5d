"""The process of evcxr: its folder, its start, its end, and the process that runs the cells."""

import contextlib
import errno
import fcntl
import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path

import environment
import setting_up
import template
import view
from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.connect import write_connection_file
from toolchain import KERNELS, ROOT, VENV

COMPLETE = "EVCXR_EXECUTION_COMPLETE"  # what evcxr's process prints after a cell, on its own line
READY_SECONDS = 900  # with a cold disk the first start takes minutes


class NotStarted(Exception):
    """evcxr did not start; the text has the reason."""


def way_out(error):
    """The remedy if a kernel could not be started."""
    number = getattr(error, "errno", None)
    if number in (errno.EROFS, errno.EACCES, errno.EPERM):
        return f"A kernel compiles its cells in {KERNELS}, which has to be writable: mount or copy the project so."
    if number in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk of {KERNELS} is full: make room; `make clean` removes what can be built again."
    if number in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN):
        return "The machine's limits are reached: shut down kernels that are not in use."
    return "`make setup` brings back what is missing."


def library_path():
    """LD_LIBRARY_PATH with libtorch in front; it has to be set before the process starts."""
    others = [p for p in os.environ.get("LD_LIBRARY_PATH", "").split(":") if p]
    return ":".join([str(VENV / "torch" / "lib"), *others])


def absolute_folders():
    """The folders that variables name, where they are relative: `make` runs in the project's
    folder, and cells run in that of their notebook."""
    names = ("FER2013_DIR", "FER_RUNS_DIR", "FER_FIGURES_DIR")
    return {name: str(ROOT / os.environ[name]) for name in names if os.environ.get(name)}


# Waits until its stdin closes, which is when the kernel that started it has ended in whatever way, and
# then ends evcxr and all that it started (a running cell would compute on), and removes its folder.
# Beside, for removing takes seconds and Jupyter kills a kernel after five. More than once, for a compiler
# that is being killed may still put a file where all were removed.
JANITOR = """
cat >/dev/null
[ "$1" = 0 ] || kill -s KILL -- "-$1"
shift
for _ in 1 2 3 4 5; do rm -rf -- "$@" && exit; sleep 1; done
"""


def discard(*paths, group=0):
    """Removes paths, and ends a group of processes, when the returned object is closed."""
    return subprocess.Popen(
        ["sh", "-c", JANITOR, "janitor", str(group), *map(str, paths)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ).stdin


def sweep():
    """Removes the folders of kernels that were killed."""
    for lock in KERNELS.glob("*.lock"):
        with open(lock) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue  # alive
            lock.unlink(missing_ok=True)
            discard(lock.with_suffix("")).close()
    for folder in KERNELS.glob("*/"):
        if not folder.with_suffix(".lock").exists():  # made before the folder
            discard(folder).close()


def _in_the_child():
    # SIGINT is for the cell that listens for it. Ignoring it is inherited, so evcxr, cargo and a cell
    # that does not listen live on.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class Evcxr:
    """A running evcxr with a separate folder, which is removed when it ends."""

    def __init__(self):
        self.name = f"{os.getpid()}-{secrets.token_hex(3)}"
        self.folder = KERNELS / self.name
        self.secret = secrets.token_hex(16)  # in each message of fer_nb's that is not text
        self.process = None
        self.client = None
        self._lock = KERNELS / f"{self.name}.lock"
        self._alive = None
        self._janitor = None
        self._stopped = False

    def start(self, say):
        """Brings the template up to date, telling `say` what takes long, and starts the process.

        Raises NotStarted.
        """
        try:
            setting_up.wait(say, lambda: self._stopped)
            environment.enter()
            sweep()
            KERNELS.mkdir(parents=True, exist_ok=True)
            # Held by evcxr and all that it starts: the folder is in use until the last of them ends.
            self._alive = open(self._lock, "w")
            fcntl.flock(self._alive, fcntl.LOCK_EX)
            with template.up_to_date(say):
                template.link_tree(template.TEMPLATE, self.folder, skip=template.only_its_own)
            if self._stopped:
                raise NotStarted("it was stopped")
            self._spawn()
        except environment.Refused as error:
            raise NotStarted(str(error)) from None
        except (OSError, subprocess.CalledProcessError) as error:
            self.stop()
            raise NotStarted(f"{error}. {way_out(error)}") from None
        if self._stopped:  # meanwhile
            self.stop()

    def _spawn(self):
        connection = self.folder / "connection.json"
        write_connection_file(str(connection), ip="127.0.0.1", key=secrets.token_bytes(16).hex().encode())
        self.process = subprocess.Popen(
            [str(VENV / "bin" / "evcxr_jupyter"), "--control_file", str(connection)],
            env={
                **os.environ,
                **absolute_folders(),
                **view.environment(),
                "EVCXR_TMPDIR": str(self.folder / "ctx"),
                "LD_LIBRARY_PATH": library_path(),
                "FER_ROOT": os.environ.get("FER_ROOT", str(ROOT)),
                # oneMKL, below libtorch, then sums in the same order in every run; as `fer` does.
                "MKL_CBWR": os.environ.get("MKL_CBWR", "AUTO"),
                # How often a thread of libtorch's looks for work before it sleeps. The default, 300,000 times,
                # keeps a core that another kernel's threads wait for.
                "GOMP_SPINCOUNT": os.environ.get("GOMP_SPINCOUNT", "2000"),
                # Tells the crate that outputs can be shown, and changed, while a cell runs.
                "FER_LIVE_OUTPUT": self.secret,
                # Where evcxr looks for an installation of its own to update. It must not
                # overwrite this kernel's kernel.json, nor one of the user's.
                "JUPYTER_PATH": str(self.folder / "none"),
                # A kernel that is shut down complains of its closed sockets; with
                # RUST_BACKTRACE=1 each complaint would bring a page of stack.
                "RUST_LIB_BACKTRACE": "0",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # where it says which configuration it read
            stderr=sys.__stderr__,
            pass_fds=[self._alive.fileno()],
            preexec_fn=_in_the_child,
            start_new_session=True,  # a group that can be ended as a whole
        )
        self._janitor = discard(self.folder, self._lock, group=self.process.pid)
        self.client = AsyncKernelClient(connection_file=str(connection))
        self.client.load_connection_file()

    async def ready(self):
        """Waits until evcxr replies. Raises NotStarted."""
        self.client.start_channels(hb=False)
        try:
            await self.client.wait_for_ready(timeout=READY_SECONDS)
        except RuntimeError as error:
            raise NotStarted(str(error)) from None

    def ended(self):
        """Whether the process has ended."""
        return self.process is None or self.process.poll() is not None

    def _children(self):
        """The processes that evcxr started: pid and whether it is the one that runs the cells, which
        has evcxr's own program."""
        found = []
        with contextlib.suppress(OSError):
            program = os.readlink(f"/proc/{self.process.pid}/exe")
            for task in Path(f"/proc/{self.process.pid}/task").iterdir():
                for pid in (task / "children").read_text().split():
                    with contextlib.suppress(OSError):
                        found.append((int(pid), os.readlink(f"/proc/{pid}/exe") == program))
        return found

    def runner(self):
        """The process that runs the cells, or None between two."""
        return next((pid for pid, runs in self._children() if runs), None)

    def cancel_build(self):
        """Ends cargo and rustc while a cell is being compiled or checked."""
        building = [pid for pid, runs in self._children() if not runs]
        for pid in building:  # grows: the children of children
            with contextlib.suppress(OSError):
                for task in Path(f"/proc/{pid}/task").iterdir():
                    building.extend(map(int, (task / "children").read_text().split()))
        for pid in building:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        return bool(building)

    def complete_line(self):
        """A cell ended with output that has no end of line, and evcxr did not see its mark behind it."""
        with contextlib.suppress(OSError):
            with open(f"/proc/{self.runner()}/fd/1", "w") as out:
                out.write(f"{COMPLETE}\n")

    def ask_to_stop(self):
        """SIGINT to the running cell."""
        pid = self.runner()
        if pid:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGINT)

    def kill_runner(self):
        """Ends the process that runs the cells, and with it all variables; evcxr starts another."""
        pid = self.runner()
        if pid:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)

    def stop(self):
        """Ends the process and all that it started; the folder goes as well."""
        self._stopped = True
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(OSError):
                os.killpg(self.process.pid, signal.SIGKILL)
        if self._janitor is not None:
            self._janitor.close()
        else:
            discard(self.folder, self._lock).close()
