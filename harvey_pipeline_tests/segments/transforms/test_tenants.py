"""Tenants by day: means, percentiles and histogram of hand-worked scores."""

from collections.abc import Sequence
from datetime import date, timedelta
from statistics import fmean
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvey_pipeline.segments.tables.scores import TENANT_ENGAGEMENT, TenantEngagement
from harvey_pipeline.segments.transforms.tenants import describe_tenants

DAY = date(2024, 6, 3)
NEXT = DAY + timedelta(days=1)

Rows = list[dict[str, Any]]


def score(engagement_score: float = 0.5, accesses: int = 10, **changes: Any) -> dict[str, Any]:
    row = {
        "date": DAY,
        "tenant_id": "t1",
        "total_accesses": accesses,
        "unique_apps": 2,
        "active_seconds": 1200,
        "active_days": 4,
        "engagement_score": engagement_score,
        "score_30d": 0.25,
    }
    return row | changes


def idle(**changes: Any) -> dict[str, Any]:
    return score(0.0, 0, **({"unique_apps": 0, "active_seconds": 0, "active_days": 0} | changes))


def tenants(rows: Sequence[dict[str, Any]], days: Sequence[date] = (DAY,)) -> Rows:
    """The table for the days, checked against its schema."""
    scores = pl.LazyFrame(
        rows,
        schema={
            "date": pl.Date,
            "tenant_id": pl.String,
            "total_accesses": pl.Int64,
            "unique_apps": pl.Int64,
            "active_seconds": pl.Int64,
            "active_days": pl.Int64,
            "engagement_score": pl.Float64,
            "score_30d": pl.Float64,
        },
    )
    blocks = [frame.collect() for frame in describe_tenants(scores, days)]
    found = pl.concat([TENANT_ENGAGEMENT.empty().collect(), *blocks])
    assert dict(found.schema) == TENANT_ENGAGEMENT.polars_schema
    TenantEngagement.validate(found)
    return found.rows(named=True)


def test_every_figure_by_hand() -> None:
    rows = [
        score(0.1, 1, score_30d=0.2),
        score(0.2, 2, unique_apps=1, active_seconds=60, active_days=1),
        score(0.7, 3, unique_apps=6, active_seconds=300, active_days=1, score_30d=0.9),
        idle(score_30d=0.0),
    ]
    assert tenants(rows) == [
        {
            "date": DAY,
            "tenant_id": "t1",
            "users": 4,
            "active_users": 3,
            "mean_score": pytest.approx(1 / 3, abs=1e-15),
            "mean_score_30d": 0.45,
            "mean_accesses": 2.0,
            "mean_unique_apps": 3.0,
            # 1,560 seconds on 6 days.
            "mean_session_minutes": 1560 / 360,
            # Half way between the first and the second, the second, half way to the third.
            "score_p25": 0.15,
            "score_p50": 0.2,
            "score_p75": 0.45,
            "score_histogram": [0, 1, 1, 0, 0, 0, 0, 1, 0, 0],
        }
    ]


def test_without_active_users() -> None:
    (row,) = tenants([idle(), idle()])
    assert (row["users"], row["active_users"]) == (2, 0)
    assert row["score_histogram"] == [0] * 10
    figures = set(row) - {"date", "tenant_id", "users", "active_users", "score_histogram"}
    assert {row[name] for name in figures} == {None}


def test_a_single_user() -> None:
    (row,) = tenants([score(0.123457)])
    assert [row[name] for name in ("score_p25", "score_p50", "score_p75")] == [0.123457] * 3
    assert row["mean_score"] == 0.123457


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (0.0, 0),
        (0.099999, 0),
        (0.1, 1),
        (0.3, 3),
        (0.6, 6),
        (0.699999, 6),
        (0.7, 7),
        (0.899999, 8),
        (0.9, 9),
        (1.0, 9),
    ],
)
def test_bins_of_the_histogram(value: float, place: int) -> None:
    (row,) = tenants([score(value)])
    assert row["score_histogram"] == [int(one == place) for one in range(10)]


def test_quartiles_between_four_users() -> None:
    (row,) = tenants([score(one) for one in (0.4, 0.1, 0.2, 0.3)])
    # Places 0.75, 1.5 and 2.25 of 0 to 3.
    assert [row[name] for name in ("score_p25", "score_p50", "score_p75")] == [0.175, 0.25, 0.325]


def test_one_row_for_each_tenant_and_day() -> None:
    rows = [
        score(tenant_id="b"),
        score(date=NEXT),
        score(tenant_id="a", date=NEXT),
        idle(tenant_id="c", date=NEXT + timedelta(days=8)),
        score(date=DAY - timedelta(days=1)),
    ]
    found = tenants(rows, [DAY + timedelta(days=ahead) for ahead in range(10)])
    keys = [(row["date"], row["tenant_id"]) for row in found]
    assert keys == [(DAY, "b"), (NEXT, "a"), (NEXT, "t1"), (NEXT + timedelta(days=8), "c")]


def test_no_scores_no_tenants() -> None:
    assert tenants([]) == []
    assert tenants([], []) == []


@settings(max_examples=30, deadline=None)
@given(millionths=st.lists(st.integers(0, 1_000_000), min_size=1, max_size=30))
def test_does_not_depend_on_the_order_of_users(millionths: list[int]) -> None:
    values = [one / 1_000_000 for one in millionths]
    (row,) = tenants([score(one) for one in values])
    assert tenants([score(one) for one in reversed(values)]) == [row]
    assert row["mean_score"] == pytest.approx(fmean(values), abs=1e-12)
    assert sum(row["score_histogram"]) == len(values)
