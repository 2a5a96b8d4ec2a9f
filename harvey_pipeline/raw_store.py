"""The raw layer: typed rows of each drop as immutable Parquet, and the ledger that knows them.

A drop is parsed into a file whose name is made of what it was parsed from and how, so the same
drop is never parsed twice and an interrupted run leaves nothing half done. Committing the ledger
row, together with the quarantine slice, is what makes a drop loaded.
"""

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final, Literal
from uuid import uuid4

import dagster as dg
import duckdb
import polars as pl

from harvey_pipeline import landing
from harvey_pipeline.landing import Delivery, LandingError, SourceFiles
from harvey_pipeline.progress import report_progress
from harvey_pipeline.tables import TABLES, Source
from harvey_pipeline.transforms import parse
from harvey_pipeline.warehouse import DayRange, Warehouse, quoted, record_commits

_PARSER: Final = hashlib.sha256(
    b"".join(Path(str(module.__file__)).read_bytes() for module in (parse, landing))
).hexdigest()
"""The parsing code's version: its own text."""

_NEIGHBOURS: Final = 7
"""How many drops before it a snapshot is compared with."""

_BULK_BLOCK_DAYS: Final = 7
_STATISTICS: Final = "harvey_pipeline"
_UNKNOWN_COLUMNS: Final = "harvey_pipeline_unknown_columns"
_LEFTOVER_SECONDS: Final = 24 * 60 * 60
"""A file in scratch that is older than this belongs to no run that is still alive."""

Form = Literal["drop", "bulk", "none"]
RAW_TABLES: Final[Mapping[Source, str]] = {
    "users": "raw.raw_users",
    "firms": "raw.raw_firms",
    "events": "raw.raw_events",
}


class RawStoreError(Exception):
    """The raw store lacks what the ledger says it holds; the message says what to run."""


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
    distinct_ids: int = 0
    is_observed: bool = False
    data_file: str | None = None
    quarantine_file: str | None = None


@dataclass(frozen=True)
class Ingestion:
    """What an ingestion of a range of days did."""

    days: Sequence[Parsed]
    reloaded: Sequence[date]
    """Days whose ledger row changed."""
    unknown_columns: Sequence[str]
    strays: Sequence[str]


