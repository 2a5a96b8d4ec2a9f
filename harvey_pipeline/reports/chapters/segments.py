"""The chapter of segments: who is what, who may leave, what lies idle, and whether it was right."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Final

import altair as alt
import polars as pl

from harvey_pipeline.reports import charts
from harvey_pipeline.reports.chapter import ChapterMaker
from harvey_pipeline.reports.chapters.segment_blocks import (
    ESTIMATED,
    HIGHEST_FIRST,
    MOST_ROWS,
    RISK_COLOURS,
    Row,
    bars,
    cells_of,
    missing,
    rows_of,
    tenant_link,
)
from harvey_pipeline.reports.chapters.segment_judged import (
    against_labels,
    backtest,
    experiments,
    stability,
)
from harvey_pipeline.reports.chapters.segment_worth import interventions, licences, worth
from harvey_pipeline.reports.figures import Figures, figure_of
from harvey_pipeline.reports.page import (
    Block,
    Chapter,
    Chart,
    Column,
    Entry,
    Figure,
    Grid,
    Link,
    Statement,
    Statements,
    Tile,
    Tiles,
    Unit,
    chart_note,
    shown,
)
from harvey_pipeline.reports.wording import change, counted, listed
from harvey_pipeline.segments.tables.labels import ALL, CHURN_RISKS
from harvey_pipeline.segments.tables.outcomes import (
    SEGMENTATION_DASHBOARD,
)
from harvey_pipeline.segments.tables.scores import ENGAGEMENT_SCORES
from harvey_pipeline.segments.tables.segments import USER_SEGMENTS

_KEY: Final = "segments"
_TITLE: Final = "Segments"
_EVENTS: Final = "marts.daily_event_summary"

_RECENT_DAYS: Final = 28
"""Days within which a Monday is looked for, the report's day included: four Mondays."""

_DRIFT_DAYS: Final = 182
"""Days before the report's whose Mondays are drawn: half a year."""

_WHAT_SEGMENTS_ARE: Final = (
    "On each Monday every user is power, regular or casual, by the engagement score of the 90 days "
    "up to it (frequency, breadth, recency, steadiness and depth of use) and its rank among the "
    "tenant's active users; a change takes three Mondays in a row."
)
_WHAT_RISK_IS: Final = (
    "The risk compares the score of the last 30 days with those of the two thirds before: high "
    "where it fell to 30 % of their mean or less, medium where to 60 % or less, or without an "
    "access in 30 days; told as low in holidays and in a dip that the whole tenant shares."
)


def _make(figures: Figures) -> Chapter:
    monday = _latest_monday(figures)
    if monday is None:
        return Chapter(
            _KEY,
            _TITLE,
            lead="",
            absent=f"No data for segments: no Monday from {figures.back(_RECENT_DAYS - 1)} to "
            f"{figures.day} has a row in {SEGMENTATION_DASHBOARD}.",
        )
    boards = figures.rows(
        f"select * from {SEGMENTATION_DASHBOARD}"
        f" where date between $first and $monday and tenant_id = '{ALL}' order by date",
        first=figures.back(_DRIFT_DAYS),
        monday=monday,
    )
    tenants = figures.rows(
        f"select * from {SEGMENTATION_DASHBOARD} where date = $monday and tenant_id <> '{ALL}'"
        " order by users desc, tenant_id",
        monday=monday,
    ).to_dicts()
    board = boards.row(-1, named=True)
    return Chapter(
        _KEY,
        _TITLE,
        _lead(figures, board, tenants),
        [
            _tiles(boards),
            _drift(figures, boards),
            _kinds(figures, monday),
            _tenants(tenants),
            _risk_over_mondays(figures, boards),
            _churn_list(figures, monday),
            *licences(figures, monday),
            worth(figures, board),
            *interventions(figures, monday),
            *stability(figures),
            *backtest(figures),
            against_labels(figures, monday),
            *experiments(figures),
        ],
    )


