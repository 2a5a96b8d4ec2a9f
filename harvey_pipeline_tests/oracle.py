"""Reference implementation of the pipeline's tables: slow, plain, standard library only.

It shares no code with the pipeline. Tests compare the two on the same landing folder.
"""

import calendar
import gzip
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from functools import cache, cached_property
from math import fsum
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow.parquet as pq

TableRow: TypeAlias = dict[str, Any]

SOURCES = ("users", "firms", "events")
REQUIRED_COLUMNS = {
    "users": ("id", "created", "title"),
    "firms": ("id", "created", "firm_size", "arr_in_thousands"),
    "events": ("created", "firm_id", "user_id", "event_type", "num_docs", "feedback_score"),
}
EVENT_TYPES = ("ASSISTANT", "VAULT", "WORKFLOW")
FILE_SUFFIXES = (".csv", ".csv.gz", ".parquet")
OPEN_END = date(9999, 12, 31)
ONE_DAY = timedelta(days=1)
LATE_WINDOW = timedelta(days=1)
WINDOW_DAYS = 30
DROPS_COMPARED = 7


# --- Text to values -------------------------------------------------------------------------


BLANKS = "".join(
    character
    for character in map(chr, range(0x3001))
    if character.isspace() and character not in "\x1c\x1d\x1e\x1f"
)
"""Unicode's white space; Python counts four separators besides."""


def trimmed(text: str) -> str:
    """Text without the blanks around it."""
    return text.strip(BLANKS)


ISO_TIMESTAMP = re.compile(
    r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})"
    r"([T ](?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})"
    r"(:(?P<second>[0-9]{2})(\.(?P<fraction>[0-9]{1,6}))?)?"
    r"(?P<offset>Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?"
)
US_TIMESTAMP = re.compile(
    r"(?P<month>[0-9]{1,2})/(?P<day>[0-9]{1,2})/(?P<year>[0-9]{4})"
    r"( (?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(:(?P<second>[0-9]{2}))?)?"
)


@cache
def read_timestamp(text: str) -> datetime | None:
    """A timestamp is ISO 8601 or US style, years 1970 to 2199, and is converted to UTC."""
    match = ISO_TIMESTAMP.fullmatch(text) or US_TIMESTAMP.fullmatch(text)
    if match is None:
        return None
    parts = match.groupdict()
    if not 1970 <= int(parts["year"]) <= 2199:
        return None
    try:
        local = datetime(
            int(parts["year"]),
            int(parts["month"]),
            int(parts["day"]),
            int(parts["hour"] or 0),
            int(parts["minute"] or 0),
            int(parts["second"] or 0),
            int((parts.get("fraction") or "").ljust(6, "0")),
        )
    except ValueError:
        return None
    offset = read_offset(parts.get("offset") or "Z")
    return None if offset is None else local - offset


def read_offset(text: str) -> timedelta | None:
    """An offset is `Z` or a sign with hours and perhaps minutes, below a day."""
    if text == "Z":
        return timedelta(0)
    digits = text[1:].replace(":", "")
    hours, minutes = int(digits[:2]), int(digits[2:] or 0)
    if hours > 23 or minutes > 59:
        return None
    size = timedelta(hours=hours, minutes=minutes)
    return -size if text[0] == "-" else size


@cache
def read_whole_number(text: str) -> int | None:
    """`num_docs` and `firm_size` are whole numbers of at most 9 digits (`3`, `3.0`)."""
    match = re.fullmatch(r"([0-9]{1,9})(\.0+)?", text)
    return int(match[1]) if match else None


@cache
def read_arr_usd(text: str) -> float | None:
    """`arr_in_thousands` is a decimal number without sign or exponent, kept in USD."""
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        return None
    try:
        return float(Fraction(text) * 1000)
    except OverflowError:
        return None


@cache
def read_hundredths(text: str) -> int | None:
    """`feedback_score` is a number from 1 to 5 with at most 2 decimals, kept in hundredths."""
    if not re.fullmatch(r"[0-9]+(\.[0-9]{1,2})?", text):
        return None
    hundredths = int(Fraction(text) * 100)
    return hundredths if 100 <= hundredths <= 500 else None


# --- Text to records ------------------------------------------------------------------------


@dataclass(frozen=True)
class Record:
    """One record of a file; `fields` is None where the fields cannot be told apart."""

    line_number: int
    text: str
    fields: Sequence[str | None] | None


@dataclass(frozen=True)
class Split:
    """What quoting makes of a text; `fields` is None where it is not one whole record."""

    fields: list[str] | None
    leaves_quote_open: bool = False


def split_fields(text: str) -> Split:
    """Fields are parted by commas; a quote at a field's start opens a quoted field (RFC 4180).

    Inside it two quotes stand for one. After the closing quote only a comma or the end may
    follow, and a field that is not quoted holds no quote and no line end.
    """
    if '"' not in text:
        return Split(None if "\n" in text else text.split(","))
    fields: list[str] = []
    position = 0
    while True:
        if text[position : position + 1] == '"':
            content = ""
            position += 1
            while True:
                closing = text.find('"', position)
                if closing < 0:
                    return Split(None, leaves_quote_open=True)
                content += text[position:closing]
                position = closing + 1
                if text[position : position + 1] != '"':
                    break
                content += '"'
                position += 1
        else:
            comma = text.find(",", position)
            end = len(text) if comma < 0 else comma
            content = text[position:end]
            if '"' in content or "\n" in content:
                return Split(None)
            position = end
        fields.append(content)
        if position == len(text):
            return Split(fields)
        if text[position] != ",":
            return Split(None)
        position += 1


def read_text(path: Path) -> str:
    """Files are UTF-8, with or without a byte-order mark, perhaps compressed by gzip."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return content.decode("utf-8-sig")


def read_text_parquet(path: Path) -> tuple[list[str], list[Record]]:
    """A Parquet file of text columns; a record's line number is its row number."""
    table = pq.read_table(path)
    rows = zip(*(column.to_pylist() for column in table.columns), strict=True)
    return table.column_names, [
        Record(number, "", list(row)) for number, row in enumerate(rows, start=1)
    ]


