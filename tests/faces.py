"""A folder of noise images in the layout of FER2013, for tests that need no meaningful faces."""

import numpy as np
from PIL import Image

CLASSES = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")


def noise(folder, seed, train=25, test=5):
    """Writes `train` and `test` images of each class into `folder` and returns it."""
    generator = np.random.default_rng(seed)
    for part, count in (("train", train), ("test", test)):
        for name in CLASSES:
            (folder / part / name).mkdir(parents=True)
            for number in range(count):
                pixels = generator.integers(0, 255, (48, 48), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / part / name / f"{number:03}.png")
    return folder
