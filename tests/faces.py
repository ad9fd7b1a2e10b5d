"""A folder of images shaped like FER2013, of noise: for tests to which it does not matter what is learnt."""

import numpy as np
from PIL import Image

CLASSES = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")


def noise(folder, seed, train=25, test=5):
    """As many images of each class as said, in `folder`, which it gives back."""
    generator = np.random.default_rng(seed)
    for part, count in (("train", train), ("test", test)):
        for name in CLASSES:
            (folder / part / name).mkdir(parents=True)
            for number in range(count):
                pixels = generator.integers(0, 255, (48, 48), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / part / name / f"{number:03}.png")
    return folder
