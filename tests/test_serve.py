"""`fer serve` and `fer predict` with input of every kind: photos, and input of attackers."""

import base64
import contextlib
import json
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import time
import zlib

import numpy as np
import pytest
import websocket
from PIL import Image
from program import fer, start_fer
from serve import BEGUN, ask, astronaut, encoded, server

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
    "gif": (encoded(Image.new("L", (64, 64)), "GIF"), "a GIF image"),
    "heic": (b"\0\0\0\x18ftypheic" + bytes(500), "a HEIC image"),
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


def raw(url, text):
    """The reply to bytes as they are, up to its end."""
    with socket.create_connection(address(url), timeout=20) as connection:
        connection.sendall(text.encode("latin-1"))
        reply = b""
        with contextlib.suppress(ConnectionError):
            while received := connection.recv(65536):
                reply += received
    return reply.decode("latin-1")


def status_of(url, *lines):
    reply = raw(url, "\r\n".join([*lines, "Connection: close", "", ""]))
    return int(reply.split(" ")[1]) if reply.startswith("HTTP/1.1 ") else None


ODD_HOSTS = """[::1].evil.example|[::1]evil|localhost.evil.example|localhost:80@evil.example|evil.example
127.0.0.1.nip.io|127.0.0.2|0.0.0.0|2130706433|0x7f.1|127.1|localhost.||localhost:evil.example
127.0.0.1:8765:evil|user@localhost|\xfflocalhost|localhost localhost|localhost:65536"""


@pytest.mark.parametrize("host", ODD_HOSTS.replace("\n", "|").split("|"))
def test_a_host_has_to_be_this_machine_and_nothing_else(running, host):
    assert status_of(running, "GET /healthz HTTP/1.1", f"Host: {host}") in (400, 403)


def test_there_is_one_host_and_one_origin(running):
    line, here = "GET /api/model HTTP/1.1", "Host: localhost"
    for wrong in (
        (line, here, "Host: evil.example"),
        (line, "Host: evil.example", here),
        (line, here, here),
        (line,),
        (line, here, "Origin: http://localhost", "Origin: http://evil.example"),
        ("GET http://evil.example/api/model HTTP/1.1", here),
        ("GET http://localhost/api/model HTTP/1.1", "Host: evil.example"),
    ):
        assert status_of(running, *wrong) in (400, 403), wrong
    for origin in ("null", "http://localhost:1", "http://localhost/", "http://user@localhost", "\xff", ""):
        assert status_of(running, line, here, f"Origin: {origin}") in (400, 403), origin
    assert status_of(running, line, here, "Origin: http://localhost") == 200
    assert status_of(running, "GET http://localhost/api/model HTTP/1.1", here) == 200


def test_a_photo_comes_in_three_ways(running):
    photo = encoded(astronaut(), "JPEG", quality=90)
    *_, expected = predict(running, photo)
    form = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n'
        b"Content-Type: image/jpeg\r\n\r\n" + photo + b"\r\n--x--\r\n"
    )
    text = json.dumps({"image": base64.b64encode(photo).decode()}).encode()
    for kind, body in (
        ("multipart/form-data; boundary=x", form),
        ("application/json", text),
        ("image/jpeg", photo),
        ("application/x-www-form-urlencoded", photo),  # curl's, whatever the bytes are
    ):
        status, _, answer = ask(f"{running}/api/predict", body, {"Content-Type": kind})
        assert status == 200, answer
        assert answer["faces"] == expected["faces"], kind
    for kind, body, why in (
        ("multipart/form-data", form, "boundary"),
        ("multipart/form-data; boundary=y", form, "boundary"),
        ("multipart/form-data; boundary=x", form[:-20], "cut short"),
        ("application/json", b"{}", "image"),
        ("application/json", b'{"image": "?"}', "base64"),
    ):
        status, _, answer = ask(f"{running}/api/predict", body, {"Content-Type": kind})
        assert status == 400 and why in answer["error"], answer
    zipped = {"Content-Encoding": "gzip"}
    assert ask(f"{running}/api/predict", photo, zipped)[0] == 415


