"""Answers that are kept, and which of them count."""

from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from harvey_pipeline.llm.cache import AnswerStore, answers, answers_that_count
from harvey_pipeline.llm.prompts import Prompt, Prompts
from harvey_pipeline.llm.tables import LLM_CACHE
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.warehouse import Warehouse

DAY = date(2024, 4, 1)
DAYS = DayRange(DAY, DAY)
ONE = Prompts(((Prompt("ask", "v1", ""), 100),))


@pytest.fixture
def store(tmp_path: Path) -> AnswerStore:
    return AnswerStore(Warehouse(database=str(tmp_path / "warehouse.duckdb")), "a secret")


def row(**values: Any) -> dict[str, Any]:
    usual = {
        "purpose": "ask",
        "row_hash": "r1",
        "model": "m1",
        "prompt_version": "v1",
        "date": DAY,
        "user_id": "u1",
        "input_hash": "i1",
        "output": "{}",
        "status": "ok",
        "input_tokens": 10,
        "output_tokens": 1,
        "cost_usd": 0.5,
        "latency_ms": 7,
        "called_at": datetime(2024, 4, 1, 12),
    }
    return usual | values


def test_an_answer_takes_the_place_of_an_earlier_one_and_costs_add_up(store: AnswerStore) -> None:
    store.save([row(status="failed", output=None)], [])
    store.save([row()], [])
    [found] = store.warehouse.query(
        "select status, input_tokens, output_tokens, cost_usd, latency_ms from llm.llm_cache"
    )
    assert found == ("ok", 20, 2, 1.0, 7)


def test_only_valid_answers_of_the_purpose_models_versions_and_days_are_found(
    store: AnswerStore,
) -> None:
    others: list[dict[str, Any]] = [
        {"purpose": "other"},
        {"model": "m2"},
        {"prompt_version": "v2"},
        {"row_hash": "r2", "status": "invalid", "output": None},
        {"row_hash": "r3", "status": "failed", "output": None},
        {"row_hash": "r4", "date": date(2024, 4, 2)},
    ]
    store.save([row(), *(row(**one) for one in others)], [])
    found = answers(store.warehouse, "ask", ["m1"], ["v1"], DAYS)
    assert found["row_hash"].to_list() == ["r1"]
    assert dict(found.schema) == LLM_CACHE.polars_schema
    assert answers(store.warehouse, "ask", [], ["v1"], DAYS).is_empty()
    assert store.known("ask", ["r1", "r2", "r3"], ["m1"]) == {("r1", "v1"), ("r1", "v2")}
    assert store.with_inputs("ask", ["i1", "i2"], ["m2"]) == {"i1": "{}"}


def test_of_several_models_the_first_ones_answer_counts(store: AnswerStore) -> None:
    store.save([row(model="m1"), row(model="m2"), row(row_hash="r2", model="m1")], [])
    for models in (["m1", "m2"], ["m2", "m1"]):
        found = answers_that_count(store.warehouse, models, ONE, DAYS)
        by_row = dict(found.select("row_hash", "model").iter_rows())
        assert by_row == {"r1": models[0], "r2": "m1"}


def test_only_the_version_that_the_user_has_counts(store: AnswerStore) -> None:
    two = Prompts(((Prompt("ask", "v1", ""), 50), (Prompt("ask", "v2", ""), 50)))
    people = [f"u{number}" for number in range(20)]
    store.save(
        [
            row(row_hash=one, user_id=one, prompt_version=version)
            for one in people
            for version in ("v1", "v2")
        ],
        [],
    )
    found = answers_that_count(store.warehouse, ["m1"], two, DAYS)
    by_row = dict(found.select("row_hash", "prompt_version").iter_rows())
    assert by_row == {one: two.of_user(one).version for one in people}
    assert set(by_row.values()) == {"v1", "v2"}


def test_only_days_with_a_new_valid_answer_change(store: AnswerStore) -> None:
    store.save([row(status="failed", output=None)], [])
    assert store.warehouse.last_commits(LLM_CACHE) == {}
    store.save([row(), row(row_hash="r2", date=date(2024, 4, 3))], [])
    assert set(store.warehouse.last_commits(LLM_CACHE)) == {DAY, date(2024, 4, 3)}
