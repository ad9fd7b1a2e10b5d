"""The page of `fer serve` in a real browser: camera, no face, a photo that is dropped, uncertainty.

Chromium is driven by tests/browser/live.mjs, which says what it saw; here is what has to be so. The
camera plays a video that is made of a portrait. Screenshots are left in build/live/.
"""

import json
import re
import shutil
import subprocess

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
    (folder / "photo.png").write_bytes(encoded(astronaut()))
    shutil.rmtree(PICTURES, ignore_errors=True)
    unsure = shutil.copytree(ROOT / "data" / "pretrained" / "seed_cnn", folder / "unsure")
    certainty = (unsure / "certainty.toml").read_text()
    certainty, changed = re.subn(r"(?m)^uncertain_below = .*", "uncertain_below = 1.0", certainty)
    assert changed == 1
    (unsure / "certainty.toml").write_text(certainty)
    runs = {"FER_RUNS_DIR": str(folder)}
    with server(**runs) as (url, process), server("--run", "unsure", **runs) as (doubting, other):
        job = {
            "url": url,
            "unsure": doubting,
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
