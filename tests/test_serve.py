"""`fer serve` and `fer predict` with input of every kind: photos, and what people who mean harm send."""

import contextlib
import json
import random
import signal
import socket
import struct
import time
import zlib

import numpy as np
import pytest
import websocket
from PIL import Image
from program import fer, start_fer
from serve import ask, astronaut, encoded, server

SIXTEEN_MIB = 16 << 20


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with server(FER_RUNS_DIR=str(tmp_path_factory.mktemp("runs"))) as (url, process):
        yield url
        assert process.poll() is None, "the server ended"


def predict(url, body, query=""):
    return ask(f"{url}/api/predict{query}", body)


# --- photos ---------------------------------------------------------------------------------------


def test_a_portrait(running):
    status, _, answer = predict(running, encoded(astronaut()))
    assert status == 200
    assert answer["size"] == [512, 512]
    (face,) = answer["faces"]
    assert face["area"]["left"] == pytest.approx(176, abs=15)
    assert face["area"]["top"] == pytest.approx(67, abs=15)
    prediction = face["prediction"]
    probs = dict(zip(answer["classes"], prediction["probs"], strict=True))
    assert sum(probs.values()) == pytest.approx(1, abs=1e-5)
    assert prediction["emotion"] == max(probs, key=probs.get) == "happy"
    assert prediction["confidence"] == pytest.approx(max(probs.values()))


def test_several_faces(running):
    group = Image.new("RGB", (1024, 512))
    group.paste(astronaut(), (0, 0))
    group.paste(astronaut().transpose(Image.Transpose.FLIP_LEFT_RIGHT), (512, 0))
    _, _, answer = predict(running, encoded(group, "JPEG", quality=90))
    lefts = sorted(face["area"]["left"] for face in answer["faces"])
    assert lefts == pytest.approx([176, 1024 - 176 - 96], abs=15)


def test_exif_says_what_is_up(running):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    lying = astronaut().crop((0, 0, 512, 400)).rotate(90, expand=True)
    _, _, answer = predict(running, encoded(lying, "JPEG", exif=exif, quality=95))
    assert answer["size"] == [512, 400]
    (face,) = answer["faces"]
    assert face["area"]["left"] == pytest.approx(176, abs=15)


def test_a_cut_out_face_is_taken_whole(running):
    face = astronaut().crop((172, 63, 276, 167)).resize((48, 48)).convert("L")
    status, _, answer = predict(running, encoded(face), "?faces=cut_out")
    assert status == 200
    assert answer["faces"][0]["area"] == {"left": 0, "top": 0, "width": 48, "height": 48, "score": 0}
    assert answer["faces"][0]["prediction"]["emotion"] == "happy"
    status, _, problem = predict(running, encoded(face), "?faces=all")
    assert status == 400 and "cut_out" in problem["error"]


