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


def in_any_order(rows: Rows) -> Rows:
    """Rows whose reasons are in the order of the alphabet: the definitions give them none."""
    return [row | {"reasons": sorted(row["reasons"])} if "reasons" in row else row for row in rows]
