"""Checks of the marts: totals, references to the dimensions, seats, labels, whole windows."""

from collections.abc import Sequence
from datetime import date
from typing import Final

import duckdb
import polars as pl

from harvey_pipeline.checks.blocks import add_failing_rows, within
from harvey_pipeline.checks.identifiers import IDS_WRITTEN_ALIKE, written_unlike
from harvey_pipeline.checks.plan import Judging, TableChecks
from harvey_pipeline.checks.reconcile import differences, with_every_day
from harvey_pipeline.checks.report import WARN, Check
from harvey_pipeline.engagement.checks import thresholds
from harvey_pipeline.engagement.checks.sums import count_active, sum_activity, window_sums
from harvey_pipeline.engagement.dimensions import FIRMS, USERS
from harvey_pipeline.engagement.tables import TABLES
from harvey_pipeline.engagement.tables.labels import (
    FIRM_HEALTH_STATUSES,
    POWER_USER_TIERS,
    WINDOW_DAYS,
)
from harvey_pipeline.history import Dimension

_ACTIVITY: Final = TABLES["core.user_daily_activity"]
_ENGAGEMENT: Final = TABLES["marts.daily_user_engagement"]
_FIRMS: Final = TABLES["marts.daily_firm_usage_summary"]
_SUMMARY: Final = TABLES["marts.daily_event_summary"]
_DASHBOARD: Final = TABLES["marts.harvey_analytics_dashboard"]
_TIER_CHANGES: Final = TABLES["marts.tier_changes"]

_TOTALS: Final = Check(
    "totals_equal_activity", "Each day's totals are those of the activity in its window."
)
_LABELS: Final = Check(
    "labels_agree_with_thresholds", "Weights and labels are what their thresholds say."
)
_USERS_EXIST: Final = Check(
    "users_exist_by_their_events",
    "A version of every user has begun by the day of the user's events.",
    WARN,
    advice="Check that the users drop was complete; attributes stay null until a version begins.",
)
_USERS_CREATED: Final = Check(
    "events_not_older_than_account",
    "No event is older than its user's account.",
    WARN,
    advice="Check the clocks of both exports.",
)
_ONE_FIRM: Final = Check(
    "users_belong_to_one_firm",
    "No user works for several firms in the window.",
    WARN,
    advice="Nothing, if it is so: firm_id is the firm with most queries, firm_count their number.",
)
_FIRMS_EXIST: Final = Check(
    "firms_exist_by_their_events",
    "A version of every firm has begun by the day of the firm's events.",
    WARN,
    advice="Check that the firms drop was complete; attributes stay null until a version begins.",
)
_FIRMS_CREATED: Final = Check(
    "events_not_older_than_firm",
    "No event is older than its firm's contract.",
    WARN,
    advice="Check the clocks of both exports.",
)
_SEATS: Final = Check(
    "active_users_within_seats",
    "No firm has more active users than seats, on the day or in the window.",
    WARN,
    advice="Tell sales, or check firm_size; adoption exceeds 100.",
)
_EQUALS_SUMMARY: Final = Check(
    "dashboard_equals_summary", "Each day's event totals are those of the daily event summary."
)
_EQUALS_MARTS: Final = Check(
    "dashboard_equals_marts",
    "Each day's users by tier and firms by health are those of the marts' rows.",
)

_PATTERNS: Final = Check(
    "window_pattern_equals_activity",
    "On the last day of a run, the event type that leads in each firm's window is that of its "
    "activity.",
)
_CHANGES: Final = Check(
    "changes_equal_dashboard",
    "Each day's users by direction are those that the dashboard says moved up and down.",
)

_WINDOW_SUMS: Final = (
    "queries as total_queries, assistant_queries as assistant_queries, "
    "vault_queries as vault_queries, workflow_queries as workflow_queries, "
    "documents as total_documents_processed"
)


