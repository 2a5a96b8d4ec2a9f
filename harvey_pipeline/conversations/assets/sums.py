"""The assets of each day's sums of events: wiring only."""

from datetime import date
from typing import Final

import polars as pl

from harvey_pipeline.conversations.configured import CATALOGUE
from harvey_pipeline.conversations.sources import CONVERSATION_EVENTS
from harvey_pipeline.conversations.tables.sums import (
    CONVERSATION_DAILY,
    TOOL_DAILY,
    TRAIT_DAILY,
    USER_DAILY,
)
from harvey_pipeline.conversations.transforms.sums import (
    sum_conversations,
    sum_tools,
    sum_traits,
    sum_users,
)
from harvey_pipeline.graph.assets import reads, table_asset
from harvey_pipeline.warehouse.warehouse import Pieces

_EVENTS: Final = reads(CONVERSATION_EVENTS.table, after=CONVERSATION_EVENTS.late_days)


@table_asset(CONVERSATION_DAILY, {"events": _EVENTS})
def conversation_daily(days: list[date], events: pl.LazyFrame) -> Pieces:
    return Pieces(sum_conversations(events, CATALOGUE, days))


@table_asset(USER_DAILY, {"conversations": reads(CONVERSATION_DAILY), "events": _EVENTS})
def user_daily(days: list[date], conversations: pl.LazyFrame, events: pl.LazyFrame) -> Pieces:
    return Pieces(sum_users(conversations, events, days))


@table_asset(TOOL_DAILY, {"events": _EVENTS})
def tool_daily(days: list[date], events: pl.LazyFrame) -> Pieces:
    return Pieces(sum_tools(events, CATALOGUE, days))


@table_asset(TRAIT_DAILY, {"events": _EVENTS})
def trait_daily(days: list[date], events: pl.LazyFrame) -> Pieces:
    return Pieces(sum_traits(events, CATALOGUE, days))


ASSETS: Final = (conversation_daily, user_daily, tool_daily, trait_daily)
