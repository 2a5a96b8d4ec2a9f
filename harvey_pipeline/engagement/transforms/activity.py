"""From events to the sums on which everything downstream is built."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Final

import polars as pl

from harvey_pipeline.engagement.sources import EVENTS
from harvey_pipeline.engagement.tables import TABLES
from harvey_pipeline.engagement.tables.labels import EVENT_TYPES
from harvey_pipeline.engagement.transforms.windows import from_hundredths, to_hundredths
from harvey_pipeline.landing.repeats import first_deliveries
from harvey_pipeline.warehouse.days import blocks_of_days, is_dated

_WEEK: Final = 7


def sum_activity(events: pl.LazyFrame) -> pl.LazyFrame:
    """One row per (`date`, `user_id`, `firm_id`): the events of each date, whichever drop has them.

    Args:
        events: `raw.raw_events` of every drop that may hold events of the dates wanted, already
            cut to those dates.
    """
    assistant, vault, workflow = (pl.col("event_type") == name for name in EVENT_TYPES)
    score = pl.col("feedback_score")
    sums = (
        first_deliveries(EVENTS, events)
        .rename({"event_date": "date"})
        .group_by("date", "user_id", "firm_id")
        .agg(
            queries=pl.len().cast(pl.Int64),
            assistant_queries=assistant.sum().cast(pl.Int64),
            vault_queries=vault.sum().cast(pl.Int64),
            workflow_queries=workflow.sum().cast(pl.Int64),
            documents=pl.col("num_docs").cast(pl.Int64).sum(),
            feedback_sum=from_hundredths(to_hundredths(score).sum()),
            feedback_count=score.count().cast(pl.Int64),
            high_feedback=(score >= 4).sum().cast(pl.Int64),
            low_feedback=(score <= 2).sum().cast(pl.Int64),
            first_event_at=pl.col("created_at").min(),
            last_event_at=pl.col("created_at").max(),
        )
    )
    return sums.sort("date").select(list(TABLES["core.user_daily_activity"].polars_schema))


def sum_activity_by_week(events: pl.LazyFrame, days: Sequence[date]) -> Iterator[pl.LazyFrame]:
    """`sum_activity` of consecutive days, a week at a time, so that memory does not grow."""
    for week in blocks_of_days(days, _WEEK):
        first, last = week[0], week[-1]
        drops = is_dated(first, last + timedelta(days=EVENTS.late_days), "drop_date")
        yield sum_activity(events.filter(drops & is_dated(first, last, "event_date")))
