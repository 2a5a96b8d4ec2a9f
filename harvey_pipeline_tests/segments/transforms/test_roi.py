"""What acting on the segments is worth."""

from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from harvey_pipeline.segments.tables.outcomes import (
    LICENSE_OPPORTUNITIES,
    RECOMMENDATIONS,
    ROI_SUMMARY,
)
from harvey_pipeline.segments.transforms.roi import summarise_return
from harvey_pipeline_tests.segments.outcome_rows import MONDAY, Row, frame, rows_of, segments


def recommendations(*rows: Row) -> pl.LazyFrame:
    usual: Row = {
        "date": MONDAY,
        "user_id": "u",
        "rule_id": "r",
        "tenant_id": "t",
        "estimated_time_savings_hours_month": 0.0,
        "implementation_cost_usd_year": 0.0,
    }
    return frame(RECOMMENDATIONS, (usual | row for row in rows))


def opportunities(*rows: Row) -> pl.LazyFrame:
    usual: Row = {"date": MONDAY, "tenant_id": "t", "app": "crm", "tier": "standard"}
    return frame(LICENSE_OPPORTUNITIES, (usual | row for row in rows))


def summarised(
    users: pl.LazyFrame,
    recommended: pl.LazyFrame | None = None,
    idle: pl.LazyFrame | None = None,
    *,
    hour: float = 50.0,
    conversion: float = 1000.0,
    days: Any = (MONDAY,),
) -> list[Row]:
    recommended = recommendations() if recommended is None else recommended
    idle = opportunities() if idle is None else idle
    plans = summarise_return(users, recommended, idle, hour, conversion, days)
    return rows_of(plans, ROI_SUMMARY)


def test_a_tenant_in_full() -> None:
    """9.5 hours x 12 x 50 = 5,700; 3 convertible users x 0.2 x 1,000 = 600."""
    users = segments(
        {"user_id": "p1", "segment": "power"},
        {"user_id": "p2", "segment": "power"},
        {"user_id": "r", "segment": "regular"},
        {"user_id": "c1", "segment": "casual", "sub_segment": "Occasional"},
        {"user_id": "c2", "segment": "casual", "sub_segment": "Fading"},
        {"user_id": "c3", "segment": "casual", "sub_segment": "At-risk Churn"},
        {"user_id": "c4", "segment": "casual", "sub_segment": "New"},
        {"user_id": "c5", "segment": "casual", "sub_segment": "Dormant", "is_dormant": True},
    )
    hours, cost = "estimated_time_savings_hours_month", "implementation_cost_usd_year"
    recommended = recommendations(
        {"user_id": "p1", "rule_id": "a", hours: 7.5, cost: 600.0},
        {"user_id": "p1", "rule_id": "b", hours: 0.0, cost: 0.5},
        {"user_id": "p2", "rule_id": "b", hours: 2.0, cost: 200.0},
        {"user_id": "r", "rule_id": "b", hours: 100.0, cost: 1.0},
        {"user_id": "c1", "rule_id": "b", hours: 100.0, cost: 25.0},
        {"user_id": "c2", "rule_id": "b", hours: 100.0, cost: 25.25},
        {"user_id": "c4", "rule_id": "b", hours: 100.0, cost: 50.0},
        {"user_id": "c5", "rule_id": "b", hours: 100.0, cost: 70.0},
    )
    idle = opportunities(
        {"reclaimable_usd": 0.1},
        {"app": "wiki", "reclaimable_usd": 0.2},
        {"app": "mail", "reclaimable_usd": None},
        {"app": "mail", "tenant_id": "other", "reclaimable_usd": 9.0},
    )
    assert summarised(users, recommended, idle) == [
        {
            "date": MONDAY,
            "tenant_id": "t",
            "power_users": 2,
            "power_hours_month": 9.5,
            "power_savings_usd_year": 5700.0,
            "power_cost_usd_year": 800.5,
            "reclaimable_usd_year": 0.3,
            "convertible_users": 3,
            "conversion_usd_year": 600.0,
            "conversion_cost_usd_year": 50.25,
            "total_usd_year": 6300.3,
            "net_usd_year": 5449.55,
        }
    ]


def test_a_tenant_in_which_nothing_is_to_be_had() -> None:
    [row] = summarised(segments({}))
    assert {value for name, value in row.items() if name not in ("date", "tenant_id")} == {0}


def test_costs_may_exceed_gains() -> None:
    recommended = recommendations({"implementation_cost_usd_year": 600.0})
    [row] = summarised(segments({"segment": "power"}), recommended)
    assert (row["total_usd_year"], row["net_usd_year"]) == (0.0, -600.0)


@pytest.mark.parametrize(
    ("hour", "conversion", "savings", "converted"),
    [
        (0.0, 0.0, 0.0, 0.0),
        # 1.1 x 12 x 33.333333 = 439.9999956, to the millionth 439.999996.
        (33.333333, 0.000003, 439.999996, 0.000001),
        # A fifth of 2 millionths is less than half of one.
        (1e12, 0.000002, 13.2e12, 0.0),
    ],
)
def test_other_values(hour: float, conversion: float, savings: float, converted: float) -> None:
    users = segments({"segment": "power"}, {"user_id": "c", "segment": "casual"})
    recommended = recommendations({"estimated_time_savings_hours_month": 1.1})
    [row] = summarised(users, recommended, hour=hour, conversion=conversion)
    assert row["power_savings_usd_year"] == savings
    assert row["conversion_usd_year"] == converted


def test_tenants_and_mondays_for_themselves_and_no_tenant_without_users() -> None:
    later = MONDAY + timedelta(days=7)
    users = segments({"segment": "power"}, {"date": later}, {"user_id": "v", "tenant_id": "s"})
    hours = "estimated_time_savings_hours_month"
    recommended = recommendations({hours: 1.0}, {hours: 2.0, "date": later})
    idle = opportunities({"tenant_id": "empty", "reclaimable_usd": 5.0})
    days = [MONDAY + timedelta(days=number) for number in range(8)]
    rows = summarised(users, recommended, idle, days=days)
    assert [(row["date"], row["tenant_id"], row["power_hours_month"]) for row in rows] == [
        (MONDAY, "s", 0.0),
        (MONDAY, "t", 1.0),
        (later, "t", 0.0),
    ]
    assert summarised(users, days=days[1:7]) == []
    assert summarised(segments()) == []


def test_the_order_of_rows_does_not_matter() -> None:
    amounts = [0.1, 0.7, 1e6, 0.2, 33.33]
    rows = [{"app": str(place), "reclaimable_usd": one} for place, one in enumerate(amounts)]
    found = [summarised(segments({}), idle=opportunities(*rows[::turn])) for turn in (1, -1)]
    assert found[0] == found[1]
    assert found[0][0]["reclaimable_usd_year"] == 1000034.33
