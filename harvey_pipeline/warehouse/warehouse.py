"""The one way in and out of DuckDB: lazy reads, transactional writes, waiting for the lock.

One file, one writing process at a time. Tables are made from their schemas; a write replaces a
range of days (or a whole table) in one transaction, by name. No business rules.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, Final

import duckdb
import polars as pl
import pyarrow as pa
from dagster_duckdb import DuckDBResource
from polars.io.plugins import register_io_source

from harvey_pipeline.warehouse.commits import (
    COMPUTED,
    Basis,
    Digests,
    State,
    digest_days,
    known_days,
    last_generation,
    merged,
    prepare_record,
    read_state,
    record_commits,
    record_computing,
)
from harvey_pipeline.warehouse.days import DayRange, hull
from harvey_pipeline.warehouse.kept_open import KeptOpen, close_connection
from harvey_pipeline.warehouse.progress import report_progress
from harvey_pipeline.warehouse.table import Table

logger = logging.getLogger(__name__)

_BATCH_ROWS: Final = 122_880
_SAMPLE_ROWS: Final = 5
_LOCK_POLL_SECONDS: Final = 0.05
_MOMENT_SECONDS: Final = 0.01
_AT_MOST_SECONDS: Final = 30.0
"""How long another thread of this process may take to close the file."""

_DUCKDB_TYPES: Final[Mapping[type[pl.DataType], str]] = {
    pl.String: "VARCHAR",
    pl.Enum: "VARCHAR",
    pl.Date: "DATE",
    pl.Datetime: "TIMESTAMP",
    pl.Boolean: "BOOLEAN",
    pl.Int16: "SMALLINT",
    pl.Int32: "INTEGER",
    pl.Int64: "BIGINT",
    pl.Float64: "DOUBLE",
}


def _duckdb_type(dtype: pl.DataType) -> str:
    """DuckDB's type for a column of a table."""
    if isinstance(dtype, pl.List):
        inner = dtype.inner
        return f"{_duckdb_type(inner() if isinstance(inner, type) else inner)}[]"
    return _DUCKDB_TYPES[type(dtype)]


@dataclass(frozen=True)
class Pieces:
    """A table's rows as LazyFrames in the order of their days, planned one at a time."""

    plans: Iterable[pl.LazyFrame]


Frames = pl.LazyFrame | Pieces


@dataclass(frozen=True)
class Deferred:
    """Tables that are planned only once no other process can write.

    For rows that depend on what the same tables hold: nothing can come between reading them and
    replacing them.
    """

    plan: Callable[[], Mapping[Table, Frames]]
    reach: Mapping[Table, "Reach"] = field(default_factory=dict)
    """How far a change of a table that is replaced whole reaches; else to all days written."""


Reach = Callable[[pl.DataFrame, pl.DataFrame], Iterable[DayRange]]
"""The days for which it matters that a table's rows, the first, became the second."""


@dataclass(frozen=True)
class Written:
    """What a write put into a table: the number of rows, a few of the last ones, and what changed.

    `changed` are the days (or months) whose rows are others than before. A table that is replaced
    whole may hold other rows (`is_other`) and yet not matter to any day.
    """

    rows: int
    sample: pl.DataFrame
    changed: Sequence[DayRange] = ()
    is_other: bool = False

    @property
    def commits(self) -> Sequence[DayRange | None]:
        """The ranges to be noted as changed; None is the table without any day."""
        return self.changed or ([None] if self.is_other else [])


class WarehouseError(Exception):
    """The warehouse cannot take or give what is asked; the message says what to do."""


def is_lock_conflict(error: duckdb.Error) -> bool:
    """Whether a DuckDB error says that another process holds the file."""
    return "Could not set lock" in str(error) or "Conflicting lock" in str(error)


def quoted(text: str | Path) -> str:
    """Text as an SQL string literal."""
    return "'" + str(text).replace("'", "''") + "'"


def duckdb_types(table: Table) -> dict[str, str]:
    """DuckDB's types of a table's columns."""
    return {name: _duckdb_type(dtype) for name, dtype in table.polars_schema.items()}