class RawStore(dg.ConfigurableResource[None]):
    """Parquet files beside the warehouse, one per drop, and DuckDB views over the current ones.

    `root` is their folder, `landing_dir` where drops arrive, `start_date` the first day of the
    pipeline's calendar (ISO).
    """

    root: str
    landing_dir: str
    start_date: str
    warehouse: dg.ResourceDependency[Warehouse]

    # --- in ---

    def ingest(self, source: Source, days: DayRange) -> Ingestion:
        """Load every day of a range, as a whole: all of its days are committed, or none.

        Raises:
            LandingError: A file of the range cannot be read; nothing has changed then.
        """
        files = landing.find_files(Path(self.landing_dir), source)
        job = _Job(files, Path(self.root), date.fromisoformat(self.start_date))
        parsed = [
            replace(one, is_observed=_is_observed(job, one)) for one in job.parse(_each_day(days))
        ]
        undated = job.undated_quarantine()
        reloaded = self._commit(source, days, parsed, undated)
        job.remove_unused(days, parsed)
        return Ingestion(
            parsed,
            reloaded,
            sorted(job.unknown_columns),
            [files.name_of(path) for path in files.strays],
        )

    def _commit(
        self, source: Source, days: DayRange, parsed: Sequence[Parsed], undated: Path | None
    ) -> list[date]:
        ledger = pl.DataFrame(
            [
                asdict(one)
                | {
                    "source": source,
                    "drop_date": one.day,
                    "data_file": one.data_file if one.is_observed else None,
                    "loaded_at": datetime.now(UTC).replace(tzinfo=None),
                }
                for one in parsed
            ],
            schema_overrides=TABLES["raw.drops"].polars_schema,
        ).select(list(TABLES["raw.drops"].polars_schema))
        with self.warehouse.connect() as connection:
            self.warehouse.prepare(connection, ["raw.drops", "raw.quarantine"])
            connection.begin()
            before = connection.sql(
                "select * from raw.drops where source = ? and drop_date between ? and ?",
                params=[source, days.first, days.last],
            ).pl()
            changed = _changed_days(before, ledger)
            if changed:
                self._replace_days(connection, source, changed, parsed, ledger)
            if self._replace_undated(connection, source, undated) or changed:
                record_commits(
                    connection, ["raw.drops", "raw.quarantine", RAW_TABLES[source]], days
                )
            self._refresh_view(connection, source)
            connection.commit()
        return changed

    def _replace_days(
        self,
        connection: duckdb.DuckDBPyConnection,
        source: Source,
        changed: Sequence[date],
        parsed: Sequence[Parsed],
        ledger: pl.DataFrame,
    ) -> None:
        rows = ledger.filter(pl.col("drop_date").is_in(list(changed))).to_arrow()  # noqa: F841
        for table in ("raw.drops", "raw.quarantine"):
            connection.execute(
                f"delete from {table} where source = ? and drop_date in "
                f"(select drop_date from rows)",
                [source],
            )
        connection.execute("insert into raw.drops by name select * from rows")
        kept = [
            _without_pattern(Path(self.root) / "quarantine" / one.quarantine_file)
            for one in parsed
            if one.quarantine_file is not None and one.day in set(changed)
        ]
        if kept:
            connection.execute(
                "insert into raw.quarantine by name select * from read_parquet(?)", [kept]
            )

    def _replace_undated(
        self, connection: duckdb.DuckDBPyConnection, source: Source, undated: Path | None
    ) -> bool:
        """Keep the bulk records whose day cannot be read: once, whatever days are run.

        Returns:
            Whether they are others than before.
        """
        schema = TABLES["raw.quarantine"].polars_schema
        before = connection.sql(
            "select * from raw.quarantine where source = ? and drop_date is null "
            "order by line_number",
            params=[source],
        ).pl()
        after = pl.DataFrame(schema=schema) if undated is None else pl.read_parquet(undated)
        if before.select(list(schema)).equals(after.select(list(schema))):
            return False
        connection.execute(
            "delete from raw.quarantine where source = ? and drop_date is null", [source]
        )
        rows = after.to_arrow()  # noqa: F841
        connection.execute("insert into raw.quarantine by name select * from rows")
        return True

    def _refresh_view(self, connection: duckdb.DuckDBPyConnection, source: Source) -> None:
        name = RAW_TABLES[source]
        table = TABLES[name]
        folder = Path(self.root) / name.removeprefix("raw.")
        _write_if_missing(folder / "none.parquet", _empty_file(source).write_parquet)
        columns = table.schema.columns()
        listed = ", ".join(f'"{column}"' for column in columns)
        connection.execute(
            f"create or replace view {name} as select {listed} from read_parquet("
            f"{quoted(_without_pattern(folder.resolve()) + '/*.parquet')}, filename = true) "
            f"where parse_filename(filename) in (select data_file from raw.drops "
            f"where source = {quoted(source)} and data_file is not null)"
            + (" and not is_sighting" if source in parse.SNAPSHOT_KEYS else "")
        )
        connection.execute(f"comment on view {name} is {quoted(table.description)}")
        for column, definition in columns.items():
            connection.execute(
                f'comment on column {name}."{column}" is {quoted(definition.description or "")}'
            )

    # --- out ---

    def read(self, source: Source, days: DayRange) -> pl.LazyFrame:
        """The current rows of a range of drops; snapshots with `is_sighting` rows beside them.

        Raises:
            RawStoreError: A file of the range has gone.
        """
        named = self.warehouse.query(
            "select drop_date, data_file from raw.drops "
            "where source = ? and drop_date between ? and ? "
            "and data_file is not null order by drop_date",
            [source, days.first, days.last],
            tables=["raw.drops"],
        )
        folder = Path(self.root) / RAW_TABLES[source].removeprefix("raw.")
        gone = [str(day) for day, name in named if not (folder / name).exists()]
        if gone:
            raise RawStoreError(
                f"{folder} lacks the rows of {', '.join(gone[:7])}{', ...' * (len(gone) > 7)}. "
                f"Run {folder.name} for {'this day' if len(gone) == 1 else 'these days'} again."
            )
        if not named:
            return _empty_file(source).lazy()
        return pl.scan_parquet([folder / name for _, name in named], glob=False)

    def observed_days(self, source: Source, days: DayRange) -> pl.DataFrame:
        """`day` and `form` of the days of a range that count as seen."""
        rows = self.warehouse.query(
            "select drop_date, form from raw.drops where source = ? and is_observed "
            "and drop_date between ? and ? order by drop_date",
            [source, days.first, days.last],
            tables=["raw.drops"],
        )
        schema = TABLES["history.user_snapshots"].polars_schema
        return pl.DataFrame(rows, schema=schema, orient="row")


