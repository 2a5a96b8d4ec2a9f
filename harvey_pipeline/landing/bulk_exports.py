"""A bulk export: typed and judged as a whole, once, and then cut into the days that it shows."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Final

import polars as pl

from harvey_pipeline.landing.coverage import bulk_covers, dates_file
from harvey_pipeline.landing.day_files import (
    UNKNOWN_COLUMNS,
    DayFiles,
    Parsed,
    unknown_columns_of,
)
from harvey_pipeline.landing.files import check_unchanged, stamp
from harvey_pipeline.landing.intake import Intake, is_unusable
from harvey_pipeline.landing.judge import DropRules, judge, settle_duplicates
from harvey_pipeline.landing.parts import acceptable, records_of, with_beaten
from harvey_pipeline.landing.places import Stamp
from harvey_pipeline.landing.scratch import digest, write_whole
from harvey_pipeline.landing.source import BEFORE_START_DATE, EVENT_DATE

_BLOCK_DAYS: Final = 7


class BulkExport:
    """The bulk export of a source, if there is one.

    `unknown_columns` are named once it was read.
    """

    def __init__(self, intake: Intake, day_files: DayFiles) -> None:
        self.unknown_columns: list[str] = []
        self._intake = intake
        self._source = intake.source
        self._day_files = day_files
        self._staged: _Staged | None = None

    def covers(self, day: date) -> bool:
        """Whether the export stands for a day, should it have no drop."""
        return bulk_covers(self._intake.files, self._intake.root, day)

    @cached_property
    def is_usable(self) -> bool:
        """Whether the export as a whole is good enough for any of its rows to count."""
        if self._intake.files.is_bulk_accepted:
            return True
        remembered = self._usability_file(self._stage())
        if not remembered.exists():
            usable = json.dumps(not is_unusable(*self._count()))
            write_whole(remembered, lambda path: path.write_text(usable))
        return bool(json.loads(remembered.read_text()))

    def _usability_file(self, bulk: "_Staged") -> Path:
        return self._intake.root / "bulk" / f"{self._source.name}-{bulk.key}-usable.json"

    def _count(self) -> tuple[int, int]:
        """Rows of the export, and how many of them no rule of their own rejects."""
        bulk = self._stage()
        sound, found = (pl.scan_parquet(path, glob=False) for path in (bulk.sound, bulk.found))
        # That a row lies before the calendar says nothing against the export.
        harmless = [BEFORE_START_DATE, *self._source.repairs]
        fine = found.filter(pl.col("reasons").list.set_difference(harmless).list.len() == 0)
        columns = [column.name for column in self._source.columns]
        good = pl.concat([sound.select(columns), fine.select(columns)])
        has_key = pl.all_horizontal(pl.col(name).is_not_null() for name in self._source.key_names)
        accepted = good.select(
            pl.struct(self._identity).filter(has_key).n_unique() + (~has_key).sum()
        ).collect(engine="streaming")
        read = pl.concat([sound.select(pl.len()), found.select(pl.len())]).collect()
        return int(read.to_series().sum()), int(accepted.item())

    @property
    def _identity(self) -> list[pl.Expr]:
        """What tells the acceptable rows of a bulk export apart."""
        key = [pl.col(name) for name in self._source.key_names]
        if self._source.is_snapshot or self._source.at is None:
            return key
        return [*key, pl.col(self._source.at).dt.date().alias(EVENT_DATE)]

    def _stage(self) -> "_Staged":
        """Type and judge the whole bulk export once; days are then cut from what it gave."""
        assert self._intake.files.bulk is not None
        if self._staged is None:
            path = self._intake.files.bulk
            before = stamp(self._intake.files, path)
            content = self._intake.fingerprints.of(self._intake.files, path)
            rules = DropRules(None, self._intake.start_date)
            key = self._intake.digest(content, path, rules)
            bulk = _Staged(
                self._intake.files.name_of(path),
                before,
                content,
                key,
                self._intake.root / "bulk" / f"{self._source.name}-{key}-sound.parquet",
                self._intake.root / "bulk" / f"{self._source.name}-{key}-found.parquet",
                self._intake.root / "bulk" / f"{self._source.name}-{key}-erased.parquet",
            )
            needed = [bulk.sound, bulk.found, *([bulk.erased] if self._intake.can_erase else [])]
            if not all(file.exists() for file in needed):
                with self._intake.open(path, content) as opened:
                    delivery, erased = self._intake.without_erased(opened)
                    judged = judge(self._source, delivery, rules)
                    _sink(judged.sound, bulk.sound, {})
                    if erased is not None:
                        _sink(erased, bulk.erased, {})
                    # Which columns there are is known for certain once all was read.
                    metadata = {UNKNOWN_COLUMNS: json.dumps(delivery.unknown_columns)}
                    # The findings come last, once all of it is known to be of one content.
                    _sink(
                        judged.found,
                        bulk.found,
                        metadata,
                        lambda: check_unchanged(self._intake.files, path, before),
                    )
            self.unknown_columns = unknown_columns_of(bulk.found)
            self._staged = bulk
        return self._staged

    def parse(self, days: Sequence[date]) -> Iterator[Parsed]:
        """What the export says of each of some days, in whatever order.

        Raises:
            LandingError: It cannot be read.
        """
        if not days:
            return
        bulk = self._stage()
        stems = {day: f"{day}-{digest(bulk.key, 'bulk')}" for day in days}
        known = {day: self._day_files.known(stems[day]) for day in days}
        for one in known.values():
            if one is not None:
                yield one
        missing = [day for day in days if known[day] is None]
        for start in range(0, len(missing), _BLOCK_DAYS):
            block = missing[start : start + _BLOCK_DAYS]
            sound, found = (
                pl.scan_parquet(path, glob=False)
                .filter(self._is_shown(block[0], block[-1]))
                .collect(engine="streaming")
                for path in (bulk.sound, bulk.found)
            )
            settled = {}
            for day in block:
                shown = self._is_shown(day, day)
                rows, findings = acceptable(sound.filter(shown), found.filter(shown))
                settled[day] = (*settle_duplicates(self._source, rows), findings)
            records = self._records_of(bulk, [beaten for _, beaten, _ in settled.values()])
            erased = self._erased(bulk)
            for day, (rows, beaten, findings) in settled.items():
                described = Parsed(
                    day,
                    bulk.name,
                    "bulk",
                    bytes=bulk.stamp.size,
                    fingerprint=bulk.fingerprint,
                    rows_erased=erased.filter(self._is_shown(day, day, "at")).height,
                )
                yield self._day_files.write(
                    described, stems[day], rows, with_beaten(findings, beaten, records), ()
                )

    def _erased(self, bulk: "_Staged") -> pl.DataFrame:
        if self._intake.can_erase:
            return pl.read_parquet(bulk.erased, glob=False)
        return pl.DataFrame(schema={"line_number": pl.Int64, "at": pl.Datetime("us")})

    def _is_shown(self, first: date, last: date, at: str | None = None) -> pl.Expr:
        """Rows of a bulk export that some day of a range shows; `at` is where their time stands."""
        if self._source.at is None:
            return pl.lit(True)
        created = pl.col(at or self._source.at).dt.date()
        if self._source.is_snapshot:
            return created <= last
        return (created >= first) & (created <= last)

    def _records_of(self, bulk: "_Staged", beaten: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """The text of all rows of several days that lost, which takes one reading of the file."""
        every = pl.concat(beaten).unique("line_number")
        if every.is_empty():
            return every
        path = self._intake.files.bulk
        assert path is not None
        with self._intake.open(path, bulk.fingerprint) as opened:
            records = records_of(self._intake.without_erased(opened)[0], every)
        check_unchanged(self._intake.files, path, bulk.stamp)
        return records

    def undated_quarantine(self) -> Path | None:
        """A file of the bulk export's records whose day cannot be read, if there are any."""
        if self._intake.files.bulk is None or self._source.at is None:
            return None
        bulk = self._stage()
        path = self._undated_file(bulk)
        if not path.exists():
            undated = (
                pl.scan_parquet(bulk.found, glob=False)
                .filter(pl.col(self._source.at).is_null())
                .collect()
            )
            write_whole(path, self._day_files.quarantined(bulk.name, None, undated).write_parquet)
        return path

    def _undated_file(self, bulk: "_Staged") -> Path:
        return self._intake.root / "quarantine" / f"{self._source.name}-{bulk.key}.parquet"

    @property
    def used_files(self) -> set[Path]:
        """The files of the raw store that hold what it gave; none where it was not read."""
        if self._staged is None:
            return set()
        return {
            self._staged.sound,
            self._staged.found,
            self._staged.erased,
            self._undated_file(self._staged),
            self._usability_file(self._staged),
            dates_file(self._intake.files, self._intake.root),
        }


@dataclass(frozen=True)
class _Staged:
    """A bulk export, typed and judged as a whole."""

    name: str
    stamp: Stamp
    fingerprint: str
    key: str
    sound: Path
    found: Path
    erased: Path
    """Lines and, where there are any, times of the records of erased people."""


def _sink(
    plan: pl.LazyFrame,
    path: Path,
    metadata: dict[str, str],
    check: Callable[[], None] = lambda: None,
) -> None:
    def write(partial: Path) -> None:
        plan.sink_parquet(partial, metadata=metadata, engine="streaming")
        check()

    write_whole(path, write)
