"""What a stranger sends to a server: requests, bodies and WebSocket frames that are nearly right, or far too much."""

import base64
import gzip
import json
import struct
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PORTRAIT = ROOT / "data" / "pictures" / "portrait.jpg"
MIB = 1 << 20

# --- pictures -------------------------------------------------------------------------------------


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width, height, depth=8, color=0, rows=None):
    """A black PNG; `rows` of its height are really there."""
    pixel = {0: 1, 2: 3, 4: 2, 6: 4}[color] * depth // 8
    packer, packed = zlib.compressobj(9), b""
    line = bytes(1 + width * pixel)
    for _ in range(height if rows is None else rows):
        packed += packer.compress(line)
    packed += packer.flush()
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def face():
    return png(48, 48)


def bmp(width, height, bits=24, packing=0, start=54, length=100):
    sizes = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, packing, length, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + length, 0, 0, start) + sizes + bytes(length)


def webp(width, height, pixels=b""):
    """A WebP without loss, of these sizes by its header."""
    data = b"\x2f" + struct.pack("<I", (width - 1) | ((height - 1) << 14)) + pixels
    parts = b"WEBPVP8L" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(parts)) + parts


def pictures():
    """Pictures that promise too much, and files of other kinds."""
    largest = 2**31 - 1
    return [
        png(64, 64, color=2),
        png(16_000, 3_000, color=6, depth=16, rows=1),
        *[bmp(*sizes) for sizes in ((largest, largest), (-5, -(2**31)), (16_000, 3_000), (16_000, 3_000, 8, 1))],
        *[bmp(16_000, 3_000, 4, 2), bmp(100, 100, 24, 0, 2**32 - 1), bmp(3_000, 3_000, 32, 0, 54, 10)],
        *[webp(16_383, 3_000), webp(16_383, 3_000, bytes(2_000)), webp(100, 100, bytes(20))],
        b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\xff" * 6,
        b"GIF89a" + b"\xff" * 4 + bytes(100),
        b"II*\0\x08\0\0\0\x01\0\0\x01\x04\0" + b"\xff" * 8 + b"\x08\0\0\0",  # a TIFF whose directories form a ring
        b"\0\0\x01\0\xff\xff" + bytes(1_000),  # 65,535 icons
        b"\0\0\0\x20ftypavif" + bytes(500),
        b'<svg xmlns="http://www.w3.org/2000/svg" width="1e9" height="1e9"/>',
        b"%PDF-1.7" + bytes(100),
        b"PK\3\4" + bytes(100),
        b"P6 99999 99999 255\n",
    ]


# --- requests -------------------------------------------------------------------------------------

GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /api/predict HTTP/1.1\r\nHost: localhost\r\n"


def requests():
    """Requests that are none, or that two programs could read differently."""
    chunked = POST + b"Transfer-Encoding: chunked\r\n\r\n"
    get = GET.removesuffix(b"\r\n")
    sizes = [
        b"ffffffffffffffff\r\nA",
        b"1" + b"f" * 16 + b"\r\nA",
        b"-1\r\nA\r\n",
        b"0x3\r\nabc\r\n",
        b"\r\n",
        b"G\r\n",
    ]
    sizes += [b"3\r\nabcd\r\n0\r\n\r\n", b"3\r\nab\r\n0\r\n\r\n", b"0" * 5_000 + b"3\r\nabc\r\n0\r\n\r\n"]
    return [
        GET,
        POST + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX" + GET,
        *[POST + b"Content-Length: %s\r\n\r\nA" % n for n in (b"+1", b"-1", b"9" * 23, b"0x1", b"0, 0")],
        POST + b"Content-Length: 0\r\nContent-Length: 44\r\n\r\n" + GET,
        *[
            POST + b"Transfer-Encoding: %s\r\n\r\n3\r\nabc\r\n0\r\n\r\n" % how + GET
            for how in (b"xchunked", b"gzip, chunked", b"chunked, chunked", b"chunked;q=1", b"identity")
        ],
        *[chunked + size for size in sizes],
        chunked + b"1;" + b"a" * 20_000 + b"\r\nA\r\n0\r\n\r\n",
        chunked + b"1\r\na\r\n" * 20_000 + b"0\r\n\r\n",
        chunked + b"0\r\n" + b"".join(b"a%d: b\r\n" % i for i in range(5_000)) + b"\r\n",
        b"GET /healthz HTTP/1.1\nHost: localhost\n\n",
        *[b"GET /healthz HTTP/%s\r\nHost: localhost\r\n\r\n" % v for v in (b"0.9", b"1.0", b"1.2", b"3.0")],
        b"GET /\r\n",
        get + b"X: a\0b\r\n\r\n",
        get + b"X: " + b"a" * MIB + b"\r\n\r\n",
        get + b"".join(b"X%d: a\r\n" % i for i in range(10_000)) + b"\r\n",
        get + b"Range: bytes=0-10,5-20,0-99999999999999999999\r\n\r\n",
        get + b"Expect: 200-maybe\r\n\r\n",
        get + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
        b"GET /" + b"a" * MIB + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        *[
            b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path
            for path in (b"/..%2f..%2fetc/passwd", b"/%2e%2e%2f", b"/style.css%00", b"/\\..\\x", b"/%", b"/%ff", b"//")
        ],
        *[
            b"%s %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % (method, path)
            for method in (b"HEAD", b"OPTIONS", b"TRACE", b"get", b"G" * 300)
            for path in (b"/", b"/api/predict", b"/live", b"*")
        ],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        bytes.fromhex("16030100a5010000a10303") + bytes(160),
        b"CONNECT evil:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        GET * 1_000,
        (GET + POST + b"Content-Length: 3\r\n\r\nabc") * 300,
    ]


