"""Writes the exported data as the files that loaders read: folders of PNG, and Kaggle's csv.

    write_images.py data.safetensors [--folder FOLDER] [--csv FILE]
"""

import argparse
import shutil
from pathlib import Path

import common
import numpy as np
from PIL import Image

CLASSES = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
# Kaggle's numbers: Angry, Disgust, Fear, Happy, Sad, Surprise, Neutral.
KAGGLE = {"angry": 0, "disgust": 1, "fear": 2, "happy": 3, "sad": 4, "surprise": 5, "neutral": 6}


def parts(data):
    """Folder or usage, images and labels. Validation comes first, because it is the first fifth of
    each class by name."""
    for part, folder in (("validation", "train"), ("train", "train"), ("test", "test")):
        yield folder, data[f"{part}.images"], np.asarray(data[f"{part}.labels"])


def write_folder(data, folder):
    temporary = folder.with_suffix(".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    number = 0
    for side, images, labels in parts(data):
        for name in CLASSES:
            (temporary / side / name).mkdir(parents=True, exist_ok=True)
        for image, label in zip(images, labels, strict=True):
            path = temporary / side / CLASSES[label] / f"{number:05}.png"
            Image.fromarray(np.asarray(image[0])).save(path)
            number += 1
    shutil.rmtree(folder, ignore_errors=True)
    temporary.rename(folder)


def write_csv(data, path):
    temporary = path.with_suffix(".tmp")
    text = [str(value) for value in range(256)]
    with open(temporary, "w") as file:
        file.write("emotion,pixels,Usage\n")
        for side, images, labels in parts(data):
            usage = "Training" if side == "train" else "PublicTest"
            for image, label in zip(images, labels, strict=True):
                pixels = " ".join([text[value] for value in image.tobytes()])
                file.write(f"{KAGGLE[CLASSES[label]]},{pixels},{usage}\n")
    temporary.rename(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    data = common.safetensors(options.data)
    if options.folder:
        write_folder(data, options.folder)
    if options.csv:
        write_csv(data, options.csv)


if __name__ == "__main__":
    main()
