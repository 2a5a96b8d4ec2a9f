"""The read-only copy that dashboards and notebooks open, so that they never meet a run's lock.

Two files take turns. Readers see the one named `<warehouse>.published.duckdb`; the other stands by
and receives, after a run, just the days that it has missed, and then takes the first one's name in
one atomic step. Whoever still has the old file open goes on reading it undisturbed, and for as
long as that lasts a fresh copy is made instead of writing to it.
"""

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Final, Literal

import duckdb

from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline.warehouse.view import View, digest_views, make_views
from harvey_pipeline.warehouse.warehouse import (
    Warehouse,
    WarehouseError,
    is_lock_conflict,
    published_path,
    quoted,
    table_ddl,
)

UNPUBLISHED_SCHEMAS: Final = ("raw", "history", "llm", "meta")
"""Schemas that stay with the pipeline; every other one is published."""

_READ_ONLY: Final = 0o444
_WRITABLE: Final = 0o644

Slice = tuple[str, date | None, date | None]
"""A table and the days of it that a commit replaced."""


@dataclass(frozen=True)
class Publication:
    """What publishing did: the commit that readers now see, and how it got there."""

    path: Path
    generation: int
    form: Literal["unchanged", "incremental", "fresh"]


def publish(
    warehouse: Warehouse,
    tables: Mapping[str, Table],
    views: Sequence[View] = (),
    *,
    is_afresh: bool = False,
) -> Publication:
    """Bring the published copy up to the warehouse's last commit, and make the views in both.

    `tables` are those that a commit may be about, by name. `is_afresh` where no file is to be left
    that was published before, for what was deleted still stands in its free blocks.

    Costs in proportion to the days that changed. Killed at any moment it leaves the copy that was
    published before, or the new one.

    Raises:
        WarehouseError: The warehouse stayed locked.
    """
    files = _Files.beside(warehouse.path)
    # The warehouse's lock is also what keeps a second publisher away from these files.
    with warehouse.connect() as connection:
        warehouse.prepare(connection, ())
        files.recover()
        commit = _last_commit(connection)
        stamp = _Stamp(commit, digest_views(views))
        if not is_afresh and _is_seen(connection, files, stamp):
            return Publication(files.published, commit.generation, "unchanged")
        make_views(connection, views)
        caught_up = not is_afresh and _catch_up(connection, files, stamp, tables, views)
        if not caught_up:
            _copy_afresh(connection, warehouse.path, files, stamp)
        files.swap()
        if is_afresh:
            _remove(files.standby)
    return Publication(files.published, commit.generation, "incremental" if caught_up else "fresh")


def is_behind(warehouse: Warehouse) -> bool:
    """Whether something was committed that readers do not see yet.

    Raises:
        WarehouseError: The warehouse stayed locked.
    """
    if not warehouse.path.exists():
        return False
    with warehouse.connect() as connection:
        warehouse.prepare(connection, ())
        commit = _last_commit(connection)
        files = _Files.beside(warehouse.path)
        seen = _seen(connection, files)
        return commit.generation > 0 and (seen is None or seen.commit != commit)


def publish_after_run(
    warehouse: Warehouse, tables: Mapping[str, Table], views: Sequence[View] = ()
) -> None:
    """Publish what a run, whose file is kept open, has committed.

    A run that has waited for the warehouse in vain has failed with that; it tries once more,
    without waiting, and does not fail a second time.

    Raises:
        WarehouseError: The warehouse stayed locked, and the run did not know.
    """
    is_known = warehouse.has_given_up
    try:
        publish(warehouse, tables, views)
    except WarehouseError:
        if not is_known:
            raise


@dataclass(frozen=True)
class _Commit:
    """A commit of one warehouse: one begun anew counts its generations from 1 again."""

    generation: int
    committed_at: datetime | None


@dataclass(frozen=True)
class _Stamp:
    """What a copy holds: all up to a commit, and some views."""

    commit: _Commit
    views: str


