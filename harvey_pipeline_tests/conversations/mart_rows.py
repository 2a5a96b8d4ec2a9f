"""Rows of the tables that the marts are made of."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

import duckdb
import polars as pl
import polars.selectors as cs

from harvey_pipeline.conversations.tables.marts import (
    FAILURE_POINTS,
    PMF_SIGNALS,
    RETENTION,
    USE_CASES,
)
from harvey_pipeline.conversations.tables.sums import (
    CONVERSATION_DAILY,
    DIM_ACCOUNT,
    TOOL_DAILY,
    USER_DAILY,
)
from harvey_pipeline.conversations.tables.users import CREDIT_EXHAUSTION, FIRST_STEPS
from harvey_pipeline.conversations.transforms.window_conversations import (
    tell_window_conversations,
)
from harvey_pipeline.warehouse.table import Table

Row = dict[str, Any]

DAY = date(2024, 6, 20)


def before(days: int, day: date = DAY) -> date:
    """So many days before a day; after it where they are negative."""
    return day - timedelta(days=days)


def days_to(length: int, last: date = DAY) -> list[date]:
    """So many consecutive days, the last of them given."""
    return [before(ago, last) for ago in range(length - 1, -1, -1)]


def frame(table: Table, rows: Iterable[Row], usual: Row | None = None) -> pl.LazyFrame:
    """Rows of a table over what is usual; counts that are not named are 0, all else null."""
    zeros: Row = {
        name: 0
        for name, dtype in table.polars_schema.items()
        if dtype == pl.Int64 and not table.schema.columns()[name].nullable
    }
    return pl.LazyFrame(
        [zeros | (usual or {}) | row for row in rows], schema=table.polars_schema, orient="row"
    )


def tool_rows(*rows: Row) -> pl.LazyFrame:
    """Rows of tool_daily: by default one call of `search` by `u` that says nothing of success."""
    usual: Row = {"date": DAY, "user_id": "u", "tool_name": "search", "error_type": "", "calls": 1}
    return frame(TOOL_DAILY, rows, usual)


def user_rows(*rows: Row) -> pl.LazyFrame:
    """Rows of user_daily: by default of `u` with one session."""
    usual: Row = {"date": DAY, "user_id": "u", "conversations": 1, "events": 1, "sessions": 1}
    return frame(USER_DAILY, rows, usual)


def conversation_rows(*rows: Row) -> pl.LazyFrame:
    """Rows of conversation_daily: by default of `c` and `u`, with one event at noon."""
    usual: Row = {
        "conversation_id": "c",
        "user_id": "u",
        "events": 1,
        "use_case_messages": "{}",
        "tools_used": "{}",
        "feature_requests": [],
    }
    whole = []
    for row in rows:
        day = row.get("date", DAY)
        noon = datetime.combine(day, time(12))
        moments: Row = {"date": day, "first_event_at": noon, "last_event_at": noon}
        for name, count in (
            ("last_message_at", "messages"),
            ("last_success_at", "successful_calls"),
            ("last_failure_at", "failures"),
            ("last_refusal_at", "refusals"),
        ):
            moments[name] = noon if row.get(count) else None
        moments["last_error_type"] = "timeout" if row.get("failures") else None
        whole.append(moments | row)
    return frame(CONVERSATION_DAILY, whole, usual)


def talks_of(
    conversations: pl.LazyFrame | None, use_cases: Sequence[str], days: Sequence[date]
) -> pl.LazyFrame:
    """window_conversations of some days, of rows of conversation_daily; without any, none."""
    rows = conversation_rows() if conversations is None else conversations
    return pl.concat(tell_window_conversations(rows, use_cases, days))


def steps(*rows: Row) -> pl.LazyFrame:
    """Rows of first_steps: by default `u` who signed up on the day and has done nothing."""
    return frame(FIRST_STEPS, rows, {"user_id": "u", "signed_up_date": DAY})


def accounts(*rows: Row) -> pl.LazyFrame:
    """Rows of dim_account: by default of `u`, since long ago, with a limit of 100."""
    usual: Row = {
        "user_id": "u",
        "credit_limit": 100,
        "effective_start_date": date(2020, 1, 1),
        "effective_end_date": date(9999, 12, 31),
        "is_current": True,
    }
    return frame(DIM_ACCOUNT, rows, usual)


def exhaustions(*rows: Row) -> pl.LazyFrame:
    """Rows of credit_exhaustion: by default `u` is exhausted on the day."""
    usual: Row = {"date": DAY, "user_id": "u", "is_exhausted": True, "is_limit_reached": True}
    return frame(CREDIT_EXHAUSTION, rows, usual)


def points(*rows: Row) -> pl.LazyFrame:
    """Rows of failure_points: by default one that is repeated."""
    usual: Row = {"date": DAY, "tool_name": "search", "error_type": "timeout", "is_repeated": True}
    return frame(FAILURE_POINTS, rows, usual)


def cells(*rows: Row) -> pl.LazyFrame:
    """Rows of retention."""
    return frame(RETENTION, rows, {"date": DAY, "period": "day_7"})


def cases(*rows: Row) -> pl.LazyFrame:
    """Rows of use_cases."""
    return frame(USE_CASES, rows, {"date": DAY, "use_case": "drafting", "conversations": 1})


def signals(*rows: Row) -> pl.LazyFrame:
    """Rows of pmf_signals: by default one that is met and reliable."""
    usual: Row = {
        "date": DAY,
        "signal": "error_rate",
        "kind": "weak",
        "denominator": 20,
        "threshold": 0.0,
        "is_met": True,
        "is_reliable": True,
    }
    return frame(PMF_SIGNALS, rows, usual)


def rows_of(plans: Iterable[pl.LazyFrame], table: Table) -> list[Row]:
    """What plans give, as valid rows of a table, by its key."""
    found = pl.concat([table.empty().collect(), *(plan.collect() for plan in plans)])
    return table.schema.validate(found).sort(table.key).rows(named=True)


def figures(row: Mapping[str, Any], *names: str) -> list[Any]:
    return [row[name] for name in names]


def database(tables: Mapping[Table, pl.LazyFrame]) -> duckdb.DuckDBPyConnection:
    """A database in memory with some tables, labels as text."""
    connection = duckdb.connect()
    connection.execute("create schema conversations")
    for table, rows in tables.items():
        held = rows.select(list(table.polars_schema)).with_columns(cs.enum().cast(pl.String))
        connection.register("held", held.collect().to_arrow())
        connection.execute(f"create table {table} as select * from held")
        connection.unregister("held")
    return connection


def per_user(row: Row, users: Sequence[str]) -> list[Row]:
    """The same row of several users."""
    return [row | {"user_id": user} for user in users]
