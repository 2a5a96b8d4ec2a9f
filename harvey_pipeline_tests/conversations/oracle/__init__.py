"""Reference implementation of the subject's tables: slow, plain, standard library only.

It shares no code with the pipeline. Tests compare the two on the same landing folder.
"""

from collections.abc import Collection, Sequence
from datetime import date
from pathlib import Path

from harvey_pipeline_tests.conversations.oracle.catalogue import DEFAULT, Catalogue
from harvey_pipeline_tests.conversations.oracle.conversations import (
    conversations_of,
    conversations_table,
    intents_table,
)
from harvey_pipeline_tests.conversations.oracle.daily import (
    conversation_daily_table,
    tool_daily_table,
    trait_daily_table,
    user_daily_table,
)
from harvey_pipeline_tests.conversations.oracle.marts import (
    dashboard_row,
    failure_points_rows,
    funnel_rows,
    retention_table,
    signals_rows,
    tool_usage_rows,
    use_cases_rows,
    window_conversations_rows,
    window_of,
)
from harvey_pipeline_tests.conversations.oracle.reading import Event, events_of
from harvey_pipeline_tests.conversations.oracle.sources import (
    CONVERSATION_EVENTS,
    DEFAULT_LIMIT,
    SOURCES,
    account_history,
    dim_account_table,
)
from harvey_pipeline_tests.conversations.oracle.users import (
    Known,
    by_user,
    credit_exhaustion_table,
    first_steps_table,
    user_profiles_table,
)
from harvey_pipeline_tests.oracle.history import History
from harvey_pipeline_tests.oracle.landing import (
    Landing,
    drops_table,
    load,
    quarantine_table,
    raw_table,
)
from harvey_pipeline_tests.oracle.values import TableRow

__all__ = ["expected_tables", "tables_of_events"]

Tables = dict[str, list[TableRow]]


def expected_tables(
    landing: Path,
    days: Sequence[date],
    start_date: date,
    *,
    catalogue: Catalogue = DEFAULT,
    default_limit: int = DEFAULT_LIMIT,
) -> Tables:
    """Every table as it stands once all assets have been run for exactly these days.

    Args:
        landing: The landing folder.
        days: The days run.
        start_date: The calendar's first day.
        catalogue: The words to look for.
        default_limit: The credits of an account of which no limit is known.
    """
    folder = Landing(landing, start_date, SOURCES)
    loads = {source.name: [load(folder, source, day) for day in days] for source in SOURCES}
    all_loads = [each for some in loads.values() for each in some]
    delivered = loads[CONVERSATION_EVENTS.name]
    accounts = account_history(loads["accounts"])
    tables = tables_of_events(
        events_of(delivered, days, catalogue),
        days,
        accounts,
        covered={each.day for each in delivered if each.is_observed},
        catalogue=catalogue,
        default_limit=default_limit,
    )
    return {
        "raw.drops": drops_table(all_loads),
        "raw.quarantine": quarantine_table(folder, all_loads),
        **{f"raw.raw_{source.name}": raw_table(loads[source.name]) for source in SOURCES},
        **{f"conversations.{name}": table for name, table in tables.items()},
    }


def tables_of_events(
    events: Sequence[Event],
    days: Sequence[date],
    accounts: History,
    *,
    covered: Collection[date],
    catalogue: Catalogue = DEFAULT,
    default_limit: int = DEFAULT_LIMIT,
) -> Tables:
    """What follows from accepted events, in order, and accounts.

    `covered` are the days whose events were delivered.
    """
    conversation_daily = conversation_daily_table(events)
    user_daily = user_daily_table(events)
    tool_daily = tool_daily_table(events)
    trait_daily = trait_daily_table(events)
    conversations = conversations_of(conversation_daily, catalogue)
    exhaustion = credit_exhaustion_table(user_daily, accounts, default_limit)
    first_steps = first_steps_table(accounts, user_daily, conversation_daily, exhaustion, catalogue)
    known = Known(
        accounts,
        {row["user_id"]: row for row in first_steps},
        by_user(user_daily),
        by_user(conversation_daily),
        by_user(tool_daily),
        by_user(trait_daily),
        by_user(exhaustion),
        catalogue,
    )
    retention = retention_table(first_steps, user_daily, days, covered)
    marts: Tables = {
        "tool_usage": [],
        "failure_points": [],
        "window_conversations": [],
        "use_cases": [],
        "activation_funnel": [],
        "retention": retention,
        "pmf_signals": [],
        "pmf_dashboard": [],
    }
    for day in days:
        window = window_of(day, user_daily, tool_daily, conversation_daily, exhaustion, catalogue)
        use_cases = use_cases_rows(window)
        failure_points = failure_points_rows(window)
        signals = signals_rows(window, failure_points, retention)
        marts["tool_usage"] += tool_usage_rows(window)
        marts["failure_points"] += failure_points
        marts["window_conversations"] += window_conversations_rows(window)
        marts["use_cases"] += use_cases
        marts["activation_funnel"] += funnel_rows(
            day, first_steps, user_daily, accounts, default_limit
        )
        marts["pmf_signals"] += signals
        marts["pmf_dashboard"].append(
            dashboard_row(window, first_steps, use_cases, signals, retention, covered)
        )
    return {
        "dim_account": dim_account_table(accounts),
        "conversation_daily": conversation_daily,
        "user_daily": user_daily,
        "tool_daily": tool_daily,
        "trait_daily": trait_daily,
        "conversations": conversations_table(conversations),
        "intents": intents_table(conversations, catalogue),
        "first_steps": first_steps,
        "credit_exhaustion": exhaustion,
        "user_profiles": user_profiles_table(known, days),
        **marts,
    }
