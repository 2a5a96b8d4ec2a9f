"""The assets of the marts: wiring only. Each hands its inputs to a transform."""

from datetime import date, timedelta
from typing import Final

import polars as pl

from harvey_pipeline.conversations.configured import CATALOGUE, SETTINGS
from harvey_pipeline.conversations.sources import CONVERSATION_EVENTS
from harvey_pipeline.conversations.tables.labels import MONTH_DAYS, PERIODS, RETENTION_DAYS
from harvey_pipeline.conversations.tables.marts import (
    ACTIVATION_FUNNEL,
    FAILURE_POINTS,
    PMF_DASHBOARD,
    PMF_SIGNALS,
    RETENTION,
    TOOL_USAGE,
    USE_CASES,
    WINDOW_CONVERSATIONS,
)
from harvey_pipeline.conversations.tables.sums import (
    CONVERSATION_DAILY,
    DIM_ACCOUNT,
    TOOL_DAILY,
    USER_DAILY,
)
from harvey_pipeline.conversations.transforms.dashboard import tell_market_fit
from harvey_pipeline.conversations.transforms.funnel import tell_activation
from harvey_pipeline.conversations.transforms.retention import follow_cohorts
from harvey_pipeline.conversations.transforms.signals import read_signals
from harvey_pipeline.conversations.transforms.tools import find_failure_points, tell_tool_usage
from harvey_pipeline.conversations.transforms.window_conversations import (
    tell_use_cases,
    tell_window_conversations,
)
from harvey_pipeline.graph.assets import TableAsset, reads, table_asset
from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.warehouse import Pieces, Warehouse

_FIRST_STEPS: Final = "conversations.first_steps"
_EXHAUSTION: Final = "conversations.credit_exhaustion"

_WINDOW: Final = MONTH_DAYS - 1
_LONGEST_MONTH: Final = 31
_WEEK_AGO: Final = PERIODS["day_7"][1]

# Who has signed up, and got how far, is a question to all of history.
_STEPS_OF_ALL_DAYS: Final = reads(_FIRST_STEPS, is_all_before=True)


def _days_before(day: date, last: int) -> list[date]:
    """The 30 days that end so many days before a day."""
    return DayRange(day - timedelta(days=last + _WINDOW), day - timedelta(days=last)).days


def _cohorts_of_a_week_ago(day: date) -> list[date]:
    return _days_before(day, _WEEK_AGO)


def _cohorts_that_are_over(day: date) -> list[date]:
    return sorted({one for _, last in PERIODS.values() for one in _days_before(day, last)})


@table_asset(TOOL_USAGE, {"tool_daily": reads(TOOL_DAILY, before=_WINDOW)})
def tool_usage(days: list[date], tool_daily: pl.LazyFrame) -> Pieces:
    return Pieces(tell_tool_usage(tool_daily, days))


@table_asset(FAILURE_POINTS, {"tool_daily": reads(TOOL_DAILY, before=_WINDOW)})
def failure_points(days: list[date], tool_daily: pl.LazyFrame) -> Pieces:
    return Pieces(find_failure_points(tool_daily, days))


@table_asset(
    WINDOW_CONVERSATIONS, {"conversation_daily": reads(CONVERSATION_DAILY, before=_WINDOW)}
)
def window_conversations(days: list[date], conversation_daily: pl.LazyFrame) -> Pieces:
    return Pieces(tell_window_conversations(conversation_daily, CATALOGUE.use_case_names, days))


@table_asset(USE_CASES, {"window_conversations": reads(WINDOW_CONVERSATIONS)})
def use_cases(days: list[date], window_conversations: pl.LazyFrame) -> pl.LazyFrame:  # noqa: ARG001
    return tell_use_cases(window_conversations)


