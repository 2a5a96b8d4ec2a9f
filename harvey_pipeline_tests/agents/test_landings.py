"""The dirty landing folders hold what they are made for."""

from datetime import datetime
from pathlib import Path

from harvey_pipeline_tests.agents.by_hand.landed import FIRST
from harvey_pipeline_tests.agents.landings import DirtyLanding, days_from
from harvey_pipeline_tests.agents.oracle import expected_tables


def test_a_dirty_landing_is_the_same_for_a_seed_and_holds_every_reason(tmp_path: Path) -> None:
    days = days_from(FIRST, 60)
    for name in ("one", "two"):
        DirtyLanding(tmp_path / name, 1).deliver(days)
    one_root, two_root = tmp_path / "one", tmp_path / "two"
    files = {path.relative_to(one_root): path.read_bytes() for path in one_root.rglob("*.*")}
    others = {path.relative_to(two_root): path.read_bytes() for path in two_root.rglob("*.*")}
    assert files == others
    tables = expected_tables(one_root, days, FIRST, calendar_end=days[-1], today=days[-1])
    found = {
        (row["source"], reason) for row in tables["raw.quarantine"] for reason in row["reasons"]
    }
    approvals = {reason for source, reason in found if source == "agent_approvals"}
    assert approvals >= {
        "missing_id",
        "missing_conversation_id",
        "unreadable_timestamp",
        "created_after_drop",
        "before_start_date",
        "too_late",
        "superseded",
        "reviewed_before_created",
        "reviewed_after_drop",
        "unreadable_reviewed_at",
        "unreadable_confidence_score",
    }
    assert {"wrong_field_count", "not_an_object"} <= {reason for _, reason in found}
    assert {source for source, _ in found} == {
        "agent_approvals",
        "agent_queries",
        "agent_feedback",
        "shops",
        "customers",
        "annotators",
        "agent_types",
    }
    statuses = {row["status"] for row in tables["agents.fact_agent_approval"]}
    assert {"pending", "approved", "rejected", "edited", None} <= statuses
    returned = [row["shop_domain"] for row in tables["agents.dim_shop"]]
    assert len(returned) > len(set(returned)) > 8
    assert all(
        row["is_current"] is (row["expiration_date"] is None) for row in tables["agents.dim_shop"]
    )
    redelivered = [
        row
        for row in tables["agents.fact_agent_approval"]
        if (row["drop_date"] - row["date"]).days == 30
    ]
    assert redelivered
    assert any(isinstance(row["created_at"], datetime) for row in redelivered)
