"""Each corruption against numpy, SciPy or PIL on the same images, and `fer evaluate --corruptions`."""

import io
import json
import subprocess

import numpy as np
import pytest
from faces import noise
from PIL import Image
from program import ROOT, example, fer

ndimage = pytest.importorskip("scipy.ndimage")
numpy_files = pytest.importorskip("safetensors.numpy")

# The standard list; a corruption that is added there needs a test here.
NAMES = [
    "00 Brightness(0.5)",
    "01 Brightness(0.25)",
    "02 Brightness(1.5)",
    "03 Contrast(0.25)",
    "04 Tilt(15.0)",
    "05 Tilt(20.0)",
    "06 Tilt(30.0)",
    "07 Shift(5)",
    "08 Blur(1.0)",
    "09 Noise(20.0)",
    "10 Jpeg(20)",
    "11 Shrink(24)",
]


def drawn(count=40):
    """Smooth images with edges and grain, some of which reach black and white, and flat ones."""
    random = np.random.default_rng(5)
    images = []
    for index in range(count):
        image = ndimage.gaussian_filter(random.normal(size=(48, 48)), 4) * 900 + 128
        image[10:20, 5 + index % 30 :] += 60
        images.append(image + random.normal(size=(48, 48)) * 4)
    images += [np.full((48, 48), level) for level in (0, 127, 255)]
    return np.clip(np.round(images), 0, 255).astype(np.uint8)


