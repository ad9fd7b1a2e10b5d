"""Exported networks in other programs: onnxruntime and Python's torch give the same probabilities."""

import csv
import json
import os
import re
import stat
import subprocess

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from program import PRETRAINED, ROOT, example, fer
from safetensors import safe_open

NETWORKS = {
    "seed_cnn": 'name = "seed_cnn"',
    "vgg": 'name = "vgg"\nchannels = [8, 16]\nconvolutions = [1, 2]\nhidden = 16',
    "vgg_standardized": 'name = "vgg"\nchannels = [8]\nconvolutions = [1]\nstandardize = true',
    "resnet": 'name = "resnet"\nchannels = [8, 16]\nblocks = [1, 2]\nreduction = 4',
    "resnet_plain": 'name = "resnet"\nchannels = [8, 16]\nblocks = [1, 1]\nreduction = 0',
    "vit": 'name = "vit"\nwidth = 32\ndepth = 2\nheads = 4',
}
TEMPERATURE = 1.37


@pytest.fixture(scope="module", params=NETWORKS)
def exported(request, tmp_path_factory):
    """A network with weights that are none of the initial ones, exported, and its own answers."""
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "network.toml").write_text(NETWORKS[request.param])
    command = [example("export_trace"), folder / "network.toml", folder, str(TEMPERATURE)]
    subprocess.run(command, check=True, timeout=120)
    with safe_open(folder / "trace.safetensors", "np") as file:
        # 256 of its 64 images
        names = file.keys()  # no dict: it has no iterator
        tensors = {name: np.concatenate([file.get_tensor(name)] * 4) for name in names}
    return folder, tensors


def softmax(logits, temperature):
    return torch.softmax(torch.from_numpy(logits) / temperature, -1).numpy()


def onnx_outputs(path, images):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(["logits", "probs"], {"images": images})


def onnx_answers(path, images):
    return onnx_outputs(path, images)[1]


def torch_answers(path, images):
    with torch.no_grad():
        return torch.jit.load(path)(torch.from_numpy(images)).numpy()


@pytest.mark.parametrize("count", [1, 7, 256])
@pytest.mark.parametrize(
    "answers, name", [(onnx_answers, "model.onnx"), (torch_answers, "model.pt")]
)
def test_the_same_probabilities_for_any_batch(exported, answers, name, count):
    folder, tensors = exported
    probs = answers(folder / name, tensors["images"][:count])
    assert probs.shape == (count, 7)
    expected = softmax(tensors["logits"][:count], TEMPERATURE)
    np.testing.assert_allclose(probs, expected, rtol=0, atol=1e-4)
    np.testing.assert_allclose(probs.sum(1), 1, atol=1e-5)


def test_onnx_has_the_logits_before_the_temperature(exported):
    folder, tensors = exported
    logits, probs = onnx_outputs(folder / "model.onnx", tensors["images"])
    # Of untrained networks probabilities are alike, so that these tell more.
    largest = np.abs(tensors["logits"]).max()
    np.testing.assert_allclose(logits, tensors["logits"], rtol=0, atol=1e-5 * largest)
    np.testing.assert_allclose(probs, softmax(logits, TEMPERATURE), rtol=0, atol=1e-5)


def test_onnx_is_valid_and_says_what_it_is(exported):
    folder, _ = exported
    model = onnx.load(folder / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    about = {entry.key: entry.value for entry in model.metadata_props}
    assert about["classes"] == "angry,disgust,fear,happy,neutral,sad,surprise"
    assert float(about["temperature"]) == TEMPERATURE
    assert about["trained_on"] == "random images"
    (images,) = model.graph.input
    assert [d.dim_param or d.dim_value for d in images.type.tensor_type.shape.dim] == (
        ["batch", 1, 48, 48]
    )


def test_float16_weights_are_half_as_large_and_close(exported):
    folder, tensors = exported
    full, half = (folder / "model.onnx").stat().st_size, (folder / "model_f16.onnx").stat().st_size
    # What is no weight stays: some kilobytes, which count beside small networks.
    assert half < full / 2 + 20_000
    probs = onnx_answers(folder / "model.onnx", tensors["images"])
    rounded = onnx_answers(folder / "model_f16.onnx", tensors["images"])
    assert 0 < np.abs(rounded - probs).max() < 5e-3


@pytest.mark.parametrize("weights", PRETRAINED, ids=lambda folder: folder.name)
def test_the_shipped_weights_give_the_same_logits_in_onnxruntime(weights, tmp_path):
    command = [example("export_trace"), weights, tmp_path, str(TEMPERATURE)]
    subprocess.run(command, check=True, timeout=120)
    with safe_open(tmp_path / "trace.safetensors", "np") as file:
        images, expected = file.get_tensor("images"), file.get_tensor("logits")
    logits, probs = onnx_outputs(tmp_path / "model.onnx", images)
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4)
    np.testing.assert_allclose(probs, softmax(expected, TEMPERATURE), rtol=0, atol=1e-4)


