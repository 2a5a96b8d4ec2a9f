"""Pages that are written to files: sections of figures, as plain text and as HTML."""

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harvey_pipeline.cli.app import UnusableError

_STYLE: Final = (
    "body{font:15px/1.5 system-ui,sans-serif;color:#222;max-width:60em;margin:2em auto;"
    "padding:0 1em}table{border-collapse:collapse;display:block;overflow-x:auto}"
    "th,td{text-align:left;vertical-align:top;padding:.2em .8em .2em 0;"
    "border-bottom:1px solid #ddd}th{font-weight:600}"
)


@dataclass(frozen=True)
class Section:
    """A heading, what has to be said of it, and rows below a header; `rows` may be none."""

    title: str
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    note: str = ""


def text_of(title: str, sections: Sequence[Section]) -> str:
    """The page as plain text, columns one below the other."""
    return "\n".join([title, "", *(line for one in sections for line in _text_lines(one))])


def _text_lines(section: Section) -> Iterator[str]:
    yield section.title
    if section.note:
        yield f"  {section.note}"
    rows = [row for row in (section.header, *section.rows) if row] if section.rows else []
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield f"  {'  '.join(cells)}".rstrip()
    if not section.rows and not section.note:
        yield "  none"
    yield ""


def html_of(title: str, sections: Sequence[Section]) -> str:
    """The page as one HTML file that needs no other; every text is escaped, whatever it holds."""
    shown = html.escape(title)
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{shown}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{shown}</h1>",
            *(line for one in sections for line in _html_lines(one)),
            "</body>\n</html>\n",
        ]
    )


def _html_lines(section: Section) -> Iterator[str]:
    yield f"<h2>{html.escape(section.title)}</h2>"
    if section.note:
        yield f"<p>{html.escape(section.note)}</p>"
    if section.rows:
        yield "<table>"
        if section.header:
            yield _html_row("th", section.header)
        yield from (_html_row("td", row) for row in section.rows)
        yield "</table>"
    elif not section.note:
        yield "<p>none</p>"


def _html_row(tag: str, cells: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in cells)}</tr>"


def write_file(path: Path, content: bytes) -> None:
    """Write a file, with the folders that it needs, over one of that name.

    Raises:
        UnusableError: It cannot be written there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise UnusableError(
            f"{path} cannot be written: {error.strerror}. Give another folder by --out."
        ) from error
