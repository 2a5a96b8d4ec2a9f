"""How the marts are wired: what a day reads, and which days are known."""

from collections.abc import Iterable
from datetime import date
from typing import Any

import polars as pl
import pytest

from harvey_pipeline.conversations.assets.marts import (
    ASSETS,
    activation_funnel,
    pmf_dashboard,
    pmf_signals,
    retention,
)
from harvey_pipeline.conversations.sources import CONVERSATION_EVENTS
from harvey_pipeline.conversations.tables.marts import PMF_DASHBOARD, RETENTION, TABLES
from harvey_pipeline.conversations.tables.sums import USER_DAILY
from harvey_pipeline.landing.source import Source
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline_tests.conversations.mart_rows import (
    DAY,
    Row,
    before,
    cases,
    cells,
    days_to,
    exhaustions,
    rows_of,
    signals,
    steps,
    talks_of,
    user_rows,
)

NEXT = before(-1)


class _Ledger:
    """Knows of some days that events cover."""

    def __init__(self, *days: date) -> None:
        self.days = days

    def observed_days(self, source: Source, days: DayRange) -> pl.DataFrame:
        assert source is CONVERSATION_EVENTS
        seen = [day for day in self.days if days.first <= day <= days.last]
        return pl.DataFrame({"day": seen}, schema={"day": pl.Date})


class _Warehouse:
    """Knows of some days that were run."""

    def __init__(self, *days: date) -> None:
        self.days = days

    def days_written(self, table: Table) -> set[date]:
        assert table is USER_DAILY
        return set(self.days)


def rows(asset: Any, table: Table, **given: Any) -> list[Row]:
    plans: Iterable[pl.LazyFrame] = asset.compute(days=[DAY], **given).plans
    return rows_of(plans, table)


def test_every_mart_has_an_asset() -> None:
    assert [asset.table for asset in ASSETS] == list(TABLES)
    for asset in ASSETS:
        assert set(asset.windows) <= {one.table for one in asset.upstream}


@pytest.mark.parametrize(
    ("covered", "run", "is_known"),
    [((NEXT,), (NEXT,), True), ((NEXT,), (DAY,), False), ((DAY,), (NEXT,), False)],
)
def test_a_day_is_known_if_it_is_covered_and_run(
    covered: tuple[date, ...], run: tuple[date, ...], *, is_known: bool
) -> None:
    [of_day_1] = [
        row
        for row in rows(
            retention,
            RETENTION,
            first_steps=steps({}),
            user_daily=user_rows({"date": NEXT}),
            warehouse=_Warehouse(*run),
            raw_store=_Ledger(*covered),
        )
        if row["period"] == "day_1"
    ]
    assert of_day_1["retained"] == (1 if is_known else None)


@pytest.mark.parametrize(("covered", "is_covered"), [(DAY, True), (NEXT, False)])
def test_the_dashboard_says_whether_its_day_is_covered(covered: date, *, is_covered: bool) -> None:
    [row] = rows(
        pmf_dashboard,
        PMF_DASHBOARD,
        first_steps=steps(),
        user_daily=user_rows(),
        window_conversations=talks_of(None, (), [DAY]),
        credit_exhaustion=exhaustions(),
        retention=cells(),
        use_cases=cases(
            {"use_case": "drafting"}, {"use_case": "litigation"}, {"use_case": "contract_review"}
        ),
        pmf_signals=signals({}),
        raw_store=_Ledger(covered),
    )
    assert row["is_covered"] is is_covered
    # Of equals the first of the catalogue comes first.
    assert [row[f"top_use_case_{place}"] for place in (1, 2, 3)] == [
        "contract_review",
        "litigation",
        "drafting",
    ]


@pytest.mark.parametrize("table", ["tool_usage", "failure_points", "window_conversations"])
def test_marts_of_thirty_days_read_these(table: str) -> None:
    [asset] = [one for one in ASSETS if one.table.own_name == table]
    [read] = asset.inputs.values()
    assert read.days_of(DAY) == DayRange(before(29), DAY)


def test_retention_reads_thirty_days_ahead_and_is_due_for_them() -> None:
    ahead = DayRange(DAY, before(-30))
    assert retention.inputs["user_daily"].days_of(DAY) == ahead
    [coverage] = retention.after
    assert (coverage.table, coverage.days_of(DAY)) == (CONVERSATION_EVENTS.table.name, ahead)


@pytest.mark.parametrize("asset", [activation_funnel, pmf_dashboard])
def test_who_has_signed_up_is_a_question_to_all_days(asset: Any) -> None:
    assert asset.inputs["first_steps"].is_all_before
    assert asset.windows["conversations.first_steps"] is None


@pytest.mark.parametrize("day", [date(2024, 7, 31), date(2024, 7, 1)])
def test_the_funnel_reads_its_calendar_month(day: date) -> None:
    first = date(2024, 7, 1)
    rests_on: Any = activation_funnel.windows[USER_DAILY.name]
    assert list(rests_on(day)) == DayRange(first, day).days
    assert activation_funnel.inputs["user_daily"].days_of(day).first <= first


def test_cohorts_are_read_only_once_their_period_is_over() -> None:
    of_signals: Any = pmf_signals.windows[RETENTION.name]
    assert list(of_signals(DAY)) == days_to(30, before(7))
    of_dashboard: Any = pmf_dashboard.windows[RETENTION.name]
    assert list(of_dashboard(DAY)) == days_to(59, before(1))
    for asset, rests_on in ((pmf_signals, of_signals), (pmf_dashboard, of_dashboard)):
        read = asset.inputs["retention"].days_of(DAY)
        assert (read.first, read.last) == (rests_on(DAY)[0], DAY)
