"""What people make of the agents' drafts: approval, confidence, and what waits for review."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final

import altair as alt
import polars as pl

from harvey_pipeline.agents.tables.labels import CONFIDENCE_BANDS, WINDOW_DAYS
from harvey_pipeline.reports import charts
from harvey_pipeline.reports.chapters.agent_days import (
    CALIBRATION,
    DRAFTS,
    GRID_ROWS,
    HISTORY,
    PERFORMANCE,
    SEARCHABLE_FROM,
    SHOPS,
    WEEK,
    Seen,
    incomplete_days,
    no_data,
    percent,
)
from harvey_pipeline.reports.figures import Figures, figure_of
from harvey_pipeline.reports.page import Block, Chart, Column, Entry, Figure, Grid, chart_note
from harvey_pipeline.reports.wording import counted, listed, named


def approval_over_time(figures: Figures, seen: Seen) -> Block:
    """Approved of reviewed drafts by agent, over 7 days each."""
    title = "Approval"
    found = figures.rows(
        f"""
        with by_day as (
            select agent_type_sk as agent, date, sum(reviewed)::bigint as reviewed,
                sum(approved)::bigint as approved
            from {PERFORMANCE} where date between $first - 6 and $day
                and list_contains($agents, agent_type_sk)
            group by all
        ), by_week as (
            select agent, date, sum(reviewed) over week as reviewed,
                sum(approved) over week as approved
            from by_day
            window week as (
                partition by agent order by date
                range between interval 6 days preceding and current row
            )
        )
        select agent, date, reviewed::bigint as reviewed, approved::bigint as approved,
            100.0::double * approved / reviewed as rate
        from by_week where reviewed > 0 and date >= $first order by agent, date
        """,
        first=figures.back(HISTORY),
        agents=list(seen.agents),
    )
    if found.is_empty():
        return no_data(title, f"no draft was reviewed in the {HISTORY + 1} days to {figures.day}.")
    first, last = found["date"].min(), found["date"].max()
    assert isinstance(first, date)
    assert isinstance(last, date)
    shown = found["agent"].unique().sort().to_list()
    incomplete = incomplete_days(seen, "approvals")
    marked = incomplete.filter(pl.col("date").is_between(first, last))
    chart = (
        alt.Chart(charts.ROWS)
        .mark_line(point=True if found["date"].n_unique() < WEEK else "transparent")
        .encode(
            x=charts.day_axis(),
            y=alt.Y(
                "rate:Q",
                title="Approved of reviewed, percent",
                scale=alt.Scale(domain=[0, 100]),
            ),
            color=seen.colours(shown),
            tooltip=[
                alt.Tooltip("date:T", title="7 days to", format="%Y-%m-%d"),
                alt.Tooltip("agent:N", title="Agent"),
                alt.Tooltip("rate:Q", title="Approved, percent", format=",.1f"),
                alt.Tooltip("approved:Q", title="Approved", format=",.0f"),
                alt.Tooltip("reviewed:Q", title="Reviewed", format=",.0f"),
            ],
        )
    )
    return Chart(
        _approval_said(found, seen),
        charts.finish(charts.over_days(chart, incomplete, first, last), found),
        "Approved ones of the drafts of the 7 days that end on a day that were approved, rejected "
        "or edited by now; the last days rise or fall until all their drafts are reviewed. From "
        f"{PERFORMANCE}.",
        f"A line for each of {counted(len(shown), 'agent')} over the days {first} to {last}: its "
        "approval rate in percent.",
        " ".join(filter(None, (chart_note(marked.height), seen.note))),
    )


def _approval_said(found: pl.DataFrame, seen: Seen) -> str:
    """The approval of each agent's last week up to the day that is shown."""
    week = (
        found.filter(pl.col("date").is_between(seen.day - timedelta(days=WEEK - 1), seen.day))
        .sort("date")
        .group_by("agent", maintain_order=True)
        .last()
        .sort("rate", "agent", descending=[True, False])
    )
    if week.is_empty():
        return f"No draft of the 7 days to {seen.day} is reviewed yet"
    told = [
        f"{percent(row['rate'])} of {counted(row['reviewed'], 'draft')} by {named(row['agent'])}"
        for row in week.iter_rows(named=True)
    ]
    return f"Approved in the 7 days to {seen.day}: {listed(told)}"


