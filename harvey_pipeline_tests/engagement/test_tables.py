"""The tables: names, keys, allowed labels and descriptions, held against the definitions."""

from datetime import date
from typing import Any

import dataframely as dy
import polars as pl
import pytest

from harvey_pipeline.definitions import tables_of
from harvey_pipeline.engagement import SUBJECT
from harvey_pipeline.llm.tables import TABLES as LLM_TABLES

TABLES = {name: table for name, table in tables_of([SUBJECT]).items() if table not in LLM_TABLES}

LAYERS = ["raw", "core", "marts", "months", "history"]

KEYS = {
    "raw.raw_users": ["drop_date", "user_id"],
    "raw.raw_firms": ["drop_date", "firm_id"],
    "raw.raw_events": ["drop_date", "line_number"],
    "raw.drops": ["source", "drop_date"],
    "raw.quarantine": [],
    "history.user_snapshots": ["day"],
    "history.firm_snapshots": ["day"],
    "history.user_intervals": ["user_id", "first_day"],
    "history.firm_intervals": ["firm_id", "first_day"],
    "core.dim_user": ["user_id", "effective_start_date"],
    "core.dim_firms": ["firm_id", "effective_start_date"],
    "core.user_daily_activity": ["date", "user_id", "firm_id"],
    "core.first_activity": ["grain", "entity_id"],
    "marts.daily_user_engagement": ["date", "user_id"],
    "marts.daily_firm_usage_summary": ["date", "firm_id"],
    "marts.daily_event_summary": ["date"],
    "marts.harvey_analytics_dashboard": ["date"],
    "marts.tier_changes": ["date", "user_id"],
    "marts.usage_by_segment": ["date", "grain", "segment", "segment_value"],
    "marts.growth_accounting": ["date", "grain"],
    "marts.active_usage": ["date", "grain"],
    "marts.power_curve": ["date", "window_days", "active_days"],
    "marts.data_quality_daily": ["drop_date", "source"],
    "months.user_engagement": ["activity_month", "user_id"],
    "months.firm_usage_summary": ["activity_month", "firm_id"],
    "months.retention_cohorts": ["grain", "cohort_month", "months_since"],
}

USAGE_PATTERNS = [
    "Assistant-Focused",
    "Vault-Focused",
    "Workflow-Focused",
    "Balanced Usage",
    "Mixed Usage",
    "No Usage",
]
POWER_USER_TIERS = [
    "Power User",
    "High Value User",
    "Medium Value User",
    "Low Value User",
    "Inactive User",
]

