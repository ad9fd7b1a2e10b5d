"""The pages: links, file names, commands and numbers are correct, and the words are plain technical English."""

import csv
import json
import re
import shlex
import subprocess
from functools import cache
from itertools import pairwise

import cli_page
import mistune
import pytest
from conftest import ROOT
from program import PRETRAINED, fer

README = ROOT / "README.md"
CLI = ROOT / "docs" / "cli.md"
PAGES = [
    *(ROOT / name for name in ("README.md", "environment.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")),
    ROOT / "data" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "fer_nb").glob("**/README.md")),
    *sorted((ROOT / ".github").glob("**/*.md")),
]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
READ = [*PAGES, *NOTEBOOKS]
PROGRAMS = sorted(
    path for folder in ("fer_nb", "tests") for path in (ROOT / folder).glob("**/*.rs")
)
# Files that the project writes or the user provides, which no clone contains.
MADE = ("build/", ".venv/", "runs/", "out/", "data/fer2013", "data/pictures/drawn")
SOURCES = (".rs", ".py", ".cpp", ".h", ".mjs", ".ipynb")

# Words that are not plain technical English, and their replacements.
RETIRED = {
    r"\banew\b": "again, retrains",
    r"\bbeside\b": "next to, compared with, in addition to",
    r"\blearnt\b": "learned, trained on",
    r"\blearned from\b": "trained on",
    r"\b(go|goes|went|going) on\b": "continues, resumes",
    r"\bone's own\b": "custom",
    r"\bof (its|their|our|his|her) own\b": "separate, custom, or nothing",
    r"\bthose (that|which) (are|is|were|was|it|they|have|has)\b": "the … that",
    r"\bin its stead\b": "instead",
    r"\bmeasured before\b": "a date, or no number",
    r"\bha(s|ve) not got\b": "does not have",
}

# Questions of new users, the page with the answer, and words of the answer.
QUESTIONS = {
    "Where do I put my csv file?": ("README.md", "FER2013_DIR=~/faces.csv make run"),
    "My classes have other names or numbers": ("data/README.md", "`--classes kaggle`, `alphabetical`"),
    "Which number is the test accuracy, on how many images?": ("README.md", "PublicTest, n = 3,589"),
    "How do I train the best network again?": ("docs/results.md", "fer train --recipe vgg-wide"),
    "How do I resume after a power cut?": ("docs/repeatable.md", "`fer train --resume`"),
    "Are results the same on every machine?": ("docs/repeatable.md", "bit for bit"),
    "Why is the first start slow?": ("docs/kernel.md", "## Why the first start is slow"),
    "Do I need a GPU, and how do I choose it?": ("environment.md", "`FER_DEVICE` selects a device"),
    "How do I change a hyperparameter without a variable?": ("docs/recipes.md", "recipe.set("),
    "How do I compare recipes fairly?": ("docs/recipes.md", "fer compare baseline better second"),
    "How do I see which device and precision are used?": ("environment.md", '"computing in …"'),
    "How do I get the predictions for a folder as csv?": ("docs/faces.md", "pandas.DataFrame(rows)"),
    "May I use another crate in a cell?": ("docs/kernel.md", '`:dep NAME = "VERSION"`'),
    "How do I add a network?": ("docs/architecture.md", "| a network |"),
    "What can a custom network do?": ("docs/architecture.md", "## A custom network"),
    "How do I use the crate in another program?": ("docs/architecture.md", "export LIBTORCH="),
    "How do I use a network from Python?": ("docs/serving.md", "onnxruntime.InferenceSession"),
    "Where are the figures for my slides?": ("docs/notebooks.md", "PNG of 1920×1080"),
    "What must it not be used for?": ("data/pretrained/vgg/model_card.md", "Not for decisions about persons"),
}

parse = mistune.create_markdown(renderer=None, plugins=["table"])


def name(path):
    return str(path.relative_to(ROOT))


