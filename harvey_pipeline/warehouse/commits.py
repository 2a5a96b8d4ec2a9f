"""The record of what was computed when, and of which rows changed by it: two tables in `meta`.

`meta.commits` numbers the changes of all tables in the order in which they were made, with the
days (of tables by months, the months) whose rows became others. `meta.computed` says of every
partition as of which of these numbers it was last computed, and by which version of what computes
it. A partition that was computed anew and came out the same is in the second alone, so nothing
that reads it is out of date by that.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import duckdb
import polars as pl

from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.table import Table

COMMITS: Final = "meta.commits"
COMPUTED: Final = "meta.computed"

BLOCKED: Final = "held back by "
"""Begins the version of a partition whose rows a blocking check does not let through."""

UNCHECKED: Final = "checked after it: "
"""Begins the version of a partition whose checks the same run is still to evaluate."""

Digests = dict[date, tuple[int, int]]
"""The number of a day's rows and the sum of their hashes, by day."""


@dataclass(frozen=True)
class Basis:
    """What some partitions are computed from.

    `generation` is the last commit before anything was read for them, `versions` says by what
    each of them is computed: two that are equal give equal rows from equal inputs.
    `awaits_checks` where the run that computes them checks them afterwards: only then are they
    done.
    """

    generation: int
    versions: Mapping[date, str]
    awaits_checks: bool = False

    def version_of(self, day: date) -> str:
        """What is noted of a partition as soon as it is computed."""
        version = self.versions.get(day, "")
        return UNCHECKED + version if self.awaits_checks else version


@dataclass(frozen=True)
class State:
    """What the warehouse knows of its partitions, by table and day (or first day of a month)."""

    changed: Mapping[str, Mapping[date, int]]
    """The last commit that changed a partition."""
    computed: Mapping[str, Mapping[date, tuple[int, str]]]
    """The last commit before a partition was computed, and the version that computed it."""

    def changes(self, table: str) -> Mapping[date, int]:
        return self.changed.get(table, {})

    def computings(self, table: str) -> Mapping[date, tuple[int, str]]:
        return self.computed.get(table, {})

    def updated(self, newer: "State") -> "State":
        """The same with what a newer one knows: partitions once computed never become unknown."""
        changed, computed = dict(self.changed), dict(self.computed)
        for name, commits in newer.changed.items():
            changed[name] = {**self.changes(name), **commits}
        for name, computings in newer.computed.items():
            computed[name] = {**self.computings(name), **computings}
        return State(changed, computed)


