"""Section 1, rows and days: what the contract makes of records, and what it keeps of them."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

from harvey_pipeline_tests.oracle.records import FILE_SUFFIXES, Record, read_records
from harvey_pipeline_tests.oracle.sources import Source
from harvey_pipeline_tests.oracle.values import TableRow, read_value

DROPS_COMPARED = 7
FEWEST_ROWS_JUDGED = 10

Key: TypeAlias = Any
"""What tells rows apart: a text, or a tuple of texts where the key has several columns."""


# --- Records to rows ------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """A record as its source's contract reads it.

    `reasons_before` and `reasons_after` stand around those that depend on the drop's day;
    `repairs` is what is wrong with an optional value.
    """

    line_number: int
    record: Callable[[], str]
    key: Key | None
    created_at: datetime | None
    values: TableRow
    reasons_before: list[str]
    reasons_after: list[str]
    repairs: list[str]

    @property
    def is_acceptable(self) -> bool:
        """Whether no rule rejects the row for what it says, whatever the day."""
        return not self.reasons_before and not self.reasons_after


def read_row(source: Source, record: Record, drop_day: date | None) -> Row:
    """One record under the landing contract, but for whether it fits the drop's day.

    `drop_day` is None in a bulk export.
    """
    if record.fault is not None:
        return Row(record.line_number, record.shown, None, None, {}, [record.fault], [], [])
    about: dict[str, list[str]] = {"who": [], "when": [], "what": [], "repair": []}
    values: TableRow = {}
    for field in source.fields:
        text = read_value(record.values.get(field.column), field.is_verbatim)
        value = field.read(text) if text else field.default
        values[field.name] = value
        consequence = field.unreadable if text else field.missing
        if consequence == "keep" or (text and value is not None):
            continue
        reason = field.unreadable_reason if text else field.missing_reason
        topic = "when" if field.name == source.at else "who" if field.is_id else "what"
        about["repair" if consequence == "repair" else topic].append(reason)
    created_at = values.get(source.at) if source.at else None
    if source.settle is not None:
        about["repair"] += source.settle(values, created_at, drop_day)
    return Row(
        record.line_number,
        record.shown,
        key_of(source, values),
        created_at,
        values,
        about["who"] + about["when"],
        about["what"],
        about["repair"],
    )


def key_of(source: Source, values: TableRow) -> Key | None:
    """What tells a row from others; None where a part of it cannot be read."""
    parts = [values[name] for name in source.key]
    if None in parts:
        return None
    return parts[0] if len(parts) == 1 else tuple(parts)


# --- The landing folder ---------------------------------------------------------------------


@dataclass(frozen=True)
class Slice:
    """What one source shows on one day."""

    form: str
    file: str | None
    rows: list[Row]


def drop_day(path: Path, suffixes: Sequence[str] = FILE_SUFFIXES) -> date | None:
    """The day that a file's name gives, `<YYYY-MM-DD>` with a suffix; None for other files."""
    name = path.name.lower()
    for suffix in suffixes:
        stem = name.removesuffix(suffix)
        if stem != name and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", stem):
            try:
                return date.fromisoformat(stem)
            except ValueError:
                return None
    return None