def test_curl_sends_forms(running, tmp_path):
    if not shutil.which("curl"):
        pytest.skip("curl is not there")
    astronaut().save(tmp_path / "a face.jpg")
    for name in ("file", "photo", "anything"):
        command = ["curl", "-sS", "-F", f"{name}=@{tmp_path}/a face.jpg", f"{running}/api/predict"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        assert len(json.loads(done.stdout)["faces"]) == 1


def test_other_methods_are_told_what_to_do(running):
    for method in ("GET", "PUT", "DELETE", "PATCH", "HEAD"):
        reply = raw(
            running, f"{method} /api/predict HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        assert reply.startswith("HTTP/1.1 405") and "\r\nallow: post\r\n" in reply.lower(), reply
        if method != "HEAD":
            assert "POST" in json.loads(reply.split("\r\n\r\n")[1])["error"]
    reply = raw(
        running, "POST /api/model HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    )
    assert reply.startswith("HTTP/1.1 405") and "\r\nallow: get,head\r\n" in reply.lower(), reply


def test_a_server_takes_smaller_photos_than_the_command_line(running, tmp_path):
    large = encoded(Image.new("RGBA", (4500, 4400)))
    started = time.monotonic()
    status, _, answer = predict(running, large)
    assert status == 422 and "4500×4400 pixels are too many" in answer["error"]
    assert "fer predict" in answer["error"] and time.monotonic() - started < 2
    assert predict(running, encoded(Image.new("L", (5000, 4000))))[0] == 200


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


def two_people(step):
    """A frame of 640 × 480 in which one goes right and another one left."""
    head = astronaut().crop((130, 0, 386, 256))
    picture = Image.new("RGB", (640, 480), (90, 100, 110))
    picture.paste(head.resize((200, 200)), (20 + 4 * step, 30))
    other = head.resize((180, 180)).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    picture.paste(other, (420 - 4 * step, 270))
    return picture


def test_faces_of_a_camera_keep_their_numbers(running):
    with contextlib.closing(camera(running)) as live, contextlib.closing(camera(running)) as other:
        for step in range(24):
            live.send_binary(encoded(two_people(step), "JPEG", quality=90))
            answer = json.loads(live.recv())
            assert "no_face" not in answer
            tops = {face["number"]: face["area"]["top"] for face in answer["faces"]}
            assert set(tops) == {1, 2}, (step, answer)
            if step == 0:
                first = tops[1] < 200
            assert (tops[1] < 200) == first != (tops[2] < 200), (step, tops)
            for face in answer["faces"]:
                assert sum(face["smoothed"]["probs"]) == pytest.approx(1, abs=1e-4)
                assert step > 0 or face["smoothed"]["probs"] == pytest.approx(face["prediction"]["probs"])
        # Another camera has numbers of its own.
        other.send_binary(encoded(two_people(0), "JPEG", quality=90))
        assert {face["number"] for face in json.loads(other.recv())["faces"]} == {1, 2}


def test_smoothed_values_follow_slowly(running):
    face = astronaut().crop((130, 0, 386, 256)).resize((320, 320))
    changed = face.copy()
    # Other pixels in the same place: the mouth's part is blurred away.
    mouth = face.crop((75, 155, 165, 205)).resize((3, 2)).resize((90, 50))
    changed.paste(mouth, (75, 155))
    with contextlib.closing(camera(running)) as live:
        answers = []
        for picture in (face, changed):
            live.send_binary(encoded(picture))
            (seen,) = json.loads(live.recv())["faces"]
            answers.append(seen)
    raw = [np.array(seen["prediction"]["probs"]) for seen in answers]
    smoothed = np.array(answers[1]["smoothed"]["probs"])
    assert answers[1]["number"] == 1
    assert np.abs(raw[1] - raw[0]).max() > 0.05, "the pictures differ too little"
    low, high = np.minimum(*raw), np.maximum(*raw)
    assert (smoothed >= low - 1e-5).all() and (smoothed <= high + 1e-5).all()
    assert np.abs(smoothed - raw[1]).max() > 0.01


def test_why_there_is_no_face_is_said(running):
    dark, flat = (Image.new("RGB", (320, 240), (gray,) * 3) for gray in (4, 120))
    for picture, why in ((dark, "too dark"), (flat, "nothing in it is like a face")):
        status, _, answer = predict(running, encoded(picture))
        assert status == 200 and answer["faces"] == [] and why in answer["no_face"]
        with contextlib.closing(camera(running)) as live:
            for _ in range(3):
                live.send_binary(encoded(picture, "JPEG"))
                answer = json.loads(live.recv())
                assert answer["faces"] == [] and why in answer["no_face"]
    assert "no_face" not in predict(running, encoded(astronaut()))[2]


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
    predicts = described["paths"]["/api/predict"]["post"]
    seen = {predict(running, encoded(astronaut()))[0]}
    for kind, media in predicts["requestBody"]["content"].items():
        names = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP", "image/bmp": "BMP"}
        photo = encoded(astronaut(), names.get(kind, "JPEG"))
        fields = media["schema"].get("properties", {})
        body = photo
        if kind == "application/json":
            assert set(fields) == {"image", "faces"}
            body = json.dumps({"image": base64.b64encode(photo).decode(), "faces": "find"}).encode()
        elif kind == "multipart/form-data":
            assert set(fields) == {"file", "faces"}
            head = b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n'
            body = head % b"file" + photo + b"\r\n" + head % b"faces" + b"find\r\n--x--"
            kind += "; boundary=x"
        status, _, answer = ask(f"{running}/api/predict", body, {"Content-Type": kind})
        assert status == 200 and len(answer["faces"]) == 1, (kind, answer)
    seen |= {
        predict(running, b"", "?faces=all")[0],
        ask(f"{running}/api/predict", b"", {"Host": "evil.example"})[0],
        ask(f"{running}/api/predict")[0],
        predict(running, bytes(21 << 20))[0],
        ask(f"{running}/api/predict", b"", {"Content-Encoding": "gzip"})[0],
        predict(running, b"no photo")[0],
    }
    # 401, 408 and 503 have tests of their own.
    assert seen | {401, 408, 503} == {int(status) for status in predicts["responses"]}
    _, _, model = ask(f"{running}/api/model")
    assert model["trained_on"] == "FER2013" and model["drawn_faces"] is False
    assert 0 < model["certainty"]["uncertain_below"] < 1
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
                assert closed_with(live) == 1001
                assert process.wait(15) == 0
                assert time.monotonic() - started < 5


@pytest.mark.parametrize("count", [256, 1000])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_whoever_is_connected(tmp_path, count, number):
    with server(FER_RUNS_DIR=str(tmp_path)) as (url, process), contextlib.ExitStack() as stack:
        for index in range(count):
            connection = stack.enter_context(socket.create_connection(address(url), timeout=30))
            with contextlib.suppress(ConnectionError):
                connection.sendall(BEGUN[index % len(BEGUN)])
        time.sleep(0.5)
        started = time.monotonic()
        process.send_signal(number)
        assert process.wait(15) == 0
        assert time.monotonic() - started < 5


def test_who_else_may_come_is_a_choice_that_is_said(tmp_path):
    arguments = ("--host", "0.0.0.0", "--allow-host", "lab7.example")
    with server(*arguments, FER_RUNS_DIR=str(tmp_path)) as (printed, process):
        found = re.fullmatch(r"http://0\.0\.0\.0:(\d+)/\?token=([0-9a-f]{32})", printed)
        port, token = found.groups()
        url, secret = f"http://127.0.0.1:{port}", f"token={token}"
        # Without the token, nothing; with it, the page, and from then on its cookie.
        for path in ("/", "/healthz", "/api/model", "/app.js", f"/?token={token[:-1]}", "/?token="):
            status, headers, answer = ask(url + path)
            assert status == 401 and "token" in answer["error"], path
            assert headers["www-authenticate"] == "Bearer"
        with pytest.raises(websocket.WebSocketBadStatusException, match="401"):
            camera(url)
        status, headers, page = ask(f"{url}/?{secret}", headers={"Host": f"lab7.example:{port}"})
        assert status == 200
        assert "Nothing leaves this machine" not in page and "Photos leave your machine" in page
        cookie, *flags = headers["set-cookie"].split("; ")
        assert {"HttpOnly", "SameSite=Strict"} <= set(flags)
        assert ask(f"{url}/api/model", headers={"Cookie": cookie})[0] == 200
        assert ask(f"{url}/api/model", headers={"Authorization": f"Bearer {token}"})[0] == 200
        with contextlib.closing(camera(url, cookie=cookie)) as live:
            live.send_binary(frame())
            assert len(json.loads(live.recv())["faces"]) == 1
        status, _, answer = predict(url, encoded(astronaut()), f"?faces=find&{secret}")
        assert status == 200 and len(answer["faces"]) == 1
        assert ask(f"{url}/healthz?{secret}", headers={"Host": "lab8.example"})[0] == 403
        process.terminate()
        said, complaints = process.communicate(timeout=30)
    assert "everybody who can reach this machine" in complaints
    assert "Nothing leaves" not in said


def test_names_of_this_machine(tmp_path):
    with server("--host", "localhost", FER_RUNS_DIR=str(tmp_path)) as (url, _):
        assert ask(f"{url}/healthz")[0] == 200
    for arguments in (
        ("--host", "no.such.example.invalid"),
        ("--host", ""),
        ("--allow-host", "lab7:80"),
        ("--allow-origin", "lab7.example"),
        ("--workers", "65"),
        ("--max-pixels", "51"),
    ):
        done = fer("serve", "--run", "seed_cnn", "--port", 0, *arguments, FER_RUNS_DIR=str(tmp_path))
        assert done.returncode in (1, 2), arguments
        assert arguments[0].strip("-") in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_a_proxys_pages_may_be_let_in(tmp_path):
    ours, others = "https://faces.example", "https://evil.example"
    with server("--allow-origin", ours, FER_RUNS_DIR=str(tmp_path)) as (url, _):
        _, _, page = ask(url)
        assert "Nothing leaves this machine" not in page
        for host in (url.removeprefix("http://"), "faces.example"):
            headers = {"Host": host, "Origin": ours}
            status, sent, _ = ask(f"{url}/api/predict", encoded(astronaut()), headers)
            assert status == 200 and sent["access-control-allow-origin"] == ours
            status, sent, _ = ask(f"{url}/api/model", headers={"Host": host, "Origin": others})
            assert status == 403 and sent.get("access-control-allow-origin") is None
        reply = raw(
            url,
            "OPTIONS /api/predict HTTP/1.1\r\nHost: faces.example\r\nOrigin: https://faces.example\r\n"
            "Access-Control-Request-Method: POST\r\nConnection: close\r\n\r\n",
        ).lower()
        assert reply.startswith("http/1.1 204") and f"access-control-allow-origin: {ours}" in reply


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
    assert "a.jpg: no face was found: " in lines[1]
    assert "b.png: happy " in lines[2]
    report = json.loads((tmp_path / "out.json").read_text())
    first, second = report["photos"]
    assert [over["kind"] for over in report["passed_over"]] == ["text"] and report["failed"] == []
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
