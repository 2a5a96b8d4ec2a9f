"""A page per user: the score and why, what is missing to the next tier, activity, history."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from itertools import pairwise
from typing import Any, Final

import altair as alt
import polars as pl

from harvey_pipeline.engagement.tables.labels import POWER_USER_TIERS, WINDOW_DAYS
from harvey_pipeline.reports import charts
from harvey_pipeline.reports.explaining import COMPONENTS, explain_user
from harvey_pipeline.reports.figures import Figures, figure_of
from harvey_pipeline.reports.page import (
    Block,
    Chapter,
    Chart,
    Column,
    Grid,
    Link,
    Missing,
    Page,
    Statement,
    Statements,
    Tile,
    Tiles,
    Unit,
    chart_note,
)
from harvey_pipeline.reports.pages.headline import (
    COMPARED,
    Earlier,
    changes_of,
    notes_of,
    rows_before,
)
from harvey_pipeline.reports.wording import counted, named

Row = Mapping[str, Any]

_USERS: Final = "marts.daily_user_engagement"
_ACTIVITY: Final = "core.user_daily_activity"
_CHANGES: Final = "marts.tier_changes"
_ROLES: Final = "core.dim_user"
_SEGMENTS: Final = "segments.user_segments"

_TIER_DAYS: Final = 90
_WEEKS: Final = 26
_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_PARTS: Final = ("earned", "missing")
_WEEK: Final = "%d %b"
"""How a week's Monday is written, which is unambiguous within half a year."""

_WEEKDAY: Final = pl.col("date").dt.weekday() - 1
_PLACE: Final = {
    "week": (pl.col("date") - pl.duration(days=_WEEKDAY)).dt.strftime(_WEEK),
    "weekday": _WEEKDAY.replace_strict(dict(enumerate(_WEEKDAYS)), return_dtype=pl.String),
}
"""A day's column and row in the calendar."""

_SEGMENT_NAMES: Final = ("power", "regular", "casual")


@dataclass(frozen=True)
class _User:
    """What is known of a user.

    Args:
        now: The row of the headline's day.
        change: The row of its change of tier, if there is one.
        queries: A row for each day with a query, of the last 26 weeks.
        earlier: The rows of the days before, by how many days.
        days: A row for each of the last 90 days with a score.
        roles: The versions of the user, the latest first.
        segments: A row for each Monday of the last 26 weeks with a segment.
    """

    now: Row
    change: Row | None
    queries: pl.DataFrame | None
    earlier: Earlier
    days: pl.DataFrame
    roles: Sequence[Row]
    segments: pl.DataFrame | None


def user_pages(figures: Figures, ids: Sequence[str]) -> Mapping[str, Page]:
    """A page for each of some users who has a row on the headline's day.

    Args:
        figures: What is read.
        ids: Users.
    """
    if not ids or _USERS not in figures.tables:
        return {}
    notes = notes_of(figures)
    drawn = _Drawn(figures)
    return {user.now["user_id"]: _page(figures, drawn, user, notes) for user in _read(figures, ids)}


# --- what is read --------------------------------------------------------------------------------


def _first_monday(day: date) -> date:
    """The Monday with which the calendar's first week begins."""
    return day - timedelta(days=day.weekday(), weeks=_WEEKS - 1)


def _first_day(figures: Figures) -> date:
    """The first day of which the tier is shown."""
    return min(figures.back(_TIER_DAYS - 1), figures.news_day - timedelta(days=COMPARED[-1]))


def _read(figures: Figures, ids: Sequence[str]) -> Iterator[_User]:
    news, monday = figures.news_day, _first_monday(figures.day)
    given: dict[str, Any] = {"ids": list(ids), "news": news, "monday": monday}
    wanted = "user_id in (select unnest($ids))"

    def read(query: str) -> pl.DataFrame:
        return figures.rows(query, **given, first=_first_day(figures))

    rows = read(f"select * from {_USERS} where date = $news and {wanted} order by user_id")
    changes: dict[str, Row] = {}
    if _CHANGES in figures.tables:
        moved = read(f"select * from {_CHANGES} where date = $news and {wanted}")
        changes = {row["user_id"]: row for row in moved.iter_rows(named=True)}
    queries = _by_user(
        read(
            "select user_id, date, sum(queries)::bigint as queries, sum(documents)::bigint as "
            f"documents from {_ACTIVITY} where date between $monday and $day and {wanted} "
            "group by all order by user_id, date"
        ).with_columns(**_PLACE)
    )
    scores = read(
        "select user_id, date, power_user_score, power_user_tier, active_days, total_queries, "
        f"total_documents_processed from {_USERS} where date between $first and $day "
        f"and {wanted} order by user_id, date"
    )
    earlier = rows_before(news, scores, "user_id")
    days = _by_user(scores.select("user_id", "date", "power_user_score", "power_user_tier"))
    versions = read(
        "select user_id, user_role, effective_start_date, effective_end_date, is_current "
        f"from {_ROLES} where effective_start_date <= $day and {wanted} "
        "order by user_id, effective_start_date desc"
    )
    roles: dict[str, list[Row]] = {}
    for row in versions.iter_rows(named=True):
        roles.setdefault(row["user_id"], []).append(row)
    segments: Mapping[str, pl.DataFrame] = {}
    if _SEGMENTS in figures.tables:
        segments = _by_user(
            read(
                "select user_id, date, segment, engagement_score, churn_risk, reasoning, evidence "
                f"from {_SEGMENTS} where date between $monday and $news and {wanted} "
                "order by user_id, date"
            )
        )
    for row in rows.iter_rows(named=True):
        user_id = row["user_id"]
        yield _User(
            row,
            changes.get(user_id),
            queries.get(user_id),
            earlier.get(user_id, {}),
            days[user_id],
            roles.get(user_id, []),
            segments.get(user_id),
        )


