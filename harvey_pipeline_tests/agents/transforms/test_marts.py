"""Marts of a day, out of facts."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from harvey_pipeline.agents.tables import TABLES
from harvey_pipeline.agents.transforms.marts import (
    calibrate_confidence,
    sum_customers,
    summarise_annotations,
    summarise_drafts,
    summarise_queries,
)

DAY = date(2024, 5, 6)
NO_FLAGS = dict.fromkeys(
    ("is_approved", "is_rejected", "is_edited", "is_pending", "is_urgent", "is_escalated"), False
)


def drafts(*rows: dict[str, Any]) -> pl.LazyFrame:
    usual = {"date": DAY, "agent_type_sk": "x", "shop_sk": "s", **NO_FLAGS}
    schema = TABLES["fact_agent_approval"].polars_schema
    return pl.LazyFrame([usual | row for row in rows], schema=schema)


def queries(*rows: dict[str, Any]) -> pl.LazyFrame:
    usual = {"date": DAY, "agent_type_sk": "x", "shop_sk": "s"}
    schema = TABLES["fact_agent_query"].polars_schema
    return pl.LazyFrame([usual | row for row in rows], schema=schema)


def the_one(rows: Any) -> dict[str, Any]:
    row: dict[str, Any]
    [row] = pl.concat([one.collect() for one in rows]).iter_rows(named=True)
    return dict(row)


@pytest.mark.parametrize(
    ("seconds", "p50", "p95", "mean"),
    [
        ([], None, None, None),
        ([7], 7.0, 7.0, 7.0),
        ([10, 20], 15.0, 19.5, 15.0),
        ([40, None, 10, 20], 20.0, 38.0, 70 / 3),
    ],
)
def test_percentiles_lie_between_neighbours(
    seconds: list[int | None], p50: float | None, p95: float | None, mean: float | None
) -> None:
    rows = [{"review_time_seconds": one} for one in seconds] or [{}]
    row = the_one(summarise_drafts(drafts(*rows), [DAY]))
    found = [row[f"{name}_review_time_seconds"] for name in ("p50", "p95", "avg")]
    assert found == [one if one is None else pytest.approx(one) for one in (p50, p95, mean)]


def test_drafts_by_what_became_of_them() -> None:
    flagged = ("is_approved", "is_approved", "is_rejected", "is_edited", "is_pending")
    facts = drafts(
        *({flag: True} for flag in flagged),
        {"confidence_score": 80.0, "is_urgent": True},
        {"confidence_score": 60.5, "is_escalated": True, "character_count": 9},
    )
    row = the_one(summarise_drafts(facts, [DAY]))
    counts = ("total_drafts", "approved", "rejected", "edited", "pending", "other_status")
    assert [row[name] for name in counts] == [7, 2, 1, 1, 1, 2]
    assert (row["reviewed"], row["urgent"], row["escalated"]) == (4, 1, 1)
    rates = ("approval_rate", "rejection_rate", "edit_rate")
    assert [row[name] for name in rates] == pytest.approx([200 / 7, 100 / 7, 100 / 7])
    assert (row["approval_rate_of_reviewed"], row["avg_confidence"]) == (50.0, 70.25)
    assert (row["avg_character_count"], row["date_sk"]) == (9.0, 20240506)


@pytest.mark.parametrize(
    ("latencies", "p50", "p95", "p99"),
    [
        ([None], None, None, None),
        ([7], 7.0, 7.0, 7.0),
        ([10, 20], 15.0, 19.5, 19.9),
        ([40, None, 10, 20], 20.0, 38.0, 39.6),
    ],
)
def test_latencies_lie_between_neighbours(
    latencies: list[int | None], p50: float | None, p95: float | None, p99: float | None
) -> None:
    row = the_one(summarise_queries(queries(*({"latency_ms": one} for one in latencies)), [DAY]))
    found = [row[f"{name}_latency_ms"] for name in ("p50", "p95", "p99")]
    assert found == [one if one is None else pytest.approx(one) for one in (p50, p95, p99)]


def test_what_is_not_known_of_a_query_is_in_no_rate_of_what_is() -> None:
    row = the_one(
        summarise_queries(
            queries(
                {"is_error": True, "is_approved": True, "result_size_bytes": 10},
                {"is_error": False, "is_approved": False, "is_human_edited": True},
                {"is_approved": True, "is_human_edited": False, "result_size_bytes": 40},
                {"latency_ms": 5},
            ),
            [DAY],
        )
    )
    assert (row["total_queries"], row["errors"], row["error_rate"]) == (4, 1, 50.0)
    assert (row["approved_queries"], row["reviewed_queries"]) == (2, 3)
    assert row["query_approval_rate"] == 50.0
    assert row["query_approval_rate_of_reviewed"] == pytest.approx(200 / 3)
    assert (row["human_edited_queries"], row["avg_result_size_bytes"]) == (1, 25.0)
    assert (row["avg_latency_ms"], row["date_sk"]) == (5.0, 20240506)
    nothing = the_one(summarise_queries(queries({}), [DAY]))
    rates = ("error_rate", "query_approval_rate_of_reviewed", "avg_latency_ms")
    assert [nothing[name] for name in rates] == [None, None, None]
    assert (nothing["query_approval_rate"], nothing["errors"]) == (0.0, 0)


@pytest.mark.parametrize(
    ("score", "band"),
    [
        (100.0, "90-100"),
        (90.0, "90-100"),
        (89.99, "80-90"),
        (80.0, "80-90"),
        (70.0, "70-80"),
        (60.0, "60-70"),
        (50.0, "50-60"),
        (49.99, "0-50"),
        (0.0, "0-50"),
        (None, "none"),
    ],
)
def test_bands_hold_their_lower_end(score: float | None, band: str) -> None:
    row = the_one(calibrate_confidence(drafts({"confidence_score": score}), [DAY]))
    assert row["confidence_band"] == band
    assert (row["total_drafts"], row["reviewed"]) == (1, 0)
    assert row["calibration_gap"] is None


def test_the_gap_is_of_reviewed_drafts() -> None:
    facts = drafts(
        {"confidence_score": 92.0, "is_approved": True},
        {"confidence_score": 96.0, "is_edited": True},
        {"confidence_score": 99.0, "is_pending": True},
    )
    row = the_one(calibrate_confidence(facts, [DAY]))
    assert (row["total_drafts"], row["reviewed"], row["approved"]) == (3, 2, 1)
    assert (row["avg_confidence_of_reviewed"], row["approval_rate_of_reviewed"]) == (94.0, 50.0)
    assert row["calibration_gap"] == 44.0


def test_annotations_of_an_annotator() -> None:
    schema = TABLES["fact_training_feedback"].polars_schema
    usual = {"date": DAY, "annotator_sk": "a"}
    flags: list[dict[str, Any]] = [
        {"has_labels": True, "has_rubric": False, "has_notes": True, "is_safe_to_send": True},
        {"has_labels": False, "has_rubric": True, "has_notes": True, "is_safe_to_send": False},
        {"has_labels": False, "has_rubric": False, "has_notes": False, "is_safe_to_send": None},
    ]
    scores: list[dict[str, Any]] = [
        {"clarity_score": 4, "tone_score": 5, "overall_score": 4.5},
        {"clarity_score": 5, "overall_score": 5.0},
        {},
    ]
    rows = [usual | one | score for one, score in zip(flags, scores, strict=True)]
    row = the_one(summarise_annotations(pl.LazyFrame(rows, schema=schema), [DAY]))
    assert (row["annotations"], row["scored_annotations"], row["safe_annotations"]) == (3, 2, 1)
    assert (row["avg_clarity_score"], row["avg_tone_score"]) == (4.5, 5.0)
    assert (row["avg_accuracy_score"], row["avg_overall_score"]) == (None, 4.75)
    assert row["safety_rate"] == 50.0
    named = ("labelled_annotations", "rubric_annotations", "noted_annotations")
    assert [row[name] for name in named] == [1, 1, 2]
    assert row["avg_draft_length"] is None


def test_the_name_of_a_customer_is_that_of_the_latest_draft_that_has_one() -> None:
    from harvey_pipeline.agents.sources import APPROVALS

    usual = {
        "drop_date": DAY,
        "event_date": DAY,
        "customer_email": "c",
        "created_at": pl.Series([f"{DAY} 09:00"]).str.to_datetime()[0],
    }
    later = pl.Series([f"{DAY} 10:00"]).str.to_datetime()[0]
    rows: list[dict[str, Any]] = [
        {"source_id": "a1", "customer_name": "First"},
        {"source_id": "a3", "customer_name": "Third"},
        {"source_id": "a2", "customer_name": "Second", "recommended_action": "escalate"},
        {"source_id": "a4", "created_at": later},
        {"source_id": "a5", "customer_email": None, "customer_name": "Nobody"},
    ]
    raw = pl.LazyFrame([usual | row for row in rows], schema=APPROVALS.table.polars_schema)
    assert the_one(sum_customers(raw, [DAY])) == {
        "date": DAY,
        "customer_sk": "c|unknown",
        "customer_email": "c",
        "shop_domain": "unknown",
        "drafts": 4,
        "escalated_drafts": 1,
        "customer_name": "Third",
    }
