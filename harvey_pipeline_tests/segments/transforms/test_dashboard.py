"""The dashboard: what is counted of each tenant and of all, and compared with four weeks before."""

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from harvey_pipeline.segments.tables.outcomes import ROI_SUMMARY, SEGMENTATION_DASHBOARD
from harvey_pipeline.segments.transforms.dashboard import days_compared, show_segmentation
from harvey_pipeline_tests.segments.outcome_rows import (
    MONDAY,
    Row,
    before,
    frame,
    rows_of,
    segments,
    tenants,
)


def returns(*rows: Row) -> pl.LazyFrame:
    usual: Row = {
        "date": MONDAY,
        "tenant_id": "t",
        "reclaimable_usd_year": 0.0,
        "total_usd_year": 0.0,
        "net_usd_year": 0.0,
    }
    return frame(ROI_SUMMARY, (usual | row for row in rows))


def shown(
    users: pl.LazyFrame,
    engagement: pl.LazyFrame | None = None,
    amounts: pl.LazyFrame | None = None,
    days: Any = (MONDAY,),
) -> dict[tuple[date, str], Row]:
    engagement = tenants() if engagement is None else engagement
    amounts = returns() if amounts is None else amounts
    rows = rows_of(show_segmentation(users, engagement, amounts, days), SEGMENTATION_DASHBOARD)
    return {(row["date"], row["tenant_id"]): row for row in rows}


def figures(row: Row, *names: str) -> list[Any]:
    return [row[name] for name in names]


def test_a_tenant_in_full() -> None:
    users = segments(
        {
            "user_id": "a",
            "segment": "power",
            "churn_risk": "very_low",
            "previous_segment": "regular",
            "is_changed": True,
            "confidence": 0.9,
        },
        {
            "user_id": "b",
            "churn_risk": "low",
            "is_churn_suppressed": True,
            "previous_segment": "regular",
            "confidence": 0.3,
            "needs_review": True,
        },
        {
            "user_id": "c",
            "segment": "casual",
            "churn_risk": "medium",
            "is_dormant": True,
            "sub_segment": "Dormant",
            "previous_segment": "casual",
            "confidence": 0.6,
        },
        {"user_id": "d", "segment": "casual", "churn_risk": "high", "confidence": 0.5},
        {
            "user_id": "e",
            "segment": "casual",
            "percentile": None,
            "is_dormant": True,
            "sub_segment": "Sign-in Only",
            "confidence": 0.7,
        },
        {"user_id": "f", "sub_segment": "New", "churn_risk": "high", "confidence": 0.9},
        {"user_id": "g", "segment": "casual", "churn_risk": "high", "confidence": 0.4},
        {"user_id": "h", "segment": "power", "churn_risk": "low", "confidence": 0.5},
    )
    engagement = tenants(
        {"mean_score": 0.6, "active_users": 7},
        {"mean_score": 0.5, "date": before(28)},
        {"mean_score": 0.75, "date": before(364)},
    )
    amounts = returns(
        {"reclaimable_usd_year": 100.25, "total_usd_year": 300.5, "net_usd_year": -20.75}
    )
    expected = {
        "date": MONDAY,
        "users": 8,
        "active_users": 7,
        "power_users": 2,
        "regular_users": 2,
        "casual_users": 4,
        "power_percent": 25.0,
        "regular_percent": 25.0,
        "casual_percent": 50.0,
        "dormant_users": 2,
        "sign_in_only_users": 1,
        "new_users": 1,
        "churn_high": 3,
        "churn_medium": 1,
        "churn_low": 2,
        "churn_very_low": 1,
        "churn_suppressed": 1,
        "changed_users": 1,
        "changed_percent": pytest.approx(100 / 3),
        "power_to_casual_28d": 0,
        "moved_up_28d": 0,
        "moved_down_28d": 0,
        "casual_percent_change_28d": None,
        "needs_review_users": 1,
        # 4.8 / 8
        "mean_confidence": 0.6,
        "mean_score": 0.6,
        # 0.1 of 0.5, and -0.15 of 0.75
        "mean_score_change_28d_percent": pytest.approx(20.0),
        "mean_score_change_364d_percent": pytest.approx(-20.0),
        "is_held_back": False,
        "reclaimable_usd_year": 100.25,
        "total_usd_year": 300.5,
        "net_usd_year": -20.75,
    }
    rows = shown(users, engagement, amounts)
    assert rows == {(MONDAY, tenant): {"tenant_id": tenant, **expected} for tenant in ("t", "all")}


