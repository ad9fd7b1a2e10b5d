"""The seed CNN, or a VGG, in PyTorch, eager as most people write it and tuned as far as PyTorch's own guide goes.

    eager       float32, NCHW; ImageFolder, torchvision's transforms for each image, a DataLoader with
                two workers. RandomAffine zooms both axes alike and fills with black, where the
                original zooms each and repeats the edge: it does a little less work.
    tuned-f32   images resident as u8; a chunk of 4,096 augmented by one affine_grid and grid_sample;
                channels_last, fused Adam
    tuned-bf16  the same under bfloat16 autocast
    compile-f32, compile-bf16
                the two tuned ones through torch.compile, from an empty cache

The weights file says which network it is, and how many channels a VGG has. With --recipe, the tuned ones
train with the hyperparameters of a recipe of fer_nb instead of the original's, as far as this file knows
them: Adam, AdamW or Muon, one cycle of the learning rate, image sizes, alternate flips, label smoothing.
"""

import json
import os
import tempfile
import time

# Before torch is imported: each process compiles for itself, as the first run of a user does.
CACHE = tempfile.TemporaryDirectory(prefix="inductor-")
os.environ["TORCHINDUCTOR_CACHE_DIR"] = CACHE.name

import common
import numpy as np
import torch
from common import BATCH
from torch import nn
from torch.nn import functional as F