LIGHT = re.compile(
    r"if s ≥ 1 and \(m < (\d+) or m > (\d+) or s < (\d+)\), each pixel p becomes \(p - m\) × (\d+) / s \+ (\d+), "
    r"rounded, at least 0 and at most 255"
)


def in_usual_light(face, rule):
    """What the metadata and the model card tell to do with a face."""
    dark, bright, flat, spread, mean = map(float, LIGHT.search(rule).groups())
    m, s = face.mean(), face.std()
    if s >= 1 and (m < dark or m > bright or s < flat):
        return ((face - m) * spread / s + mean).round().clip(0, 255).astype(np.uint8)
    return face


@pytest.mark.parametrize("weights", PRETRAINED, ids=lambda folder: folder.name)
def test_a_face_in_little_light_gets_the_probabilities_of_fer_predict(weights, tmp_path):
    temperature = re.search(r"^temperature = (\S+)", (weights / "temperature.toml").read_text(), re.M)[1]
    command = [example("export_trace"), weights, tmp_path, temperature]
    subprocess.run(command, check=True, timeout=120)
    with safe_open(tmp_path / "portrait.safetensors", "np") as file:
        face, expected = file.get_tensor("face"), file.get_tensor("probs")
    assert face.mean() < 50
    about = {e.key: e.value for e in onnx.load(tmp_path / "model.onnx").metadata_props}
    assert ("light" in about) == (weights.name == "seed_cnn")
    given = face
    if "light" in about:
        assert about["light"] in (weights / "model_card.md").read_text()
        given = in_usual_light(face, about["light"])
    for answers, name in ((onnx_answers, "model.onnx"), (torch_answers, "model.pt")):
        np.testing.assert_allclose(answers(tmp_path / name, given), expected, rtol=0, atol=1e-4)
        if "light" in about:
            assert np.abs(answers(tmp_path / name, face) - expected).max() > 0.02, "the step does nothing"


def test_a_custom_network_is_exported_by_its_plan(tmp_path):
    path = tmp_path / "custom.onnx"
    subprocess.run([example("custom_network"), path], check=True, timeout=300)
    onnx.checker.check_model(onnx.load(path), full_check=True)
    probs = onnx_answers(path, np.zeros((3, 1, 48, 48), dtype=np.uint8))
    assert probs.shape == (3, 7)
    np.testing.assert_allclose(probs.sum(1), 1, atol=1e-5)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    settings = {"FER_RUNS_DIR": str(folder), "FER_ROOT": str(folder)}
    done = fer("train", "--run", "small", "--epochs", 1, "--precision", "float32", **settings)
    assert done.returncode == 0, done.stderr
    return folder, settings


@pytest.fixture(scope="module")
def handed(run):
    """The run, exported, and what was printed; and what `fer` says of the float16 weights there."""
    folder, settings = run
    out = folder / "out"
    arguments = ["export", "--run", "small", "--to", out, "--format", "onnx,torchscript"]
    done = fer(*arguments, **settings)
    assert done.returncode == 0, done.stderr
    files = ["--json", folder / "e.json", "--save-predictions", folder / "float16.csv"]
    evaluated = fer("evaluate", "--run", out, *files, **settings)
    assert evaluated.returncode == 0, evaluated.stderr
    return out, done.stdout


