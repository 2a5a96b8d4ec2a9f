"""What judges the segments: wiring only. Each asset hands its inputs to a transform."""

from datetime import date, timedelta
from typing import Final

import polars as pl

from harvey_pipeline.graph.assets import TableAsset, reads, table_asset
from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline.segments.assets.coverage import covered_days
from harvey_pipeline.segments.sources import SSO_EVENTS
from harvey_pipeline.segments.tables.access import USER_DAILY_ACCESS
from harvey_pipeline.segments.tables.evaluation import (
    AB_READOUT,
    CHURN_BACKTEST,
    EVALUATION,
    STABILITY,
)
from harvey_pipeline.segments.tables.labels import MONTH_DAYS, YEAR_DAYS
from harvey_pipeline.segments.tables.segments import USER_SEGMENTS
from harvey_pipeline.segments.transforms.backtest import backtest_churn
from harvey_pipeline.segments.transforms.experiments import read_out_experiments
from harvey_pipeline.segments.transforms.judging import judge_segments
from harvey_pipeline.segments.transforms.mondays import mondays_of
from harvey_pipeline.segments.transforms.stability import MONTHS_AFTER, follow_segments
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.warehouse import Pieces, Warehouse

_EVENT_SUMMARY: Final = "marts.daily_event_summary"
_SCORES: Final = "segments.engagement_scores"
_LABELS: Final = "segments.labels"
_STARTS: Final = "segments.intervention_starts"

_YEAR: Final = YEAR_DAYS - 1
_MONTHS_AFTER: Final = max(MONTHS_AFTER)
_MONTHS_TO_OUTCOME: Final = 4
"""From the month of a start to the latest month of the Monday after it."""


@table_asset(
    EVALUATION,
    {
        "labels": reads(_LABELS, before=_YEAR),
        "user_segments": reads(USER_SEGMENTS, before=_YEAR),
    },
)
def evaluation(days: list[date], labels: pl.LazyFrame, user_segments: pl.LazyFrame) -> Pieces:
    return Pieces(judge_segments(labels, user_segments, days))


@table_asset(
    CHURN_BACKTEST,
    {
        "user_segments": reads(USER_SEGMENTS),
        "user_daily_access": reads(USER_DAILY_ACCESS, after=MONTH_DAYS),
        "daily_event_summary": reads(_EVENT_SUMMARY, after=MONTH_DAYS),
    },
    after=[reads(SSO_EVENTS.table, after=MONTH_DAYS)],
)
def churn_backtest(
    days: list[date],
    user_segments: pl.LazyFrame,
    user_daily_access: pl.LazyFrame,
    daily_event_summary: pl.LazyFrame,
    warehouse: Warehouse,
    raw_store: RawStore,
) -> Pieces:
    window = DayRange(days[0], days[-1] + timedelta(days=MONTH_DAYS))
    covered = covered_days(daily_event_summary, raw_store, window)
    run_days = warehouse.days_written(USER_DAILY_ACCESS)
    return Pieces(backtest_churn(user_segments, user_daily_access, run_days, covered, days))


@table_asset(
    STABILITY,
    {
        "user_segments": reads(USER_SEGMENTS, after=_MONTHS_AFTER),
        "user_daily_access": reads(USER_DAILY_ACCESS, after=_MONTHS_AFTER),
        "daily_event_summary": reads(_EVENT_SUMMARY, after=_MONTHS_AFTER),
    },
    after=[reads(SSO_EVENTS.table, after=_MONTHS_AFTER)],
)
def stability(
    days: list[date],
    user_segments: pl.LazyFrame,
    user_daily_access: pl.LazyFrame,
    daily_event_summary: pl.LazyFrame,
    warehouse: Warehouse,
    raw_store: RawStore,
) -> Pieces:
    window = DayRange(
        days[0], reads(USER_SEGMENTS, after=_MONTHS_AFTER).days_of_month(days[-1]).last
    )
    covered = covered_days(daily_event_summary, raw_store, window)
    run_days = warehouse.days_written(USER_SEGMENTS) & warehouse.days_written(USER_DAILY_ACCESS)
    return Pieces(follow_segments(user_segments, user_daily_access, run_days, covered, days))


@table_asset(
    AB_READOUT,
    {
        "intervention_starts": reads(_STARTS),
        "user_segments": reads(USER_SEGMENTS, before=1, after=_MONTHS_TO_OUTCOME),
        "engagement_scores": reads(_SCORES, after=_MONTHS_TO_OUTCOME),
    },
    windows={
        _SCORES: lambda month: mondays_of(
            reads(_SCORES, after=_MONTHS_TO_OUTCOME).days_of_month(month).days
        )
    },
)
def ab_readout(
    days: list[date],
    intervention_starts: pl.LazyFrame,
    user_segments: pl.LazyFrame,
    engagement_scores: pl.LazyFrame,
) -> Pieces:
    return Pieces(read_out_experiments(intervention_starts, user_segments, engagement_scores, days))


ASSETS: Final[tuple[TableAsset, ...]] = (evaluation, churn_backtest, stability, ab_readout)
