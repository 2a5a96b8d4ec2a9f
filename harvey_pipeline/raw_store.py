"""The raw layer: typed rows of each drop as immutable Parquet, and the ledger that knows them.

A drop is parsed into a file whose name is made of what it was parsed from and how, so the same
drop is never parsed twice and an interrupted run leaves nothing half done. Committing the ledger
row, together with the quarantine slice, is what makes a drop loaded.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

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

Form = Literal["drop", "bulk", "none"]
RAW_TABLES: Final[Mapping[Source, str]] = {
    "users": "raw.raw_users",
    "firms": "raw.raw_firms",
    "events": "raw.raw_events",
}


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
                record_commits(
                    connection, ["raw.drops", "raw.quarantine", RAW_TABLES[source]], days
                )
            self._replace_undated(connection, source, undated)
            self._refresh_view(connection, source)
            connection.commit()
        self._drop_replaced_files(source, before, ledger)
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
            str(Path(self.root) / "quarantine" / one.quarantine_file)
            for one in parsed
            if one.quarantine_file is not None and one.day in set(changed)
        ]
        if kept:
            connection.execute(
                "insert into raw.quarantine by name select * from read_parquet(?)", [kept]
            )

    def _replace_undated(
        self, connection: duckdb.DuckDBPyConnection, source: Source, undated: Path | None
    ) -> None:
        """Keep the bulk records whose day cannot be read: once, whatever days are run."""
        connection.execute(
            "delete from raw.quarantine where source = ? and drop_date is null", [source]
        )
        if undated is not None:
            connection.execute(
                "insert into raw.quarantine by name select * from read_parquet(?)",
                [str(undated)],
            )

    def _refresh_view(self, connection: duckdb.DuckDBPyConnection, source: Source) -> None:
        name = RAW_TABLES[source]
        table = TABLES[name]
        folder = Path(self.root) / name.removeprefix("raw.")
        _write_if_missing(folder / "none.parquet", _empty_file(source).write_parquet)
        columns = table.schema.columns()
        listed = ", ".join(f'"{column}"' for column in columns)
        connection.execute(
            f"create or replace view {name} as select {listed} from read_parquet("
            f"{quoted(folder.resolve() / '*.parquet')}, filename = true) "
            f"where parse_filename(filename) in (select data_file from raw.drops "
            f"where source = {quoted(source)} and data_file is not null)"
            + (" and not is_sighting" if source in parse.SNAPSHOT_KEYS else "")
        )
        connection.execute(f"comment on view {name} is {quoted(table.description)}")
        for column, definition in columns.items():
            connection.execute(
                f'comment on column {name}."{column}" is {quoted(definition.description or "")}'
            )

    def _drop_replaced_files(
        self, source: Source, before: pl.DataFrame, ledger: pl.DataFrame
    ) -> None:
        """Remove the data files that this commit has put out of use."""
        replaced = set(before["data_file"].drop_nulls()) - set(ledger["data_file"].drop_nulls())
        for name in replaced:
            for folder in (RAW_TABLES[source].removeprefix("raw."), "quarantine"):
                with suppress(FileNotFoundError):
                    (Path(self.root) / folder / name).unlink()

    # --- out ---

    def read(self, source: Source, days: DayRange) -> pl.LazyFrame:
        """The current rows of a range of drops; snapshots with `is_sighting` rows beside them."""
        names = self.warehouse.query(
            "select data_file from raw.drops where source = ? and drop_date between ? and ? "
            "and data_file is not null order by drop_date",
            [source, days.first, days.last],
            tables=["raw.drops"],
        )
        folder = Path(self.root) / RAW_TABLES[source].removeprefix("raw.")
        if not names:
            return _empty_file(source).lazy()
        return pl.scan_parquet([folder / name for (name,) in names], glob=False)

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

    def _open(self, path: Path) -> Any:
        return landing.open_delivery(self.files, path, self.root / "scratch")

    # --- daily drops ---

    def _parse_drop(self, day: date) -> Parsed:
        path = self.files.drops[day]
        content, size = landing.fingerprint(self.files, path)
        rules = parse.DropRules(day, self.start_date, self._late_days_covered_by_bulk(day))
        stem = f"{day}-{_digest(_PARSER, content, self.files.name_of(path), repr(rules))}"
        known = self._known(stem)
        if known is not None:
            return known
        with self._open(path) as delivery:
            self.unknown_columns.update(delivery.unknown_columns)
            judged = parse.judge(self.source, delivery.records, delivery.header, rules)
            rows, findings = _acceptable(
                *pl.collect_all([judged.sound, judged.found], engine="streaming")
            )
            described = Parsed(
                day, self.files.name_of(path), "drop", bytes=size, fingerprint=content
            )
            return self._finish(described, stem, rows, findings, delivery)

    def _late_days_covered_by_bulk(self, day: date) -> frozenset[date]:
        if self.source != "events" or self.files.bulk is None:
            return frozenset()
        late = [day - timedelta(days=offset) for offset in range(1, parse.LATE_DAYS + 1)]
        return frozenset(
            one for one in late if one not in self.files.drops and self._bulk_covers(one)
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
            content, size = landing.fingerprint(self.files, path)
            rules = parse.DropRules(None, self.start_date)
            key = _digest(_PARSER, content, self.files.name_of(path), repr(rules))
            bulk = _Bulk(
                self.files.name_of(path),
                content,
                size,
                key,
                self.root / "bulk" / f"{self.source}-{key}-sound.parquet",
                self.root / "bulk" / f"{self.source}-{key}-found.parquet",
            )
            if not (bulk.sound.exists() and bulk.found.exists()):
                with self._open(path) as delivery:
                    self.unknown_columns.update(delivery.unknown_columns)
                    judged = parse.judge(self.source, delivery.records, delivery.header, rules)
                    _sink(judged.found, bulk.found)
                    _sink(judged.sound, bulk.sound)
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
            with self._open(self.files.root / bulk.name) as delivery:
                for day in block:
                    shown = created == day if self.source == "events" else created <= day
                    described = Parsed(
                        day, bulk.name, "bulk", bytes=bulk.size, fingerprint=bulk.fingerprint
                    )
                    rows, findings = _acceptable(sound.filter(shown), found.filter(shown))
                    yield self._finish(described, stems[day], rows, findings, delivery)

    def undated_quarantine(self) -> Path | None:
        """A file of the bulk export's records whose day cannot be read, if there are any."""
        if self.files.bulk is None:
            return None
        bulk = self._stage_bulk()
        path = self.root / "quarantine" / f"{self.source}-{bulk.key}.parquet"
        if not path.exists():
            undated = (
                pl.scan_parquet(bulk.found, glob=False)
                .filter(pl.col("created_at").is_null())
                .collect()
            )
            _write(path, self._quarantined(bulk.name, None, undated).write_parquet)
        return path

    # --- files ---

    def _known(self, stem: str) -> Parsed | None:
        """What an earlier parse of exactly this gave."""
        path = self.root / self._table / f"{stem}.parquet"
        if not path.exists():
            return None
        statistics = json.loads(pl.read_parquet_metadata(path)[_STATISTICS])
        return Parsed(**(statistics | {"day": date.fromisoformat(statistics["day"])}))

    def _finish(
        self,
        described: Parsed,
        stem: str,
        rows: pl.DataFrame,
        findings: pl.DataFrame,
        delivery: Delivery,
    ) -> Parsed:
        """Settle duplicates, write the day's quarantine file and then its data file."""
        rows, beaten = parse.settle_duplicates(self.source, rows)
        findings = _with_beaten(findings, beaten, delivery)
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
        metadata = {_STATISTICS: json.dumps(asdict(parsed), default=str)}
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
    stat = files.bulk.stat()
    key = _digest(_PARSER, str(files.bulk.resolve()), str(stat.st_size), str(stat.st_mtime_ns))
    remembered = root / "bulk" / f"{files.source}-{key}.json"
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


def _acceptable(sound: pl.DataFrame, found: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The acceptable rows, repaired ones among them, and all findings."""
    repaired = found.filter(pl.col("action") == "repaired").select(sound.columns)
    return pl.concat([sound, repaired]), found


def _with_beaten(findings: pl.DataFrame, beaten: pl.DataFrame, delivery: Delivery) -> pl.DataFrame:
    """Findings, with the rows that lost against one of the same identity among them."""
    if beaten.is_empty():
        return findings
    records = parse.records_of_lines(
        delivery.records, delivery.header, beaten["line_number"].to_list()
    ).collect(engine="streaming")
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


def _sink(plan: pl.LazyFrame, path: Path) -> None:
    _write(path, lambda partial: plan.sink_parquet(partial, engine="streaming"))


def _write_if_missing(path: Path, write: Callable[[Path], object]) -> None:
    if not path.exists():
        _write(path, write)


def _write(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file so that it appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(
        f".{path.name}.{hashlib.sha256(str(id(write)).encode()).hexdigest()[:8]}"
    )
    try:
        write(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
