"""Checks of users, each failing for what it is there for and for nothing else."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final, cast

import dagster as dg
import dataframely as dy
import polars as pl
import pytest

from harvey_pipeline.checks.contract import SCHEMA_HOLDS, contract_of
from harvey_pipeline.checks.plan import Judging, TableChecks
from harvey_pipeline.checks.report import ERROR, WARN, Report
from harvey_pipeline.conversations.checks.users import CHECKS
from harvey_pipeline.conversations.tables.users import (
    CREDIT_EXHAUSTION,
    FIRST_STEPS,
    USER_PROFILES,
)
from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline.warehouse import columns as c
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline.warehouse.warehouse import Warehouse

STEPS, EXHAUSTION, PROFILES = CHECKS

DAY: Final = date(2024, 5, 31)
NEXT: Final = DAY + timedelta(days=1)
NOON: Final = datetime.combine(DAY, time(12))

Row = dict[str, Any]
Tables = Mapping[Table, Sequence[Row]]


class _Accounts(dy.Schema):
    user_id = c.text("User.", key=True)
    account_created_at = c.moment("Created.")
    effective_start_date = c.day("First day.", key=True)


class _UserDaily(dy.Schema):
    date = c.day("The day.", key=True)
    user_id = c.text("User.", key=True)
    credits_used = c.count("Credits.")
    refusals = c.count("Refusals.")
    last_event_at = c.moment("Last event.")


ACCOUNTS: Final = Table("conversations.dim_account", _Accounts)
USER_DAILY: Final = Table("conversations.user_daily", _UserDaily, "date")


def results(
    folder: Path, checks: TableChecks, tables: Tables, days: Sequence[date] = (DAY, NEXT)
) -> dict[str, dg.AssetCheckResult]:
    """What the checks, and the table's contract, find in a warehouse with these rows."""
    warehouse = Warehouse(database=str(folder / "warehouse.duckdb"))
    for table, rows in tables.items():
        columns = {name: [row.get(name) for row in rows] for name in table.polars_schema}
        frame = pl.LazyFrame(columns, schema=table.polars_schema)
        warehouse.write({table: frame}, DayRange(days[0], days[-1]))
    contract = contract_of(checks.table)
    report = Report(checks.table, (contract.check, *checks.checks), days)
    with warehouse.connect() as connection:
        warehouse.prepare(connection, [checks.table, ACCOUNTS, USER_DAILY])
        contract.judge(connection.sql(f"from {checks.table}").pl(), report)
        checks.judge(Judging(connection, warehouse, cast(RawStore, None), days, report))
    return {str(one.check_name): one for one in report.results()}


def failing(folder: Path, checks: TableChecks, tables: Tables) -> dict[str, dg.AssetCheckResult]:
    return {name: one for name, one in results(folder, checks, tables).items() if not one.passed}


def assert_only(
    found: Mapping[str, dg.AssetCheckResult],
    check: str,
    severity: dg.AssetCheckSeverity,
    count: int = 1,
) -> None:
    assert list(found) == [check]
    assert found[check].severity == severity
    assert found[check].metadata["failing_count"].value == count


def step(**changes: Any) -> Row:
    return {"user_id": "u1", "signed_up_date": DAY} | changes


def account(created: datetime = NOON, since: date = DAY, **changes: Any) -> Row:
    row = {"user_id": "u1", "account_created_at": created, "effective_start_date": since}
    return row | changes


def used(**changes: Any) -> Row:
    row = {
        "date": DAY,
        "user_id": "u1",
        "credits_used": 3,
        "refusals": 1,
        "last_event_at": NOON,
    }
    return row | changes


def exhausted(**changes: Any) -> Row:
    row = {
        "date": DAY,
        "user_id": "u1",
        "credits_used": 3,
        "credits_used_month": 3,
        "credit_limit": 100,
        "used_percent": 3.0,
        "refusals": 1,
        "is_limit_reached": False,
        "is_exhausted": True,
    }
    return row | changes


def profile(**changes: Any) -> Row:
    row = {
        "date": DAY,
        "user_id": "u1",
        "signed_up_date": DAY,
        "days_since_signup": 0,
        "total_conversations": 1,
        "total_messages": 0,
        "total_credits_used": 3,
        "active_days": 1,
        "sessions": 1,
        "last_active_at": NOON,
        "last_active_date": DAY,
        "average_session_length": 0.0,
        "completion_rate": 0.0,
        "preferred_tools": [],
        "frequently_used_prompts": [],
        "preferences": "{}",
        "credit_exhaustion_count": 0,
        "retention_cohort": "day_0",
        "activation_status": "signed_up",
        "context_summary": "status signed up",
    }
    return row | changes


def test_of_nothing_nothing_fails(tmp_path: Path) -> None:
    for place, checks in enumerate(CHECKS):
        folder = tmp_path / str(place)
        folder.mkdir()
        assert failing(folder, checks, {}) == {}


def test_which_checks_hold_back_what_follows() -> None:
    blocking = {check.name for one in CHECKS for check in one.checks if check.is_blocking}
    assert blocking == {"every_refused_user_is_exhausted", "every_active_user_has_a_profile"}


