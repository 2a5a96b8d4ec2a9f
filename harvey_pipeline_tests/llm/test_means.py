"""What stops calls, and what is kept of them, against a real server."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from harvey_pipeline.llm.settings import Price
from harvey_pipeline.llm.tables import LLM_CACHE
from harvey_pipeline.settings import SettingsError
from harvey_pipeline_tests.llm.model_server import Asked, Reply, serving
from harvey_pipeline_tests.llm.questions import (
    DAY,
    KEY,
    RED,
    Asker,
    always,
    names,
    one_after_the_other,
    provider_of,
    question,
    settings_of,
)

pytestmark = pytest.mark.services


@pytest.fixture
def asker(tmp_path: Path) -> Asker:
    return Asker(tmp_path)


# --- budget and stop -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("calls", "level"), [(7, "ok"), (8, "warn"), (9, "warn"), (10, "error"), (15, "error")]
)
def test_levels_of_the_budget(calls: int, level: str, asker: Asker) -> None:
    """A call costs a cent, of ten a month."""
    with serving(always(RED)) as server:
        settings = settings_of(provider_of(server), budget_usd=0.1)
        summary = asker.ask(settings, *map(question, names(calls)))
    assert (summary.answered, summary.level) == (calls, level)
    assert summary.spent_usd == pytest.approx(calls / 100)


@pytest.mark.parametrize("parallel", [1, 4])
def test_no_call_begins_beyond_one_and_a_half_budgets(parallel: int, asker: Asker) -> None:
    """Ten cents are the budget; a call is expected to cost no more than its cent.

    Those that are on their way may cost that much each, where less is expected of them.
    """
    most = 0.1501 + 0.01 * (parallel - 1)
    with serving(always(Reply({"colour": "red"}, seconds=0.02))) as server:
        settings = settings_of(provider_of(server), budget_usd=0.1, parallel=parallel)
        summary = asker.ask(settings, *map(question, names(40)))
        assert len(server.asked) == summary.calls == summary.answered
        assert 0.13 < summary.spent_usd <= most
        assert summary.left == 40 - summary.answered
        assert summary.stopped == "the budget of 0.1 USD a month (HARVEY_LLM_BUDGET_USD)"
        asked = len(server.asked)
        again = asker.ask(settings, *map(question, names(40)))
        assert len(server.asked) == asked + again.calls
        assert again.spent_usd <= most


def test_a_call_that_may_cost_more_than_is_left_does_not_begin(asker: Asker) -> None:
    """Two thousand tokens at 100 USD a million are 0.20 USD, of 0.15."""
    with serving(always(RED)) as server:
        dear = provider_of(server, price=Price(0.0, 100.0))
        summary = asker.ask(settings_of(dear, budget_usd=0.1), question())
        assert server.asked == []
    assert (summary.left, summary.calls, summary.level) == (1, 0, "ok")


def test_last_months_calls_do_not_count(asker: Asker) -> None:
    with serving(always(RED)) as server:
        settings = settings_of(provider_of(server), budget_usd=0.02)
        asker.ask(settings, question("a"), question("b"))
        assert asker.ask(settings, question("c"), question("d")).calls <= 1
        with asker.warehouse.connect() as connection:
            connection.execute("update llm.llm_traces set date = date - interval 1 month")
        assert asker.ask(settings, question("d")).spent_usd == pytest.approx(0.01)
    assert asker.store.spent_usd(date(2000, 1, 1)) == 0


def test_a_file_stops_before_the_next_call(asker: Asker) -> None:
    stop = asker.folder / "llm.stop"

    def stop_after_two(_: Asked) -> Reply:
        if len(server.asked) == 2:
            stop.touch()
        return RED

    with serving(stop_after_two) as server:
        settings = settings_of(provider_of(server))
        summary = asker.ask(settings, *map(question, names(5)))
        assert (summary.answered, summary.left, summary.stopped) == (2, 3, str(stop))
        with pytest.raises(SettingsError, match=r"llm\.stop"):
            asker.ask(settings, *map(question, names(5)))
        stop.unlink()
        assert asker.ask(settings, *map(question, names(5))).answered == 3


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"is_stopped": True}, "HARVEY_LLM_STOP"),
        ({"budget_usd": 0.0}, "HARVEY_LLM_BUDGET_USD is 0"),
        ({"providers": ()}, "HARVEY_LLM_MODEL is not set"),
    ],
)
def test_nothing_is_asked_without_the_means(
    change: dict[str, Any], told: str, asker: Asker
) -> None:
    with serving(always(RED)) as server:
        with pytest.raises(SettingsError, match=told):
            asker.ask(settings_of(provider_of(server), **change), question())
        assert server.asked == []


def test_a_provider_without_a_key_or_a_price_is_refused(asker: Asker) -> None:
    with serving(always(RED)) as server:
        with pytest.raises(SettingsError, match="HARVEY_LLM_OPENAI_KEY is not set"):
            asker.ask(settings_of(provider_of(server, key=None, url=None)), question())
        with pytest.raises(SettingsError, match="no price is known of openai-model"):
            asker.ask(settings_of(provider_of(server, price=None)), question())
        assert server.asked == []
        asker.ask(settings_of(provider_of(server, price=None, model="gpt-4o-mini")), question())
    # 0.15 and 0.60 USD per million: a thousand tokens read, a hundred written.
    [(cost,)] = asker.rows("cost_usd", "llm.llm_traces")
    assert cost == pytest.approx(0.00015 + 0.00006)


# --- what is kept --------------------------------------------------------------------------------


def test_the_warehouse_is_free_while_a_model_thinks(asker: Asker) -> None:
    """Another process's writer would wait for the file; here its lock is looked at from one."""
    looks = []

    def look(_: Asked) -> Reply:
        code = f"import duckdb; duckdb.connect({str(asker.warehouse.path)!r}).close()"
        looks.append(subprocess.run([sys.executable, "-c", code], check=False).returncode)
        return RED

    with serving(look) as server:
        asker.ask(settings_of(provider_of(server)), question("a"), question("b"))
    assert looks == [0, 0]


