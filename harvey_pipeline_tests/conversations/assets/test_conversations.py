"""Conversations and intents as the graph computes them: what they read, and what they hand on."""

from datetime import timedelta
from pathlib import Path

from harvey_pipeline.conversations.assets.conversations import ASSETS, conversations, intents
from harvey_pipeline.warehouse.warehouse import Pieces, Warehouse
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
