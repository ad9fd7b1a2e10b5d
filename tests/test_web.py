"""The page that `fer export --format web` writes: the detector as ONNX, and the page in a real browser, offline.

tests/browser/web.mjs drives Chromium and reports its observations; this file has the expectations. Screenshots are
in build/web/.
"""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from chromium import DRIVER, browser, lacking
from faces import noise
from PIL import Image
from program import PRETRAINED, ROOT, fer
from safetensors import safe_open
from serve import write_y4m

RUNTIME = ROOT / "build" / "onnxruntime-web"
PICTURES = ROOT / "build" / "web"
ASSETS = ROOT / "fer_nb" / "assets" / "face_detector"
PORTRAIT = ROOT / "data" / "pictures" / "portrait.jpg"
UNLIT, RUN = PRETRAINED  # seed_cnn, whose faces get FER2013's light first, and vgg, which standardizes them

# `.ci/run` has npm and a browser: there nothing may be left out.
REQUIRED = os.environ.get("FER_BROWSER") == "required"
needs_npm = pytest.mark.skipif(
    not REQUIRED and not RUNTIME.is_dir(), reason="npm has brought no onnxruntime-web: make setup"
)
needs_browser = pytest.mark.skipif(not REQUIRED and bool(lacking()), reason=f"there is {lacking()}")


def export(run, folder):
    """The export of a run, and what was printed and reported."""
    data = noise(folder / "data", 3, train=2, test=2)
    to, report = folder / "out", folder / "report.json"
    done = fer("export", "--run", run, "--data", data, "--to", to, "--format", "web", "--json", report)
    assert done.returncode == 0, done.stderr
    return to, done.stdout, json.loads(report.read_text())


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """An export of the default weights."""
    return export(RUN, tmp_path_factory.mktemp("web"))


@needs_npm
def test_the_folder_is_whole_and_says_how_to_look_at_it(exported):
    to, printed, report = exported
    page = to / "web"
    assert f"python3 -m http.server --directory {page}" in printed
    model = json.loads((page / "model.json").read_text())
    files = {str(path.relative_to(page)): path.stat().st_size for path in page.rglob("*") if path.is_file()}
    listed = {file["name"]: file["bytes"] for file in model["files"]}
    assert files == {**listed, "model.json": files["model.json"]}
    by_name = {file["name"]: file for file in report["files"]}
    assert by_name["web/"]["bytes"] == sum(files.values()) < 30e6
    assert by_name["web/"]["weights"] == "float16"
    card = (to / "model_card.md").read_text()
    assert model["card"]["markdown"] == card and not model["card"]["is_of_drawn_faces"]
    # A page for others: nothing of this machine, and anybody may read it.
    texts = [path for path in page.rglob("*") if path.suffix in {".json", ".js", ".html", ".css", ".txt"}]
    assert not any(str(to.parent) in path.read_text() for path in texts)
    assert (page.stat().st_mode & 0o777) == (to.stat().st_mode & 0o777)


@needs_npm
def test_the_detector_as_onnx_is_the_original(exported):
    """Against what the original file gave in onnxruntime, which the network in tch is held to as well."""
    path = exported[0] / "web" / "detector.onnx"
    onnx.checker.check_model(onnx.load(path), full_check=True)
    image = np.asarray(Image.open(ASSETS / "portrait.png").convert("RGB"), dtype=np.float32)
    height, width, _ = image.shape
    image = np.pad(image, [(0, -height % 32), (0, -width % 32), (0, 0)]).transpose(2, 0, 1)[None]
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    maps = dict(zip(names, session.run(names, {"image": image}), strict=True))
    with safe_open(ASSETS / "portrait.safetensors", "np") as file:
        assert sorted(file.keys()) == sorted(names)
        for name in names:
            expected = file.get_tensor(name)
            found = maps[name][0, :, ::2, ::2]
            assert found.shape == expected.shape
            atol = 1e-4 * max(1, np.abs(expected).max())
            np.testing.assert_allclose(found, expected, rtol=0, atol=atol, err_msg=name)
    # Any size that is a multiple of 32, and not only this one.
    small = session.run(names, {"image": image[:, :, :64, :96]})
    assert [list(part.shape[2:]) for part in small] == [[16, 24]] * 4


