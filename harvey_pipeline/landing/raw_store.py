"""The raw layer: typed rows of each drop as immutable Parquet, and the ledger that knows them.

`ingestion.py` makes the files; the ledger says which of them are current. Committing a ledger row,
together with the quarantine slice, is what makes a drop loaded.
"""

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Final

import dagster as dg
import duckdb
import polars as pl

from harvey_pipeline.engines.chosen import engine_at
from harvey_pipeline.engines.engine import Engine, EngineError
from harvey_pipeline.engines.one_machine import OneMachine
from harvey_pipeline.landing.day_files import Parsed, empty_file
from harvey_pipeline.landing.erased import Tombstones, tombstones_path
from harvey_pipeline.landing.files import SourceFiles, find_files, find_markers
from harvey_pipeline.landing.fingerprints import Fingerprints
from harvey_pipeline.landing.ingestion import Ingester
from harvey_pipeline.landing.ledger import DROPS, QUARANTINE, drops_of
from harvey_pipeline.landing.part_store import (
    PIECES,
    is_file,
    is_parted,
    pieces_in,
    pieces_of,
    scan_files,
    stem_of,
    write_shared,
)
from harvey_pipeline.landing.places import (
    LandingPath,
    RemotePath,
    UnreachableError,
    filesystem,
    landing_place,
    store_place,
)
from harvey_pipeline.landing.scratch import write_if_missing
from harvey_pipeline.landing.source import Source
from harvey_pipeline.landing.sums import EventSums, SumsOfDays, SumsOfDrops
from harvey_pipeline.landing.sums_of_files import DropFiles, SumsOfFiles, remove_sums
from harvey_pipeline.landing.versions import Version, versions_of
from harvey_pipeline.warehouse.commits import Basis, record_commits, record_computing
from harvey_pipeline.warehouse.days import DayRange, consecutive_days
from harvey_pipeline.warehouse.warehouse import Warehouse, quoted

_COMPARED_ROWS: Final = 1 << 19
"""Rows of two files that are compared at a time."""


class RawStoreError(Exception):
    """The raw store lacks what the ledger says it holds; the message says what to run."""


@dataclass(frozen=True)
class Ingestion:
    """What an ingestion of a range of days did."""

    days: Sequence[Parsed]
    reloaded: Sequence[date]
    """Days whose ledger row changed."""
    unknown_columns: Sequence[str]
    strays: Sequence[str]
    parts: int
    """How many parts the drops of the range have that are folders."""
    engine: Mapping[str, str]
    """What read them, if that is another than this machine."""


