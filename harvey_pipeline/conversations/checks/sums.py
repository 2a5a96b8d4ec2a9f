"""Checks of each day's sums: nothing lost on the way, people who are known, words that are."""

from collections.abc import Iterator
from typing import Final

import polars as pl

from harvey_pipeline.checks.blocks import add_failing_rows, within
from harvey_pipeline.checks.plan import Judging, TableChecks
from harvey_pipeline.checks.reconcile import differences, with_every_day
from harvey_pipeline.checks.report import WARN, Check
from harvey_pipeline.conversations.sources import CONVERSATION_EVENTS
from harvey_pipeline.conversations.tables.labels import OTHER, UNKNOWN_TOOL
from harvey_pipeline.conversations.tables.sums import (
    CONVERSATION_DAILY,
    DIM_ACCOUNT,
    TOOL_DAILY,
    USER_DAILY,
)
from harvey_pipeline.landing.ledger import DROPS, QUARANTINE
from harvey_pipeline.landing.repeats import first_deliveries, repeated_deliveries
from harvey_pipeline.landing.source import EVENT_DATE, drops_of
from harvey_pipeline.warehouse.days import DayRange, blocks_of_days, is_dated
from harvey_pipeline.warehouse.table import Table

_BLOCK_DAYS: Final = 7
"""Days whose events are summed at a time, so that memory does not grow with the run."""

_UNREADABLE_CONTENT: Final = CONVERSATION_EVENTS.column("content").unusable_reason
_UNREADABLE_WARN_PERCENT: Final = 2
_UNREADABLE_ERROR_PERCENT: Final = 5
_UNNAMED_PERCENT: Final = 2
_OTHER_PERCENT: Final = 50

CONTENTS_READABLE: Final = Check(
    "contents_are_readable",
    f"Of a drop's rows at most {_UNREADABLE_WARN_PERCENT} % have a content that is no JSON object; "
    f"an error from more than {_UNREADABLE_ERROR_PERCENT} % on.",
    WARN,
    advice="Have the content delivered as a JSON object; until then nothing is known of these "
    "events' texts and errors.",
)
ROWS_CONSERVED: Final = Check(
    "event_rows_are_conserved",
    "Of every drop the rows read are those accepted and those rejected, and as many are rejected "
    "as quarantine holds.",
    is_blocking=True,
)
SUMS_AGREE: Final = Check(
    "sums_agree_with_events",
    "Each day's events, messages and credits are those of its accepted events, in whichever drop "
    "they came, those that come again left out.",
    is_blocking=True,
)
ONE_USER: Final = Check(
    "conversations_have_one_user",
    "No conversation has events of two users on one day.",
    WARN,
    advice="Nothing, where people share conversations: each user's part counts as one of its own. "
    "Otherwise have the user or the conversation corrected.",
)
NOT_REPEATED: Final = Check(
    "events_are_not_repeated_across_drops",
    "No event comes in two drops.",
    WARN,
    advice="Nothing: the first delivery counts. If it is frequent, ask the sender.",
)
HAVE_ACCOUNTS: Final = Check(
    "users_have_accounts",
    "Where accounts are delivered, a version of every active user's has begun by the day.",
    WARN,
    advice="Have the account delivered, or the id written alike; until then the general credit "
    "limit holds for the user.",
)
AFTER_CREATION: Final = Check(
    "events_after_account_creation",
    "No user has an event before the account was created.",
    WARN,
    advice="Ask the sender which of the two times is right.",
)
TOOLS_NAMED: Final = Check(
    "tools_are_named",
    f"Of a day's tool calls at most {_UNNAMED_PERCENT} % name no tool.",
    WARN,
    advice="Have `tool_name` delivered, or `tool` in the content.",
)
USE_CASES_RECOGNISED: Final = Check(
    "use_cases_are_recognised",
    f"Of a day's user messages at most {_OTHER_PERCENT} % are of no use case that has a name.",
    WARN,
    advice="Read some of them (first_message), and add keywords or use cases to the catalogue.",
)


# --- events --------------------------------------------------------------------------------------


def _judge_contents(judging: Judging) -> None:
    shares = judging.connection.sql(
        "select drop_date, rows_read, unreadable, 100 * unreadable / rows_read as percent "
        f"from (select source, drop_date, rows_read - rows_erased as rows_read from {DROPS}) "
        f"join (select drop_date, count(*) as unreadable from {QUARANTINE} "
        "where source = ? and list_contains(reasons, ?) group by all) using (drop_date) "
        "where source = ? "
        f"and {within('drop_date', judging.days)} and unreadable * 100 > rows_read * ? "
        "order by drop_date",
        params=[
            CONVERSATION_EVENTS.name,
            _UNREADABLE_CONTENT,
            CONVERSATION_EVENTS.name,
            _UNREADABLE_WARN_PERCENT,
        ],
    ).pl()
    judging.report.add(CONTENTS_READABLE, shares)
    most = _UNREADABLE_ERROR_PERCENT * pl.col("rows_read")
    if not shares.filter(pl.col("unreadable") * 100 > most).is_empty():
        judging.report.escalate(CONTENTS_READABLE)


def _judge_rows_read(judging: Judging) -> None:
    wrong = (
        "select drop_date, rows_read, rows_accepted, rows_rejected, rows_erased, quarantined "
        "from (select * "
        f"from {DROPS} where source = '{CONVERSATION_EVENTS.name}') left join (select drop_date, "
        f"count(*) as quarantined from {QUARANTINE} where source = '{CONVERSATION_EVENTS.name}' "
        "and action = 'rejected' group by all) using (drop_date) "
        f"where {within('drop_date', judging.days)} and (rows_read <> rows_accepted + "
        "rows_rejected + rows_erased or rows_rejected <> coalesce(quarantined, 0))"
    )
    add_failing_rows(judging.report, ROWS_CONSERVED, judging.connection, wrong)