def _by_user(df: pl.DataFrame) -> Mapping[str, pl.DataFrame]:
    return {
        str(user): rows
        for (user,), rows in df.partition_by("user_id", as_dict=True, include_key=False).items()
    }


# --- the page ------------------------------------------------------------------------------------


def _page(figures: Figures, drawn: "_Drawn", user: _User, notes: Sequence[str]) -> Page:
    now = user.now
    why = explain_user(now, user.change)
    chapters = [
        Chapter(
            "score",
            "Score",
            f"Over the {WINDOW_DAYS} days up to {now['date']}.",
            [
                _tiles(user),
                drawn.components(user),
                Statements("Why, and what would change it", why, _SCORE),
                _who(now),
            ],
        ),
        Chapter(
            "activity",
            "Activity",
            f"The {_WEEKS} weeks up to {figures.day}.",
            [drawn.calendar(user)],
        ),
        Chapter(
            "history",
            "History",
            "Role, tier and segment over time.",
            [drawn.tiers(user), _roles(user), *drawn.segments(user)],
        ),
    ]
    return Page(
        f"User {named(now['user_id'])}", figures.day, f"{why[0].sentence}.", chapters, notes
    )


_SCORE: Final = (
    "0.4 x active days + 0.3 x documents + 0.3 x event types, each of 100 points by its bands: "
    "definitions, section 4."
)

_TILES: Final[Mapping[str, tuple[str, Unit, str]]] = {
    "power_user_score": ("Score", "count", _SCORE),
    "power_user_tier": ("Tier", "text", "By the score: from 80, 60, 40 and 20 on."),
    "active_days": ("Active days", "days", "Dates with a query."),
    "total_queries": ("Queries", "count", "One event is one query."),
    "total_documents_processed": ("Documents", "count", "Documents of all queries."),
    "unique_event_types": ("Event types", "count", "Of Assistant, Vault and Workflow."),
    "avg_feedback_score": ("Mean feedback", "number", "Mean over scored events."),
    "last_activity_date": ("Last active", "date", "The last date with a query."),
}


def _tiles(user: _User) -> Tiles:
    return Tiles(
        [
            Tile(
                label,
                figure_of(user.now, column, unit, _USERS, "date", "user_id"),
                f"{definition} Over the {WINDOW_DAYS} days that end on {user.now['date']}.",
                tuple(changes_of(user.now, user.earlier, column, unit)) if unit != "text" else (),
            )
            for column, (label, unit, definition) in _TILES.items()
        ]
    )


_WHO: Final[Mapping[str, tuple[str, Unit]]] = {
    "user_role": ("Role", "text"),
    "user_created_date": ("Account since", "date"),
    "engagement_level": ("Engagement level", "text"),
    "usage_pattern": ("Usage", "text"),
    "quality_level": ("Feedback", "text"),
    "firm_count": ("Firms used", "count"),
}


def _who(now: Row) -> Grid:
    firm = now["firm_id"]
    return Grid(
        "Who this is",
        [Column("Firm"), *(Column(title, unit) for title, unit in _WHO.values())],
        [
            [
                None if firm is None else Link(firm, "firm", firm),
                *(
                    figure_of(now, column, unit, _USERS, "date", "user_id")
                    for column, (_, unit) in _WHO.items()
                ),
            ]
        ],
        f"Of {_USERS} on {now['date']}. The firm is the one with most queries in the window.",
    )


