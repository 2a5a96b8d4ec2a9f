"""Which days the landing folder covers, and dates that cannot be meant."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Final

import polars as pl

from harvey_pipeline.landing.files import SourceFiles, open_file, stamp
from harvey_pipeline.landing.judge import typed_column
from harvey_pipeline.landing.records.contract import LandingError
from harvey_pipeline.landing.records.header import text_column
from harvey_pipeline.landing.scratch import digest, parser_version, write_whole
from harvey_pipeline.warehouse.days import DayRange

_FAR: Final = timedelta(days=366)
"""A gap that is longer than this parts a stretch of dates from the rest."""

_STRAY_SHARE: Final = 0.01
"""A stretch of fewer rows than this share is far off by mistake."""

_EXAMPLES: Final = 3


@dataclass(frozen=True)
class DatedRows:
    """The rows of a bulk export dated one day: how many, and the line of the first."""

    day: date
    rows: int
    line_number: int


def bulk_dates(files: SourceFiles, root: Path) -> DayRange | None:
    """First and last readable date of a bulk export of events or changes; None without any.

    Raises:
        LandingError: The file cannot be read.
    """
    found = dated_rows(files, root)
    return DayRange(found[0].day, found[-1].day) if found else None


def dated_rows(files: SourceFiles, root: Path) -> list[DatedRows]:
    """The rows of a bulk export by their date, ascending; none without an export.

    Remembered beside the raw files for as long as the export's size and time of change stay.

    Raises:
        LandingError: The file cannot be read.
    """
    if files.bulk is None or files.source.is_snapshot:
        return []
    remembered = dates_file(files, root)
    if not remembered.exists():
        rows = _count_by_date(files, root)
        write_whole(remembered, lambda path: path.write_text(json.dumps(rows, default=str)))
    listed = json.loads(remembered.read_text())
    return [DatedRows(date.fromisoformat(day), *counts) for day, *counts in listed]


def dates_file(files: SourceFiles, root: Path) -> Path:
    """Where the dates of a bulk export are remembered."""
    assert files.bulk is not None
    changes = map(str, stamp(files, files.bulk))
    key = digest(parser_version(), files.source.declaration, str(files.bulk.absolute()), *changes)
    return root / "bulk" / f"{files.source.name}-{key}.json"


def _count_by_date(files: SourceFiles, root: Path) -> list[tuple[date, int, int]]:
    source = files.source
    assert files.bulk is not None
    assert source.at is not None
    scratch = root / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    at = source.column(source.at)
    with open_file(files, files.bulk, scratch) as delivery:
        if text_column(at.delivered) not in {column for column, _ in delivery.header}:
            return []
        counted = (
            delivery.records.filter(pl.col("fault").is_null())
            .select("line_number", day=typed_column(at).dt.date())
            .filter(pl.col("day").is_not_null())
            .group_by("day")
            .agg(rows=pl.len(), line_number=pl.col("line_number").min())
            .sort("day")
            .collect(engine="streaming")
        )
    return list(counted.select("day", "rows", "line_number").iter_rows())


def is_covered(files: SourceFiles, root: Path, day: date) -> bool:
    """Whether a day has a drop, or lies within what a bulk export covers."""
    return day in files.drops or bulk_covers(files, root, day)


def sources_missing(files: Iterable[SourceFiles], root: Path, day: date) -> list[str]:
    """The sources that neither have a drop of a day nor cover it by a bulk export.

    An optional source of which there is nothing at all is not missed.

    Raises:
        LandingError: A bulk export cannot be read.
    """
    return [
        one.source.name
        for one in files
        if not (one.source.is_optional and one.is_empty) and not is_covered(one, root, day)
    ]


def bulk_covers(files: SourceFiles, root: Path, day: date) -> bool:
    """Whether a bulk export stands for a day, should it have no drop."""
    if files.bulk is None:
        return False
    if files.source.is_snapshot:
        return True
    dates = bulk_dates(files, root)
    return dates is not None and dates.first <= day <= dates.last


def days_covered(files: SourceFiles, root: Path, start: date) -> set[date]:
    """The days of events or changes that the landing folder covers, from a day on."""
    covered = set(files.drops)
    exported = bulk_dates(files, root)
    if exported is not None:
        covered |= set(exported.days)
    return {day for day in covered if day >= start}


def days_found(files: Iterable[SourceFiles], root: Path) -> set[date]:
    """Days by which the calendar is set: those of the drops, first and last ones of exports."""
    found: set[date] = set()
    for one in files:
        found |= set(one.drops)
        exported = bulk_dates(one, root)
        if exported is not None:
            found |= {exported.first, exported.last}
    return found


def refuse_stray_dates(files: Mapping[str, SourceFiles], root: Path) -> None:
    """Make sure that no odd date sets the calendar.

    Raises:
        LandingError: A few rows at the beginning or end of a bulk export, or a daily drop, are more
            than a year away from everything else.
    """
    for one in files.values():
        strays = _stray_rows(dated_rows(one, root))
        if strays:
            assert one.bulk is not None
            raise _stray_dates(
                one.label_of(one.bulk),
                [f"{stray.day} (line {stray.line_number})" for stray in strays],
                sum(stray.rows for stray in strays),
                "row",
            )
    delivered = {day for one in files.values() for day in one.drops}
    exported = {dated.day for one in files.values() for dated in dated_rows(one, root)}
    days = sorted(delivered | exported)
    for place, day in enumerate(days):
        neighbours = days[max(place - 1, 0) : place] + days[place + 1 : place + 2]
        is_far = neighbours and all(abs(day - other) > _FAR for other in neighbours)
        if is_far and day in delivered:
            names = [one.label_of(one.drops[day]) for one in files.values() if day in one.drops]
            raise _stray_dates(names[0], [str(day)], len(names), "drop")


def _stray_rows(dated: Sequence[DatedRows]) -> list[DatedRows]:
    """The rows of a first or last stretch that is far from the rest and next to nothing of it."""
    total = sum(one.rows for one in dated)
    for stretch in (dated, list(reversed(dated))):
        rows = 0
        strays = 0
        for place, (one, following) in enumerate(pairwise(stretch), start=1):
            rows += one.rows
            is_few = rows < _STRAY_SHARE * total or rows == 1 < total - rows
            if is_few and abs(following.day - one.day) > _FAR:
                strays = place
        if strays:
            return list(stretch[:strays])
    return []


def _stray_dates(file: str, dates: Sequence[str], count: int, noun: str) -> LandingError:
    more = f" and {len(dates) - _EXAMPLES} more days" if len(dates) > _EXAMPLES else ""
    return LandingError(
        f"{file}: {count:,} {noun}{'s are' if count > 1 else ' is'} dated "
        f"{', '.join(dates[:_EXAMPLES])}{more}, more than {_FAR.days} days from all else, and "
        f"would set the calendar. Set HARVEY_START_DATE (--start-date) to the first day that is "
        f"meant, or correct the dates and deliver again."
    )
