"""Dimensions out of versions and daily sums."""

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from harvey_pipeline.agents.tables import TABLES
from harvey_pipeline.agents.transforms.dimensions import (
    describe_annotators,
    present_agent_types,
    present_shops,
    segment_customers,
)
from harvey_pipeline.history import OPEN_END

L = date(2024, 6, 30)


def ago(days: int) -> date:
    return L - timedelta(days=days)


def frame(name: str, *rows: dict[str, Any]) -> pl.LazyFrame:
    return pl.LazyFrame(list(rows), schema=TABLES[name].polars_schema)


def worked(
    day: date, drafts: int = 1, escalated: int = 0, name: str | None = None
) -> dict[str, Any]:
    return {
        "date": day,
        "customer_sk": "c|s",
        "customer_email": "c",
        "shop_domain": "s",
        "drafts": drafts,
        "escalated_drafts": escalated,
        "customer_name": name,
    }


def version(start: date, end: date = OPEN_END, **attributes: Any) -> dict[str, Any]:
    return {
        "customer_version": f"c_s_{start:%Y%m%d}",
        "customer_email": "c",
        "shop_domain": "s",
        "effective_start_date": start,
        "effective_end_date": end,
        "is_current": end == OPEN_END,
        **attributes,
    }


def customer(daily: list[dict[str, Any]], *versions: dict[str, Any]) -> dict[str, Any]:
    rows = segment_customers(
        frame("customer_daily", *daily), frame("customer_versions", *versions), L, 1000.0, 10
    ).collect()
    [unknown] = rows.filter(pl.col("customer_sk") == "unknown").iter_rows(named=True)
    assert [name for name, value in unknown.items() if value is not None] == [
        "customer_sk",
        "customer_email",
        "shop_domain",
    ]
    [found] = rows.filter(pl.col("customer_sk") == "c|s").iter_rows(named=True)
    return found


OLD = version(ago(300))


@pytest.mark.parametrize(
    ("segment", "daily", "attributes"),
    [
        ("at-risk", [worked(ago(29), escalated=1), worked(ago(0), escalated=1)], {}),
        ("returning", [worked(ago(30), escalated=1), worked(ago(0), escalated=1)], {}),
        ("at-risk", [worked(ago(0), drafts=2, escalated=2)], {"order_count": 50}),
        ("new", [worked(ago(0), escalated=1)], {}),
        ("at-risk", [worked(ago(200)), worked(ago(90))], {}),
        ("returning", [worked(ago(200)), worked(ago(89))], {}),
        ("returning", [worked(ago(200), drafts=5)], {}),
        ("vip", [worked(ago(0))], {"lifetime_value_usd": 1000.0}),
        ("new", [worked(ago(0))], {"lifetime_value_usd": 999.99}),
        ("vip", [worked(ago(0))], {"order_count": 10}),
        ("returning", [worked(ago(0))], {"order_count": 9}),
        ("returning", [worked(ago(0))], {"order_count": 2}),
        ("new", [worked(ago(0))], {"order_count": 1}),
        ("new", [worked(ago(29))], {}),
        ("returning", [worked(ago(30))], {}),
        ("new", [], {"order_count": 0}),
        ("returning", [], {"order_count": 2}),
    ],
)
def test_segments_at_their_edges(
    segment: str, daily: list[dict[str, Any]], attributes: dict[str, Any]
) -> None:
    assert customer(daily, OLD | attributes)["customer_segment"] == segment


def test_a_customer_without_a_version_is_known_by_the_drafts() -> None:
    row = customer(
        [worked(ago(40), 2, name="Ann"), worked(ago(20), 3, name="Anna"), worked(ago(5))]
    )
    assert row == {
        "customer_sk": "c|s",
        "customer_email": "c",
        "shop_domain": "s",
        "customer_name": "Anna",
        "customer_type": None,
        "order_count": None,
        "lifetime_value_usd": None,
        "interactions": 6,
        "interaction_days": 3,
        "first_interaction_date": ago(40),
        "last_interaction_date": ago(5),
        "customer_segment": "returning",
    }


