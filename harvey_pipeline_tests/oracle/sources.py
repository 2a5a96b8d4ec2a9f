"""How a subject's reference says what it reads: sources and their columns."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any, Literal

from harvey_pipeline_tests.oracle.values import TableRow

Consequence = Literal["reject", "repair", "keep"]


@dataclass(frozen=True)
class Field:
    """One column of a source.

    Args:
        column: Its name in the files.
        name: Its name in the tables.
        read: Makes its value of a text, None where the text is no such value.
        missing: What it means that there is no text.
        unreadable: What it means that the text is no such value.
        noun: How its reasons name it; by its name in the files unless told otherwise.
        unreadable_as: The reason where the text is no such value.
        default: Its value where there is no text.
        is_required: Whether the header must have it.
        is_id: Whether a whole number is its digits, whatever its type in Parquet.
        is_verbatim: Whether blanks around it are part of it.
        takes_nested: Whether an object or an array is its text, and not missing.
    """

    column: str
    name: str
    read: Callable[[str], Any]
    missing: Consequence = "keep"
    unreadable: Consequence = "reject"
    noun: str = ""
    unreadable_as: str = ""
    default: Any = None
    is_required: bool = True
    is_id: bool = False
    is_verbatim: bool = False
    takes_nested: bool = True

    @property
    def missing_reason(self) -> str:
        return f"missing_{self.noun or self.column}"

    @property
    def unreadable_reason(self) -> str:
        return self.unreadable_as or f"unreadable_{self.noun or self.column}"


@dataclass(frozen=True)
class Source:
    """A source of the landing folder.

    Args:
        name: Its folder's and its bulk export's.
        kind: What a drop of it is.
        fields: Its columns, in the order in which a record lists its reasons.
        key: Names of the columns that tell its records apart.
        at: Name of the column that says when; None where a snapshot has none.
        late_days: By how many days a record may come late.
        settle: What holds between values: mends them, given the row's moment and its drop's day
            (None in a bulk export), and returns the reasons of these repairs.
    """

    name: str
    kind: Literal["snapshot", "events", "changes"]
    fields: tuple[Field, ...]
    key: tuple[str, ...]
    at: str | None
    late_days: int = 0
    settle: Callable[[TableRow, datetime | None, date | None], list[str]] | None = None

    @property
    def is_snapshot(self) -> bool:
        return self.kind == "snapshot"

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """All columns of the contract, by their names in the files."""
        return tuple(field.column for field in self.fields)

    @cached_property
    def required_columns(self) -> tuple[str, ...]:
        return tuple(field.column for field in self.fields if field.is_required)

    def field(self, column: str) -> Field:
        """A column by its name in the files."""
        return next(field for field in self.fields if field.column == column)