class RawStore(dg.ConfigurableResource[None]):
    """Parquet files beside the warehouse, one per drop, and DuckDB views over the current ones.

    `root` is their folder, `landing_dir` where drops arrive, `start_date` the first day of the
    pipeline's calendar (ISO). `spark` is the address of the Spark that reads parts of drops, and
    `parts_root` where typed rows of these lie; without them this machine does, in `root`.
    """

    root: str
    landing_dir: str
    start_date: str
    warehouse: dg.ResourceDependency[Warehouse]
    spark: str = ""
    parts_root: str = ""

    @property
    def landing(self) -> LandingPath:
        """The landing folder.

        Raises:
            LandingError: It is no folder that can be used; whether it is there is not looked at.
        """
        place = landing_place(self.landing_dir)
        # Other machines do not have this process's working directory.
        return place.absolute() if self.engine.is_elsewhere else place

    @property
    def engine(self) -> Engine:
        """What reads parts of drops."""
        return engine_at(self.spark)

    @property
    def store(self) -> LandingPath:
        """Where typed rows of parts lie.

        Raises:
            LandingError: It is no place that can be used.
        """
        return store_place(self.parts_root or self.root)

    # --- in ---

    def ingest(self, source: Source, days: DayRange, *, awaits_checks: bool = False) -> Ingestion:
        """Load every day of a range, as a whole: all of its days are committed, or none.

        `awaits_checks` where they are done only once their checks were evaluated.

        Raises:
            LandingError: A file of the range cannot be read, or the engine cannot be used; nothing
                has changed then.
            TombstoneError: Who is erased cannot be read; nothing has changed then.
        """
        with _reaching_engine():
            return self._ingest(source, days, awaits_checks=awaits_checks)

    def _ingest(self, source: Source, days: DayRange, *, awaits_checks: bool) -> Ingestion:
        generation = self.warehouse.generation()
        files = find_files(self.landing, source)
        fingerprints = self._fingerprints
        # What a day is made from is looked at before it is made: whatever changes in between
        # makes it due once more.
        versions = self._versions(files, days.days, fingerprints)
        job = self._ingester(files, fingerprints)
        parsed = job.parse(days.days)
        undated = job.undated_quarantine()
        basis = Basis(generation, _versions_made(versions, parsed), awaits_checks=awaits_checks)
        reloaded = self._commit(source, days, parsed, undated, basis)
        job.remove_unused(days, parsed)
        current = [one.data_file for one in parsed if one.data_file is not None]
        remove_sums(self.store, source, current, days)
        fingerprints.remember()
        drops = [files.drops[day] for day in days.days if day in files.drops]
        parts = sum(len(files.parts.get(drop, ())) for drop in drops)
        return Ingestion(
            parsed,
            reloaded,
            sorted(job.unknown_columns),
            [files.name_of(path) for path in files.strays],
            parts,
            self.engine.describe() if parts and not source.is_snapshot else {},
        )

    def count_keys(self, source: Source, day: date) -> tuple[int, int]:
        """Distinct keys of a day's snapshot, and of the largest drop it is compared with."""
        files = find_files(self.landing, source)
        return self._ingester(files, self._fingerprints).compare_keys(day)

    def _ingester(self, files: SourceFiles, fingerprints: Fingerprints) -> Ingester:
        root, tombstones = Path(self.root), Tombstones.read(self.tombstones_path)
        return Ingester(files, root, self._start, fingerprints, tombstones, self.engine, self.store)

    @property
    def _fingerprints(self) -> Fingerprints:
        return Fingerprints(Path(self.root), self.engine)

    @property
    def tombstones_path(self) -> Path:
        """Where it stands whose records are left out."""
        return tombstones_path(self.warehouse.path)

    def gone_days(self, source: Source, days: Sequence[date]) -> set[date]:
        """The days whose rows the ledger knows and the store has lost."""
        if not days or not self.warehouse.path.exists():
            return set()
        named = self.warehouse.query(
            "select drop_date, data_file from raw.drops where source = ? "
            "and drop_date between ? and ? and data_file is not null",
            [source.name, min(days), max(days)],
            tables=[DROPS],
        )
        folder = Path(self.root) / source.table.own_name
        here = {entry.name for entry in os.scandir(folder)} if folder.is_dir() else set()
        gone = {day for day, name in named if name not in here}
        there = self._listed_pieces(source, named)
        return (gone | self._days_without_pieces(source, named, there)) & set(days)

    def _days_without_pieces(
        self, source: Source, named: Iterable[tuple[date, str]], there: Collection[LandingPath]
    ) -> set[date]:
        """The days of which pieces are named and are not among those that are there."""
        needed = {day: pieces_of(self.store, source, name) for day, name in named}
        return {day for day, pieces in needed.items() if not all(one in there for one in pieces)}

    def _listed_pieces(
        self, source: Source, named: Iterable[tuple[date, str]]
    ) -> Mapping[LandingPath, LandingPath]:
        """The pieces of some days that are in the store, each as it is listed."""
        days = [day for day, name in named if is_parted(name)]
        if not days:
            return {}
        return {one: one for one in pieces_in(self.store, source, DayRange(min(days), max(days)))}

    def versions(self, source: Source, days: Sequence[date]) -> dict[date, Version]:
        """By what each of these days would be made if it were loaded now.

        Raises:
            LandingError: The landing folder or the bulk export cannot be read, or the engine cannot
                be used.
        """
        fingerprints = self._fingerprints
        files = find_files(self.landing, source)
        with _reaching_engine():
            found = self._versions(files, days, fingerprints)
        fingerprints.remember()
        return found

    def _versions(
        self, files: SourceFiles, days: Sequence[date], fingerprints: Fingerprints
    ) -> dict[date, Version]:
        return versions_of(files, Path(self.root), self._start, days, fingerprints)

    @property
    def _start(self) -> date:
        return date.fromisoformat(self.start_date)

    def _commit(
        self,
        source: Source,
        days: DayRange,
        parsed: Sequence[Parsed],
        undated: Path | None,
        basis: Basis,
    ) -> list[date]:
        ledger = pl.DataFrame(
            [
                asdict(one)
                | {
                    "source": source.name,
                    "drop_date": one.day,
                    "loaded_at": datetime.now(UTC).replace(tzinfo=None),
                }
                for one in parsed
            ],
            schema_overrides=DROPS.polars_schema,
            infer_schema_length=None,
        ).select(list(DROPS.polars_schema))
        with self.warehouse.connect() as connection:
            self.warehouse.prepare(connection, [DROPS, QUARANTINE])
            connection.begin()
            before = connection.sql(
                "select * from raw.drops where source = ? and drop_date between ? and ?",
                params=[source.name, days.first, days.last],
            ).pl()
            changed = _changed_days(before, ledger)
            others = [
                day for day in changed if not self._has_same_rows(source, day, before, ledger)
            ]
            if changed:
                self._replace_days(connection, source, changed, parsed, ledger)
            self._replace_undated(connection, source, undated)
            for some in consecutive_days(changed):
                record_commits(connection, [DROPS, drops_of(source.name), QUARANTINE], some)
            for some in consecutive_days(others):
                record_commits(connection, [source.table], some)
            record_computing(connection, source.table, days.days, basis)
            self.refresh_view(connection, source)
            connection.commit()
            touched = [source.table, DROPS, drops_of(source.name), QUARANTINE]
            self.warehouse.forget_states(touched, [days, *consecutive_days(changed)])
        return changed

    def _has_same_rows(
        self, source: Source, day: date, before: pl.DataFrame, after: pl.DataFrame
    ) -> bool:
        """Whether a day that is loaded anew says the same, on whichever lines it says it."""
        old, new = (frame.filter(pl.col("drop_date") == day) for frame in (before, after))
        said = ["form", "is_observed", "rows_accepted"]
        if not old.select(said).equals(new.select(said)):
            return False
        folder = Path(self.root) / source.table.own_name
        files = [folder / name for frame in (old, new) for name in frame["data_file"] if name]
        if not all(file.exists() for file in files):
            return False
        held = [pieces_of(self.store, source, file.name) or [file] for file in files]
        if len({len(pieces) for pieces in held}) > 1:
            # Rows that lie in other pieces have another order.
            return False
        compared = [pair for pieces in held[1:] for pair in zip(held[0], pieces, strict=True)]
        engine = self.engine if any(is_parted(file.name) for file in files) else OneMachine()
        return all(engine.map(_have_same_rows, compared))

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
                [source.name],
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
    ) -> None:
        """Keep the bulk records whose day cannot be read: once, whatever days are run."""
        schema = QUARANTINE.polars_schema
        before = connection.sql(
            "select * from raw.quarantine where source = ? and drop_date is null "
            "order by line_number",
            params=[source.name],
        ).pl()
        after = pl.DataFrame(schema=schema) if undated is None else pl.read_parquet(undated)
        if before.select(list(schema)).equals(after.select(list(schema))):
            return
        connection.execute(
            "delete from raw.quarantine where source = ? and drop_date is null", [source.name]
        )
        rows = after.to_arrow()  # noqa: F841
        connection.execute("insert into raw.quarantine by name select * from rows")

    def refresh_view(self, connection: duckdb.DuckDBPyConnection, source: Source) -> None:
        """Make the view over a source's current rows, which names the raw store's folder."""
        table = source.table
        name = table.name
        folder = Path(self.root) / table.own_name
        write_if_missing(folder / "none.parquet", empty_file(source).write_parquet)
        columns = table.schema.columns()
        listed = ", ".join(f'"{column}"' for column in columns)
        observed = f"from raw.drops where source = {quoted(source.name)} and is_observed"
        query = (
            f"select {listed} from read_parquet("
            f"{quoted(_without_pattern(folder.resolve()) + '/*.parquet')}, filename = true) "
            f"where parse_filename(filename) in (select data_file {observed})"
            + (" and not is_sighting" if source.is_snapshot else "")
        )
        if self._has_pieces(connection, source):
            pieces = str(self.store / PIECES / table.own_name)
            nothing = self.store / PIECES / table.own_name / "none" / "none.parquet"
            if not is_file(nothing):
                write_shared(self.store, nothing, empty_file(source).write_parquet)
            if isinstance(self.store, RemotePath):
                connection.register_filesystem(filesystem(pieces))
            query += (
                f" union all select {listed} from read_parquet("
                f"{quoted(_without_pattern(pieces) + '/*/*.parquet')}, filename = true) "
                f"where split_part(parse_filename(filename), '.', 1) in "
                f"(select split_part(data_file, '.', 1) {observed})"
            )
        connection.execute(f"create or replace view {name} as {query}")
        connection.execute(f"comment on view {name} is {quoted(table.description)}")
        for column, definition in columns.items():
            connection.execute(
                f'comment on column {name}."{column}" is {quoted(definition.description or "")}'
            )

    def _has_pieces(self, connection: duckdb.DuckDBPyConnection, source: Source) -> bool:
        named = connection.execute(
            "select data_file from raw.drops where source = ? and is_observed", [source.name]
        ).fetchall()
        return any(is_parted(name) for (name,) in named)

    # --- out ---

    def read(self, source: Source, days: DayRange) -> pl.LazyFrame:
        """The current rows of a range of drops; snapshots with `is_sighting` rows beside them.

        Raises:
            RawStoreError: A file of the range has gone.
        """
        return _scan(source, self._drops_to_read(source, days))

    def _drops_to_read(self, source: Source, days: DayRange) -> dict[date, DropFiles]:
        """Where the rows of the drops of a range lie, all of whose files are there."""
        named = self._named_files(source, days)
        there = self._listed_pieces(source, named)
        self._check_there(source, named, there)
        return self._files_of(source, named, there)

    def sums(self, sums: EventSums, days: DayRange) -> SumsOfDays:
        """Sums of the events of a range of drops, for any days that these may hold events of.

        On one machine they are made of the rows where they are asked for; where the rows of a drop
        lie in pieces that another engine has written, it makes them, piece by piece.

        Raises:
            RawStoreError: A file of the range has gone.
        """
        drops = self._shared_drops(sums.source, days) if self.engine.is_elsewhere else {}
        if drops:
            return SumsOfFiles(sums, drops, self.store, self.engine)
        every = self._drops_to_read(sums.source, days)

        def read(some: DayRange) -> pl.LazyFrame:
            within = {day: one for day, one in every.items() if some.first <= day <= some.last}
            return _scan(sums.source, within)

        return SumsOfDrops(sums, days, read)

    def _shared_drops(self, source: Source, days: DayRange) -> dict[date, DropFiles]:
        """Where the rows of drops lie, and of the late window before; nothing if all lie here.

        A repeat in the first drops is known by those before them, as far as they are still there.
        """
        before = days.first - timedelta(days=source.late_days)
        every = self._named_files(source, DayRange(before, days.last))
        named = [(day, name) for day, name in every if day >= days.first]
        if not any(is_parted(name) for _, name in named):
            return {}
        there = self._listed_pieces(source, every)
        self._check_there(source, named, there)
        gone = self._gone(source, every, there)
        return self._files_of(source, [one for one in every if one[0] not in gone], there)

    def _named_files(self, source: Source, days: DayRange) -> list[tuple[date, str]]:
        """The data files of the drops of a range that count as seen, ascending."""
        return self.warehouse.query(
            "select drop_date, data_file from raw.drops "
            "where source = ? and drop_date between ? and ? "
            "and is_observed order by drop_date",
            [source.name, days.first, days.last],
            tables=[DROPS],
        )

    def _files_of(
        self,
        source: Source,
        named: Iterable[tuple[date, str]],
        there: Mapping[LandingPath, LandingPath],
    ) -> dict[date, DropFiles]:
        """Where the rows lie of drops with some data files, all of whose pieces are there."""
        folder = Path(self.root) / source.table.own_name
        return {
            day: DropFiles(
                stem_of(name),
                tuple(there[one] for one in pieces_of(self.store, source, name)),
                True,
            )
            if is_parted(name)
            else DropFiles(stem_of(name), (folder / name,), False)
            for day, name in named
        }

    def _gone(
        self,
        source: Source,
        named: Sequence[tuple[date, str]],
        there: Collection[LandingPath],
    ) -> dict[date, LandingPath]:
        """The days whose rows are not where they should be, and where that is."""
        folder = Path(self.root) / source.table.own_name
        without = self._days_without_pieces(source, named, there)
        return {
            day: self.store if day in without else folder
            for day, name in named
            if day in without or not (folder / name).exists()
        }

    def _check_there(
        self,
        source: Source,
        named: Sequence[tuple[date, str]],
        there: Collection[LandingPath],
    ) -> None:
        gone = self._gone(source, named, there)
        if gone:
            days = ", ".join(map(str, [*gone][:7])) + ", ..." * (len(gone) > 7)
            raise RawStoreError(
                f"{next(iter(gone.values()))} lacks the rows of {days}. Run "
                f"{source.table.own_name} for "
                f"{'this day' if len(gone) == 1 else 'these days'} again."
            )

    def first_covered_day(self, source: Source) -> date | None:
        """The first day run that a source covers; None if there is none."""
        return self._covered_day(source, "min")

    def last_covered_day(self, source: Source) -> date | None:
        """The last day run that a source covers; None if there is none."""
        return self._covered_day(source, "max")

    def _covered_day(self, source: Source, which: str) -> date | None:
        rows = self.warehouse.query(
            f"select {which}(drop_date) from raw.drops where source = ? and is_observed",
            [source.name],
            tables=[DROPS],
        )
        day: date | None = rows[0][0]
        return day

    def observed_days(self, source: Source, days: DayRange) -> pl.DataFrame:
        """`day` and `form` of the days of a range that count as seen."""
        rows = self.warehouse.query(
            "select drop_date, form from raw.drops where source = ? and is_observed "
            "and drop_date between ? and ? order by drop_date",
            [source.name, days.first, days.last],
            tables=[DROPS],
        )
        schema = {"day": pl.Date, "form": pl.String}
        return pl.DataFrame(rows, schema=schema, orient="row")

    def marked_days(self, folder: str) -> frozenset[date]:
        """The days with a marker `<folder>/<day>.accept` in the landing folder, now.

        A marker makes nothing due by itself: whoever adds or removes one runs the days again on
        which it matters.

        Raises:
            LandingError: The landing folder is missing or cannot be reached.
        """
        return find_markers(self.landing, folder)[0]