def test_a_run_is_exported_with_its_figures(run, handed):
    folder, _ = run
    out, printed = handed
    names = ["best.safetensors", "model.onnx", "model_f16.onnx", "model.pt"]
    card = (out / "model_card.md").read_text()
    for name in names:
        assert f"\n{name} " in printed and f"| {name} | float" in card
    with safe_open(out / "best.safetensors", "np") as file:
        about = file.metadata()
    assert about["network"] == "seed_cnn" and "made-up sample" in about["trained_on"]
    # The folder is a run: its answers are those of the float16 file.
    accuracy = json.loads((folder / "e.json").read_text())["accuracy"]["value"]
    assert f"| model_f16.onnx | float16 | 2.9 | {accuracy:.4f} |" in card


def columns(path, prefix):
    with open(path) as file:
        rows = list(csv.DictReader(file))
    return np.array([[float(v) for k, v in row.items() if k.startswith(prefix)] for row in rows])


def test_a_runs_files_answer_as_fer_does(run, handed):
    folder, settings = run
    out, _ = handed
    for arguments in (
        ["evaluate", "--run", "small", "--save-predictions", folder / "float32.csv"],
        ["bench", "export", "--to", folder / "pixels"],
    ):
        done = fer(*arguments, **settings)
        assert done.returncode == 0, done.stderr
    with safe_open(folder / "pixels" / "data.safetensors", "np") as file:
        images = file.get_tensor("test.images")
    probs = {}
    for name, kind in (("model.onnx", "float32"), ("model_f16.onnx", "float16")):
        expected = columns(folder / f"{kind}.csv", "prob_").astype(np.float32)
        logits, probs[name] = onnx_outputs(out / name, images)
        # What `fer evaluate` saves is without the temperature.
        np.testing.assert_allclose(softmax(logits, 1), expected, rtol=0, atol=1e-4)
        about = {e.key: e.value for e in onnx.load(out / name).metadata_props}
        temperature = float(about["temperature"])
        assert temperature != 1 and "made-up sample" in about["trained_on"]
        np.testing.assert_allclose(probs[name], softmax(logits, temperature), rtol=0, atol=1e-5)
    traced = torch_answers(out / "model.pt", images)
    np.testing.assert_allclose(traced, probs["model.onnx"], rtol=0, atol=1e-4)
    # They are for others, who can read them.
    plain = folder / "plain"
    plain.touch()
    modes = {stat.S_IMODE(path.stat().st_mode) for path in [plain, *out.iterdir()]}
    assert len(modes) == 1, modes


def test_a_page_knows_that_its_network_knows_drawn_faces_only(run):
    runtime = ROOT / "build" / "onnxruntime-web"
    if not runtime.is_dir() and os.environ.get("FER_BROWSER") != "required":
        pytest.skip("npm has brought no onnxruntime-web: make setup")
    folder, settings = run
    (folder / "build").mkdir()
    (folder / "build" / runtime.name).symlink_to(runtime)
    to = folder / "page"
    done = fer("export", "--run", "small", "--to", to, "--format", "web,onnx", **settings)
    assert done.returncode == 0, done.stderr
    model = json.loads((to / "web" / "model.json").read_text())
    assert model["card"]["is_of_drawn_faces"] and model["trained_on"] == "made-up sample"
    assert (to / "web" / "network.onnx").read_bytes() == (to / "model_f16.onnx").read_bytes()


def test_a_run_is_not_rounded_in_place(run):
    folder, settings = run
    before = (folder / "small" / "best.safetensors").read_bytes()
    done = fer("export", "--run", "small", "--to", folder / "small", **settings)
    assert done.returncode != 0
    assert "another folder" in done.stderr and done.stderr.count("\n") == 1
    assert (folder / "small" / "best.safetensors").read_bytes() == before


def test_another_run_is_not_written_over(run):
    folder, settings = run
    other = folder / "other"
    (other / "last").mkdir(parents=True)
    (other / "last" / "checkpoint.safetensors").write_bytes(b"the only one")
    done = fer("export", "--run", "small", "--to", other, **settings)
    assert done.returncode == 1 and str(other) in done.stderr, done.stderr
    assert not (other / "best.safetensors").exists()


def test_what_cannot_be_written_is_said(run):
    folder, settings = run
    done = fer("export", "--run", "small", "--to", folder / "x", "--format", "pickle", **settings)
    assert done.returncode == 2
    assert all(name in done.stderr for name in ("safetensors", "onnx", "torchscript"))
