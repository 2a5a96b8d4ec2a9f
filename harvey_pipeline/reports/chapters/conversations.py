"""The chapter of the conversations: how the product is used, where users get stuck, what fits.

No text of a message and no e-mail address is read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import polars as pl

from harvey_pipeline.conversations.tables.conversations import CONVERSATIONS as CONVERSATION_ROWS
from harvey_pipeline.conversations.tables.conversations import INTENTS
from harvey_pipeline.conversations.tables.labels import MONTH_DAYS, SIGNALS, TOP_USE_CASES
from harvey_pipeline.conversations.tables.marts import (
    ACTIVATION_FUNNEL,
    FAILURE_POINTS,
    PMF_DASHBOARD,
    PMF_SIGNALS,
    RETENTION,
    TOOL_USAGE,
    USE_CASES,
)
from harvey_pipeline.conversations.tables.users import CREDIT_EXHAUSTION
from harvey_pipeline.reports import charts
from harvey_pipeline.reports.chapter import ChapterMaker
from harvey_pipeline.reports.chapters.conversation_days import (
    HISTORY,
    WEEK,
    Row,
    Seen,
    in_words,
    see,
)
from harvey_pipeline.reports.chapters.conversation_fit import (
    kind_said,
    signal_changes,
    signals_grid,
    signals_of,
)
from harvey_pipeline.reports.chapters.conversation_topics import (
    failures,
    out_of_credits,
    tools,
    use_cases,
    wishes,
)
from harvey_pipeline.reports.chapters.conversation_users import journeys, retention, users_over_time
from harvey_pipeline.reports.figures import Figures, figure_of
from harvey_pipeline.reports.page import Chapter, Statement, Statements, Tile, Tiles, Unit
from harvey_pipeline.reports.wording import change, counted, listed

_KEY: Final = "conversations"
_TITLE: Final = "Conversations"

_DAILY: Final = (
    PMF_DASHBOARD,
    PMF_SIGNALS,
    ACTIVATION_FUNNEL,
    USE_CASES,
    FAILURE_POINTS,
    TOOL_USAGE,
    RETENTION,
)
_SUMMED: Final = (CREDIT_EXHAUSTION, INTENTS, CONVERSATION_ROWS)
"""What is added up over the 30 days here."""


def _make(figures: Figures) -> Chapter:
    missing = [table for table in (*_DAILY, *_SUMMED) if table.name not in figures.tables]
    if missing:
        return _absent(f"there is no table {missing[0]}.")
    seen = see(figures)
    if seen is None:
        return _absent(
            f"nothing was delivered in the {HISTORY + 1} days to {figures.day}. Put drops of "
            "conversation_events into the landing folder and run them."
        )
    blocks = (
        _summary(seen),
        _in_short(figures, seen),
        users_over_time(figures, seen),
        *journeys(figures, seen),
        use_cases(figures, seen),
        wishes(figures, seen),
        *failures(figures, seen),
        signals_grid(figures, seen),
        retention(figures, seen),
        tools(figures, seen),
        out_of_credits(figures, seen),
    )
    lead = (
        "What people ask the product for, where they get stuck, and whether it fits its market: "
        f"the {MONTH_DAYS} days to {seen.day}."
    )
    if seen.day != figures.day:
        lead += " Later days were not delivered, or are cut off."
    return Chapter(_KEY, _TITLE, lead, tuple(blocks))


def _absent(reason: str) -> Chapter:
    return Chapter(_KEY, _TITLE, "", absent=f"No data for conversations: {reason}")


@dataclass(frozen=True)
class _Headline:
    """A headline figure: its column of the dashboard, and the days that it looks back on."""

    label: str
    column: str
    unit: Unit
    window: int
    definition: str


_HEADLINES: Final = (
    _Headline("Users in 30 days", "mau", "count", 30, "Users with an event in the 30 days."),
    _Headline("Users in 7 days", "wau", "count", 7, "Users with an event in the 7 days."),
    _Headline(
        "Stickiness", "stickiness", "percent", 30, "Users of the day, of those of the 30 days."
    ),
    _Headline(
        "Completed conversations",
        "completion_rate",
        "percent",
        30,
        "Conversations of the 30 days that ended with a completion, or with something created "
        "and no failure since.",
    ),
    _Headline(
        "Satisfaction, of 10",
        "avg_satisfaction",
        "number",
        30,
        "Mean satisfaction signal of the conversations of the 30 days, 0 to 10: by praise, "
        "complaints, failures and how they ended.",
    ),
    _Headline(
        "Failed attempts",
        "error_rate",
        "percent",
        30,
        "Failed events, of the tool calls and failed events of the 30 days.",
    ),
    _Headline(
        "Users out of credits",
        "exhausted_users_30d",
        "count",
        30,
        "Users who were refused for lack of credits, or reached their limit, in the 30 days.",
    ),
    _Headline(
        "Back on day 7",
        "day_7_retention",
        "percent",
        37,
        "Users active on the seventh day after signing up, of those who signed up in the 30 days "
        "that end 7 days before.",
    ),
    _Headline(
        "Minutes a session",
        "average_session_length",
        "number",
        30,
        "Mean length of the sessions of the 30 days; one ends after 30 minutes without an event.",
    ),
)


def _summary(seen: Seen) -> Tiles:
    shown = [row for day, row in seen.boards.items() if day <= seen.day]
    return Tiles(tuple(_tile(headline, shown, seen) for headline in _HEADLINES))


def _tile(headline: _Headline, shown: Sequence[Row], seen: Seen) -> Tile:
    column, now = headline.column, seen.board[headline.column]
    changes = []
    for days in (WEEK, MONTH_DAYS):
        then = seen.before(days, headline.window)
        if then is not None and then[column] is not None and now is not None:
            changes.append(change(now, then[column], headline.unit, days))
    points = pl.DataFrame(
        {
            "date": [row["date"] for row in shown if row[column] is not None],
            column: [row[column] for row in shown if row[column] is not None],
        }
    )
    return Tile(
        headline.label,
        figure_of(seen.board, column, headline.unit, str(PMF_DASHBOARD), "date"),
        f"{headline.definition} From {PMF_DASHBOARD}.{column}, on {seen.day}.",
        tuple(changes),
        charts.sparkline(points, column) if points.height > 1 else None,
    )


def _in_short(figures: Figures, seen: Seen) -> Statements:
    signals = signals_of(figures, seen.day)
    before = signals_of(figures, seen.day - timedelta(days=WEEK))
    return Statements(
        "In short",
        (
            _users_said(seen),
            *_use_cases_said(seen),
            *(kind_said(kind, signals) for kind in SIGNALS if signals),
            *signal_changes(signals, before),
            *_days_said(seen),
        ),
        f"From {PMF_DASHBOARD} and {PMF_SIGNALS}. A signal counts only if it is of 20 users or "
        "conversations or more.",
    )


def _users_said(seen: Seen) -> Statement:
    board, then = seen.board, seen.before(MONTH_DAYS, MONTH_DAYS)
    users = board["mau"]
    told = f"{counted(users, 'user')} {'was' if users == 1 else 'were'} active in the 30 days"
    told += f" to {seen.day}"
    if then is not None:
        told += f": {change(users, then['mau'], 'count', MONTH_DAYS)}"
    rates = [
        f"{board[column]:,.1f} % of {what}"
        for column, what in (
            ("completion_rate", "their conversations were completed"),
            ("error_rate", "their attempts failed"),
        )
        if board[column] is not None
    ]
    return Statement(f"{told}.", f"{listed(rates)}." if rates else "")


def _use_cases_said(seen: Seen) -> Iterator[Statement]:
    named_ones = [
        f"{in_words(seen.board[f'top_use_case_{place}'])} "
        f"({seen.board[f'top_use_case_{place}_percent']:,.1f} %)"
        for place in range(1, TOP_USE_CASES + 1)
        if seen.board[f"top_use_case_{place}"] is not None
    ]
    if named_ones:
        yield Statement(
            f"Conversations are most often about {listed(named_ones)}.",
            "Share of all conversations of the 30 days with a use case.",
        )


def _days_said(seen: Seen) -> Iterator[Statement]:
    days = [seen.day - timedelta(days=back) for back in reversed(range(MONTH_DAYS))]
    if seen.first > days[0]:
        yield Statement(
            f"The 30 days are not full: the first day that was run is {seen.first}.",
            "The figures are too low.",
        )
    absent = [
        str(day)
        for day in days
        if day >= seen.first and not (day in seen.boards and seen.boards[day]["is_covered"])
    ]
    if absent:
        yield Statement(
            f"{len(absent)} of the 30 days {'was' if len(absent) == 1 else 'were'} not delivered: "
            "the figures are too low.",
            f"{listed(absent, 5)}.",
        )


CONVERSATIONS: Final = ChapterMaker(
    key=_KEY,
    title=_TITLE,
    subject="conversations",
    make=_make,
)
