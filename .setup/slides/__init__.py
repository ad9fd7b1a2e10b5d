"""Slide decks of executed notebooks: one HTML file per deck, which loads nothing.

This module selects the content of each slide; the page (deck.js) measures how much of it fits, because only the
page knows its fonts.

    a heading with text       a slide, or several if it is long
    a figure                  a slide: the figure as large as fits, with the start of the text above its cell
    a table                   a slide: the rows that fit, then "… 30 more"
    a few printed lines       below the text above their cell
    logs, errors, code        nothing

A cell whose slide type is "skip" (JupyterLab's property inspector) is omitted, with its output.
"""

import base64
import html
import re
from pathlib import Path

import mistune  # nbconvert's renderer of markdown

HERE = Path(__file__).resolve().parent

ANSI = re.compile(r"\x1b\[[0-9;]*m")
# A training that reports, or a line that gave way to the next one.
LOG = re.compile(r"\r|images/s|^(epoch|trial) +\d+", re.MULTILINE)
MOST_PRINTED = 10  # lines; more than that is a log
# What stands above a figure or a table, heading included: about two lines of a slide, three if that is
# the whole text.
LEAD, WHOLE = 190, 270
CODE = re.compile(r"^(```|~~~).*?^\1[^\n]*$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^(#{1,3}) +(.+?) *#*$", re.MULTILINE)

render = mistune.create_markdown(escape=True, plugins=["table", "strikethrough"])


def deck(notebook, title, folder):
    """The page of a deck. `folder` is what the notebook's pictures are relative to."""
    sections = "\n".join(slides(notebook.cells, folder))
    style, script = ((HERE / name).read_text(encoding="utf-8") for name in ("deck.css", "deck.js"))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title>\n<style>\n{style}</style></head>\n"
        f'<body><div class="reveal"><div class="slides">\n{sections}\n</div></div>\n'
        f"<script>\n{script}</script></body></html>\n"
    )


def slides(cells, folder):
    """The sections of a deck, as HTML."""
    cells = [cell for cell in cells if cell.cell_type in ("markdown", "code")]
    last = last_figures(cells)
    found = []
    for index, cell in enumerate(cells):
        if slide_type(cell) in ("skip", "notes"):
            continue
        if cell.cell_type == "markdown":
            follows = cells[index + 1] if index + 1 < len(cells) else None
            if follows is None or follows.cell_type != "code":
                found += text_slides(cell.source, folder)
            elif slide_type(follows) == "skip":
                found += text_slides(cell.source, folder) if HEADING.match(cell.source) else []
        else:
            above = cells[index - 1] if index else None
            has_text = above is not None and above.cell_type == "markdown"
            shown_above = has_text and slide_type(above) not in ("skip", "notes")
            found += cell_slides(cell, above.source if shown_above else "", index, last, folder)
    return found


def slide_type(cell):
    return (cell.metadata.get("slideshow") or {}).get("slide_type", "")


def cell_slides(cell, above, index, last, folder):
    """The slides of a code cell's outputs, with the text above it."""
    shown = [picture_of(output) for output in cell.get("outputs", [])]
    kept = [content for content in shown if content and last.get(content, index) == index]
    if not kept:
        if any(shown):  # a figure that a later cell shows again
            return []
        printed = printed_lines(cell)
        if not printed and not HEADING.match(above.lstrip()):
            return []  # the text is about code that a deck doesn't show
        return text_slides(above, folder, after=printed)
    heading, lead, rest = introduction(above)
    found = text_slides(above, folder) if rest else []
    if found and kept[0][0] == "table":  # the page joins the two if both fit
        found[-1] = found[-1].replace("<section", '<section data-joins="next"', 1)
    for kind, content in kept:
        if kind == "markdown":
            found += text_slides(content, folder)
        else:
            top = f"<h2>{inline(heading)}</h2> " if heading else ""
            top += f"<p>{inline(lead)}</p>" if lead else ""
            strip = f'<header class="strip">{top}</header>' if top else ""
            found.append(f'<section class="{kind}">{strip}<div class="body">{content}</div></section>')
    return found


def last_figures(cells):
    """The cell that shows each figure last: a live chart is often drawn again below."""
    return {
        content: index
        for index, cell in enumerate(cells)
        if cell.cell_type == "code" and slide_type(cell) not in ("skip", "notes")
        for content in map(picture_of, cell.get("outputs", []))
        if content and content[0] == "figure"
    }


def picture_of(output):
    """What a slide shows of an output: its kind and its content, or None."""
    data = output.get("data", {})
    for kind in ("image/png", "image/jpeg", "image/gif", "image/webp"):
        if kind in data:
            return "figure", f'<img alt="" src="data:{kind};base64,{"".join(data[kind].split())}">'
    if "image/svg+xml" in data:
        return "figure", svg_of(data["image/svg+xml"])
    page = data.get("text/html", "")
    if "<svg" in page and "<table" not in page:
        return "figure", svg_of(page)
    if page:
        return "table", re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.DOTALL | re.IGNORECASE)
    if "text/markdown" in data:
        return "markdown", data["text/markdown"]
    return None


