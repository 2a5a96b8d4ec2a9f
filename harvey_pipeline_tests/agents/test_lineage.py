"""What the subject's columns are made of, against what their definitions say."""

import pytest

from harvey_pipeline.agents import SUBJECT
from harvey_pipeline.agents.tables import TABLES
from harvey_pipeline.definitions import SUBJECTS, sources_of, tables_of
from harvey_pipeline.graph.assets import TableAsset
from harvey_pipeline.graph.experiments import find_lineage
from harvey_pipeline.graph.lineage import read_lineage

assert SUBJECT.lineage is not None
LINEAGE = read_lineage(SUBJECT.lineage)

UNTOLD = {
    *(f"agents.dim_date.{name}" for name in TABLES["dim_date"].polars_schema),
    # Of one day there is one.
    *(f"{table}.date_sk" for table in TABLES.values() if table.day_column is not None),
    *(
        f"agents.daily_agent_summary.{name}"
        for name in (
            "is_approvals_covered",
            "is_queries_covered",
            "is_feedback_covered",
            # Numbers of rows and of shops, which another value in a row leaves as they are.
            "total_drafts",
            "total_queries",
            "annotations",
            "active_shops",
        )
    ),
} - {"agents.customer_daily.date_sk"}
"""Columns that no row of a table tells, or that no other value in one changes."""


@pytest.mark.parametrize(
    ("column", "made_of"),
    [
        ("history.shop_versions.plan_type", {"raw.raw_shops.plan_type"}),
        ("agents.dim_shop.expiration_date", {"history.shop_versions.effective_end_date"}),
        (
            "agents.dim_agent_type.is_active",
            {f"history.agent_type_versions.{one}" for one in ("is_active", "is_current")},
        ),
        ("agents.fact_agent_approval.is_approved", {"raw.raw_agent_approvals.status"}),
        ("agents.fact_agent_approval.is_urgent", {"raw.raw_agent_approvals.priority"}),
        (
            "agents.fact_agent_approval.is_escalated",
            {"raw.raw_agent_approvals.recommended_action"},
        ),
        (
            "agents.fact_agent_approval.review_time_seconds",
            {f"raw.raw_agent_approvals.{one}" for one in ("created_at", "reviewed_at")},
        ),
        (
            "agents.fact_agent_approval.customer_sk",
            {f"raw.raw_agent_approvals.{one}" for one in ("customer_email", "shop_domain")},
        ),
        ("agents.fact_agent_query.latency_ms", {"raw.raw_agent_queries.latency_ms"}),
        (
            "agents.fact_training_feedback.overall_score",
            {
                f"raw.raw_agent_feedback.{one}_score"
                for one in ("clarity", "accuracy", "helpfulness", "tone")
            },
        ),
        (
            "agents.daily_agent_performance.reviewed",
            {f"agents.fact_agent_approval.is_{one}" for one in ("approved", "rejected", "edited")},
        ),
        ("agents.daily_query_performance.p99_latency_ms", {"agents.fact_agent_query.latency_ms"}),
        (
            "agents.daily_annotation_quality.annotator_sk",
            {"agents.fact_training_feedback.annotator_sk"},
        ),
        ("agents.daily_agent_summary.error_rate", {"agents.fact_agent_query.is_error"}),
        (
            "agents.dim_annotator.annotator_name",
            {"history.annotator_versions.annotator_name"},
        ),
    ],
)
def test_a_column_is_made_of_what_its_definition_names(column: str, made_of: set[str]) -> None:
    table, _, name = column.rpartition(".")
    assert set(LINEAGE[table].columns[name]) == made_of


def test_every_column_is_made_of_something_that_exists() -> None:
    tables = tables_of(SUBJECTS)
    assert {name: list(one.columns) for name, one in LINEAGE.items()} == {
        asset.table.name: list(asset.table.polars_schema) for asset in SUBJECT.table_assets
    }
    made = {
        f"{table}.{name}": of for table, one in LINEAGE.items() for name, of in one.columns.items()
    }
    assert {name for name, of in made.items() if not of} == UNTOLD
    for of in made.values():
        for one in of:
            table, _, column = one.rpartition(".")
            assert column in tables[table].polars_schema


@pytest.mark.long
@pytest.mark.parametrize("asset", SUBJECT.table_assets, ids=lambda asset: asset.table.name)
def test_the_same_is_found_again(asset: TableAsset) -> None:
    sources = {source.table.name: source for source in sources_of(SUBJECTS)}
    found = find_lineage(asset, tables_of(SUBJECTS), sources)
    assert found == LINEAGE[asset.table.name].columns
