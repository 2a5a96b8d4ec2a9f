"""Reading what was rejected or repaired, and writing it out as drops that can be corrected."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from harvey_pipeline.landing.files import find_files
from harvey_pipeline.landing.ledger import QUARANTINE
from harvey_pipeline.landing.records.contract import BLANKS
from harvey_pipeline.landing.records.header import matched
from harvey_pipeline.landing.source import NOT_AN_OBJECT, WRONG_FIELD_COUNT, Source
from harvey_pipeline.warehouse.warehouse import Warehouse

LINE_AS_DELIVERED: Final = "line_as_delivered"
"""Column of an exported file for records of which only the raw line is known.

No source reads it, so that such a record stays rejected until its fields are filled in.
"""

_RAW: Final = frozenset({WRONG_FIELD_COUNT, NOT_AN_OBJECT})
_NULL: Final = "NULL"
_NUL: Final = "\0"
_REPLACEMENT: Final = "\ufffd"
_QUOTED: Final = re.compile(r'[",\r\n]')


class ExportError(Exception):
    """Records that cannot be written where they are wanted; the message says what to do."""


@dataclass(frozen=True)
class Choice:
    """Which records of quarantine are meant; None means any.

    `first` and `last` are days of drops; with either, records without a day are left out.
    """

    source: str | None = None
    first: date | None = None
    last: date | None = None
    reason: str | None = None
    action: str | None = None

    def condition(self) -> tuple[str, list[Any]]:
        """An SQL condition on quarantine, and its parameters."""
        parts: Mapping[str, Any] = {
            "source = ?": self.source,
            "drop_date >= ?": self.first,
            "drop_date <= ?": self.last,
            "list_contains(reasons, ?)": self.reason,
            "action = ?": self.action,
        }
        given = {sql: value for sql, value in parts.items() if value is not None}
        return " and ".join(given) or "true", list(given.values())


@dataclass(frozen=True)
class Count:
    """How many records of a source and day came to one action for one reason."""

    source: str
    day: date | None
    action: str
    reason: str
    records: int


@dataclass(frozen=True)
class Quarantined:
    """A record as quarantine keeps it.

    `record`: its fields as text, a JSON object; the raw line where `is_raw`.
    """

    source: str
    day: date | None
    file: str
    line: int
    action: str
    reasons: tuple[str, ...]
    record: str

    @property
    def is_raw(self) -> bool:
        """Whether its fields cannot be told apart."""
        return not _RAW.isdisjoint(self.reasons)

    @property
    def fields(self) -> dict[str, str | None]:
        """Its fields by their names as delivered; of a raw line none."""
        fields: dict[str, str | None] = {} if self.is_raw else json.loads(self.record)
        return fields


@dataclass(frozen=True)
class Exported:
    """A file that was written.

    `raw_lines`: the lines, in the delivered file, of the records that stand in `raw_column`.
    `altered_lines`: those of records with characters that no CSV file may hold, which are replaced.
    """

    file: str
    delivered_as: str
    records: int
    raw_lines: tuple[int, ...]
    raw_column: str
    altered_lines: tuple[int, ...]


def count_records(warehouse: Warehouse, choice: Choice) -> int:
    """How many records are meant; each counts once, whatever the number of its reasons."""
    where, parameters = choice.condition()
    rows = warehouse.query(
        f"select count(*) from {QUARANTINE} where {where}", parameters, tables=[QUARANTINE]
    )
    return int(rows[0][0])


def count_by_reason(warehouse: Warehouse, choice: Choice) -> list[Count]:
    """Records by source, day, action and reason, newest day first, those without a day last.

    A record with several reasons counts under each of them; under one only if that is chosen.
    """
    where, parameters = choice.condition()
    rows = warehouse.query(
        "select source, drop_date, action, reason, count(*) from "
        f"(select *, unnest(reasons) as reason from {QUARANTINE} where {where}) "
        "where ?::varchar is null or reason = ? group by all "
        "order by drop_date desc nulls last, source, action, reason",
        [*parameters, choice.reason, choice.reason],
        tables=[QUARANTINE],
    )
    return [Count(*row) for row in rows]


def read_records(
    warehouse: Warehouse, choice: Choice, limit: int | None = None
) -> list[Quarantined]:
    """The records meant, newest day first, those without a day last, by source and line."""
    where, parameters = choice.condition()
    rows = warehouse.query(
        f"select source, drop_date, file, line_number, action, reasons, record from {QUARANTINE} "
        f"where {where} order by drop_date desc nulls last, source, file, line_number"
        + ("" if limit is None else f" limit {limit}"),
        parameters,
        tables=[QUARANTINE],
    )
    return [
        Quarantined(source, day, file, line, action, tuple(reasons), record)
        for source, day, file, line, action, reasons, record in rows
    ]


def export_records(
    sources: Sequence[Source], records: Iterable[Quarantined], out: Path
) -> list[Exported]:
    """Write records as a landing folder: a file for each drop that they came with.

    A record of a daily drop goes to `<source>/<day>.csv`, one of a part to a part of its name,
    which ends in `.csv`. One of a bulk export goes to `<source>.csv`, once, whether its day is
    known or not and however many days show it: a correction of it belongs into the export, and a
    file of its day would stand in for that day.

    Returns:
        The files written, by their names.

    Raises:
        ExportError: A file of the same drop is there already, or a record's source is not among
            the sources; nothing was written then. Or the folder cannot be written.
    """
    by_name = {source.name: source for source in sources}
    by_file: dict[str, list[Quarantined]] = {}
    for record in records:
        if record.source not in by_name:
            raise ExportError(
                f"{record.source} is no source any more, so that its columns are not known. "
                f"Choose another one."
            )
        by_file.setdefault(_target_of(record), []).append(record)
    try:
        out.mkdir(parents=True, exist_ok=True)
        present = _present(by_file, by_name, out)
        if present:
            raise ExportError(
                f"{out} holds {', '.join(present[:5])}{', ...' * (len(present) > 5)} already. "
                f"Nothing is overwritten: name an empty folder."
            )
        return [
            _write(by_name[some[0].source], _each_once(some), out, target)
            for target, some in sorted(by_file.items())
        ]
    except OSError as error:
        raise ExportError(
            f"{out} cannot be written: {error.strerror or error}. Name a folder that can."
        ) from error


def _target_of(record: Quarantined) -> str:
    """The exported file of a record, relative to the folder."""
    # Only a bulk export stands in the landing folder itself.
    if record.day is None or "/" not in record.file:
        return f"{record.source}.csv"
    _, *folder, name = record.file.split("/")
    if not folder:
        return f"{record.source}/{record.day}.csv"
    # Two parts may have names that differ by their ending alone.
    part = name if name.endswith(".csv") else f"{name}.csv"
    return f"{record.source}/{record.day}/{part}"


def _present(
    by_file: Mapping[str, Sequence[Quarantined]], by_name: Mapping[str, Source], out: Path
) -> list[str]:
    """What stands in the folder for one of the drops that are to be written, in any form."""
    found = []
    for target, (first, *_) in by_file.items():
        files = find_files(out, by_name[first.source])
        path = files.drops.get(first.day) if "/" in target and first.day else files.bulk
        if path is not None:
            found.append(files.name_of(path))
    return sorted(found)


def _each_once(records: Sequence[Quarantined]) -> list[Quarantined]:
    """The records in the order of their file: those of a bulk export come once for each day."""
    return [record for _, record in sorted({one.line: one for one in records}.items())]


def _write(source: Source, records: Sequence[Quarantined], out: Path, target: str) -> Exported:
    known = [column.delivered for column in source.delivered_columns]
    delivered = [record.fields for record in records]
    unknown = [
        name
        for name in dict.fromkeys(name for fields in delivered for name in fields)
        if matched(name) not in known
    ]
    raw = tuple(record.line for record in records if record.is_raw)
    raw_column = _free_name(unknown)
    path = out / target
    path.parent.mkdir(parents=True, exist_ok=True)
    altered = []
    with path.open("x", encoding="utf-8", newline="") as file:
        file.write(_csv_line([*known, *unknown, *([raw_column] if raw else [])]))
        for record, fields in zip(records, delivered, strict=True):
            texts = _texts_of(fields, known, unknown)
            if raw:
                texts.append(record.record if record.is_raw else "")
            if any(_NUL in text for text in texts):
                altered.append(record.line)
                texts = [text.replace(_NUL, _REPLACEMENT) for text in texts]
            if not any(text.strip(BLANKS) for text in texts):
                # A line of blank fields would be no record.
                texts[0] = _NULL
            file.write(_csv_line(texts))
    return Exported(target, records[0].file, len(records), raw, raw_column, tuple(altered))


def _free_name(taken: Sequence[str]) -> str:
    """`LINE_AS_DELIVERED`, unless a delivered column is called that."""
    name = LINE_AS_DELIVERED
    while name in {matched(one) for one in taken}:
        name += "_"
    return name


def _texts_of(
    fields: Mapping[str, str | None], known: Sequence[str], unknown: Sequence[str]
) -> list[str]:
    """A record's fields as text: those of the contract, then the others; nothing where missing."""
    of_contract = {matched(name): value for name, value in fields.items()}
    texts = [of_contract.get(name) for name in known] + [fields.get(name) for name in unknown]
    return [text or "" for text in texts]


def _csv_line(texts: Iterable[str]) -> str:
    return ",".join(map(_csv_field, texts)) + "\n"


def _csv_field(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text