MODES = ("eager", "tuned-f32", "tuned-bf16", "compile-f32", "compile-bf16")
LAYERS = ("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "dense1", "dense2")
WORKERS = 2
VALIDATION_SHARE = 0.2


def network(weights, tuned, dropout=(0.25, 0.5)):
    """The layers with the exported weights; `dropout` is the seed CNN's, of its blocks and before its end."""
    if "norm1_1.weight" in weights:
        return vgg(weights, tuned)
    layers, channels = [], 1
    for out in (32, 64, 128):
        for inputs in (channels, out):
            layers += [nn.Conv2d(inputs, out, 3, padding=1), nn.ReLU(inplace=tuned)]
        layers += [nn.MaxPool2d(2), nn.Dropout(dropout[0])]
        channels = out
    layers += [nn.AdaptiveAvgPool2d(6), nn.Flatten()]  # the first does nothing at 48×48
    layers += [nn.Linear(4608, 256), nn.ReLU(inplace=tuned), nn.Dropout(dropout[1])]
    model = nn.Sequential(*layers, nn.Linear(256, 7))
    trained = [layer for layer in model if hasattr(layer, "weight")]
    for name, layer in zip(LAYERS, trained, strict=True):
        for kind in ("weight", "bias"):
            array = torch.from_numpy(np.array(weights[f"{name}.{kind}"]))
            getattr(layer, kind).data.copy_(array)
    return model


def vgg(weights, tuned):
    """Stages of convolutions with batch normalisation; see fer_nb/src/model/vgg.rs."""

    def loaded(layer, name):
        state = {kind: torch.from_numpy(np.array(weights[f"{name}.{kind}"])) for kind in kinds(name)}
        layer.load_state_dict(state, strict=False)  # without the number of batches
        return layer

    def kinds(name):
        return [key.rsplit(".", 1)[1] for key in weights if key.rsplit(".", 1)[0] == name]

    layers, stage = [], 1
    while f"conv{stage}_1.weight" in weights:
        place = 1
        while (name := f"conv{stage}_{place}.weight") in weights:
            outputs, inputs = weights[name].shape[:2]
            conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
            layers.append(loaded(conv, f"conv{stage}_{place}"))
            layers.append(loaded(nn.BatchNorm2d(outputs), f"norm{stage}_{place}"))
            layers.append(nn.ReLU(inplace=tuned))
            place += 1
        layers.append(nn.MaxPool2d(2))
        stage += 1
    hidden, inputs = weights["hidden.weight"].shape
    layers += [nn.Flatten(), nn.Dropout(0.5), loaded(nn.Linear(inputs, hidden), "hidden")]
    layers += [nn.ReLU(inplace=tuned), nn.Dropout(0.5), loaded(nn.Linear(hidden, 7), "output")]
    return nn.Sequential(*layers)


class Resident:
    """Batches of an epoch from images that lie on the device, augmented a chunk at a time."""

    CHUNK = 4096

    def __init__(self, images, labels, device, dtype, batch_size, view=None):
        self.images = torch.from_numpy(np.array(images)).to(device)
        self.labels = torch.from_numpy(np.array(labels)).to(device)
        self.dtype = dtype
        self.batch_size = batch_size
        self.steps = self.CHUNK // batch_size  # of a chunk
        self.view = view or (lambda images, rows: augment(images))

    def __iter__(self):
        order = torch.randperm(len(self.images), device=self.images.device)
        size = self.batch_size
        for rows in order[: len(order) // size * size].split(self.steps * size):
            views = self.view(self.images[rows].float().div_(255), rows).to(self.dtype)
            yield from zip(views.split(size), self.labels[rows].split(size))


ORIGINAL = {"rotation": 10.0, "width_shift": 0.1, "height_shift": 0.1, "zoom": 0.1}


def augment(images, ranges=ORIGINAL, side=48, mirrored=None):
    """A random view of each image; see Augmentation in fer_nb/src/data/augment.rs."""
    count = len(images)

    def uniform(span):
        return (torch.rand(count, device=images.device) * 2 - 1) * span

    angle = torch.deg2rad(uniform(ranges["rotation"]))
    sin, cos = angle.sin(), angle.cos()
    x, y = 2 * uniform(ranges["width_shift"]), 2 * uniform(ranges["height_shift"])
    mirrored = uniform(1.0) < 0 if mirrored is None else mirrored
    zoom_x = (1 + uniform(ranges["zoom"])) * torch.where(mirrored, -1.0, 1.0)
    zoom_y = 1 + uniform(ranges["zoom"])
    rows = (cos * zoom_x, -sin * zoom_y, cos * x - sin * y)
    rows += (sin * zoom_x, cos * zoom_y, sin * x + cos * y)
    theta = torch.stack(rows, dim=1).view(count, 2, 3)
    grid = F.affine_grid(theta, [count, 1, side, side], align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def loader(folder, device, batch_size):
    """What tutorials do: files, PIL, transforms and worker processes."""
    from torchvision import datasets, transforms

    views = transforms.Compose(
        [
            transforms.Grayscale(),
            transforms.RandomAffine(10, translate=(0.1, 0.1), scale=(0.9, 1.1)),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
        ]
    )
    data = datasets.ImageFolder(os.path.join(folder, "train"), views)
    # The first fifth of each class is for validation; ImageFolder lists them by class and name.
    targets = np.array(data.targets)
    kept = []
    for label in range(len(data.classes)):
        rows = np.flatnonzero(targets == label)
        kept.extend(rows[int(len(rows) * VALIDATION_SHARE) :])
    return torch.utils.data.DataLoader(
        torch.utils.data.Subset(data, kept),
        batch_size=batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=WORKERS,
        persistent_workers=True,
        pin_memory=device.type == "cuda",
    )


class Scheduled:
    """A recipe's optimizer and its one cycle of the learning rate."""

    def __init__(self, model, train, steps):
        settings, schedule = train["optimizer"], train["schedule"]
        if schedule["name"] != "one-cycle" or train["ema"] or train["clip_norm"]:
            raise SystemExit("this peer knows one-cycle without ema and clip_norm")
        rate, decay = train["learning_rate"], settings["weight_decay"]
        self.matrices, others = [], list(model.parameters())
        self.optimizers = []
        if settings["name"] == "muon":
            weights = [p for p in others if p.dim() > 1][:-1]
            kept = {id(p) for p in weights}
            others = [p for p in others if id(p) not in kept]
            # torch.optim.Muon takes matrices only: views of the same memory, [outputs, window · inputs].
            self.matrices = [(p, nn.Parameter(matrix(p.data))) for p in weights]
            momentum = settings["momentum"]
            views = [view for _, view in self.matrices]
            muon = torch.optim.Muon(views, lr=rate, momentum=momentum, weight_decay=decay)
            self.optimizers.append((muon, rate))
            rate, betas, epsilon = rate * settings["adamw_rate"], (0.9, 0.95), 1e-8
        elif settings["name"] == "adamw":
            betas, epsilon = (settings["beta1"], settings["beta2"]), settings["epsilon"]
        else:
            raise SystemExit(f"this peer has no optimizer {settings['name']}")
        adamw = torch.optim.AdamW(
            others, lr=rate, betas=betas, eps=epsilon, weight_decay=decay, fused=True
        )
        self.optimizers.append((adamw, rate))
        self.schedules = [
            torch.optim.lr_scheduler.OneCycleLR(
                optimizer,
                max_lr=rate,
                total_steps=steps,
                pct_start=schedule["rise"],
                div_factor=schedule["start_divisor"],
                final_div_factor=schedule["end_divisor"],
                cycle_momentum=False,
            )
            for optimizer, rate in self.optimizers
        ]

    def zero_grad(self, set_to_none):
        for parameter, _ in self.matrices:
            parameter.grad = None
        for optimizer, _ in self.optimizers:
            optimizer.zero_grad(set_to_none=set_to_none)

    def step(self):
        for parameter, view in self.matrices:
            view.grad = matrix(parameter.grad)
        for optimizer, _ in self.optimizers:
            optimizer.step()
        for schedule in self.schedules:
            schedule.step()


def matrix(weight):
    """[outputs, everything else], a view of a weight that lies channels last."""
    order = (0, 2, 3, 1) if weight.dim() == 4 else (0, 1)
    return weight.permute(order).flatten(1)


class Peer:
    def __init__(self, options):
        self.mode = options.mode
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.tuned = self.mode != "eager"
        self.autocast = self.mode.endswith("bf16")
        self.compiled = self.mode.startswith("compile")
        self.data = common.safetensors(options.data)
        if self.tuned:
            torch.backends.cudnn.benchmark = True
            torch.set_float32_matmul_precision("high")
        self.recipe = json.load(open(options.recipe)) if options.recipe and self.tuned else None
        settings = {}
        if self.recipe:
            layers = self.recipe["network"]
            settings["dropout"] = (layers["block_dropout"], layers["hidden_dropout"])
        model = network(common.safetensors(options.weights), self.tuned, **settings)
        model = model.to(self.device)
        if self.tuned:
            model = model.to(memory_format=torch.channels_last)
        self.model = model
        self.first_loss = common.cross_entropy(self.first_logits(), self.labels("train")[:BATCH])

    def labels(self, part):
        return np.asarray(self.data[f"{part}.labels"])

    def floats(self, part, rows):
        images = np.array(self.data[f"{part}.images"][rows])
        return torch.from_numpy(images).to(self.device).float().div_(255)

    def context(self):
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast)

    def first_logits(self):
        self.model.eval()
        with torch.inference_mode(), self.context():
            logits = self.model(self.floats("train", slice(0, BATCH))).float()
        self.model.train()
        return logits.cpu().numpy()

    def finish(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def batches(self, options):
        if not self.tuned:
            return loader(options.images, self.device, options.batch_size)
        dtype = torch.bfloat16 if self.autocast else torch.float32
        images, labels = self.data["train.images"], self.data["train.labels"]
        view = self.view_of_recipe(len(labels)) if self.recipe else None
        return Resident(images, labels, self.device, dtype, options.batch_size, view)

    def view_of_recipe(self, count):
        train = self.recipe["train"]
        ranges = train["augmentation"]
        turns = torch.rand(count, device=self.device) < 0.5

        def view(images, rows):
            done = (self.epoch - 1) / train["epochs"]
            side = [side for start, side in train["sizes"] or [(0.0, 48)] if start <= done][-1]
            mirrored = (turns[rows] ^ bool(self.epoch % 2)) if ranges["alternate_flip"] else None
            return augment(images, ranges, side, mirrored)

        return view

    def trainer(self, steps=None):
        """A function that takes a batch and returns its loss; a recipe's schedule has so many `steps`."""
        options = {"lr": 1e-3, "eps": 1e-7, **({"fused": True} if self.tuned else {})}
        if self.recipe:
            optimizer = Scheduled(self.model, self.recipe["train"], steps)
            smoothing = self.recipe["train"]["loss"]["label_smoothing"]
        else:
            optimizer, smoothing = torch.optim.Adam(self.model.parameters(), **options), 0.0

        def loss_of(images, labels):
            return F.cross_entropy(self.model(images), labels, label_smoothing=smoothing)

        if self.compiled:
            loss_of = torch.compile(loss_of, dynamic=False)

        def step(images, labels):
            images, labels = images.to(self.device), labels.to(self.device)
            optimizer.zero_grad(set_to_none=True)
            with self.context():
                loss = loss_of(images, labels)
            loss.backward()
            optimizer.step()
            # Asking a GPU for a number makes it wait; most people ask all the same.
            return loss.detach() if self.tuned else loss.item()

        return step

    def training(self, options):
        batches, step = self.batches(options), self.trainer()
        startup = common.since_start()
        chunk = batches.steps if self.tuned else 1
        clock = common.Clock(options.seconds, chunk, self.finish)
        while True:
            for number, (images, labels) in enumerate(batches, 1):
                if clock.step(number, len(images), step(images, labels)):
                    return {**clock.figures(self.compiled), "startup_s": startup}

    def accuracy(self, options):
        """Seconds of this process until validation accuracy is there."""
        batches, epochs = self.batches(options), options.epochs
        if self.recipe:
            epochs = self.recipe["train"]["epochs"]
        step = self.trainer(epochs * (len(self.labels("train")) // options.batch_size))
        started = time.perf_counter() - (common.since_start() or 0.0)
        reached = 0.0
        for epoch in range(1, epochs + 1):
            self.epoch = epoch
            for images, labels in batches:
                step(images, labels)
            reached = self.validate()
            if reached >= options.target:
                break
        seconds = time.perf_counter() - started
        return {"seconds": seconds, "epochs": epoch, "val_accuracy": reached}

    def validate(self):
        labels, right = self.labels("validation"), 0
        self.model.eval()
        with torch.inference_mode(), self.context():
            for start in range(0, len(labels), common.LARGE):
                rows = slice(start, start + common.LARGE)
                classes = self.model(self.floats("validation", rows)).argmax(1).cpu().numpy()
                right += int((classes == labels[rows]).sum())
        self.model.train()
        return right / len(labels)

    def inference(self, options):
        model, dtype = self.model.eval(), torch.float32
        if self.autocast:  # faster than autocast, which converts the weights each time
            model, dtype = model.to(torch.bfloat16), torch.bfloat16
        if self.compiled:
            torch._inductor.config.freezing = True  # weights are constants
            # A kernel for any batch size would be slower, and fails on an input with one channel.
            torch._inductor.config.layout_optimization = False
            model = torch.compile(model, dynamic=False)
        rows = len(self.labels("train"))

        def images(count):
            # Contiguous: with one channel channels_last is the same memory, but libtorch then takes
            # a path for single images in bfloat16 that is a hundred times slower.
            return self.floats("train", np.arange(count) % rows).to(dtype)

        def forward(batch):
            with torch.no_grad():
                return model(batch).float().cpu().numpy()

        startup = common.since_start()
        return {**common.inference(forward, images, options.seconds), "startup_s": startup}


def main():
    options = common.arguments(MODES, __doc__.split("\n")[0])
    torch.manual_seed(options.seed)
    peer = Peer(options)
    figures = getattr(peer, options.work)(options)
    kind = "bfloat16" if peer.autocast else "float32"
    common.answer(
        **figures,
        first_loss=peer.first_loss,
        version=f"torch {torch.__version__.split('+')[0]}, {kind}",
        device=torch.cuda.get_device_name() if peer.device.type == "cuda" else "CPU",
    )


if __name__ == "__main__":
    main()
