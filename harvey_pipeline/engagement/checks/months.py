"""Checks of calendar months: totals, weights, cohorts, and months whose days were not all run."""

from collections.abc import Sequence
from datetime import date
from typing import Final

import duckdb
import polars as pl

from harvey_pipeline.checks.blocks import add_failing_rows, within
from harvey_pipeline.checks.plan import Judging, TableChecks
from harvey_pipeline.checks.reconcile import differences
from harvey_pipeline.checks.report import WARN, Check
from harvey_pipeline.engagement.checks import thresholds
from harvey_pipeline.engagement.sources import EVENTS
from harvey_pipeline.engagement.tables import TABLES
from harvey_pipeline.engagement.tables.labels import GRAINS
from harvey_pipeline.warehouse.days import last_day
from harvey_pipeline.warehouse.table import Table

_ACTIVITY: Final = TABLES["core.user_daily_activity"]
_FIRST: Final = TABLES["core.first_activity"]
_USERS: Final = TABLES["months.user_engagement"]
_FIRMS: Final = TABLES["months.firm_usage_summary"]
_COHORTS: Final = TABLES["months.retention_cohorts"]

_TOTALS: Final = Check("totals_equal_activity", "Each month's totals are those of its activity.")
_POWER_USERS: Final = Check(
    "power_users_were_active_before",
    "Power users are exactly those of level high, with two or more event types, who were active "
    "in the month before.",
)
_LABELS: Final = Check(
    "labels_agree_with_thresholds", "Weights and labels are what their thresholds say."
)
_SEATS: Final = Check(
    "active_users_within_seats",
    "No firm has more active users than seats.",
    WARN,
    advice="Tell sales, or check firm_size; utilization exceeds 100.",
)
_SIZES: Final = Check(
    "cohorts_equal_first_activity",
    "Each cohort has a cell in every month from its own on, as many members as began in its "
    "month, is complete in the months that are over, and is the first one where its month holds "
    "the first covered day.",
)
_RETAINED: Final = Check(
    "retained_sum_to_active",
    "The retained of all cohorts are the active users, or firms, of each month that is over.",
)

_SUMS: Final = {
    "num_queries": "queries",
    "num_assistant_queries": "assistant_queries",
    "num_vault_queries": "vault_queries",
    "num_workflow_queries": "workflow_queries",
    "num_docs": "documents",
}
"""What a month sums up, and the column of the activity that it sums."""


def _judge_user_rows(rows: pl.DataFrame, judging: Judging) -> None:
    key = ["activity_month", "user_id"]
    judging.report.add(_LABELS, thresholds.disagreeing(rows, thresholds.MONTHS, key))


def _judge_users(judging: Judging) -> None:
    connection, months = judging.connection, judging.days
    add_failing_rows(judging.report, _POWER_USERS, connection, _wrong_power_users(months))
    found = _totals(connection, _USERS, "count(*)", months)
    expected = _expected_totals(connection, "count(distinct user_id)", months)
    judging.report.add(_TOTALS, differences(expected, found, ["activity_month"]))


def _wrong_power_users(months: Sequence[date]) -> str:
    """SQL of the users whose `is_power_user` is wrong."""
    first = f"date '{months[0]}' - interval 1 month" if months else "null"
    return (
        f"with users as (from {_USERS} where {within('activity_month', months)}), "
        "candidates as (from users where engagement_level = 'high' and unique_event_types >= 2), "
        f"activity as (select date, user_id from {_ACTIVITY} where date >= {first}), "
        "expected as (select distinct activity_month, user_id from candidates join activity "
        "using (user_id) where date >= activity_month - interval 1 month "
        "and date < activity_month) "
        "select activity_month, user_id, is_power_user, engagement_level, unique_event_types, "
        "expected.user_id is not null as should_be from users left join expected "
        "using (activity_month, user_id) "
        "where is_power_user is distinct from (expected.user_id is not null)"
    )


def _judge_firm_rows(rows: pl.DataFrame, judging: Judging) -> None:
    is_over = pl.col("num_active_users") > pl.col("firm_size")
    shown = ("activity_month", "firm_id", "firm_size", "num_active_users")
    judging.report.add(_SEATS, rows.filter(is_over).select(shown))


