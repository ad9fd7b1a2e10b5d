"""A command checks every output path, and every contradiction between options, before its work."""

import functools
import os
import resource
import shutil

import pytest
from faces import noise
from program import PRETRAINED, ROOT, fer

PORTRAIT = ROOT / "data" / "pictures" / "portrait.jpg"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with data, a run, a space and photos; what is in it stays."""
    folder = tmp_path_factory.mktemp("paths")
    noise(folder / "data", 1, train=3, test=1)
    shutil.copytree(PRETRAINED[0], folder / "run")
    (folder / "space.toml").write_text('"train.learning_rate" = { kind = "log", low = 1e-4, high = 1e-2 }\n')
    (folder / "file").write_text("kept")
    (folder / "folder").mkdir()
    shutil.copy(PORTRAIT, folder / "x.jpg")
    shutil.copytree(folder / "folder", folder / "photos")
    shutil.copy(PORTRAIT, folder / "photos" / "x.jpg")
    return folder


def state(folder):
    """Content and time of everything in a folder."""
    files = sorted(path for path in folder.rglob("*"))
    return {path: (path.lstat().st_mtime_ns, path.is_file() and path.read_bytes()) for path in files}


def refused(place, *arguments, cwd=None):
    """Runs a command that has to fail early, and to leave everything as it is; gives what is on stderr."""
    before, begun = state(place), seconds_so_far()
    done = fer(*arguments, cwd=cwd or place, FER_RUNS_DIR=str(place / "runs"), FER_ROOT=str(ROOT))
    seconds = seconds_so_far() - begun
    assert done.returncode in (1, 2), (done.returncode, done.stdout, done.stderr)
    assert done.stdout == "" and done.stderr.count("\n") == 1, (done.stdout, done.stderr)
    assert state(place) == before
    assert seconds < 1 + start_up(), seconds
    return done.stderr


def seconds_so_far():
    """Seconds that the processors worked for programs of this test: others' work does not count."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@functools.cache
def start_up():
    """Such seconds that the program takes to load libtorch and say its version."""
    begun = seconds_so_far()
    assert fer("--version").returncode == 0
    return seconds_so_far() - begun


# What the commands need beside the path that is wrong.
FILES = {
    "data --json": ["data", "--data", "data"],
    "summary --json": ["summary"],
    "train --json": ["train", "--data", "data", "--run", "new"],
    "evaluate --json": ["evaluate", "--data", "data", "--run", "run"],
    "evaluate --save-predictions": ["evaluate", "--data", "data", "--run", "run"],
    "compare --json": ["compare", "run", "--data", "data"],
    "export --json": ["export", "--data", "data", "--run", "run", "--to", "new_export"],
    "compare --figure": ["compare", "run", "--data", "data"],
    "runs --json": ["runs", "run"],
    "runs --csv": ["runs", "run"],
    "predict --json": ["predict", "x.jpg", "--run", "run"],
    "predict --annotate": ["predict", "x.jpg", "--run", "run"],
    "tune --json": ["tune", "--data", "data", "--space", "space.toml", "--trials", "1"],
    "bench loading --json": ["bench", "loading", "--data", "data"],
}
FOLDERS = {
    "train --run": ["train", "--data", "data"],
    "tune --study": ["tune", "--data", "data", "--space", "space.toml", "--trials", "1"],
    "export --to": ["export", "--data", "data", "--run", "run"],
    "predict --annotate": ["predict", "photos", "--run", "run"],
    "bench export --to": ["bench", "export", "--data", "data"],
    "notebooks run --out": ["notebooks", "run", "01"],
}
# A missing folder, a file as folder, a folder as file, and a place where nobody can write.
NO_FILES = ["no/such/x.png", "/proc/x.png", "folder", "file/x.png", "new/", "/sys/x.png", "", "gone"]
NO_FOLDERS = ["file/x", "/proc/x", "file", "/sys/x/y", "/dev/null/x", "gone/x"]


def cases(options, wrong, all_of):
    """Every wrong path for one option, and the first two for each other."""
    return [(option, path) for option in options for path in (wrong if option == all_of else wrong[:2])]


@pytest.fixture(scope="module", autouse=True)
def link_to_nothing(place):
    (place / "gone").symlink_to("nowhere")


@pytest.mark.parametrize("option, wrong", cases(FILES, NO_FILES, "data --json"))
def test_a_file_that_cannot_be_written(place, option, wrong):
    name = option.split()[-1]
    said = refused(place, *FILES[option], name, wrong)
    assert name.removeprefix("--") in said or wrong in said, said
    if not wrong.startswith("/") and wrong:
        assert "expected" in said, said


