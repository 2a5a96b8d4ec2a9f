"""The assets of engagement scores: wiring only."""

from datetime import date, timedelta
from typing import Final

import polars as pl

from harvey_pipeline.graph.assets import TableAsset, reads, table_asset
from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline.segments.assets.coverage import covered_days
from harvey_pipeline.segments.sources import SSO_EVENTS
from harvey_pipeline.segments.tables.access import USER_DAILY_ACCESS
from harvey_pipeline.segments.tables.labels import WINDOW_DAYS, YEAR_DAYS
from harvey_pipeline.segments.tables.scores import ENGAGEMENT_SCORES, TENANT_ENGAGEMENT
from harvey_pipeline.segments.transforms.scores import score_users
from harvey_pipeline.segments.transforms.tenants import describe_tenants
from harvey_pipeline.segments.transforms.window_sums import WindowSums
from harvey_pipeline.segments.window_queries import queries_of_window
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.warehouse import Pieces, Warehouse

_WINDOW: Final = WINDOW_DAYS - 1


@table_asset(
    ENGAGEMENT_SCORES,
    {
        "access": reads("segments.user_daily_access", before=YEAR_DAYS - 1),
        "user_versions": reads("core.dim_user"),
        "employee_versions": reads("segments.dim_employee"),
        # Which days events cover is known to the subject that reads them, and told by this table.
        "event_days": reads("marts.daily_event_summary", before=_WINDOW),
    },
    after=[reads(SSO_EVENTS.table, before=_WINDOW)],
)
def engagement_scores(
    days: list[date],
    access: pl.LazyFrame,
    user_versions: pl.LazyFrame,
    employee_versions: pl.LazyFrame,
    event_days: pl.LazyFrame,
    raw_store: RawStore,
    warehouse: Warehouse,
) -> Pieces:
    window = DayRange(days[0] - timedelta(days=_WINDOW), days[-1])
    covered = covered_days(event_days, raw_store, window)

    def sums_of(day: date) -> WindowSums:
        return WindowSums(
            **{
                name: warehouse.frame(query, tables=[USER_DAILY_ACCESS])
                for name, query in queries_of_window(day).items()
            }
        )

    return Pieces(score_users(access, user_versions, employee_versions, covered, days, sums_of))


@table_asset(TENANT_ENGAGEMENT, {"scores": reads(ENGAGEMENT_SCORES)})
def tenant_engagement(days: list[date], scores: pl.LazyFrame) -> Pieces:
    return Pieces(describe_tenants(scores, days))


ASSETS: Final[tuple[TableAsset, ...]] = (engagement_scores, tenant_engagement)
