"""What insights of a day or a week hold: figures, signals, failures, requests, warnings."""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from harvey_pipeline.cli.conversation_figures import (
    board_of,
    in_words,
    number,
    percent,
    printable,
    signal_value,
)
from harvey_pipeline.cli.pages import Section
from harvey_pipeline.cli.published import Row, rows_of
from harvey_pipeline.cli.show import first_of, plural

if TYPE_CHECKING:
    import duckdb

_WEEK: Final = timedelta(days=7)
_MONTH_DAYS: Final = 30
_ASKED_BEFORE_DAYS: Final = 90
"""A feature request is new if nobody asked in the same words within so many days before."""

_FAILURES, _REQUESTS, _USE_CASES, _DAYS_NAMED = 3, 10, 5, 5
_OTHER_PERCENT: Final = 50.0
_UNKNOWN_PERCENT: Final = 2.0

_SUMS: Final = {
    "new_users": "new users",
    "conversations": "conversations",
    "messages": "messages",
    "credits_used": "credits used",
    "exhausted_users": "users out of credits, by day",
}
"""What adds up over days."""

_AS_OF_DAY: Final = {
    "dau": "users on the day",
    "wau": "users in 7 days",
    "mau": "users in 30 days",
    "stickiness": "users of the day of those in 30 days",
    "completion_rate": "completed conversations, 30 days",
    "avg_satisfaction": "satisfaction of 10, 30 days",
    "error_rate": "errors, 30 days",
    "average_session_length": "minutes a session, 30 days",
}
_PERCENTAGES: Final = ("stickiness", "completion_rate", "error_rate")


def gather_insights(
    connection: "duckdb.DuckDBPyConnection", day: date, days: int
) -> tuple[str, list[Section]]:
    """The subject and the sections of the `days` days up to a day that was run.

    Equal data give equal words: nothing is of the moment at which they are gathered.
    """
    first = day - timedelta(days=days - 1)
    changes = _signal_changes(connection, day)
    sections = [
        _figures(connection, first, day),
        changes,
        _failures(connection, day),
        _requests(connection, first, day),
        _use_cases(connection, day),
        _warnings(connection, first, day),
    ]
    sums = _sums(connection, first, day)
    period = str(day) if days == 1 else f"the week to {day}"
    parts = [plural(sums["conversations"], "conversation"), plural(sums["new_users"], "new user")]
    parts += [f"{plural(len(changes.rows), 'signal')} changed"] if changes.rows else []
    return f"Harvey insights of {period}: {', '.join(parts)}", sections


# --- figures -------------------------------------------------------------------------------------


def _figures(connection: "duckdb.DuckDBPyConnection", first: date, day: date) -> Section:
    now, before = _sums(connection, first, day), _sums(connection, first - _WEEK, day - _WEEK)
    is_whole = before["days"] == (day - first).days + 1
    rows = []
    for name, label in _SUMS.items():
        # Fewer days would make every figure look as if it had grown.
        value_before = before[name] if is_whole else None
        change = _change(now[name], value_before, name)
        rows.append((label, number(now[name]), number(value_before), change))
    board, board_before = board_of(connection, day) or {}, board_of(connection, day - _WEEK) or {}
    for name, label in _AS_OF_DAY.items():
        value, value_before = board.get(name), board_before.get(name)
        shown = percent if name in _PERCENTAGES else number
        rows.append((label, shown(value), shown(value_before), _change(value, value_before, name)))
    return Section("Figures", ("", "now", "7 days before", "change"), rows)


def _sums(connection: "duckdb.DuckDBPyConnection", first: date, last: date) -> Row:
    """Sums over those of the days that were run, and how many `days` these are."""
    sums = ", ".join(f"sum({name})::bigint as {name}" for name in _SUMS)
    [row] = rows_of(
        connection,
        f"select count(*) as days, {sums} from conversations.pmf_dashboard "
        "where date between ? and ?",
        [first, last],
    )
    return row


def _change(now: float | None, before: float | None, name: str) -> str:
    if now is None or before is None:
        return "-"
    if name in _PERCENTAGES:
        return f"{now - before:+.1f} points"
    if isinstance(now, float):
        return f"{now - before:+.1f}"
    return f"{now - before:+,}"


# --- signals -------------------------------------------------------------------------------------


def _signal_changes(connection: "duckdb.DuckDBPyConnection", day: date) -> Section:
    """Signals met now and not 7 days before, or the other way; only where both can be relied on."""
    title = "Signals newly met or lost"
    now, before = _signals(connection, day), _signals(connection, day - _WEEK)
    if not before:
        return Section(title, note=f"{day - _WEEK} was not run: nothing to compare with")
    rows = []
    for name, signal in now.items():
        earlier = before.get(name)
        if earlier is None or not (_is_sure(signal) and _is_sure(earlier)):
            continue
        if signal["is_met"] != earlier["is_met"]:
            state = "newly met" if signal["is_met"] else "lost"
            rows.append((state, signal["kind"], in_words(name), signal_value(signal)))
    return Section(title, (), rows)


