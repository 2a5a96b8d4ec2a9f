"""Checks of a model's opinions: each finds what it is for, and says so without the words."""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from harvey_pipeline.checks.plan import Judging
from harvey_pipeline.checks.report import ERROR, WARN, Report
from harvey_pipeline.llm.tables import LLM_COSTS
from harvey_pipeline.segments.checks.opinions import CHECKS, find_fault
from harvey_pipeline.segments.tables.opinions import LLM_OPINIONS
from harvey_pipeline.segments.tables.scores import ENGAGEMENT_SCORES, TENANT_ENGAGEMENT
from harvey_pipeline.segments.tables.segments import USER_SEGMENTS
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline_tests.builders import raw_store
from harvey_pipeline_tests.segments.outcome_rows import MONDAY
from harvey_pipeline_tests.segments.stored import stored_row

(OPINIONS_CHECKS,) = CHECKS
TABLES = (ENGAGEMENT_SCORES, TENANT_ENGAGEMENT, USER_SEGMENTS, LLM_OPINIONS, LLM_COSTS)

Row = dict[str, Any]

OPINION: Row = {
    "date": MONDAY,
    "user_id": "u",
    "segment": "power",
    "sub_segment": "Daily drafter",
    "confidence": 0.8,
    "reasoning": "100 accesses on 40 days.",
    "evidence": ["30 in the latest 30 days."],
    "churn_risk": "low",
    "recommendations": None,
    "model": "m",
    "prompt_version": "v1",
    "agrees": True,
}
RECOMMENDATION: Row = {
    "category": "Training",
    "suggestion": "Try templates.",
    "reasoning": "Used 3 apps.",
    "estimated_time_savings_hours_month": 2,
    "priority": "low",
    "implementation_cost_usd_year": 0,
}
COSTS: Row = {
    "date": date(2024, 6, 5),
    "purpose": "segment_user",
    "prompt_version": "v1",
    "model": "m",
    "calls": 1000,
    "cached": 0,
    "errors": 10,
    "invalid": 0,
    "error_rate": 1.0,
    "cost_usd": 5.0,
    "latency_p95_ms": 5000,
}


class Place:
    """A warehouse in which one user may be asked about, and what the checks find in it."""

    def __init__(self, root: Path) -> None:
        self.raw_store = raw_store(root, "2024-01-01")
        self.warehouse = self.raw_store.warehouse
        with self.warehouse.connect() as connection:
            self.warehouse.prepare(connection, TABLES)
            for table in TABLES:
                # Copied, it takes rows of which only some columns matter.
                connection.execute(f"create table copy as from {table}")
                connection.execute(f"drop table {table}")
                connection.execute(f"create table {table} as from copy")
                connection.execute("drop table copy")

    def write(self, table: Table, *rows: Row) -> None:
        frame = pl.DataFrame(rows, schema=table.polars_schema)  # noqa: F841  (found by its name)
        with self.warehouse.connect() as connection:
            connection.execute(f"delete from {table}")
            connection.execute(f"insert into {table} by name from frame")

    def failing(self) -> dict[str, dg.AssetCheckResult]:
        report = Report(LLM_OPINIONS, OPINIONS_CHECKS.checks, [MONDAY])
        with self.warehouse.connect() as connection:
            OPINIONS_CHECKS.judge(
                Judging(connection, self.warehouse, self.raw_store, [MONDAY], report)
            )
        return {str(one.check_name): one for one in report.results() if not one.passed}


@pytest.fixture(scope="module")
def open_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("place"))
    with made.warehouse.connect():
        yield made


@pytest.fixture
def place(open_place: Place) -> Place:
    user = {"date": MONDAY, "user_id": "u", "tenant_id": "t", "segment": "power"}
    open_place.write(USER_SEGMENTS, user | {"llm_reasons": ["power"]})
    open_place.write(ENGAGEMENT_SCORES, stored_row(MONDAY, "u"))
    open_place.write(TENANT_ENGAGEMENT, {"date": MONDAY, "tenant_id": "t", "active_users": 1})
    open_place.write(LLM_OPINIONS, OPINION)
    open_place.write(LLM_COSTS)
    return open_place


