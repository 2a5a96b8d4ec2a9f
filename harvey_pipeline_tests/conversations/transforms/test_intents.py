"""Intents by rules: what the first message asks to be done, and what it is about."""

from typing import Any

import polars as pl
import pytest

from harvey_pipeline.conversations.tables.conversations import CONVERSATIONS, INTENTS
from harvey_pipeline.conversations.transforms.intents import tell_intents
from harvey_pipeline.conversations.transforms.reading import Named
from harvey_pipeline_tests.conversations.dailies import MONDAY

ACTIONS = (Named("create", ("draft", "write")), Named("find", ("find", "look up")))


def told(actions: tuple[Named, ...] = ACTIONS, **values: Any) -> dict[str, Any]:
    """The intent of one conversation."""
    usual = {
        "date": MONDAY,
        "conversation_id": "c1",
        "user_id": "u1",
        "conversation_key": "c1_u1_20240422",
        "user_satisfaction_signal": 5,
        "feature_requests": [],
    }
    rows = pl.LazyFrame([{**usual, **values}], schema=CONVERSATIONS.polars_schema)
    [found] = tell_intents(rows, actions).collect().to_dicts()
    return found


def test_an_intent_by_rules() -> None:
    assert told(
        first_intent="Please draft a memo",
        extracted_use_case="contract_review",
        blocker_reason="timeout",
        feature_requests=["dark mode"],
        user_satisfaction_signal=3,
    ) == {
        "date": MONDAY,
        "conversation_id": "c1",
        "user_id": "u1",
        "conversation_key": "c1_u1_20240422",
        "primary_intent": "create contract review",
        "blockers": ["timeout"],
        "feature_requests": ["dark mode"],
        "satisfaction_signal": 3,
        "cluster": "create/contract_review",
        "method": "rules",
        "model": None,
        "prompt_version": None,
        "input_hash": None,
    }


@pytest.mark.parametrize(
    ("first", "action"),
    [
        ("DRAFT it!", "create"),
        # The first of the catalogue, not of the message.
        ("find it and write it down", "create"),
        ("find it", "find"),
        ("please look   up: it", "find"),
        ("drafting", "create"),
        # In the middle of a word it does not occur.
        ("overdraft", "ask"),
        ("hello", "ask"),
        ("", "ask"),
        (None, "ask"),
    ],
)
def test_action(first: str | None, action: str) -> None:
    found = told(first_intent=first, extracted_use_case="drafting")
    assert found["cluster"] == f"{action}/drafting"


def test_without_actions_everything_asks() -> None:
    assert told((), first_intent="draft it", extracted_use_case="x")["cluster"] == "ask/x"


def test_without_a_use_case_it_is_about_other_things() -> None:
    found = told(first_intent=None)
    assert (found["cluster"], found["primary_intent"]) == ("ask/other", "ask other")
    assert found["blockers"] == []


def test_rows_are_as_the_table_says() -> None:
    found = tell_intents(CONVERSATIONS.empty(), ACTIONS).collect()
    assert found.is_empty()
    assert dict(found.schema) == INTENTS.polars_schema
