"""Measures the face detector and the predictions for its faces (tilted, small, dark, in groups), and its speed.

    .venv/bin/python fer_nb/benches/faces.py                       # all: an hour on two cores
    .venv/bin/python fer_nb/benches/faces.py --only kinds,groups,none,fer2013
    .venv/bin/python fer_nb/benches/faces.py --photos FOLDER --groups FOLDER    # more portraits and group photos

Portraits and group photos come from packages (faces_pictures.py lists them), each also mirrored; the faces of the
group photos count as portraits too. A portrait whose upright face is not found is skipped and counted. "Same
prediction" compares with the prediction for the upright face. FER2013 is read from --data or $FER2013_DIR. Writes
build/faces/faces.md and faces.json. $FER_BINARY names another program than .venv/bin/fer.
"""

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import faces_pictures as pictures
import faces_speed as speed
import numpy as np
from faces_pictures import BUILD, Portrait
from faces_reference import center_face
from PIL import Image
from serve import processor

CLASSES = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
PARTS = ("kinds", "groups", "none", "fer2013", "light", *speed.PARTS)
# As deploy/light.rs has them: FER2013's gray, and the light outside of which a face is brought to it.
MEAN, SPREAD, DARK, BRIGHT, FLAT = 129, 53, 50, 203, 24
KINDS = {
    **{f"tilted by {angle:+}°": (lambda portrait, angle=angle: pictures.tilted(portrait, angle), 98, 93)
       for angle in (-45, -30, -15, 15, 30, 45)},
    "face of 30 pixels": (pictures.small, 97, 85),
    "a quarter of the light": (pictures.dark, 98, 93),
}  # fmt: skip


def predict(name, images, run, *options):
    """The faces of pictures by name, as `fer predict` finds them."""
    folder = BUILD / "pictures" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for number, picture in enumerate(images.values()):
        picture.save(folder / f"{number:06}.png")
    report = BUILD / f"{name}.json"
    command = [speed.FER, "predict", folder, "--run", run, "--json", report, *options]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"bench: {done.stderr.strip()[-400:]}")
    shutil.rmtree(folder)
    found = json.loads(report.read_text())["photos"]
    assert [Path(photo["image"]).name for photo in found] == [f"{n:06}.png" for n in range(len(images))]
    return dict(zip(images, (photo["faces"] for photo in found), strict=True))


def middle_of(area):
    return area["left"] + area["width"] / 2, area["top"] + area["height"] / 2


def known(options):
    """Portraits with a face that is found upright, and how many have none."""
    several = pictures.groups(options.groups)
    all_of_them = pictures.portraits(options.photos)
    for name, faces in predict("upright_groups", several, options.run).items():
        for number, face in enumerate(faces):
            all_of_them.append(Portrait(f"{name}_{number}", pictures.cut_out(several[name], face["area"])))
    all_of_them += [pictures.mirrored(portrait) for portrait in all_of_them]
    found = predict("upright", {portrait.name: portrait.picture for portrait in all_of_them}, options.run)
    kept = []
    for portrait in all_of_them:
        if faces := found[portrait.name]:
            # In a cut-out of a group, the person is in the middle; others may be larger.
            half = portrait.picture.width / 2, portrait.picture.height / 2
            face = min(faces, key=lambda face: math.dist(middle_of(face["area"]), half)) if len(faces) > 1 else faces[0]
            portrait.middle = middle_of(face["area"])
            portrait.side = max(face["area"]["width"], face["area"]["height"])
            portrait.emotion = face["prediction"]["emotion"]
            kept.append(portrait)
    return kept, len(all_of_them) - len(kept)


