"""Each network against a twin written in PyTorch, on the same weights; FLOPs against PyTorch's counter.

The twins are modules of torch.nn whose parameters carry the crate's names, so that a name or a shape
that changes is found by `load_state_dict` too."""

import json
import struct
import subprocess

import numpy as np
import pytest
import torch
from program import example, fer
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode


def read(path):
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header, body = json.loads(raw[8 : 8 + length]), raw[8 + length :]
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            assert entry["dtype"] == "F32", f"{name} is {entry['dtype']}"
            start, end = entry["data_offsets"]
            values = np.frombuffer(body[start:end], dtype="<f4").reshape(entry["shape"])
            tensors[name] = torch.tensor(values)
    return tensors


class SeedCnn(nn.Module):
    def __init__(self):
        super().__init__()
        widths = [1, 32, 64, 128]
        for block in (1, 2, 3):
            before, after = widths[block - 1], widths[block]
            self.add_module(f"conv{block}_1", nn.Conv2d(before, after, 3, padding=1))
            self.add_module(f"conv{block}_2", nn.Conv2d(after, after, 3, padding=1))
        self.dense1, self.dense2 = nn.Linear(4608, 256), nn.Linear(256, 7)

    def forward(self, xs):
        for block in (1, 2, 3):
            for number in (1, 2):
                xs = F.relu(self.get_submodule(f"conv{block}_{number}")(xs))
            xs = F.max_pool2d(xs, 2)
        xs = F.adaptive_avg_pool2d(xs, 6)  # does nothing to images of 48×48
        return self.dense2(F.relu(self.dense1(xs.flatten(1))))


class Vgg(nn.Module):
    def __init__(self, channels, convolutions, hidden, standardize=False):
        super().__init__()
        self.standardize = standardize
        self.convolutions, before = convolutions, 1
        for stage, (width, count) in enumerate(zip(channels, convolutions), start=1):
            for number in range(1, count + 1):
                conv = nn.Conv2d(before, width, 3, padding=1, bias=False)
                self.add_module(f"conv{stage}_{number}", conv)
                self.add_module(f"norm{stage}_{number}", nn.BatchNorm2d(width))
                before = width
        self.side = 48 // 2 ** len(channels)
        self.hidden = nn.Linear(before * self.side**2, hidden)
        self.output = nn.Linear(hidden, 7)

    def forward(self, xs):
        if self.standardize:
            xs = F.instance_norm(xs, eps=1e-4)
        for stage, count in enumerate(self.convolutions, start=1):
            for number in range(1, count + 1):
                xs = self.get_submodule(f"conv{stage}_{number}")(xs)
                xs = F.relu(self.get_submodule(f"norm{stage}_{number}")(xs))
            xs = F.max_pool2d(xs, 2)
        xs = F.adaptive_avg_pool2d(xs, self.side)
        return self.output(F.relu(self.hidden(xs.flatten(1))))


