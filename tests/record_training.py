"""Records JupyterLab while notebook 04 trains, for the README: docs/images/training_light.gif and _dark.gif.

    .venv/bin/python tests/record_training.py

It trains on the made-up sample, never on photos. It needs ffmpeg and the requirements of the tests in a browser.
"""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import chromium
import lab_server
from conftest import ROOT

IMAGES = ROOT / "docs" / "images"
THEMES = {"JupyterLab Light": "light", "JupyterLab Dark": "dark"}
EPOCHS = "12"
WINDOW = {"width": 1280, "height": 1200}
MOST_BYTES = 2_000_000
# Widths of the picture, the first that is small enough is taken.
WIDTHS = (1280, 1024, 896, 768, 640)
SECONDS_A_PICTURE = 0.8
SECONDS_OF_THE_LAST = 3


def gif(pictures, to):
    """An animation of all pictures of a folder, at the largest width that MOST_BYTES allow."""
    first, *_, last = sorted(pictures.glob("*.png"))
    for width in WIDTHS:
        colours = (
            f"tpad=stop_mode=clone:stop_duration={SECONDS_OF_THE_LAST},scale={width}:-1:flags=lanczos,"
            "split[a][b];[a]palettegen=max_colors=128[p];[b][p]paletteuse=dither=none:diff_mode=rectangle"
        )
        subprocess.run(
            [
                *("ffmpeg", "-y", "-loglevel", "error", "-framerate", str(1 / SECONDS_A_PICTURE)),
                *("-i", str(pictures / "%03d.png"), "-vf", colours, "-loop", "0", str(to)),
            ],
            check=True,
        )
        if to.stat().st_size <= MOST_BYTES:
            return
    raise SystemExit(f"{to} has {to.stat().st_size} bytes at the smallest width, from {first} to {last}")


def project(folder):
    """A folder with notebook 04 and the crate, so that this project's notebook is never saved with outputs."""
    notebooks = folder / "notebooks"
    notebooks.mkdir(parents=True)
    (folder / "fer_nb").symlink_to(ROOT / "fer_nb")
    for name in ("04_training.ipynb", "evcxr.toml"):
        shutil.copy2(ROOT / "notebooks" / name, notebooks)
    return folder


def main():
    lacking = chromium.lacking() or ("" if shutil.which("ffmpeg") else "no ffmpeg: sudo apt install ffmpeg")
    if lacking:
        raise SystemExit(lacking)
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    with tempfile.TemporaryDirectory(prefix="fer_recording_") as name:
        folder = Path(name)
        log = folder / "jupyterlab.log"
        themes = {theme: str(folder / which) for theme, which in THEMES.items()}
        with lab_server.jupyterlab(folder, project(folder / "project"), log, FER_EPOCHS=EPOCHS) as running:
            job = {
                **running,
                **WINDOW,
                "chromium": chromium.browser(),
                "notebook": "notebooks/04_training.ipynb",
                "themes": themes,
            }
            driver = ["node", str(chromium.DRIVER / "recording.mjs")]
            subprocess.run(driver, input=json.dumps(job), text=True, check=True)
        IMAGES.mkdir(parents=True, exist_ok=True)
        for theme, which in THEMES.items():
            to = IMAGES / f"training_{which}.gif"
            gif(Path(themes[theme]), to)
            print(f"\n{to.relative_to(ROOT)}: {to.stat().st_size} bytes")


if __name__ == "__main__":
    main()
