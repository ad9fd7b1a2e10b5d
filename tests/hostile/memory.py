"""Sends a `fer serve` of its own 20,000 requests and a camera's 10,000 frames, and prints its memory every 1,000.

    .venv/bin/python tests/hostile/memory.py                              # minutes
    .venv/bin/python tests/hostile/memory.py --requests 2000 --frames 1000

It fails if memory is not flat: if it ends more than 32 MB above where it was after a tenth of the way
(and 500 at least).
"""

import argparse
import http.client
import io
import sys
import time
from pathlib import Path

import websocket
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "hostile"))

from server import HANG_SECONDS, Server  # noqa: E402
from server_inputs import PORTRAIT, face  # noqa: E402

MOST_MB = 32
STEP = 1000
WARM = 500  # requests or frames after which all that is kept is there


def pictures():
    """Photos of several sizes, and one that is no photo."""
    portrait = Image.open(PORTRAIT).convert("RGB")
    made = []
    for side, kind in ((160, "JPEG"), (320, "JPEG"), (200, "PNG"), (260, "WEBP")):
        file = io.BytesIO()
        portrait.resize((side, side)).save(file, kind)
        made.append(file.getvalue())
    return [face(), *made, b"no photo"]


def requests(server, count):
    """Asks `count` times, one after the other, and yields how often it has."""
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=HANG_SECONDS)
    bodies = pictures()
    for number in range(count):
        # Faces that are cut out are most of them, or it would take an hour.
        body = bodies[number // 10 % len(bodies)] if number % 10 == 0 else bodies[0]
        client.request("POST", "/api/predict", body)
        response = client.getresponse()
        response.read()
        if response.status not in (200, 422):
            sys.exit(f"hostile: request {number}: status {response.status}")
        yield number + 1
    client.close()


def frames(server, count):
    """Sends `count` frames of one camera, in which the face moves, and yields how often it has."""
    portrait = Image.open(PORTRAIT).convert("RGB").resize((200, 200))
    files = []
    for at in range(40):
        picture, file = Image.new("RGB", (320, 240), (90, 110, 130)), io.BytesIO()
        picture.paste(portrait, (3 * min(at, 40 - at), at % 20))
        picture.save(file, "JPEG", quality=85)
        files.append(file.getvalue())
    address = f"ws://127.0.0.1:{server.port}/live"
    live = websocket.create_connection(address, timeout=HANG_SECONDS, suppress_origin=True)
    for number in range(count):
        live.send_binary(files[number % len(files)])
        if '"error"' in live.recv():
            sys.exit(f"hostile: frame {number} is refused")
        yield number + 1
    live.close()


def is_flat(server, what, steps, count):
    """Prints the memory on the way; gives whether it stays."""
    started, warm, last = time.monotonic(), None, 0
    for done in steps:
        if warm is None and done >= max(WARM, count // 10):
            warm = server.resident()
        if done % STEP == 0 or done == count:
            last = server.resident()
            print(f"| {what} | {done:,} | {last} | {time.monotonic() - started:.0f} |", flush=True)
    return last <= (warm or last) + MOST_MB


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--frames", type=int, default=10_000)
    options = parser.parse_args()
    with Server() as server:
        print("| | so far | resident, MB | seconds |\n| --- | ---: | ---: | ---: |")
        print(f"| start | 0 | {server.resident()} | 0 |")
        flat = [
            is_flat(server, "requests", requests(server, options.requests), options.requests),
            is_flat(server, "frames", frames(server, options.frames), options.frames),
        ]
        print(f"\n{server.peak()} MB at the peak; {'flat' if all(flat) else 'not flat'}")
    sys.exit(not all(flat))


if __name__ == "__main__":
    main()
