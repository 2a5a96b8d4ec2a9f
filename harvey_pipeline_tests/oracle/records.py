"""Section 1, files: CSV, JSON lines and Parquet to records of text."""

import gzip
import json
import struct
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from harvey_pipeline_tests.oracle.sources import Field, Source
from harvey_pipeline_tests.oracle.values import BLANKS, as_json, trimmed

FILE_SUFFIXES = (".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".parquet")
SEPARATORS = (",", ";", "\t", "|")


@dataclass(frozen=True)
class Record:
    """One record of a file: the texts of the contract's columns, None where one is missing.

    `shown` makes the text that quarantine keeps. `fault` is why the record has no fields.
    """

    line_number: int
    shown: Callable[[], str]
    values: dict[str, str | None]
    fault: str | None = None


def column_name(text: str) -> str:
    """Column names match whatever their case and surrounding blanks."""
    return trimmed(text).lower()


def suffix_of(name: str) -> str | None:
    """The form that a file's name gives, whatever its case; None for other files."""
    return next((suffix for suffix in FILE_SUFFIXES if name.lower().endswith(suffix)), None)


def read_records(source: Source, path: Path) -> list[Record]:
    """The records of one file."""
    suffix = suffix_of(path.name)
    if suffix == ".parquet":
        return read_parquet(source, path)
    content = path.read_bytes()
    text = read_text(
        path, gzip.decompress(content) if suffix in (".csv.gz", ".jsonl.gz") else content
    )
    if suffix in (".jsonl", ".jsonl.gz"):
        return list(json_records(source, text))
    return list(csv_records(source, path, text))


def read_text(path: Path, content: bytes) -> str:
    """Files are UTF-8, with or without byte-order marks."""
    text = content.decode("utf-8").lstrip("\ufeff")
    if "\0" in text:
        raise ValueError(f"{path}: NUL bytes")
    if "\r" in text.removesuffix("\r") and "\n" not in text:
        raise ValueError(f"{path}: carriage returns alone end its lines")
    return text


def column_places(source: Source, path: Path, header: Sequence[str]) -> dict[str, int]:
    """Where the contract's columns stand in a header; a required one must be there, once."""
    names = [column_name(each) for each in header]
    for column in source.columns:
        found = names.count(column)
        if found > 1 or (not found and column in source.required_columns):
            raise ValueError(f"{path}: {found} columns {column!r} in {list(header)}")
    return {column: names.index(column) for column in source.columns if column in names}


# --- CSV ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reading:
    """The fields of a record, and where in the text the next one begins."""

    fields: list[str]
    end: int


def read_fields(text: str, start: int, separator: str, has_escapes: bool) -> Reading | None:
    """The record at `start` by RFC 4180, perhaps with a backslash before a quote as its escape.

    None where a quote is not closed, or something else than blanks follows the closing one.
    """
    fields: list[str] = []
    place = start
    while True:
        if text[place : place + 1] == '"':
            closed = read_quoted(text, place, has_escapes)
            if closed is None:
                return None
            field, place = closed
            while place < len(text) and text[place] in BLANKS and text[place] != separator:
                place += 1
        else:
            field, place = read_plain(text, place, separator)
        fields.append(field)
        if text.startswith(separator, place):
            place += 1
        elif place == len(text):
            return Reading(fields, place)
        elif text.startswith("\n", place):
            return Reading(fields, place + 1)
        elif text.startswith("\r\n", place):
            return Reading(fields, place + 2)
        elif text[place:] == "\r":
            return Reading(fields, place + 1)
        else:
            return None


def read_plain(text: str, start: int, separator: str) -> tuple[str, int]:
    """A field without quotes around it, up to the separator or the line's end."""
    place = start
    while place < len(text) and text[place] not in (separator, "\n"):
        place += 1
    is_line_end = not text.startswith(separator, place)
    if is_line_end and place > start and text[place - 1] == "\r":
        place -= 1
    return text[start:place], place


def read_quoted(text: str, start: int, has_escapes: bool) -> tuple[str, int] | None:
    """A field in quotes, and where it ends; None where it has no closing quote."""
    field: list[str] = []
    place = start + 1
    while place < len(text):
        pair = text[place : place + 2]
        if pair == '""' or (has_escapes and pair == '\\"'):
            field.append('"')
            place += 2
        elif text[place] == '"':
            return "".join(field), place + 1
        else:
            field.append(text[place])
            place += 1
    return None


def fits(fields: Sequence[str], width: int) -> bool:
    """Whether there are as many fields as wanted, or more with blank ones beyond."""
    return len(fields) >= width and not any(trimmed(field) for field in fields[width:])


def line_end(text: str, start: int) -> int:
    """Where the line after the one at `start` begins."""
    found = text.find("\n", start)
    return len(text) if found < 0 else found + 1


def without_line_end(text: str) -> str:
    """A line or lines without the end of the last one."""
    return text.removesuffix("\n").removesuffix("\r")


def read_csv_record(
    text: str, start: int, separator: str, width: int
) -> tuple[list[str] | None, int]:
    """The fields of the record at `start`, None where they cannot be told apart, and its end."""
    plain = read_fields(text, start, separator, has_escapes=False)
    if plain is not None and fits(plain.fields, width):
        return plain.fields[:width], plain.end
    if plain is None or '"' in text[start : plain.end]:
        escaped = read_fields(text, start, separator, has_escapes=True)
        if escaped is not None and fits(escaped.fields, width):
            return escaped.fields[:width], escaped.end
    if plain is None:
        return None, line_end(text, start)
    is_blank = not any(trimmed(field) for field in plain.fields)
    return (plain.fields if len(plain.fields) < width or is_blank else None), plain.end


def read_header(text: str, start: int, separator: str) -> Reading:
    """The first record that is not blank; no fields where there is none."""
    place = start
    while place < len(text):
        reading = read_fields(text, place, separator, has_escapes=False) or read_fields(
            text, place, separator, has_escapes=True
        )
        if reading is None:
            return Reading([without_line_end(text[place : line_end(text, place)])], len(text))
        if any(trimmed(field) for field in reading.fields):
            return reading
        place = reading.end
    return Reading([], place)


def choose_separator(source: Source, text: str) -> tuple[str, int]:
    """The separator, and where the header may begin: a first line `sep=X` names it.

    Else it is the first under which the header has all required columns, or else a comma.
    """
    first = without_line_end(text[: line_end(text, 0)])
    if len(first) == 5 and first[:4].lower() == "sep=":
        return first[4], line_end(text, 0)
    for separator in SEPARATORS:
        names = {column_name(each) for each in read_header(text, 0, separator).fields}
        if names.issuperset(source.required_columns):
            return separator, 0
    return ",", 0


def csv_records(source: Source, path: Path, text: str) -> Iterator[Record]:
    """The records of a CSV file; a record of blank fields is none."""
    separator, start = choose_separator(source, text)
    heading = read_header(text, start, separator)
    header = heading.fields
    places = column_places(source, path, header)
    start = heading.end
    line_number = 1 + text.count("\n", 0, start)
    while start < len(text):
        fields, end = read_csv_record(text, start, separator, len(header))
        if fields is None:
            raw = without_line_end(text[start:end])
            yield Record(line_number, partial(str, raw), {}, "wrong_field_count")
        elif any(trimmed(field) for field in fields):
            padded = [*fields, *[None] * (len(header) - len(fields))]
            shown = dict(zip(header, padded, strict=True))
            values = {column: padded[place] for column, place in places.items()}
            yield Record(line_number, partial(as_json, shown), values)
        line_number += text.count("\n", start, end)
        start = end


# --- JSON lines -----------------------------------------------------------------------------


def refuse_constant(name: str) -> None:
    """`NaN` and `Infinity` are not JSON."""
    raise ValueError(f"{name} is not JSON")


DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=refuse_constant)
JSON_BLANKS = " \t\r\n"