def split_records(text: str) -> tuple[list[str], list[Record]]:
    """The header and the records: whole lines first, then lines joined over an open quote."""
    ended = text.split("\n")
    lines = [line.removesuffix("\r") for line in ended]
    first = next((index for index, line in enumerate(lines) if trimmed(line)), None)
    if first is None:
        return [], []
    header = split_fields(lines[first]).fields
    if header is None:
        raise ValueError(f"the header is not readable: {lines[first]!r}")

    def whole_record(candidate: str) -> list[str] | None:
        fields = split_fields(candidate).fields
        return fields if fields is not None and len(fields) == len(header) else None

    records: list[Record] = []
    index = first + 1
    while index < len(lines):
        line = lines[index]
        if not trimmed(line):
            index += 1
            continue
        fields = whole_record(line)
        joined, last = line, index
        if fields is None and split_fields(line).leaves_quote_open:
            for following in range(index + 1, len(lines)):
                if whole_record(lines[following]) is not None:
                    break
                joined = "\n".join([*ended[index:following], lines[following]])
                fields, last = whole_record(joined), following
                if fields is not None or not split_fields(joined).leaves_quote_open:
                    break
        if fields is None:
            joined, last = line, index
        records.append(Record(line_number=index + 1, text=joined, fields=fields))
        index = last + 1
    return header, records


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


def required_value(
    name: str, text: str, read: Callable[[str], Any], reasons: list[str]
) -> Any | None:
    """A value that is missing or unreadable is a finding named after it."""
    if not text:
        reasons.append(f"missing_{name}")
        return None
    value = read(text)
    if value is None:
        reasons.append(f"unreadable_{name}")
    return value


def read_row(source: str, header: list[str], places: dict[str, int], record: Record) -> Row:
    """One record under the landing contract, but for what depends on the drop's day."""
    raw_fields = record.fields
    if raw_fields is None:
        reasons = ["wrong_field_count"]
        return Row(record.line_number, lambda: record.text, None, None, {}, reasons, [], [])

    def as_json() -> str:
        by_header = dict(zip(header, raw_fields, strict=True))
        return json.dumps(by_header, ensure_ascii=False, separators=(",", ":"))

    fields = {column: trimmed(raw_fields[place] or "") for column, place in places.items()}
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
    return Row(record.line_number, as_json, key, created_at, values, before, after, repairs)


def read_rows(source: str, path: Path) -> list[Row]:
    """The rows of one file; columns match whatever their case, blanks and order."""
    if path.suffix == ".parquet":
        header, records = read_text_parquet(path)
    else:
        header, records = split_records(read_text(path))
    names = [trimmed(column).lower() for column in header]
    for column in REQUIRED_COLUMNS[source]:
        if names.count(column) != 1:
            raise ValueError(f"{path}: {names.count(column)} columns {column!r} in {header}")
    wanted = {*REQUIRED_COLUMNS[source], "event_id"}
    places = {name: place for place, name in enumerate(names) if name in wanted}
    return [read_row(source, header, places, record) for record in records]


# --- The landing folder ---------------------------------------------------------------------


@dataclass(frozen=True)
class Slice:
    """What one source shows on one day."""

    form: str
    file: str | None
    rows: list[Row]
    is_observed: bool


def drop_day(path: Path) -> date | None:
    """The day that a drop's name gives, `<YYYY-MM-DD>` with a suffix; None for other files."""
    for suffix in FILE_SUFFIXES:
        stem = path.name.removesuffix(suffix)
        if stem != path.name and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", stem):
            try:
                return date.fromisoformat(stem)
            except ValueError:
                return None
    return None


class Landing:
    """The landing folder's drops and bulk exports, each file read once.

    Two files for one source and day, or two bulk files of one source, are an error.
    """

    def __init__(self, root: Path, start_date: date) -> None:
        self.root = root
        self.start_date = start_date
        self.bulk: dict[str, Path] = {}
        self.drops: dict[str, dict[date, Path]] = {source: {} for source in SOURCES}
        self._rows: dict[Path, list[Row]] = {}
        for source in SOURCES:
            for path in sorted(root.glob(f"{source}.*")):
                if path.name[len(source) :] in FILE_SUFFIXES:
                    if source in self.bulk:
                        raise ValueError(f"two bulk files: {self.bulk[source]} and {path}")
                    self.bulk[source] = path
            for path in sorted(root.glob(f"{source}/*")):
                day = drop_day(path)
                if day is not None:
                    if day in self.drops[source]:
                        raise ValueError(f"two drops: {self.drops[source][day]} and {path}")
                    self.drops[source][day] = path

    def rows(self, source: str, path: Path) -> list[Row]:
        """The rows of one file."""
        if path not in self._rows:
            self._rows[path] = read_rows(source, path)
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

    def bulk_covers_events(self, day: date) -> bool:
        """The bulk export covers a day from its first to its last readable date, if no drop."""
        if day < self.start_date or day in self.drops["events"] or not self.events_bulk_dates:
            return False
        return self.events_bulk_dates[0] <= day <= self.events_bulk_dates[-1]

    def day_slice(self, source: str, day: date) -> Slice:
        """A day shows its drop, else what the bulk export holds for it, else nothing."""
        if day in self.drops[source]:
            path = self.drops[source][day]
            observed = source == "events" or not self.is_shrunken(source, day)
            return Slice("drop", self.name(path), self.rows(source, path), observed)
        covered = self.bulk_covers_events(day) if source == "events" else source in self.bulk
        if not covered:
            return Slice("none", None, [], is_observed=False)
        shown = []
        for row in self.bulk_rows(source):
            if row.created_at is not None:
                created = row.created_at.date()
                if created == day or (source != "events" and created < day):
                    shown.append(row)
        return Slice("bulk", self.name(self.bulk[source]), shown, is_observed=True)

    def legible_ids(self, source: str, day: date) -> set[str]:
        """All ids that a drop's rows show, rejected rows too."""
        rows = self.rows(source, self.drops[source][day])
        return {row.key for row in rows if row.key is not None}

    def is_shrunken(self, source: str, day: date) -> bool:
        """A drop with under 80 % of the ids of the largest of seven before it, or no row."""
        if (self.root / source / f"{day.isoformat()}.accept").exists():
            return False
        if not self.rows(source, self.drops[source][day]):
            return True
        earlier = sorted(other for other in self.drops[source] if other < day)[-DROPS_COMPARED:]
        largest = max((len(self.legible_ids(source, other)) for other in earlier), default=0)
        return 100 * len(self.legible_ids(source, day)) < 80 * largest


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
    return Load(
        source,
        day,
        day_slice,
        accepted=[row for row in day_slice.rows if not found[row.line_number]],
        rejected=[
            Rejected(row, found[row.line_number] + row.repairs)
            for row in day_slice.rows
            if found[row.line_number]
        ],
    )


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
            "is_observed": each.slice.is_observed,
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
    """Accepted rows of one source; a snapshot that is not observed is kept out."""
    table = []
    for each in loads:
        for row in each.accepted if each.slice.is_observed else []:
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


