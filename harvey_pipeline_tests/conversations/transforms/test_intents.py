"""Intents: by rules what the first message asks to be done and is about, or as a model tells."""

import hashlib
import json
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest

from harvey_pipeline.conversations.tables.conversations import CONVERSATIONS, INTENTS
from harvey_pipeline.conversations.transforms.intents import row_hash, tell_intents
from harvey_pipeline.conversations.transforms.reading import Named
from harvey_pipeline.llm.tables import LLM_CACHE
from harvey_pipeline_tests.conversations.dailies import MONDAY

ACTIONS = (Named("create", ("draft", "write")), Named("find", ("find", "look up")))


NONE = LLM_CACHE.empty().collect()
"""No answer of any model."""


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
    [found] = tell_intents(rows, actions, NONE).collect().to_dicts()
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
    found = tell_intents(CONVERSATIONS.empty(), ACTIONS, NONE).collect()
    assert found.is_empty()
    assert dict(found.schema) == INTENTS.polars_schema


# --- by a model ----------------------------------------------------------------------------------

ROW = {
    "date": MONDAY,
    "conversation_id": "c1",
    "user_id": "u1",
    "conversation_key": 'c"1_u1_20240422',
    "message_count": 3,
    "user_messages": 2,
    "tool_calls": 1,
    "failures": 0,
    "credits_used": 40,
    "last_event_at": datetime(2024, 4, 22, 9, 30, 15, 250),
    "user_satisfaction_signal": 5,
    "feature_requests": [],
    "first_intent": "draft it",
}
HASHED = '["c\\"1_u1_20240422",3,2,1,0,40,"2024-04-22T09:30:15.000250"]'
ANSWER = {
    "primary_intent": "Draft a letter",
    "blockers": ["nobody answers"],
    "feature_requests": [],
    "satisfaction_signal": 2,
}


def answer_of(hashed: str = HASHED, output: dict[str, Any] = ANSWER, **values: Any) -> pl.DataFrame:
    """An answer of a row."""
    row = {
        "row_hash": hashlib.sha256(hashed.encode()).hexdigest(),
        "date": MONDAY,
        "user_id": "u1",
        "model": "m",
        "prompt_version": "v1",
        "input_hash": "i",
        "output": json.dumps(output),
    }
    return pl.DataFrame([row | values], schema=LLM_CACHE.polars_schema)


def intents_of(rows: list[dict[str, Any]], answers: pl.DataFrame) -> list[dict[str, Any]]:
    conversations = pl.LazyFrame(rows, schema=CONVERSATIONS.polars_schema)
    return tell_intents(conversations, ACTIONS, answers).collect().to_dicts()


def test_the_hash_of_a_row_is_that_of_its_canonical_list() -> None:
    rows = pl.DataFrame([ROW], schema=CONVERSATIONS.polars_schema)
    [found] = rows.select(row_hash()).to_series()
    assert found == hashlib.sha256(HASHED.encode()).hexdigest()
    assert json.loads(HASHED)[0] == ROW["conversation_key"]


def test_an_answer_of_the_row_as_it_is_takes_the_place_of_the_rules() -> None:
    [found] = intents_of([ROW], answer_of())
    assert found | ANSWER == found
    assert (found["method"], found["model"]) == ("llm", "m")
    assert (found["prompt_version"], found["input_hash"]) == ("v1", "i")
    # Clusters stay comparable.
    assert found["cluster"] == "create/other"


def test_another_event_makes_it_fall_back_to_the_rules() -> None:
    newer = {**ROW, "message_count": 4, "last_event_at": datetime(2024, 4, 22, 9, 31)}
    [found] = intents_of([newer], answer_of())
    assert (found["method"], found["primary_intent"]) == ("rules", "create other")
    assert found["model"] is None
    later = {**ROW, "last_event_at": ROW["last_event_at"] + timedelta(microseconds=1)}  # type: ignore[operator]
    assert [one["method"] for one in intents_of([later], answer_of())] == ["rules"]


def test_only_the_row_of_the_answer_is_told_by_it() -> None:
    other = {**ROW, "conversation_id": "c2", "conversation_key": "c2_u1_20240422"}
    found = {one["conversation_id"]: one for one in intents_of([ROW, other], answer_of())}
    assert {name: one["method"] for name, one in found.items()} == {"c1": "llm", "c2": "rules"}


def test_rows_with_answers_are_as_the_table_says() -> None:
    rows = pl.LazyFrame([ROW], schema=CONVERSATIONS.polars_schema)
    found = tell_intents(rows, ACTIONS, answer_of()).collect()
    assert dict(found.schema) == INTENTS.polars_schema
