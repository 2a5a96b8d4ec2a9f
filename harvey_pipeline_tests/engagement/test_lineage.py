"""What the subject's columns are made of, against what their definitions say."""

import pytest

from harvey_pipeline.cli import docs
from harvey_pipeline.definitions import SUBJECTS, sources_of, tables_of
from harvey_pipeline.engagement import SUBJECT
from harvey_pipeline.graph.assets import TableAsset
from harvey_pipeline.graph.experiments import find_lineage
from harvey_pipeline.graph.lineage import read_lineage

assert SUBJECT.lineage is not None
LINEAGE = read_lineage(SUBJECT.lineage)

CONSTANTS = {
    "marts.daily_event_summary.is_covered",
    "marts.growth_accounting.grain",
    "marts.growth_accounting.is_history_short",
    "marts.active_usage.grain",
    "marts.power_curve.window_days",
    "marts.power_curve.active_days",
    "months.retention_cohorts.activity_month",
    "months.retention_cohorts.is_complete",
}
"""Columns that say what was asked for, or which drops there are; no row of a table tells them."""


def activity(*columns: str) -> set[str]:
    return {f"core.user_daily_activity.{column}" for column in columns}


USER_DAY = ("date", "user_id", "firm_id")
TYPES = ("assistant_queries", "vault_queries", "workflow_queries")


@pytest.mark.parametrize(
    ("column", "made_of"),
    [
        ("core.dim_user.user_role", {"raw.raw_users.title"}),
        ("core.dim_firms.arr_usd", {"raw.raw_firms.arr_usd"}),
        ("core.user_daily_activity.documents", {"raw.raw_events.num_docs"}),
        ("core.user_daily_activity.vault_queries", {"raw.raw_events.event_type"}),
        ("core.user_daily_activity.last_event_at", {"raw.raw_events.created_at"}),
        ("marts.daily_user_engagement.user_role", {"core.dim_user.user_role"}),
        ("marts.daily_user_engagement.tenure_band", {"core.dim_user.user_created_date"}),
        ("marts.daily_user_engagement.active_days", activity(*USER_DAY)),
        ("marts.daily_user_engagement.document_volume_weight", activity("documents")),
        # Active days, documents and the breadth of features, weighted.
        (
            "marts.daily_user_engagement.power_user_score",
            activity("date", "documents", *TYPES),
        ),
        ("marts.daily_user_engagement.engagement_level", activity("date", "queries")),
        ("marts.daily_firm_usage_summary.arr_tier", {"core.dim_firms.arr_usd"}),
        (
            "marts.daily_firm_usage_summary.adoption_rate_30d",
            {*activity(*USER_DAY), "core.dim_firms.firm_size"},
        ),
        (
            "marts.daily_firm_usage_summary.firm_health_status",
            activity("queries", "feedback_sum", "feedback_count"),
        ),
        (
            "marts.harvey_analytics_dashboard.power_user_rate",
            {
                "marts.daily_user_engagement.power_user_tier",
                "marts.daily_user_engagement.active_days",
            },
        ),
        (
            "marts.harvey_analytics_dashboard.growth_trend",
            {
                "marts.daily_event_summary.is_covered",
                "marts.daily_user_engagement.power_user_tier",
            },
        ),
        ("marts.daily_event_summary.is_volume_usual", activity("queries")),
        (
            "marts.tier_changes.tier_now",
            {"marts.daily_user_engagement.power_user_tier"},
        ),
        # The weights, and the scores by which the direction is known.
        (
            "marts.tier_changes.main_component",
            {
                f"marts.daily_user_engagement.{one}"
                for one in (
                    "active_days_weight",
                    "document_volume_weight",
                    "feature_breadth_weight",
                    "power_user_score",
                )
            },
        ),
        (
            "marts.growth_accounting.quick_ratio",
            {f"marts.usage_by_segment.{one}" for one in ("new", "resurrected", "churned")},
        ),
        ("months.user_engagement.pr_num_docs", activity("documents")),
        (
            "months.retention_cohorts.cohort_month",
            {f"core.first_activity.{one}" for one in ("grain", "first_activity_date")},
        ),
    ],
)
def test_a_column_is_made_of_what_its_definition_names(column: str, made_of: set[str]) -> None:
    table, _, name = column.rpartition(".")
    assert set(LINEAGE[table].columns[name]) == made_of


def test_every_column_is_made_of_something_that_exists() -> None:
    tables = tables_of(SUBJECTS)
    assert {name: list(one.columns) for name, one in LINEAGE.items()} == {
        asset.table.name: list(asset.table.polars_schema)
        for asset in SUBJECT.table_assets
        if not asset.ledger_of
    }
    columns = {
        f"{table}.{name}": made
        for table, one in LINEAGE.items()
        for name, made in one.columns.items()
    }
    assert {name for name, made in columns.items() if not made} == CONSTANTS
    upstream = {
        asset.table.name: {one.table for one in asset.upstream} for asset in SUBJECT.table_assets
    }
    for name, made in columns.items():
        for one in made:
            table, _, column = one.rpartition(".")
            assert table in upstream[name.rpartition(".")[0]], name
            assert column in tables[table].polars_schema, name


def test_the_file_is_of_this_code() -> None:
    """`harvey docs` writes it anew."""
    files = docs.build_lineage(is_check_wanted=True)
    assert SUBJECT.lineage is not None
    assert files[SUBJECT.lineage] == SUBJECT.lineage.read_text(encoding="utf-8")


@pytest.mark.long
@pytest.mark.parametrize(
    "asset",
    [one for one in SUBJECT.table_assets if not one.ledger_of],
    ids=lambda asset: asset.table.name,
)
def test_the_same_is_found_again(asset: TableAsset) -> None:
    sources = {source.table.name: source for source in sources_of(SUBJECTS)}
    found = find_lineage(asset, tables_of(SUBJECTS), sources)
    assert found == LINEAGE[asset.table.name].columns
