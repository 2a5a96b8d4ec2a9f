"""Changes of tier: hand-worked points, ties of components, and who has no row."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvey_pipeline.engagement.tables import TABLES
from harvey_pipeline.engagement.tables.labels import POWER_USER_TIERS
from harvey_pipeline.engagement.tables.marts import TierChanges
from harvey_pipeline.engagement.transforms.tier_changes import compare_tiers
from harvey_pipeline_tests.engagement.transforms.usages import DAY, days_before

POWER, HIGH, MEDIUM, LOW, INACTIVE = POWER_USER_TIERS
COMPARED = days_before(30)

Part = tuple[int, int]
"""A measure, and the weight that it has."""

Day = tuple[int, str, Part, Part, Part]
"""Score, tier, active days, documents and event types of a user."""


def scored(
    on: date,
    score: int,
    tier: str,
    active_days: Part = (0, 0),
    documents: Part = (0, 0),
    event_types: Part = (0, 0),
    *,
    user_id: str = "u1",
    firm_id: str | None = "a",
) -> dict[str, Any]:
    """What `daily_user_engagement` says of a user's score."""
    return {
        "date": on,
        "user_id": user_id,
        "firm_id": firm_id,
        "active_days": active_days[0],
        "total_documents_processed": documents[0],
        "unique_event_types": event_types[0],
        "active_days_weight": active_days[1],
        "document_volume_weight": documents[1],
        "feature_breadth_weight": event_types[1],
        "power_user_score": score,
        "power_user_tier": tier,
    }


def changes(rows: Sequence[dict[str, Any]], days: Sequence[date] = (DAY,)) -> list[dict[str, Any]]:
    """`marts.tier_changes` of the days, checked against its schema."""
    table = TABLES["marts.tier_changes"]
    engagement = TABLES["marts.daily_user_engagement"]
    frames = compare_tiers(pl.LazyFrame(rows, schema=engagement.polars_schema), days)
    found = pl.concat([table.empty(), *frames]).collect()
    assert dict(found.schema) == table.polars_schema
    TierChanges.validate(found)
    return found.rows(named=True)


def test_every_column_is_as_worked_out_by_hand() -> None:
    """8 + 24 + 12 = 44 points become 24 + 24 + 21 = 69: 16 by active days, 9 by event types."""
    rows = [
        scored(COMPARED, 44, MEDIUM, (4, 20), (60, 80), (1, 40), firm_id="b"),
        scored(DAY, 69, HIGH, (12, 60), (61, 80), (2, 70)),
    ]

    assert changes(rows) == [
        {
            "date": DAY,
            "user_id": "u1",
            "firm_id": "a",
            "tier_before": MEDIUM,
            "tier_now": HIGH,
            "direction": "up",
            "score_before": 44,
            "score_now": 69,
            "active_days_weight_before": 20,
            "active_days_weight_now": 60,
            "document_volume_weight_before": 80,
            "document_volume_weight_now": 80,
            "feature_breadth_weight_before": 40,
            "feature_breadth_weight_now": 70,
            "main_component": "active_days_weight",
            "measure_before": 4,
            "measure_now": 12,
        }
    ]


def test_a_user_who_fell_silent_has_moved_down_and_has_no_firm() -> None:
    """8 + 0 + 12 = 20 points become none: 12 of them were those of the event type."""
    rows = [
        scored(COMPARED, 20, LOW, (2, 20), (3, 0), (1, 40)),
        scored(DAY, 0, INACTIVE, firm_id=None),
    ]

    [row] = changes(rows)
    assert (row["firm_id"], row["direction"]) == (None, "down")
    assert (row["tier_before"], row["tier_now"]) == (LOW, INACTIVE)
    assert row["main_component"] == "feature_breadth_weight"
    assert (row["measure_before"], row["measure_now"]) == (1, 0)