def _empty_file(source: Source) -> pl.DataFrame:
    """The columns of a data file, without rows."""
    frame = TABLES[RAW_TABLES[source]].empty().collect()
    if source in parse.SNAPSHOT_KEYS:
        frame = frame.with_columns(is_sighting=pl.lit(False))
    return frame


def _each_day(days: DayRange) -> list[date]:
    return [
        days.first + timedelta(days=offset) for offset in range((days.last - days.first).days + 1)
    ]


def _changed_days(before: pl.DataFrame, after: pl.DataFrame) -> list[date]:
    """Days whose ledger row is new or differs in anything but the time of loading."""
    columns = [name for name in after.columns if name != "loaded_at"]
    known = set(before.select(columns).iter_rows())
    return [
        row[columns.index("drop_date")]
        for row in after.select(columns).iter_rows()
        if row not in known
    ]


def _is_observed(job: "_Job", parsed: Parsed) -> bool:
    """Whether a day counts as seen: covered and, for a snapshot's drop, not shrunken."""
    if parsed.form != "drop" or job.files.source == "events":
        return parsed.form != "none"
    if parsed.day in job.files.accepted:
        return True
    if parsed.rows_read == 0:
        return False
    largest = max((job.distinct_ids(day) for day in job.neighbours(parsed.day)), default=0)
    return 5 * parsed.distinct_ids >= 4 * largest