@pytest.mark.parametrize("option, wrong", cases(FOLDERS, NO_FOLDERS, "export --to"))
def test_a_folder_that_cannot_be_written(place, option, wrong):
    name = option.split()[-1]
    wrong = wrong if wrong.startswith("/") else str(place / wrong)  # runs/ is where names start
    said = refused(place, *FOLDERS[option], name, wrong)
    assert name.removeprefix("--") in said or wrong in said, said


@pytest.mark.parametrize(
    "arguments, part",
    [
        (["evaluate", "--run", "run", "--json", "x", "--save-predictions", "x"], "--json"),
        (["evaluate", "--run", "run", "--json", "x", "--save-predictions", "folder/../x"], "--json"),
        (["predict", "x.jpg", "--run", "run", "--json", "y.png", "--annotate", "y.png"], "--json"),
        (["predict", "photos", "--run", "run", "--json", "folder/x.png", "--annotate", "folder"], "--annotate"),
        (["runs", "run", "--json", "x.csv", "--csv", "x.csv"], "--json"),
    ],
)
def test_two_outputs_are_two_files(place, arguments, part):
    said = refused(place, *arguments)
    assert "another path than th" in said and part in said, said


@pytest.mark.parametrize("report", ["folder/model.onnx", "folder/../folder/x.json"])
def test_a_report_is_no_part_of_what_is_exported(place, report):
    said = refused(place, "export", "--run", "run", "--data", "data", "--to", "folder", "--json", report)
    assert "outside of the folder of --to" in said, said


def test_the_folder_of_an_exported_page_is_no_file(place, tmp_path):
    (tmp_path / "web").write_text("kept")
    said = refused(place, "export", "--run", "run", "--data", "data", "--to", tmp_path, "--format", "web")
    assert "a folder; this is a file" in said, said
    assert (tmp_path / "web").read_text() == "kept"


@pytest.mark.parametrize(
    "arguments",
    [
        ["data", "--data", "data", "--json", "data/train/happy/000.png"],
        ["evaluate", "--data", "data", "--run", "run", "--json", "run/best.safetensors"],
        ["evaluate", "--data", "data", "--run", "run", "--save-predictions", "run/history.csv"],
        ["evaluate", "--weights", "run/best.safetensors", "--json", "run/best.safetensors"],
        ["evaluate", "--predictions", "file", "--save-predictions", "file"],
        ["compare", "run", "--data", "data", "--json", "run/config.toml"],
        ["compare", "run", "--data", "data", "--table", "run/history.csv"],
        ["runs", "run", "--csv", "run/history.csv"],
        ["predict", "x.jpg", "--run", "run", "--annotate", "x.jpg"],
        ["predict", "x.jpg", "--run", "run", "--json", "x.jpg"],
        ["predict", "x.jpg", "--run", "run", "--json", "run/certainty.toml"],
        ["predict", "photos", "--run", "run", "--annotate", "photos"],
        ["tune", "--space", "space.toml", "--json", "space.toml", "--data", "data"],
        ["export", "--run", "run", "--to", "run", "--data", "data"],
        ["export", "--run", "run", "--to", "data", "--data", "data"],
    ],
)
def test_what_is_read_is_not_written_over(place, arguments):
    assert "not overwritten" in refused(place, *arguments)


def test_a_run_does_not_go_into_the_data(place):
    said = refused(place, "train", "--data", "data", "--run", place / "data")
    assert "not overwritten" in said


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--print-recipe", "--json", "x.json"],
        ["train", "--print-recipe", "--overwrite"],
        ["train", "--resume", "--overwrite"],
        ["train", "--resume", "--weights-map", "a=b"],
        ["train", "--resume", "--seed", "3"],
        ["train", "--data", "data", "--epochs", "3", "--set", "train.epochs=5"],
        ["train", "--data", "data", "--optimizer", "sgd", "--set", "train.optimizer.name=adam"],
        ["train", "--data", "data", "--patience", "3", "--set", "choice.patience=5"],
        ["train", "--data", "data", "--set", "train.epochs=3", "--set", "train.epochs=5"],
        ["train", "--data", "data", "--weights-map", "a=b"],
        ["tune", "--space", "space.toml", "--epochs", "3", "--set", "train.epochs=5"],
        ["tune", "--worker", "--space", "space.toml"],
        ["evaluate", "--weights", "run/best.safetensors", "--run", "run"],
        ["evaluate", "--predictions", "file", "--tta", "flip"],
        ["evaluate", "--predictions", "file", "--map", "contempt=disgust"],
        ["predict", "photos", "--annotate", "out.png"],
    ],
)
def test_options_that_contradict_each_other(place, arguments):
    refused(place, *arguments)


