"""What somebody is told of themselves."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from harvey_pipeline.access.reading import Page
from harvey_pipeline.access.words import tell_own

MONDAY = date(2024, 6, 24)


def told(*advice: dict[str, Any], **row: Any) -> list[str]:
    usual: dict[str, Any] = {
        **{"date": MONDAY, "segment": "regular", "sub_segment": "Steady Regular"},
        **{"engagement_score": 0.456, "percentile": 65.0, "trend": None, "evidence": ["Often."]},
    }
    segments = pl.DataFrame([usual | row, usual | {"date": date(2024, 6, 17)}])
    kinds = {
        "date": pl.Date(),
        "suggestion": pl.String(),
        "estimated_time_savings_hours_month": pl.Float64(),
    }
    rows = pl.DataFrame([{"date": MONDAY} | one for one in advice], schema=kinds)
    return list(tell_own(Page(segments, 2), Page(rows, len(advice))))


def test_segment_rank_trend_evidence_and_advice() -> None:
    lines = told(
        {"suggestion": "Learn.", "estimated_time_savings_hours_month": 1.0},
        {"suggestion": "Link.", "estimated_time_savings_hours_month": 7.5},
        {"suggestion": "Rest.", "estimated_time_savings_hours_month": 0.0},
        {"date": date(2024, 6, 17), "suggestion": "Old.", "estimated_time_savings_hours_month": 1},
        trend="decreasing",
    )
    assert lines == [
        "You are a regular user (Steady Regular), as of 2024-06-24.",
        "Your score is 0.46 of 1: you are in the top 35 % of your organisation.",
        "You use it less than in the two months before.",
        "Often.",
        "Learn. It saves an estimated 1 hour a month.",
        "Link. It saves an estimated 7.5 hours a month.",
        "Rest.",
    ]


@pytest.mark.parametrize(
    ("percentile", "top"),
    [
        (65.0, "the top 35 %"),
        (65.2, "the top 35 %"),
        (64.9, "the top 36 %"),
        # 100 - 57.99999999999999 is no whole percent more than 42.
        (57.99999999999999, "the top 42 %"),
        (0.0, "the top 100 %"),
        # Nobody is in the top 0 %.
        (100.0, "the top 1 %"),
    ],
)
def test_the_rank_is_rounded_up(percentile: float, top: str) -> None:
    assert top in told(percentile=percentile)[1]


def test_without_a_rank_or_kind_nothing_is_said_of_them() -> None:
    assert told(percentile=None, sub_segment=None, segment="casual")[:2] == [
        "You are a casual user, as of 2024-06-24.",
        "Your score is 0.46 of 1.",
    ]
