"""A running `fer serve` for the tests, and photos for it."""

import contextlib
import io
import json
import re
import urllib.error
import urllib.request

import numpy as np
import skimage.data
from PIL import Image
from program import start_fer

# What a connection may have sent when the server is told to end: nothing, half a head, a request, half a body.
BEGUN = (
    b"",
    b"GET /healthz HTTP/1.1\r\nHo",
    b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"POST /api/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nab",
)


@contextlib.contextmanager
def server(*arguments, **variables):
    """Starts it on a free port, with the weights that come with the project unless told otherwise."""
    process = start_fer("serve", "--port", 0, *arguments, **variables)
    try:
        line = process.stdout.readline()
        found = re.match(r"(http://\S+)", line)
        assert found, line + process.stderr.read()
        yield found[1], process
    finally:
        process.terminate()
        process.communicate(timeout=30)


def astronaut():
    """NASA's portrait of Eileen Collins (public domain), which scikit-image brings along: her face is
    about 96 pixels wide at (176, 67)."""
    return Image.fromarray(skimage.data.astronaut())


def encoded(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def ask(url, body=None, headers=()):
    """Status, headers and JSON (or text) of the answer to a request."""
    request = urllib.request.Request(url, body, dict(headers))
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            status, sent, text = response.status, response.headers, response.read().decode()
    except urllib.error.HTTPError as error:
        status, sent, text = error.code, error.headers, error.read().decode()
    kind = sent.get("content-type", "")
    return status, sent, json.loads(text) if kind.startswith("application/json") else text


def write_y4m(path, image, frames=30):
    """A video that shows one picture: Chromium plays it as a camera's, again and again."""
    pixels = np.asarray(image.convert("YCbCr"), dtype=np.uint8)
    height, width, _ = pixels.shape
    half = pixels.reshape(height // 2, 2, width // 2, 2, 3).mean((1, 3)).astype(np.uint8)
    planes = pixels[..., 0].tobytes() + half[..., 1].tobytes() + half[..., 2].tobytes()
    with open(path, "wb") as file:
        file.write(f"YUV4MPEG2 W{width} H{height} F30:1 Ip A1:1 C420jpeg\n".encode())
        file.write((b"FRAME\n" + planes) * frames)
