"""The reference on drafts that are delivered again, and on their values, worked out by hand."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from harvey_pipeline_tests.agents.by_hand.landed import (
    APPROVALS,
    FIRST,
    QUERIES,
    jan,
    january,
    landed,
    reasons,
    values_of,
)
from harvey_pipeline_tests.agents.oracle import expected_tables

# --- Drafts that are delivered again -------------------------------------------------------------

A1 = {
    f"agent_approvals/{jan(1)}": f"{APPROVALS},confidence_score\n"
    f"a1,c1,s1,pending,{jan(1)},90\n"
    f"a1,c1,s1,pending,{jan(1)} 08:00,80\n",
    f"agent_approvals/{jan(4)}": f"{APPROVALS},reviewed_at\n"
    f"a1,c1,s1,approved,{jan(1)} 08:00:00.5,{jan(4)} 08:00:00\n",
}


def test_a_draft_is_what_its_latest_drop_says(tmp_path: Path) -> None:
    tables = landed(tmp_path, A1, 5)
    [fact] = tables["agents.fact_agent_approval"]
    assert fact["approval_sk"] == "a1_20240101"
    assert (fact["date"], fact["drop_date"]) == (january(1), january(4))
    assert (fact["status"], fact["is_approved"], fact["is_pending"]) == ("approved", True, False)
    assert fact["confidence_score"] is None
    # Three days less half a second.
    assert fact["review_time_seconds"] == 3 * 86400 - 1
    assert fact["agent_type_sk"] == fact["agent_type_code"] == "cx-agent"
    assert fact["shop_sk"] == fact["customer_sk"] == "unknown"
    assert reasons(tables) == [(january(1), 2, ["superseded"])]
    [of_day] = [row for row in tables["agents.daily_agent_summary"] if row["total_drafts"]]
    assert (of_day["date"], of_day["approved"], of_day["avg_confidence"]) == (january(1), 1, None)


@pytest.mark.parametrize(
    ("drop", "created", "status"),
    [
        pytest.param("2024-01-31", 1, "rejected", id="30-days-later"),
        pytest.param("2024-02-01", 1, "approved", id="31-days-later"),
    ],
)
def test_a_review_may_come_thirty_days_later(
    tmp_path: Path, drop: str, created: int, status: str
) -> None:
    again = {f"agent_approvals/{drop}": f"{APPROVALS}\na1,c1,s1,rejected,{jan(created)} 08:00\n"}
    tables = landed(tmp_path, A1 | again, 32)
    [fact] = tables["agents.fact_agent_approval"]
    assert fact["status"] == status
    late = (date.fromisoformat(drop), 2, ["too_late"])
    assert (late in reasons(tables)) == (status == "approved")


def test_an_id_with_another_day_of_creation_is_another_draft(tmp_path: Path) -> None:
    again = {"agent_approvals/2024-02-01": f"{APPROVALS}\na1,c1,s1,rejected,{jan(2)}\n"}
    facts = landed(tmp_path, A1 | again, 32)["agents.fact_agent_approval"]
    assert values_of(facts, "approval_sk", "status") == [
        ("a1_20240101", "approved"),
        ("a1_20240102", "rejected"),
    ]


def test_a_rejected_row_leaves_the_version_before_it(tmp_path: Path) -> None:
    again = {f"agent_approvals/{jan(5)}": f"{APPROVALS}\na1,,s1,rejected,{jan(1)}\n"}
    tables = landed(tmp_path, A1 | again, 5)
    assert [row["status"] for row in tables["agents.fact_agent_approval"]] == ["approved"]
    assert (january(5), 2, ["missing_conversation_id"]) in reasons(tables)


def test_an_export_is_followed_by_drops(tmp_path: Path) -> None:
    files = {
        "agent_approvals": f"{APPROVALS}\n"
        f"a1,c1,s1,pending,{jan(1)}\n"
        f"a2,c2,s1,pending,{jan(3)}\n"
        f"a2,c2,s1,expired,{jan(3)} 07:00\n"
        f"a1,c1,s1,pending,{jan(3)}\n"
        "a3,c3,s1,pending,never\n",
        f"agent_approvals/{jan(4)}": f"{APPROVALS}\n"
        f"a1,c1,s1,approved,{jan(1)}\na4,c4,s1,pending,{jan(4)}\n",
    }
    tables = landed(tmp_path, files, 5)
    facts = tables["agents.fact_agent_approval"]
    assert values_of(facts, "approval_sk", "status", "drop_date") == [
        ("a1_20240101", "approved", january(4)),
        ("a1_20240103", "pending", january(3)),
        ("a2_20240103", "expired", january(3)),
        ("a4_20240104", "pending", january(4)),
    ]
    assert reasons(tables) == [
        (None, 6, ["unreadable_timestamp"]),
        (january(3), 3, ["superseded"]),
    ]
    covered = [row["is_approvals_covered"] for row in tables["agents.daily_agent_summary"]]
    assert covered == [True, True, True, True, False]


# --- Values --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "text", "name", "value", "repair"),
    [
        pytest.param("confidence_score", " 80 ", "confidence_score", 80, "", id="percent"),
        pytest.param("confidence_score", "100.0", "confidence_score", 100, "", id="at-most-100"),
        pytest.param("confidence_score", "100.01", "confidence_score", None, "x", id="above-100"),
        pytest.param("confidence_score", '"80,5"', "confidence_score", None, "x", id="comma"),
        pytest.param("confidence_score", "-1", "confidence_score", None, "x", id="sign"),
        pytest.param("confidence_score", "NULL", "confidence_score", None, "", id="written-null"),
        pytest.param("suggested_tags", "[]", "suggested_tags_count", 0, "", id="empty-list"),
        pytest.param("suggested_tags", "", "suggested_tags_count", None, "", id="no-list"),
        pytest.param("suggested_tags", '"[1,[2,3]]"', "suggested_tags_count", 2, "", id="list"),
        pytest.param("suggested_tags", "[NaN]", "suggested_tags_count", None, "x", id="nan"),
        pytest.param("suggested_tags", "{}", "suggested_tags_count", None, "x", id="object"),
        pytest.param("suggested_tags", "[] []", "suggested_tags_count", None, "x", id="after-it"),
        pytest.param("draft_response", '" a\n"', "character_count", 3, "", id="not-trimmed"),
        pytest.param("draft_response", "👩‍⚖️", "character_count", 4, "", id="code-points"),
        pytest.param("draft_response", " null ", "character_count", None, "", id="null-in-text"),
        pytest.param("priority", " URGENT", "is_urgent", True, "", id="urgent"),
        pytest.param("recommended_action", "escalated", "is_escalated", False, "", id="other-word"),
        pytest.param("status", "Edited ", "is_edited", True, "", id="edited"),
        pytest.param("chatwoot_message_id", "007 ", "chatwoot_message_id", "007", "", id="id"),
        pytest.param("agent_type", " Unknown", "agent_type_sk", "unknown", "", id="unknown-agent"),
        pytest.param("customer_email", " UNKNOWN", "customer_sk", "unknown", "", id="no-customer"),
        pytest.param("customer_email", "A@B.c", "customer_sk", "a@b.c|s1", "", id="customer"),
    ],
)
def test_a_value_of_a_draft(
    tmp_path: Path, column: str, text: str, name: str, value: Any, repair: str
) -> None:
    header, fields = f"{APPROVALS}", f"a1,c1,S1,pending,{jan(1)}"
    if column == "status":
        fields = fields.replace("pending", text)
    else:
        header, fields = f"{header},{column}", f"{fields},{text}"
    tables = landed(tmp_path, {f"agent_approvals/{jan(1)}": f"{header}\n{fields}\n"}, 1)
    [fact] = tables["agents.fact_agent_approval"]
    assert fact[name] == value
    assert reasons(tables) == ([(january(1), 2, [f"unreadable_{column}"])] if repair else [])


@pytest.mark.parametrize(
    ("reviewed", "seconds", "reason"),
    [
        pytest.param(f"{jan(1)} 12:00:00", 0, None, id="at-once"),
        pytest.param(f"{jan(1)} 12:00:01.999999", 1, None, id="rounded-down"),
        pytest.param(f"{jan(1)} 11:59:59", None, "reviewed_before_created", id="before"),
        pytest.param(f"{jan(2)} 01:00+02:00", 11 * 3600, None, id="the-days-last-hour"),
        pytest.param(f"{jan(2)} 00:00", None, "reviewed_after_drop", id="after-the-drop"),
        pytest.param("soon", None, "unreadable_reviewed_at", id="unreadable"),
        pytest.param("", None, None, id="blank"),
    ],
)
def test_a_review_lies_between_draft_and_drop(
    tmp_path: Path, reviewed: str, seconds: int | None, reason: str | None
) -> None:
    text = f"{APPROVALS},reviewed_at\na1,c1,s1,approved,{jan(1)} 12:00,{reviewed}\n"
    tables = landed(tmp_path, {f"agent_approvals/{jan(1)}": text}, 1)
    [fact] = tables["agents.fact_agent_approval"]
    assert fact["review_time_seconds"] == seconds
    assert (fact["reviewed_at"] is None) == (seconds is None)
    assert reasons(tables) == ([(january(1), 2, [reason])] if reason else [])


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        pytest.param("x" * 500, "x" * 500, id="500-characters"),
        pytest.param("é" * 499 + "👍!", "é" * 499 + "👍", id="one-too-many"),
        pytest.param('" a\n"', " a\n", id="not-trimmed"),
        pytest.param("", None, id="none"),
    ],
)
def test_a_query_is_cut(tmp_path: Path, text: str, kept: str | None) -> None:
    files = {f"agent_queries/{jan(1)}": f"{QUERIES},query_text\n1,s,{jan(1)},{text}\n"}
    [fact] = landed(tmp_path, files, 1)["agents.fact_agent_query"]
    assert fact["query_text"] == kept


def test_a_late_row_of_a_day_that_is_not_run_is_no_fact(tmp_path: Path) -> None:
    text = f"{QUERIES}\n1,s,{jan(1)}\n2,s,{jan(2)}\n"
    landed(tmp_path, {f"agent_queries/{jan(2)}": text}, 2)
    day = january(2)
    tables = expected_tables(tmp_path, [day], FIRST, calendar_end=day, today=day)
    assert [row["source_id"] for row in tables["agents.fact_agent_query"]] == ["2"]
    assert len(tables["raw.raw_agent_queries"]) == 2


def test_an_export_may_tell_of_later_reviews(tmp_path: Path) -> None:
    text = f"{APPROVALS},reviewed_at\na1,c1,s1,approved,{jan(1)},{jan(9)}\n"
    [fact] = landed(tmp_path, {"agent_approvals": text}, 1)["agents.fact_agent_approval"]
    assert fact["review_time_seconds"] == 8 * 86400


def test_nested_values_of_json_lines(tmp_path: Path) -> None:
    row = {
        "id": ["a1"],
        "conversation_id": "c1",
        "shop_domain": {"a": 1},
        "status": ["pending"],
        "created_at": jan(1),
        "draft_response": ["x"],
        "confidence_score": [1],
        "suggested_tags": ["a", "b"],
        "knowledge_sources": {"a": 1},
    }
    lines = [row, row | {"id": 7, "created_at": [1]}, row | {"id": 7}]
    text = "".join(f"{json.dumps(line)}\n" for line in lines)
    tables = landed(tmp_path, {f"agent_approvals/{jan(1)}.jsonl": text}, 1)
    [fact] = tables["agents.fact_agent_approval"]
    assert (fact["source_id"], fact["shop_sk"], fact["status"]) == ("7", "unknown", None)
    assert (fact["character_count"], fact["confidence_score"]) == (None, None)
    assert (fact["suggested_tags_count"], fact["knowledge_sources_count"]) == (2, None)
    repairs = ["unreadable_confidence_score", "unreadable_knowledge_sources"]
    assert reasons(tables) == [
        (january(1), 1, ["missing_id", *repairs]),
        (january(1), 2, ["unreadable_timestamp", *repairs]),
        (january(1), 3, repairs),
    ]