# --- core: history --------------------------------------------------------------------------


@dataclass
class Version:
    """One version of a key: its attributes and the days on which they hold."""

    key: str
    attributes: TableRow
    start: date
    end: date = OPEN_END


History: TypeAlias = dict[str, list[Version]]


def attributes_of(source: str, row: Row) -> TableRow:
    """The tracked attributes that an accepted row shows."""
    assert row.created_at is not None
    if source == "users":
        return {"user_role": row.values["title"], "user_created_date": row.created_at.date()}
    return {
        "firm_size": row.values["firm_size"],
        "arr_usd": row.values["arr_usd"],
        "firm_created_date": row.created_at.date(),
    }


def history_of(loads: Iterable[Load]) -> History:
    """Versions of each key, in order, from the snapshots of the observed days.

    A key that only rejected rows show keeps the attributes it had, after a departure too. A key
    absent from a drop departs; absence from a bulk export means nothing.
    """
    observed = sorted((each for each in loads if each.slice.is_observed), key=lambda each: each.day)
    history: History = defaultdict(list)
    last_known: dict[str, TableRow] = {}
    open_versions: dict[str, Version] = {}
    for each in observed:
        accepted = {row.key: attributes_of(each.source, row) for row in each.accepted if row.key}
        sighted = {row.key for row in each.slice.rows if row.key}
        today: dict[str, TableRow] = {}
        for key in {*open_versions, *sighted}:
            if key in accepted:
                today[key] = accepted[key]
            elif key in last_known and (key in sighted or each.slice.form == "bulk"):
                today[key] = last_known[key]
        for key, version in list(open_versions.items()):
            if today.get(key) != version.attributes:
                version.end = each.day - ONE_DAY
                del open_versions[key]
        for key, attributes in today.items():
            last_known[key] = attributes
            if key not in open_versions:
                start = each.day
                if each is observed[0]:
                    created = "user_created_date" if each.source == "users" else "firm_created_date"
                    start = min(attributes[created], each.day)
                open_versions[key] = Version(key, attributes, start)
                history[key].append(open_versions[key])
    return dict(history)


def dimension_table(history: History, entity: str) -> list[TableRow]:
    """One row per version, keyed by natural key and start; open versions end 9999-12-31."""
    return [
        {
            f"{entity}_dim_key": f"{version.key}_{version.start:%Y%m%d}",
            f"{entity}_id": version.key,
            **version.attributes,
            "effective_start_date": version.start,
            "effective_end_date": version.end,
            "is_current": version.end == OPEN_END,
        }
        for versions in history.values()
        for version in versions
    ]


def known_on(history: History, key: str, day: date) -> TableRow:
    """Point in time: the version valid on a day or, after a departure, the latest before it."""
    begun = [version for version in history.get(key, []) if version.start <= day]
    return begun[-1].attributes if begun else {}


def valid_on(history: History, day: date) -> set[str]:
    """The keys with a version valid on a day."""
    return {
        key
        for key, versions in history.items()
        if any(version.start <= day <= version.end for version in versions)
    }


# --- core: daily activity -------------------------------------------------------------------


@dataclass
class Activity:
    """What one user does in one firm on one day; `by_type` counts queries by event type."""

    day: date
    user_id: str
    firm_id: str
    by_type: dict[str, int]
    first_event_at: datetime
    last_event_at: datetime
    documents: int = 0
    feedback_hundredths: int = 0
    feedback_count: int = 0
    high_feedback: int = 0
    low_feedback: int = 0


def activities_of(loads: Iterable[Load], days: Sequence[date]) -> list[Activity]:
    """One per date, user and firm with an event; the date is the event's own.

    Of the same `event_id` and date in two drops the earlier drop's counts. Dates not run have no
    activity.
    """
    found: dict[tuple[date, str, str], Activity] = {}
    days_run = set(days)
    counted: set[tuple[str, date]] = set()
    for each in sorted(loads, key=lambda each: each.day):
        for row in each.accepted:
            assert row.created_at is not None
            day = row.created_at.date()
            event_id = row.values["event_id"]
            if event_id is not None:
                if (event_id, day) in counted:
                    continue
                counted.add((event_id, day))
            if day not in days_run:
                continue
            place = (day, row.values["user_id"], row.values["firm_id"])
            if place not in found:
                no_queries = dict.fromkeys(EVENT_TYPES, 0)
                found[place] = Activity(*place, no_queries, row.created_at, row.created_at)
            activity = found[place]
            activity.by_type[row.values["event_type"]] += 1
            activity.first_event_at = min(activity.first_event_at, row.created_at)
            activity.last_event_at = max(activity.last_event_at, row.created_at)
            activity.documents += row.values["num_docs"]
            hundredths = row.values["feedback_hundredths"]
            if hundredths is not None:
                activity.feedback_hundredths += hundredths
                activity.feedback_count += 1
                activity.high_feedback += hundredths >= 400
                activity.low_feedback += hundredths <= 200
    return list(found.values())


def activity_table(activities: Iterable[Activity]) -> list[TableRow]:
    """One row per date, user and firm with at least one event."""
    return [
        {
            "date": activity.day,
            "user_id": activity.user_id,
            "firm_id": activity.firm_id,
            "queries": sum(activity.by_type.values()),
            "assistant_queries": activity.by_type["ASSISTANT"],
            "vault_queries": activity.by_type["VAULT"],
            "workflow_queries": activity.by_type["WORKFLOW"],
            "documents": activity.documents,
            "feedback_sum": activity.feedback_hundredths / 100,
            "feedback_count": activity.feedback_count,
            "high_feedback": activity.high_feedback,
            "low_feedback": activity.low_feedback,
            "first_event_at": activity.first_event_at,
            "last_event_at": activity.last_event_at,
        }
        for activity in activities
    ]