def test_all_is_all_tenants_together() -> None:
    """Means are those of users: (1 x 0.9 + 3 x 0.5) / 4 = 0.6, before (1 x 0.8 + 1 x 0.4) / 2."""
    users = segments(
        {"user_id": "a", "segment": "power", "previous_segment": "power"},
        {"user_id": "b", "tenant_id": "s", "previous_segment": "casual", "is_changed": True},
        {"user_id": "c", "tenant_id": "s", "is_held_back": True, "confidence": 0.15},
        {"user_id": "d", "tenant_id": "s", "segment": "casual"},
    )
    engagement = tenants(
        {"mean_score": 0.9},
        {"mean_score": 0.5, "active_users": 3, "tenant_id": "s"},
        {"mean_score": 0.8, "date": before(28)},
        {"mean_score": 0.4, "date": before(28), "tenant_id": "gone"},
        {"mean_score": None, "active_users": 0, "tenant_id": "idle"},
    )
    amounts = returns({"total_usd_year": 0.1}, {"total_usd_year": 0.2, "tenant_id": "s"})
    rows = shown(users, engagement, amounts)
    assert list(rows) == [(MONDAY, "all"), (MONDAY, "s"), (MONDAY, "t")]
    everyone, of_s = rows[MONDAY, "all"], rows[MONDAY, "s"]
    assert figures(everyone, "users", "power_users", "regular_users", "casual_users") == [
        4,
        1,
        2,
        1,
    ]
    assert figures(everyone, "changed_users", "changed_percent", "is_held_back") == [1, 50.0, True]
    assert figures(everyone, "mean_score", "total_usd_year") == [0.6, 0.3]
    assert everyone["mean_score_change_28d_percent"] == pytest.approx(0.0)
    # (3 x 0.75 + 0.15) / 4, and (2 x 0.75 + 0.15) / 3
    assert everyone["mean_confidence"] == 0.6
    assert of_s["mean_confidence"] == 0.55
    assert of_s["mean_score_change_28d_percent"] is None
    assert not rows[MONDAY, "t"]["is_held_back"]


def test_the_mean_confidence_is_of_billionths() -> None:
    """0.000129 x 10^9 is a little less than 129,000 as a double."""
    row = shown(segments({"confidence": 0.000129}))[MONDAY, "t"]
    assert row["mean_confidence"] == 0.000129


def moving(*pairs: tuple[str | None, str | None], back: int = 28) -> pl.LazyFrame:
    """Users with a segment so many days before, and with one on the Monday."""
    rows = []
    for place, segments_of_user in enumerate(pairs):
        for day, one in zip((before(back), MONDAY), segments_of_user, strict=True):
            if one is not None:
                rows.append({"user_id": f"u{place}", "date": day, "segment": one})
    return segments(*rows)


MOVED = ("power_to_casual_28d", "moved_up_28d", "moved_down_28d")


@pytest.mark.parametrize(
    ("pair", "moved"),
    [
        (("power", "casual"), [1, 0, 1]),
        (("power", "regular"), [0, 0, 1]),
        (("regular", "casual"), [0, 0, 1]),
        (("casual", "regular"), [0, 1, 0]),
        (("casual", "power"), [0, 1, 0]),
        (("regular", "power"), [0, 1, 0]),
        (("power", "power"), [0, 0, 0]),
        ((None, "power"), [0, 0, 0]),
    ],
)
def test_moves_in_28_days(pair: tuple[str | None, str | None], moved: list[int]) -> None:
    rows = shown(moving(pair))
    assert figures(rows[MONDAY, "t"], *MOVED) == moved
    assert figures(rows[MONDAY, "all"], *MOVED) == moved


@pytest.mark.parametrize("back", [21, 27, 29, 35])
def test_no_other_day_is_compared_with(back: int) -> None:
    row = shown(moving(("power", "casual"), back=back))[MONDAY, "t"]
    assert figures(row, *MOVED) == [0, 0, 0]
    assert row["casual_percent_change_28d"] is None