@dataclass(frozen=True)
class _Files:
    published: Path
    standby: Path
    retiring: Path
    """The published file's second name while the two change places."""
    next: Path
    """A fresh copy in the making."""

    @classmethod
    def beside(cls, warehouse: Path) -> "_Files":
        return cls(
            published_path(warehouse),
            warehouse.with_name(f"{warehouse.stem}.standby.duckdb"),
            warehouse.with_name(f"{warehouse.stem}.retiring.duckdb"),
            warehouse.with_name(f"{warehouse.stem}.next.duckdb"),
        )

    def recover(self) -> None:
        """Finish or undo what an interrupted publication left."""
        _remove(self.next)
        if self.retiring.exists():
            if self.standby.exists():
                self.retiring.unlink()
            else:
                self.retiring.rename(self.standby)

    def swap(self) -> None:
        """Let the two files change names; readers find the one or the other at every moment."""
        self.standby.chmod(_READ_ONLY)
        if self.published.exists():
            os.link(self.published, self.retiring)
        self.standby.replace(self.published)
        if self.retiring.exists():
            self.retiring.rename(self.standby)


def _catch_up(
    connection: duckdb.DuckDBPyConnection,
    files: _Files,
    stamp: _Stamp,
    tables: Mapping[str, Table],
    views: Sequence[View],
) -> bool:
    """Give the standby file the days that it has missed; False if a fresh copy is called for."""
    if not files.standby.exists() or _is_open_here(files.standby):
        return False
    files.standby.chmod(_WRITABLE)
    try:
        connection.execute(f"attach {quoted(files.standby)} as copy")
    except duckdb.IOException as error:
        if is_lock_conflict(error):
            return False
        raise
    try:
        since = _stamp_of(connection, "copy")
        if since is None or not _has_commit(connection, since.commit):
            return False
        slices = connection.execute(
            "select table_name, first_day, last_day from meta.commits where generation > ?",
            [since.commit.generation],
        ).fetchall()
        if _is_mostly(connection, slices):
            return False
        connection.begin()
        for name, first, last in _merged(slices, tables):
            _copy_slice(connection, tables[name], first, last)
        make_views(connection, views, "copy")
        _stamp(connection, stamp)
        connection.commit()
        return True
    finally:
        connection.execute("detach copy")


def _is_mostly(connection: duckdb.DuckDBPyConnection, slices: Iterable[Slice]) -> bool:
    """Whether so many days changed that copying the whole file is less work."""
    row = connection.execute(
        "select date_diff('day', min(first_day), max(last_day)) + 1 from meta.commits"
    ).fetchone()
    changed = max(
        ((last - first).days + 1 for _, first, last in slices if first and last), default=0
    )
    return 2 * changed > (row[0] if row and row[0] is not None else 0) > _FEW_DAYS


_FEW_DAYS: Final = 14


def _merged(slices: Iterable[Slice], tables: Mapping[str, Table]) -> list[Slice]:
    """The published tables' slices, each table's overlapping ones as one."""
    merged: list[Slice] = []
    for name, first, last in sorted(slices, key=lambda one: (one[0], one[1] or date.min)):
        if name not in tables or tables[name].schema_name in UNPUBLISHED_SCHEMAS:
            continue
        if tables[name].day_column is None:
            first = last = None
        before = merged[-1] if merged and merged[-1][0] == name else None
        if before is None or (first and before[2] and first > before[2]):
            merged.append((name, first, last))
        elif first and last and before[2]:
            merged[-1] = (name, before[1], max(last, before[2]))
    return merged


def _copy_slice(
    connection: duckdb.DuckDBPyConnection, table: Table, first: date | None, last: date | None
) -> None:
    connection.execute(f"create schema if not exists copy.{table.schema_name}")
    for statement in table_ddl(table, f"copy.{table.name}"):
        connection.execute(statement)
    where = ""
    if first is not None and last is not None:
        where = f" where {table.within(DayRange(first, last))}"
    connection.execute(f"delete from copy.{table.name}{where}")
    connection.execute(f"insert into copy.{table.name} by name select * from {table.name}{where}")


