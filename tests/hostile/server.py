"""Attacks a `fer serve` of its own on loopback, and prints what was tried and what failed.

    .venv/bin/python tests/hostile/server.py                  # about a minute
    .venv/bin/python tests/hostile/server.py --minutes 60     # as long as there is patience for
    .venv/bin/python tests/hostile/server.py --only uploads --seed 7

An attack fails where an honest client is kept waiting, where the server ends, hangs, answers 5xx to what is not
too much, or keeps more than 150 MB.
"""

import argparse
import contextlib
import http.client
import multiprocessing
import os
import random
import re
import selectors
import signal
import socket
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "hostile")]

import server_inputs  # noqa: E402
from program import start_fer  # noqa: E402
from serve import BEGUN  # noqa: E402
from server_inputs import MIB, face, png  # noqa: E402

KEPT_MB = 150  # memory that may stay after an attack
PEAK_MB = 1000  # and during one
HONEST_SECONDS = 1.0  # the 99th percentile of honest requests under attack
STOP_SECONDS = 5.0
HANG_SECONDS = 10.0


class Server:
    """`fer serve` with the weights that come with the project."""

    def __init__(self, *arguments):
        self.process = start_fer("serve", "--run", "seed_cnn", "--port", 0, *arguments)
        line = self.process.stdout.readline()
        found = re.match(r"http://[^/]*:(\d+)", line)
        if not found:
            sys.exit(f"hostile: no server: {line}{self.process.stderr.read()}")
        self.port = int(found[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def status(self, key):
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{key}:\s+(\d+)", text)[1]) // 1024

    def resident(self):
        return self.status("VmRSS")

    def peak(self):
        return self.status("VmHWM")

    def metric(self, name):
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=HANG_SECONDS)
        client.request("GET", "/metrics")
        text = client.getresponse().read().decode()
        client.close()
        return int(re.search(rf"(?m)^{name} (\d+)$", text)[1])

    def settled(self, most, seconds=8):
        """Resident memory, once it is `most` or less, or after so many seconds."""
        until = time.monotonic() + seconds
        while self.resident() > most and time.monotonic() < until:
            time.sleep(0.2)
        return self.resident()

    def is_alive(self):
        return self.process.poll() is None

    def stop(self, number):
        """Seconds until it ended with status 0 after a signal; None if it did not."""
        started = time.monotonic()
        self.process.send_signal(number)
        with contextlib.suppress(Exception):
            if self.process.wait(3 * STOP_SECONDS) == 0:
                return time.monotonic() - started
        return None


def connect(port, timeout=HANG_SECONDS, source="127.0.0.1"):
    return socket.create_connection(("127.0.0.1", port), timeout=timeout, source_address=(source, 0))


def exchange(port, data, wait=3.0):
    """What the server says to these bytes until it is silent or closes, and whether it closed."""
    reply = b""
    with contextlib.suppress(OSError), connect(port) as connection:
        connection.settimeout(wait)
        with contextlib.suppress(ConnectionError):
            connection.sendall(data)
        with contextlib.suppress(ConnectionError):
            while received := connection.recv(65536):
                reply += received
    return reply


def statuses(reply):
    return [int(code) for code in re.findall(rb"HTTP/1\.1 (\d{3}) ", reply)]


def honest(port, body, source="127.0.0.1", path="/api/predict?faces=cut_out"):
    """The status and the seconds of a request as a program sends it, once."""
    started = time.monotonic()
    client = http.client.HTTPConnection(
        "127.0.0.1", port, timeout=HANG_SECONDS, source_address=(source, 0)
    )
    try:
        client.request("POST", path, body)
        response = client.getresponse()
        response.read()
        status = response.status
    except (OSError, http.client.HTTPException) as error:
        status = type(error).__name__
    client.close()
    return status, time.monotonic() - started


# --- attackers, each in a process of its own ------------------------------------------------------


def slow_sockets(port, count, until, source):
    """So many sockets that send a head byte by byte, and come back when they are cut off."""
    picker = selectors.DefaultSelector()
    head = b"POST /api/predict HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"a" * 4000
    open_now = {}

    def another():
        made = socket.socket()
        made.setblocking(False)
        made.bind((source, 0))
        made.connect_ex(("127.0.0.1", port))
        picker.register(made, selectors.EVENT_READ)
        open_now[made] = 0

    def drop(sock):
        picker.unregister(sock)
        open_now.pop(sock)
        sock.close()

    for _ in range(count):
        another()
    while time.time() < until:
        for key, _ in picker.select(0.05):
            ended = True
            with contextlib.suppress(OSError):
                ended = not key.fileobj.recv(4096)
            if ended:
                drop(key.fileobj)
        for sock in random.sample(list(open_now), min(100, len(open_now))):
            at = open_now[sock]
            try:
                sock.send(head[at : at + 1])
                open_now[sock] = at + 1
            except BlockingIOError:
                pass
            except OSError:
                drop(sock)
        while len(open_now) < count:
            another()


def heavy_sender(port, bodies, until, source):
    while time.time() < until:
        with contextlib.suppress(OSError, http.client.HTTPException):
            client = http.client.HTTPConnection("127.0.0.1", port, 30, source_address=(source, 0))
            client.request("POST", "/api/predict", random.choice(bodies))
            client.getresponse().read()
            client.close()


# --- attacks: each gives what was tried, what failed and a remark ---------------------------------


def shapes(server, rng, scale):
    """Requests that are none, as they are known and mutated."""
    known = server_inputs.requests()
    tried, failed = 0, []
    until = time.monotonic() + 6 * scale
    while time.monotonic() < until or tried < len(known):
        data = bytearray(known[tried] if tried < len(known) else rng.choice(known))
        if tried >= len(known):
            del data[4000:]
            for _ in range(rng.randint(1, 6)):
                at = rng.randrange(len(data) + 1)
                data[at : at + rng.randint(0, 3)] = rng.randbytes(rng.randint(0, 3))
        codes = statuses(exchange(server.port, bytes(data), wait=0.3))
        tried += 1
        if any(code >= 500 for code in codes) or not server.is_alive():
            failed.append(f"{bytes(data)[:60]}: {codes}")
    return tried, failed, ""


def hosts(server, rng, scale):
    """Names that are nearly this machine's."""
    good = ["localhost", "127.0.0.1", "[::1]"]
    exact = re.compile(r"(?i)(localhost|127\.0\.0\.1|\[[0:]*:0*1\])(:\d{1,5})?")
    parts = [".", ":", "@", "[", "]", "evil", "evil.example", "80", "/", "#", "?", "%00", " ", "\t", ",", "\\", "é"]
    parts += good
    tried, failed = 0, []
    until = time.monotonic() + 4 * scale
    while time.monotonic() < until:
        host = "".join(rng.choice(parts) for _ in range(rng.randint(1, 4)))
        lines = [f"Host: {host}"]
        is_good = bool(exact.fullmatch(host.strip(" \t")))
        if rng.random() < 0.3:
            lines.insert(rng.randrange(2), f"Host: {rng.choice(good)}")
            is_good = False
        if rng.random() < 0.3:
            lines = [f"Host: {rng.choice(good)}", f"Origin: http://{host}"]
            name = lines[0].removeprefix("Host: ")
            is_good = host.strip(" \t").lower() in (name, f"{name}:80")
        text = "\r\n".join(["GET /api/model HTTP/1.1", *lines, "Connection: close", "", ""])
        codes = statuses(exchange(server.port, text.encode("latin-1")))
        tried += 1
        if not codes or codes[0] >= 500 or ((codes[0] == 200) and not is_good):
            failed.append(f"{lines}: {codes}")
    return tried, failed, ""


def bodies(server, rng, scale):
    """Forms, JSON and photos with damage."""
    known = server_inputs.bodies()
    small = [one for one in known if len(one[1]) < MIB]
    pieces = [b"\r\n--x", b"--", b'"', b"\\", b"{", b"[" * 200, b"=", b"\0", b"\xff\xd8", b"\xff\xc0"]
    tried, failed = 0, []
    until = time.monotonic() + 8 * scale
    while time.monotonic() < until or tried < len(known):
        # Each as it is, then damaged.
        kind, body = known[tried] if tried < len(known) else rng.choice(small)
        body = bytearray(body)
        for _ in range(rng.randint(1, 5) if tried >= len(known) else 0):
            near = rng.choice([len(body), 300])
            at = rng.randrange(min(near, len(body)) + 1)
            match rng.randrange(4):
                case 0:
                    del body[at:]
                case 1:
                    body[at:at] = rng.choice(pieces)
                case 2:
                    body[at : at + 1] = rng.randbytes(1)
                case _:
                    del body[at : at + rng.randint(1, 40)]
        client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=HANG_SECONDS)
        try:
            client.request("POST", "/api/predict", bytes(body), {"Content-Type": kind} if kind else {})
            status = client.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            status = repr(error)
        client.close()
        tried += 1
        if status not in (200, 400, 413, 415, 422):
            failed.append(f"{kind}, {bytes(body[:40])}: {status}")
    return tried, failed, ""


