"""Checks of conversations and intents: every active day is in one, and each has its intent."""

from datetime import date, timedelta
from typing import Final

from harvey_pipeline.checks.blocks import add_failing_rows, within
from harvey_pipeline.checks.plan import Judging, TableChecks
from harvey_pipeline.checks.report import Check
from harvey_pipeline.conversations.tables.conversations import CONVERSATIONS, INTENTS
from harvey_pipeline.conversations.tables.labels import (
    HIGHEST_SATISFACTION,
    LOWEST_SATISFACTION,
    MODEL,
)
from harvey_pipeline.conversations.tables.sums import CONVERSATION_DAILY
from harvey_pipeline.conversations.transforms.conversations import DAYS_AFTER
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.warehouse import Warehouse

_MOST_TEXTS: Final = 10
_MOST_CHARACTERS: Final = 200

ONE_CONVERSATION: Final = Check(
    "every_active_day_is_in_one_conversation",
    "A user's active day of a conversation lies in exactly one row of it, from its date to its "
    "last event; days that rest on rows yet to be computed again are left out.",
    is_blocking=True,
)
SATISFACTION: Final = Check(
    "satisfaction_is_0_to_10",
    f"Every satisfaction signal is a whole number from {LOWEST_SATISFACTION} to "
    f"{HIGHEST_SATISFACTION}.",
    is_blocking=True,
)
INTENTS_MATCH: Final = Check(
    "intents_match_conversations",
    "Every conversation has one intent, and every intent its conversation, with the same key.",
    is_blocking=True,
)
OUTPUT_VALID: Final = Check(
    "model_output_is_valid",
    f"What a model told is an intent of 1 to {_MOST_CHARACTERS} characters, at most {_MOST_TEXTS} "
    "blockers and feature requests, each as long, and a satisfaction signal.",
    is_blocking=True,
    advice="Remove the answer from `llm.llm_cache` and run the day again.",
)


def _judge_conversations(judging: Judging) -> None:
    _judge_satisfaction(judging, str(CONVERSATIONS), "user_satisfaction_signal")
    settled = _settled_days(judging)
    rows = DayRange(settled[0] - timedelta(days=DAYS_AFTER), settled[-1]).days if settled else []
    listed = ", ".join(f"date '{day}'" for day in settled) or "null"
    add_failing_rows(
        judging.report,
        ONE_CONVERSATION,
        judging.connection,
        "select active.date as date, active.conversation_id as conversation_id, "
        "active.user_id as user_id, count(found.date) as conversations "
        f"from (from {CONVERSATION_DAILY} where {within('date', settled)} "
        f"and date in ({listed})) active "
        f"left join (from {CONVERSATIONS} where {within('date', rows)}) found "
        "on found.conversation_id = active.conversation_id and found.user_id = active.user_id "
        "and active.date between found.date and found.last_event_at::date "
        "group by all having conversations <> 1",
    )


def _settled_days(judging: Judging) -> list[date]:
    """The days whose active dates lie in rows that are computed, of those that a run decides on.

    A row of the run's days may reach 13 days further. A day is left out as long as one of the
    rows that it may lie in has yet to be computed after it.
    """
    if not judging.days:
        return []
    sums = judging.warehouse.last_commits(CONVERSATION_DAILY)
    reached = DayRange(judging.days[0], judging.days[-1] + timedelta(days=DAYS_AFTER)).days
    computed = _computed(judging.warehouse)
    return [
        day
        for day in reached
        if day in sums
        and all(
            computed.get(begins, -1) >= sums[day]
            for begins in DayRange(day - timedelta(days=DAYS_AFTER), day).days
            if begins in sums
        )
    ]


def _computed(warehouse: Warehouse) -> dict[date, int]:
    """What each day of `conversations` was last computed from: the last commit that it knew."""
    state = warehouse.state([CONVERSATIONS])
    known = dict(state.changes(CONVERSATIONS.name))
    computings = state.computings(CONVERSATIONS.name)
    return known | {day: generation for day, (generation, _) in computings.items()}


def _judge_satisfaction(judging: Judging, table: str, column: str) -> None:
    add_failing_rows(
        judging.report,
        SATISFACTION,
        judging.connection,
        f"select date, conversation_key, {column} from {table} "
        f"where {within('date', judging.days)} and coalesce({column} not between "
        f"{LOWEST_SATISFACTION} and {HIGHEST_SATISFACTION}, true)",
    )


def _judge_intents(judging: Judging) -> None:
    _judge_satisfaction(judging, str(INTENTS), "satisfaction_signal")
    of_days = within("date", judging.days)
    add_failing_rows(
        judging.report,
        INTENTS_MATCH,
        judging.connection,
        "select date, conversation_id, user_id, count(conversation.conversation_key) as "
        "conversations, count(intent.conversation_key) as intents, "
        "min(conversation.conversation_key) as conversation_key, "
        "min(intent.conversation_key) as intent_key "
        f"from (from {CONVERSATIONS} where {of_days}) conversation "
        f"full join (from {INTENTS} where {of_days}) intent "
        "using (date, conversation_id, user_id) group by all "
        "having conversations <> 1 or intents <> 1 "
        "or min(conversation.conversation_key) <> min(intent.conversation_key)",
    )
    add_failing_rows(
        judging.report,
        OUTPUT_VALID,
        judging.connection,
        "select date, conversation_key, primary_intent, blockers, feature_requests, "
        f"satisfaction_signal from {INTENTS} where {of_days} and method = '{MODEL}' "
        f"and not coalesce(length(primary_intent) between 1 and {_MOST_CHARACTERS} "
        f"and {_are_texts('blockers')} and {_are_texts('feature_requests')} "
        f"and satisfaction_signal between {LOWEST_SATISFACTION} and {HIGHEST_SATISFACTION}, "
        "false)",
    )


def _are_texts(column: str) -> str:
    """Whether a list has few enough texts, none of them empty or too long, and none missing."""
    return (
        f"len({column}) <= {_MOST_TEXTS} and len(list_filter({column}, lambda text: "
        f"coalesce(length(text) not between 1 and {_MOST_CHARACTERS}, true))) = 0"
    )


CHECKS: Final[tuple[TableChecks, ...]] = (
    TableChecks(
        CONVERSATIONS,
        (ONE_CONVERSATION, SATISFACTION),
        judge=_judge_conversations,
        needs=(CONVERSATION_DAILY,),
    ),
    TableChecks(
        INTENTS,
        (SATISFACTION, INTENTS_MATCH, OUTPUT_VALID),
        judge=_judge_intents,
        needs=(CONVERSATIONS,),
    ),
)
