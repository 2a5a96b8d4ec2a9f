"""Rows that the judges of segments read, a line each, and what they say of them."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any, Final

import polars as pl

from harvey_pipeline.segments.tables.labels import CHURN_RISKS, GROUPS, LABELS, SEGMENTS
from harvey_pipeline.warehouse.table import Table

Row = dict[str, Any]
Schema = dict[str, pl.DataType | type[pl.DataType]]

SEGMENTS_SCHEMA: Final[Schema] = {
    "date": pl.Date,
    "user_id": pl.String,
    "tenant_id": pl.String,
    "segment": pl.Enum(SEGMENTS),
    "percentile": pl.Float64,
    "engagement_score": pl.Float64,
    "churn_risk": pl.Enum(CHURN_RISKS),
}
ACCESSES_SCHEMA: Final[Schema] = {
    "date": pl.Date,
    "tenant_id": pl.String,
    "user_id": pl.String,
    "app": pl.String,
    "accesses": pl.Int64,
}
LABELS_SCHEMA: Final[Schema] = {
    "date": pl.Date,
    "user_id": pl.String,
    "labelled_by": pl.String,
    "label": pl.Enum(LABELS),
}
STARTS_SCHEMA: Final[Schema] = {
    "date": pl.Date,
    "user_id": pl.String,
    "kind": pl.String,
    "group": pl.Enum(GROUPS),
    "satisfaction": pl.Float64,
    "reported_hours_saved": pl.Float64,
}
SCORES_SCHEMA: Final[Schema] = {"date": pl.Date, "user_id": pl.String, "active_days": pl.Int64}


def segments(rows: Iterable[Row]) -> pl.LazyFrame:
    """Rows of `segments.user_segments`: of a regular user of tenant `t`, where nothing is said."""
    usual = {
        "tenant_id": "t",
        "segment": "regular",
        "percentile": 50.0,
        "engagement_score": 0.5,
        "churn_risk": "very_low",
    }
    return pl.LazyFrame([usual | row for row in rows], schema=SEGMENTS_SCHEMA)


def accesses(rows: Iterable[Row]) -> pl.LazyFrame:
    """Rows of `segments.user_daily_access`: one access, where nothing is said."""
    usual = {"tenant_id": "t", "app": "vault", "accesses": 1}
    return pl.LazyFrame([usual | row for row in rows], schema=ACCESSES_SCHEMA)


def labels(rows: Iterable[Row]) -> pl.LazyFrame:
    return pl.LazyFrame([{"labelled_by": ""} | row for row in rows], schema=LABELS_SCHEMA)


def starts(rows: Iterable[Row]) -> pl.LazyFrame:
    return pl.LazyFrame(list(rows), schema=STARTS_SCHEMA)


def scores(rows: Iterable[Row]) -> pl.LazyFrame:
    return pl.LazyFrame(list(rows), schema=SCORES_SCHEMA)


def days_from(first: date, count: int) -> list[date]:
    return [first + timedelta(days=offset) for offset in range(count)]


def rows_of(table: Table, frames: Iterable[pl.LazyFrame]) -> list[Row]:
    """The rows of some frames, which hold what the table's schema asks for."""
    found = pl.concat([table.empty(), *frames]).collect()
    assert dict(found.schema) == table.polars_schema
    table.schema.validate(found)
    return found.to_dicts()


def by_key(table: Table, frames: Iterable[pl.LazyFrame]) -> dict[Any, Row]:
    """The rows by what their key says beyond the day."""
    key = [name for name in table.key if name != table.day_column]
    found = rows_of(table, frames)
    named = {tuple(row[name] for name in key): row for row in found}
    assert len(named) == len(found)
    return {one if len(key) > 1 else one[0]: row for one, row in named.items()}
