"""Compares `fer serve` with a FastAPI + PyTorch server, and measures the time of a camera's frame.

    .venv/bin/python fer_nb/benches/serve.py [--rounds 5] [--seconds 8] [--frames 10000]

The load is ab's (Debian: apache2-utils): 16 connections that are kept open, each asking about the same
48×48 PNG file again and again; both servers have as many workers as there are cores, with one thread of
libtorch each, and the same weights (data/pretrained/seed_cnn). Ours also in float32, since the peer's is.
They are started in turns, the first one
changing from round to round. Then the camera: a 640×480 JPEG frame with one face, one after the other, with
the server's memory at the start and the end. Leaves build/serve.json and build/serve.md.
"""

import argparse
import io
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
PYTHON = ROOT / ".venv" / "bin" / "python"
FER = ROOT / ".venv" / "bin" / "fer"
PEERS = ROOT / "fer_nb" / "benches" / "peers"
FASTAPI = BUILD / "bench-fastapi"
WEIGHTS = ROOT / "data" / "pretrained" / "seed_cnn"
PORT = 8766


def install():
    """FastAPI and uvicorn in a folder of their own, beside .venv's torch."""
    requirements = PEERS / "requirements-fastapi.txt"
    stamp = FASTAPI / "requirements"
    if not stamp.exists() or stamp.read_text() != requirements.read_text():
        shutil.rmtree(FASTAPI, ignore_errors=True)
        pip = [PYTHON, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "--target", FASTAPI, "-r", requirements], check=True)
        stamp.write_text(requirements.read_text())


def commands():
    cores = str(len(os.sched_getaffinity(0)))
    fer = [FER, "serve", "--run", WEIGHTS, "--port", str(PORT), "--workers", cores, "--precision"]
    peer = [PYTHON, PEERS / "fastapi_server.py", WEIGHTS, str(PORT), cores]
    return {
        "fer serve": [*fer, "auto"],
        "fer serve, float32": [*fer, "float32"],
        "FastAPI + PyTorch, float32": peer,
    }


