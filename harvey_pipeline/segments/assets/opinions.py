"""Wiring of what a model says of users: it reads answers that are there, and asks nobody."""

from collections.abc import Iterator
from datetime import date
from typing import Final

import polars as pl

from harvey_pipeline.graph.assets import TableAsset, reads, table_asset
from harvey_pipeline.llm.cache import answers_that_count
from harvey_pipeline.llm.settings import read_llm_settings
from harvey_pipeline.llm.tables import LLM_CACHE
from harvey_pipeline.segments.questions import (
    ADVICE,
    SEGMENT,
    match_answers,
    read_segment_prompts,
)
from harvey_pipeline.segments.settings import read_segment_settings
from harvey_pipeline.segments.tables.opinions import LLM_OPINIONS
from harvey_pipeline.segments.tables.scores import ENGAGEMENT_SCORES, TENANT_ENGAGEMENT
from harvey_pipeline.segments.tables.segments import USER_SEGMENTS
from harvey_pipeline.segments.transforms.mondays import mondays_of
from harvey_pipeline.segments.transforms.opinions import (
    TENANT_DAYS,
    describe_users,
    tell_opinions,
)
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.warehouse import Pieces, Warehouse

_HOLIDAYS: Final = read_segment_settings().holidays
_MODELS: Final = read_llm_settings().models
_PROMPTS: Final = read_segment_prompts(read_llm_settings().shares)


@table_asset(
    LLM_OPINIONS,
    {
        "user_segments": reads(USER_SEGMENTS),
        "engagement_scores": reads(ENGAGEMENT_SCORES),
        "tenant_engagement": reads(TENANT_ENGAGEMENT, before=TENANT_DAYS),
    },
    beside=(LLM_CACHE,),
)
def llm_opinions(
    days: list[date],
    user_segments: pl.LazyFrame,
    engagement_scores: pl.LazyFrame,
    tenant_engagement: pl.LazyFrame,
    warehouse: Warehouse,
) -> Pieces:
    def tell() -> Iterator[pl.LazyFrame]:
        for monday in mondays_of(days):
            of_day = DayRange(monday, monday)
            told, advice = (
                answers_that_count(warehouse, _MODELS, _PROMPTS[purpose], of_day)
                for purpose in (SEGMENT, ADVICE)
            )
            if told.is_empty():
                continue
            described = describe_users(
                user_segments, engagement_scores, tenant_engagement, monday, _HOLIDAYS
            ).join(told.lazy().select("user_id"), on="user_id", how="semi")
            answered = match_answers(described.collect(), told, advice)
            yield tell_opinions(answered.lazy(), user_segments)

    return Pieces(tell())


ASSETS: Final[tuple[TableAsset, ...]] = (llm_opinions,)