class Landing:
    """The landing folder's drops and bulk exports, found whatever the case of their names.

    Two files for one source and day, or two bulk files of one source, are an error.
    """

    def __init__(self, root: Path, start_date: date, sources: Sequence[Source]) -> None:
        self.root = root
        self.start_date = start_date
        self.sources = {source.name: source for source in sources}
        self.bulk: dict[str, Path] = {}
        self.drops: dict[str, dict[date, Path]] = {name: {} for name in self.sources}
        self.accepted_bulk: set[str] = set()
        self.accepted_drops: set[tuple[str, date]] = set()
        self._rows: dict[Path, list[Row]] = {}
        for path in sorted(root.glob("*")):
            name = path.name.lower()
            if path.is_dir() and name in self.sources:
                for inner in sorted(path.glob("*")):
                    self._find_drop(name, inner)
            elif path.is_file():
                self._find_bulk(path)

    def _find_bulk(self, path: Path) -> None:
        """A file directly in the folder: a bulk export, or what lets it through."""
        name, _, ending = path.name.lower().partition(".")
        if name in self.sources and f".{ending}" in FILE_SUFFIXES:
            if name in self.bulk:
                raise ValueError(f"two bulk files: {self.bulk[name]} and {path}")
            self.bulk[name] = path
        elif name in self.sources and ending == "accept":
            self.accepted_bulk.add(name)

    def _find_drop(self, name: str, path: Path) -> None:
        """A file in a source's folder: a drop, or what lets it through."""
        day = drop_day(path)
        if day is not None and path.is_file():
            if day in self.drops[name]:
                raise ValueError(f"two drops: {self.drops[name][day]} and {path}")
            self.drops[name][day] = path
        accepted = drop_day(path, [".accept"])
        if accepted is not None:
            self.accepted_drops.add((name, accepted))

    def rows(self, source: Source, path: Path, day: date | None) -> list[Row]:
        """The rows of one file, of a drop's day or (None) a bulk export."""
        if path not in self._rows:
            records = read_records(source, path)
            self._rows[path] = [read_row(source, each, day) for each in records]
        return self._rows[path]

    def drop_rows(self, source: Source, day: date) -> list[Row]:
        """The rows of the drop of a day that has one."""
        return self.rows(source, self.drops[source.name][day], day)

    def bulk_rows(self, source: Source) -> list[Row]:
        """The rows of the source's bulk export, none if there is no such file."""
        path = self.bulk.get(source.name)
        return self.rows(source, path, None) if path is not None else []

    def name(self, path: Path) -> str:
        """The file relative to the landing folder."""
        return path.relative_to(self.root).as_posix()

    def bulk_stands_in(self, source: Source, day: date) -> bool:
        """Whether a day shows the bulk export, usable or not: it has no drop of its own.

        If the source is no snapshot, the day lies between the export's first and last readable
        date besides.
        """
        if source.name not in self.bulk or day in self.drops[source.name]:
            return False
        if source.is_snapshot:
            return True
        dates = [row.created_at.date() for row in self.bulk_rows(source) if row.created_at]
        return bool(dates) and self.start_date <= day and min(dates) <= day <= max(dates)

    def bulk_covers(self, source: Source, day: date) -> bool:
        """Whether what happened on a day is what a bulk export says, and that is usable."""
        return self.bulk_stands_in(source, day) and not self.is_bulk_unusable(source)

    def day_slice(self, source: Source, day: date) -> Slice:
        """A day shows its drop, else what the bulk export holds for it, else nothing."""
        if day in self.drops[source.name]:
            path = self.drops[source.name][day]
            return Slice("drop", self.name(path), self.drop_rows(source, day))
        if not self.bulk_stands_in(source, day):
            return Slice("none", None, [])
        shown = []
        for row in self.bulk_rows(source):
            created = row.created_at.date() if row.created_at is not None else None
            is_before = created is not None and source.is_snapshot and created < day
            if source.at is None or created == day or is_before:
                shown.append(row)
        return Slice("bulk", self.name(self.bulk[source.name]), shown)

    def is_bulk_unusable(self, source: Source) -> bool:
        """Whether fewer than half of a bulk export's rows are accepted, of all that it has.

        Accepted are those that no rule of their own rejects: of a snapshot one per key, of others
        one per key and date; events without an id are all their own.
        """
        if source.name in self.accepted_bulk:
            return False
        rows = self.bulk_rows(source)
        told_apart: set[tuple[Key, date]] = set()
        without_id = 0
        for row in rows:
            if not row.is_acceptable:
                continue
            if row.key is None:
                without_id += 1
            elif source.is_snapshot:
                told_apart.add((row.key, date.min))
            else:
                assert row.created_at is not None
                told_apart.add((row.key, row.created_at.date()))
        return is_unusable(len(rows), len(told_apart) + without_id)

    def legible_keys(self, source: Source, day: date) -> set[Key]:
        """All keys that a drop's rows show, rejected rows too."""
        return {row.key for row in self.drop_rows(source, day) if row.key is not None}

    def is_shrunken(self, source: Source, day: date) -> bool:
        """A snapshot with under 80 % of the keys of the largest of seven before it, or no row."""
        if not self.drop_rows(source, day):
            return True
        drops = self.drops[source.name]
        earlier = sorted(other for other in drops if other < day)[-DROPS_COMPARED:]
        largest = max((len(self.legible_keys(source, other)) for other in earlier), default=0)
        return 100 * len(self.legible_keys(source, day)) < 80 * largest


def is_unusable(rows_read: int, rows_accepted: int) -> bool:
    """Ten rows or more, of which fewer than half are accepted."""
    return rows_read >= FEWEST_ROWS_JUDGED and 2 * rows_accepted < rows_read


# --- raw: ledger, quarantine, accepted rows -------------------------------------------------


@dataclass(frozen=True)
class Rejected:
    """A row that breaks the contract, with every reason that applies."""

    row: Row
    reasons: list[str]


@dataclass(frozen=True)
class Load:
    """One source's day after the contract is applied: rows read = accepted + rejected."""

    source: Source
    day: date
    slice: Slice
    accepted: list[Row]
    rejected: list[Rejected]
    is_observed: bool

    @property
    def repaired(self) -> list[Row]:
        """Accepted rows that lost an unreadable optional value."""
        return [row for row in self.accepted if row.repairs]


def day_reasons(landing: Landing, source: Source, day: date, row: Row) -> list[str]:
    """Findings on a row's date against the day of its drop."""
    if row.created_at is None:
        return []
    created = row.created_at.date()
    reasons = []
    if created > day:
        reasons.append("created_after_drop")
    if source.is_snapshot:
        return reasons
    if created < landing.start_date:
        reasons.append("before_start_date")
    if created < day - timedelta(days=source.late_days):
        reasons.append("too_late")
    elif source.kind == "events" and created < day and landing.bulk_covers(source, created):
        reasons.append("covered_by_bulk")
    return reasons