def calibration(figures: Figures, seen: Seen) -> Block:
    """Whether drafts of which an agent is sure are approved more often."""
    title = "Confidence"
    found = figures.rows(
        f"""
        select agent_type_sk as agent, confidence_band::varchar as band,
            sum(reviewed)::bigint as reviewed, sum(approved)::bigint as approved,
            sum(avg_confidence_of_reviewed * reviewed) as confidences,
            sum(avg_confidence_of_reviewed * reviewed) / sum(reviewed) as confidence,
            100.0::double * sum(approved) / sum(reviewed) as rate
        from {CALIBRATION}
        where date between $first and $shown and reviewed > 0
            and avg_confidence_of_reviewed is not null
        group by all order by agent, confidence
        """,
        first=seen.first,
        shown=seen.day,
    )
    if found.is_empty():
        return no_data(
            title, f"no draft of the 30 days to {seen.day} has a confidence and a review."
        )
    df = found.filter(pl.col("agent").is_in(list(seen.agents))).select(
        "agent",
        "band",
        "reviewed",
        "approved",
        "confidence",
        "rate",
        gap=pl.col("confidence") - pl.col("rate"),
    )
    if df.is_empty():
        return no_data(
            title, "no draft of the agents with most work has a confidence and a review."
        )
    scale = alt.Scale(domain=[0, 100])
    diagonal = (
        alt.Chart(alt.InlineData(values=[{"sure": 0, "right": 0}, {"sure": 100, "right": 100}]))
        .mark_line(strokeDash=[6, 4], color=charts.GREY, strokeWidth=1.5)
        .encode(x=alt.X("sure:Q", scale=scale), y=alt.Y("right:Q", scale=scale))
    )
    base = alt.Chart(charts.ROWS).encode(
        x=alt.X(
            "confidence:Q",
            title="Mean confidence, percent",
            scale=scale,
            axis=alt.Axis(values=list(range(0, 101, 20))),
        ),
        y=alt.Y("rate:Q", title="Approved of reviewed, percent", scale=scale),
        color=seen.colours(df["agent"].unique().sort().to_list()),
        tooltip=[
            alt.Tooltip("agent:N", title="Agent"),
            alt.Tooltip("band:N", title="Confidence band, percent"),
            alt.Tooltip("confidence:Q", title="Mean confidence, percent", format=",.1f"),
            alt.Tooltip("rate:Q", title="Approved, percent", format=",.1f"),
            alt.Tooltip("gap:Q", title="Too sure by, points", format="+,.1f"),
            alt.Tooltip("approved:Q", title="Approved", format=",.0f"),
            alt.Tooltip("reviewed:Q", title="Reviewed drafts", format=",.0f"),
        ],
    )
    curve = base.mark_line(strokeWidth=1.5).encode(order=alt.Order("confidence:Q"))
    points = base.mark_circle(opacity=0.85).encode(
        size=alt.Size(
            "reviewed:Q",
            scale=alt.Scale(range=[30, 500]),
            legend=None,
        )
    )
    return Chart(
        _calibration_said(found),
        charts.finish(alt.LayerChart(layer=[diagonal, curve, points]), df, height=340),
        "Reviewed drafts of the 30 days by how sure the agent was: below the dashed line it is too "
        "sure of itself, above it not sure enough; the larger a circle, the more drafts. Those "
        f"without a confidence are left out. From {CALIBRATION}, to {seen.day}.",
        "A curve for each agent: how many percent of its drafts were approved over how sure it "
        "was, in percent, a circle for each band of confidence, larger with more reviewed drafts; "
        "a dashed diagonal where both are equal.",
        seen.note,
    )


def _calibration_said(found: pl.DataFrame) -> str:
    """How far confidence is from approval, over all agents, and where furthest."""
    bands = (
        found.group_by("band")
        .agg(pl.col("reviewed", "approved", "confidences").sum())
        .with_columns(
            confidence=pl.col("confidences") / pl.col("reviewed"),
            rate=pl.lit(100.0) * pl.col("approved") / pl.col("reviewed"),
        )
        .with_columns(gap=pl.col("confidence") - pl.col("rate"))
        .sort(pl.col("band").replace_strict({one: at for at, one in enumerate(CONFIDENCE_BANDS)}))
    )
    distances = zip(bands["gap"], bands["reviewed"], strict=True)
    missed = sum(abs(gap) * reviewed for gap, reviewed in distances) / sum(bands["reviewed"])
    worst = bands.row(bands["gap"].abs().arg_max() or 0, named=True)
    return (
        f"Confidence is {missed:,.1f} points from the approval rate on average; furthest at "
        f"{worst['band']} %: {percent(worst['rate'])} of "
        f"{counted(worst['reviewed'], 'draft')} approved, at a confidence of "
        f"{percent(worst['confidence'])}"
    )


_AGES: Final = (
    (0, "today"),
    (1, "1 day"),
    (2, "2-3 days"),
    (4, "4-7 days"),
    (8, "8-14 days"),
    (15, "15-30 days"),
    (31, "over 30 days"),
)
"""Ages of drafts in days, from which one each group is."""