def test_an_opinion_that_rests_on_what_was_told_is_valid(place: Place) -> None:
    place.write(LLM_OPINIONS, OPINION | {"recommendations": json.dumps([RECOMMENDATION])})
    assert place.failing() == {}


def test_nothing_was_told_and_nothing_asked(place: Place) -> None:
    place.write(LLM_OPINIONS)
    assert place.failing() == {}


def test_a_number_that_was_not_told_is_found(place: Place) -> None:
    place.write(LLM_OPINIONS, OPINION | {"reasoning": "101 accesses by Ann."})
    [found] = place.failing().values()
    assert (found.check_name, found.severity) == ("model_output_is_valid", ERROR)
    assert "the number 101 is not in the input" in str(found.description)
    assert "Ann" not in str(found.description)
    assert found.metadata["failing_days"].value == [str(MONDAY)]


def test_an_opinion_on_somebody_nobody_asked_about_is_found(place: Place) -> None:
    place.write(LLM_OPINIONS, OPINION | {"user_id": "w"})
    assert "there is no reason to ask" in str(place.failing()["model_output_is_valid"].description)


def test_opinions_of_other_days_are_left_alone(place: Place) -> None:
    place.write(LLM_OPINIONS, OPINION | {"date": MONDAY + timedelta(days=7), "user_id": "w"})
    assert place.failing() == {}


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"sub_segment": ""}, "sub_segment: "),
        ({"confidence": 1.5}, "confidence: "),
        ({"evidence": []}, "evidence: "),
        ({"reasoning": "x" * 1501}, "reasoning: "),
        ({"recommendations": "["}, "recommendations: no JSON"),
        ({"recommendations": "[]"}, "recommendations: "),
        ({"recommendations": json.dumps([RECOMMENDATION] * 4)}, "recommendations: "),
        (
            {"recommendations": json.dumps([RECOMMENDATION | {"reasoning": "Used 4 apps."}])},
            "the number 4 is not in the input",
        ),
    ],
)
def test_every_bound_is_looked_at(changes: Row, fault: str) -> None:
    assert find_fault(OPINION, '{"a":[100,40,30,3]}') is None
    assert str(find_fault(OPINION | changes, '{"a":[100,40,30,3]}')).startswith(fault)


@pytest.mark.parametrize(
    ("changes", "severity"),
    [
        ({}, None),
        ({"error_rate": 1.1}, WARN),
        ({"latency_p95_ms": 5001}, WARN),
        ({"cost_usd": 5.01}, WARN),
        ({"cost_usd": 10.0}, WARN),
        ({"cost_usd": 10.01}, ERROR),
        ({"error_rate": None, "latency_p95_ms": None, "calls": 0, "cost_usd": 0.0}, None),
    ],
)
def test_a_model_that_runs_badly_is_told(place: Place, changes: Row, severity: Any) -> None:
    place.write(LLM_COSTS, COSTS | changes)
    found = place.failing()
    if severity is None:
        assert found == {}
    else:
        assert found["model_runs_well"].severity == severity
        assert "2024-06-05" in str(found["model_runs_well"].description)


def test_a_days_cost_is_that_of_all_it_was_asked(place: Place) -> None:
    place.write(LLM_COSTS, COSTS, COSTS | {"purpose": "other", "cost_usd": 0.01})
    assert place.failing()["model_runs_well"].severity == WARN


def test_only_the_latest_week_of_calls_is_looked_at(place: Place) -> None:
    bad = COSTS | {"error_rate": 50.0}
    place.write(LLM_COSTS, bad, COSTS | {"date": date(2024, 6, 11)})
    assert "model_runs_well" in place.failing()
    place.write(LLM_COSTS, bad, COSTS | {"date": date(2024, 6, 12)})
    assert place.failing() == {}