# --- Measures shared by the marts -----------------------------------------------------------


class Usage:
    """Sums and distinct counts over some activity."""

    def __init__(self, activities: Sequence[Activity]) -> None:
        self.assistant = sum(each.by_type["ASSISTANT"] for each in activities)
        self.vault = sum(each.by_type["VAULT"] for each in activities)
        self.workflow = sum(each.by_type["WORKFLOW"] for each in activities)
        self.queries = self.assistant + self.vault + self.workflow
        self.documents = sum(each.documents for each in activities)
        self.feedback_count = sum(each.feedback_count for each in activities)
        self.feedback_hundredths = sum(each.feedback_hundredths for each in activities)
        self.high_feedback = sum(each.high_feedback for each in activities)
        self.low_feedback = sum(each.low_feedback for each in activities)
        self.days = sorted({each.day for each in activities})
        self.users = {each.user_id for each in activities}
        self.firms = {each.firm_id for each in activities}

    @property
    def avg_feedback(self) -> float | None:
        """The mean score over scored events, divided once."""
        return ratio(self.feedback_hundredths, 100 * self.feedback_count)

    @property
    def event_types(self) -> int:
        """How many event types are used."""
        return sum(count > 0 for count in (self.assistant, self.vault, self.workflow))

    @property
    def pattern(self) -> str:
        """`usage_pattern`: the type that strictly leads both others, if one does."""
        if self.queries == 0:
            return "No Usage"
        if self.assistant == self.vault == self.workflow:
            return "Balanced Usage"
        if self.assistant > max(self.vault, self.workflow):
            return "Assistant-Focused"
        if self.vault > max(self.assistant, self.workflow):
            return "Vault-Focused"
        if self.workflow > max(self.assistant, self.vault):
            return "Workflow-Focused"
        return "Mixed Usage"


def ratio(numerator: float | None, denominator: float | None) -> float | None:
    """A quotient; null where a part is unknown or the denominator is 0."""
    if numerator is None or denominator is None or denominator == 0:
        return None
    return numerator / denominator


def percent(part: int, whole: int | None) -> float | None:
    """A share from 0 to 100; null where the whole is unknown or 0."""
    return ratio(100 * part, whole)


def mean(values: Iterable[float | None]) -> float | None:
    """The plain mean of the values that are not null; null if there are none."""
    present = [value for value in values if value is not None]
    return ratio(fsum(present), len(present))


def band(value: float | None, bands: Sequence[tuple[float, str]], below: str) -> str | None:
    """The first band whose lower bound the value reaches; null for null."""
    if value is None:
        return None
    return next((label for bound, label in bands if value >= bound), below)


def points(value: int, bands: Sequence[tuple[int, int]]) -> int:
    """The points of the first band whose lower bound the value reaches, else 0."""
    return next((earned for bound, earned in bands if value >= bound), 0)


def window(
    by_day: dict[date, list[Activity]], day: date, length: int = WINDOW_DAYS
) -> list[Activity]:
    """The activity of the trailing days up to and with the day."""
    days = [day - timedelta(days=back) for back in range(length)]
    return [activity for each in days for activity in by_day.get(each, [])]


def group_by(
    activities: Iterable[Activity], key: Callable[[Activity], str]
) -> dict[str, list[Activity]]:
    """The activities under each key."""
    groups: dict[str, list[Activity]] = defaultdict(list)
    for activity in activities:
        groups[key(activity)].append(activity)
    return groups


# --- marts: user engagement -----------------------------------------------------------------


TIERS = (
    "Inactive User",
    "Low Value User",
    "Medium Value User",
    "High Value User",
    "Power User",
)


def add_months(day: date, months: int) -> date:
    """Adding months clamps to a month's last day."""
    year, month0 = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = calendar.monthrange(year, month0 + 1)[1]
    return date(year, month0 + 1, min(day.day, last))


def months_since(created: date, day: date) -> int:
    """The largest m with creation + m months on or before the day."""
    months = 12 * (day.year - created.year) + day.month - created.month
    return months if add_months(created, months) <= day else months - 1


def main_firm(activities: Sequence[Activity]) -> str | None:
    """The firm with most queries, then the one active latest, then the smallest id."""
    usage = {
        firm: Usage(rows) for firm, rows in group_by(activities, lambda row: row.firm_id).items()
    }
    most = max((each.queries for each in usage.values()), default=0)
    usage = {firm: each for firm, each in usage.items() if each.queries == most}
    latest = max((each.days[-1] for each in usage.values()), default=None)
    return min((firm for firm, each in usage.items() if each.days[-1] == latest), default=None)


def engagement_level(queries: int, active_days: int) -> str:
    """`engagement_level`: the first level whose queries and active days are both reached."""
    if queries >= 20 and active_days >= 15:
        return "High Frequency User"
    if queries >= 10 and active_days >= 8:
        return "Mid Frequency User"
    if queries >= 5 and active_days >= 3:
        return "Low Frequency User"
    if queries >= 1:
        return "Occasional User"
    return "Inactive User"