def corrupt(images, folder, seed=0):
    numpy_files.save_file({"images": images}, folder / "images.safetensors")
    out = folder / "corrupted.safetensors"
    arguments = [folder / "images.safetensors", str(seed), out]
    done = subprocess.run([example("corruption_trace"), *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return numpy_files.load_file(out)


@pytest.fixture(scope="module")
def images():
    return drawn()


@pytest.fixture(scope="module")
def corrupted(images, tmp_path_factory):
    return corrupt(images, tmp_path_factory.mktemp("corrupted"))


def rounded(values):
    return np.clip(np.floor(np.asarray(values) + 0.5), 0, 255).astype(np.uint8)


def difference(one, other):
    return np.abs(one.astype(int) - other.astype(int))


def test_the_list_is_the_standard_one(corrupted):
    assert sorted(corrupted) == NAMES


@pytest.mark.parametrize("name, factor", [(NAMES[0], 0.5), (NAMES[1], 0.25), (NAMES[2], 1.5)])
def test_brightness_is_a_product(name, factor, images, corrupted):
    assert (corrupted[name] == rounded(images * factor)).all()


def test_contrast_is_about_the_mean(images, corrupted):
    mean = images.mean(axis=(1, 2), keepdims=True)
    found = difference(corrupted[NAMES[3]], rounded(mean + (images - mean) * 0.25))
    # A value half-way between two grey levels can go either way.
    assert found.max() <= 1 and (found == 0).mean() > 0.999


@pytest.mark.parametrize("name, degrees", [(NAMES[4], 15), (NAMES[5], 20), (NAMES[6], 30)])
def test_a_tilt_is_scipys(name, degrees, images, corrupted):
    rows, columns = np.mgrid[0:48, 0:48] - 23.5
    directions = []
    for image, found in zip(images[:40], corrupted[name]):
        differences = []
        for angle in np.radians([degrees, -degrees]):
            places = [
                np.sin(angle) * columns + np.cos(angle) * rows + 23.5,
                np.cos(angle) * columns - np.sin(angle) * rows + 23.5,
            ]
            turned = ndimage.map_coordinates(
                image.astype(float), places, order=1, mode="nearest"
            )
            differences.append(difference(found, rounded(turned)))
        best = min(differences, key=np.sum)
        assert best.max() <= 1 and (best == 0).mean() > 0.999
        directions.append(best is differences[0])
    assert 8 < sum(directions) < 32


def test_a_shift_repeats_the_edge(images, corrupted):
    corners = [(0, 0), (0, 10), (10, 0), (10, 10)]
    seen = []
    for image, found in zip(images[:40], corrupted[NAMES[7]]):
        padded = np.pad(image, 5, mode="edge")
        views = [padded[top : top + 48, left : left + 48] for top, left in corners]
        seen += [corner for corner, view in zip(corners, views) if (view == found).all()]
    assert len(seen) == 40 and set(seen) == set(corners)


def test_a_blur_is_scipys(images, corrupted):
    for image, found in zip(images, corrupted[NAMES[8]]):
        blurred = ndimage.gaussian_filter(image.astype(float), 1.0, mode="nearest", truncate=4.0)
        apart = difference(found, rounded(blurred))
        assert apart.max() <= 1 and (apart == 0).mean() > 0.999


def test_noise_is_normal_and_of_each_pixel(tmp_path):
    stats = pytest.importorskip("scipy.stats")
    # Grey levels far from both ends, each image another one, or their noise would be the same.
    images = np.stack([np.full((48, 48), 128, np.uint8)] * 30)
    images[np.arange(30), 0, 0] = 100 + np.arange(30)
    added = corrupt(images, tmp_path)[NAMES[9]].astype(float) - images
    count = added.size
    assert abs(added.mean()) < 4 * 20 / np.sqrt(count)
    assert added.std() == pytest.approx(20, abs=4 * 20 / np.sqrt(2 * count))
    # Rounded values, so the distribution in steps of one.
    edges = np.arange(-60.5, 61)
    shares = np.histogram(added, edges)[0] / count
    assert np.abs(shares - np.diff(stats.norm.cdf(edges / 20))).max() < 0.004
    for shifted in (np.roll(added, 1, axis=0), np.roll(added, 1, axis=1), np.roll(added, 1, axis=2)):
        correlation = np.corrcoef(added.ravel(), shifted.ravel())[0, 1]
        assert abs(correlation) < 4 / np.sqrt(count)


def test_jpeg_is_pils_of_that_quality(images, corrupted):
    """Encoders and decoders round differently, so a quality is told from its neighbours by distance."""

    def distance(quality):
        apart = []
        for image, found in zip(images, corrupted[NAMES[10]]):
            file = io.BytesIO()
            Image.fromarray(image).save(file, "jpeg", quality=quality)
            apart.append(difference(found, np.asarray(Image.open(file))).mean())
        return np.mean(apart)

    same, lower, higher = distance(20), distance(19), distance(21)
    assert same < 0.5 and lower > 4 * same and higher > 4 * same, (same, lower, higher)


def test_shrinking_is_pils(images, corrupted):
    for image, found in zip(images, corrupted[NAMES[11]]):
        small = Image.fromarray(image).resize((24, 24), Image.Resampling.BILINEAR)
        large = np.asarray(small.resize((48, 48), Image.Resampling.BILINEAR))
        apart = difference(found, large)
        assert apart.max() <= 2 and apart.mean() < 0.5


def test_the_seed_and_the_image_decide_and_not_the_place(images, corrupted, tmp_path):
    again = corrupt(images[::-1].copy(), tmp_path)
    other = corrupt(images, tmp_path, seed=1)
    for name in NAMES:
        assert (again[name][::-1] == corrupted[name]).all(), name
        random = any(word in name for word in ("Tilt", "Shift", "Noise"))
        assert (other[name] != corrupted[name]).any() == random, name


def test_the_command_prints_and_writes_every_row(tmp_path):
    folder = noise(tmp_path / "ours", 3, train=5, test=4)
    command = ["evaluate", "--run", "seed_cnn", "--data", folder]
    settings = {"FER_ROOT": str(ROOT), "FER_RUNS_DIR": str(tmp_path / "runs")}
    out = tmp_path / "evaluation.json"
    done = fer(*command, "--corruptions", "--json", out, **settings)
    assert done.returncode == 0, done.stderr
    figures = json.loads(out.read_text())
    robustness = figures["robustness"]
    assert robustness["clean"] == figures["accuracy"] and robustness["clean"]["total"] == 28
    rows = robustness["corrupted"]
    assert [(row["corruption"], row["strength"]) for row in rows] == [
        (name[3:].split("(")[0].lower(), float(name.split("(")[1].rstrip(")"))) for name in NAMES
    ]
    table = done.stdout.split("Accuracy on corrupted images, ours\n")[1].splitlines()
    lines = table[1 : 2 + len(NAMES)]
    shown = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines]
    assert shown[0][:2] == ["as they are", f"{robustness['clean']['value']:.4f}"]
    for cells, row in zip(shown[1:], rows):
        lost = row["lost"]
        assert cells[1] == f"{row['accuracy']['value']:.4f}"
        assert lost["low"] <= lost["value"] <= lost["high"]
        clean = robustness["clean"]["value"]
        assert lost["value"] == pytest.approx(clean - row["accuracy"]["value"], abs=1e-12)
    again = fer(*command, "--corruptions", "--json", tmp_path / "again.json", **settings)
    assert again.stdout == done.stdout
    assert (tmp_path / "again.json").read_text() == out.read_text()
    plain = fer(*command, "--json", out, **settings)
    assert "corrupted" not in plain.stdout and "robustness" not in json.loads(out.read_text())


def test_predictions_from_a_file_cannot_be_corrupted(tmp_path):
    done = fer("evaluate", "--predictions", tmp_path / "none.csv", "--corruptions")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "--corruptions" in fer("evaluate", "--help").stdout