# --- images that are none, or too many ------------------------------------------------------------


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_that_says(width, height, body=b""):
    """A PNG file whose header promises this size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(body))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


def animated():
    frames = [Image.new("L", (64, 64), shade) for shade in (0, 120, 255)]
    return encoded(frames[0], save_all=True, append_images=frames[1:], duration=40)


REFUSED = {
    "empty": (b"", "0 bytes"),
    "text": (b"Dear Sir or Madam, this is a photo of me.\n" * 30, "not an image"),
    "cut_short": (encoded(astronaut(), "JPEG")[:9000], "cut short"),
    "broken": (encoded(astronaut())[:30_000] + bytes(500_000), "the image"),
    "wide": (encoded(Image.new("L", (20_000, 50))), "20000×50 pixels are too many"),
    "large": (png_that_says(9000, 9000, bytes(9001 * 9000)), "9000×9000 pixels are too many"),
    "one_pixel": (encoded(Image.new("RGB", (1, 1))), "1×1 pixels are too few"),
    "animated_png": (animated(), "an animation"),
    "gif": (encoded(Image.new("L", (64, 64)), "GIF"), "a Gif file"),
    "webp": (encoded(Image.new("RGB", (64, 64)), "WEBP"), "a WebP file"),
    # Some hundred bytes that promise 65,000 × 65,000 pixels, and 64 MB of pixels in 64 KB.
    "bomb_header": (png_that_says(65_000, 65_000), "65000×65000 pixels are too many"),
    "bomb_body": (png_that_says(8, 8, bytes(64 << 20)), ""),
    "no_size": (png_that_says(0, 0), "the image"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_is_said(running, name):
    body, reason = REFUSED[name]
    status, _, answer = predict(running, body)
    if name == "bomb_body" and status == 200:
        return  # what the header doesn't promise is never unpacked
    assert 400 <= status < 500, answer
    assert reason in answer["error"] and "\n" not in answer["error"]
    assert ask(f"{running}/healthz")[0] == 200


@pytest.mark.parametrize("name", REFUSED)
def test_files_that_cannot_be_used_are_named(name, tmp_path):
    body, reason = REFUSED[name]
    (tmp_path / "face.jpg").write_bytes(body)
    done = fer("predict", tmp_path / "face.jpg", FER_RUNS_DIR=str(tmp_path))
    if name == "bomb_body" and done.returncode == 0:
        return
    assert done.returncode == 1
    assert f"{tmp_path / 'face.jpg'}: " in done.stderr and reason in done.stderr
    assert "panicked" not in done.stderr


def sixteen_bit():
    gray = np.asarray(astronaut().convert("L"), dtype=np.uint16) * 257
    return encoded(Image.fromarray(gray))


@pytest.mark.parametrize(
    "body",
    [
        encoded(astronaut().convert("CMYK"), "JPEG", quality=95),
        sixteen_bit(),
        encoded(astronaut().convert("RGBA")),
        encoded(astronaut().quantize(64)),
        encoded(astronaut(), "JPEG", progressive=True),
    ],
    ids=["cmyk", "16_bit", "transparent", "palette", "progressive"],
)
def test_unusual_photos_are_photos(running, body):
    status, _, answer = predict(running, body)
    assert status == 200, answer
    assert len(answer["faces"]) == 1
    assert answer["faces"][0]["prediction"]["emotion"] == "happy"


# --- requests that are none, or too many ----------------------------------------------------------


def test_too_large_an_upload(running):
    status, _, answer = predict(running, bytes(21 << 20))
    assert status == 413 and "too large" in answer["error"]
    assert ask(f"{running}/healthz")[0] == 200


def test_nothing_of_the_file_system_can_be_reached(running):
    host, port = address(running)
    for path in ("/../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/style.css/.."):
        with socket.create_connection((host, port), timeout=10) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
            assert connection.recv(4096).startswith(b"HTTP/1.1 404")


def address(url):
    host, port = url.removeprefix("http://").split(":")
    return host, int(port)


def test_other_sites_are_refused(running):
    for headers in ({"Host": "rebound.example"}, {"Origin": "http://evil.example"}, {"Origin": "null"}):
        status, _, answer = ask(f"{running}/api/predict", encoded(astronaut()), headers)
        assert status == 403 and "error" in answer
    with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
        camera(running, origin="http://evil.example")
    camera(running, origin=running).close()


def test_the_page_lets_nothing_in_from_elsewhere(running):
    status, headers, page = ask(running)
    policy = headers["content-security-policy"]
    assert status == 200 and "default-src 'none'" in policy and "unsafe" not in policy
    assert "http://" not in page and "https://" not in page
    assert headers["x-content-type-options"] == "nosniff"
    assert headers.get("access-control-allow-origin") is None


def test_slow_requests_keep_nobody_waiting(running):
    connections = [socket.create_connection(address(running), timeout=30) for _ in range(50)]
    try:
        for connection in connections:
            connection.sendall(b"POST /api/predict HTTP/1.1\r\nHost: localh")
        started = time.monotonic()
        assert ask(f"{running}/healthz")[0] == 200
        assert time.monotonic() - started < 5
        # Their heads never come to an end: they are cut off.
        assert connections[0].recv(100) in (b"",) or time.monotonic() - started < 20
        assert time.monotonic() - started < 20
    finally:
        for connection in connections:
            connection.close()


def test_a_body_that_never_ends_is_given_up(running):
    host, port = address(running)
    with socket.create_connection((host, port), timeout=60) as connection:
        head = f"POST /api/predict HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 1000\r\n\r\nab"
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 408")


# --- the camera's socket --------------------------------------------------------------------------


def camera(url, **options):
    live = url.replace("http", "ws", 1) + "/live"
    options.setdefault("suppress_origin", "origin" not in options)
    return websocket.create_connection(live, timeout=60, **options)


def frame(width=320, quality=85):
    return encoded(astronaut().resize((width, width)), "JPEG", quality=quality)


def test_each_frame_gets_its_answer(running):
    with contextlib.closing(camera(running)) as live:
        for number in range(5):
            live.send_binary(frame())
            answer = json.loads(live.recv())
            assert answer["frame"] == number and len(answer["faces"]) == 1


def test_the_newest_frame_counts(running):
    with contextlib.closing(camera(running)) as live:
        for _ in range(60):
            live.send_binary(frame(512))
        seen = [json.loads(live.recv())["frame"]]
        while seen[-1] != 59:
            seen.append(json.loads(live.recv())["frame"])
        assert seen == sorted(set(seen)) and len(seen) < 60, seen


def test_two_hundred_cameras_at_once(running):
    opened, refused = [], 0
    try:
        for _ in range(200):
            try:
                opened.append(camera(running))
            except websocket.WebSocketBadStatusException as error:
                assert error.status_code == 503
                refused += 1
        assert len(opened) == 16 and refused == 184
        assert ask(f"{running}/healthz")[0] == 200
        opened[-1].send_binary(frame())
        assert len(json.loads(opened[-1].recv())["faces"]) == 1
    finally:
        for live in opened:
            live.close()
    until = time.monotonic() + 10
    while True:  # their places are free again
        try:
            camera(running).close()
            break
        except websocket.WebSocketBadStatusException:
            assert time.monotonic() < until
            time.sleep(0.1)


def closed_with(live):
    """The code that the other side closes with, after whatever it still says."""
    while True:
        code, data = live.recv_data()
        if code == websocket.ABNF.OPCODE_CLOSE:
            return struct.unpack(">H", data[:2])[0]


def test_garbage_ends_a_camera_and_nothing_else(running):
    with contextlib.closing(camera(running)) as live:
        live.send("words")
        assert closed_with(live) == 1003
    with contextlib.closing(camera(running)) as live:
        for number in range(10):
            live.send_binary(b"no photo")
            answer = json.loads(live.recv())
            assert answer["frame"] == number and "not an image" in answer["error"]
        assert closed_with(live) == 1003
    with contextlib.closing(camera(running)) as live, contextlib.suppress(OSError):
        live.send_binary(bytes(SIXTEEN_MIB))
        assert closed_with(live) == 1009
    assert ask(f"{running}/healthz")[0] == 200


def packet(rng):
    """A frame of RFC 6455 with any bits set, any opcode, masked or not, and a length that may lie."""
    payload = rng.randbytes(rng.randint(0, 125))
    length = rng.choice([len(payload), rng.randrange(128)])
    return bytes([rng.randrange(256), rng.choice([0, 128]) | length]) + rng.randbytes(4) + payload


def test_random_messages_for_ten_seconds(running):
    seed = 2026
    rng = random.Random(seed)
    good = frame(64)
    until, sent = time.monotonic() + 10, 0
    while time.monotonic() < until:
        with contextlib.suppress(OSError, websocket.WebSocketException):
            live = camera(running)
            live.settimeout(2)
            for _ in range(rng.randint(1, 30)):
                sent += 1
                kind = rng.randrange(6)
                if kind == 0:  # bytes below the protocol: no frame at all
                    live.sock.sendall(rng.randbytes(rng.randint(1, 200)))
                elif kind == 1:
                    live.sock.sendall(packet(rng))
                elif kind == 2:
                    live.send_binary(rng.randbytes(rng.randint(0, 4000)))
                elif kind == 3:
                    damaged = bytearray(good)
                    for _ in range(rng.randint(1, 9)):
                        damaged[rng.randrange(len(damaged))] = rng.randrange(256)
                    live.send_binary(bytes(damaged))
                elif kind == 4:
                    live.ping(rng.randbytes(rng.randint(0, 125)))
                else:
                    live.send_binary(good)
                    live.recv()
            live.close()
    print(f"seed {seed}: {sent} messages")
    assert sent > 20
    assert ask(f"{running}/healthz")[0] == 200
    with contextlib.closing(camera(running)) as live:
        live.send_binary(frame())
        assert len(json.loads(live.recv())["faces"]) == 1


# --- the program ----------------------------------------------------------------------------------


def test_what_it_says_of_itself(running):
    _, _, described = ask(f"{running}/api/openapi.json")
    assert described["openapi"].startswith("3.1")
    for path, methods in described["paths"].items():
        if path != "/live" and "get" in methods:
            assert ask(f"{running}{path}")[0] == 200, path
    _, _, model = ask(f"{running}/api/model")
    assert model["trained_on"] == "FER2013" and 0 < model["certainty"]["uncertain_below"] < 1
    _, _, text = ask(f"{running}/metrics")
    numbers = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert int(numbers["fer_answer_seconds_count"]) > 0
    assert int(numbers["process_resident_memory_bytes"]) > 0


def test_it_ends_when_it_is_told_to(tmp_path):
    for number in (signal.SIGTERM, signal.SIGINT):
        with server(FER_RUNS_DIR=str(tmp_path)) as (url, process):
            with contextlib.closing(camera(url)) as live:
                live.send_binary(frame())
                live.recv()
                started = time.monotonic()
                process.send_signal(number)
                assert process.wait(15) == 0
                assert time.monotonic() - started < 10


def test_who_else_may_come_is_a_choice_that_is_said(tmp_path):
    with server("--host", "0.0.0.0", FER_RUNS_DIR=str(tmp_path)) as (url, process):
        _, port = address(url)
        assert ask(f"http://127.0.0.1:{port}/healthz", headers={"Host": "lab7.example"})[0] == 200
        process.terminate()
        _, complaints = process.communicate(timeout=30)
    assert "everybody who reaches this machine" in complaints


def test_a_port_that_is_taken(running, tmp_path):
    _, port = address(running)
    named = ("--run", "seed_cnn")  # or a line says which network answers
    done = fer("serve", "--port", port, *named, FER_RUNS_DIR=str(tmp_path))
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert f"port {port}" in done.stderr


# --- fer predict ----------------------------------------------------------------------------------


def test_a_folder_of_photos(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    astronaut().save(photos / "b.png")
    Image.new("RGB", (300, 200)).save(photos / "a.jpg")
    (photos / "notes.txt").write_text("no photo")
    done = fer(
        *("predict", photos, "--annotate", tmp_path / "out", "--json", tmp_path / "out.json"),
        FER_RUNS_DIR=str(tmp_path),
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "network trained on FER2013"
    assert lines[1].endswith("a.jpg: no face was found")
    assert "b.png: happy " in lines[2]
    first, second = json.loads((tmp_path / "out.json").read_text())
    assert first["faces"] == [] and len(second["faces"]) == 1
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a.png", "b.png"}
    with Image.open(tmp_path / "out" / "b.png") as drawn:
        assert drawn.size == (960, 960)
    # The photos themselves are never written over.
    before = (photos / "b.png").read_bytes()
    for option, target in (("--annotate", photos), ("--json", photos / "b.png")):
        done = fer("predict", photos, option, target, FER_RUNS_DIR=str(tmp_path))
        assert done.returncode == 1 and "not overwritten" in done.stderr, done.stderr
        assert (photos / "b.png").read_bytes() == before
    (tmp_path / "none").mkdir()
    done = fer("predict", tmp_path / "none", FER_RUNS_DIR=str(tmp_path))
    assert done.returncode == 1 and "no photo is in this folder" in done.stderr


def test_pictures_of_48_pixels_are_faces(tmp_path):
    for index in range(6):
        Image.new("L", (48, 48), 40 * index).save(tmp_path / f"{index}.png")
    process = start_fer("predict", tmp_path, FER_RUNS_DIR=str(tmp_path / "runs"))
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out.count(".png: ") == 6
