"""A page per firm: its health and why, its users, its trend, its seats, its feedback."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from typing import Any, Final

import altair as alt
import polars as pl

from harvey_pipeline.engagement.tables.labels import POWER_USER_TIERS
from harvey_pipeline.reports import charts
from harvey_pipeline.reports.explaining import explain_firm_health, explain_tier_change
from harvey_pipeline.reports.figures import Figures, figure_of
from harvey_pipeline.reports.page import (
    Block,
    Chapter,
    Chart,
    Column,
    Figure,
    Grid,
    Link,
    Missing,
    Page,
    Statements,
    Tile,
    Tiles,
    Unit,
    chart_note,
    shown,
)
from harvey_pipeline.reports.pages.headline import (
    COMPARED,
    Earlier,
    changes_of,
    notes_of,
    rows_before,
)
from harvey_pipeline.reports.wording import counted, moved, named

Row = Mapping[str, Any]

_FIRMS: Final = "marts.daily_firm_usage_summary"
_USERS: Final = "marts.daily_user_engagement"
_CHANGES: Final = "marts.tier_changes"
_SEGMENTS: Final = "segments.segmentation_dashboard"

_TREND_DAYS: Final = 90
_USERS_SHOWN: Final = 25
_CHANGES_SHOWN: Final = 10

_USER_COLUMNS: Final[Mapping[str, tuple[str, Unit]]] = {
    "user_role": ("Role", "text"),
    "power_user_tier": ("Tier", "text"),
    "power_user_score": ("Score", "count"),
    "active_days": ("Active days", "days"),
    "total_queries": ("Queries", "count"),
    "total_documents_processed": ("Documents", "count"),
    "avg_feedback_score": ("Mean feedback", "number"),
}


_LINES: Final[Mapping[str, Sequence[str | pl.Expr]]] = {
    "queries": ["total_queries"],
    "adoption": [pl.col("adoption_rate_30d").round(2), "active_users_30d", "firm_size"],
    "feedback": [pl.col("avg_feedback_score_30d").round(3)],
}
"""Columns of charts over days."""

_WINDOWS: Final = {"active_users_30d": "in 30 days", "active_users": "on the day"}


@dataclass(frozen=True)
class _Firm:
    """What is known of a firm.

    Args:
        now: Its row of the headline's day.
        earlier: Its rows of the days before, by how many days.
        lines: What its charts over days show, by the chart's kind.
        tiers: Its users by tier.
        users: The first of its users.
        changes: The first of its users who changed tier.
        segments: Its row of the last Monday, if there is one.
    """

    now: Row
    earlier: Earlier
    lines: Mapping[str, pl.DataFrame]
    tiers: Mapping[str, int]
    users: Sequence[Row]
    changes: Sequence[Row]
    segments: Row | None


def firm_pages(figures: Figures, ids: Sequence[str] | None) -> Mapping[str, Page]:
    """A page for each of some firms that has a row on the headline's day.

    Args:
        figures: What is read.
        ids: Firms; None for all.
    """
    if _FIRMS not in figures.tables:
        return {}
    notes = notes_of(figures)
    drawn = _Drawn(figures)
    return {firm.now["firm_id"]: _page(figures, drawn, firm, notes) for firm in _read(figures, ids)}


# --- what is read --------------------------------------------------------------------------------


def _read(figures: Figures, ids: Sequence[str] | None) -> Iterator[_Firm]:
    news = figures.news_day
    wanted = "" if ids is None else " and firm_id in (select unnest($ids))"
    given: dict[str, Any] = {"news": news} if ids is None else {"news": news, "ids": list(ids)}

    def read(query: str, **more: Any) -> pl.DataFrame:
        return figures.rows(query, **given, **more)

    rows = read(f"select * from {_FIRMS} where date = $news{wanted} order by firm_id")
    trend = read(
        "select date, firm_id, active_users, total_queries, active_users_30d, "
        "total_queries_30d, firm_size, unused_seats_30d, adoption_rate_30d, "
        f"avg_feedback_score_30d from {_FIRMS} "
        f"where date between $first and $day{wanted} order by firm_id, date",
        first=_first_day(figures),
    )
    earlier = rows_before(news, trend, "firm_id")
    lines = {kind: _by_firm(trend.select("firm_id", "date", *c)) for kind, c in _LINES.items()}
    lines["users"] = _by_firm(
        trend.unpivot(
            list(_WINDOWS), index=["firm_id", "date"], variable_name="window", value_name="users"
        ).with_columns(pl.col("window").replace_strict(_WINDOWS))
    )
    tiers = _by_firm(
        read(
            f"select firm_id, power_user_tier, count(*) as users from {_USERS} "
            f"where date = $news and firm_id is not null{wanted} group by all"
        )
    )
    users = _by_firm(
        read(
            f"select date, user_id, firm_id, {', '.join(_USER_COLUMNS)} from {_USERS} "
            f"where date = $news and firm_id is not null{wanted} "
            "qualify row_number() over (partition by firm_id order by power_user_score desc, "
            f"total_queries desc, user_id) <= {_USERS_SHOWN} "
            "order by firm_id, power_user_score desc, total_queries desc, user_id"
        )
    )
    changes = (
        _by_firm(
            read(
                f"select * from {_CHANGES} where date = $news and firm_id is not null{wanted} "
                "qualify row_number() over (partition by firm_id order by "
                f"abs(score_now - score_before) desc, user_id) <= {_CHANGES_SHOWN} "
                "order by firm_id, abs(score_now - score_before) desc, user_id"
            )
        )
        if _CHANGES in figures.tables
        else {}
    )
    segments = _segments_of(figures, wanted, given)
    for row in rows.iter_rows(named=True):
        firm_id = row["firm_id"]
        yield _Firm(
            row,
            earlier.get(firm_id, {}),
            {kind: by_firm[firm_id] for kind, by_firm in lines.items()},
            {one["power_user_tier"]: one["users"] for one in _rows(tiers, firm_id)},
            _rows(users, firm_id),
            _rows(changes, firm_id),
            segments.get(firm_id),
        )


def _first_day(figures: Figures) -> date:
    """The first day that is shown; what the headline is compared with is never before it."""
    return min(figures.back(_TREND_DAYS - 1), figures.news_day - timedelta(days=COMPARED[-1]))


def _segments_of(figures: Figures, wanted: str, given: Mapping[str, Any]) -> Mapping[str, Row]:
    """The row of the last Monday that was run, by firm: a tenant is a firm."""
    if _SEGMENTS not in figures.tables:
        return {}
    found = figures.rows(
        f"select * from (select *, tenant_id as firm_id from {_SEGMENTS} where date = "
        f"(select max(date) from {_SEGMENTS} where date <= $news)) "
        f"where tenant_id <> 'all'{wanted}",
        **given,
    )
    return {row["firm_id"]: row for row in found.iter_rows(named=True)}


def _by_firm(df: pl.DataFrame) -> Mapping[str, pl.DataFrame]:
    return {
        str(firm): rows
        for (firm,), rows in df.partition_by("firm_id", as_dict=True, include_key=False).items()
    }


def _rows(by_firm: Mapping[str, pl.DataFrame], firm_id: str) -> list[dict[str, Any]]:
    return by_firm[firm_id].to_dicts() if firm_id in by_firm else []


# --- the page ------------------------------------------------------------------------------------


def _page(figures: Figures, drawn: "_Drawn", firm: _Firm, notes: Sequence[str]) -> Page:
    now = firm.now
    # A page needs no link to itself.
    health = replace(explain_firm_health(now), link=None)
    chapters = [
        Chapter(
            "now",
            "Now",
            f"Figures of {now['date']} and of the 30 days that end on it.",
            [_tiles(firm), Statements("Why this health", [health], _HEALTH)],
        ),
        Chapter(
            "people",
            "People",
            "A user belongs to the firm with most of their queries in 30 days.",
            list(_people(drawn, firm)),
        ),
        Chapter(
            "trend",
            "Trend",
            f"The days from {_first_day(figures)} to {figures.day}.",
            [drawn.users(firm), drawn.queries(firm)],
        ),
        Chapter(
            "seats",
            "Seats",
            _tell_seats(now),
            [drawn.adoption(firm)],
        ),
        Chapter("feedback", "Feedback", "Scores from 1 to 5.", [drawn.feedback(firm)]),
    ]
    if firm.segments is not None:
        chapters.append(_segments(firm.segments))
    return Page(
        f"Firm {named(now['firm_id'])}", figures.day, f"{health.sentence}.", chapters, notes
    )


_HEALTH: Final = (
    "By the mean score of 30 days and the queries per active user, the first that holds: "
    "definitions, section 5."
)

_TILES: Final[Mapping[str, tuple[str, Unit, str]]] = {
    "firm_health_status": ("Health", "text", _HEALTH),
    "arr_usd": ("ARR", "usd", "Annual contract value as of the day."),
    "active_users_30d": ("Active users, 30 days", "count", "Users with a query in 30 days."),
    "total_queries_30d": ("Queries, 30 days", "count", "One event is one query."),
    "firm_size": ("Seats", "count", "Provisioned seats as of the day."),
    "adoption_rate_30d": (
        "Adoption",
        "percent",
        "Users active in 30 days, of the seats; may exceed 100.",
    ),
    "unused_seats_30d": ("Unused seats", "count", "Seats without a user active in 30 days."),
}


def _tiles(firm: _Firm) -> Tiles:
    now = firm.now
    tiles = []
    for column, (label, unit, definition) in _TILES.items():
        figure = figure_of(now, column, unit, _FIRMS, "date", "firm_id")
        told = tuple(changes_of(now, firm.earlier, column, unit))
        tiles.append(Tile(label, figure, definition, told))
    cost = unused_cost_usd(now)
    tiles.append(
        Tile(
            "Unused seats cost a year",
            Figure(cost, "usd"),
            "ARR x unused seats / seats: what is paid for seats that nobody uses.",
        )
    )
    return Tiles(tiles)


def unused_cost_usd(row: Row) -> float | None:
    """What a firm pays a year for seats that nobody uses; None where seats or ARR are unknown.

    Args:
        row: A row of `marts.daily_firm_usage_summary`.
    """
    seats, arr, unused = row["firm_size"], row["arr_usd"], row["unused_seats_30d"]
    return arr * unused / seats if seats and arr is not None else None


def _tell_seats(now: Row) -> str:
    seats, unused = now["firm_size"], now["unused_seats_30d"]
    if seats is None:
        return "The number of seats is not known."
    cost = unused_cost_usd(now)
    if not unused or not cost:
        return f"{unused:,} of {counted(seats, 'seat')} are unused."
    return (
        f"{unused:,} of {counted(seats, 'seat')} {'is' if unused == 1 else 'are'} unused, at "
        f"{shown(cost, 'usd')} of the ARR a year."
    )


# --- people --------------------------------------------------------------------------------------


def _people(drawn: "_Drawn", firm: _Firm) -> Iterator[Block]:
    firm_users = sum(firm.tiers.values())
    if not firm_users:
        yield Missing(
            "Users by tier",
            f"No data for users by tier: nobody worked mostly for this firm in the 30 days up to "
            f"{firm.now['date']}.",
        )
        return
    yield drawn.tiers(firm)
    if firm.changes:
        yield Statements(
            "Who changed tier",
            [explain_tier_change(row) for row in firm.changes],
            f"Against 30 days before, at most {_CHANGES_SHOWN}, the largest moves first: "
            f"{_CHANGES}.",
        )
    yield Grid(
        "Users, the highest score first",
        [Column("User"), *(Column(title, unit) for title, unit in _USER_COLUMNS.values())],
        [
            [
                Link(row["user_id"], "user", row["user_id"]),
                *(
                    figure_of(row, column, unit, _USERS, "date", "user_id")
                    for column, (_, unit) in _USER_COLUMNS.items()
                ),
            ]
            for row in firm.users
        ],
        f"Of {_USERS} on {firm.now['date']}: each over the 30 days that end on it.",
        left_out=firm_users - len(firm.users),
    )


# --- segments ------------------------------------------------------------------------------------

_SEGMENT_TILES: Final[Mapping[str, tuple[str, Unit]]] = {
    "users": ("Users", "count"),
    "power_users": ("Power", "count"),
    "regular_users": ("Regular", "count"),
    "casual_users": ("Casual", "count"),
    "churn_high": ("Churn risk high", "count"),
    "churn_medium": ("Churn risk medium", "count"),
    "reclaimable_usd_year": ("Reclaimable a year", "usd"),
}


def _segments(row: Row) -> Chapter:
    return Chapter(
        "segments",
        "Segments",
        f"Of Monday {row['date']}: power, regular and casual users by their access in 90 days.",
        [
            Tiles(
                [
                    Tile(
                        label,
                        figure_of(row, column, unit, _SEGMENTS, "date", "tenant_id"),
                        f"Column {column} of {_SEGMENTS}.",
                    )
                    for column, (label, unit) in _SEGMENT_TILES.items()
                ]
            )
        ],
    )


# --- charts --------------------------------------------------------------------------------------


class _Drawn:
    """Charts of all firms, each kind made once.

    Args:
        figures: Says which days are incomplete.
    """

    def __init__(self, figures: Figures) -> None:
        self._incomplete = figures.incomplete_days
        self._first, self._last = _first_day(figures), figures.day
        shown_days = self._incomplete.filter(pl.col("date").is_between(self._first, self._last))
        self._note = chart_note(shown_days.height)
        self._spec = cache(self._make)

    def tiers(self, firm: _Firm) -> Chart:
        users = sum(firm.tiers.values())
        counts = [firm.tiers.get(tier, 0) for tier in POWER_USER_TIERS]
        df = pl.DataFrame({"tier": POWER_USER_TIERS, "users": counts})
        power = counts[0]
        verb = "is a power user" if power == 1 else "are power users"
        return Chart(
            f"{power:,} of {counted(users, 'user')} {verb} ({100 * power / users:.1f} %)",
            charts.with_rows(self._spec("tiers"), df),
            f"Users of the firm by `power_user_tier` on {firm.now['date']}: {_USERS}. Inactive "
            "users belong to no firm.",
            "Bars: number of users by tier, the best tier first.",
        )

    def users(self, firm: _Firm) -> Chart:
        return Chart(
            f"Users active in 30 days {_moved(firm, 'active_users_30d', 'count')}",
            charts.with_rows(self._spec("users"), firm.lines["users"]),
            f"`active_users` (on the day) and `active_users_30d` (in the 30 days that end on it) "
            f"of {_FIRMS}.",
            "Two lines: users active in the 30 days that end on each day, and users of the day.",
            self._note,
        )

    def queries(self, firm: _Firm) -> Chart:
        return Chart(
            f"Queries in 30 days {_moved(firm, 'total_queries_30d', 'count')}",
            charts.with_rows(self._spec("queries"), firm.lines["queries"]),
            f"`total_queries` of {_FIRMS}: one event is one query. The sentence compares "
            "`total_queries_30d`.",
            "Bars: queries of each day.",
            self._note,
        )

    def adoption(self, firm: _Firm) -> Block:
        df = firm.lines["adoption"]
        if not df["adoption_rate_30d"].count():
            return Missing("Adoption", "No data for adoption: the number of seats is not known.")
        return Chart(
            f"Adoption {_moved(firm, 'adoption_rate_30d', 'percent')}",
            charts.with_rows(self._spec("adoption"), df),
            f"`adoption_rate_30d` of {_FIRMS}: users active in the 30 days that end on the day, "
            "of the seats provisioned on it; may exceed 100 %.",
            "Line: percentage of the seats with a user active in 30 days, for each day.",
            self._note,
        )

    def feedback(self, firm: _Firm) -> Block:
        df = firm.lines["feedback"]
        if not df["avg_feedback_score_30d"].count():
            return Missing(
                "Feedback",
                "No data for feedback: nothing was scored in 30 days on any day from "
                f"{self._first} to {self._last}.",
            )
        return Chart(
            f"Mean feedback of 30 days {_moved(firm, 'avg_feedback_score_30d', 'number')}",
            charts.with_rows(self._spec("feedback"), df),
            f"`avg_feedback_score_30d` of {_FIRMS}: mean over the scored events of the 30 days "
            "that end on the day.",
            "Line: mean score from 1 to 5, for each day.",
            self._note,
        )

    def _make(self, kind: str) -> Mapping[str, Any]:
        empty = pl.DataFrame()
        if kind == "tiers":
            return charts.finish(_tier_bars(), empty, height=180)
        return charts.finish(
            charts.over_days(_DAY_CHARTS[kind](), self._incomplete, self._first, self._last), empty
        )


def _moved(firm: _Firm, column: str, unit: Unit) -> str:
    """How a figure moved in 30 days, or what it is where it cannot be compared."""
    now = firm.now[column]
    if now is None:
        return f"is not known on {firm.now['date']}"
    before = firm.earlier.get(COMPARED[-1], {}).get(column)
    if before is None:
        return f"came to {shown(now, unit)} on {firm.now['date']}"
    return moved(now, before, unit, COMPARED[-1])


def _tier_bars() -> alt.Chart:
    colour = charts.coloured("tier", "Tier", POWER_USER_TIERS, charts.GRADES)
    chart: alt.Chart = (
        alt.Chart(charts.ROWS)
        .mark_bar()
        .encode(
            x=alt.X("users:Q", title="Users", axis=alt.Axis(format=",d", tickMinStep=1)),
            y=alt.Y("tier:N", title=None, sort=list(POWER_USER_TIERS)),
            color=colour.legend(None),
            tooltip=[
                alt.Tooltip("tier:N", title="Tier"),
                alt.Tooltip("users:Q", title="Users", format=",d"),
            ],
        )
    )
    return chart


def _user_lines() -> alt.Chart:
    chart: alt.Chart = (
        alt.Chart(charts.ROWS)
        .mark_line()
        .encode(
            x=charts.day_axis(),
            y=alt.Y("users:Q", title="Active users", scale=alt.Scale(domainMin=0)),
            color=charts.coloured("window", "Active", tuple(_WINDOWS.values())),
            tooltip=[
                charts.DAY,
                alt.Tooltip("window:N", title="Active"),
                alt.Tooltip("users:Q", title="Users", format=",d"),
            ],
        )
    )
    return chart


def _query_bars() -> alt.Chart:
    chart: alt.Chart = (
        alt.Chart(charts.ROWS)
        .mark_bar(color=charts.BLUE)
        .encode(
            x=charts.day_axis().timeUnit("yearmonthdate"),
            y=alt.Y("total_queries:Q", title="Queries a day"),
            tooltip=[charts.DAY, alt.Tooltip("total_queries:Q", title="Queries", format=",d")],
        )
    )
    return chart


def _adoption_line() -> alt.Chart:
    chart: alt.Chart = (
        alt.Chart(charts.ROWS)
        .mark_line(color=charts.BLUE)
        .encode(
            x=charts.day_axis(),
            y=alt.Y(
                "adoption_rate_30d:Q", title="Adoption (% of seats)", scale=alt.Scale(domainMin=0)
            ),
            tooltip=[
                charts.DAY,
                alt.Tooltip("adoption_rate_30d:Q", title="Adoption, %", format=".1f"),
                alt.Tooltip("active_users_30d:Q", title="Active in 30 days", format=",d"),
                alt.Tooltip("firm_size:Q", title="Seats", format=",d"),
            ],
        )
    )
    return chart


def _feedback_line() -> alt.Chart:
    chart: alt.Chart = (
        alt.Chart(charts.ROWS)
        .mark_line(color=charts.BLUE)
        .encode(
            x=charts.day_axis(),
            y=alt.Y(
                "avg_feedback_score_30d:Q",
                title="Mean score (1 to 5)",
                scale=alt.Scale(domain=[1, 5]),
            ),
            tooltip=[
                charts.DAY,
                alt.Tooltip("avg_feedback_score_30d:Q", title="Mean score", format=".2f"),
            ],
        )
    )
    return chart


_DAY_CHARTS: Final[Mapping[str, Callable[[], alt.Chart]]] = {
    "users": _user_lines,
    "queries": _query_bars,
    "adoption": _adoption_line,
    "feedback": _feedback_line,
}
