"""The assets of users: wiring only. Each hands its inputs to a transform."""

from collections.abc import Mapping
from datetime import date
from typing import Final

import polars as pl

from harvey_pipeline.conversations.configured import CATALOGUE, SETTINGS
from harvey_pipeline.conversations.tables.labels import WINDOW_DAYS
from harvey_pipeline.conversations.tables.sums import (
    CONVERSATION_DAILY,
    DIM_ACCOUNT,
    TOOL_DAILY,
    TRAIT_DAILY,
    USER_DAILY,
)
from harvey_pipeline.conversations.tables.users import (
    CREDIT_EXHAUSTION,
    FIRST_STEPS,
    USER_PROFILES,
)
from harvey_pipeline.conversations.transforms.credits import find_exhaustion
from harvey_pipeline.conversations.transforms.first_steps import (
    Steps,
    days_between_steps,
    take_in_steps,
)
from harvey_pipeline.conversations.transforms.profiles import Sums, profile_users
from harvey_pipeline.graph.assets import TableAsset, reads, table_asset
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline.warehouse.warehouse import Deferred, Pieces, Warehouse

_USE_CASES: Final = CATALOGUE.use_case_names

_LONGEST_MONTH: Final = 31
_WINDOW: Final = WINDOW_DAYS - 1


@table_asset(
    CREDIT_EXHAUSTION,
    {
        "user_daily": reads(USER_DAILY, before=_LONGEST_MONTH - 1),
        "dim_account": reads(DIM_ACCOUNT),
    },
)
def credit_exhaustion(
    days: list[date], user_daily: pl.LazyFrame, dim_account: pl.LazyFrame
) -> Pieces:
    return Pieces(find_exhaustion(user_daily, dim_account, days, SETTINGS.credit_limit))


@table_asset(
    FIRST_STEPS,
    {
        "user_daily": reads(USER_DAILY),
        "conversation_daily": reads(CONVERSATION_DAILY),
        "credit_exhaustion": reads(CREDIT_EXHAUSTION),
        "dim_account": reads(DIM_ACCOUNT),
    },
)
def first_steps(
    days: list[date],
    user_daily: pl.LazyFrame,
    conversation_daily: pl.LazyFrame,
    credit_exhaustion: pl.LazyFrame,
    dim_account: pl.LazyFrame,
    warehouse: Warehouse,
) -> Deferred:

    def plan() -> Mapping[Table, pl.LazyFrame]:
        taken_in = [day for day in warehouse.days_written(FIRST_STEPS) if day > days[-1]]
        later = Steps(
            *(warehouse.read(one) for one in (USER_DAILY, CONVERSATION_DAILY, CREDIT_EXHAUSTION))
        )
        is_later = (pl.col("date") > days[-1]) & pl.col("date").is_in(taken_in)
        return {
            FIRST_STEPS: take_in_steps(
                warehouse.read(FIRST_STEPS).collect(),
                Steps(user_daily, conversation_daily, credit_exhaustion),
                later.filter(is_later),
                dim_account,
                days[0],
                days[-1],
            )
        }

    return Deferred(plan, {FIRST_STEPS: days_between_steps})


@table_asset(
    USER_PROFILES,
    {
        "user_daily": reads(USER_DAILY, before=_WINDOW),
        "conversation_daily": reads(CONVERSATION_DAILY, before=_WINDOW),
        "tool_daily": reads(TOOL_DAILY, before=_WINDOW),
        "trait_daily": reads(TRAIT_DAILY, before=_WINDOW),
        "credit_exhaustion": reads(CREDIT_EXHAUSTION, before=_WINDOW),
        "first_steps": reads(FIRST_STEPS),
        "dim_account": reads(DIM_ACCOUNT),
    },
    # When somebody signed up is a question to all of history.
    windows={FIRST_STEPS.name: None},
)
def user_profiles(
    days: list[date],
    user_daily: pl.LazyFrame,
    conversation_daily: pl.LazyFrame,
    tool_daily: pl.LazyFrame,
    trait_daily: pl.LazyFrame,
    credit_exhaustion: pl.LazyFrame,
    first_steps: pl.LazyFrame,
    dim_account: pl.LazyFrame,
) -> Pieces:
    sums = Sums(user_daily, conversation_daily, tool_daily, trait_daily, credit_exhaustion)
    return Pieces(profile_users(sums, first_steps, dim_account, days, _USE_CASES))


ASSETS: Final[tuple[TableAsset, ...]] = (credit_exhaustion, first_steps, user_profiles)
