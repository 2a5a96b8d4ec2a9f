"""Checks of the marts: totals, references to the dimensions, seats, labels, whole windows."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

import dagster as dg
import duckdb
import polars as pl

from harvey_pipeline.checks import thresholds
from harvey_pipeline.checks.blocks import add_failing_rows, read_blocks, within
from harvey_pipeline.checks.contract import contract_of
from harvey_pipeline.checks.reconcile import differences, window_sums, with_every_day
from harvey_pipeline.checks.report import WARN, Check, Report, TableChecks
from harvey_pipeline.checks.sums import count_active, sum_activity
from harvey_pipeline.checks.windows import days_back, days_not_run
from harvey_pipeline.raw_store import RawStore
from harvey_pipeline.tables import TABLES
from harvey_pipeline.tables.labels import FIRM_HEALTH_STATUSES, POWER_USER_TIERS, WINDOW_DAYS
from harvey_pipeline.transforms.history import FIRMS, USERS, Dimension
from harvey_pipeline.warehouse import Warehouse

_ACTIVITY: Final = "core.user_daily_activity"
_ENGAGEMENT: Final = "marts.daily_user_engagement"
_FIRMS: Final = "marts.daily_firm_usage_summary"
_SUMMARY: Final = "marts.daily_event_summary"
_DASHBOARD: Final = "marts.harvey_analytics_dashboard"

_TOTALS: Final = Check(
    "totals_equal_activity", "Each day's totals are those of the activity in its window."
)
_LABELS: Final = Check(
    "labels_agree_with_thresholds", "Weights and labels are what their thresholds say."
)
_WINDOW: Final = Check(
    "window_is_complete", "All days of history in the window were run before.", WARN
)
_USERS_EXIST: Final = Check(
    "users_exist_by_their_events",
    "A version of every user has begun by the day of the user's events.",
    WARN,
)
_USERS_CREATED: Final = Check(
    "events_not_older_than_account", "No event is older than its user's account.", WARN
)
_ONE_FIRM: Final = Check(
    "users_belong_to_one_firm", "No user works for several firms in the window.", WARN
)
_FIRMS_EXIST: Final = Check(
    "firms_exist_by_their_events",
    "A version of every firm has begun by the day of the firm's events.",
    WARN,
)
_FIRMS_CREATED: Final = Check(
    "events_not_older_than_firm", "No event is older than its firm's contract.", WARN
)
_SEATS: Final = Check(
    "active_users_within_seats",
    "No firm has more active users than seats, on the day or in the window.",
    WARN,
)
_EQUALS_SUMMARY: Final = Check(
    "dashboard_equals_summary", "Each day's event totals are those of the daily event summary."
)
_EQUALS_MARTS: Final = Check(
    "dashboard_equals_marts",
    "Each day's users by tier and firms by health are those of the marts' rows.",
)

ENGAGEMENT_CHECKS: Final = (
    *contract_of(_ENGAGEMENT).checks,
    _LABELS,
    _TOTALS,
    _USERS_EXIST,
    _USERS_CREATED,
    _ONE_FIRM,
    _WINDOW,
)
FIRM_CHECKS: Final = (
    *contract_of(_FIRMS).checks,
    _LABELS,
    _TOTALS,
    _FIRMS_EXIST,
    _FIRMS_CREATED,
    _SEATS,
    _WINDOW,
)
DASHBOARD_CHECKS: Final = (
    *contract_of(_DASHBOARD).checks,
    _EQUALS_SUMMARY,
    _EQUALS_MARTS,
    _WINDOW,
)

_WINDOW_SUMS: Final = (
    "queries as total_queries, assistant_queries as assistant_queries, "
    "vault_queries as vault_queries, workflow_queries as workflow_queries, "
    "documents as total_documents_processed"
)


def evaluate_engagement(
    warehouse: Warehouse, raw_store: RawStore, days: Sequence[date]
) -> Iterator[dg.AssetCheckResult]:
    """Evaluate the checks of `marts.daily_user_engagement`."""
    report = Report(_ENGAGEMENT, ENGAGEMENT_CHECKS, days)
    with warehouse.connect() as connection:
        warehouse.prepare(connection, [_ENGAGEMENT, _ACTIVITY, "core.dim_user"])
        for rows in read_blocks(connection, TABLES[_ENGAGEMENT], days):
            contract_of(_ENGAGEMENT).judge(rows, report)
            report.add(
                _LABELS.name,
                thresholds.disagreeing(rows, thresholds.ENGAGEMENT, ["date", "user_id"]),
            )
            report.add(
                _ONE_FIRM.name,
                rows.filter(pl.col("firm_count") > 1).select(
                    "date", "user_id", "firm_id", "firm_count"
                ),
            )
        found = connection.sql(
            "select date, sum(total_queries)::bigint as total_queries, "
            "sum(assistant_queries)::bigint as assistant_queries, "
            "sum(vault_queries)::bigint as vault_queries, "
            "sum(workflow_queries)::bigint as workflow_queries, "
            "sum(total_documents_processed)::bigint as total_documents_processed, "
            "count(*) filter (is_active_today) as active_users "
            f"from {_ENGAGEMENT} where {within('date', days)} group by date"
        ).pl()
        expected = window_sums(connection, days, WINDOW_DAYS, _WINDOW_SUMS)
        people = with_every_day(count_active(connection, days), days)
        _judge_references(
            connection, "core.dim_user", USERS, days, (_USERS_EXIST, _USERS_CREATED), report
        )
    expected = expected.join(people.select("date", "active_users"), on="date")
    report.add(_TOTALS.name, differences(expected, with_every_day(found, days)))
    report.add(
        _WINDOW.name,
        days_not_run(warehouse, raw_store, days, {_ACTIVITY: days_back(range(WINDOW_DAYS))}),
    )
    yield from report.results()


def evaluate_firms(
    warehouse: Warehouse, raw_store: RawStore, days: Sequence[date]
) -> Iterator[dg.AssetCheckResult]:
    """Evaluate the checks of `marts.daily_firm_usage_summary`."""
    report = Report(_FIRMS, FIRM_CHECKS, days)
    with warehouse.connect() as connection:
        warehouse.prepare(connection, [_FIRMS, _ACTIVITY, "core.dim_firms"])
        for rows in read_blocks(connection, TABLES[_FIRMS], days):
            contract_of(_FIRMS).judge(rows, report)
            report.add(
                _LABELS.name, thresholds.disagreeing(rows, thresholds.FIRMS, ["date", "firm_id"])
            )
            is_over = pl.max_horizontal("active_users", "active_users_30d") > pl.col("firm_size")
            report.add(
                _SEATS.name,
                rows.filter(is_over).select(
                    "date",
                    "firm_id",
                    "firm_size",
                    "active_users",
                    "active_users_30d",
                    "adoption_rate_30d",
                ),
            )
        found = connection.sql(
            "select date, sum(total_queries)::bigint as queries, "
            "sum(assistant_queries)::bigint as assistant_queries, "
            "sum(vault_queries)::bigint as vault_queries, "
            "sum(workflow_queries)::bigint as workflow_queries, "
            "sum(total_documents_processed)::bigint as documents, "
            "sum(active_users)::bigint as active_users, "
            "sum(total_queries_30d)::bigint as total_queries_30d "
            f"from {_FIRMS} where {within('date', days)} group by date"
        ).pl()
        figures = ["date", *(name for name in found.columns if name != "date")]
        expected = (
            with_every_day(sum_activity(connection, days), days)
            .join(with_every_day(_count_pairs(connection, days), days), on="date")
            .join(
                window_sums(connection, days, WINDOW_DAYS, "queries as total_queries_30d"),
                on="date",
            )
            .select(figures)
        )
        _judge_references(
            connection, "core.dim_firms", FIRMS, days, (_FIRMS_EXIST, _FIRMS_CREATED), report
        )
    report.add(_TOTALS.name, differences(expected, with_every_day(found, days)))
    report.add(
        _WINDOW.name,
        days_not_run(warehouse, raw_store, days, {_ACTIVITY: days_back(range(WINDOW_DAYS))}),
    )
    yield from report.results()


def _count_pairs(connection: duckdb.DuckDBPyConnection, days: Sequence[date]) -> pl.DataFrame:
    """One row per `date` with activity: `active_users`, each counted once for each of its firms."""
    pairs: pl.DataFrame = connection.sql(
        f"select date, count(*) as active_users from {_ACTIVITY} "
        f"where {within('date', days)} group by date"
    ).pl()
    return pairs


def _judge_references(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    dimension: Dimension,
    days: Sequence[date],
    checks: tuple[Check, Check],
    report: Report,
) -> None:
    """Events of keys of which no version has begun by their day, and of keys created only later."""
    key = dimension.key
    unknown = (
        f"select date, {key}, sum(queries)::bigint as events, any_value(begins) as version_begins, "
        f"any_value(created) as created from {_ACTIVITY} left join "
        f"(select {key}, min(effective_start_date) as begins, min({dimension.created_date}) "
        f"as created from {table} group by 1) using ({key}) "
        f"where {within('date', days)} and (begins is null or begins > date) group by 1, 2"
    )
    exist, created = checks
    add_failing_rows(report, exist.name, connection, unknown)
    add_failing_rows(
        report, created.name, connection, f"select * from ({unknown}) where created > date"
    )


def evaluate_dashboard(
    warehouse: Warehouse, raw_store: RawStore, days: Sequence[date]
) -> Iterator[dg.AssetCheckResult]:
    """Evaluate the checks of `marts.harvey_analytics_dashboard`."""
    report = Report(_DASHBOARD, DASHBOARD_CHECKS, days)
    with warehouse.connect() as connection:
        warehouse.prepare(connection, [_DASHBOARD, _SUMMARY, _ENGAGEMENT, _FIRMS])
        for rows in read_blocks(connection, TABLES[_DASHBOARD], days):
            contract_of(_DASHBOARD).judge(rows, report)
        found = connection.sql(f"select * from {_DASHBOARD} where {within('date', days)}").pl()
        summary = connection.sql(f"select * from {_SUMMARY} where {within('date', days)}").pl()
        users = connection.sql(
            "select date, count(*) filter (active_days > 0) as mau, "
            "count(*) filter (is_active_today) as dau, "
            + _counts_of_labels("power_user_tier", POWER_USER_TIERS, "s")
            + f" from {_ENGAGEMENT} where {within('date', days)} group by date"
        ).pl()
        firms = connection.sql(
            "select date, "
            + _counts_of_labels("firm_health_status", FIRM_HEALTH_STATUSES, "_firms")
            + f" from {_FIRMS} where {within('date', days)} group by date"
        ).pl()
    expected = with_every_day(users, days).join(with_every_day(firms, days), on="date")
    report.add(_EQUALS_SUMMARY.name, differences(summary, found))
    report.add(_EQUALS_MARTS.name, differences(expected, found))
    two_windows = days_back(range(2 * WINDOW_DAYS))
    reads = {_ACTIVITY: two_windows, _SUMMARY: two_windows, _ENGAGEMENT: days_back([WINDOW_DAYS])}
    report.add(_WINDOW.name, days_not_run(warehouse, raw_store, days, reads))
    yield from report.results()


def _counts_of_labels(column: str, labels: Sequence[str], suffix: str) -> str:
    """SQL that counts the rows of each label: `Power User` becomes `power_users`."""
    return ", ".join(
        f"count(*) filter ({column} = '{label}') as {label.lower().replace(' ', '_')}{suffix}"
        for label in labels
    )


CHECKS: Final = (
    TableChecks(_ENGAGEMENT, ENGAGEMENT_CHECKS, evaluate_engagement),
    TableChecks(_FIRMS, FIRM_CHECKS, evaluate_firms),
    TableChecks(_DASHBOARD, DASHBOARD_CHECKS, evaluate_dashboard),
)
