"""The assets of labels, interventions and the use of apps: wiring only."""

from datetime import date
from typing import Final

import polars as pl

from harvey_pipeline.graph.assets import reads, reads_sums, table_asset
from harvey_pipeline.landing.sums import SumsOfDays
from harvey_pipeline.segments.sources import INTERVENTIONS, SEGMENT_LABELS
from harvey_pipeline.segments.tables.access import (
    INTERVENTION_STARTS,
    LABELS_TABLE,
    USER_DAILY_ACCESS,
)
from harvey_pipeline.segments.transforms.access import SSO_SUMS, sum_access
from harvey_pipeline.segments.transforms.deliveries import settle_labels, settle_starts
from harvey_pipeline.warehouse.warehouse import Pieces


@table_asset(
    LABELS_TABLE, {"raw_labels": reads(SEGMENT_LABELS.table, after=SEGMENT_LABELS.late_days)}
)
def labels(days: list[date], raw_labels: pl.LazyFrame) -> Pieces:
    return Pieces(settle_labels(raw_labels, days))


@table_asset(
    INTERVENTION_STARTS,
    {"raw_interventions": reads(INTERVENTIONS.table, after=INTERVENTIONS.late_days)},
)
def intervention_starts(days: list[date], raw_interventions: pl.LazyFrame) -> Pieces:
    return Pieces(settle_starts(raw_interventions, days))


@table_asset(
    USER_DAILY_ACCESS,
    {
        "activity": reads("core.user_daily_activity"),
        "sso_events": reads_sums(SSO_SUMS),
    },
)
def user_daily_access(days: list[date], activity: pl.LazyFrame, sso_events: SumsOfDays) -> Pieces:
    return Pieces(sum_access(activity, sso_events, days))


ASSETS: Final = (labels, intervention_starts, user_daily_access)
