"""The chapter of firms: who is well, who is at risk and why, and what idle seats cost."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

import altair as alt
import polars as pl

from harvey_pipeline.engagement.tables.labels import FIRM_HEALTH_STATUSES
from harvey_pipeline.reports import charts
from harvey_pipeline.reports.chapter import ChapterMaker
from harvey_pipeline.reports.explaining import explain_firm_health
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
    Missing,
    Statement,
    Statements,
    Tile,
    Tiles,
    Unit,
    chart_note,
    shown,
)
from harvey_pipeline.reports.wording import change, counted

_FIRMS: Final = "marts.daily_firm_usage_summary"
_DASHBOARD: Final = "marts.harvey_analytics_dashboard"
_EVENTS: Final = "marts.daily_event_summary"

_KEY: Final = "firms"
_TITLE: Final = "Firms"

_DAYS: Final = 90
"""Days of the charts over time, the last one included."""

_MOST_FIRMS: Final = 1_000
"""Firms of the grid, and of the bubble chart: those with most ARR."""

_MOST_EXPLAINED: Final = 5
"""Firms at risk that are told in sentences."""

_HEIGHT: Final = 320
"""Pixels of both charts, which may stand side by side."""

_AT_RISK: Final = ("Needs Attention", "Critical")

_COUNTS: Final[Mapping[str, str]] = {
    status: f"{status.lower().replace(' ', '_')}_firms" for status in FIRM_HEALTH_STATUSES
}
"""Columns of the dashboard by status, from best to worst."""

_HEALTH: Final = (
    "Health is that of the 30 days up to the day, by mean feedback f and queries per active user "
    "q, the first that holds: no activity Critical; f from 4.5 and q from 10 Excellent; f from 4.0 "
    "and q from 5 Good; f from 3.5 and q from 2 Fair; f from 3.0 Needs Attention; else Critical. "
    "Without feedback: q from 2 Fair, else Needs Attention. At risk are Needs Attention and "
    "Critical."
)

Row = Mapping[str, Any]


def _make(figures: Figures) -> Chapter:
    day = figures.news_day
    firms = _firms_of(figures, day)
    if not firms:
        return Chapter(
            _KEY,
            _TITLE,
            lead="",
            absent=f"No data for firms: {_FIRMS} has no row of {day}.",
        )
    health = figures.rows(
        f"select date, {', '.join(_COUNTS.values())} from {_DASHBOARD}"
        " where date between $first and $day order by date",
        first=figures.back(_DAYS - 1),
    )
    return Chapter(
        _KEY,
        _TITLE,
        _lead(figures, firms),
        [
            _tiles(health, firms, day),
            _stand_out(firms),
            _health_against_arr(firms),
            _health_over_days(figures, health),
            _all_firms(firms),
        ],
    )


FIRMS: Final = ChapterMaker(
    key=_KEY,
    title=_TITLE,
    subject="engagement",
    make=_make,
)
"""How healthy firms are, against what they pay."""


def _firms_of(figures: Figures, day: date) -> list[dict[str, Any]]:
    """The rows of a day, those with most ARR first, with what is computed of each.

    Beside the table's columns: `active_users_change`, against 30 days before, and
    `unused_seats_usd_year`; null where not known.
    """
    if _FIRMS not in figures.tables:
        return []
    rows = figures.rows(
        f"""
        select now.*, now.active_users_30d - earlier.active_users_30d as active_users_change,
            now.arr_usd * now.unused_seats_30d / nullif(now.firm_size, 0) as unused_seats_usd_year
        from (select * from {_FIRMS} where date = $shown) now
        left join (
            select firm_id, active_users_30d from {_FIRMS} where date = $earlier
        ) earlier using (firm_id)
        order by arr_usd desc nulls last, firm_id
        """,
        shown=day,
        earlier=day - timedelta(days=30),
    )
    return rows.to_dicts()


def _lead(figures: Figures, firms: Sequence[Row]) -> str:
    day = figures.news_day
    lead = f"{counted(len(firms), 'firm')} on {day}, by the 30 days up to it."
    if day < figures.day:
        lead += f" Figures are of that day, as the events of {figures.day} are not complete."
    return lead


# --- money ---------------------------------------------------------------------------------------


def _at_risk(firms: Iterable[Row]) -> list[Row]:
    return [firm for firm in firms if firm["firm_health_status"] in _AT_RISK]


def _sum(rows: Iterable[Row], column: str) -> float | None:
    """The sum of what is known; null where nothing is."""
    known = [row[column] for row in rows if row[column] is not None]
    return sum(known) if known else None


def _tiles(health: pl.DataFrame, firms: Sequence[Row], day: date) -> Block:
    by_day = {row["date"]: row for row in health.to_dicts()}
    tiles = [_status_tile(status, by_day, health, day) for status in _AT_RISK if day in by_day]
    return Tiles(
        [
            *tiles,
            Tile(
                "ARR of firms at risk",
                Figure(_sum(_at_risk(firms), "arr_usd"), "usd"),
                "Annual contract value of firms that are Critical or Needs Attention, where it is "
                f"known, USD. {_HEALTH}",
            ),
            Tile(
                "Unused seats, a year",
                Figure(_sum(firms, "unused_seats_usd_year"), "usd"),
                "Sum over firms of ARR x unused seats / seats, USD a year; an unused seat is one "
                "without a user active in 30 days. Firms of unknown ARR or without seats are left "
                "out.",
            ),
        ]
    )


def _status_tile(status: str, by_day: Mapping[date, Row], health: pl.DataFrame, day: date) -> Tile:
    column = _COUNTS[status]
    row = by_day[day]
    changes = [
        change(row[column], by_day[day - timedelta(days=days)][column], "count", days)
        for days in (7, 30)
        if day - timedelta(days=days) in by_day
    ]
    return Tile(
        f"{status} firms",
        figure_of(row, column, "count", _DASHBOARD, "date"),
        f"Firms of health {status} on {day}. {_HEALTH}",
        changes,
        charts.sparkline(health, column) if health.height > 1 else None,
    )


def _stand_out(firms: Sequence[Row]) -> Block:
    risky = _at_risk(firms)
    most = [
        _explained(firm)
        # Firms are in the order of ARR, those of which it is not known last.
        for firm in risky[:_MOST_EXPLAINED]
    ]
    return Statements(
        "What stands out",
        [_arr_at_risk(firms, risky), _unused_seats(firms), *most],
        f"The firms named are those at risk with most ARR, at most {_MOST_EXPLAINED}. {_HEALTH}",
    )


def _arr_at_risk(firms: Sequence[Row], risky: Sequence[Row]) -> Statement:
    if not risky:
        return Statement(f"None of {counted(len(firms), 'firm')} is at risk.")
    arr, total = _sum(risky, "arr_usd"), _sum(firms, "arr_usd")
    is_one = len(risky) == 1
    sentence = (
        f"{len(risky):,} of {counted(len(firms), 'firm')} {'is' if is_one else 'are'} at risk"
    )
    if arr is None or total is None:
        return Statement(f"{sentence}; no ARR of {'it' if is_one else 'them'} is known.")
    share = f" ({100 * arr / total:.1f} %)" if total else ""
    holds = "it holds" if is_one else "they hold"
    unknown = sum(firm["arr_usd"] is None for firm in risky)
    return Statement(
        f"{sentence}; {holds} {shown(arr, 'usd')} of {shown(total, 'usd')} ARR{share}.",
        f"{_told(risky)}." + (f" ARR of {unknown:,} of them is not known." if unknown else ""),
    )


def _told(risky: Sequence[Row]) -> str:
    """How many firms have which status, the worst first."""
    counts = {
        status: sum(firm["firm_health_status"] == status for firm in risky) for status in _AT_RISK
    }
    return ", ".join(f"{count:,} {status}" for status, count in reversed(counts.items()) if count)


def _unused_seats(firms: Sequence[Row]) -> Statement:
    seats, unused = _sum(firms, "firm_size"), _sum(firms, "unused_seats_30d")
    if not seats or unused is None:
        return Statement("No firm is known to have seats, so that none is unused.")
    if not unused:
        return Statement(f"None of {counted(int(seats), 'seat')} is unused.")
    sentence = f"{int(unused):,} of {counted(int(seats), 'seat')} had no active user in 30 days"
    priced = [firm for firm in firms if firm["unused_seats_usd_year"] is not None]
    cost = _sum(priced, "unused_seats_usd_year")
    if cost is None:
        return Statement(f"{sentence}; what they cost is not known.")
    unpriced = int(unused) - sum(firm["unused_seats_30d"] for firm in priced)
    return Statement(
        f"{sentence}; they cost {shown(cost, 'usd')} a year.",
        "ARR x unused seats / seats, added up over firms."
        + (f" {counted(unpriced, 'seat')} of unknown price left out." if unpriced else ""),
    )


def _explained(firm: Row) -> Statement:
    explained = explain_firm_health(firm)
    arr = "ARR not known" if firm["arr_usd"] is None else f"{shown(firm['arr_usd'], 'usd')} ARR"
    return Statement(
        explained.sentence,
        f"{arr}. {explained.evidence}".strip(),
        Link(firm["firm_id"], "firm", firm["firm_id"]),
    )


# --- charts --------------------------------------------------------------------------------------


def _coloured(column: str) -> alt.Color:
    """Colours of the health, in a legend that fits a phone."""
    colour = charts.coloured(column, "Health", FIRM_HEALTH_STATUSES, charts.GRADES)
    return colour.legend(columns=3)


def _health_against_arr(firms: Sequence[Row]) -> Block:
    drawn = [
        firm
        for firm in firms
        if (firm["arr_usd"] or 0) > 0 and firm["adoption_rate_30d"] is not None
    ][:_MOST_FIRMS]
    if not drawn:
        return Missing(
            "Health against ARR", "No data for health against ARR: no firm has both ARR and seats."
        )
    columns: Mapping[str, tuple[str, str]] = {
        "arr_usd": ("ARR, USD", "$,.0f"),
        "firm_size": ("Seats", ",.0f"),
        "active_users_30d": ("Active users in 30 days", ",.0f"),
        "adoption_rate_30d": ("Adoption, % of seats", ",.1f"),
        "queries_per_active_user_30d": ("Queries per active user", ",.1f"),
        "avg_feedback_score_30d": ("Feedback, 1 to 5", ",.2f"),
    }
    df = pl.DataFrame(drawn, infer_schema_length=None).select(
        "firm_id", "firm_health_status", *columns
    )
    chart = (
        alt.Chart(charts.ROWS)
        .mark_circle(opacity=0.75, stroke=charts.GREY, strokeWidth=1)
        .encode(
            x=alt.X(
                "arr_usd:Q",
                title="ARR, USD a year (logarithmic)",
                scale=alt.Scale(type="log", nice=False, padding=24),
                axis=alt.Axis(format="$~s", labelOverlap=True, grid=False),
            ),
            y=alt.Y("adoption_rate_30d:Q", title="Seats with an active user in 30 days, %"),
            # What a size means is in the tooltip: a second legend has no place on a phone.
            size=alt.Size("firm_size:Q", scale=alt.Scale(range=[40, 1_200]), legend=None),
            color=_coloured("firm_health_status"),
            tooltip=[
                alt.Tooltip("firm_id:N", title="Firm"),
                alt.Tooltip("firm_health_status:N", title="Health"),
                *(
                    alt.Tooltip(f"{name}:Q", title=title, format=spelled)
                    for name, (title, spelled) in columns.items()
                ),
            ],
        )
    )
    absent = len(firms) - len(drawn)
    return Chart(
        finding=_use_of_seats(firms),
        spec=charts.finish(chart, df, height=_HEIGHT),
        definition=f"{_HEALTH} A seat counts as used where a user was active in the 30 days; more "
        f"users than seats are more than 100 %. The larger a circle, the more seats. {_FIRMS}.",
        description="One circle per firm: ARR to the right on a logarithmic scale, share of seats "
        "in use upwards, area by number of seats, colour by health.",
        note=f"{counted(absent, 'firm')} without ARR or seats, or beyond the {_MOST_FIRMS:,} with "
        "most ARR, not drawn."
        if absent
        else "",
    )


def _use_of_seats(firms: Sequence[Row]) -> str:
    seated = [firm for firm in firms if firm["firm_size"]]
    risky = _at_risk(seated)
    others = [firm for firm in seated if firm["firm_health_status"] not in _AT_RISK]
    if not risky:
        return f"No firm with seats is at risk; {_adoption(others)} of seats are in use"
    if not others:
        return f"All firms with seats are at risk; {_adoption(risky)} of seats are in use"
    return f"Firms at risk use {_adoption(risky)} of their seats, the others {_adoption(others)}"


def _adoption(seated: Sequence[Row]) -> str:
    """Active users of all seats: one figure of firms of all sizes."""
    active = sum(firm["active_users_30d"] for firm in seated)
    return f"{100 * active / sum(firm['firm_size'] for firm in seated):.1f} %"


def _health_over_days(figures: Figures, health: pl.DataFrame) -> Block:
    if health.is_empty():
        return Missing(
            "Health over time",
            f"No data for health over time: {_DASHBOARD} has no row of these {_DAYS} days.",
        )
    first, last = health["date"][0], health["date"][-1]
    incomplete = figures.incomplete_days.filter(pl.col("date").is_between(first, last))
    ranks = {status: rank for rank, status in enumerate(FIRM_HEALTH_STATUSES)}
    df = (
        health.rename({column: status for status, column in _COUNTS.items()})
        .unpivot(index="date", variable_name="status", value_name="firms")
        .with_columns(
            rank=pl.col("status").replace_strict(ranks),
            # Bars would hide the grey behind them.
            opacity=pl.when(pl.col("date").is_in(incomplete["date"].implode()))
            .then(0.4)
            .otherwise(1.0),
        )
        .sort("date", "rank")
    )
    bars = (
        alt.Chart(charts.ROWS)
        .mark_bar(binSpacing=0)
        .encode(
            x=charts.day_axis().timeUnit("yearmonthdate"),
            y=alt.Y("firms:Q", title="Firms", stack="zero", axis=alt.Axis(tickMinStep=1)),
            color=_coloured("status"),
            order=alt.Order("rank:Q"),
            opacity=alt.Opacity("opacity:Q", scale=None, legend=None),
            tooltip=[
                charts.DAY,
                alt.Tooltip("status:N", title="Health"),
                alt.Tooltip("firms:Q", title="Firms", format=",.0f"),
            ],
        )
    )
    return Chart(
        finding=_moved(health.filter(pl.col("date") <= figures.news_day)),
        spec=charts.finish(charts.over_days(bars, incomplete, first, last), df, height=_HEIGHT),
        definition=f"Firms by health on each day. {_HEALTH} {_DASHBOARD}.",
        description=f"One bar per day from {first} to {last}: firms stacked by health, from "
        "Excellent at the bottom to Critical at the top.",
        note=chart_note(incomplete.height),
    )


def _moved(health: pl.DataFrame) -> str:
    """What has become of the firms at risk from the first row to the last."""
    if health.is_empty():
        return "No day is complete"
    rows = health.to_dicts()
    (was, _), (now, of) = _risk_of(rows[0]), _risk_of(rows[-1])
    if len(rows) == 1 and not now:
        return f"None of {counted(of, 'firm')} is at risk"
    if len(rows) == 1:
        return f"{now:,} of {counted(of, 'firm')} {'is' if now == 1 else 'are'} at risk"
    since = f"since {rows[0]['date']}"
    if was == now:
        return f"Firms at risk are {now:,} of {of:,}, as many as on {rows[0]['date']}"
    moved = "rose" if now > was else "fell"
    return f"Firms at risk {moved} from {was:,} to {now:,} of {of:,} {since}"


def _risk_of(row: Row) -> tuple[int, int]:
    """Firms at risk, and all, of a row of the dashboard."""
    return sum(row[_COUNTS[status]] for status in _AT_RISK), sum(
        row[column] for column in _COUNTS.values()
    )


# --- all firms -----------------------------------------------------------------------------------

_COLUMNS: Final[Mapping[str, Column]] = {
    "firm_id": Column("Firm"),
    "firm_health_status": Column("Health", "text", _HEALTH),
    "why": Column("Why", "text", "What the health rests on."),
    "arr_usd": Column("ARR", "usd", "Annual contract value, USD."),
    "firm_size": Column("Seats", "count", "Provisioned seats."),
    "active_users_30d": Column("Active users", "count", "Users active in the 30 days."),
    "active_users_change": Column(
        "Change", "count", "Active users of the 30 days less those of the 30 days before."
    ),
    "adoption_rate_30d": Column(
        "Adoption", "percent", "Active users of seats; more users than seats are more than 100 %."
    ),
    "unused_seats_30d": Column("Unused seats", "count", "Seats without a user in the 30 days."),
    "unused_seats_usd_year": Column(
        "Unused, USD a year", "usd", "ARR x unused seats / seats; an estimate by the mean price."
    ),
    "avg_feedback_score_30d": Column("Feedback", "number", "Mean score of 30 days, 1 to 5."),
    "firm_usage_pattern_30d": Column("Usage", "text", "Which event type leads in the 30 days."),
    "firm_maturity_stage": Column("Stage", "text", "By days since the firm was created."),
}
_COMPUTED: Final = ("active_users_change", "unused_seats_usd_year")


def _all_firms(firms: Sequence[Row]) -> Block:
    return Grid(
        "All firms",
        list(_COLUMNS.values()),
        [_entries(firm) for firm in firms[:_MOST_FIRMS]],
        f"Every firm valid on the day or active in its 30 days, those with most ARR first. "
        f"{_FIRMS}.",
        left_out=max(0, len(firms) - _MOST_FIRMS),
        is_searchable=True,
    )


def _entries(firm: Row) -> list[Entry]:
    return [_entry(firm, name, column.unit) for name, column in _COLUMNS.items()]


def _entry(firm: Row, name: str, unit: Unit) -> Entry:
    if name == "firm_id":
        return Link(firm["firm_id"], "firm", firm["firm_id"])
    if name == "why":
        return explain_firm_health(firm).sentence
    if name in _COMPUTED:
        return Figure(firm[name], unit)
    return figure_of(firm, name, unit, _FIRMS, "date", "firm_id")
