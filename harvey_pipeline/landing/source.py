"""What a source is: declared once by its subject, read by everything that lands, checks and tells.

From a `Source` come the check of headers, typing and judging, the reasons in quarantine, the raw
table, the raw asset, the delivery checks and the contract on the reference page.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any, Final, Literal

import dataframely as dy
import polars as pl

from harvey_pipeline.landing.readers import TIMESTAMP, Reader
from harvey_pipeline.warehouse import columns as c
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.table import Table

Kind = Literal["snapshot", "events", "changes"]
"""What a drop is: all there are on that day, what happened, or what was created or changed."""

Consequence = Literal["reject", "repair", "keep"]
"""What a field that is missing or unusable does to its record.

The record is rejected, accepted without the field and kept in quarantine as repaired, or accepted
without a finding.
"""

WRONG_FIELD_COUNT: Final = "wrong_field_count"
NOT_AN_OBJECT: Final = "not_an_object"
CREATED_AFTER_DROP: Final = "created_after_drop"
BEFORE_START_DATE: Final = "before_start_date"
TOO_LATE: Final = "too_late"
COVERED_BY_BULK: Final = "covered_by_bulk"
SUPERSEDED: Final = "superseded"
DUPLICATE_EVENT_ID: Final = "duplicate_event_id"

EVENT_DATE: Final = "event_date"
"""Column of the raw tables of events and changes: the date of the source's timestamp."""


@dataclass(frozen=True)
class Column:
    """One column of a source.

    `delivered` is its name in the files, in lower case, `name` the one in the raw table. `fault`
    is the noun in its reasons: `missing_<fault>`, `unreadable_<fault>`. `description` is the
    meaning of its values.
    """

    delivered: str
    name: str
    reader: Reader
    description: str
    fault: str
    missing: Consequence = "reject"
    unusable: Consequence = "reject"
    is_required: bool = True
    """Whether the header must have it."""
    follows: str | None = None
    """Column (by its name in the raw table) of the moment that this one cannot come before.

    Neither can it come after the day of its drop; where it does, it is null, and repaired.
    """
    words: tuple[str, ...] = ()
    """Words that have a meaning in what is computed of it; others may stand in it too."""

    @property
    def holds(self) -> Literal["text", "id", "json"]:
        return self.reader.holds

    @property
    def missing_reason(self) -> str:
        return f"missing_{self.fault}"

    @property
    def unusable_reason(self) -> str:
        return f"{self.reader.fault}_{self.fault}"

    @property
    def misdated_reasons(self) -> tuple[str, str] | None:
        """Reasons that a moment comes before the one that it follows, and after its drop."""
        if self.follows is None:
            return None
        noun, other = self.name.removesuffix("_at"), self.follows.removesuffix("_at")
        return f"{noun}_before_{other}", f"{noun}_after_drop"

    @property
    def can_be_unusable(self) -> bool:
        """Whether there is text that this column does not take."""
        return self.reader.dtype != pl.String() or self.holds == "json"

    @property
    def is_needed(self) -> bool:
        """Whether a null in it speaks against its record, at least as a repair."""
        return self.missing != "keep" or (self.can_be_unusable and self.unusable != "keep")

    @property
    def is_nullable(self) -> bool:
        """Whether an accepted record may lack it."""
        if self.reader.default is not None:
            return False
        return not (
            self.missing == "reject" and (self.unusable == "reject" or not self.can_be_unusable)
        )


