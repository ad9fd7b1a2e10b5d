"""The subjects, each with the command that measures it once, in a fresh process."""

from dataclasses import dataclass, field

from prepare import (
    BENCH,
    BENCH_PYTHON,
    FER,
    PEERS,
    PYTHON,
    TORCHVISION,
    VGG,
    VGG_NETWORK,
    rust_peer,
)

# Work, and what is read from a subject's answer: row's name, key, unit.
FIGURES = {
    "training": [("training", "images_per_second", "images/s")],
    "vgg-training": [("VGG training", "images_per_second", "images/s")],
    "inference": [
        ("inference, batch 1", "batch1_ms", "ms"),
        ("inference, batch 256", "batch256_images_per_second", "images/s"),
    ],
    "loading-folder": [("loading, folder", "seconds", "s")],
    "loading-csv": [("loading, csv", "seconds", "s")],
    "accuracy": [("time to accuracy", "seconds", "s")],
    "quick": [("time to the original's accuracy", "seconds", "s")],
}
# What --work is told, and the work that it means.
WORKS = {
    "training": ["training"],
    "vgg": ["vgg-training"],
    "inference": ["inference"],
    "loading": ["loading-folder", "loading-csv"],
    "accuracy": ["accuracy"],
    "quick": ["quick"],
}
# The original's accuracy on the test images, as a validation accuracy to reach: with the recipe quick, and in
# Keras with the original's recipe, which may need all its epochs and more.
ORIGINAL = ["--target", 0.5953]
KERAS_EPOCHS = 60


@dataclass
class Subject:
    name: str  # for --only, the table and bench.json
    about: str  # one line for the table
    needs: tuple  # steps of prepare.py
    commands: dict  # work to command
    env: dict = field(default_factory=dict)


def all_subjects(options, data):
    """Every subject; `data` is what prepare.export gave."""
    timed = ["--seconds", options.seconds]
    reach = ["--target", options.target, "--epochs", options.epochs]
    files = ["--data", BENCH / "data.safetensors", "--weights", BENCH / "weights.safetensors"]
    found = ["--data", options.data] if options.data else []
    vgg_files = ["--data", VGG / "data.safetensors", "--weights", VGG / "weights.safetensors"]
    vgg_batch = ["--batch-size", 128]

    def ours(precision):
        bench = [FER, "bench"]
        asked = [*found, "--precision", precision]
        return Subject(
            f"fer-{precision}",
            f"this engine, {precision}",
            ("fer",),
            {
                "training": [*bench, "training", *asked, *timed],
                "vgg-training": [*bench, "training", *VGG_NETWORK, *vgg_batch, *asked, *timed],
                "inference": [*bench, "inference", *asked, *timed],
                "accuracy": [*bench, "accuracy", *asked, *reach],
                "quick": [*bench, "accuracy", *asked, *ORIGINAL, "--recipe", "quick"],
            },
        )

    def python(name, about, needs, interpreter, script, mode, works, env=None):
        run = [interpreter, PEERS / script, "--mode", mode, *files, "--images", data["folder"]]
        given = {"accuracy": reach}
        commands = {w: [*run, "--work", w, *given.get(w, timed)] for w in works}
        return Subject(name, about, needs, commands, env or {})

    def pytorch(mode, about, needs=()):
        works = ("training", "inference", "accuracy")
        env = {"PYTHONPATH": str(TORCHVISION)} if "torchvision" in needs else {}
        name, script = f"pytorch-{mode}", "pytorch.py"
        subject = python(name, about, needs, PYTHON, script, mode, works, env)
        if mode.startswith("tuned"):
            run = [PYTHON, PEERS / script, "--mode", mode, *files, "--images", data["folder"]]
            recipe = ["--recipe", BENCH / "recipe.json"]
            subject.commands["quick"] = [*run, "--work", "accuracy", *ORIGINAL, *recipe]
            run = [PYTHON, PEERS / script, "--mode", mode, "--images", data["folder"], *vgg_files]
            subject.commands["vgg-training"] = [*run, "--work", "training", *vgg_batch, *timed]
        return subject

    def keras(mode, about, works):
        script = "tensorflow_keras.py"
        needs = ("keras", "images")
        subject = python(f"keras-{mode}", about, needs, BENCH_PYTHON, script, mode, works)
        if "accuracy" in works:
            run, reach = subject.commands["accuracy"], ["--epochs", KERAS_EPOCHS]
            subject.commands["quick"] = [*run[: -len(ORIGINAL) - 2], *ORIGINAL, *reach]
        return subject

    def rust(name, about, binary):
        commands = {
            work: [rust_peer(binary), "--work", work, *files, *timed]
            for work in ("training", "inference")
        }
        return Subject(name, about, (name,), commands)

    def loading(mode, about, work, path):
        script = [PEERS / "loading.py", "--mode", mode, path]
        needs = ("keras", "images" if work == "loading-folder" else "csv")
        return Subject(mode, about, needs, {work: [BENCH_PYTHON, *script]})

    ours_loading = {
        "loading-folder": [FER, "bench", "loading", "--data", data["folder"]],
        "loading-csv": [FER, "bench", "loading", "--data", data["csv"]],
    }
    return [
        ours("float32"),
        ours("bfloat16"),
        pytorch("eager", "float32, NCHW, DataLoader, transforms", ("images", "torchvision")),
        pytorch("tuned-f32", "float32, channels_last, resident, fused Adam", ("vgg",)),
        pytorch("tuned-bf16", "bfloat16 autocast, channels_last, resident, fused Adam", ("vgg",)),
        pytorch("compile-f32", "tuned-f32 through torch.compile"),
        pytorch("compile-bf16", "tuned-bf16 through torch.compile"),
        keras("generator", "ImageDataGenerator, as in the original", ("training", "accuracy")),
        keras("arrays", "in memory, no augmentation", ("training", "inference")),
        rust("burn", "burn's Flex backend, AVX-512", "burn-peer"),
        rust("candle", "candle's CPU backend, AVX-512", "candle-peer"),
        Subject("fer", "this engine", ("fer", "images", "csv"), ours_loading),
        loading("pil", "PIL, one thread", "loading-folder", data["folder"]),
        loading("pandas", "pandas and numpy", "loading-csv", data["csv"]),
    ]
