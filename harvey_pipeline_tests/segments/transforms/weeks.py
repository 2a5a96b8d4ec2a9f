"""Scores, tenants and labels of Mondays as the segments are made of them, in a line each."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

import polars as pl

from harvey_pipeline.segments.tables.labels import LABELS, TRENDS
from harvey_pipeline.segments.tables.segments import USER_SEGMENTS
from harvey_pipeline.segments.transforms.holidays import Holiday
from harvey_pipeline.segments.transforms.segments import segment_users

Row = dict[str, Any]

MONDAY: Final = date(2024, 10, 7)
"""No holiday, and a year and more after the calendar's first day."""
WEEK: Final = timedelta(days=7)
FIRST_DAY: Final = date(2022, 1, 1)
YEARS_END: Final = ((12, 20), (1, 6))

_SCORES: Final[Mapping[str, Any]] = {
    "date": pl.Date,
    "user_id": pl.String,
    "tenant_id": pl.String,
    "days_known": pl.Int64,
    "total_accesses": pl.Int64,
    "accesses_30d": pl.Int64,
    "active_days": pl.Int64,
    "active_weeks": pl.Int64,
    "unique_apps": pl.Int64,
    "earnest_apps": pl.Int64,
    "active_seconds": pl.Int64,
    "avg_session_minutes": pl.Float64,
    "last_access_days_ago": pl.Int64,
    "top_app_accesses": pl.Int64,
    "busiest_day_accesses": pl.Int64,
    "auth_successes": pl.Int64,
    "auth_failures": pl.Int64,
    "observed_days": pl.Int64,
    "consistency_score": pl.Float64,
    "engagement_score": pl.Float64,
    "score_30d": pl.Float64,
    "score_30_60d": pl.Float64,
    "score_60_90d": pl.Float64,
    "tenant_active_users": pl.Int64,
    "percentile": pl.Float64,
    "trend": pl.Enum(TRENDS),
}

_TENANTS: Final[Mapping[str, Any]] = {
    "date": pl.Date,
    "tenant_id": pl.String,
    "active_users": pl.Int64,
    "mean_score": pl.Float64,
    "mean_score_30d": pl.Float64,
    "mean_accesses": pl.Float64,
    "mean_unique_apps": pl.Float64,
    "mean_session_minutes": pl.Float64,
}

_LABELS: Final[Mapping[str, Any]] = {
    "date": pl.Date,
    "user_id": pl.String,
    "labelled_by": pl.String,
    "label": pl.Enum(LABELS),
}

_USUAL: Final[Row] = {
    "date": MONDAY,
    "user_id": "u1",
    "tenant_id": "t1",
    "days_known": 400,
    "total_accesses": 90,
    "accesses_30d": 30,
    "active_days": 30,
    "active_weeks": 12,
    "unique_apps": 3,
    "earnest_apps": 2,
    "active_seconds": 36_000,
    "avg_session_minutes": 20.0,
    "last_access_days_ago": 1,
    "top_app_accesses": 40,
    "busiest_day_accesses": 10,
    "auth_successes": 0,
    "auth_failures": 0,
    "observed_days": 90,
    "consistency_score": 0.6,
    "engagement_score": 0.45,
    "score_30d": 0.45,
    "score_30_60d": 0.45,
    "score_60_90d": 0.45,
    "tenant_active_users": 10,
    "percentile": 50.0,
    "trend": "stable",
}

_SILENT: Final[Row] = {
    "total_accesses": 0,
    "accesses_30d": 0,
    "active_days": 0,
    "active_weeks": 0,
    "unique_apps": 0,
    "earnest_apps": 0,
    "active_seconds": 0,
    "avg_session_minutes": None,
    "last_access_days_ago": None,
    "top_app_accesses": 0,
    "busiest_day_accesses": 0,
    "consistency_score": 0.0,
    "engagement_score": 0.0,
    "score_30d": 0.0,
    "score_30_60d": 0.0,
    "score_60_90d": 0.0,
    "percentile": None,
}


def score(**changes: Any) -> Row:
    """A regular user's row of scores on MONDAY, in a tenant of ten, but for some columns."""
    return _USUAL | changes


def power(**changes: Any) -> Row:
    """A row that says power by itself, far from its bounds."""
    return score(engagement_score=0.9, percentile=90.0) | changes


def casual(**changes: Any) -> Row:
    """A row that says casual by itself, far from its bounds."""
    return score(engagement_score=0.1, percentile=5.0) | changes


def silent(**changes: Any) -> Row:
    """A row of a user without an access in the window."""
    return score(**_SILENT) | changes


OF_SEGMENT: Final = {"power": power, "regular": score, "casual": casual}


def weekly(segments: Sequence[str | None], **changes: Any) -> list[Row]:
    """Rows of successive Mondays, the last one MONDAY, by what each says itself; None is no row."""
    first = MONDAY - WEEK * (len(segments) - 1)
    return [
        OF_SEGMENT[segment](date=first + WEEK * week, **changes)
        for week, segment in enumerate(segments)
        if segment is not None
    ]


def tenant(**changes: Any) -> Row:
    """A tenant's row on MONDAY."""
    usual = {"date": MONDAY, "tenant_id": "t1", "active_users": 10}
    means = dict.fromkeys(("mean_score", "mean_score_30d"), 0.5)
    sizes = {"mean_accesses": 70.5, "mean_unique_apps": 2.4, "mean_session_minutes": 14.6}
    return usual | means | sizes | changes


def label(**changes: Any) -> Row:
    return {"date": MONDAY, "user_id": "u1", "labelled_by": "m1", "label": "power"} | changes


def score_frame(rows: Sequence[Row]) -> pl.LazyFrame:
    return pl.LazyFrame(list(rows), schema=dict(_SCORES))


def tenant_frame(rows: Sequence[Row]) -> pl.LazyFrame:
    return pl.LazyFrame(list(rows), schema=dict(_TENANTS))


def label_frame(rows: Sequence[Row]) -> pl.LazyFrame:
    return pl.LazyFrame(list(rows), schema=dict(_LABELS))


def segmented(
    rows: Sequence[Row],
    tenants: Sequence[Row] = (),
    labels: Sequence[Row] = (),
    days: Sequence[date] = (MONDAY,),
    first_day: date = FIRST_DAY,
    accepted: Collection[date] = (),
    holidays: Sequence[Holiday] = (YEARS_END,),
) -> list[Row]:
    """The rows of the table that some rows of scores, tenants and labels make."""
    made = segment_users(
        score_frame(rows),
        tenant_frame(tenants),
        label_frame(labels),
        days,
        first_day=first_day,
        accepted=accepted,
        holidays=holidays,
    )
    frames = [one.collect(engine="streaming") for one in made]
    assert all(dict(one.schema) == USER_SEGMENTS.polars_schema for one in frames)
    return [row for one in frames for row in one.to_dicts()]


def only(rows: Sequence[Row], tenants: Sequence[Row] = (), **given: Any) -> Row:
    """The row of MONDAY, of one user."""
    (found,) = (row for row in segmented(rows, tenants, **given) if row["date"] == MONDAY)
    return found
