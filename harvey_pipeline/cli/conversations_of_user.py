"""All about one user: the profile, the journey, the last conversations, failures, credits."""

import json
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.text import Text

from harvey_pipeline.cli.app import UnusableError
from harvey_pipeline.cli.conversation_figures import (
    in_words,
    number,
    percent,
    printable,
    show_rows,
)
from harvey_pipeline.cli.published import Row, rows_of
from harvey_pipeline.cli.show import columns_of, plural, say

if TYPE_CHECKING:
    import duckdb

_WINDOW_DAYS: Final = 90
_CONVERSATIONS: Final = 20
_SHOWN: Final = 10
"""Tools, failures and months of a list."""

_STEPS: Final = {
    "signed_up_date": "signed up",
    "first_active_date": "first active",
    "first_chat_date": "first message",
    "first_tool_date": "first tool call",
    "first_creation_date": "first creation",
    "first_completion_date": "first completed conversation",
    "first_exhaustion_date": "first out of credits",
}


def show_user(
    console: Console,
    connection: "duckdb.DuckDBPyConnection",
    day: date,
    user: str,
    *,
    is_email_shown: bool,
) -> None:
    """Print all about a user who has a profile on that day.

    Raises:
        UnusableError: There is none; names those that may have been meant.
    """
    profiles = rows_of(
        connection,
        "select * from conversations.user_profiles where date = ? and user_id = ?",
        [day, user],
    )
    if not profiles:
        raise _unknown_user(connection, day, user)
    say(console, Text(f"{printable(user)} on {day}\n", style="bold"))
    _show_profile(console, profiles[0], is_email_shown=is_email_shown)
    _show_journey(console, connection, day, user)
    _show_conversations(console, connection, day, user)
    _show_tools(console, connection, day, user)
    _show_failures(console, connection, day, user)
    _show_credits(console, connection, day, user)


def _unknown_user(connection: "duckdb.DuckDBPyConnection", day: date, user: str) -> UnusableError:
    close = rows_of(
        connection,
        "select user_id, jaro_winkler_similarity(user_id, $user) as closeness "
        "from conversations.user_profiles where date = $day and closeness > 0.8 "
        "order by closeness desc, user_id limit 3",
        {"user": user, "day": day},
    )
    meant = " or ".join(row["user_id"] for row in close)
    hint = (
        f"Did you mean {meant}?" if meant else "The table conversations.user_profiles lists them."
    )
    return UnusableError(f"no user is named {user} on {day}. {hint}")


# --- the profile and the journey -----------------------------------------------------------------


def _show_profile(console: Console, row: Row, *, is_email_shown: bool) -> None:
    say(console, f"  {printable(row['context_summary'])}")
    if is_email_shown:
        email = row["email"]
        say(console, f"  E-mail {'not known' if email is None else printable(email)}")
    say(console, Text("\nEvidence, of 90 days", style="bold"))
    created = row["created_at"]
    account = "no account" if created is None else f"account of {created:%Y-%m-%d %H:%M}"
    say(
        console,
        f"  {in_words(row['activation_status'])}, retained: {in_words(row['retention_cohort'])}; "
        f"signed up {plural(row['days_since_signup'], 'day')} ago, {account}",
    )
    say(
        console,
        f"  {plural(row['total_conversations'], 'conversation')} "
        f"({percent(row['completion_rate'])} completed), "
        f"{plural(row['total_messages'], 'message')}, "
        f"{plural(row['total_credits_used'], 'credit')}, out of credits on "
        f"{plural(row['credit_exhaustion_count'], 'day')}",
    )
    last = row["last_active_at"]
    say(
        console,
        f"  active on {plural(row['active_days'], 'day')}, last "
        f"{'-' if last is None else f'{last:%Y-%m-%d %H:%M}'}; "
        f"{plural(row['sessions'], 'session')} of "
        f"{number(row['average_session_length'])} minutes",
    )
    use_case = row["primary_use_case"]
    lists = {
        "use case": [] if use_case is None else [in_words(use_case)],
        "tools": row["preferred_tools"],
        "prefers": [f"{key} {value}" for key, value in json.loads(row["preferences"]).items()],
        "asks again and again": row["frequently_used_prompts"],
    }
    for name, values in lists.items():
        if values:
            say(console, f"  {name}: {printable(', '.join(values))}")