@table_asset(
    ACTIVATION_FUNNEL,
    {
        "first_steps": _STEPS_OF_ALL_DAYS,
        "user_daily": reads(USER_DAILY, before=_LONGEST_MONTH - 1),
        "dim_account": reads(DIM_ACCOUNT),
    },
    windows={
        _FIRST_STEPS: None,
        USER_DAILY.name: lambda day: DayRange(day.replace(day=1), day).days,
    },
)
def activation_funnel(
    days: list[date],
    first_steps: pl.LazyFrame,
    user_daily: pl.LazyFrame,
    dim_account: pl.LazyFrame,
) -> Pieces:
    return Pieces(
        tell_activation(first_steps, user_daily, dim_account, SETTINGS.credit_limit, days)
    )


@table_asset(
    RETENTION,
    {
        "first_steps": reads(_FIRST_STEPS),
        "user_daily": reads(USER_DAILY, after=RETENTION_DAYS),
    },
    after=[reads(CONVERSATION_EVENTS.table, after=RETENTION_DAYS)],
    windows={_FIRST_STEPS: None},
)
def retention(
    days: list[date],
    first_steps: pl.LazyFrame,
    user_daily: pl.LazyFrame,
    warehouse: Warehouse,
    raw_store: RawStore,
) -> Pieces:
    window = DayRange(days[0], days[-1] + timedelta(days=RETENTION_DAYS))
    covered = set(raw_store.observed_days(CONVERSATION_EVENTS, window)["day"])
    known = covered & warehouse.days_written(USER_DAILY)
    return Pieces(follow_cohorts(first_steps, user_daily, known, days))


@table_asset(
    PMF_SIGNALS,
    {
        "user_daily": reads(USER_DAILY, before=_WINDOW),
        "window_conversations": reads(WINDOW_CONVERSATIONS),
        "credit_exhaustion": reads(_EXHAUSTION, before=_WINDOW),
        "failure_points": reads(FAILURE_POINTS),
        "retention": reads(RETENTION, before=_WEEK_AGO + _WINDOW),
    },
    windows={RETENTION.name: _cohorts_of_a_week_ago},
)
def pmf_signals(
    days: list[date],
    user_daily: pl.LazyFrame,
    window_conversations: pl.LazyFrame,
    credit_exhaustion: pl.LazyFrame,
    failure_points: pl.LazyFrame,
    retention: pl.LazyFrame,
) -> Pieces:
    return Pieces(
        read_signals(
            user_daily,
            window_conversations,
            credit_exhaustion,
            failure_points,
            retention,
            CATALOGUE.vision,
            days,
        )
    )


@table_asset(
    PMF_DASHBOARD,
    {
        "first_steps": _STEPS_OF_ALL_DAYS,
        "user_daily": reads(USER_DAILY, before=_WINDOW),
        "window_conversations": reads(WINDOW_CONVERSATIONS),
        "credit_exhaustion": reads(_EXHAUSTION, before=_WINDOW),
        "retention": reads(RETENTION, before=RETENTION_DAYS + _WINDOW),
        "use_cases": reads(USE_CASES),
        "pmf_signals": reads(PMF_SIGNALS),
    },
    after=[reads(CONVERSATION_EVENTS.table)],
    windows={_FIRST_STEPS: None, RETENTION.name: _cohorts_that_are_over},
)
def pmf_dashboard(
    days: list[date],
    first_steps: pl.LazyFrame,
    user_daily: pl.LazyFrame,
    window_conversations: pl.LazyFrame,
    credit_exhaustion: pl.LazyFrame,
    retention: pl.LazyFrame,
    use_cases: pl.LazyFrame,
    pmf_signals: pl.LazyFrame,
    raw_store: RawStore,
) -> Pieces:
    covered = raw_store.observed_days(CONVERSATION_EVENTS, DayRange(days[0], days[-1]))["day"]
    return Pieces(
        tell_market_fit(
            first_steps,
            user_daily,
            window_conversations,
            credit_exhaustion,
            retention,
            use_cases,
            pmf_signals,
            CATALOGUE.use_case_names,
            set(covered),
            days,
        )
    )


ASSETS: Final[tuple[TableAsset, ...]] = (
    tool_usage,
    failure_points,
    window_conversations,
    use_cases,
    activation_funnel,
    retention,
    pmf_signals,
    pmf_dashboard,
)
