"""The network for photos if the user names none: never one that was trained on drawn faces."""

import json
import shutil

import pytest
from program import PRETRAINED, ROOT, fer
from serve import ask, server

PORTRAIT = ROOT / "data" / "pictures" / "portrait.jpg"
NAMES = [folder.name for folder in PRETRAINED]


@pytest.fixture
def trained_on(tmp_path):
    """Makes runs/baseline a run that was trained on data of this title."""

    def run(title):
        baseline = shutil.copytree(PRETRAINED[0], tmp_path / "baseline", dirs_exist_ok=True)
        config = (baseline / "config.toml").read_text()
        changed = config.replace('data_title = "FER2013"', f'data_title = "{title}"')
        assert changed != config
        (baseline / "config.toml").write_text(changed)

    return run


def predicted(runs, *arguments):
    """What answers by `fer predict`: stdout's line about it, the portrait's emotion, and stderr."""
    answers = runs / "answers.json"
    done = fer(
        "predict", PORTRAIT, "--json", answers, *arguments,
        FER_RUNS_DIR=str(runs), FER_ROOT=str(ROOT),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (photo,) = json.loads(answers.read_text())["photos"]
    (face,) = photo["faces"]
    return done.stdout.splitlines()[0], face["prediction"]["emotion"], done.stderr


def test_without_a_run_the_shipped_network_answers(tmp_path):
    line, emotion, said = predicted(tmp_path)
    assert (line, emotion) == ("network trained on FER2013", "happy")
    assert said.startswith("fer: ") and said.count("\n") == 1
    assert "no run baseline" in said and any(f"pretrained weights {name}" in said for name in NAMES)


def test_a_run_of_drawn_faces_answers_only_if_it_is_named(trained_on, tmp_path):
    trained_on("made-up sample")
    line, emotion, said = predicted(tmp_path)
    assert (line, emotion) == ("network trained on FER2013", "happy")
    assert said.count("\n") == 1 and "baseline was trained on drawn faces" in said
    assert "--run baseline" in said
    line, _, said = predicted(tmp_path, "--run", "baseline")
    assert (line, said) == ("network trained on made-up sample", "")


def test_a_run_of_photos_answers(trained_on, tmp_path):
    trained_on("my photos")
    line, _, said = predicted(tmp_path)
    assert (line, said) == ("network trained on my photos", "")


@pytest.mark.parametrize("name", NAMES)
def test_shipped_networks_answer_by_name(name, tmp_path):
    assert predicted(tmp_path, "--run", name) == ("network trained on FER2013", "happy", "")


def test_the_page_says_why(trained_on, tmp_path):
    where = {"FER_RUNS_DIR": str(tmp_path), "FER_ROOT": str(ROOT)}
    trained_on("made-up sample")
    with server(**where) as (url, _):
        model = ask(f"{url}/api/model")[2]
        assert model["trained_on"] == "FER2013" and "drawn faces" in model["note"]
        assert str(tmp_path) not in model["note"]
    with server("--run", "baseline", **where) as (url, _):
        model = ask(f"{url}/api/model")[2]
        assert (model["trained_on"], model["note"]) == ("made-up sample", None)


def test_photos_are_evaluated_by_the_same_rule(trained_on, tmp_path):
    from faces import noise

    where = {"FER_RUNS_DIR": str(tmp_path), "FER_ROOT": str(ROOT)}
    photos = noise(tmp_path / "photos", 3, train=5, test=2)
    trained_on("made-up sample")
    before = {path: path.read_bytes() for folder in PRETRAINED for path in folder.iterdir()}
    done = fer("evaluate", "--data", photos, **where)
    assert done.returncode == 0, done.stderr
    assert "trained on FER2013" in done.stdout and "drawn faces" in done.stderr
    # Named, the run is evaluated: what was fitted on its own images is kept, and said so.
    done = fer("evaluate", "--data", photos, "--run", "baseline", **where)
    assert "trained on made-up sample" in done.stdout and "drawn faces" not in done.stderr
    assert "the run was trained on other images; temperature and threshold are those of the run" in done.stderr
    # Drawn faces are what the run is for.
    done = fer("evaluate", **{**where, "FER_ROOT": str(tmp_path)})
    assert "trained on made-up sample" in done.stdout and "drawn faces" not in done.stderr
    after = {path: path.read_bytes() for folder in PRETRAINED for path in folder.iterdir()}
    assert after == before, "what comes with the project is not changed by looking at it"
