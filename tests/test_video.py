"""`fer predict` on videos that ffmpeg makes from the portrait: its output compared with the drawn faces."""

import csv
import json
import math
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import program
import pytest
from PIL import Image, ImageEnhance
from program import ROOT

PORTRAIT = ROOT / "data" / "pictures" / "portrait.jpg"
# Where the portrait's face is, in shares of its side.
CENTER = (0.44, 0.23)
SIZE, RATE = (480, 270), 25



def start_fer(command, *arguments, **options):
    """Asks the shipped network, whatever runs there are."""
    return program.start_fer(command, *arguments, "--run", "vgg", **options)


def fer(command, *arguments, **options):
    return program.fer(command, *arguments, "--run", "vgg", **options)


if not shutil.which("ffmpeg"):
    if os.environ.get("FER_BROWSER") == "required":
        pytest.fail("ffmpeg is missing", pytrace=False)
    pytest.skip("ffmpeg is not installed: videos are left out", allow_module_level=True)


def frames(count, places, background=90):
    """Pictures with the portrait at places(number): (x, y, side, degrees, brightness, mirrored) each."""
    portrait = Image.open(PORTRAIT).convert("RGB")
    for number in range(count):
        picture = Image.new("RGB", SIZE, (background,) * 3)
        for x, y, side, degrees, light, mirrored in places(number):
            face = portrait.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else portrait
            face = ImageEnhance.Brightness(face.resize((side, side))).enhance(light)
            mask = Image.new("L", face.size, 255).rotate(degrees)
            picture.paste(face.rotate(degrees), (round(x - side / 2), round(y - side / 2)), mask)
        yield picture


