"""The subject's assets: wiring only. Each hands its inputs to a transform."""

from collections.abc import Mapping
from datetime import date
from typing import Final

import polars as pl

from harvey_pipeline.agents.dimensions import DIMENSIONS
from harvey_pipeline.agents.settings import read_agent_settings
from harvey_pipeline.agents.sources import APPROVALS, FEEDBACK, QUERIES
from harvey_pipeline.agents.tables import TABLES
from harvey_pipeline.agents.transforms.dates import describe_dates, last_day_described
from harvey_pipeline.agents.transforms.dimensions import (
    describe_annotators,
    present_agent_types,
    present_shops,
    segment_customers,
)
from harvey_pipeline.agents.transforms.facts import build_annotations, build_drafts, build_queries
from harvey_pipeline.agents.transforms.marts import (
    calibrate_confidence,
    sum_customers,
    summarise_annotations,
    summarise_days,
    summarise_drafts,
    summarise_queries,
)
from harvey_pipeline.graph.assets import TableAsset, reads, table_asset
from harvey_pipeline.graph.calendar import Calendar
from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline.landing.source import Source
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline.warehouse.warehouse import Deferred, Pieces, Warehouse

_SETTINGS: Final = read_agent_settings()

_SHOP_VERSIONS, _CUSTOMER_VERSIONS, _ANNOTATOR_VERSIONS, _AGENT_TYPE_VERSIONS = (
    dimension.table for dimension in DIMENSIONS
)
_DIM_DATE = TABLES["dim_date"]
_DIM_SHOP = TABLES["dim_shop"]
_DIM_AGENT_TYPE = TABLES["dim_agent_type"]
_DIM_CUSTOMER = TABLES["dim_customer"]
_DIM_ANNOTATOR = TABLES["dim_annotator"]
_DRAFTS = TABLES["fact_agent_approval"]
_QUERIES = TABLES["fact_agent_query"]
_ANNOTATIONS = TABLES["fact_training_feedback"]
_CUSTOMER_DAILY = TABLES["customer_daily"]
_ANNOTATION_QUALITY = TABLES["daily_annotation_quality"]

_DIMENSIONS_AND_MARTS = [
    TABLES[name]
    for name in (
        "dim_date",
        "dim_shop",
        "dim_agent_type",
        "dim_customer",
        "dim_annotator",
        "daily_agent_performance",
        "daily_query_performance",
        "daily_annotation_quality",
        "daily_confidence_calibration",
    )
]

_OF_SHOPS = {"shop_versions": reads(_SHOP_VERSIONS)}
_OF_SHOPS_AND_TYPES = {**_OF_SHOPS, "agent_type_versions": reads(_AGENT_TYPE_VERSIONS)}


def _no_day(_: pl.DataFrame, __: pl.DataFrame) -> list[DayRange]:
    """Nothing is computed of these dimensions."""
    return []


def _dim_date(days: list[date], warehouse: Warehouse, calendar: Calendar) -> Deferred:
    def plan() -> Mapping[Table, pl.LazyFrame]:
        last = last_day_described(days, warehouse.days_written(_DIM_DATE), calendar.last)
        country, month = _SETTINGS.holiday_country, _SETTINGS.fiscal_year_month
        return {_DIM_DATE: describe_dates(calendar.first, last, country, month)}

    return Deferred(plan, {_DIM_DATE: _no_day})


dim_date = TableAsset(
    _DIM_DATE, _dim_date, code=(_SETTINGS.holiday_country, _SETTINGS.fiscal_year_month)
)


@table_asset(_DIM_SHOP, _OF_SHOPS)
def dim_shop(days: list[date], shop_versions: pl.LazyFrame) -> Deferred:  # noqa: ARG001
    return Deferred(lambda: {_DIM_SHOP: present_shops(shop_versions)}, {_DIM_SHOP: _no_day})


@table_asset(_DIM_AGENT_TYPE, {"agent_type_versions": reads(_AGENT_TYPE_VERSIONS)})
def dim_agent_type(
    days: list[date],  # noqa: ARG001
    agent_type_versions: pl.LazyFrame,
) -> Deferred:
    return Deferred(
        lambda: {_DIM_AGENT_TYPE: present_agent_types(agent_type_versions)},
        {_DIM_AGENT_TYPE: _no_day},
    )


@table_asset(
    _DRAFTS, {"approvals": reads(APPROVALS.table, after=APPROVALS.late_days)} | _OF_SHOPS_AND_TYPES
)
def fact_agent_approval(
    days: list[date],
    approvals: pl.LazyFrame,
    shop_versions: pl.LazyFrame,
    agent_type_versions: pl.LazyFrame,
) -> Pieces:
    return Pieces(build_drafts(approvals, shop_versions, agent_type_versions, days))


