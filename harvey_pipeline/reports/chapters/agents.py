"""The chapter of the agents: what people make of their drafts, how fast they are, who annotates."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import polars as pl

from harvey_pipeline.agents.tables.labels import WINDOW_DAYS
from harvey_pipeline.reports import charts
from harvey_pipeline.reports.chapter import ChapterMaker
from harvey_pipeline.reports.chapters.agent_annotators import annotators
from harvey_pipeline.reports.chapters.agent_days import (
    AGENT_TYPES,
    ANNOTATIONS,
    ANNOTATORS,
    CALIBRATION,
    DAYS,
    DRAFTS,
    GRID_ROWS,
    HISTORY,
    PERFORMANCE,
    QUERIES,
    SEARCHABLE_FROM,
    SHOPS,
    SOURCES,
    WEEK,
    Row,
    Seen,
    is_covered,
    no_data,
    percent,
    see,
)
from harvey_pipeline.reports.chapters.agent_drafts import (
    approval_over_time,
    calibration,
    review_queue,
)
from harvey_pipeline.reports.chapters.agent_speed import (
    latency_by_agent,
    latency_over_time,
    review_time,
)
from harvey_pipeline.reports.figures import Figures, figure_of
from harvey_pipeline.reports.page import (
    Block,
    Chapter,
    Column,
    Entry,
    Figure,
    Grid,
    Statement,
    Statements,
    Tile,
    Tiles,
    Unit,
)
from harvey_pipeline.reports.wording import change, counted, listed, named

_KEY: Final = "agents"
_TITLE: Final = "Agents"

_DAILY: Final = (DAYS, PERFORMANCE, CALIBRATION, DRAFTS, QUERIES, ANNOTATIONS)
_WHOLE: Final = (AGENT_TYPES, ANNOTATORS, SHOPS)


def _make(figures: Figures) -> Chapter:
    missing = [table for table in (*_DAILY, *_WHOLE) if table.name not in figures.tables]
    if missing:
        return _absent(f"there is no table {missing[0]}.")
    seen = see(figures)
    if seen is None:
        return _absent(
            f"nothing was delivered in the {HISTORY + 1} days to {figures.day}. Put drops such as "
            "agent_approvals/<YYYY-MM-DD>.csv into the landing folder and run them."
        )
    judged = _judge(figures, seen)
    blocks = (
        _summary(seen),
        _in_short(judged, seen),
        approval_over_time(figures, seen),
        calibration(figures, seen),
        _expectations(judged, seen),
        review_time(figures, seen),
        *review_queue(figures, seen),
        latency_over_time(seen),
        latency_by_agent(figures, seen),
        annotators(figures, seen),
    )
    lead = (
        "What people make of the agents' drafts, how fast the agents answer, and what annotators "
        f"think: the {WINDOW_DAYS} days to {seen.day}."
    )
    if seen.day != figures.day:
        lead += " Later days were not delivered, or are cut off."
    return Chapter(_KEY, _TITLE, lead, blocks)


def _absent(reason: str) -> Chapter:
    return Chapter(_KEY, _TITLE, "", absent=f"No data for agents: {reason}")


@dataclass(frozen=True)
class _Headline:
    label: str
    column: str
    unit: Unit
    source: str
    definition: str


_HEADLINES: Final = (
    _Headline("Drafts", "total_drafts", "count", "approvals", "Drafts of the day."),
    _Headline(
        "Approved of reviewed drafts",
        "approval_rate_of_reviewed",
        "percent",
        "approvals",
        "Approved ones of the day's drafts that were approved, rejected or edited by now.",
    ),
    _Headline(
        "Mean confidence",
        "avg_confidence",
        "percent",
        "approvals",
        "Mean of how sure the agents were of the day's drafts.",
    ),
    _Headline(
        "Median review time",
        "p50_review_time_seconds",
        "seconds",
        "approvals",
        "Half of the day's reviewed drafts were reviewed within it.",
    ),
    _Headline("Queries", "total_queries", "count", "queries", "Queries of the day."),
    _Headline(
        "Latency, 95th percentile, ms",
        "p95_latency_ms",
        "number",
        "queries",
        "95 % of the day's queries were answered within it, in milliseconds.",
    ),
    _Headline(
        "Failed queries",
        "error_rate",
        "percent",
        "queries",
        "Errors of the day's queries of which it is known.",
    ),
    _Headline("Annotations", "annotations", "count", "feedback", "Annotations of the day."),
    _Headline(
        "Annotators' score, of 5",
        "avg_overall_score",
        "number",
        "feedback",
        "Mean overall score of the day's annotations, 1 to 5.",
    ),
)


def _summary(seen: Seen) -> Tiles:
    return Tiles(
        tuple(
            _tile(headline, seen)
            for headline in _HEADLINES
            if is_covered(seen.summary, headline.source)
        )
    )


def _tile(headline: _Headline, seen: Seen) -> Tile:
    column, now = headline.column, seen.summary[headline.column]
    known = {
        day: row[column]
        for day, row in seen.summaries.items()
        if day <= seen.day and is_covered(row, headline.source) and row[column] is not None
    }
    changes = [
        change(now, known[then], headline.unit, days)
        for days in (WEEK, WINDOW_DAYS)
        if (then := seen.day - timedelta(days=days)) in known and now is not None
    ]
    points = pl.DataFrame({"date": list(known), column: list(known.values())})
    return Tile(
        headline.label,
        figure_of(seen.summary, column, headline.unit, str(DAYS), "date"),
        f"{headline.definition} From {DAYS}.{column}, on {seen.day}.",
        changes,
        charts.sparkline(points, column) if points.height > 1 else None,
    )


def _judge(figures: Figures, seen: Seen) -> list[dict[str, Any]]:
    """Agents with drafts or queries in the 30 days, or with an expectation, most drafts first.

    What `agents.agent_expectations` says of the last day run, of the day that is shown.
    """
    return figures.rows(
        f"""
        with drafts as (
            select agent_type_sk, sum(total_drafts)::bigint as total_drafts,
                sum(reviewed)::bigint as reviewed, sum(approved)::bigint as approved,
                100.0 * sum(approved) / nullif(sum(reviewed), 0) as approval_rate_of_reviewed
            from {PERFORMANCE} where date between $first and $shown group by agent_type_sk
        ), queries as (
            select agent_type_sk, count(*) as total_queries, avg(latency_ms) as avg_latency_ms
            from {QUERIES} where date between $first and $shown group by agent_type_sk
        )
        select agent_type_sk, agent_type_code, agent_name,
            coalesce(total_drafts, 0) as total_drafts, coalesce(reviewed, 0) as reviewed,
            coalesce(approved, 0) as approved, approval_rate_of_reviewed, expected_approval_rate,
            approval_rate_of_reviewed >= expected_approval_rate as is_approval_rate_met,
            coalesce(total_queries, 0) as total_queries, avg_latency_ms, expected_avg_latency_ms,
            avg_latency_ms <= expected_avg_latency_ms as is_latency_met
        from {AGENT_TYPES}
        left join drafts using (agent_type_sk) left join queries using (agent_type_sk)
        where total_drafts > 0 or total_queries > 0
            or expected_approval_rate is not null or expected_avg_latency_ms is not null
        order by total_drafts desc, total_queries desc, agent_type_sk
        """,
        first=seen.first,
        shown=seen.day,
    ).to_dicts()


def _expectations(judged: Sequence[Row], seen: Seen) -> Block:
    title = "Expectations"
    if not judged:
        return no_data(title, f"no agent drafted or answered in the 30 days to {seen.day}.")
    verdicts = [row[f"is_{what}_met"] for row in judged for what in ("approval_rate", "latency")]
    known = [verdict for verdict in verdicts if verdict is not None]
    if known:
        title = f"Expectations: {sum(known):,} of {len(known):,} met in 30 days"
    else:
        title = "Expectations: none is stated of what was done in 30 days"
    shown = judged[:GRID_ROWS]
    rows: list[list[Entry]] = [
        [
            row["agent_type_sk"],
            row["agent_name"] or "",
            Figure(row["total_drafts"]),
            Figure(row["approval_rate_of_reviewed"], "percent"),
            _expected(row, "expected_approval_rate", "percent"),
            Figure(row["is_approval_rate_met"], "flag"),
            Figure(row["total_queries"]),
            Figure(row["avg_latency_ms"], "number"),
            _expected(row, "expected_avg_latency_ms", "number"),
            Figure(row["is_latency_met"], "flag"),
        ]
        for row in shown
    ]
    return Grid(
        title,
        (
            Column("Agent"),
            Column("Name"),
            Column("Drafts", "count", "Drafts of the 30 days."),
            Column("Approved", "percent", "Of the reviewed drafts."),
            Column("At least", "percent", "The approval rate that is expected."),
            Column("Approval met", "flag"),
            Column("Queries", "count", "Queries of the 30 days."),
            Column("Latency, ms", "number", "Mean latency of the queries."),
            Column("At most, ms", "number", "The mean latency that is expected."),
            Column("Latency met", "flag"),
        ),
        rows,
        f"Each agent over the 30 days to {seen.day} against what its type is expected to reach; a "
        "dash where there is nothing to compare. An agent meets the approval rate at or above it, "
        f"the latency at or below it. From {PERFORMANCE}, {QUERIES} and {AGENT_TYPES}.",
        left_out=len(judged) - len(shown),
        is_searchable=len(shown) > SEARCHABLE_FROM,
    )


def _expected(row: Row, column: str, unit: Unit) -> Figure:
    return figure_of(row, column, unit, str(AGENT_TYPES), "agent_type_code")


def _in_short(judged: Sequence[Row], seen: Seen) -> Statements:
    return Statements(
        "In short",
        (
            *_drafts_said(judged, seen),
            *_misses_said(judged),
            *_deliveries_said(seen),
        ),
        f"From {PERFORMANCE}, {QUERIES}, {AGENT_TYPES} and {DAYS}.",
    )


def _drafts_said(judged: Sequence[Row], seen: Seen) -> Iterator[Statement]:
    drafts, reviewed, approved, queries = (
        sum(row[name] for row in judged)
        for name in ("total_drafts", "reviewed", "approved", "total_queries")
    )
    told = (
        f"{counted(drafts, 'draft')} and {counted(queries, 'query', 'queries')} in the 30 days to "
        f"{seen.day}"
    )
    if not reviewed:
        yield Statement(f"{told}; no draft was reviewed.")
        return
    yield Statement(
        f"{told}; {percent(100 * approved / reviewed)} of {counted(reviewed, 'reviewed draft')} "
        f"{'was' if reviewed == 1 else 'were'} approved.",
        f"{drafts - reviewed:,} of {drafts:,} not reviewed yet." if drafts > reviewed else "",
    )


def _misses_said(judged: Sequence[Row]) -> Iterator[Statement]:
    for row in judged:
        agent = named(row["agent_type_sk"])
        if row["is_approval_rate_met"] is False:
            found, expected = row["approval_rate_of_reviewed"], row["expected_approval_rate"]
            yield Statement(
                f"{agent} misses its expected approval rate by {expected - found:,.1f} points.",
                f"{percent(found)} of {counted(row['reviewed'], 'reviewed draft')} approved, "
                f"{percent(expected)} expected.",
            )
        if row["is_latency_met"] is False:
            found, expected = row["avg_latency_ms"], row["expected_avg_latency_ms"]
            yield Statement(
                f"{agent} is slower than expected by {found - expected:,.0f} ms.",
                f"{found:,.0f} ms on average over "
                f"{counted(row['total_queries'], 'query', 'queries')}, {expected:,.0f} ms "
                "expected.",
            )


def _deliveries_said(seen: Seen) -> Iterator[Statement]:
    days = [day for day in seen.summaries if seen.first <= day <= seen.day]
    for source in SOURCES:
        absent = [str(day) for day in days if not is_covered(seen.summaries[day], source)]
        if len(absent) == len(days):
            yield Statement(f"Nothing of agent_{source} was delivered in the 30 days.")
        elif absent:
            yield Statement(
                f"Of agent_{source} {counted(len(absent), 'day')} of the 30 "
                f"{'was' if len(absent) == 1 else 'were'} not delivered.",
                f"{listed(absent, 5)}.",
            )


AGENTS: Final = ChapterMaker(
    key=_KEY,
    title=_TITLE,
    subject="agents",
    make=_make,
)