def _judge_firms(judging: Judging) -> None:
    connection, months = judging.connection, judging.days
    found = _totals(connection, _FIRMS, "sum(num_active_users)::bigint", months)
    expected = _expected_totals(connection, "count(distinct (user_id, firm_id))", months)
    judging.report.add(_TOTALS, differences(expected, found, ["activity_month"]))


def _totals(
    connection: duckdb.DuckDBPyConnection, table: Table, users: str, months: Sequence[date]
) -> pl.DataFrame:
    sums = ", ".join(f"sum({figure})::bigint as {figure}" for figure in _SUMS)
    totals: pl.DataFrame = connection.sql(
        f"select activity_month, {users} as active_users, {sums} from {table} "
        f"where {within('activity_month', months)} group by 1"
    ).pl()
    return totals


def _expected_totals(
    connection: duckdb.DuckDBPyConnection, users: str, months: Sequence[date]
) -> pl.DataFrame:
    sums = ", ".join(f"sum({column})::bigint as {figure}" for figure, column in _SUMS.items())
    days = (months[0], last_day(months[-1])) if months else ()
    totals: pl.DataFrame = connection.sql(
        f"select date_trunc('month', date)::date as activity_month, {users} as active_users, "
        f"{sums} from {_ACTIVITY} where {within('date', days)} group by 1"
    ).pl()
    # Between months that were run there may be one that was not.
    return totals.filter(pl.col("activity_month").is_in(list(months)))


def _judge_cohorts(judging: Judging) -> None:
    report, warehouse, months = judging.report, judging.warehouse, judging.days
    connection = judging.connection
    first_covered = judging.raw_store.first_covered_day(EVENTS) or date.max
    last_covered = judging.raw_store.last_covered_day(EVENTS) or date.min
    first_month = first_covered.replace(day=1)
    counted = warehouse.days_written(_USERS) & warehouse.days_written(_FIRMS)
    begun_months = [one for one in months if one in counted and one <= last_covered]
    cells = connection.sql(
        "select activity_month, grain, cohort_month, cohort_size, is_complete, is_first_month, "
        f"retained from {_COHORTS} where {within('activity_month', months)}"
    ).pl()
    begun = connection.sql(
        "select grain, date_trunc('month', first_activity_date)::date as cohort_month, "
        f"count(*) as cohort_size from {_FIRST} group by 1, 2"
    ).pl()
    active = connection.sql(
        " union all ".join(
            f"select activity_month, '{grain}' as grain, count(*) as retained from {name} "
            f"where {within('activity_month', months)} group by 1"
            for grain, name in zip(GRAINS, (_USERS, _FIRMS), strict=True)
        )
    ).pl()
    cells = cells.filter(pl.col("activity_month").is_in(list(months)))
    calendar = pl.DataFrame(
        {
            "activity_month": begun_months,
            "is_complete": [last_day(one) <= last_covered for one in begun_months],
        },
        schema={"activity_month": pl.Date, "is_complete": pl.Boolean},
    )
    cohort = pl.col("cohort_month")
    expected = (
        calendar.join(begun, how="cross")
        .filter(cohort <= pl.col("activity_month"))
        .with_columns(is_first_month=cohort == first_month)
    )
    key = ["activity_month", "grain", "cohort_month"]
    report.add(_SIZES, differences(expected, cells, key))
    over = calendar.filter("is_complete").select("activity_month")
    key = ["activity_month", "grain"]
    retained = cells.group_by(key).agg(pl.col("retained").sum()).filter(pl.col("retained") > 0)
    active, retained = (
        one.join(over, on="activity_month", how="semi") for one in (active, retained)
    )
    report.add(_RETAINED, differences(active, retained, key))


CHECKS: Final = (
    TableChecks(
        _USERS,
        (_LABELS, _TOTALS, _POWER_USERS),
        _judge_users,
        _judge_user_rows,
        needs=(_ACTIVITY,),
    ),
    TableChecks(_FIRMS, (_TOTALS, _SEATS), _judge_firms, _judge_firm_rows, needs=(_ACTIVITY,)),
    TableChecks(_COHORTS, (_SIZES, _RETAINED), _judge_cohorts, needs=(_FIRST, _USERS, _FIRMS)),
)
