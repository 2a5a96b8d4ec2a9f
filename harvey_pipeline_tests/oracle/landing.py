"""Section 1, rows and days: what the contract makes of records, and what it keeps of them."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from pathlib import Path

from harvey_pipeline_tests.oracle.records import FILE_SUFFIXES, Record, read_records
from harvey_pipeline_tests.oracle.values import (
    TableRow,
    read_arr_usd,
    read_hundredths,
    read_timestamp,
    read_value,
    read_whole_number,
    required_value,
)

SOURCES = ("users", "firms", "events")
EVENT_TYPES = ("ASSISTANT", "VAULT", "WORKFLOW")
LATE_WINDOW = timedelta(days=1)
DROPS_COMPARED = 7
FEWEST_ROWS_JUDGED = 10


# --- Records to rows ------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """A record as its source's contract reads it.

    `reasons_before` and `reasons_after` stand around those that depend on the drop's day;
    `repairs` is what is wrong with an optional value.
    """

    line_number: int
    record: Callable[[], str]
    key: str | None
    created_at: datetime | None
    values: TableRow
    reasons_before: list[str]
    reasons_after: list[str]
    repairs: list[str]

    @property
    def is_acceptable(self) -> bool:
        """Whether no rule rejects the row for what it says, whatever the day."""
        return not self.reasons_before and not self.reasons_after


def read_row(source: str, record: Record) -> Row:
    """One record under the landing contract, but for what depends on the drop's day."""
    if record.fault is not None:
        return Row(record.line_number, record.shown, None, None, {}, [record.fault], [], [])
    fields = {column: read_value(text) for column, text in record.values.items()}
    before: list[str] = []
    after: list[str] = []
    repairs: list[str] = []
    values: TableRow = {}
    key: str | None = None
    if source == "events":
        for column in ("user_id", "firm_id"):
            values[column] = fields[column] or None
            if not fields[column]:
                before.append(f"missing_{column}")
    else:
        key = fields["id"] or None
        if key is None:
            before.append("missing_id")
    created_at = required_value("timestamp", fields["created"], read_timestamp, before)
    if source == "users":
        values["title"] = fields["title"] or None
    elif source == "firms":
        values["firm_size"] = required_value(
            "firm_size", fields["firm_size"], read_whole_number, after
        )
        values["arr_usd"] = required_value("arr", fields["arr_in_thousands"], read_arr_usd, after)
    else:
        values["event_id"] = fields.get("event_id") or None
        event_type = fields["event_type"].upper()
        values["event_type"] = event_type if event_type in EVENT_TYPES else None
        if not event_type:
            after.append("missing_event_type")
        elif event_type not in EVENT_TYPES:
            after.append("unknown_event_type")
        values["num_docs"] = required_value(
            "num_docs", fields["num_docs"], read_whole_number, after
        )
        values["feedback_hundredths"] = required_value(
            "feedback_score", fields["feedback_score"], read_hundredths, repairs
        )
    return Row(record.line_number, record.shown, key, created_at, values, before, after, repairs)


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

    def __init__(self, root: Path, start_date: date) -> None:
        self.root = root
        self.start_date = start_date
        self.bulk: dict[str, Path] = {}
        self.drops: dict[str, dict[date, Path]] = {source: {} for source in SOURCES}
        self.accepted_bulk: set[str] = set()
        self.accepted_drops: set[tuple[str, date]] = set()
        self._rows: dict[Path, list[Row]] = {}
        for path in sorted(root.glob("*")):
            name = path.name.lower()
            if path.is_dir() and name in SOURCES:
                for inner in sorted(path.glob("*")):
                    self._find_drop(name, inner)
            elif path.is_file():
                self._find_bulk(path)

    def _find_bulk(self, path: Path) -> None:
        """A file directly in the folder: a bulk export, or what lets it through."""
        source, _, ending = path.name.lower().partition(".")
        if source in SOURCES and f".{ending}" in FILE_SUFFIXES:
            if source in self.bulk:
                raise ValueError(f"two bulk files: {self.bulk[source]} and {path}")
            self.bulk[source] = path
        elif source in SOURCES and ending == "accept":
            self.accepted_bulk.add(source)

    def _find_drop(self, source: str, path: Path) -> None:
        """A file in a source's folder: a drop, or what lets it through."""
        day = drop_day(path)
        if day is not None and path.is_file():
            if day in self.drops[source]:
                raise ValueError(f"two drops: {self.drops[source][day]} and {path}")
            self.drops[source][day] = path
        accepted = drop_day(path, [".accept"])
        if accepted is not None:
            self.accepted_drops.add((source, accepted))

    def rows(self, source: str, path: Path) -> list[Row]:
        """The rows of one file."""
        if path not in self._rows:
            self._rows[path] = [read_row(source, each) for each in read_records(source, path)]
        return self._rows[path]

    def bulk_rows(self, source: str) -> list[Row]:
        """The rows of the source's bulk export, none if there is no such file."""
        return self.rows(source, self.bulk[source]) if source in self.bulk else []

    def name(self, path: Path) -> str:
        """The file relative to the landing folder."""
        return path.relative_to(self.root).as_posix()

    @cached_property
    def events_bulk_dates(self) -> list[date]:
        """The readable dates of the events' bulk export, in order."""
        return sorted(row.created_at.date() for row in self.bulk_rows("events") if row.created_at)

    def bulk_stands_in(self, source: str, day: date) -> bool:
        """Whether a day shows the bulk export, usable or not: it has no drop of its own.

        For events it lies between the export's first and last readable date besides.
        """
        if source not in self.bulk or day in self.drops[source]:
            return False
        if source != "events":
            return True
        dates = self.events_bulk_dates
        return bool(dates) and self.start_date <= day and dates[0] <= day <= dates[-1]

    def bulk_covers_events(self, day: date) -> bool:
        """Whether a day's events are those of a bulk export that is usable."""
        return self.bulk_stands_in("events", day) and not self.is_bulk_unusable("events")

    def day_slice(self, source: str, day: date) -> Slice:
        """A day shows its drop, else what the bulk export holds for it, else nothing."""
        if day in self.drops[source]:
            path = self.drops[source][day]
            return Slice("drop", self.name(path), self.rows(source, path))
        if not self.bulk_stands_in(source, day):
            return Slice("none", None, [])
        shown = []
        for row in self.bulk_rows(source):
            if row.created_at is not None:
                created = row.created_at.date()
                if created == day or (source != "events" and created < day):
                    shown.append(row)
        return Slice("bulk", self.name(self.bulk[source]), shown)

    def is_bulk_unusable(self, source: str) -> bool:
        """Whether fewer than half of a bulk export's rows are accepted, of all that it has.

        Accepted are those that no rule of their own rejects, one per id, or per `event_id` and
        date; events without an id are all their own.
        """
        if source in self.accepted_bulk:
            return False
        rows = self.bulk_rows(source)
        acceptable = [row for row in rows if row.is_acceptable]
        told_apart: set[tuple[str | None, date]] = set()
        without_id = 0
        for row in acceptable:
            assert row.created_at is not None
            if source != "events":
                told_apart.add((row.key, date.min))
            elif row.values["event_id"] is None:
                without_id += 1
            else:
                told_apart.add((row.values["event_id"], row.created_at.date()))
        return is_unusable(len(rows), len(told_apart) + without_id)

    def legible_ids(self, source: str, day: date) -> set[str]:
        """All ids that a drop's rows show, rejected rows too."""
        rows = self.rows(source, self.drops[source][day])
        return {row.key for row in rows if row.key is not None}

    def is_shrunken(self, source: str, day: date) -> bool:
        """A snapshot with under 80 % of the ids of the largest of seven before it, or no row."""
        if not self.rows(source, self.drops[source][day]):
            return True
        earlier = sorted(other for other in self.drops[source] if other < day)[-DROPS_COMPARED:]
        largest = max((len(self.legible_ids(source, other)) for other in earlier), default=0)
        return 100 * len(self.legible_ids(source, day)) < 80 * largest


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

    source: str
    day: date
    slice: Slice
    accepted: list[Row]
    rejected: list[Rejected]
    is_observed: bool

    @property
    def repaired(self) -> list[Row]:
        """Accepted rows that lost an unreadable optional value."""
        return [row for row in self.accepted if row.repairs]


