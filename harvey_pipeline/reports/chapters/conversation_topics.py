"""What conversations are about, what fails in them, and what they take."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, Final

import altair as alt
import polars as pl

from harvey_pipeline.conversations.tables.conversations import CONVERSATIONS as CONVERSATION_ROWS
from harvey_pipeline.conversations.tables.conversations import INTENTS
from harvey_pipeline.conversations.tables.labels import COMPLETED, MONTH_DAYS, NO_TOOL
from harvey_pipeline.conversations.tables.marts import FAILURE_POINTS, TOOL_USAGE, USE_CASES
from harvey_pipeline.conversations.tables.users import CREDIT_EXHAUSTION
from harvey_pipeline.reports import charts
from harvey_pipeline.reports.chapters.conversation_days import (
    GRID_ROWS,
    SEARCHABLE_FROM,
    Row,
    Seen,
    in_words,
    of_day,
    percent,
)
from harvey_pipeline.reports.figures import Figures, figure_of
from harvey_pipeline.reports.page import Block, Chart, Column, Entry, Figure, Grid, Link, Missing
from harvey_pipeline.reports.wording import counted, distinct, listed, named

_BARS: Final = 15
_FAILURE_BARS: Final = 10
_BAR_HEIGHT: Final = 38
_LABEL_PIXELS: Final = 300


def use_cases(figures: Figures, seen: Seen) -> Block:
    """Conversations by what they are about."""
    found = of_day(
        figures,
        seen,
        f"select *, count(*) over () as found from {USE_CASES} where date = $shown "
        f"order by conversations desc, use_case limit {_BARS}",
    )
    if not found:
        return Missing(
            "Use cases",
            f"No data for use cases: no user wrote a message in the 30 days to {seen.day}.",
        )
    labels = distinct([in_words(row["use_case"]) for row in found])
    df = pl.DataFrame(
        [
            {
                "place": place,
                "use_case": label,
                "conversations": row["conversations"],
                "users": row["users"],
                "share": percent(row["share_percent"]),
                "completed": percent(row["completion_rate"]),
                "satisfaction": str(Figure(row["avg_satisfaction"], "number")),
                "credits": row["credits_used"],
            }
            for place, (label, row) in enumerate(zip(labels, found, strict=True))
        ]
    )
    count, most = found[0]["found"], found[0]["conversations"]
    leading = [
        label for label, row in zip(labels, found, strict=True) if row["conversations"] == most
    ]
    cases = counted(count, "use case")
    share = percent(found[0]["share_percent"])
    if count == 1:
        told = f"All conversations are about {leading[0]}: {counted(most, 'conversation')}"
    elif len(leading) == 1:
        told = f"Most frequent of {cases}: {leading[0]}, {counted(most, 'conversation')} ({share})"
    else:
        told = (
            f"Most frequent of {cases}: {listed(leading)}, "
            f"{counted(most, 'conversation')} ({share}) each"
        )
    left = count - len(found)
    return Chart(
        told,
        _bars(
            df,
            "use_case",
            "conversations",
            "Conversations",
            "share",
            [
                alt.Tooltip("use_case:N", title="Use case"),
                alt.Tooltip("conversations:Q", title="Conversations", format=",.0f"),
                alt.Tooltip("share:N", title="Share"),
                alt.Tooltip("users:Q", title="Users", format=",.0f"),
                alt.Tooltip("completed:N", title="Completed"),
                alt.Tooltip("satisfaction:N", title="Satisfaction, of 10"),
                alt.Tooltip("credits:Q", title="Credits", format=",.0f"),
            ],
        ),
        "Conversations of the 30 days by what most of their user's messages are about; one of "
        "several users counts once for each. The share is of all with a use case. From "
        f"{USE_CASES}, on {seen.day}.",
        f"A bar for each of {counted(len(found), 'use case')}, as long as it has conversations, "
        "most first.",
        f"{counted(left, 'use case')} with fewer conversations left out." if left else "",
    )


def _bars(
    df: pl.DataFrame,
    label: str,
    column: str,
    title: str,
    text: str,
    tooltip: Sequence[alt.Tooltip],
    colour: alt.Color | None = None,
) -> dict[str, Any]:
    """Horizontal bars in the order of `place`, each below its label, with a text at its end.

    Labels stand above the bars, for names that others gave may be longer than a phone is wide.
    """
    scale = alt.Scale(domain=[0, max(df[column].to_list()) * 1.3], nice=False)
    y = alt.Y(
        f"{label}:N",
        title=None,
        sort=alt.EncodingSortField(field="place", op="min"),
        axis=None,
        scale=alt.Scale(paddingInner=0.6, paddingOuter=0.6),
    )
    base = alt.Chart(charts.ROWS).encode(
        x=alt.X(
            f"{column}:Q",
            title=title,
            scale=scale,
            axis=alt.Axis(tickCount=6, tickMinStep=1, format=",.0f"),
        ),
        y=y,
        tooltip=list(tooltip),
    )
    bars = base.mark_bar(color=charts.BLUE)
    if colour is not None:
        bars = base.mark_bar().encode(color=colour)
    ends = base.mark_text(align="left", dx=5, baseline="middle").encode(text=f"{text}:N")
    labels = (
        alt.Chart(charts.ROWS)
        .mark_text(align="left", dx=2, dy=-16, baseline="middle", limit=_LABEL_PIXELS)
        .encode(x=alt.datum(0), y=y, text=f"{label}:N")
    )
    return charts.finish(
        alt.LayerChart(layer=[bars, ends, labels]), df, height=60 + _BAR_HEIGHT * df.height
    )


def wishes(figures: Figures, seen: Seen) -> Block:
    """Conversations by what their first message asks to be done."""
    found = of_day(
        figures,
        seen,
        f"""
        with clusters as (
            select cluster, count(*) as conversations, count(distinct user_id) as users,
                100.0::double * count(*) filter (completion_status = $completed) / count(*)
                    as completion_rate,
                sum(satisfaction_signal)::double / count(*) as avg_satisfaction
            from {INTENTS} join {CONVERSATION_ROWS} using (date, conversation_id, user_id)
            where date between $first and $shown
            group by cluster
        )
        select *, count(*) over () as found, sum(conversations) over ()::bigint as everything
        from clusters order by conversations desc, cluster limit {GRID_ROWS}
        """,
        first=seen.day - timedelta(days=MONTH_DAYS - 1),
        completed=COMPLETED,
    )
    if not found:
        return Missing(
            "What users want",
            f"No data for what users want: no conversation began in the 30 days to {seen.day}.",
        )
    rows: list[list[Entry]] = [
        [
            in_words(row["cluster"].replace("/", ": ", 1)),
            Figure(row["conversations"]),
            Figure(row["users"]),
            Figure(row["completion_rate"], "percent"),
            Figure(row["avg_satisfaction"], "number"),
        ]
        for row in found
    ]
    return Grid(
        f"What users want: {counted(found[0]['found'], 'kind of request', 'kinds of request')} in "
        f"{counted(found[0]['everything'], 'conversation')} that began in 30 days",
        (
            Column("Wish", "text", "What the first message asks to be done, and about what."),
            Column("Conversations", "count"),
            Column("Users", "count"),
            Column("Completed", "percent"),
            Column("Satisfaction, of 10", "number"),
        ),
        rows,
        "Conversations that began in the 30 days by the action that the first message asks for "
        f"and their use case, told by rules. From {INTENTS} and {CONVERSATION_ROWS}.",
        left_out=found[0]["found"] - len(found),
        is_searchable=len(found) > SEARCHABLE_FROM,
    )


_FAILURES_DEFINITION: Final = (
    "Errors, and whatever says that it did not succeed, by tool and kind of error over the 30 "
    "days; numbers in an error are #. Repeated: on 3 or more days, to 2 or more users. From "
    f"{FAILURE_POINTS}"
)
_REPEATED: Final = {True: "repeated", False: "not repeated"}


def failures(figures: Figures, seen: Seen) -> Iterator[Block]:
    """What fails most often, as bars and in figures."""
    found = of_day(
        figures,
        seen,
        f"select *, count(*) over () as found, count(*) filter (is_repeated) over () as repeated, "
        f"sum(failure_count_30d) over ()::bigint as everything from {FAILURE_POINTS} "
        "where date = $shown order by failure_count_30d desc, affected_users_30d desc, tool_name, "
        f"error_type limit {GRID_ROWS}",
    )
    if not found:
        yield Missing(
            "Failure points",
            f"No data for failure points: nothing failed in the 30 days to {seen.day}.",
        )
        return
    yield _failure_chart(found, seen)
    yield _failure_grid(found, seen)


def _tool(name: str) -> str:
    return "no tool" if name == NO_TOOL else in_words(name)


def _failure_chart(found: Sequence[Row], seen: Seen) -> Chart:
    shown = found[:_FAILURE_BARS]
    labels = distinct([f"{named(row['error_type'])} ({_tool(row['tool_name'])})" for row in shown])
    df = pl.DataFrame(
        [
            {
                "place": place,
                "failure": label,
                "failures": row["failure_count_30d"],
                "users": row["affected_users_30d"],
                "days": row["days_30d"],
                "repeated": _REPEATED[bool(row["is_repeated"])],
                "label": counted(row["affected_users_30d"], "user"),
            }
            for place, (label, row) in enumerate(zip(labels, shown, strict=True))
        ]
    )
    worst, repeated = found[0], found[0]["repeated"]
    told = (
        f"{counted(worst['everything'], 'failure')} in 30 days; most often {labels[0]}: "
        f"{counted(worst['failure_count_30d'], 'time')}, "
        f"{counted(worst['affected_users_30d'], 'user')}"
    )
    if repeated:
        told += f"; {repeated:,} of {counted(worst['found'], 'failure point')} "
        told += "keeps coming back" if repeated == 1 else "keep coming back"
    left = worst["found"] - len(shown)
    return Chart(
        told,
        _bars(
            df,
            "failure",
            "failures",
            "Failed events in 30 days",
            "label",
            [
                alt.Tooltip("failure:N", title="Failure"),
                alt.Tooltip("failures:Q", title="Failed events", format=",.0f"),
                alt.Tooltip("users:Q", title="Users", format=",.0f"),
                alt.Tooltip("days:Q", title="Days of the 30", format=",.0f"),
                alt.Tooltip("repeated:N", title="Repeated"),
            ],
            charts.coloured(
                "repeated", "Failure", list(_REPEATED.values()), (charts.VERMILION, charts.GREY)
            ),
        ),
        f"{_FAILURES_DEFINITION}, on {seen.day}.",
        f"A bar for each of {counted(len(shown), 'failure point')}, as long as it has failed "
        "events, most first; the text is how many users it met.",
        f"{counted(left, 'failure point')} with fewer failures left out here." if left else "",
    )


def _failure_grid(found: Sequence[Row], seen: Seen) -> Grid:
    table, key = str(FAILURE_POINTS), ("date", "tool_name", "error_type")
    rows: list[list[Entry]] = [
        [
            _tool(row["tool_name"]),
            row["error_type"],
            figure_of(row, "failure_count_30d", "count", table, *key),
            figure_of(row, "affected_users_30d", "count", table, *key),
            figure_of(row, "days_30d", "days", table, *key),
            figure_of(row, "is_repeated", "flag", table, *key),
            figure_of(row, "failure_count", "count", table, *key),
        ]
        for row in found
    ]
    return Grid(
        f"Failure points: {found[0]['found']:,} in 30 days, {found[0]['repeated']:,} repeated",
        (
            Column("Tool"),
            Column("Error"),
            Column("Failures", "count", "Failed events in the 30 days."),
            Column("Users", "count", "Users with one in the 30 days."),
            Column("Days", "days", "Days with one, of the 30."),
            Column("Repeated", "flag", "On 3 or more days, to 2 or more users."),
            Column("On the day", "count", f"Failed events on {seen.day}."),
        ),
        rows,
        f"{_FAILURES_DEFINITION}, on {seen.day}.",
        left_out=found[0]["found"] - len(found),
        is_searchable=len(found) > SEARCHABLE_FROM,
    )


def tools(figures: Figures, seen: Seen) -> Block:
    """How often each tool is called, and how well that goes."""
    found = of_day(
        figures,
        seen,
        f"select *, count(*) over () as found, sum(calls_30d) over ()::bigint as everything "
        f"from {TOOL_USAGE} where date = $shown order by calls_30d desc, tool_name "
        f"limit {GRID_ROWS}",
    )
    if not found:
        return Missing("Tools", f"No data for tools: none was called in the 30 days to {seen.day}.")
    table, key = str(TOOL_USAGE), ("date", "tool_name")
    rows: list[list[Entry]] = [
        [
            in_words(row["tool_name"]),
            figure_of(row, "calls_30d", "count", table, *key),
            figure_of(row, "users_30d", "count", table, *key),
            figure_of(row, "success_rate_30d", "percent", table, *key),
            figure_of(row, "calls", "count", table, *key),
            figure_of(row, "failures", "count", table, *key),
            figure_of(row, "credits_used", "count", table, *key),
        ]
        for row in found
    ]
    return Grid(
        f"Tools: {counted(found[0]['everything'], 'call')} of "
        f"{counted(found[0]['found'], 'tool')} in 30 days",
        (
            Column("Tool"),
            Column("Calls", "count", "Calls in the 30 days."),
            Column("Users", "count", "Users with a call in the 30 days."),
            Column("Successful", "percent", "Of the calls and failed events of the 30 days."),
            Column("Calls on the day", "count", f"On {seen.day}."),
            Column("Failures on the day", "count", f"On {seen.day}."),
            Column("Credits on the day", "count", f"On {seen.day}."),
        ),
        rows,
        f"Tools with a call in the 30 days. From {TOOL_USAGE}, on {seen.day}.",
        left_out=found[0]["found"] - len(found),
        is_searchable=len(found) > SEARCHABLE_FROM,
    )


def out_of_credits(figures: Figures, seen: Seen) -> Block:
    """Users who exhausted their credits."""
    found = of_day(
        figures,
        seen,
        f"""
        with latest as (
            select *, count(*) over (partition by user_id) as times from {CREDIT_EXHAUSTION}
            where date between $first and $shown and is_exhausted
            qualify row_number() over (partition by user_id order by date desc) = 1
        )
        select *, count(*) over () as found
        from latest order by times desc, date desc, user_id limit {GRID_ROWS}
        """,
        first=seen.day - timedelta(days=MONTH_DAYS - 1),
    )
    if not found:
        return Missing(
            "Out of credits",
            f"No data for users out of credits: nobody was in the 30 days to {seen.day}.",
        )
    table, key = str(CREDIT_EXHAUSTION), ("date", "user_id")
    rows: list[list[Entry]] = [
        [
            Link(row["user_id"], "user", row["user_id"]),
            Figure(row["times"], "days"),
            figure_of(row, "date", "date", table, *key),
            figure_of(row, "credits_used_month", "count", table, *key),
            figure_of(row, "credit_limit", "count", table, *key),
            figure_of(row, "refusals", "count", table, *key),
        ]
        for row in found
    ]
    return Grid(
        f"{counted(found[0]['found'], 'user')} ran out of credits in 30 days",
        (
            Column("User"),
            Column("Days", "days", "Days of the 30 on which the credits were exhausted."),
            Column("Last on", "date"),
            Column("Credits of the month", "count", "Used by then, in the calendar month."),
            Column("Limit", "count", "Credits a calendar month."),
            Column("Refusals", "count", "Of the last such day."),
        ),
        rows,
        "Users who were refused for lack of credits, or reached their limit, in the 30 days, who "
        f"did so most often first. From {CREDIT_EXHAUSTION}.",
        left_out=found[0]["found"] - len(found),
        is_searchable=len(found) > SEARCHABLE_FROM,
    )
