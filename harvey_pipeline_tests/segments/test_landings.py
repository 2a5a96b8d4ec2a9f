"""The dirty landing folders and the stored scores hold what they are made for."""

from datetime import timedelta
from pathlib import Path

import pytest

from harvey_pipeline_tests.segments.landings import FIRST, LENGTH, DirtyLanding, days_from
from harvey_pipeline_tests.segments.oracle import expected_tables, tables_after_scores
from harvey_pipeline_tests.segments.stored import (
    MONDAY,
    YEAR_AND_MORE,
    stored_scores,
    stored_tenants,
)


def test_a_dirty_landing_is_the_same_for_a_seed(tmp_path: Path) -> None:
    for name in ("one", "two"):
        DirtyLanding(tmp_path / name, 1).deliver(days_from(FIRST, 5))
    files, others = (
        {path.relative_to(root): path.read_bytes() for path in root.rglob("*.*")}
        for root in (tmp_path / "one", tmp_path / "two")
    )
    assert files == others


@pytest.mark.long
def test_a_dirty_landing_holds_every_reason_and_every_segment(tmp_path: Path) -> None:
    days = days_from(FIRST, LENGTH)
    DirtyLanding(tmp_path, 2).deliver(days)
    tables = expected_tables(tmp_path, days, FIRST)
    assert {reason for row in tables["raw.quarantine"] for reason in row["reasons"]} >= {
        "missing_id",
        "missing_user_id",
        "missing_tenant_id",
        "missing_timestamp",
        "unreadable_timestamp",
        "missing_outcome",
        "unknown_outcome",
        "unreadable_session_minutes",
        "created_after_drop",
        "too_late",
        "before_start_date",
        "duplicate_event_id",
        "superseded",
        "wrong_field_count",
        "not_an_object",
        "missing_label",
        "unknown_label",
        "missing_kind",
        "missing_group",
        "unknown_group",
        "unreadable_satisfaction",
        "unreadable_hours",
        "unreadable_annual_cost",
    }
    segments = tables["segments.user_segments"]

    def values(column: str) -> set[object]:
        return {row[column] for row in segments}

    assert values("segment") == {"power", "regular", "casual"}
    assert values("transition_status") == {"stable", "watch", "at_risk", "rising"}
    assert values("churn_risk") == {"high", "medium", "low", "very_low", None}
    for column in ("is_held_back", "is_churn_suppressed", "is_rapid_growth", "is_dormant"):
        assert values(column) == {True, False}, column
    assert any(row["same_segment"] is not None for row in tables["segments.stability"])
    assert any(row["lift"] is not None for row in tables["segments.churn_backtest"])
    assert {row["metric"] for row in tables["segments.ab_readout"] if row["p_value"]} == {
        "engagement_change",
        "conversion",
        "license_use",
        "hours_saved",
        "satisfaction",
    }


def test_stored_scores_hold_seasons_mass_changes_and_every_sub_segment() -> None:
    scores = stored_scores(1, MONDAY)
    last = MONDAY + timedelta(weeks=YEAR_AND_MORE - 1)
    tables = {"engagement_scores": scores, "tenant_engagement": stored_tenants(scores)}
    days = days_from(last - timedelta(weeks=29), 30 * 7 - 6)
    segments = tables_after_scores(tables, days, MONDAY)["user_segments"]
    assert {row["sub_segment"] for row in segments} == {
        "Sign-in Only",
        "New",
        "Dormant",
        "At-risk Churn",
        "Rapid Growth",
        "Single-tool Expert",
        "Multi-tool Specialist",
        "Power Generalist",
        "Steady Regular",
        "Intermittent Regular",
        "Fading",
        "Occasional",
    }
    assert {row["is_held_back"] for row in segments} == {True, False}
    adjusted = {row["adjusted_score"] > row["engagement_score"] for row in segments}
    assert adjusted == {True, False}
    assert any(row["adjusted_score"] < row["engagement_score"] for row in segments)
    assert {reason for row in segments for reason in row["llm_reasons"]} == {
        "near_boundary",
        "score_moved",
        "anomaly",
        "power",
        "refresh",
    }
