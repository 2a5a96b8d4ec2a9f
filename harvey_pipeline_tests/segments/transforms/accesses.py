"""Rows of access, versions of users and employees, and their scores, in a line each."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from typing import Any, Final

import duckdb
import polars as pl

from harvey_pipeline.segments.tables.access import USER_DAILY_ACCESS
from harvey_pipeline.segments.tables.scores import ENGAGEMENT_SCORES, EngagementScores
from harvey_pipeline.segments.transforms.scores import score_users
from harvey_pipeline.segments.transforms.window_sums import WindowSums
from harvey_pipeline.segments.window_queries import queries_of_window

Rows = list[dict[str, Any]]

DAY: Final = date(2024, 6, 3)
"""A Monday."""
OPEN_END: Final = date(9999, 12, 31)

ACCESS: Final[dict[str, Any]] = {
    "date": pl.Date,
    "tenant_id": pl.String,
    "user_id": pl.String,
    "app": pl.String,
    "accesses": pl.Int64,
    "active_seconds": pl.Int64,
    "auth_successes": pl.Int64,
    "auth_failures": pl.Int64,
    "devices": pl.List(pl.String),
    "locations": pl.List(pl.String),
}
_VALIDITY: Final[dict[str, Any]] = {"effective_start_date": pl.Date, "effective_end_date": pl.Date}
USERS: Final[dict[str, Any]] = {"user_id": pl.String, "user_created_date": pl.Date} | _VALIDITY
EMPLOYEES: Final[dict[str, Any]] = {"user_id": pl.String, "tenant_id": pl.String} | _VALIDITY


def days_before(number: int, day: date = DAY) -> date:
    return day - timedelta(days=number)


def days_from(first: date, length: int) -> list[date]:
    return [first + timedelta(days=offset) for offset in range(length)]


def access(ago: int, accesses: int = 1, seconds: int = 120, **changes: Any) -> dict[str, Any]:
    """A row of `segments.user_daily_access` so many days before `DAY`."""
    row = {
        "date": days_before(ago),
        "tenant_id": "t1",
        "user_id": "u1",
        "app": "assistant",
        "accesses": accesses,
        "active_seconds": seconds,
        "auth_successes": 0,
        "auth_failures": 0,
        "devices": [],
        "locations": [],
    }
    return row | changes


def sign_in(ago: int, **changes: Any) -> dict[str, Any]:
    return access(ago, 0, 0, **({"app": "sign_in", "auth_successes": 1} | changes))


def user(
    user_id: str = "u1",
    created: date | None = date(2023, 1, 1),
    start: date = date(2023, 1, 1),
    end: date = OPEN_END,
) -> dict[str, Any]:
    return {
        "user_id": user_id,
        "user_created_date": created,
        "effective_start_date": start,
        "effective_end_date": end,
    }


def employee(
    tenant_id: str | None,
    user_id: str = "u1",
    start: date = date(2023, 1, 1),
    end: date = OPEN_END,
) -> dict[str, Any]:
    return {
        "user_id": user_id,
        "tenant_id": tenant_id,
        "effective_start_date": start,
        "effective_end_date": end,
    }


def scores(
    accesses: Sequence[Mapping[str, Any]],
    users: Sequence[Mapping[str, Any]] = (),
    employees: Sequence[Mapping[str, Any]] = (),
    *,
    covered: Collection[date] | None = None,
    days: Sequence[date] = (DAY,),
) -> Rows:
    """The table for the days, checked against its schema, ordered by date and user.

    Of the last day, what the warehouse's sums say too is asserted to be the same.
    """
    if covered is None:
        covered = [days_before(ago, days[-1]) for ago in range(400)]
    given = (
        pl.LazyFrame(accesses, schema=ACCESS),
        pl.LazyFrame(users, schema=USERS),
        pl.LazyFrame(employees, schema=EMPLOYEES),
        covered,
    )
    rows = _rows_of(score_users(*given, days))
    if days:
        by_sums = score_users(*given, days[-1:], sums_of(given[0]))
        assert _rows_of(by_sums) == [row for row in rows if row["date"] == days[-1]]
    return rows


def _rows_of(frames: Iterable[pl.LazyFrame]) -> Rows:
    blocks = [frame.collect() for frame in frames]
    rows = pl.concat([ENGAGEMENT_SCORES.empty().collect(), *blocks])
    assert dict(rows.schema) == ENGAGEMENT_SCORES.polars_schema
    assert rows["date"].is_sorted()
    EngagementScores.validate(rows)
    return rows.sort("date", "user_id").rows(named=True)


def sums_of(access: pl.LazyFrame) -> Callable[[date], WindowSums]:
    """What a warehouse that holds these rows answers."""
    rows = access.collect().to_arrow()

    def sum_day(day: date) -> WindowSums:
        connection = _warehouse()
        connection.register("rows", rows)
        frames = {name: connection.sql(one).pl() for name, one in queries_of_window(day).items()}
        return WindowSums(**frames)

    return sum_day


@cache
def _warehouse() -> duckdb.DuckDBPyConnection:
    """A database whose access is what is registered as `rows`."""
    connection = duckdb.connect(config={"threads": 1})
    connection.register("rows", pl.DataFrame(schema=ACCESS).to_arrow())
    connection.execute(f"create schema {USER_DAILY_ACCESS.schema_name}")
    connection.execute(f"create view {USER_DAILY_ACCESS} as select * from rows")
    return connection


def score_of(rows: Rows, user_id: str = "u1", day: date = DAY) -> dict[str, Any]:
    (row,) = [row for row in rows if (row["user_id"], row["date"]) == (user_id, day)]
    return row
