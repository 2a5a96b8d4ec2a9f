"""What the UI shows of an asset: figures by partition, lateness, and where its code stands."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from harvey_pipeline.definitions import SUBJECTS, build_definitions
from harvey_pipeline.graph.assets import asset_key
from harvey_pipeline.graph.calendar import Calendar
from harvey_pipeline_tests.places import (
    DAYS,
    EVENT_HEADER,
    FIRMS,
    FIRST,
    LAST,
    MIDDLE,
    USERS,
    Place,
    events_of,
)

DASHBOARD = "marts.harvey_analytics_dashboard"


def figures(result: dg.ExecuteInProcessResult, table: str) -> dict[str, dict[str, Any]]:
    """The metadata of each partition's latest materialization in a run."""
    return {
        str(event.partition): {
            name: value.value for name, value in event.materialization.metadata.items()
        }
        for event in result.get_asset_materialization_events()
        if event.asset_key == asset_key(table)
    }


def test_every_partition_of_a_range_has_its_own_figures(tmp_path: Path) -> None:
    place = Place(tmp_path)
    for day in DAYS.days:
        place.drop("users", day, USERS)
        place.drop("firms", day, FIRMS)
        # Four events of three users, none, and one.
        lines = {FIRST: events_of(day), MIDDLE: (EVENT_HEADER,), LAST: events_of(day)[:2]}
        place.drop("events", day, lines[day])
    [daily, monthly] = place.run().results
    assert daily.success
    assert monthly.success
    by_day = figures(daily, DASHBOARD)
    shown = ("total_events", "dau", "wau")
    assert {day: [of_day[name] for name in shown] for day, of_day in by_day.items()} == {
        str(FIRST): [4, 3, 3],
        str(MIDDLE): [0, 0, 3],
        str(LAST): [1, 1, 3],
    }
    rows = "dagster/partition_row_count"
    for table, expected in (
        ("raw.raw_events", [4, 0, 1]),
        ("core.user_daily_activity", [3, 0, 1]),
        ("marts.daily_user_engagement", [3, 3, 3]),
    ):
        assert [one[rows] for _, one in sorted(figures(daily, table).items())] == expected, table
    # Once a run is enough: the UI looks at the last one.
    with_lineage = {day for day, of_day in by_day.items() if "dagster/column_lineage" in of_day}
    assert with_lineage == {str(LAST)}
    lineage = by_day[str(LAST)]["dagster/column_lineage"]
    assert [(one.asset_key.path[-1], one.column_name) for one in lineage.deps_by_column["dau"]] == [
        ("daily_user_engagement", "last_activity_date")
    ]
    for result, table in ((daily, "core.dim_user"), (monthly, "months.user_engagement")):
        *_, (_, latest) = sorted(figures(result, table).items())
        assert "dagster/column_lineage" in latest, table
    assert [one[rows] for one in figures(monthly, "months.user_engagement").values()] == [3]


def specs_of(place: Place, calendar: Calendar, hour: int) -> dict[str, dg.AssetSpec]:
    definitions = build_definitions(SUBJECTS, calendar, place.warehouse, place.raw_store, hour)
    specs = definitions.resolve_all_asset_specs()
    return {".".join(spec.key.path): spec for spec in specs}


def test_a_day_that_is_late_is_shown_where_the_calendar_is_open(tmp_path: Path) -> None:
    place = Place(tmp_path)
    specs = specs_of(place, Calendar(FIRST, None), 9)
    policy = specs[DASHBOARD].freshness_policy
    assert policy == dg.FreshnessPolicy.cron("0 9 * * *", timedelta(hours=9))
    assert specs["months.user_engagement"].freshness_policy is None
    over = specs_of(place, Calendar(FIRST, date(2024, 6, 30)), 9)
    assert {spec.freshness_policy for spec in over.values()} == {None}


def test_an_asset_leads_to_the_code_that_computes_it(tmp_path: Path) -> None:
    specs = specs_of(Place(tmp_path), Calendar(FIRST, None), 12)
    for table, function in (
        ("marts.power_curve", "def power_curve("),
        ("core.dim_user", "def take_in("),
    ):
        [reference] = specs[table].metadata["dagster/code_references"].code_references
        lines = Path(reference.file_path).read_text().splitlines()
        assert any(function in line for line in lines[reference.line_number - 1 :][:8]), table
        assert specs[table].code_version


def test_every_asset_is_tagged_with_its_subject_and_its_partitions(tmp_path: Path) -> None:
    specs = specs_of(Place(tmp_path), Calendar(FIRST, None), 12)
    for table, subject, partitions in (
        ("raw.raw_users", "engagement", "days"),
        ("core.dim_user", "engagement", "days"),
        ("months.retention_cohorts", "engagement", "months"),
        ("raw.raw_agent_approvals", "agents", "days"),
    ):
        tags = {key: specs[table].tags[key] for key in ("subject", "partitions")}
        assert tags == {"subject": subject, "partitions": partitions}, table
    assert all({"subject", "partitions"} <= spec.tags.keys() for spec in specs.values())
    months = dg.AssetSelection.tag("partitions", "months") & dg.AssetSelection.tag(
        "subject", "engagement"
    )
    definitions = build_definitions(
        SUBJECTS, Calendar(FIRST, None), Place(tmp_path).warehouse, Place(tmp_path).raw_store
    )
    graph = definitions.resolve_asset_graph()
    assert {key.path[0] for key in months.resolve(graph)} == {"months"}