def _roles(user: _User) -> Block:
    if not user.roles:
        return Missing("Roles", f"No data for roles: {_ROLES} has no version of this user.")
    return Grid(
        "Roles, the latest first",
        [Column("Role"), Column("From", "date"), Column("To", "date")],
        [
            [
                figure_of(row, "user_role", "text", _ROLES, "user_id", "effective_start_date"),
                figure_of(
                    row, "effective_start_date", "date", _ROLES, "user_id", "effective_start_date"
                ),
                "open"
                if row["is_current"]
                else figure_of(
                    row, "effective_end_date", "date", _ROLES, "user_id", "effective_start_date"
                ),
            ]
            for row in user.roles
        ],
        f"Versions of {_ROLES}; a gap is a time without an account.",
    )


# --- charts --------------------------------------------------------------------------------------


class _Drawn:
    """Charts of all users, each kind made once.

    Args:
        figures: Says which days are incomplete.
    """

    def __init__(self, figures: Figures) -> None:
        self._day = figures.day
        self._monday = _first_monday(figures.day)
        self._first = _first_day(figures)
        self._incomplete = figures.incomplete_days
        self._spec = cache(self._make)

    def _note(self, first: date) -> str:
        return chart_note(
            self._incomplete.filter(pl.col("date").is_between(first, self._day)).height
        )

    def components(self, user: _User) -> Chart:
        earned = {one.label: one.points(user.now[one.weight]) for one in COMPONENTS}
        missing = {one.label: one.points(100) - earned[one.label] for one in COMPONENTS}
        most = max(missing, key=missing.__getitem__)
        df = pl.DataFrame(
            [
                (label, part, points, place)
                for place, (part, parts) in enumerate(zip(_PARTS, (earned, missing), strict=True))
                for label, points in parts.items()
            ],
            schema=["component", "part", "points", "place"],
            orient="row",
        )
        rest = f"most is to be had from {most} ({missing[most]} points)" if missing[most] else ""
        return Chart(
            f"{user.now['power_user_score']} of 100 points; {rest or 'none is missing'}",
            charts.with_rows(self._spec("components"), df),
            f"Weighted points of `power_user_score` of {_USERS} on {user.now['date']}: at most 40 "
            "of active days, 30 of documents and 30 of event types.",
            "Bars: points of the score that each component earns, and those that are missing.",
        )

    def calendar(self, user: _User) -> Block:
        if user.queries is None:
            return Missing(
                "Activity calendar",
                f"No data for activity: no query from {self._monday} to {self._day}.",
            )
        df = user.queries
        days = (self._day - self._monday).days + 1
        total = int(df["queries"].sum())
        return Chart(
            f"{counted(total, 'query', 'queries')} on {df.height:,} of {counted(days, 'day')}, "
            f"{df.height / _WEEKS:.1f} days a week",
            charts.with_rows(self._spec("calendar"), df),
            f"Queries by day of {_ACTIVITY}, of all firms together; weeks begin on Monday. An "
            "empty cell has no query.",
            "Heat map: a column per week, a row per weekday, the colour the number of queries.",
            self._note(self._monday),
        )

    def tiers(self, user: _User) -> Chart:
        df = user.days
        tiers = df["power_user_tier"].to_list()
        moves = sum(one != other for one, other in pairwise(tiers))
        told = f"with {counted(moves, 'change')} of tier" if moves else "without a change"
        return Chart(
            f"{user.now['power_user_tier']}, {told} in {counted(df.height, 'day')}",
            charts.with_rows(self._spec("tiers"), df),
            f"`power_user_score` and `power_user_tier` of {_USERS}: each day's over the "
            f"{WINDOW_DAYS} days that end on it.",
            "Bars: the score of each day, coloured by its tier.",
            self._note(self._first),
        )

    def segments(self, user: _User) -> Iterator[Block]:
        """The segment by Monday; nothing where segments were never computed for the user."""
        if user.segments is None:
            return
        last = user.segments.row(-1, named=True)
        df = user.segments.drop("reasoning", "evidence")
        yield Chart(
            f"Segment {last['segment']} on {last['date']}, with a score of "
            f"{last['engagement_score']:.3f}",
            charts.with_rows(self._spec("segments"), df),
            f"`engagement_score` (0 to 1) and `segment` of {_SEGMENTS}, of Mondays: by the access "
            "of 90 days.",
            "Bars: the engagement score of each Monday, coloured by the segment.",
            self._note(self._monday),
        )
        yield Statements(
            "Why this segment",
            [Statement(last["reasoning"], "; ".join(last["evidence"]))],
            f"Columns `reasoning` and `evidence` of {_SEGMENTS} on {last['date']}.",
        )

    def _make(self, kind: str) -> Mapping[str, Any]:
        empty = pl.DataFrame()
        if kind == "components":
            return charts.finish(_component_bars(), empty, height=160)
        if kind == "calendar":
            return charts.finish(self._heat_map(), empty, height=200)
        chart, first = (
            (_tier_bars(), self._first) if kind == "tiers" else (_segment_bars(), self._monday)
        )
        return charts.finish(charts.over_days(chart, self._incomplete, first, self._day), empty)

    def _heat_map(self) -> alt.LayerChart:
        """Cells of days with queries, and grey ones of the days that are incomplete."""
        mondays = [self._monday + timedelta(weeks=week) for week in range(_WEEKS)]
        x = alt.X(
            "week:O",
            title="Week from Monday",
            scale=alt.Scale(domain=[f"{monday:{_WEEK}}" for monday in mondays]),
            axis=alt.Axis(labelOverlap=True, labelAngle=0),
        )
        y = alt.Y("weekday:O", title=None, scale=alt.Scale(domain=list(_WEEKDAYS)))
        cells = (
            alt.Chart(charts.ROWS)
            .mark_rect(stroke=charts.GREY, strokeWidth=0.5)
            .encode(
                x=x,
                y=y,
                color=alt.Color(
                    "queries:Q",
                    title="Queries",
                    scale=alt.Scale(scheme=charts.SEQUENTIAL, domainMin=0),
                    legend=alt.Legend(format=",d", tickMinStep=1),
                ),
                tooltip=[
                    charts.DAY,
                    alt.Tooltip("queries:Q", title="Queries", format=",d"),
                    alt.Tooltip("documents:Q", title="Documents", format=",d"),
                ],
            )
        )
        incomplete = self._incomplete.filter(
            pl.col("date").is_between(self._monday, self._day)
        ).select(
            "date",
            "reason",
            **_PLACE,
        )
        marks = (
            alt.Chart(alt.InlineData(values=charts.data_rows(incomplete)))
            .mark_rect(fill=charts.GREY, fillOpacity=0.35, stroke=charts.GREY)
            .encode(
                x=x,
                y=y,
                tooltip=[
                    alt.Tooltip("date:T", title="Incomplete day", format="%Y-%m-%d"),
                    alt.Tooltip("reason:N", title="Why"),
                ],
            )
        )
        return alt.LayerChart(layer=[marks, cells])