SEGMENTS: Final = ChapterMaker(
    key=_KEY,
    title=_TITLE,
    subject="segments",
    make=_make,
)
"""Who is what, what follows from it, and whether it was right."""


def _latest_monday(figures: Figures) -> date | None:
    if str(SEGMENTATION_DASHBOARD) not in figures.tables:
        return None
    found: date | None = figures.rows(
        f"select max(date) as monday from {SEGMENTATION_DASHBOARD}"
        f" where date between $first and $day and tenant_id = '{ALL}'",
        first=figures.back(_RECENT_DAYS - 1),
    )["monday"][0]
    return found


def _lead(figures: Figures, board: Row, tenants: Sequence[Row]) -> str:
    lead = (
        f"Segments of Monday {board['date']}, the latest up to {figures.day} that was computed: "
        f"{counted(board['users'], 'user')} of {counted(len(tenants), 'tenant')}."
    )
    held = sum(tenant["is_held_back"] for tenant in tenants)
    if held:
        verb = "has" if held == 1 else "have"
        lead += (
            f" {counted(held, 'tenant')} {verb} segments held back, as many users changed at once."
        )
    return lead


# --- who is what ---------------------------------------------------------------------------------


def _tiles(boards: pl.DataFrame) -> Block:
    told: Sequence[tuple[str, str, Unit, str]] = (
        *(
            (f"{segment.capitalize()} users", f"{segment}_users", "count", _WHAT_SEGMENTS_ARE)
            for segment in HIGHEST_FIRST
        ),
        ("At high risk of leaving", "churn_high", "count", _WHAT_RISK_IS),
        (
            "Idle licences and seats, a year",
            "reclaimable_usd_year",
            "usd",
            "Cost a year of licences and seats without a day of use in 90 days, of measured apps.",
        ),
        ("Net return, a year", "net_usd_year", "usd", ESTIMATED),
    )
    return Tiles([_tile(boards, *one) for one in told])


def _tile(boards: pl.DataFrame, label: str, column: str, unit: Unit, definition: str) -> Tile:
    by_day = {row["date"]: row for row in boards.to_dicts()}
    last = boards["date"][-1]
    earlier = ((days, by_day.get(last - timedelta(days=days))) for days in (7, 28))
    return Tile(
        label,
        figure_of(by_day[last], column, unit, str(SEGMENTATION_DASHBOARD), "date", "tenant_id"),
        f"{definition} All tenants together. {SEGMENTATION_DASHBOARD}.",
        [change(by_day[last][column], row[column], unit, days) for days, row in earlier if row],
        charts.sparkline(boards, column) if boards.height > 1 else None,
    )


def _drift(figures: Figures, boards: pl.DataFrame) -> Block:
    last = boards.row(-1, named=True)
    parts = [
        f"{last[f'{one}_users']:,} {one} ({shown(last[f'{one}_percent'], 'percent')})"
        for one in HIGHEST_FIRST
    ]
    finding = f"{counted(last['users'], 'user')}: {listed(parts)}"
    if last["casual_percent_change_28d"] is not None:
        finding += f"; casual {last['casual_percent_change_28d']:+.1f} points in 28 days"
    return _over_mondays(
        figures,
        boards,
        {one: f"{one}_percent" for one in HIGHEST_FIRST},
        ("Share of users, %", ",.1f"),
        charts.coloured("series", "Segment", HIGHEST_FIRST),
        finding,
        f"{_WHAT_SEGMENTS_ARE} {SEGMENTATION_DASHBOARD}.",
    )