@needs_npm
def test_an_earlier_page_is_replaced_and_something_else_is_not(exported, tmp_path):
    data = noise(tmp_path / "data", 3, train=2, test=2)
    arguments = ("export", "--run", RUN, "--data", data, "--format")
    to = shutil.copytree(exported[0], tmp_path / "out")
    (to / "web" / "left.txt").write_text("of the earlier page")
    assert fer(*arguments, "web", "--to", to).returncode == 0
    assert (to / "web" / "index.html").is_file() and not (to / "web" / "left.txt").exists()
    # Weights of another export have no page.
    assert fer(*arguments, "safetensors", "--to", to).returncode == 0
    assert not (to / "web").exists()
    (to / "web").mkdir()
    (to / "web" / "homework.txt").write_text("mine")
    weights = (to / "best.safetensors").stat().st_mtime_ns
    done = fer(*arguments, "web", "--to", to)
    assert done.returncode == 1 and "not overwritten" in done.stderr and done.stderr.count("\n") == 1
    assert (to / "web" / "homework.txt").read_text() == "mine"
    assert (to / "best.safetensors").stat().st_mtime_ns == weights


# What is no photo, and what the page says of it.
NO_PHOTOS = {"letter.jpg": "not an image", "cut.jpg": "cut short"}


def test_without_onnxruntime_web_the_way_to_it_is_said_before_the_work(tmp_path):
    (tmp_path / "bin").mkdir()
    npm = tmp_path / "bin" / "npm"
    npm.touch()
    for path, part in ((npm.parent, "Run `make setup`"), (tmp_path, "Install npm (`sudo apt install npm`)")):
        arguments = ("--run", RUN, "--data", tmp_path / "no_data", "--to", tmp_path / "out", "--format", "web")
        done = fer("export", *arguments, FER_ROOT=str(tmp_path), PATH=str(path))
        assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
        assert "onnxruntime-web, which --format web needs, is missing" in done.stderr and part in done.stderr
        assert not (tmp_path / "out").exists()


