"""The assets of each day's sums of events: wiring only."""

from datetime import date
from typing import Final

import polars as pl

from harvey_pipeline.conversations.configured import CATALOGUE
from harvey_pipeline.conversations.tables.sums import (
    CONVERSATION_DAILY,
    TOOL_DAILY,
    TRAIT_DAILY,
    USER_DAILY,
)
from harvey_pipeline.conversations.transforms.sums import (
    SESSIONS,
    conversation_sums,
    sum_conversations,
    sum_tools,
    sum_traits,
    sum_users,
    tool_sums,
    trait_sums,
)
from harvey_pipeline.graph.assets import reads, reads_sums, table_asset
from harvey_pipeline.landing.sums import SumsOfDays
from harvey_pipeline.warehouse.warehouse import Pieces


@table_asset(CONVERSATION_DAILY, {"events": reads_sums(conversation_sums(CATALOGUE))})
def conversation_daily(days: list[date], events: SumsOfDays) -> Pieces:
    return Pieces(sum_conversations(events, days))


@table_asset(
    USER_DAILY, {"conversations": reads(CONVERSATION_DAILY), "sessions": reads_sums(SESSIONS)}
)
def user_daily(days: list[date], conversations: pl.LazyFrame, sessions: SumsOfDays) -> Pieces:
    return Pieces(sum_users(conversations, sessions, days))


@table_asset(TOOL_DAILY, {"events": reads_sums(tool_sums(CATALOGUE))})
def tool_daily(days: list[date], events: SumsOfDays) -> Pieces:
    return Pieces(sum_tools(events, days))


@table_asset(TRAIT_DAILY, {"events": reads_sums(trait_sums(CATALOGUE))})
def trait_daily(days: list[date], events: SumsOfDays) -> Pieces:
    return Pieces(sum_traits(events, days))


ASSETS: Final = (conversation_daily, user_daily, tool_daily, trait_daily)
