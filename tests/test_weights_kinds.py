"""Weights of other kinds, written here byte by byte: each is named for what it is, with the line that helps."""

import json
import struct
import zipfile

import numpy as np
import pytest
from faces import noise
from program import ROOT, fer

OURS = ROOT / "data" / "pretrained" / "seed_cnn" / "best.safetensors"
# What the index of a TensorFlow checkpoint ends with.
TABLE = bytes.fromhex("57fb808b247547db")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return noise(tmp_path_factory.mktemp("data"), 1, train=5, test=1)


def load(path):
    """Names, dtypes and bytes of a safetensors file."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    start = 8 + length
    return {
        name: (about["dtype"], about["shape"], content[start + about["data_offsets"][0] : start + about["data_offsets"][1]])
        for name, about in header.items()
        if name != "__metadata__"
    }


def save(path, tensors):
    header, data = {}, b""
    for name, (dtype, shape, content) in tensors.items():
        header[name] = dict(dtype=dtype, shape=shape, data_offsets=[len(data), len(data) + len(content)])
        data += content
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def train(data, runs, name):
    options = ("--run", "new", "--overwrite", "--epochs", 1, "--batch-size", 4, "--learning-rate", 1e-9)
    variables = dict(FER_RUNS_DIR=str(runs), FER_ROOT=str(ROOT))
    return fer("train", "--data", data, *options, "--initial-weights", name, cwd=runs, **variables)


def module(path, *, legacy):
    """The beginning of what torch.save writes of a module; its tensors are not needed to say what it is."""
    state = b"".join(b"X" + struct.pack("<I", len(name)) + name for name in (b"_parameters", b"_buffers", b"_modules"))
    pickled = b"\x80\x02c__main__\nNet\n)\x81}(" + state + b"ub."
    if legacy:
        path.write_bytes(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03." + pickled)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("net/data.pkl", pickled)
            archive.writestr("net/data/0", bytes(16))


def state_dict(path, *, settings):
    """The pickle of a state dict, with a class of Python's next to it or without."""
    more = b"cargparse\nNamespace\nq\x05)Rq\x06" if settings else b""
    names = b"ccollections\nOrderedDict\nq\x00)Rq\x01(X\x0b\0\0\0conv.weightq\x02"
    with zipfile.ZipFile(path, "w") as archive:
        tensors = b"ctorch._utils\n_rebuild_tensor_v2\nq\x03((X\x07\0\0\0storagectorch\nFloatStorage\nq\x04"
        archive.writestr("net/data.pkl", b"\x80\x02" + names + tensors + more + b".")
        archive.writestr("net/data/0", bytes(16))


def sharded(path):
    tensors = load(OURS)
    names = list(tensors)
    files = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    places = {name: files[number % 2] for number, name in enumerate(names)}
    for file in files:
        save(path.with_name(file), {name: tensors[name] for name in names if places[name] == file})
    path.write_text(json.dumps(dict(metadata=dict(total_size=9), weight_map=places)))


def checkpoint(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_name(path.name + ".index").write_bytes(b"names" + TABLE)
    path.with_name(path.name + ".data-00000-of-00001").write_bytes(bytes(range(32)))


def keras(path):
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("metadata.json", "config.json", "model.weights.h5"):
            archive.writestr(name, "{}")


@pytest.mark.parametrize(
    "name, write, called, line",
    [
        ("net.pth", lambda path: module(path, legacy=False), "a pickled PyTorch module", "find_class"),
        ("net.pt", lambda path: module(path, legacy=True), "a pickled PyTorch module", "find_class"),
        ("a.pth", lambda path: state_dict(path, settings=False), "a PyTorch checkpoint", "weights_only=True"),
        ("a.ckpt", lambda path: state_dict(path, settings=True), "a PyTorch checkpoint", "find_class"),
        ("model.safetensors.index.json", sharded, "an index of weights in several files", "weight_map"),
        ("model-00001-of-00002.safetensors", sharded, "one of 2 files that belong together", "Copy the others"),
        ("model.ckpt", checkpoint, "a TensorFlow checkpoint", "load_checkpoint"),
        ("model.ckpt.index", lambda path: checkpoint(path.with_suffix("")), "a TensorFlow checkpoint", " model.ckpt "),
        ("saved", lambda path: checkpoint(path / "variables" / "variables"), "a TensorFlow checkpoint", "saved/variables"),
        ("model.keras", keras, "a Keras model", "h5py"),
        ("model.gguf", lambda path: path.write_bytes(b"GGUF" + bytes(20)), "a GGUF model", "gguf.dequantize"),
    ],
)
def test_a_kind_is_named_and_the_line_is_given(data, tmp_path, name, write, called, line):
    write(tmp_path / name)
    done = train(data, tmp_path, name)
    assert done.returncode == 1 and done.stdout == "" and done.stderr.count("\n") == 1, done.stderr
    assert f"{name}: this is {called}. " in done.stderr and line in done.stderr, done.stderr
    done = fer("evaluate", "--weights", tmp_path / name, "--data", data)
    assert done.returncode == 1 and called in done.stderr, done.stderr


def test_one_of_several_files_is_led_to_their_index(data, tmp_path):
    sharded(tmp_path / "model.safetensors.index.json")
    done = train(data, tmp_path, "model-00002-of-00002.safetensors")
    assert "one of 2 files" in done.stderr and " model.safetensors.index.json " in done.stderr, done.stderr


def test_a_folder_of_weights_says_which(data, tmp_path):
    (tmp_path / "net").mkdir()
    save(tmp_path / "net" / "model.safetensors", load(OURS))
    done = train(data, tmp_path, "net")
    assert "net: this is a folder. Weights in net: model.safetensors." in done.stderr, done.stderr


def test_weights_behind_any_word_are_read_and_what_is_beside_them_is_not(data, tmp_path):
    tensors = load(OURS)
    loss = ("F32", [7], np.ones(7, np.float32).tobytes())
    for start in ("model.", "net.", "student.backbone."):
        behind = {start + name: value for name, value in tensors.items()}
        save(tmp_path / "a.safetensors", behind | {"criterion.weight": loss})
        done = train(data, tmp_path, "a.safetensors")
        assert done.returncode == 0, done.stderr
        assert "16 of 16 tensors loaded" in done.stdout and "criterion.weight" in done.stdout, done.stdout
        done = fer("evaluate", "--weights", tmp_path / "a.safetensors", "--data", data)
        assert done.returncode == 0, done.stderr
    # Of two networks, none is guessed.
    both = {f"{who}.{name}": value for who in ("student", "teacher") for name, value in tensors.items()}
    save(tmp_path / "a.safetensors", both)
    done = train(data, tmp_path, "a.safetensors")
    assert done.returncode == 1 and "no tensor fits" in done.stderr and "--weights-map" in done.stderr


@pytest.mark.parametrize("dtype, called", [("I8", "holds int8"), ("U8", "holds uint8"), ("F8_E4M3", "is F8_E4M3")])
def test_quantised_weights_are_no_weights(data, tmp_path, dtype, called):
    tensors = load(OURS)
    name = next(name for name in tensors if name.endswith(".weight"))
    _, shape, content = tensors[name]
    tensors[name] = (dtype, shape, bytes(int(np.prod(shape))))
    save(tmp_path / "a.safetensors", tensors)
    for done in (train(data, tmp_path, "a.safetensors"), fer("evaluate", "--weights", tmp_path / "a.safetensors", "--data", data)):
        assert done.returncode == 1 and name in done.stderr and called in done.stderr, done.stderr
        assert "float32" in done.stderr and "Copy" not in done.stderr, done.stderr