@cache
def tracked():
    """The paths of the project's files and of their folders."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip("this folder is no git repository")
    files = {line for line in listed.stdout.splitlines() if (ROOT / line).exists()}
    folders = {name(parent) for file in files for parent in (ROOT / file).parents if parent != ROOT
               and ROOT in parent.parents}
    return files | folders


class Page:
    """A page, or the Markdown cells of a notebook, in parts."""

    def __init__(self, path, text=None):
        self.path = path
        self.text = self._read(path) if text is None else text
        self.nodes, waiting = [], list(parse(self.text))
        while waiting:
            node = waiting.pop(0)
            self.nodes.append(node)
            waiting[:0] = node.get("children", [])

    def __str__(self):
        return name(self.path)

    @staticmethod
    def _read(path):
        if path.suffix != ".ipynb":
            return path.read_text()
        cells = json.loads(path.read_text())["cells"]
        markdown = (cell["source"] for cell in cells if cell["cell_type"] == "markdown")
        return "\n\n".join("".join(source) for source in markdown)

    def of_kind(self, kind):
        return [node for node in self.nodes if node["type"] == kind]

    def spans(self):
        """The code spans of its sentences."""
        return [re.sub(r"\s+", " ", node["raw"]) for node in self.of_kind("codespan")]

    def code(self):
        """The lines of all code, continued ones joined; not what cli.md quotes from the program."""
        yield from self.spans()
        for node in self.of_kind("block_code"):
            if node.get("attrs", {}).get("info") != "text":
                yield from node["raw"].replace("\\\n", " ").splitlines()

    def links(self):
        """The targets of links and pictures, those in HTML too."""
        for node in self.nodes:
            if node["type"] in ("link", "image"):
                yield node["attrs"]["url"]
            if node["type"] in ("block_html", "inline_html"):
                yield from re.findall(r'(?:href|src|srcset)="([^"]+)"', node["raw"])

    def anchors(self):
        """The fragments that GitHub gives to the headings."""
        seen = {}
        for heading in self.of_kind("heading"):
            slug = re.sub(r"[^\w\- ]", "", words(heading).lower()).replace(" ", "-")
            count = seen[slug] = seen.get(slug, -1) + 1
            yield f"{slug}-{count}" if count else slug

    def tables(self):
        """Each table as rows of the cells' texts."""
        for table in self.of_kind("table"):
            head, *body = table["children"]
            rows = [head, *(row for part in body for row in part["children"])]
            yield [[words(cell) for cell in row["children"]] for row in rows]


def words(node):
    """The text of a part, without its markup."""
    if "raw" in node:
        return node["raw"]
    if node["type"] in ("softbreak", "linebreak"):
        return " "
    return "".join(words(child) for child in node.get("children", []))


@cache
def page(path):
    return Page(path)


def dead(of):
    """The dead links of a page."""
    for target in of.links():
        if re.match(r"[a-z]+:", target):
            continue
        file, _, fragment = target.partition("#")
        goal = (of.path.parent / file).resolve() if file else of.path
        if goal != ROOT and name(goal) not in tracked():
            yield f"{of}: {target} is no file of the project"
        elif fragment and goal.suffix == ".md" and fragment not in set(page(goal).anchors()):
            yield f"{of}: {target} is no heading of that page"


def unknown_files(where, spans):
    """Code spans that look like files of the project but are not. A folder before a name may be omitted."""
    tops = {known.split("/")[0] for known in tracked() if "/" in known}
    for span in spans:
        word = span.rstrip("/")
        if not re.fullmatch(r"[\w.@-]+(/[\w.@-]+)*", word) or word.startswith(MADE):
            continue
        is_path = "/" in word and word.split("/")[0] in tops
        known = any(f"/{path}".endswith(f"/{word}") for path in tracked())
        is_source = word.endswith(SOURCES) and word not in SOURCES  # `.rs` alone names a kind
        if (is_path or is_source) and not known:
            yield f"{where}: `{span}` is no file of the project"


@cache
def commands():
    """The commands of docs/cli.md, which a test compares with the program, and their options."""
    return cli_page.commands(page(CLI).text)


@cache
def targets():
    return set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(), flags=re.M))


