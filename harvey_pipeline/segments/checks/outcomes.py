"""Checks of what follows from the segments: the dashboard adds up, and licences can be judged."""

from typing import Final

import polars as pl

from harvey_pipeline.checks.blocks import add_failing_rows, within
from harvey_pipeline.checks.plan import Judging, TableChecks
from harvey_pipeline.checks.reconcile import differences
from harvey_pipeline.checks.report import WARN, Check
from harvey_pipeline.segments.tables.labels import ALL, SEGMENTS, UNKNOWN
from harvey_pipeline.segments.tables.outcomes import (
    LICENSE_OPPORTUNITIES,
    ROI_SUMMARY,
    SEAT_APP,
    SEAT_TIER,
    SEGMENTATION_DASHBOARD,
)
from harvey_pipeline.segments.tables.segments import USER_SEGMENTS

SEGMENTS_ADD_UP: Final = Check(
    "segments_add_up",
    "Of every tenant, and of all, power, regular and casual users are all of its users.",
    is_blocking=True,
)
DASHBOARD_AGREES: Final = Check(
    "dashboard_agrees_with_segments",
    "Users of the dashboard, by what is told of them, are those of user_segments, and its amounts "
    "those of roi_summary, of every tenant and of all.",
)
LICENCES_ARE_MEASURED: Final = Check(
    "licences_are_measured",
    "Every app with licences had an access in the 90 days: whether they lie idle is known.",
    WARN,
    advice="Have the app's sign-ins delivered (sso_events) under the name that its licences have, "
    "or ask whether anybody uses it at all.",
)
HOLDERS_HAVE_A_TENANT: Final = Check(
    "holders_have_a_tenant",
    "Every licence is held by a user of whom a score, and so a tenant, is known.",
    WARN,
    advice="Have the holders delivered as users, or employees with a tenant, under the same "
    "user_id.",
)

_KEY: Final = ("date", "tenant_id")

_COUNTS: Final = {
    "users": "count(*)",
    "active_users": "count(percentile)",
    **{f"{one}_users": f"count(*) filter (segment = '{one}')" for one in SEGMENTS},
    "dormant_users": "count(*) filter (is_dormant)",
    "changed_users": "count(*) filter (is_changed)",
    "needs_review_users": "count(*) filter (needs_review)",
}
_AMOUNTS: Final = {
    name: f"sum({name}::decimal(38, 6))::double"
    for name in ("reclaimable_usd_year", "total_usd_year", "net_usd_year")
}
"""Sums of decimals do not depend on the order of the rows."""
_TOLERANCE: Final = 1e-12


def _judge_dashboard(judging: Judging) -> None:
    connection, days = judging.connection, within("date", judging.days)
    failing = (
        "select date, tenant_id, users, power_users, regular_users, casual_users "
        f"from {SEGMENTATION_DASHBOARD} where {days} "
        "and power_users + regular_users + casual_users <> users"
    )
    add_failing_rows(judging.report, SEGMENTS_ADD_UP, connection, failing)

    def by_tenant(table: str, figures: dict[str, str]) -> str:
        listed = ", ".join(f"{how} as {name}" for name, how in figures.items())
        return (
            f"select date, tenant_id, {listed} from {table} where {days} and tenant_id <> '{ALL}' "
            f"group by all union all select date, '{ALL}', {listed} from {table} where {days} "
            "group by date"
        )

    expected = connection.sql(
        f"select * from ({by_tenant(USER_SEGMENTS.name, _COUNTS)}) "
        f"left join ({by_tenant(ROI_SUMMARY.name, _AMOUNTS)}) using (date, tenant_id)"
    ).pl()
    shown = ", ".join((*_COUNTS, *_AMOUNTS))
    found = connection.sql(
        f"select date, tenant_id, {shown} from {SEGMENTATION_DASHBOARD} where {days}"
    ).pl()
    judging.report.add(DASHBOARD_AGREES, differences(_as_found(expected, found), found, _KEY))


def _as_found(expected: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """What is expected, with amounts as found where they differ by their last digits only.

    No number has room for a millionth of a USD beside ten thousand millions of them.
    """
    both = expected.lazy().join(found.lazy(), on=_KEY, how="left", suffix=" found")

    def as_found(name: str) -> pl.Expr:
        wanted, seen = pl.col(name), pl.col(f"{name} found")
        is_equal = (wanted - seen).abs() <= _TOLERANCE * wanted.abs()
        return pl.when(is_equal).then(seen).otherwise(wanted).alias(name)

    return both.with_columns(map(as_found, _AMOUNTS)).select(expected.columns).collect()


def _judge_licenses(judging: Judging) -> None:
    of_days = f"from {LICENSE_OPPORTUNITIES} where {within('date', judging.days)}"
    unmeasured = (
        "select date, app, sum(licenses)::bigint as licenses, sum(annual_cost_usd) as cost_usd "
        f"{of_days} and not is_measured group by date, app"
    )
    add_failing_rows(judging.report, LICENCES_ARE_MEASURED, judging.connection, unmeasured)
    homeless = (
        f"select date, app, tier, licenses, annual_cost_usd {of_days} and tenant_id = '{UNKNOWN}' "
        f"and not (app = '{SEAT_APP}' and tier = '{SEAT_TIER}')"
    )
    add_failing_rows(judging.report, HOLDERS_HAVE_A_TENANT, judging.connection, homeless)


CHECKS: Final[tuple[TableChecks, ...]] = (
    TableChecks(
        SEGMENTATION_DASHBOARD,
        (SEGMENTS_ADD_UP, DASHBOARD_AGREES),
        _judge_dashboard,
        needs=(USER_SEGMENTS, ROI_SUMMARY),
    ),
    TableChecks(
        LICENSE_OPPORTUNITIES, (LICENCES_ARE_MEASURED, HOLDERS_HAVE_A_TENANT), _judge_licenses
    ),
)