class Server:
    def __init__(self, command):
        settings = {"PYTHONPATH": str(FASTAPI), "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [str(part) for part in command],
            env={**os.environ, **settings},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def __enter__(self):
        until = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{PORT}/healthz", timeout=5).close()
                return self
            except OSError:
                if self.process.poll() is not None or time.monotonic() > until:
                    sys.exit(f"bench: no server: {self.process.stderr.read().decode()[-500:]}")
                time.sleep(0.2)

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def megabytes(self):
        """Of this process and those that it started."""
        children = subprocess.run(
            ["ps", "-o", "rss=", "--pid", str(self.process.pid), "--ppid", str(self.process.pid)],
            capture_output=True,
            text=True,
        )
        return sum(map(int, children.stdout.split())) / 1024


def png():
    """A face of 48×48 pixels: the middle of the portrait that comes with the project."""
    from PIL import Image

    face = Image.open(ROOT / "data" / "pictures" / "portrait.jpg").crop((172, 63, 276, 167))
    file = io.BytesIO()
    face.convert("L").resize((48, 48)).save(file, "PNG")
    return file.getvalue()


def frame():
    """A camera's frame: 640×480, one face of 120 pixels."""
    from PIL import Image

    photo = Image.open(ROOT / "data" / "pictures" / "portrait.jpg").crop((0, 0, 512, 384))
    file = io.BytesIO()
    photo.resize((640, 480)).save(file, "JPEG", quality=85)
    return file.getvalue()


def post(body):
    url = f"http://127.0.0.1:{PORT}/api/predict?faces=cut_out"
    with urllib.request.urlopen(urllib.request.Request(url, body), timeout=30) as response:
        return json.loads(response.read())


def load(path, seconds):
    url = f"http://127.0.0.1:{PORT}/api/predict?faces=cut_out"
    options = ["-k", "-q", "-c", "16", "-t", str(seconds), "-n", "1000000"]
    done = subprocess.run(
        ["ab", *options, "-p", path, "-T", "image/png", url], capture_output=True, text=True
    )
    found = {
        name: re.search(pattern, done.stdout)
        for name, pattern in {
            "rate": r"Requests per second:\s+([\d.]+)",
            "p50": r"\n\s+50%\s+(\d+)",
            "p99": r"\n\s+99%\s+(\d+)",
            "failed": r"Non-2xx responses:\s+(\d+)",
        }.items()
    }
    if done.returncode or not found["rate"]:
        sys.exit(f"bench: ab: {(done.stderr or done.stdout).strip()[-300:]}")
    if found["failed"]:
        sys.exit(f"bench: {found['failed'][1]} answers were refusals")
    return {name: float(found[name][1]) for name in ("rate", "p50", "p99")}


def camera(frames):
    """Milliseconds of each frame, server's and round trip's, and memory at a tenth and at the end."""
    import websocket

    picture = frame()
    with Server(commands()["fer serve"]) as server:
        live = websocket.create_connection(
            f"ws://127.0.0.1:{PORT}/live", suppress_origin=True, timeout=60
        )
        inside, around, early = [], [], 0.0
        for number in range(frames):
            started = time.perf_counter()
            live.send_binary(picture)
            answer = json.loads(live.recv())
            around.append(1e3 * (time.perf_counter() - started))
            inside.append(answer["milliseconds"])
            if len(answer["faces"]) != 1:
                sys.exit(f"bench: {len(answer['faces'])} faces in a frame")
            if number == frames // 10:
                early = server.megabytes()
        late = server.megabytes()
        live.close()
        body = png()
        face = [post(body)["milliseconds"] for _ in range(500)]
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/api/model") as response:
            precision = json.loads(response.read())["precision"]
    return {
        "precision": precision,
        "frames": frames,
        "frame_ms": statistics.median(inside),
        "frame_ms_99": sorted(inside)[int(0.99 * frames)],
        "round_trip_ms": statistics.median(around),
        "memory_mb": [early, late],
        "face_ms": statistics.median(face),
    }


def processor():
    names = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return f"{len(os.sched_getaffinity(0))} cores of {names[0] if names else platform.machine()}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--frames", type=int, default=10_000)
    options = parser.parse_args()
    if not shutil.which("ab"):
        sys.exit("bench: ab is missing: sudo apt install apache2-utils")
    install()
    BUILD.mkdir(exist_ok=True)
    path = BUILD / "serve.png"
    path.write_bytes(png())
    names = list(commands())
    measured = {name: [] for name in names}
    answers = {}
    for number in range(options.rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            with Server(commands()[name]) as server:
                answers[name] = post(path.read_bytes())
                load(path, 2)  # warm
                figures = load(path, options.seconds)
                figures["memory_mb"] = server.megabytes()
            measured[name].append(figures)
            print(f"round {number + 1}/{options.rounds}  {name:<26} {figures}", flush=True)
    probs = {name: answer["faces"][0]["prediction"]["probs"] for name, answer in answers.items()}
    peer = probs[names[-1]]
    apart = {
        name: max(abs(one - other) for one, other in zip(seven, peer, strict=True))
        for name, seven in probs.items()
    }
    if apart["fer serve, float32"] > 1e-4 or apart["fer serve"] > 2e-2:
        sys.exit(f"bench: the servers disagree: {apart}")
    live = camera(options.frames)
    text = report(options, measured, apart, live)
    results = {"hardware": processor(), "load": measured, "apart": apart, "camera": live}
    (BUILD / "serve.json").write_text(json.dumps(results, indent=1))
    (BUILD / "serve.md").write_text(text)
    print(text)


def report(options, measured, apart, live):
    def middle(name, key):
        return statistics.median(figures[key] for figures in measured[name])

    base = middle("fer serve", "rate")
    lines = [
        f"{processor()}; {options.rounds} rounds of {options.seconds} s, medians. Probabilities differ from "
        f"the peer's by {apart['fer serve']:.0e} (fer serve, {live['precision']}) and "
        f"{apart['fer serve, float32']:.0e} (float32).\n",
        "| 48×48 PNG over HTTP, 16 connections | requests/s | range | 50 % ms | 99 % ms | MB |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name in measured:
        rates = [figures["rate"] for figures in measured[name]]
        cells = [f"{middle(name, key):.0f}" for key in ("p50", "p99", "memory_mb")]
        spread = f"{min(rates):.0f}–{max(rates):.0f}"
        lines.append(f"| {name} | {middle(name, 'rate'):.0f} | {spread} | {' | '.join(cells)} |")
    full = middle("fer serve, float32", "rate")
    peer = middle("FastAPI + PyTorch, float32", "rate")
    early, late = live["memory_mb"]
    lines += [
        f"\n{base / peer:.1f} times the requests, {full / peer:.1f} times in float32.\n",
        f"One face of 48×48 pixels, file to probabilities: median {live['face_ms']:.1f} ms (n = 500).",
        f"A frame of 640×480 with one face: median {live['frame_ms']:.1f} ms, 99 % "
        f"{live['frame_ms_99']:.1f} ms, {live['round_trip_ms']:.1f} ms with the way there and back "
        f"(n = {live['frames']:,}).",
        f"Memory after a tenth of them {early:.0f} MB, at the end {late:.0f} MB.\n",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
