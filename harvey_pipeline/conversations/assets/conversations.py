"""The assets of conversations and intents: wiring only. Each hands its inputs to a transform."""

from datetime import date
from typing import Final

import polars as pl

from harvey_pipeline.conversations.configured import CATALOGUE, INTENT_PROMPTS, MODELS
from harvey_pipeline.conversations.tables.conversations import CONVERSATIONS, INTENTS
from harvey_pipeline.conversations.tables.sums import CONVERSATION_DAILY
from harvey_pipeline.conversations.transforms.conversations import (
    DAYS_AFTER,
    DAYS_BEFORE,
    cut_conversations,
)
from harvey_pipeline.conversations.transforms.intents import tell_intents
from harvey_pipeline.graph.assets import TableAsset, reads, table_asset
from harvey_pipeline.llm.cache import answers_that_count
from harvey_pipeline.llm.tables import LLM_CACHE
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.warehouse import Pieces, Warehouse

_USE_CASES: Final = CATALOGUE.use_case_names
_ACTIONS: Final = CATALOGUE.actions


@table_asset(
    CONVERSATIONS,
    {"conversation_daily": reads(CONVERSATION_DAILY, before=DAYS_BEFORE, after=DAYS_AFTER)},
)
def conversations(days: list[date], conversation_daily: pl.LazyFrame) -> Pieces:
    return Pieces(cut_conversations(conversation_daily, days, _USE_CASES))


@table_asset(INTENTS, {"conversations": reads(CONVERSATIONS)}, beside=(LLM_CACHE,))
def intents(days: list[date], conversations: pl.LazyFrame, warehouse: Warehouse) -> pl.LazyFrame:
    of_days = DayRange(days[0], days[-1])
    answers = answers_that_count(warehouse, MODELS, INTENT_PROMPTS, of_days)
    return tell_intents(conversations, _ACTIONS, answers)


ASSETS: Final[tuple[TableAsset, ...]] = (conversations, intents)