def kinds(options):
    portraits, left_out = known(options)
    note = f"n = {len(portraits)} portraits" + (f", {left_out} not found upright" if left_out else "")
    rows, tilts = [], []
    for name, (change, least_found, least_same) in KINDS.items():
        changed = {portrait.name: change(portrait) for portrait in portraits}
        seen = predict("changed", {key: picture for key, (picture, *_) in changed.items()}, options.run)
        found, same, missed = 0, 0, []
        for portrait in portraits:
            _, middle, side = changed[portrait.name]
            at = [face for face in seen[portrait.name] if math.dist(middle_of(face["area"]), middle) < side / 2]
            found += bool(at)
            same += bool(at) and at[0]["prediction"]["emotion"] == portrait.emotion
            missed += [] if at else [portrait.name]
        shares = f"{100 * found / len(portraits):.0f} %; {100 * same / max(found, 1):.0f} %"
        rows.append((f"{name}: found; same prediction", f"{least_found} %; {least_same} %",
                     f"{shares} ({found} of {len(portraits)}; {same} of {found})", note))  # fmt: skip
        if missed:
            print(f"{name}: missed {', '.join(missed)}", flush=True)
        if name.startswith("tilted"):
            tilts.append((found, same))
    found, same = (sum(counts) for counts in zip(*tilts, strict=True))
    asked = len(tilts) * len(portraits)
    all_tilts = f"{100 * found / asked:.1f} %; {100 * same / max(found, 1):.1f} %"
    rows.insert(0, ("tilted by up to ±45°: found; same prediction", "98 %; 93 %",
                    f"{all_tilts} ({found} of {asked}; {same} of {found})", f"{note}, six tilts each"))  # fmt: skip
    return rows


def groups(options):
    rows = []
    several = pictures.groups(options.groups)
    ours = {name: len(faces) for name, faces in predict("groups", several, options.run).items()}
    theirs = {name: center_face(picture) for name, picture in several.items()}
    each = ", ".join(f"{ours[name]} of {theirs[name]}" for name in several)
    share = 100 * sum(ours.values()) / max(sum(theirs.values()), 1)
    rows.append(("group photos: faces found, of CenterFace's in onnxruntime at 0.5", "90 %",
                 f"{share:.0f} % ({each})", f"n = {len(several)} photos at their own size"))  # fmt: skip
    return rows


def none(options):
    images, shipped = pictures.without_face()
    found = {name: len(faces) for name, faces in predict("none", images, options.run).items()}
    false = {name: count for name, count in found.items() if count}
    which = f" ({', '.join(f'{name} {count}' for name, count in false.items())})" if false else ""
    return [("false faces on pictures without a face", "≤ 2", f"{sum(found.values())}{which}",
             f"n = {len(images)}: {shipped} that packages ship, {len(images) - shipped} drawn")]  # fmt: skip


def fer2013(options):
    """PublicTest as it is, and found again: enlarged four times, with a border of its last pixels around it."""
    data = options.data or os.environ.get("FER2013_DIR")
    if not data:
        return [("FER2013's test images through detector and cut", "table", "left out", "no --data, no $FER2013_DIR")]
    plain, large, labels = {}, {}, {}
    for name in CLASSES:
        paths = sorted((Path(data) / "test" / name).iterdir())
        for path in paths[:: options.step]:
            key = f"{name}/{path.name}"
            plain[key] = Image.open(path).convert("L")
            wide = np.asarray(plain[key].resize((192, 192), Image.Resampling.BICUBIC))
            large[key] = Image.fromarray(np.pad(wide, 32, mode="edge"))
            labels[key] = name
    as_is = predict("plain", plain, options.run, "--cut-out")
    again = predict("again", large, options.run)
    right = {key: faces[0]["prediction"]["emotion"] == labels[key] for key, faces in as_is.items()}
    found = {key: faces[0]["prediction"]["emotion"] == labels[key] for key, faces in again.items() if faces}
    same = sum(as_is[key][0]["prediction"]["emotion"] == again[key][0]["prediction"]["emotion"] for key in found)
    percent = lambda values: f"{100 * sum(values) / max(len(values), 1):.1f} %"  # noqa: E731
    note = f"n = {len(labels)}" + (f", every {options.step}th image of a class" if options.step > 1 else "")
    return [
        ("FER2013's test images: accuracy as they are", "", percent(right.values()), note),
        ("the same, where a face is found in them again", "", percent([right[key] for key in found]),
         f"n = {len(found)} ({100 * len(found) / len(labels):.1f} % found)"),
        ("the same faces through detector and cut", "", percent(found.values()),
         f"n = {len(found)}; same prediction {100 * same / max(len(found), 1):.1f} %"),
    ]  # fmt: skip


