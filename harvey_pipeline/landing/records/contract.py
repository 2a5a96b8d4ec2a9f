"""What is asked of a landing file, what comes of it, and the error where nothing can."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

import polars as pl

BLANKS: Final = " \t\u00a0\ufeff"
"""What is blank in names and values: space, tab, no-break blank, byte-order mark."""

Fault = Literal["wrong_field_count", "not_an_object"]
"""Why the fields of a record cannot be told apart."""


class LandingError(Exception):
    """A landing file that cannot be read: the message names file, reason and what to do."""


class WantedColumn(Protocol):
    """A column that a source's contract knows.

    `delivered`: its name in the files, in lower case.
    `is_required`: whether a header must have it.
    `holds`: what its text is: an id is written as digits where a file has whole numbers of a
    floating-point type, and is missing where a file has an object or array.
    """

    @property
    def delivered(self) -> str: ...

    @property
    def is_required(self) -> bool: ...

    @property
    def holds(self) -> Literal["text", "id", "json"]: ...


@dataclass(frozen=True)
class Delivery:
    """One opened file: its header and its records as text.

    `name`: the file's name, for messages.
    `header`: for each field, in the order of the file, its text column and its name as delivered.
    The text column of a contract column is `text_<name>`, that of another `extra_<place>`; where a
    file's unknown columns are not read (Parquet, JSON lines) only contract columns are listed.
    `unknown_columns`: names that the contract does not know; of JSON lines the first 1,000, and
    complete only once the records were read.
    `records`: may be collected more than once, for as long as the file is open. Columns:
    `line_number` (Int64; of the record's first line, the file's first being 1; row number in
    Parquet), `line` (String; the record as delivered where `fault` is set, otherwise it may be
    null), `fault` (String; null, or a `Fault`, and then all fields are null) and one String column
    per field. A field that a record lacks is null, and so is an empty one of a CSV file.
    `nested`: text columns of ids, and beside each the column of `records` with the JSON text of
    an object or array that stands in its place.
    """

    name: str
    header: tuple[tuple[str, str], ...]
    unknown_columns: list[str]
    records: pl.LazyFrame
    nested: Mapping[str, str] = field(default_factory=dict)


def nested_column(text: str) -> str:
    """The name of the column of objects and arrays in place of an id's text."""
    return f"nested_{text}"


def record_schema(columns: list[str]) -> dict[str, pl.DataType]:
    """The schema of `Delivery.records` with these text columns."""
    return {
        "line_number": pl.Int64(),
        "line": pl.String(),
        "fault": pl.String(),
    } | {column: pl.String() for column in columns}
