"""Weights as people have them: `--initial-weights` names other kinds, gives a line that converts them, maps names."""

import argparse
import gzip
import os
import pickle
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from faces import noise
from program import ROOT, fer

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.torch")

OURS = ROOT / "data" / "pretrained" / "seed_cnn" / "best.safetensors"
# The layers of the seed CNN as a PyTorch `nn.Sequential` numbers them.
PLACES = dict(
    conv1_1="0", conv1_2="2", conv2_1="6", conv2_2="8", conv3_1="12", conv3_2="14", dense1="19", dense2="22"
)


@pytest.fixture(scope="module")
def state():
    return {name: tensor.float() for name, tensor in safetensors.load_file(OURS).items()}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return noise(tmp_path_factory.mktemp("data"), 1, train=5, test=1)


def train(data, runs, *arguments):
    options = ("--run", "new", "--overwrite", "--epochs", 1, "--batch-size", 4, "--learning-rate", 1e-9)
    variables = dict(FER_RUNS_DIR=str(runs), FER_ROOT=str(ROOT))
    return fer("train", "--data", data, *options, *arguments, cwd=runs, **variables)


def run_the_line(said, folder):
    """Runs what a message gives to convert a file, as a user would in bash, with the tests' Python."""
    (line,) = re.findall(r'python3 -c ".*?" \S*(?: \S*)?\.safetensors\'?', said)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    bash = ["bash", "-c", line]
    done = subprocess.run(bash, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


class Net(torch.nn.Module):
    """A network as people pickle it whole: modules in modules, and what is no weight."""

    def __init__(self, state):
        super().__init__()
        self.labels, self.none = ["happy"], None
        self.register_buffer("cache", torch.zeros(2), persistent=False)
        for name, tensor in state.items():
            layer, part = name.split(".")
            if layer not in self._modules:
                self.add_module(layer, torch.nn.Module())
            self.get_submodule(layer).register_parameter(part, torch.nn.Parameter(tensor))


class Settings:
    """A class that Python does not find when it loads the file."""

    def __init__(self):
        self.classes = {"happy": 3}


class Model(torch.nn.Module):
    """A network that holds given tensors, for TorchScript."""

    def __init__(self, state):
        super().__init__()
        for name, tensor in state.items():
            self.register_buffer(name.replace(".", "_"), tensor)

    def forward(self, x):
        return x


def saved(state, path, kind):
    """Writes a state as people save it; gives the names that it has afterwards."""
    plain = dict(state)
    if kind == "state dict":
        torch.save(plain, path)
    elif kind == "legacy":
        torch.save(plain, path, _use_new_zipfile_serialization=False)
    elif kind == "training":
        torch.save({"epoch": 3, "model_state_dict": plain, "optimizer": {"state": {}}}, path)
    elif kind == "module":
        torch.save(Net(plain), path)
    elif kind == "legacy module":
        torch.save({"net": torch.nn.DataParallel(Net(plain))}, path, _use_new_zipfile_serialization=False)
        plain = {f"module.{name}": tensor for name, tensor in plain.items()}
    elif kind == "settings":
        about = dict(args=argparse.Namespace(lr=0.1), config=Settings(), accuracy=np.float64(0.7))
        torch.save({"model": plain, "model_ema": plain, **about}, path)
    elif kind == "lightning":
        behind = {f"model.{name}": tensor for name, tensor in plain.items()}
        torch.save({"epoch": 1, "state_dict": behind, "optimizer_states": [{"state": {0: plain}}]}, path)
        plain = behind
    elif kind == "quantised":
        torch.save({k: torch.quantize_per_tensor(v, 0.5, 0, torch.qint8) for k, v in plain.items()}, path)
        plain = {k: torch.quantize_per_tensor(v, 0.5, 0, torch.qint8).dequantize() for k, v in plain.items()}
    elif kind == "shared":
        plain["twin"] = plain["dense2.bias"]
        torch.save({"state_dict": plain}, path)
    elif kind == "script":
        torch.jit.script(Model(plain)).save(path)
        plain = {name.replace(".", "_"): tensor for name, tensor in plain.items()}
    elif kind == "npz":
        with open(path, "wb") as file:
            np.savez(file, **{name: tensor.numpy() for name, tensor in plain.items()})
    elif kind == "pickle":
        path.write_bytes(pickle.dumps({name: tensor.numpy() for name, tensor in plain.items()}))
    elif kind == "onnx":
        onnx = pytest.importorskip("onnx")
        tensors = [onnx.numpy_helper.from_array(value.numpy(), name) for name, value in plain.items()]
        graph = onnx.helper.make_graph([], "g", [], [], initializer=tensors)
        onnx.save(onnx.helper.make_model(graph, producer_name="pytorch"), str(path))
    return plain


@pytest.mark.parametrize(
    "kind, called",
    [
        ("state dict", "a PyTorch checkpoint"),
        ("legacy", "a PyTorch checkpoint"),
        ("training", "a PyTorch checkpoint"),
        ("module", "a pickled PyTorch module"),
        ("legacy module", "a pickled PyTorch module"),
        ("settings", "a PyTorch checkpoint"),
        ("lightning", "a PyTorch checkpoint"),
        ("quantised", "a PyTorch checkpoint"),
        ("shared", "a PyTorch checkpoint"),
        ("script", "a TorchScript module"),
        ("npz", "a NumPy archive"),
        ("pickle", "a Python pickle"),
        ("onnx", "an ONNX model"),
    ],
)
@pytest.mark.parametrize("name", ["model.pth", "my model.safetensors"])
def test_other_kinds_are_named_and_the_line_converts_them(state, data, tmp_path, kind, called, name):
    if name.endswith("safetensors"):  # content decides
        expected = saved(state, tmp_path / "its content", kind)
        os.rename(tmp_path / "its content", tmp_path / name)
    else:
        expected = saved(state, tmp_path / name, kind)
    done = train(data, tmp_path, "--initial-weights", name)
    assert done.returncode == 1 and done.stdout == "" and done.stderr.count("\n") == 1, done.stderr
    assert f"{name}: this is {called}. " in done.stderr, done.stderr
    if name.endswith("safetensors"):
        assert "its-own" not in done.stderr
        return
    run_the_line(done.stderr, tmp_path)
    found = safetensors.load_file(tmp_path / "model.safetensors")
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in found)


