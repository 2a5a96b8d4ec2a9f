"""`harvey conversations`: what people ask for on a day and where they get stuck, or one person."""

from datetime import date
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harvey_pipeline.cli.app import OK, Debug, UnusableError, WarehouseFile
from harvey_pipeline.cli.conversation_figures import (
    board_of,
    choose_day,
    in_words,
    number,
    open_conversations,
    percent,
    printable,
    show_rows,
    signal_value,
)
from harvey_pipeline.cli.conversations_of_user import show_user
from harvey_pipeline.cli.published import Row, rows_of
from harvey_pipeline.cli.show import columns_of, listing_output, plural, say

if TYPE_CHECKING:
    import duckdb

_FAILURES_SHOWN: Final = 5
_SHOWN: Final = 20
"""Clusters and feature requests of a list."""

_STEPS: Final = ("first_chat", "used_tool", "created_content", "exhausted_credits")


def show_conversations(
    day: Annotated[
        str | None, typer.Option(metavar="DAY", help="As YYYY-MM-DD; else the last day run.")
    ] = None,
    user: Annotated[
        str | None, typer.Option(metavar="ID", help="All about this user instead.")
    ] = None,
    is_analysis_wanted: Annotated[
        bool,
        typer.Option("--ai-analysis", help="Show intents: clusters and feature requests instead."),
    ] = False,
    is_email_shown: Annotated[
        bool, typer.Option("--show-email", help="With --user: the e-mail address too.")
    ] = False,
    warehouse: WarehouseFile = None,
    debug: Debug = False,
) -> int:
    """Show a day's conversations, funnel, failures and signals, its intents, or one user."""
    from harvey_pipeline.settings import read_settings

    if user is not None and is_analysis_wanted:
        raise UnusableError("--user and --ai-analysis exclude each other; give one of them.")
    if user is None and is_email_shown:
        raise UnusableError("--show-email is about one user; give --user ID too.")
    settings = read_settings()
    console = listing_output()
    with open_conversations(settings) as connection:
        chosen = choose_day(connection, day, settings)
        if user is not None:
            show_user(console, connection, chosen, user, is_email_shown=is_email_shown)
        elif is_analysis_wanted:
            _show_intents(console, connection, chosen)
        else:
            _show_day(console, connection, chosen)
    return OK


# --- the day -------------------------------------------------------------------------------------


def _show_day(console: Console, connection: "duckdb.DuckDBPyConnection", day: date) -> None:
    board = board_of(connection, day)
    assert board is not None
    say(console, Text(f"Conversations of {day}\n", style="bold"))
    if not board["is_covered"]:
        warning = "  The day is not covered: no events of it were delivered"
        say(console, Text(warning, style="yellow"))
    _show_figures(console, connection, board)
    _show_funnel(console, connection, day)
    _show_use_cases(console, connection, day)
    _show_failures(console, connection, day)
    _show_signals(console, connection, day)


def _show_figures(console: Console, connection: "duckdb.DuckDBPyConnection", board: Row) -> None:
    [sums] = rows_of(
        connection,
        "select coalesce(sum(sessions), 0)::bigint as sessions, "
        "coalesce(sum(failures), 0)::bigint as failures, "
        "coalesce(sum(attempts), 0)::bigint as attempts "
        "from conversations.user_daily where date = ?",
        [board["date"]],
    )
    say(
        console,
        f"  {plural(board['dau'], 'user')} of {board['total_users']:,} signed up "
        f"({percent(board['dau_rate'])}), {board['new_users']:,} new; {board['wau']:,} in 7 days, "
        f"{board['mau']:,} in 30",
    )
    say(
        console,
        f"  {plural(board['conversations'], 'conversation')}, "
        f"{plural(board['messages'], 'message')}, {plural(board['credits_used'], 'credit')}, "
        f"{plural(sums['sessions'], 'session')}, {plural(sums['failures'], 'failure')} of "
        f"{plural(sums['attempts'], 'attempt')}",
    )
    say(
        console,
        f"  {plural(board['exhausted_users'], 'user')} out of credits, "
        f"{board['exhausted_users_30d']:,} in 30 days",
    )
    say(
        console,
        f"  In 30 days: {percent(board['completion_rate'])} completed, satisfaction "
        f"{number(board['avg_satisfaction'])} of 10, {percent(board['error_rate'])} errors, "
        f"{number(board['average_session_length'])} minutes a session",
    )