def photos(folder):
    """The portrait and what can be made of it."""
    portrait = Image.open(PORTRAIT).convert("RGB")
    wide = Image.new("RGB", (1920, 1088), (90, 110, 130))
    for at, size in (((150, 200), 200), ((700, 300), 420), ((1500, 700), 120)):
        wide.paste(portrait.resize((size, size), Image.Resampling.BICUBIC), at)
    made = {
        "portrait.png": portrait,
        "tilted.png": portrait.rotate(30, Image.Resampling.BICUBIC),
        "mirrored.png": portrait.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        "large.png": portrait.resize((1400, 1400), Image.Resampling.BICUBIC),
        "wide.png": wide,
        "odd.png": portrait.crop((101, 7, 400, 330)),
        "dark.png": portrait.point(lambda value: value // 4),
        "bright.png": portrait.point(lambda value: 255 - (255 - value) // 4),
        "dull.png": portrait.point(lambda value: 110 + value // 8),
        "gray.png": portrait.convert("L"),
        "cut_out.png": portrait.crop((165, 55, 290, 180)).resize((48, 48), Image.Resampling.BICUBIC),
        "flat.png": Image.new("RGB", (320, 200), (130, 120, 110)),
        "black.png": Image.new("RGB", (320, 200), (3, 3, 3)),
    }
    for name, image in made.items():
        image.save(folder / name)
    # The browser's own decoder rounds otherwise.
    odd, turned = made["odd.png"], Image.Exif()
    turned[0x0112] = 6
    for name, image, options in (
        ("small_chroma.jpg", odd, {"quality": 85}),
        ("wide_chroma.jpg", odd, {"subsampling": 1}),
        ("whole_chroma.jpg", odd, {"subsampling": 0, "quality": 95}),
        ("progressive.jpg", odd, {"progressive": True}),
        ("restarts.jpg", odd, {"restart_marker_rows": 1}),
        ("gray.jpg", odd.convert("L"), {}),
        ("turned.jpg", odd.rotate(90, expand=True), {"exif": turned}),
    ):
        image.save(folder / name, **options)
        made[name] = image
    shutil.copy(PORTRAIT, folder / "portrait.jpg")
    (folder / "letter.jpg").write_text("no photo at all")
    (folder / "cut.jpg").write_bytes(PORTRAIT.read_bytes()[:20_000])
    return [folder / name for name in (*made, "portrait.jpg", *NO_PHOTOS)]


# Those whose faces are in a light that FER2013 hardly has, and one whose face is not.
LIGHT = ["dark.png", "bright.png", "dull.png", "portrait.png"]


def said_by_fer(run, files, report):
    """What `fer predict` says of photos, by their names."""
    done = fer("predict", *files, "--run", run, "--json", report)
    assert done.returncode == 0, done.stderr
    return {photo["image"].rsplit("/", 1)[1]: photo for photo in json.loads(report.read_text())["photos"]}


@pytest.fixture(scope="module")
def saw(exported, tmp_path_factory):
    """What was seen in the pages, and what `fer predict` says of the photos, by both networks."""
    assert not lacking(), lacking()
    folder = tmp_path_factory.mktemp("browser")
    unlit, *_ = export(UNLIT, tmp_path_factory.mktemp("unlit"))
    face = Image.open(PORTRAIT).convert("RGB").crop((0, 0, 512, 384))
    write_y4m(folder / "face.y4m", face.resize((640, 480), Image.Resampling.BICUBIC))
    write_y4m(folder / "blank.y4m", Image.new("RGB", (640, 480), (120, 130, 140)))
    page = exported[0] / "web"
    drawn = shutil.copytree(page, folder / "drawn")
    model = json.loads((drawn / "model.json").read_text())
    model["card"]["is_of_drawn_faces"] = True
    (drawn / "model.json").write_text(json.dumps(model))
    shutil.rmtree(PICTURES, ignore_errors=True)
    files = photos(folder)
    light = [folder / name for name in LIGHT]
    job = {
        "folder": str(page),
        "unlit": str(unlit / "web"),
        "light": [str(path) for path in light],
        "group": str(folder / "wide.png"),
        "drawn": str(drawn),
        "python": sys.executable,
        "chromium": browser(),
        "pictures": str(PICTURES),
        "face": str(folder / "face.y4m"),
        "blank": str(folder / "blank.y4m"),
        "photos": [str(path) for path in files],
    }
    driver = subprocess.run(
        ["node", DRIVER / "web.mjs"], input=json.dumps(job), capture_output=True, text=True, timeout=900
    )
    assert driver.returncode == 0, driver.stderr
    (PICTURES / "saw.json").write_text(driver.stdout)
    whole = files[: -len(NO_PHOTOS)]
    said = said_by_fer(exported[0], whole, folder / "said.json")
    return json.loads(driver.stdout), said, said_by_fer(unlit, light, folder / "unlit.json")


def apart(one, other):
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


def sentence(text):
    return f"{text[0].upper()}{text[1:]}."


def check_faces(seen, said):
    """Whether the page's faces are those of `fer predict`, and why there are none."""
    for name, photo in said.items():
        found = seen[name]
        assert len(found["faces"]) == len(photo["faces"]), name
        for face, expected in zip(found["faces"], photo["faces"], strict=True):
            probs = [one["prediction"]["probs"] for one in (face, expected)]
            assert apart(*probs) < 1e-3, (name, probs)
            assert face["prediction"]["uncertain"] == expected["prediction"]["uncertain"], name
            sides = [[one["area"][side] for side in ("left", "top", "width", "height")] for one in (face, expected)]
            assert apart(*sides) < 0.01, (name, sides)
            assert abs(face["area"]["score"] - expected["area"]["score"]) < 1e-4, name
        if not photo["faces"]:
            assert (found["state"], found["more"]) == ("no face", sentence(photo["no_face"])), name


@needs_npm
@needs_browser
def test_photos_get_the_programs_faces_and_probabilities(saw):
    seen, said = saw[0]["photos"]["seen"], saw[1]
    assert sum(len(photo["faces"]) for photo in said.values()) >= 10
    check_faces(seen, said)
    bars = seen["portrait.png"]["bars"]
    assert [bar["name"] for bar in bars][:2] == ["angry", "disgust"]
    assert sum(bar["prob"] for bar in bars) == pytest.approx(1, abs=1e-4)
    assert seen["portrait.png"]["state"] == "happy"


@needs_npm
@needs_browser
def test_faces_in_another_light_get_the_programs_probabilities(saw):
    """Of a network that does not standardize images: the page brings them to FER2013's light as the program does."""
    seen, said = saw[0]["unlit"]["seen"], saw[2]
    check_faces(seen, said)
    usual = said["portrait.png"]["faces"][0]["prediction"]["probs"]
    for name in LIGHT[:-1]:
        (face,) = said[name]["faces"]
        assert apart(face["prediction"]["probs"], usual) < 0.1, name


@needs_npm
@needs_browser
def test_each_of_several_faces_can_be_chosen(saw):
    first, second = saw[0]["photos"]["group"]
    assert [text for text, _ in first["chips"]] == ["face 1", "face 2", "face 3"]
    for number, seen in enumerate((first, second)):
        assert [pressed for _, pressed in seen["chips"]] == [str(at == number).lower() for at in range(3)]
        probs = seen["faces"][number]["prediction"]["probs"]
        assert [bar["prob"] for bar in seen["bars"]] == pytest.approx(probs)
        assert seen["state"].startswith(f"face {number + 1}: ")


@needs_npm
@needs_browser
def test_what_is_no_photo_is_said(saw):
    for name, part in NO_PHOTOS.items():
        seen = saw[0]["photos"]["seen"][name]
        assert seen["state"] == "no photo" and part in seen["more"], name


@needs_npm
@needs_browser
def test_without_a_network_it_is_the_same(saw):
    photos = saw[0]["photos"]
    assert photos["offline"]["faces"] == photos["seen"]["portrait.png"]["faces"]


@needs_npm
@needs_browser
def test_the_camera_shows_predictions(saw):
    for name in ("camera", "phone"):
        seen = saw[0][name]["seen"]
        assert len(seen["faces"]) == 1 and seen["fits"], name
        best = max(seen["bars"], key=lambda bar: bar["prob"])["name"]
        assert seen["state"] == best == "happy", name
        assert all(bar["prob"] is None for bar in saw[0][name]["stopped"]["bars"])
    # More than 8 on a machine that does nothing else; tests share theirs.
    assert saw[0]["camera"]["seen"]["rate"] > 0.5, saw[0]["camera"]["seen"]["speed"]
    assert saw[0]["blank"]["seen"]["state"] == "no face" and saw[0]["blank"]["seen"]["fits"]


@needs_npm
@needs_browser
def test_the_page_has_the_card_and_is_loud_about_drawn_faces(saw):
    seen = saw[0]["photos"]["seen"]["portrait.png"]
    for part in ("Parameters", "FER2013", "Accuracy"):
        assert part in seen["card"]
    assert "Intended use" in seen["whole"] and "##" not in seen["whole"]
    assert seen["warning"] == "" and "trained on drawn faces" in saw[0]["drawn"]["seen"]["warning"]


@needs_npm
@needs_browser
def test_nothing_is_wrong_and_nothing_comes_from_elsewhere(saw):
    for name, part in saw[0].items():
        assert part["elsewhere"] == [], name
        assert part["requests"], name
        # The server has ended on purpose, which Chromium reports.
        errors = [error for error in part["errors"] if "ERR_CONNECTION_REFUSED" not in error]
        assert errors == [], name
