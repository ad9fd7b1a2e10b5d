"""Optimizers, clipping and schedules against PyTorch's, step by step in float64.

The reference has the made-up gradients in torch; the crate reads them from a safetensors file."""

import json
import struct
import subprocess

import numpy as np
import pytest
import torch
from program import example

STEPS, SIZE = 12, 150_001  # more than two of the slabs that a step is cut into


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, array in tensors.items():
        raw = np.ascontiguousarray(array, dtype="<f8").tobytes()
        ends = [len(data), len(data) + len(raw)]
        header[name] = {"dtype": "F64", "shape": list(array.shape), "data_offsets": ends}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def read_safetensors(path):
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header, body = json.loads(raw[8 : 8 + length]), raw[8 + length :]
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            start, end = entry["data_offsets"]
            tensors[name] = np.frombuffer(body[start:end], dtype="<f8").reshape(entry["shape"])
    return tensors


def ours(tmp_path, config, start, gradients):
    (tmp_path / "config.toml").write_text(config)
    write_safetensors(tmp_path / "in.safetensors", {"start": start, "gradients": gradients})
    files = [tmp_path / name for name in ("config.toml", "in.safetensors", "out.safetensors")]
    subprocess.run([example("optimizer_trace"), "steps", *files], check=True, timeout=120)
    return read_safetensors(files[-1])


def numbers():
    generator = np.random.default_rng(11)
    start = generator.standard_normal(SIZE)
    # Gradients of very different sizes, some of them zero.
    scale = 10.0 ** generator.uniform(-6, 2, SIZE)
    gradients = generator.standard_normal((STEPS, SIZE)) * scale
    gradients[:, ::97] = 0.0
    return start, gradients


CASES = {
    "adam": (
        'optimizer = { name = "adam", beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7, '
        "weight_decay = 0.0 }",
        lambda p: torch.optim.Adam(p, lr=0.01, eps=1e-7),
    ),
    "adam with L2": (
        'optimizer = { name = "adam", beta1 = 0.8, beta2 = 0.99, epsilon = 1e-8, '
        "weight_decay = 0.05 }",
        lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.8, 0.99), eps=1e-8, weight_decay=0.05),
    ),
    "adamw": (
        'optimizer = { name = "adamw", beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, '
        "weight_decay = 0.1 }",
        lambda p: torch.optim.AdamW(p, lr=0.01, eps=1e-8, weight_decay=0.1),
    ),
    "sgd": (
        'optimizer = { name = "sgd", momentum = 0.0, nesterov = false, weight_decay = 0.0 }',
        lambda p: torch.optim.SGD(p, lr=0.01),
    ),
    "sgd with momentum": (
        'optimizer = { name = "sgd", momentum = 0.9, nesterov = false, weight_decay = 0.01 }',
        lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, weight_decay=0.01),
    ),
    "sgd with nesterov": (
        'optimizer = { name = "sgd", momentum = 0.9, nesterov = true, weight_decay = 0.01 }',
        lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, nesterov=True, weight_decay=0.01),
    ),
}


@pytest.mark.parametrize("clip", [0.0, 3.0], ids=["unclipped", "clipped"])
@pytest.mark.parametrize("case", CASES)
def test_every_step_is_pytorchs(tmp_path, case, clip):
    text, build = CASES[case]
    start, gradients = numbers()
    found = ours(tmp_path, f"learning_rate = 0.01\nclip_norm = {clip}\n{text}\n", start, gradients)

    weights = torch.tensor(start, requires_grad=True)
    optimizer = build([weights])
    for step, gradient in enumerate(gradients):
        weights.grad = torch.tensor(gradient)
        if clip:
            torch.nn.utils.clip_grad_norm_([weights], clip)
        optimizer.step()
        expected = weights.detach().numpy()
        np.testing.assert_allclose(found["weights"][step], expected, rtol=1e-10, atol=1e-10)
    assert np.abs(expected - start).max() > 1e-3, "nothing moved"