def svg_of(page):
    return page[page.index("<svg") : page.rindex("</svg>") + len("</svg>")]


def printed_lines(cell):
    """What a cell printed or had as a plain value, as HTML, unless it is a log."""
    outputs = cell.get("outputs", [])
    text = "".join(o["text"] for o in outputs if o["output_type"] == "stream" and o["name"] == "stdout")
    text += "".join(o["data"].get("text/plain", "") for o in outputs if o["output_type"] == "execute_result")
    if LOG.search(text) or len(text.strip().splitlines()) > MOST_PRINTED:
        return ""
    text = ANSI.sub("", text).strip("\n")
    return f"<pre>{html.escape(text)}</pre>" if text.strip() else ""


# --- text ----------------------------------------------------------------------------------------


def markdown(source):
    """Markdown as HTML; a percent sign stays on its number's line."""
    return re.sub(r"(?<=\d) %", "\N{NO-BREAK SPACE}%", render(source))


def text_slides(source, folder, after=""):
    """A slide for each heading of a markdown text; `after` ends the last one."""
    parts = by_heading(source)
    found = []
    for number, (level, heading, text) in enumerate(parts):
        body = with_pictures(markdown(text), folder) if text.strip() else ""
        if number == len(parts) - 1:
            body += after
        if not heading and not body:
            continue
        kind = "title" if level == 1 and not after else "text"
        top = f"<header><h2>{inline(heading)}</h2></header>" if heading else ""
        found.append(f'<section class="{kind}">{top}<div class="body">{body}</div></section>')
    return found


def by_heading(source):
    """The text's parts: level, heading and what is below it. `#` in a code block is no heading."""
    blocks = [match.span() for match in CODE.finditer(source)]
    marks = [
        match
        for match in HEADING.finditer(source)
        if not any(start <= match.start() < end for start, end in blocks)
    ]
    first = source[: marks[0].start()] if marks else source
    parts = [(0, "", first)] if first.strip() or not marks else []
    ends = [mark.start() for mark in marks[1:]] + [len(source)]
    parts += [(len(m[1]), m[2], source[m.end() : end]) for m, end in zip(marks, ends)]
    return parts


def introduction(source):
    """Heading and first sentences for the slide of a figure, and whether there is more text than that."""
    parts = by_heading(source)
    level, heading, text = parts[-1]
    text = text.strip()
    paragraph = " ".join(re.split(r"\n\s*\n", text, maxsplit=1)[0].split())
    lead = ""
    if paragraph.startswith("**") or not re.match(r"([-*+>|#]|\d+[.)] |```|~~~|!\[)", paragraph):
        only = len(parts) == 1 and level != 1 and paragraph == " ".join(text.split())
        if only and len(heading) + len(plain(paragraph)) <= WHOLE:
            return heading, paragraph, False
        for sentence in sentences(paragraph):
            longer = f"{lead} {sentence}".strip()
            if len(heading) + len(plain(longer)) > LEAD:
                break
            lead = longer
    return heading, "" if lead.endswith(":") else lead, bool(text or len(parts) > 1)


def sentences(paragraph):
    """The sentences, none of which ends inside emphasis or code."""
    piece = ""
    for part in re.split(r"(?<=[.!?:])\s+", paragraph):
        piece = f"{piece} {part}".strip()
        if piece.count("**") % 2 == 0 and piece.count("`") % 2 == 0:
            yield piece
            piece = ""
    if piece:
        yield piece


def plain(source):
    return re.sub(r"[*`]|\]\([^)]*\)|\[", "", source)


def inline(source):
    """One line of markdown without the paragraph around it."""
    return re.sub(r"^<p>|</p>$", "", markdown(source.strip()).strip())


def with_pictures(page, folder):
    """Pictures of the project become part of the page; those of the network give way to their words."""

    def embedded(match):
        words = re.search(r'alt="([^"]*)"', match[0])
        address = re.search(r'src="([^"]*)"', match[0])
        path = Path(folder) / html.unescape(address[1]) if address else None
        kinds = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".svg": "svg+xml", ".gif": "gif"}
        if path is None or "://" in address[1] or path.suffix not in kinds or not path.is_file():
            return words[1] if words else ""
        data = base64.b64encode(path.read_bytes()).decode()
        return f'<img alt="{words[1] if words else ""}" src="data:image/{kinds[path.suffix]};base64,{data}">'

    return re.sub(r"<img\b[^>]*>", embedded, page)