@dataclass(frozen=True)
class Source:
    """One source of the landing folder.

    Args:
        name: The name of its folder, of its bulk export and, after `raw.raw_`, of its table.
        kind: What a drop of it is.
        columns: Its columns, in the order of the raw table.
        key: Columns (by their names in the raw table) that tell its records apart: of a snapshot
            the natural key, of events the id, where one is delivered, of changes the id.
        at: The column that says when a record was created or happened; None where a snapshot has
            none.
        late_days: How many days before its drop's day a record of events or changes may be dated.
        row: What a record stands for, as in "One row per ...".
        is_optional: Whether a landing folder may lack it altogether.
        persons: Columns that hold a person's id: the first one that of the person whose record it
            is, who takes it along when erased; further ones are blank then.
    """

    name: str
    kind: Kind
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    at: str | None
    row: str
    late_days: int = 0
    is_optional: bool = True
    persons: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a declaration that contradicts itself."""
        names = {column.name for column in self.columns}
        keys = names | {EVENT_DATE}
        if not self.key:
            raise ValueError(f"{self.name}: has no key")
        if not set(self.key) <= keys or (self.at is not None and self.at not in names):
            raise ValueError(f"{self.name}: key {self.key} or time {self.at} is no column of it")
        if self.kind != "snapshot" and self.at is None:
            raise ValueError(f"{self.name}: {self.kind} need a column that says when")
        if self.at is not None and self.column(self.at).reader is not TIMESTAMP:
            raise ValueError(f"{self.name}: {self.at} is no timestamp")
        if not set(self.persons) <= names:
            raise ValueError(f"{self.name}: of {self.persons} some are no columns of it")

    @property
    def is_snapshot(self) -> bool:
        return self.kind == "snapshot"

    def column(self, name: str) -> Column:
        """A column by its name in the raw table."""
        return next(column for column in self.columns if column.name == name)

    @cached_property
    def delivered_columns(self) -> tuple[Column, ...]:
        """One column for each that is delivered: of some, more than one thing is stored."""
        return tuple({column.delivered: column for column in reversed(self.columns)}.values())[::-1]

    @cached_property
    def key_columns(self) -> tuple[Column, ...]:
        """The columns of the key that are delivered."""
        return tuple(self.column(name) for name in self.key if name != EVENT_DATE)

    @cached_property
    def key_names(self) -> tuple[str, ...]:
        """The names of `key_columns`."""
        return tuple(column.name for column in self.key_columns)

    @cached_property
    def required_columns(self) -> tuple[str, ...]:
        return tuple(column.delivered for column in self.delivered_columns if column.is_required)

    @property
    def repeat_reason(self) -> str:
        """Why one of two records with the same key in one drop is rejected."""
        return DUPLICATE_EVENT_ID if self.kind == "events" else SUPERSEDED

    @cached_property
    def reasons(self) -> tuple[str, ...]:
        """Every reason that its records may be quarantined for, in the order a record lists them.

        First whether fields can be told apart, then who, when, what, and repairs last.
        """
        who, when, what, repaired = [], [], [], []
        for column in self.columns:
            for reason, consequence in _reasons_of(column).items():
                if consequence == "repair":
                    repaired.append(reason)
                elif column.name == self.at:
                    when.append(reason)
                elif column.holds == "id":
                    who.append(reason)
                else:
                    what.append(reason)
        dating = [CREATED_AFTER_DROP] if self.at is not None else []
        if not self.is_snapshot:
            dating += [BEFORE_START_DATE, TOO_LATE]
        if self.kind == "events":
            dating.append(COVERED_BY_BULK)
        structure = (WRONG_FIELD_COUNT, NOT_AN_OBJECT)
        return (*structure, *who, *when, *dating, *what, self.repeat_reason, *repaired)

    @cached_property
    def repairs(self) -> tuple[str, ...]:
        """Reasons that speak against one field only: the record is accepted without it."""
        return tuple(
            reason
            for column in self.columns
            for reason, consequence in _reasons_of(column).items()
            if consequence == "repair"
        )

    @cached_property
    def missing_key_reasons(self) -> tuple[str, ...]:
        """Reasons that say that a record lacks an identifier."""
        return tuple(
            column.missing_reason
            for column in self.columns
            if column.holds == "id" and column.missing == "reject"
        )

    @cached_property
    def declaration(self) -> str:
        """All that decides how a record is read, as text: what was parsed by it stays known."""
        columns = [
            (
                column.delivered,
                column.name,
                column.reader.means,
                str(column.reader.dtype),
                column.fault,
                column.missing,
                column.unusable,
                column.is_required,
            )
            for column in self.columns
        ]
        follows = [(column.name, column.follows) for column in self.columns if column.follows]
        said = (self.name, self.kind, self.key, self.at, self.late_days, columns, *follows)
        return repr((*said, self.persons))

    @cached_property
    def table(self) -> Table:
        """The raw table: accepted records, by the day of the drop."""
        return Table(f"raw.raw_{self.name}", _schema_of(self), "drop_date", persons=self.persons)


def drops_of(source: Source, days: DayRange) -> DayRange:
    """The drops that may hold records of events or changes dated on some days."""
    return DayRange(days.first, days.last + timedelta(days=source.late_days))


def _reasons_of(column: Column) -> dict[str, Consequence]:
    """The findings that a column may give, each with what follows from it."""
    found: dict[str, Consequence] = {}
    if column.missing != "keep":
        found[column.missing_reason] = column.missing
    if column.can_be_unusable and column.unusable != "keep":
        found[column.unusable_reason] = column.unusable
    found |= dict.fromkeys(column.misdated_reasons or (), "repair")
    return found


def _schema_of(source: Source) -> type[dy.Schema]:
    """The raw table's schema: the drop, the record's place in its file, the typed columns."""
    columns: dict[str, dy.Column] = {
        column.name: column.reader.column(
            column.description,
            column.is_nullable,
            source.is_snapshot and column.name in source.key,
        )
        for column in source.columns
    }
    day = c.day(
        "Day whose snapshot shows the record."
        if source.is_snapshot
        else "Day whose drop delivered the record.",
        key=True,
    )
    line = dy.Int64(
        min=1,
        nullable=False,
        primary_key=not source.is_snapshot,
        description="Line of the record in its drop (Parquet: row number; counted on over parts).",
    )
    fields: dict[str, Any] = {"drop_date": day}
    if source.is_snapshot:
        fields |= {name: columns.pop(name) for name in source.key}
    fields["line_number"] = line
    for name, column in columns.items():
        fields[name] = column
        if name == source.at and not source.is_snapshot:
            fields[EVENT_DATE] = c.day(f"Date of `{name}`, UTC.")
    if not source.is_snapshot:
        fields["event_not_after_drop"] = dy.rule()(_is_not_after_drop)
    key = ", ".join(f"`{name}`" for name in ("drop_date", *source.key))
    fields["__doc__"] = (
        f"One row per ({key}): {source.row} in each day's snapshot, accepted rows only."
        if source.is_snapshot
        else f"One row per (`drop_date`, `line_number`): {source.row}, accepted records only."
    )
    return type(f"Raw{source.name.title().replace('_', '')}", (dy.Schema,), fields)


def _is_not_after_drop(cls: type[dy.Schema]) -> pl.Expr:  # noqa: ARG001  (given by position)
    """No record is dated after its drop."""
    return pl.col(EVENT_DATE) <= pl.col("drop_date")


def raw_tables(sources: tuple[Source, ...]) -> Mapping[str, Table]:
    """The raw tables of some sources, by name."""
    return {source.table.name: source.table for source in sources}
