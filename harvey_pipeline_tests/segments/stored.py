"""Rows of `engagement_scores` as they are stored, one by one or of a year and more of Mondays.

What segments make of seasons and mass changes would take a landing folder too long to fill.
"""

import random
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Final

from harvey_pipeline_tests.oracle.values import TableRow
from harvey_pipeline_tests.segments.oracle.scores import MILLION, ranked, tenants_table

MONDAY: Final = date(2024, 3, 4)
WEEK: Final = timedelta(weeks=1)
YEAR_AND_MORE: Final = 112
"""Mondays, more than 749 days."""

_TENANTS: Final[Mapping[str, int]] = {"large": 26, "small": 4, "middle": 9}
_EDGES: Final = (250_000, 649_999, 650_000, 650_001, 249_999, 230_000, 670_000)
"""Millionths at which rules change."""


def stored_row(day: date, user_id: str, **changes: Any) -> TableRow:
    """A regular user's row of `engagement_scores`, but for what is given."""
    row: TableRow = {
        "date": day,
        "user_id": user_id,
        "tenant_id": "t",
        "user_created_date": day - timedelta(days=400),
        "days_known": 400,
        "total_accesses": 100,
        "accesses_30d": 30,
        "active_days": 40,
        "active_weeks": 12,
        "unique_apps": 4,
        "earnest_apps": 3,
        "apps_on_offer": 6,
        "accesses_per_week": 100 * 7 / 90,
        "active_seconds": 72_000,
        "avg_session_minutes": 30.0,
        "last_access_days_ago": 1,
        "top_app": "vault",
        "top_app_accesses": 50,
        "busiest_day_accesses": 10,
        "auth_successes": 0,
        "auth_failures": 0,
        "auth_success_rate": None,
        "device_count": 0,
        "location_diversity": 0,
        "observed_days": 90,
        "frequency_score": 0.2,
        "diversity_score": 0.5,
        "recency_score": 1.0,
        "consistency_score": 0.8,
        "depth_score": 0.5,
        "engagement_score": 0.5,
        "score_30d": 0.5,
        "score_30_60d": 0.5,
        "score_60_90d": 0.5,
        "trend": "stable",
        "tenant_active_users": 10,
        "percentile": 50.0,
    }
    assert changes.keys() <= row.keys()
    return row | changes


def silent_row(day: date, user_id: str, **changes: Any) -> TableRow:
    """The row of a user without an access."""
    silence = dict.fromkeys(
        (
            "total_accesses",
            "accesses_30d",
            "active_days",
            "active_weeks",
            "unique_apps",
            "earnest_apps",
            "active_seconds",
            "top_app_accesses",
            "busiest_day_accesses",
        ),
        0,
    )
    unknown = dict.fromkeys(
        ("avg_session_minutes", "last_access_days_ago", "top_app", "percentile")
    )
    scores = {
        name: 0.0
        for name in stored_row(day, user_id)
        if "score" in name or name == "accesses_per_week"
    }
    return stored_row(day, user_id, **{**silence, **unknown, **scores, **changes})


def stored_scores(seed: int, first: date, mondays: int = YEAR_AND_MORE) -> list[TableRow]:
    """Rows of so many Mondays: seasons, shared dips, mass changes, users who come, leave, move."""
    choose = random.Random(seed)
    users = [
        (f"{tenant_id}{number}", tenant_id)
        for tenant_id, count in _TENANTS.items()
        for number in range(count)
    ]
    level = {user_id: choose.randrange(100_000, 900_000) for user_id, _ in users}
    table: list[TableRow] = []
    for week in range(mondays):
        day = first + week * WEEK
        if choose.random() < 0.01:
            continue
        # Some weeks before the end half of a tenant changes places with the other half.
        if week in (mondays - 22, mondays - 9):
            levels = list(level.values())
            choose.shuffle(levels)
            level = dict(zip(level, levels, strict=True))
        season = 0.7 if day.month in (8, 12) else 0.45 if week == mondays - 4 else 1.0
        rows = []
        for user_id, tenant_id in users:
            if choose.random() < 0.02:
                continue
            if choose.random() < 0.01:
                tenant_id = choose.choice(tuple(_TENANTS))
            level[user_id] += choose.randrange(-20_000, 20_001)
            score = min(MILLION, max(20_000, round(season * level[user_id])))
            if choose.random() < 0.08:
                score = choose.choice(_EDGES)
            rows.append(_week_of(choose, day, user_id, tenant_id, score))
        table += ranked(rows)
    return table


def stored_tenants(scores: list[TableRow]) -> list[TableRow]:
    """The rows of `tenant_engagement` that go with stored scores."""
    return tenants_table(scores)


def _week_of(
    choose: random.Random, day: date, user_id: str, tenant_id: str, score: int
) -> TableRow:
    if choose.random() < 0.05:
        return silent_row(
            day,
            user_id,
            tenant_id=tenant_id,
            auth_successes=choose.choice((0, 3)),
            days_known=choose.choice((29, 30, 89, 90, 400)),
            observed_days=choose.choice((79, 80, 90)),
            trend=None,
        )
    total = choose.choice((1, 9, 10, 100, 150, 400))
    lately = min(total, choose.choice((0, 1, 100, 125, total)))
    days = choose.choice((1, 9, 10, 40))
    seconds = days * choose.choice((299, 300, 1799, 1800, 3000))
    unique = choose.choice((1, 3, 5, 8))
    return stored_row(
        day,
        user_id,
        tenant_id=tenant_id,
        days_known=choose.choice((10, 29, 30, 89, 90, 400, 400)),
        total_accesses=total,
        accesses_30d=lately,
        active_days=days,
        active_weeks=min(12, days),
        unique_apps=unique,
        earnest_apps=choose.randrange(unique + 1),
        active_seconds=seconds,
        avg_session_minutes=seconds / (60 * days),
        last_access_days_ago=choose.choice((0, 1, 29)) if lately else choose.choice((30, 89)),
        top_app_accesses=choose.choice((total, 7 * total // 10, total // 2 + 1)),
        busiest_day_accesses=choose.choice((total, total // 2, total // 3 + 1)),
        observed_days=choose.choice((79, 80, 90, 90, 90)),
        consistency_score=choose.choice((0.4999, 0.5, 1.0)),
        engagement_score=score / MILLION,
        score_30d=choose.choice((0.0, 0.15, 0.3, 0.700001, score / MILLION)),
        score_30_60d=choose.choice((0.25, 0.299999, 0.7, 0.700001, score / MILLION)),
        score_60_90d=choose.choice((0.25, 0.3, 0.75, score / MILLION)),
        trend=choose.choice((None, "increasing", "decreasing", "stable")),
    )