def day_reasons(landing: Landing, source: str, day: date, created_at: datetime | None) -> list[str]:
    """Findings on a row's date against the day of its drop."""
    if created_at is None:
        return []
    created = created_at.date()
    reasons = []
    if created > day:
        reasons.append("created_after_drop")
    if source == "events":
        if created < landing.start_date:
            reasons.append("before_start_date")
        if created < day - LATE_WINDOW:
            reasons.append("too_late")
        elif created < day and landing.bulk_covers_events(created):
            reasons.append("covered_by_bulk")
    return reasons


def repeated_ids(rows: Sequence[Row]) -> dict[int, str]:
    """Line numbers of users or firms rows that give way: the latest, then the last row wins."""
    winners: dict[str, Row] = {}
    for row in rows:
        assert row.key is not None
        assert row.created_at is not None
        winner = winners.get(row.key)
        if winner is None or (
            winner.created_at is not None and row.created_at >= winner.created_at
        ):
            winners[row.key] = row
    kept = {row.line_number for row in winners.values()}
    return {row.line_number: "superseded" for row in rows if row.line_number not in kept}


def repeated_event_ids(rows: Sequence[Row]) -> dict[int, str]:
    """Line numbers of events that repeat an `event_id` within the day: the first row wins."""
    repeated: dict[int, str] = {}
    seen: set[str] = set()
    for row in rows:
        event_id = row.values["event_id"]
        if event_id is not None and event_id in seen:
            repeated[row.line_number] = "duplicate_event_id"
        elif event_id is not None:
            seen.add(event_id)
    return repeated


