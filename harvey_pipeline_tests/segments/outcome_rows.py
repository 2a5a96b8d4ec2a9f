"""Rows of the tables that recommendations, licences, return and dashboard are made of."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import duckdb
import polars as pl
import polars.selectors as cs

from harvey_pipeline.segments.tables.access import DIM_LICENSE, USER_DAILY_ACCESS
from harvey_pipeline.segments.tables.scores import ENGAGEMENT_SCORES, TENANT_ENGAGEMENT
from harvey_pipeline.segments.tables.segments import USER_SEGMENTS
from harvey_pipeline.warehouse.table import Table

Row = dict[str, Any]

MONDAY = date(2024, 6, 3)
OPEN_END = date(9999, 12, 31)


def before(days: int, day: date = MONDAY) -> date:
    return day - timedelta(days=days)


def frame(table: Table, rows: Iterable[Row]) -> pl.LazyFrame:
    """Rows of a table; what they do not name is null."""
    return pl.LazyFrame(list(rows), schema=table.polars_schema)


def segments(*rows: Row) -> pl.LazyFrame:
    """Rows of user_segments: by default a regular user `u` of tenant `t` who is quite average."""
    usual: Row = {
        "date": MONDAY,
        "user_id": "u",
        "tenant_id": "t",
        "segment": "regular",
        "sub_segment": "Steady Regular",
        "percentile": 50.0,
        "is_changed": False,
        "is_dormant": False,
        "is_held_back": False,
        "is_churn_suppressed": False,
        "needs_review": False,
        "confidence": 0.75,
        "reasoning": "Regular user.",
    }
    return frame(USER_SEGMENTS, (usual | row for row in rows))


def scores(*rows: Row) -> pl.LazyFrame:
    """Rows of engagement_scores."""
    usual: Row = {"date": MONDAY, "user_id": "u", "tenant_id": "t"}
    return frame(ENGAGEMENT_SCORES, (usual | row for row in rows))


def tenants(*rows: Row) -> pl.LazyFrame:
    """Rows of tenant_engagement."""
    usual: Row = {"date": MONDAY, "tenant_id": "t", "active_users": 1}
    return frame(TENANT_ENGAGEMENT, (usual | row for row in rows))


def licenses(*rows: Row) -> pl.LazyFrame:
    """Rows of dim_license: by default one of 100 USD that began long ago and is open."""
    usual: Row = {
        "user_id": "u",
        "app": "crm",
        "tier": "standard",
        "annual_cost_usd": 100.0,
        "effective_start_date": before(400),
        "effective_end_date": OPEN_END,
    }
    return frame(DIM_LICENSE, (usual | row for row in rows))


def firms(*rows: Row) -> pl.LazyFrame:
    """Rows of `core.dim_firms`: by default firm `t` with 10 seats for 1,000 USD."""
    usual: Row = {
        "firm_id": "t",
        "firm_size": 10,
        "arr_usd": 1000.0,
        "effective_start_date": before(400),
        "effective_end_date": OPEN_END,
    }
    schema = {
        "firm_id": pl.String(),
        "firm_size": pl.Int32(),
        "arr_usd": pl.Float64(),
        "effective_start_date": pl.Date(),
        "effective_end_date": pl.Date(),
    }
    return pl.LazyFrame([usual | row for row in rows], schema=schema)


def accesses(*rows: Row) -> pl.LazyFrame:
    """Rows of user_daily_access: by default one access of app `crm` on the Monday."""
    usual: Row = {
        "date": MONDAY,
        "tenant_id": "t",
        "user_id": "u",
        "app": "crm",
        "accesses": 1,
    }
    return frame(USER_DAILY_ACCESS, (usual | row for row in rows))


def used(days: Sequence[int], **row: Any) -> list[Row]:
    """Accesses so many days before the Monday."""
    return [{"date": before(day), **row} for day in days]


def rows_of(plans: Iterable[pl.LazyFrame], table: Table) -> list[Row]:
    """What plans give, as rows of a table, by its key."""
    found = pl.concat([table.empty().collect(), *(plan.collect() for plan in plans)])
    return found.sort(table.key).rows(named=True)


def the_one(plans: Iterable[pl.LazyFrame], table: Table) -> Row:
    [row] = rows_of(plans, table)
    return row


def database(tables: Mapping[Table, pl.LazyFrame]) -> duckdb.DuckDBPyConnection:
    """A database in memory with some tables, labels as text."""
    connection = duckdb.connect()
    for table, rows in tables.items():
        connection.execute(f"create schema if not exists {table.schema_name}")
        held = rows.select(list(table.polars_schema)).with_columns(cs.enum().cast(pl.String))
        connection.register("held", held.collect().to_arrow())
        connection.execute(f"create table {table} as select * from held")
        connection.unregister("held")
    return connection
