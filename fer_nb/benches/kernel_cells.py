"""The cells that kernel.py runs in each subject's language."""

# `trivial` needs the language's process and compiles nothing. `rerun` is a cell as one changes it
# when tuning, `@` is what changes; it says how long its own work took, which is subtracted.

RUST = {
    "trivial": ":version",
    "first": """\
:dep fer_nb = { path = "../fer_nb" }
use fer_nb::prelude::*;
let config = TrainConfig::default();""",
    "rerun": """\
let work = std::time::Instant::now();
let config = TrainConfig { learning_rate: 1e-3 + @ as f64 * 1e-6, ..TrainConfig::default() };
let trainer = Trainer::new(SeedCnn::new(device()?, 1)?, config)?;
println!("own {}", work.elapsed().as_secs_f64());""",
    "prepare": """\
struct Told;
impl Callback for Told {
    fn name(&self) -> &'static str { "Told" }
    fn on_epoch_end(&mut self, _: &mut EpochEnd<'_>) -> Result<()> {
        println!("epoch done");
        Ok(())
    }
}
let data = FaceData::sample(SampleConfig { train: 700, test: 70, ..SampleConfig::default() })?;
let config = TrainConfig { epochs: 1000, ..TrainConfig::default() };
let mut trainer = Trainer::new(SeedCnn::new(device()?, 1)?, config)?.callback(Told);""",
    "train": "let history = trainer.fit(&data)?;",
    "variables": ":vars",
}
TORCH = {
    "trivial": "pass",
    "first": """\
import torch
from torch import nn
layer = nn.Linear(4608, 7)""",
    # What fer_nb brings along and a Python notebook defines; not timed.
    "network": """\
import time
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
def seed_cnn():
    layers, channels = [], 1
    for out in (32, 64, 128):
        for inputs in (channels, out):
            layers += [nn.Conv2d(inputs, out, 3, padding=1), nn.ReLU()]
        layers += [nn.MaxPool2d(2), nn.Dropout(0.25)]
        channels = out
    layers += [nn.Flatten(), nn.Linear(4608, 256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, 7)]
    return nn.Sequential(*layers).to(device)""",
    "rerun": """\
work = time.perf_counter()
model = seed_cnn()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3 + @ * 1e-6)
print("own", time.perf_counter() - work)""",
    "prepare": """\
images, labels = torch.rand(560, 1, 48, 48), torch.randint(7, (560,))
epochs = 0""",
    "train": """\
while True:
    for x, y in zip(images.split(64), labels.split(64)):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x.to(device)), y.to(device)).backward()
        optimizer.step()
    epochs += 1
    print("epoch done", flush=True)""",
    "variables": "%who",
}
KERAS = {
    "trivial": "pass",
    "first": """\
import keras
layer = keras.layers.Dense(7)""",
    "network": """\
import time
import numpy as np
layers = keras.layers
def seed_cnn():
    stack = [keras.Input((48, 48, 1))]
    for out in (32, 64, 128):
        stack += [layers.Conv2D(out, 3, padding="same", activation="relu") for _ in range(2)]
        stack += [layers.MaxPooling2D(2), layers.Dropout(0.25)]
    stack += [layers.Flatten(), layers.Dense(256, activation="relu"), layers.Dropout(0.5)]
    return keras.Sequential([*stack, layers.Dense(7, activation="softmax")])""",
    "rerun": """\
work = time.perf_counter()
model = seed_cnn()
model.compile(keras.optimizers.Adam(1e-3 + @ * 1e-6), "sparse_categorical_crossentropy")
print("own", time.perf_counter() - work)""",
    "prepare": """\
images = np.random.rand(560, 48, 48, 1).astype("float32")
labels = np.random.randint(0, 7, 560)
epochs = 0
def told(epoch, logs):
    global epochs
    epochs += 1
    print("epoch done", flush=True)
callback = keras.callbacks.LambdaCallback(on_epoch_end=told)""",
    "train": "model.fit(images, labels, batch_size=64, epochs=1000, verbose=0, callbacks=[callback])",
    "variables": "%who",
}
