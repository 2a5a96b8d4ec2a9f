"""Wiring of the weekly segments."""

from datetime import date
from typing import Final

import polars as pl

from harvey_pipeline.graph.assets import TableAsset, reads, table_asset
from harvey_pipeline.graph.calendar import Calendar
from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline.segments.settings import read_segment_settings
from harvey_pipeline.segments.tables.labels import WINDOW_DAYS
from harvey_pipeline.segments.tables.segments import MARKED, USER_SEGMENTS
from harvey_pipeline.segments.transforms.mondays import mondays_read
from harvey_pipeline.segments.transforms.segments import SCORE_DAYS, TENANT_DAYS, segment_users
from harvey_pipeline.warehouse.warehouse import Pieces

_SETTINGS: Final = read_segment_settings()


@table_asset(
    USER_SEGMENTS,
    {
        "scores": reads("segments.engagement_scores", before=SCORE_DAYS),
        "tenants": reads("segments.tenant_engagement", before=TENANT_DAYS),
        "labels": reads("segments.labels", before=WINDOW_DAYS - 1),
    },
    windows={"segments.engagement_scores": lambda day: mondays_read(day, SCORE_DAYS)},
)
def user_segments(
    days: list[date],
    scores: pl.LazyFrame,
    tenants: pl.LazyFrame,
    labels: pl.LazyFrame,
    raw_store: RawStore,
    calendar: Calendar,
) -> Pieces:
    return Pieces(
        segment_users(
            scores,
            tenants,
            labels,
            days,
            first_day=calendar.first,
            accepted=raw_store.marked_days(MARKED),
            holidays=_SETTINGS.holidays,
        )
    )


ASSETS: Final[tuple[TableAsset, ...]] = (user_segments,)