def test_the_latest_version_counts_after_a_departure_too() -> None:
    first = version(ago(300), ago(101), customer_name="Before", order_count=1)
    last = version(ago(100), ago(50), customer_name="After", order_count=3)
    row = customer([worked(ago(5), name="Draft")], last, first)
    assert (row["customer_name"], row["order_count"]) == ("After", 3)
    assert customer([], first)["interactions"] == 0
    nameless = version(ago(300))
    assert customer([worked(ago(5), name="Draft")], nameless)["customer_name"] == "Draft"


def test_annotators_with_and_without_versions() -> None:
    def annotated(
        day: date, who: str, count: int, scored: int, mean: float | None
    ) -> dict[str, Any]:
        return {
            "date": day,
            "annotator_sk": who,
            "annotations": count,
            "scored_annotations": scored,
            "avg_overall_score": mean,
        }

    def known(who: str, end: date = OPEN_END, is_active: bool = True) -> dict[str, Any]:
        return {
            "annotator_email": who,
            "annotator_name": who.upper(),
            "is_active": is_active,
            "effective_start_date": ago(100),
            "effective_end_date": end,
            "is_current": end == OPEN_END,
        }

    daily = frame(
        "daily_annotation_quality",
        annotated(ago(9), "a", 3, 2, 4.5),
        annotated(ago(2), "a", 1, 1, 3.0),
        annotated(ago(2), "new", 1, 0, None),
        annotated(ago(1), "unknown", 2, 1, 5.0),
    )
    versions = frame(
        "annotator_versions", known("a"), known("gone", ago(50)), known("idle", is_active=False)
    )
    found = describe_annotators(daily, versions).collect()
    shown = found.select(
        "annotator_sk",
        "annotator_name",
        "is_active",
        "total_annotations",
        "avg_quality_score",
        "first_annotation_date",
        "last_annotation_date",
    )
    assert shown.rows() == [
        ("a", "A", True, 4, 4.0, ago(9), ago(2)),
        ("gone", "GONE", False, 0, None, None, None),
        ("idle", "IDLE", False, 0, None, None, None),
        ("new", None, True, 1, None, ago(2), ago(2)),
        ("unknown", None, None, 2, 5.0, ago(1), ago(1)),
    ]


def test_a_version_replaces_a_built_in_agent_type_whole() -> None:
    def known(code: str, start: date, end: date = OPEN_END, **attributes: Any) -> dict[str, Any]:
        return {
            "agent_type_code": code,
            "is_active": True,
            "effective_start_date": start,
            "effective_end_date": end,
            "is_current": end == OPEN_END,
            **attributes,
        }

    versions = frame(
        "agent_type_versions",
        known("cx-agent", ago(20), ago(11), model_version="m1"),
        known("cx-agent", ago(10), model_version="m2"),
        known("old-agent", ago(20), ago(5)),
    )
    rows = present_agent_types(versions).collect()
    by_code = {row["agent_type_sk"]: row for row in rows.iter_rows(named=True)}
    assert sorted(by_code) == [
        "analytics-agent",
        "cx-agent",
        "inventory-agent",
        "old-agent",
        "product-agent",
        "unknown",
    ]
    cx, old = by_code["cx-agent"], by_code["old-agent"]
    assert (cx["agent_name"], cx["model_version"], cx["is_active"]) == (None, "m2", True)
    assert (cx["effective_date"], cx["last_updated"]) == (ago(20), ago(10))
    assert not old["is_active"]
    unknown = by_code["unknown"]
    assert (unknown["agent_name"], unknown["agent_category"]) == ("Unknown Agent Type", "other")
    assert unknown["is_active"]


def test_dim_shop_without_shops_has_the_unknown_one() -> None:
    [row] = present_shops(frame("shop_versions")).collect().iter_rows(named=True)
    told = {name: value for name, value in row.items() if value is not None}
    assert told == {
        "shop_sk": "unknown",
        "shop_domain": "unknown",
        "effective_date": date(1970, 1, 1),
        "is_current": True,
    }
