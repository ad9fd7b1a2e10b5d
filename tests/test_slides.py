"""Slide decks: the content of slides, and, in Chromium, that each slide fits its window.

The decks are those of the six notebooks, of a notebook with extreme content, and of executed notebooks if `make
run` has written some.
"""

import json
import os
import re
import subprocess

import nbformat
import pytest
import run_notebooks
import slides
from chromium import DRIVER, browser, lacking
from conftest import ROOT
from test_notebooks import NAMES

new = nbformat.v4
SIZES = [[1280, 720], [1920, 1080]]
SMALLEST = 18  # CSS pixels at 1280 × 720, a fortieth of the height


def shown(**data):
    return new.new_output("execute_result", data={k.replace("_", "/", 1): v for k, v in data.items()})


def figure(words, width=1920, height=1080):
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    drawing = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>'
    return f'<div style="max-width:1100px"><style>x</style>{drawing}<text x="9" y="60">{words}</text></svg></div>'


def table(rows, columns=3, word="cell"):
    cells = "".join(f'<td style="white-space:nowrap">{word}</td>' for _ in range(columns))
    head = "".join(f"<th>column {n}</th>" for n in range(columns))
    body = "".join(f"<tr>{cells}</tr>" for _ in range(rows))
    return f'<div style="overflow-x:auto"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def code(source="x", *outputs, **metadata):
    return new.new_code_cell(source, outputs=list(outputs), metadata=metadata)


def printed(text, name="stdout"):
    return new.new_output("stream", name=name, text=text)


def made(*cells):
    cells = [new.new_markdown_cell(c) if isinstance(c, str) else c for c in cells]
    return list(slides.slides(cells, ROOT))


def words(section):
    return " ".join(re.sub(r"<[^>]*>", " ", section).split())


# --- what becomes a slide ------------------------------------------------------------------------


def test_a_figure_stands_below_its_own_introduction():
    first, second = made("## One\n\nThe first.", code("a", shown(text_html=figure("A"))),
                         "The second.", code("b", shown(text_html=figure("B"))))
    assert words(first) == "One The first. A" and first.count("<svg") == 1
    assert words(second) == "The second. B" and 'class="figure"' in second
    assert "style>" not in first and "max-width" not in first


def test_a_long_introduction_has_a_slide_before_and_its_start_above_the_figure():
    long = "It says **what it. shows**. " + "Then it goes into the details of everything. " * 9
    text, picture = made(f"## What\n\n{long}", code("a", shown(text_html=figure("A"))))
    assert words(text).startswith("What It says") and "details" in text and "<svg" not in text
    assert words(picture).startswith("What It says what it. shows . Then it goes")
    assert len(words(picture)) <= slides.LEAD + 5


def test_logs_code_prompts_and_errors_are_no_slides():
    error = new.new_output("error", ename="E", evalue="no", traceback=["Traceback"])
    found = made(
        "The machine.", code("let secret = 1;"),
        "Trains.", code("fit", printed("epoch  1/2: loss 1.9  102 images/s\n")),
        "Trials.", code("fit", printed("trial 5: batch_size = 32\n")),
        "Moves.", code("fit", printed("evaluating: 4,200\r")),
        "Warns.", code("fit", printed("warning\n", "stderr")),
        "Fails.", code("fail", error),
        "Much.", code("much", printed("line\n" * (slides.MOST_PRINTED + 1))),
        "## Fit\n\nKept for its heading.", code("fit", printed("epoch  1/2: 102 images/s\n")),
        "A result.", code("show", printed("\x1b[1mln 7  1.9459\x1b[0m\n")),
    )
    assert [words(section) for section in found] == ["Fit Kept for its heading.", "A result. ln 7 1.9459"]
    assert not any("secret" in section or "Out[" in section for section in found)


def test_what_is_marked_as_skipped_is_left_out_and_no_more():
    skip = {"slideshow": {"slide_type": "skip"}}
    found = made(
        new.new_markdown_cell("## Not this", metadata=skip),
        "Only of the next cell.",
        code("a", shown(text_html=table(2)), **skip),
        "## This",
    )
    assert [words(section) for section in found] == ["This"]