def test_casual_users_in_percentage_points() -> None:
    """A quarter of four before, two thirds of three now."""
    users = moving(
        ("casual", "casual"), ("power", "casual"), ("power", None), ("regular", "regular")
    )
    change = shown(users)[MONDAY, "t"]["casual_percent_change_28d"]
    assert change == pytest.approx(200 / 3 - 25)


def test_a_user_counts_in_the_tenant_of_the_day() -> None:
    users = segments(
        {"segment": "casual"},
        {"segment": "power", "date": before(28), "tenant_id": "s"},
    )
    rows = shown(users)
    assert list(rows) == [(MONDAY, "all"), (MONDAY, "t")]
    row = rows[MONDAY, "t"]
    assert figures(row, *MOVED, "casual_percent_change_28d") == [1, 0, 1, None]
    assert rows[MONDAY, "all"]["casual_percent_change_28d"] == 100.0


@pytest.mark.parametrize(("base", "change"), [(0.5, 20.0), (0.0, None), (None, None), (1.0, -40.0)])
@pytest.mark.parametrize("back", [28, 364])
def test_changes_of_the_mean_score(base: float | None, change: float | None, back: int) -> None:
    engagement = tenants({"mean_score": 0.6}, {"mean_score": base, "date": before(back)})
    row = shown(segments({}), engagement)[MONDAY, "t"]
    name = f"mean_score_change_{back}d_percent"
    assert row[name] == (None if change is None else pytest.approx(change))
    other = f"mean_score_change_{392 - back}d_percent"
    assert row[other] is None


def test_a_tenant_without_active_users_or_return() -> None:
    users = segments({"percentile": None, "segment": "casual", "is_dormant": True})
    row = shown(users, tenants({"active_users": 0}))[MONDAY, "t"]
    assert figures(row, "active_users", "mean_score", "net_usd_year") == [0, None, 0.0]
    assert figures(row, "changed_percent", "churn_high") == [None, 0]


def test_a_tenant_called_all_is_in_the_row_of_all_and_nowhere_else() -> None:
    users = segments({}, {"user_id": "v", "tenant_id": "all", "segment": "power"})
    engagement = tenants({"mean_score": 0.2}, {"mean_score": 0.4, "tenant_id": "all"})
    amounts = returns({"net_usd_year": 1.0}, {"net_usd_year": 2.0, "tenant_id": "all"})
    rows = shown(users, engagement, amounts)
    assert list(rows) == [(MONDAY, "all"), (MONDAY, "t")]
    everyone = rows[MONDAY, "all"]
    assert figures(everyone, "users", "power_users", "net_usd_year") == [2, 1, 3.0]
    assert everyone["mean_score"] == pytest.approx(0.3)


def test_many_mondays_at_once_are_what_each_gives_alone() -> None:
    words = ("casual", "regular", "power")
    mondays = [MONDAY + timedelta(days=7 * week) for week in range(-4, 10)]
    users = segments(
        *(
            {"date": day, "user_id": f"u{user}", "segment": words[(user * week + week) % 3]}
            for week, day in enumerate(mondays)
            for user in range(4)
        )
    )
    engagement = tenants(
        *({"date": day, "mean_score": 0.1 + 0.01 * week} for week, day in enumerate(mondays))
    )
    days = [MONDAY + timedelta(days=number) for number in range(70)]
    alone = [shown(users, engagement, days=[day]) for day in mondays[4:]]
    together = shown(users, engagement, days=days)
    assert together == {key: row for rows in alone for key, row in rows.items()}
    assert len(together) == 20
    assert sum(row["moved_up_28d"] for row in together.values()) > 0


def test_other_days_and_nobody() -> None:
    days = [MONDAY + timedelta(days=number) for number in range(1, 7)]
    assert shown(segments({}), days=days) == {}
    assert shown(segments()) == {}


def test_the_days_that_a_row_rests_on() -> None:
    assert days_compared(MONDAY, 28, 364) == [MONDAY, before(28), before(364)]
    assert days_compared(MONDAY + timedelta(days=1), 28) == []