def _judge_user_rows(rows: pl.DataFrame, judging: Judging) -> None:
    disagreeing = thresholds.disagreeing(rows, thresholds.ENGAGEMENT, ["date", "user_id"])
    judging.report.add(_LABELS, disagreeing)
    several = rows.filter(pl.col("firm_count") > 1)
    judging.report.add(_ONE_FIRM, several.select("date", "user_id", "firm_id", "firm_count"))


def _judge_engagement(judging: Judging) -> None:
    connection, days = judging.connection, judging.days
    found = connection.sql(
        "select date, sum(total_queries)::bigint as total_queries, "
        "sum(assistant_queries)::bigint as assistant_queries, "
        "sum(vault_queries)::bigint as vault_queries, "
        "sum(workflow_queries)::bigint as workflow_queries, "
        "sum(total_documents_processed)::bigint as total_documents_processed, "
        "count(*) filter (is_active_today) as active_users "
        f"from {_ENGAGEMENT} where {within('date', days)} group by date"
    ).pl()
    people = with_every_day(count_active(connection, days), days)
    expected = window_sums(connection, days, WINDOW_DAYS, _WINDOW_SUMS).join(
        people.select("date", "active_users"), on="date"
    )
    judging.report.add(_TOTALS, differences(expected, with_every_day(found, days)))
    unlike = written_unlike(_ENGAGEMENT, "user_id", days)
    add_failing_rows(judging.report, IDS_WRITTEN_ALIKE, connection, unlike)
    _judge_references(judging, USERS, (_USERS_EXIST, _USERS_CREATED))


def _judge_firm_rows(rows: pl.DataFrame, judging: Judging) -> None:
    disagreeing = thresholds.disagreeing(rows, thresholds.FIRMS, ["date", "firm_id"])
    judging.report.add(_LABELS, disagreeing)
    is_over = pl.max_horizontal("active_users", "active_users_30d") > pl.col("firm_size")
    judging.report.add(
        _SEATS,
        rows.filter(is_over).select(
            "date",
            "firm_id",
            "firm_size",
            "active_users",
            "active_users_30d",
            "adoption_rate_30d",
        ),
    )


def _judge_firms(judging: Judging) -> None:
    connection, days = judging.connection, judging.days
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
    judging.report.add(_TOTALS, differences(expected, with_every_day(found, days)))
    _judge_window_patterns(judging)
    unlike = written_unlike(_FIRMS, "firm_id", days)
    add_failing_rows(judging.report, IDS_WRITTEN_ALIKE, connection, unlike)
    _judge_references(judging, FIRMS, (_FIRMS_EXIST, _FIRMS_CREATED))


def _judge_window_patterns(judging: Judging) -> None:
    """The patterns of the last day against the activity of its window."""
    [last] = judging.days[-1:] or [date.min]
    found = f"select * from {_FIRMS} where date = date '{last}'"
    types = ", ".join(
        f"sum({kind}_queries) as {kind}" for kind in ("assistant", "vault", "workflow")
    )
    expected = (
        "select firm_id, case when assistant = vault and vault = workflow then 'Balanced Usage' "
        "when assistant > greatest(vault, workflow) then 'Assistant-Focused' "
        "when vault > greatest(assistant, workflow) then 'Vault-Focused' "
        "when workflow > greatest(assistant, vault) then 'Workflow-Focused' "
        f"else 'Mixed Usage' end as pattern from (select firm_id, {types} from {_ACTIVITY} "
        f"where date > date '{last}' - {WINDOW_DAYS} and date <= date '{last}' group by firm_id)"
    )
    add_failing_rows(
        judging.report,
        _PATTERNS,
        judging.connection,
        "select date, firm_id, firm_usage_pattern_30d, coalesce(pattern, 'No Usage') as expected "
        f"from ({found}) left join ({expected}) using (firm_id) "
        "where firm_usage_pattern_30d <> expected",
    )