# The lower and the higher day of a pair, and what is the main component both ways.
PAIRS = [
    pytest.param(
        (12, INACTIVE, (1, 0), (4, 0), (1, 40)),
        (60, HIGH, (10, 60), (50, 80), (1, 40)),
        ("active_days_weight", 1, 10),
        id="24-points-by-active-days-and-24-by-documents",
    ),
    pytest.param(
        (12, INACTIVE, (1, 0), (4, 0), (1, 40)),
        (48, MEDIUM, (1, 0), (25, 60), (3, 100)),
        ("document_volume_weight", 4, 25),
        id="18-points-by-documents-and-18-by-event-types",
    ),
    pytest.param(
        (59, MEDIUM, (15, 80), (5, 20), (2, 70)),
        (60, HIGH, (10, 60), (9, 20), (3, 100)),
        ("feature_breadth_weight", 2, 3),
        id="9-points-by-event-types-of-which-8-are-lost-by-active-days",
    ),
    pytest.param(
        (52, MEDIUM, (20, 100), (0, 0), (1, 40)),
        (60, HIGH, (1, 0), (100, 100), (3, 100)),
        ("document_volume_weight", 0, 100),
        id="40-points-the-other-way-and-30-by-documents",
    ),
    pytest.param(
        (74, HIGH, (19, 80), (24, 40), (3, 100)),
        (82, POWER, (20, 100), (10, 40), (3, 100)),
        ("active_days_weight", 19, 20),
        id="a-component-alone",
    ),
]


@pytest.mark.parametrize(("lower", "higher", "main"), PAIRS)
def test_the_main_component_of_a_rise(lower: Day, higher: Day, main: tuple[str, int, int]) -> None:
    [row] = changes([scored(COMPARED, *lower), scored(DAY, *higher)])

    assert row["direction"] == "up"
    assert (row["main_component"], row["measure_before"], row["measure_now"]) == main


@pytest.mark.parametrize(("lower", "higher", "main"), PAIRS)
def test_the_main_component_of_a_fall(lower: Day, higher: Day, main: tuple[str, int, int]) -> None:
    """What lifts a user lets the user fall the other way."""
    [row] = changes([scored(COMPARED, *higher), scored(DAY, *lower)])

    component, of_lower, of_higher = main
    assert row["direction"] == "down"
    assert row["main_component"] == component
    assert (row["measure_before"], row["measure_now"]) == (of_higher, of_lower)


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([scored(DAY, 92, POWER)], id="no-row-30-days-before"),
        pytest.param([scored(COMPARED, 92, POWER)], id="no-row-on-the-day"),
        pytest.param(
            [scored(days_before(29), 12, INACTIVE), scored(DAY, 92, POWER)],
            id="a-row-29-days-before",
        ),
        pytest.param(
            [scored(days_before(31), 12, INACTIVE), scored(DAY, 92, POWER)],
            id="a-row-31-days-before",
        ),
        pytest.param(
            [scored(COMPARED, 12, INACTIVE, user_id="u2"), scored(DAY, 92, POWER)],
            id="another-user-30-days-before",
        ),
        pytest.param(
            [scored(COMPARED, 60, HIGH), scored(DAY, 79, HIGH)], id="another-score-of-the-same-tier"
        ),
    ],
)
def test_who_has_no_row(rows: list[dict[str, Any]]) -> None:
    assert changes(rows) == []


def test_no_days_give_no_frames() -> None:
    assert changes([scored(DAY, 92, POWER)], []) == []


LEVELS: list[Day] = [
    (0, INACTIVE, (0, 0), (0, 0), (0, 0)),
    (20, LOW, (2, 20), (3, 0), (1, 40)),
    (44, MEDIUM, (4, 20), (60, 80), (1, 40)),
    (69, HIGH, (12, 60), (61, 80), (2, 70)),
    (100, POWER, (25, 100), (200, 100), (3, 100)),
]


@settings(max_examples=20, deadline=None)
@given(
    levels=st.dictionaries(
        st.tuples(st.integers(0, 69), st.sampled_from(["u1", "u2", "u3"])), st.sampled_from(LEVELS)
    )
)
def test_a_range_at_once_is_what_a_naive_comparison_finds(
    levels: dict[tuple[int, str], Day],
) -> None:
    days = [days_before(back) for back in range(39, -1, -1)]
    rows = [scored(days_before(back), *day, user_id=user) for (back, user), day in levels.items()]
    pairs = [
        (days_before(back), user, levels[back + 30, user], now)
        for (back, user), now in levels.items()
        if back < 40 and (back + 30, user) in levels
    ]

    found = [
        (row["date"], row["user_id"], row["tier_before"], row["tier_now"], row["direction"])
        for row in changes(rows, days)
    ]
    assert found == sorted(
        (day, user, before[1], now[1], "up" if now[0] > before[0] else "down")
        for day, user, before, now in pairs
        if before != now
    )