def prepare_record(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the two tables where they are missing."""
    connection.execute("create schema if not exists meta")
    connection.execute(
        f"create table if not exists {COMMITS} (generation BIGINT NOT NULL, "
        "table_name VARCHAR NOT NULL, first_day DATE, last_day DATE, "
        "committed_at TIMESTAMP NOT NULL)"
    )
    connection.execute(
        f"create table if not exists {COMPUTED} (table_name VARCHAR NOT NULL, "
        "day DATE NOT NULL, generation BIGINT NOT NULL, version VARCHAR NOT NULL)"
    )


def last_generation(connection: duckdb.DuckDBPyConnection) -> int:
    """The number of the last commit; 0 before the first."""
    [(last,)] = connection.execute(f"select coalesce(max(generation), 0) from {COMMITS}").fetchall()
    return int(last)


def record_commits(
    connection: duckdb.DuckDBPyConnection, tables: Iterable[Table], days: DayRange | None
) -> None:
    """Note, within the transaction, of which tables the rows of which days change."""
    for table in tables:
        connection.execute(
            f"insert into {COMMITS} select coalesce(max(generation), 0) + 1, ?, ?, ?, "
            f"now() at time zone 'UTC' from {COMMITS}",
            [table.name, days.first if days else None, days.last if days else None],
        )


def record_computing(
    connection: duckdb.DuckDBPyConnection, table: Table, days: Sequence[date], basis: Basis
) -> None:
    """Note that partitions were computed, whether or not their rows changed by it."""
    rows = pl.DataFrame(  # noqa: F841  (DuckDB finds it by its name)
        {
            "table_name": [table.name] * len(days),
            "day": list(days),
            "generation": [basis.generation] * len(days),
            "version": [basis.version_of(day) for day in days],
        },
        schema={
            "table_name": pl.String,
            "day": pl.Date,
            "generation": pl.Int64,
            "version": pl.String,
        },
    ).to_arrow()
    connection.execute(
        f"delete from {COMPUTED} where table_name = ? and day in (select day from rows)",
        [table.name],
    )
    connection.execute(f"insert into {COMPUTED} by name select * from rows")


def hold_back(
    connection: duckdb.DuckDBPyConnection, table: Table, days: Sequence[date], check: str
) -> None:
    """Note that a blocking check does not let some partitions through: they are to be done anew."""
    connection.execute(
        f"update {COMPUTED} set version = ? where table_name = ? and list_contains(?, day)",
        [f"{BLOCKED}{check}", table.name, list(days)],
    )


def let_through(connection: duckdb.DuckDBPyConnection, table: Table, days: Sequence[date]) -> None:
    """Note that the checks of some partitions were evaluated, and none holds them back."""
    connection.execute(
        f"update {COMPUTED} set version = substr(version, {len(UNCHECKED) + 1}) "
        "where table_name = ? and list_contains(?, day) and starts_with(version, ?)",
        [table.name, list(days), UNCHECKED],
    )


def read_state(
    connection: duckdb.DuckDBPyConnection,
    tables: Iterable[str] = (),
    days: DayRange | None = None,
) -> State:
    """What is known of the partitions of these tables, or of all; of these days, or of all."""
    chosen, parameters = "true", dict[str, object]()
    if names := list(tables):
        chosen, parameters = "list_contains($names, table_name)", {"names": names}
    first, last, is_within = "first_day", "last_day", ("true", "true")
    if days is not None:
        parameters |= {"first": days.first, "last": days.last}
        first, last = "greatest(first_day, $first)", "least(last_day, $last)"
        is_within = ("first_day <= $last and last_day >= $first", "day between $first and $last")
    changed: dict[str, dict[date, int]] = {}
    for name, day, generation in connection.execute(
        "select table_name, day::date, max(generation) from (select table_name, generation, "
        f"unnest(generate_series({first}, {last}, interval 1 day)) as day "
        f"from {COMMITS} where {chosen} and {is_within[0]}) group by all",
        parameters,
    ).fetchall():
        changed.setdefault(name, {})[day] = generation
    computed: dict[str, dict[date, tuple[int, str]]] = {}
    for name, day, generation, version in connection.execute(
        f"select table_name, day, generation, version from {COMPUTED} "
        f"where {chosen} and {is_within[1]}",
        parameters,
    ).fetchall():
        computed.setdefault(name, {})[day] = (generation, version)
    return State(changed, computed)


def known_days(connection: duckdb.DuckDBPyConnection, days: DayRange) -> DayRange:
    """From the first to the last day of which anything was ever computed, these among them."""
    row = connection.execute(
        f"select least(min(first_day), ?::date), greatest(max(last_day), ?::date) from {COMMITS}",
        [days.first, days.last],
    ).fetchone()
    return days if row is None or row[0] is None else DayRange(*row)


def digest_of(table: Table) -> str:
    """SQL of what tells a table's rows from others, whatever their order: number, and hashes."""
    columns = ", ".join(f'"{name}"' for name in table.polars_schema)
    return f"count(*), sum(hash({columns}))"


def digest_days(
    connection: duckdb.DuckDBPyConnection, table: Table, days: DayRange | None
) -> Digests:
    """The digests of a table's rows by day, whatever their order; of all of them without days."""
    day = table.day_column if days is not None else None
    where = ""
    if day is not None and days is not None:
        where = f" where {table.within(days)}"
    found = connection.execute(
        f"select {day or 'null::date'}, {digest_of(table)} from {table}{where} group by 1"
    ).fetchall()
    return {row[0]: (row[1], row[2]) for row in found}


def merged(ranges: Iterable[DayRange], within: DayRange) -> Iterator[DayRange]:
    """The days of these ranges that lie within another, as ranges that do not touch by day."""
    last: DayRange | None = None
    for one in sorted(ranges, key=lambda one: one.first):
        if one.last < within.first or one.first > within.last:
            continue
        cut = DayRange(max(one.first, within.first), min(one.last, within.last))
        if last is not None and (cut.first - last.last).days <= 1:
            last = DayRange(last.first, max(last.last, cut.last))
            continue
        if last is not None:
            yield last
        last = cut
    if last is not None:
        yield last
