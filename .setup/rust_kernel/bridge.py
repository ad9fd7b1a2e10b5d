"""The kernel that Jupyter connects to. It passes cells on to evcxr, and replies as a Jupyter kernel should.

evcxr alone replies "ok" to a panic and to a failed `?`, displays pictures only after the cell has ended,
has no outputs that change, loses all variables on Stop, and prints nothing while it starts. This kernel runs
between Jupyter and evcxr:

- It replies at once, and starts evcxr in the background; a cell that has to wait names the reason.
- A cell that did not run to its end is an error, so that "Run All" stops at it.
- Lines that fer_nb marks (`live.py`) become outputs at once, which can change.
- Stop interrupts the running cell; a second Stop ends the process that runs the cells.
- A cell that waits for a training reports its epoch, and continues to update its chart (`waiting.py`).
"""

import asyncio
import contextlib
import os
import queue
import re
import signal
import threading
import time

# Without it the debugger that ipykernel brings complains on stderr.
os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")

import completion
import dep
import errors
import marker
from cell import ANSI, BACKTRACE, PANIC, STDERR_LATE, STDERR_SOON, STREAM_EVERY, Cell
from evcxr import Evcxr, NotStarted
from ipykernel.kernelapp import IPKernelApp
from ipykernel.kernelbase import Kernel
from toolchain import BUILD
from variables import Variables
from waiting import Waiting

FORGOTTEN = "The cell ends in a `Result` that holds this error. Add `?` at its end, and the cell stops there."
STOP_AGAIN = (
    "Stop: {why}.\n"
    "Press Stop again to end the process that runs the cells, or restart the kernel where Stop can be pressed only "
    "once; its variables would be lost.\n"
)
PROCESS_ENDED = (
    "The process that runs the cells ended ({why}), and all variables with it. "
    "Run the notebook again from its first cell."
)
KEPT = "Variables of the cells before are kept."
# evcxr wraps a cell so that `?` works from the first one on that does not compile without; that one shows
# its value as debug text.
FIRST_QUESTION_MARK = "Ok::<(), String>(())?;"
# How long a cell may take to react to Stop before it is said what else can be done: longer where it
# was heard, for a batch may be long.
STOP_PATIENCE = 1.0
STOP_PATIENCE_HEARD = 5.0
# A click more within this time is a double click.
DOUBLE_CLICK = 0.5
# evcxr sends its reply before it says that it is idle.
REPLY_LATE = 10


class Stopped(Exception):
    """Stop was pressed before the cell ran."""


def expression_at(code, cursor):
    """The path or field expression whose last word the cursor is in, for `inspect`."""
    end = cursor + len(re.match(r"\w*", code[cursor:])[0])
    found = re.search(r"[A-Za-z_][\w.:]*$", code[:end])
    if not found:
        return ""
    # evcxr finds a method only where it is called.
    called = "." in found[0] and code[end : end + 1] == "("
    return found[0] + ("(" if called else "")


