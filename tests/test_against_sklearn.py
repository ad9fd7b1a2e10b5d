"""The crate's report, confusion matrix and accuracy against scikit-learn's on the same predictions.

Run with the project's Python: .venv/bin/python -m pytest tests/test_against_sklearn.py
"""

import csv
import json
import re
import warnings

import numpy as np
import pytest
from program import SHARED, fer

metrics = pytest.importorskip("sklearn.metrics")

NAMES = ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]


def write(path, labels, rows, kind="prob"):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["label", *(f"{kind}_{name}" for name in NAMES)])
        for label, row in zip(labels, rows):
            writer.writerow([label, *(np.format_float_positional(x, unique=True) for x in row)])


def one_hot(classes):
    return np.eye(7, dtype=np.float32)[np.asarray(classes)]


def softmax(logits):
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (e / e.sum(axis=1, keepdims=True)).astype(np.float32)


def skewed(seed, count, right=0.6):
    """Labels as unequal as FER2013's, and noisy probabilities that are often right."""
    random = np.random.default_rng(seed)
    labels = random.choice(7, count, p=[0.139, 0.015, 0.143, 0.251, 0.173, 0.168, 0.111])
    logits = random.normal(size=(count, 7)).astype(np.float32)
    logits[np.arange(count), labels] += np.float32(4 * right) * random.random(count)
    return labels, softmax(logits)