def _show_journey(
    console: Console, connection: "duckdb.DuckDBPyConnection", day: date, user: str
) -> None:
    rows = rows_of(connection, "select * from conversations.first_steps where user_id = ?", [user])
    say(console, Text("\nJourney", style="bold"))
    grid = columns_of(2)
    for column, name in _STEPS.items():
        done = rows[0][column] if rows else None
        is_done = done is not None and done <= day
        grid.add_row(f"  {name}", str(done) if is_done else Text("not yet", style="dim"))
    console.print(grid)


# --- what was said and done ----------------------------------------------------------------------


def _show_conversations(
    console: Console, connection: "duckdb.DuckDBPyConnection", day: date, user: str
) -> None:
    rows = rows_of(
        connection,
        "select * from conversations.conversations where user_id = ? and date <= ? "
        f"order by started_at desc, conversation_key desc limit {_CONVERSATIONS}",
        [user, day],
    )
    say(console, Text(f"\nThe last {_CONVERSATIONS} conversations", style="bold"))
    if not rows:
        say(console, "  none")
        return
    grid = columns_of(6)
    grid.add_row("  began", "status", "satisfaction", "use case", "blocker", "asked", style="dim")
    for row in rows:
        use_case, blocker, asked = (
            row[name] for name in ("extracted_use_case", "blocker_reason", "first_intent")
        )
        grid.add_row(
            f"  {row['started_at']:%Y-%m-%d %H:%M}",
            in_words(row["completion_status"]),
            str(row["user_satisfaction_signal"]),
            Text("-" if use_case is None else in_words(use_case)),
            Text("-" if blocker is None else printable(blocker)),
            Text("-" if asked is None else printable(asked)),
        )
    console.print(grid)


def _show_tools(
    console: Console, connection: "duckdb.DuckDBPyConnection", day: date, user: str
) -> None:
    rows = rows_of(
        connection,
        "select tool_name, sum(calls)::bigint as calls, sum(successes)::bigint as successes, "
        "sum(credits_used)::bigint as credits_used from conversations.tool_daily "
        "where user_id = ? and date between ? and ? group by tool_name having sum(calls) > 0 "
        f"order by calls desc, tool_name limit {_SHOWN}",
        [user, day - timedelta(days=_WINDOW_DAYS - 1), day],
    )
    say(console, Text("\nTools, in 90 days", style="bold"))
    grid = columns_of(4)
    for row in rows:
        grid.add_row(
            Text(f"  {printable(row['tool_name'])}"),
            plural(row["calls"], "call"),
            f"{row['successes']:,} successful",
            plural(row["credits_used"], "credit"),
        )
    show_rows(console, grid, len(rows))


def _show_failures(
    console: Console, connection: "duckdb.DuckDBPyConnection", day: date, user: str
) -> None:
    rows = rows_of(
        connection,
        "select tool_name, error_type, sum(failures)::bigint as failures, max(date) as last "
        "from conversations.tool_daily where user_id = ? and date between ? and ? "
        "group by tool_name, error_type having sum(failures) > 0 "
        f"order by failures desc, last desc, tool_name, error_type limit {_SHOWN}",
        [user, day - timedelta(days=_WINDOW_DAYS - 1), day],
    )
    say(console, Text("\nFailures, in 90 days", style="bold"))
    grid = columns_of(4)
    for row in rows:
        grid.add_row(
            Text(f"  {printable(row['tool_name'])}"),
            plural(row["failures"], "failure"),
            f"last {row['last']}",
            Text(printable(row["error_type"])),
        )
    show_rows(console, grid, len(rows))


def _show_credits(
    console: Console, connection: "duckdb.DuckDBPyConnection", day: date, user: str
) -> None:
    rows = rows_of(
        connection,
        "select u.month, credits_used, coalesce(exhausted_days, 0) as exhausted_days from ("
        "select date_trunc('month', date)::date as month, sum(credits_used)::bigint as "
        "credits_used from conversations.user_daily where user_id = $user and date <= $day "
        "group by month) u left join (select date_trunc('month', date)::date as month, "
        "count(*) as exhausted_days from conversations.credit_exhaustion where user_id = $user "
        "and date <= $day and is_exhausted group by month) e using (month) "
        f"order by u.month desc limit {_SHOWN}",
        {"user": user, "day": day},
    )
    say(console, Text("\nCredits by month", style="bold"))
    grid = columns_of(3)
    for row in rows:
        days = row["exhausted_days"]
        told = f"out of credits on {plural(days, 'day')}" if days else ""
        grid.add_row(f"  {row['month']:%Y-%m}", plural(row["credits_used"], "credit"), told)
    show_rows(console, grid, len(rows))