def _count_pairs(connection: duckdb.DuckDBPyConnection, days: Sequence[date]) -> pl.DataFrame:
    """One row per `date` with activity: `active_users`, each counted once for each of its firms."""
    pairs: pl.DataFrame = connection.sql(
        f"select date, count(*) as active_users from {_ACTIVITY} "
        f"where {within('date', days)} group by date"
    ).pl()
    return pairs


def _judge_references(judging: Judging, dimension: Dimension, checks: tuple[Check, Check]) -> None:
    """Events of keys of which no version has begun by their day, and of keys created only later."""
    [key] = dimension.key
    unknown = (
        f"select date, {key}, sum(queries)::bigint as events, any_value(begins) as version_begins, "
        f"any_value(created) as created from {_ACTIVITY} left join "
        f"(select {key}, min(effective_start_date) as begins, min({dimension.created_date}) "
        f"as created from {dimension.table} group by 1) using ({key}) "
        f"where {within('date', judging.days)} and (begins is null or begins > date) group by 1, 2"
    )
    exist, created = checks
    add_failing_rows(judging.report, exist, judging.connection, unknown)
    older = f"select * from ({unknown}) where created > date"
    add_failing_rows(judging.report, created, judging.connection, older)


def _judge_dashboard(judging: Judging) -> None:
    connection, days = judging.connection, judging.days
    found, summary = (
        connection.sql(f"select * from {table} where {within('date', days)}").pl()
        for table in (_DASHBOARD, _SUMMARY)
    )
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
    judging.report.add(_EQUALS_SUMMARY, differences(summary, found))
    judging.report.add(_EQUALS_MARTS, differences(expected, found))


def _judge_tier_rows(rows: pl.DataFrame, judging: Judging) -> None:
    key = ["date", "user_id"]
    judging.report.add(_LABELS, thresholds.disagreeing(rows, thresholds.TIER_CHANGES, key))


def _judge_tier_changes(judging: Judging) -> None:
    connection, days = judging.connection, judging.days
    found = connection.sql(
        "select date, count(*) filter (direction = 'up') as users_moved_up, "
        "count(*) filter (direction = 'down') as users_moved_down "
        f"from {_TIER_CHANGES} where {within('date', days)} group by date"
    ).pl()
    expected = connection.sql(
        "select date, users_moved_up, users_moved_down "
        f"from {_DASHBOARD} where {within('date', days)}"
    ).pl()
    judging.report.add(
        _CHANGES, differences(with_every_day(expected, days), with_every_day(found, days))
    )


def _counts_of_labels(column: str, labels: Sequence[str], suffix: str) -> str:
    """SQL that counts the rows of each label: `Power User` becomes `power_users`."""
    return ", ".join(
        f"count(*) filter ({column} = '{label}') as {label.lower().replace(' ', '_')}{suffix}"
        for label in labels
    )


CHECKS: Final = (
    TableChecks(
        _ENGAGEMENT,
        (_LABELS, _TOTALS, _USERS_EXIST, _USERS_CREATED, _ONE_FIRM, IDS_WRITTEN_ALIKE),
        _judge_engagement,
        _judge_user_rows,
        needs=(_ACTIVITY, USERS.table),
    ),
    TableChecks(
        _FIRMS,
        (_LABELS, _TOTALS, _PATTERNS, _FIRMS_EXIST, _FIRMS_CREATED, _SEATS, IDS_WRITTEN_ALIKE),
        _judge_firms,
        _judge_firm_rows,
        needs=(_ACTIVITY, FIRMS.table),
    ),
    TableChecks(
        _DASHBOARD,
        (_EQUALS_SUMMARY, _EQUALS_MARTS),
        _judge_dashboard,
        needs=(_SUMMARY, _ENGAGEMENT, _FIRMS),
    ),
    TableChecks(
        _TIER_CHANGES,
        (_LABELS, _CHANGES),
        _judge_tier_changes,
        _judge_tier_rows,
        needs=(_DASHBOARD,),
    ),
)
