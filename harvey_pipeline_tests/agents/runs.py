"""The subject's pipeline over a landing folder, and its tables beside the reference's."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from harvey_pipeline.agents import SUBJECT
from harvey_pipeline_tests.agents.oracle import expected_tables
from harvey_pipeline_tests.pipelines import Pipeline, Rows, assert_same_rows, keys_of

FIRST: Final = date(2024, 3, 1)
KEYS: Final = keys_of(SUBJECT)
VIEW_KEYS: Final = {
    "agents.dim_date_today": ("date_actual",),
    "agents.approval_rate_trend": ("date_actual",),
    "agents.shop_performance": ("month", "shop_domain"),
    "agents.annotation_quality": ("month", "annotator_sk"),
    "agents.confidence_calibration_30d": ("agent_type_sk", "confidence_band"),
    "agents.agent_expectations": ("agent_type_sk",),
    "agents.pending_drafts": ("approval_sk",),
}
"""What is computed when asked, and what tells its rows apart."""


def pipeline_of(landing: Path, folder: Path, last: date) -> Pipeline:
    return Pipeline(landing, folder, FIRST, last, SUBJECT)


def reference_of(pipeline: Pipeline, days: Sequence[date]) -> dict[str, Rows]:
    """The reference's tables once these days have been run, the views as of today."""
    assert pipeline.last is not None
    return expected_tables(
        pipeline.landing,
        days,
        pipeline.first,
        calendar_end=pipeline.last,
        today=datetime.now(UTC).date(),
    )


def assert_agrees(pipeline: Pipeline, days: Sequence[date], *tables: str) -> None:
    """Tables (all, if none is named) are those of the reference for the days run."""
    expected = reference_of(pipeline, days)
    for name in tables or KEYS:
        assert_same_rows(
            name, in_any_order(pipeline.rows(name)), in_any_order(expected[name]), KEYS[name]
        )


def rows_of_view(pipeline: Pipeline, name: str) -> Rows:
    """The rows of a view, in its order."""
    columns = [name for name, *_ in pipeline.warehouse.query(f"describe {name}")]
    return [
        dict(zip(columns, row, strict=True))
        for row in pipeline.warehouse.query(f"select * from {name}")
    ]


def assert_views_agree(pipeline: Pipeline, days: Sequence[date]) -> None:
    """Views are those of the reference for the days run."""
    expected = reference_of(pipeline, days)
    for name, key in VIEW_KEYS.items():
        assert_same_rows(name, rows_of_view(pipeline, name), expected[name], key)


def in_any_order(rows: Rows) -> Rows:
    """Rows whose reasons are in the order of the alphabet: the definitions give them none."""
    return [row | {"reasons": sorted(row["reasons"])} if "reasons" in row else row for row in rows]
