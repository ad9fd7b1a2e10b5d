"""The page of `fer serve` in a real browser: camera, no face, two faces, the table, a dropped photo, uncertainty.

tests/browser/live.mjs drives Chromium and reports its observations; this file has the expectations. The camera
plays a video made from a portrait. Screenshots are in build/live/.
"""

import csv
import io
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from chromium import DRIVER, browser, lacking, skip_without
from conftest import ROOT

skip_without("the live page in a real browser")

from PIL import Image  # noqa: E402
from serve import astronaut, encoded, server, write_y4m  # noqa: E402

PICTURES = ROOT / "build" / "live"
# The part of the portrait that the camera sees, enlarged to 640 × 480, and where the face is then.
SEEN, SCALE = (0, 0, 512, 384), 1.25
FACE = {"left": 176 * SCALE, "top": 67 * SCALE, "side": 96 * SCALE}


@pytest.fixture(scope="module")
def saw(tmp_path_factory):
    assert not lacking(), lacking()
    folder = tmp_path_factory.mktemp("live")
    face = astronaut().crop(SEEN).resize((640, 480), Image.Resampling.BICUBIC)
    write_y4m(folder / "face.y4m", face)
    write_y4m(folder / "blank.y4m", Image.new("RGB", (640, 480), (120, 130, 140)))
    write_y4m(folder / "dark.y4m", Image.new("RGB", (640, 480), (5, 5, 5)))
    write_y4m(folder / "two.y4m", two_people())
    (folder / "photo.png").write_bytes(encoded(astronaut()))
    shutil.rmtree(PICTURES, ignore_errors=True)
    unsure = shutil.copytree(ROOT / "data" / "pretrained" / "seed_cnn", folder / "unsure")
    certainty = (unsure / "certainty.toml").read_text()
    certainty, changed = re.subn(r"(?m)^uncertain_below = .*", "uncertain_below = 1.0", certainty)
    assert changed == 1
    (unsure / "certainty.toml").write_text(certainty)
    drawn = shutil.copytree(ROOT / "data" / "pretrained" / "seed_cnn", folder / "drawn")
    config = (drawn / "config.toml").read_text()
    config, changed = re.subn(r'(?m)^data_title = .*', 'data_title = "made-up sample"', config)
    assert changed == 1
    (drawn / "config.toml").write_text(config)
    runs = {"FER_RUNS_DIR": str(folder)}
    with (
        server(**runs) as (url, process),
        server("--run", "unsure", **runs) as (doubting, other),
        server("--run", "drawn", **runs) as (drawing, _),
        server("--run", "seed_cnn", **runs) as (dropping, killed),
    ):
        job = {
            "url": url,
            "unsure": doubting,
            "drawn": drawing,
            "dropped": dropping,
            "pid": killed.pid,
            "two": str(folder / "two.y4m"),
            "dark": str(folder / "dark.y4m"),
            "chromium": browser(),
            "pictures": str(PICTURES),
            "face": str(folder / "face.y4m"),
            "blank": str(folder / "blank.y4m"),
            "photo": str(folder / "photo.png"),
        }
        driver = subprocess.run(
            ["node", DRIVER / "live.mjs"],
            input=json.dumps(job),
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert process.poll() is None and other.poll() is None, "a server ended"
    assert driver.returncode == 0, driver.stderr
    (PICTURES / "saw.json").write_text(driver.stdout)
    return json.loads(driver.stdout)


def two_people():
    """The portrait twice, the second one mirrored and darker."""
    head = astronaut().crop((130, 0, 386, 384))
    picture = Image.new("RGB", (640, 480), (90, 100, 110))
    picture.paste(head.resize((300, 450)), (10, 20))
    other = head.resize((280, 420)).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    picture.paste(Image.fromarray((np.asarray(other) * 0.7).astype(np.uint8)), (340, 40))
    return picture


def near(area):
    middle = area["left"] + area["width"] / 2, area["top"] + area["height"] / 2
    expected = [FACE[side] + FACE["side"] / 2 for side in ("left", "top")]
    return all(abs(a - b) < 0.3 * FACE["side"] for a, b in zip(middle, expected, strict=True))


def check_bars(bars):
    assert [bar["name"] for bar in bars] == (
        ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]
    )
    assert sum(bar["prob"] for bar in bars) == pytest.approx(1, abs=1e-4)
    for bar in bars:
        assert float(bar["width"].removesuffix("%")) == pytest.approx(100 * bar["prob"], abs=0.1)


def test_the_camera_shows_a_box_and_seven_bars(saw):
    seen = saw["camera"]["seen"]
    assert len(seen["faces"]) == 1 and near(seen["faces"][0])
    check_bars(seen["bars"])
    assert seen["rate"] > 5, seen["speed"]
    assert "ms a frame" in seen["speed"]
    best = max(seen["bars"], key=lambda bar: bar["prob"])["name"]
    assert seen["state"] in (best, "uncertain")
    assert all(bar["prob"] is None for bar in saw["camera"]["stopped"]["bars"])