def test_what_is_no_file_can_be_written_to(place):
    done = fer("summary", "--json", "/dev/stdout")
    assert done.returncode == 0 and '"layers"' in done.stdout, done.stderr
    assert fer("summary", "--json", "/dev/null").returncode == 0
    assert not os.path.isfile("/dev/null")


def test_a_report_can_be_written_again(place, tmp_path):
    for _ in range(2):
        done = fer("data", "--data", place / "data", "--json", tmp_path / "x.json")
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["../x", "bad/../../x", "a/..", "..", ".", "", " ", "./"])
@pytest.mark.parametrize("command, option", [("train", "--run"), ("tune", "--study")])
def test_a_name_does_not_lead_out_of_runs(place, command, option, name):
    more = ["--space", "space.toml"] if command == "tune" else []
    said = refused(place, command, "--data", "data", option, name, *more)
    assert option.strip("-") in said and "below runs/, or an absolute path" in said, said


def refused_late(place, *arguments):
    """A command that fails after a look at the data; it leaves everything as it is."""
    before = state(place)
    done = fer(*arguments, cwd=place, FER_RUNS_DIR=str(place / "runs"), FER_ROOT=str(ROOT))
    assert done.returncode == 1, (done.stdout, done.stderr)
    assert state(place) == before
    return done.stderr


@pytest.mark.parametrize(
    "arguments, part",
    [
        (["train", "--initial-weights", "nowhere"], "; pretrained weights: "),
        (["train"], "validation images"),
        (["train", "--run", "deep/new"], "validation images"),
        (["tune", "--space", "space.toml", "--trials", "1"], "validation images"),
        (["tune", "--space", "space.toml", "--set", "train.initial_weights=nowhere"], "nowhere"),
        (["export", "--run", "no_weights", "--to", "out"], "weights"),
        (["export", "--run", "nowhere", "--to", "out"], "nowhere"),
        (["predict", "photos", "--run", "nowhere", "--annotate", "out"], "nowhere"),
    ],
)
def test_a_refused_start_leaves_nothing_behind(place, arguments, part):
    (place / "no_weights").mkdir(exist_ok=True)
    shutil.copy(place / "run" / "config.toml", place / "no_weights")
    data = [] if arguments[0] == "predict" else ["--data", "data"]
    assert part in refused_late(place, *arguments[:1], *data, *arguments[1:])


@pytest.mark.parametrize(
    "start, part",
    [
        (["train", "--network", "vit", "--batch-size", "4"], "no tensor fits"),
        (["train", "--batch-size", "4", "--run", "deep/new", "--weights-map", "nowhere=conv"], "weights_map"),
        (["tune", "--recipe", "vit", "--space", "space.toml", "--set", "train.batch_size=4"], "no tensor fits"),
    ],
)
def test_weights_that_do_not_fit_leave_nothing_behind(tmp_path, start, part):
    """With images enough to begin with."""
    noise(tmp_path / "data", 1, train=5, test=1)
    (tmp_path / "space.toml").write_text('"train.learning_rate" = { kind = "log", low = 1e-4, high = 1e-2 }\n')
    weights = ["--set", "train.initial_weights=seed_cnn"] if start[0] == "tune" else ["--initial-weights", "seed_cnn"]
    said = refused_late(tmp_path, *start, *weights, "--data", "data")
    assert part in said, said


def test_missing_weights_say_which_there_are(place):
    shutil.copytree(place / "run", place / "runs" / "mine")
    for arguments in (
        ["evaluate", "--data", "data", "--run", "seed_cn"],
        ["evaluate", "--data", "data", "--weights", "seed_cn.safetensors"],
        ["train", "--data", "data", "--run", "x", "--initial-weights", "seed_cn"],
        ["predict", "x.jpg", "--run", "seed_cn"],
    ):
        said = refused_late(place, *arguments)
        assert "Did you mean seed_cnn?" in said and "mine" in said and "vgg, seed_cnn" in said, said
    said = refused_late(place, "evaluate", "--data", "data", "--weights", "run/best.safetensor")
    assert "run: best.safetensors" in said, said