def sockets(server, rng, scale):
    """Cameras that send bytes below the protocol, frames that lie, and photos that are none."""
    upgrade = server_inputs.UPGRADE
    tried, failed = 0, []
    for frames in server_inputs.frames():
        reply = exchange(server.port, upgrade + frames, wait=0.3)
        tried += 1
        if not reply.startswith((b"HTTP/1.1 101", b"HTTP/1.1 503")) or not server.is_alive():
            failed.append(f"{frames[:40]}: {reply[:40]}")
    until = time.monotonic() + 6 * scale
    while time.monotonic() < until:
        with contextlib.suppress(OSError), connect(server.port, timeout=2) as live:
            live.sendall(upgrade)
            reply = live.recv(4096)
            if not reply.startswith((b"HTTP/1.1 101", b"HTTP/1.1 503")):
                failed.append(f"upgrade: {reply[:40]}")
            for _ in range(rng.randint(1, 20)):
                payload = rng.randbytes(rng.randint(0, 125))
                length = rng.choice([len(payload), rng.randrange(128)])
                first = rng.choice([0x82, 0x81, 0x80, 0x02, 0x88, 0x89, rng.randrange(256)])
                live.sendall(bytes([first, rng.choice([0, 128]) | length]) + rng.randbytes(4) + payload)
                tried += 1
        if not server.is_alive():
            failed.append("it ended")
            break
    status, seconds = honest(server.port, face())
    if status != 200:
        failed.append(f"an honest request afterwards: {status} after {seconds:.1f} s")
    return tried, failed, ""