def _over_mondays(
    figures: Figures,
    boards: pl.DataFrame,
    columns: Mapping[str, str],
    y: tuple[str, str],
    colour: alt.Color,
    finding: str,
    definition: str,
) -> Chart:
    """A line for each column, with a point for each Monday, over the days not complete."""
    title, spelled = y
    df = (
        boards.select("date", **{name: pl.col(column) for name, column in columns.items()})
        .unpivot(index="date", variable_name="series")
        .drop_nulls()
    )
    lines = (
        alt.Chart(charts.ROWS)
        .mark_line(point=True)
        .encode(
            x=charts.day_axis(),
            y=alt.Y("value:Q", title=title, axis=alt.Axis(tickMinStep=1)),
            color=colour,
            tooltip=[
                alt.Tooltip("date:T", title="Monday", format="%Y-%m-%d"),
                alt.Tooltip("series:N", title=str(colour.title)),
                alt.Tooltip("value:Q", title=title, format=spelled),
            ],
        )
    )
    first, last = boards["date"][0], boards["date"][-1]
    incomplete = figures.incomplete_days.filter(pl.col("date").is_between(first, last))
    return Chart(
        finding,
        charts.finish(charts.over_days(lines, incomplete, first, last), df),
        definition,
        f"A line each for {listed(list(columns), len(columns))} over the Mondays from {first} to "
        f"{last}.",
        chart_note(incomplete.height),
    )


def _kinds(figures: Figures, monday: date) -> Block:
    rows = rows_of(
        figures,
        USER_SEGMENTS,
        f"""
        with counts as (
            select sub_segment, segment, count(*) as users
            from {USER_SEGMENTS} where date = $monday group by all
        )
        select * from counts
        order by sum(users) over (partition by sub_segment) desc, sub_segment, segment
        """,
        monday=monday,
    )
    if not rows:
        return missing("Kinds of users", f"{USER_SEGMENTS} has no row of {monday}")
    sizes: dict[str, int] = {}
    for row in rows:
        sizes[row["sub_segment"]] = sizes.get(row["sub_segment"], 0) + row["users"]
    largest = [f"{kind} ({users:,})" for kind, users in list(sizes.items())[:3]]
    return bars(
        rows,
        ("sub_segment", "Kind of user"),
        ("users", "Users", "~d"),
        charts.coloured("segment", "Segment", HIGHEST_FIRST),
        f"The largest {'kinds of users are' if len(largest) > 1 else 'kind of user is'} "
        f"{listed(largest)}",
        f"Each user's sub-segment: the first that holds, from Sign-in Only, New, Dormant, At-risk "
        f"Churn and Rapid Growth to those of the segment. {USER_SEGMENTS}.",
    )


def _tenants(tenants: Sequence[Row]) -> Block:
    columns: Mapping[str, tuple[Unit, str]] = {
        "users": ("count", "Users"),
        "power_users": ("count", "Power"),
        "regular_users": ("count", "Regular"),
        "casual_users": ("count", "Casual"),
        "casual_percent": ("percent", "Casual, %"),
        "casual_percent_change_28d": ("number", "Casual, points in 28 days"),
        "churn_high": ("count", "High risk"),
        "churn_medium": ("count", "Medium risk"),
        "mean_score": ("score", "Mean score"),
        "mean_score_change_28d_percent": ("percent", "Score, change in 28 days"),
        "is_held_back": ("flag", "Held back"),
        "reclaimable_usd_year": ("usd", "Idle, USD a year"),
        "net_usd_year": ("usd", "Net return, USD a year"),
    }
    if not tenants:
        return missing("Tenants", "no tenant has a row of its own")
    units = {name: unit for name, (unit, _) in columns.items()}
    return Grid(
        "Tenants",
        [Column("Tenant"), *(Column(title, unit) for unit, title in columns.values())],
        [
            [
                tenant_link(row),
                *cells_of(row, units, SEGMENTATION_DASHBOARD, "date", "tenant_id"),
            ]
            for row in tenants[:MOST_ROWS]
        ],
        f"Tenants are firms, those with most users first. {_WHAT_SEGMENTS_ARE} {_WHAT_RISK_IS} "
        f"{ESTIMATED} {SEGMENTATION_DASHBOARD}.",
        left_out=max(0, len(tenants) - MOST_ROWS),
        is_searchable=True,
    )


# --- who may leave -------------------------------------------------------------------------------