LABELS = {
    ("raw.raw_events", "event_type"): ["ASSISTANT", "VAULT", "WORKFLOW"],
    ("marts.daily_user_engagement", "tenure_band"): [
        "0-1 months",
        "1-3 months",
        "3-6 months",
        "6-12 months",
        "12+ months",
    ],
    ("marts.daily_user_engagement", "power_user_tier"): POWER_USER_TIERS,
    ("marts.daily_user_engagement", "engagement_level"): [
        "High Frequency User",
        "Mid Frequency User",
        "Low Frequency User",
        "Occasional User",
        "Inactive User",
    ],
    ("marts.daily_user_engagement", "usage_pattern"): USAGE_PATTERNS,
    ("marts.daily_user_engagement", "quality_level"): [
        "High Quality",
        "Good Quality",
        "Average Quality",
        "Needs Improvement",
    ],
    ("marts.daily_firm_usage_summary", "firm_usage_pattern"): USAGE_PATTERNS,
    ("marts.daily_firm_usage_summary", "firm_usage_pattern_30d"): USAGE_PATTERNS,
    ("marts.tier_changes", "tier_before"): POWER_USER_TIERS,
    ("marts.tier_changes", "tier_now"): POWER_USER_TIERS,
    ("marts.tier_changes", "direction"): ["up", "down"],
    ("marts.tier_changes", "main_component"): [
        "active_days_weight",
        "document_volume_weight",
        "feature_breadth_weight",
    ],
    ("marts.daily_firm_usage_summary", "adoption_level"): [
        "High Adoption",
        "Good Adoption",
        "Moderate Adoption",
        "Low Adoption",
        "Very Low Adoption",
    ],
    ("marts.daily_firm_usage_summary", "firm_health_status"): [
        "Excellent",
        "Good",
        "Fair",
        "Needs Attention",
        "Critical",
    ],
    ("marts.daily_firm_usage_summary", "firm_maturity_stage"): [
        "New",
        "Early Stage",
        "Growing",
        "Established",
        "Mature",
    ],
    ("marts.daily_firm_usage_summary", "firm_size_category"): [
        "Large Firm",
        "Medium Firm",
        "Small Firm",
        "Boutique Firm",
    ],
    ("marts.daily_firm_usage_summary", "arr_tier"): [
        "High Value",
        "Medium Value",
        "Standard Value",
        "Entry Level",
    ],
    ("marts.harvey_analytics_dashboard", "growth_trend"): [
        "Strong Growth",
        "Growing",
        "Stable",
        "Declining",
        "Critical Decline",
        "Insufficient Data",
    ],
    ("marts.harvey_analytics_dashboard", "usage_volume_category"): [
        "High Volume",
        "Medium Volume",
        "Low Volume",
        "Minimal Usage",
    ],
    ("marts.data_quality_daily", "level"): ["ok", "info", "warning", "critical"],
    **{
        (name, "grain"): ["user", "firm"]
        for name in (
            "core.first_activity",
            "marts.usage_by_segment",
            "marts.growth_accounting",
            "marts.active_usage",
            "months.retention_cohorts",
        )
    },
    ("marts.usage_by_segment", "segment"): ["user_role", "firm_size_category", "arr_tier"],
    ("months.user_engagement", "power_user_tier"): POWER_USER_TIERS,
    ("months.user_engagement", "engagement_level"): ["high", "medium", "low"],
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_has_the_key_of_its_definition(name: str) -> None:
    assert TABLES[name].key == KEYS[name]


@pytest.mark.parametrize("name", TABLES)
def test_a_table_without_rows_is_a_valid_one(name: str) -> None:
    table = TABLES[name]
    empty = table.empty().collect()
    assert table.schema.validate(empty).is_empty()
    assert dict(empty.schema) == table.polars_schema


@pytest.mark.parametrize("name", TABLES)
def test_a_table_and_its_columns_are_described(name: str) -> None:
    """Guards against a schema that inherits its description, and against blank columns."""
    table = TABLES[name]
    assert table.schema.__dict__["__doc__"].strip()
    described = {column: one.description for column, one in table.schema.columns().items()}
    assert [column for column, text in described.items() if not (text or "").strip()] == []


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_cut_by_a_required_date_or_not_at_all(name: str) -> None:
    table = TABLES[name]
    if table.day_column is not None:
        assert table.polars_schema[table.day_column] == pl.Date
        assert table.day_column in table.key or name == "raw.quarantine"


def test_labels_are_exactly_those_of_the_definitions() -> None:
    """Guards against a misspelt label, which would make a group of its own in every report."""
    found: dict[tuple[str, str], Any] = {
        (name, column): dtype.categories.to_list()
        for name, table in TABLES.items()
        for column, dtype in table.polars_schema.items()
        if isinstance(dtype, pl.Enum)
    }
    assert found == LABELS


def test_tables_are_named_by_layer_and_listed_by_it() -> None:
    layers = [name.split(".")[0] for name in TABLES]
    assert all(name.count(".") == 1 for name in TABLES)
    assert layers == sorted(layers, key=LAYERS.index)
    assert len({name.split(".")[1] for name in TABLES}) == len(TABLES)
    assert all(table.name == name for name, table in TABLES.items())


@pytest.mark.parametrize("name", [name for name in TABLES if name.split(".")[0] != "raw"])
def test_key_columns_are_never_null_but_for_the_value_of_a_segment(name: str) -> None:
    """What is unknown is a segment of its own."""
    columns: dict[str, dy.Column] = TABLES[name].schema.columns()
    nullable = [column for column in TABLES[name].key if columns[column].nullable]
    assert nullable == (["segment_value"] if name == "marts.usage_by_segment" else [])


def test_a_table_is_cut_into_days_or_into_months() -> None:
    first, last = date(2023, 12, 1), date(2024, 2, 1)
    assert TABLES["marts.power_curve"].count_partitions(first, last) == 63
    assert TABLES["months.user_engagement"].count_partitions(first, last) == 3
    monthly = {name for name, table in TABLES.items() if table.is_monthly}
    assert monthly == {name for name in TABLES if name.startswith("months.")}