def read_object(line: str) -> list[tuple[str, str | None, bool]] | None:
    """The members of a line's object; None where the line is no object.

    A member is its key, its text, and whether it is an object or an array. Text is a string's
    content, and of every other value what stands in the file; null has none.
    """
    try:
        if not isinstance(DECODER.decode(line), dict):
            return None
    except (ValueError, RecursionError):
        return None

    def skip(place: int) -> int:
        while line[place] in JSON_BLANKS:
            place += 1
        return place

    members: list[tuple[str, str | None, bool]] = []
    place = skip(skip(0) + 1)
    while line[place] != "}":
        key, place = DECODER.raw_decode(line, place)
        start = skip(skip(place) + 1)
        value, place = DECODER.raw_decode(line, start)
        is_text = isinstance(value, str) and line[start] == '"'
        text = None if value is None else str(value) if is_text else line[start:place]
        members.append((key, text, isinstance(value, dict | list)))
        place = skip(place)
        if line[place] == ",":
            place = skip(place + 1)
    return members


def json_records(source: Source, text: str) -> Iterator[Record]:
    """One object a line; of two keys that match one column the last counts."""
    for line_number, ended in enumerate(text.split("\n"), start=1):
        line = ended.removesuffix("\r")
        if not trimmed(line):
            continue
        members = read_object(trimmed(line))
        if members is None:
            yield Record(line_number, partial(str, line), {}, "not_an_object")
            continue
        shown: dict[str, str | None] = dict.fromkeys(source.columns)
        values: dict[str, str | None] = dict.fromkeys(source.columns)
        for key, content, is_nested in members:
            column = column_name(key)
            if column in source.columns:
                is_value = not is_nested or source.field(column).takes_nested
                shown[column] = content
                values[column] = content if is_value else None
        yield Record(line_number, partial(as_json, shown), values)