class Block(nn.Module):
    def __init__(self, before, after, stride, reduction):
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(before), nn.BatchNorm2d(after)
        self.conv1 = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.reduction = reduction
        if reduction:
            self.squeeze = nn.Linear(after, after // reduction)
            self.excite = nn.Linear(after // reduction, after)
        if stride != 1 or before != after:
            self.shortcut = nn.Conv2d(before, after, 1, stride, bias=False)

    def forward(self, xs):
        active = F.relu(self.norm1(xs))
        around = self.shortcut(active) if hasattr(self, "shortcut") else xs
        ys = self.conv2(F.relu(self.norm2(self.conv1(active))))
        if self.reduction:
            scale = self.excite(F.relu(self.squeeze(ys.mean((2, 3)))))
            ys = ys * torch.sigmoid(scale)[:, :, None, None]
        return ys + around


class ResNet(nn.Module):
    def __init__(self, channels, blocks, reduction, standardize=False):
        super().__init__()
        self.standardize, before = standardize, channels[0]
        self.stem = nn.Conv2d(1, before, 3, padding=1, bias=False)
        self.stages = len(channels)
        for stage, (width, count) in enumerate(zip(channels, blocks), start=1):
            inner = nn.Module()
            for number in range(1, count + 1):
                stride = 2 if stage > 1 and number == 1 else 1
                inner.add_module(str(number), Block(before, width, stride, reduction))
                before = width
            self.add_module(f"stage{stage}", inner)
        self.norm, self.output = nn.BatchNorm2d(before), nn.Linear(before, 7)

    def forward(self, xs):
        if self.standardize:
            xs = F.instance_norm(xs, eps=1e-4)
        xs = self.stem(xs)
        for stage in range(1, self.stages + 1):
            for block in self.get_submodule(f"stage{stage}").children():
                xs = block(xs)
        return self.output(F.relu(self.norm(xs)).mean((2, 3)))


class Transformer(nn.Module):
    def __init__(self, width, heads, ratio):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.projection = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.hidden, self.output = nn.Linear(width, ratio * width), nn.Linear(ratio * width, width)

    def forward(self, xs):
        batch, tokens, width = xs.shape
        parts = self.qkv(self.norm1(xs)).chunk(3, dim=-1)
        size = width // self.heads
        queries, keys, values = (
            part.reshape(batch, tokens, self.heads, size).transpose(1, 2) for part in parts
        )
        scores = queries @ keys.transpose(-2, -1) / size**0.5
        attended = (scores.softmax(-1) @ values).transpose(1, 2).reshape(xs.shape)
        xs = xs + self.projection(attended)
        return xs + self.output(F.gelu(self.hidden(self.norm2(xs))))


class Vit(nn.Module):
    def __init__(self, width, depth, heads, mlp_ratio):
        super().__init__()
        for number, before, after in ((1, 1, width // 2), (2, width // 2, width)):
            inner = nn.Module()
            inner.conv = nn.Conv2d(before, after, 3, padding=1, bias=False)
            inner.norm = nn.BatchNorm2d(after)
            self.add_module(f"tokenizer{number}", inner)
        self.positions = nn.Parameter(torch.zeros(1, 144, width))
        self.depth = depth
        for number in range(1, depth + 1):
            self.add_module(f"block{number}", Transformer(width, heads, mlp_ratio))
        self.norm = nn.LayerNorm(width)
        self.pool, self.output = nn.Linear(width, 1), nn.Linear(width, 7)

    def forward(self, xs):
        for part in (self.tokenizer1, self.tokenizer2):
            xs = F.max_pool2d(F.relu(part.norm(part.conv(xs))), 2)
        grid = self.positions.transpose(1, 2).unflatten(2, (12, 12))
        if xs.shape[2:] != grid.shape[2:]:
            grid = F.interpolate(grid, size=xs.shape[2:], mode="bilinear")
        xs = (xs + grid).flatten(2).transpose(1, 2)
        for number in range(1, self.depth + 1):
            xs = self.get_submodule(f"block{number}")(xs)
        xs = self.norm(xs)
        shares = self.pool(xs).softmax(1)
        return self.output((shares.transpose(1, 2) @ xs).squeeze(1))


SMALL = {
    "seed_cnn": (SeedCnn, {}),
    "vgg": (Vgg, {"channels": [8, 16, 24], "convolutions": [1, 2, 3], "hidden": 32}),
    "vgg standardized": (
        Vgg,
        {"channels": [8, 16], "convolutions": [1, 2], "hidden": 32, "standardize": True},
    ),
    "resnet standardized": (
        ResNet,
        {"channels": [8, 16], "blocks": [1, 1], "reduction": 4, "standardize": True},
    ),
    "resnet": (ResNet, {"channels": [8, 16, 24], "blocks": [2, 1, 2], "reduction": 4}),
    "resnet without squeeze": (ResNet, {"channels": [8], "blocks": [1], "reduction": 0}),
    "vit": (Vit, {"width": 32, "depth": 3, "heads": 4, "mlp_ratio": 2}),
}

# The settings that the crate takes where none are given.
DEFAULTS = {
    "seed_cnn": SMALL["seed_cnn"],
    "vgg": (
        Vgg,
        {"channels": [64, 128, 256, 512], "convolutions": [2, 2, 2, 2], "hidden": 512},
    ),
    "resnet": (
        ResNet,
        {"channels": [64, 128, 256, 512], "blocks": [2, 2, 2, 2], "reduction": 16},
    ),
    "vit": (Vit, {"width": 192, "depth": 6, "heads": 4, "mlp_ratio": 2}),
}


def check(tmp_path, name, build, settings):
    config = "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())
    (tmp_path / "network.toml").write_text(f'name = "{name}"\n{config}')
    out = tmp_path / "out.safetensors"
    files = [tmp_path / "network.toml", out]
    subprocess.run([example("network_trace"), *files], check=True, timeout=300)
    tensors = read(out)
    weights = {
        name.removeprefix("weights."): tensor
        for name, tensor in tensors.items()
        if name.startswith("weights.")
    }
    twin = build(**settings).eval()
    missing, unexpected = twin.load_state_dict(weights, strict=False)
    assert not unexpected
    # PyTorch counts the batches that a normalisation saw; nothing reads it.
    assert all(name.endswith("num_batches_tracked") for name in missing), missing
    for name, tensor in weights.items():
        if name.endswith("running_var"):
            assert (tensor != 1).all(), "nothing was trained"
    for side in (48, 24, 40, 96):
        with torch.no_grad():
            expected = twin(tensors[f"images.{side}"]).numpy()
        assert np.ptp(expected) > 1e-3, "the logits say nothing"
        found = tensors[f"logits.{side}"].numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5, err_msg=f"side {side}")


@pytest.mark.parametrize("case", SMALL)
def test_a_network_is_its_pytorch_twin(tmp_path, case):
    build, settings = SMALL[case]
    check(tmp_path, case.split()[0], build, settings)


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_network_as_it_comes_is_its_pytorch_twin(tmp_path, name):
    build, settings = DEFAULTS[name]
    check(tmp_path, name, build, settings)


@pytest.mark.parametrize("name", DEFAULTS)
def test_parameters_and_flops_are_pytorchs(tmp_path, name):
    report = tmp_path / "summary.json"
    done = fer("summary", "--network", name, "--json", report)
    assert done.returncode == 0, done.stderr
    layers = json.loads(report.read_text())["layers"]
    build, settings = DEFAULTS[name]
    twin = build(**settings).eval()
    learnt = sum(parameter.numel() for parameter in twin.parameters())
    assert sum(layer["parameters"] - layer["non_trainable"] for layer in layers) == learnt
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        twin(torch.zeros(1, 1, 48, 48))
    assert sum(layer["flops"] for layer in layers) == counter.get_total_flops()
