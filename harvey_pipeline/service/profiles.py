"""The profiles of the last published day, kept in memory, and read again when the copy changes."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

import duckdb
import polars as pl

from harvey_pipeline.conversations.tables.users import USER_PROFILES
from harvey_pipeline.warehouse.warehouse import quoted

_LOG: Final = logging.getLogger(__name__)

NEVER_SERVED: Final = ("email",)
"""Columns of a profile that do not leave the warehouse by this way."""

Identity = tuple[int, int, int]
"""What tells one published file from the next: inode, time of the last write in ns, bytes."""


@dataclass(frozen=True, eq=False)
class Profiles:
    """The profiles of one day, by user.

    Without a published profile `day` is None.
    """

    day: date | None = None
    rows: pl.DataFrame = field(default_factory=pl.DataFrame, repr=False)
    """One row per user of the day: all columns of the profiles but those never served."""
    positions: Mapping[str, int] = field(default_factory=dict, repr=False)
    """In which row a user is."""

    def of(self, user_id: str) -> dict[str, Any] | None:
        """A user's profile, each value by its column; None if there is none."""
        position = self.positions.get(user_id)
        return None if position is None else self.rows.row(position, named=True)


class PublishedProfiles:
    """The profiles of the copy that is published now.

    The copy is opened only while it is read: the file that leaves its place to a newer one is
    written to by the next run, at a cost in proportion to what changed, unless it is still open.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._identity: Identity | None = None
        self._unreadable: Identity | None = None
        self.current = Profiles()

    def refresh(self) -> bool:
        """Read the profiles if another copy was published since; True if that is so.

        A copy that cannot be read leaves what is served as it is, to be tried again. Without a
        copy nothing is served.
        """
        identity = identify(self._path)
        if identity == self._identity:
            return False
        if identity is None:
            _LOG.warning("no published copy is there any more")
            self.current, self._identity = Profiles(), None
            return True
        try:
            profiles = read_profiles(self._path)
        except Exception as error:
            if identity != self._unreadable:
                # Its text may hold what the copy holds.
                _LOG.warning("the published copy cannot be read (%s)", type(error).__name__)
            self._unreadable = identity
            return False
        self.current, self._identity = profiles, identity
        _LOG.info("serving %d profiles of %s", len(profiles.positions), profiles.day)
        return True


def identify(path: Path) -> Identity | None:
    """Which file has a name now; None if none has."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def read_profiles(path: Path) -> Profiles:
    """The profiles of the last day that a published copy has.

    Raises:
        duckdb.Error: The file cannot be read.
    """
    # Opened by its path, DuckDB would give the file that has had the name before for as long as
    # another connection of this process reads that. Attaching looks at the name anew.
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute(f"attach {quoted(path)} as copy (read_only)")
        there = connection.execute(
            "select 1 from duckdb_tables() "
            "where database_name = 'copy' and schema_name || '.' || table_name = ?",
            [USER_PROFILES.name],
        ).fetchall()
        if not there:
            return Profiles()
        table = f"copy.{USER_PROFILES.name}"
        [(last,)] = connection.execute(f"select max(date) from {table}").fetchall()
        if last is None:
            return Profiles()
        rows = connection.sql(
            f"select * exclude ({', '.join(NEVER_SERVED)}) from {table} where date = ?",
            params=[last],
        ).pl()
    positions = {user: position for position, user in enumerate(rows["user_id"])}
    return Profiles(last, rows, positions)