# --- Parquet --------------------------------------------------------------------------------


def read_parquet(source: Source, path: Path) -> list[Record]:
    """A row's line number is its number; columns that the contract does not have stay unread."""
    file = pq.ParquetFile(path)
    header = file.schema_arrow.names
    places = column_places(source, path, header)
    table = file.read(columns=[header[place] for place in places.values()])
    texts = {
        column: texts_of(table.column(header[place]), source.field(column))
        for column, place in places.items()
    }
    records = []
    for index in range(table.num_rows):
        values = {column: texts[column][index] for column in places}
        shown = {header[place]: values[column] for column, place in places.items()}
        records.append(Record(index + 1, partial(as_json, shown), values))
    return records


def texts_of(column: Any, field: Field) -> list[str | None]:
    """The texts of a Parquet column's values."""
    kind = str(column.type)
    if kind.startswith("timestamp["):
        unit = kind.removeprefix("timestamp[").split("]")[0].split(",")[0]
        return [timestamp_text(each, unit) for each in column.cast("int64").to_pylist()]
    is_single = kind == "float"
    return [text_of(each, field, is_single) for each in column.to_pylist()]


def timestamp_text(count: int | None, unit: str) -> str | None:
    """A moment, counted from 1970 in some unit, in UTC; what a microsecond does not hold is cut."""
    if count is None:
        return None
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    seconds, rest = divmod(count, per_second)
    try:
        moment = datetime(1970, 1, 1) + timedelta(
            seconds=seconds, microseconds=rest * 10**6 // per_second
        )
    except OverflowError:
        return str(count)
    return moment.isoformat(sep=" ", timespec="microseconds")


def text_of(value: Any, field: Field, is_single: bool) -> str | None:
    """A Parquet value as text; as an id a whole number is its digits, whatever its type."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return None
    if isinstance(value, float):
        value = float_text(value, is_single)
        if not isinstance(value, Decimal):
            return str(value)
    if isinstance(value, Decimal):
        if field.is_id and value == value.to_integral_value():
            return str(int(value))
        return format(value, "f")
    if isinstance(value, int | date | uuid.UUID):
        return str(value)
    return json.dumps(value, default=str) if field.takes_nested else None


def float_text(value: float, is_single: bool) -> Decimal | str:
    """The shortest decimal number that a floating-point value stands for."""
    if value != value or value in (float("inf"), float("-inf")):
        return "NaN" if value != value else str(value)
    if not is_single:
        return Decimal(repr(value))
    texts = (f"{value:.{digits}g}" for digits in range(1, 10))
    return Decimal(
        next(each for each in texts if struct.pack("f", float(each)) == struct.pack("f", value))
    )