# --- bodies ---------------------------------------------------------------------------------------

FORM = "multipart/form-data; boundary=x"
FILE = b'Content-Disposition: form-data; name="file"; filename="a.jpg"'


def part(headers, content=b"x"):
    return b"--x\r\n" + headers + b"\r\n\r\n" + content + b"\r\n"


def forms(photo):
    """Multipart forms, and their content types."""
    whole = part(FILE, photo) + b"--x--\r\n"
    nested = part(b'Content-Disposition: file; filename="a.jpg"', photo).replace(b"--x", b"--y") + b"--y--"
    field = b'Content-Disposition: form-data; name="%s"'
    yield FORM, whole
    for boundary in ("", "; boundary=", '; boundary=""', '; boundary="x', "; boundary=" + "x" * 8_000):
        yield "multipart/form-data" + boundary, whole
    for body in (
        part(field % b"file" + b"\r\nContent-Type: multipart/mixed; boundary=y", nested),
        part(field % b"a") * 10_000,
        part(FILE) * 10_000,
        b"--x\r\n\r\n\r\n" * 100_000,
        part(field % (b"n" * 3_000_000)),
        part(b"X: " + b"n" * 3_000_000),
        part(b"".join(b"X%d: a\r\n" % i for i in range(100_000)) + FILE, photo),
        part(field % b"fi\0le", photo),
        part(field % b"\xff\xfe"),
        part(field % b"\x1b[2J"),
        part(FILE + b"\r\nContent-Transfer-Encoding: base64", base64.b64encode(photo)),
        part(b"Content-Type: image/jpeg", photo),
        part(FILE, b""),
        b"p" * MIB + whole,
        b"\r\n--y" * 3_000_000,
        b"--x" * 3_000_000,
    ):
        yield FORM, body + b"--x--"


def texts(photo):
    """Bodies of JSON."""
    image = base64.b64encode(photo)
    yield json.dumps({"image": image.decode()}).encode()
    for name, value in (
        (b"image", b'"\xff\xfe"'),
        (b"image", b'"\\ud800"'),
        (b"image", b'"\\u0000"'),
        (b"image", b"[" * 2_000_000),
        (b"image", b"9" * 5_000_000),
        (b"image", b"1e400"),
        (b"image", b'"' + b"=" * 5_000_000 + b'"'),
        (b"image", b'"' + b"\\n" * 5_000_000 + b'"'),
        (b"image", b'"' + b"\\u0041" * 2_000_000 + b'"'),
        (b"image", b'"data:data:;base64,;base64,AA=="'),
        (b"k" * 5_000_000, b"1"),
    ):
        yield b'{"%s":%s}' % (name, value)
    yield b'{"image":"%s","photo":"%s"}' % (image, image)
    yield b"[" * 5_000_000
    yield b'{"a":' * MIB
    yield b"\xef\xbb\xbf{}"
    yield '{"image":"a"}'.encode("utf-16")


def bodies():
    """Content types and bodies, whole and odd ones."""
    photo = PORTRAIT.read_bytes()[:60_000]
    return [
        *forms(photo),
        *[("application/json", text) for text in texts(photo)],
        ("image/jpeg", photo),
        *[("", picture) for picture in pictures()],
        ("application/gzip", gzip.compress(bytes(200 * MIB), 9)),
    ]


# --- a camera's socket ----------------------------------------------------------------------------

UPGRADE = (
    b"GET /live HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def frame(kind, payload=b"", is_last=True, reserved=0, length=None):
    """A frame (RFC 6455) under a mask of zeros."""
    first = bytes([is_last << 7 | reserved << 4 | kind])
    length = len(payload) if length is None else length
    if length < 126:
        sizes = bytes([128 | length])
    elif length < 1 << 16:
        sizes = bytes([254]) + struct.pack(">H", length)
    else:
        sizes = bytes([255]) + struct.pack(">Q", length)
    return first + sizes + bytes(4) + payload


def frames():
    """What is sent after the upgrade."""
    more, text, binary, close, ping, pong = 0, 1, 2, 8, 9, 10
    picture = face()
    pieces = [picture[at : at + 1] for at in range(1, len(picture))]
    return [
        frame(binary, b"abc", reserved=4),
        b"\x82\x03abc",
        frame(ping, b"a" * 126),
        frame(ping, b"a", is_last=False),
        frame(more, b"abc"),
        frame(text, b"\xff"),
        frame(binary, picture[:1], False) + b"".join(frame(more, one, False) for one in pieces) + frame(more),
        frame(binary, picture[:9], False) + frame(ping, b"p") + frame(more, picture[9:]),
        frame(binary, b"a", False) + frame(binary, b"b"),
        frame(binary, b"", False) + frame(more, b"", False) * 100_000,
        frame(ping, b"x" * 125) * 20_000,
        frame(pong) * 50_000,
        *[frame(binary, bytes(1_000), length=length) for length in (100 * MIB, 2**63, 2**64 - 1)],
        *[frame(kind) for kind in (3, 15)],
        *[frame(close, why) for why in (b"a", b"\0\1", b"\3\xe8\xff", b"\3\xe8")],
        frame(close, b"\3\xe8") + frame(binary, picture),
        frame(binary) * 1_000,
        GET,
        b"",
    ]