def test_days_with_new_answers_are_noted_as_changed(asker: Asker) -> None:
    later = question("b", day=date(2024, 4, 3))
    failing = question("c", day=date(2024, 4, 9))

    def behave(asked: Asked) -> Reply:
        return Reply(status=400) if "c" in asked.given.split(":")[1] else RED

    with serving(behave) as server:
        asker.ask(settings_of(provider_of(server)), question("a"), later, failing)
    assert set(asker.warehouse.last_commits(LLM_CACHE)) == {DAY, date(2024, 4, 3)}


def test_costs_are_summed_up_by_day(asker: Asker) -> None:
    with serving(one_after_the_other(Reply(status=500), RED)) as server:
        alike = replace(question("a"), row_hash="another", user_id="u2")
        asker.ask(settings_of(provider_of(server)), question("a"), alike, question("b", "u3"))
    [row] = asker.rows(
        "purpose, prompt_version, model, calls, cached, errors, error_rate, prompt_tokens, "
        "completion_tokens, cost_usd, cost_per_user_usd",
        "marts.llm_costs",
    )
    assert row[:6] == ("name_colour", "v1", "openai-model", 3, 1, 1)
    assert row[6] == pytest.approx(100 / 3)
    assert row[7:] == (2000, 200, 0.02, 0.01)


def test_a_key_is_in_nothing_that_is_kept(asker: Asker) -> None:
    """The server tells the key in its errors."""
    faults: list[Callable[[Asked], Reply]] = [always(Reply(status=one)) for one in (500, 400, 401)]
    for fault in faults:
        with serving(fault) as server:
            settings = settings_of(provider_of(server), provider_of(server, "anthropic"))
            asker.ask(settings, question())
            assert KEY not in repr(settings)
    for table in ("llm.llm_traces", "llm.llm_cache", "marts.llm_costs"):
        rows = asker.rows("*", table)
        assert rows
        assert KEY not in repr(rows)


def test_progress_is_told(asker: Asker) -> None:
    with serving(always(RED)) as server:
        asker.ask(settings_of(provider_of(server)), *map(question, names(3)))
    assert [(one.done, one.total) for one in asker.told] == [(1, 3), (2, 3), (3, 3)]


def test_an_answer_may_be_any_model_of_pydantic(asker: Asker) -> None:
    class Numbers(BaseModel):
        numbers: list[float]

    with serving(always(Reply({"numbers": [0.5, 2]}))) as server:
        asker.ask(settings_of(provider_of(server)), question(answer=Numbers))
    assert asker.answers() == [("openai-model", "ok", '{"numbers":[0.5,2.0]}')]