def test_the_average_is_pytorchs_with_its_decay_warmed_up(tmp_path):
    from torch.optim.swa_utils import AveragedModel

    start, gradients = numbers()
    config = 'learning_rate = 0.01\nema = 0.9\noptimizer = { name = "sgd", momentum = 0.0, '
    found = ours(tmp_path, config + "nesterov = false, weight_decay = 0.0 }\n", start, gradients)

    model = torch.nn.Linear(1, SIZE, bias=False, dtype=torch.float64)
    model.weight.data[:, 0] = torch.tensor(start)

    def decayed(average, weights, count):
        # TensorFlow's ExponentialMovingAverage with num_updates, count from 1 here
        decay = min(0.9, (1 + int(count)) / (10 + int(count)))
        return decay * average + (1 - decay) * weights

    average = AveragedModel(model, avg_fn=decayed)
    average.n_averaged += 1  # begin at the initial weights instead of copying the first ones
    for step in range(STEPS):
        model.weight.data[:, 0] = torch.tensor(found["weights"][step])
        average.update_parameters(model)
        expected = average.module.weight.detach().numpy()[:, 0]
        np.testing.assert_allclose(found["average"][step], expected, rtol=1e-10, atol=1e-10)


def newton_schulz(matrix):
    """Muon's iteration in float64; torch.optim.Muon computes it in bfloat16."""
    xs = matrix / max(np.linalg.norm(matrix), 1e-7)
    xs = xs.T if matrix.shape[0] > matrix.shape[1] else xs
    for _ in range(5):
        square = xs @ xs.T
        xs = 3.4445 * xs + (-4.7750 * square + 2.0315 * square @ square) @ xs
    return xs.T if matrix.shape[0] > matrix.shape[1] else xs


@pytest.mark.parametrize("shape", [(32, 9), (16, 144)])
def test_muon_is_its_formula_and_within_bfloat16_pytorchs(tmp_path, shape):
    generator = np.random.default_rng(5)
    start = generator.standard_normal(shape)
    gradients = generator.standard_normal((6, *shape)) * 1e-2
    config = (
        'learning_rate = 0.02\noptimizer = { name = "muon", momentum = 0.95, adamw_rate = 0.1, '
        "weight_decay = 0.1 }\n"
    )
    found = ours(tmp_path, config, start, gradients)["weights"]

    weights = torch.tensor(start, requires_grad=True)
    pytorch = torch.optim.Muon([weights], lr=0.02, weight_decay=0.1)
    mean, expected = np.zeros(shape), start.copy()
    scale = max(1, shape[0] / shape[1]) ** 0.5
    for step, gradient in enumerate(gradients):
        mean += 0.05 * (gradient - mean)
        update = newton_schulz(gradient + 0.95 * (mean - gradient))
        expected = expected * (1 - 0.02 * 0.1) - 0.02 * scale * update
        np.testing.assert_allclose(found[step], expected, rtol=1e-9, atol=1e-9)
        weights.grad = torch.tensor(gradient)
        pytorch.step()
    moved = np.linalg.norm(expected - start)
    assert np.linalg.norm(weights.detach().numpy() - expected) < 0.03 * moved


def factors(tmp_path, schedule, epochs, steps):
    (tmp_path / "config.toml").write_text(f"schedule = {{ {schedule} }}\n")
    command = [example("optimizer_trace"), "schedule", tmp_path / "config.toml", epochs, steps]
    done = subprocess.run(
        list(map(str, command)), check=True, capture_output=True, text=True, timeout=60
    )
    return np.array([float(line) for line in done.stdout.split()])


def pytorch_rates(scheduler, optimizer, count):
    rates = []
    for _ in range(count):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return np.array(rates)


def test_one_cycle_is_pytorchs(tmp_path):
    schedule = 'name = "one-cycle", rise = 0.3, start_divisor = 25.0, end_divisor = 10000.0'
    found = factors(tmp_path, schedule, 5, 20)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=1.0, total_steps=100, pct_start=0.3, cycle_momentum=False
    )
    expected = pytorch_rates(scheduler, optimizer, 100)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


def test_cosine_is_pytorchs(tmp_path):
    found = factors(tmp_path, 'name = "cosine", warmup_epochs = 0.0, floor = 0.1', 4, 25)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=99, eta_min=0.1)
    expected = pytorch_rates(scheduler, optimizer, 100)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)