_QUEUE_DEFINITION: Final = (
    f"Drafts of the {HISTORY + 1} days to the day that are pending by what is known now, by the "
    "days since they were drafted. A review that comes later than HARVEY_REVIEW_DAYS is not "
    f"read, so old ones may stay. From {DRAFTS}"
)
_URGENCY: Final = {True: "urgent", False: "not urgent"}


def review_queue(figures: Figures, seen: Seen) -> Iterator[Block]:
    """Pending drafts by age, and those to look at first."""
    first = seen.day - timedelta(days=HISTORY)
    ages = figures.rows(
        f"select $shown - date as age, is_urgent, count(*) as drafts from {DRAFTS} "
        "where is_pending and date between $first and $shown group by all",
        first=first,
        shown=seen.day,
    )
    if ages.is_empty():
        yield no_data("The review queue", f"no draft waits for its review on {seen.day}.")
        return
    yield _queue_chart(ages, seen)
    yield _queue_grid(figures, seen, first, int(ages["drafts"].sum()))


def _queue_chart(ages: pl.DataFrame, seen: Seen) -> Chart:
    starts = [start for start, _ in _AGES]
    df = (
        ages.with_columns(
            place=pl.sum_horizontal((pl.col("age") >= start).cast(pl.Int64) for start in starts[1:])
        )
        .group_by("place", "is_urgent")
        .agg(pl.col("drafts").sum())
        .sort("place", "is_urgent")
        .with_columns(
            group=pl.col("place").replace_strict(
                {place: label for place, (_, label) in enumerate(_AGES)}, return_dtype=pl.String
            ),
            urgency=pl.col("is_urgent").replace_strict(_URGENCY, return_dtype=pl.String),
        )
    )
    chart = (
        alt.Chart(charts.ROWS)
        .mark_bar()
        .encode(
            x=alt.X(
                "group:N",
                title="Age of the draft",
                sort=alt.EncodingSortField(field="place", op="min"),
                axis=alt.Axis(labelAngle=-30),
            ),
            y=alt.Y(
                "drafts:Q", title="Pending drafts", axis=alt.Axis(tickMinStep=1, format=",.0f")
            ),
            color=charts.coloured(
                "urgency", "Priority", list(_URGENCY.values()), (charts.VERMILION, charts.BLUE)
            ),
            tooltip=[
                alt.Tooltip("group:N", title="Age"),
                alt.Tooltip("urgency:N", title="Priority"),
                alt.Tooltip("drafts:Q", title="Pending drafts", format=",.0f"),
            ],
        )
    )
    count = int(ages["drafts"].sum())
    urgent = int(ages.filter("is_urgent")["drafts"].sum())
    late = int(ages.filter(pl.col("age") > WINDOW_DAYS)["drafts"].sum())
    told = f"{counted(count, 'draft')} {'waits' if count == 1 else 'wait'} for review"
    parts = [f"{urgent:,} urgent"] if urgent else []
    parts += [f"{late:,} for more than 30 days"] if late else []
    return Chart(
        f"{told}, {listed(parts)}" if parts else told,
        charts.finish(
            chart, df.select("place", "group", "urgency", "drafts"), height=charts.HEIGHT
        ),
        f"{_QUEUE_DEFINITION}, on {seen.day}.",
        "A bar for each age of pending drafts, as high as there are drafts, urgent ones in a "
        "colour of their own.",
    )


def _queue_grid(figures: Figures, seen: Seen, first: date, count: int) -> Grid:
    found = figures.rows(
        f"select date, source_id, agent_type_sk, shop_domain, is_urgent, is_escalated, "
        f"confidence_score, $shown - date as age from {DRAFTS} join {SHOPS} using (shop_sk) "
        "where is_pending and date between $first and $shown "
        f"order by is_urgent desc, created_at, source_id limit {GRID_ROWS}",
        first=first,
        shown=seen.day,
    ).to_dicts()
    table, key = str(DRAFTS), ("date", "source_id")
    rows: list[list[Entry]] = [
        [
            row["source_id"],
            row["agent_type_sk"],
            row["shop_domain"],
            Figure(row["age"], "days"),
            figure_of(row, "is_urgent", "flag", table, *key),
            figure_of(row, "is_escalated", "flag", table, *key),
            figure_of(row, "confidence_score", "percent", table, *key),
        ]
        for row in found
    ]
    return Grid(
        "What waits for review, urgent drafts and old ones first",
        (
            Column("Draft"),
            Column("Agent"),
            Column("Shop"),
            Column("Days", "days", "Days since it was drafted."),
            Column("Urgent", "flag"),
            Column("Escalate", "flag", "Whether the agent recommends to escalate."),
            Column("Confidence", "percent"),
        ),
        rows,
        f"{_QUEUE_DEFINITION}, on {seen.day}.",
        left_out=count - len(found),
        is_searchable=len(found) > SEARCHABLE_FROM,
    )
