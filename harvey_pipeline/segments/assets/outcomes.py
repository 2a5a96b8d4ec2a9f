"""What follows from the segments: wiring only. Each hands its inputs to a transform."""

from datetime import date
from typing import Final

import polars as pl

from harvey_pipeline.graph.assets import reads, table_asset
from harvey_pipeline.segments.catalogue import read_catalogue
from harvey_pipeline.segments.settings import read_segment_settings
from harvey_pipeline.segments.tables.access import DIM_LICENSE, USER_DAILY_ACCESS
from harvey_pipeline.segments.tables.labels import WINDOW_DAYS
from harvey_pipeline.segments.tables.outcomes import (
    LICENSE_OPPORTUNITIES,
    RECOMMENDATIONS,
    ROI_SUMMARY,
    SEGMENTATION_DASHBOARD,
)
from harvey_pipeline.segments.tables.scores import ENGAGEMENT_SCORES, TENANT_ENGAGEMENT
from harvey_pipeline.segments.tables.segments import USER_SEGMENTS
from harvey_pipeline.segments.transforms.dashboard import (
    MONTH_BACK,
    YEAR_BACK,
    days_compared,
    show_segmentation,
)
from harvey_pipeline.segments.transforms.licenses import find_license_opportunities
from harvey_pipeline.segments.transforms.recommendations import recommend
from harvey_pipeline.segments.transforms.roi import summarise_return
from harvey_pipeline.warehouse.warehouse import Pieces

_SETTINGS: Final = read_segment_settings()
_RULES: Final = read_catalogue(_SETTINGS.catalogue, (USER_SEGMENTS, ENGAGEMENT_SCORES))


@table_asset(
    RECOMMENDATIONS,
    {"user_segments": reads(USER_SEGMENTS), "engagement_scores": reads(ENGAGEMENT_SCORES)},
)
def recommendations(
    days: list[date], user_segments: pl.LazyFrame, engagement_scores: pl.LazyFrame
) -> Pieces:
    return Pieces(recommend(user_segments, engagement_scores, _RULES, days))


@table_asset(
    LICENSE_OPPORTUNITIES,
    {
        "dim_license": reads(DIM_LICENSE),
        "dim_firms": reads("core.dim_firms"),
        "user_daily_access": reads(USER_DAILY_ACCESS, before=WINDOW_DAYS - 1),
        "user_segments": reads(USER_SEGMENTS),
    },
)
def license_opportunities(
    days: list[date],
    dim_license: pl.LazyFrame,
    dim_firms: pl.LazyFrame,
    user_daily_access: pl.LazyFrame,
    user_segments: pl.LazyFrame,
) -> Pieces:
    return Pieces(
        find_license_opportunities(dim_license, dim_firms, user_daily_access, user_segments, days)
    )


@table_asset(
    ROI_SUMMARY,
    {
        "user_segments": reads(USER_SEGMENTS),
        "recommendations": reads(RECOMMENDATIONS),
        "license_opportunities": reads(LICENSE_OPPORTUNITIES),
    },
)
def roi_summary(
    days: list[date],
    user_segments: pl.LazyFrame,
    recommendations: pl.LazyFrame,
    license_opportunities: pl.LazyFrame,
) -> Pieces:
    return Pieces(
        summarise_return(
            user_segments,
            recommendations,
            license_opportunities,
            _SETTINGS.hour_value_usd,
            _SETTINGS.conversion_value_usd,
            days,
        )
    )


@table_asset(
    SEGMENTATION_DASHBOARD,
    {
        "user_segments": reads(USER_SEGMENTS, before=MONTH_BACK),
        "tenant_engagement": reads(TENANT_ENGAGEMENT, before=YEAR_BACK),
        "roi_summary": reads(ROI_SUMMARY),
    },
    windows={
        USER_SEGMENTS.name: lambda day: days_compared(day, MONTH_BACK),
        TENANT_ENGAGEMENT.name: lambda day: days_compared(day, MONTH_BACK, YEAR_BACK),
    },
)
def segmentation_dashboard(
    days: list[date],
    user_segments: pl.LazyFrame,
    tenant_engagement: pl.LazyFrame,
    roi_summary: pl.LazyFrame,
) -> Pieces:
    return Pieces(show_segmentation(user_segments, tenant_engagement, roi_summary, days))


ASSETS: Final = (recommendations, license_opportunities, roi_summary, segmentation_dashboard)