def wrong_fer(arguments):
    """The invalid arguments of `fer` among these."""
    command = "fer"
    while arguments and f"{command} {arguments[0]}" in commands():
        command += f" {arguments.pop(0)}"
    if command == "fer" and arguments and re.fullmatch(r"[a-z]\w*", arguments[0]):
        yield f"fer has no command {arguments[0]}"
    for option in (word.split("=")[0] for word in arguments if word.startswith("--")):
        if option not in commands()[command] | {"--help", "--version"}:
            yield f"{command} has no option {option}"
    for option, value in pairwise(arguments):
        recipe = ROOT / "fer_nb" / "src" / "train" / "recipes" / f"{value.replace('-', '_')}.toml"
        if option == "--recipe" and re.fullmatch(r"[a-z-]+", value) and not recipe.exists():
            yield f"no recipe is called {value}"


def wrong(line):
    """The faults of a command, if the line is one."""
    try:
        parts = shlex.split(line.strip(), comments=True)
    except ValueError:  # no command: a piece of Rust, a quotation
        return
    while parts and re.fullmatch(r"[A-Z][A-Z0-9_]*=.*", parts[0]):
        parts.pop(0)
    if not parts:
        return
    program, *arguments = parts
    if program == "parallel" and "fer" in arguments:
        program, arguments = "fer", arguments[arguments.index("fer") + 1 :]
    if program in ("fer", ".venv/bin/fer"):
        yield from wrong_fer(arguments)
    elif program == "make":
        yield from (
            f"make has no target {word}"
            for word in arguments
            if re.fullmatch(r"[a-z][\w-]*", word) and word not in targets()
        )
    elif program in ("python", ".venv/bin/python") and arguments and arguments[0].endswith(".py"):
        script, *rest = arguments
        if script not in tracked():
            yield f"{script} is no file of the project"
            return
        source = (ROOT / script).read_text()
        options = (word.split("=")[0] for word in rest if word.startswith("--"))
        yield from (f"{script} has no option {option}" for option in options if option not in source)


def retired(prose):
    """The retired words in a text, each with its place in it."""
    for pattern, better in RETIRED.items():
        for match in re.finditer(pattern, re.sub(r"\s+", " ", prose), flags=re.I):
            around = match.string[max(0, match.start() - 40) : match.end() + 20]
            yield f"…{around}…: write {better}"


def documentation(path):
    """The doc comments of a Rust file."""
    lines = path.read_text().splitlines()
    return "\n".join(m[1] for m in (re.match(r"\s*//[/!] ?(.*)", line) for line in lines) if m)


def nothing(faults):
    faults = list(faults)
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("path", READ, ids=name)
def test_links_lead_somewhere(path):
    nothing(dead(page(path)))


@pytest.mark.parametrize("path", READ, ids=name)
def test_files_that_a_page_names_exist(path):
    nothing(unknown_files(name(path), page(path).spans()))


def test_files_that_doc_comments_name_exist():
    found = [
        fault
        for path in PROGRAMS
        for fault in unknown_files(name(path), re.findall(r"`([^`\n]+)`", documentation(path)))
    ]
    nothing(found)


@pytest.mark.parametrize("path", READ, ids=name)
def test_commands_of_a_page_are_understood(path):
    nothing(f"{line.strip()}: {fault}" for line in page(path).code() for fault in wrong(line))


@pytest.mark.parametrize("path", READ, ids=name)
def test_pages_use_the_words_of_their_readers(path):
    nothing(retired(page(path).text))


def test_doc_comments_use_the_words_of_their_readers():
    found = [
        f"{name(path)}: {fault}" for path in PROGRAMS for fault in retired(documentation(path))
    ]
    nothing(found)