def repeats_of(source: Source, rows: Sequence[Row]) -> set[int]:
    """Line numbers of acceptable rows of one drop that give way to another with their key.

    Of events the first row wins, of changes the last one, of a snapshot the latest, then the last.
    """
    by_key: dict[Key, list[Row]] = defaultdict(list)
    for row in rows:
        if row.key is not None:
            by_key[row.key].append(row)
    beaten: set[int] = set()
    for alike in by_key.values():
        winner = alike[0]
        for row in alike[1:]:
            if source.kind == "changes" or (source.is_snapshot and is_at_least_as_new(row, winner)):
                winner = row
        beaten |= {row.line_number for row in alike if row is not winner}
    return beaten


def is_at_least_as_new(row: Row, other: Row) -> bool:
    """Whether a later row of a snapshot wins over an earlier one."""
    if row.created_at is None or other.created_at is None:
        return True
    return row.created_at >= other.created_at


def load(landing: Landing, source: Source, day: date) -> Load:
    """One source's day under the landing contract; nothing is lost."""
    day_slice = landing.day_slice(source, day)
    found: dict[int, list[str]] = {}
    for row in day_slice.rows:
        dated = day_reasons(landing, source, day, row)
        found[row.line_number] = [*row.reasons_before, *dated, *row.reasons_after]
    acceptable = [row for row in day_slice.rows if not found[row.line_number]]
    for line_number in repeats_of(source, acceptable):
        reason = "duplicate_event_id" if source.kind == "events" else "superseded"
        found[line_number].append(reason)
    accepted = [row for row in day_slice.rows if not found[row.line_number]]
    return Load(
        source,
        day,
        day_slice,
        accepted=accepted,
        rejected=[
            Rejected(row, found[row.line_number] + row.repairs)
            for row in day_slice.rows
            if found[row.line_number]
        ],
        is_observed=is_observed(landing, source, day, day_slice, len(accepted)),
    )


def is_observed(
    landing: Landing, source: Source, day: date, day_slice: Slice, rows_accepted: int
) -> bool:
    """Whether a day's rows count: there are a drop or an export, usable and not shrunken."""
    if day_slice.form == "none":
        return False
    if day_slice.form == "bulk":
        return not landing.is_bulk_unusable(source)
    if (source.name, day) in landing.accepted_drops:
        return True
    if is_unusable(len(day_slice.rows), rows_accepted):
        return False
    return not source.is_snapshot or not landing.is_shrunken(source, day)


def drops_table(loads: Iterable[Load]) -> list[TableRow]:
    """The ledger: one row per source and day run, counted by the contract."""
    return [
        {
            "source": each.source.name,
            "drop_date": each.day,
            "file": each.slice.file,
            "form": each.slice.form,
            "rows_read": len(each.slice.rows),
            "rows_accepted": len(each.accepted),
            "rows_repaired": len(each.repaired),
            "rows_rejected": len(each.rejected),
            "rows_erased": 0,
            "is_observed": each.is_observed,
        }
        for each in loads
    ]


def quarantine_table(landing: Landing, loads: Sequence[Load]) -> list[TableRow]:
    """Rejected and repaired rows per day run, and once the bulk rows whose day is unreadable."""
    table: list[TableRow] = []

    def keep(
        source: Source, day: date | None, file: str | None, action: str, row: Row, why: list[str]
    ) -> None:
        table.append(
            {
                "source": source.name,
                "drop_date": day,
                "file": file,
                "line_number": row.line_number,
                "action": action,
                "reasons": list(why),
                "record": row.record(),
            }
        )

    for each in loads:
        for rejected in each.rejected:
            file, reasons = each.slice.file, rejected.reasons
            keep(each.source, each.day, file, "rejected", rejected.row, reasons)
        for row in each.repaired:
            keep(each.source, each.day, each.slice.file, "repaired", row, row.repairs)
    for name, path in landing.bulk.items():
        source = landing.sources[name]
        for row in landing.bulk_rows(source) if loads and source.at is not None else []:
            if row.created_at is None:
                reasons = row.reasons_before + row.reasons_after + row.repairs
                keep(source, None, landing.name(path), "rejected", row, reasons)
    return table


def raw_table(loads: Iterable[Load]) -> list[TableRow]:
    """Accepted rows of one source; those of a day that is not observed are kept out."""
    table = []
    for each in loads:
        for row in each.accepted if each.is_observed else []:
            dated: TableRow = {}
            if not each.source.is_snapshot:
                assert row.created_at is not None
                dated["event_date"] = row.created_at.date()
            table.append(
                {"drop_date": each.day, "line_number": row.line_number, **row.values, **dated}
            )
    return table