def load(landing: Landing, source: str, day: date) -> Load:
    """One source's day under the landing contract; nothing is lost."""
    day_slice = landing.day_slice(source, day)
    found: dict[int, list[str]] = {}
    for row in day_slice.rows:
        found[row.line_number] = [
            *row.reasons_before,
            *day_reasons(landing, source, day, row.created_at),
            *row.reasons_after,
        ]
    acceptable = [row for row in day_slice.rows if not found[row.line_number]]
    repeated = repeated_event_ids(acceptable) if source == "events" else repeated_ids(acceptable)
    for line_number, reason in repeated.items():
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
    landing: Landing, source: str, day: date, day_slice: Slice, rows_accepted: int
) -> bool:
    """Whether a day's rows count: there are a drop or an export, usable and not shrunken."""
    if day_slice.form == "none":
        return False
    if day_slice.form == "bulk":
        return not landing.is_bulk_unusable(source)
    if (source, day) in landing.accepted_drops:
        return True
    if is_unusable(len(day_slice.rows), rows_accepted):
        return False
    return source == "events" or not landing.is_shrunken(source, day)


def drops_table(loads: Iterable[Load]) -> list[TableRow]:
    """The ledger: one row per source and day run, counted by the contract."""
    return [
        {
            "source": each.source,
            "drop_date": each.day,
            "file": each.slice.file,
            "form": each.slice.form,
            "rows_read": len(each.slice.rows),
            "rows_accepted": len(each.accepted),
            "rows_repaired": len(each.repaired),
            "rows_rejected": len(each.rejected),
            "is_observed": each.is_observed,
        }
        for each in loads
    ]


def quarantine_table(landing: Landing, loads: Sequence[Load]) -> list[TableRow]:
    """Rejected and repaired rows per day run, and once the bulk rows whose day is unreadable."""
    table: list[TableRow] = []

    def keep(
        source: str, day: date | None, file: str | None, action: str, row: Row, reasons: list[str]
    ) -> None:
        table.append(
            {
                "source": source,
                "drop_date": day,
                "file": file,
                "line_number": row.line_number,
                "action": action,
                "reasons": list(reasons),
                "record": row.record(),
            }
        )

    for each in loads:
        for rejected in each.rejected:
            file, reasons = each.slice.file, rejected.reasons
            keep(each.source, each.day, file, "rejected", rejected.row, reasons)
        for row in each.repaired:
            keep(each.source, each.day, each.slice.file, "repaired", row, row.repairs)
    for source, path in landing.bulk.items():
        for row in landing.bulk_rows(source):
            if loads and row.created_at is None:
                reasons = row.reasons_before + row.reasons_after + row.repairs
                keep(source, None, landing.name(path), "rejected", row, reasons)
    return table


def raw_table(loads: Iterable[Load]) -> list[TableRow]:
    """Accepted rows of one source; those of a day that is not observed are kept out."""
    table = []
    for each in loads:
        for row in each.accepted if each.is_observed else []:
            assert row.created_at is not None
            place = {"drop_date": each.day, "line_number": row.line_number}
            if each.source == "users":
                table.append(
                    {
                        **place,
                        "user_id": row.key,
                        "created_at": row.created_at,
                        "title": row.values["title"],
                    }
                )
            elif each.source == "firms":
                table.append(
                    {
                        **place,
                        "firm_id": row.key,
                        "created_at": row.created_at,
                        "firm_size": row.values["firm_size"],
                        "arr_usd": row.values["arr_usd"],
                    }
                )
            else:
                hundredths = row.values["feedback_hundredths"]
                table.append(
                    {
                        **place,
                        "event_id": row.values["event_id"],
                        "created_at": row.created_at,
                        "event_date": row.created_at.date(),
                        "user_id": row.values["user_id"],
                        "firm_id": row.values["firm_id"],
                        "event_type": row.values["event_type"],
                        "num_docs": row.values["num_docs"],
                        "feedback_score": None if hundredths is None else hundredths / 100,
                    }
                )
    return table