class _Job:
    """One ingestion of one source: parses drops and bulk slices into files of the raw store."""

    def __init__(self, files: SourceFiles, root: Path, start_date: date) -> None:
        self.files = files
        self.root = root
        self.start_date = start_date
        self.unknown_columns: set[str] = set()
        self._ids: dict[date, int] = {}
        self._bulk: _Bulk | None = None
        for folder in ("quarantine", "bulk", "scratch", self._table):
            (root / folder).mkdir(parents=True, exist_ok=True)
        _remove_leftovers(root / "scratch")

    @property
    def source(self) -> Source:
        return self.files.source

    @property
    def _table(self) -> str:
        return RAW_TABLES[self.files.source].removeprefix("raw.")

    def parse(self, days: Sequence[date]) -> list[Parsed]:
        """Each day's part, in order; what is parsed already is taken as it is."""
        by_drop = [day for day in days if day in self.files.drops]
        by_bulk = [day for day in days if day not in self.files.drops and self._bulk_covers(day)]
        parsed = {day: Parsed(day) for day in days}
        with ThreadPoolExecutor(max_workers=2) as pool:
            for done, one in enumerate(pool.map(self._parse_drop, by_drop), start=1):
                parsed[one.day] = one
                self._ids[one.day] = one.distinct_ids
                report_progress(self._table, done, len(days))
        for done, one in enumerate(self._parse_bulk(by_bulk), start=len(by_drop) + 1):
            parsed[one.day] = one
            report_progress(self._table, done, len(days))
        return [parsed[day] for day in days]

    def neighbours(self, day: date) -> list[date]:
        """The drops with which a snapshot is compared: up to seven before it."""
        return sorted(other for other in self.files.drops if other < day)[-_NEIGHBOURS:]

    def distinct_ids(self, day: date) -> int:
        """Legible ids in a drop; 0 where the file cannot be read."""
        if day not in self._ids:
            self._ids[day] = self._count_ids(self.files.drops[day])
        return self._ids[day]

    def _count_ids(self, path: Path) -> int:
        try:
            with self._open(path) as delivery:
                ids = pl.col(parse.text_column("id")).str.strip_chars()
                return int(
                    delivery.records.filter(~pl.col("is_ragged") & (ids != ""))
                    .select(ids.n_unique())
                    .collect(engine="streaming")
                    .item()
                )
        except LandingError:
            # A neighbour that cannot be read says nothing; its own day's run reports it.
            return 0

    def _open(self, path: Path) -> AbstractContextManager[Delivery]:
        return landing.open_delivery(self.files, path, self.root / "scratch")

    # --- daily drops ---

    def _parse_drop(self, day: date) -> Parsed:
        path = self.files.drops[day]
        stamp = landing.stamp(self.files, path)
        content, size = landing.fingerprint(self.files, path)
        rules = parse.DropRules(day, self.start_date, self._late_days_covered_by_bulk(day))
        stem = f"{day}-{_digest(_PARSER, content, self.files.name_of(path), repr(rules))}"
        known = self._known(stem)
        if known is not None:
            return known
        with self._open(path) as delivery:
            judged = parse.judge(self.source, delivery.records, delivery.header, rules)
            rows, findings = _acceptable(
                *pl.collect_all([judged.sound, judged.found], engine="streaming")
            )
            rows, beaten = parse.settle_duplicates(self.source, rows)
            records = _records_of(delivery, beaten)
        landing.check_unchanged(self.files, path, stamp)
        described = Parsed(day, self.files.name_of(path), "drop", bytes=size, fingerprint=content)
        findings = _with_beaten(findings, beaten, records)
        return self._finish(described, stem, rows, findings, delivery.unknown_columns)

    def _late_days_covered_by_bulk(self, day: date) -> frozenset[date]:
        if self.source != "events" or self.files.bulk is None:
            return frozenset()
        late = [day - timedelta(days=offset) for offset in range(1, parse.LATE_DAYS + 1)]
        return frozenset(
            one
            for one in late
            if one >= self.start_date and one not in self.files.drops and self._bulk_covers(one)
        )

    # --- bulk exports ---

    def _bulk_covers(self, day: date) -> bool:
        if self.files.bulk is None:
            return False
        if self.source != "events":
            return True
        dates = bulk_dates(self.files, self.root)
        return dates is not None and dates.first <= day <= dates.last

    def _stage_bulk(self) -> "_Bulk":
        """Type and judge the whole bulk export once; days are then cut from what it gave."""
        assert self.files.bulk is not None
        if self._bulk is None:
            path = self.files.bulk
            stamp = landing.stamp(self.files, path)
            content, size = landing.fingerprint(self.files, path)
            rules = parse.DropRules(None, self.start_date)
            key = _digest(_PARSER, content, self.files.name_of(path), repr(rules))
            bulk = _Bulk(
                self.files.name_of(path),
                stamp,
                content,
                size,
                key,
                self.root / "bulk" / f"{self.source}-{key}-sound.parquet",
                self.root / "bulk" / f"{self.source}-{key}-found.parquet",
            )
            if not (bulk.sound.exists() and bulk.found.exists()):
                with self._open(path) as delivery:
                    judged = parse.judge(self.source, delivery.records, delivery.header, rules)
                    metadata = {_UNKNOWN_COLUMNS: json.dumps(delivery.unknown_columns)}
                    _sink(judged.sound, bulk.sound, {})
                    # The findings come last, once all of it is known to be of one content.
                    _sink(
                        judged.found,
                        bulk.found,
                        metadata,
                        lambda: landing.check_unchanged(self.files, path, stamp),
                    )
            self.unknown_columns.update(_unknown_columns(bulk.found))
            self._bulk = bulk
        return self._bulk

    def _parse_bulk(self, days: Sequence[date]) -> Iterator[Parsed]:
        if not days:
            return
        bulk = self._stage_bulk()
        stems = {day: f"{day}-{_digest(bulk.key, 'bulk')}" for day in days}
        known = {day: self._known(stems[day]) for day in days}
        for one in known.values():
            if one is not None:
                yield one
        missing = [day for day in days if known[day] is None]
        created = pl.col("created_at").dt.date()
        for start in range(0, len(missing), _BULK_BLOCK_DAYS):
            block = missing[start : start + _BULK_BLOCK_DAYS]
            sound, found = (
                pl.scan_parquet(path, glob=False)
                .filter(
                    created.is_between(block[0], block[-1])
                    if self.source == "events"
                    else created <= block[-1]
                )
                .collect(engine="streaming")
                for path in (bulk.sound, bulk.found)
            )
            settled = {}
            for day in block:
                shown = created == day if self.source == "events" else created <= day
                rows, findings = _acceptable(sound.filter(shown), found.filter(shown))
                settled[day] = (*parse.settle_duplicates(self.source, rows), findings)
            records = self._records_of_bulk(bulk, [beaten for _, beaten, _ in settled.values()])
            for day, (rows, beaten, findings) in settled.items():
                described = Parsed(
                    day, bulk.name, "bulk", bytes=bulk.size, fingerprint=bulk.fingerprint
                )
                yield self._finish(
                    described, stems[day], rows, _with_beaten(findings, beaten, records), ()
                )

    def _records_of_bulk(self, bulk: "_Bulk", beaten: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """The text of all rows of several days that lost, which takes one reading of the file."""
        every = pl.concat(beaten).unique("line_number")
        if every.is_empty():
            return every
        path = self.files.root / bulk.name
        with self._open(path) as delivery:
            records = _records_of(delivery, every)
        landing.check_unchanged(self.files, path, bulk.stamp)
        return records

    def undated_quarantine(self) -> Path | None:
        """A file of the bulk export's records whose day cannot be read, if there are any."""
        if self.files.bulk is None:
            return None
        bulk = self._stage_bulk()
        path = self._undated_file(bulk)
        if not path.exists():
            undated = (
                pl.scan_parquet(bulk.found, glob=False)
                .filter(pl.col("created_at").is_null())
                .collect()
            )
            _write(path, self._quarantined(bulk.name, None, undated).write_parquet)
        return path

    def _undated_file(self, bulk: "_Bulk") -> Path:
        return self.root / "quarantine" / f"{self.source}-{bulk.key}.parquet"

    # --- files ---

    def _known(self, stem: str) -> Parsed | None:
        """What an earlier parse of exactly this gave, if its files are still there."""
        path = self.root / self._table / f"{stem}.parquet"
        try:
            statistics = json.loads(pl.read_parquet_metadata(path)[_STATISTICS])
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
            staged = {self._bulk.sound, self._bulk.found, self._undated_file(self._bulk)}
            staged.add(_dates_file(self.files, self.root))
        for folder in ("bulk", "quarantine"):
            for path in (self.root / folder).glob(f"{self.source}-*"):
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
            rows_read=rows.height + rejected,
            rows_accepted=rows.height,
            rows_repaired=repaired,
            rows_rejected=rejected,
            distinct_ids=self._distinct(rows, findings),
            data_file=f"{stem}.parquet",
            quarantine_file=f"{stem}.parquet" if findings.height else None,
        )
        if findings.height:
            quarantined = self._quarantined(str(parsed.file), parsed.day, findings)
            _write(self.root / "quarantine" / f"{stem}.parquet", quarantined.write_parquet)
        data = self._data(parsed.day, rows, findings)
        metadata = {
            _STATISTICS: json.dumps(asdict(parsed), default=str),
            _UNKNOWN_COLUMNS: json.dumps(list(unknown_columns)),
        }
        _write(
            self.root / self._table / f"{stem}.parquet",
            lambda path: data.write_parquet(path, metadata=metadata, compression_level=1),
        )
        return parsed

    def _distinct(self, rows: pl.DataFrame, findings: pl.DataFrame) -> int:
        if self.source == "events":
            return 0
        return rows.height + parse.sighted_keys(self.source, rows, findings).height

    def _data(self, day: date, rows: pl.DataFrame, findings: pl.DataFrame) -> pl.DataFrame:
        columns = _empty_file(self.source).columns
        data = rows.with_columns(drop_date=pl.lit(day))
        if self.source == "events":
            # Late events come first, so that a reader of the day before skips the rest.
            data = data.with_columns(event_date=pl.col("created_at").dt.date())
            late = pl.col("event_date") < day
            return pl.concat([data.filter(late), data.filter(~late)]).select(columns)
        sighted = parse.sighted_keys(self.source, rows, findings)
        return pl.concat(
            [
                data.with_columns(is_sighting=pl.lit(False)),
                sighted.with_columns(drop_date=pl.lit(day), is_sighting=pl.lit(True)),
            ],
            how="diagonal",
        ).select(columns)

    def _quarantined(self, file: str, day: date | None, findings: pl.DataFrame) -> pl.DataFrame:
        return findings.select(
            pl.lit(self.source).alias("source"),
            pl.lit(day, dtype=pl.Date).alias("drop_date"),
            pl.lit(file).alias("file"),
            "line_number",
            "action",
            "reasons",
            "record",
        ).sort("line_number")


