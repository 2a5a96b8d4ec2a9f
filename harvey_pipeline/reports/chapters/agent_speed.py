"""How long reviews and answers take."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Final

import altair as alt
import polars as pl

from harvey_pipeline.agents.tables.labels import WINDOW_DAYS
from harvey_pipeline.reports import charts
from harvey_pipeline.reports.chapters.agent_days import (
    DAYS,
    DRAFTS,
    HISTORY,
    NAME_PIXELS,
    QUERIES,
    WEEK,
    Seen,
    incomplete_days,
    no_data,
)
from harvey_pipeline.reports.figures import Figures
from harvey_pipeline.reports.page import Block, Chart, chart_note
from harvey_pipeline.reports.wording import counted, listed, moved, named

_PERCENTILES: Final = {"p50": "50th", "p95": "95th", "p99": "99th"}
_PERCENTILE_COLOURS: Final = (charts.BLUE, charts.ORANGE, charts.VERMILION)


def _percentiles_of(figures: Figures, seen: Seen, table: str, column: str) -> pl.DataFrame:
    """Percentiles of each agent over the 30 days: agent, count, p50, p95, p99."""
    return figures.rows(
        f"""
        select agent_type_sk as agent, count({column}) as count,
            quantile_cont({column}, 0.5) as p50, quantile_cont({column}, 0.95) as p95,
            quantile_cont({column}, 0.99) as p99
        from {table}
        where date between $first and $shown and {column} is not null
            and list_contains($agents, agent_type_sk)
        group by agent order by agent
        """,
        first=seen.first,
        shown=seen.day,
        agents=list(seen.agents),
    )


def _spans(
    df: pl.DataFrame, percentiles: Sequence[str], axis: str, of_what: str, unit: str
) -> dict[str, Any]:
    """Points of percentiles on a line for each agent; `df` has agent, count and percentiles."""
    labels = [_PERCENTILES[name] for name in percentiles]
    long = df.unpivot(
        on=list(percentiles), index=["agent", "count"], variable_name="name", value_name="value"
    ).with_columns(percentile=pl.col("name").replace_strict(_PERCENTILES))
    base = alt.Chart(charts.ROWS).encode(
        y=alt.Y("agent:N", title=None, axis=alt.Axis(labelLimit=NAME_PIXELS)),
    )
    ticks = alt.Axis(tickCount=5, labelOverlap=True, labelSeparation=8)
    rules = base.mark_rule(color=charts.GREY, strokeWidth=2).encode(
        x=alt.X("min(value):Q", title=axis, axis=ticks), x2="max(value):Q"
    )
    points = base.mark_point(filled=True, size=110, opacity=1).encode(
        x=alt.X("value:Q", title=axis, scale=alt.Scale(zero=True), axis=ticks),
        color=charts.coloured("percentile", "Percentile", labels, _PERCENTILE_COLOURS),
        shape=alt.Shape(
            "percentile:N",
            title="Percentile",
            sort=labels,
            scale=alt.Scale(
                domain=labels, range=["circle", "square", "triangle-up"][: len(labels)]
            ),
        ),
        tooltip=[
            alt.Tooltip("agent:N", title="Agent"),
            alt.Tooltip("percentile:N", title="Percentile"),
            alt.Tooltip("value:Q", title=unit, format=",.1f"),
            alt.Tooltip("count:Q", title=of_what, format=",.0f"),
        ],
    )
    return charts.finish(
        alt.LayerChart(layer=[rules, points]),
        long.select("agent", "percentile", "value", "count"),
        height=110 + 36 * df.height,
    )


_TIMES: Final = ((2 * 86_400, 86_400, "days"), (2 * 3_600, 3_600, "hours"), (120, 60, "minutes"))
"""From how many seconds on a time is told in a unit, and that unit's seconds."""


def _told_in(seconds: float) -> tuple[int, str]:
    """The unit in which such a time is read: its seconds, and its name."""
    for lowest, size, unit in _TIMES:
        if seconds >= lowest:
            return size, unit
    return 1, "seconds"


def _time(seconds: float) -> str:
    size, unit = _told_in(seconds)
    return f"{seconds / size:,.1f} {unit}"


