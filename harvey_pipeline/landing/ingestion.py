"""From drops to files: each day's rows typed, judged and written as immutable Parquet.

A file's name is made of what it was parsed from and how, so the same drop is never parsed twice
and an interrupted run leaves nothing half done. Which file is current is no concern of this
module: `raw_store.py` keeps the ledger.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Final, Literal

import polars as pl

from harvey_pipeline.landing.coverage import bulk_covers, dates_file
from harvey_pipeline.landing.erased import NO_TOMBSTONES, Tombstones, without_erased
from harvey_pipeline.landing.files import SourceFiles, check_unchanged, open_file, stamp
from harvey_pipeline.landing.fingerprints import Fingerprints
from harvey_pipeline.landing.judge import (
    DropRules,
    judge,
    records_of_lines,
    settle_duplicates,
    sighted_keys,
)
from harvey_pipeline.landing.places import LandingPath, Stamp, UnreachableError, stamp_of
from harvey_pipeline.landing.records.contract import Delivery, LandingError
from harvey_pipeline.landing.records.header import text_column
from harvey_pipeline.landing.scratch import digest, parser_version, remove_leftovers, write_whole
from harvey_pipeline.landing.source import BEFORE_START_DATE, EVENT_DATE, Source
from harvey_pipeline.landing.versions import neighbours
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.progress import report_progress

_GROUP_DROPS: Final = 16
_GROUP_BYTES: Final = 4 << 20
"""Drops that are parsed together are at most so many, and so large."""

_BULK_BLOCK_DAYS: Final = 7

ROW_GROUP_ROWS: Final = 1 << 15
"""Rows that a reader of a data file skips or reads together."""

STATISTICS: Final = "harvey_pipeline"
_UNKNOWN_COLUMNS: Final = "harvey_pipeline_unknown_columns"

JUDGED_ROWS: Final = 10
"""A drop of fewer rows than this says nothing by the share of them that is rejected."""

Form = Literal["drop", "bulk", "none"]


@dataclass(frozen=True)
class Parsed:
    """One day of one source, parsed: what its ledger row says, and its files."""

    day: date
    file: str | None = None
    form: Form = "none"
    bytes: int | None = None
    fingerprint: str | None = None
    rows_read: int = 0
    rows_accepted: int = 0
    rows_repaired: int = 0
    rows_rejected: int = 0
    rows_erased: int = 0
    distinct_ids: int = 0
    is_observed: bool = False
    data_file: str | None = None
    quarantine_file: str | None = None


def is_unusable(rows_read: int, rows_accepted: int) -> bool:
    """Whether so few rows of a drop, or of an export as a whole, are accepted that none counts.

    Rows of the erased are none of the rows read here: nothing is wrong with them.
    """
    return rows_read >= JUDGED_ROWS and 2 * rows_accepted < rows_read


def empty_file(source: Source) -> pl.DataFrame:
    """The columns of a data file, without rows."""
    frame = source.table.empty().collect()
    if source.is_snapshot:
        frame = frame.with_columns(is_sighting=pl.lit(False))
    return frame


class Ingester:
    """One ingestion of one source: parses drops and bulk slices into files of the raw store."""

    def __init__(
        self,
        files: SourceFiles,
        root: Path,
        start_date: date,
        fingerprints: Fingerprints,
        tombstones: Tombstones = NO_TOMBSTONES,
    ) -> None:
        self.files = files
        self.fingerprints = fingerprints
        self.tombstones = tombstones
        self.root = root
        self.start_date = start_date
        self.unknown_columns: set[str] = set()
        self._ids: dict[date, int] = {}
        self._bulk: _Bulk | None = None
        for folder in ("quarantine", "bulk", "scratch", self._table):
            (root / folder).mkdir(parents=True, exist_ok=True)
        remove_leftovers(root / "scratch")

    @property
    def source(self) -> Source:
        return self.files.source

    @property
    def _table(self) -> str:
        return self.source.table.own_name

    def parse(self, days: Sequence[date]) -> list[Parsed]:
        """Each day's part, in order; what is parsed already is taken as it is."""
        by_drop = [day for day in days if day in self.files.drops]
        by_bulk = [day for day in days if day not in self.files.drops and self._bulk_covers(day)]
        parsed = {day: Parsed(day) for day in days}
        with ThreadPoolExecutor(max_workers=2) as pool:
            groups = pool.map(self._parse_drops, self._grouped(by_drop))
            for done, one in enumerate(chain.from_iterable(groups), start=1):
                parsed[one.day] = one
                self._ids[one.day] = one.distinct_ids
                report_progress(self._table, done, len(days))
        for done, one in enumerate(self._parse_bulk(by_bulk), start=len(by_drop) + 1):
            parsed[one.day] = one
            report_progress(self._table, done, len(days))
        return [replace(parsed[day], is_observed=self._is_observed(parsed[day])) for day in days]

    def _is_observed(self, parsed: Parsed) -> bool:
        """Whether a day counts as seen: covered by what can be used and has not shrunken."""
        if parsed.form == "none":
            return False
        if parsed.form == "bulk":
            return self._is_bulk_usable
        if parsed.day in self.files.accepted:
            return True
        rows = parsed.rows_read - parsed.rows_erased
        if is_unusable(rows, parsed.rows_accepted):
            return False
        if not self.source.is_snapshot:
            return True
        if rows == 0:
            return False
        ids, largest = self.compare_keys(parsed.day)
        return 5 * ids >= 4 * largest

    def compare_keys(self, day: date) -> tuple[int, int]:
        """Legible ids of a day's snapshot, and of the largest drop with which it is compared."""
        largest = max(
            (self._distinct_ids(other) for other in neighbours(self.files, day)), default=0
        )
        return self._distinct_ids(day), largest

    def _distinct_ids(self, day: date) -> int:
        """Legible ids in a drop; 0 where the file cannot be read."""
        if day not in self._ids:
            self._ids[day] = self._count_ids(self.files.drops[day])
        return self._ids[day]

    def _count_ids(self, path: LandingPath) -> int:
        try:
            with self._open(path) as opened:
                delivery, _ = self._without_erased(opened)
                key = [
                    column.reader(pl.col(text_column(column.delivered))).alias(column.name)
                    for column in self.source.key_columns
                ]
                ids = delivery.records.filter(pl.col("fault").is_null()).select(key).drop_nulls()
                return int(ids.unique().select(pl.len()).collect(engine="streaming").item())
        except UnreachableError:
            raise
        except LandingError:
            # A neighbour that cannot be read says nothing; its own day's run reports it.
            return 0

    def _open(
        self, path: LandingPath, content: str | None = None
    ) -> AbstractContextManager[Delivery]:
        return open_file(self.files, path, self.root / "scratch", content)

    def _without_erased(self, delivery: Delivery) -> tuple[Delivery, pl.LazyFrame | None]:
        return without_erased(self.source, delivery, self.tombstones)

    # --- daily drops ---

    def _grouped(self, days: Sequence[date]) -> Iterator[list[date]]:
        """Drops in their order, small ones in groups: planning a query costs more than few rows."""
        group: list[date] = []
        held = 0
        for day in days:
            size = _size_of(self.files.drops[day])
            if group and (len(group) == _GROUP_DROPS or held + size > _GROUP_BYTES):
                yield group
                group, held = [], 0
            group.append(day)
            held += size
        if group:
            yield group

    def _parse_drops(self, days: Sequence[date]) -> list[Parsed]:
        """Parse some drops.

        Raises:
            LandingError: One of them cannot be read; of several the first is named.
        """
        if len(days) > 1:
            try:
                return self._parse_together(days)
            except UnreachableError:
                raise
            except LandingError:
                # Only reading them one by one tells which it is.
                pass
        return [one for day in days for one in self._parse_together([day])]

    def _parse_together(self, days: Sequence[date]) -> list[Parsed]:
        """Parse some drops by one query."""
        parsed = {}
        drops = {day: self._drop(day) for day in days}
        with ExitStack() as stack:
            opened = []
            for day, drop in drops.items():
                if (known := self._known(drop.stem)) is not None:
                    parsed[day] = known
                    continue
                delivered = stack.enter_context(self._open(drop.path, drop.fingerprint))
                delivery, erased = self._without_erased(delivered)
                judged = judge(self.source, delivery, drop.rules)
                plans = [judged.sound, judged.found]
                if erased is not None:
                    plans.append(erased.select(pl.len()))
                opened.append((day, delivery, plans))
            frames = iter(
                pl.collect_all([plan for *_, some in opened for plan in some], engine="streaming")
            )
            read = []
            for day, delivery, plans in opened:
                rows, findings, *counts = (next(frames) for _ in plans)
                rows, findings = _acceptable(rows, findings)
                rows, beaten = settle_duplicates(self.source, rows)
                findings = _with_beaten(findings, beaten, _records_of(delivery, beaten))
                erased_rows = sum(int(count.item()) for count in counts)
                read.append((day, rows, findings, erased_rows, delivery.unknown_columns))
        for day, rows, findings, erased_rows, unknown_columns in read:
            drop = drops[day]
            check_unchanged(self.files, drop.path, drop.stamp)
            described = Parsed(
                day,
                self.files.name_of(drop.path),
                "drop",
                bytes=drop.stamp.size,
                fingerprint=drop.fingerprint,
                rows_erased=erased_rows,
            )
            parsed[day] = self._finish(described, drop.stem, rows, findings, unknown_columns)
        return [parsed[day] for day in days]

    def _drop(self, day: date) -> "_Drop":
        path = self.files.drops[day]
        before = stamp(self.files, path)
        content = self.fingerprints.of(self.files, path)
        rules = DropRules(day, self.start_date, self._late_days_covered_by_bulk(day))
        stem = f"{day}-{self._digest(content, path, rules)}"
        return _Drop(path, before, content, rules, stem)

    def _late_days_covered_by_bulk(self, day: date) -> frozenset[date]:
        if self.source.kind != "events" or self.files.bulk is None:
            return frozenset()
        late = [day - timedelta(days=offset) for offset in range(1, self.source.late_days + 1)]
        return frozenset(
            one
            for one in late
            if one >= self.start_date
            and one not in self.files.drops
            and self._bulk_covers(one)
            and self._is_bulk_usable
        )

    def _digest(self, content: str, path: LandingPath, rules: DropRules) -> str:
        """A name for what these rules make of a file, whoever is erased from it."""
        name = self.files.name_of(path)
        parts = [parser_version(), self.source.declaration, content, name, repr(rules)]
        if self._can_erase:
            parts.append(self.tombstones.digest)
        return digest(*parts)

    @property
    def _can_erase(self) -> bool:
        """Whether any of the source's records may be those of an erased person."""
        return bool(self.tombstones and self.source.persons)

    # --- bulk exports ---

    def _bulk_covers(self, day: date) -> bool:
        return bulk_covers(self.files, self.root, day)

    @cached_property
    def _is_bulk_usable(self) -> bool:
        """Whether the export as a whole is good enough for any of its rows to count."""
        if self.files.is_bulk_accepted:
            return True
        remembered = self._usability_file(self._stage_bulk())
        if not remembered.exists():
            usable = json.dumps(not is_unusable(*self._count_bulk()))
            write_whole(remembered, lambda path: path.write_text(usable))
        return bool(json.loads(remembered.read_text()))

    def _usability_file(self, bulk: "_Bulk") -> Path:
        return self.root / "bulk" / f"{self.source.name}-{bulk.key}-usable.json"

    def _count_bulk(self) -> tuple[int, int]:
        """Rows of the export, and how many of them no rule of their own rejects."""
        bulk = self._stage_bulk()
        sound, found = (pl.scan_parquet(path, glob=False) for path in (bulk.sound, bulk.found))
        # That a row lies before the calendar says nothing against the export.
        harmless = [BEFORE_START_DATE, *self.source.repairs]
        fine = found.filter(pl.col("reasons").list.set_difference(harmless).list.len() == 0)
        columns = [column.name for column in self.source.columns]
        good = pl.concat([sound.select(columns), fine.select(columns)])
        has_key = pl.all_horizontal(pl.col(name).is_not_null() for name in self.source.key_names)
        accepted = good.select(
            pl.struct(self._identity).filter(has_key).n_unique() + (~has_key).sum()
        ).collect(engine="streaming")
        read = pl.concat([sound.select(pl.len()), found.select(pl.len())]).collect()
        return int(read.to_series().sum()), int(accepted.item())

    @property
    def _identity(self) -> list[pl.Expr]:
        """What tells the acceptable rows of a bulk export apart."""
        key = [pl.col(name) for name in self.source.key_names]
        if self.source.is_snapshot or self.source.at is None:
            return key
        return [*key, pl.col(self.source.at).dt.date().alias(EVENT_DATE)]

    def _stage_bulk(self) -> "_Bulk":
        """Type and judge the whole bulk export once; days are then cut from what it gave."""
        assert self.files.bulk is not None
        if self._bulk is None:
            path = self.files.bulk
            before = stamp(self.files, path)
            content = self.fingerprints.of(self.files, path)
            rules = DropRules(None, self.start_date)
            key = self._digest(content, path, rules)
            bulk = _Bulk(
                self.files.name_of(path),
                before,
                content,
                key,
                self.root / "bulk" / f"{self.source.name}-{key}-sound.parquet",
                self.root / "bulk" / f"{self.source.name}-{key}-found.parquet",
                self.root / "bulk" / f"{self.source.name}-{key}-erased.parquet",
            )
            needed = [bulk.sound, bulk.found, *([bulk.erased] if self._can_erase else [])]
            if not all(file.exists() for file in needed):
                with self._open(path, content) as opened:
                    delivery, erased = self._without_erased(opened)
                    judged = judge(self.source, delivery, rules)
                    _sink(judged.sound, bulk.sound, {})
                    if erased is not None:
                        _sink(erased, bulk.erased, {})
                    # Which columns there are is known for certain once all was read.
                    metadata = {_UNKNOWN_COLUMNS: json.dumps(delivery.unknown_columns)}
                    # The findings come last, once all of it is known to be of one content.
                    _sink(
                        judged.found,
                        bulk.found,
                        metadata,
                        lambda: check_unchanged(self.files, path, before),
                    )
            self.unknown_columns.update(_unknown_columns(bulk.found))
            self._bulk = bulk
        return self._bulk

    def _parse_bulk(self, days: Sequence[date]) -> Iterator[Parsed]:
        if not days:
            return
        bulk = self._stage_bulk()
        stems = {day: f"{day}-{digest(bulk.key, 'bulk')}" for day in days}
        known = {day: self._known(stems[day]) for day in days}
        for one in known.values():
            if one is not None:
                yield one
        missing = [day for day in days if known[day] is None]
        for start in range(0, len(missing), _BULK_BLOCK_DAYS):
            block = missing[start : start + _BULK_BLOCK_DAYS]
            sound, found = (
                pl.scan_parquet(path, glob=False)
                .filter(self._is_shown(block[0], block[-1]))
                .collect(engine="streaming")
                for path in (bulk.sound, bulk.found)
            )
            settled = {}
            for day in block:
                shown = self._is_shown(day, day)
                rows, findings = _acceptable(sound.filter(shown), found.filter(shown))
                settled[day] = (*settle_duplicates(self.source, rows), findings)
            records = self._records_of_bulk(bulk, [beaten for _, beaten, _ in settled.values()])
            erased = self._erased_of_bulk(bulk)
            for day, (rows, beaten, findings) in settled.items():
                described = Parsed(
                    day,
                    bulk.name,
                    "bulk",
                    bytes=bulk.stamp.size,
                    fingerprint=bulk.fingerprint,
                    rows_erased=erased.filter(self._is_shown(day, day, "at")).height,
                )
                yield self._finish(
                    described, stems[day], rows, _with_beaten(findings, beaten, records), ()
                )

    def _erased_of_bulk(self, bulk: "_Bulk") -> pl.DataFrame:
        if self._can_erase:
            return pl.read_parquet(bulk.erased, glob=False)
        return pl.DataFrame(schema={"line_number": pl.Int64, "at": pl.Datetime("us")})

    def _is_shown(self, first: date, last: date, at: str | None = None) -> pl.Expr:
        """Rows of a bulk export that some day of a range shows; `at` is where their time stands."""
        if self.source.at is None:
            return pl.lit(True)
        created = pl.col(at or self.source.at).dt.date()
        if self.source.is_snapshot:
            return created <= last
        return (created >= first) & (created <= last)

    def _records_of_bulk(self, bulk: "_Bulk", beaten: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """The text of all rows of several days that lost, which takes one reading of the file."""
        every = pl.concat(beaten).unique("line_number")
        if every.is_empty():
            return every
        path = self.files.bulk
        assert path is not None
        with self._open(path, bulk.fingerprint) as opened:
            records = _records_of(self._without_erased(opened)[0], every)
        check_unchanged(self.files, path, bulk.stamp)
        return records

    def undated_quarantine(self) -> Path | None:
        """A file of the bulk export's records whose day cannot be read, if there are any."""
        if self.files.bulk is None or self.source.at is None:
            return None
        bulk = self._stage_bulk()
        path = self._undated_file(bulk)
        if not path.exists():
            undated = (
                pl.scan_parquet(bulk.found, glob=False)
                .filter(pl.col(self.source.at).is_null())
                .collect()
            )
            write_whole(path, self._quarantined(bulk.name, None, undated).write_parquet)
        return path

    def _undated_file(self, bulk: "_Bulk") -> Path:
        return self.root / "quarantine" / f"{self.source.name}-{bulk.key}.parquet"

    # --- files ---

    def _known(self, stem: str) -> Parsed | None:
        """What an earlier parse of exactly this gave, if its files are still there."""
        path = self.root / self._table / f"{stem}.parquet"
        try:
            statistics = json.loads(pl.read_parquet_metadata(path)[STATISTICS])
        except (FileNotFoundError, pl.exceptions.PolarsError, KeyError):
            return None
        parsed = Parsed(**(statistics | {"day": date.fromisoformat(statistics["day"])}))
        if parsed.quarantine_file and not (self.root / "quarantine" / f"{stem}.parquet").exists():
            return None
        self.unknown_columns.update(_unknown_columns(path))
        return parsed

    def remove_unused(self, days: DayRange, parsed: Sequence[Parsed]) -> None:
        """Remove the files of these days that nothing refers to any more, and of older exports."""
        used = {one.data_file for one in parsed}
        for path in (self.root / self._table).glob("????-??-??-*.parquet"):
            if str(days.first) <= path.name[:10] <= str(days.last) and path.name not in used:
                path.unlink(missing_ok=True)
                (self.root / "quarantine" / path.name).unlink(missing_ok=True)
        staged = set()
        if self._bulk is not None:
            staged = {self._bulk.sound, self._bulk.found, self._bulk.erased}
            staged.add(self._undated_file(self._bulk))
            staged.add(self._usability_file(self._bulk))
            staged.add(dates_file(self.files, self.root))
        for folder in ("bulk", "quarantine"):
            for path in (self.root / folder).glob(f"{self.source.name}-*"):
                if path not in staged:
                    path.unlink(missing_ok=True)

    def _finish(
        self,
        described: Parsed,
        stem: str,
        rows: pl.DataFrame,
        findings: pl.DataFrame,
        unknown_columns: Sequence[str],
    ) -> Parsed:
        """Write the day's quarantine file and then its data file."""
        self.unknown_columns.update(unknown_columns)
        repaired = findings.filter(pl.col("action") == "repaired").height
        rejected = findings.height - repaired
        parsed = replace(
            described,
            rows_read=rows.height + rejected + described.rows_erased,
            rows_accepted=rows.height,
            rows_repaired=repaired,
            rows_rejected=rejected,
            distinct_ids=self._distinct(rows, findings),
            data_file=f"{stem}.parquet",
            quarantine_file=f"{stem}.parquet" if findings.height else None,
        )
        if findings.height:
            quarantined = self._quarantined(str(parsed.file), parsed.day, findings)
            write_whole(self.root / "quarantine" / f"{stem}.parquet", quarantined.write_parquet)
        data = self._data(parsed.day, rows, findings)
        metadata = {
            STATISTICS: json.dumps(asdict(parsed), default=str),
            _UNKNOWN_COLUMNS: json.dumps(list(unknown_columns)),
        }
        write_whole(
            self.root / self._table / f"{stem}.parquet",
            lambda path: data.write_parquet(
                path, metadata=metadata, compression_level=1, row_group_size=ROW_GROUP_ROWS
            ),
        )
        return parsed

    def _distinct(self, rows: pl.DataFrame, findings: pl.DataFrame) -> int:
        if not self.source.is_snapshot:
            return 0
        return rows.height + sighted_keys(self.source, rows, findings).height

    def _data(self, day: date, rows: pl.DataFrame, findings: pl.DataFrame) -> pl.DataFrame:
        columns = empty_file(self.source).columns
        data = rows.with_columns(drop_date=pl.lit(day))
        if not self.source.is_snapshot:
            assert self.source.at is not None
            # Late records come first, by their day, so that a reader of some days skips the rest.
            data = data.with_columns(pl.col(self.source.at).dt.date().alias(EVENT_DATE))
            late = pl.col(EVENT_DATE) < day
            before = data.filter(late).sort(EVENT_DATE, maintain_order=True)
            return pl.concat([before, data.filter(~late)]).select(columns)
        sighted = sighted_keys(self.source, rows, findings)
        return pl.concat(
            [
                data.with_columns(is_sighting=pl.lit(False)),
                sighted.with_columns(drop_date=pl.lit(day), is_sighting=pl.lit(True)),
            ],
            how="diagonal",
        ).select(columns)

    def _quarantined(self, file: str, day: date | None, findings: pl.DataFrame) -> pl.DataFrame:
        return findings.select(
            pl.lit(self.source.name).alias("source"),
            pl.lit(day, dtype=pl.Date).alias("drop_date"),
            pl.lit(file).alias("file"),
            "line_number",
            "action",
            "reasons",
            "record",
        ).sort("line_number")


@dataclass(frozen=True)
class _Drop:
    """A daily drop, what it is judged by, and the name of what comes of it."""

    path: LandingPath
    stamp: Stamp
    fingerprint: str
    rules: DropRules
    stem: str


@dataclass(frozen=True)
class _Bulk:
    """A bulk export, typed and judged as a whole."""

    name: str
    stamp: Stamp
    fingerprint: str
    key: str
    sound: Path
    found: Path
    erased: Path
    """Lines and, where there are any, times of the records of erased people."""


def _size_of(path: LandingPath) -> int:
    """Bytes of a file; 0 of one that cannot be read, which reading it tells."""
    try:
        return stamp_of(path).size
    except OSError:
        return 0


def _acceptable(sound: pl.DataFrame, found: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The acceptable rows, repaired ones among them, and all findings."""
    repaired = found.filter(pl.col("action") == "repaired").select(sound.columns)
    return pl.concat([sound, repaired]), found


def _records_of(delivery: Delivery, beaten: pl.DataFrame) -> pl.DataFrame:
    """`line_number` and `record` of rows that lost; they need another reading of the file."""
    if beaten.is_empty():
        return beaten
    numbers = beaten["line_number"].to_list()
    return records_of_lines(delivery, numbers).collect(engine="streaming")


def _with_beaten(
    findings: pl.DataFrame, beaten: pl.DataFrame, records: pl.DataFrame
) -> pl.DataFrame:
    """Findings, with the rows that lost against one of the same identity among them."""
    if beaten.is_empty():
        return findings
    lost = (
        beaten.join(records, on="line_number")
        .join(findings.select("line_number", "reasons"), on="line_number", how="left")
        .with_columns(
            action=pl.lit("rejected"),
            reasons=pl.concat_list(
                "reason", pl.col("reasons").fill_null(pl.lit([], dtype=pl.List(pl.String)))
            ),
        )
        .drop("reason")
    )
    others = findings.join(beaten, on="line_number", how="anti")
    return pl.concat(
        [others, lost.select("line_number", "action", "reasons", "record")], how="diagonal"
    )


def _unknown_columns(path: Path) -> list[str]:
    columns: list[str] = json.loads(pl.read_parquet_metadata(path)[_UNKNOWN_COLUMNS])
    return columns


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