def table_ddl(table: Table, qualified_name: str) -> list[str]:
    """The statements that make a table with its comments, where it does not exist."""
    columns = table.schema.columns()
    types = duckdb_types(table)
    body = ", ".join(
        f'"{name}" {types[name]}{"" if column.nullable else " NOT NULL"}'
        for name, column in columns.items()
    )
    return [
        f"create table if not exists {qualified_name} ({body})",
        f"comment on table {qualified_name} is {quoted(table.description)}",
        *(
            f'comment on column {qualified_name}."{name}" is {quoted(column.description or "")}'
            for name, column in columns.items()
        ),
    ]


def memory_for(processors: int) -> str:
    """What DuckDB takes of memory at most, on a machine of so many processors.

    It keeps what it has read and written until the limit is reached, so a run over more days comes
    closer to it. What it needs at least grows with its threads, one for each processor.
    """
    return f"{min(1_000, 96 * max(2, processors))}MB"


_kept_open: Final[dict[Path, KeptOpen]] = {}
_kept_open_lock: Final = threading.Lock()


class Warehouse(DuckDBResource):
    """The DuckDB file of everything after raw.

    `database` is the path of the file. A process that finds it locked waits up to
    `lock_timeout_seconds`, saying for whom; where the file is to be kept open, once. DuckDB takes
    `memory_limit` at most.
    """

    lock_timeout_seconds: float = 600.0
    memory_limit: str = memory_for(os.cpu_count() or 1)

    @property
    def path(self) -> Path:
        return Path(self.database)

    @contextmanager
    def connect(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection that closes whatever happens.

        Raises:
            WarehouseError: The file stayed locked, or is no DuckDB file of this version.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        kept = _kept_open.get(self.path.absolute())
        if kept is None:
            connection = self._wait_for_lock()
            try:
                yield connection
            finally:
                close_connection(connection)
            return
        with kept.connect(lambda: self._wait_for_lock(kept)) as connection:
            yield connection

    @property
    def has_given_up(self) -> bool:
        """Whether, since the file is to be kept open, a connection has waited for it in vain."""
        kept = _kept_open.get(self.path.absolute())
        return kept is not None and kept.has_given_up

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """Keep the file open between connections, for some seconds at a time.

        Opening it costs more than most queries. Meanwhile other processes find it locked.
        """
        path = self.path.absolute()
        with _kept_open_lock:
            if path not in _kept_open:
                _kept_open[path] = KeptOpen()
            kept = _kept_open[path]
            kept.scopes += 1
        try:
            yield
        finally:
            with _kept_open_lock:
                kept.scopes -= 1
                if not kept.scopes:
                    del _kept_open[path]
                    kept.end()

    def _wait_for_lock(self, kept: KeptOpen | None = None) -> duckdb.DuckDBPyConnection:
        has_given_up = kept is not None and kept.has_given_up
        started = time.monotonic()
        deadline = started + (0 if has_given_up else self.lock_timeout_seconds)
        has_warned = False
        while True:
            try:
                return duckdb.connect(
                    self.database,
                    config={
                        "memory_limit": self.memory_limit,
                        "preserve_insertion_order": "false",
                        **self.connection_config,
                    },
                )
            except duckdb.ResourceInUseException as error:
                # Threads of a process share an open file, but not one that is just being closed.
                if time.monotonic() >= started + _AT_MOST_SECONDS:
                    raise WarehouseError(
                        f"{self.path} cannot be opened: this process has it open otherwise. {error}"
                    ) from error
                time.sleep(_MOMENT_SECONDS)
            except duckdb.IOException as error:
                if not is_lock_conflict(error):
                    raise WarehouseError(
                        f"{self.path} cannot be opened: {error}. If it is no warehouse of this "
                        f"pipeline, point HARVEY_WAREHOUSE elsewhere."
                    ) from error
                if time.monotonic() >= deadline:
                    if kept is not None:
                        kept.has_given_up = True
                    raise WarehouseError(
                        f"{self.path} is still locked after {self.lock_timeout_seconds:g} s: "
                        f"{_holder(error)}. Wait for that process or stop it, then run again; "
                        f"to only read, open {published_path(self.path).name}."
                    ) from error
                if not has_warned:
                    logger.warning("waiting for %s: %s", self.path, _holder(error))
                    has_warned = True
                time.sleep(_LOCK_POLL_SECONDS)

    def read(self, table: Table, days: DayRange | None = None) -> pl.LazyFrame:
        """A lazy scan of a table, or of a range of its days; the file is open only while it runs.

        Columns, filters and the range are pushed down to DuckDB. A table without days is read
        whole.
        """
        schema = table.polars_schema
        window = days if table.day_column is not None else None

        def scan(
            with_columns: list[str] | None,
            predicate: pl.Expr | None,
            n_rows: int | None,
            batch_size: int | None,  # noqa: ARG001  (polars gives it by position)
        ) -> Iterator[pl.DataFrame]:
            with self.connect() as connection:
                self.prepare(connection, [table])
                where = f" where {table.within(window)}" if window else ""
                lazy = connection.sql(f"select * from {table}{where}").pl(lazy=True)
                wanted = list(schema) if with_columns is None else with_columns
                if predicate is not None:
                    lazy = lazy.filter(predicate)
                if n_rows is not None:
                    lazy = lazy.head(n_rows)
                lazy = lazy.select(pl.col(column).cast(schema[column]) for column in wanted)
                yield from lazy.collect_batches(chunk_size=_BATCH_ROWS, engine="streaming")

        return register_io_source(scan, schema=schema)

    def write(
        self,
        outputs: Mapping[Table, Frames] | Deferred,
        days: DayRange | None,
        basis: Basis | None = None,
    ) -> dict[Table, Written]:
        """Replace a range of days of each table (the whole table, if it has no days) at once.

        Plans are streamed batch by batch. Either all tables hold the new rows afterwards or all
        hold the old ones. Where the new rows are the old ones, nothing is committed but the
        note that they were computed, and from what.

        Returns:
            What was written, by table.

        Raises:
            WarehouseError: A frame's columns or types are not the table's, or a row is dated
                outside the range.
        """
        with self.connect() as connection:
            deferred = outputs if isinstance(outputs, Deferred) else Deferred(lambda: outputs)
            named = deferred.plan()
            self.prepare(connection, named)
            connection.begin()
            if basis is None:
                basis = Basis(last_generation(connection), {})
            written = {
                table: _replace_changed(connection, table, frames, days, deferred.reach.get(table))
                for table, frames in named.items()
            }
            if not any(one.commits for one in written.values()):
                connection.rollback()
                connection.begin()
            for table, one in written.items():
                for some in one.commits:
                    record_commits(connection, [table], some)
                if days is not None:
                    record_computing(connection, table, table.partitions(days), basis)
            connection.commit()
            noted = [some for one in written.values() for some in one.commits]
            self.forget_states(written, [some for some in [days, *noted] if some is not None])
        return written

    def prepare(self, connection: duckdb.DuckDBPyConnection, tables: Iterable[Table]) -> None:
        """Make the tables that are missing.

        Raises:
            WarehouseError: A table exists with other columns.
        """
        kept = _kept_open.get(self.path.absolute())
        known = set() if kept is None else kept.prepared
        missing = [table for table in tables if table not in known]
        if known and not missing:
            return
        if _columns(connection, COMPUTED) is None:
            prepare_record(connection)
        for table in missing:
            name = table.name
            found = _columns(connection, name)
            wanted = duckdb_types(table)
            if found is None:
                connection.execute(f"create schema if not exists {table.schema_name}")
                for statement in table_ddl(table, name):
                    connection.execute(statement)
            elif found != wanted:
                different = sorted(set(found.items()) ^ set(wanted.items()))
                raise WarehouseError(
                    f"{name} in {self.path} was made by another version: "
                    f"{', '.join(f'{column} {kind}' for column, kind in different)}. Move the "
                    f"warehouse aside and run again: everything in it comes from the landing "
                    f"folder."
                )
        known.update(missing)

    def days_written(self, table: Table) -> set[date]:
        """The days (or months) of a table that were ever computed, empty ones included."""
        state = self.state([table])
        days = {*state.changes(table.name), *state.computings(table.name)}
        return {day for day in days if day.day == 1} if table.is_monthly else days

    def last_commits(self, table: Table) -> Mapping[date, int]:
        """The days of a table whose rows ever changed, each with the last commit that did it.

        Commits of all tables are numbered in the order in which they were made. The days of a
        table by months are the first ones of its months, and those between them.
        """
        return self.state([table]).changes(table.name)

    def state(self, tables: Iterable[Table] = ()) -> State:
        """What is known of the partitions of these tables at least, or of all."""
        names = [table.name for table in tables]
        with self.connect() as connection:
            self.prepare(connection, ())
            kept = _kept_open.get(self.path.absolute())
            if kept is None:
                return read_state(connection, names)
            if kept.state is None:
                kept.state = read_state(connection)
            elif kept.outdated:
                kept.state = kept.state.updated(
                    read_state(connection, kept.outdated, hull(kept.outdated_days))
                )
            kept.outdated.clear()
            kept.outdated_days.clear()
            return kept.state

    def forget_states(self, tables: Iterable[Table], days: Iterable[DayRange]) -> None:
        """Read anew what is known of the partitions of some tables: that of some days changed."""
        kept = _kept_open.get(self.path.absolute())
        if kept is not None:
            kept.outdated.update(table.name for table in tables)
            kept.outdated_days.extend(days)

    def generation(self) -> int:
        """The number of the last commit; 0 before the first."""
        with self.connect() as connection:
            self.prepare(connection, ())
            return last_generation(connection)

    def query(
        self, sql: str, parameters: Sequence[Any] = (), *, tables: Iterable[Table] = ()
    ) -> list[tuple[Any, ...]]:
        """The rows of a query; the tables that it names are made where they are missing."""
        with self.connect() as connection:
            self.prepare(connection, tables)
            return connection.execute(sql, list(parameters)).fetchall()

    def frame(self, sql: str, *, tables: Iterable[Table] = ()) -> pl.DataFrame:
        """The rows of a query as a frame; the tables that it names are made where missing.

        For few rows made of many: what a lazy read brings out row by row is summed inside.
        """
        with self.connect() as connection:
            self.prepare(connection, tables)
            found: pl.DataFrame = connection.sql(sql).pl()
            return found


def _replace_changed(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    frames: Frames,
    days: DayRange | None,
    reach: Reach | None,
) -> Written:
    """Replace a table's rows, and find out which of them are others than before."""
    if days is None:
        return replace(_replace(connection, table, frames, days), is_other=True)
    if table.day_column is None and reach is not None:
        before = connection.sql(f"select * from {table}").pl()
        written = _replace(connection, table, frames, days)
        after = connection.sql(f"select * from {table}").pl()
        changed = list(merged(reach(before, after), known_days(connection, days)))
        return replace(written, changed=changed, is_other=not _have_same_rows(before, after))
    known = read_state(connection, [table.name], days).changes(table.name)
    is_known = any(day in known for day in table.partitions(days))
    old = _digest(connection, table, days) if is_known else {}
    written = _replace(connection, table, frames, days)
    new = _digest(connection, table, days) if is_known else {}
    return replace(
        written,
        changed=table.ranges(
            day
            for day in table.partitions(days)
            if day not in known or old.get(day) != new.get(day)
        ),
    )


def _have_same_rows(one: pl.DataFrame, other: pl.DataFrame) -> bool:
    """Whether two frames hold the same rows in whichever order."""
    return one.height == other.height and one.hash_rows().sort().equals(other.hash_rows().sort())


def _digest(connection: duckdb.DuckDBPyConnection, table: Table, days: DayRange) -> Digests:
    """What each partition holds; the same for all of a table that has no days."""
    if table.day_column is not None:
        return digest_days(connection, table, days)
    whole = digest_days(connection, table, None)
    return {day: found for day in table.partitions(days) for found in whole.values()}


def _replace(
    connection: duckdb.DuckDBPyConnection, table: Table, frames: Frames, days: DayRange | None
) -> Written:
    window = days if table.day_column is not None else None
    batches = _Batches(table, frames.plans if isinstance(frames, Pieces) else [frames], window)
    where = f" where {table.within(window)}" if window else ""
    connection.execute(f"delete from {table.name}{where}")
    reader = batches.reader()  # noqa: F841  (DuckDB finds it by its name)
    try:
        connection.execute(f"insert into {table.name} by name select * from reader")
    except duckdb.Error as error:
        connection.rollback()
        if batches.error is None:
            raise
        raise batches.error from error
    return Written(batches.rows, batches.sample)


def _columns(connection: duckdb.DuckDBPyConnection, name: str) -> dict[str, str] | None:
    """Columns and types of a table; None where there is no such table."""
    try:
        described = connection.execute(f"describe {name}").fetchall()
    except duckdb.CatalogException:
        return None
    return {row[0]: row[1] for row in described}


def published_path(warehouse: Path) -> Path:
    """Where the read-only copy of a warehouse is."""
    return warehouse.with_name(f"{warehouse.stem}.published.duckdb")


def _holder(error: duckdb.Error) -> str:
    """Who holds the lock, in DuckDB's words."""
    text = str(error)
    start = text.find("Conflicting lock")
    return text[start:].split(". ")[0] if start >= 0 else text.splitlines()[0]


class _Batches:
    """Plans as one Arrow stream, checked against the table on the way."""

    def __init__(
        self, table: Table, plans: Iterable[pl.LazyFrame], window: DayRange | None
    ) -> None:
        self.table = table
        self.plans = plans
        self.window = window
        self.rows = 0
        self.sample = table.empty().collect()
        self.error: BaseException | None = None
        """What went wrong inside the stream: Arrow passes on only its text."""

    def reader(self) -> pa.RecordBatchReader:
        schema = self.table.empty().collect().to_arrow().schema
        return pa.RecordBatchReader.from_batches(schema, self._stream())

    def _stream(self) -> Iterator[pa.RecordBatch]:
        try:
            for plan in self.plans:
                self._check_columns(plan.collect_schema())
                ordered = plan.select(list(self.table.polars_schema))
                for batch in ordered.collect_batches(
                    chunk_size=_BATCH_ROWS, engine="streaming", maintain_order=True
                ):
                    self._check_days(batch)
                    self.rows += batch.height
                    self.sample = batch.tail(_SAMPLE_ROWS) if batch.height else self.sample
                    self._report(batch)
                    yield from batch.to_arrow().to_batches()
        except BaseException as error:
            self.error = error
            raise

    def _report(self, batch: pl.DataFrame) -> None:
        if self.window is not None and self.table.day_column and batch.height:
            last = batch[self.table.day_column][-1]
            done = self.table.count_partitions(self.window.first, last)
            total = self.table.count_partitions(self.window.first, self.window.last)
            report_progress(self.table.own_name, done, total)

    def _check_columns(self, found: Mapping[str, pl.DataType]) -> None:
        wanted = self.table.polars_schema
        if dict(found) != wanted:
            different = [
                f"{name}: {found.get(name, 'missing')} instead of {wanted.get(name, 'nothing')}"
                for name in dict.fromkeys([*wanted, *found])
                if found.get(name) != wanted.get(name)
            ]
            raise WarehouseError(
                f"{self.table.name} does not take this frame: {'; '.join(different)}. Mend the "
                f"transform or the table's schema."
            )

    def _check_days(self, batch: pl.DataFrame) -> None:
        day = self.table.day_column
        if self.window is None or day is None:
            return
        outside = batch.filter(~pl.col(day).is_between(self.window.first, self.window.last))
        if not outside.is_empty():
            raise WarehouseError(
                f"{self.table.name} gets a row of {outside[day][0]}, outside the days that are "
                f"written ({self.window}). Mend the transform."
            )