def in_usual_light(pixels):
    """An image in a light that FER2013 hardly has, with the mean and the spread of FER2013's."""
    if (DARK <= pixels.mean() <= BRIGHT and pixels.std() >= FLAT) or pixels.std() < 1:
        return pixels
    return (pixels - pixels.mean()) / pixels.std() * SPREAD + MEAN


LIGHT = {
    "as they are": lambda pixels: pixels,
    "a quarter of the light": lambda pixels: pixels / 4,
    "a quarter of the contrast": lambda pixels: (pixels - 128) / 4 + 128,
    "bright: three quarters of the way to white": lambda pixels: 255 - (255 - pixels) / 4,
}


def light(options):
    """Whether it helps to bring faces in an unusual light to FER2013's before the network: on images of the
    training part, every fifth of the first fifth of each class; the pretrained weights were trained on most of them."""
    data = options.data or os.environ.get("FER2013_DIR")
    if not data:
        return [("accuracy by light", "", "left out", "no --data, no $FER2013_DIR")]
    faces = {}
    for name in CLASSES:
        paths = sorted((Path(data) / "train" / name).iterdir())
        for path in paths[: len(paths) // 5][:: 5 * options.step]:
            faces[f"{name}/{path.name}"] = np.asarray(Image.open(path).convert("L"), dtype=float)
    rows, labels = [], [key.split("/")[0] for key in faces]
    for what, change in LIGHT.items():
        shares = []
        for bring in (lambda pixels: pixels, in_usual_light):
            stored = lambda pixels: np.clip(pixels.round(), 0, 255)  # noqa: E731 (as a file has it)
            images = {key: Image.fromarray(stored(bring(stored(change(face)))).astype(np.uint8))
                      for key, face in faces.items()}  # fmt: skip
            found = predict("light", images, options.run, "--cut-out").values()
            right = [seen[0]["prediction"]["emotion"] == label for seen, label in zip(found, labels, strict=True)]
            shares.append(f"{100 * np.mean(right):.1f} %")
        rows.append((f"FER2013's faces, {what}: accuracy; with unusual light corrected", "",
                     "; ".join(shares), f"n = {len(labels)}, network {options.run}"))  # fmt: skip
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default=",".join(PARTS), help=f"parts, of {', '.join(PARTS)}")
    parser.add_argument("--run", default="vgg", help="the network: a run, or weights that come with the project")
    parser.add_argument("--photos", type=Path, help="a folder with more portraits")
    parser.add_argument("--groups", type=Path, help="a folder with more group photos")
    parser.add_argument("--data", type=Path, help="FER2013 as folders, instead of $FER2013_DIR")
    parser.add_argument("--step", type=int, default=1, help="of FER2013's test images, every so many")
    parser.add_argument("--frames", type=int, default=10_000, help="of the video that memory is read with")
    options = parser.parse_args()
    asked = options.only.split(",")
    if unknown := set(asked) - set(PARTS):
        parser.error(f"unknown parts: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    BUILD.mkdir(parents=True, exist_ok=True)
    rows = []
    for part in PARTS:
        if part in asked:
            measure = globals().get(part) or getattr(speed, part)
            rows += measure(options)
            print(f"{part}: done", flush=True)
    lines = ["| | at least | measured | |", "| --- | --- | --- | --- |"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    text = "\n".join([*lines, "", f"Network {options.run}; {processor()}."])
    (BUILD / "faces.md").write_text(text + "\n")
    (BUILD / "faces.json").write_text(json.dumps({"hardware": processor(), "rows": rows}, indent=1))
    print(text)


if __name__ == "__main__":
    main()
