"""The seed CNN in Keras on TensorFlow.

    generator   the original project's stack: ImageDataGenerator.flow_from_directory
    arrays      images in memory, no augmentation: what is left when the generator costs nothing
"""

import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import common
import keras
import numpy as np
import tensorflow as tf
from common import BATCH

MODES = ("generator", "arrays")
LAYERS = ("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "dense1", "dense2")


def network(weights):
    """The layers with the exported weights, compiled as in the original."""
    layers = keras.layers
    stack = [keras.Input((48, 48, 1))]
    for out in (32, 64, 128):
        stack += [layers.Conv2D(out, 3, padding="same", activation="relu") for _ in range(2)]
        stack += [layers.MaxPooling2D(2), layers.Dropout(0.25)]
    stack += [layers.Flatten(), layers.Dense(256, activation="relu"), layers.Dropout(0.5)]
    model = keras.Sequential([*stack, layers.Dense(7, activation="softmax")])
    trained = [layer for layer in model.layers if layer.weights]
    for name, layer in zip(LAYERS, trained, strict=True):
        kernel = np.array(weights[f"{name}.weight"])
        if kernel.ndim == 4:
            kernel = kernel.transpose(2, 3, 1, 0)  # OIHW to HWIO
        elif name == "dense1":
            # Keras flattens pixel by pixel, PyTorch channel by channel.
            kernel = kernel.reshape(256, 128, 6, 6).transpose(2, 3, 1, 0).reshape(4608, 256)
        else:
            kernel = kernel.T
        layer.set_weights([kernel, np.array(weights[f"{name}.bias"])])
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3),
        loss="categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def floats(data, part, rows=slice(None)):
    """f32 [N, 48, 48, 1] on 0 to 1."""
    images = np.asarray(data[f"{part}.images"][rows], dtype=np.float32) / 255
    return images.reshape(-1, 48, 48, 1)


def one_hot(data, part):
    return np.eye(7, dtype=np.float32)[np.asarray(data[f"{part}.labels"])]


def batches(options, data):
    """What fit takes: the generator, or images and labels; and how many images an epoch has."""
    if options.mode == "arrays":
        images = floats(data, "train")
        return {"x": images, "y": one_hot(data, "train"), "batch_size": BATCH}, len(images)
    generator = tf.keras.preprocessing.image.ImageDataGenerator(
        rescale=1 / 255,
        rotation_range=10,
        width_shift_range=0.1,
        height_shift_range=0.1,
        zoom_range=0.1,
        horizontal_flip=True,
        validation_split=0.2,
    )
    flow = generator.flow_from_directory(
        os.path.join(options.images, "train"),
        target_size=(48, 48),
        color_mode="grayscale",
        batch_size=BATCH,
        class_mode="categorical",
        subset="training",
    )
    return {"x": flow}, flow.samples


class Measure(keras.callbacks.Callback):
    def __init__(self, clock, images):
        super().__init__()
        self.clock, self.images = clock, images

    def on_train_batch_end(self, batch, logs=None):
        count = min(BATCH, self.images - batch * BATCH)
        if self.clock.step(batch + 1, count, logs["loss"]):
            self.model.stop_training = True


class Reached(keras.callbacks.Callback):
    def __init__(self, target):
        super().__init__()
        self.target, self.epochs, self.val_accuracy = target, 0, 0.0

    def on_epoch_end(self, epoch, logs=None):
        self.epochs, self.val_accuracy = epoch + 1, logs["val_accuracy"]
        if self.val_accuracy >= self.target:
            self.model.stop_training = True


def training(model, options, data):
    source, images = batches(options, data)
    startup = common.since_start()
    clock = common.Clock(options.seconds)
    model.fit(**source, epochs=1_000_000, verbose=0, callbacks=[Measure(clock, images)])
    return {**clock.figures(), "startup_s": startup}


def accuracy(model, options, data):
    source, _ = batches(options, data)
    started = time.perf_counter() - (common.since_start() or 0.0)
    validation = (floats(data, "validation"), one_hot(data, "validation"))
    reached = Reached(options.target)
    model.fit(
        **source, epochs=options.epochs, verbose=0, validation_data=validation, callbacks=[reached]
    )
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "epochs": reached.epochs, "val_accuracy": reached.val_accuracy}


def inference(model, options, data):
    call = tf.function(lambda images: model(images, training=False))
    rows = len(data["train.labels"])

    def images(count):
        return tf.constant(floats(data, "train", np.arange(count) % rows))

    startup = common.since_start()
    figures = common.inference(lambda batch: call(batch).numpy(), images, options.seconds)
    return {**figures, "startup_s": startup}


def main():
    options = common.arguments(MODES, __doc__.split("\n")[0])
    keras.utils.set_random_seed(options.seed)
    data = common.safetensors(options.data)
    model = network(common.safetensors(options.weights))
    # The network ends in a softmax, whose logarithm is as good as logits here.
    shares = model(floats(data, "train", slice(0, BATCH)), training=False).numpy()
    first_loss = common.cross_entropy(np.log(shares), data["train.labels"][:BATCH])
    work = {"training": training, "accuracy": accuracy, "inference": inference}
    figures = work[options.work](model, options, data)
    common.answer(
        **figures,
        first_loss=first_loss,
        version=f"keras {keras.__version__}, tensorflow {tf.__version__}, float32",
        device="CPU" if not tf.config.list_physical_devices("GPU") else "GPU",
    )


if __name__ == "__main__":
    main()