def user_row(day: date, user_id: str, known: TableRow, activities: Sequence[Activity]) -> TableRow:
    """One user's row of `daily_user_engagement` over the trailing 30 days."""
    usage = Usage(activities)
    active_days = len(usage.days)
    created = known.get("user_created_date")
    months = None if created is None else months_since(created, day)
    tenures = [(12, "12+ months"), (6, "6-12 months"), (3, "3-6 months"), (1, "1-3 months")]
    days_weight = points(active_days, [(20, 100), (15, 80), (10, 60), (5, 40), (2, 20)])
    documents_weight = points(usage.documents, [(100, 100), (50, 80), (25, 60), (10, 40), (5, 20)])
    breadth_weight = points(usage.event_types, [(3, 100), (2, 70), (1, 40)])
    score = (4 * days_weight + 3 * documents_weight + 3 * breadth_weight) // 10
    qualities = [(4.5, "High Quality"), (3.5, "Good Quality"), (2.5, "Average Quality")]
    return {
        "date": day,
        "user_id": user_id,
        "user_role": known.get("user_role"),
        "user_created_date": created,
        "months_since_creation": months,
        "tenure_band": band(months, tenures, "0-1 months"),
        "firm_id": main_firm(activities),
        "firm_count": len(usage.firms),
        "total_queries": usage.queries,
        "assistant_queries": usage.assistant,
        "vault_queries": usage.vault,
        "workflow_queries": usage.workflow,
        "total_documents_processed": usage.documents,
        "active_days": active_days,
        "unique_event_types": usage.event_types,
        "avg_feedback_score": usage.avg_feedback,
        "avg_documents_per_query": ratio(usage.documents, usage.queries),
        "first_activity_date": usage.days[0] if usage.days else None,
        "last_activity_date": usage.days[-1] if usage.days else None,
        "is_active_today": day in usage.days,
        "active_days_weight": days_weight,
        "document_volume_weight": documents_weight,
        "feature_breadth_weight": breadth_weight,
        "power_user_score": score,
        "power_user_tier": TIERS[min(score // 20, 4)],
        "engagement_level": engagement_level(usage.queries, active_days),
        "usage_pattern": usage.pattern,
        "quality_level": band(usage.avg_feedback, qualities, "Needs Improvement"),
    }


def engagement_table(
    by_day: dict[date, list[Activity]], history: History, days: Sequence[date]
) -> list[TableRow]:
    """One row per day and user valid on it or active in its window."""
    table = []
    for day in days:
        by_user = group_by(window(by_day, day), lambda row: row.user_id)
        for user_id in valid_on(history, day) | by_user.keys():
            known = known_on(history, user_id, day)
            table.append(user_row(day, user_id, known, by_user.get(user_id, [])))
    return table


# --- marts: firm usage ----------------------------------------------------------------------


def firm_health(usage: Usage, queries_per_user: float | None) -> str:
    """`firm_health_status` by 30-day feedback and queries per active user."""
    if queries_per_user is None:
        return "Critical"
    feedback = usage.avg_feedback
    if feedback is None:
        return "Fair" if queries_per_user >= 2 else "Needs Attention"
    if feedback >= 4.5 and queries_per_user >= 10:
        return "Excellent"
    if feedback >= 4.0 and queries_per_user >= 5:
        return "Good"
    if feedback >= 3.5 and queries_per_user >= 2:
        return "Fair"
    return "Needs Attention" if feedback >= 3.0 else "Critical"


def firm_maturity(age: int | None) -> str | None:
    """`firm_maturity_stage` by days since creation."""
    if age is None:
        return None
    if age <= 30:
        return "New"
    if age <= 90:
        return "Early Stage"
    if age <= 180:
        return "Growing"
    return "Established" if age <= 365 else "Mature"


def firm_row(day: date, firm_id: str, known: TableRow, activities: Sequence[Activity]) -> TableRow:
    """One firm's row of `daily_firm_usage_summary`: the day's and the trailing 30 days' usage."""
    today = Usage([activity for activity in activities if activity.day == day])
    usage = Usage(activities)
    size = known.get("firm_size")
    arr_usd = known.get("arr_usd")
    created = known.get("firm_created_date")
    age = None if created is None else (day - created).days
    adoption = percent(len(usage.users), size)
    queries_per_user = ratio(usage.queries, len(usage.users))
    adoptions = [
        (80, "High Adoption"),
        (60, "Good Adoption"),
        (40, "Moderate Adoption"),
        (20, "Low Adoption"),
    ]
    sizes = [(500, "Large Firm"), (100, "Medium Firm"), (25, "Small Firm")]
    tiers = [(1_000_000, "High Value"), (500_000, "Medium Value"), (100_000, "Standard Value")]
    return {
        "date": day,
        "firm_id": firm_id,
        "active_users": len(today.users),
        "total_queries": today.queries,
        "assistant_queries": today.assistant,
        "vault_queries": today.vault,
        "workflow_queries": today.workflow,
        "total_documents_processed": today.documents,
        "avg_feedback_score": today.avg_feedback,
        "avg_documents_per_query": ratio(today.documents, today.queries),
        "queries_per_active_user": ratio(today.queries, len(today.users)),
        "firm_usage_pattern": today.pattern,
        "daily_adoption_rate": percent(len(today.users), size),
        "active_users_30d": len(usage.users),
        "total_queries_30d": usage.queries,
        "avg_feedback_score_30d": usage.avg_feedback,
        "queries_per_active_user_30d": queries_per_user,
        "adoption_rate_30d": adoption,
        "firm_size": size,
        "arr_usd": arr_usd,
        "firm_created_date": created,
        "days_since_firm_creation": age,
        "arr_per_active_user_30d": ratio(arr_usd, len(usage.users)),
        "unused_seats_30d": None if size is None else max(0, size - len(usage.users)),
        "adoption_level": band(adoption, adoptions, "Very Low Adoption"),
        "firm_health_status": firm_health(usage, queries_per_user),
        "firm_maturity_stage": firm_maturity(age),
        "firm_size_category": band(size, sizes, "Boutique Firm"),
        "arr_tier": band(arr_usd, tiers, "Entry Level"),
    }


def firm_table(
    by_day: dict[date, list[Activity]], history: History, days: Sequence[date]
) -> list[TableRow]:
    """One row per day and firm valid on it or active in its window."""
    table = []
    for day in days:
        by_firm = group_by(window(by_day, day), lambda row: row.firm_id)
        for firm_id in valid_on(history, day) | by_firm.keys():
            known = known_on(history, firm_id, day)
            table.append(firm_row(day, firm_id, known, by_firm.get(firm_id, [])))
    return table


# --- marts: events and dashboard ------------------------------------------------------------


def event_summary_table(
    by_day: dict[date, list[Activity]], covered: set[date], days: Sequence[date]
) -> list[TableRow]:
    """One row per day; a day without events has zeros and null averages."""
    table = []
    for day in days:
        usage = Usage(by_day.get(day, []))
        table.append(
            {
                "date": day,
                "is_covered": day in covered,
                "total_events": usage.queries,
                "active_users": len(usage.users),
                "active_firms": len(usage.firms),
                "total_documents": usage.documents,
                "avg_feedback_score": usage.avg_feedback,
                "assistant_events": usage.assistant,
                "vault_events": usage.vault,
                "workflow_events": usage.workflow,
                "scored_events": usage.feedback_count,
                "high_satisfaction_events": usage.high_feedback,
                "low_satisfaction_events": usage.low_feedback,
            }
        )
    return table


def growth_trend(is_history_covered: bool, before: int, now: int, retained: int) -> str:
    """`growth_trend` by the change of power users against D-30 and their retention."""
    if not is_history_covered or before == 0:
        return "Insufficient Data"
    change = 100 * (now - before)
    if change >= 10 * before and 100 * retained >= 70 * before:
        return "Strong Growth"
    if change >= 2 * before:
        return "Growing"
    if change > -2 * before:
        return "Stable"
    return "Declining" if change > -20 * before else "Critical Decline"


def dashboard_row(
    summary: TableRow,
    wau: int,
    users: dict[str, TableRow],
    users_before: dict[str, TableRow],
    firms: Sequence[TableRow],
    is_history_covered: bool,
) -> TableRow:
    """One day of `harvey_analytics_dashboard`: the event summary and what is derived from it."""
    day: date = summary["date"]
    window_start = day - timedelta(days=WINDOW_DAYS - 1)
    events: int = summary["total_events"]
    scored: int = summary["scored_events"]
    dau: int = summary["active_users"]
    active = [row for row in users.values() if row["active_days"] > 0]
    mau = len(active)
    new_users = sum(
        row["user_created_date"] is not None and window_start <= row["user_created_date"] <= day
        for row in active
    )

    tier = {user_id: TIERS.index(row["power_user_tier"]) for user_id, row in users.items()}
    tier_before = {
        user_id: TIERS.index(row["power_user_tier"]) for user_id, row in users_before.items()
    }
    on_both_days = tier.keys() & tier_before.keys()
    top = TIERS.index("Power User")
    power_users = sum(each == top for each in tier.values())
    power_users_before = sum(each == top for each in tier_before.values())
    retained = sum(tier[user_id] == tier_before[user_id] == top for user_id in on_both_days)

    active_firms = [row for row in firms if row["active_users"] > 0]
    health = [row["firm_health_status"] for row in firms]
    volumes = [(10_000, "High Volume"), (5_000, "Medium Volume"), (1_000, "Low Volume")]
    return {
        **summary,
        "assistant_percent": percent(summary["assistant_events"], events),
        "vault_percent": percent(summary["vault_events"], events),
        "workflow_percent": percent(summary["workflow_events"], events),
        "high_satisfaction_rate": percent(summary["high_satisfaction_events"], scored),
        "low_satisfaction_rate": percent(summary["low_satisfaction_events"], scored),
        "events_per_user": ratio(events, dau),
        "documents_per_user": ratio(summary["total_documents"], dau),
        "documents_per_event": ratio(summary["total_documents"], events),
        "dau": dau,
        "wau": wau,
        "mau": mau,
        "stickiness": percent(dau, mau),
        "power_users": power_users,
        "high_value_users": sum(TIERS[each] == "High Value User" for each in tier.values()),
        "medium_value_users": sum(TIERS[each] == "Medium Value User" for each in tier.values()),
        "low_value_users": sum(TIERS[each] == "Low Value User" for each in tier.values()),
        "inactive_users": sum(TIERS[each] == "Inactive User" for each in tier.values()),
        "power_user_rate": percent(power_users, mau),
        "avg_power_score": mean(row["power_user_score"] for row in active),
        "avg_queries_per_user": mean(row["total_queries"] for row in active),
        "avg_active_days_per_user": mean(row["active_days"] for row in active),
        "avg_user_feedback": mean(row["avg_feedback_score"] for row in active),
        "feature_adoption_rate": percent(
            sum(row["unique_event_types"] >= 2 for row in active), mau
        ),
        "avg_firm_feedback": mean(row["avg_feedback_score"] for row in active_firms),
        "avg_firm_adoption_rate": mean(row["daily_adoption_rate"] for row in active_firms),
        "excellent_firms": health.count("Excellent"),
        "good_firms": health.count("Good"),
        "fair_firms": health.count("Fair"),
        "needs_attention_firms": health.count("Needs Attention"),
        "critical_firms": health.count("Critical"),
        "new_users": new_users,
        "returning_users": mau - new_users,
        "power_user_retention": percent(retained, power_users_before),
        "users_moved_up": sum(tier[user] > tier_before[user] for user in on_both_days),
        "users_moved_down": sum(tier[user] < tier_before[user] for user in on_both_days),
        "growth_trend": growth_trend(is_history_covered, power_users_before, power_users, retained),
        "usage_volume_category": band(events, volumes, "Minimal Usage"),
    }


def dashboard_table(
    by_day: dict[date, list[Activity]],
    covered: set[date],
    summaries: Iterable[TableRow],
    engagement: Iterable[TableRow],
    firms: Iterable[TableRow],
) -> list[TableRow]:
    """One row per day, read against the users' rows of 30 days before."""
    users_on: dict[date, dict[str, TableRow]] = defaultdict(dict)
    for row in engagement:
        users_on[row["date"]][row["user_id"]] = row
    firms_on: dict[date, list[TableRow]] = defaultdict(list)
    for row in firms:
        firms_on[row["date"]].append(row)
    table = []
    for summary in summaries:
        day: date = summary["date"]
        before = day - timedelta(days=WINDOW_DAYS)
        last_60_days = {day - timedelta(days=back) for back in range(2 * WINDOW_DAYS)}
        table.append(
            dashboard_row(
                summary,
                wau=len(Usage(window(by_day, day, length=7)).users),
                users=users_on.get(day, {}),
                users_before=users_on.get(before, {}),
                firms=firms_on.get(day, []),
                is_history_covered=last_60_days <= covered,
            )
        )
    return table


# --- core and marts: growth -----------------------------------------------------------------


GROWTH_DAYS = 28
ENTITIES: dict[str, Callable[[Activity], str]] = {
    "user": lambda row: row.user_id,
    "firm": lambda row: row.firm_id,
}

ACTIVE_COUNTS = ("dau", "wau", "mau")
GROWTH_COUNTS = ("active", "previous_active", "new", "retained", "resurrected", "churned")
ACTIVE_COLUMNS = (*ACTIVE_COUNTS, "stickiness")
GROWTH_COLUMNS = (*GROWTH_COUNTS, "quick_ratio", "growth_rate")

ActiveDates: TypeAlias = dict[str, dict[str, set[date]]]
"""By grain and entity, the dates on which it was active."""


def active_dates_of(activities: Iterable[Activity]) -> ActiveDates:
    """When each user, and each firm, was active."""
    found: ActiveDates = {grain: defaultdict(set) for grain in ENTITIES}
    for activity in activities:
        for grain, name in ENTITIES.items():
            found[grain][name(activity)].add(activity.day)
    return found


def first_activity_table(active: ActiveDates) -> list[TableRow]:
    """One row per user and firm that was ever active."""
    return [
        {"grain": grain, "entity_id": entity, "first_activity_date": min(dates)}
        for grain, entities in active.items()
        for entity, dates in entities.items()
    ]


def active_days_within(dates: set[date], last: date, length: int) -> int:
    """On how many of the days up to and with the last one it was active."""
    return sum(last - timedelta(days=back) in dates for back in range(length))


def usage_counts(members: Iterable[set[date]], day: date) -> TableRow:
    """Actives and growth accounting of some users or firms, each given by its dates."""
    counts = dict.fromkeys((*ACTIVE_COUNTS, *GROWTH_COUNTS), 0)
    eve = day - timedelta(days=GROWTH_DAYS)
    for dates in members:
        counts["dau"] += active_days_within(dates, day, 1) > 0
        counts["wau"] += active_days_within(dates, day, 7) > 0
        counts["mau"] += active_days_within(dates, day, WINDOW_DAYS) > 0
        now = active_days_within(dates, day, GROWTH_DAYS) > 0
        before = active_days_within(dates, eve, GROWTH_DAYS) > 0
        counts["active"] += now
        counts["previous_active"] += before
        counts["churned"] += before and not now
        if now and min(dates) > eve:
            counts["new"] += 1
        elif now and before:
            counts["retained"] += 1
        elif now:
            counts["resurrected"] += 1
    change = counts["active"] - counts["previous_active"]
    return {
        **counts,
        "stickiness": percent(counts["dau"], counts["mau"]),
        "quick_ratio": ratio(counts["new"] + counts["resurrected"], counts["churned"]),
        "growth_rate": percent(change, counts["previous_active"]),
    }


def segments_of(grain: str, known: TableRow) -> dict[str, str | None]:
    """The values of the attributes by which a grain is split."""
    if grain == "user":
        return {"user_role": known.get("user_role")}
    sizes = [(500, "Large Firm"), (100, "Medium Firm"), (25, "Small Firm")]
    tiers = [(1e6, "High Value"), (5e5, "Medium Value"), (1e5, "Standard Value")]
    return {
        "firm_size_category": band(known.get("firm_size"), sizes, "Boutique Firm"),
        "arr_tier": band(known.get("arr_usd"), tiers, "Entry Level"),
    }


def segment_table(
    active: ActiveDates, histories: dict[str, History], days: Sequence[date]
) -> list[TableRow]:
    """One row per day, attribute and value that someone active in the last 56 days has."""
    table = []
    for day in days:
        members: dict[tuple[str, str, str | None], list[set[date]]] = defaultdict(list)
        for grain, entities in active.items():
            for entity, dates in entities.items():
                if active_days_within(dates, day, 2 * GROWTH_DAYS):
                    known = known_on(histories[grain], entity, day)
                    for segment, value in segments_of(grain, known).items():
                        members[grain, segment, value].append(dates)
        for (grain, segment, value), group in members.items():
            place = {"date": day, "grain": grain, "segment": segment, "segment_value": value}
            table.append({**place, **usage_counts(group, day)})
    return table


def whole_table(
    active: ActiveDates, days: Sequence[date], columns: Sequence[str]
) -> list[TableRow]:
    """One row per day and grain: these counts over all users, or firms, that were ever active."""
    table = []
    for day in days:
        for grain, entities in active.items():
            counts = usage_counts(entities.values(), day)
            row: TableRow = {"date": day, "grain": grain}
            table.append({**row, **{column: counts[column] for column in columns}})
    return table


def power_curve_table(active: ActiveDates, days: Sequence[date]) -> list[TableRow]:
    """One row per day, window and number of active days from 1 to the window's length."""
    table = []
    for day in days:
        for length in (7, GROWTH_DAYS):
            found = [active_days_within(dates, day, length) for dates in active["user"].values()]
            everyone = sum(number > 0 for number in found)
            for number in range(1, length + 1):
                users = found.count(number)
                table.append(
                    {
                        "date": day,
                        "window_days": length,
                        "active_days": number,
                        "users": users,
                        "users_percent": percent(users, everyone),
                    }
                )
    return table


# --- months ---------------------------------------------------------------------------------


def month_of(day: date) -> date:
    """The first day of a day's calendar month."""
    return day.replace(day=1)


def month_end(month: date) -> date:
    """The last day of a calendar month."""
    return add_months(month, 1) - ONE_DAY


def by_month(activities: Iterable[Activity]) -> dict[date, list[Activity]]:
    """The activities of each calendar month."""
    months: dict[date, list[Activity]] = defaultdict(list)
    for activity in activities:
        months[month_of(activity.day)].append(activity)
    return dict(months)


def percent_ranks(values: dict[str, Any]) -> dict[str, Fraction]:
    """SQL's `percent_rank()`: how many are smaller, of all others; 0 for a single row."""
    others = max(len(values) - 1, 1)
    ordered = sorted(values.values())
    return {name: Fraction(ordered.index(value), others) for name, value in values.items()}


SAME_AS_IN_WINDOW = (
    "firm_id",
    "unique_event_types",
    "active_days_weight",
    "document_volume_weight",
    "feature_breadth_weight",
    "power_user_score",
    "power_user_tier",
)


def monthly_user_table(months: dict[date, list[Activity]]) -> list[TableRow]:
    """One row per month and user with activity in it."""
    table = []
    for month, activities in months.items():
        by_user = group_by(activities, lambda row: row.user_id)
        usages = {user: Usage(rows) for user, rows in by_user.items()}
        before = {row.user_id for row in months.get(add_months(month, -1), [])}
        queries = percent_ranks({user: each.queries for user, each in usages.items()})
        documents = percent_ranks({user: each.documents for user, each in usages.items()})
        feedback = percent_ranks(
            {
                user: Fraction(each.feedback_hundredths, each.feedback_count)
                for user, each in usages.items()
                if each.feedback_count
            }
        )
        scores = {
            user: Fraction(6, 10) * queries[user]
            + Fraction(3, 10) * documents[user]
            + Fraction(1, 10) * feedback.get(user, Fraction(0))
            for user in usages
        }
        ranks = percent_ranks(scores)
        for user, usage in usages.items():
            row = user_row(month_end(month), user, {}, by_user[user])
            levels = [(Fraction(8, 10), "high"), (Fraction(3, 10), "medium")]
            level = next((name for bound, name in levels if ranks[user] >= bound), "low")
            is_power_user = level == "high" and user in before and usage.event_types >= 2
            table.append(
                {
                    **{name: row[name] for name in SAME_AS_IN_WINDOW},
                    "activity_month": month,
                    "user_id": user,
                    "num_active_days": len(usage.days),
                    "num_queries": usage.queries,
                    "num_workflow_queries": usage.workflow,
                    "num_vault_queries": usage.vault,
                    "num_assistant_queries": usage.assistant,
                    "avg_queries_per_active_day": usage.queries / len(usage.days),
                    "num_docs": usage.documents,
                    "avg_docs_per_query": usage.documents / usage.queries,
                    "avg_feedback_score": usage.avg_feedback,
                    "last_active_date": usage.days[-1],
                    "pr_num_queries": float(queries[user]),
                    "pr_num_docs": float(documents[user]),
                    "pr_avg_feedback_score": float(feedback.get(user, 0)),
                    "engagement_score": float(scores[user]),
                    "pr_engagement_score": float(ranks[user]),
                    "engagement_level": level,
                    "is_power_user": is_power_user,
                }
            )
    return table


def monthly_firm_table(
    months: dict[date, list[Activity]], history: History, last_covered: date
) -> list[TableRow]:
    """One row per month and firm with activity in it."""
    table = []
    for month, activities in months.items():
        for firm, rows in group_by(activities, lambda row: row.firm_id).items():
            usage = Usage(rows)
            known = known_on(history, firm, min(month_end(month), last_covered))
            users = len(usage.users)
            table.append(
                {
                    "activity_month": month,
                    "firm_id": firm,
                    "num_active_days": len(usage.days),
                    "num_active_users": users,
                    "num_queries": usage.queries,
                    "num_assistant_queries": usage.assistant,
                    "num_vault_queries": usage.vault,
                    "num_workflow_queries": usage.workflow,
                    "num_docs": usage.documents,
                    "avg_feedback_score": usage.avg_feedback,
                    "queries_per_active_day": usage.queries / len(usage.days),
                    "queries_per_active_user": usage.queries / users,
                    "docs_per_query": usage.documents / usage.queries,
                    "firm_size": known.get("firm_size"),
                    "arr_usd": known.get("arr_usd"),
                    "arr_per_user": ratio(known.get("arr_usd"), users),
                    "seat_utilization": percent(users, known.get("firm_size")),
                }
            )
    return table


def retention_table(active: ActiveDates, last_covered: date) -> list[TableRow]:
    """One row per grain, cohort and month from the cohort's to that of the last covered day."""
    table = []
    for grain, entities in active.items():
        months = {name: {month_of(day) for day in dates} for name, dates in entities.items()}
        for cohort in sorted({min(each) for each in months.values()}):
            members = [each for each in months.values() if min(each) == cohort]
            month, number = cohort, 0
            while month <= last_covered:
                is_complete = month_end(month) <= last_covered
                retained = sum(month in each for each in members) if is_complete else None
                rate = None if retained is None else percent(retained, len(members))
                table.append(
                    {
                        "grain": grain,
                        "cohort_month": cohort,
                        "months_since": number,
                        "activity_month": month,
                        "cohort_size": len(members),
                        "retained": retained,
                        "retention_rate": rate,
                        "is_complete": is_complete,
                    }
                )
                month, number = add_months(month, 1), number + 1
    return table


# --- All tables -----------------------------------------------------------------------------


def expected_tables(
    landing: Path, days: Sequence[date], start_date: date
) -> dict[str, list[TableRow]]:
    """Every table as it stands once all assets have been run for exactly these days."""
    folder = Landing(landing, start_date)
    loads = {source: [load(folder, source, day) for day in days] for source in SOURCES}
    all_loads = [each for source in SOURCES for each in loads[source]]
    users = history_of(loads["users"])
    firms = history_of(loads["firms"])
    activities = activities_of(loads["events"], days)
    by_day: dict[date, list[Activity]] = defaultdict(list)
    for activity in activities:
        by_day[activity.day].append(activity)
    covered = {each.day for each in loads["events"] if each.slice.is_observed}
    engagement = engagement_table(by_day, users, days)
    firm_usage = firm_table(by_day, firms, days)
    summaries = event_summary_table(by_day, covered, days)
    active = active_dates_of(activities)
    months = by_month(activities)
    last_covered = max(covered, default=date.min)
    return {
        "raw.drops": drops_table(all_loads),
        "raw.quarantine": quarantine_table(folder, all_loads),
        "raw.raw_users": raw_table(loads["users"]),
        "raw.raw_firms": raw_table(loads["firms"]),
        "raw.raw_events": raw_table(loads["events"]),
        "core.dim_user": dimension_table(users, "user"),
        "core.dim_firms": dimension_table(firms, "firm"),
        "core.user_daily_activity": activity_table(activities),
        "marts.daily_user_engagement": engagement,
        "marts.daily_firm_usage_summary": firm_usage,
        "marts.daily_event_summary": summaries,
        "marts.harvey_analytics_dashboard": dashboard_table(
            by_day, covered, summaries, engagement, firm_usage
        ),
        "core.first_activity": first_activity_table(active),
        "marts.usage_by_segment": segment_table(active, {"user": users, "firm": firms}, days),
        "marts.growth_accounting": whole_table(active, days, GROWTH_COLUMNS),
        "marts.active_usage": whole_table(active, days, ACTIVE_COLUMNS),
        "marts.power_curve": power_curve_table(active, days),
        "months.user_engagement": monthly_user_table(months),
        "months.firm_usage_summary": monthly_firm_table(months, firms, last_covered),
        "months.retention_cohorts": retention_table(active, last_covered),
    }
