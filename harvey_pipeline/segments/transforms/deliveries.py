"""Labels and interventions: of what several drops say of the same, the latest counts."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Final

import polars as pl

from harvey_pipeline.landing.repeats import latest_deliveries
from harvey_pipeline.landing.source import EVENT_DATE, Source
from harvey_pipeline.segments.sources import INTERVENTIONS, SEGMENT_LABELS
from harvey_pipeline.segments.tables.access import INTERVENTION_STARTS, LABELS_TABLE
from harvey_pipeline.warehouse.days import blocks_of_days, is_dated
from harvey_pipeline.warehouse.table import Table

_BLOCK_DAYS: Final = 28


def settle_labels(labels: pl.LazyFrame, days: Sequence[date]) -> Iterator[pl.LazyFrame]:
    """`segments.labels` of some days, in blocks.

    Args:
        labels: `raw.raw_segment_labels` of all drops that may hold labels of these days.
        days: Consecutive days, ascending.
    """
    return _settle(SEGMENT_LABELS, LABELS_TABLE, labels, days)


def settle_starts(interventions: pl.LazyFrame, days: Sequence[date]) -> Iterator[pl.LazyFrame]:
    """`segments.intervention_starts` of some days, in blocks.

    Args:
        interventions: `raw.raw_interventions` of all drops that may hold starts of these days.
        days: Consecutive days, ascending.
    """
    return _settle(INTERVENTIONS, INTERVENTION_STARTS, interventions, days)


def _settle(
    source: Source, table: Table, raw: pl.LazyFrame, days: Sequence[date]
) -> Iterator[pl.LazyFrame]:
    for block in blocks_of_days(days, _BLOCK_DAYS):
        first, last = block[0], block[-1]
        drops = is_dated(first, last + timedelta(days=source.late_days), "drop_date")
        rows = raw.filter(drops & is_dated(first, last, EVENT_DATE))
        settled = latest_deliveries(source, rows).rename({EVENT_DATE: "date"})
        yield settled.select(list(table.polars_schema)).sort(table.key)
