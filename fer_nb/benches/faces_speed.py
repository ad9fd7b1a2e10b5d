"""Measures the speed of face detection for faces.py: a camera's frame, the page in Chromium, videos and memory."""

import contextlib
import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import faces_pictures as pictures
from faces_pictures import BUILD, ROOT
from PIL import Image
from serve import PORT, Server
from serve import frame as one_face

FER = Path(os.environ.get("FER_BINARY", ROOT / ".venv" / "bin" / "fer"))
PARTS = ("frame", "page", "video", "memory")


def two_faces():
    head = Image.open(ROOT / "data" / "pictures" / "portrait.jpg").crop((130, 0, 386, 384))
    picture = Image.new("RGB", (640, 480), pictures.GRAY)
    picture.paste(head.resize((300, 450)), (10, 20))
    picture.paste(head.resize((280, 420)).transpose(Image.Transpose.FLIP_LEFT_RIGHT), (340, 40))
    return picture


def jpeg(picture):
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=85)
    return file.getvalue()


def serving(options):
    return Server([FER, "serve", "--run", options.run, "--port", str(PORT)])


def frame(options):
    """A frame's milliseconds on the server, of one camera that waits for each answer."""
    import websocket

    rows, frames = [], 300
    with serving(options):
        none = Image.new("RGB", (640, 480), pictures.GRAY)
        for name, body, goal in (("one face", one_face(), "≤ 30 ms"), ("two faces", jpeg(two_faces()), ""),
                                 ("no face", jpeg(none), "")):  # fmt: skip
            address = f"ws://127.0.0.1:{PORT}/live"
            with contextlib.closing(websocket.create_connection(address, suppress_origin=True, timeout=60)) as live:
                taken = []
                for _ in range(frames):
                    live.send_binary(body)
                    taken.append(json.loads(live.recv())["milliseconds"])
            late = sorted(taken)[int(0.95 * frames)]
            rows.append((f"frame of 640×480 with {name}, median", goal,
                         f"{statistics.median(taken):.1f} ms (95 %: {late:.0f} ms)", f"n = {frames}"))  # fmt: skip
    return rows


def page(options):
    """Frames a second in the page, in Chromium with a fake camera of 640×480 at 30 frames a second."""
    sys.path.insert(0, str(ROOT / "tests"))
    from chromium import browser, lacking

    if what := lacking():
        return [("camera page, 640×480, one face", "15 frames/s", "left out", what)]
    film = BUILD / "camera.y4m"
    if not shutil.which("ffmpeg"):
        return [("camera page, 640×480, one face", "15 frames/s", "left out", "no ffmpeg")]
    picture = BUILD / "camera.jpg"
    picture.write_bytes(one_face())
    command = ["ffmpeg", "-v", "error", "-y", "-loop", "1", "-framerate", "30", "-i", picture, "-t", "1", film]
    subprocess.run(command, check=True)
    with serving(options) as server:
        urllib.request.urlopen(f"http://127.0.0.1:{PORT}/api/model", timeout=10).close()
        job = {"url": f"http://127.0.0.1:{PORT}/", "chromium": browser(), "film": str(film), "seconds": 15}
        done = subprocess.run(["node", Path(__file__).with_name("faces_page.mjs")], input=json.dumps(job),
                              capture_output=True, text=True, timeout=120)  # fmt: skip
        if done.returncode or server.process.poll() is not None:
            sys.exit(f"bench: {done.stderr[-400:]}")
    answer = json.loads(done.stdout)
    return [("camera page, 640×480, one face", "15 frames/s", f"{answer['rate']:.1f} frames/s",
             f"{answer['frames']} frames in {answer['seconds']:.0f} s, Chromium on the same cores")]  # fmt: skip


def clip(path, frames, size):
    """The portrait, swaying: so many frames, 25 a second."""
    width, height = size
    sway = f"crop={width}:{height}:x='(iw-ow)/2*(1+sin(n/40))':y='(ih-oh)/4'"
    command = ["ffmpeg", "-v", "error", "-y", "-loop", "1", "-framerate", "25"]
    command += ["-i", ROOT / "data" / "pictures" / "portrait.jpg", "-frames:v", str(frames)]
    command += ["-vf", f"scale={width * 9 // 8 // 2 * 2}:-2,{sway}"]
    command += ["-preset", "ultrafast", "-pix_fmt", "yuv420p", path]
    subprocess.run([str(part) for part in command], check=True)


def analysed(path, options, watch=None):
    """Seconds that `fer predict` takes for a video, and what `watch` gives of its process meanwhile."""
    table = BUILD / "video.csv"
    command = [FER, "predict", path, "--run", options.run, "--csv", table]
    started, seen = time.monotonic(), []
    with subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as fer:
        while fer.poll() is None:
            if watch:
                seen += watch(fer.pid)
            time.sleep(0.1)
        if fer.returncode:
            sys.exit(f"bench: {fer.stderr.read().decode()[-400:]}")
    seconds = time.monotonic() - started
    rows = len(table.read_text().splitlines()) - 1
    return seconds, rows, seen


def video(options):
    if not shutil.which("ffmpeg"):
        return [("1080p video", "≥ 10 analysed frames/s", "left out", "no ffmpeg")]
    frames, path = 300, BUILD / "large.mp4"
    clip(path, frames, (1920, 1080))
    seconds, rows, _ = analysed(path, options)
    return [("1080p video", "≥ 10 analysed frames/s", f"{frames / seconds:.1f} frames/s",
             f"{frames} frames, one face in each ({rows} rows), start included")]  # fmt: skip


def memory(options):
    if not shutil.which("ffmpeg") or not Path("/proc/self/status").exists():
        return [("memory of a long video", "flat", "left out", "no ffmpeg, or no /proc")]
    path = BUILD / "long.mp4"
    clip(path, options.frames, (640, 360))

    def resident(pid):
        with contextlib.suppress(OSError, IndexError):
            line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "VmRSS" in line)
            return [int(line.split()[1]) / 1024]
        return []

    seconds, rows, seen = analysed(path, options, resident)
    at = [seen[int(share * (len(seen) - 1))] for share in (0.1, 0.5, 0.95)]
    return [("memory after a tenth, at the middle, near the end of a video", "flat",
             ", ".join(f"{megabytes:.0f} MB" for megabytes in at),
             f"{options.frames:,} frames of 640×360, {rows:,} rows, {seconds:.0f} s")]  # fmt: skip
