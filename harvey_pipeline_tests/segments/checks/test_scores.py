"""Checks of scores, each failing for what it is there for and for nothing else."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final, cast

import dagster as dg
import dataframely as dy
import polars as pl
import pytest

from harvey_pipeline.checks.plan import Judging, TableChecks
from harvey_pipeline.checks.report import ERROR, WARN, Report
from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline.segments.checks.scores import CHECKS
from harvey_pipeline.segments.tables.scores import ENGAGEMENT_SCORES, TENANT_ENGAGEMENT
from harvey_pipeline.warehouse import columns as c
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline.warehouse.warehouse import Warehouse
from harvey_pipeline_tests.segments.transforms.accesses import (
    DAY,
    Rows,
    access,
    days_before,
    scores,
    sign_in,
)

SCORES, TENANTS = CHECKS


class _Segments(dy.Schema):
    date = c.day("The day.", key=True)
    user_id = c.text("User.", key=True)


SEGMENTS: Final = Table("segments.user_segments", _Segments, "date")


def judge(
    folder: Path,
    checks: TableChecks,
    tables: Mapping[Table, Rows],
    days: Sequence[date] = (DAY,),
) -> dg.AssetCheckResult:
    """The result of the only check, over a warehouse with these rows."""
    warehouse = Warehouse(database=str(folder / "warehouse.duckdb"))
    for table, rows in tables.items():
        dates = [row["date"] for row in rows] or [DAY]
        frame = pl.DataFrame(rows, schema=table.polars_schema).lazy()
        warehouse.write({table: frame}, DayRange(min(dates), max(dates)))
    report = Report(checks.table, checks.checks, days)
    with warehouse.connect() as connection:
        named = (one for one in checks.needs if isinstance(one, Table))
        warehouse.prepare(connection, (checks.table, *named))
        judging = Judging(connection, warehouse, cast(RawStore, None), days, report)
        if checks.judge_rows is not None:
            rows_of_days = warehouse.read(checks.table, DayRange(days[0], days[-1])).collect()
            checks.judge_rows(rows_of_days, judging)
        checks.judge(judging)
    (result,) = report.results()
    return result


@pytest.fixture(scope="module")
def ranked() -> Rows:
    """Three users with access, of whom two tie, and one without; another of another tenant."""
    rows = [access(0, number, user_id=f"u{number}") for number in (1, 2)]
    rows += [access(0, 2, user_id="u3"), sign_in(0, user_id="u4")]
    return scores([*rows, access(0, user_id="v", tenant_id="t2")])


class TestPercentiles:
    def test_are_ranks(self, tmp_path: Path, ranked: Rows) -> None:
        assert [row["percentile"] for row in ranked] == [0.0, 50.0, 50.0, None, 0.0]
        assert judge(tmp_path, SCORES, {ENGAGEMENT_SCORES: ranked}).passed

    @pytest.mark.parametrize(
        ("place", "change"),
        [
            (1, {"percentile": 50.0001}),
            (1, {"percentile": None}),
            (3, {"percentile": 0.0}),
            (4, {"tenant_active_users": 2}),
        ],
    )
    def test_are_not(
        self, tmp_path: Path, ranked: Rows, place: int, change: dict[str, Any]
    ) -> None:
        rows = [row | change if one == place else row for one, row in enumerate(ranked)]
        result = judge(tmp_path, SCORES, {ENGAGEMENT_SCORES: rows})
        assert not result.passed
        assert result.metadata["failing_count"].value == 1
        assert ranked[place]["user_id"] in str(result.metadata["examples"].value)

    def test_are_those_of_the_tenant(self, tmp_path: Path, ranked: Rows) -> None:
        rows = [row | {"tenant_id": "t1"} for row in ranked]
        result = judge(tmp_path, SCORES, {ENGAGEMENT_SCORES: rows})
        # All five are told of too few active users.
        assert result.metadata["failing_count"].value == 5


def tenant(mean_score: float | None, day: date = DAY, users: int = 10, name: str = "t1") -> Any:
    return {
        "date": day,
        "tenant_id": name,
        "users": 20,
        "active_users": users if mean_score is not None else 0,
        "mean_score": mean_score,
        "mean_score_30d": mean_score,
        "mean_accesses": None,
        "mean_unique_apps": None,
        "mean_session_minutes": None,
        "score_p25": None,
        "score_p50": None,
        "score_p75": None,
        "score_histogram": [0] * 10,
    }


class TestOrganisation:
    @pytest.mark.parametrize(
        ("now", "passed", "severity"),
        [
            (0.6, True, WARN),
            (0.45, True, WARN),  # just 10 % below
            (0.449999, False, WARN),
            (0.4, False, WARN),  # just 20 % below
            (0.399999, False, ERROR),
        ],
    )
    def test_falls(
        self, tmp_path: Path, now: float, passed: bool, severity: dg.AssetCheckSeverity
    ) -> None:
        rows = [tenant(0.5, days_before(28)), tenant(now)]
        result = judge(tmp_path, TENANTS, {TENANT_ENGAGEMENT: rows})
        assert (result.passed, result.severity) == (passed, severity)

    def test_is_all_active_users_together(self, tmp_path: Path) -> None:
        """(10 x 0.5 + 90 x 0.9) / 100 = 0.86, then (90 x 0.5 + 10 x 0.9) / 100 = 0.54."""
        before, day = days_before(28), DAY
        few, many = 10, 90
        rows = [
            tenant(0.5, before, few),
            tenant(0.9, before, many, "t2"),
            tenant(0.5, day, many),
            tenant(0.9, day, few, "t2"),
            tenant(None, day, name="t3"),
        ]
        result = judge(tmp_path, TENANTS, {TENANT_ENGAGEMENT: rows})
        assert not result.passed
        # 1 - 0.54 / 0.86.
        assert "37.2" in (result.description or "")

    def test_is_compared_with_28_days_before_only(self, tmp_path: Path) -> None:
        rows = [tenant(0.9, days_before(27)), tenant(0.9, days_before(29)), tenant(0.1)]
        assert judge(tmp_path, TENANTS, {TENANT_ENGAGEMENT: rows}).passed

    @pytest.mark.parametrize(
        ("day", "passed"),
        [
            (date(2023, 12, 19), False),
            (date(2023, 12, 20), True),
            (date(2024, 1, 6), True),
            (date(2024, 1, 7), False),
        ],
    )
    def test_may_fall_in_a_holiday_period(self, tmp_path: Path, day: date, passed: bool) -> None:
        rows = [tenant(0.9, day - timedelta(days=28)), tenant(0.1, day)]
        result = judge(tmp_path, TENANTS, {TENANT_ENGAGEMENT: rows}, [day])
        assert result.passed == passed

    def test_says_on_which_days(self, tmp_path: Path) -> None:
        days = [DAY, days_before(-1), days_before(-2)]
        rows = [tenant(0.9, day - timedelta(days=28)) for day in days]
        rows += [tenant(score, day) for score, day in zip((0.9, 0.8, 0.88), days, strict=True)]
        result = judge(tmp_path, TENANTS, {TENANT_ENGAGEMENT: rows}, days)
        assert result.metadata["failing_days"].value == [str(days[1])]

    def test_of_no_days(self, tmp_path: Path) -> None:
        assert judge(tmp_path, TENANTS, {}, [date(2023, 12, 25)]).passed