def _is_sure(signal: Row) -> bool:
    return signal["is_met"] is not None and signal["is_reliable"]


def _signals(connection: "duckdb.DuckDBPyConnection", day: date) -> Mapping[str, Row]:
    rows = rows_of(
        connection,
        "select * from conversations.pmf_signals where date = ? order by "
        "list_position(['strong', 'weak', 'pivot'], kind::varchar), signal::varchar",
        [day],
    )
    return {row["signal"]: row for row in rows}


# --- what people meet with -----------------------------------------------------------------------


def _failures(connection: "duckdb.DuckDBPyConnection", day: date) -> Section:
    rows = rows_of(
        connection,
        "select * from conversations.failure_points where date = ? order by failure_count_30d "
        f"desc, affected_users_30d desc, tool_name, error_type limit {_FAILURES}",
        [day],
    )
    return Section(
        "Largest failure points of 30 days",
        ("tool", "error", "failures", "users affected", ""),
        [
            (
                printable(row["tool_name"]),
                printable(row["error_type"]),
                number(row["failure_count_30d"]),
                number(row["affected_users_30d"]),
                "repeated" if row["is_repeated"] else "",
            )
            for row in rows
        ],
    )


def _requests(connection: "duckdb.DuckDBPyConnection", first: date, day: date) -> Section:
    rows = rows_of(
        connection,
        "with requests as (select date, user_id, unnest(feature_requests) as text "
        "from conversations.conversation_daily where date between $earliest and $day) "
        "select text, count(distinct user_id) as users from requests group by text "
        "having min(date) >= $first order by users desc, text",
        {"earliest": first - timedelta(days=_ASKED_BEFORE_DAYS), "first": first, "day": day},
    )
    shown = [(printable(row["text"]), plural(row["users"], "user")) for row in rows[:_REQUESTS]]
    if len(rows) > _REQUESTS:
        shown.append((f"and {len(rows) - _REQUESTS} more", ""))
    return Section("New feature requests", (), shown)


def _use_cases(connection: "duckdb.DuckDBPyConnection", day: date) -> Section:
    rows = rows_of(
        connection,
        "select * from conversations.use_cases where date = ? "
        f"order by conversations desc, use_case limit {_USE_CASES}",
        [day],
    )
    return Section(
        "Top use cases of 30 days",
        ("use case", "share", "users", "completed", "satisfaction"),
        [
            (
                in_words(printable(row["use_case"])),
                percent(row["share_percent"]),
                number(row["users"]),
                percent(row["completion_rate"]),
                number(row["avg_satisfaction"]),
            )
            for row in rows
        ],
    )


# --- warnings ------------------------------------------------------------------------------------


def _warnings(connection: "duckdb.DuckDBPyConnection", first: date, day: date) -> Section:
    rows = [(line,) for line in _found(connection, first, day)]
    return Section("Data warnings", (), rows)


def _found(connection: "duckdb.DuckDBPyConnection", first: date, day: date) -> Iterator[str]:
    earliest = min(first, day - timedelta(days=_MONTH_DAYS - 1))
    boards = {
        row["date"]: row["is_covered"]
        for row in rows_of(
            connection,
            "select date, is_covered from conversations.pmf_dashboard where date between ? and ?",
            [earliest, day],
        )
    }
    wanted = [earliest + timedelta(days=n) for n in range((day - earliest).days + 1)]
    begun = min(boards)
    missing = [str(one) for one in wanted if one not in boards and one > begun]
    empty = [str(one) for one, is_covered in sorted(boards.items()) if not is_covered]
    if missing:
        yield f"Not run: {first_of(missing, _DAYS_NAMED)}"
    if begun > earliest:
        yield f"The 30 days are not full: the first day run of them is {begun}"
    if empty:
        yield f"Not covered by any delivery: {first_of(empty, _DAYS_NAMED)}"
    [calls] = rows_of(
        connection,
        "select 100.0 * sum(calls_30d) filter (where tool_name = 'unknown') / sum(calls_30d) "
        "as share from conversations.tool_usage where date = ?",
        [day],
    )
    if (calls["share"] or 0.0) > _UNKNOWN_PERCENT:
        yield f"{percent(calls['share'])} of the tool calls of 30 days name no tool"
    others = rows_of(
        connection,
        "select share_percent from conversations.use_cases where date = ? and use_case = 'other'",
        [day],
    )
    if others and others[0]["share_percent"] > _OTHER_PERCENT:
        share = percent(others[0]["share_percent"])
        yield f"{share} of the conversations of 30 days have no use case of the catalogue"
    [few] = rows_of(
        connection,
        "select count(*) as signals from conversations.pmf_signals "
        "where date = ? and not is_reliable",
        [day],
    )
    if few["signals"]:
        yield f"{plural(few['signals'], 'signal')} of fewer than 20 users or conversations"
