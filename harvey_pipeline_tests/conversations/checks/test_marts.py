"""Checks of the marts: each fails for the reason that it is there for."""

from collections.abc import Iterator
from datetime import date
from typing import Any, cast

import dagster as dg
import duckdb
import polars as pl
import pytest

from harvey_pipeline.checks.plan import Judging
from harvey_pipeline.checks.report import ERROR, Report
from harvey_pipeline.conversations.checks.marts import CHECKS
from harvey_pipeline.conversations.tables.labels import SIGNALS
from harvey_pipeline.conversations.tables.marts import (
    ACTIVATION_FUNNEL,
    PMF_DASHBOARD,
    PMF_SIGNALS,
    RETENTION,
    TOOL_USAGE,
    USE_CASES,
)
from harvey_pipeline.conversations.transforms.dashboard import tell_market_fit
from harvey_pipeline.conversations.transforms.funnel import tell_activation
from harvey_pipeline.conversations.transforms.retention import follow_cohorts
from harvey_pipeline.conversations.transforms.signals import read_signals
from harvey_pipeline.conversations.transforms.tools import tell_tool_usage
from harvey_pipeline.conversations.transforms.window_conversations import tell_use_cases
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline_tests.conversations.mart_rows import (
    DAY,
    accounts,
    before,
    conversation_rows,
    database,
    days_to,
    exhaustions,
    points,
    steps,
    talks_of,
    tool_rows,
    user_rows,
)

DAYS = days_to(4)
FIRST = DAYS[0]


def together(plans: Iterator[pl.LazyFrame]) -> pl.LazyFrame:
    return pl.concat(list(plans)).collect().lazy()


@pytest.fixture(scope="module")
def tables() -> dict[Table, pl.LazyFrame]:
    """Four days, on which nothing is wrong."""
    talk = {"user_messages": 1, "messages": 1}
    people = steps(
        {"signed_up_date": FIRST, "first_active_date": FIRST, "first_chat_date": FIRST},
        {"user_id": "v", "signed_up_date": before(90)},
    )
    used = user_rows({"date": FIRST, "attempts": 2, "failures": 1}, {"credits_used": 99})
    conversations = conversation_rows(
        talk | {"use_case_messages": '{"drafting":1}', "date": FIRST},
        talk | {"use_case_messages": '{"other":1}', "conversation_id": "d"},
        talk | {"use_case_messages": '{"litigation":1}', "conversation_id": "e"},
    )
    called = tool_rows({"successes": 1}, {"tool_name": "draft"})
    retention = together(follow_cohorts(people, used, DAYS, DAYS))
    talks = talks_of(conversations, (), DAYS)
    cases = tell_use_cases(talks)
    signals = together(read_signals(used, talks, exhaustions({}), points({}), retention, (), DAYS))
    shown = tell_market_fit(
        people, used, talks, exhaustions({}), retention, cases, signals, (), DAYS, DAYS
    )
    return {
        TOOL_USAGE: together(tell_tool_usage(called, DAYS)),
        USE_CASES: cases,
        ACTIVATION_FUNNEL: together(tell_activation(people, used, accounts(), 100, DAYS)),
        RETENTION: retention,
        PMF_SIGNALS: signals,
        PMF_DASHBOARD: together(shown),
    }


@pytest.fixture
def sane(tables: dict[Table, pl.LazyFrame]) -> Iterator[duckdb.DuckDBPyConnection]:
    with database(tables) as connection:
        yield connection


def results(
    connection: duckdb.DuckDBPyConnection, days: list[date]
) -> Iterator[tuple[str, dg.AssetCheckResult]]:
    nothing = cast("Any", None)
    for checks in CHECKS:
        report = Report(checks.table, checks.checks, days)
        checks.judge(Judging(connection, nothing, nothing, days, report))
        for one in report.results():
            yield f"{checks.table.own_name} {one.check_name}", one


def failing(
    connection: duckdb.DuckDBPyConnection, days: list[date] | None = None
) -> dict[str, list[str]]:
    """The checks that fail, with the days on which they do."""
    return {
        name: cast("Any", one.metadata["failing_days"].value)
        for name, one in results(connection, DAYS if days is None else days)
        if not one.passed
    }


def test_nothing_fails_where_nothing_is_wrong(sane: duckdb.DuckDBPyConnection) -> None:
    assert failing(sane) == {}
    assert failing(sane, []) == {}
    checks = [one for table in CHECKS for one in table.checks]
    assert len(checks) == 9
    assert all(one.is_blocking and one.severity is ERROR for one in checks)


FUNNEL = "activation_funnel funnel_never_widens"


@pytest.mark.parametrize(
    ("spoil", "name"),
    [
        ("tool_usage set success_rate = 100.5", "tool_usage rates_are_percentages"),
        ("tool_usage set success_rate = null", "tool_usage rates_are_percentages"),
        ("tool_usage set success_rate = 'nan'", "tool_usage rates_are_percentages"),
        ("use_cases set completion_rate = -1", "use_cases rates_are_percentages"),
        ("retention set retention_rate = 3, retained = null", "retention rates_are_percentages"),
        ("retention set retention_rate = 0, cohort_size = 0", "retention rates_are_percentages"),
        ("pmf_dashboard set dau_rate = null", "pmf_dashboard rates_are_percentages"),
        ("pmf_dashboard set day_30_retention = 0", "pmf_dashboard rates_are_percentages"),
        (
            "pmf_signals set value = 101 where signal = 'error_rate'",
            "pmf_signals rates_are_percentages",
        ),
        (
            "pmf_signals set value = 101 where signal = 'use_case_mismatch'",
            "pmf_signals rates_are_percentages",
        ),
        ("use_cases set share_percent = share_percent + 0.001", "use_cases shares_add_up_to_100"),
        ("activation_funnel set used_tool = first_chat + 1", FUNNEL),
        ("activation_funnel set high_usage = total_users + 1", FUNNEL),
        ("activation_funnel set total_users = 1 where cohort = 'all'", FUNNEL),
        (
            "pmf_signals set signal = 'other' where signal = 'error_rate'",
            "pmf_signals signals_are_all_there",
        ),
    ],
)
def test_what_is_wrong_is_found_on_its_day(
    sane: duckdb.DuckDBPyConnection, spoil: str, name: str
) -> None:
    if name == FUNNEL and "cohort" in spoil:
        # Of 30 days there is one user; of all there is one, too, so that two are too many.
        sane.execute(
            "update conversations.activation_funnel set total_users = 2, day_1_active = 1 "
            f"where date = '{DAY}' and cohort = '30d'"
        )
    joint = "and" if " where " in spoil else "where"
    sane.execute(f"update conversations.{spoil} {joint} date = '{DAY}'")
    found = failing(sane)
    assert found[name] == [str(DAY)]
    assert failing(sane, DAYS[:-1]) == {}


@pytest.mark.parametrize("name", [name for names in SIGNALS.values() for name in names])
def test_no_signal_may_be_missing(sane: duckdb.DuckDBPyConnection, name: str) -> None:
    sane.execute(f"delete from conversations.pmf_signals where signal = '{name}'")
    assert failing(sane)["pmf_signals signals_are_all_there"] == [str(day) for day in DAYS]


@pytest.mark.parametrize("name", ["no_credit_exhaustion", "repeated_blockers"])
def test_counts_among_the_signals_are_no_percentages(
    sane: duckdb.DuckDBPyConnection, name: str
) -> None:
    sane.execute(f"update conversations.pmf_signals set value = 500 where signal = '{name}'")
    assert failing(sane) == {}