def _show_funnel(console: Console, connection: "duckdb.DuckDBPyConnection", day: date) -> None:
    rows = rows_of(
        connection,
        "select * from conversations.activation_funnel where date = ? "
        "order by cohort::varchar desc",
        [day],
    )
    say(console, Text("\nFrom signing up to running out of credits", style="bold"))
    grid = Table.grid(padding=(0, 3, 0, 0))
    grid.add_column(no_wrap=True)
    for _ in rows:
        grid.add_column(no_wrap=True, justify="right")
    cohorts = {"all": "all", "30d": "signed up in 30 days"}
    grid.add_row("", *(cohorts[row["cohort"]] for row in rows), style="dim")
    grid.add_row("  signed up", *(f"{row['total_users']:,}" for row in rows))
    for step in _STEPS:
        told = (f"{row[step]:,} ({percent(row[f'{step}_rate'])})" for row in rows)
        grid.add_row(f"  {in_words(step)}", *told)
    for name in ("day_1_active", "successful_users", "high_usage"):
        grid.add_row(f"  {in_words(name)}", *(f"{row[name]:,}" for row in rows), style="dim")
    console.print(grid)


def _show_use_cases(console: Console, connection: "duckdb.DuckDBPyConnection", day: date) -> None:
    rows = rows_of(
        connection,
        "select * from conversations.use_cases where date = ? "
        f"order by conversations desc, use_case limit {_FAILURES_SHOWN}",
        [day],
    )
    say(console, Text("\nUse cases of 30 days", style="bold"))
    grid = columns_of(5)
    for row in rows:
        grid.add_row(
            Text(f"  {in_words(row['use_case'])}"),
            f"{percent(row['share_percent'])} of conversations",
            plural(row["users"], "user"),
            f"{percent(row['completion_rate'])} completed",
            f"satisfaction {number(row['avg_satisfaction'])}",
        )
    show_rows(console, grid, len(rows))


def _show_failures(console: Console, connection: "duckdb.DuckDBPyConnection", day: date) -> None:
    rows = rows_of(
        connection,
        "select * from conversations.failure_points where date = ? order by failure_count_30d "
        f"desc, affected_users_30d desc, tool_name, error_type limit {_FAILURES_SHOWN}",
        [day],
    )
    say(console, Text("\nWhere people get stuck, in 30 days", style="bold"))
    grid = columns_of(5)
    for row in rows:
        grid.add_row(
            Text(f"  {printable(row['tool_name'])}"),
            plural(row["failure_count_30d"], "failure"),
            plural(row["affected_users_30d"], "user"),
            Text("repeated", style="yellow") if row["is_repeated"] else "",
            Text(printable(row["error_type"])),
        )
    show_rows(console, grid, len(rows))


def _show_signals(console: Console, connection: "duckdb.DuckDBPyConnection", day: date) -> None:
    rows = rows_of(
        connection,
        "select * from conversations.pmf_signals where date = ? and is_met order by "
        "list_position(['strong', 'weak', 'pivot'], kind::varchar), signal::varchar",
        [day],
    )
    say(console, Text("\nSignals met", style="bold"))
    grid = columns_of(4)
    for row in rows:
        grid.add_row(
            f"  {row['kind']}",
            in_words(row["signal"]),
            signal_value(row),
            "" if row["is_reliable"] else f"of {row['denominator']:,}: too few to be relied on",
        )
    show_rows(console, grid, len(rows))


# --- intents -------------------------------------------------------------------------------------


def _show_intents(console: Console, connection: "duckdb.DuckDBPyConnection", day: date) -> None:
    """Intents of the conversations that began on the day."""
    methods = rows_of(
        connection,
        "select method::varchar as method, count(*) as rows from conversations.intents "
        "where date = ? group by all order by method",
        [day],
    )
    by_method = {row["method"]: row["rows"] for row in methods}
    count = sum(by_method.values())
    say(console, Text(f"Intents of conversations begun on {day}\n", style="bold"))
    told = f"{by_method.get('llm', 0):,} by model, {by_method.get('rules', 0):,} by rules"
    say(console, f"  {plural(count, 'conversation')}: {told}")
    clusters = rows_of(
        connection,
        "select cluster, count(*) as conversations, count(distinct i.user_id) as users, "
        "avg(i.satisfaction_signal) as satisfaction, "
        "100.0 * count(*) filter (where completion_status = 'completed') / count(*) as completed "
        "from conversations.intents i join conversations.conversations c "
        "using (date, conversation_id, user_id) where date = ? "
        "group by cluster order by conversations desc, cluster",
        [day],
    )
    say(console, Text("\nClusters", style="bold"))
    grid = columns_of(5)
    for row in clusters[:_SHOWN]:
        grid.add_row(
            Text(f"  {printable(row['cluster'])}"),
            plural(row["conversations"], "conversation"),
            plural(row["users"], "user"),
            f"{percent(row['completed'])} completed",
            f"satisfaction {number(row['satisfaction'])}",
        )
    show_rows(console, grid, len(clusters))
    requests = rows_of(
        connection,
        "select user_id, unnest(feature_requests) as text from conversations.intents "
        "where date = ? order by text, user_id",
        [day],
    )
    say(console, Text("\nFeature requests", style="bold"))
    grid = columns_of(2)
    for row in requests[:_SHOWN]:
        grid.add_row(Text(f"  {printable(row['user_id'])}"), Text(printable(row["text"])))
    show_rows(console, grid, len(requests))
