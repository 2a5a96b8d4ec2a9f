"""The dirty landing folders hold what they are made for, and the reference looks not ahead."""

from pathlib import Path

import pytest

from harvey_pipeline_tests.conversations.landings import (
    FIRST,
    LENGTH,
    DirtyLanding,
    days_from,
)
from harvey_pipeline_tests.conversations.oracle import expected_tables, tables_of_events
from harvey_pipeline_tests.conversations.oracle.catalogue import DEFAULT
from harvey_pipeline_tests.conversations.oracle.reading import events_of
from harvey_pipeline_tests.conversations.oracle.sources import (
    ACCOUNTS,
    CONVERSATION_EVENTS,
    SOURCES,
    account_history,
)
from harvey_pipeline_tests.oracle.landing import Landing, load

LOOK_AHEAD = {"dim_account", "first_steps", "conversations", "intents", "retention"}
"""Tables that are not by day, or whose past days read later ones."""


def test_a_dirty_landing_is_the_same_for_a_seed(tmp_path: Path) -> None:
    for name in ("one", "two"):
        DirtyLanding(tmp_path / name, 1).deliver(days_from(FIRST, 5))
    files, others = (
        {path.relative_to(root): path.read_bytes() for path in root.rglob("*.*")}
        for root in (tmp_path / "one", tmp_path / "two")
    )
    assert files == others


@pytest.mark.long
def test_a_dirty_landing_holds_every_reason_and_every_status(tmp_path: Path) -> None:
    days = days_from(FIRST, LENGTH)
    DirtyLanding(tmp_path, 2).deliver(days)
    tables = expected_tables(tmp_path, days, FIRST)
    assert {reason for row in tables["raw.quarantine"] for reason in row["reasons"]} >= {
        "missing_id",
        "missing_conversation_id",
        "missing_user_id",
        "missing_timestamp",
        "unreadable_timestamp",
        "created_after_drop",
        "too_late",
        "missing_event_type",
        "unknown_event_type",
        "duplicate_event_id",
        "superseded",
        "wrong_field_count",
        "not_an_object",
        "unreadable_content",
        "unreadable_success",
        "unreadable_credits",
        "unreadable_credit_limit",
    }

    def values(table: str, column: str) -> set[object]:
        return {row[column] for row in tables[f"conversations.{table}"]}

    statuses = values("conversations", "completion_status")
    assert statuses == {"completed", "blocked_by_credits", "abandoned"}
    assert values("conversations", "blocker_reason") >= {None, "credits", "no_reply", "unknown"}
    assert values("conversations", "is_continuation") == {True, False}
    assert max(row["active_days"] for row in tables["conversations.conversations"]) > 4
    assert values("conversations", "extracted_use_case") == {*DEFAULT.use_cases, "other", None}
    cohorts = {"churned", "week_2", "week_1", "day_1", "day_0"}
    assert values("user_profiles", "retention_cohort") == cohorts
    activations = {"dormant", "power_user", "first_creation", "signed_up"}
    assert values("user_profiles", "activation_status") == activations
    for table, column in (
        ("credit_exhaustion", "is_exhausted"),
        ("credit_exhaustion", "is_limit_reached"),
        ("failure_points", "is_repeated"),
        ("pmf_signals", "is_reliable"),
        ("pmf_dashboard", "is_covered"),
    ):
        assert values(table, column) == {True, False}, column
    assert values("pmf_signals", "is_met") == {True, False, None}
    assert None in values("retention", "retained")
    assert any(row["retained"] for row in tables["conversations.retention"])
    users = {
        (row["date"], row["conversation_id"]): set[str]()
        for row in tables["conversations.conversation_daily"]
    }
    for row in tables["conversations.conversation_daily"]:
        users[row["date"], row["conversation_id"]].add(row["user_id"])
    assert any(len(found) > 1 for found in users.values()), "two users in one conversation"


@pytest.mark.long
def test_what_comes_after_a_day_changes_nothing_of_it(tmp_path: Path) -> None:
    days = days_from(FIRST, 40)
    DirtyLanding(tmp_path, 3).deliver(days)
    folder = Landing(tmp_path, FIRST, SOURCES)
    loads = [load(folder, CONVERSATION_EVENTS, day) for day in days]
    accounts = [load(folder, ACCOUNTS, day) for day in days]
    events = events_of(loads, days, DEFAULT)
    covered = {each.day for each in loads if each.is_observed}
    end = days[26]
    whole = tables_of_events(events, days, account_history(accounts), covered=covered)
    shorter = tables_of_events(
        [event for event in events if event.day <= end],
        days[:27],
        account_history(each for each in accounts if each.day <= end),
        covered={day for day in covered if day <= end},
    )
    for name in shorter.keys() - LOOK_AHEAD:
        expected = [row for row in whole[name] if row["date"] <= end]
        assert sorted(shorter[name], key=str) == sorted(expected, key=str), name
