"""Real-world folders of photos: `fer predict` with subfolders, other files and names of any bytes."""

import json
import os
import sys

import pytest
from PIL import Image
from program import ROOT, fer

PORTRAIT = ROOT / "data" / "pictures" / "portrait.jpg"
HEIC = b"\0\0\0\x24ftypheic\0\0\0\0mif1heic" + bytes(2000)


@pytest.fixture(scope="module")
def portrait():
    """The portrait, small: finding its face takes less than half a second."""
    image = Image.open(PORTRAIT).convert("RGB")
    return image.resize((image.width // 3, image.height // 3))


def put(path, image, form=None):
    """Saves a picture at a path whose name may be bytes and says nothing about the format."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        image.save(file, form or "JPEG")


@pytest.fixture
def predict(tmp_path):
    """Runs `fer predict`; gives its status, its report, what is on stderr and what on stdout."""

    def predict(*arguments, status=0):
        out = tmp_path / "out.json"
        out.unlink(missing_ok=True)
        done = fer("predict", *arguments, "--json", out, "--run", "seed_cnn", FER_RUNS_DIR=str(tmp_path))
        assert done.returncode == status, (done.stderr, done.stdout)
        assert "panicked" not in done.stderr
        report = json.loads(out.read_text()) if out.exists() else None
        return report, done.stderr, done.stdout

    return predict


def emotions(report):
    return {
        os.path.basename(photo["image"]): photo["faces"][0]["prediction"]["emotion"]
        for photo in report["photos"]
    }


def counts(report):
    return {over["kind"]: over["files"] for over in report["passed_over"]}


def test_a_phones_folder(portrait, predict, tmp_path):
    phone = tmp_path / "phone"
    put(phone / "a.jpg", portrait)
    put(phone / "b.webp", portrait, "WEBP")
    put(phone / "2023" / "05" / "d.JPG", portrait)
    put(phone / "e.jfif", portrait)
    put(phone / "no_extension", portrait, "PNG")
    put(phone / "called.png", portrait, "BMP")
    (phone / "IMG_2.HEIC").write_bytes(HEIC)
    (phone / "IMG_3.jpg").write_bytes(HEIC)  # as some phones name it
    (phone / "clip.mov").write_bytes(b"\0\0\0\x14ftypqt  " + bytes(50))
    (phone / "notes.txt").write_text("Monday")
    (phone / "list.csv").write_text("a,b\n")
    report, said, _ = predict(phone)
    names = {"a.jpg", "b.webp", "d.JPG", "e.jfif", "no_extension", "called.png"}
    assert emotions(report) == dict.fromkeys(names, "happy")
    assert counts(report) == {"HEIC image": 2, "video": 1, "text": 2}
    assert "6 photos; passed over: 2 HEIC images" in said and "heif-convert" in said
    assert "2 texts" in said and said.count("\n") == 1


def test_the_systems_files_are_skipped(portrait, predict, tmp_path):
    stick = tmp_path / "stick"
    put(stick / "IMG_1.jpg", portrait)
    put(stick / "@eaDir" / "IMG_1.jpg" / "SYNOPHOTO_THUMB_M.jpg", portrait)
    put(stick / "__MACOSX" / "x.jpg", portrait)
    (stick / "._IMG_1.jpg").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X        " + bytes(100))
    (stick / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    report, _, _ = predict(stick)
    assert emotions(report) == {"IMG_1.jpg": "happy"}
    assert counts(report) == {"system file": 4}


def test_what_cannot_be_read_is_an_error_only_if_it_should_be_a_photo(portrait, predict, tmp_path):
    put(tmp_path / "in" / "a.jpg", portrait)
    (tmp_path / "in" / "empty.jpg").write_bytes(b"")
    report, said, _ = predict(tmp_path / "in", status=1)
    assert emotions(report) == {"a.jpg": "happy"}
    (failed,) = report["failed"]
    assert failed["image"].endswith("empty.jpg") and "0 bytes" in failed["problem"]
    (tmp_path / "in" / "empty.jpg").unlink()
    (tmp_path / "photo.heic").write_bytes(HEIC)
    for named, problem in (("photo.heic", "heif-convert"), ("gone.jpg", "missing")):
        report, said, _ = predict(tmp_path / "in", tmp_path / named, status=1)
        assert problem in said and len(report["photos"]) == 1


@pytest.mark.parametrize(
    "head, kind, way_out",
    [
        (HEIC, "a HEIC image", "heif-convert"),
        (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1", "an AVIF image", "heif-convert"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif", "an AVIF image", "heif-convert"),
        (b"PK\x03\x04\x14\0\0\0photos/1.jpg", "a zip archive", "unzip"),
        (b"%PDF-1.7\n", "a PDF", "pdfimages"),
        (b"GIF89a" + bytes(20), "a GIF image", "magick"),
        (b"II*\0" + bytes(20), "a TIFF image", "magick"),
        (b"<!DOCTYPE html><html>", "a web page", "signed in"),
        (b"hello", "not an image", "JPEG, PNG, WebP or BMP"),
    ],
)
def test_a_wrong_kind_is_named_whatever_it_is_called(predict, tmp_path, head, kind, way_out):
    path = tmp_path / "it's a photo.jpg"
    path.write_bytes(head)
    _, said, _ = predict(path, status=1)
    assert kind in said and way_out in said, said
    if "'" in said and way_out in ("heif-convert", "unzip", "magick"):
        assert r"'\''s a photo.jpg'" in said, "the command is fit for a shell"


def test_names_of_any_bytes(portrait, predict, tmp_path):
    folder = os.fsencode(tmp_path / "names")
    odd = ["사진.jpg".encode("cp949"), b"\x1b[2J\x1b]0;x\x07.jpg", b"a\nb  c.jpg", "é.jpg".encode()]
    for name in odd:
        put(os.path.join(folder, name), portrait)
    broken = os.path.join(folder, b"broken\xff\x1b[31m.jpg")
    with open(broken, "wb") as file:
        file.write(b"hello")
    out = tmp_path / "copies"
    report, said, stdout = predict(tmp_path / "names", "--annotate", out, status=1)
    assert len(report["photos"]) == 4 and len(report["failed"]) == 1
    assert "\x1b" not in said + stdout and "\x07" not in stdout
    assert r"broken\xff\u{1b}[31m.jpg" in said and r"\xbb\xe7" in stdout
    assert stdout.count("happy") == 4 and len(stdout.splitlines()) == 5
    assert len(list(out.iterdir())) == 4
    # Every file can be found again by the report.
    for photo in report["photos"] + report["failed"]:
        name = photo["image"].encode()
        assert os.path.exists(bytes.fromhex(photo.get("image_bytes", name.hex())))


@pytest.mark.parametrize(
    "files, named, copies",
    [
        (["a/x.jpg", "b/x.jpg"], ["."], {"a/x.png", "b/x.png"}),
        (["ann/x.jpg", "ben/x.jpg"], ["ann", "ben"], {"ann/x.jpg.png", "ben/x.jpg.png"}),
        (["ann/x.jpg", "ben/x.jpg"], ["ann/x.jpg", "ben/x.jpg"], {"ann/x.jpg.png", "ben/x.jpg.png"}),
        (["x.jpg", "x.png", "x"], ["."], {"x.jpg.png", "x.png.png", "x.png"}),
        (["y.jpg", "y.png/z.jpg"], ["."], {"y.jpg.png", "y.png/z.jpg.png"}),
        (["x.jpg", "y.jpg"], ["x.jpg", "y.jpg"], {"x.png", "y.png"}),
        (["x.jpg"], ["x.jpg", "x.jpg", "."], {"x.png"}),
    ],
)
def test_annotated_copies_are_kept_apart(portrait, predict, tmp_path, files, named, copies):
    root, out = tmp_path / "in", tmp_path / "out"
    face = portrait.resize((90, 90))  # taken as a face
    for name in files:
        put(root / name, face)
    for _ in range(2):  # and again over them
        report, _, _ = predict(*[root / name for name in named], "--annotate", out)
        assert len(report["photos"]) == len(files)
        found = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
        assert found == copies


def test_copies_within_the_folder_are_no_photos(portrait, predict, tmp_path):
    root = tmp_path / "in"
    face = portrait.resize((90, 90))
    put(root / "x.jpg", face)
    for _ in range(2):
        report, _, _ = predict(root, "--annotate", root / "out")
        assert len(report["photos"]) == 1
    assert counts(report) == {"folder of annotated copies": 1}
    before = (root / "x.jpg").read_bytes()
    put(root / "mine" / "z.jpg", face)
    for taken in (root, root / "mine"):
        _, said, _ = predict(root, "--annotate", taken, status=1)
        assert "not overwritten" in said
    assert sorted(path.name for path in root.iterdir()) == ["mine", "out", "x.jpg"]
    assert (root / "x.jpg").read_bytes() == before


def test_one_photo_goes_into_a_file_or_a_folder(portrait, predict, tmp_path):
    put(tmp_path / "x.jpg", portrait.resize((90, 90)))
    (tmp_path / "out").mkdir()
    predict(tmp_path / "x.jpg", "--annotate", tmp_path / "out")
    predict(tmp_path / "x.jpg", "--annotate", tmp_path / "y.png")
    assert (tmp_path / "out" / "x.png").is_file() and (tmp_path / "y.png").is_file()
    for wrong in ("y.gif", "y", "no/such/y.png"):
        _, said, _ = predict(tmp_path / "x.jpg", "--annotate", tmp_path / wrong, status=1)
        assert "annotate = " in said and "expected" in said, said
    assert not (tmp_path / "no").exists()


def test_links_end(portrait, predict, tmp_path):
    root = tmp_path / "in"
    put(root / "x.jpg", portrait.resize((90, 90)))
    (root / "above").symlink_to(root)
    (root / "gone.jpg").symlink_to(tmp_path / "nowhere")
    os.mkfifo(root / "pipe.jpg")
    report, _, _ = predict(root)
    assert len(report["photos"]) == 1 and sum(counts(report).values()) == 3


def test_a_folder_without_photos_says_what_it_has(predict, tmp_path):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "deep" / "a.heic").write_bytes(HEIC)
    report, said, _ = predict(tmp_path / "in", status=1)
    assert report is None
    assert "no photo is in this folder" in said and "1 HEIC image" in said


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_nothing_is_predicted_before_paths_are_checked(portrait, tmp_path):
    put(tmp_path / "x.jpg", portrait)
    done = fer("predict", tmp_path / "x.jpg", "--json", "/proc/no/x.json", FER_RUNS_DIR=str(tmp_path))
    assert done.returncode == 1 and "network" not in done.stdout and "json" in done.stderr