@dataclass(frozen=True)
class _Bulk:
    """A bulk export, typed and judged as a whole."""

    name: str
    stamp: landing.Stamp
    fingerprint: str
    size: int
    key: str
    sound: Path
    found: Path


def bulk_dates(files: SourceFiles, root: Path) -> DayRange | None:
    """First and last readable date of an events bulk export; None where there is none.

    Remembered beside the raw files for as long as the export's size and time of change stay.

    Raises:
        LandingError: The file cannot be read.
    """
    if files.bulk is None:
        return None
    remembered = _dates_file(files, root)
    if not remembered.exists():
        (root / "scratch").mkdir(parents=True, exist_ok=True)
        remembered.parent.mkdir(parents=True, exist_ok=True)
        created = parse.read_timestamp(parse.trimmed("created")).dt.date()
        with landing.open_delivery(files, files.bulk, root / "scratch") as delivery:
            first, last = (
                delivery.records.filter(~pl.col("is_ragged"))
                .select(first=created.min(), last=created.max())
                .collect(engine="streaming")
                .row(0)
            )
        text = json.dumps(None if first is None else [str(first), str(last)])
        _write(remembered, lambda path: path.write_text(text))
    dates = json.loads(remembered.read_text())
    return None if dates is None else DayRange(*map(date.fromisoformat, dates))


