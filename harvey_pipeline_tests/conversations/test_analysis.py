"""What models are asked about conversations, and which answers are taken."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from harvey_pipeline.conversations.analysis import IntentAnswer, payload_of, rows_to_analyze
from harvey_pipeline.conversations.configured import ANALYZE_INTENT, INTENT_PROMPTS
from harvey_pipeline.conversations.tables.conversations import CONVERSATIONS
from harvey_pipeline.conversations.transforms.intents import row_hash
from harvey_pipeline.llm.cache import AnswerStore
from harvey_pipeline.llm.canonical import canonical_json
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.warehouse import Warehouse
from harvey_pipeline_tests.conversations.dailies import MONDAY, at

ANSWER: dict[str, Any] = {
    "primary_intent": "Draft a letter",
    "blockers": ["nobody answers"],
    "feature_requests": [],
    "satisfaction_signal": 10,
}


def test_an_answer_is_what_the_definition_says() -> None:
    found = IntentAnswer.model_validate_json(json.dumps(ANSWER))
    assert found.model_dump() == ANSWER


@pytest.mark.parametrize(
    "change",
    [
        {"primary_intent": ""},
        {"primary_intent": "x" * 201},
        {"primary_intent": None},
        {"primary_intent": 1},
        {"blockers": ["x"] * 11},
        {"blockers": [""]},
        {"blockers": "x"},
        {"blockers": None},
        {"feature_requests": ["x" * 201]},
        {"feature_requests": [1]},
        {"satisfaction_signal": 11},
        {"satisfaction_signal": -1},
        {"satisfaction_signal": 7.5},
        {"satisfaction_signal": 7.0},
        {"satisfaction_signal": "7"},
        {"satisfaction_signal": True},
        {"cluster": "create/other"},
    ],
    ids=str,
)
def test_anything_else_is_invalid(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        IntentAnswer.model_validate_json(json.dumps(ANSWER | change))


@pytest.mark.parametrize("name", ANSWER)
def test_nothing_may_be_missing(name: str) -> None:
    with pytest.raises(ValidationError):
        IntentAnswer.model_validate({one: ANSWER[one] for one in ANSWER if one != name})


def test_texts_are_redacted_and_still_fit() -> None:
    given = ANSWER | {"primary_intent": "a@b.co " * 28, "blockers": ["call 030 1234567"]}
    found = IntentAnswer.model_validate(given)
    assert found.primary_intent == ("<email> " * 28)[:200]
    assert found.blockers == ["call <number>"]


def test_an_input_has_no_more_than_so_many_characters_and_both_ends() -> None:
    items = [{"role": "user", "text": f"{number:02} " + "\u00e4" * 497} for number in range(40)]
    found = payload_of(items)
    assert len(canonical_json(found)) <= 6_000
    # 530 characters each, with commas, besides 13: there is room for 11.
    kept = [one["text"][:2] for one in found["events"]]
    assert kept == [f"{number:02}" for number in (*range(6), *range(35, 40))]


@pytest.mark.parametrize("count", [1, 2, 3, 40])
def test_an_input_that_fits_is_whole(count: int) -> None:
    items = [{"role": "user", "text": str(number)} for number in range(count)]
    assert payload_of(items) == {"events": items}


def conversation(name: str, user_messages: int, **values: Any) -> dict[str, Any]:
    return {
        "date": MONDAY,
        "conversation_id": name,
        "user_id": "u1",
        "conversation_key": f"{name}_u1_{MONDAY:%Y%m%d}",
        "is_continuation": False,
        "started_at": at(1),
        "last_event_at": at(2),
        "active_days": 1,
        "message_count": user_messages,
        "user_messages": user_messages,
        "credits_used": 0,
        "tools_used": "{}",
        "tool_calls": 0,
        "failures": 0,
        "completion_status": "abandoned",
        "user_satisfaction_signal": 5,
        "feature_requests": [],
        **values,
    }


@pytest.fixture
def store(tmp_path: Path) -> AnswerStore:
    warehouse = Warehouse(database=str(tmp_path / "warehouse.duckdb"))
    rows = [conversation("b", 2), conversation("a", 2), conversation("c", 5)]
    rows.append(conversation("d", 1, date=MONDAY + timedelta(days=1)))
    frame = pl.LazyFrame(rows, schema=CONVERSATIONS.polars_schema)
    warehouse.write({CONVERSATIONS: frame}, DayRange(MONDAY, MONDAY + timedelta(days=1)))
    return AnswerStore(warehouse, "a secret")


def kept(store: AnswerStore, name: str, **values: Any) -> dict[str, Any]:
    rows = store.warehouse.read(CONVERSATIONS).filter(pl.col("conversation_id") == name)
    [hashed] = rows.select(row_hash()).collect().to_series()
    return {
        "purpose": ANALYZE_INTENT,
        "row_hash": hashed,
        "model": "m",
        "prompt_version": INTENT_PROMPTS.versions[0],
        "date": MONDAY,
        "user_id": "u1",
        "input_hash": "i",
        "output": json.dumps(ANSWER),
        "status": "ok",
        "input_tokens": 1,
        "output_tokens": 1,
        "cost_usd": 0.0,
        "latency_ms": 1,
        "called_at": at(1),
        **values,
    }


def names(store: AnswerStore, days: DayRange, *models: str) -> list[str]:
    rows = rows_to_analyze(store.warehouse, days, models, INTENT_PROMPTS)
    return rows["conversation_id"].to_list()


def test_the_longest_conversations_come_first(store: AnswerStore) -> None:
    assert names(store, DayRange(MONDAY, MONDAY), "m") == ["c", "a", "b"]
    assert names(store, DayRange(MONDAY, MONDAY + timedelta(days=1)), "m")[-1] == "d"


def test_a_row_whose_answer_counts_is_not_asked_about_again(store: AnswerStore) -> None:
    monday = DayRange(MONDAY, MONDAY)
    store.save([kept(store, "c"), kept(store, "a", status="invalid", output=None)], [])
    assert names(store, monday, "m") == ["a", "b"]
    assert names(store, monday, "m2", "m") == ["a", "b"]
    assert names(store, monday, "m2") == ["c", "a", "b"]
    store.save([kept(store, "b", prompt_version="v0")], [])
    assert names(store, monday, "m") == ["a", "b"]
    store.save([kept(store, "a")], [])
    assert names(store, monday, "m") == ["b"]