@contextmanager
def _reaching_engine() -> Iterator[None]:
    """Say of an engine that fails what is said of a storage that does not answer."""
    try:
        yield
    except EngineError as error:
        raise UnreachableError(str(error)) from error


def _scan(source: Source, drops: Mapping[date, DropFiles]) -> pl.LazyFrame:
    """The rows of some drops, by the files in which they lie."""
    scans = []
    for _, some in groupby(drops.values(), lambda one: one.is_shared):
        files = [file for one in some for file in one.files]
        scans += [scan_files(files)] if files else []
    if not scans:
        return empty_file(source).lazy()
    return pl.concat(scans) if len(scans) > 1 else scans[0]


def _versions_made(versions: Mapping[date, Version], parsed: Iterable[Parsed]) -> dict[date, str]:
    """By what each day was made; by nothing known where its file changed before it was read."""
    return {
        one.day: str(versions[one.day])
        if versions[one.day].is_of(one.file, one.fingerprint)
        else ""
        for one in parsed
    }


def _changed_days(before: pl.DataFrame, after: pl.DataFrame) -> list[date]:
    """Days whose ledger row is new or differs in anything but the time of loading."""
    columns = [name for name in after.columns if name != "loaded_at"]
    known = set(before.select(columns).iter_rows())
    return [
        row[columns.index("drop_date")]
        for row in after.select(columns).iter_rows()
        if row not in known
    ]


def _have_same_rows(files: tuple[LandingPath, LandingPath]) -> bool:
    """Whether two data files hold the same rows in the same order, on whichever lines."""
    plans = [scan_files([file]).drop("line_number") for file in files]
    rows, others = (int(plan.select(pl.len()).collect().item()) for plan in plans)
    if rows != others:
        return False
    for start in range(0, rows, _COMPARED_ROWS):
        frames = [plan.slice(start, _COMPARED_ROWS).collect() for plan in plans]
        if not frames[0].equals(frames[1]):
            return False
    return True


def _without_pattern(path: Path | str) -> str:
    """A path as DuckDB takes it: nothing in it stands for other characters."""
    return re.sub(r"[*?\[]", r"[\g<0>]", str(path))