def _dates_file(files: SourceFiles, root: Path) -> Path:
    assert files.bulk is not None
    stamp = landing.stamp(files, files.bulk)
    key = _digest(_PARSER, str(files.bulk.resolve()), *map(str, stamp))
    return root / "bulk" / f"{files.source}-{key}.json"


def _acceptable(sound: pl.DataFrame, found: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The acceptable rows, repaired ones among them, and all findings."""
    repaired = found.filter(pl.col("action") == "repaired").select(sound.columns)
    return pl.concat([sound, repaired]), found


def _records_of(delivery: Delivery, beaten: pl.DataFrame) -> pl.DataFrame:
    """`line_number` and `record` of rows that lost; they need another reading of the file."""
    if beaten.is_empty():
        return beaten
    return parse.records_of_lines(
        delivery.records, delivery.header, beaten["line_number"].to_list()
    ).collect(engine="streaming")


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


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _unknown_columns(path: Path) -> list[str]:
    columns: list[str] = json.loads(pl.read_parquet_metadata(path)[_UNKNOWN_COLUMNS])
    return columns


def _without_pattern(path: Path) -> str:
    """A path as DuckDB takes it: nothing in it stands for other characters."""
    return re.sub(r"[*?\[]", r"[\g<0>]", str(path))


def _remove_leftovers(scratch: Path) -> None:
    """Remove what killed runs have left half written."""
    oldest = time.time() - _LEFTOVER_SECONDS
    for path in scratch.iterdir():
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < oldest:
                path.unlink()


def _sink(
    plan: pl.LazyFrame,
    path: Path,
    metadata: dict[str, str],
    check: Callable[[], None] = lambda: None,
) -> None:
    def write(partial: Path) -> None:
        plan.sink_parquet(partial, metadata=metadata, engine="streaming")
        check()

    _write(path, write)


def _write_if_missing(path: Path, write: Callable[[Path], object]) -> None:
    if not path.exists():
        _write(path, write)


def _write(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file so that it appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.parent.parent / "scratch" / f"{uuid4().hex}-{path.name}"
    partial.parent.mkdir(parents=True, exist_ok=True)
    try:
        write(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
