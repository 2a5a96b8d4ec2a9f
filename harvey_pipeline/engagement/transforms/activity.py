"""From events to the sums on which everything downstream is built."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

import polars as pl

from harvey_pipeline.engagement.sources import EVENTS
from harvey_pipeline.engagement.tables import TABLES
from harvey_pipeline.engagement.tables.labels import EVENT_TYPES
from harvey_pipeline.engagement.transforms.windows import from_hundredths, to_hundredths
from harvey_pipeline.landing.source import EVENT_DATE
from harvey_pipeline.landing.sums import EventSums, SumsOfDays, add_up
from harvey_pipeline.warehouse.days import DayRange, blocks_of_days

_WEEK: Final = 7

_TABLE: Final = TABLES["core.user_daily_activity"]
_KEY: Final = ("date", "user_id", "firm_id")


def _count_and_add(events: pl.LazyFrame) -> pl.LazyFrame:
    """One row per (`date`, `user_id`, `firm_id`) of events that each count."""
    assistant, vault, workflow = (pl.col("event_type") == name for name in EVENT_TYPES)
    score = pl.col("feedback_score")
    return (
        events.rename({EVENT_DATE: "date"})
        .group_by(_KEY)
        .agg(
            queries=pl.len().cast(pl.Int64),
            assistant_queries=assistant.sum().cast(pl.Int64),
            vault_queries=vault.sum().cast(pl.Int64),
            workflow_queries=workflow.sum().cast(pl.Int64),
            documents=pl.col("num_docs").cast(pl.Int64).sum(),
            feedback_hundredths=to_hundredths(score).sum(),
            feedback_count=score.count().cast(pl.Int64),
            high_feedback=(score >= 4).sum().cast(pl.Int64),
            low_feedback=(score <= 2).sum().cast(pl.Int64),
            first_event_at=pl.col("created_at").min(),
            last_event_at=pl.col("created_at").max(),
        )
    )


def _merge(sums: pl.LazyFrame) -> pl.LazyFrame:
    return add_up(sums, _KEY, first=["first_event_at"], last=["last_event_at"])


ACTIVITY_SUMS: Final = EventSums(_TABLE.name, EVENTS, _count_and_add, _merge)
"""One row per (`date`, `user_id`, `firm_id`); scores are added up in hundredths."""


def tell_activity(sums: pl.LazyFrame) -> pl.LazyFrame:
    """`core.user_daily_activity`, in the order of its days, of `ACTIVITY_SUMS`."""
    feedback = from_hundredths(pl.col("feedback_hundredths"))
    told = sums.with_columns(feedback_sum=feedback).sort("date")
    return told.select(list(_TABLE.polars_schema))


def sum_activity_by_week(events: SumsOfDays, days: Sequence[date]) -> Iterator[pl.LazyFrame]:
    """`core.user_daily_activity` of consecutive days, a week at a time: memory does not grow.

    Args:
        events: `ACTIVITY_SUMS` of these days.
        days: The days, ascending.
    """
    for week in blocks_of_days(days, _WEEK):
        yield tell_activity(events.of(DayRange(week[0], week[-1])))