def review_time(figures: Figures, seen: Seen) -> Block:
    """How long drafts of each agent wait for their review."""
    found = _percentiles_of(figures, seen, str(DRAFTS), "review_time_seconds")
    if found.is_empty():
        return no_data("Review time", f"no draft of the 30 days to {seen.day} was reviewed.")
    size, unit = _told_in(max(found["p95"].to_list()))
    told = [
        f"{named(row['agent'])} {_time(row['p50'])}"
        for row in found.sort("p50", "agent", descending=[True, False]).iter_rows(named=True)
    ]
    scaled = found.with_columns(pl.col("p50", "p95") / pl.lit(float(size)))
    return Chart(
        f"Median review time: {listed(told)}",
        _spans(scaled, ("p50", "p95"), f"Time to review, {unit}", "Reviewed drafts", unit.title()),
        "Time from a draft to its review, of the drafts of the 30 days that were reviewed by now: "
        f"half took no longer than the 50th percentile, 95 % no longer than the 95th. From "
        f"{DRAFTS}, to {seen.day}.",
        f"A line for each of {counted(found.height, 'agent')} from the 50th to the 95th "
        f"percentile of its review time, in {unit}.",
        seen.note,
    )


def latency_by_agent(figures: Figures, seen: Seen) -> Block:
    """How long each agent takes to answer."""
    found = _percentiles_of(figures, seen, str(QUERIES), "latency_ms")
    if found.is_empty():
        return no_data("Latency by agent", f"no query of the 30 days to {seen.day} has a latency.")
    slowest = found.sort("p95", "agent", descending=[True, False]).row(0, named=True)
    agent, within = named(slowest["agent"]), f"within {slowest['p95']:,.0f} ms"
    queries = counted(slowest["count"], "query", "queries")
    if found.height == 1:
        told = f"{agent} answers 95 % of its {queries} {within}"
    else:
        agents = counted(found.height, "agent")
        told = f"None of {agents} is slower than {agent}: 95 % of its {queries} {within}"
    return Chart(
        told,
        _spans(found, tuple(_PERCENTILES), "Latency, ms", "Queries", "Milliseconds"),
        "Time to the answer of the queries of the 30 days that have one: half took no longer than "
        "the 50th percentile, 95 % and 99 % no longer than the other two. "
        f"From {QUERIES}, to {seen.day}.",
        f"A line for each of {counted(found.height, 'agent')} from the 50th over the 95th to "
        "the 99th percentile of its latency, in milliseconds.",
        seen.note,
    )


def latency_over_time(seen: Seen) -> Block:
    """How long answers take, by day, of all agents."""
    df = pl.DataFrame(
        [
            {
                "date": day,
                "percentile": label,
                "value": row[f"{name}_latency_ms"],
                "queries": row["total_queries"],
            }
            for day, row in seen.summaries.items()
            for name, label in _PERCENTILES.items()
            if row[f"{name}_latency_ms"] is not None
        ],
        schema={
            "date": pl.Date,
            "percentile": pl.String,
            "value": pl.Float64,
            "queries": pl.Int64,
        },
    )
    if df.is_empty():
        return no_data("Latency", f"no query of the {HISTORY + 1} days has a latency.")
    first, last = df["date"].min(), df["date"].max()
    assert isinstance(first, date)
    assert isinstance(last, date)
    incomplete = incomplete_days(seen, "queries")
    marked = incomplete.filter(pl.col("date").is_between(first, last))
    chart = (
        alt.Chart(charts.ROWS)
        .mark_line(point=True if df["date"].n_unique() < WEEK else "transparent")
        .encode(
            x=charts.day_axis(),
            y=alt.Y("value:Q", title="Latency, ms"),
            color=charts.coloured(
                "percentile", "Percentile", list(_PERCENTILES.values()), _PERCENTILE_COLOURS
            ),
            tooltip=[
                charts.DAY,
                alt.Tooltip("percentile:N", title="Percentile"),
                alt.Tooltip("value:Q", title="Milliseconds", format=",.1f"),
                alt.Tooltip("queries:Q", title="Queries", format=",.0f"),
            ],
        )
    )
    now = seen.summary["p95_latency_ms"]
    before = seen.summaries.get(seen.day - timedelta(days=WINDOW_DAYS), {}).get("p95_latency_ms")
    if now is None:
        told = f"No query of {seen.day} has a latency"
    elif before is None:
        told = f"95 % of the queries of {seen.day} were answered within {now:,.0f} ms"
    else:
        told = f"The 95th percentile of latency in ms {moved(now, before, 'number', WINDOW_DAYS)}"
    return Chart(
        told,
        charts.finish(charts.over_days(chart, incomplete, first, last), df),
        "Time to the answer of a day's queries, of all agents: half took no longer than the "
        f"50th percentile, 95 % and 99 % no longer than the other two. From {DAYS}.",
        f"Three lines over the days {first} to {last}: 50th, 95th and 99th percentile of the "
        "latency in milliseconds.",
        chart_note(marked.height),
    )