def test_a_live_chart_that_is_drawn_again_below_is_shown_once():
    found = made("Live.", code("live", shown(text_html=figure("A"))),
                 "The curves.", code("curves", shown(text_html=figure("A"))))
    assert [words(section) for section in found] == ["The curves. A"]


def test_headings_in_code_are_no_slides_and_html_is_text():
    one, two = made("# Title\n\n```\n# a comment\n```\n\n## Next\n\n<script>alert(1)</script> 20 %")
    assert "# a comment" in one and 'class="title"' in one
    assert "<script>" not in two and "20\N{NO-BREAK SPACE}%" in two
    (output,) = made("Its table.", code("t", shown(text_html="<script>bad()</script>" + table(1))))
    assert "bad" not in output and "<table>" in output


def test_pictures_of_the_network_give_way_to_their_words():
    (found,) = made("A ![far away](https://example.org/x.png) picture.")
    assert "far away" in found and "<img" not in found
    picture = "data/pictures/made_up_samples.svg"
    (found,) = made(f"![faces]({picture})")
    assert 'alt="faces"' in found and "data:image/svg+xml;base64," in found


def test_pages_and_decks_load_nothing(tmp_path):
    notebook = new.new_notebook(cells=[new.new_markdown_cell("# Title\n\nText."), code("1", shown(text_plain="1"))])
    run_notebooks.write_reports(notebook, "plain", tmp_path)
    for page in (tmp_path / "notebooks" / "plain.html", tmp_path / "slides" / "plain.slides.html"):
        assert not re.search(r'(?:src|href)="https?://', page.read_text()), page
    assert "<title>Title</title>" in page.read_text()


# --- in a browser --------------------------------------------------------------------------------

CARD = "# A card\n\nIts line.\n\n## Settings\n\n```toml\n" + "learning_rate = 0.001\n" * 90 + "```\n\n## Limits\n\n" + (
    "People agree with the labels most of the time. " * 14 + "\n\n") * 3