def clip(path, pictures, *options, before=()):
    command = ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24"]
    command += ["-s", f"{SIZE[0]}x{SIZE[1]}", "-framerate", str(RATE), *before, "-i", "-"]
    command += [*options, "-pix_fmt", "yuv420p", str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as ffmpeg:
        for picture in pictures:
            ffmpeg.stdin.write(picture.tobytes())
        ffmpeg.stdin.close()
    assert ffmpeg.returncode == 0
    return path


def still(number):
    return [(240, 135, 240, 0, 1.0, False)]


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Two seconds of the portrait."""
    return clip(tmp_path_factory.mktemp("video") / "plain.mp4", frames(50, still))


def test_each_frame_has_a_row(plain, tmp_path):
    out, copy, figure = tmp_path / "out.csv", tmp_path / "out.mp4", tmp_path / "timeline.svg"
    report = tmp_path / "out.json"
    done = fer("predict", plain, "--csv", out, "--annotate", copy, "--figure", figure,
               "--json", report)  # fmt: skip
    assert done.returncode == 0 and done.stderr == "", done.stderr
    table = rows(out)
    assert [int(row["frame"]) for row in table] == list(range(50))
    for number, row in enumerate(table):
        assert abs(float(row["seconds"]) - number / RATE) < 0.002
        assert (row["face"], row["emotion"], row["uncertain"]) == ("1", "happy", "false")
        names = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
        for prefix in ("", "smoothed_"):
            assert abs(sum(float(row[prefix + name]) for name in names) - 1) < 1e-4
        assert float(row["confidence"]) == float(row["happy"])
        middle = float(row["left"]) + float(row["width"]) / 2
        assert abs(middle - (240 + (CENTER[0] - 0.5) * 240)) < 15
    said = json.loads(report.read_text())
    assert (said["frames"], said["size"], said["complete"]) == (50, list(SIZE), True)
    assert [face["face"] for face in said["faces"]] == [1]
    assert "<svg" in figure.read_text() and "face 1" in figure.read_text()
    copied = probe(copy)
    assert (copied["width"], copied["height"]) == SIZE and abs(copied["seconds"] - 2.0) < 0.05
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def probe(path):
    command = ["ffprobe", "-v", "error", "-print_format", "json", "-show_streams", str(path)]
    stream = json.loads(subprocess.check_output(command))["streams"][0]
    return {**stream, "seconds": float(stream.get("duration", 0))}


def moving(number):
    wave = math.sin(number / 40 * 2 * math.pi)
    return [(240, 135, round(230 + 60 * wave), 40 * wave, 0.65 - 0.35 * wave, False)]


def test_turned_zoomed_and_dimmed(tmp_path):
    path = clip(tmp_path / "turned.mkv", frames(41, moving))
    done = fer("predict", path, "--csv", tmp_path / "out.csv")
    assert done.returncode == 0, done.stderr
    table = rows(tmp_path / "out.csv")
    assert len(table) == 41 and {row["face"] for row in table} == {"1"}
    assert sum(row["emotion"] == "happy" for row in table) >= 39
    for row in table:
        x, _, side, degrees, *_ = moving(int(row["frame"]))[0]
        right, down = [side * (share - 0.5) for share in CENTER]
        turn = math.radians(-degrees)
        expected = x + right * math.cos(turn) - down * math.sin(turn)
        assert abs(float(row["left"]) + float(row["width"]) / 2 - expected) < 0.1 * side


def test_two_that_cross_and_one_that_returns(tmp_path):
    def place(number):
        moved = 4 * number
        one = (80 + moved, 150, 150, 0, 1.0, False)
        other = (400 - moved, 120, 150, 0, 0.8, True)
        # The second one is behind a wall for 0.8 seconds.
        return [one] if 60 <= number < 80 else [other, one]

    path = clip(tmp_path / "cross.mp4", frames(84, place))
    done = fer("predict", path, "--every", "0.08", "--csv", tmp_path / "out.csv")
    assert done.returncode == 0, done.stderr
    numbers = {}
    for row in rows(tmp_path / "out.csv"):
        frame, middle = int(row["frame"]), float(row["left"]) + float(row["width"]) / 2
        # While they overlap, either may be found.
        if not 25 <= frame <= 55:
            side = "one" if abs(middle - (73 + 4 * frame)) < 30 else "other"
            numbers.setdefault(side, set()).add(row["face"])
    assert numbers["one"] != numbers["other"]
    assert all(len(numbers[side]) == 1 for side in numbers), numbers


def test_times_are_the_files_own(tmp_path):
    # Ten frames at 25 a second, then five frames a second.
    times = "setpts='if(lt(N,10),N/25,0.4+(N-10)/5)/TB'"
    path = clip(tmp_path / "variable.mkv", frames(20, still), "-vf", times, "-fps_mode", "vfr",
                "-enc_time_base", "1/1000", "-bf", "0")  # fmt: skip
    done = fer("predict", path, "--csv", tmp_path / "out.csv", "--annotate", tmp_path / "out.mp4")
    assert done.returncode == 0, done.stderr
    found = [float(row["seconds"]) for row in rows(tmp_path / "out.csv")]
    times = ["-show_entries", "frame=best_effort_timestamp_time", "-of", "csv=p=0", str(path)]
    expected = subprocess.check_output(["ffprobe", "-v", "error", *times], text=True).split()
    expected = [float(time.strip(",")) for time in expected if "data" not in time]
    assert np.allclose(found, expected, atol=0.002) and expected[-1] > 2, (found, expected)
    assert abs(probe(tmp_path / "out.mp4")["seconds"] - 2.3) < 0.25
    done = fer("predict", path, "--every", "0.5", "--csv", tmp_path / "some.csv")
    assert [float(row["seconds"]) for row in rows(tmp_path / "some.csv")] == [0, 0.6, 1.0, 1.6, 2.0]


def test_a_phones_video_is_upright(plain, tmp_path):
    lying = tmp_path / "lying.mp4"
    subprocess.check_call(["ffmpeg", "-v", "error", "-i", plain, "-vf", "transpose=1", tmp_path / "t.mp4"])
    subprocess.check_call(["ffmpeg", "-v", "error", "-i", tmp_path / "t.mp4", "-c", "copy",
                           "-metadata:s:v", "rotate=90", lying])  # fmt: skip
    rotation = [data.get("rotation") for data in probe(lying).get("side_data_list", [])]
    if not any(rotation):
        pytest.skip("this ffmpeg writes no rotation")
    done = fer("predict", lying, "--every", "0.5", "--json", tmp_path / "out.json")
    assert done.returncode == 0, done.stderr
    said = json.loads((tmp_path / "out.json").read_text())
    upright = SIZE if abs(rotation[0]) == 90 else SIZE[::-1]
    assert said["size"] == list(upright) and len(said["faces"]) == 1


def test_of_a_cut_file_the_beginning_is_kept(plain, tmp_path):
    start = clip(tmp_path / "start.mp4", frames(50, moving), "-movflags", "+faststart")
    for whole in (start, clip(tmp_path / "whole.mkv", frames(50, moving))):
        cut = whole.with_stem("cut")
        cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
        out = tmp_path / f"{whole.suffix}.csv"
        done = fer("predict", cut, "--csv", out)
        assert done.returncode == 1 and len(done.stderr.strip().splitlines()) == 1, done.stderr
        assert str(cut) in done.stderr and "ends after" in done.stderr
        assert 5 < len(rows(out)) < 50
    # An index at the end is lost with it: nothing can be decoded, nothing is written.
    cut = tmp_path / "cut_end.mp4"
    cut.write_bytes(plain.read_bytes()[: plain.stat().st_size // 2])
    outs = [tmp_path / "no.csv", tmp_path / "no.mp4", tmp_path / "no.svg"]
    done = fer("predict", cut, "--csv", outs[0], "--annotate", outs[1], "--figure", outs[2])
    assert done.returncode == 1 and str(cut) in done.stderr
    assert not any(path.exists() for path in outs)


def test_a_file_without_its_index_is_said_to_be_cut(plain, tmp_path):
    for name, share in (("clip.mp4", 2), ("clip.mov", 3), ("clip.m4v", 10)):
        cut = tmp_path / name
        cut.write_bytes(plain.read_bytes()[: plain.stat().st_size // share])
        done = fer("predict", cut, "--csv", tmp_path / "out.csv")
        assert done.returncode == 1 and f"{cut}: the file is cut" in done.stderr, done.stderr
        assert not (tmp_path / "out.csv").exists()


def test_what_is_no_video_is_named(plain, tmp_path):
    text, empty, sound = tmp_path / "text.mp4", tmp_path / "empty.mp4", tmp_path / "sound.mp4"
    text.write_text("not a video\n" * 40)
    empty.write_bytes(b"")
    subprocess.check_call(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=duration=1", sound])
    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)
    picture = tmp_path / "picture.mp4"
    shutil.copy(PORTRAIT, picture)
    before = set(tmp_path.iterdir())
    for path, said in ((text, "video"), (empty, "0 bytes"), (sound, "no video stream"),
                       (pipe, "plain file")):  # fmt: skip
        out = tmp_path / "out.csv"
        begun = time.monotonic()
        done = fer("predict", path, "--csv", out, "--annotate", tmp_path / "out.mp4", timeout=20)
        assert done.returncode == 1 and len(done.stderr.strip().splitlines()) == 1, (path, done)
        assert str(path) in done.stderr and said in done.stderr, done.stderr
        assert time.monotonic() - begun < 10
        assert set(tmp_path.iterdir()) == before, path
    # A photo with a video's name is a photo, and a video with a photo's name a video.
    assert "happy" in fer("predict", picture).stdout
    shutil.copy(plain, tmp_path / "clip.jpg")
    assert "2 frames" in fer("predict", tmp_path / "clip.jpg", "--every", "1").stdout


def test_one_frame_and_large_frames(tmp_path):
    one = clip(tmp_path / "one.mp4", frames(1, still))
    done = fer("predict", one, "--csv", tmp_path / "one.csv", "--figure", tmp_path / "one.png")
    assert done.returncode == 0 and len(rows(tmp_path / "one.csv")) == 1, done.stderr
    large = clip(tmp_path / "large.mp4", frames(3, still), "-vf", "scale=7680:4320",
                 "-preset", "ultrafast")  # fmt: skip
    done = fer("predict", large, "--csv", tmp_path / "large.csv")
    assert done.returncode == 0, done.stderr
    for row in rows(tmp_path / "large.csv"):
        middle = float(row["left"]) + float(row["width"]) / 2
        assert abs(middle / 16 - (240 + (CENTER[0] - 0.5) * 240)) < 15 and row["emotion"] == "happy"


def test_paths_are_checked_before_the_work(plain, tmp_path):
    shutil.copy(plain, tmp_path / "clip.mp4")
    before = (tmp_path / "clip.mp4").read_bytes()
    for options in (
        ["--csv", "no/such/out.csv"],
        ["--annotate", "out.gif"],
        ["--figure", "out.txt"],
        ["--annotate", "clip.mp4"],
        ["--csv", "a.csv", "--json", "a.csv"],
        ["--every", "0"],
    ):
        begun = time.monotonic()
        done = fer("predict", "clip.mp4", *options, cwd=tmp_path)
        assert done.returncode != 0 and time.monotonic() - begun < 2, (options, done)
        assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"], options
    assert (tmp_path / "clip.mp4").read_bytes() == before
    done = fer("predict", PORTRAIT, "--csv", tmp_path / "out.csv")
    assert done.returncode != 0 and "video" in done.stderr
    done = fer("predict", PORTRAIT, tmp_path / "clip.mp4")
    assert done.returncode != 0 and "a single video" in done.stderr


def test_without_ffmpeg_the_way_to_install_it_is_said(plain, tmp_path):
    done = fer("predict", plain, PATH=str(tmp_path))
    assert done.returncode == 1 and "apt install ffmpeg" in done.stderr


def test_ctrl_c_keeps_what_is_done(tmp_path):
    long = clip(tmp_path / "long.mp4", frames(700, still), "-preset", "ultrafast")
    out, copy = tmp_path / "out.csv", tmp_path / "out.mp4"
    with start_fer("predict", long, "--csv", out, "--annotate", copy) as process:
        until = time.monotonic() + 60
        while time.monotonic() < until and not (out.exists() and out.stat().st_size > 5000):
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode != 0 and "are kept" in err, err
    table = rows(out)
    assert 5 < len(table) < 700 and table[-1]["smoothed_emotion"]
    assert abs(probe(copy)["seconds"] - float(table[-1]["seconds"])) < 0.2


def test_memory_does_not_grow_with_frames(tmp_path):
    def most(count):
        path = clip(tmp_path / f"{count}.mp4", frames(count, still), "-preset", "ultrafast")
        with start_fer("predict", path, "--csv", tmp_path / "out.csv") as process:
            peak, status = 0, Path(f"/proc/{process.pid}/status")
            while process.poll() is None:
                try:
                    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
                    peak = max(peak, int(lines.get("VmRSS", "0 kB").split()[0]))
                except (OSError, ValueError):
                    pass
                time.sleep(0.02)
        assert process.returncode == 0
        return peak

    if not Path("/proc/self/status").exists():
        pytest.skip("memory is read from /proc")
    few, many = most(40), most(240)
    assert many < few + 60_000, f"{few} kB with 40 frames, {many} kB with 240"
