"""The header of a file: which columns it has, and what separates them."""

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harvey_pipeline.landing.records.contract import BLANKS, LandingError, WantedColumn
from harvey_pipeline.landing.records.quoted import RecordReader

_SEPARATORS: Final = (",", ";", "\t", "|")
_HEADER_BYTES: Final = 1 << 20

_MOST_COLUMNS: Final = 1_000
"""More columns than this are no drop, and cost more time than a refusal saves."""

_HINT: Final = re.compile(rf"(?is)[{BLANKS}]*sep=([!-~\t])\1*[{BLANKS}]*")
"""A first line that names the separator; a spreadsheet may fill the line up with separators."""

Header = tuple[tuple[str, str], ...]
"""For each column its text column and its name as delivered."""


@dataclass(frozen=True)
class CsvHeader:
    """Where the records of a CSV file begin and how their fields are told apart.

    `names`: as delivered, quotes removed.
    `separator`: a single byte.
    `lines`: how many lines come before the first record.
    `length`: the same in bytes.
    """

    names: tuple[str, ...]
    separator: str
    lines: int
    length: int


def matched(name: str) -> str:
    """What a column's name is compared by."""
    return name.strip(BLANKS).lower()


def text_column(delivered: str) -> str:
    """The column that holds a contract column's text as delivered."""
    return f"text_{delivered}"


def match_columns(
    columns: Sequence[WantedColumn], name: str, found: Sequence[str]
) -> tuple[Header, list[str]]:
    """Match the columns of a file with the contract.

    Args:
        columns: The contract's columns.
        name: The file's name, for messages.
        found: The file's columns, in its order.

    Returns:
        All columns found beside their text columns, and the unknown ones that have a name.

    Raises:
        LandingError: A required column is missing, a contract column is there twice, or there are
            too many.
    """
    if len(found) > _MOST_COLUMNS:
        raise LandingError(
            f"{name} has {len(found):,} columns, more than {_MOST_COLUMNS:,}. Columns found: "
            f"{_listed(found)}. Deliver fewer of them."
        )
    known = {column.delivered for column in columns}
    header: list[tuple[str, str]] = []
    unknown: list[str] = []
    taken: set[str] = set()
    for place, column in enumerate(found):
        key = matched(column)
        if key not in known:
            if key:
                unknown.append(column)
            header.append((f"extra_{place}", column))
        elif key in taken:
            raise LandingError(f"{name} has the column {key} twice. Remove one of them.")
        else:
            taken.add(key)
            header.append((text_column(key), column))
    missing = [
        column.delivered
        for column in columns
        if column.is_required and column.delivered not in taken
    ]
    if missing:
        raise LandingError(
            f"{name} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}. "
            f"Columns found: {_listed(found)}. Deliver the file with its header line."
        )
    return tuple(header), unknown


def _listed(found: Sequence[str]) -> str:
    shown = ", ".join(column.strip(BLANKS)[:40] for column in found[:20])
    return (shown or "none") + ", ..." * (len(found) > 20)


def read_csv_header(columns: Sequence[WantedColumn], name: str, path: Path) -> CsvHeader:
    """Find the header, which is the first line that is not blank and no `sep=` hint.

    Raises:
        LandingError: There is none, or its line is too long or ends in a carriage return.
    """
    with path.open("rb") as file:
        lines = 0
        hint: str | None = None
        has_begun = False
        while line := file.readline(_HEADER_BYTES):
            start = file.tell() - len(line)
            lines += 1
            text = line.decode("utf-8", errors="replace").rstrip("\r\n")
            if not text.strip(BLANKS):
                continue
            _check_line(name, lines, line, text)
            found = None if has_begun else _HINT.fullmatch(text.strip("\ufeff"))
            has_begun = True
            if found is not None and found[1] not in '"\\=_' and not found[1].isalnum():
                hint = found[1]
                continue
            return _split_header(columns, hint, lines - 1, start, line + file.read(_HEADER_BYTES))
    raise LandingError(
        f"{name} is empty: it has not even a header line. Deliver it again; a day without rows "
        f"still has the header."
    )


def _check_line(name: str, number: int, line: bytes, text: str) -> None:
    if "\r" in text:
        raise LandingError(
            f"{name}, line {number}: a carriage return stands alone. Deliver lines that end in "
            f"a line feed (\\n or \\r\\n)."
        )
    if len(line) == _HEADER_BYTES:
        raise LandingError(
            f"{name}, line {number}: longer than {_HEADER_BYTES:,} bytes, so it is no "
            f"header. Columns found: {text[:60]}... Deliver the file with its header line."
        )


def _split_header(
    columns: Sequence[WantedColumn], hint: str | None, before: int, start: int, data: bytes
) -> CsvHeader:
    """Split by the hint, or else by the first separator that gives all required columns."""
    required = {column.delivered for column in columns if column.is_required}
    readings = [_split_by(separator, data) for separator in ([hint] if hint else _SEPARATORS)]
    separator, names, length = next(
        (reading for reading in readings if required <= {matched(name) for name in reading[1]}),
        readings[0],
    )
    lines = before + max(1, data.count(b"\n", 0, length))
    return CsvHeader(names, separator, lines, start + length)


def _split_by(separator: str, data: bytes) -> tuple[str, tuple[str, ...], int]:
    # A mark at the beginning of a file is none of the first name's text, so a quote may follow.
    mark = 0
    while data.startswith(codecs.BOM_UTF8, mark):
        mark += len(codecs.BOM_UTF8)
    split = RecordReader(separator).split(data[mark:])
    if split is None:
        line = data.partition(b"\n")[0]
        names = line.decode("utf-8", errors="replace").rstrip("\r").split(separator)
        return separator, tuple(name.strip('"' + BLANKS) for name in names), len(line) + 1
    fields, end = split
    return separator, tuple(f.decode("utf-8", errors="replace") for f in fields), mark + end