def _copy_afresh(
    connection: duckdb.DuckDBPyConnection, warehouse: Path, files: _Files, stamp: _Stamp
) -> None:
    """Copy the whole warehouse file and leave in it what is published.

    The open connection keeps other writers out meanwhile. Another process does the copying:
    closing the file in this one would give up the lock that DuckDB holds on it.
    """
    connection.execute("checkpoint")
    try:
        _copy_file(warehouse, files.next)
        connection.execute(f"attach {quoted(files.next)} as copy")
        try:
            connection.begin()
            schemas = connection.execute(
                "select schema_name from duckdb_schemas() "
                "where database_name = 'copy' and not internal"
            ).fetchall()
            for (schema,) in schemas:
                if schema in UNPUBLISHED_SCHEMAS:
                    connection.execute(f"drop schema copy.{schema} cascade")
            _stamp(connection, stamp)
            connection.commit()
        finally:
            connection.execute("detach copy")
    except BaseException:
        # Half a copy takes room that is needed where the disk is full.
        _remove(files.next)
        raise
    _remove(files.standby)
    files.next.rename(files.standby)


def _copy_file(path: Path, to: Path) -> None:
    """Copy a file that this process has open.

    Raises:
        WarehouseError: It was not copied; the message says why.
    """
    copying = subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            "import shutil, sys; shutil.copyfile(sys.argv[1], sys.argv[2])",
            str(path),
            str(to),
        ],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if copying.returncode:
        said = copying.stderr.strip().splitlines() or [f"exit code {copying.returncode}"]
        raise WarehouseError(
            f"{path} could not be copied for its readers: {said[-1]}. The next run tries again."
        )


def _stamp(connection: duckdb.DuckDBPyConnection, stamp: _Stamp) -> None:
    connection.execute("create schema if not exists copy.meta")
    connection.execute(
        "create or replace table copy.meta.published as select ?::bigint as generation, "
        "?::timestamp as committed_at, ? as views, now() at time zone 'UTC' as published_at",
        [stamp.commit.generation, stamp.commit.committed_at, stamp.views],
    )


def _last_commit(connection: duckdb.DuckDBPyConnection) -> _Commit:
    row = connection.execute(
        "select generation, committed_at from meta.commits order by generation desc limit 1"
    ).fetchone()
    return _Commit(*row) if row else _Commit(0, None)


def _has_commit(connection: duckdb.DuckDBPyConnection, commit: _Commit) -> bool:
    row = connection.execute(
        "select 1 from meta.commits where generation = ? and committed_at = ?",
        [commit.generation, commit.committed_at],
    ).fetchone()
    return row is not None


def _is_seen(connection: duckdb.DuckDBPyConnection, files: _Files, stamp: _Stamp) -> bool:
    return _seen(connection, files) == stamp


def _seen(connection: duckdb.DuckDBPyConnection, files: _Files) -> _Stamp | None:
    """What readers see; None where nothing is published, or another version did it."""
    if not files.published.exists():
        return None
    connection.execute(f"attach {quoted(files.published)} as seen (read_only)")
    try:
        return _stamp_of(connection, "seen")
    finally:
        connection.execute("detach seen")


def _stamp_of(connection: duckdb.DuckDBPyConnection, database: str) -> _Stamp | None:
    """What an attached copy holds; None where another version made it."""
    try:
        row = connection.execute(
            f"select generation, committed_at, views from {database}.meta.published"
        ).fetchone()
    except (duckdb.BinderException, duckdb.CatalogException):
        return None
    return _Stamp(_Commit(row[0], row[1]), row[2]) if row else None


def _is_open_here(path: Path) -> bool:
    """Whether this very process has the file open: DuckDB's locks only show other processes."""
    wanted = path.stat()
    for descriptor in Path("/dev/fd").iterdir():
        with suppress(OSError):
            found = os.fstat(int(descriptor.name))
            if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino):
                return True
    return False


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.with_name(f"{path.name}.wal").unlink(missing_ok=True)