def test_a_phone_shows_the_same_without_scrolling_sideways(saw):
    seen = saw["phone"]["seen"]
    assert seen["fits"] and len(seen["faces"]) == 1
    check_bars(seen["bars"])


def test_no_face_is_said(saw):
    seen = saw["blank"]["seen"]
    assert (seen["state"], seen["faces"]) == ("no face", [])
    assert all(bar["prob"] is None for bar in seen["bars"])
    assert seen["more"] == "Nothing in it is like a face."
    assert "too dark" in saw["dark"]["seen"]["more"]


def test_the_network_is_named_and_drawn_faces_are_said_loudly(saw):
    seen = saw["camera"]["seen"]
    assert "vgg" in seen["model"] and "FER2013" in seen["model"] and seen["warning"] is None
    seen = saw["drawn"]["seen"]
    assert "seed_cnn" in seen["model"] and "made-up sample" in seen["model"] and seen["fits"]
    assert "trained on drawn faces, not on people" in seen["warning"]


def rows(saved):
    """A saved table."""
    assert re.fullmatch(r"camera_\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d\.csv", saved["name"]), saved["name"]
    return list(csv.DictReader(io.StringIO(saved["text"])))


CLASSES = ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]


def check_table(table):
    place = ["left", "top", "width", "height", "score"]
    verdict = ["emotion", "confidence", "uncertain"]
    smoothed = [f"smoothed_{name}" for name in CLASSES]
    assert list(table[0]) == (
        ["seconds", "frame", "face", *place, *CLASSES, *verdict, *smoothed, "smoothed_emotion"]
    )
    seconds, frames = ([float(row[name]) for row in table] for name in ("seconds", "frame"))
    assert seconds == sorted(seconds) and 0 <= seconds[0] < 5 and frames == sorted(frames)
    assert len({(row["frame"], row["face"]) for row in table}) == len(table)
    for row in table:
        probs = {name: float(row[name]) for name in CLASSES}
        assert sum(probs.values()) == pytest.approx(1, abs=1e-4)
        assert row["emotion"] == max(probs, key=probs.get) and row["uncertain"] in ("true", "false")
        assert float(row["confidence"]) == max(probs.values())
        assert sum(float(row[name]) for name in smoothed) == pytest.approx(1, abs=1e-4)


def test_two_people_keep_their_numbers(saw):
    second, first = saw["two"]["seen"]
    for seen, number in ((second, 2), (first, 1)):
        assert sorted(seen["numbers"]) == [1, 2]
        assert [text for text, _ in seen["chips"]] == ["face 1", "face 2"]
        assert [pressed for _, pressed in seen["chips"]] == [str(i == number).lower() for i in (1, 2)]
        assert seen["state"].startswith(f"face {number}: ")
        check_bars(seen["bars"])
    assert [bar["prob"] for bar in first["bars"]] != [bar["prob"] for bar in second["bars"]]
    table = rows(saw["two"]["kept"])
    middles = {}
    for row in table:
        middles.setdefault(row["face"], []).append(float(row["left"]) + float(row["width"]) / 2)
    assert set(middles) == {"1", "2"}
    assert all(max(of) - min(of) < 30 for of in middles.values()), middles


def test_the_table_is_kept_until_it_is_saved(saw):
    two = saw["two"]
    during, kept = rows(two["during"]), rows(two["kept"])
    check_table(during)
    check_table(kept)
    assert len(during) >= 20 and kept[: len(during)] == during
    assert two["stopped"]["buttons"] == ["Record more", "Save csv", "Discard"]
    # Closed without being saved, the page offers it again; once saved, it is gone.
    assert two["before"] == two["after"] == len(kept) and two["left"] == 0
    assert two["reloaded"]["buttons"] == [None, "Save csv", "Discard"]
    assert "not saved yet" in two["reloaded"]["table"]


def test_a_connection_that_drops_loses_nothing(saw):
    dropped = saw["dropped"]
    assert dropped["rows"] >= 5 and "the connection ended" in dropped["seen"]["more"].lower()
    table = rows(dropped["kept"])
    check_table(table)
    assert len(table) == dropped["rows"]
    assert dropped["seen"]["buttons"][:2] == ["Stop recording", "Save csv"]


def test_a_photo_can_be_dropped(saw):
    seen = saw["photo"]["seen"]
    assert len(seen["faces"]) == 1
    check_bars(seen["bars"])
    # A broad smile, and the weights that come with the project know it.
    assert seen["state"] == "happy"


def test_uncertainty_is_said_with_the_bars_beside_it(saw):
    seen = saw["unsure"]["seen"]
    assert len(seen["faces"]) == 1
    check_bars(seen["bars"])
    assert seen["state"] == "uncertain"


def test_what_is_no_photo_is_said(saw):
    seen = saw["garbage"]["seen"]
    assert seen["state"] == "no photo"
    assert "this is not an image" in seen["more"]


def test_nothing_is_wrong_and_nothing_comes_from_elsewhere(saw):
    for name, part in saw.items():
        assert part["elsewhere"] == [], name
        # Chromium itself reports the refusal of what is no photo.
        expected = 1 if name == "garbage" else 0
        assert len(part["errors"]) == expected, (name, part["errors"])