@pytest.mark.parametrize(
    ("steps", "accounts", "count"),
    [
        pytest.param([step()], [account()], 0, id="the-same-day"),
        pytest.param([step()], [], 0, id="no-account"),
        pytest.param([step()], [account(NOON - timedelta(days=1))], 1, id="created-before"),
        pytest.param([step()], [account(NOON + timedelta(days=1))], 1, id="created-after"),
        pytest.param(
            [step(signed_up_date=DAY - timedelta(days=1))], [account()], 0, id="of-another-day"
        ),
        pytest.param(
            [step()],
            [account(), account(NOON + timedelta(days=9), NEXT)],
            0,
            id="the-first-version",
        ),
    ],
)
def test_signing_up_against_the_account(
    tmp_path: Path, steps: list[Row], accounts: list[Row], count: int
) -> None:
    found = failing(tmp_path, STEPS, {FIRST_STEPS: steps, ACCOUNTS: accounts})

    if count:
        assert_only(found, "signup_agrees_with_account", WARN, count)
        assert str(DAY) in str(found["signup_agrees_with_account"].metadata["failing_days"].value)
    else:
        assert found == {}


@pytest.mark.parametrize(
    ("daily", "rows", "count"),
    [
        pytest.param([used()], [exhausted()], 0, id="sound"),
        pytest.param([used(refusals=0)], [], 0, id="no-refusal"),
        pytest.param([used()], [], 1, id="no-row"),
        pytest.param([], [exhausted()], 1, id="a-row-too-many"),
        pytest.param([used(refusals=2)], [exhausted()], 1, id="other-refusals"),
        pytest.param([used(credits_used=2)], [exhausted()], 1, id="other-credits"),
        pytest.param([used(user_id="u2"), used()], [exhausted()], 1, id="one-of-two"),
        pytest.param([used(date=NEXT)], [exhausted()], 2, id="on-another-day"),
    ],
)
def test_refusals_and_exhaustion(
    tmp_path: Path, daily: list[Row], rows: list[Row], count: int
) -> None:
    found = failing(tmp_path, EXHAUSTION, {USER_DAILY: daily, CREDIT_EXHAUSTION: rows})

    if count:
        assert_only(found, "every_refused_user_is_exhausted", ERROR, count)
    else:
        assert found == {}


@pytest.mark.parametrize(
    ("daily", "rows", "count"),
    [
        pytest.param([used()], [profile()], 0, id="sound"),
        pytest.param(
            [],
            [profile(date=NEXT, days_since_signup=1)],
            0,
            id="active-before",
        ),
        pytest.param([used()], [], 1, id="no-profile"),
        pytest.param([], [profile()], 1, id="no-event"),
        pytest.param(
            [used(last_event_at=NOON + timedelta(seconds=1))], [profile()], 1, id="another-moment"
        ),
        pytest.param([used(user_id="u2"), used()], [profile()], 1, id="one-of-two"),
    ],
)
def test_active_users_and_profiles(
    tmp_path: Path, daily: list[Row], rows: list[Row], count: int
) -> None:
    found = failing(tmp_path, PROFILES, {USER_DAILY: daily, USER_PROFILES: rows})

    if count:
        assert_only(found, "every_active_user_has_a_profile", ERROR, count)
    else:
        assert found == {}


@pytest.mark.parametrize(
    ("checks", "row", "rule"),
    [
        (STEPS, step(first_active_date=DAY - timedelta(days=1)), "signed_up_before_active"),
        (STEPS, step(first_chat_date=DAY), "no_step_before_active"),
        (
            STEPS,
            step(first_active_date=NEXT, first_completion_date=DAY),
            "no_step_before_active",
        ),
        (EXHAUSTION, exhausted(is_exhausted=False), "exhausted_as_said"),
        (EXHAUSTION, exhausted(is_limit_reached=True), "reached_by_this_day"),
        (EXHAUSTION, exhausted(credits_used=4), "day_within_month"),
        (EXHAUSTION, exhausted(refusals=0, is_exhausted=False), "is_near_the_limit"),
        (PROFILES, profile(days_since_signup=1), "signed_up_by_the_day"),
        (PROFILES, profile(last_active_date=None), "active_within_the_window"),
        (PROFILES, profile(last_active_at=NOON + timedelta(days=1)), "active_within_the_window"),
        (PROFILES, profile(sessions=0), "sessions_where_active"),
        (PROFILES, profile(total_conversations=0), "sessions_where_active"),
        (PROFILES, profile(preferred_tools=list("abcdef")), "lists_are_short"),
        (PROFILES, profile(frequently_used_prompts=list("abcdef")), "lists_are_short"),
        (PROFILES, profile(preferred_tools=["unknown"]), "tools_are_named"),
        (PROFILES, profile(preferred_tools=["search", "none"]), "tools_are_named"),
        (PROFILES, profile(completion_rate=100.1), "values_within_bounds"),
        (PROFILES, profile(retention_cohort="week_3"), "values_within_bounds"),
    ],
)
def test_rules_of_the_schemas(tmp_path: Path, checks: TableChecks, row: Row, rule: str) -> None:
    # Text, so that a label may be none of the known ones.
    warehouse = Warehouse(database=str(tmp_path / "warehouse.duckdb"))
    contract = contract_of(checks.table)
    report = Report(checks.table, (contract.check,), (DAY,))
    with warehouse.connect() as connection:
        warehouse.prepare(connection, [checks.table])
        columns = {name: [row.get(name)] for name in checks.table.polars_schema}
        types = {
            name: pl.String() if isinstance(dtype, pl.Enum) else dtype
            for name, dtype in checks.table.polars_schema.items()
        }
        contract.judge(pl.DataFrame(columns, schema=types), report)
    (result,) = report.results()

    assert result.check_name == SCHEMA_HOLDS
    assert list(cast(Row, result.metadata["failing_rules"].value)) == [rule]