def _events_in_blocks(judging: Judging) -> Iterator[pl.LazyFrame]:
    """The accepted events of the run's days, a few days at a time, repeats included."""
    for block in blocks_of_days(judging.days, _BLOCK_DAYS):
        drops = drops_of(CONVERSATION_EVENTS, DayRange(block[0], block[-1]))
        events = judging.raw_store.read(CONVERSATION_EVENTS, drops)
        yield events.filter(is_dated(block[0], block[-1], EVENT_DATE))


def _judge_sums(judging: Judging, table: Table) -> None:
    """A table's sums by day against those of the events."""
    found = judging.connection.sql(
        "select date, sum(events)::bigint as events, sum(messages)::bigint as messages, "
        f"sum(credits_used)::bigint as credits_used from {table} "
        f"where {within('date', judging.days)} group by date"
    ).pl()
    nothing = _sum_events(CONVERSATION_EVENTS.table.empty())
    sums = [
        _sum_events(first_deliveries(CONVERSATION_EVENTS, events))
        for events in _events_in_blocks(judging)
    ]
    expected = with_every_day(pl.concat([nothing, *sums]), judging.days)
    judging.report.add(SUMS_AGREE, differences(expected, with_every_day(found, judging.days)))


def _sum_events(events: pl.LazyFrame) -> pl.DataFrame:
    """One row per `date`: its events, messages and credits."""
    return (
        events.group_by(date=EVENT_DATE)
        .agg(
            events=pl.len().cast(pl.Int64),
            messages=(pl.col("event_type") == "message").sum().cast(pl.Int64),
            credits_used=pl.col("credits_consumed").cast(pl.Int64).sum(),
        )
        .collect(engine="streaming")
    )


def _judge_repeats(judging: Judging) -> None:
    shown = ("event_date", "drop_date", "line_number", "id")
    repeats = [
        events.join(
            repeated_deliveries(CONVERSATION_EVENTS, events),
            on=["drop_date", "line_number"],
            how="semi",
        )
        .select(shown)
        .collect(engine="streaming")
        for events in _events_in_blocks(judging)
    ]
    nothing = CONVERSATION_EVENTS.table.empty().select(shown).collect()
    found = pl.concat([nothing, *repeats]).sort("event_date", "drop_date", "line_number")
    judging.report.add(NOT_REPEATED, found)


# --- tables --------------------------------------------------------------------------------------


def _judge_conversations(judging: Judging) -> None:
    _judge_rows_read(judging)
    _judge_sums(judging, CONVERSATION_DAILY)
    _judge_repeats(judging)
    days = within("date", judging.days)
    shared = (
        f"select date, conversation_id, count(*) as users from {CONVERSATION_DAILY} where {days} "
        "group by all having count(*) > 1"
    )
    add_failing_rows(judging.report, ONE_USER, judging.connection, shared)
    unrecognised = (
        "select date, sum(user_messages)::bigint as user_messages, "
        f"sum(coalesce((use_case_messages ->> '{OTHER}')::bigint, 0))::bigint as other "
        f"from {CONVERSATION_DAILY} where {days} group by date "
        f"having 100 * other > {_OTHER_PERCENT} * sum(user_messages)"
    )
    add_failing_rows(judging.report, USE_CASES_RECOGNISED, judging.connection, unrecognised)


def _judge_users(judging: Judging) -> None:
    _judge_sums(judging, USER_DAILY)
    accounts = (
        "select user_id, min(effective_start_date) as begins, arg_min(account_created_at, "
        f"effective_start_date) as account_created_at from {DIM_ACCOUNT} group by user_id"
    )
    users = (
        f"from {USER_DAILY} left join ({accounts}) using (user_id) "
        f"where {within('date', judging.days)}"
    )
    without = (
        f"select date, user_id, begins {users} and (begins is null or begins > date) "
        f"and exists (from {DIM_ACCOUNT})"
    )
    add_failing_rows(judging.report, HAVE_ACCOUNTS, judging.connection, without)
    early = (
        f"select date, user_id, first_event_at, account_created_at {users} "
        "and first_event_at < account_created_at"
    )
    add_failing_rows(judging.report, AFTER_CREATION, judging.connection, early)


def _judge_tools(judging: Judging) -> None:
    unnamed = (
        "select date, sum(calls)::bigint as tool_calls, coalesce(sum(calls) filter "
        f"(tool_name = '{UNKNOWN_TOOL}'), 0)::bigint as unnamed from {TOOL_DAILY} "
        f"where {within('date', judging.days)} group by date "
        f"having 100 * unnamed > {_UNNAMED_PERCENT} * sum(calls)"
    )
    add_failing_rows(judging.report, TOOLS_NAMED, judging.connection, unnamed)


CHECKS: Final[tuple[TableChecks, ...]] = (
    TableChecks(CONVERSATION_EVENTS.table, (CONTENTS_READABLE,), _judge_contents),
    TableChecks(
        CONVERSATION_DAILY,
        (ROWS_CONSERVED, SUMS_AGREE, NOT_REPEATED, ONE_USER, USE_CASES_RECOGNISED),
        _judge_conversations,
        needs=(DROPS, QUARANTINE),
    ),
    TableChecks(
        USER_DAILY,
        (SUMS_AGREE, HAVE_ACCOUNTS, AFTER_CREATION),
        _judge_users,
        needs=(DIM_ACCOUNT,),
    ),
    TableChecks(TOOL_DAILY, (TOOLS_NAMED,), _judge_tools),
)