LIST = "\n".join(
    f"{n}. Point {n} says `something` of *note* that takes more than a line of a slide, and then some more."
    for n in range(1, 26)
)
WORST = [
    "# Worst of all\n\n" + "A title with far more to say than a title should. " * 25,
    "## Long\n\n" + "Words and more words follow each other. " * 90,
    "## A list\n\nThese points:\n\n" + LIST,
    "## A paragraph and code:\n\n```\n" + ("x" * 60 + " ") * 6 + "\n```",
    "## Unbroken\n\n" + "a" * 300,
    "## A table of text\n\n| a | b |\n| --- | --- |\n" + "| word | other |\n" * 60,
    "## Many rows\n\nAll of them.", code("t", shown(text_html=table(43))),
    "## Many columns\n\nAll of them.", code("t", shown(text_html=table(4, 40))),
    "## Wide cells\n\nAll of them.", code("t", shown(text_html=table(4, 3, "many words " * 14))),
    "## Two tables\n\nBoth.", code("t", shown(text_html=table(30) + table(30))),
    "## Many notes", code("t", shown(text_html=table(3) + "<p>A note of some length.</p>" * 40)),
    "## Tall\n\nAs a tower.", code("f", shown(text_html=figure("tall", 400, 4000))),
    "## Flat\n\nAs a plain.", code("f", shown(text_html=figure("flat", 4000, 300))),
    "## " + "A heading as long as a paragraph " * 6 + "\n\nShort.", code("f", shown(text_html=figure("long"))),
    "Its card.", code("c", shown(text_markdown=CARD)),
    "## Printed\n\nHere.", code("p", printed("/a/long/path " * 30)),
]


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What the browser saw: window and deck, with its slides."""
    if lacking():
        assert os.environ.get("FER_BROWSER") != "required", lacking()
        pytest.skip(f"slides in a real browser are left out, for there is {lacking()}")
    folder = tmp_path_factory.mktemp("decks")
    decks = {"worst": new.new_notebook(cells=[new.new_markdown_cell(c) if isinstance(c, str) else c for c in WORST])}
    for name in NAMES:
        decks[name] = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
        executed = ROOT / "build" / "notebooks" / f"{name}.ipynb"
        if executed.is_file():
            decks[f"executed_{name}"] = nbformat.read(executed, as_version=4)
    for name, notebook in decks.items():
        run_notebooks.write_deck(notebook, name, folder)
    paths = sorted(map(str, (folder / "slides").iterdir()))
    job = {"decks": paths, "sizes": SIZES, "chromium": browser()}
    driver = subprocess.run(
        ["node", DRIVER / "deck.mjs"], input=json.dumps(job), capture_output=True, text=True, timeout=600
    )
    assert driver.returncode == 0, driver.stderr
    found = json.loads(driver.stdout)
    assert len(found) == len(paths) * len(SIZES)
    return found


def each(seen):
    for deck in seen:
        for number, slide in enumerate(deck["slides"], 1):
            yield f"{deck['deck']}, slide {number} at {deck['width']}×{deck['height']}: {slide}", deck, slide


def test_no_slide_overflows(seen):
    for where, deck, slide in each(seen):
        assert slide["shown"] == 1, where
        assert slide["outside"] == [], where
        assert slide["frame"] == [0, 0, deck["width"], deck["height"]], where
        assert slide["page"] == [deck["width"], deck["height"]], where
        width, height, *window = slide["scroll"]
        assert [width, height] == window, where


def test_words_are_whole_and_can_be_read_from_the_last_row(seen):
    for where, _, slide in each(seen):
        if "a" * 100 not in slide["text"]:
            assert slide["broken"] == [], where
        assert slide["smallest"] is None or slide["smallest"] >= SMALLEST, where


def test_a_slide_has_one_figure_as_wide_as_fits(seen):
    for where, _, slide in each(seen):
        assert slide["figures"] <= 1 or "figure" not in slide["kind"], where
        if slide["figure"] is not None:
            assert slide["figure"] > 1200, where  # its frame; the drawing keeps its shape inside


def test_nothing_is_loaded_and_nothing_fails(seen):
    for deck in seen:
        assert deck["loaded"] == [] and deck["errors"] == [], deck["deck"]


def worst(seen, width):
    (deck,) = [d for d in seen if d["deck"] == "worst.slides.html" and d["width"] == width]
    return deck


def test_what_is_cut_is_counted(seen):
    texts = [slide["text"] for slide in worst(seen, 1280)["slides"]]
    (rows,) = [text for text in texts if "Many rows" in text]
    left = len(re.findall(r"cell\tcell\tcell", rows))
    assert f"… {43 - left} more" in rows and 8 < left < 43
    (columns,) = [text for text in texts if "Many columns" in text]
    kept = len(re.findall(r"column \d+", columns))
    assert f"… {40 - kept} more" in columns and 3 < kept < 40
    (notes,) = [text for text in texts if "Many notes" in text]
    kept = notes.count("A note")
    assert f"… {40 - kept} more" in notes and 3 < kept < 40
    (settings,) = [text for text in texts if "learning_rate" in text]
    kept = settings.count("learning_rate")
    assert f"… {90 - kept} more" in settings and kept > 5


def test_a_long_text_continues_and_loses_nothing(seen):
    texts = [slide["text"] for slide in worst(seen, 1280)["slides"]]
    long = [text for text in texts if text.startswith("Long")]
    assert len(long) > 1 and all("continued" in text for text in long[1:])
    assert sum(text.count("Words and more words follow each other.") for text in long) >= 85
    assert sum(len(re.findall(r"\b(?:Words|words|and|more|follow|each|other\.)", text)) for text in long) == 7 * 90
    points = " ".join(text for text in texts if text.startswith("A list"))
    assert [int(n) for n in re.findall(r"Point (\d+)", points)] == list(range(1, 26))


def test_keys_lead_through_and_back(seen):
    for deck in seen:
        assert deck["first"] == deck["slides"][0]["text"]
        numbers = [re.search(r"(\d+) / (\d+)\s*$", slide["text"]) for slide in deck["slides"]]
        assert [int(n[1]) for n in numbers] == list(range(1, len(numbers) + 1))
        assert {int(n[2]) for n in numbers} == {len(numbers)}
