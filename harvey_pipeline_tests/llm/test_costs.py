"""What a day's calls cost, counted by hand."""

from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from harvey_pipeline.llm.budget import Budget
from harvey_pipeline.llm.cache import AnswerStore
from harvey_pipeline.llm.costs import sum_costs
from harvey_pipeline.llm.tables import LLM_COSTS, LLM_TRACES
from harvey_pipeline.warehouse.warehouse import Warehouse

DAY = date(2024, 4, 1)


def trace(number: int, **values: Any) -> dict[str, Any]:
    usual = {
        "call_id": f"{number}",
        "trace_id": f"{number}",
        "date": DAY,
        "called_at": datetime(2024, 4, 1, 12),
        "agent": "a",
        "user_hash": "u",
        "tenant_id": "",
        "model": "m",
        "provider": "p",
        "purpose": "q",
        "prompt_version": "v1",
        "row_hash": "r",
        "max_tokens": 1,
        "prompt_tokens": 10,
        "completion_tokens": 1,
        "cost_usd": 0.5,
        "latency_ms": number,
        "status": "ok",
        "input_hash": "i",
    }
    return usual | values


def costs_of(*traces: dict[str, Any]) -> list[dict[str, Any]]:
    return sum_costs(pl.DataFrame(list(traces), schema=LLM_TRACES.polars_schema)).to_dicts()


@pytest.mark.parametrize(
    ("calls", "percentiles"),
    # The k-th of n with k = p * n / 100, rounded up.
    [
        (1, (1, 1, 1)),
        (2, (1, 2, 2)),
        (20, (10, 19, 20)),
        (21, (11, 20, 21)),
        (200, (100, 190, 198)),
    ],
)
def test_percentiles_are_by_nearest_rank(calls: int, percentiles: tuple[int, ...]) -> None:
    [found] = costs_of(*(trace(number) for number in range(calls, 0, -1)))
    assert tuple(found[f"latency_p{one}_ms"] for one in (50, 95, 99)) == percentiles


def test_what_was_known_is_no_call() -> None:
    known = {"status": "cached", "cost_usd": 0.0, "prompt_tokens": 0, "completion_tokens": 0}
    [found] = costs_of(
        trace(7, user_hash="u1"),
        trace(9, user_hash="u2", status="timeout"),
        trace(8, user_hash="u2", status="invalid"),
        trace(0, user_hash="u3", **known),
    )
    assert found == {
        "date": DAY,
        "purpose": "q",
        "prompt_version": "v1",
        "model": "m",
        "calls": 3,
        "cached": 1,
        "errors": 2,
        "invalid": 1,
        "error_rate": 200 / 3,
        "prompt_tokens": 30,
        "completion_tokens": 3,
        "cost_usd": 1.5,
        "cost_per_user_usd": 0.75,
        "latency_p50_ms": 8,
        "latency_p95_ms": 9,
        "latency_p99_ms": 9,
    }
    [alone] = costs_of(trace(0, **known))
    assert (alone["calls"], alone["cached"], alone["error_rate"]) == (0, 1, None)
    assert (alone["cost_per_user_usd"], alone["latency_p50_ms"]) == (None, None)


def test_each_day_purpose_version_and_model_is_a_row() -> None:
    changes: list[dict[str, Any]] = [
        {"date": date(2024, 4, 2)},
        {"purpose": "other"},
        {"prompt_version": "v2"},
        {"model": "other"},
    ]
    found = costs_of(trace(1), *(trace(2, **one) for one in changes))
    assert len(found) == 5
    assert dict(sum_costs(LLM_TRACES.empty().collect()).schema) == LLM_COSTS.polars_schema


def test_days_that_were_summed_up_stay_when_their_traces_have_gone(tmp_path: Path) -> None:
    store = AnswerStore(Warehouse(database=str(tmp_path / "w.duckdb")), "s")
    store.save([], [trace(1) | {"date": date(2024, 3, 1)}, trace(2)])
    store.write_costs()
    with store.warehouse.connect() as connection:
        connection.execute("delete from llm.llm_traces")
    store.write_costs()
    store.save([], [trace(3) | {"date": date(2024, 4, 2)}])
    store.write_costs()
    days = store.warehouse.query("select date from marts.llm_costs order by date")
    assert [day for (day,) in days] == [date(2024, 3, 1), DAY, date(2024, 4, 2)]
    assert set(store.warehouse.last_commits(LLM_COSTS)) == {day for (day,) in days}


@pytest.mark.parametrize(
    ("spent", "level"), [(0.0, "ok"), (7.99, "ok"), (8.0, "warn"), (9.99, "warn"), (10.0, "error")]
)
def test_levels(spent: float, level: str) -> None:
    assert Budget(10.0, spent).level == level


def test_calls_on_their_way_count() -> None:
    budget = Budget(10.0, 14.0)
    assert budget.allows(1.0)
    assert not budget.allows(1.01)
    budget.expected_usd += 0.6
    assert budget.allows(0.4)
    assert not budget.allows(0.5)
