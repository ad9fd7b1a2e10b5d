"""The same endpoint as most people would write it: FastAPI, uvicorn, PIL and PyTorch.

    fastapi_server.py RUN PORT WORKERS
"""

import io
import os
import sys
from pathlib import Path

import numpy as np
import tomllib
import torch
import uvicorn
from fastapi import FastAPI, Request
from PIL import Image
from safetensors.torch import load_file
from torch import nn

CLASSES = ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]
LAYERS = ["conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "dense1", "dense2"]


def network(weights):
    layers = []
    for before, after in ((1, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU()]
        layers += [nn.Conv2d(after, after, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    layers += [nn.Flatten(), nn.Linear(4608, 256), nn.ReLU(), nn.Linear(256, 7)]
    model = nn.Sequential(*layers)
    learnt = [layer for layer in layers if isinstance(layer, (nn.Conv2d, nn.Linear))]
    for name, layer in zip(LAYERS, learnt, strict=True):
        layer.weight.data = weights[f"{name}.weight"].float()
        layer.bias.data = weights[f"{name}.bias"].float()
    return model.eval()


run = Path(os.environ.get("BENCH_RUN", sys.argv[1] if len(sys.argv) > 1 else "."))
torch.set_num_threads(1)
model = network(load_file(run / "best.safetensors"))
temperature = tomllib.loads((run / "temperature.toml").read_text())["temperature"]
app = FastAPI()


@app.get("/healthz")
async def health():
    return "ok"


@app.post("/api/predict")
async def predict(request: Request, faces: str = "cut_out"):
    image = Image.open(io.BytesIO(await request.body())).convert("L")
    if image.size != (48, 48):
        image = image.resize((48, 48), Image.Resampling.BILINEAR)
    pixels = torch.from_numpy(np.array(image, dtype=np.float32) / 255)[None, None]
    with torch.inference_mode():
        probs = torch.softmax(model(pixels)[0] / temperature, -1).tolist()
    best = max(range(7), key=probs.__getitem__)
    prediction = {"emotion": CLASSES[best], "confidence": probs[best], "probs": probs}
    return {"classes": CLASSES, "faces": [{"prediction": prediction}]}


if __name__ == "__main__":
    os.environ["BENCH_RUN"] = str(run)
    sys.path.insert(0, str(Path(__file__).parent))
    uvicorn.run(
        "fastapi_server:app",
        port=int(sys.argv[2]),
        workers=int(sys.argv[3]),
        app_dir=str(Path(__file__).parent),
        log_level="error",
        access_log=False,
    )
