"""Reference implementation of the subject's tables: slow, plain, standard library only.

It shares no code with the pipeline. Tests compare the two on the same landing folder.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from harvey_pipeline_tests.engagement.oracle.activity import Activity, activities_of, activity_table
from harvey_pipeline_tests.engagement.oracle.engagement import (
    dashboard_table,
    engagement_table,
    event_summary_table,
    firm_table,
    tier_change_table,
)
from harvey_pipeline_tests.engagement.oracle.growth import (
    ACTIVE_COLUMNS,
    active_dates_of,
    first_activity_table,
    growth_table,
    power_curve_table,
    segment_table,
    whole_table,
)
from harvey_pipeline_tests.engagement.oracle.months import (
    by_month,
    monthly_firm_table,
    monthly_user_table,
    retention_table,
)
from harvey_pipeline_tests.engagement.oracle.sources import (
    EVENTS,
    FIRMS,
    SOURCES,
    USERS,
    dimension_table,
    firm_history,
    raw_events_table,
    user_history,
)
from harvey_pipeline_tests.oracle.landing import (
    Landing,
    Load,
    drops_table,
    load,
    quarantine_table,
    raw_table,
)
from harvey_pipeline_tests.oracle.quality import data_quality_table
from harvey_pipeline_tests.oracle.sources import Source
from harvey_pipeline_tests.oracle.values import TableRow

__all__ = ["expected_tables"]


def expected_tables(
    landing: Path, days: Sequence[date], start_date: date
) -> dict[str, list[TableRow]]:
    """Every table as it stands once all assets have been run for exactly these days."""
    folder = Landing(landing, start_date, SOURCES)
    loads = _load_all(folder, days)
    users = user_history(loads[USERS])
    firms = firm_history(loads[FIRMS])
    activities = activities_of(loads[EVENTS], days)
    by_day: dict[date, list[Activity]] = defaultdict(list)
    for activity in activities:
        by_day[activity.day].append(activity)
    covered = {each.day for each in loads[EVENTS] if each.is_observed}
    engagement = engagement_table(by_day, users, days)
    firm_usage = firm_table(by_day, firms, days)
    summaries = event_summary_table(by_day, covered, days)
    active = active_dates_of(activities)
    months = by_month(activities)
    first_covered = min(covered, default=date.max)
    last_covered = max(covered, default=date.min)
    return {
        **_raw_tables(folder, loads),
        "core.dim_user": dimension_table(users, "user"),
        "core.dim_firms": dimension_table(firms, "firm"),
        "core.user_daily_activity": activity_table(activities),
        "marts.daily_user_engagement": engagement,
        "marts.daily_firm_usage_summary": firm_usage,
        "marts.daily_event_summary": summaries,
        "marts.harvey_analytics_dashboard": dashboard_table(
            by_day, covered, summaries, engagement, firm_usage
        ),
        "marts.tier_changes": tier_change_table(engagement),
        "core.first_activity": first_activity_table(active),
        "marts.usage_by_segment": segment_table(active, {"user": users, "firm": firms}, days),
        "marts.growth_accounting": growth_table(active, days, first_covered),
        "marts.active_usage": whole_table(active, days, ACTIVE_COLUMNS),
        "marts.power_curve": power_curve_table(active, days),
        "marts.data_quality_daily": data_quality_table(
            [one for source in SOURCES for one in loads[source]],
            {EVENTS.name: {"user_id": users, "firm_id": firms}},
        ),
        "months.user_engagement": monthly_user_table(months),
        "months.firm_usage_summary": monthly_firm_table(months, firms, last_covered),
        "months.retention_cohorts": retention_table(active, first_covered, last_covered),
    }


def expected_raw_tables(
    landing: Path, days: Sequence[date], start_date: date
) -> dict[str, list[TableRow]]:
    """The tables of what was delivered, as they stand once these days were loaded.

    With them its quality, as far as it can be told without any history.
    """
    folder = Landing(landing, start_date, SOURCES)
    loads = _load_all(folder, days)
    everything = [one for source in SOURCES for one in loads[source]]
    return {
        **_raw_tables(folder, loads),
        "marts.data_quality_daily": data_quality_table(everything, {}),
    }


def _load_all(folder: Landing, days: Sequence[date]) -> dict[Source, list[Load]]:
    return {source: [load(folder, source, day) for day in days] for source in SOURCES}


def _raw_tables(folder: Landing, loads: dict[Source, list[Load]]) -> dict[str, list[TableRow]]:
    everything = [one for source in SOURCES for one in loads[source]]
    return {
        "raw.drops": drops_table(everything),
        "raw.quarantine": quarantine_table(folder, everything),
        "raw.raw_users": raw_table(loads[USERS]),
        "raw.raw_firms": raw_table(loads[FIRMS]),
        "raw.raw_events": raw_events_table(loads[EVENTS]),
    }
