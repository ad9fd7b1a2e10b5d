"""What the seed CNN's convolutions take of a training step, beside a product of large matrices: how much
faster a step could get if all else took no time. Prints a table; on the CPU, with libtorch's kernels,
which are this engine's as well.

    .venv/bin/python fer_nb/benches/convolutions.py [float32]
"""

import sys
import time

import torch
from torch.nn.functional import conv2d

BATCH = 64
# Channels in and out, and the side of the image.
LAYERS = [(1, 32, 48), (32, 32, 48), (32, 64, 24), (64, 64, 24), (64, 128, 12), (128, 128, 12)]


def fastest(work, rounds=20):
    """Milliseconds of the fastest of some calls, for the machine is a shared one."""
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return 1e3 * best


def channels_last(*size, kind):
    return torch.randn(size[0], *size[2:], size[1]).to(kind).permute(0, 3, 1, 2)


def convolution(inputs, outputs, side, kind):
    """Milliseconds of the forward pass, the inputs' gradient (none for images) and the weights'."""
    xs = channels_last(BATCH, inputs, side, side, kind=kind)
    weight = channels_last(outputs, inputs, 3, 3, kind=kind)
    bias = torch.zeros(outputs, dtype=kind)
    gradient = channels_last(BATCH, outputs, side, side, kind=kind)

    def backward(*mask):
        return torch.ops.aten.convolution_backward(
            gradient, xs, weight, [outputs], [1, 1], [1, 1], [1, 1], False, [0, 0], 1, mask
        )

    forward = fastest(lambda: conv2d(xs, weight, bias, padding=1))
    data = fastest(lambda: backward(True, False, False)) if inputs > 1 else 0.0
    return forward, data, fastest(lambda: backward(False, True, True))


def main():
    kind = getattr(torch, sys.argv[1] if len(sys.argv) > 1 else "bfloat16")
    a, b = torch.randn(1024, 1024).to(kind), torch.randn(1024, 1024).to(kind)
    rate = 2 * 1024**3 / fastest(lambda: a @ b) / 1e6
    print(f"{kind}, {torch.get_num_threads()} threads; 1024 x 1024 matrices: {rate:.0f} GFLOP/s")
    print("channels      side   forward   inputs' gradient   weights' gradient   ms (GFLOP/s)")
    total = 0.0
    for inputs, outputs, side in LAYERS:
        work = 2 * 9 * inputs * outputs * side**2 * BATCH / 1e6
        times = convolution(inputs, outputs, side, kind)
        total += sum(times)
        cells = [f"{ms:5.2f} ({work / ms:4.0f})" if ms else " " * 12 for ms in times]
        print(f"{inputs:3} to {outputs:3}  {side:3} x {side}  {'   '.join(cells)}")
    print(f"all: {total:.1f} ms, so at most {1e3 * BATCH / total:,.0f} images/s")


if __name__ == "__main__":
    main()