def quarters(seed):
    """Shares with few digits, so that halves must be rounded to even as Python does: 0.125."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(7), 8)
    predicted = np.where(random.random(56) < 0.5, labels, random.integers(0, 7, 56))
    return labels, one_hot(predicted)


CASES = {
    "perfect": (np.arange(7).repeat(3), one_hot(np.arange(7).repeat(3))),
    "all wrong": (np.arange(7), one_hot((np.arange(7) + 1) % 7)),
    "one image, right": ([4], one_hot([4])),
    "one image, wrong": ([4], one_hot([0])),
    "one class predicted": (np.arange(70) % 7, one_hot(np.full(70, 3))),
    "one class in the labels": (np.full(20, 5), one_hot(np.arange(20) % 7)),
    "classes absent from both": ([0, 0, 3, 3], one_hot([0, 3, 3, 0])),
    "classes absent from the labels": ([0, 0, 3, 3], one_hot([1, 2, 3, 6])),
    "all equal": (np.arange(7), np.full((7, 7), 1 / 7, dtype=np.float32)),
    "two equal": ([2, 5, 5], np.array([[0, 0, 0.5, 0, 0, 0.5, 0]] * 3, dtype=np.float32)),
    "an eighth": (np.repeat([0, 1], 8), one_hot([0] + [1] * 7 + [1] * 3 + [0] * 5)),
    "wide support": (np.full(200_000, 3), one_hot(np.arange(200_000) % 4)),
    **{f"random {seed}": skewed(seed, 500 + 331 * seed) for seed in range(4)},
    **{f"small {seed}": skewed(seed, 5 + seed) for seed in range(20, 26)},
    **{f"quarters {seed}": quarters(seed) for seed in range(30, 42)},
    "as many as FER2013's test images": skewed(99, 7178),
}


@pytest.fixture(params=CASES, ids=lambda name: name.replace(" ", "-"))
def case(request):
    labels, probs = CASES[request.param]
    return np.asarray(labels), np.asarray(probs, dtype=np.float32)


def check(labels, scores, path, kind):
    """Runs fer on a file of predictions and compares all that it says."""
    write(path, labels, scores, kind)
    out = path.with_suffix(".json")
    done = fer("evaluate", "--predictions", path, "--json", out)
    assert (done.returncode, done.stderr) == (0, "")
    ours = json.loads(out.read_text())
    predictions = scores.argmax(axis=1)

    # The classes that have images; predictions of others count as wrong.
    classes = sorted({int(label) for label in labels})
    names = dict(labels=classes, target_names=[NAMES[index] for index in classes])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        options = dict(**names, zero_division=0)
        text = metrics.classification_report(labels, predictions, digits=2, **options)
        # The default of zero_division warns, and prints the same.
        default = metrics.classification_report(labels, predictions, **names)
        report = metrics.classification_report(labels, predictions, output_dict=True, **options)
        matrix = metrics.confusion_matrix(labels, predictions, labels=range(7))
        balanced = metrics.balanced_accuracy_score(labels, predictions)
    assert text == default
    if set(predictions) - set(classes):
        # Then scikit-learn says "micro avg", over these classes; the accuracy is of all images.
        share, count = metrics.accuracy_score(labels, predictions), len(labels)
        line = f"{'accuracy':>12}  {'':>9} {'':>9} {share:>9.2f} {count:>9}"
        text, replaced = re.subn(r"^ *micro avg .*$", line, text, flags=re.MULTILINE)
        assert replaced == 1
        report = {
            "accuracy" if key == "micro avg" else key: share if key == "micro avg" else value
            for key, value in report.items()
        }
    if matrix.trace() == 0:
        # Where no prediction at all is right, scikit-learn counts in floats and prints support as
        # "12.0"; ours stays a number of images.
        text = re.sub(r"  (\d+)\.0$", r"    \1", text, flags=re.MULTILINE)
    assert f"\n\n{text}\n" in done.stdout
    assert ours["confusion_matrix"] == matrix.tolist()
    absent = {entry["class"]: entry["predicted"] for entry in ours.get("absent", [])}
    rest = [index for index in range(7) if index not in classes]
    assert absent == {NAMES[index]: matrix[:, index].sum() for index in rest}
    assert ("No images of" in done.stdout) == bool(rest)
    mine = dict(ours["classification_report"])
    assert mine.pop("title") == path.name
    assert equal(mine, report)

    accuracy = ours["accuracy"]
    assert accuracy["total"] == len(labels)
    assert accuracy["correct"] == matrix.trace()
    assert accuracy["value"] == metrics.accuracy_score(labels, predictions)
    assert accuracy["low"] <= accuracy["value"] <= accuracy["high"]
    intervals = ours["intervals"]
    assert intervals["balanced_accuracy"]["value"] == pytest.approx(balanced, abs=1e-12)
    macro = report["macro avg"]["f1-score"]
    assert intervals["macro_f1"]["value"] == pytest.approx(macro, abs=1e-12)
    for score in ["accuracy", "macro_f1", "balanced_accuracy"]:
        assert 0 <= intervals[score]["low"] <= intervals[score]["high"] <= 1
    confused = matrix - np.diag(matrix.diagonal())
    counts = [confusion["count"] for confusion in ours["most_confused"]]
    assert counts == sorted(confused[confused > 0].tolist(), reverse=True)
    return ours


def equal(ours, theirs):
    """Whether two output_dicts are the same: keys, their order, and every number to 1e-12."""
    if isinstance(theirs, dict):
        assert list(ours) == list(theirs)
        return all(equal(ours[key], theirs[key]) for key in theirs)
    return ours == pytest.approx(theirs, rel=1e-12, abs=1e-15)


def test_probabilities(case, tmp_path):
    labels, probs = case
    ours = check(labels, probs, tmp_path / "predictions.csv", "prob")
    right = probs[np.arange(len(labels)), labels].astype(np.float64)
    assert ours["loss"] == pytest.approx(-np.log(np.maximum(right, 1e-7)).mean(), rel=1e-9)


def test_logits(case, tmp_path):
    labels, probs = case
    logits = (probs * np.float32(9) - np.float32(3)).astype(np.float32)
    ours = check(labels, logits, tmp_path / "logits.csv", "logit")
    wide = logits.astype(np.float64)
    log_probs = wide - np.log(np.exp(wide).sum(axis=1, keepdims=True))
    expected = -log_probs[np.arange(len(labels)), labels].mean()
    assert ours["loss"] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", ["random 1", "random 3", "as many as FER2013's test images"])
def test_ranks_and_calibration(name, tmp_path):
    labels, probs = CASES[name]
    ours = check(labels, probs, tmp_path / "predictions.csv", "prob")
    for k in [2, 3]:
        top = metrics.top_k_accuracy_score(labels, probs, k=k, labels=range(7))
        assert ours[f"top_{k}"]["value"] == pytest.approx(top, abs=1e-12)
    assert ours["ece"] == pytest.approx(calibration_error(labels, probs), abs=1e-9)


def calibration_error(labels, probs, bins=15):
    """Equation 3 of Guo et al. 2017; bins are closed above."""
    sure, right = probs.max(axis=1).astype(np.float64), probs.argmax(axis=1) == labels
    places = np.clip(np.ceil(sure * bins).astype(int) - 1, 0, bins - 1)
    gaps = [
        abs(right[places == bin].mean() - sure[places == bin].mean()) * (places == bin).mean()
        for bin in range(bins)
        if (places == bin).any()
    ]
    return sum(gaps)


def test_bootstrap_intervals_are_scipys(tmp_path):
    stats = pytest.importorskip("scipy.stats")
    labels, probs = CASES["random 2"]
    predictions = probs.argmax(axis=1)
    ours = check(labels, probs, tmp_path / "predictions.csv", "prob")["intervals"]
    scores = {
        "accuracy": metrics.accuracy_score,
        "macro_f1": lambda truth, given: metrics.f1_score(
            truth, given, labels=range(7), average="macro", zero_division=0
        ),
    }
    for name, score in scores.items():
        theirs = stats.bootstrap(
            (labels, predictions),
            score,
            paired=True,
            vectorized=False,
            method="percentile",
            n_resamples=1000,
            rng=np.random.default_rng(1),
        ).confidence_interval
        # Both are random; with these many resamples the ends vary by some thousandths.
        assert ours[name]["low"] == pytest.approx(theirs.low, abs=0.008)
        assert ours[name]["high"] == pytest.approx(theirs.high, abs=0.008)


def test_the_interval_is_wilsons(tmp_path):
    stats = pytest.importorskip("scipy.stats")
    for correct, total in [(0, 5), (5, 5), (1, 3), (420, 700), (4273, 7178)]:
        path = tmp_path / "predictions.csv"
        predicted = np.where(np.arange(total) < correct, 3, 4)
        ours = check(np.full(total, 3), one_hot(predicted), path, "prob")["accuracy"]
        interval = stats.binomtest(correct, total).proportion_ci(method="wilson")
        assert ours["low"] == pytest.approx(interval.low, abs=1e-12)
        assert ours["high"] == pytest.approx(interval.high, abs=1e-12)


def test_the_matrix_as_text(tmp_path):
    labels, probs = CASES["random 1"]
    path = tmp_path / "predictions.csv"
    write(path, labels, probs)
    printed = fer("evaluate", "--predictions", path).stdout
    block = printed.split("columns: predicted)\n\n")[1].split("\n\n")[0]
    rows = [re.findall(r"\d+", line)[:7] for line in block.splitlines()[1:8]]
    matrix = metrics.confusion_matrix(labels, probs.argmax(axis=1), labels=range(7))
    assert np.array(rows, dtype=int).tolist() == matrix.tolist()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "no column 'label'"),
        ("label,prob_angry\n0,1\n", "no column 'prob_disgust'"),
        ("HEADER0,1,0,0,0,0,0,0\n7,1,0,0,0,0,0,0\n", "row 2: label '7'"),
        ("HEADER0,1,0,0,0,0,0,x\n", "row 1: 'x' for surprise"),
        ("HEADER0,1,0,0,0,0,0\n", "row 1: 7 fields, but the header has 8"),
        ("HEADER0,9,0,0,0,0,0,0\n", "row 1: probability 9"),
        ("HEADER", "no row below the header"),
    ],
)
def test_bad_files_are_one_line_on_stderr(text, expected, tmp_path):
    header = "label," + ",".join(f"prob_{name}" for name in NAMES) + "\n"
    path = tmp_path / "bad.csv"
    path.write_text(text.replace("HEADER", header))
    done = fer("evaluate", "--predictions", path, "--json", tmp_path / "out.json")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("fer: ") and done.stderr.count("\n") == 1
    assert str(path) in done.stderr and expected in done.stderr
    assert not (tmp_path / "out.json").exists()


def test_files_that_are_not_there(tmp_path):
    done = fer("evaluate", "--predictions", tmp_path / "none.csv")
    assert done.returncode == 1 and "is missing at" in done.stderr
    path = tmp_path / "predictions.csv"
    write(path, [3], one_hot([3]))
    done = fer("evaluate", "--predictions", path, "--json", tmp_path / "no" / "out.json")
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("fer: json = ") and "expected a file in a folder" in done.stderr


def test_arguments_that_are_not_understood():
    for arguments in [(), ("evalute",), ("evaluate", "--prediction-file"), ("evaluate", "--json")]:
        done = fer(*arguments)
        assert done.returncode == 2, arguments
        assert done.stdout == "" and done.stderr.startswith("fer: "), done.stderr
        assert done.stderr.count("\n") == 1
    assert "a subcommand is expected" in fer().stderr
    for arguments in [("--help",), ("evaluate", "--help"), ("--version",)]:
        done = fer(*arguments)
        assert (done.returncode, done.stderr) == (0, "") and done.stdout


REFERENCE = SHARED / "reference" / "seed_cnn_torch_publictest.csv"


@pytest.mark.skipif(not REFERENCE.is_file(), reason="the reference is not at hand")
def test_reference_logits(tmp_path):
    """3,589 predictions of a network trained on real faces."""
    with open(REFERENCE, newline="") as file:
        rows = list(csv.DictReader(file))
    labels = np.array([int(row["label"]) for row in rows])
    logits = np.array(
        [[float(row[f"logit_{name}"]) for name in NAMES] for row in rows], dtype=np.float32
    )
    ours = check(labels, logits, tmp_path / "reference.csv", "logit")
    assert ours["accuracy"]["value"] == pytest.approx(0.599, abs=5e-4)
