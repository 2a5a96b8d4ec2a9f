"""Checks of licences and dashboard: each fails for the reason that it is there for."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, cast

import dagster as dg
import duckdb
import polars as pl
import pytest

from harvey_pipeline.checks.plan import Judging, TableChecks
from harvey_pipeline.checks.report import ERROR, WARN, Report
from harvey_pipeline.segments.checks.outcomes import (
    CHECKS,
    DASHBOARD_AGREES,
    HOLDERS_HAVE_A_TENANT,
    LICENCES_ARE_MEASURED,
    SEGMENTS_ADD_UP,
)
from harvey_pipeline.segments.tables.outcomes import (
    LICENSE_OPPORTUNITIES,
    RECOMMENDATIONS,
    ROI_SUMMARY,
    SEGMENTATION_DASHBOARD,
)
from harvey_pipeline.segments.tables.segments import USER_SEGMENTS
from harvey_pipeline.segments.transforms.dashboard import show_segmentation
from harvey_pipeline.segments.transforms.licenses import find_license_opportunities
from harvey_pipeline.segments.transforms.roi import summarise_return
from harvey_pipeline_tests.segments.outcome_rows import (
    MONDAY,
    accesses,
    database,
    firms,
    licenses,
    segments,
    tenants,
)

LATER = MONDAY + timedelta(days=7)
DAYS = [MONDAY + timedelta(days=number) for number in range(8)]
OF_TABLE = {checks.table: checks for checks in CHECKS}


@pytest.fixture
def sane() -> Iterator[duckdb.DuckDBPyConnection]:
    """Two Mondays, on which nothing is wrong."""
    users = segments(
        *(
            {"date": day, "user_id": user, "tenant_id": tenant, "segment": segment}
            for day in (MONDAY, LATER)
            for user, tenant, segment in (
                ("a", "t", "power"),
                ("b", "t", "casual"),
                ("c", "s", "regular"),
                ("d", "all", "power"),
            )
        ),
    )
    held = licenses(
        *({"user_id": user, "annual_cost_usd": 0.1} for user in "abcd"),
        {"user_id": "a", "app": "wiki", "annual_cost_usd": 0.2},
    )
    accessed = accesses(
        *({"date": MONDAY, "app": app, "user_id": "d"} for app in ("crm", "wiki", "vault"))
    )
    idle = together(find_license_opportunities(held, firms({}), accessed, users, DAYS))
    amounts = together(summarise_return(users, RECOMMENDATIONS.empty(), idle, 50.0, 1000.0, DAYS))
    with database(
        {
            USER_SEGMENTS: users,
            LICENSE_OPPORTUNITIES: idle,
            ROI_SUMMARY: amounts,
            SEGMENTATION_DASHBOARD: together(show_segmentation(users, tenants(), amounts, DAYS)),
        }
    ) as connection:
        yield connection


def together(plans: Iterator[pl.LazyFrame]) -> pl.LazyFrame:
    return pl.concat(list(plans))


def results(
    connection: duckdb.DuckDBPyConnection, checks: TableChecks, days: Any = DAYS
) -> dict[str, dg.AssetCheckResult]:
    report = Report(checks.table, checks.checks, days)
    nothing = cast("Any", None)
    checks.judge(Judging(connection, nothing, nothing, days, report))
    return {str(one.check_name): one for one in report.results()}


def failing(connection: duckdb.DuckDBPyConnection, days: Any = DAYS) -> dict[str, Any]:
    """The checks that fail, with the days on which they do."""
    return {
        name: cast("Any", one.metadata["failing_days"].value)
        for checks in CHECKS
        for name, one in results(connection, checks, days).items()
        if not one.passed
    }


def test_nothing_fails_where_nothing_is_wrong(sane: duckdb.DuckDBPyConnection) -> None:
    assert failing(sane) == {}
    assert sum(len(checks.checks) for checks in CHECKS) == 4


@pytest.mark.parametrize(
    ("spoil", "names"),
    [
        (
            f"update {SEGMENTATION_DASHBOARD} set power_users = 2 where tenant_id = 't'",
            {SEGMENTS_ADD_UP.name, DASHBOARD_AGREES.name},
        ),
        (
            f"update {SEGMENTATION_DASHBOARD} set power_users = 0, casual_users = 2 "
            "where tenant_id = 't'",
            {DASHBOARD_AGREES.name},
        ),
        (
            f"update {SEGMENTATION_DASHBOARD} set users = 9, regular_users = 6 "
            "where tenant_id = 'all'",
            {DASHBOARD_AGREES.name},
        ),
        *(
            (
                f"update {SEGMENTATION_DASHBOARD} set {column} = {column} + 1",
                {DASHBOARD_AGREES.name},
            )
            for column in (
                "active_users",
                "dormant_users",
                "changed_users",
                "needs_review_users",
                "total_usd_year",
                "net_usd_year",
            )
        ),
        (
            f"update {SEGMENTATION_DASHBOARD} set reclaimable_usd_year = "
            "reclaimable_usd_year + 0.000001 where tenant_id = 'all'",
            {DASHBOARD_AGREES.name},
        ),
        (f"delete from {SEGMENTATION_DASHBOARD} where tenant_id = 's'", {DASHBOARD_AGREES.name}),
        (f"delete from {USER_SEGMENTS} where user_id = 'c'", {DASHBOARD_AGREES.name}),
        (
            f"update {ROI_SUMMARY} set net_usd_year = net_usd_year + 1 where tenant_id = 's'",
            {DASHBOARD_AGREES.name},
        ),
        (
            f"update {LICENSE_OPPORTUNITIES} set is_measured = false where app = 'wiki'",
            {LICENCES_ARE_MEASURED.name},
        ),
        (
            f"update {LICENSE_OPPORTUNITIES} set tenant_id = 'unknown' where app = 'wiki'",
            {HOLDERS_HAVE_A_TENANT.name},
        ),
        (
            # Seats have a firm, and holders of theirs are not known by name.
            f"update {LICENSE_OPPORTUNITIES} set tenant_id = 'unknown' where app = 'product'",
            set(),
        ),
    ],
)
def test_what_is_spoilt_is_found(
    sane: duckdb.DuckDBPyConnection, spoil: str, names: set[str]
) -> None:
    condition = " and " if " where " in spoil else " where "
    sane.execute(f"{spoil}{condition}date = date '{LATER}'")
    assert failing(sane) == {name: [str(LATER)] for name in names}
    assert failing(sane, DAYS[:7]) == {}


def test_huge_amounts_agree_but_for_their_last_digits(sane: duckdb.DuckDBPyConnection) -> None:
    sane.execute(f"update {ROI_SUMMARY} set total_usd_year = 1e18 + 123 where tenant_id <> 't'")
    sane.execute(
        f"update {SEGMENTATION_DASHBOARD} set total_usd_year = if(tenant_id = 's', 1e18, 2e18) "
        "where tenant_id <> 't'"
    )
    assert failing(sane) == {}
    sane.execute(f"update {SEGMENTATION_DASHBOARD} set total_usd_year = 2.0000001e18")
    assert list(failing(sane)) == [DASHBOARD_AGREES.name]


def test_severities(sane: duckdb.DuckDBPyConnection) -> None:
    sane.execute(f"update {SEGMENTATION_DASHBOARD} set users = users + 1")
    of_dashboard = results(sane, OF_TABLE[SEGMENTATION_DASHBOARD])
    assert {one.severity for one in of_dashboard.values()} == {ERROR}
    assert SEGMENTS_ADD_UP.is_blocking
    assert not DASHBOARD_AGREES.is_blocking
    of_licenses = results(sane, OF_TABLE[LICENSE_OPPORTUNITIES])
    assert {one.severity for one in of_licenses.values()} == {WARN}


def test_unmeasured_apps_are_named_with_their_licences(sane: duckdb.DuckDBPyConnection) -> None:
    sane.execute(f"update {LICENSE_OPPORTUNITIES} set is_measured = false where app = 'crm'")
    result = results(sane, OF_TABLE[LICENSE_OPPORTUNITIES])[LICENCES_ARE_MEASURED.name]
    # Four licences of three tenants on each of two Mondays.
    assert "2 rows on 2 of 8 days" in str(result.description)
    assert "app crm, licenses 4, cost_usd 0.40" in str(result.description)


def test_no_days_no_findings(sane: duckdb.DuckDBPyConnection) -> None:
    sane.execute(f"update {SEGMENTATION_DASHBOARD} set users = users + 1")
    assert failing(sane, []) == {}