@pytest.mark.parametrize(
    "name, content, called, way_out",
    [
        ("a.pth", b"\x89HDF\r\n\x1a\n" + bytes(99), "an HDF5 file", "Keras"),
        ("a.pth.gz", gzip.compress(b"x"), "a gzip archive", "gunzip -k a.pth.gz"),
        ("a.pt", b"<!DOCTYPE html>", "a web page", "download the file again"),
        ("a.safetensors", b"", "a file of 0 bytes", "Copy or download it again"),
        ("a.safetensors", b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer", "git -C . lfs pull"),
        ("a.safetensors", b"\x40\0\0\0\0\0\0\0{\"a\":", "not a complete safetensors file", "Copy"),
        ("a.bin", b"GGUF" + bytes(20), "a GGUF model", "safetensors"),
        ("a.tflite", b"\x1c\0\0\0TFL3" + bytes(20), "a TensorFlow Lite model", "a checkpoint"),
    ],
)
def test_what_else_is_no_safetensors_file(data, tmp_path, name, content, called, way_out):
    (tmp_path / name).write_bytes(content)
    done = train(data, tmp_path, "--initial-weights", name)
    assert done.returncode == 1 and called in done.stderr and way_out in done.stderr, done.stderr
    done = fer("evaluate", "--weights", tmp_path / name, "--data", data)
    assert done.returncode == 1 and called in done.stderr, done.stderr
    done = fer("predict", "--run", tmp_path / name, ROOT / "data" / "pictures" / "portrait.jpg")
    assert done.returncode == 1 and "not a run" in done.stderr, done.stderr


def test_keras_weights_become_pytorchs(data, tmp_path):
    """Kernels change their axes and names. Both layouts of Keras; h5py is not among the project's packages."""
    h5py = pytest.importorskip("h5py")
    kernel = np.arange(3 * 4 * 5 * 6, dtype=np.float32).reshape(3, 4, 5, 6)
    with h5py.File(tmp_path / "old.h5", "w") as file:
        file["conv2d_1/conv2d_1/kernel:0"] = kernel
        file["optimizer_weights/adam/m:0"] = kernel
        file["batch/batch/moving_variance:0"] = kernel[0, 0, 0]
    with h5py.File(tmp_path / "new.h5", "w") as file:
        file["layers/dense/vars/0"], file["layers/dense/vars/1"] = kernel[0, 0], kernel[0, 0, 0]
    found = {}
    for name in ("old", "new"):
        done = train(data, tmp_path, "--initial-weights", f"{name}.h5")
        assert "an HDF5 file" in done.stderr and done.returncode == 1
        run_the_line(done.stderr, tmp_path)
        found |= {key: value.numpy() for key, value in safetensors.load_file(tmp_path / f"{name}.safetensors").items()}
    assert found.keys() == {
        *("conv2d_1.conv2d_1.weight", "batch.batch.running_var"),
        *("layers.dense.vars.weight", "layers.dense.vars.bias"),
    }
    assert np.array_equal(found["conv2d_1.conv2d_1.weight"], kernel.transpose(3, 2, 0, 1))
    assert np.array_equal(found["layers.dense.vars.weight"], kernel[0, 0].T)


@pytest.mark.parametrize(
    "files, called",
    [
        (["config.json", "metadata.json", "model.weights.h5"], "a Keras model"),
        (["weights/model.pth"], "a zip archive"),
    ],
)
def test_zip_archives_are_told_apart(data, tmp_path, files, called):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in files:
            archive.writestr(name, bytes(5000))  # the directory at the end counts
    done = train(data, tmp_path, "--initial-weights", "a.zip")
    assert done.returncode == 1 and called in done.stderr, done.stderr


def test_a_file_that_is_not_there_is_one(data, tmp_path):
    done = train(data, tmp_path, "--initial-weights", "models/gone.pth")
    assert done.returncode == 1 and "A weights file is missing at models/gone.pth" in done.stderr
    assert done.stdout == "", "before the data is read"


@pytest.mark.parametrize(
    "renamed, arguments",
    [
        (lambda name: name, ()),
        (lambda name: f"module.{name}", ()),
        (lambda name: f"_orig_mod.module.{name}", ()),
        (lambda name: f"model.{name}", ()),
        (lambda name: f"model.{PLACES[name.split('.')[0]]}.{name.split('.')[1]}", ()),
        (lambda name: name.replace("conv", "features."), ("--weights-map", "features.=conv")),
        (lambda name: f"module.net1.{name}", ("--weights-map", "net1.=")),
        (
            lambda name: name.replace("conv1_1", "stem").replace("dense2", "head.fc"),
            ("--weights-map", "stem=conv1_1,head.fc=dense2"),
        ),
    ],
)
def test_names_are_mapped(state, data, tmp_path, renamed, arguments):
    theirs = {renamed(name): tensor for name, tensor in state.items()}
    theirs["module.n_averaged" if "module" in next(iter(theirs)) else "n_averaged"] = torch.tensor(3)
    safetensors.save_file(theirs, tmp_path / "theirs.safetensors")
    done = train(data, tmp_path, "--initial-weights", "theirs.safetensors", *arguments)
    assert done.returncode == 0, done.stderr
    assert "16 of 16 tensors loaded" in done.stdout and "not used" not in done.stdout, done.stdout
    config = (tmp_path / "new" / "config.toml").read_text()
    for pair in arguments[1].split(",") if arguments else []:
        old, new = pair.split("=")
        assert re.search(rf'^"?{re.escape(old)}"? = "{re.escape(new)}"$', config, re.M), config


def test_a_map_comes_from_a_file_and_from_the_recipe(state, data, tmp_path):
    theirs = {name.replace("conv", "c").replace("dense", "d"): value for name, value in state.items()}
    safetensors.save_file(theirs, tmp_path / "theirs.safetensors")
    (tmp_path / "map").write_text('# theirs and ours\n\nc = conv\n"d" = "dense"\n')
    weights = ("--initial-weights", "theirs.safetensors")
    for arguments in (
        ("--weights-map", "map"),
        ("--set", 'train.weights_map={ c = "conv", d = "dense" }'),
    ):
        done = train(data, tmp_path, *weights, *arguments)
        assert done.returncode == 0 and "16 of 16 tensors loaded" in done.stdout, done.stderr
    recipe = fer("train", "--print-recipe", *weights, "--weights-map", tmp_path / "map").stdout
    (tmp_path / "recipe.toml").write_text(recipe)
    done = train(data, tmp_path, "--recipe", "recipe.toml")
    assert done.returncode == 0 and "16 of 16 tensors loaded" in done.stdout, done.stderr


@pytest.mark.parametrize(
    "text, part",
    [
        ("conv", "OLD=NEW pairs"),
        ("", "OLD=NEW pairs"),
        ("conv=a,conv=b", "each name once"),
        ("nothing=conv", "a prefix of a name in theirs.safetensors"),
    ],
)
def test_a_map_that_cannot_be_is_said(state, data, tmp_path, text, part):
    safetensors.save_file(state, tmp_path / "theirs.safetensors")
    done = train(data, tmp_path, "--initial-weights", "theirs.safetensors", "--weights-map", text)
    assert done.returncode == 1 and part in done.stderr, done.stderr


def test_missing_and_surplus_names_are_listed_shortly(state, data, tmp_path):
    strange = {f"blocks.{number}.weight": torch.zeros(3) for number in range(300)}
    safetensors.save_file(strange, tmp_path / "strange.safetensors")
    done = train(data, tmp_path, "--initial-weights", "strange.safetensors")
    assert done.returncode == 1 and "no tensor fits" in done.stderr
    for part in ("blocks.", "conv1_1.weight", "--weights-map", "297 more"):
        assert part in done.stderr, done.stderr
    done = fer("evaluate", "--weights", tmp_path / "strange.safetensors", "--data", data)
    for part in ("16 missing: conv1_1.weight", "300 too many: blocks.", "290 more"):
        assert part in done.stderr, done.stderr
    assert len(done.stderr) < 1500
    partly = {**strange, **{name: value for name, value in state.items() if "conv" in name}}
    safetensors.save_file(partly, tmp_path / "partly.safetensors")
    done = train(data, tmp_path, "--initial-weights", "partly.safetensors")
    assert done.returncode == 0, done.stderr
    for part in ("12 of 16 tensors loaded", "not in the file: dense1", "not used: blocks.", "290 more"):
        assert part in done.stdout, done.stdout