@table_asset(
    _QUERIES, {"queries": reads(QUERIES.table, after=QUERIES.late_days)} | _OF_SHOPS_AND_TYPES
)
def fact_agent_query(
    days: list[date],
    queries: pl.LazyFrame,
    shop_versions: pl.LazyFrame,
    agent_type_versions: pl.LazyFrame,
) -> Pieces:
    return Pieces(build_queries(queries, shop_versions, agent_type_versions, days))


@table_asset(
    _ANNOTATIONS, {"feedback": reads(FEEDBACK.table, after=FEEDBACK.late_days)} | _OF_SHOPS
)
def fact_training_feedback(
    days: list[date], feedback: pl.LazyFrame, shop_versions: pl.LazyFrame
) -> Pieces:
    return Pieces(build_annotations(feedback, shop_versions, days))


@table_asset(_CUSTOMER_DAILY, {"approvals": reads(APPROVALS.table, after=APPROVALS.late_days)})
def customer_daily(days: list[date], approvals: pl.LazyFrame) -> Pieces:
    return Pieces(sum_customers(approvals, days))


@table_asset(TABLES["daily_agent_performance"], {"drafts": reads(_DRAFTS)})
def daily_agent_performance(days: list[date], drafts: pl.LazyFrame) -> Pieces:
    return Pieces(summarise_drafts(drafts, days))


@table_asset(TABLES["daily_query_performance"], {"queries": reads(_QUERIES)})
def daily_query_performance(days: list[date], queries: pl.LazyFrame) -> Pieces:
    return Pieces(summarise_queries(queries, days))


@table_asset(_ANNOTATION_QUALITY, {"annotations": reads(_ANNOTATIONS)})
def daily_annotation_quality(days: list[date], annotations: pl.LazyFrame) -> Pieces:
    return Pieces(summarise_annotations(annotations, days))


@table_asset(TABLES["daily_confidence_calibration"], {"drafts": reads(_DRAFTS)})
def daily_confidence_calibration(days: list[date], drafts: pl.LazyFrame) -> Pieces:
    return Pieces(calibrate_confidence(drafts, days))


@table_asset(
    TABLES["daily_agent_summary"],
    {"drafts": reads(_DRAFTS), "queries": reads(_QUERIES), "annotations": reads(_ANNOTATIONS)},
    # Its checks compare all of these.
    after=[
        *(reads(source.table) for source in (APPROVALS, QUERIES, FEEDBACK)),
        *(reads(table) for table in _DIMENSIONS_AND_MARTS),
    ],
)
def daily_agent_summary(
    days: list[date],
    drafts: pl.LazyFrame,
    queries: pl.LazyFrame,
    annotations: pl.LazyFrame,
    raw_store: RawStore,
) -> Pieces:
    def covered(source: Source) -> list[date]:
        return raw_store.observed_days(source, DayRange(days[0], days[-1]))["day"].to_list()

    of_sources = (covered(APPROVALS), covered(QUERIES), covered(FEEDBACK))
    return Pieces(summarise_days(drafts, queries, annotations, of_sources, days))


def _dim_customer(
    days: list[date],  # noqa: ARG001
    customer_versions: pl.LazyFrame,
    warehouse: Warehouse,
) -> Deferred:
    def plan() -> Mapping[Table, pl.LazyFrame]:
        customers = segment_customers(
            warehouse.read(_CUSTOMER_DAILY),
            customer_versions,
            max(warehouse.days_written(_CUSTOMER_DAILY)),
            _SETTINGS.vip_lifetime_value_usd,
            _SETTINGS.vip_orders,
        )
        return {_DIM_CUSTOMER: customers}

    return Deferred(plan, {_DIM_CUSTOMER: _no_day})


dim_customer = TableAsset(
    _DIM_CUSTOMER,
    _dim_customer,
    {"customer_versions": reads(_CUSTOMER_VERSIONS)},
    after=[reads(_CUSTOMER_DAILY, is_all_before=True)],
    code=(_SETTINGS.vip_lifetime_value_usd, _SETTINGS.vip_orders),
)


@table_asset(
    _DIM_ANNOTATOR,
    {"annotator_versions": reads(_ANNOTATOR_VERSIONS)},
    after=[reads(_ANNOTATION_QUALITY, is_all_before=True)],
)
def dim_annotator(
    days: list[date],  # noqa: ARG001
    annotator_versions: pl.LazyFrame,
    warehouse: Warehouse,
) -> Deferred:
    def plan() -> Mapping[Table, pl.LazyFrame]:
        daily = warehouse.read(_ANNOTATION_QUALITY)
        return {_DIM_ANNOTATOR: describe_annotators(daily, annotator_versions)}

    return Deferred(plan, {_DIM_ANNOTATOR: _no_day})


ASSETS: Final = (
    dim_date,
    dim_shop,
    dim_agent_type,
    fact_agent_approval,
    fact_agent_query,
    fact_training_feedback,
    customer_daily,
    dim_customer,
    daily_agent_performance,
    daily_query_performance,
    daily_annotation_quality,
    daily_confidence_calibration,
    daily_agent_summary,
    dim_annotator,
)