class RustKernel(Kernel):
    implementation = "fer_nb"
    implementation_version = "0.1.0"
    banner = "Rust (evcxr 0.22) for fer_nb"
    language_info = {  # noqa: RUF012 (as the base class has it)
        "name": "rust",
        "mimetype": "text/x-rustsrc",
        "file_extension": ".rs",
        "pygments_lexer": "rust",
        "codemirror_mode": "rust",
    }

    def __init__(self, **options):
        super().__init__(**options)
        self.display_ids = set()
        self.evcxr = Evcxr()
        self.news = queue.SimpleQueue()  # what the start tells
        self.started = threading.Event()
        self.trouble = None  # why it did not start
        self.variables = Variables()
        self.waiting = Waiting(self._send_for)
        self.running = False
        self.stops = 0  # how often Stop was pressed since the cell began
        self.stopped_at = 0.0  # and when last
        threading.Thread(target=self._start_evcxr, daemon=True).start()
        self._is_ready = False
        self._coming = None  # evcxr's first answer

    @property
    def kernel_info(self):
        # Not ipykernel's subshells and debugger, which are for Python.
        return {**super().kernel_info, "supported_features": []}

    # --- start -----------------------------------------------------------------------------------

    def _start_evcxr(self):
        try:
            self.evcxr.start(self.news.put)
        except NotStarted as error:
            self.trouble = str(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, a cell has to say it
            self.trouble = f"{type(error).__name__}: {error}"
        finally:
            self.started.set()

    async def _ready(self, cell):
        """Waits for evcxr, and tells a cell that waits for what. Raises NotStarted, Stopped."""
        if self._is_ready:
            return
        waited, told = 0.0, ""
        while not (self.started.is_set() and self.news.empty()):
            if self.stops:
                raise Stopped
            with contextlib.suppress(queue.Empty):
                line = f"[kernel] {self.news.get_nowait()}\n"
                cell.stream("stdout", line)
                told += line
                continue
            await asyncio.sleep(0.05)
        if self.trouble:
            raise NotStarted(self.trouble)
        self._coming = self._coming or asyncio.ensure_future(self.evcxr.ready())
        while not self._coming.done():
            await asyncio.wait([self._coming], timeout=0.25)
            waited += 0.25
            if self.stops:
                raise Stopped
            if self.evcxr.ended():
                self._coming.cancel()
                raise NotStarted("evcxr ended while it started; the server's log has its message")
            if waited == 1.5:
                cell.stream("stdout", "Rust starts: it reads the sources of fer_nb (some seconds) …\n")
        await self._coming
        # evcxr takes lld where it finds it, with flags that none of the template's crates has.
        await self._execute(
            Cell(self, silent=True), f":linker system\n{FIRST_QUESTION_MARK}", allow_stdin=False
        )
        self._is_ready = True
        if waited >= 1.5:
            cell.send("clear_output", {"wait": False})
            if told:
                cell.stream("stdout", told)

    # --- cells -----------------------------------------------------------------------------------

    async def do_execute(
        self,
        code,
        silent,
        store_history=True,
        user_expressions=None,
        allow_stdin=False,
        *,
        cell_meta=None,
        cell_id=None,
    ):
        ok = {
            "status": "ok",
            "execution_count": self.execution_count,
            "payload": [],
            "user_expressions": {},
        }
        cell = Cell(self, silent)
        code = dep.with_path(code)
        request = (self.get_parent("shell").get("header") or {}).get("msg_id")
        if self.waiting.runs(code, request):
            cell.send("clear_output", {"wait": False})
        if not code.strip():
            return ok
        self.stops, self.running = 0, True
        self._allow_stdin = allow_stdin
        try:
            await self._ready(cell)
            marked = None if silent else marker.with_marker(code, self.execution_count)
            reply = await self._execute(cell, marked or code, allow_stdin)
            if marked and cell.shows_marker():
                # Once more as the user wrote it: the error shall show that. Code had not run.
                cell.errors.clear()
                marked = None
                reply = await self._execute(cell, code, allow_stdin)
            if re.search(r"^ *:clear\b", code, re.MULTILINE):
                await self._execute(Cell(self, silent=True), FIRST_QUESTION_MARK, allow_stdin=False)
            if cell.errors or reply["status"] != "ok":
                return self._failed(cell, code)
            if marked and not await self._ran_to_its_end(cell, code):
                await self._drain(cell, STDERR_LATE)
                return self._fell(cell)
            if not marked and not silent:
                await self._ran_to_its_end(cell, code)
            await self._drain(cell, STDERR_SOON if marked else STDERR_LATE)
            if not marked and PANIC.search(cell.held):
                return self._fell(cell)
            cell.pass_on(everything=True)
            if cell.failure is not None:
                return cell.error("Error", cell.failure, [FORGOTTEN])
            return ok
        except NotStarted as error:
            return cell.error("KernelError", f"the Rust kernel did not start: {error}")
        except Stopped:
            return cell.error("Stopped", "the kernel was still starting; the cell did not run")
        except ConnectionError:
            answer = cell.error("KernelError", "evcxr itself ended. Restart the kernel.")
            asyncio.get_running_loop().call_later(0.5, os._exit, 1)
            return answer
        except Exception as error:  # without a reply the notebook would wait for ever
            self.log.exception("a cell could not be passed on")
            return cell.error("KernelError", f"{type(error).__name__}: {error}. Restart the kernel.")
        finally:
            self.running = False
            self.waiting.ended()

    async def _execute(self, cell, code, allow_stdin):
        """Runs code in evcxr and passes on what it puts out; gives evcxr's reply."""
        client = self.evcxr.client
        request = client.execute(code, store_history=False, allow_stdin=allow_stdin)
        watch = asyncio.ensure_future(self._watch_stop(cell))
        try:
            while True:
                try:
                    message = await client.get_iopub_msg(timeout=STREAM_EVERY)
                except queue.Empty:
                    cell.pass_on()
                    if self.evcxr.ended():
                        raise ConnectionError from None
                    if allow_stdin and await client.stdin_channel.msg_ready():
                        await self._ask(client)
                    continue
                if message["msg_type"] != "status":
                    cell.take(message)
                    cell.pass_on()
                elif (
                    message["content"]["execution_state"] == "idle"
                    and message["parent_header"].get("msg_id") == request
                ):
                    break
            return await self._reply(client.get_shell_msg, request, REPLY_LATE)
        finally:
            watch.cancel()

    async def _reply(self, receive, request, patience=None):
        """The content of the reply to a request. Raises ConnectionError where there is none."""
        until = time.monotonic() + patience if patience else None
        while True:
            try:
                message = await receive(timeout=1)
            except queue.Empty:
                if self.evcxr.ended() or (until and time.monotonic() > until):
                    raise ConnectionError from None
                continue
            if message["parent_header"].get("msg_id") == request:
                return message["content"]

    async def _ask(self, client):
        """A cell asks for a line of input."""
        message = await client.get_stdin_msg(timeout=0)
        content = message["content"]
        asked = self.getpass if content.get("password") else self.raw_input
        try:
            answer = asked(content.get("prompt", ""))
        except (EOFError, KeyboardInterrupt, RuntimeError):
            answer = ""
        client.input(answer)

    async def _ran_to_its_end(self, cell, code):
        """Whether evcxr holds the marker of this cell. Notes which variables it left."""
        request = self.evcxr.client.execute(":vars", store_history=False)
        listed = ""
        while True:
            message = await self.evcxr.client.get_iopub_msg(timeout=60)
            if message["msg_type"] == "stream":
                cell.take(message)  # late
            if message["parent_header"].get("msg_id") != request:
                continue
            if message["msg_type"] == "execute_result":
                listed += message["content"]["data"].get("text/plain", "")
            elif message["content"].get("execution_state") == "idle":
                break
        await self._reply(self.evcxr.client.get_shell_msg, request, REPLY_LATE)
        ended = marker.listed(self.execution_count, listed) or marker.with_marker(code, 0) is None
        self.variables.after(self.execution_count, marker.without_marker(listed), code, ended)
        return ended

    async def _drain(self, cell, seconds):
        """Takes what the cell printed and what comes after the answer."""
        with contextlib.suppress(queue.Empty):
            while True:
                message = await self.evcxr.client.get_iopub_msg(timeout=seconds)
                if message["msg_type"] == "stream":
                    cell.take(message)
                    seconds = STDERR_SOON

    def _failed(self, cell, code):
        """evcxr gave errors: the cell does not compile, or the process ended."""
        cell.pass_on(everything=True)
        for content in cell.errors:
            ended = re.search(r"Subprocess terminated with status: (.*)", content["evalue"])
            if ended:
                self.variables.lost(self.execution_count)
                why = "Stop was pressed twice" if self.stops > 1 else ended[1]
                return cell.error("ProcessEnded", PROCESS_ENDED.format(why=why))
            if "valid UTF-8" in content["evalue"]:
                # evcxr has lost its place in what the process prints.
                self.evcxr.kill_runner()
                self.variables.lost(self.execution_count)
                return cell.error("ProcessEnded", PROCESS_ENDED.format(why="it printed what is not UTF-8"))
        if self.stops and not cell.asked_to_stop:
            return cell.error("Stopped", "the cell was still being compiled; it did not run", [KEPT])
        if not cell.errors:
            return cell.error("KernelError", "evcxr gave no reason. Restart the kernel.")
        shown = errors.readable(cell.errors, self.execution_count, code, self.variables.where)
        for content in shown:
            content["ename"] = "CompileError"
            cell.send("error", content)
        return {"status": "error", "execution_count": self.execution_count, **shown[0]}

    def _fell(self, cell):
        """The cell ran and not to its end: a panic, or a `?` that met an error."""
        text = BACKTRACE.sub("", ANSI.sub("", cell.held)).strip()
        panic = PANIC.search(text)
        cell.held = ""
        if panic:
            before, after = text[: panic.start()].strip(), text[panic.end() :].strip()
            if before:
                cell.stream("stderr", before + "\n")
            # A place within the cell is one in the code that evcxr made of it: of no use.
            place = [] if panic["place"].startswith("ctx/") else [f"at {panic['place']}"]
            return cell.error("Panic", after or "no message", [*place, KEPT])
        return cell.error("Error", text or "a `?` met an error without a text", [KEPT])

    # --- cells that wait -------------------------------------------------------------------------

    async def shell_channel_thread_main(self, msg):
        """A request came in, in the thread of the shell channel, however long the running cell takes."""
        if self.running:
            # It is answered in any case, when its turn comes.
            with contextlib.suppress(ValueError, KeyError, TypeError):
                _, parts = self.session.feed_identities(msg, copy=False)
                request = self.session.deserialize(parts, content=False, copy=False)
                content = self.session.unpack(request["content"])
                if request["header"]["msg_type"] == "execute_request" and not content["silent"]:
                    self.waiting.takes(request, content["code"])
        await super().shell_channel_thread_main(msg)

    def _send_for(self, request, kind, content):
        """Sends an output of a cell that may not be running."""
        self.session.send(self.iopub_socket, kind, content, parent=request, ident=kind.encode())

    # --- Stop ------------------------------------------------------------------------------------

    async def interrupt_request(self, stream, ident, parent):
        """Stop was pressed. Runs in the thread of the control channel."""
        now = time.monotonic()
        if self.running and not (self.stops and now - self.stopped_at < DOUBLE_CLICK):
            self.stops, self.stopped_at = self.stops + 1, now
            if self.stops > 1 and self._is_ready:
                self.evcxr.kill_runner()
        self.session.send(stream, "interrupt_reply", {"status": "ok"}, parent, ident=ident)

    async def _watch_stop(self, cell):
        """When Stop was pressed: cancels a build, and asks the running cell to end as soon as it
        listens, and again whenever it begins to: what was asked first may have been about to end."""
        while not self.stops:
            await asyncio.sleep(0.02)
        asked, said = 0, False
        while True:
            if cell.listening and asked < cell.began_to_listen:
                self.evcxr.ask_to_stop()
                asked = cell.began_to_listen
                cell.asked_to_stop = True
            building = self.evcxr.cancel_build()
            patience = STOP_PATIENCE_HEARD if asked else STOP_PATIENCE
            if not said and not building and time.monotonic() - self.stopped_at > patience:
                said = True
                why = "waiting for the batch in flight" if asked else "this cell does not listen for it"
                cell.stream("stdout", STOP_AGAIN.format(why=why))
            await asyncio.sleep(0.02)

    # --- the rest --------------------------------------------------------------------------------

    async def do_complete(self, code, cursor_pos):
        if not self._is_ready:
            return {
                "status": "ok",
                "matches": [],
                "cursor_start": cursor_pos,
                "cursor_end": cursor_pos,
                "metadata": {},
            }
        client = self.evcxr.client
        reply = await self._reply(client.get_shell_msg, client.complete(code, cursor_pos))
        if reply.get("status") == "ok":
            return completion.tidy(reply, code[:cursor_pos], self.variables.types)
        return reply

    async def do_inspect(self, code, cursor_pos, detail_level=0, omit_sections=()):
        if not self._is_ready:
            return {"status": "ok", "found": False, "data": {}, "metadata": {}}
        client = self.evcxr.client
        code = expression_at(code, cursor_pos)
        return await self._reply(client.get_shell_msg, client.inspect(code, len(code)))

    async def do_is_complete(self, code):
        return {"status": "complete"}

    async def do_shutdown(self, restart):
        self.evcxr.stop()
        return {"status": "ok", "restart": restart}


def run(connection_file):
    # Where IPython's machinery would keep its profile: not in the user's home.
    os.environ["IPYTHONDIR"] = str(BUILD / "ipython")
    app = IPKernelApp.instance(kernel_class=RustKernel, outstream_class=None)
    app.initialize(["-f", connection_file, "--log-level=ERROR"])

    def end(*_):
        app.kernel.evcxr.stop()
        os._exit(0)  # a kernel that Jupyter ends is no failure

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    app.start()