def _risk_over_mondays(figures: Figures, boards: pl.DataFrame) -> Block:
    last = boards.row(-1, named=True)
    before = boards.filter(pl.col("date") == last["date"] - timedelta(days=28)).to_dicts()
    at_risk = "users are" if last["churn_high"] != 1 else "user is"
    finding = (
        f"{last['churn_high']:,} {at_risk} at high and {last['churn_medium']:,} at medium risk of "
        "leaving"
    )
    if before:
        finding += (
            f"; high risk: {change(last['churn_high'], before[0]['churn_high'], 'count', 28)}"
        )
    return _over_mondays(
        figures,
        boards,
        {"high": "churn_high", "medium": "churn_medium"},
        ("Users", ",.0f"),
        charts.coloured("series", "Risk", CHURN_RISKS[:2], RISK_COLOURS),
        finding,
        f"{_WHAT_RISK_IS} {SEGMENTATION_DASHBOARD}.",
    )


def _churn_list(figures: Figures, monday: date) -> Block:
    title = "Users at risk of leaving"
    if not {str(USER_SEGMENTS), str(ENGAGEMENT_SCORES)} <= figures.tables:
        return missing(title, f"{USER_SEGMENTS} or {ENGAGEMENT_SCORES} was not computed yet")
    rows = figures.rows(
        f"""
        select one.date, one.user_id, one.tenant_id, churn_risk, segment, sub_segment, score_30d,
            round((score_30_60d + score_60_90d) / 2, 7) as score_before, last_access_days_ago,
            evidence, reasoning, score.date is not null as has_score, count(*) over () as found
        from {USER_SEGMENTS} one
        left join {ENGAGEMENT_SCORES} score
            on score.date = one.date and score.user_id = one.user_id
        where one.date = $monday and churn_risk in ('high', 'medium')
        order by churn_risk = 'high' desc, score_before desc nulls last, one.user_id
        limit {MOST_ROWS}
        """,
        monday=monday,
    ).to_dicts()
    if not rows:
        return Statements(
            title, [Statement("Nobody is at high or medium risk of leaving.")], _WHAT_RISK_IS
        )
    return Grid(
        title,
        [
            Column("User"),
            Column("Tenant"),
            Column("Risk", "text", _WHAT_RISK_IS),
            Column("Segment"),
            Column("Kind"),
            Column(
                "Score before", "score", "Mean score of the 60 days before the last 30, 0 to 1."
            ),
            Column("Score, 30 days", "score", "Score of the last 30 days, 0 to 1."),
            Column("Last access, days ago", "days"),
            Column("Evidence", "text", "The figures behind it, with the tenant's means."),
            Column("Why", "text", "Why the user has the segment."),
        ],
        [_at_risk(row) for row in rows],
        "By risk, then those first who were most engaged before; segments.churn_list has those of "
        f"the newest Monday. {_WHAT_RISK_IS} {USER_SEGMENTS}, {ENGAGEMENT_SCORES}.",
        left_out=rows[0]["found"] - len(rows),
        is_searchable=True,
    )


def _at_risk(row: Row) -> list[Entry]:
    key = ("date", "user_id")
    of_segments: Mapping[str, Unit] = {
        "churn_risk": "text",
        "segment": "text",
        "sub_segment": "text",
    }
    of_scores: Mapping[str, Unit] = {"score_30d": "score", "last_access_days_ago": "days"}
    # Scores are kept for a shorter time than segments.
    scores: list[Entry] = (
        cells_of(row, of_scores, ENGAGEMENT_SCORES, *key)
        if row["has_score"]
        else [Figure(None, unit) for unit in of_scores.values()]
    )
    return [
        Link(row["user_id"], "user", row["user_id"]),
        tenant_link(row),
        *cells_of(row, of_segments, USER_SEGMENTS, *key),
        Figure(row["score_before"], "score"),
        *scores,
        "; ".join(row["evidence"]),
        row["reasoning"],
    ]
