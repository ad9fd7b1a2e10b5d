"""The files for contributors: their content agrees with the project, and their commands work."""

import json
import re
import subprocess
import sys

import nbformat
import pytest
import yaml
from conftest import ROOT

CLEAN = ROOT / ".setup" / "clean_notebook.py"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def clean(*arguments, text=""):
    command = [sys.executable, str(CLEAN), *map(str, arguments)]
    return subprocess.run(command, input=text.encode(), capture_output=True)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_without_outputs_stays_as_it_is(path):
    assert clean(text=path.read_text()).stdout == path.read_bytes()


def test_outputs_are_taken_out_of_a_notebook_and_nothing_else(tmp_path):
    before = NOTEBOOKS[3].read_text()
    notebook = json.loads(before)
    ran = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for count, cell in enumerate(ran, 1):
        cell["execution_count"] = count
        cell["metadata"]["execution"] = {"iopub.execute_input": "2026-01-01T00:00:00Z"}
        cell["outputs"] = [nbformat.v4.new_output("stream", text="epoch 1\n")]
    after = tmp_path / "ran.ipynb"
    after.write_text(json.dumps(notebook))
    assert clean(text=after.read_text()).stdout.decode() == before

    checked = clean("--check", after, NOTEBOOKS[0])
    assert (checked.returncode, checked.stderr.decode()) == (1, f"{after} has outputs\n")
    assert clean("--check", *NOTEBOOKS).returncode == 0


def test_git_uses_the_filter_that_contributing_sets_up():
    (name,) = re.findall(r"^\*\.ipynb .*filter=(\S+)", (ROOT / ".gitattributes").read_text(), re.M)
    contributing = (ROOT / "CONTRIBUTING.md").read_text()
    assert f'git config filter.{name}.clean "python3 .setup/clean_notebook.py"' in contributing


def test_the_version_is_the_same_everywhere():
    cargo = (ROOT / "fer_nb" / "Cargo.toml").read_text()
    version = re.search(r'^version = "(.*)"$', cargo, re.M)[1]
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == version
    newest = re.search(r"^## \[.*?(\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert newest and newest[1] == version


def test_hooks_are_programs_of_this_project():
    """Nothing is fetched for a commit."""
    repositories = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repository["repo"] for repository in repositories] == ["local"]
    makefile = (ROOT / "Makefile").read_text()
    for hook in repositories[0]["hooks"]:
        program, *arguments = hook["entry"].split()
        assert hook["language"] == "system"
        for word in (word for word in (program, *arguments) if word.endswith(".py")):
            assert (ROOT / word).exists(), word
        if program == "make":
            assert re.search(rf"^{arguments[0]}:", makefile, re.M), hook["entry"]


def test_issue_templates_have_a_name_and_a_purpose():
    templates = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.md"))
    assert templates
    for path in templates:
        _, head, body = path.read_text().split("---\n", 2)
        settings = yaml.safe_load(head)
        assert settings["name"] and settings["about"] and body.strip(), path
