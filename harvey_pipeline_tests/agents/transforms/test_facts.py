"""Facts out of what drops delivered, worked out by hand."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from harvey_pipeline.agents.sources import APPROVALS, FEEDBACK, QUERIES
from harvey_pipeline.agents.tables import TABLES
from harvey_pipeline.agents.transforms.facts import build_annotations, build_drafts, build_queries
from harvey_pipeline.history import OPEN_END
from harvey_pipeline.landing.source import Source

Rows = list[dict[str, Any]]


def may(day: int) -> date:
    return date(2024, 5, day)


DAYS = [may(day) for day in range(1, 11)]


def at(day: int, time: str = "12:00:00") -> datetime:
    return datetime.fromisoformat(f"{may(day)} {time}")


def delivered(source: Source, *rows: dict[str, Any]) -> pl.LazyFrame:
    """Rows of the raw table; what is not given is as delivered on its day at noon."""
    full = []
    for row in rows:
        created: datetime = row.get("created_at", at(1))
        usual = {"conversation_id": "c", "created_at": created}
        full.append({"event_date": created.date(), "drop_date": created.date(), **usual, **row})
    return pl.LazyFrame(full, schema=source.table.polars_schema)


def version(shop: str, first: int, last: int | None = None) -> dict[str, Any]:
    return {
        "shop_sk": f"{shop}_{may(first):%Y%m%d}",
        "shop_domain": shop,
        "effective_start_date": may(first),
        "effective_end_date": OPEN_END if last is None else may(last),
        "is_current": last is None,
    }


SHOPS: Rows = [
    version("moved", 1, 2),
    version("moved", 3),
    version("away", 1, 4),
    version("away", 7),
    version("gone", 1, 2),
    version("late", 5),
]
TYPES: Rows = [
    {"agent_type_code": "tax-agent", "effective_start_date": may(4)},
    {"agent_type_code": "tax-agent", "effective_start_date": may(8)},
    {"agent_type_code": "cx-agent", "effective_start_date": may(6)},
]


def versions(table: str, rows: Rows) -> pl.LazyFrame:
    return pl.LazyFrame(rows, schema=TABLES[table].polars_schema)


def collected(frames: Iterable[pl.LazyFrame]) -> dict[str, dict[str, Any]]:
    """The facts by `source_id`."""
    rows = pl.concat(frame.collect() for frame in frames)
    found = {row["source_id"]: row for row in rows.iter_rows(named=True)}
    assert len(found) == rows.height
    return found


def drafts(*rows: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return collected(
        build_drafts(
            delivered(APPROVALS, *rows),
            versions("shop_versions", SHOPS),
            versions("agent_type_versions", TYPES),
            DAYS,
        )
    )


def queries(*rows: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return collected(
        build_queries(
            delivered(QUERIES, *rows),
            versions("shop_versions", SHOPS),
            versions("agent_type_versions", TYPES),
            DAYS,
        )
    )


@pytest.mark.parametrize(
    ("shop", "moment", "expected"),
    [
        ("moved", at(2, "23:59:59.999999"), "moved_20240501"),
        ("moved", at(3, "00:00:00"), "moved_20240503"),
        ("moved", at(10), "moved_20240503"),
        ("away", at(4), "away_20240501"),
        ("away", at(5), "away_20240501"),
        ("away", at(6, "23:59:59"), "away_20240501"),
        ("away", at(7, "00:00:00"), "away_20240507"),
        ("gone", at(9), "gone_20240501"),
        ("late", at(4, "23:59:59"), "unknown"),
        ("late", at(5, "00:00:00"), "late_20240505"),
        ("nobody", at(5), "unknown"),
        (None, at(5), "unknown"),
    ],
)
def test_a_fact_has_the_version_that_its_shop_has_on_its_day(
    shop: str | None, moment: datetime, expected: str
) -> None:
    row = {"source_id": "1", "shop_domain": shop, "created_at": moment}
    assert drafts(row)["1"]["shop_sk"] == expected
    assert queries(row)["1"]["shop_sk"] == expected


@pytest.mark.parametrize(
    ("code", "day", "of_draft", "of_query"),
    [
        ("tax-agent", 3, ("tax-agent", "unknown"), ("tax-agent", "unknown")),
        ("tax-agent", 4, ("tax-agent", "tax-agent"), ("tax-agent", "tax-agent")),
        ("cx-agent", 1, ("cx-agent", "cx-agent"), ("cx-agent", "cx-agent")),
        ("other", 9, ("other", "unknown"), ("other", "unknown")),
        ("unknown", 1, ("unknown", "unknown"), ("unknown", "unknown")),
        (None, 1, ("cx-agent", "cx-agent"), ("unknown", "unknown")),
    ],
)
def test_an_agent_type_is_known_from_its_first_version_on(
    code: str | None, day: int, of_draft: tuple[str, str], of_query: tuple[str, str]
) -> None:
    row = {"source_id": "1", "agent_type_code": code, "created_at": at(day)}
    for fact, expected in ((drafts(row)["1"], of_draft), (queries(row)["1"], of_query)):
        assert (fact["agent_type_code"], fact["agent_type_sk"]) == expected


STATUSES = ("is_approved", "is_rejected", "is_edited", "is_pending")


@pytest.mark.parametrize(
    ("status", "flag"),
    [
        ("approved", "is_approved"),
        ("rejected", "is_rejected"),
        ("edited", "is_edited"),
        ("pending", "is_pending"),
        ("expired", None),
        ("approved twice", None),
        (None, None),
    ],
)
def test_a_status_has_its_flag_and_no_other(status: str | None, flag: str | None) -> None:
    fact = drafts({"source_id": "1", "status": status})["1"]
    assert fact["status"] == status
    assert {name: fact[name] for name in STATUSES} == {name: name == flag for name in STATUSES}


def test_a_draft_of_which_all_is_given_and_one_of_which_nothing_is() -> None:
    found = drafts(
        {
            "source_id": "full",
            "shop_domain": "moved",
            "created_at": at(1, "23:00:00.5"),
            "reviewed_at": at(3, "01:00:00.4"),
            "agent_type_code": "product-agent",
            "chatwoot_conversation_id": "7",
            "chatwoot_message_id": "8",
            "customer_email": "a@x",
            "confidence_score": 90.5,
            "character_count": 12,
            "suggested_tags_count": 0,
            "knowledge_sources_count": 3,
            "priority": "urgent",
            "recommended_action": "escalate",
        },
        {"source_id": "bare"},
        {"source_id": "no-shop", "customer_email": "a@x", "priority": "high"},
    )
    full, bare = found["full"], found["bare"]
    assert (full["approval_sk"], full["date"], full["date_sk"]) == (
        "full_20240501",
        may(1),
        20240501,
    )
    assert full["customer_sk"] == "a@x|moved"
    # A day and two hours less a tenth of a second.
    assert full["review_time_seconds"] == 26 * 3600 - 1
    assert (full["confidence_score"], full["character_count"]) == (90.5, 12)
    assert (full["suggested_tags_count"], full["knowledge_sources_count"]) == (0, 3)
    assert (full["is_urgent"], full["is_escalated"], full["drop_date"]) == (True, True, may(1))
    assert {name for name, value in bare.items() if value is None} == {
        "chatwoot_conversation_id",
        "chatwoot_message_id",
        "status",
        "confidence_score",
        "review_time_seconds",
        "character_count",
        "suggested_tags_count",
        "knowledge_sources_count",
        "reviewed_at",
    }
    assert (bare["customer_sk"], bare["is_urgent"], bare["is_escalated"]) == (
        "unknown",
        False,
        False,
    )
    assert (found["no-shop"]["customer_sk"], found["no-shop"]["is_urgent"]) == (
        "a@x|unknown",
        False,
    )


def test_the_row_of_the_latest_drop_counts_for_an_id_and_its_day() -> None:
    found = drafts(
        {"source_id": "1", "status": "pending"},
        {"source_id": "1", "status": "rejected", "drop_date": may(1) + timedelta(days=30)},
        {"source_id": "1", "status": "edited", "drop_date": may(9)},
        {"source_id": "2", "status": "pending"},
        {"source_id": "3", "status": "approved", "drop_date": may(2)},
    )
    assert {name: (row["status"], row["drop_date"].day) for name, row in found.items()} == {
        "1": ("rejected", 31),
        "2": ("pending", 1),
        "3": ("approved", 2),
    }
    other_day = drafts({"source_id": "1"}, {"source_id": "1", "created_at": at(11)})
    assert other_day["1"]["date"] == may(1)


def test_answers_of_a_query_that_are_not_given_are_null() -> None:
    flags = ("is_approved", "is_human_edited", "is_error")
    found = queries(
        {"source_id": "1", **dict.fromkeys(flags, False), "latency_ms": 0, "query_text": "a"},
        {"source_id": "2"},
    )
    assert [found["1"][name] for name in flags] == [False, False, False]
    assert [found["2"][name] for name in (*flags, "latency_ms", "query_text")] == [None] * 5
    assert found["1"]["query_sk"] == "1_20240501"


@pytest.mark.parametrize(
    ("scores", "overall"),
    [
        ((5, 4, None, None), 4.5),
        ((1, 2, 2, 3), 2.0),
        ((None,) * 4, None),
        ((None, None, 3, None), 3),
    ],
)
def test_an_overall_score_is_the_mean_of_those_given(
    scores: tuple[int | None, ...], overall: float | None
) -> None:
    names = ("clarity_score", "accuracy_score", "helpfulness_score", "tone_score")
    row = {"source_id": "1", **dict(zip(names, scores, strict=True))}
    frames = build_annotations(delivered(FEEDBACK, row), versions("shop_versions", SHOPS), DAYS)
    fact = collected(frames)["1"]
    assert (fact["overall_score"], fact["annotator_sk"]) == (overall, "unknown")
    assert [fact[name] for name in ("has_labels", "has_rubric", "has_notes")] == [False] * 3
    assert fact["is_safe_to_send"] is None