def uploads(server, rng, scale):
    """240 uploads of 11 MiB that stop before their end."""
    before = server.resident()
    piece, count = bytes(MIB), 240
    head = b"POST /api/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % (19 * MIB)
    failed, honest_seconds = [], []
    open_now = []
    for _ in range(count):
        with contextlib.suppress(OSError):
            connection = connect(server.port)
            open_now.append(connection)
            connection.sendall(head)
            connection.settimeout(0.02)
    for number in range(11):
        for connection in open_now:
            with contextlib.suppress(OSError):
                connection.send(piece)
        status, seconds = honest(server.port, face())
        honest_seconds.append(seconds)
        if status != 200 or seconds > HANG_SECONDS:
            failed.append(f"an honest request after {number + 1} MiB each: {status}, {seconds:.1f} s")
    during = server.resident()
    if server.peak() > PEAK_MB:
        failed.append(f"{server.peak()} MB at the peak")
    for connection in open_now:
        connection.close()
    after = server.settled(before + KEPT_MB)
    if after > before + KEPT_MB:
        failed.append(f"{before} MB before, {after} MB after")
    remark = f"{before} MB before, {during} during, {after} after; honest ≤ {max(honest_seconds):.2f} s"
    return count, failed, remark


def starvation(server, rng, scale):
    """600 slow sockets and 8 heavy senders; honest requests from the same address and from another one."""
    before = server.resident()
    heavy = [
        png(8000, 6250, depth=16, color=6, rows=300),  # refused by its header
        png(3000, 3000, depth=16, color=6),  # as much as is taken
        png(4898, 4898, color=2),
    ]
    until = time.time() + 12 * scale + 3
    attackers = [(slow_sockets, (server.port, 600, until, "127.0.0.1"))]
    attackers += [(heavy_sender, (server.port, heavy, until, "127.0.0.1"))] * 8
    started = [multiprocessing.Process(target=task, args=args, daemon=True) for task, args in attackers]
    for process in started:
        process.start()
    time.sleep(2)
    seconds, failed, tried = [], [], 0
    while time.time() < until:
        source = ("127.0.0.1", "127.0.0.2")[tried % 2]
        status, took = honest(server.port, face(), source)
        tried += 1
        seconds.append(took)
        if status != 200:
            failed.append(f"an honest request from {source}: {status} after {took:.2f} s")
        time.sleep(0.02)
    for process in started:
        process.join(40)
        process.kill()
    seconds.sort()
    late = seconds[int(0.99 * (len(seconds) - 1))]
    if late > HONEST_SECONDS:
        failed.append(f"the 99th percentile is {late:.2f} s")
    after = server.settled(before + KEPT_MB, 15)
    if after > before + KEPT_MB:
        failed.append(f"{before} MB before, {after} MB after")
    middle = seconds[len(seconds) // 2]
    remark = f"honest: median {1e3 * middle:.0f} ms, 99 % {1e3 * late:.0f} ms; {after - before:+} MB"
    return tried, failed, remark


def leavers(server, rng, scale):
    """Clients that ask for much and hang up."""
    body = png(2100, 2000, color=2)  # just heavy
    head = b"POST /api/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
    count, failed = int(60 * max(1, scale)), []
    for _ in range(count):
        with contextlib.suppress(OSError), connect(server.port) as connection:
            connection.sendall(head + body)
    # What waited for nobody is gone, but for the photos that workers have in their hands.
    most, waiting = (os.cpu_count() or 1) * len(body), None
    until = time.monotonic() + 3
    while time.monotonic() < until and (waiting is None or waiting > most):
        waiting = server.metric("fer_upload_bytes")
    if waiting > most:
        failed.append(f"{waiting} bytes of uploads still wait")
    status, seconds = honest(server.port, face())
    if status != 200:
        failed.append(f"an honest request afterwards: {status} after {seconds:.1f} s")
    return count, failed, f"{waiting // len(body)} of their photos still held"


def stops(server, rng, scale):
    """SIGINT and SIGTERM while many are connected: a server of its own each time."""
    tried, failed, longest = 0, [], 0.0
    for count in (256, 1000) * max(1, int(scale)):
        number = rng.choice([signal.SIGINT, signal.SIGTERM])
        with Server() as other, contextlib.ExitStack() as stack:
            for _ in range(count):
                with contextlib.suppress(OSError):
                    connection = stack.enter_context(connect(other.port))
                    connection.sendall(rng.choice(BEGUN))
            took = other.stop(number)
        tried += 1
        longest = max(longest, took or 3 * STOP_SECONDS)
        if took is None or took > STOP_SECONDS:
            failed.append(f"{number.name} with {count} connections: {took}")
    return tried, failed, f"within {longest:.1f} s"


ATTACKS = [shapes, hosts, bodies, sockets, uploads, starvation, leavers, stops]


def campaign(minutes=1.0, seed=26, only=(), show=print):
    """Runs the attacks on one server; gives a row for each: name, tried, failures, remark."""
    rows = []
    with Server() as server:
        honest(server.port, face())
        before = server.resident()
        for attack in ATTACKS:
            if only and attack.__name__ not in only:
                continue
            started = time.monotonic()
            tried, failed, remark = attack(server, random.Random(f"{seed} {attack.__name__}"), minutes)
            if not server.is_alive():
                failed.append(f"the server ended with status {server.process.returncode}")
            rows.append((attack.__name__, tried, failed, remark))
            show(f"{attack.__name__}: {tried} tried, {len(failed)} failed, {time.monotonic() - started:.0f} s")
            if not server.is_alive():
                break
        else:
            after = server.settled(before + KEPT_MB)
            over = [f"{before} MB before, {after} MB after"] if after > before + KEPT_MB else []
            took = server.stop(signal.SIGTERM)
            if took is None or took > STOP_SECONDS:
                over.append(f"SIGTERM: {took}")
            rows.append(("afterwards", 1, over, f"{before} MB before, {after} MB after"))
    return rows


def table(rows):
    lines = ["| attack | tried | failed | |", "| --- | ---: | ---: | --- |"]
    for name, tried, failed, remark in rows:
        lines.append(f"| {name} | {tried:,} | {len(failed)} | {remark} |")
    lines += [f"\n{name}: {what}" for name, _, failed, _ in rows for what in failed[:5]]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=1.0, help="how long, about [default: 1]")
    parser.add_argument("--seed", type=int, default=26)
    parser.add_argument("--only", action="append", default=[], choices=[a.__name__ for a in ATTACKS])
    options = parser.parse_args()
    rows = campaign(options.minutes, options.seed, options.only)
    print(f"\nseed {options.seed}, {os.cpu_count()} cores\n\n{table(rows)}")
    sys.exit(any(failed for _, _, failed, _ in rows))


if __name__ == "__main__":
    main()