def test_the_checks_find_what_they_are_for():
    text = (
        "[a](gone.md) [b](results.md#gone) [c](results.md#results) <img src='x' srcset=\"gone.png\">"
        " `fer_nb/src/gone.rs` `gone.py` `space.toml` `train/recipe.rs` Trained\nanew.\n\n"
        "    FER_SEED=1 fer train --gone --resume\n    fer gone\n    make gone lab\n"
        "    fer train \\\n        --recipe gone\n    python tests/gone.py\n"
    )
    found = Page(ROOT / "docs" / "none.md", text)
    assert [fault.split(": ")[1].split(" ")[0] for fault in dead(found)] == [
        "gone.md",
        "results.md#gone",
        "gone.png",
    ]
    files = [fault.split("`")[1] for fault in unknown_files("none.md", found.spans())]
    assert files == ["fer_nb/src/gone.rs", "gone.py"]
    assert [fault for line in found.code() for fault in wrong(line)] == [
        "fer train has no option --gone",
        "fer has no command gone",
        "make has no target gone",
        "no recipe is called gone",
        "tests/gone.py is no file of the project",
    ]
    assert len(list(retired(found.text))) == 1


def test_the_page_of_the_command_line_is_what_the_program_prints():
    program = fer("--version").args[0]
    assert page(CLI).text == cli_page.page(program), "run `make docs-cli`"


def test_the_readme_is_short_and_leads_to_every_page():
    assert len(page(README).text.splitlines()) <= 150
    linked = {target.partition("#")[0] for target in page(README).links()}
    pages = {name(path) for path in PAGES if path.parent in (ROOT, ROOT / "docs", ROOT / "data")}
    assert pages - linked - {"README.md"} == set()


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_stranger_s_questions_are_answered_within_two_clicks(question):
    where, answer = QUESTIONS[question]
    linked = {target.partition("#")[0] for target in page(README).links()} | {"README.md"}
    assert where in linked and answer in page(ROOT / where).text


def test_the_readme_s_results_are_those_of_the_pages():
    """Every number of its table is in the pages that it links to."""
    (results,) = [t for t in page(README).tables() if t[0][:2] == ["what", "fer_nb"]]
    pages = "".join(page(ROOT / "docs" / f"{of}.md").text for of in ("results", "benchmarks", "kernel"))
    rounded = {"0.680": "0.6796", "0.595": "0.5953"}
    assert len(results) == 6
    for _, ours, theirs in results[1:]:
        for number in re.findall(r"\d[\d.,]*\d", f"{ours} {theirs}"):
            assert re.search(rf"(?<![\d.,]){rounded.get(number, number)}(?![\d])", pages), number


@pytest.mark.parametrize("folder", PRETRAINED, ids=lambda folder: folder.name)
def test_results_of_pretrained_weights_are_those_of_their_cards(folder):
    card = (folder / "model_card.md").read_text()
    accuracy, low, high = re.search(
        r"Accuracy (0\.\d+) \(95 % interval (0\.\d+)–(0\.\d+), n = 3589\)", card
    ).groups()
    macro = re.search(r"^\| macro avg .* (0\.\d+) \| 3589 \|$", card, flags=re.M)[1]
    rows = [row for table in page(ROOT / "docs" / "results.md").tables() for row in table]
    assert any(row[1:4] == [accuracy, f"{low}–{high}", macro] for row in rows)


def test_the_table_of_networks_is_what_fer_summary_says():
    (networks,) = [t for t in page(ROOT / "docs" / "recipes.md").tables() if t[0][0] == "network"]
    for network, parameters, flops, _ in networks[1:]:
        shown = fer("summary", "--network", network)
        assert shown.returncode == 0, shown.stderr
        assert parameters in shown.stdout, shown.stdout
        (exact,) = re.findall(r"([\d,.]+) MFLOPs", shown.stdout)
        assert flops == f"{float(exact.replace(',', '')):,.0f}"


def test_what_the_pages_say_of_a_run_is_in_the_table_of_runs():
    """val_accuracy of the recipe quick, and of the VGG and the seed CNN that come with the project."""
    with open(ROOT / "docs" / "runs.csv", newline="") as file:
        runs = {row["run"]: row for row in csv.DictReader(file)}
    results = page(ROOT / "docs" / "results.md").text
    for run in ("vgg", "seed_cnn"):
        assert f"{float(runs[run]['val_accuracy']):.3f}" in results
        assert f"{float(runs[run]['val_loss']):.3f}" in results
    quick = runs["quick_muon"]
    said = f"{float(quick['val_accuracy']):.3f} (n = {int(quick['validation_images']):,}"
    assert said in page(ROOT / "docs" / "recipes.md").text
