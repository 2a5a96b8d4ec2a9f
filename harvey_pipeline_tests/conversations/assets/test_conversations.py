"""Conversations and intents as the graph computes them: what they read, and what they hand on."""

from datetime import date, datetime, timedelta
from pathlib import Path

from harvey_pipeline.conversations.assets.conversations import ASSETS, conversations, intents
from harvey_pipeline.conversations.tables.conversations import CONVERSATIONS, INTENTS
from harvey_pipeline.graph.due import Graph, due_partitions, find_overtaken
from harvey_pipeline.llm.cache import AnswerStore
from harvey_pipeline.warehouse.commits import Basis
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.warehouse import Pieces, Warehouse
from harvey_pipeline_tests.builders import raw_store
from harvey_pipeline_tests.conversations.dailies import MONDAY, dailies, daily


def test_a_conversation_rests_on_two_weeks_before_and_after_it() -> None:
    [read] = conversations.upstream
    days = read.days_of(MONDAY)
    assert read.table == "conversations.conversation_daily"
    assert days.first == MONDAY - timedelta(days=14)
    assert days.last == MONDAY + timedelta(days=13)


def test_an_intent_rests_on_its_conversation() -> None:
    [read] = intents.upstream
    assert (read.table, read.has_window) == ("conversations.conversations", False)


def test_an_intent_rests_on_answers_of_its_own_day_alone() -> None:
    """So that an answer makes its day due, and nothing is computed after who asks."""
    watched = {one.table: one.has_window for one in intents.watched}
    assert watched == {"conversations.conversations": False, "llm.llm_cache": False}


def test_an_answer_makes_its_day_due_until_it_was_taken(tmp_path: Path) -> None:
    raw = raw_store(tmp_path, str(MONDAY))
    warehouse = raw.warehouse
    days = DayRange(MONDAY, MONDAY + timedelta(days=2))
    tables = {table.name: table for table in (CONVERSATIONS, INTENTS)}

    def compute() -> None:
        basis = Basis(warehouse.generation(), dict.fromkeys(days.days, intents.version))
        warehouse.write({INTENTS: INTENTS.empty()}, days, basis)

    def due() -> dict[date, str]:
        found = due_partitions(intents, days.days, tables, warehouse, raw)
        graph = Graph((), (intents,))
        assert found.keys() == find_overtaken(graph, INTENTS, 3, tables, warehouse).keys()
        return {day: one.reason for day, one in found.items()}

    warehouse.write({CONVERSATIONS: CONVERSATIONS.empty()}, days)
    compute()
    assert due() == {}
    tuesday = MONDAY + timedelta(days=1)
    answer = dict.fromkeys(("purpose", "row_hash", "model", "prompt_version"), "x") | {
        "date": tuesday,
        "user_id": "u1",
        "input_hash": "i",
        "output": "{}",
        "status": "ok",
        "input_tokens": 1,
        "output_tokens": 1,
        "cost_usd": 0.0,
        "latency_ms": 1,
        "called_at": datetime(2024, 4, 23),
    }
    AnswerStore(warehouse, "a secret").save([answer], [])
    assert due() == {tuesday: f"llm.llm_cache of {tuesday} changed after it"}
    compute()
    assert due() == {}


def test_the_catalogue_decides_between_equals_and_names_the_action(tmp_path: Path) -> None:
    """By their names compliance would be before contract_review."""
    row = daily(
        messages=1,
        user_messages=1,
        use_case_messages='{"compliance":1,"contract_review":1}',
        first_message="Please review",
    )
    made = conversations.compute(days=[MONDAY], conversation_daily=dailies([row]))
    assert isinstance(made, Pieces)
    [found] = made.plans
    warehouse = Warehouse(database=str(tmp_path / "warehouse.duckdb"))
    told = intents.compute(days=[MONDAY], conversations=found, warehouse=warehouse)
    assert not isinstance(told, Pieces)
    assert told.collect()["cluster"].to_list() == ["check/contract_review"]  # type: ignore[union-attr]


def test_all_assets_are_there() -> None:
    assert (conversations, intents) == ASSETS