def _component_bars() -> alt.Chart:
    chart: alt.Chart = (
        alt.Chart(charts.ROWS)
        .mark_bar()
        .encode(
            x=alt.X(
                "points:Q", title="Points of the score", axis=alt.Axis(values=[0, 10, 20, 30, 40])
            ),
            y=alt.Y("component:N", title=None, sort=[one.label for one in COMPONENTS]),
            color=charts.coloured("part", "Points", _PARTS, (charts.BLUE, charts.GREY)),
            order=alt.Order("place:Q"),
            tooltip=[
                alt.Tooltip("component:N", title="Component"),
                alt.Tooltip("part:N", title="Points"),
                alt.Tooltip("points:Q", title="How many", format=",d"),
            ],
        )
    )
    return chart


def _tier_bars() -> alt.Chart:
    chart: alt.Chart = (
        alt.Chart(charts.ROWS)
        .mark_bar()
        .encode(
            x=charts.day_axis().timeUnit("yearmonthdate"),
            y=alt.Y(
                "power_user_score:Q",
                title="Score (0 to 100)",
                scale=alt.Scale(domain=[0, 100]),
                axis=alt.Axis(values=[0, 20, 40, 60, 80, 100]),
            ),
            color=charts.coloured("power_user_tier", "Tier", POWER_USER_TIERS, charts.GRADES),
            tooltip=[
                charts.DAY,
                alt.Tooltip("power_user_score:Q", title="Score"),
                alt.Tooltip("power_user_tier:N", title="Tier"),
            ],
        )
    )
    return chart


def _segment_bars() -> alt.Chart:
    chart: alt.Chart = (
        alt.Chart(charts.ROWS)
        .mark_bar()
        .encode(
            x=charts.day_axis().timeUnit("yearmonthdate"),
            y=alt.Y(
                "engagement_score:Q",
                title="Engagement score (0 to 1)",
                scale=alt.Scale(domain=[0, 1]),
            ),
            color=charts.coloured("segment", "Segment", _SEGMENT_NAMES),
            tooltip=[
                alt.Tooltip("date:T", title="Monday", format="%Y-%m-%d"),
                alt.Tooltip("segment:N", title="Segment"),
                alt.Tooltip("engagement_score:Q", title="Score", format=".3f"),
                alt.Tooltip("churn_risk:N", title="Churn risk"),
            ],
        )
    )
    return chart
