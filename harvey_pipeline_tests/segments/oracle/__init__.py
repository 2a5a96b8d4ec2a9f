"""Reference implementation of the subject's tables: slow, plain, standard library only.

It shares no code with the pipeline. Tests compare the two on the same landing folder. Users, firms
and daily activity are those of the reference of engagement.
"""

from collections.abc import Collection, Sequence
from datetime import date
from pathlib import Path

from harvey_pipeline_tests.engagement.oracle import sources as core
from harvey_pipeline_tests.engagement.oracle.activity import activities_of
from harvey_pipeline_tests.oracle.history import History
from harvey_pipeline_tests.oracle.landing import (
    Landing,
    drop_day,
    drops_table,
    load,
    quarantine_table,
    raw_table,
)
from harvey_pipeline_tests.oracle.values import TableRow
from harvey_pipeline_tests.segments.oracle.access import access_table
from harvey_pipeline_tests.segments.oracle.evaluation import (
    accesses_of,
    backtest_table,
    evaluation_table,
    month_of,
    readout_table,
    stability_table,
)
from harvey_pipeline_tests.segments.oracle.outcomes import (
    dashboard_table,
    licences_table,
    recommendations_table,
    roi_table,
)
from harvey_pipeline_tests.segments.oracle.scores import (
    Surroundings,
    by_day,
    scores_table,
    tenants_table,
)
from harvey_pipeline_tests.segments.oracle.segments import (
    DEFAULT_HOLIDAYS,
    Holidays,
    Labels,
    segments_table,
    weeks_of,
)
from harvey_pipeline_tests.segments.oracle.sources import (
    SOURCES,
    dim_employee_table,
    dim_license_table,
    employee_history,
    intervention_starts_table,
    labels_table,
    license_history,
)

__all__ = ["expected_tables", "tables_after_scores"]

Tables = dict[str, list[TableRow]]


def expected_tables(
    landing: Path,
    days: Sequence[date],
    start_date: date,
    *,
    holidays: Holidays = DEFAULT_HOLIDAYS,
    hour_value_usd: float = 50,
    conversion_value_usd: float = 1000,
) -> Tables:
    """Every table as it stands once all assets have been run for exactly these days.

    Args:
        landing: The landing folder.
        days: The days run, and with them the months that they touch.
        start_date: The calendar's first day.
        holidays: Periods in which silence is no sign of leaving.
        hour_value_usd: What an hour is worth.
        conversion_value_usd: What it is worth a year that one user becomes a regular one.
    """
    folder = Landing(landing, start_date, [*core.SOURCES, *SOURCES])
    loads = {
        source.name: [load(folder, source, day) for day in days]
        for source in (*core.SOURCES, *SOURCES)
    }
    own_loads = [each for source in SOURCES for each in loads[source.name]]
    covered = frozenset(
        each.day for name in ("events", "sso_events") for each in loads[name] if each.is_observed
    )
    employees = employee_history(loads["employees"])
    licenses = license_history(loads["licenses"])
    labels = labels_table(loads["segment_labels"], days)
    starts = intervention_starts_table(loads["interventions"], days)
    access = access_table(activities_of(loads["events"], days), loads["sso_events"], days)
    around = Surroundings(core.user_history(loads["users"]), employees, covered)
    scores = scores_table(access, around, days)
    tables = {
        "dim_employee": dim_employee_table(employees),
        "dim_license": dim_license_table(licenses),
        "labels": labels,
        "intervention_starts": starts,
        "user_daily_access": access,
        "engagement_scores": scores,
        "tenant_engagement": tenants_table(scores),
    }
    tables |= tables_after_scores(
        tables,
        days,
        start_date,
        covered=covered,
        licenses=licenses,
        firms=core.firm_history(loads["firms"]),
        accepted=accepted_mondays(landing),
        holidays=holidays,
        hour_value_usd=hour_value_usd,
        conversion_value_usd=conversion_value_usd,
    )
    return {
        "raw.drops": drops_table(own_loads),
        "raw.quarantine": [
            row
            for row in quarantine_table(folder, own_loads)
            if row["source"] in {source.name for source in SOURCES}
        ],
        **{
            f"raw.raw_{source.name}": [
                {name: value for name, value in row.items() if name != "on"}
                for row in raw_table(loads[source.name])
            ]
            for source in SOURCES
        },
        **{f"segments.{name}": table for name, table in tables.items()},
    }


def tables_after_scores(
    tables: Tables,
    days: Sequence[date],
    start_date: date,
    *,
    covered: Collection[date] = (),
    licenses: History | None = None,
    firms: History | None = None,
    accepted: Collection[date] = (),
    holidays: Holidays = DEFAULT_HOLIDAYS,
    hour_value_usd: float = 50,
    conversion_value_usd: float = 1000,
) -> Tables:
    """What follows from the tables of sections 1 to 3; those that are not given are empty."""
    access = tables.get("user_daily_access", [])
    weeks = weeks_of(tables["engagement_scores"], tables["tenant_engagement"], start_date, accepted)
    labels = Labels(tables.get("labels", []))
    segments = segments_table(weeks, labels, days, holidays)
    recommendations = recommendations_table(segments, weeks.scores)
    licences = licences_table(access, weeks.scores, segments, licenses or {}, firms or {}, days)
    roi = roi_table(segments, recommendations, licences, hour_value_usd, conversion_value_usd)
    by_monday = by_day(segments, "user_id")
    accesses = accesses_of(access, days, covered)
    months = sorted({month_of(day) for day in days})
    return {
        "user_segments": segments,
        "recommendations": recommendations,
        "license_opportunities": licences,
        "roi_summary": roi,
        "segmentation_dashboard": dashboard_table(segments, weeks.scores, weeks.tenants, roi),
        "evaluation": evaluation_table(labels, by_monday, days),
        "stability": stability_table(by_monday, accesses, months),
        "churn_backtest": backtest_table(by_monday, accesses, days),
        "ab_readout": readout_table(
            tables.get("intervention_starts", []), by_monday, weeks.scores, months
        ),
    }


def accepted_mondays(landing: Path) -> set[date]:
    """The Mondays that a person says are no mass change."""
    found = {drop_day(path, [".accept"]) for path in landing.glob("user_segments/*")}
    return {day for day in found if day is not None}
